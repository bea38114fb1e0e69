"""grad for many gradients of the outputs at once: ``is_grads_batched=True``."""

from collections.abc import Callable
from typing import Any

from rushlight._batching import rules
from rushlight._core.tensor import Tensor
from rushlight._core.vmap import vmap

rules.load()


def grad_of_rows(
    grad: Callable,
    outputs: tuple,
    inputs: tuple,
    grad_outputs: Any,
    retain_graph: bool | None,
    create_graph: bool,
    allow_unused: bool | None,
    materialize_grads: bool,
) -> tuple:
    """The gradients for each row of ``grad_outputs``, the rows first."""
    given = (grad_outputs,) if isinstance(grad_outputs, Tensor) else tuple(grad_outputs or ())
    unused: set[int] = set()

    def one(*rows: Any) -> tuple:
        found = grad(
            outputs,
            inputs,
            rows,
            retain_graph,
            create_graph,
            allow_unused=allow_unused,
            materialize_grads=materialize_grads,
        )
        unused.update([i for i, g in enumerate(found) if g is None])
        return tuple([g for g in found if g is not None])

    dims = tuple([None if g is None else 0 for g in given])
    made = iter(vmap(one, in_dims=dims, randomness="error")(*given))
    return tuple([None if i in unused else next(made) for i in range(len(inputs))])
