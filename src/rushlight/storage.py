"""torch.storage: the memory under tensors, by bytes and by elements."""

from rushlight._core.storage import UntypedStorage as UntypedStorage
from rushlight._core.typed_storage import CLASSES
from rushlight._core.typed_storage import TypedStorage as TypedStorage

globals().update(CLASSES)
