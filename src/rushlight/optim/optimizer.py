"""What all optimizers share: parameter groups, state, state_dict, hooks."""

from collections import OrderedDict, defaultdict
from collections.abc import Callable, Iterable
from copy import deepcopy
from functools import wraps
from itertools import chain
from typing import Any
from warnings import warn

from rushlight import _api as torch
from rushlight.nn.modules._hooks import RemovableHandle
from rushlight.optim._outside import (  # noqa: F401 (for optimizers written outside)
    _default_to_fused_or_foreach,
    _disable_dynamo_if_unsupported,
    _dispatch_sqrt,
    _get_capturable_supported_devices,
    _get_value,
    _stack_if_compiling,
    _to_scalar,
    _use_grad_for_differentiable,
    _view_as_real,
)

__all__ = ["Optimizer", "register_optimizer_step_post_hook", "register_optimizer_step_pre_hook"]

_global_pre_hooks: OrderedDict[int, Callable] = OrderedDict()
_global_post_hooks: OrderedDict[int, Callable] = OrderedDict()


class _Required:
    def __repr__(self) -> str:
        return "<required parameter>"


required = _Required()  # a default that every parameter group must replace

Params = Iterable[torch.Tensor] | Iterable[dict[str, Any]] | Iterable[tuple[str, torch.Tensor]]
ParamsT = Params  # PyTorch's name


def register_optimizer_step_pre_hook(hook: Callable) -> RemovableHandle:
    """register_optimizer_step_pre_hook(hook) -> RemovableHandle

    Call ``hook(optimizer, args, kwargs)`` before every step of every optimizer. It may return new
    ``(args, kwargs)``.

    >>> from rushlight.optim.optimizer import register_optimizer_step_pre_hook
    >>> handle = register_optimizer_step_pre_hook(lambda o, *_: print(type(o).__name__))
    >>> torch.optim.Adam([torch.nn.Parameter(torch.ones(1))]).step()
    Adam
    >>> handle.remove()
    """
    return _register(_global_pre_hooks, hook)


def register_optimizer_step_post_hook(hook: Callable) -> RemovableHandle:
    """register_optimizer_step_post_hook(hook) -> RemovableHandle

    Call ``hook(optimizer, args, kwargs)`` after every step of every optimizer.

    >>> from rushlight.optim.optimizer import register_optimizer_step_post_hook
    >>> handle = register_optimizer_step_post_hook(lambda *_: print("stepped"))
    >>> torch.optim.SGD([torch.nn.Parameter(torch.ones(1))]).step()
    stepped
    >>> handle.remove()
    """
    return _register(_global_post_hooks, hook)


def _register(hooks: OrderedDict, hook: Callable, prepend: bool = False) -> RemovableHandle:
    handle = RemovableHandle(hooks)
    hooks[handle.id] = hook
    if prepend:
        hooks.move_to_end(handle.id, last=False)
    return handle


def _hooked(step: Callable) -> Callable:
    """`step` between the hooks that are called before and after it."""

    @wraps(step)
    def hooked_step(self: Any, *args: Any, **kwargs: Any) -> Any:
        if not (
            _global_pre_hooks
            or _global_post_hooks
            or self._optimizer_step_pre_hooks
            or self._optimizer_step_post_hooks
        ):
            return step(self, *args, **kwargs)
        args = (self, *args)
        for hook in [*_global_pre_hooks.values(), *self._optimizer_step_pre_hooks.values()]:
            changed = hook(self, args, kwargs)
            if changed is not None:
                if not (isinstance(changed, tuple) and len(changed) == 2):
                    raise RuntimeError(
                        f"{step} must return None or a tuple of (new_args, new_kwargs), but got "
                        f"{changed}."
                    )
                args, kwargs = changed
        result = step(*args, **kwargs)
        for hook in [*self._optimizer_step_post_hooks.values(), *_global_post_hooks.values()]:
            hook(self, args, kwargs)
        return result

    made: Any = hooked_step
    made.hooked = True
    return made


class Optimizer:
    """Optimizer(params, defaults)

    Base class of all optimizers: holds ``param_groups`` and the ``state`` of each parameter.

    ``params`` is an iterable of Tensors, of ``(name, Tensor)`` pairs, or of dicts, one per
    parameter group, with a key ``"params"`` and options of their own. ``defaults`` holds the
    options for groups that do not name them. A subclass writes :meth:`step`.

    >>> class SignDescent(torch.optim.Optimizer):
    ...     def __init__(self, params, lr=0.5):
    ...         super().__init__(params, {"lr": lr})
    ...     @torch.no_grad()
    ...     def step(self, closure=None):
    ...         for group in self.param_groups:
    ...             for p in group["params"]:
    ...                 p -= group["lr"] * p.grad.sign()
    >>> p = torch.nn.Parameter(torch.tensor([1.0, -1.0]))
    >>> (p * p).sum().backward()
    >>> SignDescent([p]).step()
    >>> p
    Parameter containing:
    tensor([ 0.5000, -0.5000], requires_grad=True)
    """

    # Made by _make_hooks.
    _optimizer_step_pre_hooks: OrderedDict[int, Callable]
    _optimizer_step_post_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_state_dict_post_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_pre_hooks: OrderedDict[int, Callable]
    _optimizer_load_state_dict_post_hooks: OrderedDict[int, Callable]

    def __init__(self, params: Params, defaults: dict[str, Any]) -> None:
        self.defaults = defaults
        self._make_hooks()
        if isinstance(params, torch.Tensor):
            raise TypeError(
                "params argument given to the optimizer should be an iterable of Tensors or "
                "dicts, but got " + params.type()
            )
        self.state: defaultdict[torch.Tensor, Any] = defaultdict(dict)
        self.param_groups: list[dict[str, Any]] = []
        groups: list[Any] = list(params)
        if not groups:
            raise ValueError("optimizer got an empty parameter list")
        if not isinstance(groups[0], dict):
            groups = [{"params": groups}]
        for group in groups:
            self.add_param_group(group)

    def _make_hooks(self) -> None:
        kind: Any = type(self)
        if not hasattr(
            kind.step, "hooked"
        ):  # only now: a wrapper that is no optimizer has no hooks
            kind.step = _hooked(kind.step)
        for moment in ("step", "state_dict", "load_state_dict"):
            for side in ("pre", "post"):
                self.__dict__.setdefault(f"_optimizer_{moment}_{side}_hooks", OrderedDict())

    def __getstate__(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("defaults", "state", "param_groups")}

    def __setstate__(self, state: dict[str, Any]) -> None:
        self.__dict__.update(state)
        self._make_hooks()
        self.defaults.setdefault("differentiable", False)

    def __repr__(self) -> str:
        parts = []
        for i, group in enumerate(self.param_groups):
            lines = [f"    {key}: {group[key]}\n" for key in sorted(group) if key != "params"]
            parts.append(f"\nParameter Group {i}\n" + "".join(lines))
        return f"{type(self).__name__} ({''.join(parts)})"

    # ---- parameter groups ----

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """add_param_group(param_group)

        Add a dict with a key ``"params"`` and, if they differ from the defaults, options.

        >>> body, head = torch.nn.Linear(2, 2), torch.nn.Linear(2, 1)
        >>> optimizer = torch.optim.SGD(body.parameters(), lr=0.01)
        >>> optimizer.add_param_group({"params": head.parameters(), "lr": 0.1})
        >>> [group["lr"] for group in optimizer.param_groups]
        [0.01, 0.1]
        """
        if not isinstance(param_group, dict):
            raise TypeError(f"param_group must be a dict, but got {type(param_group)}")
        _split_names(param_group)
        for param in param_group["params"]:
            self._check_param(param)
        for name, default in self.defaults.items():
            if default is required and name not in param_group:
                raise ValueError(
                    "parameter group didn't specify a value of required optimization parameter "
                    f"{name}"
                )
            param_group.setdefault(name, default)
        self._check_group(param_group)
        self.param_groups.append(param_group)

    def _check_param(self, param: Any) -> None:
        if not isinstance(param, torch.Tensor):
            raise TypeError(
                f"optimizer can only optimize Tensors, but one of the params is {_typename(param)}"
            )
        if not (self.defaults.get("differentiable") or param.is_leaf or param.retains_grad):
            raise ValueError("can't optimize a non-leaf Tensor")

    def _check_group(self, group: dict[str, Any]) -> None:
        members = {id(p) for p in group["params"]}
        if len(members) < len(group["params"]):
            warn(
                "optimizer contains a parameter group with duplicate parameters; in future, this "
                "will cause an error; see github.com/pytorch/pytorch/issues/40967 for more "
                "information",
                stacklevel=4,
            )
        named = "param_names" in group
        for other in self.param_groups:
            if named != ("param_names" in other):
                raise ValueError(
                    "all optimizer param groups should be with/without names. cannot add param "
                    f"group {'with' if named else 'without'} names to the optimizer"
                )
        if any(id(p) in members for other in self.param_groups for p in other["params"]):
            raise ValueError("some parameters appear in more than one parameter group")

    # ---- the step ----

    @staticmethod
    def profile_hook_step(func: Callable) -> Callable:
        """profile_hook_step(func) -> function

        ``func``, the ``step`` of a class, between the hooks that are called before and after it.
        Subclasses of Optimizer that define ``step`` have this already.

        >>> class Still(torch.optim.Optimizer):
        ...     def step(self):
        ...         return "stepped"
        >>> step = torch.optim.Optimizer.profile_hook_step(lambda self: "other")
        >>> step(Still([torch.nn.Parameter(torch.ones(1))], {}))
        'other'
        """
        return _hooked(func)

    def step(self, closure: Callable[[], Any] | None = None) -> Any:
        """step(closure=None)

        Update the parameters once. ``closure``, if given, computes the loss and its gradients; its
        result is returned.

        >>> w = torch.nn.Parameter(torch.tensor([1.0]))
        >>> optimizer = torch.optim.SGD([w], lr=0.5)
        >>> def closure():
        ...     optimizer.zero_grad()
        ...     loss = (w * w).sum()
        ...     loss.backward()
        ...     return loss
        >>> optimizer.step(closure)
        tensor(1., grad_fn=<SumBackward0>)
        >>> w.item()
        0.0
        """
        raise NotImplementedError

    def zero_grad(self, set_to_none: bool = True) -> None:
        """zero_grad(set_to_none=True)

        Drop the gradients of all parameters, or, with ``set_to_none=False``, fill them with zeros.

        >>> w = torch.nn.Parameter(torch.ones(2))
        >>> w.grad = torch.ones(2)
        >>> optimizer = torch.optim.SGD([w])
        >>> optimizer.zero_grad(set_to_none=False)
        >>> w.grad
        tensor([0., 0.])
        >>> optimizer.zero_grad()
        >>> w.grad is None
        True
        """
        for group in self.param_groups:
            for p in group["params"]:
                if set_to_none:
                    p.grad = None
                elif (grad := p.grad) is not None:
                    if grad.grad_fn is not None:
                        grad.detach_()
                    else:
                        grad.requires_grad_(False)
                    grad.zero_()

    # ---- state_dict ----

    def state_dict(self) -> dict[str, Any]:
        """state_dict() -> dict

        The state as ``{"state": {0: {...}, ...}, "param_groups": [...]}``: parameters are replaced
        by their numbers.

        >>> w = torch.nn.Parameter(torch.ones(2))
        >>> optimizer = torch.optim.SGD([w], lr=0.1, momentum=0.9)
        >>> w.grad = torch.ones(2)
        >>> optimizer.step()
        >>> optimizer.state_dict()["state"]
        {0: {'momentum_buffer': tensor([1., 1.])}}
        >>> optimizer.state_dict()["param_groups"][0]["params"]
        [0]
        """
        for hook in self._optimizer_state_dict_pre_hooks.values():
            hook(self)
        numbers: dict[int, int] = {}
        start, groups = 0, []
        for group in self.param_groups:
            packed = {key: value for key, value in group.items() if key != "params"}
            for i, p in enumerate(group["params"], start):
                numbers.setdefault(id(p), i)
            packed["params"] = [numbers[id(p)] for p in group["params"]]
            start += len(group["params"])
            groups.append(packed)
        state = {
            numbers[id(key)] if isinstance(key, torch.Tensor) else key: value
            for key, value in self.state.items()
        }
        result = {"state": state, "param_groups": groups}
        for hook in self._optimizer_state_dict_post_hooks.values():
            changed = hook(self, result)
            result = result if changed is None else changed
        return result

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """load_state_dict(state_dict)

        Take over a state made by :meth:`state_dict`, tensors cast to the dtype and device of their
        parameters.

        >>> w = torch.nn.Parameter(torch.ones(2))
        >>> saved = torch.optim.SGD([w], lr=0.25).state_dict()
        >>> optimizer = torch.optim.SGD([w], lr=1.0)
        >>> optimizer.load_state_dict(saved)
        >>> optimizer.param_groups[0]["lr"]
        0.25
        """
        state_dict = state_dict.copy()
        for hook in self._optimizer_load_state_dict_pre_hooks.values():
            changed = hook(self, state_dict)
            state_dict = state_dict if changed is None else changed
        saved = deepcopy(state_dict["param_groups"])
        self._check_saved(saved)
        params = chain.from_iterable(g["params"] for g in self.param_groups)
        by_number = dict(zip(chain.from_iterable(g["params"] for g in saved), params, strict=True))
        state: defaultdict[Any, Any] = defaultdict(dict)
        for key, value in state_dict["state"].items():
            if key in by_number:
                group: dict = next(
                    (g for g in state_dict["param_groups"] if key in g["params"]), {}
                )
                state[by_number[key]] = _cast_state(by_number[key], value, group)
            else:
                state[key] = value
        for group, new in zip(self.param_groups, saved, strict=True):
            new["params"] = group["params"]
            if "param_names" in group:
                new.setdefault("param_names", group["param_names"])
        self.__setstate__({"state": state, "param_groups": saved})
        for hook in self._optimizer_load_state_dict_post_hooks.values():
            hook(self)

    def _check_saved(self, saved: list[dict[str, Any]]) -> None:
        if len(self.param_groups) != len(saved):
            raise ValueError("loaded state dict has a different number of parameter groups")
        if any(
            len(g["params"]) != len(s["params"])
            for g, s in zip(self.param_groups, saved, strict=True)
        ):
            raise ValueError(
                "loaded state dict contains a parameter group that doesn't match the size of "
                "optimizer's group"
            )

    # ---- hooks ----

    def register_step_pre_hook(self, hook: Callable) -> RemovableHandle:
        """register_step_pre_hook(hook) -> RemovableHandle

        Call ``hook(optimizer, args, kwargs)`` before each step; it may return new ``(args,
        kwargs)``.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])
        >>> handle = optimizer.register_step_pre_hook(lambda o, args, kwargs: print("before"))
        >>> optimizer.step()
        before
        >>> handle.remove()
        """
        return _register(self._optimizer_step_pre_hooks, hook)

    def register_step_post_hook(self, hook: Callable) -> RemovableHandle:
        """register_step_post_hook(hook) -> RemovableHandle

        Call ``hook(optimizer, args, kwargs)`` after each step.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])
        >>> handle = optimizer.register_step_post_hook(lambda o, args, kwargs: print("after"))
        >>> optimizer.step()
        after
        """
        return _register(self._optimizer_step_post_hooks, hook)

    def register_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """register_state_dict_pre_hook(hook, prepend=False) -> RemovableHandle

        Call ``hook(optimizer)`` before a state dict is made.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])
        >>> handle = optimizer.register_state_dict_pre_hook(lambda o: print("saving"))
        >>> saved = optimizer.state_dict()
        saving
        """
        return _register(self._optimizer_state_dict_pre_hooks, hook, prepend)

    def register_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """register_state_dict_post_hook(hook, prepend=False) -> RemovableHandle

        Call ``hook(optimizer, state_dict)`` on each state dict that is made; it may return another
        one.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])
        >>> def add_epoch(optimizer, state_dict):
        ...     return {**state_dict, "epoch": 3}
        >>> handle = optimizer.register_state_dict_post_hook(add_epoch)
        >>> optimizer.state_dict()["epoch"]
        3
        """
        return _register(self._optimizer_state_dict_post_hooks, hook, prepend)

    def register_load_state_dict_pre_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """register_load_state_dict_pre_hook(hook, prepend=False) -> RemovableHandle

        Call ``hook(optimizer, state_dict)`` before a state is loaded; it may return another one.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))], lr=0.1)
        >>> def halve(optimizer, state_dict):
        ...     for group in state_dict["param_groups"]:
        ...         group["lr"] /= 2
        >>> handle = optimizer.register_load_state_dict_pre_hook(halve)
        >>> optimizer.load_state_dict(optimizer.state_dict())
        >>> optimizer.param_groups[0]["lr"]
        0.05
        """
        return _register(self._optimizer_load_state_dict_pre_hooks, hook, prepend)

    def register_load_state_dict_post_hook(
        self, hook: Callable, prepend: bool = False
    ) -> RemovableHandle:
        """register_load_state_dict_post_hook(hook, prepend=False) -> RemovableHandle

        Call ``hook(optimizer)`` after a state has been loaded.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.ones(1))])
        >>> handle = optimizer.register_load_state_dict_post_hook(lambda o: print("loaded"))
        >>> optimizer.load_state_dict(optimizer.state_dict())
        loaded
        """
        return _register(self._optimizer_load_state_dict_post_hooks, hook, prepend)


def _typename(x: Any) -> str:
    kind = type(x)
    return (
        kind.__qualname__
        if kind.__module__ == "builtins"
        else f"{kind.__module__}.{kind.__qualname__}"
    )


def _split_names(group: dict[str, Any]) -> None:
    """Make ``group["params"]`` a list of Tensors, and ``group["param_names"]`` of their names if
    there are any.
    """
    params = group["params"]
    if isinstance(params, torch.Tensor):
        params = [params]
    if isinstance(params, set):
        raise TypeError(
            "optimizer parameters need to be organized in ordered collections, but the ordering "
            "of tensors in sets will change between runs. Please use a list instead."
        )
    params = list(params)
    names = [p[0] for p in params if isinstance(p, tuple)]
    group["params"] = [p[1] if isinstance(p, tuple) else p for p in params]
    if not names:
        return
    if len(names) != len(params):
        raise ValueError(
            "all optimizer params should be with/without names. Some param names are missing"
        )
    group["param_names"] = names


def _cast_state(param: torch.Tensor, value: Any, group: dict[str, Any], key: Any = None) -> Any:
    """A copy of `value` whose tensors have the dtype and device of `param`. A count of steps stays
    as it is.
    """
    if isinstance(value, torch.Tensor):
        if key == "step":
            exact = group.get("capturable") or group.get("fused")
            return value.to(dtype=torch.float32, device=param.device) if exact else value
        dtype = param.dtype if param.is_floating_point() else value.dtype
        return value.to(dtype=dtype, device=param.device)
    if isinstance(value, dict):
        return {k: _cast_state(param, v, group, k) for k, v in value.items()}
    if isinstance(value, Iterable):
        kind: Any = type(value)
        return kind(_cast_state(param, v, group) for v in value)
    return value
