"""Selective checkpoints: which results a checkpoint keeps, and which it computes again.

``torch.utils.checkpoint`` offers what is here.
"""

import enum
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight._core.dispatch import general
from rushlight._core.inplace import InPlace
from rushlight._core.known import known
from rushlight._core.state import S

Results = dict[str, list]


class CheckpointPolicy(enum.Enum):
    """What a selective checkpoint does with an operation's result.

    >>> [p.name for p in torch.utils.checkpoint.CheckpointPolicy][:3]
    ['MUST_SAVE', 'PREFER_SAVE', 'MUST_RECOMPUTE']
    """

    MUST_SAVE = 0
    PREFER_SAVE = 1
    MUST_RECOMPUTE = 2
    PREFER_RECOMPUTE = 3
    MUST_CPU_OFFLOAD = 4
    PREFER_CPU_OFFLOAD = 5


SAVED = (CheckpointPolicy.MUST_SAVE, CheckpointPolicy.PREFER_SAVE)
OFFLOADED = (CheckpointPolicy.MUST_CPU_OFFLOAD, CheckpointPolicy.PREFER_CPU_OFFLOAD)


class SelectiveCheckpointContext:
    """SelectiveCheckpointContext(*, is_recompute, op_output=None)

    What a policy is told: whether this is the second run, and, in the first, the result.

    >>> def policy(ctx, op, *args, **kwargs):
    ...     return torch.utils.checkpoint.CheckpointPolicy.MUST_SAVE
    >>> context = torch.utils.checkpoint.SelectiveCheckpointContext(is_recompute=False)
    >>> context.is_recompute, policy(context, torch.add).name
    (False, 'MUST_SAVE')
    """

    def __init__(self, *, is_recompute: bool, op_output: Any = None) -> None:
        self.is_recompute, self.op_output = is_recompute, op_output


def ignored() -> set[Any]:
    """The operators that no policy is asked about: they only look at what is there."""
    return {torch.detach}


class _Mode:
    """A mode that stands in ``S.modes`` while a run lasts."""

    def __init__(self, policy: Callable, results: Results, mutable: bool) -> None:
        self.policy, self.results, self.mutable = policy, results, mutable

    def __enter__(self) -> "_Mode":
        S.modes.append(self)
        S.special += 1
        return self

    def __exit__(self, *exc: object) -> None:
        S.modes.remove(self)
        S.special -= 1

    def process(self, op: Any, tensors: tuple, params: tuple, out: Any) -> Any:
        """Called by the dispatcher for every operator."""
        if isinstance(op, InPlace):
            return op.call(*tensors, *params)
        if out is not None or op.name == "detach" or hasattr(op, "finish_view"):
            return general(op, tensors, params, out)
        return self.run(op, tensors, params)

    def run(self, op: Any, tensors: tuple, params: tuple) -> Any:
        raise NotImplementedError

    def kept(self, op: Any, tensors: tuple, params: tuple, result: Any, again: bool) -> bool:
        """Does the policy keep this result?"""
        ctx = SelectiveCheckpointContext(is_recompute=again, op_output=result)
        found = self.policy(ctx, op.call, *tensors, *params)
        if isinstance(found, bool):
            return found
        if found in OFFLOADED:
            raise NotImplementedError(f"{found}: there is no other memory, use MUST_SAVE")
        return found in SAVED


class Keeping(_Mode):
    """The first run: results are kept as the policy says."""

    def run(self, op: Any, tensors: tuple, params: tuple) -> Any:
        result = general(op, tensors, params, None)
        keep = self.kept(op, tensors, params, result, False)
        entry = (_detached(result), _versions(result)) if keep else None
        self.results.setdefault(op.name, []).append(entry)
        return result


class Giving(_Mode):
    """The second run: what was kept is not computed again."""

    def __init__(self, policy: Callable, results: Results, mutable: bool) -> None:
        super().__init__(policy, results, mutable)
        self.places: dict[str, int] = {}

    def __enter__(self) -> "_Mode":
        self.places = {}
        return super().__enter__()

    def run(self, op: Any, tensors: tuple, params: tuple) -> Any:
        at = self.places.get(op.name, 0)
        self.places[op.name] = at + 1
        entries = self.results.get(op.name, [])
        if at >= len(entries):
            raise RuntimeError(f"{op.name} encountered during backward, but not found in storage")
        if entries[at] is None:
            return general(op, tensors, params, None)
        result, versions = entries[at]
        if not self.mutable and _versions(result) != versions:
            raise RuntimeError(
                "Tensor cached during selective activation checkpoint has been mutated"
            )
        return known(op, tensors, params, result)


def _detached(result: Any) -> Any:
    if isinstance(result, tuple):
        return tuple([None if r is None else r.detach() for r in result])
    return result.detach()


def _versions(result: Any) -> list[int]:
    items = result if isinstance(result, tuple) else (result,)
    return [r._version for r in items if r is not None]


def create_selective_checkpoint_contexts(
    policy_fn_or_list: Callable | list, allow_cache_entry_mutation: bool = False
) -> tuple[Keeping, Giving]:
    """create_selective_checkpoint_contexts(policy_fn_or_list, allow_cache_entry_mutation=False)
    -> (context, context)

    The ``context_fn`` of a checkpoint that keeps some results, in a ``functools.partial``. A policy
    is called as ``policy(ctx, op, *args)`` for each operator, ``op`` being a function such as
    ``torch.mm``, and answers a CheckpointPolicy; a list names the functions whose results are
    kept. Views, and writes in place, are always done again.

    >>> import functools
    >>> from rushlight.utils import checkpoint as c
    >>> keep = functools.partial(c.create_selective_checkpoint_contexts, [torch.mm])
    >>> x = torch.ones(2, 2, requires_grad=True)
    >>> f = lambda x: torch.mm(x, x).sin()
    >>> c.checkpoint(f, x, use_reentrant=False, context_fn=keep).sum().backward()
    """
    if callable(policy_fn_or_list):
        policy = policy_fn_or_list
    elif isinstance(policy_fn_or_list, list):
        policy = _listed(policy_fn_or_list)
    else:
        raise TypeError("policy_fn_or_list must be either a function or a list of ops.")
    results: Results = {}
    return (
        Keeping(policy, results, allow_cache_entry_mutation),
        Giving(policy, results, allow_cache_entry_mutation),
    )


def _listed(functions: list) -> Callable:
    """A policy that keeps the results of these functions."""
    for f in functions:
        if not callable(f):
            raise ValueError(
                f"Expected op in `op_list` to be an operator of torch but got: {f} of type "
                f"{type(f)}. "
            )

    def policy(ctx: SelectiveCheckpointContext, op: Callable, *args: Any) -> CheckpointPolicy:
        return CheckpointPolicy.MUST_SAVE if op in functions else CheckpointPolicy.PREFER_RECOMPUTE

    return policy


# ---- several walks backwards ---------------------------------------------------------------------

_group: list["GraphExecGroup"] = []


class GraphExecGroup:
    """GraphExecGroup()

    A context for several walks backwards over one graph: what a checkpoint computes again in the
    first it still has in the others.

    >>> x = torch.tensor(1.0, requires_grad=True)
    >>> y = torch.utils.checkpoint.checkpoint(torch.exp, x, use_reentrant=False)
    >>> with torch.utils.checkpoint.GraphExecGroup():
    ...     torch.autograd.grad(y, x)
    (tensor(2.7183),)
    """

    def __enter__(self) -> "GraphExecGroup":
        if _group:
            raise RuntimeError(
                f"GraphExecGroup contexts cannot be nested. Already inside group {_group[0]}"
            )
        _group.append(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _group.pop()

    @staticmethod
    def current() -> "GraphExecGroup | None":
        """The group that is entered, or None."""
        return _group[0] if _group else None


# ---- debugging -----------------------------------------------------------------------------------


class Log:
    """A mode that notes the operators of a run, for ``debug=True``."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def __enter__(self) -> "Log":
        self.lines = []
        S.modes.append(self)
        S.special += 1
        return self

    def __exit__(self, *exc: object) -> None:
        S.modes.remove(self)
        S.special -= 1

    def process(self, op: Any, tensors: tuple, params: tuple, out: Any) -> Any:
        """Called by the dispatcher for every operator."""
        self.lines.append(f"{op.name}({', '.join(_described(t) for t in (*tensors, *params))})")
        if isinstance(op, InPlace):
            return op.call(*tensors, *params)
        return general(op, tensors, params, out)


def _described(value: Any) -> str:
    if isinstance(value, torch.Tensor):
        return f"{str(value.dtype).removeprefix('torch.')}{list(value.shape)}"
    return repr(value)
