"""Batching rules of losses: what one example's loss is, in other operators."""

from typing import Any

from rushlight._core.decompose import decomposed
from rushlight._core.op import OPS

RULES: dict[str, Any] = {}


def reduced(loss: Any, reduction: str) -> Any:
    """The mean, the sum or the losses themselves."""
    return loss.mean() if reduction == "mean" else loss.sum() if reduction == "sum" else loss


def _mse(x: Any, y: Any, reduction: str) -> Any:
    d = x - y
    return reduced(d * d, reduction)


def _mse_backward(g: Any, x: Any, y: Any, reduction: str) -> Any:
    d = x - y
    return d * (g * (2 / max(d.numel(), 1) if reduction == "mean" else 2))


def unreduced_form(name: str, at: int) -> Any:
    """A loss by its own unreduced form, then reduced."""

    def loss(*args: Any) -> Any:
        args = (*args[:at], "none", *args[at + 1 :])
        return OPS[name].call(*args)

    def whole(*args: Any) -> Any:
        return reduced(loss(*args), args[at])

    return whole


def unreduced_backward(name: str, at: int) -> Any:
    """A loss's gradient by its unreduced form, the gradient of a mean shared first."""

    def whole(*args: Any) -> Any:
        g, x, y = args[:3]
        if args[at] == "mean":
            g = g / max(x.numel(), y.numel(), 1)
        return OPS[name].call(g, x, y, *args[3:at], "none", *args[at + 1 :])

    return whole


def elementwise(name: str, at: int, count: int) -> Any:
    """The rule of a loss: pointwise if unreduced, else its unreduced form on a level, reduced."""
    form = unreduced_backward if name.endswith("_backward") else unreduced_form
    on_level = decomposed(form(name, at))

    def rule(batch: Any, values: tuple, params: tuple) -> Any:
        if params[at - count] != "none":
            return on_level(batch, values, params)
        ndim = max([batch.ndim(t, i) for i, t in enumerate(values) if t is not None])
        return batch.call(*[batch.padded(t, i, ndim) for i, t in enumerate(values)], *params)

    return rule


def class_weights(target: Any, weight: Any, ignore_index: int, dtype: Any) -> tuple[Any, Any]:
    """Targets with the ignored ones at 0, and the weight of each."""
    kept = target != ignore_index
    safe = target.masked_fill(kept.logical_not(), 0)
    scale = kept.to(dtype)
    if weight is None:
        return safe, scale
    return safe, scale * weight.index_select(0, safe.reshape(-1)).reshape(safe.shape)


def _nll(x: Any, target: Any, weight: Any, reduction: str, ignore_index: int, ndim: int = 2) -> Any:
    at = 0 if x.dim() == 1 else 1
    safe, scale = class_weights(target, weight, ignore_index, x.dtype)
    losses = -x.gather(at, safe.long().unsqueeze(at)).squeeze(at) * scale
    losses = losses.masked_fill(scale == 0, 0.0)
    if reduction == "none":
        return losses
    return losses.sum() if reduction == "sum" else losses.sum() / scale.sum()


def _nll_backward(
    g: Any, target: Any, weight: Any, shape: Any, reduction: str, ignore_index: int
) -> Any:
    at = 0 if len(shape) == 1 else 1
    safe, scale = class_weights(target, weight, ignore_index, g.dtype)
    scale = -scale / scale.sum() if reduction == "mean" else -scale
    scale = scale * (g.reshape(scale.shape) if reduction == "none" else g)
    zeros = g.new_zeros(shape)
    return zeros.scatter(at, safe.long().unsqueeze(at), scale.unsqueeze(at))


def _cross_entropy(x: Any, target: Any, weight: Any, reduction: str, ignore_index: int) -> Any:
    logs = x.log_softmax(0 if x.dim() == 1 else 1)
    return _nll(logs, target, weight, reduction, ignore_index), logs


def _cross_entropy_backward(
    g: Any, logs: Any, target: Any, weight: Any, reduction: str, ignore_index: int
) -> Any:
    inner = _nll_backward(g, target, weight, tuple(logs.shape), reduction, ignore_index)
    at = 0 if logs.dim() == 1 else 1
    return inner - logs.exp() * inner.sum(at, keepdim=True)


def matrices(batch: Any, x: Any, target: Any, weight: Any, i: int) -> Any:
    """Logits (B, N, C) and targets (B, N) if that is what all examples have, else None."""
    if weight is not None or batch.ndim(x, i) != 2 or batch.ndim(target, i + 1) != 1:
        return None
    return batch.whole(x, i), batch.whole(target, i + 1)


def kept(target: Any, ignore_index: int, dtype: Any) -> Any:
    """How many rows of each example count."""
    return (target != ignore_index).sum(1).to(dtype)


def cross_entropy(batch: Any, values: tuple, params: tuple) -> Any:
    """The rows of all examples at once, reduced for each; otherwise on a level of its own."""
    x, target, weight = values
    reduction, ignore_index = params
    found = matrices(batch, x, target, weight, 0)
    if found is None:
        return ON_LEVEL(batch, values, params)
    x, target = found
    losses, logs = batch.call(x.flatten(0, 1), target.flatten(), None, "none", ignore_index)
    losses, logs = losses.reshape(target.shape), logs.reshape(x.shape)
    if reduction == "none":
        return losses, logs
    total = losses.sum(1)
    return total if reduction == "sum" else total / kept(target, ignore_index, x.dtype), logs


def cross_entropy_backward(batch: Any, values: tuple, params: tuple) -> Any:
    """The same backwards: each row gets its share of its example's gradient."""
    g, logs, target, weight = values
    reduction, ignore_index = params
    found = matrices(batch, logs, target, weight, 1)
    if found is None:
        return BACKWARD_ON_LEVEL(batch, values, params)
    logs, target = found
    g = batch.whole(g, 0)
    if reduction == "mean":
        g = g / kept(target, ignore_index, g.dtype)
    share = g if reduction == "none" else g.unsqueeze(1).expand(target.shape)
    made = batch.call(
        share.reshape((-1,)), logs.flatten(0, 1), target.flatten(), None, "none", ignore_index
    )
    return made.reshape(logs.shape)


ON_LEVEL = decomposed(_cross_entropy)
BACKWARD_ON_LEVEL = decomposed(_cross_entropy_backward)
RULES.update(
    mse_loss=decomposed(_mse),
    mse_loss_backward=decomposed(_mse_backward),
    l1_loss=elementwise("l1_loss", 2, 2),
    l1_loss_backward=elementwise("l1_loss_backward", 3, 3),
    smooth_l1_loss=elementwise("smooth_l1_loss", 2, 2),
    smooth_l1_loss_backward=elementwise("smooth_l1_loss_backward", 3, 3),
    huber_loss=elementwise("huber_loss", 2, 2),
    huber_loss_backward=elementwise("huber_loss_backward", 3, 3),
    soft_margin_loss=elementwise("soft_margin_loss", 2, 2),
    binary_cross_entropy=elementwise("binary_cross_entropy", 3, 3),
    binary_cross_entropy_backward=elementwise("binary_cross_entropy_backward", 4, 4),
    binary_cross_entropy_with_logits_backward=elementwise(
        "binary_cross_entropy_with_logits_backward", 3, 3
    ),
    binary_cross_entropy_with_logits=elementwise("binary_cross_entropy_with_logits", 4, 4),
    nll_loss=decomposed(_nll),
    nll_loss_backward=decomposed(_nll_backward),
    cross_entropy=cross_entropy,
    cross_entropy_backward=cross_entropy_backward,
)
