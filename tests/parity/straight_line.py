"""Random straight-line programs of views, in-place writes and gradients, run through any torch-like
module.

python tests/parity/straight_line.py 20000      # this many programs through rushlight and torch;
says what differs
"""

import random
import sys

import numpy as np

UNARY = ("sin", "tanh", "sigmoid", "relu", "neg", "abs")
BINARY = ("add", "sub", "mul", "div")
IN_PLACE = ("add_", "mul_", "sub_", "copy_")
IN_PLACE_UNARY = ("sin_", "tanh_", "zero_", "sigmoid_", "neg_", "exp_")


def fits(a, b, exactly=False):
    """Do two tensors broadcast (exactly: to the shape of the first)?"""
    try:
        shape = np.broadcast_shapes(tuple(a.shape), tuple(b.shape))
    except ValueError:
        return False
    return not exactly or shape == tuple(a.shape)


def view(a, r):
    """Some view of a tensor with dimensions."""
    kind = r.randrange(6)
    if kind == 0:
        return a[r.randrange(a.shape[0])] if a.shape[0] else a
    if kind == 1:
        return a[1:]
    if kind == 2:
        return a.transpose(0, -1)
    if kind == 3:
        return a.reshape(-1)
    return a.unsqueeze(0) if kind == 4 else a[..., ::2]


def assign(a, b, r):
    """Some assignment to an index of ``a``."""
    kind = r.randrange(3)
    if kind == 0:
        a[0] = r.random()
    elif kind == 1 and fits(a[-1:], b, exactly=True):
        a[-1:] = b
    elif kind == 2:
        a[a > 0.5] = r.random()


def statement(T, pool, r):
    """One statement: makes a new tensor or writes to an old one."""
    kind = r.choice(
        (
            "view",
            "view",
            "unary",
            "binary",
            "in_place",
            "in_place",
            "in_place_unary",
            "assign",
            "detach",
            "no_grad",
            "where",
            "cat",
            "sum",
        )
    )
    a, b = r.choice(pool), r.choice(pool)
    name = {
        "unary": UNARY,
        "binary": BINARY,
        "in_place": IN_PLACE,
        "in_place_unary": IN_PLACE_UNARY,
    }
    op = r.choice(name.get(kind, ("",)))
    if kind == "view" and a.ndim:
        pool.append(view(a, r))
    elif kind == "unary":
        pool.append(getattr(a, op)())
    elif kind == "binary" and fits(a, b):
        pool.append(a / (b * b + 1) if op == "div" else getattr(a, op)(b))
    elif kind == "in_place" and fits(a, b, exactly=True):
        getattr(a, op)(b)
    elif kind == "in_place_unary":
        getattr(a * 0.1 if op == "exp_" else a, op)()
    elif kind == "assign" and a.ndim and a.shape[0]:
        assign(a, b, r)
    elif kind == "detach":
        pool.append(a.detach() * 1.5)
    elif kind == "no_grad":
        with T.no_grad():
            pool.append(a * 2)
    elif kind == "where" and fits(a, b):
        pool.append(T.where(a > 0, a, b))
    elif kind == "cat" and a.ndim and tuple(a.shape) == tuple(b.shape):
        pool.append(T.cat([a, b], r.choice((0, -1))))
    elif kind == "sum" and a.ndim:
        pool.append(a.sum(r.choice((0, -1)), keepdim=r.random() < 0.5))


def total_of(tensors):
    """One number that depends on all elements."""
    total = None
    for t in tensors:
        s = (t * t).sum()
        total = s if total is None else total + s
    return total


def run(T, seed):
    """The program of this seed: its tensors, their gradients and gradients of those, as arrays."""
    r, g = random.Random(seed), np.random.default_rng(seed)
    leaves = [T.tensor(g.standard_normal((3, 4))).requires_grad_() for _ in range(2)]
    pool = [leaves[0] * 1.0, leaves[1] * 2.0, T.tensor(g.standard_normal((3, 4)))]
    for _ in range(r.randint(3, 9)):
        statement(T, pool, r)
    first = second = (None, None)
    total = total_of([t for t in pool if t.requires_grad])
    if total is not None:
        first = T.autograd.grad(total, leaves, create_graph=True, allow_unused=True)
        total = total_of([t for t in first if t is not None and t.requires_grad])
        if total is not None:
            second = T.autograd.grad(total, leaves, allow_unused=True)
    needs = [t.requires_grad for t in pool]
    return needs, [array(t) for t in (*pool, *first, *second)]


def array(t):
    """A tensor as an array; an absent gradient is zero."""
    return np.zeros(()) if t is None else t.detach().numpy()


def outcome(T, seed):
    """(result, error) of a program."""
    try:
        return run(T, seed), None
    except Exception as error:
        return None, error


def difference(T, oracle, seed):
    """What differs between two modules on one program; '' if nothing does."""
    got, error = outcome(T, seed)
    want, expected = outcome(oracle, seed)
    if expected is not None:
        if "unsupported operation: some elements" in str(expected):
            return ""  # PyTorch refuses writes from overlapping memory; NumPy gets them right
        told = error is None or isinstance(error, RuntimeError)
        if told and "a leaf Variable that requires grad" in str(expected):
            return (
                ""  # a view, made before its base got history, is taken for a leaf by PyTorch alone
            )
        same = type(error) is type(expected) and str(error)[:40] == str(expected)[:40]
        return "" if same else f"{expected!r} expected, {error!r} raised"
    if error is not None:
        return f"raised {error!r}"
    if got[0] != want[0]:
        return "requires_grad differs"
    for i, (a, b) in enumerate(zip(got[1], want[1], strict=True)):
        if not np.allclose(a, b, rtol=1e-7, atol=1e-9, equal_nan=True):
            return f"tensor {i} differs"
    return ""


def main():
    import torch

    import rushlight

    count = int(sys.argv[1]) if len(sys.argv) > 1 else 1000
    wrong = [(s, d) for s in range(count) if (d := difference(rushlight, torch, s))]
    for seed, what in wrong:
        print(f"seed {seed}: {what}")
    print(f"{count} programs, {len(wrong)} differ")
    return len(wrong) > 0


if __name__ == "__main__":
    sys.exit(main())
