"""make_tensor draws torch's values, in its dtype and layout."""

import pytest

import rushlight
from rushlight.testing import make_tensor

DTYPES = [
    "float32",
    "float64",
    "float16",
    "bfloat16",
    "complex64",
    "int64",
    "int8",
    "uint8",
    "bool",
]
OPTIONS = [
    {},
    {"low": 0, "high": 1},
    {"noncontiguous": True},
    {"exclude_zero": True},
    {"low": -1e60, "high": 1e60},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", DTYPES)
def test_same_draw(name, options):
    torch = pytest.importorskip("torch")
    made = []
    for module, make in ((rushlight, make_tensor), (torch, torch.testing.make_tensor)):
        module.manual_seed(0)
        x = make(3, 4, dtype=getattr(module, name), device="cpu", **options)
        made.append((x.tolist(), tuple(x.shape), x.stride(), str(x.dtype)))
    assert made[0] == made[1]


@pytest.mark.parametrize(
    "options",
    [
        {"low": 3, "high": 1},
        {"low": float("nan")},
        {"requires_grad": True},
        {"noncontiguous": True, "memory_format": rushlight.contiguous_format},
    ],
    ids=str,
)
def test_refusals(options):
    with pytest.raises(ValueError, match=r"low|requires_grad|noncontiguous"):
        make_tensor(2, 2, dtype=rushlight.int64, device="cpu", **options)


def test_requires_grad():
    x = make_tensor((2,), dtype=rushlight.float32, device="cpu", requires_grad=True)
    assert x.requires_grad
    assert x.is_leaf
