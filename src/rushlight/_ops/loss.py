"""Losses of regression and of binary targets, element by element."""

import math
import warnings

from rushlight._core import fronts
from rushlight._core.looking import asserted
from rushlight._core.op import Op, public
from rushlight._core.shape import common_shape
from rushlight._ops.reduction import chosen, reduce_array, reduced, unreduced, warn_other_size


def _broadcast_with(input, target):
    """Both expanded to their common shape."""
    if input.shape == target.shape:
        return input, target
    shape = common_shape(input.shape, target.shape)
    return input.expand(shape), target.expand(shape)


def _weighted(loss, weight, reduction):
    """Losses of one element each, weighted; their mean is divided by the sum of the weights."""
    if weight.shape != loss.shape:
        raise ValueError("Weights and input must have the same size.")
    loss = loss * weight
    if reduction == "mean":
        return loss.sum() / weight.sum()
    return loss.sum() if reduction == "sum" else loss


class MseLoss(Op):
    """Squared differences; what ``nn.functional.mse_loss`` is made of."""

    tensors = ("input", "target")
    public = ()

    def forward(xp, x, y, reduction="mean"):
        if x.dtype.kind in "biu":
            raise NotImplementedError(f"\"mse_cpu\" not implemented for '{_kind(x)}'")
        d = x - y
        if reduction == "none":
            d *= d
            return d
        d = d.reshape(-1)
        total = xp.dot(d, d)
        return (
            total
            if reduction == "sum"
            else total / d.dtype.type(d.size)
            if d.size
            else d.dtype.type("nan")
        )

    def vjp(g, input, target, reduction, need):
        grad = MseLossBackward.call(g, input, target, reduction)
        return grad if need[0] else None, -grad if need[1] else None


class MseLossBackward(Op):
    """2 g (x - y), over the count for a mean."""

    tensors = ("grad", "input", "target")
    public = ()

    def forward(xp, g, x, y, reduction):
        d = x - y
        d *= g * d.dtype.type(2 / max(d.size, 1) if reduction == "mean" else 2)
        return d

    def vjp(g, grad, input, target, reduction, need):
        count = (
            max(common_shape(input.shape, target.shape).numel(), 1) if reduction == "mean" else 1
        )
        scaled = g * (2 / count)
        to_input = scaled * grad if need[1] or need[2] else None
        return (
            scaled * (input - target) if need[0] else None,
            to_input if need[1] else None,
            -to_input if need[2] else None,
        )


def in_one_pass(op, kernel, positional=2):
    """A native loss before the public function: its tensors, the rest by name."""
    return fronts.before(op, kernel=kernel, by_name=True, positional=positional)


def _kind(x):
    """PyTorch's name of an array's dtype."""
    names = {
        "int64": "Long",
        "int32": "Int",
        "int16": "Short",
        "int8": "Char",
        "uint8": "Byte",
        "bool": "Bool",
    }
    return names.get(str(x.dtype), str(x.dtype))


@public("nn.functional", out=False)
@in_one_pass(MseLoss, "mse_loss")
def mse_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """mse_loss(input, target, size_average=None, reduce=None, reduction='mean', weight=None) ->
    Tensor

    The mean of the squared differences.

    >>> torch.nn.functional.mse_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(2.)
    """
    if size_average is not None or reduce is not None or reduction not in ("mean", "sum", "none"):
        reduction = chosen(size_average, reduce, reduction)
    if input.shape != target.shape:
        warn_other_size(input, target)
    if weight is not None:
        return _weighted(MseLoss.call(input, target, "none"), weight, reduction)
    return MseLoss.call(input, target, reduction)


def _l1_name(node):
    """PyTorch makes this loss of other operators; the last gives its name."""
    return {"mean": "MeanBackward0", "sum": "SumBackward0"}.get(node.params[0], "AbsBackward0")


class L1Loss(Op):
    """Absolute differences; what ``nn.functional.l1_loss`` is made of."""

    tensors = ("input", "target")
    public = ()
    grad_name = _l1_name

    def forward(xp, x, y, reduction="mean"):
        return reduce_array(xp.abs(x - y), reduction)

    def vjp(g, input, target, reduction, need):
        grad = L1LossBackward.call(g, input, target, reduction)
        return grad if need[0] else None, -grad if need[1] else None


def _share(g, reduction, x):
    """The gradient of each loss as arrays: that of their mean divided by their count."""
    return g / g.dtype.type(max(x.size, 1)) if reduction == "mean" else g


class L1LossBackward(Op):
    """g sign(x - y), over the count for a mean."""

    tensors = ("grad", "input", "target")
    public = ()

    def forward(xp, g, x, y, reduction):
        return _share(g, reduction, x) * xp.sign(x - y)

    def vjp_grad(g, input, target, reduction):
        return unreduced(g * (input - target).sign(), reduction, input.numel())


@public("nn.functional", out=False)
@in_one_pass(L1Loss, "l1_loss")
def l1_loss(input, target, size_average=None, reduce=None, reduction="mean", weight=None):
    """l1_loss(input, target, size_average=None, reduce=None, reduction='mean', weight=None) ->
    Tensor

    The mean of the absolute differences.

    >>> torch.nn.functional.l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(1.)
    """
    reduction = chosen(size_average, reduce, reduction)
    warn_other_size(input, target)
    plain = input.dtype is target.dtype and input.is_floating_point()
    if weight is None and plain and input.shape == target.shape:
        return L1Loss.call(input, target, reduction)
    loss = (input - target).abs()
    return reduced(loss, reduction) if weight is None else _weighted(loss, weight, reduction)


class SmoothL1Loss(Op):
    """d² / 2β within β of zero, |d| - β / 2 beyond."""

    tensors = ("input", "target")
    public = ()

    def forward(xp, x, y, reduction="mean", beta=1.0):
        d = xp.abs(x - y)
        loss = d if beta == 0 else xp.where(d < beta, 0.5 * d * d / beta, d - 0.5 * beta)
        return reduce_array(loss, reduction)

    def vjp(g, input, target, reduction, beta, need):
        grad = SmoothL1LossBackward.call(g, input, target, reduction, beta)
        return grad if need[0] else None, -grad if need[1] else None


class SmoothL1LossBackward(Op):
    """g (x - y) / β, held within [-g, g]; over the count for a mean."""

    tensors = ("grad", "input", "target")
    public = ()

    def forward(xp, g, x, y, reduction, beta):
        d = x - y
        slope = xp.sign(d) if beta == 0 else xp.clip(d / d.dtype.type(beta), -1, 1)
        return _share(g, reduction, d) * slope

    def vjp(g, grad, input, target, reduction, beta, need):
        d = input - target
        slope = d.sign() if beta == 0 else (d / beta).clamp(-1, 1)
        shared = unreduced(g, reduction, d.numel())
        near = 0 if beta == 0 else (d.abs() < beta).to(d.dtype) / beta
        to_input = shared * grad * near if need[1] or need[2] else None
        return (
            shared * slope if need[0] else None,
            to_input if need[1] else None,
            -to_input if need[2] else None,
        )


@public("nn.functional", out=False)
@in_one_pass(SmoothL1Loss, "smooth_l1_loss")
def smooth_l1_loss(input, target, size_average=None, reduce=None, reduction="mean", beta=1.0):
    """smooth_l1_loss(input, target, size_average=None, reduce=None, reduction='mean', beta=1.0) ->
    Tensor

    Squared differences where they are below ``beta``, absolute ones beyond.

    >>> torch.nn.functional.smooth_l1_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(0.7500)
    """
    warn_other_size(input, target)
    reduction = chosen(size_average, reduce, reduction)
    if beta < 0:
        raise RuntimeError("smooth_l1_loss does not support negative values for beta.")
    if beta == 0:
        return l1_loss(*_broadcast_with(input, target), reduction=reduction)
    return SmoothL1Loss.call(input, target, reduction, beta)


class HuberLoss(Op):
    """d² / 2 within δ of zero, δ (|d| - δ / 2) beyond."""

    tensors = ("input", "target")
    public = ()

    def forward(xp, x, y, reduction="mean", delta=1.0):
        d = xp.abs(x - y)
        return reduce_array(xp.where(d <= delta, 0.5 * d * d, delta * (d - 0.5 * delta)), reduction)

    def vjp(g, input, target, reduction, delta, need):
        grad = HuberLossBackward.call(g, input, target, reduction, delta)
        return grad if need[0] else None, -grad if need[1] else None


class HuberLossBackward(Op):
    """g (x - y), held within [-g δ, g δ]; over the count for a mean."""

    tensors = ("grad", "input", "target")
    public = ()

    def forward(xp, g, x, y, reduction, delta):
        d = x - y
        return _share(g, reduction, d) * xp.clip(d, -delta, delta).astype(d.dtype, copy=False)

    def vjp(g, grad, input, target, reduction, delta, need):
        d = input - target
        shared = unreduced(g, reduction, d.numel())
        to_input = shared * grad * (d.abs() <= delta) if need[1] or need[2] else None
        return (
            shared * d.clamp(-delta, delta) if need[0] else None,
            to_input if need[1] else None,
            -to_input if need[2] else None,
        )


@public("nn.functional", out=False)
@in_one_pass(HuberLoss, "huber_loss")
def huber_loss(input, target, reduction="mean", delta=1.0, weight=None):
    """huber_loss(input, target, reduction='mean', delta=1.0, weight=None) -> Tensor

    Half the squared differences where they are below ``delta``, ``delta * (|d| - delta / 2)``
    beyond.

    >>> torch.nn.functional.huber_loss(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 4.0]))
    tensor(0.7500)
    """
    warn_other_size(input, target)
    if delta <= 0:
        raise RuntimeError("huber_loss does not support non-positive values for delta.")
    reduction = chosen(None, None, reduction)
    if weight is not None:
        if weight.shape != input.shape:
            raise ValueError("Weights and input must have the same size.")
        return reduced(HuberLoss.call(input, target, "none", delta) * weight, reduction)
    return HuberLoss.call(input, target, reduction, delta)


class BinaryCrossEntropy(Op):
    """-(y log x + (1 - y) log(1 - x)), its logarithms no lower than -100."""

    tensors = ("input", "target", "weight")
    optional = ("weight",)
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, x, y, weight=None, reduction="mean"):
        if x.dtype != y.dtype:
            names = {"float32": "Float", "float64": "Double"}
            raise RuntimeError(
                f"Found dtype {names.get(str(y.dtype), _kind(y))} but expected "
                f"{names.get(str(x.dtype))}"
            )
        for name, a in (("input", x), ("target", y)):
            if a.size and not asserted("probabilities", a) and not ((a >= 0) & (a <= 1)).all():
                raise RuntimeError(f"all elements of {name} should be between 0 and 1")
        loss = (y - 1) * xp.maximum(xp.log1p(-x), -100) - y * xp.maximum(xp.log(x), -100)
        return reduce_array(loss if weight is None else loss * weight, reduction)

    def vjp(g, input, target, weight, reduction, need):
        to_input = to_target = None
        if need[0]:
            to_input = BinaryCrossEntropyBackward.call(g, input, target, weight, reduction)
        if need[1]:
            g = unreduced(g, reduction, max(input.numel(), 1))
            g = g if weight is None else g * weight
            to_target = g * ((-input).log1p().clamp(min=-100) - input.log().clamp(min=-100))
        return to_input, to_target, None


class BinaryCrossEntropyBackward(Op):
    """g (x - y) / (x (1 - x)), the divisor held off zero; over the count for a mean."""

    tensors = ("grad", "input", "target", "weight")
    optional = ("weight",)
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, g, x, y, weight, reduction):
        g = _share(g, reduction, x)
        g = g if weight is None else g * weight
        return g * (x - y) / xp.maximum((1 - x) * x, x.dtype.type(1e-12))

    def vjp(g, grad, input, target, weight, reduction, need):
        g = unreduced(g, reduction, max(input.numel(), 1))
        g = g if weight is None else g * weight
        product = (1 - input) * input
        below = product.clamp(min=1e-12)
        slope = (input - target) / below
        falls = slope * (1 - 2 * input) * (product >= 1e-12)
        return (
            g * slope if need[0] else None,
            g * grad * (1 - falls) / below if need[1] else None,
            -g * grad / below if need[2] else None,
            None,
        )


@public("nn.functional", out=False)
@in_one_pass(BinaryCrossEntropy, "binary_cross_entropy")
def binary_cross_entropy(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """binary_cross_entropy(input, target, weight=None, size_average=None, reduce=None,
    reduction='mean') -> Tensor

    The cross entropy of probabilities ``input`` against ``target`` (both within [0, 1], of one
    shape).

    >>> torch.nn.functional.binary_cross_entropy(torch.tensor([0.5]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = chosen(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}) is "
            "deprecated. Please ensure they have the same size."
        )
    if weight is not None:
        weight = weight.expand(_broadcast_with(target.detach(), weight)[0].shape)
    return BinaryCrossEntropy.call(input, target, weight, reduction)


class BinaryCrossEntropyWithLogits(Op):
    """Binary cross entropy of sigmoid(x), without the loss of precision of computing the sigmoid
    first."""

    tensors = ("input", "target", "weight", "pos_weight")
    optional = ("weight", "pos_weight")
    public = ()

    def forward(xp, x, y, weight=None, pos_weight=None, reduction="mean"):
        soft = xp.log1p(xp.exp(-xp.abs(x))) + xp.maximum(-x, 0)  # -log(sigmoid(x))
        if pos_weight is None:
            loss = (1 - y) * x + soft
        else:
            loss = (1 - y) * x + (1 + (pos_weight - 1) * y) * soft
        return reduce_array(loss if weight is None else loss * weight, reduction)

    def vjp(g, input, target, weight, pos_weight, reduction, need):
        if weight is None and pos_weight is None:
            return _vjp_of_logits(g, input, target, reduction, need)
        g = unreduced(g, reduction, max(input.numel(), 1))
        if weight is not None:
            g = g * weight
        to_input = to_target = None
        if need[0]:
            positive = target if pos_weight is None else pos_weight * target
            rate = input.sigmoid()
            if pos_weight is not None:
                rate = rate * (positive + 1 - target)
            to_input = g * (rate - positive)
        if need[1]:
            if pos_weight is None:
                to_target = -g * input
            else:
                soft = (-input.abs()).exp().log1p()
                to_target = g * (
                    pos_weight * (soft + (-input).clamp(min=0)) - soft - input.clamp(min=0)
                )
        return to_input, to_target, None, None


def _vjp_of_logits(g, input, target, reduction, need):
    """The gradients without weights."""
    to_input = to_target = None
    if need[0]:
        to_input = BinaryCrossEntropyWithLogitsBackward.call(g, input, target, reduction)
    if need[1]:
        to_target = -unreduced(g, reduction, max(input.numel(), 1)) * input
    return to_input, to_target, None, None


class BinaryCrossEntropyWithLogitsBackward(Op):
    """g (sigmoid(x) - y), over the count for a mean."""

    tensors = ("grad", "input", "target")
    public = ()

    def forward(xp, g, x, y, reduction):
        e = xp.exp(-xp.abs(x))
        return _share(g, reduction, x) * (xp.where(x < 0, e, x.dtype.type(1)) / (1 + e) - y)

    def vjp(g, grad, input, target, reduction, need):
        g = unreduced(g, reduction, max(input.numel(), 1))
        rate = input.sigmoid()
        return (
            g * (rate - target) if need[0] else None,
            g * grad * rate * (1 - rate) if need[1] else None,
            -g * grad if need[2] else None,
        )


@public("nn.functional", out=False)
@in_one_pass(BinaryCrossEntropyWithLogits, "binary_cross_entropy_with_logits")
def binary_cross_entropy_with_logits(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean", pos_weight=None
):
    """binary_cross_entropy_with_logits(input, target, weight=None, size_average=None, reduce=None,
    reduction='mean', pos_weight=None) -> Tensor

    The binary cross entropy of ``sigmoid(input)``; ``pos_weight`` weighs the positive targets.

    >>> F = torch.nn.functional
    >>> F.binary_cross_entropy_with_logits(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(0.6931)
    """
    reduction = chosen(size_average, reduce, reduction)
    if target.shape != input.shape:
        raise ValueError(
            f"Target size ({target.size()}) must be the same as input size ({input.size()})"
        )
    return BinaryCrossEntropyWithLogits.call(input, target, weight, pos_weight, reduction)


@public("nn.functional", out=False)
def poisson_nll_loss(
    input,
    target,
    log_input=True,
    full=False,
    size_average=None,
    eps=1e-8,
    reduce=None,
    reduction="mean",
):
    """poisson_nll_loss(input, target, log_input=True, full=False, size_average=None, eps=1e-8,
    reduce=None, reduction='mean') -> Tensor

    The negative log likelihood of counts ``target`` under Poisson rates ``input`` (or
    ``exp(input)``).

    >>> torch.nn.functional.poisson_nll_loss(torch.tensor([0.0]), torch.tensor([1.0]))
    tensor(1.)
    """
    reduction = chosen(size_average, reduce, reduction)
    rate = input.exp() if log_input else input
    loss = rate - target * (input if log_input else (input + eps).log())
    if full:
        stirling = target * target.log() - target + 0.5 * (2 * math.pi * target).log()
        loss = loss + stirling.masked_fill(target <= 1, 0)
    return reduced(loss, reduction)


@public("nn.functional", out=False)
def gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction="mean"):
    """gaussian_nll_loss(input, target, var, full=False, eps=1e-6, reduction='mean') -> Tensor

    The negative log likelihood of ``target`` under normal distributions of mean ``input`` and
    variance ``var``.

    >>> zero, two, one = torch.zeros(1), torch.full((1,), 2.0), torch.ones(1)
    >>> torch.nn.functional.gaussian_nll_loss(zero, two, one)
    tensor(2.)
    """
    if isinstance(var, float):
        if var < 0:
            raise ValueError("var has negative entry/entries")
        var = input.new_full(input.shape, var)
    elif (var < 0).any():
        raise ValueError("var has negative entry/entries")
    if var.shape != input.shape:
        if input.shape[:-1] == var.shape:
            var = var.unsqueeze(-1)
        elif input.shape[:-1] != var.shape[:-1] or var.shape[-1] != 1:
            sizes = zip(reversed(input.shape), reversed(var.shape), strict=False)
            if not all(a == b or a == 1 or b == 1 for a, b in sizes):
                raise ValueError("var is of incorrect size")
    if reduction not in ("none", "mean", "sum"):
        raise ValueError(f"{reduction} is not valid")
    # the variance is held off zero without changing its gradient
    var = var + (var.clamp(min=eps) - var).detach()
    loss = 0.5 * (var.log() + (input - target) ** 2 / var)
    if full:
        loss = loss + 0.5 * math.log(2 * math.pi)
    return reduced(loss, reduction)


MEAN_OF_KL = (
    "reduction: 'mean' divides the total loss by both the batch size and the support "
    "size.'batchmean' divides only "
    "by the batch size, and aligns with the KL div math definition.'mean' will be changed to "
    "behave the same as "
    "'batchmean' in the next major release."
)


@public("nn.functional", out=False)
def kl_div(input, target, size_average=None, reduce=None, reduction="mean", log_target=False):
    """kl_div(input, target, size_average=None, reduce=None, reduction='mean', log_target=False) ->
    Tensor

    The Kullback-Leibler divergence, pointwise: ``target * (log(target) - input)``, ``input`` being
    logarithms.

    ``reduction='batchmean'`` divides by the batch size alone, which is the mathematical definition.

    >>> logs, target = torch.tensor([[0.0]]), torch.tensor([[1.0]])
    >>> torch.nn.functional.kl_div(logs, target, reduction="batchmean")
    tensor(0.)
    """
    if size_average is not None or reduce is not None or reduction != "batchmean":
        reduction = chosen(size_average, reduce, reduction)
    if reduction == "mean":
        warnings.warn(MEAN_OF_KL, stacklevel=3)  # the caller of the public name
    loss = target.exp() * (target - input) if log_target else target.xlogy(target) - target * input
    if reduction == "batchmean":
        return loss.sum() / input.shape[0] if input.dim() else loss.sum()
    return reduced(loss, reduction)
