"""torch.return_types: the named tuples of ops with several outputs."""

import operator
from typing import Any

CLASSES: dict[str, type] = {}

# The fields of PyTorch's classes, and the names of these: a file may need one before an op does.
_NAMES = {
    "L info": "linalg_cholesky_ex",
    "LD pivots": "linalg_ldl_factor",
    "LD pivots info": "linalg_ldl_factor_ex",
    "LU pivots": "linalg_lu_factor",
    "LU pivots info": "linalg_lu_factor_ex",
    "P L U": "linalg_lu lu_unpack",
    "Q R": "linalg_qr qr",
    "U S V": "svd",
    "U S Vh": "linalg_svd",
    "a tau": "geqrf",
    "eigenvalues eigenvectors": "linalg_eig linalg_eigh",
    "hist bin_edges": "histogram histogramdd",
    "inverse info": "linalg_inv_ex",
    "mantissa exponent": "frexp",
    "min max": "aminmax",
    "result info": "linalg_solve_ex",
    "sign logabsdet": "linalg_slogdet slogdet",
    "solution cloned_coefficient": "triangular_solve",
    "solution residuals rank singular_values": "linalg_lstsq",
    "values indices": "cummax cummin kthvalue max median min mode nanmedian sort topk",
}
FIELDS = {name: tuple(f.split()) for f, names in _NAMES.items() for name in names.split()}


class NamedResult(tuple):
    """A tuple whose items have names, printed as PyTorch prints them."""

    __slots__ = ()
    fields: tuple[str, ...] = ()

    @property
    def n_fields(self) -> int:
        """How many items there are."""
        return len(self.fields)

    def __repr__(self) -> str:
        shown = ",\n".join(f"{f}={v!r}" for f, v in zip(self.fields, self, strict=True))
        return f"torch.return_types.{type(self).__name__}(\n{shown})"

    def __reduce__(self) -> tuple:
        return make, (type(self).__name__, self.fields, tuple(self))


def class_for(name: str, fields: tuple[str, ...]) -> type:
    """The class ``torch.return_types.<name>``, made on first need."""
    found = CLASSES.get(name)
    if found is None:
        body: dict[str, Any] = {"__slots__": (), "fields": fields, "__match_args__": fields}
        body |= {f: property(operator.itemgetter(i)) for i, f in enumerate(fields)}
        found = CLASSES[name] = type(name, (NamedResult,), body)
        found.__module__ = "torch.return_types"
    return found


def make(name: str, fields: tuple[str, ...], items: tuple) -> tuple:
    """The named tuple of these items."""
    return tuple.__new__(class_for(name, fields), items)


def __getattr__(name: str) -> type:
    """``torch.return_types.max`` and its like, whether the op has run or not."""
    if name not in FIELDS:
        raise AttributeError(f"module 'torch.return_types' has no attribute '{name}'")
    return class_for(name, FIELDS[name])
