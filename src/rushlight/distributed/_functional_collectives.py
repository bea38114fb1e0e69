"""torch.distributed._functional_collectives: collectives that return new tensors.

They are done when they return: ``wait_tensor`` has nothing to wait for. Groups are process groups,
meshes of one dimension, or (mesh, dimension).
"""

from typing import Any

from rushlight import _api as torch
from rushlight.distributed import collectives
from rushlight.distributed.device_mesh import DeviceMesh
from rushlight.distributed.groups import the_group
from rushlight.distributed.nn import functional
from rushlight.distributed.reduce_op import ReduceOp

__all__ = [
    "all_gather_tensor",
    "all_reduce",
    "all_to_all_single",
    "all_to_all_single_autograd",
    "broadcast",
    "reduce_scatter_tensor",
    "wait_tensor",
]


def _group(group: Any) -> Any:
    if isinstance(group, DeviceMesh):
        return group.get_group()
    if isinstance(group, tuple) and isinstance(group[0], DeviceMesh):
        return group[0].get_group(group[1])
    if isinstance(group, (list, str)):
        raise NotImplementedError("name the group by a ProcessGroup or a DeviceMesh")
    return the_group(group)


def wait_tensor(tensor: torch.Tensor) -> torch.Tensor:
    """wait_tensor(tensor): the tensor; it is there."""
    return tensor


def all_reduce(
    self: torch.Tensor,
    reduceOp: str,  # noqa: N803 (PyTorch's name)
    group: Any = None,
    tag: str = "",
) -> torch.Tensor:
    """all_reduce(self, reduceOp, group): the reduction ('sum', 'avg', 'max', ...) of all, as a new
    tensor.
    """
    op = getattr(ReduceOp, reduceOp.upper())
    result: torch.Tensor = functional.all_reduce(self.clone(), op, _group(group))
    return result


def broadcast(self: torch.Tensor, src: int, group: Any = None, tag: str = "") -> torch.Tensor:
    """broadcast(self, src, group): the tensor of rank ``src``."""
    out = self.detach().clone(memory_format=torch.contiguous_format)
    collectives.broadcast(out, src, _group(group))
    return out


def all_gather_tensor(
    self: torch.Tensor, gather_dim: int, group: Any = None, tag: str = ""
) -> torch.Tensor:
    """all_gather_tensor(self, gather_dim, group): the tensors of all, put together along a
    dimension.
    """
    pg = _group(group)
    parts = [torch.empty_like(self, memory_format=torch.contiguous_format) for _ in pg.ranks]
    collectives.all_gather(parts, self.detach().contiguous(), pg)
    return torch.cat(parts, gather_dim)


def reduce_scatter_tensor(
    self: torch.Tensor,
    reduceOp: str,  # noqa: N803 (PyTorch's name)
    scatter_dim: int,
    group: Any = None,
    tag: str = "",
) -> torch.Tensor:
    """reduce_scatter_tensor(self, reduceOp, scatter_dim, group): the own part, along a dimension,
    of the reduction of all.
    """
    pg = _group(group)
    size = pg.size()
    if self.shape[scatter_dim] % size:
        raise AssertionError(
            f"input dimension 0 ({self.shape[0]} must be a multiple of group_size {size}"
        )
    parts = [p.contiguous() for p in self.detach().chunk(size, scatter_dim)]
    out = torch.empty_like(parts[0])
    collectives.reduce_scatter(out, parts, getattr(ReduceOp, reduceOp.upper()), pg)
    return out


def all_to_all_single(
    self: torch.Tensor,
    output_split_sizes: list[int] | None,
    input_split_sizes: list[int] | None,
    group: Any = None,
    tag: str = "",
) -> torch.Tensor:
    """all_to_all_single(self, output_split_sizes, input_split_sizes, group): the rows that all have
    for this process; the sizes say how many come from and go to each, None: equally many.
    """
    rows = self.shape[0] if output_split_sizes is None else sum(output_split_sizes)
    out = torch.empty((rows, *self.shape[1:]), dtype=self.dtype, device=self.device)
    result: torch.Tensor = functional.all_to_all_single(
        out, self, output_split_sizes, input_split_sizes, _group(group)
    )
    return result


all_to_all_single_autograd = all_to_all_single
