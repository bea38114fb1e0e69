"""torch.distributed.elastic.multiprocessing.errors."""

import functools
from collections.abc import Callable
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")


def record(fn: Callable[P, R], error_handler: None = None) -> Callable[P, R]:
    """record(fn, error_handler=None): mark the main function of a program.

    Nothing more is needed here: an error that nobody catches is reported to the other processes and
    to the agent anyway.

    >>> from rushlight.distributed.elastic.multiprocessing.errors import record
    >>> @record
    ... def main():
    ...     return 3
    >>> main()
    3
    """

    if error_handler is not None:
        raise NotImplementedError("error_handler is not supported: catch errors in the function")

    @functools.wraps(fn)
    def main(*args: P.args, **kwargs: P.kwargs) -> R:
        return fn(*args, **kwargs)

    return main
