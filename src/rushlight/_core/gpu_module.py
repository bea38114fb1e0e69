"""CuPy as a forward knows NumPy: the same names, and what CuPy lacks by way of the host.

A forward gets this module as ``xp``. A call goes to CuPy; arrays of the host among its arguments
are brought to the device; what CuPy has not, NumPy computes on copies. Such detours are counted in
``detours``.
"""

import types
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core.backend import device_kernels
from rushlight._core.cuda_switches import switches

# What took the way over the host: operator or function -> calls.
detours: Counter = Counter()
# CuPy's ufuncs have no ``reduce`` but for add and multiply: its functions for the others.
REDUCTIONS = {"maximum": "amax", "minimum": "amin", "logical_and": "all", "logical_or": "any"}
# Ufuncs whose reduction may be taken by halves; CuPy reduces with none of them.
HALVED = {"bitwise_xor", "bitwise_and", "bitwise_or", "logical_xor", "gcd", "lcm", "logaddexp"}
# What CuPy's ``at`` of each takes, and our kernel for products.
EXTREMES = ("int32", "uint32", "int64", "uint64", "float32", "float64")
AT = {
    "add": (
        "int32",
        "uint32",
        "uint64",
        "float16",
        "float32",
        "float64",
        "complex64",
        "complex128",
    ),
    "maximum": EXTREMES,
    "minimum": EXTREMES,
    "multiply": ("int64", "float32", "float64"),
}
_REFUSALS = (TypeError, NotImplementedError, AttributeError)
_JOINING = ("concatenate", "stack", "hstack", "vstack")


class Module:
    """A module of CuPy's, by the names of the NumPy module beside it."""

    def __init__(self, device: Any, host: Any, kind: type, root: Any = None) -> None:
        self._device, self._host, self._kind = device, host, kind
        self._root = device if root is None else root

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        found = self._find(name)
        setattr(self, name, found)  # the next look-up costs what a module's does
        return found

    def _find(self, name: str) -> Any:
        if name == "vecdot":  # CuPy has none
            return self._vecdot
        theirs, ours = getattr(self._device, name, None), getattr(self._host, name, None)
        if isinstance(ours, types.ModuleType):
            return Module(theirs, ours, self._kind, self._root)
        if isinstance(ours, np.ufunc):
            return Ufunc(theirs, ours, self)
        if theirs is None and ours is None:
            raise AttributeError(f"the array module has no '{name}'")
        if name == "errstate" or isinstance(theirs, type) or not callable(theirs or ours):
            return ours if theirs is None else theirs
        return self._function(theirs, ours, name)

    def _vecdot(self, x: Any, y: Any) -> Any:
        """Dot products along the last axis."""
        return (self.conjugate(x) * y).sum(-1)

    def _function(self, theirs: Any, ours: Any, name: str) -> Callable:
        """CuPy's function, or the detour."""

        def call(*args: Any, **kw: Any) -> Any:
            out = kw.get("out")
            if type(out) is np.ndarray:
                raise TypeError(f"{name}: out= must be an array of the device")
            if theirs is not None:
                try:
                    return theirs(*args, **kw)
                except _REFUSALS:
                    brought = self._brought((args, kw), name in _JOINING)
                if brought is not None:
                    try:
                        return theirs(*brought[0], **brought[1])
                    except _REFUSALS:
                        pass
            return self._detour(ours, name, args, kw)

        return call

    def _brought(self, value: Any, numbers: bool) -> Any:
        """Arguments with arrays of the host (and, where arrays are joined, numbers) on the device;
        None if there were none.
        """
        found = []

        def bring(v: Any) -> Any:
            kind = type(v)
            if kind is np.ndarray or (numbers and kind is list and not self._has_array(v)):
                found.append(v)
                return self._root.asarray(v)
            if kind is tuple or kind is list:
                return kind(bring(x) for x in v)
            return {k: bring(x) for k, x in v.items()} if kind is dict else v

        made = bring(value)
        return made if found else None

    def _has_array(self, value: Any) -> bool:
        if type(value) in (list, tuple):
            return any(self._has_array(v) for v in value)
        return type(value) is self._kind

    def _detour(self, function: Callable, name: str, args: tuple, kw: dict) -> Any:
        """NumPy's function on copies; an ``out=`` is written."""
        detours[name] += 1
        out = kw.pop("out", None)
        result = function(*self._to_host(args), **self._to_host(kw))
        if out is not None:
            out[...] = self._root.asarray(result)
            return out
        return self._to_device(result)

    def _to_host(self, value: Any) -> Any:
        kind = type(value)
        if kind is self._kind:
            return value.get()
        if kind is tuple or kind is list:
            return kind(self._to_host(v) for v in value)
        return {k: self._to_host(v) for k, v in value.items()} if kind is dict else value

    def _to_device(self, value: Any) -> Any:
        if isinstance(value, (np.ndarray, np.generic)):
            return self._root.asarray(value)
        if type(value) in (tuple, list):
            return type(value)(self._to_device(v) for v in value)
        if isinstance(value, tuple):  # NumPy's named tuples
            return type(value)(*[self._to_device(v) for v in value])
        return value


class Ufunc:
    """A ufunc of CuPy's, with the methods that NumPy's has."""

    def __init__(self, theirs: Any, ours: np.ufunc, module: Module) -> None:
        self._theirs, self._ours, self._module = theirs, ours, module
        self._call = module._function(theirs, ours, ours.__name__)

    def __call__(self, *args: Any, **kw: Any) -> Any:
        if len(args) > self._ours.nin or "out" in kw:
            return self._theirs(*args, **kw)  # what is written to must be a device's array
        return self._call(*args, **kw)

    def accumulate(self, x: Any, axis: int = 0, dtype: Any = None, out: Any = None) -> Any:
        """All partial results along an axis."""
        call = self._module._function(
            getattr(self._theirs, "accumulate", None),
            self._ours.accumulate,
            f"{self._ours.__name__}.accumulate",
        )
        result = call(x, axis, dtype)
        if out is None:
            return result
        out[...] = result
        return out

    def reduce(
        self, x: Any, axis: Any = 0, dtype: Any = None, out: Any = None, keepdims: bool = False
    ) -> Any:
        """One result for the elements along an axis."""
        name = {"add": "sum", "multiply": "prod"}.get(self._ours.__name__)
        if name is not None:
            return getattr(self._module, name)(x, axis=axis, dtype=dtype, keepdims=keepdims)
        name = REDUCTIONS.get(self._ours.__name__)
        if name is not None:
            return getattr(self._module, name)(x, axis=axis, keepdims=keepdims)
        if self._theirs is not None and self._ours.__name__ in HALVED and x.size:
            return self._by_halves(x, axis, keepdims)
        return self._module._detour(
            self._ours.reduce, f"{self._ours.__name__}.reduce", (x, axis, dtype, None, keepdims), {}
        )

    def _by_halves(self, x: Any, axis: Any, keepdims: bool) -> Any:
        """A reduction as calls on the halves of what is left."""
        axes = tuple(range(x.ndim)) if axis is None else axis
        axes = [a % x.ndim for a in (axes if isinstance(axes, tuple) else (axes,))]
        others = [a for a in range(x.ndim) if a not in axes]
        kept = [x.shape[a] for a in others]
        left = x.transpose(*axes, *others).reshape(-1, *kept)
        while len(left) > 1:
            half = len(left) // 2
            made = self._theirs(left[:half], left[half : 2 * half])
            if len(left) % 2:
                made[:1] = self._theirs(made[:1], left[-1:])
            left = made
        shape = [1 if a in axes else n for a, n in enumerate(x.shape)] if keepdims else kept
        return left[0].reshape(shape)

    def at(self, x: Any, index: Any, values: Any = None) -> None:
        """``x[index] = ufunc(x[index], values)``, repeated places one after the other."""
        values = self._module._root.asarray(values)
        try:
            if switches.deterministic:  # a device adds in any order
                raise NotImplementedError
            self._at(x, index, values)
        except _REFUSALS:
            detours[f"{self._ours.__name__}.at"] += 1
            host = x.get()
            self._ours.at(host, self._module._to_host(index), values.get())
            x[...] = self._module._root.asarray(host)

    def _at(self, x: Any, index: Any, values: Any) -> None:
        """By CuPy's atomic functions, or a kernel; other integers widened to 64 bits."""
        name = self._ours.__name__
        theirs = device_kernels.get("multiply.at") if name == "multiply" else self._theirs.at
        if theirs is None or name not in AT or (x.dtype.kind == "c" and name != "add"):
            raise NotImplementedError
        wide = x.dtype
        if x.dtype.name not in AT[name]:
            whole = np.uint64 if name == "add" else np.int64
            wide = np.dtype(whole if x.dtype.kind in "biu" else np.float32)
        if x.dtype == wide:
            theirs(x, index, values.astype(wide))
        elif x.dtype.itemsize == wide.itemsize:  # the same bits
            theirs(x.view(wide), index, values.astype(x.dtype).view(wide))
        else:
            copy = x.astype(wide)
            theirs(copy, index, values.astype(wide))
            x[...] = copy.astype(x.dtype)

    def __getattr__(self, name: str) -> Any:
        if name in ("reduceat", "outer"):
            return self._module._function(
                getattr(self._theirs, name, None),
                getattr(self._ours, name),
                f"{self._ours.__name__}.{name}",
            )
        return getattr(self._ours, name)
