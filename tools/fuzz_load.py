"""Load hostile files: every one must end in a result or a clear error, and nothing else.

    PYTHONPATH=src python tools/fuzz_load.py [--inputs 50000] [--seed 0] [--keep FOLDER]

Files are made from a seed: cut, bit-flipped, spliced, zip directories with wrong numbers,
overlapping records, bombs, paths, pickles that call what they should not, storages larger than the
file, headers that lie. A child process loads them under a limit of memory and time per file; an
audit hook ends it at the first attempt to run a program, open a socket, or write, remove or rename
a file.
A bad outcome (another exception, no text, too much memory, too slow, a crash) is listed with
its input number, which `--only N` makes again. Exit status 1 if there is any.
"""

import argparse
import collections
import contextlib
import faulthandler
import io
import json
import pickle
import random
import re
import resource
import signal
import struct
import subprocess
import sys
import tempfile
import time
import warnings
import zlib
from pathlib import Path

import rushlight as torch
from rushlight.serialization import safetensors
from rushlight.serialization.legacy import MAGIC_NUMBER
from rushlight.serialization.zip_writer import ZipWriter

MEMORY = 512 << 20  # bytes of address space that one load may take beyond the start
SECONDS = 4  # for one load
CLEAR = (RuntimeError, pickle.UnpicklingError, ValueError, EOFError, safetensors.SafetensorError)
NUMBERS = (0, 1, 2, 3, 7, 8, 22, 46, 255, 256, 65535, 2**31 - 1, 2**31, 2**32 - 1, 2**62, 2**64 - 1)
FORBIDDEN = re.compile(
    r"^(os\.(system|exec|fork|posix_spawn|spawn|remove|rename|rmdir|mkdir|chmod|link|symlink|kill|"
    r"putenv|truncate)|subprocess\.|socket\.|ctypes\.|shutil\.|pty\.|webbrowser\.|ftplib\.|smtplib\.)"
)


# What the files are made from -------------------------------------------------------------------


def saved(obj: object, **options: object) -> bytes:
    """What `torch.save` writes."""
    buffer = io.BytesIO()
    torch.save(obj, buffer, **options)
    return buffer.getvalue()


def archive(pickled: bytes, records: dict[str, bytes] | None = None) -> bytes:
    """A well-formed archive around any pickle."""
    out = io.BytesIO()
    writer = ZipWriter(out, "archive")
    for name, data in {"data.pkl": pickled, **(records or {})}.items():
        writer.write_record(name, data)
    writer.finish()
    return out.getvalue()


def corpus() -> list[bytes]:
    """Healthy files of every format."""
    base = torch.arange(12.0).reshape(3, 4)
    state = collections.OrderedDict(w=base, b=torch.ones(3, dtype=torch.bfloat16))
    objects = [
        base,
        {"a": base[1:, ::2], "b": base.t(), "c": [1, 2.5, "text", None, True, 10**20, b"raw"]},
        state,
        [torch.ones(2, dtype=torch.uint16), torch.tensor([1 + 2j]), torch.zeros(0, 3)],
        {"p": torch.nn.Parameter(torch.ones(5)), "s": {1, 2}, "z": torch.Size([2])},
        {"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
        torch.empty(3, device="meta"),
        [base.to_sparse(), base.to_sparse_csr(), base.to_sparse_csc()],
    ]
    files = [saved(obj) for obj in objects]
    files += [
        saved(obj, _use_new_zipfile_serialization=False) for obj in (*objects[:5], objects[-1])
    ]
    files.append(safetensors.save({"a": base, "b": torch.ones(2, dtype=torch.int64)}))
    return files


# Pickles ----------------------------------------------------------------------------------------

HARMFUL = (
    "os system", "posix system", "builtins eval", "__builtin__ exec", "builtins getattr",
    "subprocess Popen", "sys exit", "shutil rmtree", "builtins open", "nt system", "io open",
    "torch.hub load", "importlib import_module", "pickle loads", "runpy run_path",
)  # fmt: skip
HARMLESS = (
    "collections OrderedDict", "collections Counter", "builtins set", "builtins complex",
    "builtins bytearray", "_codecs encode", "torch Size", "torch Tensor", "torch device",
    "torch.nn.parameter Parameter", "torch.serialization _get_layout", "torch FloatStorage",
    "torch ByteStorage", "torch.storage UntypedStorage", "torch.storage TypedStorage",
    "torch float32", "torch int64", "torch complex64", "torch FloatTensor", "torch qint8",
    "torch._utils _rebuild_tensor", "torch._utils _rebuild_tensor_v2", "torch.cuda LongStorage",
    "torch._utils _rebuild_tensor_v3", "torch._utils _rebuild_parameter", "torch uint4",
    "torch._utils _rebuild_parameter_with_state", "torch._tensor _rebuild_from_type_v2",
    "torch._utils _rebuild_meta_tensor_no_storage", "torch._utils _rebuild_sparse_tensor",
    "torch._utils _rebuild_device_tensor_from_cpu_tensor", "torch._utils _rebuild_qtensor",
)  # fmt: skip


def whole(number: int) -> bytes:
    """The instruction that pushes an integer."""
    data = pickle.encode_long(number)
    return b"\x8a" + bytes([len(data)]) + data


def text(word: str) -> bytes:
    """The instruction that pushes a text."""
    data = word.encode()
    return b"X" + struct.pack("<I", len(data)) + data


def named(name: str) -> bytes:
    """The instruction that looks a name up."""
    return b"c" + name.replace(" ", "\n").encode() + b"\n"


def storage(
    kind: str = "FloatStorage", key: str = "0", place: str = "cpu", count: int = 4
) -> bytes:
    """The instructions that push a storage."""
    return (
        b"("
        + text("storage")
        + named(f"torch {kind}")
        + text(key)
        + text(place)
        + whole(count)
        + b"tQ"
    )


def value(rng: random.Random, depth: int = 3) -> bytes:
    """Instructions that push one arbitrary value."""
    kind = rng.randrange(14 if depth else 7)
    if kind == 0:
        return whole(rng.choice((*NUMBERS, -1, -2, 2**70, -(2**63))))
    if kind == 1:
        return text(
            rng.choice(("cpu", "cuda:0", "meta", "a", "", "torch.strided", "latin1", "x" * 50))
        )
    if kind == 2:
        return rng.choice((b"N", b"\x88", b"\x89", b")", b"]", b"}", b"\x8f"))
    if kind == 3:
        return named(rng.choice(HARMLESS))
    if kind == 4:
        return storage(
            rng.choice(("FloatStorage", "ByteStorage", "LongStorage", "ComplexFloatStorage")),
            rng.choice(("0", "1", "../../etc/passwd", "")),
            rng.choice(("cpu", "cpu", "meta", "cuda")),
            rng.choice((4, 16, 0, -1, 2**40, 2**62)),
        )
    if kind == 5:
        return b"G" + struct.pack(">d", rng.choice((0.0, -1.5, 1e308, float("nan"))))
    if kind == 6:
        return rng.choice((b"h\0", b"h\1", b"0", b"2", b"(t", b"(l"))
    parts = b"".join(value(rng, depth - 1) for _ in range(rng.randrange(5)))
    if kind < 9:
        return b"(" + parts + b"t" + rng.choice((b"", b"q\0", b"q\1"))
    if kind == 9:
        return b"](" + parts + b"e"
    if kind == 10:
        return b"}(" + parts + b"u"
    callee = named(rng.choice(HARMLESS if rng.random() < 0.9 else HARMFUL))
    made = callee + b"(" + parts + b"t" + rng.choice((b"R", b"R", b"\x81"))
    return made + value(rng, depth - 1) + b"b" if kind == 13 else made


def tensor(rng: random.Random) -> bytes:
    """A tensor over a storage, with numbers of which some are wrong."""

    def number(right):
        return right if rng.random() < 0.6 else rng.choice((*NUMBERS, -1, -4, 2**40))

    place = storage(count=number(4), key=rng.choice("0001"))
    size = b"(" + whole(number(2)) + whole(number(2)) + b"t"
    stride = b"(" + whole(number(2)) + whole(number(1)) + b"t"
    last = rng.choice((b"", b"", b"}", b"}" + text("conj") + b"\x88s", b"}" + text("x") + b"\x88s"))
    body = place + whole(number(0)) + size + stride + rng.choice((b"\x89", b"\x88", b"N"))
    return named("torch._utils _rebuild_tensor_v2") + b"(" + body + b"}" + last + b"tR"


def sparse(rng: random.Random) -> bytes:
    """A sparse tensor of parts of which some do not fit."""
    layout = rng.choice(("coo", "coo", "csr", "csr", "csc", "csc", "bsr", "bsc", "xyz"))

    def part(kind, *size):
        if rng.random() < 0.1:
            return value(rng, 2)
        stride = whole(size[-1]) + whole(1) if len(size) > 1 else whole(rng.choice((1, 1, 0)))
        sizes = b"".join(map(whole, size))
        key, count = {"LongStorage": ("2", 4), "IntStorage": ("2", 8)}.get(kind, ("3", 4))
        body = storage(kind, key, "cpu", count) + whole(0)
        body += b"(" + sizes + b"t(" + stride + b"t\x89}"
        return named("torch._utils _rebuild_tensor_v2") + b"(" + body + b"tR"

    def often(right, *others):
        return right if rng.random() < 0.8 else rng.choice(others)

    n, kind = often(2, 1, 0, 3), often("LongStorage", "IntStorage", "FloatStorage")
    coo = (layout == "coo") == often(True, False)
    indices = part(kind, 2, n) if coo else part(kind, 3) + part(kind, n)
    size = b"".join(whole(often(2, 0, 1, 2**31, 2**62, -1)) for _ in range(often(2, 1, 3)))
    size = named("torch Size") + b"(" + size + b"t\x85R"
    last = often(b"\x88" if coo else b"", b"", b"\x89", b"N")
    parts = b"(" + indices + part("FloatStorage", 2) + size + last + b"t"
    place = named("torch.serialization _get_layout") + text(f"torch.sparse_{layout}") + b"\x85R"
    return named("torch._utils _rebuild_sparse_tensor") + place + parts + b"\x86R"


def bottomless(rng: random.Random) -> bytes:
    """Containers that are small to write and endless to walk, hash or print."""
    deep = rng.choice((50, 5000, 200000))
    start = rng.choice((b")", b"]", b"N", b"K\1"))
    nested = start + rng.choice((b"\x85" * deep, b"q\0h\0\x86" * 60, b"q\0h\0h\0\x87" * 40))
    return rng.choice(
        (nested, b"}" + nested + b"Ns", nested + b"Q", nested + b")R", nested + b"Nb")
    )


def greedy(rng: random.Random) -> bytes:
    """Calls that ask for much memory."""
    many = whole(rng.choice((2**27, 2**31, 2**33, 2**40, 2**62)))
    name = rng.choice(
        ("builtins bytearray", "torch FloatStorage", "torch.storage UntypedStorage", "torch Tensor",
         "torch.storage TypedStorage", "torch ByteStorage")
    )  # fmt: skip
    wide = (
        named("torch._utils _rebuild_tensor_v2")
        + b"("
        + storage("ComplexFloatStorage", "0", "cpu", 2)
    )
    wide += whole(0) + b"(" + many + b"t(K\0t\x89}}" + text("conj") + b"\x88stR"
    calls = (
        named(name) + many + b"\x85R",
        named(name) + many + many + b"\x86R",
        named(name) + b")R" + many + b"\x85b",
        named(name) + b"(" + many + b"t\x81",
        wide,
        text("x")[:1] + struct.pack("<I", 2**32 - 1) + b"short",
        named("torch._utils _rebuild_device_tensor_from_cpu_tensor") + b"(" + wide
        + named("torch float64") + text("cpu") + b"\x89tR",
    )  # fmt: skip
    return rng.choice(calls)


def calls(rng: random.Random) -> bytes:
    """Calls of what does harm, in the forms pickles have for it."""
    name, do = rng.choice(HARMFUL), text("touch /tmp/rushlight-was-here")
    module, _, attribute = name.partition(" ")
    typed = named("torch._tensor _rebuild_from_type_v2") + b"("
    return rng.choice(
        (
            named(name) + do + b"\x85R",
            b"(" + do + b"i" + name.replace(" ", "\n").encode() + b"\n",
            b"(" + named(name) + do + b"o",
            text(module) + text(attribute) + b"\x93" + do + b"\x85R",
            named("collections OrderedDict") + b")R}" + text("__reduce__") + named(name) + b"sb",
            named("torch Tensor") + b")R(" + named(name) + b"tb",
            typed + named(name) + named("torch Tensor") + do + b"\x85}tR",
            typed + named("torch Tensor") + named(name) + b")}tR",
            named(f"collections OrderedDict.{attribute}") + do + b"\x85R",
        )
    )  # fmt: skip


# Files ------------------------------------------------------------------------------------------


def pickled(rng: random.Random) -> bytes:
    """An arbitrary pickle of one of the kinds above."""
    make = rng.choice((value, tensor, tensor, sparse, bottomless, greedy, calls))
    return b"\x80\2" + make(rng) + b"."


def evil_archive(rng, files):
    """A well-formed archive around a hostile pickle."""
    places = struct.pack("<4q", *(rng.choice((0, 0, 1, 1, 2, 4, -1, 2**40)) for _ in range(4)))
    records = {"data/0": bytes(16), "data/1": bytes(rng.randrange(40)), "data/2": places}
    return archive(pickled(rng), {**records, "data/3": places[:16]})


def evil_stream(rng, files):
    """A stream of before 1.6 around a hostile pickle."""
    head = pickle.dumps(MAGIC_NUMBER, 2) + pickle.dumps(1001, 2) + pickle.dumps({}, 2)
    body = pickled(rng).replace(whole(4) + b"tQ", whole(rng.choice((4, 2**33))) + b"NtQ")
    keys = rng.choice((pickle.dumps(["0"], 2), pickle.dumps([], 2), pickled(rng)))
    return head + body + keys + struct.pack("<q", rng.choice((4, 0, -1, 2**62))) + bytes(16)


def cut(rng, files):
    """A file that ends early, or begins late."""
    data = rng.choice(files)
    at = rng.randrange(len(data))
    return data[at:] if rng.random() < 0.2 else data[:at]


def flipped(rng, files):
    """A few bits flipped, half the time where they matter."""
    data = bytearray(rng.choice(files))
    places = [m.start() for m in re.finditer(rb"PK|Rq|tq|X.\0\0\0", bytes(data))]
    for _ in range(rng.randint(1, 8)):
        at = rng.randrange(len(data))
        if places and rng.random() < 0.5:
            at = min(rng.choice(places) + rng.randrange(50), len(data) - 1)
        data[at] = rng.randrange(256) if rng.random() < 0.5 else data[at] ^ (1 << rng.randrange(8))
    return bytes(data)


def spliced(rng, files):
    """Parts of two files, or a piece moved, doubled or lost."""
    a, b = rng.choice(files), rng.choice(files)
    i, j, k = rng.randrange(len(a)), rng.randrange(len(b)), rng.randrange(len(b))
    return a[:i] + b[min(j, k) : max(j, k)] + (a[i:] if rng.random() < 0.7 else b"")


def directory_lies(rng, files):
    """Wrong numbers in the zip's own records: sizes, offsets, counts, lengths, methods."""
    data = bytearray(rng.choice(files[:8]))
    marks = [
        m.start()
        for m in re.finditer(
            rb"PK(\x01\x02|\x03\x04|\x05\x06|\x06[\x06\x07]|\x07\x08)", bytes(data)
        )
    ]
    for _ in range(rng.randint(1, 3)):
        at, width = rng.choice(marks) + rng.randrange(4, 46, 2), rng.choice((2, 4, 8))
        if at + width <= len(data):
            number = rng.choice((*NUMBERS, len(data), len(data) - 1)) % (1 << 8 * width)
            data[at : at + width] = number.to_bytes(width, "little")
    return bytes(data)


def zipped(entries):
    """A zip of (name, method, packed bytes, size, offset or None); offsets make records overlap."""
    out, directory = bytearray(), bytearray()
    for name, method, packed, size, offset in entries:
        raw = name.encode("utf-8", "surrogateescape")
        header = len(out) if offset is None else offset
        if offset is None:
            fields = (b"PK\3\4", 20, 0, method, 0, 0, 0, len(packed), size, len(raw), 0)
            out += struct.pack("<4s5H3I2H", *fields) + raw + packed
        fields = (b"PK\1\2", 20, 20, 0, method, 0, 0, 0, len(packed), size, len(raw), 0, 0, 0, 0, 0)
        directory += struct.pack("<4s6H3I5H2I", *fields, header) + raw
    end = (b"PK\5\6", 0, 0, len(entries), len(entries), len(directory), len(out), 0)
    return bytes(out + directory) + struct.pack("<4s4H2IH", *end)


def deflated(data):
    """Raw deflate, as zip wants it."""
    engine = zlib.compressobj(9, zlib.DEFLATED, -15)
    return engine.compress(data) + engine.flush()


BOMBS = {n: deflated(bytes(n)) for n in (1 << 20, 64 << 20)}


def bomb(rng, files):
    """Records that unpack to a thousand times their size, in one or many, truthfully or not."""
    size = rng.choice(list(BOMBS))
    claimed = rng.choice((size, 2**31, 16, 0xFFFFFFFF))
    count = rng.choice((claimed // 4, 4, 2**40))
    body = b"\x80\2](" + b"".join(storage(key=str(i), count=count) for i in range(30)) + b"e."
    first = ("a/data.pkl", 0, body, len(body), None)
    if rng.random() < 0.3:
        first = ("a/data.pkl", 8, BOMBS[size], claimed, None)
    rest = [(f"a/data/{i}", 8, BOMBS[size], claimed, None) for i in range(rng.choice((1, 3, 30)))]
    return zipped([first, ("a/version", 0, b"3", 1, None), *rest])


def overlapping(rng, files):
    """Many records on the same bytes: together far larger than the file."""
    data, many = bytes(1 << rng.choice((10, 18, 20))), rng.choice((2, 40, 3000))
    count = len(data) // 4
    body = b"\x80\2](" + b"".join(storage(key=str(i), count=count) for i in range(many)) + b"e."
    entries = [("a/data.pkl", 0, body, len(body), None), ("a/version", 0, b"3", 1, None)]
    start = sum(30 + len(name) + len(packed) for name, _, packed, _, _ in entries)
    entries.append(("a/data/0", 0, data, len(data), None))
    shift = rng.choice((0, 0, 1, 30))
    entries += [(f"a/data/{i}", 0, data, len(data), start + shift) for i in range(1, many)]
    return zipped(entries)


def paths(rng, files):
    """Names that climb, hide, repeat, or are no names."""
    odd = ("../../etc/passwd", "/etc/passwd", "a\0b", "", "/", "a//data.pkl", "a/../a/data.pkl",
           "C:\\x", "a/data.pkl/", "\udcff\udcfe", "a/" + "x" * 60000, "data.pkl", "a/b/data.pkl",
           "a/constants.pkl", "a/.data/version", "a/byteorder", "a/data/0")  # fmt: skip
    body = b"\x80\2" + tensor(rng) + b"."
    entries = [("a/data.pkl", 0, body, len(body), None), ("a/version", 0, b"3", 1, None)]
    for _ in range(rng.randint(1, 4)):
        content = rng.choice((b"3", b"", b"big", b"9" * 5000, bytes(16)))
        entries.insert(rng.randrange(3), (rng.choice(odd), 0, content, len(content), None))
    return zipped(entries)


def claims_more(rng, files):
    """Sizes in the pickle that the record does not have."""
    body = b"\x80\2](" + b"".join(tensor(rng) for _ in range(3)) + b"e."
    return archive(body, {"data/0": bytes(rng.choice((0, 4, 15, 16, 17))), "data/1": b""})


def safetensors_lies(rng, files):
    """A safetensors header with wrong types, shapes and offsets."""
    numbers = (0, 1, 2, 4, 8, 16, -1, 2**31, 2**63, 2**70, 1.5, True, None, "4", [], 10**400)

    def some(right):
        return right if rng.random() < 0.6 else rng.choice(numbers)

    def entry():
        kind = rng.choice(("F32", "BF16", "I64", "F4", "", 3, "U8"))
        return {
            "dtype": kind,
            "shape": [some(2), some(2)] if rng.random() < 0.9 else some(0),
            "data_offsets": [some(0), some(16)],
        }

    header = {rng.choice("abc"): rng.choice((entry(), entry(), some(3))) for _ in range(2)}
    data = json.dumps(header).encode()
    if rng.random() < 0.1:
        data = rng.choice(
            (b"[" * 100000, b'{"a":' * 50000, b"{" + b'"a":1,' * 2000 + b"}", b"\xff")
        )
    length = some(len(data))
    length = length if isinstance(length, int) else 0
    return struct.pack("<Q", length % 2**64) + data + bytes(rng.choice((0, 16, 32)))


KINDS = (
    cut, flipped, flipped, spliced, directory_lies, directory_lies, bomb, overlapping, paths,
    claims_more, evil_archive, evil_archive, evil_archive, evil_stream, safetensors_lies,
)  # fmt: skip
RARE = {bomb: 0.1, overlapping: 0.1}  # slow to make: the share of them that is kept


def make(number: int, seed: int, files: list[bytes]) -> tuple[str, bytes, str]:
    """Input `number`: its kind, its bytes, and the way to load it."""
    rng = random.Random(f"{seed} {number}")
    kind = rng.choice(KINDS)
    while rng.random() > RARE.get(kind, 1):
        kind = rng.choice(KINDS)
    data = kind(rng, files)
    if kind is safetensors_lies or data[8:9] == b"{":
        return kind.__name__, data, rng.choice(("safetensors", "safetensors file"))
    return kind.__name__, data, rng.choice(("buffer", "buffer", "buffer", "file", "mmap", "mapped"))


# Loading ----------------------------------------------------------------------------------------


def load(data: bytes, way: str, folder: Path) -> object:
    """`torch.load` in one of its ways."""
    if way == "safetensors":
        return safetensors.load(data)
    if way in ("buffer", "mapped"):
        return torch.load(io.BytesIO(data), map_location="meta" if way == "mapped" else None)
    path = folder / ("input.safetensors" if way == "safetensors file" else "input.pt")
    with path.open("wb") as file:
        file.write(data)
    return torch.load(path, mmap=way == "mmap" or None)


def touch(obj: object) -> None:
    """Read every tensor's memory, so that a wrong size shows."""
    waiting, seen = [obj], 0
    while waiting and seen < 2000:
        item, seen = waiting.pop(), seen + 1
        if isinstance(item, dict):
            waiting += [*item.values()]
        elif isinstance(item, (list, tuple)):
            waiting += item
        elif isinstance(item, torch.Tensor) and item.device.type == "cpu" and item.numel() < 10**6:
            item.detach().clone()
            item.to_dense()


class Slow(BaseException):
    """A load took longer than it may."""


def outcome(data: bytes, way: str, folder: Path) -> tuple[str, str]:
    """What loading came to ("ok", "refused" or "bad"), and the error."""
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            touch(load(data, way, folder))
    except CLEAR as error:
        words = str(error)
        clear = re.search("[a-z]{3}", words) and len(words) < 20000
        return ("refused" if clear else "bad"), f"{type(error).__name__}: {words[:300]}"
    except (Exception, Slow) as error:
        return "bad", f"{type(error).__name__}: {str(error)[:300]}"
    return "ok", ""


@contextlib.contextmanager
def guarded():
    """Limits of memory and time, and the audit hook, in this process from here on."""
    state = {"on": True}

    def audit(event, arguments):
        writes = (
            event == "open" and isinstance(arguments[1], str) and set("wax+") & set(arguments[1])
        )
        if state["on"] and (FORBIDDEN.match(event) or writes):
            if writes and "/fuzz-" in str(arguments[0]):
                return
            sys.__stdout__.write(json.dumps({"forbidden": f"{event} {arguments}"[:300]}) + "\n")
            sys.__stdout__.flush()
            signal.raise_signal(signal.SIGKILL)

    def late(*_):
        raise Slow(f"longer than {SECONDS} s")

    sys.addaudithook(audit)
    size = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (size + MEMORY, size + MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    signal.signal(signal.SIGALRM, late)
    try:
        yield
    finally:
        state["on"] = False


def child(first: int, last: int, seed: int) -> None:
    """Load the inputs [first, last), a line of JSON for each."""
    files = corpus()
    with tempfile.TemporaryDirectory(prefix="fuzz-") as folder:
        outcome(files[0], "mmap", Path(folder))  # what is imported late is imported now
        with guarded():
            for number in range(first, last):
                kind, data, way = make(number, seed, files)
                print(json.dumps({"n": number, "kind": kind, "way": way}), flush=True)
                began = time.perf_counter()
                faulthandler.dump_traceback_later(
                    SECONDS + 2, exit=True
                )  # not even C code can wait
                signal.alarm(SECONDS)
                status, error = outcome(data, way, Path(folder))
                signal.alarm(0)
                faulthandler.cancel_dump_traceback_later()
                line = {"status": status, "error": error, "s": time.perf_counter() - began}
                print(json.dumps(line), flush=True)


# The parent -------------------------------------------------------------------------------------


def lines_of(first: int, last: int, seed: int):
    """The lines of a child; one of ours if it died."""
    command = [sys.executable, __file__, "--child", f"{first}:{last}", "--seed", str(seed)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        yield from map(json.loads, process.stdout)
    if process.returncode:
        yield {"died": process.returncode}


class Tally:
    """What the inputs came to."""

    def __init__(self) -> None:
        self.counts: collections.Counter = collections.Counter()
        self.bad: list[str] = []
        self.slowest = 0.0
        self.last = -1

    def take(self, first: int, last: int, seed: int) -> None:
        """Run one child after another until all inputs are done."""
        while first < last:
            now: dict = {}
            for line in lines_of(first, last, seed):
                if "n" in line:
                    now = line
                    first = line["n"] + 1
                elif "status" in line:
                    self.note(now, line["status"], line["error"], line["s"])
                else:
                    self.note(now, "bad", str(line), 0.0)
            if not now:
                raise SystemExit("the child does not start")

    def note(self, now: dict, status: str, error: str, seconds: float) -> None:
        """Count one outcome."""
        self.counts[now.get("kind", "?"), status] += 1
        self.slowest = max(self.slowest, seconds)
        if status == "bad":
            self.bad.append(f"input {now.get('n')} ({now.get('kind')}, {now.get('way')}): {error}")


def report(tally: Tally, seconds: float) -> None:
    """The table, then what is bad."""
    for kind in sorted({kind for kind, _ in tally.counts}):
        ok, refused, bad = (tally.counts[kind, status] for status in ("ok", "refused", "bad"))
        print(f"{kind:18} {ok:7} loaded {refused:7} refused {bad:5} bad")
    total = sum(tally.counts.values())
    print(
        f"{total} inputs in {seconds:.0f} s; slowest {tally.slowest:.2f} s; bad: {len(tally.bad)}"
    )
    for line in tally.bad[:60]:
        print(line)


def main() -> int:
    """Parse the command line; run."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--inputs", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", type=int, help="make and load this input alone, in this process")
    parser.add_argument("--keep", type=Path, help="with --only: write the input here")
    parser.add_argument("--child", help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.child:
        child(*map(int, options.child.split(":")), options.seed)
        return 0
    if options.only is not None:
        kind, data, way = make(options.only, options.seed, corpus())
        if options.keep:
            options.keep.write_bytes(data)
        print(kind, way, len(data))
        touch(load(data, way, Path(tempfile.mkdtemp(prefix="fuzz-"))))
        return 0
    tally, began = Tally(), time.perf_counter()
    for first in range(0, options.inputs, 5000):
        tally.take(first, min(first + 5000, options.inputs), options.seed)
    report(tally, time.perf_counter() - began)
    return 1 if tally.bad else 0


if __name__ == "__main__":
    sys.exit(main())
