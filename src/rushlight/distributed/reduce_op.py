"""ReduceOp, and what each operation is on arrays."""

import enum
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

__all__ = ["ReduceOp", "reduce_op"]


class RedOpType(enum.Enum):
    """The kinds of reduction."""

    SUM = 0
    AVG = 1
    PRODUCT = 2
    MIN = 3
    MAX = 4
    BAND = 5
    BOR = 6
    BXOR = 7
    PREMUL_SUM = 8


class _ReduceOpMeta(type):
    """``isinstance(ReduceOp.SUM, ReduceOp)`` is True, as in PyTorch."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, RedOpType) or type.__instancecheck__(cls, instance)


class ReduceOp(metaclass=_ReduceOpMeta):
    """How the tensors of the processes become one: SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR,
    PREMUL_SUM.

    >>> torch.distributed.ReduceOp.SUM
    <RedOpType.SUM: 0>
    """

    RedOpType = RedOpType
    SUM = RedOpType.SUM
    AVG = RedOpType.AVG
    PRODUCT = RedOpType.PRODUCT
    MIN = RedOpType.MIN
    MAX = RedOpType.MAX
    BAND = RedOpType.BAND
    BOR = RedOpType.BOR
    BXOR = RedOpType.BXOR
    PREMUL_SUM = RedOpType.PREMUL_SUM

    def __init__(self, op: Any, factor: Any = None) -> None:
        self.op: Any = op if isinstance(op, RedOpType) else op.op
        self.factor = factor

    def __eq__(self, other: object) -> bool:
        return self.op == (other if isinstance(other, RedOpType) else getattr(other, "op", None))

    def __hash__(self) -> int:
        return hash(self.op)

    def __str__(self) -> str:
        return str(self.op)


def premul_sum(factor: Any) -> ReduceOp:
    """The sum of the tensors times ``factor``, a number or a tensor of one element."""
    return ReduceOp(RedOpType.PREMUL_SUM, factor)


class _ReduceOpName:
    """``torch.distributed.reduce_op``: the old name of :class:`ReduceOp`."""

    def __getattribute__(self, key: str) -> Any:
        if key.startswith("__"):  # somebody looks at the object, not for a reduction
            return object.__getattribute__(self, key)
        warnings.warn(
            "`torch.distributed.reduce_op` is deprecated, please use "
            "`torch.distributed.ReduceOp` instead",
            category=FutureWarning,
            stacklevel=2,
        )
        return getattr(ReduceOp, key)


reduce_op = _ReduceOpName()

_FUNCTIONS: dict[RedOpType, Callable[..., Any]] = {
    RedOpType.SUM: np.add,
    RedOpType.AVG: np.add,
    RedOpType.PREMUL_SUM: np.add,
    RedOpType.PRODUCT: np.multiply,
    RedOpType.MIN: np.minimum,
    RedOpType.MAX: np.maximum,
    RedOpType.BAND: np.bitwise_and,
    RedOpType.BOR: np.bitwise_or,
    RedOpType.BXOR: np.bitwise_xor,
}
_BITS = (RedOpType.BAND, RedOpType.BOR, RedOpType.BXOR)
_NAMES = {"b": "Bool", "i": "Long", "u": "Byte"}


class Reduction:
    """A reduction of arrays of one dtype among ``size`` processes.

    ``before`` is applied to what a process brings, ``combine`` adds a second array to a first,
    ``after`` is applied to the result.
    """

    def __init__(self, op: Any, dtype: np.dtype, size: int) -> None:
        self.factor = getattr(op, "factor", None)
        self.kind = op if isinstance(op, RedOpType) else op.op
        if not isinstance(self.kind, RedOpType):
            raise TypeError(f"{op!r} is not a torch.distributed.ReduceOp")
        if self.kind in _BITS and dtype.kind not in "biu":
            raise RuntimeError(f"Cannot use ReduceOp.{self.kind.name} with non-integral dtype")
        if self.kind is RedOpType.AVG and dtype.kind in "biu":
            raise RuntimeError(
                "result type Float can't be cast to the desired output type "
                f"{_NAMES.get(dtype.kind, dtype.name)}"
            )
        if self.kind is RedOpType.PREMUL_SUM and self.factor is None:
            raise TypeError(
                "PREMUL_SUM needs a factor: make it with "
                "torch.distributed._make_nccl_premul_sum(factor)"
            )
        self.size = size
        self._function = _FUNCTIONS[self.kind]

    def before(self, x: np.ndarray) -> None:
        """Scale what this process brings, in place."""
        if self.factor is not None:
            np.multiply(x, np.asarray(float(self.factor)).astype(x.dtype), out=x)

    def combine(self, x: np.ndarray, y: np.ndarray) -> None:
        """``x`` becomes the reduction of ``x`` and ``y``."""
        self._function(x, y, out=x)

    def after(self, x: np.ndarray) -> None:
        """Finish the result, in place."""
        if self.kind is RedOpType.AVG:
            np.divide(x, np.asarray(self.size).astype(x.dtype), out=x)
