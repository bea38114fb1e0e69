"""torch.distributed.algorithms.join: processes with different numbers of inputs."""

import warnings
from types import TracebackType
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.collectives import all_reduce
from rushlight.distributed.process_group import ProcessGroup
from rushlight.distributed.work import Work

__all__ = ["Join", "JoinHook", "Joinable"]


class JoinHook:
    """What a process does when it has no more inputs.

    >>> from rushlight.distributed.algorithms.join import JoinHook
    >>> JoinHook().post_hook(is_last_joiner=True)
    """

    def main_hook(self) -> None:
        """In each step of the others."""

    def post_hook(self, is_last_joiner: bool) -> None:
        """Once, when all have ended."""


class _JoinConfig:
    """The join block an object is in."""

    def __init__(self, enable: bool, throw: bool, first: bool) -> None:
        self.enable = enable
        self.throw_on_early_termination = throw
        self.is_first_joinable = first


class Joinable:
    """What can be in a join block.

    >>> from rushlight.distributed.algorithms.join import Joinable
    >>> issubclass(torch.nn.parallel.DistributedDataParallel, Joinable)
    True
    """

    def __init__(self) -> None:
        self._join_config = _JoinConfig(False, False, False)

    def join_hook(self, **kwargs: Any) -> JoinHook:
        """What this process is to do after its last input."""
        raise NotImplementedError("a Joinable implements join_hook")

    @property
    def join_device(self) -> torch.device:
        """The device of the counts that are exchanged."""
        raise NotImplementedError("a Joinable implements join_device")

    @property
    def join_process_group(self) -> ProcessGroup:
        """The group of the processes."""
        raise NotImplementedError("a Joinable implements join_process_group")


class Join:
    """Join(joinables, enable=True, throw_on_early_termination=False, **kwargs)

    A block in which processes may have different numbers of inputs. ``kwargs`` go to the objects'
    ``join_hook``. ValueError if the objects have no group or different ones.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.join import Join
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> with Join([model]):
    ...     for x in torch.ones(3, 4, 2):
    ...         model(x).sum().backward()
    >>> model.module.bias.grad
    tensor([12.])
    >>> dist.destroy_process_group()
    """

    def __init__(
        self,
        joinables: list[Joinable],
        enable: bool = True,
        throw_on_early_termination: bool = False,
        **kwargs: Any,
    ) -> None:
        if len(joinables) == 0:
            raise ValueError("The join context manager requires at least one joinable")
        self._joinables = joinables
        self._enable, self._throw = enable, throw_on_early_termination
        self._hooks = [joinable.join_hook(**kwargs) for joinable in joinables]
        groups = {id(j.join_process_group) for j in joinables}
        if len(groups) != 1:
            raise ValueError("Using join context manager with multiple process groups")
        self._group = joinables[0].join_process_group
        self._rank = self._group.rank()
        for i, joinable in enumerate(joinables):
            joinable._join_config = _JoinConfig(enable, throw_on_early_termination, i == 0)

    def __enter__(self) -> None:
        return None

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if not self._enable or error is not None:
            self._leave()
            return
        last = True
        steps = 0
        while self._still_working() > 0:
            if self._throw:
                self._tell_termination(False)
            last = False
            for hook in self._hooks:
                hook.main_hook()
            steps += 1
            if steps == 1000:
                warnings.warn(
                    "Detected uneven input skew of greater than 1000. This means that rank "
                    f"{self._rank} has at least 1000 fewer inputs than other currently-active "
                    "ranks. This level of skew could lead to performance degradation during "
                    "training.",
                    stacklevel=2,
                )
        if self._throw:
            self._tell_termination(True)
        for hook in self._hooks:
            hook.post_hook(last)
        self._leave()

    def _leave(self) -> None:
        for joinable in self._joinables:
            joinable._join_config = _JoinConfig(False, False, False)

    def _still_working(self) -> int:
        count = torch.zeros(1)
        all_reduce(count, group=self._group)
        return int(count.item())

    def _tell_termination(self, ended: bool) -> None:
        flag = torch.zeros(1) if ended else torch.ones(1)
        all_reduce(flag, group=self._group)
        if not ended or flag.item() > 0:
            raise RuntimeError(f"Rank {self._rank} exhausted all inputs.")

    @staticmethod
    def notify_join_context(joinable: Joinable) -> Work | None:
        """An object says, once in each step, that its process still has inputs.

        The work of a count of such processes. RuntimeError if one has none any more and the block
        is to end then.
        """
        config = joinable._join_config
        if not config.enable or not config.is_first_joinable:
            return None
        group = joinable.join_process_group
        work = all_reduce(torch.ones(1), group=group, async_op=True)
        if config.throw_on_early_termination:
            flag = torch.zeros(1)
            all_reduce(flag, group=group)
            if flag.item() > 0:
                raise RuntimeError(
                    "Detected at least one rank that exhausted inputs. Throwing across all ranks."
                )
        return work
