"""torch.multiprocessing: the standard library's, with ``spawn``. Tensors travel as copies."""

import multiprocessing
import multiprocessing.connection
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing import active_children as active_children
from multiprocessing import get_context as get_context
from typing import Any


class ProcessException(Exception):  # noqa: N818 (PyTorch's name)
    """A process that ``spawn`` started failed."""

    def __init__(self, msg: str, error_index: int, pid: int | None) -> None:
        super().__init__(msg)
        self.msg, self.error_index, self.error_pid = msg, error_index, pid


class ProcessExitedException(ProcessException):
    """It ended with an exit code other than 0."""

    def __init__(self, msg: str, error_index: int, pid: int | None, exit_code: int | None) -> None:
        super().__init__(msg, error_index, pid)
        self.exit_code = exit_code


class ProcessContext:
    """The processes that ``spawn`` started."""

    def __init__(self, processes: list) -> None:
        self.processes = processes

    def pids(self) -> list[int]:
        """Their process ids."""
        return [p.pid for p in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """Wait until all have ended; the first that fails ends the others and raises.

        True if all have ended, False if ``timeout`` seconds passed.
        """
        left = {p.sentinel: i for i, p in enumerate(self.processes) if p.is_alive()}
        ended = multiprocessing.connection.wait(list(left), timeout) if left else []
        for sentinel in ended:
            self.processes[left[sentinel]].join()
        failed = [i for i, p in enumerate(self.processes) if p.exitcode not in (0, None)]
        if not failed:
            return all(p.exitcode == 0 for p in self.processes)
        for p in self.processes:
            if p.is_alive():
                p.terminate()
            p.join(grace_period)
        first = self.processes[failed[0]]
        raise ProcessExitedException(
            f"process {failed[0]} terminated with exit code {first.exitcode}",
            failed[0],
            first.pid,
            first.exitcode,
        )


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """start_processes(fn, args=(), nprocs=1, join=True, daemon=False, start_method='spawn')

    Run ``fn(i, *args)`` in ``nprocs`` processes; wait for them, or return their context.
    """
    context: Any = multiprocessing.get_context(start_method)
    processes = [context.Process(target=fn, args=(i, *args), daemon=daemon) for i in range(nprocs)]
    for p in processes:
        p.start()
    started = ProcessContext(processes)
    if not join:
        return started
    while not started.join():
        pass
    return None


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method='spawn')

    Run ``fn(i, *args)`` in ``nprocs`` fresh processes. What a failing one printed is on stderr.
    """
    return start_processes(fn, args, nprocs, join, daemon, start_method)
