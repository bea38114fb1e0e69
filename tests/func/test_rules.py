"""Laws of the derived rules: vmap is a loop, a tangent is a difference, whatever the operator."""

import warnings

import pytest

import rushlight as torch
from rushlight._core import batched
from rushlight.func import grad, jvp, vmap

F = torch.nn.functional
torch.manual_seed(0)
X, Y = torch.rand(3, 4, 5, dtype=torch.float64), torch.rand(3, 4, 5, dtype=torch.float64)
SQUARE = torch.rand(3, 4, 4, dtype=torch.float64) + 3 * torch.eye(4, dtype=torch.float64)
IMAGE = torch.rand(3, 2, 2, 6, 6, dtype=torch.float64)
KERNEL = torch.rand(3, 4, 2, 3, 3, dtype=torch.float64)
INDEX = torch.tensor([[0, 2], [3, 1], [2, 2]])

# name: (function, inputs with the batch first)
CASES = {
    "mul": (torch.mul, (X, Y)),
    "unequal dimensions": (lambda a, b: a + b, (X, Y[:, 0, 0])),
    "pow": (torch.pow, (X, Y)),
    "where": (lambda a, b: torch.where(a > b, a, b * 2), (X, Y)),
    "addcmul": (lambda a, b: torch.addcmul(a, a, b, value=2), (X, Y)),
    "gelu": (F.gelu, (X,)),
    "sum": (lambda a: a.sum(1, keepdim=True), (X,)),
    "mean of all": (torch.mean, (X,)),
    "var": (lambda a: a.var(0), (X,)),
    "amax": (lambda a: a.amax((0, 1)), (X,)),
    "logsumexp": (lambda a: a.logsumexp(-1), (X,)),
    "norm": (lambda a: torch.linalg.vector_norm(a), (X,)),
    "softmax": (lambda a: a.softmax(0), (X,)),
    "cumprod": (lambda a: a.cumprod(1), (X,)),
    "logcumsumexp": (lambda a: a.logcumsumexp(0), (X,)),
    "sort": (lambda a: a.sort(0)[0], (X,)),
    "topk": (lambda a: a.topk(2)[0], (X,)),
    "views": (lambda a: a.t().reshape(2, -1).unsqueeze(1).expand(2, 3, 10)[:, 1:, ::2], (X,)),
    "diagonal": (lambda a: a.diagonal(1), (X,)),
    "flip and roll": (lambda a: a.flip(0).roll(1, 1).roll(2), (X,)),
    "cat": (lambda a, b: torch.cat([a, b, a], 1), (X, Y)),
    "stack": (lambda a, b: torch.stack([a, b], -1), (X, Y)),
    "pad": (lambda a: F.pad(a, (1, 2)), (X,)),
    "gather": (lambda a, i: a[:, 0].gather(0, i), (X, INDEX)),
    "index": (lambda a, i: a[i], (X, INDEX)),
    "index behind a slice": (lambda a, i: a[:, i], (X, INDEX)),
    "index_select": (lambda a, i: a.index_select(1, i), (X, INDEX)),
    "index_add": (lambda a, i: a.index_add(1, i, a[:, :2]), (X, INDEX)),
    "scatter": (lambda a, i: a[:, 0].scatter(0, i, a[0, :2]), (X, INDEX[:, :1])),
    "embedding": (lambda a, i: F.embedding(i, a), (X, INDEX)),
    "matmul": (lambda a, b: a @ b.t(), (X, Y)),
    "matrix times vector": (lambda a, b: a @ b[0], (X, Y)),
    "dot": (lambda a, b: a[0].dot(b[0]), (X, Y)),
    "linear": (lambda a, b: F.linear(a, b, b[:, 0]), (X, Y)),
    "addmm": (lambda a, b: torch.addmm(b[:, 0], a, b.t(), beta=0.5, alpha=2), (X, Y)),
    "einsum": (lambda a, b: torch.einsum("ij,kj->ik", a, b), (X, Y)),
    "solve": (lambda a, b: torch.linalg.solve(a, b), (SQUARE, X)),
    "inverse and determinant": (lambda a: a.inverse() * a.det(), (SQUARE,)),
    "svdvals": (torch.linalg.svdvals, (X,)),
    "conv2d": (lambda a, k: F.conv2d(a, k, k[:, 0, 0, 0], padding=1), (IMAGE, KERNEL)),
    "transposed conv": (
        lambda a, k: F.conv_transpose2d(a, k[:2], stride=2),
        (IMAGE, KERNEL),
    ),
    "max_pool2d": (lambda a: F.max_pool2d(a, 2), (IMAGE,)),
    "avg_pool2d": (lambda a: F.avg_pool2d(a, 2), (IMAGE,)),
    "interpolate": (lambda a: F.interpolate(a, scale_factor=2, mode="bilinear"), (IMAGE,)),
    "layer_norm": (lambda a, b: F.layer_norm(a, (5,), b[0], b[1]), (X, Y)),
    "batch_norm": (lambda a: F.batch_norm(a, None, None, training=True), (IMAGE,)),
    "group_norm": (lambda a: F.group_norm(a, 2), (IMAGE,)),
    "mse_loss": (F.mse_loss, (X, Y)),
    "smooth_l1_loss": (F.smooth_l1_loss, (X, Y)),
    "cross_entropy": (lambda a, i: F.cross_entropy(a[:2], i), (X, INDEX)),
    "nll_loss": (lambda a, i: F.nll_loss(a[:2], i, ignore_index=3), (X, INDEX)),
    "bce": (F.binary_cross_entropy, (X, Y)),
    "attention": (
        lambda a, b: F.scaled_dot_product_attention(a, b, b, is_causal=True),
        (X, Y),
    ),
    "fft": (lambda a: torch.view_as_real(torch.fft.rfft(a)), (X,)),
}


def floats(tensors):
    return [i for i, t in enumerate(tensors) if t.is_floating_point()]


@pytest.mark.parametrize("name", CASES)
def test_vmap_is_a_loop(name):
    function, given = CASES[name]
    looped = torch.stack([function(*row) for row in zip(*given, strict=True)])
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # no operator here is called example by example
        mapped = vmap(function)(*given)
    torch.testing.assert_close(mapped, looped)
    if len(given) > 1 and given[1].is_floating_point():
        part = vmap(function, (0, None))(given[0], given[1][0])
        torch.testing.assert_close(part, torch.stack([function(r, given[1][0]) for r in given[0]]))


@pytest.mark.parametrize("name", CASES)
def test_gradients_under_vmap(name):
    function, given = CASES[name]
    target = grad(lambda *a: function(*a).sin().sum(), argnums=tuple(floats(given)))
    rows = [target(*row) for row in zip(*given, strict=True)]
    for mapped, looped in zip(vmap(target)(*given), zip(*rows, strict=True), strict=True):
        torch.testing.assert_close(mapped, torch.stack(looped))


@pytest.mark.parametrize("name", CASES)
def test_tangents_are_differences(name):
    function, given = CASES[name]
    at = floats(given)
    example = [t[0] for t in given]

    def moved(*parts):
        full = list(example)
        for i, p in zip(at, parts, strict=True):
            full[i] = p
        return function(*full)

    torch.manual_seed(1)
    start = [example[i] for i in at]
    steps = [torch.rand_like(t) for t in start]
    _, tangent = jvp(moved, tuple(start), tuple(steps))
    h = 1e-6
    high = moved(*[t + h * v for t, v in zip(start, steps, strict=True)])
    low = moved(*[t - h * v for t, v in zip(start, steps, strict=True)])
    torch.testing.assert_close(tangent, (high - low) / (2 * h), rtol=1e-5, atol=1e-6)


def test_what_has_no_rule_is_called_for_each_example_with_one_warning():
    batched._warned.discard("histc")
    with pytest.warns(UserWarning, match="batching rule for histc"):
        found = vmap(lambda a: torch.histc(a, 4, 0.0, 1.0))(X)
    assert torch.equal(found, torch.stack([torch.histc(a, 4, 0.0, 1.0) for a in X]))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        vmap(lambda a: torch.histc(a, 4, 0.0, 1.0))(X)
