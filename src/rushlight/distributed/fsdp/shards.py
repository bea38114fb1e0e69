"""The parameters that one ``fully_shard`` manages: brought together for use, cut for keeping.

Between uses each process keeps only its shards (DTensors). For a forward the shards of all are
gathered into one flat tensor whose pieces stand in for the parameters. What autograd saves of these
pieces is saved as "piece so and so" and gathered again when backward needs it, so that the memory
is free in between.
"""

from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.autograd import Function, Variable
from rushlight.distributed.collectives import (
    all_gather_into_tensor,
    all_reduce,
    reduce_scatter_tensor,
)
from rushlight.distributed.device_mesh import DeviceMesh
from rushlight.distributed.tensor.dtensor import (
    DTensor,
    as_parameter,
    distribute_tensor,
    from_local,
    part_of,
    wrapped,
)
from rushlight.distributed.tensor.moves import shard_of
from rushlight.distributed.tensor.placement_types import (
    Placement,
    Replicate,
    Shard,
    _StridedShard,
)
from rushlight.nn import Module


class _Whole(Function):
    """A whole parameter, made of a shard; its gradient goes to the group, which reduces it."""

    @staticmethod
    def forward(ctx: Any, shard: Any, whole: torch.Tensor, group: Any, i: int) -> torch.Tensor:
        ctx.group, ctx.i = group, i
        return whole.view_as(whole)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        ctx.group.gradient_came(ctx.i, g)
        return None, None, None, None


class Piece:
    """One parameter: where it is used, its shard, and where it stands in the flat tensor.

    ``layer`` is how it lies on the mesh of tensor parallel layers (mesh, placements, shape), if it
    does: then ``whole``, gathered from the shards, is this process's part of that.
    """

    def __init__(
        self, uses: list[tuple[Module, str]], param: Any, mesh: DeviceMesh, dim: int = 0
    ) -> None:
        self.uses, self.dim = uses, dim
        self.layer: tuple[DeviceMesh, tuple[Placement, ...], torch.Size] | None = None
        self.shape = param.shape
        places: list[Placement] = [Replicate()] * (mesh.ndim - 1) + [Shard(dim)]
        if not isinstance(param, DTensor):
            self.sharded = distribute_tensor(param, mesh, places, src_data_rank=None)
        elif param._mesh == mesh:
            self.sharded = param
        else:
            self.layer = param._mesh, param._placements, param._whole
            self.shape = part_of(param).shape
            self.sharded = _shard_of_layer(param, mesh, places, dim)
        if dim and self.shape[dim] % mesh.size(mesh.ndim - 1):
            raise NotImplementedError(
                f"FSDP does not support uneven sharding on dim {dim}: {self.shape} "
                f"(world size: {mesh.size(mesh.ndim - 1)})"
            )
        self.rows = 0  # of the padded shard
        self.width = 1  # elements of a row
        self.start = 0  # in the flat shard
        self.whole: Any = None
        self.leaf: Any = None  # what stands in for the parameter

    def adopt(self) -> None:
        """A program may have put other shards in the modules: loaded, or by ``to_empty``."""
        module, name = self.uses[0]
        found = module._parameters[name]
        if found is not self.sharded and found is not self.leaf and isinstance(found, DTensor):
            self.sharded = found
            for module, name in self.uses[1:]:
                module._parameters[name] = found

    def rows_of(self, t: torch.Tensor) -> torch.Tensor:
        """A tensor of the parameter's form, flat, the dimension that is cut first."""
        return (t.movedim(self.dim, 0) if self.dim else t).reshape(-1)

    def formed(self, rows: torch.Tensor, shape: torch.Size) -> torch.Tensor:
        """The other way round."""
        if not self.dim:
            return rows.view(shape)
        first = [shape[self.dim], *shape[: self.dim], *shape[self.dim + 1 :]]
        return rows.view(first).movedim(0, self.dim).contiguous()

    def use(self, whole: torch.Tensor) -> None:
        """The parameter is there: the modules have it."""
        self.whole = self.leaf = whole
        if self.layer is not None:
            self.leaf = from_local(whole, *self.layer)
        for module, name in self.uses:
            module._parameters[name] = self.leaf


def _shard_of_layer(param: Any, mesh: DeviceMesh, places: list[Placement], dim: int) -> Any:
    """A parameter of a tensor parallel layer, cut once more: on the mesh of both."""
    both = mesh.joined(param._mesh)
    for p in param._placements:
        if p.is_shard(dim):
            places = [*places[:-1], _StridedShard(dim, split_factor=param._mesh.size())]
    local = part_of(param)
    if local.ndim:
        local = shard_of(local, dim, mesh.get_group(mesh.ndim - 1)).clone()
    result = wrapped(local, both, (*places, *param._placements), param._whole)
    return as_parameter(result, param.requires_grad)


class ShardGroup:
    """Some parameters that are gathered and reduced together."""

    def __init__(
        self,
        found: list[tuple[list, Any]],
        mesh: DeviceMesh,
        policy: Any,
        dim_of: Callable[[Any], int] = lambda _: 0,
    ) -> None:
        self.mesh = mesh
        self.policy = policy
        self.group = mesh.get_group(mesh.ndim - 1)  # shards lie along the last dimension
        self.replicas = mesh.get_group(0) if mesh.ndim == 2 else None
        self.pieces = [Piece(uses, p, mesh, dim_of(p)) for uses, p in found]
        self.flat: torch.Tensor | None = None
        self.sync = True
        self.all_reduce = True  # over the replicas
        self.partial: torch.Tensor | None = None  # what was not summed over the replicas yet
        self.reshard_after_backward = True
        self.divide_factor: float | None = None
        self.reduced = True  # nothing is left to reduce
        self.carried: list[torch.Tensor | None] = [None] * len(self.pieces)
        self._lay_out()
        self.put_back()

    def _lay_out(self) -> None:
        size = self.group.size()
        self.total = 0
        for piece in self.pieces:
            first = piece.shape[piece.dim] if len(piece.shape) else 1
            piece.rows = -(-first // size)
            piece.width = piece.shape.numel() // max(first, 1)
            piece.start = self.total
            self.total += piece.rows * piece.width

    def put_back(self) -> None:
        """The modules have their shards as parameters."""
        for piece in self.pieces:
            for module, name in piece.uses:
                module._parameters[name] = piece.sharded

    # ---- gather ----------------------------------------------------------------------------------

    def _gathered(self) -> torch.Tensor:
        """The flat tensor of all shards: one row of ``total`` elements for each process."""
        dtype = self.policy.param_dtype or self.pieces[0].sharded.dtype
        place = part_of(self.pieces[0].sharded).device
        mine = torch.zeros(self.total, dtype=dtype, device=place)
        for piece in self.pieces:
            local = piece.rows_of(part_of(piece.sharded))
            mine[piece.start : piece.start + local.numel()].copy_(local)
        flat = torch.empty(self.group.size(), self.total, dtype=dtype, device=place)
        all_gather_into_tensor(flat, mine, group=self.group)
        return flat

    def _whole(self, piece: Piece, flat: torch.Tensor) -> torch.Tensor:
        """A parameter out of the flat tensor."""
        size = piece.rows * piece.width
        rows = flat[:, piece.start : piece.start + size].reshape(-1)
        return piece.formed(rows[: piece.shape.numel()], piece.shape)

    def unshard(self) -> None:
        """The modules have whole parameters, which gradients flow to."""
        if self.flat is not None:
            return
        for piece in self.pieces:
            piece.adopt()
        with torch.no_grad():
            self.flat = self._gathered()
            wholes = [self._whole(piece, self.flat) for piece in self.pieces]
        for i, (piece, whole) in enumerate(zip(self.pieces, wholes, strict=True)):
            piece.use(_Whole.apply(piece.sharded, whole, self, i))

    def keep(self, piece: Piece) -> None:
        """What was written to a whole parameter goes to the shards."""
        whole = piece.whole.detach()
        mine = shard_of(whole, piece.dim, self.group) if whole.ndim else whole
        with torch.no_grad():
            part_of(piece.sharded).copy_(mine)

    def reshard(self) -> None:
        """The whole parameters are forgotten."""
        self.flat = None
        for piece in self.pieces:
            piece.whole = piece.leaf = None
        self.put_back()

    # ---- what autograd saves ---------------------------------------------------------------------

    def pack(self, t: torch.Tensor) -> Any:
        """What to save instead of a (view of a) whole parameter; None for other tensors."""
        at = t.data_ptr()
        for i, piece in enumerate(self.pieces):
            whole = piece.whole
            if whole is None or whole.dtype != t.dtype:
                continue
            offset = at - whole.data_ptr()
            if 0 <= offset < max(whole.numel() * whole.element_size(), 1):
                return self, i, tuple(t.shape), t.stride(), offset // whole.element_size()
        return None

    def unpack(self, saved: Any) -> torch.Tensor:
        """The same view, of the parameter gathered again."""
        _, i, shape, stride, offset = saved
        self.unshard()
        return self.pieces[i].whole.detach().as_strided(shape, stride, offset)

    # ---- reduce ----------------------------------------------------------------------------------

    def gradient_came(self, i: int, grad: torch.Tensor) -> None:
        """The gradient of a whole parameter."""
        before = self.carried[i]
        self.carried[i] = grad if before is None else before + grad
        if self.reduced:
            self.reduced = False
            Variable._execution_engine.queue_callback(self.finish)

    def finish(self) -> None:
        """Backward has ended: each process gets its shard of the averaged gradients."""
        self.reduced = True
        if self.reshard_after_backward:
            self.reshard()
        if not self.sync:
            return
        with torch.no_grad():
            self._reduce()

    def _reduce(self) -> None:
        size = self.group.size()
        kept = next(g for g in self.carried if g is not None)
        dtype = self.policy.reduce_dtype or kept.dtype
        flat = torch.zeros(size, self.total, dtype=dtype, device=kept.device)
        for piece, grad in zip(self.pieces, self.carried, strict=True):
            if grad is not None:
                count = size * piece.rows * piece.width
                padded = torch.zeros(count, dtype=dtype, device=kept.device)
                padded[: grad.numel()].copy_(piece.rows_of(grad))
                width = piece.rows * piece.width
                flat[:, piece.start : piece.start + width].copy_(padded.view(size, width))
        replicas = 1 if self.replicas is None else self.replicas.size()
        flat.mul_(1 / (self.divide_factor or size * replicas))
        mine = torch.empty(self.total, dtype=dtype, device=kept.device)
        reduce_scatter_tensor(mine, flat, group=self.group)
        if self.replicas is not None:
            if self.partial is not None:
                mine, self.partial = mine + self.partial, None
            if not self.all_reduce:
                self.partial = mine
                self.carried = [None] * len(self.pieces)
                return
            all_reduce(mine, group=self.replicas)
        for piece, grad in zip(self.pieces, self.carried, strict=True):
            if grad is not None:
                self._add_gradient(piece, mine)
        self.carried = [None] * len(self.pieces)

    def _add_gradient(self, piece: Piece, flat: torch.Tensor) -> None:
        p = piece.sharded
        like = part_of(p)
        mine = flat[piece.start : piece.start + like.numel()]
        grad = piece.formed(mine, like.shape).to(like.dtype)
        new = wrapped(grad.clone(), p._mesh, p._placements, p._whole)
        p.grad = new if p.grad is None else p.grad + new


def managed_parameters(
    modules: list[Module], taken: set[int]
) -> list[tuple[list[tuple[Module, str]], Any]]:
    """The parameters of the modules that no inner ``fully_shard`` has, each with all its uses."""
    uses: dict[int, tuple[list[tuple[Module, str]], Any]] = {}
    for root in modules:
        for module in root.modules():
            for name, p in module._parameters.items():
                if p is not None and id(p) not in taken:
                    uses.setdefault(id(p), ([], p))[0].append((module, name))
    return list(uses.values())
