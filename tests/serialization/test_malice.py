"""Files made to do harm, and files damaged by accident, end in a clear error."""

import io
import pickle
import struct

import pytest

import rushlight as torch
from rushlight.serialization import safe_globals
from rushlight.serialization.legacy import MAGIC_NUMBER
from rushlight.serialization.zip_writer import ZipWriter


def archive(pickled, **records):
    out = io.BytesIO()
    writer = ZipWriter(out, "archive")
    writer.write_record("data.pkl", pickled)
    for name, data in records.items():
        writer.write_record(name.replace("_", "/"), data)
    writer.finish()
    return io.BytesIO(out.getvalue())


def refused(pickled, match, error=pickle.UnpicklingError, **records):
    with pytest.raises(error, match=match):
        torch.load(archive(b"\x80\2" + pickled, **records))


HARM = {
    "os.system": (b"cos\nsystem\nX\2\0\0\0ls\x85R.", "module os is blocked"),
    "posix": (b"cposix\nsystem\nX\2\0\0\0ls\x85R.", "module posix is blocked"),
    "eval": (b"c__builtin__\neval\nX\1\0\0\0001\x85R.", "GLOBAL eval was not an allowed"),
    "getattr": (b"c__builtin__\ngetattr\n.", "GLOBAL getattr was not an allowed"),
    "import": (b"c__builtin__\n__import__\n.", "not an allowed global"),
    "inst": (b"(cos\nsystem\n", "blocked"),
    "old inst": (b"(i", "Unsupported operand 105"),
    "old global": (b"(X\2\0\0\0lsios\nsystem\n.", "Unsupported operand 105"),
    "extension": (b"\x82\1.", "Unsupported operand 130"),
    "stack global": (b"\x8c\2os\x8c\6system\x93.", "Unsupported operand 140"),
    "call a value": (b"K\1)R.", "Trying to call reduce for unrecognized function 1"),
    "call a result": (b"ccollections\nOrderedDict\n)R)R.", "unrecognized function"),
    "attribute path": (b"ccollections\nOrderedDict.__init__\n.", "not an allowed global"),
    "new object": (b"K\1)\x81.", "Can only create new object"),
    "build on a dict": (b"}}b.", "Can only build Tensor, Parameter, OrderedDict"),
    "append to a text": (b"X\1\0\0\0aK\1a.", "Can only append to lists"),
    "item of a list": (b"]K\1K\1s.", "Can only SETITEM for dict"),
    "persistent text": (b"X\1\0\0\0aQ.", "persistent_load id must be tuple or int"),
    "persistent module": (b"X\6\0\0\0module\x85Q.", "Only persistent_load of storage is allowed"),
    "no memo": (b"h\7.", "Memo value not found at index 7"),
    "no mark": (b"t.", "could not find MARK"),
    "empty stack": (b".", "end of the stack"),
    "cut": (b"X\xff\0\0\0abc", "truncated"),
}


@pytest.mark.parametrize("kind", HARM)
def test_refused(kind):
    refused(*HARM[kind])


def test_blocked_modules_cannot_be_allowed():
    import os

    with safe_globals([os.system]):
        refused(b"cposix\nsystem\nX\2\0\0\0ls\x85R.", "blocked")


def test_codecs_are_limited():
    refused(b"c_codecs\nencode\nX\1\0\0\0aX\3\0\0\0zip\x86R.", "codec 'zip'", ValueError)


def tensor_pickle(count, offset, size, stride):
    def number(n):
        return b"\x8a\x08" + struct.pack("<q", n)

    storage = (
        b"(X\7\0\0\0storagectorch\nFloatStorage\nX\1\0\0\0000X\3\0\0\0cpu" + number(count) + b"tQ"
    )
    body = storage + number(offset) + number(size) + b"\x85" + number(stride) + b"\x85"
    return b"ctorch._utils\n_rebuild_tensor_v2\n(" + body + b"\x89ccollections\nOrderedDict\n)RtR."


def test_the_pickle_under_test_is_otherwise_right():
    loaded = torch.load(archive(b"\x80\2" + tensor_pickle(4, 1, 2, 2), data_0=b"\0" * 16))
    assert loaded.tolist() == [0.0, 0.0]


@pytest.mark.parametrize(
    "layout",
    [(4, 3, 2, 1), (4, 0, 5, 1), (4, -1, 2, 1), (4, 0, -2, 1), (4, 0, 2, -1), (4, 0, 2**62, 2**40)],
)
def test_tensors_stay_inside_their_storage(layout):
    refused(tensor_pickle(*layout), "out of bounds", RuntimeError, data_0=b"\0" * 16)


@pytest.mark.parametrize("count", [5, 3, -1, 2**60])
def test_storages_have_the_size_of_their_record(count):
    refused(tensor_pickle(count, 0, 1, 1), "record size", RuntimeError, data_0=b"\0" * 16)


def test_flipped_bytes_are_noticed():
    buffer = io.BytesIO()
    torch.save(torch.arange(50.0), buffer)
    data = bytearray(buffer.getvalue())
    at = data.index(struct.pack("<f", 7.0))
    data[at] ^= 1
    with pytest.raises(RuntimeError, match="CRC-32 check failed"):
        torch.load(io.BytesIO(bytes(data)))


@pytest.mark.parametrize("legacy", [False, True])
def test_any_cut_is_noticed(legacy):
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(3.0)}, buffer, _use_new_zipfile_serialization=not legacy)
    data = buffer.getvalue()
    for end in range(len(data)):
        with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
            torch.load(io.BytesIO(data[:end]))


@pytest.mark.parametrize("data", [b"", b"hello world", pickle.dumps(3, 2), b"PK\3\4" + b"\0" * 100])
def test_not_a_checkpoint(data):
    with pytest.raises((RuntimeError, EOFError, pickle.UnpicklingError)):
        torch.load(io.BytesIO(data))


def test_other_streams():
    two = pickle.dumps(MAGIC_NUMBER, 2) + pickle.dumps(1002, 2)
    with pytest.raises(RuntimeError, match="Invalid protocol version: 1002"):
        torch.load(io.BytesIO(two))
    with pytest.raises(RuntimeError, match="Invalid magic number"):
        torch.load(io.BytesIO(pickle.dumps({"a": 1}, 2)))


def test_random_bytes_never_do_more_than_fail():
    import random

    rng = random.Random(0)
    buffer = io.BytesIO()
    torch.save({"a": torch.arange(3.0), "b": [1, "x"]}, buffer)
    whole = buffer.getvalue()
    for _ in range(400):
        data = bytearray(whole)
        for _ in range(rng.randint(1, 6)):
            data[rng.randrange(len(data))] = rng.randrange(256)
        try:
            torch.load(io.BytesIO(bytes(data)))
        except (RuntimeError, EOFError, ValueError, TypeError, KeyError, OSError):
            pass
        except (pickle.UnpicklingError, UnicodeDecodeError, NotImplementedError, AttributeError):
            pass
        except (IndexError, OverflowError, AssertionError):
            pass
