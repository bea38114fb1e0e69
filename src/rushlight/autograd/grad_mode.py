"""torch.autograd.grad_mode: names of `rushlight._core.grad_mode`."""

from rushlight._core.grad_mode import enable_grad as enable_grad
from rushlight._core.grad_mode import inference_mode as inference_mode
from rushlight._core.grad_mode import no_grad as no_grad
from rushlight._core.grad_mode import set_grad_enabled as set_grad_enabled
