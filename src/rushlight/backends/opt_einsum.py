"""torch.backends.opt_einsum: not used; einsum takes its operands from left to right."""

from typing import Any

enabled = False
strategy: str | None = None


def is_available() -> bool:
    """is_available() -> bool: False, einsum does not ask it for an order.

    >>> torch.backends.opt_einsum.is_available()
    False
    """
    return False


def get_opt_einsum() -> Any:
    """get_opt_einsum() -> None: the package is not used.

    >>> print(torch.backends.opt_einsum.get_opt_einsum())
    None
    """
