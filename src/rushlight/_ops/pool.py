"""Pooling: the largest element, or the mean, of windows that slide over one to three dimensions."""

import math

from rushlight._core.op import Meta, Op, public
from rushlight._ops import pool_kernels as kernels
from rushlight._ops.conv import spread


def _size(x, n):
    return x.shape[x.ndim - n :]


def pool_name(name, node):
    """PyTorch pools lines as images of one row, and shows the last step of that."""
    n = len(node.params[0])
    return "SqueezeBackward1" if n == 1 else f"{name.format(n)}Backward0"


class MaxPool(Op):
    """The largest element of each window."""

    promote = "keep"
    half = "widen"
    public = ()

    def grad_name(node):
        return pool_name("MaxPool{}DWithIndices", node)

    def forward(xp, x, kernel, stride, padding, dilation, ceil_mode):
        out = kernels.output_size(
            _size(x, len(kernel)), kernel, stride, padding, dilation, ceil_mode
        )
        return kernels.max_pool(xp, x, out, kernel, stride, padding, dilation)

    def vjp(g, input, result, kernel, stride, padding, dilation):
        return MaxPoolBackward.call(
            g, input.detach(), result.detach(), kernel, stride, padding, dilation
        )


class MaxPoolWithIndices(Op):
    """The largest element of each window, and its flat index within its plane."""

    outputs = ("out", "indices")
    named = False
    promote = "keep"
    half = "widen"
    public = ()

    def grad_name(node):
        return pool_name("MaxPool{}DWithIndices", node)

    def forward(xp, x, kernel, stride, padding, dilation, ceil_mode):
        out = kernels.output_size(
            _size(x, len(kernel)), kernel, stride, padding, dilation, ceil_mode
        )
        return kernels.max_indices(xp, x, out, kernel, stride, padding, dilation)

    def vjp(g, input: Meta, indices, kernel):
        return PlaneScatter.call(g, indices, tuple(input.shape), len(kernel))


class MaxPoolBackward(Op):
    """Each gradient at the largest element of its window."""

    tensors = ("grad", "input", "output")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, g, x, result, kernel, stride, padding, dilation):
        return kernels.max_pool_backward(xp, g, x, result, kernel, stride, padding, dilation)

    def vjp_grad(g, input, output, kernel, stride, padding, dilation):
        return MaxPoolSelect.call(g, input, output, kernel, stride, padding, dilation)


class MaxPoolSelect(Op):
    """The transpose of ``MaxPoolBackward``: each window's element where its largest was."""

    tensors = ("grad", "input", "output")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, v, x, result, kernel, stride, padding, dilation):
        return kernels.max_pool_select(xp, v, x, result, kernel, stride, padding, dilation)

    def vjp_grad(g, input, output, kernel, stride, padding, dilation):
        return MaxPoolBackward.call(g, input, output, kernel, stride, padding, dilation)


class PlaneScatter(Op):
    """Elements added up at flat indices within planes of the last ``n`` dimensions of ``shape``."""

    tensors = ("input", "indices")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, x, indices, shape, n):
        size = math.prod(shape[len(shape) - n :])
        planes = math.prod(shape[: len(shape) - n])
        count = indices.size // max(planes, 1)
        flat = indices.reshape(planes, count) + (xp.arange(planes) * size)[:, None]
        result = xp.zeros(planes * size, x.dtype)
        xp.add.at(result, flat.reshape(-1), x.reshape(-1))
        return result.reshape(shape)

    def vjp_input(g, indices, n):
        return PlaneGather.call(g, indices, n)


class PlaneGather(Op):
    """The elements at flat indices within planes of the last ``n`` dimensions."""

    tensors = ("input", "indices")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, x, indices, n):
        lead = x.shape[: x.ndim - n]
        flat = indices.reshape(*lead, math.prod(indices.shape[len(lead) :]))
        return xp.take_along_axis(x.reshape(*lead, math.prod(_size(x, n))), flat, -1).reshape(
            indices.shape
        )

    def vjp_input(g, indices, input: Meta, n):
        return PlaneScatter.call(g, indices, tuple(input.shape), n)


def _check_kernel(n, name, kernel, stride, padding, dilation):
    """Refuse what makes no window."""
    for what, value in (
        ("kernel_size", kernel),
        ("stride", stride),
        ("padding", padding),
        ("dilation", dilation),
    ):
        if len(value) != n:
            raise RuntimeError(
                f"{name}: {what} must either be a single int, or a tuple of {_COUNT[n]} ints"
            )
    if 0 in stride:
        raise RuntimeError("stride should not be zero")
    if min(kernel) <= 0:
        raise RuntimeError(f"kernel size should be greater than zero, but got {_axes(kernel, 'k')}")
    if min(dilation) <= 0:
        raise RuntimeError(
            f"dilation should be greater than zero, but got {_axes(dilation, 'dilation')}"
        )
    if min(padding) < 0:
        raise RuntimeError(f"pad must be non-negative, but got pad: {min(padding)}")
    for k, p, d in zip(kernel, padding, dilation, strict=True):
        if p > ((k - 1) * d + 1) // 2:
            raise RuntimeError(
                f"pad should be at most half of effective kernel size, but got pad={p}, "
                f"kernel_size={k} and "
                f"dilation={d}"
            )


_COUNT = {1: "one", 2: "two", 3: "three"}


def _axes(values, letter):
    """kT: 1 kH: 2 kW: 3"""
    return " ".join(
        f"{letter}{axis}: {v}" for axis, v in zip("THW"[-len(values) :], values, strict=True)
    )


def _check_line(input, kernel, stride, dilation):
    """The texts that max_pool1d has for itself."""
    if input.dim() not in (2, 3) or 0 in input.shape[-2:]:
        raise RuntimeError(
            "max_pool1d: Expected 2D or 3D (batch mode) tensor with optional 0 dim batch size for "
            "input, but got:"
            f"{list(input.shape)}"
        )
    for what, value in (("kernel_size", kernel), ("stride", stride), ("dilation", dilation)):
        if value[0] <= 0:
            raise RuntimeError(f"max_pool1d() {what} must be greater than zero, but got {value[0]}")


def _check_input(n, name, input):
    """Refuse inputs without the dimensions, or with empty ones."""
    if name in ("max_pool3d", "avg_pool3d") and input.dim() in (4, 5) and 0 in input.shape[-4:]:
        who = "avg_pool3d" if "avg" in name else "max_pool3d_with_indices_out_cpu_template"
        raise RuntimeError(
            f"{who}(): Expected input's non-batch dimensions to have positive length, "
            f"but input has a shape of {list(input.shape)} and non-batch dimension 0 has "
            "length zero!"
        )
    if input.dim() not in (n + 1, n + 2):
        raise RuntimeError(f"non-empty {n + 1}D or {n + 2}D (batch mode) tensor expected for input")
    if any(s == 0 for s in input.shape[-n - 1 :]):
        shape = list(input.shape)
        if n == 1:  # PyTorch's has another dimension here
            n, shape = 2, [*shape[:-1], 1, shape[-1]]
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with optional 0 dim batch size "
            f"for input, but got:{shape}"
        )


def _check_output(input, n, out):
    if min(out) < 1:
        given = "x".join(map(str, ([1] if n == 1 else []) + list(input.shape[-n:])))
        made = "x".join(map(str, ([1] if n == 1 else []) + list(out)))
        channels = input.shape[-n - 1]
        raise RuntimeError(
            f"Given input size: ({channels}x{given}). Calculated output size: "
            f"({channels}x{made}). Output size is too "
            "small"
        )


def _plain(n, input, kernel, stride, padding, dilation):
    """The arguments, ints as a rule, as tuples of ``n`` where all is as it should be, else None."""
    if not type(kernel) is type(padding) is type(dilation) is int:
        return _plain_tuples(n, input, kernel, stride, padding, dilation)
    if stride is None:
        stride = kernel
    elif type(stride) is not int:
        return None
    shape = tuple(input.shape)
    span = (kernel - 1) * dilation + 1
    margin = 2 * padding
    if (
        kernel > 0
        and stride > 0
        and dilation > 0
        and 0 <= margin <= span
        and n < len(shape) <= n + 2
        and 0 not in shape
        and min(shape[-n:]) + margin >= span
    ):
        return (kernel,) * n, (stride,) * n, (padding,) * n, (dilation,) * n
    return None


def _plain_tuples(n, input, kernel, stride, padding, dilation):
    """The same where some are tuples."""
    kernel = (kernel,) * n if type(kernel) is int else kernel
    stride = kernel if stride is None else (stride,) * n if type(stride) is int else stride
    padding = (padding,) * n if type(padding) is int else padding
    dilation = (dilation,) * n if type(dilation) is int else dilation
    shape = tuple(input.shape)
    if (
        type(kernel) is type(stride) is type(padding) is type(dilation) is tuple
        and len(kernel) == len(stride) == len(padding) == len(dilation) == n
        and n < len(shape) <= n + 2
        and 0 not in shape
    ):
        for size, k, s, p, d in zip(shape[-n:], kernel, stride, padding, dilation, strict=True):
            if not (
                type(k) is type(s) is type(p) is type(d) is int
                and k > 0
                and s > 0
                and d > 0
                and 0 <= 2 * p <= (k - 1) * d + 1 <= size + 2 * p
            ):
                return None
        return kernel, stride, padding, dilation
    return None


def _prepare(n, name, input, kernel_size, stride, padding, dilation, ceil_mode):
    """The arguments as tuples of ``n`` ints, checked."""
    kernel = spread(kernel_size, n, "kernel_size", name, 2)
    stride = (
        kernel
        if stride is None or stride == () or stride == []
        else spread(stride, n, "stride", name, 3)
    )
    padding, dilation = (
        spread(padding, n, "padding", name, 4),
        spread(dilation, n, "dilation", name, 5),
    )
    if name == "max_pool1d":
        _check_line(input, kernel, stride, dilation)
    _check_kernel(n, name, kernel, stride, padding, dilation)
    _check_input(n, name, input)
    out = kernels.output_size(input.shape[-n:], kernel, stride, padding, dilation, ceil_mode)
    if name == "max_pool1d" and out[0] < 1:
        raise RuntimeError(f"max_pool1d() Invalid computed output size: {out[0]}")
    _check_output(input, n, out)
    return kernel, stride, padding, dilation


def _max_pool(n, input, kernel_size, stride, padding, dilation, ceil_mode, return_indices):
    settings = _plain(n, input, kernel_size, stride, padding, dilation)
    if settings is None:
        name = f"max_pool{n}d"
        settings = _prepare(n, name, input, kernel_size, stride, padding, dilation, ceil_mode)
    if return_indices:
        return tuple(MaxPoolWithIndices.call(input, *settings, bool(ceil_mode)))
    return MaxPool.call(input, *settings, bool(ceil_mode))


@public("torch", out=False)
def max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False) -> Tensor

    The largest element of each window of ``input`` ((N), C, L).

    >>> torch.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, False)


@public("torch", out=False)
def max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False) -> Tensor

    The largest element of each window of ``input`` ((N), C, H, W).

    >>> torch.max_pool2d(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2)
    tensor([[[3.]]])
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, False)


@public("torch", out=False)
def max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False):
    """max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False) -> Tensor

    The largest element of each window of ``input`` ((N), C, D, H, W).

    >>> torch.max_pool3d(torch.ones(1, 2, 2, 2), 2)
    tensor([[[[1.]]]])
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, False)


@public("torch", "nn.functional", out=False)
def max_pool1d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool1d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1,
    ceil_mode=False) -> (Tensor, LongTensor)

    The largest element of each window and its index.

    >>> torch.max_pool1d_with_indices(torch.tensor([[1.0, 3.0]]), 2)
    (tensor([[3.]]), tensor([[1]]))
    """
    return _max_pool(1, input, kernel_size, stride, padding, dilation, ceil_mode, True)


@public("nn.functional", out=False)
def max_pool2d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool2d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1,
    ceil_mode=False) -> (Tensor, LongTensor)

    The largest element of each window and its flat index within its plane.

    >>> torch.nn.functional.max_pool2d_with_indices(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2)
    (tensor([[[3.]]]), tensor([[[1]]]))
    """
    return _max_pool(2, input, kernel_size, stride, padding, dilation, ceil_mode, True)


@public("nn.functional", out=False)
def max_pool3d_with_indices(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool3d_with_indices(input, kernel_size, stride=None, padding=0, dilation=1,
    ceil_mode=False) -> (Tensor, LongTensor)

    The largest element of each window and its flat index within its volume.

    >>> torch.nn.functional.max_pool3d_with_indices(torch.ones(1, 2, 2, 2), 2)
    (tensor([[[[1.]]]]), tensor([[[[0]]]]))
    """
    return _max_pool(3, input, kernel_size, stride, padding, dilation, ceil_mode, True)


class AvgPool(Op):
    """The mean of each window."""

    promote = "keep"
    half = "widen"
    public = ()
    linear = True

    def grad_name(node):
        return pool_name("AvgPool{}D", node)

    def forward(xp, x, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override):
        size, ones = _size(x, len(kernel)), (1,) * len(kernel)
        out = kernels.output_size(size, kernel, stride, padding, ones, ceil_mode)
        total = kernels.sum_pool(xp, x, out, kernel, stride, padding)
        by = kernels.divisors(
            xp, size, out, kernel, stride, padding, count_include_pad, divisor_override, x.dtype
        )
        if x.dtype.kind in "iu":
            return xp.trunc(total / by).astype(x.dtype)
        return xp.divide(total, by, out=total)

    def vjp(
        g, input: Meta, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        size = tuple(input.shape)[-len(kernel) :]
        return AvgPoolBackward.call(
            g, size, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
        )


class AvgPoolBackward(Op):
    """Each gradient shared out among its window."""

    promote = "keep"
    half = "widen"
    public = ()
    linear = True

    def forward(
        xp, g, size, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
    ):
        by = kernels.divisors(
            xp,
            size,
            _size(g, len(kernel)),
            kernel,
            stride,
            padding,
            count_include_pad,
            divisor_override,
            g.dtype,
        )
        return kernels.sum_pool_backward(xp, g / by, size, kernel, stride, padding)

    def vjp(g, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override):
        return AvgPool.call(
            g, kernel, stride, padding, ceil_mode, count_include_pad, divisor_override
        )


def _avg_pool(
    n, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
):
    settings = _plain(n, input, kernel_size, stride, padding, 1)
    if settings is None:
        name = f"avg_pool{n}d"
        settings = _prepare(n, name, input, kernel_size, stride, padding, 1, ceil_mode)
    kernel, stride, padding, _ = settings
    if divisor_override == 0:
        raise RuntimeError("divisor must be not zero")
    return AvgPool.call(
        input, kernel, stride, padding, bool(ceil_mode), bool(count_include_pad), divisor_override
    )


@public("torch", "nn.functional", out=False)
def avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False, count_include_pad=True):
    """avg_pool1d(input, kernel_size, stride=None, padding=0, ceil_mode=False,
    count_include_pad=True) -> Tensor

    The mean of each window of ``input`` ((N), C, L).

    >>> torch.nn.functional.avg_pool1d(torch.tensor([[1.0, 3.0]]), 2)
    tensor([[2.]])
    """
    return _avg_pool(1, input, kernel_size, stride, padding, ceil_mode, count_include_pad, None)


@public("nn.functional")
def avg_pool2d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """avg_pool2d(input, kernel_size, stride=None, padding=0, ceil_mode=False,
    count_include_pad=True, divisor_override=None) -> Tensor

    The mean of each window of ``input`` ((N), C, H, W).

    >>> torch.nn.functional.avg_pool2d(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2)
    tensor([[[1.5000]]])
    """
    return _avg_pool(
        2, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )


@public("nn.functional")
def avg_pool3d(
    input,
    kernel_size,
    stride=None,
    padding=0,
    ceil_mode=False,
    count_include_pad=True,
    divisor_override=None,
):
    """avg_pool3d(input, kernel_size, stride=None, padding=0, ceil_mode=False,
    count_include_pad=True, divisor_override=None) -> Tensor

    The mean of each window of ``input`` ((N), C, D, H, W).

    >>> torch.nn.functional.avg_pool3d(torch.ones(1, 2, 2, 2), 2)
    tensor([[[[1.]]]])
    """
    return _avg_pool(
        3, input, kernel_size, stride, padding, ceil_mode, count_include_pad, divisor_override
    )
