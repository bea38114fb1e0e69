"""What users have allowed `load(weights_only=True)` to call, beyond the table of names."""

from collections.abc import Callable, Iterable

Allowed = Callable | tuple[Callable, str]
_allowed: set[Allowed] = set()


def add_safe_globals(safe_globals: list[Allowed]) -> None:
    """add_safe_globals(safe_globals)

    Allow these classes and functions in files loaded with ``weights_only=True``.

    An item is the object, known by its module and qualified name, or a pair of the object and the
    full name by which files call it.

    >>> import fractions, io
    >>> buffer = io.BytesIO()
    >>> torch.save(fractions.Fraction(1, 3), buffer)
    >>> _ = buffer.seek(0)
    >>> torch.serialization.add_safe_globals([fractions.Fraction])
    >>> torch.load(buffer)
    Fraction(1, 3)
    >>> torch.serialization.clear_safe_globals()
    """
    _allowed.update(safe_globals)


def get_safe_globals() -> list[Allowed]:
    """get_safe_globals() -> list

    What has been allowed by `add_safe_globals`.

    >>> with torch.serialization.safe_globals([complex]):
    ...     torch.serialization.get_safe_globals()
    [<class 'complex'>]
    """
    return list(_allowed)


def clear_safe_globals() -> None:
    """clear_safe_globals()

    Take back everything allowed by `add_safe_globals`.

    >>> torch.serialization.add_safe_globals([complex])
    >>> torch.serialization.clear_safe_globals()
    >>> torch.serialization.get_safe_globals()
    []
    """
    _allowed.clear()


class safe_globals:
    """safe_globals(safe_globals)

    Context manager: `add_safe_globals` for the length of a block.

    >>> import fractions, io
    >>> buffer = io.BytesIO()
    >>> torch.save(fractions.Fraction(1, 3), buffer)
    >>> _ = buffer.seek(0)
    >>> with torch.serialization.safe_globals([fractions.Fraction]):
    ...     torch.load(buffer)
    Fraction(1, 3)
    """

    def __init__(self, safe_globals: list[Allowed]) -> None:
        self.safe_globals = safe_globals

    def __enter__(self) -> None:
        add_safe_globals(self.safe_globals)

    def __exit__(self, *exc: object) -> None:
        _allowed.difference_update(self.safe_globals)


def by_full_name(names_of: Callable[[object], Iterable[str]]) -> dict[str, object]:
    """The allowed objects by the full names files may use; `names_of` gives those of an object."""
    found: dict[str, object] = {}
    for item in _allowed:
        if not isinstance(item, tuple):
            found.update(dict.fromkeys(names_of(item), item))
            continue
        if len(item) != 2:
            raise ValueError(
                "Expected tuple of length 2 (global, str of callable full path), but got tuple of "
                f"length: {len(item)}"
            )
        if type(item[1]) is not str:
            raise TypeError(
                "Expected second item in tuple to be str of callable full path, but got: "
                f"{type(item[1])}"
            )
        found[item[1]] = item[0]
    return found
