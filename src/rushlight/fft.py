"""torch.fft: discrete Fourier transforms. The operators live in ``rushlight._ops.fft``."""

from typing import TYPE_CHECKING, Any

from rushlight import _api
from rushlight._api import Tensor as Tensor

globals().update(_api.namespace("fft"))
__all__ = sorted(_api.namespace("fft"))

if TYPE_CHECKING:  # the names taken from the records

    def __getattr__(name: str) -> Any: ...
