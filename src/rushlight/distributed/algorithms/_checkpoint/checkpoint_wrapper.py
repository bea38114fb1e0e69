"""torch.distributed.algorithms._checkpoint.checkpoint_wrapper: modules whose activations are
computed again in backward.
"""

import enum
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from rushlight.autograd.graph import save_on_cpu
from rushlight.cuda import is_available
from rushlight.nn import Module
from rushlight.utils.checkpoint import checkpoint

_WRAPPED = "_checkpoint_wrapped_module"
_PREFIX = f"{_WRAPPED}."


class CheckpointImpl(enum.Enum):
    """How it is done: by a Function of its own, or by hooks on saved tensors.

    >>> from rushlight.distributed.algorithms._checkpoint import checkpoint_wrapper as wrapper
    >>> wrapper.CheckpointImpl.NO_REENTRANT
    <CheckpointImpl.NO_REENTRANT: 2>
    """

    REENTRANT = enum.auto()
    NO_REENTRANT = enum.auto()


class ActivationWrapper(Module):
    """A module around another one, whose names in states and lists of parameters are the other's.

    >>> from rushlight.distributed.algorithms._checkpoint import checkpoint_wrapper as wrapper
    >>> list(wrapper.checkpoint_wrapper(torch.nn.Linear(2, 1)).state_dict())
    ['weight', 'bias']
    """

    def __init__(self, mod: Module) -> None:
        super().__init__()
        self._checkpoint_wrapped_module = mod
        self._register_state_dict_hook(_without_prefix)
        self.register_load_state_dict_pre_hook(_with_prefix)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the wrapped module gives."""
        raise ValueError("Subclasses should implement forward().")

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__(_WRAPPED), name)

    def __getitem__(self, key: int) -> Any:
        inside: Any = self._checkpoint_wrapped_module
        return inside[key]

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """Those of the wrapped module, by its names."""
        for name, p in super().named_parameters(*args, **kwargs):
            yield name.replace(_PREFIX, ""), p


def _without_prefix(module: Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    begin = prefix + _PREFIX
    for key in [k for k in state if k.startswith(begin)]:
        state[prefix + key[len(begin) :]] = state.pop(key)


def _with_prefix(module: Module, state: dict[str, Any], prefix: str, *_: Any) -> None:
    for key in [k for k in state if k.startswith(prefix)]:
        rest = key[len(prefix) :]
        if not rest.startswith(_PREFIX):
            state[prefix + _PREFIX + rest] = state.pop(key)


class CheckpointWrapper(ActivationWrapper):
    """CheckpointWrapper(mod, checkpoint_impl=CheckpointImpl.NO_REENTRANT, checkpoint_fn=None,
    **checkpoint_fn_kwargs): a module whose activations are computed again in backward.

    >>> from rushlight.distributed.algorithms._checkpoint import checkpoint_wrapper as wrapper
    >>> wrapper.CheckpointWrapper(torch.nn.Linear(2, 1))(torch.ones(3, 2)).sum().backward()
    """

    def __init__(
        self,
        mod: Module,
        checkpoint_impl: CheckpointImpl = CheckpointImpl.NO_REENTRANT,
        checkpoint_fn: Callable[..., Any] | None = None,
        **checkpoint_fn_kwargs: Any,
    ) -> None:
        super().__init__(mod)
        self.checkpoint_impl = checkpoint_impl
        reentrant = checkpoint_impl is CheckpointImpl.REENTRANT
        self.checkpoint_fn = (
            partial(checkpoint, use_reentrant=reentrant, **checkpoint_fn_kwargs)
            if checkpoint_fn is None
            else partial(checkpoint_fn, **checkpoint_fn_kwargs)
        )

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the wrapped module gives."""
        inside: Any = self._checkpoint_wrapped_module
        if self.checkpoint_impl is not CheckpointImpl.REENTRANT or not kwargs:
            return self.checkpoint_fn(inside, *args, **kwargs)
        # A Function takes no keywords.
        return self.checkpoint_fn(lambda *a: inside(*a, **kwargs), *args)


class OffloadWrapper(ActivationWrapper):
    """OffloadWrapper(mod): a module whose activations wait on the CPU.

    >>> from rushlight.distributed.algorithms._checkpoint import checkpoint_wrapper as wrapper
    >>> wrapper.OffloadWrapper(torch.nn.Linear(2, 1))(torch.ones(3, 2)).sum().backward()
    """

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """What the wrapped module gives."""
        inside: Any = self._checkpoint_wrapped_module
        with save_on_cpu(pin_memory=is_available()):
            return inside(*args, **kwargs)


def offload_wrapper(module: Module) -> Module:
    """offload_wrapper(module): :class:`OffloadWrapper`.

    >>> from rushlight.distributed.algorithms._checkpoint import checkpoint_wrapper as wrapper
    >>> wrapper.offload_wrapper(torch.nn.Linear(2, 1)).in_features
    2
    """
    return OffloadWrapper(module)


def checkpoint_wrapper(
    module: Module,
    checkpoint_impl: CheckpointImpl = CheckpointImpl.NO_REENTRANT,
    checkpoint_fn: Callable[..., Any] | None = None,
    **checkpoint_fn_kwargs: Any,
) -> Module:
    """checkpoint_wrapper(module, checkpoint_impl=CheckpointImpl.NO_REENTRANT, checkpoint_fn=None,
    **checkpoint_fn_kwargs): :class:`CheckpointWrapper`.

    >>> from rushlight.distributed.algorithms._checkpoint import checkpoint_wrapper as wrapper
    >>> wrapper.checkpoint_wrapper(torch.nn.Linear(2, 1)).in_features
    2
    """
    return CheckpointWrapper(module, checkpoint_impl, checkpoint_fn, **checkpoint_fn_kwargs)


def apply_activation_checkpointing(
    model: Module,
    checkpoint_wrapper_fn: Callable[..., Module] = checkpoint_wrapper,
    check_fn: Callable[[Module], bool] = lambda _: True,
    auto_wrap_policy: Callable[[Module, bool, int], bool] | None = None,
) -> None:
    """apply_activation_checkpointing(model, checkpoint_wrapper_fn=checkpoint_wrapper,
    check_fn=..., auto_wrap_policy=None): wrap the submodules that ``check_fn`` (or a policy as of
    FullyShardedDataParallel) chooses, in place, inner ones first.

    >>> from rushlight.distributed.algorithms._checkpoint import checkpoint_wrapper as wrapper
    >>> model = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.ReLU())
    >>> linear = lambda m: isinstance(m, torch.nn.Linear)
    >>> wrapper.apply_activation_checkpointing(model, check_fn=linear)
    >>> [type(m).__name__ for m in model]
    ['CheckpointWrapper', 'ReLU']
    """
    for name, child in list(model.named_children()):
        apply_activation_checkpointing(child, checkpoint_wrapper_fn, check_fn, auto_wrap_policy)
        if auto_wrap_policy is None:
            chosen = check_fn(child)
        else:
            count = sum(p.numel() for p in child.parameters())
            chosen = auto_wrap_policy(child, False, count)
        if chosen:
            setattr(model, name, checkpoint_wrapper_fn(child))
