"""What NVIDIA's management library says of a GPU, by way of ``nvidia-ml-py`` (``pynvml``)."""

import importlib
from typing import Any

from rushlight._core import gpu
from rushlight.cuda._devices import index_of

_CLOCK_SM, _SENSOR_GPU = 1, 0  # NVML's numbers
_NO_DRIVER = "cuda driver can't be loaded, is cuda enabled?"


def _library() -> Any:
    """pynvml, initialized."""
    try:
        found = importlib.import_module("pynvml")
    except ImportError as error:
        raise ModuleNotFoundError(
            "nvidia-ml-py does not seem to be installed or it can't be imported."
        ) from error
    try:
        found.nvmlInit()
    except found.NVMLError_DriverNotLoaded as error:
        raise RuntimeError(_NO_DRIVER) from error
    return found


def _handle(device: Any) -> tuple[Any, Any]:
    """pynvml and its handle of a device: the one of that place on the bus, since NVML counts all
    that there are and a program may see fewer."""
    library = _library()
    place = gpu.engine().cuda.runtime.deviceGetPCIBusId(index_of(device))
    return library, library.nvmlDeviceGetHandleByPciBusId(place)


def utilization(device: Any = None) -> int:
    """utilization(device=None) -> int

    Percent of the last sampled time, up to a second, in which a kernel ran.

    >>> if torch.cuda.is_available():
    ...     print(torch.cuda.utilization())
    """
    library, handle = _handle(device)
    return int(library.nvmlDeviceGetUtilizationRates(handle).gpu)


def memory_usage(device: Any = None) -> int:
    """memory_usage(device=None) -> int

    Percent of the last sampled time in which the device's memory was read or written.

    >>> if torch.cuda.is_available():
    ...     print(torch.cuda.memory_usage())
    """
    library, handle = _handle(device)
    return int(library.nvmlDeviceGetUtilizationRates(handle).memory)


def device_memory_used(device: Any = None) -> int:
    """device_memory_used(device=None) -> int: bytes in use by all processes together.

    >>> if torch.cuda.is_available():
    ...     print(torch.cuda.device_memory_used())
    """
    library, handle = _handle(device)
    return int(library.nvmlDeviceGetMemoryInfo(handle).used)


def temperature(device: Any = None) -> int:
    """temperature(device=None) -> int: degrees Celsius.

    >>> if torch.cuda.is_available():
    ...     print(torch.cuda.temperature())
    """
    library, handle = _handle(device)
    return int(library.nvmlDeviceGetTemperature(handle, _SENSOR_GPU))


def power_draw(device: Any = None) -> int:
    """power_draw(device=None) -> int: milliwatts, averaged over a second.

    >>> if torch.cuda.is_available():
    ...     print(torch.cuda.power_draw())
    """
    library, handle = _handle(device)
    return int(library.nvmlDeviceGetPowerUsage(handle))


def clock_rate(device: Any = None) -> int:
    """clock_rate(device=None) -> int: megahertz of the multiprocessors.

    >>> if torch.cuda.is_available():
    ...     print(torch.cuda.clock_rate())
    """
    library, handle = _handle(device)
    return int(library.nvmlDeviceGetClockInfo(handle, _CLOCK_SM))


def list_gpu_processes(device: Any = None) -> str:
    """list_gpu_processes(device=None) -> str: who uses a device, and how much of its memory.

    >>> if torch.cuda.is_available():
    ...     print(torch.cuda.list_gpu_processes())
    """
    try:
        library, handle = _handle(device)
    except ModuleNotFoundError:
        return "pynvml module not found, please install nvidia-ml-py"
    except RuntimeError as error:
        if str(error) != _NO_DRIVER:
            raise
        return _NO_DRIVER
    lines = [f"GPU:{index_of(device)}"]
    processes = library.nvmlDeviceGetComputeRunningProcesses(handle)
    if not processes:
        lines.append("no processes are running")
    for p in processes:
        used = (p.usedGpuMemory or 0) / 2**20
        lines.append(f"process {p.pid:>10d} uses {used:>12.3f} MB GPU memory")
    return "\n".join(lines)
