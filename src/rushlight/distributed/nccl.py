"""Collectives between GPUs: NCCL, by way of CuPy.

A group has a communicator for the device of this process, made when a tensor of a device is first
used. Work is put on a stream of its own, after what the current stream has to do; ``wait`` lets the
current stream wait for it, not the processor. So what is reduced while backward runs costs no time
of the program.
"""

import contextlib
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight._core import gpu
from rushlight.distributed.engine import Engine
from rushlight.distributed.errors import DistBackendError
from rushlight.distributed.reduce_op import RedOpType, Reduction
from rushlight.distributed.store import Store
from rushlight.distributed.waiting import Watch

__all__ = ["NCCLEngine"]

# NCCL's numbers for dtypes and reductions (nccl.h).
_TYPES = {
    "int8": 0, "uint8": 1, "bool": 1, "int32": 2, "uint32": 3, "int64": 4, "uint64": 5,
    "float16": 6, "float32": 7, "float64": 8, "bfloat16": 9, "float8_e4m3fn": 10,
    "float8_e5m2": 11,
}  # fmt: skip
_OPS = {
    RedOpType.SUM: 0,
    RedOpType.PREMUL_SUM: 0,
    RedOpType.PRODUCT: 1,
    RedOpType.MAX: 2,
    RedOpType.MIN: 3,
    RedOpType.AVG: 4,
}
_BYTES = 1  # NCCL's uint8


def module() -> Any:
    """``cupy.cuda.nccl``; RuntimeError if there is no device, or CuPy was built without NCCL."""
    if not gpu.is_available():
        raise RuntimeError(
            "ProcessGroupNCCL is only supported with GPUs, no GPUs found! "
            f"({gpu.cuda.missing}; pip install 'rushlight[cuda]', or use the backend 'gloo')"
        )
    nccl = getattr(gpu.cuda.module.cuda, "nccl", None)
    if nccl is None or not getattr(nccl, "available", True):
        raise RuntimeError(
            "Distributed package doesn't have NCCL built in: this CuPy comes without it "
            "(pip install nvidia-nccl-cu13, or use the backend 'gloo')"
        )
    return nccl


def is_available() -> bool:
    """Whether there is a GPU, and a CuPy with NCCL."""
    try:
        module()
    except RuntimeError:
        return False
    return True


class _Launched:
    """What was put on the stream: its end, and the arrays that must live until then."""

    def __init__(self, event: Any, arrays: list[Any]) -> None:
        self.event, self.arrays = event, arrays


class NCCLEngine(Engine):
    """A group on the GPUs of its processes: the same collectives, on flat arrays of a device."""

    def __init__(self, watch: Watch, rank: int, size: int, store: Store | None, name: str) -> None:
        super().__init__(watch, rank, size)
        self._store, self._name = store, name
        self._comm: Any = None
        self._stream: Any = None
        self.device = -1
        self._launched: list[_Launched] = []
        self._coalescing = False

    def open(self, device: int) -> None:
        """Make the communicator: all processes of the group do it, each for a device of its own."""
        if self._comm is not None:
            if device != self.device:
                raise RuntimeError(
                    f"this process uses cuda:{self.device} in group {self._name}: tensors of "
                    f"cuda:{device} need a group of their own"
                )
            return
        nccl, cupy = module(), gpu.cuda.module
        with gpu.on(device):
            self._stream = cupy.cuda.Stream(non_blocking=True)
            self._comm = nccl.NcclCommunicator(self.size, self._unique_id(nccl), self.rank)
        self.device = device

    def _unique_id(self, nccl: Any) -> tuple:
        """Rank 0's id, by way of the store."""
        if self._store is None:
            return tuple(nccl.get_unique_id())
        key = f"nccl/{self._name}"
        if self.rank == 0:
            own = nccl.get_unique_id()
            self._store.set(key, bytes(v & 255 for v in own))
            return tuple(own)
        return tuple(v - 256 if v > 127 else v for v in self._store.get(key))

    def abort(self) -> None:
        """A process has died: kernels that wait for it end."""
        if self._comm is not None:
            with contextlib.suppress(Exception):
                self._comm.abort()

    # ---- order -----------------------------------------------------------------------------------

    def launch(self, action: Callable[[], object], arrays: Sequence[Any]) -> Any:
        """Put the action's calls on the stream, after the current one; the event of their end."""
        cupy = gpu.cuda.module
        with gpu.on(self.device):
            ready = cupy.cuda.get_current_stream().record(self._event())
            self._stream.wait_event(ready)
            with self._stream:
                action()
            end = self._stream.record(self._event())
        self._launched = [entry for entry in self._launched if not entry.event.done]
        self._launched.append(_Launched(end, list(arrays)))
        return end

    @staticmethod
    def _event() -> Any:
        return gpu.cuda.module.cuda.Event(disable_timing=True)

    def wait(self, event: Any) -> None:
        """The current stream goes on after the event."""
        with gpu.on(self.device):
            gpu.cuda.module.cuda.get_current_stream().wait_event(event)

    def check(self) -> None:
        """DistBackendError if NCCL has found something wrong in the meantime."""
        look = getattr(self._comm, "check_async_error", None)
        if look is None:
            return
        try:
            look()
        except RuntimeError as error:
            raise DistBackendError(f"NCCL error: {error}") from None

    # ---- calls -----------------------------------------------------------------------------------

    @property
    def _s(self) -> int:
        number: int = self._stream.ptr
        return number

    @staticmethod
    def _type(x: Any) -> int:
        code = _TYPES.get(x.dtype.name)
        if code is None:
            raise RuntimeError(f"Unconvertible NCCL type {x.dtype.name}")
        return code

    def _reducible(self, x: Any, r: Reduction) -> tuple[Any, int, int]:
        """The array as NCCL reduces it: complex numbers as pairs, truth as numbers."""
        if r.kind not in _OPS:
            raise ValueError(f"Cannot use ReduceOp.{r.kind.name} with NCCL")
        code = _OPS[r.kind]
        if x.dtype.kind == "b":
            if r.kind is RedOpType.AVG:
                raise TypeError("Cannot use ReduceOp.AVG with Boolean inputs")
            code = 2 if r.kind in (RedOpType.SUM, RedOpType.MAX) else 3
        if x.dtype.kind == "c":
            x = x.view(x.real.dtype)
        if r.factor is not None:
            x *= x.dtype.type(float(r.factor))
        return x, self._type(x), code

    def barrier(self) -> None:
        """Wait for all; the processor waits too."""
        one = gpu.cuda.module.ones(1, "float32")
        self._comm.allReduce(one.data.ptr, one.data.ptr, 1, _TYPES["float32"], 0, self._s)
        self._stream.synchronize()

    def broadcast(self, x: Any, root: int) -> None:
        """All get the root's."""
        self._comm.broadcast(x.data.ptr, x.data.ptr, x.nbytes, _BYTES, root, self._s)

    def allreduce(self, x: Any, r: Reduction) -> None:
        """All get the reduction."""
        x, kind, op = self._reducible(x, r)
        self._comm.allReduce(x.data.ptr, x.data.ptr, x.size, kind, op, self._s)

    def reduce(self, x: Any, root: int, r: Reduction) -> None:
        """The root gets the reduction."""
        x, kind, op = self._reducible(x, r)
        self._comm.reduce(x.data.ptr, x.data.ptr, x.size, kind, op, root, self._s)

    def allgather(self, outs: Sequence[Any], x: Any) -> None:
        """All get all, in the order of ranks."""
        if len({out.nbytes for out in outs}) == 1 and outs[0].nbytes == x.nbytes:
            flat = gpu.cuda.module.empty(x.size * self.size, x.dtype)
            self._comm.allGather(x.data.ptr, flat.data.ptr, x.nbytes, _BYTES, self._s)
            for i, out in enumerate(outs):
                out[...] = flat[i * x.size : (i + 1) * x.size]
            return
        self._exchange([x] * self.size, outs)

    def gather(self, outs: Sequence[Any], x: Any, root: int) -> None:
        """The root gets all."""
        sends: list[Any] = [x if r == root else None for r in range(self.size)]
        self._exchange(sends, outs or [None] * self.size)

    def scatter(self, x: Any, ins: Sequence[Any], root: int) -> None:
        """Each gets its own of the root's."""
        receives: list[Any] = [x if r == root else None for r in range(self.size)]
        self._exchange(ins or [None] * self.size, receives)

    def reduce_scatter(self, out: Any, ins: Sequence[Any], r: Reduction) -> None:
        """Each gets the reduction of what all have for it."""
        flat = gpu.cuda.module.concatenate(list(ins))
        flat, kind, op = self._reducible(flat, r)
        count = flat.size // self.size
        self._comm.reduceScatter(flat.data.ptr, out.data.ptr, count, kind, op, self._s)

    def alltoall(self, outs: Sequence[Any], ins: Sequence[Any]) -> None:
        """Each gets from each what that has for it."""
        self._exchange(ins, outs)

    def _exchange(self, sends: Sequence[Any], receives: Sequence[Any]) -> None:
        """Messages to and from all at once; None and empty arrays are no messages."""
        own_in, own_out = sends[self.rank], receives[self.rank]
        if own_in is not None and own_out is not None and own_in.size:
            own_out[...] = own_in
        with self.together():
            for other in range(self.size):
                if other == self.rank:
                    continue
                if sends[other] is not None and sends[other].size:
                    self.send(sends[other], other)
                if receives[other] is not None and receives[other].size:
                    self.receive(receives[other], other)

    @contextlib.contextmanager
    def together(self) -> Any:
        """Messages of the block are under way at the same time."""
        nccl = module()
        nccl.groupStart()
        try:
            yield
        finally:
            nccl.groupEnd()

    def send(self, x: Any, other: int) -> None:
        """To a rank."""
        self._comm.send(x.data.ptr, x.nbytes, _BYTES, other, self._s)

    def receive(self, x: Any, other: int) -> None:
        """From a rank."""
        self._comm.recv(x.data.ptr, x.nbytes, _BYTES, other, self._s)


def synchronize(device: int) -> None:
    """Wait until a device has done all it was given."""
    gpu.engine().cuda.Device(device).synchronize()


def index_of(t: torch.Tensor) -> int:
    """The number of a tensor's device."""
    return t.device.index or 0
