"""A state saved by PyTorch is loaded here, and the other way round, and training goes on."""

import pytest

import rushlight
from rushlight import optim

torch = pytest.importorskip("torch")

NAMES = ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adadelta", "Adamax", "ASGD", "NAdam", "RAdam",  # noqa: E501
         "Rprop", "Adafactor", "Muon", "LBFGS", "SparseAdam"]  # fmt: skip


def carried(value, source, target):
    """The same nest of dicts and lists, with the other library's tensors."""
    if isinstance(value, dict):
        return {key: carried(v, source, target) for key, v in value.items()}
    if isinstance(value, (list, tuple)):
        return type(value)(carried(v, source, target) for v in value)
    return (
        target.from_numpy(value.detach().numpy().copy())
        if isinstance(value, source.Tensor)
        else value
    )


def made(api, library, name, values):
    p = api.tensor(values, requires_grad=True)
    kwargs = {"momentum": 0.9} if name in ("SGD", "RMSprop") else {}
    return p, getattr(library, name)([p], lr=0.05, **kwargs)


def flat(p):
    return p.flatten().tolist()


def go(p, optimizer, steps=3):
    name = type(optimizer).__name__

    def closure():
        optimizer.zero_grad()
        loss = (p**4).sum()
        loss.backward()
        if name == "SparseAdam":
            p.grad = p.grad.to_sparse()
        return loss

    for _ in range(steps):
        if name == "LBFGS":
            optimizer.step(closure)
        else:
            closure()
            optimizer.step()


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("here_first", [True, False])
def test_training_goes_on(name, here_first):
    libraries = [(rushlight, optim), (torch, torch.optim)]
    first, second = libraries if here_first else libraries[::-1]
    p, before = made(*first, name, [[1.0, -2.0], [0.5, 3.0]])
    go(p, before)
    q, after = made(*second, name, p.tolist())
    after.load_state_dict(carried(before.state_dict(), first[0], second[0]))
    go(p, before)
    go(q, after)
    exact = 1e-2 if name == "Muon" else 1e-5  # it computes in bfloat16
    assert flat(q) == pytest.approx(flat(p), rel=exact)
