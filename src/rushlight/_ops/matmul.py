"""Matrix products: mm, mv, dot, bmm and matmul."""

import math
from typing import Any

import numpy as np

from rushlight._core import dtypes, fronts
from rushlight._core.autocast import casts
from rushlight._core.backend import kernel_for
from rushlight._core.casting import astype
from rushlight._core.dispatch import write_out
from rushlight._core.entries_params import pair_entry
from rushlight._core.errors import broadcast, not_a_tensor
from rushlight._core.op import Meta, Op, public
from rushlight._core.shape import common_shape
from rushlight._core.tensor import PLAIN, Tensor

_F4 = dtypes.float32.numpy
_C_NAMES = {
    "Float": "float", "Double": "double", "Long": "long long", "Int": "int", "Short": "short",
    "Byte": "unsigned char", "Char": "signed char", "Bool": "bool", "Half": "c10::Half",
    "BFloat16": "c10::BFloat16",
    "ComplexFloat": "c10::complex<float>", "ComplexDouble": "c10::complex<double>",
}  # fmt: skip


def _c_name(array):
    name = dtypes.scalar_name(dtypes.of_array(array))
    return _C_NAMES.get(name, name)


def same_dtype(x, y):
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"expected m1 and m2 to have the same dtype, but got: {_c_name(x)} != {_c_name(y)}"
        )


def _no_bool(name, x):
    if x.dtype.kind == "b":
        raise NotImplementedError(f"\"{name}\" not implemented for 'Bool'")


def cannot_multiply(x, y):
    (n, m), (p, q) = x.shape, y.shape
    return RuntimeError(f"mat1 and mat2 shapes cannot be multiplied ({n}x{m} and {p}x{q})")


def _product(xp, multiply, x, y):
    """Half arrays are multiplied in float32 and rounded once."""
    if x.dtype not in dtypes.HALF:
        return multiply(x, y)
    wide = dtypes.float32.numpy
    a, b = astype(x, wide), astype(y, wide)
    native = kernel_for("batched_matmul") if x.ndim > 1 and y.ndim > 1 else None
    r = NotImplemented if native is None or xp is not np else native(a, b)
    return astype(multiply(a, b) if r is NotImplemented else r, x.dtype)


# ---- the primitives ------------------------------------------------------------------------------


class Mm(Op):
    """mm(input, mat2, *, out=None) -> Tensor

    Product of two matrices, (n, m) and (m, p). No broadcasting: see :func:`matmul`.

    >>> torch.mm(torch.tensor([[1.0, 2.0]]), torch.tensor([[3.0], [4.0]]))
    tensor([[11.]])
    """

    tensors = ("input", "mat2")
    promote = "keep"
    half = "native"
    make_entry = staticmethod(pair_entry)

    def forward(xp, x, y):
        if (
            x.dtype is _F4
            and y.dtype is _F4
            and x.ndim == 2
            and y.ndim == 2
            and x.shape[1] == y.shape[0]
        ):
            return x.dot(y)  # 0.7 us less than matmul
        if x.ndim != 2:
            raise RuntimeError("self must be a matrix")
        if y.ndim != 2:
            raise RuntimeError("mat2 must be a matrix")
        if x.shape[1] != y.shape[0]:
            raise cannot_multiply(x, y)
        if x.dtype is not y.dtype:
            same_dtype(x, y)
        if x.dtype.char in "fd":
            return x.dot(y)
        _no_bool("addmm_impl_cpu_", x)
        return _product(xp, xp.matmul, x, y)

    def vjp_input(g, mat2):
        return g.mm(mat2.t().conj())

    def vjp_mat2(g, input):
        return input.t().conj().mm(g)


class Mv(Op):
    """mv(input, vec, *, out=None) -> Tensor

    Product of a matrix (n, m) and a vector (m).

    >>> torch.mv(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), torch.tensor([1.0, 1.0]))
    tensor([3., 7.])
    """

    tensors = ("input", "vec")
    promote = "keep"
    half = "native"
    make_entry = staticmethod(pair_entry)

    def forward(xp, x, y):
        if x.ndim != 2 or y.ndim != 1:
            raise RuntimeError(f"vector + matrix @ vector expected, got 1, {x.ndim}, {y.ndim}")
        if x.shape[1] != y.shape[0]:
            raise RuntimeError(
                f"size mismatch, got input ({x.shape[0]}), mat ({x.shape[0]}x{x.shape[1]}), vec "
                f"({y.shape[0]})"
            )
        if x.dtype != y.dtype:
            first, second = (dtypes.scalar_name(dtypes.of_array(a)) for a in (x, y))
            raise RuntimeError(
                f"addmv input tensors must have the same dtype, but got {second}, {first}, and "
                f"{second}"
            )
        _no_bool("addmv_impl_cpu", x)
        return _product(xp, xp.matmul, x, y)

    def vjp_input(g, vec):
        return g.unsqueeze(1) * vec.conj()

    def vjp_vec(g, input):
        return input.t().conj().mv(g)


def _check_dot(x, y):
    if x.ndim != 1 or y.ndim != 1:
        raise RuntimeError(f"1D tensors expected, but got {x.ndim}D and {y.ndim}D tensors")
    if x.dtype != y.dtype:
        raise RuntimeError(
            "dot : expected both vectors to have same dtype, but found "
            f"{dtypes.scalar_name(dtypes.of_array(x))} and {dtypes.scalar_name(dtypes.of_array(y))}"
        )
    if x.shape != y.shape:
        raise RuntimeError(
            f"inconsistent tensor size, expected tensor [{x.shape[0]}] and src [{y.shape[0]}] to "
            f"have the same number of elements, but got {x.shape[0]} and {y.shape[0]} elements "
            "respectively"
        )
    _no_bool("dot", x)


class Dot(Op):
    """dot(input, tensor, *, out=None) -> Tensor

    Sum of the products of two vectors' elements. Neither is conjugated.

    >>> torch.dot(torch.tensor([2, 3]), torch.tensor([2, 1]))
    tensor(7)
    """

    tensors = ("input", "tensor")
    promote = "keep"
    half = "native"
    make_entry = staticmethod(pair_entry)

    def forward(xp, x, y):
        _check_dot(x, y)
        return _product(xp, xp.dot, x, y)

    def vjp_input(g, tensor):
        return g * tensor.conj()

    def vjp_tensor(g, input):
        return g * input.conj()


class Vdot(Op):
    """vdot(input, other, *, out=None) -> Tensor

    Dot product of two vectors with the first one conjugated.

    >>> torch.vdot(torch.tensor([1 + 1j]), torch.tensor([2 + 0j]))
    tensor(2.-2.j)
    """

    tensors = ("input", "other")
    promote = "keep"
    half = "native"
    make_entry = staticmethod(pair_entry)

    def forward(xp, x, y):
        _check_dot(x, y)
        return _product(xp, xp.vdot, x, y)

    def vjp_input(g, other):
        return g.conj() * other

    def vjp_other(g, input):
        return g * input


def check_batches(x, y):
    if x.ndim != 3:
        raise RuntimeError("batch1 must be a 3D tensor")
    if y.ndim != 3:
        raise RuntimeError("batch2 must be a 3D tensor")
    if x.shape[0] != y.shape[0] or x.shape[2] != y.shape[1]:
        raise RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{x.shape[0]}, "
            f"{x.shape[2]}] but got: [{y.shape[0]}, {y.shape[1]}]."
        )
    if x.dtype != y.dtype:
        raise RuntimeError(
            f"expected scalar type {dtypes.scalar_name(dtypes.of_array(x))} but found "
            f"{dtypes.scalar_name(dtypes.of_array(y))}"
        )


class Bmm(Op):
    """bmm(input, mat2, *, out=None) -> Tensor

    Products of two batches of matrices, (b, n, m) and (b, m, p).

    >>> torch.bmm(torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()
    tensor([3., 3.])
    """

    tensors = ("input", "mat2")
    promote = "keep"
    half = "native"
    make_entry = staticmethod(pair_entry)

    def forward(xp, x, y):
        check_batches(x, y)
        _no_bool("baddbmm_kernel", x)
        return _product(xp, xp.matmul, x, y)

    def vjp_input(g, mat2):
        return g.bmm(mat2.transpose(1, 2).conj())

    def vjp_mat2(g, input):
        return input.transpose(1, 2).conj().bmm(g)


# ---- matmul --------------------------------------------------------------------------------------


class BatchedMatmul(Op):
    """Product of stacks of matrices that broadcast; at least one operand has three dimensions."""

    public = ()
    tensors = ("input", "other")
    promote = "keep"
    half = "native"
    make_entry = staticmethod(pair_entry)
    grad_name = "UnsafeViewBackward0"

    def forward(xp, x, y):
        inner = y.shape[-2] if y.ndim > 1 else y.shape[0]
        if x.shape[-1] != inner:
            raise _matmul_mismatch(x, y)
        if x.dtype != y.dtype:
            if x.ndim > 2 and y.ndim > 2:
                raise RuntimeError(
                    f"expected scalar type {dtypes.scalar_name(dtypes.of_array(x))} but found "
                    f"{dtypes.scalar_name(dtypes.of_array(y))}"
                )
            same_dtype(x, y)
        _no_bool("baddbmm_kernel", x)
        if y.ndim <= 2 and x.flags.c_contiguous and x.dtype.char in "fd":
            flat = xp.dot(
                x.reshape(math.prod(x.shape[:-1]), x.shape[-1]), y
            )  # one large product instead of many small ones
            return flat.reshape(x.shape[:-1] + y.shape[1:])
        return _product(xp, xp.matmul, x, y)

    def vjp_input(g: Any, input: Meta, other):
        if other.ndim == 1:
            return g.unsqueeze(-1) * other.conj()
        if input.ndim == 1:
            g = g.unsqueeze(-2)
        result = g.matmul(other.mT.conj())
        return result.squeeze(-2) if input.ndim == 1 else result

    def vjp_other(g: Any, input, other: Meta):
        if other.ndim == 1:
            return (input.conj() * g.unsqueeze(-1)).flatten(0, -2).sum(0)
        if input.ndim == 1:
            return input.conj().unsqueeze(-1) * g.unsqueeze(-2)
        if other.ndim == 2:
            return input.flatten(0, -2).t().conj().mm(g.flatten(0, -2))
        return input.mT.conj().matmul(g)


def _matmul_mismatch(x, y):
    if y.ndim > 2:
        try:
            batch = math.prod(common_shape(x.shape[:-2], y.shape[:-2]))
        except RuntimeError:
            return broadcast([x.shape[:-2], y.shape[:-2]])
        return RuntimeError(
            f"Expected size for first two dimensions of batch2 tensor to be: [{batch}, "
            f"{x.shape[-1]}] but got: [{batch}, {y.shape[-2]}]."
        )
    rows = math.prod(x.shape[:-1])
    if y.ndim == 1:
        return RuntimeError(
            f"size mismatch, got input ({rows}), mat ({rows}x{x.shape[-1]}), vec ({y.shape[0]})"
        )
    return RuntimeError(
        f"mat1 and mat2 shapes cannot be multiplied ({rows}x{x.shape[-1]} and "
        f"{y.shape[-2]}x{y.shape[-1]})"
    )


@public("torch", "Tensor")
@fronts.before(Mm, kernel="mm")
def matmul(input, other, *, out=None):
    """matmul(input, other, *, out=None) -> Tensor

    Matrix product with PyTorch's rank rules: two vectors give their dot product, a matrix and a
    vector a vector, and leading dimensions are batches that broadcast. ``a @ b`` is the same.

    >>> torch.matmul(torch.ones(2, 3, 4), torch.ones(4, 5)).shape
    torch.Size([2, 3, 5])
    """
    n, m = _ranks(input, other)
    if n == 2 and m == 2:
        return Mm.call(input, other, out=out)
    if n == 0 or m == 0:
        raise RuntimeError(
            f"both arguments to matmul need to be at least 1D, but they are {n}D and {m}D"
        )
    if n <= 2 and m <= 2:
        return _with_vector(input, other, out=out)
    return BatchedMatmul.call(input, other, out=out)


def _vectors(input, other, out=None):
    if input.ndim == 2:
        return Mv.call(input, other, out=out)
    if other.ndim == 1:
        return Dot.call(input, other, out=out)
    result = Mm.call(input.unsqueeze(0), other).squeeze(0)
    return result if out is None else write_out("matmul", result, out)


# dot and mv by themselves are not on autocast's lists, matmul is.
_with_vector = casts(_vectors, {"cpu": "lower", "cuda": "lower"})


def _ranks(input, other):
    try:
        return input.ndim, other.ndim
    except AttributeError:
        at, t = (2, other) if isinstance(input, Tensor) else (1, input)
        raise not_a_tensor("matmul", ("input", "other")[at - 1], at, t) from None


@public("Tensor", out=False)
@fronts.before(Mm, kernel="mm")
def __matmul__(self, other):  # noqa: N807
    """__matmul__(other) -> Tensor

    ``self @ other``.

    >>> torch.eye(2) @ torch.tensor([1.0, 2.0])
    tensor([1., 2.])
    """
    if type(other) in PLAIN and self.ndim == other.ndim == 2:
        return Mm.call(self, other)
    return matmul(self, other) if isinstance(other, Tensor) else NotImplemented


@public("Tensor", out=False)
def __rmatmul__(self, other):  # noqa: N807
    """__rmatmul__(other) -> Tensor

    ``other @ self``.

    >>> torch.tensor([1.0, 2.0]) @ torch.eye(2)
    tensor([1., 2.])
    """
    return matmul(other, self) if isinstance(other, Tensor) else NotImplemented
