"""Tensors copied, pickled, and as other classes."""

import copy

from rushlight._core import gpu, storage
from rushlight._core.methods import method
from rushlight._core.tensor import Leaf, Parameter, Tensor, cell, new


@method
def __deepcopy__(self, memo):
    if id(self) in memo:
        return memo[id(self)]
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy "
            "protocol at the "
            "moment.  If you were attempting to deepcopy a module, this may be because of a "
            "torch.nn.utils.weight_norm "
            "usage, see https://github.com/pytorch/pytorch/pull/103001"
        )
    if isinstance(self, Parameter):  # PyTorch leaves behind its gradient and what users hung on it
        memo[id(self)] = self.__class__(self.data.clone(), self.requires_grad)
        return memo[id(self)]
    t = new(self.__class__)
    t._data, t._node, t._ver, t._view = storage.copy_array(self._data, memo), None, None, None
    memo[id(self)] = t
    if self.requires_grad:
        t._node = Leaf(t)
    if self.grad is not None:
        t._grad = copy.deepcopy(self.grad, memo)
    if self.__dict__:
        t.__dict__.update(copy.deepcopy(self.__dict__, memo))
    return t


def rebuild(cls, array, requires_grad, state, place=None):
    """A tensor from its pickled parts; ``place``: the CUDA device it was on."""
    if place is not None:
        array = gpu.to_device(array, place)
    t = new(cls)
    t._data, t._node, t._ver, t._view = array, None, None, None
    if requires_grad:
        t._node = Leaf(t)
    if state:
        t.__dict__.update(state)
    return t


@method
def __reduce_ex__(self, protocol):
    if not self.is_leaf:
        raise RuntimeError(
            "Cowardly refusing to serialize non-leaf tensor which requires_grad, since autograd "
            "does not support "
            "crossing process boundaries.  If you just want to transfer the data, call detach() "
            "on the tensor "
            "before serializing (e.g., putting it on the queue)."
        )
    parts = (self.__class__, self._data, self.requires_grad, dict(self.__dict__))
    if type(self._data) is gpu.cuda.kind:
        return rebuild, (parts[0], gpu.to_host(self._data), *parts[2:], self.device)
    return rebuild, parts


@method
def as_subclass(self, cls):
    """as_subclass(cls) -> Tensor

    The same tensor with another Tensor class.

    >>> type(torch.ones(2).as_subclass(torch.nn.Parameter)).__name__
    'Parameter'
    """
    t = new(cls)
    t._data, t._node, t._view = self._data, self._node, self._view
    t._ver = cell(self)
    t._seen = self._seen if self._view is not None else 0
    if self.__class__ is not cls and self._node.__class__ is Leaf:
        t._node = self.view_as(self)._node
    return t


def make_subclass(cls, data, require_grad=False):
    """Tensor._make_subclass(cls, data, require_grad=False) -> Tensor of class ``cls`` on the same
    memory.
    """
    t = new(cls)
    t._data, t._node, t._view = data._data, None, None
    t._ver = cell(data)
    return t.requires_grad_(require_grad)


Tensor._make_subclass = staticmethod(make_subclass)
