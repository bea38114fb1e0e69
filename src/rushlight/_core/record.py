"""What the core knows of an operator: the attributes of a record, worked out in op.py."""

from collections.abc import Callable
from typing import Any, Protocol


class Record(Protocol):
    """A completed record class. docs/adding-an-op.md says what each attribute means."""

    __name__: str
    name: str
    return_name: str
    tensors: tuple[str, ...]
    optional: tuple[str, ...]
    outputs: tuple[str, ...]
    named: bool
    promote: Any
    promotes: tuple[bool, ...]
    half: str | None
    wide: tuple[str, ...]
    halves: Callable | None
    domain: Callable | None
    check: Callable | None
    by_value: bool
    public: tuple[str, ...]
    aliases: tuple[str, ...]
    operator: str | None
    ufunc: str | None
    inplace: bool
    differentiable: bool
    autocast: dict[str, Any] | None
    varargs: bool
    variadic: bool
    numbers: bool | tuple[str, ...]
    of_numbers: bool
    out_same: bool | str
    out_apart: bool
    # The signature: arguments in order, defaults, which must be given, where each name stands.
    params: tuple[str, ...]
    arguments: tuple[str, ...]
    defaults: list
    required: list[bool]
    positional: int
    needed: int
    places: dict[Any, int]
    # What computes: run(xp, *arrays, *params), and for pointwise entries fast(*arrays). Of its two
    # halves, native(*arrays, *params) may answer NotImplemented, reference(xp, ...) serves all.
    call: Callable
    native: Callable | None
    reference: Callable
    run: Callable
    fast: Callable
    finish_view: Callable
    # Gradients: backward(node, g, need), and what a node keeps for it.
    grad_name: Any
    backward: Callable
    keep_for: Callable
    save_plan: Callable
    keep_results: tuple[int, ...]
    grad_outputs: tuple[int, ...]
