"""torch.cuda.graphs: work recorded once and launched again as a whole."""

import gc
import itertools
import sys
import warnings
import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from rushlight import _api as torch
from rushlight._core import generator, gpu
from rushlight.amp._state import is_autocast_cache_enabled, is_autocast_enabled
from rushlight.autograd.engine import grad
from rushlight.autograd.function import Function
from rushlight.cuda._devices import synchronize
from rushlight.cuda.memory import empty_cache
from rushlight.cuda.streams import Stream, StreamContext

_VERBOSE = 1  # cudaGraphDebugDotFlagsVerbose
_MODES = ("global", "thread_local", "relaxed")


def _need_cuda(name: str) -> None:
    """PyTorch's error where it was built without CUDA."""
    if not gpu.is_available():
        raise RuntimeError(f"Tried to instantiate dummy base class {name}")


def is_current_stream_capturing() -> bool:
    """is_current_stream_capturing() -> bool: is work on the current stream being recorded?

    >>> torch.cuda.is_current_stream_capturing()
    Traceback (most recent call last):
        ...
    RuntimeError: Tried to instantiate dummy base class _cuda_isCurrentStreamCapturing
    """
    _need_cuda("_cuda_isCurrentStreamCapturing")
    return bool(gpu.cuda.module.cuda.get_current_stream().is_capturing())


class _Pool:
    """Memory that graphs share: theirs alone for as long as one of them lives."""

    def __init__(self) -> None:
        self.memory = gpu.engine().cuda.MemoryPool()


# token -> memory, for as long as a graph has it
_pools: "weakref.WeakValueDictionary[tuple[int, int], _Pool]" = weakref.WeakValueDictionary()
_tokens = itertools.count(1)


def graph_pool_handle() -> tuple[int, int]:
    """graph_pool_handle() -> (int, int): a token for memory that several graphs share.

    >>> torch.cuda.graph_pool_handle()
    Traceback (most recent call last):
        ...
    RuntimeError: Tried to instantiate dummy base class _graph_pool_handle
    """
    _need_cuda("_graph_pool_handle")
    return 0, next(_tokens)


def _pool_of(token: tuple[int, int]) -> _Pool:
    """The memory of a token; new where no graph has it."""
    found = _pools.get(token)
    if found is None:
        found = _pools[token] = _Pool()
    return found


class _Native:
    """The driver's graph, and what is launched once it is instantiated."""

    def __init__(self, runtime: Any, graph: int) -> None:
        self.runtime, self.graph, self.executable = runtime, graph, 0

    def instantiate(self) -> None:
        """Make what can be launched; anew if it was made."""
        old, self.executable = self.executable, 0
        if old:
            self.runtime.graphExecDestroy(old)
        self.executable = self.runtime.graphInstantiate(self.graph)

    def drop_graph(self) -> None:
        """Keep only what is launched."""
        graph, self.graph = self.graph, 0
        if graph:
            self.runtime.graphDestroy(graph)

    def __del__(self) -> None:
        if sys.is_finalizing():
            return
        self.drop_graph()
        if self.executable:
            self.runtime.graphExecDestroy(self.executable)


class CUDAGraph:
    """CUDAGraph(keep_graph=False)

    Work of one stream, recorded by :class:`torch.cuda.graph` and launched by :meth:`replay`. The
    tensors made while recording are its memory: a replay reads and overwrites them.

    With ``keep_graph=True`` the driver's graph stays (:meth:`raw_cuda_graph`), may be changed, and
    is instantiated by :meth:`instantiate` or by the first replay.

    >>> torch.cuda.CUDAGraph()
    Traceback (most recent call last):
        ...
    RuntimeError: Tried to instantiate dummy base class CUDAGraph
    """

    def __init__(self, keep_graph: bool = False) -> None:
        _need_cuda("CUDAGraph")
        self._keep, self._debug = keep_graph, False
        self._graph: _Native | None = None
        self._token: tuple[int, int] | None = None
        self._memory: _Pool | None = None
        self._stream: Any = None
        self._generators: list[generator.Generator] = []
        self._drawn: list[tuple[Any, Any, int]] = []  # stream of numbers, its place, words drawn

    # ---- recording ----

    def register_generator_state(self, generator: Any) -> None:
        """register_generator_state(generator) -> None: let a replay draw new numbers of it too."""
        self._generators.append(generator)

    def capture_begin(
        self,
        pool: tuple[int, int] | None = None,
        capture_error_mode: str = "global",
        check_input_liveness: bool = False,
    ) -> None:
        """capture_begin(pool=None, capture_error_mode='global') -> None

        Record the current stream from now on. Calls that wait for the device raise. (CuPy records
        in the mode ``relaxed``, since its pool may ask for memory meanwhile.)
        """
        if capture_error_mode not in _MODES:
            raise RuntimeError(
                "Unknown capture error mode. Expected `global`, `thread_local`, or `relaxed`, got "
                f"{capture_error_mode}"
            )
        if self._graph is not None or self._stream is not None:
            raise RuntimeError(
                "This CUDAGraph instance already owns a captured graph. To capture a new graph, "
                "create a new instance."
            )
        _refuse(check_input_liveness=check_input_liveness)
        engine = gpu.engine()
        stream = engine.cuda.get_current_stream()
        if stream.ptr == 0:
            raise RuntimeError(
                "CUDA graphs must be captured on a non-default stream. (However, after capture, "
                "it's ok to replay them on the default stream.)"
            )
        self._token = graph_pool_handle() if pool is None else pool
        self._memory = _pool_of(self._token)
        self._begin_numbers()
        self._allocator = engine.cuda.using_allocator(self._memory.memory.malloc)
        self._allocator.__enter__()
        self._stream = stream
        stream.begin_capture()

    def capture_end(self) -> None:
        """capture_end() -> None: stop recording."""
        if self._stream is None:
            raise RuntimeError("CUDAGraph.capture_end: no recording has begun")
        stream, self._stream = self._stream, None
        try:
            runtime = gpu.engine().cuda.runtime
            self._graph = _Native(runtime, runtime.streamEndCapture(stream.ptr))
            if not self._keep:
                self._graph.instantiate()
                if not self._debug:
                    self._graph.drop_graph()
        finally:
            self._allocator.__exit__(None, None, None)
            self._end_numbers()

    def _begin_numbers(self) -> None:
        """Generators draw from where a replay will say."""
        used = [generator.of_device(gpu.current()), *self._generators]
        self._saved = []
        for each in {id(g): g for g in used}.values():
            numbers = each.philox
            if numbers is None:
                raise RuntimeError("a CUDA graph can register generators of CUDA devices only")
            place = gpu.cuda.module.zeros(2, np.int64)
            self._saved.append((numbers, place, numbers.offset))
            numbers.offset, numbers.recording = 0, place

    def _end_numbers(self) -> None:
        self._drawn = []
        for numbers, place, offset in self._saved:
            self._drawn.append((numbers, place, numbers.offset))
            numbers.offset, numbers.recording = offset, None

    # ---- launching ----

    def replay(self) -> None:
        """replay() -> None: launch the recorded work on the current stream."""
        if self._graph is None:
            raise RuntimeError("Called CUDAGraph::replay without a preceding successful capture.")
        if not self._graph.executable:
            self._graph.instantiate()
        for numbers, place, words in self._drawn:
            if words:
                # Written by the stream, by value: earlier replays may still be reading it.
                for i, value in enumerate(numbers.take(words)):
                    place[i] = np.uint64(value).view(np.int64)
        stream = gpu.engine().cuda.get_current_stream()
        self._graph.runtime.graphLaunch(self._graph.executable, stream.ptr)

    def instantiate(self) -> None:
        """instantiate() -> None: make what a replay launches of a graph that is kept."""
        if self._graph is None:
            raise RuntimeError("capture_end() must have been called before calling instantiate")
        if not self._keep:
            raise RuntimeError(
                "instantiate() is intended to be called by the user only when keep_graph=true"
            )
        self._graph.instantiate()

    def raw_cuda_graph(self) -> int:
        """raw_cuda_graph() -> int: the driver's graph, of ``CUDAGraph(keep_graph=True)``."""
        if not self._keep:
            raise RuntimeError(
                "You cannot access the raw cudaGraph_t instance unless CUDAGraph was initialized "
                "with keep_graph=true"
            )
        if self._graph is None:
            raise RuntimeError(
                "You cannot access the raw cudaGraph_t instance until capture_end() has been called"
            )
        return self._graph.graph

    def raw_cuda_graph_exec(self) -> int:
        """raw_cuda_graph_exec() -> int: what the driver launches."""
        if self._graph is None or not self._graph.executable:
            raise RuntimeError(
                "You cannot access the raw cudaGraphExec_t instance until instantiate() has been "
                "called"
            )
        return self._graph.executable

    def reset(self) -> None:
        """reset() -> None: forget what was recorded, and give its memory back."""
        self._graph, self._memory, self._token, self._drawn = None, None, None, []

    def pool(self) -> tuple[int, int]:
        """pool() -> (int, int): a token for its memory, for other graphs to share."""
        if self._token is None:
            raise RuntimeError("Called CUDAGraph::pool() without a preceding successful capture.")
        return self._token

    def enable_debug_mode(self) -> None:
        """enable_debug_mode() -> None: keep for :meth:`debug_dump` what is recorded."""
        self._debug = True

    def debug_dump(self, debug_path: str) -> None:
        """debug_dump(debug_path) -> None: write the recorded graph as a DOT file."""
        if self._graph is None or not self._graph.graph:
            warnings.warn(
                "CUDA Graphs debug not enabled, set with [graph].enable_debug_mode()", stacklevel=2
            )
            return
        self._graph.runtime.graphDebugDotPrint(self._graph.graph, str(debug_path), _VERBOSE)


def _refuse(**asked: bool) -> None:
    for name, value in asked.items():
        if value:
            raise NotImplementedError(f"torch.cuda.graph({name}=True): leave it out")


class graph:
    """graph(cuda_graph, pool=None, stream=None, capture_error_mode='global')

    Inside, work is recorded, not done, on a stream of its own.

    >>> torch.cuda.graph(None)
    Traceback (most recent call last):
        ...
    RuntimeError: Tried to instantiate dummy base class _graph_pool_handle
    """

    default_capture_stream: Stream | None = None

    def __init__(
        self,
        cuda_graph: CUDAGraph,
        pool: tuple[int, int] | None = None,
        stream: Stream | None = None,
        capture_error_mode: str = "global",
        enable_annotations: bool = False,
        check_input_liveness: bool = False,
    ) -> None:
        _need_cuda("_graph_pool_handle")
        _refuse(enable_annotations=enable_annotations, check_input_liveness=check_input_liveness)
        self.cuda_graph, self.pool, self.capture_error_mode = cuda_graph, pool, capture_error_mode
        self.capture_stream = Stream() if stream is None else stream
        self.stream_ctx = StreamContext(self.capture_stream)

    def __enter__(self) -> None:
        synchronize()
        gc.collect()
        empty_cache()
        self.stream_ctx.__enter__()
        try:
            self.cuda_graph.capture_begin(self.pool, self.capture_error_mode)
        except BaseException:
            self.stream_ctx.__exit__(None, None, None)
            raise

    def __exit__(self, *exc: object) -> None:
        try:
            self.cuda_graph.capture_end()
        finally:
            self.stream_ctx.__exit__(*exc)


# ---- callables -----------------------------------------------------------------------------------


def make_graphed_callables(
    callables: Any,
    sample_args: Any,
    num_warmup_iters: int = 3,
    allow_unused_input: bool = False,
    pool: tuple[int, int] | None = None,
) -> Any:
    """make_graphed_callables(callables, sample_args, num_warmup_iters=3, allow_unused_input=False,
    pool=None)

    Functions or modules whose forward and backward are recorded graphs. ``sample_args`` are tensors
    of the shapes they will be called with; of several callables, in the order they will be called.

    >>> torch.cuda.make_graphed_callables(torch.nn.Linear(2, 2), (torch.ones(1, 2),))
    Traceback (most recent call last):
        ...
    RuntimeError: Tried to instantiate dummy base class CUDAGraph
    """
    _need_cuda("CUDAGraph")
    if is_autocast_enabled("cuda") and is_autocast_cache_enabled():
        raise RuntimeError(
            "make_graphed_callables does not support the autocast caching. Please set "
            "`cache_enabled=False`."
        )
    one = not isinstance(callables, tuple)
    functions = (callables,) if one else callables
    samples = (sample_args,) if one else sample_args
    token = graph_pool_handle() if pool is None else pool
    recorded = [_Recorded(f, tuple(s), token) for f, s in zip(functions, samples, strict=True)]
    with StreamContext(Stream()):
        for each in recorded:
            each.warm_up(num_warmup_iters, allow_unused_input)
    synchronize()
    for each in recorded:
        each.record_forward()
    for each in reversed(recorded):
        each.record_backward(allow_unused_input)
    made = [each.shown() for each in recorded]
    return made[0] if one else tuple(made)


class _Recorded:
    """The graphs of one callable and the tensors that they read and write."""

    def __init__(self, function: Any, args: tuple, pool: tuple[int, int]) -> None:
        self.function, self.args, self.pool = function, args, pool
        self.is_module = hasattr(function, "parameters") and hasattr(function, "buffers")
        if self.is_module:
            self._check_module(function)
        if not all(isinstance(a, torch.Tensor) for a in args):
            raise TypeError(
                "In the beta API, sample_args for each callable must contain only Tensors. Other "
                "types are not allowed."
            )
        self.parameters = tuple(function.parameters()) if self.is_module else ()
        self.inputs = (*args, *self.parameters)
        self.forward_graph, self.backward_graph = CUDAGraph(), CUDAGraph()

    @staticmethod
    def _check_module(module: Any) -> None:
        hooks = (module._backward_hooks, module._forward_hooks, module._forward_pre_hooks)
        if any(len(h) for h in hooks):
            raise RuntimeError(
                "Modules must not have hooks registered at the time they are passed. However, "
                "registering hooks on modules after passing them through make_graphed_callables is "
                "allowed."
            )
        if any(b.requires_grad for b in module.buffers()):
            raise RuntimeError(
                "In any :class:`~torch.nn.Module` passed to :func:`~make_graphed_callables`, only "
                "parameters may be trainable. All buffers must have ``requires_grad=False``."
            )

    def differentiable(self) -> tuple:
        """The inputs that get a gradient."""
        return tuple(t for t in self.inputs if t.requires_grad)

    def warm_up(self, count: int, unused: bool) -> None:
        """Run as often, so that plans are made and memory was asked for."""
        for _ in range(count):
            outputs = [o for o in _flat(self.function(*self.args)) if o.requires_grad]
            if outputs:
                ones = tuple(torch.empty_like(o) for o in outputs)
                grad(outputs, self.differentiable(), ones, allow_unused=unused, retain_graph=False)

    def record_forward(self) -> None:
        """Record the call."""
        with graph(self.forward_graph, self.pool):
            self.result = self.function(*self.args)
        self.outputs = _flat(self.result)

    def record_backward(self, unused: bool) -> None:
        """Record the gradients of what needs them."""
        wanted = [o for o in self.outputs if o.requires_grad]
        self.output_grads = [torch.empty_like(o) if o.requires_grad else None for o in self.outputs]
        found: Any = ()
        if wanted:
            given = tuple(g for g in self.output_grads if g is not None)
            with graph(self.backward_graph, self.pool):
                found = grad(wanted, self.differentiable(), given, allow_unused=unused)
        grads = iter(found)
        self.input_grads = [
            next(grads) if t.requires_grad and wanted else None for t in self.inputs
        ]

    def shown(self) -> Any:
        """What takes the callable's place."""
        call = self.calling()
        if not self.is_module:
            return call
        module, plain = self.function, self.function.forward
        training = module.training

        def forward(*args: Any) -> Any:
            return call(*args) if module.training == training else plain(*args)

        module.forward = forward
        return module

    def calling(self) -> Callable:
        """A function that copies its arguments in, replays, and returns what was written."""
        this = self

        class Graphed(Function):
            @staticmethod
            def forward(ctx: Any, *inputs: Any) -> tuple:
                for static, given in zip(this.args, inputs, strict=False):
                    if static is not given:
                        static.copy_(given)
                this.forward_graph.replay()
                return tuple(o.detach() for o in this.outputs)

            @staticmethod
            def backward(ctx: Any, *grads: Any) -> tuple:
                for static, given in zip(this.output_grads, grads, strict=True):
                    if static is not None and static is not given:
                        static.copy_(given)
                this.backward_graph.replay()
                return tuple(None if g is None else g.detach() for g in this.input_grads)

        def call(*args: Any) -> Any:
            return _like(this.result, list(Graphed.apply(*args, *this.parameters)))

        return call


def _flat(result: Any) -> list:
    """The tensors of a result: itself, or those in tuples, lists and dictionaries."""
    if isinstance(result, torch.Tensor):
        return [result]
    parts = result.values() if isinstance(result, dict) else result
    return [t for part in parts for t in _flat(part)]


def _like(result: Any, tensors: list) -> Any:
    """Tensors, taken from the front, in the place of a result's."""
    if isinstance(result, torch.Tensor):
        return tensors.pop(0)
    if isinstance(result, dict):
        return {k: _like(v, tensors) for k, v in result.items()}
    return type(result)(_like(v, tensors) for v in result)
