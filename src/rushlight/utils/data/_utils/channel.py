"""Messages between the loader and a worker.

A message is one pickle. The arrays of a large one go through anonymous shared memory (memfd,
Linux): the worker writes them there, sends the descriptor, and is free to work on; the loader
copies them out and closes it. Memory without a name cannot be left behind, whoever dies. Elsewhere,
and for small messages, the arrays are part of the pickle.
"""

import mmap
import os
import pickle
from io import BytesIO
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

from rushlight import _api as torch

LARGE = 1 << 15  # bytes of arrays for which shared memory is faster than the pipe
ALIGNMENT = 64


class _Pickler(reduction.ForkingPickler):
    def reducer_override(self, obj: Any) -> Any:
        return _reduced(obj) if type(obj) is torch.Tensor else NotImplemented


def _reduced(tensor: torch.Tensor) -> Any:
    if tensor.device.type != "cpu" or tensor.is_sparse:
        return NotImplemented
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing "
            "process boundaries.  If you just want to transfer the data, call detach() on the "
            "tensor before serializing "
            "(e.g., putting it on the queue)."
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
        offsets = _offsets(sizes)
        block = bytearray(offsets[-1])
        try:
            _read(memory, block)
        finally:
            os.close(memory)
        view = memoryview(block)
        pieces = [view[start : start + n] for start, n in zip(offsets, sizes, strict=False)]
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
    offsets = _offsets(sizes)
    memory = os.memfd_create("rushlight-batch", os.MFD_CLOEXEC)
    try:
        os.ftruncate(memory, offsets[-1])
        with mmap.mmap(memory, offsets[-1]) as area:
            for array, offset, size in zip(arrays, offsets, sizes, strict=False):
                area[offset : offset + size] = array.raw()
    except BaseException:
        os.close(memory)
        raise
    return memory


def _read(memory: int, block: bytearray) -> None:
    view, done = memoryview(block), 0
    while done < len(block):
        done += os.preadv(memory, [view[done:]], done)
