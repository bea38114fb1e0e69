"""The exceptions of torch.distributed."""

__all__ = ["DistBackendError", "DistError", "DistNetworkError", "DistStoreError", "QueueEmptyError"]


class DistError(RuntimeError):
    """Something in torch.distributed failed.

    >>> issubclass(torch.distributed.DistError, RuntimeError)
    True
    """


class DistBackendError(DistError):
    """A collective failed: a process of the group has died, or took longer than the timeout.

    >>> issubclass(torch.distributed.DistBackendError, torch.distributed.DistError)
    True
    """


class DistNetworkError(DistError):
    """A connection could not be made, or broke.

    >>> issubclass(torch.distributed.DistNetworkError, torch.distributed.DistError)
    True
    """


class DistStoreError(DistError):
    """A store did not have what was waited for in time.

    >>> issubclass(torch.distributed.DistStoreError, torch.distributed.DistError)
    True
    """


class QueueEmptyError(DistStoreError):
    """``Store.queue_pop(key, block=False)`` found nothing.

    >>> torch.distributed.HashStore().queue_pop('jobs', block=False)
    Traceback (most recent call last):
        ...
    QueueEmptyError: queue is empty
    """
