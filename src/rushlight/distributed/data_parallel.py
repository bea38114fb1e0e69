"""DistributedDataParallel: a copy of the module in each process, gradients averaged."""

import contextlib
import inspect
import warnings
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks
from rushlight.distributed.algorithms.join import Join, Joinable, JoinHook
from rushlight.distributed.buckets import (
    FIRST_BUCKET_BYTES,
    BuiltinCommHookType,
    GradBucket,
    local_of,
)
from rushlight.distributed.collectives import all_reduce, broadcast
from rushlight.distributed.groups import default_group
from rushlight.distributed.mixed_precision import Precisions, reduce_in_precision
from rushlight.distributed.objects import all_gather_object
from rushlight.distributed.process_group import ProcessGroup
from rushlight.distributed.reduce_op import ReduceOp
from rushlight.distributed.reducer import Reducer
from rushlight.distributed.work import Work
from rushlight.nn import Embedding, EmbeddingBag, Module
from rushlight.nn.parameter import UninitializedParameter

__all__ = ["DistributedDataParallel"]

_CHECK_REDUCTION = (
    "The `check_reduction` argument in `DistributedDataParallel` module is deprecated. "
    "Please avoid using it."
)
_BROADCAST = (
    "`broadcast_buffers` is deprecated. Use `forward_sync_buffers` instead. IMPORTANT: unlike "
    "`broadcast_buffers=False`, `forward_sync_buffers=False` still syncs buffers at init. If you "
    "rely on buffers NOT being synced at init (e.g. rank-local buffers), keep using "
    "`broadcast_buffers=False` until `init_sync_buffers` is available."
)
_BOTH_BUFFERS = (
    "Both `broadcast_buffers` and `forward_sync_buffers` were specified. `broadcast_buffers` is "
    "deprecated and its value is ignored when `forward_sync_buffers` is provided."
)


def tensors_in(value: Any) -> list[torch.Tensor]:
    """The tensors in nested lists, tuples, dicts and dataclasses."""
    if isinstance(value, torch.Tensor):
        return [value]
    if isinstance(value, dict):
        value = list(value.values())
    elif hasattr(value, "__dataclass_fields__"):
        value = [getattr(value, name) for name in value.__dataclass_fields__]
    if isinstance(value, (list, tuple)):
        return [t for v in value for t in tensors_in(v)]
    return []


class DistributedDataParallel(Module, Joinable):
    """DistributedDataParallel(module, device_ids=None, output_device=None, dim=0,
    broadcast_buffers=None, init_sync=True, process_group=None, bucket_cap_mb=None,
    find_unused_parameters=False, check_reduction=False, gradient_as_bucket_view=False,
    static_graph=False, ..., forward_sync_buffers=None)

    The module, copied to all processes; ``backward`` averages the gradients among them.

    Parameters and buffers begin as those of rank 0. Gradients are collected in buckets of
    ``bucket_cap_mb`` (25) and each bucket is reduced as soon as it is full, while backward goes on.
    ``forward_sync_buffers`` (True) sends rank 0's buffers to all before each forward; so does the
    older ``broadcast_buffers``, which False also keeps from being sent at the start.

    RuntimeError if no parameter needs a gradient or the processes have different parameters.

    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model(torch.ones(3, 2)).sum().backward()
    >>> model.module.bias.grad
    tensor([3.])
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        module: Module,
        device_ids: Sequence[Any] | None = None,
        output_device: Any = None,
        dim: int = 0,
        broadcast_buffers: bool | None = None,
        init_sync: bool = True,
        process_group: ProcessGroup | None = None,
        bucket_cap_mb: float | None = None,
        find_unused_parameters: bool = False,
        check_reduction: bool = False,
        gradient_as_bucket_view: bool = False,
        static_graph: bool = False,
        delay_all_reduce_named_params: Any = None,
        param_to_hook_all_reduce: Any = None,
        mixed_precision: Any = None,
        device_mesh: Any = None,
        skip_all_reduce_unused_params: bool = False,
        bucket_cap_mb_list: list[float] | None = None,
        batched_grad_copy: bool = False,
        forward_sync_buffers: bool | None = None,
    ) -> None:
        super().__init__()
        Joinable.__init__(self)
        _refuse(delay_all_reduce_named_params, param_to_hook_all_reduce)
        self.process_group = _group(process_group, device_mesh)
        self.device_mesh = device_mesh
        self.module = module
        self.dim = dim
        self.device = next(iter(module.parameters()), torch.empty(0)).device
        self.device_type = self.device.type
        on_gpu = self.device_type == "cuda"
        self.device_ids = list(device_ids) if device_ids and on_gpu else None
        self.output_device = output_device if on_gpu else None
        self.parameters_to_ignore = set(getattr(module, "_ddp_params_and_buffers_to_ignore", ()))
        named = self._named_parameters()
        self._check(named, device_ids, output_device)
        self.forward_sync_buffers, buffers_at_start = _buffer_flags(
            broadcast_buffers, forward_sync_buffers
        )
        if check_reduction:
            warnings.warn(_CHECK_REDUCTION, FutureWarning, stacklevel=2)
        self.find_unused_parameters = find_unused_parameters
        self.static_graph = static_graph
        self.gradient_as_bucket_view = gradient_as_bucket_view
        self.mixed_precision = mixed_precision
        self.require_backward_grad_sync = self.require_forward_param_sync = True
        self._divide_by_initial_world_size = True
        self._active: Work | None = None  # counts the processes that have not joined
        self._active_count = torch.ones(1)
        if init_sync:
            self._verify(named)
            sent = self._buffers_to_sync() if buffers_at_start else []
            self._broadcast_from(0, [*module.parameters(), *sent])
        self.bucket_bytes_cap = int((25 if bucket_cap_mb is None else bucket_cap_mb) * 1024 * 1024)
        self._precisions = mixed_precision and Precisions(mixed_precision, self.process_group)
        self._make_reducer(named, bucket_cap_mb, bucket_cap_mb_list)
        self._mix(self._precisions)

    def _mix(self, precisions: Precisions | None) -> None:
        """Forward and backward will be in other dtypes than the parameters'."""
        if precisions is None:
            return
        ignored = self.parameters_to_ignore
        params = [p for name, p in self.module.named_parameters() if name not in ignored]
        precisions.attach(params, self._buffers_to_sync())
        self.register_comm_hook(precisions, reduce_in_precision)

    def _named_parameters(self) -> list[tuple[str, torch.Tensor]]:
        return [
            (name, p)
            for name, p in self.module.named_parameters()
            if p.requires_grad and name not in self.parameters_to_ignore
        ]

    def _check(
        self, named: list[tuple[str, torch.Tensor]], device_ids: Any, output_device: Any
    ) -> None:
        if not named:
            raise RuntimeError(
                "DistributedDataParallel is not needed when a module "
                "doesn't have any parameter that requires a gradient."
            )
        if device_ids is not None and len(device_ids) > 1:
            raise ValueError("device_ids can only be None or contain a single element.")
        kinds = {p.device for _, p in named}
        if device_ids and any(k.type != "cuda" for k in kinds):
            raise ValueError(
                "DistributedDataParallel device_ids and output_device arguments "
                "only work with single-device/multiple-device GPU modules or CPU modules, "
                f"but got device_ids {device_ids}, output_device {output_device}, "
                f"and module parameters {kinds}."
            )
        if any(isinstance(p, UninitializedParameter) for _, p in named):
            raise RuntimeError(
                "Modules with uninitialized parameters can't be used with "
                "`DistributedDataParallel`. "
                "Run a dummy forward pass to correctly initialize the modules"
            )

    def _make_reducer(
        self,
        named: list[tuple[str, torch.Tensor]],
        cap: float | None,
        caps: list[float] | None,
    ) -> None:
        sparse_names = {
            f"{prefix}.{name}" if prefix else name
            for prefix, m in self.module.named_modules()
            if isinstance(m, (Embedding, EmbeddingBag)) and m.sparse
            for name, _ in m.named_parameters(recurse=False)
        }
        sparse = {i for i, (name, _) in enumerate(named) if name in sparse_names}
        limits = [self.bucket_bytes_cap]
        if caps:
            limits = [int(c * 1024 * 1024) for c in caps]
        elif cap is None:
            limits = [FIRST_BUCKET_BYTES, self.bucket_bytes_cap]
        self.reducer = Reducer(
            [p for _, p in named],
            [name for name, _ in named],
            sparse,
            limits,
            self.process_group,
            self.gradient_as_bucket_view,
            self._divisor,
            self._precisions,
        )

    def _divisor(self) -> float:
        """What sums are divided by: the processes there were, or those that still have inputs."""
        if self._divide_by_initial_world_size or self._active is None:
            return self.process_group.size()
        self._active.wait()
        return float(self._active_count)

    def _verify(self, named: list[tuple[str, torch.Tensor]]) -> None:
        """RuntimeError unless all processes have parameters of the same shapes."""
        size = self.process_group.size()
        if size == 1:
            return
        all_shapes: list[Any] = [None] * size
        all_gather_object(all_shapes, [tuple(p.shape) for _, p in named], self.process_group)
        first, mine, rank = all_shapes[0], [tuple(p.shape) for _, p in named], self._rank()
        for other, shapes in enumerate(all_shapes):
            if len(shapes) != len(mine):
                raise RuntimeError(
                    f"DDP expects same model across all ranks, but Rank {rank} has {len(mine)} "
                    f"params, while rank {other} has inconsistent {len(shapes)} params."
                )
        bad = [i for shapes in all_shapes for i, s in enumerate(shapes) if s != first[i]]
        if bad:
            i = bad[0]
            raise RuntimeError(
                f"[{rank}]: params[{i}] in this process with sizes {list(mine[i])} appears not to "
                "match sizes of the same param in process 0."
            )

    def _rank(self) -> int:
        return self.process_group.rank()

    def _buffers_to_sync(self) -> list[torch.Tensor]:
        return [
            b for name, b in self.module.named_buffers() if name not in self.parameters_to_ignore
        ]

    def _broadcast_from(self, root: int, tensors: Sequence[torch.Tensor]) -> None:
        """Rank ``root``'s values go to all: tensors of one dtype travel together."""
        if self.process_group.size() == 1:
            return
        by_dtype: dict[torch.dtype, list[torch.Tensor]] = {}
        for t in map(local_of, tensors):
            by_dtype.setdefault(t.dtype, []).append(t)
        with torch.no_grad():
            for group in by_dtype.values():
                flat = torch.cat([t.detach().reshape(-1) for t in group])
                broadcast(flat, group=self.process_group, group_src=root)
                at = 0
                for t in group:
                    t.copy_(flat[at : at + t.numel()].view(t.shape))
                    at += t.numel()

    # ---- forward and backward --------------------------------------------------------------------

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        """The module's output; notes what the coming backward is to reduce."""
        syncing = torch.is_grad_enabled() and self.require_backward_grad_sync
        if syncing:
            self.reducer.check_finished()
            self._active_count = torch.ones(1)
            self._active = Join.notify_join_context(self)
            if self._active is not None:
                self._active_count = self._active.result()[0]
        elif self._join_config.enable:
            Join.notify_join_context(self)
        if self._join_config.enable:
            self._tell_joined(syncing)
        if self.will_sync_module_buffers():
            self._broadcast_from(self._buffer_root(False), self._buffers_to_sync())
        precisions = self._precisions
        if precisions is not None:
            inputs, kwargs = precisions.cast(inputs), precisions.cast(kwargs)
            precisions.lower()
        output = self.module(*inputs, **kwargs)
        if precisions is not None and not torch.is_grad_enabled():
            precisions.restore()
        if syncing:
            self.require_forward_param_sync = True
            look = self.find_unused_parameters or self.static_graph
            self.reducer.prepare(tensors_in(output) if look else None)
        else:
            self.require_forward_param_sync = False
        return output

    def will_sync_module_buffers(self) -> bool:
        """Whether the next forward begins with rank 0's buffers."""
        return bool(
            self.require_forward_param_sync
            and self.forward_sync_buffers
            and self._buffers_to_sync()
        )

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Gradients of the block are added up in this process only.

        The first backward outside reduces the sums.
        """
        before = self.require_backward_grad_sync
        self.require_backward_grad_sync = False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    def register_comm_hook(self, state: object, hook: Callable[..., Any]) -> None:
        """register_comm_hook(state, hook)

        ``hook(state, bucket)`` reduces a bucket instead: it returns a future of the flat tensor
        that is to be in it. TypeError or ValueError for a hook of another form.
        """
        if not callable(hook):
            raise TypeError("Communication hook must be callable.")
        signature = inspect.signature(hook)
        annotation = signature.parameters["bucket"].annotation
        if annotation not in (inspect.Parameter.empty, GradBucket, "GradBucket", "dist.GradBucket"):
            raise ValueError("Communication hook: bucket annotation should be dist.GradBucket.")
        returned = signature.return_annotation
        if returned is not inspect.Signature.empty and "Future" not in str(returned):
            raise ValueError(
                "Communication hook: return annotation should be "
                "torch.futures.Future[torch.Tensor]."
            )
        if self.reducer.hook is not None:
            raise RuntimeError(
                "register_comm_hook or register_builtin_comm_hook can only be called once."
            )
        self.reducer.hook, self.reducer.hook_state = hook, state

    def _register_builtin_comm_hook(self, comm_hook_type: BuiltinCommHookType) -> None:
        """A hook by its name; PyTorch has these two in C++."""
        if not isinstance(comm_hook_type, BuiltinCommHookType):
            raise TypeError(f"a BuiltinCommHookType is needed, not {comm_hook_type!r}")
        half = comm_hook_type is BuiltinCommHookType.FP16_COMPRESS
        hook = default_hooks.fp16_compress_hook if half else default_hooks.allreduce_hook
        self.register_comm_hook(self.process_group, hook)

    @staticmethod
    def _set_params_and_buffers_to_ignore_for_model(
        module: Any, params_and_buffers_to_ignore: Sequence[str]
    ) -> None:
        """Before wrapping: the names of what is left to each process."""
        module._ddp_params_and_buffers_to_ignore = params_and_buffers_to_ignore

    @property
    def broadcast_buffers(self) -> bool:
        """The older name of ``forward_sync_buffers``."""
        return self.forward_sync_buffers

    @broadcast_buffers.setter
    def broadcast_buffers(self, value: bool) -> None:
        self.forward_sync_buffers = value

    def _set_static_graph(self) -> None:
        self.static_graph = True

    def _get_ddp_logging_data(self) -> dict[str, Any]:
        """What was chosen, for programs that print it."""
        sizes = [b.flat.numel() * b.flat.element_size() for b in self.reducer.buckets]
        return {
            "world_size": self.process_group.size(),
            "rank": self._rank(),
            "backend_name": self.process_group.name(),
            "bucket_cap_bytes": self.bucket_bytes_cap,
            "bucket_sizes": ", ".join(map(str, sizes)),
            "find_unused_parameters": self.find_unused_parameters,
            "gradient_as_bucket_view": self.gradient_as_bucket_view,
            "has_sync_bn": False,
        }

    def __getstate__(self) -> dict[str, Any]:
        state = dict(self.__dict__)
        for name in ("process_group", "reducer", "_active", "_active_count"):
            del state[name]
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        super().__setstate__(state)
        self.process_group = default_group()
        self._active, self._active_count = None, torch.ones(1)
        self._make_reducer(self._named_parameters(), None, None)

    # ---- uneven inputs ---------------------------------------------------------------------------

    def join(
        self,
        divide_by_initial_world_size: bool = True,
        enable: bool = True,
        throw_on_early_termination: bool = False,
    ) -> Join:
        """join(divide_by_initial_world_size=True, enable=True, throw_on_early_termination=False)

        In the block processes may have different numbers of inputs: who is done early takes part in
        the others' reductions with zeros.
        """
        return Join(
            [self],
            enable,
            throw_on_early_termination,
            divide_by_initial_world_size=divide_by_initial_world_size,
        )

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What a process does after its last input."""
        divide = kwargs.get("divide_by_initial_world_size", True)
        return _DDPJoinHook(self, divide_by_initial_world_size=divide)

    @property
    def join_device(self) -> torch.device:
        """The device of the counts that are exchanged."""
        return self.device

    @property
    def join_process_group(self) -> ProcessGroup:
        """The group of the processes."""
        return self.process_group

    def _tell_joined(self, syncing: bool) -> bool:
        """Do the processes that still have inputs reduce gradients in this step?"""
        flag = torch.tensor([1.0 if syncing else 0.0])
        all_reduce(flag, group=self.process_group)
        return bool(flag.item() > 0)

    def _buffer_root(self, joined: bool) -> int:
        """Whose buffers count: rank 0, or in a join block the last that still has inputs."""
        if not self._join_config.enable and not joined:
            return 0
        return self._common_rank(-1 if joined else self._rank())

    def _common_rank(self, mine: int) -> int:
        rank = torch.tensor([mine], dtype=torch.int32)
        all_reduce(rank, op=ReduceOp.MAX, group=self.process_group)
        return int(rank.item())


class _DDPJoinHook(JoinHook):
    """What a process without inputs does in the steps of the others."""

    def __init__(self, ddp: DistributedDataParallel, divide_by_initial_world_size: bool) -> None:
        self.ddp = ddp
        ddp._divide_by_initial_world_size = divide_by_initial_world_size

    def main_hook(self) -> None:
        """One step."""
        ddp = self.ddp
        syncing = ddp._tell_joined(False)
        if ddp.will_sync_module_buffers():
            ddp._broadcast_from(ddp._buffer_root(True), ddp._buffers_to_sync())
        ddp.require_forward_param_sync = syncing
        if syncing:
            ddp.reducer.track_used = ddp.find_unused_parameters or ddp.static_graph
            ddp.reducer.shadow()

    def post_hook(self, is_last_joiner: bool) -> None:
        """All have ended: the model of who worked longest goes to all."""
        ddp = self.ddp
        root = ddp._common_rank(ddp._rank() if is_last_joiner else -1)
        ddp._broadcast_from(root, [*ddp.module.parameters(), *ddp._buffers_to_sync()])


def _refuse(delayed: Any, hooked: Any) -> None:
    """The arguments that are not supported."""
    if (delayed is None) != (hooked is None):
        raise ValueError(
            "delay_all_reduce_named_params and param_to_hook_all_reduce need to be set at the "
            "same time."
        )
    if delayed is not None:
        raise NotImplementedError(
            "delay_all_reduce_named_params is not supported: leave it out, buckets are reduced "
            "when they are full"
        )


def _buffer_flags(old: bool | None, new: bool | None) -> tuple[bool, bool]:
    """Are buffers sent before each forward? And at the start? Only ``old`` keeps them from that."""
    if old is not None:
        text = _BROADCAST if new is None else _BOTH_BUFFERS
        warnings.warn(text, FutureWarning, stacklevel=3)
    each = (old is not False) if new is None else new
    return each, new is not None or old is not False


def _group(process_group: Any, device_mesh: Any) -> ProcessGroup:
    if process_group is not None and device_mesh is not None:
        raise RuntimeError("Cannot specify both process_group and device_mesh arguments.")
    if device_mesh is not None:
        if device_mesh.ndim != 1:
            raise RuntimeError(f"Only 1D device mesh is supported, but got {device_mesh}.")
        return device_mesh.get_group(mesh_dim=0)
    return default_group() if process_group is None else process_group
