"""A worker process: it fetches what it is told to."""

import os
import random
from collections.abc import Callable
from dataclasses import dataclass
from multiprocessing import parent_process
from multiprocessing.connection import wait
from threading import Thread
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight.utils.data._utils.channel import Channel, outbox
from rushlight.utils.data._utils.exception import ExceptionWrapper
from rushlight.utils.data._utils.fetch import Fetch, fetcher
from rushlight.utils.data._utils.segments import Outbox
from rushlight.utils.data.dataset import Dataset, IterableDataset

CHECK_INTERVAL = 2.0  # seconds after which a worker makes sure that its parent lives


@dataclass(frozen=True, slots=True)
class _RNG:
    random_generator: random.Random
    torch_generator: torch.Generator
    numpy_generator: object | None = None


@dataclass(frozen=True, slots=True)
class WorkerInfo:
    """WorkerInfo: ``id``, ``num_workers``, ``seed`` and ``dataset`` (this worker's copy) of a
    worker process.
    """

    id: int
    num_workers: int
    seed: int
    dataset: Dataset
    rng: _RNG | None = None
    worker_method: str | None = "multiprocessing"


_worker_info: WorkerInfo | None = None


def get_worker_info() -> WorkerInfo | None:
    """get_worker_info() -> WorkerInfo or None

    Who this worker process is; None in the main process.

    >>> print(torch.utils.data.get_worker_info())
    None
    """
    return _worker_info


@dataclass(frozen=True)
class StreamEnded:
    """Sent in place of a batch: the worker's IterableDataset has no more."""

    worker_id: int


@dataclass(frozen=True)
class Resume:
    """Begin the dataset anew (persistent workers); sent back as an answer."""


@dataclass
class Job:
    """What a worker is given when it starts."""

    worker_id: int
    num_workers: int
    dataset: Dataset
    batched: bool
    collate_fn: Callable
    drop_last: bool
    base_seed: int
    init_fn: Callable[[int], None] | None

    def fetcher(self) -> Fetch:
        return fetcher(self.dataset, self.batched, self.collate_fn, self.drop_last)


def run(job: Job, connection: Any, inherited: list) -> None:
    """The worker's life. `inherited`: the loader's ends of connections that a fork left open."""
    global _worker_info
    for other in inherited:
        other.close()
    channel = Channel(connection)
    outbox[0] = Outbox()
    Thread(target=_die_with_parent, daemon=True).start()
    try:
        _worker_info = WorkerInfo(
            job.worker_id, job.num_workers, job.base_seed + job.worker_id, job.dataset
        )
        torch.set_num_threads(1)
        seed_everything(job)
        fetch, failure = _prepare(job)
        _serve(job, channel, fetch, failure)
    except (KeyboardInterrupt, BrokenPipeError, ConnectionResetError, EOFError):
        pass  # the loader is gone, or going
    finally:
        channel.close()


def seed_everything(job: Job) -> None:
    """Every worker its own random numbers, the same ones as PyTorch's workers."""
    seed = job.base_seed + job.worker_id
    random.seed(seed)
    torch.manual_seed(seed)
    words = [job.worker_id, job.base_seed & 0xFFFFFFFF, job.base_seed >> 32, 0]
    np.random.seed(np.random.SeedSequence(words).generate_state(4))  # noqa: NPY002


def _prepare(job: Job) -> tuple[Fetch | None, ExceptionWrapper | None]:
    if job.init_fn is not None:
        try:
            job.init_fn(job.worker_id)
        except Exception:
            return None, _caught(job)
    return _opened(job)


def _opened(job: Job) -> tuple[Fetch | None, ExceptionWrapper | None]:
    try:
        return job.fetcher(), None
    except Exception:
        return _nothing, _caught(job)


def _nothing(index: Any) -> Any:
    """What fetches from a dataset that could not be opened: its failure is sent instead."""


def _caught(job: Job) -> ExceptionWrapper:
    return ExceptionWrapper(where=f"in DataLoader worker process {job.worker_id}")


def _serve(job: Job, channel: Channel, fetch: Any, failure: Any) -> None:
    ended = False
    while (message := channel.asked()) is not None:
        if isinstance(message, Resume):
            ended = False
            channel.send((message, None))
            if (
                failure is None or fetch is not None
            ):  # else its init function failed, once and for all
                fetch, failure = _opened(job)
            continue
        if ended:
            continue
        number, index = message
        data = _fetched(job, fetch, index) if failure is None else failure
        ended = isinstance(data, StreamEnded)
        try:
            channel.send((number, data))
        except (BrokenPipeError, ConnectionResetError):
            raise
        except Exception:  # it cannot be pickled
            channel.send((number, _caught(job)))
        data = None  # its memory can be used again as soon as it comes back


def _fetched(job: Job, fetch: Fetch, index: Any) -> Any:
    try:
        return fetch(index)
    except StopIteration:
        if isinstance(job.dataset, IterableDataset):
            return StreamEnded(job.worker_id)
        return _caught(job)
    except Exception:
        return _caught(job)


def _die_with_parent() -> None:
    """End this process when the loader's is gone, whatever is under way here."""
    parent, pid = parent_process(), os.getppid()
    watched = [] if parent is None else [parent.sentinel]
    while not wait(watched, CHECK_INTERVAL):
        if os.getppid() != pid:
            break
    os._exit(1)
