"""torch.nn.functional: the operators of neural networks as functions.

Most are operators as they are; what stands here has a signature of its own, or is made of others.
"""

import warnings
from typing import TYPE_CHECKING, Any

from rushlight import _api as torch

_hidden = torch.namespace("_nn")
globals().update(torch.namespace("nn.functional"))
_primitive = torch.namespace("nn.functional")
_canonical_mask, _none_or_dtype = _hidden["_canonical_mask"], _hidden["_none_or_dtype"]
_in_projection, _in_projection_packed = _hidden["_in_projection"], _hidden["_in_projection_packed"]

if TYPE_CHECKING:  # the names taken from the records above

    def __getattr__(name: str) -> Any: ...


# ---- activations ---------------------------------------------------------------------------------


def relu(input, inplace=False):
    """relu(input, inplace=False) -> Tensor

    ``max(0, x)`` of each element.

    >>> torch.nn.functional.relu(torch.tensor([-1.0, 2.0]))
    tensor([0., 2.])
    """
    return input.relu_() if inplace else input.relu()


def sigmoid(input):
    """sigmoid(input) -> Tensor

    ``1 / (1 + exp(-x))`` of each element.

    >>> torch.nn.functional.sigmoid(torch.tensor([0.0, 2.0]))
    tensor([0.5000, 0.8808])
    """
    return input.sigmoid()


def tanh(input):
    """tanh(input) -> Tensor

    The hyperbolic tangent of each element.

    >>> torch.nn.functional.tanh(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7616])
    """
    return input.tanh()


def relu6(input, inplace=False):
    """relu6(input, inplace=False) -> Tensor

    Each element, held between 0 and 6.

    >>> torch.nn.functional.relu6(torch.tensor([-3.0, 9.0]))
    tensor([0., 6.])
    """
    return _hidden["relu6_"](input) if inplace else _primitive["relu6"](input)


def elu(input, alpha=1.0, inplace=False):
    """elu(input, alpha=1.0, inplace=False) -> Tensor

    ``x`` where positive, else ``alpha * (exp(x) - 1)``.

    >>> torch.nn.functional.elu(torch.tensor([-100.0, 2.0]))
    tensor([-1.,  2.])
    """
    return _primitive["elu_" if inplace else "elu"](input, alpha)


def selu(input, inplace=False):
    """selu(input, inplace=False) -> Tensor

    The scaled exponential unit of self-normalizing networks.

    >>> torch.nn.functional.selu(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 1.0507])
    """
    return _primitive["selu_" if inplace else "selu"](input)


def celu(input, alpha=1.0, inplace=False):
    """celu(input, alpha=1.0, inplace=False) -> Tensor

    ``max(0, x) + min(0, alpha * (exp(x / alpha) - 1))``.

    >>> torch.nn.functional.celu(torch.tensor([-100.0, 2.0]))
    tensor([-1.,  2.])
    """
    return _primitive["celu_" if inplace else "celu"](input, alpha)


def leaky_relu(input, negative_slope=0.01, inplace=False):
    """leaky_relu(input, negative_slope=0.01, inplace=False) -> Tensor

    ``x`` where positive, else ``negative_slope * x``.

    >>> torch.nn.functional.leaky_relu(torch.tensor([-1.0, 2.0]))
    tensor([-0.0100,  2.0000])
    """
    return _primitive["leaky_relu_" if inplace else "leaky_relu"](input, negative_slope)


def hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False):
    """hardtanh(input, min_val=-1.0, max_val=1.0, inplace=False) -> Tensor

    Each element, held between ``min_val`` and ``max_val``.

    >>> torch.nn.functional.hardtanh(torch.tensor([-3.0, 0.5]))
    tensor([-1.0000,  0.5000])
    """
    if min_val > max_val:
        raise ValueError("min_val cannot be greater than max_val")
    return _primitive["hardtanh_" if inplace else "hardtanh"](input, min_val, max_val)


def threshold(input, threshold, value, inplace=False):
    """threshold(input, threshold, value, inplace=False) -> Tensor

    ``x`` where it is above ``threshold``, else ``value``.

    >>> torch.nn.functional.threshold(torch.tensor([0.5, 2.0]), 1.0, 20.0)
    tensor([20.,  2.])
    """
    return _primitive["threshold_" if inplace else "threshold"](input, threshold, value)


def hardsigmoid(input, inplace=False):
    """hardsigmoid(input, inplace=False) -> Tensor

    ``x / 6 + 1/2``, held between 0 and 1.

    >>> torch.nn.functional.hardsigmoid(torch.tensor([-4.0, 0.0]))
    tensor([0.0000, 0.5000])
    """
    return _hidden["hardsigmoid_"](input) if inplace else _primitive["hardsigmoid"](input)


def hardswish(input, inplace=False):
    """hardswish(input, inplace=False) -> Tensor

    ``x * hardsigmoid(x)``.

    >>> torch.nn.functional.hardswish(torch.tensor([-4.0, 3.0]))
    tensor([-0., 3.])
    """
    return _hidden["hardswish_"](input) if inplace else _primitive["hardswish"](input)


def silu(input, inplace=False):
    """silu(input, inplace=False) -> Tensor

    ``x * sigmoid(x)``, also called swish.

    >>> torch.nn.functional.silu(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.7311])
    """
    return _hidden["silu_"](input) if inplace else _primitive["silu"](input)


def mish(input, inplace=False):
    """mish(input, inplace=False) -> Tensor

    ``x * tanh(softplus(x))``.

    >>> torch.nn.functional.mish(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.8651])
    """
    return _hidden["mish_"](input) if inplace else _primitive["mish"](input)


def _implicit_dim(name, ndim, stacklevel):
    """The dimension meant when none is given, with PyTorch's warning about relying on it."""
    warnings.warn(
        f"Implicit dimension choice for {name} has been deprecated. Change the call to include "
        "dim=X as an argument.",
        stacklevel=stacklevel,
    )
    return 0 if ndim in (0, 1, 3) else 1


def softmax(input, dim=None, _stacklevel=3, dtype=None):
    """softmax(input, dim=None, _stacklevel=3, dtype=None) -> Tensor

    Exponentials of ``input`` along ``dim``, divided by their sum.

    >>> torch.nn.functional.softmax(torch.tensor([[0.0, 0.0]]), dim=1)
    tensor([[0.5000, 0.5000]])
    """
    if dim is None:
        dim = _implicit_dim("softmax", input.dim(), _stacklevel)
    return input.softmax(dim) if dtype is None else input.softmax(dim, dtype=dtype)


def softmin(input, dim=None, _stacklevel=3, dtype=None):
    """softmin(input, dim=None, _stacklevel=3, dtype=None) -> Tensor

    :func:`softmax` of ``-input``.

    >>> torch.nn.functional.softmin(torch.tensor([[0.0, 0.0]]), dim=1)
    tensor([[0.5000, 0.5000]])
    """
    if dim is None:
        dim = _implicit_dim("softmin", input.dim(), _stacklevel)
    return (-input).softmax(dim) if dtype is None else (-input).softmax(dim, dtype=dtype)


def log_softmax(input, dim=None, _stacklevel=3, dtype=None):
    """log_softmax(input, dim=None, _stacklevel=3, dtype=None) -> Tensor

    The logarithm of :func:`softmax`, without the loss of precision of taking it afterwards.

    >>> torch.nn.functional.log_softmax(torch.tensor([[0.0, 0.0]]), dim=1)
    tensor([[-0.6931, -0.6931]])
    """
    if dim is None:
        dim = _implicit_dim("log_softmax", input.dim(), _stacklevel)
    return input.log_softmax(dim) if dtype is None else input.log_softmax(dim, dtype=dtype)


def normalize(input, p=2.0, dim=1, eps=1e-12, out=None):
    """normalize(input, p=2.0, dim=1, eps=1e-12, out=None) -> Tensor

    ``input`` divided by its norm of order ``p`` along ``dim``, or by ``eps`` if that is larger.

    >>> torch.nn.functional.normalize(torch.tensor([[3.0, 4.0]]))
    tensor([[0.6000, 0.8000]])
    """
    norm = input.norm(p, dim, keepdim=True).clamp_min(eps).expand_as(input)
    return input / norm if out is None else torch.div(input, norm, out=out)


# ---- pooling -------------------------------------------------------------------------------------


def max_pool1d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool1d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
    return_indices=False)

    The largest element of each window of ``input`` ((N), C, L), and with ``return_indices`` its
    index.

    >>> torch.nn.functional.max_pool1d(torch.tensor([[1.0, 3.0, 2.0, 0.0]]), 2)
    tensor([[3., 2.]])
    """
    pool = _primitive["max_pool1d_with_indices"] if return_indices else torch.max_pool1d
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool2d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool2d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
    return_indices=False)

    The largest element of each window of ``input`` ((N), C, H, W), and with ``return_indices`` its
    flat index.

    >>> torch.nn.functional.max_pool2d(torch.tensor([[[1.0, 3.0], [2.0, 0.0]]]), 2)
    tensor([[[3.]]])
    """
    pool = _primitive["max_pool2d_with_indices"] if return_indices else torch.max_pool2d
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def max_pool3d(
    input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False, return_indices=False
):
    """max_pool3d(input, kernel_size, stride=None, padding=0, dilation=1, ceil_mode=False,
    return_indices=False)

    The largest element of each window of ``input`` ((N), C, D, H, W), and with ``return_indices``
    its flat index.

    >>> torch.nn.functional.max_pool3d(torch.ones(1, 2, 2, 2), 2)
    tensor([[[[1.]]]])
    """
    pool = _primitive["max_pool3d_with_indices"] if return_indices else torch.max_pool3d
    return pool(input, kernel_size, stride, padding, dilation, ceil_mode)


def adaptive_max_pool1d(input, output_size, return_indices=False):
    """adaptive_max_pool1d(input, output_size, return_indices=False)

    The largest elements of windows that cover ``input`` ((N), C, L) evenly.

    >>> torch.nn.functional.adaptive_max_pool1d(torch.tensor([[1.0, 3.0]]), 1)
    tensor([[3.]])
    """
    result = _primitive["adaptive_max_pool1d_with_indices"](input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool2d(input, output_size, return_indices=False):
    """adaptive_max_pool2d(input, output_size, return_indices=False)

    The largest elements of windows that cover ``input`` ((N), C, H, W) evenly.

    >>> torch.nn.functional.adaptive_max_pool2d(torch.tensor([[[1.0, 3.0]]]), 1)
    tensor([[[3.]]])
    """
    result = _primitive["adaptive_max_pool2d_with_indices"](input, output_size)
    return result if return_indices else result[0]


def adaptive_max_pool3d(input, output_size, return_indices=False):
    """adaptive_max_pool3d(input, output_size, return_indices=False)

    The largest elements of windows that cover ``input`` ((N), C, D, H, W) evenly.

    >>> torch.nn.functional.adaptive_max_pool3d(torch.ones(1, 1, 1, 1), 1)
    tensor([[[[1.]]]])
    """
    result = _primitive["adaptive_max_pool3d_with_indices"](input, output_size)
    return result if return_indices else result[0]


def fractional_max_pool2d(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """fractional_max_pool2d(input, kernel_size, output_size=None, output_ratio=None,
    return_indices=False)

    The largest elements of windows of ``input`` ((N), C, H, W) at random, evenly spread places.

    >>> torch.nn.functional.fractional_max_pool2d(torch.ones(1, 2, 2), 1, output_size=2).shape
    torch.Size([1, 2, 2])
    """
    pool = _primitive["fractional_max_pool2d_with_indices"]
    result = pool(input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
    return result if return_indices else result[0]


def fractional_max_pool3d(
    input,
    kernel_size,
    output_size=None,
    output_ratio=None,
    return_indices=False,
    _random_samples=None,
):
    """fractional_max_pool3d(input, kernel_size, output_size=None, output_ratio=None,
    return_indices=False)

    The largest elements of windows of ``input`` ((N), C, D, H, W) at random, evenly spread places.

    >>> torch.nn.functional.fractional_max_pool3d(torch.ones(1, 3, 3, 3), 1, output_size=2).shape
    torch.Size([1, 2, 2, 2])
    """
    pool = _primitive["fractional_max_pool3d_with_indices"]
    result = pool(input, kernel_size, output_size, output_ratio, return_indices, _random_samples)
    return result if return_indices else result[0]


# ---- normalization -------------------------------------------------------------------------------


def batch_norm(
    input, running_mean, running_var, weight=None, bias=None, training=False, momentum=0.1, eps=1e-5
):
    """batch_norm(input, running_mean, running_var, weight=None, bias=None, training=False,
    momentum=0.1, eps=1e-5) -> Tensor

    ``input`` (N, C, ...) standardized by channel, with the batch's statistics in training (which
    move the running ones) and the running ones else; times ``weight``, plus ``bias``.

    >>> torch.nn.functional.batch_norm(torch.tensor([[1.0], [3.0]]), None, None, training=True)
    tensor([[-1.0000],
            [ 1.0000]])
    """
    if training:
        size = input.size()
        if size[0] * size[2:].numel() == 1:
            raise ValueError(
                f"Expected more than 1 value per channel when training, got input size {size}"
            )
    return torch.batch_norm(
        input, weight, bias, running_mean, running_var, training, momentum, eps, True
    )


def instance_norm(
    input,
    running_mean=None,
    running_var=None,
    weight=None,
    bias=None,
    use_input_stats=True,
    momentum=0.1,
    eps=1e-5,
):
    """instance_norm(input, running_mean=None, running_var=None, weight=None, bias=None,
    use_input_stats=True, momentum=0.1, eps=1e-5) -> Tensor

    Each channel of each sample of ``input`` (N, C, ...) standardized, times ``weight``, plus
    ``bias``.

    >>> torch.nn.functional.instance_norm(torch.tensor([[[1.0, 3.0]]]))
    tensor([[[-1.0000,  1.0000]]])
    """
    if use_input_stats:
        size = input.size()
        if len(size) < 3 or size[2:].numel() == 1:
            raise ValueError(
                f"Expected more than 1 spatial element when training, got input size {size}"
            )
    return torch.instance_norm(
        input, weight, bias, running_mean, running_var, use_input_stats, momentum, eps, True
    )


# ---- embedding -----------------------------------------------------------------------------------


def embedding(
    input,
    weight,
    padding_idx=None,
    max_norm=None,
    norm_type=2.0,
    scale_grad_by_freq=False,
    sparse=False,
):
    """embedding(input, weight, padding_idx=None, max_norm=None, norm_type=2.0,
    scale_grad_by_freq=False, sparse=False) -> Tensor

    The rows of ``weight`` (V, D) that ``input`` (...) names: (..., D). The row ``padding_idx`` gets
    no gradient; ``max_norm`` scales the rows met down to that norm, in place.

    >>> torch.nn.functional.embedding(torch.tensor([1, 0]), torch.tensor([[1.0], [2.0]]))
    tensor([[2.],
            [1.]])
    """
    if padding_idx is None:
        padding_idx = -1
    else:
        rows = weight.size(0)
        if not -rows <= padding_idx < rows:
            raise AssertionError("Padding_idx must be within num_embeddings")
        padding_idx %= rows
    if max_norm is not None:
        torch.embedding_renorm_(weight, input, max_norm, norm_type)
    return torch.embedding(weight, input, padding_idx, scale_grad_by_freq, sparse)
