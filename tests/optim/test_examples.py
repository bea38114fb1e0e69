"""Everything public in optim is documented, and the examples of optim and utils.data run."""

import doctest
import importlib
import inspect
import pkgutil

import pytest

import rushlight
from rushlight import optim
from rushlight.nn.utils import clip_grad
from rushlight.optim import lr_scheduler, optimizer, swa_utils
from rushlight.utils import data

MODULES = sorted(
    module.name
    for package in (optim, data)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
)
PUBLIC = sorted(
    {
        value
        for space in (optim, lr_scheduler, swa_utils, optimizer, clip_grad)
        for name in getattr(space, "__all__", vars(space))
        if not name.startswith("_")
        and (inspect.isclass(value := getattr(space, name)) or inspect.isfunction(value))
        and value.__module__.startswith("rushlight")
    },
    key=lambda value: value.__qualname__,
)


@pytest.mark.parametrize("name", [*MODULES, "rushlight.nn.utils.clip_grad"])
def test_examples(name):
    globs = {"torch": rushlight}
    failed, _ = doctest.testmod(importlib.import_module(name), extraglobs=globs)
    assert not failed


def test_every_public_name_has_an_example():
    assert len(PUBLIC) > 45
    without = [v.__qualname__ for v in PUBLIC if ">>>" not in (v.__doc__ or "")]
    assert without == ["clip_grad_norm"]  # the old name of another function


@pytest.mark.parametrize("value", [optimizer.Optimizer, lr_scheduler.LRScheduler])
def test_every_public_method_of_the_base_classes_has_an_example(value):
    methods = {n: f for n, f in vars(value).items() if inspect.isfunction(f) and n[0] != "_"}
    without = [n for n, f in methods.items() if ">>>" not in (f.__doc__ or "")]
    assert without == [n for n in ("get_lr",) if n in methods]  # written by subclasses


def test_every_public_method_is_documented():
    classes = [value for value in PUBLIC if inspect.isclass(value)]
    functions = [
        (value.__qualname__, name, f)
        for value in classes
        for name, f in vars(value).items()
        if inspect.isfunction(f) and not name.startswith("_")
    ]
    assert [entry[:2] for entry in functions if not entry[2].__doc__] == []
