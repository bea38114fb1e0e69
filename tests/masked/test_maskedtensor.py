"""MaskedTensor: operators keep the mask, reductions leave out what it hides."""

import pytest

import rushlight as torch
from rushlight.masked import MaskedTensor, as_masked_tensor, is_masked_tensor, masked_tensor

X = torch.tensor([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
MASK = torch.tensor([[True, False, True], [False, False, True]])


def pair():
    return masked_tensor(X, MASK), masked_tensor(X * 2, MASK)


def test_parts_and_print():
    a, _ = pair()
    assert isinstance(a, MaskedTensor)
    assert is_masked_tensor(a)
    assert not is_masked_tensor(X)
    assert torch.equal(a.get_data(), X)
    assert torch.equal(a.get_mask(), MASK)
    assert a.to_tensor(0.0).tolist() == [[1, 0, 3], [0, 0, 6]]
    assert repr(a) == (
        "MaskedTensor(\n  [\n    [  1.0000,       --,   3.0000],\n"
        "    [      --,       --,   6.0000]\n  ]\n)"
    )
    assert repr(masked_tensor(X[0, 0], MASK[0, 1])) == "MaskedTensor(--, False)"


@pytest.mark.parametrize(
    "f",
    [
        lambda a, b: a + b,
        lambda a, b: 2 / a - b,
        lambda a, b: a**2 < b,
        lambda a, b: torch.maximum(a, b).exp(),
        lambda a, b: -a.sqrt().double(),
    ],
)
def test_elementwise(f):
    a, b = pair()
    result = f(a, b)
    assert torch.equal(result.get_mask(), MASK)
    assert torch.equal(result.get_data(), f(X, X * 2))


def test_masks_must_match():
    a, _ = pair()
    with pytest.raises(ValueError, match="Input masks must match"):
        a + masked_tensor(X, ~MASK)


@pytest.mark.parametrize("name", ["sum", "mean", "prod", "amax", "amin", "std", "var", "argmin"])
def test_reductions(name):
    a, _ = pair()
    got = getattr(a, name)(1)
    expected = getattr(torch.masked, name)(X, 1, mask=MASK)
    assert torch.allclose(got.get_data(), expected, equal_nan=True)
    assert got.get_mask().tolist() == [True, True]
    assert getattr(a, name)().get_mask()


def test_moves_take_the_mask_along():
    a, b = pair()
    assert torch.equal(a.t().get_mask(), MASK.t())
    assert torch.equal(a.reshape(-1).get_mask(), MASK.reshape(-1))
    assert torch.equal(a[0].get_mask(), MASK[0])
    assert torch.equal(torch.cat([a, b]).get_mask(), torch.cat([MASK, MASK]))
    where = torch.where(MASK, a, b)
    assert torch.equal(where.get_mask(), MASK)


def test_gradients():
    q = masked_tensor(X[0], MASK[0], requires_grad=True)
    (q * q).sum().backward()
    assert q.grad.to_tensor(0).tolist() == [2, 0, 6]
    z = X[0].clone().requires_grad_()
    as_masked_tensor(z, MASK[0]).exp().sum().backward()
    assert torch.allclose(z.grad, X[0].exp() * MASK[0])


@pytest.mark.parametrize(
    ("data", "mask", "error", "words"),
    [
        ([1], MASK, TypeError, "data must be a Tensor"),
        (X, [1], TypeError, "mask must be a Tensor"),
        (X, MASK.float(), TypeError, "mask must have dtype bool"),
        (X, MASK[0], ValueError, r"data.dim\(\) must equal mask.dim\(\)"),
        (X, MASK.t(), ValueError, r"data.size\(\) must equal mask.size\(\)"),
        (X.to(torch.complex64), MASK, TypeError, "not supported in MaskedTensor"),
    ],
)
def test_refusals(data, mask, error, words):
    with pytest.raises(error, match=words):
        masked_tensor(data, mask)


def test_what_is_not_there_says_so():
    a, _ = pair()
    with pytest.raises(TypeError, match="handlers returned NotImplemented"):
        a.cumsum(1)
    with pytest.raises(RuntimeError, match="not supported for tensor subclasses"):
        a.numpy()
