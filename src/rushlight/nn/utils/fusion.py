"""Joining a convolution or linear layer with the batch norm after it, for evaluation."""

import copy
from typing import Any

from rushlight import _api as torch
from rushlight.nn.parameter import Parameter

__all__ = [
    "fuse_conv_bn_eval",
    "fuse_conv_bn_weights",
    "fuse_linear_bn_eval",
    "fuse_linear_bn_weights",
]


def _fused(
    weight: Any, bias: Any, norm: tuple, eps: float, along: int
) -> tuple[Parameter, Parameter]:
    """Weight and bias of the layer that does both; ``along`` is the weight's output dimension."""
    mean, var, scale, shift = norm
    bias = torch.zeros_like(mean) if bias is None else bias
    scale = torch.ones_like(mean) if scale is None else scale
    shift = torch.zeros_like(mean) if shift is None else shift
    factor = scale * torch.rsqrt(var + eps)
    shape = [1] * weight.dim()
    shape[along] = -1
    new_weight = (weight * factor.reshape(shape)).to(weight.dtype)
    new_bias = ((bias - mean) * factor + shift).to(bias.dtype)
    return (
        Parameter(new_weight, weight.requires_grad),
        Parameter(new_bias, bias.requires_grad),
    )


def fuse_conv_bn_weights(
    conv_w: Any,
    conv_b: Any,
    bn_rm: Any,
    bn_rv: Any,
    bn_eps: float,
    bn_w: Any,
    bn_b: Any,
    transpose: bool = False,
) -> tuple[Parameter, Parameter]:
    """fuse_conv_bn_weights(conv_w, conv_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b, transpose=False)

    (weight, bias).

    >>> w, b = torch.ones(4, 3, 2), torch.zeros(4)
    >>> weight, bias = torch.nn.utils.fuse_conv_bn_weights(w, b, b, b + 1, 0.0, b + 2, b + 3)
    >>> weight[0, 0], bias
    (tensor([2., 2.]), Parameter containing:
    tensor([3., 3., 3., 3.]))
    """
    along = 1 if transpose else 0
    return _fused(conv_w, conv_b, (bn_rm, bn_rv, bn_w, bn_b), bn_eps, along)


def fuse_linear_bn_weights(
    linear_w: Any, linear_b: Any, bn_rm: Any, bn_rv: Any, bn_eps: float, bn_w: Any, bn_b: Any
) -> tuple[Parameter, Parameter]:
    """fuse_linear_bn_weights(linear_w, linear_b, bn_rm, bn_rv, bn_eps, bn_w, bn_b)

    (weight, bias).

    >>> w, b = torch.ones(4, 3), torch.zeros(4)
    >>> weight, bias = torch.nn.utils.fuse_linear_bn_weights(w, b, b, b + 1, 0.0, b + 2, b + 3)
    >>> weight[0], bias
    (tensor([2., 2., 2.]), Parameter containing:
    tensor([3., 3., 3., 3.]))
    """
    return _fused(linear_w, linear_b, (bn_rm, bn_rv, bn_w, bn_b), bn_eps, 0)


def _fuse_eval(layer: Any, bn: Any, along: int) -> Any:
    if layer.training or bn.training:
        raise AssertionError("Fusion only for eval!")
    fused = copy.deepcopy(layer)
    if bn.running_mean is None or bn.running_var is None:
        raise AssertionError("bn.running_mean and bn.running_var must not be None")
    norm = (bn.running_mean, bn.running_var, bn.weight, bn.bias)
    fused.weight, fused.bias = _fused(fused.weight, fused.bias, norm, bn.eps, along)
    return fused


def fuse_conv_bn_eval(conv: Any, bn: Any, transpose: bool = False) -> Any:
    """fuse_conv_bn_eval(conv, bn, transpose=False)

    One convolution that does both; both in evaluation mode.

    >>> conv, bn = torch.nn.Conv2d(3, 4, 2).eval(), torch.nn.BatchNorm2d(4).eval()
    >>> x = torch.rand(1, 3, 5, 5)
    >>> torch.allclose(torch.nn.utils.fuse_conv_bn_eval(conv, bn)(x), bn(conv(x)), atol=1e-6)
    True
    """
    return _fuse_eval(conv, bn, 1 if transpose else 0)


def fuse_linear_bn_eval(linear: Any, bn: Any) -> Any:
    """fuse_linear_bn_eval(linear, bn): one linear layer that does both; both in evaluation mode.

    The features of ``bn`` are those of ``linear``, or one for all.

    >>> linear, bn = torch.nn.Linear(3, 4).eval(), torch.nn.BatchNorm1d(4).eval()
    >>> x = torch.rand(2, 3)
    >>> torch.allclose(torch.nn.utils.fuse_linear_bn_eval(linear, bn)(x), bn(linear(x)), atol=1e-6)
    True
    """
    if linear.out_features != bn.num_features and bn.num_features != 1:
        raise AssertionError(
            "To fuse, linear.out_features == bn.num_features or bn.num_features == 1, "
            f"got linear.out_features={linear.out_features} and bn.num_features={bn.num_features}"
        )
    return _fuse_eval(linear, bn, 0)
