"""TorchVersion orders versions as packaging does."""

import pytest

from rushlight._compat.torch_version import TORCH_VERSION, TorchVersion

VERSIONS = [
    *("1.0", "1.0.0", "1.10", "1.9", "2.13.0", "2.13.0+cpu", "2.13.0+rushlight", "2.13.0+cu130"),
    *(
        "2.13.0a1",
        "2.13.0a0+git1",
        "2.13.0b2",
        "2.13.0rc1",
        "2.13.0.dev3",
        "2.13.0rc1.dev2",
        "v2.13",
    ),
    *("2.13.0.post1", "2.13.0.post1.dev4", "2.13.0+1.2", "2.13.0+1.10", "2.13.0-RC.1"),
]


@pytest.mark.parametrize("left", VERSIONS)
def test_order_is_packagings(left):
    Version = pytest.importorskip("packaging.version").Version
    mine, theirs = TorchVersion(left), Version(left)
    for right in VERSIONS:
        assert (mine < right) == (theirs < Version(right))
        assert (mine <= right) == (theirs <= Version(right))
        assert (mine == right) == (theirs == Version(right))
        assert (mine != TorchVersion(right)) == (theirs != Version(right))
        assert (mine > right) == (theirs > Version(right))
        assert (mine >= right) == (theirs >= Version(right))


def test_it_is_a_string_that_programs_parse():
    assert isinstance(TORCH_VERSION, str) and TORCH_VERSION.split("+")[0] == "2.13.0"
    assert TORCH_VERSION >= (2, 13) and TORCH_VERSION > (1, 9, 0) and TORCH_VERSION < (3,)
    assert TORCH_VERSION > "2.9" and str(TORCH_VERSION) == "2.13.0+rushlight"
    assert hash(TORCH_VERSION) == hash("2.13.0+rushlight")


def test_what_is_no_version_compares_as_a_string():
    assert TorchVersion("parrot") > "ant" and TorchVersion("2.0") != "parrot"
