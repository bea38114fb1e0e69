"""Random numbers that tensors describe: bernoulli, poisson, binomial, multinomial."""

from typing import Any

import numpy as np

from rushlight._core import dtypes, gpu
from rushlight._core import generator as draws
from rushlight._core.backend import MetaArray, meta_array
from rushlight._core.dispatch import write_out
from rushlight._core.op import public
from rushlight._core.state import S, thread
from rushlight._core.tensor import Tensor, wrap
from rushlight._ops.factory import need_tensor
from rushlight._ops.random import Drawn, check_generator, check_kind

_COUNTED = 1024  # comparisons for one row, up to which a loop over rows costs more


def check_chances(p: np.ndarray) -> None:
    """All of p lies in [0, 1]."""
    if type(p) is np.ndarray and p.size and not bool(((p >= 0) & (p <= 1)).all()):
        raise RuntimeError(
            "Expected p_in >= 0 && p_in <= 1 to be true, but got false.  (Could this error "
            "message be "
            "improved?  If so, please report an enhancement request to PyTorch.)"
        )


def check_probability(p: float) -> None:
    """p lies in [0, 1]."""
    if not 0 <= p <= 1:
        raise RuntimeError(f"bernoulli_ expects p to be in [0, 1], but got p={p:g}")


@public("torch", "Tensor")
def bernoulli(input, p=None, *, generator=None):
    """bernoulli(input, *, generator=None, out=None) -> Tensor

    1 with the probability each element of ``input`` gives (or all with ``p``), else 0, in
    ``input``'s dtype.

    >>> torch.bernoulli(torch.tensor([0.0, 1.0]))
    tensor([0., 1.])
    """
    need_tensor("bernoulli", "input", input)
    check_generator("bernoulli", generator)
    x = input._data
    if type(x) is MetaArray:
        return wrap(meta_array(x.shape, x.dtype))
    if type(x) is gpu.cuda.kind:
        drawn = bernoulli(input.cpu(), p, generator=draws.for_place(generator, input.device))
        return Drawn.call(input, drawn.to(input.device), f"BernoulliBackward{int(p is not None)}")
    result = gpu.made_beside(x, "empty", x.shape, x.dtype)
    if p is not None:
        check_probability(p)
        sample = draws.bernoulli(generator, result, p)
        return Drawn.call(input, wrap(sample), "BernoulliBackward1")
    check_kind("bernoulli_tensor_cpu_p_", x.dtype, "f")
    check_chances(x)
    sample = draws.bernoulli_each(generator, result, x)
    return Drawn.call(input, wrap(sample), "BernoulliBackward0")


@public("torch")
def poisson(input, generator=None):
    """poisson(input, generator=None) -> Tensor

    Poisson counts, each element of ``input`` being a rate. RuntimeError for a negative rate.

    >>> torch.poisson(torch.zeros(2))
    tensor([0., 0.])
    """
    need_tensor("poisson", "input", input)
    check_generator("poisson", generator)
    check_kind("poisson_cpu", input._data.dtype, "f")
    if type(input._data) is np.ndarray and not bool((input._data >= 0).all()):
        raise RuntimeError("invalid Poisson rate, expected rate to be non-negative")
    sample = wrap(draws.by_parameter(generator, "poisson", input._data))
    return Drawn.call(input, sample, "PoissonBackward0")


@public("torch")
def binomial(count, prob, generator=None):
    """binomial(count, prob, generator=None) -> Tensor

    Numbers of successes in ``count`` trials of probability ``prob``, element by element.

    >>> torch.binomial(torch.tensor([7.0, 7.0]), torch.tensor([0.0, 1.0]))
    tensor([0., 7.])
    """
    need_tensor("binomial", "count", count)
    check_generator("binomial", generator)
    for name, t in (("count", count), ("prob", prob)):
        if not t.dtype.is_floating_point:
            raise ValueError(
                f"binomial only supports floating-point dtypes for {name}, got: "
                f"{dtypes.scalar_name(t.dtype)}"
            )
    check_kind("binomial_cpu", count._data.dtype, "f")
    n, p = np.broadcast_arrays(count._data, prob._data.astype(count._data.dtype, copy=False))
    return wrap(draws.by_parameter(generator, "binomial", n, p))


@public("torch", "Tensor")
def multinomial(input, num_samples, replacement=False, *, generator=None, out=None):
    """multinomial(input, num_samples, replacement=False, *, generator=None, out=None) -> LongTensor

    ``num_samples`` indices into each row of ``input``, drawn in proportion to its weights.

    ``input`` is (C) or (N, C), of non-negative weights that need not sum to 1. RuntimeError for
    weights that are negative, infinite, nan or all zero, and for more samples than weights without
    replacement.

    >>> torch.multinomial(torch.tensor([0.0, 5.0, 0.0]), 2, replacement=True)
    tensor([1, 1])
    """
    need_tensor("multinomial", "input", input)
    check_generator("multinomial", generator)
    if out is not None and out.dtype is not dtypes.int64:
        got = dtypes.scalar_name(out.dtype)
        raise RuntimeError(f"multinomial expects Long tensor out, got: {got}")
    w = input._data
    if S.special and thread.levels:
        found = thread.levels[-1].by_example(multinomial, input, num_samples, replacement)
        if found is not NotImplemented:
            return found
    if type(w) is gpu.cuda.kind:
        generator = draws.for_place(generator, input.device)
        found = multinomial(input.cpu(), num_samples, replacement, generator=generator)
        return found.to(input.device)
    _check_weights(input, w, num_samples, replacement)
    rows = w.reshape(-1, w.shape[-1])
    if replacement and num_samples > 1:
        result = _with_replacement(rows, num_samples, generator)
    else:
        result = _without_replacement(rows, num_samples, generator)
    made = wrap(result.reshape(*w.shape[:-1], num_samples))
    return made if out is None else write_out("multinomial", made, out)


def _check_weights(input: Tensor, w: np.ndarray, count: int, replacement: bool) -> None:
    if not input.dtype.is_floating_point:
        raise RuntimeError(
            "multinomial only supports floating-point dtypes for input, got: "
            f"{dtypes.scalar_name(input.dtype)}"
        )
    if w.ndim not in (1, 2):
        raise RuntimeError("prob_dist must be 1 or 2 dim")
    if count <= 0:
        raise RuntimeError("cannot sample n_sample <= 0 samples")
    if not replacement and count > w.shape[-1]:
        raise RuntimeError(
            "cannot sample n_sample > prob_dist.size(-1) samples without replacement"
        )
    if w.shape[-1] > 2**24:
        raise RuntimeError("number of categories cannot exceed 2^24")
    wide = w.astype(np.float32, copy=False) if w.dtype.itemsize < 4 else w
    served = np.isfinite(wide) & (wide >= 0)
    if not bool(served.all()):
        if replacement and count > 1:
            first = wide.flat[int(served.argmin())]
            entry = "= infinity or NaN" if first > 0 else "< 0"
            raise RuntimeError(
                f"invalid multinomial distribution (encountering probability entry {entry})"
            )
        raise RuntimeError("probability tensor contains either `inf`, `nan` or element < 0")
    if w.size and not bool((wide.sum(-1) > 0).all()):
        raise RuntimeError("invalid multinomial distribution (sum of probabilities <= 0)")


def _without_replacement(w: np.ndarray, count: int, generator: Any) -> np.ndarray:
    """The largest of weight / exponential, the race that exponential waiting times run."""
    waits = draws.in_float64(generator, "exponential", np.empty_like(w), 1.0)
    score = w / waits
    if count == 1:
        return score.argmax(-1)[:, None]
    return np.ascontiguousarray(np.argsort(-score, axis=-1, kind="stable")[:, :count])


def _with_replacement(w: np.ndarray, count: int, generator: Any) -> np.ndarray:
    """Uniforms looked up in each row's cumulative weights."""
    cumulated = np.cumsum(w, axis=1, dtype=np.float32 if w.dtype.itemsize < 4 else None)
    cumulated /= cumulated[:, -1:]
    cumulated[:, -1] = 1
    cumulated = cumulated.astype(np.float64)
    u = draws.uniform(generator, np.empty((len(w), count)))
    if count * w.shape[1] <= _COUNTED:  # counting what is below a number finds its place
        return _places(cumulated, u)
    result = np.empty(u.shape, np.int64)
    for row, numbers, indices in zip(cumulated, u, result, strict=True):
        indices[:] = np.searchsorted(row, numbers, "left")
    return result


def _places(cumulated: np.ndarray, u: np.ndarray) -> np.ndarray:
    """Where each number of a row belongs in that row's cumulative weights, rows in blocks."""
    result = np.empty(u.shape, np.int64)
    step = max(1, 2**18 // (u.shape[1] * cumulated.shape[1]))
    for i in range(0, len(u), step):
        below = cumulated[i : i + step, None, :] < u[i : i + step, :, None]
        below.sum(2, out=result[i : i + step])
    return result
