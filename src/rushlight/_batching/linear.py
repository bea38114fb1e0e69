"""Batching rules of products: matrices, vectors, linear layers, convolutions."""

from typing import Any

from rushlight._core.batch_rules import Batch
from rushlight._core.decompose import decomposed
from rushlight._core.tensor import Tensor

RULES: dict[str, Any] = {}


def rule(*names: str) -> Any:
    """Register a function as the rule of these operators."""

    def register(function: Any) -> Any:
        RULES.update(dict.fromkeys(names, function))
        return function

    return register


@rule("mm", "bmm", "batched_matmul")
def product(batch: Batch, values: tuple, params: tuple) -> Any:
    """Broadcasting products of the last two dimensions."""
    x, y = values
    row, column = batch.ndim(x, 0) == 1, batch.ndim(y, 1) == 1
    x = x.unsqueeze(-2) if row else x
    y = y.unsqueeze(-1) if column else y
    ndim = max(batch.ndim(x, 0), batch.ndim(y, 1))
    out = batch.padded(x, 0, ndim).matmul(batch.padded(y, 1, ndim))
    out = out.squeeze(-1) if column else out
    return out.squeeze(-2 if not column else -1) if row else out


@rule("mv")
def mv(batch: Batch, values: tuple, params: tuple) -> Any:
    """Matrix times vector."""
    x, y = values
    if not batch.mapped[1]:
        return x.matmul(y)
    if not batch.mapped[0]:
        return y.matmul(x.t())
    return x.matmul(y.unsqueeze(-1)).squeeze(-1)


@rule("dot", "vdot")
def dot(batch: Batch, values: tuple, params: tuple) -> Any:
    """The sum of the products of two vectors."""
    x, y = values
    if batch.ndim(x, 0) != 1 or batch.ndim(y, 1) != 1 or x.shape[-1] != y.shape[-1]:
        return NotImplemented  # the operator itself says what is wrong
    x = x.conj() if batch.op.name == "vdot" else x
    return batch.whole(x, 0).unsqueeze(1).matmul(batch.whole(y, 1).unsqueeze(2)).reshape(batch.size)


@rule("linear")
def linear(batch: Batch, values: tuple, params: tuple) -> Any:
    """One weight for all rows of all examples, or a product for each example."""
    x, weight, bias = values
    if not batch.mapped[1] and not batch.mapped[2]:
        return batch.call(x, weight, bias)
    if not batch.mapped[1]:
        out = batch.call(batch.whole(x, 0), weight, None)
    else:
        out = rows_times(batch, x, weight.transpose(1, 2))
    if bias is None:
        return out
    return out + (batch.padded(bias, 2, out.ndim - 1) if batch.mapped[2] else bias)


def rows_times(batch: Batch, x: Tensor, matrix: Tensor) -> Tensor:
    """(*, n) of each example times its own (n, m)."""
    x = batch.whole(x, 0)
    if x.ndim == 2:
        return x.unsqueeze(1).matmul(matrix).squeeze(1)
    flat = x.reshape((batch.size, -1, x.shape[-1])) if x.numel() else None
    if flat is None:
        return x.matmul(matrix.reshape((batch.size, *[1] * (x.ndim - 3), *matrix.shape[1:])))
    return flat.matmul(matrix).reshape((*x.shape[:-1], matrix.shape[-1]))


@rule("linear_input")
def linear_input(batch: Batch, values: tuple, params: tuple) -> Any:
    """The gradient of a linear layer's input."""
    g, weight = values
    if not batch.mapped[1]:
        return batch.call(g, weight)
    return rows_times(batch, g, weight)


@rule("linear_weight")
def linear_weight(batch: Batch, values: tuple, params: tuple) -> Any:
    """The gradient of each example's weight: its rows against one another."""
    g, x = batch.whole(values[0], 0), batch.whole(values[1], 1)
    if g.ndim == 2:
        return g.unsqueeze(2) * x.unsqueeze(1)
    g = g.reshape((batch.size, -1, g.shape[-1])) if g.numel() else g.flatten(1, -2)
    x = x.reshape((batch.size, -1, x.shape[-1])) if x.numel() else x.flatten(1, -2)
    return g.transpose(1, 2).matmul(x)


def _add(input: Any, total: Tensor, beta: Any, alpha: Any) -> Tensor:
    total = total if alpha == 1 else total * alpha
    if beta == 0:
        return total
    return total + (input if beta == 1 else input * beta)


def _addmm(input: Any, mat1: Any, mat2: Any, beta: Any, alpha: Any) -> Tensor:
    return _add(input, mat1.mm(mat2), beta, alpha)


def _addmv(input: Any, mat: Any, vec: Any, beta: Any, alpha: Any) -> Tensor:
    return _add(input, mat.mv(vec), beta, alpha)


def _baddbmm(input: Any, batch1: Any, batch2: Any, beta: Any, alpha: Any) -> Tensor:
    return _add(input, batch1.bmm(batch2), beta, alpha)


def _addbmm(input: Any, batch1: Any, batch2: Any, beta: Any, alpha: Any) -> Tensor:
    return _add(input, batch1.bmm(batch2).sum(0), beta, alpha)


def _addr(input: Any, vec1: Any, vec2: Any, beta: Any, alpha: Any) -> Tensor:
    return _add(input, vec1.unsqueeze(1) * vec2, beta, alpha)


RULES.update(
    addmm=decomposed(_addmm),
    addmv=decomposed(_addmv),
    baddbmm=decomposed(_baddbmm),
    addbmm=decomposed(_addbmm),
    addr=decomposed(_addr),
)


# ---- systems of equations, distances -------------------------------------------------------------


@rule("linalg_solve_triangular", "linalg_cross", "cdist_forward")
def broadcasting(batch: Batch, values: tuple, params: tuple) -> Any:
    """Leading dimensions broadcast against one another."""
    ndim = max([batch.ndim(t, i) for i, t in enumerate(values)])
    whole = []
    for i, t in enumerate(values):
        t = batch.whole(t, i)
        whole.append(t.reshape((batch.size, *[1] * (ndim + 1 - t.ndim), *t.shape[1:])))
    if batch.op.name == "linalg_cross":
        dim = params[0] - ndim if params[0] >= 0 else params[0]
        return batch.call(*whole, dim)
    return batch.call(*whole, *params)


@rule("linalg_solve_ex")
def solve(batch: Batch, values: tuple, params: tuple) -> Any:
    """A right-hand side that is a vector, or vectors, for each example gets a dimension."""
    a, b = values
    na, nb = batch.ndim(a, 0), batch.ndim(b, 1)
    shape_a = a.shape[1:] if batch.mapped[0] else a.shape
    shape_b = b.shape[1:] if batch.mapped[1] else b.shape
    vector = nb == 1 or (na - 1 == nb and tuple(shape_a[:-1]) == tuple(shape_b))
    if not vector:
        return broadcasting(batch, values, params)
    a, b = batch.whole(a, 0), batch.whole(b, 1)
    b = b.unsqueeze(-1 if params[0] else -2)
    if nb == 1:
        b = b.reshape((batch.size, *[1] * (na - 2), *b.shape[1:]))
    out = batch.call(a, b, *params)
    return tuple([out[0].squeeze(-1 if params[0] else -2), *out[1:]])


# ---- convolutions --------------------------------------------------------------------------------


def side_by_side(t: Tensor) -> Tensor:
    """(B, N, C, ...) as (N, B C, ...): examples become groups of channels."""
    t = t.movedim(0, 1)
    return t.reshape((t.shape[0], t.shape[1] * t.shape[2], *t.shape[3:]))


def parted(t: Tensor, size: int) -> Tensor:
    """The reverse."""
    n, c = t.shape[:2]
    return t.reshape((n, size, c // size, *t.shape[2:])).movedim(1, 0)


def joined(t: Tensor) -> Tensor:
    """(B, N, ...) as (B N, ...)."""
    return t.reshape((t.shape[0] * t.shape[1], *t.shape[2:]))


def biased(batch: Batch, out: Tensor, bias: Any) -> Tensor:
    """A bias, one for all or one for each example, added to the channels."""
    if bias is None:
        return out
    size = batch.size if batch.mapped[2] else 1
    return out + bias.reshape((size, 1, bias.shape[-1], *[1] * (out.ndim - 3)))


@rule("convolution")
def convolution(batch: Batch, values: tuple, params: tuple) -> Any:
    """One weight: the examples join the batch. A weight for each: they become groups."""
    x, weight, bias = values
    if not batch.mapped[1]:
        inside = None if batch.mapped[2] else bias
        out = batch.call(joined(batch.whole(x, 0)), weight, inside, *params)
        out = out.reshape((batch.size, -1 if out.numel() else 0, *out.shape[1:]))
        return out if inside is not None else biased(batch, out, bias)
    stride, padding, dilation, groups = params
    wide = side_by_side(batch.whole(x, 0))
    out = batch.call(wide, joined(weight), None, stride, padding, dilation, groups * batch.size)
    return biased(batch, parted(out, batch.size), bias)


@rule("conv_transpose")
def conv_transpose(batch: Batch, values: tuple, params: tuple) -> Any:
    """The same for transposed convolutions, which are told the shape of their result."""
    x, weight, bias = values
    shape, stride, padding, dilation, groups = params
    n, c, *rest = shape
    if not batch.mapped[1]:
        whole = (batch.size * n, c, *rest)
        out = batch.call(
            joined(batch.whole(x, 0)), weight, None, whole, stride, padding, dilation, groups
        )
        return biased(batch, out.reshape((batch.size, *shape)), bias)
    whole = (n, batch.size * c, *rest)
    wide, many = side_by_side(batch.whole(x, 0)), groups * batch.size
    out = batch.call(wide, joined(weight), None, whole, stride, padding, dilation, many)
    return biased(batch, parted(out, batch.size), bias)


@rule("conv_weight")
def conv_weight(batch: Batch, values: tuple, params: tuple) -> Any:
    """A weight's gradient for each example: groups of channels again."""
    shape, stride, padding, dilation, groups = params
    g, x = side_by_side(batch.whole(values[0], 0)), side_by_side(batch.whole(values[1], 1))
    whole = (batch.size * shape[0], *shape[1:])
    out = batch.call(g, x, whole, stride, padding, dilation, groups * batch.size)
    return out.reshape((batch.size, *shape))
