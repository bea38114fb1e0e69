"""Facts about torch.nn, recorded from torch 2.13, that hold without PyTorch at hand."""

import copy
import gc
import pickle
import weakref

import pytest

import rushlight as torch
from rushlight import nn

# The default initialisation with manual_seed(0), bit for bit: weights first, then biases.
INITIAL = {
    "Linear(3, 2)": "-0x1.1b47dp-8 0x1.3d2626p-2 -0x1.e696fcp-2 -0x1.b31792p-2 -0x1.c76962p-3 "
    "0x1.3d12a6p-3 -0x1.76d68p-7 0x1.d4c2f4p-2",
    "Conv2d(1, 2, 2)": "-0x1.eaa8p-9 0x1.12a8bcp-2 -0x1.a5662cp-2 -0x1.78cdp-2 -0x1.8a65e8p-3 "
    "0x1.1297d8p-3 -0x1.449e8p-7 0x1.95f59cp-2 -0x1.6b7eep-5 0x1.0ef698p-3",
    "Embedding(2, 3)": "0x1.8a7eb8p+0 -0x1.2c78ap-2 -0x1.16e292p+1 0x1.23096cp-1 -0x1.15a342p+0 "
    "-0x1.660a5ap+0",
    "GRU(1, 2)": "-0x1.5af244p-8 0x1.846d38p-2 -0x1.29f962p-1 -0x1.0a703ap-1 -0x1.16e1acp-2 "
    "0x1.845556p-3",
}

PRINTED = """Net(
  (a): Linear(in_features=2, out_features=3, bias=True)
  (b): Sequential(
    (0): Conv2d(1, 2, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))
    (1): ModuleList(
      (0-1): 2 x ReLU()
      (2): Dropout(p=0.5, inplace=False)
    )
  )
)"""


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.a = nn.Linear(2, 3)
        lists = nn.ModuleList([nn.ReLU(), nn.ReLU(), nn.Dropout()])
        self.b = nn.Sequential(nn.Conv2d(1, 2, 3, padding=1), lists)
        self.register_buffer("seen", torch.zeros(1))


@pytest.mark.parametrize("constructor", INITIAL)
def test_initial_weights_are_pytorchs(constructor):
    torch.manual_seed(0)
    module = eval(f"nn.{constructor}")
    drawn = torch.cat([p.detach().flatten() for p in module.parameters()]).tolist()
    recorded = [float.fromhex(h) for h in INITIAL[constructor].split()]
    assert drawn[: len(recorded)] == recorded


def test_printed_module():
    assert repr(Net()) == PRINTED


def test_state_dict_order():
    names = ["seen", "a.weight", "a.bias", "b.0.weight", "b.0.bias"]
    assert list(Net().state_dict()) == names


def test_parameters_are_ordinary_attributes():
    """The mirror that makes ``self.weight`` fast follows every way to change a registry."""
    m = nn.Linear(2, 2)
    p, q = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))
    for change, expected in (
        (lambda: m._parameters.__setitem__("w", p), p),
        (lambda: m._parameters.update(w=q), q),
        (lambda: m._parameters.pop("w"), None),
        (lambda: m._parameters.setdefault("w", p), p),
        (lambda: setattr(m, "_parameters", {"w": q}), q),
        (lambda: m._parameters.popitem(), None),
        (lambda: m._parameters.__ior__({"w": p}), p),
        (lambda: m._parameters.clear(), None),
    ):
        change()
        assert getattr(m, "w", None) is expected
        assert m._parameters.get("w") is expected
        assert ("w" in m.__dict__) == (expected is not None)
    assert not hasattr(m, "weight")


def test_the_mirror_is_not_saved():
    state = nn.Linear(1, 1).__getstate__()
    assert "weight" not in state
    assert type(state["_parameters"]) is dict
    again = pickle.loads(pickle.dumps(nn.Linear(1, 1)))
    assert again.weight is again._parameters["weight"]


def test_a_module_is_no_reference_cycle():
    gc.disable()
    try:
        module = Net()
        gone = weakref.ref(module)
        del module
        assert gone() is None
    finally:
        gc.enable()


def test_deepcopy_keeps_ties_and_independence():
    m = nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2))
    m[1].weight = m[0].weight
    c = copy.deepcopy(m)
    assert c[0].weight is c[1].weight
    with torch.no_grad():
        c[0].weight.zero_()
    assert bool((m[0].weight != 0).any())


def test_call_without_hooks_goes_straight_to_forward(monkeypatch):
    m = nn.Identity()
    monkeypatch.setattr(
        nn.Module, "_call_with_hooks", lambda *a: pytest.fail("hooks were looked for")
    )
    assert m(3) == 3


def test_lazy_state_dict_gives_shapes():
    with pytest.warns(UserWarning, match="Lazy modules"):
        lazy = nn.LazyLinear(3)
    lazy.load_state_dict(nn.Linear(5, 3).state_dict())
    assert tuple(lazy.weight.shape) == (3, 5)


def test_fractions_of_gradients_clip_to_the_norm():
    w = nn.Parameter(torch.zeros(4))
    w.grad = torch.tensor([3.0, 0.0, 4.0, 0.0])
    assert float(nn.utils.clip_grad_norm_([w], 1.0)) == 5.0
    assert float(w.grad.norm()) == pytest.approx(1.0, rel=1e-6)


def test_what_is_not_there_says_so():
    with pytest.raises(NotImplementedError, match="compile"):
        nn.Linear(1, 1).compile()
