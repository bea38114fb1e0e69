"""Integers: and, or, xor, not, shifts, common divisors and multiples."""

from rushlight._core.op import Binary, Unary, ufunc
from rushlight._ops.domain import also, kind, serves


class BitwiseAnd(Binary):
    """bitwise_and(input, other, *, out=None) -> Tensor

    The bits set in both; of bools, logical and.

    >>> torch.bitwise_and(torch.tensor([6, 3]), 2)
    tensor([2, 2])
    """

    forward = ufunc("bitwise_and")
    operator = "and"
    differentiable = False  # integers have no gradient
    domain = serves("biu", "bitwise_and_cpu")


class BitwiseOr(Binary):
    """bitwise_or(input, other, *, out=None) -> Tensor

    The bits set in either; of bools, logical or.

    >>> torch.bitwise_or(torch.tensor([4, 1]), 2)
    tensor([6, 3])
    """

    forward = ufunc("bitwise_or")
    operator = "or"
    differentiable = False  # integers have no gradient
    domain = serves("biu", "bitwise_or_cpu")


class BitwiseXor(Binary):
    """bitwise_xor(input, other, *, out=None) -> Tensor

    The bits set in exactly one.

    >>> torch.bitwise_xor(torch.tensor([6, 1]), 2)
    tensor([4, 3])
    """

    forward = ufunc("bitwise_xor")
    operator = "xor"
    differentiable = False  # integers have no gradient
    domain = serves("biu", "bitwise_xor_cpu")


class BitwiseNot(Unary):
    """bitwise_not(input, *, out=None) -> Tensor

    Every bit turned over; of bools, logical not.

    >>> torch.bitwise_not(torch.tensor([0, 5]))
    tensor([-1, -6])
    """

    forward = ufunc("invert")
    differentiable = False  # integers have no gradient
    domain = serves("bi", "bitwise_not_cpu")


def invert(input):
    """~input: :func:`torch.bitwise_not` of integers and bools; TypeError for others."""
    if kind(input.dtype) in "hfc":
        raise TypeError(
            "~ (operator.invert) is only implemented on integer and Boolean-type tensors"
        )
    return BitwiseNot.call(input)


also("Tensor", __invert__=invert)


class BitwiseLeftShift(Binary):
    """bitwise_left_shift(input, other, *, out=None) -> Tensor

    ``input * 2**other`` by shifting bits; 0 if all are shifted out.

    >>> torch.bitwise_left_shift(torch.tensor([1, 3]), 2)
    tensor([ 4, 12])
    """

    forward = ufunc("left_shift")
    operator = "lshift"
    differentiable = False  # integers have no gradient
    domain = serves("i", "lshift_cpu")


class BitwiseRightShift(Binary):
    """bitwise_right_shift(input, other, *, out=None) -> Tensor

    ``input // 2**other`` by shifting bits; the sign stays.

    >>> torch.bitwise_right_shift(torch.tensor([-8, 12]), 2)
    tensor([-2,  3])
    """

    forward = ufunc("right_shift")
    operator = "rshift"
    differentiable = False  # integers have no gradient
    domain = serves("i", "rshift_cpu")


class Gcd(Binary):
    """gcd(input, other, *, out=None) -> Tensor

    The greatest common divisor of integers.

    >>> torch.gcd(torch.tensor([4, 6]), torch.tensor([6, 9]))
    tensor([2, 3])
    """

    forward = ufunc("gcd")
    numbers = False
    differentiable = False  # integers have no gradient
    domain = serves("i", "gcd_cpu")


class Lcm(Binary):
    """lcm(input, other, *, out=None) -> Tensor

    The least common multiple of integers.

    >>> torch.lcm(torch.tensor([4, 6]), torch.tensor([6, 9]))
    tensor([12, 18])
    """

    forward = ufunc("lcm")
    numbers = False
    differentiable = False  # integers have no gradient
    domain = serves("i", "lcm_cpu")
