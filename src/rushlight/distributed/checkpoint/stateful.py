"""torch.distributed.checkpoint.stateful: objects that know how to be saved."""

from typing import Any, Protocol, runtime_checkable

__all__ = ["Stateful"]


@runtime_checkable
class Stateful(Protocol):
    """What has ``state_dict()`` and ``load_state_dict(state)``: ``save`` and ``load`` call them.

    >>> from rushlight.distributed.checkpoint.stateful import Stateful
    >>> isinstance(torch.nn.Linear(1, 1), Stateful), isinstance(1, Stateful)
    (True, False)
    """

    def state_dict(self) -> dict[str, Any]:
        """What to save."""
        ...

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """Take what was saved."""
        ...
