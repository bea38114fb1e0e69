"""Normalization over features, groups and neighbouring channels."""

import numbers
from typing import Any

from rushlight import _api as torch
from rushlight.autograd.function import Function
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter

__all__ = ["CrossMapLRN2d", "GroupNorm", "LayerNorm", "LocalResponseNorm", "RMSNorm"]


def _shape(normalized_shape: Any) -> tuple:
    if isinstance(normalized_shape, numbers.Integral):
        return (normalized_shape,)
    return tuple(normalized_shape)


class LocalResponseNorm(Module):
    """LocalResponseNorm(size, alpha=0.0001, beta=0.75, k=1.0)

    Divide by (k + alpha mean(x²))^beta over ``size`` channels.

    >>> torch.nn.LocalResponseNorm(2, alpha=1.0)(torch.ones(1, 3, 4)).shape
    torch.Size([1, 3, 4])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        return F.local_response_norm(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class CrossMapLRN2d(Module):
    """CrossMapLRN2d(size, alpha=0.0001, beta=0.75, k=1)

    The Lua Torch form of LocalResponseNorm, for (N, C, H, W).

    >>> m = torch.nn.CrossMapLRN2d(2, alpha=1.0)
    >>> m(torch.ones(1, 3, 1, 1)).flatten()
    tensor([0.7378, 0.5946, 0.5946])
    """

    def __init__(self, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1) -> None:
        super().__init__()
        self.size = size
        self.alpha = alpha
        self.beta = beta
        self.k = k

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        return _CrossMapLRN2d.apply(input, self.size, self.alpha, self.beta, self.k)

    def extra_repr(self) -> str:
        """The settings."""
        return f"{self.size}, alpha={self.alpha}, beta={self.beta}, k={self.k}"


class _CrossMapLRN2d(Function):
    """PyTorch's arithmetic with its two oddities, which old checkpoints were trained with.

    The window of channel c keeps the square of channel 0 for good, and backward sums over a window
    one place lower.
    """

    @staticmethod
    def forward(ctx: Any, input: Any, size: int, alpha: float, beta: float, k: float) -> Any:
        if input.dim() != 4:
            raise ValueError(f"CrossMapLRN2d: Expected input to be 4D, got {input.dim()}D instead.")
        half = int((size - 1) / 2)
        square = input * input
        total = _channel_window(square, -half, half)
        total[:, half + 1 :] += square[:, :1]
        scale = total * (alpha / size) + k
        output = scale**-beta * input
        ctx.save_for_backward(input, output, scale)
        ctx.size, ctx.alpha, ctx.beta = size, alpha, beta
        return output

    @staticmethod
    def backward(ctx: Any, grad_output: Any) -> tuple:
        input, output, scale = ctx.saved_tensors
        low = -int(ctx.size - (ctx.size - 1) / 2)
        shared = _channel_window(grad_output * output / scale, low, low + ctx.size - 1)
        factor = 2 * ctx.alpha * ctx.beta / ctx.size
        grad = scale**-ctx.beta * grad_output - factor * input * shared
        return grad, None, None, None, None


def _channel_window(x: Any, low: int, high: int) -> Any:
    """For each channel c the sum of channels c+low ... c+high, those outside counting 0."""
    padded = F.pad(x, (0, 0, 0, 0, -low, high))
    return padded.unfold(1, high - low + 1, 1).sum(-1)


class LayerNorm(Module):
    """LayerNorm(normalized_shape, eps=1e-05, elementwise_affine=True, bias=True, device=None,
    dtype=None)

    (x - mean) / sqrt(var + eps) * weight + bias over the last dimensions, whose sizes are
    ``normalized_shape``.

    Ba, Kiros and Hinton, "Layer Normalization" (2016).

    >>> torch.nn.LayerNorm(2)(torch.tensor([[1.0, 3.0], [0.0, 10.0]]))
    tensor([[-1.0000,  1.0000],
            [-1.0000,  1.0000]], grad_fn=<NativeLayerNormBackward0>)
    >>> torch.nn.LayerNorm([5, 10, 10])(torch.rand(20, 5, 10, 10)).shape
    torch.Size([20, 5, 10, 10])
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float = 1e-5,
        elementwise_affine: bool = True,
        bias: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        wanted = {"weight": elementwise_affine, "bias": elementwise_affine and bias}
        for name, there in wanted.items():
            tensor = torch.empty(self.normalized_shape, device=device, dtype=dtype)
            self.register_parameter(name, Parameter(tensor) if there else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """reset_parameters(): weight 1, bias 0."""
        if self.elementwise_affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        return F.layer_norm(input, self.normalized_shape, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, "
            f"elementwise_affine={self.elementwise_affine}, bias={self.bias is not None}"
        )


class GroupNorm(Module):
    """GroupNorm(num_groups, num_channels, eps=1e-05, affine=True, device=None, dtype=None, *,
    bias=True)

    Normalize each group of channels of each sample of (N, C, *). num_channels must be divisible by
    num_groups.

    >>> torch.nn.GroupNorm(3, 6)(torch.rand(20, 6, 10, 10)).shape
    torch.Size([20, 6, 10, 10])
    >>> torch.nn.GroupNorm(1, 2)(torch.tensor([[1.0, 3.0]]))
    tensor([[-1.0000,  1.0000]], grad_fn=<NativeGroupNormBackward0>)
    """

    def __init__(
        self,
        num_groups: int,
        num_channels: int,
        eps: float = 1e-5,
        affine: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        if num_channels % num_groups != 0:
            raise ValueError(
                f"num_channels ({num_channels}) must be divisible by num_groups ({num_groups})"
            )
        self.num_groups = num_groups
        self.num_channels = num_channels
        self.eps = eps
        self.affine = affine
        for name, there in (("weight", affine), ("bias", affine and bias)):
            tensor = torch.empty(num_channels, device=device, dtype=dtype)
            self.register_parameter(name, Parameter(tensor) if there else None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """reset_parameters(): weight 1, bias 0."""
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        return F.group_norm(input, self.num_groups, self.weight, self.bias, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_groups}, {self.num_channels}, eps={self.eps}, affine={self.affine}, "
            f"bias={self.bias is not None}"
        )


class RMSNorm(Module):
    """RMSNorm(normalized_shape, eps=None, elementwise_affine=True, device=None, dtype=None)

    x / sqrt(mean(x²) + eps) * weight over the last dimensions; ``eps=None`` is the dtype's own
    epsilon.

    Zhang and Sennrich, "Root Mean Square Layer Normalization" (2019).

    >>> torch.nn.RMSNorm(2)(torch.tensor([[1.0, 7.0]]))
    tensor([[0.2000, 1.4000]], grad_fn=<MulBackward0>)
    """

    def __init__(
        self,
        normalized_shape: Any,
        eps: float | None = None,
        elementwise_affine: bool = True,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        self.normalized_shape = _shape(normalized_shape)
        self.eps = eps
        self.elementwise_affine = elementwise_affine
        if elementwise_affine:
            self.weight = Parameter(torch.empty(self.normalized_shape, device=device, dtype=dtype))
        else:
            self.register_parameter("weight", None)
        self.reset_parameters()

    def reset_parameters(self) -> None:
        """reset_parameters(): weight 1."""
        if self.elementwise_affine:
            init.ones_(self.weight)

    def forward(self, x: Any) -> Any:
        """The normalized input."""
        return F.rms_norm(x, self.normalized_shape, self.weight, self.eps)

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.normalized_shape}, eps={self.eps}, elementwise_affine={self.elementwise_affine}"
        )
