"""torch.distributed.checkpoint.metadata: the list of what is where in a checkpoint's folder."""

import os
from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import Enum
from typing import Any

from rushlight import _api as torch

__all__ = [
    "BytesStorageMetadata",
    "ChunkStorageMetadata",
    "Metadata",
    "MetadataIndex",
    "StorageMeta",
    "TensorProperties",
    "TensorStorageMetadata",
]


@dataclass
class ChunkStorageMetadata:
    """ChunkStorageMetadata(offsets, sizes): a part of a tensor, by where it begins in the whole.

    >>> from rushlight.distributed.checkpoint import ChunkStorageMetadata
    >>> ChunkStorageMetadata(torch.Size([0, 2]), torch.Size([4, 2]))
    ChunkStorageMetadata(offsets=torch.Size([0, 2]), sizes=torch.Size([4, 2]))
    """

    offsets: torch.Size
    sizes: torch.Size


class _MEM_FORMAT_ENCODING(Enum):  # the name that PyTorch's files have
    TORCH_CONTIGUOUS_FORMAT = 0
    TORCH_CHANNELS_LAST = 1
    TORCH_PRESERVE_FORMAT = 2


_ENCODED = {
    torch.contiguous_format: _MEM_FORMAT_ENCODING.TORCH_CONTIGUOUS_FORMAT,
    torch.channels_last: _MEM_FORMAT_ENCODING.TORCH_CHANNELS_LAST,
    torch.preserve_format: _MEM_FORMAT_ENCODING.TORCH_PRESERVE_FORMAT,
}


@dataclass
class TensorProperties:
    """TensorProperties(dtype=torch.float32, ...): what a saved tensor is besides its sizes.

    >>> from rushlight.distributed.checkpoint.metadata import TensorProperties
    >>> TensorProperties.create_from_tensor(torch.ones(2, dtype=torch.int8)).dtype
    torch.int8
    """

    dtype: torch.dtype = field(default_factory=torch.get_default_dtype)
    layout: torch.layout = field(default=torch.strided)
    requires_grad: bool = False
    memory_format: torch.memory_format = field(default=torch.contiguous_format)
    pin_memory: bool = False

    def __getstate__(self) -> tuple:
        return (
            self.dtype,
            self.layout,
            self.requires_grad,
            _ENCODED[self.memory_format],
            self.pin_memory,
        )

    def __setstate__(self, state: tuple) -> None:
        self.dtype, self.layout, self.requires_grad, code, self.pin_memory = state
        self.memory_format = next(f for f, c in _ENCODED.items() if c is code)

    @staticmethod
    def create_from_tensor(tensor: torch.Tensor) -> "TensorProperties":
        """Those of a tensor."""
        return TensorProperties(tensor.dtype, requires_grad=tensor.requires_grad)


@dataclass
class TensorStorageMetadata:
    """TensorStorageMetadata(properties, size, chunks): a saved tensor and its parts.

    >>> from rushlight.distributed import checkpoint
    >>> from rushlight.distributed.checkpoint.metadata import TensorProperties
    >>> checkpoint.TensorStorageMetadata(TensorProperties(), torch.Size([2]), []).size
    torch.Size([2])
    """

    properties: TensorProperties
    size: torch.Size
    chunks: list[ChunkStorageMetadata]


@dataclass
class BytesStorageMetadata:
    """BytesStorageMetadata(): a saved object that is no tensor.

    >>> from rushlight.distributed.checkpoint import BytesStorageMetadata
    >>> BytesStorageMetadata()
    BytesStorageMetadata()
    """


@dataclass
class StorageMeta:
    """StorageMeta(checkpoint_id=None, save_id=None, load_id=None, modules=[]): of one saving.

    >>> from rushlight.distributed.checkpoint.metadata import StorageMeta
    >>> StorageMeta("folder").checkpoint_id
    'folder'
    """

    checkpoint_id: str | os.PathLike | None = None
    save_id: str | None = None
    load_id: str | None = None
    modules: list[str] = field(default_factory=list)


@dataclass
class Metadata:
    """Metadata(state_dict_metadata, planner_data=None, storage_data=None, storage_meta=None,
    version=None)

    What is in a checkpoint: ``state_dict_metadata`` by name, ``planner_data`` the ways to the names
    in the nested state, ``storage_data`` the places in files.

    >>> from rushlight.distributed.checkpoint import Metadata
    >>> Metadata({}).version is None
    True
    """

    state_dict_metadata: dict[str, TensorStorageMetadata | BytesStorageMetadata]
    planner_data: Any = None
    storage_data: Any = None
    storage_meta: StorageMeta | None = None
    version: str | None = None


@dataclass(frozen=True)
class MetadataIndex:
    """MetadataIndex(fqn, offset=None, index=None): a saved part, by the tensor's name and where it
    begins.

    >>> from rushlight.distributed.checkpoint.metadata import MetadataIndex
    >>> MetadataIndex("w", (0, 2)) == MetadataIndex("w", (0, 2), index=1)
    True
    """

    fqn: str
    offset: torch.Size | None = None
    index: int | None = field(hash=False, compare=False, default=None)

    def __init__(
        self, fqn: str, offset: Sequence[int] | None = None, index: int | None = None
    ) -> None:
        object.__setattr__(self, "fqn", fqn)
        object.__setattr__(self, "index", index)
        object.__setattr__(self, "offset", None if offset is None else torch.Size(offset))


STATE_DICT_TYPE = dict[str, Any]
STORAGE_TYPES = TensorStorageMetadata | BytesStorageMetadata
