"""Pooling to a given size, pooling undone, and pooling over random windows."""

import math

from rushlight._core.op import Meta, Op, public
from rushlight._ops import pool_kernels as kernels
from rushlight._ops.conv import spread
from rushlight._ops.pool import (
    PlaneGather,
    PlaneScatter,
    avg_pool1d,
    avg_pool2d,
    avg_pool3d,
    pool_name,
)


class AdaptiveAvgPool(Op):
    """Means of windows that cover each of the last dimensions evenly."""

    promote = "keep"
    half = "widen"
    public = ()
    linear = True

    def grad_name(node):
        return pool_name("AdaptiveAvgPool{}D", node)

    def forward(xp, x, output_size):
        n = len(output_size)
        for axis, out in zip(range(x.ndim - n, x.ndim), output_size, strict=True):
            x = kernels.along(xp, x, kernels.adaptive_matrix(xp, x.shape[axis], out, x.dtype), axis)
        return xp.ascontiguousarray(x)

    def vjp(g, input: Meta, output_size):
        return AdaptiveAvgPoolBackward.call(g, tuple(input.shape[input.ndim - len(output_size) :]))


class AdaptiveAvgPoolBackward(Op):
    """The transpose of ``AdaptiveAvgPool``."""

    promote = "keep"
    half = "widen"
    public = ()
    linear = True

    def forward(xp, g, size):
        n = len(size)
        for axis, length in zip(range(g.ndim - n, g.ndim), size, strict=True):
            matrix = kernels.adaptive_matrix(xp, length, g.shape[axis], g.dtype)
            g = kernels.along(xp, g, matrix.T, axis)
        return xp.ascontiguousarray(g)

    def vjp(g, input: Meta, size):
        return AdaptiveAvgPool.call(g, tuple(input.shape[input.ndim - len(size) :]))


class AdaptiveMaxPool(Op):
    """The largest element of windows that cover each of the last dimensions evenly, and its flat
    index."""

    outputs = ("out", "indices")
    named = False
    promote = "keep"
    half = "widen"
    public = ()

    def grad_name(node):
        return pool_name("AdaptiveMaxPool{}D", node)

    def forward(xp, x, output_size):
        size = x.shape[x.ndim - len(output_size) :]
        windows = [
            kernels.adaptive_windows(xp, n, o) for n, o in zip(size, output_size, strict=True)
        ]
        return kernels.max_of_windows(xp, x, windows)

    def vjp(g, input: Meta, indices, output_size):
        return PlaneScatter.call(g, indices, tuple(input.shape), len(output_size))


def _output_size(input, output_size, n, name):
    """``output_size`` as ``n`` ints; None keeps the input's."""
    if type(output_size) is int and output_size >= 0:
        return (output_size,) * n
    if (
        n > 1
        and input.dim() <= n
        and isinstance(output_size, (tuple, list))
        and len(output_size) == n
    ):
        raise ValueError(f"Input dimension should be at least {n + 1}")
    if isinstance(output_size, (tuple, list)):
        if len(output_size) != n:
            raise RuntimeError(_wrong_count(name, n, len(output_size)))
        sizes = [input.shape[-n + i] if s is None else s for i, s in enumerate(output_size)]
    else:
        sizes = [input.shape[-n + i] if output_size is None else output_size for i in range(n)]
    if min(sizes) < 0 and "max" in name:
        made = [*input.shape[: input.dim() - n], *sizes]
        raise RuntimeError(f"Trying to create tensor with negative dimension {min(sizes)}: {made}")
    if min(sizes) < 0:
        shown = ([1] if n == 1 else []) + sizes
        shown = ", ".join(map(str, shown[:2])) + "".join(f",{s}" for s in shown[2:])
        raise RuntimeError(
            f"{'adaptive_avg_pool2d' if n == 1 else name}: elements of output_size must be "
            "greater than or equal to 0 "
            f"but received {{{shown}}}"
        )
    return tuple(sizes)


def _wrong_count(name, n, given):
    if n == 1:
        return f"{name}() argument 'output_size' should contain one int (got {given})"
    if "max" in name:
        return f"{name}(): internal error: output_size.size() must be {n}"
    return f"{name}: output_size must be {n}"


def _check_adaptive(n, name, input):
    shape = tuple(input.shape)
    if n < len(shape) <= n + 2 and 0 not in shape:
        return
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(
            f"{name}(): Expected {n + 1}D or {n + 2}D tensor, but got {list(input.shape)}"
        )
    if name == "adaptive_avg_pool1d":  # PyTorch's has another dimension here
        name, shape = "adaptive_avg_pool2d", (*shape[:-1], 1, shape[-1])
    channels = "max" in name or n == 3  # whether these count
    for i in range(1 if channels else len(shape) - n, len(shape)):
        if shape[i] == 0:
            raise RuntimeError(
                f"{name}(): Expected input to have non-zero size for non-batch dimensions, but "
                f"input has sizes {list(shape)} with dimension {i} being empty"
            )


def _adaptive_avg(n, input, output_size):
    name = f"adaptive_avg_pool{n}d"
    sizes = _output_size(input, output_size, n, name)
    _check_adaptive(n, name, input)
    if n > 1 and sizes == (1,) * n:
        return input.mean((-1, -2) if n == 2 else (-1, -2, -3), keepdim=True)
    return AdaptiveAvgPool.call(input, sizes)


@public("torch", "nn.functional", out=False)
def adaptive_avg_pool1d(input, output_size):
    """adaptive_avg_pool1d(input, output_size) -> Tensor

    ``output_size`` means of windows that cover ``input`` ((N), C, L) evenly.

    >>> torch.adaptive_avg_pool1d(torch.tensor([[1.0, 3.0, 5.0]]), 1)
    tensor([[3.]])
    """
    return _adaptive_avg(1, input, output_size)


@public("nn.functional", out=False)
def adaptive_avg_pool2d(input, output_size):
    """adaptive_avg_pool2d(input, output_size) -> Tensor

    Means of windows that cover ``input`` ((N), C, H, W) evenly; None in ``output_size`` keeps a
    dimension's size.

    >>> torch.nn.functional.adaptive_avg_pool2d(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 1)
    tensor([[[1.5000]]])
    """
    return _adaptive_avg(2, input, output_size)


@public("nn.functional", out=False)
def adaptive_avg_pool3d(input, output_size):
    """adaptive_avg_pool3d(input, output_size) -> Tensor

    Means of windows that cover ``input`` ((N), C, D, H, W) evenly.

    >>> torch.nn.functional.adaptive_avg_pool3d(torch.ones(1, 2, 2, 2), 1)
    tensor([[[[1.]]]])
    """
    return _adaptive_avg(3, input, output_size)


def _adaptive_max(n, input, output_size):
    name = f"adaptive_max_pool{n}d"
    sizes = _output_size(input, output_size, n, name)
    _check_adaptive(n, name, input)
    return tuple(AdaptiveMaxPool.call(input, sizes))


@public("torch", "nn.functional", out=False)
def adaptive_max_pool1d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool1d_with_indices(input, output_size) -> (Tensor, LongTensor)

    The largest elements of windows that cover ``input`` ((N), C, L) evenly, and their indices.

    >>> torch.nn.functional.adaptive_max_pool1d_with_indices(torch.tensor([[1.0, 3.0]]), 1)
    (tensor([[3.]]), tensor([[1]]))
    """
    return _adaptive_max(1, input, output_size)


@public("nn.functional", out=False)
def adaptive_max_pool2d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool2d_with_indices(input, output_size) -> (Tensor, LongTensor)

    The largest elements of windows that cover ``input`` ((N), C, H, W) evenly, and their flat
    indices.

    >>> torch.nn.functional.adaptive_max_pool2d_with_indices(torch.tensor([[[1.0, 3.0]]]), 1)
    (tensor([[[3.]]]), tensor([[[1]]]))
    """
    return _adaptive_max(2, input, output_size)


@public("nn.functional", out=False)
def adaptive_max_pool3d_with_indices(input, output_size, return_indices=False):
    """adaptive_max_pool3d_with_indices(input, output_size) -> (Tensor, LongTensor)

    The largest elements of windows that cover ``input`` ((N), C, D, H, W) evenly, and their flat
    indices.

    >>> torch.nn.functional.adaptive_max_pool3d_with_indices(torch.ones(1, 1, 1, 1), 1)
    (tensor([[[[1.]]]]), tensor([[[[0]]]]))
    """
    return _adaptive_max(3, input, output_size)


def _lp_pool(n, input, norm_type, kernel_size, stride, ceil_mode, average):
    """(sum of x^p)^(1/p) of each window, from its mean; a negative sum counts as it does in
    PyTorch."""
    kernel = spread(kernel_size, n, "kernel_size", f"lp_pool{n}d")
    mean = average(input.pow(norm_type), kernel_size, stride, 0, ceil_mode)
    return (mean.sign() * mean.abs().relu()).mul(math.prod(kernel)).pow(1.0 / norm_type)


@public("nn.functional", out=False)
def lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """lp_pool1d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor

    The norm of order ``norm_type`` of each window of ``input`` ((N), C, L).

    >>> torch.nn.functional.lp_pool1d(torch.tensor([[3.0, 4.0]]), 2.0, 2)
    tensor([[5.]])
    """
    return _lp_pool(1, input, norm_type, kernel_size, stride, ceil_mode, avg_pool1d)


@public("nn.functional", out=False)
def lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """lp_pool2d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor

    The norm of order ``norm_type`` of each window of ``input`` ((N), C, H, W).

    >>> torch.nn.functional.lp_pool2d(torch.tensor([[[3.0, 4.0]]]), 2.0, (1, 2))
    tensor([[[5.]]])
    """
    return _lp_pool(2, input, norm_type, kernel_size, stride, ceil_mode, avg_pool2d)


@public("nn.functional", out=False)
def lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False):
    """lp_pool3d(input, norm_type, kernel_size, stride=None, ceil_mode=False) -> Tensor

    The norm of order ``norm_type`` of each window of ``input`` ((N), C, D, H, W).

    >>> torch.nn.functional.lp_pool3d(torch.tensor([[[[3.0, 4.0]]]]), 2.0, (1, 1, 2))
    tensor([[[[5.]]]])
    """
    return _lp_pool(3, input, norm_type, kernel_size, stride, ceil_mode, avg_pool3d)


class MaxUnpool(Op):
    """Elements at flat indices within planes of the shape given; zero elsewhere."""

    tensors = ("input", "indices")
    promote = "keep"
    half = "widen"
    public = ()

    def grad_name(node):
        return pool_name("MaxUnpool{}D", node)

    def forward(xp, x, indices, output_size):
        lead = x.shape[: x.ndim - len(output_size)]
        size = math.prod(output_size)
        flat = indices.reshape(*lead, math.prod(indices.shape[len(lead) :]))
        if flat.size and (int(flat.min()) < 0 or int(flat.max()) >= size):
            bad = int(flat[(flat < 0) | (flat >= size)].reshape(-1)[0])
            raise RuntimeError(
                f"Found an invalid max index: {bad} (output volumes are of size "
                f"{'x'.join(map(str, output_size))}"
            )
        result = xp.zeros((*lead, size), x.dtype)
        xp.put_along_axis(result, flat, x.reshape(flat.shape), -1)
        return result.reshape(*lead, *output_size)

    def vjp_input(g, indices, output_size):
        return PlaneGather.call(g, indices, len(output_size))


def _unpool_size(input, kernel, stride, padding, output_size):
    """The size asked for, if a pooling of it could have given ``input``; by default the smallest
    such."""
    n = len(kernel)
    default = [(input.shape[-n + i] - 1) * stride[i] + kernel[i] - 2 * padding[i] for i in range(n)]
    if output_size is None:
        return tuple(default)
    output_size = list(output_size)
    if len(output_size) == n + 2:
        output_size = output_size[2:]
    if len(output_size) != n:
        raise ValueError(
            f"output_size should be a sequence containing {n} or {n + 2} elements, but it has a "
            "length of "
            f"'{len(output_size)}'"
        )
    for i in range(n):
        low, high = default[i] - stride[i], default[i] + stride[i]
        if not low < output_size[i] < high:
            raise ValueError(
                f'invalid output_size "{output_size}" (dim {i} must be between {low} and {high})'
            )
    return tuple(output_size)


def _max_unpool(n, input, indices, kernel_size, stride, padding, output_size):
    name = f"max_unpool{n}d"
    kernel = spread(kernel_size, n, "kernel_size", name)
    stride = kernel if stride is None else spread(stride, n, "stride", name)
    padding = spread(padding, n, "padding", name)
    size = _unpool_size(input, kernel, stride, padding, output_size)
    if str(indices.dtype) != "torch.int64":
        raise RuntimeError(f"elements in indices should be type int64 but got: {indices.dtype}")
    if input.shape != indices.shape:
        raise RuntimeError(
            "Expected shape of indices to be same as that of the input tensor "
            f"({list(input.shape)}) but got indices "
            f"tensor with shape: {list(indices.shape)}"
        )
    return MaxUnpool.call(input, indices, size)


@public("nn.functional", out=False)
def max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """max_unpool1d(input, indices, kernel_size, stride=None, padding=0, output_size=None) -> Tensor

    The inverse of :func:`max_pool1d` as far as there is one: zero where no maximum was.

    >>> F = torch.nn.functional
    >>> F.max_unpool1d(*F.max_pool1d(torch.tensor([[1.0, 3.0]]), 2, return_indices=True), 2)
    tensor([[0., 3.]])
    """
    return _max_unpool(1, input, indices, kernel_size, stride, padding, output_size)


@public("nn.functional", out=False)
def max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """max_unpool2d(input, indices, kernel_size, stride=None, padding=0, output_size=None) -> Tensor

    The inverse of :func:`max_pool2d` as far as there is one: zero where no maximum was.

    >>> F = torch.nn.functional
    >>> x = torch.tensor([[[1.0, 3.0], [2.0, 0.0]]])
    >>> F.max_unpool2d(*F.max_pool2d(x, 2, return_indices=True), 2)
    tensor([[[0., 3.],
             [0., 0.]]])
    """
    return _max_unpool(2, input, indices, kernel_size, stride, padding, output_size)


@public("nn.functional", out=False)
def max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None):
    """max_unpool3d(input, indices, kernel_size, stride=None, padding=0, output_size=None) -> Tensor

    The inverse of :func:`max_pool3d` as far as there is one: zero where no maximum was.

    >>> F = torch.nn.functional
    >>> x, size = torch.ones(1, 1, 1, 2), (1, 1, 2)
    >>> F.max_unpool3d(*F.max_pool3d(x, size, return_indices=True), size)
    tensor([[[[1., 0.]]]])
    """
    return _max_unpool(3, input, indices, kernel_size, stride, padding, output_size)


class FractionalMaxPool(Op):
    """The largest element of windows at starts drawn from ``samples`` (N, C, n), and its flat
    index."""

    tensors = ("input", "samples")
    outputs = ("out", "indices")
    named = False
    promote = "keep"
    half = "widen"
    public = ()

    def grad_name(node):
        return f"FractionalMaxPool{len(node.params[0])}DBackward0"

    def forward(xp, x, samples, kernel, output_size):
        n = len(kernel)
        size = x.shape[x.ndim - n :]
        if x.ndim == n + 1:
            samples = samples[0]
        windows = []
        for i in range(n):
            # PyTorch draws for the width first
            sample = samples[..., n - 1 - i] if n == 2 else samples[..., i]
            starts = _starts(xp, sample, size[i], output_size[i], kernel[i])
            windows.append(starts[..., None] + xp.arange(kernel[i]))
        return kernels.max_of_windows(xp, x, windows)

    def vjp(g, input: Meta, indices, kernel, need):
        return PlaneScatter.call(g, indices, tuple(input.shape), len(kernel)), None


def _starts(xp, sample, size, out, kernel):
    """Where each of ``out`` windows begins: steps of (size - kernel) / (out - 1), from a random
    phase."""
    last = xp.full((*sample.shape, 1), size - kernel, xp.int64)
    if out == 1:
        return last
    alpha = sample.dtype.type((size - kernel) / (out - 1))
    phase = sample[..., None]
    steps = ((xp.arange(out - 1, dtype=sample.dtype) + phase) * alpha).astype(xp.int64)
    return xp.concatenate([steps - (phase * alpha).astype(xp.int64), last], -1)


def _fractional(n, input, kernel_size, output_size, output_ratio, samples):
    name = f"fractional_max_pool{n}d"
    if output_size is None and output_ratio is None:
        raise ValueError(f"{name} requires specifying either an output_size or an output_ratio")
    kernel = spread(kernel_size, n, "kernel_size", name)
    if output_size is None:
        ratio = output_ratio if isinstance(output_ratio, (tuple, list)) else (output_ratio,) * n
        output_size = tuple(int(input.shape[-n + i] * ratio[i]) for i in range(n))
    output_size = spread(output_size, n, "output_size", name)
    spare = int(n == 3)  # in three dimensions PyTorch wants one place more
    where = f"{name}_out()" if spare else f"{name}()"
    for i in range(n):
        if output_size[i] + kernel[i] - 1 + spare > input.shape[-n + i]:
            axis = ("time", "height", "width")[3 - n + i]
            raise RuntimeError(
                f"{where}: pool {axis} {kernel[i]} too large relative to input {axis} "
                f"{input.shape[-n + i]}"
            )
    if samples is None:
        batch = 1 if input.dim() == n + 1 else input.shape[0]
        samples = input.detach().new_empty((batch, input.shape[-n - 1], n)).uniform_()
    return tuple(FractionalMaxPool.call(input, samples, kernel, output_size))


@public("nn.functional", out=False)
def fractional_max_pool2d_with_indices(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """fractional_max_pool2d_with_indices(input, kernel_size, output_size=None, output_ratio=None)
    -> (Tensor, LongTensor)

    The largest elements of windows at random, evenly spread places, and their flat indices.

    >>> pool = torch.nn.functional.fractional_max_pool2d_with_indices
    >>> pool(torch.ones(1, 2, 2), 1, output_size=2)[0].shape
    torch.Size([1, 2, 2])
    """
    return _fractional(2, input, kernel_size, output_size, output_ratio, _random_samples)


@public("nn.functional", out=False)
def fractional_max_pool3d_with_indices(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """fractional_max_pool3d_with_indices(input, kernel_size, output_size=None, output_ratio=None)
    -> (Tensor, LongTensor)

    The largest elements of windows at random, evenly spread places, and their flat indices.

    >>> pool = torch.nn.functional.fractional_max_pool3d_with_indices
    >>> pool(torch.ones(1, 3, 3, 3), 1, output_size=2)[0].shape
    torch.Size([1, 2, 2, 2])
    """
    return _fractional(3, input, kernel_size, output_size, output_ratio, _random_samples)
