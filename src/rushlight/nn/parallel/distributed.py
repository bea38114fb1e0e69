"""torch.nn.parallel.distributed: names for what stands in torch.distributed, loaded when used."""

import importlib

_PLACES = {
    "DistributedDataParallel": "rushlight.distributed.data_parallel",
    "_MixedPrecision": "rushlight.distributed.mixed_precision",
}


def __getattr__(name: str) -> object:
    if name in _PLACES:
        return getattr(importlib.import_module(_PLACES[name]), name)
    raise AttributeError(f"module 'torch.nn.parallel' has no attribute '{name}'")
