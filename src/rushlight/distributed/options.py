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
    """Of ``all_to_all``.

    >>> torch.distributed.AllToAllOptions().asyncOp
    True
    """

    def __init__(self) -> None:
        self.timeout = _UNSET
        self.asyncOp = True


class AllreduceOptions(AllToAllOptions):
    """Of ``all_reduce``.

    >>> torch.distributed.AllreduceOptions().reduceOp
    <RedOpType.SUM: 0>
    """

    def __init__(self) -> None:
        super().__init__()
        self.reduceOp: Any = ReduceOp.SUM


class AllreduceCoalescedOptions(AllreduceOptions):
    """Of ``all_reduce_coalesced``.

    >>> torch.distributed.AllreduceCoalescedOptions().reduceOp
    <RedOpType.SUM: 0>
    """


class BarrierOptions(AllToAllOptions):
    """Of ``barrier``.

    >>> torch.distributed.BarrierOptions().device_ids
    []
    """

    def __init__(self) -> None:
        super().__init__()
        self.device_ids: list[int] = []
        self.device: Any = None


class BroadcastOptions(AllToAllOptions):
    """Of ``broadcast``.

    >>> torch.distributed.BroadcastOptions().rootRank
    0
    """

    def __init__(self) -> None:
        super().__init__()
        self.rootRank = 0
        self.rootTensor = 0


class GatherOptions(AllToAllOptions):
    """Of ``gather``.

    >>> torch.distributed.GatherOptions().rootRank
    0
    """

    def __init__(self) -> None:
        super().__init__()
        self.rootRank = 0


class ReduceOptions(BroadcastOptions):
    """Of ``reduce``.

    >>> torch.distributed.ReduceOptions().rootTensor
    0
    """

    def __init__(self) -> None:
        super().__init__()
        self.reduceOp: Any = ReduceOp.SUM


class ReduceScatterOptions(AllreduceOptions):
    """Of ``reduce_scatter``.

    >>> torch.distributed.ReduceScatterOptions().reduceOp
    <RedOpType.SUM: 0>
    """


class ScatterOptions(GatherOptions):
    """Of ``scatter``.

    >>> torch.distributed.ScatterOptions().rootRank
    0
    """
