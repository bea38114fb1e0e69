"""A module class with a ``__getattr__`` of its own is asked for its parameters, as in PyTorch."""

import rushlight as torch
from rushlight import nn


class Watched(nn.Linear):
    def __getattr__(self, name):
        value = super().__getattr__(name)
        if name in self._parameters:
            self.__dict__.setdefault("asked", []).append(name)
        return value


def test_an_override_sees_parameters():
    layer = Watched(2, 1)
    layer.asked = []
    layer(torch.ones(1, 2))
    assert layer.asked == ["weight", "bias"]
    assert "weight" not in vars(layer) and list(layer.state_dict()) == ["weight", "bias"]


def test_without_one_parameters_are_plain_attributes():
    assert "weight" in vars(nn.Linear(2, 1))
