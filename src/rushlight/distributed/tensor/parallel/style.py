"""How a layer is cut: ColwiseParallel, RowwiseParallel, and layouts of inputs and outputs."""

from typing import Any

from rushlight import _api as torch
from rushlight.distributed.device_mesh import DeviceMesh
from rushlight.distributed.tensor.dtensor import DTensor, distribute_tensor
from rushlight.distributed.tensor.placement_types import Placement, Replicate, Shard
from rushlight.distributed.tensor.rules import dropout
from rushlight.nn import Dropout, Embedding, Linear, Module

__all__ = [
    "ColwiseParallel",
    "ParallelStyle",
    "PrepareModuleInput",
    "PrepareModuleInputOutput",
    "PrepareModuleOutput",
    "RowwiseParallel",
    "SequenceParallel",
]


class ParallelStyle:
    """What ``parallelize_module`` does to a module: a subclass says it in ``_apply(module, mesh)``.

    >>> from rushlight.distributed.tensor.parallel import ColwiseParallel, ParallelStyle
    >>> isinstance(ColwiseParallel(), ParallelStyle)
    True
    """

    src_data_rank: int | None = 0

    def _apply(self, module: Module, device_mesh: DeviceMesh) -> Module:
        raise NotImplementedError("a ParallelStyle implements _apply")


def laid_out(value: Any, mesh: DeviceMesh, have: Any, want: Any) -> Any:
    """A tensor as a DTensor in the wanted layout."""
    if not isinstance(value, torch.Tensor) or have is None:
        return value
    if not isinstance(value, DTensor):
        value = DTensor.from_local(value, mesh, (have,))
    return value.redistribute(placements=(want,))


class _Cut(ParallelStyle):
    """What the two have in common."""

    def __init__(self, wanted: Placement, have: Any, out: Any, use_local_output: bool) -> None:
        self.wanted = wanted
        self.input_layouts = (wanted if have is None else have,)
        self.output_layouts = (out,)
        self.use_local_output = use_local_output

    def _cut(self, module: Module, mesh: DeviceMesh) -> None:
        raise NotImplementedError

    def _apply(self, module: Module, device_mesh: DeviceMesh) -> Module:
        if not isinstance(module, (Linear, Embedding)):
            raise NotImplementedError(
                f"{type(self).__name__} currently only support nn.Linear and nn.Embedding!"
            )
        self._cut(module, device_mesh)
        wanted = Replicate() if isinstance(module, Embedding) else self.wanted

        def before(_: Module, inputs: tuple) -> tuple:
            have = self.input_layouts[0]
            if isinstance(module, Embedding) and isinstance(have, Shard):
                have = Replicate() if have == self.wanted else have
            return (laid_out(inputs[0], device_mesh, have, wanted), *inputs[1:])

        def after(_: Module, inputs: Any, output: Any) -> Any:
            last = self.output_layouts[0]
            if isinstance(last, Shard) and last.dim == -1:
                last = Shard(output.ndim - 1)
            output = output.redistribute(placements=(last,))
            return output.to_local() if self.use_local_output else output

        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)
        return module

    def __repr__(self) -> str:
        return (
            f"{type(self).__name__}(input_layouts={self.input_layouts}, "
            f"output_layouts={self.output_layouts}, use_local_output={self.use_local_output})"
        )

    def _replace(self, module: Module, mesh: DeviceMesh, places: dict[str, Placement]) -> None:
        for name, p in list(module.named_parameters(recurse=False)):
            new = distribute_tensor(p, mesh, (places[name],), src_data_rank=self.src_data_rank)
            module.register_parameter(name, new)


class ColwiseParallel(_Cut):
    """ColwiseParallel(*, input_layouts=None, output_layouts=None, use_local_output=True)

    Each process computes some outputs of a Linear (some features of an Embedding). The input is
    replicated, the output is sharded along its last dimension.

    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> from rushlight.distributed.tensor.parallel import ColwiseParallel, parallelize_module
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1,))
    >>> style = ColwiseParallel(use_local_output=False)
    >>> layer = parallelize_module(torch.nn.Linear(2, 4), mesh, style)
    >>> layer(torch.ones(3, 2)).placements
    (Shard(dim=1),)
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        *,
        input_layouts: Placement | None = None,
        output_layouts: Placement | None = None,
        use_local_output: bool = True,
    ) -> None:
        out = Shard(-1) if output_layouts is None else output_layouts
        super().__init__(Replicate(), input_layouts, out, use_local_output)

    def _cut(self, module: Module, mesh: DeviceMesh) -> None:
        rows = {"weight": Shard(0), "bias": Shard(0)}
        columns = {"weight": Shard(1)}
        places: Any = columns if isinstance(module, Embedding) else rows
        self._replace(module, mesh, places)


class RowwiseParallel(_Cut):
    """RowwiseParallel(*, input_layouts=None, output_layouts=None, use_local_output=True)

    Each process computes with some inputs of a Linear (some entries of an Embedding), and the
    results are summed. The input is sharded along its last dimension, the output replicated.

    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> from rushlight.distributed.tensor.parallel import RowwiseParallel, parallelize_module
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1,))
    >>> layer = parallelize_module(torch.nn.Linear(2, 4), mesh, RowwiseParallel())
    >>> layer.weight.placements, layer(torch.ones(3, 2)).shape
    ((Shard(dim=1),), torch.Size([3, 4]))
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        *,
        input_layouts: Placement | None = None,
        output_layouts: Placement | None = None,
        use_local_output: bool = True,
    ) -> None:
        out = Replicate() if output_layouts is None else output_layouts
        super().__init__(Shard(-1), input_layouts, out, use_local_output)

    def _cut(self, module: Module, mesh: DeviceMesh) -> None:
        table: dict[str, Placement] = {"weight": Shard(0)}
        layer: dict[str, Placement] = {"weight": Shard(1), "bias": Replicate()}
        self._replace(module, mesh, table if isinstance(module, Embedding) else layer)


class PrepareModuleInput(ParallelStyle):
    """PrepareModuleInput(*, input_layouts, desired_input_layouts, input_kwarg_layouts=None,
    desired_input_kwarg_layouts=None, use_local_output=False)

    The inputs of a module, which come in one layout, are brought into another.

    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> from rushlight.distributed.tensor.parallel import PrepareModuleInput, parallelize_module
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1,))
    >>> style = PrepareModuleInput(
    ...     input_layouts=Shard(0), desired_input_layouts=Replicate()
    ... )
    >>> identity = parallelize_module(torch.nn.Identity(), mesh, style)
    >>> identity(torch.ones(2)).placements
    (Replicate(),)
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        *,
        input_layouts: Any = None,
        desired_input_layouts: Any = None,
        input_kwarg_layouts: dict[str, Placement] | None = None,
        desired_input_kwarg_layouts: dict[str, Placement] | None = None,
        use_local_output: bool = False,
    ) -> None:
        self.have, self.want = _tuple(input_layouts), _tuple(desired_input_layouts)
        self.have_kwargs = input_kwarg_layouts or {}
        self.want_kwargs = desired_input_kwarg_layouts or {}
        self.use_local_output = use_local_output
        if len(self.have) != len(self.want):
            raise AssertionError("input_layouts and desired_input_layouts should have same length!")

    def _apply(self, module: Module, device_mesh: DeviceMesh) -> Module:
        def out(value: Any) -> Any:
            local = self.use_local_output and isinstance(value, DTensor)
            return value.to_local() if local else value

        def before(_: Module, inputs: tuple, kwargs: dict) -> tuple:
            if len(inputs) != len(self.have):
                raise ValueError("module inputs and input_layouts should have same length!")
            new = [
                out(laid_out(v, device_mesh, h, w))
                for v, h, w in zip(inputs, self.have, self.want, strict=True)
            ]
            named = {
                k: out(laid_out(v, device_mesh, self.have_kwargs.get(k), self.want_kwargs.get(k)))
                for k, v in kwargs.items()
            }
            return tuple(new), named

        module.register_forward_pre_hook(before, with_kwargs=True)
        return module


class PrepareModuleOutput(ParallelStyle):
    """PrepareModuleOutput(*, output_layouts, desired_output_layouts, use_local_output=True)

    The outputs of a module, which come in one layout, are brought into another.

    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> from rushlight.distributed.tensor.parallel import PrepareModuleOutput, parallelize_module
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1,))
    >>> style = PrepareModuleOutput(
    ...     output_layouts=Replicate(), desired_output_layouts=Shard(0), use_local_output=False
    ... )
    >>> identity = parallelize_module(torch.nn.Identity(), mesh, style)
    >>> identity(torch.ones(2)).placements
    (Shard(dim=0),)
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self, *, output_layouts: Any, desired_output_layouts: Any, use_local_output: bool = True
    ) -> None:
        self.have, self.want = _tuple(output_layouts), _tuple(desired_output_layouts)
        self.use_local_output = use_local_output
        if len(self.have) != len(self.want):
            raise AssertionError(
                "output_layouts and desired_output_layouts should have same length!"
            )

    def _apply(self, module: Module, device_mesh: DeviceMesh) -> Module:
        def after(_: Module, inputs: Any, outputs: Any) -> Any:
            values = outputs if isinstance(outputs, tuple) else (outputs,)
            if len(values) != len(self.have):
                raise ValueError("module outputs and output_layouts should have same length!")
            new = [
                laid_out(v, device_mesh, h, w)
                for v, h, w in zip(values, self.have, self.want, strict=True)
            ]
            if self.use_local_output:
                new = [v.to_local() if isinstance(v, DTensor) else v for v in new]
            return tuple(new) if isinstance(outputs, tuple) else new[0]

        module.register_forward_hook(after)
        return module


class PrepareModuleInputOutput(ParallelStyle):
    """PrepareModuleInputOutput(*, input_layouts=None, desired_input_layouts=None,
    input_kwarg_layouts=None, desired_input_kwarg_layouts=None, use_local_input=False,
    output_layouts, desired_output_layouts, use_local_output=True)

    :class:`PrepareModuleInput` and :class:`PrepareModuleOutput` in one.

    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> from rushlight.distributed.tensor.parallel import PrepareModuleInputOutput
    >>> from rushlight.distributed.tensor.parallel import parallelize_module
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1,))
    >>> style = PrepareModuleInputOutput(
    ...     input_layouts=Shard(0), desired_input_layouts=Replicate(),
    ...     output_layouts=Replicate(), desired_output_layouts=Shard(0),
    ... )
    >>> identity = parallelize_module(torch.nn.Identity(), mesh, style)
    >>> identity(torch.ones(2))
    tensor([1., 1.])
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        *,
        input_layouts: Any = None,
        desired_input_layouts: Any = None,
        input_kwarg_layouts: dict[str, Placement] | None = None,
        desired_input_kwarg_layouts: dict[str, Placement] | None = None,
        use_local_input: bool = False,
        output_layouts: Any,
        desired_output_layouts: Any,
        use_local_output: bool = True,
    ) -> None:
        self.prepare_module_input = PrepareModuleInput(
            input_layouts=input_layouts,
            desired_input_layouts=desired_input_layouts,
            input_kwarg_layouts=input_kwarg_layouts,
            desired_input_kwarg_layouts=desired_input_kwarg_layouts,
            use_local_output=use_local_input,
        )
        self.prepare_module_output = PrepareModuleOutput(
            output_layouts=output_layouts,
            desired_output_layouts=desired_output_layouts,
            use_local_output=use_local_output,
        )

    def _apply(self, module: Module, device_mesh: DeviceMesh) -> Module:
        self.prepare_module_input._apply(module, device_mesh)
        return self.prepare_module_output._apply(module, device_mesh)


class _DropoutOfTheWhole(Dropout):
    """Dropout with the mask that one process alone would draw."""

    def forward(self, input: torch.Tensor) -> torch.Tensor:
        """The part of this process."""
        result: torch.Tensor = dropout(input, self.p, self.training)
        return result


class SequenceParallel(ParallelStyle):
    """SequenceParallel(*, sequence_dim=1, use_local_output=False)

    A norm or dropout layer whose input is cut along the sequence: parameters are the same on all
    processes, their gradients are summed. A plain tensor is taken for the part of this process.

    ValueError if the input is no tensor.

    >>> from rushlight.distributed.tensor import Replicate, Shard
    >>> from rushlight.distributed.tensor.parallel import SequenceParallel, parallelize_module
    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> mesh = torch.distributed.init_device_mesh("cpu", (1,))
    >>> norm = parallelize_module(torch.nn.LayerNorm(4), mesh, SequenceParallel())
    >>> norm(torch.ones(2, 3, 4)).placements
    (Shard(dim=1),)
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(self, *, sequence_dim: int = 1, use_local_output: bool = False) -> None:
        self.sequence_sharding = (Shard(sequence_dim),)
        self.use_local_output = use_local_output

    def _apply(self, module: Module, device_mesh: DeviceMesh) -> Module:
        for part in module.modules():
            if type(part) is Dropout:
                part.__class__ = _DropoutOfTheWhole
            for name, p in list(part.named_parameters(recurse=False)):
                new = distribute_tensor(p, device_mesh, src_data_rank=self.src_data_rank)
                part.register_parameter(name, new)

        def before(_: Module, inputs: tuple) -> tuple:
            x = inputs[0]
            if not isinstance(x, torch.Tensor):
                raise ValueError(
                    f"expecting input of {module} to be a torch.Tensor or DTensor, but got {x}"
                )
            if not isinstance(x, DTensor):
                x = DTensor.from_local(x, device_mesh, self.sequence_sharding)
            return (x.redistribute(placements=self.sequence_sharding), *inputs[1:])

        def after(_: Module, inputs: Any, output: Any) -> Any:
            local = self.use_local_output and isinstance(output, DTensor)
            return output.to_local() if local else output

        module.register_forward_pre_hook(before)
        module.register_forward_hook(after)
        return module

    def __repr__(self) -> str:
        return (
            f"SequenceParallel(sequence_dim={self.sequence_sharding[0].dim}, "
            f"use_local_output={self.use_local_output})"
        )


def _tuple(value: Any) -> tuple:
    if value is None:
        return ()
    return (value,) if isinstance(value, Placement) else tuple(value)
