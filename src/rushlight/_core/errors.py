"""PyTorch's error texts as functions. Each returns the exception; the caller raises it."""

import itertools
import re
from collections.abc import Sequence
from typing import Any

import numpy as np


def broadcast(given: Sequence[tuple[int, ...] | None]) -> RuntimeError:
    """Shapes that do not broadcast together."""
    shapes = [s for s in given if s is not None]
    for first, second in itertools.pairwise(shapes):
        for i in range(-1, -1 - min(len(first), len(second)), -1):
            if first[i] != second[i] and 1 not in (first[i], second[i]):
                at = max(len(first), len(second)) + i
                return RuntimeError(
                    f"The size of tensor a ({first[i]}) must match the size of tensor b "
                    f"({second[i]}) "
                    f"at non-singleton dimension {at}"
                )
    return RuntimeError(
        f"The shapes {', '.join(map(str, map(list, shapes)))} do not broadcast together"
    )


def shape_by_value(name: str) -> NotImplementedError:
    """A meta tensor where the shape of the result depends on what the tensor holds."""
    return NotImplementedError(
        f"{name}: the shape of the result depends on the values of a tensor, and a meta tensor has "
        "none; use a tensor of another device"
    )


def modified_in_place(
    dtype: object, shape: tuple, grad_name: str, found: int, expected: int
) -> RuntimeError:
    """A saved tensor was written to before its gradient was computed."""
    what = f"torch.{_type_name(dtype)} {list(shape)}"
    forward = re.sub(r"Backward\d*$", "", grad_name)
    source = f", which is output 0 of {forward}," if forward else ""
    return RuntimeError(
        "one of the variables needed for gradient computation has been modified by an inplace "
        "operation: "
        f"[{what}]{source} is at version {found}; expected version {expected} instead. Hint: "
        "enable anomaly "
        "detection to find the operation that failed to compute its gradient, with "
        "torch.autograd.set_detect_anomaly(True, check_nan=False)."
    )


def _type_name(dtype: Any) -> str:
    names = {"float32": "FloatTensor", "float64": "DoubleTensor", "float16": "HalfTensor",
             "bfloat16": "BFloat16Tensor", "int64": "LongTensor", "complex64": "ComplexFloatTensor",
             "complex128": "ComplexDoubleTensor"}  # fmt: skip
    return names.get(str(np.dtype(dtype)), str(dtype))


def backward_twice() -> RuntimeError:
    """The graph's saved tensors are gone."""
    return RuntimeError(
        "Trying to backward through the graph a second time (or directly access saved tensors "
        "after they "
        "have already been freed). Saved intermediate values of the graph are freed when you call "
        ".backward() or autograd.grad(). Specify retain_graph=True if you need to backward "
        "through the "
        "graph a second time or if you need to access saved tensors after calling backward."
    )


def leaf_in_place(view: bool) -> RuntimeError:
    """An in-place write to a leaf that requires grad, or to a view of one."""
    what = "a view of a leaf Variable" if view else "a leaf Variable"
    return RuntimeError(f"{what} that requires grad is being used in an in-place operation.")


AMBIGUOUS = (
    "Given that this use case is ambiguous and error-prone, it is forbidden. You can clarify your "
    "code by moving both the view and the inplace either both inside the no_grad block (if you "
    "don't want the inplace to be tracked) or both outside (if you want the inplace to be tracked)."
)
BY_FUNCTION = (
    "This view was created inside a custom Function (or because an input was returned as-is) and "
    "the autograd logic to handle view+inplace would override the custom backward associated with "
    "the custom Function, leading to incorrect gradients. This behavior is forbidden. You can fix "
    "this by cloning the output of the custom Function."
)
OF_SEVERAL = (
    "This view is the output of a function that returns multiple views. Such functions do not "
    "allow the output views to be modified inplace. You should replace the inplace operation by an "
    "out-of-place one."
)


def view_written(name: str | None, at_base: bool, several: bool) -> RuntimeError:
    """A write to a view that must not be written to, or to the base under it.

    ``name``: 'Output 0 of Split', None for views made under no_grad. ``several``: it is one of
    those that a function returned several of.
    """
    what = "its base or another view of its base has been" if at_base else "is being"
    if name is None:
        made = f"A view was created in no_grad mode and {what} modified inplace with grad mode"
        made += " enabled"
    else:
        made = f"{name} is a view and {what} modified inplace"
    why = OF_SEVERAL if several else AMBIGUOUS if name is None else BY_FUNCTION
    return RuntimeError(f"{made}. {why}")


def leaf_marked_dirty() -> RuntimeError:
    """A Function wrote to a leaf that requires grad."""
    return RuntimeError(
        "a leaf Variable that requires grad has been used in an in-place operation."
    )


def grad_size(given: tuple, wanted: tuple) -> RuntimeError:
    """``x.grad = g`` of another shape."""
    return RuntimeError(
        f"attempting to assign a gradient of size '{list(given)}' to a tensor of size "
        f"'{list(wanted)}'. Please ensure that the gradient and the tensor are the same size"
    )


def grad_dtype(given: str, wanted: str) -> RuntimeError:
    """``x.grad = g`` of another dtype."""
    return RuntimeError(
        f"attempting to assign a gradient with dtype '{given}' to a tensor with grad_dtype "
        f"'{wanted}'. The gradient must match the tensor's grad_dtype (defaults to the tensor's "
        "dtype). You can set the tensor's grad_dtype attribute with a specific dtype, or None to "
        "allow any dtype. Set grad_dtype with caution. Diverging the dtypes of a tensor and its "
        "gradient may break downstream systems that assume they match."
    )


def cannot_cast(source: object, target: object) -> RuntimeError:
    """A result that may not be written into an output of lower kind."""
    return RuntimeError(f"result type {source} can't be cast to the desired output type {target}")


def other_dtype(want: str, got: str, how: bool | str) -> RuntimeError:
    """An ``out=`` of another dtype than the result's, in one of PyTorch's two ways."""
    if how == "object":
        return RuntimeError(
            f"Expected object of scalar type {want} but got scalar type {got} for argument 'out'"
        )
    return RuntimeError(f"Expected out tensor to have dtype {want}, but got {got} instead")


def unexpected_keyword(name: str, keyword: str) -> TypeError:
    """A keyword argument the operator does not have."""
    return TypeError(f"{name}() got an unexpected keyword argument '{keyword}'")


def missing(name: str, arguments: list[str]) -> TypeError:
    """Required arguments that were not given."""
    shown = ", ".join(f'"{a}"' for a in arguments)
    noun = "arguments"  # also for one, as PyTorch says it
    return TypeError(f"{name}() missing {len(arguments)} required positional {noun}: {shown}")


def invalid_combination(
    name: str, names: tuple[str, ...], numbers: tuple[str, ...], given: tuple
) -> TypeError:
    """Arguments that fit neither the form with tensors only nor the one with a number."""
    plain = ", ".join(f"Tensor {n}" for n in names)
    mixed = ", ".join(f"{'Number' if n in numbers else 'Tensor'} {n}" for n in names)
    return TypeError(
        f"{name}() received an invalid combination of arguments - got "
        f"({', '.join(type(g).__name__ for g in given)}), but expected one of:\n * ({plain}, *, "
        "Tensor out = None)\n"
        f" * ({mixed}, *, Tensor out = None)\n"
    )


def not_a_tensor(name: str, argument: str, position: int, value: object) -> TypeError:
    """Something that is not a tensor where one is needed."""
    return TypeError(
        f"{name}(): argument '{argument}' (position {position}) must be Tensor, not "
        f"{type(value).__name__}"
    )


class RefusedError(Exception):
    """Raised by a forward around an exception that callers get as it is."""


def translate(error: Exception, arrays: list) -> Exception:
    """PyTorch's exception for one that NumPy raised on these arrays."""
    if isinstance(error, RefusedError):
        return error.args[0]
    if isinstance(error, np.exceptions.AxisError):
        ndim = error.ndim if error.ndim is not None else 0
        if error.axis is None:
            return RuntimeError(str(error))
        n = ndim or 1
        return IndexError(
            f"Dimension out of range (expected to be in range of [{-n}, {n - 1}], but got "
            f"{error.axis})"
        )
    if isinstance(error, ValueError) and "broadcast" in str(error):
        return broadcast([getattr(a, "shape", None) for a in arrays])
    if isinstance(error, (ValueError, np.linalg.LinAlgError)) and type(error) is not UnicodeError:
        return RuntimeError(str(error))
    if isinstance(error, TypeError) and "ufunc" in str(error):
        dtype = next((a.dtype for a in arrays if hasattr(a, "dtype")), "this dtype")
        return NotImplementedError(f"not implemented for '{dtype}': {error}")
    return error


def inference_write() -> RuntimeError:
    """A write to an inference tensor in normal mode."""
    return RuntimeError(
        "Inplace update to inference tensor outside InferenceMode is not allowed."
        "You can make a clone to get a normal tensor before doing inplace update."
        "See https://github.com/pytorch/rfcs/pull/17 for more details."
    )


def inference_saved() -> RuntimeError:
    """An inference tensor that a gradient would need."""
    return RuntimeError(
        "Inference tensors cannot be saved for backward. Please do not use Tensors created in "
        "inference mode in computation tracked by autograd. To work around this, you can make a "
        "clone to get a normal tensor and use it in autograd, or use `torch.no_grad()` instead of "
        "`torch.inference_mode()`."
    )
