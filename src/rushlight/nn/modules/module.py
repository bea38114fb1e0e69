"""Module: the base class of everything with parameters."""

import inspect
import warnings
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from typing import Any

from rushlight import _api as torch
from rushlight.nn.modules._hooks import (
    HookMethods,
    _global_backward_hooks,
    _global_backward_pre_hooks,
    _global_buffer_registration_hooks,
    _global_forward_hooks,
    _global_forward_pre_hooks,
    _global_module_registration_hooks,
    _global_parameter_registration_hooks,
)
from rushlight.nn.modules._hooks import RemovableHandle as RemovableHandle
from rushlight.nn.modules._hooks import _WrappedHook as _WrappedHook
from rushlight.nn.modules._hooks import (
    register_module_backward_hook as register_module_backward_hook,
)
from rushlight.nn.modules._hooks import (
    register_module_buffer_registration_hook as register_module_buffer_registration_hook,
)
from rushlight.nn.modules._hooks import register_module_forward_hook as register_module_forward_hook
from rushlight.nn.modules._hooks import (
    register_module_forward_pre_hook as register_module_forward_pre_hook,
)
from rushlight.nn.modules._hooks import (
    register_module_full_backward_hook as register_module_full_backward_hook,
)
from rushlight.nn.modules._hooks import (
    register_module_full_backward_pre_hook as register_module_full_backward_pre_hook,
)
from rushlight.nn.modules._hooks import (
    register_module_module_registration_hook as register_module_module_registration_hook,
)
from rushlight.nn.modules._hooks import (
    register_module_parameter_registration_hook as register_module_parameter_registration_hook,
)
from rushlight.nn.modules._registry import NAMES, Registry, mirrored
from rushlight.nn.modules._state_dict import _EXTRA_STATE_KEY_SUFFIX as _EXTRA_STATE_KEY_SUFFIX
from rushlight.nn.modules._state_dict import StateDictMethods
from rushlight.nn.modules._state_dict import _IncompatibleKeys as _IncompatibleKeys
from rushlight.nn.modules.utils import _typename
from rushlight.nn.parameter import Buffer, Parameter

__all__ = [
    "Module",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]

_HOOK_DICTIONARIES = (
    "_backward_pre_hooks",
    "_backward_hooks",
    "_forward_hooks",
    "_forward_hooks_with_kwargs",
    "_forward_hooks_always_called",
    "_forward_pre_hooks",
    "_forward_pre_hooks_with_kwargs",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


def _addindent(text: str, spaces: int) -> str:
    """Indent every line but the first."""
    return text.replace("\n", "\n" + " " * spaces)


def _forward_unimplemented(self: Any, *input: Any) -> None:
    """Compute the output; every subclass defines its own."""
    raise NotImplementedError(
        f'Module [{type(self).__name__}] is missing the required "forward" function'
    )


def _check_name(owner: Any, registry: dict, kind: str, name: Any) -> None:
    """Refuse a name that cannot be registered."""
    if not isinstance(name, str):
        raise TypeError(f"{kind} name should be a string. Got {_typename(name)}")
    if "." in name:
        raise KeyError(f'{kind} name can\'t contain "."')
    if name == "":
        raise KeyError(f'{kind} name can\'t be empty string ""')
    if hasattr(owner, name) and name not in registry:
        raise KeyError(f"attribute '{name}' already exists")


def _through(hooks: dict, owner: Any, name: str, value: Any) -> Any:
    """Run registration hooks, each of which may replace the value."""
    for hook in hooks.values():
        changed = hook(owner, name, value)
        if changed is not None:
            value = changed
    return value


class Module(HookMethods, StateDictMethods):
    """Module(): the base class of all networks; subclasses register parts in ``__init__`` and
    define ``forward``.

    Parameters, buffers and modules assigned as attributes are registered: they are moved, saved and
    trained with the module.

    >>> class Scale(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.factor = torch.nn.Parameter(torch.tensor(3.0))
    ...     def forward(self, x):
    ...         return self.factor * x
    >>> m = Scale()
    >>> m(torch.ones(2))
    tensor([3., 3.], grad_fn=<MulBackward0>)
    >>> dict(m.named_parameters())
    {'factor': Parameter containing:
    tensor(3., requires_grad=True)}
    """

    dump_patches: bool = False
    training: bool
    call_super_init: bool = False
    _compiled_call_impl: Callable | None = None
    _optimized_class: Callable | None = None  # what torch.compile makes of a module

    forward: Callable[..., Any] = _forward_unimplemented

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        name = f"{type(self).__name__}.__init__()"
        if not self.call_super_init:
            if kwargs:
                raise TypeError(f"{name} got an unexpected keyword argument '{next(iter(kwargs))}'")
            if args:
                raise TypeError(
                    f"{name} takes 1 positional argument but {len(args) + 1} were given"
                )
        attributes = self.__dict__
        attributes["training"] = True
        # In PyTorch's order, so that a pickled module is the same bytes.
        attributes["_parameters"] = Registry(self)
        attributes["_buffers"] = Registry(self)
        attributes["_non_persistent_buffers_set"] = set()
        for hooks in _HOOK_DICTIONARIES[:2]:
            attributes[hooks] = OrderedDict()
        attributes["_is_full_backward_hook"] = None
        for hooks in _HOOK_DICTIONARIES[2:]:
            attributes[hooks] = OrderedDict()
        attributes["_modules"] = Registry(self)
        if self.call_super_init:
            super().__init__(*args, **kwargs)

    # ---- the call --------------------------------------------------------------------------------

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        """Run ``forward``, and the hooks where there are any."""
        # Subscripts, because with __getattr__ on the class attribute reads cost three times as much
        # (0.48 us instead of 0.21 for the whole call).
        own = self.__dict__
        try:
            hooked = (
                own["_forward_hooks"]
                or own["_forward_pre_hooks"]
                or own["_backward_hooks"]
                or own["_backward_pre_hooks"]
            )
        except KeyError as error:
            return self.__getattr__(error.args[0])  # raises: Module.__init__ was not called
        if (
            hooked
            or _global_forward_hooks
            or _global_forward_pre_hooks
            or _global_backward_hooks
            or _global_backward_pre_hooks
        ):
            return self._call_with_hooks(args, kwargs)
        if kwargs:
            return self.forward(*args, **kwargs)
        return self.forward(*args)

    _call_impl = _wrapped_call_impl = __call__

    def compile(self, *args: Any, **kwargs: Any) -> None:
        """compile(*args, **kwargs): ``torch.compile`` in place; the module is called as before.

        Nothing is compiled here, so a backend other than "eager" raises NotImplementedError, unless
        ``torch.compiler.set_stance("force_eager")`` or ``TORCH_COMPILE_DISABLE=1`` is in force.

        >>> layer = torch.nn.Linear(2, 1)
        >>> layer.compile(backend='eager')
        >>> layer(torch.ones(2)).shape
        torch.Size([1])
        """
        compiled = torch.compile(self._call_impl, *args, **kwargs)
        require = getattr(compiled, "_require_eager", None)
        if require is not None:
            require()
        self._compiled_call_impl = compiled

    # ---- registration ----------------------------------------------------------------------------

    def register_buffer(self, name: str, tensor: Any, persistent: bool = True) -> None:
        """register_buffer(name, tensor, persistent=True): keep a tensor (or None) that is no
        parameter.

        It moves with the module; if ``persistent`` it is part of the state_dict.
        """
        if "_buffers" not in self.__dict__:
            raise AttributeError("cannot assign buffer before Module.__init__() call")
        _check_name(self, self._buffers, "buffer", name)
        tensor_like = isinstance(tensor, torch.Tensor) or hasattr(tensor, "__torch_function__")
        if tensor is not None and not tensor_like:
            raise TypeError(
                f"cannot assign '{_typename(tensor)}' object to buffer '{name}' "
                "(torch Tensor or None required)"
            )
        self._buffers[name] = _through(_global_buffer_registration_hooks, self, name, tensor)
        if persistent:
            self._non_persistent_buffers_set.discard(name)
        else:
            self._non_persistent_buffers_set.add(name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """register_parameter(name, param): keep a Parameter (or None) under ``name``."""
        if "_parameters" not in self.__dict__:
            raise AttributeError("cannot assign parameter before Module.__init__() call")
        _check_name(self, self._parameters, "parameter", name)
        if param is None:
            self._parameters[name] = None
            return
        if not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{_typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required)"
            )
        if param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model "
                f"parameters must be created explicitly. To express '{name}' "
                "as a function of another Tensor, compute the value in "
                "the forward() method."
            )
        self._parameters[name] = _through(_global_parameter_registration_hooks, self, name, param)

    def add_module(self, name: str, module: "Module | None") -> None:
        """add_module(name, module): keep a child module (or None) under ``name``."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{_typename(module)} is not a Module subclass")
        if not isinstance(name, str):
            raise TypeError(f"module name should be a string. Got {_typename(name)}")
        if hasattr(self, name) and name not in self._modules:
            raise KeyError(f"attribute '{name}' already exists")
        if "." in name:
            raise KeyError(f'module name can\'t contain ".", got: {name}')
        if name == "":
            raise KeyError('module name can\'t be empty string ""')
        self._modules[name] = _through(_global_module_registration_hooks, self, name, module)

    def register_module(self, name: str, module: "Module | None") -> None:
        """register_module(name, module): the same as :meth:`add_module`."""
        self.add_module(name, module)

    # ---- attributes ------------------------------------------------------------------------------

    def __getattr__(self, name: str) -> Any:
        # Only reached when the mirror in __dict__ (see _registry.py) has no such name.
        attributes = self.__dict__
        for registry in NAMES:
            entries = attributes.get(registry)
            if entries is not None and name in entries:
                return entries[name]
        raise AttributeError(f"'{type(self).__name__}' object has no attribute '{name}'")

    vars(__getattr__)["only_registered"] = True  # for the mirror, which an override does without

    def __setattr__(self, name: str, value: Any) -> None:
        attributes = self.__dict__
        if isinstance(value, Parameter):
            if "_parameters" not in attributes:
                raise AttributeError("cannot assign parameters before Module.__init__() call")
            self._forget(name, "_parameters")
            self.register_parameter(name, value)
        elif name in attributes.get("_parameters", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as parameter '{name}' "
                    "(torch.nn.Parameter or None expected)"
                )
            self.register_parameter(name, value)
        elif isinstance(value, Module):
            if "_modules" not in attributes:
                raise AttributeError("cannot assign module before Module.__init__() call")
            self._forget(name, "_modules")
            self._set_module(name, value)
        elif name in attributes.get("_modules", ()):
            if value is not None:
                raise TypeError(
                    f"cannot assign '{_typename(value)}' as child module '{name}' "
                    "(torch.nn.Module or None expected)"
                )
            self._set_module(name, value)
        elif isinstance(value, Buffer) or name in attributes.get("_buffers", ()):
            self._set_buffer(name, value)
        else:
            if name in NAMES:
                value = self._adopt(name, value)
            object.__setattr__(self, name, value)

    def _forget(self, name: str, keep: str) -> None:
        """Before ``name`` is registered in ``keep``: it is no longer anything else."""
        attributes = self.__dict__
        for registry in NAMES:
            if registry != keep:
                attributes[registry].pop(name, None)
        attributes["_non_persistent_buffers_set"].discard(name)
        if name not in attributes[keep]:
            attributes.pop(name, None)

    def _set_module(self, name: str, value: "Module | None") -> None:
        self._modules[name] = _through(_global_module_registration_hooks, self, name, value)

    def _set_buffer(self, name: str, value: Any) -> None:
        if value is not None and not isinstance(value, torch.Tensor):
            raise TypeError(
                f"cannot assign '{_typename(value)}' as buffer '{name}' "
                "(torch.nn.Buffer, torch.Tensor or None expected)"
            )
        if isinstance(value, Buffer):
            persistent = value.persistent
            if name not in self._buffers:
                self._forget(name, "_buffers")
        else:
            persistent = name not in self._non_persistent_buffers_set
        if type(self).register_buffer is Module.register_buffer:
            self.register_buffer(name, value, persistent)
        elif "persistent" in inspect.signature(self.register_buffer).parameters:
            self.register_buffer(name, value, persistent=persistent)
        elif persistent:
            self.register_buffer(name, value)
        else:
            raise RuntimeError(
                "Registering a non-persistent buffer "
                "on a Module subclass that implements "
                "register_buffer() without the persistent "
                "argument is not allowed."
            )

    def _adopt(self, registry: str, entries: dict) -> Registry:
        """Make the given dictionary this module's registry."""
        for name in [n for n in mirrored(self.__dict__) if n in self.__dict__[registry]]:
            del self.__dict__[name]
        return Registry(self, entries)

    def __delattr__(self, name: str) -> None:
        for registry in NAMES:
            if name in self.__dict__.get(registry, ()):
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def __dir__(self) -> list[str]:
        names = {
            *dir(type(self)),
            *self.__dict__,
            *self._parameters,
            *self._modules,
            *self._buffers,
        }
        return sorted(n for n in names if not n[0].isdigit())

    # ---- pickling and copying --------------------------------------------------------------------

    def __getstate__(self) -> dict:
        state = self.__dict__.copy()
        for name in list(mirrored(state)):
            del state[name]
        for registry in NAMES:
            if registry in state:
                state[registry] = dict(state[registry])
        state.pop("_compiled_call_impl", None)
        return state

    def __setstate__(self, state: dict) -> None:
        attributes = self.__dict__
        attributes.update(state)
        for registry in NAMES:
            attributes[registry] = Registry(self, attributes.get(registry, ()))
        attributes.setdefault("_non_persistent_buffers_set", set())
        attributes.setdefault("_is_full_backward_hook", None)
        for hooks in _HOOK_DICTIONARIES:
            attributes.setdefault(hooks, OrderedDict())

    def _replicate_for_data_parallel(self) -> "Module":
        replica = self.__new__(type(self))
        replica.__setstate__(self.__getstate__())
        replica._parameters = {}
        replica._is_replica = True
        return replica

    # ---- finding parts ---------------------------------------------------------------------------

    def get_submodule(self, target: str) -> "Module":
        """get_submodule(target)

        The module at a dotted path; AttributeError where there is none.
        """
        module: Module = self
        for name in target.split(".") if target else ():
            module = _child_at(module, name)
        return module

    def set_submodule(self, target: str, module: "Module", strict: bool = False) -> None:
        """set_submodule(target, module, strict=False): put a module at a dotted path.

        ``strict``: something must stand there already, else AttributeError.
        """
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict or hasattr(parent, name):
            _child_at(parent, name)
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """get_parameter(target)

        The parameter at a dotted path; AttributeError where there is none.
        """
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        param = _attribute_at(module, name)
        if not isinstance(param, Parameter):
            raise AttributeError(f"`{name}` is not an nn.Parameter")
        return param

    def get_buffer(self, target: str) -> Any:
        """get_buffer(target): the buffer at a dotted path; AttributeError where there is none."""
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        buffer = _attribute_at(module, name)
        if name not in module._buffers:
            raise AttributeError(f"`{name}` is not a buffer")
        return buffer

    # ---- walking ---------------------------------------------------------------------------------

    def _named_members(
        self,
        get_members_fn: Callable,
        prefix: str = "",
        recurse: bool = True,
        remove_duplicate: bool = True,
    ) -> Iterator[tuple[str, Any]]:
        """Names and members of this module and, if asked, of all below."""
        seen = set()
        modules: Iterable[tuple[str, Module]]
        if recurse:
            modules = self.named_modules(prefix=prefix, remove_duplicate=remove_duplicate)
        else:
            modules = [(prefix, self)]
        for path, module in modules:
            for name, member in get_members_fn(module):
                if member is None or id(member) in seen:
                    continue
                if remove_duplicate:
                    seen.add(id(member))
                yield (f"{path}.{name}" if path else name), member

    def parameters(self, recurse: bool = True) -> Iterator[Parameter]:
        """parameters(recurse=True): the parameters of this module and those below, each once."""
        for _, param in self.named_parameters(recurse=recurse):
            yield param

    def named_parameters(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Parameter]]:
        """named_parameters(prefix="", recurse=True, remove_duplicate=True)

        (dotted name, parameter) pairs.
        """
        return self._named_members(
            lambda m: m._parameters.items(), prefix, recurse, remove_duplicate
        )

    def buffers(self, recurse: bool = True) -> Iterator[Any]:
        """buffers(recurse=True): the buffers of this module and those below, each once."""
        for _, buffer in self.named_buffers(recurse=recurse):
            yield buffer

    def named_buffers(
        self, prefix: str = "", recurse: bool = True, remove_duplicate: bool = True
    ) -> Iterator[tuple[str, Any]]:
        """named_buffers(prefix="", recurse=True, remove_duplicate=True)

        (dotted name, buffer) pairs.
        """
        return self._named_members(lambda m: m._buffers.items(), prefix, recurse, remove_duplicate)

    def children(self) -> Iterator["Module"]:
        """children(): the modules directly below, each once."""
        for _, module in self.named_children():
            yield module

    def named_children(self) -> Iterator[tuple[str, "Module"]]:
        """named_children()

        (name, module) pairs of the modules directly below, each module once.
        """
        seen = set()
        for name, module in self._modules.items():
            if module is not None and id(module) not in seen:
                seen.add(id(module))
                yield name, module

    def modules(self, remove_duplicate: bool = True) -> Iterator["Module"]:
        """modules(): this module and all below."""
        for _, module in self.named_modules(remove_duplicate=remove_duplicate):
            yield module

    def named_modules(
        self, memo: set | None = None, prefix: str = "", remove_duplicate: bool = True
    ) -> Iterator[tuple[str, "Module"]]:
        """named_modules(memo=None, prefix="", remove_duplicate=True)

        (dotted name, module), this one first.
        """
        if memo is None:
            memo = set()
        if self in memo:
            return
        if remove_duplicate:
            memo.add(self)
        yield prefix, self
        for name, module in self._modules.items():
            if module is not None:
                path = f"{prefix}.{name}" if prefix else name
                yield from module.named_modules(memo, path, remove_duplicate)

    # ---- modes -----------------------------------------------------------------------------------

    def train(self, mode: bool = True) -> "Module":
        """train(mode=True): put this module and all below into training (or evaluation) mode."""
        if not isinstance(mode, bool):
            raise ValueError("training mode is expected to be boolean")
        self.training = mode
        for module in self.children():
            module.train(mode)
        return self

    def eval(self) -> "Module":
        """eval(): put this module and all below into evaluation mode."""
        return self.train(False)

    def requires_grad_(self, requires_grad: bool = True) -> "Module":
        """requires_grad_(requires_grad=True): set it for all parameters."""
        for param in self.parameters():
            param.requires_grad_(requires_grad)
        return self

    def zero_grad(self, set_to_none: bool = True) -> None:
        """zero_grad(set_to_none=True)

        Drop (or fill with zeros) the gradients of all parameters.
        """
        if getattr(self, "_is_replica", False):
            warnings.warn(
                "Calling .zero_grad() from a module created with nn.DataParallel() has no effect. "
                "The parameters are copied (in a differentiable manner) from the original module. "
                "This means they are not leaf nodes in autograd and so don't accumulate gradients. "
                "If you need gradients in your forward method, "
                "consider using autograd.grad instead.",
                stacklevel=2,
            )
        for param in self.parameters():
            if set_to_none:
                param.grad = None
            elif param.grad is None:
                continue
            elif param.grad.grad_fn is not None:
                param.grad.detach_().zero_()
            else:
                param.grad.requires_grad_(False).zero_()

    # ---- conversion ------------------------------------------------------------------------------

    def apply(self, fn: Callable[["Module"], None]) -> "Module":
        """apply(fn): call ``fn`` on every module below, then on this one."""
        for module in self.children():
            module.apply(fn)
        fn(self)
        return self

    def _apply(self, fn: Callable, recurse: bool = True) -> "Module":
        """Replace every parameter, its gradient and every buffer by ``fn`` of it; parameters keep
        their identity.
        """
        if recurse:
            for module in self.children():
                module._apply(fn)
        for param in self._parameters.values():
            if param is None:
                continue
            with torch.no_grad():
                grad = param.grad
                param.grad = None  # a gradient of the old type would not fit the new data
                param.data = fn(param)
                if grad is not None:
                    param.grad = fn(grad).requires_grad_(grad.requires_grad)
        for name, buffer in self._buffers.items():
            if buffer is not None:
                self._buffers[name] = fn(buffer)
        return self

    def to(self, *args: Any, **kwargs: Any) -> "Module":
        """to(device=None, dtype=None, non_blocking=False, *, memory_format=None), to(tensor): move
        and cast.

        Only floating-point and complex parameters and buffers are cast.
        """
        device, dtype, non_blocking, memory_format = _parse_to(*args, **kwargs)
        if dtype is not None and not (dtype.is_floating_point or dtype.is_complex):
            raise TypeError(
                "nn.Module.to only accepts floating point or complex "
                f"dtypes, but got desired dtype={dtype}"
            )
        if dtype is not None and dtype.is_complex:
            warnings.warn(
                "Complex modules are a new feature under active development "
                "whose design may change, and some modules might not work as expected "
                "when using complex tensors as parameters or buffers. "
                "Please file an issue at "
                "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml "
                "if a complex module does not work as expected.",
                stacklevel=2,
            )

        def convert(t: Any) -> Any:
            wanted = dtype if t.is_floating_point() or t.is_complex() else None
            if memory_format is not None and t.dim() in (4, 5):
                return t.to(device, wanted, non_blocking, memory_format=memory_format)
            return t.to(device, wanted, non_blocking)

        return self._apply(_explaining_meta(convert))

    def to_empty(self, *, device: Any, recurse: bool = True) -> "Module":
        """to_empty(*, device, recurse=True)

        Move to a device without copying; the values are undefined.
        """

        def emptied(t: Any) -> torch.Tensor:
            of_its_own = getattr(t, "_emptied", None)  # a DTensor's
            found: torch.Tensor = (
                torch.empty_like(t, device=device) if of_its_own is None else of_its_own(device)
            )
            return found

        return self._apply(emptied, recurse=recurse)

    def cuda(self, device: Any = None) -> "Module":
        """cuda(device=None): move all parameters and buffers to a GPU."""
        return self._apply(lambda t: t.cuda(device))

    def cpu(self) -> "Module":
        """cpu(): move all parameters and buffers to the CPU."""
        return self._apply(lambda t: t.cpu())

    def type(self, dst_type: Any) -> "Module":
        """type(dst_type): cast all parameters and buffers."""
        return self._apply(lambda t: t.type(dst_type))

    def float(self) -> "Module":
        """float(): cast floating-point parameters and buffers to float32."""
        return self._cast(torch.float32)

    def double(self) -> "Module":
        """double(): cast floating-point parameters and buffers to float64."""
        return self._cast(torch.float64)

    def half(self) -> "Module":
        """half(): cast floating-point parameters and buffers to float16."""
        return self._cast(torch.float16)

    def bfloat16(self) -> "Module":
        """bfloat16(): cast floating-point parameters and buffers to bfloat16."""
        return self._cast(torch.bfloat16)

    def _cast(self, dtype: Any) -> "Module":
        return self._apply(lambda t: t.to(dtype) if t.is_floating_point() else t)

    def share_memory(self) -> "Module":
        """share_memory(): move all parameters and buffers into memory that processes share."""
        return self._apply(lambda t: t.share_memory_())

    # ---- printing --------------------------------------------------------------------------------

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """extra_repr(): what stands between the parentheses of the printed module."""
        return ""

    def __repr__(self) -> str:
        extra = self.extra_repr()
        lines = extra.split("\n") if extra else []
        children = [
            f"({name}): {_addindent(repr(module), 2)}" for name, module in self._modules.items()
        ]
        if len(lines) == 1 and not children:
            return f"{self._get_name()}({lines[0]})"
        if not lines and not children:
            return f"{self._get_name()}()"
        return f"{self._get_name()}(\n  " + "\n  ".join([*lines, *children]) + "\n)"


def _attribute_at(module: Module, name: str) -> Any:
    if not hasattr(module, name):
        raise AttributeError(f"{module._get_name()} has no attribute `{name}`")
    return getattr(module, name)


def _child_at(module: Module, name: str) -> Module:
    child = _attribute_at(module, name)
    if not isinstance(child, Module):
        raise AttributeError(f"`{name}` is not an nn.Module")
    return child


def _explaining_meta(convert: Callable) -> Callable:
    """Add what to do instead where a tensor without data would have to be copied."""

    def explained(t: Any) -> Any:
        try:
            return convert(t)
        except NotImplementedError as error:
            if str(error) != "Cannot copy out of meta tensor; no data!":
                raise
            raise NotImplementedError(
                f"{error} Please use torch.nn.Module.to_empty() instead of torch.nn.Module.to() "
                "when moving module from meta to a different device."
            ) from None

    return explained


def _parse_to(*args: Any, **kwargs: Any) -> tuple:
    """The arguments of ``to`` as (device, dtype, non_blocking, memory_format)."""
    values = list(args)
    device, dtype, other = (kwargs.pop(k, None) for k in ("device", "dtype", "tensor"))
    memory_format = kwargs.pop("memory_format", None)
    if values and isinstance(values[0], torch.Tensor):
        other = values.pop(0)
    elif values and isinstance(values[0], torch.dtype):
        dtype = values.pop(0)
    elif values:
        device = values.pop(0)
        if values and not isinstance(values[0], bool):
            dtype = values.pop(0)
    non_blocking = values.pop(0) if values else kwargs.pop("non_blocking", False)
    kwargs.pop("copy", None) if not values else values.pop(0)  # a module is always changed in place
    if values or kwargs:
        extra = ", ".join(kwargs) or "too many positional arguments"
        raise TypeError(f"to() received an invalid combination of arguments: {extra}")
    if other is not None:
        device, dtype = other.device, other.dtype
    return device if device is None else torch.device(device), dtype, non_blocking, memory_format
