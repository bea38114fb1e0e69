"""torch.distributed.fsdp.sharded_grad_scaler: loss scaling when gradients are in shards."""

from typing import Any

from rushlight import _api as torch
from rushlight.amp import GradScaler
from rushlight.distributed.collectives import all_reduce
from rushlight.distributed.groups import default_group
from rushlight.distributed.process_group import ProcessGroup

__all__ = ["ShardedGradScaler"]


class ShardedGradScaler(GradScaler):
    """ShardedGradScaler(device='cuda', init_scale=65536.0, backoff_factor=0.5, growth_factor=2.0,
    growth_interval=2000, enabled=True, process_group=None)

    A GradScaler that skips a step everywhere if any process has gradients that are not finite.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.fsdp.sharded_grad_scaler import ShardedGradScaler
    >>> scaler = ShardedGradScaler("cpu", init_scale=4.0)
    >>> w = torch.ones(1, requires_grad=True); opt = torch.optim.SGD([w], lr=1.0)
    >>> scaler.scale(w.sum()).backward(); _ = scaler.step(opt); scaler.update(); w
    tensor([0.], requires_grad=True)
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        device: str = "cuda",
        init_scale: float = 2.0**16,
        backoff_factor: float = 0.5,
        growth_factor: float = 2.0,
        growth_interval: int = 2000,
        enabled: bool = True,
        process_group: ProcessGroup | None = None,
    ) -> None:
        super().__init__(
            device,
            init_scale=init_scale,
            backoff_factor=backoff_factor,
            growth_factor=growth_factor,
            growth_interval=growth_interval,
            enabled=enabled,
        )
        self.process_group = process_group

    def unscale_(self, optimizer: Any) -> None:
        """Divide gradients by the scale; what one process finds, all know."""
        super().unscale_(optimizer)
        if not self._enabled:
            return
        group = self.process_group or default_group()
        found = self._per_optimizer_states[id(optimizer)]["found_inf_per_device"]
        here = sum((t.to("cpu") for t in found.values()), torch.zeros(1)).reshape(1)
        all_reduce(here, group=group)
        for device, flag in found.items():
            found[device] = here.clamp(max=1.0).to(device).reshape(flag.shape)
