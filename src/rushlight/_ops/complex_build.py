"""Complex tensors from pairs of real ones."""

from rushlight._core import dtypes
from rushlight._core.op import Op, conj
from rushlight._core.shape import common_shape


def _check(name, x, y):
    """Both parts must be of one real dtype."""
    first, second = (dtypes.BY_NUMPY[a.dtype] for a in (x, y))
    if not (first.is_floating_point and second.is_floating_point):
        raise RuntimeError(
            "Expected both inputs to be Half, Float or Double tensors but got "
            f"{dtypes.scalar_name(first)} and {dtypes.scalar_name(second)}"
        )
    if first is not second:
        raise RuntimeError(
            f"Expected object of scalar type {dtypes.scalar_name(first)} but got scalar type "
            f"{dtypes.scalar_name(second)} for second argument"
        )
    if first.to_complex().numpy is None or first.to_complex() is first:
        raise NotImplementedError(
            f"\"{name}_cpu\" not implemented for '{dtypes.scalar_name(first)}'"
        )
    return first.to_complex().numpy


class Complex(Op):
    """complex(real, imag, *, out=None) -> Tensor

    The complex tensor ``real + imag j``. Both parts are float32 or both are float64.

    >>> torch.complex(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([1.+3.j, 2.+4.j])
    """

    tensors = ("real", "imag")
    promote = "keep"
    numbers = False
    out_same = "object"
    public = ("torch",)

    def forward(xp, real, imag):
        d = _check("complex", real, imag)
        result = xp.empty(common_shape(real.shape, imag.shape), d)
        result.real, result.imag = real, imag
        return result

    def vjp_real(g):
        return g.real

    def vjp_imag(g):
        return g.imag


class Polar(Op):
    """polar(abs, angle, *, out=None) -> Tensor

    The complex tensor ``abs (cos angle + j sin angle)``.

    >>> torch.polar(torch.tensor([2.0]), torch.tensor([0.0]))
    tensor([2.+0.j])
    """

    tensors = ("abs", "angle")
    promote = "keep"
    numbers = False
    out_same = "object"
    public = ("torch",)

    def forward(xp, abs, angle):
        d = _check("polar", abs, angle)
        result = xp.empty(common_shape(abs.shape, angle.shape), d)
        result.real, result.imag = abs * xp.cos(angle), abs * xp.sin(angle)
        return result

    def vjp_abs(g, result):
        return (conj(g) * result.sgn()).real

    def vjp_angle(g, result):
        return (conj(g) * (result * 1j)).real
