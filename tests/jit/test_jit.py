"""torch.jit as with PYTORCH_JIT=0, and the other namespaces of tracing."""

import typing
import warnings

import pytest

import rushlight as torch
from rushlight import nn


def test_decorators_return_what_they_are_given():
    def f(x):
        return x + 1

    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        assert torch.jit.script(f) is f and torch.jit.script_method(f) is f
        layer = nn.ReLU()
        assert torch.jit.script(layer) is layer
    assert torch.jit.ignore(f) is f and torch.jit.ignore(drop=False)(f) is f
    assert torch.jit.export(f) is f and torch.jit.unused(f) is f
    assert torch.jit.script_if_tracing(f)(1) == 2
    prop = property(f)
    assert torch.jit.unused(prop) is prop

    class Layer:
        def forward(self, x: torch.Tensor) -> torch.Tensor: ...

    assert torch.jit.interface(Layer) is Layer
    with pytest.raises(RuntimeError, match="interface must be applied to a class"):
        torch.jit.interface(f)
    with pytest.raises(RuntimeError, match="must be a bool or a function but got 3"):
        torch.jit.ignore(3)


def test_script_warns_as_pytorch():
    with pytest.warns(DeprecationWarning, match=r"`torch.jit.script` is deprecated"):
        torch.jit.script(nn.ReLU())


def test_questions_and_values():
    assert not torch.jit.is_scripting() and not torch.jit.is_tracing()
    assert torch.jit.annotate(typing.List[int], []) == []  # noqa: UP006
    assert torch.jit.Attribute(0.5, float) == 0.5 and torch.jit.Final is typing.Final
    assert torch.jit.wait(torch.jit.fork(lambda a, b: a + b, 1, b=2)) == 3
    assert not isinstance(nn.ReLU(), torch.jit.ScriptModule)
    assert issubclass(torch.jit.ScriptModule, nn.Module)
    assert torch.ScriptModule is torch.jit.ScriptModule


@pytest.mark.parametrize("name", ["trace", "trace_module", "save", "load", "freeze"])
def test_what_makes_torchscript_is_refused(name):
    with pytest.raises(NotImplementedError, match=f"torch.jit.{name} is not available"):
        getattr(torch.jit, name)(nn.ReLU(), torch.ones(1))


@pytest.mark.parametrize(
    ("value", "kind", "fits"),
    [
        ([1, 2], list[int], True),
        ([1, "a"], list[int], False),
        ((1, "a"), tuple[int, str], True),
        ((1,), tuple[int, str], False),
        ({"a": [1]}, dict[str, list[int]], True),
        ({"a": [1.0]}, dict[str, list[int]], False),
        (None, typing.Optional[int], True),  # noqa: UP045
        (3, int | None, True),
        (3, str, False),
        (3, (str, int), True),
        ([1], dict[str, int], False),
    ],
)
def test_isinstance_looks_into_containers(value, kind, fits):
    assert torch.jit.isinstance(value, kind) is fits


def test_isinstance_refuses_bare_containers():
    with pytest.raises(RuntimeError, match="Attempted to use list without a contained type"):
        torch.jit.isinstance([1], list)
    with pytest.warns(UserWarning, match="inner type of a container is lost"):
        assert torch.jit.isinstance([], list[int])


def test_fx_and_onnx():
    assert torch.fx.wrap(len) is len and torch.fx.wrap("len") == "len"
    with pytest.raises(NotImplementedError, match="symbolic_trace is not available"):
        torch.fx.symbolic_trace(nn.ReLU())
    with pytest.raises(NotImplementedError, match="Tracer is not available"):
        torch.fx.Tracer()
    assert not isinstance(nn.ReLU(), torch.fx.GraphModule)
    assert torch.onnx.is_in_onnx_export() is False
