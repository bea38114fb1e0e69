"""Sparse tensors out of files: made of their parts, and checked when the parts have been read."""

import contextlib
import threading
from collections.abc import Iterator
from typing import Any

from rushlight import _api as torch
from rushlight._core import device as devices
from rushlight._core import dtypes
from rushlight._core.tensor import Tensor
from rushlight.serialization import settings

_COMPRESSED = (devices.sparse_csr, devices.sparse_csc, devices.sparse_bsr, devices.sparse_bsc)


class _Thread(threading.local):
    waiting: list | None = None  # arguments of tensors to check when the file has been read


_thread = _Thread()


@contextlib.contextmanager
def checked_at_the_end() -> Iterator[None]:
    """Context manager: sparse tensors made in the block are checked when it ends.

    The old format has the elements of tensors after everything else. Where PyTorch does not look,
    we do: indices outside of the tensor are a RuntimeError.
    """
    before, _thread.waiting = _thread.waiting, []
    try:
        yield
        if not settings.thread.skip_data:
            for arguments in _thread.waiting:
                _check(*arguments)
    finally:
        _thread.waiting = before


def _rebuild_sparse_tensor(layout, data):
    """What files call for a sparse tensor: its layout, and its parts with its size at the end."""
    if layout is devices.sparse_coo:
        # Files of before PyTorch 2.1 do not say whether indices are sorted and distinct.
        *parts, is_coalesced = data if len(data) == 4 else (*data, None)
    elif layout in _COMPRESSED:
        parts, is_coalesced = data, None
    else:
        raise NotImplementedError(f"rebuilding sparse tensor for layout {layout}")
    *tensors, size = parts
    _check_kinds(tensors, size)
    made = _make(False, layout, tensors, size, is_coalesced)
    arguments = (layout, tensors, size, is_coalesced)
    if _thread.waiting is None:
        _check(*arguments)
    else:
        _thread.waiting.append(arguments)
    return made


def _check_kinds(tensors, size):
    """An error unless the parts are dense tensors, the indices of integers."""
    for part in tensors:
        if not isinstance(part, Tensor) or part.layout is not devices.strided:
            raise TypeError(f"a part of a sparse tensor is of type {type(part).__name__}")
        if part.device.type not in ("cpu", "cuda"):
            raise NotImplementedError(
                f"this file has a sparse tensor, which there is none of on {part.device}: use "
                "map_location='cpu'"
            )
    if any(part.dtype not in (dtypes.int64, dtypes.int32) for part in tensors[:-1]):
        raise RuntimeError("the indices of a sparse tensor in this file are not integers")
    if not isinstance(size, (tuple, list)) or not all(type(n) is int and n >= 0 for n in size):
        raise TypeError("the size of a sparse tensor in this file is not a size")


def _make(check: bool, layout: Any, tensors: list, size: Any, is_coalesced: bool | None) -> Tensor:
    """The tensor of these parts."""
    if layout is devices.sparse_coo:
        return torch.sparse_coo_tensor(
            *tensors, size, is_coalesced=is_coalesced, check_invariants=check
        )
    return torch.sparse_compressed_tensor(*tensors, size, layout=layout, check_invariants=check)


def _check(*arguments):
    """RuntimeError for indices outside of the tensor; rows may be in any order."""
    try:
        _make(True, *arguments)
    except RuntimeError as error:
        if "are sorted and distinct" not in str(error):  # checked last, when all else is right
            raise
