"""torch.nn.parallel.distributed: a name for what stands in torch.distributed, loaded when used."""

import importlib


def __getattr__(name: str) -> object:
    if name == "DistributedDataParallel":
        module = importlib.import_module("rushlight.distributed.data_parallel")
        return module.DistributedDataParallel
    raise AttributeError(f"module 'torch.nn.parallel' has no attribute '{name}'")
