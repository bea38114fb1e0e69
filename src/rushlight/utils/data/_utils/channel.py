"""Messages between the loader and a worker.

A message is one pickle. The memory of its tensors and arrays is not part of it: it stands in shared
memory (`segments.py`), and the message says where. Only what is smaller than a page is sent as it
is.
"""

import os
import pickle
import socket
from io import BytesIO
from math import prod
from multiprocessing import reduction
from multiprocessing.connection import Connection
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight._core.sparse import SparseTensor
from rushlight._core.storage import UntypedStorage, rebuild_array, rebuild_tensor
from rushlight._core.tensor import Parameter, wrap
from rushlight.multiprocessing.reductions import reduce_sparse_tensor
from rushlight.utils.data._utils.segments import PAGE, Entry, Inbox, Outbox

DESCRIPTORS = 200  # in one message, at most

# That of the worker process that this is; None in any other.
outbox: list[Outbox | None] = [None]


def in_worker() -> bool:
    """Whether this process makes batches for another."""
    return outbox[0] is not None


def room_for(size: tuple[int, ...], dtype: torch.dtype) -> torch.Tensor | None:
    """An uninitialised tensor for a batch, in the shared memory that it will be sent in; None in a
    process that sends none, and for what is small.
    """
    box = outbox[0]
    if box is None or (nbytes := prod(size) * dtype.itemsize) < PAGE:
        return None
    stride = [1] * len(size)
    for i in range(len(size) - 2, -1, -1):
        stride[i] = stride[i + 1] * size[i + 1]
    storage = UntypedStorage._of(box.take(nbytes))
    return rebuild_tensor(storage, 0, size, stride, dtype=dtype)


class _Pickler(reduction.ForkingPickler):
    def reducer_override(self, obj: Any) -> Any:
        kind = type(obj)
        if kind is torch.Tensor or kind is Parameter:
            return _reduced(obj)
        if kind is SparseTensor:
            return reduce_sparse_tensor(obj)
        return NotImplemented


def _reduced(tensor: torch.Tensor) -> Any:
    if tensor.device.type != "cpu":
        return NotImplemented
    if tensor.requires_grad and not tensor.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support crossing process boundaries.  If you just want to transfer the "
            "data, call detach() on the tensor before serializing (e.g., putting it on the queue)."
        )
    plain = tensor.detach()
    if not _is_dense(plain):
        plain = plain.contiguous()
    start = plain.storage_offset() * plain.element_size()
    nbytes = plain.numel() * plain.element_size()
    piece = plain.untyped_storage()._bytes[start : start + nbytes]
    layout = (tuple(plain.shape), plain.stride(), plain.dtype)
    return _tensor, (pickle.PickleBuffer(piece), *layout, type(tensor), tensor.requires_grad)


def _is_dense(tensor: torch.Tensor) -> bool:
    """Whether its elements fill its memory from the first to the last, in whatever order."""
    if tensor.is_contiguous():
        return True
    expected = 1
    for stride, size in sorted(zip(tensor.stride(), tensor.shape, strict=True)):
        if size != 1 and stride != expected:
            return False
        expected *= size
    return True


def _tensor(
    memory: Any, size: tuple, stride: tuple, dtype: torch.dtype, kind: type, requires_grad: bool
) -> torch.Tensor:
    root = memory if type(memory) is np.ndarray else np.frombuffer(memory, np.uint8)
    if not root.flags.writeable:
        root = root.copy()
    tensor = wrap(rebuild_array(UntypedStorage._of(root), dtype, 0, size, stride))
    if kind is Parameter:
        return Parameter(tensor, requires_grad)
    return tensor.requires_grad_() if requires_grad else tensor


class Channel:
    """One end of a connection between two processes."""

    def __init__(self, connection: Connection) -> None:
        self.connection = connection
        self.inbox = Inbox()

    def fileno(self) -> int:
        return self.connection.fileno()

    def close(self) -> None:
        self.connection.close()

    def send(self, message: Any) -> None:
        """Send what a worker has made. Blocks while more than the system's buffer is unread."""
        box = outbox[0]
        assert box is not None
        pieces: list[np.ndarray] = []
        text = BytesIO()
        try:
            _Pickler(text, 5, True, _collector(pieces)).dump(message)
            header, fds = _stored(box, pieces)
        finally:
            del pieces
            box.tidy()
        try:
            self.connection.send_bytes(header + text.getbuffer())
            self._send_descriptors(fds)
        finally:
            for fd in fds:
                os.close(fd)

    def _send_descriptors(self, fds: list[int]) -> None:
        for i in range(0, len(fds), DESCRIPTORS):
            with socket.fromfd(self.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as s:
                reduction.sendfds(s, fds[i : i + DESCRIPTORS])

    def ask(self, text: bytes) -> None:
        """Send what `packed` made to a worker, and which segments it may use again."""
        self.connection.send_bytes(pickle.dumps(self.inbox.returns()) + text)

    def asked(self) -> Any:
        """What the loader sent to this worker."""
        stream = BytesIO(self.connection.recv_bytes())
        box = outbox[0]
        assert box is not None
        box.give_back(pickle.load(stream))
        return pickle.load(stream)

    def receive(self) -> Any:
        stream = BytesIO(self.connection.recv_bytes())
        header = pickle.load(stream)  # a list of plain tuples, or None
        if header is None:
            return pickle.load(stream)
        entries, order, dropped = header
        entries = [Entry(*entry) for entry in entries]
        fds = self._receive_descriptors(sum(entry.new for entry in entries))
        roots = [self.inbox.borrow(entry, next(fds) if entry.new else -1) for entry in entries]
        self.inbox.forget(dropped)
        whole = (used == entries[which].used for which, used in order)
        buffers = [
            roots[which] if all_of_it else roots[which][:used]
            for (which, used), all_of_it in zip(order, whole, strict=True)
        ]
        return pickle.load(stream, buffers=buffers)

    def _receive_descriptors(self, count: int) -> Any:
        fds: list[int] = []
        while len(fds) < count:
            with socket.fromfd(self.fileno(), socket.AF_UNIX, socket.SOCK_STREAM) as s:
                fds += reduction.recvfds(s, min(DESCRIPTORS, count - len(fds)))
        return iter(fds)


def packed(message: Any) -> bytes:
    """A small message to a worker as it goes over the connection."""
    return bytes(_Pickler.dumps(message, 5))


_NO_MEMORY = pickle.dumps(None)


def _collector(pieces: list[np.ndarray]) -> Any:
    """Takes an array out of the pickle (by returning None) if it is not small."""
    if os.name != "posix":
        return None  # descriptors cannot be sent

    def take(buffer: pickle.PickleBuffer) -> bool:
        raw = buffer.raw()
        if raw.nbytes < PAGE or raw.readonly:
            return True
        pieces.append(np.frombuffer(raw, np.uint8))
        return False

    return take


def _stored(box: Outbox, pieces: list[np.ndarray]) -> tuple[bytes, list[int]]:
    """What to send before a message whose memory is this, and the descriptors to send after it."""
    if not pieces and not box.dropped:
        return _NO_MEMORY, []
    segments = [box.holding(piece) for piece in pieces]
    sizes: dict[Any, int] = {}  # two pieces may begin at one place
    for segment, piece in zip(segments, pieces, strict=True):
        sizes[segment] = max(sizes.get(segment, 0), piece.nbytes)
    places = {segment: i for i, segment in enumerate(sizes)}
    order = [(places[s], piece.nbytes) for s, piece in zip(segments, pieces, strict=True)]
    entries: list[Entry] = []
    fds: list[int] = []
    for segment, used in sizes.items():
        entry, fd = box.lend(segment, used)
        entries.append(entry)
        if fd >= 0:
            fds.append(fd)
    dropped, box.dropped = box.dropped, []
    plain = [tuple(entry) for entry in entries]
    return pickle.dumps((plain, order, dropped), 5), fds
