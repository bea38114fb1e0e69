"""jacrev, jacfwd and hessian: all rows, or all columns, of a Jacobian by one vmap."""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight._core.pytree import flatten, unflatten
from rushlight._core.tensor import Tensor
from rushlight._core.vmap import vmap
from rushlight.func.gradients import (
    Argnums,
    check_argnums,
    named_like,
    parted,
    selected,
    vjp_by,
)
from rushlight.func.pushforward import jvp


def basis(tensors: list) -> list:
    """For each tensor, the rows of the identity over all their elements that belong to it."""
    sizes = [t.numel() for t in tensors]
    total, made, start = sum(sizes), [], 0
    for t, n in zip(tensors, sizes, strict=True):
        rows = torch.zeros((total, n), dtype=t.dtype, device=t.device)
        rows[start : start + n] = torch.eye(n, dtype=t.dtype, device=t.device)
        made.append(rows.reshape((total, *t.shape)))
        start += n
    return made


def jacrev(
    func: Callable,
    argnums: Argnums = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
    _preallocate_and_copy: bool = False,
) -> Callable:
    """jacrev(func, argnums=0, *, has_aux=False, chunk_size=None) -> Callable

    The Jacobian of ``func`` by reverse mode: of shape ``output.shape + input.shape`` for each
    output and each argument numbered ``argnums``. ``chunk_size``: how many rows are computed at a
    time.

    >>> torch.func.jacrev(lambda x: x**2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError("jacrev: `chunk_size` should be greater than 0.")

    def call(*args: Any) -> Any:
        places = check_argnums(argnums, len(args))
        output, vjp_fn, *aux = vjp_by(func, args, places, has_aux)
        flat, out_spec = flatten(output)
        check_real(flat, "jacrev")
        inputs, in_spec = selected(args, places)
        sizes = [t.numel() for t in flat]
        mapped = vmap(
            lambda *gs: tuple(flatten(vjp_fn(unflatten(list(gs), out_spec)))[0]),
            chunk_size=chunk_size,
        )
        columns = mapped(*basis(flat))
        rows = [c.split(sizes, 0) for c in columns]
        parts = [
            unflatten(
                [rows[j][i].reshape((*t.shape, *x.shape)) for j, x in enumerate(inputs)], in_spec
            )
            for i, t in enumerate(flat)
        ]
        found = unflatten(parts, out_spec)
        return (found, aux[0]) if has_aux else found

    return named_like(call, func)


def check_real(flat: list, name: str) -> None:
    """Refuse outputs that are no tensors, or complex."""
    for t in flat:
        if not isinstance(t, Tensor):
            raise RuntimeError(
                f"{name}(f)(*args): Expected f to return only tensors, got {type(t)}"
            )


def jacfwd(
    func: Callable, argnums: Argnums = 0, has_aux: bool = False, *, randomness: str = "error"
) -> Callable:
    """jacfwd(func, argnums=0, has_aux=False, *, randomness='error') -> Callable

    The Jacobian of ``func`` by forward mode: cheaper than :func:`jacrev` where there are more
    outputs than inputs. ``randomness``: see :func:`vmap`.

    >>> torch.func.jacfwd(lambda x: x**2)(torch.tensor([1.0, 2.0]))
    tensor([[2., 0.],
            [0., 4.]])
    """

    def call(*args: Any) -> Any:
        places = check_argnums(argnums, len(args))
        inputs, in_spec = selected(args, places)
        seen: dict[str, Any] = {}

        def moved(*tangents: Any) -> tuple:
            """The outputs' tangents, flat; how they were nested is left in ``seen``."""

            def part(*chosen: Any) -> Any:
                output = func(*put(args, places, unflatten(list(chosen), in_spec)))
                return parted(output, "jacfwd(f)(*args)") if has_aux else output

            _, tangent, *aux = jvp(part, tuple(inputs), tangents, has_aux=has_aux)
            flat, seen["spec"] = flatten(tangent)
            if not has_aux:
                return tuple(flat)
            leaves, seen["aux"] = flatten(aux[0])
            return tuple(flat), tuple(leaves)

        places_out: Any = (-1, 0) if has_aux else -1
        result = vmap(moved, out_dims=places_out, randomness=randomness)(*basis(inputs))
        outputs = result[0] if has_aux else result
        sizes = [x.numel() for x in inputs]
        parts = []
        for t in outputs:
            columns = t.split(sizes, -1)
            shaped = [
                c.reshape((*t.shape[:-1], *x.shape)) for c, x in zip(columns, inputs, strict=True)
            ]
            parts.append(unflatten(shaped, in_spec))
        found = unflatten(parts, seen["spec"])
        if not has_aux:
            return found
        return found, unflatten([a[0] for a in result[1]], seen["aux"])

    return named_like(call, func)


def put(args: tuple, places: Argnums, made: Any) -> tuple:
    """The arguments with those numbered replaced."""
    given = list(args)
    if isinstance(places, int):
        given[places] = made
    else:
        for i, value in zip(places, made, strict=True):
            given[i] = value
    return tuple(given)


def hessian(func: Callable, argnums: Argnums = 0) -> Callable:
    """hessian(func, argnums=0) -> Callable

    The second derivatives of ``func``: forward mode over reverse mode.

    >>> torch.func.hessian(lambda x: (x**3).sum())(torch.tensor([1.0, 2.0]))
    tensor([[ 6.,  0.],
            [ 0., 12.]])
    """
    return jacfwd(jacrev(func, argnums), argnums)
