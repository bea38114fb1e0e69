"""Steps of optimizers that a graph may record (source/capturable.cu): what changes with each step
stands on the device, and nothing is read on the host."""

from typing import Any

import numpy as np

from rushlight._core import gpu
from rushlight._kernels.cuda.compiler import kernel
from rushlight._kernels.cuda.optimizers import MOST, THREADS, alike, group_of

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)
TABLE_THREADS = 64  # at least MOST


def real(array: Any) -> Any:
    """Complex numbers in one piece as pairs of real ones; others as they are."""
    if array is None or array.dtype.kind != "c" or not array.flags.c_contiguous:
        return array
    return array.reshape(-1).view(array.real.dtype)


def beside(arrays: list) -> list:
    """The arrays of a parameter, its gradient laid out as it is."""
    p, g = arrays[:2]
    if g.strides != p.strides and g.shape == p.shape:
        back = gpu.by_memory(p)[1]
        order = sorted(range(len(back)), key=back.__getitem__)
        g = gpu.cuda.module.array(g.transpose(order), order="C").transpose(back)
    return [*map(real, (p, g, *arrays[2:]))]


def table(arrays: list) -> np.ndarray:
    """The struct Numbers of up to MOST 0-d arrays, as its bytes."""
    pointers = np.zeros(MOST, np.uint64)
    pointers[: len(arrays)] = [a.data.ptr for a in arrays]
    return pointers.view(np.uint8)


def rate_of(lr: Any, place: int) -> tuple[np.float64, Any]:
    """A learning rate as the kernels take it: a number, and where it stands if on a device."""
    if type(lr) is not gpu.cuda.kind:
        return np.float64(lr), None
    there = gpu.to_device(lr, gpu.cuda.places[place])
    return np.float64(0), there.astype(np.float32, copy=False)


def groups_of(lists: tuple, counts: tuple) -> dict[tuple, list] | None:
    """(device, dtype, dtype of counts) -> the arrays of each parameter with its own counts; None if
    something is not served."""
    groups: dict[tuple, list] = {}
    for i, own in enumerate(zip(*counts, strict=True)):
        arrays = beside([None if one is None else one[i] for one in lists])
        kind, place = own[0].dtype, arrays[0].device.id
        if (arrays[0].size and not alike(arrays)) or kind not in (F4, F8):
            return None
        if any(
            type(c) is not gpu.cuda.kind or c.dtype != kind or c.device.id != place for c in own
        ):
            return None
        groups.setdefault((place, arrays[0].dtype, kind), []).append((arrays, own))
    return groups


def capturable_step(name, lists, counts, lr, numbers, flags):
    """One step of the optimizer of that name. ``lists``: parameters, gradients, states; ``counts``:
    the steps, and what else of 0-d arrays changes; ``numbers``: beta1, beta2, weight decay, eps and
    a last one of the kernel's."""
    groups = groups_of(lists, counts)
    if groups is None:
        return NotImplemented
    numbers = tuple(map(np.float64, numbers))
    for (place, dtype, kind), found in groups.items():
        rate = rate_of(lr, place)
        with gpu.on(place):
            for i in range(0, len(found), MOST):
                part = found[i : i + MOST]
                tables = [table(list(c)) for c in zip(*[own for _, own in part], strict=True)]
                launched(name, (dtype, kind), part, tables, (rate, numbers, np.int32(flags)))
    return None


def launched(name: str, kinds: tuple, part: list, tables: list, how: tuple) -> None:
    """The kernels of one step over at most MOST parameters."""
    (dtype, kind), (rate, numbers, flags) = kinds, how
    define = f"COUNT={'float' if kind == F4 else 'double'}"
    size, one = np.int32(len(part)), ((1,), (TABLE_THREADS,))

    def of(kernel_name: str) -> Any:
        return kernel("capturable", kernel_name, dtype, define)

    of("count_steps")(*one, (tables[0], size))
    if name == "nadam":
        of("nadam_products")(*one, (tables[0], tables[1], size, numbers[0], numbers[4]))
    group, wide = group_of([arrays for arrays, _ in part])
    given = tables[1:] if name == "asgd" else [*tables, tables[0]][:2]
    if wide:  # there are elements
        of(name)((wide,), (THREADS,), (group, *given, *rate, *numbers, flags))
    if name == "asgd":
        of("asgd_numbers")(*one, (*tables, size, *rate, numbers[0], numbers[4], numbers[3]))


KERNELS = (capturable_step,)
