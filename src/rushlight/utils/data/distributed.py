"""Each process its share of a dataset."""

import math
from collections.abc import Callable, Iterator
from typing import Any, TypeVar

from rushlight import _api as torch
from rushlight.utils.data.dataset import Dataset
from rushlight.utils.data.sampler import Sampler

__all__ = ["DistributedSampler"]

T_co = TypeVar("T_co", covariant=True)

# The number of processes and the number of this one; rushlight.distributed sets it on joining.
process_group: Callable[[], tuple[int, int]] | None = None


class DistributedSampler(Sampler[T_co]):
    """DistributedSampler(dataset, num_replicas, rank, shuffle=True, seed=0, drop_last=False)

    The indices of process ``rank`` of ``num_replicas``: every ``num_replicas``-th of an order all
    processes agree on.

    That order is drawn from ``seed + epoch``; call :meth:`set_epoch` before each epoch. Indices are
    repeated, or with ``drop_last`` left out, so that all processes have the same number.

    >>> list(torch.utils.data.DistributedSampler(range(5), num_replicas=2, rank=1, shuffle=False))
    [1, 3, 0]
    """

    def __init__(
        self,
        dataset: Dataset,
        num_replicas: int | None = None,
        rank: int | None = None,
        shuffle: bool = True,
        seed: int = 0,
        drop_last: bool = False,
    ) -> None:
        if num_replicas is None or rank is None:
            num_replicas, rank = _world(num_replicas, rank)
        if rank >= num_replicas or rank < 0:
            raise ValueError(
                f"Invalid rank {rank}, rank should be in the interval [0, {num_replicas - 1}]"
            )
        self.dataset = dataset
        self.num_replicas = num_replicas
        self.rank = rank
        self.epoch = 0
        self.drop_last = drop_last
        count = len(dataset)
        if drop_last and count % num_replicas:
            count -= num_replicas
        self.num_samples = math.ceil(count / num_replicas)
        self.total_size = self.num_samples * num_replicas
        self.shuffle = shuffle
        self.seed = seed

    def __iter__(self) -> Iterator[T_co]:
        count = len(self.dataset)
        indices: list[Any] = list(range(count))
        if self.shuffle:
            generator = torch.Generator()
            generator.manual_seed(self.seed + self.epoch)
            indices = torch.randperm(count, generator=generator).tolist()
        if self.total_size > count:
            indices *= math.ceil(self.total_size / count)
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """set_epoch(epoch): choose the order of the next iteration."""
        self.epoch = epoch


def _world(num_replicas: int | None, rank: int | None) -> tuple[int, int]:
    """What was not said, from the process group."""
    if process_group is None:
        raise ValueError(
            "Default process group has not been initialized, "
            "please make sure to call init_process_group."
        )
    size, own = process_group()
    return size if num_replicas is None else num_replicas, own if rank is None else rank
