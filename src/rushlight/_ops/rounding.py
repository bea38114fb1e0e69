"""Rounding: ceil floor trunc round frac."""

from rushlight._core.inplace import derive
from rushlight._core.op import Op, Unary, public
from rushlight._ops.domain import also, serves, zeros


class Ceil(Unary):
    """ceil(input, *, out=None) -> Tensor

    The smallest integer not below each element, in the same dtype.

    >>> torch.ceil(torch.tensor([0.5, -0.5]))
    tensor([1., -0.])
    """

    domain = serves(
        "iuhf", "ceil_vml_cpu", c=NotImplementedError("ceil is not supported for complex inputs")
    )

    def forward(xp, x):
        return x.copy() if x.dtype.kind in "iu" else xp.ceil(x)

    def vjp(g):
        return zeros(g)


class Floor(Unary):
    """floor(input, *, out=None) -> Tensor

    The largest integer not above each element, in the same dtype.

    >>> torch.floor(torch.tensor([0.5, -0.5]))
    tensor([ 0., -1.])
    """

    domain = serves(
        "iuhf", "floor_vml_cpu", c=NotImplementedError("floor is not supported for complex inputs")
    )

    def forward(xp, x):
        return x.copy() if x.dtype.kind in "iu" else xp.floor(x)

    def vjp(g):
        return zeros(g)


class Trunc(Unary):
    """trunc(input, *, out=None) -> Tensor

    The integer part of each element, in the same dtype.

    >>> torch.trunc(torch.tensor([1.5, -1.5]))
    tensor([ 1., -1.])
    """

    aliases = ("fix",)
    domain = serves(
        "iuhf", "trunc_vml_cpu", c=NotImplementedError("trunc is not supported for complex inputs")
    )

    def forward(xp, x):
        return x.copy() if x.dtype.kind in "iu" else xp.trunc(x)

    def vjp(g):
        return zeros(g)


class Frac(Unary):
    """frac(input, *, out=None) -> Tensor

    ``x - trunc(x)``.

    >>> torch.frac(torch.tensor([1.5, -1.25]))
    tensor([ 0.5000, -0.2500])
    """

    domain = serves("hf", "frac_cpu")

    def forward(xp, x):
        return x - xp.trunc(x)

    def vjp(g):
        return g


class Round(Unary):
    """round(input, *, decimals=0, out=None) -> Tensor

    The nearest integer to each element, the even one of two.

    >>> torch.round(torch.tensor([0.5, 1.5, 2.6]))
    tensor([0., 2., 3.])
    """

    public = ()
    domain = serves("iuhf", "round_vml_cpu")

    def forward(xp, x):
        return x.copy() if x.dtype.kind in "iu" else xp.rint(x)

    def vjp(g):
        return zeros(g)


class RoundDecimals(Op):
    """Rounding to a number of places after the point, or before it if that is negative."""

    public = ()
    grad_name = "RoundBackward1"
    domain = serves("hf", "round_cpu")

    def forward(xp, x, decimals):
        ten = x.dtype.type(10.0 ** abs(decimals))
        return xp.rint(x * ten) / ten if decimals > 0 else xp.rint(x / ten) * ten

    def vjp(g):
        return zeros(g)


@public("torch", "Tensor", "special")
def round(input, *, decimals=0):
    """round(input, *, decimals=0, out=None) -> Tensor

    The nearest integer to each element, the even one of two; or the nearest multiple of
    ``10**-decimals``.

    >>> torch.round(torch.tensor([0.1234, 1.5]), decimals=2)
    tensor([0.1200, 1.5000])
    """
    return RoundDecimals.call(input, decimals) if decimals else Round.call(input)


_round_, _round_decimals_ = derive(Round), derive(RoundDecimals)


@public("Tensor", out=False)
def round_(input, *, decimals=0):
    """round_(*, decimals=0) -> Tensor

    In-place form of :func:`torch.round`.
    """
    return _round_decimals_(input, decimals) if decimals else _round_(input)


also("torch", round_=round_)
