"""The examples in the documentation of optim and utils.data run."""

import doctest
import importlib
import pkgutil

import pytest

import rushlight
from rushlight import optim
from rushlight.utils import data

MODULES = sorted(
    module.name
    for package in (optim, data)
    for module in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
)


@pytest.mark.parametrize("name", MODULES)
def test_examples(name):
    globs = {"torch": rushlight}
    failed, _ = doctest.testmod(importlib.import_module(name), extraglobs=globs)
    assert not failed
