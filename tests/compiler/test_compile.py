"""torch.compile where nothing is compiled: eager if the program says so, refused otherwise."""

import copy
import subprocess
import sys

import pytest

import rushlight as torch
import rushlight._dynamo
from rushlight import nn


def test_the_eager_backend_calls_the_function():
    @torch.compile(backend="eager", fullgraph=True)
    def double(x, *, by=2):
        return x * by

    assert double(torch.tensor(2)).item() == 4 and double(torch.tensor(2), by=5).item() == 10
    assert double.__name__ == "double"


def test_another_backend_is_refused_when_it_is_called():
    square = torch.compile(lambda x: x * x)
    with pytest.raises(NotImplementedError, match=r'backend="eager".*TORCH_COMPILE_DISABLE=1'):
        square(torch.tensor(3))
    with torch.compiler.set_stance("force_eager"):
        assert square(torch.tensor(3)).item() == 9
    with torch.compiler.set_stance(force_backend="eager"):
        assert square(torch.tensor(3)).item() == 9
    with pytest.raises(NotImplementedError):
        square(torch.tensor(3))


def test_the_stance_decorates():
    square = torch.compile(lambda x: x * x)

    @torch.compiler.set_stance("force_eager")
    def program():
        return square(torch.tensor(3)).item()

    with pytest.raises(NotImplementedError):
        square(torch.tensor(3))
    assert program() == 9
    with pytest.raises(NotImplementedError, match="no compiler"):
        torch.compiler.set_stance("fail_on_recompile")
    with pytest.raises(RuntimeError, match="non-default stance cannot have force_backend"):
        torch.compiler.set_stance("force_eager", force_backend="eager")


def test_the_environment_and_the_setting_disable():
    code = (
        "import rushlight as torch\n"
        "print(torch.compile(torch.neg)(torch.tensor(1)).item(), torch._dynamo.config.disable)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={"TORCH_COMPILE_DISABLE": "1", "PYTHONPATH": ":".join(sys.path)},
        capture_output=True,
        text=True,
        timeout=600,
        check=False,
    )
    assert done.stdout == "-1 True\n", done.stderr
    with torch._dynamo.config.patch(disable=True):
        assert torch.compile(torch.neg)(torch.tensor(1)).item() == -1
    assert torch._dynamo.config.disable is False
    with pytest.raises(AttributeError, match="does not exist"):
        torch._dynamo.config.no_such_setting = 1


def test_arguments_are_checked():
    with pytest.raises(RuntimeError, match="Either mode or options can be specified"):
        torch.compile(torch.sin, mode="default", options={})
    with pytest.raises(torch._dynamo.exc.InvalidBackend, match="Invalid backend: 'foo', see"):
        torch.compile(torch.sin, backend="foo")
    assert torch.compile(torch.sin, disable=True) is torch.sin
    torch.compiler.set_default_backend("eager")
    try:
        assert torch.compile(torch.neg)(torch.tensor(1)).item() == -1
    finally:
        torch.compiler.set_default_backend(None)
    assert torch.compiler.get_default_backend() == "inductor"


def test_a_module_becomes_an_optimized_module():
    inner = nn.Linear(2, 1)
    model = torch.compile(inner, backend="eager")
    assert isinstance(model, torch._dynamo.OptimizedModule) and isinstance(model, nn.Module)
    assert list(model.state_dict()) == ["_orig_mod.weight", "_orig_mod.bias"]
    assert [n for n, _ in model.named_parameters()] == ["_orig_mod.weight", "_orig_mod.bias"]
    x = torch.ones(3, 2)
    assert torch.equal(model(x), inner(x)) and model.in_features == 2
    model.eval()
    assert not inner.training and not model.training
    model.note = "kept"
    assert inner.note == "kept"
    del model.note
    with pytest.raises(AttributeError, match="'Linear' object has no attribute 'note'"):
        _ = model.note
    copied = copy.deepcopy(model)
    assert copied._orig_mod is not inner and torch.equal(copied(x), model(x))
    with pytest.raises(TypeError, match="Linear does not support len"):
        len(model)
    assert len(torch.compile(nn.Sequential(inner), backend="eager")) == 1


def test_an_optimized_module_trains():
    model = torch.compile(nn.Linear(2, 1), backend="eager")
    optimizer = torch.optim.SGD(model.parameters(), 0.1)
    before = model.weight.detach().clone()
    model(torch.ones(3, 2)).sum().backward()
    optimizer.step()
    assert not torch.equal(before, model._orig_mod.weight)
    seen = []
    model.register_forward_hook(lambda *_: seen.append("outer"))
    model._orig_mod.register_forward_hook(lambda *_: seen.append("inner"))
    model(torch.ones(1, 2))
    assert seen == ["inner", "outer"]


def test_a_module_compiles_in_place():
    layer = nn.Linear(2, 1)
    layer.compile(backend="eager")
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert layer(torch.ones(1, 2)).shape == (1, 1)


def test_disable():
    layer = nn.Linear(2, 1)
    wrapped = torch.compiler.disable(layer)
    assert isinstance(wrapped, torch._dynamo.OptimizedModule)
    assert torch.equal(wrapped(torch.ones(1, 2)), layer(torch.ones(1, 2)))
    assert torch.compiler.disable(torch.compile(layer))(torch.ones(1, 2)).shape == (1, 1)
    assert torch.compiler.disable(lambda x: x + 1)(1) == 2

    @torch.compiler.disable(recursive=False)
    def one():
        return 1

    assert one() == 1


def test_questions_are_answered_truly():
    compiler = torch.compiler
    assert not compiler.is_compiling() and not compiler.is_dynamo_compiling()
    assert not compiler.is_exporting() and not torch._dynamo.is_compiling()
    assert compiler.list_backends() == [] and compiler.list_backends(None) == ["eager"]
    assert compiler.allow_in_graph([abs]) == [abs]
