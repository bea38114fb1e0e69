"""Record what PyTorch prints for the programs in tests/programs.

    python tools/record_programs.py [name ...]

Needs PyTorch. Writes NAME.txt beside each NAME.py; a program that fails is named and not recorded.
"""

import json
import subprocess
import sys
from pathlib import Path

PROGRAMS = Path(__file__).parents[1] / "tests" / "programs"
NOT_PROGRAMS = {"run_programs", "test_programs"}


def main(names: list[str]) -> int:
    """Record the named programs, by default all; the number of those that failed."""
    chosen = names or sorted(p.stem for p in PROGRAMS.glob("*.py") if p.stem not in NOT_PROGRAMS)
    command = [sys.executable, str(PROGRAMS / "run_programs.py")]
    paths = [str(PROGRAMS / f"{name}.py") for name in chosen]
    done = subprocess.run(command + paths, capture_output=True, text=True, check=True)
    failed = 0
    for path, text in json.loads(done.stdout).items():
        if "Traceback (most recent call last)" in text:
            print(f"{path} failed:\n{text[-2000:]}")
            failed += 1
        else:
            Path(path).with_suffix(".txt").write_text(text)
    return failed


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
