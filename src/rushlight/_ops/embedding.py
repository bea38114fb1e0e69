"""Looking rows up: embedding, bags of embeddings, and one-hot codes."""

import warnings

import numpy as np

from rushlight._core import fronts
from rushlight._core.dtypes import int64
from rushlight._core.looking import array_of, asserted, seen
from rushlight._core.op import Meta, Op, public
from rushlight._ops.sparse import coo


class Embedding(Op):
    """embedding(weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False) -> Tensor

    The rows of ``weight`` (V, D) that ``indices`` (...) name: (..., D). Its gradient is dense, or,
    with ``sparse``, a sparse tensor of the rows looked up.

    >>> torch.embedding(torch.tensor([[1.0], [2.0]]), torch.tensor([1, 0]))
    tensor([[2.],
            [1.]])
    """

    tensors = ("weight", "indices")
    promote = "keep"
    half = "native"
    public = ("torch",)

    def forward(xp, weight, indices, padding_idx=-1, scale_grad_by_freq=False, sparse=False):
        if weight.ndim != 2:
            raise RuntimeError("'weight' must be 2-D")
        if indices.dtype.kind != "i" or indices.dtype.itemsize < 4:
            raise RuntimeError(_wrong_indices("embedding", indices.dtype))
        if indices.size and (int(indices.min()) < 0 or int(indices.max()) >= weight.shape[0]):
            raise IndexError("index out of range in self")
        return weight[indices]

    def jvp(weight, indices, dot, _, padding_idx, scale_grad_by_freq, sparse):
        return Embedding.call(dot, indices)

    def vjp_weight(g, indices, weight: Meta, padding_idx, scale_grad_by_freq, sparse):
        if sparse:
            return sparse_gradient(g, indices, weight.shape, padding_idx, scale_grad_by_freq)
        return EmbeddingBackward.call(g, indices, weight.shape[0], padding_idx, scale_grad_by_freq)


def sparse_gradient(g, indices, shape, padding_idx, scale_grad_by_freq):
    """The gradient of a lookup table as the rows that were looked up, some of them repeatedly."""
    if scale_grad_by_freq:
        raise RuntimeError(
            "embedding_backward: scale_grad_by_freq not supported with sparse gradients"
        )
    places, rows = indices.reshape(-1), g.reshape(-1, shape[1])
    if padding_idx >= 0:
        kept = places != padding_idx
        places, rows = places[kept], rows[kept]
    return coo(rows, places.reshape(1, -1), shape)


_NAMES = {
    "float32": "Float", "float64": "Double", "int16": "Short", "int8": "Char", "uint8": "Byte",
    "bool": "Bool", "float16": "Half", "bfloat16": "BFloat16",
}  # fmt: skip


def _wrong_indices(name, dtype):
    """PyTorch's words for indices that are no integers."""
    found = f"torch.{_NAMES.get(str(dtype), str(dtype))}Tensor"
    return (
        "Expected tensor for argument #1 'indices' to have one of the following scalar types: "
        f"Long, Int; but got {found} "
        f"instead (while checking arguments for {name})"
    )


class EmbeddingBackward(Op):
    """Gradients added up by the row they came from; none for the padding row."""

    tensors = ("grad", "indices")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, g, indices, rows, padding_idx, scale_grad_by_freq):
        flat = indices.reshape(-1)
        g = g.reshape(flat.size, -1)
        if padding_idx >= 0 or scale_grad_by_freq:
            g = g * _factor(xp, flat, rows, padding_idx, scale_grad_by_freq, g.dtype)[:, None]
        result = xp.zeros((rows, g.shape[1]), g.dtype)
        add_rows(xp, result, flat, g)
        return result

    def vjp_grad(g, indices, rows, padding_idx, scale_grad_by_freq):
        return EmbeddingLookup.call(g, indices, padding_idx, scale_grad_by_freq)


class EmbeddingLookup(Op):
    """The transpose of ``EmbeddingBackward``."""

    tensors = ("weight", "indices")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, weight, indices, padding_idx, scale_grad_by_freq):
        factor = _factor(
            xp, indices.reshape(-1), len(weight), padding_idx, scale_grad_by_freq, weight.dtype
        )
        return weight[indices] * factor.reshape(*indices.shape, 1)

    def vjp_weight(g, indices, weight: Meta, padding_idx, scale_grad_by_freq):
        return EmbeddingBackward.call(g, indices, weight.shape[0], padding_idx, scale_grad_by_freq)


def _factor(xp, flat, rows, padding_idx, scale_grad_by_freq, dtype):
    """What each index's gradient is multiplied by."""
    factor = xp.ones(flat.size, dtype)
    if scale_grad_by_freq:
        factor /= xp.bincount(flat, minlength=rows)[flat].astype(dtype)
    if padding_idx >= 0:
        factor[flat == padding_idx] = 0
    return factor


def add_rows(xp, result, index, rows):
    """result[index[i]] += rows[i], by sorting: one segment sum for each row met."""
    if index.size == 0:
        return
    if index.size < 64:
        xp.add.at(result, index, rows)
        return
    order = xp.argsort(index, kind="stable")
    ordered = index[order]
    first = xp.flatnonzero(xp.concatenate([[True], ordered[1:] != ordered[:-1]]))
    result[ordered[first]] = xp.add.reduceat(rows[order], first, axis=0)


@public("torch", out=False)
def embedding_renorm_(weight, indices, max_norm, norm_type):
    """embedding_renorm_(weight, indices, max_norm, norm_type) -> Tensor

    Scale the rows that ``indices`` name, in place, to a norm of at most ``max_norm``.

    >>> torch.embedding_renorm_(torch.tensor([[3.0, 4.0]]), torch.tensor([0]), 1.0, 2.0)
    tensor([[0.6000, 0.8000]])
    """
    rows = indices.detach().reshape(-1).unique()
    found = weight.detach()[rows]
    norms = found.norm(norm_type, 1, keepdim=True)
    scale = (max_norm / (norms + 1e-7)).where(norms > max_norm, 1.0)
    weight.detach().index_copy_(0, rows, found * scale)
    return weight


class EmbeddingBagForward(Op):
    """Sums, means or maxima of rows ``indices`` of ``weight`` (V, D), by the bag (``bags``) each
    belongs to."""

    tensors = ("weight", "indices", "bags", "per_sample_weights")
    optional = ("per_sample_weights",)
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = "EmbeddingBagBackward0"

    def forward(
        xp, weight, indices, bags, scales, count, mode, padding_idx, scale_grad_by_freq, sparse
    ):
        live = indices != padding_idx
        rows = weight[indices]
        if mode == "max":
            result = xp.full((count, weight.shape[1]), -xp.inf, weight.dtype)
            xp.maximum.at(result, bags[live], rows[live])
            result[xp.bincount(bags[live], minlength=count) == 0] = 0
            return result
        result = xp.zeros((count, weight.shape[1]), weight.dtype)
        rows = rows * _bag_factor(xp, indices, bags, scales, count, mode, live, weight.dtype)
        add_rows(xp, result, bags, rows)
        return result

    def vjp(
        g,
        weight,
        indices,
        bags,
        per_sample_weights,
        result,
        count,
        mode,
        padding_idx,
        scale_grad_by_freq,
        sparse,
        need,
    ):
        to_weight = to_scales = None
        rows = g[bags]
        live = (indices != padding_idx).to(g.dtype).unsqueeze(1)
        if need[0]:
            if mode == "max":
                rows = rows * _first_hits(
                    weight.detach()[indices], result.detach()[bags], bags, live
                )
            else:
                rows = rows * live
                if mode == "mean":
                    sizes = g.new_zeros(count).index_add(0, bags, live.squeeze(1))
                    rows = rows / sizes[bags].clamp(min=1).unsqueeze(1)
                if per_sample_weights is not None:
                    rows = rows * per_sample_weights.unsqueeze(1)
            if sparse:
                to_weight = sparse_gradient(
                    rows, indices, weight.shape, padding_idx, scale_grad_by_freq
                )
            else:
                to_weight = EmbeddingBackward.call(
                    rows, indices, weight.shape[0], -1, scale_grad_by_freq
                )
        if need[3]:
            to_scales = (g[bags] * weight[indices] * live).sum(1)
        return to_weight, None, None, to_scales


def _bag_factor(xp, indices, bags, scales, count, mode, live, dtype):
    """(indices, 1): each row's weight in its bag."""
    factor = live.astype(dtype)
    if mode == "mean":
        factor /= xp.maximum(xp.bincount(bags, weights=live, minlength=count), 1)[bags].astype(
            dtype
        )
    if scales is not None:
        factor = factor * scales
    return factor[:, None]


def _first_hits(rows, best, bags, live):
    """1 where a row is the first of its bag with the bag's maximum (by column), else 0."""
    hit = (rows == best).to(rows.dtype) * live
    before = hit.cumsum(0)
    starts = before - hit
    first_of_bag = (
        starts.new_full((int(bags.max()) + 1, rows.shape[1]), 0.0) if bags.numel() else starts
    )
    if bags.numel():
        first_of_bag = first_of_bag.scatter_reduce(
            0, bags.unsqueeze(1).expand(rows.shape), starts, "amin", include_self=False
        )
        return hit * ((before - first_of_bag[bags]) == 1)
    return hit


def _bag_arguments(input, offsets, per_sample_weights, include_last_offset):
    """Flat indices, the bag of each, their weights and the number of bags; refused in PyTorch's
    words."""
    if input.dim() == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch "
                "of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        count, length = input.shape
        bags = input.new_ones(count, length).cumsum(0).sub(1).reshape(-1)
        scales = None if per_sample_weights is None else per_sample_weights.reshape(-1)
        return input.reshape(-1), bags, scales, count
    if input.dim() != 1:
        raise ValueError(
            f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.dim()}"
        )
    if offsets is None:
        raise ValueError("offsets has to be a 1D Tensor but got None")
    if offsets.dim() != 1:
        raise ValueError("offsets has to be a 1D Tensor")
    starts = offsets[:-1] if include_last_offset else offsets
    if starts.numel() and int(starts[0]) != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start "
            "from position 0. "
            f"However, got {int(starts[0])}\n[ torch.LongTensor{{}} ]"
        )
    if starts.numel() and int(starts.max()) > input.numel():
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {input.numel()} but got "
            "offsets[-1] of "
            f"{int(starts[-1])}"
        )
    marks = input.new_zeros(input.numel() + 1).index_add(
        0, starts.to(input.dtype), input.new_ones(starts.numel())
    )
    return input, marks[:-1].cumsum(0).sub(1), per_sample_weights, starts.numel()


@public("nn.functional", out=False)
def embedding_bag(
    input, weight, offsets=None, max_norm=None, norm_type=2, scale_grad_by_freq=False, mode="mean",
    sparse=False, per_sample_weights=None, include_last_offset=False, padding_idx=None,
):  # fmt: skip
    """embedding_bag(input, weight, offsets=None, max_norm=None, norm_type=2,
    scale_grad_by_freq=False, mode='mean', sparse=False, per_sample_weights=None,
    include_last_offset=False, padding_idx=None) -> Tensor

    Sums, means or maxima of bags of rows of ``weight`` (V, D). Each row of a 2-D ``input`` is a
    bag; a 1-D one is split at ``offsets``. With ``sparse`` the gradient of ``weight`` is sparse.

    >>> weight = torch.tensor([[1.0], [2.0], [4.0]])
    >>> torch.nn.functional.embedding_bag(torch.tensor([[0, 2]]), weight, mode="sum")
    tensor([[5.]])
    """
    if str(weight.dtype) == "torch.int64" and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage "
            "`embedding_bag(weight, input, ...)` is deprecated, and should now be "
            "`embedding_bag(input, weight, ...)`.",
            stacklevel=2,
        )
        input, weight = weight, input
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then "
            "it must have the "
            f"same shape as the input ({input.shape})"
        )
    flat, bags, scales, count = _bag_arguments(
        input, offsets, per_sample_weights, include_last_offset
    )
    if mode not in ("sum", "mean", "max"):
        raise ValueError("mode has to be one of sum, mean or max")
    if mode == "max" and scale_grad_by_freq:
        raise ValueError("max mode does not support scaling the gradient by the frequency")
    if mode == "max" and sparse:
        raise ValueError("max mode does not support sparse weights")
    if scales is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported "
            "for mode='sum' (got "
            f"mode='{mode}'). Please open a feature request on GitHub."
        )
    if flat.is_floating_point():
        raise RuntimeError(_wrong_indices("embedding_bag", str(flat.dtype).removeprefix("torch.")))
    padding = _padding(padding_idx, weight)
    if max_norm is not None:
        embedding_renorm_(weight, flat, max_norm, norm_type)
    known = not flat.numel() or not seen(flat)
    known = known or asserted("index_inside", array_of(flat), weight.shape[0])
    if not known and (int(flat.min()) < 0 or int(flat.max()) >= weight.shape[0]):
        bad = int(flat.max()) if int(flat.min()) >= 0 else int(flat.min())
        raise RuntimeError(f"Index {bad} is out of bounds: expected in [0, {weight.shape[0]})")
    return EmbeddingBagForward.call(
        weight, flat, bags, scales, count, mode, padding, bool(scale_grad_by_freq), bool(sparse)
    )


def _padding(padding_idx, weight):
    """The padding row counted from the front; -1 for none."""
    if padding_idx is None:
        return -1
    rows = weight.shape[0]
    if not -rows <= padding_idx < rows:
        raise AssertionError("padding_idx must be within the number of embeddings")
    return padding_idx % rows


class OneHotRows(Op):
    """1 at the class that each element names along a new last dimension, 0 elsewhere."""

    tensors = ("tensor",)
    promote = "keep"
    public = ()
    vmap = "fold"
    differentiable = False  # of integers

    def forward(xp, x, num_classes=-1):
        return (x[..., None] == xp.arange(num_classes)).astype(np.int64)


@public("nn.functional", out=False)
@fronts.before(OneHotRows, kernel="one_hot", by_name=True)
def one_hot(tensor, num_classes=-1):
    """one_hot(tensor, num_classes=-1) -> LongTensor

    1 at the class each element names along a new last dimension, 0 elsewhere.

    >>> torch.nn.functional.one_hot(torch.tensor([1, 0]))
    tensor([[0, 1],
            [1, 0]])
    """
    if tensor.dtype is not int64:
        raise RuntimeError("one_hot is only applicable to index tensor of type LongTensor.")
    if tensor.numel() == 0:
        if num_classes <= 0:
            raise RuntimeError("Can not infer total number of classes from empty tensor.")
        return tensor.new_zeros((*tensor.shape, num_classes))
    if tensor.is_cuda and num_classes > 0:  # nobody waits to look at the values, as in PyTorch
        return tensor.new_zeros((*tensor.shape, num_classes)).scatter_(-1, tensor.unsqueeze(-1), 1)
    if tensor.min().item() < 0:
        raise RuntimeError("Class values must be non-negative.")
    largest = tensor.max().item()
    if num_classes == -1:
        num_classes = largest + 1
    elif num_classes < 1 or num_classes <= largest:
        raise RuntimeError("Class values must be smaller than num_classes.")
    return OneHotRows.call(tensor, num_classes)
