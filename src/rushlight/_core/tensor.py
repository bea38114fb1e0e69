"""The Tensor cell, the nodes of its history, and nothing that computes."""

import warnings
import weakref
from collections import OrderedDict
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, errors
from rushlight._core.backend import MetaArray
from rushlight._core.extension import Outer
from rushlight._core.gpu import place_of
from rushlight._core.handle import RemovableHandle
from rushlight._core.shape import Size
from rushlight._core.state import InferenceVersion, S, fresh_version, set_grad, thread

new = object.__new__
new_size = tuple.__new__
UNSET = object()
ndarray = np.ndarray


class _TensorMeta(type):
    """``isinstance(x, torch.Tensor)`` is ordinary; the metaclass only keeps the printed name."""

    def __repr__(cls) -> str:
        if cls.__module__.startswith("rushlight._core"):
            home = "torch.nn.parameter" if cls.__qualname__ == "Parameter" else "torch"
            return f"<class '{home}.{cls.__qualname__}'>"
        return type.__repr__(cls)


class Tensor(metaclass=_TensorMeta):
    """A multi-dimensional array whose history autograd can walk.

    ``torch.Tensor(2, 3)`` is an uninitialised float tensor, ``torch.Tensor([3, 4])`` one of these
    values.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (x * x).sum().backward()
    >>> x.grad
    tensor([2., 4.])
    >>> x.shape, x.dtype, x.device
    (torch.Size([2]), torch.float32, device(type='cpu'))
    """

    # _data: the array. _node: what computed it (None: no gradient; Leaf: where one comes to rest).
    # _ver: one-cell version counter, shared with views, made on first need. _view: how to re-derive
    # it from
    # its base, (base, parent view or None, op, params). Unset until needed: _grad, __dict__ (users
    # hang attributes
    # on tensors), and, on views, _seen: the version at which _node was current, or -1 for a view
    # made under no_grad
    # of a tensor with history, which never joins that history.
    __slots__ = ("__dict__", "__weakref__", "_data", "_grad", "_node", "_seen", "_ver", "_view")

    if TYPE_CHECKING:  # methods and operators are attached by surface.py and methods.py
        _data: np.ndarray
        _node: "Node | Leaf | Pick | None"
        _ver: Any  # list[int] or None; a view always has one
        _view: Any  # tuple or None
        _seen: int
        _grad: Any  # a Tensor, None, or an Outer, which becomes a Tensor when `grad` is read
        untyped_storage: Callable[..., Any]
        storage: Callable[..., Any]
        _typed_storage: Callable[..., Any]
        storage_offset: Callable[..., int]
        nelement: Callable[[], int]
        ndimension: Callable[[], int]
        type: Callable[..., Any]
        backward: Callable[..., None]
        _make_subclass: Callable[..., Any]
        __torch_function__: Any
        __array_priority__: int

        def __getattr__(self, name: str) -> Any: ...
        def __getitem__(self, index: Any) -> "Tensor": ...
        def __setitem__(self, index: Any, value: Any) -> None: ...
        def __eq__(self, other: Any) -> "Tensor": ...  # type: ignore[override]  # no bool
        def __ne__(self, other: Any) -> "Tensor": ...  # type: ignore[override]  # no bool
        def __iter__(self) -> Iterator["Tensor"]: ...
        def __len__(self) -> int: ...
        def __float__(self) -> float: ...
        def __int__(self) -> int: ...
        def __index__(self) -> int: ...
        def __hash__(self) -> int: ...
        def __add__(self, other: Any) -> "Tensor": ...
        def __radd__(self, other: Any) -> "Tensor": ...
        def __iadd__(self, other: Any) -> "Tensor": ...
        def __sub__(self, other: Any) -> "Tensor": ...
        def __rsub__(self, other: Any) -> "Tensor": ...
        def __isub__(self, other: Any) -> "Tensor": ...
        def __mul__(self, other: Any) -> "Tensor": ...
        def __rmul__(self, other: Any) -> "Tensor": ...
        def __imul__(self, other: Any) -> "Tensor": ...
        def __truediv__(self, other: Any) -> "Tensor": ...
        def __rtruediv__(self, other: Any) -> "Tensor": ...
        def __itruediv__(self, other: Any) -> "Tensor": ...
        def __floordiv__(self, other: Any) -> "Tensor": ...
        def __mod__(self, other: Any) -> "Tensor": ...
        def __pow__(self, other: Any) -> "Tensor": ...
        def __rpow__(self, other: Any) -> "Tensor": ...
        def __matmul__(self, other: Any) -> "Tensor": ...
        def __and__(self, other: Any) -> "Tensor": ...
        def __or__(self, other: Any) -> "Tensor": ...
        def __xor__(self, other: Any) -> "Tensor": ...
        def __lt__(self, other: Any) -> "Tensor": ...
        def __le__(self, other: Any) -> "Tensor": ...
        def __gt__(self, other: Any) -> "Tensor": ...
        def __ge__(self, other: Any) -> "Tensor": ...
        def __neg__(self) -> "Tensor": ...
        def __invert__(self) -> "Tensor": ...

    @property
    def shape(self) -> Size:
        """The size of each dimension.

        >>> torch.ones(2, 3).shape
        torch.Size([2, 3])
        """
        return new_size(Size, self._data.shape)

    @property
    def ndim(self) -> int:
        """The number of dimensions.

        >>> torch.ones(2, 3).ndim
        2
        """
        return self._data.ndim

    @property
    def dtype(self) -> dtypes.dtype:
        """The type of the elements.

        >>> torch.ones(2).dtype
        torch.float32
        """
        return dtypes.BY_NUMPY[self._data.dtype]

    @property
    def device(self) -> devices.device:
        """Where the elements live.

        >>> torch.ones(2).device
        device(type='cpu')
        """
        kind = type(self._data)
        if kind is ndarray:
            return devices.CPU
        return devices.META if kind is MetaArray else place_of(self._data)

    @property
    def layout(self) -> devices.layout:
        """``torch.strided``.

        >>> torch.ones(2).layout
        torch.strided
        """
        return devices.strided

    @property
    def is_leaf(self) -> bool:
        """True if no operation with a gradient made this tensor.

        >>> w = torch.ones(2, requires_grad=True)
        >>> w.is_leaf, (w * 2).is_leaf
        (True, False)
        """
        n = live_node(self)
        return n is None or type(n) is Leaf

    @property
    def requires_grad(self) -> bool:
        """Whether gradients flow to this tensor.

        >>> w = torch.ones(2, requires_grad=True)
        >>> (w * 2).requires_grad
        True
        """
        return live_node(self) is not None

    @requires_grad.setter
    def requires_grad(self, on: bool) -> None:
        n = live_node(self)
        if on and type(self._ver) is InferenceVersion and not thread.inference:
            raise RuntimeError(
                "Setting requires_grad=True on inference tensor outside InferenceMode is not "
                "allowed."
            )
        if n is not None and type(n) is not Leaf:
            if on:
                return
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want to use a "
                "computed "
                "variable in a subgraph that doesn't require differentiation use var_no_grad = "
                "var.detach()."
            )
        if not on:
            self._node = None
        elif n is None:
            if self._data.dtype not in dtypes.FLOATING_NUMPY:
                raise RuntimeError(
                    "only Tensors of floating point and complex dtype can require gradients"
                )
            self._node = Leaf(self)

    def requires_grad_(self, requires_grad: bool = True) -> "Tensor":
        """Set ``requires_grad`` and return the tensor itself.

        >>> torch.ones(2).requires_grad_()
        tensor([1., 1.], requires_grad=True)
        """
        self.requires_grad = requires_grad
        return self

    @property
    def grad_fn(self) -> "Node | None":
        """The node that computed this tensor, None for a leaf.

        >>> w = torch.ones(2, requires_grad=True)
        >>> (w * 2).grad_fn.name()
        'MulBackward0'
        """
        n: Any = live_node(self)
        if n is None or type(n) is Leaf:
            return None
        return n.node if type(n) is Pick else n

    @property
    def output_nr(self) -> int:
        """Which output of ``grad_fn`` this tensor is.

        >>> low, high = torch.aminmax(torch.ones(2, requires_grad=True))
        >>> high.output_nr
        1
        """
        return self._node.index if type(self._node) is Pick else 0

    @property
    def grad(self) -> "Tensor | None":
        """The gradient accumulated by ``backward``, None before.

        >>> w = torch.ones(2, requires_grad=True)
        >>> (w * 3).sum().backward()
        >>> w.grad
        tensor([3., 3.])
        """
        g: Any = getattr(self, "_grad", UNSET)  # caught here an AttributeError costs 0.5 us
        if g is UNSET:
            if self._node is not None:
                warn_of_no_grad(self)
            return None
        if type(g) is Outer:
            g = self._grad = g.tensor()
        found: Tensor | None = g
        return found

    @grad.setter
    def grad(self, g: "Tensor | None") -> None:
        if g is not None:
            if not isinstance(g, Tensor):
                raise TypeError(
                    "assigned grad expected to be a Tensor or None but got grad of type "
                    f"{type(g).__name__}"
                )
            if g is self:
                raise RuntimeError("can't assign Variable as its own grad")
            if g._data.shape != self._data.shape:
                raise errors.grad_size(g._data.shape, self._data.shape)
            if g._data.dtype != self._data.dtype and not grad_dtype_allows(self, g):
                raise errors.grad_dtype(
                    dtypes.cpp_name(g.dtype), dtypes.scalar_name(self.grad_dtype)
                )
        self._grad = g

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def _version(self) -> int:
        if type(self._ver) is InferenceVersion:
            raise RuntimeError("Inference tensors do not track version counter.")
        return 0 if self._ver is None else self._ver[0]

    @property
    def _base(self) -> "Tensor | None":
        return None if self._view is None else self._view[0]

    @property
    def data(self) -> "Tensor":
        """The same elements without history and with a version counter of their own.

        >>> w = torch.ones(2, requires_grad=True)
        >>> w.data
        tensor([1., 1.])
        """
        return wrap(self._data)

    @data.setter
    def data(self, other: "Tensor") -> None:
        if not isinstance(other, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(other).__name__}")
        self._data = other._data
        n = self._node
        if type(n) is Leaf:
            n.shape, n.dtype = self._data.shape, self._data.dtype


class Parameter(Tensor):
    """Parameter(data=None, requires_grad=True)

    A tensor that a Module registers as its parameter when it is assigned as an attribute.

    >>> p = torch.nn.Parameter(torch.ones(2))
    >>> p
    Parameter containing:
    tensor([1., 1.], requires_grad=True)
    >>> m = torch.nn.Module()
    >>> m.p = p
    >>> [name for name, _ in m.named_parameters()]
    ['p']
    """

    __slots__ = ()

    def __new__(cls, data: Tensor | None = None, requires_grad: bool = True) -> "Parameter":
        of_its_own: Any = getattr(type(data), "_as_parameter", None)
        if of_its_own is not None:  # a subclass that is more than its memory: DTensor
            return of_its_own(data, requires_grad)
        t = new(cls)
        t._ver = fresh_version() if S.inference else None
        t._view = t._node = None
        if data is None:
            t._data = np.empty(0, dtypes.get_default_dtype().numpy)
        else:
            if not isinstance(data, Tensor):
                raise TypeError(f"Parameter data must be a Tensor, not {type(data).__name__}")
            t._data = data._data
            if data._view is not None or data._ver is not None:
                t._ver = cell(data)
        if requires_grad:
            t.requires_grad = True
        return t


class Node:
    """One step of history: which op, where its gradients go (``edges``), what its formulas need
    (``saved``).
    """

    __slots__ = (
        "__weakref__",
        "dtype",
        "edges",
        "hooks",
        "metadata_",
        "op",
        "params",
        "saved",
        "shape",
    )

    def __init__(
        self,
        op: Any,  # a Record, CopySlices, or a user's Function
        edges: tuple,
        saved: Any,
        shape: tuple,
        dtype: np.dtype,
        params: tuple = (),
    ) -> None:
        self.op = op
        self.edges = edges
        self.saved = saved
        self.shape = shape
        self.dtype = dtype
        self.params = params
        self.hooks: list | None = None

    def name(self) -> str:
        """The name PyTorch prints: 'AddBackward0'."""
        name = self.op.grad_name
        return name if type(name) is str else name(self)

    @property
    def next_functions(self) -> tuple:
        """The nodes this one's gradients go to, as (node, output number) pairs."""
        edges: Any = self.edges
        order = getattr(self.op, "edge_order", None)
        if order is not None:
            edges = [edges[i] for i in order if i < len(edges)]
        return tuple(
            (None, 0) if e is None else (e.node, e.index) if type(e) is Pick else (e, 0)
            for e in edges
        )

    @property
    def metadata(self) -> dict:
        """A dictionary for users' notes."""
        try:
            return self.metadata_
        except AttributeError:
            self.metadata_: dict = {}
            return self.metadata_

    def register_hook(self, hook: object) -> "Removable":
        """Call ``hook(grad_inputs, grad_outputs)`` after it; it may return new grad_inputs."""
        return add_hook(self, "post", hook)

    def register_prehook(self, hook: object) -> "Removable":
        """Call ``hook(grad_outputs)`` before this node; it may return new grad_outputs."""
        return add_hook(self, "pre", hook)

    def __repr__(self) -> str:
        return f"<{self.name()} object at {hex(id(self))}>"


class Leaf:
    """Where a gradient comes to rest (PyTorch's AccumulateGrad)."""

    __slots__ = ("__weakref__", "dtype", "hooks", "shape", "tensor")
    edges = ()
    next_functions = ()

    def __init__(self, tensor: Tensor) -> None:
        self.tensor = weakref.ref(tensor)
        self.shape: tuple = tensor._data.shape
        self.dtype: np.dtype | None = tensor._data.dtype  # None: any (grad_dtype)
        self.hooks: list | None = None

    def name(self) -> str:
        """PyTorch's name for it."""
        return "torch::autograd::AccumulateGrad"

    @property
    def variable(self) -> Tensor | None:
        """The leaf tensor."""
        return self.tensor()

    register_hook = Node.register_hook
    register_prehook = Node.register_prehook

    def __repr__(self) -> str:
        return f"<AccumulateGrad object at {hex(id(self))}>"


class Pick:
    """One output of a node with several: passes its gradient on to its place there."""

    __slots__ = ("__weakref__", "dtype", "edges", "hooks", "index", "node", "shape")

    def __init__(self, node: Node, index: int, shape: tuple, dtype: np.dtype) -> None:
        self.node, self.index, self.edges = node, index, (node,)
        self.shape, self.dtype = shape, dtype
        self.hooks: list | None = None

    def name(self) -> str:
        """The name of the node it belongs to."""
        return self.node.name()


class Removable(RemovableHandle):
    """The handle of a hook on a tensor or a node, which keeps its hooks in a list."""

    def __init__(self, owner: Any, entry: tuple) -> None:
        super().__init__(OrderedDict())
        self.owner, self.entry = owner, entry

    def remove(self) -> None:
        """Take the hook out; doing so twice is harmless."""
        if self.owner.hooks and self.entry in self.owner.hooks:
            self.owner.hooks = [h for h in self.owner.hooks if h is not self.entry] or None


def add_hook(node: Any, kind: str, hook: object) -> Removable:
    """Hang a hook on a node: 'tensor' (its output's gradient), 'pre', 'post', 'accumulated'."""
    entry = (kind, hook)
    node.hooks = [*(node.hooks or ()), entry]
    return Removable(node, entry)


class ViewOfSeveral(tuple):
    """The ``_view`` of what split, chunk and unbind return: such views refuse in-place writes."""

    __slots__ = ()


def of_several(view: tuple | None) -> bool:
    """Is this view, or one that it is a view of, one of several that a function returned?"""
    while view is not None:
        if type(view) is ViewOfSeveral:
            return True
        view = view[1]
    return False


def name_of_view(t: Tensor) -> str | None:
    """'Output 1 of Split', for errors; None if the view has no history."""
    n = t._node
    if n is None or type(n) is Leaf:
        return None
    return f"Output {t.output_nr} of {n.name().removesuffix('0').removesuffix('Backward')}"


def replay(view: tuple, t: Tensor) -> Tensor:
    """The view that ``(base, parent view or None, op, params)`` describes, of another tensor shaped
    like the base.
    """
    _, parent, op, params = view
    if parent is not None:
        t = replay(parent, t)
    return op.call(t, *params)


def grad_dtype_allows(t: Tensor, g: Tensor) -> bool:
    """May ``t``, a leaf whose ``grad_dtype`` was set, have this gradient of another dtype?"""
    leaf = t._node
    return type(leaf) is Leaf and (leaf.dtype is None or leaf.dtype == g._data.dtype)


def warn_of_no_grad(t: Tensor) -> None:
    """PyTorch's warning to who asks a tensor in the middle of a graph for its gradient."""
    if type(t._node) in (Node, Pick) and not t.__dict__.get("_retains_grad"):
        warnings.warn(
            "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed. Its "
            ".grad "
            "attribute won't be populated during autograd.backward(). If you indeed want the .grad "
            "field to be populated for a non-leaf Tensor, use .retain_grad() on the non-leaf "
            "Tensor. "
            "If you access the non-leaf Tensor by mistake, make sure you access the leaf Tensor "
            "instead. See github.com/pytorch/pytorch/pull/30531 for more information.",
            UserWarning,
            stacklevel=3,
        )


def wrap(data: Any, node: Any = None) -> Tensor:
    """A tensor around an array."""
    t = new(Tensor)
    t._data = data
    t._node = node
    t._ver = fresh_version() if S.inference else None
    t._view = None
    return t


def live_node(t: Tensor) -> "Node | Leaf | Pick | None":
    """The node of ``t``, re-derived if its base was written to through another alias."""
    v = t._view
    if v is not None and t._seen != t._ver[0] and t._seen >= 0:
        t._seen = t._ver[0]
        if live_node(v[0]) is not None:
            if of_several(v) and thread.grad:
                raise errors.view_written(name_of_view(t), at_base=True, several=True)
            on = thread.grad
            set_grad(True)
            try:
                t._node = replay(v, v[0])._node
            finally:
                set_grad(on)
    return t._node


def check_inference(t: Tensor) -> None:
    """Refuse, outside inference mode, a write to a tensor that was made in it."""
    if type(t._ver) is InferenceVersion and not thread.inference:
        raise errors.inference_write()


def cell(t: Tensor) -> list[int]:
    """The version counter of ``t``, made if there is none."""
    if t._ver is None:
        t._ver = [0]
    return t._ver


def check_version(entry: tuple, node: Any) -> None:
    """Raise if a saved tensor, ``(tensor or cell, data, version)``, was written to since."""
    holder, data, version = entry
    found = holder[0] if type(holder) is list else holder._version
    if found != version:
        name = node.name() if node is not None and type(node) is not Leaf else ""
        raise errors.modified_in_place(data.dtype, data.shape, name, found, version)


PLAIN = {Tensor, Parameter}  # exact types that take the thin entries
