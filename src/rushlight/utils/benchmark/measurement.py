"""Measurement: the times of one statement."""

import dataclasses
import statistics


def unit_of(seconds: float) -> tuple[str, float]:
    """The unit that suits a time, and how many seconds it is."""
    for name, size in (("ns", 1e-9), ("us", 1e-6), ("ms", 1e-3)):
        if seconds < size * 1000:
            return name, size
    return "s", 1.0


@dataclasses.dataclass(frozen=True)
class Measurement:
    """``raw_times``: the seconds that each block of ``number_per_run`` runs took.

    >>> m = torch.utils.benchmark.Timer('x + x', globals={'x': torch.ones(2)}).timeit(100)
    >>> m.number_per_run, len(m.times), m.median > 0
    (100, 1, True)
    """

    number_per_run: int
    raw_times: list[float]
    stmt: str
    label: str | None = None
    sub_label: str | None = None
    description: str | None = None
    env: str | None = None
    num_threads: int = 1

    @property
    def times(self) -> list[float]:
        """Seconds of one run, per block."""
        return [t / self.number_per_run for t in self.raw_times]

    @property
    def mean(self) -> float:
        """The average of one run, in seconds."""
        return statistics.fmean(self.times)

    @property
    def median(self) -> float:
        """The middle one, in seconds."""
        return statistics.median(self.times)

    @property
    def iqr(self) -> float:
        """The spread of the middle half, in seconds."""
        if len(self.times) < 2:
            return 0.0
        quarters = statistics.quantiles(self.times, n=4, method="inclusive")
        return quarters[2] - quarters[0]

    @property
    def title(self) -> str:
        """Label and sub-label, or the statement."""
        parts = [p for p in (self.label, self.sub_label) if p]
        return ": ".join(parts) or self.stmt

    def __repr__(self) -> str:
        name, size = unit_of(self.median)
        lines = [f"<torch.utils.benchmark.utils.common.Measurement object at {hex(id(self))}>"]
        lines.append(self.title)
        if self.description:
            lines.append(self.description)
        if len(self.times) > 1:
            lines.append(f"  Median: {self.median / size:.2f} {name}")
            lines.append(f"  IQR:    {self.iqr / size:.2f} {name}")
        else:
            lines.append(f"  {self.mean / size:.2f} {name}")
        runs = "run" if self.number_per_run == 1 else "runs"
        blocks = len(self.times)
        lines.append(
            f"  {blocks} measurement{'s' if blocks > 1 else ''}, {self.number_per_run} {runs} per "
            f"measurement, {self.num_threads} thread{'s' if self.num_threads > 1 else ''}"
        )
        return "\n".join(lines)
