"""The version that ``torch.__version__`` shows under the import hook, and its type."""

import math
import re
from typing import Any

_PATTERN = re.compile(
    r"v?(?P<release>\d+(?:\.\d+)*)"
    r"(?:[-_.]?(?P<stage>alpha|beta|preview|pre|rc|a|b|c)[-_.]?(?P<pre>\d*))?"
    r"(?:[-_.]?(?:post|rev|r)[-_.]?(?P<post>\d*))?"
    r"(?:[-_.]?(?P<dev>dev)[-_.]?(?P<dev_number>\d*))?"
    r"(?:\+(?P<local>[a-z0-9]+(?:[-_.][a-z0-9]+)*))?"
)
_STAGES = {"alpha": 0, "a": 0, "beta": 1, "b": 1, "c": 2, "rc": 2, "pre": 2, "preview": 2}


def _local_key(local: str | None) -> tuple:
    """Numbers come after words, and any local part after none."""
    if local is None:
        return ()
    parts = re.split("[-_.]", local)
    return tuple((1, int(part), "") if part.isdigit() else (0, 0, part) for part in parts)


def _key(version: str) -> tuple | None:
    """What to order versions by (the rules of PEP 440), or None if it is not a version."""
    match = _PATTERN.fullmatch(version.strip().lower())
    if match is None:
        return None
    release = [int(part) for part in match["release"].split(".")]
    while release and release[-1] == 0:
        release.pop()
    post = -1 if match["post"] is None else int(match["post"] or 0)
    dev = int(match["dev_number"] or 0) if match["dev"] else math.inf
    if match["stage"]:
        stage = (_STAGES[match["stage"]], int(match["pre"] or 0))
    else:  # a bare development release comes before every alpha
        stage = (-1, 0) if match["dev"] and post < 0 else (3, 0)
    return tuple(release), stage, post, dev, _local_key(match["local"])


class TorchVersion(str):
    """A version string that compares as a version: with strings, and with tuples of numbers.

    >>> from rushlight._compat.torch_version import TorchVersion
    >>> TorchVersion("2.13.0") > "2.9", TorchVersion("2.13.0") >= (2, 13)
    (True, True)
    """

    __hash__ = str.__hash__

    def _compare(self, other: Any, name: str) -> bool:
        if not isinstance(other, str):
            other = ".".join(str(part) for part in other)
        mine, theirs = _key(self), _key(other)
        if mine is None or theirs is None:  # not versions: compare as the strings they are
            return getattr(str, name)(self, other)
        return getattr(mine, name)(theirs)

    def __eq__(self, other: object) -> bool:
        return self._compare(other, "__eq__")

    def __ne__(self, other: object) -> bool:
        return self._compare(other, "__ne__")

    def __lt__(self, other: Any) -> bool:
        return self._compare(other, "__lt__")

    def __le__(self, other: Any) -> bool:
        return self._compare(other, "__le__")

    def __gt__(self, other: Any) -> bool:
        return self._compare(other, "__gt__")

    def __ge__(self, other: Any) -> bool:
        return self._compare(other, "__ge__")


TORCH_VERSION = TorchVersion("2.13.0+rushlight")
