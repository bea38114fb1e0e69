"""How tensors and storages are pickled for another process: as handles of shared memory."""

import os
from multiprocessing import reduction

# A fork must not inherit a half-made sharer of descriptors: queues pickle in a thread.
from multiprocessing import resource_sharer as _resource_sharer  # noqa: F401
from typing import Any

from rushlight import _api as torch
from rushlight._core import shared
from rushlight._core.sparse import SparseTensor
from rushlight._core.storage import UntypedStorage, rebuild_array
from rushlight._core.tensor import Parameter, wrap
from rushlight._core.typed_storage import TypedStorage
from rushlight.multiprocessing import _named

Reduced = tuple[Any, ...]


# ---- tensors -------------------------------------------------------------------------------------


def reduce_tensor(tensor: torch.Tensor) -> Reduced:
    """reduce_tensor(tensor): its storage, which moves to shared memory, and its layout.

    RuntimeError for a tensor that was computed and requires a gradient.
    """
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries.  If you just want to transfer the "
            "data, call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    if tensor.device.type == "meta":
        shape = (tuple(tensor.size()), tensor.stride(), tensor.dtype)
        return rebuild_meta_tensor, (type(tensor), *shape, tensor.requires_grad)
    storage = tensor.untyped_storage()
    _handle(storage, tensor)
    layout = (tensor.storage_offset(), tuple(tensor.size()), tensor.stride(), tensor.dtype)
    return rebuild_tensor, (type(tensor), storage, layout, tensor.requires_grad)


def rebuild_tensor(
    cls: type, storage: UntypedStorage, layout: tuple, requires_grad: bool
) -> torch.Tensor:
    """rebuild_tensor(cls, storage, (offset, size, stride, dtype), requires_grad)"""
    offset, size, stride, dtype = layout
    return _of_class(cls, wrap(rebuild_array(storage, dtype, offset, size, stride)), requires_grad)


def _of_class(cls: type, tensor: torch.Tensor, requires_grad: bool) -> torch.Tensor:
    if cls is Parameter:
        return Parameter(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


def rebuild_meta_tensor(
    cls: type, size: tuple, stride: tuple, dtype: torch.dtype, requires_grad: bool
) -> torch.Tensor:
    """rebuild_meta_tensor(cls, size, stride, dtype, requires_grad): shapes without data."""
    made = torch.empty_strided(size, stride, dtype=dtype, device="meta")
    return _of_class(cls, made, requires_grad)


def reduce_sparse_tensor(tensor: torch.Tensor) -> Reduced:
    """reduce_sparse_tensor(tensor): its indices and values, each of which is shared."""
    size = tuple(tensor.shape)
    if tensor.layout is torch.sparse_coo:
        parts = (tensor._indices(), tensor._values(), size, tensor.is_coalesced())
        return rebuild_sparse_coo_tensor, parts
    if tensor.layout in (torch.sparse_csr, torch.sparse_bsr):
        indices = (tensor.crow_indices(), tensor.col_indices())
    else:
        indices = (tensor.ccol_indices(), tensor.row_indices())
    return rebuild_sparse_compressed_tensor, (*indices, tensor.values(), size, tensor.layout)


def rebuild_sparse_coo_tensor(
    indices: torch.Tensor, values: torch.Tensor, shape: tuple, is_coalesced: bool
) -> torch.Tensor:
    """rebuild_sparse_coo_tensor(indices, values, shape, is_coalesced)"""
    return torch.sparse_coo_tensor(indices, values, shape, is_coalesced=is_coalesced)


def rebuild_sparse_compressed_tensor(
    compressed: torch.Tensor, plain: torch.Tensor, values: torch.Tensor, size: tuple, layout: Any
) -> torch.Tensor:
    """rebuild_sparse_compressed_tensor(compressed, plain, values, size, layout)"""
    return torch.sparse_compressed_tensor(compressed, plain, values, size, layout=layout)


# ---- storages ------------------------------------------------------------------------------------


def reduce_storage(storage: UntypedStorage) -> Reduced:
    """reduce_storage(storage): move it to shared memory, and give a handle of that."""
    if storage.device.type == "meta":
        raise RuntimeError("Cannot pickle meta storage; try pickling a meta tensor instead")
    mapping = _handle(storage)
    if mapping.fd is not None:
        return rebuild_storage_fd, (reduction.DupFd(mapping.fd), storage.nbytes())
    return rebuild_storage_filename, (_named.link(mapping), storage.nbytes())


def _handle(storage: UntypedStorage, only: torch.Tensor | None = None) -> shared.Mapping:
    """The mapping under a storage, moved to a new one if this one cannot be passed on."""
    mapping = shared.mapping_of(storage._root)
    if mapping is None or (mapping.fd is None and mapping.name is None):
        storage._move_to(shared.allocator[0](storage.nbytes()), only)
        mapping = shared.mapping_of(storage._root)
    assert mapping is not None
    return mapping


def rebuild_storage_fd(handle: Any, size: int) -> UntypedStorage:
    """rebuild_storage_fd(handle, size): the storage behind a descriptor, mapped once."""
    fd = handle.detach()
    kept = False
    try:
        key = shared.file_key(os.fstat(fd))
        root = shared.known(key)
        if root is None:
            mapping = shared.Mapping(fd, size)
            mapping.fd, kept = fd, True
            root = shared.remembered(key, mapping)
        return UntypedStorage._of(root)
    finally:
        if not kept:
            os.close(fd)


def rebuild_storage_filename(name: str, size: int) -> UntypedStorage:
    """rebuild_storage_filename(name, size): the storage behind a file name, mapped once."""
    return UntypedStorage._of(_named.opened(name, size))


def reduce_typed_storage(storage: TypedStorage) -> Reduced:
    """reduce_typed_storage(storage): its bytes and their dtype."""
    return rebuild_typed_storage, (storage._untyped_storage, storage.dtype)


def rebuild_typed_storage(storage: UntypedStorage, dtype: torch.dtype) -> TypedStorage:
    """rebuild_typed_storage(storage, dtype)"""
    return TypedStorage(wrap_storage=storage, dtype=dtype, _internal=True)


def init_reductions() -> None:
    """init_reductions(): have everything that multiprocessing pickles use these functions.

    Importing ``torch.multiprocessing`` does it.

    >>> torch.multiprocessing.init_reductions()
    """
    for kind in (torch.Tensor, Parameter):
        reduction.register(kind, reduce_tensor)
    reduction.register(SparseTensor, reduce_sparse_tensor)
    reduction.register(UntypedStorage, reduce_storage)
    reduction.register(TypedStorage, reduce_typed_storage)
