"""torch.distributed.optim.post_localSGD_optimizer: an optimizer whose parameters are averaged."""

import warnings
from typing import Any

from rushlight.distributed.algorithms.model_averaging.averagers import ModelAverager
from rushlight.optim import Optimizer

__all__ = ["PostLocalSGDOptimizer"]


class PostLocalSGDOptimizer(Optimizer):
    """PostLocalSGDOptimizer(optim, averager): an optimizer after whose steps parameters are
    averaged, when ``averager`` says so. For DistributedDataParallel with ``post_localSGD_hook``.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.model_averaging.averagers import PeriodicModelAverager
    >>> layer = torch.nn.Linear(1, 1)
    >>> opt = dist.optim.PostLocalSGDOptimizer(
    ...     torch.optim.SGD(layer.parameters(), lr=0.1), PeriodicModelAverager(period=2)
    ... )
    >>> layer(torch.ones(1)).backward(); opt.step(); opt.state_dict()["step"]
    1
    >>> dist.destroy_process_group()
    """

    def __init__(self, optim: Optimizer, averager: ModelAverager) -> None:
        self.optim = optim
        self.param_groups = self.optim.param_groups
        self.averager = averager

    @property
    def state(self) -> Any:  # type: ignore[override]  # that of the optimizer inside
        """The optimizer's state."""
        return self.optim.state

    def __repr__(self) -> str:
        return repr(self.optim)

    def state_dict(self) -> dict[str, Any]:
        """The optimizer's, with the averager's ``step``."""
        return {**self.optim.state_dict(), "step": self.averager.step}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """The optimizer's, and the averager's ``step``, which begins anew if it is not there."""
        self.optim.load_state_dict(state_dict)
        if "step" in state_dict:
            self.averager.step = state_dict["step"]
        else:
            warnings.warn(
                "Loaded state dict does not contain a step counter for an averager. "
                "Setting step counter to 0.",
                stacklevel=2,
            )
            self.averager.step = 0

    def step(self) -> None:  # type: ignore[override]  # takes no closure, as PyTorch's
        """A step of the optimizer; then it may be time to average."""
        self.optim.step()
        self.averager.average_parameters(params=self.param_groups)

    def zero_grad(self, set_to_none: bool = True) -> None:
        """The optimizer's."""
        self.optim.zero_grad(set_to_none=set_to_none)

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """The optimizer's."""
        self.optim.add_param_group(param_group)
