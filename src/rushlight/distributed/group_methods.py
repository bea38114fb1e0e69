"""The collectives as methods of a group: ``group.allreduce([t]).wait()``, as PyTorch has them."""

from collections.abc import Callable, Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.distributed.arrays import Flat, cut, flats
from rushlight.distributed.reduce_op import ReduceOp, Reduction


def _listed(value: Any) -> list[torch.Tensor]:
    """A tensor, a list of tensors, or a list of one list."""
    if isinstance(value, torch.Tensor):
        return [value]
    if len(value) == 1 and isinstance(value[0], (list, tuple)):
        return list(value[0])
    return list(value)


def _op(given: Any) -> Any:
    """The reduction that options, or the argument itself, name."""
    return getattr(given, "reduceOp", ReduceOp.SUM if given is None else given)


def _root(given: Any) -> int:
    return getattr(given, "rootRank", 0) if not isinstance(given, int) else given


class GroupMethods:
    """Each begins a collective and returns its :class:`Work`; ranks are those in the group."""

    engine_of: Callable[[torch.Tensor], Any]
    run: Callable[..., Any]
    launch: Callable[..., Any]
    size: Callable[[], int]
    rank: Callable[[], int]

    def _begin(
        self,
        name: str,
        action: Callable[[], object],
        result: list[torch.Tensor],
        written: Sequence[Flat],
    ) -> Any:
        def run() -> None:
            action()
            for flat in written:
                flat.write_back()

        if result[0].is_cuda:
            return self.launch(name, run, result)
        return self.run(name, run, result, True)

    def allreduce(self, tensors: Any, opts: Any = None) -> Any:
        """The tensors become the reduction of all."""
        every = _listed(tensors)
        engine, fs = self.engine_of(every[0]), flats(every)
        rs = [Reduction(_op(opts), f.x.dtype, self.size()) for f in fs]

        def run() -> None:
            for f, r in zip(fs, rs, strict=True):
                engine.allreduce(f.x, r)

        return self._begin("all_reduce", run, every, fs)

    allreduce_coalesced = allreduce

    def broadcast(self, tensors: Any, opts: Any = None) -> Any:
        """The tensor of the root goes to all; ``opts`` is BroadcastOptions or a rank."""
        every = _listed(tensors)
        engine, fs, root = self.engine_of(every[0]), flats(every), _root(opts)

        def run() -> None:
            for f in fs:
                engine.broadcast(f.x, root)

        return self._begin("broadcast", run, every, fs)

    def reduce(self, tensors: Any, opts: Any = None, op: Any = None) -> Any:
        """The root's tensor becomes the reduction of all; ``opts`` is ReduceOptions or a rank."""
        (t,) = _listed(tensors)
        engine, f = self.engine_of(t), Flat(t)
        r = Reduction(_op(op if isinstance(opts, int) else opts), f.x.dtype, self.size())
        return self._begin("reduce", lambda: engine.reduce(f.x, _root(opts), r), [t], [f])

    def allgather(self, output_tensors: Any, input_tensors: Any, opts: Any = None) -> Any:
        """All get the tensors of all."""
        outs, (t,) = _listed(output_tensors), _listed(input_tensors)
        engine, fs, f = self.engine_of(t), flats(outs), Flat(t)
        return self._begin("all_gather", lambda: engine.allgather([o.x for o in fs], f.x), outs, fs)

    def reduce_scatter(self, output_tensors: Any, input_tensors: Any, opts: Any = None) -> Any:
        """Each gets the reduction of what all have for it."""
        (out,), ins = _listed(output_tensors), _listed(input_tensors)
        engine, f, fs = self.engine_of(out), Flat(out), flats(ins)
        r = Reduction(_op(opts), f.x.dtype, self.size())
        return self._begin(
            "reduce_scatter",
            lambda: engine.reduce_scatter(f.x, [i.x for i in fs], r),
            [out],
            [f],
        )

    def gather(self, output_tensors: Any, input_tensors: Any, opts: Any = None) -> Any:
        """The root gets the tensors of all; elsewhere the first list is empty."""
        outs, (t,) = _listed(output_tensors or []), _listed(input_tensors)
        engine, fs, f = self.engine_of(t), flats(outs), Flat(t)
        root = _root(opts)
        return self._begin(
            "gather", lambda: engine.gather([o.x for o in fs], f.x, root), outs or [t], fs
        )

    def scatter(self, output_tensors: Any, input_tensors: Any, opts: Any = None) -> Any:
        """Each gets its own of the root's tensors; elsewhere the second list is empty."""
        (out,), ins = _listed(output_tensors), _listed(input_tensors or [])
        engine, f, fs = self.engine_of(out), Flat(out), flats(ins)
        root = _root(opts)
        return self._begin(
            "scatter", lambda: engine.scatter(f.x, [i.x for i in fs], root), [out], [f]
        )

    def alltoall(self, output_tensors: Any, input_tensors: Any, opts: Any = None) -> Any:
        """Each gets from each what that has for it."""
        outs, ins = _listed(output_tensors), _listed(input_tensors)
        engine, fs, gs = self.engine_of(outs[0]), flats(outs), flats(ins)
        return self._begin(
            "all_to_all", lambda: engine.alltoall([o.x for o in fs], [i.x for i in gs]), outs, fs
        )

    def alltoall_base(
        self, output: Any, input: Any, output_split_sizes: Any, input_split_sizes: Any
    ) -> Any:
        """The same with one tensor, cut along its first dimension."""
        f, g = Flat(output), Flat(input)
        outs = cut(f.x, self._sizes(output, output_split_sizes))
        ins = cut(g.x, self._sizes(input, input_split_sizes))
        engine = self.engine_of(output)
        return self._begin("all_to_all", lambda: engine.alltoall(outs, ins), [output], [f])

    def _sizes(self, t: torch.Tensor, rows: Sequence[int] | None) -> list[int]:
        width = t.numel() // max(t.shape[0], 1)
        return [n * width for n in rows or [t.shape[0] // self.size()] * self.size()]

    def barrier(self, opts: Any = None) -> Any:
        """Wait for all."""
        return self.run("barrier", self.engine_of(torch.empty(0)).barrier, [], True)
