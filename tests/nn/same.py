"""Comparing what a program returns with PyTorch and with rushlight."""

import math


def difference(a, b, path="result"):
    """Where two results differ, or None; numbers may differ in the order of additions."""
    if isinstance(a, float) and isinstance(b, float):
        close = math.isclose(a, b, rel_tol=1e-4, abs_tol=1e-5) or (math.isnan(a) and math.isnan(b))
        return None if close else f"{path}: {a!r} != {b!r}"
    if isinstance(a, list | tuple) and isinstance(b, list | tuple) and len(a) == len(b):
        found = (
            difference(x, y, f"{path}[{i}]") for i, (x, y) in enumerate(zip(a, b, strict=True))
        )
        return next((d for d in found if d), None)
    return None if a == b else f"{path}: {a!r} != {b!r}"
