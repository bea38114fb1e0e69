"""The options of collectives, as ProcessGroup's own methods take them in PyTorch."""

from datetime import timedelta
from typing import Any

from rushlight.distributed.reduce_op import ReduceOp

__all__ = [
    "AllToAllOptions",
    "AllreduceCoalescedOptions",
    "AllreduceOptions",
    "BarrierOptions",
    "BroadcastOptions",
    "GatherOptions",
    "ReduceOptions",
    "ReduceScatterOptions",
    "ScatterOptions",
]

_UNSET = timedelta(milliseconds=-1)


class AllToAllOptions:
    """Of ``all_to_all``."""

    def __init__(self) -> None:
        self.timeout = _UNSET
        self.asyncOp = True


class AllreduceOptions(AllToAllOptions):
    """Of ``all_reduce``."""

    def __init__(self) -> None:
        super().__init__()
        self.reduceOp: Any = ReduceOp.SUM


class AllreduceCoalescedOptions(AllreduceOptions):
    """Of ``all_reduce_coalesced``."""


class BarrierOptions(AllToAllOptions):
    """Of ``barrier``."""

    def __init__(self) -> None:
        super().__init__()
        self.device_ids: list[int] = []
        self.device: Any = None


class BroadcastOptions(AllToAllOptions):
    """Of ``broadcast``."""

    def __init__(self) -> None:
        super().__init__()
        self.rootRank = 0
        self.rootTensor = 0


class GatherOptions(AllToAllOptions):
    """Of ``gather``."""

    def __init__(self) -> None:
        super().__init__()
        self.rootRank = 0


class ReduceOptions(BroadcastOptions):
    """Of ``reduce``."""

    def __init__(self) -> None:
        super().__init__()
        self.reduceOp: Any = ReduceOp.SUM


class ReduceScatterOptions(AllreduceOptions):
    """Of ``reduce_scatter``."""


class ScatterOptions(GatherOptions):
    """Of ``scatter``."""
