"""torch.types: names for what arguments may be."""

import os
from collections.abc import Sequence
from typing import IO

from rushlight._api import Size, Tensor
from rushlight._api import device as _device
from rushlight._api import dtype as _dtype  # noqa: F401 (importable here)
from rushlight._api import layout as _layout  # noqa: F401
from rushlight._core.storage import UntypedStorage as Storage

__all__ = ["Device", "FileLike", "Number", "Storage"]

Number = int | float | bool
_Number = (int, float, bool)
Device = _device | str | int | None
FileLike = str | os.PathLike[str] | IO[bytes]
_int, _float, _bool, _str, _bytes, _complex = int, float, bool, str, bytes, complex
_size = Size | list[int] | tuple[int, ...]
_TensorOrTensors = Tensor | Sequence[Tensor]
_TensorOrOptionalTensors = Tensor | Sequence[Tensor | None]
