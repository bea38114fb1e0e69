"""Pickling of a usual tensor without a call of the pickler for each of its parts.

A file holds the same opcodes as if the pickler had been given the rebuilding function and its
arguments: PyTorch's bytes. A state of a thousand small tensors is saved in a third of the time.
"""

import pickle
from collections import OrderedDict
from struct import pack
from typing import Any

from rushlight._core import device as devices
from rushlight._core.storage import untyped_storage
from rushlight._core.tensor import Tensor
from rushlight._core.typed_storage import NAMES
from rushlight.serialization import rebuild

PROTOCOLS = (2, 3)  # later ones write frames
_TUPLES = (pickle.EMPTY_TUPLE, pickle.TUPLE1, pickle.TUPLE2, pickle.TUPLE3)
_EMPTY = pickle.EMPTY_TUPLE + pickle.REDUCE


def served(pickler: Any, tensor: Tensor) -> bool:
    """Is it a strided tensor in memory, of a dtype with a storage class, with nothing of the
    user's on it?"""
    return (
        type(tensor) is Tensor
        and pickler.proto in PROTOCOLS
        and pickler.table.usual_ids
        and tensor.device is devices.CPU
        and tensor.dtype in NAMES
        and not tensor.__dict__
    )


def save_tensor(pickler: Any, tensor: Tensor) -> None:
    """Write the call of ``_rebuild_tensor_v2`` that gives the tensor."""
    memo = pickler.memo
    storage = untyped_storage(tensor)
    persistent = pickler.table.describe_as(storage, tensor.dtype)
    size, stride = tuple(tensor.size()), tensor.stride()
    hooks: OrderedDict = OrderedDict()
    word, kind, key, place, count = persistent
    parts = [
        reference(pickler, rebuild._rebuild_tensor_v2),
        b"((",  # marks: the arguments, the persistent id
        reference(pickler, word),
    ]
    if id(kind) not in memo:
        pickler.write(b"".join(parts))  # before the class
        parts = []
    parts.append(reference(pickler, kind))
    parts += [reference(pickler, key), reference(pickler, place), whole(count), pickle.TUPLE]
    parts += [put(memo, persistent), pickle.BINPERSID, whole(tensor.storage_offset())]
    parts += [numbers(memo, size), numbers(memo, stride)]
    parts.append(pickle.NEWTRUE if tensor.requires_grad else pickle.NEWFALSE)
    if id(OrderedDict) not in memo:
        pickler.write(b"".join(parts))
        parts = []
    parts += [reference(pickler, OrderedDict), _EMPTY, put(memo, hooks)]
    parts += [pickle.TUPLE, put(memo, (storage, hooks))]  # stands for the tuple of arguments
    parts += [pickle.REDUCE, put(memo, tensor)]
    pickler.write(b"".join(parts))


def put(memo: dict, obj: Any) -> bytes:
    """Note what was written, so that it can be referred to."""
    i = len(memo)
    memo[id(obj)] = i, obj
    return b"q%c" % i if i < 256 else pack("<cI", b"r", i)


def reference(pickler: Any, obj: Any) -> bytes:
    """The opcodes of an object: those of a reference, if it was written before. A function or a
    class is written here and now."""
    found = pickler.memo.get(id(obj))
    if found is not None:
        i = found[0]
        return b"h%c" % i if i < 256 else pack("<cI", b"j", i)
    if type(obj) is str:
        text = obj.encode()
        return pack("<cI", b"X", len(text)) + text + put(pickler.memo, obj)
    pickler.save(obj)
    return b""


def numbers(memo: dict, given: tuple) -> bytes:
    """The opcodes of a tuple of whole numbers."""
    n = len(given)
    parts = b"".join([whole(i) for i in given])
    if n > 3:
        return pickle.MARK + parts + pickle.TUPLE + put(memo, given)
    return parts + _TUPLES[n] + put(memo, given) if n else _TUPLES[0]


def whole(n: int) -> bytes:
    """A whole number that is not negative, as the pickler writes it."""
    if n <= 0xFF:
        return b"K%c" % n
    if n <= 0xFFFF:
        return pack("<cH", b"M", n)
    if n <= 0x7FFFFFFF:
        return pack("<ci", b"J", n)
    text = pickle.encode_long(n)
    return pack("<cB", b"\x8a", len(text)) + text
