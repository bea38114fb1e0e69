"""Multinomial."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.binomial import Binomial
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import broadcast_all

__all__ = ["Multinomial"]


class Multinomial(Distribution):
    """Multinomial(total_count=1, probs=None, logits=None, validate_args=None)

    How often each index is drawn in ``total_count`` draws.

    >>> from rushlight.distributions import Multinomial
    >>> Multinomial(4, torch.tensor([1.0, 3.0])).mean
    tensor([1., 3.])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    total_count: int

    @property
    def mean(self) -> torch.Tensor:
        """total_count probs."""
        return self.probs * self.total_count

    @property
    def variance(self) -> torch.Tensor:
        """total_count probs (1 - probs)."""
        return self.total_count * self.probs * (1 - self.probs)

    def __init__(
        self,
        total_count: int = 1,
        probs: torch.Tensor | None = None,
        logits: torch.Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        if not isinstance(total_count, int):
            raise NotImplementedError("inhomogeneous total_count is not supported")
        self.total_count = total_count
        self._categorical = Categorical(probs=probs, logits=logits)
        self._binomial = Binomial(total_count=total_count, probs=self.probs)
        batch_shape = self._categorical.batch_shape
        event_shape = self._categorical.param_shape[-1:]
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        new = self._expanded(Multinomial, _instance, batch_shape, ())
        new.total_count = self.total_count
        new._categorical = self._categorical.expand(new._batch_shape)
        new._binomial = self._binomial.expand(new._batch_shape + self.event_shape)
        return new

    def _new(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self._categorical._new(*args, **kwargs)

    @constraints.dependent_property(is_discrete=True, event_dim=1)
    def support(self) -> Any:
        """Counts of sum total_count."""
        return constraints.multinomial(self.total_count)

    @property
    def logits(self) -> torch.Tensor:
        """The log probabilities."""
        return self._categorical.logits

    @property
    def probs(self) -> torch.Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def param_shape(self) -> torch.Size:
        """The shape of the parameter that was given."""
        return self._categorical.param_shape

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """Counts of ``total_count`` categorical samples."""
        sample_shape = torch.Size(sample_shape)
        indices = self._categorical.sample(torch.Size((self.total_count,)) + sample_shape)
        indices = indices.movedim(0, -1)
        counts = torch.zeros(
            self._extended_shape(sample_shape), dtype=torch.long, device=indices.device
        )
        counts.scatter_add_(-1, indices, torch.ones_like(indices))
        return counts.type_as(self.probs)

    def entropy(self) -> torch.Tensor:
        """That of the draws, less what their order would tell."""
        n = torch.tensor(self.total_count)
        ordered = n * self._categorical.entropy() - torch.lgamma(n + 1)
        support = self._binomial.enumerate_support(expand=False)[1:]
        probs = torch.exp(self._binomial.log_prob(support))
        return ordered + (probs * torch.lgamma(support + 1)).sum([0, -1])

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log probability."""
        if self._validate_args:
            self._validate_sample(value)
        logits, value = broadcast_all(self.logits, value)
        logits = logits.clone(memory_format=torch.contiguous_format)
        ways = torch.lgamma(value.sum(-1) + 1) - torch.lgamma(value + 1).sum(-1)
        logits[(value == 0) & (logits == -torch.inf)] = 0
        return ways + (logits * value).sum(-1)
