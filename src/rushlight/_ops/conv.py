"""Convolutions over one, two and three dimensions. Convolution, its transpose and the gradient of
its weight are each other's gradients, so that any order of differentiation closes."""

from rushlight._core.op import Meta, Op, conj, public
from rushlight._ops.conv_kernels import convolve, input_gradient, weight_gradient
from rushlight._ops.linear import TYPE_NAMES
from rushlight._ops.pad import ConstantPadNd


class Convolution(Op):
    """The cross-correlation of ``input`` (N, C, *size) with ``weight`` (O, C / groups, *kernel),
    plus ``bias``."""

    tensors = ("input", "weight", "bias")
    optional = ("bias",)
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, x, weight, bias, stride, padding, dilation, groups):
        _check_dtypes(x, weight, bias)
        result = convolve(xp, x, weight, stride, padding, dilation, groups)
        if bias is not None:
            result += bias.reshape(-1, *[1] * len(stride))
        return result

    def vjp_input(g, weight, input: Meta, stride, padding, dilation, groups):
        shape = tuple(input.shape)
        return ConvTranspose.call(g, conj(weight), None, shape, stride, padding, dilation, groups)

    def vjp_weight(g, input, weight: Meta, stride, padding, dilation, groups):
        shape = tuple(weight.shape)
        return ConvWeight.call(g, conj(input), shape, stride, padding, dilation, groups)

    def vjp_bias(g):
        return g.sum((0, *range(2, g.dim())))


class ConvTranspose(Op):
    """The transpose of the convolution that takes ``shape`` to the shape of ``input``; its input's
    gradient."""

    tensors = ("input", "weight", "bias")
    optional = ("bias",)
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = "ConvolutionBackward0"

    def forward(xp, x, weight, bias, shape, stride, padding, dilation, groups):
        _check_dtypes(x, weight, bias)
        result = input_gradient(xp, x, weight, shape, stride, padding, dilation, groups)
        if bias is not None:
            result += bias.reshape(-1, *[1] * len(stride))
        return result

    def vjp_input(g, weight, input: Meta, stride, padding, dilation, groups):
        result = Convolution.call(g, conj(weight), None, stride, padding, dilation, groups)
        return _cropped(result, input.shape)

    def vjp_weight(g, input, weight: Meta, stride, padding, dilation, groups):
        return ConvWeight.call(
            conj(input), g, tuple(weight.shape), stride, padding, dilation, groups
        )

    def vjp_bias(g):
        return g.sum((0, *range(2, g.dim())))


class ConvWeight(Op):
    """The gradient of a convolution's weight, of ``shape``, from that of its output."""

    tensors = ("grad", "input")
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = "ConvolutionBackwardBackward0"

    def forward(xp, g, x, shape, stride, padding, dilation, groups):
        return weight_gradient(xp, g, x, shape, stride, padding, dilation, groups)

    def vjp_grad(g, input, grad: Meta, stride, padding, dilation, groups):
        result = Convolution.call(conj(input), g, None, stride, padding, dilation, groups)
        return _cropped(result, grad.shape)

    def vjp_input(g, grad, input: Meta, stride, padding, dilation, groups):
        shape = tuple(input.shape)
        return ConvTranspose.call(conj(grad), g, None, shape, stride, padding, dilation, groups)


def _cropped(t, shape):
    """``t`` without the outputs that a large ``output_padding`` adds at its end."""
    for d in range(2, t.dim()):
        if t.shape[d] > shape[d]:
            t = t.narrow(d, 0, shape[d])
    return t


def _check_dtypes(x, weight, bias):
    if bias is not None and x.dtype != bias.dtype:
        names = [_C_NAMES.get(str(a.dtype), str(a.dtype)) for a in (x, bias)]
        raise RuntimeError(f"Input type ({names[0]}) and bias type ({names[1]}) should be the same")
    if x.dtype != weight.dtype:
        names = [TYPE_NAMES.get(str(a.dtype), str(a.dtype)) for a in (x, weight)]
        raise RuntimeError(f"expected scalar type {names[0]} but found {names[1]}")


_C_NAMES = {
    "float32": "float", "float64": "double", "int64": "long int", "int32": "int",
    "complex64": "c10::complex<float>", "complex128": "c10::complex<double>",
}  # fmt: skip


def spread(value, n, name, function, position=None):
    """An int, or one in a sequence, as ``n`` of them."""
    if type(value) is int:
        return (value,) * n
    try:
        value = (
            tuple([v.__index__() for v in value])
            if isinstance(value, (tuple, list))
            else (value.__index__(),)
        )
    except (AttributeError, TypeError):
        where = f" (position {position})" if position else ""
        raise TypeError(
            f"{function}(): argument '{name}'{where} must be tuple of ints, not "
            f"{type(value).__name__}"
        ) from None
    return value * n if len(value) == 1 else value


def _check(input, weight, bias, stride, padding, dilation, groups, transposed):
    """Refuse what does not fit together, in PyTorch's order and words."""
    n = weight.dim() - 2
    if n < 1:
        raise RuntimeError("weight should have at least three dimensions")
    for name, value in (("stride", stride), ("padding", padding), ("dilation", dilation)):
        if len(value) != n:
            raise RuntimeError(
                f"expected {name} to be a single integer value or a list of {n} values to match "
                "the convolution "
                f"dimensions, but got {name}={list(value)}"
            )
    if min(padding) < 0:
        raise RuntimeError("negative padding is not supported")
    if min(stride) <= 0:
        raise RuntimeError("non-positive stride is not supported")
    if min(dilation) <= 0:
        raise RuntimeError(f"dilation should be greater than zero, but got {list(dilation)}")
    if groups <= 0:
        raise RuntimeError("non-positive groups is not supported")
    shape, given = list(weight.shape), list(input.shape)
    if weight.shape[0] < groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be at least {groups} at dimension 0, but "
            "got weight of size "
            f"{shape} instead"
        )
    if weight.shape[0] % groups:
        raise RuntimeError(
            f"Given groups={groups}, expected weight to be divisible by {groups} at dimension 0, "
            "but got weight of "
            f"size [{shape}] instead"
        )
    channels = weight.shape[0] if transposed else weight.shape[1] * groups
    how = "transposed=1" if transposed else f"groups={groups}"
    if input.shape[1] != channels:
        raise RuntimeError(
            f"Given {how}, weight of size {shape}, expected input{given} to have {channels} "
            "channels, but got "
            f"{input.shape[1]} channels instead"
        )
    outputs = weight.shape[1] * groups if transposed else weight.shape[0]
    if bias is not None and (bias.dim() != 1 or bias.shape[0] != outputs):
        how = "transposed=1, weight" if transposed else "weight"
        raise RuntimeError(
            f"Given {how} of size {shape}, expected bias to be 1-dimensional with {outputs} "
            "elements, but got bias "
            f"of size {list(bias.shape)} instead"
        )
    if not transposed:
        _check_fits(input, weight, padding, dilation)


def _check_fits(input, weight, padding, dilation):
    have = [s + 2 * p for s, p in zip(input.shape[2:], padding, strict=True)]
    want = [d * (k - 1) + 1 for k, d in zip(weight.shape[2:], dilation, strict=True)]
    if any(w > h for w, h in zip(want, have, strict=True)):
        sizes = [" x ".join(map(str, x)) for x in (have, want)]
        raise RuntimeError(
            f"Calculated padded input size per channel: ({sizes[0]}). Kernel size: ({sizes[1]}). "
            "Kernel size can't "
            "be greater than actual input size"
        )


def _batched(input, n, function):
    """``input`` with a batch dimension, and whether it had one."""
    ndim = input.dim()
    if ndim == n + 2:
        return input, True
    if ndim == n + 1:
        return input.unsqueeze(0), False
    raise RuntimeError(
        f"Expected {n + 1}D (unbatched) or {n + 2}D (batched) input to {function}, but got input "
        "of size: "
        f"{list(input.shape)}"
    )


def _same(input, weight, stride, dilation):
    """The padding that keeps the size; where it is odd, ``input`` gets the odd element at its
    end."""
    if input.dim() != weight.dim():
        raise RuntimeError(
            f"Expected {weight.dim()}-dimensional input for {weight.dim()}-dimensional "
            f"weight{list(weight.shape)}, but "
            f"got {input.dim()}-dimensional input of size {list(input.shape)} instead"
        )
    if any(s != 1 for s in stride):
        raise RuntimeError("padding='same' is not supported for strided convolutions")
    total = [d * (k - 1) for d, k in zip(dilation, weight.shape[2:], strict=True)]
    if any(t % 2 for t in total):
        ends = [x for t in reversed(total) for x in (0, t % 2)]
        input = ConstantPadNd.call(input, tuple(ends), 0)
    return input, tuple(t // 2 for t in total)


def _plain(n, input, weight, outputs, channels, bias, stride, padding, dilation, groups):
    """``stride``, ``padding`` and ``dilation``, ints or tuples, as tuples of ``n`` where they and
    what a batch's weight and bias must look like are as they should be, else None."""
    if type(stride) is int:
        stride = (stride,) * n
    if type(padding) is int:
        padding = (padding,) * n
    if type(dilation) is int:
        dilation = (dilation,) * n
    if (
        type(stride) is type(padding) is type(dilation) is tuple
        and type(groups) is int
        and len(weight) == len(input) == n + 2
        and len(stride) == len(padding) == len(dilation) == n
        and 0 < groups <= weight[0]
        and not weight[0] % groups
        and input[1] == channels
        and (bias is None or bias.shape == (outputs,))
    ):
        for s, p, d in zip(stride, padding, dilation, strict=True):
            if not (type(s) is type(p) is type(d) is int and s > 0 and d > 0 and p >= 0):
                return None
        return stride, padding, dilation
    return None


def _conv(n, input, weight, bias, stride, padding, dilation, groups):
    shape, w = tuple(input.shape), tuple(weight.shape)
    if len(w) == n + 2 and w[1]:
        plain = _plain(n, shape, w, w[0], w[1] * groups, bias, stride, padding, dilation, groups)
        if plain is not None and _fits(shape, w, plain[1], plain[2]):
            return Convolution.call(input, weight, bias, *plain, groups)
    return _conv_checked(n, input, weight, bias, stride, padding, dilation, groups)


def _fits(shape, weight, padding, dilation):
    """Is no kernel larger than the input it slides over?"""
    for size, k, p, d in zip(shape[2:], weight[2:], padding, dilation, strict=True):
        if d * (k - 1) >= size + 2 * p:
            return False
    return True


def _conv_checked(n, input, weight, bias, stride, padding, dilation, groups):
    function = f"conv{n}d"
    x, was_batched = _batched(input, n, function)
    stride, dilation = (
        spread(stride, n, "stride", function),
        spread(dilation, n, "dilation", function),
    )
    if isinstance(padding, str):
        if padding not in ("same", "valid"):
            raise RuntimeError(f"Invalid padding string: '{padding}'")
        x, padding = (x, (0,) * n) if padding == "valid" else _same(x, weight, stride, dilation)
    else:
        padding = spread(padding, n, "padding", function)
    _check(x, weight, bias, stride, padding, dilation, groups, False)
    if not x.shape[1]:
        result = _of_nothing(x, weight, bias, stride, padding, dilation)
        return result if was_batched else result.squeeze(0)
    result = Convolution.call(x, weight, bias, stride, padding, dilation, groups)
    return result if was_batched else result.squeeze(0)


def _of_nothing(input, weight, bias, stride, padding, dilation):
    """Of an input without channels: a result without channels, as PyTorch's."""
    sizes = [
        (size + 2 * p - d * (k - 1) - 1) // s + 1
        for size, k, s, p, d in zip(
            input.shape[2:], weight.shape[2:], stride, padding, dilation, strict=True
        )
    ]
    result = input.reshape(0) * weight.reshape(0)
    result = result if bias is None else result + bias[0]
    return result.reshape(input.shape[0], 0, *sizes)


@public("torch", "nn.functional", out=False)
def conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """conv1d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor

    The cross-correlation of ``input`` (N, C, L) with ``weight`` (O, C / groups, K); ``padding`` may
    be 'valid' or 'same'.

    >>> torch.nn.functional.conv1d(torch.ones(1, 1, 4), torch.ones(1, 1, 2))
    tensor([[[2., 2., 2.]]])
    """
    return _conv(1, input, weight, bias, stride, padding, dilation, groups)


@public("torch", "nn.functional", out=False)
def conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """conv2d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor

    The cross-correlation of ``input`` (N, C, H, W) with ``weight`` (O, C / groups, kH, kW);
    ``padding`` may be 'valid' or 'same'.

    >>> torch.nn.functional.conv2d(torch.ones(1, 1, 2, 3), torch.ones(1, 1, 2, 2))
    tensor([[[[4., 4.]]]])
    """
    return _conv(2, input, weight, bias, stride, padding, dilation, groups)


@public("torch", "nn.functional", out=False)
def conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1):
    """conv3d(input, weight, bias=None, stride=1, padding=0, dilation=1, groups=1) -> Tensor

    The cross-correlation of ``input`` (N, C, D, H, W) with ``weight`` (O, C / groups, kD, kH, kW).

    >>> torch.nn.functional.conv3d(torch.ones(1, 1, 2, 2, 2), torch.ones(1, 1, 2, 2, 2))
    tensor([[[[[8.]]]]])
    """
    return _conv(3, input, weight, bias, stride, padding, dilation, groups)


def _check_output_padding(output_padding, stride, dilation):
    """It must be smaller than the stride or the dilation, or some outputs would have no input."""
    if all(o < max(s, d) for o, s, d in zip(output_padding, stride, dilation, strict=True)):
        return
    axes = ("depth", "height", "width")[-max(len(stride), 2) :]
    parts = []
    for name, values in (
        ("output_padding", output_padding),
        ("stride", stride),
        ("dilation", dilation),
    ):
        values = values if len(values) > 1 else ((0 if name == "output_padding" else 1), *values)
        parts += [f"{name}_{axis}: {v}" for axis, v in zip(axes, values, strict=True)]
    raise RuntimeError(
        f"output padding must be smaller than either stride or dilation, but got {' '.join(parts)}"
    )


def _conv_transpose(n, input, weight, bias, stride, padding, output_padding, groups, dilation):
    shape, w = tuple(input.shape), tuple(weight.shape)
    if len(w) == n + 2 and w[1] and output_padding in (0, (0,) * n):
        outputs = w[1] * groups
        plain = _plain(n, shape, w, outputs, w[0], bias, stride, padding, dilation, groups)
        sizes = _transposed_size(shape, w, *plain) if plain is not None else None
        if sizes is not None:
            made = (shape[0], outputs, *sizes)
            return ConvTranspose.call(input, weight, bias, made, *plain, groups)
    return _conv_transpose_checked(
        n, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


def _transposed_size(shape, weight, stride, padding, dilation):
    """The sizes of the result, None if one would be less than 1."""
    sizes = []
    for size, k, s, p, d in zip(shape[2:], weight[2:], stride, padding, dilation, strict=True):
        made = (size - 1) * s - 2 * p + d * (k - 1) + 1
        if made < 1:
            return None
        sizes.append(made)
    return sizes


def _conv_transpose_checked(
    n, input, weight, bias, stride, padding, output_padding, groups, dilation
):
    function = f"conv_transpose{n}d"
    x, was_batched = _batched(input, n, function)
    stride, padding = spread(stride, n, "stride", function), spread(padding, n, "padding", function)
    dilation = spread(dilation, n, "dilation", function)
    output_padding = spread(output_padding, n, "output_padding", function)
    _check(x, weight, bias, stride, padding, dilation, groups, True)
    if min(output_padding) < 0:
        raise RuntimeError("negative output_padding is not supported")
    _check_output_padding(output_padding, stride, dilation)
    sizes = [
        (i - 1) * s - 2 * p + d * (k - 1) + o + 1
        for i, k, s, p, d, o in zip(
            x.shape[2:], weight.shape[2:], stride, padding, dilation, output_padding, strict=True
        )
    ]
    if min(sizes) < 1:
        given, made = " x ".join(map(str, x.shape[2:])), " x ".join(map(str, sizes))
        raise RuntimeError(
            f"Given input size per channel: ({given}). Calculated output size per channel: "
            f"({made}). Output size "
            "is too small"
        )
    if not weight.shape[1]:
        raise RuntimeError(
            "could not create a primitive descriptor for the deconvolution forward propagation "
            "primitive. Run workload with environment variable ONEDNN_VERBOSE=all to get "
            "additional diagnostic information."
        )
    shape = (x.shape[0], weight.shape[1] * groups, *sizes)
    result = ConvTranspose.call(x, weight, bias, shape, stride, padding, dilation, groups)
    return result if was_batched else result.squeeze(0)


@public("torch", "nn.functional", out=False)
def conv_transpose1d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """conv_transpose1d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
    dilation=1) -> Tensor

    The transpose of :func:`conv1d` applied to ``input`` (N, C, L), with ``weight`` (C, O / groups,
    K).

    >>> torch.nn.functional.conv_transpose1d(torch.ones(1, 1, 2), torch.ones(1, 1, 2))
    tensor([[[1., 2., 1.]]])
    """
    return _conv_transpose(
        1, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@public("torch", "nn.functional", out=False)
def conv_transpose2d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """conv_transpose2d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
    dilation=1) -> Tensor

    The transpose of :func:`conv2d` applied to ``input`` (N, C, H, W), with ``weight`` (C, O /
    groups, kH, kW).

    >>> torch.nn.functional.conv_transpose2d(torch.ones(1, 1, 1, 2), torch.ones(1, 1, 1, 2))
    tensor([[[[1., 2., 1.]]]])
    """
    return _conv_transpose(
        2, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@public("torch", "nn.functional", out=False)
def conv_transpose3d(
    input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1, dilation=1
):
    """conv_transpose3d(input, weight, bias=None, stride=1, padding=0, output_padding=0, groups=1,
    dilation=1) -> Tensor

    The transpose of :func:`conv3d` applied to ``input`` (N, C, D, H, W), with ``weight`` (C, O /
    groups, kD, kH, kW).

    >>> torch.nn.functional.conv_transpose3d(torch.ones(1, 1, 1, 1, 2), torch.ones(1, 1, 1, 1, 2))
    tensor([[[[[1., 2., 1.]]]]])
    """
    return _conv_transpose(
        3, input, weight, bias, stride, padding, output_padding, groups, dilation
    )


@public("torch", out=False)
def convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding, groups):
    """convolution(input, weight, bias, stride, padding, dilation, transposed, output_padding,
    groups) -> Tensor

    A convolution, or a transposed one, over as many dimensions as ``weight`` has beyond two.

    >>> x, w = torch.ones(1, 1, 3), torch.ones(1, 1, 2)
    >>> torch.convolution(x, w, None, [1], [0], [1], False, [0], 1)
    tensor([[[2., 2.]]])
    """
    n = weight.dim() - 2
    if transposed:
        return _conv_transpose(
            n, input, weight, bias, stride, padding, output_padding, groups, dilation
        )
    return _conv(n, input, weight, bias, stride, padding, dilation, groups)


@public("torch", "nn.functional", out=False)
def conv_tbc(input, weight, bias, pad=0):
    """conv_tbc(input, weight, bias, pad=0) -> Tensor

    :func:`conv1d` of ``input`` (time, batch, channels) with ``weight`` (K, channels, O).

    >>> torch.conv_tbc(torch.ones(2, 1, 1), torch.ones(2, 1, 1), torch.zeros(1))
    tensor([[[2.]]])
    """
    return _conv(1, input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, 1, pad, 1, 1).permute(
        2, 0, 1
    )
