"""Write the reference: a page for each namespace, made from the records and their docstrings.

    python tools/reference.py [folder]      # docs/reference unless told otherwise

Each entry has the signature, the documentation, the dtypes an operator computes in, whether it has
a gradient, and a link to its source. The folder is not checked in.
"""

import importlib
import inspect
import os
import sys
import types
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import rushlight as torch

ROOT = Path(__file__).resolve().parent.parent
MODULES = (
    "nn.functional",
    "linalg",
    "fft",
    "special",
    "signal.windows",
    "masked",
    "sparse",
    "func",
    "autograd.forward_ad",
)
PROMOTION = {
    "common": "the common dtype of the tensors",
    "float": "the common dtype, integers as the default floating-point dtype",
    "keep": "the dtypes as given",
}


def is_function(value: object) -> bool:
    """A function, not a class, module or dtype."""
    return callable(value) and not isinstance(value, (type, types.ModuleType, torch.dtype))


def namespaces() -> Iterator[tuple[str, dict[str, Any]]]:
    """Each namespace with its public names."""
    yield "torch", {n: f for n in torch.__all__ if is_function(f := getattr(torch, n))}
    tensor = {n: inspect.getattr_static(torch.Tensor, n) for n in dir(torch.Tensor)}
    yield "Tensor", {n: f for n, f in tensor.items() if not n.startswith("_")}
    for module in MODULES:
        space = importlib.import_module(f"rushlight.{module}")
        names = getattr(space, "__all__", vars(space))
        public = {n: getattr(space, n) for n in names if not n.startswith("_")}
        yield module, {n: f for n, f in public.items() if is_function(f)}


def source_of(value: Any) -> tuple[Path, int] | None:
    """The file and line where a name is defined: of a record its class."""
    record = getattr(value, "record", None)
    if record is not None:
        return Path(inspect.getsourcefile(record) or ""), inspect.getsourcelines(record)[1]
    if isinstance(value, property):
        value = value.fget
    code = getattr(inspect.unwrap(value), "__code__", None) if callable(value) else None
    return None if code is None else (Path(code.co_filename), code.co_firstlineno)


def facts_of(value: Any, folder: Path) -> Iterator[str]:
    """What the record says, and the link to the source."""
    record = getattr(value, "record", None)
    if record is not None:
        promote = record.promote
        yield f"Computes in: {PROMOTION.get(promote, 'a rule of its own')}."
        yield f"Gradient: {'yes' if record.differentiable else 'none'}."
    found = source_of(value)
    if found is not None and found[0].is_relative_to(ROOT):
        path, line = found
        link = Path(os.path.relpath(path, folder)).as_posix()
        yield f"Source: [{path.relative_to(ROOT).as_posix()}]({link}#L{line})"


def code_fenced(lines: list[str]) -> Iterator[str]:
    """A docstring's lines, each example in a code block."""
    inside = False
    for line in lines:
        starts = line.startswith(">>>")
        if starts and not inside:
            inside = True
            yield "```python"
        elif inside and not line:
            inside = False
            yield "```"
        yield line
    if inside:
        yield "```"


def entry(name: str, value: Any, folder: Path) -> str:
    """The section of one name."""
    lines = inspect.cleandoc(getattr(value, "__doc__", None) or "").splitlines()
    signature = isinstance(value, property) or not lines or "(" not in lines[0]
    if signature:
        head, body = "", lines
    else:
        end = lines.index("") if "" in lines else len(lines)
        head, body = " ".join(line.strip() for line in lines[:end]), lines[end + 1 :]
    parts = [f"### {name}", f"`{head}`" if head else "", "\n".join(code_fenced(body))]
    parts.append("  \n".join(facts_of(value, folder)))
    return "\n\n".join(p for p in parts if p)


def page(namespace: str, names: dict[str, Callable], folder: Path) -> str:
    """The page of one namespace: a list of its names, then their sections."""
    title = namespace if namespace == "torch" else f"torch.{namespace}"
    index = " · ".join(f"[{n}](#{n.lower()})" for n in sorted(names))
    sections = [entry(n, names[n], folder) for n in sorted(names)]
    return "\n\n".join([f"# {title}", index, *sections]) + "\n"


def write(folder: Path) -> None:
    """Write every page and the list of them."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = []
    for namespace, names in namespaces():
        (folder / f"{namespace}.md").write_text(page(namespace, names, folder), encoding="utf-8")
        rows.append(f"- [{namespace}]({namespace}.md): {len(names)} names")
    text = "# Reference\n\nMade by `tools/reference.py`.\n\n" + "\n".join(rows) + "\n"
    (folder / "README.md").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]).resolve() if len(sys.argv) > 1 else ROOT / "docs" / "reference")
