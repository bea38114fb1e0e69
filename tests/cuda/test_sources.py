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

pytestmark = pytest.mark.skipif(COMPILER is None, reason="NVRTC is not installed")


# Only PTX that is written by hand depends on the architecture, and only half_t has any: the older
# ones compile that, the newest all the others.
ELEMENTS = {75: [compiler.F2], 80: [compiler.F2], 90: [compiler.F4, compiler.F8, compiler.BF]}
FAST = {75: ("--ptxas-options=-O0",)}  # nobody asks for its registers


@cache
def compiled(source, dtype, arch, *defines):
    # CuPy adds -ftz=true
    options = (*compiler.options(dtype, defines), f"-arch=sm_{arch}", "--std=c++17", "-ftz=true")
    return machine_code(compiler.text(source), (*options[1:], *FAST.get(arch, ())))


def machine_code(text, options):
    code, log = COMPILER.compile(text, options)
    assert "error" not in log
    return code


@pytest.mark.parametrize("arch", ELEMENTS)
@pytest.mark.parametrize("source", SOURCES)
def test_compiles(source, arch):
    if arch not in COMPILER.architectures:
        pytest.skip(f"this NVRTC does not know sm_{arch}")
    for dtype in ELEMENTS[arch]:
        assert compiled(source, dtype, arch, *DEFINES.get(source, ()))


@pytest.mark.parametrize("dtype", [compiler.F4, compiler.F8])
def test_pointwise_functions(dtype):
    """All in one: the kernels around a function are the same text for each."""
    calls = " + ".join(f"{name}(x, y, z, p, q)" for _, name in FUNCTIONS)
    every = f"THREE(f_every) {{ return {calls}; }}\n// ---- the kernel"
    text = compiler.text("pointwise").replace("// ---- the kernel", every)
    assert text.count("f_every") == 1 and len(FUNCTIONS) > 30
    options = compiler.options(dtype, ("FUNCTION=f_every", "ARITY=3"))
    assert machine_code(text, (*options, "-arch=sm_90", "-ftz=true"))


MOST_THREADS = {"rows": 1024, "losses": 1024}  # of a block; other kernels are launched with 256


@pytest.mark.parametrize("arch", [80, 90])
@pytest.mark.parametrize("source", SOURCES)
def test_a_launch_has_registers_enough(source, arch):
    if arch not in COMPILER.architectures:
        pytest.skip(f"this NVRTC does not know sm_{arch}")
    for dtype in ELEMENTS[arch]:
        code = compiled(source, dtype, arch, *DEFINES.get(source, ()))
        for name, used in nvrtc.registers(code).items():
            threads = MOST_THREADS.get(source, 256)
            assert -(-used // 8) * 8 * threads <= 65536, (name, dtype, used)
