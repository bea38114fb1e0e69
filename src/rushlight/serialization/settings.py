"""The switches of saving and loading: checksums, byte order, memory mapping, alignment."""

import enum
import mmap
import sys
import threading

from rushlight.utils.serialization import config

MAP_SHARED = getattr(mmap, "MAP_SHARED", 1)
MAP_PRIVATE = getattr(mmap, "MAP_PRIVATE", 2)


class LoadEndianness(enum.Enum):
    """The byte order of files that do not say theirs.

    >>> [order.name for order in torch.serialization.LoadEndianness]
    ['NATIVE', 'LITTLE', 'BIG']
    """

    NATIVE = 1
    LITTLE = 2
    BIG = 3


def get_crc32_options() -> bool:
    """get_crc32_options() -> bool

    Whether checksums are computed on saving and checked on loading.

    >>> torch.serialization.get_crc32_options()
    True
    """
    return config.save.compute_crc32


def set_crc32_options(compute_crc32: bool) -> None:
    """set_crc32_options(compute_crc32)

    Whether `save` writes checksums (tools that unzip need them) and `load` checks those it finds.

    >>> torch.serialization.set_crc32_options(False)
    >>> torch.serialization.get_crc32_options()
    False
    >>> torch.serialization.set_crc32_options(True)
    """
    config.save.compute_crc32 = compute_crc32


def get_default_load_endianness() -> LoadEndianness | None:
    """get_default_load_endianness() -> LoadEndianness or None

    The byte order taken for files that do not say theirs; None means little.

    >>> print(torch.serialization.get_default_load_endianness())
    None
    """
    return config.load.endianness


def set_default_load_endianness(endianness: LoadEndianness | None) -> None:
    """set_default_load_endianness(endianness)

    Set the byte order taken for files that do not say theirs.

    >>> torch.serialization.set_default_load_endianness(torch.serialization.LoadEndianness.BIG)
    >>> torch.serialization.get_default_load_endianness().name
    'BIG'
    >>> torch.serialization.set_default_load_endianness(None)
    """
    if endianness is not None and not isinstance(endianness, LoadEndianness):
        raise TypeError("Invalid argument type in function set_default_load_endianness")
    config.load.endianness = endianness


def unmarked_byte_order() -> str:
    """The byte order, "little" or "big", of a file without a mark."""
    order = config.load.endianness or LoadEndianness.LITTLE
    return sys.byteorder if order is LoadEndianness.NATIVE else order.name.lower()


def get_default_mmap_options() -> int:
    """get_default_mmap_options() -> int

    The flag `load(mmap=True)` maps files with: ``mmap.MAP_PRIVATE`` or ``mmap.MAP_SHARED``.

    >>> import mmap
    >>> torch.serialization.get_default_mmap_options() == mmap.MAP_PRIVATE
    True
    """
    return config.load.mmap_flags


class set_default_mmap_options:
    """set_default_mmap_options(flags)

    Set how `load(mmap=True)` maps files; as a context manager, for the length of a block.

    >>> import mmap
    >>> with torch.serialization.set_default_mmap_options(mmap.MAP_SHARED):
    ...     torch.serialization.get_default_mmap_options() == mmap.MAP_SHARED
    True
    """

    def __init__(self, flags: int) -> None:
        if sys.platform == "win32":
            raise RuntimeError(
                "Changing the default mmap options is currently not supported for Windows"
            )
        if flags not in (MAP_PRIVATE, MAP_SHARED):
            raise ValueError(
                "Invalid argument in function set_default_mmap_options, expected mmap.MAP_PRIVATE "
                f"or mmap.MAP_SHARED, but got {flags}"
            )
        self._before = config.load.mmap_flags
        config.load.mmap_flags = flags

    def __enter__(self) -> None:
        pass

    def __exit__(self, *exc: object) -> None:
        config.load.mmap_flags = self._before


class _Thread(threading.local):
    skip_data = False


thread = _Thread()


class skip_data:
    """skip_data(materialize_fake_tensors=False)

    Context manager: `save` leaves zeros where the elements of tensors belong, `load` does not read
    them, so that both only handle the structure. `materialize_fake_tensors` must be False: there
    are no fake tensors here.

    >>> import io
    >>> buffer = io.BytesIO()
    >>> with torch.serialization.skip_data():
    ...     torch.save(torch.ones(3), buffer)
    >>> _ = buffer.seek(0)
    >>> torch.load(buffer)
    tensor([0., 0., 0.])
    """

    def __init__(self, materialize_fake_tensors: bool = False) -> None:
        if materialize_fake_tensors:
            raise NotImplementedError("there are no fake tensors in rushlight")
        self.materialize_fake_tensors = materialize_fake_tensors

    def __enter__(self) -> None:
        self._before, thread.skip_data = thread.skip_data, True

    def __exit__(self, *exc: object) -> None:
        thread.skip_data = self._before


def get_storage_alignment() -> int:
    """get_storage_alignment() -> int

    The multiple of bytes at which records of a saved file begin.
    """
    return config.save.storage_alignment


def set_storage_alignment(alignment: int) -> None:
    """set_storage_alignment(alignment)

    Set the multiple of bytes at which records of a saved file begin (64 unless set).
    """
    if alignment < 1:
        raise ValueError(f"the alignment must be at least 1, got {alignment}")
    config.save.storage_alignment = alignment
