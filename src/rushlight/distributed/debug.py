"""How much is checked: TORCH_DISTRIBUTED_DEBUG."""

import enum
import os

__all__ = ["DebugLevel", "get_debug_level", "set_debug_level", "set_debug_level_from_env"]


class DebugLevel(enum.Enum):
    """OFF, INFO, or DETAIL: compare what all processes are about to do before each collective.

    >>> torch.distributed.DebugLevel.DETAIL
    <DebugLevel.DETAIL: 2>
    """

    OFF = 0
    INFO = 1
    DETAIL = 2


_level = DebugLevel.OFF


def get_debug_level() -> DebugLevel:
    """The level that is set.

    >>> torch.distributed.get_debug_level()
    <DebugLevel.OFF: 0>
    """
    return _level


def set_debug_level(level: DebugLevel) -> None:
    """Set the level.

    >>> torch.distributed.set_debug_level(torch.distributed.DebugLevel.INFO)
    >>> torch.distributed.get_debug_level()
    <DebugLevel.INFO: 1>
    >>> torch.distributed.set_debug_level(torch.distributed.DebugLevel.OFF)
    """
    global _level
    _level = level


def set_debug_level_from_env() -> None:
    """Set the level that the variable TORCH_DISTRIBUTED_DEBUG names; RuntimeError if it names none.

    >>> torch.distributed.get_debug_level()
    <DebugLevel.OFF: 0>
    """
    name = os.environ.get("TORCH_DISTRIBUTED_DEBUG", "OFF").upper()
    if name not in DebugLevel.__members__:
        raise RuntimeError(
            "The value of TORCH_DISTRIBUTED_DEBUG must be one of OFF, INFO, or DETAIL."
        )
    set_debug_level(DebugLevel[name])


set_debug_level_from_env()
