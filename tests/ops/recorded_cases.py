"""Expressions with what PyTorch answers, recorded: `expression`, then its value or error, indented.

    python tests/ops/recorded_cases.py random create      # record anew, with a Python that has
    torch 2.13

The recording is of torch alone; the tests compare rushlight with it where torch is absent.
"""

import sys
import types
import warnings
from pathlib import Path

import numpy as np

FOLDER = Path(__file__).parent / "recorded"
WIDTH = 330


def describe(torch, value):
    """A value as one line: print-out, dtype, requires_grad and strides of each tensor in it."""
    if isinstance(value, torch.Tensor):
        text = f"{value!r} {value.dtype} {value.requires_grad} {tuple(value.stride())}"
    elif isinstance(value, tuple):
        text = "(" + ", ".join(describe(torch, v) for v in value) + ")"
    else:
        text = repr(value)
    return text.replace("\n", " ")[:WIDTH].strip()


def answer(torch, expression):
    """What ``expression`` gives right after seeding with 7."""
    torch.manual_seed(7)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return describe(torch, eval(expression, {"torch": torch, "np": np}))
        except Exception as error:
            return f"!! {type(error).__name__}: {error}".replace("\n", " ")[:WIDTH].strip()


def load(name):
    """The recorded (expression, answer) pairs of a file."""
    lines = (FOLDER / f"{name}.txt").read_text(encoding="utf-8").splitlines()
    return [(e, a.strip()) for e, a in zip(lines[::2], lines[1::2], strict=True)]


def record(torch, name):
    """Write the file anew from what ``torch`` answers."""
    pairs = [(e, answer(torch, e)) for e, _ in load(name)]
    text = "".join(f"{e}\n    {a}\n" for e, a in pairs)
    (FOLDER / f"{name}.txt").write_text(text, encoding="utf-8")


if __name__ == "__main__":
    import torch

    assert isinstance(torch, types.ModuleType)
    for file in sys.argv[1:]:
        record(torch, file)
