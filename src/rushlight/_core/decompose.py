"""A batching rule made of what one example's result is in other operators."""

from collections.abc import Callable
from typing import Any

from rushlight._core.batch_rules import Batch, each
from rushlight._core.batched import BatchedArray, VmapLevel, batched
from rushlight._core.tensor import Tensor, wrap


def decomposed(function: Callable) -> Callable:
    """The rule that calls ``function(*tensors, *params)`` for one example on a level of its own.

    The operator's history is its own; on the level of this call there is none.
    """

    def rule(batch: Batch, values: tuple, params: tuple) -> Any:
        with VmapLevel(batch.size, "same") as level:
            examples = [
                wrap(batched(level, v)) if m else v
                for v, m in zip(values, batch.mapped, strict=True)
            ]
            result = function(*examples, *params)

        def value(t: Any) -> Tensor:
            x = t._data
            if isinstance(x, BatchedArray) and x.level is level:
                return x.value if x.mapped else x.value.expand((batch.size, *x.shape))
            return t.expand((batch.size, *t.shape))

        return each(result, value)

    return rule
