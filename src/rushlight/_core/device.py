"""torch.device, layouts, memory formats: small named values."""

import sys
from collections.abc import Callable
from typing import Any

_TYPES = (
    "cpu",
    "cuda",
    "meta",
    "mps",
    "xpu",
    "hpu",
    "mtia",
    "xla",
    "vulkan",
    "ipu",
    "privateuseone",
)


class device:
    """device(type, index=None)

    Where a tensor lives: ``torch.device('cpu')``, ``torch.device('cuda:1')``,
    ``torch.device('cuda', 1)``.
    Works as a context manager that sets the default device of creation functions.

    >>> torch.device('cuda:1').index
    1
    >>> with torch.device('meta'):
    ...     torch.ones(2, 3).device
    device(type='meta')
    """

    __slots__ = ("_saved", "index", "type")

    type: str
    index: int | None

    def __init__(self, type: Any, index: int | None = None) -> None:
        if isinstance(type, device):
            type, index = type.type, type.index
        elif isinstance(type, int) and not isinstance(type, bool):
            type, index = "cuda", type
        if not isinstance(type, str):
            raise TypeError(
                "device(): argument 'type' must be torch.device, str or int, not "
                f"{type.__class__.__name__}"
            )
        name, colon, number = type.partition(":")
        if colon:
            if index is not None:
                raise RuntimeError(
                    "type (string) must not include an index because index was passed "
                    f"explicitly: {type}"
                )
            if not number.isdigit() or (len(number) > 1 and number[0] == "0"):
                raise RuntimeError(f"Invalid device string: '{type}'")
            index = int(number)
        if name not in _TYPES:
            if not name.isidentifier():
                raise RuntimeError(f"Invalid device string: '{type}'")
            raise RuntimeError(
                "Expected one of cpu, cuda, ipu, xpu, mkldnn, opengl, opencl, ideep, hip, ve, "
                "fpga, maia, xla, "
                "lazy, vulkan, mps, meta, hpu, mtia, privateuseone device type at start of "
                f"device string: {name}"
            )
        if index is not None and index < 0:
            raise RuntimeError(f"Device index must not be negative, got {index}")
        self.type, self.index = name, index
        self._saved: list[device] = []

    def __repr__(self) -> str:
        shown = "" if self.index is None else f", index={self.index}"
        return f"device(type='{self.type}'{shown})"

    def __str__(self) -> str:
        return self.type if self.index is None else f"{self.type}:{self.index}"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, device) and self.type == other.type and self.index == other.index

    def __hash__(self) -> int:
        return hash((self.type, self.index))

    def __reduce__(self) -> tuple:
        return device, ((self.type,) if self.index is None else (self.type, self.index))

    def __enter__(self) -> "device":
        self._saved.append(_default[0])
        set_default_device(self)
        return self

    def __exit__(self, *exc: object) -> None:
        _default[0] = self._saved.pop()


CPU = device("cpu")
META = device("meta")
# device type -> what finds the device meant, or raises; entered by who serves such devices
RESOLVERS: dict[str, Callable[[device], device]] = {}
_default: list[device] = [CPU]


def get_default_device() -> device:
    """get_default_device() -> device

    Where creation functions put tensors when not told.

    >>> torch.get_default_device()
    device(type='cpu')
    """
    return _default[0]


def set_default_device(place: "device | str | int | None") -> None:
    """set_default_device(device) -> None

    Set where creation functions put tensors when not told.

    >>> torch.set_default_device('meta')
    >>> torch.ones(2).is_meta
    True
    >>> torch.set_default_device('cpu')
    """
    _default[0] = CPU if place is None else resolve(place)


def resolve(place: "device | str | int | None") -> device:
    """The device meant by an argument; raises PyTorch's error for devices this build has not."""
    if place is None:
        return _default[0]
    found = place if isinstance(place, device) else device(place)
    if found.type in RESOLVERS:
        return RESOLVERS[found.type](found)
    if found.type not in ("cpu", "meta"):
        raise RuntimeError(
            f"Could not run on the '{found.type}' backend: rushlight has the devices 'cpu', 'cuda' "
            "and 'meta'."
        )
    return found


class layout:
    """How elements are stored: ``torch.strided``, ``torch.sparse_coo``, ...

    >>> torch.ones(2).layout, torch.eye(2).to_sparse().layout
    (torch.strided, torch.sparse_coo)
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


class memory_format:
    """The order of dimensions in memory: ``torch.contiguous_format``, ``torch.channels_last``.

    >>> x = torch.ones(1, 3, 4, 5).to(memory_format=torch.channels_last)
    >>> x.shape, x.stride()
    (torch.Size([1, 3, 4, 5]), (60, 1, 15, 3))
    """

    __slots__ = ("name",)

    def __init__(self, name: str) -> None:
        self.name = name

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> str:
        return self.name


strided = layout("strided")
sparse_coo = layout("sparse_coo")
sparse_csr = layout("sparse_csr")
sparse_csc = layout("sparse_csc")
sparse_bsr = layout("sparse_bsr")
sparse_bsc = layout("sparse_bsc")
jagged = layout("jagged")
contiguous_format = memory_format("contiguous_format")
preserve_format = memory_format("preserve_format")
channels_last = memory_format("channels_last")
channels_last_3d = memory_format("channels_last_3d")

LAYOUTS = {v.name: v for v in list(vars(sys.modules[__name__]).values()) if isinstance(v, layout)}
MEMORY_FORMATS = {
    v.name: v for v in list(vars(sys.modules[__name__]).values()) if isinstance(v, memory_format)
}
