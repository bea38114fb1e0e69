"""A module shaped like CuPy whose "device memory" is NumPy's, behind a class that lets nobody in.

Where there is no GPU, the CUDA half of rushlight is tested on it: what stands on a device can only
be reached by what CuPy offers (``asnumpy``, ``get``, ``item``), names that CuPy 14.2 has not are
missing, arrays of the host are refused beside a device's, and each array knows its device.
``copies`` counts what crossed to the host. Two devices are there.
"""

import builtins
import gc
import sys
import types
from collections import Counter

import fake_blas
import fake_cudnn
import fake_cupyx
import numpy as np
import simt

# Of NumPy's public names, what CuPy 14.2.0 has not (read from the package, on 2026-11-21).
MISSING = set(
    """
    asmatrix block bmat busday_count busday_offset busdaycalendar bytes_ character clongdouble
    complex256 datetime64 datetime_as_string datetime_data einsum_path errstate flexible float128
    frompyfunc fromregex geomspace get_include getbufsize geterr geterrcall histogram_bin_edges
    info insert is_busday isnat longdouble matrix matvec memmap nanpercentile nanquantile
    ndenumerate nditer nested_iters object_ polyder polydiv polyint recarray record setbufsize
    seterr seterrcall show_runtime spacing str_ test timedelta64 unstack vecdot vecmat void
    """.split()  # noqa: SIM905  # a list of eighty strings is no clearer
)
MISSING_LINALG = {"matrix_norm", "multi_dot", "svdvals", "vector_norm"} | {
    *("diagonal", "outer", "tensordot", "trace", "vecdot")
}
# What CuPy's ufuncs can do besides being called.
REDUCE = {"add", "multiply"}
EXTREMES = {"int32", "uint32", "int64", "uint64", "float32", "float64"}
AT = {
    "add": {"int32", "uint32", "uint64", "float16", "float32", "float64"}
    | {"complex64", "complex128"},
    "maximum": EXTREMES,
    "minimum": EXTREMES,
}
FROM_HOST = {"array", "asarray", "asanyarray", "ascontiguousarray", "asfortranarray"}

copies: Counter = Counter()  # "to host", "to device"
recording: list = []  # while a graph is recorded, one list of what to do again
kept: list = []  # arrays made while recording: a graph's memory is its own
DEVICES = 2
_current = [0]


# ---- devices, streams, memory --------------------------------------------------------------------


class Device:
    """cupy.cuda.Device."""

    def __init__(self, device=None):
        self.id = _current[0] if device is None else int(device)
        self._before = []

    def use(self):
        _current[0] = self.id

    def __enter__(self):
        self._before.append(_current[0])
        self.use()
        return self

    def __exit__(self, *exc):
        _current[0] = self._before.pop()

    def synchronize(self):
        copies["synchronize"] += 1

    @property
    def compute_capability(self):
        return "90"

    @property
    def mem_info(self):
        return 10**9, 2 * 10**9

    def __eq__(self, other):
        return isinstance(other, Device) and other.id == self.id

    def __hash__(self):
        return hash(self.id)


class Event:
    """cupy.cuda.Event: its time is the number of events recorded before it."""

    recorded = 0

    def __init__(self, block=False, disable_timing=False, interprocess=False):
        self.disable_timing, self.time, self.done = disable_timing, None, True

    def record(self, stream=None):
        Event.recorded += 1
        self.time = Event.recorded

    def synchronize(self):
        pass

    ptr = 1


def get_elapsed_time(start, end):
    """Milliseconds between two events."""
    return float(end.time - start.time)


class Graph:
    """cupy.cuda.Graph: what was done, to be done again on the same memory."""

    def __init__(self, actions, memory):
        self.actions, self.memory = actions, memory

    def launch(self, stream=None):
        for action in self.actions:
            action()

    def upload(self, stream=None):
        pass


def note(action):
    """Something was done on the device."""
    if recording:
        recording[-1].append(action)


def waits():
    """Something would wait for the device."""
    if recording:
        raise RuntimeError(
            "cudaErrorStreamCaptureUnsupported: operation not permitted when stream is capturing"
        )


class Stream:
    """cupy.cuda.Stream."""

    stack: list = []  # noqa: RUF012  # one for the process, as CuPy has one for each thread

    def __init__(self, null=False, non_blocking=False, ptds=False, priority=None):
        self.ptr, self.priority, self.done, self.device_id = id(self), priority or 0, True, 0
        if null:
            self.ptr = 0

    def use(self):
        Stream.stack[:] = [self]

    def __enter__(self):
        Stream.stack.append(self)
        return self

    def __exit__(self, *exc):
        Stream.stack.pop()

    def record(self, event=None):
        event = event or Event()
        event.record(self)
        return event

    def wait_event(self, event):
        assert hasattr(event, "ptr")

    def synchronize(self):
        waits()
        copies["synchronize"] += 1

    def is_capturing(self):
        return bool(recording) and Stream.recorded is self

    def begin_capture(self, mode=None):
        assert self.ptr, "the default stream cannot be recorded"
        assert not recording
        Stream.recorded = self
        there = [x._a for x in gc.get_objects() if type(x) is ndarray]
        Stream.before = [(a, a.copy()) for a in there if a.flags.writeable]
        recording.append([])

    def end_capture(self):
        memory = list(kept)
        kept.clear()
        actions = recording.pop()
        for array, value in Stream.before:  # recording does nothing on a device
            array[...] = value
        Stream.before = []
        return Graph(actions, memory)

    @staticmethod
    def end(ptr):
        """cupy.cuda.runtime.streamEndCapture: a handle."""
        assert ptr == Stream.recorded.ptr
        graph = Stream.recorded.end_capture()
        graphs[id(graph)] = graph
        return id(graph)

    @staticmethod
    def instantiated(graph):
        """cupy.cuda.runtime.graphInstantiate: another handle."""
        made = Graph(graphs[graph].actions, graphs[graph].memory)
        graphs[id(made)] = made
        return id(made)


graphs: dict = {}  # handle -> graph, or what is launched of one
Stream.recorded, Stream.before = None, []
Stream.null = Stream(null=True)


class using_allocator:
    """cupy.cuda.using_allocator."""

    stack: list = []  # noqa: RUF012

    def __init__(self, allocator):
        self.allocator = allocator

    def __enter__(self):
        using_allocator.stack.append(self.allocator)

    def __exit__(self, *exc):
        using_allocator.stack.pop()


class MemoryPool:
    """cupy.cuda.MemoryPool, as far as it can be asked."""

    def malloc(self, size):
        raise NotImplementedError("the stand-in's memory is NumPy's")

    def used_bytes(self):
        return 0

    def total_bytes(self):
        return 0

    def free_all_blocks(self, stream=None):
        copies["freed"] += 1


class MemoryPointer:
    """cupy.cuda.MemoryPointer."""

    def __init__(self, x):
        self.ptr = x._a.__array_interface__["data"][0]
        self.mem = self
        self.device_id = x.device.id
        self.device = x.device


# ---- arrays --------------------------------------------------------------------------------------


class Flags:
    """cupy's flags: two of NumPy's and who owns the memory."""

    def __init__(self, x):
        self.c_contiguous, self.f_contiguous = x._a.flags.c_contiguous, x._a.flags.f_contiguous
        self.owndata = x.base is None
        self.forc = self.c_contiguous or self.f_contiguous


class ndarray:
    """cupy.ndarray."""

    __slots__ = ("__weakref__", "_a", "base", "device")
    __array_priority__ = 100

    def __new__(cls, shape, dtype=float, memptr=None, strides=None, order="C"):
        assert memptr is None
        return made(np.empty(shape, dtype, order))

    shape = property(lambda self: self._a.shape)
    dtype = property(lambda self: self._a.dtype)
    ndim = property(lambda self: self._a.ndim)
    size = property(lambda self: self._a.size)
    nbytes = property(lambda self: self._a.nbytes)
    itemsize = property(lambda self: self._a.itemsize)
    strides = property(lambda self: self._a.strides)
    flags = property(Flags)
    data = property(MemoryPointer)
    T = property(lambda self: made(self._a.T, self))
    flat = property(lambda self: made(self._a.reshape(-1), self))

    @property
    def real(self):
        return made(self._a.real, self) if self._a.dtype.kind == "c" else self

    @real.setter
    def real(self, value):
        self._a.real = inner(value)

    @property
    def imag(self):
        return made(self._a.imag, self)

    @imag.setter
    def imag(self, value):
        self._a.imag = inner(value)

    @property
    def __cuda_array_interface__(self):
        facts = dict(self._a.__array_interface__)
        facts["version"] = 3
        return facts

    def get(self, stream=None, order="C", out=None, blocking=True):
        if blocking:
            waits()
        copies["to host" if blocking else "to host later"] += 1
        if out is None:
            return self._a.copy(order)
        assert type(out) is np.ndarray and out.flags.c_contiguous and self._a.flags.c_contiguous
        out[...] = self._a
        return out

    def set(self, arr, stream=None):
        copies["to device"] += 1
        self._a[...] = arr

    def item(self, *args):
        waits()
        copies["to host"] += 1
        return self._a.item(*args)

    def tolist(self):
        waits()
        copies["to host"] += 1
        return self._a.tolist()

    def tobytes(self, order="C"):
        waits()
        copies["to host"] += 1
        return self._a.tobytes(order)

    def __array__(self, dtype=None, copy=None):
        raise TypeError(
            "Implicit conversion to a NumPy array is not allowed. Please use `.get()` to construct "
            "a NumPy array explicitly."
        )

    def __array_ufunc__(self, ufunc, method, *inputs, **kwargs):
        function = getattr(sys.modules[__name__], ufunc.__name__, None)
        if method != "__call__" or function is None or ufunc.signature is not None:
            return NotImplemented
        out = kwargs.pop("out", None)
        if out is not None:
            kwargs["out"] = out[0] if len(out) == 1 else out
        return function(*inputs, **kwargs)

    def __array_function__(self, func, kinds, args, kwargs):
        place = sys.modules[__name__]
        for part in func.__module__.split(".")[1:]:
            place = getattr(place, part, None)
        function = getattr(place, func.__name__, None)
        if function is None or function is func:
            return NotImplemented
        return function(*args, **kwargs)

    def __getitem__(self, index):
        basic = not arrays_in(index if type(index) is tuple else (index,))
        return made(self._a[index if basic else inner(index)], self)

    def __setitem__(self, index, value):
        def act():
            self._a[inner(index)] = inner(value)

        act()
        note(act)

    def __len__(self):
        return len(self._a)

    def __iter__(self):
        if not self._a.ndim:
            raise TypeError("iteration over a 0-d array")
        return (self[i] for i in range(len(self._a)))

    def __bool__(self):
        waits()
        copies["to host"] += 1
        return bool(self._a)

    def __int__(self):
        waits()
        copies["to host"] += 1
        return int(self._a)

    def __float__(self):
        waits()
        copies["to host"] += 1
        return float(self._a)

    def __complex__(self):
        waits()
        copies["to host"] += 1
        return complex(self._a)

    def __repr__(self):
        return repr(self._a)

    def __dlpack__(self, *, stream=None, max_version=None, dl_device=None, copy=None):
        return self._a.__dlpack__()

    def __dlpack_device__(self):
        return 2, self.device.id

    def __reduce__(self):
        return lifted(np.array, "array"), (self._a,)

    __hash__ = None


def made(host, owner=None):
    """A device array over NumPy memory; ``owner``: one whose memory it may be."""
    x = object.__new__(ndarray)
    x._a = host if type(host) is np.ndarray else np.asarray(host)
    x.base = None
    x.device = Device()
    if recording:
        kept.append(x)
    if owner is not None and x._a.size and np.may_share_memory(x._a, owner._a):
        x.base = owner if owner.base is None else owner.base
        x.device = owner.device
    return x


def inner(value):
    """Arguments as NumPy takes them; arrays of the host, and of another device, are refused."""
    kind = type(value)
    if kind is ndarray:
        if value.device.id != _current[0]:
            raise ValueError(
                f"Array device must be same as the current device: array device = "
                f"{value.device.id} while current = {_current[0]}"
            )
        return value._a
    if kind is np.ndarray:
        raise TypeError("Unsupported type <class 'numpy.ndarray'>")
    if kind in (tuple, list):
        return kind([inner(v) for v in value])
    return value


def outer(value, given):
    """Results as a device's arrays: what was written to is the same object, looks have owners."""
    if isinstance(value, np.generic):
        return made(np.asarray(value))
    if isinstance(value, tuple) and hasattr(value, "_fields"):
        return type(value)(*[outer(v, given) for v in value])
    if isinstance(value, (tuple, list)):
        return type(value)(outer(v, given) for v in value)
    if not isinstance(value, np.ndarray):
        return value
    for x in given:
        if x._a is value:
            return x
    for x in given:
        if x._a.size and value.size and np.may_share_memory(value, x._a):
            return made(value, x)
    return made(value)


def arrays_in(value):
    """The device arrays among arguments."""
    if type(value) is ndarray:
        return [value]
    return [x for v in value for x in arrays_in(v)] if type(value) in (tuple, list) else []


def lifted(function, name):
    """One of NumPy's functions on device arrays."""

    def call(*args, **kwargs):
        if name == "may_share_memory":  # asks addresses alone
            return function(*[a._a if type(a) is ndarray else a for a in args])
        if name in FROM_HOST and type(args[0]) is np.ndarray:
            copies["to device"] += 1
            return made(function(args[0], *args[1:], **kwargs).copy("K"))
        given = arrays_in(args) + arrays_in(tuple(kwargs.values()))
        if name in FROM_HOST and given and type(args[0]) is ndarray:
            args = (args[0]._a, *args[1:])  # from another device, too
        else:
            args = inner(args)
        kwargs = {k: inner(v) for k, v in kwargs.items()}
        with np.errstate(all="ignore"):  # a device does not warn
            result = function(*args, **kwargs)
        result = np.asarray(result) if isinstance(result, np.generic) else result
        again(function, args, kwargs, result)
        return outer(result, given)

    call.__name__ = name
    return call


def again(function, args, kwargs, result):
    """Record a function of arrays whose results are new memory, or that writes into an argument."""
    if not recording:
        return
    results = result if type(result) is tuple else (result,)
    memory = [r for r in results if isinstance(r, np.ndarray)]
    kept.extend([*memory, *[a for a in args if isinstance(a, np.ndarray)]])
    sources = [a for a in (*args, *kwargs.values()) if isinstance(a, np.ndarray)]
    given = (*args, *kwargs.values())
    shared = [m for m in memory if builtins.any(np.may_share_memory(m, a) for a in sources)]
    written = [m for m in memory if builtins.any(m is a for a in given)]
    if memory and len(shared) == len(memory) and not written:
        return  # views

    def act():
        made = function(*args, **kwargs)
        for old, new in zip(memory, made if type(made) is tuple else (made,), strict=False):
            if old is not new:
                old[...] = new

    note(act)


class ufunc:
    """cupy.ufunc."""

    def __init__(self, name):
        self._f, self.__name__ = getattr(np, name), name
        self.nin, self.nout, self.nargs = self._f.nin, self._f.nout, self._f.nargs
        self.types = self._f.types

    def __call__(self, *args, **kwargs):
        out = args[self.nin] if len(args) > self.nin else None
        if out is not None and type(out) is not ndarray and type(out) is not tuple:
            raise TypeError("Output arguments type must be cupy.ndarray")
        return lifted(self._f, self.__name__)(*args, **kwargs)

    def _method(self, method, allowed, args, kwargs):
        if self.__name__ not in allowed:
            raise NotImplementedError(f"`cupy_{self.__name__}.{method}` is not supported yet")
        return lifted(getattr(self._f, method), method)(*args, **kwargs)

    def at(self, *args, **kwargs):
        if args[0].dtype.name not in AT.get(self.__name__, ()):
            raise TypeError(f"ufunc.at does not support {args[0].dtype}")
        assert args[0].dtype == args[2].dtype, "the stand-in's own: another dtype"
        return self._method("at", AT, args, kwargs)

    def reduce(self, *args, **kwargs):
        return self._method("reduce", REDUCE, args, kwargs)

    def accumulate(self, *args, **kwargs):
        return self._method("accumulate", REDUCE, args, kwargs)

    def reduceat(self, *args, **kwargs):
        return self._method("reduceat", {"add"}, args, kwargs)

    def outer(self, a, b, **kwargs):
        return lifted(self._f.outer, "outer")(a, b, **kwargs)


# ---- the module ----------------------------------------------------------------------------------


def asnumpy(a, stream=None, order="C", out=None, *, blocking=True):
    """A copy on the host."""
    return a.get(order=order) if type(a) is ndarray else np.asarray(a)


def __getattr__(name):
    if name in MISSING or name == "RawModule" or name.startswith("__"):
        raise AttributeError(f"module 'cupy' has no attribute '{name}'")
    value = getattr(np, name)
    if isinstance(value, np.ufunc):
        value = ufunc(name)
    elif isinstance(value, types.ModuleType):
        value = Room(name)
    elif callable(value) and not isinstance(value, type):
        value = lifted(value, name)
    globals()[name] = value
    return value


class Room:
    """A submodule: cupy.linalg, cupy.fft, cupy.lib."""

    def __init__(self, path):
        self._path = path
        value = np
        for part in path.split("."):
            value = getattr(value, part)
        self._module = value

    def __getattr__(self, name):
        if self._path == "linalg" and name in MISSING_LINALG:
            raise AttributeError(f"module 'cupy.linalg' has no attribute '{name}'")
        value = getattr(self._module, name)
        if isinstance(value, types.ModuleType):
            return Room(f"{self._path}.{name}")
        return value if isinstance(value, type) else lifted(value, name)


def _operators():
    two = {
        "add": "add", "sub": "subtract", "mul": "multiply", "truediv": "true_divide",
        "floordiv": "floor_divide", "mod": "remainder", "pow": "power", "and": "bitwise_and",
        "or": "bitwise_or", "xor": "bitwise_xor", "lshift": "left_shift", "rshift": "right_shift",
        "matmul": "matmul",
    }  # fmt: skip
    compare = {"lt": "less", "le": "less_equal", "gt": "greater", "ge": "greater_equal",
               "eq": "equal", "ne": "not_equal"}  # fmt: skip
    one = {"neg": "negative", "pos": "positive", "abs": "absolute", "invert": "invert"}

    def attach(method, name, swapped=False, inplace=False):
        def call(self, *other):
            f = getattr(sys.modules[__name__], name)
            if inplace:
                return f(self, *other, self)
            return f(*other, self) if swapped else f(self, *other)

        setattr(ndarray, f"__{method}__", call)

    for method, name in two.items():
        attach(method, name)
        attach("r" + method, name, swapped=True)
        if method != "matmul":
            attach("i" + method, name, inplace=True)
    for method, name in (compare | one).items():
        attach(method, name)
    plain = """
        all any argmax argmin argpartition argsort astype choose clip compress conj conjugate copy
        cumprod cumsum diagonal dot fill flatten max mean min nonzero partition prod put ravel
        repeat reshape round searchsorted sort squeeze std sum swapaxes take trace transpose var
        view byteswap
    """.split()  # noqa: SIM905  # as above
    for name in plain:
        attach_method(name)


# Methods that launch nothing: they do not ask which device is current.
LOOKS = {"reshape", "view", "transpose", "swapaxes", "squeeze", "diagonal", "ravel"}


def attach_method(name):
    """One of NumPy's methods."""

    def call(self, *args, **kwargs):
        if name in ("copy", "astype"):
            function = getattr(np.ndarray, name)  # CuPy copies from other devices too
            result = function(self._a, *args, **kwargs)
            if result is not self._a:
                again(function, (self._a, *args), kwargs, result)
            return self if result is self._a else made(result)
        given = [self, *arrays_in(args), *arrays_in(tuple(kwargs.values()))]
        mine = self._a if name in LOOKS else inner(self)
        if name in ("reshape", "ravel") and not np.may_share_memory(
            self._a, getattr(np.ndarray, name)(self._a, *args, **kwargs)
        ):
            inner(self)  # it is copied, by the current device
        whole, named = (mine, *inner(args)), {k: inner(v) for k, v in kwargs.items()}
        result = getattr(np.ndarray, name)(*whole, **named)
        result = np.asarray(result) if isinstance(result, np.generic) else result
        again(getattr(np.ndarray, name), whole, named, result)
        if name == "diagonal":  # CuPy's can be written to
            result.flags.writeable = True
        return outer(result, given)

    setattr(ndarray, name, call)


_operators()


class Shared:
    """A NumPy array seen by the protocol."""

    def __init__(self, x):
        self.x = x

    def __dlpack__(self, **options):
        return self.x.__dlpack__()

    def __dlpack_device__(self):
        return 1, 0


def from_dlpack(array, device=None, copy=None):
    """cupy.from_dlpack."""
    assert array.__dlpack_device__()[0] == 2
    given = getattr(array, "_data", array)
    return made(np.from_dlpack(Shared(given._a)), given)


class PinnedMemoryPointer(bytearray):
    """cupy.cuda.PinnedMemoryPointer: a buffer."""


def get_default_memory_pool():
    """The pool of the current device."""
    return _pool


def get_default_pinned_memory_pool():
    """The pool of pinned memory."""
    return _pool


def is_available():
    """Always."""
    return True


if simt.available:  # a C++ compiler is there
    RawModule = simt.RawModule
simt.current = lambda: _current[0]
simt.note = fake_blas.note = fake_cudnn.note = note
libraries = {**fake_blas.libraries, "cudnn": fake_cudnn, "cupyx": fake_cupyx}
libraries["cupyx.scipy.linalg"] = types.SimpleNamespace(
    lu_factor=lifted(fake_cupyx.lu_factor, "lu_factor"),
    solve_triangular=lifted(fake_cupyx.solve_triangular, "solve_triangular"),
)
_pool = MemoryPool()
__version__ = "14.2.0"
nvtx_calls: list = []
cuda = types.SimpleNamespace(
    nvtx=types.SimpleNamespace(
        available=True,
        RangePush=lambda message, color=-1: nvtx_calls.append(("push", message)),
        RangePop=lambda: nvtx_calls.append(("pop",)),
        Mark=lambda message, color=-1: nvtx_calls.append(("mark", message)),
        RangeStart=lambda message, color: nvtx_calls.append(("start", message)) or 7,
        RangeEnd=lambda handle: nvtx_calls.append(("end", handle)),
    ),
    Device=Device,
    Stream=Stream,
    Event=Event,
    ExternalStream=Stream,
    MemoryPool=MemoryPool,
    alloc_pinned_memory=PinnedMemoryPointer,
    using_allocator=using_allocator,
    get_elapsed_time=get_elapsed_time,
    get_current_stream=lambda device_id=None: Stream.stack[-1] if Stream.stack else Stream.null,
    runtime=types.SimpleNamespace(
        getDeviceCount=lambda: DEVICES,
        getDevice=lambda: _current[0],
        setDevice=lambda i: _current.__setitem__(0, i),
        deviceSynchronize=lambda: (waits(), copies.update(["synchronize"])),
        memGetInfo=lambda: (10**9, 2 * 10**9),
        streamEndCapture=Stream.end,
        graphInstantiate=Stream.instantiated,
        graphLaunch=lambda handle, stream: graphs[handle].launch(),
        graphDestroy=lambda handle: graphs.pop(handle),
        graphExecDestroy=lambda handle: graphs.pop(handle),
        ipcGetEventHandle=lambda event: b"%064d" % event,
        ipcOpenEventHandle=lambda handle: int(handle),
        eventQuery=lambda event: 0,
        eventRecord=lambda event, stream: None,
        eventSynchronize=lambda event: None,
        eventDestroy=lambda event: None,
        deviceGetPCIBusId=lambda i: f"0000:0{i}:00.0",
        getDeviceProperties=lambda i: {
            "name": b"stand-in",
            "major": 9,
            "minor": 0,
            "totalGlobalMem": 2 * 10**9,
            "multiProcessorCount": 1,
            "warpSize": 32,
            "maxThreadsPerMultiProcessor": 2048,
        },
        runtimeGetVersion=lambda: 13000,
        driverGetVersion=lambda: 13000,
    ),
)
