"""grad, grad_and_value and vjp: reverse mode as functions of functions."""

import functools
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight._core.levels import Level
from rushlight._core.pytree import flatten, tree_map, unflatten
from rushlight._core.state import grad_enabled, set_grad, thread
from rushlight._core.tensor import Leaf, Tensor, live_node
from rushlight.autograd.engine import run, topological
from rushlight.autograd.variables import history_below, leave, variable

Argnums = int | tuple[int, ...]


class GradLevel(Level):
    """One reverse-mode differentiation that is under way; plain calls stay on their fast way."""

    special = 0


def differentiable_outside(outputs: list, own: list) -> bool:
    """Does anything but the inputs want gradients of the gradients?"""
    if any(getattr(level, "kind", "grad") != "vmap" for level in thread.levels):
        return True
    if any(type(v._node) is not Leaf for v in own) or any(history_below(t) for t in outputs):
        return True
    roots = list(dict.fromkeys([n for n in map(live_node, outputs) if n is not None]))
    mine = {v._node for v in own}
    order, _ = topological(roots, None)
    return any(type(n) is Leaf and n not in mine for n in order)


def pull(outputs: list, cotangents: list, own: list, create: bool) -> list:
    """The gradients of the variables, zeros where they do not matter."""
    roots, grads = [], []
    for t, g in zip(outputs, cotangents, strict=True):
        n = live_node(t)
        if n is not None:
            roots.append(n)
            grads.append(g)
    wanted = {v._node: i for i, v in enumerate(own)}
    found = run(roots, grads, wanted=wanted, retain=True, create=create, accumulate=False)
    return [result(found.get(v._node), v, create) for v in own]


def result(g: Tensor | None, v: Tensor, create: bool) -> Tensor:
    """A gradient as a result."""
    if g is None:
        return torch.zeros_like(v.detach())
    return g if create or g._node is None else g.detach()


def selected(args: tuple, argnums: Argnums) -> tuple[list, Any]:
    """The leaves of the arguments to differentiate by, and their nesting."""
    chosen = args[argnums] if isinstance(argnums, int) else tuple([args[i] for i in argnums])
    return flatten(chosen)


def check_argnums(argnums: Any, count: int) -> Argnums:
    """Argument numbers that exist, counted from the front."""
    if isinstance(argnums, int) and not isinstance(argnums, bool):
        return check_one(argnums, count)
    if not isinstance(argnums, tuple):
        raise RuntimeError(f"argnums must be int or Tuple[int, ...], got: {type(argnums)}")
    if not argnums:
        raise RuntimeError("argnums cannot be empty")
    for i in argnums:
        if not isinstance(i, int):
            raise RuntimeError(
                f"argnum must be int or Tuple[int, ...], got: {type(argnums)} with {i}"
            )
    made = tuple([check_one(i, count) for i in argnums])
    if len(set(made)) != len(made):
        raise RuntimeError(f"argnums elements must be unique, got {argnums}")
    return made


def check_one(argnum: int, count: int) -> int:
    """One argument number, counted from the front."""
    if not -count <= argnum < count:
        raise RuntimeError(f"Got argnum={argnum}, but only {count} positional inputs")
    return argnum + count if argnum < 0 else argnum


def with_variables(args: tuple, argnums: Argnums, outer: bool) -> tuple[tuple, list, Any]:
    """The arguments with variables in place of those to differentiate by; the variables."""
    leaves, spec = selected(args, argnums)
    own = [variable(x, outer) for x in leaves]
    made = unflatten(own, spec)
    given = list(args)
    if isinstance(argnums, int):
        given[argnums] = made
    else:
        for i, value in zip(argnums, made, strict=True):
            given[i] = value
    return tuple(given), own, spec


class recording:
    """A context in which history is recorded, whatever it is outside."""

    def __enter__(self) -> bool:
        self.before, outer = thread.grad, grad_enabled()
        set_grad(True)
        return outer

    def __exit__(self, *exc: object) -> None:
        set_grad(self.before)


def grad_and_value(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """grad_and_value(func, argnums=0, has_aux=False) -> Callable

    A function that gives ``(gradient, value)`` of ``func``, which must give one number (and, with
    ``has_aux``, something else beside it).

    >>> f = torch.func.grad_and_value(lambda x: (x**2).sum())
    >>> f(torch.tensor([1.0, 2.0]))
    (tensor([2., 4.]), tensor(5.))
    """

    def call(*args: Any, **kwargs: Any) -> Any:
        places = check_argnums(argnums, len(args))
        with recording() as outer, GradLevel():
            given, own, spec = with_variables(args, places, outer)
            output = func(*given, **kwargs)
            aux = None
            if has_aux:
                output, aux = parted(output, "grad_and_value(f)(*args)")
            check_number(output)
        keep = outer and differentiable_outside([output], own)
        with recording():
            one = torch.ones_like(output.detach())
            grads = pull([output], [one], own, keep)
        found = unflatten(grads, spec)
        value = leave(output, own, keep)
        if has_aux:
            return found, (value, tree_map(lambda t: leave(t, own, keep), aux))
        return found, value

    return named_like(call, func)


def named_like(call: Callable, func: Callable) -> Callable:
    """A transformed function with the name and documentation of the original."""
    return functools.wraps(func)(call) if hasattr(func, "__name__") else call


def parted(output: Any, name: str) -> tuple[Any, Any]:
    """(output, aux) of a function that says it has aux."""
    if not (isinstance(output, tuple) and len(output) == 2):
        raise RuntimeError(
            f"{name}: output of function f should be a tuple: (output, aux) if has_aux is True"
        )
    return output


def check_number(output: Any) -> None:
    """Refuse what is not one number."""
    if not isinstance(output, Tensor):
        raise RuntimeError(
            f"grad_and_value(f)(*args): Expected f(*args) to return a Tensor, got {type(output)}"
        )
    if output.dim() != 0:
        raise RuntimeError(
            "grad_and_value(f)(*args): Expected f(*args) to return a scalar Tensor, got tensor "
            f"with {output.dim()} dims. Maybe you wanted to use the vjp or jacrev APIs instead?"
        )


def grad(func: Callable, argnums: Argnums = 0, has_aux: bool = False) -> Callable:
    """grad(func, argnums=0, has_aux=False) -> Callable

    The gradient of ``func``, which must give one number, with respect to the arguments numbered
    ``argnums``; nested arguments give nested gradients. With ``has_aux`` the function gives
    ``(number, aux)`` and its gradient ``(gradient, aux)``.

    >>> torch.func.grad(torch.sin)(torch.tensor(0.0))
    tensor(1.)
    >>> torch.vmap(torch.func.grad(lambda w, x: (w * x).sum()), (None, 0))(
    ...     torch.ones(2), torch.tensor([[1.0, 2.0], [3.0, 4.0]])
    ... )
    tensor([[1., 2.],
            [3., 4.]])
    """
    both = grad_and_value(func, argnums, has_aux)

    def call(*args: Any, **kwargs: Any) -> Any:
        found, value = both(*args, **kwargs)
        return (found, value[1]) if has_aux else found

    return named_like(call, func)


def vjp(func: Callable, *primals: Any, has_aux: bool = False) -> Any:
    """vjp(func, *primals, has_aux=False) -> (output, vjp_fn) or (output, vjp_fn, aux)

    The result of ``func(*primals)`` and a function from gradients of the result, nested as it is,
    to the gradients of the primals.

    >>> output, vjp_fn = torch.func.vjp(lambda x: x**2, torch.tensor([1.0, 2.0]))
    >>> vjp_fn(torch.ones(2))
    (tensor([2., 4.]),)
    """
    return vjp_by(func, primals, None, has_aux)


def vjp_by(func: Callable, primals: tuple, argnums: Any, has_aux: bool) -> Any:
    """vjp by all primals, or by those numbered."""
    with recording() as outer, GradLevel():
        places = tuple(range(len(primals))) if argnums is None else argnums
        given, own, spec = with_variables(primals, places, outer)
        output = func(*given)
        aux = None
        if has_aux:
            output, aux = parted(output, "vjp(f, *primals)")
    flat, out_spec = flatten(output)
    check_tensors(flat, "vjp(f, *primals)")
    keep = outer and differentiable_outside(flat, own)

    def vjp_fn(cotangents: Any, retain_graph: bool = True, create_graph: bool | None = None) -> Any:
        gs, g_spec = flatten(cotangents)
        if g_spec != out_spec:
            raise RuntimeError(
                "Expected pytree structure of cotangents to be the same as pytree structure of "
                f"outputs to the function. cotangents: {g_spec.short()}, primal output: "
                f"{out_spec.short()}"
            )
        for i, (t, g) in enumerate(zip(flat, gs, strict=True)):
            if t.shape != g.shape:
                raise RuntimeError(
                    f"Mismatch in shape: grad_output[{i}] has a shape of {g.shape} and output[{i}] "
                    f"has a shape of {t.shape}."
                )
        create = wants_history(gs) or keep if create_graph is None else create_graph
        with recording():
            grads = pull(flat, gs, own, create)
        return unflatten(grads, spec)

    shown = unflatten([leave(t, own, keep) for t in flat], out_spec)
    if has_aux:
        return shown, vjp_fn, tree_map(lambda t: leave(t, own, keep), aux)
    return shown, vjp_fn


def wants_history(cotangents: list) -> bool:
    """Are the cotangents themselves being differentiated?"""
    if not grad_enabled():
        return False
    return any(live_node(g) is not None or history_below(g) for g in cotangents)


def check_tensors(flat: list, name: str) -> None:
    """Refuse outputs that are no tensors."""
    for t in flat:
        if not isinstance(t, Tensor):
            raise RuntimeError(
                f"{name}: expected f(*primals) to return only tensors, got "
                f"unsupported type {type(t)}"
            )
    if not flat:
        raise RuntimeError(
            f"{name}: Expected f to be a function that has non-empty output (got output = [])"
        )
