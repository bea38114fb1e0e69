"""register_kl and kl_divergence: the most specific formula for a pair of types."""

import warnings
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.distributions.distribution import Distribution

Formula = Callable[[Any, Any], torch.Tensor]
Pair = tuple[type, type]
# What is registered, and what was found for a pair of types since the last registration.
_KL_REGISTRY: dict[Pair, Formula] = {}
_KL_MEMOIZE: dict[Pair, Formula | None] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[Formula], Formula]:
    """register_kl(type_p, type_q) -> decorator

    Register the decorated function of ``(p, q)`` as the divergence of these types and of their
    subclasses. TypeError for what is not a class; any class will do, as in PyTorch.

    >>> class Shifted(torch.distributions.Normal):
    ...     pass
    >>> @torch.distributions.register_kl(Shifted, Shifted)
    ... def distance(p, q):
    ...     return (p.loc - q.loc).abs()
    >>> torch.distributions.kl_divergence(Shifted(0.0, 1.0), Shifted(3.0, 1.0))
    tensor(3.)
    """
    if not (isinstance(type_p, type) and isinstance(type_q, type)):
        raise TypeError("issubclass() arg 1 must be a class")

    def decorator(formula: Formula) -> Formula:
        _KL_REGISTRY[type_p, type_q] = formula
        _KL_MEMOIZE.clear()
        return formula

    return decorator


def _smallest(pairs: list[Pair]) -> Pair:
    """The pair whose types, the first type first, are the most derived."""
    best = pairs[0]
    for pair in pairs[1:]:
        for mine, other in zip(pair, best, strict=True):
            if not issubclass(mine, other):
                break
            if mine is not other:
                best = pair
                break
    return best


def _find(type_p: type, type_q: type) -> Formula | None:
    """The formula for these types; RuntimeWarning where two fit equally well."""
    pairs = [(p, q) for p, q in _KL_REGISTRY if issubclass(type_p, p) and issubclass(type_q, q)]
    if not pairs:
        return None
    left_p, left_q = _smallest(pairs)
    right_q, right_p = _smallest([(q, p) for p, q in pairs])
    left, right = _KL_REGISTRY[left_p, left_q], _KL_REGISTRY[right_p, right_q]
    if left is not right:
        warnings.warn(
            f"Ambiguous kl_divergence({type_p.__name__}, {type_q.__name__}). "
            f"Please register_kl({left_p.__name__}, {right_q.__name__})",
            RuntimeWarning,
            stacklevel=3,
        )
    return left


def kl_divergence(p: Distribution, q: Distribution) -> torch.Tensor:
    """kl_divergence(p, q) -> Tensor

    The Kullback-Leibler divergence, the mean of log p(x) - log q(x) under p, of the batch shape.
    NotImplementedError if there is no formula for these types.

    >>> from rushlight.distributions import Normal, kl_divergence
    >>> kl_divergence(Normal(0.0, 1.0), Normal(1.0, 1.0))
    tensor(0.5000)
    """
    pair = (type(p), type(q))
    if pair not in _KL_MEMOIZE:
        _KL_MEMOIZE[pair] = _find(*pair)
    formula = _KL_MEMOIZE[pair]
    if formula is None:
        raise NotImplementedError(
            "No KL(p || q) is implemented for p type "
            f"{p.__class__.__name__} and q type {q.__class__.__name__}"
        )
    return formula(p, q)
