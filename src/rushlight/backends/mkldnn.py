"""torch.backends.mkldnn: not used; flags are kept and have no effect."""

import contextlib
from collections.abc import Iterator

enabled = True
deterministic = False
allow_tf32 = True


def is_available() -> bool:
    """is_available() -> bool: False, the kernels are our own.

    >>> torch.backends.mkldnn.is_available()
    False
    """
    return False


def is_acl_available() -> bool:
    """is_acl_available() -> bool: False.

    >>> torch.backends.mkldnn.is_acl_available()
    False
    """
    return False


@contextlib.contextmanager
def flags(
    enabled: bool = False, deterministic: bool = False, allow_tf32: bool = True
) -> Iterator[None]:
    """flags(...): set the flags inside a ``with``.

    >>> with torch.backends.mkldnn.flags(enabled=False):
    ...     torch.backends.mkldnn.enabled
    False
    """
    new = {"enabled": enabled, "deterministic": deterministic, "allow_tf32": allow_tf32}
    old = {name: globals()[name] for name in new}
    globals().update(new)
    try:
        yield
    finally:
        globals().update(old)
