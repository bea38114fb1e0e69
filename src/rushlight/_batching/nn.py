"""Batching rules of normalizations, pooling and activations with weights."""

from typing import Any

from rushlight._core.batch_rules import Batch, leading
from rushlight._core.decompose import decomposed

RULES: dict[str, Any] = {}


def rule(*names: str) -> Any:
    """Register a function as the rule of these operators."""

    def register(function: Any) -> Any:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


@rule("native_layer_norm", "native_group_norm", "native_batch_norm")
def normalize(batch: Batch, values: tuple, params: tuple) -> Any:
    """The batch is one more dimension of the shape that is standardized."""
    x, weight, bias = values
    view, affine, axes, eps = params
    padded = (batch.size, *[1] * (len(view) - len(affine)), *affine)
    if batch.mapped[1] or batch.mapped[2]:
        weight, bias = (
            None if t is None else batch.whole(t, i + 1) for i, t in enumerate((weight, bias))
        )
        affine = padded
    axes = tuple([a + 1 for a in axes])
    return batch.call(batch.whole(x, 0), weight, bias, (batch.size, *view), affine, axes, eps)


@rule("standardize_backward")
def standardize_backward(batch: Batch, values: tuple, params: tuple) -> Any:
    """The axes count one further."""
    whole = [batch.whole(t, i) for i, t in enumerate(values)]
    return batch.call(*whole, tuple([a + 1 for a in params[0]]))


def _inference(x: Any, weight: Any, bias: Any, mean: Any, var: Any, eps: float) -> Any:
    shape = (-1, *[1] * (x.dim() - 2))
    scale = (var + eps).rsqrt()
    scale = scale if weight is None else scale * weight
    shift = -mean * scale
    shift = shift if bias is None else shift + bias
    result = x * scale.reshape(shape) + shift.reshape(shape)
    return result.to(x.dtype)


def _prelu(x: Any, weight: Any) -> Any:
    return x.where(x > 0, x * weight)


def _norm_backward(g: Any, x: Any, weight: Any, mean: Any, rstd: Any, view: Any, axes: Any) -> Any:
    lead = x.dim() - weight.dim()
    dims = (*range(lead), *(lead + i for i, s in enumerate(weight.shape) if s == 1))
    hat = (x - mean) * rstd
    scaled = g * weight
    along = scaled.mean(axes, keepdim=True)
    to_input = rstd * (scaled - along - hat * (scaled * hat).mean(axes, keepdim=True))
    shape = weight.shape
    return to_input, (g * hat).sum(dims).reshape(shape), g.sum(dims).reshape(shape)


RULES.update(norm_backward=decomposed(_norm_backward))
RULES.update(batch_norm_inference=decomposed(_inference), prelu_kernel=decomposed(_prelu))


@rule(
    "max_pool",
    "max_pool_with_indices",
    "max_pool_backward",
    "max_pool_select",
    "avg_pool",
    "avg_pool_backward",
)
def pool(batch: Batch, values: tuple, params: tuple) -> Any:
    """Windows slide over the last dimensions; all before them are joined."""
    whole = [batch.whole(t, i) for i, t in enumerate(values)]
    if batch.ndim(values[0], 0) < 3:
        return batch.call(*whole, *params)
    lead = whole[0].shape[:2]
    joined = [t.reshape((lead[0] * lead[1], *t.shape[2:])) for t in whole]
    result = batch.call(*joined, *params)
    several = result if isinstance(result, tuple) else (result,)
    made = tuple([t.reshape((*lead, *t.shape[1:])) for t in several])
    return made if isinstance(result, tuple) else made[0]


@rule("plane_scatter")
def plane_scatter(batch: Batch, values: tuple, params: tuple) -> Any:
    """Planes of the whole batch."""
    shape, n = params
    return batch.call(batch.whole(values[0], 0), batch.whole(values[1], 1), (batch.size, *shape), n)


__all__ = ["RULES", "leading"]
