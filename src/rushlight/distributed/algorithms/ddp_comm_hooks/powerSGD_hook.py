"""PowerSGD (Vogels et al., 2019): gradients are sent as products of two thin matrices.

A gradient M (n, m) is approximated by P Qᵀ with P (n, r), Q (m, r): P = M Q averaged among the
processes and orthogonalized, then Q = Mᵀ P averaged. What the approximation misses is added to the
next gradient. The first iterations average everything.
"""

import math
from collections import defaultdict
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight.distributed.algorithms.ddp_comm_hooks import default_hooks
from rushlight.distributed.buckets import GradBucket
from rushlight.distributed.collectives import all_reduce
from rushlight.distributed.groups import default_group
from rushlight.distributed.process_group import ProcessGroup
from rushlight.futures import Future
from rushlight.linalg import qr

__all__ = ["PowerSGDState", "batched_powerSGD_hook", "powerSGD_hook"]


class PowerSGDState:
    """PowerSGDState(process_group, matrix_approximation_rank=1, start_powerSGD_iter=1000,
    min_compression_rate=2, use_error_feedback=True, warm_start=True, orthogonalization_epsilon=0,
    random_seed=0, compression_stats_logging_frequency=10000,
    batch_tensors_with_same_shape=False)

    What the hook keeps between iterations. RuntimeError if it were to start before the second
    iteration while errors or Q are kept.

    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import powerSGD_hook as power
    >>> power.PowerSGDState(None, matrix_approximation_rank=2).start_powerSGD_iter
    1000
    """

    def __init__(
        self,
        process_group: ProcessGroup | None,
        matrix_approximation_rank: int = 1,
        start_powerSGD_iter: int = 1000,  # noqa: N803 (PyTorch's name)
        min_compression_rate: float = 2,
        use_error_feedback: bool = True,
        warm_start: bool = True,
        orthogonalization_epsilon: float = 0,
        random_seed: int = 0,
        compression_stats_logging_frequency: int = 10_000,
        batch_tensors_with_same_shape: bool = False,
    ) -> None:
        if (use_error_feedback or warm_start) and start_powerSGD_iter <= 1:
            raise ValueError(
                "Expect `start_powerSGD_iter` > 1 if `use_error_feedback` or `warm_start` is "
                "enabled, because PowerSGD can only be applied after the first two iterations "
                "in DDP."
            )
        self.process_group = process_group
        self.matrix_approximation_rank = matrix_approximation_rank
        self.start_powerSGD_iter = start_powerSGD_iter
        self.min_compression_rate = min_compression_rate
        self.use_error_feedback = use_error_feedback
        self.warm_start = warm_start
        self.orthogonalization_epsilon = orthogonalization_epsilon
        self.batch_tensors_with_same_shape = batch_tensors_with_same_shape
        self.compression_stats_logging_frequency = max(1, compression_stats_logging_frequency)
        self.rng = np.random.RandomState(random_seed)  # as PyTorch, for the same directions
        self.error_dict: dict[int, torch.Tensor] = {}
        self.p_memory_dict: dict[int, Any] = defaultdict(dict)
        self.q_memory_dict: dict[int, Any] = defaultdict(dict)
        self.iter = 0
        self.total_numel_before_compression = 0
        self.total_numel_after_compression = 0

    def maybe_increase_iter(self, bucket: GradBucket) -> None:
        """Count iterations: the last bucket ends one."""
        if bucket.is_last():
            self.iter += 1

    def compression_stats(self) -> tuple[float, int, int]:
        """How many times less was sent; elements before and after."""
        before, after = self.total_numel_before_compression, self.total_numel_after_compression
        return (before / after if after > 0 else 0.0), before, after


def _matrix(t: torch.Tensor) -> torch.Tensor:
    return t.view(t.shape[0], -1)


def _worth_it(n: int, m: int, state: PowerSGDState) -> bool:
    rank = min(n, m, state.matrix_approximation_rank)
    return (n + m) * rank * state.min_compression_rate < n * m


def _orthogonal(p: torch.Tensor, epsilon: float) -> torch.Tensor:
    """The columns made orthonormal."""
    if epsilon == 0:
        return qr(p)[0]
    q = p.clone()
    for i in range(q.shape[1]):
        column = q[:, i : i + 1]
        column /= column.norm() + epsilon
        if i + 1 < q.shape[1]:
            rest = q[:, i + 1 :]
            rest -= column @ (column.t() @ rest)
    return q


def _averaged(group: ProcessGroup | None, t: torch.Tensor) -> torch.Tensor:
    chosen = default_group() if group is None else group
    all_reduce(t, group=chosen)
    return t.div_(chosen.size())


def _start(state: PowerSGDState, matrices: list[torch.Tensor], index: int) -> list[torch.Tensor]:
    """The Qs of the last iteration, or random directions that all processes agree on."""
    kept = state.q_memory_dict[index]
    if not state.warm_start or len(kept) < len(matrices):
        generator = torch.Generator().manual_seed(int(state.rng.randint(1_000_000_000)))
        for k, m in enumerate(matrices):
            rank = min(*m.shape, state.matrix_approximation_rank)
            kept[k] = torch.randn(m.shape[1], rank, generator=generator, dtype=m.dtype)
    return [_orthogonal(kept[k], state.orthogonalization_epsilon) for k in range(len(matrices))]


def _approximate(
    state: PowerSGDState, matrices: list[torch.Tensor], index: int
) -> list[torch.Tensor]:
    """P Qᵀ for each matrix; all P travel together, then all Q."""
    qs = _start(state, matrices, index)
    ps = [m @ q for m, q in zip(matrices, qs, strict=True)]
    ps = _together(state, ps)
    ps = [_orthogonal(p, state.orthogonalization_epsilon) for p in ps]
    qs = _together(state, [m.t() @ p for m, p in zip(matrices, ps, strict=True)])
    for k, q in enumerate(qs):
        state.q_memory_dict[index][k] = q
    state.total_numel_after_compression += sum(t.numel() for t in [*ps, *qs])
    return [p @ q.t() for p, q in zip(ps, qs, strict=True)]


def _together(state: PowerSGDState, tensors: list[torch.Tensor]) -> list[torch.Tensor]:
    if not tensors:
        return []
    flat = _averaged(state.process_group, torch.cat([t.reshape(-1) for t in tensors]))
    parts = flat.split([t.numel() for t in tensors])
    return [part.view(t.shape) for part, t in zip(parts, tensors, strict=True)]


def _done(buffer: torch.Tensor) -> Future:
    future: Future = Future()
    future.set_result(buffer)
    return future


def powerSGD_hook(state: PowerSGDState, bucket: GradBucket) -> Future:  # noqa: N802
    """powerSGD_hook(state, bucket): each matrix of the bucket is approximated, the rest averaged.

    Collectives of this hook are waited for, so that all processes do them in one order.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import powerSGD_hook as power
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(power.PowerSGDState(None), power.powerSGD_hook)
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    buffer = bucket.buffer()
    if state.iter < state.start_powerSGD_iter:
        state.maybe_increase_iter(bucket)
        return default_hooks.average(state.process_group, buffer)
    index = bucket.index()
    wanted = buffer
    if state.use_error_feedback:
        if index in state.error_dict:
            buffer.add_(state.error_dict[index])
        wanted = buffer.clone()
    grads = bucket.gradients()
    state.total_numel_before_compression += buffer.numel()
    large = [
        g for g in grads if g.ndim > 1 and _worth_it(g.shape[0], g.numel() // g.shape[0], state)
    ]
    chosen = {id(g) for g in large}
    small = [g for g in grads if id(g) not in chosen]
    state.total_numel_after_compression += sum(g.numel() for g in small)
    for g, value in zip(small, _together(state, small), strict=True):
        g.copy_(value)
    for g, value in zip(
        large, _approximate(state, [_matrix(g) for g in large], index), strict=True
    ):
        g.copy_(value.view(g.shape))
    if state.use_error_feedback:
        state.error_dict[index] = wanted - buffer
    state.maybe_increase_iter(bucket)
    return _done(buffer)


def batched_powerSGD_hook(state: PowerSGDState, bucket: GradBucket) -> Future:  # noqa: N802
    """batched_powerSGD_hook(state, bucket): the bucket as one square matrix, which is faster and
    less exact.

    >>> dist = torch.distributed
    >>> dist.init_process_group("gloo", store=dist.HashStore(), rank=0, world_size=1)
    >>> from rushlight.distributed.algorithms.ddp_comm_hooks import powerSGD_hook as power
    >>> model = torch.nn.parallel.DistributedDataParallel(torch.nn.Linear(2, 1))
    >>> model.register_comm_hook(power.PowerSGDState(None), power.batched_powerSGD_hook)
    >>> model(torch.ones(3, 2)).sum().backward(); model.module.bias.grad
    tensor([3.])
    >>> dist.destroy_process_group()
    """
    buffer = bucket.buffer()
    if state.iter < state.start_powerSGD_iter:
        state.maybe_increase_iter(bucket)
        return default_hooks.average(state.process_group, buffer)
    index = bucket.index()
    side = math.ceil(buffer.numel() ** 0.5)
    padded = torch.zeros(side * side, dtype=buffer.dtype)
    padded[: buffer.numel()] = buffer
    if state.use_error_feedback and index in state.error_dict:
        padded.add_(state.error_dict[index])
    state.total_numel_before_compression += buffer.numel()
    result = _approximate(state, [padded.view(side, side)], index)[0].reshape(-1)
    if state.use_error_feedback:
        state.error_dict[index] = padded - result
    buffer.copy_(result[: buffer.numel()])
    state.maybe_increase_iter(bucket)
    return _done(buffer)
