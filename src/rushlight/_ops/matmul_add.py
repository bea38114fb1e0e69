"""Matrix products added to a tensor: addmm, addmv, baddbmm, addbmm, addr."""

import numpy as np

from rushlight._core import dtypes
from rushlight._core.backend import kernel_for
from rushlight._core.casting import astype
from rushlight._core.op import Op, conj
from rushlight._core.shape import common_shape
from rushlight._ops.matmul import cannot_multiply, check_batches, same_dtype

_F4 = dtypes.float32.numpy


def _scaled_sum(xp, bias, product, beta, alpha):
    """``beta * bias + alpha * product`` as PyTorch has it: with beta 0, NaN in ``bias`` does not
    count."""
    if alpha != 1:
        product = product * product.dtype.type(alpha)
    if beta == 0:
        return product
    return product + (bias if beta == 1 else bias * bias.dtype.type(beta))


def _widened(*arrays):
    if arrays[0].dtype in dtypes.HALF:
        return [astype(a, dtypes.float32.numpy) for a in arrays]
    return arrays


def _product(xp, x, y):
    """By the native kernel where there is one: NumPy's BLAS has threads of its own."""
    native = kernel_for("mm" if x.ndim == y.ndim == 2 else "bmm" if x.ndim == 3 else "mv")
    if native is not None and type(x) is type(y) is np.ndarray:
        found = native(x, y)
        if found is not NotImplemented:
            return found
    return xp.dot(x, y) if x.ndim == 2 and x.dtype.char in "fd" else xp.matmul(x, y)


def _add_product(xp, bias, x, y, beta, alpha, shape):
    """The common forward of addmm and its like; ``bias`` broadcasts to ``shape``."""
    try:
        fits = bias.shape == shape or common_shape(bias.shape, shape) == shape
    except RuntimeError:
        fits = False
    if not fits:
        raise _cannot_expand(bias.shape, shape)
    wide_bias, wide_x, wide_y = _widened(bias, x, y)
    product = _product(xp, wide_x, wide_y)
    result = _scaled_sum(xp, wide_bias, product, beta, alpha)
    return astype(result, x.dtype) if x.dtype in dtypes.HALF else result


def _cannot_expand(shape, target):
    if len(shape) > len(target):
        return RuntimeError(
            f"The expanded size of the tensor ({target[0] if target else 0}) must match the "
            f"existing size ({shape[0]}) at non-singleton dimension 0.  Target sizes: "
            f"{list(target)}.  Tensor sizes: {list(shape)}"
        )
    at = next(i for i in range(-1, -len(shape) - 1, -1) if shape[i] not in (1, target[i]))
    return RuntimeError(
        f"The expanded size of the tensor ({target[at]}) must match the existing size "
        f"({shape[at]}) at non-singleton dimension {len(target) + at}.  Target sizes: "
        f"{list(target)}.  Tensor sizes: {list(shape)}"
    )


def _check_bias(bias, x):
    if bias.dtype != x.dtype:
        raise RuntimeError(
            "self and mat2 must have the same dtype, but got "
            f"{dtypes.scalar_name(dtypes.of_array(bias))} and "
            f"{dtypes.scalar_name(dtypes.of_array(x))}"
        )


def _times(t, number):
    return t if number == 1 else t * number


class Addmm(Op):
    """addmm(input, mat1, mat2, *, beta=1, alpha=1, out=None) -> Tensor

    ``beta * input + alpha * (mat1 @ mat2)``; ``input`` broadcasts to the product's shape.

    >>> torch.addmm(torch.ones(2), torch.eye(2), torch.eye(2))
    tensor([[2., 1.],
            [1., 2.]])
    """

    tensors = ("input", "mat1", "mat2")
    promote = "keep"
    half = "native"
    inplace = True

    def forward(xp, bias, x, y, beta=1, alpha=1):
        if (
            x.dtype is _F4 and y.dtype is _F4 and bias.dtype is _F4 and beta == 1 and alpha == 1
            and x.ndim == 2 and y.ndim == 2 and x.shape[1] == y.shape[0]
            and bias.shape in ((y.shape[1],), (x.shape[0], y.shape[1]))
        ):  # fmt: skip
            product = _product(xp, x, y)
            product += bias
            return product
        if x.ndim != 2 or y.ndim != 2:
            which = ("mat1", x) if x.ndim != 2 else ("mat2", y)
            raise RuntimeError(f"{which[0]} must be a matrix, got {which[1].ndim}-D tensor")
        if x.shape[1] != y.shape[0]:
            raise cannot_multiply(x, y)
        _check_bias(bias, y)
        same_dtype(x, y)
        return _add_product(xp, bias, x, y, beta, alpha, (x.shape[0], y.shape[1]))

    def vjp_input(g, beta):
        return _times(g, conj(beta))

    def vjp_mat1(g, mat2, alpha):
        return _times(g.mm(mat2.t().conj()), conj(alpha))

    def vjp_mat2(g, mat1, alpha):
        return _times(mat1.t().conj().mm(g), conj(alpha))


class Addmv(Op):
    """addmv(input, mat, vec, *, beta=1, alpha=1, out=None) -> Tensor

    ``beta * input + alpha * (mat @ vec)``.

    >>> torch.addmv(torch.ones(2), torch.eye(2), torch.tensor([1.0, 2.0]))
    tensor([2., 3.])
    """

    tensors = ("input", "mat", "vec")
    promote = "keep"
    half = "native"
    inplace = True

    def forward(xp, bias, x, y, beta=1, alpha=1):
        if x.ndim != 2 or y.ndim != 1 or bias.ndim > 1:
            raise RuntimeError(
                f"vector + matrix @ vector expected, got {bias.ndim}, {x.ndim}, {y.ndim}"
            )
        if x.shape[1] != y.shape[0] or (bias.size != 1 and bias.shape[0] != x.shape[0]):
            raise RuntimeError(
                f"size mismatch, got input ({bias.size}), mat ({x.shape[0]}x{x.shape[1]}), vec "
                f"({y.shape[0]})"
            )
        same_dtype(x, y)
        _check_bias(bias, x)
        return _add_product(xp, bias, x, y, beta, alpha, (x.shape[0],))

    def vjp_input(g, beta):
        return _times(g, conj(beta))

    def vjp_mat(g, vec, alpha):
        return _times(g.unsqueeze(1) * vec.conj(), conj(alpha))

    def vjp_vec(g, mat, alpha):
        return _times(mat.t().conj().mv(g), conj(alpha))


class Baddbmm(Op):
    """baddbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None) -> Tensor

    ``beta * input + alpha * bmm(batch1, batch2)``.

    >>> torch.baddbmm(torch.ones(1), torch.ones(2, 1, 3), torch.ones(2, 3, 1)).flatten()
    tensor([4., 4.])
    """

    tensors = ("input", "batch1", "batch2")
    promote = "keep"
    half = "native"
    inplace = True

    def forward(xp, bias, x, y, beta=1, alpha=1):
        check_batches(x, y)
        return _add_product(xp, bias, x, y, beta, alpha, (x.shape[0], x.shape[1], y.shape[2]))

    def vjp_input(g, beta):
        return _times(g, conj(beta))

    def vjp_batch1(g, batch2, alpha):
        return _times(g.bmm(batch2.transpose(1, 2).conj()), conj(alpha))

    def vjp_batch2(g, batch1, alpha):
        return _times(batch1.transpose(1, 2).conj().bmm(g), conj(alpha))


class Addbmm(Op):
    """addbmm(input, batch1, batch2, *, beta=1, alpha=1, out=None) -> Tensor

    ``beta * input + alpha * sum_i(batch1[i] @ batch2[i])``.

    >>> torch.addbmm(torch.zeros(1, 1), torch.ones(2, 1, 3), torch.ones(2, 3, 1))
    tensor([[6.]])
    """

    tensors = ("input", "batch1", "batch2")
    promote = "keep"
    half = "native"
    inplace = True

    def forward(xp, bias, x, y, beta=1, alpha=1):
        check_batches(x, y)
        x = x.transpose(1, 0, 2).reshape(
            x.shape[1], -1
        )  # (n, b m): the sum over batches is one product
        return _add_product(
            xp, bias, x, y.reshape(-1, y.shape[2]), beta, alpha, (x.shape[0], y.shape[2])
        )

    def vjp_input(g, beta):
        return _times(g, conj(beta))

    def vjp_batch1(g, batch2, alpha):
        return _times(g.matmul(batch2.transpose(1, 2).conj()), conj(alpha))

    def vjp_batch2(g, batch1, alpha):
        return _times(batch1.transpose(1, 2).conj().matmul(g), conj(alpha))


class Addr(Op):
    """addr(input, vec1, vec2, *, beta=1, alpha=1, out=None) -> Tensor

    ``beta * input + alpha * outer(vec1, vec2)``.

    >>> torch.addr(torch.zeros(2, 2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]))
    tensor([[3., 4.],
            [6., 8.]])
    """

    tensors = ("input", "vec1", "vec2")
    half = "float32"
    inplace = True

    def forward(xp, bias, x, y, beta=1, alpha=1):
        if x.ndim != 1 or y.ndim != 1:
            which, v = ("vec1", x) if x.ndim != 1 else ("vec2", y)
            raise RuntimeError(f"addr: Expected 1-D argument {which}, but got {v.ndim}-D")
        shape = (x.shape[0], y.shape[0])
        if bias.ndim > 2 or common_shape(bias.shape, shape) != shape:
            raise _cannot_expand(bias.shape, shape)
        if x.dtype.kind == "b":
            outer = x[:, None] & y if alpha else xp.zeros(shape, bool)
            return outer | bias if beta else outer
        return _scaled_sum(xp, bias, x[:, None] * y, beta, alpha)

    def vjp_input(g, beta):
        return _times(g, conj(beta))

    def vjp_vec1(g, vec2, alpha):
        return _times(g.mv(vec2.conj()), conj(alpha))

    def vjp_vec2(g, vec1, alpha):
        return _times(g.t().mv(vec1.conj()), conj(alpha))
