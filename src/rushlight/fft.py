"""torch.fft: discrete Fourier transforms. The operators live in ``rushlight._ops.fft``."""

from rushlight import _api
from rushlight._api import Tensor as Tensor

globals().update(_api.namespace("fft"))
__all__ = sorted(_api.namespace("fft"))
