"""The exceptions of torch.distributed."""

__all__ = ["DistBackendError", "DistError", "DistNetworkError", "DistStoreError", "QueueEmptyError"]


class DistError(RuntimeError):
    """Something in torch.distributed failed."""


class DistBackendError(DistError):
    """A collective failed: a process of the group has died, or took longer than the timeout."""


class DistNetworkError(DistError):
    """A connection could not be made, or broke."""


class DistStoreError(DistError):
    """A store did not have what was waited for in time."""


class QueueEmptyError(DistStoreError):
    """``Store.queue_pop(key, block=False)`` found nothing."""
