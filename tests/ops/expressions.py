"""One expression in rushlight and in torch: same structure, dtypes, shapes, values, errors.

    python tests/ops/expressions.py      # record torch's answers anew, with a Python that has torch

Where torch is absent, its recorded answers stand in for it.
"""

import importlib.util
import json
import warnings
from pathlib import Path

import numpy as np

RECORD = Path(__file__).parent / "recorded" / "expressions.json"
FAMILIES = ("reduce", "scan", "sort", "unique", "matmul", "linalg", "statistics", "fft")


def names(module):
    """The tensors that the expressions speak of."""
    rng = np.random.default_rng(0)

    def normal(*shape):
        return module.tensor(rng.standard_normal(shape).astype("f4"))

    return {
        "torch": module, "inf": float("inf"), "nan": float("nan"),
        "x": normal(3, 4), "A": normal(2, 4, 3), "v": normal(4), "s": normal(3, 3),
        "y": normal(4, 3), "w": normal(4, 2), "i": module.arange(4), "z": module.tensor(2.0),
        "e": module.empty(0, 3), "b": module.tensor([True, False]), "one": module.ones(3, 3),
        "u": module.tensor([1, 2], dtype=module.uint8),
    }  # fmt: skip


def answer(module, expression):
    """What the expression gives, in plain Python: to be compared, and to be written down."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return plain(module, eval(expression, names(module)))
        except Exception as error:
            text = str(error).split("\n")[0]
            # torch lists every overload in a TypeError
            return {"error": type(error).__name__, "text": "" if type(error) is TypeError else text}


def plain(module, value):
    """A result as dicts, lists and numbers."""
    if isinstance(value, module.Tensor):
        numbers = value.resolve_conj()
        if value.dtype in (module.float16, module.bfloat16):
            numbers = value.float()
        array = numbers.numpy()
        flat = array.reshape(-1).view(array.real.dtype) if array.dtype.kind == "c" else array
        return {
            "dtype": str(value.dtype),
            "shape": list(value.shape),
            "values": [
                float(f"{x:.7g}") if isinstance(x, float) else x for x in flat.reshape(-1).tolist()
            ],
        }
    if isinstance(value, (tuple, list)):
        fields = list(getattr(value, "__match_args__", ()))
        return {"fields": fields, "items": [plain(module, v) for v in value]}
    return {"text": str(value)}


def same(got, want):
    """Assert that two answers agree; numbers up to rounding."""
    assert got.keys() == want.keys(), (got, want)
    for key, expected in want.items():
        if key == "items":
            assert len(got["items"]) == len(expected)
            for g, w in zip(got["items"], expected, strict=True):
                same(g, w)
        elif key == "values":
            tolerance = 1e-2 if want["dtype"] in ("torch.float16", "torch.bfloat16") else 2e-5
            np.testing.assert_allclose(got["values"], expected, rtol=tolerance, atol=2e-5)
        else:
            assert got[key] == expected


def cases(text):
    """The expressions of a text, one a line."""
    return [line.strip() for line in text.strip().splitlines()]


def torch_answer(expression):
    """torch's answer: live where it is installed, else as recorded."""
    if importlib.util.find_spec("torch") is not None:
        import torch

        return answer(torch, expression)
    return json.loads(RECORD.read_text(encoding="utf-8"))[expression]


def check(module, expression):
    """The one assertion of a case."""
    same(answer(module, expression), torch_answer(expression))


def record():
    """Write down what torch answers to every case of the families."""
    import torch

    lines = []
    for family in FAMILIES:
        path = Path(__file__).parent / f"test_{family}.py"
        spec = importlib.util.spec_from_file_location(path.stem, path)
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        lines += [f"{json.dumps(e)}: {json.dumps(answer(torch, e))}" for e in module.CASES]
    RECORD.write_text("{\n" + ",\n".join(dict.fromkeys(lines)) + "\n}\n", encoding="utf-8")


if __name__ == "__main__":
    record()
