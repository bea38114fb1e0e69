"""The examples in the docstrings of vision and of the import hook run."""

import doctest
import importlib
import pkgutil

import numpy
import pytest

import rushlight as torch
from rushlight import _compat, vision

MODULES = [
    info.name
    for package in (vision, _compat)
    for info in pkgutil.walk_packages(package.__path__, f"{package.__name__}.")
]


@pytest.mark.parametrize("name", MODULES)
def test_examples_run(name):
    module = importlib.import_module(name)
    names = {"torch": torch, "numpy": numpy, **vars(vision.transforms)}
    results = doctest.testmod(module, extraglobs=names, optionflags=doctest.NORMALIZE_WHITESPACE)
    assert results.failed == 0
