"""Complex numbers: parts, angles, conjugates, and complex tensors seen as pairs of real numbers."""

import math

from rushlight._core import dtypes, gpu
from rushlight._core.op import Unary, View, public
from rushlight._ops.domain import also, zeros

# ---- parts: views that share memory --------------------------------------------------------------


class RealPart(View):
    """The real part of a complex tensor, as a view."""

    public = ()
    grad_name = "SelectBackward0"

    def forward(xp, x):
        return x.real

    def vjp(g):
        return g  # the engine makes it complex


class ImagPart(View):
    """The imaginary part of a complex tensor, as a view."""

    public = ()
    grad_name = "SelectBackward0"

    def forward(xp, x):
        return x.imag

    def vjp(g):
        return g * 1j


@public("torch", out=False)
def real(input):
    """real(input) -> Tensor

    The real part of a complex tensor, sharing its memory; a real tensor itself.

    >>> torch.real(torch.tensor([1 + 2j]))
    tensor([1.])
    """
    return RealPart.call(input) if input.dtype.is_complex else input


@public("torch", out=False)
def imag(input):
    """imag(input) -> Tensor

    The imaginary part of a complex tensor, sharing its memory. RuntimeError for a real tensor.

    >>> torch.imag(torch.tensor([1 + 2j]))
    tensor([2.])
    """
    if not input.dtype.is_complex:
        raise RuntimeError("imag is not implemented for tensors with non-complex dtypes.")
    return ImagPart.call(input)


def set_real(self, value):
    """x.real = value: copy into the real part."""
    real(self).copy_(value)


def set_imag(self, value):
    """x.imag = value: copy into the imaginary part."""
    imag(self).copy_(value)


also("Tensor", real=property(real, set_real), imag=property(imag, set_imag))


class ViewAsReal(View):
    """view_as_real(input) -> Tensor

    A complex tensor as a real one with a last dimension of size 2: real and imaginary part, in the
    same memory. RuntimeError for a real tensor.

    >>> torch.view_as_real(torch.tensor([1 + 2j]))
    tensor([[1., 2.]])
    """

    public = ("torch",)

    def forward(xp, x):
        if x.dtype.kind != "c":
            raise RuntimeError("view_as_real is only supported for complex tensors")
        part = x.real
        if x.flags.c_contiguous:
            return x.reshape(-1).view(part.dtype).reshape(*x.shape, 2)
        return gpu.strided(part, (*x.shape, 2), (*x.strides, part.itemsize))

    def vjp(g):
        return ViewAsComplex.call(g.contiguous())


class ViewAsComplex(View):
    """view_as_complex(input) -> Tensor

    A real tensor whose last dimension has size 2 as a complex one, in the same memory. RuntimeError
    for other dtypes, sizes and strides.

    >>> torch.view_as_complex(torch.tensor([[1.0, 2.0]]))
    tensor([1.+2.j])
    """

    public = ("torch",)

    def forward(xp, x):
        if x.dtype.kind != "f" or x.itemsize < 4:
            name = dtypes.scalar_name(dtypes.of_array(x))
            raise RuntimeError(
                "view_as_complex is only supported for half, float and double tensors, but got a "
                "tensor of scalar "
                f"type: {name}"
            )
        check_pairs(x)
        wide = xp.result_type(x.dtype, xp.complex64)
        return x.view(wide)[..., 0]

    def vjp(g):
        return ViewAsReal.call(g)


def check_pairs(x):
    """The last dimension holds pairs that lie next to each other in memory."""
    if x.ndim == 0:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if x.shape[-1] != 2:
        raise RuntimeError("Tensor must have a last dimension of size 2")
    if x.strides[-1] != x.itemsize:
        raise RuntimeError("Tensor must have a last dimension with stride 1")
    if any(
        s % (2 * x.itemsize) for s, n in zip(x.strides[:-1], x.shape[:-1], strict=True) if n > 1
    ):
        raise RuntimeError("Tensor must have a stride divisible by 2 for all but last dimension")


# ---- conjugates: computed at once, never kept as a flag ------------------------------------------


class Conj(Unary):
    """The complex conjugate."""

    public = ()
    inplace = False
    half = "native"

    def forward(xp, x):
        return xp.conjugate(x)

    def vjp(g):
        return g.conj()


class ConjPhysical(Conj):
    """The complex conjugate, written out."""

    inplace = True


@public("torch", "Tensor", out=False)
def conj(input):
    """conj(input) -> Tensor

    The complex conjugate; a real tensor itself.

    >>> torch.conj(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return Conj.call(input) if input.dtype.is_complex else input


@public("torch", "Tensor", inplace=True)
def conj_physical(input):
    """conj_physical(input, *, out=None) -> Tensor

    The complex conjugate; a real tensor itself.

    >>> torch.conj_physical(torch.tensor([1 + 2j]))
    tensor([1.-2.j])
    """
    return ConjPhysical.call(input) if input.dtype.is_complex else input


@public("torch", "Tensor", out=False)
def resolve_conj(input):
    """resolve_conj(input) -> Tensor

    ``input`` itself: conjugates are always computed at once.

    >>> torch.resolve_conj(torch.tensor([1 + 2j]).conj())
    tensor([1.-2.j])
    """
    return input


@public("torch", "Tensor", out=False)
def resolve_neg(input):
    """resolve_neg(input) -> Tensor

    ``input`` itself: negations are always computed at once.

    >>> torch.resolve_neg(torch.tensor([1.0]))
    tensor([1.])
    """
    return input


@public("torch", "Tensor", out=False)
def is_conj(input):
    """is_conj(input) -> bool

    Whether a conjugation is still to be computed: never.

    >>> torch.is_conj(torch.tensor([1 + 2j]).conj())
    False
    """
    return False


@public("torch", "Tensor", out=False)
def is_neg(input):
    """is_neg(input) -> bool

    Whether a negation is still to be computed: never.

    >>> torch.is_neg(torch.tensor([1.0]))
    False
    """
    return False


class Angle(Unary):
    """angle(input, *, out=None) -> Tensor

    The angle of each complex number, in [-pi, pi]; pi for negative real numbers.

    >>> torch.angle(torch.tensor([1j, -1 + 0j]))
    tensor([1.5708, 3.1416])
    """

    promote = "float"
    inplace = False

    def forward(xp, x):
        if x.dtype.kind == "c":
            return xp.arctan2(x.imag, x.real)
        value = xp.where(x < 0, x.dtype.type(math.pi), x.dtype.type(0))
        return xp.where(xp.isnan(x), x, value)

    def vjp(g, input):
        if not input.dtype.is_complex:
            return zeros(g)
        size = input.abs()
        return (g * (input / (size * size)) * 1j).masked_fill(input == 0, 0)
