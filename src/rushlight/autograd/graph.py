"""torch.autograd.graph: a look at the recorded graph, and hooks on what it keeps."""

import abc
import contextlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from rushlight._core import tensor as core
from rushlight._core.inplace import bump
from rushlight._core.state import S, thread
from rushlight._core.tensor import Leaf, Pick, Removable, Tensor, live_node
from rushlight.autograd import engine

__all__ = [
    "GradientEdge",
    "Node",
    "allow_mutation_on_saved_tensors",
    "disable_saved_tensors_hooks",
    "get_gradient_edge",
    "increment_version",
    "register_multi_grad_hook",
    "save_on_cpu",
    "saved_tensors_hooks",
]


class Node(abc.ABC):
    """What ``grad_fn`` is: one step of the graph.

    >>> y = torch.ones(1, requires_grad=True) * 2
    >>> isinstance(y.grad_fn, torch.autograd.graph.Node), y.grad_fn.name()
    (True, 'MulBackward0')
    """

    @abc.abstractmethod
    def name(self) -> str:
        """PyTorch's name for the step: 'MulBackward0'."""

    @property
    @abc.abstractmethod
    def next_functions(self) -> tuple[tuple["Node | None", int], ...]:
        """The nodes that gradients go to, as (node, output number) pairs."""

    @abc.abstractmethod
    def register_hook(self, fn: Callable) -> Any:
        """Call ``fn(grad_inputs, grad_outputs)`` after the node; it may return new grad_inputs."""

    @abc.abstractmethod
    def register_prehook(self, fn: Callable) -> Any:
        """Call ``fn(grad_outputs)`` before the node; it may return new grad_outputs."""


Node.register(core.Node)
Node.register(Leaf)


class GradientEdge(NamedTuple):
    """Where the gradient of one tensor goes: ``output_nr`` of ``node``.

    >>> x = torch.ones(2, requires_grad=True)
    >>> edge = torch.autograd.graph.get_gradient_edge(x * 2)
    >>> edge.output_nr, edge.node.name()
    (0, 'MulBackward0')
    """

    node: Any
    output_nr: int
    ownership_token: Any = None


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """get_gradient_edge(tensor) -> GradientEdge

    The edge that the gradient of ``tensor`` takes; for a leaf its accumulator. RuntimeError if the
    tensor does not require grad.

    >>> x = torch.ones(1, requires_grad=True)
    >>> torch.autograd.graph.get_gradient_edge(x * 2).output_nr
    0
    """
    node: Any = live_node(tensor)
    if node is None:
        raise RuntimeError(
            "It is not possible to get the gradient edge for a Tensor that does not require "
            "gradients"
        )
    return GradientEdge(node.node, node.index) if type(node) is Pick else GradientEdge(node, 0)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """increment_version(tensor) -> None

    Count a write to ``tensor`` (or to each of several) that autograd could not see.

    >>> x = torch.ones(1); torch.autograd.graph.increment_version(x); x._version
    1
    """
    for t in (tensor,) if isinstance(tensor, Tensor) else tensor:
        bump(t)


# ---- hooks on saved tensors ----------------------------------------------------------------------


class saved_tensors_hooks:
    """saved_tensors_hooks(pack_hook, unpack_hook)

    Inside, ``pack_hook(tensor)`` decides what is kept of a tensor that an operation saves for
    backward, and ``unpack_hook`` gets that back into a tensor. The innermost pair counts. Packed
    tensors are not checked for writes in between.

    >>> kept = []
    >>> x = torch.tensor([3.0], requires_grad=True)
    >>> with torch.autograd.graph.saved_tensors_hooks(lambda t: kept.append(t) or t, lambda t: t):
    ...     y = x.exp()
    >>> len(kept)
    1
    """

    def __init__(
        self, pack_hook: Callable[[Tensor], Any], unpack_hook: Callable[[Any], Tensor]
    ) -> None:
        self.pack_hook, self.unpack_hook = pack_hook, unpack_hook

    def __enter__(self) -> None:
        if thread.saved_hooks_disabled is not None:
            raise RuntimeError(thread.saved_hooks_disabled)
        thread.saved_hooks.append((self.pack_hook, self.unpack_hook))
        S.special += 1  # the thin entries save without asking

    def __exit__(self, *exc: object) -> None:
        S.special -= 1
        thread.saved_hooks.pop()


class save_on_cpu(saved_tensors_hooks):
    """save_on_cpu(pin_memory=False, device_type='cuda')

    Inside, saved tensors are moved to the CPU and come back to their device in backward. On the CPU
    itself nothing moves; ``pin_memory=True`` keeps copies, as in PyTorch, in ordinary memory.

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> with torch.autograd.graph.save_on_cpu():
    ...     y = x * x
    >>> torch.autograd.grad(y, x)
    (tensor(6.),)
    """

    def __init__(self, pin_memory: bool = False, device_type: str = "cuda") -> None:
        def pack(t: Tensor) -> tuple:
            return t.device, (t.clone() if pin_memory else t.cpu())

        def unpack(packed: tuple) -> Tensor:
            device, t = packed
            return t.to(device, non_blocking=pin_memory)

        super().__init__(pack, unpack)


@contextlib.contextmanager
def disable_saved_tensors_hooks(error_message: str) -> Iterator[None]:
    """disable_saved_tensors_hooks(error_message)

    Inside, entering ``saved_tensors_hooks`` raises RuntimeError with this message.

    >>> with torch.autograd.graph.disable_saved_tensors_hooks('not here'):
    ...     with torch.autograd.graph.save_on_cpu():
    ...         pass
    Traceback (most recent call last):
        ...
    RuntimeError: not here
    """
    before = thread.saved_hooks_disabled
    if thread.saved_hooks:
        raise RuntimeError(error_message)
    thread.saved_hooks_disabled = error_message
    try:
        yield
    finally:
        thread.saved_hooks_disabled = before


class _Copies:
    """The copies that ``allow_mutation_on_saved_tensors`` keeps until it ends."""

    def __init__(self) -> None:
        self.kept: dict[object, Tensor] = {}

    def clear(self) -> None:
        """Forget all copies; the graphs that need them cannot be walked any more."""
        self.kept.clear()

    def pack(self, t: Tensor) -> object:
        handle = object()
        self.kept[handle] = t.clone()
        return handle

    def unpack(self, handle: object) -> Tensor:
        if handle not in self.kept:
            raise AssertionError(
                "Trying to backward outside of the 'allow_mutation_on_saved_tensors' context"
                "in which the graph was originally recorded."
            )
        return self.kept[handle]


_mutation = [False]


@contextlib.contextmanager
def allow_mutation_on_saved_tensors() -> Iterator[_Copies]:
    """allow_mutation_on_saved_tensors()

    Inside, tensors saved for backward may be written to: backward uses the values that they had. A
    copy of each is taken when it is saved (PyTorch waits for the write), and the copies live as
    long as the context, in which backward must run.

    >>> with torch.autograd.graph.allow_mutation_on_saved_tensors():
    ...     a = torch.ones(2, requires_grad=True)
    ...     b = a.clone()
    ...     out = (b**2).sum()
    ...     _ = b.sin_()
    ...     out.backward()
    >>> a.grad
    tensor([2., 2.])
    """
    if _mutation[0]:
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    copies = _Copies()
    _mutation[0] = True
    try:
        with saved_tensors_hooks(copies.pack, copies.unpack):
            yield copies
    finally:
        copies.clear()
        _mutation[0] = False


# ---- one hook for several gradients --------------------------------------------------------------


class _Handles:
    """What a registration on several tensors returns."""

    def __init__(self, handles: Sequence[Removable]) -> None:
        self.handles = handles

    def remove(self) -> None:
        """Take the hooks out; doing so twice is harmless."""
        for h in self.handles:
            h.remove()

    def __enter__(self) -> "_Handles":
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable, *, mode: str = "all"
) -> _Handles:
    """register_multi_grad_hook(tensors, fn, *, mode='all') -> handle

    Call ``fn`` once per backward: with the list of all gradients, None for tensors that this
    backward does not reach, when the last has arrived (``"all"``); or with the first gradient to
    arrive (``"any"``). Only tensors that require grad have one.

    >>> a, b = torch.ones(1, requires_grad=True), torch.ones(1, requires_grad=True)
    >>> _ = torch.autograd.graph.register_multi_grad_hook((a, b), lambda grads: print(len(grads)))
    >>> (a * b).backward()
    2
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    if mode == "any":
        return _Handles(_hooks_for_any(tensors, fn))
    return _Handles(_hooks_for_all(tensors, fn))


def _hooks_for_any(tensors: Sequence[Tensor], fn: Callable) -> list:
    last: list[object] = [None]

    def hook(grad: Tensor) -> None:
        if last[0] is not thread.backward:
            last[0] = thread.backward
            fn(grad)

    return [t.register_hook(hook) for t in tensors if t.requires_grad]


def _hooks_for_all(tensors: Sequence[Tensor], fn: Callable) -> list:
    engine.trace_tasks()
    nodes = [live_node(t) for t in tensors]
    current: list[Any] = [None, [], 0]  # the backward, its gradients, how many are to come

    def hook_for(index: int) -> Callable:
        def hook(grad: Tensor) -> None:
            task: Any = thread.backward
            if current[0] is not task:
                expected = sum(n is not None and task.visits(n) for n in nodes)
                current[:] = [task, [None] * len(nodes), expected]
            current[1][index] = grad
            current[2] -= 1
            if not current[2]:
                grads = current[1]
                current[:] = [None, [], 0]
                fn(grads)

        return hook

    return [t.register_hook(hook_for(i)) for i, t in enumerate(tensors) if t.requires_grad]
