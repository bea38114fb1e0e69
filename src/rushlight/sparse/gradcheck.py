"""gradcheck for functions of sparse tensors."""

from collections.abc import Callable
from functools import wraps
from typing import Any

from rushlight import _api as torch

Tensor = torch.Tensor


def as_sparse_gradcheck(gradcheck: Callable) -> Callable:
    """as_sparse_gradcheck(gradcheck) -> function

    ``torch.autograd.gradcheck`` for functions that take or return sparse tensors. By default all
    elements of a sparse input are varied, the zeros too; with ``masked=True`` those it holds.

    >>> check = torch.sparse.as_sparse_gradcheck(torch.autograd.gradcheck)
    >>> x = torch.eye(2, dtype=torch.float64).to_sparse().requires_grad_()
    >>> check(lambda s: s.to_dense(), x)
    True
    """

    @wraps(gradcheck)
    def gradcheck_with_sparse_support(func: Callable, inputs: Any, **kwargs: Any) -> Any:
        masked = kwargs.pop("masked", False)
        given = inputs if isinstance(inputs, tuple | list) else (inputs,)
        leaves, builders = [], []
        for value in given:
            leaf, build = _strided(value, masked)
            leaves.append(leaf)
            builders.append(build)

        def strided(*args: Any) -> Any:
            results = func(*[b(a) for b, a in zip(builders, args, strict=True)])
            if isinstance(results, tuple | list):
                return tuple([_dense(r) for r in results])
            return _dense(results)

        return gradcheck(strided, tuple(leaves), **kwargs)

    return gradcheck_with_sparse_support


def _is_sparse(value: Any) -> bool:
    return isinstance(value, Tensor) and value.layout != torch.strided


def _strided(value: Any, masked: bool) -> tuple[Any, Callable]:
    """A strided leaf for a sparse input that requires grad, and what makes the input of it."""
    if not (_is_sparse(value) and value.requires_grad):
        return value, lambda t: t
    source = value.detach()
    layout, shape = value.layout, tuple(value.shape)
    if masked:
        coo = (source if layout == torch.sparse_coo else source.to_sparse()).coalesce()
    else:
        coo = torch.ones(shape[: source.sparse_dim()]).to_sparse()
    indices = coo.indices()
    values = coo.values() if masked else source.to_dense()[tuple(indices)]

    def build(t: Any) -> Any:
        made = torch.sparse_coo_tensor(indices, t, shape, is_coalesced=True)
        return made if layout == torch.sparse_coo else made.to_sparse(layout=layout)

    return values.clone().requires_grad_(), build


def _dense(value: Any) -> Any:
    return value.to_dense() if _is_sparse(value) else value
