"""torch.distributed.constants: how long things may take."""

import os
from datetime import timedelta

__all__ = ["default_pg_timeout"]

default_pg_timeout = timedelta(seconds=1800)


def usual_timeout() -> timedelta:
    """What a group gets that says nothing: ``rushlight run --collective-timeout`` may set it."""
    seconds = os.environ.get("RUSHLIGHT_COLLECTIVE_TIMEOUT")
    return default_pg_timeout if seconds is None else timedelta(seconds=float(seconds))
