"""A pool of processes; the standard library's passes tensors in shared memory as it is."""

import multiprocessing.pool


class Pool(multiprocessing.pool.Pool):
    """Pool(processes=None, initializer=None, initargs=(), maxtasksperchild=None, context=None):
    ``multiprocessing.pool.Pool``.

    >>> context = torch.multiprocessing.get_context("fork")
    >>> with torch.multiprocessing.pool.Pool(1, context=context) as pool:
    ...     pool.map(len, [torch.ones(2), torch.ones(3)])
    [2, 3]
    """
