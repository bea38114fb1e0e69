"""Indexing: ``x[...]`` and ``x[...] = v`` with ints, slices, None, Ellipsis, masks and index
tensors.
"""

import operator
from typing import Any

import numpy as np

from rushlight._core import dtypes, errors, fronts, gpu, inplace
from rushlight._core.backend import MetaArray
from rushlight._core.device import CPU
from rushlight._core.op import Meta, Op, View, public
from rushlight._core.shape import wrap_dim
from rushlight._core.state import S, thread
from rushlight._core.tensor import PLAIN, Tensor, check_inference, live_node, wrap
from rushlight._ops.copy import copy_for
from rushlight._ops.deprecated import deprecated

ndarray = np.ndarray
NEW, WHOLE = (None, Ellipsis), slice(None)
F4, I8, BOOL = dtypes.float32.numpy, dtypes.int64.numpy, dtypes.bool_.numpy


class Slice(View):
    """A basic index (ints, slices, None, Ellipsis): a view."""

    public = ()
    linear = True

    def forward(xp, x, index):
        return x[index]

    def vjp(g, input: Meta, index):
        return SliceScatter.call(g, input.shape, index)


class Select(Slice):
    """A basic index that ends with an int, named as PyTorch names it."""

    public = ()


class SliceScatter(Op):
    """Zeros of a shape with a tensor put at a basic index: the gradient of ``Slice``."""

    name = "slice_backward"
    public = ()
    linear = True
    half = "native"

    def forward(xp, x, shape, index):
        out = xp.zeros(shape, x.dtype)
        out[index] = x
        return out

    def vjp(g, index):
        return Slice.call(g, index)


class Index(Op):
    """An index with arrays: a copy. ``index`` holds arrays and slices."""

    public = ()
    linear = True
    promote = "keep"

    def forward(xp, x, index):
        return x[index]

    def vjp(g, input: Meta, index):
        return IndexBackward.call(g, input.shape, index)


class IndexRows(Index):
    """``x[index]`` with one array: NumPy's ``take`` is three times faster than its general
    indexing.
    """

    grad_name = "IndexBackward0"
    public = ()

    def forward(xp, x, index):
        return x.take(index, 0)

    def vjp(g, input: Meta, index):
        return IndexBackward.call(g, input.shape, (index,))


class IndexBackward(Op):
    """Zeros with values added at an index, repeated places summed: the gradient of ``Index``."""

    public = ()
    linear = True
    half = "native"

    def forward(xp, x, shape, index):
        out = xp.zeros(shape, x.dtype)
        add_at(xp, out, index, x)
        return out

    def vjp(g, index):
        return Index.call(g, index)


def add_at(xp, out, index, x):
    """``out[index] += x`` that counts repeated places; masks cannot repeat."""
    if all(not hasattr(i, "dtype") or i.dtype == bool for i in index):
        out[index] += x
    elif xp is not np:
        xp.add.at(out, index, x)
    elif len(index) == 1 and out.ndim > 1 and index[0].ndim == 1 and index[0].size:
        add_rows(xp, out, index[0], x)
    else:
        xp.add.at(out, index, x)


def add_rows(xp, out, rows, x):
    """Whole rows added at an index vector: sort, then sum each run (ten times faster than
    ``add.at``).
    """
    order = xp.argsort(rows, kind="stable")
    keys = rows[order] % out.shape[0]
    starts = xp.flatnonzero(xp.concatenate(([True], keys[1:] != keys[:-1])))
    if len(starts) == len(keys):
        out[rows] += x
    else:
        add = xp.logical_or if out.dtype == bool else xp.add
        sums = add.reduceat(xp.broadcast_to(x, (len(rows), *out.shape[1:]))[order], starts, axis=0)
        out[keys[starts]] += sums


class IndexPut(Op):
    """A tensor with ``values`` put (or added) at an index with arrays."""

    tensors = ("input", "values")
    public = ()
    promote = "keep"
    inplace = True

    def forward(xp, x, values, index, accumulate=False):
        out = x.copy()
        if accumulate:
            add_at(xp, out, index, values.astype(x.dtype, copy=False))
        else:
            out[index] = values
        return out

    def vjp_input(g, input: Meta, index, accumulate):
        return g if accumulate else ZeroAt.call(g, index)

    def vjp_values(g, index):
        return Index.call(g, index)


class ZeroAt(Op):
    """A tensor with zeros at an index."""

    public = ()
    linear = True
    promote = "keep"

    def forward(xp, x, index):
        out = x.copy()
        out[index] = 0
        return out

    def vjp(g, index):
        return ZeroAt.call(g, index)


# ---- what users write between brackets -----------------------------------------------------------


def getitem(self, index):
    """``self[index]``: a view for ints and slices, a copy for masks and index tensors."""
    kind = type(index)
    if kind is int:
        x = self._data
        if type(self) in PLAIN and not S.special and x.ndim > 1:
            n = x.shape[0]
            if -n <= index < n:
                return Select.finish_view(self, x, x[index], (index,))
        return Select.call(self, checked_basic(self, (index,)))
    if kind is slice and (index.step is None or (type(index.step) is int and index.step > 0)):
        x = self._data
        if type(self) in PLAIN and not S.special and x.ndim and slice_ints(index):
            return Slice.finish_view(self, x, x[index], (index,))
    if index is None and type(self) in PLAIN and type(self._data) is ndarray and not S.special:
        return Slice.call(self, NEW)
    if kind is tuple:
        for i in index:
            if type(i) is not int:
                break
        else:
            index = checked_basic(self, index)
            if type(self) in PLAIN and not S.special:
                return Select.finish_view(self, self._data, self._data[index], (index,))
            return Select.call(self, index)
    if type(self) in PLAIN and not S.special and type(self._data) is ndarray:
        found = plain_item(self, self._data, index if kind is tuple else (index,))
        if found is not None:
            return found
    if kind is Tensor and index._data.dtype.kind == "i" and index._data.ndim and self._data.ndim:
        try:
            rows: Any = index._data
            if type(rows) is not ndarray or type(self._data) is not ndarray:
                rows = gpu.beside(rows, self._data)
            return IndexRows.call(self, rows)
        except (IndexError, TypeError):
            pass  # out of bounds: the general way tells where
    elif kind is list and set(map(type, index)) == {int} and self._data.ndim:
        try:
            return IndexRows.call(self, gpu.beside(np.array(index), self._data))
        except IndexError:
            pass  # the general way tells where
    elif kind is list and any(
        isinstance(i, (slice, list, tuple, Tensor)) or i is None or i is ... for i in index
    ):
        # A list with slices or sequences inside stands for a tuple, unless it is a nested list of
        # numbers.
        index = tuple(index) if not all(isinstance(i, (list, tuple)) for i in index) else (index,)
    parts = index if type(index) is tuple else (index,)
    basic, advanced = separate(self, parts)
    view = self
    if basic is not None:
        op = Select if type(parts[-1]) is int else Slice
        view = op.call(self, basic)
    if advanced is None:
        return Slice.call(self, (Ellipsis,)) if basic is None else view
    check_bounds(view, advanced)
    return Index.call(view, gpu.beside(advanced, self._data))


def plain_item(self, x, parts):
    """``self[parts]`` for parts that NumPy reads as PyTorch does; None for all others."""
    mask, arrays, numbers, dots, new, places = None, 0, False, False, False, []
    for p in parts:
        kind = type(p)
        if kind is slice:
            if not forward_ints(p):
                return None
            numbers = numbers or p != WHOLE
        elif kind is int:
            numbers = True
        elif kind is Tensor:
            p = p._data
            if type(p) is not ndarray or not p.ndim or not x.ndim:
                return None
            if p.dtype is BOOL:
                mask = p
            elif p.dtype is not I8:
                return None
            arrays += 1
        elif p is None:
            new = True
        elif p is Ellipsis:
            dots = True
        else:
            return None
        places.append(p)
    try:
        if not arrays:
            place = tuple(places) if dots else (*places, Ellipsis)
            op = Select if kind is int else Slice
            return op.call(self, place)
        if len(places) == 1:
            if mask is None:
                return IndexRows.call(self, places[0])
            if mask.shape != x.shape[: mask.ndim]:
                return None
        elif mask is not None or dots or new:
            return None
        return Index.call(self, tuple(places)) if not numbers else mixed(self, places)
    except (IndexError, TypeError, RuntimeError):
        return None  # the general way says what is wrong


def mixed(self, places):
    """Ints and slices first, as a view; then the arrays."""
    basic = (*[slice(None) if type(p) is ndarray else p for p in places], Ellipsis)
    view = Slice.call(self, basic)
    rest = [p if type(p) is ndarray else slice(None) for p in places if type(p) is not int]
    while type(rest[-1]) is slice:
        rest.pop()
    return IndexRows.call(view, rest[0]) if len(rest) == 1 else Index.call(view, tuple(rest))


def forward_ints(s):
    """A slice of plain ints, or None, that does not run backwards?"""
    step = s.step
    return (step is None or (type(step) is int and step > 0)) and slice_ints(s)


def plain_put(self, x, index, value):
    """``x[index] = value`` where NumPy reads both as PyTorch does; False if it was not done."""
    kind = type(value)
    if kind is float:
        if x.dtype is not F4:
            return False
    elif kind is int:
        if x.dtype is not F4 and x.dtype is not I8:
            return False
    elif kind is Tensor:
        if live_node(value) is not None:
            return False
        value = value._data
        if type(value) is not ndarray or value.dtype is not x.dtype:
            return False
    else:
        return False
    arrays, numbers, places = False, False, []
    for p in index if type(index) is tuple else (index,):
        part = type(p)
        if part is slice:
            if not forward_ints(p):
                return False
        elif part is Tensor:
            p = p._data
            if type(p) is not ndarray or not p.ndim or (p.dtype is not BOOL and p.dtype is not I8):
                return False
            arrays = True
        elif part is int or p is None:
            numbers = True
        elif p is not Ellipsis:
            return False
        places.append(p)
    if arrays and numbers and kind is Tensor:  # its shape is PyTorch's, not NumPy's
        return False
    try:
        x[tuple(places)] = value
    except (IndexError, ValueError, OverflowError, TypeError):
        return False
    inplace.bump(self)
    return True


def slice_ints(s):
    """Are both ends plain ints or None?"""
    a, b = type(s.start), type(s.stop)
    return (a is int or s.start is None) and (b is int or s.stop is None)


def setitem(self, index, value):
    """``self[index] = value``: writes through views of ``self``; numbers and tensors are cast to
    its dtype.
    """
    if inplace.writable(self) and plain_put(self, self._data, index, value):
        return
    check_inference(self)
    parts = index if type(index) is tuple else (index,)
    basic, advanced = separate(self, parts)
    target = self if basic is None else Slice.call(self, basic)
    if not isinstance(value, Tensor):
        value = as_value(value, self)
    if advanced is None:
        place(target, value)
        return
    check_bounds(target, advanced)
    put(target, gpu.beside(advanced, self._data), value, False)


def delitem(self, index):
    """``del self[index]``: always refused."""
    raise TypeError("Tensor does not support deleting items")


def as_value(value, like):
    """A number as a tensor of ``like``'s dtype."""
    if not isinstance(value, (int, float, complex, np.integer)):
        kind = type(value)
        module = "" if kind.__module__ == "builtins" else kind.__module__ + "."
        raise TypeError(f"can't assign a {module}{kind.__name__} to a {like._type_name()}")
    array = np.asarray(value)
    if like.dtype.category < 3 and array.dtype.kind == "c":
        raise RuntimeError(
            "value cannot be converted to type " + like.dtype.name + " without overflow"
        )
    return wrap(array.astype(like._data.dtype))


def place(target, value):
    """Copy ``value`` into a view; leading dimensions of size 1 may be dropped from it."""
    shape = value._data.shape
    extra = len(shape) - target._data.ndim
    if extra > 0 and shape[:extra] == (1,) * extra:
        value = value.reshape(shape[extra:])
    try:
        target.copy_(value)
    except RuntimeError as error:
        if "broadcast" in str(error) or "must match" in str(error):
            raise RuntimeError(
                f"shape mismatch: value tensor of shape {list(shape)} cannot be broadcast to "
                "indexing result of "
                f"shape {list(target._data.shape)}"
                if not str(error).startswith("The expanded size")
                else str(error)
            ) from None
        raise


def put(target, index, value, accumulate):
    """``target[index] = value`` for an index with arrays, history included."""
    plain = type(value._data) is ndarray and type(target._data) is ndarray
    if not plain and value.device != target.device:
        value = value.to(target.device)
    if value.dtype is not target.dtype:
        if value._data.ndim == 0:
            value = value.to(target.dtype)
        else:
            raise RuntimeError(
                "Index put requires the source and destination dtypes match, got "
                f"{type_text(target)} for the "
                f"destination and {type_text(value)} for the source."
            )
    live = live_node(target) is not None or live_node(value) is not None
    if type(target._data) is ndarray and not S.special and not (live and (S.grad or thread.grad)):
        try:
            if accumulate:
                add_at(np, target._data, index, value._data)
            else:
                target._data[index] = value._data
        except ValueError as error:
            raise put_mismatch(target, index, value) from error
        inplace.bump(target)
        return target
    try:
        return IndexPut_(target, value, index, accumulate)
    except RuntimeError as error:
        if "broadcast" in str(error) or "shape mismatch" in str(error):
            raise put_mismatch(target, index, value) from None
        raise


def put_mismatch(target, index, value):
    """PyTorch's error for values that do not fit an index."""
    result = target._data[index].shape
    return RuntimeError(
        f"shape mismatch: value tensor of shape {list(value.shape)} cannot be broadcast to "
        "indexing result of "
        f"shape {list(result)}"
    )


def type_text(t):
    """'Float', 'Long', ... of a tensor."""
    return dtypes.scalar_name(t.dtype)


def checked_basic(self, index):
    """An index of ints, checked; NumPy would give scalars, so an Ellipsis keeps it a view."""
    shape = self._data.shape
    if len(index) > len(shape):
        if not shape:
            raise IndexError(
                "invalid index of a 0-dim tensor. Use `tensor.item()` in Python or "
                "`tensor.item<T>()` in C++ to "
                "convert a 0-dim tensor to a number"
            )
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    for d, i in enumerate(index):
        if not -shape[d] <= i < shape[d]:
            raise IndexError(f"index {i} is out of bounds for dimension {d} with size {shape[d]}")
    return (*index, Ellipsis)


def separate(self, parts):
    """Split an index into a basic one (None if trivial) and one with arrays (None if there is
    none).

    PyTorch applies ints, slices and None first, as a view; the arrays then index what is left. That
    differs from
    NumPy, where an int next to arrays counts as an array.
    """
    shape = self._data.shape
    rest = len(shape) - sum([dims_used(p) for p in parts])
    if rest < 0:
        if not shape and any(isinstance(p, int) and not isinstance(p, bool) for p in parts):
            checked_basic(self, (0,))
        raise IndexError(f"too many indices for tensor of dimension {len(shape)}")
    basic, advanced, d = [], [], 0
    for p in parts:
        if p is Ellipsis:
            if sum([q is Ellipsis for q in parts]) > 1:
                raise IndexError("an index can only have a single ellipsis ('...')")
            first, second = [slice(None)] * rest, [slice(None)] * rest
        else:
            first, second = one_part(p, shape, d)
        basic += first
        advanced += second
        d += sum([i is not None for i in first])
    plain = any(i is None or isinstance(i, int) or i != slice(None) for i in basic)
    while advanced and not isinstance(advanced[-1], ndarray):
        advanced.pop()
    return (tuple([*basic, Ellipsis]) if plain else None), (tuple(advanced) or None)


def one_part(p, shape, d):
    """One part of an index, at dimension ``d``, as (its basic parts, the parts that index what
    those leave).
    """
    whole = slice(None)
    if p is None:
        return [None], [whole]
    if isinstance(p, slice):
        return [check_slice(p)], [whole]
    if isinstance(p, (bool, np.bool_)):
        return [None], [np.asarray([bool(p)])]
    number = as_int(p)
    if number is not None:
        if not -shape[d] <= number < shape[d]:
            raise IndexError(
                f"index {number} is out of bounds for dimension {d} with size {shape[d]}"
            )
        return [number], []
    array = as_index(p)
    if array.dtype != bool:
        return [whole], [array]
    if array.ndim == 0:
        return [None], [array.reshape(1)]
    check_mask(array, shape, d)
    return [whole] * array.ndim, [array]


def dims_used(p):
    """How many dimensions of the tensor one part of an index takes."""
    if p is None or p is Ellipsis or isinstance(p, (bool, np.bool_)):
        return 0
    if isinstance(p, Tensor) and p._data.dtype in (bool, np.uint8):
        return p._data.ndim
    if isinstance(p, ndarray) and p.dtype == bool:
        return p.ndim
    if isinstance(p, list) and p and isinstance(p[0], (bool, list)):
        array = np.asarray(p)
        return array.ndim if array.dtype == bool else 1
    return 1


def check_slice(s):
    """A slice with plain ints and a positive step."""
    ends = []
    for v in (s.start, s.stop, s.step):
        if isinstance(v, Tensor):
            v = v.item()
        if v is not None and type(v) is not int:
            try:
                v = operator.index(v)
            except TypeError:
                raise TypeError(
                    "slice indices must be integers or None or have an __index__ method"
                ) from None
        ends.append(v)
    if ends[2] == 0:
        raise ValueError("slice step cannot be zero")
    if ends[2] is not None and ends[2] < 0:
        raise ValueError("step must be greater than zero")
    return slice(*ends)


def as_int(p):
    """An int, NumPy integer or 0-d integer tensor as an int; None for all else."""
    if type(p) is int:
        return p
    if isinstance(p, Tensor):
        plain = type(p._data) in (
            ndarray,
            MetaArray,
            gpu.cuda.kind,
        )  # else a batch has an index for each example
        return (
            p._data.item() if plain and p._data.ndim == 0 and p._data.dtype.kind in "iu" else None
        )
    if isinstance(p, ndarray):
        return int(p) if p.ndim == 0 and p.dtype.kind in "iu" else None
    if isinstance(p, (list, tuple, range)):
        return None
    try:
        return operator.index(p)
    except TypeError:
        raise IndexError(
            "only integers, slices (`:`), ellipsis (`...`), None and long or byte Variables are "
            "valid indices "
            f"(got {type(p).__name__})"
        ) from None


def as_index(p):
    """An index tensor, array or list as an integer or bool array."""
    if isinstance(p, Tensor):
        array = gpu.to_host(p._data)
    elif isinstance(p, (list, tuple, range)):
        items = [gpu.to_host(i._data) if isinstance(i, Tensor) else i for i in p]
        array = np.asarray(items, dtype=np.int64) if not items else np.asarray(items)
    else:
        array = p
    if type(array) is MetaArray and array.dtype in (bool, np.uint8):
        raise errors.shape_by_value("indexing with a mask")
    if array.dtype == np.uint8 and isinstance(p, Tensor):
        deprecated("uint8")
        return array.astype(bool)  # masks were bytes once
    if array.dtype != bool and (array.dtype.kind not in "iu" or array.dtype.itemsize < 4):
        raise IndexError("tensors used as indices must be long, int, byte or bool tensors")
    return array


def check_mask(mask, shape, d):
    """A mask must have the size of what it indexes."""
    for i, s in enumerate(mask.shape):
        if s != shape[d + i]:
            raise IndexError(
                f"The shape of the mask {list(mask.shape)} at index {i} does not match the shape "
                "of the indexed "
                f"tensor {list(shape)} at index {d + i}"
            )


def check_bounds(t, index):
    """Index arrays must lie inside their dimension and broadcast together."""
    d, shapes = 0, []
    for part in index:
        if isinstance(part, ndarray) and part.dtype == bool:
            d += part.ndim
            continue
        if isinstance(part, ndarray):
            shapes.append(part.shape)
            n = t._data.shape[d]
            if part.size and gpu.place_of(part) is CPU:  # for a device's, nothing waits
                low, high = part.min(), part.max()
                if low < -n or high >= n:
                    bad = int(high if high >= n else low)
                    raise IndexError(
                        f"index {bad} is out of bounds for dimension {d} with size {n}"
                    )
        d += 1
    if len(shapes) > 1:
        try:
            np.broadcast_shapes(*shapes)
        except ValueError:
            shown = ", ".join(str(list(s)) for s in shapes)
            raise IndexError(
                "shape mismatch: indexing tensors could not be broadcast together with shapes "
                f"{shown}"
            ) from None


def index_arrays(self, indices):
    """The arrays of ``index_put``'s tuple of tensors (None: the whole dimension)."""
    advanced = tuple([slice(None) if i is None else as_index(i) for i in indices])
    if sum(dims_used(i) for i in indices if i is not None) > self._data.ndim:
        raise IndexError(
            f"too many indices for tensor of dimension {self._data.ndim} (got {len(advanced)})"
        )
    check_bounds(self, advanced)
    return gpu.beside(advanced, self._data)


@public("torch", "Tensor", out=False)
def index_put(input, indices, values, accumulate=False):
    """index_put(input, indices, values, accumulate=False) -> Tensor

    A copy with ``values`` put (or added) at the places that a tuple of index tensors names.

    >>> torch.zeros(3).index_put((torch.tensor([1]),), torch.tensor(5.0))
    tensor([0., 5., 0.])
    """
    if type(input) in PLAIN and not accumulate and not S.special and type(indices) is tuple:
        copy = input.clone()
        if inplace.writable(copy) and plain_put(copy, copy._data, indices, values):
            copy._ver = None
            return copy
    given = [values, *[i for i in indices if i is not None]]
    return put(copy_for(input, *given), index_arrays(input, indices), values, accumulate)


@public("torch", "Tensor", out=False)
def index_put_(self, indices, values, accumulate=False):
    """index_put_(indices, values, accumulate=False) -> Tensor

    In-place form of :func:`torch.index_put`.
    """
    node = live_node(self)
    inplace.check_leaf(self, node)
    return put(self, index_arrays(self, indices), values, accumulate)


@public("torch", "Tensor", out=False)
def select(input, dim, index):
    """select(input, dim, index) -> Tensor

    The slice at ``index`` of a dimension, which disappears.

    >>> torch.arange(6).view(2, 3).select(1, 2)
    tensor([2, 5])
    """
    if input.ndim == 0:
        raise IndexError("select() cannot be applied to a 0-dim tensor.")
    at = wrap_dim(dim, input.ndim)
    size = input.shape[at]
    if not -size <= index < size:
        raise IndexError(
            f"select(): index {index} out of range for tensor of size {list(input.shape)} at "
            f"dimension {at}"
        )
    return Select.call(input, (slice(None),) * at + (operator.index(index), Ellipsis))


IndexPut_ = inplace.derive(IndexPut)
_tensor: Any = Tensor
_tensor.__getitem__ = fronts.before_getitem(getitem, Select, Slice)
_tensor.__setitem__ = setitem
_tensor.__delitem__ = delitem
