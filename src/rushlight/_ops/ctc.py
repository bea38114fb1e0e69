"""Connectionist temporal classification: the likelihood of a label sequence, whatever its
alignment.

Graves et al., "Connectionist Temporal Classification" (2006), equations 6 to 15, in logarithms.
"""

import math

from rushlight._core.op import Op, public
from rushlight._core.tensor import Tensor
from rushlight._ops.reduction import chosen, reduced


def _extended(xp, targets, lengths, blank):
    """Targets (N, S) with blanks between and around them (N, 2 S + 1), and where a step may skip a
    blank."""
    batch, longest = targets.shape
    labels = xp.full((batch, 2 * longest + 1), blank, xp.int64)
    labels[:, 1::2] = xp.where(xp.arange(longest) < lengths[:, None], targets, blank)
    skip = xp.zeros(labels.shape, bool)
    skip[:, 2:] = (labels[:, 2:] != blank) & (labels[:, 2:] != labels[:, :-2])
    return labels, skip


def _shifted(xp, x, by):
    """``x`` moved along its last dimension, -inf coming in."""
    result = xp.full_like(x, -math.inf)
    if by > 0:
        result[:, by:] = x[:, :-by]
    else:
        result[:, :by] = x[:, -by:]
    return result


def _alpha(xp, logs, labels, skip):
    """(T, N, 2 S + 1): the log-likelihood of all ways to have come to each label by each time."""
    emit = xp.take_along_axis(logs, xp.broadcast_to(labels, (len(logs), *labels.shape)), 2)
    alpha = xp.full(emit.shape, -math.inf, logs.dtype)
    alpha[0, :, :2] = emit[0, :, :2]
    for t in range(1, len(logs)):
        last = alpha[t - 1]
        reached = xp.logaddexp(last, _shifted(xp, last, 1))
        skipped = xp.where(skip, _shifted(xp, last, 2), -math.inf)
        alpha[t] = xp.logaddexp(reached, skipped) + emit[t]
    return alpha, emit


def _beta(xp, emit, skip, times, lengths):
    """The same for all ways to go on from each label at each time to the end."""
    beta = xp.full(emit.shape, -math.inf, emit.dtype)
    rows, last = xp.arange(emit.shape[1]), 2 * lengths
    onward = xp.zeros(skip.shape, bool)
    onward[:, :-2] = skip[:, 2:]
    following = xp.full(emit.shape[1:], -math.inf, emit.dtype)
    for t in range(len(emit) - 1, -1, -1):
        reached = xp.logaddexp(following, _shifted(xp, following, -1))
        skipped = xp.where(onward, _shifted(xp, following, -2), -math.inf)
        now = xp.logaddexp(reached, skipped) + emit[t]
        ends = times - 1 == t
        start = xp.full_like(now, -math.inf)
        start[rows, last] = emit[t][rows, last]
        before = xp.maximum(last - 1, 0)
        start[rows, before] = emit[t][rows, before]
        following = xp.where(ends[:, None], start, now)
        beta[t] = following
    return beta


class CtcLoss(Op):
    """Minus the log-likelihood of each sample's targets, and the forward variables."""

    tensors = ("log_probs", "targets")
    outputs = ("loss", "log_alpha")
    named = False
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, logs, targets, input_lengths, target_lengths, blank, zero_infinity):
        times, lengths = xp.asarray(input_lengths), xp.asarray(target_lengths)
        labels, skip = _extended(xp, targets, lengths, blank)
        alpha, _ = _alpha(xp, logs, labels, skip)
        rows = xp.arange(logs.shape[1])
        ends = alpha[xp.maximum(times - 1, 0), rows]
        final = ends[rows, 2 * lengths]
        before = xp.where(lengths > 0, ends[rows, xp.maximum(2 * lengths - 1, 0)], -math.inf)
        loss = -xp.logaddexp(final, before).astype(logs.dtype)
        loss = xp.where(
            (times == 0) & (lengths > 0), math.inf, xp.where(times == 0, 0, loss)
        ).astype(logs.dtype)
        if zero_infinity:
            loss = xp.where(loss == math.inf, logs.dtype.type(0), loss)
        return loss, alpha

    def vjp(
        g,
        log_probs,
        targets,
        loss,
        log_alpha,
        input_lengths,
        target_lengths,
        blank,
        zero_infinity,
        need,
    ):
        grad = CtcLossBackward.call(
            g,
            log_probs,
            targets,
            loss,
            log_alpha,
            input_lengths,
            target_lengths,
            blank,
            zero_infinity,
        )
        return grad, None


class CtcLossBackward(Op):
    """exp(log_probs) minus the share of each class in the alignments, as if a log_softmax came
    before."""

    tensors = ("grad", "log_probs", "targets", "loss", "log_alpha")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(
        xp, g, logs, targets, loss, alpha, input_lengths, target_lengths, blank, zero_infinity
    ):
        times, lengths = xp.asarray(input_lengths), xp.asarray(target_lengths)
        labels, skip = _extended(xp, targets, lengths, blank)
        emit = xp.take_along_axis(logs, xp.broadcast_to(labels, (len(logs), *labels.shape)), 2)
        through = alpha + _beta(xp, emit, skip, times, lengths)  # counts the emission twice
        inside = xp.arange(labels.shape[1]) <= 2 * lengths[:, None]
        through = xp.where(inside, through, -math.inf)
        share = xp.full(logs.shape, -math.inf, logs.dtype)
        where = xp.broadcast_to(labels, through.shape)
        t, n = xp.ogrid[: len(logs), : logs.shape[1]]
        xp.logaddexp.at(share, (t[:, :, None], n[:, :, None], where), through)
        result = xp.exp(logs) - xp.exp(share + loss[:, None] - logs)
        result *= g[:, None]
        if zero_infinity:
            lost = through[0].max(axis=1, initial=-math.inf) == -math.inf
            result[:, lost] = 0
        result[xp.arange(len(logs))[:, None] >= times] = 0
        return result.astype(logs.dtype, copy=False)

    def vjp(g, need):
        raise RuntimeError("derivative for aten::_ctc_loss_backward is not implemented")


def _lengths(value, name):
    """Lengths as a tuple of ints."""
    if isinstance(value, Tensor):
        if value.is_floating_point():
            raise RuntimeError(f"{name} must be integral")
        return tuple(int(v) for v in value.reshape(-1).tolist())
    if not isinstance(value, (tuple, list)):
        raise TypeError(
            f"ctc_loss(): argument '{name}' must be a Tensor or a tuple of ints, not "
            f"{type(value).__name__}"
        )
    return tuple(int(v) for v in value)


def _check(log_probs, input_lengths, target_lengths, blank):
    steps, batch, classes = log_probs.shape
    if not 0 <= blank < classes:
        raise RuntimeError("blank must be in label range")
    for name, lengths in (("input_lengths", input_lengths), ("target_lengths", target_lengths)):
        if len(lengths) != batch:
            raise RuntimeError(f"{name} must be of size batch_size")
    if max(input_lengths, default=0) > steps:
        raise RuntimeError(
            f"Expected input_lengths to have value at most {steps}, but got value "
            f"{max(input_lengths)} (while checking "
            "arguments for ctc_loss_allocate_outputs)"
        )


def _target_matrix(targets, lengths):
    """Targets as (N, longest); flat ones are split."""
    longest = max(lengths, default=0)
    where = "(while checking arguments for ctc_loss_allocate_outputs)"
    if targets.dim() == 2:
        if targets.shape[1] < longest:
            raise RuntimeError(
                f"Expected tensor to have size at least {longest} at dimension 1, but got size "
                f"{targets.shape[1]} for "
                f"argument #2 'targets' {where}"
            )
        return targets[:, :longest]
    if targets.shape[0] != sum(lengths):
        raise RuntimeError(
            f"Expected tensor to have size {sum(lengths)} at dimension 0, but got size "
            f"{targets.shape[0]} for argument "
            f"#2 'targets' {where}"
        )
    result = targets.new_zeros((len(lengths), longest))
    start = 0
    for i, n in enumerate(lengths):
        result[i, :n] = targets[start : start + n]
        start += n
    return result


@public("nn.functional", out=False)
def ctc_loss(
    log_probs,
    targets,
    input_lengths,
    target_lengths,
    blank=0,
    reduction="mean",
    zero_infinity=False,
):
    """ctc_loss(log_probs, targets, input_lengths, target_lengths, blank=0, reduction='mean',
    zero_infinity=False) -> Tensor

    Minus the log-likelihood of ``targets`` (N, S), or all in one row, under ``log_probs`` (T, N,
    C).

    >>> logs = torch.zeros(2, 1, 3).log_softmax(2)
    >>> torch.nn.functional.ctc_loss(logs, torch.tensor([[1]]), (2,), (1,))
    tensor(1.0986)
    """
    reduction = chosen(None, None, reduction)
    batched = log_probs.dim() == 3
    if not batched:
        log_probs = log_probs.unsqueeze(1)
        targets = targets.unsqueeze(0) if targets.dim() == 1 else targets
    times, lengths = (
        _lengths(input_lengths, "input_lengths"),
        _lengths(target_lengths, "target_lengths"),
    )
    _check(log_probs, times, lengths, blank)
    matrix = _target_matrix(targets.detach().long(), lengths)
    loss = CtcLoss.call(log_probs, matrix, times, lengths, blank, bool(zero_infinity))[0]
    if reduction == "mean":
        sizes = log_probs.detach().new_tensor([float(max(n, 1)) for n in lengths])
        return (loss / sizes).mean()
    loss = reduced(loss, reduction)
    return loss if batched or reduction == "sum" else loss.squeeze(0)
