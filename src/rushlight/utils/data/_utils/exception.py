"""An exception's way from a worker to the loader."""

import sys
import traceback
from typing import Any, NoReturn


class _Verbatim(str):
    """A message that KeyError, which prints the repr of its argument, prints as it is."""

    __slots__ = ()

    def __repr__(self) -> str:
        return str(self)


class ExceptionWrapper:
    """The present exception as a type and a text: a traceback cannot be pickled."""

    def __init__(self, where: str) -> None:
        kind, error, trace = sys.exc_info()
        self.exc_type: Any = kind
        self.exc_msg = "".join(traceback.format_exception(kind, error, trace))
        self.where = where

    def reraise(self) -> NoReturn:
        """reraise(): raise an exception of the same type whose message holds the original
        traceback.
        """
        text = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            text = _Verbatim(text)
        elif getattr(self.exc_type, "message", None):
            raise self.exc_type(message=text)
        try:
            error = self.exc_type(text)
        except Exception:
            raise RuntimeError(text) from None  # it takes other arguments
        raise error
