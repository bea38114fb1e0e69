"""torch.backends.mps: not there."""


def is_available() -> bool:
    """is_available() -> bool: False.

    >>> torch.backends.mps.is_available()
    False
    """
    return False


def is_built() -> bool:
    """is_built() -> bool: False.

    >>> torch.backends.mps.is_built()
    False
    """
    return False
