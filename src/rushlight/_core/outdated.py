"""Was the native extension built from the source beside it? Loaded when there is doubt."""

import hashlib
from pathlib import Path

from rushlight._core.extension import C

_SOURCE = Path(__file__).parents[3] / "csrc"  # in a checkout


def reason() -> str:
    """What to do about an extension that is out of date, to put behind a message; else nothing."""
    if C is None or not _SOURCE.is_dir() or vars(C).get("source_digest") == digest(_SOURCE):
        return ""
    return ": the native extension is older than the source, run tools/build_native.py"


def digest(folder: Path) -> str:
    """The digest of the C++ files in a folder, as CMakeLists.txt computes it."""
    files = sorted([*folder.glob("*.cpp"), *folder.glob("*.h")])
    lines = [f"{file.name} {hashlib.sha256(file.read_bytes()).hexdigest()}\n" for file in files]
    return hashlib.sha256("".join(lines).encode()).hexdigest()
