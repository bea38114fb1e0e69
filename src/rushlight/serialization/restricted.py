"""The unpickler of `load(weights_only=True)`: a small machine that can only build data.

It knows the instructions of protocol 2 that checkpoints use, and calls nothing that is not in the
table of names or allowed by the user. Anything else in the file is an UnpicklingError.
"""

import _compat_pickle
import contextlib
import reprlib
import warnings
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterator
from pickle import UnpicklingError, decode_long
from struct import unpack
from typing import BinaryIO

from rushlight._core.shape import Size
from rushlight._core.storage import UntypedStorage
from rushlight._core.tensor import Parameter, Tensor
from rushlight._core.typed_storage import TypedStorage
from rushlight.serialization import safe_globals
from rushlight.serialization.names import TABLE, torch_name

# Modules whose names are never looked up, not even when the user allowed them.
_BLOCKED = frozenset({"sys", "os", "posix", "nt"})
_FULL_NAMES = {".".join(key): obj for key, obj in TABLE.items()}
_TABLE_IDS = frozenset(map(id, TABLE.values()))


_LONGEST_NAME = 1 << 16  # bytes of a module's or a class's name
_PIECE = 1 << 20  # bytes read at a time
_LARGEST_KEY = 10_000  # values in a nested tuple that is a dict's key


# Against files that are small and ask for much ---------------------------------------------------


@contextlib.contextmanager
def damage_explained() -> Iterator[None]:
    """Turn what wrong values in a file make our functions raise into UnpicklingError."""
    try:
        yield
    except _OF_DAMAGE as error:
        text = str(error) or "values of the wrong kind"
        raise UnpicklingError(f"the pickle is damaged: {text}") from None


_OF_DAMAGE = (TypeError, LookupError, AttributeError, ArithmeticError, AssertionError, MemoryError)


def shown(obj: object) -> str:
    """`str(obj)` for a message, cut short where a nested value would be endless."""
    return _SHORT.repr(obj) if isinstance(obj, (tuple, list, dict, set, str, bytes)) else str(obj)


class _Short(reprlib.Repr):
    def repr_instance(self, x: object, level: int) -> str:
        if isinstance(x, (dict, tuple, list, set)):  # a subclass: it would print all it holds
            return f"<{type(x).__name__}>"
        return super().repr_instance(x, level)


_SHORT = _Short()
_SHORT.maxstring = _SHORT.maxother = _SHORT.maxlong = 500


def _check_key(key):
    """UnpicklingError for nested tuples that would take forever, or the whole stack, to hash."""
    waiting, seen = [key], 0
    while waiting:
        item = waiting.pop()
        if isinstance(item, tuple):
            seen += 1 + len(item)
            if seen > _LARGEST_KEY:
                raise UnpicklingError("a key of a dict or set in the pickle is nested too deeply")
            waiting += item


def _refuse_bombs(function, arguments):
    """UnpicklingError for calls that only ask for memory, which no checkpoint makes.

    Storages come from records; a tensor is made from a storage, a bytearray from its content.
    """
    if function in (set, Counter, OrderedDict):
        for items in arguments:
            for item in items if isinstance(items, (list, tuple)) else ():
                pair = function is OrderedDict and isinstance(item, (list, tuple)) and item
                _check_key(item[0] if pair else item)
    elif function is bytearray or (isinstance(function, type) and issubclass(function, _MEMORY)):
        sizes = [a for a in arguments if isinstance(a, (int, Size)) or _is_shape(a)]
        if sizes:
            raise UnpicklingError(
                f"the pickle asks {function.__name__} for memory of size {shown(sizes[0])}, "
                "which is not how tensors are saved"
            )


def _is_shape(argument):
    return isinstance(argument, tuple) and all(isinstance(n, int) for n in argument)


_MEMORY = (Tensor, UntypedStorage, TypedStorage)


class Unpickler:
    """Unpickler(file, *, encoding="bytes")

    Reads one pickle from `file`; `persistent_load` may be set by the caller.
    """

    def __init__(self, file: BinaryIO, *, encoding: str = "bytes") -> None:
        self._file = file
        self._encoding = encoding
        self._memo: dict[int, object] = {}
        self._stack: list = []
        self._below: list[list] = []  # the stacks under the open marks
        self._allowed = safe_globals.by_full_name(_names_of)
        self._allowed_ids = _TABLE_IDS | set(map(id, self._allowed.values()))
        self.persistent_load = _no_persistent_load

    def load(self) -> object:
        """The object the pickle describes; UnpicklingError for what is not allowed or damaged."""
        read, codes = self._file.read, _CODES
        while True:
            code = read(1)
            if not code:
                raise EOFError("Ran out of input")
            if code == b".":
                return self._pop()
            action = codes.get(code)
            if action is None:
                raise UnpicklingError(f"Unsupported operand {code[0]}")
            action(self)

    # Calling what the file names

    def _call(self, function, arguments):
        """The call, where a mistake in our own functions' arguments is a mistake in the file."""
        if id(function) not in _TABLE_IDS:
            return function(*arguments)
        _refuse_bombs(function, arguments)
        with damage_explained():
            return function(*arguments)

    # Reading and the stack

    def _take(self, count):
        data = self._file.read(count) if count < _PIECE else self._take_long(count)
        if len(data) != count:
            raise UnpicklingError("pickle data was truncated")
        return data

    def _take_long(self, count):
        """Piece by piece: a file may ask for more than it has."""
        pieces = []
        while count > 0 and (piece := self._file.read(min(count, _PIECE))):
            pieces.append(piece)
            count -= len(piece)
        return b"".join(pieces)

    def _line(self):
        line = self._file.readline(_LONGEST_NAME)
        if line[-1:] != b"\n":
            raise UnpicklingError("pickle data was truncated")
        return line[:-1].decode("utf-8")

    def _pop(self):
        if not self._stack:
            raise UnpicklingError("unexpected end of the stack; the pickle is damaged")
        return self._stack.pop()

    def _top(self):
        if not self._stack:
            raise UnpicklingError("unexpected end of the stack; the pickle is damaged")
        return self._stack[-1]

    def _since_mark(self):
        if not self._below:
            raise UnpicklingError("could not find MARK")
        items, self._stack = self._stack, self._below.pop()
        return items

    def _last(self, count):
        if len(self._stack) < count:
            raise UnpicklingError("unexpected end of the stack; the pickle is damaged")
        items = self._stack[-count:]
        del self._stack[-count:]
        return items

    # What could do harm

    def _global(self):
        module, name = read_global(self._line)
        full = f"{module}.{name}"
        if module in _BLOCKED:
            raise UnpicklingError(
                f"Trying to load unsupported GLOBAL {full} whose module {module} is blocked."
            )
        if full in _FULL_NAMES:
            self._stack.append(_FULL_NAMES[full])
        elif full in self._allowed:
            self._stack.append(self._allowed[full])
        else:
            raise UnpicklingError(_not_allowed(full))

    def _is_allowed(self, obj):
        return id(obj) in self._allowed_ids

    def _reduce(self):
        function, arguments = self._last(2)
        if not self._is_allowed(function):
            message = f"Trying to call reduce for unrecognized function {shown(function)}"
            if hasattr(function, "__self__"):
                message += f" which belongs to {shown(function.__self__)}"
            raise UnpicklingError(message)
        self._stack.append(self._call(function, arguments))

    def _newobj(self):
        cls, arguments = self._last(2)
        if cls is Parameter:
            self._stack.append(self._call(Parameter, arguments))
        elif isinstance(cls, type) and self._is_allowed(cls):
            with damage_explained():
                _refuse_bombs(cls, arguments)
                self._stack.append(cls.__new__(cls, *arguments))
        elif callable(cls) and self._is_allowed(cls):  # a name rushlight does not support: says so
            self._stack.append(self._call(cls, arguments))
        else:
            raise UnpicklingError(
                "Can only create new object for nn.Parameter or classes allowlisted via "
                f"`add_safe_globals` but got {shown(cls)}"
            )

    def _build(self):
        state, target = self._pop(), self._top()
        if type(target) is Tensor:
            with damage_explained():
                target.set_(*state)
        elif type(target) is OrderedDict:
            with damage_explained():
                target.__dict__.update(state)
        elif type(target) is Parameter or id(type(target)) in _TABLE_IDS:
            with damage_explained():
                _set_state(target, state)
        elif self._is_allowed(type(target)):
            _set_state(target, state)
        else:
            raise UnpicklingError(
                "Can only build Tensor, Parameter, OrderedDict or types allowlisted via "
                f"`add_safe_globals`, but got {type(target)}"
            )

    def _persistent(self):
        pid = self._pop()
        if type(pid) is not tuple and type(pid) is not int:
            raise UnpicklingError(f"persistent_load id must be tuple or int, but got {type(pid)}")
        if type(pid) is tuple and (not pid or pid[0] not in ("storage", b"storage")):
            raise UnpicklingError(
                "Only persistent_load of storage is allowed, but got "
                f"{type(pid[0]) if pid else 'an empty tuple'}"
            )
        self._stack.append(self.persistent_load(pid))

    # Containers

    def _append(self):
        self._extend([self._pop()], "append to")

    def _appends(self):
        self._extend(self._since_mark(), "extend")

    def _extend(self, items, verb):
        target = self._top()
        if type(target) is not list:
            raise UnpicklingError(f"Can only {verb} lists, but got {type(target)}")
        target.extend(items)

    def _set_item(self):
        self._set_pairs(self._last(2), "SETITEM")

    def _set_items(self):
        self._set_pairs(self._since_mark(), "SETITEMS")

    def _set_pairs(self, items, code):
        target = self._top()
        if type(target) not in (dict, OrderedDict, Counter):
            raise UnpicklingError(
                f"Can only {code} for dict, collections.OrderedDict, collections.Counter, but got "
                f"{type(target)}"
            )
        if len(items) % 2:
            raise UnpicklingError(f"odd number of items for {code}")
        with damage_explained():
            for key, value in zip(items[::2], items[1::2], strict=True):
                _check_key(key)
                target[key] = value

    def _mark(self):
        self._below.append(self._stack)
        self._stack = []

    def _tuple_since_mark(self):
        items = tuple(self._since_mark())
        self._stack.append(items)

    # Values

    def _text(self):
        (length,) = unpack("<I", self._take(4))
        self._stack.append(str(self._take(length), "utf-8", "surrogatepass"))

    def _old_text(self):
        data = self._take(self._take(1)[0])
        self._stack.append(data if self._encoding == "bytes" else data.decode(self._encoding))

    def _protocol(self):
        number = self._take(1)[0]
        if number != 2:
            warnings.warn(
                f"Detected pickle protocol {number} in the checkpoint, which was not the default "
                "pickle protocol used by `torch.load` (2). The weights_only Unpickler might not "
                "support all instructions implemented by this protocol, please file an issue for "
                "adding support if "
                "you encounter this.",
                stacklevel=2,
            )

    def _get(self, index):
        if index not in self._memo:
            raise UnpicklingError(f"Memo value not found at index {index}")
        self._stack.append(self._memo[index])

    def _put(self, index):
        self._memo[index] = self._top()


def _pusher(make: Callable) -> Callable:
    """The action that pushes what `make(unpickler)` gives."""

    def action(self):
        value = make(self)
        self._stack.append(value)

    return action


_CODES: dict[bytes, Callable] = {
    b"c": Unpickler._global, b"R": Unpickler._reduce, b"\x81": Unpickler._newobj,
    b"b": Unpickler._build, b"Q": Unpickler._persistent, b"a": Unpickler._append,
    b"e": Unpickler._appends, b"s": Unpickler._set_item, b"u": Unpickler._set_items,
    b"(": Unpickler._mark, b"t": Unpickler._tuple_since_mark, b"X": Unpickler._text,
    b"U": Unpickler._old_text, b"\x80": Unpickler._protocol,
    b"\x85": _pusher(lambda self: tuple(self._last(1))),
    b"\x86": _pusher(lambda self: tuple(self._last(2))),
    b"\x87": _pusher(lambda self: tuple(self._last(3))),
    b"N": _pusher(lambda self: None),
    b"\x88": _pusher(lambda self: True),
    b"\x89": _pusher(lambda self: False),
    b")": _pusher(lambda self: ()),
    b"]": _pusher(lambda self: []),
    b"}": _pusher(lambda self: {}),
    b"\x8f": _pusher(lambda self: set()),
    b"J": _pusher(lambda self: unpack("<i", self._take(4))[0]),
    b"K": _pusher(lambda self: self._take(1)[0]),
    b"M": _pusher(lambda self: unpack("<H", self._take(2))[0]),
    b"G": _pusher(lambda self: unpack(">d", self._take(8))[0]),
    b"\x8a": _pusher(lambda self: decode_long(self._take(self._take(1)[0]))),
    b"h": lambda self: self._get(self._take(1)[0]),
    b"j": lambda self: self._get(unpack("<I", self._take(4))[0]),
    b"q": lambda self: self._put(self._take(1)[0]),
    b"r": lambda self: self._put(unpack("<I", self._take(4))[0]),
}  # fmt: skip


def read_global(read_line: Callable[[], str]) -> tuple[str, str]:
    """The module and name of a GLOBAL instruction, Python 2's names translated."""
    module, name = read_line(), read_line()
    if (module, name) in _compat_pickle.NAME_MAPPING:
        return _compat_pickle.NAME_MAPPING[module, name]
    return _compat_pickle.IMPORT_MAPPING.get(module, module), name


def load(file: BinaryIO, *, encoding: str = "ASCII") -> object:
    """One pickle of plain data from `file`."""
    return Unpickler(file, encoding=encoding).load()


def _no_persistent_load(pid):
    raise UnpicklingError("unsupported persistent id encountered")


def _names_of(obj):
    """The full names of an object: its own, and PyTorch's if it is one of ours."""
    names = [f"{obj.__module__}.{obj.__qualname__}"] if hasattr(obj, "__qualname__") else []
    known = torch_name(obj)
    if known is not None:
        names.append(".".join(known))
    return names


def _not_allowed(full):
    shown = full.removeprefix("builtins.")
    return (
        f"Unsupported global: GLOBAL {shown} was not an allowed global by default. Please use "
        f"`torch.serialization.add_safe_globals([{shown}])` or the "
        f"`torch.serialization.safe_globals([{shown}])` context manager to allowlist this global "
        "if you trust this class/function."
    )


def _set_state(target, state):
    """What BUILD means: the class's own way, else attributes (and slots) from dicts."""
    if hasattr(target, "__setstate__"):
        target.__setstate__(state)
        return
    slots = None
    if isinstance(state, tuple) and len(state) == 2:
        state, slots = state
    if state:
        target.__dict__.update(state)
    for name, value in (slots or {}).items():
        setattr(target, name, value)


# Finding the names a pickle uses, without running it ---------------------------------------------

_OPERANDS = {
    **dict.fromkeys([b"J", b"j", b"r"], 4),
    **dict.fromkeys([b"K", b"h", b"q", b"\x80"], 1),
    b"M": 2,
    b"G": 8,
}


def globals_in(file: BinaryIO) -> set[str]:
    """The full names that the pickle in `file` looks up."""
    scan = Unpickler(file)
    found: set[str] = set()
    while True:
        code = file.read(1)
        if not code:
            raise EOFError("Ran out of input")
        if code == b".":
            return found
        if code == b"c":
            found.add(".".join(read_global(scan._line)))
        elif code == b"X":
            scan._take(unpack("<I", scan._take(4))[0])
        elif code in (b"U", b"\x8a"):
            scan._take(scan._take(1)[0])
        elif code in _CODES:
            scan._take(_OPERANDS.get(code, 0))
        else:
            raise UnpicklingError(f"Unsupported operand {code[0]}")


def allowed_names() -> set[str]:
    """The full names that files may look up."""
    return set(_FULL_NAMES) | set(safe_globals.by_full_name(_names_of))
