"""DTensors of constants and of random numbers."""

from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.device_mesh import DeviceMesh
from rushlight.distributed.tensor.dtensor import DTensor, distribute_tensor
from rushlight.distributed.tensor.placement_types import Placement


def _made(
    make: Callable[..., torch.Tensor],
    size: Any,
    dtype: torch.dtype | None,
    requires_grad: bool,
    mesh: DeviceMesh | None,
    placements: Sequence[Placement] | None,
) -> DTensor:
    shape = size[0] if len(size) == 1 and not isinstance(size[0], int) else size
    whole = make(*shape, dtype=dtype)
    return distribute_tensor(whole, mesh, placements).requires_grad_(requires_grad)


def ones(
    *size: Any,
    dtype: torch.dtype | None = None,
    requires_grad: bool = False,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
) -> DTensor:
    """ones(*size, dtype=None, requires_grad=False, device_mesh=None, placements=None)

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> dist.tensor.ones(2, device_mesh=mesh, placements=[dist.tensor.Shard(0)]).to_local()
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    return _made(torch.ones, size, dtype, requires_grad, device_mesh, placements)


def zeros(
    *size: Any,
    dtype: torch.dtype | None = None,
    requires_grad: bool = False,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
) -> DTensor:
    """zeros(*size, dtype=None, requires_grad=False, device_mesh=None, placements=None)

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> dist.tensor.zeros(2, device_mesh=mesh, placements=[dist.tensor.Shard(0)]).to_local()
    tensor([0., 0.])
    >>> dist.destroy_process_group()
    """
    return _made(torch.zeros, size, dtype, requires_grad, device_mesh, placements)


def empty(
    *size: Any,
    dtype: torch.dtype | None = None,
    requires_grad: bool = False,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
) -> DTensor:
    """empty(*size, dtype=None, requires_grad=False, device_mesh=None, placements=None)

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> dist.tensor.empty(2, 3, device_mesh=mesh, placements=[dist.tensor.Shard(0)]).shape
    torch.Size([2, 3])
    >>> dist.destroy_process_group()
    """
    return _made(torch.empty, size, dtype, requires_grad, device_mesh, placements)


def rand(
    *size: Any,
    dtype: torch.dtype | None = None,
    requires_grad: bool = False,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
) -> DTensor:
    """rand(*size, dtype=None, ...): the numbers are those of the first process.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> dist.tensor.rand(2, 3, device_mesh=mesh, placements=[dist.tensor.Shard(0)]).shape
    torch.Size([2, 3])
    >>> dist.destroy_process_group()
    """
    return _made(torch.rand, size, dtype, requires_grad, device_mesh, placements)


def randn(
    *size: Any,
    dtype: torch.dtype | None = None,
    requires_grad: bool = False,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
) -> DTensor:
    """randn(*size, dtype=None, ...): the numbers are those of the first process.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> dist.tensor.randn(2, 3, device_mesh=mesh, placements=[dist.tensor.Shard(0)]).shape
    torch.Size([2, 3])
    >>> dist.destroy_process_group()
    """
    return _made(torch.randn, size, dtype, requires_grad, device_mesh, placements)


def full(
    size: Any,
    fill_value: Any,
    *,
    dtype: torch.dtype | None = None,
    requires_grad: bool = False,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
) -> DTensor:
    """full(size, fill_value, *, dtype=None, ...)

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> dist.tensor.full((2,), 5.0, device_mesh=mesh, placements=[dist.tensor.Shard(0)]).to_local()
    tensor([5., 5.])
    >>> dist.destroy_process_group()
    """
    whole = torch.full(size, fill_value, dtype=dtype)
    return distribute_tensor(whole, device_mesh, placements).requires_grad_(requires_grad)
