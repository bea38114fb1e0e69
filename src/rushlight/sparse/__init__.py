"""torch.sparse: operations on sparse tensors. They live in ``rushlight._ops.sparse`` and its
neighbours.
"""

from typing import TYPE_CHECKING, Any

from rushlight import _api
from rushlight._ops.sparse_create import (
    check_sparse_tensor_invariants as check_sparse_tensor_invariants,
)
from rushlight.sparse.gradcheck import as_sparse_gradcheck as as_sparse_gradcheck

globals().update(_api.namespace("sparse"))
__all__ = sorted(
    [*_api.namespace("sparse"), "as_sparse_gradcheck", "check_sparse_tensor_invariants"]
)

if TYPE_CHECKING:  # the names taken from the records

    def __getattr__(name: str) -> Any: ...
