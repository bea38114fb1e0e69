"""Sequences of different lengths: padded, packed, and as lists.

A packed batch holds no padding: ``data`` has first all elements of time 0, then those of time 1,
..., and ``batch_sizes[t]`` says how many sequences are longer than t. For that they are sorted by
length.
"""

from collections.abc import Iterable
from typing import Any, NamedTuple

from rushlight import _api as torch

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class PackedSequence_(NamedTuple):
    """The fields of a PackedSequence."""

    data: Any
    batch_sizes: Any
    sorted_indices: Any
    unsorted_indices: Any


class PackedSequence(PackedSequence_):
    """PackedSequence(data, batch_sizes=None, sorted_indices=None, unsorted_indices=None)

    A packed batch, as pack_sequence and pack_padded_sequence make it.

    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Any = None,
        sorted_indices: Any = None,
        unsorted_indices: Any = None,
    ) -> "PackedSequence":
        """Complete the fields; ``data`` may be the pair (data, batch_sizes)."""
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, list | tuple) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        elif batch_sizes.device.type != "cpu":
            raise ValueError(
                "batch_sizes should always be on CPU. "
                "Instances of PackedSequence should never be created manually. "
                "They should be instantiated by functions like pack_sequence "
                "and pack_padded_sequences in nn.utils.rnn. "
                "https://pytorch.org/docs/stable/nn.html#torch.nn.utils.rnn.pack_sequence"
            )
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)

    def to(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """to(...): move or cast the data, as Tensor.to; the sizes stay on the CPU."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        indices = (None if i is None else i.to(data.device) for i in self[2:])
        return type(self)(data, self.batch_sizes, *indices)

    def cuda(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """cuda(...): move to a GPU."""
        example = torch.empty(0, dtype=self.data.dtype).to(*args, **kwargs)
        return self.to(*args, **kwargs) if example.is_cuda else self.to(device="cuda", **kwargs)

    def cpu(self, *args: Any, **kwargs: Any) -> "PackedSequence":
        """cpu(...): move to the CPU."""
        return self.to(*args, **{**kwargs, "device": "cpu"})

    def double(self) -> "PackedSequence":
        """double(): cast to float64."""
        return self.to(dtype=torch.double)

    def float(self) -> "PackedSequence":
        """float(): cast to float32."""
        return self.to(dtype=torch.float)

    def half(self) -> "PackedSequence":
        """half(): cast to float16."""
        return self.to(dtype=torch.half)

    def long(self) -> "PackedSequence":
        """long(): cast to int64."""
        return self.to(dtype=torch.long)

    def int(self) -> "PackedSequence":
        """int(): cast to int32."""
        return self.to(dtype=torch.int)

    def short(self) -> "PackedSequence":
        """short(): cast to int16."""
        return self.to(dtype=torch.short)

    def char(self) -> "PackedSequence":
        """char(): cast to int8."""
        return self.to(dtype=torch.int8)

    def byte(self) -> "PackedSequence":
        """byte(): cast to uint8."""
        return self.to(dtype=torch.uint8)

    def pin_memory(self) -> "PackedSequence":
        """pin_memory(): move into memory from which a GPU copies faster."""
        indices = (None if i is None else i.pin_memory() for i in self[2:])
        return type(self)(self.data.pin_memory(), self.batch_sizes, *indices)

    @property
    def is_cuda(self) -> bool:
        """Is the data on a GPU?"""
        return self.data.is_cuda

    def is_pinned(self) -> bool:
        """is_pinned(): is the data in pinned memory?"""
        return self.data.is_pinned()


def invert_permutation(permutation: Any) -> Any:
    """invert_permutation(permutation)

    The 1-D permutation that undoes this one; None stays None.

    >>> torch.nn.utils.rnn.invert_permutation(torch.tensor([2, 0, 1]))
    tensor([1, 2, 0])
    """
    if permutation is None:
        return None
    places = torch.arange(0, permutation.numel(), device=permutation.device)
    return torch.empty_like(permutation).scatter_(0, permutation, places)


def _inside(lengths: Any, longest: int) -> Any:
    """Which places (T, B) of a padded batch hold an element."""
    times = torch.arange(longest, device=lengths.device)
    return times.unsqueeze(1) < lengths.unsqueeze(0)


def _check_lengths(lengths: Any, batch: int) -> None:
    if lengths.dim() != 1 or lengths.device.type != "cpu":
        raise RuntimeError(
            "'lengths' argument should be a 1D CPU int64 tensor, "
            f"but got {lengths.dim()}D {lengths.device.type} Long tensor"
        )
    if lengths.numel() != batch:
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {lengths.numel()} "
            f"(batch_size={batch})"
        )
    if batch == 0:
        raise RuntimeError("Cannot pack empty tensors.")
    values = lengths.tolist()
    if min(values) <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' "
            "that is <= 0"
        )
    if values != sorted(values, reverse=True):
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when "
            "`enforce_sorted` is True. You can pass `enforce_sorted=False` "
            "to pack_padded_sequence and/or pack_sequence to sidestep this "
            "requirement if you do not need ONNX exportability."
        )


def pack_padded_sequence(
    input: Any, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """pack_padded_sequence(input, lengths, batch_first=False, enforce_sorted=True) ->
    PackedSequence

    Leave out the padding of (T, B, *), or (B, T, *) if ``batch_first``. ``lengths`` must be in
    decreasing order unless ``enforce_sorted`` is False. RuntimeError for lengths that do not fit.

    >>> padded = torch.tensor([[1, 2, 3], [4, 5, 0]])  # (B, T)
    >>> packed = torch.nn.utils.rnn.pack_padded_sequence(padded, [3, 2], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """
    if isinstance(lengths, torch.Tensor):
        lengths = lengths.to(dtype=torch.int64)
    else:
        lengths = torch.as_tensor(lengths, dtype=torch.int64, device="cpu")
    sorted_indices = None
    batch_dim = 0 if batch_first else 1
    if not enforce_sorted:
        lengths, sorted_indices = torch.sort(lengths, descending=True)
        sorted_indices = sorted_indices.to(input.device)
        input = input.index_select(batch_dim, sorted_indices)
    _check_lengths(lengths, input.size(batch_dim))
    inside = _inside(lengths, int(lengths[0]))
    by_time = input.transpose(0, 1) if batch_first else input
    longest = min(by_time.size(0), inside.size(0))  # PyTorch does not refuse longer lengths
    data = by_time[:longest][inside[:longest].to(input.device)]
    return PackedSequence(data, inside.sum(1), sorted_indices, None)


def pad_packed_sequence(
    sequence: PackedSequence,
    batch_first: bool = False,
    padding_value: float = 0.0,
    total_length: int | None = None,
) -> tuple:
    """pad_packed_sequence(sequence, batch_first=False, padding_value=0.0, total_length=None) ->
    (padded, lengths)

    The inverse of pack_padded_sequence: (T, B, *), or (B, T, *) if ``batch_first``, in the original
    order.

    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    >>> torch.nn.utils.rnn.pad_packed_sequence(packed, batch_first=True)
    (tensor([[1, 2, 3],
            [4, 5, 0]]), tensor([3, 2]))
    """
    longest = sequence.batch_sizes.size(0)
    if total_length is not None:
        if total_length < longest:
            raise ValueError(
                "Expected total_length to be at least the length "
                "of the longest sequence in input, but got "
                f"total_length={total_length} and max sequence length being {longest}"
            )
        longest = total_length
    data, batch_sizes = sequence.data, sequence.batch_sizes
    batch = int(batch_sizes[0])
    present = torch.arange(batch).unsqueeze(0) < batch_sizes.unsqueeze(1)  # (T, B)
    lengths = present.sum(0)
    padded = data.new_full((longest, batch, *data.shape[1:]), padding_value)
    padded[_inside(lengths, longest).to(data.device)] = data
    if sequence.unsorted_indices is not None:
        padded = padded.index_select(1, sequence.unsorted_indices)
        lengths = lengths[sequence.unsorted_indices.cpu()]
    return (padded.transpose(0, 1) if batch_first else padded), lengths


def pad_sequence(
    sequences: Any,
    batch_first: bool = False,
    padding_value: float = 0.0,
    padding_side: str = "right",
) -> Any:
    """pad_sequence(sequences, batch_first=False, padding_value=0.0, padding_side='right') -> Tensor

    Stack tensors (L, *) of different lengths: (T, B, *), or (B, T, *) if ``batch_first``.

    >>> sequences = [torch.tensor([1, 2, 3]), torch.tensor([4, 5])]
    >>> torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True)
    tensor([[1, 2, 3],
            [4, 5, 0]])
    >>> torch.nn.utils.rnn.pad_sequence(sequences, batch_first=True, padding_side='left')
    tensor([[1, 2, 3],
            [0, 4, 5]])
    """
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            "pad_sequence: Expected iterable for input sequences, but got arg of type: "
            f"{type(sequences)}"
        )
    sequences = tuple(sequences)
    if not sequences:
        raise RuntimeError("received an empty list of sequences")
    if padding_side not in ("left", "right"):
        raise RuntimeError(
            f"Expected padding_side to be one of left or right, but got {padding_side}."
        )
    longest = max(s.size(0) for s in sequences)
    padded = [_pad_one(s, longest - s.size(0), padding_value, padding_side) for s in sequences]
    return torch.stack(padded, 0 if batch_first else 1)


def _pad_one(sequence: Any, missing: int, value: float, side: str) -> Any:
    if missing == 0:
        return sequence
    filler = sequence.new_full((missing, *sequence.shape[1:]), value)
    return torch.cat((sequence, filler) if side == "right" else (filler, sequence))


def unpad_sequence(padded_sequences: Any, lengths: Any, batch_first: bool = False) -> list:
    """unpad_sequence(padded_sequences, lengths, batch_first=False)

    The sequences without their padding, as a list.

    >>> padded = torch.tensor([[1, 2, 3], [4, 5, 0]])
    >>> torch.nn.utils.rnn.unpad_sequence(padded, torch.tensor([3, 2]), batch_first=True)
    [tensor([1, 2, 3]), tensor([4, 5])]
    """
    if not batch_first:
        padded_sequences = padded_sequences.transpose(0, 1)
    return [s[:n] for s, n in zip(padded_sequences, lengths.tolist(), strict=True)]


def pack_sequence(sequences: list, enforce_sorted: bool = True) -> PackedSequence:
    """pack_sequence(sequences, enforce_sorted=True): pack a list of tensors (L, *).

    >>> torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])]).data
    tensor([1, 4, 2, 5, 3])
    """
    lengths = torch.as_tensor([s.size(0) for s in sequences])
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list:
    """unpack_sequence(packed_sequences): the list of tensors that were packed.

    >>> packed = torch.nn.utils.rnn.pack_sequence([torch.tensor([1, 2, 3]), torch.tensor([4, 5])])
    >>> torch.nn.utils.rnn.unpack_sequence(packed)
    [tensor([1, 2, 3]), tensor([4, 5])]
    """
    padded, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(padded, lengths, batch_first=True)
