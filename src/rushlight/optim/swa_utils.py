"""Averages of a model's weights: stochastic weight averaging and exponential moving averages."""

import math
from collections.abc import Callable, Iterable
from copy import deepcopy
from itertools import chain
from typing import Any, Literal

from rushlight import _api as torch
from rushlight.nn import Module
from rushlight.nn.modules.batchnorm import _BatchNorm
from rushlight.optim.lr_scheduler.base import LRScheduler, Rate, per_group, warn_outside_step
from rushlight.optim.optimizer import Optimizer

kernels = torch.optimizer_kernels

__all__ = [
    "SWALR",
    "AveragedModel",
    "get_ema_avg_fn",
    "get_ema_multi_avg_fn",
    "get_swa_avg_fn",
    "get_swa_multi_avg_fn",
    "update_bn",
]

Tensors = list[torch.Tensor] | tuple[torch.Tensor, ...]
Count = torch.Tensor | int


def _check_decay(decay: float) -> None:
    if decay < 0.0 or decay > 1.0:
        raise ValueError(
            f"Invalid decay value {decay} provided. Please provide a value in [0,1] range."
        )


def _check_lengths(averages: Tensors, currents: Tensors) -> None:
    if len(averages) != len(currents):
        raise RuntimeError(
            "Tensor lists must have the same number of tensors, got "
            f"{len(averages)} and {len(currents)}"
        )


def _continuous(x: torch.Tensor) -> bool:
    return x.is_floating_point() or x.is_complex()


def get_ema_multi_avg_fn(decay: float = 0.999) -> Callable[[Tensors, Tensors, Count], None]:
    """get_ema_multi_avg_fn(decay=0.999) -> function

    For ``AveragedModel(multi_avg_fn=...)``: an exponential moving average of lists of tensors, in
    place.

    >>> average = torch.optim.swa_utils.get_ema_multi_avg_fn(0.5)
    >>> averages = [torch.tensor([1.0]), torch.tensor([2.0])]
    >>> average(averages, [torch.tensor([3.0]), torch.tensor([4.0])], 1)
    >>> averages
    [tensor([2.]), tensor([3.])]
    """
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(ema_param_list: Tensors, current_param_list: Tensors, _: Count) -> None:
        _check_lengths(ema_param_list, current_param_list)
        if kernels.mix_all(ema_param_list, current_param_list, 1 - decay):
            return
        for average, current in zip(ema_param_list, current_param_list, strict=True):
            if _continuous(average):
                average.lerp_(current, 1 - decay)
            else:
                average.copy_(average * decay + current * (1 - decay))

    return ema_update


def get_swa_multi_avg_fn() -> Callable[[Tensors, Tensors, Count], None]:
    """get_swa_multi_avg_fn() -> function

    For ``AveragedModel(multi_avg_fn=...)``: the mean of all models so far, of lists of tensors, in
    place.

    >>> average = torch.optim.swa_utils.get_swa_multi_avg_fn()
    >>> averages = [torch.tensor([1.0])]
    >>> average(averages, [torch.tensor([4.0])], 2)
    >>> averages
    [tensor([2.])]
    """

    @torch.no_grad()
    def swa_update(
        averaged_param_list: Tensors, current_param_list: Tensors, num_averaged: Count
    ) -> None:
        _check_lengths(averaged_param_list, current_param_list)
        weight = 1 / (num_averaged + 1)
        number = weight.item() if isinstance(weight, torch.Tensor) else weight
        if kernels.mix_all(averaged_param_list, current_param_list, number):
            return
        for average, current in zip(averaged_param_list, current_param_list, strict=True):
            if not _continuous(average):
                average.copy_(average + (current - average) / (num_averaged + 1))
            elif isinstance(weight, torch.Tensor):
                average.lerp_(current, weight.to(average.dtype))
            else:
                average.lerp_(current, weight)

    return swa_update


def get_ema_avg_fn(
    decay: float = 0.999,
) -> Callable[[torch.Tensor, torch.Tensor, Count], torch.Tensor]:
    """get_ema_avg_fn(decay=0.999) -> function

    For ``AveragedModel(avg_fn=...)``: an exponential moving average, tensor by tensor.

    >>> average = torch.optim.swa_utils.get_ema_avg_fn(0.5)
    >>> average(torch.tensor(1.0), torch.tensor(3.0), 1)
    tensor(2.)
    """
    _check_decay(decay)

    @torch.no_grad()
    def ema_update(
        ema_param: torch.Tensor, current_param: torch.Tensor, num_averaged: Count
    ) -> Any:
        return decay * ema_param + (1 - decay) * current_param

    return ema_update


def get_swa_avg_fn() -> Callable[[torch.Tensor, torch.Tensor, Count], torch.Tensor]:
    """get_swa_avg_fn() -> function

    For ``AveragedModel(avg_fn=...)``: the mean of all models so far, tensor by tensor.

    >>> average = torch.optim.swa_utils.get_swa_avg_fn()
    >>> average(torch.tensor(1.0), torch.tensor(4.0), 2)
    tensor(2.)
    """

    @torch.no_grad()
    def swa_update(
        averaged_param: torch.Tensor, current_param: torch.Tensor, num_averaged: Count
    ) -> Any:
        return averaged_param + (current_param - averaged_param) / (num_averaged + 1)

    return swa_update


class AveragedModel(Module):
    """AveragedModel(model, device=None, avg_fn=None, multi_avg_fn=None, use_buffers=False)

    A copy of ``model`` whose parameters are the average of those it is shown by
    :meth:`update_parameters`.

    The mean of all by default; another one by ``avg_fn(average, current, count)`` or, on whole
    lists, ``multi_avg_fn``. ``use_buffers`` averages the buffers, too; otherwise they are copied.

    >>> model = torch.nn.Linear(1, 1)
    >>> averaged = torch.optim.swa_utils.AveragedModel(model)
    >>> averaged.update_parameters(model)
    >>> averaged.n_averaged
    tensor(1)
    """

    n_averaged: torch.Tensor

    def __init__(
        self,
        model: Module,
        device: int | torch.device | None = None,
        avg_fn: Callable[[torch.Tensor, torch.Tensor, Count], torch.Tensor] | None = None,
        multi_avg_fn: Callable[[Tensors, Tensors, Count], None] | None = None,
        use_buffers: bool = False,
    ) -> None:
        super().__init__()
        if avg_fn is not None and multi_avg_fn is not None:
            raise AssertionError("Only one of avg_fn and multi_avg_fn should be provided")
        self.module = deepcopy(model)
        if device is not None:
            self.module = self.module.to(device)
        count = torch.tensor(0, dtype=torch.long, device=device)
        self.register_buffer("n_averaged", count)
        self.avg_fn = avg_fn
        self.multi_avg_fn = multi_avg_fn
        self.use_buffers = use_buffers

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """forward(...): the averaged model's output."""
        return self.module(*args, **kwargs)

    def update_parameters(self, model: Module) -> None:
        """update_parameters(model): take the present parameters of ``model`` into the average.

        >>> model = torch.nn.Linear(1, 1, bias=False)
        >>> averaged = torch.optim.swa_utils.AveragedModel(model)
        >>> for value in (1.0, 3.0):
        ...     weight = torch.nn.init.constant_(model.weight, value)
        ...     averaged.update_parameters(model)
        >>> averaged.module.weight.item()
        2.0
        """
        pairs = [
            (average.detach(), current.detach().to(average.device))
            for average, current in zip(
                self._averaged(self.module), self._averaged(model), strict=False
            )
        ]
        if self.n_averaged == 0:
            for average, current in pairs:
                average.copy_(current)
        else:
            self._average(pairs)
        if not self.use_buffers:
            for kept, current in zip(self.module.buffers(), model.buffers(), strict=True):
                kept.detach().copy_(current.detach().to(kept.device))
        self.n_averaged += 1

    def _averaged(self, module: Module) -> Iterable[torch.Tensor]:
        return chain(module.parameters(), module.buffers() if self.use_buffers else ())

    def _average(self, pairs: list[tuple[torch.Tensor, torch.Tensor]]) -> None:
        if self.avg_fn is not None:
            for average, current in pairs:
                average.copy_(self.avg_fn(average, current, self.n_averaged.to(average.device)))
            return
        alike: dict[Any, list] = {}
        for pair in pairs:
            alike.setdefault((str(pair[0].device), pair[0].dtype), []).append(pair)
        average_all = self.multi_avg_fn or get_swa_multi_avg_fn()
        for group in alike.values():
            averages, currents = zip(*group, strict=True)
            average_all(list(averages), list(currents), self.n_averaged.to(averages[0].device))


@torch.no_grad()
def update_bn(
    loader: Iterable[Any], model: Module, device: int | torch.device | None = None
) -> None:
    """update_bn(loader, model, device=None)

    Compute the running statistics of all BatchNorm layers anew, in one pass over ``loader`` (of
    inputs, or of lists that begin with one).

    >>> model = torch.nn.BatchNorm1d(1)
    >>> torch.optim.swa_utils.update_bn([torch.tensor([[1.0], [3.0]])], model)
    >>> model.running_mean, model.running_var
    (tensor([2.]), tensor([2.]))
    """
    momenta = {m: m.momentum for m in model.modules() if isinstance(m, _BatchNorm)}
    if not momenta:
        return
    was_training = model.training
    model.train()
    for module in momenta:
        module.reset_running_stats()
        module.momentum = None  # a mean over all batches
    for batch in loader:
        inputs = batch[0] if isinstance(batch, (list, tuple)) else batch
        model(inputs if device is None else inputs.to(device))
    for module, momentum in momenta.items():
        module.momentum = momentum
    model.train(was_training)


class SWALR(LRScheduler):
    """SWALR(optimizer, swa_lr, anneal_epochs=10, anneal_strategy="cos", last_epoch=-1)

    The rate goes to ``swa_lr`` in ``anneal_epochs`` epochs, along a cosine or a line, and stays
    there.

    >>> optimizer = torch.optim.SGD([torch.nn.Parameter(torch.zeros(1))], lr=1.0)
    >>> scheduler = torch.optim.swa_utils.SWALR(optimizer, 0.5, 2, "linear")
    >>> for _ in range(2):
    ...     optimizer.step(); scheduler.step(); print(scheduler.get_last_lr())
    [0.75]
    [0.5]
    """

    def __init__(
        self,
        optimizer: Optimizer,
        swa_lr: float,
        anneal_epochs: int = 10,
        anneal_strategy: Literal["cos", "linear"] = "cos",
        last_epoch: int = -1,
    ) -> None:
        rates = per_group("swa_lr", optimizer, swa_lr)
        for rate, group in zip(rates, optimizer.param_groups, strict=True):
            group["swa_lr"] = rate
        if anneal_strategy not in ("cos", "linear"):
            raise ValueError(
                f"anneal_strategy must be one of 'cos' or 'linear', instead got {anneal_strategy}"
            )
        self._set_anneal_func(anneal_strategy)
        if not isinstance(anneal_epochs, int) or anneal_epochs < 0:
            raise ValueError(f"anneal_epochs must be equal or greater than 0, got {anneal_epochs}")
        self.anneal_epochs = anneal_epochs
        super().__init__(optimizer, last_epoch)

    @staticmethod
    def _linear_anneal(t: float) -> float:
        return t

    @staticmethod
    def _cosine_anneal(t: float) -> float:
        return (1 - math.cos(math.pi * t)) / 2

    def _set_anneal_func(self, anneal_strategy: str) -> None:
        self._anneal_strategy = anneal_strategy
        self.anneal_func = self._cosine_anneal if anneal_strategy == "cos" else self._linear_anneal

    def _share(self, step: int) -> float:
        """How much of the way to `swa_lr` is done after so many steps."""
        return self.anneal_func(max(0, min(1, step / max(1, self.anneal_epochs))))

    def get_lr(self) -> list[Rate]:
        """get_lr() -> list: the rates of this epoch. Called by :meth:`step`."""
        warn_outside_step(self)
        step = self._step_count - 1
        if self.anneal_epochs == 0:
            step = max(1, step)
        before, now = self._share(step - 1), self._share(step)
        rates = []
        for group in self.optimizer.param_groups:
            lr, goal = group["lr"], group["swa_lr"]
            start = goal if before == 1 else (lr - before * goal) / (1 - before)
            rates.append(goal * now + start * (1 - now))
        return rates

    def state_dict(self) -> dict[str, Any]:
        """state_dict() -> dict: everything but the optimizer and the function made from
        ``anneal_strategy``.
        """
        return self._state_without("optimizer", "anneal_func")

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        """load_state_dict(state_dict): take over what :meth:`state_dict` returned."""
        self.__dict__.update(state_dict)
        self._set_anneal_func(self._anneal_strategy)
