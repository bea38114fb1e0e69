"""torch.utils.checkpoint: compute a part again in backward instead of keeping what it saved."""

import contextlib
import warnings
import weakref
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight import cuda
from rushlight._core import gpu
from rushlight._core.generator import of_device
from rushlight._core.saved_hooks import pack, restore
from rushlight._core.state import thread
from rushlight._core.tensor import live_node
from rushlight.amp import autocast
from rushlight.amp._state import (
    get_autocast_dtype,
    is_autocast_cache_enabled,
    is_autocast_enabled,
)
from rushlight.autograd.engine import backward
from rushlight.autograd.function import Function
from rushlight.autograd.graph import saved_tensors_hooks
from rushlight.random import fork_rng
from rushlight.utils._pytree import tree_leaves
from rushlight.utils.selective import CheckpointPolicy as CheckpointPolicy
from rushlight.utils.selective import GraphExecGroup as GraphExecGroup
from rushlight.utils.selective import Log, ignored
from rushlight.utils.selective import SelectiveCheckpointContext as SelectiveCheckpointContext
from rushlight.utils.selective import (
    create_selective_checkpoint_contexts as create_selective_checkpoint_contexts,
)

__all__ = [
    "CheckpointError",
    "CheckpointFunction",
    "CheckpointPolicy",
    "DefaultDeviceType",
    "GraphExecGroup",
    "SelectiveCheckpointContext",
    "check_backward_validity",
    "checkpoint",
    "checkpoint_sequential",
    "create_selective_checkpoint_contexts",
    "detach_variable",
    "get_device_states",
    "noop_context_fn",
    "set_checkpoint_debug_enabled",
    "set_checkpoint_early_stop",
    "set_device_states",
]


SAC_IGNORED_OPS = ignored()


class CheckpointError(RuntimeError):
    """The second run of a checkpointed function did not save what the first one did.

    >>> issubclass(torch.utils.checkpoint.CheckpointError, RuntimeError)
    True
    """


class DefaultDeviceType:
    """The kind of device whose generators :func:`set_device_states` sets.

    >>> torch.utils.checkpoint.DefaultDeviceType.get_device_type()
    'cpu'
    """

    _type: str | None = None

    @staticmethod
    def set_device_type(device: str = "cuda") -> None:
        """Choose the kind of device."""
        DefaultDeviceType._type = device

    @staticmethod
    def get_device_type() -> str:
        """What was chosen; 'cuda' where there is a GPU, else 'cpu'."""
        if DefaultDeviceType._type is None:
            DefaultDeviceType._type = "cuda" if cuda.is_available() else "cpu"
        return DefaultDeviceType._type


def get_device_states(*args: object) -> tuple[list[int], list]:
    """get_device_states(*args) -> (devices, states)

    The generator states of the CUDA devices that hold ``args``, which may be nested. The CPU's is
    not among them.

    >>> torch.utils.checkpoint.get_device_states(torch.ones(1), 'anything')
    ([], [])
    """
    devices = [
        t.get_device() for t in tree_leaves(args) if isinstance(t, torch.Tensor) and t.is_cuda
    ]
    return devices, [cuda.get_rng_state(i) for i in devices]


def set_device_states(devices: list, states: list, *, device_type: str | None = None) -> None:
    """set_device_states(devices, states, *, device_type=None) -> None

    Give the generators of CUDA devices their states back.

    >>> torch.utils.checkpoint.set_device_states([], [])
    """
    kind = DefaultDeviceType.get_device_type() if device_type is None else device_type
    if kind == "meta":
        return
    if kind not in ("cpu", "cuda"):
        raise NotImplementedError(f"device type '{kind}': there are 'cpu' and 'cuda'")
    module: Any = cuda if kind == "cuda" else torch
    for device, state in zip(devices, states, strict=False):
        module.set_rng_state(state, *([device] if kind == "cuda" else ()))


def detach_variable(inputs: tuple) -> tuple:
    """detach_variable(inputs) -> tuple

    The tensors without their history, with their ``requires_grad``; anything else as it is.

    >>> x = torch.ones(1, requires_grad=True) * 2
    >>> (y,) = torch.utils.checkpoint.detach_variable((x,))
    >>> y.grad_fn is None, y.requires_grad
    (True, True)
    """
    if not isinstance(inputs, tuple):
        raise RuntimeError(
            "Only tuple of tensors is supported. Got Unsupported input type: "
            f"{type(inputs).__name__}"
        )
    return tuple([_detached(x) for x in inputs])


def _detached(x: Any) -> Any:
    if not isinstance(x, torch.Tensor):
        return x
    made = x.detach()
    made.requires_grad = x.requires_grad
    return made


def check_backward_validity(inputs: Iterable) -> None:
    """check_backward_validity(inputs) -> None: warns if no input requires grad.

    >>> torch.utils.checkpoint.check_backward_validity([torch.ones(1, requires_grad=True)])
    """
    if not any(isinstance(x, torch.Tensor) and x.requires_grad for x in inputs):
        warnings.warn(
            "None of the inputs have requires_grad=True. Gradients will be None", stacklevel=2
        )


def noop_context_fn() -> tuple[contextlib.AbstractContextManager, ...]:
    """noop_context_fn() -> (context, context): the default ``context_fn``, which does nothing.

    >>> forward, again = torch.utils.checkpoint.noop_context_fn()
    >>> with forward:
    ...     torch.ones(1)
    tensor([1.])
    """
    return contextlib.nullcontext(), contextlib.nullcontext()


_early_stop: list[bool | None] = [None]


@contextlib.contextmanager
def set_checkpoint_early_stop(enable: bool) -> Iterator[None]:
    """set_checkpoint_early_stop(enable)

    Inside, whether the second run of a checkpoint ends as soon as all is there that backward needs.
    Goes before the ``early_stop`` argument.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.utils.checkpoint.set_checkpoint_early_stop(False):
    ...     torch.utils.checkpoint.checkpoint(torch.exp, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([2.7183, 7.3891])
    """
    before = _early_stop[0]
    _early_stop[0] = enable
    try:
        yield
    finally:
        _early_stop[0] = before


_debug: list[bool | None] = [None]


@contextlib.contextmanager
def set_checkpoint_debug_enabled(enabled: bool | None) -> Iterator[None]:
    """set_checkpoint_debug_enabled(enabled)

    Inside, whether checkpoints note their operators. Goes before the ``debug`` argument.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> with torch.utils.checkpoint.set_checkpoint_debug_enabled(False):
    ...     torch.utils.checkpoint.checkpoint(torch.exp, x, use_reentrant=False).sum().backward()
    >>> x.grad
    tensor([2.7183, 7.3891])
    """
    before = _debug[0]
    _debug[0] = enabled
    try:
        yield
    finally:
        _debug[0] = before


def _generators_now() -> list:
    """The default generators of the CPU and of the CUDA devices in use, and where they stand."""
    generators = [torch.default_generator, *map(of_device, range(gpu.cuda.count))]
    return [(g, g.state_bytes()) for g in generators]


@contextlib.contextmanager
def _generators_at(states: list | None) -> Iterator[None]:
    """The generators set to ``states`` for a while; None: left alone."""
    if states is None:
        yield
        return
    with fork_rng():
        for generator, state in states:
            generator.set_state_bytes(state)
        yield


def _autocast_now() -> Callable[[], contextlib.ExitStack]:
    """Makes contexts in which autocast is as it is now."""
    kinds = ["cpu"] if gpu.cuda.kind is None else ["cpu", "cuda"]
    cache = is_autocast_cache_enabled()
    found = [(k, get_autocast_dtype(k), is_autocast_enabled(k), cache) for k in kinds]

    def make() -> contextlib.ExitStack:
        stack = contextlib.ExitStack()
        for settings in found:
            stack.enter_context(autocast(*settings))
        return stack

    return make


# ---- use_reentrant=True: a Function whose backward runs the function and its own backward --------


class CheckpointFunction(Function):
    """The reentrant variant: forward without history, backward by running it again with history.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> y = torch.utils.checkpoint.CheckpointFunction.apply(torch.exp, True, x)
    >>> y.sum().backward()
    >>> torch.equal(x.grad, y)
    True
    """

    @staticmethod
    def forward(ctx: Any, run_function: Callable, preserve_rng_state: bool, *args: Any) -> Any:
        """Run the function and keep its inputs."""
        check_backward_validity(args)
        ctx.run_function = run_function
        ctx.rng_state = _generators_now() if preserve_rng_state else None
        ctx.autocast = _autocast_now()
        ctx.tensor_at = [i for i, a in enumerate(args) if isinstance(a, torch.Tensor)]
        ctx.others = [None if isinstance(a, torch.Tensor) else a for a in args]
        ctx.save_for_backward(*[args[i] for i in ctx.tensor_at])
        with torch.no_grad():
            return run_function(*args)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Run it again, with history, and walk that."""
        task: Any = thread.backward
        if task is not None and task.useful is not None:
            raise RuntimeError(
                "When use_reentrant=True, torch.utils.checkpoint is incompatible with .grad() or "
                "passing an `inputs` parameter to .backward(). To resolve this error, you can "
                "either set use_reentrant=False, or call .backward() without passing the `inputs` "
                "argument."
            )
        inputs = list(ctx.others)
        for i, t in zip(ctx.tensor_at, ctx.saved_tensors, strict=True):
            inputs[i] = _detached(t)
        with _generators_at(ctx.rng_state), torch.enable_grad(), ctx.autocast():
            outputs = ctx.run_function(*inputs)
        outputs = outputs if isinstance(outputs, tuple) else (outputs,)
        pairs = [
            (o, g)
            for o, g in zip(outputs, grads, strict=True)
            if isinstance(o, torch.Tensor) and o.requires_grad
        ]
        if not pairs:
            raise RuntimeError(
                "none of output has requires_grad=True, this checkpoint() is not necessary"
            )
        backward([o for o, _ in pairs], [g for _, g in pairs])
        return (
            None,
            None,
            *[x.grad if isinstance(x, torch.Tensor) else None for x in inputs],
        )


# ---- use_reentrant=False: hooks on saved tensors ------------------------------------------------


class _Holder:
    """Stands in the graph for a tensor that was not kept."""

    __slots__ = ("__weakref__", "index")

    def __init__(self, index: int) -> None:
        self.index = index


class _Kept:
    """An input, kept in the way of the hooks that are active around the checkpoint."""

    def __init__(self, t: Any) -> None:
        self.packed, self.node = pack(t), live_node(t)

    def tensor(self) -> Any:
        return restore(self.packed, self.node)


class _EnoughError(Exception):
    """All that backward needs has been computed again."""


def _description(t: Any) -> dict:
    return {"shape": t.shape, "dtype": t.dtype, "device": t.device}


class _Frame:
    """One checkpointed call: what it saved, and how to get it again."""

    def __init__(
        self, function: Callable, args: tuple, kwargs: dict, check: bool, early: bool
    ) -> None:
        self.function, self.kwargs = function, kwargs
        # Inside another checkpoint the inputs are its saved tensors too, and not kept either.
        nested = bool(thread.saved_hooks)
        self.args = [_Kept(a) if nested and isinstance(a, torch.Tensor) else a for a in args]
        self.check, self.early = check, early
        self.rng_state: Any = None
        self.context: Any = contextlib.nullcontext()
        self.autocast = _autocast_now()
        self.logs: tuple[Log, Log] | None = None  # the operators of both runs, with debug=True
        self.holders: list[weakref.ref[_Holder]] = []
        self.described: list[dict] = []
        # The walk backwards that is under way -> holder -> tensor; gone with the node, or the walk.
        self.again: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()

    def pack(self, t: Any) -> _Holder:
        """What the first run keeps of a tensor: its place."""
        holder = _Holder(len(self.holders))
        self.holders.append(weakref.ref(holder))
        self.described.append(_description(t))
        return holder

    def unpack(self, holder: _Holder) -> Any:
        """The tensor, from a second run; one second run serves a whole walk."""
        task = GraphExecGroup.current() or thread.backward
        values = self.again.get(task) if task is not None else None
        if values is None or holder not in values:
            values = self.recompute()
            if task is not None:
                self.again[task] = values
        return values[holder]

    def recompute(self) -> Any:
        """Run the function again and collect what it saves."""
        values: weakref.WeakKeyDictionary = weakref.WeakKeyDictionary()
        found: list[dict] = []

        def take(t: Any) -> Any:
            index = len(found)
            if index >= len(self.holders):
                raise CheckpointError(
                    "torch.utils.checkpoint: trying to save more tensors during recomputation than "
                    f"during the original forward pass.\n{self.story()}"
                )
            found.append(_description(t))
            holder = self.holders[index]()
            if holder is not None:
                values[holder] = t.detach()
            if self.early and len(found) == len(self.holders):
                raise _EnoughError
            return t.detach()

        args = [a.tensor() if type(a) is _Kept else a for a in self.args]
        with (
            contextlib.suppress(_EnoughError),
            _generators_at(self.rng_state),
            self.autocast(),
            self.context,
            contextlib.nullcontext() if self.logs is None else self.logs[1],
            torch.enable_grad(),
            saved_tensors_hooks(take, lambda t: t),
        ):
            self.function(*args, **self.kwargs)
        self.compare(found)
        return values

    def story(self) -> str:
        """With debug=True: the operators of both runs, for the error."""
        if self.logs is None:
            return ""
        first, second = ("\n".join(log.lines) for log in self.logs)
        return (
            f"\nOperators during forward:\n{first}\n\nOperators during recomputation:\n{second}\n"
        )

    def compare(self, found: list[dict]) -> None:
        """CheckpointError if the two runs did not save alike."""
        if len(found) != len(self.holders):
            raise CheckpointError(
                "torch.utils.checkpoint: A different number of tensors was saved during the "
                "original forward and recomputation.\n"
                f"Number of tensors saved during forward: {len(self.holders)}\n"
                f"Number of tensors saved during recomputation: {len(found)}.\n{self.story()}"
            )
        if not self.check:
            return
        differing = "".join(
            f"tensor at position {i}:\nsaved metadata: {a}\nrecomputed metadata: {b}\n"
            for i, (a, b) in enumerate(zip(self.described, found, strict=True))
            if a != b
        )
        if differing:
            raise CheckpointError(
                "torch.utils.checkpoint: Recomputed values for the following tensors have "
                f"different metadata than during the forward pass.\n{differing}.\n{self.story()}"
            )


def _checkpoint_by_hooks(
    function: Callable,
    args: tuple,
    kwargs: dict,
    preserve: bool,
    context_fn: Callable,
    check: str,
    early: bool,
    debug: bool,
) -> Any:
    if check not in ("default", "none"):
        raise ValueError(f"determinism_check should be one of ['default', 'none'], but got {check}")
    forward_context, recompute_context = context_fn()
    if not torch.is_grad_enabled():
        with forward_context:
            return function(*args, **kwargs)
    frame = _Frame(function, args, kwargs, check == "default", early)
    frame.context = recompute_context
    noted: Any = contextlib.nullcontext()
    if debug:
        frame.logs = (noted := Log(), Log())
    if preserve:
        frame.rng_state = _generators_now()
    with saved_tensors_hooks(frame.pack, frame.unpack), forward_context, noted:
        return function(*args, **kwargs)


def checkpoint(
    function: Callable,
    *args: Any,
    use_reentrant: bool | None = None,
    context_fn: Callable = noop_context_fn,
    determinism_check: str = "default",
    debug: bool = False,
    early_stop: bool = True,
    **kwargs: Any,
) -> Any:
    """checkpoint(function, *args, use_reentrant=None, context_fn=noop_context_fn,
    determinism_check='default', debug=False, early_stop=True, preserve_rng_state=True, **kwargs)

    ``function(*args, **kwargs)``, of which nothing is kept for backward but the inputs: backward
    runs the function again. ``use_reentrant=False`` works with every way to ask for gradients;
    ``True`` with plain ``backward()`` only. Random numbers are the same in both runs unless
    ``preserve_rng_state=False``.

    >>> from rushlight.utils.checkpoint import checkpoint
    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> checkpoint(lambda a: (a * a).sum(), x, use_reentrant=False).backward()
    >>> x.grad
    tensor([2., 4.])
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint: the use_reentrant parameter should be passed explicitly. "
            "Starting in PyTorch 2.9, calling checkpoint without use_reentrant will raise an "
            "exception. use_reentrant=False is recommended, but if you need to preserve the "
            "current default behavior, you can pass use_reentrant=True. Refer to docs for more "
            "details on the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs and use_reentrant:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if use_reentrant:
        if context_fn is not noop_context_fn or debug is not False:
            raise ValueError(
                "Passing `context_fn` or `debug` is only supported when use_reentrant=False."
            )
        return CheckpointFunction.apply(function, preserve, *args)
    early = early_stop if _early_stop[0] is None else _early_stop[0]
    return _checkpoint_by_hooks(
        function, args, kwargs, preserve, context_fn, determinism_check, early,
        debug if _debug[0] is None else _debug[0],
    )  # fmt: skip


def checkpoint_sequential(
    functions: Any, segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """checkpoint_sequential(functions, segments, input, use_reentrant=None,
    preserve_rng_state=True)

    Run a Sequential (or a list of functions) in ``segments`` pieces, all but the last of them
    checkpointed.

    >>> from rushlight.utils.checkpoint import checkpoint_sequential
    >>> x = torch.ones(2, requires_grad=True)
    >>> checkpoint_sequential([torch.exp, torch.sin, torch.cos], 2, x, use_reentrant=False)
    tensor([0.9168, 0.9168], grad_fn=<CosBackward0>)
    """
    if use_reentrant is None:
        warnings.warn(
            "torch.utils.checkpoint.checkpoint_sequential: the use_reentrant parameter should be "
            "passed explicitly. In version 2.9 we will raise an exception if use_reentrant is not "
            "passed. use_reentrant=False is recommended, but if you need to preserve the current "
            "default behavior, you can pass use_reentrant=True. Refer to docs for more details on "
            "the differences between the two variants.",
            stacklevel=2,
        )
        use_reentrant = True
    preserve = kwargs.pop("preserve_rng_state", True)
    if kwargs:
        raise ValueError("Unexpected keyword arguments: " + ",".join(kwargs))
    if hasattr(functions, "children"):
        functions = list(functions.children())
    size = len(functions) // segments
    end = 0
    for start in range(0, size * (segments - 1), size or 1):
        end = start + size
        input = checkpoint(
            _chain(functions[start:end]),
            input,
            use_reentrant=use_reentrant,
            preserve_rng_state=preserve,
        )
    return _chain(functions[end:])(input)


def _chain(functions: Sequence[Callable]) -> Callable:
    def run(x: Any) -> Any:
        for function in functions:
            x = function(x)
        return x

    return run
