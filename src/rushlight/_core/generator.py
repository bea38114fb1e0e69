"""torch.Generator, and the draws that fill arrays of any dtype and memory layout.

The recipes are in ``twister.py`` (readable) and ``csrc/random.cpp`` (fast); here is what surrounds
them:
seeds, the state's bytes, which order memory is filled in, and how half-precision types round.
"""

import math
import os
import struct
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import gpu, philox, twister
from rushlight._core.dtypes import HALF
from rushlight._core.extension import C
from rushlight._core.state import S, thread

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
Engine = twister.Engine if C is None else C.Engine
DEFAULT_SEED = 67280421310721
STATE_BYTES = 5056
_HEADER, _NORMAL = "<QiiQ", "<dddi4xfB3x"

# Recipe by name: the native one where there is one.
RECIPES = {
    name: getattr(C, name, None) or getattr(twister, name)
    for name in (
        "uniform",
        "normal",
        "scalar_normal",
        "log_normal",
        "exponential",
        "cauchy",
        "geometric",
        "bernoulli",
        "bernoulli_each",
        "integers",
        "randperm",
        "poisson",
        "binomial",
        "gamma",
        "words",
    )
}


class Generator:
    """Generator(device='cpu') -> Generator

    A stream of random numbers with a state of its own; the same seed gives PyTorch's own numbers.

    >>> g = torch.Generator().manual_seed(3)
    >>> torch.rand(2, generator=g)
    tensor([0.0043, 0.1056])
    """

    def __init__(self, device: "str | int | devices.device" = "cpu") -> None:
        place = device if isinstance(device, devices.device) else devices.device(device)
        if place.type == "cuda":
            place = devices.resolve(place)
        elif place.type != "cpu":
            raise RuntimeError(
                f"Cannot get {place.type.upper()} generator: rushlight draws random numbers on "
                "the CPU here."
            )
        self.device = place
        self.philox = philox.Stream(place.index or 0) if place.type == "cuda" else None
        self.engine = Engine()
        self.manual_seed(DEFAULT_SEED)

    def manual_seed(self, seed: int) -> "Generator":
        """Start the stream of ``seed``, from -2^63 to 2^64 - 1, anew; returns the generator."""
        if not isinstance(seed, int | np.integer) or isinstance(seed, bool):
            raise RuntimeError(f"manual_seed expected a long, but got {type(seed).__name__}")
        seed = int(seed)
        if not -(2**63) <= seed < 2**64:
            raise ValueError("Overflow when unpacking long long")
        self._seed = seed % 2**64
        if self.philox is not None:
            self.philox.seed(self._seed)
        self.engine.seed(self._seed)
        return self

    def __reduce__(self) -> tuple:
        return Generator, (self.device,), (self._seed, None, self.state_bytes())

    def __setstate__(self, state: tuple) -> None:
        bytes_of = state[2]  # an array, or the tensor in PyTorch's files
        self.set_state_bytes(getattr(bytes_of, "_data", bytes_of))

    def seed(self) -> int:
        """Start from a seed of the operating system's and return it."""
        self.manual_seed(int.from_bytes(os.urandom(8), "little"))
        return self._seed

    def initial_seed(self) -> int:
        """The seed the stream began from."""
        return self._seed

    def get_offset(self) -> int:
        """How many words each thread drew, of a CUDA generator; RuntimeError on the CPU."""
        if self.philox is None:
            raise RuntimeError("CPU Generator does not use offset")
        return self.philox.offset

    def set_offset(self, offset: int) -> None:
        """Continue a CUDA generator from an offset, a multiple of 4; RuntimeError on the CPU."""
        if self.philox is None:
            raise RuntimeError("CPU Generator does not use offset")
        if offset % 4:
            raise RuntimeError("offset must be a multiple of 4")
        self.philox.offset = int(offset)

    def state_bytes(self) -> np.ndarray:
        """The state as PyTorch lays it out: 5056 bytes, uint8; 16 of a CUDA generator."""
        if self.philox is not None:
            return self.philox.state_bytes()
        key, pos, waiting = self.engine.get()
        fresh = pos == 624 and np.array_equal(key, _first_key(self._seed))
        left, following = (1, 0) if fresh else (625 - pos, pos)
        head = struct.pack(_HEADER, self._seed, left, 1, following)
        tail = struct.pack(_NORMAL, 0.0, waiting or 0.0, 0.0, waiting is not None, 0.0, 0)
        return np.frombuffer(head + key.astype("<u8").tobytes() + tail, np.uint8).copy()

    def set_state_bytes(self, state: np.ndarray) -> None:
        """Continue from what ``state_bytes``, or PyTorch, returned."""
        if self.philox is not None:
            self.philox.set_state_bytes(state)
            self._seed = self.philox.first
            return
        if state.size != STATE_BYTES:
            raise RuntimeError(
                f"Expected a CPUGeneratorImplState of size {STATE_BYTES} but found the input RNG "
                "state size to "
                f"be {state.size}"
            )
        raw = state.tobytes()
        seed, left, seeded, following = struct.unpack_from(_HEADER, raw)
        key = np.frombuffer(raw, "<u8", 624, 24)
        if not seeded or not 1 <= left <= 624 or following > 624 or key.max() >= 2**32:
            raise RuntimeError("Invalid mt19937 state")
        _, waiting, _, has, _, _ = struct.unpack_from(_NORMAL, raw, 24 + 624 * 8)
        pos = 624 if left == 1 and following == 0 else int(following)
        self.engine.set(key.astype(np.uint32), pos, waiting if has else None)
        self._seed = seed

    def copy(self) -> "Generator":
        """An independent generator that continues the same stream."""
        twin = Generator(self.device)
        twin.set_state_bytes(self.state_bytes())
        return twin

    def __repr__(self) -> str:
        return f"<torch._C.Generator object at {hex(id(self))}>"


def _first_key(seed: int) -> np.ndarray:
    """The words that a stream begins from."""
    engine = Engine()
    engine.seed(seed)
    return engine.get()[0]


default_generator = Generator()
default_generator.seed()


# ---- on devices ----------------------------------------------------------------------------------

_of_devices: dict[int, Generator] = {}


def of_device(index: int) -> Generator:
    """The default generator of a CUDA device."""
    found = _of_devices.get(index)
    if found is None:
        found = _of_devices[index] = Generator(devices.device("cuda", index))
        found.manual_seed(default_generator.initial_seed())
    return found


def of_devices() -> list[Generator]:
    """The default generators of the CUDA devices that drew numbers."""
    return list(_of_devices.values())


def for_place(gen: Generator | None, device: Any) -> Generator | None:
    """What draws for a ``device=`` argument: the generator given, or the device's own."""
    if gen is None and device is None and devices.get_default_device() is devices.CPU:
        return None
    place = devices.resolve(device)
    if place.type != "cuda":
        return gen
    if gen is not None:
        if gen.device.type != "cuda":
            raise RuntimeError("Expected a 'cuda' device type for generator but found 'cpu'")
        return gen
    return of_device(place.index or 0)


def drawn_there(draw: Callable, gen: Generator | None, out: Any) -> Any:
    """``draw(array, generator)`` for a device's array."""
    made = draw(out, for_place(gen, gpu.place_of(out)))
    return out if made is None else made  # inside vmap, what it gives for each example


def on_host(gen: Generator) -> Generator:
    """A generator of the CPU, begun where one of a device stands, for what is drawn on the host."""
    return Generator().manual_seed(philox.random64(gen))


# ---- filling arrays ------------------------------------------------------------------------------


def memory_order(x: np.ndarray) -> np.ndarray:
    """``x`` with its dimensions in the order they lie in memory, the fastest last."""
    if x.ndim < 2 or x.flags.c_contiguous:
        return x
    order = sorted(range(x.ndim), key=lambda i: -abs(x.strides[i]))
    return x.transpose(order)


def fill(gen: Generator | None, recipe: str, out: np.ndarray, *params: object) -> np.ndarray:
    """Run a recipe over ``out`` in memory order; dtypes it cannot fill go through ``via``."""
    draw = RECIPES[recipe]
    engine = (default_generator if gen is None else gen).engine
    if out.flags.c_contiguous:
        draw(engine, out.reshape(-1), *params)
        return out
    if not out.size:
        return out
    ordered = memory_order(out)
    if ordered.flags.c_contiguous:
        draw(engine, ordered.reshape(-1), *params)
    else:
        flat = np.empty(out.size, out.dtype)
        draw(engine, flat, *params)
        ordered[...] = flat.reshape(ordered.shape)
    return out


def fill_via(
    gen: Generator | None, recipe: str, out: np.ndarray, via: np.dtype, *params: object
) -> np.ndarray:
    """Run a recipe in another dtype and round the numbers, by way of float32 for half types."""
    if not out.size:
        return out
    flat = np.empty(out.size, via)
    RECIPES[recipe]((default_generator if gen is None else gen).engine, flat, *params)
    ordered = memory_order(out)
    if out.dtype in HALF and via != F4:
        flat = flat.astype(F4)
    ordered[...] = flat.reshape(ordered.shape).astype(out.dtype)
    return out


def uniform(gen: Generator | None, out: np.ndarray, a: float = 0.0, b: float = 1.0) -> np.ndarray:
    """Fill with uniform numbers in [a, b)."""
    if S.special and thread.levels:  # a vmap says what happens inside it
        return thread.levels[-1].draw(uniform, gen, out, a, b)
    if gen is not None and gen.philox is not None:
        return philox.fill(gen, "uniform", out, a, b)
    if out.dtype.kind == "c":
        return _complex(out, lambda parts: uniform(gen, parts, a, b))
    if out.dtype not in HALF:
        return fill(gen, "uniform", out, a, b)
    fill_via(gen, "uniform", out, F4, a, b)
    out[out == out.dtype.type(b)] = a  # rounding to the half type may reach the end
    return out


def _complex(out: np.ndarray, draw: Callable) -> np.ndarray:
    ordered = memory_order(out)
    parts = np.empty((*ordered.shape, 2), out.real.dtype)
    draw(parts)
    ordered.real, ordered.imag = parts[..., 0], parts[..., 1]
    return out


def normal(
    gen: Generator | None, out: np.ndarray, mean: float = 0.0, std: float = 1.0
) -> np.ndarray:
    """Fill with normal numbers; arrays that are not contiguous, or short, are drawn one by one."""
    if S.special and thread.levels:  # a vmap says what happens inside it
        return thread.levels[-1].draw(normal, gen, out, mean, std)
    if gen is not None and gen.philox is not None:
        return philox.fill(gen, "normal", out, mean, std)
    if out.dtype.kind == "c":
        plain = out.flags.c_contiguous
        part = normal if plain else _scalar_normal
        return _complex(out, lambda parts: part(gen, parts, mean, std / math.sqrt(2)))
    if out.size < 16 or not out.flags.c_contiguous:
        if out.dtype in HALF:
            return fill_via(gen, "scalar_normal", out, F8, mean, std)
        return fill(gen, "scalar_normal", out, mean, std)
    if out.dtype not in HALF:
        return fill(gen, "normal", out, mean, std)
    flat, full = out.reshape(-1), out.size - out.size % 16
    fill_via(gen, "normal", flat[:full], F4, mean, std)
    if full < flat.size:
        fill_via(gen, "normal", flat[-16:], F4, mean, std)
    return out


def _scalar_normal(gen: Generator | None, out: np.ndarray, mean: float, std: float) -> np.ndarray:
    """Fill with normal numbers drawn one by one."""
    return fill(gen, "scalar_normal", out, mean, std)


def in_float64(gen: Generator | None, recipe: str, out: np.ndarray, *params: float) -> np.ndarray:
    """exponential, cauchy, log_normal, geometric: computed in float64, rounded to the dtype."""
    if S.special and thread.levels:  # a vmap says what happens inside it
        return thread.levels[-1].draw(in_float64, gen, recipe, out, *params)
    if gen is not None and gen.philox is not None:
        return philox.fill(gen, recipe, out, *params)
    if out.dtype in (F4, F8) or (recipe == "geometric" and out.dtype not in HALF):
        return fill(gen, recipe, out, *params)
    return fill_via(gen, recipe, out, F8, *params)


def bernoulli(gen: Generator | None, out: np.ndarray, p: float) -> np.ndarray:
    """Fill with 1 (probability ``p``) and 0."""
    if S.special and thread.levels:  # a vmap says what happens inside it
        return thread.levels[-1].draw(bernoulli, gen, out, p)
    if gen is not None and gen.philox is not None:
        return philox.fill(gen, "bernoulli", out, float(p))
    if out.dtype in HALF:
        return fill_via(gen, "bernoulli", out, F4, float(p))
    return fill(gen, "bernoulli", out, float(p))


def bernoulli_each(gen: Generator | None, out: np.ndarray, p: np.ndarray) -> np.ndarray:
    """Fill with 1 and 0, each of its own probability; ``p`` has the shape of ``out``."""
    if S.special and thread.levels:  # a vmap says what happens inside it
        return thread.levels[-1].draw(bernoulli_each, gen, out, p)
    if gen is not None and gen.philox is not None:
        chances = philox.fill(gen, "uniform", gpu.made_beside(out, "empty", out.shape, F4))
        with gpu.where(out):
            out[...] = chances < p
        return out
    if not out.size:
        return out
    order = sorted(range(out.ndim), key=lambda i: -abs(out.strides[i]))
    target = out.transpose(order)
    chances = np.ascontiguousarray(p.transpose(order))
    if chances.dtype != F8:
        chances = chances.astype(F4, copy=False)
    hits = np.empty(chances.shape, np.uint8)
    fill(gen, "bernoulli_each", hits, chances.reshape(-1))
    target[...] = hits.astype(out.dtype)
    return out


def integers(
    gen: Generator | None, out: np.ndarray, span: int, base: int = 0, wide: bool | None = None
) -> np.ndarray:
    """Fill with base + (word mod span); 64-bit words from span 2^28 on unless told."""
    if S.special and thread.levels:  # a vmap says what happens inside it
        return thread.levels[-1].draw(integers, gen, out, span, base, wide)
    if gen is not None and gen.philox is not None:
        return philox.integers(gen, out, span, base, wide)
    wide = span >= 2**28 if wide is None else wide
    if out.dtype in HALF:
        return fill_via(gen, "integers", out, np.dtype(np.int64), span, base, wide)
    return fill(gen, "integers", out, span, base, wide)


def randperm(gen: Generator | None, n: int) -> np.ndarray:
    """A permutation of 0 .. n-1, int64."""
    if S.special and thread.levels:  # a vmap says what happens inside it
        return thread.levels[-1].draw(randperm, gen, n)
    if gen is not None and gen.philox is not None:
        gen = on_host(gen)
    return fill(gen, "randperm", np.empty(n, np.int64))


def by_parameter(gen: Generator | None, recipe: str, *parameters: np.ndarray) -> np.ndarray:
    """poisson(rate), gamma(alpha), binomial(count, prob): one number for each element, in row
    order. For a device's arrays they are drawn on the host, from the device's generator.
    """
    if type(parameters[0]) is gpu.cuda.kind:
        gpu.count_detour(recipe)
        place = gpu.place_of(parameters[0])
        made = by_parameter(for_place(gen, place), recipe, *map(gpu.to_host, parameters))
        return gpu.to_device(made, place)
    if gen is not None and gen.philox is not None:
        gen = on_host(gen)
    if S.special and thread.levels:  # a vmap says what happens inside it
        return thread.levels[-1].draw(by_parameter, gen, recipe, *parameters)
    given = parameters[0].dtype
    t = F4 if given in HALF else given
    flat = [np.ascontiguousarray(p, t).reshape(-1) for p in parameters]
    out = np.empty(flat[0].size, t)
    if out.size:
        RECIPES[recipe]((default_generator if gen is None else gen).engine, out, *flat)
    return out.reshape(parameters[0].shape).astype(given, copy=False)


def random64(gen: Generator | None) -> int:
    """One 64-bit word: what data loaders draw seeds from."""
    if gen is not None and gen.philox is not None:
        return philox.random64(gen)
    out = np.empty(1, np.uint64)
    RECIPES["words"]((default_generator if gen is None else gen).engine, out)
    return int(out[0])
