"""docs/not-supported.md does not call missing what is there."""

import re
from pathlib import Path

import pytest

import rushlight as torch

PAGE = (Path(__file__).parents[1] / "docs" / "not-supported.md").read_text(encoding="utf-8")
SECTION = PAGE.split("## Namespaces that are not there")[1].split("\n## ")[0]
MISSING = [
    name
    for row in SECTION.splitlines()
    if row.startswith("| `")
    for name in re.findall(r"`torch\.(\w+)`", row.split("|")[1])
]


def test_the_page_is_read():
    assert len(MISSING) > 5


@pytest.mark.parametrize("name", MISSING)
def test_what_is_called_missing_is_missing(name):
    with pytest.raises((AttributeError, ModuleNotFoundError)):
        getattr(torch, name)
