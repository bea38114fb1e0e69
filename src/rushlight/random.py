"""torch.random: seeding the default generator, saving and restoring its state."""

import contextlib
from collections.abc import Iterable, Iterator

from rushlight import _api as torch
from rushlight._api import Generator as Generator
from rushlight._api import get_rng_state as get_rng_state
from rushlight._api import initial_seed as initial_seed
from rushlight._api import manual_seed as manual_seed
from rushlight._api import seed as seed
from rushlight._api import set_rng_state as set_rng_state
from rushlight._core import gpu
from rushlight._core.generator import of_device

default_generator = torch.default_generator


@contextlib.contextmanager
def fork_rng(
    devices: Iterable | None = None,
    enabled: bool = True,
    _caller: str = "fork_rng",
    _devices_kw: str = "devices",
    device_type: str = "cuda",
) -> Iterator[None]:
    """fork_rng(devices=None, enabled=True, device_type='cuda')

    A context at whose end the default generator, and those of the ``devices`` (all, if None), are
    back where they were.

    >>> _ = torch.manual_seed(1)
    >>> with torch.random.fork_rng():
    ...     inside = torch.rand(1)
    >>> bool(inside == torch.rand(1))
    True
    """
    if not enabled:
        yield
        return
    places = range(gpu.cuda.count) if devices is None else devices
    forked = [
        of_device(gpu.resolve(torch.device("cuda", p) if isinstance(p, int) else p).index or 0)
        for p in places
    ]
    state, states = get_rng_state(), [g.state_bytes() for g in forked]
    try:
        yield
    finally:
        set_rng_state(state)
        for generator, before in zip(forked, states, strict=True):
            generator.set_state_bytes(before)


def thread_safe_generator() -> Generator | None:
    """thread_safe_generator() -> Generator or None

    The generator of a data loader's worker thread; None outside of one, where the default generator
    serves.

    >>> print(torch.random.thread_safe_generator())
    None
    """
    return None
