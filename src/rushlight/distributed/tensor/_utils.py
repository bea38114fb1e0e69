"""torch.distributed.tensor._utils: the part of a tensor that a process has."""

from collections.abc import Sequence

from rushlight import _api as torch
from rushlight.distributed.device_mesh import DeviceMesh
from rushlight.distributed.tensor.placement_types import Placement, Shard, cut_in_order


def compute_local_shape_and_global_offset(
    global_shape: Sequence[int], mesh: DeviceMesh, placements: Sequence[Placement]
) -> tuple["torch.Size", tuple[int, ...]]:
    """The shape of this process's part of a tensor, and where the part begins in the whole."""
    shape, offset = list(global_shape), [0] * len(global_shape)
    coordinate = mesh.get_coordinate()
    if coordinate is None:  # not in the mesh
        return torch.Size([0]), ()
    for d in cut_in_order(placements):
        place = placements[d]
        if isinstance(place, Shard):
            length, start = Shard.local_shard_size_and_offset(
                shape[place.dim], mesh.shape[d], coordinate[d]
            )
            shape[place.dim] = length
            offset[place.dim] += start
    return torch.Size(shape), tuple(offset)
