"""Reverse mode: walk the nodes backwards and let each op's own formulas, which are Tensor code, do
the work.
"""

import importlib
import sys
import warnings
from collections.abc import Sequence
from typing import Any

import numpy as np

from rushlight._core import dtypes
from rushlight._core.extension import C
from rushlight._core.gpu import copied, made_beside
from rushlight._core.once import warn_once
from rushlight._core.sparse import SparseArray, SparseTensor, wrap_sparse
from rushlight._core.state import set_grad, thread
from rushlight._core.tensor import Leaf, Node, Pick, Tensor, live_node, wrap


def topological(roots: list, wanted: Any) -> tuple[list, set | None]:
    """Nodes in an order in which each comes after all it passes gradients to, and those worth
    visiting.

    ``wanted`` (a set; None: all) are nodes whose gradients are asked for; worth visiting are those
    that lead to one.
    """
    if C is not None and wanted is None:
        return C.topological(roots), None
    order: list = []
    seen: set = set()
    useful: set | None = None if wanted is None else set()
    for root in roots:  # one after the other: a root may lead to another one
        stack = [] if root in seen else [(root, iter(root.edges))]
        seen.add(root)
        while stack:
            node, edges = stack[-1]
            for e in edges:
                if e is not None and e not in seen:
                    seen.add(e)
                    stack.append((e, iter(e.edges)))
                    break
            else:
                stack.pop()
                order.append(node)
                if useful is not None and (node in wanted or any(e in useful for e in node.edges)):
                    useful.add(node)
    return order, useful


def sum_to(g: Tensor, shape: tuple[int, ...]) -> Tensor:
    """A gradient summed down to the shape of an input that was broadcast."""
    lead = g.ndim - len(shape)
    if lead < 0:
        return g.expand(shape)
    have = g.shape
    dims = tuple(range(lead)) + tuple(
        [i + lead for i, s in enumerate(shape) if s == 1 and have[i + lead] != 1]
    )
    if dims:
        g = g.sum(dims, True)
    return g.reshape(shape)


def fit(g: Tensor, target: Any) -> Tensor:
    """A gradient in the shape and dtype of what it belongs to."""
    x = g._data
    if x.dtype is not target.dtype and x.dtype != target.dtype and target.dtype is not None:
        if x.dtype.kind == "c" and target.dtype.kind != "c":
            g = g.real
        g = g.to(dtypes.BY_NUMPY[target.dtype])
    if x.shape != target.shape:
        g = sum_to(g, target.shape)
    return g


class Task:
    """One walk backwards, for hooks that ask which walk it is and what it will reach."""

    traced = False  # does any hook ask for the latter? The order is consumed by the walk

    def __init__(self, order: list, useful: set | None) -> None:
        self.useful = useful
        self.order = frozenset(order) if Task.traced else None
        self.at_end: list = []  # functions to call when the walk has come to its end

    def visits(self, n: object) -> bool:
        """Does a gradient arrive at this node?"""
        if self.useful is not None and n not in self.useful:
            return False
        return self.order is None or n in self.order


def queue_callback(call: Any) -> None:
    """Call a function when the walk backwards that is under way has come to its end."""
    task = thread.backward
    if not isinstance(task, Task):
        raise RuntimeError("Final callbacks can only be installed during backward pass.")
    task.at_end.append(call)


def trace_tasks() -> None:
    """From now on each walk remembers what it visits."""
    Task.traced = True


def run(
    roots: list,
    grads: list,
    *,
    wanted: dict | None = None,
    retain: bool = False,
    create: bool = False,
    accumulate: bool = True,
) -> dict:
    """Send ``grads`` back from the ``roots``; returns the gradients that arrived at ``wanted``
    nodes.

    Leaves accumulate into ``.grad`` unless ``accumulate`` is False. ``create``: gradients have
    history themselves.
    """
    pending: dict = {}
    for n, g in zip(roots, grads, strict=True):
        pending[n] = joined(pending[n], g) if n in pending else g
    unique = list(pending)
    order, useful = topological(unique, None if wanted is None else set(wanted))
    found: dict = {}

    def visit(n, g):
        kind = type(n)
        if n.hooks is not None and kind is not Node:
            g = run_hooks(n, g, "tensor")
        if kind is Leaf:
            if wanted is not None and n in wanted:
                found[n] = g
            if accumulate and (wanted is None or n in wanted):
                settle(n, g, create)
        elif kind is Pick:
            if wanted is not None and n in wanted:
                found[n] = g
            slots = pending.get(n.node)
            if slots is None:
                slots = pending[n.node] = {}
            old = slots.get(n.index)
            slots[n.index] = g if old is None else joined(old, g)
        else:
            step(n, g, pending, useful, wanted, found, retain)

    before, outer = thread.grad, thread.backward
    thread.backward = task = Task(order, useful)
    set_grad(create)
    try:
        if C is not None and wanted is None and accumulate and thread.anomaly is None:
            C.walk(order, pending, (visit, fit, joined, settle, release), retain, create)
        while order:
            n = order.pop()
            g = pending.pop(n, None)
            if g is not None and (useful is None or n in useful):
                visit(n, g)
        for call in task.at_end:
            call()
    finally:
        set_grad(before)
        thread.backward = outer
    return found


def step(
    n: Node,
    g: Any,
    pending: dict,
    useful: Any,
    wanted: dict | None,
    found: dict,
    retain: bool,
) -> None:
    """One node: hooks, its formulas, its inputs' gradients put with what is pending for them."""
    op, edges = n.op, n.edges
    if type(g) is dict:  # several outputs
        g = tuple([g.get(i) for i in op.grad_outputs]) if op.grad_outputs else g
    if n.hooks is not None:
        g = run_hooks(n, g, "tensor")
        g = run_pre_hooks(n, g)
    if wanted is not None:
        if n in wanted:
            found[n] = g
        need = [e is not None and e in useful for e in edges]
        if True not in need:
            return
    else:
        need = [e is not None for e in edges]
    gs = op.backward(n, g, need) if thread.anomaly is None else checked_backward(n, g, need)
    if n.hooks is not None:
        gs = run_post_hooks(n, g, gs)
    if not retain:
        release(n)
    for e, ge, w in zip(edges, gs, need, strict=False):
        if not w or ge is None:
            continue
        x = ge._data
        if x.shape != e.shape or x.dtype is not e.dtype:
            ge = fit(ge, e)
        old = pending.get(e)
        pending[e] = ge if old is None else joined(old, ge)


def release(n: Node) -> None:
    """Drop saved tensors after use; nodes that saved none may be walked again."""
    for entry in n.saved:
        if entry is not None and (len(entry) > 2 or (len(entry) == 1 and type(entry[0]) is list)):
            n.saved = None
            return
    if n.saved == () and hasattr(n.op, "release"):  # a user's Function keeps its own
        n.op.release()


def settle(leaf: Leaf, g: Tensor, create: bool) -> None:
    """Add a gradient to a leaf's ``.grad``."""
    t = leaf.tensor()
    if t is None:
        return
    old = t.grad
    if old is None:
        t._grad = g if create else owned(g)
    elif create or type(old) is SparseTensor:
        t._grad = joined(old, g)
    else:
        old.add_(g)
    if leaf.hooks is not None:
        for kind, hook in leaf.hooks:
            if kind == "accumulated":
                hook(t)


def joined(old: Tensor, g: Tensor) -> Tensor:
    """The sum of two gradients; of a sparse and a dense one it is dense."""
    return old + g if type(old) is not SparseTensor else g + old


def owned(g: Tensor) -> Tensor:
    """``g`` itself if nobody else can see its memory, else a copy."""
    x: Any = g._data
    if type(x) is SparseArray:
        return wrap_sparse(x)
    if type(x) is not np.ndarray:  # of a device, or seen through vmap or jvp
        return wrap(copied(x))
    # Four references to g: the caller's two frames, ours, and getrefcount's; two to x besides the
    # tensor's.
    if (
        x.base is None
        and x.flags.c_contiguous
        and sys.getrefcount(g) <= 4
        and sys.getrefcount(x) <= 3
    ):
        g._node = None
        return g
    return wrap(np.array(x, order="C"))


# ---- hooks ---------------------------------------------------------------------------------------


def run_hooks(n: Any, g: Tensor, kind: str) -> Tensor:
    """Tensor hooks: each sees the gradient and may replace it."""
    for k, hook in n.hooks:
        if k == kind:
            new = hook(g)
            if new is not None:
                if not isinstance(new, Tensor):
                    raise TypeError(f"expected Variable, but hook returned '{type(new).__name__}'")
                g = new
    return g


def run_pre_hooks(n: Any, g: Any) -> Any:
    """Node prehooks: each sees the tuple of output gradients and may replace it."""
    for k, hook in n.hooks:
        if k == "pre":
            new = hook(g if type(g) is tuple else (g,))
            if new is not None:
                new = new if isinstance(new, tuple) else (new,)
                g = new if type(g) is tuple else new[0]
    return g


def run_post_hooks(n: Any, g: Any, gs: Sequence) -> Sequence:
    """Node hooks: each sees input and output gradients and may replace the former."""
    outputs = g if type(g) is tuple else (g,)
    for k, hook in n.hooks:
        if k == "post":
            new = hook(tuple(gs), outputs)
            if new is not None:
                gs = new if isinstance(new, tuple) else (new,)
    return gs


def checked_backward(n: Node, g: object, need: list) -> Sequence:
    """A node's backward under anomaly detection: errors and NaNs tell which forward call they
    belong to.
    """
    trace = "".join(n.metadata.get("traceback_", ["(no traceback: made outside detect_anomaly)\n"]))
    try:
        gs = n.op.backward(n, g, need)
    except Exception:
        warn_anomaly(n, trace)
        raise
    if thread.anomaly:
        for i, ge in enumerate(gs):
            if ge is not None and ge._data.dtype.kind in "fc" and np.isnan(ge._data).any():
                warn_anomaly(n, trace)
                raise RuntimeError(
                    f"Function '{n.name()}' returned nan values in its {i}th output."
                )
    return gs


def warn_anomaly(n: Node, trace: str) -> None:
    """Tell where the forward call of a failing backward was."""
    warnings.warn(
        f"Error detected in {n.name()}. Traceback of forward call that caused the error:\n{trace}",
        stacklevel=2,
    )


# ---- the public entrances ------------------------------------------------------------------------


def check_no_transform() -> None:
    """``backward`` leaves gradients in tensors, which torch.func's transforms have no place for."""
    if thread.levels and any(level.functional for level in thread.levels):
        raise RuntimeError(
            "backward() called inside a functorch transform. This is not supported, please use "
            "functorch.grad or functorch.vjp instead or call backward() outside of functorch "
            "transforms."
        )


def root_of(t: Tensor, i: int) -> object:
    """The node a gradient starts from."""
    n = live_node(t)
    if n is None:
        raise RuntimeError(
            f"element {i} of tensors does not require grad and does not have a grad_fn"
        )
    return n


def initial(t: Tensor, g: Tensor | None, create: bool) -> Tensor:
    """The gradient to start with: the one given, checked, or one for a scalar."""
    if g is None:
        if t._data.size != 1:
            raise RuntimeError("grad can be implicitly created only for scalar outputs")
        if t._data.dtype.kind == "c":
            raise RuntimeError(
                f"grad can be implicitly created only for real scalar outputs but got {t.dtype}"
            )
        unit = ONE.get(t._data.dtype) if not t._data.ndim else None
        if type(t._data) is not np.ndarray:
            return wrap(made_beside(t._data, "ones", t._data.shape, t._data.dtype))
        return wrap(np.ones(t._data.shape, t._data.dtype) if unit is None else unit.copy())
    if not isinstance(g, Tensor):
        raise TypeError(f"gradients can be either Tensors or None, but got {type(g).__name__}")
    if g._data.shape != t._data.shape:
        raise RuntimeError(
            f"Mismatch in shape: grad_output[0] has a shape of {g.shape} and output[0] has a "
            f"shape of {t.shape}."
        )
    if (g._data.dtype.kind == "c") != (t._data.dtype.kind == "c"):
        raise RuntimeError(
            "For complex Tensors, both grad_output and output are required to have the same "
            "dtype. Mismatch in "
            f"dtype: grad_output[0] has a dtype of {g.dtype} and output[0] has a dtype of "
            f"{t.dtype}."
        )
    return g if create or g._node is None else g.detach()


# Copying is 1.2 us less than np.ones.
ONE = {d: np.ones((), d) for d in (np.dtype(np.float32), np.dtype(np.float64))}


def as_tuple(value: Any) -> tuple:
    """One tensor, or a sequence of them, as a tuple."""
    return (value,) if isinstance(value, Tensor) or value is None else tuple(value)


CYCLE = (
    "Using backward() with create_graph=True will create a reference cycle between the parameter "
    "and its gradient which can cause a memory leak. We recommend using autograd.grad when "
    "creating the graph to avoid this. If you have to use this function, make sure to reset the "
    ".grad fields of your parameters to None after use to break the cycle and avoid the leak."
)


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    grad_variables: object = None,
    inputs: Tensor | Sequence[Tensor] | None = None,
) -> None:
    """backward(tensors, grad_tensors=None, retain_graph=None, create_graph=False, inputs=None) ->
    None

    Add to the ``.grad`` of each leaf (or of ``inputs`` only) the gradient of the sum of
    ``tensors``, weighted by
    ``grad_tensors``.

    >>> x = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> torch.autograd.backward([x * x], [torch.tensor([1.0, 10.0])])
    >>> x.grad
    tensor([ 2., 40.])
    """
    check_no_transform()
    if grad_variables is not None:
        raise NotImplementedError("grad_variables was renamed long ago: pass grad_tensors")
    outputs = as_tuple(tensors)
    given = (None,) * len(outputs) if grad_tensors is None else as_tuple(grad_tensors)
    if len(given) != len(outputs):
        raise RuntimeError(f"got {len(outputs)} tensors and {len(given)} gradients")
    if create_graph:
        warn_once(CYCLE)
    roots = [root_of(t, i) for i, t in enumerate(outputs)]
    grads = [initial(t, g, create_graph) for t, g in zip(outputs, given, strict=True)]
    retain = create_graph if retain_graph is None else retain_graph
    wanted: dict | None = None
    targets: tuple = ()
    if inputs is not None:
        targets = as_tuple(inputs)
        if not targets:
            raise RuntimeError("`inputs` argument to `backward()` cannot be empty.")
        wanted = {}
        for i, t in enumerate(targets):
            if live_node(t) is None:
                raise RuntimeError("One of the differentiated Tensors does not require grad")
            wanted[live_node(t)] = i
    found = run(roots, grads, wanted=wanted, retain=retain, create=create_graph)
    if inputs is not None:
        for t in targets:
            n = live_node(t)
            if type(n) is not Leaf and n in found:
                before = getattr(t, "_grad", None)  # the property warns of a non-leaf
                t._grad = found[n] if before is None else before + found[n]


def tensor_backward(
    self: Tensor,
    gradient: Tensor | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Sequence[Tensor] | None = None,
) -> None:
    """backward(gradient=None, retain_graph=None, create_graph=False, inputs=None) -> None

    Add the gradient of this tensor (weighted by ``gradient``; not needed for a scalar) to the
    ``.grad`` of the
    leaves it was computed from.

    >>> w = torch.tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    tensor([2., 4.])
    """
    if inputs is not None:
        backward(self, gradient, retain_graph, create_graph, inputs=inputs)
        return
    check_no_transform()
    if create_graph:
        warn_once(CYCLE)
    n = root_of(self, 0)
    g = initial(self, gradient, create_graph)
    run(
        [n], [g], retain=create_graph if retain_graph is None else retain_graph, create=create_graph
    )


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Tensor | Sequence[Tensor | None] | None = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """grad(outputs, inputs, grad_outputs=None, retain_graph=None, create_graph=False, ...) -> tuple

    The gradients of the sum of ``outputs`` (weighted by ``grad_outputs``) with respect to
    ``inputs``. Raises RuntimeError if an input was not used, unless ``allow_unused``.

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> torch.autograd.grad(x**3, x)
    (tensor(27.),)
    """
    outs, ins = as_tuple(outputs), as_tuple(inputs)
    if not only_inputs:
        raise NotImplementedError("only_inputs=False is gone from PyTorch too: use backward()")
    if is_grads_batched:  # vmap is loaded when it is first asked for
        rows = importlib.import_module("rushlight.autograd.rows")
        return rows.grad_of_rows(
            grad,
            outs,
            ins,
            grad_outputs,
            retain_graph,
            create_graph,
            allow_unused,
            materialize_grads,
        )
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: "
            "allow_unused=False."
        )
    allow = materialize_grads if allow_unused is None else allow_unused
    given = (None,) * len(outs) if grad_outputs is None else as_tuple(grad_outputs)
    roots = [root_of(t, i) for i, t in enumerate(outs)]
    grads = [initial(t, g, create_graph) for t, g in zip(outs, given, strict=True)]
    nodes = [live_node(t) for t in ins]
    if any(n is None for n in nodes):
        raise RuntimeError("One of the differentiated Tensors does not require grad")
    retain = create_graph if retain_graph is None else retain_graph
    found = run(
        roots,
        grads,
        wanted=dict.fromkeys(nodes),
        retain=retain,
        create=create_graph,
        accumulate=False,
    )
    results = [found.get(n) for n in nodes]
    return tuple(finished(ins, results, create_graph, allow, materialize_grads))


def finished(
    inputs: tuple, results: list, create_graph: bool, allow: bool, materialize_grads: bool
) -> list:
    """What ``grad`` returns for inputs that were used, and for those that were not."""
    for i, (t, g) in enumerate(zip(inputs, results, strict=True)):
        if g is None:
            if not allow:
                raise RuntimeError(
                    f"The differentiated Tensor at index {i} appears to not have been used in the "
                    "graph. "
                    "Set allow_unused=True if this is the desired behavior."
                )
            if materialize_grads:
                results[i] = wrap(made_beside(t._data, "zeros", t._data.shape, t._data.dtype))
        elif not create_graph and g._node is not None:
            results[i] = g.detach()
    return results


__all__ = ["backward", "grad", "tensor_backward"]
