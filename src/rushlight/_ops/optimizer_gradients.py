"""Lists of gradients worked on together, as training steps clip them."""

import numpy as np

from rushlight._core import gpu
from rushlight._core.backend import device_kernels, kernel_for
from rushlight._core.extension import Outer
from rushlight._core.inplace import bump
from rushlight._core.state import S
from rushlight._core.tensor import PLAIN, wrap
from rushlight._ops.optimizer_updates import clamp_update, elementwise, mix_update, scale_update

FLOATS = np.dtype(np.float32), np.dtype(np.float64)


def gradient_of(p):
    """``p.grad`` for an update, which also takes a product that is not computed yet; is it one?"""
    grad = getattr(p, "_grad", None)
    return (p.grad, False) if type(grad) is not Outer else (grad, True)


def plain_arrays(tensors):
    """The arrays of plain tensors of one real floating dtype, on the CPU; None for others."""
    if S.special or not tensors:
        return None
    dtype = tensors[0]._data.dtype
    if dtype not in FLOATS:
        return None
    arrays = [t._data for t in tensors if type(t) in PLAIN]
    alike = all(type(x) is np.ndarray and x.dtype is dtype for x in arrays)
    return arrays if alike and len(arrays) == len(tensors) else None


def on_device(name, tensors):
    """A device's kernel and the arrays of plain tensors there; None where there is none of both."""
    kernel = device_kernels.get(name)
    if kernel is None or S.special or not tensors:
        return None
    arrays = [t._data for t in tensors if type(t) in PLAIN and type(t._data) is gpu.cuda.kind]
    alike = len(arrays) == len(tensors) and all(x.dtype == arrays[0].dtype for x in arrays)
    return (kernel, arrays) if alike else None


def unscale_all(tensors, inverse, found):
    """Multiply every gradient by ``inverse``; ``found`` becomes 1 if an element is not finite. Both
    are 0-d float32 tensors of the gradients' device. False if the general operators have to.
    """
    if any(t._data.dtype != np.float32 or type(t._data) is np.ndarray for t in (inverse, found)):
        return False
    there = on_device("unscale", tensors)
    if there is None or there[0](there[1], inverse._data, found._data):
        return False
    for t in (*tensors, found):
        bump(t)
    return True


def norms_of(tensors):
    """The 2-norm of each tensor, as a vector; None where the general operators have to do it."""
    there = on_device("tensor_norms", tensors)
    if there is not None:
        norms = there[0](there[1])
        return None if norms is NotImplemented else wrap(norms)
    native, arrays = kernel_for("tensor_norms"), plain_arrays(tensors)
    norms = NotImplemented if native is None or arrays is None else native(arrays)
    return None if norms is NotImplemented else wrap(np.array(norms, arrays[0].dtype))


def scale_all(tensors, factor):
    """Multiply every tensor, in place, by a 0-d one; False if the general operators have to."""
    there = on_device("scale_update", tensors)
    if there is not None and factor.is_cuda and not factor.dim() and factor.dtype.itemsize == 4:
        if there[0]((there[1],), (factor._data,)):
            return False
        for t in tensors:
            bump(t)
        return True
    arrays = plain_arrays(tensors)
    if arrays is None or factor.dim():
        return False
    number = factor.item()
    if number != 1:  # that would change nothing, at two passes over memory
        elementwise(scale_update, (arrays,), (number,))
    for t in tensors:
        bump(t)
    return True


def clamp_all(tensors, low, high):
    """Clamp every tensor, in place; False if the general operators have to."""
    arrays = plain_arrays(tensors)
    if arrays is None:
        return False
    elementwise(clamp_update, (arrays,), (low, high))
    for t in tensors:
        bump(t)
    return True


def mix_all(tensors, ends, weight):
    """tensor += weight (end - tensor) for every tensor; False if the general operators have to."""
    arrays, others = plain_arrays(tensors), plain_arrays(ends)
    if arrays is None or others is None or arrays[0].dtype is not others[0].dtype:
        return False
    if [x.shape for x in arrays] != [x.shape for x in others]:
        return False
    elementwise(mix_update, (arrays, others), (weight,))
    for t in tensors:
        bump(t)
    return True


__all__ = ["clamp_all", "gradient_of", "mix_all", "norms_of", "scale_all", "unscale_all"]
