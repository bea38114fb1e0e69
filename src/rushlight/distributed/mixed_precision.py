"""Mixed precision of DistributedDataParallel: forward and backward in another dtype than steps."""

import logging
from collections.abc import Iterable
from dataclasses import dataclass, fields, is_dataclass, replace
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.buckets import GradBucket
from rushlight.distributed.collectives import all_reduce
from rushlight.distributed.process_group import ProcessGroup
from rushlight.futures import Future

__all__ = ["Precisions"]

_log = logging.getLogger(__name__)


@dataclass
class _MixedPrecision:
    """_MixedPrecision(param_dtype=None, reduce_dtype=None, buffer_dtype=None): the dtypes of
    parameters and inputs in forward and backward, of gradients on their way, and of buffers.

    >>> from rushlight.nn.parallel.distributed import _MixedPrecision
    >>> _MixedPrecision(torch.bfloat16).param_dtype
    torch.bfloat16
    """

    param_dtype: torch.dtype | None = None
    reduce_dtype: torch.dtype | None = None
    buffer_dtype: torch.dtype | None = None


class Precisions:
    """The parameters of a model in two precisions.

    From a forward to the end of the backward that reduces its gradients they are what
    ``param_dtype`` says, then again what they were.
    """

    def __init__(self, config: _MixedPrecision, group: ProcessGroup) -> None:
        self.config, self.group = config, group
        self.params: list[torch.Tensor] = []
        self.full: list[torch.Tensor] | None = None  # while the parameters are in ``param_dtype``
        _log.warning("Received mixed precision config %s", config)

    def attach(self, params: Iterable[torch.Tensor], buffers: Iterable[torch.Tensor]) -> None:
        """Take the parameters; buffers get their dtype, once."""
        self.params = list(params)
        for b in buffers if self.config.buffer_dtype is not None else ():
            b.data = b.data.to(self.config.buffer_dtype)

    def lower(self) -> None:
        """Before a forward."""
        dtype = self.config.param_dtype
        if dtype is None or self.full is not None:
            return
        self.full = [p.data for p in self.params]
        for p, data in zip(self.params, self.full, strict=True):
            if p.grad is not None:  # what comes is added to it
                p.grad.data = p.grad.data.to(dtype)
            p.data = data.to(dtype)

    def restore(self) -> None:
        """After the gradients were reduced, or a forward without gradients."""
        if self.full is None:
            return
        for p, data in zip(self.params, self.full, strict=True):
            p.data = data
            if p.grad is not None:
                p.grad.data = p.grad.data.to(data.dtype)
        self.full = None

    def cast(self, value: Any) -> Any:
        """Inputs: floating point tensors in nested containers as ``param_dtype``."""
        dtype = self.config.param_dtype
        return value if dtype is None else _cast(value, dtype)


def reduce_in_precision(state: Precisions, bucket: GradBucket) -> Future:
    """The communication hook: the average, in ``reduce_dtype``."""
    total = bucket.buffer()
    if state.config.reduce_dtype is not None:
        total = total.to(state.config.reduce_dtype)
    work = all_reduce(total, group=state.group, async_op=True)
    if work is None:
        raise RuntimeError("a communication hook was called outside its group")
    return work.get_future().then(lambda _: total.div_(state.group.size()))


def _cast(value: Any, dtype: torch.dtype) -> Any:
    if isinstance(value, torch.Tensor):
        return value.to(dtype) if value.is_floating_point() else value
    if isinstance(value, dict):
        return {k: _cast(v, dtype) for k, v in value.items()}
    if is_dataclass(value) and not isinstance(value, type):
        parts = {f.name: _cast(getattr(value, f.name), dtype) for f in fields(value) if f.init}
        return replace(value, **parts)
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*(_cast(v, dtype) for v in value))
    if isinstance(value, (list, tuple, set)):
        return type(value)(_cast(v, dtype) for v in value)
    return value
