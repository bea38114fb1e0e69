"""torch.distributed.algorithms.ddp_comm_hooks: other ways to average gradients."""

import enum
from collections.abc import Callable
from functools import partial
from typing import Any

from rushlight.distributed.algorithms.ddp_comm_hooks import debugging_hooks as debugging
from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks as default
from rushlight.distributed.algorithms.ddp_comm_hooks import powerSGD_hook as powerSGD

__all__ = ["DDPCommHookType", "register_ddp_comm_hook"]


def _plain(comm_hook: Callable[..., Any], model: Any, state: Any) -> None:
    model.register_comm_hook(state, comm_hook)


def _power(comm_hook: Callable[..., Any], model: Any, state: Any, rank: int) -> None:
    model.register_comm_hook(
        powerSGD.PowerSGDState(state, matrix_approximation_rank=rank), comm_hook
    )


class DDPCommHookType(enum.Enum):
    """Names of hooks, for :func:`register_ddp_comm_hook`.

    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import DDPCommHookType
    >>> DDPCommHookType.FP16_COMPRESS.name
    'FP16_COMPRESS'
    """

    ALLREDUCE = partial(_plain, default.allreduce_hook)
    FP16_COMPRESS = partial(_plain, default.fp16_compress_hook)
    BF16_COMPRESS = partial(_plain, default.bf16_compress_hook)
    POWER_SGD = partial(_power, powerSGD.powerSGD_hook, rank=1)
    POWER_SGD_RANK2 = partial(_power, powerSGD.powerSGD_hook, rank=2)
    BATCHED_POWER_SGD = partial(_power, powerSGD.batched_powerSGD_hook, rank=1)
    BATCHED_POWER_SGD_RANK2 = partial(_power, powerSGD.batched_powerSGD_hook, rank=2)
    NOOP = partial(_plain, debugging.noop_hook)


def register_ddp_comm_hook(comm_hook_type: DDPCommHookType, model: Any, state: Any = None) -> None:
    """register_ddp_comm_hook(comm_hook_type, model, state=None): register a hook by its name;
    ``state`` is the process group.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms import ddp_comm_hooks as hooks
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> hooks.register_ddp_comm_hook(hooks.DDPCommHookType.ALLREDUCE, model)
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    comm_hook_type.value(model=model, state=state)
