"""torch.autograd: gradients by walking the recorded history backwards."""

import importlib
from typing import Any

from rushlight._core.tensor import Tensor
from rushlight.autograd import function as function
from rushlight.autograd import functional as functional
from rushlight.autograd import grad_mode as grad_mode
from rushlight.autograd import graph as graph
from rushlight.autograd.anomaly import detect_anomaly as detect_anomaly
from rushlight.autograd.anomaly import is_anomaly_enabled as is_anomaly_enabled
from rushlight.autograd.anomaly import set_detect_anomaly as set_detect_anomaly
from rushlight.autograd.engine import backward as backward
from rushlight.autograd.engine import grad as grad
from rushlight.autograd.engine import tensor_backward
from rushlight.autograd.function import Function as Function
from rushlight.autograd.grad_mode import enable_grad as enable_grad
from rushlight.autograd.grad_mode import inference_mode as inference_mode
from rushlight.autograd.grad_mode import no_grad as no_grad
from rushlight.autograd.grad_mode import set_grad_enabled as set_grad_enabled
from rushlight.autograd.gradcheck import gradcheck as gradcheck
from rushlight.autograd.gradcheck import gradgradcheck as gradgradcheck
from rushlight.autograd.threads import set_multithreading_enabled as set_multithreading_enabled
from rushlight.autograd.variable import Variable as Variable

Tensor.backward = tensor_backward


def __getattr__(name: str) -> Any:
    if name in ("forward_ad", "profiler"):  # loaded when first named
        return importlib.import_module(f"{__name__}.{name}")
    raise AttributeError(f"module 'torch.autograd' has no attribute '{name}'")
