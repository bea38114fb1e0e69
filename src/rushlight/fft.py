"""torch.fft: discrete Fourier transforms. The operators live in ``rushlight._ops.fft``."""

from rushlight import _api

globals().update(_api.namespace("fft"))
__all__ = sorted(_api.namespace("fft"))
