"""How an operator is declared: records, families, and what is worked out from them when the class
is made.
"""

import inspect
import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from rushlight._core import arguments, backend, entries, entries_params
from rushlight._core.casting import by_way_of_float32
from rushlight._core.dispatch import write_out
from rushlight._core.errors import backward_twice
from rushlight._core.extension import C
from rushlight._core.record import Record
from rushlight._core.saved_hooks import Packed, restore
from rushlight._core.sparse import SparseArray, wrap_sparse
from rushlight._core.state import grad_enabled
from rushlight._core.tensor import Node, Pick, Tensor, check_version, live_node, wrap

OPS: dict[str, Record] = {}  # every record, by name
PUBLIC: dict[str, dict[str, Callable]] = {}  # namespace -> public name -> function
INPLACE: dict[str, Callable] = {}  # public functions whose X_ is derived by copying


class Meta:
    """A gradient's parameter annotated ``: Meta`` gets this: shape and dtype of a tensor, not its
    storage.
    """

    __slots__ = ("dtype_", "shape")

    def __init__(self, shape: tuple[int, ...], dtype: np.dtype) -> None:
        self.shape, self.dtype_ = shape, dtype

    @property
    def ndim(self) -> int:
        """The number of dimensions."""
        return len(self.shape)

    @property
    def dtype(self) -> arguments.dtypes.dtype:
        """The tensor's dtype object."""
        return arguments.dtypes.BY_NUMPY[self.dtype_]

    def numel(self) -> int:
        """The number of elements."""
        n = 1
        for s in self.shape:
            n *= s
        return n


if C is not None:
    C.set_meta(Meta)


class ufunc:
    """A forward that is one NumPy (or CuPy) ufunc of this name."""

    def __init__(self, name: str) -> None:
        self.name = name


def conj(value: Any) -> Any:
    """The complex conjugate of a Tensor or of a Python number."""
    if isinstance(value, Tensor):
        return value.conj() if value._data.dtype.kind == "c" else value
    return value.conjugate()


class Op:
    """The base of all records; see docs/adding-an-op.md for each attribute."""

    tensors: tuple[str, ...] = ("input",)
    optional: tuple[str, ...] = ()
    outputs: tuple[str, ...] = ()
    named = True
    grads: tuple[str, ...] = ()
    promote: Any = "common"
    promoted: tuple[str, ...] | None = None
    half: str | None = None
    wide: tuple[str, ...] = ()  # outputs that stay float32 where an input (a weight) is float32
    # (dtype, xp, *arrays in float32, *params): where PyTorch's CPU rounds half precision otherwise
    halves: Callable | None = None
    public: tuple[str, ...] = ("torch", "Tensor")
    aliases: tuple[str, ...] = ()
    operator: str | None = None
    domain: Callable | None = (
        None  # (common dtype, dtypes of the inputs): raises where PyTorch does
    )
    check: Callable | None = None  # (*tensors): raises where PyTorch does; not on fast paths
    by_value = False  # the result's shape depends on values: none for meta tensors
    inplace = False
    differentiable = True
    autocast: dict[str, Any] | None = None  # device type -> policy: see _ops/autocast.py
    linear = False
    outer = False  # x Aᵀ of its first two tensors: an optimizer may compute A's gradient gᵀ x
    out_same: bool | str = (
        False  # ``out=`` must have the result's own dtype; "object": says so otherwise
    )
    out_apart = False  # ``out=`` must not share memory with an input
    edge_order: tuple[int, ...] | None = (
        None  # next_functions, where PyTorch's differ from `tensors`
    )
    varargs = False
    variadic = False  # the one tensor argument is a list
    numbers: bool | tuple[str, ...] = (
        True  # Python numbers may stand for tensors: all, none, or those of these names
    )
    of_numbers = False  # numbers alone will do: torch.add(1, 2)
    make_entry: Callable = staticmethod(entries_params.op_entry)

    if TYPE_CHECKING:  # what a subclass writes, and what complete() works out: see Record
        name: str
        return_name: str
        forward: Any
        reference: Callable
        native: Callable | None
        ufunc: str | None
        params: tuple[str, ...]
        arguments: tuple[str, ...]
        defaults: list
        required: list[bool]
        positional: int
        needed: int
        places: dict[Any, int]
        promotes: tuple[bool, ...]
        call: Callable
        run: Callable
        fast: Callable
        finish_view: Callable
        grad_name: Any
        backward: Callable
        keep_for: Callable
        save_plan: Callable
        keep_results: tuple[int, ...]
        grad_outputs: tuple[int, ...]

    def __init_subclass__(cls, family: bool = False) -> None:
        for key, value in list(cls.__dict__.items()):
            if inspect.isfunction(value) and not isinstance(value, staticmethod):
                setattr(cls, key, staticmethod(value))
        if not family:
            complete(cls)


class Unary(Op, family=True):
    """One tensor, element by element."""

    inplace = True
    make_entry = staticmethod(entries.unary_entry)


class Binary(Op, family=True):
    """Two tensors (or a number) that broadcast, element by element."""

    tensors = ("input", "other")
    inplace = True
    make_entry = staticmethod(entries.binary_entry)


class Reduce(Op, family=True):
    """One tensor, over some dimensions."""

    make_entry = staticmethod(entries_params.reduce_entry)


class View(Op, family=True):
    """One tensor, another look at the same memory."""

    promote = "keep"
    half = "native"
    make_entry = staticmethod(entries.view_entry)


class ListOp(Op, family=True):
    """A list of tensors."""

    tensors = ("tensors",)
    variadic = True
    numbers = False


# ---- what is worked out at declaration -----------------------------------------------------------


def snake(name: str) -> str:
    """``LogSoftmax`` -> ``log_softmax``."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def complete(cls: "type[Op]") -> None:
    """Work out an op's arguments, gradient plans, entry and public names."""
    if "name" not in cls.__dict__:
        cls.name = snake(cls.__name__)
    cls.return_name = cls.__dict__.get("return_name", cls.name)
    forward = next(c.__dict__["forward"] for c in cls.__mro__ if "forward" in c.__dict__)
    if isinstance(forward, ufunc):
        complete_ufunc(cls, forward.name)
    else:
        cls.ufunc = None
        cls.half = cls.half or "float32"
        read_signature(cls, forward.__func__ if isinstance(forward, staticmethod) else forward)
    chain_kernel(cls)
    cls.promotes = tuple([cls.promoted is None or t in cls.promoted for t in cls.tensors])
    complete_gradients(cls)
    if "grad_name" not in cls.__dict__:
        cls.grad_name = f"{cls.__name__}Backward0"
    record: Any = cls
    OPS[cls.name] = record
    call: Any = cls.make_entry(record)
    call.__code__ = call.__code__.replace(co_name=cls.name)
    call.__name__ = call.__qualname__ = cls.name
    call.__doc__, call.__module__ = cls.__doc__, "torch"
    call.record = record
    cls.call = staticmethod(call)
    for namespace in cls.public:
        space = PUBLIC.setdefault(namespace, {})
        for name in (cls.name, *cls.aliases):
            space.setdefault(name, call)


def complete_ufunc(cls: "type[Op]", name: str) -> None:
    """A record whose forward is a ufunc, or, in a Reduce, that ufunc's ``reduce``."""
    cls.ufunc = name
    cls.half = cls.half or "native"
    forward: Callable
    if issubclass(cls, Reduce):
        reduce = getattr(np, name).reduce

        def over(xp, x, dim=None, keepdim=False):
            if xp is np:
                return reduce(x, dim, None, None, keepdim)
            return getattr(xp, name).reduce(x, dim, None, None, keepdim)

        forward = over
    elif len(cls.tensors) == 2:

        def of_two(xp, x, y):
            return getattr(xp, name)(x, y)

        forward = of_two
    else:

        def of_one(xp, x):
            return getattr(xp, name)(x)

        forward = of_one
    cls.forward = staticmethod(forward)
    read_signature(cls, forward)


def read_signature(cls: "type[Op]", forward: Callable) -> None:
    """The public arguments: the tensors, then what ``forward`` takes after its arrays."""
    code, count = forward.__code__, len(cls.tensors)
    names = code.co_varnames[1 + count : code.co_argcount]
    keyword = code.co_varnames[code.co_argcount : code.co_argcount + code.co_kwonlyargcount]
    given = forward.__defaults__ or ()
    given = given[max(0, len(given) - len(names)) :]
    defaults = [None] * count + [None] * (len(names) - len(given)) + list(given)
    required = [t not in cls.optional for t in cls.tensors]
    required += [True] * (len(names) - len(given)) + [False] * len(given)
    only = forward.__kwdefaults__ or {}
    cls.params = (*names, *keyword)
    cls.arguments = (*cls.tensors, *cls.params)
    cls.defaults = [*defaults, *[only.get(k) for k in keyword]]
    cls.required = [*required, *[k not in only for k in keyword]]
    cls.positional = count + len(names)
    cls.needed = max(
        (i + 1 for i, r in enumerate(cls.required) if r), default=0
    )  # none is required after these
    cls.places = {n: i for i, n in enumerate(cls.arguments)}
    if keyword:  # called positionally inside: forward's keyword-only params come last
        inner, split = forward, 1 + count + len(names)

        def run(*args):
            return inner(*args[:split], **dict(zip(keyword, args[split:], strict=True)))

        cls.reference = staticmethod(run)
    else:
        cls.reference = staticmethod(forward)


def chain_kernel(cls: "type[Op]") -> None:
    """``run(xp, ...)`` and, for the pointwise entries, ``fast(...)``: a native kernel first if
    there is one.
    """
    plain = getattr(np, cls.ufunc) if cls.ufunc and not issubclass(cls, Reduce) else None
    if plain is not None and C is not None:
        plain = C.threaded(plain)
        if backend.kernel_for(cls.name) is None:
            backend.kernel(cls.name, plain, complete=True)
    if cls.name in backend.direct_halves:
        cls.reference = staticmethod(by_way_of_float32(cls.reference))
    native, reference = backend.kernel_for(cls.name), cls.reference
    cls.native = None if native is None else staticmethod(native)
    if native is None:
        cls.run = staticmethod(reference)
        cls.fast = staticmethod(plain or (lambda *arrays: reference(np, *arrays)))
        return
    plain = plain or (lambda *arrays: reference(np, *arrays))

    def run(xp, *args):
        r = native(*args) if xp is np else NotImplemented
        return reference(xp, *args) if r is NotImplemented else r

    def fast(*arrays):
        r = native(*arrays)
        return plain(*arrays) if r is NotImplemented else r

    cls.run = staticmethod(run)
    # Without the frame in between a small addition takes 0.1 us instead of 0.2 (np.add: 0.35).
    cls.fast = staticmethod(native if backend.is_complete(cls.name) else fast)


# ---- gradients -----------------------------------------------------------------------------------

TENSOR, RESULT, PARAM, NEED, META = range(5)


class Rule:
    """One gradient formula: its function, and where each of its parameters comes from."""

    __slots__ = ("function", "plan")

    def __init__(self, cls: "type[Op]", function: Callable) -> None:
        self.function = function
        code = function.__code__
        names = code.co_varnames[1 : code.co_argcount]
        notes = function.__annotations__
        self.plan = tuple([self.source(cls, n, notes.get(n)) for n in names])

    @staticmethod
    def source(cls: "type[Op]", name: str, note: object) -> tuple[int, int]:
        """(kind, position) of what a parameter of this name gets."""
        if name in cls.tensors:
            return (META if note is Meta else TENSOR), cls.tensors.index(name)
        if name == "result":
            return RESULT, 0
        if name in cls.outputs:
            return RESULT, cls.outputs.index(name)
        if name in cls.params:
            return PARAM, cls.params.index(name)
        if name == "need":
            return NEED, 0
        known = ["g", *cls.tensors, *cls.params, "result", *cls.outputs, "need"]
        raise TypeError(
            f"{cls.__name__}: its gradient asks for '{name}'; it can have {', '.join(known)}"
        )


def complete_gradients(cls: "type[Op]") -> None:
    """Compile the vjp formulas into ``cls.backward(node, g, need)`` and the save plans."""
    single = getattr(cls, "vjp", None)
    rules = [getattr(cls, f"vjp_{t}", None) for t in cls.tensors]
    if len(cls.tensors) == 1 and single is not None:
        rules, single = [single], None
    if single is None and not any(rules):
        if cls.differentiable:
            raise TypeError(
                f"{cls.__name__} has no vjp: write one, or say differentiable = False and why"
            )
        cls.keep_for, cls.keep_results, cls.grad_outputs = (lambda mask: (0,) * len(mask)), (), (0,)
        cls.save_plan = staticmethod(lambda mask: ((), ()))
        cls.backward = staticmethod(lambda node, g, need: (None,) * len(need))
        return
    if not cls.differentiable:
        raise TypeError(f"{cls.__name__} has a vjp but says differentiable = False")
    joint = None if single is None else Rule(cls, single)
    compiled = [None if r is None else Rule(cls, r) for r in rules]
    used = [joint] if joint else [r for r in compiled if r is not None]
    cls.keep_results = tuple(sorted({i for r in used for kind, i in r.plan if kind == RESULT}))
    cls.grad_outputs = tuple([cls.outputs.index(o) for o in cls.grads]) or (0,)
    cls.keep_for = save_planner(len(cls.tensors), joint, compiled)
    cls.save_plan = staticmethod(save_places(cls.keep_for))
    cls.backward = staticmethod(compile_backward(cls, joint, compiled))


def save_planner(count: int, joint: Rule | None, rules: list[Rule | None]) -> Callable:
    """A function from which inputs need a gradient to how each is saved: 0 no, 1 its meta, 2 the
    tensor.
    """
    cache: dict[tuple, tuple] = {}

    def keep_for(mask):
        found = cache.get(mask)
        if found is None:
            chosen = [joint] if joint else [r for r, m in zip(rules, mask, strict=False) if m and r]
            how = [0] * count
            for rule in chosen:
                for kind, i in rule.plan:
                    if kind in (TENSOR, META):
                        how[i] = max(how[i], 2 if kind == TENSOR else 1)
            found = cache[mask] = tuple(how)
        return found

    return keep_for


def save_places(keep_for: Callable) -> Callable:
    """The same by place: which inputs are saved whole, and which only described."""
    cache: dict[tuple, tuple] = {}

    def save_plan(mask):
        found = cache.get(mask)
        if found is None:
            how = keep_for(mask)
            found = cache[mask] = tuple(
                [tuple([i for i, h in enumerate(how) if h == kind]) for kind in (2, 1)]
            )
        return found

    return save_plan


def fetch(node: Node, plan: tuple, need: object, count: int) -> list:
    """The values of a formula's parameters, from what the node saved."""
    saved = node.saved
    if saved is None:
        raise backward_twice()
    values = []
    for kind, i in plan:
        if kind == TENSOR:
            values.append(unpack(saved[i], node, i))
        elif kind == PARAM:
            values.append(node.params[i])
        elif kind == META:
            values.append(unpack_meta(saved[i]))
        elif kind == RESULT:
            values.append(unpack_result(node, i, count))
        else:
            values.append(need)
    return values


def unpack(entry: tuple | None, node: Node, i: int) -> object:
    """A saved input as the tensor it was, with its place in the graph; checks its version."""
    if entry is None:
        return None
    if len(entry) == 1:
        value = entry[0]
        if type(value) is list:  # a ListOp's tensors
            edges = iter(node.edges)
            return [unpack_item(e, next(edges)) for e in value]
        return value
    return unpack_item(entry, node.edges[i])


def unpack_item(entry: Any, edge: object) -> object:
    if entry is None or len(entry) == 1:
        return None if entry is None else entry[0]
    if len(entry) == 2:
        return Meta(*entry)
    if len(entry) == 4:
        return restore(entry, edge)
    t, data, _ = entry
    if t._version != entry[2]:
        check_version(entry, edge)
    if t._data is data and live_node(t) is edge:
        return t
    return wrap_sparse(data, edge) if type(data) is SparseArray else wrap(data, edge)


def unpack_meta(entry: tuple | None) -> object:
    """Shape and dtype of a saved input, however much of it was kept."""
    if entry is None or (len(entry) == 1 and type(entry[0]) is not list):
        value = None if entry is None else entry[0]
        return None if value is None else Meta((), np.result_type(value))
    if len(entry) == 1:
        return [unpack_meta(e) for e in entry[0]]
    if len(entry) == 2:
        return Meta(*entry)
    if len(entry) == 4:
        return Meta(*entry[2:])
    return Meta(entry[1].shape, entry[1].dtype)


def unpack_result(node: Node, i: int, count: int) -> Tensor | None:
    """A saved output, with this node as its history."""
    op = node.op
    entry = node.saved[count + op.keep_results.index(i)]
    if type(entry) is Packed:
        data = restore(entry, None)._data
    else:
        if entry[0][0] != entry[2]:
            check_version(entry, node)
        data = entry[1]
    if i not in op.grad_outputs:
        return wrap(data)
    if len(op.grad_outputs) == 1:
        return wrap(data, node)
    return wrap(data, Pick(node, i, data.shape, data.dtype))


def compile_backward(cls: "type[Op]", joint: Rule | None, rules: list[Rule | None]) -> Callable:
    """``(node, g, need) -> gradients of the inputs``; what feeds what is settled here, once."""
    python = python_backward(cls, joint, rules)
    if C is None or cls.variadic:
        return python
    used: list[Any] = [joint] if joint is not None else rules
    functions = tuple([r and r.function for r in used])
    plans = tuple([r and r.plan for r in used])
    several = len(cls.grad_outputs) > 1 or cls.keep_results not in ((), (0,)) or bool(cls.outputs)
    if cls.outer:
        C.set_outer(cls)
    return C.backward(len(cls.tensors), several, joint is not None, functions, plans, python)


def python_backward(cls: "type[Op]", joint: Rule | None, rules: list[Rule | None]) -> Callable:
    """What C++'s twin does, and what it leaves to Python."""
    count = len(cls.tensors)
    if joint is not None:
        return lambda node, g, need: joint.function(g, *fetch(node, joint.plan, need, count))
    if count == 1:
        rule: Any = rules[0]
        function, plan, variadic = rule.function, rule.plan, cls.variadic
        if variadic:
            return lambda node, g, need: function(g, *fetch(node, plan, need, count))
        if not plan:
            return lambda node, g, need: (function(g),)
        return lambda node, g, need: (function(g, *fetch(node, plan, need, count)),)

    def backward(node, g, need):
        return [
            r.function(g, *fetch(node, r.plan, need, count)) if wanted and r is not None else None
            for r, wanted in zip(rules, need, strict=True)
        ]

    return backward


# ---- composites ----------------------------------------------------------------------------------


def public(
    *namespaces: str, out: bool | str = True, inplace: bool = False, aliases: tuple[str, ...] = ()
) -> Callable:
    """Give a plain function on Tensors its public names; ``out=`` and ``X_`` are derived."""

    def register(function):
        code = function.__code__
        names = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        renamed = {
            new: old for new, old in arguments.ALIASES.items() if old in names and new not in names
        }
        own_out = "out" in names
        shown = (
            with_out(function, renamed, False if own_out else out)
            if renamed or (out and not own_out)
            else function
        )
        for namespace in namespaces or ("torch", "Tensor"):
            space = PUBLIC.setdefault(namespace, {})
            for name in (function.__name__, *aliases):
                if name in space:
                    raise TypeError(f"{namespace}.{name} is defined twice")
                space[name] = shown
        if inplace:
            for name in (function.__name__, *aliases):
                INPLACE[name] = function
        return function

    return register


def with_out(function: Callable, renamed: dict[str, str], out: bool | str) -> Callable:
    """The function with NumPy's keyword spellings and, if asked, an ``out=`` argument.

    ``out="same"``: it must have the result's own dtype.
    """
    name, same = function.__name__, out == "same"

    def call(*args, **kw):
        if not kw:
            return function(*args)
        target = kw.pop("out", None) if out else None
        for key in renamed.keys() & kw.keys():
            kw[renamed[key]] = kw.pop(key)
        result = function(*args, **kw)
        if target is None:
            return result
        if not isinstance(result, tuple):
            return write_out(name, result, target, same, args if same else ())
        if len(target) != len(result):
            raise TypeError(f"{name}(): expected {len(result)} tensors in 'out', got {len(target)}")
        written = [write_out(name, r, o, same) for r, o in zip(result, target, strict=True)]
        return tuple.__new__(type(result), written)

    shown: Any = call
    shown.__name__ = shown.__qualname__ = name
    shown.__doc__, shown.__module__, shown.__wrapped__ = function.__doc__, "torch", function
    if C is None:
        return shown
    return C.through(shown, function, (*(("out",) if out else ()), *renamed), False)


__all__ = [
    "OPS",
    "PUBLIC",
    "Binary",
    "ListOp",
    "Meta",
    "Op",
    "Reduce",
    "Unary",
    "View",
    "conj",
    "grad_enabled",
    "public",
    "ufunc",
]
