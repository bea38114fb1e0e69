"""What the optimizers' kernels are made of: blocks that stay in the cache, and a few updates."""

from functools import lru_cache
from threading import local

import numpy as np
from numpy import add, divide, multiply, ndarray, negative, sqrt, subtract

from rushlight._core.backend import kernel_for

BLOCK = 32768  # elements worked on at a time: six float32 arrays of it fit into an L2 cache of 1 MB


class Scratch(local):
    """Three arrays of each small shape and dtype, all in the same memory, a set per thread."""

    def __init__(self):
        self.memory = {}
        self.views = {}

    def of(self, x):
        """Those of the shape and dtype of a float32 or float64 array of at most BLOCK elements."""
        views = self.views.get((x.shape, x.dtype))
        if views is None:
            memory = self.memory.get(x.dtype)
            if memory is None:
                memory = self.memory[x.dtype] = np.empty((3, BLOCK), x.dtype)
            if len(self.views) > 4096:
                self.views.clear()
            views = tuple(row[: x.size].reshape(x.shape) for row in memory)
            self.views[x.shape, x.dtype] = views
        return views


scratch = Scratch()


def blocks(*arrays):
    """Pieces of at most BLOCK elements of arrays of one shape, each with three scratch arrays.

    What a kernel writes to a piece is written to the array. Complex arrays come as their real and
    imaginary parts, half precision as float32, rounded when it is written back. The second array
    is the gradient and is only read.
    """
    x = arrays[0]
    spare = scratch.views.get((x.shape, x.dtype)) if type(x) is ndarray else None
    if spare is not None:  # 0.2 us; all that follows happens to large and to new arrays only
        return ((*arrays, *spare),)
    if x.dtype.char not in "fd":
        return complex_blocks(arrays) if x.dtype.kind == "c" else half_blocks(arrays)
    if type(x) is not ndarray:  # on a GPU, where a launch costs more than the cache saves
        return ((*arrays, *(np.empty_like(x) for _ in range(3))),)
    if x.size > BLOCK:
        return large_blocks(arrays)
    return ((*arrays, *scratch.of(x)),)


def large_blocks(arrays):
    for pieces in cut(arrays):
        x = pieces[0]
        yield (*pieces, *(scratch.of(x) if x.size <= BLOCK else np.empty((3, *x.shape), x.dtype)))


def complex_blocks(arrays):
    yield from blocks(*(x.real for x in arrays))
    yield from blocks(*(x.imag for x in arrays))


def half_blocks(arrays):
    for pieces in cut(arrays):
        wide = {}  # by address: an array that stands in for another must stay one array
        for x in pieces:
            wide.setdefault(address(x), x.astype(np.float32))
        copies = [wide[address(x)] for x in pieces]
        yield (*copies, *(np.empty_like(copies[0]) for _ in range(3)))
        for i, x in enumerate(pieces):
            if i != 1:
                x[...] = copies[i]


def widened(*arrays):
    """`arrays` once, half precision as float32: `blocks` for kernels that need whole arrays."""
    if arrays[0].dtype.char in "fd":
        yield arrays
        return
    wide = [None if x is None else x.astype(np.float32) for x in arrays]
    yield wide
    for i, x in enumerate(arrays):
        if x is not None and i != 1:
            x[...] = wide[i]


def address(x):
    return x.__array_interface__["data"][0] if isinstance(x, ndarray) else x.data.ptr


def cut(arrays):
    """Slices along the first axis, of memory order where all arrays share it."""
    if not arrays[0].ndim:
        yield arrays
        return
    if all(x.flags.c_contiguous for x in arrays):
        arrays = [x.reshape(-1) for x in arrays]
    elif all(x.flags.f_contiguous for x in arrays):
        arrays = [x.T.reshape(-1) for x in arrays]
    x = arrays[0]
    rows = max(1, BLOCK * len(x) // max(1, x.size))
    for i in range(0, len(x), rows):
        yield [y[i : i + rows] for y in arrays]


def scalars(x, *values):
    """`values` for ufuncs on `x`: 0-d arrays, with which NumPy takes 0.2 us, 0.55 with numbers."""
    return cached_scalars(x.dtype, *values) if type(x) is ndarray else values


@lru_cache(maxsize=4096)
def cached_scalars(dtype, *values):
    return tuple(np.array(value, dtype) for value in values)


def count(steps):
    """Add one to each of some 0-d arrays; their new values as Python numbers."""
    native = kernel_for("count_steps")
    values = NotImplemented if native is None else native(steps)
    if values is not NotImplemented:
        return values
    values = [step.item() + 1 for step in steps]
    for step, value in zip(steps, values, strict=True):
        step[()] = value
    return values


def direction(p, g, maximize, decay, d, t):
    """The gradient to descend: negated to maximize, with L2 decay. Written to `d` unless it is `g`
    itself; `t` is spent.
    """
    if maximize:
        g = negative(g, d)
    if decay:
        multiply(p, scalars(p, decay)[0], t)
        g = add(g, t, d)
    return g


def lerp(x, end, weight, t):
    """x += weight (end - x), from the nearer side as PyTorch does."""
    subtract(end, x, t)
    if weight < 0.5:
        multiply(t, scalars(x, weight)[0], t)
        add(x, t, x)
    else:
        multiply(t, scalars(x, 1 - weight)[0], t)
        subtract(end, t, x)


def decay_square(v, g, keep, t):
    """v = keep v + (1 - keep) g²."""
    old, new = scalars(v, keep, 1 - keep)
    multiply(v, old, v)
    multiply(g, new, t)
    multiply(t, g, t)
    add(v, t, v)


def move(p, numerator, denominator, value, t):
    """p += value numerator / denominator."""
    multiply(numerator, scalars(p, value)[0], t)
    divide(t, denominator, t)
    add(p, t, p)


def move_by(p, step, value, t):
    """p += value step."""
    multiply(step, scalars(p, value)[0], t)
    add(p, t, p)


def root_plus(v, eps, t):
    """t = √v + eps."""
    sqrt(v, t)
    add(t, scalars(v, eps)[0], t)
