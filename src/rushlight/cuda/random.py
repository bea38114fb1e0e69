"""torch.cuda.random: seeds and states of the devices' generators.

A device's numbers are those that the CPU's generator gives for the same seed, drawn on the CPU and
copied: they are not the numbers of PyTorch's CUDA generator.
"""

from typing import Any

from rushlight import _api as torch
from rushlight._core import generator, gpu
from rushlight.cuda._devices import index_of


def _generator(device: Any = None) -> Any:
    gpu.engine()
    return generator.of_device(index_of(device))


def manual_seed(seed: int) -> None:
    """manual_seed(seed) -> None: seed the current device; without a GPU nothing happens.

    >>> torch.cuda.manual_seed(0)
    """
    seed = int(seed)
    if gpu.is_available():
        _generator().manual_seed(seed)


def manual_seed_all(seed: int) -> None:
    """manual_seed_all(seed) -> None: seed every device; without a GPU nothing happens.

    >>> torch.cuda.manual_seed_all(0)
    """
    seed = int(seed)
    for index in range(gpu.load().count):
        generator.of_device(index).manual_seed(seed)


def seed() -> None:
    """seed() -> None: seed the current device from the operating system's randomness.

    >>> torch.cuda.seed()  # without a GPU, nothing happens
    """
    if gpu.is_available():
        _generator().seed()


def seed_all() -> None:
    """seed_all() -> None: the same random seed for every device.

    >>> torch.cuda.seed_all()  # without a GPU, nothing happens
    """
    if gpu.is_available():
        manual_seed_all(_generator().seed())


def initial_seed() -> int:
    """initial_seed() -> int: the seed of the current device.

    >>> torch.cuda.initial_seed()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    return _generator().initial_seed()


def get_rng_state(device: Any = "cuda") -> "torch.Tensor":
    """get_rng_state(device='cuda') -> Tensor: the state of a device's generator, in bytes.

    >>> torch.cuda.get_rng_state()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    return _generator(device).get_state()


def get_rng_state_all() -> list:
    """get_rng_state_all() -> list: the states of all devices.

    >>> torch.cuda.get_rng_state_all()
    []
    """
    return [get_rng_state(i) for i in range(gpu.load().count)]


def set_rng_state(new_state: "torch.Tensor", device: Any = "cuda") -> None:
    """set_rng_state(new_state, device='cuda') -> None: continue from a state.

    >>> torch.cuda.set_rng_state(torch.get_rng_state())
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    _generator(device).set_state(new_state)


def set_rng_state_all(new_states: list) -> None:
    """set_rng_state_all(new_states) -> None: one state for each device.

    >>> torch.cuda.set_rng_state_all([])
    """
    for i, state in enumerate(new_states):
        set_rng_state(state, i)
