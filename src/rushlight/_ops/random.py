"""Random tensors: rand, randn, randint, randperm, normal, bernoulli, multinomial, poisson,
binomial.

The same seed gives PyTorch's numbers, bit for bit.
"""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight._core import device as devices
from rushlight._core import dtypes, gpu, memory
from rushlight._core import generator as draws
from rushlight._core.backend import MetaArray
from rushlight._core.generator import Generator
from rushlight._core.op import Op, public
from rushlight._core.state import S, thread
from rushlight._core.tensor import Tensor, wrap
from rushlight._ops.create import empty_like
from rushlight._ops.factory import as_integer, build, need_tensor, numpy_dtype, shape_of

np_empty = memory.empty
I8 = dtypes.int64.numpy
default_dtype, default_device, CPU = (
    dtypes.get_default_dtype,
    devices.get_default_device,
    devices.CPU,
)
# C's names in the texts about bounds.
_C_NAMES = {
    "bool": "bool",
    "uint8": "unsigned char",
    "int8": "signed char",
    "int16": "short",
    "int32": "int",
    "int64": "long",
    "uint16": "unsigned short",
    "uint32": "unsigned int",
    "uint64": "unsigned long",
    "float16": "c10::Half",
    "bfloat16": "c10::BFloat16",
    "float32": "float",
    "float64": "double",
}
# Integers are exact up to these powers of two.
_DIGITS = {"float16": 11, "bfloat16": 8, "float32": 24, "float64": 53}


# ---- refusals ------------------------------------------------------------------------------------


def check_generator(name: str, generator: Any) -> None:
    """Refuse what is neither None nor a Generator."""
    if generator is not None and not isinstance(generator, Generator):
        raise TypeError(
            f"{name}(): argument 'generator' must be torch.Generator, not "
            f"{type(generator).__name__}"
        )


def check_kind(kernel: str, d: np.dtype, kinds: str = "fc") -> None:
    """Refuse dtypes a kernel is not made for, in PyTorch's words; float8 never fits."""
    t = dtypes.BY_NUMPY[d]
    kind = "f" if t.is_floating_point and t.itemsize > 1 else d.kind
    if kind not in kinds or (t.is_floating_point and t.itemsize == 1):
        raise NotImplementedError(f"\"{kernel}\" not implemented for '{dtypes.scalar_name(t)}'")


def check_std(std: float) -> None:
    """A standard deviation is not negative."""
    if not std >= 0:
        raise RuntimeError(f"normal expects std >= 0.0, but found std {std:g}")


# ---- history -------------------------------------------------------------------------------------


class Drawn(Op):
    """drawn(input, sample, name) -> Tensor

    What was drawn from the distribution ``input`` describes: PyTorch gives it a node, and a
    gradient of zeros.
    """

    tensors = ("input", "sample")
    promote = "keep"
    public = ()
    grad_name = staticmethod(lambda node: node.params[0])

    def forward(xp, input, sample, name):
        return sample

    def vjp_input(g, input):
        return input.new_zeros(input.shape)


# ---- uniform and normal --------------------------------------------------------------------------


def blank(shape: tuple[int, ...], d: np.dtype, out: Any = None, generator: Any = None) -> Any:
    """Memory to draw into, on the generator's device; where ``out`` is not contiguous, laid out in
    the order of its memory, in which numbers are drawn.
    """
    if generator is not None and generator.philox is not None:
        with gpu.on(generator.philox.index):
            return gpu.cuda.module.empty(shape, d)
    if not isinstance(out, Tensor) or out.shape != shape or out._data.flags.c_contiguous:
        return memory.empty(shape, d)
    steps = out._data.strides
    order = sorted(range(len(shape)), key=lambda i: -abs(steps[i]))
    spread = np.empty((*[shape[i] for i in order], 2), d)[..., 0]
    return spread.transpose(sorted(range(len(shape)), key=order.__getitem__))


def _uniform(generator: Any, out: Any, device: Any):
    generator = draws.for_place(generator, device)

    def make(shape, d):
        check_kind("check_uniform_bounds", d)
        return draws.uniform(generator, blank(shape, d, out, generator))

    return make


def _normal(generator: Any, out: Any, device: Any, mean: float = 0.0, std: float = 1.0):
    generator = draws.for_place(generator, device)

    def make(shape, d):
        check_kind("normal_kernel_cpu", d)
        return draws.normal(generator, blank(shape, d, out, generator), mean, std)

    return make


@public("torch")
def rand(
    *shape,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """rand(*size, generator=None, out=None, dtype=None, device=None, requires_grad=False) -> Tensor

    Uniform random numbers in [0, 1).

    >>> _ = torch.manual_seed(0)
    >>> torch.rand(3)
    tensor([0.4963, 0.7682, 0.0885])
    """
    check_generator("rand", generator)
    if (
        dtype is out is layout is device is size is None
        and not requires_grad
        and shape
        and type(shape[0]) is int
        and not pin_memory
        and default_device() is CPU
    ):
        try:
            array = np_empty(shape, default_dtype().numpy)
        except (TypeError, ValueError, MemoryError):
            pass  # explained below
        else:
            return wrap(draws.uniform(generator, array))
    shape = shape_of("rand", shape, size)
    make = _uniform(generator, out, device)
    return build("rand", make, shape, dtype, out, layout, device, pin_memory, requires_grad)


@public("torch")
def randn(
    *shape,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """randn(*size, generator=None, out=None, dtype=None, device=None, requires_grad=False) ->
        Tensor

    Random numbers from the standard normal distribution.

    >>> _ = torch.manual_seed(0)
    >>> torch.randn(3)
    tensor([ 1.5410, -0.2934, -2.1788])
    """
    check_generator("randn", generator)
    if (
        dtype is out is layout is device is size is None
        and not requires_grad
        and shape
        and type(shape[0]) is int
        and not pin_memory
        and default_device() is CPU
    ):
        try:
            array = np_empty(shape, default_dtype().numpy)
        except (TypeError, ValueError, MemoryError):
            pass  # explained below
        else:
            return wrap(draws.normal(generator, array))
    shape = shape_of("randn", shape, size)
    make = _normal(generator, out, device)
    return build("randn", make, shape, dtype, out, layout, device, pin_memory, requires_grad)


def on_host(draw: Callable, x: Any, generator: Any = None) -> None:
    """``draw(array)`` on an array of the host; on a device's, by way of a copy there."""
    if type(x) is gpu.cuda.kind:
        draws.drawn_there(draw, generator, x)
    else:
        draw(x)


def _like(
    name: str,
    draw: Callable,
    input: Tensor,
    dtype: object,
    layout: object,
    device: Any,
    pin_memory: bool,
    requires_grad: bool,
    memory_format: object,
    generator: Any,
) -> Tensor:
    """``draw(array)`` over a new tensor of ``input``'s shape and memory layout."""
    need_tensor(name, "input", input)
    check_generator(name, generator)
    if dtype is layout is device is memory_format is None and not pin_memory and not requires_grad:
        result = empty_like(input)
        if type(result._data) is np.ndarray:
            draw(result._data)
            return result
    result = empty_like(
        input,
        dtype=dtype,
        layout=layout,
        device=device,
        pin_memory=pin_memory,
        memory_format=memory_format,
    )
    if type(result._data) is not MetaArray:
        on_host(draw, result._data, generator)
    return result.requires_grad_() if requires_grad else result


@public("torch", out=False)
def rand_like(
    input,
    *,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """rand_like(input, *, generator=None, dtype=None, ...) -> Tensor

    Uniform random numbers in [0, 1), in ``input``'s shape, and its dtype and memory layout unless
    given.

    >>> torch.rand_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def draw(x, generator=generator):
        check_kind("check_uniform_bounds", x.dtype)
        draws.uniform(generator, x)

    return _like(
        "rand_like",
        draw,
        input,
        dtype,
        layout,
        device,
        pin_memory,
        requires_grad,
        memory_format,
        generator,
    )


@public("torch", out=False)
def randn_like(
    input,
    *,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """randn_like(input, *, generator=None, dtype=None, ...) -> Tensor

    Standard normal numbers in ``input``'s shape, and its dtype and memory layout unless given.

    >>> torch.randn_like(torch.zeros(2, 3)).shape
    torch.Size([2, 3])
    """

    def draw(x, generator=generator):
        check_kind("normal_kernel_cpu", x.dtype)
        draws.normal(generator, x)

    return _like(
        "randn_like",
        draw,
        input,
        dtype,
        layout,
        device,
        pin_memory,
        requires_grad,
        memory_format,
        generator,
    )


@public("torch")
def normal(
    mean=0.0,
    std=1.0,
    size=None,
    *,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """normal(mean, std, size=None, *, generator=None, out=None) -> Tensor

    Normal numbers; ``mean`` and ``std`` are numbers (then ``size`` is needed) or tensors, one per
    element.

    RuntimeError for a negative ``std``.

    >>> _ = torch.manual_seed(0)
    >>> torch.normal(2.0, 0.5, (3,))
    tensor([2.7705, 1.8533, 0.9106])
    >>> torch.normal(torch.arange(1.0, 3.0), 0.0)
    tensor([1., 2.])
    """
    check_generator("normal", generator)
    if isinstance(mean, Tensor) or isinstance(std, Tensor):
        result = _normal_of_tensors(mean, std, generator, out)
        return result if out is None else _into(out, result)
    if not isinstance(size, (tuple, list)):
        raise TypeError(
            "normal() received an invalid combination of arguments - got "
            f"({type(mean).__name__}, {type(std).__name__}"
            + (")" if size is None else f", {type(size).__name__})")
        )
    check_std(std)
    make = _normal(generator, out, device, float(mean), float(std))
    shape = shape_of("normal", (size,))
    return build("normal", make, shape, dtype, out, layout, device, pin_memory, requires_grad)


def _into(out: Tensor, result: Tensor) -> Tensor:
    return build("normal", lambda shape, d: result._data.astype(d), tuple(result.shape), None, out)


def _normal_of_tensors(mean: Any, std: Any, generator: Any, out: Any = None) -> Tensor:
    """Standard normals, times std, plus mean, each step rounded: two operations, as PyTorch does
    it.
    """
    like = mean if isinstance(mean, Tensor) else std
    if like.is_cuda:
        mean, std = (t.cpu() if isinstance(t, Tensor) else t for t in (mean, std))
        drawn = _normal_of_tensors(mean, std, draws.for_place(generator, like.device))
        return drawn.to(like.device)
    d = like._data.dtype
    check_kind("normal_kernel_cpu", d)
    if S.special and thread.levels and thread.levels[-1].check_parameters(mean, std):
        both = isinstance(mean, Tensor) and isinstance(std, Tensor)
        shape = (mean + std).shape if both else like.shape
        return (wrap(draws.normal(generator, np.empty(shape, d))) * std + mean).detach()
    if not isinstance(std, Tensor):
        check_std(std)
        noise = draws.normal(generator, blank(mean.shape, d, out), 0.0, float(std))
        return Drawn.call(mean, wrap(noise + mean._data), "NormalBackward1")
    if not bool((std >= 0).all()):
        raise RuntimeError("normal expects all elements of std >= 0.0")
    shape = (mean + std).shape  # PyTorch's error if they do not broadcast
    noise = draws.normal(generator, blank(shape, d, out))
    shift = mean._data if isinstance(mean, Tensor) else np.asarray(mean).astype(d)
    sample = wrap((noise * std._data + shift).astype(d, copy=False))
    if not isinstance(mean, Tensor):
        return Drawn.call(std, sample, "NormalBackward2")
    if mean.requires_grad or not std.requires_grad:
        return Drawn.call(mean, sample, "NormalBackward3")
    return Drawn.call(std, sample, "NormalBackward3")


# ---- integers ------------------------------------------------------------------------------------


def bounds(d: dtypes.dtype) -> tuple[int, int]:
    """The smallest and largest integer ``random_`` accepts for a dtype."""
    if d.category == dtypes.BOOL:
        return 0, 1
    if d.category == dtypes.INTEGER:
        info = np.iinfo(d.numpy)
        return int(info.min), int(info.max)
    largest = int(dtypes.finfo(d).max)
    return -largest, largest


def check_bounds(low: int, high: int, d: dtypes.dtype) -> tuple[int, int]:
    """[low, high) as the dtype can hold it; RuntimeError where it cannot."""
    if d.is_complex or (d.is_floating_point and d.itemsize == 1):
        raise RuntimeError(
            "check_random_bounds handles only integral, floating-point and boolean types"
        )
    if low >= high:
        raise RuntimeError(
            f"random_ expects 'from' to be less than 'to', but got from={low} >= to={high}"
        )
    least, most = bounds(d)
    for name, value in (("from", low), ("to - 1", high - 1)):
        if not least <= value <= most:
            raise RuntimeError(f"{name} is out of bounds for {_C_NAMES[d.name]}")
        digits = _DIGITS.get(d.name)
        if digits and abs(value) > 2**digits:
            warnings.warn(
                f"{name} is out of bounds [-(2^{digits}), 2^{digits}]. Due to precision "
                "limitations "
                f"{_C_NAMES[d.name]} can support discrete uniform distribution only within this "
                "range. This "
                "warning will become an error in version 1.7 release, please fix the code in "
                "advance",
                UserWarning,
                stacklevel=4,
            )
    return within_rounding(low, high, d) if d.name in _DIGITS else (low, high)


def within_rounding(low: int, high: int, d: dtypes.dtype) -> tuple[int, int]:
    """Bounds moved inwards where rounding to a floating-point dtype would step over them."""
    digits = _DIGITS[d.name]
    above, below = (_rounded(v, d) for v in (low + 1, high - 1))
    if above < low:
        low = above + (1 << (abs(low + 1).bit_length() - digits))
    if below >= high:
        high = below - (1 << (abs(high - 1).bit_length() - digits))
    if low >= high:
        raise RuntimeError(
            "random_ expects 'from' casted to dtype to be less than 'to' casted to dtype, but got "
            f"from={low} >= to={high}"
        )
    return low, high


def _rounded(value: int, d: dtypes.dtype) -> int:
    """A C long through the dtype and back; 2^63 does not fit and becomes -2^63, as on x86."""
    wide = np.asarray(value, np.float64).astype(np.float32 if d.itemsize < 4 else d.numpy)
    back = int(float(wide.astype(d.numpy)))
    return back if back < 2**63 else -(2**63)


def int64(value: int) -> int:
    """A Python int as a C long; ValueError if it is too long."""
    if not -(2**63) <= value < 2**63:
        raise ValueError("Overflow when unpacking long long")
    return value


def _limits(
    name: str, args: tuple, low: object, high: object, size: object
) -> tuple[int, int, object]:
    """The two forms (high, size) and (low, high, size)."""
    given = [*args]
    sized = given and isinstance(given[-1], (tuple, list))
    if size is None and not sized:
        if len(given) == 2 and low is None and high is None:
            raise TypeError(
                f"{name}(): argument 'size' (position 2) must be tuple of ints, not "
                f"{type(given[1]).__name__}"
            )
        raise TypeError(
            f"{name}() received an invalid combination of arguments - got "
            f"({', '.join(type(a).__name__ for a in given)})"
        )
    size = given.pop() if size is None else size
    return (*_low_high(name, given, low, high), size)


def _low_high(name: str, given: list, low: object, high: object, first: int = 1) -> tuple[int, int]:
    values = [v for v in (low, *given, high) if v is not None]
    if len(values) == 1:
        values = [0, values[0]]
        return 0, int64(as_integer(name, "high", first, values[1]))
    if len(values) != 2:
        shown = ", ".join(type(a).__name__ for a in values)
        raise TypeError(f"{name}() received an invalid combination of arguments - got ({shown})")
    return (
        int64(as_integer(name, "low", first, values[0])),
        int64(as_integer(name, "high", first + 1, values[1])),
    )


@public("torch")
def randint(
    *args,
    low=None,
    high=None,
    size=None,
    generator=None,
    out=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """randint(low=0, high, size, *, generator=None, out=None, dtype=None, ...) -> Tensor

    Random integers from ``low`` up to but not including ``high``; int64 unless ``dtype`` is given.

    >>> _ = torch.manual_seed(0)
    >>> torch.randint(3, 10, (2, 2))
    tensor([[7, 6],
            [3, 5]])
    """
    if (
        len(args) == 3
        and low is high is size is generator is out is dtype is layout is device is None
        and type(args[0]) is type(args[1]) is int
        and 0 < args[1] - args[0] < 2**28
        and type(args[2]) is tuple
        and not pin_memory
        and not requires_grad
        and not S.special
        and default_device() is CPU
    ):
        low, high, size = args
        if {*map(type, size)} == {int} and min(size) >= 0 and low > -(2**62) and high < 2**62:
            return wrap(draws.integers(None, memory.empty(size, I8), high - low, low))
        low = high = size = None
    check_generator("randint", generator)
    low, high, size = _limits("randint", args, low, high, size)
    if dtype is None:
        dtype = dtypes.int64 if out is None else out.dtype

    generator = draws.for_place(generator, device)

    def make(shape, d):
        first, end = check_bounds(low, high, dtypes.BY_NUMPY[d])
        return draws.integers(generator, blank(shape, d, out), end - first, first)

    shape = shape_of("randint", (size,))
    return build("randint", make, shape, dtype, out, layout, device, pin_memory, requires_grad)


@public("torch", out=False)
def randint_like(
    input,
    *args,
    low=None,
    high=None,
    generator=None,
    dtype=None,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
    memory_format=None,
):
    """randint_like(input, low=0, high, *, generator=None, dtype=None, ...) -> Tensor

    Random integers from ``low`` to ``high - 1``, in ``input``'s shape, and its dtype unless given.

    >>> torch.randint_like(torch.zeros(2, 3), 10).shape
    torch.Size([2, 3])
    """
    low, high = _low_high("randint_like", list(args), low, high, 2)

    def draw(x, generator=generator):
        first, end = check_bounds(low, high, dtypes.BY_NUMPY[x.dtype])
        draws.integers(generator, x, end - first, first)

    return _like(
        "randint_like",
        draw,
        input,
        dtype,
        layout,
        device,
        pin_memory,
        requires_grad,
        memory_format,
        generator,
    )


@public("torch")
def randperm(
    n,
    *,
    generator=None,
    out=None,
    dtype=dtypes.int64,
    layout=None,
    device=None,
    pin_memory=False,
    requires_grad=False,
):
    """randperm(n, *, generator=None, out=None, dtype=torch.int64, ...) -> Tensor

    A random permutation of the integers from 0 to ``n - 1``.

    >>> _ = torch.manual_seed(0)
    >>> torch.randperm(4)
    tensor([0, 1, 3, 2])
    """
    check_generator("randperm", generator)
    generator = draws.for_place(generator, device)
    n = as_integer("randperm", "n", 1, n)
    d = dtypes.BY_NUMPY[numpy_dtype("randperm", dtype)] if out is None else out.dtype
    if d is dtypes.bool_ or d.is_complex:
        raise NotImplementedError(f"\"randperm\" not implemented for '{dtypes.scalar_name(d)}'")
    if d.category == dtypes.INTEGER and n > np.iinfo(d.numpy).max + 1:
        raise RuntimeError(f"value cannot be converted to type {d.name}_t without overflow")

    def make(shape, d):
        return draws.randperm(generator, n).astype(d, copy=False)

    return build("randperm", make, (n,), d, out, layout, device, pin_memory, requires_grad)
