"""Where the processes of ``rushlight run`` write: the console, files, or both."""

import contextlib
import subprocess
import sys
import tempfile
import threading
from pathlib import Path
from typing import IO, Any

from rushlight.distributed.run_options import local_ranks


def choice(text: str, rank: int) -> int:
    """What '3' or '0:1,1:3' says for a process: 1 stdout, 2 stderr, 3 both."""
    if ":" not in text:
        return int(text)
    pairs = dict(part.split(":") for part in text.split(","))
    return int(pairs.get(str(rank), 0))


class Outputs:
    """The streams of one machine's processes, as the options say."""

    def __init__(self, args: Any, run_id: str) -> None:
        self.redirects, self.tee, self.role = args.redirects, args.tee, args.role
        self.shown = local_ranks(args.local_ranks_filter)
        self.folder: Path | None = None
        self.copiers: list[threading.Thread] = []
        if args.log_dir is not None or self.redirects != "0" or self.tee != "0":
            base = args.log_dir or tempfile.mkdtemp(prefix="torchelastic_")
            Path(base).mkdir(parents=True, exist_ok=True)
            self.folder = Path(tempfile.mkdtemp(prefix=f"{run_id}_", dir=base))

    def of(self, rank: int, attempt: int) -> dict[str, Any]:
        """Popen's arguments for a process; ``started`` has to be called after."""
        wants = choice(self.redirects, rank) | choice(self.tee, rank)
        hidden = self.shown is not None and rank not in self.shown
        streams: dict[str, Any] = {}
        for bit, name in ((1, "stdout"), (2, "stderr")):
            if choice(self.tee, rank) & bit:
                streams[name] = subprocess.PIPE
            elif wants & bit:
                streams[name] = self._file(rank, attempt, name)
            elif hidden:
                streams[name] = subprocess.DEVNULL
        return streams

    def _file(self, rank: int, attempt: int, name: str) -> IO[bytes]:
        assert self.folder is not None
        place = self.folder / f"attempt_{attempt}" / str(rank)
        place.mkdir(parents=True, exist_ok=True)
        return (place / f"{name}.log").open("wb")

    def started(
        self, process: subprocess.Popen, rank: int, attempt: int, given: dict[str, Any]
    ) -> None:
        """Close our ends of files; begin to copy what goes both ways."""
        hidden = self.shown is not None and rank not in self.shown
        for name, console in (("stdout", sys.stdout), ("stderr", sys.stderr)):
            stream: Any = given.get(name)
            if stream is subprocess.PIPE:
                source = getattr(process, name)
                target = self._file(rank, attempt, name)
                begin = f"[{self.role}{rank}]:"
                where = None if hidden else console
                copier = threading.Thread(target=_copy, args=(source, target, where, begin))
                copier.daemon = True
                copier.start()
                self.copiers.append(copier)
            elif stream not in (None, subprocess.DEVNULL):
                stream.close()

    def finish(self) -> None:
        """Wait until all that was written is copied."""
        for copier in self.copiers:
            copier.join(1)
        self.copiers = []


def _copy(source: IO[bytes], target: IO[bytes], console: Any, begin: str) -> None:
    """Lines to a file, and to the console with their process before them."""
    with contextlib.suppress(OSError, ValueError), target:
        for line in source:
            target.write(line)
            target.flush()
            if console is not None:
                console.write(begin + line.decode(errors="replace"))
                console.flush()
