"""Absolute values, signs, and the larger or smaller of two."""

from typing import Any

from rushlight._core.inplace import derive
from rushlight._core.op import Binary, Meta, Unary, public, ufunc
from rushlight._ops.domain import numbered, serves, zeros
from rushlight._ops.slopes import LargerBackward, SmallerBackward

# ---- absolute values and signs -------------------------------------------------------------------


class Abs(Unary):
    """abs(input, *, out=None) -> Tensor

    The absolute value; that of a complex tensor is real.

    >>> torch.abs(torch.tensor([-1.0, 2.0]))
    tensor([1., 2.])
    """

    forward = ufunc("absolute")
    operator = "abs"
    aliases = ("absolute",)
    domain = serves("ihfc", "abs_cpu")

    def vjp(g, input):
        return g * input.sgn() if input.dtype.is_complex else AbsBackward.call(g, input)


class AbsBackward(Binary):
    """g sign(x), for real tensors."""

    tensors = ("grad", "input")
    public = ()

    def forward(xp, g, x):
        sign = (x > 0).astype(g.dtype)
        sign -= x < 0
        sign *= g
        return sign

    def vjp_grad(g, input):
        return AbsBackward.call(g, input)

    def vjp_input(g: Any, input: Meta):
        return g.new_zeros(input.shape)


_abs_ = derive(Abs)


@public("Tensor", out=False, aliases=("absolute_",))
def abs_(input):
    """abs_() -> Tensor

    In-place form of :func:`torch.abs`; complex tensors raise RuntimeError.
    """
    if input.dtype.is_complex:
        raise RuntimeError("In-place abs is not supported for complex tensors.")
    return _abs_(input)


class Sign(Unary):
    """sign(input, *, out=None) -> Tensor

    -1, 0 or 1 by the sign of each element. Complex tensors raise an error: see :func:`torch.sgn`.

    >>> torch.sign(torch.tensor([-2.0, 0.0, 3.0]))
    tensor([-1.,  0.,  1.])
    """

    half = "native"
    domain = serves(
        "bihf",
        "sign_cpu",
        c=NotImplementedError(
            "Unlike NumPy, torch.sign is not intended to support complex numbers. Please use "
            "torch.sgn instead."
        ),
    )

    def forward(xp, x):
        if x.dtype.kind == "b":
            return x.copy()
        if x.dtype.kind == "f" and x.ndim:
            result = xp.sign(x)
            xp.putmask(result, x != x, 0)  # NumPy's sign of NaN is NaN
            return result
        return (x > 0).astype(x.dtype) - (x < 0).astype(x.dtype)

    def vjp(g):
        return zeros(g)


class Sgn(Unary):
    """sgn(input, *, out=None) -> Tensor

    The sign of each element; ``z / |z|`` for complex ``z``, 0 for 0.

    >>> torch.sgn(torch.tensor([3 + 4j, 0j]))
    tensor([0.6000+0.8000j, 0.0000+0.0000j])
    """

    half = "native"
    domain = serves("bihfc", "sign_cpu")

    def forward(xp, x):
        if x.dtype.kind != "c":
            return Sign.forward(xp, x)
        size = xp.abs(x)
        return xp.where(size == 0, x.dtype.type(0), x / size)

    def vjp(g, input, result):
        if not input.dtype.is_complex:
            return zeros(g)
        # only the part of g across the direction of z moves z / |z|
        across = g - (g * result.conj()).real * result
        return (across / input.abs()).masked_fill(input == 0, 0)


class Copysign(Binary):
    """copysign(input, other, *, out=None) -> Tensor

    The size of ``input`` with the sign of ``other``, that of zeros included.

    >>> torch.copysign(torch.tensor([1.0, -2.0]), -1)
    tensor([-1., -2.])
    """

    forward = ufunc("copysign")
    promote = "float"
    half = "float32"
    grad_name = numbered("Copysign", 1)
    numbers = ("other",)
    domain = serves("hf", "copysign_cpu")

    def vjp_input(g, input, result):
        return g * (result / input).masked_fill(input == 0, 0)

    def vjp_other(g):
        return zeros(g)


# ---- extrema -------------------------------------------------------------------------------------


class Maximum(Binary):
    """maximum(input, other, *, out=None) -> Tensor

    The larger of each pair; NaN if either is. Equal elements share the gradient evenly.

    >>> torch.maximum(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 4.0]))
    tensor([3., 5.])
    """

    forward = ufunc("maximum")
    numbers = False
    inplace = False
    domain = serves(
        "bihf", "maximum_cpu", c=RuntimeError("maximum not implemented for complex tensors.")
    )

    def vjp_input(g, input, other):
        return LargerBackward.call(g, input, other)

    def vjp_other(g, input, other):
        return LargerBackward.call(g, other, input)


class Minimum(Binary):
    """minimum(input, other, *, out=None) -> Tensor

    The smaller of each pair; NaN if either is. Equal elements share the gradient evenly.

    >>> torch.minimum(torch.tensor([1.0, 5.0]), torch.tensor([3.0, 4.0]))
    tensor([1., 4.])
    """

    forward = ufunc("minimum")
    numbers = False
    inplace = False
    domain = serves(
        "bihf", "minimum_cpu", c=RuntimeError("minimum not implemented for complex tensors.")
    )

    def vjp_input(g, input, other):
        return SmallerBackward.call(g, input, other)

    def vjp_other(g, input, other):
        return SmallerBackward.call(g, other, input)


class Fmax(Binary):
    """fmax(input, other, *, out=None) -> Tensor

    The larger of each pair; where one is NaN, the other.

    >>> torch.fmax(torch.tensor([1.0, float("nan")]), torch.tensor([3.0, 4.0]))
    tensor([3., 4.])
    """

    forward = ufunc("fmax")
    numbers = False
    inplace = False
    domain = serves(
        "bihf", "maximum_cpu", c=RuntimeError("fmax not implemented for complex tensors.")
    )

    def vjp_input(g, input, other):
        return g.masked_fill(((input >= other) | other.isnan()).logical_not(), 0)

    def vjp_other(g, input, other):
        return g.masked_fill((input >= other) | other.isnan(), 0)


class Fmin(Binary):
    """fmin(input, other, *, out=None) -> Tensor

    The smaller of each pair; where one is NaN, the other.

    >>> torch.fmin(torch.tensor([1.0, float("nan")]), torch.tensor([3.0, 4.0]))
    tensor([1., 4.])
    """

    forward = ufunc("fmin")
    numbers = False
    inplace = False
    domain = serves(
        "bihf", "minimum_cpu", c=RuntimeError("fmin not implemented for complex tensors.")
    )

    def vjp_input(g, input, other):
        return g.masked_fill(((input <= other) | other.isnan()).logical_not(), 0)

    def vjp_other(g, input, other):
        return g.masked_fill((input <= other) | other.isnan(), 0)
