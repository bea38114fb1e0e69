"""Norms of vectors and matrices: linalg.vector_norm, matrix_norm, norm, cond; torch.norm;
renorm."""

import math

from rushlight._core import dtypes
from rushlight._core.op import Op, public
from rushlight._core.shape import wrap_dim, wrap_dims
from rushlight._ops.linalg_decomp import LinalgSvdvals
from rushlight._ops.reduce import axes, cast, restore


def _check_vector_norm(x, order, dim, dtype):
    if dtype is not None and dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "linalg.vector_norm: dtype should be floating point or complex, but got "
            f"{dtypes.scalar_name(dtype)}"
        )
    if x.dtype.kind in "biu":
        raise RuntimeError(
            "linalg.vector_norm: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.scalar_name(dtypes.of_array(x))}"
        )
    if order >= 0 and not math.isinf(order):
        return
    given = dim is not None and (type(dim) is int or len(dim))
    if not given and not x.size:
        raise RuntimeError(
            f"linalg.vector_norm cannot compute the {_shown(order)} norm on an empty tensor "
            "because the operation does not have an identity"
        )
    for d in wrap_dims(dim, x.ndim) if given else ():
        if x.ndim and x.shape[d] == 0:
            raise RuntimeError(
                f"linalg.vector_norm cannot compute the {_shown(order)} norm on the dimension "
                f"{d}because this dimension is empty and the operation does not have an identity"
            )


def _shown(order):
    return f"{order:g}"


class LinalgVectorNorm(Op):
    """``(sum |x|^ord)^(1/ord)`` over ``dim``."""

    public = ()
    tensors = ("input",)
    promote = "keep"
    half = "native"

    def forward(xp, x, ord, dim, keepdim, dtype):
        _check_vector_norm(x, ord, dim, dtype)
        if dtype is not None:
            x = (
                cast(x, dtype)
                if x.dtype.kind != "c" or dtype.is_complex
                else cast(x, dtype.to_complex())
            )
        target = x.real.dtype
        if target in dtypes.HALF:
            x = x.astype(dtypes.float32.numpy)
        axis = axes(dim, x.ndim)
        if type(axis) is tuple and len(axis) == 1:
            axis = axis[0]
        if (
            ord == 2
            and axis is None
            and x.dtype.char in "fd"
            and not keepdim
            and x.flags.c_contiguous
        ):
            flat = x.reshape(-1)
            return xp.sqrt(xp.dot(flat, flat)).astype(target)
        return xp.asarray(_norm(xp, x, ord, axis, keepdim)).astype(target)

    def vjp(g, input, ord, dim, keepdim, dtype, result):
        g, norm = (restore(t, input.ndim, dim, keepdim) for t in (g, result))
        x = input if dtype is None else input.to(dtype)
        if ord == 0:
            return (x * 0).conj() if x.is_complex() else x.new_zeros(x.shape)
        if ord == 1:
            return g * x.sgn()
        if ord == 2:
            return g * (x / norm).masked_fill(norm == 0, 0)
        size = x.abs()
        if math.isinf(ord):
            hit = (size == norm).logical_or(size.isnan().logical_and(norm.isnan()))
            count = (
                hit.sum()
                if dim is None or not input.ndim or dim in ((), [])
                else hit.sum(dim, True)
            )
            return x.sgn() * (g / count) * hit
        if ord < 2:
            direction = x.sgn() * size.pow(ord - 1)
            if ord < 1:
                direction = direction.masked_fill(x == 0, 0)
        else:
            direction = x * size.pow(ord - 2)
        return direction * (g / norm.pow(ord - 1)).masked_fill(norm == 0, 0)


def _norm(xp, x, order, axis, keepdim):
    kw = {"axis": axis, "keepdims": keepdim}
    if order == 0:
        return xp.add.reduce(x != 0, dtype=x.real.dtype, **kw)
    if order == 2:
        if axis in (-1, x.ndim - 1) and x.dtype.char in "fd" and x.ndim:
            total = xp.sqrt(xp.vecdot(x, x))  # no array of squares
            return total[..., None] if keepdim else total
        squares = x.real * x.real + x.imag * x.imag if x.dtype.kind == "c" else x * x
        return xp.sqrt(xp.add.reduce(squares, **kw))
    size = xp.abs(x)
    if order == math.inf:
        return xp.maximum.reduce(size, **kw)
    if order == -math.inf:
        return xp.minimum.reduce(size, **kw)
    if order == 1:
        return xp.add.reduce(size, **kw)
    return xp.add.reduce(size**order, **kw) ** (1.0 / order)


@public("linalg")
def vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None):
    """vector_norm(x, ord=2, dim=None, keepdim=False, *, dtype=None, out=None) -> Tensor

    The ``ord``-norm of all elements, or over ``dim``; any real order, including 0 and infinities.

    >>> torch.linalg.vector_norm(torch.tensor([3.0, 4.0]))
    tensor(5.)
    """
    if isinstance(ord, (str, complex)):
        raise TypeError(
            "linalg_vector_norm(): argument 'ord' (position 2) must be Number, not "
            f"{type(ord).__name__}"
        )
    if dim is not None:
        wrap_dims(dim, x.ndim)
    return LinalgVectorNorm.call(x, float(ord), dim, keepdim, dtype)


# ---- matrices ------------------------------------------------------------------------------------


def _two_dims(A, dim):
    if A.ndim < 2:
        raise RuntimeError(
            "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
        )
    if A.dtype.category < dtypes.FLOATING:
        raise RuntimeError(
            "linalg.matrix_norm: Expected a floating point or complex tensor as input. Got "
            f"{dtypes.scalar_name(A.dtype)}"
        )
    if not isinstance(dim, (tuple, list)) or len(dim) != 2:
        raise RuntimeError(f"linalg.matrix_norm: dim must be a 2-tuple. Got {_dims_shown(dim)}")
    row, column = (wrap_dim(d, A.ndim) for d in dim)
    if row == column:
        raise RuntimeError(f"linalg.matrix_norm: dims must be different. Got ({dim[0]}, {dim[1]})")
    return row, column


def _dims_shown(dim):
    return " ".join(map(str, dim)) if isinstance(dim, (tuple, list)) else str(dim)


@public("linalg")
def matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None):
    """matrix_norm(A, ord="fro", dim=(-2, -1), keepdim=False, *, dtype=None, out=None) -> Tensor

    A norm of the matrices in two dimensions: ``"fro"``, ``"nuc"``, or of order 1, -1, 2, -2, inf,
    -inf.

    >>> torch.linalg.matrix_norm(torch.tensor([[1.0, 2.0], [3.0, 4.0]]), 1)
    tensor(6.)
    """
    row, column = _two_dims(A, dim)
    if isinstance(ord, str):
        if ord == "fro":
            return vector_norm(A, 2, (row, column), keepdim, dtype=dtype)
        if ord != "nuc":
            raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
        values = _singular_values(A, row, column, dtype).sum(-1, keepdim)
        return _back(values, row, column, A.ndim) if keepdim else values
    if abs(ord) == 2:
        values = _singular_values(A, row, column, dtype)
        values = _largest(values, -1, keepdim) if ord > 0 else values.amin(-1, keepdim)
        return _back(values, row, column, A.ndim) if keepdim else values
    if abs(ord) not in (1, math.inf):
        raise RuntimeError(f"linalg.matrix_norm: Order {ord} not supported.")
    along, across = (row, column) if abs(ord) == 1 else (column, row)
    sums = vector_norm(A, 1, along, keepdim, dtype=dtype)
    if not keepdim and across > along:
        across -= 1
    return _largest(sums, across, keepdim) if ord > 0 else sums.amin(across, keepdim)


def _largest(values, dim, keepdim):
    """The largest of non-negative values; zero if there are none."""
    return values.amax(dim, keepdim) if values.shape[dim] else values.sum(dim, keepdim)


def _singular_values(A, row, column, dtype):
    A = A if dtype is None else A.to(dtype)
    return LinalgSvdvals.call(A.movedim((row, column), (-2, -1)))


def _back(values, row, column, ndim):
    """Values with one trailing dimension kept, as if two were kept at ``row`` and ``column``."""
    return values.unsqueeze(-1).movedim((-2, -1), (row, column)) if ndim else values


@public("linalg", out=True)
def norm(A, ord=None, dim=None, keepdim=False, *, dtype=None):
    """norm(A, ord=None, dim=None, keepdim=False, *, dtype=None, out=None) -> Tensor

    A vector norm (one ``dim``, or none and no ``ord``) or a matrix norm (two of them).

    >>> torch.linalg.norm(torch.tensor([[3.0, 0.0], [0.0, 4.0]]))
    tensor(5.)
    """
    if isinstance(ord, str):
        if dim is None:
            if A.ndim != 2:
                raise (
                    RuntimeError(
                        "linalg.norm: If dim is not specified but ord is, the input must be 1D or "
                        f"2D. Got {A.ndim}D."
                    )
                    if A.ndim > 2 or ord not in ("fro", "nuc")
                    else RuntimeError(
                        "linalg.matrix_norm: The input tensor A must have at least 2 dimensions."
                    )
                )
            dim = (0, 1)
        return matrix_norm(A, ord, dim, keepdim, dtype=dtype)
    if ord is not None and dim is None and A.ndim not in (1, 2):
        raise RuntimeError(
            "linalg.norm: If dim is not specified but ord is, the input must be 1D or 2D. Got "
            f"{A.ndim}D."
        )
    if dim is not None and isinstance(dim, (tuple, list)) and len(dim) not in (1, 2):
        raise RuntimeError(
            f"linalg.norm: If dim is specified, it must be of length 1 or 2. Got {list(dim)}"
        )
    if ord is not None:
        if dim is None and A.ndim == 2:
            return matrix_norm(A, ord, (0, 1), keepdim, dtype=dtype)
        if isinstance(dim, (tuple, list)) and len(dim) == 2:
            return matrix_norm(A, ord, dim, keepdim, dtype=dtype)
    return vector_norm(A, 2 if ord is None else ord, dim, keepdim, dtype=dtype)
