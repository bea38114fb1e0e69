"""The loader's side of its workers: starting, asking, hearing, ending."""

import os
import signal
import sys
from collections import deque
from contextlib import suppress
from multiprocessing.connection import wait
from multiprocessing.context import BaseContext
from time import monotonic
from typing import Any

from rushlight.utils.data._utils.channel import Channel, packed
from rushlight.utils.data._utils.worker import Job, run

PATIENCE = 5.0  # seconds that a worker has to finish the batch it is at
# Bytes sent and not yet answered, at most: so that a send cannot block, and both sides wait for
# each other.
WINDOW = 1 << 16 if sys.platform == "linux" else 1 << 12
OVERHEAD = 1024  # what the system's buffer loses per message


class Worker:
    """A worker process and what it has been asked for."""

    def __init__(self, context: Any, job: Job, inherited: list) -> None:
        ours, theirs = context.Pipe()
        forked = context.get_start_method() == "fork"
        self.process = context.Process(
            target=run, args=(job, theirs, [*inherited, ours] if forked else []), daemon=True
        )
        self.channel = Channel(ours)
        self.active = True
        self.tasks = 0
        self.unanswered: deque[int] = deque()  # sizes of the messages sent
        self.waiting: deque[bytes] = deque()
        self.process.start()
        theirs.close()

    @property
    def pid(self) -> int | None:
        """The process id."""
        return self.process.pid

    def is_alive(self) -> bool:
        """Whether the process runs."""
        return self.process.is_alive()

    def post(self, message: Any) -> None:
        """Send it, now or as soon as that cannot block."""
        self.waiting.append(packed(message))
        self._flush()

    def _flush(self) -> None:
        while self.waiting:
            size = len(self.waiting[0]) + OVERHEAD
            if self.unanswered and sum(self.unanswered) + size > WINDOW:
                return
            try:
                self.channel.ask(self.waiting.popleft())
            except OSError:
                return  # it is dead: whoever waits for its answer will be told
            self.unanswered.append(size)

    def hear(self) -> Any:
        """Its next answer."""
        message = self.channel.receive()
        self.unanswered.popleft()
        self._flush()
        return message

    def retire(self) -> None:
        """Its stream has ended: it reads on, but answers nothing until it is told to resume."""
        self.active = False
        self.unanswered.clear()
        self.waiting.clear()

    def stop(self) -> None:
        self.retire()
        with suppress(OSError):  # it may have ended already
            self.channel.ask(packed(None))

    def end(self, deadline: float) -> None:
        """See that the process is gone: by itself, or else by force."""
        process = self.process
        process.join(max(0.0, deadline - monotonic()))
        if process.is_alive():
            process.terminate()
            process.join(1.0)
        if process.is_alive():
            process.kill()
            process.join()
        process.close()


def start(context: BaseContext, jobs: list[Job]) -> list[Worker]:
    """One worker per job; none is left behind if one cannot be started."""
    workers: list[Worker] = []
    try:
        for job in jobs:
            workers.append(Worker(context, job, [w.channel for w in workers]))
    except BaseException:
        shut_down(workers, os.getpid())
        raise
    return workers


def hear_one_of(workers: list[Worker], watched: list[Worker], timeout: float) -> tuple[Worker, Any]:
    """The next answer from one of `workers`. A death among `watched` is an error, and so is waiting
    for longer than `timeout`.
    """
    sentinels: list[Any] = [w.process.sentinel for w in watched]
    channels: list[Any] = [w.channel for w in workers]
    ready: list[Any] = wait([*channels, *sentinels], timeout or None)
    if not ready:
        raise RuntimeError(f"DataLoader timed out after {timeout} seconds")
    dead = [w for w in watched if w.process.sentinel in ready]
    if dead:
        raise_death(dead)
    for worker in workers:
        if worker.channel in ready:
            try:
                return worker, worker.hear()
            except (EOFError, ConnectionResetError):
                raise_death([worker])
    raise AssertionError("unreachable: something was ready")


def raise_death(workers: list[Worker]) -> None:
    for worker in workers:
        worker.process.join(10.0)  # its pipe may be closed before it has ended
        worker.active = False
    pids = ", ".join(str(w.process.pid) for w in workers)
    raise RuntimeError(f"DataLoader worker (pid(s) {pids}) exited unexpectedly") from _how(
        workers[0]
    )


def _how(worker: Worker) -> RuntimeError:
    pid, code = worker.process.pid, worker.process.exitcode
    if code is not None and code < 0:
        text = f"DataLoader worker (pid {pid}) is killed by signal: {signal.strsignal(-code)}. "
        if -code == getattr(signal, "SIGBUS", None):
            text += (
                "It is possible that dataloader's workers are out of shared memory. Please try to "
                "raise your shared memory limit."
            )
        return RuntimeError(text)
    return RuntimeError(
        f"DataLoader worker (pid {pid}) exited unexpectedly with exit code {code}. Details are "
        "lost due to multiprocessing. Rerunning with num_workers=0 may give better error trace."
    )


def shut_down(workers: list[Worker], owner: int, patience: float = PATIENCE) -> None:
    """End all workers. A fork of the process that started them has nothing to end."""
    if os.getpid() != owner:
        return
    for worker in workers:
        worker.stop()
        worker.channel.close()  # what it still sends fails, so it stops there
    deadline = monotonic() + patience
    for worker in workers:
        worker.end(deadline)
    workers.clear()
