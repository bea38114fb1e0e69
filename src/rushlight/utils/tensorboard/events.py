"""The files of events: FileWriter, and what every part of SummaryWriter stands on."""

import os
import socket
import time
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import numpy as np

from rushlight import _api as torch
from rushlight._api import Tensor

Folder = str | os.PathLike


def load_writer() -> tuple[Any, Any]:
    """The package's event_pb2 and EventFileWriter; ImportError says how to get the package."""
    try:
        from tensorboard.compat.proto import event_pb2
        from tensorboard.summary.writer.event_file_writer import EventFileWriter
    except ImportError:
        raise ImportError(
            "SummaryWriter needs the tensorboard package: pip install rushlight[tensorboard]"
        ) from None
    return event_pb2, EventFileWriter


def as_array(x: Any) -> np.ndarray:
    """A tensor, an array or a number as an array; a number has one dimension."""
    if isinstance(x, np.ndarray):
        return x
    if isinstance(x, Tensor):
        x = x.to(torch.float16) if x.dtype is torch.bfloat16 else x
        return x.detach().cpu().resolve_conj().resolve_neg().numpy()
    if np.isscalar(x):
        return np.array([x])
    raise NotImplementedError(f"Got {type(x)}, but numpy array or torch tensor are expected.")


class FileWriter:
    """FileWriter(log_dir, max_queue=10, flush_secs=120, filename_suffix='')

    Writes event messages into one new file in ``log_dir``, from a thread of its own.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     writer = torch.utils.tensorboard.FileWriter(folder)
    ...     writer.get_logdir() == folder
    ...     writer.close()
    True
    """

    def __init__(
        self,
        log_dir: Folder,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        self._events, file_writer = load_writer()
        self.event_writer = file_writer(str(log_dir), max_queue, flush_secs, filename_suffix)

    def get_logdir(self) -> str:
        """The folder written to."""
        return self.event_writer.get_logdir()

    def add_event(self, event: Any, step: Any = None, walltime: float | None = None) -> None:
        """Add an ``Event`` message, with its step and the time (now, if None)."""
        event.wall_time = time.time() if walltime is None else walltime
        if step is not None:
            event.step = int(step)
        self.event_writer.add_event(event)

    def add_summary(
        self, summary: Any, global_step: Any = None, walltime: float | None = None
    ) -> None:
        """Add a ``Summary`` message as an event."""
        self.add_event(self._events.Event(summary=summary), global_step, walltime)

    def flush(self) -> None:
        """Write what is waiting."""
        self.event_writer.flush()

    def close(self) -> None:
        """Write what is waiting and close the file."""
        self.event_writer.close()

    def reopen(self) -> None:
        """Start a new file in the same folder, if the writer is closed."""
        self.event_writer.reopen()


class Events:
    """A folder of events, with one file of its own and one more for each curve of add_scalars."""

    def __init__(
        self,
        log_dir: Folder | None = None,
        comment: str = "",
        purge_step: int | None = None,
        max_queue: int = 10,
        flush_secs: float = 120,
        filename_suffix: str = "",
    ) -> None:
        if not log_dir:
            stamp = datetime.now().strftime("%b%d_%H-%M-%S")
            log_dir = str(Path("runs") / f"{stamp}_{socket.gethostname()}{comment}")
        self.log_dir = log_dir
        self.purge_step = purge_step
        self.max_queue = max_queue
        self.flush_secs = flush_secs
        self.filename_suffix = filename_suffix
        self.file_writer: FileWriter | None = None
        self.all_writers: dict[str, FileWriter] | None = None
        self._get_file_writer()

    def _get_file_writer(self) -> FileWriter:
        """The writer of the folder's own file; after close(), a new one."""
        if self.file_writer is None:
            self.file_writer = self._open(self.log_dir)
            self.all_writers = {self.file_writer.get_logdir(): self.file_writer}
            self._purge(self.file_writer)
        return self.file_writer

    def _open(self, folder: Folder) -> FileWriter:
        return FileWriter(folder, self.max_queue, self.flush_secs, self.filename_suffix)

    def _purge(self, writer: FileWriter) -> None:
        """Tell TensorBoard, once, to forget what comes at purge_step or later."""
        if self.purge_step is None:
            return
        proto = load_writer()[0]
        start = proto.SessionLog(status=proto.SessionLog.START)
        writer.add_event(proto.Event(file_version="brain.Event:2"), self.purge_step)
        writer.add_event(proto.Event(session_log=start), self.purge_step)
        self.purge_step = None

    def _writer_of(self, folder: str) -> FileWriter:
        """The writer of a folder below, opened when it is first asked for."""
        self._get_file_writer()
        assert self.all_writers is not None
        if folder not in self.all_writers:
            self.all_writers[folder] = self._open(folder)
        return self.all_writers[folder]

    def _add(self, summary: Any, step: Any = None, walltime: float | None = None) -> None:
        self._get_file_writer().add_summary(summary, step, walltime)

    def get_logdir(self) -> Folder:
        """The folder written to.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.get_logdir() == folder
        True
        """
        return self.log_dir

    def flush(self) -> None:
        """Write what is waiting.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     with torch.utils.tensorboard.SummaryWriter(folder) as writer:
        ...         writer.add_scalar('loss', 0.5, global_step=1)
        ...         writer.flush()
        """
        for writer in (self.all_writers or {}).values():
            writer.flush()

    def close(self) -> None:
        """Write what is waiting and close the files; what is added later goes to a new file.

        >>> import tempfile
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     writer = torch.utils.tensorboard.SummaryWriter(folder)
        ...     writer.add_scalar('loss', 0.5, global_step=1)
        ...     writer.close()
        """
        for writer in (self.all_writers or {}).values():
            writer.flush()
            writer.close()
        self.file_writer = self.all_writers = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        self.close()
