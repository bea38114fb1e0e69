"""CUDA devices: CuPy, imported when a device is first asked for, and the way of arrays to and fro.

Nothing here runs for tensors of the CPU. ``cuda.kind`` is None until CuPy was imported, and no
array has that type.
"""

import contextlib
import importlib
import math
import os
import weakref
from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core.backend import MODULES
from rushlight._core.gpu_module import Module, detours
from rushlight._core.once import warn_once

NO_CUPY = "Torch not compiled with CUDA enabled"
NO_DRIVER = (
    "Found no NVIDIA driver on your system. Please check that you have an NVIDIA GPU and installed "
    "a driver from http://www.nvidia.com/Download/index.aspx"
)
OLD_DRIVER = (
    "The NVIDIA driver on your system is too old (found version {}). Please update your GPU driver "
    "by downloading and installing a new version from the URL: "
    "http://www.nvidia.com/Download/index.aspx Alternatively, install rushlight[cuda12] in the "
    "place of rushlight[cuda]."
)
NO_GPU = "No CUDA GPUs are available"
FORKED = (
    "Cannot re-initialize CUDA in forked subprocess. To use CUDA with multiprocessing, you must "
    "use the 'spawn' start method"
)

KERNELS = "rushlight._kernels.cuda"  # a higher room, loaded when there is a device


class Cuda:
    """What there is of CUDA: CuPy's module, its array type, and how many devices it sees."""

    def __init__(self) -> None:
        self.module: Any = None
        self.xp: Any = None  # it as a forward sees it
        self.kind: Any = None  # its array type
        self.count = 0
        self.looked = False  # was CuPy looked for?
        self.missing: Exception = AssertionError(NO_CUPY)
        self.places: list[devices.device] = []
        self.functions: dict = {}  # compiled kernels
        self.exhausted: Any = ()  # what is raised where its memory is full
        self.libraries: dict = {}
        self.tables: dict = {}  # of kernels, on the devices
        self.waiting: list = []  # arrays that other streams read, and the events they wait for
        self.pinned: dict = {}  # roots of pinned memory, by id
        self.sizes: dict = {}  # multiprocessors and threads of each, by device
        self.handles: dict = {}  # of libraries, by device
        self.forked = False  # is this a fork of the process that looked for devices?


cuda = Cuda()


def load() -> Cuda:
    """CuPy and its devices; looked for once."""
    if not cuda.looked:
        cuda.looked = True
        try:
            found = importlib.import_module("cupy")
        except ImportError:
            return cuda
        install(found)
    return cuda


def install(module: Any) -> None:
    """Compute on the devices of this array module: CuPy, or one of its shape; None: on none."""
    if cuda.kind is not None:
        MODULES.pop(cuda.kind, None)
        importlib.import_module(KERNELS).load(None)
    cuda.__init__()  # type: ignore[misc]  # everything as it was
    cuda.looked = True
    if module is None:
        return
    try:
        count = module.cuda.runtime.getDeviceCount()
    except RuntimeError as error:  # CUDARuntimeError is one
        cuda.missing = RuntimeError(_why_missing(module, str(error)))
        return
    if not count:
        cuda.missing = RuntimeError(NO_GPU)
        return
    cuda.module, cuda.kind, cuda.count = module, module.ndarray, count
    memory = getattr(module.cuda, "memory", None)
    cuda.exhausted = getattr(memory, "OutOfMemoryError", ())
    cuda.places = [devices.device("cuda", i) for i in range(count)]
    cuda.xp = MODULES[module.ndarray] = Module(module, np, module.ndarray)
    importlib.import_module(KERNELS).load(module)


def _why_missing(module: Any, said: str) -> str:
    """What is wrong where the runtime finds no devices."""
    if "NoDevice" in said:
        return NO_GPU
    if "InsufficientDriver" in said:  # said without a driver too, whose version is 0 then
        version = module.cuda.runtime.driverGetVersion()
        return OLD_DRIVER.format(version) if version else NO_DRIVER
    return NO_DRIVER


def is_available() -> bool:
    """Is there a device to compute on?"""
    return load().kind is not None


def engine() -> Any:
    """CuPy; PyTorch's error where there is no device."""
    if load().kind is None:
        raise cuda.missing.with_traceback(None)
    if cuda.forked:
        raise RuntimeError(FORKED)
    return cuda.module


def _after_fork() -> None:
    """CUDA's contexts do not live on in a fork, and no new ones can be made there."""
    cuda.forked = cuda.kind is not None


if hasattr(os, "register_at_fork"):
    os.register_at_fork(after_in_child=_after_fork)


def current() -> int:
    """The index of the current device."""
    return engine().cuda.runtime.getDevice()


def resolve(place: devices.device) -> devices.device:
    """A device that is there, with its index."""
    engine()
    index = current() if place.index is None else place.index
    if index >= cuda.count:
        raise RuntimeError(
            "CUDA error: invalid device ordinal: there are "
            f"{cuda.count} CUDA devices, and device {index} was asked for"
        )
    return cuda.places[index]


devices.RESOLVERS["cuda"] = resolve


def index_of(array: Any) -> int:
    """The index of the device that an array is on."""
    return array.device.id


def memory_of(tensor: Any) -> Any:
    """The array of a tensor that is on a device."""
    return tensor._data


def place_of(array: Any) -> devices.device:
    """The device of an array that is neither NumPy's nor of the meta device."""
    if type(array) is not cuda.kind:
        if cuda.kind is None:
            return devices.CPU
        array = inside(array)
    return cuda.places[array.device.id] if type(array) is cuda.kind else devices.CPU


def inside(array: Any) -> Any:
    """The array that a batch of vmap holds, or that has a tangent; others as they are."""
    while hasattr(array, "inside"):
        array = array.inside()
    return array


def on(index: int) -> Any:
    """A context in which a device is current."""
    if current() == index:
        return contextlib.nullcontext()
    return cuda.module.cuda.Device(index)


def to_device(array: Any, place: devices.device) -> Any:
    """An array, of the host or of any device, copied to a device; itself if it is there."""
    if hasattr(array, "placed"):  # seen through vmap or jvp
        return array.placed(place)
    target = resolve(place)
    if type(array) is cuda.kind and index_of(array) == target.index:
        return array
    stored, back = by_memory(array)
    with on(target.index or 0):
        return cuda.module.array(stored, order="C").transpose(back)


def to_host(array: Any) -> np.ndarray:
    """A device's array copied to the host, its strides kept; others as they are."""
    if type(array) is not cuda.kind:
        return array
    with on(index_of(array)):
        stored, back = by_memory(array)
        return np.asarray(stored.get()).transpose(back)


def write(array: Any, value: Any) -> None:
    """``array[...] = value``, on the device that the array is on."""
    if type(array) is not cuda.kind:
        array[...] = value
        return
    if array is value:  # it was computed there
        return
    with on(index_of(array)):
        array[...] = value


def pinned_empty(shape: tuple[int, ...], dtype: np.dtype) -> np.ndarray:
    """Memory of the host that stays in place, so that copies to and fro need not wait."""
    count = math.prod(shape)
    memory = engine().cuda.alloc_pinned_memory(max(1, count * dtype.itemsize))
    root = np.frombuffer(memory, np.uint8)
    key = id(root)
    cuda.pinned[key] = weakref.ref(root, lambda _: cuda.pinned.pop(key, None))
    return root[: count * dtype.itemsize].view(dtype).reshape(shape)


def is_pinned(array: Any) -> bool:
    """Does an array of the host lie in such memory?"""
    if not cuda.pinned or type(array) is not np.ndarray:
        return False
    root = array
    while type(root.base) is np.ndarray:
        root = root.base
    return id(root) in cuda.pinned


def pinned(array: np.ndarray) -> np.ndarray:
    """An array in such memory, its strides kept; itself if it is there."""
    if is_pinned(array):
        return array
    stored, back = by_memory(array)
    made = pinned_empty(stored.shape, array.dtype)
    made[...] = stored
    return made.transpose(back)


def to_host_later(array: Any) -> np.ndarray:
    """A device's array copied to pinned memory by the current stream, which is not waited for."""
    with on(index_of(array)):
        stored, back = by_memory(array)
        target = pinned_empty(stored.shape, array.dtype)
        source = stored if stored.flags.c_contiguous else cuda.module.ascontiguousarray(stored)
        source.get(out=target, blocking=False)
        keep_until(target, cuda.module.cuda.get_current_stream())  # its pool may give it away
    return target.transpose(back)


def keep_until(array: Any, stream: Any) -> None:
    """Keep an array, of a device or of pinned memory, until a stream has done what it was given so
    far."""
    if stream.is_capturing():  # an event of a recording may not be asked; its memory is kept
        return
    cuda.waiting = [(event, kept) for event, kept in cuda.waiting if not event.done]
    with on(index_of(array) if type(array) is cuda.kind else current()):
        cuda.waiting.append((stream.record(), array))


def copied(array: Any) -> Any:
    """A copy on the device that the array is on."""
    if type(array) is not cuda.kind:
        return array.copy()
    with on(index_of(array)):
        return array.copy()


def make_writeable(view: Any) -> None:
    """Let a view be written to that NumPy made read-only; a device's arrays always can be."""
    if type(view) is np.ndarray:
        view.flags.writeable = True


def strided(array: Any, shape: tuple[int, ...], strides: tuple[int, ...]) -> Any:
    """A look at the memory of an array, of the host or a device, with strides in bytes."""
    if type(array) is not cuda.kind:
        return np.lib.stride_tricks.as_strided(array, shape, strides, subok=True)
    with on(index_of(array)):
        return cuda.module.lib.stride_tricks.as_strided(array, shape, strides)


def without_tangents(arrays: list) -> list:
    """Arrays without the tangents of levels that are closed."""
    made = list(arrays)
    for i, a in enumerate(made):
        while hasattr(a, "below_dead"):
            a = a.below_dead()
        made[i] = a
    return made


def all_to_host(value: Any) -> Any:
    """Parameters with a device's arrays, in tuples and lists too, copied to the host."""
    if type(value) in (tuple, list):
        return type(value)(all_to_host(v) for v in value)
    return to_host(value)


def beside(value: Any, array: Any) -> Any:
    """Arrays of an index on the device of the array that they index."""
    if cuda.kind is None:
        return value
    place = place_of(array)
    return all_to_host(value) if place is devices.CPU else all_on(place, value)


def all_on(place: devices.device, value: Any) -> Any:
    """An index whose arrays, in tuples and lists too, are on a CUDA device."""
    if type(value) in (tuple, list):
        return type(value)(all_on(place, v) for v in value)
    if isinstance(value, np.ndarray) or type(value) is cuda.kind:
        return value if place_of(value) is place else to_device(value, place)
    return value


def count_detour(name: str) -> None:
    """Note that an operator was computed on the host; the first time it is said aloud."""
    detours[name] += 1
    warn_once(
        f"The operator '{name}' is not made for CUDA devices yet: it is computed on the CPU, "
        "with copies to and fro."
    )


def by_memory(array: Any) -> tuple[Any, list[int]]:
    """An array with its dimensions in the order of memory, and the order that undoes it; CuPy's
    copies keep no other.
    """
    steps = array.strides
    order = list(range(array.ndim))
    if 0 not in steps:
        order.sort(key=lambda i: -abs(steps[i]))
    return array.transpose(order), sorted(order, key=order.__getitem__)


def common(arrays: list) -> int:
    """The device that arrays are on together; 0-d ones of the CPU go with any."""
    places = [
        devices.CPU if type(a) is np.ndarray else place_of(a)
        for a in arrays
        if a is not None and (type(a) is not np.ndarray or a.ndim)
    ]
    first = next(p for p in places if p is not devices.CPU)
    other = next((p for p in places if p is not first), None)
    if other is not None:
        raise RuntimeError(
            "Expected all tensors to be on the same device, but found at least two devices, "
            f"{first} and {other}!"
        )
    return first.index or 0


def moved(arrays: list, by_value: bool) -> list:
    """Arrays for a forward on the current device: 0-d ones of the CPU are brought there, or passed
    by value to a function that takes numbers.
    """
    asarray = cuda.module.asarray
    return [(a[()] if by_value else asarray(a)) if type(a) is np.ndarray else a for a in arrays]


def settle(result: Any) -> Any:
    """What a forward returned as an array of the current device."""
    return result if type(result) is cuda.kind else cuda.module.asarray(result)


def where(array: Any) -> Any:
    """A context in which the device of an array is current."""
    return on(index_of(array)) if type(array) is cuda.kind else contextlib.nullcontext()


def made_beside(x: Any, make: str, shape: Any, dtype: Any) -> Any:
    """``empty``, ``zeros`` or ``ones`` on the device that an array is on."""
    if type(x) is not cuda.kind:
        x = inside(x)
    if type(x) is not cuda.kind:
        return getattr(MODULES.get(type(x), np), make)(shape, dtype)
    with on(index_of(x)):
        return getattr(cuda.module, make)(shape, dtype)


def counted_beside(x: Any, count: int) -> Any:
    """``arange(count)`` on the device that an array is on."""
    x = inside(x)
    if type(x) is not cuda.kind:
        return np.arange(count)
    with on(index_of(x)):
        return cuda.module.arange(count)


def module_of(array: Any) -> Any:
    """The array module that makes arrays where this one is."""
    return MODULES.get(type(array), np)
