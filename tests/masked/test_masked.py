"""torch.masked: what the mask leaves out has no say, in values and in gradients."""

import numpy as np
import pytest

import rushlight as torch
from rushlight import masked

REDUCTIONS = ["sum", "prod", "amax", "amin", "mean", "var", "std", "logsumexp", "norm"]
ROWS = ["cumsum", "cumprod", "softmax", "log_softmax", "softmin"]
X = [[3.0, -1.0, 2.0], [4.0, 5.0, 6.0], [0.5, 1.0, 1.5]]
MASK = [[True, False, True], [False, False, False], [True, True, True]]


def both():
    return torch.tensor(X, dtype=torch.float64), torch.tensor(MASK)


@pytest.mark.parametrize("name", REDUCTIONS)
def test_reductions_are_those_of_the_kept_elements(name):
    x, mask = both()
    got = getattr(masked, name)(x, dim=1, mask=mask)
    kept = getattr(masked, name)(torch.tensor([3.0, 2.0], dtype=torch.float64))
    assert torch.allclose(got[0], kept)
    assert torch.allclose(got[2], getattr(masked, name)(x[2]))


@pytest.mark.parametrize("name", REDUCTIONS)
def test_shapes(name):
    x, mask = both()
    function = getattr(masked, name)
    assert function(x, mask=mask).shape == ()
    assert function(x, dim=(0, 1), mask=mask).shape == ()
    assert function(x, dim=-1, keepdim=True, mask=mask).shape == (3, 1)
    assert function(x, dim=0).shape == (3,)


def test_rows_without_elements_give_identities():
    x, mask = both()
    assert masked.sum(x, dim=1, mask=mask)[1] == 0
    assert masked.prod(x, dim=1, mask=mask)[1] == 1
    assert masked.amax(x, dim=1, mask=mask)[1] == -torch.inf
    assert masked.amin(x.long(), dim=1, mask=mask)[1] == torch.iinfo(torch.int64).max
    assert masked.mean(x, dim=1, mask=mask)[1].isnan()
    assert masked.median(x, dim=1, mask=mask)[1].isnan()


@pytest.mark.parametrize("name", [*REDUCTIONS, *ROWS, "median"])
def test_gradients_of_both_orders(name):
    x, mask = both()
    mask = mask | torch.tensor([[False] * 3, [True, True, False], [False] * 3])
    x.requires_grad_()

    def f(t):
        return getattr(masked, name)(t, dim=1, mask=mask)[:, ...].where(
            mask if name in ROWS else torch.tensor(True), 0.0
        )

    assert torch.autograd.gradcheck(f, x)
    assert torch.autograd.gradgradcheck(f, x)
    (g,) = torch.autograd.grad(f(x).sum(), x)
    assert not g[~mask].any()


def test_softmax_leaves_nothing_to_the_masked():
    p = masked.softmax(torch.zeros(4), 0, mask=torch.tensor([True, False, True, False]))
    assert p.tolist() == [0.5, 0.0, 0.5, 0.0]


def test_normalize_and_logaddexp():
    x = torch.tensor([3.0, 100.0, 4.0])
    mask = torch.tensor([True, False, True])
    assert torch.allclose(masked.normalize(x, 2.0, 0, mask=mask), torch.tensor([0.6, 0.0, 0.8]))
    got = masked.logaddexp(x, x, input_mask=mask)
    assert torch.allclose(got, torch.logaddexp(x, torch.where(mask, x, -torch.inf)))


def test_dtypes():
    x = torch.tensor([1, 2, 3], dtype=torch.uint8)
    assert masked.sum(x).dtype is torch.int64
    assert masked.amax(x).dtype is torch.uint8
    assert masked.argmax(x).dtype is torch.uint8  # as in PyTorch
    assert masked.var(x).dtype is torch.float32
    assert masked.sum(x, dtype=torch.float64).dtype is torch.float64


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (lambda x, m: masked.sum(x, (0, 0), mask=m), RuntimeError, "appears multiple times"),
        (lambda x, m: masked.sum(x, 5, mask=m), IndexError, "Dimension out of range"),
        (lambda x, m: masked.sum(x, mask=m[None]), IndexError, "expected broadcastable mask"),
        (lambda x, m: masked.mean(x.long(), mask=m), ValueError, "Could not infer output dtype"),
        (lambda x, m: masked.amax(x > 0, mask=m), NotImplementedError, "identity of amax on"),
        (lambda x, m: masked.median(x.long(), 1, mask=m), ValueError, "no fully masked out rows"),
    ],
)
def test_refusals(call, error, words):
    with pytest.raises(error, match=words):
        call(*both())


@pytest.mark.parametrize("name", [*REDUCTIONS, *ROWS, "median", "argmax", "argmin"])
@pytest.mark.parametrize("dim", [0, 1])
def test_equals_torch(name, dim):
    oracle = pytest.importorskip("torch")
    for dtype in ("float32", "float64"):
        x, mask = (oracle.tensor(X, dtype=getattr(oracle, dtype)), oracle.tensor(MASK))
        expected = getattr(oracle.masked, name)(x, dim=dim, mask=mask)
        mine = torch.from_numpy(x.numpy()), torch.from_numpy(mask.numpy())
        got = getattr(masked, name)(mine[0], dim=dim, mask=mine[1])
        assert str(got.dtype) == str(expected.dtype)
        np.testing.assert_allclose(got.numpy(), expected.numpy(), 1e-5)
