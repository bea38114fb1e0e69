"""The reference is made from the records, and its links lead somewhere."""

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(Path(__file__).parent))  # public_names.py is a plain module beside this

from public_names import documented_names  # noqa: E402

LINK = re.compile(r"\]\(([^)\s]+)\)")


@pytest.fixture(scope="module")
def pages(tmp_path_factory):
    """The folder of the pages, made anew."""
    spec = importlib.util.spec_from_file_location("reference", ROOT / "tools" / "reference.py")
    tool = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(tool)
    folder = tmp_path_factory.mktemp("reference")
    tool.write(folder)
    return folder


def test_every_link_leads_to_a_file_and_a_line_or_heading(pages):
    count = 0
    for path in pages.glob("*.md"):
        text = path.read_text(encoding="utf-8")
        headings = {h.lower() for h in re.findall(r"^### (.+)$", text, re.MULTILINE)}
        for link in LINK.findall(re.sub(r"```.*?```|`[^`]*`", "", text, flags=re.DOTALL)):
            target, _, anchor = link.partition("#")
            count += 1
            if not target:
                assert anchor in headings, (path.name, link)
                continue
            found = (path.parent / target).resolve()
            assert found.is_file(), (path.name, link)
            if anchor:
                lines = found.read_text(encoding="utf-8").count("\n")
                assert 1 <= int(anchor.removeprefix("L")) <= lines + 1, (path.name, link)
    assert count > 2000


def test_every_public_name_has_a_section(pages):
    for name in documented_names():
        namespace, _, short = name.rpartition(".")
        text = (pages / f"{namespace or 'torch'}.md").read_text(encoding="utf-8")
        assert f"\n### {short}\n" in text, name
