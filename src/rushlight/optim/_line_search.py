"""A line search for the strong Wolfe conditions (Nocedal and Wright, Numerical Optimization,
algorithms 3.5 and 3.6).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rushlight import _api as torch

DECREASE = 1e-4  # Armijo: the loss must fall by this share of what the slope promises
CURVATURE = 0.9  # the slope must flatten to this share


@dataclass
class Point:
    """A place along the direction: how far, the loss, the gradient, the slope."""

    t: Any
    loss: float
    grad: torch.Tensor
    slope: torch.Tensor


def strong_wolfe(
    value_at: Callable[[Any], tuple[float, torch.Tensor]],
    t: Any,
    direction: torch.Tensor,
    loss: float,
    grad: torch.Tensor,
    slope: torch.Tensor,
    max_evaluations: int,
    tolerance: float = 1e-9,
) -> tuple[float, torch.Tensor, Any, int]:
    """Loss, gradient and length of an acceptable step, and the number of evaluations."""
    search = Search(value_at, direction, Point(0, loss, grad, slope), max_evaluations)
    found = search.bracket(t)
    best = found[0] if len(found) == 1 else search.zoom(found, direction.abs().max(), tolerance)
    return best.loss, best.grad, best.t, search.evaluations


class Search:
    def __init__(
        self, value_at: Callable, direction: torch.Tensor, start: Point, tries: int
    ) -> None:
        self.value_at = value_at
        self.direction = direction
        self.start = start
        self.tries = tries
        self.used = 0
        self.evaluations = 0

    def at(self, t: Any) -> Point:
        loss, grad = self.value_at(t)
        self.evaluations += 1
        return Point(t, loss, grad, grad.dot(self.direction))

    def too_high(self, point: Point) -> bool:
        return point.loss > self.start.loss + DECREASE * point.t * self.start.slope

    def flat(self, point: Point) -> bool:
        return bool(abs(point.slope) <= -CURVATURE * self.start.slope)

    def bracket(self, t: Any) -> list[Point]:
        """Go further until an acceptable point is found, or the two ends of an interval that holds
        one.
        """
        before, here = self.start, self.at(t)
        while self.used < self.tries:
            if self.too_high(here) or (self.used > 1 and here.loss >= before.loss):
                return [before, here]
            if self.flat(here):
                return [here]
            if here.slope >= 0:
                return [before, here]
            limits = here.t + 0.01 * (here.t - before.t), here.t * 10
            t = cubic_minimum(before, here, limits)
            before, here = here, self.at(t)
            self.used += 1
        return [self.start, here]

    def zoom(self, bracket: list[Point], scale: torch.Tensor, tolerance: float) -> Point:
        """Shrink the interval around an acceptable point; the best point of it."""
        low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
        stuck = False
        while self.used < self.tries:
            ends = [point.t for point in bracket]
            if abs(ends[1] - ends[0]) * scale < tolerance:
                break
            t, stuck = away_from_ends(cubic_minimum(bracket[0], bracket[1]), ends, stuck)
            here = self.at(t)
            self.used += 1
            if self.too_high(here) or here.loss >= bracket[low].loss:
                bracket[high] = here
                low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
                continue
            done = self.flat(here)
            if not done and here.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = here
            if done:
                break
        return bracket[low]


def away_from_ends(t: Any, ends: list, stuck: bool) -> tuple[Any, bool]:
    """Twice in a row close to an end of the interval is no progress: step a tenth of its length
    inside.
    """
    margin = 0.1 * (max(ends) - min(ends))
    if min(max(ends) - t, t - min(ends)) >= margin:
        return t, False
    if not (stuck or t >= max(ends) or t <= min(ends)):
        return t, True
    upper = abs(t - max(ends)) < abs(t - min(ends))
    return (max(ends) - margin if upper else min(ends) + margin), False


def cubic_minimum(a: Point, b: Point, limits: tuple | None = None) -> Any:
    """Where the cubic through two points with slopes is least, within `limits` (default: between
    them).
    """
    low, high = limits or ((a.t, b.t) if a.t <= b.t else (b.t, a.t))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if square < 0:
        return (low + high) / 2.0
    d2 = square.sqrt()
    if a.t <= b.t:
        best = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    else:
        best = a.t - (a.t - b.t) * ((a.slope + d2 - d1) / (a.slope - b.slope + 2 * d2))
    return min(max(best, low), high)
