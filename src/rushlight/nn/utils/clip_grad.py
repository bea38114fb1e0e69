"""Clipping of gradients."""

import types
import warnings
from typing import Any

from rushlight import _api as torch

kernels = torch.optimizer_kernels

__all__ = [
    "clip_grad_norm",
    "clip_grad_norm_",
    "clip_grad_value_",
    "clip_grads_with_norm_",
    "get_total_norm",
]


def _listed(tensors: Any) -> list:
    return [tensors] if isinstance(tensors, torch.Tensor) else list(tensors)


def get_total_norm(
    tensors: Any,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """get_total_norm(tensors, norm_type=2.0, error_if_nonfinite=False, foreach=None) -> Tensor

    The norm of all tensors as if they were one vector. RuntimeError if it is not finite and
    ``error_if_nonfinite``. ``foreach`` chooses an implementation in PyTorch; the result is the
    same.

    >>> torch.nn.utils.get_total_norm([torch.tensor([3.0]), torch.tensor([4.0])])
    tensor(5.)
    """
    with torch.no_grad():
        tensors = _listed(tensors)
        norm_type = float(norm_type)
        if not tensors:
            return torch.tensor(0.0)
        device = tensors[0].device
        order = () if norm_type == 2.0 else (norm_type,)  # the default is the faster call
        norms = kernels.norms_of(tensors) if norm_type == 2.0 else None
        if norms is None:
            norms = torch.stack([t.norm(*order).to(device) for t in _by_dtype(tensors)])
        total = norms.norm(*order)
        if error_if_nonfinite and bool(total.isnan() | total.isinf()):
            raise RuntimeError(
                f"The total norm of order {norm_type} for gradients from "
                "`parameters` is non-finite, so it cannot be clipped. To disable "
                "this error and scale the gradients by the non-finite norm anyway, "
                "set `error_if_nonfinite=False`"
            )
        return total


def _by_dtype(tensors: list) -> list:
    """Tensors of one dtype together, as PyTorch adds them up."""
    groups: dict[Any, list] = {}
    for t in tensors:
        groups.setdefault((t.device, t.dtype), []).append(t)
    return [t for group in groups.values() for t in group]


def clip_grads_with_norm_(
    parameters: Any, max_norm: float, total_norm: Any, foreach: bool | None = None
) -> None:
    """clip_grads_with_norm_(parameters, max_norm, total_norm, foreach=None)

    Scale by max_norm / total_norm if below 1.

    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grads_with_norm_([w], 1.0, torch.tensor(5.0))
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    with torch.no_grad():
        grads = [p.grad for p in _listed(parameters) if p.grad is not None]
        if not grads:
            return
        factor = torch.clamp(float(max_norm) / (total_norm + 1e-6), max=1.0)
        if not kernels.scale_all(grads, factor):
            for grad in grads:
                grad.mul_(factor.to(grad.device))


def clip_grad_norm_(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """clip_grad_norm_(parameters, max_norm, norm_type=2.0, error_if_nonfinite=False, foreach=None)
    -> Tensor

    Scale the gradients, in place, so that their common norm is at most ``max_norm``; returns the
    norm before.

    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.tensor([3.0, 4.0])
    >>> torch.nn.utils.clip_grad_norm_([w], 1.0)
    tensor(5.)
    >>> w.grad
    tensor([0.6000, 0.8000])
    """
    generator = isinstance(parameters, types.GeneratorType)
    parameters = _listed(parameters)
    if generator and not parameters:
        warnings.warn(
            "`parameters` is an empty generator, no gradient clipping will occur.",
            stacklevel=2,
        )
    grads = [p.grad for p in parameters if p.grad is not None]
    total_norm = get_total_norm(grads, norm_type, error_if_nonfinite, foreach)
    clip_grads_with_norm_(parameters, max_norm, total_norm, foreach)
    return total_norm


def clip_grad_norm(
    parameters: Any,
    max_norm: float,
    norm_type: float = 2.0,
    error_if_nonfinite: bool = False,
    foreach: bool | None = None,
) -> Any:
    """clip_grad_norm(...): the old name of :func:`torch.nn.utils.clip_grad_norm_`."""
    warnings.warn(
        "`torch.nn.utils.clip_grad_norm` is now deprecated "
        "in favor of `torch.nn.utils.clip_grad_norm_`.",
        category=FutureWarning,
        stacklevel=2,
    )
    return clip_grad_norm_(parameters, max_norm, norm_type, error_if_nonfinite, foreach)


def clip_grad_value_(parameters: Any, clip_value: float, foreach: bool | None = None) -> None:
    """clip_grad_value_(parameters, clip_value, foreach=None)

    Clamp the gradients to ±clip_value, in place.

    >>> w = torch.nn.Parameter(torch.zeros(2))
    >>> w.grad = torch.tensor([3.0, -0.5])
    >>> torch.nn.utils.clip_grad_value_([w], 1.0)
    >>> w.grad
    tensor([ 1.0000, -0.5000])
    """
    clip_value = float(clip_value)
    with torch.no_grad():
        grads = [p.grad for p in _listed(parameters) if p.grad is not None]
        if not kernels.clamp_all(grads, -clip_value, clip_value):
            for grad in grads:
                grad.clamp_(min=-clip_value, max=clip_value)
