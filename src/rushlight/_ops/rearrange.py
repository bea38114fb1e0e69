"""Channels, space and patches exchanged: pixel_shuffle, channel_shuffle, unfold and fold."""

import math

from rushlight._core.op import Meta, Op, public
from rushlight._ops.conv import spread
from rushlight._ops.conv_kernels import output_size, padded, patches, scatter_columns


class PixelShuffle(Op):
    """Channels (..., C r², H, W) made pixels (..., C, H r, W r)."""

    promote = "keep"
    half = "native"
    public = ()
    linear = True

    def forward(xp, x, r):
        *lead, channels, height, width = x.shape
        n = len(lead)
        split = x.reshape(*lead, channels // (r * r), r, r, height, width)
        split = split.transpose(*range(n), n, n + 3, n + 1, n + 4, n + 2)
        return split.reshape(*lead, channels // (r * r), height * r, width * r)

    def vjp(g, r):
        return PixelUnshuffle.call(g, r)


class PixelUnshuffle(Op):
    """Pixels (..., C, H r, W r) made channels (..., C r², H, W)."""

    promote = "keep"
    half = "native"
    public = ()
    linear = True

    def forward(xp, x, r):
        *lead, channels, height, width = x.shape
        n = len(lead)
        split = x.reshape(*lead, channels, height // r, r, width // r, r)
        split = split.transpose(*range(n), n, n + 2, n + 4, n + 1, n + 3)
        return split.reshape(*lead, channels * r * r, height // r, width // r)

    def vjp(g, r):
        return PixelShuffle.call(g, r)


def _no_groups(groups):
    return RuntimeError(
        f"Number of groups to divide channels in must be positive. Value of groups:{groups}"
    )


class ChannelShuffle(Op):
    """Channels of (N, C, ...) dealt out: one of each group in turn."""

    promote = "keep"
    half = "native"
    public = ()
    linear = True

    def forward(xp, x, groups):
        batch, channels = x.shape[:2]
        split = x.reshape(batch, groups, channels // groups, math.prod(x.shape[2:]))
        return split.swapaxes(1, 2).reshape(x.shape)

    def vjp(g, input: Meta, groups):
        if not input.shape[1]:
            raise _no_groups(0)
        return ChannelShuffle.call(g, input.shape[1] // groups)


@public("torch", "nn.functional", out=False)
def pixel_shuffle(input, upscale_factor):
    """pixel_shuffle(input, upscale_factor) -> Tensor

    Channels made pixels: (..., C r², H, W) to (..., C, H r, W r).

    >>> torch.pixel_shuffle(torch.arange(4.0).reshape(4, 1, 1), 2)
    tensor([[[0., 1.],
             [2., 3.]]])
    """
    r = upscale_factor
    if input.dim() < 3:
        raise RuntimeError(
            "pixel_shuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.dim()} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_shuffle expects a positive upscale_factor, but got {r}")
    channels = input.shape[-3]
    if channels % (r * r):
        raise RuntimeError(
            "pixel_shuffle expects its input's 'channel' dimension to be divisible by the square "
            "of upscale_factor, but "
            f"input.size(-3)={channels} is not divisible by {r * r}"
        )
    return PixelShuffle.call(input, r)


@public("torch", "nn.functional", out=False)
def pixel_unshuffle(input, downscale_factor):
    """pixel_unshuffle(input, downscale_factor) -> Tensor

    Pixels made channels: (..., C, H r, W r) to (..., C r², H, W).

    >>> torch.pixel_unshuffle(torch.tensor([[[0.0, 1.0], [2.0, 3.0]]]), 2).flatten()
    tensor([0., 1., 2., 3.])
    """
    r = downscale_factor
    if input.dim() < 3:
        raise RuntimeError(
            "pixel_unshuffle expects input to have at least 3 dimensions, but got input with "
            f"{input.dim()} dimension(s)"
        )
    if r <= 0:
        raise RuntimeError(f"pixel_unshuffle expects a positive downscale_factor, but got {r}")
    height, width = input.shape[-2:]
    for name, at, size in (("height", -2, height), ("width", -1, width)):
        if size % r:
            raise RuntimeError(
                f"pixel_unshuffle expects {name} to be divisible by downscale_factor, but "
                f"input.size({at})={size} is "
                f"not divisible by {r}"
            )
    return PixelUnshuffle.call(input, r)


@public("torch", "nn.functional", out=False, aliases=("native_channel_shuffle",))
def channel_shuffle(input, groups):
    """channel_shuffle(input, groups) -> Tensor

    The channels of ``input`` (N, C, ...) dealt out: one of each group in turn.

    >>> torch.channel_shuffle(torch.arange(4.0).reshape(1, 4, 1), 2).flatten()
    tensor([0., 2., 1., 3.])
    """
    if input.dim() < 3:
        raise RuntimeError(
            "channel_shuffle expects input with > 2 dims, but got input with sizes "
            f"{list(input.shape)}"
        )
    if groups <= 0:
        raise _no_groups(groups)
    channels = input.shape[1]
    if channels % groups:
        raise RuntimeError(
            f"Number of channels must be divisible by groups. Got {channels} channels and "
            f"{groups} groups."
        )
    return ChannelShuffle.call(input, groups)


class Im2Col(Op):
    """Each window of ``input`` (N, C, *size) as a column: (N, C * kernel, windows)."""

    promote = "keep"
    half = "widen"
    public = ()
    linear = True
    grad_name = "Im2ColBackward0"

    def forward(xp, x, kernel, dilation, padding, stride):
        out = output_size(x.shape[2:], kernel, stride, padding, dilation)
        windows = patches(xp, padded(xp, x, padding), kernel, out, stride, dilation)
        return windows.reshape(x.shape[0], x.shape[1] * math.prod(kernel), math.prod(out)).copy()

    def vjp(g, input: Meta, kernel, dilation, padding, stride):
        return Col2Im.call(g, tuple(input.shape[2:]), kernel, dilation, padding, stride)


class Col2Im(Op):
    """Columns added up where their windows lie: (N, C * kernel, windows) to (N, C, *size)."""

    promote = "keep"
    half = "widen"
    public = ()
    linear = True
    grad_name = "Col2ImBackward0"

    def forward(xp, x, size, kernel, dilation, padding, stride):
        out = output_size(size, kernel, stride, padding, dilation)
        channels = x.shape[1] // math.prod(kernel)
        full = tuple([n + 2 * p for n, p in zip(size, padding, strict=True)])
        result = xp.zeros((x.shape[0], channels, *full), x.dtype)
        scatter_columns(result, x.reshape(x.shape[0], channels, *kernel, *out), stride, dilation)
        if full == size:
            return result
        inner = tuple([slice(p, p + n) for n, p in zip(size, padding, strict=True)])
        return xp.ascontiguousarray(result[(..., *inner)])

    def vjp(g, kernel, dilation, padding, stride):
        return Im2Col.call(g, kernel, dilation, padding, stride)


def _settings(name, kernel_size, dilation, padding, stride):
    """The four as pairs, refused unless positive."""
    ints = type(kernel_size) is type(dilation) is type(padding) is type(stride) is int
    if ints and kernel_size > 0 and dilation > 0 and stride > 0 and padding >= 0:
        return (kernel_size,) * 2, (dilation,) * 2, (padding,) * 2, (stride,) * 2
    pairs = []
    for what, value in (
        ("kernel_size", kernel_size),
        ("dilation", dilation),
        ("padding", padding),
        ("stride", stride),
    ):
        pair = spread(value, 2, what, name)
        if len(pair) != 2:
            raise RuntimeError(f"It is expected {what} equals to 2, but got size {len(pair)}")
        if what == "padding":
            if min(pair) < 0:
                raise RuntimeError(
                    f"padding should be non-negative, but got padding_height: {pair[0]} "
                    f"padding_width: {pair[1]}"
                )
        elif min(pair) <= 0:
            word = what.removesuffix("_size")
            raise RuntimeError(
                f"{word} {'size ' if what == 'kernel_size' else ''}should be greater than zero, "
                "but got "
                f"{what.removesuffix('_size')}_height: {pair[0]} "
                f"{what.removesuffix('_size')}_width: {pair[1]}"
            )
        pairs.append(pair)
    return tuple(pairs)


@public("nn.functional", out=False)
def unfold(input, kernel_size, dilation=1, padding=0, stride=1):
    """unfold(input, kernel_size, dilation=1, padding=0, stride=1) -> Tensor

    Each window of ``input`` ((N), C, H, W) as a column: ((N), C kH kW, windows).

    >>> torch.nn.functional.unfold(torch.arange(4.0).reshape(1, 1, 2, 2), (1, 2))
    tensor([[[0., 2.],
             [1., 3.]]])
    """
    kernel, dilation, padding, stride = _settings("unfold", kernel_size, dilation, padding, stride)
    shape = tuple(input.shape)
    if len(shape) not in (3, 4) or 0 in shape[-3:]:
        raise RuntimeError(
            "Expected 3D or 4D (batch mode) tensor with possibly 0 batch size and other non-zero "
            "dimensions for input, "
            f"but got: {list(input.shape)}"
        )
    out = output_size(shape[-2:], kernel, stride, padding, dilation)
    if min(out) < 1:
        height, width = shape[-2:]
        raise RuntimeError(
            f"Given input with spatial size ({height}, {width}), kernel_size=({kernel[0]}, "
            f"{kernel[1]}), "
            f"dilation=({dilation[0]}, {dilation[1]}), padding=({padding[0]}, {padding[1]}), "
            "calculated shape of the "
            f"array of sliding blocks as ({out[0]}, {out[1]}), but its components must be at "
            "least one."
        )
    if len(shape) == 3:
        return Im2Col.call(input.unsqueeze(0), kernel, dilation, padding, stride).squeeze(0)
    return Im2Col.call(input, kernel, dilation, padding, stride)


@public("nn.functional", out=False)
def fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1):
    """fold(input, output_size, kernel_size, dilation=1, padding=0, stride=1) -> Tensor

    The columns of :func:`unfold` added up where their windows lie: ((N), C kH kW, windows) to ((N),
    C, *output_size).

    >>> torch.nn.functional.fold(torch.ones(1, 2, 2), (1, 3), (1, 2))
    tensor([[[[1., 2., 1.]]]])
    """
    kernel, dilation, padding, stride = _settings("fold", kernel_size, dilation, padding, stride)
    size = spread(output_size, 2, "output_size", "fold")
    _check_fold(input, size, kernel, dilation, padding, stride)
    if input.dim() == 2:
        return Col2Im.call(input.unsqueeze(0), size, kernel, dilation, padding, stride).squeeze(0)
    return Col2Im.call(input, size, kernel, dilation, padding, stride)


def _check_fold(input, size, kernel, dilation, padding, stride):
    shape = tuple(input.shape)
    if len(shape) not in (2, 3) or 0 in shape[-2:]:
        raise RuntimeError(
            "Expected 2D or 3D (batch mode) tensor for input with possibly 0 batch size and "
            "non-zero dimensions for "
            f"input, but got: {list(input.shape)}"
        )
    rows, columns = shape[-2:]
    if rows % math.prod(kernel):
        raise RuntimeError(
            "Expected size of input's dimension 1 to be divisible by the product of kernel_size, "
            "but got "
            f"input.size(1)={rows} and kernel_size=({kernel[0]}, {kernel[1]})."
        )
    out = output_size(size, kernel, stride, padding, dilation)
    if min(out) < 1 or math.prod(out) != columns:
        settings = (
            f"output_size=({size[0]}, {size[1]}), kernel_size=({kernel[0]}, {kernel[1]}), "
            f"dilation=({dilation[0]}, "
            f"{dilation[1]}), padding=({padding[0]}, {padding[1]}), stride=({stride[0]}, "
            f"{stride[1]})"
        )
        raise RuntimeError(
            f"Given {settings}, expected size of input's dimension 2 to match the calculated "
            "number of sliding blocks "
            f"{out[0]} * {out[1]} = {math.prod(out)}, but got input.size(2)={columns}."
        )
