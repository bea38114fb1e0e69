"""A module shaped like ``cupy.cuda.nccl``, for processes without GPUs.

Buffers are addresses, as NCCL takes them; here they are NumPy's memory (see tests/cuda/standin.py).
What is sent goes through a store: slow, and in the order that NCCL promises, no other.
"""

import ctypes
import itertools
import os
import uuid

import ml_dtypes
import numpy as np

available = True
TYPES = [np.int8, np.uint8, np.int32, np.uint32, np.int64, np.uint64, np.float16, np.float32]
TYPES += [np.float64, ml_dtypes.bfloat16]
OPS = [np.add, np.multiply, np.maximum, np.minimum, np.add]  # the last is the average
_open = []  # messages of the group that is open
_depth = 0
store = None  # set by the program
calls = []


def get_unique_id():
    text = uuid.uuid4().hex.encode().ljust(128, b"\0")
    return tuple(v - 256 if v > 127 else v for v in text)


def groupStart():
    global _depth
    _depth += 1


def groupEnd():
    global _depth
    _depth -= 1
    if _depth == 0:
        messages, _open[:] = sorted(_open, key=lambda m: m[0]), []
        for _, run in messages:  # sends first
            run()


def _message(order, run):
    if _depth:
        _open.append((order, run))
    else:
        run()


def _at(pointer, count, kind):
    dtype = np.dtype(TYPES[kind])
    raw = (ctypes.c_char * (count * dtype.itemsize)).from_address(pointer)
    return np.frombuffer(raw, np.uint8).view(dtype)


class NcclCommunicator:
    def __init__(self, ndev, commId, rank):
        assert len(commId) == 128
        assert 0 <= rank < ndev
        self.n, self.rank = ndev, rank
        self.id = bytes(v & 255 for v in commId).rstrip(b"\0").decode()
        self.number = itertools.count()
        self.sent, self.got = {}, {}
        self.aborted = False
        store.add(f"{self.id}/there", 1)
        store.set(f"{self.id}/{rank}/there", b"1")
        store.wait([f"{self.id}/{r}/there" for r in range(ndev)])

    def _all(self, data, name, *facts):
        """What all bring to the next collective, which must be the same one."""
        calls.append(name)
        k = next(self.number)
        store.set(f"{self.id}/{k}/{self.rank}", repr((name, *facts)).encode() + b"|" + data)
        found = [store.get(f"{self.id}/{k}/{r}").partition(b"|") for r in range(self.n)]
        assert len({head for head, _, _ in found}) == 1, found
        return [body for _, _, body in found]

    def allReduce(self, sendbuf, recvbuf, count, datatype, op, stream):
        assert stream
        mine = _at(sendbuf, count, datatype)
        parts = self._all(mine.tobytes(), "allReduce", count, datatype, op)
        _at(recvbuf, count, datatype)[...] = self._reduced(parts, mine.dtype, op)

    def _reduced(self, parts, dtype, op):
        arrays = [np.frombuffer(p, np.uint8).view(dtype) for p in parts]
        total = arrays[0].copy()
        for a in arrays[1:]:
            total = OPS[op](total, a)
        return total / dtype.type(self.n) if op == 4 else total

    def reduce(self, sendbuf, recvbuf, count, datatype, op, root, stream):
        mine = _at(sendbuf, count, datatype)
        parts = self._all(mine.tobytes(), "reduce", count, datatype, op, root)
        if self.rank == root:
            _at(recvbuf, count, datatype)[...] = self._reduced(parts, mine.dtype, op)

    def broadcast(self, sendbuff, recvbuff, count, datatype, root, stream):
        data = _at(sendbuff, count, datatype).tobytes() if self.rank == root else b""
        parts = self._all(data, "broadcast", count, datatype, root)
        target = _at(recvbuff, count, datatype)
        target[...] = np.frombuffer(parts[root], np.uint8).view(target.dtype)

    def allGather(self, sendbuf, recvbuf, count, datatype, stream):
        parts = self._all(_at(sendbuf, count, datatype).tobytes(), "allGather", count, datatype)
        target = _at(recvbuf, count * self.n, datatype)
        target[...] = np.frombuffer(b"".join(parts), np.uint8).view(target.dtype)

    def reduceScatter(self, sendbuf, recvbuf, recvcount, datatype, op, stream):
        mine = _at(sendbuf, recvcount * self.n, datatype)
        parts = self._all(mine.tobytes(), "reduceScatter", recvcount, datatype, op)
        total = self._reduced(parts, mine.dtype, op)
        own = slice(self.rank * recvcount, (self.rank + 1) * recvcount)
        _at(recvbuf, recvcount, datatype)[...] = total[own]

    def send(self, sendbuf, count, datatype, peer, stream):
        def run():
            n = self.sent[peer] = self.sent.get(peer, 0) + 1
            data = _at(sendbuf, count, datatype).tobytes()
            store.set(f"{self.id}/{self.rank}to{peer}/{n}", data)

        calls.append("send")
        _message(0, run)

    def recv(self, recvbuf, count, datatype, peer, stream):
        def run():
            n = self.got[peer] = self.got.get(peer, 0) + 1
            target = _at(recvbuf, count, datatype)
            data = store.get(f"{self.id}/{peer}to{self.rank}/{n}")
            target[...] = np.frombuffer(data, np.uint8).view(target.dtype)

        _message(1, run)

    def check_async_error(self):
        assert not self.aborted

    def abort(self):
        self.aborted = True


def connect():
    """The store that stands for the wires between GPUs."""
    global store
    from rushlight.distributed import TCPStore

    store = TCPStore(os.environ["MASTER_ADDR"], int(os.environ["MASTER_PORT"]))
