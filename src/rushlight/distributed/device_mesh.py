"""torch.distributed.device_mesh: the processes as a grid."""

import math
from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributed import nccl
from rushlight.distributed.groups import (
    default_group,
    get_rank,
    get_world_size,
    init_process_group,
    is_initialized,
    new_group,
)
from rushlight.distributed.process_group import ProcessGroup

__all__ = ["DeviceMesh", "init_device_mesh"]


class DeviceMesh:
    """DeviceMesh(device_type, mesh, *, mesh_dim_names=None)

    Processes as a grid: ``mesh`` holds their ranks. Along each dimension there is a group of the
    processes that differ only there.

    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> torch.distributed.init_device_mesh("cpu", (1,))
    DeviceMesh((1,), 'cpu', stride=((),))
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        device_type: str,
        mesh: Any = None,
        *,
        mesh_dim_names: tuple[str, ...] | None = None,
        backend_override: Any = None,
        _groups: Sequence[ProcessGroup | None] | None = None,
        _init_backend: bool = True,
    ) -> None:
        if device_type not in ("cpu", "cuda"):
            raise RuntimeError(f"a mesh of {device_type} devices needs an engine for them: use cpu")
        if device_type == "cuda":
            nccl.module()  # PyTorch's error where there is no GPU
        self._device_type = device_type
        grid = torch.as_tensor(mesh)
        self.mesh = grid.to(torch.int32).detach()
        self.mesh_dim_names = mesh_dim_names
        self._root: DeviceMesh | None = None
        self._flattened: dict[str, DeviceMesh] = {}
        if not is_initialized():
            init_process_group("gloo" if device_type == "cpu" else "nccl")
        if self.mesh.numel() > get_world_size():
            raise RuntimeError(
                f"Mesh should not be bigger than default world size {get_world_size()}, "
                f"but found {self.mesh.numel()} ranks!"
            )
        place = (self.mesh == get_rank()).nonzero()
        self._coordinate = tuple(place[0].tolist()) if len(place) else None
        self._dim_groups = self._make_groups() if _groups is None else list(_groups)

    def _make_groups(self) -> list[ProcessGroup | None]:
        """The group along each dimension; all processes make all of them."""
        found: list[ProcessGroup | None] = []
        size = get_world_size()
        for dim in range(self.mesh.ndim):
            lines = self.mesh.movedim(dim, -1).reshape(-1, self.mesh.shape[dim]).tolist()
            mine = None
            for ranks in lines:
                if ranks == list(range(size)):
                    mine = default_group()
                    continue
                name = self.mesh_dim_names[dim] if self.mesh_dim_names else f"dim_{dim}"
                group = new_group(ranks, group_desc=f"mesh_{name}", sort_ranks=False)
                if get_rank() in ranks:
                    mine = group
            found.append(mine)
        return found

    def __repr__(self) -> str:
        shape: Any = tuple(self.mesh.shape)
        if self.mesh_dim_names:
            pairs = zip(self.mesh_dim_names, shape, strict=True)
            shape = f"({', '.join(f'{name}={size}' for name, size in pairs)})"
        strides = [self._stride(d) for d in range(self.ndim)]
        text = ", ".join(map(str, strides)) + ("," if len(strides) == 1 else "")
        return f"DeviceMesh({shape}, '{self._device_type}', stride=({text}))"

    def _stride(self, dim: int) -> Any:
        """How far apart the ranks along a dimension are."""
        line = self.mesh.movedim(dim, 0).reshape(self.mesh.shape[dim], -1)
        return int(line[1, 0] - line[0, 0]) if len(line) > 1 else ()

    def __eq__(self, other: object) -> bool:
        return (
            isinstance(other, DeviceMesh)
            and self.mesh.shape == other.mesh.shape
            and bool((self.mesh == other.mesh).all())
            and self.mesh_dim_names == other.mesh_dim_names
        )

    def __hash__(self) -> int:
        return hash((tuple(self.mesh.reshape(-1).tolist()), self.mesh_dim_names))

    def __getitem__(self, names: str | tuple[str, ...]) -> "DeviceMesh":
        """The part of the mesh with these dimensions that this process is in."""
        if not self.mesh_dim_names:
            raise RuntimeError("Cannot slice a DeviceMesh without mesh_dim_names!")
        chosen = (names,) if isinstance(names, str) else tuple(names)
        if len(chosen) == 1 and chosen[0] in self._flattened:
            return self._flattened[chosen[0]]
        unknown = [n for n in chosen if n not in self.mesh_dim_names]
        if unknown:
            raise KeyError(
                f"Invalid mesh_dim_names {chosen} specified. "
                f"Valid mesh_dim_names are {[*self.mesh_dim_names, *self._flattened]}."
            )
        if chosen == self.mesh_dim_names:
            return self
        dims = [self.mesh_dim_names.index(n) for n in chosen]
        if dims != sorted(dims):
            raise KeyError(
                f"Invalid mesh_dim_names {chosen} specified. "
                "Mesh dim indices should be in ascending order."
            )
        index = tuple(
            slice(None) if d in dims else (self._coordinate or [0] * self.ndim)[d]
            for d in range(self.ndim)
        )
        part = DeviceMesh(
            self._device_type,
            self.mesh[index],
            mesh_dim_names=chosen,
            _groups=[self._dim_groups[d] for d in dims],
        )
        part._root = self if self._root is None else self._root
        return part

    def joined(self, other: "DeviceMesh") -> "DeviceMesh":
        """The mesh of which this one and another are slices, with the dimensions of both."""
        root = self if self._root is None else self._root
        names = *(self.mesh_dim_names or ()), *(other.mesh_dim_names or ())
        if (other._root or other) is not root or not names:
            raise ValueError(
                f"{self} and {other} are not slices of one mesh: make one with init_device_mesh "
                "and mesh_dim_names, and take both from it"
            )
        return root[names]

    def is_first_slice(self) -> bool:
        """Of slices of one mesh that hold the same tensors: is this the first?"""
        return self._root is None or bool((self.mesh == self._root.mesh.reshape(-1)[0]).any())

    def _unflatten(
        self, dim: int | str, mesh_sizes: Sequence[int], mesh_dim_names: Sequence[str]
    ) -> "DeviceMesh":
        """The same processes with one dimension made into several."""
        at = self._dim(dim)
        shape = [*self.shape[:at], *mesh_sizes, *self.shape[at + 1 :]]
        old = list(self.mesh_dim_names or ())
        names = (*old[:at], *mesh_dim_names, *old[at + 1 :])
        return DeviceMesh(self._device_type, self.mesh.reshape(shape), mesh_dim_names=names)

    def __enter__(self) -> "DeviceMesh":
        _stack.append(self)
        return self

    def __exit__(self, *error: object) -> None:
        _stack.pop()

    def _flatten(self, mesh_dim_name: str | None = None) -> "DeviceMesh":
        """The same processes in one line."""
        name = mesh_dim_name or "_".join(self.mesh_dim_names or ())
        root = self if self._root is None else self._root
        if name not in root._flattened:
            flat = DeviceMesh(self._device_type, self.mesh.reshape(-1), mesh_dim_names=(name,))
            flat._root = root
            root._flattened[name] = flat
        return root._flattened[name]

    @property
    def device_type(self) -> str:
        """The kind of device."""
        return self._device_type

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return self.mesh.ndim

    @property
    def shape(self) -> tuple[int, ...]:
        """The sizes."""
        return tuple(self.mesh.shape)

    def size(self, mesh_dim: int | None = None) -> int:
        """How many processes, or how many along a dimension."""
        return self.mesh.numel() if mesh_dim is None else self.mesh.shape[mesh_dim]

    def _dim(self, mesh_dim: int | str | None, *more: str) -> int:
        if mesh_dim is None:
            if self.ndim > 1:
                raise RuntimeError(
                    f"Found the DeviceMesh have {self.ndim} dimensions",
                    "Optional kwarg `mesh_dim` needs to be specified when device_mesh.ndim > 1.",
                    *more,
                )
            return 0
        if isinstance(mesh_dim, int):
            return mesh_dim
        if not self.mesh_dim_names or mesh_dim not in self.mesh_dim_names:
            raise KeyError(f"Mesh dimension '{mesh_dim}' does not exist.")
        return self.mesh_dim_names.index(mesh_dim)

    def get_group(self, mesh_dim: int | str | None = None) -> ProcessGroup:
        """The group along a dimension; RuntimeError without one if there are several."""
        hint = (
            "If you want to get the list of all the ProcessGroups in the DeviceMesh,"
            "please use `get_all_groups()` instead."
        )
        group = self._dim_groups[self._dim(mesh_dim, hint)]
        if group is None:
            raise RuntimeError("this process is not part of the mesh")
        return group

    def get_all_groups(self) -> list[ProcessGroup]:
        """The groups along all dimensions."""
        return [self.get_group(d) for d in range(self.ndim)]

    def get_rank(self) -> int:
        """The rank of this process in the world."""
        return get_rank()

    def get_local_rank(self, mesh_dim: int | str | None = None) -> int:
        """Where this process stands along a dimension."""
        return self.get_group(self._dim(mesh_dim)).rank()

    def get_coordinate(self) -> tuple[int, ...] | None:
        """Where this process stands, or None if it is not part of the mesh."""
        return self._coordinate

    @staticmethod
    def from_group(
        group: ProcessGroup | list[ProcessGroup],
        device_type: str,
        mesh: Any = None,
        *,
        mesh_dim_names: tuple[str, ...] | None = None,
    ) -> "DeviceMesh":
        """A mesh of groups that exist: one for each dimension."""
        if isinstance(group, ProcessGroup):
            ranks = torch.tensor(group.ranks)
            return DeviceMesh(device_type, ranks, mesh_dim_names=mesh_dim_names, _groups=[group])
        if mesh is None:
            raise ValueError("Must pass mesh if passing multiple ProcessGroups")
        groups = list(group)
        return DeviceMesh(device_type, mesh, mesh_dim_names=mesh_dim_names, _groups=groups)


_stack: list[DeviceMesh] = []


def current_mesh() -> DeviceMesh:
    """That of the innermost ``with`` block, or all processes in one line."""
    return _stack[-1] if _stack else init_device_mesh("cpu", (get_world_size(),))


def init_device_mesh(
    device_type: str,
    mesh_shape: Sequence[int],
    *,
    mesh_dim_names: tuple[str, ...] | None = None,
    backend_override: Any = None,
) -> DeviceMesh:
    """init_device_mesh(device_type, mesh_shape, *, mesh_dim_names=None)

    All processes as a grid of this shape, in the order of ranks.

    RuntimeError if the names do not fit the shape or there are too few processes.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1, 1), mesh_dim_names=("dp", "tp"))
    >>> mesh["tp"].size()
    1
    >>> dist.destroy_process_group()
    """
    shape = tuple(mesh_shape)
    if mesh_dim_names is not None:
        if len(set(mesh_dim_names)) != len(mesh_dim_names):
            raise RuntimeError(
                "Each mesh_dim_name must be unique.",
                f"Found repeated mesh_dim_name in mesh_dim_names {mesh_dim_names}",
            )
        if len(shape) != len(mesh_dim_names):
            raise RuntimeError(
                "mesh_shape and mesh_dim_names should have same length!",
                f"Found len(mesh_dim_names): {len(mesh_dim_names)} "
                f"and len(mesh_shape):{len(shape)}.",
            )
    if not device_type.isalpha():
        raise RuntimeError(
            f"Device type with index is not supported but got {device_type}. ",
            "If you maintained a 'torch.device' object, it's recommended to pass in 'device.type'.",
        )
    grid = torch.arange(math.prod(shape)).view(shape)
    return DeviceMesh(device_type, grid, mesh_dim_names=mesh_dim_names)
