"""Averaging gradients among processes while backward is still running."""

import weakref
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight.autograd import Variable
from rushlight.distributed.buckets import Bucket, GradBucket, assign, local_of
from rushlight.distributed.collectives import all_reduce, gather_objects
from rushlight.distributed.mixed_precision import Precisions
from rushlight.distributed.process_group import ProcessGroup
from rushlight.futures import Future

Hook = Callable[[Any, GradBucket], Future]

_UNFINISHED = (
    "Expected to have finished reduction in the prior iteration before starting a new one. "
    "This error indicates that your module has parameters that were not used in producing loss. "
    "You can enable unused parameter detection by passing the keyword argument "
    "`find_unused_parameters=True` to `torch.nn.parallel.DistributedDataParallel`, and by making "
    "sure all `forward` function outputs participate in calculating loss. If you already have "
    "done the above, then the distributed data parallel module wasn't able to locate the output "
    "tensors in the return value of your module's `forward` function. Please include the loss "
    "function and the structure of the return value of `forward` of your module when reporting "
    "this issue (e.g. list, dict, iterable).\n"
    "Parameter indices which did not receive grad for rank {rank}: {missing}"
)
_TWICE = (
    "Expected to mark a variable ready only once. This error is caused by one of the following "
    "reasons: 1) Use of a module parameter outside the `forward` function. 2) Reused parameters in "
    "multiple reentrant backward passes. Parameter at index {index}{name} has been marked as ready "
    "twice. This means that multiple autograd engine  hooks have fired for this particular "
    "parameter during this iteration."
)


class Reducer:
    """The buckets of some parameters and the hooks that fill and send them.

    ``divisor()`` is what sums are divided by. With ``precisions`` the gradients of a backward are
    of another dtype than those that are left in the parameters.
    """

    def __init__(
        self,
        params: Sequence[torch.Tensor],
        names: Sequence[str],
        sparse: set[int],
        limits: Sequence[int],
        group: ProcessGroup,
        as_views: bool,
        divisor: Callable[[], float],
        precisions: Precisions | None = None,
    ) -> None:
        self.params, self.names, self.group = list(params), list(names), group
        self.as_views, self.divisor = as_views, divisor
        self.sparse, self.precisions = sparse, precisions
        dtype = None if precisions is None else precisions.config.param_dtype
        self.buckets = [
            Bucket(i, numbers, params, dtype)
            for i, numbers in enumerate(assign(params, sparse, limits))
        ]
        self.place = {n: (b, k) for b in self.buckets for k, n in enumerate(b.numbers)}
        self.hook: Hook | None = None
        self.hook_state: Any = None
        self.expecting = False  # a forward has said that gradients are to be reduced
        self.unfinished = False  # some gradient has come, the reduction has not ended
        self.ready: set[int] = set()
        self.next = 0  # the bucket to send next: all processes send in one order
        self.used = torch.zeros(len(self.params), dtype=torch.int32)
        self.track_used = False
        self.handles = [
            p.register_post_accumulate_grad_hook(_hook_of(weakref.ref(self), i))
            for i, p in enumerate(self.params)
        ]

    # ---- one backward ----------------------------------------------------------------------------

    def prepare(self, outputs: Sequence[torch.Tensor] | None) -> None:
        """A forward has ended; with ``outputs``, parameters they do not depend on are ready now."""
        self.check_finished()
        for bucket in self.buckets:
            bucket.reset()
        self.ready.clear()
        self.next = 0
        self.expecting = True
        self.track_used = outputs is not None
        self.used.zero_()
        if outputs is not None:
            reached = parameters_below(outputs)
            for i, p in enumerate(self.params):
                if id(p) not in reached:
                    self._mark(i)

    def check_finished(self) -> None:
        """RuntimeError if some gradients of the last backward never came."""
        if self.unfinished:
            missing = [i for i in range(len(self.params)) if i not in self.ready]
            self.unfinished = self.expecting = False
            raise RuntimeError(_UNFINISHED.format(rank=self.group.rank(), missing=missing))

    def gradient_came(self, i: int) -> None:
        """A parameter's gradient is complete."""
        if not self.expecting:
            return
        if i in self.ready:
            raise RuntimeError(_TWICE.format(index=i, name=f" with name {self.names[i]}"))
        self.unfinished = True
        self.used[i] = 1
        self._mark(i)

    def _mark(self, i: int) -> None:
        self.ready.add(i)
        bucket, k = self.place[i]
        grad = self.params[i].grad
        if grad is not None:
            grad = local_of(grad)
        with torch.no_grad():
            if i in self.sparse:
                bucket.sparse = grad
            elif grad is None:
                bucket.views[k].zero_()
            elif self.hook is None:
                torch.mul(grad, 1.0 / self.divisor(), out=bucket.views[k])
            elif grad.data_ptr() != bucket.views[k].data_ptr():
                bucket.views[k].copy_(grad)
        bucket.missing -= 1
        while self.next < len(self.buckets) and self.buckets[self.next].missing == 0:
            self._send(self.buckets[self.next])
            self.next += 1
        if len(self.ready) == len(self.params):
            self._finish_later()

    def _finish_later(self) -> None:
        try:
            Variable._execution_engine.queue_callback(self.finish)
        except RuntimeError:  # no backward is under way: no parameter was used at all
            self.finish()

    def _send(self, bucket: Bucket) -> None:
        if bucket.numbers[0] in self.sparse:
            return  # sent at the end: how much it is depends on the others
        if self.hook is None:
            bucket.work = all_reduce(bucket.flat, group=self.group, async_op=True)
        else:
            bucket.work = self.hook(self.hook_state, GradBucket(bucket, len(self.buckets)))
            if not isinstance(bucket.work, Future):
                raise RuntimeError(
                    "Communication hook: a torch.futures.Future should be returned, but got "
                    f"{type(bucket.work).__name__}"
                )

    def finish(self) -> None:
        """Wait for all buckets; the gradients become the averages."""
        unused = self._unused_everywhere()
        if self.precisions is not None:
            self.precisions.restore()
        for bucket in self.buckets:
            if bucket.numbers[0] in self.sparse:
                self._finish_sparse(bucket)
                continue
            views = bucket.views
            work = bucket.work
            if isinstance(work, Future):
                with self.group.hold(str(self.group.sequence)):
                    value = work.wait()
                value = value[0] if isinstance(value, (list, tuple)) else value
                if value.dtype is not bucket.flat.dtype and self.precisions is not None:
                    views = bucket.cut(value)
                elif value.data_ptr() != bucket.flat.data_ptr():
                    bucket.flat.copy_(value)
            elif work is not None:
                work.wait()
            self._give_back(bucket, views, unused)
        self.expecting = self.unfinished = False

    def _unused_everywhere(self) -> set[int]:
        if not self.track_used:
            return set()
        all_reduce(self.used, group=self.group)
        return {i for i, count in enumerate(self.used.tolist()) if count == 0}

    def _give_back(self, bucket: Bucket, views: Sequence[torch.Tensor], unused: set[int]) -> None:
        with torch.no_grad():
            for n, p, view in zip(bucket.numbers, bucket.params, views, strict=True):
                if n in unused:
                    continue
                if local_of(p) is not p:  # the layer is cut: its gradient is a DTensor
                    p.grad = p.detach().clone() if p.grad is None else p.grad
                    local_of(p.grad).copy_(view)
                elif self.as_views and view.dtype is p.dtype:
                    p.grad = view
                elif p.grad is None:
                    p.grad = view.to(p.dtype, copy=True)
                else:
                    p.grad.copy_(view)

    def _finish_sparse(self, bucket: Bucket) -> None:
        p = bucket.params[0]
        mine = bucket.sparse
        if mine is None:
            mine = torch.sparse_coo_tensor(
                torch.zeros((1, 0), dtype=torch.int64), torch.zeros((0, *p.shape[1:])), p.shape
            )
        p.grad = sparse_sum(mine, self.group, 1.0 / self.divisor()).to(p.dtype)

    def shadow(self) -> None:
        """Take part, with zeros, in the reductions of a backward that this process does not do."""
        for bucket in self.buckets:
            bucket.reset()
            bucket.flat.zero_()
            self._send(bucket)
        self.used.zero_()
        self.ready = set(range(len(self.params)))
        grads = [p.grad for p in self.params]
        self.finish()
        for p, grad in zip(self.params, grads, strict=True):
            p.grad = grad


def _hook_of(reducer: weakref.ref, i: int) -> Callable[[torch.Tensor], None]:
    """A hook that does not keep the reducer alive."""

    def hook(_: torch.Tensor) -> None:
        target = reducer()
        if target is not None:
            target.gradient_came(i)

    return hook


def sparse_sum(t: torch.Tensor, group: ProcessGroup, scale: float) -> torch.Tensor:
    """The sum of all processes' sparse tensors, times a number."""
    t = t.coalesce()
    parts: list[Any] = [None] * group.size()
    pair = t.indices().numpy(), t.values().detach().numpy()
    group.run("all_reduce (sparse)", lambda: gather_objects(group, parts, pair), [])
    indices = torch.from_numpy(np.concatenate([p[0] for p in parts], axis=1))
    values = torch.from_numpy(np.concatenate([p[1] for p in parts])) * scale
    return torch.sparse_coo_tensor(indices, values, t.shape).coalesce()


def parameters_below(outputs: Sequence[torch.Tensor]) -> set[int]:
    """The ids of the leaves that gradients of the outputs will reach."""
    found: set[int] = set()
    seen: set[Any] = set()
    stack = []
    for t in outputs:
        if t.requires_grad and t.grad_fn is None:
            found.add(id(t))
        elif t.grad_fn is not None:
            stack.append(t.grad_fn)
    while stack:
        node = stack.pop()
        if node in seen:
            continue
        seen.add(node)
        variable = getattr(node, "variable", None)
        if variable is not None:
            found.add(id(variable))
        stack += [n for n, _ in node.next_functions if n is not None]
    return found
