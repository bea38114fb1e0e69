"""ZeroRedundancyOptimizer: each process keeps the state of some parameters and updates those."""

import copy
from collections.abc import Callable
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.algorithms.join import Join, Joinable, JoinHook
from rushlight.distributed.collectives import broadcast
from rushlight.distributed.groups import default_group, get_group_rank
from rushlight.distributed.objects import gather_object
from rushlight.distributed.process_group import ProcessGroup
from rushlight.optim import Optimizer

__all__ = ["ZeroRedundancyOptimizer"]


class ZeroRedundancyOptimizer(Optimizer, Joinable):
    """ZeroRedundancyOptimizer(params, optimizer_class, process_group=None,
    parameters_as_bucket_view=False, overlap_with_ddp=False, **defaults)

    An optimizer of another class whose state is spread: each process updates its share of the
    parameters and sends them to the others.

    >>> store = torch.distributed.HashStore()
    >>> torch.distributed.init_process_group("gloo", store=store, rank=0, world_size=1)
    >>> w = torch.nn.Parameter(torch.ones(2))
    >>> from rushlight.distributed.optim import ZeroRedundancyOptimizer
    >>> opt = ZeroRedundancyOptimizer([w], torch.optim.SGD, lr=0.5)
    >>> w.sum().backward(); opt.step(); w
    Parameter containing:
    tensor([0.5000, 0.5000], requires_grad=True)
    >>> torch.distributed.destroy_process_group()
    """

    def __init__(
        self,
        params: Any,
        optimizer_class: type[Optimizer],
        process_group: ProcessGroup | None = None,
        parameters_as_bucket_view: bool = False,
        overlap_with_ddp: bool = False,
        **defaults: Any,
    ) -> None:
        if overlap_with_ddp:
            raise NotImplementedError(
                "overlap_with_ddp is not supported: call step() after backward() instead"
            )
        self.process_group = default_group() if process_group is None else process_group
        self.world_size = self.process_group.size()
        self.rank = self.process_group.rank()
        self.parameters_as_bucket_view = parameters_as_bucket_view
        self._optim_constructor, self._optim_defaults = optimizer_class, defaults
        self._all_state: list[dict[str, Any]] | None = None
        self._ready = False
        Optimizer.__init__(self, _checked(params), defaults)
        Joinable.__init__(self)
        self._distribute()
        self._ready = True

    # ---- who has what ----------------------------------------------------------------------------

    def _shares(self) -> list[list[list[torch.Tensor]]]:
        """For each process and group of parameters, its share: largest parameters first, each to
        who has least.
        """
        sizes = [0] * self.world_size
        shares: list[list[list[torch.Tensor]]] = [[] for _ in range(self.world_size)]
        for group in self.param_groups:
            for share in shares:
                share.append([])
            for p in sorted(group["params"], key=lambda p: p.numel(), reverse=True):
                rank = sizes.index(min(sizes))
                shares[rank][-1].append(p)
                sizes[rank] += p.numel() if p.requires_grad else 0
        return shares

    def _distribute(self) -> None:
        """Make the optimizer of this process's share."""
        self._owned = self._shares()
        mine = [
            {**{k: v for k, v in group.items() if k != "params"}, "params": params}
            for group, params in zip(self.param_groups, self._owned[self.rank], strict=True)
        ]
        self.optim: Any = self._optim_constructor(
            [g for g in mine if g["params"]] or [{"params": [torch.zeros(1)]}],
            **self._optim_defaults,
        )
        self._local = {i: j for j, i in enumerate(i for i, g in enumerate(mine) if g["params"])}
        if self.parameters_as_bucket_view:
            self._flatten()
        for group, other in self._pairs():  # what the constructor has added, betas and so on
            for key, value in other.items():
                if key != "params":
                    group.setdefault(key, value)

    def _pairs(self) -> list[tuple[dict, dict]]:
        return [(self.param_groups[i], self.optim.param_groups[j]) for i, j in self._local.items()]

    def _flatten(self) -> None:
        """Put each process's share of one dtype into one tensor, so that it is sent at once."""
        self._flat: list[dict[torch.dtype, torch.Tensor]] = []
        for groups in self._owned:
            by_dtype: dict[torch.dtype, list[torch.Tensor]] = {}
            for p in [p for params in groups for p in params]:
                by_dtype.setdefault(p.dtype, []).append(p)
            flats = {}
            for dtype, params in by_dtype.items():
                flat = torch.cat([p.detach().reshape(-1) for p in params])
                at = 0
                for p in params:
                    p.data = flat[at : at + p.numel()].view(p.shape)
                    at += p.numel()
                flats[dtype] = flat
            self._flat.append(flats)

    # ---- steps -----------------------------------------------------------------------------------

    def step(self, closure: Callable[[], float] | None = None, **kwargs: Any) -> float | None:
        """step(closure=None): update the own share, and get the others' from them."""
        Join.notify_join_context(self)
        for group, other in self._pairs():
            other.update({k: v for k, v in group.items() if k != "params"})
        loss = self.optim.step(**kwargs) if closure is None else self.optim.step(closure, **kwargs)
        for group, other in self._pairs():
            group.update({k: v for k, v in other.items() if k != "params"})
        self._exchange()
        return loss

    def _exchange(self) -> None:
        """Each process sends its share."""
        works = []
        for rank, groups in enumerate(self._owned):
            if self.parameters_as_bucket_view:
                tensors = list(self._flat[rank].values())
            else:
                tensors = [p.detach() for params in groups for p in params]
            for t in tensors:
                works.append(broadcast(t, group=self.process_group, group_src=rank, async_op=True))
        for work in works:
            if work is not None:
                work.wait()

    def add_param_group(self, param_group: dict[str, Any]) -> None:
        """add_param_group(param_group): one more group; its parameters are spread too."""
        super().add_param_group(param_group)
        if self._ready:
            kept = self.optim.state
            self._distribute()
            for p in [p for params in self._owned[self.rank] for p in params]:
                if p in kept:
                    self.optim.state[p] = kept[p]

    # ---- state -----------------------------------------------------------------------------------

    def consolidate_state_dict(self, to: int = 0) -> None:
        """consolidate_state_dict(to=0): bring the state of all processes to rank ``to``, before
        its ``state_dict()``.
        """
        root = get_group_rank(self.process_group, to)
        everything: list[Any] | None = [None] * self.world_size if self.rank == root else None
        gather_object(self.optim.state_dict(), everything, group=self.process_group, group_dst=root)
        self._all_state = everything

    def state_dict(self) -> dict[str, Any]:
        """The state of all parameters, as the optimizer would have it in one process.

        RuntimeError unless ``consolidate_state_dict`` has brought it to this process.
        """
        if self._all_state is None:
            raise RuntimeError(
                "Optimizer state has not been consolidated on this rank. "
                f"Please call `consolidate_state_dict(to={self.rank})` on all ranks beforehand if "
                "you meant to save the global state."
            )
        result = super().state_dict()
        numbers = self._numbers()
        state: dict[int, Any] = {}
        for rank, local in enumerate(self._all_state):
            owned = [p for params in self._owned[rank] for p in params]
            for i, value in local["state"].items():
                if i < len(owned):
                    state[numbers[id(owned[i])]] = value
        result["state"] = dict(sorted(state.items()))
        return result

    def _numbers(self) -> dict[int, int]:
        every = [p for group in self.param_groups for p in group["params"]]
        return {id(p): i for i, p in enumerate(every)}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """load_state_dict(state_dict): take the own share of a whole state."""
        numbers = self._numbers()
        owned = [p for params in self._owned[self.rank] for p in params]
        local = copy.deepcopy(self.optim.state_dict())
        local["state"] = {
            i: state_dict["state"][numbers[id(p)]]
            for i, p in enumerate(owned)
            if numbers[id(p)] in state_dict["state"]
        }
        self.optim.load_state_dict(local)
        for group, saved in zip(self.param_groups, state_dict["param_groups"], strict=True):
            group.update({k: v for k, v in saved.items() if k != "params"})

    # ---- uneven inputs ---------------------------------------------------------------------------

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What this process does after its last input: it goes on updating its share."""
        return _ZeroJoinHook(self)

    @property
    def join_device(self) -> torch.device:
        """The device of the counts that are exchanged."""
        return torch.device("cpu")

    @property
    def join_process_group(self) -> ProcessGroup:
        """The group of the processes."""
        return self.process_group


class _ZeroJoinHook(JoinHook):
    def __init__(self, zero: ZeroRedundancyOptimizer) -> None:
        self.zero = zero

    def main_hook(self) -> None:
        """Update the own share with the gradients DDP has left, and exchange."""
        self.zero.step()


def _checked(params: Any) -> list:
    """TypeError or ValueError for what an optimizer cannot take."""
    if isinstance(params, torch.Tensor):
        raise TypeError(
            "`params` argument should be an iterable of Tensors, but got " + torch.typename(params)
        )
    every = list(params)
    if not every:
        raise ValueError("ZeroRedundancyOptimizer got an empty parameter list")
    return every
