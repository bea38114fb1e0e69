"""Sparse tensors of indices and values."""

import itertools

from rushlight._core import device as devices
from rushlight._core import dtypes
from rushlight._core.op import public
from rushlight._core.sparse import BLOCKED, COMPRESSED
from rushlight._core.tensor import Tensor
from rushlight._ops.create import zeros
from rushlight._ops.factory import check_options
from rushlight._ops.from_data import tensor
from rushlight._ops.sparse import BSC, BSR, CSC, CSR, LAYOUT_NAMES, compressed, coo

_checking = [False]  # torch.sparse.check_sparse_tensor_invariants


class check_sparse_tensor_invariants:
    """check_sparse_tensor_invariants(enable=True)

    A context manager, also a decorator, in which indices are checked when sparse tensors are made.
    ``enable()``, ``disable()`` and ``is_enabled()`` set and ask the same for the program.

    >>> with torch.sparse.check_sparse_tensor_invariants():
    ...     torch.sparse_coo_tensor([[0, 1]], [1.0, 2.0], (2,)).shape
    torch.Size([2])
    """

    def __init__(self, enable=True):
        self.state, self.saved = enable, []

    @staticmethod
    def is_enabled():
        """is_enabled() -> bool: are indices checked?"""
        return _checking[0]

    @staticmethod
    def enable():
        """enable() -> None: check indices from now on."""
        _checking[0] = True

    @staticmethod
    def disable():
        """disable() -> None: check indices no more."""
        _checking[0] = False

    def __enter__(self):
        self.saved.append(_checking[0])
        _checking[0] = self.state

    def __exit__(self, *exc):
        _checking[0] = self.saved.pop()

    def __call__(self, function):
        def checked(*args, **kw):
            with type(self)(self.state):
                return function(*args, **kw)

        return checked


def _together(device, values, *indices):
    """Values and indices on the device that was named, or else where the values are."""
    place = values.device if device is None else devices.resolve(device)
    return [t if t.device == place else t.to(place) for t in (values, *indices)]


def _only(expected, layout):
    """The layout that a function makes, which its argument may repeat."""
    if layout not in (None, expected):
        name = str(expected).partition(".")[2]
        raise RuntimeError(
            f"{name}_tensor: layout must be {LAYOUT_NAMES[expected]} but got {LAYOUT_NAMES[layout]}"
        )
    return expected


def _tensor_of(data, dtype=None):
    """Data as a tensor with its history, if it has any."""
    t = data if isinstance(data, Tensor) else tensor(data)
    return t if dtype is None else t.to(dtype)


def _finish(made, requires_grad):
    if requires_grad:
        made = made.detach()
        made.requires_grad = True
    return made


@public("torch", out=False)
def sparse_coo_tensor(
    indices=None,
    values=None,
    size=None,
    *,
    dtype=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
    is_coalesced=None,
):
    """sparse_coo_tensor(indices, values, size=None, *, dtype=None, device=None,
    requires_grad=False, check_invariants=None, is_coalesced=None) -> Tensor

    A tensor with ``values`` (n, ...) at ``indices`` (sparse dimensions, n) and zeros elsewhere;
    values of one place add up. Without ``size`` the smallest that holds them. RuntimeError for
    indices and values that do not fit together.

    >>> torch.sparse_coo_tensor([[0, 1], [1, 0]], [3.0, 4.0], (2, 2))
    tensor(indices=tensor([[0, 1],
                           [1, 0]]),
           values=tensor([3., 4.]),
           size=(2, 2), nnz=2, layout=torch.sparse_coo)
    """
    check_options(None, pin_memory)
    if values is None:  # sparse_coo_tensor(size): no values at all
        size = indices if size is None else size
        indices, values = zeros((len(size), 0), dtype=dtypes.int64), zeros(0, dtype=dtype)
    indices, values = _tensor_of(indices).to(dtypes.int64), _tensor_of(values, dtype)
    values, indices = _together(device, values, indices)
    checks = _checking[0] if check_invariants is None else check_invariants
    if indices.ndim != 2 and (checks or size is None or len(size) == indices.shape[0]):
        raise RuntimeError(f"indices must be sparse_dim x nnz, but got: {list(indices.shape)}")
    if values.ndim == 0:
        values = values.expand(indices.shape[1])
    if size is None:
        size = _inferred_size(indices, values)
    size = tuple(size)
    _check_coo(indices, values, size)
    if checks:
        _check_places(indices, size)
    return _finish(coo(values, indices, size, bool(is_coalesced)), requires_grad)


def _inferred_size(indices, values):
    """The smallest size that holds the indices."""
    if not indices.shape[1]:
        return (0,) * indices.shape[0] + tuple(values.shape[1:])
    for dim, least in enumerate(indices.min(1).values.tolist()):
        if least < 0:
            raise RuntimeError(f"found negative index {least} for dim {dim}")
    return tuple([i + 1 for i in indices.max(1).values.tolist()]) + tuple(values.shape[1:])


def _check_coo(indices, values, size):
    k, n = indices.shape[0], indices.shape[-1]
    if len(size) != k + values.ndim - 1:
        raise RuntimeError(
            "'len(size) == sparse_dim + dense_dim' is not satisfied: "
            f"len(size) = {len(size)}, sparse_dim = {k}, dense_dim = {values.ndim - 1}"
        )
    if values.shape[0] != n:
        raise RuntimeError(
            f"indices and values must have same nnz, but got nnz from indices: {n}, nnz from "
            f"values: {values.shape[0]}"
        )
    if tuple(values.shape[1:]) != size[k:]:
        raise RuntimeError(
            f"values has incorrect size, expected {[n, *size[k:]]}, got {list(values.shape)}"
        )


def _check_places(indices, size):
    if not indices.numel():
        return
    least, most = indices.min(1).values.tolist(), indices.max(1).values.tolist()
    for dim, (low, high) in enumerate(zip(least, most, strict=True)):
        if low < 0:
            raise RuntimeError(f"found negative index {low} for dim {dim}")
        if high >= size[dim]:
            raise RuntimeError(
                f"size is inconsistent with indices: for dim {dim}, size is {size[dim]} but found "
                f"index {high}"
            )


@public("torch", out=False)
def sparse_compressed_tensor(
    compressed_indices,
    plain_indices,
    values,
    size=None,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
):
    """sparse_compressed_tensor(compressed_indices, plain_indices, values, size=None, *, dtype=None,
    layout, device=None, requires_grad=False, check_invariants=None) -> Tensor

    A matrix in the layout torch.sparse_csr or torch.sparse_csc: where the rows (columns) begin, the
    column (row) of each value, and the values. In torch.sparse_bsr and torch.sparse_bsc the values
    are blocks (n, height, width).

    >>> starts, columns, layout = torch.tensor([0, 1, 2]), torch.tensor([1, 0]), torch.sparse_csr
    >>> values = torch.tensor([3.0, 4.0])
    >>> x = torch.sparse_compressed_tensor(starts, columns, values, layout=layout)
    >>> x.to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    check_options(None, pin_memory)
    if layout not in COMPRESSED:
        raise NotImplementedError(f"no layout {layout} here: use torch.sparse_csr or sparse_csc")
    starts, plain = _tensor_of(compressed_indices), _tensor_of(plain_indices)
    values, starts, plain = _together(device, _tensor_of(values, dtype), starts, plain)
    block_dims = 2 if layout in BLOCKED else 0
    if values.ndim <= block_dims:
        raise RuntimeError(
            "values must have dimensionality > sum of batch and block dimensionalities "
            f"(=0 + {block_dims}) but got {values.ndim}"
        )
    if starts.ndim != 1 or plain.ndim != 1 or values.ndim != 1 + block_dims:
        raise NotImplementedError(
            "batches of sparse matrices and dense dimensions are not there: one matrix at a time"
        )
    if size is None:
        size = _compressed_size(starts, plain, values, layout)
    if _checking[0] if check_invariants is None else check_invariants:
        _check_compressed(starts, plain, values, tuple(size), layout)
    label = "SparseCompressedTensorBackward0"
    made = compressed(values, starts, plain, layout, tuple(size), label)
    return _finish(made, requires_grad)


def _compressed_size(starts, plain, values, layout):
    """The smallest size that holds the values."""
    outer, inner = len(starts) - 1, int(plain.max()) + 1 if plain.numel() else 0
    rows, columns = (inner, outer) if COMPRESSED[layout] else (outer, inner)
    if layout not in BLOCKED:
        return rows, columns
    return rows * values.shape[1], columns * values.shape[2]


def _check_compressed(starts, plain, values, size, layout):
    """PyTorch's invariants of a compressed matrix, in its words."""
    cname, pname, outer, inner = (
        ("crow_indices", "col_indices", "row", "col")
        if not COMPRESSED[layout]
        else ("ccol_indices", "row_indices", "column", "row")
    )
    if len(size) != 2:
        raise RuntimeError(
            "tensor dimensionality must be sum of batch, base, and dense dimensionalities "
            f"(=0 + 2 + 0) but got {len(size)}"
        )
    unit = ""
    if layout in BLOCKED:
        unit, size = " block", _grid(values, size)
    count, width = size[::-1] if COMPRESSED[layout] else size
    n = values.shape[0]
    if starts.shape[0] != count + 1:
        raise RuntimeError(
            f"{cname}.shape[-1] must be equal to the number of {outer}{unit}s + 1 (={count + 1}), "
            f"but got {starts.shape[0]}"
        )
    if plain.shape[0] != n:
        raise RuntimeError(
            f"{pname}.shape[-1] must be equal to nnz (={n}) as defined by values.shape[0], but "
            f"got {plain.shape[0]}"
        )
    begin, ends = starts.tolist(), plain.tolist()
    if begin[0] != 0:
        raise RuntimeError(f"`{cname}[..., 0] == 0` is not satisfied.")
    if begin[-1] != n:
        raise RuntimeError(f"`{cname}[..., -1] == nnz` is not satisfied.")
    if any(not 0 <= b - a <= width for a, b in itertools.pairwise(begin)):
        raise RuntimeError(
            f"`0 <= {cname}[..., 1:] - {cname}[..., :-1] <= n{inner}s` is not satisfied."
        )
    if any(not 0 <= p < width for p in ends):
        raise RuntimeError(f"`0 <= {pname} < n{inner}s` is not satisfied.")
    for a, b in itertools.pairwise(begin):
        if any(p >= q for p, q in zip(ends[a:b], ends[a + 1 : b], strict=False)):
            raise RuntimeError(
                f"`{pname}[..., {cname}[..., i - 1]:{cname}[..., i]] for all i = 1, ..., "
                f"n{outer}s are sorted and distinct along the last dimension values` is not "
                "satisfied."
            )


def _grid(values, size):
    """How many blocks of these values stand below and beside each other."""
    for dim, (length, block) in enumerate(zip(size, values.shape[1:], strict=True)):
        if length % block:
            raise RuntimeError(
                f"tensor shape[{dim}] (={length}) must be divisible with blocksize[{dim}] "
                f"(={block}) as defined by values shape"
            )
    return tuple([length // block for length, block in zip(size, values.shape[1:], strict=True)])


@public("torch", out=False)
def sparse_csr_tensor(
    crow_indices,
    col_indices,
    values,
    size=None,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
):
    """sparse_csr_tensor(crow_indices, col_indices, values, size=None, *, dtype=None, device=None,
    requires_grad=False, check_invariants=None) -> Tensor

    A matrix stored by rows: where each begins, the column of each value, and the values.

    >>> torch.sparse_csr_tensor([0, 1, 2], [1, 0], [3.0, 4.0]).to_dense()
    tensor([[0., 3.],
            [4., 0.]])
    """
    return sparse_compressed_tensor(
        crow_indices,
        col_indices,
        values,
        size,
        dtype=dtype,
        layout=_only(CSR, layout),
        device=device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
        check_invariants=check_invariants,
    )


@public("torch", out=False)
def sparse_csc_tensor(
    ccol_indices,
    row_indices,
    values,
    size=None,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
):
    """sparse_csc_tensor(ccol_indices, row_indices, values, size=None, *, dtype=None, device=None,
    requires_grad=False, check_invariants=None) -> Tensor

    A matrix stored by columns: where each begins, the row of each value, and the values.

    >>> starts, rows = torch.tensor([0, 1, 2]), torch.tensor([1, 0])
    >>> torch.sparse_csc_tensor(starts, rows, torch.tensor([3.0, 4.0])).to_dense()
    tensor([[0., 4.],
            [3., 0.]])
    """
    return sparse_compressed_tensor(
        ccol_indices,
        row_indices,
        values,
        size,
        dtype=dtype,
        layout=_only(CSC, layout),
        device=device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
        check_invariants=check_invariants,
    )


@public("torch", out=False)
def sparse_bsr_tensor(
    crow_indices,
    col_indices,
    values,
    size=None,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
):
    """sparse_bsr_tensor(crow_indices, col_indices, values, size=None, *, dtype=None, device=None,
    requires_grad=False, check_invariants=None) -> Tensor

    A matrix stored in blocks by rows: where each row of blocks begins, the column of each block,
    and the blocks (n, height, width).

    >>> starts, places, blocks = torch.tensor([0, 1]), torch.tensor([1]), torch.ones(1, 2, 2)
    >>> torch.sparse_bsr_tensor(starts, places, blocks, (2, 4)).to_dense()
    tensor([[0., 0., 1., 1.],
            [0., 0., 1., 1.]])
    """
    return sparse_compressed_tensor(
        crow_indices,
        col_indices,
        values,
        size,
        dtype=dtype,
        layout=_only(BSR, layout),
        device=device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
        check_invariants=check_invariants,
    )


@public("torch", out=False)
def sparse_bsc_tensor(
    ccol_indices,
    row_indices,
    values,
    size=None,
    *,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    check_invariants=None,
):
    """sparse_bsc_tensor(ccol_indices, row_indices, values, size=None, *, dtype=None, device=None,
    requires_grad=False, check_invariants=None) -> Tensor

    A matrix stored in blocks by columns: where each column of blocks begins, the row of each
    block, and the blocks (n, height, width).

    >>> starts, places, blocks = torch.tensor([0, 1]), torch.tensor([1]), torch.ones(1, 2, 2)
    >>> torch.sparse_bsc_tensor(starts, places, blocks, (4, 2)).to_dense()
    tensor([[0., 0.],
            [0., 0.],
            [1., 1.],
            [1., 1.]])
    """
    return sparse_compressed_tensor(
        ccol_indices,
        row_indices,
        values,
        size,
        dtype=dtype,
        layout=_only(BSC, layout),
        device=device,
        pin_memory=pin_memory,
        requires_grad=requires_grad,
        check_invariants=check_invariants,
    )
