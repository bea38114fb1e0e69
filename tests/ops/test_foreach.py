"""torch._foreach_*: lists of tensors, as the operators do one by one."""

import pytest

import rushlight as torch
from rushlight._ops.foreach import BINARY, UNARY


def tensors():
    return [torch.tensor([0.3, 0.7]), torch.tensor([0.1])]


@pytest.mark.parametrize("name", UNARY)
def test_of_each(name):
    expected = [getattr(torch, name)(t) for t in tensors()]
    found = getattr(torch, f"_foreach_{name}")(tensors())
    assert type(found) is tuple and all(map(torch.equal, found, expected))
    written = tensors()
    assert getattr(torch, f"_foreach_{name}_")(written) is written
    assert all(map(torch.equal, written, expected))


@pytest.mark.parametrize("name", sorted(BINARY))
@pytest.mark.parametrize("second", ["number", "numbers", "tensors"])
def test_with_another(name, second):
    other = {"number": 2.0, "numbers": [2.0, 3.0], "tensors": [t + 1 for t in tensors()]}[second]
    each = other if isinstance(other, list) else [other, other]
    operator = getattr(torch.Tensor, BINARY[name])
    expected = [operator(t, o) for t, o in zip(tensors(), each, strict=True)]
    found = getattr(torch, f"_foreach_{name}")(tensors(), other)
    assert all(map(torch.equal, found, expected))
    written = tensors()
    getattr(torch, f"_foreach_{name}_")(written, other)
    assert all(map(torch.equal, written, expected))


def test_the_others():
    a = [torch.ones(2), torch.ones(3)]
    assert torch._foreach_add(a, a, alpha=2)[0].tolist() == [3, 3]
    assert torch._foreach_addcmul(a, a, a, [2, 3])[1].tolist() == [4, 4, 4]
    assert torch._foreach_addcdiv(a, a, a, torch.tensor([2.0, 3.0]))[0].tolist() == [3, 3]
    assert torch._foreach_lerp(a, [t * 3 for t in a], 0.5)[0].tolist() == [2, 2]
    assert torch._foreach_pow(2.0, a)[0].tolist() == [2, 2]
    assert [t.item() for t in torch._foreach_norm(a, 1)] == [2, 3]
    assert [t.item() for t in torch._foreach_max(a)] == [1, 1]
    copied = torch._foreach_clone(a)
    torch._foreach_zero_(a)
    assert a[0].tolist() == [0, 0] and copied[0].tolist() == [1, 1]
    torch._foreach_copy_(a, copied)
    assert a[1].tolist() == [1, 1, 1]


def test_gradients_flow():
    a = [torch.ones(2, requires_grad=True), torch.ones(1, requires_grad=True)]
    sum(t.sum() for t in torch._foreach_mul(a, [2.0, 3.0])).backward()
    assert a[0].grad.tolist() == [2, 2] and a[1].grad.tolist() == [3]


def test_errors_are_pytorchs():
    a = tensors()
    with pytest.raises(RuntimeError, match="same number of tensors, got 2 and 1"):
        torch._foreach_add(a, [torch.ones(2)])
    with pytest.raises(RuntimeError, match="same number of elements as scalar list"):
        torch._foreach_add(a, [1])
    with pytest.raises(RuntimeError, match="must have at least one tensor"):
        torch._foreach_add([], 1)
    with pytest.raises(TypeError, match="must be tuple of Tensors, not Tensor"):
        torch._foreach_abs(a[0])


def test_checks():
    with pytest.raises(RuntimeError, match=r"^no$"):
        torch._check(False, lambda: "no")
    with pytest.raises(RuntimeError, match="Expected cond to be True, but got False"):
        torch._check(False)
    with pytest.raises(TypeError, match="cond must be a bool, but got <class 'int'>"):
        torch._check(1)
    for kind, check in (
        (ValueError, torch._check_value),
        (IndexError, torch._check_index),
        (TypeError, torch._check_type),
        (NotImplementedError, torch._check_not_implemented),
    ):
        with pytest.raises(kind):
            check(False)
    with pytest.raises(RuntimeError):
        torch._check_tensor_all(torch.tensor([True, False]))
    with pytest.raises(AssertionError, match="no"):
        torch._assert(torch.tensor(False), "no")
    with pytest.raises(RuntimeError, match="single nonzero value, but got zero"):
        torch._assert_async(torch.tensor(0))
    torch._check_is_size(3)


def test_split_by_its_name():
    assert [p.tolist() for p in torch.arange(3).split(split_size=2)] == [[0, 1], [2]]
    assert [p.tolist() for p in torch.arange(3).split([1, 2], dim=0)] == [[0], [1, 2]]
    assert len(torch.split(torch.arange(3), split_size_or_sections=1)) == 3
