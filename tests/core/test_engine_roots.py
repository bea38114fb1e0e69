"""Gradients of several outputs of which one leads to another."""

import rushlight as torch


def test_a_root_that_another_root_leads_to():
    c = torch.tensor(1.0, requires_grad=True)
    for outputs, weights in (([-c, c], [2.0, 5.0]), ([c, -c], [5.0, 2.0])):
        (g,) = torch.autograd.grad(outputs, [c], [torch.tensor(w) for w in weights])
        assert g.item() == 3.0


def test_a_root_in_the_middle():
    x = torch.tensor(2.0, requires_grad=True)
    y = x * 3
    (g,) = torch.autograd.grad([y * y, y], [x], [torch.tensor(1.0), torch.tensor(10.0)])
    assert g.item() == 2 * 6 * 3 + 30
