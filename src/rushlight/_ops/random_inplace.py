"""Tensor methods that overwrite a tensor with random numbers: uniform_, normal_, random_,
bernoulli_, ...
"""

from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import dtypes, gpu
from rushlight._core import generator as draws
from rushlight._core.backend import MetaArray
from rushlight._core.dispatch import make_node
from rushlight._core.inplace import bump, check_leaf, rebase, writable
from rushlight._core.op import public
from rushlight._core.state import S, grad_enabled, thread
from rushlight._core.tensor import Tensor, live_node
from rushlight._ops.factory import as_integer
from rushlight._ops.random import (
    Drawn,
    bounds,
    check_bounds,
    check_generator,
    check_kind,
    check_std,
    int64,
    on_host,
)
from rushlight._ops.random_parameter import check_chances, check_probability

F4 = dtypes.float32.numpy
_LONG_NAMES = {
    "int64": "long int",
    "int32": "int",
    "int16": "short int",
    "int8": "signed char",
    "uint8": "unsigned char",
    "bool": "bool",
}


_GRAD_NAMES = {
    "uniform_": "UniformBackward0",
    "normal_": "NormalBackward0",
    "random_": "RandomBackward0",
    "bernoulli_": "BernoulliBackward2",
    "exponential_": "ExponentialBackward0",
    "geometric_": "GeometricBackward0",
    "cauchy_": "CauchyBackward0",
    "log_normal_": "LogNormalBackward0",
}


def _overwrite(t: Tensor, name: str, generator: Any, draw: Callable) -> Tensor:
    """Let ``draw(array)`` fill the memory: no gradient flows to what stood there before."""
    check_generator(name, generator)
    node = live_node(t)
    check_leaf(t, node)
    x = t._data
    if type(x) is MetaArray:
        return t
    if S.special and thread.levels:
        thread.levels[-1].check_overwrite(t)
    elif x.size and any(s == 0 and n > 1 for s, n in zip(x.strides, x.shape, strict=True)):
        raise RuntimeError(
            "unsupported operation: more than one element of the written-to tensor refers to a "
            "single memory "
            "location. Please clone() the tensor before performing the operation."
        )
    on_host(draw, x, generator)
    bump(t)
    if node is not None and grad_enabled():  # no gradient goes further back
        grad_name = _GRAD_NAMES[name]
        rebase(t, make_node(Drawn, (t, t), [node, None], (grad_name,), (t,)))
    return t


def _filled(t: Tensor, recipe: str, *params: Any) -> bool:
    """Run a recipe over a contiguous float32 tensor without history; False for all else."""
    x = t._data
    if x.dtype is not F4 or not writable(t) or not x.flags.c_contiguous:
        return False
    draws.RECIPES[recipe](draws.default_generator.engine, x.reshape(-1), *params)
    bump(t)
    return True


@public("Tensor", out=False)
def uniform_(self, from_=0, to=1, *, generator=None, **kw):
    """uniform_(from=0, to=1, *, generator=None) -> Tensor

    Overwrite with uniform numbers in [from, to). RuntimeError if ``from`` is above ``to``.

    >>> bool((torch.empty(5).uniform_(2, 3) >= 2).all())
    True
    """
    quick = generator is None and not kw and from_ <= to <= 3e38 and from_ >= -1e37
    if quick and _filled(self, "uniform", from_, to):
        return self
    from_ = _from("uniform_", from_, kw)
    d = self._data.dtype
    check_kind("check_uniform_bounds", d)
    if from_ > to:
        raise RuntimeError(
            f"uniform_ expects to return a [from, to) range, but found from={from_:g} > to={to:g}"
        )
    if to - from_ > dtypes.finfo(dtypes.BY_NUMPY[d]).max:
        name = dtypes.scalar_name(dtypes.BY_NUMPY[d])
        raise RuntimeError(
            f"uniform_ expects to-from <= std::numeric_limits<{name}>::max(), but found to={to:g} "
            "and "
            f"from={from_:g} which result in to-from to exceed the limit"
        )
    return _overwrite(
        self,
        "uniform_",
        generator,
        lambda x, generator=generator: draws.uniform(generator, x, from_, to),
    )


def _from(name: str, value: object, kw: dict) -> object:
    """PyTorch's argument is called ``from``, which Python's grammar reserves."""
    value = kw.pop("from", value)
    for key in kw:
        raise TypeError(f"{name}() got an unexpected keyword argument '{key}'")
    return value


@public("Tensor", out=False)
def normal_(self, mean=0, std=1, *, generator=None):
    """normal_(mean=0, std=1, *, generator=None) -> Tensor

    Overwrite with normal numbers. RuntimeError for a negative ``std``.

    >>> torch.empty(2, 3).normal_().shape
    torch.Size([2, 3])
    """
    if (
        generator is None
        and std >= 0
        and self._data.size >= 16
        and _filled(self, "normal", mean, std)
    ):
        return self
    check_kind("normal_kernel_cpu", self._data.dtype)
    check_std(std)
    return _overwrite(
        self,
        "normal_",
        generator,
        lambda x, generator=generator: draws.normal(generator, x, mean, std),
    )


@public("Tensor", out=False)
def random_(self, *args, generator=None, **kw):
    """random_(from=0, to=None, *, generator=None) -> Tensor

    Overwrite with integers from ``from`` to ``to - 1``; without ``to``, up to the largest that is
    exact.

    >>> bool((torch.empty(5).random_(3) < 3).all())
    True
    """
    d = self.dtype
    quick = generator is None and not args and not kw
    if quick and _filled(self, "integers", 2**24 + 1, 0, False):
        return self
    low, high = _random_range(args, kw)
    if low is None and high is None:
        return _overwrite(
            self, "random_", generator, lambda x, generator=generator: _any_integer(generator, x, d)
        )
    low = 0 if low is None else low
    if high is None:
        high = low + 1
        check_bounds(low, high, d)
        return _overwrite(
            self,
            "random_",
            generator,
            lambda x, generator=generator: _integers_from(generator, x, d, low),
        )
    low, high = check_bounds(low, high, d)
    return _overwrite(
        self,
        "random_",
        generator,
        lambda x, generator=generator: draws.integers(generator, x, high - low, low),
    )


def _random_range(args: tuple, kw: dict) -> tuple[int | None, int | None]:
    """(from, to): one positional argument is ``to``."""
    given = list(args)
    one = len(given) == 1 and "to" not in kw and "from" not in kw
    low = kw.pop("from", None) if one or not given else given.pop(0)
    if (given and "to" in kw) or len(given) > 1 or (kw.keys() - {"to"}):
        shown = ", ".join([*(type(a).__name__ for a in args), *(f"{k}=" for k in kw)])
        raise TypeError(f"random_() received an invalid combination of arguments - got ({shown})")
    high = kw.pop("to", None) if not given else given.pop()
    low, high = (
        None if v is None else int64(as_integer("random_", "to", 1, v)) for v in (low, high)
    )
    return low, high


def _largest(d: dtypes.dtype) -> int:
    """The largest number ``random_()`` gives."""
    if d.is_floating_point:
        return 2 ** {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}[d.name]
    return bounds(d)[1]


def _any_integer(generator: Any, x: np.ndarray, d: dtypes.dtype) -> None:
    if (
        d.is_complex
        or d.name in {"uint16", "uint32", "uint64"}
        or (d.is_floating_point and d.itemsize == 1)
    ):
        raise NotImplementedError(
            f"\"random_kernel_cpu\" not implemented for '{dtypes.scalar_name(d)}'"
        )
    wide = d.name in {"int64", "float64"}
    draws.integers(generator, x, _largest(d) + 1, 0, wide)


def _integers_from(generator: Any, x: np.ndarray, d: dtypes.dtype, low: int) -> None:
    if low == -(2**63):
        draws.integers(generator, x, 0, 0, True)
    else:
        draws.integers(generator, x, _largest(d) + 1 - low, low)


@public("Tensor", out=False)
def bernoulli_(self, p=0.5, *, generator=None):
    """bernoulli_(p=0.5, *, generator=None) -> Tensor

    Overwrite with 1 (probability ``p``, a number or a tensor that broadcasts) and 0.

    >>> torch.empty(3).bernoulli_(1.0)
    tensor([1., 1., 1.])
    """
    quick = generator is None and type(p) is float and 0 <= p <= 1
    if quick and _filled(self, "bernoulli", p):
        return self
    if isinstance(p, Tensor):
        chances = p.expand(self.shape)._data
        if type(self._data) is gpu.cuda.kind:
            chances = gpu.to_device(chances, gpu.place_of(self._data))
        check_chances(chances)

        def draw(x, generator=generator):
            draws.bernoulli_each(generator, x, chances)

    else:
        check_probability(p)
        check_kind("bernoulli_scalar_cpu_", self._data.dtype, "fiub")

        def draw(x, generator=generator):
            draws.bernoulli(generator, x, p)

    return _overwrite(self, "bernoulli_", generator, draw)


@public("Tensor", out=False)
def exponential_(self, lambd=1, *, generator=None):
    """exponential_(lambd=1, *, generator=None) -> Tensor

    Overwrite with exponential numbers of rate ``lambd`` > 0.

    >>> bool((torch.empty(5).exponential_(2.0) >= 0).all())
    True
    """
    if generator is None and lambd > 0 and _filled(self, "exponential", float(lambd)):
        return self
    if not self.dtype.is_floating_point:
        raise RuntimeError(
            "Exponential distribution is a continuous probability distribution. dtype must be a "
            "floating point "
            f"but you specified {dtypes.scalar_name(self.dtype)}"
        )
    if not lambd > 0:
        raise RuntimeError(f"exponential_ expects lambda > 0.0, but found lambda={lambd:g}")
    return _overwrite(
        self,
        "exponential_",
        generator,
        lambda x, generator=generator: draws.in_float64(generator, "exponential", x, float(lambd)),
    )


@public("Tensor", out=False)
def geometric_(self, p, *, generator=None):
    """geometric_(p, *, generator=None) -> Tensor

    Overwrite with the number of trials until the first success, 0 < ``p`` < 1.

    >>> bool((torch.empty(5).geometric_(0.5) >= 1).all())
    True
    """
    check_kind("geometric_cpu", self._data.dtype, "fiu")
    if not 0 < p < 1:
        raise RuntimeError(f"geometric_ expects p to be in (0, 1), but got p={p:g}")
    return _overwrite(
        self,
        "geometric_",
        generator,
        lambda x, generator=generator: draws.in_float64(generator, "geometric", x, float(p)),
    )


@public("Tensor", out=False)
def cauchy_(self, median=0, sigma=1, *, generator=None):
    """cauchy_(median=0, sigma=1, *, generator=None) -> Tensor

    Overwrite with numbers from the Cauchy distribution, ``sigma`` > 0.

    >>> torch.empty(3).cauchy_().shape
    torch.Size([3])
    """
    if not self.dtype.is_floating_point:
        name = _LONG_NAMES.get(self.dtype.name, self.dtype.name)
        raise RuntimeError(
            "Cauchy distribution is a continuous probability distribution. dtype must be a "
            "floating point but "
            f"you specified {name}"
        )
    if not sigma > 0:
        raise RuntimeError(f"cauchy_ expects sigma > 0.0, but found sigma={sigma:g}")
    return _overwrite(
        self,
        "cauchy_",
        generator,
        lambda x, generator=generator: draws.in_float64(
            generator, "cauchy", x, float(median), float(sigma)
        ),
    )


@public("Tensor", out=False)
def log_normal_(self, mean=1, std=2, *, generator=None):
    """log_normal_(mean=1, std=2, *, generator=None) -> Tensor

    Overwrite with numbers whose logarithms are normal with this mean and standard deviation.

    >>> bool((torch.empty(5).log_normal_() > 0).all())
    True
    """
    check_kind("log_normal_cpu", self._data.dtype, "f")
    if not std > 0:
        raise RuntimeError(f"log_normal_ expects std > 0.0, but found std={std:g}")
    return _overwrite(
        self,
        "log_normal_",
        generator,
        lambda x, generator=generator: draws.in_float64(
            generator, "log_normal", x, float(mean), float(std)
        ),
    )
