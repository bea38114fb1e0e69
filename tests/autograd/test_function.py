"""torch.autograd.Function as users write it."""

import pytest

import rushlight as torch
from rushlight.autograd import Function, gradcheck, gradgradcheck
from rushlight.autograd.function import once_differentiable


class Cube(Function):
    @staticmethod
    def forward(ctx, x):
        ctx.save_for_backward(x)
        return x**3

    @staticmethod
    def backward(ctx, g):
        (x,) = ctx.saved_tensors
        return g * 3 * x * x


class Scaled(Function):
    """With a non-tensor argument, setup_context and two outputs."""

    @staticmethod
    def forward(x, k):
        return x * k, x + k

    @staticmethod
    def setup_context(ctx, inputs, output):
        ctx.k = inputs[1]

    @staticmethod
    def backward(ctx, g1, g2):
        return g1 * ctx.k + g2, None


def doubles(*values):
    return torch.tensor(values or [0.5, -1.5], dtype=torch.float64, requires_grad=True)


def test_gradients_of_both_orders():
    assert gradcheck(Cube.apply, doubles())
    assert gradgradcheck(Cube.apply, doubles())
    assert gradcheck(lambda x: Scaled.apply(x, 3.0), doubles())


def test_names_and_context():
    x = doubles()
    y = Cube.apply(x)
    assert y.grad_fn.name() == "CubeBackward"
    assert not Cube.apply(x.detach()).requires_grad


def test_missing_gradients_are_zeros_unless_told():
    seen = []

    class Two(Function):
        @staticmethod
        def forward(ctx, x, keep):
            ctx.set_materialize_grads(keep)
            return x * 1, x * 2

        @staticmethod
        def backward(ctx, a, b):
            seen.append(b)
            return a, None

    x = doubles()
    Two.apply(x, True)[0].sum().backward()
    Two.apply(x, False)[0].sum().backward()
    assert seen[0].tolist() == [0.0, 0.0]
    assert seen[1] is None


def test_saved_outputs_do_not_keep_the_graph_alive():
    class Exp(Function):
        @staticmethod
        def forward(ctx, x):
            y = x.exp()
            ctx.save_for_backward(y)
            return y

        @staticmethod
        def backward(ctx, g):
            (y,) = ctx.saved_tensors
            return g * y

    assert gradcheck(Exp.apply, doubles())
    assert gradgradcheck(Exp.apply, doubles())


def test_mark_dirty_writes_in_place():
    class AddOne(Function):
        @staticmethod
        def forward(ctx, x):
            x.add_(1)
            ctx.mark_dirty(x)
            return x

        @staticmethod
        def backward(ctx, g):
            return g * 2

    x = doubles()
    y = x * 1
    z = AddOne.apply(y)
    assert z is y
    z.sum().backward()
    assert x.grad.tolist() == [2.0, 2.0]
    with pytest.raises(RuntimeError, match="a leaf Variable"):
        AddOne.apply(doubles())


def test_mark_non_differentiable():
    class Sorted(Function):
        @staticmethod
        def forward(ctx, x):
            v, i = x.sort()
            ctx.mark_non_differentiable(i)
            ctx.save_for_backward(i)
            return v, i

        @staticmethod
        def backward(ctx, g, _):
            (i,) = ctx.saved_tensors
            return torch.zeros(2, dtype=g.dtype).scatter(0, i, g)

    v, i = Sorted.apply(doubles())
    assert v.requires_grad and not i.requires_grad


def test_once_differentiable_refuses_a_second_time():
    class Once(Function):
        @staticmethod
        def forward(ctx, x):
            ctx.save_for_backward(x)
            return x * x

        @staticmethod
        @once_differentiable
        def backward(ctx, g):
            (x,) = ctx.saved_tensors
            return 2 * x * g

    x = doubles()
    (g,) = torch.autograd.grad((Once.apply(x) ** 2).sum(), x, create_graph=True)
    with pytest.raises(RuntimeError, match="marked with @once_differentiable"):
        g.sum().backward()


def test_wrong_numbers_of_gradients():
    class Wrong(Function):
        @staticmethod
        def forward(ctx, x, y):
            return x + y

        @staticmethod
        def backward(ctx, g):
            return g

    with pytest.raises(RuntimeError, match=r"incorrect number of gradients \(expected 2, got 1\)"):
        Wrong.apply(doubles(), doubles()).sum().backward()


def test_instances_are_refused():
    with pytest.raises(RuntimeError, match="should not be instantiated"):
        Cube()


def test_saved_tensor_modified_afterwards():
    x = doubles()
    y = x * 1
    z = Cube.apply(y)
    y.add_(1)
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        z.sum().backward()
