"""Messages between the loader and a worker.

A message is one pickle. The arrays of a large one go through anonymous shared memory (memfd,
Linux): the worker writes them there, sends the descriptor, and is free to work on; the loader maps
or copies them. Memory without a name cannot be left behind, whoever dies. Elsewhere, and for small
messages, the arrays are part of the pickle.
"""

import mmap
import os
import pickle
from io import BytesIO
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any
from weakref import WeakSet

from rushlight import _api as torch

LARGE = 1 << 15  # bytes of arrays for which shared memory is faster than the pipe
MAPPED = 1 << 20  # bytes for which mapping them is faster than a copy
MAX_MAPPINGS = 256
ALIGNMENT = 64

_mappings: WeakSet[mmap.mmap] = WeakSet()


class _Pickler(reduction.ForkingPickler):
    def reducer_override(self, obj: Any) -> Any:
        return _reduced(obj) if type(obj) is torch.Tensor else NotImplemented


def _reduced(tensor: torch.Tensor) -> Any:
    if tensor.device.type != "cpu" or tensor.is_sparse:
        return NotImplemented
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries.  If you just want to transfer the "
            "data, call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    plain = tensor.detach().contiguous()
    bits = plain.view(torch.int16) if tensor.dtype is torch.bfloat16 else plain
    return _tensor, (bits.numpy(), tensor.dtype, tensor.requires_grad)


def _tensor(array: Any, dtype: torch.dtype, requires_grad: bool) -> torch.Tensor:
    tensor = torch.from_numpy(array)
    if tensor.dtype is not dtype:
        tensor = tensor.view(dtype)
    return tensor.requires_grad_() if requires_grad else tensor


class Channel:
    """One end of a connection between two processes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection

    def fileno(self) -> int:
        return self.connection.fileno()

    def close(self) -> None:
        self.connection.close()

    def send(self, message: Any) -> None:
        """Send any object that can be pickled. Blocks while more than the system's buffer is
        unread.
        """
        arrays: list[pickle.PickleBuffer] = []
        text = BytesIO()
        _Pickler(text, 5, True, _collector(arrays)).dump(message)
        sizes = [array.raw().nbytes for array in arrays]
        self.connection.send_bytes(pickle.dumps(sizes) + text.getvalue())
        if arrays:
            memory = _shared(arrays, sizes)
            try:
                reduction.send_handle(self.connection, memory, None)
            finally:
                os.close(memory)

    def send_text(self, text: bytes) -> None:
        """Send what `packed` made."""
        self.connection.send_bytes(text)

    def receive(self) -> Any:
        stream = BytesIO(self.connection.recv_bytes())
        sizes = pickle.load(stream)
        if not sizes:
            return pickle.load(stream)
        memory = reduction.recv_handle(self.connection)
        *starts, total = _offsets(sizes)
        try:
            view = memoryview(_block(memory, total))
        finally:
            os.close(memory)
        pieces = [view[start : start + n] for start, n in zip(starts, sizes, strict=True)]
        return pickle.load(stream, buffers=pieces)


def packed(message: Any) -> bytes:
    """A small message as it goes over the connection."""
    return pickle.dumps([]) + bytes(_Pickler.dumps(message, 5))


def _collector(arrays: list) -> Any:
    """Takes an array out of the pickle (by returning None) if it is large and there is shared
    memory.
    """
    if not hasattr(os, "memfd_create"):
        return None

    def take(buffer: pickle.PickleBuffer) -> bool:
        if buffer.raw().nbytes < LARGE:
            return True
        arrays.append(buffer)
        return False

    return take


def _offsets(sizes: list[int]) -> list[int]:
    """Where each array begins, and where the last one ends."""
    offsets = [0]
    for size in sizes:
        offsets.append(offsets[-1] + -(-size // ALIGNMENT) * ALIGNMENT)
    return offsets


def _shared(arrays: list[pickle.PickleBuffer], sizes: list[int]) -> int:
    """A descriptor of anonymous memory that holds the arrays."""
    memory = os.memfd_create("rushlight-batch", os.MFD_CLOEXEC)
    try:
        *starts, total = _offsets(sizes)
        os.ftruncate(memory, total)
        for array, start in zip(arrays, starts, strict=True):
            view, done = array.raw(), 0
            while done < view.nbytes:
                done += os.pwrite(memory, view[done:], start + done)
    except BaseException:
        os.close(memory)
        raise
    return memory


def _block(memory: int, size: int) -> Any:
    """The memory behind a descriptor, as a writable buffer: mapped if it is large, else copied.

    A mapping keeps a descriptor open as long as it lives, so there are not too many of them.
    """
    if size >= MAPPED and len(_mappings) < MAX_MAPPINGS:
        mapped = mmap.mmap(memory, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        _mappings.add(mapped)
        return mapped
    block = bytearray(size)
    view, done = memoryview(block), 0
    while done < size:
        done += os.preadv(memory, [view[done:]], done)
    return block
