"""Containers: modules and parameters in order, or by name."""

import operator
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from itertools import chain
from typing import Any

from rushlight import _api as torch
from rushlight.nn.modules.module import Module, _addindent
from rushlight.nn.modules.utils import _typename
from rushlight.nn.parameter import Parameter

__all__ = [
    "Container",
    "ModuleDict",
    "ModuleList",
    "ParameterDict",
    "ParameterList",
    "Sequential",
]


class Container(Module):
    """Container(**kwargs): the children by keyword; long replaced by Module itself."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__()
        for name, module in kwargs.items():
            self.add_module(name, module)


def _position(index: Any, size: int) -> int:
    """An index counted from the front; IndexError outside."""
    index = operator.index(index)
    if not -size <= index < size:
        raise IndexError(f"index {index} is out of range")
    return index % size


class _Numbered(Module):
    """Children in order, named '0', '1', ..."""

    __getitem__: Callable[..., Any]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[Module]:
        return iter(self._modules.values())

    def _key(self, idx: Any) -> str:
        return list(self._modules)[_position(idx, len(self))]

    def __setitem__(self, idx: int, module: Module) -> None:
        setattr(self, self._key(idx), module)

    def __delitem__(self, idx: int | slice) -> None:
        names = list(self._modules)[idx] if isinstance(idx, slice) else [self._key(idx)]
        for name in names:
            delattr(self, name)
        self._modules = {str(i): m for i, m in enumerate(self._modules.values())}

    def append(self, module: Module) -> "_Numbered":
        """append(module): add a module at the end."""
        self.add_module(str(len(self)), module)
        return self

    def pop(self, key: int | slice) -> Module:
        """pop(key): remove and return what ``self[key]`` is."""
        value = self[key]
        del self[key]
        return value

    def _insert(self, index: int, module: Module) -> None:
        for i in range(len(self), index, -1):
            self._modules[str(i)] = self._modules[str(i - 1)]
        self._modules[str(index)] = module


class Sequential(_Numbered):
    """Sequential(*modules) or Sequential(OrderedDict)

    Each module is called with the output of the one before.

    >>> m = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 2))
    >>> m(torch.ones(3, 4)).shape
    torch.Size([3, 2])
    >>> m[1]
    ReLU()
    """

    def __init__(self, *args: Any) -> None:
        super().__init__()
        named: Iterable[tuple[str, Module]]
        if len(args) == 1 and isinstance(args[0], OrderedDict):
            named = args[0].items()
        else:
            named = ((str(i), module) for i, module in enumerate(args))
        for name, module in named:
            self.add_module(name, module)

    def __getitem__(self, idx: int | slice) -> Module:
        if isinstance(idx, slice):
            return self.__class__(OrderedDict(list(self._modules.items())[idx]))
        return self._modules[self._key(idx)]

    def forward(self, input: Any) -> Any:
        """The last module's output."""
        for module in self._modules.values():
            input = module(input)
        return input

    def __add__(self, other: Any) -> "Sequential":
        _check_sequential(other)
        return Sequential().extend(self).extend(other)

    def __iadd__(self, other: Any) -> "Sequential":
        _check_sequential(other)
        return self.extend(list(other))

    def __mul__(self, other: int) -> "Sequential":
        self._check_factor(other)
        return Sequential(*(list(self) * other))

    def __rmul__(self, other: int) -> "Sequential":
        return self.__mul__(other)

    def __imul__(self, other: int) -> "Sequential":
        self._check_factor(other)
        return self.extend(list(self) * (other - 1))

    def _check_factor(self, other: Any) -> None:
        if not isinstance(other, int):
            raise TypeError(f"unsupported operand type(s) for *: {type(self)} and {type(other)}")
        if other <= 0:
            raise ValueError(f"Non-positive multiplication factor {other} for {type(self)}")

    def insert(self, index: int, module: Module) -> "Sequential":
        """insert(index, module): put a module before ``index``."""
        if not isinstance(module, Module):
            raise AssertionError(f"module should be of type: {Module}")
        n = len(self._modules)
        if not -n <= index <= n:
            raise IndexError(f"Index out of range: {index}")
        self._insert(index + n if index < 0 else index, module)
        return self

    def extend(self, sequential: Iterable[Module]) -> "Sequential":
        """extend(sequential): add modules at the end."""
        for layer in sequential:
            self.append(layer)
        return self


def _check_sequential(other: Any) -> None:
    if not isinstance(other, Sequential):
        raise ValueError(
            f"add operator supports only objects of Sequential class, but {type(other)!s} is given."
        )


class ModuleList(_Numbered):
    """ModuleList(modules=None): a list of modules, all registered.

    >>> m = torch.nn.ModuleList([torch.nn.Linear(4, 4) for _ in range(2)])
    >>> m.append(torch.nn.ReLU())
    ModuleList(
      (0-1): 2 x Linear(in_features=4, out_features=4, bias=True)
      (2): ReLU()
    )
    """

    def __init__(self, modules: Iterable[Module] | None = None) -> None:
        super().__init__()
        if modules is not None:
            self += modules

    def _get_abs_string_index(self, idx: Any) -> str:
        return str(_position(idx, len(self)))

    _key = _get_abs_string_index

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            return self.__class__(list(self._modules.values())[idx])
        return self._modules[self._key(idx)]

    def __add__(self, other: Iterable[Module]) -> "ModuleList":
        combined = ModuleList()
        for i, module in enumerate(chain(self, other)):
            combined.add_module(str(i), module)
        return combined

    def __iadd__(self, modules: Iterable[Module]) -> "ModuleList":
        return self.extend(modules)

    def insert(self, index: int, module: Module) -> None:
        """insert(index, module): put a module before ``index``."""
        self._insert(index, module)

    def extend(self, modules: Iterable[Module]) -> "ModuleList":
        """extend(modules): add modules at the end."""
        if not isinstance(modules, Iterable):
            raise TypeError(
                "ModuleList.extend should be called with an "
                "iterable, but got " + type(modules).__name__
            )
        offset = len(self)
        for i, module in enumerate(modules):
            self.add_module(str(offset + i), module)
        return self

    def __repr__(self) -> str:
        blocks: list[list] = []  # [first index, last index, text], equal neighbours joined
        for i, text in enumerate(repr(module) for module in self):
            if blocks and blocks[-1][2] == text:
                blocks[-1][1] = i
            else:
                blocks.append([i, i, text])
        if not blocks:
            return self._get_name() + "()"
        lines = []
        for first, last, text in blocks:
            label = f"({first})" if first == last else f"({first}-{last})"
            times = "" if first == last else f"{last - first + 1} x "
            lines.append(_addindent(f"{label}: {times}{text}", 2))
        return f"{self._get_name()}(\n  " + "\n  ".join(lines) + "\n)"


def _pairs(values: Any, name: str, mappings: tuple) -> Iterator[tuple]:
    """The (key, value) pairs of a mapping or an iterable of pairs."""
    if not isinstance(values, Iterable):
        plural = name.replace("Dict", "sDict") if name == "ParameterDict" else name
        raise TypeError(
            f"{plural}.update should be called with an "
            "iterable of key/value pairs, but got " + type(values).__name__
        )
    if isinstance(values, mappings):
        yield from values.items()
        return
    for i, pair in enumerate(values):
        if not isinstance(pair, Iterable):
            raise TypeError(
                f"{name} update sequence element #{i} should be Iterable; is{type(pair).__name__}"
            )
        two: Any = pair
        if len(two) != 2:
            raise ValueError(
                f"{name} update sequence element #{i} has length {len(two)}; 2 is required"
            )
        yield two[0], two[1]


class ModuleDict(Module):
    """ModuleDict(modules=None): a dictionary of modules, all registered, in order of insertion.

    >>> m = torch.nn.ModuleDict({'act': torch.nn.ReLU(), 'out': torch.nn.Linear(2, 1)})
    >>> m['act']
    ReLU()
    >>> list(m.state_dict())
    ['out.weight', 'out.bias']
    """

    def __init__(self, modules: Any = None) -> None:
        super().__init__()
        if modules is not None:
            self.update(modules)

    def __getitem__(self, key: str) -> Module:
        return self._modules[key]

    def __setitem__(self, key: str, module: Module) -> None:
        self.add_module(key, module)

    def __delitem__(self, key: str) -> None:
        del self._modules[key]

    def __len__(self) -> int:
        return len(self._modules)

    def __iter__(self) -> Iterator[str]:
        return iter(self._modules)

    def __contains__(self, key: str) -> bool:
        return key in self._modules

    def clear(self) -> None:
        """clear(): remove all."""
        self._modules.clear()

    def pop(self, key: str) -> Module:
        """pop(key): remove and return a module."""
        value = self[key]
        del self[key]
        return value

    def keys(self) -> Any:
        """keys(): the names."""
        return self._modules.keys()

    def items(self) -> Any:
        """items(): (name, module) pairs."""
        return self._modules.items()

    def values(self) -> Any:
        """values(): the modules."""
        return self._modules.values()

    def update(self, modules: Any) -> None:
        """update(modules): add the modules of a mapping or of (name, module) pairs."""
        for name, module in _pairs(modules, "ModuleDict", (Mapping, ModuleDict)):
            self[name] = module


def _as_parameter(value: Any) -> Any:
    if isinstance(value, torch.Tensor) and not isinstance(value, Parameter):
        return Parameter(value)
    return value


def _described(value: Any, dtype: Any) -> str:
    """A value as ParameterList and ParameterDict print it; they name the type of the elements
    differently.
    """
    if not isinstance(value, torch.Tensor):
        return f"Object of type: {type(value).__name__}"
    kind = "Parameter" if isinstance(value, Parameter) else "Tensor"
    size = "x".join(str(n) for n in value.size())
    device = f" ({value.device})" if value.device.type == "cuda" else ""
    return f"{kind} containing: [{dtype(value)} of size {size}{device}]"


class ParameterList(Module):
    """ParameterList(values=None): a list whose tensors become parameters, all registered.

    >>> m = torch.nn.ParameterList([torch.ones(2), torch.zeros(3, 3)])
    >>> [p.shape for p in m.parameters()]
    [torch.Size([2]), torch.Size([3, 3])]
    """

    def __init__(self, values: Iterable[Any] | None = None) -> None:
        super().__init__()
        self._size = 0
        if values is not None:
            self += values

    def _get_abs_string_index(self, idx: Any) -> str:
        return str(_position(idx, len(self)))

    def __getitem__(self, idx: int | slice) -> Any:
        if isinstance(idx, slice):
            picked = self.__class__()
            for i in range(*idx.indices(len(self))):
                picked.append(self[i])
            return picked
        return getattr(self, self._get_abs_string_index(idx))

    def __setitem__(self, idx: int, param: Any) -> None:
        setattr(self, self._get_abs_string_index(idx), _as_parameter(param))

    def __len__(self) -> int:
        return self._size

    def __iter__(self) -> Iterator[Any]:
        return iter(self[i] for i in range(len(self)))

    def __iadd__(self, parameters: Iterable[Any]) -> "ParameterList":
        return self.extend(parameters)

    def append(self, value: Any) -> "ParameterList":
        """append(value): add a value at the end."""
        self._size += 1
        self[self._size - 1] = value
        return self

    def extend(self, values: Iterable[Any]) -> "ParameterList":
        """extend(values): add values at the end."""
        # A tensor is iterable too, but is never meant to be taken apart here.
        if not isinstance(values, Iterable) or isinstance(values, torch.Tensor):
            raise TypeError(
                "ParameterList.extend should be called with an "
                "iterable, but got " + type(values).__name__
            )
        for value in values:
            self.append(value)
        return self

    def extra_repr(self) -> str:
        """One line per value."""
        return "\n".join(
            f"  ({i}): {_described(value, lambda t: t.dtype)}" for i, value in enumerate(self)
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        raise RuntimeError("ParameterList should not be called.")


class ParameterDict(Module):
    """ParameterDict(parameters=None)

    A dictionary whose tensors become parameters, all registered.

    >>> m = torch.nn.ParameterDict({'scale': torch.ones(2)})
    >>> m['scale'].requires_grad, list(m.state_dict())
    (True, ['scale'])
    """

    def __init__(self, parameters: Any = None) -> None:
        super().__init__()
        self._keys: dict[str, None] = {}
        if parameters is not None:
            self.update(parameters)

    def _key_to_attr(self, key: Any) -> str:
        if not isinstance(key, str):
            raise TypeError(
                "Index given to ParameterDict cannot be used as a key as it is "
                f"not a string (type is '{type(key).__name__}'). Open an issue on "
                "github if you need non-string keys."
            )
        return key

    def __getitem__(self, key: str) -> Any:
        return getattr(self, self._key_to_attr(key))

    def __setitem__(self, key: str, value: Any) -> None:
        self._keys[key] = None
        setattr(self, self._key_to_attr(key), _as_parameter(value))

    def __delitem__(self, key: str) -> None:
        del self._keys[key]
        delattr(self, self._key_to_attr(key))

    def __len__(self) -> int:
        return len(self._keys)

    def __iter__(self) -> Iterator[str]:
        return iter(self._keys)

    def __reversed__(self) -> Iterator[str]:
        return reversed(self._keys)

    def __contains__(self, key: str) -> bool:
        return key in self._keys

    def copy(self) -> "ParameterDict":
        """copy(): another ParameterDict with the same values."""
        return ParameterDict(OrderedDict(self.items()))

    def setdefault(self, key: str, default: Any = None) -> Any:
        """setdefault(key, default=None)

        The value, after adding ``default`` where there is none.
        """
        if key not in self:
            self[key] = default
        return self[key]

    def clear(self) -> None:
        """clear(): remove all."""
        for key in list(self._keys):
            del self[key]

    def pop(self, key: str) -> Any:
        """pop(key): remove and return a value."""
        value = self[key]
        del self[key]
        return value

    def popitem(self) -> tuple[str, Any]:
        """popitem(): remove and return the last (key, value)."""
        key = next(reversed(self._keys), None)
        if key is None:
            return self._keys.popitem()  # raises dict's own KeyError
        return key, self.pop(key)

    def get(self, key: str, default: Any = None) -> Any:
        """get(key, default=None): the value, or ``default``."""
        return self[key] if key in self else default  # noqa: SIM401 (get is defined by this)

    def fromkeys(self, keys: Iterable[str], default: Any = None) -> "ParameterDict":
        """fromkeys(keys, default=None): a ParameterDict with ``default`` under every key."""
        return ParameterDict((key, default) for key in keys)

    def keys(self) -> Any:
        """keys(): the keys."""
        return self._keys.keys()

    def items(self) -> Iterable[tuple[str, Any]]:
        """items(): (key, value) pairs."""
        return ((key, self[key]) for key in self._keys)

    def values(self) -> Iterable[Any]:
        """values(): the values."""
        return (self[key] for key in self._keys)

    def update(self, parameters: Any) -> None:
        """update(parameters)

        Add the entries of a mapping (a plain dict's in sorted order) or of pairs.
        """
        ordered = isinstance(parameters, OrderedDict | ParameterDict)
        if isinstance(parameters, Mapping) and not ordered:
            parameters = OrderedDict(sorted(parameters.items()))
        for key, value in _pairs(parameters, "ParameterDict", (OrderedDict, ParameterDict)):
            self[key] = value

    def extra_repr(self) -> str:
        """One line per value."""
        return "\n".join(
            f"  ({key}): {_described(value, _typename)}" for key, value in self.items()
        )

    def __call__(self, input: Any) -> Any:
        raise RuntimeError("ParameterDict should not be called.")

    def __or__(self, other: "ParameterDict") -> "ParameterDict":
        combined = self.copy()
        combined.update(other)
        return combined

    def __ror__(self, other: "ParameterDict") -> "ParameterDict":
        combined = other.copy()
        combined.update(self)
        return combined

    def __ior__(self, other: "ParameterDict") -> "ParameterDict":
        self.update(other)
        return self
