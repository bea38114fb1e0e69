"""Writes in place that once went wrong, or go a short way."""

import rushlight as torch


def test_a_base_without_history_gains_some_through_a_view():
    x = torch.tensor([2.0, 3.0], requires_grad=True)
    base = torch.ones(2, 2)
    base.t().mul_(x[1])  # only the other factor requires a gradient
    base.sum().backward()
    assert x.grad.tolist() == [0.0, 4.0]


def test_a_step_under_no_grad():
    w = torch.ones(2, requires_grad=True)
    with torch.no_grad():
        w -= torch.tensor([0.25, 0.5])
        w.mul_(2.0)
        w[0].add_(1.0)
    assert w.tolist() == [2.5, 1.0]
    assert w.is_leaf
    assert w.requires_grad


def test_a_written_view_still_guards_what_was_saved():
    z = torch.ones(2, 2)
    x = torch.ones(2, 2, requires_grad=True)
    product = z * x
    z[0].add_(1.0)
    try:
        product.sum().backward()
    except RuntimeError as error:
        assert "modified by an inplace operation" in str(error)
    else:
        raise AssertionError("the write went unnoticed")
