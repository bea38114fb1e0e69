"""What the families of yes-and-no trials share: a parameter that is a probability or log odds."""

from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributions.distribution import Distribution
from rushlight.distributions.utils import (
    Parameter,
    broadcast_all,
    check_one_given,
    lazy_property,
    logits_to_probs,
    probs_to_logits,
)


class OddsParameter(Distribution):
    """A family with ``probs`` or ``logits``; the one not given is computed when first read."""

    _param: torch.Tensor

    def _set_odds(
        self, probs: Parameter | None, logits: Parameter | None, *others: Parameter
    ) -> list[torch.Tensor]:
        """Keep the one given as ``_param``; the ``others`` come back with its shape."""
        check_one_given(probs, logits)
        name, given = ("logits", logits) if probs is None else ("probs", probs)
        *rest, self._param = broadcast_all(*others, given)  # type: ignore[arg-type]  # one is given
        setattr(self, name, self._param)
        return rest

    def _expanded_odds(
        self, cls: type, instance: Any, batch_shape: Any, others: Sequence[str] = ()
    ) -> Any:
        new = self._expanded(cls, instance, batch_shape, (*others, "probs", "logits"))
        new._param = new.__dict__["probs" if "probs" in self.__dict__ else "logits"]
        return new

    @lazy_property
    def logits(self) -> torch.Tensor:
        """The log odds."""
        return probs_to_logits(self.probs, is_binary=True)

    @lazy_property
    def probs(self) -> torch.Tensor:
        """The probabilities."""
        return logits_to_probs(self.logits, is_binary=True)


class ShapedOddsParameter(OddsParameter):
    """One that also tells its parameter's shape, as all families but Geometric do."""

    def _new(self, *args: Any, **kwargs: Any) -> torch.Tensor:
        return self._param.new(*args, **kwargs)

    @property
    def param_shape(self) -> torch.Size:
        """The shape of the parameter that was given."""
        return self._param.size()
