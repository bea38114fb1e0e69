"""FlopCounterMode: the operations of products, in all and for each module."""

import pytest

import rushlight as torch
from rushlight import nn
from rushlight.utils.flop_counter import FlopCounterMode


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = nn.Conv2d(3, 4, 3, padding=1, stride=2)
        self.head = nn.Linear(4, 5, bias=False)

    def forward(self, x):
        return self.head(self.conv(x).mean((2, 3)))


def test_modules_and_the_whole():
    with FlopCounterMode(display=False) as counter:
        Net()(torch.ones(2, 3, 8, 8))
    convolution, product = 2 * (2 * 4 * 4 * 4) * (3 * 9), 2 * 2 * 4 * 5
    counts = counter.get_flop_counts()
    assert counts["Net"] == {"aten.convolution": convolution, "aten.mm": product}
    assert counts["Net.conv"] == {"aten.convolution": convolution}
    assert counter.get_total_flops() == convolution + product
    assert "Net.head" in counter.get_table() and "aten.mm" in counter.get_table()


@pytest.mark.parametrize(
    ("product", "flops"),
    [
        (lambda: torch.ones(2, 3) @ torch.ones(3, 4), 48),
        (lambda: torch.addmm(torch.ones(4), torch.ones(2, 3), torch.ones(3, 4)), 48),
        (lambda: torch.bmm(torch.ones(5, 2, 3), torch.ones(5, 3, 4)), 240),
        (lambda: torch.ones(5, 2, 3) @ torch.ones(5, 3, 4), 240),
        (lambda: torch.baddbmm(torch.ones(1), torch.ones(5, 2, 3), torch.ones(5, 3, 4)), 240),
        (lambda: torch.mv(torch.ones(2, 3), torch.ones(3)), 0),
        (lambda: torch.ones(3) + 1, 0),
    ],
)
def test_products(product, flops):
    with FlopCounterMode(display=False) as counter:
        product()
    assert counter.get_total_flops() == flops


def test_backward_counts_for_the_whole():
    layer = nn.Linear(4, 8)
    with FlopCounterMode(display=False) as counter:
        layer(torch.ones(2, 4)).sum().backward()
    assert counter.get_total_flops() == 2 * 128  # the input needs no gradient
    with FlopCounterMode(display=False) as counter:
        layer(torch.ones(2, 4, requires_grad=True)).sum().backward()
    assert counter.get_total_flops() == 3 * 128


def test_it_leaves_nothing_behind():
    with FlopCounterMode(display=False) as counter:
        pass
    torch.ones(2, 3) @ torch.ones(3, 4)
    assert counter.get_total_flops() == 0
