"""Sparse tensors on a device: made, moved, computed with and differentiated as on the CPU."""

import io

import pytest

import rushlight as torch


def matrix(device, layout=torch.sparse_coo):
    x = torch.tensor([[0.0, 2.0, 0.0, 1.0], [0.0, 0.0, 0.0, 0.0], [3.0, 0.0, -1.0, 0.0]])
    x = torch.cat([x, x.flip(1)[:1] * 2])
    if layout in (torch.sparse_bsr, torch.sparse_bsc):
        return x.to(device).to_sparse(layout=layout, blocksize=(2, 2))
    return x.to(device).to_sparse(layout=layout)


def twice(device):
    """Not coalesced: a place that is named twice."""
    at = torch.tensor([[0, 2, 0], [1, 0, 1]], device=device)
    return torch.sparse_coo_tensor(at, torch.tensor([1.0, 2.0, 3.0], device=device), (4, 4))


LAYOUTS = [
    *(torch.sparse_coo, torch.sparse_csr, torch.sparse_csc),
    *(torch.sparse_bsr, torch.sparse_bsc),
]
COMPRESSED = {torch.sparse_csr: "crow_indices", torch.sparse_csc: "ccol_indices"}


def same(found, expected):
    assert found.layout is expected.layout
    assert found.device.type == "cuda"
    if found.layout is not torch.strided:
        assert found.is_cuda
        assert found.get_device() == 0
        assert found._nnz() == expected._nnz()
        found, expected = found.to_dense(), expected.to_dense()
        assert found.is_cuda
    torch.testing.assert_close(found.cpu(), expected)


def dense(device):
    return (torch.arange(16.0).reshape(4, 4) - 7).to(device)


OPERATIONS = {
    "to_dense": lambda d: matrix(d).to_dense(),
    "coalesce": lambda d: twice(d).coalesce(),
    "dense of an uncoalesced": lambda d: twice(d).to_dense(),
    "add": lambda d: matrix(d) + twice(d),
    "add to dense": lambda d: dense(d) + matrix(d),
    "sub": lambda d: matrix(d) - twice(d),
    "mul": lambda d: matrix(d) * 3,
    "mul both": lambda d: matrix(d) * twice(d),
    "mul dense": lambda d: matrix(d) * dense(d),
    "div": lambda d: matrix(d) / 2,
    "neg": lambda d: -matrix(d),
    "abs": lambda d: matrix(d).abs(),
    "pow": lambda d: matrix(d) ** 2,
    "sum": lambda d: torch.sparse.sum(matrix(d), 0),
    "sum of all": lambda d: matrix(d).sum(),
    "mm": lambda d: torch.sparse.mm(matrix(d), dense(d)),
    "mm of an uncoalesced": lambda d: twice(d) @ dense(d),
    "dense by sparse": lambda d: dense(d) @ matrix(d),
    "mm in double": lambda d: matrix(d).double() @ dense(d).double(),
    "mm in half": lambda d: matrix(d).half() @ dense(d).half(),
    "mm of whole numbers": lambda d: matrix(d).long() @ dense(d).long(),
    "sparse by sparse": lambda d: torch.sparse.mm(matrix(d), matrix(d)),
    "mv": lambda d: matrix(d) @ dense(d)[0],
    "addmm": lambda d: torch.sparse.addmm(dense(d), matrix(d), dense(d), beta=0.5, alpha=2),
    "csr by dense": lambda d: matrix(d, torch.sparse_csr) @ dense(d),
    "csr mean": lambda d: torch.sparse.mm(matrix(d, torch.sparse_csr), dense(d), "mean"),
    "csr amax": lambda d: torch.sparse.mm(matrix(d, torch.sparse_csr), dense(d), "amax"),
    "sampled": lambda d: torch.sparse.sampled_addmm(
        matrix(d, torch.sparse_csr), dense(d), dense(d)
    ),
    "transpose": lambda d: matrix(d).t(),
    "softmax": lambda d: torch.sparse.softmax(matrix(d), 1),
    "log_softmax": lambda d: torch.sparse.log_softmax(matrix(d), 0),
    "sparse_mask": lambda d: dense(d).sparse_mask(matrix(d)),
    "index_select": lambda d: matrix(d).index_select(0, torch.tensor([2, 0], device=d)),
    "cat": lambda d: torch.cat([matrix(d), twice(d)]),
    "to_csr": lambda d: matrix(d).to_sparse_csr(),
    "to_csc": lambda d: matrix(d).to_sparse_csc(),
    "to_bsr": lambda d: matrix(d).to_sparse_bsr((2, 2)),
    "csr to coo": lambda d: matrix(d, torch.sparse_csr).to_sparse(),
    "with dense dimensions": lambda d: dense(d).to_sparse(1),
    "clone": lambda d: matrix(d).clone(),
    "to float64": lambda d: matrix(d).to(torch.float64),
}


@pytest.mark.parametrize("name", OPERATIONS)
def test_operations(name):
    same(OPERATIONS[name]("cuda"), OPERATIONS[name]("cpu"))


@pytest.mark.parametrize("layout", LAYOUTS)
def test_layouts(layout):
    here, there = matrix("cpu", layout), matrix("cuda", layout)
    same(there, here)
    same(here.cuda(), here)
    back = there.cpu()
    assert back.device.type == "cpu"
    assert back.layout is layout
    assert torch.equal(back.to_dense(), here.to_dense())
    file = io.BytesIO()
    torch.save(there, file)
    file.seek(0)
    same(torch.load(file), here)
    file.seek(0)
    assert not torch.load(file, map_location="cpu").is_cuda
    if layout is not torch.sparse_bsc:  # PyTorch has no product for it
        torch.testing.assert_close((there @ dense("cuda")).cpu(), here @ dense("cpu"))


def test_made_on_a_device():
    x = torch.sparse_coo_tensor([[0, 1], [1, 0]], [3.0, 4.0], (2, 2), device="cuda")
    assert x.device == torch.device("cuda:0")
    assert x.indices if x.is_coalesced() else x._indices().is_cuda
    assert repr(x) == (
        "tensor(indices=tensor([[0, 1],\n                       [1, 0]]),\n"
        "       values=tensor([3., 4.]),\n"
        "       device='cuda:0', size=(2, 2), nnz=2, layout=torch.sparse_coo)"
    )
    y = torch.sparse_csr_tensor([0, 1, 2], [1, 0], torch.tensor([3.0, 4.0], device="cuda"), (2, 2))
    assert y.crow_indices().is_cuda
    assert torch.equal(x.to_dense(), y.to_dense())
    assert torch.sparse_coo_tensor((2, 3), device="cuda").to_dense().tolist() == [[0.0] * 3] * 2
    with pytest.raises(NotImplementedError, match="'SparseCUDA' backend"):
        torch.erf(torch.nn.functional.gelu(x))
    with pytest.raises(RuntimeError, match="Expected all tensors to be on the same device"):
        torch.sparse.mm(x, torch.ones(2, 2))


def test_gradients():
    found = []
    for device in ("cpu", "cuda"):
        values = torch.tensor([1.0, -2.0, 3.0], device=device, requires_grad=True)
        other = dense(device).requires_grad_()
        at = torch.tensor([[0, 2, 0], [1, 0, 3]], device=device)
        x = torch.sparse_coo_tensor(at, values, (4, 4))
        loss = (torch.sparse.mm(x, other) ** 2).sum() + (x * 2).to_dense().sum()
        (loss + torch.sparse.sum(x)).backward()
        leaf = matrix(device).requires_grad_()
        (leaf @ dense(device)).sum().backward()
        table = torch.nn.Embedding(5, 3, sparse=True)
        table.weight.data.fill_(0.5)
        table = table.to(device)
        table(torch.tensor([1, 3, 1], device=device)).sum().backward()
        torch.optim.SGD(table.parameters(), lr=0.1).step()
        found.append([values.grad, other.grad, leaf.grad, table.weight.grad, table.weight.detach()])
    for a, b in zip(found[1], found[0], strict=True):
        same(a, b)


def test_gradients_pass_between_devices():
    x = matrix("cpu").requires_grad_()
    (x.cuda() @ dense("cuda")).sum().backward()
    assert x.grad.device.type == "cpu"
    y = matrix("cpu").requires_grad_()
    (y @ dense("cpu")).sum().backward()
    assert torch.equal(x.grad.to_dense(), y.grad.to_dense())
