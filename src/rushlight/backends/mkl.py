"""torch.backends.mkl: not used."""


def is_available() -> bool:
    """is_available() -> bool: False.

    >>> torch.backends.mkl.is_available()
    False
    """
    return False
