"""In-place operators and ``out=`` on a device: computed where they are wanted, nothing twice."""

import pytest

import rushlight as torch
from rushlight._core import dispatch, gpu, inplace
from rushlight._kernels.cuda import compiler, pointwise


@pytest.fixture
def straight(monkeypatch, compiled):
    """Fail where a result is made beside its target, or copied there."""

    def refuse(*args):
        if args[0] is not args[1]:
            pytest.fail("a result was made and copied")

    def arm():
        monkeypatch.setattr(gpu, "write", refuse)
        monkeypatch.setattr(pointwise, "empty", refuse)
        monkeypatch.setattr(compiler, "empty", refuse)
        monkeypatch.setattr(dispatch, "finish_many", refuse)

    return arm


def pairs(dtype=torch.float32):
    torch.manual_seed(0)
    a, b, c = (torch.randn(6, 5).to(dtype) for _ in range(3))
    return a, b, c


IN_PLACE = {
    "add_": lambda a, b, c: a.add_(b),
    "add_ a number": lambda a, b, c: a.add_(1.5),
    "add_ alpha": lambda a, b, c: a.add_(b, alpha=0.5),
    "sub_ alpha": lambda a, b, c: a.sub_(b, alpha=0.5),
    "add_ a row": lambda a, b, c: a.add_(b[0]),
    "sub_": lambda a, b, c: a.sub_(b),
    "mul_": lambda a, b, c: a.mul_(b),
    "mul_ itself": lambda a, b, c: a.mul_(a),
    "mul_ a number": lambda a, b, c: a.mul_(0.5),
    "div_": lambda a, b, c: a.div_(b),
    "exp_": lambda a, b, c: a.exp_(),
    "sqrt_": lambda a, b, c: a.abs_().sqrt_(),
    "neg_": lambda a, b, c: a.neg_(),
    "relu_": lambda a, b, c: a.relu_(),
    "sigmoid_": lambda a, b, c: a.sigmoid_(),
    "tanh_": lambda a, b, c: a.tanh_(),
    "clamp_": lambda a, b, c: a.clamp_(-0.5, 0.5),
    "clamp_ from below": lambda a, b, c: a.clamp_(min=0.25),
    "clamp_min_": lambda a, b, c: a.clamp_min_(0.25),
    "clamp_max_": lambda a, b, c: a.clamp_max_(0.25),
    "addcmul_": lambda a, b, c: a.addcmul_(b, c, value=0.5),
    "addcdiv_": lambda a, b, c: a.addcdiv_(b, c, value=0.5),
    "lerp_": lambda a, b, c: a.lerp_(b, c),
    "copy_": lambda a, b, c: a.copy_(b),
    "copy_ of another dtype": lambda a, b, c: a.copy_(b.to(torch.float64)),
    "copy_ a row": lambda a, b, c: a.copy_(b[0]),
    "fill_": lambda a, b, c: a.fill_(2),
    "zero_": lambda a, b, c: a.zero_(),
    "masked_fill_": lambda a, b, c: a.masked_fill_(b > 0, -1.0),
    "masked_fill_ of rows": lambda a, b, c: a.masked_fill_(b[:1] > 0, -1.0),
    "of a transposed": lambda a, b, c: a.t().add_(b.t()),
    "of a part": lambda a, b, c: a[2:4].mul_(b[2:4]),
    "under relu": lambda a, b, c: torch.nn.functional.relu(a, inplace=True),
}  # fmt: skip


@pytest.mark.parametrize("name", IN_PLACE)
@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16, torch.float64])
def test_in_place(straight, name, dtype):
    function = IN_PLACE[name]
    expected = pairs(dtype)
    given = [t.cuda() for t in expected]
    function(*expected)
    array, written = given[0]._data, given[0]._version
    straight()
    function(*given)
    assert given[0]._data is array
    assert given[0]._version > written
    tolerance = 2e-2 if dtype is torch.bfloat16 else 1e-6
    for a, b in zip(given, expected, strict=True):
        torch.testing.assert_close(a.cpu(), b, rtol=tolerance, atol=tolerance)


OUT = {
    "add": lambda a, b, out: torch.add(a, b, out=out),
    "mul a number": lambda a, b, out: torch.mul(a, 2.0, out=out),
    "exp": lambda a, b, out: torch.exp(a, out=out),
    "atan2": lambda a, b, out: torch.atan2(a, b, out=out),
    "itself": lambda a, b, out: torch.sub(out, b, out=out),
}


@pytest.mark.parametrize("name", OUT)
def test_out(straight, name):
    a, b, c = pairs()
    there = [t.cuda() for t in (a, b, c)]
    OUT[name](a, b, c)
    straight()
    assert OUT[name](*there) is there[2]
    torch.testing.assert_close(there[2].cpu(), c)


def test_parts_that_overlap_are_not_written_before_they_are_read():
    x = torch.arange(20.0)
    y = x.cuda()
    for t in (x, y):
        t[1:].add_(t[:-1].clone())
    assert torch.equal(y.cpu(), x)
    y = x.cuda()
    y[1:].add_(y[:-1])
    expected = torch.cat([x[:1], x[1:] + x[:-1]])
    assert torch.equal(y.cpu(), expected)
    square = torch.arange(16.0).reshape(4, 4)
    there = square.cuda()
    there.add_(there.t())
    assert torch.equal(there.cpu(), square + square.t())
    there = square.cuda()
    torch.mul(there[:2], there[1:3], out=there[1:3])
    assert torch.equal(there[1:3].cpu(), square[:2] * square[1:3])


def test_whole_numbers():
    x = torch.arange(5).cuda()
    array = x._data
    x.add_(2).mul_(x).bitwise_and_(7)
    assert x._data is array
    assert x.tolist() == [4, 1, 0, 1, 4]
    with pytest.raises(RuntimeError, match="result type Float can't be cast to the desired output"):
        x.div_(2)
    with pytest.raises(RuntimeError, match="result type Float can't be cast"):
        torch.add(x, 0.5, out=x)
    assert torch.arange(3.0).cuda().gt_(1).tolist() == [0.0, 0.0, 1.0]
    assert torch.arange(3).cuda().fill_(2.7).tolist() == [2, 2, 2]


def test_history_stays():
    grads = {}
    for device in ("cpu", "cuda"):
        x = torch.linspace(-1, 1, 6, device=device, requires_grad=True)
        y = x * 2
        y.mul_(x).clamp_(max=1.5).add_(x, alpha=0.5)
        y[:3].mul_(x[3:])
        y.exp_()
        y.sum().backward()
        grads[device] = x.grad.cpu()
    torch.testing.assert_close(grads["cuda"], grads["cpu"])


def test_out_that_needs_a_gradient_is_refused_unwritten():
    x, out = torch.ones(3, device="cuda"), torch.zeros(3, device="cuda", requires_grad=True)
    with pytest.raises(RuntimeError, match="don't support automatic differentiation"):
        torch.exp(x, out=out)
    assert out.tolist() == [0.0, 0.0, 0.0]
    expanded = torch.zeros(1, device="cuda").expand(3)
    with pytest.raises(RuntimeError, match="more than one element"):
        torch.exp(x, out=expanded)
    out = torch.zeros(3, device="cuda", dtype=torch.int64)
    with pytest.raises(RuntimeError, match="can't be cast"):
        torch.exp(x, out=out)
    assert inplace.written_there("clamp", out, (), {}) is False
