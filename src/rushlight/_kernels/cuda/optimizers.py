"""Steps of optimizers over all parameters of a group, a few dozen to a launch
(source/optimizers.cu).

An update takes what its native twin takes (``_ops/optimizer_updates.py``): lists of arrays, or
None, and a tuple of numbers, or one for each parameter. It answers with the positions that it did
not serve.
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import COMPUTED, ELEMENTS, empty, kernel

MOST, LISTS, CHUNK, THREADS = 40, 5, 4096, 256  # as in group.cuh
# The numbers of an update that are flags, counted from its end.
FLAGS = {
    "sgd_update": 0, "momentum_update": 2, "adam_update": 1, "rmsprop_update": 2,
    "adagrad_update": 0,
}  # fmt: skip
# And the one, counted from its front, that a kernel takes 1 minus of: in double.
DOUBLE = {"adam_update": 5, "rmsprop_update": 3}


def group_of(arrays: list[list]) -> tuple[np.ndarray, int]:
    """The struct Group of up to MOST parameters, as its bytes, and how many blocks they need."""
    pointers = np.zeros((LISTS, MOST), np.uint64)
    for k, column in enumerate(zip(*arrays, strict=True)):
        pointers[k, : len(column)] = [0 if a is None else a.data.ptr for a in column]
    sizes, first = np.zeros(MOST, np.int64), np.zeros(MOST + 2, np.int32)
    count = len(arrays)
    sizes[:count] = [each[0].size for each in arrays]
    first[1 : count + 1] = np.cumsum(-(-sizes[:count] // CHUNK))
    total, first[-1] = int(first[count]), count
    return np.frombuffer(pointers.tobytes() + sizes.tobytes() + first.tobytes(), np.uint8), total


def alike(arrays: list) -> bool:
    """Floating arrays of one dtype, shape and device, in one order of memory without gaps?"""
    p = arrays[0]
    if type(p) is not gpu.cuda.kind or p.dtype not in ELEMENTS or not p.size:
        return False
    place = p.device.id
    given = [a for a in arrays if a is not None]
    if any(
        type(a) is not gpu.cuda.kind
        or a.dtype != p.dtype
        or a.shape != p.shape
        or a.device.id != place
        for a in given
    ):
        return False
    if all(a.flags.c_contiguous for a in given):
        return True
    stored, _ = gpu.by_memory(p)
    return stored.flags.c_contiguous and all(a.strides == p.strides for a in given)


def sorted_out(lists: tuple, numbers: Any) -> tuple[dict, list[int]]:
    """(device, dtype, numbers) -> the arrays of each parameter; and the positions that are not
    served."""
    groups: dict[tuple, list] = {}
    rest = []
    for i in range(len(lists[0])):
        arrays: list[Any] = [None if one is None else one[i] for one in lists]
        if not alike(arrays):
            rest.append(i)
            continue
        own = numbers[i] if type(numbers) is list else numbers
        groups.setdefault((arrays[0].device.id, arrays[0].dtype, own), []).append(arrays)
    return groups, rest


def launched(name: str, dtype: np.dtype, arrays: list, args: tuple) -> None:
    """A kernel over all the parameters of one device and dtype."""
    call = kernel("optimizers", name, dtype)
    for i in range(0, len(arrays), MOST):
        group, count = group_of(arrays[i : i + MOST])
        call((count,), (THREADS,), (group, *args))


def updating(name: str) -> Callable:
    """The update of that name."""
    flags = FLAGS[name]

    def call(lists, numbers):
        groups, rest = sorted_out(lists, numbers)
        for (place, dtype, own), arrays in groups.items():
            number, split = COMPUTED[dtype], len(own) - flags
            args: list = [*map(number, own[:split]), *[np.int32(bool(f)) for f in own[split:]]]
            if name in DOUBLE:
                args[DOUBLE[name]] = np.float64(own[DOUBLE[name]])
            with gpu.on(place):
                launched(name, dtype, arrays, tuple(args))
        return rest

    call.__name__ = name
    return call


def scale_update(lists, numbers):
    """Every array times a number, which may be a 0-d float32 array of the device."""
    (factor,) = numbers
    there = factor if type(factor) is gpu.cuda.kind else None
    groups, rest = sorted_out(lists, ())
    for (place, dtype, _), arrays in groups.items():
        number = COMPUTED[dtype](1 if there is not None else factor)
        near = None if there is None else gpu.to_device(there, gpu.cuda.places[place])
        with gpu.on(place):
            launched("scale_update", dtype, arrays, (number, near))
    return rest


def unscale(arrays, inverse, found):
    """Every gradient times ``inverse``; ``found`` becomes 1 where one is not finite (both 0-d
    float32 arrays of the device). The positions that are not served."""
    groups, rest = sorted_out((arrays,), ())
    for (place, dtype, _), given in groups.items():
        here = gpu.cuda.places[place]
        near, noted = gpu.to_device(inverse, here), gpu.to_device(found, here)
        with gpu.on(place):
            launched("unscale", dtype, given, (near, noted))
        if noted is not found:
            gpu.write(found, gpu.to_device(noted, gpu.place_of(found)))
    return rest


def tensor_norms(arrays):
    """The 2-norm of each array of one dtype, as a vector; summed in the same order each time."""
    groups, rest = sorted_out((arrays,), ())
    if rest or len(groups) != 1:
        return NotImplemented
    ((place, dtype, _),) = groups
    with gpu.on(place):
        result = empty(len(arrays), dtype)
        for i in range(0, len(arrays), MOST):
            part = [[a] for a in arrays[i : i + MOST]]
            group, count = group_of(part)
            sums = empty(count, COMPUTED[dtype])
            kernel("optimizers", "squares", dtype)((count,), (THREADS,), (group, sums))
            call = kernel("optimizers", "norms", dtype)
            call((len(part),), (THREADS,), (group, sums, result[i : i + MOST]))
    return result


KERNELS = (
    *map(updating, FLAGS),
    scale_update,
    unscale,
    tensor_norms,
)
