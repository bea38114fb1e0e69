"""Hooks: their handles, the global ones, the methods that register them, and the call that runs
them.
"""

import itertools
import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.autograd.function import Function

RemovableHandle = torch._RemovableHandle

# Hooks of every module, as of PyTorch's torch.nn.modules.module.
_global_buffer_registration_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_module_registration_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_parameter_registration_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_forward_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_forward_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_forward_hooks_always_called: OrderedDict[int, bool] = OrderedDict()
_global_forward_hooks_with_kwargs: OrderedDict[int, bool] = OrderedDict()
_global_backward_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_backward_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_is_full_backward_hook: bool | None = None


def _has_any_global_hook() -> bool:
    """Whether a hook that all modules have is registered."""
    return bool(
        _global_backward_pre_hooks
        or _global_backward_hooks
        or _global_forward_pre_hooks
        or _global_forward_hooks
    )


_MIXED_GLOBAL = (
    "Cannot use both regular backward hooks and full backward hooks as a "
    "global Module hook. Please use only one of them."
)
_MIXED = (
    "Cannot use both regular backward hooks and full backward hooks on a "
    "single Module. Please use only one of them."
)


def _add(
    hooks: OrderedDict, hook: Callable, prepend: bool = False, flags: Sequence = ()
) -> RemovableHandle:
    """Register a hook; ``flags`` are (dictionary, wanted) pairs that mark it by its id."""
    handle = RemovableHandle(hooks, extra_dict=[d for d, _ in flags])
    hooks[handle.id] = hook
    for marks, wanted in flags:
        if wanted:
            marks[handle.id] = True
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def register_module_buffer_registration_hook(hook: Callable) -> RemovableHandle:
    """register_module_buffer_registration_hook(hook)

    ``hook(module, name, buffer)`` at every register_buffer.

    >>> register = torch.nn.modules.module.register_module_buffer_registration_hook
    >>> with register(lambda module, name, buffer: print(name, buffer)):
    ...     torch.nn.Module().register_buffer('count', torch.zeros(1))
    count tensor([0.])
    """
    return _add(_global_buffer_registration_hooks, hook)


def register_module_module_registration_hook(hook: Callable) -> RemovableHandle:
    """register_module_module_registration_hook(hook)

    ``hook(module, name, child)`` at every registered child.

    >>> register = torch.nn.modules.module.register_module_module_registration_hook
    >>> with register(lambda module, name, child: print(name, child)):
    ...     _ = torch.nn.Sequential(torch.nn.ReLU())
    0 ReLU()
    """
    return _add(_global_module_registration_hooks, hook)


def register_module_parameter_registration_hook(hook: Callable) -> RemovableHandle:
    """register_module_parameter_registration_hook(hook)

    ``hook(module, name, param)`` at every parameter.

    >>> register = torch.nn.modules.module.register_module_parameter_registration_hook
    >>> with register(lambda module, name, param: print(name, param.shape)):
    ...     _ = torch.nn.Linear(2, 3)
    weight torch.Size([3, 2])
    bias torch.Size([3])
    """
    return _add(_global_parameter_registration_hooks, hook)


def register_module_forward_pre_hook(hook: Callable) -> RemovableHandle:
    """register_module_forward_pre_hook(hook)

    ``hook(module, args)`` before the forward of every module.

    >>> register = torch.nn.modules.module.register_module_forward_pre_hook
    >>> with register(lambda module, args: print(module, args)):
    ...     _ = torch.nn.ReLU()(torch.tensor(-1.0))
    ReLU() (tensor(-1.),)
    """
    return _add(_global_forward_pre_hooks, hook)


def register_module_forward_hook(
    hook: Callable, *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """register_module_forward_hook(hook)

    ``hook(module, args, output)`` after the forward of every module.

    >>> register = torch.nn.modules.module.register_module_forward_hook
    >>> with register(lambda module, args, output: print(module, output)):
    ...     _ = torch.nn.ReLU()(torch.tensor(-1.0))
    ReLU() tensor(0.)
    """
    flags = (
        (_global_forward_hooks_with_kwargs, with_kwargs),
        (_global_forward_hooks_always_called, always_call),
    )
    return _add(_global_forward_hooks, hook, flags=flags)


def register_module_backward_hook(hook: Callable) -> RemovableHandle:
    """register_module_backward_hook(hook): the old form; use register_module_full_backward_hook."""
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is True:
        raise RuntimeError(_MIXED_GLOBAL)
    _global_is_full_backward_hook = False
    return _add(_global_backward_hooks, hook)


def register_module_full_backward_pre_hook(hook: Callable) -> RemovableHandle:
    """register_module_full_backward_pre_hook(hook)

    ``hook(module, grad_output)`` of every module.

    >>> m, x = torch.nn.ReLU(), torch.tensor([-1.0, 1.0], requires_grad=True)
    >>> register = torch.nn.modules.module.register_module_full_backward_pre_hook
    >>> with register(lambda module, grad_output: print(grad_output)):
    ...     m(x).sum().backward()
    (tensor([1., 1.]),)
    """
    return _add(_global_backward_pre_hooks, hook)


def register_module_full_backward_hook(hook: Callable) -> RemovableHandle:
    """register_module_full_backward_hook(hook)

    ``hook(module, grad_input, grad_output)`` of every module.

    >>> m, x = torch.nn.ReLU(), torch.tensor([-1.0, 1.0], requires_grad=True)
    >>> register = torch.nn.modules.module.register_module_full_backward_hook
    >>> with register(lambda module, grad_input, grad_output: print(grad_input, grad_output)):
    ...     m(x).sum().backward()
    (tensor([0., 1.]),) (tensor([1., 1.]),)
    """
    global _global_is_full_backward_hook
    if _global_is_full_backward_hook is False:
        raise RuntimeError(_MIXED_GLOBAL)
    _global_is_full_backward_hook = True
    return _add(_global_backward_hooks, hook)


class _WrappedHook:
    """A hook that also wants its module, held weakly so that the hook does not keep the module
    alive.
    """

    def __init__(self, hook: Callable, module: Any = None) -> None:
        self.hook = hook
        self.with_module = module is not None
        if self.with_module:
            self.module = weakref.ref(module)
        for name in ("__name__", "__qualname__", "__doc__", "__module__"):
            if hasattr(hook, name):
                setattr(self, name, getattr(hook, name))

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if not self.with_module:
            return self.hook(*args, **kwargs)
        module = self.module()
        if module is None:
            raise RuntimeError("You are trying to call the hook of a dead Module!")
        return self.hook(module, *args, **kwargs)

    def __getstate__(self) -> dict:
        state = {"hook": self.hook, "with_module": self.with_module}
        if self.with_module:
            state["module"] = self.module()
        return state

    def __setstate__(self, state: dict) -> None:
        self.hook = state["hook"]
        self.with_module = state["with_module"]
        if self.with_module:
            if state["module"] is None:
                raise RuntimeError("You are trying to revive the hook of a dead Module!")
            self.module = weakref.ref(state["module"])


class BackwardHookFunction(Function):
    """The identity on its tensors; in backward the gradients pass through ``callback``."""

    @staticmethod
    def forward(ctx: Any, callback: Callable, materialize: bool, *tensors: Any) -> tuple:
        ctx.callback = callback
        ctx.set_materialize_grads(materialize)
        outputs = tuple(t.view_as(t) for t in tensors)
        pairs = zip(outputs, tensors, strict=True)
        ctx.mark_non_differentiable(*[o for o, t in pairs if not t.requires_grad])
        return outputs

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> tuple:
        return (None, None, *ctx.callback(grads))


class BackwardHook:
    """The full backward (pre-)hooks around one call of a module.

    The inputs and the outputs each pass through one identity node. The output node learns the
    gradients of the outputs (and runs the pre-hooks), the input node those of the inputs, and then
    runs the hooks with both.
    """

    def __init__(self, module: Any, user_hooks: Sequence, user_pre_hooks: Sequence) -> None:
        self.module = module
        self.user_hooks = user_hooks
        self.user_pre_hooks = user_pre_hooks
        self.grad_outputs: Any = None
        # Where the watched tensors stand; None where no gradient comes.
        self.inputs: Any = None
        self.outputs: Any = None

    def setup_input_hook(self, args: tuple) -> tuple:
        """setup_input_hook(args): the positional inputs, watched."""
        self.n_inputs = len(args)
        args, self.inputs = self._tap(args, self._on_inputs, materialize=True)
        return args

    def setup_output_hook(self, result: Any) -> Any:
        """setup_output_hook(result): the output (a tensor or a tuple with tensors), watched."""
        outputs = result if isinstance(result, tuple) else (result,)
        self.n_outputs = len(outputs)
        outputs, self.outputs = self._tap(outputs, self._on_outputs, materialize=False)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _tap(self, values: tuple, callback: Callable, materialize: bool) -> tuple:
        places = [i for i, v in enumerate(values) if isinstance(v, torch.Tensor)]
        watched = any(values[i].requires_grad for i in places) and torch.is_grad_enabled()
        if not watched:
            return values, None
        tapped = BackwardHookFunction.apply(callback, materialize, *[values[i] for i in places])
        changed = list(values)
        for i, tensor in zip(places, tapped, strict=True):
            changed[i] = tensor
        plain = type(values) is tuple
        return (tuple(changed) if plain else type(values)(*changed)), places

    def _on_outputs(self, grads: tuple) -> tuple:
        self.grad_outputs = _spread(grads, self.outputs, self.n_outputs)
        for hook in self.user_pre_hooks:
            changed = hook(self.module, self.grad_outputs)
            if changed is None:
                continue
            if len(changed) != self.n_outputs:
                raise RuntimeError(
                    "Backward pre hook returned an invalid number of grad_output, "
                    f"got {len(changed)}, but expected {self.n_outputs}"
                )
            self.grad_outputs = changed
        passed_on = tuple(self.grad_outputs[i] for i in self.outputs)
        if self.inputs is None:
            self._without_input_gradients()
        return passed_on

    def _without_input_gradients(self) -> None:
        for hook in self.user_hooks:
            result = hook(self.module, (None,) * self.n_inputs, self.grad_outputs)
            if result is not None and not (
                isinstance(result, tuple) and all(r is None for r in result)
            ):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires"
                    " gradient should always return None or None for all gradients."
                )
        self.grad_outputs = None

    def _on_inputs(self, grads: tuple) -> tuple:
        # What came around the outputs (a double backward) is no gradient of the module's.
        if self.grad_outputs is None:
            return grads
        current = _spread(grads, self.inputs, self.n_inputs)
        for hook in self.user_hooks:
            changed = hook(self.module, current, self.grad_outputs)
            if changed is None:
                continue
            if len(changed) != len(current):
                raise RuntimeError(
                    "Backward hook returned an invalid number of grad_input, "
                    f"got {len(changed)}, but expected {len(current)}"
                )
            current = changed
        self.grad_outputs = None
        return tuple(current[i] for i in self.inputs)


def _spread(values: tuple, places: Sequence[int], size: int) -> tuple:
    """Put values at their places among Nones."""
    full: list[Any] = [None] * size
    for i, value in zip(places, values, strict=True):
        full[i] = value
    return tuple(full)


class HookMethods:
    """The part of Module that registers hooks and runs them around ``forward``."""

    forward: Callable[..., Any]
    _is_full_backward_hook: bool | None
    _backward_pre_hooks: OrderedDict[int, Callable]
    _backward_hooks: OrderedDict[int, Callable]
    _forward_hooks: OrderedDict[int, Callable]
    _forward_hooks_with_kwargs: OrderedDict[int, bool]
    _forward_hooks_always_called: OrderedDict[int, bool]
    _forward_pre_hooks: OrderedDict[int, Callable]
    _forward_pre_hooks_with_kwargs: OrderedDict[int, bool]

    def register_full_backward_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """register_full_backward_pre_hook(hook, prepend=False): ``hook(module, grad_output)``
        before backward.

        A returned tuple replaces ``grad_output``.
        """
        return _add(self._backward_pre_hooks, hook, prepend)

    def register_backward_hook(self, hook: Callable) -> RemovableHandle:
        """register_backward_hook(hook): the old form; use :meth:`register_full_backward_hook`."""
        if self._is_full_backward_hook is True:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = False
        return _add(self._backward_hooks, hook)

    def register_full_backward_hook(self, hook: Callable, prepend: bool = False) -> RemovableHandle:
        """register_full_backward_hook(hook, prepend=False): ``hook(module, grad_input,
        grad_output)``.

        It runs when the gradients of the module's inputs are known; a returned tuple replaces
        ``grad_input``.
        """
        if self._is_full_backward_hook is False:
            raise RuntimeError(_MIXED)
        self._is_full_backward_hook = True
        return _add(self._backward_hooks, hook, prepend)

    def register_forward_pre_hook(
        self, hook: Callable, *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """register_forward_pre_hook(hook, *, prepend=False, with_kwargs=False): ``hook(module,
        args)``.

        It runs before ``forward`` and may return new arguments; ``with_kwargs``: ``hook(module,
        args, kwargs)``, which returns None or ``(args, kwargs)``.
        """
        flags = ((self._forward_pre_hooks_with_kwargs, with_kwargs),)
        return _add(self._forward_pre_hooks, hook, prepend, flags)

    def register_forward_hook(
        self,
        hook: Callable,
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """register_forward_hook(hook, *, prepend, with_kwargs, always_call): ``hook(module, args,
        output)``.

        It runs after ``forward`` and may return another output; ``always_call``: also where
        ``forward`` raised.
        """
        flags = (
            (self._forward_hooks_with_kwargs, with_kwargs),
            (self._forward_hooks_always_called, always_call),
        )
        return _add(self._forward_hooks, hook, prepend, flags)

    def _get_backward_hooks(self) -> tuple[list, list]:
        full: list[Callable] = []
        old: list[Callable] = []
        if _global_is_full_backward_hook is not None:
            (full if _global_is_full_backward_hook else old).extend(_global_backward_hooks.values())
        if self._is_full_backward_hook is not None:
            (full if self._is_full_backward_hook else old).extend(self._backward_hooks.values())
        return full, old

    def _get_backward_pre_hooks(self) -> list:
        return [*_global_backward_pre_hooks.values(), *self._backward_pre_hooks.values()]

    def _call_with_hooks(self, args: tuple, kwargs: dict) -> Any:
        """``forward`` with everything registered around it."""
        call = _HookedCall(self, args, kwargs)
        try:
            return call.run()
        except Exception:
            call.run_always_called()
            raise


class _HookedCall:
    """One call of a module that has hooks."""

    def __init__(self, module: Any, args: tuple, kwargs: dict) -> None:
        self.module, self.args, self.kwargs = module, args, kwargs
        self.result: Any = None
        self.seen: set[int] = set()

    def run(self) -> Any:
        module = self.module
        full, old = module._get_backward_hooks()
        pre = module._get_backward_pre_hooks()
        self._run_forward_pre_hooks()
        watch = BackwardHook(module, full, pre) if full or pre else None
        if watch:
            self.args = watch.setup_input_hook(self.args)
        self.result = module.forward(*self.args, **self.kwargs)
        self._run_forward_hooks()
        if watch:
            if not isinstance(self.result, torch.Tensor | tuple):
                warnings.warn(
                    "For backward hooks to be called,"
                    " module output should be a Tensor or a tuple of Tensors"
                    f" but received {type(self.result)}",
                    stacklevel=4,
                )
            self.result = watch.setup_output_hook(self.result)
        if old:
            _register_old_hooks(module, old, self.args, self.result)
        return self.result

    def _run_forward_pre_hooks(self) -> None:
        module = self.module
        hooks = itertools.chain(
            tuple(_global_forward_pre_hooks.items()), tuple(module._forward_pre_hooks.items())
        )
        for key, hook in hooks:
            if key in module._forward_pre_hooks_with_kwargs:
                changed = hook(module, self.args, self.kwargs)
                if changed is None:
                    continue
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        "forward pre-hook must return None or a tuple "
                        f"of (new_args, new_kwargs), but got {changed}."
                    )
                self.args, self.kwargs = changed
            else:
                changed = hook(module, self.args)
                if changed is not None:
                    self.args = changed if isinstance(changed, tuple) else (changed,)

    def _run_forward_hooks(self) -> None:
        hooks = itertools.chain(
            tuple(_global_forward_hooks.items()), tuple(self.module._forward_hooks.items())
        )
        for key, hook in hooks:
            self.seen.add(key)
            self._run_forward_hook(key, hook)

    def _run_forward_hook(self, key: int, hook: Callable) -> None:
        module = self.module
        if key in module._forward_hooks_with_kwargs or key in _global_forward_hooks_with_kwargs:
            changed = hook(module, self.args, self.kwargs, self.result)
        else:
            changed = hook(module, self.args, self.result)
        if changed is not None:
            self.result = changed

    def run_always_called(self) -> None:
        """After an error: the ``always_call`` hooks that have not run yet; their own errors become
        warnings.
        """
        module = self.module
        groups = (
            ("global module", _global_forward_hooks, _global_forward_hooks_always_called),
            ("module", module._forward_hooks, module._forward_hooks_always_called),
        )
        for whose, hooks, always in groups:
            for key, hook in tuple(hooks.items()):
                if key not in always or key in self.seen:
                    continue
                try:
                    self._run_forward_hook(key, hook)
                except Exception as error:
                    warnings.warn(
                        f"{whose} forward hook with ``always_call=True`` raised an exception "
                        f"that was silenced as another error was raised in forward: {error!s}",
                        stacklevel=4,
                    )


def _register_old_hooks(module: Any, hooks: Sequence, args: tuple, result: Any) -> None:
    """The hooks of register_backward_hook: on the node that made the output."""
    first = result
    while not isinstance(first, torch.Tensor):
        if isinstance(first, dict):
            first = next(v for v in first.values() if isinstance(v, torch.Tensor))
        else:
            first = first[0]
    node = first.grad_fn
    if node is None:
        return
    for hook in hooks:
        node.register_hook(_WrappedHook(hook, module))
    complaint = _old_hook_complaint(args, result, node)
    if complaint:
        warnings.warn(complaint, FutureWarning, stacklevel=5)


def _tensor_tuple(value: Any) -> tuple | None:
    if isinstance(value, torch.Tensor):
        return (value,)
    if isinstance(value, tuple) and all(isinstance(v, torch.Tensor) for v in value):
        return value
    return None


def _old_hook_complaint(args: tuple, result: Any, node: Any) -> str | None:
    """Why a non-full backward hook will not see everything, in PyTorch's words."""
    advice = "Please use register_full_backward_hook to get the documented behavior."
    outputs = _tensor_tuple(result)
    if outputs is None and not isinstance(result, tuple):
        return (
            "Using non-full backward hooks on a Module that does not return a "
            "single Tensor or a tuple of Tensors is deprecated and will be removed "
            f"in future versions. This hook will be missing some of the grad_output. {advice}"
        )
    inputs = _tensor_tuple(args)
    if inputs is None:
        return (
            "Using non-full backward hooks on a Module that does not take as input a "
            "single Tensor or a tuple of Tensors is deprecated and will be removed "
            f"in future versions. This hook will be missing some of the grad_input. {advice}"
        )
    if outputs is None:
        return (
            "Using a non-full backward hook when outputs are nested in python data structure "
            "is deprecated and will be removed in future versions. This hook will be missing "
            "some grad_output."
        )
    if any(t.grad_fn is not node for t in outputs):
        return (
            "Using a non-full backward hook when outputs are generated by different autograd Nodes "
            "is deprecated and will be removed in future versions. This hook will be missing "
            f"some grad_output. {advice}"
        )
    made_here = {n for n, _ in node.next_functions}
    expected = {t.grad_fn for t in inputs if t.grad_fn is not None}
    if made_here != expected and not _feeds_leaves(made_here - expected):
        return (
            "Using a non-full backward hook when the forward contains multiple autograd Nodes "
            "is deprecated and will be removed in future versions. This hook will be missing "
            f"some grad_input. {advice}"
        )
    return None


def _feeds_leaves(nodes: set) -> bool:
    """Do all of these nodes only gather gradients of leaves (or nothing)?"""
    return all(n is None or not n.next_functions for n in nodes)
