"""What operators mean for sparse tensors, in terms of their values."""

from typing import Any

import numpy as np

from rushlight._core import dtypes
from rushlight._core.backend import device_kernels
from rushlight._core.errors import leaf_in_place
from rushlight._core.op import conj
from rushlight._core.sparse import (
    BLOCKED,
    COMPRESSED,
    SparseTensor,
    method,
    replace,
    rule,
    unsupported,
)
from rushlight._core.state import grad_enabled
from rushlight._core.tensor import Leaf, Tensor
from rushlight._ops.join import Cat
from rushlight._ops.sort import searchsorted
from rushlight._ops.sparse import (
    BSC,
    BSR,
    COO,
    CSC,
    CSR,
    LAYOUT_NAMES,
    Sparse,
    SparseValues,
    coalesce,
    compressed,
    coo,
    coordinates,
    is_sparse,
    parts,
    ravel,
    summed,
    to_blocks,
    to_compressed,
    to_dense,
    values_at,
    with_values,
)

TURNED = {CSR: CSC, CSC: CSR, BSR: BSC, BSC: BSR}  # layout -> that of the transpose

# Functions that leave zero alone: applied to the values they give the values of the result.
OF_VALUES = [
    *("abs", "asin", "asinh", "atan", "atanh", "ceil", "conj", "deg2rad", "erf", "erfinv"),
    *("expm1", "floor", "frac", "isinf", "isnan", "isneginf", "isposinf", "log1p", "neg"),
    *("positive", "rad2deg", "relu", "round", "sgn", "sign", "signbit", "sin", "sinh", "sqrt"),
    *("square", "tan", "tanh", "trunc"),
]


def label_of(name):
    """``mul`` -> ``MulBackward0``."""
    return "".join(part.capitalize() for part in name.split("_")) + "Backward0"


def settled(s):
    """A COO tensor coalesced; others are so already."""
    return coalesce(s) if s.layout is COO else s


def _of_values(name):
    def apply(input):
        s = settled(input)
        return with_values(s, getattr(SparseValues.call(s), name)(), label_of(name))

    rule(name)(apply)


for _name in OF_VALUES:
    _of_values(_name)


@rule("clone")
def clone(input, order="K"):
    """A copy of indices and values."""
    return with_values(input, SparseValues.call(input).clone(), "CloneBackward0")


@rule("to_copy")
def to_copy(input, dtype, copy=True):
    """Values in another dtype."""
    return with_values(input, SparseValues.call(input).to(dtype), "ToCopyBackward0")


@rule("pow")
def power(input, exponent):
    """Values to the power of a positive number."""
    if is_sparse(exponent) or isinstance(exponent, Tensor) or not exponent > 0:
        raise unsupported("pow", COO)
    s = settled(input)
    return with_values(s, SparseValues.call(s) ** exponent, "PowBackward0")


# ---- sums and products of tensors ----------------------------------------------------------------


@rule("add")
def add(input, other):
    """Sparse and sparse, or dense and sparse in this order."""
    if is_sparse(input) and not is_sparse(other):
        raise RuntimeError("add(sparse, dense) is not supported. Use add(dense, sparse) instead.")
    if not is_sparse(input):
        return input + to_dense(other)
    if input.shape != other.shape:
        raise RuntimeError(
            "add: expected sizes of 'self' and 'other' to match, but "
            f"{list(input.shape)} != {list(other.shape)}"
        )
    if input.layout is not other.layout:
        raise unsupported("add", input.layout)
    if input.layout is not COO:
        layout, result = input.layout, add(input.to_sparse(), other.to_sparse())
        if layout in BLOCKED:
            return to_blocks(result, layout, SparseValues.call(input).shape[1:])
        return to_compressed(result, layout)
    input, other = coalesce(input), coalesce(other)
    places = Cat.call([coordinates(input), coordinates(other)], 1)
    values = Cat.call([SparseValues.call(input), SparseValues.call(other)], 0)
    return summed(values, places, input.shape, "AddBackward0")


@rule("add_scaled")
def add_scaled(input, other, alpha):
    """``input + alpha * other``."""
    return add(input, other * alpha)


@rule("sub")
def sub(input, other):
    """``input - other``."""
    return add(input, -other)


@rule("sub_scaled")
def sub_scaled(input, other, alpha):
    """``input - alpha * other``."""
    return add(input, other * -alpha)


@rule("mul")
def mul(input, other):
    """By a number, or element by element: the result has the places that both have."""
    if not is_sparse(input):
        input, other = other, input
    if not isinstance(other, Tensor) or (not is_sparse(other) and other.ndim == 0):
        return with_values(input, SparseValues.call(input) * other, "MulBackward0")
    if is_sparse(other) and input.shape != other.shape:
        raise RuntimeError(
            f"mul operands have incompatible sizes {list(input.shape)} and {list(other.shape)}"
        )
    if input.layout in BLOCKED:
        raise RuntimeError(
            "empty_sparse_compressed expected sparse compressed (non-block) tensor layout but got "
            f"{LAYOUT_NAMES[input.layout]}"
        )
    s = settled(input)
    if not is_sparse(other):
        factors = values_at(other.expand(s.shape), s)
        return with_values(s, SparseValues.call(s) * factors, "MulBackward0")
    if s.layout is not COO:
        product = mul(s.to_sparse(), other.to_sparse())
        return to_compressed(product, s.layout)
    return common(s, coalesce(other))


def common(s, other):
    """The product at the places that two coalesced tensors have in common."""
    k = s.sparse_dim()
    flat = ravel(coordinates(s), s.shape[:k])
    there = ravel(coordinates(other), s.shape[:k])
    at = searchsorted(there, flat).clamp(max=max(there.shape[0] - 1, 0))
    both = (there[at] == flat) if there.shape[0] else flat.new_zeros(flat.shape).bool()
    values = SparseValues.call(s)[both] * SparseValues.call(other)[at[both]]
    return coo(values, coordinates(s)[:, both], s.shape, True, "MulBackward0")


@rule("div")
def div(input, other):
    """By a number."""
    if not is_sparse(input) or is_sparse(other) or (isinstance(other, Tensor) and other.ndim):
        raise unsupported("div", COO)
    return with_values(input, SparseValues.call(input) / other, "DivBackward0")


# ---- matrix products -----------------------------------------------------------------------------


def _check_product(x, y):
    if x.ndim != 2 or y.ndim != 2 or x.shape[1] != y.shape[0]:
        raise RuntimeError(
            "mat1 and mat2 shapes cannot be multiplied "
            f"({'x'.join(map(str, x.shape))} and {'x'.join(map(str, y.shape))})"
        )


BLOCK = 1 << 14  # values at a time: their products stay in the cache


def product_there(xp, rows, columns, values, y, count):
    """The same on a device: by its kernel, or by adding all products where they belong."""
    kernel = device_kernels.get("sparse_product")
    made = NotImplemented if kernel is None else kernel(rows, columns, values, y, count)
    if made is not NotImplemented:
        return made
    wide = xp.float32 if values.dtype in dtypes.HALF else values.dtype
    result = xp.zeros((count, y.shape[1]), wide)
    xp.add.at(result, rows, y[columns].astype(wide) * values[:, None].astype(wide))
    return result.astype(values.dtype, copy=False)


class SparseProduct(Sparse):
    """A sparse matrix by a dense one, row by row; ``label`` is what its history is called."""

    tensors = ("input", "mat2")

    def forward(xp, s, y, label="MmBackward0"):
        (rows, columns), values = s.coordinates(), s.values
        if s.layout in BLOCKED:
            rows, columns, values = rows.ravel(), columns.ravel(), values.ravel()
        if not s.coalesced or s.layout not in (COO, CSR):
            order = xp.argsort(rows, kind="stable")
            rows, columns, values = rows[order], columns[order], values[order]
        if xp is not np:
            return product_there(xp, rows, columns, values, y, s.shape[0])
        wide = xp.float32 if values.dtype in dtypes.HALF else values.dtype
        result = xp.zeros((s.shape[0], y.shape[1]), wide)
        heads = xp.flatnonzero(xp.diff(rows, prepend=-1))  # where each row that has values begins
        ends = xp.append(heads[1:], len(rows))
        first = 0
        while first < len(heads):
            begin = heads[first]
            last = max(first + 1, int(xp.searchsorted(ends, begin + BLOCK, "right")))
            part = slice(begin, ends[last - 1])
            products = y[columns[part]].astype(wide, copy=False)
            products *= values[part, None]
            here = heads[first:last]
            result[rows[here]] = xp.add.reduceat(products, here - begin, axis=0)
            first = last
        return result.astype(values.dtype, copy=False)

    def grad_name(node):
        return node.params[0]

    def vjp_input(g, input, mat2):
        rows, columns = coordinates(input).unbind(0)
        return with_values(input, (g[rows] * conj(mat2)[columns]).sum(-1))

    def vjp_mat2(g, input):
        turned = conj_of(input).t()
        if turned.layout in BLOCKED:  # mm refuses BSC by dense
            return SparseProduct.call(turned, g.to_dense())
        return mm(turned, g)


def conj_of(s):
    """The complex conjugate of a sparse tensor."""
    return with_values(s, conj(SparseValues.call(s)))


@rule("mm")
def mm(input, mat2, label="MmBackward0"):
    """Sparse by dense and dense by sparse are dense, sparse by sparse is sparse."""
    _check_product(input, mat2)
    if input.layout is BSC or mat2.layout is BSR:
        raise RuntimeError(
            "addmm: computation on CPU is not implemented for Strided + "
            f"{LAYOUT_NAMES[input.layout]} @ {LAYOUT_NAMES[mat2.layout]}"
        )
    if is_sparse(input) and is_sparse(mat2):
        return both_sparse(input, mat2)
    if not is_sparse(input):
        return mm(mat2.t(), input.t()).t()
    if input.dtype is not mat2.dtype:
        raise RuntimeError(
            "expected m1 and m2 to have the same dtype, but got: "
            f"{dtypes.cpp_name(input.dtype)} != {dtypes.cpp_name(mat2.dtype)}"
        )
    return SparseProduct.call(input, mat2, label)


def both_sparse(x, y):
    """The product of two sparse matrices: every pair of values that meet."""
    if x.layout in BLOCKED or y.layout in BLOCKED:
        raise unsupported("mm", BSR)
    layout, y = x.layout, to_compressed(y, CSR)
    rows, columns = coordinates(x).unbind(0)
    starts = parts(y)[0].to(dtypes.int64)
    counts = (starts[1:] - starts[:-1])[columns]  # how many values of y each of x meets
    of_x = counts.new_ones(counts.shape).cumsum(0).sub(1).repeat_interleave(counts)
    first = starts[columns][of_x]
    within = of_x.new_ones(of_x.shape).cumsum(0) - 1 - (counts.cumsum(0) - counts)[of_x]
    of_y = first + within
    values = SparseValues.call(x)[of_x] * SparseValues.call(y)[of_y]
    places = Cat.call([rows[of_x].unsqueeze(0), coordinates(y)[1][of_y].unsqueeze(0)], 0)
    result = summed(values, places, (x.shape[0], y.shape[1]), "MmBackward0")
    return result if layout is COO else to_compressed(result, layout)


@rule("mv")
def mv(input, vec):
    """A sparse matrix by a dense vector."""
    return mm(input, vec.unsqueeze(1)).squeeze(1)


@rule("addmm")
def addmm(input, mat1, mat2, beta=1, alpha=1):
    """``beta * input + alpha * mat1 @ mat2``."""
    product = mm(mat1, mat2)
    product = product if alpha == 1 else product * alpha
    if beta == 0 and not is_sparse(input):
        return product
    return (input if beta == 1 else input * beta) + product


# ---- shape ---------------------------------------------------------------------------------------


@rule("transpose")
def transpose(input, dim0, dim1):
    """Two dimensions exchanged, both with indices."""
    order = list(range(input.ndim))
    order[dim0], order[dim1] = order[dim1], order[dim0]
    return permute(input, order)


@rule("t", "numpy_T", "T")
def t(input):
    """The transpose of a matrix."""
    return transpose(input, 0, 1) if input.ndim == 2 else input


@rule("permute")
def permute(input, dims):
    """The dimensions in another order: those with indices among themselves."""
    dims = [d % input.ndim for d in dims]
    if dims == list(range(input.ndim)):
        return input
    values, shape = SparseValues.call(input), [input.shape[d] for d in dims]
    if input.layout in COMPRESSED:
        rows, columns = parts(input)
        if input.layout in BLOCKED:
            values = values.transpose(1, 2)
        layout = TURNED[input.layout]
        return compressed(values, rows, columns, layout, shape, "TransposeBackward0")
    k = input.sparse_dim()
    if sorted(dims[:k]) != list(range(k)):
        raise RuntimeError("transpose: dimensions with indices and without cannot be exchanged")
    values = values.permute([0, *[d - k + 1 for d in dims[k:]]])
    label = "TBackward0" if dims == [1, 0] else "PermuteBackward0"
    return coo(values, coordinates(input)[dims[:k]], shape, False, label)


@rule("unsqueeze")
def unsqueeze(input, dim):
    """A dimension of size one."""
    if input.layout is not COO:
        raise unsupported("unsqueeze", input.layout)
    dim, k, values = dim % (input.ndim + 1), input.sparse_dim(), SparseValues.call(input)
    places, shape = coordinates(input), [*input.shape]
    shape.insert(dim, 1)
    if dim > k:
        values = values.unsqueeze(dim - k + 1)
    else:
        zero = places.new_zeros((1, places.shape[1]))
        places = Cat.call([places[:dim], zero, places[dim:]], 0)
    return coo(values, places, shape, input.is_coalesced(), "UnsqueezeBackward0")


@rule("cat")
def cat(tensors, dim=0):
    """COO tensors one after the other."""
    if not all(is_sparse(s) and s.layout is COO for s in tensors):
        raise unsupported("cat", COO)
    first, offset, moved, values = tensors[0], 0, [], []
    dim %= first.ndim
    k = first.sparse_dim()
    if dim >= k:
        raise NotImplementedError("cat of sparse tensors along a dimension without indices")
    for s in tensors:
        places = coordinates(s)
        step = places.new_zeros((k, 1))
        step[dim] = offset
        moved.append(places + step)
        values.append(SparseValues.call(s))
        offset += s.shape[dim]
    shape = [*first.shape[:dim], offset, *first.shape[dim + 1 :]]
    return coo(Cat.call(values, 0), Cat.call(moved, 1), shape, False, "CatBackward0")


@rule("stack")
def stack(tensors, dim=0):
    """COO tensors along a new dimension."""
    return cat([unsqueeze(s, dim) for s in tensors], dim)


@method
def select(input, dim, index):
    """One place along a dimension: dense if no index is left."""
    dim, s = dim % input.ndim, input.to_sparse()
    size, k = s.shape[dim], s.sparse_dim()
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(s.shape)} at "
            f"dimension {dim}"
        )
    values, places = SparseValues.call(s), coordinates(s)
    shape = [*s.shape[:dim], *s.shape[dim + 1 :]]
    if dim >= k:
        values = values.select(dim - k + 1, index)
        return coo(values, places, shape, s.is_coalesced(), "SelectBackward0")
    there = places[dim] == index % size
    if k == 1:
        return values[there].sum(0)
    rest = Cat.call([places[:dim], places[dim + 1 :]], 0)
    return coo(values[there], rest[:, there], shape, s.is_coalesced(), "SelectBackward0")


@rule("index_select")
def index_select(input, index, dim):
    """Several places along a dimension, given by a tensor of their numbers."""
    chosen = [select(input, dim, int(i)).unsqueeze(dim) for i in index]
    return coalesce(cat(chosen, dim))


# ---- reductions ----------------------------------------------------------------------------------


@rule("sum")
def total(input, dim=None, keepdim=False, dtype=None):
    """Over everything: a number. Over some dimensions: sparse, unless no index is left."""
    values = SparseValues.call(input)
    if dim is None:
        return values.sum() if dtype is None else values.sum(dtype=dtype)
    if keepdim:
        raise unsupported("sum(keepdim=True)", input.layout)
    return sum_over(input, dim, dtype)


def sum_over(input, dim, dtype=None):
    """Sums over some of the dimensions of a sparse tensor."""
    s = input.to_sparse()
    dims = {d % s.ndim for d in (dim if isinstance(dim, tuple | list) else (dim,))}
    k, values = s.sparse_dim(), SparseValues.call(s)
    inner = [d - k + 1 for d in sorted(dims) if d >= k]
    if dtype is not None:
        values = values.to(dtype)
    if inner:
        values = values.sum(inner)
    left = [d for d in range(k) if d not in dims]
    if not left:
        return values.sum(0)
    shape = [size for d, size in enumerate(s.shape) if d not in dims]
    return summed(values, coordinates(s)[left], shape, "SparseSumBackward0")


@rule("any")
def any_of(input, dim=None, keepdim=False):
    """Is one of the values not zero?"""
    if dim is not None:
        raise unsupported("any", input.layout)
    return SparseValues.call(input).any()


@rule("linalg_vector_norm")
def norm(input, *args, **kw):
    """The norm of the values."""
    if any(a is not None and a is not False for a in args[1:]) or kw.get("dim") is not None:
        raise unsupported("norm", input.layout)
    return SparseValues.call(settled(input)).norm(args[0] if args else 2)


# ---- methods -------------------------------------------------------------------------------------


@method
def __getitem__(self, index):  # noqa: N807
    if isinstance(index, int):
        return select(self, 0, index)
    if isinstance(index, tuple) and index and all(isinstance(i, int) for i in index):
        result = self
        for i in index:
            result = select(result, 0, i) if is_sparse(result) else result[i]
        return result
    raise unsupported("as_strided", self.layout)


@method
def __setitem__(self, index, value):  # noqa: N807
    raise unsupported("copy_", self.layout)


@method
def __iter__(self):  # noqa: N807
    return iter([select(self, 0, i) for i in range(self.shape[0])])


@method
def contiguous(self, memory_format=None):
    """contiguous() -> RuntimeError: there is no one array."""
    raise RuntimeError("unsupported memory format option Contiguous")


@method
def reshape(self, *shape):
    """reshape(...) -> RuntimeError: not there for sparse tensors."""
    raise RuntimeError("reshape is not implemented for sparse tensors")


@method
def zero_(self):
    """zero_() -> Tensor: drop all values."""
    _check_leaf(self)
    none = coordinates(self)[:, :0]
    values = SparseValues.call(self.detach())[:0]
    return replace(self, coo(values, none, self.shape, True))


@method
def _coalesced_(self, coalesced):
    self._coalesced = coalesced
    return self


def _check_leaf(t):
    if grad_enabled() and type(t._node) is Leaf:
        raise leaf_in_place(view=False)


def _in_place(name, function):
    def apply(self, *args, **kw):
        _check_leaf(self)
        return replace(self, function(self, *args, **kw))

    apply.__name__ = apply.__qualname__ = f"{name}_"
    setattr(SparseTensor, f"{name}_", apply)


for _name, _function in {"add": add, "sub": sub, "mul": mul, "div": div}.items():
    _in_place(_name, _function)
_sparse: Any = SparseTensor
_sparse.__iadd__ = _sparse.add_
_sparse.__isub__ = _sparse.sub_
_sparse.__imul__ = _sparse.mul_
_sparse.__itruediv__ = _sparse.div_
