"""torch.distributed.algorithms.ddp_comm_hooks.post_localSGD_hook: averages in small groups."""

import logging
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.algorithms.ddp_comm_hooks.default_hooks import average
from rushlight.distributed.buckets import GradBucket
from rushlight.distributed.groups import new_subgroups
from rushlight.futures import Future

__all__ = ["PostLocalSGDState", "post_localSGD_hook"]

_logger = logging.getLogger(__name__)


class PostLocalSGDState:
    """PostLocalSGDState(process_group, subgroup, start_localSGD_iter,
    post_local_gradient_allreduce=True)

    What :func:`post_localSGD_hook` needs: all processes, those among which gradients are averaged
    from iteration ``start_localSGD_iter`` on (those of a machine if None), and whether they are
    averaged at all then.

    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import post_localSGD_hook as post
    >>> post.PostLocalSGDState(None, None, 10).start_localSGD_iter
    10
    """

    __slots__ = [
        "iter",
        "post_local_gradient_allreduce",
        "process_group",
        "start_localSGD_iter",
        "subgroup",
    ]

    def __init__(
        self,
        process_group: Any,
        subgroup: Any,
        start_localSGD_iter: int,  # noqa: N803 (PyTorch's name)
        post_local_gradient_allreduce: bool = True,
    ) -> None:
        _logger.info("Local SGD will be started after %s iterations", start_localSGD_iter)
        self.process_group, self.subgroup = process_group, subgroup
        self.start_localSGD_iter = start_localSGD_iter
        self.post_local_gradient_allreduce = post_local_gradient_allreduce
        self.iter = 0

    def maybe_increase_iter(self, bucket: GradBucket) -> None:
        """Count iterations: the last bucket ends one."""
        if bucket.is_last():
            self.iter += 1
        if self.iter == self.start_localSGD_iter:
            _logger.info("Start to apply local SGD after %s iterations.", self.iter)


def post_localSGD_hook(state: PostLocalSGDState, bucket: GradBucket) -> Future:  # noqa: N802
    """Averages among all processes at first, later among those of a subgroup; the parameters are
    averaged now and then by a :class:`PeriodicModelAverager`.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import post_localSGD_hook as post
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(post.PostLocalSGDState(None, None, 1), post.post_localSGD_hook)
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    tensor: torch.Tensor = bucket.buffer()
    if state.iter < state.start_localSGD_iter:
        state.maybe_increase_iter(bucket)
        return average(state.process_group, tensor)
    if not state.post_local_gradient_allreduce:
        future: Future = Future()
        future.set_result(tensor)
        return future
    if state.subgroup is None:
        state.subgroup, _ = new_subgroups()
    return average(state.subgroup, tensor)
