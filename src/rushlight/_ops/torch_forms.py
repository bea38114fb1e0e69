"""The forms in ``torch`` of what ``torch.nn.functional`` offers: their reduction is a number."""

import math

from rushlight._core.op import public
from rushlight._ops import ctc, embedding, loss, loss_margin, norm, pool_adaptive
from rushlight._ops.reduction import reduced

REDUCTIONS = ("none", "mean", "sum")


def _word(reduction):
    """0, 1 and 2 as 'none', 'mean' and 'sum'."""
    if reduction not in (0, 1, 2):
        raise RuntimeError(f"{reduction} is not a valid value for reduction")
    return REDUCTIONS[reduction]


@public("torch", out=False)
def binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None, reduction=0):
    """binary_cross_entropy_with_logits(input, target, weight=None, pos_weight=None, reduction=0)
    -> Tensor

    :func:`torch.nn.functional.binary_cross_entropy_with_logits`, its reduction 0 for none, 1 for
    the mean or 2 for the sum.

    >>> torch.binary_cross_entropy_with_logits(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([0.6931])
    """
    return loss.binary_cross_entropy_with_logits(
        input, target, weight, reduction=_word(reduction), pos_weight=pos_weight
    )


@public("torch", out=False)
def cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=0):
    """cosine_embedding_loss(input1, input2, target, margin=0.0, reduction=0) -> Tensor

    :func:`torch.nn.functional.cosine_embedding_loss`, its reduction 0 for none, 1 for the mean or 2
    for the sum.

    >>> x = torch.tensor([[1.0, 0.0]])
    >>> torch.cosine_embedding_loss(x, x, torch.tensor([-1]))
    tensor([1.])
    """
    function = loss_margin.cosine_embedding_loss
    return function(input1, input2, target, margin, reduction=_word(reduction))


@public("torch", out=False)
def hinge_embedding_loss(input, target, margin=1.0, reduction=0):
    """hinge_embedding_loss(input, target, margin=1.0, reduction=0) -> Tensor

    :func:`torch.nn.functional.hinge_embedding_loss`, its reduction 0 for none, 1 for the mean or 2
    for the sum.

    >>> torch.hinge_embedding_loss(torch.tensor([0.25, 0.25]), torch.tensor([1, -1]))
    tensor([0.2500, 0.7500])
    """
    return loss_margin.hinge_embedding_loss(input, target, margin, reduction=_word(reduction))


@public("torch", out=False)
def margin_ranking_loss(input1, input2, target, margin=0.0, reduction=0):
    """margin_ranking_loss(input1, input2, target, margin=0.0, reduction=0) -> Tensor

    :func:`torch.nn.functional.margin_ranking_loss`, its reduction 0 for none, 1 for the mean or 2
    for the sum.

    >>> low, high = torch.tensor([1.0]), torch.tensor([3.0])
    >>> torch.margin_ranking_loss(low, high, torch.tensor([1.0]))
    tensor([2.])
    """
    function = loss_margin.margin_ranking_loss
    return function(input1, input2, target, margin, reduction=_word(reduction))


@public("torch", out=False)
def triplet_margin_loss(
    anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False, reduction=0
):
    """triplet_margin_loss(anchor, positive, negative, margin=1.0, p=2, eps=1e-6, swap=False,
    reduction=0) -> Tensor

    :func:`torch.nn.functional.triplet_margin_loss`, its reduction 0 for none, 1 for the mean or 2
    for the sum.

    >>> a, far = torch.zeros(1, 2), torch.tensor([[3.0, 4.0]])
    >>> torch.triplet_margin_loss(a, far, far)
    tensor([1.])
    """
    function = loss_margin.triplet_margin_loss
    return function(anchor, positive, negative, margin, p, eps, swap, reduction=_word(reduction))


@public("torch", out=False)
def poisson_nll_loss(input, target, log_input, full, eps, reduction):
    """poisson_nll_loss(input, target, log_input, full, eps, reduction) -> Tensor

    :func:`torch.nn.functional.poisson_nll_loss`, its reduction 0 for none, 1 for the mean or 2 for
    the sum.

    >>> torch.poisson_nll_loss(torch.tensor([0.0]), torch.tensor([1.0]), True, False, 1e-8, 1)
    tensor(1.)
    """
    return loss.poisson_nll_loss(
        input, target, log_input, full, eps=eps, reduction=_word(reduction)
    )


@public("torch", out=False)
def kl_div(input, target, reduction=0, *, log_target=False):
    """kl_div(input, target, reduction=0, *, log_target=False) -> Tensor

    :func:`torch.nn.functional.kl_div`, its reduction 0 for none, 1 for the mean or 2 for the sum.

    >>> torch.kl_div(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor([0.])
    """
    pointwise = loss.kl_div(input, target, reduction="none", log_target=log_target)
    return reduced(pointwise, _word(reduction))


@public("torch", out=False)
def ctc_loss(
    log_probs, targets, input_lengths, target_lengths, blank=0, reduction=0, zero_infinity=False
):
    """ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction=0,
    zero_infinity=False) -> Tensor

    :func:`torch.nn.functional.ctc_loss`, its reduction 0 for none, 1 for the mean or 2 for the sum.

    >>> logs = torch.zeros(2, 1, 3).log_softmax(2)
    >>> torch.ctc_loss(logs, torch.tensor([[1]]), (2,), (1,))
    tensor([1.0986])
    """
    lengths = input_lengths, target_lengths
    return ctc.ctc_loss(log_probs, targets, *lengths, blank, _word(reduction), zero_infinity)


@public("torch", out=False)
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True):
    """layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5, cudnn_enable=True)
    -> Tensor

    ``cudnn_enable`` is about GPUs: it changes nothing here.

    >>> torch.layer_norm(torch.tensor([[1.0, 3.0]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    return norm.layer_norm(input, normalized_shape, weight, bias, eps)


@public("torch", out=False)
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True):
    """group_norm(input, num_groups, weight=None, bias=None, eps=1e-5, cudnn_enabled=True) -> Tensor

    ``cudnn_enabled`` is about GPUs: it changes nothing here.

    >>> torch.group_norm(torch.tensor([[1.0, 3.0]]), 1)
    tensor([[-1.0000,  1.0000]])
    """
    sizes = input.shape[0], input.shape[1], math.prod(input.shape[2:])
    return norm.native_group_norm(input, weight, bias, *sizes, num_groups, eps)[0]


@public("torch", out=False)
def adaptive_max_pool1d(input, output_size):
    """adaptive_max_pool1d(input, output_size) -> (Tensor, LongTensor)

    The largest elements of windows that cover ``input`` evenly, and their indices.

    >>> torch.adaptive_max_pool1d(torch.tensor([[1.0, 3.0]]), 1)
    (tensor([[3.]]), tensor([[1]]))
    """
    return pool_adaptive.adaptive_max_pool1d_with_indices(input, output_size)


@public("torch", out=False)
def norm_except_dim(v, pow=2, dim=0):
    """norm_except_dim(v, pow=2, dim=0) -> Tensor

    The norm of order ``pow`` over all dimensions but ``dim`` (-1: over all).

    >>> torch.norm_except_dim(torch.tensor([[3.0, 4.0]]))
    tensor([[5.]])
    """
    if dim == -1:
        return v.norm(pow)
    return v.norm(pow, tuple(d for d in range(v.dim()) if d != dim % v.dim()), keepdim=True)


BAGS = ("sum", "mean", "max")


@public("torch", out=False)
def embedding_bag(
    weight, indices, offsets, scale_grad_by_freq=False, mode=0, sparse=False,
    per_sample_weights=None, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    """embedding_bag(weight, indices, offsets, scale_grad_by_freq=False, mode=0, sparse=False,
    per_sample_weights=None, include_last_offset=False, padding_idx=None)
    -> (Tensor, Tensor, Tensor, Tensor)

    :func:`torch.nn.functional.embedding_bag`, its mode 0 for the sum, 1 for the mean or 2 for the
    maximum. Beside the bags (B, D) it returns the bag of each index, the size of each bag, and
    which rows are the maxima; for sums these are empty or zero.

    >>> rows = torch.tensor([[1.0], [2.0], [4.0]])
    >>> torch.embedding_bag(rows, torch.tensor([0, 1, 2]), torch.tensor([0, 2]))[0]
    tensor([[3.],
            [4.]])
    """
    if weight.dim() != 2:
        raise RuntimeError(
            f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.dim()}"
        )
    if mode not in (0, 1, 2):
        raise RuntimeError(f"mode has to be 0 (sum), 1 (mean) or 2 (max), but got {mode}")
    result = embedding.embedding_bag(
        indices, weight, offsets, None, 2, scale_grad_by_freq, BAGS[mode], sparse,
        per_sample_weights, include_last_offset, padding_idx,
    )  # fmt: skip
    none = indices.new_zeros(result.shape[0])
    if mode == 0:
        return result, indices.new_zeros(0), none, none.clone()
    ends = offsets[1:] if include_last_offset else offsets
    starts = indices.new_zeros(indices.numel() + 1)
    first = ends[1:] if not include_last_offset else ends[:-1]
    bags = starts.index_add(0, first, first.new_ones(first.numel()))[:-1].cumsum(0)
    live = indices.new_ones(indices.numel())
    if padding_idx is not None:
        live = (indices != padding_idx % weight.shape[0]).to(indices.dtype)
    sizes = none.index_add(0, bags, live)
    if mode == 1:
        return result, bags, sizes, sizes.clone()
    return result, bags, sizes, _largest_rows(weight.detach(), indices, bags, result, live)


def _largest_rows(weight, indices, bags, result, live):
    """Which row of ``weight`` gives each maximum (B, D): the first of its bag that does."""
    count = indices.numel()
    order = indices.new_ones(count).cumsum(0).sub(1).unsqueeze(1).expand(count, weight.shape[1])
    hit = (weight[indices] == result.detach()[bags]) & (live != 0).unsqueeze(1)
    at = order.where(hit, order.new_full((), count))
    first = indices.new_full(result.shape, count)
    first = first.scatter_reduce(0, bags.unsqueeze(1).expand(at.shape), at, "amin")
    padded = indices.new_zeros(count + 1)
    padded[:count] = indices
    return padded[first]
