"""torch.autograd.forward_ad: tensors that carry a tangent, by hand.

>>> import rushlight.autograd.forward_ad as fwAD
>>> with fwAD.dual_level():
...     x = fwAD.make_dual(torch.tensor(2.0), torch.tensor(1.0))
...     fwAD.unpack_dual(x**3).tangent
tensor(12.)
"""

from typing import Any, NamedTuple

from rushlight._core.grad_mode import _Mode
from rushlight._core.levels import Wrapped
from rushlight._core.state import thread
from rushlight._core.tensor import Tensor, cell, live_node, wrap
from rushlight.autograd.dual import DualLevel, dual_array, primal_at, tangent_at

__all__ = [
    "UnpackedDualTensor",
    "dual_level",
    "enter_dual_level",
    "exit_dual_level",
    "make_dual",
    "unpack_dual",
]


class UnpackedDualTensor(NamedTuple):
    """What :func:`unpack_dual` returns: a primal and its tangent (None if it has none).

    >>> with torch.autograd.forward_ad.dual_level():
    ...     x = torch.autograd.forward_ad.make_dual(torch.tensor(1.0), torch.tensor(2.0))
    ...     y = torch.autograd.forward_ad.unpack_dual(x * x)
    >>> y.primal, y.tangent
    (tensor(1.), tensor(4.))
    """

    primal: Tensor
    tangent: Tensor | None


_entered: list[DualLevel] = []  # by enter_dual_level; there is no nesting of them


def current_level() -> DualLevel | None:
    """The level that :func:`enter_dual_level` opened in this thread."""
    return next((x for x in thread.levels if isinstance(x, DualLevel) and x in _entered), None)


def enter_dual_level() -> int:
    """enter_dual_level() -> int

    Open a level on which tensors can have tangents; RuntimeError if one is open.

    >>> import rushlight.autograd.forward_ad as fwAD
    >>> fwAD.enter_dual_level()
    0
    >>> fwAD.exit_dual_level()
    """
    if current_level() is not None:
        raise RuntimeError("Nested forward mode AD is not supported at the moment")
    level = DualLevel()
    level.functional = False
    level.__enter__()
    _entered.append(level)
    return 0


def exit_dual_level(*, level: int | None = None) -> None:
    """exit_dual_level(*, level=None)

    Close the level: all tangents on it are gone.

    >>> import rushlight.autograd.forward_ad as fwAD
    >>> fwAD.exit_dual_level()
    Traceback (most recent call last):
    RuntimeError: Dual level must be a positive number.
    """
    found = current_level()
    if found is None:
        raise RuntimeError("Dual level must be a positive number.")
    if level not in (None, 0):
        raise RuntimeError(
            "Trying to exit a forward AD level that was not the last one that was created. This is "
            "not supported."
        )
    _entered.remove(found)
    found.__exit__()


class dual_level(_Mode):
    """dual_level(): a context in which tensors can have tangents; also a decorator.

    >>> import rushlight.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     fwAD.make_dual(torch.ones(2), torch.zeros(2))
    tensor([1., 1.], tangent=tensor([0., 0.]))
    """

    def __enter__(self) -> int:  # type: ignore[override]  # the level's number, as in PyTorch
        return enter_dual_level()

    def __exit__(self, *exc: object) -> None:
        exit_dual_level()


def attach_tangent(tensor: Tensor, tangent: Tensor, level: DualLevel) -> Tensor:
    """``tensor`` with a tangent on a level, its history kept."""
    if tensor.shape != tangent.shape:
        raise RuntimeError(
            "Trying to set a forward gradient that has a different size than that of the original "
            f"Tensor, this is not supported. Tensor is of size {list(tensor.shape)} while the "
            f"given forward gradient is of size {list(tangent.shape)}."
        )
    made = wrap(dual_array(tensor._data, level, tangent), live_node(tensor))
    made._ver = cell(tensor)
    return made


def make_dual(tensor: Any, tangent: Any, *, level: int | None = None) -> Tensor:
    """make_dual(tensor, tangent, *, level=None) -> Tensor

    ``tensor`` with ``tangent``, of the same shape, beside it; it shares both's memory. RuntimeError
    where no level is open.

    >>> import rushlight.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor([1.0, 2.0]), torch.tensor([1.0, 0.0]))
    ...     x * x
    tensor([1., 4.], tangent=tensor([2., 0.]))
    """
    found = current_level()
    if found is None:
        raise RuntimeError(
            "Trying to create a dual Tensor for forward AD but no level exists, make sure to "
            "enter_dual_level() first."
        )
    for name, t in (("primal", tensor), ("tangent", tangent)):
        if not (t.is_floating_point() or t.is_complex()):
            raise ValueError(f"Expected {name} to be floating point or complex, but got: {t.dtype}")
    if tangent_at(tensor, found) is not None:
        raise RuntimeError(
            "Making a dual Tensor based on a Tensor that already has a forward gradient at the "
            "same level 0 is not supported."
        )
    return attach_tangent(tensor, tangent, found)


def unpack_dual(tensor: Tensor, *, level: int | None = None) -> UnpackedDualTensor:
    """unpack_dual(tensor, *, level=None) -> (primal, tangent)

    A tensor without its tangent, and the tangent (None if it has none).

    >>> import rushlight.autograd.forward_ad as fwAD
    >>> with fwAD.dual_level():
    ...     x = fwAD.make_dual(torch.tensor(3.0), torch.tensor(1.0))
    ...     fwAD.unpack_dual(x * x)
    UnpackedDualTensor(primal=tensor(9.), tangent=tensor(6.))
    """
    found = current_level()
    if found is None:
        return UnpackedDualTensor(tensor, None)
    tangent = tangent_at(tensor, found)
    return UnpackedDualTensor(primal_at(tensor, found), tangent)


def without_levels(t: Tensor) -> Tensor:
    """A tensor without tangents of levels that are closed."""
    x = t._data
    while isinstance(x, Wrapped) and (x.level is None or not x.level.alive):
        x = x.below_dead()
    return t if x is t._data else wrap(x, live_node(t))
