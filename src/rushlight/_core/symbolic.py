"""The types of sizes that are not known while PyTorch traces. Nothing here is one."""


class _Symbol:
    def __init__(self, *args: object) -> None:
        raise NotImplementedError(
            f"torch.{type(self).__name__} is a number of the compiler, which rushlight has not"
        )


class SymInt(_Symbol):
    """An integer that is not known yet; sizes are plain integers here.

    >>> isinstance(torch.ones(2).shape[0], torch.SymInt)
    False
    """


class SymFloat(_Symbol):
    """A number that is not known yet; numbers are plain here.

    >>> isinstance(1.0, torch.SymFloat)
    False
    """


class SymBool(_Symbol):
    """A truth that is not known yet; conditions are plain here.

    >>> isinstance(True, torch.SymBool)
    False
    """
