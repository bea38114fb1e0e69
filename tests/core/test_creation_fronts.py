"""The fronts of tensor, zeros, ones, empty and item do what the Python functions behind them do."""

import math

import numpy as np
import pytest

import rushlight as torch
from rushlight._core.extension import C

pytestmark = pytest.mark.skipif(C is None, reason="the native extension is not built or is off")

itself = [1.0]
itself.append(itself)
DATA = [
    *(1, 2.5, True, 1j, -0.0, math.nan, math.inf, 1e300, 2**63 - 1, 2**63, -(2**63), -(2**70)),
    *([], [[]], [[], []], (), [1], (1, 2), [1.5, 2.5], (1.5, [2.5]), [[1, 2], [3, 4]]),
    *([1, 2.5], [2.5, 1], [True, False], [1, True], [1.0, True], [1j, 1.0], [[1.0], [2.0]]),
    *([[1, 2], [3]], [[1], 2], [1, [2]], [[[1.0]] * 3] * 2, [[[[[[1]]]]]], [[[[[[[1.0]]]]]]]),
    *([None], "ab", ["a"], None, {1: 2}, itself, [np.float64(1)], [np.int32(1), 2], np.ones(2)),
    *([torch.tensor(1.0)], [torch.tensor(1), 2], range(3), [range(3)], [float("1e40")]),
]


def described(x):
    if isinstance(x, torch.Tensor):
        return (
            x.dtype,
            x.shape,
            x.device,
            x.requires_grad,
            x.is_inference(),
            x.detach().cpu().numpy().tobytes(),
        )
    return type(x), repr(x)


def outcome(function, *args, **kw):
    try:
        return described(function(*args, **kw))
    except Exception as error:
        return type(error), str(error)


def same(front, *args, **kw):
    assert outcome(front, *args, **kw) == outcome(front.__python__, *args, **kw), (args, kw)


@pytest.mark.filterwarnings("ignore:Creating a tensor from a list of numpy.ndarrays")
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
def test_tensor(dtype):
    torch.set_default_dtype(dtype)
    for data in DATA:
        same(torch.tensor, data)
        same(torch.tensor, data, dtype=torch.float64)
        same(torch.tensor, data, requires_grad=True)


def test_tensor_elsewhere():
    with torch.device("meta"):
        assert torch.tensor([1.0]).device.type == torch.zeros(2).device.type == "meta"
    with torch.inference_mode():
        assert torch.tensor([1.0]).is_inference()
        assert torch.zeros(1).is_inference()
    same(torch.tensor)
    same(torch.tensor, [1], [2])
    same(torch.tensor, [1], colour=2)


@pytest.mark.parametrize("name", ["zeros", "ones", "empty"])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_sizes(name, dtype):
    torch.set_default_dtype(dtype)
    front = getattr(torch, name)
    shapes = [(2, 3), (0,), (3, 0, 2), ((2, 3),), ([2, 3],), ((),), (torch.Size([2]),), (300, 300)]
    shapes += [
        (),
        (-1,),
        (2, -1),
        (1.5,),
        (True,),
        (2, True),
        ((2,), 3),
        ("a",),
        (None,),
        (2**62, 8),
    ]
    shapes += [(1,) * 64, (1,) * 65, (2**70,), (torch.tensor(2), 3), (np.int64(2),)]
    for shape in shapes:
        got, want = (outcome(f, *shape) for f in (front, front.__python__))
        assert got[:5] == want[:5] if name == "empty" else got == want, shape
        if name != "empty":
            same(front, *shape, dtype=torch.int64)
            same(front, *shape, requires_grad=True)
    same(front, size=(2,)) if name != "empty" else None


def test_item():
    values = [True, 3, 2.5, 1 + 2j, math.nan]
    for dtype in (
        torch.bool,
        torch.uint8,
        torch.int64,
        torch.float16,
        torch.bfloat16,
        torch.float32,
    ):
        for value in values[:3]:
            same(torch.Tensor.item, torch.tensor(value).to(dtype))
    for value in values:
        same(torch.Tensor.item, torch.tensor(value))
        same(torch.Tensor.item, torch.tensor([[value]], requires_grad=isinstance(value, float)))
    same(torch.Tensor.item, torch.ones(3)[1:2])
    same(torch.Tensor.item, torch.ones(3))
    same(torch.Tensor.item, torch.ones(0))
    same(torch.Tensor.item, torch.ones(1, device="meta"))
    same(torch.Tensor.item, 3)
    odd = np.frombuffer(bytearray(b"\0" + np.float32(7).tobytes()), np.float32, 1, 1)
    assert torch.from_numpy(odd).item() == 7


def test_names():
    assert torch.zeros.__name__ == "zeros"
    assert torch.tensor.__doc__.startswith("tensor(data")
    assert torch.ones(1).item.__name__ == "item"
