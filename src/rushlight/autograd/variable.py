"""torch.autograd.Variable: the name tensors with history had once."""

from rushlight._core.tensor import Tensor, _TensorMeta, wrap
from rushlight.autograd import engine


class _VariableMeta(_TensorMeta):
    def __instancecheck__(cls, other: object) -> bool:
        return isinstance(other, Tensor)

    def __call__(cls, data: Tensor, requires_grad: bool = False, volatile: bool = False) -> Tensor:
        t = wrap(data._data)
        return t.requires_grad_() if requires_grad else t


class Variable(Tensor, metaclass=_VariableMeta):
    """Variable(data, requires_grad=False) -> Tensor: a tensor on the same memory.

    >>> torch.autograd.Variable(torch.ones(2), requires_grad=True)
    tensor([1., 1.], requires_grad=True)
    """

    __slots__ = ()
    _execution_engine = engine  # programs reach queue_callback by this name
