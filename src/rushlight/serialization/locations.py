"""Where storages were saved from, and where they are to go when loaded."""

from collections.abc import Callable
from typing import Any

from rushlight._core import device as devices
from rushlight._core import gpu
from rushlight._core.storage import UntypedStorage

# (priority, tagger: storage -> tag or None, deserializer: (storage, tag) -> storage or None)
_packages: list[tuple[int, Callable, Callable]] = []


def register_package(priority: int, tagger: Callable, deserializer: Callable) -> None:
    """register_package(priority, tagger, deserializer)

    Teach `save` and `load` a kind of location. `tagger(storage)` gives its tag or None,
    `deserializer(storage, tag)` the storage moved there or None; lower priorities are asked first.

    >>> def no_tag(storage):
    ...     return None
    >>> torch.serialization.register_package(99, no_tag, lambda storage, tag: None)
    >>> torch.serialization.location_tag(torch.ones(2).untyped_storage())
    'cpu'
    """
    _packages.append((priority, tagger, deserializer))
    _packages.sort(key=lambda package: package[0])


def location_tag(storage: object) -> str:
    """location_tag(storage) -> str

    The text by which a file says where a storage lived: "cpu", "meta", "cuda:0".

    >>> torch.serialization.location_tag(torch.ones(2).untyped_storage())
    'cpu'
    """
    for _, tagger, _ in _packages:
        tag = tagger(storage)
        if tag:
            return tag
    raise RuntimeError(f"don't know how to determine data location of {_kind(storage)}")


def default_restore_location(storage: object, location: str) -> object:
    """default_restore_location(storage, location) -> storage

    The storage at the place its tag names; RuntimeError if nobody knows the tag.

    >>> storage = torch.ones(2).untyped_storage()
    >>> torch.serialization.default_restore_location(storage, 'cpu') is storage
    True
    """
    for _, _, deserializer in _packages:
        found = deserializer(storage, location)
        if found is not None:
            return found
    raise RuntimeError(
        f"don't know how to restore data location of {_kind(storage)} (tagged with {location})"
    )


def restorer(map_location: Any) -> Callable[[object, str], object]:
    """The function (storage, tag) -> storage that `map_location` means, in any of its forms."""
    if map_location is None:
        return default_restore_location
    if isinstance(map_location, dict):
        return lambda storage, tag: default_restore_location(storage, map_location.get(tag, tag))
    if isinstance(map_location, bytes):
        map_location = map_location.decode("ascii")
    if isinstance(map_location, (str, devices.device)):
        return lambda storage, tag: default_restore_location(storage, str(map_location))

    def restore(storage, tag):
        found = map_location(storage, tag)
        if found is None:
            return default_restore_location(storage, tag)
        if not isinstance(found, UntypedStorage):
            raise TypeError(_NO_STORAGE.format(type(found)))
        return found

    return restore


_NO_STORAGE = """\
TypedStorage.__init__ received an invalid combination of arguments. Expected one of:
 * (*, torch.device device, torch.dtype dtype)
 * (int size, *, torch.device device, torch.dtype dtype)
 * (Sequence data, *, torch.device device, torch.dtype dtype)
 * (*, UntypedStorage wrap_storage, torch.dtype dtype)
Argument 'wrap_storage' must be UntypedStorage, but got {}"""


def _kind(storage):
    return f"torch.storage.{type(storage).__name__}"


def _cpu_tag(storage):
    return "cpu" if storage.device.type == "cpu" else None


def _cpu_restore(storage, location):
    return storage if location == "cpu" else None


def _meta_tag(storage):
    return "meta" if storage.device.type == "meta" else None


def _meta_restore(storage, location):
    return UntypedStorage(storage.nbytes(), device="meta") if location == "meta" else None


# Devices of PyTorch that are not there: what to say of a storage that belongs on one.
_ELSEWHERE = "map_location=torch.device('cpu') to map your storages to the CPU."
_NOT_THERE = {
    **{
        kind: f"Attempting to deserialize object on a {kind.upper()} device but "
        f"torch.{kind}.is_available() is False. If you are running on a CPU-only machine, please "
        f"use torch.load with {_ELSEWHERE}"
        for kind in ("cuda", "xpu")
    },
    **{
        kind: f"The {kind.upper()} device module is not registered. If you are running on a "
        f"CPU-only machine, please use torch.load with {_ELSEWHERE}"
        for kind in ("hpu", "privateuseone")
    },
    "mps": "torch.UntypedStorage(): Storage device not recognized: mps",
    "mtia": "Cannot execute getCurrentDevice() without MTIA backend.",
}


def _cuda_tag(storage):
    return str(storage.device) if storage.device.type == "cuda" else None


def _not_there(storage, location):
    if location.startswith("cuda") and gpu.is_available():
        return storage.to(device=devices.device("cuda", validate_cuda_device(location)))
    for kind, text in _NOT_THERE.items():
        if location.startswith(kind):
            raise RuntimeError(text)
    return None


def validate_cuda_device(location: Any) -> int:
    """validate_cuda_device(location) -> int

    The number of the CUDA device that `location` names; RuntimeError where it is not there.

    >>> torch.serialization.validate_cuda_device('cuda:0')
    Traceback (most recent call last):
        ...
    RuntimeError: Attempting to deserialize object on a CUDA device but ...
    """
    if isinstance(location, str) and not location.startswith("cuda"):
        raise ValueError(f"Expected a cuda device, but got: {location}")
    if gpu.is_available():
        index = devices.device(location).index or 0
        if index >= gpu.cuda.count:
            raise RuntimeError(
                f"Attempting to deserialize object on CUDA device {index} but "
                f"torch.cuda.device_count() is {gpu.cuda.count}. Please use torch.load with "
                "map_location to map your storages to an existing device."
            )
        return index
    raise RuntimeError(_NOT_THERE["cuda"])


def validate_hpu_device(location: Any) -> int:
    """validate_hpu_device(location) -> int

    The number of the HPU device that `location` names; RuntimeError, since there is none.

    >>> torch.serialization.validate_hpu_device('hpu:0')
    Traceback (most recent call last):
        ...
    RuntimeError: The HPU device module is not registered. If you are running on a ...
    """
    raise RuntimeError(_NOT_THERE["hpu"])


register_package(10, _cpu_tag, _cpu_restore)
register_package(20, _cuda_tag, _not_there)
register_package(22, _meta_tag, _meta_restore)
