"""Run programs one after another in this process and print what each printed, as JSON.

Used by test_programs.py (under `python -m rushlight`) and tools/record_programs.py (under PyTorch).
"""

import contextlib
import io
import json
import os
import runpy
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

import torch


def run(path):
    """What the program prints; its traceback if it fails."""
    torch.manual_seed(0)
    torch.set_printoptions(profile="default")
    out = io.StringIO()
    before = Path.cwd()
    with tempfile.TemporaryDirectory() as folder, contextlib.redirect_stdout(out):
        os.chdir(folder)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                runpy.run_path(path, run_name="__main__")
        except Exception:
            out.write("\n" + traceback.format_exc())
        finally:
            os.chdir(before)
    return out.getvalue()


if __name__ == "__main__":
    json.dump({path: run(path) for path in sys.argv[1:]}, sys.stdout)
