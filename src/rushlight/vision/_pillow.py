"""Pillow, imported when an image of its kind is first needed.

Pillow is optional: tensors, NumPy arrays and PNG files work without it.
"""

import sys
from types import ModuleType
from typing import Any


def image_module(purpose: str) -> ModuleType:
    """Return ``PIL.Image``, or raise ImportError saying what Pillow was needed for."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError(f"{purpose} needs Pillow. Install it with: pip install pillow") from None
    return Image


def ops_module(purpose: str) -> ModuleType:
    """Return ``PIL.ImageOps``, or raise ImportError saying what Pillow was needed for."""
    image_module(purpose)
    from PIL import ImageOps

    return ImageOps


def enhance_module(purpose: str) -> ModuleType:
    """Return ``PIL.ImageEnhance``, or raise ImportError saying what Pillow was needed for."""
    image_module(purpose)
    from PIL import ImageEnhance

    return ImageEnhance


def is_pil_image(value: Any) -> bool:
    """Whether ``value`` is a Pillow image. Nothing is one before Pillow has been imported."""
    module = sys.modules.get("PIL.Image")
    return module is not None and isinstance(value, module.Image)
