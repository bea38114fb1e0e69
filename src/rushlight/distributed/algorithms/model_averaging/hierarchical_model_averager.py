"""torch.distributed.algorithms.model_averaging.hierarchical_model_averager: averages in groups that
grow.
"""

from collections import OrderedDict
from collections.abc import Iterable
from typing import Any

from rushlight.distributed.algorithms.model_averaging.averagers import ModelAverager
from rushlight.distributed.algorithms.model_averaging.utils import (
    average_parameters_or_parameter_groups,
)
from rushlight.distributed.groups import new_subgroups
from rushlight.distributed.process_group import ProcessGroup

__all__ = ["HierarchicalModelAverager"]


class HierarchicalModelAverager(ModelAverager):
    """HierarchicalModelAverager(period_group_size_dict=None, warmup_steps=0, process_group=None)

    Averages every so many steps in groups of so many processes (period -> size, both ascending; the
    last size is that of all). If several periods end in one step, the largest group averages.

    ValueError for periods or sizes that make no sense.

    >>> from collections import OrderedDict
    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.model_averaging import hierarchical_model_averager
    >>> h = hierarchical_model_averager
    >>> h.HierarchicalModelAverager(OrderedDict([(2, 1)])).period_process_group_dict[2].size()
    1
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        period_group_size_dict: "OrderedDict[int, int] | None" = None,
        warmup_steps: int = 0,
        process_group: ProcessGroup | None = None,
    ) -> None:
        super().__init__(process_group)
        if not period_group_size_dict:
            raise ValueError("Arg ``period_group_size_dict`` must not be empty.")
        self._periods = list(period_group_size_dict)
        if self._periods[0] <= 0:
            raise ValueError(
                "The minimum period in arg ``period_group_size_dict`` must be a positive value."
            )
        size = self.process_group.size()
        if list(period_group_size_dict.values())[-1] != size:
            raise ValueError(
                f"The last value in arg ``period_process_group_dict`` "
                f"{list(period_group_size_dict.values())[-1]} "
                f"must be equal to the size of arg ``process_group`` {size}."
            )
        self.period_process_group_dict: OrderedDict[int, ProcessGroup] = OrderedDict()
        for period, members in period_group_size_dict.items():
            whole = members == size
            group = self.process_group if whole else new_subgroups(members)[0]
            self.period_process_group_dict[period] = group
        if warmup_steps < 0:
            raise ValueError("Arg ``warmup_steps`` must be a non-negative number.")
        self.warmup_steps = warmup_steps

    def average_parameters(self, params: Iterable[Any]) -> None:
        """Average parameters, or those of an optimizer's groups, if it is time."""
        if self.step >= self.warmup_steps:
            ended = [p for p in self._periods if (self.step - self.warmup_steps) % p == 0]
            if ended:
                group = self.period_process_group_dict[ended[-1]]
                average_parameters_or_parameter_groups(params, group)
        self.step += 1
