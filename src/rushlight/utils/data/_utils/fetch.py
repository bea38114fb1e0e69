"""From indices to a batch."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight.utils.data._utils.channel import room_for
from rushlight.utils.data._utils.collate import WITH_ARRAYS, default_collate
from rushlight.utils.data.dataset import Dataset, IterableDataset, Subset, TensorDataset

Fetch = Callable[[Any], Any]


def fetcher(dataset: Dataset, batched: bool, collate_fn: Callable, drop_last: bool) -> Fetch:
    """A function from what the sampler gives (an index, or a list of them) to what the loader
    yields.
    """
    if isinstance(dataset, IterableDataset):
        return _stream(dataset, batched, collate_fn, drop_last)
    if not batched:
        return lambda index: collate_fn(dataset[index])
    if collate_fn is default_collate and _is_tensors(dataset):
        return _gather(dataset)
    together = getattr(dataset, "__getitems__", None)
    if together:
        return lambda indices: collate_fn(together(indices))
    return lambda indices: collate_fn([dataset[i] for i in indices])


def _stream(
    dataset: IterableDataset, batched: bool, collate_fn: Callable, drop_last: bool
) -> Fetch:
    samples = iter(dataset)
    ended = False

    def fetch(indices: Any) -> Any:
        nonlocal ended
        if ended:
            raise StopIteration
        if not batched:
            return collate_fn(next(samples))
        batch = []
        for _ in indices:
            try:
                batch.append(next(samples))
            except StopIteration:
                ended = True
                break
        if not batch or (drop_last and len(batch) < len(indices)):
            raise StopIteration
        return collate_fn(batch)

    return fetch


def _is_tensors(dataset: Dataset) -> bool:
    while type(dataset) is Subset:
        dataset = dataset.dataset
    return type(dataset) is TensorDataset and all(
        type(tensor) is torch.Tensor for tensor in dataset.tensors
    )


def _gather(dataset: Dataset) -> Fetch:
    """Batches of a TensorDataset with one gather per tensor in place of a thousand views and a
    stack.
    """

    def fetch(indices: list) -> list[torch.Tensor]:
        source: Any = dataset
        while type(source) is Subset:
            indices = [source.indices[i] for i in indices]
            source = source.dataset
        if set(map(type, indices)) != {int}:  # a sampler may give anything a tensor takes
            return default_collate([source[i] for i in indices])
        rows = torch.tensor(indices)
        return [_gathered(tensor, rows) for tensor in source.tensors]

    return fetch


def _gathered(tensor: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """Rows of a tensor; in a worker, at once in the memory that the loader sees."""
    if tensor.dtype not in WITH_ARRAYS or tensor.device.type != "cpu" or tensor.requires_grad:
        return tensor[rows]
    out = room_for((len(rows), *tensor.shape[1:]), tensor.dtype)
    if out is None:
        return tensor[rows]
    wanted = rows.numpy()
    if not -len(tensor) <= wanted.min() <= wanted.max() < len(tensor):
        return tensor[rows]  # which says what is wrong
    np.take(tensor.numpy(), wanted, axis=0, out=out.numpy(), mode="wrap")
    return out
