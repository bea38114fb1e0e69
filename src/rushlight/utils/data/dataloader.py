"""The DataLoader: batches from a dataset, in this process or from workers."""

import multiprocessing
import os
import sys
from collections.abc import Callable, Iterable, Iterator
from itertools import cycle
from multiprocessing.context import BaseContext
from typing import Any, Generic, TypeVar
from warnings import warn
from weakref import finalize

from rushlight import _api as torch
from rushlight._core import gpu
from rushlight.utils.data._utils.collate import default_collate as default_collate
from rushlight.utils.data._utils.collate import default_convert as default_convert
from rushlight.utils.data._utils.exception import ExceptionWrapper
from rushlight.utils.data._utils.fetch import fetcher
from rushlight.utils.data._utils.pin_memory import pin_memory
from rushlight.utils.data._utils.pool import Worker, hear_one_of, shut_down, start
from rushlight.utils.data._utils.worker import Job, Resume, StreamEnded
from rushlight.utils.data._utils.worker import get_worker_info as get_worker_info
from rushlight.utils.data.dataset import Dataset, IterableDataset
from rushlight.utils.data.sampler import BatchSampler, RandomSampler, Sampler, SequentialSampler

__all__ = ["DataLoader", "default_collate", "default_convert", "get_worker_info"]

T_co = TypeVar("T_co", covariant=True)

_FIXED = ("batch_size", "batch_sampler", "sampler", "drop_last", "dataset", "persistent_workers")


class _DatasetKind:
    Map = 0
    Iterable = 1


class _InfiniteConstantSampler(Sampler):
    """What stands for indices where the dataset is a stream."""

    def __iter__(self) -> Iterator[None]:
        while True:
            yield None


class DataLoader(Generic[T_co]):
    """DataLoader(dataset, batch_size=1, shuffle=None, sampler=None, batch_sampler=None,
        num_workers=0, collate_fn=None, pin_memory=False, drop_last=False, timeout=0,
        worker_init_fn=None, multiprocessing_context=None, generator=None, *, prefetch_factor=None,
        persistent_workers=False, pin_memory_device="", in_order=True)

    Iterates over ``dataset`` in batches: in order, shuffled, or as ``sampler`` (indices) or
    ``batch_sampler`` (lists of indices) says.

    ``batch_size=None`` yields single samples. ``collate_fn`` makes a batch of a list of samples
    (default: stack them). ``num_workers`` processes fetch ahead, ``prefetch_factor`` (2) batches
    each; ``timeout`` is the longest wait for one, in seconds; ``worker_init_fn(id)`` runs first in
    each; ``persistent_workers`` keeps them from one epoch to the next; without ``in_order`` a batch
    is yielded as soon as it is there. ``generator`` draws the order and the workers' seeds, which
    are PyTorch's.

    >>> data = torch.utils.data.TensorDataset(torch.arange(5), torch.arange(5) * 10)
    >>> for x, y in torch.utils.data.DataLoader(data, batch_size=2):
    ...     print(x, y)
    tensor([0, 1]) tensor([ 0, 10])
    tensor([2, 3]) tensor([20, 30])
    tensor([4]) tensor([40])
    """

    dataset: Dataset[T_co]
    batch_size: int | None
    num_workers: int
    pin_memory: bool
    drop_last: bool
    timeout: float
    sampler: Sampler | Iterable
    pin_memory_device: str
    prefetch_factor: int | None
    _iterator: Any  # a _BaseDataLoaderIter, or None before the first
    __initialized = False

    def __init__(
        self,
        dataset: Dataset[T_co],
        batch_size: int | None = 1,
        shuffle: bool | None = None,
        sampler: Sampler | Iterable | None = None,
        batch_sampler: Sampler[list] | Iterable[list] | None = None,
        num_workers: int = 0,
        collate_fn: Callable[[list], Any] | None = None,
        pin_memory: bool = False,
        drop_last: bool = False,
        timeout: float = 0,
        worker_init_fn: Callable[[int], None] | None = None,
        multiprocessing_context: BaseContext | str | None = None,
        generator: torch.Generator | None = None,
        *,
        prefetch_factor: int | None = None,
        persistent_workers: bool = False,
        pin_memory_device: str = "",
        in_order: bool = True,
    ) -> None:
        prefetch_factor = _check_workers(num_workers, timeout, prefetch_factor, persistent_workers)
        self.dataset = dataset
        self.num_workers = num_workers
        self.prefetch_factor = prefetch_factor
        self.pin_memory = pin_memory
        self.pin_memory_device = pin_memory_device
        self.timeout = timeout
        self.worker_init_fn = worker_init_fn
        self.multiprocessing_context = multiprocessing_context
        self.in_order = in_order
        self._dataset_kind = _DatasetKind.Map
        if isinstance(dataset, IterableDataset):
            self._dataset_kind = _DatasetKind.Iterable
            _check_stream(shuffle, sampler, batch_sampler)
        _check_order(batch_size, shuffle, sampler, batch_sampler, drop_last)
        if batch_sampler is not None:
            batch_size, drop_last = None, False
        if sampler is None:
            sampler = self._default_sampler(dataset, shuffle, generator)
        if batch_size is not None and batch_sampler is None:
            batch_sampler = BatchSampler(sampler, batch_size, drop_last)
        self.batch_size = batch_size
        self.drop_last = drop_last
        self.sampler = sampler
        self.batch_sampler = batch_sampler
        self.generator = generator
        if collate_fn is None:
            collate_fn = default_collate if self._auto_collation else default_convert
        self.collate_fn = collate_fn
        self.persistent_workers = persistent_workers
        self.__initialized = True
        self._IterableDataset_len_called: int | None = None
        self._iterator = None
        self.check_worker_number_rationality()

    def _default_sampler(
        self, dataset: Dataset, shuffle: bool | None, generator: torch.Generator | None
    ) -> Sampler:
        if self._dataset_kind == _DatasetKind.Iterable:
            return _InfiniteConstantSampler()
        return (
            RandomSampler(dataset, generator=generator) if shuffle else SequentialSampler(dataset)
        )

    @property
    def multiprocessing_context(self) -> BaseContext | None:
        """How workers are started; None: by fork on Linux, or as
        ``multiprocessing.set_start_method`` said.
        """
        return self.__multiprocessing_context

    @multiprocessing_context.setter
    def multiprocessing_context(self, context: BaseContext | str | None) -> None:
        if context is not None:
            context = _checked_context(context, self.num_workers)
        self.__multiprocessing_context = context

    def __setattr__(self, attr: str, val: Any) -> None:
        if self.__initialized and attr in _FIXED:
            raise ValueError(
                f"{attr} attribute should not be set after {type(self).__name__} is initialized"
            )
        super().__setattr__(attr, val)

    def __iter__(self) -> "_BaseDataLoaderIter":
        if not (self.persistent_workers and self.num_workers > 0):
            return self._get_iterator()
        if self._iterator is None or not self._iterator._workers:  # none yet, or they have died
            self._iterator = self._get_iterator()
        else:
            self._iterator._reset(self)
        return self._iterator

    def _get_iterator(self) -> "_BaseDataLoaderIter":
        if self.num_workers == 0:
            return _SingleProcessDataLoaderIter(self)
        self.check_worker_number_rationality()
        return _MultiProcessingDataLoaderIter(self)

    @property
    def _auto_collation(self) -> bool:
        return self.batch_sampler is not None

    @property
    def _index_sampler(self) -> Any:
        found: Any = self.batch_sampler if self._auto_collation else self.sampler
        return found

    def __len__(self) -> int:
        if self._dataset_kind == _DatasetKind.Map:
            return len(self._index_sampler)
        length = self._IterableDataset_len_called = len(self.dataset)
        if self.batch_size is None:
            return length
        whole, rest = divmod(length, self.batch_size)
        return whole + (rest > 0 and not self.drop_last)

    def check_worker_number_rationality(self) -> None:
        """check_worker_number_rationality(): warn if there are more workers than processors."""
        known = hasattr(os, "sched_getaffinity")
        count = len(os.sched_getaffinity(0)) if known else os.cpu_count()
        if not self.num_workers or (count is not None and self.num_workers <= count):
            return
        suggestion = (
            "DataLoader is not able to compute a suggested max number of worker in current system."
        )
        if count is not None:
            suggestion = (
                "Our suggested max number of worker in current system is "
                f"{count}{'' if known else ' (`cpuset` is not taken into account)'}, which is "
                "smaller than what this DataLoader is going to create."
            )
        warn(
            f"This DataLoader will create {self.num_workers} worker processes in total. "
            f"{suggestion} Please be aware that excessive worker creation might get DataLoader "
            "running slow or even freeze, lower the worker number to avoid potential "
            "slowness/freeze if necessary.",
            stacklevel=3,
        )


# ---- what the constructor checks -----------------------------------------------------------------


def _check_workers(
    num_workers: int, timeout: float, prefetch_factor: int | None, persistent_workers: bool
) -> int | None:
    """The prefetch factor, which is 2 unless it is given."""
    if num_workers < 0:
        raise ValueError(
            "num_workers option should be non-negative; use num_workers=0 to disable "
            "multiprocessing."
        )
    if timeout < 0:
        raise ValueError("timeout option should be non-negative")
    if num_workers == 0 and prefetch_factor is not None:
        raise ValueError(
            "prefetch_factor option could only be specified in multiprocessing.let num_workers > "
            "0 to enable multiprocessing, otherwise set prefetch_factor to None."
        )
    if prefetch_factor is not None and prefetch_factor < 0:
        raise ValueError("prefetch_factor option should be non-negative")
    if persistent_workers and num_workers == 0:
        raise ValueError("persistent_workers option needs num_workers > 0")
    return 2 if num_workers > 0 and prefetch_factor is None else prefetch_factor


def _check_stream(shuffle: Any, sampler: Any, batch_sampler: Any) -> None:
    given = {"shuffle": shuffle or None, "sampler": sampler, "batch_sampler": batch_sampler}
    for name, value in given.items():
        if value is not None:
            raise ValueError(
                f"DataLoader with IterableDataset: expected unspecified {name} option, but got "
                f"{name}={value}"
            )


def _check_order(
    batch_size: int | None, shuffle: Any, sampler: Any, batch_sampler: Any, drop_last: bool
) -> None:
    if sampler is not None and shuffle:
        raise ValueError("sampler option is mutually exclusive with shuffle")
    if batch_sampler is not None:
        if batch_size != 1 or shuffle or sampler is not None or drop_last:
            raise ValueError(
                "batch_sampler option is mutually exclusive with batch_size, shuffle, sampler, "
                "and drop_last"
            )
    elif batch_size is None and drop_last:
        raise ValueError(
            "batch_size=None option disables auto-batching and is mutually exclusive with drop_last"
        )


def _checked_context(context: BaseContext | str, num_workers: int) -> BaseContext:
    if num_workers <= 0:
        raise ValueError(
            "multiprocessing_context can only be used with multi-process loading (num_workers > "
            f"0), but got num_workers={num_workers}"
        )
    if isinstance(context, str):
        methods = multiprocessing.get_all_start_methods()
        if context not in methods:
            raise ValueError(
                "multiprocessing_context option should specify a valid start method in "
                f"{methods!r}, but got multiprocessing_context={context!r}"
            )
        context = multiprocessing.get_context(context)
    if not isinstance(context, BaseContext):
        raise TypeError(
            "multiprocessing_context option should be a valid context object or a string "
            f"specifying the start method, but got multiprocessing_context={context}"
        )
    return context


def _default_context() -> BaseContext:
    method = multiprocessing.get_start_method(allow_none=True)
    return multiprocessing.get_context(method or ("fork" if sys.platform == "linux" else None))


# ---- iterators -----------------------------------------------------------------------------------


class _BaseDataLoaderIter:
    """One epoch. Drawing the seed of the workers is part of the order of random numbers, workers or
    not.
    """

    def __init__(self, loader: DataLoader) -> None:
        self._dataset = loader.dataset
        self._dataset_kind = loader._dataset_kind
        self._IterableDataset_len_called = loader._IterableDataset_len_called
        self._index_sampler = loader._index_sampler
        self._num_workers = loader.num_workers
        self._pin_memory = loader.pin_memory and gpu.is_available()
        if loader.pin_memory:
            _warn_of_pinning(loader.pin_memory_device, self._pin_memory)
        self._sampler_iter = iter(self._index_sampler)
        seed = torch.empty((), dtype=torch.int64).random_(generator=loader.generator)
        self._base_seed = seed.item()
        self._num_yielded = 0

    def __iter__(self) -> "_BaseDataLoaderIter":
        return self

    def __len__(self) -> int:
        return len(self._index_sampler)

    def __getstate__(self) -> Any:
        raise NotImplementedError("{} cannot be pickled", type(self).__name__)

    def _reset(self, loader: DataLoader) -> None:
        self._sampler_iter = iter(self._index_sampler)
        self._num_yielded = 0
        self._IterableDataset_len_called = loader._IterableDataset_len_called

    def _next_data(self) -> Any:
        raise NotImplementedError

    def __next__(self) -> Any:
        data = self._next_data()
        self._num_yielded += 1
        if self._pin_memory:
            data = pin_memory(data)
        if self._dataset_kind == _DatasetKind.Iterable:
            self._warn_of_length()
        return data

    def _warn_of_length(self) -> None:
        expected = self._IterableDataset_len_called
        if expected is None or self._num_yielded <= expected:
            return
        text = (
            f"Length of IterableDataset {self._dataset} was reported to be {expected}(when "
            f"accessing len(dataloader)), but {self._num_yielded} samples have been fetched. "
        )
        if self._num_workers > 0:
            text += (
                "For multiprocessing data-loading, this could be caused by not properly "
                "configuring the IterableDataset replica at each worker. Please see "
                "https://pytorch.org/docs/stable/data.html#torch.utils.data.IterableDataset for "
                "examples."
            )
        warn(text, stacklevel=3)


def _warn_of_pinning(device: str, pinned: bool) -> None:
    if device:
        warn(
            "pin_memory_device is deprecated, the current accelerator will be used as the "
            f"device,ignore pin_memory_device='{device}'.",
            stacklevel=5,
        )
    if pinned:
        return
    warn(
        "'pin_memory' argument is set as true but no accelerator is found, then device pinned "
        "memory won't be used.",
        stacklevel=5,
    )


class _SingleProcessDataLoaderIter(_BaseDataLoaderIter):
    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        if loader.timeout != 0:
            raise AssertionError("_SingleProcessDataLoaderIter requires timeout == 0")
        self._fetch = fetcher(
            loader.dataset, loader._auto_collation, loader.collate_fn, loader.drop_last
        )

    def _next_data(self) -> Any:
        return self._fetch(next(self._sampler_iter))


class _MultiProcessingDataLoaderIter(_BaseDataLoaderIter):
    """Batches are numbered as they are asked for, from one worker after the other, and yielded by
    number.
    """

    def __init__(self, loader: DataLoader) -> None:
        super().__init__(loader)
        ahead: Any = loader.prefetch_factor  # there are workers, so it is a number
        if ahead <= 0:
            raise AssertionError(
                "prefetch_factor must be greater than 0 for MultiProcessingDataLoaderIter"
            )
        self._max_tasks = ahead * loader.num_workers
        self._in_order = loader.in_order
        self._timeout = loader.timeout
        self._persistent_workers = loader.persistent_workers
        jobs = [
            Job(
                worker_id=i,
                num_workers=loader.num_workers,
                dataset=loader.dataset,
                batched=loader._auto_collation,
                collate_fn=loader.collate_fn,
                drop_last=loader.drop_last,
                base_seed=self._base_seed,
                init_fn=loader.worker_init_fn,
            )
            for i in range(loader.num_workers)
        ]
        self._workers: list[Worker] = start(
            loader.multiprocessing_context or _default_context(), jobs
        )
        # When the interpreter exits, multiprocessing ends what is left: these are daemons.
        self._shutdown_workers = finalize(self, shut_down, self._workers, os.getpid())
        self._shutdown_workers.atexit = False
        self._begin()

    def _begin(self) -> None:
        self._send_idx = 0  # the number of the next batch to be asked for
        self._rcvd_idx = 0  # the number of the next batch to be yielded
        self._asked: dict[int, Worker] = {}
        self._turns = cycle(self._workers)
        for _ in range(self._max_tasks):
            self._ask()

    def _reset(self, loader: DataLoader) -> None:
        super()._reset(loader)
        for worker in self._workers:
            worker.tasks = 0
            worker.waiting.clear()
            worker.post(Resume())
        for worker in self._workers:
            while not isinstance(self._hear([worker])[1][0], Resume):
                pass  # left over from an epoch that was not run to its end
            worker.active = True
            worker.unanswered.clear()
        self._begin()

    def _hear(self, workers: list[Worker]) -> tuple[Worker, Any]:
        """The next answer of one of `workers`. An error, of a worker or of the user who is tired of
        waiting, ends them all.
        """
        watched = [w for w in self._workers if w.active or self._persistent_workers]
        try:
            return hear_one_of(workers, watched, self._timeout)
        except BaseException:
            shut_down(self._workers, os.getpid(), patience=0.1)
            raise

    def _ask(self) -> None:
        """Ask the next worker for the next batch, if there is one."""
        try:
            index = next(self._sampler_iter)
        except StopIteration:
            return
        worker = self._next_worker()
        if worker is None:
            return
        worker.post((self._send_idx, index))
        worker.tasks += 1
        self._asked[self._send_idx] = worker
        self._send_idx += 1

    def _next_worker(self) -> Worker | None:
        active = sum(w.active for w in self._workers)
        for _ in range(len(self._workers)):
            worker = next(self._turns)
            if worker.active and (self._in_order or worker.tasks < self._max_tasks // active):
                return worker
        return None

    def _next_data(self) -> Any:
        while True:
            expected = self._expected()
            if expected is None:
                if not self._persistent_workers:
                    self._shutdown_workers()
                raise StopIteration
            waiting = [expected] if self._in_order else self._busy()
            worker, (number, data) = self._hear(waiting)
            del self._asked[number]
            worker.tasks -= 1
            if isinstance(data, StreamEnded):
                worker.retire()
                if not self._persistent_workers:
                    worker.stop()
                self._ask()
                continue
            self._ask()
            if isinstance(data, ExceptionWrapper):
                data.reraise()
            return data

    def _expected(self) -> Worker | None:
        """Who has the next batch in order; None when all is done. What was asked of a worker whose
        stream ended is dropped.
        """
        while self._rcvd_idx < self._send_idx:
            worker = self._asked.get(self._rcvd_idx)
            if worker is not None and worker.active:
                return worker
            self._asked.pop(self._rcvd_idx, None)
            self._rcvd_idx += 1
        return None

    def _busy(self) -> list[Worker]:
        return [w for w in self._workers if w.active and w.tasks]
