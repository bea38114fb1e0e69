"""Starting several processes that run one function, and waiting for them."""

import logging
import multiprocessing
import multiprocessing.connection
import os
import pickle
import signal
import sys
import tempfile
import traceback
import warnings
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path
from time import monotonic
from typing import Any

from rushlight.multiprocessing._process import _prctl_pr_set_pdeathsig

ENV_VAR_PARALLEL_START = "TORCH_MP_PARALLEL_START"
PATIENCE = 30.0  # seconds between asking a process to end and killing it

log = logging.getLogger(__name__)

__all__ = [
    "ProcessContext",
    "ProcessException",
    "ProcessExitedException",
    "ProcessRaisedException",
    "SpawnContext",
    "spawn",
    "start_processes",
]


class ProcessException(Exception):  # noqa: N818 (PyTorch's name)
    """ProcessException(msg, error_index, error_pid): a process that was started here failed.

    >>> torch.multiprocessing.ProcessException("process 1 failed", 1, 4711).error_index
    1
    """

    __slots__ = ["error_index", "error_pid"]

    def __init__(self, msg: str, error_index: int, error_pid: int) -> None:
        super().__init__(msg)
        self.msg = msg
        self.error_index = error_index
        self.error_pid = error_pid

    def __reduce__(self) -> tuple[Any, ...]:
        return type(self), (self.msg, self.error_index, self.error_pid)


class ProcessRaisedException(ProcessException):
    """ProcessRaisedException(msg, error_index, error_pid): its function raised; ``msg`` has the
    traceback.

    >>> try:
    ...     torch.multiprocessing.start_processes(divmod, (0,), start_method="fork")
    ... except torch.multiprocessing.ProcessRaisedException as error:
    ...     print(str(error).splitlines()[-1])
    ZeroDivisionError: integer division or modulo by zero
    """


class ProcessExitedException(ProcessException):
    """ProcessExitedException(msg, error_index, error_pid, exit_code, signal_name=None): it ended by
    a signal or with an exit code other than 0.

    >>> import os
    >>> try:
    ...     torch.multiprocessing.start_processes(os._exit, nprocs=2, start_method="fork")
    ... except torch.multiprocessing.ProcessExitedException as error:
    ...     print(error, error.exit_code)
    process 1 terminated with exit code 1 1
    """

    __slots__ = ["exit_code"]

    def __init__(
        self,
        msg: str,
        error_index: int,
        error_pid: int,
        exit_code: int,
        signal_name: str | None = None,
    ) -> None:
        super().__init__(msg, error_index, error_pid)
        self.exit_code = exit_code
        self.signal_name = signal_name

    def __reduce__(self) -> tuple[Any, ...]:
        kind, arguments = super().__reduce__()
        return kind, (*arguments, self.exit_code, self.signal_name)


def _run(fn: Callable, index: int, args: tuple, error_file: str) -> None:
    """What a started process does: call, and leave a note of what was raised."""
    _prctl_pr_set_pdeathsig(signal.SIGINT)
    try:
        fn(index, *args)
    except KeyboardInterrupt:
        return  # the parent ended it, or the user ended both
    except Exception:
        Path(error_file).write_bytes(pickle.dumps(traceback.format_exc()))
        sys.exit(1)


class ProcessContext:
    """ProcessContext(processes, error_files): what :func:`spawn` started.

    >>> context = torch.multiprocessing.start_processes(
    ...     print, nprocs=2, join=False, start_method="fork"
    ... )
    >>> len(context.pids())
    2
    >>> while not context.join():
    ...     pass
    """

    def __init__(self, processes: list[Any], error_files: list[str]) -> None:
        self.error_files = error_files
        self.processes = processes
        self.sentinels = {process.sentinel: i for i, process in enumerate(processes)}

    def pids(self) -> list[int]:
        """pids() -> list of int: the ids of the processes."""
        return [int(process.pid) for process in self.processes]

    def join(self, timeout: float | None = None, grace_period: float | None = None) -> bool:
        """join(timeout=None, grace_period=None) -> bool

        Wait for one to end, ``timeout`` seconds at most: True once all have ended well.

        If one fails, the others have ``grace_period`` seconds to end, then they are ended, and it
        is raised why: ProcessRaisedException or ProcessExitedException.
        """
        if not self.sentinels:
            return True
        for sentinel in multiprocessing.connection.wait(list(self.sentinels), timeout):
            index = self.sentinels.pop(sentinel)
            self.processes[index].join()
            if self.processes[index].exitcode != 0:
                self._end_all(grace_period)
                self._raise(index)
        return not self.sentinels

    def _end_all(self, grace_period: float | None) -> None:
        if grace_period is not None:
            self._wait(grace_period)
        for process in self.processes:
            if process.is_alive():
                log.warning("Terminating process %s via signal SIGTERM", process.pid)
                process.terminate()
        self._wait(PATIENCE if grace_period is None else grace_period)
        for process in self.processes:
            if process.is_alive():
                log.warning(
                    "Unable to shutdown process %s via SIGTERM , forcefully exiting via SIGKILL",
                    process.pid,
                )
                process.kill()
            process.join()

    def _wait(self, seconds: float) -> None:
        end = monotonic() + seconds
        for process in self.processes:
            process.join(max(0.0, end - monotonic()))

    def _raise(self, index: int) -> None:
        pid, code = self.processes[index].pid, self.processes[index].exitcode
        notes = [_taken(file) for file in self.error_files]
        if notes[index] is not None:
            raise ProcessRaisedException(
                f"\n\n-- Process {index:d} terminated with the following error:\n{notes[index]}",
                index,
                pid,
            )
        if code >= 0:
            text, name = f"process {index:d} terminated with exit code {code:d}", None
        else:
            name = _signal_name(-code)
            text = f"process {index:d} terminated with signal {name}"
        raise ProcessExitedException(text, index, pid, code, name)


def _taken(file: str) -> str | None:
    """The traceback that a process left in its file, which is removed."""
    try:
        text = pickle.loads(Path(file).read_bytes())
    except (OSError, EOFError, pickle.UnpicklingError):
        return None  # it wrote none, or was killed while it did
    with suppress(OSError):
        Path(file).unlink()
    return text


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"<Unknown signal -{number}>"


class SpawnContext(ProcessContext):
    """SpawnContext(processes, error_files): the old name of :class:`ProcessContext`.

    >>> issubclass(torch.multiprocessing.SpawnContext, torch.multiprocessing.ProcessContext)
    True
    """

    def __init__(self, processes: list[Any], error_files: list[str]) -> None:
        warnings.warn("SpawnContext is renamed to ProcessContext since 1.4 release.", stacklevel=2)
        super().__init__(processes, error_files)


def start_processes(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """start_processes(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn")

    Run ``fn(i, *args)`` in ``nprocs`` processes that ``start_method`` (``"fork"``, ``"spawn"`` or
    ``"forkserver"``) starts. Waits for them, or with ``join=False`` returns their
    :class:`ProcessContext`.

    >>> total = torch.zeros(3).share_memory_()
    >>> def work(index, total):
    ...     total[index] = index
    >>> torch.multiprocessing.start_processes(work, (total,), nprocs=3, start_method="fork")
    >>> total
    tensor([0., 1., 2.])
    """
    method: Any = multiprocessing.get_context(start_method)

    def start(index: int) -> tuple[Any, str]:
        file = _error_file()
        process = method.Process(target=_run, args=(fn, index, args, file), daemon=daemon)
        process.start()
        return process, file

    if start_method == "forkserver" and os.environ.get(ENV_VAR_PARALLEL_START, "0") == "1":
        with ThreadPoolExecutor(max_workers=nprocs) as threads:
            started = list(threads.map(start, range(nprocs)))
    else:
        started = [start(index) for index in range(nprocs)]
    context = ProcessContext([process for process, _ in started], [file for _, file in started])
    if not join:
        return context
    while not context.join():
        pass
    return None


def _error_file() -> str:
    """A path that nothing has, for a process that may have to say what it raised."""
    fd, path = tempfile.mkstemp(prefix="rushlight-errorfile-", suffix=".pickle")
    os.close(fd)
    Path(path).unlink()
    return path


def spawn(
    fn: Callable,
    args: tuple = (),
    nprocs: int = 1,
    join: bool = True,
    daemon: bool = False,
    start_method: str = "spawn",
) -> ProcessContext | None:
    """spawn(fn, args=(), nprocs=1, join=True, daemon=False, start_method="spawn")

    Run ``fn(i, *args)`` in ``nprocs`` fresh processes, and end them all if one fails.

    ``fn`` stands at the top level of a module. Waits for them, or with ``join=False`` returns their
    :class:`ProcessContext`. Raises ProcessRaisedException or ProcessExitedException for the first
    that failed. Another ``start_method`` is warned of: it is :func:`start_processes` that takes it.

    >>> torch.multiprocessing.spawn(divmod, (3,), nprocs=1, join=False).join()
    True
    """
    if start_method != "spawn":
        warnings.warn(
            f"This method only supports start_method=spawn (got: {start_method}).\n"
            "To use a different start_method use:\n\t\t torch.multiprocessing.start_processes(...)",
            FutureWarning,
            stacklevel=2,
        )
    return start_processes(fn, args, nprocs, join, daemon, start_method="spawn")
