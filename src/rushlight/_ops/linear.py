"""Affine maps: y = x Aᵀ + b. The three products of a linear layer are each other's gradients."""

import math

from rushlight._core import dtypes
from rushlight._core.casting import astype
from rushlight._core.op import Op, conj, public
from rushlight._ops.matmul import same_dtype

HALF, _F4 = dtypes.HALF, dtypes.float32.numpy


def _linear_name(node):
    """PyTorch has no node for ``linear``: it prints what it is made of."""
    has_bias = len(node.edges) > 2 and node.edges[2] is not None
    if len(node.shape) == 2:
        return "AddmmBackward0" if has_bias else "MmBackward0"
    if len(node.shape) == 1:
        return "ViewBackward0" if has_bias else "SqueezeBackward4"
    return "ViewBackward0" if has_bias else "UnsafeViewBackward0"


def rows_of(x):
    """The last dimension's rows as a matrix."""
    return x.reshape(math.prod(x.shape[:-1]), x.shape[-1])


def _rounded_once(xp, forward, *arrays):
    """Arrays of half precision: computed in float32, the result rounded once."""
    wide = [None if a is None else astype(a, _F4) for a in arrays]
    return astype(forward(xp, *wide), arrays[0].dtype)


class Linear(Op):
    """linear(input, weight, bias=None) -> Tensor

    ``y = x Aᵀ + b`` over the last dimension of ``input`` (..., in), with ``weight`` (out, in) and
    ``bias`` (out).

    >>> torch.nn.functional.linear(torch.ones(1, 2), torch.eye(2), torch.tensor([0.0, 1.0]))
    tensor([[1., 2.]])
    """

    tensors = ("input", "weight", "bias")
    optional = ("bias",)
    promote = "keep"
    half = "native"
    public = ("nn.functional",)
    grad_name = _linear_name
    edge_order = (2, 0, 1)  # as of addmm: bias, input, weight
    outer = True

    def forward(xp, x, weight, bias):
        if x.dtype is not _F4 and x.dtype in HALF and x.dtype == weight.dtype:
            if bias is not None and bias.dtype != x.dtype:
                raise _bias_mismatch(bias, x)
            return _rounded_once(xp, Linear.forward, x, weight, bias)
        if x.ndim != 2 or weight.ndim != 2:
            return _linear_nd(xp, x, weight, bias)
        if x.dtype is not weight.dtype or x.shape[1] != weight.shape[1]:
            _refuse(x, weight, bias)
        result = x.dot(weight.T)
        return result if bias is None else _add_bias(result, bias)

    def vjp_input(g, weight):
        return LinearInput.call(g, conj(weight))

    def vjp_weight(g, input):
        return LinearWeight.call(g, conj(input))

    def vjp_bias(g):
        return g


class LinearInput(Op):
    """g A: the gradient of ``linear`` with respect to its input."""

    tensors = ("grad", "weight")
    promote = "keep"
    half = "native"
    public = ()

    def forward(xp, g, weight):
        if g.dtype is not _F4 and g.dtype in HALF:
            return _rounded_once(xp, LinearInput.forward, g, weight)
        if weight.ndim == 1:
            return g[..., None] * weight
        if g.ndim == 2:
            return xp.dot(g, weight)
        return xp.dot(rows_of(g), weight).reshape(*g.shape[:-1], weight.shape[1])

    def vjp_grad(g, weight):
        return Linear.call(g, conj(weight))

    def vjp_weight(g, grad):
        return LinearWeight.call(conj(grad), g)


class LinearWeight(Op):
    """gᵀ x: the gradient of ``linear`` with respect to its weight."""

    tensors = ("grad", "input")
    promote = "keep"
    half = "native"
    public = ()

    def forward(xp, g, x):
        if g.dtype is not _F4 and g.dtype in HALF:
            return _rounded_once(xp, LinearWeight.forward, g, x)
        if g.ndim == 2 and x.ndim == 2:
            return xp.dot(g.T, x)
        rows = rows_of(x)
        if g.ndim < x.ndim:  # a 1-d weight
            return xp.dot(g.reshape(-1), rows)
        return xp.dot(rows_of(g).T, rows)

    def vjp_grad(g, input):
        return Linear.call(conj(input), g)

    def vjp_input(g, grad):
        return LinearInput.call(conj(grad), g)


def _linear_nd(xp, x, weight, bias):
    """Inputs that are not matrices, as the matrix of their last dimension."""
    if weight.ndim > 2:
        raise RuntimeError(f"t() expects a tensor with <= 2 dimensions, but self is {weight.ndim}D")
    if x.ndim == 0:
        raise RuntimeError(
            "both arguments to linear need to be at least 1D, but they are 0D and 2D"
        )
    if x.dtype != weight.dtype or x.shape[-1] != weight.shape[-1]:
        _refuse(x, weight, bias)
    if weight.ndim == 1:
        if bias is not None and x.ndim > 1:
            raise RuntimeError("mat2 must be a matrix, got 1-D tensor")
        result = xp.dot(x, weight)
    else:
        shape = (*x.shape[:-1], weight.shape[0])
        result = xp.dot(rows_of(x), weight.T).reshape(shape)
    return result if bias is None else _add_bias(result, bias)


def _add_bias(result, bias):
    """``bias`` added to every row, in place."""
    if bias.dtype != result.dtype:
        raise _bias_mismatch(bias, result)
    try:
        if result.ndim == 0:
            return result + bias
        result += bias
    except ValueError:
        raise RuntimeError(
            f"The expanded size of the tensor ({result.shape[-1]}) must match the existing size "
            f"({bias.shape[-1]}) "
            f"at non-singleton dimension 1.  Target sizes: {list(result.shape)}.  Tensor sizes: "
            f"{list(bias.shape)}"
        ) from None
    return result


def _bias_mismatch(bias, result):
    names = [TYPE_NAMES.get(str(a.dtype), str(a.dtype)) for a in (bias, result)]
    return RuntimeError(
        f"self and mat2 must have the same dtype, but got {names[0]} and {names[1]}"
    )


TYPE_NAMES = {
    "float32": "Float", "float64": "Double", "int64": "Long", "int32": "Int", "int16": "Short",
    "int8": "Char", "uint8": "Byte", "bool": "Bool", "complex64": "ComplexFloat",
    "complex128": "ComplexDouble", "bfloat16": "BFloat16", "float16": "Half",
}  # fmt: skip


def _refuse(x, weight, bias):
    """The error for dtypes or sizes that do not agree; returns if the dtypes are equal after
    all."""
    if x.dtype != weight.dtype:
        if bias is None:
            same_dtype(x, weight)
        names = [TYPE_NAMES.get(str(a.dtype), str(a.dtype)) for a in (x, weight)]
        raise RuntimeError(
            f"mat1 and mat2 must have the same dtype, but got {names[0]} and {names[1]}"
        )
    if x.shape[-1] != weight.shape[-1]:
        if weight.ndim == 1:
            raise RuntimeError(
                f"size mismatch, got input ({x[..., 0].size}), mat "
                f"({x[..., 0].size}x{x.shape[-1]}), "
                f"vec ({weight.shape[0]})"
            )
        rows = x[..., 0].size
        raise RuntimeError(
            f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
            f"{weight.shape[1]}x{weight.shape[0]})"
        )


@public("torch", "nn.functional", out=False)
def bilinear(input1, input2, weight, bias=None):
    """bilinear(input1, input2, weight, bias=None) -> Tensor

    ``y_k = x₁ᵀ A_k x₂ + b_k``, with ``input1`` (..., in1), ``input2`` (..., in2) and ``weight``
    (out, in1, in2).

    >>> torch.nn.functional.bilinear(torch.ones(1, 2), torch.ones(1, 2), torch.ones(1, 2, 2))
    tensor([[4.]])
    """
    _check_bilinear(input1, input2, weight, bias)
    outputs, left, right = weight.shape
    lead = input1.shape[:-1]
    mixed = input1.reshape(-1, left).matmul(weight.permute(1, 0, 2).reshape(left, outputs * right))
    mixed = mixed.reshape(-1, outputs, right)  # (rows, out, in2)
    result = mixed.matmul(input2.reshape(-1, right, 1)).reshape(*lead, outputs)
    return result if bias is None else result + bias


def _check_bilinear(input1, input2, weight, bias):
    """Refuse sizes that do not fit, in PyTorch's words."""
    if input1.dim() != input2.dim():
        raise RuntimeError(
            f"bilinear(): input dimensions do not match: got {input1.dim()} and {input2.dim()}"
        )
    for i in range(input1.dim() - 1):
        if input1.shape[i] != input2.shape[i]:
            raise RuntimeError(
                f"bilinear(): input batch dimensions do not match at dim {i}: got "
                f"{input1.shape[i]} and "
                f"{input2.shape[i]}"
            )
    for name, x, size in (("input1", input1, weight.shape[1]), ("input2", input2, weight.shape[2])):
        if x.shape[-1] != size:
            raise RuntimeError(
                f"bilinear(): {name} size does not match weight size: got {x.shape[-1]} but "
                f"expected {size}"
            )
    if bias is not None and bias.shape[0] != weight.shape[0]:
        raise RuntimeError(
            f"bilinear(): bias size does not match weight size: got {bias.shape[0]} but expected "
            f"{weight.shape[0]}"
        )
