"""torch.accelerator: the accelerator there is, which is CUDA or none.

Everything is asked of :mod:`torch.cuda`. Where there is no accelerator, what needs one raises
RuntimeError.
"""

import warnings
from collections import OrderedDict
from typing import Any

from rushlight import _api as torch
from rushlight import cuda
from rushlight._core import dtypes, gpu
from rushlight.cuda.graphs import graph


def is_available() -> bool:
    """is_available() -> bool: is there a GPU to compute on?

    >>> torch.accelerator.is_available()
    False
    """
    return cuda.is_available()


def device_count() -> int:
    """device_count() -> int: how many there are.

    >>> torch.accelerator.device_count()
    0
    """
    return cuda.device_count()


def current_accelerator(check_available: bool = False) -> "torch.device | None":
    """current_accelerator(check_available=False) -> torch.device or None

    ``device('cuda')``; None without a GPU (PyTorch, built for CUDA, gives it then too, unless
    ``check_available``).

    >>> print(torch.accelerator.current_accelerator())
    None
    """
    return torch.device("cuda") if is_available() else None


def _index(device: Any = None) -> int:
    """The index of a device, which must be of the accelerator's kind."""
    if not is_available():
        raise RuntimeError("Cannot access accelerator device when none is available.")
    if isinstance(device, str):
        device = torch.device(device)
    if isinstance(device, torch.device):
        if device.type != "cuda":
            raise ValueError(
                f"{device.type} doesn't match the current accelerator {current_accelerator()}."
            )
        device = device.index
    return cuda.current_device() if device is None else int(device)


def current_device_index() -> int:
    """current_device_index() -> int: the index of the current device.

    >>> torch.accelerator.current_device_index()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    return _index()


def current_device_idx() -> int:
    """current_device_idx() -> int: old for :func:`current_device_index`.

    >>> torch.accelerator.current_device_idx()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    warnings.warn("Use `current_device_index` instead.", FutureWarning, stacklevel=2)
    return _index()


def set_device_index(device: Any, /) -> None:
    """set_device_index(device) -> None: make a device current; a negative index changes nothing.

    >>> torch.accelerator.set_device_index(0)
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    if not (isinstance(device, int) and device < 0):
        cuda.set_device(_index(device))


def set_device_idx(device: Any, /) -> None:
    """set_device_idx(device) -> None: old for :func:`set_device_index`.

    >>> torch.accelerator.set_device_idx(0)
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    warnings.warn("Use `set_device_index` instead.", FutureWarning, stacklevel=2)
    set_device_index(device)


class device_index:
    """device_index(device): a context in which a device is current; None changes nothing.

    >>> with torch.accelerator.device_index(None):
    ...     torch.ones(1)
    tensor([1.])
    """

    def __init__(self, device: int | None, /) -> None:
        self.idx, self.prev_idx = device, -1

    def __enter__(self) -> None:
        if self.idx is not None:
            self.prev_idx = _index()
            set_device_index(self.idx)

    def __exit__(self, *exc: object) -> None:
        if self.idx is not None:
            set_device_index(self.prev_idx)


def get_device_capability(device: Any = None, /) -> dict[str, Any]:
    """get_device_capability(device=None) -> dict: ``supported_dtypes``, those of tensors there.

    >>> torch.accelerator.get_device_capability()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    _index(device)
    return {"supported_dtypes": set(dtypes.BY_NUMPY.values())}


# ---- streams and graphs --------------------------------------------------------------------------


def current_stream(device: Any = None, /) -> Any:
    """current_stream(device=None) -> Stream: where work goes now.

    >>> torch.accelerator.current_stream()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    return cuda.current_stream(_index(device))


def set_stream(stream: Any) -> None:
    """set_stream(stream) -> None: work goes to a stream from now on, and its device is current.

    >>> torch.accelerator.set_stream(None)
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    _index()
    cuda.set_stream(stream)


def synchronize(device: Any = None, /) -> None:
    """synchronize(device=None) -> None: wait until a device has done all that it was given.

    >>> torch.accelerator.synchronize()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    cuda.synchronize(_index(device))


class Graph(cuda.CUDAGraph):
    """Graph(keep_graph=False, *, pool=None, capture_error_mode='default')

    A :class:`torch.cuda.CUDAGraph` that records inside ``with``, on the current stream.

    >>> torch.accelerator.Graph()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """

    def __init__(
        self,
        keep_graph: bool = False,
        *,
        pool: tuple[int, int] | None = None,
        capture_error_mode: str = "default",
    ) -> None:
        _index()
        super().__init__(keep_graph)
        self.graph_pool, self.capture_error_mode = pool, capture_error_mode
        self._context: graph | None = None

    def __enter__(self) -> "Graph":
        mode = "global" if self.capture_error_mode == "default" else self.capture_error_mode
        self._context = graph(self, self.graph_pool, cuda.current_stream(), mode)
        self._context.__enter__()
        return self

    def __exit__(self, *exc: Any) -> None:
        context, self._context = self._context, None
        if context is not None:
            context.__exit__(*exc)


# ---- memory --------------------------------------------------------------------------------------


def empty_cache() -> None:
    """empty_cache() -> None: give memory that is not in use back to the driver.

    >>> torch.accelerator.empty_cache()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    _index()
    cuda.empty_cache()


def empty_host_cache() -> None:
    """empty_host_cache() -> None: give pinned memory that is not in use back to the system.

    >>> torch.accelerator.empty_host_cache()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    _index()
    gpu.engine().get_default_pinned_memory_pool().free_all_blocks()


def get_memory_info(device_index: Any = None, /) -> tuple[int, int]:
    """get_memory_info(device_index=None) -> (free, total) bytes of a device.

    >>> torch.accelerator.get_memory_info()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    return cuda.mem_get_info(_index(device_index))


def memory_stats(device_index: Any = None, /) -> OrderedDict[str, Any]:
    """memory_stats(device_index=None) -> OrderedDict: see :func:`torch.cuda.memory_stats`.

    >>> torch.accelerator.memory_stats()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    return OrderedDict(sorted(cuda.memory_stats(_index(device_index)).items()))


def memory_allocated(device_index: Any = None, /) -> int:
    """memory_allocated(device_index=None) -> int: bytes that tensors use.

    >>> torch.accelerator.memory_allocated()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    return cuda.memory_allocated(_index(device_index))


def max_memory_allocated(device_index: Any = None, /) -> int:
    """max_memory_allocated(device_index=None) -> int: the most, see
    :func:`torch.cuda.max_memory_allocated`.

    >>> torch.accelerator.max_memory_allocated()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    return cuda.max_memory_allocated(_index(device_index))


def memory_reserved(device_index: Any = None, /) -> int:
    """memory_reserved(device_index=None) -> int: bytes that the pool holds, in use or not.

    >>> torch.accelerator.memory_reserved()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    return cuda.memory_reserved(_index(device_index))


def max_memory_reserved(device_index: Any = None, /) -> int:
    """max_memory_reserved(device_index=None) -> int: the most that was seen.

    >>> torch.accelerator.max_memory_reserved()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    return cuda.max_memory_reserved(_index(device_index))


def reset_accumulated_memory_stats(device_index: Any = None, /) -> None:
    """reset_accumulated_memory_stats(device_index=None) -> None: nothing is accumulated here.

    >>> torch.accelerator.reset_accumulated_memory_stats()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    cuda.reset_accumulated_memory_stats(_index(device_index))


def reset_peak_memory_stats(device_index: Any = None, /) -> None:
    """reset_peak_memory_stats(device_index=None) -> None: let the peaks begin anew.

    >>> torch.accelerator.reset_peak_memory_stats()
    Traceback (most recent call last):
        ...
    RuntimeError: Cannot access accelerator device when none is available.
    """
    cuda.reset_peak_memory_stats(_index(device_index))
