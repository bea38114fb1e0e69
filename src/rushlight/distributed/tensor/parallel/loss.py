"""loss_parallel: cross entropy of logits whose classes are spread over processes."""

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from rushlight import _api as torch
from rushlight.autograd import Function
from rushlight.distributed.tensor.dtensor import RULES_BY_NAME, DTensor, from_local, local_or
from rushlight.distributed.tensor.moves import Reduce, reduced
from rushlight.distributed.tensor.placement_types import Replicate, Shard
from rushlight.distributed.tensor.rules import softmax

__all__ = ["loss_parallel"]


class _LogSoftmax(Function):
    """log_softmax along dimension 1, of which each process has a part: (N, classes here, ...)."""

    @staticmethod
    def forward(ctx: Any, logits: torch.Tensor, group: Any) -> torch.Tensor:
        """Only the maxima and the sums travel: (N, ...)."""
        ctx.group = group
        shifted = logits - reduced(_top(logits), group, "max").unsqueeze(1)
        out = shifted - reduced(shifted.exp().sum(1), group).log().unsqueeze(1)
        ctx.save_for_backward(out)
        return out

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        """g - softmax * sum(g)."""
        (out,) = ctx.saved_tensors
        return g - out.exp() * reduced(g.sum(1), ctx.group).unsqueeze(1), None


def _top(logits: torch.Tensor) -> torch.Tensor:
    """The largest logit of each sample here; -inf where this process has no classes."""
    if logits.shape[1]:
        return logits.amax(1)
    return torch.full((logits.shape[0], *logits.shape[2:]), float("-inf"), dtype=logits.dtype)


def _is_cut(input: Any) -> bool:
    """Are the classes spread over the processes?"""
    if not isinstance(input, DTensor) or input.ndim < 2 or Shard(1) not in input.placements:
        return False
    if input.device_mesh.ndim != 1:
        raise NotImplementedError("loss_parallel needs a mesh of one dimension: slice it")
    return True


def _log_softmax(func: Any, input: Any, dim: Any, *rest: Any, **named: Any) -> Any:
    if not _is_cut(input) or dim % input.ndim != 1:
        return softmax(func, input, dim, *rest, **named)
    out = _LogSoftmax.apply(input.to_local(), input.device_mesh.get_group())
    return from_local(out, input.device_mesh, input.placements, input.shape)


def _nll_loss(
    func: Any,
    input: Any,
    target: Any,
    weight: Any = None,
    reduction: str = "mean",
    ignore_index: int = -100,
    ndim: int = 2,
) -> Any:
    if not _is_cut(input):
        return NotImplemented
    mesh, everywhere = input.device_mesh, (Replicate(),)
    group = mesh.get_group()
    ids = local_or(target, mesh, everywhere)
    counted = ids != ignore_index
    known = ids.where(counted, torch.zeros_like(ids))
    losses = -_own(input.to_local(), known, input.shape[1], group)
    factors = counted.to(losses.dtype)
    if weight is not None:
        factors = factors * local_or(weight, mesh, everywhere)[known]
    losses = losses * factors
    if reduction == "mean":
        losses = losses.sum() / factors.sum()
    elif reduction == "sum":
        losses = losses.sum()
    return from_local(losses, mesh, everywhere, losses.shape)


def _own(logs: torch.Tensor, ids: torch.Tensor, classes: int, group: Any) -> torch.Tensor:
    """The values at the targets, of which each process has some."""
    _, first = Shard.local_shard_size_and_offset(classes, group.size(), group.rank())
    here = (ids >= first) & (ids < first + logs.shape[1])
    if logs.shape[1]:
        places = (ids - first).clamp(0, logs.shape[1] - 1).unsqueeze(1)
        found = logs.gather(1, places).squeeze(1) * here
    else:
        found = logs.sum(1)
    return Reduce.apply(found, group, "sum")


def _cross_entropy(func: Any, input: Any, target: Any, *rest: Any, **named: Any) -> Any:
    if not _is_cut(input):
        return NotImplemented
    logs = _log_softmax(func, input, 1)
    return _nll_loss(func, logs, target, *rest, **named), logs


_INSIDE: dict[str, Callable[..., Any]] = {
    "log_softmax": _log_softmax,
    "nll_loss": _nll_loss,
    "cross_entropy": _cross_entropy,
}


@contextlib.contextmanager
def loss_parallel() -> Iterator[None]:
    """loss_parallel(): in the block ``cross_entropy`` of logits that are sharded along the classes
    (the output of a ``ColwiseParallel`` layer with ``use_local_output=False``) is computed on the
    parts; the loss is the same on all processes. ``backward`` belongs into the block, too.

    NotImplementedError for meshes of several dimensions.

    >>> from rushlight.distributed.tensor import Shard, distribute_tensor
    >>> from rushlight.distributed.tensor.parallel import loss_parallel
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1,))
    >>> logits = distribute_tensor(torch.zeros(2, 4), mesh, [Shard(1)])
    >>> with loss_parallel():
    ...     loss = torch.nn.functional.cross_entropy(logits, torch.tensor([1, 3]))
    >>> loss.full_tensor()
    tensor(1.3863)
    >>> torch.distributed.destroy_process_group()
    """
    before = dict(RULES_BY_NAME)
    RULES_BY_NAME.update(_INSIDE)
    try:
        yield
    finally:
        RULES_BY_NAME.clear()
        RULES_BY_NAME.update(before)
