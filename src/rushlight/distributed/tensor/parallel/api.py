"""parallelize_module."""

import warnings
from fnmatch import fnmatch

from rushlight.distributed.device_mesh import DeviceMesh, current_mesh
from rushlight.distributed.tensor.parallel.style import ParallelStyle
from rushlight.nn import Module

__all__ = ["parallelize_module"]


def parallelize_module(
    module: Module,
    device_mesh: DeviceMesh | None = None,
    parallelize_plan: ParallelStyle | dict[str, ParallelStyle] | None = None,
    *,
    src_data_rank: int | None = 0,
) -> Module:
    """parallelize_module(module, device_mesh=None, parallelize_plan=None, *, src_data_rank=0)

    Cut a module's layers: the plan is a style, or styles for the names of submodules (with ``*``).

    >>> from rushlight.distributed.tensor.parallel import ColwiseParallel, parallelize_module
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1,))
    >>> model = parallelize_module(torch.nn.Linear(2, 4), mesh, ColwiseParallel())
    >>> model(torch.ones(3, 2)).shape
    torch.Size([3, 4])
    >>> torch.distributed.destroy_process_group()
    """
    mesh = current_mesh() if device_mesh is None else device_mesh
    if parallelize_plan is None:
        warnings.warn(
            "No parallelize_plan is provided and auto-parallel is not supported at the moment, "
            "so this parallelize_module call will do nothing.",
            stacklevel=2,
        )
        return module
    if mesh.ndim != 1:
        raise ValueError(
            "`placements` must have the same length as `device_mesh.ndim`! Found placements "
            f"length: 1, and device_mesh.ndim: {mesh.ndim}: give one dimension, as mesh['tp']"
        )
    if isinstance(parallelize_plan, ParallelStyle):
        parallelize_plan.src_data_rank = src_data_rank
        return parallelize_plan._apply(module, mesh)
    if not isinstance(parallelize_plan, dict):
        raise TypeError(
            "Expect Union[ParallelStyle, Dict[str, ParallelStyle]] for parallelize_plan, "
            f"{type(parallelize_plan)} found!"
        )
    for pattern, style in parallelize_plan.items():
        found = [m for name, m in module.named_modules() if _fits(name, pattern)]
        if not found:
            warnings.warn(
                f"Parallelize plan key '{pattern}' could not be resolved: no submodule matching "
                f"token '{pattern}' in module {module}, skipping this plan entry.",
                stacklevel=2,
            )
        for part in found:
            parallelize_module(part, mesh, style, src_data_rank=src_data_rank)
    return module


def _fits(name: str, pattern: str) -> bool:
    """Name for name, so that ``*`` does not reach over dots."""
    have, want = name.split("."), pattern.split(".")
    return len(have) == len(want) and all(map(fnmatch, have, want))
