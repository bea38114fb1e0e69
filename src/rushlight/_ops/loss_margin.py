"""Losses of pairs and triplets, and of margins."""

from rushlight._core.op import Op, public
from rushlight._ops.distance import pairwise_distance
from rushlight._ops.reduction import chosen, reduce_array, reduced, unreduced


class SoftMarginLoss(Op):
    """log(1 + exp(-y x))."""

    tensors = ("input", "target")
    public = ()

    def forward(xp, x, y, reduction):
        return reduce_array(xp.log1p(xp.exp(-y * x)), reduction)

    def vjp_input(g, input, target, reduction):
        slope = -target * (-target * input).sigmoid()
        return unreduced(g, reduction, slope.numel()) * slope

    def vjp_target(g, input, target, reduction):
        slope = -input * (-target * input).sigmoid()
        return unreduced(g, reduction, slope.numel()) * slope


@public("nn.functional", out=False)
def soft_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """soft_margin_loss(input, target, size_average=None, reduce=None, reduction='mean') -> Tensor

    ``log(1 + exp(-y x))`` for targets ``y`` of 1 and -1.

    >>> torch.nn.functional.soft_margin_loss(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    return SoftMarginLoss.call(input, target, chosen(size_average, reduce, reduction))


@public("nn.functional", out=False)
def hinge_embedding_loss(
    input, target, margin=1.0, size_average=None, reduce=None, reduction="mean"
):
    """hinge_embedding_loss(input, target, margin=1.0, size_average=None, reduce=None,
    reduction='mean') -> Tensor

    ``x`` where the target is 1, ``max(0, margin - x)`` where it is -1.

    >>> torch.nn.functional.hinge_embedding_loss(torch.tensor([0.25, 0.25]), torch.tensor([1, -1]))
    tensor(0.5000)
    """
    reduction = chosen(size_average, reduce, reduction)
    zero = input.new_zeros(())
    near = (margin - input).clamp_min(0).where(target != 1, zero)
    return reduced(near + input.where(target != -1, zero), reduction)


@public("nn.functional", out=False)
def margin_ranking_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """margin_ranking_loss(input1, input2, target, margin=0, size_average=None, reduce=None,
    reduction='mean') -> Tensor

    ``max(0, -y (x1 - x2) + margin)``: the first should rank higher where ``y`` is 1, the second
    where it is -1.

    >>> low, high = torch.tensor([1.0]), torch.tensor([3.0])
    >>> torch.nn.functional.margin_ranking_loss(low, high, torch.tensor([1.0]))
    tensor(2.)
    """
    reduction = chosen(size_average, reduce, reduction)
    if not input1.dim() == input2.dim() == target.dim():
        raise RuntimeError(
            "margin_ranking_loss : All input tensors should have same dimension but got sizes: "
            "input1: "
            f"{input1.size()}, input2: {input2.size()}, target: {target.size()} "
        )
    return reduced((-target * (input1 - input2) + margin).clamp_min(0), reduction)


@public("nn.functional", out=False)
def cosine_embedding_loss(
    input1, input2, target, margin=0, size_average=None, reduce=None, reduction="mean"
):
    """cosine_embedding_loss(input1, input2, target, margin=0, size_average=None, reduce=None,
    reduction='mean') -> Tensor

    ``1 - cos(x1, x2)`` where the target is 1, ``max(0, cos(x1, x2) - margin)`` where it is -1.

    >>> x = torch.tensor([[1.0, 0.0]])
    >>> torch.nn.functional.cosine_embedding_loss(x, x, torch.tensor([-1]))
    tensor(1.)
    """
    reduction = chosen(size_average, reduce, reduction)
    if target.dim() > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.dim() == 1 and (input1.dim() != 2 or input2.dim() != 2):
        raise RuntimeError(
            "1D target tensor expects 2D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    if target.dim() == 0 and (input1.dim() != 1 or input2.dim() != 1):
        raise RuntimeError(
            "0D target tensor expects 1D input tensors, but found inputs with sizes "
            f"{list(input1.shape)} and {list(input2.shape)}."
        )
    dim = target.dim()
    tiny = 1e-12
    inner = (input1 * input2).sum(dim)
    first, second = (input1 * input1).sum(dim) + tiny, (input2 * input2).sum(dim) + tiny
    cosine = inner / (first * second).sqrt()
    zero = cosine.new_zeros(())
    loss = (1 - cosine).where(target == 1, zero) + (cosine - margin).clamp_min(0).where(
        target == -1, zero
    )
    return reduced(loss, reduction)


def _check_triplet(anchor, positive, negative):
    dims = anchor.dim(), positive.dim(), negative.dim()
    if len(set(dims)) > 1:
        raise RuntimeError(
            "The anchor, positive, and negative tensors are expected to have the same number of "
            "dimensions, but got: "
            f"anchor {dims[0]}D, positive {dims[1]}D, and negative {dims[2]}D inputs"
        )


def _triplet(distance, anchor, positive, negative, margin, swap, reduction):
    """max(0, d(a, p) - d(a, n) + margin); with ``swap``, d(p, n) where it is the smaller."""
    near, far = distance(anchor, positive), distance(anchor, negative)
    if swap:
        far = far.minimum(distance(positive, negative))
    return reduced((margin + near - far).clamp_min(0), reduction)


@public("nn.functional", out=False)
def triplet_margin_loss(
    anchor,
    positive,
    negative,
    margin=1.0,
    p=2,
    eps=1e-6,
    swap=False,
    size_average=None,
    reduce=None,
    reduction="mean",
):
    """triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False,
    size_average=None, reduce=None, reduction='mean') -> Tensor

    ``max(0, d(a, p) - d(a, n) + margin)`` with the distance of norm ``p``.

    >>> a, far = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    >>> torch.nn.functional.triplet_margin_loss(a, far, far)
    tensor(1.)
    """
    reduction = chosen(size_average, reduce, reduction)
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _check_triplet(anchor, positive, negative)

    def distance(x, y):
        return pairwise_distance(x, y, p, eps)

    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)


@public("nn.functional", out=False)
def triplet_margin_with_distance_loss(
    anchor, positive, negative, *, distance_function=None, margin=1.0, swap=False, reduction="mean"
):
    """triplet_margin_with_distance_loss(anchor, positive, negative, *, distance_function=None,
    margin=1.0, swap=False, reduction='mean') -> Tensor

    :func:`triplet_margin_loss` with any function of two tensors as the distance.

    >>> a, b = torch.zeros(1, 2), torch.ones(1, 2)
    >>> torch.nn.functional.triplet_margin_with_distance_loss(a, b, b)
    tensor(1.0000)
    """
    if reduction not in ("mean", "sum", "none"):
        raise ValueError(f"{reduction} is not a valid value for reduction")
    if margin <= 0:
        raise ValueError(f"margin must be greater than 0, got {margin}")
    _check_triplet(anchor, positive, negative)
    distance = pairwise_distance if distance_function is None else distance_function
    return _triplet(distance, anchor, positive, negative, margin, swap, reduction)
