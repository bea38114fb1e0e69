"""torch.multiprocessing: the standard library's ``multiprocessing``, through which tensors travel
in shared memory.

A tensor that is put in a queue, sent over a pipe or given to a process moves to shared memory (see
:meth:`Tensor.share_memory_`); what is sent is a handle, and what one process writes the others see.
Gradients do not travel: every process has its own.

>>> queue = torch.multiprocessing.get_context("fork").SimpleQueue()
>>> x = torch.zeros(3)
>>> queue.put(x)
>>> y = queue.get()
>>> _ = y.fill_(1)
>>> x, x.is_shared()
(tensor([1., 1., 1.]), True)
"""

import multiprocessing
from collections.abc import Callable
from multiprocessing import *  # noqa: F403
from multiprocessing import active_children as active_children
from multiprocessing import get_context as get_context

import numpy as np

from rushlight._core import shared
from rushlight.multiprocessing import _named
from rushlight.multiprocessing._process import _get_thread_name as _get_thread_name
from rushlight.multiprocessing._process import _prctl_pr_set_pdeathsig as _prctl_pr_set_pdeathsig
from rushlight.multiprocessing._process import _set_thread_name as _set_thread_name
from rushlight.multiprocessing.reductions import init_reductions as init_reductions
from rushlight.multiprocessing.spawn import ENV_VAR_PARALLEL_START as ENV_VAR_PARALLEL_START
from rushlight.multiprocessing.spawn import ProcessContext as ProcessContext
from rushlight.multiprocessing.spawn import ProcessException as ProcessException
from rushlight.multiprocessing.spawn import ProcessExitedException as ProcessExitedException
from rushlight.multiprocessing.spawn import ProcessRaisedException as ProcessRaisedException
from rushlight.multiprocessing.spawn import SpawnContext as SpawnContext
from rushlight.multiprocessing.spawn import spawn as spawn
from rushlight.multiprocessing.spawn import start_processes as start_processes

__all__ = ["get_all_sharing_strategies", "get_sharing_strategy", "set_sharing_strategy"]
__all__ += multiprocessing.__all__

_ALLOCATORS: dict[str, Callable[[int], np.ndarray]] = {
    "file_descriptor": shared.anonymous,
    "file_system": _named.named,
}


def set_sharing_strategy(new_strategy: str) -> None:
    """set_sharing_strategy(new_strategy)

    How memory that comes to be shared from now on is known to other processes.

    ``"file_descriptor"``: by a descriptor, which every process that has the memory keeps open; it
    has no name, so nothing of it can be left behind. ``"file_system"``: by a file name, for
    programs that share more tensors than they may open files; a small process of ours removes what
    is left of the names when this one has died. AssertionError for any other name.

    >>> torch.multiprocessing.set_sharing_strategy("file_descriptor")
    """
    if new_strategy not in _ALLOCATORS:
        raise AssertionError(
            f"invalid sharing strategy {new_strategy!r}, expected one of "
            f"{get_all_sharing_strategies()}"
        )
    shared.allocator[0] = _ALLOCATORS[new_strategy]


def get_sharing_strategy() -> str:
    """get_sharing_strategy() -> str

    The strategy that :func:`set_sharing_strategy` chose.

    >>> torch.multiprocessing.get_sharing_strategy()
    'file_descriptor'
    """
    return next(name for name, made in _ALLOCATORS.items() if made is shared.allocator[0])


def get_all_sharing_strategies() -> set[str]:
    """get_all_sharing_strategies() -> set of str

    The strategies there are.

    >>> sorted(torch.multiprocessing.get_all_sharing_strategies())
    ['file_descriptor', 'file_system']
    """
    return set(_ALLOCATORS)


init_reductions()
