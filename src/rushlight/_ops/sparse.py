"""Sparse tensors in and out: the records that take them apart and put them together, and the
conversions between layouts, written with those.
"""

from rushlight._core import device as devices
from rushlight._core import dtypes
from rushlight._core.op import Op, public
from rushlight._core.sparse import BLOCKED, COMPRESSED, SparseArray, SparseTensor, sparse_entry
from rushlight._ops.create import zeros
from rushlight._ops.join import Stack
from rushlight._ops.ranges import arange

COO, CSR, CSC = devices.sparse_coo, devices.sparse_csr, devices.sparse_csc
BSR, BSC = devices.sparse_bsr, devices.sparse_bsc
LAYOUT_NAMES = {
    devices.strided: "Strided",
    COO: "Sparse",
    CSR: "SparseCsr",
    CSC: "SparseCsc",
    BSR: "SparseBsr",
    BSC: "SparseBsc",
}


class Sparse(Op, family=True):
    """Takes or makes sparse arrays."""

    promote = "keep"
    half = "native"
    public = ()
    make_entry = staticmethod(sparse_entry)


class SparseAssemble(Sparse):
    """A sparse tensor of values and indices; ``label`` is what its history is called."""

    tensors = ("values", "rows", "columns")
    optional = ("columns",)

    def forward(xp, values, rows, columns, layout, shape, coalesced=False, label=""):
        indices = (rows,) if columns is None else (rows, columns)
        return SparseArray(layout, tuple(shape), indices, values, coalesced)

    def grad_name(node):
        return node.params[3]

    def vjp_values(g, rows, columns, layout):
        return values_of_gradient(g, rows, columns, layout)


class SparseBlocks(Sparse):
    """A sparse tensor of blocks (n, height, width) and the numbers of their rows and columns."""

    tensors = ("values", "rows", "columns")

    def forward(xp, values, rows, columns, layout, shape, blocksize, label=""):
        return SparseArray(layout, tuple(shape), (rows, columns), values, True)

    def grad_name(node):
        return node.params[3]

    def vjp_values(g, rows, columns, layout, shape, blocksize):
        blocks = g.detach().to_dense().new_zeros(1).expand(columns.shape[0], *blocksize)
        return values_at(g, SparseBlocks.call(blocks, rows, columns, layout, shape, blocksize))


class SparseValues(Sparse):
    """The values of a sparse tensor."""

    grad_name = "ValuesBackward0"

    def forward(xp, x):
        return x.values

    def vjp(g, input):
        return with_values(input, g)


class SparsePart(Sparse):
    """One of the index arrays of a sparse tensor; -1: where each value stands (sparse dims, n)."""

    differentiable = False  # indices are integers

    def forward(xp, x, part):
        return x.coordinates() if part < 0 else x.indices[part]


class ToDense(Sparse):
    """The dense tensor that a sparse one stands for."""

    name = "sparse_to_dense"
    grad_name = "ToDenseBackward0"

    def forward(xp, x):
        return x.dense()

    def vjp(g, input):
        return with_values(input, values_at(g, input))


# ---- pieces --------------------------------------------------------------------------------------


def is_sparse(t):
    """Is it a tensor in a sparse layout?"""
    return isinstance(t, SparseTensor)


def parts(s):
    """The index tensors of a sparse tensor: (rows, columns or None)."""
    second = None if s.layout is COO else SparsePart.call(s, 1)
    return SparsePart.call(s, 0), second


def coordinates(s):
    """Where the values stand: int64, (sparse dimensions, n), of blocks (2, n, height, width)."""
    return SparsePart.call(s, -1).to(dtypes.int64)


MADE_OF_PARTS = "SparseCooTensorWithDimsAndTensorsBackward0"


def coo(values, indices, shape, coalesced=False, label=MADE_OF_PARTS):
    """A tensor in the COO layout of these values and indices (sparse dimensions, n)."""
    return SparseAssemble.call(values, indices, None, COO, tuple(shape), coalesced, label)


def compressed(values, starts, plain, layout, shape, label):
    """A tensor in one of the four compressed layouts of its parts."""
    if layout in BLOCKED:
        size = tuple(values.shape[1:])
        return SparseBlocks.call(values, starts, plain, layout, tuple(shape), size, label)
    return SparseAssemble.call(values, starts, plain, layout, tuple(shape), True, label)


def with_values(s, values, label="ValuesBackward0"):
    """A sparse tensor with the indices of ``s`` and other values."""
    rows, columns = parts(s)
    if s.layout is not COO:
        return compressed(values, rows, columns, s.layout, s.shape, label)
    return SparseAssemble.call(values, rows, None, COO, s.shape, s.is_coalesced(), label)


def values_at(g, s):
    """The elements of ``g``, dense or sparse, at the places of ``s``."""
    g = g.to_dense()
    if not s.sparse_dim():
        return g.unsqueeze(0).expand(s._nnz(), *g.shape)
    return g[tuple(coordinates(s).unbind(0))]


def values_of_gradient(g, rows, columns, layout):
    """The gradient of the values at these indices of a tensor whose gradient is ``g``."""
    g = g.to_dense()
    if columns is not None:
        outer = spread_starts(rows)
        return g[(outer, columns) if layout is CSR else (columns, outer)]
    if not rows.shape[0]:
        return g.unsqueeze(0).expand(rows.shape[1], *g.shape)
    return g[tuple(rows.unbind(0))]


def spread_starts(starts):
    """Where the stretches begin -> which stretch each value belongs to: [0, 2, 3] -> [0, 0, 1]."""
    stretch = arange(starts.shape[0] - 1, device=starts.device)
    return stretch.repeat_interleave(starts[1:] - starts[:-1])


def ravel(places, sizes):
    """The places (k, n) in an array of these sizes as one number each."""
    flat = places.new_zeros(places.shape[1])
    for row, size in zip(places.unbind(0), sizes, strict=True):
        flat = flat * size + row
    return flat


def unravel(flat, sizes):
    """The inverse of ``ravel``."""
    rows = []
    for size in reversed(sizes):
        rows.append(flat % max(size, 1))
        flat = flat.div(max(size, 1), rounding_mode="floor")
    return Stack.call(rows[::-1], 0) if rows else flat.new_zeros((0, flat.shape[0]))


def added(count, where, values):
    """``count`` sums of the values that share a number in ``where``."""
    if values.dtype is dtypes.bool_:
        return added(count, where, values.to(dtypes.int64)).to(dtypes.bool_)
    return values.new_zeros((count, *values.shape[1:])).index_add(0, where, values)


# ---- conversions ---------------------------------------------------------------------------------


@public("Tensor", out=False)
def coalesce(self):
    """coalesce() -> Tensor

    A tensor in the COO layout with its indices sorted and the values of one place added up; itself
    if it is so already.

    >>> torch.sparse_coo_tensor([[1, 1]], [2.0, 3.0], (3,)).coalesce().values()
    tensor([5.])
    """
    need_layout("coalesce", self, (COO,), "sparse coordinate")
    if self.is_coalesced():
        return self
    return summed(SparseValues.call(self), coordinates(self), self.shape, "CoalesceBackward0")


def summed(values, places, shape, label):
    """The coalesced tensor of values, those of one place added up."""
    if not values.shape[0]:
        return coo(values, places, shape, True, label)
    sizes = tuple(shape)[: places.shape[0]]
    distinct, where = ravel(places, sizes).unique(return_inverse=True)
    values = added(distinct.shape[0], where, values)
    return coo(values, unravel(distinct, sizes), shape, True, label)


def need_layout(name, t, layouts, words):
    """Refuse a tensor in another layout."""
    if t.layout not in layouts:
        raise RuntimeError(
            f"{name} expected {words} tensor layout but got {LAYOUT_NAMES[t.layout]}"
        )


@public("Tensor", out=False)
def to_dense(self, dtype=None, *, masked_grad=None):
    """to_dense(dtype=None, *, masked_grad=True) -> Tensor

    The dense tensor with these elements; a dense one is returned as it is. The gradient of a sparse
    tensor has its indices.

    >>> torch.sparse_coo_tensor([[0, 1], [1, 0]], [3.0, 4.0]).to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    if masked_grad is False:
        raise NotImplementedError("to_dense(masked_grad=False): gradients keep the sparse indices")
    result = ToDense.call(self) if is_sparse(self) else self
    return result if dtype is None else result.to(dtype)


@public("Tensor", out=False)
def to_sparse(self, sparse_dim=None, *, layout=None, blocksize=None, dense_dim=None):
    """to_sparse(sparse_dim=None) or to_sparse(*, layout=torch.sparse_coo, blocksize=None) -> Tensor

    The tensor in a sparse layout. ``sparse_dim``: how many of the dimensions get indices (COO).
    ``blocksize``: height and width of the blocks (BSR and BSC).

    >>> torch.tensor([0, 7]).to_sparse()
    tensor(indices=tensor([[1]]),
           values=tensor([7]),
           size=(2,), nnz=1, layout=torch.sparse_coo)
    """
    if dense_dim is not None:
        raise NotImplementedError("to_sparse: dense_dim is not there, leave it out")
    if (blocksize is None) is (layout in BLOCKED):
        given = "without" if blocksize is None else "with"
        raise RuntimeError(
            f"dense_to_sparse: conversion from {LAYOUT_NAMES[self.layout]} to "
            f"{LAYOUT_NAMES[layout or COO]} {given} blocksize argument given is not supported"
        )
    if layout in BLOCKED:
        return to_blocks(self, layout, blocksize)
    if layout in (CSR, CSC):
        return to_compressed(self, layout)
    if layout not in (None, COO):
        raise NotImplementedError(f"to_sparse: no layout {layout}, use torch.sparse_coo")
    label = "ToSparseBackward1" if sparse_dim is None else "ToSparseBackward0"
    if is_sparse(self):
        if self.layout is COO:
            return self
        indices = coordinates(self)
        if self.layout is CSC:
            return coo(SparseValues.call(self), indices, self.shape, False, label).coalesce()
        if self.layout in BLOCKED:
            values = SparseValues.call(self).flatten()
            return coo(values, indices.flatten(1), self.shape, False, label)
        return coo(SparseValues.call(self), indices, self.shape, True, label)
    k = self.ndim if sparse_dim is None else sparse_dim
    if not 0 <= k <= self.ndim:
        raise RuntimeError(
            f"dense_to_sparse: sparse_dim argument must be in [0,{self.ndim}] range, but {k} is "
            "given"
        )
    return from_dense(self, k, label)


def from_dense(x, k, label):
    """The COO tensor with indices for the first ``k`` dimensions of a dense one."""
    if not k:
        none = zeros((0, 1), dtype=dtypes.int64, device=x.device)
        return coo(x.unsqueeze(0), none, x.shape, True, label)
    filled = x != 0
    if k < x.ndim:
        filled = filled.flatten(k).any(-1)
    places = filled.nonzero().t().contiguous()
    return coo(x[tuple(places.unbind(0))], places, x.shape, True, label)


@public("Tensor", out=False)
def to_sparse_coo(self):
    """to_sparse_coo() -> Tensor

    The tensor in the COO layout.

    >>> torch.eye(2).to_sparse_coo().indices()
    tensor([[0, 1],
            [0, 1]])
    """
    return to_sparse(self)


@public("Tensor", out=False)
def to_sparse_csr(self, dense_dim=None):
    """to_sparse_csr() -> Tensor

    A matrix in the CSR layout.

    >>> torch.eye(2).to_sparse_csr().col_indices()
    tensor([0, 1])
    """
    return to_sparse(self, layout=CSR, dense_dim=dense_dim)


@public("Tensor", out=False)
def to_sparse_csc(self, dense_dim=None):
    """to_sparse_csc() -> Tensor

    A matrix in the CSC layout.

    >>> torch.eye(2).to_sparse_csc().ccol_indices()
    tensor([0, 1, 2])
    """
    return to_sparse(self, layout=CSC, dense_dim=dense_dim)


def to_compressed(x, layout):
    """A matrix in the CSR or CSC layout."""
    if x.layout is layout:
        return x
    if x.layout in BLOCKED:
        kind = str(layout).partition(".")[2]
        raise RuntimeError(
            f"sparse_compressed_to_{kind}: expected SparseCsr or SparseCsc layout but got "
            f"{LAYOUT_NAMES[x.layout]}"
        )
    if x.ndim != 2:
        raise NotImplementedError(f"{layout} tensors have two dimensions here, got {x.ndim}")
    x = to_sparse(x).coalesce()
    if x.sparse_dim() != 2:
        raise NotImplementedError(f"{layout} from a tensor with dense dimensions is not there")
    outer, inner = coordinates(x).unbind(0)
    values, axis = SparseValues.call(x), COMPRESSED[layout]
    if axis:
        order = inner.argsort(stable=True)
        outer, inner, values = inner[order], outer[order], values[order]
    starts = starts_of(outer, x.shape[axis])
    return SparseAssemble.call(values, starts, inner, layout, x.shape, True, "ToSparseBackward1")


def starts_of(outer, count):
    """The inverse of ``spread_starts``: where each of ``count`` stretches begins."""
    starts = outer.new_zeros(count + 1, dtype=dtypes.int64)
    starts[1:] = outer.bincount(minlength=count).cumsum(0)
    return starts


@public("Tensor", out=False)
def to_sparse_bsr(self, blocksize, dense_dim=None):
    """to_sparse_bsr(blocksize) -> Tensor

    A matrix in the BSR layout: blocks of ``blocksize`` (height, width), row by row. RuntimeError if
    the blocks do not divide it.

    >>> torch.eye(4).to_sparse_bsr((2, 2)).col_indices()
    tensor([0, 1])
    """
    return to_sparse(self, layout=BSR, blocksize=blocksize, dense_dim=dense_dim)


@public("Tensor", out=False)
def to_sparse_bsc(self, blocksize, dense_dim=None):
    """to_sparse_bsc(blocksize) -> Tensor

    A matrix in the BSC layout: blocks of ``blocksize`` (height, width), column by column.
    RuntimeError if the blocks do not divide it.

    >>> torch.eye(4).to_sparse_bsc((2, 2)).values().shape
    torch.Size([2, 2, 2])
    """
    return to_sparse(self, layout=BSC, blocksize=blocksize, dense_dim=dense_dim)


def to_blocks(x, layout, blocksize):
    """A matrix in the BSR or BSC layout; blocks of zeros only are left out."""
    height, width = size = _checked_blocks(x, layout, blocksize)
    if x.layout is layout:
        return x
    given, axis = x, COMPRESSED[layout]
    x = to_sparse(x).coalesce()
    rows, columns = coordinates(x).unbind(0)
    grid = (x.shape[0] // height, x.shape[1] // width)
    down, across = (
        rows.div(height, rounding_mode="floor"),
        columns.div(width, rounding_mode="floor"),
    )
    outer, inner = (across, down) if axis else (down, across)
    count = max(grid[1 - axis], 1)
    blocks, where = (outer * count + inner).unique(return_inverse=True)
    n = blocks.shape[0]
    where = (where * height + rows % height) * width + columns % width
    values = added(n * height * width, where, SparseValues.call(x)).reshape(n, *size)
    starts = starts_of(blocks.div(count, rounding_mode="floor"), grid[axis])
    label = "ToSparseBscBackward0" if axis else "ToSparseBsrBackward0"
    made = compressed(values, starts, blocks % count, layout, x.shape, label)
    if is_sparse(given):
        return made
    return with_values(made.detach(), values_at(given, made), label)  # zeros in a block count too


def _checked_blocks(x, layout, blocksize):
    """The block size as a pair; PyTorch's refusals of what cannot be cut so."""
    size = (blocksize, blocksize) if isinstance(blocksize, int) else tuple(blocksize)
    kind = str(layout).partition(".")[2]
    name = f"sparse_compressed_to_{kind}" if is_sparse(x) else f"dense_to_{kind}"
    if x.ndim < 2:
        raise IndexError("Dimension out of range (expected to be in range of [-1, 0], but got -2)")
    if x.ndim > 2:
        raise NotImplementedError(f"{layout} tensors have two dimensions here, got {x.ndim}")
    if len(size) != 2:
        raise RuntimeError(f"{name}: blocksize needs to be a tuple of size 2, but got {len(size)}")
    if min(size) <= 0:
        raise RuntimeError(f"{name}: blocksize needs to be positive, but got {list(size)}")
    if x.layout is layout and tuple(SparseValues.call(x).shape[1:]) != size:
        old, is_now = LAYOUT_NAMES[layout], list(SparseValues.call(x).shape[1:])
        raise RuntimeError(
            f"to_{kind}: conversion from {old} to {old} with blocksize changed from {is_now} to "
            f"{list(size)} is not supported"
        )
    if x.shape[0] % size[0] or x.shape[1] % size[1]:
        raise RuntimeError(
            f"{name}: tensor sparse size ({x.shape[0]},{x.shape[1]}) must be divisible by given "
            f"blocksize ({size[0]},{size[1]})"
        )
    return size


# ---- looking in ----------------------------------------------------------------------------------


@public("Tensor", out=False)
def is_coalesced(self):
    """is_coalesced() -> bool

    Has this COO tensor sorted indices, each once?

    >>> torch.eye(2).to_sparse().is_coalesced()
    True
    """
    need_layout("is_coalesced", self, (COO,), "sparse coordinate")
    return self._coalesced


@public("Tensor", out=False)
def sparse_dim(self):
    """sparse_dim() -> int

    How many dimensions have indices; 0 for a strided tensor.

    >>> torch.eye(2).to_sparse().sparse_dim()
    2
    """
    return self._sparse_dim if is_sparse(self) else 0


@public("Tensor", out=False)
def dense_dim(self):
    """dense_dim() -> int

    How many dimensions have none.

    >>> torch.eye(2).to_sparse().dense_dim()
    0
    """
    return self.ndim - sparse_dim(self)


@public("Tensor", out=False)
def indices(self):
    """indices() -> Tensor

    The indices (sparse dimensions, n) of a coalesced COO tensor.

    >>> torch.eye(2).to_sparse().indices()
    tensor([[0, 1],
            [0, 1]])
    """
    need_layout("indices", self, (COO,), "sparse coordinate")
    if not self.is_coalesced():
        raise RuntimeError(
            "Cannot get indices on an uncoalesced tensor, please call .coalesce() first"
        )
    return SparsePart.call(self, 0)


@public("Tensor", out=False)
def values(self):
    """values() -> Tensor

    The values of a coalesced COO tensor or of a compressed one.

    >>> torch.eye(2).to_sparse().values()
    tensor([1., 1.])
    """
    if not is_sparse(self):
        raise RuntimeError("values expected sparse tensor layout but got Strided")
    if self.layout is COO and not self.is_coalesced():
        raise RuntimeError(
            "Cannot get values on an uncoalesced tensor, please call .coalesce() first"
        )
    return SparseValues.call(self)


@public("Tensor", out=False)
def crow_indices(self):
    """crow_indices() -> Tensor

    Where the rows of a CSR tensor begin.

    >>> torch.eye(2).to_sparse_csr().crow_indices()
    tensor([0, 1, 2])
    """
    need_layout("crow_indices", self, (CSR, BSR), "sparse row compressed")
    return SparsePart.call(self, 0)


@public("Tensor", out=False)
def col_indices(self):
    """col_indices() -> Tensor

    The columns of the values of a CSR tensor.

    >>> torch.eye(2).to_sparse_csr().col_indices()
    tensor([0, 1])
    """
    need_layout("col_indices", self, (CSR, BSR), "sparse row compressed")
    return SparsePart.call(self, 1)


@public("Tensor", out=False)
def ccol_indices(self):
    """ccol_indices() -> Tensor

    Where the columns of a CSC tensor begin.

    >>> torch.eye(2).to_sparse_csc().ccol_indices()
    tensor([0, 1, 2])
    """
    need_layout("ccol_indices", self, (CSC, BSC), "sparse column compressed")
    return SparsePart.call(self, 0)


@public("Tensor", out=False)
def row_indices(self):
    """row_indices() -> Tensor

    The rows of the values of a CSC tensor.

    >>> torch.eye(2).to_sparse_csc().row_indices()
    tensor([0, 1])
    """
    need_layout("row_indices", self, (CSC, BSC), "sparse column compressed")
    return SparsePart.call(self, 1)


@public("Tensor", out=False)
def sparse_mask(self, mask):
    """sparse_mask(mask) -> Tensor

    The elements of a tensor at the places of the sparse tensor ``mask``.

    >>> torch.tensor([[1.0, 2.0], [3.0, 4.0]]).sparse_mask(torch.eye(2).to_sparse()).values()
    tensor([1., 4.])
    """
    if not is_sparse(mask):
        raise RuntimeError("sparse_mask: the mask must be a sparse tensor")
    if self.shape != mask.shape:
        raise RuntimeError(
            "sparse_mask(): operands have incompatible sizes; self has size "
            f"{list(self.shape)} but mask has size {list(mask.shape)}"
        )
    return with_values(mask, values_at(self, mask), "SparseMaskBackward0")
