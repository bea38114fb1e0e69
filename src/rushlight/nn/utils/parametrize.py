"""Parametrizations: a parameter that is computed, at every access, from other parameters."""

import copy
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from typing import Any

from rushlight import _api as torch
from rushlight.nn.modules.container import ModuleDict, ModuleList
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "transfer_parametrizations_and_params",
    "type_before_parametrizations",
]

_cache_enabled = 0
_cache: dict[tuple[int, str], Any] = {}


@contextmanager
def cached() -> Iterator[None]:
    """cached(): inside this context every parametrized tensor is computed once.

    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4))
    >>> m.weight is m.weight
    False
    >>> with torch.nn.utils.parametrize.cached():
    ...     m.weight is m.weight
    True
    """
    global _cache_enabled
    _cache_enabled += 1
    try:
        yield
    finally:
        _cache_enabled -= 1
        if not _cache_enabled:
            _cache.clear()


def _register(module: Module, name: str, tensor: Any) -> None:
    if isinstance(tensor, Parameter):
        module.register_parameter(name, tensor)
    else:
        module.register_buffer(name, tensor)


def _check_same(original: Any, value: Any, what: str) -> None:
    """A parametrization keeps dtype and shape unless it is registered as unsafe."""
    if not isinstance(value, torch.Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(value).__name__}.")
    for attribute in ("dtype", "shape"):
        before, after = getattr(original, attribute), getattr(value, attribute)
        if before != after:
            raise ValueError(
                f"Registering a parametrization may not change the {attribute} of the tensor, "
                f"unless {what}"
                f"unparametrized {attribute}: {before}\nparametrized {attribute}: {after}"
            )


def _inverted(module: Module, value: Any) -> Any:
    """right_inverse where there is one."""
    if hasattr(module, "right_inverse"):
        with suppress(NotImplementedError):
            return module.right_inverse(value)
    return value


class ParametrizationList(ModuleList):
    """ParametrizationList(modules, original, unsafe=False): the parametrizations of one tensor,
    applied in order.

    What they start from is ``original``, or ``original0``, ``original1``, ... where right_inverse
    returns several.

    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4))
    >>> m.parametrizations.weight
    ParametrizationList(
      (0): _WeightNorm()
    )
    """

    unsafe: bool

    def __init__(self, modules: Sequence[Module], original: Any, unsafe: bool = False) -> None:
        if len(modules) == 0:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(modules)
        self.unsafe = unsafe
        expected = original.detach()
        with torch.no_grad():
            new = original
            for module in reversed(list(self)):
                new = _inverted(module, new)
        if not isinstance(new, torch.Tensor | Sequence):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, torch.Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if self.is_tensor:
            self._keep_one(original, new)
        else:
            several: Any = new
            self._keep_several(original, several)
        if not unsafe:
            _check_same(expected, self(), "`unsafe` flag is enabled.\n")

    def _keep_one(self, original: Any, new: Any) -> None:
        for attribute in ("dtype", "device"):
            before, after = getattr(original, attribute), getattr(new, attribute)
            if before != after:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change "
                    f"the {attribute}.\noriginal.{attribute}: {before}\n"
                    f"right_inverse(original).{attribute}: {after}"
                )
        original.data = new.detach()
        _register(self, "original", original)

    def _keep_several(self, original: Any, new: Sequence) -> None:
        for i, tensor in enumerate(new):
            if not isinstance(tensor, torch.Tensor):
                raise ValueError(
                    "'right_inverse' must return a Tensor or a Sequence of tensors "
                    f"(list, tuple...). Got element {i} of the sequence with type "
                    f"{type(tensor).__name__}."
                )
            if isinstance(original, Parameter):
                tensor = Parameter(tensor, original.requires_grad)
            tensor.requires_grad_(original.requires_grad)
            _register(self, f"original{i}", tensor)

    def right_inverse(self, value: Any) -> None:
        """right_inverse(value)

        Set the originals so that the parametrized tensor becomes ``value``.
        """
        with torch.no_grad():
            for module in reversed(list(self)):
                if not hasattr(module, "right_inverse"):
                    raise RuntimeError(
                        f"parametrization {type(module).__name__} does not implement right_inverse."
                    )
                value = module.right_inverse(value)
            if self.is_tensor:
                self._set_one(value)
            else:
                self._set_several(value)

    def _set_one(self, value: Any) -> None:
        if not isinstance(value, torch.Tensor):
            raise ValueError(f"`right_inverse` should return a tensor. Got {type(value).__name__}")
        if value.dtype != self.original.dtype:
            raise ValueError(
                f"The tensor returned by `right_inverse` has dtype {value.dtype} "
                f"while `original` has dtype {self.original.dtype}"
            )
        self.original.data = value.detach()

    def _set_several(self, values: Any) -> None:
        if not isinstance(values, Sequence):
            raise ValueError(
                f"'right_inverse' must return a sequence of tensors. Got {type(values).__name__}."
            )
        if len(values) != self.ntensors:
            raise ValueError(
                "'right_inverse' must return a sequence of tensors of length "
                f"{self.ntensors}. Got a sequence of length {len(values)}."
            )
        for i, tensor in enumerate(values):
            original = getattr(self, f"original{i}")
            if not isinstance(tensor, torch.Tensor):
                raise ValueError(
                    f"`right_inverse` must return a sequence of tensors. Got element {i} "
                    f"of type {type(tensor).__name__}"
                )
            if original.dtype != tensor.dtype:
                raise ValueError(
                    f"Tensor {i} returned by `right_inverse` has dtype {tensor.dtype} "
                    f"while `original{i}` has dtype {original.dtype}"
                )
            original.data = tensor.detach()

    def forward(self) -> Any:
        """The parametrized tensor."""
        if self.is_tensor:
            originals = [self.original]
        else:
            originals = [getattr(self, f"original{i}") for i in range(self.ntensors)]
        first, *others = list(self)
        value = first(*originals)
        for module in others:
            value = module(value)
        return value


def _inject_new_class(module: Module) -> None:
    """Give the module a class of its own, to hang properties on."""
    cls = type(module)

    def deepcopy(self: Module, memo: dict) -> Module:
        if id(self) in memo:
            return memo[id(self)]
        replica = self.__new__(type(self))
        memo[id(self)] = replica
        replica.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return replica

    def getstate(self: Module) -> dict:
        raise RuntimeError(
            "Serialization of parametrized modules is only "
            "supported through state_dict(). See:\n"
            "https://pytorch.org/tutorials/beginner/saving_loading_models.html"
            "#saving-loading-a-general-checkpoint-for-inference-and-or-resuming-training"
        )

    members: dict[str, Any] = {"__getstate__": getstate}
    if not hasattr(cls, "__deepcopy__"):
        members["__deepcopy__"] = deepcopy
    module.__class__ = type(f"Parametrized{cls.__name__}", (cls,), members)


def _inject_property(module: Module, tensor_name: str) -> None:
    """Make the tensor an attribute that is computed."""

    def get(self: Module) -> Any:
        parametrization = self.parametrizations[tensor_name]
        if not _cache_enabled:
            return parametrization()
        key = (id(self), tensor_name)
        if key not in _cache:
            _cache[key] = parametrization()
        return _cache[key]

    def set_original(self: Module, value: Any) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(get, set_original))


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """register_parametrization(module, tensor_name, parametrization, *, unsafe=False) -> Module

    From now on ``module.tensor_name`` is ``parametrization(original)``. Several may be registered
    one after another. ValueError where the parametrization changes dtype or shape (unless
    ``unsafe``), or there is no such tensor.

    >>> class Symmetric(torch.nn.Module):
    ...     def forward(self, x):
    ...         return x.triu() + x.triu(1).mT
    >>> m = torch.nn.Linear(3, 3)
    >>> m = torch.nn.utils.parametrize.register_parametrization(m, 'weight', Symmetric())
    >>> torch.equal(m.weight, m.weight.T), list(m.state_dict())
    (True, ['bias', 'parametrizations.weight.original'])
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        if not unsafe:
            _check_next(module, tensor_name, parametrization)
        stack = module.parametrizations[tensor_name]
        stack.append(parametrization)
        stack.unsafe |= unsafe
    elif tensor_name in module._buffers or tensor_name in module._parameters:
        original = getattr(module, tensor_name)
        stack = ParametrizationList([parametrization], original, unsafe=unsafe)
        delattr(module, tensor_name)
        if not is_parametrized(module):
            _inject_new_class(module)
            module.parametrizations = ModuleDict()
        _inject_property(module, tensor_name)
        module.parametrizations[tensor_name] = stack
    else:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a "
            f"parametrized element with name '{tensor_name}'"
        )
    return module


def _check_next(module: Module, tensor_name: str, parametrization: Module) -> None:
    """Does another parametrization keep what the earlier ones made?"""
    before = getattr(module, tensor_name)
    after = parametrization(before)
    place = f"module.{tensor_name}"
    if not isinstance(after, torch.Tensor):
        raise ValueError(f"A parametrization must return a tensor. Got {type(after).__name__}.")
    for attribute in ("dtype", "shape"):
        if getattr(after, attribute) != getattr(before, attribute):
            raise ValueError(
                f"Registering a parametrization may not change the {attribute} of the tensor, "
                "unless the `unsafe` flag is enabled.\n"
                f"{place}.{attribute}: {getattr(before, attribute)}\n"
                f"parametrization({place}).{attribute}: {getattr(after, attribute)}"
            )
    if not hasattr(parametrization, "right_inverse"):
        return
    inverse = _inverted(parametrization, after)
    if not isinstance(inverse, torch.Tensor):
        raise ValueError(
            f"parametrization.right_inverse must return a tensor. Got: {type(inverse).__name__}"
        )
    for attribute in ("dtype", "shape"):
        if getattr(inverse, attribute) != getattr(before, attribute):
            raise ValueError(
                "The tensor returned by parametrization.right_inverse must have the same "
                f"{attribute} as {place}, unless the `unsafe` flag is enabled.\n"
                f"{place}.{attribute}: {getattr(before, attribute)}\n"
                f"returned {attribute}: {getattr(inverse, attribute)}"
            )


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """is_parametrized(module, tensor_name=None): is this tensor (any, if None) parametrized?

    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4))
    >>> torch.nn.utils.parametrize.is_parametrized(m)
    True
    >>> torch.nn.utils.parametrize.is_parametrized(m, 'bias')
    False
    """
    parametrizations = getattr(module, "parametrizations", None)
    if not isinstance(parametrizations, ModuleDict):
        return False
    return len(parametrizations) > 0 if tensor_name is None else tensor_name in parametrizations


def remove_parametrizations(
    module: Module, tensor_name: str, leave_parametrized: bool = True
) -> Module:
    """remove_parametrizations(module, tensor_name, leave_parametrized=True) -> Module

    Make the tensor an ordinary one again, with its parametrized value, or its original one.

    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4))
    >>> sorted(torch.nn.utils.parametrize.remove_parametrizations(m, 'weight').state_dict())
    ['bias', 'weight']
    """
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    stack = module.parametrizations[tensor_name]
    if stack.is_tensor:
        original = stack.original
        if leave_parametrized:
            with torch.no_grad():
                original.data = getattr(module, tensor_name).detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name)
        original = Parameter(value) if value.requires_grad else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor "
            "that is parametrized in terms of a sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    _register(module, tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type:
    """type_before_parametrizations(module): the module's own class.

    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4))
    >>> type(m).__name__, torch.nn.utils.parametrize.type_before_parametrizations(m).__name__
    ('ParametrizedLinear', 'Linear')
    """
    return type(module).__bases__[0] if is_parametrized(module) else type(module)


def transfer_parametrizations_and_params(
    from_module: Module, to_module: Module, tensor_name: str | None = None
) -> Module:
    """transfer_parametrizations_and_params(from_module, to_module, tensor_name=None)

    Copy them to another module.

    >>> m = torch.nn.utils.parametrizations.weight_norm(torch.nn.Linear(3, 4))
    >>> other = torch.nn.Linear(3, 4)
    >>> other = torch.nn.utils.parametrize.transfer_parametrizations_and_params(m, other)
    >>> torch.equal(m.weight, other.weight), torch.nn.utils.parametrize.is_parametrized(other)
    (True, True)
    """
    if not is_parametrized(from_module):
        return to_module
    names = list(from_module.parametrizations) if tensor_name is None else [tensor_name]
    for name in names:
        source = from_module.parametrizations[name]
        if not hasattr(to_module, name):
            value = getattr(from_module, name)
            _register(to_module, name, Parameter(value.detach().clone()))
        for parametrization in source:
            register_parametrization(to_module, name, parametrization)
        target = to_module.parametrizations[name]
        if source.is_tensor:
            setattr(target, "original", source.original)  # noqa: B010
        else:
            for i in range(source.ntensors):
                setattr(target, f"original{i}", getattr(source, f"original{i}"))
    return to_module
