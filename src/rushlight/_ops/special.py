"""Products with logarithms: entr, xlogy, xlog1py.

The other special functions have files of their own.
"""

import math

from rushlight._core.op import Binary, Unary
from rushlight._ops.domain import is_number, serves
from rushlight._ops.special_series import EVERYWHERE, SPECIAL


class Entr(Unary):
    """entr(input, *, out=None) -> Tensor

    ``-x log(x)``; 0 at 0, -inf below.

    >>> torch.special.entr(torch.tensor([-0.5, 0.0, 0.5]))
    tensor([  -inf, 0.0000, 0.3466])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = "SpecialEntrBackward0"
    domain = serves("hf", "entr_cpu")

    def forward(xp, x):
        zero = x == 0
        inside = xp.where(zero, x.dtype.type(0), -x * xp.log(xp.where(zero, 1, x)))
        return xp.where(x < 0, x.dtype.type(-math.inf), inside)

    def vjp(g, input):
        return g * -(1 + input.log())


def _xlogy_name(name):
    """0 for two tensors, 1 for a number first, 2 for a number second."""

    def grad_name(node):
        for place, suffix in ((0, 1), (1, 2)):
            if (
                node.edges[place] is None
                and node.saved[place] is not None
                and len(node.saved[place]) == 1
            ):
                return f"{name}Backward{suffix}"
        return f"{name}Backward0"

    return grad_name


class Xlogy(Binary):
    """xlogy(input, other, *, out=None) -> Tensor

    ``input * log(other)``, 0 where ``input`` is 0 and ``other`` is not NaN.

    >>> torch.xlogy(torch.tensor([0.0, 1.0]), torch.tensor([0.0, 2.0]))
    tensor([0.0000, 0.6931])
    """

    promote = "float"
    public = EVERYWHERE
    grad_name = _xlogy_name("Xlogy")
    domain = serves("hf", "xlogy_cpu")

    def forward(xp, x, y):
        y = y if hasattr(y, "dtype") else x.dtype.type(y)
        product = x * xp.log(y)
        return xp.where((x == 0) & ~xp.isnan(y), product.dtype.type(0), product)

    def vjp_input(g, input, other):
        if is_number(other):
            slope = math.log(other) if other > 0 else -math.inf if other == 0 else math.nan
            return (g * slope).masked_fill(input == 0, 0) if other <= 0 else g * slope
        return g * other.log().masked_fill((input == 0) & (other <= 0), 0)

    def vjp_other(g, input, other):
        return g * input / other


class Xlog1py(Binary):
    """xlog1py(input, other, *, out=None) -> Tensor

    ``input * log(1 + other)``, 0 where ``input`` is 0 and ``other`` is not NaN.

    >>> torch.special.xlog1py(torch.tensor([0.0, 1.0]), torch.tensor([-1.0, 1.0]))
    tensor([0.0000, 0.6931])
    """

    promote = "float"
    public = SPECIAL
    inplace = False
    grad_name = _xlogy_name("SpecialXlog1Py")
    domain = serves("hf", "xlog1py_cpu")

    def forward(xp, x, y):
        y = y if hasattr(y, "dtype") else x.dtype.type(y)
        product = x * xp.log1p(y)
        return xp.where((x == 0) & ~xp.isnan(y), product.dtype.type(0), product)

    def vjp_input(g, input, other):
        if is_number(other):
            slope = math.log1p(other) if other > -1 else -math.inf if other == -1 else math.nan
            return (g * slope).masked_fill(input == 0, 0) if other <= -1 else g * slope
        return g * other.log1p().masked_fill((input == 0) & (other <= -1), 0)

    def vjp_other(g, input, other):
        return g * input / (other + 1)
