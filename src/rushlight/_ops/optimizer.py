"""One step of each optimizer, in place on arrays.

A step written with tensor operators costs a dozen calls per parameter. These functions take the
lists of arrays of a whole parameter group, work out the numbers of the step, and hand both to an
update of optimizer_updates.py: one native call, or a few ufuncs on blocks that stay in the cache.

Every array of a list belongs to the parameter at the same position; `steps` are 0-d arrays, one per
parameter, that count.
"""

import numpy as np
from ml_dtypes import bfloat16
from numpy import add, divide, maximum, multiply, sqrt, square

from rushlight._core.backend import kernel_for
from rushlight._core.inplace import update
from rushlight._ops.optimizer_blocks import count, lerp, scalars, widened
from rushlight._ops.optimizer_capturable import number_of, on_device
from rushlight._ops.optimizer_gradients import (
    clamp_all,
    gradient_of,
    mix_all,
    norms_of,
    scale_all,
    unscale_all,
)
from rushlight._ops.optimizer_updates import (
    adadelta_update,
    adagrad_update,
    adam_update,
    adamax_update,
    asgd_update,
    elementwise,
    momentum_update,
    nadam_update,
    radam_update,
    rmsprop_update,
    rprop_update,
    sgd_update,
)

__all__ = [
    "adadelta_step",
    "adafactor_step",
    "adagrad_step",
    "adam_step",
    "adamax_step",
    "asgd_step",
    "clamp_all",
    "gradient_of",
    "mix_all",
    "muon_step",
    "nadam_step",
    "norms_of",
    "radam_step",
    "rmsprop_step",
    "rprop_step",
    "scale_all",
    "sgd_step",
    "sparse_adam_step",
    "unscale_all",
]


def sign_of(maximize):
    return -1 if maximize else 1


def by_step(steps, numbers):
    """`numbers` of every count: one tuple if all are the same, as they mostly are."""
    if steps.count(steps[0]) == len(steps):
        return numbers(steps[0])
    return [numbers(step) for step in steps]


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
    numbers = -lr, weight_decay, sign_of(maximize)
    if buffers is None:
        elementwise(sgd_update, (params, grads, None), numbers)
        return
    numbers = *numbers, momentum, 1 - dampening, nesterov, fresh
    elementwise(momentum_update, (params, grads, buffers), numbers)


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
    lists, how = (params, grads, axs), (lambd, 0, weight_decay, t0, alpha)
    if on_device("asgd", lists, (steps, etas, mus), lr, how, (maximize,)):
        return
    lr, sign, numbers = number_of(lr, steps), sign_of(maximize), []
    for mu, eta in zip(mus, etas, strict=True):
        rate = eta.item()
        numbers.append((-rate, weight_decay, sign, 1 - lambd * rate, mu.item()))
    elementwise(asgd_update, lists, numbers)
    for mu, eta, s, step in zip(mus, etas, steps, count(steps), strict=True):
        eta[()] = lr / (1 + lambd * lr * (s if foreach else step)) ** alpha
        mu[()] = 1 / max(1, step - t0)


@update(writes=("params", "prevs", "step_sizes", "steps"))
def rprop_step(params, grads, prevs, step_sizes, steps, *, etas, limits, maximize=False):
    """p -= sign(g) size; size grows by etas[1] while the gradient keeps its sign and shrinks by
    etas[0] when it turns.
    """
    lists, how = (params, grads, prevs, step_sizes), (*etas, 0, *limits)
    if on_device("rprop", lists, (steps,), 0, how, (maximize,)):
        return
    count(steps)
    elementwise(rprop_update, lists, (sign_of(maximize), *etas, *limits))


# ---- by squared gradients ------------------------------------------------------------------------


@update(writes=("params", "sums", "steps"))
def adagrad_step(params, grads, sums, steps, *, lr, lr_decay, eps, weight_decay=0, maximize=False):
    """sum += g²; p -= lr / (1 + (step - 1) lr_decay) g / (√sum + eps)."""
    sign = sign_of(maximize)

    def numbers(step):
        return -lr / (1 + (step - 1) * lr_decay), weight_decay, sign, eps

    elementwise(adagrad_update, (params, grads, sums), by_step(count(steps), numbers))


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
    lists = params, grads, square_avgs, grad_avgs, buffers
    ways = grad_avgs is not None, buffers is not None
    how = momentum, alpha, weight_decay, eps, 0
    if on_device("rmsprop", lists, (steps,), lr, how, (maximize, False, *ways)):
        return
    count(steps)
    numbers = -number_of(lr, steps), weight_decay, sign_of(maximize), alpha, eps, momentum, *ways
    elementwise(rmsprop_update, lists, numbers)


@update(writes=("params", "square_avgs", "acc_deltas", "steps"))
def adadelta_step(
    params, grads, square_avgs, acc_deltas, steps, *, lr, rho, eps, weight_decay=0, maximize=False
):
    """delta = √(acc + eps) / √(v + eps) g; p -= lr delta; v and acc are running means of g² and
    delta².
    """
    lists, how = (params, grads, square_avgs, acc_deltas), (0, rho, weight_decay, eps, 0)
    if on_device("adadelta", lists, (steps,), lr, how, (maximize,)):
        return
    count(steps)
    numbers = -number_of(lr, steps), weight_decay, sign_of(maximize), rho, eps
    elementwise(adadelta_update, lists, numbers)


# ---- the Adam family -----------------------------------------------------------------------------


def two_decays(lr, weight_decay, decoupled, maximize):
    """L2 decay, the gradient's sign, and what decoupled decay multiplies parameters by."""
    if decoupled:
        return 0, sign_of(maximize), 1 - lr * weight_decay
    return weight_decay, sign_of(maximize), 1


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
    lists = params, grads, exp_avgs, exp_avg_sqs, max_exp_avg_sqs
    how = beta1, beta2, weight_decay, eps, 0
    flags = (maximize, decoupled, max_exp_avg_sqs is not None)
    if on_device("adam", lists, (steps,), lr, how, flags):
        return
    lr = number_of(lr, steps)
    decays = two_decays(lr, weight_decay, decoupled, maximize)
    amsgrad = max_exp_avg_sqs is not None

    def numbers(step):
        rate, root = -lr / (1 - beta1**step), (1 - beta2**step) ** 0.5
        return rate, *decays, 1 - beta1, beta2, root, eps, amsgrad

    elementwise(adam_update, lists, by_step(count(steps), numbers))


@update(writes=("params", "exp_avgs", "exp_infs", "steps"))
def adamax_step(
    params, grads, exp_avgs, exp_infs, steps, *, lr, betas, eps, weight_decay=0, maximize=False
):
    """p -= lr m̂ / u, where u = max(beta2 u, |g| + eps)."""
    beta1, beta2 = betas
    lists, how = (params, grads, exp_avgs, exp_infs), (beta1, beta2, weight_decay, eps, 0)
    if on_device("adamax", lists, (steps,), lr, how, (maximize,)):
        return
    lr, sign = number_of(lr, steps), sign_of(maximize)

    def numbers(step):
        return -lr / (1 - beta1**step), weight_decay, sign, 1 - beta1, beta2, eps

    elementwise(adamax_update, lists, by_step(count(steps), numbers))


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
    lists = params, grads, exp_avgs, exp_avg_sqs
    how, counts = (beta1, beta2, weight_decay, eps, momentum_decay), (steps, mu_products)
    if on_device("nadam", lists, counts, lr, how, (maximize, decoupled)):
        return
    lr = number_of(lr, steps)
    decays = two_decays(lr, weight_decay, decoupled, maximize)
    numbers = []
    for product, step in zip(mu_products, count(steps), strict=True):
        mu, mu_next = (beta1 * (1 - 0.5 * 0.96 ** (n * momentum_decay)) for n in (step, step + 1))
        product *= mu
        so_far = product.item()
        of_grad, of_mean = -lr * (1 - mu) / (1 - so_far), -lr * mu_next / (1 - so_far * mu_next)
        numbers.append((of_grad, *decays, 1 - beta1, beta2, 1 - beta2**step, eps, of_mean))
    elementwise(nadam_update, lists, numbers)


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
    lists, how = (params, grads, exp_avgs, exp_avg_sqs), (beta1, beta2, weight_decay, eps, 0)
    if on_device("radam", lists, (steps,), lr, how, (maximize, decoupled)):
        return
    lr = number_of(lr, steps)
    decays = two_decays(lr, weight_decay, decoupled, maximize)

    def numbers(step):
        correction = 1 - beta2**step
        factor = rectification(beta2, step, correction)
        return lr, *decays, 1 - beta1, beta2, 1 - beta1**step, correction**0.5, eps, factor

    elementwise(radam_update, lists, by_step(count(steps), numbers))


def rectification(beta2, step, correction):
    """RAdam's factor r_t, or 0 while the variance of the adaptive rate is unbounded."""
    limit = 2 / (1 - beta2) - 1
    rho = limit - 2 * step * beta2**step / correction
    if rho <= 5:
        return 0
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
    lists = params, grads, row_vars, col_vars, variances, count(steps)
    for *arrays, step in zip(*lists, strict=True):
        largest = min(lr, 1 / step**0.5)
        for p, g, row, col, variance in widened(*arrays):
            eps1 = np.finfo(p.dtype).eps.item() if eps[0] is None else eps[0]
            rate = max(eps[1], norm(p) / p.size**0.5) * largest
            if weight_decay:
                multiply(p, scalars(p, 1 - lr * weight_decay)[0], p)
            g = -g if maximize else g
            t = np.empty_like(g)
            estimate = second_moment(g, row, col, variance, step**beta2_decay, eps1, t)
            maximum(estimate, scalars(p, eps1 * eps1)[0], out=t)
            divide(g, sqrt(t, t), t)
            scale = -rate / max(1.0, norm(t) / (t.size**0.5 * d))
            add(p, multiply(t, scalars(p, scale)[0], t), p)


def norm(x):
    native = kernel_for("tensor_norms")
    found = NotImplemented if native is None else native([x])
    return np.sqrt(np.square(x).sum()).item() if found is NotImplemented else found[0]


def second_moment(g, row, col, variance, blend, eps1, t):
    """The running mean of g²: `variance`, or `t`, made of the means of rows and columns."""
    square(g, t)
    if g.ndim < 2:
        lerp(variance, t, blend, np.empty_like(t))
        return variance
    lerp(row, t.sum(-1, keepdims=True) / g.shape[-1], blend, np.empty_like(row))
    lerp(col, t.sum(-2, keepdims=True) / g.shape[-2], blend, np.empty_like(col))
    multiply(row, col, t)
    return divide(t, maximum(row.mean(-2, keepdims=True), eps1), t)


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
