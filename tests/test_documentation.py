"""Every public name is documented, and every example in the documentation runs as printed."""

import doctest
import importlib.util
import inspect
import pkgutil
import random
import sys
import warnings
from pathlib import Path

import numpy
import pytest

sys.path.insert(0, str(Path(__file__).parent / "docs"))  # public_names.py is a plain module there
from public_names import FLAGS, doc_of, origin_of, public_names, resolve

import rushlight as torch

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
FINDER = doctest.DocTestFinder(recurse=True)
# What needs an optional package.
OPTIONAL = {"vision": "PIL", "utils.tensorboard": "tensorboard"}
PROGRAMS = ("rushlight.__main__", "rushlight.demo", "rushlight.distributed.__main__")

# Names without an example, and why.
WITHOUT = {
    "nn.Container": "deprecated: Module itself",
    "nn.NLLLoss2d": "deprecated: NLLLoss",
    "nn.utils.clip_grad_norm": "deprecated: clip_grad_norm_",
    "nn.modules.module.register_module_backward_hook": "deprecated, and bars full backward hooks "
    "for the rest of the process",
}

NAMES = public_names()


def modules():
    """Every module of the package but programs."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # deprecated modules say so
        for info in pkgutil.walk_packages(torch.__path__, "rushlight."):
            if info.name not in PROGRAMS and not info.name.endswith("._C"):
                yield importlib.import_module(info.name)


def docstrings():
    """Every docstring with an example, once: name -> text."""
    found = [(n, doc_of(f)) for n, f in NAMES.items()]
    found += [
        (test.name.removeprefix("rushlight."), inspect.cleandoc(test.docstring))
        for module in modules()
        for test in FINDER.find(module)
        if test.examples
    ]
    first = {doc: name for name, doc in reversed(found) if ">>>" in doc}
    return {name: doc for doc, name in first.items()}


def families():
    """The same by the part of the package they belong to: part -> [(name, text)]."""
    found = {}
    for name, doc in docstrings().items():
        found.setdefault(name.split(".")[0] if "." in name else "torch", []).append((name, doc))
    return found


FAMILIES = families()


def is_there(name):
    """Are the packages there that the examples of a name need?"""
    needs = [package for start, package in OPTIONAL.items() if name.startswith(start)]
    return all(importlib.util.find_spec(package) for package in needs)


def failures_of(name, doc):
    """What doctest prints about a docstring's examples that do not run as printed."""
    known = {"torch": torch, "numpy": numpy, "vision": torch.vision}
    test = doctest.DocTestParser().get_doctest(doc, known, name, None, None)
    printed = []
    torch.manual_seed(0)
    random.seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch deprecates some names; their examples say so
        doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=printed.append)
    return "".join(printed)


@pytest.mark.parametrize("family", sorted(FAMILIES))
def test_examples_run(family):
    printed = [failures_of(name, doc) for name, doc in FAMILIES[family] if is_there(name)]
    assert not any(printed), "\n".join(filter(None, printed))


def has_example(value):
    return ">>>" in doc_of(value)


def test_every_public_name_has_an_example_or_names_the_one_it_derives_from():
    without = {n for n, f in NAMES.items() if not has_example(f) and not FLAGS.search(n)}
    assert sorted(n for n in without if origin_of(NAMES[n]) is None) == sorted(WITHOUT)


def test_what_a_derived_form_derives_from_exists_and_has_an_example():
    derived = {n: o for n, f in NAMES.items() if not has_example(f) and (o := origin_of(f))}
    assert len(derived) > 150
    assert {n: o for n, o in derived.items() if not has_example(resolve(o))} == {}


def test_every_name_is_documented():
    assert len(NAMES) > 2000
    assert [n for n, f in NAMES.items() if not doc_of(f)] == []


def test_every_public_method_of_a_class_is_documented():
    classes = {n: c for n, c in NAMES.items() if inspect.isclass(c)}
    without = {
        f"{n}.{name}"
        for n, c in classes.items()
        for name, f in vars(c).items()
        if inspect.isfunction(f) and not name.startswith("_") and not inspect.getdoc(f)
    }
    inherited = {"forward", "extra_repr"}
    assert sorted(n for n in without if n.rpartition(".")[2] not in inherited) == []


def test_no_example_is_skipped():
    assert [n for docs in FAMILIES.values() for n, doc in docs if "+SKIP" in doc] == []
