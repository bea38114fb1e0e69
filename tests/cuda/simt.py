"""cupy.RawModule on a CPU: kernels' sources compiled with the host's C++ compiler over simt.h.

Beside computing, a launch is checked as nothing checks it on a GPU: as many arguments as the kernel
has parameters, numbers of exactly the parameter's C type, arrays of exactly its element's type.
"""

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path

import ml_dtypes
import numpy as np

HERE = Path(__file__).parent
COMPILER = shutil.which(os.environ.get("CXX", "g++"))
CACHE = Path(tempfile.gettempdir()) / f"rushlight-simt-{os.getuid()}"
KERNEL = re.compile(r'extern "C"\s+void\s+(\w+)\(([^)]*)\)')
TYPES = {
    "float": "f4", "double": "f8", "half_t": "f2", "bf16_t": ml_dtypes.bfloat16, "int": "i4",
    "u32": "u4", "i64": "i8", "u64": "u8", "bool": "?", "unsigned char": "u1", "signed char": "i1",
}  # fmt: skip

available = COMPILER is not None


class AssertionFailedError(RuntimeError):
    """cudaErrorAssert."""


def dtype_of(name, element):
    """The NumPy dtype of a C type's name; None for a struct."""
    name = {"T": element, "ACC": "double" if element == "double" else "float"}.get(name, name)
    found = TYPES.get(name)
    return None if found is None else np.dtype(found)


class Parameter:
    """What a kernel takes at one place."""

    def __init__(self, text, element):
        text = text.replace("const ", "").replace("__restrict__", "").strip()
        self.pointer = "*" in text
        self.type = text.replace("*", " ").split()[:-1]
        self.type = " ".join(self.type)
        self.dtype = dtype_of(self.type, element)

    def argument(self, value, made):
        """An argument as the address of its value; refused if it is not of the type."""
        if self.pointer:
            if type(value) is np.uint64:
                assert value == 0, "an address is an array, or nothing"
                address = 0
            else:
                assert type(value).__name__ == "ndarray" and hasattr(value, "_a"), value
                assert self.type in ("void", "Unit") or value.dtype == self.dtype, (
                    f"an array of {value.dtype} for {self.type}*"
                )
                assert value.device.id == current(), "an array of a device that is not current"
                address = value.data.ptr
            box = ctypes.c_void_p(address)
        elif self.dtype is None:  # a struct, as an array of its bytes
            assert isinstance(value, np.ndarray) and value.dtype == np.uint8, value
            box = (ctypes.c_char * value.nbytes).from_buffer_copy(value.tobytes())
        else:
            assert isinstance(value, np.generic), f"{value!r} is no NumPy scalar"
            assert value.dtype == self.dtype, f"{value.dtype} for {self.type}"
            box = ctypes.create_string_buffer(value.tobytes(), value.nbytes)
        made.append(box)
        return ctypes.addressof(box)


def preprocessed(code, options):
    """The source after the preprocessor, where kernels that macros make stand written out."""
    done = subprocess.run(
        [COMPILER, "-E", "-x", "c++", f"-I{HERE}", *options, "-"],
        input=code, capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def compile_library(text, kernels, path):
    """A library of a preprocessed source, with a launcher for each kernel."""
    launchers = []
    for name, parameters in kernels:
        types = [re.sub(r"\w+\s*$", "", p).strip() for p in parameters.split(",")]
        given = ", ".join(f"*({t}*)args[{i}]" for i, t in enumerate(types))
        launchers.append(
            f'extern "C" const char* launch_{name}(const unsigned* grid, '
            "const unsigned* block, void** args) { return simt_launch(grid, block, args, "
            f"[](void** args) {{ {name}({given}); }}); }}"
        )
    with tempfile.TemporaryDirectory(dir=CACHE) as folder:
        source, made = Path(folder) / "kernels.ii", Path(folder) / "kernels.so"
        source.write_text(text + "\n" + "\n".join(launchers))
        done = subprocess.run(
            [COMPILER, "-std=c++17", "-O1", "-w", "-ffp-contract=off", "-shared", "-fPIC",
             "-o", str(made), str(source)],
            capture_output=True, text=True,
        )  # fmt: skip
        if done.returncode:
            raise RuntimeError(done.stderr[:4000])
        made.replace(path)


@cache
def library(code, options):
    """The library of a source, and its kernels' parameters by name: made once for a process."""
    # glibc's checked longjmp takes a jump to another fiber for an error
    defines = ["-U_FORTIFY_SOURCE", "-DRUSHLIGHT_SIMT"]
    defines += [o for o in options if o.startswith(("-D", "-I"))]
    sources = [code, *options, (HERE / "simt.h").read_text(), Path(__file__).read_text()]
    key = hashlib.sha256("\n".join(sources).encode()).hexdigest()[:24]
    CACHE.mkdir(exist_ok=True)
    path, listing = CACHE / f"{key}.so", CACHE / f"{key}.txt"
    if not listing.exists():
        text = preprocessed(code, defines)
        lines = [line for line in text.splitlines() if not line.startswith("#")]
        kernels = KERNEL.findall(" ".join(" ".join(lines).split()))
        compile_library(text, kernels, path)
        made = CACHE / f"{key}.{os.getpid()}"
        made.write_text("\n".join(f"{n}:{p}" for n, p in kernels))
        made.replace(listing)  # last: it is there, and whole
    element = next((o[10:] for o in options if o.startswith("-DELEMENT=")), "float")
    kernels = {}
    for line in listing.read_text().splitlines():
        name, parameters = line.split(":", 1)
        kernels[name] = [Parameter(p, element) for p in parameters.split(",")]
    return ctypes.CDLL(str(path)), kernels


class RawModule:
    """cupy.RawModule(code=, options=)."""

    def __init__(self, *, code, options=(), backend="nvrtc", name_expressions=None):
        self.library, self.kernels = library(code, tuple(options))

    def get_function(self, name):
        """One kernel."""
        return Kernel(self, name)


class Kernel:
    """cupy.RawKernel: called with a grid, a block and arguments."""

    launches = 0

    def __init__(self, module, name):
        self.name, self.parameters = name, module.kernels[name]
        self.launch = getattr(module.library, f"launch_{name}")
        self.launch.restype = ctypes.c_char_p

    def __call__(self, grid, block, args, *, shared_mem=0, stream=None):
        assert type(grid) is type(block) is type(args) is tuple
        assert len(args) == len(self.parameters), (
            f"{self.name} has {len(self.parameters)} parameters"
        )
        threads = int(np.prod(block))
        assert 0 < threads <= 1024, block
        assert all(g > 0 for g in grid), f"{self.name}: an empty grid {grid}"
        assert all(0 < g < 65536 for g in grid[1:]), grid
        made = []
        pointers = [p.argument(a, made) for p, a in zip(self.parameters, args, strict=True)]
        three = [(ctypes.c_uint * 3)(*(*given, 1, 1)[:3]) for given in (grid, block)]
        Kernel.launches += 1
        where = (ctypes.c_void_p * len(pointers))(*pointers)

        def run(made=made, args=args):  # what it points to stays as long as it
            failed = self.launch(*three, where)
            if failed:
                raise AssertionFailedError(
                    f"cudaErrorAssert: device-side assert triggered ({failed.decode()})"
                )

        run()
        note(run)


def current():
    """The device that is current, of the array module."""
    return 0


def note(action):
    """What the array module does with a launch while a graph is recorded."""
