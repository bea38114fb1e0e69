"""torch.storage: the memory under tensors, by bytes and by elements."""

import io
from typing import TYPE_CHECKING, Any

from rushlight._core.storage import UntypedStorage as UntypedStorage
from rushlight._core.typed_storage import CLASSES
from rushlight._core.typed_storage import TypedStorage as TypedStorage
from rushlight.serialization.loading import load

globals().update(CLASSES)
Storage = CLASSES["FloatStorage"]  # torch.Storage

if TYPE_CHECKING:  # FloatStorage and its like

    def __getattr__(name: str) -> Any: ...


def _load_from_bytes(data: bytes) -> object:
    """What plain pickles of PyTorch's tensors call for their storages."""
    return load(io.BytesIO(data), weights_only=False)
