"""cond and while_loop, and PyTorch's functions of numbers that may be symbols: here numbers."""

import math

from rushlight._core.op import public
from rushlight._core.tensor import Tensor

NUMBERS = (int, float)


@public("torch", out=False)
def cond(pred, true_fn, false_fn, operands=()):
    """cond(pred, true_fn, false_fn, operands=())

    ``true_fn(*operands)`` if ``pred``, a bool or a tensor of one element, else
    ``false_fn(*operands)``.

    >>> torch.cond(torch.tensor(3) > 2, lambda x: x + 1, lambda x: x - 1, (torch.ones(1),))
    tensor([2.])
    """
    if isinstance(pred, Tensor) and pred.numel() != 1:
        raise RuntimeError(f"Expected pred to be bool or single-element tensor, but got {pred}.")
    for branch in (true_fn, false_fn):
        if not callable(branch):
            raise TypeError(f"'{type(branch).__name__}' object is not callable")
    return (true_fn if pred else false_fn)(*operands)


@public("torch", out=False)
def while_loop(cond_fn, body_fn, carried_inputs):
    """while_loop(cond_fn, body_fn, carried_inputs)

    ``carried = body_fn(*carried)`` as long as ``cond_fn(*carried)``, and what is carried then.

    >>> torch.while_loop(lambda i: i < 3, lambda i: (i + 1,), (torch.tensor(0),))
    (tensor(3),)
    """
    made = carried = carried_inputs
    while cond_fn(*carried):
        made = body_fn(*carried)
        carried = made if isinstance(made, tuple | list) else (made,)
    return made


# ---- numbers -------------------------------------------------------------------------------------


@public("torch", out=False)
def sym_float(a):
    """sym_float(a) -> float

    >>> torch.sym_float(3)
    3.0
    """
    return float(a)


@public("torch", out=False)
def sym_int(a):
    """sym_int(a) -> int: the number without its fraction.

    >>> torch.sym_int(-3.7)
    -3
    """
    return int(a)


@public("torch", out=False)
def sym_not(a):
    """sym_not(a) -> bool

    >>> torch.sym_not(True)
    False
    """
    return not a


def _pair(choose, a, b):
    """The chosen number, a float if one of them is."""
    for value in (a, b):
        if not isinstance(value, NUMBERS):
            raise AssertionError(
                "expected (<class 'numpy.integer'>, <class 'numpy.floating'>, <class 'int'>, "
                f"<class 'float'>), got {type(value)}"
            )
    found = choose(a, b)
    return float(found) if isinstance(a, float) or isinstance(b, float) else found


@public("torch", out=False)
def sym_max(a, b):
    """sym_max(a, b) -> int or float

    >>> torch.sym_max(3, 2.0)
    3.0
    """
    return _pair(max, a, b)


@public("torch", out=False)
def sym_min(a, b):
    """sym_min(a, b) -> int or float

    >>> torch.sym_min(3, 2)
    2
    """
    return _pair(min, a, b)


@public("torch", out=False)
def sym_ite(b, t, f):
    """sym_ite(b, t, f): ``t`` if ``b`` else ``f``, which are of one type.

    >>> torch.sym_ite(False, 1, 2)
    2
    """
    if not isinstance(b, bool):
        raise AssertionError(f"expected SymBool or bool, got {type(b)}")
    if type(t) is not type(f):
        raise AssertionError(f"type mismatch: {type(t)} vs {type(f)}")
    return t if b else f


@public("torch", out=False)
def sym_sqrt(a):
    """sym_sqrt(a) -> float

    >>> torch.sym_sqrt(4)
    2.0
    """
    return math.sqrt(a)


@public("torch", out=False)
def sym_sum(*args):
    """sym_sum(args) -> int or float: the sum of a list of numbers, or of the arguments.

    >>> torch.sym_sum([1, 2, 3])
    6
    """
    return sum(args[0]) if len(args) == 1 and isinstance(args[0], list | tuple) else sum(args)
