"""torch.distributed.checkpoint.staging: copies of a state that ``async_save`` writes later."""

from collections.abc import Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from copy import deepcopy
from dataclasses import dataclass
from typing import Any, Protocol, runtime_checkable

from rushlight import _api as torch

__all__ = ["AsyncStager", "BlockingAsyncStager", "DefaultStager", "StagingOptions"]

State = dict[str, Any]


@runtime_checkable
class AsyncStager(Protocol):
    """What makes the copy of a state that is then written while the program goes on.

    ``stage`` gives the copy, or a future of it; if ``should_synchronize_after_execute``,
    ``async_save`` calls ``synchronize_staging`` before it returns.

    >>> from rushlight.distributed.checkpoint.staging import AsyncStager, BlockingAsyncStager
    >>> isinstance(BlockingAsyncStager(), AsyncStager)
    True
    """

    _synchronize_after_execute: bool = True

    @property
    def should_synchronize_after_execute(self) -> bool:
        """Whether ``async_save`` waits for the copy."""
        return self._synchronize_after_execute

    def stage(self, state_dict: State) -> Future[State] | State:
        """A copy that later changes do not reach."""
        raise NotImplementedError(f"{type(self).__name__} must implement stage method")

    def synchronize_staging(self) -> None:
        """Wait for the copy."""

    def close(self) -> None:
        """No more copies will be made."""


def copied(value: Any) -> Any:
    """A copy on the CPU of nested containers with tensors; DTensors stay what they are."""
    if isinstance(value, torch.Tensor):
        copy = value.detach().clone()
        return copy if copy.device.type == "cpu" else copy.cpu()
    if isinstance(value, Mapping):
        return {k: copied(v) for k, v in value.items()}
    if type(value) in (list, tuple):
        return type(value)(copied(v) for v in value)
    return deepcopy(value)


class BlockingAsyncStager(AsyncStager):
    """BlockingAsyncStager(cache_staged_state_dict=False, type_check=False): copies at once. The
    memory of an earlier copy is not used again, ``cache_staged_state_dict`` or not.

    >>> from rushlight.distributed.checkpoint.staging import BlockingAsyncStager
    >>> x = torch.ones(2)
    >>> copy = BlockingAsyncStager().stage({"x": x}); x.zero_(); copy
    tensor([0., 0.])
    {'x': tensor([1., 1.])}
    """

    _synchronize_after_execute: bool = False

    def __init__(self, cache_staged_state_dict: bool = False, type_check: bool = False) -> None:
        self.cache_staged_state_dict, self.type_check = cache_staged_state_dict, type_check

    def stage(self, state_dict: State) -> State:
        """A copy."""
        copy: State = copied(state_dict)
        return copy

    def synchronize_staging(self) -> None:
        """Nothing: the copy is complete."""

    def close(self) -> None:
        """Nothing."""


@dataclass
class StagingOptions:
    """StagingOptions(use_pinned_memory=True, use_shared_memory=True, use_async_staging=True,
    use_non_blocking_copy=True): of a DefaultStager. On the CPU only ``use_async_staging`` matters.

    >>> from rushlight.distributed.checkpoint.staging import StagingOptions
    >>> StagingOptions().use_async_staging
    True
    """

    use_pinned_memory: bool = True
    use_shared_memory: bool = True
    use_async_staging: bool = True
    use_non_blocking_copy: bool = True


class DefaultStager(AsyncStager):
    """DefaultStager(config=StagingOptions()): copies in a thread, or at once without
    ``use_async_staging``. A program that makes one closes it at the end.

    AssertionError for ``use_non_blocking_copy`` where there is no GPU.

    >>> from rushlight.distributed.checkpoint.staging import DefaultStager, StagingOptions
    >>> stager = DefaultStager(StagingOptions(use_non_blocking_copy=False))
    >>> stager.stage({"x": torch.ones(2)}).result()
    {'x': tensor([1., 1.])}
    >>> stager.close()
    """

    def __init__(self, config: StagingOptions | None = None) -> None:
        self._config = StagingOptions() if config is None else config
        self._threads: ThreadPoolExecutor | None = None
        self._last: Future[State] | None = None
        if self._config.use_non_blocking_copy and not torch.accelerator.is_available():
            raise AssertionError(
                "Non-blocking copy requires that the current accelerator is available."
            )
        if self._config.use_async_staging:
            self._threads = ThreadPoolExecutor(max_workers=1)

    def stage(self, state_dict: State, **kwargs: Any) -> Future[State] | State:
        """A copy, or a future of it."""
        if self._threads is None:
            copy: State = copied(state_dict)
            return copy
        self._last = self._threads.submit(copied, state_dict)
        return self._last

    def synchronize_staging(self) -> None:
        """Wait for the last copy."""
        if self._last is not None:
            self._last.result()

    def close(self) -> None:
        """End the thread."""
        if self._threads is not None:
            self._threads.shutdown(wait=True)
