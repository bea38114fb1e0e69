"""Compare: measurements side by side."""

from collections.abc import Iterable

from rushlight.utils.benchmark.measurement import Measurement, unit_of


class Compare:
    """Compare(results)

    A table: one row per sub-label (or statement), one column per description; ``print()`` shows it.

    >>> Timer = torch.utils.benchmark.Timer
    >>> x = {'x': torch.ones(9)}
    >>> add = Timer('x + x', globals=x, label='sums', sub_label='9 elements', description='add')
    >>> sub = Timer('x - x', globals=x, label='sums', sub_label='9 elements', description='sub')
    >>> table = torch.utils.benchmark.Compare([add.timeit(2), sub.timeit(2)])
    >>> '9 elements' in str(table)
    True
    """

    def __init__(self, results: Iterable[Measurement]) -> None:
        self.results = list(results)

    def extend_results(self, results: Iterable[Measurement]) -> None:
        """Add measurements."""
        self.results.extend(results)

    def _table(self, label: str | None) -> str:
        chosen = [m for m in self.results if m.label == label]
        rows = list(dict.fromkeys((m.num_threads, m.sub_label or m.stmt) for m in chosen))
        columns = list(dict.fromkeys(m.description or "" for m in chosen))
        unit, size = unit_of(min(m.median for m in chosen))
        lines = [["", *columns]]
        for threads, name in rows:
            cells = []
            for column in columns:
                found = [
                    m.median / size
                    for m in chosen
                    if (m.num_threads, m.sub_label or m.stmt, m.description or "")
                    == (threads, name, column)
                ]
                cells.append(f"{found[0]:.1f}" if found else "")
            lines.append([f"{name} ({threads} threads)" if threads > 1 else name, *cells])
        widths = [max(len(line[i]) for line in lines) for i in range(len(lines[0]))]
        body = "\n".join(
            "  |  ".join(c.rjust(w) for c, w in zip(line, widths, strict=True)) for line in lines
        )
        return f"[ {label or 'statements'} ]\n{body}\n\nTimes are in {unit}.\n"

    def __str__(self) -> str:
        labels = dict.fromkeys(m.label for m in self.results)
        return "\n".join(self._table(label) for label in labels)

    def print(self) -> None:
        """Show the table."""
        print(self)
