"""torch.nn.attention.flex_attention: attention whose scores and masks are Python functions.

They are vectorised by ``torch.vmap`` over all pairs of a query and a key, as PyTorch does without a
compiler: the scores of all pairs are in memory at once.
"""

from collections.abc import Callable
from math import prod
from typing import Any, NamedTuple

from rushlight import _api as torch
from rushlight.func import vmap

__all__ = [
    "AuxOutput",
    "AuxRequest",
    "BlockMask",
    "and_masks",
    "create_block_mask",
    "create_mask",
    "flex_attention",
    "noop_mask",
    "or_masks",
]

MaskMod = Callable[..., torch.Tensor]
_DEFAULT_SPARSE_BLOCK_SIZE = 128


def _over_pairs(function: Callable, leading: int) -> Callable:
    """``function`` of single numbers, after ``leading`` tensors of the scores' shape, for all
    batches, heads, queries and keys at once.
    """
    for place in (3, 2, 1, 0):  # the keys innermost
        numbers = tuple(0 if i == place else None for i in range(4))
        function = vmap(function, in_dims=(0,) * leading + numbers)
    return function


def noop_mask(batch: Any, head: Any, token_q: Any, token_kv: Any) -> "torch.Tensor":
    """noop_mask(batch, head, token_q, token_kv): a mask that lets every pair through.

    >>> zero = torch.tensor(0)
    >>> torch.nn.attention.flex_attention.noop_mask(zero, zero, zero, zero)
    tensor(True)
    """
    return batch.new_ones(size=(), dtype=torch.bool)


def and_masks(*mask_mods: MaskMod) -> MaskMod:
    """and_masks(*mask_mods): the mask that lets through what all of them do.

    >>> flex = torch.nn.attention.flex_attention
    >>> both = flex.and_masks(lambda b, h, q, k: q >= k, lambda b, h, q, k: q - k < 2)
    >>> flex.create_mask(both, 1, 1, 3, 3, 'cpu')[0, 0].int()
    tensor([[1, 0, 0],
            [1, 1, 0],
            [0, 1, 1]], dtype=torch.int32)
    """
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def both(b: Any, h: Any, q: Any, k: Any) -> "torch.Tensor":
        result = b.new_ones((), dtype=torch.bool)
        for mod in mask_mods:
            result = result & mod(b, h, q, k)
        return result

    return both


def or_masks(*mask_mods: MaskMod) -> MaskMod:
    """or_masks(*mask_mods): the mask that lets through what one of them does.

    >>> flex = torch.nn.attention.flex_attention
    >>> either = flex.or_masks(lambda b, h, q, k: q == k, lambda b, h, q, k: k == 0)
    >>> flex.create_mask(either, 1, 1, 2, 2, 'cpu')[0, 0]
    tensor([[ True, False],
            [ True,  True]])
    """
    if not all(callable(mod) for mod in mask_mods):
        raise RuntimeError(f"All inputs should be callable mask_mods: {mask_mods}")

    def either(b: Any, h: Any, q: Any, k: Any) -> "torch.Tensor":
        result = b.new_zeros((), dtype=torch.bool)
        for mod in mask_mods:
            result = result | mod(b, h, q, k)
        return result

    return either


def create_mask(
    mod_fn: MaskMod,
    B: int | None,
    H: int | None,
    Q_LEN: int,  # noqa: N803
    KV_LEN: int,  # noqa: N803
    device: Any = None,
) -> "torch.Tensor":
    """create_mask(mod_fn, B, H, Q_LEN, KV_LEN, device=None) -> Tensor (B, H, Q_LEN, KV_LEN)

    ``mod_fn(b, h, q_idx, kv_idx)`` for every pair of a query and a key. B and H may be None: 1.

    >>> torch.nn.attention.flex_attention.create_mask(lambda b, h, q, k: q >= k, 1, 1, 2, 2, 'cpu')
    tensor([[[[ True, False],
              [ True,  True]]]])
    """
    places = [torch.arange(0, n, device=device) for n in (B or 1, H or 1, Q_LEN, KV_LEN)]
    return _over_pairs(mod_fn, 0)(*places)


class BlockMask:
    """What ``create_block_mask`` makes: a mask, and which blocks of it have anything.

    ``mask_mod`` is the function, ``kv_num_blocks`` (B, H, blocks of queries) how many blocks of
    keys have a pair that is let through.

    >>> flex = torch.nn.attention.flex_attention
    >>> flex.create_block_mask(lambda b, h, q, k: q >= k, None, None, 256, 256)
    BlockMask(shape=(1, 1, 256, 256), sparsity=25.00%)
    """

    def __init__(
        self,
        mask_mod: MaskMod,
        blocks: "torch.Tensor",
        seq_lengths: tuple[int, int],
        BLOCK_SIZE: tuple[int, int],  # noqa: N803 # PyTorch's names
    ) -> None:
        self.mask_mod = mask_mod
        self.seq_lengths = seq_lengths
        self.BLOCK_SIZE = BLOCK_SIZE
        self._blocks = blocks
        self.kv_num_blocks = blocks.sum(-1, dtype=torch.int32)
        self.kv_indices = blocks.int().argsort(dim=-1, descending=True, stable=True).int()

    @property
    def shape(self) -> tuple[int, ...]:
        """(B, H, queries, keys)"""
        return (*self._blocks.shape[:2], *self.seq_lengths)

    def numel(self) -> int:
        """The number of pairs."""
        return prod(self.shape)

    def to_dense(self) -> "torch.Tensor":
        """One for every block that has a pair that is let through: (B, H, blocks, blocks)."""
        return self._blocks.int()

    def sparsity(self) -> float:
        """The blocks without any such pair, in per cent."""
        return 100 * (1 - float(self._blocks.float().mean()))

    def to(self, device: Any) -> "BlockMask":
        """The mask on a device."""
        return BlockMask(self.mask_mod, self._blocks.to(device), self.seq_lengths, self.BLOCK_SIZE)

    def __repr__(self) -> str:
        return f"BlockMask(shape={self.shape}, sparsity={self.sparsity():.2f}%)"


def create_block_mask(
    mask_mod: MaskMod,
    B: int | None,
    H: int | None,
    Q_LEN: int,  # noqa: N803
    KV_LEN: int,  # noqa: N803
    device: Any = None,
    BLOCK_SIZE: int | tuple[int, int] = _DEFAULT_SPARSE_BLOCK_SIZE,  # noqa: N803
    _compile: bool = False,
) -> BlockMask:
    """create_block_mask(mask_mod, B, H, Q_LEN, KV_LEN, device=None, BLOCK_SIZE=128) -> BlockMask

    >>> flex = torch.nn.attention.flex_attention
    >>> flex.create_block_mask(lambda b, h, q, k: q >= k, 1, 1, 256, 256, 'cpu').to_dense()[0, 0]
    tensor([[1, 0],
            [1, 1]], dtype=torch.int32)
    """
    sizes = (BLOCK_SIZE, BLOCK_SIZE) if isinstance(BLOCK_SIZE, int) else BLOCK_SIZE
    mask = create_mask(mask_mod, B, H, Q_LEN, KV_LEN, device)
    rows, columns = -(-Q_LEN // sizes[0]), -(-KV_LEN // sizes[1])
    whole = mask.new_zeros((*mask.shape[:2], rows * sizes[0], columns * sizes[1]))
    whole[..., :Q_LEN, :KV_LEN] = mask
    cut = whole.reshape(*mask.shape[:2], rows, sizes[0], columns, sizes[1])
    return BlockMask(mask_mod, cut.any(3).any(-1), (Q_LEN, KV_LEN), sizes)


class AuxRequest(NamedTuple):
    """What ``flex_attention`` shall give besides its result.

    >>> torch.nn.attention.flex_attention.AuxRequest(lse=True)
    AuxRequest(lse=True, max_scores=False)
    """

    lse: bool = False
    max_scores: bool = False


class AuxOutput(NamedTuple):
    """What ``flex_attention`` gave besides its result.

    >>> torch.nn.attention.flex_attention.AuxOutput().lse is None
    True
    """

    lse: Any = None
    max_scores: Any = None


def _check(query: Any, key: Any, value: Any, enable_gqa: bool) -> None:
    if not all(t.dim() == 4 for t in (query, key, value)):
        raise NotImplementedError("NYI: query, key, and value must be 4D tensors")
    if not enable_gqa and query.size(-3) != key.size(-3):
        raise ValueError(
            "Expect query and key/value to have the same number of heads "
            f"but got Hq={query.size(-3)} and Hkv={key.size(-3)}. "
            "Try setting enable_gqa=True for GQA."
        )


def flex_attention(
    query: "torch.Tensor",
    key: "torch.Tensor",
    value: "torch.Tensor",
    score_mod: Callable | None = None,
    block_mask: BlockMask | None = None,
    scale: float | None = None,
    enable_gqa: bool = False,
    return_lse: bool = False,
    kernel_options: dict | None = None,
    *,
    return_aux: AuxRequest | None = None,
) -> Any:
    """flex_attention(query, key, value, score_mod=None, block_mask=None, scale=None,
    enable_gqa=False, return_lse=False) -> Tensor

    Attention of queries (B, Hq, L, E) to keys (B, H, S, E) with values (B, H, S, V):
    ``score_mod(score, b, h, q_idx, kv_idx)`` changes each score, ``block_mask`` says which pairs
    count, ``enable_gqa`` lets several heads of queries share one of keys. ``return_lse`` adds the
    logarithms of the sums (B, Hq, L). ``kernel_options`` is about PyTorch's kernels, whose
    gradients are on GPUs only; here they are on the CPU too.

    >>> flex = torch.nn.attention.flex_attention
    >>> q = torch.ones(1, 1, 2, 4)
    >>> v = torch.arange(2.0).reshape(1, 1, 2, 1)
    >>> causal = flex.create_block_mask(lambda b, h, q, k: q >= k, 1, 1, 2, 2, 'cpu')
    >>> flex.flex_attention(q, q, v, block_mask=causal).flatten()
    tensor([0.0000, 0.5000])
    """
    _check(query, key, value, enable_gqa)
    groups = query.shape[1] // key.shape[1]
    if groups > 1:
        key, value = (t.repeat_interleave(groups, 1) for t in (key, value))
    kind = torch.float64 if query.dtype == torch.float64 else torch.float32
    factor = query.shape[-1] ** -0.5 if scale is None else scale
    scores = (query @ key.transpose(-2, -1)).to(kind) * factor
    places = [torch.arange(0, n, device=query.device) for n in scores.shape]
    if score_mod is not None:
        scores = _over_pairs(score_mod, 1)(scores, *places).to(kind)
    if block_mask is not None:
        allowed = _over_pairs(block_mask.mask_mod, 0)(*places)
        scores = torch.where(allowed, scores, -float("inf"))
    lse = scores.logsumexp(-1)
    weights = torch.where(lse.isinf()[..., None], 0.0, (scores - lse[..., None]).exp())
    result = weights.to(value.dtype) @ value
    if return_aux is not None:
        top = scores.amax(-1) if return_aux.max_scores else None
        return result, AuxOutput(lse if return_aux.lse else None, top)
    return (result, lse) if return_lse else result
