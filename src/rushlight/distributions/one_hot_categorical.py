"""OneHotCategorical, and its straight-through form."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.categorical import Categorical
from rushlight.distributions.distribution import Distribution
from rushlight.nn import functional as F

__all__ = ["OneHotCategorical", "OneHotCategoricalStraightThrough"]


class OneHotCategorical(Distribution):
    """OneHotCategorical(probs=None, logits=None, validate_args=None)

    A one-hot vector of a categorical index.

    >>> from rushlight.distributions import OneHotCategorical
    >>> OneHotCategorical(torch.tensor([1.0, 3.0])).mean
    tensor([0.2500, 0.7500])
    """

    arg_constraints = {"probs": constraints.simplex, "logits": constraints.real_vector}
    support = constraints.one_hot
    has_enumerate_support = True

    def __init__(
        self,
        probs: torch.Tensor | None = None,
        logits: torch.Tensor | None = None,
        validate_args: bool | None = None,
    ) -> None:
        self._categorical = Categorical(probs, logits)
        batch_shape = self._categorical.batch_shape
        event_shape = self._categorical.param_shape[-1:]
        super().__init__(batch_shape, event_shape, validate_args=validate_args)

    def expand(self, batch_shape: Any, _instance: Any = None) -> Any:
        """The same with its parameters expanded."""
        new = self._expanded(OneHotCategorical, _instance, batch_shape, ())
        new._categorical = self._categorical.expand(new._batch_shape)
        return new

    def _new(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self._categorical._new(*args, **kwargs)

    @property
    def _param(self) -> torch.Tensor:
        return self._categorical._param

    @property
    def probs(self) -> torch.Tensor:
        """The probabilities."""
        return self._categorical.probs

    @property
    def logits(self) -> torch.Tensor:
        """The log probabilities."""
        return self._categorical.logits

    @property
    def mean(self) -> torch.Tensor:
        """probs."""
        return self._categorical.probs

    @property
    def mode(self) -> torch.Tensor:
        """The most probable vector."""
        mode = self._categorical.probs.argmax(dim=-1)
        return F.one_hot(mode, num_classes=self.event_shape[-1]).to(self.probs)

    @property
    def variance(self) -> torch.Tensor:
        """probs (1 - probs)."""
        return self._categorical.probs * (1 - self._categorical.probs)

    @property
    def param_shape(self) -> torch.Size:
        """The shape of the parameter that was given."""
        return self._categorical.param_shape

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """One-hot vectors."""
        indices = self._categorical.sample(torch.Size(sample_shape))
        return F.one_hot(indices, self._categorical._num_events).to(self.probs)

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log probability of the index of the 1."""
        if self._validate_args:
            self._validate_sample(value)
        return self._categorical.log_prob(value.max(-1)[1])

    def entropy(self) -> torch.Tensor:
        """That of the index."""
        return self._categorical.entropy()

    def enumerate_support(self, expand: bool = True) -> torch.Tensor:
        """The rows of the identity matrix."""
        n = self.event_shape[0]
        values = torch.eye(n, dtype=self._param.dtype, device=self._param.device)
        values = values.view((n,) + (1,) * len(self.batch_shape) + (n,))
        return values.expand((n, *self.batch_shape, n)) if expand else values


class OneHotCategoricalStraightThrough(OneHotCategorical):
    """OneHotCategoricalStraightThrough(probs=None, logits=None, validate_args=None)

    One-hot samples through which the gradient passes as if they were the probabilities.

    >>> probs = torch.tensor([0.2, 0.8], requires_grad=True)
    >>> sample = torch.distributions.OneHotCategoricalStraightThrough(probs).rsample()
    >>> sample.sum().item(), sample.requires_grad
    (1.0, True)
    """

    has_rsample = True

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """One-hot vectors with the gradient of probs."""
        samples = self.sample(sample_shape)
        probs = self._categorical.probs
        return samples + (probs - probs.detach())
