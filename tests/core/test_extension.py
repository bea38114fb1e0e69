"""A native extension that is older than the source says so."""

import pytest

from rushlight._core import outdated
from rushlight._core.extension import C

native = pytest.mark.skipif(C is None, reason="needs the native extension")


@native
def test_a_name_that_an_older_extension_lacks(monkeypatch, tmp_path):
    (tmp_path / "new.cpp").write_text("int main() {}")
    monkeypatch.setattr(outdated, "_SOURCE", tmp_path)
    with pytest.raises(AttributeError, match="older than the source"):
        C.new_kernel  # noqa: B018
    assert not hasattr(C, "new_kernel")


@native
def test_a_name_that_is_nowhere(monkeypatch, tmp_path):
    monkeypatch.setattr(outdated, "_SOURCE", tmp_path / "installed")
    with pytest.raises(AttributeError, match=r"no attribute 'new_kernel'$"):
        C.new_kernel  # noqa: B018


def test_any_change_of_a_source_file_counts(tmp_path):
    (tmp_path / "a.cpp").write_text("int a;")
    before = outdated.digest(tmp_path)
    (tmp_path / "notes.txt").write_text("not compiled")
    assert outdated.digest(tmp_path) == before
    (tmp_path / "b.h").write_text("")
    assert outdated.digest(tmp_path) != before
