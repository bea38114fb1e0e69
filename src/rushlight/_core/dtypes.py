"""dtype objects, the promotion lattice, and the default dtype."""

import math
from typing import Any

import ml_dtypes
import numpy as np

BY_NUMPY: dict[np.dtype, "dtype"] = {}
BY_NAME: dict[str, "dtype"] = {}

# Categories order promotion: a higher one wins whatever the width.
BOOL, INTEGER, FLOATING, COMPLEX = 0, 1, 2, 3


class dtype:
    """The type of a tensor's elements: ``torch.float32`` and its like, compared by identity.

    >>> torch.float64.itemsize, torch.float64.is_floating_point, torch.float32 is torch.float
    (8, True, True)
    >>> torch.ones(2).dtype
    torch.float32
    """

    __slots__ = ("category", "is_signed", "itemsize", "name", "numpy")

    def __init__(self, name: str, numpy_type: Any, category: int) -> None:
        self.name = name
        # NumPy's dtype; None for complex32. Any: what computes never meets that one.
        self.numpy: Any = np.dtype(numpy_type) if numpy_type is not None else None
        self.category = category
        self.itemsize: int = _ITEMSIZES[name] if self.numpy is None else self.numpy.itemsize
        self.is_signed = category != BOOL and not name.startswith("uint")
        BY_NAME[name] = self
        if self.numpy is not None:
            BY_NUMPY[self.numpy] = self

    @property
    def is_floating_point(self) -> bool:
        return self.category == FLOATING

    @property
    def is_complex(self) -> bool:
        return self.category == COMPLEX

    def to_real(self) -> "dtype":
        """The dtype of the real part: ``complex64`` -> ``float32``."""
        return {complex128: float64, complex64: float32, complex32: float16}.get(self, self)

    def to_complex(self) -> "dtype":
        """The complex dtype that holds this one: ``float32`` -> ``complex64``."""
        return {float64: complex128, float32: complex64, float16: complex32}.get(self, self)

    def __repr__(self) -> str:
        return f"torch.{self.name}"

    def __reduce__(self) -> tuple:
        return _by_name, (self.name,)

    def __copy__(self) -> "dtype":
        return self

    def __deepcopy__(self, memo: dict) -> "dtype":
        return self


def _by_name(name: str) -> dtype:
    return BY_NAME[name]


_ITEMSIZES = {"complex32": 4}

float64 = double = dtype("float64", "f8", FLOATING)
float32 = float_ = dtype("float32", "f4", FLOATING)
float16 = half = dtype("float16", "f2", FLOATING)
bfloat16 = dtype("bfloat16", ml_dtypes.bfloat16, FLOATING)
float8_e4m3fn = dtype("float8_e4m3fn", ml_dtypes.float8_e4m3fn, FLOATING)
float8_e5m2 = dtype("float8_e5m2", ml_dtypes.float8_e5m2, FLOATING)
float8_e4m3fnuz = dtype("float8_e4m3fnuz", ml_dtypes.float8_e4m3fnuz, FLOATING)
float8_e5m2fnuz = dtype("float8_e5m2fnuz", ml_dtypes.float8_e5m2fnuz, FLOATING)
float8_e8m0fnu = dtype("float8_e8m0fnu", ml_dtypes.float8_e8m0fnu, FLOATING)
complex128 = cdouble = dtype("complex128", "c16", COMPLEX)
complex64 = cfloat = dtype("complex64", "c8", COMPLEX)
complex32 = chalf = dtype("complex32", None, COMPLEX)  # named only: NumPy has no such array
int64 = long = dtype("int64", "i8", INTEGER)
int32 = int_ = dtype("int32", "i4", INTEGER)
int16 = short = dtype("int16", "i2", INTEGER)
int8 = dtype("int8", "i1", INTEGER)
uint64 = dtype("uint64", "u8", INTEGER)
uint32 = dtype("uint32", "u4", INTEGER)
uint16 = dtype("uint16", "u2", INTEGER)
uint8 = dtype("uint8", "u1", INTEGER)
bool_ = dtype("bool", "?", BOOL)

# What users write: torch.float, torch.long, ... (aliases of the objects above).
PUBLIC = {d.name: d for d in BY_NAME.values()} | {
    "double": double,
    "float": float_,
    "half": half,
    "long": long,
    "int": int_,
    "short": short,
    "cdouble": cdouble,
    "cfloat": cfloat,
    "chalf": chalf,
}

HALF = frozenset({float16.numpy, bfloat16.numpy})
# Arrays of these dtypes need no conversion for an op on floating-point numbers.
FLOATS = frozenset(np.dtype(c) for c in "fdFD")
FLOATING_NUMPY = frozenset(d.numpy for d in BY_NUMPY.values() if d.category >= FLOATING)

_default = float32


def get_default_dtype() -> dtype:
    """get_default_dtype() -> dtype

    The floating-point dtype given to Python floats (``torch.float32`` unless changed).

    >>> torch.get_default_dtype()
    torch.float32
    """
    return _default


def set_default_dtype(d: dtype, /) -> None:
    """set_default_dtype(d) -> None

    Set the floating-point dtype given to Python floats. Raises TypeError for any other dtype.

    >>> torch.set_default_dtype(torch.float64)
    >>> torch.tensor([1.5]).dtype
    torch.float64
    >>> torch.set_default_dtype(torch.float32)
    """
    global _default
    if not isinstance(d, dtype) or not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d}")
    _default = d


def of_array(array: np.ndarray | np.generic) -> dtype:
    """The dtype object of a NumPy array or scalar; TypeError for what tensors cannot hold."""
    try:
        return BY_NUMPY[array.dtype]
    except KeyError:
        native = array.dtype.newbyteorder("=") if array.dtype.kind in "iufcb" else None
        if native in BY_NUMPY:
            return BY_NUMPY[native]
        raise TypeError(
            f"can't convert np.ndarray of type {array.dtype}. The only supported types are: "
            "float64, "
            "float32, float16, complex64, complex128, int64, int32, int16, int8, uint64, uint32, "
            "uint16, "
            "uint8, and bool."
        ) from None


# ---- promotion -----------------------------------------------------------------------------------

_ORDER = [uint8, int8, int16, int32, int64]


def _promote_integers(a: dtype, b: dtype) -> dtype:
    if {a, b} == {uint8, int8}:
        return int16
    return max(a, b, key=_ORDER.index)


def _promote_floats(a: dtype, b: dtype) -> dtype:
    if {a, b} == {float16, bfloat16}:
        return float32
    return a if a.itemsize >= b.itemsize else b


def _refuse(a: dtype, b: dtype) -> None:
    """float8 promotes with nothing but itself, wide unsigned integers only with real floats."""
    pair = f"attempted to promote {scalar_name(a)} and {scalar_name(b)}"
    for d, other in ((a, b), (b, a)):
        if d.category == FLOATING and d.itemsize == 1:
            raise RuntimeError(f"Promotion for Float8 Types is not supported, {pair}")
        if d in (uint16, uint32, uint64) and other.category != FLOATING:
            raise RuntimeError(
                f"Promotion for uint16, uint32, uint64 types is not supported, {pair}"
            )


def _promote(a: dtype, b: dtype) -> dtype:
    if a is b:
        return a
    _refuse(a, b)
    if a.category == b.category:
        if a.category == INTEGER:
            return _promote_integers(a, b)
        return _promote_floats(a, b)
    low, high = (a, b) if a.category < b.category else (b, a)
    if high.category == COMPLEX and low.category == FLOATING:
        if low is bfloat16:
            return high if high is not complex32 else complex64
        return _promote(high, low.to_complex())
    return high


_table: dict[tuple[dtype, dtype], dtype] = {}


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """promote_types(type1, type2) -> dtype

    The smallest dtype that is at least as large as, and of no lower kind than, both.

    >>> torch.promote_types(torch.int32, torch.float16)
    torch.float16
    """
    pair = (type1, type2)
    found = _table.get(pair)
    if found is None:
        found = _table[pair] = _promote(type1, type2)
    return found


def scalar_dtype(number: object) -> dtype:
    """The dtype a Python number brings along: its category, at the default width."""
    if isinstance(number, (bool, np.bool_)):
        return bool_
    if isinstance(number, (int, np.integer)):
        return int64
    if isinstance(number, (float, np.floating)):
        return _default
    return _default.to_complex()


def can_cast(from_: dtype, to: dtype) -> bool:
    """can_cast(from_, to) -> bool

    Whether a tensor of ``from_`` may be written into one of ``to``: its kind may not fall.

    >>> torch.can_cast(torch.float32, torch.int64)
    False
    """
    if to is bool_:
        return from_ is bool_
    return from_.category <= to.category


def result_dtype(dimensioned: list[dtype], zero_dim: list[dtype], numbers: list[dtype]) -> dtype:
    """PyTorch's promotion: tensors with dimensions come first, then 0-d tensors, then Python
    numbers.

    A lower class takes part only if its category is higher than what stands above it.
    """
    result = None
    for group in (dimensioned, zero_dim, numbers):
        merged = None
        for d in group:
            merged = d if merged is None else promote_types(merged, d)
        if merged is None:
            continue
        if result is None:
            result = merged
        elif merged.category > result.category:
            if result.category == FLOATING and merged.category == COMPLEX:
                # A complex number next to a float tensor keeps the float's width.
                merged = result.to_complex() if result is not bfloat16 else complex64
            result = merged
    return result if result is not None else _default


_SCALAR_NAMES = {
    float64: "Double",
    float32: "Float",
    float16: "Half",
    bfloat16: "BFloat16",
    complex128: "ComplexDouble",
    complex64: "ComplexFloat",
    complex32: "ComplexHalf",
    int64: "Long",
    int32: "Int",
    int16: "Short",
    int8: "Char",
    uint8: "Byte",
    uint16: "UInt16",
    uint32: "UInt32",
    uint64: "UInt64",
    bool_: "Bool",
    float8_e4m3fn: "Float8_e4m3fn",
    float8_e5m2: "Float8_e5m2",
    float8_e4m3fnuz: "Float8_e4m3fnuz",
    float8_e5m2fnuz: "Float8_e5m2fnuz",
    float8_e8m0fnu: "Float8_e8m0fnu",
}


def scalar_name(d: dtype) -> str:
    """PyTorch's name of a dtype in its error texts: 'Float', 'Long', ..."""
    return _SCALAR_NAMES[d]


def cpp_name(d: dtype) -> str:
    """PyTorch's other name of a dtype in its error texts, C++'s: 'float', 'long int', ..."""
    special = {int64: "long int", int16: "short int", int8: "signed char", uint8: "unsigned char"}
    names = {float32: "float", float64: "double", int32: "int", bool_: "bool"}
    complexes = {complex64: "c10::complex<float>", complex128: "c10::complex<double>"}
    return (special | names | complexes).get(d, f"c10::{scalar_name(d)}")


# ---- numeric limits ------------------------------------------------------------------------------


class finfo:
    """finfo(dtype=None)

    Limits of a floating-point dtype: ``bits``, ``eps``, ``max``, ``min``, ``tiny``,
    ``smallest_normal``,
    ``resolution``. Raises TypeError for other dtypes.

    >>> torch.finfo(torch.float32).max, torch.finfo(torch.float16).eps
    (3.4028234663852886e+38, 0.0009765625)
    >>> torch.finfo(torch.bfloat16)
    finfo(resolution=0.01, min=-3.38953e+38, max=3.38953e+38, eps=0.0078125,
          smallest_normal=1.17549e-38, tiny=1.17549e-38, dtype=bfloat16)
    """

    def __init__(self, type: dtype | None = None) -> None:
        d = _default if type is None else type.to_real()
        if not d.is_floating_point:
            raise TypeError(
                "torch.finfo() requires a floating point input type. Use torch.iinfo to handle "
                f"'{d}'"
            )
        info = ml_dtypes.finfo(d.numpy)
        self.bits = info.bits
        self.eps, self.max, self.min = float(info.eps), float(info.max), float(info.min)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        # As many decimal digits as are exact: ml_dtypes rounds the number to the dtype.
        self.resolution = float(f"1e-{int(info.nmant * math.log10(2))}")
        self.dtype = d.name

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        shown = ", ".join(f"{n}={getattr(self, n):g}" for n in names)
        return f"finfo({shown}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, finfo) and self.dtype == other.dtype

    __hash__ = None  # type: ignore[assignment]  # how Python says "not hashable"


class iinfo:
    """iinfo(dtype)

    Limits of an integer dtype: ``bits``, ``max``, ``min``. Raises TypeError for other dtypes.

    >>> torch.iinfo(torch.int8)
    iinfo(min=-128, max=127, dtype=int8)
    """

    def __init__(self, type: dtype) -> None:
        if type.category != INTEGER:
            raise TypeError(
                f"torch.iinfo() requires an integer input type. Use torch.finfo to handle '{type}'"
            )
        info = np.iinfo(type.numpy)
        self.bits, self.max, self.min, self.dtype = (
            info.bits,
            int(info.max),
            int(info.min),
            type.name,
        )

    def __repr__(self) -> str:
        return f"iinfo(min={self.min}, max={self.max}, dtype={self.dtype})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, iinfo) and self.dtype == other.dtype

    __hash__ = None  # type: ignore[assignment]  # how Python says "not hashable"
