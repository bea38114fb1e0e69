"""The memory format of convolution weights."""

from typing import Any

from rushlight.nn.modules.conv import Conv2d, Conv3d, ConvTranspose2d, ConvTranspose3d
from rushlight.nn.modules.module import Module

__all__ = ["convert_conv2d_weight_memory_format", "convert_conv3d_weight_memory_format"]


def _convert(module: Module, kinds: tuple, memory_format: Any) -> Module:
    for layer in module.modules():
        if isinstance(layer, kinds):
            layer.weight.data = (
                layer.weight.detach().clone().contiguous(memory_format=memory_format)
            )
    return module


def convert_conv2d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """convert_conv2d_weight_memory_format(module, memory_format)

    Lay out the weights of 2-D convolutions so.

    >>> conv = torch.nn.Conv2d(3, 4, 2)
    >>> conv = torch.nn.utils.convert_conv2d_weight_memory_format(conv, torch.channels_last)
    >>> conv.weight.is_contiguous(memory_format=torch.channels_last)
    True
    """
    return _convert(module, (Conv2d, ConvTranspose2d), memory_format)


def convert_conv3d_weight_memory_format(module: Module, memory_format: Any) -> Module:
    """convert_conv3d_weight_memory_format(module, memory_format)

    Lay out the weights of 3-D convolutions so.

    >>> conv = torch.nn.Conv3d(3, 4, 2)
    >>> conv = torch.nn.utils.convert_conv3d_weight_memory_format(conv, torch.channels_last_3d)
    >>> conv.weight.is_contiguous(memory_format=torch.channels_last_3d)
    True
    """
    return _convert(module, (Conv3d, ConvTranspose3d), memory_format)
