"""What schedulers share: counting epochs, setting learning rates, saying when they are called in
the wrong order.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any
from warnings import warn
from weakref import ref

from rushlight import _api as torch
from rushlight.optim.optimizer import Optimizer

_ADVICE = (
    "See more details at https://pytorch.org/docs/stable/optim.html#how-to-adjust-learning-rate"
)
_STEP_REPLACED = (
    "Seems like `optimizer.step()` has been overridden after learning rate scheduler "
    "initialization. Please, make sure to call `optimizer.step()` before `lr_scheduler.step()`. "
    f"{_ADVICE}"
)
_STEP_ORDER = (
    "Detected call of `lr_scheduler.step()` before `optimizer.step()`. In PyTorch 1.1.0 and "
    "later, you should call them in the opposite order: `optimizer.step()` before "
    "`lr_scheduler.step()`.  Failure to do this will result in PyTorch skipping the first value "
    f"of the learning rate schedule. {_ADVICE}"
)
EPOCH_DEPRECATED = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where "
    "possible. Please use `scheduler.step()` to step the scheduler. During the deprecation, if "
    "epoch is different from None, the closed form is used instead of the new chainable form, "
    "where available. Please open an issue if you are unable to replicate your use case: "
    "https://github.com/pytorch/pytorch/issues/new/choose."
)
_NO_INITIAL_LR = (
    "param 'initial_lr' is not specified in param_groups[{}] when resuming scheduler with "
    "last_epoch >= 0.\n"
    "This typically happens when:\n"
    "1. You're trying to resume training from a checkpoint but haven't properly loaded the "
    "optimizer state\n"
    "2. You're using last_epoch >= 0 for a fresh training run (not recommended)"
)

Rate = float | torch.Tensor


class LRScheduler:
    """LRScheduler(optimizer, last_epoch=-1)

    Base class of schedulers: :meth:`step` sets the learning rate of each parameter group to what
    ``get_lr`` says.

    A subclass writes ``get_lr(self)``, a list with one rate per group, from ``self.last_epoch`` and
    either ``self.base_lrs`` or the present rates (which lets schedulers be chained).

    >>> class Halving(torch.optim.lr_scheduler.LRScheduler):
    ...     def get_lr(self):
    ...         return [base / 2**self.last_epoch for base in self.base_lrs]
    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
    >>> scheduler = Halving(optimizer)
    >>> optimizer.step()
    >>> scheduler.step()
    >>> scheduler.get_last_lr()
    [0.4]
    """

    _get_lr_called_within_step = False
    _is_initial = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        require_optimizer(optimizer)
        self.optimizer = optimizer
        for i, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", own(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(_NO_INITIAL_LR.format(i))
        self.base_lrs: list[Rate] = present(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        note_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        """Set the rates of the first epoch."""
        self._step_count = 0
        self._is_initial = True
        try:
            self.step()
        finally:
            self._is_initial = False

    def state_dict(self) -> dict[str, Any]:
        """state_dict() -> dict: everything but the optimizer.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        >>> scheduler.state_dict()["step_size"], scheduler.state_dict()["last_epoch"]
        (1, 0)
        """
        return self._state_without("optimizer")

    def _state_without(self, *names: str) -> dict[str, Any]:
        return {key: value for key, value in self.__dict__.items() if key not in names}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """load_state_dict(state_dict): take over what :meth:`state_dict` returned.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        >>> scheduler.load_state_dict({"last_epoch": 5})
        >>> scheduler.last_epoch
        5
        """
        self.__dict__.update(state_dict)

    def get_last_lr(self) -> list[Rate]:
        """get_last_lr() -> list: the rates set by the last step.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        >>> scheduler.get_last_lr()
        [0.8]
        """
        return self._last_lr

    def get_lr(self) -> list[Rate]:
        """get_lr() -> list: the rates of the epoch ``last_epoch``, one per group. Written by
        subclasses.
        """
        raise NotImplementedError

    def step(self, epoch: Any = None) -> None:
        """step(): go on to the next epoch and set its learning rates.

        >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=0.8)
        >>> scheduler = torch.optim.lr_scheduler.StepLR(optimizer, 1, 0.5)
        >>> optimizer.step()
        >>> scheduler.step()
        >>> optimizer.param_groups[0]["lr"]
        0.4
        """
        if self._step_count == 1:
            self._warn_of_order()
        self._step_count += 1
        if epoch is not None:
            warn(EPOCH_DEPRECATED, UserWarning, stacklevel=2)
        self._update_lr(epoch)

    def _warn_of_order(self) -> None:
        if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
            warn(_STEP_REPLACED, UserWarning, stacklevel=3)
        elif not getattr(self.optimizer, "_opt_called", False):
            warn(_STEP_ORDER, UserWarning, stacklevel=3)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        closed = None if epoch is None else getattr(self, "_get_closed_form_lr", None)
        with inside_step(self):
            rates = closed() if closed else self.get_lr()
        self._set_rates(rates)

    def _set_rates(self, rates: list[Rate]) -> None:
        for group, rate in zip(self.optimizer.param_groups, rates, strict=True):
            assign(group, "lr", rate)
        self._last_lr: list[Rate] = present(self.optimizer, "lr")

    def _lrs(self) -> list[Rate]:
        return present(self.optimizer, "lr")

    def _scaled(self, factor: float) -> list[Rate]:
        return [group["lr"] * factor for group in self.optimizer.param_groups]


class _LRScheduler(LRScheduler):
    """The base class under its old name."""


def require_optimizer(optimizer: Any) -> None:
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def note_steps(optimizer: Any) -> None:
    """Let the optimizer remember that it was stepped. The wrapper holds it weakly: no cycle keeps
    it alive.
    """
    if hasattr(optimizer.step, "_wrapped_by_lr_sched"):
        return
    holder, function = ref(optimizer), optimizer.step.__func__

    @wraps(function)
    def noted_step(*args: Any, **kwargs: Any) -> Any:
        owner: Any = holder()
        owner._opt_called = True
        return function(owner, *args, **kwargs)

    made: Any = noted_step
    made._wrapped_by_lr_sched = True
    optimizer.step = made


@contextmanager
def inside_step(scheduler: LRScheduler) -> Iterator[None]:
    scheduler._get_lr_called_within_step = True
    try:
        yield
    finally:
        scheduler._get_lr_called_within_step = False


def warn_outside_step(scheduler: LRScheduler) -> None:
    if not scheduler._get_lr_called_within_step:
        warn(
            "To get the last learning rate computed by the scheduler, please use `get_last_lr()`.",
            UserWarning,
            stacklevel=3,
        )


def own(value: Any) -> Any:
    """A learning rate may be a Tensor, which is changed in place: keep a copy."""
    return value.clone() if isinstance(value, torch.Tensor) else value


def present(optimizer: Optimizer, key: str) -> list[Any]:
    return [own(group[key]) for group in optimizer.param_groups]


def assign(group: dict[str, Any], key: str, value: Any) -> None:
    if isinstance(group[key], torch.Tensor):
        group[key].fill_(
            value.squeeze() if isinstance(value, torch.Tensor) and value.dim() else value
        )
    else:
        group[key] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Any]:
    """`value`, or its items, one for each parameter group."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [own(value) for _ in range(count)]
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} "
            f"values, param_groups has {count}."
        )
    return [own(v) for v in value]
