"""torch.distributed.checkpoint.state_dict: states of models and optimizers by parameter names.

An optimizer's state is keyed by the names of parameters, and a tensor of it that belongs to a shard
is a DTensor like the parameter: so it can be saved, and loaded by another number of processes.
"""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.collectives import broadcast
from rushlight.distributed.groups import default_group, is_initialized
from rushlight.distributed.objects import broadcast_object_list
from rushlight.distributed.tensor.dtensor import DTensor, distribute_tensor, part_of, wrapped
from rushlight.nn import Module
from rushlight.optim import Optimizer

__all__ = [
    "StateDictOptions",
    "get_model_state_dict",
    "get_optimizer_state_dict",
    "get_state_dict",
    "set_model_state_dict",
    "set_optimizer_state_dict",
    "set_state_dict",
]


_FSDP = "_fsdp_wrapped_module"
_SUBMODULES = (
    "Getting submodules only model/optim state_dict is deprecated and will be removed in 2.5. This "
    "feature can be achieved by manually filtering out the state_dict returned from get_state_dict."
)
_BY_MODULES = (
    "Passing model_state_dict as a ``Dict[nn.Module, Dict[str, Any]]``is deprecated and will be "
    "removed in 2.5. If you need this feature, please preprocess the model_state_dict to achieve "
    "the same functionality."
)
_NO_OPTIMIZER = (
    "The option indicates that model state_dict is required to save, or load but optim state_dict "
    "is empty. {}"
)


@dataclass
class StateDictOptions:
    """``full_state_dict``: whole tensors, with ``cpu_offload`` on the first process only;
    ``broadcast_from_rank0``: what is set is taken from the first process, the others give nothing;
    ``flatten_optimizer_state_dict``: an optimizer's state is one dict of texts.

    >>> torch.distributed.checkpoint.state_dict.StateDictOptions(full_state_dict=True).strict
    True
    """

    full_state_dict: bool = False
    cpu_offload: bool = False
    ignore_frozen_params: bool = False
    keep_submodule_prefixes: bool = True
    strict: bool = True
    broadcast_from_rank0: bool = False
    flatten_optimizer_state_dict: bool = False
    dsd_fqn_modifiers: str = "_fqn_modifiers"


def _plain(name: str) -> str:
    """A name without the ``module.`` of DistributedDataParallel."""
    wrappers = ("module", _FSDP)
    return ".".join(part for part in name.split(".") if part not in wrappers)


def _inside(model: Module) -> Module:
    """What FullyShardedDataParallel wraps: its state is one of shards."""
    return model._modules.get(_FSDP) or model


def _whole(value: Any, options: StateDictOptions) -> Any:
    if options.full_state_dict and isinstance(value, DTensor):
        return value.full_tensor().detach()
    return value


def get_model_state_dict(
    model: Module, *, submodules: Any = None, options: StateDictOptions | None = None
) -> dict[str, Any]:
    """get_model_state_dict(model, *, submodules=None, options=None): parameters and buffers by
    name; those of some ``submodules`` only, which is deprecated.

    >>> from rushlight.distributed.checkpoint.state_dict import get_model_state_dict
    >>> list(get_model_state_dict(torch.nn.Linear(2, 1)))
    ['weight', 'bias']
    """
    chosen = options or StateDictOptions()
    frozen = {n for n, p in model.named_parameters() if not p.requires_grad}
    state = {
        _plain(name): _whole(value, chosen)
        for name, value in _inside(model).state_dict().items()
        if not (chosen.ignore_frozen_params and name in frozen)
    }
    if submodules:
        state = _below(state, model, set(submodules), chosen.keep_submodule_prefixes)
    return {} if _not_here(chosen) else state


def _below(
    state: dict[str, Any], model: Module, submodules: set[Module], keep: bool
) -> dict[str, Any]:
    """What belongs to some submodules, under its name in the model or in the submodule."""
    warnings.warn(_SUBMODULES, FutureWarning, stacklevel=3)
    starts = [f"{_plain(name)}." for name, m in model.named_modules() if m in submodules]
    return {
        name if keep else name.removeprefix(start): value
        for name, value in state.items()
        for start in [s for s in starts if name.startswith(s)][:1]
    }


def _by_names(state: dict[Any, Any], model: Module) -> dict[str, Any]:
    """A state, or states of submodules, as one by names."""
    if not isinstance(next(iter(state), None), Module):
        return state
    warnings.warn(_BY_MODULES, FutureWarning, stacklevel=3)
    names = {m: _plain(name) for name, m in model.named_modules()}
    return {f"{names[m]}.{k}": v for m, part in state.items() for k, v in part.items()}


def _not_here(options: StateDictOptions) -> bool:
    """Is the whole state on the first process only, and this another one?"""
    only_first = options.full_state_dict and options.cpu_offload and is_initialized()
    return only_first and default_group().rank() != 0


def set_model_state_dict(
    model: Module, model_state_dict: dict[Any, Any], *, options: StateDictOptions | None = None
) -> Any:
    """set_model_state_dict(model, model_state_dict, *, options=None): fill a model; whole tensors
    are cut where the model has shards.

    >>> from rushlight.distributed.checkpoint.state_dict import set_model_state_dict
    >>> layer = torch.nn.Linear(1, 1)
    >>> set_model_state_dict(layer, {"weight": torch.ones(1, 1), "bias": torch.zeros(1)})
    <All keys matched successfully>
    """
    chosen = options or StateDictOptions()
    model_state_dict = _by_names(model_state_dict, model)
    model = _inside(model)
    own = model.state_dict()
    names = {_plain(name): name for name in own}

    def placed(way: tuple, value: Any) -> Any:
        return _like(value, own.get(names.get(_plain(way[0]), way[0])))

    if chosen.broadcast_from_rank0:
        model_state_dict = _from_rank0(model_state_dict, placed)
    new = {
        names.get(_plain(key), key): placed((key,), value)
        for key, value in model_state_dict.items()
    }
    empty = any(v.is_meta for v in own.values() if isinstance(v, torch.Tensor))
    return model.load_state_dict(new, strict=chosen.strict, assign=empty)


def _like(value: Any, target: Any) -> Any:
    """A value in the layout of what it goes to; all processes have the same."""
    if isinstance(target, DTensor) and not isinstance(value, DTensor):
        return distribute_tensor(value, target.device_mesh, target.placements, src_data_rank=None)
    return value


@dataclass
class _Announced:
    """A tensor that the first process is going to send."""

    shape: tuple[int, ...]
    dtype: torch.dtype


def _from_rank0(state: Any, keep: Callable[[tuple, torch.Tensor], Any]) -> Any:
    """The first process's state; of each tensor only what ``keep(way, tensor)`` gives."""
    group = default_group()
    first = group.rank() == 0

    def announced(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return _Announced(tuple(value.shape), value.dtype)
        if isinstance(value, dict):
            return {k: announced(v) for k, v in value.items()}
        return [announced(v) for v in value] if isinstance(value, list) else value

    def received(way: tuple, form: Any, value: Any) -> Any:
        if isinstance(form, dict):
            return {k: received((*way, k), v, value[k] if first else None) for k, v in form.items()}
        if isinstance(form, list):
            pairs = zip(form, value if first else [None] * len(form), strict=True)
            return [received((*way, i), v, w) for i, (v, w) in enumerate(pairs)]
        if not isinstance(form, _Announced):
            return form
        whole = value.detach() if first else torch.empty(form.shape, dtype=form.dtype)
        broadcast(whole.contiguous() if first else whole, group=group, group_src=0)
        return keep(way, whole)

    forms = [announced(state) if first else None]
    broadcast_object_list(forms, group=group, group_src=0)
    return received((), forms[0], state)


def _names(model: Module) -> dict[int, str]:
    return {id(p): _plain(name) for name, p in model.named_parameters()}


def _as_shards(value: Any, p: Any) -> Any:
    """A tensor of an optimizer's state, as a DTensor if it belongs to a shard."""
    if (
        isinstance(p, DTensor)
        and isinstance(value, torch.Tensor)
        and not isinstance(value, DTensor)
        and value.shape == part_of(p).shape
        and value.ndim
    ):
        return wrapped(value, p.device_mesh, p.placements, p.shape)
    return value


def _list(optimizers: Any) -> list[Optimizer]:
    return [optimizers] if isinstance(optimizers, Optimizer) else list(optimizers)


def _start_state(optimizer: Optimizer) -> None:
    """Let the optimizer make its state, by a step that changes nothing."""
    every = [p for group in optimizer.param_groups for p in group["params"]]
    if optimizer.state or any(p.grad is not None for p in every):  # it may have stepped, with none
        return
    rates = [group["lr"] for group in optimizer.param_groups]
    params = [p for p in every if p.requires_grad]
    for group in optimizer.param_groups:
        group["lr"] = 0.0 * group["lr"]
    before = [part_of(p).clone() for p in params]
    for p in params:
        p.grad = torch.zeros_like(p)
    optimizer.step()
    with torch.no_grad():
        for p, old in zip(params, before, strict=True):
            part_of(p).copy_(old)
            p.grad = None
    for group, rate in zip(optimizer.param_groups, rates, strict=True):
        group["lr"] = rate


_init_optim_state = _start_state


def get_optimizer_state_dict(
    model: Module,
    optimizers: Optimizer | Iterable[Optimizer],
    *,
    submodules: Any = None,
    options: StateDictOptions | None = None,
) -> dict[str, Any]:
    """get_optimizer_state_dict(model, optimizers, *, options=None): the state by parameter names.

    An optimizer that has not stepped gets its first state, so that there is something to fill.

    >>> from rushlight.distributed.checkpoint.state_dict import get_optimizer_state_dict
    >>> layer = torch.nn.Linear(2, 1)
    >>> opt = torch.optim.SGD(layer.parameters(), lr=0.1)
    >>> get_optimizer_state_dict(layer, opt)["param_groups"][0]["params"]
    ['weight', 'bias']
    """
    chosen = options or StateDictOptions()
    names = _names(model)
    every = _list(optimizers)
    if not every:
        raise RuntimeError("Optimizers are not passed in but optim_only is set to True.")
    state: dict[str, Any] = {}
    groups: list[dict[str, Any]] = []
    for optimizer in every:
        _start_state(optimizer)
        for p, entry in optimizer.state.items():
            state[names[id(p)]] = {k: _whole(_as_shards(v, p), chosen) for k, v in entry.items()}
        for group in optimizer.param_groups:
            rest = {k: v for k, v in group.items() if k != "params"}
            groups.append({**rest, "params": [names[id(p)] for p in group["params"]]})
    if _not_here(chosen):
        return {}
    found = {"state": state, "param_groups": groups}
    return _flat(found) if chosen.flatten_optimizer_state_dict else found


def _flat(state: dict[str, Any]) -> dict[str, Any]:
    """``state.NAME.KEY`` and ``param_groups.NAME.KEY`` for each parameter."""
    new = {f"state.{n}.{k}": v for n, e in state["state"].items() for k, v in e.items()}
    for group in state["param_groups"]:
        for name in group["params"]:
            rest = {k: v for k, v in group.items() if k != "params"}
            new.update({f"param_groups.{name}.{k}": v for k, v in rest.items()})
    return new


def _unflat(
    state: dict[str, Any], names: dict[int, str], optimizers: list[Optimizer]
) -> dict[str, Any]:
    """The other way round, with the groups of the optimizers that are filled."""
    found: dict[str, Any] = {"state": {}, "param_groups": []}
    known = set(names.values())
    for key, value in state.items():
        kind, _, rest = key.partition(".")
        name, _, entry = rest.rpartition(".")
        if kind == "state" and name in known:
            found["state"].setdefault(name, {})[entry] = value
    for optimizer in optimizers:
        for group in optimizer.param_groups:
            begin = f"param_groups.{names[id(group['params'][0])]}."
            options = {k: v for k, v in group.items() if k != "params"}
            found["param_groups"].append({k: state.get(begin + k, v) for k, v in options.items()})
    return found


def set_optimizer_state_dict(
    model: Module,
    optimizers: Optimizer | Iterable[Optimizer],
    optim_state_dict: dict[str, Any],
    *,
    options: StateDictOptions | None = None,
) -> None:
    """set_optimizer_state_dict(model, optimizers, optim_state_dict, *, options=None): fill
    optimizers.

    >>> from rushlight.distributed.checkpoint import state_dict
    >>> layer = torch.nn.Linear(2, 1)
    >>> opt = torch.optim.SGD(layer.parameters(), lr=0.1)
    >>> saved = state_dict.get_optimizer_state_dict(layer, opt)
    >>> opt.param_groups[0]["lr"] = 9.0
    >>> state_dict.set_optimizer_state_dict(layer, opt, saved)
    >>> opt.param_groups[0]["lr"]
    0.1
    """
    chosen = options or StateDictOptions()
    names = _names(model)
    every = _list(optimizers)
    if chosen.broadcast_from_rank0:
        params = {name: p for p in model.parameters() for name in [names[id(p)]]}

        def kept(way: tuple, value: torch.Tensor) -> Any:
            name = way[1] if way[0] == "state" else way[0].partition(".")[2].rpartition(".")[0]
            return _like(value, params.get(name)) if value.ndim else value

        optim_state_dict = _from_rank0(optim_state_dict, kept)
    if "param_groups" not in optim_state_dict:
        optim_state_dict = _unflat(optim_state_dict, names, every)
    groups = iter(optim_state_dict["param_groups"])
    for optimizer in every:
        for group in optimizer.param_groups:
            saved = next(groups)
            group.update({k: v for k, v in saved.items() if k != "params"})
            for p in group["params"]:
                entry = optim_state_dict["state"].get(names[id(p)])
                if entry is not None:
                    optimizer.state[p] = {k: _own_part(v, p) for k, v in entry.items()}


def _own_part(value: Any, p: Any) -> Any:
    """What the optimizer keeps: the part of this process."""
    if not isinstance(value, torch.Tensor):
        return value
    if isinstance(p, DTensor) and not isinstance(value, DTensor) and value.shape == p.shape:
        value = distribute_tensor(value, p.device_mesh, p.placements, src_data_rank=None)
    return part_of(value).clone() if isinstance(value, DTensor) else value.clone()


def get_state_dict(
    model: Module,
    optimizers: Optimizer | Iterable[Optimizer],
    *,
    submodules: Any = None,
    options: StateDictOptions | None = None,
) -> tuple[dict[str, Any], dict[str, Any]]:
    """get_state_dict(model, optimizers, *, options=None): both.

    >>> from rushlight.distributed.checkpoint.state_dict import get_state_dict
    >>> layer = torch.nn.Linear(2, 1)
    >>> model, optim = get_state_dict(layer, torch.optim.Adam(layer.parameters()))
    >>> sorted(optim["state"]["weight"])
    ['exp_avg', 'exp_avg_sq', 'step']
    """
    every = _list(optimizers)
    states = get_model_state_dict(model, submodules=submodules, options=options)
    return states, get_optimizer_state_dict(model, every, options=options) if every else {}


def set_state_dict(
    model: Module,
    optimizers: Optimizer | Iterable[Optimizer],
    *,
    model_state_dict: dict[str, Any],
    optim_state_dict: dict[str, Any],
    options: StateDictOptions | None = None,
) -> Any:
    """set_state_dict(model, optimizers, *, model_state_dict, optim_state_dict, options=None): fill
    both.

    >>> from rushlight.distributed.checkpoint import state_dict
    >>> layer = torch.nn.Linear(2, 1)
    >>> opt = torch.optim.Adam(layer.parameters())
    >>> model, optim = state_dict.get_state_dict(layer, opt)
    >>> state_dict.set_state_dict(layer, opt, model_state_dict=model, optim_state_dict=optim)
    <All keys matched successfully>
    """
    every = _list(optimizers)
    from_first = options is not None and options.broadcast_from_rank0
    if every and not optim_state_dict and not from_first:
        raise RuntimeError(_NO_OPTIMIZER.format(optim_state_dict))
    if every:
        set_optimizer_state_dict(model, every, optim_state_dict, options=options)
    return set_model_state_dict(model, model_state_dict, options=options)
