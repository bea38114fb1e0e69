"""Sparse tensors mean what their dense form means; gradients keep their indices."""

import copy

import pytest

import rushlight as torch
from rushlight import sparse

INDICES, VALUES = [[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0]
LAYOUTS = [torch.sparse_coo, torch.sparse_csr, torch.sparse_csc]


def coo(dtype=torch.float64):
    return torch.sparse_coo_tensor(INDICES, VALUES, (2, 3), dtype=dtype, is_coalesced=True)


def leaf(layout=torch.sparse_coo):
    return coo().to_sparse(layout=layout).detach().requires_grad_()


def dense():
    return torch.tensor([[0.0, 0.0, 3.0], [4.0, 0.0, 5.0]], dtype=torch.float64)


def other(*shape):
    return torch.arange(float(shape[0] * shape[1]), dtype=torch.float64).reshape(shape) - 2


@pytest.mark.parametrize("layout", LAYOUTS)
def test_there_and_back(layout):
    s = dense().to_sparse(layout=layout)
    assert s.layout is layout
    assert torch.equal(s.to_dense(), dense())
    assert s.shape == (2, 3)
    assert (s.sparse_dim(), s.dense_dim(), s._nnz(), s.numel()) == (2, 0, 3, 6)
    for again in LAYOUTS:
        assert torch.equal(s.to_sparse(layout=again).to_dense(), dense())


def test_parts():
    s = coo()
    assert s.indices().tolist() == INDICES
    assert s.values().tolist() == VALUES
    c = s.to_sparse_csr()
    assert c.crow_indices().tolist() == [0, 1, 3]
    assert c.col_indices().tolist() == [2, 0, 2]
    k = s.to_sparse_csc()
    assert k.ccol_indices().tolist() == [0, 1, 1, 3]
    assert k.row_indices().tolist() == [1, 0, 1]
    assert (s.is_sparse, s.is_sparse_csr, c.is_sparse, c.is_sparse_csr) == (
        True,
        False,
        False,
        True,
    )


def test_coalesce_adds_up_and_sorts():
    s = torch.sparse_coo_tensor([[2, 0, 2]], [1.0, 2.0, 3.0], (4,))
    assert not s.is_coalesced()
    with pytest.raises(RuntimeError, match="Cannot get indices on an uncoalesced tensor"):
        s.indices()
    c = s.coalesce()
    assert c.is_coalesced()
    assert c.indices().tolist() == [[0, 2]]
    assert c.values().tolist() == [2.0, 4.0]
    assert torch.equal(s.to_dense(), c.to_dense())


def test_hybrid_and_empty():
    s = torch.sparse_coo_tensor([[1, 1]], [[1.0, 2.0], [3.0, 4.0]], (2, 2))
    assert s.to_dense().tolist() == [[0.0, 0.0], [4.0, 6.0]]
    assert (s.sparse_dim(), s.dense_dim()) == (1, 1)
    assert torch.ones(2, 3).to_sparse(1).values().shape == (2, 3)
    assert torch.tensor(3.0).to_sparse().to_dense() == 3.0
    assert torch.sparse_coo_tensor((2, 3)).to_dense().tolist() == torch.zeros(2, 3).tolist()


def test_repr():
    assert repr(torch.sparse_coo_tensor(INDICES, VALUES, (2, 3), requires_grad=True)) == (
        "tensor(indices=tensor([[0, 1, 1],\n"
        "                       [2, 0, 2]]),\n"
        "       values=tensor([3., 4., 5.]),\n"
        "       size=(2, 3), nnz=3, layout=torch.sparse_coo, requires_grad=True)"
    )
    assert repr(torch.eye(2).to_sparse_csr()) == (
        "tensor(crow_indices=tensor([0, 1, 2]),\n"
        "       col_indices=tensor([0, 1]),\n"
        "       values=tensor([1., 1.]), size=(2, 2), nnz=2, layout=torch.sparse_csr)"
    )


OPERATIONS = {
    "add": lambda s: s + s,
    "sub": lambda s: s - s * 3,
    "mul by a number": lambda s: 2 * s,
    "mul": lambda s: s * s,
    "mul by dense": lambda s: s * other(2, 3),
    "div": lambda s: s / 4,
    "neg": lambda s: -s,
    "sin": lambda s: s.sin(),
    "pow": lambda s: s**2,
    "clone": lambda s: s.clone(),
    "t": lambda s: s.t(),
    "T": lambda s: s.T,
    "mm": lambda s: s @ other(3, 2),
    "mm from the left": lambda s: other(2, 2) @ s,
    "mm of sparse": lambda s: s @ s.t(),
    "mv": lambda s: s @ other(3, 1).squeeze(1),
    "sum": lambda s: s.sum(),
    "dense plus sparse": lambda s: other(2, 3) + s,
}


@pytest.mark.parametrize("layout", LAYOUTS)
@pytest.mark.parametrize("name", OPERATIONS)
def test_operations_and_their_gradients(layout, name):
    f, s, d = OPERATIONS[name], leaf(layout), dense().requires_grad_()
    got, expected = f(s).to_dense(), f(d)
    assert torch.allclose(got, expected)
    weight = other(1, got.numel()).reshape(got.shape)
    (gs,) = torch.autograd.grad((got * weight).sum(), s)
    (gd,) = torch.autograd.grad((expected * weight).sum(), d)
    assert gs.layout is layout
    assert torch.allclose(gs.to_dense(), gd * (dense() != 0))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_second_gradients(layout):
    s, d = leaf(layout), dense().requires_grad_()

    def curvature(x):
        (g,) = torch.autograd.grad((x * x * x).to_dense().sum(), x, create_graph=True)
        return torch.autograd.grad(g.to_dense().sum(), x)[0].to_dense()

    assert torch.allclose(curvature(s), curvature(d) * (dense() != 0))


def test_gradients_of_what_it_is_made_of():
    v = torch.tensor(VALUES, requires_grad=True)
    s = torch.sparse_coo_tensor(INDICES, v, (2, 3))
    assert s.grad_fn.name() == "SparseCooTensorWithDimsAndTensorsBackward0"
    (s.to_dense() * 2).sum().backward()
    assert v.grad.tolist() == [2.0, 2.0, 2.0]
    x = dense().requires_grad_()
    (x.to_sparse() * 3).to_dense().sum().backward()
    assert torch.equal(x.grad, 3.0 * (dense() != 0))


def test_shapes_and_selections():
    s, d = coo(), dense()
    assert torch.equal(s[1].to_dense(), d[1])
    assert s[1, 2] == 5.0
    assert torch.equal(s.unsqueeze(0).to_dense(), d.unsqueeze(0))
    assert torch.equal(torch.cat([s, s]).to_dense(), torch.cat([d, d]))
    assert torch.equal(torch.stack([s, s]).to_dense(), torch.stack([d, d]))
    at = torch.tensor([2, 0])
    assert torch.equal(s.index_select(1, at).to_dense(), d.index_select(1, at))
    assert torch.equal(other(2, 3).sparse_mask(s).to_dense(), other(2, 3) * (d != 0))


def test_copies_and_dtypes():
    s = leaf()
    assert s.float().dtype is torch.float32
    assert not s.detach().requires_grad
    twin = copy.deepcopy(s)
    assert twin.requires_grad
    assert torch.equal(twin.to_dense(), s.to_dense())


def test_in_place():
    s = coo()
    s.mul_(2).add_(coo())
    assert torch.equal(s.to_dense(), dense() * 3)
    assert s.zero_()._nnz() == 0
    with pytest.raises(RuntimeError, match="leaf Variable that requires grad"):
        leaf().mul_(2)


def test_functions():
    s, d = coo(), dense()
    assert torch.allclose(sparse.mm(s, other(3, 2)), d @ other(3, 2))
    assert torch.allclose(
        sparse.addmm(other(2, 2), s, other(3, 2), beta=2, alpha=3),
        2 * other(2, 2) + 3 * (d @ other(3, 2)),
    )
    assert torch.equal(sparse.sum(s, 0).to_dense(), d.sum(0))
    assert torch.equal(sparse.sum(s, (0, 1)), d.sum())
    hidden = torch.where(d != 0, d, -torch.inf)
    assert torch.allclose(sparse.softmax(s, 1).to_dense(), hidden.softmax(1))
    there = d != 0
    logs = sparse.log_softmax(s, 1).to_dense()
    assert torch.allclose(logs[there], hidden.log_softmax(1)[there])


def test_csr_functions():
    c, d = coo().to_sparse_csr(), dense()
    product = sparse.sampled_addmm(c, other(2, 2), other(2, 3), beta=0.5, alpha=2.0)
    expected = (0.5 * d + 2 * (other(2, 2) @ other(2, 3))) * (d != 0)
    assert torch.allclose(product.to_dense(), expected)
    means = sparse.mm(c, other(3, 2), "mean")
    counts = (d != 0).sum(1, keepdim=True)
    assert torch.allclose(means, d @ other(3, 2) / counts)
    largest = sparse.mm(c, other(3, 2), "amax")
    assert torch.allclose(largest[0], 3 * other(3, 2)[2])


def test_gradients_of_a_lookup_table():
    table = torch.zeros(4, 2, requires_grad=True)
    places = torch.tensor([[3, 1], [1, 1]])
    torch.nn.functional.embedding(places, table, sparse=True).sum().backward()
    assert table.grad.is_sparse
    assert table.grad.to_dense().tolist() == [[0, 0], [3, 3], [0, 0], [1, 1]]
    torch.nn.functional.embedding(places, table).sum().backward()
    assert not table.grad.is_sparse
    assert table.grad.tolist() == [[0, 0], [6, 6], [0, 0], [2, 2]]


def test_sparse_adam_moves_looked_up_rows_only():
    table = torch.nn.Embedding(4, 2, sparse=True)
    before = table.weight.detach().clone()
    optimizer = torch.optim.SparseAdam(table.parameters(), lr=0.1)
    table(torch.tensor([1, 3])).sum().backward()
    optimizer.step()
    moved = (table.weight.detach() != before).any(1)
    assert moved.tolist() == [False, True, False, True]


@pytest.mark.parametrize(
    "call",
    [
        lambda s: s.exp(),
        lambda s: s.mean(),
        lambda s: s == s,
        lambda s: s.view(6),
        lambda s: s[0:1],
        lambda s: torch.equal(s, s),
        lambda s: torch.ones_like(s),
        lambda s: torch.nn.functional.linear(torch.ones(1, 3), s.exp()),
    ],
)
def test_what_is_not_there_says_so(call):
    with pytest.raises(NotImplementedError, match=r"sparse tensors|strided tensor"):
        call(coo())


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((INDICES, VALUES[:2], (2, 3)), "indices and values must have same nnz"),
        ((INDICES, VALUES, (2, 2)), "for dim 1, size is 2 but found index 2"),
        (([[0, -1]], [1.0, 2.0], (2,)), "found negative index -1 for dim 0"),
        ((INDICES, VALUES, (2,)), "'len.size. == sparse_dim [+] dense_dim' is not satisfied"),
    ],
)
def test_coo_checks(arguments, words):
    with pytest.raises(RuntimeError, match=words):
        torch.sparse_coo_tensor(*arguments, check_invariants=True)


@pytest.mark.parametrize(
    ("starts", "columns", "words"),
    [
        ([0, 2, 3], [0, 1, 0, 1], r"`crow_indices\[..., -1\] == nnz` is not satisfied"),
        ([1, 2, 4], [0, 1, 0, 1], r"`crow_indices\[..., 0\] == 0` is not satisfied"),
        ([0, 2, 4], [0, 1, 0, 5], "`0 <= col_indices < ncols` is not satisfied"),
        ([0, 2, 4], [1, 0, 0, 1], "are sorted and distinct"),
        ([0, 4], [0, 1, 0, 1], "must be equal to the number of rows [+] 1"),
    ],
)
def test_csr_checks(starts, columns, words):
    with sparse.check_sparse_tensor_invariants(), pytest.raises(RuntimeError, match=words):
        torch.sparse_csr_tensor(starts, columns, [1.0, 2.0, 3.0, 4.0], (2, 2))


def test_dense_tensors_have_no_parts():
    x = torch.ones(2)
    assert (x.sparse_dim(), x.dense_dim(), x.to_dense() is x) == (0, 1, True)
    for name in ("indices", "coalesce", "is_coalesced", "crow_indices", "values"):
        with pytest.raises(RuntimeError, match="but got Strided"):
            getattr(x, name)()
    with pytest.raises(TypeError, match="can't convert Sparse layout tensor to numpy"):
        coo().numpy()


@pytest.mark.parametrize(
    "make",
    [
        lambda p: torch.optim.SGD(p, lr=0.1),
        lambda p: torch.optim.SGD(p, lr=0.1, momentum=0.9),
        lambda p: torch.optim.Adagrad(p, lr=0.1),
    ],
)
def test_optimizers_that_take_sparse_gradients(make):
    def trained(is_sparse):
        torch.manual_seed(0)
        table = torch.nn.Embedding(4, 2, sparse=is_sparse)
        optimizer = make(table.parameters())
        for _ in range(3):
            optimizer.zero_grad()
            (table(torch.tensor([1, 3, 1])) ** 2).sum().backward()
            optimizer.step()
        return table.weight.detach()

    assert torch.allclose(trained(True), trained(False))


def test_optimizers_that_do_not():
    table = torch.nn.Embedding(4, 2, sparse=True)
    for make, words in (
        (lambda p: torch.optim.Adam(p), "consider SparseAdam instead"),
        (lambda p: torch.optim.RMSprop(p), "RMSprop does not support sparse gradients"),
        (lambda p: torch.optim.Adagrad(p, weight_decay=0.1), "weight_decay option"),
    ):
        optimizer = make(table.parameters())
        optimizer.zero_grad()
        table(torch.tensor([1])).sum().backward()
        with pytest.raises(RuntimeError, match=words):
            optimizer.step()


@pytest.mark.parametrize("layout", LAYOUTS)
def test_second_gradients_of_products(layout):
    s, d = leaf(layout), dense().requires_grad_()

    def curvature(x, y):
        out = ((x @ y) ** 3).sum()
        g, h = torch.autograd.grad(out, (x, y), create_graph=True)
        return torch.autograd.grad((g * 2).to_dense().sum() + (h**2).sum(), (x, y))

    ours = curvature(s, other(3, 2).requires_grad_())
    mask = dense() != 0
    y = other(3, 2).requires_grad_()
    g, h = torch.autograd.grad(((d @ y) ** 3).sum(), (d, y), create_graph=True)
    theirs = torch.autograd.grad((g * 2 * mask).sum() + (h**2).sum(), (d, y))
    assert torch.allclose(ours[0].to_dense(), theirs[0] * mask)
    assert torch.allclose(ours[1], theirs[1])


def test_products_of_many_and_of_no_values():
    torch.manual_seed(0)
    d = (torch.rand(300, 200) < 0.5) * torch.randn(300, 200)
    y = torch.randn(200, 3)
    s = d.to_sparse()
    assert torch.allclose(s @ y, d @ y, atol=1e-4)
    assert torch.allclose(s.to_sparse_csc() @ y, d @ y, atol=1e-4)
    none = torch.sparse_coo_tensor((4, 200))
    assert torch.equal(none @ y, torch.zeros(4, 3))
    with pytest.raises(RuntimeError, match="expected m1 and m2 to have the same dtype"):
        s @ y.double()


def test_gradients_of_a_sampled_product():
    c = leaf(torch.sparse_csr)
    x, y = other(2, 2).requires_grad_(), other(2, 3).requires_grad_()
    out = sparse.sampled_addmm(c, x, y, beta=0.5, alpha=2.0).to_dense()
    weight = other(2, 3) + 1
    got = torch.autograd.grad((out * weight).sum(), (c, x, y))
    d, mask = dense().requires_grad_(), dense() != 0
    expected = torch.autograd.grad(((0.5 * d + 2 * x @ y) * mask * weight).sum(), (d, x, y))
    for g, e in zip(got, expected, strict=True):
        assert torch.allclose(g.to_dense(), e)


@pytest.mark.parametrize("mode", ["sum", "mean"])
def test_gradients_of_bags(mode):
    def gradient(is_sparse):
        table = torch.nn.EmbeddingBag(5, 2, mode=mode, sparse=is_sparse, padding_idx=3)
        bags = table(torch.tensor([[0, 1, 1], [3, 2, 0]]))
        (bags * torch.tensor([[1.0], [2.0]])).sum().backward()
        return table.weight.grad

    assert gradient(True).is_sparse
    assert torch.allclose(gradient(True).to_dense(), gradient(False))
    with pytest.raises(ValueError, match="max mode does not support sparse weights"):
        torch.nn.EmbeddingBag(5, 2, mode="max", sparse=True)(torch.tensor([[0]]))
