"""The kernels' sources compile for every architecture that NVRTC knows and we name."""

import re
import sys
from functools import cache
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent))
import nvrtc

from rushlight._kernels.cuda import compiler

LIBRARY = nvrtc.found()
COMPILER = nvrtc.Compiler(LIBRARY) if LIBRARY else None
SOURCES = sorted(path.stem for path in compiler.SOURCE.glob("*.cu"))
DEFINES = {"lookup": ("INDEX=i64",)}
FUNCTIONS = sorted(set(re.findall(r"(ONE|TWO|THREE)\((f_\w+)\)", compiler.text("pointwise"))))
ARITY = {"ONE": 1, "TWO": 2, "THREE": 3}

pytestmark = pytest.mark.skipif(COMPILER is None, reason="NVRTC is not installed")


@cache
def compiled(source, dtype, arch, *defines):
    # CuPy adds -ftz=true
    options = (*compiler.options(dtype, defines), f"-arch=sm_{arch}", "--std=c++17", "-ftz=true")
    code, log = COMPILER.compile(compiler.text(source), options[1:])
    assert "error" not in log
    return code


@pytest.mark.parametrize("arch", [75, 80, 90])
@pytest.mark.parametrize("source", SOURCES)
def test_compiles(source, arch):
    if arch not in COMPILER.architectures:
        pytest.skip(f"this NVRTC does not know sm_{arch}")
    for dtype in compiler.ELEMENTS if arch == 90 else [compiler.F4, compiler.BF]:
        assert compiled(source, dtype, arch, *DEFINES.get(source, ()))


def test_pointwise_functions():
    for kind, name in FUNCTIONS:
        for dtype in (compiler.F4, compiler.F8):
            assert compiled("pointwise", dtype, 90, f"FUNCTION={name}", f"ARITY={ARITY[kind]}")


MOST_THREADS = {"rows": 1024, "losses": 1024}  # of a block; other kernels are launched with 256


@pytest.mark.parametrize("arch", [80, 90])
@pytest.mark.parametrize("source", SOURCES)
def test_a_launch_has_registers_enough(source, arch):
    if arch not in COMPILER.architectures:
        pytest.skip(f"this NVRTC does not know sm_{arch}")
    for dtype in compiler.ELEMENTS if arch == 90 else [compiler.F4, compiler.BF]:
        code = compiled(source, dtype, arch, *DEFINES.get(source, ()))
        for name, used in nvrtc.registers(code).items():
            threads = MOST_THREADS.get(source, 256)
            assert -(-used // 8) * 8 * threads <= 65536, (name, dtype, used)
