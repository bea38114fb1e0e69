"""The messages of the hyperparameters' plugin."""

from typing import Any

from rushlight._api import Tensor
from rushlight.utils.tensorboard.events import as_array
from rushlight.utils.tensorboard.summaries import plugin, summary_of


def check_domains(hparams: dict, domains: Any) -> None:
    """TypeError, unless every domain is a list of values of its hyperparameter's type."""
    if not isinstance(domains, dict):
        raise TypeError("parameter: hparam_domain_discrete should be a dictionary, nothing logged.")
    for name, values in domains.items():
        known = name in hparams and isinstance(values, list)
        if not known or not all(isinstance(v, type(hparams[name])) for v in values):
            raise TypeError(
                f"parameter: hparam_domain_discrete[{name}] should be a list of same type as "
                f"hparam_dict[{name}]."
            )


def plain(value: Any) -> float | str:
    """A hyperparameter's value as the message has it; a bool is a number, as in PyTorch."""
    if isinstance(value, (int, float)):
        return float(value)
    if isinstance(value, str):
        return value
    if isinstance(value, Tensor):
        return float(as_array(value)[0])
    raise ValueError("value should be one of int, float, str, bool, or torch.Tensor")


def info_of(name: str, value: float | str, domain: list | None) -> Any:
    """What the experiment knows of a hyperparameter: name, type and domain."""
    from tensorboard.plugins.hparams.api_pb2 import DataType, HParamInfo

    kind = "DATA_TYPE_STRING" if isinstance(value, str) else "DATA_TYPE_FLOAT64"
    info = HParamInfo(name=name, type=DataType.Value(kind))
    if domain is not None:
        info.domain_discrete.SetInParent()
        info.domain_discrete.extend([plain(v) for v in domain])
    return info


def hparams(values: dict, metrics: dict, domains: dict | None) -> list[Any]:
    """The summaries of an experiment, of its session's start and of its end."""
    from tensorboard.plugins.hparams import api_pb2, metadata
    from tensorboard.plugins.hparams import plugin_data_pb2 as data

    domains = domains or {}
    check_domains(values, domains)
    start = data.SessionStartInfo()
    infos = []
    for name, value in values.items():
        if value is None:
            continue
        number = plain(value)
        field = "string_value" if isinstance(number, str) else "number_value"
        setattr(start.hparams[name], field, number)
        # A tensor's domain is not looked at, as in PyTorch.
        domain = None if isinstance(value, Tensor) else domains.get(name)
        infos.append(info_of(name, number, domain))
    measured = [api_pb2.MetricInfo(name=api_pb2.MetricName(tag=tag)) for tag in metrics]
    end = data.SessionEndInfo(status=api_pb2.Status.Value("STATUS_SUCCESS"))
    messages = {
        metadata.EXPERIMENT_TAG: {
            "experiment": api_pb2.Experiment(hparam_infos=infos, metric_infos=measured)
        },
        metadata.SESSION_START_INFO_TAG: {"session_start_info": start},
        metadata.SESSION_END_INFO_TAG: {"session_end_info": end},
    }
    version = metadata.PLUGIN_DATA_VERSION
    contents = {
        tag: data.HParamsPluginData(version=version, **part).SerializeToString()
        for tag, part in messages.items()
    }
    return [
        summary_of(tag, metadata=plugin(metadata.PLUGIN_NAME, content))
        for tag, content in contents.items()
    ]
