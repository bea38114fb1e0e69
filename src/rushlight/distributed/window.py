"""Collectives inside one machine, through memory that MPI lets the processes share.

Each process has two buffers (halves) in a shared window, and a counter. It writes what others are
to read into one half, increases its counter, waits until the others' counters have come as far, and
reads theirs. The next step uses the other half; whoever reads slowly is still undisturbed, because
nobody gets two steps ahead of a counter.
"""

import os
from collections.abc import Callable, Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from rushlight.distributed.engine import Array, MPIEngine, octets
from rushlight.distributed.mpi import forget_names
from rushlight.distributed.reduce_op import Reduction
from rushlight.distributed.waiting import Watch

_LINE = 64  # bytes for a counter: a cache line
_SMALL = 32 << 10  # up to so many bytes everybody reduces everything


class WindowEngine(MPIEngine):
    """A group whose processes all are on one machine."""

    def __init__(
        self, watch: Watch, rank: int, size: int, mpi: Any, connect: Callable[[], Any]
    ) -> None:
        super().__init__(watch, rank, size, mpi, connect)
        # Bytes of a buffer; a process has two.
        self._half = int(os.environ.get("RUSHLIGHT_SHM_WINDOW", str(1 << 20)))
        self._others = [r for r in range(size) if r != rank]

    def prepare(self) -> None:
        """Allocate the window."""
        super().prepare()
        allocate = self.mpi.Win.Allocate_shared
        self._window = allocate(_LINE + 2 * self._half, 1, comm=self.comm)
        memory = [self._window.Shared_query(r)[0] for r in range(self.size)]
        self._window.Lock_all()
        self._counters = [memoryview(m)[:8].cast("B").cast("q") for m in memory]
        bytes_of = [np.frombuffer(m, np.uint8, 2 * self._half, _LINE) for m in memory]
        self._halves = [[b[: self._half], b[self._half :]] for b in bytes_of]
        self._counters[self.rank][0] = 0
        self._step = self._use = 0
        self._finish(self.comm.Ibarrier())
        forget_names()

    def _meet(self) -> None:
        """Wait until all have come here, and what they wrote can be seen."""
        self._step = step = self._step + 1
        counters = self._counters
        self._window.Sync()
        counters[self.rank][0] = step
        for r in self._others:
            counter = counters[r]
            if counter[0] < step:
                self.watch.until(lambda counter=counter: counter[0] >= step)  # type: ignore[misc]
        self._window.Sync()

    def _buffers(self, dtype: np.dtype) -> list[Array]:
        """The next half of each process, as arrays of a dtype."""
        self._use ^= 1
        whole = self._half // dtype.itemsize * dtype.itemsize
        return [halves[self._use][:whole].view(dtype) for halves in self._halves]

    def barrier(self) -> None:
        """Wait for all."""
        self._meet()

    def broadcast(self, x: Array, root: int) -> None:
        """All get the root's."""
        x = octets(x)
        for a in range(0, len(x), self._half):
            piece = x[a : a + self._half]
            source = self._buffers(piece.dtype)[root][: len(piece)]
            if self.rank == root:
                source[...] = piece
            self._meet()
            if self.rank != root:
                piece[...] = source

    def allreduce(self, x: Array, r: Reduction) -> None:
        """All get the reduction."""
        r.before(x)
        if x.nbytes <= min(_SMALL, self._half):
            self._small_allreduce(x, r)
        else:
            chunk = self._half // x.itemsize
            for a in range(0, len(x), chunk):
                self._large_allreduce(x[a : a + chunk], r)
        r.after(x)

    def _small_allreduce(self, x: Array, r: Reduction) -> None:
        """Everybody reads all, in the same order, so that all results are the same bits."""
        buffers = [b[: len(x)] for b in self._buffers(x.dtype)]
        buffers[self.rank][...] = x
        self._meet()
        x[...] = buffers[0]
        for b in buffers[1:]:
            r.combine(x, b)

    def _large_allreduce(self, x: Array, r: Reduction) -> None:
        """Everybody reduces a part and reads the others' parts."""
        buffers = [b[: len(x)] for b in self._buffers(x.dtype)]
        bounds = [len(x) * i // self.size for i in range(self.size + 1)]
        parts = [slice(a, b) for a, b in pairwise(bounds)]
        own = buffers[self.rank]
        for other in self._others:
            own[parts[other]] = x[parts[other]]
        self._meet()
        part = parts[self.rank]
        mine = x[part]
        for other in self._others:
            r.combine(mine, buffers[other][part])
        own[part] = mine
        self._meet()
        for other in self._others:
            x[parts[other]] = buffers[other][parts[other]]

    def reduce(self, x: Array, root: int, r: Reduction) -> None:
        """The root gets the reduction."""
        if self.rank != root:
            x = x.copy()
        r.before(x)
        chunk = self._half // x.itemsize
        for a in range(0, len(x), chunk):
            piece = x[a : a + chunk]
            buffers = [b[: len(piece)] for b in self._buffers(x.dtype)]
            if self.rank != root:
                buffers[self.rank][...] = piece
            self._meet()
            if self.rank == root:
                for other in self._others:
                    r.combine(piece, buffers[other])
        r.after(x)

    def allgather(self, outs: Sequence[Array], x: Array) -> None:
        """All get all, in the order of ranks."""
        x, outs = octets(x), [octets(out) for out in outs]
        for a in range(0, max(len(out) for out in outs), self._half):
            buffers = self._buffers(x.dtype)
            piece = x[a : a + self._half]
            buffers[self.rank][: len(piece)] = piece
            self._meet()
            for out, buffer in zip(outs, buffers, strict=True):
                target = out[a : a + self._half]
                target[...] = buffer[: len(target)]

    def gather(self, outs: Sequence[Array], x: Array, root: int) -> None:
        """The root gets all."""
        x, outs = octets(x), [octets(out) for out in outs]
        for a in range(0, len(x), self._half):
            buffers = self._buffers(x.dtype)
            piece = x[a : a + self._half]
            buffers[self.rank][: len(piece)] = piece
            self._meet()
            for out, buffer in zip(outs, buffers, strict=False):
                out[a : a + self._half] = buffer[: len(piece)]

    def scatter(self, x: Array, ins: Sequence[Array], root: int) -> None:
        """Each gets its own of the root's."""
        x, ins = octets(x), [octets(i) for i in ins]
        share = self._half // self.size
        for a in range(0, len(x), share):
            source = self._buffers(x.dtype)[root]
            for i, whole in enumerate(ins):
                piece = whole[a : a + share]
                source[i * share : i * share + len(piece)] = piece
            self._meet()
            target = x[a : a + share]
            target[...] = source[self.rank * share : self.rank * share + len(target)]

    def reduce_scatter(self, out: Array, ins: Sequence[Array], r: Reduction) -> None:
        """Each gets the reduction of what all have for it."""
        share = self._half // out.itemsize // self.size
        start = self.rank * share
        for a in range(0, len(out), share):
            buffers = self._buffers(out.dtype)
            target = out[a : a + share]
            for other in self._others:
                piece = ins[other][a : a + share]
                place = buffers[self.rank][other * share : other * share + len(piece)]
                place[...] = piece
                r.before(place)
            self._meet()
            target[...] = ins[self.rank][a : a + share]
            r.before(target)
            for other in self._others:
                r.combine(target, buffers[other][start : start + len(target)])
        r.after(out)

    def alltoall(self, outs: Sequence[Array], ins: Sequence[Array]) -> None:
        """Each gets from each what that has for it; nobody knows the others' sizes."""
        outs, ins = [octets(out) for out in outs], [octets(i) for i in ins]
        longest = np.array([max(len(i) for i in ins)], np.int64)
        sizes = [np.empty(1, np.int64) for _ in range(self.size)]
        self.allgather(sizes, longest)
        share = self._half // self.size
        start = self.rank * share
        for a in range(0, max(int(s[0]) for s in sizes), share):
            buffers = self._buffers(np.dtype(np.uint8))
            for i, whole in enumerate(ins):
                piece = whole[a : a + share]
                buffers[self.rank][i * share : i * share + len(piece)] = piece
            self._meet()
            for out, buffer in zip(outs, buffers, strict=True):
                target = out[a : a + share]
                target[...] = buffer[start : start + len(target)]
