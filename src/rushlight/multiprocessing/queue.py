"""Queues; the standard library's send tensors through shared memory as they are."""

import multiprocessing.queues


class Queue(multiprocessing.queues.Queue):
    """Queue(maxsize=0, *, ctx): ``multiprocessing.queues.Queue``.

    >>> context = torch.multiprocessing.get_context("fork")
    >>> queue = torch.multiprocessing.queue.Queue(ctx=context)
    >>> queue.put(torch.ones(2))
    >>> queue.get()
    tensor([1., 1.])
    >>> queue.close()
    """


class SimpleQueue(multiprocessing.queues.SimpleQueue):
    """SimpleQueue(*, ctx): ``multiprocessing.queues.SimpleQueue``.

    >>> context = torch.multiprocessing.get_context("fork")
    >>> queue = torch.multiprocessing.queue.SimpleQueue(ctx=context)
    >>> queue.put(torch.ones(2))
    >>> queue.get()
    tensor([1., 1.])
    """
