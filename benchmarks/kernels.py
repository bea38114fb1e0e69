"""Kernels on arrays that fill the caches: element by element, reductions, products, indices,
convolutions, optimizers, random numbers.
"""

N = 2048  # N * N = 4 M elements


def pointwise(expression, *shape):
    """An expression of two arrays x and y, an index array and a column."""

    def make(T):
        T.manual_seed(0)
        sizes = shape or (N, N)
        names = {
            "T": T, "F": T.nn.functional, "x": T.randn(*sizes), "y": T.randn(*sizes),
            "row": T.randn(sizes[-1]), "column": T.randn(sizes[0], 1), "mask": T.randn(*sizes) > 0,
            "rows": T.randint(sizes[0], (8192,)), "places": T.randint(sizes[0], sizes),
            "w": T.randn(*sizes).requires_grad_(),
        }  # fmt: skip
        return eval(f"lambda: {expression}", names)

    return make


def convolution(batch, channels, size, outputs, kernel, backward, **how):
    """A convolution, and its gradients if asked."""

    def make(T):
        T.manual_seed(0)
        layer = T.nn.Conv2d(channels, outputs, kernel, **how)
        x = T.randn(batch, channels, size, size, requires_grad=backward)
        return (lambda: layer(x).sum().backward()) if backward else (lambda: layer(x))

    return make


def optimizer(name, **how):
    """One step over ten million parameters."""

    def make(T):
        p = T.nn.Parameter(T.zeros(10_000_000))
        p.grad = T.ones(10_000_000)
        return getattr(T.optim, name)([p], **how).step

    return make


ELEMENTWISE = {
    "x + y, 4 M": pointwise("x + y"),
    "x += y, 4 M": pointwise("x.add_(y)"),
    "x + row, 4 M": pointwise("x + row"),
    "row + column, 4 M": pointwise("row + column"),
    "exp, 4 M": pointwise("x.exp()"),
    "tanh, 4 M": pointwise("x.tanh()"),
    "sigmoid, 64 K": pointwise("x.sigmoid()", 256, 256),
    "gelu and its gradient, 4 M": pointwise("F.gelu(w).sum().backward()"),
    "to bfloat16, 4 M": pointwise("x.to(T.bfloat16)"),
    "where, 4 M": pointwise("T.where(mask, x, y)"),
}
REDUCE = {
    "sum, 4 M": pointwise("x.sum()"),
    "sum(0), 4 M": pointwise("x.sum(0)"),
    "mean(1), 4 M": pointwise("x.mean(1)"),
    "amax(1), 4 M": pointwise("x.amax(1)"),
    "var(1), 4 M": pointwise("x.var(1)"),
    "softmax(-1), 4 M": pointwise("x.softmax(-1)"),
    "logsumexp(1), 4 M": pointwise("x.logsumexp(1)"),
    "cumsum(1), 4 M": pointwise("x.cumsum(1)"),
    "topk(10), 1 M": pointwise("x.topk(10)", 1024, 1024),
    "sort, 1 M": pointwise("x.sort()", 1024, 1024),
}
MATMUL = {
    "64 x 64 x 64": pointwise("x @ y", 64, 64),
    "256 x 256 x 256": pointwise("x @ y", 256, 256),
    "1024 x 1024 x 1024": pointwise("x @ y", 1024, 1024),
    "1024 x 1024 by a vector": pointwise("x @ row", 1024, 1024),
    "32 of 64 x 64": pointwise("x @ y", 32, 64, 64),
}
INDEX = {
    "8192 rows, index_select": pointwise("x.index_select(0, rows)", N, 256),
    "8192 rows, x[rows]": pointwise("x[rows]", N, 256),
    "gather, 4 M": pointwise("x.gather(0, places)"),
    "x[mask], 4 M": pointwise("x[mask]"),
    "masked_fill, 4 M": pointwise("x.masked_fill(mask, 0.0)"),
    "cat, 8 M": pointwise("T.cat([x, y], 1)"),
    "t().contiguous(), 4 M": pointwise("x.t().contiguous()"),
}
CONV = {
    "3 x 3, 64 to 64 of 56 x 56": convolution(8, 64, 56, 64, 3, False, padding=1),
    "3 x 3, with gradients": convolution(8, 64, 56, 64, 3, True, padding=1),
    "1 x 1, with gradients": convolution(8, 64, 56, 256, 1, True),
    "7 x 7, stride 2": convolution(8, 3, 224, 64, 7, False, stride=2, padding=3),
    "depthwise 3 x 3, with gradients": convolution(8, 144, 56, 144, 3, True, padding=1, groups=144),
}
OPTIM = {
    "SGD, 10 M": optimizer("SGD", lr=0.1),
    "SGD with momentum, 10 M": optimizer("SGD", lr=0.1, momentum=0.9),
    "Adam, 10 M": optimizer("Adam"),
    "AdamW, 10 M": optimizer("AdamW"),
}
RANDOM = {
    "rand, 4 M": pointwise("T.rand(2048, 2048)", 1),
    "randn, 4 M": pointwise("T.randn(2048, 2048)", 1),
    "randperm, 1 M": pointwise("T.randperm(1 << 20)", 1),
    "dropout, 4 M": pointwise("F.dropout(x, 0.5)"),
}
