"""Batches, channels and sizes of 0: the shapes, gradients and errors are PyTorch's."""

import pytest

import rushlight

torch = pytest.importorskip("torch")


def called(name, *shapes, **kw):
    """A case: a function of nn.functional with tensors of these shapes."""
    return pytest.param(name, shapes, kw, id=f"{name} {shapes} {kw}")


def convolutions():
    for n in (1, 2, 3):
        size, k = (5,) * n, (3,) * n
        yield called(f"conv{n}d", (0, 2, *size), (3, 2, *k), (3,))
        yield called(f"conv{n}d", (2, 0, *size), (3, 0, *k), (3,))
        yield called(f"conv{n}d", (2, 0, *size), (4, 0, *k), stride=2, padding=1, groups=2)
        yield called(f"conv{n}d", (0, *size), (3, 0, *k))
        yield called(f"conv{n}d", (0, 0, *size), (3, 0, *k))
        yield called(f"conv{n}d", (2, 2, *size), (0, 2, *k))
        yield called(f"conv_transpose{n}d", (0, 2, *size), (2, 3, *k), (3,))
        yield called(f"conv_transpose{n}d", (2, 0, *size), (0, 3, *k))
        yield called(f"conv_transpose{n}d", (2, 2, *size), (2, 0, *k))


def planes():
    for x in ((0, 3, 4, 4), (2, 0, 4, 4), (2, 3, 0, 4), (0, 4, 4)):
        for name in ("max_pool2d", "avg_pool2d"):
            yield called(name, x, kernel_size=2)
        yield called("adaptive_max_pool2d", x, output_size=2)
        yield called("unfold", x, kernel_size=2, padding=1)
        for mode in ("reflect", "replicate", "circular"):
            yield called("pad", x, pad=(1, 1, 1, 1), mode=mode)
    for x in ((0, 3, 4, 4), (2, 0, 4, 4), (2, 3, 0, 4)):
        for mode in ("nearest", "bilinear", "bicubic", "nearest-exact"):
            yield called("interpolate", x, size=3, mode=mode)
        yield called("channel_shuffle", x, groups=3)
    for x in ((0, 12, 4), (2, 0, 4), (2, 12, 0), (12, 0)):
        yield called("fold", x, output_size=(3, 3), kernel_size=2)


def lines_and_blocks():
    for x in ((0, 3, 4), (2, 0, 4), (2, 3, 0), (0, 4)):
        for name in ("max_pool1d", "avg_pool1d"):
            yield called(name, x, kernel_size=2)
        yield called("adaptive_max_pool1d", x, output_size=2)
        for mode in ("reflect", "replicate"):
            yield called("pad", x, pad=(1, 1), mode=mode)
    yield called("interpolate", (2, 3, 4), size=0)
    yield called("interpolate", (2, 3, 0), size=3, mode="linear")
    for x in ((0, 3, 4, 4, 4), (2, 0, 4, 4, 4), (2, 3, 0, 4, 4), (0, 4, 4, 4)):
        for name in ("max_pool3d", "avg_pool3d"):
            yield called(name, x, kernel_size=2)


def grids():
    for x, grid in (
        ((0, 3, 4, 4), (0, 2, 2, 2)), ((2, 0, 4, 4), (2, 3, 3, 2)), ((2, 3, 4, 4), (2, 0, 3, 2)),
        ((2, 3, 0, 4), (2, 3, 3, 2)), ((0, 3, 4, 4, 4), (0, 2, 2, 2, 3)),
        ((2, 0, 4, 4, 4), (2, 2, 2, 2, 3)), ((2, 3, 4, 4, 4), (2, 0, 2, 2, 3)),
    ):  # fmt: skip
        for mode in ("bilinear", "nearest", "bicubic"):
            yield called("grid_sample", x, grid, mode=mode, align_corners=False)


CASES = [*convolutions(), *planes(), *lines_and_blocks(), *grids()]


def outcome(module, name, shapes, kw):
    """The result's shape and the gradients, or the error."""
    given = [module.ones(shape, requires_grad=True) for shape in shapes]
    try:
        result = getattr(module.nn.functional, name)(*given, **kw)
        shape = tuple(result.shape)
        result.sum().backward()
    except (RuntimeError, ValueError) as error:
        return type(error).__name__, str(error)
    return shape, [(tuple(t.shape), t.grad.tolist()) for t in given]


@pytest.mark.parametrize(("name", "shapes", "kw"), CASES)
@pytest.mark.filterwarnings("ignore")
def test_zero_sizes(name, shapes, kw):
    assert outcome(rushlight, name, shapes, kw) == outcome(torch, name, shapes, kw)


@pytest.mark.parametrize("shape", [(0, 3, 4), (2, 3, 0), (0, 3)])
def test_batch_norm_of_nothing_has_gradients(shape):
    found = []
    for module in (torch, rushlight):
        layer = module.nn.BatchNorm1d(3)
        layer(module.zeros(shape)).sum().backward()
        found.append([layer.weight.grad.tolist(), layer.bias.grad.tolist()])
    assert found[0] == found[1]
