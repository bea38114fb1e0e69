"""Fast kernels beside the reference forwards; importing this registers those that were built."""

from rushlight._kernels import native as native
