"""rushlight: PyTorch's eager API in Python over NumPy. ``import rushlight as torch``."""

import os
import warnings
from typing import Any

# PyTorch is silent where NumPy warns (log(0), overflow). Only warnings raised inside this package
# are silenced.
warnings.filterwarnings("ignore", category=RuntimeWarning, module=r"rushlight\b")

from rushlight import _api  # noqa: E402
from rushlight import autograd as autograd  # noqa: E402
from rushlight._api import Generator as Generator  # noqa: E402
from rushlight._api import Parameter as Parameter  # noqa: E402
from rushlight._api import Size as Size  # noqa: E402
from rushlight._api import Tensor as Tensor  # noqa: E402
from rushlight._api import device as device  # noqa: E402
from rushlight._api import dtype as dtype  # noqa: E402
from rushlight._lazy import SUBMODULES, import_submodule  # noqa: E402
from rushlight._version import __version__ as __version__  # noqa: E402
from rushlight.autograd.anomaly import (  # noqa: E402
    is_anomaly_check_nan_enabled as is_anomaly_check_nan_enabled,
)
from rushlight.autograd.anomaly import is_anomaly_enabled as is_anomaly_enabled  # noqa: E402

_PRIVATE = {"namespace", "optimizer_kernels"}
globals().update(
    {k: v for k, v in vars(_api).items() if not k.startswith("_") and k not in _PRIVATE}
)
globals().update({k: v for k, v in _api.namespace("torch").items() if k.startswith("_")})
__all__ = sorted(k for k in vars(_api) if not k.startswith("_") and k not in _PRIVATE)


def __getattr__(name: str) -> Any:
    return import_submodule("rushlight", name)  # `__name__` is "torch" under the import hook


def __dir__() -> list[str]:
    return sorted({*globals(), *SUBMODULES})


if os.environ.get("RUSHLIGHT_DEBUG", "0") != "0":
    from rushlight._core import debug as _debug

    _debug.start(os.environ["RUSHLIGHT_DEBUG"])
