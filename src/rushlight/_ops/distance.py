"""Distances and similarities of vectors."""

import math

from rushlight._core.op import Op, public
from rushlight._core.shape import common_shape
from rushlight._core.state import S


@public("torch", "nn.functional", out=False)
def pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False):
    """pairwise_distance(x1, x2, p=2.0, eps=1e-6, keepdim=False) -> Tensor

    The norm of order ``p`` of ``x1 - x2 + eps`` along the last dimension.

    >>> torch.pairwise_distance(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0]]))
    tensor([5.0000])
    """
    return (x1 - x2 + eps).norm(p, -1, keepdim)


@public("torch", "nn.functional", out=False)
def cosine_similarity(x1, x2, dim=1, eps=1e-8):
    """cosine_similarity(x1, x2, dim=1, eps=1e-8) -> Tensor

    The cosine of the angle between vectors along ``dim``; norms below ``eps`` count as ``eps``.

    >>> torch.cosine_similarity(torch.tensor([[1.0, 0.0]]), torch.tensor([[1.0, 1.0]]))
    tensor([0.7071])
    """
    if not (x1.is_floating_point() or x2.is_floating_point() or x1.is_complex() or x2.is_complex()):
        dtype = str(x1.dtype).removeprefix("torch.")
        raise RuntimeError(
            "expected common dtype to be floating point, yet common dtype is "
            f"{_NAMES.get(dtype, dtype)}"
        )
    if x1.shape != x2.shape:
        shape = common_shape(x1.shape, x2.shape)
        x1, x2 = x1.expand(shape), x2.expand(shape)
    return (_unit(x1, dim, eps) * _unit(x2, dim, eps)).sum(dim)


_NAMES = {
    "int64": "Long",
    "int32": "Int",
    "int16": "Short",
    "int8": "Char",
    "uint8": "Byte",
    "bool": "Bool",
}


def _unit(x, dim, eps):
    norm = x.norm(2, dim, True)
    if not S.special and not norm.requires_grad:
        return x / norm.clamp(eps)
    # held off zero in value only, so that the gradient is the norm's own
    return x / (norm + (norm.clamp(min=eps) - norm).detach())


def _distance_forward(xp, d, p):
    """The norm of order p of differences along the last dimension."""
    if d.shape[-1] == 0:
        return xp.zeros(d.shape[:-1], d.dtype)
    d = xp.abs(d)
    if p == 0:
        return (d != 0).sum(-1).astype(d.dtype)
    if p == 1:
        return d.sum(-1)
    if p == math.inf:
        return d.max(-1)
    if p == 2:
        return xp.sqrt((d * d).sum(-1))
    return (d**p).sum(-1) ** (1 / p)


def _slope(difference, distance, p):
    """d distance / d difference, as Tensors; zero where the distance is."""
    if p == 0:
        return difference * 0
    if p == 1:
        return difference.sign()
    distance = distance.unsqueeze(-1)
    apart = distance != 0
    if p == math.inf:
        return difference.sign() * (difference.abs() == distance) * apart
    safe = distance.where(apart, 1.0)
    if p == 2:
        return difference / safe * apart
    size = difference.abs()
    if p < 1:  # a coordinate that agrees has no slope, rather than an infinite one
        size = size.where(size != 0, 1.0)
    return difference.sign() * (size / safe) ** (p - 1) * apart


class CdistForward(Op):
    """Distances of all pairs of rows: (..., P, M), (..., R, M) -> (..., P, R)."""

    tensors = ("input", "other")
    public = ()
    grad_name = "CdistBackward0"

    def forward(xp, x, y, p):
        if p == 2 and (x.shape[-2] > 25 or y.shape[-2] > 25):
            square = xp.matmul(x, y.swapaxes(-1, -2)) * -2
            square = square + (x * x).sum(-1)[..., :, None] + (y * y).sum(-1)[..., None, :]
            return xp.sqrt(xp.maximum(square, 0))
        return _distance_forward(xp, x[..., :, None, :] - y[..., None, :, :], p)

    def vjp(g, input, other, result, p, need):
        if p == 2:
            share = (g / result.where(result != 0, 1.0)) * (result != 0)
            to_input = share.sum(-1).unsqueeze(-1) * input - share.matmul(other)
            turned = share.transpose(-1, -2)
            to_other = turned.sum(-1).unsqueeze(-1) * other - turned.matmul(input)
            return to_input, to_other
        slope = g.unsqueeze(-1) * _slope(input.unsqueeze(-2) - other.unsqueeze(-3), result, p)
        return slope.sum(-2) if need[0] else None, -slope.sum(-3) if need[1] else None


@public("torch", out=False)
def cdist(x1, x2, p=2.0, compute_mode="use_mm_for_euclid_dist_if_necessary"):
    """cdist(x1, x2, p=2.0, compute_mode='use_mm_for_euclid_dist_if_necessary') -> Tensor

    The distance of order ``p`` between each row of ``x1`` (..., P, M) and each of ``x2`` (..., R,
    M).

    >>> torch.cdist(torch.tensor([[0.0, 0.0]]), torch.tensor([[3.0, 4.0], [0.0, 1.0]]))
    tensor([[5., 1.]])
    """
    for name, x in (("X1", x1), ("X2", x2)):
        if not x.is_floating_point():
            dtype = str(x.dtype).removeprefix("torch.")
            raise RuntimeError(
                f"cdist only supports floating-point dtypes, {name} got: {_NAMES.get(dtype, dtype)}"
            )
    for name, x in (("X1", x1), ("X2", x2)):
        if x.dim() < 2:
            raise RuntimeError(f"cdist only supports at least 2D tensors, {name} got: {x.dim()}D")
    if x1.shape[-1] != x2.shape[-1]:
        raise RuntimeError(
            f"X1 and X2 must have the same number of columns. X1: {x1.shape[-1]} X2: {x2.shape[-1]}"
        )
    if p < 0:
        raise RuntimeError("cdist only supports non-negative p values")
    if compute_mode not in _MODES:
        raise ValueError(f"{compute_mode} is not a valid value for compute_mode")
    return CdistForward.call(x1, x2, float(p))


_MODES = (
    "use_mm_for_euclid_dist_if_necessary",
    "use_mm_for_euclid_dist",
    "donot_use_mm_for_euclid_dist",
)


@public("torch", "nn.functional", out=False)
def pdist(input, p=2.0):
    """pdist(input, p=2.0) -> Tensor

    The distance of order ``p`` between each two rows of a matrix: the upper triangle of
    :func:`cdist`, flat.

    >>> torch.pdist(torch.tensor([[0.0], [1.0], [3.0]]))
    tensor([1., 3., 2.])
    """
    if input.dim() != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.dim()}D")
    if not input.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError("pdist only supports non-negative p values")
    return PdistForward.call(input, float(p))


class PdistForward(Op):
    """Distances of pairs i < j of rows."""

    public = ()
    grad_name = "PdistBackward0"

    def forward(xp, x, p):
        i, j = xp.triu_indices(len(x), 1)
        return _distance_forward(xp, x[i] - x[j], p)

    def vjp(g, input, result, p):
        n = input.shape[0]
        above = input.new_ones(n, n).triu(1).nonzero()
        i, j = above[:, 0], above[:, 1]
        slope = g.unsqueeze(-1) * _slope(input[i] - input[j], result, p)
        return input.new_zeros(input.shape).index_add(0, i, slope).index_add(0, j, -slope)
