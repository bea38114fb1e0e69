"""FullyShardedDataParallel: the older way to say ``fully_shard``."""

import enum
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.device_mesh import DeviceMesh
from rushlight.distributed.fsdp.fully_shard import MixedPrecisionPolicy, fully_shard
from rushlight.nn import Module
from rushlight.nn.utils import clip_grad_norm_

__all__ = ["FullyShardedDataParallel", "ShardingStrategy"]


class ShardingStrategy(enum.Enum):
    """What is sharded, and when.

    >>> torch.distributed.fsdp.ShardingStrategy.SHARD_GRAD_OP
    <ShardingStrategy.SHARD_GRAD_OP: 2>
    """

    FULL_SHARD = 1
    SHARD_GRAD_OP = 2
    NO_SHARD = 3
    HYBRID_SHARD = 4


class FullyShardedDataParallel(Module):
    """FullyShardedDataParallel(module, process_group=None, sharding_strategy=None,
    auto_wrap_policy=None, mixed_precision=None, device_mesh=None, use_orig_params=True)

    A module whose parameters lie in shards between uses. With ``auto_wrap_policy`` (a function
    ``(module, recurse, nonwrapped_numel)``, or a set of classes) inner modules are gathered one by
    one. New programs use ``fully_shard``.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> model = dist.fsdp.FullyShardedDataParallel(torch.nn.Linear(2, 1))
    >>> model(torch.ones(3, 2)).shape
    torch.Size([3, 1])
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        module: Module,
        process_group: Any = None,
        sharding_strategy: ShardingStrategy | None = None,
        cpu_offload: Any = None,
        auto_wrap_policy: Any = None,
        mixed_precision: Any = None,
        device_id: Any = None,
        sync_module_states: bool = False,
        use_orig_params: bool = True,
        device_mesh: DeviceMesh | None = None,
    ) -> None:
        super().__init__()
        if sharding_strategy in (ShardingStrategy.NO_SHARD, ShardingStrategy.HYBRID_SHARD):
            raise NotImplementedError(
                "use DistributedDataParallel for NO_SHARD, and fully_shard with a mesh of two "
                "dimensions for HYBRID_SHARD"
            )
        if process_group is not None:
            device_mesh = DeviceMesh.from_group(process_group, "cpu")
        policy = MixedPrecisionPolicy(
            getattr(mixed_precision, "param_dtype", None),
            getattr(mixed_precision, "reduce_dtype", None),
        )
        keep = sharding_strategy is ShardingStrategy.SHARD_GRAD_OP
        options: dict[str, Any] = {
            "mesh": device_mesh,
            "reshard_after_forward": not keep,
            "mp_policy": policy,
        }
        for inner in _chosen(module, auto_wrap_policy):
            fully_shard(inner, **options)
        self.module = fully_shard(module, **options)

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """The module's output."""
        return self.module(*args, **kwargs)

    @contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients of the block are added up in each process."""
        inner: Any = self.module
        inner.set_requires_gradient_sync(False)
        try:
            yield
        finally:
            inner.set_requires_gradient_sync(True)

    def clip_grad_norm_(self, max_norm: float, norm_type: float = 2.0) -> torch.Tensor:
        """Scale all gradients so that their norm over all processes is at most ``max_norm``."""
        total = clip_grad_norm_(self.parameters(), max_norm, norm_type)
        whole: Any = total
        return whole.full_tensor() if hasattr(whole, "full_tensor") else total


def _chosen(module: Module, policy: Callable[..., bool] | set | None) -> list[Module]:
    """The inner modules to gather one by one, innermost first."""
    if policy is None:
        return []
    found = []
    for inner in reversed(list(module.modules())):
        if inner is module:
            continue
        numel = sum(p.numel() for p in inner.parameters())
        if isinstance(policy, (set, frozenset)):
            wanted = type(inner) in policy
        else:
            wanted = policy(module=inner, recurse=False, nonwrapped_numel=numel)
        if wanted and numel:
            found.append(inner)
    return found
