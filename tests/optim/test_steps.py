"""Every optimizer steps as PyTorch's does, on every kind of tensor, and keeps the same state."""

import numpy as np
import pytest

import rushlight
from rushlight import optim

torch = pytest.importorskip("torch")

SETTINGS = {
    "SGD": [{}, {"momentum": 0.9, "dampening": 0.2, "weight_decay": 0.1}, {"maximize": True},
            {"momentum": 0.9, "nesterov": True}],
    "Adam": [{}, {"amsgrad": True, "weight_decay": 0.1}, {"maximize": True, "betas": (0.3, 0.4)}],
    "AdamW": [{}, {"weight_decay": 0.2, "amsgrad": True}],
    "RMSprop": [{}, {"centered": True, "momentum": 0.5, "weight_decay": 0.1}],
    "Adagrad": [{}, {"lr_decay": 0.1, "initial_accumulator_value": 0.5, "weight_decay": 0.1}],
    "Adadelta": [{}, {"rho": 0.5, "weight_decay": 0.1, "maximize": True}],
    "Adamax": [{}, {"weight_decay": 0.1}],
    "ASGD": [{}, {"t0": 2, "lambd": 0.1, "weight_decay": 0.1}],
    "NAdam": [{}, {"weight_decay": 0.1, "decoupled_weight_decay": True}],
    "RAdam": [{}, {"weight_decay": 0.1}, {"betas": (0.9, 0.8), "decoupled_weight_decay": True,
                                            "weight_decay": 0.1}],
    "Rprop": [{}, {"maximize": True, "etas": (0.4, 1.5)}],
    "Adafactor": [{}, {"weight_decay": 0.1, "maximize": True, "d": 1.5}],
}  # fmt: skip
CASES = [(name, kwargs) for name, settings in SETTINGS.items() for kwargs in settings]

rng = np.random.default_rng(0)


def draw(shape, dtype):
    x = rng.standard_normal(shape)
    if dtype.startswith("complex"):
        x = x + 1j * rng.standard_normal(shape)
    return np.asarray(x).astype(dtype if dtype != "bfloat16" else "float32")


def arrays(layout, dtype):
    """A parameter and five gradients for it."""
    shapes = {"vector": (7,), "matrix": (4, 3), "scalar": (), "empty": (0, 3), "large": (250, 150),
              "wide": (2, 40000)}  # fmt: skip
    return [draw(shapes.get(layout, (5, 6)), dtype) for _ in range(6)]


def laid_out(api, x, layout, dtype):
    t = api.from_numpy(x.copy())
    t = t.to(getattr(api, dtype))
    if layout == "transposed":
        t = t.t().contiguous().t()
    if layout == "strided":
        wide = api.zeros(x.shape[0], 2 * x.shape[1], dtype=t.dtype)
        wide[:, ::2] = t
        t = wide[:, ::2]
    return t


def train(api, make, xs, layout, dtype, gradients_layout):
    p = laid_out(api, xs[0], layout, dtype).requires_grad_()
    optimizer = make([p])
    for x in xs[1:]:
        p.grad = laid_out(api, x, gradients_layout, dtype)
        optimizer.step()
    return p, optimizer.state_dict()


def check(ours, theirs, dtype):
    if isinstance(theirs, dict):
        assert list(ours) == list(theirs)
        for key in theirs:
            check(ours[key], theirs[key], dtype)
    elif isinstance(theirs, torch.Tensor):
        assert str(ours.dtype).split(".")[1] == str(theirs.dtype).split(".")[1]
        assert tuple(ours.shape) == tuple(theirs.shape)
        low, high = {"float64": (1e-12, 1e-12), "bfloat16": (3e-2, 3e-2)}.get(dtype, (2e-6, 2e-5))
        expected = theirs.detach().to(torch.complex128).numpy()
        got = ours.detach().to(rushlight.complex128).numpy()
        np.testing.assert_allclose(got, expected, atol=low, rtol=high)
    elif isinstance(theirs, list):
        assert len(ours) == len(theirs)
        for o, t in zip(ours, theirs, strict=True):
            check(o, t, dtype)
    else:
        assert ours == theirs


def compare(name, kwargs, layout="matrix", dtype="float32", gradients_layout=None):
    xs = arrays(layout, dtype)
    gradients_layout = gradients_layout or layout

    def make(library):
        return lambda ps: getattr(library, name)(ps, **kwargs)

    theirs = train(torch, make(torch.optim), xs, layout, dtype, gradients_layout)
    ours = train(rushlight, make(optim), xs, layout, dtype, gradients_layout)
    check(list(ours), list(theirs), dtype)


@pytest.mark.parametrize(("name", "kwargs"), CASES, ids=str)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_steps(name, kwargs, dtype):
    compare(name, kwargs, dtype=dtype)


@pytest.mark.parametrize(
    "layout", ["vector", "scalar", "empty", "transposed", "strided", "large", "wide"]
)
@pytest.mark.parametrize("name", [n for n in SETTINGS if n != "Adafactor"])
def test_layouts(name, layout):
    compare(name, SETTINGS[name][-1], layout)


@pytest.mark.parametrize("layout", ["vector", "transposed", "large"])
def test_layouts_of_adafactor(layout):
    compare("Adafactor", {}, layout)


@pytest.mark.parametrize("name", ["SGD", "Adam", "Rprop"])
def test_gradient_laid_out_unlike_the_parameter(name):
    compare(name, SETTINGS[name][-1], "large", gradients_layout="transposed")
    compare(name, SETTINGS[name][-1], "large", gradients_layout="strided")


@pytest.mark.parametrize("name", [n for n in SETTINGS if n != "Adafactor"])
def test_complex(name):
    compare(name, SETTINGS[name][-1], dtype="complex64")


@pytest.mark.parametrize(
    "name", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad", "Adamax", "Adafactor"]
)
@pytest.mark.parametrize("layout", ["matrix", "large"])
def test_half(name, layout):
    compare(name, SETTINGS[name][0] | {"lr": 0.01}, layout, dtype="bfloat16")


def test_fused_and_foreach_take_the_same_steps():
    for option in ({"fused": True}, {"foreach": True}):
        compare("Adam", option)
        compare("SGD", option | {"momentum": 0.9})
        compare("Adagrad", option)


@pytest.mark.parametrize("name", ["SGD", "Adam", "NAdam", "LBFGS"])
def test_learning_rate_in_a_tensor(name):
    def run(api, library):
        p = api.ones(3, requires_grad=True)
        optimizer = getattr(library, name)([p], lr=api.tensor(0.25))

        def closure():
            optimizer.zero_grad()
            loss = (p * p).sum()
            loss.backward()
            return loss

        for _ in range(3):
            optimizer.step(closure)
        return p.tolist()

    assert run(rushlight, optim) == pytest.approx(run(torch, torch.optim), abs=1e-6)


@pytest.mark.parametrize("kwargs", [{}, {"adjust_lr_fn": "match_rms_adamw", "nesterov": False}])
@pytest.mark.parametrize("shape", [(6, 3), (3, 6)])
def test_muon(kwargs, shape):
    xs = [draw(shape, "float32") for _ in range(4)]
    theirs = train(
        torch, lambda ps: torch.optim.Muon(ps, **kwargs), xs, "matrix", "float32", "matrix"
    )
    ours = train(rushlight, lambda ps: optim.Muon(ps, **kwargs), xs, "matrix", "float32", "matrix")
    np.testing.assert_allclose(ours[0].tolist(), theirs[0].tolist(), atol=1e-3)
    assert list(ours[1]["state"][0]) == list(theirs[1]["state"][0])


@pytest.mark.parametrize("name", [*SETTINGS, "LBFGS", "Muon"])
def test_printed_form_and_defaults(name):
    p, q = torch.zeros(2, 2, requires_grad=True), rushlight.zeros(2, 2, requires_grad=True)
    theirs, ours = getattr(torch.optim, name)([p]), getattr(optim, name)([q])
    assert repr(ours) == repr(theirs)
    assert list(ours.defaults) == list(theirs.defaults)
    assert ours.state_dict()["param_groups"] == theirs.state_dict()["param_groups"]


BAD = [
    ("SGD", {"lr": -1.0}), ("SGD", {"momentum": -1.0}), ("SGD", {"weight_decay": -1.0}),
    ("SGD", {"nesterov": True}), ("SGD", {"fused": True, "foreach": True}),
    ("Adam", {"lr": -1.0}), ("Adam", {"eps": -1.0}), ("Adam", {"betas": (1.0, 0.9)}),
    ("Adam", {"betas": (0.9, -0.1)}), ("Adam", {"betas": (0.9, 0)}), ("Adam", {"weight_decay": -1.0}),  # noqa: E501
    ("Adam", {"fused": True, "differentiable": True}),
    ("RMSprop", {"alpha": -1.0}), ("RMSprop", {"momentum": -1.0}), ("Adagrad", {"lr_decay": -1.0}),
    ("Adagrad", {"initial_accumulator_value": -1.0}), ("Adadelta", {"rho": 2.0}),
    ("Rprop", {"etas": (1.0, 0.5)}), ("NAdam", {"momentum_decay": -0.2}), ("ASGD", {"weight_decay": -0.5}),  # noqa: E501
    ("Adafactor", {"lr": -1.0}), ("Adafactor", {"beta2_decay": 0.8}), ("Adafactor", {"eps": (-1e-30, 1e-3)}),  # noqa: E501
    ("Adafactor", {"eps": (None, -1.0)}), ("Adafactor", {"d": 0.0}), ("Adafactor", {"weight_decay": -0.5}),  # noqa: E501
    ("Muon", {"adjust_lr_fn": "arbitrary"}), ("Muon", {"momentum": -1.0}), ("LBFGS", {"lr": -1.0}),
    ("SparseAdam", {"lr": 0.0}), ("SparseAdam", {"eps": -1.0}),
]  # fmt: skip


@pytest.mark.parametrize(("name", "kwargs"), BAD, ids=str)
def test_bad_settings(name, kwargs):
    p, q = torch.zeros(2, 2, requires_grad=True), rushlight.zeros(2, 2, requires_grad=True)
    with pytest.raises((ValueError, RuntimeError)) as theirs:
        getattr(torch.optim, name)([p], **kwargs)
    with pytest.raises(type(theirs.value)) as ours:
        getattr(optim, name)([q], **kwargs)
    assert str(ours.value) == str(theirs.value)


@pytest.mark.parametrize("dtype", ["float32", "complex64", "float16"])
def test_kernels_take_arrays_of_other_kinds(dtype):
    """Those of a GPU library go through NumPy's functions whole, without NumPy's scratch memory."""
    from rushlight._ops.optimizer import adam_step, rmsprop_step, sgd_step

    class Other(np.ndarray):
        pass

    def run(kind):
        p, m, v = (np.full((3, 2), x, dtype).view(kind) for x in (1, 0, 0))
        g = np.arange(6, dtype="f4").reshape(3, 2).astype(dtype).view(kind)
        step = np.zeros((), "f4")
        sgd_step.__wrapped__([p], [g], None, lr=0.1)
        sgd_step.__wrapped__([p], [g], [m], lr=0.1, momentum=0.9, nesterov=True)
        settings = {"lr": 0.1, "eps": 1e-3, "weight_decay": 0.1}
        adam_step.__wrapped__([p], [g], [m], [v], None, [step], betas=(0.9, 0.9), **settings)
        rmsprop_step.__wrapped__([p], [g], [v], [m], None, [step], alpha=0.9, **settings)
        return np.asarray([p, m, v])

    np.testing.assert_allclose(run(Other), run(np.ndarray), rtol=1e-6)
