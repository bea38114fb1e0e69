"""Samples to batches."""

from collections.abc import Callable, Mapping, MutableMapping, MutableSequence, Sequence
from copy import copy
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight.utils.data._utils.channel import in_worker, room_for

_ANYTHING_ELSE = (
    "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; found {}"
)
_UNEQUAL = "each element in list of batch should be of equal size"
_NOT_BY_DEFAULT = (
    "Batches of {} tensors are not currently supported by the default collate_fn; please provide "
    "a custom collate_fn to "
    "handle them appropriately."
)

# What NumPy has a name for.
WITH_ARRAYS = {
    *(torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64),
    *(torch.float16, torch.float32, torch.float64, torch.complex64, torch.complex128),
}

CollateMap = dict[type | tuple[type, ...], Callable]


def stacked(batch: Sequence[Any]) -> Any:
    """Tensors of one shape as one; in a worker, at once in the memory that the loader sees."""
    elem = batch[0]
    if not in_worker():
        return torch.stack(batch)
    plain = [t for t in batch if type(t) is torch.Tensor and t.dtype is elem.dtype]
    if len(plain) < len(batch) or elem.dtype not in WITH_ARRAYS or elem.device.type != "cpu":
        return torch.stack(batch)
    if any(t.shape != elem.shape or t.requires_grad for t in plain):
        return torch.stack(batch)
    out = room_for((len(batch), *elem.shape), elem.dtype)
    if out is None:
        return torch.stack(batch)
    np.stack([t.numpy() for t in batch], out=out.numpy())
    return out


def default_convert(data: Any) -> Any:
    """default_convert(data)

    NumPy arrays and numbers inside ``data`` (lists, tuples, dicts) as tensors; everything else as
    it is.

    >>> torch.utils.data.default_convert({"x": [1, "a"]})
    {'x': [1, 'a']}
    """
    if isinstance(data, torch.Tensor):
        return data
    if isinstance(data, (np.ndarray, np.generic)):
        if isinstance(data, (np.str_, np.bytes_)) or data.dtype.kind in "SUO":
            return data
        return torch.as_tensor(data)
    if isinstance(data, Mapping):
        return _mapping(data, {key: default_convert(data[key]) for key in data})
    if isinstance(data, tuple):
        items = [default_convert(item) for item in data]
        return type(data)(*items) if hasattr(data, "_fields") else items
    if isinstance(data, Sequence) and not isinstance(data, (str, bytes)):
        return _sequence(data, [default_convert(item) for item in data])
    return data


def default_collate(batch: Sequence[Any]) -> Any:
    """default_collate(batch)

    The batch of a list of samples: tensors and arrays are stacked, numbers become a tensor, strings
    a list; tuples, lists and dicts are gone into.

    >>> torch.utils.data.default_collate([(1.0, "a"), (2.0, "b")])
    [tensor([1., 2.], dtype=torch.float64), ('a', 'b')]
    """
    return collate(batch, collate_fn_map=default_collate_fn_map)


def collate(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """collate(batch, *, collate_fn_map=None)

    Like :func:`default_collate`, with the functions of ``collate_fn_map`` for the types it names.
    """
    elem = batch[0]
    function = _function_for(elem, collate_fn_map)
    if function is not None:
        return function(batch, collate_fn_map=collate_fn_map)

    def again(samples: Sequence[Any]) -> Any:
        return collate(samples, collate_fn_map=collate_fn_map)

    if isinstance(elem, Mapping):
        return _mapping(elem, {key: again([sample[key] for sample in batch]) for key in elem})
    if isinstance(elem, tuple) and hasattr(elem, "_fields"):
        return type(elem)(*(again(samples) for samples in zip(*batch, strict=False)))
    if not isinstance(elem, Sequence):
        raise TypeError(_ANYTHING_ELSE.format(type(elem)))
    if any(len(sample) != len(elem) for sample in batch):
        raise RuntimeError(_UNEQUAL)
    columns = [again(samples) for samples in zip(*batch, strict=True)]
    return columns if isinstance(elem, tuple) else _sequence(elem, columns)


def _function_for(elem: Any, functions: CollateMap | None) -> Callable | None:
    if functions is None:
        return None
    exact = functions.get(type(elem))
    if exact is not None:
        return exact
    return next((f for kind, f in functions.items() if isinstance(elem, kind)), None)


def _mapping(like: Any, values: dict) -> Any:
    """`values` as a mapping of the same type; a plain dict where that type cannot be made so."""
    try:
        if not isinstance(like, MutableMapping):
            return type(like)(values)
        clone = copy(like)
        clone.update(values)
    except TypeError:
        return values
    return clone


def _sequence(like: Any, values: list) -> Any:
    """`values` as a sequence of the same type; a plain list where that type cannot be made so."""
    if type(like) is list:
        return values
    try:
        if not isinstance(like, MutableSequence):
            return type(like)(values)
        clone = copy(like)
        for i, value in enumerate(values):
            clone[i] = value
    except TypeError:
        return values
    return clone


def collate_tensor_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """collate_tensor_fn(batch): one stack."""
    if batch[0].is_sparse:
        raise RuntimeError(_NOT_BY_DEFAULT.format("sparse"))
    return stacked(batch)


def collate_numpy_array_fn(
    batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None
) -> Any:
    """collate_numpy_array_fn(batch): one stack of tensors."""
    if batch[0].dtype.kind in "SUO":
        raise TypeError(_ANYTHING_ELSE.format(batch[0].dtype))
    return collate([torch.as_tensor(x) for x in batch], collate_fn_map=collate_fn_map)


def collate_numpy_scalar_fn(
    batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None
) -> Any:
    """collate_numpy_scalar_fn(batch): a tensor of the numbers."""
    return torch.as_tensor(batch)


def collate_float_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """collate_float_fn(batch): a float64 tensor."""
    return torch.tensor(batch, dtype=torch.float64)


def collate_int_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """collate_int_fn(batch): a tensor of integers, or of bools."""
    return torch.tensor(batch)


def collate_str_fn(batch: Sequence[Any], *, collate_fn_map: CollateMap | None = None) -> Any:
    """collate_str_fn(batch): the strings as they are."""
    return batch


default_collate_fn_map: CollateMap = {
    torch.Tensor: collate_tensor_fn,
    np.ndarray: collate_numpy_array_fn,
    (np.bool_, np.number, np.object_): collate_numpy_scalar_fn,
    float: collate_float_fn,
    int: collate_int_fn,
    str: collate_str_fn,
    bytes: collate_str_fn,
}
