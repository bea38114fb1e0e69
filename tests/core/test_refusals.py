"""Refusals of plain tensor code, in PyTorch 2.13's words."""

import numpy as np
import pytest

import rushlight as torch


def refused(kind, text, call):
    with pytest.raises(kind) as found:
        call()
    assert str(found.value).startswith(text)


@pytest.mark.parametrize("shape", [(2, -2), (-2, 3), (-7,)])
@pytest.mark.parametrize("name", ["view", "reshape"])
def test_a_negative_size_other_than_minus_one(name, shape):
    at = next(i for i, s in enumerate(shape) if s < -1)
    text = f"invalid shape dimension {shape[at]} at index {at} of shape {list(shape)}"
    refused(RuntimeError, text, lambda: getattr(torch.ones(2, 3), name)(shape))
    refused(RuntimeError, text, lambda: getattr(torch.ones(2, 3), name)(*shape))


def test_reshape_accepts_every_spelling_of_a_shape():
    t = torch.arange(6)
    for shape in [(2, -1), [2, 3], torch.Size([2, 3]), (-1, 3)]:
        assert t.reshape(shape).shape == t.view(shape).shape == (2, 3)
    assert t.reshape(6).shape == t.reshape(-1).shape == (6,)


@pytest.mark.parametrize(
    ("value", "name"),
    [
        ("a", "str"),
        (None, "NoneType"),
        ([1], "list"),
        (np.ones(1), "numpy.ndarray"),
        (np.float32(1), "numpy.float32"),
    ],
)
def test_only_numbers_and_tensors_are_assigned(value, name):
    t = torch.zeros(2)
    refused(
        TypeError, f"can't assign a {name} to a torch.FloatTensor", lambda: t.__setitem__(0, value)
    )
    t[0], t[1] = np.float64(2.5), np.int8(3)
    assert t.tolist() == [2.5, 3.0]


def test_a_gradient_has_the_shape_and_dtype_of_its_tensor():
    x = torch.ones(2, requires_grad=True)
    text = "attempting to assign a gradient of size '[3]' to a tensor of size '[2]'."
    refused(RuntimeError, text, lambda: setattr(x, "grad", torch.ones(3)))
    text = "attempting to assign a gradient with dtype 'long int' to a tensor with grad_dtype"
    refused(RuntimeError, text, lambda: setattr(x, "grad", torch.ones(2, dtype=torch.int64)))


def test_what_a_tensor_cannot_do():
    t = torch.ones(2)
    refused(TypeError, "Tensor does not support deleting items", lambda: t.__delitem__(0))
    refused(ValueError, "slice step cannot be zero", lambda: t[::0])
    refused(ValueError, "step must be greater than zero", lambda: t[::-1])
    refused(ValueError, "only one element tensors can be converted", lambda: float(t))
    refused(
        RuntimeError,
        "required rank 4 tensor to use channels_last format",
        lambda: t.contiguous(memory_format=torch.channels_last),
    )
    assert t.contiguous(memory_format=torch.preserve_format) is t


def test_settings_are_shown():
    assert repr(torch.set_grad_enabled(True)).endswith("set_grad_enabled(mode=True)")
    assert (torch.is_anomaly_enabled(), torch.is_anomaly_check_nan_enabled()) == (False, True)
    assert repr(type(torch.nn.Parameter(torch.ones(1)))) == "<class 'torch.nn.parameter.Parameter'>"
    assert [torch.finfo(d).resolution for d in (torch.bfloat16, torch.float32)] == [0.01, 1e-06]
