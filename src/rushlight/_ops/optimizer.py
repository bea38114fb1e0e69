"""One step of each optimizer, in place on arrays.

A step written with tensor operators costs a dozen calls per parameter. These functions take the
lists of arrays of a whole parameter group and write into them: two to fifteen ufuncs per parameter,
no allocation. Large arrays are worked through in blocks that stay in the cache. The order of
operations is PyTorch's, so results agree to the last rounding.

Every array of a list belongs to the parameter at the same position; `steps` are 0-d arrays, one per
parameter, that count.
"""

import numpy as np
from ml_dtypes import bfloat16
from numpy import (
    absolute,
    add,
    divide,
    maximum,
    multiply,
    ndarray,
    negative,
    sign,
    sqrt,
    square,
    subtract,
)

from rushlight._core.inplace import update
from rushlight._ops.optimizer_blocks import (
    blocks,
    count,
    decay_square,
    direction,
    lerp,
    move,
    move_by,
    root_plus,
    scalars,
    scratch,
    widened,
)

__all__ = [
    "adadelta_step",
    "adafactor_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "asgd_step",
    "muon_step",
    "nadam_step",
    "radam_step",
    "rmsprop_step",
    "rprop_step",
    "sgd_step",
    "sparse_adam_step",
]

# ---- gradient descent --------------------------------------------------------------------------


@update(writes=("params", "buffers"))
def sgd_step(
    params,
    grads,
    buffers=None,
    *,
    lr,
    momentum=0,
    dampening=0,
    weight_decay=0,
    nesterov=False,
    maximize=False,
    fresh=False,
):
    """p -= lr d, where d is the gradient or, with `buffers`, b = momentum b + (1 - dampening) g.

    `fresh`: the buffers hold nothing yet and become the gradient.
    """
    if not (buffers or maximize or weight_decay):
        descend(params, grads, -lr)
        return
    for arrays in zip(params, grads, buffers or params, strict=True):
        for p, g, b, d, t, _ in blocks(*arrays):
            g = direction(p, g, maximize, weight_decay, d, t)
            if buffers:
                g = descend_with_momentum(g, b, momentum, dampening, nesterov, fresh, d, t)
            move_by(p, g, -lr, t)


def descend(params, grads, value):
    """p += value g: the commonest step, kept short (0.8 us a parameter; 1.8 by the general way)."""
    views = scratch.views
    for p, g in zip(params, grads, strict=True):
        spare = views.get((p.shape, p.dtype)) if type(p) is ndarray else None
        if spare is not None:
            t = spare[0]
            multiply(g, scalars(p, value)[0], t)
            add(p, t, p)
            continue
        for part, slope, t, _, _ in blocks(p, g):
            move_by(part, slope, value, t)


def descend_with_momentum(g, b, momentum, dampening, nesterov, fresh, d, t):
    old, new = scalars(b, momentum, 1 - dampening)
    if fresh:
        b[...] = g
    else:
        multiply(b, old, b)
        multiply(g, new, t)
        add(b, t, b)
    if not nesterov:
        return b
    multiply(b, old, t)
    return add(g, t, d)


@update(writes=("params", "axs", "mus", "etas", "steps"))
def asgd_step(
    params,
    grads,
    axs,
    mus,
    etas,
    steps,
    *,
    lr,
    lambd,
    alpha,
    t0,
    weight_decay=0,
    maximize=False,
    foreach=False,
):
    """p = (1 - lambd eta) p - eta g; the average ax += mu (p - ax); then the next eta and mu.

    `foreach`: eta is computed in the precision of `steps`, as PyTorch's foreach form does.
    """
    for *arrays, mu, eta, s in zip(params, grads, axs, mus, etas, steps, strict=True):
        step, rate, weight = count(s), eta.item(), mu.item()
        for p, g, ax, d, t, _ in blocks(*arrays):
            g = direction(p, g, maximize, weight_decay, d, t)
            multiply(p, scalars(p, 1 - lambd * rate)[0], p)
            move_by(p, g, -rate, t)
            if weight == 1:
                ax[...] = p
                continue
            subtract(p, ax, t)
            multiply(t, scalars(p, weight)[0], t)
            add(ax, t, ax)
        eta[()] = lr / (1 + lambd * lr * (s if foreach else step)) ** alpha
        mu[()] = 1 / max(1, step - t0)


@update(writes=("params", "prevs", "step_sizes", "steps"))
def rprop_step(params, grads, prevs, step_sizes, steps, *, etas, limits, maximize=False):
    """p -= sign(g) size; size grows by etas[1] while the gradient keeps its sign and shrinks by
    etas[0] when it turns.
    """
    for *arrays, s in zip(params, grads, prevs, step_sizes, steps, strict=True):
        count(s)
        for p, g, prev, size, d, t, _ in blocks(*arrays):
            shrink, grow, one, zero, low, high = scalars(p, *etas, 1, 0, *limits)
            multiply(negative(g, d) if maximize else g, prev, t)
            turned = t < 0
            multiply(size, np.where(t > 0, grow, np.where(turned, shrink, one)), size)
            np.clip(size, low, high, size)
            prev[...] = d if maximize else g
            np.copyto(prev, zero, where=turned)
            sign(prev, t)
            multiply(t, size, t)
            subtract(p, t, p)


# ---- by squared gradients ------------------------------------------------------------------------


@update(writes=("params", "sums", "steps"))
def adagrad_step(params, grads, sums, steps, *, lr, lr_decay, eps, weight_decay=0, maximize=False):
    """sum += g²; p -= lr / (1 + (step - 1) lr_decay) g / (√sum + eps)."""
    for *arrays, s in zip(params, grads, sums, steps, strict=True):
        rate = lr / (1 + (count(s) - 1) * lr_decay)
        for p, g, total, d, t, u in blocks(*arrays):
            g = direction(p, g, maximize, weight_decay, d, t)
            square(g, t)
            add(total, t, total)
            root_plus(total, eps, u)
            move(p, g, u, -rate, t)


@update(writes=("params", "square_avgs", "grad_avgs", "buffers", "steps"))
def rmsprop_step(
    params,
    grads,
    square_avgs,
    grad_avgs,
    buffers,
    steps,
    *,
    lr,
    alpha,
    eps,
    momentum=0,
    weight_decay=0,
    maximize=False,
):
    """v = alpha v + (1 - alpha) g²; p -= lr g / (√v + eps).

    With `grad_avgs` (may be None) the variance v - mean(g)² is used; with `buffers` (may be None)
    momentum.
    """
    # an array that is not used is stood in for by the parameter
    lists = (params, grads, square_avgs, grad_avgs or params, buffers or params, steps)
    for *arrays, s in zip(*lists, strict=True):
        count(s)
        for p, g, v, mean, b, d, t, u in blocks(*arrays):
            g = direction(p, g, maximize, weight_decay, d, t)
            decay_square(v, g, alpha, t)
            if grad_avgs:
                lerp(mean, g, 1 - alpha, t)
                multiply(mean, mean, u)
                subtract(v, u, u)
                root_plus(u, eps, u)
            else:
                root_plus(v, eps, u)
            if buffers:
                multiply(b, scalars(p, momentum)[0], b)
                add(b, divide(g, u, t), b)
                move_by(p, b, -lr, t)
            else:
                move(p, g, u, -lr, t)


@update(writes=("params", "square_avgs", "acc_deltas", "steps"))
def adadelta_step(
    params, grads, square_avgs, acc_deltas, steps, *, lr, rho, eps, weight_decay=0, maximize=False
):
    """delta = √(acc + eps) / √(v + eps) g; p -= lr delta; v and acc are running means of g² and
    delta².
    """
    for *arrays, s in zip(params, grads, square_avgs, acc_deltas, steps, strict=True):
        count(s)
        for p, g, v, acc, d, t, u in blocks(*arrays):
            tiny = scalars(p, eps)[0]
            g = direction(p, g, maximize, weight_decay, d, t)
            decay_square(v, g, rho, t)
            sqrt(add(v, tiny, t), t)
            sqrt(add(acc, tiny, u), u)
            divide(u, t, u)
            multiply(u, g, u)
            decay_square(acc, u, rho, t)
            move_by(p, u, -lr, t)


# ---- the Adam family -----------------------------------------------------------------------------


@update(writes=("params", "exp_avgs", "exp_avg_sqs", "max_exp_avg_sqs", "steps"))
def adam_step(
    params,
    grads,
    exp_avgs,
    exp_avg_sqs,
    max_exp_avg_sqs,
    steps,
    *,
    lr,
    betas,
    eps,
    weight_decay=0,
    decoupled=False,
    maximize=False,
):
    """p -= lr m̂ / (√v̂ + eps), m̂ and v̂ the bias-corrected running means of g and g².

    `max_exp_avg_sqs` (may be None): AMSGrad, the largest v so far. `decoupled`: AdamW's weight
    decay.
    """
    beta1, beta2 = betas
    blend = 1 - beta1
    lists = (params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs or params, steps)
    for *arrays, s in zip(*lists, strict=True):
        step = count(s)
        rate, correction = -lr / (1 - beta1**step), (1 - beta2**step) ** 0.5
        for p, g, m, v, high, d, t, u in blocks(*arrays):
            root, tiny, shrink = scalars(p, correction, eps, 1 - lr * weight_decay)
            if decoupled and weight_decay:
                multiply(p, shrink, p)
            g = direction(p, g, maximize, 0 if decoupled else weight_decay, d, t)
            lerp(m, g, blend, t)
            decay_square(v, g, beta2, t)
            sqrt(maximum(high, v, out=high) if max_exp_avg_sqs else v, u)
            divide(u, root, u)
            add(u, tiny, u)
            move(p, m, u, rate, t)


@update(writes=("params", "exp_avgs", "exp_infs", "steps"))
def adamax_step(
    params, grads, exp_avgs, exp_infs, steps, *, lr, betas, eps, weight_decay=0, maximize=False
):
    """p -= lr m̂ / u, where u = max(beta2 u, |g| + eps)."""
    beta1, beta2 = betas
    for *arrays, s in zip(params, grads, exp_avgs, exp_infs, steps, strict=True):
        rate = -lr / (1 - beta1 ** count(s))
        for p, g, m, top, d, t, _ in blocks(*arrays):
            keep, tiny = scalars(p, beta2, eps)
            g = direction(p, g, maximize, weight_decay, d, t)
            lerp(m, g, 1 - beta1, t)
            multiply(top, keep, top)
            add(absolute(g, t), tiny, t)
            maximum(top, t, out=top)
            move(p, m, top, rate, t)


@update(writes=("params", "exp_avgs", "exp_avg_sqs", "mu_products", "steps"))
def nadam_step(
    params,
    grads,
    exp_avgs,
    exp_avg_sqs,
    mu_products,
    steps,
    *,
    lr,
    betas,
    eps,
    momentum_decay,
    weight_decay=0,
    decoupled=False,
    maximize=False,
):
    """Adam with Nesterov's momentum: the step mixes the gradient and the mean the next step will
    use.
    """
    beta1, beta2 = betas
    for *arrays, product, s in zip(
        params, grads, exp_avgs, exp_avg_sqs, mu_products, steps, strict=True
    ):
        step = count(s)
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (n * momentum_decay)) for n in (step, step + 1))
        product *= mu
        so_far = product.item()
        of_grad, of_mean = -lr * (1 - mu) / (1 - so_far), -lr * mu_next / (1 - so_far * mu_next)
        for p, g, m, v, d, t, u in blocks(*arrays):
            correction, tiny, shrink = scalars(p, 1 - beta2**step, eps, 1 - lr * weight_decay)
            if decoupled and weight_decay:
                multiply(p, shrink, p)
            g = direction(p, g, maximize, 0 if decoupled else weight_decay, d, t)
            lerp(m, g, 1 - beta1, t)
            decay_square(v, g, beta2, t)
            sqrt(divide(v, correction, u), u)
            add(u, tiny, u)
            move(p, g, u, of_grad, t)
            move(p, m, u, of_mean, t)


@update(writes=("params", "exp_avgs", "exp_avg_sqs", "steps"))
def radam_step(
    params,
    grads,
    exp_avgs,
    exp_avg_sqs,
    steps,
    *,
    lr,
    betas,
    eps,
    weight_decay=0,
    decoupled=False,
    maximize=False,
):
    """Adam whose adaptive rate is rectified by its variance, and left out while that is unbounded
    (rho <= 5).
    """
    beta1, beta2 = betas
    for *arrays, s in zip(params, grads, exp_avgs, exp_avg_sqs, steps, strict=True):
        step = count(s)
        correction = 1 - beta2**step
        rectified = rectification(beta2, step, correction)
        factors = (1 - beta1**step, lr, correction**0.5, 1 - lr * weight_decay)
        for p, g, m, v, d, t, u in blocks(*arrays):
            first, rate, root, shrink = scalars(p, *factors)
            if decoupled and weight_decay:
                multiply(p, shrink, p)
            g = direction(p, g, maximize, 0 if decoupled else weight_decay, d, t)
            lerp(m, g, 1 - beta1, t)
            decay_square(v, g, beta2, t)
            multiply(divide(m, first, t), rate, t)
            if rectified is not None:
                root_plus(v, eps, u)
                multiply(t, divide(root, u, u), t)
                multiply(t, scalars(p, rectified)[0], t)
            subtract(p, t, p)


def rectification(beta2, step, correction):
    """RAdam's factor r_t, or None while the variance of the adaptive rate is unbounded."""
    limit = 2 / (1 - beta2) - 1
    rho = limit - 2 * step * beta2**step / correction
    if rho <= 5:
        return None
    return ((rho - 4) * (rho - 2) * limit / ((limit - 4) * (limit - 2) * rho)) ** 0.5


@update(writes=("params", "exp_avgs", "exp_avg_sqs"))
def sparse_adam_step(
    params, grads, exp_avgs, exp_avg_sqs, indices, *, steps, lr, betas, eps, maximize=False
):
    """Adam on some elements only: `grads[i]` belong to the (distinct) places of `params[i]` that
    `indices[i]` lists.
    """
    beta1, beta2 = betas
    for p, g, m, v, places, step in zip(
        params, grads, exp_avgs, exp_avg_sqs, indices, steps, strict=True
    ):
        places = tuple(places)
        g = -g if maximize else g
        mean = m[places] + (g - m[places]) * (1 - beta1)
        power = v[places] + (g * g - v[places]) * (1 - beta2)
        m[places], v[places] = mean, power
        rate = lr * (1 - beta2**step) ** 0.5 / (1 - beta1**step)
        p[places] += -rate * (mean / (np.sqrt(power) + eps))


# ---- by matrices ---------------------------------------------------------------------------------


@update(writes=("params", "row_vars", "col_vars", "variances", "steps"))
def adafactor_step(
    params,
    grads,
    row_vars,
    col_vars,
    variances,
    steps,
    *,
    lr,
    beta2_decay,
    eps,
    d,
    weight_decay=0,
    maximize=False,
):
    """Adam without a mean, its second moment kept as row and column means (`variances`, for
    vectors; None elsewhere).
    """
    for *arrays, s in zip(params, grads, row_vars, col_vars, variances, steps, strict=True):
        step = count(s)
        largest = min(lr, 1 / step**0.5)
        for p, g, row, col, variance in widened(*arrays):
            eps1 = np.finfo(p.dtype).eps.item() if eps[0] is None else eps[0]
            rate = max(eps[1], norm(p) / p.size**0.5) * largest
            if weight_decay:
                multiply(p, scalars(p, 1 - lr * weight_decay)[0], p)
            g = -g if maximize else g
            estimate = second_moment(g, row, col, variance, step**beta2_decay, eps1)
            change = g / np.sqrt(np.maximum(estimate, scalars(p, eps1 * eps1)[0]))
            change *= -rate / max(1.0, norm(change) / (change.size**0.5 * d))
            add(p, change, p)


def norm(x):
    return np.sqrt(np.square(x).sum()).item()


def second_moment(g, row, col, variance, blend, eps1):
    if g.ndim < 2:
        lerp(variance, g * g, blend, np.empty_like(variance))
        return variance
    lerp(row, np.square(g).sum(-1, keepdims=True) / g.shape[-1], blend, np.empty_like(row))
    lerp(col, np.square(g).sum(-2, keepdims=True) / g.shape[-2], blend, np.empty_like(col))
    return np.matmul(row, col) / np.maximum(row.mean(-2, keepdims=True), eps1)


@update(writes=("params", "buffers"))
def muon_step(
    params,
    grads,
    buffers,
    *,
    lr,
    rates,
    momentum,
    nesterov,
    weight_decay,
    coefficients,
    ns_steps,
    eps,
):
    """p = (1 - lr weight_decay) p - rate orthogonal(momentum); `rates` are the adjusted learning
    rates.
    """
    for *arrays, rate in zip(params, grads, buffers, rates, strict=True):
        for p, g, b in widened(*arrays):
            t = np.empty_like(b)
            lerp(b, g, 1 - momentum, t)
            step = b
            if nesterov:
                step = g.copy()
                lerp(step, b, momentum, t)
            step = orthogonal(step, coefficients, ns_steps, eps).astype(p.dtype)
            p *= 1 - lr * weight_decay
            p += step * -rate


def orthogonal(g, coefficients, ns_steps, eps):
    """The orthogonal factor of `g`, roughly: Newton-Schulz steps rounded to bfloat16."""

    def rounded(x):
        return x.astype(bfloat16).astype(np.float32)

    a, b, c = coefficients
    x = rounded(g)
    x = x.T if g.shape[0] > g.shape[1] else x
    size = rounded(np.asarray(norm(x)))
    x = rounded(x / np.maximum(size, rounded(np.asarray(eps))))
    for _ in range(ns_steps):
        gram = rounded(x @ x.T)
        gram = rounded(b * gram + c * (gram @ gram))
        x = rounded(a * x + gram @ x)
    return x.T if g.shape[0] > g.shape[1] else x
