"""The memory under tensors."""

import copy
import gc
import warnings

import numpy as np
import pytest

import rushlight as torch
from rushlight._core.storage import memory_of, rebuild_tensor, storage_of
from rushlight._core.typed_storage import TypedStorage


def test_views_share_a_storage_and_copies_do_not():
    a = torch.arange(6.0)
    assert a[2:4].untyped_storage() is a.untyped_storage()
    assert a.view(2, 3).t().untyped_storage() is a.untyped_storage()
    assert a.clone().untyped_storage() is not a.untyped_storage()
    assert a[2:4].storage_offset() == 2
    assert a.untyped_storage().nbytes() == 24


@pytest.mark.parametrize(
    "array",
    [
        np.arange(12).reshape(3, 4),
        np.asfortranarray(np.arange(12).reshape(3, 4)),
        np.empty((0, 3)),
        np.array(3.0),
        np.empty((2, 3, 4)).transpose(1, 2, 0).copy(order="K"),
    ],
)
def test_memory_is_all_of_an_array(array):
    assert memory_of(array).size == array.nbytes
    assert storage_of(array)[1] == 0


def test_offset_of_a_reversed_array_counts_from_the_lowest_address():
    array = np.arange(6)[4:1:-1]
    root, offset = storage_of(array)
    assert root.size == 6
    assert offset == 4


def test_bytes_can_be_read_and_written():
    a = torch.zeros(2, dtype=torch.int32)
    s = a.untyped_storage()
    s[4] = 7
    assert a.tolist() == [0, 7]
    assert s.tolist() == [0, 0, 0, 0, 7, 0, 0, 0]
    assert s[4:].tolist() == [7, 0, 0, 0]
    s.fill_(0)
    assert a.tolist() == [0, 0]
    with pytest.raises(IndexError):
        s[8]
    with pytest.raises(TypeError, match=r"index a torch.UntypedStorage with str"):
        s["a"]


def test_printing():
    shown = repr(torch.tensor([1, 2], dtype=torch.uint8).untyped_storage())
    assert shown == " 1\n 2\n[torch.storage.UntypedStorage(device=cpu) of size 2]"


def test_typed_storage_counts_elements():
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        s = torch.FloatStorage([1, 2, 3])
        assert isinstance(s, TypedStorage)
        assert isinstance(s, torch.FloatStorage)
        assert not isinstance(s, torch.DoubleStorage)
    assert s.dtype is torch.float32
    assert (s.size(), s.nbytes(), s.tolist()) == (3, 12, [1.0, 2.0, 3.0])
    assert s.double().dtype is torch.float64
    s[1] = 5
    assert s[1] == 5.0
    with pytest.raises(IndexError, match="index 10 out of range for storage of size 3"):
        s[10]


def test_rebuilding_refuses_what_is_outside():
    s = torch.arange(4.0).untyped_storage()
    good = rebuild_tensor(s, 1, (2, 2), (1, 1), dtype=torch.float32)
    assert good.tolist() == [[1.0, 2.0], [2.0, 3.0]]
    for offset, size, stride in [
        (3, (2,), (1,)),
        (0, (2, 2), (3, 1)),
        (-1, (1,), (1,)),
        (0, (2,), (-1,)),
    ]:
        with pytest.raises(RuntimeError, match="out of bounds for storage of size 16"):
            rebuild_tensor(s, offset, size, stride, dtype=torch.float32)


def test_resize_needs_a_storage_of_its_own():
    s = torch.UntypedStorage(4).fill_(1)
    assert s.resize_(6).tolist() == [1, 1, 1, 1, 0, 0]
    with pytest.raises(NotImplementedError, match="new tensor"):
        torch.ones(3).untyped_storage().resize_(0)


def test_copies():
    s = torch.arange(3).untyped_storage()
    c = s.clone()
    c.fill_(0)
    assert s.tolist() != c.tolist()
    s.copy_(c)
    assert s.tolist() == c.tolist()
    with pytest.raises(RuntimeError, match="size does not match, self was 24 bytes but src was 3"):
        s.copy_(torch.UntypedStorage(3))


def test_deep_copies_of_views_share_one_copy():
    a = torch.arange(4.0)
    b, view, square = copy.deepcopy([a, a[1:3], a.view(2, 2).t()])
    assert view.untyped_storage() is b.untyped_storage() is square.untyped_storage()
    b[1] = 9
    assert view.tolist() == [9, 2]
    assert square.tolist() == [[0, 2], [9, 3]]
    assert a.tolist() == [0, 1, 2, 3]


def test_deep_copies_of_parameters_have_no_gradient():
    p = torch.Parameter(torch.ones(2))
    p.sum().backward()
    assert copy.deepcopy(p).grad is None
    t = torch.ones(2, requires_grad=True)
    t.sum().backward()
    assert copy.deepcopy(t).grad.tolist() == [1, 1]


def test_frozen_tensors_move_to_shared_memory_too():
    x = torch.zeros(4)
    y = x[1:]
    gc.freeze()  # as servers do before they fork
    x.share_memory_()
    assert gc.get_freeze_count()
    x[1] = 5
    assert y[0] == 5
    assert y.is_shared()
