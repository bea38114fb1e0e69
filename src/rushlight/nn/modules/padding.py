"""Padding of the last dimensions."""

from typing import Any

from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module
from rushlight.nn.modules.utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """Padding by a mode of F.pad; one size, or (left, right, top, bottom, ...)."""

    _mode: str
    _space: int  # how many dimensions are padded

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self._space)(padding)

    def forward(self, input: Any) -> Any:
        """The padded input."""
        return F.pad(input, self.padding, self._mode)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.padding}"


class _CircularPadNd(_PadNd):
    _mode = "circular"

    def _check_input_dim(self, input: Any) -> None:
        n = self._space
        if input.dim() not in (n + 1, n + 2):
            raise ValueError(f"expected {n + 1}D or {n + 2}D input (got {input.dim()}D input)")

    def forward(self, input: Any) -> Any:
        """The padded input."""
        self._check_input_dim(input)
        return F.pad(input, self.padding, "circular")


class _ReflectionPadNd(_PadNd):
    _mode = "reflect"


class _ReplicationPadNd(_PadNd):
    _mode = "replicate"


class _ConstantPadNd(_PadNd):
    _mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Any) -> Any:
        """The padded input."""
        return F.pad(input, self.padding, "constant", self.value)

    def extra_repr(self) -> str:
        """The sizes and the value."""
        return f"padding={self.padding}, value={self.value}"


class CircularPad1d(_CircularPadNd):
    """CircularPad1d(padding)

    Continue around from the other end, on all sides of (N, C, L) or (C, L).

    >>> torch.nn.CircularPad1d((2, 1))(torch.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[2., 3., 1., 2., 3., 1.]]])
    """

    _space = 1


class ConstantPad1d(_ConstantPadNd):
    """ConstantPad1d(padding, value): fill with ``value``, on all sides of (N, C, L) or (C, L).

    >>> torch.nn.ConstantPad1d((2, 1), 9.0)(torch.tensor([[[1.0, 2.0]]]))
    tensor([[[9., 9., 1., 2., 9.]]])
    """

    _space = 1


class ReflectionPad1d(_ReflectionPadNd):
    """ReflectionPad1d(padding)

    Mirror at the edge, without repeating it, on all sides of (N, C, L) or (C, L).

    >>> torch.nn.ReflectionPad1d((2, 1))(torch.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[3., 2., 1., 2., 3., 2.]]])
    """

    _space = 1


class ReplicationPad1d(_ReplicationPadNd):
    """ReplicationPad1d(padding): repeat the edge, on all sides of (N, C, L) or (C, L).

    >>> torch.nn.ReplicationPad1d((2, 1))(torch.tensor([[[1.0, 2.0, 3.0]]]))
    tensor([[[1., 1., 1., 2., 3., 3.]]])
    """

    _space = 1


class ZeroPad1d(ConstantPad1d):
    """ZeroPad1d(padding): zeros on all sides of (N, C, L) or (C, L).

    >>> torch.nn.ZeroPad1d((2, 1))(torch.ones(1, 1, 3))
    tensor([[[0., 0., 1., 1., 1., 0.]]])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.padding}"


class CircularPad2d(_CircularPadNd):
    """CircularPad2d(padding)

    Continue around from the other end, on all sides of (N, C, H, W) or (C, H, W).

    >>> torch.nn.CircularPad2d((1, 0, 1, 0))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[4., 3., 4.],
             [2., 1., 2.],
             [4., 3., 4.]]])
    """

    _space = 2


class ConstantPad2d(_ConstantPadNd):
    """ConstantPad2d(padding, value)

    Fill with ``value``, on all sides of (N, C, H, W) or (C, H, W).

    >>> torch.nn.ConstantPad2d(1, 7.0)(torch.zeros(1, 1, 2))
    tensor([[[7., 7., 7., 7.],
             [7., 0., 0., 7.],
             [7., 7., 7., 7.]]])
    """

    _space = 2


class ReflectionPad2d(_ReflectionPadNd):
    """ReflectionPad2d(padding)

    Mirror at the edge, without repeating it, on all sides of (N, C, H, W) or (C, H, W).

    >>> torch.nn.ReflectionPad2d((1, 1, 0, 0))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[2., 1., 2., 1.],
             [4., 3., 4., 3.]]])
    """

    _space = 2


class ReplicationPad2d(_ReplicationPadNd):
    """ReplicationPad2d(padding): repeat the edge, on all sides of (N, C, H, W) or (C, H, W).

    >>> torch.nn.ReplicationPad2d((0, 2, 0, 0))(torch.tensor([[[1.0, 2.0], [3.0, 4.0]]]))
    tensor([[[1., 2., 2., 2.],
             [3., 4., 4., 4.]]])
    """

    _space = 2


class ZeroPad2d(ConstantPad2d):
    """ZeroPad2d(padding): zeros on all sides of (N, C, H, W) or (C, H, W).

    >>> torch.nn.ZeroPad2d((1, 0, 1, 0))(torch.ones(1, 1, 2, 2))
    tensor([[[[0., 0., 0.],
              [0., 1., 1.],
              [0., 1., 1.]]]])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.padding}"


class CircularPad3d(_CircularPadNd):
    """CircularPad3d(padding)

    Continue around from the other end, on all sides of (N, C, D, H, W) or (C, D, H, W).

    >>> torch.nn.CircularPad3d((3, 3, 2, 2, 1, 1))(torch.ones(16, 3, 8, 8, 10)).shape
    torch.Size([16, 3, 10, 12, 16])
    """

    _space = 3


class ConstantPad3d(_ConstantPadNd):
    """ConstantPad3d(padding, value)

    Fill with ``value``, on all sides of (N, C, D, H, W) or (C, D, H, W).

    >>> torch.nn.ConstantPad3d((3, 3, 6, 6, 0, 1), 3.5)(torch.ones(16, 3, 10, 20, 30)).shape
    torch.Size([16, 3, 11, 32, 36])
    """

    _space = 3


class ReflectionPad3d(_ReflectionPadNd):
    """ReflectionPad3d(padding)

    Mirror at the edge, without repeating it, on all sides of (N, C, D, H, W) or (C, D, H, W).

    >>> torch.nn.ReflectionPad3d(1)(torch.ones(1, 2, 2, 3, 4)).shape
    torch.Size([1, 2, 4, 5, 6])
    """

    _space = 3


class ReplicationPad3d(_ReplicationPadNd):
    """ReplicationPad3d(padding)

    Repeat the edge, on all sides of (N, C, D, H, W) or (C, D, H, W).

    >>> torch.nn.ReplicationPad3d((3, 3, 6, 6, 1, 1))(torch.ones(1, 3, 8, 20, 30)).shape
    torch.Size([1, 3, 10, 32, 36])
    """

    _space = 3


class ZeroPad3d(ConstantPad3d):
    """ZeroPad3d(padding): zeros on all sides of (N, C, D, H, W) or (C, D, H, W).

    >>> torch.nn.ZeroPad3d((3, 3, 6, 6, 0, 1))(torch.ones(1, 3, 10, 20, 30)).shape
    torch.Size([1, 3, 11, 32, 36])
    """

    def __init__(self, padding: Any) -> None:
        super().__init__(padding, 0.0)

    def extra_repr(self) -> str:
        """The sizes."""
        return f"{self.padding}"
