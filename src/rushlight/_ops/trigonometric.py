"""Circular and hyperbolic functions and their inverses, angles, sinc, hypot."""

import math

from rushlight._core.op import Binary, Unary, conj, ufunc
from rushlight._ops.domain import also, serves

# ---- circular ------------------------------------------------------------------------------------


class Sin(Unary):
    """sin(input, *, out=None) -> Tensor

    The sine of each element.

    >>> torch.sin(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8415])
    """

    forward = ufunc("sin")
    promote = "float"

    def vjp(g, input):
        return g * conj(input.cos())


class Cos(Unary):
    """cos(input, *, out=None) -> Tensor

    The cosine of each element.

    >>> torch.cos(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 0.5403])
    """

    forward = ufunc("cos")
    promote = "float"

    def vjp(g, input):
        return -g * conj(input.sin())


class Tan(Unary):
    """tan(input, *, out=None) -> Tensor

    The tangent of each element.

    >>> torch.tan(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5574])
    """

    forward = ufunc("tan")
    promote = "float"

    def vjp(g, result):
        return g * conj(1 + result * result)


class Asin(Unary):
    """asin(input, *, out=None) -> Tensor

    The arcsine of each element, in [-pi/2, pi/2]; NaN outside [-1, 1].

    >>> torch.asin(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.5708])
    """

    forward = ufunc("arcsin")
    promote = "float"
    aliases = ("arcsin",)

    def vjp(g, input):
        return g * conj((1 - input * input).rsqrt())


class Acos(Unary):
    """acos(input, *, out=None) -> Tensor

    The arccosine of each element, in [0, pi]; NaN outside [-1, 1].

    >>> torch.acos(torch.tensor([1.0, 0.0]))
    tensor([0.0000, 1.5708])
    """

    forward = ufunc("arccos")
    promote = "float"
    aliases = ("arccos",)

    def vjp(g, input):
        return -g * conj((1 - input * input).rsqrt())


class Atan(Unary):
    """atan(input, *, out=None) -> Tensor

    The arctangent of each element, in [-pi/2, pi/2].

    >>> torch.atan(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7854])
    """

    forward = ufunc("arctan")
    promote = "float"
    aliases = ("arctan",)

    def vjp(g, input):
        return g / conj(input * input + 1)


class Atan2(Binary):
    """atan2(input, other, *, out=None) -> Tensor

    The angle of the point (other, input), in [-pi, pi].

    >>> torch.atan2(torch.tensor([1.0]), torch.tensor([-1.0]))
    tensor([2.3562])
    """

    forward = ufunc("arctan2")
    promote = "float"
    half = "float32"
    numbers = False
    aliases = ("arctan2",)
    domain = serves("hf", "atan2_cpu")

    def vjp(g, input, other, need):
        scale = g / (input * input + other * other)
        # at the origin, where the angle has no derivative, PyTorch gives 0
        scale = scale.masked_fill((input == 0) & (other == 0), 0)
        return scale * other if need[0] else None, -scale * input if need[1] else None


class Sinc(Unary):
    """sinc(input, *, out=None) -> Tensor

    ``sin(pi x) / (pi x)``, 1 at 0.

    >>> torch.sinc(torch.tensor([0.0, 0.5]))
    tensor([1.0000, 0.6366])
    """

    promote = "float"

    def forward(xp, x):
        angle = xp.where(x == 0, 1, x) * x.dtype.type(math.pi)
        return xp.where(x == 0, x.dtype.type(1), xp.sin(angle) / angle)

    def vjp(g, input):
        angle = input * math.pi
        square = angle * input
        slope = (angle * angle.cos() - angle.sin()) / square
        return g * conj(slope.masked_fill(square == 0, 0))


# ---- hyperbolic ----------------------------------------------------------------------------------


class Sinh(Unary):
    """sinh(input, *, out=None) -> Tensor

    The hyperbolic sine of each element.

    >>> torch.sinh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.1752])
    """

    forward = ufunc("sinh")
    promote = "float"

    def vjp(g, input):
        return g * conj(input.cosh())


class Cosh(Unary):
    """cosh(input, *, out=None) -> Tensor

    The hyperbolic cosine of each element.

    >>> torch.cosh(torch.tensor([0.0, 1.0]))
    tensor([1.0000, 1.5431])
    """

    forward = ufunc("cosh")
    promote = "float"

    def vjp(g, input):
        return g * conj(input.sinh())


class Tanh(Unary):
    """tanh(input, *, out=None) -> Tensor

    The hyperbolic tangent of each element.

    >>> torch.tanh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """

    forward = ufunc("tanh")
    promote = "float"

    def vjp(g, result):
        return TanhBackward.call(g, conj(result))


class TanhBackward(Binary):
    """g (1 - y y), with y the hyperbolic tangent."""

    tensors = ("grad", "result")
    public = ()

    def forward(xp, g, y):
        return g * (1 - y * y)

    def vjp_grad(g, result):
        return TanhBackward.call(g, conj(result))

    def vjp_result(g, grad, result):
        return g * conj(-2 * grad * result)


class Asinh(Unary):
    """asinh(input, *, out=None) -> Tensor

    The inverse hyperbolic sine of each element.

    >>> torch.asinh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8814])
    """

    forward = ufunc("arcsinh")
    promote = "float"
    aliases = ("arcsinh",)

    def vjp(g, input):
        return g * conj((input * input + 1).rsqrt())


class Acosh(Unary):
    """acosh(input, *, out=None) -> Tensor

    The inverse hyperbolic cosine of each element; NaN below 1.

    >>> torch.acosh(torch.tensor([1.0, 2.0]))
    tensor([0.0000, 1.3170])
    """

    forward = ufunc("arccosh")
    promote = "float"
    aliases = ("arccosh",)

    def vjp(g, input):
        if input.dtype.is_complex:
            return g * conj((input - 1).rsqrt() * (input + 1).rsqrt())
        return g * (input * input - 1).rsqrt()


class Atanh(Unary):
    """atanh(input, *, out=None) -> Tensor

    The inverse hyperbolic tangent of each element; NaN outside [-1, 1].

    >>> torch.atanh(torch.tensor([0.0, 0.5]))
    tensor([0.0000, 0.5493])
    """

    forward = ufunc("arctanh")
    promote = "float"
    aliases = ("arctanh",)

    def vjp(g, input):
        return g / conj(1 - input * input)


# ---- triangles and angles ------------------------------------------------------------------------


class Hypot(Binary):
    """hypot(input, other, *, out=None) -> Tensor

    ``sqrt(input**2 + other**2)``, without overflow.

    >>> torch.hypot(torch.tensor([3.0]), torch.tensor([4.0]))
    tensor([5.])
    """

    forward = ufunc("hypot")
    half = "float32"
    numbers = False
    domain = serves("hf", "hypot_cpu")

    def vjp_input(g, input, result):
        return g * (input / result)

    def vjp_other(g, other, result):
        return g * (other / result)


class Deg2rad(Unary):
    """deg2rad(input, *, out=None) -> Tensor

    Degrees to radians.

    >>> torch.deg2rad(torch.tensor([180.0]))
    tensor([3.1416])
    """

    promote = "float"
    grad_name = "Deg2RadBackward0"
    domain = serves(
        "hf", "deg2rad", c=RuntimeError("deg2rad is not supported for complex tensors.")
    )

    def forward(xp, x):
        return x * x.dtype.type(math.pi / 180)

    def vjp(g):
        return g * (math.pi / 180)


class Rad2deg(Unary):
    """rad2deg(input, *, out=None) -> Tensor

    Radians to degrees.

    >>> torch.rad2deg(torch.tensor([3.1415927410125732]))
    tensor([180.])
    """

    promote = "float"
    grad_name = "Rad2DegBackward0"
    domain = serves(
        "hf", "rad2deg", c=RuntimeError("rad2deg is not supported for complex tensors.")
    )

    def forward(xp, x):
        return x * x.dtype.type(180 / math.pi)

    def vjp(g):
        return g * (180 / math.pi)


also("special", sinc=Sinc)
