"""torch.special: special functions of mathematics.

The operators live in ``rushlight._ops.special``.
"""

from rushlight import _api

globals().update(_api.namespace("special"))
__all__ = sorted(_api.namespace("special"))
