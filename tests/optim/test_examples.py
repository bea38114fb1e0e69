"""The methods of the base classes of optim, which subclasses inherit, have examples."""

import inspect

import pytest

from rushlight.optim import lr_scheduler, optimizer


@pytest.mark.parametrize("value", [optimizer.Optimizer, lr_scheduler.LRScheduler])
def test_every_public_method_of_the_base_classes_has_an_example(value):
    methods = {n: f for n, f in vars(value).items() if inspect.isfunction(f) and n[0] != "_"}
    without = [n for n, f in methods.items() if ">>>" not in (f.__doc__ or "")]
    assert without == [n for n in ("get_lr",) if n in methods]  # written by subclasses
