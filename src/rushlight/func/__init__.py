"""torch.func: functions of functions. Gradients, Jacobians and batches of what takes tensors."""

from rushlight._batching import rules
from rushlight._core.vmap import vmap as vmap
from rushlight.func.gradients import grad as grad
from rushlight.func.gradients import grad_and_value as grad_and_value
from rushlight.func.gradients import vjp as vjp
from rushlight.func.jacobians import hessian as hessian
from rushlight.func.jacobians import jacfwd as jacfwd
from rushlight.func.jacobians import jacrev as jacrev
from rushlight.func.modules import functional_call as functional_call
from rushlight.func.modules import (
    replace_all_batch_norm_modules_ as replace_all_batch_norm_modules_,
)
from rushlight.func.modules import stack_module_state as stack_module_state
from rushlight.func.pushforward import jvp as jvp
from rushlight.func.pushforward import linearize as linearize
from rushlight.func.rearranging import rearrange as rearrange
from rushlight.func.unwrapping import debug_unwrap as debug_unwrap
from rushlight.func.unwrapping import functionalize as functionalize

__all__ = [
    "debug_unwrap",
    "functional_call",
    "functionalize",
    "grad",
    "grad_and_value",
    "hessian",
    "jacfwd",
    "jacrev",
    "jvp",
    "linearize",
    "rearrange",
    "replace_all_batch_norm_modules_",
    "stack_module_state",
    "vjp",
    "vmap",
]
rules.load()
