"""torch.distributed.constants: how long things may take."""

from datetime import timedelta

__all__ = ["default_pg_timeout"]

default_pg_timeout = timedelta(seconds=1800)
