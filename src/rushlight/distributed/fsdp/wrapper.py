"""FullyShardedDataParallel: the older way to say ``fully_shard``."""

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.checkpoint.state_dict import (
    StateDictOptions,
    get_optimizer_state_dict,
    set_optimizer_state_dict,
)
from rushlight.distributed.collectives import broadcast
from rushlight.distributed.device_mesh import DeviceMesh
from rushlight.distributed.fsdp.api import (
    FullOptimStateDictConfig,
    FullStateDictConfig,
    MixedPrecision,
    OptimStateDictConfig,
    ShardedOptimStateDictConfig,
    ShardedStateDictConfig,
    ShardingStrategy,
    StateDictConfig,
    StateDictSettings,
    StateDictType,
)
from rushlight.distributed.fsdp.fully_shard import FSDPModule, MixedPrecisionPolicy, fully_shard
from rushlight.distributed.fsdp.wrap import chosen
from rushlight.distributed.groups import default_group
from rushlight.distributed.tensor.dtensor import DTensor, distribute_tensor
from rushlight.nn import Module
from rushlight.nn.utils import clip_grad_norm_

__all__ = ["FullyShardedDataParallel"]

_INNER = "_fsdp_wrapped_module"


class FullyShardedDataParallel(Module):
    """FullyShardedDataParallel(module, process_group=None, sharding_strategy=None,
    cpu_offload=None, auto_wrap_policy=None, backward_prefetch=None, mixed_precision=None,
    ignored_modules=None, param_init_fn=None, device_id=None, sync_module_states=False, ...,
    ignored_states=None, device_mesh=None)

    A module whose parameters lie in shards between uses. With ``auto_wrap_policy`` (see
    ``torch.distributed.fsdp.wrap``, or a set of classes) inner modules are gathered one by one.
    ``state_dict`` holds whole tensors under the module's own names, unless ``state_dict_type`` says
    otherwise. New programs use ``fully_shard``.

    NotImplementedError for NO_SHARD and HYBRID_SHARD.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> model = dist.fsdp.FullyShardedDataParallel(torch.nn.Linear(2, 1))
    >>> model(torch.ones(3, 2)).shape, list(model.state_dict())
    (torch.Size([3, 1]), ['weight', 'bias'])
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        module: Module,
        process_group: Any = None,
        sharding_strategy: ShardingStrategy | None = None,
        cpu_offload: Any = None,
        auto_wrap_policy: Any = None,
        backward_prefetch: Any = None,
        mixed_precision: MixedPrecision | None = None,
        ignored_modules: Iterable[Module] | None = None,
        param_init_fn: Any = None,
        device_id: Any = None,
        sync_module_states: bool = False,
        forward_prefetch: bool = False,
        limit_all_gathers: bool = True,
        use_orig_params: bool = False,
        ignored_states: Iterable[Any] | None = None,
        device_mesh: DeviceMesh | None = None,
    ) -> None:
        super().__init__()
        _check(sharding_strategy, cpu_offload, param_init_fn)
        if process_group is not None:
            device_mesh = DeviceMesh.from_group(process_group, "cpu")
        if device_id is not None:
            place = torch.device("cuda", device_id) if isinstance(device_id, int) else device_id
            module = module.to(place)
        if sync_module_states:
            _send_states(module, process_group)
        keep = sharding_strategy is ShardingStrategy.SHARD_GRAD_OP
        options: dict[str, Any] = {
            "mesh": device_mesh,
            "reshard_after_forward": not keep,
            "mp_policy": _policy(mixed_precision),
            "ignored_params": _ignored(ignored_modules, ignored_states),
        }
        for inner in chosen(module, auto_wrap_policy):
            fully_shard(inner, **options)
        setattr(self, _INNER, fully_shard(module, **options))
        self._settings = StateDictSettings()
        self._register_load_state_dict_pre_hook(self._take_entries)

    @property
    def module(self) -> Any:
        """The module."""
        return getattr(self, _INNER)

    def __getattr__(self, name: str) -> Any:
        """What is not found here is the module's."""
        try:
            return super().__getattr__(name)
        except AttributeError:
            return getattr(super().__getattr__(_INNER), name)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's output."""
        return self.module(*args, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients of the block are added up in each process."""
        self.module.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            self.module.set_requires_gradient_sync(True)

    def clip_grad_norm_(self, max_norm: float, norm_type: float = 2.0) -> torch.Tensor:
        """Scale all gradients so that their norm over all processes is at most ``max_norm``."""
        total = clip_grad_norm_(self.parameters(), max_norm, norm_type)
        whole: Any = total
        return whole.full_tensor() if hasattr(whole, "full_tensor") else total

    def named_parameters(self, *args: Any, **kwargs: Any) -> Iterator[tuple[str, Any]]:
        """The shards, under the module's own names."""
        for name, p in super().named_parameters(*args, **kwargs):
            yield name.replace(f"{_INNER}.", ""), p

    # ---- states ----------------------------------------------------------------------------------

    def state_dict(
        self, *args: Any, destination: Any = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[Any, Any]:
        """state_dict(*, destination=None, prefix='', keep_vars=False): as ``state_dict_type`` says;
        all processes call it.
        """
        state: dict[Any, Any] = self.module.state_dict(
            *args, destination=destination, prefix=prefix, keep_vars=keep_vars
        )
        settings = self._settings
        if settings.state_dict_type is StateDictType.SHARDED_STATE_DICT:
            return state
        config = settings.state_dict_config
        only_first = getattr(config, "rank0_only", False) and default_group().rank() != 0
        for name in [name for name in state if name.startswith(prefix)]:
            value = state[name]
            if isinstance(value, DTensor):
                value = value.full_tensor().detach()
            state[name] = value.cpu() if config.offload_to_cpu else value
            if only_first:
                del state[name]
        return state

    def _take_entries(self, state: dict[str, Any], prefix: str, *rest: Any) -> None:
        """Before loading: names get the wrapper's part, whole tensors are cut."""
        targets = dict(self.module.state_dict())
        for name, target in targets.items():
            if prefix + name in state:
                value = state.pop(prefix + name)
                if isinstance(target, DTensor) and not isinstance(value, DTensor):
                    value = distribute_tensor(value, target.device_mesh, target.placements)
                state[f"{prefix}{_INNER}.{name}"] = value

    @staticmethod
    def set_state_dict_type(
        module: Module,
        state_dict_type: StateDictType,
        state_dict_config: StateDictConfig | None = None,
        optim_state_dict_config: OptimStateDictConfig | None = None,
    ) -> StateDictSettings:
        """set_state_dict_type(module, state_dict_type, state_dict_config=None,
        optim_state_dict_config=None): what ``state_dict`` holds from now on; the former settings.
        """
        if state_dict_type is StateDictType.LOCAL_STATE_DICT:
            raise NotImplementedError("LOCAL_STATE_DICT is not supported: use SHARDED_STATE_DICT")
        full = state_dict_type is StateDictType.FULL_STATE_DICT
        config = state_dict_config
        if config is None:
            config = FullStateDictConfig() if full else ShardedStateDictConfig()
        optim = optim_state_dict_config
        if optim is None:
            optim = FullOptimStateDictConfig() if full else ShardedOptimStateDictConfig()
        before = StateDictSettings()
        for wrapped in _wrappers(module):
            before = wrapped._settings
            wrapped._settings = StateDictSettings(state_dict_type, config, optim)
        return before

    @staticmethod
    def get_state_dict_type(module: Module) -> StateDictSettings:
        """get_state_dict_type(module): the settings."""
        return next((w._settings for w in _wrappers(module)), StateDictSettings())

    @staticmethod
    @contextmanager
    def state_dict_type(
        module: Module,
        state_dict_type: StateDictType,
        state_dict_config: StateDictConfig | None = None,
        optim_state_dict_config: OptimStateDictConfig | None = None,
    ) -> Iterator[None]:
        """state_dict_type(module, state_dict_type, state_dict_config=None,
        optim_state_dict_config=None): what ``state_dict`` holds in the block.
        """
        change = FullyShardedDataParallel.set_state_dict_type
        before = change(module, state_dict_type, state_dict_config, optim_state_dict_config)
        try:
            yield
        finally:
            change(
                module,
                before.state_dict_type,
                before.state_dict_config,
                before.optim_state_dict_config,
            )

    @staticmethod
    @contextmanager
    def summon_full_params(
        module: Module,
        recurse: bool = True,
        writeback: bool = True,
        rank0_only: bool = False,
        offload_to_cpu: bool = False,
        with_grads: bool = False,
    ) -> Iterator[None]:
        """summon_full_params(module, recurse=True, writeback=True): whole parameters in the block;
        what is written to them is kept, with ``writeback``.
        """
        if rank0_only or offload_to_cpu or with_grads:
            raise NotImplementedError(
                "rank0_only, offload_to_cpu and with_grads are not supported: use state_dict()"
            )
        groups = [m._fsdp.group for m in module.modules() if isinstance(m, FSDPModule)]
        every = list(dict.fromkeys(g for g in groups if g is not None))
        for group in every:
            group.unshard()
        try:
            yield
        finally:
            for group in every:
                for piece in group.pieces if writeback else ():
                    group.keep(piece)
                group.reshard()

    @staticmethod
    def optim_state_dict(
        model: Module, optim: Any, optim_state_dict: Any = None, group: Any = None
    ) -> dict[str, Any]:
        """optim_state_dict(model, optim): the optimizer's state by the names of parameters, whole
        or in shards as ``state_dict_type`` says.
        """
        settings = FullyShardedDataParallel.get_state_dict_type(model)
        full = settings.state_dict_type is StateDictType.FULL_STATE_DICT
        state = get_optimizer_state_dict(
            model, optim, options=StateDictOptions(full_state_dict=full)
        )
        only_first = getattr(settings.optim_state_dict_config, "rank0_only", False)
        return {} if only_first and default_group().rank() != 0 else state

    @staticmethod
    def optim_state_dict_to_load(
        model: Module,
        optim: Any,
        optim_state_dict: dict[str, Any],
        is_named_optimizer: bool = False,
        load_directly: bool = False,
        group: Any = None,
    ) -> dict[str, Any]:
        """optim_state_dict_to_load(model, optim, optim_state_dict): the same for
        ``optim.load_state_dict``: shards, by number.
        """
        set_optimizer_state_dict(model, optim, optim_state_dict)
        state: dict[str, Any] = optim.state_dict()
        return state


def _check(strategy: ShardingStrategy | None, cpu_offload: Any, param_init_fn: Any) -> None:
    if strategy not in (None, ShardingStrategy.FULL_SHARD, ShardingStrategy.SHARD_GRAD_OP):
        raise NotImplementedError(
            "use DistributedDataParallel for NO_SHARD, and fully_shard with a mesh of two "
            "dimensions for HYBRID_SHARD"
        )
    if getattr(cpu_offload, "offload_params", False) and torch.empty(0).device.type != "cpu":
        raise NotImplementedError("shards stay on their device: leave cpu_offload out")
    if param_init_fn is not None:
        raise NotImplementedError("param_init_fn is not supported: make the module, then shard it")


def _policy(mixed: MixedPrecision | None) -> MixedPrecisionPolicy:
    if mixed is None:
        return MixedPrecisionPolicy()
    return MixedPrecisionPolicy(mixed.param_dtype, mixed.reduce_dtype)


def _ignored(modules: Iterable[Module] | None, states: Iterable[Any] | None) -> set[torch.Tensor]:
    """The parameters that stay whole."""
    found: set[torch.Tensor] = set()
    for entry in [*(modules or ()), *(states or ())]:
        found |= set(entry.parameters()) if isinstance(entry, Module) else {entry}
    return found


def _send_states(module: Module, group: Any) -> None:
    """The first process's values go to all."""
    with torch.no_grad():
        for t in [*module.parameters(), *module.buffers()]:
            broadcast(t.detach(), group=group, group_src=0)


def _wrappers(module: Module) -> list[FullyShardedDataParallel]:
    return [m for m in module.modules() if isinstance(m, FullyShardedDataParallel)]
