"""A group over several machines with several processes on each.

A reduction is done inside each machine through shared memory, between the first processes of the
machines by MPI, and handed back through shared memory: so each machine, not each process, sends.
What is not reduced goes the flat way.
"""

from collections.abc import Callable
from typing import Any

from rushlight.distributed.engine import Array, MPIEngine
from rushlight.distributed.reduce_op import RedOpType, Reduction
from rushlight.distributed.waiting import Watch
from rushlight.distributed.window import WindowEngine

Connect = Callable[[], Any]


class TwoLevelEngine(MPIEngine):
    """The group itself, that of this machine, and (in its first process) that of the machines."""

    def __init__(
        self,
        watch: Watch,
        rank: int,
        size: int,
        mpi: Any,
        connect: Connect,
        near: tuple[int, int, Connect],
        far: tuple[int, int, Connect] | None,
    ) -> None:
        super().__init__(watch, rank, size, mpi, connect)
        self.near = WindowEngine(watch, near[0], near[1], mpi, near[2])
        self.far = None if far is None else MPIEngine(watch, far[0], far[1], mpi, far[2])

    def prepare(self) -> None:
        """Connect all of them."""
        super().prepare()
        self.near.prepare()
        if self.far is not None:
            self.far.prepare()

    def allreduce(self, x: Array, r: Reduction) -> None:
        """All get the reduction."""
        r.before(x)
        inner = Reduction(_PLAIN.get(r.kind, r.kind), x.dtype, self.size)
        self.near.reduce(x, 0, inner)
        if self.far is not None:
            self.far.allreduce(x, inner)
        self.near.broadcast(x, 0)
        r.after(x)

    def barrier(self) -> None:
        """Wait for all."""
        self.near.barrier()
        if self.far is not None:
            self.far.barrier()
        self.near.barrier()


# What is done to inputs and results is done once, outside.
_PLAIN = {RedOpType.AVG: RedOpType.SUM, RedOpType.PREMUL_SUM: RedOpType.SUM}
