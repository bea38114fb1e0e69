"""torch.utils.tensorboard.summary: what is written to a log, for other loggers."""

from typing import Any

from rushlight.utils.tensorboard.hparams import check_domains
from rushlight.utils.tensorboard.hparams import hparams as _hparams

__all__ = ["hparams"]


def hparams(
    hparam_dict: dict[str, Any],
    metric_dict: dict[str, Any],
    hparam_domain_discrete: dict[str, list] | None = None,
) -> Any:
    """hparams(hparam_dict, metric_dict, hparam_domain_discrete=None) -> three summaries: of the
    experiment, of the beginning and of the end of a session.
    """
    if not isinstance(hparam_dict, dict):
        raise TypeError("parameter: hparam_dict should be a dictionary, nothing logged.")
    if not isinstance(metric_dict, dict):
        raise TypeError("parameter: metric_dict should be a dictionary, nothing logged.")
    check_domains(hparam_dict, hparam_domain_discrete or {})
    return _hparams(hparam_dict, metric_dict, hparam_domain_discrete)
