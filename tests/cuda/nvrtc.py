"""NVRTC by ctypes: compiling the kernels' sources for real architectures needs no GPU."""

import ctypes
import glob
import importlib.util
import struct
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


REGISTER_COUNT, SECTIONS, SYMBOLS = 0x2F, 0x28, 2  # an attribute; a place; a kind of section


def registers(cubin):
    """name of a kernel -> how many registers a thread of it has, of machine code in ELF."""
    (start,) = struct.unpack_from("<Q", cubin, SECTIONS)
    size, count, names_at = struct.unpack_from("<HHH", cubin, SECTIONS + 0x12)
    sections = []
    for i in range(count):
        place = start + i * size
        name, kind = struct.unpack_from("<II", cubin, place)
        sections.append((name, kind, *struct.unpack_from("<QQ", cubin, place + 0x18)))

    def text(offset):
        return cubin[offset : cubin.index(b"\0", offset)].decode()

    labelled = {text(sections[names_at][2] + s[0]): s for s in sections}
    strings = labelled[".strtab"][2]
    symbols = next(s for s in sections if s[1] == SYMBOLS)
    (_, _, at, length), found = labelled[".nv.info"], {}
    end = at + length
    while at < end:
        form, attribute, held = struct.unpack_from("<BBH", cubin, at)
        if form == 4 and attribute == REGISTER_COUNT:
            which, used = struct.unpack_from("<II", cubin, at + 4)
            (label,) = struct.unpack_from("<I", cubin, symbols[2] + 24 * which)
            found[text(strings + label)] = used
        at += 4 + (held if form == 4 else 0)
    return found


if __name__ == "__main__":
    library = found()
    print(library, Compiler(library).architectures if library else Path())
