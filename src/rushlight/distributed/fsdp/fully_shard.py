"""fully_shard: a module whose parameters lie in shards between uses."""

import functools
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rushlight import _api as torch
from rushlight.autograd.graph import saved_tensors_hooks
from rushlight.distributed.device_mesh import DeviceMesh, current_mesh
from rushlight.distributed.fsdp.shards import ShardGroup, managed_parameters
from rushlight.distributed.tensor.placement_types import Shard
from rushlight.nn import Module, ModuleDict, ModuleList

__all__ = [
    "CPUOffloadPolicy",
    "FSDPModule",
    "MixedPrecisionPolicy",
    "OffloadPolicy",
    "fully_shard",
    "register_fsdp_forward_method",
]


@dataclass(frozen=True)
class MixedPrecisionPolicy:
    """Dtypes: of the gathered parameters, of the reduction, of outputs; None: as they are.

    >>> torch.distributed.fsdp.MixedPrecisionPolicy(torch.bfloat16).param_dtype
    torch.bfloat16
    """

    param_dtype: torch.dtype | None = None
    reduce_dtype: torch.dtype | None = None
    output_dtype: torch.dtype | None = None
    cast_forward_inputs: bool = True


@dataclass
class OffloadPolicy:
    """Where shards are kept: on their device.

    >>> torch.distributed.fsdp.OffloadPolicy()
    OffloadPolicy()
    """


@dataclass
class CPUOffloadPolicy(OffloadPolicy):
    """Where shards are kept: on the CPU, where they are anyway.

    >>> torch.distributed.fsdp.CPUOffloadPolicy().pin_memory
    True
    """

    pin_memory: bool = True


class UnshardHandle:
    """What ``unshard`` returns.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> layer = dist.fsdp.fully_shard(torch.nn.Linear(2, 1))
    >>> layer.unshard(async_op=True).wait()
    >>> layer.weight.shape
    torch.Size([1, 2])
    >>> layer.reshard()
    >>> dist.destroy_process_group()
    """

    def wait(self) -> None:
        """Wait until the parameters are there; they are."""


class _State:
    """What ``fully_shard`` keeps of a module."""

    def __init__(self, group: ShardGroup | None, reshard_after_forward: bool, policy: Any) -> None:
        self.group = group
        self.reshard_after_forward = reshard_after_forward
        self.policy = policy
        self.hooks: Any = None
        self.depth = 0  # forwards that are under way, one in the other


class FSDPModule:
    """What a module can do besides after ``fully_shard``.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> layer = dist.fsdp.fully_shard(torch.nn.Linear(2, 1))
    >>> isinstance(layer, dist.fsdp.FSDPModule), isinstance(layer, torch.nn.Linear)
    (True, True)
    >>> dist.destroy_process_group()
    """

    _fsdp: _State

    def unshard(self, async_op: bool = False) -> UnshardHandle | None:
        """Bring the parameters together."""
        if self._fsdp.group is not None:
            self._fsdp.group.unshard()
        return UnshardHandle() if async_op else None

    def reshard(self) -> None:
        """Keep only the shards."""
        if self._fsdp.group is not None:
            self._fsdp.group.reshard()

    def _each(self, recurse: bool) -> list["FSDPModule"]:
        module: Any = self
        every = module.modules() if recurse else [module]
        return [m for m in every if isinstance(m, FSDPModule)]

    def set_requires_gradient_sync(
        self, requires_gradient_sync: bool, *, recurse: bool = True
    ) -> None:
        """Whether backward reduces gradients; False adds them up in each process."""
        for m in self._each(recurse):
            if m._fsdp.group is not None:
                m._fsdp.group.sync = requires_gradient_sync

    def set_is_last_backward(self, is_last_backward: bool) -> None:
        """Whether no further backward comes before the step; reduction does not wait for it."""

    def set_reshard_after_forward(self, reshard_after_forward: bool, recurse: bool = True) -> None:
        """Whether only the shards are kept between forward and backward."""
        for m in self._each(recurse):
            m._fsdp.reshard_after_forward = reshard_after_forward

    def set_gradient_divide_factor(self, factor: float) -> None:
        """What gradient sums are divided by, instead of the number of processes."""
        if self._fsdp.group is not None:
            self._fsdp.group.divide_factor = factor

    set_reduce_scatter_divide_factor = set_gradient_divide_factor

    def set_requires_all_reduce(self, requires_all_reduce: bool, *, recurse: bool = True) -> None:
        """Whether backward sums gradients over the replicas of a mesh of two dimensions; False adds
        them up in each replica until it is True again.
        """
        for m in self._each(recurse):
            if m._fsdp.group is not None:
                m._fsdp.group.all_reduce = requires_all_reduce

    def set_reshard_after_backward(
        self, reshard_after_backward: bool, *, recurse: bool = True
    ) -> None:
        """Whether only the shards are kept after backward; False saves gathering them for another
        forward before the step. Set it to True for the last backward before a step.
        """
        for m in self._each(recurse):
            if m._fsdp.group is not None:
                m._fsdp.group.reshard_after_backward = reshard_after_backward

    def set_modules_to_forward_prefetch(self, modules: list["FSDPModule"]) -> None:
        """A hint for speed: parameters are gathered when they are needed, whatever is said."""

    def set_modules_to_backward_prefetch(self, modules: list["FSDPModule"]) -> None:
        """A hint for speed: parameters are gathered when they are needed, whatever is said."""

    def set_post_optim_event(self, event: Any) -> None:
        """A hint for streams of GPUs: gathering waits for the parameters, whatever is said."""

    def set_unshard_in_backward(self, unshard_in_backward: bool) -> None:
        """A hint for speed: what backward does not need is not gathered, whatever is said."""


def fully_shard(
    module: Any,
    *,
    mesh: DeviceMesh | None = None,
    reshard_after_forward: bool | int | None = None,
    shard_placement_fn: Callable[..., Any] | None = None,
    mp_policy: MixedPrecisionPolicy | None = None,
    offload_policy: OffloadPolicy | None = None,
    ignored_params: set[torch.Tensor] | None = None,
) -> Any:
    """fully_shard(module, *, mesh=None, reshard_after_forward=None, shard_placement_fn=None,
    mp_policy=..., offload_policy=..., ignored_params=None)

    Keep a module's parameters, gradients and (through them) optimizer state in shards along the
    first dimension, or that of the Shard which ``shard_placement_fn(parameter)`` gives. Apply it to
    inner layers first, then to the whole; make the optimizer after. A mesh of two dimensions
    replicates along its first and shards along its second. Layers that ``parallelize_module`` has
    cut on another dimension of the same mesh are cut once more.

    ValueError for a scalar parameter, NotImplementedError for uneven parts along another dimension
    than the first.

    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> from rushlight.distributed.fsdp import fully_shard
    >>> model = fully_shard(torch.nn.Linear(2, 1))
    >>> model(torch.ones(3, 2)).sum().backward()
    >>> model.bias.grad.full_tensor()
    tensor([3.])
    >>> torch.distributed.destroy_process_group()
    """
    modules: list[Module] = list(module) if isinstance(module, (list, tuple)) else [module]
    _check(modules)
    policy = MixedPrecisionPolicy() if mp_policy is None else mp_policy
    taken = {id(p) for p in ignored_params or ()}
    for m in modules:
        for inner in m.modules():
            group = inner._fsdp.group if isinstance(inner, FSDPModule) else None
            taken |= {id(piece.sharded) for piece in (group.pieces if group is not None else ())}
    found = managed_parameters(modules, taken)
    for uses, p in found:
        if p.ndim == 0:
            raise ValueError(
                "fully_shard doesn't support scalar parameters. "
                f"Change {uses[0][1]} to a 1D tensor with numel equal to 1."
            )
    shards = None
    if found:
        dim_of = functools.partial(_dim_of, shard_placement_fn)
        shards = ShardGroup(found, current_mesh() if mesh is None else mesh, policy, dim_of)
    state = _State(shards, reshard_after_forward is not False, policy)
    root = modules[0]
    for m in modules:
        m._fsdp = state
        m.__class__ = _with_fsdp(type(m))
    root.register_forward_pre_hook(_before, prepend=True, with_kwargs=True)
    modules[-1].register_forward_hook(_after, always_call=True)
    return module


def _check(modules: list[Module]) -> None:
    for m in modules:
        if isinstance(m, FSDPModule):
            raise AssertionError(
                "Each distinct composable distributed API can only be applied to a module once. "
                f"fully_shard has already been applied to the following module:\n{m}"
            )
        if type(m) in (ModuleList, ModuleDict):
            raise ValueError(
                f"fully_shard does not support containers that do not implement forward: {m}"
            )


def _dim_of(choose: Callable[..., Any] | None, p: Any) -> int:
    """Along which dimension a parameter is cut."""
    place = None if choose is None else choose(p)
    if place is None:
        return 0
    if type(place) is not Shard:
        raise NotImplementedError(f"shard_placement_fn gives Shard or None here, not {place}")
    dim = place.dim + p.ndim if place.dim < 0 else place.dim
    if not 0 <= dim < p.ndim:
        raise AssertionError(f"Shard dim {place.dim} is invalid for {p.ndim}D tensor: {p.shape}")
    return dim


def register_fsdp_forward_method(module: Module, method_name: str) -> None:
    """register_fsdp_forward_method(module, method_name): the method is a forward, too: parameters
    are whole while it runs. AttributeError if there is none; nothing happens to other modules.

    >>> class Model(torch.nn.Linear):
    ...     def twice(self, x):
    ...         return self(x) * 2
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> model = dist.fsdp.fully_shard(Model(2, 1))
    >>> dist.fsdp.register_fsdp_forward_method(model, "twice")
    >>> model.twice(torch.ones(3, 2)).shape
    torch.Size([3, 1])
    >>> dist.destroy_process_group()
    """
    if not isinstance(module, FSDPModule):
        return
    if not hasattr(module, method_name):
        raise ValueError(f"{type(module)} does not have a method {method_name}")
    method = getattr(module, method_name)

    @functools.wraps(method)
    def wrapped(*args: Any, **kwargs: Any) -> Any:
        args, kwargs = _before(module, args, kwargs)
        return _after(module, args, method(*args, **kwargs))

    setattr(module, method_name, wrapped)


_classes: dict[type, type] = {}


def _with_fsdp(cls: type) -> type:
    """The class of a sharded module: its own and FSDPModule."""
    if cls not in _classes:
        _classes[cls] = type(f"FSDP{cls.__name__}", (FSDPModule, cls), {})
    return _classes[cls]


def _cast(value: Any, dtype: torch.dtype | None) -> Any:
    if dtype is None:
        return value
    if isinstance(value, torch.Tensor) and value.is_floating_point():
        return value.to(dtype)
    if isinstance(value, dict):
        return {k: _cast(v, dtype) for k, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(_cast(v, dtype) for v in value)
    return value


def _before(module: Any, inputs: tuple, kwargs: dict) -> tuple:
    state: _State = module._fsdp
    if state.policy.cast_forward_inputs:
        dtype = state.policy.param_dtype
        inputs, kwargs = _cast(inputs, dtype), _cast(kwargs, dtype)
    group = state.group
    state.depth += 1
    if group is not None:
        group.unshard()
        if state.hooks is None:
            state.hooks = saved_tensors_hooks(_packer(group), _unpack)
            state.hooks.__enter__()
    return inputs, kwargs


def _packer(group: ShardGroup) -> Callable[[torch.Tensor], Any]:
    def pack(t: torch.Tensor) -> Any:
        saved = group.pack(t)
        return t if saved is None else saved

    return pack


def _unpack(saved: Any) -> torch.Tensor:
    return saved[0].unpack(saved) if isinstance(saved, tuple) else saved


def _after(module: Any, inputs: Any, output: Any) -> Any:
    state: _State = module._fsdp
    state.depth -= 1
    if state.depth:
        return output
    if state.hooks is not None:
        state.hooks.__exit__(None, None, None)
        state.hooks = None
    group = state.group
    if group is not None and (state.reshard_after_forward or not torch.is_grad_enabled()):
        group.reshard()
    return _cast(output, state.policy.output_dtype)
