"""Which memory a tensor looks at, changed in place; and tensors over files."""

import errno
import os
import warnings
from pathlib import Path

from rushlight._core import dtypes, inplace
from rushlight._core.op import public
from rushlight._core.storage import UntypedStorage, rebuild_array
from rushlight._core.tensor import Tensor, live_node
from rushlight._core.typed_storage import CLASSES, TypedStorage
from rushlight._ops.create import zeros


@public("Tensor", out=False)
def set_(self, source=None, storage_offset=0, size=None, stride=None):
    """set_(source=None, storage_offset=0, size=None, stride=None) -> Tensor

    Make a tensor look at the memory of another tensor, or of a storage from ``storage_offset`` on
    with this size and stride; without a source, at none.

    >>> x = torch.ones(2, 2)
    >>> torch.empty(0).set_(x, 1, (2,), (2,))
    tensor([1., 1.])
    """
    node = live_node(self)
    if node is not None or self._view is not None:
        inplace.check_leaf(self, node)
    if isinstance(source, Tensor):
        check_source(self, source)
        if size is not None:
            source_storage = source.untyped_storage()
            data = laid_out(source_storage, self.dtype, storage_offset, size, stride)
        else:
            data = source._data
    elif source is None:
        data = zeros(0, dtype=self.dtype, device=self.device)._data
    else:
        storage = source.untyped() if isinstance(source, TypedStorage) else source
        if not isinstance(storage, UntypedStorage):
            kind = type(source).__name__
            raise TypeError(f"set_(): argument 'source' (position 1) must be Tensor, not {kind}")
        if size is None:
            size = (storage.nbytes() // self.dtype.itemsize - storage_offset,)
        data = laid_out(storage, self.dtype, storage_offset, size, stride)
    self._data, self._view = data, None
    inplace.bump(self)
    return self


def check_source(self, source):
    """The source of set_ has the same dtype and no history to follow."""
    if source.dtype is not self.dtype:
        names = [C_NAMES.get(dtypes.cpp_name(t.dtype), dtypes.cpp_name(t.dtype))
                 for t in (source, self)]  # fmt: skip
        raise RuntimeError(
            f"Could not set tensor of type {names[0]} to a tensor of type {names[1]}"
        )
    if source.requires_grad:
        raise NotImplementedError("set_ to a tensor that requires grad: give it source.detach()")


C_NAMES = {"long": "long int", "int64_t": "long int"}


def laid_out(storage, dtype, offset, size, stride):
    """The array of this layout; without strides a contiguous one."""
    size = (size,) if isinstance(size, int) else tuple(size)
    if stride is None or (not stride and size):
        stride, step = [], 1
        for n in reversed(size):
            stride.insert(0, step)
            step *= max(n, 1)
    return rebuild_array(storage, dtype, offset, size, tuple(stride))


@public("Tensor", out=False)
def __setstate__(self, state):  # noqa: N807
    """__setstate__(state) -> None: what pickles of early versions of PyTorch call.

    >>> x = torch.empty(0)
    >>> x.__setstate__((torch.ones(2).untyped_storage(), 0, (2,), (1,)))
    >>> x
    tensor([1., 1.])
    """
    if not self.is_leaf:
        raise RuntimeError("__setstate__ can be only called on leaf Tensors")
    if len(state) == 4:
        set_(self, *state)
        return
    if len(state) == 5:
        set_(self, *state[:4])
        state = (state[3], state[4], None)
    self.requires_grad, _, self._backward_hooks = state


@public("torch", out=False)
def detach_copy(input, *, out=None):
    """detach_copy(input, *, out=None) -> Tensor: a copy; gradients flow through it.

    >>> torch.detach_copy(torch.ones(2))
    tensor([1., 1.])
    """
    return input.clone() if out is None else out.copy_(input)


@public("Tensor", out=False)
def storage_type(self):
    """storage_type() -> type: the storage class of its dtype.

    >>> torch.ones(1).storage_type().__name__
    'FloatStorage'
    """
    return next(c for c in CLASSES.values() if c.dtype is self.dtype)


# ---- shapes --------------------------------------------------------------------------------------


@public("Tensor", out=False)
def resize(self, *sizes):
    """resize(*sizes) -> Tensor: old for :meth:`reshape` to as many elements.

    >>> torch.ones(4).resize(2, 2).shape
    torch.Size([2, 2])
    """
    warnings.warn("non-inplace resize is deprecated", stacklevel=2)
    return same_count(self, sizes)


@public("Tensor", out=False)
def resize_as(self, tensor):
    """resize_as(tensor) -> Tensor: old for :meth:`reshape_as`.

    >>> torch.ones(4).resize_as(torch.zeros(2, 2)).shape
    torch.Size([2, 2])
    """
    warnings.warn("non-inplace resize_as is deprecated", stacklevel=2)
    return same_count(self, tuple(tensor.shape))


def same_count(x, sizes):
    """The tensor in another shape of as many elements."""
    if len(sizes) == 1 and not isinstance(sizes[0], int):
        sizes = tuple(sizes[0])
    count = 1
    for n in sizes:
        count *= n
    if count != x.numel():
        wanted, given = "x".join(map(str, sizes)), "x".join(map(str, x.shape))
        raise RuntimeError(
            f"requested resize to {wanted} ({count} elements in total), but the given tensor has a "
            f"size of {given} ({x.numel()} elements). autograd's resize can only change the shape "
            "of a given tensor, while preserving the number of elements. "
        )
    return x.contiguous().view(sizes)


# ---- element by element --------------------------------------------------------------------------


@public("Tensor", out=False)
def map2_(self, x, y, callable):
    """map2_(x, y, callable) -> Tensor

    ``callable(a, b, c)`` of corresponding elements of three tensors, in place. Slow.

    >>> one, two = torch.ones(2), torch.tensor([2.0, 3.0])
    >>> torch.zeros(2).map2_(one, two, lambda a, b, c: b + c)
    tensor([3., 4.])
    """
    if any(t.requires_grad for t in (self, x, y)):
        raise RuntimeError(
            "Can't call map2_() on Variable that requires grad. Use var.detach().map2_() instead."
        )
    for name, t in (("x", x), ("y", y)):
        if t.dtype is not self.dtype:
            raise TypeError(f"map2_: expected {self.type()} for argument '{name}' (got {t.type()})")
    columns = [t.expand(self.shape).reshape(-1).tolist() for t in (self, x, y)]
    values = [callable(*row) for row in zip(*columns, strict=True)]
    return self.copy_(self.new_tensor(values, dtype=self.dtype).reshape(self.shape))


# ---- files ---------------------------------------------------------------------------------------


@public("torch", out=False)
def from_file(
    filename, shared=None, size=0, *, dtype=None, layout=None, device=None, pin_memory=False,
    requires_grad=False,
):  # fmt: skip
    """from_file(filename, shared=None, size=0, *, dtype=None, layout=None, device=None,
    pin_memory=False, requires_grad=False) -> Tensor

    ``size`` elements over the bytes of a file. ``shared=True``: writes go to the file, which is
    made, or grows, as needed; else they stay in memory.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     torch.from_file(f"{folder}/numbers", shared=True, size=2)
    tensor([0., 0.])
    """
    if pin_memory or (layout is not None and str(layout) != "torch.strided"):
        raise NotImplementedError("from_file makes strided tensors in ordinary memory")
    dtype = dtypes.get_default_dtype() if dtype is None else dtype
    needed = size * dtype.itemsize
    open_file(filename, bool(shared), needed)
    if not size:
        return zeros(0, dtype=dtype, device=device, requires_grad=requires_grad)
    storage = UntypedStorage.from_file(filename, bool(shared), needed)
    made = zeros(0, dtype=dtype, device=device)
    return set_(made, storage, 0, (size,)).requires_grad_(requires_grad)


def open_file(filename, shared, needed):
    """The file is there and large enough; a shared one is made so."""
    path = Path(filename)
    if shared:
        with path.open("ab") as f:
            if f.tell() < needed:
                f.truncate(needed)
        return
    try:
        found = path.stat().st_size
    except FileNotFoundError:
        why = os.strerror(errno.ENOENT)
        raise RuntimeError(
            f"unable to open file <{filename}> in read-only mode: {why} ({errno.ENOENT})"
        ) from None
    if found < needed:
        raise RuntimeError(
            f"file <{filename}> size <{found}> is smaller than the required mapping size <{needed}>"
        )
