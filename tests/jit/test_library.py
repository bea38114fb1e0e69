"""torch.library: operators made of functions, with gradients; torch.ops finds them."""

import pytest

import rushlight as torch


def test_an_operator_is_its_function():
    @torch.library.custom_op("tests_library::scaled", mutates_args=())
    def scaled(x: torch.Tensor, by: float = 2.0) -> torch.Tensor:
        return x * by

    x = torch.tensor([1.0, 2.0])
    assert scaled(x).tolist() == [2, 4] and scaled(x, by=3.0).tolist() == [3, 6]
    assert torch.ops.tests_library.scaled(x, 0.5).tolist() == [0.5, 1]
    assert repr(scaled) == "<CustomOpDef(tests_library::scaled)>"


def test_gradients_are_those_registered():
    op = torch.library.custom_op("tests_library::square", lambda x: x * x, mutates_args=())
    x = torch.tensor(3.0, requires_grad=True)
    with pytest.raises(RuntimeError, match="no autograd formula was registered"):
        op(x).backward()

    def keep(ctx, inputs, output):
        ctx.save_for_backward(inputs[0])

    torch.library.register_autograd(
        "tests_library::square", lambda ctx, g: g * 2 * ctx.saved_tensors[0], setup_context=keep
    )
    op(x).backward()
    assert x.grad.item() == 6
    with torch.no_grad():
        assert not op(x).requires_grad


def test_kernels_by_device():
    op = torch.library.custom_op("tests_library::where", lambda x: x, mutates_args=())
    op.register_kernel("cpu")(lambda x: x + 1)
    op.register_kernel("cuda")(lambda x: x - 1)
    assert op(torch.tensor(1)).item() == 2


def test_what_is_not_there_says_so():
    with pytest.raises(AttributeError, match=r"torch.ops has no namespace 'aten'"):
        _ = torch.ops.aten
    with pytest.raises(NotImplementedError, match="only operators made by"):
        torch.library.register_fake("aten::add", lambda x: x)
    with pytest.raises(ValueError, match="namespace::name"):
        torch.library.custom_op("plain", lambda x: x, mutates_args=())
