"""What the losses share: the words for reductions, and the reductions."""

import warnings

REDUCTIONS = ("none", "mean", "sum")


def chosen(size_average, reduce, reduction, stacklevel=4):
    """The reduction meant by the arguments of PyTorch 0.4 (``size_average``, ``reduce``), if
    given."""
    if size_average is not None or reduce is not None:
        size_average = True if size_average is None else size_average
        reduce = True if reduce is None else reduce
        reduction = ("mean" if size_average else "sum") if reduce else "none"
        warnings.warn(
            f"size_average and reduce args will be deprecated, please use reduction='{reduction}' "
            "instead.",
            stacklevel=stacklevel,
        )
        return reduction
    if reduction in REDUCTIONS:
        return reduction
    if reduction == "elementwise_mean":
        warnings.warn(
            "reduction='elementwise_mean' is deprecated. Please use reduction='mean' instead.",
            stacklevel=stacklevel,
        )
        return "mean"
    raise ValueError(f"{reduction} is not a valid value for reduction")


def reduced(loss, reduction):
    """A Tensor of losses, reduced."""
    if reduction == "mean":
        return loss.mean()
    return loss.sum() if reduction == "sum" else loss


def reduce_array(x, reduction):
    """An array of losses, reduced."""
    if reduction == "none":
        return x
    if reduction == "sum":
        return x.sum()
    return x.sum() / x.dtype.type(x.size) if x.size else x.dtype.type(float("nan"))


def unreduced(g, reduction, count):
    """The gradient of each of ``count`` losses, from that of their reduction."""
    return g / count if reduction == "mean" else g


def warn_other_size(input, target, stacklevel=4):
    """Warn where ``target`` would be broadcast."""
    if input.shape != target.shape:
        warnings.warn(
            f"Using a target size ({target.size()}) that is different to the input size "
            f"({input.size()}). This will "
            "likely lead to incorrect results due to broadcasting. Please ensure they have the "
            "same size.",
            stacklevel=stacklevel,
        )
