"""NVRTC by ctypes: compiling the kernels' sources for real architectures needs no GPU."""

import ctypes
import glob
import importlib.util
from pathlib import Path


def found():
    """The library of the wheels nvidia-cuda-nvrtc(-cu12), or the system's; None without one."""
    places = []
    spec = importlib.util.find_spec("nvidia")
    for root in spec.submodule_search_locations if spec else ():
        places += sorted(glob.glob(f"{root}/*/lib/libnvrtc.so.*"))  # noqa: PTH207
    for path in [*places, "libnvrtc.so.13", "libnvrtc.so.12"]:
        try:
            return ctypes.CDLL(path)
        except OSError:
            continue
    return None


class Compiler:
    """nvrtcCompileProgram of one library."""

    def __init__(self, library):
        self.library = library
        count = ctypes.c_int()
        self.check(library.nvrtcGetNumSupportedArchs(ctypes.byref(count)))
        archs = (ctypes.c_int * count.value)()
        self.check(library.nvrtcGetSupportedArchs(archs))
        self.architectures = list(archs)

    def check(self, status, log=""):
        if status:
            raise RuntimeError(f"NVRTC status {status}\n{log}")

    def compile(self, source, options):
        """The machine code of a source, and what the compiler said."""
        program, size = ctypes.c_void_p(), ctypes.c_size_t()
        lib = self.library
        self.check(
            lib.nvrtcCreateProgram(
                ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None
            )
        )
        given = (ctypes.c_char_p * len(options))(*[o.encode() for o in options])
        status = lib.nvrtcCompileProgram(program, len(options), given)
        lib.nvrtcGetProgramLogSize(program, ctypes.byref(size))
        log = ctypes.create_string_buffer(size.value)
        lib.nvrtcGetProgramLog(program, log)
        self.check(status, log.value.decode())
        self.check(lib.nvrtcGetCUBINSize(program, ctypes.byref(size)))
        code = ctypes.create_string_buffer(size.value)
        self.check(lib.nvrtcGetCUBIN(program, code))
        lib.nvrtcDestroyProgram(ctypes.byref(program))
        return code.raw, log.value.decode()


if __name__ == "__main__":
    library = found()
    print(library, Compiler(library).architectures if library else Path())
