"""The updates of optimizer_updates.py as formulas on tensors, for ``differentiable=True``: grads
flow through the step to the parameter before it, to the gradient, the states, and to learning
rates, decays and betas that are tensors.

Each takes the parameter, its gradient, its states (None where one is not used) and the numbers of
the update of the same name, and returns the new parameter and states.
"""

from rushlight._ops.complex import ViewAsReal


def record(name, lists, numbers):
    """Update every parameter by a formula, in place, so that autograd sees it."""
    formula = globals()[name]
    for i in range(len(lists[0])):
        tensors = [real(one[i]) if one is not None else None for one in lists]
        given = numbers[i] if type(numbers) is list else numbers
        # copies: the next step writes over what this one has kept for backward
        p, *states = formula(*[t if t is None else t.clone() for t in tensors], *given)
        tensors[0].copy_(p)
        for state, new in zip(tensors[2:], states, strict=True):
            if state is not None:
                state.copy_(new)


def real(t):
    return ViewAsReal.call(t) if t.is_complex() else t


def descent(p, g, decay, sign):
    """The gradient to descend: negated to maximize, with L2 decay."""
    return (-g if sign < 0 else g) + p * decay


def decay_square(v, g, keep):
    return v * keep + g * g * (1 - keep)


def lerp(m, g, blend):
    return m + (g - m) * blend


def sgd_update(p, g, b, rate, decay, sign):
    return p + descent(p, g, decay, sign) * rate, None


def momentum_update(p, g, b, rate, decay, sign, momentum, fraction, nesterov, fresh):
    g = descent(p, g, decay, sign)
    b = g.detach() if fresh else b * momentum + g * fraction
    return p + (g + b * momentum if nesterov else b) * rate, b


def asgd_update(p, g, ax, rate, decay, sign, shrink, weight):
    p = p * shrink + descent(p, g, decay, sign) * rate
    return p, ax + (p - ax) * weight


def rprop_update(p, g, prev, size, sign, shrink, grow, low, high):
    g = -g if sign < 0 else g
    turn = (g * prev).detach()
    factor = (turn * 0 + 1).masked_fill(turn > 0, grow).masked_fill(turn < 0, shrink)
    size = (size * factor).clamp(low, high)
    g = g.masked_fill(turn < 0, 0)
    return p - g.sign() * size, g, size


def adagrad_update(p, g, total, rate, decay, sign, eps):
    g = descent(p, g, decay, sign)
    total = total + g * g
    return p + g * rate / (total.sqrt() + eps), total


def rmsprop_update(p, g, v, mean, b, rate, decay, sign, keep, eps, momentum, centered, heavy):
    g = descent(p, g, decay, sign)
    v = decay_square(v, g, keep)
    mean = lerp(mean, g, 1 - keep) if centered else None
    step = g / ((v - mean * mean if centered else v).sqrt() + eps)
    b = b * momentum + step if heavy else None
    return p + (b if heavy else step) * rate, v, mean, b


def adadelta_update(p, g, v, acc, rate, decay, sign, keep, eps):
    g = descent(p, g, decay, sign)
    v = decay_square(v, g, keep)
    delta = (acc + eps).sqrt() / (v + eps).sqrt() * g
    return p + delta * rate, v, decay_square(acc, delta, keep)


def adam_update(p, g, m, v, high, rate, decay, sign, shrink, blend, keep, root, eps, amsgrad):
    p = p * shrink
    g = descent(p, g, decay, sign)
    m, v = lerp(m, g, blend), decay_square(v, g, keep)
    high = high.maximum(v) if amsgrad else v
    return p + m * rate / (high.sqrt() / root + eps), m, v, high


def adamax_update(p, g, m, top, rate, decay, sign, blend, keep, eps):
    g = descent(p, g, decay, sign)
    m, top = lerp(m, g, blend), (top * keep).maximum(g.abs() + eps)
    return p + m * rate / top, m, top


def nadam_update(p, g, m, v, of_grad, decay, sign, shrink, blend, keep, correction, eps, of_mean):
    p = p * shrink
    g = descent(p, g, decay, sign)
    m, v = lerp(m, g, blend), decay_square(v, g, keep)
    return p + (g * of_grad + m * of_mean) / ((v / correction).sqrt() + eps), m, v


def radam_update(p, g, m, v, rate, decay, sign, shrink, blend, keep, first, root, eps, rectified):
    p = p * shrink
    g = descent(p, g, decay, sign)
    m, v = lerp(m, g, blend), decay_square(v, g, keep)
    step = m / first * rate
    return p - (step * (root / (v.sqrt() + eps)) * rectified if rectified else step), m, v
