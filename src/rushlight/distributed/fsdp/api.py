"""torch.distributed.fsdp.api: what FullyShardedDataParallel can be told."""

import enum
from dataclasses import dataclass, field

from rushlight import _api as torch

__all__ = [
    "BackwardPrefetch",
    "CPUOffload",
    "FullOptimStateDictConfig",
    "FullStateDictConfig",
    "LocalStateDictConfig",
    "MixedPrecision",
    "OptimStateDictConfig",
    "ShardedOptimStateDictConfig",
    "ShardedStateDictConfig",
    "ShardingStrategy",
    "StateDictConfig",
    "StateDictSettings",
    "StateDictType",
]


class ShardingStrategy(enum.Enum):
    """What is sharded, and when: FULL_SHARD gathers parameters anew for backward, SHARD_GRAD_OP
    keeps them.

    >>> torch.distributed.fsdp.ShardingStrategy.SHARD_GRAD_OP
    <ShardingStrategy.SHARD_GRAD_OP: 2>
    """

    FULL_SHARD = 1
    SHARD_GRAD_OP = 2
    NO_SHARD = 3
    HYBRID_SHARD = 4
    _HYBRID_SHARD_ZERO2 = 5


class BackwardPrefetch(enum.Enum):
    """When the next parameters are gathered in backward: when they are needed, whatever is said.

    >>> torch.distributed.fsdp.BackwardPrefetch.BACKWARD_PRE
    <BackwardPrefetch.BACKWARD_PRE: 1>
    """

    BACKWARD_PRE = 1
    BACKWARD_POST = 2


@dataclass
class MixedPrecision:
    """MixedPrecision(param_dtype=None, reduce_dtype=None, buffer_dtype=None, ...): dtypes of the
    gathered parameters and of the reduction.

    >>> torch.distributed.fsdp.MixedPrecision(param_dtype=torch.bfloat16).param_dtype
    torch.bfloat16
    """

    param_dtype: torch.dtype | None = None
    reduce_dtype: torch.dtype | None = None
    buffer_dtype: torch.dtype | None = None
    keep_low_precision_grads: bool = False
    cast_forward_inputs: bool = False
    cast_root_forward_inputs: bool = True


@dataclass
class CPUOffload:
    """CPUOffload(offload_params=False): whether shards wait on the CPU.

    >>> torch.distributed.fsdp.CPUOffload().offload_params
    False
    """

    offload_params: bool = False


class StateDictType(enum.Enum):
    """What ``state_dict`` holds: whole tensors, or shards (DTensors).

    >>> torch.distributed.fsdp.StateDictType.FULL_STATE_DICT
    <StateDictType.FULL_STATE_DICT: 1>
    """

    FULL_STATE_DICT = 1
    LOCAL_STATE_DICT = 2
    SHARDED_STATE_DICT = 3


@dataclass
class StateDictConfig:
    """StateDictConfig(offload_to_cpu=False): how a ``state_dict`` is made.

    >>> torch.distributed.fsdp.StateDictConfig().offload_to_cpu
    False
    """

    offload_to_cpu: bool = False


@dataclass
class FullStateDictConfig(StateDictConfig):
    """FullStateDictConfig(offload_to_cpu=False, rank0_only=False): of whole tensors; on the CPU,
    and only on the first process, if asked.

    >>> torch.distributed.fsdp.FullStateDictConfig(rank0_only=True).rank0_only
    True
    """

    rank0_only: bool = False


@dataclass
class ShardedStateDictConfig(StateDictConfig):
    """ShardedStateDictConfig(offload_to_cpu=False): of shards.

    >>> torch.distributed.fsdp.ShardedStateDictConfig().offload_to_cpu
    False
    """


@dataclass
class LocalStateDictConfig(StateDictConfig):
    """LocalStateDictConfig(offload_to_cpu=False): not supported, use shards.

    >>> torch.distributed.fsdp.LocalStateDictConfig().offload_to_cpu
    False
    """


@dataclass
class OptimStateDictConfig:
    """OptimStateDictConfig(offload_to_cpu=True): how an optimizer's state is made.

    >>> torch.distributed.fsdp.OptimStateDictConfig().offload_to_cpu
    True
    """

    offload_to_cpu: bool = True


@dataclass
class FullOptimStateDictConfig(OptimStateDictConfig):
    """FullOptimStateDictConfig(offload_to_cpu=True, rank0_only=False): of whole tensors.

    >>> torch.distributed.fsdp.FullOptimStateDictConfig().rank0_only
    False
    """

    rank0_only: bool = False


@dataclass
class ShardedOptimStateDictConfig(OptimStateDictConfig):
    """ShardedOptimStateDictConfig(offload_to_cpu=True): of shards.

    >>> torch.distributed.fsdp.ShardedOptimStateDictConfig().offload_to_cpu
    True
    """


@dataclass
class StateDictSettings:
    """StateDictSettings(state_dict_type, state_dict_config, optim_state_dict_config): what was set.

    >>> from rushlight.distributed.fsdp import StateDictSettings
    >>> StateDictSettings().state_dict_type
    <StateDictType.FULL_STATE_DICT: 1>
    """

    state_dict_type: StateDictType = StateDictType.FULL_STATE_DICT
    state_dict_config: StateDictConfig = field(default_factory=FullStateDictConfig)
    optim_state_dict_config: OptimStateDictConfig = field(default_factory=FullOptimStateDictConfig)


@dataclass
class LocalOptimStateDictConfig(OptimStateDictConfig):
    """LocalOptimStateDictConfig(offload_to_cpu=False): not supported, use shards.

    >>> torch.distributed.fsdp.LocalOptimStateDictConfig().offload_to_cpu
    False
    """

    offload_to_cpu: bool = False


class OptimStateKeyType(enum.Enum):
    """How an optimizer's state names parameters.

    >>> torch.distributed.fsdp.OptimStateKeyType.PARAM_NAME
    <OptimStateKeyType.PARAM_NAME: 1>
    """

    PARAM_NAME = enum.auto()
    PARAM_ID = enum.auto()
