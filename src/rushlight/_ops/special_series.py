"""Evaluating series on arrays: what the special functions are built from.

Kernels here and in the ``special_*`` files are functions ``kernel(xp, x, ...)`` of one-dimensional
float64 arrays. ``in_double`` makes an op's forward of one. Formulas are cited where they stand:
DLMF is the NIST Digital Library of Mathematical Functions, https://dlmf.nist.gov.
"""

import functools

# Temporaries of a kernel stay in the processor's second-level cache when it sees this many elements
# at a time.
BLOCK = 16384
FEW = 48

# Where the records made of these kernels are public.
SPECIAL = ("special",)
EVERYWHERE = ("torch", "Tensor", "special")


def chebyshev(xp, coefficients, t):
    """Sum ``c0 + c1 T1(t) + c2 T2(t) + ...`` by Clenshaw's recurrence (DLMF 3.11.15).

    A few elements take the definition, Tk(t) = cos(k acos(t)), in one product: 5 us instead of 80.
    """
    if t.size <= FEW:
        angles = xp.multiply.outer(xp.arccos(xp.clip(t, -1, 1)), xp.arange(len(coefficients)))
        return xp.cos(angles) @ xp.asarray(coefficients)
    twice = t + t
    after, here, next_ = xp.zeros_like(t), xp.full_like(t, coefficients[-1]), xp.empty_like(t)
    for c in coefficients[-2:0:-1]:
        xp.multiply(twice, here, out=next_)
        next_ -= after
        next_ += c
        after, here, next_ = here, next_, after
    return t * here - after + coefficients[0]


def polynomial(xp, coefficients, x):
    """Sum ``c0 + c1 x + c2 x**2 + ...`` by Horner's rule."""
    total = xp.full_like(x, coefficients[-1])
    for c in coefficients[-2::-1]:
        total *= x
        total += c
    return total


def piecewise(xp, x, *pieces):
    """Evaluate each ``(mask, function)`` where its mask holds; NaN where none does.

    Earlier pieces win.
    """
    result = None
    for mask, function in pieces:
        if mask.all():
            return function(x) if result is None else _put(xp, x, result, mask, function)
        if mask.any():
            if result is None:
                result = xp.full_like(x, xp.nan)
            _put(xp, x, result, mask, function)
    return xp.full_like(x, xp.nan) if result is None else result


def _put(xp, x, result, mask, function):
    mask = mask & xp.isnan(result)
    result[mask] = function(x[mask])
    return result


def in_double(kernel):
    """Make the forward of an op: float64 inside, blocks of a size that fits the cache, the inputs'
    dtype outside.
    """

    @functools.wraps(kernel)
    def forward(xp, *arrays):
        arrays = xp.broadcast_arrays(*arrays)
        shape, dtype = arrays[0].shape, arrays[0].dtype
        flat = [a.reshape(-1).astype(xp.float64) for a in arrays]
        size = flat[0].size
        if size <= BLOCK:
            return kernel(xp, *flat).reshape(shape).astype(dtype)
        result = xp.empty(size, dtype)
        for start in range(0, size, BLOCK):
            part = slice(start, start + BLOCK)
            result[part] = kernel(xp, *(a[part] for a in flat))
        return result.reshape(shape)

    return forward
