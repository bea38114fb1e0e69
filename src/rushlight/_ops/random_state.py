"""Seeding the default generator, and generators' states as tensors."""

from typing import Any

import numpy as np

from rushlight._core import dtypes
from rushlight._core.generator import Generator, default_generator
from rushlight._core.generator import of_devices as generators_of_devices
from rushlight._core.op import public
from rushlight._core.tensor import Tensor, wrap


@public("torch", out=False)
def manual_seed(seed):
    """manual_seed(seed) -> Generator

    Start the default generator anew from ``seed``, -2^63 to 2^64 - 1, and return it.

    >>> _ = torch.manual_seed(0)
    >>> torch.rand(2)
    tensor([0.4963, 0.7682])
    """
    for generator in generators_of_devices():
        generator.manual_seed(int(seed))
    return default_generator.manual_seed(int(seed))


@public("torch", out=False)
def seed():
    """seed() -> int

    Start the default generator from the operating system's noise.

    >>> isinstance(torch.seed(), int)
    True
    """
    return default_generator.seed()


@public("torch", out=False)
def initial_seed():
    """initial_seed() -> int

    The seed the default generator started from.

    >>> _ = torch.manual_seed(7)
    >>> torch.initial_seed()
    7
    """
    return default_generator.initial_seed()


@public("torch", out=False)
def get_rng_state():
    """get_rng_state() -> Tensor

    The state of the default generator, 5056 bytes as PyTorch lays them out.

    >>> torch.get_rng_state().shape
    torch.Size([5056])
    """
    return default_generator.get_state()


@public("torch", out=False)
def set_rng_state(new_state):
    """set_rng_state(new_state) -> None

    Continue the default generator from a state ``get_rng_state`` gave.

    >>> state = torch.get_rng_state()
    >>> first = torch.rand(2)
    >>> torch.set_rng_state(state)
    >>> torch.equal(torch.rand(2), first)
    True
    """
    default_generator.set_state(new_state)


def _get_state(self):
    """get_state() -> Tensor: the state, 5056 bytes (uint8) as PyTorch lays them out."""
    return wrap(self.state_bytes())


def _set_state(self, new_state):
    """set_state(new_state) -> None: continue from a state of ``get_state``, or of PyTorch's."""
    if not isinstance(new_state, Tensor):
        raise TypeError(f"expected a torch.ByteTensor, but got {type(new_state).__name__}")
    if new_state.dtype is not dtypes.uint8:
        raise TypeError("RNG state must be a torch.ByteTensor")
    self.set_state_bytes(np.ascontiguousarray(new_state._data))


def _clone_state(self):
    """clone_state() -> Generator: an independent generator in the same state."""
    return self.copy()


def _graphsafe_get_state(self):
    """CUDA graphs share states; this generator has none to share: NotImplementedError."""
    raise NotImplementedError("graphsafe_get_state is not supported in this Generator")


def _graphsafe_set_state(self, other):
    """CUDA graphs share states; this generator has none to share: NotImplementedError."""
    raise NotImplementedError("graphsafe_set_state is not supported in this Generator")


_generator: Any = Generator
_generator.get_state, _generator.set_state = _get_state, _set_state
_generator.clone_state = _clone_state
_generator.graphsafe_get_state = _graphsafe_get_state
_generator.graphsafe_set_state = _graphsafe_set_state
