"""What inference_mode marks and refuses; the facts are PyTorch 2.13's."""

import pytest

import rushlight as torch


@pytest.fixture
def made():
    """A tensor made in inference mode, a view of a normal tensor made there, and that tensor."""
    normal = torch.ones(3)
    with torch.inference_mode():
        return torch.ones(3), normal[:2], normal


def test_what_is_marked(made):
    inside, view, normal = made
    assert inside.is_inference()
    assert inside[:1].is_inference()
    assert inside.detach().is_inference()
    assert not view.is_inference()
    assert not normal.is_inference()
    assert not inside.clone().is_inference()
    assert not (inside + 1).is_inference()
    with torch.inference_mode():
        assert (normal * 2).is_inference()
        assert torch.exp(normal).is_inference()
        assert torch.cat([normal, normal]).is_inference()
        assert torch.sort(normal)[0].is_inference()
        assert torch.nn.Parameter(torch.ones(1)).is_inference()
        assert not normal.view(3).is_inference()
        with torch.inference_mode(False):
            assert not (normal * 2).is_inference()
    assert not (normal * 2).is_inference()


def test_no_version_counter(made):
    inside, _, normal = made
    with pytest.raises(RuntimeError, match="do not track version counter"):
        _ = inside._version
    with torch.inference_mode():
        normal.add_(1)
        inside.add_(1)
    assert normal._version == 1


@pytest.mark.parametrize(
    "write",
    [
        lambda t: t.add_(1),
        lambda t: t.mul_(t),
        lambda t: t.copy_(torch.ones(3)),
        lambda t: t.__setitem__(0, 3.0),
        lambda t: t.view(3).zero_(),
        lambda t: t.uniform_(),
        lambda t: torch.add(torch.ones(3), 1, out=t),
        lambda t: t.clamp_(0, 1),
    ],
)
def test_writes_outside_are_refused_and_change_nothing(made, write):
    inside = made[0]
    with pytest.raises(RuntimeError, match="Inplace update to inference tensor outside"):
        write(inside)
    assert inside.tolist() == [1.0, 1.0, 1.0]
    with torch.inference_mode():
        write(inside)


def test_saving_for_backward_is_refused(made):
    inside = made[0]
    w = torch.ones(3, requires_grad=True)
    (w + inside).sum().backward()  # an addition saves nothing
    assert w.grad.tolist() == [1.0, 1.0, 1.0]
    for use in (lambda: w * inside, lambda: torch.dot(w, inside), lambda: w.double() * inside):
        with pytest.raises(RuntimeError, match=r"cannot be saved for backward|version counter"):
            use().sum().backward()
    (w * inside.clone()).sum().backward()


def test_requires_grad_outside_is_refused(made):
    inside = made[0]
    with pytest.raises(RuntimeError, match="Setting requires_grad=True on inference tensor"):
        inside.requires_grad_()
    with torch.inference_mode():
        assert inside.requires_grad_().requires_grad


def test_other_threads_are_not_concerned():
    import threading

    seen = []
    with torch.inference_mode():
        thread = threading.Thread(target=lambda: seen.append((torch.ones(2) * 2).is_inference()))
        thread.start()
        thread.join()
    assert seen == [False]
