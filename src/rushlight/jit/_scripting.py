"""Decorators and questions of TorchScript: what they mark stays Python, as with PYTORCH_JIT=0."""

import functools
import warnings
from collections.abc import Callable
from typing import Any, NoReturn

from rushlight.futures import Future
from rushlight.nn.modules.module import Module

_MARKS = {
    "unused": "unused (ignored and replaced with raising of an exception)",
    "ignore": "ignore (leave as a call to Python, cannot be torch.jit.save'd)",
    "export": "export (compile this function even if nothing calls it)",
    "wrapper": "if this method is not scripted, copy the python method onto the scripted model",
}


def _deprecated(name: str) -> None:
    warnings.warn(
        f"`torch.jit.{name}` is deprecated. Please switch to `torch.compile` or `torch.export`.",
        DeprecationWarning,
        stacklevel=2,  # the function of ours: shown only to who asks for such warnings, as theirs
    )


def _absent(name: str, instead: str) -> NoReturn:
    raise NotImplementedError(f"torch.jit.{name} is not available in rushlight: {instead}")


def _marked(fn: Any, mark: str) -> Any:
    fn._torchscript_modifier = _MARKS[mark]
    return fn


def script(
    obj: Any,
    optimize: bool | None = None,
    _frames_up: int = 0,
    _rcb: Callable | None = None,
    example_inputs: Any = None,
) -> Any:
    """script(obj) -> obj: the function, class or module as it is.

    >>> @torch.jit.script
    ... def double(x): return 2 * x
    >>> double(torch.tensor(2))
    tensor(4)
    """
    _deprecated("script")
    return obj


def script_method(fn: Callable) -> Callable:
    """script_method(fn) -> fn

    >>> torch.jit.script_method(len)([1])
    1
    """
    _deprecated("script_method")
    return fn


def script_if_tracing(fn: Callable) -> Callable:
    """script_if_tracing(fn): a function that calls ``fn``; there is no tracing.

    >>> torch.jit.script_if_tracing(torch.neg)(torch.tensor(1))
    tensor(-1)
    """

    @functools.wraps(fn)
    def wrapper(*args: Any, **kwargs: Any) -> Any:
        return fn(*args, **kwargs)

    return wrapper


def export(fn: Callable) -> Callable:
    """export(fn) -> fn: a method to be compiled with its module.

    >>> torch.jit.export(lambda x: x + 1)(1)
    2
    """
    return _marked(fn, "export")


def unused(fn: Any) -> Any:
    """unused(fn) -> fn: a method (or property) that compiled code does not call.

    >>> torch.jit.unused(lambda x: x + 1)(1)
    2
    """
    if isinstance(fn, property):
        for part in (fn.fget, fn.fset):
            if part is not None:
                _marked(part, "unused")
        return fn
    return _marked(fn, "unused")


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """ignore(fn) -> fn, and ignore(drop=False) -> a decorator: a method that stays Python.

    >>> torch.jit.ignore(lambda x: x + 1)(1)
    2
    >>> torch.jit.ignore(drop=False)(lambda x: x + 1)(1)
    2
    """
    if callable(drop):
        return _marked(drop, "ignore")
    if not isinstance(drop, bool):
        raise RuntimeError(
            f"Argument to @torch.jit.ignore must be a bool or a function but got {drop}"
        )
    on_export = kwargs.pop("drop_on_export", None)
    if on_export or drop:
        said = "drop_on_export=True" if on_export else "True"
        warnings.warn(
            f"ignore({said}) has been deprecated. TorchScript will now drop the function "
            "call on compilation. Use torch.jit.unused now. {}",
            FutureWarning,
            stacklevel=2,
        )
    mark = "unused" if on_export or drop else "ignore"
    return lambda fn: _marked(fn, mark)


def _copy_to_script_wrapper(fn: Callable) -> Callable:
    return _marked(fn, "wrapper")


def _overload(func: Callable) -> Callable:
    """A declaration of a further signature, for the compiler."""
    return func


_overload_method = _overload


def interface(obj: type) -> type:
    """interface(cls) -> cls: a class that names methods; RuntimeError if it is no class.

    >>> @torch.jit.interface
    ... class Layer:
    ...     def forward(self, x: torch.Tensor) -> torch.Tensor: pass
    >>> Layer.__name__
    'Layer'
    """
    if not isinstance(obj, type):
        raise RuntimeError("interface must be applied to a class")
    if obj.__mro__[1:] != (object,):
        raise RuntimeError("TorchScript interface does not support inheritance yet.")
    return obj


def is_scripting() -> bool:
    """is_scripting() -> bool: False, since nothing is compiled.

    >>> torch.jit.is_scripting()
    False
    """
    return False


def is_tracing() -> bool:
    """is_tracing() -> bool: False, since nothing is traced.

    >>> torch.jit.is_tracing()
    False
    """
    return False


def annotate(the_type: Any, the_value: Any) -> Any:
    """annotate(the_type, the_value) -> the_value

    >>> torch.jit.annotate(list, [])
    []
    """
    return the_value


def Attribute(value: Any, type: Any) -> Any:  # noqa: N802 # PyTorch's name
    """Attribute(value, type) -> value

    >>> torch.jit.Attribute(0.5, float)
    0.5
    """
    return value


def fork(func: Callable, *args: Any, **kwargs: Any) -> Future:
    """fork(func, *args, **kwargs) -> Future: call it now; the future has the result.

    >>> torch.jit.wait(torch.jit.fork(torch.add, torch.tensor(1), 2))
    tensor(3)
    """
    future: Future = Future()
    future.set_result(func(*args, **kwargs))
    return future


def wait(future: Future) -> Any:
    """wait(future): the result of ``fork``.

    >>> torch.jit.wait(torch.jit.fork(abs, -1))
    1
    """
    return future.wait()


class ScriptModule(Module):
    """ScriptModule(): a Module, as in PyTorch with PYTORCH_JIT=0.

    >>> isinstance(torch.jit.script(torch.nn.ReLU()), torch.jit.ScriptModule)
    False
    """

    def __init__(self, arg: Any = None) -> None:
        super().__init__()

    def save(self, *args: Any, **kwargs: Any) -> NoReturn:
        """Not available; NotImplementedError says what to do."""
        _absent("ScriptModule.save", "save the state_dict with torch.save")


class RecursiveScriptModule(ScriptModule):
    """What scripting a module gives in PyTorch; nothing here is an instance of it."""


class ScriptFunction:
    """What scripting a function gives in PyTorch; nothing here is an instance of it.

    >>> isinstance(torch.jit.script(torch.sin), torch.jit.ScriptFunction)
    False
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _absent("ScriptFunction", "call the function itself")


class TracedModule(ScriptModule):
    """What tracing a module gives in PyTorch; nothing here is an instance of it."""


class TopLevelTracedModule(TracedModule):
    """What tracing a module gives in PyTorch; nothing here is an instance of it."""


class CompilationUnit:
    """CompilationUnit(lang): not available; NotImplementedError says what to do.

    >>> torch.jit.CompilationUnit('def f(x): return x')
    Traceback (most recent call last):
    NotImplementedError: torch.jit.CompilationUnit is not available in rushlight...
    """

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        _absent("CompilationUnit", "write the functions in Python")


class Error(RuntimeError):
    """What compiled code raises in PyTorch; never raised here.

    >>> issubclass(torch.jit.Error, RuntimeError)
    True
    """


class TracerWarning(Warning):
    """A warning of tracing in PyTorch; never given here."""


class TracingCheckError(Exception):
    """An error of tracing in PyTorch; never raised here."""


class ScriptWarning(Warning):
    """A warning of scripting in PyTorch; never given here."""


def trace(func: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """trace(func, example_inputs, ...): not available; NotImplementedError says what to do.

    >>> torch.jit.trace(torch.sin, torch.ones(1))
    Traceback (most recent call last):
    NotImplementedError: torch.jit.trace is not available in rushlight: call the function or modu...
    """
    _absent("trace", "call the function or module itself, it computes the same")


def trace_module(mod: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """trace_module(mod, inputs, ...): not available; NotImplementedError says what to do.

    >>> torch.jit.trace_module(torch.nn.ReLU(), {})
    Traceback (most recent call last):
    NotImplementedError: torch.jit.trace_module is not available in rushlight...
    """
    _absent("trace_module", "call the module itself, it computes the same")


def save(m: Any, f: Any, _extra_files: dict | None = None) -> NoReturn:
    """save(m, f): not available; NotImplementedError says what to do.

    >>> torch.jit.save(torch.nn.ReLU(), 'model.pt')
    Traceback (most recent call last):
    NotImplementedError: torch.jit.save is not available in rushlight: save the state_dict with t...
    """
    _absent("save", "save the state_dict with torch.save")


def load(
    f: Any,
    map_location: Any = None,
    _extra_files: dict | None = None,
    _restore_shapes: bool = False,
) -> NoReturn:
    """load(f): not available; NotImplementedError says what to do.

    >>> torch.jit.load('model.pt')
    Traceback (most recent call last):
    NotImplementedError: torch.jit.load is not available in rushlight...
    """
    _absent(
        "load",
        "save the state_dict with torch.save in PyTorch, and load it into a module of the same "
        "class",
    )


def freeze(mod: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """freeze(mod, ...): not available; NotImplementedError says what to do.

    >>> torch.jit.freeze(torch.nn.ReLU())
    Traceback (most recent call last):
    NotImplementedError: torch.jit.freeze is not available in rushlight...
    """
    _absent("freeze", "call the module itself in eval mode")


def optimize_for_inference(mod: Any, *args: Any, **kwargs: Any) -> NoReturn:
    """optimize_for_inference(mod, ...): not available; NotImplementedError says what to do.

    >>> torch.jit.optimize_for_inference(torch.nn.ReLU())
    Traceback (most recent call last):
    NotImplementedError: torch.jit.optimize_for_inference is not available in rushlight...
    """
    _absent("optimize_for_inference", "call the module itself in eval mode")
