"""Three operands: addcmul, addcdiv, lerp."""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import dtypes
from rushlight._core.dispatch import make_node
from rushlight._core.op import PUBLIC, Op, conj
from rushlight._core.state import S, thread
from rushlight._core.tensor import PLAIN, live_node, wrap
from rushlight._ops.domain import not_implemented, serves

F4 = dtypes.float32.numpy


class Addcmul(Op):
    """addcmul(input, tensor1, tensor2, *, value=1, out=None) -> Tensor

    ``input + value * tensor1 * tensor2``.

    >>> torch.addcmul(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([3.0, 4.0]), value=10)
    tensor([31., 81.])
    """

    tensors = ("input", "tensor1", "tensor2")
    inplace = True
    domain = serves("ihfc", "addcmul_cpu_out")

    def forward(xp, x, a, b, *, value=1):
        return x + (a if type(value) is int and value == 1 else a * x.dtype.type(value)) * b

    def vjp_input(g):
        return g

    def vjp_tensor1(g, tensor2, value):
        return g * conj(tensor2 * value)

    def vjp_tensor2(g, tensor1, value):
        return g * conj(tensor1 * value)


class Addcdiv(Op):
    """addcdiv(input, tensor1, tensor2, *, value=1, out=None) -> Tensor

    ``input + value * tensor1 / tensor2``; RuntimeError if both of those are integers.

    >>> torch.addcdiv(torch.ones(2), torch.tensor([1.0, 2.0]), torch.tensor([4.0, 4.0]), value=4)
    tensor([2., 3.])
    """

    tensors = ("input", "tensor1", "tensor2")
    inplace = True

    def domain(common, given):
        if all(d.category < dtypes.FLOATING for d in given[1:]):
            raise RuntimeError(
                "Integer division with addcdiv is no longer supported, and in a future  release "
                "addcdiv will "
                "perform a true division of tensor1 and tensor2. The historic addcdiv behavior can "
                "be implemented "
                "as (input + value * torch.trunc(tensor1 / tensor2)).to(input.dtype) for integer "
                "inputs and as "
                "(input + value * tensor1 / tensor2) for float inputs. The future addcdiv behavior "
                "is just the "
                "latter implementation: (input + value * tensor1 / tensor2), for all dtypes."
            )

    def forward(xp, x, a, b, *, value=1):
        return x + (a if type(value) is int and value == 1 else a * x.dtype.type(value)) / b

    def vjp_input(g):
        return g

    def vjp_tensor1(g, tensor2, value):
        return g * conj(value / tensor2)

    def vjp_tensor2(g, tensor1, tensor2, value):
        return -g * conj(value * tensor1 / (tensor2 * tensor2))


class Lerp(Op):
    """lerp(input, end, weight, *, out=None) -> Tensor

    ``input + weight * (end - input)``; ``weight`` is a number or a tensor.

    >>> torch.lerp(torch.tensor([1.0, 2.0]), torch.tensor([3.0, 6.0]), 0.5)
    tensor([2., 4.])
    """

    tensors = ("input", "end", "weight")
    numbers = ("weight",)
    inplace = True

    def grad_name(node):
        saved = node.saved or (None, None, None)  # None once backward has released it
        number = node.edges[2] is None and len(saved[2] or ()) == 1
        return f"LerpBackward{0 if number else 1}"

    def domain(common, given):
        names = {dtypes.float64: "double", dtypes.float32: "float", dtypes.float16: "c10::Half"}
        if given[1] is not given[0]:
            raise RuntimeError(
                f"expected dtype {names.get(given[0], given[0].name)} for `end` but got dtype "
                f"{names.get(given[1], given[1].name)}"
            )
        if given[0].category < dtypes.FLOATING:
            raise not_implemented("lerp_kernel_scalar", given[0])

    def forward(xp, x, y, w):
        gap = y - x
        # from the nearer end, so that weight 1 gives exactly the end
        if w.ndim == 0:
            w = w[()]
            return x + w * gap if abs(w) < 0.5 else y - gap * (1 - w)
        return xp.where(xp.abs(w) < 0.5, x + w * gap, y - gap * (1 - w))

    def halves(dtype, xp, x, y, w):  # a number stays float32; one rounding, by a fused product
        if w.ndim:
            return Lerp.forward(xp, x, y, w)
        near, gap = abs(w) < 0.5, (y - x).astype(xp.float64)
        return ((x if near else y) + (w if near else w - 1) * gap).astype(xp.float32)

    def vjp_input(g, weight):
        return g * conj(1 - weight)

    def vjp_end(g, weight):
        return g * conj(weight)

    def vjp_weight(g, input, end):
        return g * conj(end - input)


def with_number(op: Any, call: Callable) -> Callable:
    """``lerp`` with a Python number between two float32 tensors, the usual case."""

    def lerp(*args, **kw):
        if len(args) != 3 or kw or S.special:
            return call(*args, **kw)
        input, end, weight = args
        if type(weight) is float and type(input) in PLAIN and type(end) in PLAIN:
            x, y = input._data, end._data
            plain = x.dtype is y.dtype is F4 and type(x) is type(y) is np.ndarray
            if plain and x.shape == y.shape and -3e38 < weight < 3e38:
                return blended(op, args, x, y)
        return call(*args)

    shown: Any = lerp
    shown.__doc__, shown.__module__, shown.record = op.__doc__, "torch", op
    return lerp


def blended(op, args, x, y):
    """The tensor of a ``lerp`` by a number, computed as the record's forward does."""
    weight = float(F4.type(args[2]))
    near = abs(weight) < 0.5  # to input; the difference of two float32 is rounded once either way
    part = (y - x) * np.array(weight if near else 1 - weight, F4)
    t = wrap(np.asarray(x + part if near else y - part))
    nodes = [live_node(args[0]), live_node(args[1]), None]
    if (nodes[0] is not None or nodes[1] is not None) and (S.grad or thread.grad):
        t._node = make_node(op, args, nodes, (), (t,))
    return t


PUBLIC["torch"]["lerp"] = PUBLIC["Tensor"]["lerp"] = with_number(Lerp, Lerp.call)
