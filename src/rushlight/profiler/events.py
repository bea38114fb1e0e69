"""What a profile recorded: single events, their sums, the table and the Chrome trace."""

import gzip
import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any


class _OlderNames:
    """The device's times by the names they had when every device was CUDA's."""

    __slots__ = ()
    device_time_total: Any
    self_device_time_total: Any

    @property
    def cuda_time_total(self) -> Any:
        """``device_time_total``."""
        return self.device_time_total

    @property
    def self_cuda_time_total(self) -> Any:
        """``self_device_time_total``."""
        return self.self_device_time_total


class Event(_OlderNames):
    """One operation, or one ``record_function`` range; times in nanoseconds.

    >>> with torch.profiler.profile() as prof:
    ...     _ = torch.ones(2).exp()
    >>> event = next(e for e in prof.events() if e.name == 'aten::exp')
    >>> event.name, event.cpu_time_total > 0
    ('aten::exp', True)
    """

    __slots__ = (
        "device_inside",
        "device_time_total",
        "end",
        "input_shapes",
        "inside",
        "marks",
        "name",
        "parent",
        "start",
        "thread",
        "user",
    )

    def __init__(
        self, name: str, start: int, thread: int, input_shapes: list, user: bool = False
    ) -> None:
        self.name, self.start, self.thread, self.user = name, start, thread, user
        self.end = start
        self.inside = 0  # time of the events within it
        self.parent: Event | None = None
        self.marks: Any = None  # on a device's stream, where it began and where it ended
        self.device_time_total = self.device_inside = 0.0
        self.input_shapes = input_shapes

    @property
    def key(self) -> str:
        """Its name."""
        return self.name

    @property
    def cpu_time_total(self) -> float:
        """Microseconds from start to end."""
        return (self.end - self.start) / 1000

    @property
    def self_cpu_time_total(self) -> float:
        """The same less the events inside."""
        return (self.end - self.start - self.inside) / 1000

    @property
    def self_device_time_total(self) -> float:
        """Microseconds between its ends on the device, less the events inside."""
        return self.device_time_total - self.device_inside

    def measure(self) -> None:
        """Ask the device for the time between the marks, which it must have passed."""
        if self.marks is None:
            return
        begin, end = self.marks
        self.device_time_total = begin.elapsed_time(end) * 1000
        self.marks = None
        if self.parent is not None:
            self.parent.device_inside += self.device_time_total


class FunctionEventAvg(_OlderNames):
    """All events of one name."""

    def __init__(self, key: str, input_shapes: list) -> None:
        self.key, self.input_shapes = key, input_shapes
        self.count = 0
        self.cpu_time_total = self.self_cpu_time_total = 0.0
        self.device_time_total = self.self_device_time_total = 0.0

    def add(self, event: Any) -> None:
        """Count one more."""
        self.count += 1
        self.cpu_time_total += event.cpu_time_total
        self.self_cpu_time_total += event.self_cpu_time_total
        self.device_time_total += event.device_time_total
        self.self_device_time_total += event.self_device_time_total

    @property
    def cpu_time(self) -> float:
        """Microseconds of one call, on average."""
        return self.cpu_time_total / self.count

    @property
    def device_time(self) -> float:
        """Microseconds of one call on the device, on average."""
        return self.device_time_total / self.count


def _time(microseconds: float) -> str:
    if microseconds >= 1e6:
        return f"{microseconds / 1e6:.3f}s"
    if microseconds >= 1e3:
        return f"{microseconds / 1e3:.3f}ms"
    return f"{microseconds:.3f}us"


class EventList(list):
    """Events, or their averages.

    >>> with torch.profiler.profile() as prof:
    ...     _ = torch.ones(2).exp()
    >>> type(prof.events()).__name__
    'EventList'
    >>> 'aten::exp' in prof.key_averages().table()
    True
    """

    @property
    def self_cpu_time_total(self) -> float:
        """Microseconds spent in all of them."""
        return sum(e.self_cpu_time_total for e in self)

    def key_averages(self, group_by_input_shape: bool = False) -> "EventList":
        """One entry per name (and input shapes, if asked), in the order they came first."""
        groups: dict[tuple, FunctionEventAvg] = {}
        for e in self:
            shapes = e.input_shapes if group_by_input_shape else []
            key = (e.name, str(shapes))
            groups.setdefault(key, FunctionEventAvg(e.name, shapes)).add(e)
        return EventList(groups.values())

    def table(
        self,
        sort_by: str | None = None,
        row_limit: int = 100,
        max_src_column_width: int = 75,
        max_name_column_width: int = 55,
        max_shapes_column_width: int = 80,
        header: str | None = None,
        top_level_events_only: bool = False,
    ) -> str:
        """table(sort_by=None, row_limit=100, ...) -> str

        A table of names, times and calls, with the device's times if there are any. ``sort_by``: an
        attribute such as ``cpu_time_total``, ``self_cpu_time_total``, ``device_time_total`` (or
        ``cuda_time_total``), ``cpu_time`` or ``count``; the largest come first.
        """
        if top_level_events_only:
            raise NotImplementedError("top_level_events_only: leave it out, sort_by helps")
        entries = list(self) if self and hasattr(self[0], "count") else list(self.key_averages())
        if sort_by is not None:
            attribute = sort_by.replace("cuda_", "device_")
            entries.sort(key=lambda e: getattr(e, attribute), reverse=True)
        total = sum(e.self_cpu_time_total for e in entries)
        on_device = sum(e.self_device_time_total for e in entries)
        shown = entries[: max(row_limit, 0) or None]
        rows = [_row(e, total, max_name_column_width) for e in shown]
        titles = [*_TITLES]
        if on_device:
            titles[-1:-1] = _DEVICE_TITLES
            for row, e in zip(rows, shown, strict=True):
                row[-1:-1] = _device_cells(e, on_device)
        if any(e.input_shapes for e in entries):
            titles.append("Input Shapes")
            for row, e in zip(rows, entries, strict=False):
                row.append(str(e.input_shapes)[:max_shapes_column_width])
        text = _aligned(titles, rows, header) + f"Self CPU time total: {_time(total)}\n"
        return text + (f"Self CUDA time total: {_time(on_device)}\n" if on_device else "")

    def __str__(self) -> str:
        return self.table()

    def export_chrome_trace(self, path: str | os.PathLike) -> None:
        """Write the events for chrome://tracing or Perfetto; a name in .gz is compressed."""
        _write_trace(self, Path(path))


_TITLES = (
    "Name",
    "Self CPU %",
    "Self CPU",
    "CPU total %",
    "CPU total",
    "CPU time avg",
    "# of Calls",
)
_DEVICE_TITLES = ("Self CUDA", "Self CUDA %", "CUDA total", "CUDA time avg")


def _row(e: Any, total: float, width: int) -> list[str]:
    name = e.key if len(e.key) <= width else e.key[: width - 3] + "..."
    share = 100 / total if total else 0.0
    return [
        name,
        f"{e.self_cpu_time_total * share:.2f}%",
        _time(e.self_cpu_time_total),
        f"{e.cpu_time_total * share:.2f}%",
        _time(e.cpu_time_total),
        _time(e.cpu_time),
        str(e.count),
    ]


def _device_cells(e: Any, total: float) -> list[str]:
    return [
        _time(e.self_device_time_total),
        f"{e.self_device_time_total * 100 / total:.2f}%",
        _time(e.device_time_total),
        _time(e.device_time),
    ]


def _aligned(titles: list[str], rows: list[list[str]], header: str | None) -> str:
    widths = [max(len(line[i]) for line in (titles, *rows)) + 2 for i in range(len(titles))]
    rule = "  ".join("-" * w for w in widths)
    lines = [rule]
    if header is not None:
        lines = ["-" * len(rule), header, rule]
    for line in (titles, None, *rows):
        if line is None:
            lines.append(rule)
        else:
            lines.append("  ".join(cell.rjust(w) for cell, w in zip(line, widths, strict=True)))
    return "\n".join([*lines, rule, ""])


def _write_trace(events: Iterable[Event], path: Path) -> None:
    pid = os.getpid()
    entries = [
        {
            "ph": "X",
            "cat": "user_annotation" if e.user else "cpu_op",
            "name": e.name,
            "pid": pid,
            "tid": e.thread,
            "ts": e.start / 1000,
            "dur": e.cpu_time_total,
            "args": {
                **({"Input Dims": e.input_shapes} if e.input_shapes else {}),
                **({"CUDA time (us)": e.device_time_total} if e.device_time_total else {}),
            },
        }
        for e in events
    ]
    text = json.dumps({"traceEvents": entries, "displayTimeUnit": "ms"})
    data = text.encode()
    path.write_bytes(gzip.compress(data) if path.suffix == ".gz" else data)
