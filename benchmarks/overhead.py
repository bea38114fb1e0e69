"""Small calls and training steps: what a call costs beside its arithmetic."""

import itertools

SMALL = {
    "a + b": "a + b",
    "a + b, with gradient": "g + b",
    "a + 1.0": "a + 1.0",
    "a * 2, with gradient": "g * 2.0",
    "a @ b.t()": "a @ b.t()",
    "linear, with gradient": "F.linear(a, w, bias)",
    "a.view(4, 10)": "a.view(4, 10)",
    "a.transpose(0, 1)": "a.transpose(0, 1)",
    "a[1:3]": "a[1:3]",
    "a[3]": "a[3]",
    "a[3, 2]": "a[3, 2]",
    "a[index]": "a[index]",
    "a[:, 1]": "a[:, 1]",
    "a[mask]": "a[mask]",
    "c[mask] = 0": "c.__setitem__(mask, 0)",
    "c[1:3] = 0": "c.__setitem__(slice(1, 3), 0.0)",
    "c[index] = 0": "c.__setitem__(index, 0.0)",
    "c.masked_fill_": "c.masked_fill_(mask, 0.0)",
    "c.neg_": "c.neg_()",
    "c.normal_": "c.normal_()",
    "masked_fill": "a.masked_fill(mask, 0.0)",
    "where": "T.where(mask, a, 0.0)",
    "lerp": "T.lerp(a, b, 0.5)",
    "roll": "a.roll(1, 0)",
    "tril": "a.tril()",
    "squeeze": "a.squeeze(0)",
    "chunk": "a.chunk(2)",
    "full": "T.full((3,), 2.0)",
    "linspace": "T.linspace(0, 1, 5)",
    "arange": "T.arange(10)",
    "s.item()": "s.item()",
    "tensor(list)": "T.tensor([[1.0, 2.0], [3.0, 4.0]])",
    "zeros(10, 4)": "T.zeros(10, 4)",
    "softmax": "T.softmax(a, -1)",
    "relu": "a.relu()",
    "sum": "a.sum()",
    "mean(1, keepdim)": "a.mean(1, keepdim=True)",
    "cat": "T.cat([a, b])",
    "layer_norm": "F.layer_norm(a, (4,))",
    "conv2d": "F.conv2d(x, k)",
    "max_pool2d": "F.max_pool2d(x, 2)",
    "avg_pool2d": "F.avg_pool2d(x, 2)",
    "interpolate": "F.interpolate(x, scale_factor=2)",
    "pad": "F.pad(a, (1, 1))",
    "sum, backward": "(g.sum() * 1.0).backward()",
}


def small(T, expression):
    """A call on ten by four numbers."""
    T.manual_seed(0)
    names = {
        "T": T, "F": T.nn.functional, "a": T.randn(10, 4), "b": T.randn(10, 4),
        "g": T.randn(10, 4).requires_grad_(), "w": T.randn(2, 4).requires_grad_(),
        "c": T.randn(10, 4), "mask": T.randn(10, 4) > 0,
        "bias": T.randn(2).requires_grad_(), "s": T.randn(1), "index": T.tensor([1, 2, 3, 4, 5]),
        "x": T.randn(1, 3, 8, 8), "k": T.randn(4, 3, 3, 3),
    }  # fmt: skip
    return eval(f"lambda: {expression}", names)


def training(T, layers, batch, loss, optimizer):
    """A training step of a small network."""
    T.manual_seed(0)
    nn = T.nn
    sizes = [m for pair in itertools.pairwise(layers) for m in (nn.Linear(*pair), nn.ReLU())]
    model = nn.Sequential(*sizes[:-1])
    x, y = T.randn(batch, layers[0]), loss[1](T, batch, layers[-1])
    criterion, opt = getattr(nn, loss[0])(), optimizer(T, model.parameters())

    def step():
        opt.zero_grad()
        criterion(model(x), y).backward()
        opt.step()

    return step


def numbers(T, batch, width):
    return T.randn(batch, width)


def classes(T, batch, width):
    return T.randint(width, (batch,))


STEPS = {
    "linear regression, SGD": lambda T: training(
        T, [2, 1], 10, ("MSELoss", numbers), lambda T, p: T.optim.SGD(p, lr=0.03)
    ),
    "network 64-64-10, Adam": lambda T: training(
        T, [64, 64, 10], 32, ("CrossEntropyLoss", classes), lambda T, p: T.optim.Adam(p)
    ),
    "network 3072-512-10, SGD": lambda T: training(
        T, [3072, 512, 10], 32, ("CrossEntropyLoss", classes), lambda T, p: T.optim.SGD(p, lr=0.01)
    ),
}
CASES = {n: (lambda T, e=e: small(T, e)) for n, e in SMALL.items()} | STEPS
