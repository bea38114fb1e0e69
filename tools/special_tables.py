"""Compute the coefficients in src/rushlight/_ops/special_tables.py with mpmath, at 40 digits.

    python tools/special_tables.py

Every table is a Chebyshev series, fitted at the Chebyshev points of its interval, or a power
series; what is expanded, and in which variable, is the comment printed above it.
"""

import pathlib
import textwrap

from mpmath import mp

mp.dps = 40
NODES = 96
CUT = mp.mpf("1e-18")
TARGET = pathlib.Path(__file__).parents[1] / "src/rushlight/_ops/special_tables.py"

HEADER = '''"""Coefficients of the special functions, written by tools/special_tables.py (mpmath, 40
digits).

Unless stated otherwise a table is a Chebyshev series f(t) = c0 + c1 T1(t) + c2 T2(t) + ..., -1 <= t
<= 1.
"""

# fmt: off
'''


def chebyshev(function):
    """The Chebyshev coefficients of ``function`` on [-1, 1], cut where they no longer matter in
    float64.
    """
    angles = [mp.pi * (j + mp.mpf(1) / 2) / NODES for j in range(NODES)]
    values = [function(mp.cos(a)) for a in angles]
    series = [
        2 * mp.fsum(v * mp.cos(k * a) for v, a in zip(values, angles, strict=True)) / NODES
        for k in range(NODES)
    ]
    series[0] /= 2
    limit = CUT * max(map(abs, values))
    return series[: max(k for k, c in enumerate(series) if abs(c) > limit) + 1]


def span(low, high, function):
    """Chebyshev series of ``function`` on [low, high]."""
    low, high = mp.mpf(low), mp.mpf(high)
    return chebyshev(lambda t: function((low + high) / 2 + t * (high - low) / 2))


def inverse(function, largest):
    """Chebyshev series in t = 2 u / largest - 1, where 0 < u <= largest is the argument of
    ``function``.
    """
    return span(0, largest, function)


def erfcx(x):
    if x > 100:
        return mp.hyperu(mp.mpf(1) / 2, mp.mpf(1) / 2, x * x) / mp.sqrt(mp.pi)
    return mp.exp(x * x) * mp.erfc(x)


def erfcx_table():
    k = mp.mpf("3.75")

    def f(t):
        x = k * (1 + t) / (1 - t)
        return (1 + 2 * x) * erfcx(x)

    return chebyshev(f)


def erfcinv(q):
    """The x with erfc(x) = q, by Newton's method on log erfc."""
    x = mp.sqrt(-mp.log(q)) * mp.mpf("0.9")
    for _ in range(60):
        log_tail = mp.log(erfcx(x)) - x * x
        step = (log_tail - mp.log(q)) * erfcx(x) * mp.sqrt(mp.pi) / 2
        x += step
        if abs(step) < mp.mpf(10) ** -36:
            break
    return x


def bessel_pq(order):
    """(P, Q x/8) of J = s (P cos c - Q sin c), Y = s (P sin c + Q cos c), s = sqrt(2/(pi x))."""

    def parts(s):
        x = 8 / mp.sqrt(s)
        c = x - (2 * order + 1) * mp.pi / 4
        j, y, scale = mp.besselj(order, x), mp.bessely(order, x), mp.sqrt(mp.pi * x / 2)
        return scale * (j * mp.cos(c) + y * mp.sin(c)), scale * (
            y * mp.cos(c) - j * mp.sin(c)
        ) * x / 8

    return inverse(lambda s: parts(s)[0], 1), inverse(lambda s: parts(s)[1], 1)


def airy_pq():
    """(P, Q zeta) of Ai(-x) = (P cos c + Q sin c) / (sqrt(pi) x^(1/4)), c = zeta - pi/4, s =
    (15/zeta)^2.
    """

    def parts(s):
        zeta = 15 / mp.sqrt(s)
        x = (3 * zeta / 2) ** (mp.mpf(2) / 3)
        c, scale = zeta - mp.pi / 4, mp.sqrt(mp.pi) * x ** (mp.mpf(1) / 4)
        ai, bi = mp.airyai(-x), mp.airybi(-x)
        return scale * (ai * mp.cos(c) - bi * mp.sin(c)), scale * (
            ai * mp.sin(c) + bi * mp.cos(c)
        ) * zeta

    return inverse(lambda s: parts(s)[0], 1), inverse(lambda s: parts(s)[1], 1)


def airy_large(u):
    zeta = 1 / u
    x = (3 * zeta / 2) ** (mp.mpf(2) / 3)
    return 2 * mp.sqrt(mp.pi) * x ** (mp.mpf(1) / 4) * mp.exp(zeta) * mp.airyai(x)


def temme(orders=9, terms=18):
    """Power series in eta of the c_k of DLMF 8.12.7: R = exp(-a eta^2/2)/sqrt(2 pi a) sum_k
    c_k(eta) a^-k.
    """
    size = terms + 2 * orders + 4
    # lambda - 1 = mu(eta), from eta^2/2 = mu - log(1 + mu): mu' (mu) = eta (1 + mu)
    mu = [mp.mpf(0), mp.mpf(1)]
    for n in range(2, size):
        known = mp.fsum(mu[j] * (n + 1 - j) * mu[n + 1 - j] for j in range(2, n))
        mu.append((mu[n - 1] - known) / (n + 1))
    # 1/mu = (1/eta) / (1 + mu_2 eta + ...)
    ratio = mu[1:]
    recip = [mp.mpf(1)]
    for n in range(1, size - 1):
        recip.append(-mp.fsum(ratio[j] * recip[n - j] for j in range(1, n + 1)))
    stirling = gamma_star(orders + 1)  # Gamma*(a) ~ sum gamma_k a^-k
    rows = [recip[1:]]  # c_0 = 1/mu - 1/eta
    for k in range(1, orders):
        previous = rows[-1]
        # c_k = (1/eta) dc_{k-1}/deta + (-1)^k gamma_k / mu: the 1/eta parts cancel
        gamma_k = (-1) ** k * stirling[k]
        row = [(n + 1) * previous[n + 1] + gamma_k * recip[n] for n in range(len(previous) - 1)]
        assert abs(row[0]) < mp.mpf(10) ** -30, row[0]
        rows.append(row[1:])
    return [row[:terms] for row in rows]


def gamma_star(count):
    """gamma_k in Gamma*(a) = sum gamma_k a^-k = sqrt(a/(2 pi)) (e/a)^a Gamma(a)."""
    log_terms = [mp.mpf(0)] * (count + 1)
    for j in range(1, count + 1):
        if 2 * j - 1 <= count:
            log_terms[2 * j - 1] = mp.bernoulli(2 * j) / (2 * j * (2 * j - 1))
    series = [mp.mpf(1)]
    for n in range(1, count + 1):
        series.append(mp.fsum(j * log_terms[j] * series[n - j] for j in range(1, n + 1)) / n)
    return series


def k_small(order):
    def f(s):
        x = mp.sqrt(s)
        log_half = mp.log(x / 2)
        if order == 0:
            return mp.besselk(0, x) + log_half * mp.besseli(0, x)
        return x * (mp.besselk(1, x) - log_half * mp.besseli(1, x))

    return f


def y_small(order):
    def f(s):
        x = mp.sqrt(s)
        if order == 0:
            return mp.bessely(0, x) - 2 / mp.pi * mp.log(x) * mp.besselj(0, x)
        return (mp.bessely(1, x) - 2 / mp.pi * (mp.log(x) * mp.besselj(1, x) - 1 / x)) / x

    return f


def lgamma_center(x):
    if abs(x - 1) < mp.mpf("1e-20"):
        return mp.euler
    if abs(x - 2) < mp.mpf("1e-20"):
        return 1 - mp.euler
    return mp.loggamma(x) / ((x - 1) * (x - 2))


def tables():
    """(name, comment, coefficients) of all of them."""
    root = mp.sqrt
    yield (
        "ERF",
        "erf(x) / x, t = 2 x^2 - 1, |x| <= 1",
        span(0, 1, lambda s: mp.erf(root(s)) / root(s)),
    )
    yield "ERFCX", "(1 + 2x) erfcx(x), t = (x - 3.75) / (x + 3.75), x >= 0", erfcx_table()
    yield (
        "ERFINV",
        "erfinv(y) / y, t = 2 y^2 / 0.5625 - 1, |y| <= 0.75",
        span(0, "0.5625", lambda s: mp.erfinv(root(s)) / root(s)),
    )
    tail = lambda w: erfcinv(mp.exp(-w * w)) / w  # noqa: E731
    yield (
        "ERFCINV_3",
        "erfcinv(exp(-w^2)) / w, 1.125 <= w <= 3, t = (2w - 4.125) / 1.875",
        span("1.125", 3, tail),
    )
    yield "ERFCINV_8", "the same, 3 <= w <= 8, t = (2w - 11) / 5", span(3, 8, tail)
    yield "ERFCINV_28", "the same, 8 <= w <= 28, t = (2w - 36) / 20", span(8, 28, tail)
    yield (
        "LGAMMA",
        "lgamma(x) / ((x - 1)(x - 2)), t = x - 2, 1 <= x <= 3",
        span(1, 3, lgamma_center),
    )
    small = "t = x/4 - 1, 0 <= x <= 8"
    large = "t = 16/x - 1, x >= 8"
    yield "I0_SMALL", f"exp(-x) I0(x), {small}", span(0, 8, lambda x: mp.exp(-x) * mp.besseli(0, x))
    yield (
        "I1_SMALL",
        f"exp(-x) I1(x) / x, {small}",
        span(0, 8, lambda x: mp.exp(-x) * mp.besseli(1, x) / x),
    )
    for n in (0, 1):
        scaled_i = lambda u, n=n: mp.exp(-1 / u) * mp.sqrt(1 / u) * mp.besseli(n, 1 / u)  # noqa: E731
        yield f"I{n}_LARGE", f"exp(-x) sqrt(x) I{n}(x), {large}", inverse(scaled_i, mp.mpf(1) / 8)
    yield "K0_SMALL", "K0(x) + log(x/2) I0(x), t = x^2/2 - 1, 0 < x <= 2", span(0, 4, k_small(0))
    yield (
        "K1_SMALL",
        "x (K1(x) - log(x/2) I1(x)), t = x^2/2 - 1, 0 < x <= 2",
        span(0, 4, k_small(1)),
    )
    for n in (0, 1):
        scaled_k = lambda u, n=n: mp.exp(1 / u) * mp.sqrt(1 / u) * mp.besselk(n, 1 / u)  # noqa: E731
        yield (
            f"K{n}_LARGE",
            f"exp(x) sqrt(x) K{n}(x), t = 4/x - 1, x >= 2",
            inverse(scaled_k, mp.mpf(1) / 2),
        )
    yield (
        "J0_SMALL",
        "J0(x), t = x^2/32 - 1, 0 <= x <= 8",
        span(0, 64, lambda s: mp.besselj(0, root(s))),
    )
    yield (
        "J1_SMALL",
        "J1(x) / x, t = x^2/32 - 1, 0 <= x <= 8",
        span(0, 64, lambda s: mp.besselj(1, root(s)) / root(s)),
    )
    yield (
        "Y0_SMALL",
        "Y0(x) - 2/pi log(x) J0(x), t = x^2/32 - 1, 0 < x <= 8",
        span(0, 64, y_small(0)),
    )
    yield (
        "Y1_SMALL",
        "(Y1(x) - 2/pi (log(x) J1(x) - 1/x)) / x, t = x^2/32 - 1, 0 < x <= 8",
        span(0, 64, y_small(1)),
    )
    for n in (0, 1):
        p, q = bessel_pq(n)
        c = "x - pi/4" if n == 0 else "x - 3 pi/4"
        yield (
            f"P{n}",
            f"P in J{n}(x) = sqrt(2/(pi x)) (P cos c - Q sin c), c = {c}, t = 128/x^2 - 1, x >= 8",
            p,
        )
        yield f"Q{n}", "Q x / 8 in the same", q
    yield "AIRY_MIDDLE", "Ai(x), t = (x + 3)/5, -8 <= x <= 2", span(-8, 2, mp.airyai)
    largest = mp.mpf("0.5304")
    yield (
        "AIRY_LARGE",
        "2 sqrt(pi) x^(1/4) exp(zeta) Ai(x), zeta = 2/3 x^(3/2), t = 2 / (0.5304 zeta) - 1, x >= 2",
        inverse(airy_large, largest),
    )
    p, q = airy_pq()
    phase = "c = zeta - pi/4, zeta = 2/3 x^(3/2), t = 450/zeta^2 - 1"
    yield "AIRY_P", f"P in Ai(-x) = (P cos c + Q sin c) / (sqrt(pi) x^(1/4)), {phase}", p
    yield "AIRY_Q", "Q zeta in the same", q


def show(name, comment, values):
    body = ", ".join(mp.nstr(v, 20, min_fixed=0, max_fixed=0) for v in values)
    rows = textwrap.wrap(body, 96)
    return "\n".join([f"# {comment}", f"{name} = (", *("    " + r for r in rows), ")", ""])


def main():
    parts = [HEADER]
    for name, comment, values in tables():
        print(name, len(values))
        parts.append(show(name, comment, values))
    rows = temme()
    parts.append(
        "# row k: the power series in eta of c_k(eta), DLMF 8.12.7 to 8.12.12 (Temme 1979)"
    )
    parts.append("TEMME = (")
    for row in rows:
        body = ", ".join(mp.nstr(v, 20, min_fixed=0, max_fixed=0) for v in row)
        parts.append(
            "    (\n" + "\n".join("        " + r for r in textwrap.wrap(body, 92)) + "\n    ),"
        )
    parts.append(")")
    TARGET.write_text("\n".join(parts) + "\n")


if __name__ == "__main__":
    main()
