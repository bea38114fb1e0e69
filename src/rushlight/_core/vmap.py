"""vmap: a function of one example called once for a whole batch."""

import functools
from collections.abc import Callable
from typing import Any

from rushlight._core.batched import BatchedArray, VmapLevel, batched
from rushlight._core.op import OPS
from rushlight._core.pytree import TreeSpec, broadcast_to, flatten, unflatten
from rushlight._core.shape import wrap_dim
from rushlight._core.tensor import Tensor, wrap


def vmap(
    func: Callable,
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable:
    """vmap(func, in_dims=0, out_dims=0, randomness='error', *, chunk_size=None) -> Callable

    A function that maps ``func`` over a dimension of its inputs.

    ``in_dims`` (an int, None, or nested as the inputs) says which dimension of each input is mapped
    over; ``func`` sees the inputs without it. ``out_dims`` says where the results get it.
    ``randomness``: what random operations do inside, "error", "different" for each example, or the
    "same" for all. ``chunk_size``: how many examples are computed at a time (None: all).

    >>> dot = torch.vmap(torch.dot)
    >>> dot(torch.ones(3, 2), torch.arange(6.0).view(3, 2))
    tensor([1., 5., 9.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(
            "Only allowed values for randomness are 'error', 'different', or 'same'. Got "
            f"{randomness}"
        )
    if not (chunk_size is None or chunk_size > 0):
        raise ValueError(f"vmap: chunk_size should be None or greater than 0. (got {chunk_size})")

    def mapped(*args: Any, **kwargs: Any) -> Any:
        return run(func, in_dims, out_dims, randomness, chunk_size, args, kwargs)

    return functools.wraps(func)(mapped) if hasattr(func, "__name__") else mapped


def run(
    func: Callable,
    in_dims: Any,
    out_dims: Any,
    randomness: str,
    chunk_size: int | None,
    args: tuple,
    kwargs: dict,
) -> Any:
    """One call of a mapped function."""
    dims, leaves, spec = inputs(in_dims, args, func)
    size = batch_size(dims, leaves)
    if chunk_size is None or chunk_size >= size:
        return once(func, size, dims, leaves, spec, out_dims, randomness, kwargs)
    pieces = []
    for start in range(0, size, chunk_size):
        n = min(chunk_size, size - start)
        part = [
            x if d is None else x.narrow(d, start, n) for x, d in zip(leaves, dims, strict=True)
        ]
        pieces.append(once(func, n, dims, part, spec, out_dims, randomness, kwargs))
    return joined(pieces, out_dims)


def joined(pieces: list, out_dims: Any) -> Any:
    """The results of chunks, put together."""
    split = [flatten(p) for p in pieces]
    spec = split[0][1]
    dims = broadcast_to(out_dims, spec)
    rows = zip(*[leaves for leaves, _ in split], strict=True)
    whole = [
        row[0] if d is None else OPS["cat"].call(list(row), d)
        for row, d in zip(rows, dims or [], strict=True)
    ]
    return unflatten(whole, spec)


def once(
    func: Callable,
    size: int,
    dims: list,
    leaves: list,
    spec: TreeSpec,
    out_dims: Any,
    randomness: str,
    kwargs: dict,
) -> Any:
    """The function on the whole batch."""
    with VmapLevel(size, randomness) as level:
        given = [
            x if d is None else example(level, x, d) for x, d in zip(leaves, dims, strict=True)
        ]
        outputs = func(*unflatten(given, spec), **kwargs)
        found, out_spec = flatten(outputs)
    places = output_dims(out_dims, outputs, found, out_spec, func)
    return unflatten(
        [unwrap(level, x, d, func) for x, d in zip(found, places, strict=True)], out_spec
    )


def example(level: VmapLevel, x: Tensor, dim: int) -> Tensor:
    """What the function sees of a mapped input."""
    made = wrap(batched(level, x if dim == 0 else x.movedim(dim, 0)))
    return made.as_subclass(type(x)) if type(x) is not Tensor and type(x)._data is None else made


def unwrap(level: VmapLevel, x: Any, dim: int | None, func: Callable) -> Any:
    """A result with the batch at its place."""
    if not isinstance(x, Tensor):
        if dim is None:
            return x
        raise ValueError(
            f"vmap({name_of(func)}, ...): `{name_of(func)}` must only return Tensors, got type "
            f"{type(x)}. Did you mean to set out_dims= to None for output?"
        )
    array = x._data
    if not isinstance(array, BatchedArray) or array.level is not level:
        array = batched(level, x, mapped=False)
    if dim is None:
        if array.mapped:
            raise ValueError(
                f"vmap({name_of(func)}, ...): `{name_of(func)}` can not return a BatchedTensor "
                "when out_dim is None"
            )
        return array.value
    value = array.value
    if not array.mapped:
        value = value.expand((level.size, *value.shape))
    d = wrap_dim(dim, value.ndim)
    return value if d == 0 else value.movedim(0, d)


# ---- arguments -----------------------------------------------------------------------------------


def name_of(func: Callable) -> str:
    """What messages call the function."""
    return getattr(func, "__name__", None) or repr(func)


def inputs(in_dims: Any, args: tuple, func: Callable) -> tuple[list, list, TreeSpec]:
    """The mapped dimension of each leaf of the inputs (None: not mapped), leaves and nesting."""
    name = name_of(func)
    if not isinstance(in_dims, (int, tuple)):
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): expected `in_dims` to be int or a "
            f"(potentially nested) tuple matching the structure of inputs, got: {type(in_dims)}."
        )
    if not args:
        raise ValueError(
            f"vmap({name})(<inputs>): got no inputs. Maybe you forgot to add inputs, or you are "
            "trying to vmap over a function with no inputs. The latter is unsupported."
        )
    leaves, spec = flatten(args)
    dims = broadcast_to(in_dims, spec)
    if dims is None:
        raise ValueError(
            f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): in_dims is not compatible with the "
            f"structure of `inputs`. in_dims has structure {flatten(in_dims)[1]} but inputs has "
            f"structure {spec}."
        )
    made = [check_dim(x, d, name, in_dims) for x, d in zip(leaves, dims, strict=True)]
    return made, leaves, spec


def check_dim(x: Any, d: Any, name: str, in_dims: Any) -> int | None:
    """One mapped dimension, counted from the front."""
    start = f"vmap({name}, in_dims={in_dims}, ...)(<inputs>): Got in_dim={d} for "
    if d is not None and not isinstance(d, int):
        raise ValueError(start + "an input but in_dim must be either an integer dimension or None.")
    if isinstance(d, int) and not isinstance(x, Tensor):
        raise ValueError(
            f"{start}an input but the input is of type {type(x)}. We cannot vmap over non-Tensor "
            "arguments, please use None as the respective in_dim"
        )
    if d is not None and (d < -x.dim() or d >= x.dim()):
        raise ValueError(
            f"{start}some input, but that input is a Tensor of dimensionality {x.dim()} so "
            f"expected in_dim to satisfy -{x.dim()} <= in_dim < {x.dim()}."
        )
    return d + x.dim() if d is not None and d < 0 else d


def batch_size(dims: list, leaves: list) -> int:
    """The size of the mapped dimensions, which must agree."""
    sizes = [x.size(d) for x, d in zip(leaves, dims, strict=True) if d is not None]
    if not sizes:
        raise ValueError("vmap: Expected at least one Tensor to vmap over")
    if any(s != sizes[0] for s in sizes):
        raise ValueError(
            "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
            f"{sizes} for the mapped dimension"
        )
    return sizes[0]


def output_dims(out_dims: Any, outputs: Any, found: list, spec: TreeSpec, func: Callable) -> list:
    """Where each leaf of the outputs gets the batch."""
    name = name_of(func)
    if not isinstance(out_dims, int | tuple | list | dict | None):
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims}): `out_dims` must be an int, None or a python "
            "collection of ints representing where in the outputs the vmapped dimension should "
            "appear."
        )
    if isinstance(outputs, Tensor):
        if isinstance(out_dims, (int, type(None))):
            return [out_dims]
        if isinstance(out_dims, tuple) and len(out_dims) == 1:
            return [out_dims[0]]
    dims = broadcast_to(out_dims, spec)
    if dims is None:
        raise ValueError(
            f"vmap({name}, ..., out_dims={out_dims})(<inputs>): out_dims is not compatible with "
            f"the structure of `outputs`. out_dims has structure {flatten(out_dims)[1]} but "
            f"outputs has structure {spec}."
        )
    return dims


__all__ = ["vmap"]
