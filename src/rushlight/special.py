"""torch.special: special functions of mathematics. The operators live in ``_ops/special*.py``."""

from typing import TYPE_CHECKING, Any

from rushlight import _api
from rushlight._api import logsumexp as logsumexp

globals().update(_api.namespace("special"))
__all__ = sorted({*_api.namespace("special"), "logsumexp"})

if TYPE_CHECKING:  # the names taken from the records

    def __getattr__(name: str) -> Any: ...
