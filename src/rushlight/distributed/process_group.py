"""ProcessGroup: some processes that do collectives together, in one order.

A thread of the group runs the collectives that were started with ``async_op=True``, one after the
other. A collective whose caller waits anyway is run by the caller, if the thread has nothing to do.
"""

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

from rushlight import _api as torch
from rushlight.distributed import monitor, nccl
from rushlight.distributed.debug import DebugLevel, get_debug_level
from rushlight.distributed.engine import Engine
from rushlight.distributed.errors import DistBackendError
from rushlight.distributed.group_methods import GroupMethods
from rushlight.distributed.nccl import NCCLEngine
from rushlight.distributed.store import Store
from rushlight.distributed.waiting import AbandonedError, Watch
from rushlight.distributed.work import LaunchedWork, MessageWork, Work

__all__ = ["ProcessGroup", "ProcessGroupGloo"]

# Seconds to wait for what a member may have sent before it ended.
_LEFT = 2.0


class ProcessGroup(GroupMethods):
    """Some processes that do collectives together; ``new_group`` and ``init_process_group`` make
    them.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> isinstance(dist.group.WORLD, dist.ProcessGroup)
    True
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        engine: Engine,
        ranks: list[int],
        number: int,
        timeout: timedelta,
        store: Store | None = None,
        backend: str = "gloo",
        description: str = "undefined",
    ) -> None:
        self.engine, self.ranks, self.number = engine, ranks, number
        self.watch: Watch = engine.watch
        self.timeout = timeout
        self._store = store
        self._backend = backend
        self._name = str(number)
        self._description = description
        self.report: Callable[[], dict[int, str]] = dict
        self.sequence = 0
        self.last = "none"  # what it is doing, or did last
        self.done = 0  # the collectives that have ended
        self._queue: queue.SimpleQueue[tuple[Work, Callable[[], object], int] | None]
        self._queue = queue.SimpleQueue()
        self._running = threading.Lock()  # held by who uses the engine
        self._thread: threading.Thread | None = None
        self._pending: set[Work] = set()  # handed to the thread and not yet ended
        self.held: tuple[str, float] | None = None  # what a caller waits for, and since when
        self.left = ""  # of a member that has ended without an error
        self.bound_device_id: torch.device | None = None
        self._gpu: NCCLEngine | None = None

    # ---- what it is ------------------------------------------------------------------------------

    def rank(self) -> int:
        """The rank of this process in the group."""
        return self.engine.rank

    def size(self) -> int:
        """How many processes the group has."""
        return self.engine.size

    def name(self) -> str:
        """The name of its backend."""
        return self._backend

    @property
    def group_name(self) -> str:
        """Its own name."""
        return self._name

    @property
    def group_desc(self) -> str:
        """What it is for."""
        return self._description

    @property
    def _device_types(self) -> list[torch.device]:
        kinds = ("cpu", "cuda") if nccl.is_available() else ("cpu",)
        return [torch.device(kind) for kind in kinds]

    def get_group_store(self) -> Store | None:
        """The store its processes share."""
        return self._store

    def set_timeout(self, timeout: timedelta) -> None:
        """Set how long a collective may take."""
        self.timeout = timeout

    # ---- running collectives ---------------------------------------------------------------------

    def begin(self) -> None:
        """Make the connections, in the group's thread: it may have to wait for the others."""
        if self.size() > 1:
            self._hand_over(Work("connect", [], self._seconds()), self._connect, 0)

    def _connect(self) -> None:
        """What goes wrong here every collective of the group will say."""
        try:
            self.engine.prepare()
        except AbandonedError:
            raise
        except Exception as error:
            me = self.ranks[self.rank()]
            text = f"[rank{me}] group {self._name} could not connect: {error}"
            self.watch.failure = DistBackendError(text)
            raise

    def _seconds(self) -> float:
        return self.timeout.total_seconds()

    def run(
        self,
        name: str,
        action: Callable[[], object],
        result: list[torch.Tensor],
        async_op: bool = False,
        timeout: timedelta | None = None,
        check: str | None = None,
    ) -> Work:
        """Do a collective now, or hand it to the thread and return at once.

        ``check`` describes what all processes must agree on; it is compared in DETAIL mode.
        """
        if self.watch.failure is not None:
            raise self._raised(self.watch.failure)
        self.sequence += 1
        label = f"{name} (number {self.sequence} of group {self._name})"
        self.last = label
        seconds = (self.timeout if timeout is None else timeout).total_seconds()
        work = Work(label, result, seconds)
        number = self.sequence
        if check is not None and self.size() > 1 and get_debug_level() is DebugLevel.DETAIL:
            action = self._checked(action, f"{name}({check})", number)
        if async_op or self._pending or not self._running.acquire(blocking=False):
            work._late = lambda: self._raised(self._late(label, number, seconds))
            work._hold = lambda: self.hold(str(number))
            self._hand_over(work, action, number)
            if not async_op:
                work.wait()
            return work
        self.held = str(number), time.monotonic()
        try:
            self._execute(work, action, number)
        finally:
            self.held = None
            self._running.release()
        if work._error is not None:
            raise self._raised(work._error)
        return work

    @contextlib.contextmanager
    def hold(self, what: str) -> Iterator[None]:
        """In the block a caller waits for a collective, by its number, or for 'rank N'."""
        before, self.held = self.held, (what, time.monotonic())
        try:
            yield
        finally:
            self.held = before

    def _hand_over(self, work: Work, action: Callable[[], object], number: int) -> None:
        if self._thread is None:
            self._thread = threading.Thread(
                target=self._serve, name=f"rushlight-group-{self._name}", daemon=True
            )
            self._thread.start()
        self._pending.add(work)
        self._queue.put((work, action, number))

    def _serve(self) -> None:
        """The thread: one collective after the other."""
        while True:
            item = self._queue.get()
            if item is None:
                return
            work, action, number = item
            with self._running:
                self._execute(work, action, number)
            self._pending.discard(work)

    def _execute(self, work: Work, action: Callable[[], object], number: int) -> None:
        seconds = min(work._timeout, _LEFT) if self.left else work._timeout
        self.watch.deadline = time.monotonic() + seconds
        try:
            action()
        except AbandonedError:
            error = self.watch.failure or self._late(work.name, number, seconds)
            work._settle(self._abandon(work, error))
        except Exception as error:
            work._settle(error)
        else:
            self.done = number
            work._settle()

    def _abandon(self, work: Work, error: BaseException) -> BaseException:
        """The engine is in the middle of something: the group is of no use any more."""
        self.watch.failure = error
        return error

    def _late(self, label: str, number: int, seconds: float) -> BaseException:
        """The error for a collective that took too long: who has not come?"""
        lines = [self.left] if self.left else []
        for rank, status in sorted(self.report().items()):
            if rank in self.ranks and rank != self.ranks[self.rank()]:
                lines.append(f"rank {rank} was last in {status}")
        told = "; ".join(lines) or "nothing is known of the other ranks"
        return DistBackendError(
            f"[rank{self.ranks[self.rank()]}] {label} timed out after {seconds:g} s; {told}"
        )

    def fail(self, text: str) -> None:
        """End all waiting: a process of the job has died."""
        me = self.ranks[self.rank()]
        error = DistBackendError(f"[rank{me}] {self.last} failed: {text}")
        if self.watch.failure is None:
            self.watch.failure = error
        if self._gpu is not None:
            self._gpu.abort()
        for work in list(self._pending):
            work._settle(error)

    def is_waiting(self) -> bool:
        """Whether a collective is under way."""
        return bool(self._pending) or self._running.locked()

    def _raised(self, error: BaseException) -> BaseException:
        monitor.notice()
        return error

    def _checked(self, action: Callable[[], object], text: str, number: int) -> Callable[[], None]:
        """The same collective after a comparison of what the others are about to do."""

        def run() -> None:
            said = self._gather_text(f"{number}|{text}")
            if len(set(said)) > 1:
                told = "; ".join(
                    f"rank {self.ranks[i]}: {t.partition('|')[2]} (number {t.partition('|')[0]})"
                    for i, t in enumerate(said)
                )
                raise RuntimeError(f"Detected mismatch between collectives on ranks. {told}")
            action()

        return run

    def _gather_text(self, text: str) -> list[str]:
        data = text.encode()[:1024].ljust(1024)
        x = torch.frombuffer(bytearray(data), dtype=torch.uint8).numpy()
        outs = [x.copy() for _ in range(self.size())]
        self.engine.allgather(outs, x)
        return [out.tobytes().rstrip().decode(errors="replace") for out in outs]

    # ---- tensors of a GPU ------------------------------------------------------------------------

    def engine_of(self, t: torch.Tensor) -> Any:
        """What does collectives on a tensor: MPI or shared memory, or NCCL for one of a GPU."""
        return self.gpu_engine(t) if t.is_cuda else self.engine

    def gpu_engine(self, t: torch.Tensor) -> NCCLEngine:
        """NCCL, opened for the tensor's device."""
        return self.open_gpu(nccl.index_of(t))

    def open_gpu(self, device: int) -> NCCLEngine:
        """NCCL for a device; all processes of the group call it at about the same time."""
        if self._gpu is None:
            size = self.size()
            self._gpu = NCCLEngine(self.watch, self.rank(), size, self._store, self._name)
        self._gpu.open(device)
        return self._gpu

    def launch(
        self,
        name: str,
        action: Callable[[], object],
        result: list[torch.Tensor],
        check: str | None = None,
    ) -> Work:
        """Put a collective on the GPU's stream; ``wait`` orders the current stream after it."""
        if self.watch.failure is not None:
            raise self._raised(self.watch.failure)
        assert self._gpu is not None
        self.sequence += 1
        number = self.sequence
        self.last = label = f"{name} (number {number} of group {self._name})"
        if check is not None and self.size() > 1 and get_debug_level() is DebugLevel.DETAIL:
            self._connected()
            with self._running:
                self._checked(lambda: None, f"{name}({check})", number)()
        event = self._gpu.launch(action, result)
        return LaunchedWork(label, result, self._seconds(), self._gpu, event)

    # ---- messages --------------------------------------------------------------------------------

    def message(
        self,
        name: str,
        start: Callable[[], Any],
        result: list[torch.Tensor],
        finish: Callable[[], object],
    ) -> Work:
        """Begin a send or a receive."""
        if self.watch.failure is not None:
            raise self._raised(self.watch.failure)
        self._connected()
        label = f"{name} (group {self._name})"
        self.last = label
        peer = name.partition(" rank ")[2]

        def end(work: MessageWork) -> None:
            finish()
            source = work._message.source()
            work._source = self.ranks[source] if 0 <= source < self.size() else -1

        work = MessageWork(label, result, self._seconds(), start(), self._wait_for_message, end)
        work.peer = f"rank {peer}" if peer.isdigit() else ""
        return work

    def _connected(self) -> None:
        """Wait for what ``begin`` has started."""
        work = Work("connect", [], self._seconds())
        if self._pending:
            work._late = lambda: self._raised(self._late("connect", 0, self._seconds()))
            self._hand_over(work, lambda: None, 0)
            work.wait()

    def _wait_for_message(
        self, ready: Callable[[], bool], seconds: float, work: MessageWork
    ) -> None:
        watch = Watch()
        watch.deadline = time.monotonic() + seconds
        shared = self.watch

        def done() -> bool:
            if shared.failure is not None:
                watch.failure = shared.failure
            return ready()

        self._pending.add(work)
        try:
            with self.hold(work.peer):
                watch.until(done)
        except AbandonedError:
            error = shared.failure or self._late(work.name, 0, seconds)
            work._settle(error)
            raise self._raised(error) from None
        finally:
            self._pending.discard(work)

    # ---- the end ---------------------------------------------------------------------------------

    def shutdown(self) -> None:
        """End the thread after what it has to do."""
        if self._thread is not None:
            self._queue.put(None)
            if self.watch.failure is None:
                self._thread.join(min(self._seconds(), 60))
        self._thread = None

    def abort(self) -> None:
        """Give up whatever is under way."""
        self.fail("the group was aborted")

    def _get_sequence_number_for_group(self) -> int:
        return self.sequence


class ProcessGroupGloo(ProcessGroup):
    """A group for tensors on the CPU. The name is PyTorch's; MPI does the work.

    >>> issubclass(torch.distributed.ProcessGroupGloo, torch.distributed.ProcessGroup)
    True
    """
