"""Who is alive: each process keeps a connection to the store's server and tells it what it does.

The server tells when another process has died. Then every collective that waits fails, with an
error that names the rank and what it did last; and a process that does not come to notice, because
it computes or hangs, is ended after a few seconds.
"""

import atexit
import contextlib
import os
import select
import socket
import sys
import threading
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from multiprocessing import util
from types import TracebackType
from typing import Any

from rushlight.distributed import _store_server as wire
from rushlight.distributed.errors import DistError, DistNetworkError
from rushlight.distributed.stillness import Stillness, place, supported
from rushlight.distributed.tcp_store import Client

# Seconds between two signs of life; and how long a process may go on that has not noticed.
_BEAT = 0.25
_GRACE = "3"
_GRACE_AFTER_HANG = 1.0  # the others have waited for seconds
# Seconds after which what waits for a process that has ended without an error is given up.
_LEFT_GRACE = 2.0


class Progress:
    """What the server needs to tell a process that hangs from one that works.

    ``begun`` and ``waits`` tell of the groups; ``servers`` are processes that do not count as work.
    """

    def __init__(
        self, begun: Callable[[], str], waits: Callable[[], str], servers: Sequence[int]
    ) -> None:
        self.begun, self.waits = begun, waits
        self.stillness = Stillness(servers) if supported() else None

    def connected(self) -> None:
        """All connections are there."""
        if self.stillness is not None:
            self.stillness.ignore_libraries()

    def fields(self) -> list[bytes]:
        """Seconds without progress and where, collectives begun, what is waited for."""
        still = 0.0 if self.stillness is None else self.stillness.look()
        where = place() if still > 1 else ""
        texts = str(int(still)), where, self.begun(), self.waits()
        return [text.encode() for text in texts]


class Monitor(threading.Thread):
    """The membership of this process in a job.

    ``status`` gives what it did last; ``fail(ranks, text)`` is called when others have died.
    """

    def __init__(
        self,
        host: str,
        port: int,
        job: int,
        rank: int,
        status: Callable[[], str],
        fail: Callable[[int, str], None],
        progress: Progress | None = None,
    ) -> None:
        super().__init__(name="rushlight-monitor", daemon=True)
        self.job, self.rank, self.pid = job, rank, os.getpid()
        self.status, self.fail, self.progress = status, fail, progress
        self._reported: list[bytes] = []
        self._reported_at = 0.0
        self.hung = ""  # why this process is ended, if it is the one that hangs
        self.grace = float(os.environ.get("RUSHLIGHT_ABORT_GRACE", _GRACE))
        self.noticed = threading.Event()  # somebody has raised the error
        self.ended = False
        self.kill_at = float("inf")
        self.left: list[tuple[float, int, str]] = []
        self.client = Client(host, port, timedelta(seconds=30))
        self.asking = Client(host, port, timedelta(seconds=30))
        with contextlib.suppress(OSError, AttributeError):
            # The machine of the server may vanish without a word.
            self.client.sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, 8000)
        numbers = [b"%d" % n for n in (job, rank, self.pid)]
        self.client.ask(b"join", *numbers, wire.host_identity())

    def run(self) -> None:
        """Report and listen until the process ends."""
        while not self.ended:
            try:
                readable = select.select([self.client.sock], [], [], _BEAT)[0]
                if readable:
                    with self.client.lock:
                        if self.ended:
                            return
                        self._hear(self.client.receive())
                self._report()
            except (OSError, ValueError, DistError) as error:
                if not self.ended:
                    self._lost(error)
                return
            self._act(time.monotonic())

    def _report(self) -> None:
        """Tell what is new, and once a second that this process lives."""
        now = time.monotonic()
        report = [self.status().encode()]
        if self.progress is not None:
            report += self.progress.fields()
        if report != self._reported or now - self._reported_at > 1:
            with self.client.lock:
                if not self.ended:
                    self.client.send(b"status", *report)
            self._reported, self._reported_at = report, now

    def _hear(self, message: list[bytes]) -> None:
        kind = message[0][0]
        if kind == wire.OVER:
            self.ended = True
        elif kind == wire.LOOK:
            ticks, states = wire.cpu_and_state(int(message[3])) or (0, "")
            self.client.send(b"seen", *message[1:3], b"%d" % ticks, states.encode())
        elif kind in (wire.DEAD, wire.LEFT, wire.HUNG):
            text = describe(message[1:])
            if kind == wire.DEAD:
                self._failed(int(message[1]), text)
            elif kind == wire.HUNG:
                self._failed(int(message[1]), text, min(self.grace, _GRACE_AFTER_HANG))
                if int(message[1]) == self.rank:
                    self.hung = message[2].decode()
            else:
                self.left.append((time.monotonic() + _LEFT_GRACE, int(message[1]), text))

    def _lost(self, error: Exception) -> None:
        self._failed(0, f"the connection to the store of rank 0 is lost ({error})")
        while not self.ended and time.monotonic() < self.kill_at:
            time.sleep(_BEAT)
        self._act(time.monotonic())

    def _failed(self, rank: int, text: str, grace: float | None = None) -> None:
        if self.kill_at == float("inf"):
            self.kill_at = time.monotonic() + (self.grace if grace is None else grace)
        self.fail(rank, text)

    def _act(self, now: float) -> None:
        """What is due: give up waiting for who has left, end who does not notice."""
        for entry in [e for e in self.left if e[0] <= now]:
            self.left.remove(entry)
            self.fail(-1 - entry[1], entry[2])
        if now > self.kill_at and not self.noticed.is_set() and not self.ended:
            why = self.hung or (
                "another process of the job has died and this one did not notice within "
                f"{self.grace:g} s"
            )
            text = f"[rank{self.rank}]: ended by rushlight: {why}; it was last in {self.status()}"
            print(text, file=sys.stderr, flush=True)
            os._exit(1)

    def report(self) -> dict[int, str]:
        """What each living rank did last."""
        try:
            fields = self.asking.ask(b"report", b"%d" % self.job)[1]
        except DistError:
            return {}
        return {int(r): s.decode() for r, s in zip(fields[::2], fields[1::2], strict=True)}

    def say_last(self, name: bytes, *fields: bytes) -> None:
        """Farewell, or why this process ends in failure."""
        if self.ended or os.getpid() != self.pid:
            return
        self.ended = True
        with contextlib.suppress(OSError, DistNetworkError):
            self.client.sock.settimeout(1)
            self.client.send(b"status", self.status().encode())
            self.client.send(name, *fields)
            with self.client.lock:
                while self.client.receive()[0][0] != wire.OK:
                    pass
        self.client.close()
        self.asking.close()


def describe(fields: list[bytes]) -> str:
    """The server's message about a rank, in words."""
    rank, reason, status = (field.decode() for field in fields)
    return f"rank {rank} is gone: {reason}; the last collective it reported: {status}"


# ---- the end of this process ---------------------------------------------------------------------

_current: Monitor | None = None
_at_end: Callable[[bool], Any] | None = None
_installed_for = 0


def watch_over(monitor: Monitor, at_end: Callable[[bool], Any]) -> None:
    """From now on the end of this process is reported; ``at_end(failed)`` is called then."""
    global _current, _at_end, _installed_for
    _current, _at_end = monitor, at_end
    monitor.start()
    if _installed_for != os.getpid():
        _installed_for = os.getpid()
        atexit.register(_ended)
        util.Finalize(None, _ended_in_child, exitpriority=100)
        _chain_excepthook()


def stop_watching() -> None:
    """This process has nothing more to do in the job."""
    global _current
    if _current is not None:
        _current.say_last(b"bye")
    _current = None


def notice() -> None:
    """The failure is known to the program: it decides what happens next."""
    if _current is not None:
        _current.noticed.set()


def _report_error(error: BaseException) -> None:
    if _current is not None:
        text = f"it raised {type(error).__name__}: {error}"
        _current.say_last(b"failed", text[:500].encode())


def _chain_excepthook() -> None:
    before = sys.excepthook

    def hook(kind: type[BaseException], error: BaseException, trace: TracebackType | None) -> None:
        _report_error(error)
        before(kind, error, trace)

    sys.excepthook = hook


def _ended() -> None:
    failed = _current is not None and (_current.ended or _current.kill_at < float("inf"))
    stop_watching()
    if _at_end is not None:
        _at_end(failed)


def _ended_in_child() -> None:
    """A process of multiprocessing ends: it calls no excepthook and no atexit functions."""
    error = sys.exc_info()[1]
    if isinstance(error, SystemExit) and error.code not in (None, 0):
        error = error.__context__ or error
    if error is not None and not (isinstance(error, SystemExit) and not error.code):
        _report_error(error)
    _ended()
