"""Convolutions and transposed convolutions."""

from collections.abc import Callable
from typing import Any

from rushlight.nn import functional as F
from rushlight.nn.modules._conv import _ConvNd as _ConvNd
from rushlight.nn.modules.lazy import LazyModuleMixin
from rushlight.nn.modules.utils import _pair, _single, _triple
from rushlight.nn.parameter import UninitializedParameter

__all__ = [
    "Conv1d",
    "Conv2d",
    "Conv3d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "ConvTranspose3d",
    "LazyConv1d",
    "LazyConv2d",
    "LazyConv3d",
    "LazyConvTranspose1d",
    "LazyConvTranspose2d",
    "LazyConvTranspose3d",
]


class Conv1d(_ConvNd):
    """Conv1d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1,
    bias=True, ...)

    Cross-correlate (N, C, L) with learnt kernels. ``padding`` is a size, 'valid' or 'same';
    ``padding_mode`` one of 'zeros', 'reflect', 'replicate', 'circular'.

    >>> m = torch.nn.Conv1d(16, 33, 3, stride=2)
    >>> m(torch.ones(20, 16, 50)).shape  # (50 - 3) // 2 + 1
    torch.Size([20, 33, 24])
    >>> m.weight.shape, m.bias.shape
    (torch.Size([33, 16, 3]), torch.Size([33]))
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _single(kernel_size),
            _single(stride),
            padding if isinstance(padding, str) else _single(padding),
            _single(dilation),
            False,
            _single(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input), _single(0)
        return F.conv1d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Any) -> Any:
        """The convolved input, (N, out_channels, ...)."""
        return self._conv_forward(input, self.weight, self.bias)


class Conv2d(_ConvNd):
    """Conv2d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1,
    bias=True, ...)

    Cross-correlate (N, C, H, W) with learnt kernels. ``padding`` is a size, 'valid' or 'same';
    ``padding_mode`` one of 'zeros', 'reflect', 'replicate', 'circular'.

    >>> torch.nn.Conv2d(16, 33, 3, stride=2)(torch.ones(20, 16, 50, 100)).shape
    torch.Size([20, 33, 24, 49])
    >>> torch.nn.Conv2d(16, 33, 5, padding='same')(torch.ones(20, 16, 50, 100)).shape
    torch.Size([20, 33, 50, 100])
    >>> torch.nn.Conv2d(8, 16, 3, groups=8).weight.shape
    torch.Size([16, 1, 3, 3])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _pair(kernel_size),
            _pair(stride),
            padding if isinstance(padding, str) else _pair(padding),
            _pair(dilation),
            False,
            _pair(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input), _pair(0)
        return F.conv2d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Any) -> Any:
        """The convolved input, (N, out_channels, ...)."""
        return self._conv_forward(input, self.weight, self.bias)


class Conv3d(_ConvNd):
    """Conv3d(in_channels, out_channels, kernel_size, stride=1, padding=0, dilation=1, groups=1,
    bias=True, ...)

    Cross-correlate (N, C, D, H, W) with learnt kernels. ``padding`` is a size, 'valid' or 'same';
    ``padding_mode`` one of 'zeros', 'reflect', 'replicate', 'circular'.

    >>> torch.nn.Conv3d(4, 8, (3, 5, 2), padding=(4, 2, 0))(torch.ones(2, 4, 10, 12, 14)).shape
    torch.Size([2, 8, 16, 12, 13])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _triple(kernel_size),
            _triple(stride),
            padding if isinstance(padding, str) else _triple(padding),
            _triple(dilation),
            False,
            _triple(0),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def _conv_forward(self, input: Any, weight: Any, bias: Any) -> Any:
        padding = self.padding
        if self.padding_mode != "zeros":
            input, padding = self._padded(input), _triple(0)
        return F.conv3d(input, weight, bias, self.stride, padding, self.dilation, self.groups)

    def forward(self, input: Any) -> Any:
        """The convolved input, (N, out_channels, ...)."""
        return self._conv_forward(input, self.weight, self.bias)


class _ConvTransposeNd(_ConvNd):
    """What transposed convolutions share."""

    def _output_padding(
        self,
        input: Any,
        output_size: Any,
        stride: tuple,
        padding: tuple,
        kernel_size: tuple,
        num_spatial_dims: int,
        dilation: tuple | None = None,
    ) -> Any:
        """The output padding that makes the output ``output_size``; ValueError where none does."""
        if output_size is None:
            return _single(self.output_padding)
        n = num_spatial_dims
        leading = 2 if input.dim() == n + 2 else 1
        if len(output_size) == leading + n:
            output_size = output_size[leading:]
        if len(output_size) != n:
            raise ValueError(
                f"ConvTranspose{n}D: for {input.dim()}D input, output_size must have {n} "
                f"or {leading + n} elements (got {len(output_size)})"
            )
        dilation = (1,) * n if dilation is None else dilation
        smallest = [
            (input.size(d + leading) - 1) * stride[d]
            - 2 * padding[d]
            + dilation[d] * (kernel_size[d] - 1)
            + 1
            for d in range(n)
        ]
        largest = [size + s - 1 for size, s in zip(smallest, stride, strict=True)]
        for size, low, high in zip(output_size, smallest, largest, strict=True):
            if not low <= size <= high:
                raise ValueError(
                    f"requested an output size of {output_size}, but valid sizes range "
                    f"from {smallest} to {largest} (for an input of {input.size()[2:]})"
                )
        return [size - low for size, low in zip(output_size, smallest, strict=True)]

    def _spread(self, input: Any, output_size: Any, convolve: Any) -> Any:
        if self.padding_mode != "zeros":
            raise ValueError(f"Only `zeros` padding mode is supported for {type(self).__name__}")
        output_padding = self._output_padding(
            input,
            output_size,
            self.stride,
            self.padding,
            self.kernel_size,
            len(self.kernel_size),
            self.dilation,
        )
        return convolve(
            input,
            self.weight,
            self.bias,
            self.stride,
            self.padding,
            output_padding,
            self.groups,
            self.dilation,
        )


class ConvTranspose1d(_ConvTransposeNd):
    """ConvTranspose1d(in_channels, out_channels, kernel_size, stride=1, padding=0,
    output_padding=0, ...)

    The gradient of Conv1d with respect to its input, as a layer of its own: (N, C, L) grows by
    ``stride``.

    >>> torch.nn.ConvTranspose1d(16, 33, 3, stride=2)(torch.ones(20, 16, 50)).shape
    torch.Size([20, 33, 101])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _single(kernel_size),
            _single(stride),
            _single(padding),
            _single(dilation),
            True,
            _single(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The output; ``output_size`` settles what the stride leaves open."""
        return self._spread(input, output_size, F.conv_transpose1d)


class ConvTranspose2d(_ConvTransposeNd):
    """ConvTranspose2d(in_channels, out_channels, kernel_size, stride=1, padding=0,
    output_padding=0, ...)

    The gradient of Conv2d with respect to its input, as a layer of its own: (N, C, H, W) grows by
    ``stride``.

    >>> up = torch.nn.ConvTranspose2d(16, 8, 3, stride=2, padding=1)
    >>> up(torch.ones(1, 16, 6, 6)).shape
    torch.Size([1, 8, 11, 11])
    >>> up(torch.ones(1, 16, 6, 6), output_size=(12, 12)).shape
    torch.Size([1, 8, 12, 12])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _pair(kernel_size),
            _pair(stride),
            _pair(padding),
            _pair(dilation),
            True,
            _pair(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The output; ``output_size`` settles what the stride leaves open."""
        return self._spread(input, output_size, F.conv_transpose2d)


class ConvTranspose3d(_ConvTransposeNd):
    """ConvTranspose3d(in_channels, out_channels, kernel_size, stride=1, padding=0,
    output_padding=0, ...)

    The gradient of Conv3d with respect to its input, as a layer of its own: (N, C, D, H, W) grows
    by ``stride``.

    >>> torch.nn.ConvTranspose3d(4, 8, 3, stride=2)(torch.ones(1, 4, 5, 6, 7)).shape
    torch.Size([1, 8, 11, 13, 15])
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__(
            in_channels,
            out_channels,
            _triple(kernel_size),
            _triple(stride),
            _triple(padding),
            _triple(dilation),
            True,
            _triple(output_padding),
            groups,
            bias,
            padding_mode,
            device,
            dtype,
        )

    def forward(self, input: Any, output_size: Any = None) -> Any:
        """The output; ``output_size`` settles what the stride leaves open."""
        return self._spread(input, output_size, F.conv_transpose3d)


class _LazyConvXdMixin(LazyModuleMixin):
    """A convolution that learns in_channels from its first input."""

    groups: int
    out_channels: int
    kernel_size: tuple
    weight: Any
    bias: Any
    _weight_shape: Callable[[], tuple]

    def reset_parameters(self) -> None:
        """reset_parameters(): draw weight and bias anew, once there is something to draw."""
        if not self.has_uninitialized_params() and self.in_channels != 0:
            convolution: Any = super()
            convolution.reset_parameters()

    def initialize_parameters(self, input: Any, *args: Any, **kwargs: Any) -> None:
        """initialize_parameters(input): take in_channels from the input."""
        if not self.has_uninitialized_params():
            return
        self.in_channels = self._get_in_channels(input)
        if self.in_channels % self.groups != 0:
            raise ValueError("in_channels must be divisible by groups")
        self.weight.materialize(self._weight_shape())
        if self.bias is not None:
            self.bias.materialize((self.out_channels,))
        self.reset_parameters()

    def _get_in_channels(self, input: Any) -> int:
        unbatched = self._get_num_spatial_dims() + 1
        if input.dim() not in (unbatched, unbatched + 1):
            raise RuntimeError(
                f"Expected {unbatched}D (unbatched) or {unbatched + 1}D (batched) input "
                f"to {self.__class__.__name__}, but "
                f"got input of size: {input.shape}"
            )
        return input.shape[input.dim() - unbatched]

    def _get_num_spatial_dims(self) -> int:
        return len(self.kernel_size)


class LazyConv1d(_LazyConvXdMixin, Conv1d):
    """LazyConv1d(out_channels, kernel_size, ...)

    A Conv1d that learns in_channels at its first call.

    >>> m = torch.nn.LazyConv1d(6, 3)
    >>> m(torch.ones(4, 3, 8)).shape
    torch.Size([4, 6, 6])
    >>> m
    Conv1d(3, 6, kernel_size=(3,), stride=(1,))
    """

    cls_to_become = Conv1d

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        # Built without channels and bias first: the real ones wait for the input.
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            False,
            padding_mode,
            device,
            dtype,
        )
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)


class LazyConv2d(_LazyConvXdMixin, Conv2d):
    """LazyConv2d(out_channels, kernel_size, ...)

    A Conv2d that learns in_channels at its first call.

    >>> m = torch.nn.LazyConv2d(6, 3)
    >>> m(torch.ones(4, 3, 8, 8)).shape
    torch.Size([4, 6, 6, 6])
    >>> m
    Conv2d(3, 6, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = Conv2d

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        # Built without channels and bias first: the real ones wait for the input.
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            False,
            padding_mode,
            device,
            dtype,
        )
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)


class LazyConv3d(_LazyConvXdMixin, Conv3d):
    """LazyConv3d(out_channels, kernel_size, ...)

    A Conv3d that learns in_channels at its first call.

    >>> m = torch.nn.LazyConv3d(6, 3)
    >>> m(torch.ones(4, 3, 8, 8, 8)).shape
    torch.Size([4, 6, 6, 6, 6])
    >>> m
    Conv3d(3, 6, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    cls_to_become = Conv3d

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        dilation: Any = 1,
        groups: int = 1,
        bias: bool = True,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        # Built without channels and bias first: the real ones wait for the input.
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            dilation,
            groups,
            False,
            padding_mode,
            device,
            dtype,
        )
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)


class LazyConvTranspose1d(_LazyConvXdMixin, ConvTranspose1d):
    """LazyConvTranspose1d(out_channels, kernel_size, ...)

    A ConvTranspose1d that learns in_channels at its first call.

    >>> m = torch.nn.LazyConvTranspose1d(6, 3)
    >>> m(torch.ones(4, 3, 8)).shape
    torch.Size([4, 6, 10])
    >>> m
    ConvTranspose1d(3, 6, kernel_size=(3,), stride=(1,))
    """

    cls_to_become = ConvTranspose1d

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        # Built without channels and bias first: the real ones wait for the input.
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)


class LazyConvTranspose2d(_LazyConvXdMixin, ConvTranspose2d):
    """LazyConvTranspose2d(out_channels, kernel_size, ...)

    A ConvTranspose2d that learns in_channels at its first call.

    >>> m = torch.nn.LazyConvTranspose2d(6, 3)
    >>> m(torch.ones(4, 3, 8, 8)).shape
    torch.Size([4, 6, 10, 10])
    >>> m
    ConvTranspose2d(3, 6, kernel_size=(3, 3), stride=(1, 1))
    """

    cls_to_become = ConvTranspose2d

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        # Built without channels and bias first: the real ones wait for the input.
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)


class LazyConvTranspose3d(_LazyConvXdMixin, ConvTranspose3d):
    """LazyConvTranspose3d(out_channels, kernel_size, ...)

    A ConvTranspose3d that learns in_channels at its first call.

    >>> m = torch.nn.LazyConvTranspose3d(6, 3)
    >>> m(torch.ones(4, 3, 8, 8, 8)).shape
    torch.Size([4, 6, 10, 10, 10])
    >>> m
    ConvTranspose3d(3, 6, kernel_size=(3, 3, 3), stride=(1, 1, 1))
    """

    cls_to_become = ConvTranspose3d

    def __init__(
        self,
        out_channels: int,
        kernel_size: Any,
        stride: Any = 1,
        padding: Any = 0,
        output_padding: Any = 0,
        groups: int = 1,
        bias: bool = True,
        dilation: Any = 1,
        padding_mode: str = "zeros",
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        # Built without channels and bias first: the real ones wait for the input.
        super().__init__(
            0,
            0,
            kernel_size,
            stride,
            padding,
            output_padding,
            groups,
            False,
            dilation,
            padding_mode,
            device,
            dtype,
        )
        self.weight = UninitializedParameter(device=device, dtype=dtype)
        self.out_channels = out_channels
        if bias:
            self.bias = UninitializedParameter(device=device, dtype=dtype)
