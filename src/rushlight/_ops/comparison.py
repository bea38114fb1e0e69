"""Comparisons, tests of single elements, logic, heaviside, isclose."""

from rushlight._core import dtypes
from rushlight._core.op import Binary, Op, Unary, public, ufunc
from rushlight._core.tensor import Tensor
from rushlight._ops.domain import no_derivative, serves, zeros

# ---- comparisons ---------------------------------------------------------------------------------


class Eq(Binary):
    """eq(input, other, *, out=None) -> Tensor

    ``input == other``, element by element: a bool tensor.

    >>> torch.eq(torch.tensor([1, 2]), torch.tensor([1, 3]))
    tensor([ True, False])
    """

    forward = ufunc("equal")
    operator = "eq"
    numbers = ("other",)
    differentiable = False  # truth values have no gradient


class Ne(Binary):
    """ne(input, other, *, out=None) -> Tensor

    ``input != other``, element by element: a bool tensor.

    >>> torch.ne(torch.tensor([1, 2]), torch.tensor([1, 3]))
    tensor([False,  True])
    """

    forward = ufunc("not_equal")
    operator = "ne"
    numbers = ("other",)
    aliases = ("not_equal",)
    differentiable = False  # truth values have no gradient


class Lt(Binary):
    """lt(input, other, *, out=None) -> Tensor

    ``input < other``, element by element: a bool tensor.

    >>> torch.lt(torch.tensor([1, 2]), 2)
    tensor([ True, False])
    """

    forward = ufunc("less")
    operator = "lt"
    numbers = ("other",)
    aliases = ("less",)
    differentiable = False  # truth values have no gradient
    domain = serves("biuhf", "lt_cpu")


class Le(Binary):
    """le(input, other, *, out=None) -> Tensor

    ``input <= other``, element by element: a bool tensor.

    >>> torch.le(torch.tensor([2, 3]), 2)
    tensor([ True, False])
    """

    forward = ufunc("less_equal")
    operator = "le"
    numbers = ("other",)
    aliases = ("less_equal",)
    differentiable = False  # truth values have no gradient
    domain = serves("biuhf", "le_cpu")


class Gt(Binary):
    """gt(input, other, *, out=None) -> Tensor

    ``input > other``, element by element: a bool tensor.

    >>> torch.gt(torch.tensor([2, 3]), 2)
    tensor([False,  True])
    """

    forward = ufunc("greater")
    operator = "gt"
    numbers = ("other",)
    aliases = ("greater",)
    differentiable = False  # truth values have no gradient
    domain = serves("biuhf", "gt_cpu")


class Ge(Binary):
    """ge(input, other, *, out=None) -> Tensor

    ``input >= other``, element by element: a bool tensor.

    >>> torch.ge(torch.tensor([1, 2]), 2)
    tensor([False,  True])
    """

    forward = ufunc("greater_equal")
    operator = "ge"
    numbers = ("other",)
    aliases = ("greater_equal",)
    differentiable = False  # truth values have no gradient
    domain = serves("biuhf", "ge_cpu")


@public("torch", "Tensor", out=False)
def equal(input, other):
    """equal(input, other) -> bool

    Whether two tensors have the same shape and elements.

    >>> torch.equal(torch.tensor([1, 2]), torch.tensor([1, 2]))
    True
    """
    if not isinstance(other, Tensor):
        raise TypeError(
            f"equal(): argument 'other' (position 2) must be Tensor, not {type(other).__name__}"
        )
    if input.is_meta or other.is_meta:
        raise NotImplementedError("equal: meta tensors have no values to compare")
    return input.shape == other.shape and bool(Eq.call(input, other).all())


class Isclose(Op):
    """isclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> Tensor

    Whether ``|input - other| <= atol + rtol * |other|``, or both are equal: a bool tensor.
    RuntimeError if the dtypes differ.

    >>> torch.isclose(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 2.1]))
    tensor([ True, False])
    """

    tensors = ("input", "other")
    numbers = False
    differentiable = False  # truth values have no gradient

    def domain(common, given):
        if given[0] is not given[-1]:
            first, second = map(dtypes.scalar_name, (given[0], given[-1]))
            raise RuntimeError(f"{first} did not match {second}")

    def forward(xp, x, y, rtol=1e-05, atol=1e-08, equal_nan=False):
        for name, value in (("rtol", rtol), ("atol", atol)):
            if value < 0:
                raise RuntimeError(
                    f"{name} must be greater than or equal to zero, but got {value:g}"
                )
        close = x == y
        if equal_nan and x.dtype.kind in "fc":
            close = close | (xp.isnan(x) & xp.isnan(y))
        if rtol == 0 and atol == 0:
            return close
        if x.dtype.kind in "biu":
            x, y = x.astype(xp.float64), y.astype(xp.float64)
        gap, allowed = xp.abs(x - y), atol + rtol * xp.abs(y)
        return close | (xp.isfinite(gap) & (gap <= allowed))


@public("torch", "Tensor", out=False)
def allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False):
    """allclose(input, other, rtol=1e-05, atol=1e-08, equal_nan=False) -> bool

    Whether all elements are close, in the sense of :func:`torch.isclose`.

    >>> torch.allclose(torch.tensor([1.0]), torch.tensor([1.0 + 1e-7]))
    True
    """
    return bool(Isclose.call(input, other, rtol, atol, equal_nan).all())


# ---- tests of single elements --------------------------------------------------------------------


class Isnan(Unary):
    """isnan(input) -> Tensor

    Which elements are NaN; of a complex number, either part.

    >>> torch.isnan(torch.tensor([1.0, float("nan")]))
    tensor([False,  True])
    """

    forward = ufunc("isnan")
    inplace = False
    differentiable = False  # truth values have no gradient


class Isinf(Unary):
    """isinf(input) -> Tensor

    Which elements are infinite; of a complex number, either part.

    >>> torch.isinf(torch.tensor([1.0, float("inf")]))
    tensor([False,  True])
    """

    forward = ufunc("isinf")
    inplace = False
    differentiable = False  # truth values have no gradient


class Isfinite(Unary):
    """isfinite(input) -> Tensor

    Which elements are neither infinite nor NaN.

    >>> torch.isfinite(torch.tensor([1.0, float("inf")]))
    tensor([ True, False])
    """

    forward = ufunc("isfinite")
    inplace = False
    differentiable = False  # truth values have no gradient


class Isposinf(Unary):
    """isposinf(input, *, out=None) -> Tensor

    Which elements are positive infinity; complex tensors raise RuntimeError.

    >>> torch.isposinf(torch.tensor([-float("inf"), float("inf")]))
    tensor([False,  True])
    """

    inplace = False
    differentiable = False  # truth values have no gradient
    domain = serves(
        "biuhf", "isposinf", c=RuntimeError("isposinf does not support complex inputs.")
    )

    def forward(xp, x):
        return x == xp.inf


class Isneginf(Unary):
    """isneginf(input, *, out=None) -> Tensor

    Which elements are negative infinity; complex tensors raise RuntimeError.

    >>> torch.isneginf(torch.tensor([-float("inf"), float("inf")]))
    tensor([ True, False])
    """

    inplace = False
    differentiable = False  # truth values have no gradient
    domain = serves(
        "biuhf", "isneginf", c=RuntimeError("isneginf does not support complex inputs.")
    )

    def forward(xp, x):
        return x == -xp.inf


class Isreal(Unary):
    """isreal(input) -> Tensor

    Which elements have no imaginary part.

    >>> torch.isreal(torch.tensor([1, 1 + 1j]))
    tensor([ True, False])
    """

    half = "native"
    inplace = False
    differentiable = False  # truth values have no gradient

    def forward(xp, x):
        return xp.imag(x) == 0 if x.dtype.kind == "c" else xp.ones(x.shape, bool)


class Signbit(Unary):
    """signbit(input, *, out=None) -> Tensor

    Which elements have their sign bit set, -0.0 included; complex tensors raise an error.

    >>> torch.signbit(torch.tensor([-1.0, -0.0, 0.0]))
    tensor([ True,  True, False])
    """

    inplace = False
    differentiable = False  # truth values have no gradient
    domain = serves(
        "biuhf",
        "signbit_cpu",
        c=NotImplementedError("signbit is not implemented for complex tensors."),
    )

    def forward(xp, x):
        return xp.signbit(x) if x.dtype.kind == "f" else x < 0


# ---- logic ---------------------------------------------------------------------------------------


class LogicalAnd(Binary):
    """logical_and(input, other, *, out=None) -> Tensor

    Whether both elements are non-zero: a bool tensor.

    >>> torch.logical_and(torch.tensor([True, False]), torch.tensor([True, True]))
    tensor([ True, False])
    """

    forward = ufunc("logical_and")
    numbers = False
    differentiable = False  # truth values have no gradient


class LogicalOr(Binary):
    """logical_or(input, other, *, out=None) -> Tensor

    Whether either element is non-zero: a bool tensor.

    >>> torch.logical_or(torch.tensor([True, False]), torch.tensor([False, False]))
    tensor([ True, False])
    """

    forward = ufunc("logical_or")
    numbers = False
    differentiable = False  # truth values have no gradient


class LogicalXor(Binary):
    """logical_xor(input, other, *, out=None) -> Tensor

    Whether exactly one element is non-zero: a bool tensor.

    >>> torch.logical_xor(torch.tensor([True, False]), torch.tensor([True, True]))
    tensor([False,  True])
    """

    forward = ufunc("logical_xor")
    numbers = False
    differentiable = False  # truth values have no gradient


class LogicalNot(Unary):
    """logical_not(input, *, out=None) -> Tensor

    Whether each element is zero: a bool tensor.

    >>> torch.logical_not(torch.tensor([True, False]))
    tensor([False,  True])
    """

    forward = ufunc("logical_not")
    differentiable = False  # truth values have no gradient


class Heaviside(Op):
    """heaviside(input, values, *, out=None) -> Tensor

    0 below zero, 1 above, and ``values`` at it. RuntimeError if the dtypes differ.

    >>> torch.heaviside(torch.tensor([-1.0, 0.0, 2.0]), torch.tensor([0.5]))
    tensor([0.0000, 0.5000, 1.0000])
    """

    tensors = ("input", "values")
    numbers = False
    inplace = True
    half = "native"
    grad_name = "torch::autograd::NotImplemented"

    def domain(common, given):
        text = "heaviside is not yet implemented for {}."
        if any(d.is_complex for d in given):
            raise RuntimeError(text.format("complex tensors"))
        if given[0] is not given[-1]:
            raise RuntimeError(text.format("tensors with different dtypes"))

    def forward(xp, x, values):
        return xp.where(x == 0, values, (x > 0).astype(x.dtype))

    vjp_input = vjp_values = no_derivative("heaviside")


class Nextafter(Binary):
    """nextafter(input, other, *, out=None) -> Tensor

    The next floating-point number after ``input`` on the way to ``other``.

    >>> torch.nextafter(torch.tensor([1.0]), torch.tensor([2.0])) > 1
    tensor([True])
    """

    forward = ufunc("nextafter")
    numbers = False
    domain = serves("hf", "nextafter_cpu")

    def vjp_input(g, input, other):
        return g.masked_fill(input == other, 0)

    def vjp_other(g):
        return zeros(g)
