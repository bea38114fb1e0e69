"""PyTorch's CPU random recipes, readable: what each distribution makes of the Mersenne Twister's
words.

The reference for csrc/random.cpp, which does the same faster, and its stand-in where it is not
built. ``r32`` is the next 32-bit word, ``r64`` two of them (the first is the high half), ``u32``
and ``u64`` the uniforms made of them. Every function fills a contiguous 1-d array. Logarithms and
angles in float64 are the C library's, called one by one: NumPy's own vector versions round
differently.
"""

import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from rushlight._core.fused import fma

F4, F8 = np.dtype(np.float32), np.dtype(np.float64)


class Engine:
    """The Mersenne Twister 19937, and the normal that waits for the next call (``waiting``)."""

    def __init__(self) -> None:
        self.bits = np.random.MT19937()
        self.seed(5489)

    def seed(self, number: int) -> None:
        """Start anew; the low 32 bits count."""
        key = np.empty(624, np.uint32)
        s = number & 0xFFFFFFFF
        for j in range(624):
            key[j] = s
            s = (1812433253 * (s ^ (s >> 30)) + j + 1) & 0xFFFFFFFF
        self.set(key, 624, None)

    def get(self) -> tuple[np.ndarray, int, float | None]:
        """The 624 words, the position of the next, and the waiting normal."""
        state = self.bits.state["state"]
        return np.array(state["key"], np.uint32), int(state["pos"]), self.waiting

    def set(self, key: np.ndarray, pos: int, waiting: float | None) -> None:
        """Restore what ``get`` returned."""
        self.bits.state = {"bit_generator": "MT19937", "state": {"key": key, "pos": pos}}
        self.waiting = waiting

    def r32(self, n: int) -> np.ndarray:
        """The next ``n`` words."""
        return np.random.Generator(self.bits).integers(0, 2**32, n, np.uint32)

    def r64(self, n: int) -> np.ndarray:
        """The next ``n`` pairs of words as 64-bit numbers."""
        words = self.r32(2 * n).astype(np.uint64)
        return (words[0::2] << np.uint64(32)) | words[1::2]

    def u32(self, n: int) -> np.ndarray:
        """float32 uniforms in [0, 1), one word each."""
        return (self.r32(n) & np.uint32(2**24 - 1)).astype(F4) * F4.type(2.0**-24)

    def u64(self, n: int) -> np.ndarray:
        """float64 uniforms in [0, 1), two words each."""
        return (self.r64(n) & np.uint64(2**53 - 1)).astype(F8) * 2.0**-53

    def one(self) -> float:
        """One float64 uniform."""
        return float(self.u64(1)[0])


def words(e: Engine, out: np.ndarray) -> None:
    """Raw words: uint32, or uint64 made of two."""
    out[:] = e.r32(out.size) if out.dtype == np.uint32 else e.r64(out.size)


def libm(function: Callable[[float], float], x: np.ndarray) -> np.ndarray:
    """The C library's function on each element."""
    return np.fromiter(map(function, x.tolist()), F8, x.size)


# ---- continuous ----------------------------------------------------------------------------------


def uniform(e: Engine, out: np.ndarray, a: float, b: float) -> None:
    """Uniform in [a, b): the multiply-add is fused, and a result rounded up to b becomes a."""
    t = out.dtype
    u = e.u32(out.size) if t == F4 else e.u64(out.size)
    a, b = t.type(a), t.type(b)
    x = fma(u, b - a, a, t)
    out[:] = np.where(x == b, a, x)


def normal(e: Engine, out: np.ndarray, mean: float, std: float) -> None:
    """Normal numbers: below 16 of them one by one, else in blocks of 16."""
    n = out.size
    if n < 16:
        scalar_normal(e, out, mean, std)
        return
    transform = box_muller_f32 if out.dtype == F4 else box_muller_f64
    uniform(e, out, 0.0, 1.0)
    full = n - n % 16
    transform(out[:full].reshape(-1, 16), mean, std)
    if n % 16:  # the last 16 positions are drawn again, overlapping the last full block
        uniform(e, out[-16:], 0.0, 1.0)
        transform(out[-16:].reshape(1, 16), mean, std)


def box_muller_f64(x: np.ndarray, mean: float, std: float) -> None:
    """Transform uniforms (blocks, 16) in place: the first eight give radii, the others angles."""
    head, tail = x[:, :8].ravel(), x[:, 8:].ravel()
    radius = np.sqrt(-2.0 * libm(math.log, 1.0 - head))
    angle = 2.0 * math.pi * tail
    x[:, :8] = fma(radius * libm(math.cos, angle), std, mean, F8).reshape(-1, 8)
    x[:, 8:] = fma(radius * libm(math.sin, angle), std, mean, F8).reshape(-1, 8)


def box_muller_f32(x: np.ndarray, mean: float, std: float) -> None:
    """The same in float32, with the Cephes approximations PyTorch's vector code uses."""
    f = F4.type
    radius = np.sqrt(f(-2.0) * cephes_log(f(1.0) - x[:, :8]))
    sine, cosine = cephes_sincos(f(2.0 * math.pi) * x[:, 8:])
    x[:, :8] = fma(radius * cosine, std, mean, F4)
    x[:, 8:] = fma(radius * sine, std, mean, F4)


def _horner(x: np.ndarray, *coefficients: float) -> np.ndarray:
    p: Any = F4.type(coefficients[0])
    for c in coefficients[1:]:
        p = fma(p, x, F4.type(c), F4)
    return p


def cephes_log(x: np.ndarray) -> np.ndarray:
    """The natural logarithm of float32 numbers in (0, 1]."""
    f = F4.type
    x = np.maximum(x, f(2.0**-126))
    mantissa, exponent = np.frexp(x)
    e = exponent.astype(F4)
    low = mantissa < f(0.707106781186547524)
    e = np.where(low, e - f(1), e)
    r = (mantissa - f(1)) + np.where(low, mantissa, f(0))
    z = r * r
    p = _horner(
        r,
        7.0376836292e-2,
        -1.1514610310e-1,
        1.1676998740e-1,
        -1.2420140846e-1,
        1.4249322787e-1,
        -1.6668057665e-1,
        2.0000714765e-1,
        -2.4999993993e-1,
        3.3333331174e-1,
    )
    y = fma(p * r, z, e * f(-2.12194440e-4), F4)
    y = y - f(0.5) * z
    return fma(e, f(0.693359375), r + y, F4)


def cephes_sincos(t: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Sine and cosine of float32 numbers t >= 0."""
    f = F4.type
    j = ((t * f(1.27323954473516)).astype(np.int32) + 1) & ~1
    a = j.astype(F4)
    for part in (-0.78515625, -2.4187564849853515625e-4, -3.77489497744594108e-8):
        t = fma(a, f(part), t, F4)
    z = t * t
    c = _horner(z, 2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2) * z
    c = fma(c, z, -(f(0.5) * z), F4) + f(1)
    s = _horner(z, -1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1) * z
    s = fma(s, t, t, F4)
    swap = (j & 2) != 0
    sine, cosine = np.where(swap, c, s), np.where(swap, s, c)
    return np.where(j & 4, -sine, sine), np.where((j - 2) & 4, cosine, -cosine)


def standard_normals(e: Engine) -> Iterator[float]:
    """Normals one by one: pairs by Box and Muller in float64; the second of a pair waits."""
    while True:
        if e.waiting is not None:
            z, e.waiting = e.waiting, None
        else:
            u1, u2 = e.u64(2).tolist()
            radius, angle = math.sqrt(-2.0 * math.log1p(-u2)), 2.0 * math.pi * u1
            z, e.waiting = radius * math.cos(angle), radius * math.sin(angle)
        yield z


def _scalar(e: Engine, n: int, mean: float, std: float) -> np.ndarray:
    return fma(np.fromiter(standard_normals(e), F8, n), std, mean, F8)


def scalar_normal(e: Engine, out: np.ndarray, mean: float, std: float) -> None:
    """Normal numbers one by one, whatever their number: computed in float64, then rounded."""
    out[:] = _scalar(e, out.size, mean, std)


def log_normal(e: Engine, out: np.ndarray, mean: float, std: float) -> None:
    """exp of a normal."""
    out[:] = libm(math.exp, _scalar(e, out.size, mean, std))


def exponential(e: Engine, out: np.ndarray, rate: float) -> None:
    """-log(1 - u) / rate."""
    out[:] = (-1.0 / rate) * libm(math.log1p, -e.u64(out.size))


def cauchy(e: Engine, out: np.ndarray, median: float, sigma: float) -> None:
    """median + sigma tan(pi (u - 1/2))."""
    tangent = libm(math.tan, math.pi * (e.u64(out.size) - 0.5))
    out[:] = fma(sigma, tangent, median, F8)


def geometric(e: Engine, out: np.ndarray, p: float) -> None:
    """The trial of the first success: ceil(log u / log(1 - p))."""
    out[:] = np.ceil(libm(math.log, e.u64(out.size)) / math.log1p(-p))


# ---- discrete ------------------------------------------------------------------------------------


def bernoulli(e: Engine, out: np.ndarray, p: float) -> None:
    """1 with probability p: a float64 uniform each, whatever the dtype."""
    out[:] = e.u64(out.size) < p


def bernoulli_each(e: Engine, out: np.ndarray, p: np.ndarray) -> None:
    """1 with the probability in ``p``: float32 uniforms unless ``p`` is float64."""
    out[:] = (e.u64(out.size) if p.dtype == F8 else e.u32(out.size)) < p


def integers(e: Engine, out: np.ndarray, span: int, base: int, wide: bool) -> None:
    """base + word mod span, modulo 2^64; span 0 means 2^64; ``wide``: 64-bit words."""
    r = e.r64(out.size) if wide else e.r32(out.size).astype(np.uint64)
    if span:
        r %= np.uint64(span)
    r += np.uint64(base % 2**64)
    out[:] = r.view(np.int64)


def randperm(e: Engine, out: np.ndarray) -> None:
    """A permutation of 0 .. n-1 by Fisher and Yates, from the front."""
    n = out.size
    if n >= (2**32 - 1) // 20:
        raise NotImplementedError("a permutation this long needs the native extension")
    r = list(range(n))
    for i, word in enumerate(e.r32(max(n - 1, 0)).tolist()):
        j = i + word % (n - i)
        r[i], r[j] = r[j], r[i]
    out[:] = r


def poisson(e: Engine, out: np.ndarray, rate: np.ndarray) -> None:
    """Poisson counts, each of its own rate."""
    out[:] = [draw_poisson(e, lam) for lam in rate.tolist()]


def draw_poisson(e: Engine, lam: float) -> int:
    """One count: multiplication of uniforms below 10, Hoermann's transformed rejection (PTRS) from
    there.
    """
    if lam == 0:
        return 0
    if lam < 10:
        limit, product, k = math.exp(-lam), e.one(), 0
        while product > limit:
            product, k = product * e.one(), k + 1
        return k
    s = math.sqrt(lam)
    b = 0.931 + 2.53 * s
    a = -0.059 + 0.02483 * b
    inverse, vr = 1.1239 + 1.1328 / (b - 3.4), 0.9277 - 3.6224 / (b - 2)
    while True:
        u, v = e.one() - 0.5, e.one()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + lam + 0.43)
        if us >= 0.07 and v <= vr:
            return k
        if k < 0 or (us < 0.013 and v > us):
            continue
        left = math.log(v) + math.log(inverse) - math.log(a / (us * us) + b)
        if left <= -lam + k * math.log(lam) - math.lgamma(k + 1):
            return k


def binomial(e: Engine, out: np.ndarray, count: np.ndarray, prob: np.ndarray) -> None:
    """Binomial counts, each of its own number of trials and probability."""
    out[:] = [draw_binomial(e, n, p) for n, p in zip(count.tolist(), prob.tolist(), strict=True)]


def draw_binomial(e: Engine, n: float, p: float) -> float:
    """One count: sums of geometric waits if few successes are expected, else rejection (BTRS)."""
    if n <= 0 or p <= 0:
        return 0
    if p >= 1:
        return n
    if p > 0.5:
        return n - draw_binomial(e, n, 1 - p)
    if p != p:
        return math.nan
    return rejected_binomial(e, n, p) if n * p >= 10 else waited_binomial(e, n, p)


def waited_binomial(e: Engine, n: float, p: float) -> int:
    """Trials until each success are geometric: count the successes within n trials."""
    scale, trials, successes = math.log1p(-p), 0.0, 0
    while True:
        u = e.one()
        trials += math.ceil(math.log(u) / scale) if u else math.inf
        if trials > n:
            return successes
        successes += 1


def rejected_binomial(e: Engine, n: float, p: float) -> float:
    """Hoermann 1993, "The generation of binomial random variates": BTRS."""
    spread = math.sqrt(n * p * (1 - p))
    b = 1.15 + 2.53 * spread
    a = -0.0873 + 0.0248 * b + 0.01 * p
    c, vr, r = n * p + 0.5, 0.92 - 4.2 / b, p / (1 - p)
    alpha, m = (2.83 + 5.1 / b) * spread, math.floor((n + 1) * p)
    while True:
        u, v = e.one() - 0.5, e.one()
        us = 0.5 - abs(u)
        k = math.floor((2 * a / us + b) * u + c)
        if us >= 0.07 and v <= vr:
            return k
        if k < 0 or k > n:
            continue
        v = math.log(v * alpha / (a / (us * us) + b))
        bound = (
            (m + 0.5) * math.log((m + 1) / (r * (n - m + 1)))
            + (n + 1) * math.log((n - m + 1) / (n - k + 1))
            + (k + 0.5) * math.log(r * (n - k + 1) / (k + 1))
            + stirling_tail(m)
            + stirling_tail(n - m)
            - stirling_tail(k)
            - stirling_tail(n - k)
        )
        if v <= bound:
            return k


def stirling_tail(k: float) -> float:
    """What Stirling's formula misses of log k!."""
    if k <= 9:
        return _TAILS[int(k)]
    x = k + 1.0
    return (1.0 / 12 - (1.0 / 360 - 1.0 / 1260 / (x * x)) / (x * x)) / x


_TAILS = (
    0.0810614667953272,
    0.0413406959554092,
    0.0276779256849983,
    0.02079067210376509,
    0.0166446911898211,
    0.0138761288230707,
    0.0118967099458917,
    0.0104112652619720,
    0.00925546218271273,
    0.00833056343336287,
)


def gamma(e: Engine, out: np.ndarray, alpha: np.ndarray) -> None:
    """Standard gamma numbers by Marsaglia and Tsang, each of its own shape parameter."""
    t, normals = out.dtype, standard_normals(e)
    third, tiny = t.type(np.float32(1.0 / 3.0)), np.finfo(t).tiny
    for i, a in enumerate(alpha):
        scale = 1.0
        if a == 0:
            out[i] = 0
            continue
        if a < 1:  # boost: gamma(a) = gamma(a + 1) u^(1/a)
            scale = math.pow(1.0 - e.one(), float(t.type(1) / a))
            a = t.type(a + t.type(1))
        d = float(t.type(a - third))
        out[i] = max(t.type(scale * d * marsaglia_tsang(e, normals, d)), tiny)


def marsaglia_tsang(e: Engine, normals: Iterator[float], d: float) -> float:
    """The accepted cube v of their method, with d = shape - 1/3."""
    c = 1.0 / math.sqrt(9.0 * d)
    squeeze = float(np.float32(0.0331))
    while True:
        x = next(normals)
        y = 1.0 + c * x
        if y <= 0:
            continue
        v, u, xx = y * y * y, 1.0 - e.one(), x * x
        if u < 1.0 - squeeze * xx * xx or math.log(u) < 0.5 * xx + d * (1.0 - v + math.log(v)):
            return v
