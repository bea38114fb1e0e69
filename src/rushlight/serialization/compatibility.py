"""Small public names of torch.serialization that older programs and tools use."""

import contextlib
import os
import tempfile
import types
from collections.abc import Callable, Iterator
from typing import IO

from rushlight._core import dtypes
from rushlight._core.device import device
from rushlight._core.legacy import TENSOR_TYPES
from rushlight._core.typed_storage import CLASSES, NAMES, TypedStorage

# What `load` takes as a file, and as map_location.
FILE_LIKE = str | os.PathLike[str] | IO[bytes]
MAP_LOCATION = Callable | device | str | dict[str, str] | None


class SourceChangeWarning(Warning):
    """The source text kept with a class in an old file is not that of the class now.

    >>> issubclass(torch.serialization.SourceChangeWarning, Warning)
    True
    """


class StorageType:
    """StorageType(name)

    What a file means by the name of a storage class: the dtype of its elements.

    >>> torch.serialization.StorageType('FloatStorage').dtype
    torch.float32
    """

    def __init__(self, name: str) -> None:
        self._dtype = dtypes.uint8 if name == "UntypedStorage" else CLASSES[name].dtype

    @property
    def dtype(self) -> dtypes.dtype:
        """The dtype of the elements."""
        return self._dtype

    def __str__(self) -> str:
        return f"StorageType(dtype={self.dtype})"


def normalize_storage_type(storage_type: type) -> type:
    """normalize_storage_type(storage_type) -> type

    The storage class of that name in the namespace torch.

    >>> torch.serialization.normalize_storage_type(torch.FloatStorage).__name__
    'FloatStorage'
    """
    return CLASSES[storage_type.__name__]


def storage_to_tensor_type(storage: TypedStorage) -> type:
    """storage_to_tensor_type(storage) -> type

    The tensor type of a storage's elements, such as ``torch.FloatTensor``.

    >>> torch.serialization.storage_to_tensor_type(torch.ones(1).storage()).__name__
    'FloatTensor'
    """
    return TENSOR_TYPES[NAMES[storage.dtype].replace("Storage", "Tensor")]


@contextlib.contextmanager
def mkdtemp() -> Iterator[str]:
    """mkdtemp()

    Context manager: the path of a new folder, which is removed at the end.

    >>> import os
    >>> with torch.serialization.mkdtemp() as folder:
    ...     os.listdir(folder)
    []
    """
    with tempfile.TemporaryDirectory() as path:
        yield path


def check_module_version_greater_or_equal(
    module: types.ModuleType, req_version_tuple: tuple, error_if_malformed: bool = True
) -> bool:
    """check_module_version_greater_or_equal(module, req_version_tuple, error_if_malformed=True)

    Whether a module's version is at least the one asked for, compared part by part.

    RuntimeError for a version that cannot be compared, or True if `error_if_malformed` is False.

    >>> import types
    >>> module = types.SimpleNamespace(__name__='some', __version__='1.10.2')
    >>> torch.serialization.check_module_version_greater_or_equal(module, (1, 9))
    True
    """
    parts = module.__version__.split(".")
    try:
        found = tuple(
            type(wanted)(part) for wanted, part in zip(req_version_tuple, parts, strict=False)
        )
    except (TypeError, ValueError) as error:
        if not error_if_malformed:
            return True
        raise RuntimeError(
            f"'{module.__name__}' module version is malformed string: {module.__version__}"
        ) from error
    return found >= req_version_tuple
