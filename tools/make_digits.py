"""Make src/rushlight/vision/data/digits.bin from scikit-learn's copy of UCI's handwritten digits.

    pip install scikit-learn
    python tools/make_digits.py

The format is described in src/rushlight/vision/data/README.md.
"""

import struct
import zlib
from pathlib import Path

import numpy as np
from sklearn.datasets import load_digits

TARGET = Path(__file__).parent.parent / "src/rushlight/vision/data/digits.bin"


def main() -> None:
    """Write the file and say how large it became."""
    digits = load_digits()
    pixels = digits.images.astype(np.uint8)
    labels = digits.target.astype(np.uint8)
    if not np.array_equal(pixels, digits.images) or not np.array_equal(labels, digits.target):
        raise SystemExit("the source holds values that are not small integers")
    count, height, width = pixels.shape
    header = struct.pack("<4sBBBBI", b"RLDG", 1, height, width, int(pixels.max()), count)
    TARGET.write_bytes(header + zlib.compress(pixels.tobytes() + labels.tobytes(), 9))
    print(f"{TARGET}: {count} digits of {height}x{width}, {TARGET.stat().st_size} bytes")


if __name__ == "__main__":
    main()
