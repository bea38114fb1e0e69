"""Timer: run a statement often enough to know how long it takes."""

import time
import timeit
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.utils.benchmark.measurement import Measurement

timer = time.perf_counter


class Timer:
    """Timer(stmt='pass', setup='pass', global_setup='', timer=timer, globals=None, label=None,
    sub_label=None, description=None, env=None, num_threads=1)

    Times a Python statement; ``torch`` is a name in it. ``num_threads`` threads compute meanwhile.

    >>> from rushlight.utils.benchmark import Timer
    >>> m = Timer("x + x", globals={"x": torch.ones(2)}).timeit(10)
    >>> m.number_per_run
    10
    """

    def __init__(
        self,
        stmt: str = "pass",
        setup: str = "pass",
        global_setup: str = "",
        timer: Callable[[], float] = timer,
        globals: dict[str, Any] | None = None,
        label: str | None = None,
        sub_label: str | None = None,
        description: str | None = None,
        env: str | None = None,
        num_threads: int = 1,
        language: str = "python",
    ) -> None:
        if language not in ("python", "py"):
            raise NotImplementedError(f"language={language!r}: Timer times Python statements")
        if global_setup:
            raise ValueError("global_setup is C++ only")
        names = {"torch": torch, **(globals or {})}
        self._timer = timeit.Timer(stmt, setup, timer, names)
        self._facts = {
            "stmt": stmt,
            "label": label,
            "sub_label": sub_label,
            "description": description,
            "env": env,
            "num_threads": num_threads,
        }
        self._threads = num_threads

    def _measured(self, number: int, times: list[float]) -> Measurement:
        facts: Any = self._facts
        return Measurement(number, times, **facts)

    def _run(self, number: int) -> float:
        before = torch.get_num_threads()
        torch.set_num_threads(self._threads)
        try:
            return max(self._timer.timeit(number), 1e-9)
        finally:
            torch.set_num_threads(before)

    def timeit(self, number: int = 1000000) -> Measurement:
        """timeit(number=1000000) -> Measurement: the time of ``number`` runs, after a few more."""
        self._run(max(number // 100, 2))
        return self._measured(number, [self._run(number)])

    def _block_size(self, min_run_time: float) -> int:
        """How many runs make the clock's own cost small."""
        number = 1
        while True:
            taken = self._run(number)
            if taken >= min_run_time / 1000 or taken > min_run_time:
                return number
            number *= 10

    def blocked_autorange(
        self,
        callback: Callable[[int, float], Any] | None = None,
        min_run_time: float = 0.2,
    ) -> Measurement:
        """blocked_autorange(callback=None, min_run_time=0.2) -> Measurement

        Blocks of runs until ``min_run_time`` seconds are spent.
        """
        number = self._block_size(min_run_time)
        times: list[float] = []
        while sum(times) < min_run_time:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
        return self._measured(number, times)

    def adaptive_autorange(
        self,
        threshold: float = 0.1,
        *,
        min_run_time: float = 0.01,
        max_run_time: float = 10.0,
        callback: Callable[[int, float], Any] | None = None,
    ) -> Measurement:
        """adaptive_autorange(threshold=0.1, *, min_run_time=0.01, max_run_time=10.0) -> Measurement

        Blocks of runs until the spread is below ``threshold`` times the median, or
        ``max_run_time`` is spent.
        """
        number = self._block_size(min_run_time)
        times: list[float] = []
        while True:
            times.append(self._run(number))
            if callback is not None:
                callback(number, times[-1])
            found = self._measured(number, times)
            settled = len(times) > 3 and found.iqr < threshold * found.median
            if sum(times) >= max_run_time or (settled and sum(times) >= min_run_time):
                return found
