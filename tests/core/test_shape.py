"""Shapes: what tensors broadcast to."""

import pytest

import rushlight as torch


def test_broadcast_shapes_takes_numbers_and_says_what_does_not_fit():
    assert torch.broadcast_shapes(2, (3, 1)) == (3, 2)
    assert torch.broadcast_shapes() == ()
    text = r"length 3 at -1! Mismatching argument at index 1 had \(1, 3\); .* \[1, 2\]"
    with pytest.raises(RuntimeError, match=text):
        torch.broadcast_shapes((2,), (1, 3), (5,))
    with pytest.raises(ValueError, match="negative length"):
        torch.broadcast_shapes((-1,))
    with pytest.raises(RuntimeError, match=r"size of tensor a \(2\) must match .* b \(3\)"):
        torch.broadcast_tensors(torch.ones(2), torch.ones(1, 3))
