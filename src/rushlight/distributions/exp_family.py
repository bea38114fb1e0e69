"""ExponentialFamily: the entropy from the log normalizer."""

from typing import Any

from rushlight import _api as torch
from rushlight import autograd
from rushlight.distributions.distribution import Distribution

__all__ = ["ExponentialFamily"]


class ExponentialFamily(Distribution):
    """Densities exp(<t(x), θ> - F(θ) + k(x)) with natural parameters θ and log normalizer F.

    A family that gives ``_natural_params``, ``_log_normalizer`` and ``_mean_carrier_measure``
    (the mean of k) has an entropy.

    >>> isinstance(torch.distributions.Gamma(1.0, 1.0), torch.distributions.ExponentialFamily)
    True
    >>> torch.distributions.Gamma(torch.tensor(1.0), torch.tensor(1.0)).entropy()
    tensor(1.)
    """

    @property
    def _natural_params(self) -> tuple[torch.Tensor, ...]:
        """θ, one tensor for each statistic."""
        raise NotImplementedError

    def _log_normalizer(self, *natural_params: Any) -> torch.Tensor:
        """F(θ)."""
        raise NotImplementedError

    @property
    def _mean_carrier_measure(self) -> Any:
        """The mean of k(x)."""
        raise NotImplementedError

    def entropy(self) -> torch.Tensor:
        """F(θ) - <θ, ∇F(θ)> - the mean carrier measure."""
        parameters = [p.detach().requires_grad_() for p in self._natural_params]
        normalizer = self._log_normalizer(*parameters)
        slopes = autograd.grad(normalizer.sum(), parameters, create_graph=True)
        result = -self._mean_carrier_measure + normalizer
        for parameter, slope in zip(parameters, slopes, strict=True):
            product = parameter * slope
            result = result - product.reshape((*self._batch_shape, -1)).sum(-1)
        return result
