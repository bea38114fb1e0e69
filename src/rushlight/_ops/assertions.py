"""torch._check and torch._assert: conditions that a program states."""

from rushlight._core.op import public
from rushlight._core.tensor import Tensor

_UNSAID = (
    "Expected cond to be True, but got False. (Could this error message be improved? If so, please "
    "report an enhancement request to PyTorch.)"
)


def _demand(error, cond, message):
    """Raise ``error`` unless ``cond`` is True; ``message()`` is what it says."""
    if not isinstance(cond, bool):
        raise TypeError(f"cond must be a bool, but got {type(cond)}")
    if cond:
        return
    if message is None:
        raise error(_UNSAID)
    if not callable(message):
        raise TypeError("message must be a callable")
    raise error(str(message()))


def _demand_all(error, cond, message):
    if not isinstance(cond, Tensor):
        raise TypeError(f"cond must be a tensor, but got {type(cond)}")
    if str(cond.dtype) != "torch.bool":
        raise TypeError(f"cond tensor must have dtype torch.bool, but got {cond.dtype}")
    _demand(error, bool(cond.all()), message)


@public("torch", out=False)
def _check(cond, message=None):
    _demand(RuntimeError, cond, message)


@public("torch", out=False)
def _check_with(error_type, cond, message=None):
    _demand(error_type, cond, message)


@public("torch", out=False)
def _check_index(cond, message=None):
    _demand(IndexError, cond, message)


@public("torch", out=False)
def _check_value(cond, message=None):
    _demand(ValueError, cond, message)


@public("torch", out=False)
def _check_type(cond, message=None):
    _demand(TypeError, cond, message)


@public("torch", out=False)
def _check_not_implemented(cond, message=None):
    _demand(NotImplementedError, cond, message)


@public("torch", out=False)
def _check_is_size(i, message=None, *, max=None):
    _demand(RuntimeError, i >= 0 and (max is None or i <= max), message)


@public("torch", out=False)
def _check_tensor_all(cond, message=None):
    _demand_all(RuntimeError, cond, message)


@public("torch", out=False)
def _check_tensor_all_with(error_type, cond, message=None):
    _demand_all(error_type, cond, message)


@public("torch", out=False)
def _assert(condition, message):
    if not condition:
        raise AssertionError(message)


@public("torch", out=False)
def _assert_async(input, assert_msg=None):
    if not bool(input):
        raise RuntimeError(
            "Expected Tensor with single nonzero value, but got zero"
            if assert_msg is None
            else assert_msg
        )
