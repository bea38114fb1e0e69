"""Blocks that several models are made of."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight import nn


class FrozenBatchNorm2d(nn.Module):
    """FrozenBatchNorm2d(num_features, eps=1e-5)

    Batch normalisation with fixed statistics and fixed scale and shift: all four are buffers.

    >>> layer = vision.ops.FrozenBatchNorm2d(3)
    >>> layer
    FrozenBatchNorm2d(3, eps=1e-05)
    >>> len(list(layer.parameters())), len(list(layer.buffers()))
    (0, 4)
    """

    def __init__(self, num_features: int, eps: float = 1e-5) -> None:
        super().__init__()
        self.eps = eps
        self.register_buffer("weight", torch.ones(num_features))
        self.register_buffer("bias", torch.zeros(num_features))
        self.register_buffer("running_mean", torch.zeros(num_features))
        self.register_buffer("running_var", torch.ones(num_features))

    def _load_from_state_dict(self, state_dict: dict, prefix: str, *args: Any) -> None:
        state_dict.pop(prefix + "num_batches_tracked", None)  # a BatchNorm2d's counts its batches
        super()._load_from_state_dict(state_dict, prefix, *args)

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        """Return the normalised ``x``, of shape (N, C, H, W)."""
        scale = self.weight * (self.running_var + self.eps).rsqrt()
        shift = self.bias - self.running_mean * scale
        return x * scale.reshape(1, -1, 1, 1) + shift.reshape(1, -1, 1, 1)

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.weight.shape[0]}, eps={self.eps})"


class Conv2dNormActivation(nn.Sequential):
    """Conv2dNormActivation(in_channels, out_channels, kernel_size=3, stride=1, padding=None,
    groups=1, norm_layer=BatchNorm2d, activation_layer=ReLU, dilation=1, inplace=True, bias=None)

    A convolution, a normalisation and an activation; ``padding=None`` keeps the size at stride 1.

    >>> block = vision.ops.Conv2dNormActivation(3, 8)
    >>> [type(part).__name__ for part in block]
    ['Conv2d', 'BatchNorm2d', 'ReLU']
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int | tuple[int, int] = 3,
        stride: int | tuple[int, int] = 1,
        padding: int | tuple[int, int] | str | None = None,
        groups: int = 1,
        norm_layer: Callable[..., nn.Module] | None = nn.BatchNorm2d,
        activation_layer: Callable[..., nn.Module] | None = nn.ReLU,
        dilation: int | tuple[int, int] = 1,
        inplace: bool | None = True,
        bias: bool | None = None,
    ) -> None:
        sizes = (kernel_size,) * 2 if isinstance(kernel_size, int) else kernel_size
        steps = (dilation,) * 2 if isinstance(dilation, int) else dilation
        if padding is None:
            padding = ((sizes[0] - 1) // 2 * steps[0], (sizes[1] - 1) // 2 * steps[1])
        layers: list[nn.Module] = [
            nn.Conv2d(
                in_channels,
                out_channels,
                kernel_size,
                stride,
                padding,
                dilation=dilation,
                groups=groups,
                bias=norm_layer is None if bias is None else bias,
            )
        ]
        if norm_layer is not None:
            layers.append(norm_layer(out_channels))
        if activation_layer is not None:
            layers.append(activation_layer(**({} if inplace is None else {"inplace": inplace})))
        super().__init__(*layers)
        self.out_channels = out_channels


class SqueezeExcitation(nn.Module):
    """SqueezeExcitation(input_channels, squeeze_channels, activation=ReLU,
    scale_activation=Sigmoid)

    Scales each channel by what two 1 x 1 convolutions make of the channels' means.

    >>> vision.ops.SqueezeExcitation(8, 2)(torch.ones(1, 8, 4, 4)).shape
    torch.Size([1, 8, 4, 4])
    """

    def __init__(
        self,
        input_channels: int,
        squeeze_channels: int,
        activation: Callable[..., nn.Module] = nn.ReLU,
        scale_activation: Callable[..., nn.Module] = nn.Sigmoid,
    ) -> None:
        super().__init__()
        self.avgpool = nn.AdaptiveAvgPool2d(1)
        self.fc1 = nn.Conv2d(input_channels, squeeze_channels, 1)
        self.fc2 = nn.Conv2d(squeeze_channels, input_channels, 1)
        self.activation = activation()
        self.scale_activation = scale_activation()

    def forward(self, input: "torch.Tensor") -> "torch.Tensor":
        """Return ``input``, of shape (N, C, H, W), with its channels scaled."""
        means = self.activation(self.fc1(self.avgpool(input)))
        return self.scale_activation(self.fc2(means)) * input


class Permute(nn.Module):
    """Permute(dims): a module that permutes the dimensions.

    >>> vision.ops.Permute([1, 0])(torch.ones(2, 3)).shape
    torch.Size([3, 2])
    """

    def __init__(self, dims: list[int]) -> None:
        super().__init__()
        self.dims = dims

    def forward(self, x: "torch.Tensor") -> "torch.Tensor":
        """Return ``x`` with its dimensions permuted."""
        return torch.permute(x, self.dims)
