"""Levels open and close; tensors of closed ones; forward_ad; Functions inside transforms."""

import pytest

import rushlight as torch
from rushlight._core.state import S, thread
from rushlight.autograd import forward_ad
from rushlight.func import debug_unwrap, grad, hessian, jacrev, jvp, vmap

X = torch.arange(6.0).view(2, 3) + 1


@pytest.fixture(autouse=True)
def nothing_stays_open():
    yield
    assert thread.levels == ()
    assert S.special == 0


def test_an_error_inside_closes_the_levels():
    def fails(a):
        raise KeyError("mine")

    for call in (vmap(fails), grad(fails), lambda x: jvp(fails, (x,), (x,))):
        with pytest.raises(KeyError, match="mine"):
            call(X)


def test_a_tensor_that_escaped_is_refused():
    kept = []
    vmap(lambda a: kept.append(a) or a)(X)
    with pytest.raises(RuntimeError, match="may have escaped"):
        kept[0] + 1


def test_outside_plain_tensors_take_the_thin_entries():
    vmap(torch.sin)(X)
    jvp(torch.sin, (X,), (X,))
    assert type((X * 2)._data).__name__ == "ndarray"


def test_what_is_printed():
    seen = []
    vmap(lambda a: seen.append(repr(a)) or a)(X)
    assert seen == [
        "BatchedTensor(lvl=1, bdim=0, value=\n"
        "    tensor([[1., 2., 3.],\n"
        "            [4., 5., 6.]])\n"
        ")"
    ]


def test_debug_unwrap():
    shapes = []
    vmap(vmap(lambda a: shapes.append(debug_unwrap(a).shape) or a))(X)
    assert shapes == [(2, 3)]


def test_no_grad_outside_gives_results_without_history():
    w = torch.ones(3, requires_grad=True)
    assert grad(lambda a: (a * w).sum())(X[0]).requires_grad
    with torch.no_grad():
        assert not grad(lambda a: (a * w).sum())(X[0]).requires_grad


def test_detach_inside():
    assert torch.equal(grad(lambda a: vmap(lambda r: r.detach() * r)(a).sum())(X), X)
    assert jvp(lambda a: a.detach() * a, (X,), (X,))[1].equal(X * X)


def test_dual_tensors():
    with forward_ad.dual_level():
        d = forward_ad.make_dual(X, torch.ones(2, 3))
        assert forward_ad.unpack_dual(X) == (X, None)
        assert torch.equal(forward_ad.unpack_dual(d * d).tangent, 2 * X)
        o = torch.zeros(2, 3)
        o[0].copy_(d[1])
        assert forward_ad.unpack_dual(o).tangent.tolist() == [[1, 1, 1], [0, 0, 0]]
        with pytest.raises(RuntimeError, match="Nested forward mode AD"):
            forward_ad.enter_dual_level()
    assert repr(d) == repr(X)
    assert forward_ad.unpack_dual(d).tangent is None
    with pytest.raises(RuntimeError, match="no level exists"):
        forward_ad.make_dual(X, X)


def test_reverse_over_forward_and_forward_over_reverse():
    w = torch.tensor(3.0, requires_grad=True)
    with forward_ad.dual_level():
        y = forward_ad.make_dual(w, torch.tensor(1.0)) ** 3
        (g,) = torch.autograd.grad(y, w, create_graph=True)
        assert forward_ad.unpack_dual(g).tangent == 18  # d/dw (3 w^2)
        assert torch.autograd.grad(forward_ad.unpack_dual(y).tangent, w)[0] == 18


def test_tangents_inside_vmap_keep_the_history_outside():
    torch.manual_seed(0)
    x = torch.rand(2, 3, dtype=torch.float64, requires_grad=True)
    w = torch.rand(3, 3, dtype=torch.float64, requires_grad=True)

    def tangents(x, w):
        return vmap(lambda a: jvp(lambda q: (q * q) @ w, (a,), (torch.ones_like(a),))[1])(x)

    assert torch.autograd.gradcheck(tangents, (x, w))


def test_a_write_through_a_view_reaches_the_tangent():
    with forward_ad.dual_level():
        d = forward_ad.make_dual(torch.zeros(2, 3), torch.zeros(2, 3))
        d.t()[0].copy_(forward_ad.make_dual(torch.ones(2), torch.full((2,), 5.0)))
        assert forward_ad.unpack_dual(d).tangent.tolist() == [[5, 0, 0], [5, 0, 0]]


def test_tangents_of_what_takes_complex_numbers_to_real_ones():
    z, v = torch.tensor([3 + 4j]), torch.tensor([1 + 0j])
    torch.testing.assert_close(jvp(torch.abs, (z,), (v,))[1], torch.tensor([0.6]))
    torch.testing.assert_close(jvp(torch.angle, (z,), (v,))[1], torch.tensor([-0.16]))


class Cube(torch.autograd.Function):
    generate_vmap_rule = True

    @staticmethod
    def forward(x):
        return x**3

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.save_for_backward(*inputs)
        ctx.save_for_forward(*inputs)

    @staticmethod
    def backward(ctx, g):
        return 3 * ctx.saved_tensors[0] ** 2 * g

    @staticmethod
    def jvp(ctx, t):
        return 3 * ctx.saved_tensors[0] ** 2 * t


def test_a_function_in_every_transform():
    expected = 3 * X**2
    assert grad(lambda a: Cube.apply(a).sum())(X).equal(expected)
    assert vmap(Cube.apply)(X).equal(X**3)
    assert vmap(grad(lambda a: Cube.apply(a).sum()))(X).equal(expected)
    assert grad(lambda a: vmap(Cube.apply)(a).sum())(X).equal(expected)
    assert jvp(Cube.apply, (X,), (torch.ones(2, 3),))[1].equal(expected)
    assert vmap(lambda a: jvp(Cube.apply, (a,), (a,))[1])(X).equal(expected * X)
    assert jacrev(Cube.apply)(X[0]).equal(expected[0].diag())
    assert hessian(lambda a: Cube.apply(a).sum())(X[0]).equal((6 * X[0]).diag())


def test_a_function_with_a_vmap_of_its_own():
    seen = []

    class Own(Cube):
        generate_vmap_rule = False

        @staticmethod
        def vmap(info, in_dims, x):
            seen.append((info.batch_size, info.randomness, in_dims, tuple(x.shape)))
            return Cube.apply(x), 0

    assert vmap(Own.apply)(X).equal(X**3)
    assert seen == [(2, "error", (0,), (2, 3))]
    assert vmap(grad(lambda a: Own.apply(a).sum()))(X).equal(3 * X**2)


def test_gradcheck_of_forward_mode_and_vmap():
    x = torch.rand(3, dtype=torch.float64, requires_grad=True)
    every = {"check_forward_ad": True, "check_batched_grad": True}
    assert torch.autograd.gradcheck(torch.sin, x, check_batched_forward_grad=True, **every)
    assert torch.autograd.gradgradcheck(torch.sin, x, check_fwd_over_rev=True)

    class Wrong(Cube):
        @staticmethod
        def jvp(ctx, t):
            return t

    with pytest.raises(RuntimeError, match="forward mode"):
        torch.autograd.gradcheck(Wrong.apply, x, check_forward_ad=True)


def test_functional_call_leaves_the_module_as_it_was():
    layer = torch.nn.Linear(2, 1)
    before = layer.weight
    given = {"weight": torch.ones(1, 2), "bias": torch.zeros(1)}
    assert torch.func.functional_call(layer, given, torch.tensor([1.0, 2.0])) == 3
    assert layer.weight is before
