"""torch._foreach_*: one operator over lists of tensors, as optimizers outside of torch write them.

Each is a loop over the tensors with the operator's own function. ``X_`` writes into the first list.
"""

from rushlight._core.op import PUBLIC, public
from rushlight._core.tensor import Tensor

UNARY = """
    abs acos asin atan ceil cos cosh erf erfc exp expm1 floor frac lgamma log log10 log1p log2 neg
    reciprocal round rsqrt sigmoid sign sin sinh sqrt tan tanh trunc
    """.split()  # noqa: SIM905 # a page of words
BINARY = {
    "add": "add",
    "clamp_max": "clamp_max",
    "clamp_min": "clamp_min",
    "div": "div",
    "maximum": "clamp_min",
    "minimum": "clamp_max",
    "mul": "mul",
    "pow": "pow",
    "sub": "sub",
}


def tensors_of(name, tensors):
    """The list, or PyTorch's error if it is none, or is empty."""
    if not isinstance(tensors, (list, tuple)):
        raise TypeError(
            f"{name}(): argument 'self' (position 1) must be tuple of Tensors, "
            f"not {type(tensors).__name__}"
        )
    if not tensors:
        raise RuntimeError("Tensor list must have at least one tensor.")
    return tensors


def spread(tensors, other):
    """One second operand for each tensor: a list's own, or the same number or tensor for all."""
    if isinstance(other, Tensor) or not isinstance(other, (list, tuple)):
        return [other] * len(tensors)
    if len(other) != len(tensors):
        if isinstance(other[0] if other else None, Tensor):
            raise RuntimeError(
                "Tensor lists must have the same number of tensors, "
                f"got {len(tensors)} and {len(other)}"
            )
        raise RuntimeError("Tensor list must have same number of elements as scalar list.")
    return other


def publish(name, function):
    """Give a function its names."""
    function.__name__ = function.__qualname__ = f"_foreach_{name}"
    public("torch", out=False)(function)


def define_unary(name):
    """``_foreach_exp`` and ``_foreach_exp_``."""

    def each(self):
        plain = getattr(Tensor, name)
        return tuple([plain(t) for t in tensors_of(f"_foreach_{name}", self)])

    def each_(self):
        in_place = getattr(Tensor, f"{name}_")
        for t in tensors_of(f"_foreach_{name}_", self):
            in_place(t)
        return self

    publish(name, each)
    publish(f"{name}_", each_)


def define_binary(name, method):
    """``_foreach_mul`` and ``_foreach_mul_``: by a number, a tensor, or a list of either."""

    def each(self, other, **options):
        plain = getattr(Tensor, method)
        if name == "pow" and isinstance(self, (int, float)):  # a number to the power of each
            return tuple([self**e for e in tensors_of(f"_foreach_{name}", other)])
        tensors = tensors_of(f"_foreach_{name}", self)
        pairs = zip(tensors, spread(tensors, other), strict=True)
        return tuple([plain(t, o, **options) for t, o in pairs])

    def each_(self, other, **options):
        in_place = getattr(Tensor, f"{method}_")
        tensors = tensors_of(f"_foreach_{name}_", self)
        for t, o in zip(tensors, spread(tensors, other), strict=True):
            in_place(t, o, **options)
        return self

    publish(name, each)
    publish(f"{name}_", each_)


def define_pointwise(name):
    """``_foreach_addcmul`` and ``_foreach_addcmul_``: with a number, or one for each."""

    def columns(full, self, tensor1, tensor2, value):
        tensors = tensors_of(full, self)
        values = value.tolist() if isinstance(value, Tensor) else value
        rows = (tensors, spread(tensors, tensor1), spread(tensors, tensor2))
        return zip(*rows, spread(tensors, values), strict=True)

    def each(self, tensor1, tensor2, value=1):
        plain = getattr(Tensor, name)
        rows = columns(f"_foreach_{name}", self, tensor1, tensor2, value)
        return tuple([plain(t, a, b, value=v) for t, a, b, v in rows])

    def each_(self, tensor1, tensor2, value=1):
        in_place = getattr(Tensor, f"{name}_")
        for t, a, b, v in columns(f"_foreach_{name}_", self, tensor1, tensor2, value):
            in_place(t, a, b, value=v)
        return self

    publish(name, each)
    publish(f"{name}_", each_)


for _name in UNARY:
    define_unary(_name)
for _name, _method in BINARY.items():
    define_binary(_name, _method)
for _name in ("addcmul", "addcdiv"):
    define_pointwise(_name)


@public("torch", out=False)
def _foreach_lerp(self, tensors1, weight):
    rows = zip(
        tensors_of("_foreach_lerp", self), spread(self, tensors1), spread(self, weight), strict=True
    )
    return tuple([t.lerp(end, w) for t, end, w in rows])


@public("torch", out=False)
def _foreach_lerp_(self, tensors1, weight):
    tensors = tensors_of("_foreach_lerp_", self)
    rows = zip(tensors, spread(self, tensors1), spread(self, weight), strict=True)
    for t, end, w in rows:
        t.lerp_(end, w)
    return self


@public("torch", out=False)
def _foreach_norm(self, ord=2, dtype=None):
    tensors = tensors_of("_foreach_norm", self)
    norm = PUBLIC["linalg"]["vector_norm"]
    return tuple([norm(t, ord, dtype=dtype) for t in tensors])


@public("torch", out=False)
def _foreach_max(self):
    return tuple([t.max() for t in tensors_of("_foreach_max", self)])


@public("torch", out=False)
def _foreach_clone(self):
    return tuple([t.clone() for t in tensors_of("_foreach_clone", self)])


@public("torch", out=False)
def _foreach_copy_(self, src, non_blocking=False):
    tensors = tensors_of("_foreach_copy_", self)
    for t, s in zip(tensors, spread(tensors, src), strict=True):
        t.copy_(s, non_blocking)
    return self


@public("torch", out=False)
def _foreach_zero_(self):
    for t in tensors_of("_foreach_zero_", self):
        t.zero_()
    return self
