"""torch.linalg: linear algebra. The operators live in ``rushlight._ops.linalg`` and its
neighbours.
"""

from typing import TYPE_CHECKING, Any

from rushlight import _api
from rushlight._ops.linalg_solve import LinAlgError as LinAlgError

globals().update(_api.namespace("linalg"))
__all__ = sorted([*_api.namespace("linalg"), "LinAlgError"])

if TYPE_CHECKING:  # the names taken from the records

    def __getattr__(name: str) -> Any: ...
