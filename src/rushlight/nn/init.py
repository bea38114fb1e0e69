"""Initial values of parameters. The draws and formulas are PyTorch's, so a seed gives the same
weights.
"""

import math
import warnings
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch

_hidden = torch.namespace("_nn")

__all__ = [
    "calculate_gain",
    "constant_",
    "dirac_",
    "eye_",
    "kaiming_normal_",
    "kaiming_uniform_",
    "normal_",
    "ones_",
    "orthogonal_",
    "sparse_",
    "trunc_normal_",
    "uniform_",
    "xavier_normal_",
    "xavier_uniform_",
    "zeros_",
]

_GAINS = {
    **dict.fromkeys(("linear", "conv1d", "conv2d", "conv3d", "sigmoid"), 1),
    **dict.fromkeys(("conv_transpose1d", "conv_transpose2d", "conv_transpose3d"), 1),
    "tanh": 5.0 / 3,
    "relu": math.sqrt(2.0),
    "selu": 3.0 / 4,  # found by experiment
}


def calculate_gain(nonlinearity: str, param: float | None = None) -> float:
    """calculate_gain(nonlinearity, param=None): by how much the standard deviation should grow
    after it.

    ``param`` is the negative slope of 'leaky_relu' (0.01). Raises ValueError for an unknown name.

    >>> torch.nn.init.calculate_gain("leaky_relu", 0.2)
    1.3867504905630728
    """
    if nonlinearity == "leaky_relu":
        slope = 0.01 if param is None else param
        if isinstance(slope, bool) or not isinstance(slope, int | float):
            raise ValueError(f"negative_slope {param} not a valid number")
        return math.sqrt(2.0 / (1 + slope**2))
    if nonlinearity not in _GAINS:
        raise ValueError(f"Unsupported nonlinearity {nonlinearity}")
    return _GAINS[nonlinearity]


def _calculate_fan_in_and_fan_out(tensor: Any) -> tuple[int, int]:
    """How many inputs feed one output, and how many outputs one input feeds."""
    if tensor.dim() < 2:
        raise ValueError(
            "Fan in and fan out can not be computed for tensor with fewer than 2 dimensions"
        )
    shape = tuple(tensor.shape)
    space = math.prod(shape[2:])
    return shape[1] * space, shape[0] * space


def _calculate_correct_fan(tensor: Any, mode: str) -> int:
    mode = mode.lower()
    valid_modes = ["fan_in", "fan_out"]
    if mode not in valid_modes:
        raise ValueError(f"Mode {mode} not supported, please use one of {valid_modes}")
    return _calculate_fan_in_and_fan_out(tensor)[valid_modes.index(mode)]


def uniform_(tensor: Any, a: float = 0.0, b: float = 1.0, generator: Any = None) -> Any:
    """uniform_(tensor, a=0.0, b=1.0, generator=None)

    Fill from the uniform distribution on [a, b).

    >>> w = torch.nn.init.uniform_(torch.empty(10_000), -3.0, 3.0)
    >>> w.min() >= -3, w.max() < 3
    (tensor(True), tensor(True))
    """
    with torch.no_grad():
        return tensor.uniform_(a, b, generator=generator)


def normal_(tensor: Any, mean: float = 0.0, std: float = 1.0, generator: Any = None) -> Any:
    """normal_(tensor, mean=0.0, std=1.0, generator=None): fill from the normal distribution.

    >>> w = torch.nn.init.normal_(torch.empty(10_000), mean=3.0, std=0.1)
    >>> w.mean().round(decimals=2), w.std().round(decimals=2)
    (tensor(3.), tensor(0.1000))
    """
    with torch.no_grad():
        return tensor.normal_(mean, std, generator=generator)


def constant_(tensor: Any, val: float) -> Any:
    """constant_(tensor, val): fill with one value.

    >>> torch.nn.init.constant_(torch.empty(3), 0.3)
    tensor([0.3000, 0.3000, 0.3000])
    """
    with torch.no_grad():
        return tensor.fill_(val)


def ones_(tensor: Any) -> Any:
    """ones_(tensor): fill with ones.

    >>> torch.nn.init.ones_(torch.empty(3))
    tensor([1., 1., 1.])
    """
    return constant_(tensor, 1.0)


def zeros_(tensor: Any) -> Any:
    """zeros_(tensor): fill with zeros.

    >>> torch.nn.init.zeros_(torch.empty(3))
    tensor([0., 0., 0.])
    """
    with torch.no_grad():
        return tensor.zero_()


def eye_(tensor: Any) -> Any:
    """eye_(tensor): the identity matrix, as far as it fits a 2-D tensor.

    >>> torch.nn.init.eye_(torch.empty(2, 3))
    tensor([[1., 0., 0.],
            [0., 1., 0.]])
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    with torch.no_grad():
        return tensor.copy_(torch.eye(*tensor.shape, dtype=tensor.dtype, device=tensor.device))


def dirac_(tensor: Any, groups: int = 1) -> Any:
    """dirac_(tensor, groups=1)

    A convolution weight (3-D to 5-D) that passes its input channels on.

    >>> w = torch.nn.init.dirac_(torch.empty(3, 3, 3))
    >>> x = torch.rand(1, 3, 8)
    >>> torch.equal(torch.nn.functional.conv1d(x, w, padding=1), x)
    True
    """
    if tensor.ndimension() not in (3, 4, 5):
        raise ValueError("Only tensors with 3, 4, or 5 dimensions are supported")
    sizes = tensor.size()
    if sizes[0] % groups != 0:
        raise ValueError("dim 0 must be divisible by groups")
    per_group = sizes[0] // groups
    middle = tuple(size // 2 for size in sizes[2:])
    with torch.no_grad():
        tensor.zero_()
        for group in range(groups):
            for channel in range(min(per_group, sizes[1])):
                tensor[(group * per_group + channel, channel, *middle)] = 1
    return tensor


def xavier_uniform_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """xavier_uniform_(tensor, gain=1.0, generator=None)

    Uniform in ±gain sqrt(6 / (fan_in + fan_out)).

    Glorot and Bengio (2010).

    >>> torch.nn.init.xavier_uniform_(torch.empty(300, 300)).abs().max().round(decimals=2)
    tensor(0.1000)
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def xavier_normal_(tensor: Any, gain: float = 1.0, generator: Any = None) -> Any:
    """xavier_normal_(tensor, gain=1.0, generator=None)

    Normal with std gain sqrt(2 / (fan_in + fan_out)).

    Glorot and Bengio, "Understanding the difficulty of training deep feedforward neural networks"
    (2010).

    >>> torch.nn.init.xavier_normal_(torch.empty(300, 300)).std().round(decimals=3)
    tensor(0.0580)
    """
    fan_in, fan_out = _calculate_fan_in_and_fan_out(tensor)
    std = gain * math.sqrt(2.0 / float(fan_in + fan_out))
    return normal_(tensor, 0.0, std, generator)


def _kaiming_std(tensor: Any, a: float, mode: str, nonlinearity: str) -> float | None:
    if 0 in tensor.shape:
        warnings.warn("Initializing zero-element tensors is a no-op", stacklevel=3)
        return None
    fan = _calculate_correct_fan(tensor, mode)
    return calculate_gain(nonlinearity, a) / math.sqrt(fan)


def kaiming_uniform_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """kaiming_uniform_(tensor, a=0, mode='fan_in', nonlinearity='leaky_relu', generator=None)

    Uniform in ±gain sqrt(3 / fan); ``a`` is the slope of a leaky ReLU.

    He et al., "Delving Deep into Rectifiers" (2015).

    >>> w = torch.nn.init.kaiming_uniform_(torch.empty(1000, 6), nonlinearity='relu')
    >>> w.abs().max().round(decimals=2)  # sqrt(6 / 6)
    tensor(1.)
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    if std is None:
        return tensor
    bound = math.sqrt(3.0) * std
    return uniform_(tensor, -bound, bound, generator)


def kaiming_normal_(
    tensor: Any,
    a: float = 0,
    mode: str = "fan_in",
    nonlinearity: str = "leaky_relu",
    generator: Any = None,
) -> Any:
    """kaiming_normal_(tensor, a=0, mode='fan_in', nonlinearity='leaky_relu', generator=None)

    Std gain / sqrt(fan).

    He et al., "Delving Deep into Rectifiers" (2015).

    >>> w = torch.nn.init.kaiming_normal_(torch.empty(1000, 50), nonlinearity='relu')
    >>> w.std().round(decimals=2)  # sqrt(2 / 50)
    tensor(0.2000)
    """
    std = _kaiming_std(tensor, a, mode, nonlinearity)
    return tensor if std is None else normal_(tensor, 0, std, generator)


def orthogonal_(tensor: Any, gain: float = 1, generator: Any = None) -> Any:
    """orthogonal_(tensor, gain=1, generator=None)

    A (semi-)orthogonal matrix; later dimensions are joined.

    Saxe, McClelland and Ganguli (2013).

    >>> w = torch.nn.init.orthogonal_(torch.empty(3, 5))
    >>> torch.allclose(w @ w.T, torch.eye(3), atol=1e-6)
    True
    """
    if tensor.ndimension() < 2:
        raise ValueError("Only tensors with 2 or more dimensions are supported")
    if tensor.numel() == 0 or tensor.is_meta:
        return tensor
    rows = tensor.size(0)
    columns = tensor.numel() // rows
    with torch.no_grad():
        flat = tensor.new_empty((rows, columns)).normal_(0, 1, generator=generator)
        wide = rows < columns
        # The signs of R's diagonal make the distribution of Q uniform over all orthogonal matrices.
        q = _hidden["_orthonormal"](flat.t() if wide else flat)
        tensor.view_as(q.t() if wide else q).copy_(q.t() if wide else q)
        tensor.mul_(gain)
    return tensor


def sparse_(tensor: Any, sparsity: float, std: float = 0.01, generator: Any = None) -> Any:
    """sparse_(tensor, sparsity, std=0.01, generator=None)

    Normal, with that share of each column zero; 2-D only.

    >>> w = torch.nn.init.sparse_(torch.empty(10, 4), sparsity=0.3)
    >>> (w == 0).sum(0)
    tensor([3, 3, 3, 3])
    """
    if tensor.ndimension() != 2:
        raise ValueError("Only tensors with 2 dimensions are supported")
    rows, columns = tensor.shape
    zeros = math.ceil(sparsity * rows)
    with torch.no_grad():
        tensor.normal_(0, std, generator=generator)
        for column in range(columns):
            tensor[torch.randperm(rows)[:zeros], column] = 0
    return tensor


def trunc_normal_(
    tensor: Any,
    mean: float = 0.0,
    std: float = 1.0,
    a: float = -2.0,
    b: float = 2.0,
    generator: Any = None,
) -> Any:
    """trunc_normal_(tensor, mean=0.0, std=1.0, a=-2.0, b=2.0, generator=None)

    Normal, drawn again outside [a, b].

    >>> torch.nn.init.trunc_normal_(torch.empty(10_000)).abs().max() <= 2
    tensor(True)
    """
    if tensor.is_meta:
        return tensor
    if mean < a - 2 * std or mean > b + 2 * std:
        warnings.warn(
            "mean is more than 2 std from [a, b] in nn.init.trunc_normal_. "
            "The distribution of values may be incorrect.",
            stacklevel=2,
        )
    inside = _normal_cdf((b - mean) / std) - _normal_cdf((a - mean) / std)
    with torch.no_grad():
        if inside > 0.3:
            return _redraw_outside(tensor, mean, std, a, b, generator)
        return _accept_uniform(tensor, mean, std, a, b, generator)


def _normal_cdf(x: float) -> float:
    return (1.0 + math.erf(x / math.sqrt(2.0))) / 2.0


def _redraw_outside(
    tensor: Any, mean: float, std: float, a: float, b: float, generator: Any
) -> Any:
    """Most of the normal lies in [a, b]: draw whole tensors until every element has been inside
    once.
    """
    low, high = (tensor.new_tensor(x).item() for x in (a, b))  # as the tensor's dtype has them
    tensor.normal_(mean, std, generator=generator)
    outside = (tensor < low) | (tensor > high)
    while bool(outside.any()):
        again = torch.empty_like(tensor).normal_(mean, std, generator=generator)
        tensor.copy_(torch.where(outside, again, tensor))
        outside = (tensor < low) | (tensor > high)
    return tensor


def _accept_uniform(
    tensor: Any, mean: float, std: float, a: float, b: float, generator: Any
) -> Any:
    """Little of it does: draw uniformly, and accept in proportion to the density."""
    mode = max(a, min(mean, b))
    peak = -0.5 * ((mode - mean) / std) ** 2

    def rejected(candidates: Any) -> Any:
        log_density = ((candidates - mean) / std).pow(2) * -0.5 - peak
        return torch.empty_like(tensor).uniform_(generator=generator).log() > log_density

    tensor.uniform_(a, b, generator=generator)
    pending = rejected(tensor)
    while bool(pending.any()):
        candidates = torch.empty_like(tensor).uniform_(a, b, generator=generator)
        tensor.copy_(torch.where(pending, candidates, tensor))
        pending = pending & rejected(candidates)
    return tensor


def _make_deprecate(function: Callable) -> Callable:
    """The old name of an initialiser, without the underscore."""
    new_name = function.__name__
    old_name = new_name[:-1]

    def deprecated(*args: Any, **kwargs: Any) -> Any:
        warnings.warn(
            f"`nn.init.{old_name}` is now deprecated in favor of `nn.init.{new_name}`.",
            FutureWarning,
            stacklevel=2,
        )
        return function(*args, **kwargs)

    deprecated.__name__ = old_name
    deprecated.__doc__ = f"{old_name}(...): the old name of {new_name}."
    return deprecated


uniform = _make_deprecate(uniform_)
normal = _make_deprecate(normal_)
constant = _make_deprecate(constant_)
eye = _make_deprecate(eye_)
dirac = _make_deprecate(dirac_)
xavier_uniform = _make_deprecate(xavier_uniform_)
xavier_normal = _make_deprecate(xavier_normal_)
kaiming_uniform = _make_deprecate(kaiming_uniform_)
kaiming_normal = _make_deprecate(kaiming_normal_)
orthogonal = _make_deprecate(orthogonal_)
sparse = _make_deprecate(sparse_)
