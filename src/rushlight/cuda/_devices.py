"""Which CUDA devices there are, and which is current."""

from typing import Any

from rushlight import _api as torch
from rushlight._core import gpu


def is_available() -> bool:
    """is_available() -> bool: is there a GPU, a driver for it, and CuPy (``rushlight[cuda]``)?

    >>> torch.cuda.is_available()
    False
    """
    return gpu.is_available()


def is_initialized() -> bool:
    """is_initialized() -> bool: was a device used?

    >>> torch.cuda.is_initialized()
    False
    """
    return gpu.cuda.kind is not None


def init() -> None:
    """init() -> None: look for CuPy and a device now; PyTorch's error where there is none.

    >>> torch.cuda.init()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    gpu.engine()


def device_count() -> int:
    """device_count() -> int: the number of GPUs.

    >>> torch.cuda.device_count()
    0
    """
    return gpu.load().count


def current_device() -> int:
    """current_device() -> int: the index of the current device.

    >>> torch.cuda.current_device()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    return gpu.current()


def index_of(device: Any) -> int:
    """The index that a ``device=`` argument means; None is the current device."""
    if device is None:
        return gpu.current()
    place = torch.device(device)
    if place.type != "cuda":
        raise ValueError(f"Expected a cuda device, but got: {device}")
    return gpu.resolve(place).index or 0


def set_device(device: Any) -> None:
    """set_device(device) -> None: make a device current; a negative index changes nothing.

    >>> torch.cuda.set_device(0)
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    if isinstance(device, int) and device < 0:
        return
    gpu.engine().cuda.runtime.setDevice(index_of(device))


class device:
    """device(index)

    A context in which a GPU is current; None or a negative index changes nothing.

    >>> with torch.cuda.device(None):
    ...     torch.ones(1).device
    device(type='cpu')
    """

    def __init__(self, device: Any) -> None:
        negative = isinstance(device, int) and device < 0
        self.idx = -1 if device is None or negative else torch.device(device).index
        self.prev_idx = -1

    def __enter__(self) -> None:
        if self.idx is not None and self.idx >= 0:
            self.prev_idx = gpu.current()
            set_device(self.idx)

    def __exit__(self, *exc: object) -> None:
        if self.prev_idx >= 0:
            set_device(self.prev_idx)


class device_of(device):
    """device_of(tensor): a context in which the tensor's GPU is current.

    >>> with torch.cuda.device_of(torch.ones(1)):
    ...     pass
    """

    def __init__(self, tensor: "torch.Tensor") -> None:
        super().__init__(tensor.get_device() if tensor.is_cuda else -1)


class DeviceProperties:
    """What is known of a GPU: its name, memory and size."""

    def __init__(self, index: int) -> None:
        found = gpu.engine().cuda.runtime.getDeviceProperties(index)
        name = found["name"]
        self.name = name.decode() if isinstance(name, bytes) else name
        self.major, self.minor = found["major"], found["minor"]
        self.total_memory = found["totalGlobalMem"]
        self.multi_processor_count = found["multiProcessorCount"]
        self.warp_size = found["warpSize"]

    def __repr__(self) -> str:
        return (
            f"_CudaDeviceProperties(name='{self.name}', major={self.major}, minor={self.minor}, "
            f"total_memory={self.total_memory // 2**20}MB, "
            f"multi_processor_count={self.multi_processor_count})"
        )


def get_device_properties(device: Any = None) -> DeviceProperties:
    """get_device_properties(device=None): name, total_memory, major, minor and more.

    >>> torch.cuda.get_device_properties()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    return DeviceProperties(index_of(device))


def get_device_name(device: Any = None) -> str:
    """get_device_name(device=None) -> str

    >>> torch.cuda.get_device_name()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    return get_device_properties(device).name


def get_device_capability(device: Any = None) -> tuple[int, int]:
    """get_device_capability(device=None) -> (major, minor)

    >>> torch.cuda.get_device_capability()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    found = get_device_properties(device)
    return found.major, found.minor


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """is_bf16_supported() -> bool: can the GPU compute with bfloat16?

    >>> torch.cuda.is_bf16_supported()
    False
    """
    if not gpu.is_available():
        return False
    return including_emulation or get_device_capability()[0] >= 8


def synchronize(device: Any = None) -> None:
    """synchronize(device=None) -> None: wait until a device has done all that it was given.

    >>> torch.cuda.synchronize()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    gpu.engine().cuda.Device(index_of(device)).synchronize()


def can_device_access_peer(device: Any, peer_device: Any) -> bool:
    """can_device_access_peer(device, peer_device) -> bool: may one read the other's memory?

    >>> torch.cuda.can_device_access_peer(0, 1)
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    runtime = gpu.engine().cuda.runtime
    return bool(runtime.deviceCanAccessPeer(index_of(device), index_of(peer_device)))


def is_tf32_supported() -> bool:
    """is_tf32_supported() -> bool: can the GPU compute float32 products in TF32?

    >>> torch.cuda.is_tf32_supported()
    False
    """
    return gpu.is_available() and get_device_capability()[0] >= 8


def ipc_collect() -> None:
    """ipc_collect() -> None: no memory is shared between processes here.

    >>> torch.cuda.ipc_collect()
    Traceback (most recent call last):
        ...
    AssertionError: Torch not compiled with CUDA enabled
    """
    gpu.engine()


def get_arch_list() -> list[str]:
    """get_arch_list() -> list of str: none, kernels are compiled for the device that is there.

    >>> torch.cuda.get_arch_list()
    []
    """
    return []
