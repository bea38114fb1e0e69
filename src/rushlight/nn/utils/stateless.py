"""Calling a module with other parameters than its own."""

import contextlib
import warnings
from collections.abc import Iterator
from typing import Any

from rushlight import _api as torch
from rushlight.nn.modules.module import Module

__all__ = ["functional_call"]

_MISSING = object()


def _all_tensors(module: Module) -> dict[str, Any]:
    """All parameters and buffers by name; a tied one under each of its names."""
    return {
        **dict(module.named_parameters(remove_duplicate=False)),
        **dict(module.named_buffers(remove_duplicate=False)),
    }


def _untie_named_tensors_map(module: Module, given: dict[str, Any]) -> dict[str, Any]:
    """The given tensors, each also under the names its parameter is tied to."""
    names_of: dict[int, list[str]] = {}
    for name, tensor in _all_tensors(module).items():
        names_of.setdefault(id(tensor), []).append(name)
    untied = dict(given)
    for names in names_of.values():
        present = [name for name in names if name in given]
        if len({id(given[name]) for name in present}) > 1:
            raise ValueError(
                f"functional_call got multiple values for keys {sorted(names)}, "
                f"which are tied. Consider using tie_weights=False"
            )
        if present:
            untied.update(dict.fromkeys(names, given[present[0]]))
    return untied


def _check_names(module: Module, given: dict[str, Any]) -> None:
    own = _all_tensors(module)
    messages = []
    for title, names in (
        ("Unexpected", sorted(set(given) - set(own))),
        ("Missing", sorted(set(own) - set(given))),
    ):
        if names:
            messages.append(f"{title} key(s): {', '.join(map(repr, names))}.")
    if messages:
        lines = "\n\t".join(messages)
        raise RuntimeError(f"Error(s) in reparametrizing for {module._get_name()}:\n\t{lines}")


def _swap(module: Module, path: str, tensor: Any) -> Any:
    """Put a tensor at a dotted path; return what stood there."""
    if not (tensor is None or tensor is _MISSING or isinstance(tensor, torch.Tensor)):
        raise TypeError(f"{tensor} is not an instance of torch.Tensor")
    prefix, _, name = path.rpartition(".")
    owner = module.get_submodule(prefix)
    for registry in (owner._parameters, owner._buffers):
        if name in registry:
            before = registry[name]
            if tensor is _MISSING:
                del registry[name]
            else:
                registry[name] = tensor
            return before
    before = getattr(owner, name, _MISSING)
    if before is not _MISSING and not isinstance(before, torch.Tensor):
        raise TypeError(f"attribute `{name}`: {before} is not an instance of torch.Tensor")
    if tensor is _MISSING:
        delattr(owner, name)
    else:
        setattr(owner, name, tensor)
    return before


@contextlib.contextmanager
def _reparametrize_module(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    tie_weights: bool = False,
    strict: bool = False,
) -> Iterator[None]:
    """Inside this context the module uses the given tensors; what it wrote to them is put back into
    the dict.
    """
    given = parameters_and_buffers
    tensors = _untie_named_tensors_map(module, given) if tie_weights else given
    if strict:
        _check_names(module, tensors)
    before: dict[str, Any] = {}
    try:
        for name, tensor in tensors.items():
            before[name] = _swap(module, name, tensor)
        yield
    finally:
        for name, tensor in before.items():
            after = _swap(module, name, tensor)
            if name in given:
                given[name] = after


def _functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """functional_call without the warning that this is its old place."""
    if args is None:
        args = ()
    elif not isinstance(args, tuple):
        args = (args,)
    with _reparametrize_module(
        module, parameters_and_buffers, tie_weights=tie_weights, strict=strict
    ):
        return module(*args, **(kwargs or {}))


def functional_call(
    module: Module,
    parameters_and_buffers: dict[str, Any],
    args: Any = None,
    kwargs: dict[str, Any] | None = None,
    *,
    tie_weights: bool = True,
    strict: bool = False,
) -> Any:
    """functional_call(module, parameters_and_buffers, args=None, kwargs=None, *, tie_weights=True,
    strict=False)

    ``module(*args, **kwargs)`` with the given tensors, by dotted name, in place of the module's
    own. ``strict``: all must be given. The old place of torch.func.functional_call.

    >>> m = torch.nn.Linear(2, 1)
    >>> tensors = {'weight': torch.tensor([[1.0, 2.0]]), 'bias': torch.tensor([0.5])}
    >>> torch.nn.utils.stateless.functional_call(m, tensors, torch.ones(1, 2))
    tensor([[3.5000]])
    """
    warnings.warn(
        "`torch.nn.utils.stateless.functional_call` is deprecated as of PyTorch 2.0 "
        "and will be removed in a future version of PyTorch. "
        "Please use `torch.func.functional_call` instead which is a drop-in replacement.",
        category=FutureWarning,
        stacklevel=2,
    )
    return _functional_call(
        module, parameters_and_buffers, args, kwargs, tie_weights=tie_weights, strict=strict
    )
