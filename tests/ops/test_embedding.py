"""Embeddings, bags and one-hot codes: values, gradients and errors are PyTorch's."""

import importlib.util
from pathlib import Path

import pytest

import rushlight
import rushlight.nn.functional as F

spec = importlib.util.spec_from_file_location(
    "same_as_torch", Path(__file__).parent / "same_as_torch.py"
)
same = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same)

randn, torch = same.randn, same.torch
INDEX = torch.tensor([[1, 2, 4, 4], [4, 0, 2, 1]])


@pytest.mark.parametrize(
    "kwargs", [{}, {"padding_idx": 4}, {"padding_idx": -1}, {"scale_grad_by_freq": True}]
)
def test_embedding(kwargs):
    order = 1 if "scale_grad_by_freq" in kwargs else 2
    same.check("embedding", INDEX, randn(5, 3), order=order, **kwargs)


def test_many_rows_are_summed():
    index = torch.arange(300).remainder(7)
    same.check("embedding", index, randn(7, 3))


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_embedding_bag(mode):
    offsets = torch.tensor([0, 3, 3, 5])
    flat = INDEX.flatten()
    same.check("embedding_bag", INDEX, randn(5, 3), mode=mode, order=1)
    same.check("embedding_bag", flat, randn(5, 3), offsets, mode=mode, order=1)
    same.check("embedding_bag", flat, randn(5, 3), offsets, mode=mode, order=1, padding_idx=4)
    ends = torch.tensor([0, 3, 3, 8])
    same.check(
        "embedding_bag", flat, randn(5, 3), ends, mode=mode, order=1, include_last_offset=True
    )


def test_weighted_bag():
    index = same.to_ours(INDEX)

    def mine(weight, scales):
        return F.embedding_bag(index, weight, mode="sum", per_sample_weights=scales)

    def other(weight, scales):
        return same.theirs.embedding_bag(INDEX, weight, mode="sum", per_sample_weights=scales)

    same.check((mine, other), randn(5, 3), randn(2, 4), order=1)


def test_max_norm_rescales_the_rows_met_in_place():
    weight = randn(5, 3, grad=False) * 5
    mine = same.to_ours(weight)
    expected = same.theirs.embedding(INDEX[0], weight, max_norm=1.0)
    found = F.embedding(same.to_ours(INDEX[0]), mine, max_norm=1.0)
    assert found.flatten().tolist() == pytest.approx(expected.flatten().tolist())
    assert mine.flatten().tolist() == pytest.approx(weight.flatten().tolist())


def test_one_hot():
    same.check("one_hot", INDEX)
    same.check("one_hot", INDEX, 9)
    assert F.one_hot(rushlight.tensor([2])).dtype is rushlight.int64


@pytest.mark.parametrize(
    ("name", "args"),
    [
        ("embedding", (torch.tensor([7]), torch.ones(5, 3))),
        ("embedding", (torch.ones(2), torch.ones(5, 3))),
        ("embedding", (INDEX, torch.ones(5, 3), 9)),
        ("one_hot", (INDEX, 3)),
        ("one_hot", (-INDEX,)),
        ("one_hot", (INDEX.int(),)),
        ("one_hot", (INDEX[:0],)),
        ("embedding_bag", (INDEX[0], torch.ones(5, 3))),
        ("embedding_bag", (INDEX, torch.ones(5, 3), INDEX[0])),
        ("embedding_bag", (INDEX[0], torch.ones(5, 3), torch.tensor([1]))),
    ],
)
def test_errors(name, args):
    same.check_error(name, *args)
