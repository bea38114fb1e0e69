"""Gradients in buckets: several of them in one flat tensor, reduced together."""

import enum
from collections.abc import Sequence

from rushlight import _api as torch
from rushlight.distributed.work import Work
from rushlight.futures import Future

__all__ = ["BuiltinCommHookType", "GradBucket"]

FIRST_BUCKET_BYTES = 1 << 20


def local_of(t: torch.Tensor) -> torch.Tensor:
    """A DTensor's part of this process; others as they are."""
    part: torch.Tensor = getattr(t, "_local_tensor", t)
    return part


def bytes_of(p: torch.Tensor) -> int:
    """The memory of a tensor."""
    return local_of(p).numel() * p.element_size()


def assign(
    params: Sequence[torch.Tensor], sparse: set[int], limits: Sequence[int]
) -> list[list[int]]:
    """Which parameters share a bucket: numbers in the order in which gradients come.

    Gradients come about in the reverse order of the parameters. The first bucket is small, so that
    something is under way early; the last of ``limits`` holds for all further ones.
    """
    buckets: list[list[int]] = []
    open_buckets: dict[torch.dtype, tuple[list[int], int]] = {}
    filled: dict[torch.dtype, int] = {}
    for i in reversed(range(len(params))):
        p = params[i]
        if i in sparse:
            buckets.append([i])
            continue
        members, size = open_buckets.pop(p.dtype, ([], 0))
        members.append(i)
        size += bytes_of(p)
        count = filled.get(p.dtype, 0)
        if size >= limits[min(count, len(limits) - 1)]:
            buckets.append(members)
            filled[p.dtype] = count + 1
        else:
            open_buckets[p.dtype] = members, size
    return buckets + [members for members, _ in open_buckets.values()]


class BuiltinCommHookType(enum.Enum):
    """Hooks that DistributedDataParallel knows by name.

    >>> torch.distributed.BuiltinCommHookType.ALLREDUCE.name
    'ALLREDUCE'
    """

    ALLREDUCE = 1
    FP16_COMPRESS = 2


class Bucket:
    """Some parameters, a flat tensor for their gradients, and how far the reduction is.

    The flat tensor has the parameters' dtype, or another.
    """

    def __init__(
        self,
        index: int,
        numbers: list[int],
        params: Sequence[torch.Tensor],
        dtype: torch.dtype | None = None,
    ) -> None:
        self.index, self.numbers = index, numbers
        self.params = [params[i] for i in numbers]
        first = self.params[0]
        parts = [local_of(p) for p in self.params]
        size = sum(p.numel() for p in parts)
        self.flat = torch.zeros(size, dtype=dtype or first.dtype, device=first.device)
        self.views = self.cut(self.flat)
        self.missing = len(numbers)
        self.work: Work | Future | None = None
        self.sparse: torch.Tensor | None = None  # the gradient of the one parameter, if sparse

    def cut(self, flat: torch.Tensor) -> list[torch.Tensor]:
        """The parts of a flat tensor, each in the shape of its parameter."""
        shapes = [local_of(p).shape for p in self.params]
        parts = flat.split([shape.numel() for shape in shapes])
        return [part.view(shape) for part, shape in zip(parts, shapes, strict=True)]

    def reset(self) -> None:
        """Before the next backward."""
        self.missing = len(self.numbers)
        self.work = self.sparse = None


class GradBucket:
    """What a communication hook gets: a bucket that is full.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> def hook(state, bucket):
    ...     print(bucket.buffer(), bucket.is_last())
    ...     done = torch.futures.Future()
    ...     done.set_result(bucket.buffer())
    ...     return done
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(1, 1))
    >>> model.register_comm_hook(None, hook)
    >>> model(torch.ones(2, 1)).sum().backward()
    tensor([2., 2.]) True
    >>> dist.destroy_process_group()
    """

    def __init__(self, bucket: Bucket, count: int) -> None:
        self._bucket, self._count = bucket, count
        self._buffer = bucket.flat

    def index(self) -> int:
        """Its number, in the order of reduction."""
        return self._bucket.index

    def buffer(self) -> torch.Tensor:
        """The flat tensor of the gradients."""
        return self._buffer

    def set_buffer(self, buffer: torch.Tensor) -> None:
        """Put another flat tensor in its place."""
        self._buffer = buffer

    def gradients(self) -> list[torch.Tensor]:
        """The gradients, each in its shape."""
        return list(self._bucket.views)

    def parameters(self) -> list[torch.Tensor]:
        """The parameters they belong to."""
        return list(self._bucket.params)

    def is_last(self) -> bool:
        """Whether this is the last bucket of the backward."""
        return self._bucket.index == self._count - 1
