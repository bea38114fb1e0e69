"""torch.autograd.Function: operators of users, with a forward and a backward of their own."""

import importlib
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import errors, gpu
from rushlight._core.inplace import bump, rebase
from rushlight._core.saved_hooks import pack, restore
from rushlight._core.state import grad_enabled, set_grad, thread
from rushlight._core.tensor import Leaf, Node, Pick, Tensor, cell, live_node, wrap

__all__ = ["Function", "FunctionCtx", "once_differentiable"]


class FunctionCtx:
    """What a Function's forward leaves for its backward.

    ``save_for_backward`` and ``save_for_forward`` keep tensors (``saved_tensors``), ``mark_dirty``
    names inputs that were written to, ``mark_non_differentiable`` outputs without a gradient;
    ``needs_input_grad`` has one bool per input; anything else is an attribute.

    >>> class Cube(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x**3
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         (x,) = ctx.saved_tensors
    ...         return 3 * x**2 * g
    >>> x = torch.tensor(2.0, requires_grad=True)
    >>> Cube.apply(x).backward()
    >>> x.grad
    tensor(12.)
    """

    def __init__(self) -> None:
        self.to_save: tuple = ()
        self.for_forward: tuple = ()  # what a jvp will need
        self.given: tuple | None = None  # instead of what was saved: inside a generated rule
        self.dirty: tuple = ()
        self.not_differentiable: tuple = ()
        self.materialize = True
        self.needs_input_grad: tuple[bool, ...] = ()
        self._entries: tuple | None = None
        self._node: Node | None = None

    def save_for_backward(self, *tensors: Tensor | None) -> None:
        """Keep tensors for backward, where ``ctx.saved_tensors`` gives them back. Called once, in
        forward.
        """
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    f"save_for_backward can only save variables, but argument {tensors.index(t)} "
                    "is of type "
                    f"{type(t).__name__}"
                )
        self.to_save = tensors

    def save_for_forward(self, *tensors: Tensor) -> None:
        """Keep tensors for the Function's jvp, where ``ctx.saved_tensors`` gives them."""
        for t in tensors:
            if t is not None and not isinstance(t, Tensor):
                raise TypeError(
                    "save_for_forward can only save tensors, but argument "
                    f"{tensors.index(t)} is of type {type(t)}, not torch.Tensor."
                )
        self.for_forward = tensors

    def mark_dirty(self, *args: Tensor) -> None:
        """Say that forward modified these inputs in place."""
        self.dirty = args

    def mark_non_differentiable(self, *args: Tensor) -> None:
        """Say that these outputs carry no gradient."""
        self.not_differentiable = args

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (True) or None for outputs without a gradient."""
        self.materialize = value

    @property
    def saved_tensors(self) -> tuple[Tensor | None, ...]:
        """What forward saved; RuntimeError if it was modified in place or freed since."""
        if self.given is not None:
            return self.given
        if self._entries is None:
            raise errors.backward_twice()
        return tuple([self._unpack(e) for e in self._entries])

    @property
    def forward_tensors(self) -> tuple[Tensor | None, ...]:
        """What was saved for the jvp."""
        return self.for_forward

    def _unpack(self, entry: tuple | None) -> Tensor | None:
        if entry is None:
            return None
        if len(entry) == 2:
            return restore(entry[0], entry[1]())
        t, data, version, node, output = entry
        found = t._version if output is None else output[0]
        if found != version:
            raise errors.modified_in_place(data.dtype, data.shape, "", found, version)
        if (
            output is not None
        ):  # an output: made again around its array, so that no cycle keeps it alive
            return wrap(data, node())
        return t if t._data is data and live_node(t) is node else wrap(data, node)

    def name(self) -> str:
        """The name of the node: 'MyFunctionBackward'."""
        node: Any = self._node
        return node.name()


class _Op:
    """What the engine sees of one call of a Function."""

    grad_outputs: tuple[int, ...] = ()

    def __init__(
        self, ctx: FunctionCtx, function: "type[Function]", count: int, outputs: list
    ) -> None:
        self.ctx, self.function, self.count = ctx, function, count
        self.grad_name = f"{function.__name__}Backward"
        self.outputs = outputs  # (shape, NumPy dtype) of each output
        self.grad_outputs = tuple(range(len(outputs))) if len(outputs) > 1 else ()

    def release(self) -> None:
        """Forget what forward saved."""
        if self.ctx._entries:
            self.ctx._entries = None

    def backward(self, node: Node, g: object, need: list) -> list:
        """Call the user's backward and check what it returned."""
        ctx = self.ctx
        grads: Any = g if type(g) is tuple else (g,)
        if ctx.materialize:
            like = next((x._data for x in grads if x is not None), None)
            grads = [
                zeros(like, *o) if x is None else x
                for x, o in zip(grads, self.outputs, strict=True)
            ]
        result = self.function.backward(ctx, *grads)
        result = result if isinstance(result, tuple) else (result,)
        if len(result) > self.count and all(r is None for r in result[self.count :]):
            result = result[: self.count]
        if len(result) != self.count:
            raise RuntimeError(
                f"function {self.grad_name} returned an incorrect number of gradients (expected "
                f"{self.count}, "
                f"got {len(result)})"
            )
        for i, r in enumerate(result):
            if r is not None and not isinstance(r, Tensor):
                raise TypeError(
                    f"function {self.grad_name} returned a {type(r).__name__}: expected Variable "
                    "or None"
                )
            if r is not None and node.edges[i] is not None:
                self.check_gradient(i, r, node.edges[i])
        return list(result)

    def check_gradient(self, i: int, g: Tensor, edge: Any) -> None:
        """Refuse a gradient that cannot be summed to its input's shape, or is elsewhere."""
        shape, wanted = g._data.shape, edge.shape
        lead = len(shape) - len(wanted)
        if shape != wanted and (
            lead < 0 or any(w not in (1, s) for s, w in zip(shape[lead:], wanted, strict=True))
        ):
            raise RuntimeError(
                f"Function {self.grad_name} returned an invalid gradient at index {i} - got "
                f"{list(shape)} but expected shape compatible with {list(wanted)}"
            )


def zeros(like: Any, shape: tuple, dtype: np.dtype) -> Tensor:
    """A zero gradient, on the device of the others."""
    return wrap(gpu.made_beside(like, "zeros", shape, dtype))


def overridable(method: Any) -> Any:
    """To mypy, what users override takes whatever they like."""
    return method


class Function:
    """Base class of operators with a gradient of their own.

    Define ``forward(ctx, *args)`` and ``backward(ctx, *grads)`` as static methods, or
    ``forward(*args)`` and
    ``setup_context(ctx, inputs, output)``; call it by ``apply``.

    >>> class Double(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = torch.ones(1, requires_grad=True)
    >>> Double.apply(x).backward(); x.grad
    tensor([2.])
    """

    def __init__(self, *args: object, **kw: object) -> None:
        raise RuntimeError(
            f"{type(self)} should not be instantiated. Methods on autograd functions are all "
            "static, so you should "
            "invoke them on the class itself. Instantiating an autograd function will raise an "
            "error in a future "
            "version of PyTorch."
        )

    @staticmethod
    @overridable
    def forward(*args: object, **kw: object) -> object:
        """To be defined: compute the result."""
        raise NotImplementedError(
            "You must implement the forward function for custom autograd.Function."
        )

    @staticmethod
    @overridable
    def setup_context(ctx: FunctionCtx, inputs: tuple, output: object) -> None:
        """To be defined where forward takes no ctx: keep what backward needs."""
        raise NotImplementedError("setup_context is not implemented.")

    @staticmethod
    @overridable
    def backward(ctx: FunctionCtx, *grad_outputs: object) -> object:
        """To be defined: the gradients of the inputs."""
        raise NotImplementedError(
            "You must implement either the backward or vjp method for your custom "
            "autograd.Function to use it with "
            "backward mode AD."
        )

    @staticmethod
    @overridable
    def jvp(ctx: FunctionCtx, *grad_inputs: object) -> object:
        """To be defined for forward mode: the outputs' tangents from those of the inputs."""
        raise NotImplementedError(
            "You must implement the jvp function for custom autograd.Function to use it with "
            "forward mode AD."
        )

    @staticmethod
    @overridable
    def vmap(info: Any, in_dims: tuple, *args: object) -> object:
        """To be defined for vmap: ``(output, out_dims)`` of inputs whose dimensions ``in_dims`` are
        mapped over; ``info`` has ``batch_size`` and ``randomness``.
        """
        raise NotImplementedError(
            "To use autograd.Function with vmap, you must either override the vmap staticmethod or "
            "set generate_vmap_rule=True."
        )

    generate_vmap_rule = False  # True: forward, backward and jvp are vmapped themselves

    def __init_subclass__(cls, **kw: object) -> None:
        super().__init_subclass__(**kw)
        if "vjp" in cls.__dict__ and "backward" not in cls.__dict__:
            made: Any = cls
            made.backward = made.vjp

    @classmethod
    def apply(cls, *args: Any, **kw: Any) -> Any:
        """Compute the function on tensors and other arguments, recording its backward."""
        if thread.levels:  # vmap or jvp, which are loaded when they are first used
            levels = importlib.import_module("rushlight.autograd.function_levels")
            found = levels.apply(cls, args, kw)
            if found is not NotImplemented:
                return found
        return cls.apply_with(None, *args, **kw)

    @classmethod
    def apply_with(cls, contexts: list | None, *args: Any, **kw: Any) -> Any:
        """``apply`` on tensors without a level; the ctx is put into ``contexts``."""
        if contexts is not None and thread.levels:
            levels = importlib.import_module("rushlight.autograd.function_levels")
            if levels.top_level(args) is not None:
                raise NotImplementedError(
                    "a jvp of an autograd.Function inside vmap or another jvp is not supported: "
                    "write the function with PyTorch's operators"
                )
        ctx = new_context(cls)
        nodes = [live_node(a) if isinstance(a, Tensor) else None for a in args]
        recording = grad_enabled() and any(n is not None for n in nodes)
        ctx.needs_input_grad = tuple([recording and n is not None for n in nodes])
        output = run_forward(cls, ctx, args, kw)
        if contexts is not None:
            contexts.append(ctx)
        return finish(cls, ctx, args, nodes, output, recording)


def finish(
    cls: type[Function],
    ctx: FunctionCtx,
    args: tuple,
    nodes: list,
    output: Any,
    recording: bool = True,
) -> Any:
    """The outputs of a Function as its results, with their history."""
    outputs = output if isinstance(output, tuple) else (output,)
    results = tuple([adopt(o, args, ctx, nodes, recording) for o in outputs])
    if recording:
        record(cls, ctx, args, nodes, results)
    elif ctx.for_forward or ctx.to_save:
        ctx._entries = tuple([save(t, ()) for t in ctx.to_save or ctx.for_forward])
    return results if isinstance(output, tuple) else results[0]


class without_history:
    """A context in which none is recorded."""

    def __enter__(self) -> None:
        self.before = thread.grad
        set_grad(False)

    def __exit__(self, *exc: object) -> None:
        set_grad(self.before)


class _Context(FunctionCtx):
    """The ctx of a call; methods users call on it are those above."""

    _function: type[Function]


def new_context(cls: type[Function]) -> FunctionCtx:
    ctx = _Context()
    ctx._function = cls
    return ctx


def run_forward(cls: type[Function], ctx: FunctionCtx, args: tuple, kw: dict) -> object:
    """The user's forward, with history off."""
    before = thread.grad
    set_grad(False)
    try:
        if cls.setup_context is not Function.setup_context:
            output = cls.forward(*args, **kw)
            cls.setup_context(ctx, args, output)
            return output
        return cls.forward(ctx, *args, **kw)
    finally:
        set_grad(before)


def is_one_of(t: object, group: tuple) -> bool:
    """Membership by identity."""
    return any(t is x for x in group)


def adopt(o: object, args: tuple, ctx: FunctionCtx, nodes: list, recording: bool) -> object:
    """An output as a tensor of its own: an input returned as it is becomes a view of itself."""
    if not isinstance(o, Tensor):
        return o
    if is_one_of(o, ctx.dirty):
        bump(o)
        return o
    if is_one_of(o, args):
        made = wrap(o._data)
        made._ver = cell(o)
        return made
    if recording and live_node(o) is not None:
        made = wrap(o._data)
        made._ver = cell(o)
        return made
    return o


def record(cls: type[Function], ctx: FunctionCtx, args: tuple, nodes: list, results: tuple) -> None:
    """Give the outputs of a Function their history."""
    tensors = [r for r in results if isinstance(r, Tensor)]
    described = [
        (r._data.shape, r._data.dtype) if isinstance(r, Tensor) else ((), "f4") for r in results
    ]
    op = _Op(ctx, cls, len(args), described)
    first = tensors[0]._data if tensors else None
    if first is None:
        return
    node = Node(op, tuple(nodes), (), first.shape, first.dtype)
    ctx._node = node
    for i, r in enumerate(results):
        if not isinstance(r, Tensor) or r._data.dtype.kind not in "fcV":
            continue
        if is_one_of(r, ctx.not_differentiable) or shares_mark(r, ctx.not_differentiable):
            continue
        if is_one_of(r, ctx.dirty):
            mark_dirty_leaf(r)
            rebase(r, node)
        else:
            r._node = node if len(results) == 1 else Pick(node, i, r._data.shape, r._data.dtype)
    ctx._entries = tuple([save(t, results) for t in ctx.to_save])


def mark_dirty_leaf(r: Tensor) -> None:
    """A leaf that requires grad cannot be written to by a Function either."""
    if type(live_node(r)) is Leaf:
        raise errors.leaf_marked_dirty()


def shares_mark(r: Tensor, marked: tuple) -> bool:
    """Was this output adopted from one marked non-differentiable?"""
    return any(isinstance(m, Tensor) and m._data is r._data for m in marked)


def save(t: Tensor | None, results: tuple) -> tuple | None:
    """A saved tensor with its version; outputs are kept as arrays."""
    if t is None:
        return None
    if thread.saved_hooks:
        n = next((r._node for r in results if isinstance(r, Tensor) and r is t), live_node(t))
        return (pack(t), lambda n=n: n)
    for r in results:
        if isinstance(r, Tensor) and r._data is t._data and live_node(r) is not None:
            c = cell(r)
            node = r._node
            return (None, r._data, c[0], (lambda n=node: n), c)
    return (t, t._data, t._version, live_node(t), None)


def once_differentiable(function: Callable) -> Callable:
    """Decorator of a backward whose gradients have no history: differentiating twice raises.

    >>> class Square(torch.autograd.Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         ctx.save_for_backward(x)
    ...         return x * x
    ...     @staticmethod
    ...     @torch.autograd.function.once_differentiable
    ...     def backward(ctx, g):
    ...         return 2 * ctx.saved_tensors[0] * g
    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(Square.apply(x), x)
    (tensor(6.),)
    """

    def backward(ctx: FunctionCtx, *args: object) -> object:
        recording = grad_enabled() and any(isinstance(a, Tensor) and a.requires_grad for a in args)
        before = thread.grad
        set_grad(False)
        try:
            result = function(ctx, *args)
        finally:
            set_grad(before)
        if not recording:
            return result
        several = result if isinstance(result, tuple) else (result,)
        edges = tuple([live_node(a) if isinstance(a, Tensor) else None for a in args])
        wrapped = tuple([block(r, edges) if isinstance(r, Tensor) else r for r in several])
        return wrapped if isinstance(result, tuple) else wrapped[0]

    return backward


class DelayedError:
    """The node of a gradient that cannot be differentiated again."""

    grad_name = "torch::autograd::Error"
    grad_outputs = (0,)

    @staticmethod
    def backward(node: Node, g: Tensor, need: list) -> list:
        """Always an error."""
        raise RuntimeError(
            "trying to differentiate twice a function that was marked with @once_differentiable"
        )


def block(r: Tensor, edges: tuple) -> Tensor:
    """A tensor whose history ends in an error."""
    return wrap(r._data, Node(DelayedError, edges, (), r._data.shape, r._data.dtype))
