"""torch.distributed.checkpoint.api: the error of saving and loading."""

import traceback

__all__ = ["CheckpointException"]

Failure = tuple[Exception, traceback.StackSummary]


class CheckpointException(BaseException):
    """CheckpointException(msg, failures): saving or loading failed in some process.

    All processes raise it; ``failures`` has the exceptions and where they were raised, by rank.
    Like PyTorch's it is no ``Exception``: name it to catch it.

    >>> import tempfile
    >>> from rushlight.distributed import checkpoint
    >>> try:
    ...     checkpoint.load({"w": 1}, checkpoint_id=tempfile.mkdtemp())
    ... except checkpoint.CheckpointException as error:
    ...     list(error.failures)
    [0]
    """

    def __init__(self, msg: str, failures: dict[int, Failure]) -> None:
        super().__init__(msg, failures)
        self._failures = failures

    @property
    def failures(self) -> dict[int, Failure]:
        """The exception and the stack of each process that failed."""
        return self._failures

    def __str__(self) -> str:
        text = [f"CheckpointException ranks:{self._failures.keys()}\n"]
        for rank, (error, stack) in self._failures.items():
            text.append(f"Traceback (most recent call last): (RANK {rank})\n")
            text += stack.format() if stack is not None else ()
            text += traceback.format_exception_only(type(error), error)
        return "".join(text)
