"""MixtureSameFamily."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution

__all__ = ["MixtureSameFamily"]


class MixtureSameFamily(Distribution):
    """MixtureSameFamily(mixture_distribution, component_distribution, validate_args=None)

    A Categorical chooses one of the components, which lie along the last dimension of the
    component distribution's batch.

    >>> from rushlight.distributions import Categorical, MixtureSameFamily, Normal
    >>> parts = Normal(torch.tensor([-1.0, 3.0]), torch.ones(2))
    >>> MixtureSameFamily(Categorical(torch.ones(2)), parts).mean
    tensor(1.)
    """

    arg_constraints: dict[str, constraints.Constraint] = {}
    has_rsample = False

    def __init__(
        self,
        mixture_distribution: Categorical,
        component_distribution: Distribution,
        validate_args: bool | None = None,
    ) -> None:
        _check_mixture(mixture_distribution, component_distribution)
        self._mixture_distribution = mixture_distribution
        self._component_distribution = component_distribution
        self._num_component = mixture_distribution.logits.shape[-1]
        event_shape = component_distribution.event_shape
        self._event_ndims = len(event_shape)
        batch_shape = component_distribution.batch_shape[:-1]
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        new = self._get_checked_instance(MixtureSameFamily, _instance)
        batch_shape = torch.Size(batch_shape)
        new._component_distribution = self._component_distribution.expand(
            torch.Size((*batch_shape, self._num_component))
        )
        new._mixture_distribution = self._mixture_distribution.expand(batch_shape)
        new._num_component = self._num_component
        new._event_ndims = self._event_ndims
        event_shape = new._component_distribution.event_shape
        Distribution.__init__(new, batch_shape, event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    @constraints.dependent_property
    def support(self) -> Any:
        """That of all components."""
        return constraints.MixtureSameFamilyConstraint(self._component_distribution.support)

    @property
    def mixture_distribution(self) -> Categorical:
        """The Categorical that chooses."""
        return self._mixture_distribution

    @property
    def component_distribution(self) -> Distribution:
        """The components."""
        return self._component_distribution

    @property
    def mean(self) -> torch.Tensor:
        """The components' means, weighted."""
        probs = self._pad_mixture_dimensions(self.mixture_distribution.probs)
        return torch.sum(probs * self.component_distribution.mean, dim=-1 - self._event_ndims)

    @property
    def variance(self) -> torch.Tensor:
        """The mean of the variances and the variance of the means."""
        probs = self._pad_mixture_dimensions(self.mixture_distribution.probs)
        dim = -1 - self._event_ndims
        within = torch.sum(probs * self.component_distribution.variance, dim=dim)
        away = self.component_distribution.mean - self._pad(self.mean)
        return within + torch.sum(probs * away.pow(2.0), dim=dim)

    def cdf(self, x: torch.Tensor) -> torch.Tensor:
        """The components' cdfs, weighted."""
        x = self._pad(x)
        return torch.sum(
            self.component_distribution.cdf(x) * self.mixture_distribution.probs, dim=-1
        )

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """The log of the weighted densities."""
        if self._validate_args:
            self._validate_sample(x)
        x = self._pad(x)
        log_probs = self.component_distribution.log_prob(x)
        log_weights = torch.log_softmax(self.mixture_distribution.logits, dim=-1)
        return torch.logsumexp(log_probs + log_weights, dim=-1)

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """A sample of every component, of which the mixture's sample chooses one."""
        with torch.no_grad():
            event = self.event_shape
            dim = len(sample_shape) + len(self.batch_shape)
            index = self.mixture_distribution.sample(sample_shape)
            samples = self.component_distribution.sample(sample_shape)
            index = index.reshape(index.shape + torch.Size([1] * (len(event) + 1)))
            index = index.repeat(
                torch.Size([1] * len(index.shape[: -len(event) - 1]) + [1]) + event
            )
            return torch.gather(samples, dim, index).squeeze(dim)

    def _pad(self, x: torch.Tensor) -> torch.Tensor:
        return x.unsqueeze(-1 - self._event_ndims)

    def _pad_mixture_dimensions(self, x: torch.Tensor) -> torch.Tensor:
        """The weights, broadcast over the event."""
        missing = len(self.batch_shape) - len(self.mixture_distribution.batch_shape)
        shape = x.shape
        return x.reshape(
            shape[:-1]
            + torch.Size(missing * [1])
            + shape[-1:]
            + torch.Size(self._event_ndims * [1])
        )

    def __repr__(self) -> str:
        return (
            f"MixtureSameFamily(\n  {self.mixture_distribution},\n  {self.component_distribution})"
        )


def _check_mixture(mixture: Any, component: Any) -> None:
    """ValueError for what does not fit together."""
    if not isinstance(mixture, Categorical):
        raise ValueError(
            " The Mixture distribution needs to be an  instance of torch.distributions.Categorical"
        )
    if not isinstance(component, Distribution):
        raise ValueError(
            "The Component distribution needs to be an instance of torch.distributions.Distribution"
        )
    weights, batch = mixture.batch_shape, component.batch_shape[:-1]
    for size1, size2 in zip(reversed(weights), reversed(batch), strict=False):
        if size1 != 1 and size2 != 1 and size1 != size2:
            raise ValueError(
                f"`mixture_distribution.batch_shape` ({weights}) is not "
                f"compatible with `component_distribution.batch_shape`({batch})"
            )
    count, last = mixture.logits.shape[-1], component.batch_shape[-1]
    if count != last:
        raise ValueError(
            f"`mixture_distribution component` ({count}) does not"
            f" equal `component_distribution.batch_shape[-1]` ({last})"
        )
