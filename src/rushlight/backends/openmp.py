"""torch.backends.openmp: not used."""


def is_available() -> bool:
    """is_available() -> bool: False.

    >>> torch.backends.openmp.is_available()
    False
    """
    return False
