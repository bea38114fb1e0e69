"""Losses: values, gradients of two orders, warnings and errors are PyTorch's."""

import importlib.util
from pathlib import Path

import pytest

import rushlight
import rushlight.nn.functional as F

spec = importlib.util.spec_from_file_location(
    "same_as_torch", Path(__file__).parent / "same_as_torch.py"
)
same = importlib.util.module_from_spec(spec)
spec.loader.exec_module(same)

randn, torch = same.randn, same.torch
probs = torch.rand(4, 5, dtype=torch.float64, requires_grad=True)
target = torch.rand(4, 5, dtype=torch.float64)
signs = randn(4, 5, grad=False).sign()
classes = torch.tensor([0, 4, 2, 2])

CASES = [
    ("mse_loss", (randn(4, 5), randn(4, 5)), {}),
    ("l1_loss", (randn(4, 5), randn(4, 5)), {}),
    ("smooth_l1_loss", (randn(4, 5), randn(4, 5)), {"beta": 0.5}),
    ("huber_loss", (randn(4, 5), randn(4, 5)), {"delta": 0.7}),
    ("binary_cross_entropy", (probs, target), {}),
    ("binary_cross_entropy", (probs, target), {"weight": target}),
    ("binary_cross_entropy_with_logits", (randn(4, 5), target), {}),
    ("binary_cross_entropy_with_logits", (randn(4, 5), target), {"pos_weight": target[0] * 3}),
    ("poisson_nll_loss", (randn(4, 5), target * 5), {"full": True}),
    ("gaussian_nll_loss", (randn(4, 5), target, probs), {}),
    ("kl_div", (randn(4, 5), target), {}),
    ("kl_div", (randn(4, 5), target), {"log_target": True}),
    ("nll_loss", (randn(4, 5), classes), {}),
    ("nll_loss", (randn(4, 5), classes), {"weight": target[0], "ignore_index": 2}),
    ("nll_loss", (randn(2, 5, 2, 2), classes.expand(2, 4).reshape(2, 2, 2)), {}),
    ("cross_entropy", (randn(4, 5), classes), {}),
    ("cross_entropy", (randn(4, 5), classes), {"weight": target[0], "ignore_index": 2}),
    ("cross_entropy", (randn(4, 5), classes), {"label_smoothing": 0.2, "ignore_index": 0}),
    ("cross_entropy", (randn(4, 5), classes), {"label_smoothing": 0.2, "weight": target[0]}),
    ("cross_entropy", (randn(4, 5), target), {"weight": target[0]}),
    ("cross_entropy", (randn(2, 5, 4), classes.expand(2, 4)), {}),
    ("soft_margin_loss", (randn(4, 5), signs), {}),
    ("hinge_embedding_loss", (randn(4, 5), signs), {}),
    ("margin_ranking_loss", (randn(4, 5), randn(4, 5), signs), {"margin": 0.1}),
    ("cosine_embedding_loss", (randn(4, 5), randn(4, 5), signs[:, 0]), {"margin": 0.1}),
    ("triplet_margin_loss", (randn(4, 5), randn(4, 5), randn(4, 5)), {"swap": True}),
    ("multilabel_soft_margin_loss", (randn(4, 5), target), {}),
]


@pytest.mark.filterwarnings("ignore:reduction")
@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
@pytest.mark.parametrize(("name", "args", "kwargs"), CASES)
def test_values_and_two_orders_of_gradient(name, args, kwargs, reduction):
    same.check(name, *args, reduction=reduction, **kwargs)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_losses_with_one_order_in_torch(reduction):
    same.check("multi_margin_loss", randn(4, 5), classes, p=2, order=1, reduction=reduction)
    labels = torch.tensor([[1, 0, -1, 2, 2]] * 4)
    same.check("multilabel_margin_loss", randn(4, 5), labels, order=1, reduction=reduction)


@pytest.mark.parametrize("reduction", ["none", "mean", "sum"])
def test_ctc(reduction):
    logs = randn(6, 3, 5).log_softmax(2).detach().requires_grad_()
    labels = torch.tensor([[1, 1, 2], [3, 2, 0], [4, 4, 4]])
    lengths = (6, 5, 6), (3, 2, 0)
    same.check("ctc_loss", logs, labels, *lengths, order=1, reduction=reduction)
    same.check(
        "ctc_loss",
        logs,
        labels,
        (2, 5, 6),
        (3, 2, 1),
        order=1,
        reduction=reduction,
        zero_infinity=True,
    )


def test_distances():
    x, y = randn(4, 3), randn(4, 3)
    same.check("pairwise_distance", x, y, p=3.0)
    same.check("cosine_similarity", x, y)
    for p in (0.5, 1.0, 2.0, 3.0, float("inf")):
        same.check("pdist", x, p, order=1)
        same.check((rushlight.cdist, torch.cdist), x, y, p, order=1)


def test_broadcast_target_warns():
    x, y = rushlight.zeros(3, 4), rushlight.zeros(4)
    with pytest.warns(UserWarning, match=r"Using a target size \(torch.Size\(\[4\]\)\) that is"):
        assert F.mse_loss(x, y) == 0


def test_legacy_arguments_warn():
    x = rushlight.ones(3)
    with pytest.warns(UserWarning, match="please use reduction='sum' instead"):
        assert F.mse_loss(x, x * 2, size_average=False) == 3


ones = torch.ones


@pytest.mark.parametrize(
    ("name", "args", "kwargs"),
    [
        ("mse_loss", (ones(3), ones(3)), {"reduction": "foo"}),
        ("nll_loss", (ones(3, 4), torch.tensor([0, 1, 4])), {}),
        ("nll_loss", (ones(3, 4), torch.tensor([0, 1])), {}),
        ("nll_loss", (ones(3, 4), ones(3)), {}),
        ("nll_loss", (ones(3, 4), classes[:3]), {"weight": ones(3)}),
        ("cross_entropy", (ones(3, 4), torch.tensor([0, 1, -1])), {}),
        ("cross_entropy", (ones(3, 4), classes[:3].int()), {}),
        ("cross_entropy", (ones(3, 4), torch.tensor([0, 1, 1])), {"label_smoothing": 2.0}),
        ("binary_cross_entropy", (ones(3) * 2, ones(3)), {}),
        ("binary_cross_entropy", (ones(3), ones(4)), {}),
        ("binary_cross_entropy_with_logits", (ones(3), ones(4)), {}),
        ("huber_loss", (ones(3), ones(3)), {"delta": 0.0}),
        ("gaussian_nll_loss", (ones(3), ones(3), -ones(3)), {}),
        ("multi_margin_loss", (ones(3, 4), classes[:3]), {"p": 3}),
        ("cosine_embedding_loss", (ones(3, 4), ones(3, 4), ones(3, 4)), {}),
        ("triplet_margin_loss", (ones(3, 4), ones(3, 4), ones(4)), {}),
        ("ctc_loss", (ones(6, 2, 5), torch.ones(2, 3).long(), (7, 5), (3, 2)), {}),
    ],
)
def test_errors(name, args, kwargs):
    same.check_error(name, *args, **kwargs)


def test_names_in_the_graph():
    x = rushlight.rand(2, 3, requires_grad=True)
    assert F.mse_loss(x, x.detach()).grad_fn.name() == "MseLossBackward0"
    assert F.cross_entropy(x, rushlight.tensor([0, 1])).grad_fn.name() == "NllLossBackward0"
    assert F.nll_loss(x, rushlight.tensor([0, 1])).grad_fn.name() == "NllLossBackward0"
    y = F.binary_cross_entropy(x, x.detach())
    assert y.grad_fn.name() == "BinaryCrossEntropyBackward0"


def test_cross_entropy_through_its_second_output_in_a_graph():
    x = rushlight.rand(3, 4, dtype=rushlight.float64, requires_grad=True)
    t = rushlight.tensor([0, 3, 1])
    assert rushlight.autograd.gradcheck(lambda x: F.cross_entropy(x, t), (x,))
    assert rushlight.autograd.gradgradcheck(lambda x: F.cross_entropy(x, t), (x,))
