"""torch._C: the few names of PyTorch's extension that libraries ask for, where they are true here.

Only under the import hook; ``rushlight._C`` is an extension of our own.
"""

import types
from typing import Any

from rushlight._api import Generator as Generator
from rushlight._api import Size as Size
from rushlight._api import Tensor
from rushlight._core import gpu
from rushlight._core.state import thread
from rushlight.nn.modules.module import _parse_to

_TensorMeta = type(Tensor)
TensorBase = Tensor
_nn = types.SimpleNamespace(_parse_to=_parse_to)
_functorch = types.SimpleNamespace(is_legacy_batchedtensor=lambda tensor: False)


class Graph:
    """A graph of TorchScript; nothing here is one."""


class Value:
    """A value in a graph of TorchScript; nothing here is one."""


def _get_tracing_state() -> None:
    """What is being traced: nothing."""


def _log_api_usage_once(event: str) -> None:
    """Tell PyTorch's makers of the use of a feature; rushlight tells nobody."""


def _are_functorch_transforms_active() -> bool:
    """Whether this runs inside vmap, grad or another transform of torch.func."""
    return bool(thread.levels)


def _get_privateuse1_backend_name() -> str:
    """The name of the backend that a user may add."""
    return "privateuseone"


def _cuda_isInBadFork() -> bool:  # noqa: N802 # PyTorch's name
    """Whether CUDA was used before this process was forked."""
    return gpu.cuda.forked


def __getattr__(name: str) -> Any:
    raise AttributeError(
        f"module 'torch._C' has no attribute {name!r}: it is PyTorch's extension, of which "
        "rushlight has a few names only"
    )
