"""torch.utils.serialization.config: the defaults of `torch.save` and `torch.load`.

``config.load.mmap = True`` holds until the program ends, ``with config.patch("load.mmap", True):``
for a block.
"""

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

_HERE = "torch.utils.serialization.config"


class _Section:
    """A group of options; those that it has can be set, others are an AttributeError."""

    def __init__(self, name: str, **options: Any) -> None:
        vars(self)["_name"] = f"{_HERE}.{name}"
        vars(self).update(options)

    def __getattr__(self, name: str) -> Any:
        raise AttributeError(f"{vars(self).get('_name')}.{name} does not exist")

    def __setattr__(self, name: str, value: Any) -> None:
        if name not in vars(self) or name == "_name":
            raise AttributeError(f"{self._name}.{name} does not exist")
        vars(self)[name] = value


# mmap: map files unless told otherwise. endianness: of files that do not say theirs, None: little.
# mmap_flags: mmap.MAP_PRIVATE or MAP_SHARED. The last one is for speed in PyTorch; without effect.
load = _Section(
    "load",
    mmap=False,
    endianness=None,
    mmap_flags=None if sys.platform == "win32" else 2,
    calculate_storage_offsets=False,
)
# storage_alignment: records begin at its multiples. The pinned memory is for CUDA; without effect.
save = _Section("save", compute_crc32=True, use_pinned_memory_for_d2h=False, storage_alignment=64)
_SECTIONS = {"load": load, "save": save}


def get_config_copy() -> dict[str, Any]:
    """get_config_copy() -> dict: every option under its full name.

    >>> torch.utils.serialization.config.get_config_copy()["save.storage_alignment"]
    64
    """
    return {
        f"{name}.{option}": value
        for name, section in _SECTIONS.items()
        for option, value in vars(section).items()
        if option != "_name"
    }


@contextlib.contextmanager
def patch(arg1: str | dict[str, Any] | None = None, arg2: Any = None) -> Iterator[None]:
    """patch(name, value) or patch({name: value, ...})

    Context manager, also a decorator: the options have other values in the block.

    >>> config = torch.utils.serialization.config
    >>> with config.patch("load.mmap", True):
    ...     config.load.mmap
    True
    """
    changes = arg1 if isinstance(arg1, dict) else {arg1: arg2}
    places = [_place(name) for name in changes]
    before = [getattr(section, option) for section, option in places]
    try:
        for (section, option), value in zip(places, changes.values(), strict=True):
            setattr(section, option, value)
        yield
    finally:
        for (section, option), value in zip(places, before, strict=True):
            setattr(section, option, value)


def _place(name: str | None) -> tuple[_Section, str]:
    section, _, option = str(name).partition(".")
    if section not in _SECTIONS or not option:
        raise AttributeError(f"{_HERE}.{name} does not exist")
    return _SECTIONS[section], option


def __getattr__(name: str) -> Any:
    raise AttributeError(f"{_HERE}.{name} does not exist")
