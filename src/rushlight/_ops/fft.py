"""Discrete Fourier transforms: three primitives (complex, real to complex, complex to real) and
torch.fft on them."""

import math
from typing import Any

from rushlight._core import dtypes
from rushlight._core.op import Meta, Op, public
from rushlight._core.shape import wrap_dim
from rushlight._ops.create import arange
from rushlight._ops.join import Cat

_NORMS = {"backward", "ortho", "forward"}


# ---- the primitives ------------------------------------------------------------------------------


def _scaled(array, scale):
    return array if scale == 1 else array * array.real.dtype.type(scale)


class FftC2C(Op):
    """Complex transform over ``dims``, times ``scale``; ``forward`` has the negative exponent."""

    name = "fft_c2c"
    public = ()
    tensors = ("input",)
    grad_name = "FftC2CBackward0"

    def forward(xp, x, dims, scale, forward):
        if forward:
            return _scaled(xp.fft.fftn(x, axes=dims), scale)
        return _scaled(xp.fft.ifftn(x, axes=dims, norm="forward"), scale)

    def vjp(g, dims, scale, forward):
        return FftC2C.call(g, dims, scale, not forward)


class FftR2C(Op):
    """Real to complex over ``dims``: the half spectrum of the last one, or all of it (``onesided``
    False)."""

    name = "fft_r2c"
    public = ()
    tensors = ("input",)
    grad_name = "FftR2CBackward0"

    def forward(xp, x, dims, scale, onesided):
        if not onesided:
            return _scaled(_whole_spectrum(xp, x, dims[0]), scale)
        return _scaled(xp.fft.rfftn(x, axes=dims), scale)

    def vjp(g: Any, input: Meta, dims, scale, onesided):
        if onesided:
            g = _pad(g, dims[-1], input.shape[dims[-1]])
        return FftC2C.call(g, dims, scale, False).real


class FftC2R(Op):
    """The real result of a half spectrum over ``dims``, of length ``size`` in the last; positive
    exponent."""

    name = "fft_c2r"
    public = ()
    tensors = ("input",)
    grad_name = "FftC2RBackward0"

    def forward(xp, x, dims, scale, size):
        *others, last = dims
        if others:
            x = xp.fft.ifftn(x, axes=others, norm="forward")
        return _scaled(xp.fft.irfft(x, size, last, "forward"), scale)

    def vjp(g: Any, input: Meta, dims, scale, size):
        # Every frequency but 0 and (for even sizes) the last stands for two.
        spectrum = FftR2C.call(g, dims, scale, True)
        half = input.shape[dims[-1]]
        twice = (size - 1) // 2
        weight = [1.0] + [2.0] * twice + [1.0] * (half - 1 - twice)
        weight = g.new_tensor(weight).reshape(
            [-1 if i == dims[-1] % g.ndim else 1 for i in range(g.ndim)]
        )
        return spectrum * weight


def _whole_spectrum(xp, x, axis):
    """All frequencies of a real signal: half of them, and their conjugates."""
    n = x.shape[axis]
    half = xp.fft.rfft(x, axis=axis)
    shape = list(half.shape)
    shape[axis] = n
    whole = xp.empty(shape, half.dtype)
    first = (slice(None),) * (axis % x.ndim)
    whole[(*first, slice(None, n // 2 + 1))] = half
    mirrored = half[(*first, slice((n - 1) // 2, 0, -1))]
    xp.conjugate(mirrored, out=whole[(*first, slice(n // 2 + 1, None))])
    return whole


def _pad(t, dim, size):
    """``t`` with zeros appended to ``size`` along ``dim``."""
    missing = size - t.shape[dim]
    if not missing:
        return t
    shape = list(t.shape)
    shape[dim] = missing
    return Cat.call([t, t.new_zeros(shape)], dim)


# ---- arguments -----------------------------------------------------------------------------------


def _floating(name, t, real=False):
    """``t`` in a dtype that transforms exist for."""
    if t.dtype.category < dtypes.FLOATING:
        return t.to(dtypes.get_default_dtype())
    if real and t.is_complex():
        return t
    if t.dtype.itemsize < 4:
        raise RuntimeError(f"Unsupported dtype {dtypes.scalar_name(t.dtype)}")
    return t


def _complex(name, t):
    t = _floating(name, t)
    return t if t.is_complex() else t.to(t.dtype.to_complex())


def _real_only(name, t):
    if t.is_complex():
        raise RuntimeError(
            f"{name} expects a real input tensor, but got {dtypes.scalar_name(t.dtype)}"
        )
    return _floating(name, t)


def _scale(norm, count, forward):
    """The factor of a transform of ``count`` points under a norm mode."""
    if norm is None:
        norm = "backward"
    if norm not in _NORMS:
        raise RuntimeError(f'Invalid normalization mode: "{norm}"')
    if norm == "ortho":
        return 1 / math.sqrt(count)
    return 1 / count if (norm == "forward") == forward else 1.0


def _fit(t, dim, n):
    """``t`` cut or padded with zeros to ``n`` along ``dim``."""
    if n is None or n == t.shape[dim]:
        return t
    return t.narrow(dim, 0, n) if n < t.shape[dim] else _pad(t, dim, n)


def _one(t, dim):
    if not t.ndim:
        raise IndexError(f"Dimension specified as {dim} but tensor has no dimensions")
    return wrap_dim(dim, t.ndim)


def _points(n):
    if n < 1:
        raise RuntimeError(f"Invalid number of data points ({n}) specified")
    return n


def _shape_and_dims(t, s, dim):
    """Sizes and dimensions of an n-dimensional transform, as torch.fft reads ``s`` and ``dim``."""
    if dim is not None:
        dim = [dim] if isinstance(dim, int) else list(dim)
        if not t.ndim and dim:
            raise IndexError(f"Dimension specified as {dim[0]} but tensor has no dimensions")
        dims = [wrap_dim(d, t.ndim) for d in dim]
        if len(set(dims)) != len(dims):
            raise RuntimeError("FFT dims must be unique")
    if s is not None:
        s = [s] if isinstance(s, int) else list(s)
        if dim is not None and len(dim) != len(s):
            raise RuntimeError("When given, dim and shape arguments must have the same length")
        if len(s) > t.ndim:
            raise RuntimeError(
                f"Got shape with {len(s)} values but input tensor only has {t.ndim} dimensions."
            )
        if dim is None:
            dims = list(range(t.ndim - len(s), t.ndim))
        sizes = [t.shape[d] if n == -1 else n for n, d in zip(s, dims, strict=True)]
    else:
        if dim is None:
            dims = list(range(t.ndim))
        sizes = [t.shape[d] for d in dims]
    for n in sizes:
        _points(n)
    return sizes, dims


def _many(name, t, s, dim, norm, forward):
    t = _complex(name, t)
    sizes, dims = _shape_and_dims(t, s, dim)
    if not dims:
        return t.clone()
    for n, d in zip(sizes, dims, strict=True):
        t = _fit(t, d, n)
    return FftC2C.call(t, tuple(dims), _scale(norm, math.prod(sizes), forward), forward)


# ---- one dimension -------------------------------------------------------------------------------


@public("fft")
def fft(input, n=None, dim=-1, norm=None):
    """fft(input, n=None, dim=-1, norm=None, *, out=None) -> Tensor

    Discrete Fourier transform along ``dim``, cut or padded to ``n`` points. ``norm`` is
    ``backward`` (no factor, the default), ``ortho`` (1/sqrt(n)) or ``forward`` (1/n).

    >>> torch.fft.fft(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j, 1.-0.j])
    """
    dim = _one(input, dim)
    if input.is_complex():
        t = _fit(input, dim, None if n is None else _points(n))
        return FftC2C.call(t, (dim,), _scale(norm, _points(t.shape[dim]), True), True)
    t = _fit(_floating("fft", input), dim, None if n is None else _points(n))
    return FftR2C.call(t, (dim,), _scale(norm, _points(t.shape[dim]), True), False)


@public("fft")
def ifft(input, n=None, dim=-1, norm=None):
    """ifft(input, n=None, dim=-1, norm=None, *, out=None) -> Tensor

    Inverse of :func:`fft`; the factor of ``backward`` is 1/n here.

    >>> torch.fft.ifft(torch.tensor([4.0, 0.0, 0.0, 0.0])).real
    tensor([1., 1., 1., 1.])
    """
    dim = _one(input, dim)
    t = _fit(_complex("ifft", input), dim, None if n is None else _points(n))
    return FftC2C.call(t, (dim,), _scale(norm, _points(t.shape[dim]), False), False)


@public("fft")
def rfft(input, n=None, dim=-1, norm=None):
    """rfft(input, n=None, dim=-1, norm=None, *, out=None) -> Tensor

    The non-negative frequencies of a real input's transform; the others are their conjugates.

    >>> torch.fft.rfft(torch.tensor([1.0, 0.0, 0.0, 0.0]))
    tensor([1.+0.j, 1.+0.j, 1.+0.j])
    """
    dim = _one(input, dim)
    t = _fit(_real_only("rfft", input), dim, None if n is None else _points(n))
    return FftR2C.call(t, (dim,), _scale(norm, _points(t.shape[dim]), True), True)


@public("fft")
def irfft(input, n=None, dim=-1, norm=None):
    """irfft(input, n=None, dim=-1, norm=None, *, out=None) -> Tensor

    Inverse of :func:`rfft`, of ``n`` points (by default an even number).

    >>> torch.fft.irfft(torch.ones(3, dtype=torch.complex64))
    tensor([1., 0., 0., 0.])
    """
    dim = _one(input, dim)
    t = _complex("irfft", input)
    n = _points(2 * (t.shape[dim] - 1) if n is None else n)
    return FftC2R.call(_fit(t, dim, n // 2 + 1), (dim,), _scale(norm, n, False), n)


@public("fft")
def hfft(input, n=None, dim=-1, norm=None):
    """hfft(input, n=None, dim=-1, norm=None, *, out=None) -> Tensor

    The real spectrum of a signal with Hermitian symmetry, given by its first half.

    >>> torch.fft.hfft(torch.ones(3, dtype=torch.complex64))
    tensor([4., 0., 0., 0.])
    """
    dim = _one(input, dim)
    t = _complex("hfft", input)
    n = _points(2 * (t.shape[dim] - 1) if n is None else n)
    return FftC2R.call(_fit(t, dim, n // 2 + 1).conj(), (dim,), _scale(norm, n, True), n)


@public("fft")
def ihfft(input, n=None, dim=-1, norm=None):
    """ihfft(input, n=None, dim=-1, norm=None, *, out=None) -> Tensor

    Inverse of :func:`hfft`: the first half of the Hermitian signal of a real spectrum.

    >>> torch.fft.ihfft(torch.tensor([4.0, 0.0, 0.0, 0.0]))
    tensor([1.-0.j, 1.-0.j, 1.-0.j])
    """
    dim = _one(input, dim)
    t = _fit(_real_only("ihfft", input), dim, None if n is None else _points(n))
    return FftR2C.call(t, (dim,), _scale(norm, _points(t.shape[dim]), False), True).conj()


# ---- several dimensions --------------------------------------------------------------------------


@public("fft")
def fftn(input, s=None, dim=None, norm=None):
    """fftn(input, s=None, dim=None, norm=None, *, out=None) -> Tensor

    Transform over several dimensions (all by default), cut or padded to the sizes ``s``.

    >>> torch.fft.fftn(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _many("fftn", input, s, dim, norm, True)


@public("fft")
def ifftn(input, s=None, dim=None, norm=None):
    """ifftn(input, s=None, dim=None, norm=None, *, out=None) -> Tensor

    Inverse of :func:`fftn`.

    >>> torch.fft.ifftn(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _many("ifftn", input, s, dim, norm, False)


@public("fft")
def fft2(input, s=None, dim=(-2, -1), norm=None):
    """fft2(input, s=None, dim=(-2, -1), norm=None, *, out=None) -> Tensor

    Transform over two dimensions: see :func:`fftn`.

    >>> torch.fft.fft2(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _many("fft2", input, s, dim, norm, True)


@public("fft")
def ifft2(input, s=None, dim=(-2, -1), norm=None):
    """ifft2(input, s=None, dim=(-2, -1), norm=None, *, out=None) -> Tensor

    Inverse of :func:`fft2`.

    >>> torch.fft.ifft2(torch.ones(2, 2)).real
    tensor([[1., 0.],
            [0., 0.]])
    """
    return _many("ifft2", input, s, dim, norm, False)


def _half_forward(name, t, s, dim, norm, forward):
    if t.is_complex():
        raise RuntimeError(
            f"{name} expects a real-valued input tensor, but got {dtypes.scalar_name(t.dtype)}"
        )
    t = _real_only(name, t)
    sizes, dims = _shape_and_dims(t, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    for n, d in zip(sizes, dims, strict=True):
        t = _fit(t, d, n)
    return t, tuple(dims), _scale(norm, math.prod(sizes), forward)


def _half_backward(name, t, s, dim, norm, forward):
    """``t`` fitted to a half spectrum, its dims, the scale and the length of the last dimension."""
    t = _complex(name, t)
    sizes, dims = _shape_and_dims(t, s, dim)
    if not dims:
        raise RuntimeError(f"{name} must transform at least one axis")
    last = None if s is None else (s if isinstance(s, int) else s[-1])
    if last is None or last == -1:
        last = 2 * (t.shape[dims[-1]] - 1)
    sizes[-1] = _points(last)
    for n, d in zip([*sizes[:-1], last // 2 + 1], dims, strict=True):
        t = _fit(t, d, n)
    return t, tuple(dims), _scale(norm, math.prod(sizes), forward), last


@public("fft")
def rfftn(input, s=None, dim=None, norm=None):
    """rfftn(input, s=None, dim=None, norm=None, *, out=None) -> Tensor

    Transform of a real input over several dimensions; of the last one, the non-negative
    frequencies.

    >>> torch.fft.rfftn(torch.ones(2, 2)).real
    tensor([[4., 0.],
            [0., 0.]])
    """
    return FftR2C.call(*_half_forward("rfftn", input, s, dim, norm, True), True)


@public("fft")
def rfft2(input, s=None, dim=(-2, -1), norm=None):
    """rfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None) -> Tensor

    :func:`rfftn` over two dimensions.

    >>> torch.fft.rfft2(torch.ones(2, 2)).shape
    torch.Size([2, 2])
    """
    return FftR2C.call(*_half_forward("rfftn", input, s, dim, norm, True), True)


@public("fft")
def irfftn(input, s=None, dim=None, norm=None):
    """irfftn(input, s=None, dim=None, norm=None, *, out=None) -> Tensor

    Inverse of :func:`rfftn`.

    >>> torch.fft.irfftn(torch.fft.rfftn(torch.ones(2, 2)))
    tensor([[1., 1.],
            [1., 1.]])
    """
    t, dims, scale, size = _half_backward("irfftn", input, s, dim, norm, False)
    return FftC2R.call(t, dims, scale, size)


@public("fft")
def irfft2(input, s=None, dim=(-2, -1), norm=None):
    """irfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None) -> Tensor

    Inverse of :func:`rfft2`.

    >>> torch.fft.irfft2(torch.fft.rfft2(torch.ones(2, 2)))
    tensor([[1., 1.],
            [1., 1.]])
    """
    t, dims, scale, size = _half_backward("irfft2", input, s, dim, norm, False)
    return FftC2R.call(t, dims, scale, size)


@public("fft")
def hfftn(input, s=None, dim=None, norm=None):
    """hfftn(input, s=None, dim=None, norm=None, *, out=None) -> Tensor

    Real spectrum of a signal with Hermitian symmetry in its last transformed dimension.

    >>> torch.fft.hfftn(torch.ones(2, 2, dtype=torch.complex64))
    tensor([[4., 0.],
            [0., 0.]])
    """
    return _hermitian("hfftn", input, s, dim, norm)


@public("fft")
def hfft2(input, s=None, dim=(-2, -1), norm=None):
    """hfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None) -> Tensor

    :func:`hfftn` over two dimensions.

    >>> torch.fft.hfft2(torch.ones(2, 2, dtype=torch.complex64)).shape
    torch.Size([2, 2])
    """
    return _hermitian("hfft2", input, s, dim, norm)


def _hermitian(name, input, s, dim, norm):
    t, dims, scale, size = _half_backward(name, input, s, dim, norm, True)
    return FftC2R.call(t.conj(), dims, scale, size)


@public("fft")
def ihfftn(input, s=None, dim=None, norm=None):
    """ihfftn(input, s=None, dim=None, norm=None, *, out=None) -> Tensor

    Inverse of :func:`hfftn`.

    >>> torch.fft.ihfftn(torch.ones(2, 2)).shape
    torch.Size([2, 2])
    """
    return FftR2C.call(*_half_forward("ihfftn", input, s, dim, norm, False), True).conj()


@public("fft")
def ihfft2(input, s=None, dim=(-2, -1), norm=None):
    """ihfft2(input, s=None, dim=(-2, -1), norm=None, *, out=None) -> Tensor

    Inverse of :func:`hfft2`.

    >>> torch.fft.ihfft2(torch.ones(2, 2)).shape
    torch.Size([2, 2])
    """
    return FftR2C.call(*_half_forward("ihfftn", input, s, dim, norm, False), True).conj()


# ---- frequencies and shifts ----------------------------------------------------------------------


@public("fft")
def fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """fftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False, out=None) ->
        Tensor

    The frequencies of a transform of ``n`` points spaced ``d`` apart, in the order of :func:`fft`.

    >>> torch.fft.fftfreq(4)
    tensor([ 0.0000,  0.2500, -0.5000, -0.2500])
    """
    half = (n + 1) // 2
    steps = arange(n, dtype=dtype or dtypes.get_default_dtype(), device=device)
    steps = steps - (steps >= half) * n
    result = steps * (1.0 / (n * d))
    return result.requires_grad_() if requires_grad else result


@public("fft")
def rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False):
    """rfftfreq(n, d=1.0, *, dtype=None, layout=None, device=None, requires_grad=False, out=None)
        -> Tensor

    The frequencies of :func:`rfft` of ``n`` points spaced ``d`` apart.

    >>> torch.fft.rfftfreq(4)
    tensor([0.0000, 0.2500, 0.5000])
    """
    steps = arange(n // 2 + 1, dtype=dtype or dtypes.get_default_dtype(), device=device)
    result = steps * (1.0 / (n * d))
    return result.requires_grad_() if requires_grad else result


def _shift_dims(t, dim):
    if dim is None:
        return list(range(t.ndim))
    return [dim] if isinstance(dim, int) else list(dim)


@public("fft", out=False)
def fftshift(input, dim=None):
    """fftshift(input, dim=None) -> Tensor

    Frequencies from the order of :func:`fft` to ascending order: the zero goes to the middle.

    >>> torch.fft.fftshift(torch.fft.fftfreq(4))
    tensor([-0.5000, -0.2500,  0.0000,  0.2500])
    """
    dims = _shift_dims(input, dim)
    return input.roll([input.shape[d] // 2 for d in dims], dims)


@public("fft", out=False)
def ifftshift(input, dim=None):
    """ifftshift(input, dim=None) -> Tensor

    Inverse of :func:`fftshift`.

    >>> torch.fft.ifftshift(torch.tensor([-2, -1, 0, 1]))
    tensor([ 0,  1, -2, -1])
    """
    dims = _shift_dims(input, dim)
    return input.roll([(input.shape[d] + 1) // 2 for d in dims], dims)


def join(parts, dim):
    """Tensors one after the other along ``dim``."""
    return Cat.call([p for p in parts if p.shape[dim]] or parts[:1], dim)
