"""torch.typename."""

import pytest

import rushlight as torch


@pytest.mark.parametrize(
    ("obj", "name"),
    [
        (torch.ones(1), "torch.FloatTensor"),
        (torch.ones(1, dtype=torch.bfloat16), "torch.BFloat16Tensor"),
        (torch.nn.Linear(1, 1), "torch.nn.modules.linear.Linear"),
        (torch.nn.Linear, "torch.nn.modules.linear.Linear"),
        (torch.nn.functional.relu, "torch.nn.functional.relu"),
        (torch.float32, "torch.dtype"),
        (torch.Size([1]), "torch.Size"),
        (torch.ones(1).untyped_storage(), "torch.storage.UntypedStorage"),
        (torch.Tensor, "torch.Tensor"),
        (3, "int"),
        (int, "int"),
        ([], "list"),
        (test := lambda: None, f"{test.__module__}.<lambda>"),
    ],
)
def test_names(obj, name):
    assert torch.typename(obj) == name
