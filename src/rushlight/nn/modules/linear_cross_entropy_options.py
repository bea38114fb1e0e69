"""Options of linear_cross_entropy."""

import dataclasses
from typing import Any

from rushlight import _api as torch

__all__ = ["LinearCrossEntropyOptions"]


@dataclasses.dataclass(slots=True, frozen=True)
class LinearCrossEntropyOptions:
    """LinearCrossEntropyOptions(...): how PyTorch cuts the batch into chunks to save memory.

    The loss is the same for all of them; here it is computed in one piece.

    >>> options = torch.nn.LinearCrossEntropyOptions()
    >>> m = torch.nn.LinearCrossEntropyLoss(4, 5, options=options)
    >>> m(torch.ones(3, 4), torch.arange(3)).shape
    torch.Size([])
    """

    allow_retain_graph: bool = False
    batch_chunk_size: int | None = None
    chunking_method: str | None = "auto"
    acc_policy: str = "auto"
    acc_dtype: Any = None

    def __post_init__(self) -> None:
        if self.acc_policy not in ("auto", "accurate", "balanced", "compact"):
            raise ValueError(f"invalid acc_policy: {self.acc_policy!r}")
        if self.chunking_method not in (None, "auto"):
            name, colon, factor = self.chunking_method.partition(":")
            positive = not colon or (factor.isdigit() and int(factor) > 0)
            if name != "aspect_ratio" or not positive:
                raise ValueError(f"invalid chunking_method: {self.chunking_method!r}")
        size = self.batch_chunk_size
        if size is not None and not (isinstance(size, int) and size > 0):
            raise ValueError(f"batch_chunk_size must be positive int or None, got {size!r}")
        allowed = (None, torch.float16, torch.bfloat16, torch.float32, torch.float64)
        if self.acc_dtype not in allowed:
            raise ValueError(
                "acc_dtype must be one of {None, torch.float16, torch.bfloat16, "
                f"torch.float32, torch.float64}}, got {self.acc_dtype!r}. Pass "
                "acc_dtype=None to let the op pick automatically."
            )
