"""Every public name of torch.utils.data and torch.multiprocessing has an example that runs."""

import doctest
import inspect

import pytest

import rushlight as torch
from rushlight import multiprocessing
from rushlight.multiprocessing import pool, queue
from rushlight.utils import data

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL


def ours(space):
    for name, value in vars(space).items():
        home = getattr(value, "__module__", None) or ""
        if callable(value) and not name.startswith("_") and home.startswith("rushlight"):
            yield f"{space.__name__}.{name}", value


NAMES = dict(pair for space in (data, multiprocessing, queue, pool) for pair in ours(space))


def test_there_are_names():
    assert len(NAMES) > 30


@pytest.mark.parametrize("name", NAMES)
def test_examples_run(name):
    doc = inspect.cleandoc(NAMES[name].__doc__ or "")
    assert ">>>" in doc
    test = doctest.DocTestParser().get_doctest(doc, {"torch": torch}, name, None, None)
    printed = []
    torch.manual_seed(0)
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=printed.append)
    assert not printed, "".join(printed)


def test_the_module_has_one_too():
    doc = inspect.cleandoc(multiprocessing.__doc__)
    test = doctest.DocTestParser().get_doctest(doc, {"torch": torch}, "multiprocessing", None, None)
    printed = []
    doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=printed.append)
    assert not printed, "".join(printed)
