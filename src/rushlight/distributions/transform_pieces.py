"""Transforms side by side: one for each piece, or each index, of a dimension."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributions import constraints
from rushlight.distributions.transform_base import Transform
from rushlight.distributions.utils import _sum_rightmost, lazy_property


def _take(tseq: Sequence[Transform], cache_size: int) -> list[Transform]:
    if not all(isinstance(t, Transform) for t in tseq):
        raise AssertionError("All elements of tseq must be Transform instances")
    return [t.with_cache(cache_size) for t in tseq] if cache_size else list(tseq)


def _check_dim(dim: int, value: torch.Tensor, name: str = "tensor") -> None:
    if not -value.dim() <= dim < value.dim():
        raise AssertionError(f"dim {dim} out of range for {name} with {value.dim()} dimensions")


def _check_size(dim: int, value: torch.Tensor, name: str, size: int, what: str) -> None:
    if value.size(dim) != size:
        raise AssertionError(f"{name}.size({dim}) = {value.size(dim)} must equal {what} {size}")


class CatTransform(Transform):
    """CatTransform(tseq, dim=0, lengths=None, cache_size=0)

    Transforms for consecutive pieces of ``lengths`` elements along ``dim``, as ``torch.cat`` joins
    them.

    >>> from rushlight.distributions import CatTransform, ExpTransform, identity_transform
    >>> CatTransform([ExpTransform(), identity_transform], lengths=[1, 2])(torch.zeros(3))
    tensor([1., 0., 0.])
    """

    def __init__(
        self,
        tseq: Sequence[Transform],
        dim: int = 0,
        lengths: Sequence[int] | None = None,
        cache_size: int = 0,
    ) -> None:
        taken = _take(tseq, cache_size)
        super().__init__(cache_size=cache_size)
        self.transforms = taken
        self.lengths = [1] * len(taken) if lengths is None else list(lengths)
        if len(self.lengths) != len(taken):
            raise AssertionError(
                f"lengths ({len(self.lengths)}) must match transforms ({len(taken)})"
            )
        self.dim = dim

    @lazy_property
    def event_dim(self) -> int:
        """The largest of theirs."""
        return max(t.event_dim for t in self.transforms)

    @lazy_property
    def length(self) -> int:
        """The sum of the pieces' lengths."""
        return sum(self.lengths)

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with a cache of this size."""
        if self._cache_size == cache_size:
            return self
        return CatTransform(self.transforms, self.dim, self.lengths, cache_size)

    def _check(self, value: torch.Tensor, name: str, shown: str = "tensor") -> None:
        _check_dim(self.dim, value, shown)
        _check_size(self.dim, value, name, self.length, "length")

    def _pieces(self, value: torch.Tensor) -> list[torch.Tensor]:
        return list(value.split(self.lengths, self.dim))

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x, "x")
        pieces = zip(self.transforms, self._pieces(x), strict=True)
        return torch.cat([t(piece) for t, piece in pieces], dim=self.dim)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        self._check(y, "y")
        pieces = zip(self.transforms, self._pieces(y), strict=True)
        return torch.cat([t.inv(piece) for t, piece in pieces], dim=self.dim)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """The pieces' side by side, or their sum where the dimension lies inside the event."""
        self._check(x, "x", "x")
        self._check(y, "y", "y")
        terms: list[Any] = []
        for t, a, b in zip(self.transforms, self._pieces(x), self._pieces(y), strict=True):
            term = t.log_abs_det_jacobian(a, b)
            if t.event_dim < self.event_dim:
                term = _sum_rightmost(term, self.event_dim - t.event_dim)
            terms.append(term)
        dim = self.dim - x.dim() if self.dim >= 0 else self.dim
        dim += self.event_dim
        return torch.cat(terms, dim=dim) if dim < 0 else sum(terms)

    @property
    def bijective(self) -> bool:
        """Whether all are."""
        return all(t.bijective for t in self.transforms)

    @constraints.dependent_property
    def domain(self) -> Any:
        """Theirs, side by side."""
        return constraints.cat([t.domain for t in self.transforms], self.dim, self.lengths)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """Theirs, side by side."""
        return constraints.cat([t.codomain for t in self.transforms], self.dim, self.lengths)


class StackTransform(Transform):
    """StackTransform(tseq, dim=0, cache_size=0)

    A transform for each index along ``dim``, as ``torch.stack`` joins them.

    >>> from rushlight.distributions import ExpTransform, StackTransform, identity_transform
    >>> StackTransform([ExpTransform(), identity_transform])(torch.zeros(2))
    tensor([1., 0.])
    """

    def __init__(self, tseq: Sequence[Transform], dim: int = 0, cache_size: int = 0) -> None:
        taken = _take(tseq, cache_size)
        super().__init__(cache_size=cache_size)
        self.transforms = taken
        self.dim = dim

    def with_cache(self, cache_size: int = 1) -> Transform:
        """The same with a cache of this size."""
        if self._cache_size == cache_size:
            return self
        return StackTransform(self.transforms, self.dim, cache_size)

    def _check(self, value: torch.Tensor, name: str, shown: str = "tensor") -> None:
        _check_dim(self.dim, value, shown)
        _check_size(self.dim, value, name, len(self.transforms), "len(transforms)")

    def _slice(self, z: torch.Tensor) -> list[torch.Tensor]:
        return [z.select(self.dim, i) for i in range(z.size(self.dim))]

    def _call(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x, "x")
        slices = zip(self._slice(x), self.transforms, strict=True)
        return torch.stack([t(part) for part, t in slices], dim=self.dim)

    def _inverse(self, y: torch.Tensor) -> torch.Tensor:
        self._check(y, "y")
        slices = zip(self._slice(y), self.transforms, strict=True)
        return torch.stack([t.inv(part) for part, t in slices], dim=self.dim)

    def log_abs_det_jacobian(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Theirs, stacked."""
        self._check(x, "x", "x")
        self._check(y, "y", "y")
        triples = zip(self.transforms, self._slice(x), self._slice(y), strict=True)
        return torch.stack([t.log_abs_det_jacobian(a, b) for t, a, b in triples], dim=self.dim)

    @property
    def bijective(self) -> bool:
        """Whether all are."""
        return all(t.bijective for t in self.transforms)

    @constraints.dependent_property
    def domain(self) -> Any:
        """Theirs, stacked."""
        return constraints.stack([t.domain for t in self.transforms], self.dim)

    @constraints.dependent_property
    def codomain(self) -> Any:
        """Theirs, stacked."""
        return constraints.stack([t.codomain for t in self.transforms], self.dim)
