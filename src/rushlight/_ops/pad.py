"""Padding: by a constant, by reflection, by the edge, and around a circle."""

from rushlight._core.op import Meta, Op, public


class ConstantPadNd(Op):
    """constant_pad_nd(input, pad, value=0) -> Tensor

    ``input`` with ``pad`` elements of ``value`` before and after each dimension, last dimension
    first; a negative number crops.

    >>> torch.constant_pad_nd(torch.ones(2), (1, 0))
    tensor([0., 1., 1.])
    """

    public = ("torch",)
    promote = "keep"
    half = "native"

    def forward(xp, x, pad, value=0):
        if pad and not len(pad) % 2 and len(pad) <= 2 * x.ndim and min(pad) >= 0:
            return _framed(xp, x, pad, value)
        _check_constant(x.shape, pad)
        shape, into, source = list(x.shape), [slice(None)] * x.ndim, [slice(None)] * x.ndim
        for i in range(len(pad) // 2):
            d, before, after = x.ndim - 1 - i, pad[2 * i], pad[2 * i + 1]
            size = shape[d]
            shape[d] = size + before + after
            into[d] = slice(max(before, 0), shape[d] - max(after, 0))
            source[d] = slice(max(-before, 0), size - max(-after, 0))
        result = xp.zeros(shape, x.dtype) if value == 0 else xp.full(shape, value, x.dtype)
        result[tuple(into)] = x[tuple(source)]
        return result

    def vjp(g, pad):
        return ConstantPadNd.call(g, tuple(-p for p in pad), 0)


def _framed(xp, x, pad, value):
    """What is only added to."""
    shape, into = list(x.shape), [slice(None)] * x.ndim
    d = len(shape)
    for i in range(0, len(pad), 2):
        d -= 1
        before, size = pad[i], shape[d]
        into[d] = slice(before, before + size)
        shape[d] = before + size + pad[i + 1]
    result = xp.zeros(shape, x.dtype) if value == 0 else xp.full(shape, value, x.dtype)
    result[tuple(into)] = x
    return result


def _check_constant(shape, pad):
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * len(shape):
        raise RuntimeError(
            "Length of pad should be no more than twice the number of dimensions of the input. "
            "Pad length is "
            f"{len(pad)} while the input has {len(shape)} dimensions."
        )
    for i in range(len(pad) // 2):
        d = len(shape) - 1 - i
        if shape[d] + pad[2 * i] + pad[2 * i + 1] < 0:
            raise RuntimeError(
                f"The input size {shape[d]}, plus negative padding {pad[2 * i]} and "
                f"{pad[2 * i + 1]} resulted in a "
                f"negative output size, which is invalid. Check dimension {d} of your input."
            )


class Gathered(Op):
    """Along each dimension in ``dims``, the elements that ``indices`` name."""

    promote = "keep"
    half = "native"
    public = ()

    def grad_name(node):
        dims, _, mode = node.params
        if mode == "circular":
            return "torch::autograd::CopySlices"
        return f"{'Reflection' if mode == 'reflect' else 'Replication'}Pad{len(dims)}DBackward0"

    def forward(xp, x, dims, indices, mode):
        for d, index in zip(dims, indices, strict=True):
            x = x.take(xp.asarray(index, xp.int64), axis=d)
        return x

    def vjp(g, input: Meta, dims, indices, mode):
        shape = tuple(input.shape)
        sizes = tuple([shape[d] for d in dims])
        return GatheredBackward.call(g, dims, indices, sizes, mode)


class GatheredBackward(Op):
    """The transpose of ``Gathered``: elements added up where they came from."""

    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, g, dims, indices, sizes, mode):
        for d, index, size in reversed(list(zip(dims, indices, sizes, strict=True))):
            moved = xp.moveaxis(g, d, 0)
            total = xp.zeros((size, *moved.shape[1:]), g.dtype)
            xp.add.at(total, xp.asarray(index, xp.int64), moved)
            g = xp.moveaxis(total, 0, d)
        return xp.ascontiguousarray(g)

    def vjp(g, dims, indices, mode):
        return Gathered.call(g, dims, indices, mode)


def _reflected(size, before, after):
    """0 1 2 with two more on each side: 2 1 | 0 1 2 | 1 0."""
    if before >= 0 <= after:
        return (*range(before, 0, -1), *range(size), *range(size - 2, size - 2 - after, -1))
    last = size - 1
    return tuple([last - abs(last - abs(i)) for i in range(-before, size + after)])


def _replicated(size, before, after):
    """0 1 2 with two more on each side: 0 0 | 0 1 2 | 2 2."""
    if before >= 0 <= after:
        return (0,) * before + tuple(range(size)) + (size - 1,) * after
    return tuple([min(max(i, 0), size - 1) for i in range(-before, size + after)])


def _circular(size, before, after):
    """0 1 2 with two more on each side: 1 2 | 0 1 2 | 0 1."""
    kept = tuple(range(max(-before, 0), size - max(-after, 0)))
    return kept[len(kept) - max(before, 0) :] + kept + kept[: max(after, 0)]


SOURCES = {"reflect": _reflected, "replicate": _replicated, "circular": _circular}


def _check_pad(shape, pad, mode):
    """Refuse paddings the mode cannot make, in PyTorch's words."""
    n = len(pad) // 2
    if not (len(pad) in (2, 4, 6) and len(shape) in (n + 1, n + 2)):
        raise NotImplementedError(
            f"Padding size {len(pad)} is not supported for {len(shape)}D input tensor.\n"
            "Supported combinations for non-constant padding:\n"
            "  - 2D or 3D input: padding size = 2 (pads last dimension)\n"
            "  - 3D or 4D input: padding size = 4 (pads last 2 dimensions)\n"
            "  - 4D or 5D input: padding size = 6 (pads last 3 dimensions)"
        )
    if mode != "circular" and 0 in shape[len(shape) - n - 1 :]:
        raise RuntimeError(
            f"Expected {n + 1}D or {n + 2}D (batch mode) tensor with possibly 0 batch size and "
            f"other non-zero dimensions for input, but got: {list(shape)}"
        )
    for i in range(n):
        size, before, after = shape[-1 - i], pad[2 * i], pad[2 * i + 1]
        if mode == "reflect" and (before >= size or after >= size):
            dim = len(shape) - 1 - i
            raise RuntimeError(
                "Argument #4: Padding size should be less than the corresponding input dimension, "
                "but got: padding "
                f"({before}, {after}) at dimension {dim} of input {list(shape)}"
            )
        if mode == "circular" and (before > size or after > size):
            raise RuntimeError("Padding value causes wrapping around more than once.")
        if mode == "circular" and size + before + after < 0:
            raise RuntimeError("Negative padding value is resulting in an empty dimension")
        if size + before + after < 1 and mode != "circular":
            raise RuntimeError(
                f"input ({'W' if i == 0 else 'H' if i == 1 else 'D'}: {size}) is too small. "
                "Calculated output "
                f"{'W' if i == 0 else 'H' if i == 1 else 'D'}: {size + before + after}"
            )


@public("nn.functional", out=False)
def pad(input, pad, mode="constant", value=None):
    """pad(input, pad, mode='constant', value=None) -> Tensor

    ``input`` with ``pad`` elements before and after each dimension, last dimension first. ``mode``:
    'constant' (``value``), 'reflect', 'replicate' or 'circular'.

    >>> torch.nn.functional.pad(torch.tensor([[1.0, 2.0, 3.0]]), (1, 1), mode="reflect")
    tensor([[2., 1., 2., 3., 2.]])
    """
    pad = tuple(pad)
    n = len(pad) // 2
    if len(pad) % 2:
        raise RuntimeError("Padding length must be divisible by 2")
    if n > input.dim():
        raise RuntimeError(
            "Padding length should be less than or equal to two times the input dimension but "
            "got padding length "
            f"{len(pad)} and input of dimension {input.dim()}"
        )
    if mode == "constant":
        return ConstantPadNd.call(input, pad, 0 if value is None else value)
    if value is not None and value != 0:
        raise RuntimeError(f'Padding mode "{mode}" doesn\'t take in value argument')
    if mode not in SOURCES:
        raise NotImplementedError(f"Unrecognised padding mode {mode}")
    shape, source = tuple(input.shape), SOURCES[mode]
    _check_pad(shape, pad, mode)
    dims = tuple(range(len(shape) - 1, len(shape) - 1 - n, -1))
    indices = tuple([source(shape[-1 - i], pad[2 * i], pad[2 * i + 1]) for i in range(n)])
    return Gathered.call(input, dims, indices, mode)
