"""torch.distributed.algorithms.model_averaging.averagers: when parameters are averaged."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Any

from rushlight.distributed.algorithms.model_averaging.utils import (
    average_parameters_or_parameter_groups,
)
from rushlight.distributed.groups import default_group
from rushlight.distributed.process_group import ProcessGroup

__all__ = ["ModelAverager", "PeriodicModelAverager"]


class ModelAverager(ABC):
    """What averages parameters: a subclass says when, in ``average_parameters``. ``step`` counts.

    >>> from rushlight.distributed.algorithms.model_averaging import averagers
    >>> issubclass(averagers.PeriodicModelAverager, averagers.ModelAverager)
    True
    """

    def __init__(self, process_group: ProcessGroup | None = None) -> None:
        self.process_group = default_group() if process_group is None else process_group
        self.step = 0

    @abstractmethod
    def average_parameters(self, params: Iterable[Any]) -> None:
        """Called after each step of the optimizer."""
        raise NotImplementedError


class PeriodicModelAverager(ModelAverager):
    """PeriodicModelAverager(period, warmup_steps=0, process_group=None): averages every ``period``
    steps after the first ``warmup_steps``.

    ValueError for numbers that make no sense.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.model_averaging import averagers
    >>> averager = averagers.PeriodicModelAverager(period=2)
    >>> layer = torch.nn.Linear(1, 1); layer(torch.ones(1)).backward()
    >>> averager.average_parameters(layer.parameters()); averager.step
    1
    >>> dist.destroy_process_group()
    """

    def __init__(
        self, period: int, warmup_steps: int = 0, process_group: ProcessGroup | None = None
    ) -> None:
        super().__init__(process_group)
        if warmup_steps < 0:
            raise ValueError("Arg ``warmup_steps`` must be a non-negative number.")
        self.warmup_steps = warmup_steps
        if period < 1:
            raise ValueError("Arg ``period`` must be a positive value.")
        if period == 1:
            warnings.warn(
                "When period is 1, no need to use model averaging because the communication cost "
                "of all-reducing parameters will be no less than the cost of all-reducing "
                "gradients by DistributedDataParallel in the backward pass. Therefore, only "
                "DistributedDataParallel should be used for this case.",
                stacklevel=2,
            )
        self.period = period

    def average_parameters(self, params: Iterable[Any]) -> None:
        """Average parameters, or those of an optimizer's groups, if it is time."""
        if self.step >= self.warmup_steps and (self.step - self.warmup_steps) % self.period == 0:
            average_parameters_or_parameter_groups(params, self.process_group)
        self.step += 1
