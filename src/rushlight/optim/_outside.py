"""Helpers that optimizers written outside of torch import from torch.optim.optimizer."""

import functools
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch


def _use_grad_for_differentiable(func: Callable) -> Callable:
    """A ``step`` that records gradients only if the optimizer is differentiable."""

    @functools.wraps(func)
    def step(self: Any, *args: Any, **kwargs: Any) -> Any:
        with torch.set_grad_enabled(self.defaults["differentiable"]):
            return func(self, *args, **kwargs)

    return step


def _default_to_fused_or_foreach(
    params: list, differentiable: bool, use_fused: bool = False
) -> tuple[bool, bool]:
    """(fused, foreach): what a step takes when the user leaves the choice; on a CPU neither,
    unless ``use_fused``.
    """
    if differentiable:
        return False, False
    given = [p for p in params if p is not None]
    fused = use_fused and all(type(p) in _PLAIN and p.is_floating_point() for p in given)
    return fused, not fused and all(type(p) in _PLAIN and p.is_cuda for p in given)


_PLAIN = (torch.Tensor, torch.Parameter)


def _get_capturable_supported_devices(supports_xla: bool = True) -> list[str]:
    """The kinds of devices whose graphs can hold a step."""
    return ["cuda", "xpu", "hpu", "privateuseone"] + ["xla"] * supports_xla


def _get_value(x: Any) -> Any:
    """The number in a tensor."""
    return x.item() if isinstance(x, torch.Tensor) else x


def _stack_if_compiling(x: Any) -> Any:
    """``x`` itself: nothing is compiled."""
    return x


def _dispatch_sqrt(x: Any) -> Any:
    """The square root of a number or a tensor."""
    return x.sqrt() if isinstance(x, torch.Tensor) else x**0.5


def _to_scalar(x: Any) -> Any:
    """A tensor of one element without dimensions; numbers as they are."""
    return x.squeeze() if isinstance(x, torch.Tensor) and x.dim() != 0 else x


def _view_as_real(params: list, *state_and_grads: list) -> None:
    """Replace complex tensors in the lists by their views as pairs of real numbers."""
    for i, p in enumerate(params):
        if torch.is_complex(p):
            params[i] = torch.view_as_real(p)
            for column in state_and_grads:
                column[i] = torch.view_as_real(column[i])


def _disable_dynamo_if_unsupported(single_tensor_fn: Callable | None = None) -> Callable:
    """A decorator that leaves functions as they are: nothing is compiled."""
    return lambda func: func
