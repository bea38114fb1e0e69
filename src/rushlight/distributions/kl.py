"""kl_divergence, and the registry of its formulas by pairs of types.

The formulas themselves are in ``kl_formulas`` (within a family) and ``kl_across``.
"""

from rushlight.distributions import kl_across as kl_across
from rushlight.distributions import kl_formulas as kl_formulas
from rushlight.distributions.kl_registry import _KL_MEMOIZE as _KL_MEMOIZE
from rushlight.distributions.kl_registry import _KL_REGISTRY as _KL_REGISTRY
from rushlight.distributions.kl_registry import kl_divergence as kl_divergence
from rushlight.distributions.kl_registry import register_kl as register_kl

__all__ = ["kl_divergence", "register_kl"]
