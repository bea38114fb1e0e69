"""torch.nn.grad: the gradients of convolutions, by hand."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.autograd.engine import grad
from rushlight.nn import functional as F

__all__ = [
    "conv1d_input",
    "conv1d_weight",
    "conv2d_input",
    "conv2d_weight",
    "conv3d_input",
    "conv3d_weight",
]


def _gradient(convolve: Callable, wanted: Any, grad_output: Any) -> Any:
    """The gradient of ``convolve(wanted)``, of which only the shape of ``wanted`` matters."""
    with torch.enable_grad():
        wanted = wanted.requires_grad_()
        return grad(convolve(wanted), wanted, grad_output)[0]


def conv1d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """conv1d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1)

    The gradient of conv1d with respect to an input of that size.

    >>> torch.nn.grad.conv1d_input((1, 1, 4), torch.ones(1, 1, 2), torch.ones(1, 1, 3))
    tensor([[[1., 2., 2., 1.]]])
    """
    weight = weight.detach()
    return _gradient(
        lambda x: F.conv1d(x, weight, None, stride, padding, dilation, groups),
        weight.new_zeros(tuple(input_size)),
        grad_output,
    )


def conv1d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """conv1d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1)

    The gradient of conv1d with respect to a weight of that size.

    >>> torch.nn.grad.conv1d_weight(torch.arange(4.0).view(1, 1, 4), (1, 1, 2), torch.ones(1, 1, 3))
    tensor([[[3., 6.]]])
    """
    input = input.detach()
    return _gradient(
        lambda w: F.conv1d(input, w, None, stride, padding, dilation, groups),
        input.new_zeros(tuple(weight_size)),
        grad_output,
    )


def conv2d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """conv2d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1)

    The gradient of conv2d with respect to an input of that size.

    >>> torch.nn.grad.conv2d_input((1, 1, 2, 3), torch.ones(1, 1, 2, 2), torch.ones(1, 1, 1, 2))
    tensor([[[[1., 2., 1.],
              [1., 2., 1.]]]])
    """
    weight = weight.detach()
    return _gradient(
        lambda x: F.conv2d(x, weight, None, stride, padding, dilation, groups),
        weight.new_zeros(tuple(input_size)),
        grad_output,
    )


def conv2d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """conv2d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1)

    The gradient of conv2d with respect to a weight of that size.

    >>> torch.nn.grad.conv2d_weight(torch.ones(1, 1, 2, 3), (1, 1, 2, 2), torch.ones(1, 1, 1, 2))
    tensor([[[[2., 2.],
              [2., 2.]]]])
    """
    input = input.detach()
    return _gradient(
        lambda w: F.conv2d(input, w, None, stride, padding, dilation, groups),
        input.new_zeros(tuple(weight_size)),
        grad_output,
    )


def conv3d_input(
    input_size: Any,
    weight: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """conv3d_input(input_size, weight, grad_output, stride=1, padding=0, dilation=1, groups=1)

    The gradient of conv3d with respect to an input of that size.

    >>> g = torch.ones(1, 2, 3, 3, 3)
    >>> torch.nn.grad.conv3d_input((1, 1, 4, 4, 4), torch.ones(2, 1, 2, 2, 2), g).shape
    torch.Size([1, 1, 4, 4, 4])
    """
    weight = weight.detach()
    return _gradient(
        lambda x: F.conv3d(x, weight, None, stride, padding, dilation, groups),
        weight.new_zeros(tuple(input_size)),
        grad_output,
    )


def conv3d_weight(
    input: Any,
    weight_size: Any,
    grad_output: Any,
    stride: Any = 1,
    padding: Any = 0,
    dilation: Any = 1,
    groups: int = 1,
) -> Any:
    """conv3d_weight(input, weight_size, grad_output, stride=1, padding=0, dilation=1, groups=1)

    The gradient of conv3d with respect to a weight of that size.

    >>> g = torch.ones(1, 2, 3, 3, 3)
    >>> torch.nn.grad.conv3d_weight(torch.ones(1, 1, 4, 4, 4), (2, 1, 2, 2, 2), g).shape
    torch.Size([2, 1, 2, 2, 2])
    """
    input = input.detach()
    return _gradient(
        lambda w: F.conv3d(input, w, None, stride, padding, dilation, groups),
        input.new_zeros(tuple(weight_size)),
        grad_output,
    )
