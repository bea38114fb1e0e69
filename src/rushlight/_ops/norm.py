"""Normalization over a batch, a layer, groups of channels or instances.

All are one computation: ``input`` seen in a shape ``view``, standardized over ``axes`` of it, times
a weight and plus a bias seen in the shape ``affine``. Its gradient is closed:
``StandardizeBackward`` is differentiable in all it takes.
"""

import math
from typing import Any

from rushlight._core import inplace
from rushlight._core.backend import device_kernels, kernel_for
from rushlight._core.op import Meta, Op, public
from rushlight._core.state import S, thread
from rushlight._core.tensor import PLAIN
from rushlight._ops.pad import ConstantPadNd
from rushlight._ops.pool import avg_pool2d, avg_pool3d


def _standardize(xp, x, weight, bias, view, affine, axes, eps):
    """The result in ``x``'s shape; mean, 1 / deviation and variance with ones for ``axes``."""
    x = x.reshape(view)
    mean = x.mean(axis=axes, keepdims=True)
    result = x - mean
    var = (result * result).mean(axis=axes, keepdims=True)
    rstd = 1 / xp.sqrt(var + x.dtype.type(eps))
    result *= rstd
    if weight is not None:
        result *= weight.reshape(affine)
    if bias is not None:
        result += bias.reshape(affine)
    return result, mean, rstd, var


def _sum_to(t, affine, shape):
    """``t`` summed over the dimensions a weight seen as ``affine`` does not have, in the weight's
    own shape."""
    lead = t.dim() - len(affine)
    dims = (
        *range(lead),
        *(lead + i for i, s in enumerate(affine) if s == 1 and t.shape[lead + i] != 1),
    )
    return (t.sum(dims) if dims else t).reshape(shape)


def _vjp(g, input, weight, bias, mean, rstd, view, affine, axes, need):
    """Gradients of input, weight and bias; ``bias``: its Meta."""
    g_out, g_mean, g_rstd = g
    x = input.reshape(view)
    to_input = to_weight = to_bias = None
    if g_out is not None:
        g_out = g_out.reshape(view)
        if need[0] and weight is not None:
            shape = weight.reshape(affine)
            to_input, to_weight, to_bias = NormBackward.call(
                g_out, x, shape, mean, rstd, view, axes
            )
            to_weight = to_weight.reshape(weight.shape)
            to_bias = to_bias.reshape(weight.shape)
        elif need[0]:
            to_input = StandardizeBackward.call(g_out, x, mean, rstd, axes)
        if need[1] and to_weight is None:
            to_weight = _sum_to(g_out * ((x - mean) * rstd), affine, weight.shape)
        if need[2] and to_bias is None:
            to_bias = _sum_to(g_out, affine, bias.shape)
    if need[0] and (g_mean is not None or g_rstd is not None):
        count = math.prod(view[a] for a in axes)
        extra = 0 if g_mean is None else g_mean / count
        if g_rstd is not None:
            extra = extra - g_rstd * rstd**3 * (x - mean) / count
        to_input = extra.expand(view) if to_input is None else to_input + extra
    if to_input is not None and to_input.shape != input.shape:  # a view would be copied to a leaf
        to_input = to_input.reshape(input.shape)
    return to_input, to_weight, to_bias


class StandardizeBackward(Op):
    """r (g - mean(g) - x̂ mean(g x̂)) with x̂ = (x - m) r, the means over ``axes``."""

    tensors = ("grad", "input", "mean", "rstd")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, g, x, mean, rstd, axes):
        hat = (x - mean) * rstd
        along = (g * hat).mean(axis=axes, keepdims=True)
        hat *= along
        result = g - g.mean(axis=axes, keepdims=True)
        result -= hat
        result *= rstd
        return result

    def vjp(g, grad, input, mean, rstd, result, axes, need):
        centred = input - mean
        hat = centred * rstd
        to_hat = -rstd * (
            g * (grad * hat).mean(axes, keepdim=True) + grad * (g * hat).mean(axes, keepdim=True)
        )
        to_input = to_hat * rstd
        return (
            StandardizeBackward.call(g, input, mean, rstd, axes) if need[0] else None,
            to_input if need[1] else None,
            -to_input.sum(axes, keepdim=True) if need[2] else None,
            (g * result / rstd + to_hat * centred).sum(axes, keepdim=True) if need[3] else None,
        )


class NormBackward(Op):
    """The gradients of ``input``, ``weight`` (in the shape of the view) and bias in one pass."""

    tensors = ("grad", "input", "weight", "mean", "rstd")
    outputs = ("to_input", "to_weight", "to_bias")
    grads = ("to_input", "to_weight", "to_bias")
    named = False
    promote = "keep"
    half = "widen"
    wide = ("to_weight", "to_bias")
    public = ()

    def forward(xp, g, x, weight, mean, rstd, view, axes):
        lead = x.ndim - weight.ndim
        dims = (*range(lead), *(lead + i for i, s in enumerate(weight.shape) if s == 1))
        hat = (x - mean) * rstd
        return (
            StandardizeBackward.forward(xp, g * weight, x, mean, rstd, axes),
            (g * hat).sum(axis=dims).reshape(weight.shape).astype(weight.dtype, copy=False),
            g.sum(axis=dims).reshape(weight.shape).astype(weight.dtype, copy=False),
        )

    def vjp(g, grad, input, weight, mean, rstd, axes, need):
        of_input, of_weight, of_bias = g
        centred = input - mean
        hat = centred * rstd
        to = [None] * 5
        if of_input is not None:
            scaled = grad * weight
            result = StandardizeBackward.call(scaled, input, mean, rstd, axes)
            to_scaled, *others = StandardizeBackward.vjp(
                of_input, scaled, input, mean, rstd, result, axes, (True,) * 4
            )
            to = [to_scaled * weight, others[0], to_scaled * grad, *others[1:]]
        if of_weight is not None:
            to_hat = of_weight * grad
            _more(to, 0, of_weight * hat)
            _more(to, 1, to_hat * rstd)
            _more(to, 3, -(to_hat * rstd).sum(axes, keepdim=True))
            _more(to, 4, (to_hat * centred).sum(axes, keepdim=True))
        if of_bias is not None:
            _more(to, 0, of_bias.expand(grad.shape))
        return tuple([t if wanted else None for t, wanted in zip(to, need, strict=True)])


def _more(to, i, t):
    """Add to the gradient at ``i``."""
    to[i] = t if to[i] is None else to[i] + t


class NativeLayerNorm(Op):
    """``input`` standardized over its last dimensions, times ``weight``, plus ``bias``."""

    tensors = ("input", "weight", "bias")
    optional = ("weight", "bias")
    outputs = ("out", "mean", "rstd")
    grads = ("out", "mean", "rstd")
    named = False
    promote = "keep"
    half = "widen"
    wide = ("mean", "rstd")
    public = ()

    def forward(xp, x, weight, bias, view, affine, axes, eps):
        result, mean, rstd, _ = _standardize(xp, x, weight, bias, view, affine, axes, eps)
        return result.reshape(x.shape), mean, rstd

    def vjp(g: Any, input, weight, bias: Meta, mean, rstd, view, affine, axes, need):
        return _vjp(g, input, weight, bias, mean, rstd, view, affine, axes, need)


class NativeGroupNorm(Op):
    """``input`` standardized over each group of its channels."""

    tensors = ("input", "weight", "bias")
    optional = ("weight", "bias")
    outputs = ("out", "mean", "rstd")
    grads = ("out", "mean", "rstd")
    named = False
    promote = "keep"
    half = "widen"
    wide = ("mean", "rstd")
    public = ()
    forward = NativeLayerNorm.forward
    vjp = NativeLayerNorm.vjp


class NativeBatchNorm(Op):
    """``input`` standardized over all but its channels; with the variances, for the running
    statistics."""

    tensors = ("input", "weight", "bias")
    optional = ("weight", "bias")
    outputs = ("out", "mean", "rstd", "var")
    grads = ("out", "mean", "rstd")
    named = False
    promote = "keep"
    half = "widen"
    wide = ("mean", "rstd", "var")
    public = ()

    def forward(xp, x, weight, bias, view, affine, axes, eps):
        result, mean, rstd, var = _standardize(xp, x, weight, bias, view, affine, axes, eps)
        return result.reshape(x.shape), mean, rstd, var

    def vjp(g: Any, input, weight, bias: Meta, mean, rstd, view, affine, axes, need):
        return _vjp(g, input, weight, bias, mean, rstd, view, affine, axes, need)


class BatchNormInference(Op):
    """``(input - mean) / sqrt(var + eps)`` by channel, times ``weight``, plus ``bias``."""

    tensors = ("input", "weight", "bias", "mean", "var")
    optional = ("weight", "bias")
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = "NativeBatchNormBackward0"

    def forward(xp, x, weight, bias, mean, var, eps):
        shape = (-1, *[1] * (x.ndim - 2))
        scale = 1 / xp.sqrt(var + eps)
        if weight is not None:
            scale = scale * weight
        shift = -mean * scale
        if bias is not None:
            shift = shift + bias
        result = x * scale.reshape(shape).astype(x.dtype, copy=False)
        result += shift.reshape(shape).astype(x.dtype, copy=False)
        return result

    def vjp(g: Any, input, weight, bias: Meta, mean, var, eps, need):
        shape = (-1, *[1] * (input.dim() - 2))
        rstd = (var + eps).rsqrt().reshape(shape)
        to_input = to_weight = to_bias = None
        if need[0]:
            to_input = g * (rstd if weight is None else rstd * weight.reshape(shape))
        dims = (0, *range(2, input.dim()))
        if need[1]:
            to_weight = (g * (input - mean.reshape(shape)) * rstd).sum(dims)
        if need[2]:
            to_bias = g.sum(dims)
        return to_input, to_weight, to_bias, None, None


def check_layer(input, normalized_shape, weight, bias):
    """Refuse shapes that do not fit, in PyTorch's words."""
    shape = tuple(normalized_shape)
    if not shape:
        raise RuntimeError(
            "Expected normalized_shape to be at least 1-dimensional, i.e., containing at least "
            "one element, but got "
            "normalized_shape = []"
        )
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and t.shape != shape:
            raise RuntimeError(
                f"Expected {name} to be of same shape as normalized_shape, but got {name} of "
                f"shape {list(t.shape)} and "
                f"normalized_shape = {list(shape)}"
            )
    if input.shape[max(input.dim() - len(shape), 0) :] != shape:
        expected = "".join(f", {s}" for s in shape)
        raise RuntimeError(
            f"Given normalized_shape={list(shape)}, expected input with shape [*{expected}], but "
            "got input of "
            f"size{list(input.shape)}"
        )
    return shape


def _layer_norm(input, normalized_shape, weight, bias, eps):
    given, shape = tuple(input.shape), tuple(normalized_shape)
    n = len(shape)
    if (
        not n
        or given[-n:] != shape
        or (weight is not None and weight.shape != shape)
        or (bias is not None and bias.shape != shape)
    ):
        check_layer(input, normalized_shape, weight, bias)
    inner, rows = math.prod(shape), math.prod(given[:-n])
    return NativeLayerNorm.call(input, weight, bias, (rows, inner), (inner,), (1,), eps)


@public("nn.functional", out=False)
def layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5):
    """layer_norm(input, normalized_shape, weight=None, bias=None, eps=1e-5) -> Tensor

    ``(x - mean) / sqrt(var + eps)`` over the last dimensions, times ``weight``, plus ``bias``.

    >>> torch.nn.functional.layer_norm(torch.tensor([[1.0, 3.0]]), (2,))
    tensor([[-1.0000,  1.0000]])
    """
    return _layer_norm(input, normalized_shape, weight, bias, eps)[0]


@public("torch", out=False)
def native_layer_norm(input, normalized_shape, weight, bias, eps):
    """native_layer_norm(input, normalized_shape, weight, bias, eps) -> (Tensor, Tensor, Tensor)

    :func:`layer_norm`, with the mean and the inverse deviation of each row.

    >>> torch.native_layer_norm(torch.tensor([[1.0, 3.0]]), (2,), None, None, 0.0)
    (tensor([[-1.,  1.]]), tensor([[2.]]), tensor([[1.]]))
    """
    out, mean, rstd = _layer_norm(input, normalized_shape, weight, bias, eps)
    n = len(tuple(normalized_shape))
    shape = (*input.shape[: input.dim() - n], *[1] * n)
    return out, mean.detach().reshape(shape), rstd.detach().reshape(shape)


def _check_group(input, num_groups, weight, bias):
    if input.dim() < 2:
        raise RuntimeError(
            f"Expected at least 2 dimensions for input tensor but received {input.dim()}"
        )
    channels = input.shape[1]
    if num_groups <= 0:
        raise RuntimeError(f"Expected num groups to be greater than 0, got {num_groups}")
    if channels % num_groups:
        raise RuntimeError(
            "Expected number of channels in input to be divisible by num_groups, but got input "
            "of shape "
            f"{list(input.shape)} and num_groups={num_groups}"
        )
    for name, t in (("weight", weight), ("bias", bias)):
        if t is not None and (t.dim() != 1 or t.numel() != channels):
            raise RuntimeError(
                f"Expected {name} to be a vector of size equal to the number of channels in "
                f"input, but got {name} of "
                f"shape {list(t.shape)} and input of shape {list(input.shape)}"
            )


def _fits_groups(shape, num_groups, weight, bias):
    """Are these surely groups of channels, and a weight and a bias of them?"""
    return (
        type(num_groups) is int
        and len(shape) > 1
        and num_groups > 0
        and not shape[1] % num_groups
        and (weight is None or weight.shape == (shape[1],))
        and (bias is None or bias.shape == (shape[1],))
    )


def _group_norm(input, num_groups, weight, bias, eps, several=False):
    """With ``several``, a group of a single value is refused."""
    shape = tuple(input.shape)
    if not _fits_groups(shape, num_groups, weight, bias):
        if several and len(shape) > 1:
            groups = max(num_groups, 1)
            require_several([shape[0] * shape[1] // groups, num_groups, *shape[2:]])
        _check_group(input, num_groups, weight, bias)
    batch, channels, *rest = shape
    inner, count = channels // num_groups, math.prod(rest)
    if several and batch * inner * count == 1:
        require_several([batch * inner, num_groups, *rest])
    view = (batch, num_groups, inner, count)
    return NativeGroupNorm.call(input, weight, bias, view, (num_groups, inner, 1), (2, 3), eps)


@public("nn.functional", out=False)
def group_norm(input, num_groups, weight=None, bias=None, eps=1e-5):
    """group_norm(input, num_groups, weight=None, bias=None, eps=1e-5) -> Tensor

    Each of ``num_groups`` groups of channels of ``input`` (N, C, ...) standardized, times
    ``weight``, plus ``bias``.

    >>> torch.nn.functional.group_norm(torch.tensor([[1.0, 3.0]]), 1)
    tensor([[-1.0000,  1.0000]])
    """
    return _group_norm(input, num_groups, weight, bias, eps, several=True)[0]


@public("torch", out=False)
def native_group_norm(input, weight, bias, N, C, HxW, group, eps):
    """native_group_norm(input, weight, bias, N, C, HxW, group, eps) -> (Tensor, Tensor, Tensor)

    :func:`group_norm`, with the mean and the inverse deviation of each group.

    >>> torch.native_group_norm(torch.tensor([[1.0, 3.0]]), None, None, 1, 2, 1, 1, 0.0)
    (tensor([[-1.,  1.]]), tensor([[2.]]), tensor([[1.]]))
    """
    out, mean, rstd = _group_norm(input, group, weight, bias, eps)
    return out, mean.reshape(N, group), rstd.reshape(N, group)


def require_several(size):
    """A single value has no variance."""
    if math.prod(size[:1] + size[2:]) == 1:
        raise ValueError(
            f"Expected more than 1 value per channel when training, got input size {list(size)}"
        )


def _check_channels(channels, mean, var, weight, bias):
    """Refuse statistics and weights of another length than the channels."""
    if (
        (mean is None or mean.numel() == channels)
        and (var is None or var.numel() == channels)
        and (weight is None or weight.numel() == channels)
        and (bias is None or bias.numel() == channels)
    ):
        return
    given = {"running_mean": mean, "running_var": var, "weight": weight, "bias": bias}
    for name, t in given.items():
        if t is not None and t.numel() != channels:
            raise RuntimeError(f"{name} should contain {channels} elements not {t.numel()}")


def _update(running, fresh, factor, momentum):
    """A running statistic moved towards ``factor`` times a fresh one, in place."""
    buffer = not S.special and type(running) in PLAIN and not running.requires_grad
    if buffer and running.device.type == "cpu" and running._view is None:
        _mix_running(running, fresh, factor, momentum)
        return
    there = buffer and running.is_cuda and "mix_running" in device_kernels
    if there and _mixed_there(running, fresh, factor, momentum):
        return
    if S.special and thread.levels:
        thread.levels[-1].check_running(running, fresh)
    fresh = fresh.detach().reshape(running.shape).to(running.dtype) * factor
    running.copy_(running * (1 - momentum) + fresh * momentum)


def _mixed_there(running, fresh, factor, momentum):
    """The same in one launch on a device; False for what its kernel does not take."""
    taken = running.dtype == fresh.dtype and running.is_contiguous()
    if not taken or fresh.device != running.device:
        return False
    update_there(running, fresh, factor, momentum)
    return True


@inplace.update(("running",))
def update_there(running, fresh, factor, momentum):
    """``running`` mixed with ``factor`` times ``fresh``, by the device's kernel."""
    device_kernels["mix_running"](running, fresh, factor, momentum)


@inplace.update(("running",))
def _mix_running(running, fresh, factor, momentum):
    native = kernel_for("mix_running")
    if native is None or native(running, fresh, factor, momentum) is NotImplemented:
        fresh = fresh.reshape(running.shape)
        running[...] = running * (1 - momentum) + fresh * (momentum * factor)


def _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """(out, mean, 1 / deviation), the statistics being empty outside training."""
    shape = tuple(input.shape)
    channels = shape[1] if len(shape) > 1 else 0
    _check_channels(channels, running_mean, running_var, weight, bias)
    if not training:
        for name, t in (("running_mean", running_mean), ("running_var", running_var)):
            if t is None:
                raise RuntimeError(f"{name} must be defined in evaluation mode")
        if input.dim() < 2:
            return input.clone(), input.new_empty(0), input.new_empty(0)
        out = BatchNormInference.call(input, weight, bias, running_mean, running_var, eps)
        return out, None, None
    if 0 in shape:  # nothing to learn statistics from
        empty, out = input.new_empty(0), input.clone()
        out = out if weight is None else out * weight.select(0, 0)
        return out if bias is None else out + bias.select(0, 0), empty, empty
    batch, channels, *rest = shape
    count = math.prod(rest)
    out, mean, rstd, var = NativeBatchNorm.call(
        input, weight, bias, (batch, channels, count), (channels, 1), (0, 2), eps
    )
    if running_mean is not None:
        _update(running_mean, mean, 1.0, momentum)
    if running_var is not None:
        count *= batch
        _update(running_var, var, count / max(count - 1, 1), momentum)
    return out, mean, rstd


@public("torch", out=False)
def batch_norm(
    input, weight, bias, running_mean, running_var, training, momentum, eps, cudnn_enabled
):
    """batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps,
    cudnn_enabled) -> Tensor

    What :func:`torch.nn.functional.batch_norm` calls.

    >>> x = torch.tensor([[1.0], [3.0]])
    >>> torch.batch_norm(x, None, None, None, None, True, 0.1, 0.0, False)
    tensor([[-1.],
            [ 1.]])
    """
    return _batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)[0]


@public("torch")
def native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps):
    """native_batch_norm(input, weight, bias, running_mean, running_var, training, momentum, eps)
    -> (Tensor, Tensor, Tensor)

    :func:`batch_norm`, with the batch's mean and inverse deviation by channel.

    >>> x = torch.tensor([[1.0], [3.0]])
    >>> torch.native_batch_norm(x, None, None, None, None, True, 0.1, 0.0)[1]
    tensor([2.])
    """
    out, mean, rstd = _batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps
    )
    if mean is None:
        return out, input.new_empty(0), input.new_empty(0)
    return out, mean.detach().reshape(-1), rstd.detach().reshape(-1)


@public("torch", out=False)
def instance_norm(
    input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, cudnn_enabled
):
    """instance_norm(input, weight, bias, running_mean, running_var, use_input_stats, momentum,
    eps, cudnn_enabled) -> Tensor

    What :func:`torch.nn.functional.instance_norm` calls.

    >>> x = torch.tensor([[[1.0, 3.0]]])
    >>> torch.instance_norm(x, None, None, None, None, True, 0.1, 0.0, False)
    tensor([[[-1.,  1.]]])
    """
    shape = tuple(input.shape)
    channels = shape[1] if len(shape) > 1 else 0
    _check_channels(channels, running_mean, running_var, weight, bias)
    if not use_input_stats:
        if running_mean is None or running_var is None:
            raise RuntimeError(
                "Expected running_mean and running_var to be defined when use_input_stats is false"
            )
        return BatchNormInference.call(input, weight, bias, running_mean, running_var, eps)
    batch, channels, *rest = shape
    count = math.prod(rest)
    out, mean, _, var = NativeBatchNorm.call(
        input, weight, bias, (batch, channels, count), (channels, 1), (2,), eps
    )
    if running_mean is not None:
        _update(running_mean, mean.detach().mean((0, 2)), 1.0, momentum)
    if running_var is not None:
        _update(running_var, var.detach().mean((0, 2)), count / max(count - 1, 1), momentum)
    return out


@public("nn.functional", out=False)
def local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0):
    """local_response_norm(input, size, alpha=1e-4, beta=0.75, k=1.0) -> Tensor

    ``x / (k + alpha * mean(x²))^beta``, the mean over ``size`` neighbouring channels of ``input``
    (N, C, ...).

    >>> torch.nn.functional.local_response_norm(torch.ones(1, 1, 1), 1, alpha=3.0, beta=0.5)
    tensor([[[0.5000]]])
    """
    dim = input.dim()
    if dim < 3:
        raise ValueError(
            f"Expected 3D or higher dimensionality{' ' * 26}input (got {dim} dimensions)"
        )
    if input.numel() == 0:
        return input
    square = (input * input).unsqueeze(1)
    around = (size // 2, (size - 1) // 2)
    if dim == 3:
        mean = avg_pool2d(ConstantPadNd.call(square, (0, 0, *around)), (size, 1), 1).squeeze(1)
    else:
        shape = input.shape
        flat = square.reshape(shape[0], 1, shape[1], shape[2], -1)
        mean = avg_pool3d(ConstantPadNd.call(flat, (0, 0, 0, 0, *around)), (size, 1, 1), 1)
        mean = mean.reshape(shape)
    return input / (mean * alpha + k).pow(beta)
