"""Sparse matrices of blocks: the layouts BSR and BSC."""

import io

import pytest

import rushlight as torch


def dense():
    x = torch.arange(24.0).reshape(4, 6)
    x[:2, 2:4] = 0
    return x


@pytest.mark.parametrize("size", [(2, 2), (2, 3), (4, 1), (1, 6), 2])
@pytest.mark.parametrize("name", ["to_sparse_bsr", "to_sparse_bsc"])
def test_there_and_back(name, size):
    s = getattr(dense(), name)(size)
    assert str(s.layout) == name.replace("to_", "torch.")
    assert torch.equal(s.to_dense(), dense())
    assert torch.equal(s.to_sparse().to_dense(), dense())
    assert torch.equal(s.t().to_dense(), dense().t())


def test_parts_of_rows():
    s = dense().to_sparse_bsr((2, 2))
    assert s.crow_indices().tolist() == [0, 2, 5]
    assert s.col_indices().tolist() == [0, 2, 0, 1, 2]
    assert s.values()[1].tolist() == [[4.0, 5.0], [10.0, 11.0]]
    assert (s._nnz(), s.sparse_dim(), s.dense_dim()) == (5, 2, 0)


def test_parts_of_columns():
    s = dense().to_sparse_bsc((2, 2))
    assert s.ccol_indices().tolist() == [0, 2, 3, 5]
    assert s.row_indices().tolist() == [0, 1, 1, 0, 1]
    assert s.values()[2].tolist() == [[14.0, 15.0], [20.0, 21.0]]


def test_repr():
    s = torch.sparse_bsr_tensor([0, 1, 2], [0, 1], [[[1, 2]], [[5, 6]]])
    assert repr(s) == (
        "tensor(crow_indices=tensor([0, 1, 2]),\n"
        "       col_indices=tensor([0, 1]),\n"
        "       values=tensor([[[1, 2]],\n\n"
        "                      [[5, 6]]]), size=(2, 4), nnz=2, layout=torch.sparse_bsr)"
    )


def test_products():
    x, y = dense(), torch.ones(6, 2)
    s = x.to_sparse_bsr((2, 2))
    assert torch.equal(s @ y, x @ y)
    assert torch.equal(s @ y[:, 0], x @ y[:, 0])
    assert torch.equal(y[:4].t() @ x.to_sparse_bsc((2, 3)), y[:4].t() @ x)
    assert torch.equal(torch.addmm(torch.ones(4, 2), s, y), x @ y + 1)


def test_between_layouts():
    s = dense().to_sparse_bsr((2, 2))
    assert torch.equal(s.to_sparse_bsc((2, 2)).to_dense(), dense())
    assert torch.equal(dense().to_sparse_csr().to_sparse_bsr((2, 2)).values(), s.values())
    assert torch.equal((s + s).to_dense(), dense() * 2)
    assert torch.equal((s * 2).values(), s.values() * 2)


def test_gradients():
    x = dense().requires_grad_()
    y = torch.ones(6, 2, requires_grad=True)
    (x.to_sparse_bsr((2, 2)) @ y).sum().backward()
    expected = torch.full((4, 6), 2.0)  # the zero within a block has a gradient too
    expected[:2, 2:4] = 0
    assert torch.equal(x.grad, expected)
    assert torch.equal(y.grad, dense().sum(0).unsqueeze(1).expand(6, 2))


def test_empty():
    s = torch.zeros(4, 6).to_sparse_bsc((2, 3))
    assert s._nnz() == 0 and s.ccol_indices().tolist() == [0, 0, 0]
    assert torch.equal(s.to_dense(), torch.zeros(4, 6))


def test_files():
    kept = io.BytesIO()
    torch.save(dense().to_sparse_bsc((2, 3)), kept)
    kept.seek(0)
    loaded = torch.load(kept)
    assert loaded.layout is torch.sparse_bsc
    assert torch.equal(loaded.to_dense(), dense())


REFUSED = {
    "blocksize changed from [2, 2] to [1, 1]": lambda x, s: s.to_sparse_bsr((1, 1)),
    "must be divisible by given blocksize (3,2)": lambda x, s: x.to_sparse_bsr((3, 2)),
    "blocksize needs to be positive, but got [0, 2]": lambda x, s: x.to_sparse_bsr((0, 2)),
    "blocksize needs to be a tuple of size 2, but got 1": lambda x, s: x.to_sparse_bsr((2,)),
    "from Strided to SparseBsr without blocksize": lambda x, s: x.to_sparse(
        layout=torch.sparse_bsr
    ),
    "expected SparseCsr or SparseCsc layout but got SparseBsr": lambda x, s: s.to_sparse_csr(),
    "ccol_indices expected sparse column compressed": lambda x, s: s.ccol_indices(),
    "not implemented for Strided + Strided @ SparseBsr": lambda x, s: x.t() @ s,
    "layout must be SparseBsr but got SparseCsr": lambda x, s: torch.sparse_bsr_tensor(
        [0, 1], [0], [[[1.0]]], layout=torch.sparse_csr
    ),
    "number of row blocks + 1 (=3), but got 2": lambda x, s: torch.sparse_bsr_tensor(
        [0, 1], [0], torch.ones(1, 2, 2), (4, 4), check_invariants=True
    ),
    "(=5) must be divisible with blocksize[1] (=2)": lambda x, s: torch.sparse_bsr_tensor(
        [0, 1], [0], torch.ones(1, 2, 2), (2, 5), check_invariants=True
    ),
}


@pytest.mark.parametrize("words", REFUSED)
def test_refusals(words):
    x = dense()
    with pytest.raises(RuntimeError) as raised:
        REFUSED[words](x, x.to_sparse_bsr((2, 2)))
    assert words in str(raised.value)
