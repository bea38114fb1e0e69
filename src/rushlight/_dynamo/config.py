"""torch._dynamo.config: settings of compilation.

``disable`` is what ``TORCH_COMPILE_DISABLE=1`` sets: everything runs eagerly. The others may be set
and read; they are about compilation, and nothing is compiled. ``suppress_errors`` is one of these:
a backend that is not there is still refused.
"""

import contextlib
import os
import sys
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from rushlight._core.compilation import settings

accumulated_cache_size_limit = accumulated_recompile_limit = 256
allow_rnn = False
assume_static_by_default = True
automatic_dynamic_shapes = True
cache_size_limit = recompile_limit = 8
capture_dynamic_output_shape_ops = False
capture_scalar_outputs = False
dynamic_shapes = True
force_parameter_static_shapes = True
guard_nn_modules = True
inline_inbuilt_nn_modules = True
optimize_ddp = True
skip_fwd_side_effects_in_bwd_under_checkpoint = False
specialize_float = False
specialize_int = False
suppress_errors = bool(os.environ.get("TORCHDYNAMO_SUPPRESS_ERRORS", ""))
verbose = os.environ.get("TORCHDYNAMO_VERBOSE", "0") == "1"


@contextlib.contextmanager
def patch(arg1: str | dict[str, Any] | None = None, arg2: Any = None, **kwargs: Any) -> Iterator:
    """patch("name", value), patch({"name": value}), patch(name=value): other settings inside a
    ``with``, or in the decorated function.
    """
    changes = {arg1: arg2} if isinstance(arg1, str) else {**(arg1 or {}), **kwargs}
    module = sys.modules[__name__]
    before = {name: getattr(module, name) for name in changes}
    for name, value in changes.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for name, value in before.items():
            setattr(module, name, value)


class _Config(ModuleType):
    """The module itself, so that setting ``disable`` is heard."""

    @property
    def disable(self) -> bool:
        """Whether everything runs eagerly."""
        return settings.disable

    @disable.setter
    def disable(self, on: bool) -> None:
        settings.disable = bool(on)

    def __setattr__(self, name: str, value: Any) -> None:
        if name != "disable" and not name.startswith("__") and name not in vars(self):
            raise AttributeError(f"{self.__name__}.{name} does not exist")
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Config
