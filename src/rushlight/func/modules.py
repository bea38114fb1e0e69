"""Modules as functions of their parameters."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight import nn
from rushlight.nn.utils.stateless import _functional_call


def functional_call(
    module: nn.Module,
    parameter_and_buffer_dicts: Any,
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """functional_call(module, parameter_and_buffer_dicts, args=None, kwargs=None, *,
    tie_weights=True, strict=False)

    ``module(*args, **kwargs)`` with the given tensors, one dictionary of them by dotted name or
    several, in place of the module's own. ``tie_weights``: what is tied in the module is tied here.
    ``strict``: all parameters and buffers must be given.

    >>> layer = torch.nn.Linear(2, 1)
    >>> given = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    >>> torch.func.functional_call(layer, given, torch.tensor([1.0, 2.0]))
    tensor([3.])
    """
    if isinstance(parameter_and_buffer_dicts, dict):
        given = parameter_and_buffer_dicts
    elif isinstance(parameter_and_buffer_dicts, Sequence):
        given = merged(parameter_and_buffer_dicts)
    else:
        raise ValueError(
            "Expected parameter_and_buffer_dicts to be a dict, or a list/tuple of dicts, but got "
            f"{type(parameter_and_buffer_dicts)}"
        )
    return _functional_call(module, given, args, kwargs, tie_weights=tie_weights, strict=strict)


def merged(dicts: Sequence) -> dict[str, Any]:
    """Several dictionaries as one; no name twice."""
    for d in dicts:
        if not isinstance(d, dict):
            raise ValueError(
                "Expected all elements of parameter_and_buffer_dicts to be dictionaries"
            )
    names = [k for d in dicts for k in d]
    repeated = list(dict.fromkeys([k for k in names if names.count(k) > 1]))
    if repeated:
        raise ValueError(
            f"{repeated} appeared in multiple dictionaries; behavior of functional call is "
            "ambiguous"
        )
    return {k: v for d in dicts for k, v in d.items()}


def stack_module_state(models: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """stack_module_state(models) -> (params, buffers)

    The parameters and the buffers of modules of one architecture, stacked by name: an ensemble to
    vmap over.

    >>> models = [torch.nn.Linear(2, 1) for _ in range(3)]
    >>> params, buffers = torch.func.stack_module_state(models)
    >>> call = lambda p, x: torch.func.functional_call(models[0], p, x)
    >>> torch.vmap(call, (0, None))(params, torch.ones(2)).shape
    torch.Size([3, 1])
    """
    if len(models) == 0:
        raise RuntimeError("stack_module_state: Expected at least one model, got 0.")
    if not (all(m.training for m in models) or all(not m.training for m in models)):
        raise RuntimeError(
            "stack_module_state: Expected all models to have the same training/eval mode."
        )
    if not all(type(m) is type(models[0]) for m in models):
        raise RuntimeError("stack_module_state: Expected all models to be of the same class.")
    params = stacked([dict(m.named_parameters()) for m in models])
    buffers = stacked([dict(m.named_buffers()) for m in models])
    return params, buffers


def stacked(dicts: list[dict[str, Any]]) -> dict[str, Any]:
    """Tensors of the same name as one; leaves stay leaves."""
    made = {}
    for name in dicts[0]:
        tensors = [d[name] for d in dicts]
        if all(t.is_leaf for t in tensors):
            one = torch.stack([t.detach() for t in tensors])
            made[name] = one.requires_grad_(tensors[0].requires_grad)
        else:
            made[name] = torch.stack(tensors)
    return made


def replace_all_batch_norm_modules_(root: nn.Module) -> nn.Module:
    """replace_all_batch_norm_modules_(root) -> root

    Let the BatchNorm layers of a module use the statistics of each batch, and keep none: what they
    keep cannot be written under vmap.

    >>> net = torch.func.replace_all_batch_norm_modules_(torch.nn.BatchNorm1d(2))
    >>> net.track_running_stats, net.running_mean
    (False, None)
    """
    for module in root.modules():
        if isinstance(module, nn.modules.batchnorm._BatchNorm):
            module.running_mean = None
            module.running_var = None
            module.num_batches_tracked = None
            module.track_running_stats = False
    return root


__all__ = ["functional_call", "replace_all_batch_norm_modules_", "stack_module_state"]
