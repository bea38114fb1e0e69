"""Losses of classification: negative log likelihood, cross entropy, and the margins between
classes."""

import math

from rushlight._core.autocast import casts
from rushlight._core.looking import seen
from rushlight._core.op import Meta, Op, public
from rushlight._ops.linear import TYPE_NAMES, Linear
from rushlight._ops.loss import in_one_pass
from rushlight._ops.reduction import chosen, reduced
from rushlight._ops.softmax import LogSoftmax, SoftmaxBackward, log_softmax


def _nll_name(node):
    """PyTorch has a name of its own for losses over images."""
    reduction, _, ndim = node.params
    if ndim < 3:
        return "NllLossBackward0"
    return "NllLoss2DBackward0" if ndim == 4 or reduction != "none" else "ViewBackward0"


def _rows(xp, x, target, weight, ignore_index):
    """Classes second, the rest flat: (N, C, M), targets (N, 1, M) within range, and the weight of
    each (N, M)."""
    classes = x.shape[0] if x.ndim == 1 else x.shape[1]
    x = x.reshape(1, classes, 1) if x.ndim == 1 else x.reshape(*x.shape[:2], math.prod(x.shape[2:]))
    target = target.astype(xp.int64, copy=False).reshape(x.shape[0], x.shape[2])
    kept = target != ignore_index
    safe = target if kept.all() else xp.where(kept, target, 0)
    if safe.size and (int(safe.min()) < 0 or int(safe.max()) >= classes):
        bad = safe[(safe < 0) | (safe >= classes)].reshape(-1)[0]
        raise IndexError(f"Target {int(bad)} is out of bounds.")
    if weight is None:
        scale = kept.astype(x.dtype)
    else:
        scale = weight[safe] if safe is target else weight[safe] * kept
    return x, safe[:, None], scale


def _pick(xp, x, target):
    """x[n, target[n], m]."""
    if x.shape[2] == 1:
        return x[xp.arange(x.shape[0]), target[:, 0, 0], 0][:, None]
    return xp.take_along_axis(x, target, 1)[:, 0]


def _reduce_weighted(xp, losses, scale, reduction, shape):
    """Losses already weighted; their mean is over the sum of the weights."""
    if reduction == "none":
        return losses.reshape(shape)
    return losses.sum() if reduction == "sum" else losses.sum() / scale.sum()


def _shared(xp, g, scale, reduction):
    """Each loss's share of the gradient; nothing for those without weight, even of a mean of
    none."""
    if reduction == "none":
        return scale * g.reshape(scale.shape)
    total = scale.sum() if reduction == "mean" else 1
    return xp.where(scale == 0, scale, scale * (g / total)) if total != 0 else scale * 0


class NllLoss(Op):
    """Minus the entry of ``input`` at each target, times the target's weight."""

    tensors = ("input", "target", "weight")
    optional = ("weight",)
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = _nll_name

    def forward(xp, x, target, weight=None, reduction="mean", ignore_index=-100, ndim=2):
        _check_nll(x, target, weight)
        rows, safe, scale = _rows(xp, x, target, weight, ignore_index)
        losses = xp.where(scale == 0, rows.dtype.type(0), -_pick(xp, rows, safe) * scale)
        return _reduce_weighted(xp, losses, scale, reduction, target.shape)

    def vjp(g, input: Meta, target, weight, reduction, ignore_index, need):
        return (
            NllLossBackward.call(g, target, weight, tuple(input.shape), reduction, ignore_index),
            None,
            None,
        )


class NllLossBackward(Op):
    """The gradient of ``nll_loss``: minus each target's weight at its place, zero elsewhere."""

    tensors = ("grad", "target", "weight")
    optional = ("weight",)
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, g, target, weight, shape, reduction, ignore_index):
        result = xp.zeros(shape, g.dtype)
        rows, safe, scale = _rows(xp, result, target, weight, ignore_index)
        shared = _shared(xp, g, scale, reduction)
        xp.put_along_axis(rows, safe, -shared[:, None].astype(g.dtype, copy=False), 1)
        return result

    def vjp(g, target, weight, reduction, ignore_index, need):
        return NllLoss.call(g, target, weight, reduction, ignore_index), None, None


def _check_nll(x, target, weight):
    """Refuse dtypes and shapes that do not fit, in PyTorch's words."""
    if x.dtype.kind in "biu":
        name = TYPE_NAMES.get(str(x.dtype))
        raise NotImplementedError(f"\"nll_loss_out_frame\" not implemented for '{name}'")
    if target.dtype not in ("int64", "uint8"):
        name = TYPE_NAMES.get(str(target.dtype), str(target.dtype))
        raise RuntimeError(f"expected target dtype to be Long or Byte, but got {name}")
    if x.ndim <= 2 and target.ndim > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if x.ndim == 4:
        if target.ndim != 3:
            raise RuntimeError(
                "only batches of spatial targets supported (3D tensors) but got targets of "
                "dimension: "
                f"{target.ndim}"
            )
        if x.shape[2:] != target.shape[1:]:
            raise RuntimeError(
                f"size mismatch (got input: {list(x.shape)} , target: {list(target.shape)}"
            )
    elif x.ndim > 2 and (x.shape[0], *x.shape[2:]) != target.shape:
        raise RuntimeError(
            f"Expected target size {[x.shape[0], *x.shape[2:]]}, got {list(target.shape)}"
        )
    classes = x.shape[1] if x.ndim > 1 else x.shape[0]
    if weight is not None and (weight.ndim != 1 or weight.size != classes):
        raise RuntimeError(
            f"weight tensor should be defined either for all {classes} classes or no classes but "
            "got weight tensor "
            f"of shape: {list(weight.shape)}"
        )


def _check_batch(input, target):
    if input.dim() < 1:
        raise ValueError(f"Expected 1 or more dimensions (got {input.dim()})")
    if input.dim() == 1:
        if target.dim() == 1 and target.shape[0] != 1:
            raise ValueError(
                f"For 1D input, 1D target must have size 1, but got target size: {target.shape[0]}"
            )
    elif target.dim() and input.shape[0] != target.shape[0]:
        raise ValueError(
            f"Expected input batch_size ({input.shape[0]}) to match target batch_size "
            f"({target.shape[0]})."
        )


@public("nn.functional", out=False)
@in_one_pass(NllLoss, "nll_loss", 3)
def nll_loss(
    input, target, weight=None, size_average=None, ignore_index=-100, reduce=None, reduction="mean"
):
    """nll_loss(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None,
    reduction='mean') -> Tensor

    The negative log likelihood of class ``target`` (N, ...) under log-probabilities ``input`` (N,
    C, ...).

    >>> logs = torch.tensor([[-1.0, -2.0]])
    >>> torch.nn.functional.nll_loss(logs, torch.tensor([1]))
    tensor(2.)
    """
    if size_average is not None or reduce is not None or reduction not in ("mean", "sum", "none"):
        reduction = chosen(size_average, reduce, reduction)
    _check_batch(input, target)
    return NllLoss.call(input, target, weight, reduction, ignore_index, input.dim())


def _all_classes(target, x):
    """Whether ``target`` has a class in range for each row; as unsigned, negatives are large."""
    if target.dtype != "int64" or target.shape != x.shape[:1] or target.size == 0:
        return False
    return int(target.view("uint64").max()) < x.shape[1]


class CrossEntropy(Op):
    """log_softmax and nll_loss of a matrix (N, C) in one pass."""

    tensors = ("input", "target", "weight")
    optional = ("weight",)
    outputs = ("output", "probs")
    grads = ("output", "probs")
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = "NllLossBackward0"

    def forward(xp, x, target, weight=None, reduction="mean", ignore_index=-100):
        logs = x - x.max(axis=1, keepdims=True)
        logs -= xp.log(xp.exp(logs).sum(axis=1, keepdims=True))
        if weight is None and ignore_index < 0 and _all_classes(target, x):
            picked = logs[xp.arange(target.size), target]
            if reduction == "none":
                return -picked, xp.exp(logs, out=logs)
            total = -picked.sum()
            loss = total if reduction == "sum" else total / x.dtype.type(target.size)
            return loss, xp.exp(logs, out=logs)
        loss = NllLoss.forward(xp, logs, target, weight, reduction, ignore_index)
        return loss, xp.exp(logs, out=logs)

    def vjp(g, probs, target, weight, reduction, ignore_index, need):
        loss, to_probs = g
        grad = None
        if loss is not None:
            grad = CrossEntropyBackward.call(loss, probs, target, weight, reduction, ignore_index)
        if to_probs is not None:
            extra = SoftmaxBackward.call(to_probs, probs, 1)
            grad = extra if grad is None else grad + extra
        return grad, None, None


class CrossEntropyBackward(Op):
    """(softmax - one hot) times each row's share of the gradient."""

    tensors = ("grad", "probs", "target", "weight")
    optional = ("weight",)
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, g, probs, target, weight, reduction, ignore_index):
        _, safe, scale = _rows(xp, probs, target, weight, ignore_index)
        scale = _shared(xp, g, scale, reduction)  # (N, 1)
        result = probs * scale
        result[xp.arange(len(result)), safe[:, 0, 0]] -= scale[:, 0]
        return result

    def vjp(g, grad, probs, target, weight, reduction, ignore_index, need):
        to_grad = to_probs = None
        if need[0]:
            inner = g - (g * probs).sum(1, keepdim=True)
            to_grad = NllLoss.call(inner, target, weight, reduction, ignore_index)
        if need[1]:
            shape = tuple(probs.shape)
            hot = NllLossBackward.call(grad, target, weight, shape, reduction, ignore_index)
            to_probs = -g * hot.sum(1, keepdim=True)
        return to_grad, to_probs, None, None


SMALL = 8192  # logits up to which two native calls are cheaper than one with two results


@public("nn.functional", out=False)
def cross_entropy(
    input,
    target,
    weight=None,
    size_average=None,
    ignore_index=-100,
    reduce=None,
    reduction="mean",
    label_smoothing=0.0,
):
    """cross_entropy(input, target, weight=None, size_average=None, ignore_index=-100, reduce=None,
    reduction='mean', label_smoothing=0.0) -> Tensor

    The cross entropy of logits ``input`` (N, C, ...) against classes (N, ...) or class
    probabilities (N, C, ...).

    >>> torch.nn.functional.cross_entropy(torch.zeros(1, 2), torch.tensor([1]))
    tensor(0.6931)
    """
    if size_average is not None or reduce is not None or reduction not in ("mean", "sum", "none"):
        reduction = chosen(size_average, reduce, reduction)
    if not label_smoothing and input.ndim == 2 and target.ndim == 1 and input.is_floating_point():
        _check_batch(input, target)
        if input.numel() <= SMALL and not input.is_cuda:
            logs = log_softmax(input, 1)
            return nll_loss(logs, target, weight, ignore_index=ignore_index, reduction=reduction)
        return CrossEntropy.call(input, target, weight, reduction, ignore_index)[0]
    return _in_two_steps(input, target, weight, ignore_index, reduction, label_smoothing)


def _by_log_softmax(input, target, weight, ignore_index, reduction, label_smoothing):
    """Cross entropy of any form: log_softmax, then the loss."""
    if not 0.0 <= label_smoothing <= 1.0:
        raise RuntimeError(f"label_smoothing must be between 0.0 and 1.0. Got: {label_smoothing:g}")
    logs = LogSoftmax.call(input, 0 if input.dim() == 1 else 1)
    if target.shape == input.shape:
        return _against_probabilities(logs, target, weight, reduction, label_smoothing)
    _check_batch(input, target)
    loss = NllLoss.call(logs, target, weight, reduction, ignore_index, logs.dim())
    if not label_smoothing:
        return loss
    spread = _spread_loss(logs, target, weight, ignore_index, reduction)
    return loss * (1 - label_smoothing) + spread * (label_smoothing / logs.shape[_class_dim(logs)])


_in_two_steps = casts(_by_log_softmax, {"cpu": "float32", "cuda": "float32"})


def _class_dim(logs):
    return 0 if logs.dim() == 1 else 1


def _class_weight(logs, weight):
    """``weight`` (C) shaped to multiply ``logs`` (N, C, ...)."""
    shape = [1] * logs.dim()
    shape[_class_dim(logs)] = weight.shape[0]
    return weight.reshape(shape)


def _against_probabilities(logs, target, weight, reduction, label_smoothing):
    """Cross entropy where the targets are distributions over the classes."""
    if not target.is_floating_point():
        name = TYPE_NAMES.get(str(target.dtype).removeprefix("torch."))
        raise RuntimeError(
            f"Expected floating point type for target with class probabilities, got {name}"
        )
    dim = _class_dim(logs)
    if label_smoothing:
        target = target * (1 - label_smoothing) + label_smoothing / logs.shape[dim]
    loss = logs * target
    if weight is not None:
        loss = loss * _class_weight(logs, weight)
    if reduction == "none":
        return -loss.sum(dim)
    if reduction == "sum":
        return -loss.sum()
    return -loss.sum() / (logs.numel() // logs.shape[dim])


def _spread_loss(logs, target, weight, ignore_index, reduction):
    """The part of label smoothing: minus the sum over all classes, where the target is not
    ignored."""
    dim = _class_dim(logs)
    loss = -(logs if weight is None else logs * _class_weight(logs, weight)).sum(dim)
    ignored = (target == ignore_index).reshape(loss.shape)
    loss = loss.masked_fill(ignored, 0.0)
    if reduction != "mean":
        return reduced(loss, reduction)
    if weight is None:
        return loss.sum() / (~ignored).sum()
    share = weight[target.reshape(loss.shape).masked_fill(ignored, 0)].masked_fill(ignored, 0.0)
    return loss.sum() / share.sum()


def _as_matrix(name, input):
    if (
        input.dim() > 2
        or (input.dim() == 2 and input.shape[1] == 0)
        or (input.dim() == 1 and not input.numel())
    ):
        raise RuntimeError(
            "Expected non-empty vector or matrix with optional 0-dim batch size, but got: "
            f"{list(input.shape)}"
        )
    return input if input.dim() == 2 else input.reshape(1, -1)


@public("nn.functional", out=False)
def multi_margin_loss(
    input, target, p=1, margin=1.0, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """multi_margin_loss(input, target, p=1, margin=1.0, weight=None, size_average=None,
    reduce=None, reduction='mean') -> Tensor

    How far each wrong class comes within ``margin`` of the right one, to the power ``p``, over the
    number of classes.

    >>> torch.nn.functional.multi_margin_loss(torch.tensor([[1.0, 0.5]]), torch.tensor([0]))
    tensor(0.2500)
    """
    reduction = chosen(size_average, reduce, reduction)
    if p not in (1, 2):
        raise ValueError("only p == 1 and p == 2 supported")
    if weight is not None and weight.dim() != 1:
        raise ValueError("weight must be one-dimensional")
    x = _as_matrix("multi_margin_loss", input)
    rows, classes = x.shape
    if target.dim() > 1 or target.numel() != rows:
        raise RuntimeError(
            "multi_margin_loss: target tensor should be 1-D with size equal to the number of "
            "input samples (batch "
            f"size). Expected target size [{rows}], but got {list(target.shape)}. Input has shape "
            f"{list(input.shape)}."
        )
    if weight is not None and weight.numel() != classes:
        raise RuntimeError(
            f"inconsistent weight size, expected {classes} but got {list(weight.shape)}"
        )
    if target.is_floating_point():
        name = TYPE_NAMES.get(str(target.dtype).removeprefix("torch."))
        raise RuntimeError(f"expected scalar type Long but found {name}")
    if rows and seen(target) and bool(((target < 0) | (target >= classes)).any()):
        raise RuntimeError("target out of range")
    at = target.reshape(-1, 1)
    loss = (x - x.gather(1, at) + margin).clamp(min=0)
    if p == 2:
        loss = loss * loss
    if weight is not None:
        loss = loss * weight[at]
    loss = loss.scatter(1, at, 0).sum(1) / classes
    if reduction == "none":
        return loss.reshape(target.shape) if input.dim() < 2 else loss
    return reduced(loss, reduction)


@public("nn.functional", out=False)
def multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction="mean"):
    """multilabel_margin_loss(input, target, size_average=None, reduce=None, reduction='mean') ->
    Tensor

    How far each class that is no target comes within 1 of each target; the targets of a row end at
    the first -1.

    >>> x, target = torch.tensor([[1.0, 0.5]]), torch.tensor([[0, -1]])
    >>> torch.nn.functional.multilabel_margin_loss(x, target)
    tensor(0.2500)
    """
    reduction = chosen(size_average, reduce, reduction)
    x = _as_matrix("multilabel_margin_loss", input)
    if target.shape != input.shape and not (input.dim() == 0 and target.numel() == 1):
        raise RuntimeError(
            f"inconsistent target size: {list(target.shape)} for input of size: {list(input.shape)}"
        )
    target = target.reshape(x.shape)
    if (
        target.numel()
        and seen(target)
        and (int(target.min()) < -1 or int(target.max()) >= x.shape[1])
    ):
        raise RuntimeError("argument #2 'target' is out of range")
    live = (target == -1).cumsum(1) == 0  # before the first -1
    at = target.masked_fill(~live, 0)
    is_target = live.new_zeros(x.shape).to(x.dtype).scatter_add(1, at, live.to(x.dtype)) > 0
    gap = (1 - x.gather(1, at).unsqueeze(2) + x.unsqueeze(1)).clamp(min=0)  # (N, targets, C)
    loss = (
        gap.masked_fill(~(live.unsqueeze(2) & ~is_target.unsqueeze(1)), 0.0).sum((1, 2))
        / x.shape[1]
    )
    if reduction == "none":
        return loss.reshape(()) if input.dim() < 2 else loss
    return reduced(loss, reduction)


@public("nn.functional", out=False)
def multilabel_soft_margin_loss(
    input, target, weight=None, size_average=None, reduce=None, reduction="mean"
):
    """multilabel_soft_margin_loss(input, target, weight=None, size_average=None, reduce=None,
    reduction='mean') -> Tensor

    The mean over classes of the binary cross entropy of each class's logit.

    >>> torch.nn.functional.multilabel_soft_margin_loss(torch.zeros(1, 2), torch.ones(1, 2))
    tensor(0.6931)
    """
    from_logits = (-input.abs()).exp().log1p()
    soft = from_logits + (-input).clamp(min=0)  # -log sigmoid(x)
    reduction = chosen(size_average, reduce, reduction)
    loss = target * soft + (1 - target) * (soft + input)
    if weight is not None:
        loss = loss * weight
    return reduced(loss.sum(-1) / input.shape[-1], reduction)


@public("nn.functional", out=False)
def linear_cross_entropy(
    input, linear_weight, target, *, linear_bias=None, weight=None, reduction="mean",
    ignore_index=None, label_smoothing=0.0, options=None,
):  # fmt: skip
    """linear_cross_entropy(input, linear_weight, target, *, linear_bias=None, weight=None,
    reduction='mean', ignore_index=None, label_smoothing=0.0, options=None) -> Tensor

    :func:`cross_entropy` of ``linear(input, linear_weight, linear_bias)``. ``linear_weight`` is (C,
    ..., in). ``options`` say how PyTorch may save memory; the loss does not depend on them, and
    here it is computed at once.

    >>> x, w = torch.zeros(1, 3), torch.ones(2, 3)
    >>> torch.nn.functional.linear_cross_entropy(x, w, torch.tensor([1]))
    tensor(0.6931)
    """
    _check_linear(input, linear_weight, target, linear_bias, ignore_index)
    rows = linear_weight.reshape(-1, linear_weight.shape[-1])
    logits = Linear.call(input, rows, None if linear_bias is None else linear_bias.reshape(-1))
    logits = logits.reshape(*input.shape[:-1], *linear_weight.shape[:-1])
    ignored = -100 if ignore_index is None else ignore_index
    return cross_entropy(
        logits,
        target,
        weight,
        ignore_index=ignored,
        reduction=reduction,
        label_smoothing=label_smoothing,
    )


def _check_linear(input, weight, target, bias, ignore_index):
    """Refuse shapes that do not fit, in PyTorch's words."""
    if input.dim() not in (1, 2):
        raise RuntimeError(f"expected input with dimensionality 1 or 2, got {input.dim()}")
    if weight.dim() < 2:
        raise RuntimeError(
            f"expected linear_weight with dimensionality at least 2, got {weight.dim()}"
        )
    if input.shape[-1] != weight.shape[-1]:
        raise RuntimeError(
            "expected equal input and linear_weight last dimensions (in_features), got "
            f"{input.shape[-1]} and "
            f"{weight.shape[-1]}, respectively"
        )
    if ignore_index is not None and target.is_floating_point():
        raise RuntimeError("ignore_index cannot be specified when target contains probabilities")
    if weight.dim() > 2 and input.dim() == 1:
        raise RuntimeError(
            f"K-dimensional loss defined by linear_weight shape {tuple(weight.shape)} requires "
            "batched input, (N, "
            f"{weight.shape[-1]}), got unbatched input with shape {tuple(input.shape)}"
        )
    if bias is not None and bias.shape != weight.shape[:-1]:
        raise RuntimeError(
            f"expected linear_bias shape {tuple(weight.shape[:-1])}, got {tuple(bias.shape)}"
        )
