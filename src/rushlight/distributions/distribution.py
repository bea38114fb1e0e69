"""Distribution, the base of all: shapes, validation, what every family answers."""

import warnings
from collections.abc import Sequence
from typing import Any, Self

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.utils import lazy_property

__all__ = ["Distribution"]


class Distribution:
    """Distribution(batch_shape=torch.Size([]), event_shape=torch.Size([]), validate_args=None)

    A probability distribution, or a batch of them.

    A sample has shape ``sample_shape + batch_shape + event_shape``. With ``validate_args`` (the
    default) parameters and the values given to ``log_prob`` are checked against
    ``arg_constraints`` and ``support``.

    >>> d = torch.distributions.MultivariateNormal(torch.zeros(3, 2), torch.eye(2))
    >>> d.batch_shape, d.event_shape, d.sample((5,)).shape
    (torch.Size([3]), torch.Size([2]), torch.Size([5, 3, 2]))
    >>> d.log_prob(torch.zeros(2))
    tensor([-1.8379, -1.8379, -1.8379])
    >>> d.expand((7, 3)).batch_shape
    torch.Size([7, 3])
    """

    has_rsample: Any = False
    has_enumerate_support: Any = False
    _validate_args: bool = __debug__

    @staticmethod
    def set_default_validate_args(value: bool) -> None:
        """Whether distributions made from now on check their arguments; True to begin with."""
        if value not in (True, False):
            raise ValueError
        Distribution._validate_args = value

    def __init__(
        self,
        batch_shape: torch.Size = torch.Size(),
        event_shape: torch.Size = torch.Size(),
        validate_args: bool | None = None,
    ) -> None:
        self._batch_shape = batch_shape
        self._event_shape = event_shape
        if validate_args is not None:
            self._validate_args = validate_args
        if self._validate_args:
            self._check_parameters()
        super().__init__()

    def _check_parameters(self) -> None:
        """ValueError for the first parameter that lies outside its constraint."""
        try:
            known = self.arg_constraints
        except NotImplementedError:
            known = {}
            warnings.warn(
                f"{self.__class__} does not define `arg_constraints`. "
                "Please set `arg_constraints = {}` or initialize the distribution "
                "with `validate_args=False` to turn off validation.",
                stacklevel=4,
            )
        for name, constraint in known.items():
            if constraints.is_dependent(constraint):
                continue
            if name not in self.__dict__ and isinstance(getattr(type(self), name), lazy_property):
                continue  # derived from the one that was given
            value = getattr(self, name)
            if not bool(constraint.check(value).all()):
                raise ValueError(
                    f"Expected parameter {name} "
                    f"({type(value).__name__} of shape {tuple(value.shape)}) "
                    f"of distribution {self!r} to satisfy the constraint {constraint!r}, "
                    f"but found invalid values:\n{value}"
                )

    def expand(self, batch_shape: Any, _instance: Any = None) -> Self:
        """The same distribution with its parameters expanded to ``batch_shape``."""
        raise NotImplementedError

    @property
    def batch_shape(self) -> torch.Size:
        """The shape over which parameters are batched."""
        return self._batch_shape

    @property
    def event_shape(self) -> torch.Size:
        """The shape of a single sample, without the batch."""
        return self._event_shape

    @property
    def arg_constraints(self) -> dict[str, constraints.Constraint]:
        """The constraint of each parameter, by name."""
        raise NotImplementedError

    @property
    def support(self) -> Any:
        """The constraint that samples satisfy."""
        raise NotImplementedError

    @property
    def mean(self) -> torch.Tensor:
        """The mean."""
        raise NotImplementedError

    @property
    def mode(self) -> torch.Tensor:
        """The most probable value."""
        raise NotImplementedError(f"{self.__class__} does not implement mode")

    @property
    def variance(self) -> torch.Tensor:
        """The variance."""
        raise NotImplementedError

    @property
    def stddev(self) -> torch.Tensor:
        """The standard deviation."""
        return self.variance.sqrt()

    def sample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """A sample of shape ``sample_shape + batch_shape + event_shape``, without history."""
        with torch.no_grad():
            return self.rsample(sample_shape)

    def rsample(self, sample_shape: Any = torch.Size()) -> torch.Tensor:
        """A sample that is differentiable in the parameters."""
        raise NotImplementedError

    def sample_n(self, n: int) -> torch.Tensor:
        """``sample((n,))``; deprecated."""
        warnings.warn(
            "`sample_n(n)` will be deprecated. Use `sample((n,))` instead.",
            FutureWarning,
            stacklevel=2,
        )
        return self.sample(torch.Size((n,)))

    def log_prob(self, value: torch.Tensor) -> torch.Tensor:
        """The log of the density, or of the probability, at ``value``."""
        raise NotImplementedError

    def cdf(self, value: torch.Tensor) -> torch.Tensor:
        """The probability of a sample up to ``value``."""
        raise NotImplementedError

    def icdf(self, value: torch.Tensor) -> torch.Tensor:
        """The quantile: the inverse of ``cdf``."""
        raise NotImplementedError

    def enumerate_support(self, expand: bool = True) -> torch.Tensor:
        """All values of a discrete distribution, along a new first dimension.

        Of shape ``(values,) + batch_shape + event_shape``; with ``expand=False`` the batch's
        dimensions are 1.
        """
        raise NotImplementedError

    def entropy(self) -> torch.Tensor:
        """The entropy, in nats, of shape ``batch_shape``."""
        raise NotImplementedError

    def perplexity(self) -> torch.Tensor:
        """The exponential of the entropy."""
        return torch.exp(self.entropy())

    # ---- for the families ------------------------------------------------------------------------

    def _extended_shape(self, sample_shape: Any = torch.Size()) -> torch.Size:
        """The shape of a sample."""
        return torch.Size((*sample_shape, *self._batch_shape, *self._event_shape))

    def _validate_sample(self, value: torch.Tensor) -> None:
        """ValueError for a value of the wrong type or shape, or outside the support."""
        if not isinstance(value, torch.Tensor):
            raise ValueError("The value argument to log_prob must be a Tensor")
        if value.shape[value.dim() - len(self._event_shape) :] != self._event_shape:
            raise ValueError(
                "The right-most size of value must match event_shape: "
                f"{value.size()} vs {self._event_shape}."
            )
        self._check_broadcast(value.shape, self._batch_shape + self._event_shape)
        try:
            support = self.support
        except NotImplementedError:
            warnings.warn(
                f"{self.__class__} does not define `support` to enable "
                "sample validation. Please initialize the distribution with "
                "`validate_args=False` to turn off validation.",
                stacklevel=3,
            )
            return
        if not bool(support.check(value).all()):
            raise ValueError(
                "Expected value argument "
                f"({type(value).__name__} of shape {tuple(value.shape)}) "
                f"to be within the support ({support!r}) "
                f"of the distribution {self!r}, but found invalid values:\n{value}"
            )

    @staticmethod
    def _check_broadcast(actual: torch.Size, expected: torch.Size) -> None:
        for i, j in zip(reversed(actual), reversed(expected), strict=False):
            if i != 1 and j != 1 and i != j:
                raise ValueError(
                    "Value is not broadcastable with batch_shape+event_shape: "
                    f"{actual} vs {expected}."
                )

    def _get_checked_instance(self, cls: Any, _instance: Any = None) -> Any:
        """A bare instance for ``expand`` to fill; a subclass with its own __init__ must do it."""
        own: Any = type(self)
        if _instance is None and own.__init__ is not cls.__init__:
            raise NotImplementedError(
                f"Subclass {self.__class__.__name__} of {cls.__name__} that defines a custom "
                "__init__ method must also define a custom .expand() method."
            )
        return self.__new__(type(self)) if _instance is None else _instance

    def _expanded(self, cls: type, instance: Any, batch_shape: Any, names: Sequence[str]) -> Any:
        """A copy whose parameters ``names`` (those that are set) have this batch shape."""
        new = self._get_checked_instance(cls, instance)
        batch_shape = torch.Size(batch_shape)
        for name in names:
            if name in self.__dict__:
                value = self.__dict__[name]
                event = value.shape[len(self._batch_shape) :]
                setattr(new, name, value.expand(batch_shape + event))
        Distribution.__init__(new, batch_shape, self._event_shape, validate_args=False)
        new._validate_args = self._validate_args
        return new

    def __repr__(self) -> str:
        names = [name for name in self.arg_constraints if name in self.__dict__]
        values = [self.__dict__[name] for name in names]
        shown = [
            f"{n}: {v if v.numel() == 1 else v.size()}" for n, v in zip(names, values, strict=True)
        ]
        return f"{self.__class__.__name__}({', '.join(shown)})"
