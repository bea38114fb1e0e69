"""What a group computes with: collectives on flat arrays, alone, or through MPI.

All arrays are one-dimensional, contiguous and, within one call, of one dtype. The collectives write
to the arrays they are given. One that cannot end raises ``AbandonedError``.
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight.distributed.reduce_op import RedOpType, Reduction
from rushlight.distributed.waiting import Watch

Array = np.ndarray


class Engine:
    """A group of one process: every collective is a copy, if anything."""

    def __init__(self, watch: Watch, rank: int = 0, size: int = 1) -> None:
        self.watch, self.rank, self.size = watch, rank, size

    def prepare(self) -> None:
        """Whatever must be done once, by all processes of the group together."""

    def barrier(self) -> None:
        """Wait for all."""

    def broadcast(self, x: Array, root: int) -> None:
        """All get the root's."""

    def allreduce(self, x: Array, r: Reduction) -> None:
        """All get the reduction."""
        r.before(x)
        r.after(x)

    def reduce(self, x: Array, root: int, r: Reduction) -> None:
        """The root gets the reduction."""
        self.allreduce(x, r)

    def allgather(self, outs: Sequence[Array], x: Array) -> None:
        """All get all, in the order of ranks."""
        outs[0][...] = x

    def gather(self, outs: Sequence[Array], x: Array, root: int) -> None:
        """The root gets all; elsewhere ``outs`` is empty."""
        outs[0][...] = x

    def scatter(self, x: Array, ins: Sequence[Array], root: int) -> None:
        """Each gets its own of the root's; elsewhere ``ins`` is empty."""
        x[...] = ins[0]

    def reduce_scatter(self, out: Array, ins: Sequence[Array], r: Reduction) -> None:
        """Each gets the reduction of what all have for it."""
        out[...] = ins[0]
        self.allreduce(out, r)

    def alltoall(self, outs: Sequence[Array], ins: Sequence[Array]) -> None:
        """Each gets from each what that has for it."""
        outs[0][...] = ins[0]

    def isend(self, x: Array, dst: int, tag: int) -> Any:
        """Begin to send; an object with ``done()`` and ``source()``."""
        raise RuntimeError(f"a group of one process has no rank {dst} to send to")

    def irecv(self, x: Array, src: int | None, tag: int) -> Any:
        """Begin to receive; the same."""
        raise RuntimeError("a group of one process has nobody to receive from")


class Message:
    """A send or receive that MPI has begun."""

    def __init__(self, mpi: Any, request: Any, buffer: Array) -> None:
        self._status = mpi.Status()
        self._request = request
        self._buffer = buffer  # MPI reads or writes it: it must live
        self._done = False

    def done(self) -> bool:
        """Whether it has come to its end."""
        if not self._done:
            self._done = self._request.Test(self._status)
        return self._done

    def source(self) -> int:
        """The rank it came from, once done."""
        return self._status.Get_source()


def octets(x: Array) -> Array:
    """The same memory as bytes."""
    return x.view(np.uint8)


# The dtypes MPI adds itself, and its names for what it can do with them.
_NATIVE = frozenset(["f4", "f8", "i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8"])
_MPI_OPS = {
    RedOpType.SUM: "SUM",
    RedOpType.AVG: "SUM",
    RedOpType.PREMUL_SUM: "SUM",
    RedOpType.PRODUCT: "PROD",
    RedOpType.MIN: "MIN",
    RedOpType.MAX: "MAX",
    RedOpType.BAND: "BAND",
    RedOpType.BOR: "BOR",
    RedOpType.BXOR: "BXOR",
}


class MPIEngine(Engine):
    """A group on an MPI communicator.

    Collectives are MPI's nonblocking ones, waited for with pauses: MPI's own waiting would take a
    processor, and could not be given up when a process has died.
    """

    def __init__(
        self, watch: Watch, rank: int, size: int, mpi: Any, connect: Callable[[], Any]
    ) -> None:
        super().__init__(watch, rank, size)
        self.mpi = mpi
        self._connect = connect
        self.comm: Any = None
        self.messages: Any = None

    def prepare(self) -> None:
        """Two communicators, so that messages and collectives do not meet."""
        self.comm = self._connect()
        self.messages = self.comm.Dup()

    def _finish(self, request: Any) -> None:
        self.watch.until(request.Test)

    def _bytes(self, x: Array) -> list:
        return [octets(x), self.mpi.BYTE]

    def barrier(self) -> None:
        """Wait for all."""
        self._finish(self.comm.Ibarrier())

    def broadcast(self, x: Array, root: int) -> None:
        """All get the root's."""
        self._finish(self.comm.Ibcast(self._bytes(x), root))

    def allreduce(self, x: Array, r: Reduction) -> None:
        """All get the reduction."""
        r.before(x)
        if x.dtype.str[1:] in _NATIVE:
            op = getattr(self.mpi, _MPI_OPS[r.kind])
            self._finish(self.comm.Iallreduce(self.mpi.IN_PLACE, x, op))
        else:
            parts = np.array_split(x, self.size)
            self._reduce_part(parts[self.rank], parts, r)
            self.allgather(parts, parts[self.rank].copy())
        r.after(x)

    def _reduce_part(self, mine: Array, parts: Sequence[Array], r: Reduction) -> None:
        """Reduce a dtype that MPI does not know: exchange the parts, add them here."""
        received = [np.empty_like(mine) for _ in parts]
        self.alltoall(received, parts)
        mine[...] = received[0]
        for y in received[1:]:
            r.combine(mine, y)

    def reduce(self, x: Array, root: int, r: Reduction) -> None:
        """The root gets the reduction."""
        result = x if self.rank == root else x.copy()
        self.allreduce(result, r)

    def _flat(self, arrays: Sequence[Array]) -> tuple[Array, list[int], list[int]]:
        """One array for several, and where each stands in it, in bytes."""
        counts = [a.nbytes for a in arrays]
        starts = [sum(counts[:i]) for i in range(len(counts))]
        return np.empty(sum(counts), np.uint8), counts, starts

    @staticmethod
    def _spread(flat: Array, arrays: Sequence[Array]) -> None:
        at = 0
        for a in arrays:
            octets(a)[...] = flat[at : at + a.nbytes]
            at += a.nbytes

    @staticmethod
    def _fill(flat: Array, arrays: Sequence[Array]) -> None:
        at = 0
        for a in arrays:
            flat[at : at + a.nbytes] = octets(a)
            at += a.nbytes

    def allgather(self, outs: Sequence[Array], x: Array) -> None:
        """All get all, in the order of ranks."""
        flat, counts, starts = self._flat(outs)
        target = [flat, counts, starts, self.mpi.BYTE]
        self._finish(self.comm.Iallgatherv(self._bytes(x), target))
        self._spread(flat, outs)

    def gather(self, outs: Sequence[Array], x: Array, root: int) -> None:
        """The root gets all."""
        flat, counts, starts = self._flat(outs)
        target = [flat, counts, starts, self.mpi.BYTE] if self.rank == root else None
        self._finish(self.comm.Igatherv(self._bytes(x), target, root))
        self._spread(flat, outs)

    def scatter(self, x: Array, ins: Sequence[Array], root: int) -> None:
        """Each gets its own of the root's."""
        flat, counts, starts = self._flat(ins)
        self._fill(flat, ins)
        source = [flat, counts, starts, self.mpi.BYTE] if self.rank == root else None
        self._finish(self.comm.Iscatterv(source, self._bytes(x), root))

    def reduce_scatter(self, out: Array, ins: Sequence[Array], r: Reduction) -> None:
        """Each gets the reduction of what all have for it."""
        if out.dtype.str[1:] in _NATIVE:
            flat = np.concatenate(ins)
            r.before(flat)
            op = getattr(self.mpi, _MPI_OPS[r.kind])
            self._finish(self.comm.Ireduce_scatter_block(flat, out, op))
        else:
            copies = [a.copy() for a in ins]
            for a in copies:
                r.before(a)
            self._reduce_part(out, copies, r)
        r.after(out)

    def alltoall(self, outs: Sequence[Array], ins: Sequence[Array]) -> None:
        """Each gets from each what that has for it."""
        sent, out_counts, out_starts = self._flat(ins)
        self._fill(sent, ins)
        flat, counts, starts = self._flat(outs)
        source = [sent, out_counts, out_starts, self.mpi.BYTE]
        target = [flat, counts, starts, self.mpi.BYTE]
        self._finish(self.comm.Ialltoallv(source, target))
        self._spread(flat, outs)

    def isend(self, x: Array, dst: int, tag: int) -> Message:
        """Begin to send."""
        return Message(self.mpi, self.messages.Isend(self._bytes(x), dst, tag), x)

    def irecv(self, x: Array, src: int | None, tag: int) -> Message:
        """Begin to receive."""
        source = self.mpi.ANY_SOURCE if src is None else src
        return Message(self.mpi, self.messages.Irecv(self._bytes(x), source, tag), x)
