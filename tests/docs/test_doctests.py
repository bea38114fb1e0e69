"""Every public operator, method and attribute is documented, and the examples run as printed."""

import doctest
import sys
import warnings
from pathlib import Path

import numpy
import pytest

sys.path.insert(0, str(Path(__file__).parent))  # public_names.py is a plain module beside this
from public_names import FLAGS, doc_of, documented_names, origin_of, resolve

import rushlight as torch

OPTIONS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS | doctest.IGNORE_EXCEPTION_DETAIL
NAMES = documented_names()


def namespace_of(name):
    return name.rpartition(".")[0] or "torch"


def has_example(value):
    return ">>>" in doc_of(value)


def examples():
    """Each docstring once, under its first name: namespace -> [(name, docstring)]."""
    found, seen = {}, set()
    for name, value in NAMES.items():
        doc = doc_of(value)
        if ">>>" in doc and doc not in seen:
            seen.add(doc)
            found.setdefault(namespace_of(name), []).append((name, doc))
    return found


EXAMPLES = examples()


def failures_of(name, doc):
    """What doctest prints about a docstring's examples that do not run as printed."""
    test = doctest.DocTestParser().get_doctest(
        doc, {"torch": torch, "numpy": numpy}, name, None, None
    )
    printed = []
    torch.manual_seed(0)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # PyTorch deprecates some names; their examples say so
        doctest.DocTestRunner(optionflags=OPTIONS).run(test, out=printed.append)
    return "".join(printed)


@pytest.mark.parametrize("namespace", EXAMPLES)
def test_examples_run(namespace):
    printed = [failures_of(name, doc) for name, doc in EXAMPLES[namespace]]
    assert not any(printed), "\n".join(filter(None, printed))


def test_every_public_name_has_an_example_or_names_the_one_it_derives_from():
    without = [n for n, f in NAMES.items() if not has_example(f) and not FLAGS.search(n)]
    assert [n for n in without if origin_of(NAMES[n]) is None] == []


def test_what_a_derived_form_derives_from_exists_and_has_an_example():
    derived = {n: o for n, f in NAMES.items() if not has_example(f) and (o := origin_of(f))}
    assert len(derived) > 150
    assert {n: o for n, o in derived.items() if not has_example(resolve(o))} == {}


def test_every_name_is_documented():
    assert [n for n, f in NAMES.items() if not doc_of(f)] == []


def test_no_example_is_skipped():
    assert [n for n, f in NAMES.items() if "+SKIP" in doc_of(f)] == []
