"""DTensor: a tensor of which each process holds a part.

The object's own memory is this process's part; ``shape`` is that of the whole. Operations that work
element by element are done on the parts. For a few others there are rules; for all the rest the
whole tensor is brought together first, which is right, and slow.
"""

import math
from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.autograd import Function
from rushlight.distributed.collectives import broadcast
from rushlight.distributed.device_mesh import DeviceMesh, current_mesh
from rushlight.distributed.tensor.moves import Gather, Reduce, Split, Spread
from rushlight.distributed.tensor.placement_types import (
    Partial,
    Placement,
    Replicate,
    Shard,
    cut_in_order,
)
from rushlight.nn.functional import embedding, linear
from rushlight.nn.parameter import Parameter
from rushlight.overrides import DisableTorchFunctionSubclass

__all__ = ["DTensor", "distribute_module", "distribute_tensor"]

Placements = tuple[Placement, ...]
_detach: Any = torch.Tensor.__dict__["detach"]  # not DTensor's own


class DTensor(torch.Tensor):
    """A tensor of which each process holds a part; made by ``distribute_tensor`` or
    ``DTensor.from_local``.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> t = dist.tensor.DTensor.from_local(torch.ones(2), mesh, [dist.tensor.Shard(0)])
    >>> (t * 2).full_tensor(), t.placements
    (tensor([2., 2.]), (Shard(dim=0),))
    >>> dist.destroy_process_group()
    """

    _mesh: DeviceMesh
    _placements: Placements
    _whole: torch.Size
    _hooked: bool

    # ---- what it is ------------------------------------------------------------------------------

    @property
    def device_mesh(self) -> DeviceMesh:
        """The processes."""
        return self._mesh

    @property
    def placements(self) -> Placements:
        """How it lies on each dimension of the mesh."""
        return self._placements

    @property
    def _local_tensor(self) -> torch.Tensor:
        """The part of this process, without history."""
        return part_of(self)

    @property
    def shape(self) -> torch.Size:
        """The shape of the whole."""
        return self._whole

    @property
    def ndim(self) -> int:
        """How many dimensions."""
        return len(self._whole)

    def size(self, dim: int | None = None) -> Any:
        """The shape of the whole, or one size."""
        return self._whole if dim is None else self._whole[dim]

    def dim(self) -> int:
        """How many dimensions."""
        return len(self._whole)

    def flatten(self, start_dim: int = 0, end_dim: int = -1) -> Any:
        """Dimensions from ``start_dim`` to ``end_dim`` joined into one."""
        start, end = start_dim % max(self.ndim, 1), end_dim % max(self.ndim, 1)
        joined = math.prod(self._whole[start : end + 1])
        return self.reshape(*self._whole[:start], joined, *self._whole[end + 1 :])

    def unbind(self, dim: int = 0) -> Any:
        """The parts along a dimension, without it."""
        return tuple(self.select(dim, i) for i in range(self._whole[dim]))

    def __getitem__(self, index: Any) -> Any:
        found = INDEX[0](self, index) if INDEX else NotImplemented
        if found is not NotImplemented:
            return found
        whole = self.full_tensor()[_plain(index)]
        return DTensor.from_local(whole, self._mesh)

    def __setitem__(self, index: Any, value: Any) -> None:
        with torch.no_grad():
            whole = self.full_tensor().clone()
            whole[_plain(index)] = _plain(value)
            self.copy_(whole)

    def masked_select(self, mask: torch.Tensor) -> Any:
        """The elements where ``mask`` is True."""
        return self[mask.expand(self._whole)]

    def _emptied(self, device: Any) -> "DTensor":
        """A DTensor that lies like this one, of undefined values."""
        local = torch.empty_like(part_of(self), device=device)
        return wrapped(local, self._mesh, self._placements, self._whole)

    def _as_parameter(self, requires_grad: bool = True) -> Any:
        return as_parameter(self, requires_grad)

    def fill_(self, value: Any) -> "DTensor":
        """All elements become ``value``."""
        part_of(self).fill_(value.full_tensor() if isinstance(value, DTensor) else value)
        return self

    def copy_(self, src: torch.Tensor, non_blocking: bool = False) -> "DTensor":
        """The values of another tensor, which all processes have or which is cut, too."""
        whole = src.expand(self._whole)
        part_of(self).copy_(local_or(whole, self._mesh, self._placements).detach())
        return self

    def stride(self, dim: int | None = None) -> Any:
        """The strides of the whole, which has no gaps, or one of them."""
        steps = torch.empty(self._whole, device="meta").stride()
        return steps if dim is None else steps[dim]

    def numel(self) -> int:
        """How many elements the whole has."""
        return self._whole.numel()

    nelement = numel

    def __len__(self) -> int:
        return self._whole[0]

    def requires_grad_(self, requires_grad: bool = True) -> "DTensor":
        """requires_grad_(requires_grad=True): want gradients; they are DTensors."""
        with DisableTorchFunctionSubclass():
            torch.Tensor.requires_grad_(self, requires_grad)
            if requires_grad and self.grad_fn is None and not getattr(self, "_hooked", False):
                self._hooked = True
                self.register_post_accumulate_grad_hook(_distribute_gradient)
        return self

    def detach(self) -> "DTensor":
        """detach(): the same without history."""
        return wrapped(part_of(self), self._mesh, self._placements, self._whole)

    def __repr__(self, **_: Any) -> str:
        return (
            f"{type(self).__name__}(local_tensor={part_of(self)!r}, "
            f"device_mesh={self._mesh!r}, placements={self._placements!r})"
        )

    def __reduce_ex__(self, protocol: Any) -> tuple:
        raise NotImplementedError(
            "a DTensor is not pickled: save it with torch.distributed.checkpoint, or its "
            "full_tensor()"
        )

    def __deepcopy__(self, memo: dict) -> "DTensor":
        result = wrapped(part_of(self).clone(), self._mesh, self._placements, self._whole)
        if isinstance(self, Parameter):
            result = as_parameter(result, self.requires_grad)
        memo[id(self)] = result
        return result

    # ---- ways out and in -------------------------------------------------------------------------

    @staticmethod
    def from_local(
        local_tensor: torch.Tensor,
        device_mesh: DeviceMesh | None = None,
        placements: Sequence[Placement] | None = None,
        *,
        run_check: bool = False,
        shape: Any = None,
        stride: Any = None,
        grad_placements: Any = None,
    ) -> "DTensor":
        """from_local(local_tensor, device_mesh=None, placements=None, *, run_check=False,
        shape=None, stride=None)

        The tensor of which this process holds ``local_tensor``. Without ``shape`` all parts are
        taken to be of one size.
        """
        mesh = current_mesh() if device_mesh is None else device_mesh
        chosen = _placements(placements, mesh, local_tensor.ndim)
        whole = list(local_tensor.shape) if shape is None else list(shape)
        if shape is None:
            for d, p in enumerate(chosen):
                if isinstance(p, Shard):
                    whole[p.dim] *= mesh.size(d)
        if run_check:
            for d, p in enumerate(chosen):
                if isinstance(p, Replicate):
                    broadcast(local_tensor.detach(), group=mesh.get_group(d), group_src=0)
        return _FromLocal.apply(local_tensor, mesh, chosen, torch.Size(whole))

    def to_local(self, *, grad_placements: Any = None) -> torch.Tensor:
        """to_local(): the part of this process; gradients pass."""
        return _ToLocal.apply(self) if self.requires_grad else part_of(self)

    def redistribute(
        self,
        device_mesh: DeviceMesh | None = None,
        placements: Sequence[Placement] | None = None,
        *,
        async_op: bool = False,
        forward_dtype: torch.dtype | None = None,
        backward_dtype: torch.dtype | None = None,
    ) -> "DTensor":
        """redistribute(device_mesh=None, placements=None): the same tensor, lying otherwise."""
        if device_mesh is not None and device_mesh != self._mesh:
            raise NotImplementedError("redistribute works within one mesh: gather, then distribute")
        wanted = _placements(placements, self._mesh, self.ndim)
        local = self.to_local()
        if forward_dtype is not None:
            local = local.to(forward_dtype)
        local = moved(local, self._mesh, self._placements, wanted, self._whole)
        return _FromLocal.apply(local, self._mesh, wanted, self._whole)

    def full_tensor(self, *, grad_placements: Any = None) -> torch.Tensor:
        """full_tensor(): the whole, on each process."""
        everywhere = [Replicate()] * self._mesh.ndim
        return self.redistribute(placements=everywhere).to_local()

    @classmethod
    def __torch_function__(
        cls, func: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        return dispatch(func, args, kwargs or {})


def _plain(index: Any) -> Any:
    """An index with whole tensors in it."""
    if isinstance(index, tuple):
        return tuple(map(_plain, index))
    return index.full_tensor() if isinstance(index, DTensor) else index


class DTensorParameter(DTensor, Parameter):
    """A parameter of which each process holds a part."""


def wrapped(
    local: torch.Tensor, mesh: DeviceMesh, placements: Placements, whole: torch.Size
) -> DTensor:
    """A DTensor around the part of this process, without history."""
    result: Any = torch.Tensor._make_subclass(DTensor, local.detach(), False)
    result._mesh, result._placements, result._whole = mesh, placements, whole
    return result


def as_parameter(t: DTensor, requires_grad: bool = True) -> Any:
    """The same as a module's parameter; its gradients are DTensors."""
    result: Any = torch.Tensor._make_subclass(DTensorParameter, part_of(t), False)
    result._mesh, result._placements, result._whole = t._mesh, t._placements, t._whole
    return result.requires_grad_(requires_grad)


def _distribute_gradient(p: Any) -> None:
    grad = p.grad
    if grad is not None and not isinstance(grad, DTensor):
        p.grad = wrapped(grad, p._mesh, p._placements, p._whole)


def part_of(t: torch.Tensor) -> torch.Tensor:
    """The part of this process, as a plain tensor on the same memory, without history."""
    with DisableTorchFunctionSubclass():
        return torch.Tensor._make_subclass(torch.Tensor, _detach(t), False)


class _ToLocal(Function):
    @staticmethod
    def forward(ctx: Any, t: Any) -> torch.Tensor:
        return part_of(t)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> torch.Tensor:
        return g


class _FromLocal(Function):
    @staticmethod
    def forward(
        ctx: Any, t: torch.Tensor, mesh: DeviceMesh, placements: Placements, whole: torch.Size
    ) -> Any:
        return wrapped(t, mesh, placements, whole)

    @staticmethod
    def backward(ctx: Any, g: torch.Tensor) -> tuple:
        return part_of(g) if isinstance(g, DTensor) else g, None, None, None


def _placements(placements: Any, mesh: DeviceMesh, ndim: int) -> Placements:
    """Checked, and with dimensions counted from the front."""
    if placements is None:
        return tuple(Replicate() for _ in range(mesh.ndim))
    chosen = tuple(placements)
    if len(chosen) != mesh.ndim:
        raise ValueError(
            f"`placements` must have the same length as `device_mesh.ndim`! Found placements "
            f"length: {len(chosen)}, and device_mesh.ndim: {mesh.ndim}."
        )
    return tuple(Shard(p.dim % ndim) if type(p) is Shard else p for p in chosen)


def _sizes(whole: torch.Size, mesh: DeviceMesh, cuts: list[tuple[int, Placement]]) -> list[int]:
    """The shape of the part after sharding along some dimensions of the mesh."""
    shape = list(whole)
    for d, p in cuts:
        if isinstance(p, Shard):
            find = Shard.local_shard_size_and_offset
            group = mesh.get_group(d)
            shape[p.dim] = find(shape[p.dim], group.size(), group.rank())[0]
    return shape


def moved(
    local: torch.Tensor,
    mesh: DeviceMesh,
    have: Placements,
    want: Placements,
    whole: torch.Size,
) -> torch.Tensor:
    """The part of this process in another layout: brought together as far as needed, cut again."""
    if have == want:
        return local
    cuts = [(d, have[d]) for d in cut_in_order(have)]
    wanted = [(d, want[d]) for d in cut_in_order(want)]
    same = next(i for i in range(mesh.ndim) if cuts[i] != wanted[i])
    for i in reversed(range(same, mesh.ndim)):
        (d, p), group = cuts[i], mesh.get_group(cuts[i][0])
        if isinstance(p, Partial):
            local = Reduce.apply(local, group, p.reduce_op)
        elif isinstance(p, Shard):
            total = _sizes(whole, mesh, cuts[:i])[p.dim]
            local = Gather.apply(local, p.dim, group, total)
    for d, p in wanted[same:]:
        group = mesh.get_group(d)
        if isinstance(p, Shard):
            local = Split.apply(local, p.dim, group)
        elif isinstance(p, Partial) and group.rank() != 0:
            local = local * 0
    return local


def distribute_tensor(
    tensor: torch.Tensor,
    device_mesh: DeviceMesh | None = None,
    placements: Sequence[Placement] | None = None,
    *,
    src_data_rank: int | None = 0,
) -> Any:
    """distribute_tensor(tensor, device_mesh=None, placements=None, *, src_data_rank=0)

    A DTensor of a tensor that each process has whole: rank ``src_data_rank``'s values count.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> t = dist.tensor.distribute_tensor(torch.ones(2), mesh, [dist.tensor.Shard(0)])
    >>> t.to_local()
    tensor([1., 1.])
    >>> dist.destroy_process_group()
    """
    mesh = current_mesh() if device_mesh is None else device_mesh
    chosen = _placements(placements, mesh, tensor.ndim)
    whole = tensor.detach().clone(memory_format=torch.contiguous_format)
    if src_data_rank is not None:
        for d in range(mesh.ndim):
            broadcast(whole, group=mesh.get_group(d), group_src=src_data_rank)
    start: Placements = tuple(Replicate() for _ in chosen)
    local = moved(whole, mesh, start, chosen, whole.shape)
    result = wrapped(local, mesh, chosen, tensor.shape)
    if isinstance(tensor, Parameter):
        return as_parameter(result, tensor.requires_grad)
    return result.requires_grad_(tensor.requires_grad)


def distribute_module(
    module: Any,
    device_mesh: DeviceMesh | None = None,
    partition_fn: Callable[[str, Any, DeviceMesh], None] | None = None,
    input_fn: Callable[..., Any] | None = None,
    output_fn: Callable[..., Any] | None = None,
) -> Any:
    """distribute_module(module, device_mesh=None, partition_fn=None, input_fn=None, output_fn=None)

    Make a module's parameters DTensors: ``partition_fn(name, submodule, mesh)`` chooses how, the
    rest is replicated. ``input_fn`` and ``output_fn`` change what goes in and out.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> mesh = dist.init_device_mesh("cpu", (1,))
    >>> layer = dist.tensor.distribute_module(torch.nn.Linear(2, 1), mesh)
    >>> layer.weight.placements
    (Replicate(),)
    >>> dist.destroy_process_group()
    """
    mesh = current_mesh() if device_mesh is None else device_mesh
    for name, part in module.named_modules():
        if partition_fn is not None:
            partition_fn(name, part, mesh)
        for key, p in list(part.named_parameters(recurse=False)):
            if not isinstance(p, DTensor):
                part.register_parameter(key, distribute_tensor(p, mesh))
    if input_fn is not None:
        module.register_forward_pre_hook(lambda m, ins: input_fn(m, ins, mesh))
    if output_fn is not None:
        module.register_forward_hook(lambda m, ins, out: output_fn(m, out, mesh))
    return module


# ---- operations ----------------------------------------------------------------------------------

# Element by element: done on the parts if all lie alike.
_ELEMENTWISE = frozenset(
    name
    for line in (
        "add add_ sub sub_ mul mul_ div div_ neg abs sqrt exp log tanh sigmoid relu gelu silu pow",
        "addcmul addcmul_ addcdiv addcdiv_ lerp lerp_ copy_ zero_ fill_ clone zeros_like ones_like",
        "empty_like full_like rand_like randn_like sign square rsqrt reciprocal clamp clamp_",
        "fill detach detach_ to float double half bfloat16 type_as contiguous",
        "maximum minimum where eq ne lt le gt ge isnan isinf nan_to_num sqrt_ neg_",
        "cos sin tan erf floor ceil round logical_not leaky_relu elu softplus hardtanh mish",
        "rsub to_copy clamp_numbers clamp_min_number clamp_max_number masked_fill",
    )
    for name in line.split()
)
# About the object, not its values: asked of the object itself.
_ABOUT = frozenset(
    [
        *("register_hook", "register_post_accumulate_grad_hook", "is_floating_point", "data_ptr"),
        *("is_complex", "retain_grad", "element_size", "__get__", "__set__", "__delete__"),
        *("backward", "is_contiguous", "get_device", "_make_subclass"),
    ]
)


def dispatch(func: Any, args: tuple, kwargs: dict) -> Any:
    """Do an operation on DTensors."""
    name = getattr(func, "__name__", "")
    if name in _ABOUT:
        with DisableTorchFunctionSubclass():
            return func(*args, **kwargs)
    tensors = _dtensors(args) + _dtensors(tuple(kwargs.values()))
    rule = RULES.get(func)
    if rule is not None:
        result = rule(*args, **kwargs)
        if result is not NotImplemented:
            return result
    named = RULES_BY_NAME.get(name)
    if named is not None:
        result = named(func, *args, **kwargs)
        if result is not NotImplemented:
            return result
    tensors = [t for t in tensors if not _is_number(t)] or tensors
    first = tensors[0]
    if name in _ELEMENTWISE and _alike(tensors, args):
        return _on_parts(func, name, first, args, kwargs)
    if name in _ELEMENTWISE and not kwargs and not name.endswith("_"):
        result = _broadcast(func, tensors, args)
        if result is not NotImplemented:
            return result
    return _on_whole(func, first, args, kwargs)


def _dtensors(values: Any) -> list[DTensor]:
    found: list[DTensor] = []
    for v in values:
        if isinstance(v, DTensor):
            found.append(v)
        elif isinstance(v, (list, tuple)):
            found += _dtensors(v)
    return found


def _is_number(t: Any) -> bool:
    """Is it a scalar that all processes have?"""
    if isinstance(t, DTensor):
        return len(t._whole) == 0 and all(isinstance(p, Replicate) for p in t._placements)
    return t.ndim == 0


def _alike(tensors: list[DTensor], args: tuple) -> bool:
    """Do all lie in one way, with no plain tensors but scalars among them?"""
    first = tensors[0]
    plain = [a for a in args if isinstance(a, torch.Tensor) and not isinstance(a, DTensor)]
    return (
        all(t._placements == first._placements and t._whole == first._whole for t in tensors)
        and not any(isinstance(p, Partial) for p in first._placements)
        and all(_is_number(t) for t in plain)
    )


def _mapped(value: Any, change: Callable[[DTensor], Any]) -> Any:
    if isinstance(value, DTensor):
        return change(value)
    if isinstance(value, (list, tuple)):
        return type(value)(_mapped(v, change) for v in value)
    return value


def _on_parts(func: Any, name: str, first: DTensor, args: tuple, kwargs: dict) -> Any:
    in_place = name.endswith("_") and not name.startswith("__")
    out = part_of if in_place else DTensor.to_local
    result = func(
        *[_mapped(a, out) for a in args], **{k: _mapped(v, out) for k, v in kwargs.items()}
    )
    if in_place:
        return args[0]
    return _FromLocal.apply(result, first._mesh, first._placements, first._whole)


def _broadcast(func: Any, tensors: list[DTensor], args: tuple) -> Any:
    """One tensor in parts, the others the same everywhere and of size 1 where it is cut."""
    cut = [t for t in tensors if t._mesh.ndim == 1 and isinstance(t._placements[0], Shard)]
    if len(cut) != 1 or any(t._mesh.ndim != 1 for t in tensors):
        return NotImplemented
    first = cut[0]
    place: Any = first._placements[0]
    from_right = place.dim - first.ndim
    group = first._mesh.get_group()
    local = []
    for a in args:
        if isinstance(a, torch.Tensor) and a is not first:
            part = not isinstance(a, DTensor) and a.shape == part_of(first).shape
            if part and a.shape != first._whole:  # made from the part
                local.append(a)
                continue
            fits = a.ndim < -from_right or a.shape[from_right] == 1
            whole = not isinstance(a, DTensor) or isinstance(a._placements[0], Replicate)
            if not fits or not whole or a.ndim > first.ndim:
                return NotImplemented
            a = Spread.apply(local_or(a, first._mesh, (Replicate(),)), group)
        local.append(first.to_local() if a is first else a)
    shapes = [a.shape for a in args if isinstance(a, DTensor)]
    whole_shape = torch.broadcast_shapes(*shapes)
    if whole_shape[from_right] != first._whole[from_right]:
        return NotImplemented
    return from_local(func(*local), first._mesh, first._placements, whole_shape)


def _on_whole(func: Any, first: DTensor, args: tuple, kwargs: dict) -> Any:
    """Bring everything together; the result lies whole on all processes."""
    whole = DTensor.full_tensor
    result = func(
        *[_mapped(a, whole) for a in args], **{k: _mapped(v, whole) for k, v in kwargs.items()}
    )
    everywhere = tuple(Replicate() for _ in range(first._mesh.ndim))

    def back(value: Any) -> Any:
        if isinstance(value, torch.Tensor) and not isinstance(value, DTensor):
            return _FromLocal.apply(value, first._mesh, everywhere, value.shape)
        if isinstance(value, (list, tuple)) and not hasattr(value, "_fields"):
            return type(value)(back(v) for v in value)
        return value

    return back(result)


def from_local(
    t: torch.Tensor, mesh: DeviceMesh, placements: Placements, whole: torch.Size
) -> DTensor:
    """A DTensor of the parts, with history."""
    result: DTensor = _FromLocal.apply(t, mesh, placements, whole)
    return result


def local_or(t: Any, mesh: DeviceMesh, wanted: Placements) -> torch.Tensor:
    """The part of this process in the wanted layout; plain tensors are the same everywhere."""
    if not isinstance(t, DTensor):
        t = DTensor.from_local(t, mesh)
    return t.redistribute(placements=wanted).to_local()


def _linear_rule(input: Any, weight: Any, bias: Any = None) -> Any:
    """A linear layer whose weight is cut by rows (outputs) or columns (inputs)."""
    if not isinstance(weight, DTensor) or weight._mesh.ndim != 1:
        return NotImplemented
    mesh, place = weight._mesh, weight._placements[0]
    group = mesh.get_group()
    if place == Shard(0):
        x = Spread.apply(local_or(input, mesh, (Replicate(),)), group)
        b = None if bias is None else local_or(bias, mesh, (Shard(0),))
        out = linear(x, weight.to_local(), b)
        whole = torch.Size([*out.shape[:-1], weight.shape[0]])
        return _FromLocal.apply(out, mesh, (Shard(out.ndim - 1),), whole)
    if place == Shard(1):
        x = local_or(input, mesh, (Shard(input.ndim - 1),))
        out = Reduce.apply(linear(x, weight.to_local()), group, "sum")
        if bias is not None:
            out = out + local_or(bias, mesh, (Replicate(),))
        return _FromLocal.apply(out, mesh, (Replicate(),), out.shape)
    return NotImplemented


def _embedding_rule(input: Any, weight: Any, *args: Any, **kwargs: Any) -> Any:
    """An embedding whose table is cut by rows (entries) or columns (features)."""
    if not isinstance(weight, DTensor) or weight._mesh.ndim != 1:
        return NotImplemented
    mesh, place = weight._mesh, weight._placements[0]
    group = mesh.get_group()
    ids = local_or(input, mesh, (Replicate(),))
    if place == Shard(1):
        out = embedding(ids, weight.to_local(), *args, **kwargs)
        whole = torch.Size([*ids.shape, weight.shape[1]])
        return _FromLocal.apply(out, mesh, (Shard(out.ndim - 1),), whole)
    if place == Shard(0):
        find = Shard.local_shard_size_and_offset
        count, start = find(weight.shape[0], group.size(), group.rank())
        here = (ids >= start) & (ids < start + count)
        out = embedding((ids - start).clamp(0, max(count - 1, 0)), weight.to_local())
        out = Reduce.apply(out * here.unsqueeze(-1).to(out.dtype), group, "sum")
        return _FromLocal.apply(out, mesh, (Replicate(),), out.shape)
    return NotImplemented


RULES: dict[Any, Callable[..., Any]] = {linear: _linear_rule, embedding: _embedding_rule}
# What indexes the parts, if it can.
INDEX: list[Callable[[DTensor, Any], Any]] = []
# By the names of operators; these get the operator first.
RULES_BY_NAME: dict[str, Callable[..., Any]] = {}
