"""cuDNN by its Python frontend: a graph of one operation, planned once for each shape and layout.

A plan takes milliseconds to seconds to build, so plans are kept; what cuDNN does not serve is kept
as None and goes to the record's forward on CuPy.
"""

import importlib
import threading
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
from ml_dtypes import bfloat16

from rushlight._core import gpu
from rushlight._core.cuda_switches import switches
from rushlight._kernels.cuda.compiler import empty
from rushlight._kernels.cuda.libraries import found as find_library
from rushlight._kernels.cuda.libraries import stream

F4, F2, BF = np.dtype(np.float32), np.dtype(np.float16), np.dtype(bfloat16)
SERVED = (F4, F2, BF)
lock = threading.Lock()  # from setting a handle's stream to the launch on it


def frontend() -> Any:
    """The package nvidia-cudnn-frontend with its library, or None."""
    if "cudnn" not in gpu.cuda.libraries:
        own = getattr(gpu.cuda.module, "libraries", None)
        find_library("cudart")  # the frontend opens it by its plain name
        try:
            found = importlib.import_module("cudnn") if own is None else own.get("cudnn")
            if found is not None:
                found.backend_version()
        except (ImportError, OSError, RuntimeError):
            found = None
        gpu.cuda.libraries["cudnn"] = found
    return gpu.cuda.libraries["cudnn"]


def deterministic() -> bool:
    """Only algorithms that give the same bits each time?"""
    return switches.cudnn_deterministic or switches.deterministic


def type_of(cudnn: Any, dtype: np.dtype) -> Any:
    """cuDNN's name of a dtype."""
    names = {F4: "FLOAT", F2: "HALF", BF: "BFLOAT16", np.dtype(np.int64): "INT64"}
    return getattr(cudnn.data_type, names[dtype])


def handle() -> Any:
    """The current device's handle, set to the current stream."""
    cudnn, key = frontend(), ("dnn", gpu.cuda.module.cuda.runtime.getDevice())
    found = gpu.cuda.handles.get(key)
    if found is None:
        found = gpu.cuda.handles[key] = [cudnn.create_handle(), None]
    now = stream()
    if found[1] != now:
        cudnn.set_stream(handle=found[0], stream=now)
        found[1] = now
    return found[0]


class Plan:
    """A built graph, its tensors in the order that arrays are given, and its workspace."""

    def __init__(self, graph: Any, tensors: list, workspace: int) -> None:
        self.graph, self.tensors, self.workspace = graph, tensors, workspace
        self.proved: bool | None = None  # by its first execution

    def run(self, *arrays: Any) -> None:
        """Execute on arrays of the current device; None where a tensor is not used."""
        space = empty(max(self.workspace, 1), np.uint8)
        given = {t: a.data.ptr for t, a in zip(self.tensors, arrays, strict=True) if t is not None}
        with lock:
            self.graph.execute(given, space.data.ptr, handle=handle())

    def serves(self, *arrays: Any) -> bool:
        """Execute; False where an engine refuses the first execution, and from then on."""
        if self.proved:
            self.run(*arrays)
        elif self.proved is None:
            try:
                self.run(*arrays)
                self.proved = True
            except RuntimeError as error:  # as cuDNN's are
                self.proved = False
                warnings.warn(
                    f"cuDNN refused a graph that it had planned, which is computed without it: "
                    f"{error}",
                    stacklevel=2,
                )
        return self.proved


def new_graph(cudnn: Any, dtype: np.dtype, **where: Any) -> Any:
    """A graph that computes in float32."""
    kind, wide = type_of(cudnn, dtype), cudnn.data_type.FLOAT
    return cudnn.pygraph(
        io_data_type=kind, intermediate_data_type=wide, compute_data_type=wide, **where
    )


def steps_of(x: Any) -> list[int]:
    """The steps of an array in elements; a dimension of one, which may have none, gets one."""
    steps = [s // x.itemsize for s in x.strides]
    for i in range(x.ndim - 1, -1, -1):
        if steps[i] == 0:
            steps[i] = steps[i + 1] * x.shape[i + 1] if i + 1 < x.ndim else 1
    return steps


def described(cudnn: Any, graph: Any, name: str, x: Any) -> Any:
    """An input of the graph with the shape and steps of an array."""
    kind = type_of(cudnn, x.dtype)
    return graph.tensor(name=name, dim=list(x.shape), stride=steps_of(x), data_type=kind)


def resulting(t: Any, x: Any, kind: Any = None) -> Any:
    """An output of the graph, to be written to an array."""
    t.set_output(True).set_dim(list(x.shape)).set_stride(steps_of(x))
    if kind is not None:
        t.set_data_type(kind)
    return t


def build(cudnn: Any, graph: Any, exact: bool, repeatable: bool) -> int:
    """Choose and build a plan; the bytes of its workspace. ``exact``: no TF32."""
    graph.validate()
    graph.build_operation_graph()
    graph.create_execution_plans([cudnn.heur_mode.A, cudnn.heur_mode.FALLBACK])
    unwanted = [cudnn.numerical_note.TENSOR_CORE] if exact else []
    if repeatable:
        unwanted.append(cudnn.numerical_note.NONDETERMINISTIC)
    if unwanted:
        graph.deselect_numeric_notes(unwanted)
    graph.check_support()
    graph.build_plans()
    return int(graph.get_workspace_size())


def planned(key: tuple, dtype: np.dtype, make: Callable) -> Plan | None:
    """The plan for a key; built by ``make(cudnn, graph)``, which returns its tensors, when first
    asked for. None where cuDNN is missing, switched off, or does not serve it."""
    cudnn = frontend()
    if cudnn is None or not switches.cudnn_enabled or dtype not in SERVED:
        return None
    exact = dtype == F4 and not switches.cudnn_allow_tf32
    device = gpu.cuda.module.cuda.runtime.getDevice()
    key = (*key, dtype, exact, deterministic(), device)
    if key not in gpu.cuda.handles:
        gpu.cuda.handles[key] = built(cudnn, make, dtype, exact)
    return gpu.cuda.handles[key]


def built(cudnn: Any, make: Callable, dtype: np.dtype, exact: bool, **where: Any) -> Plan | None:
    """A plan, for the current device's handle or a device described by ``where``."""
    graph = new_graph(cudnn, dtype, **(where or {"handle": handle()}))
    try:
        tensors = make(cudnn, graph)
        return Plan(graph, tensors, build(cudnn, graph, exact, deterministic()))
    except (cudnn.cudnnGraphNotSupportedError, RuntimeError, ValueError):
        return None


# ---- convolution ---------------------------------------------------------------------------------


def two_dimensional(x: Any) -> Any:
    """(N, C, L) as (N, C, 1, L); others as they are."""
    return x[:, :, None] if x.ndim == 3 else x


def geometry(stride: Any, padding: Any, dilation: Any) -> tuple[list, list, list]:
    """The parameters of one dimension as those of two."""
    if len(stride) == 1:
        return [1, *stride], [0, *padding], [1, *dilation]
    return list(stride), list(padding), list(dilation)


def blank(shape: tuple[int, ...], like: Any) -> Any:
    """Memory of a shape in the layout of another array: channels last if that is."""
    if like.ndim >= 4 and like.shape[1] > 1 and like.strides[1] == like.itemsize:
        last = empty((shape[0], *shape[2:], shape[1]), like.dtype)
        return last.transpose(0, last.ndim - 1, *range(1, last.ndim - 1))
    return empty(shape, like.dtype)


def layout(x: Any) -> tuple:
    """What a plan depends on of an array."""
    return x.shape, x.strides


def dense(x: Any) -> Any:
    """An array that cuDNN takes: of any steps but zero, from an address of 16 bytes."""
    gaps = any(s <= 0 and n > 1 for s, n in zip(x.strides, x.shape, strict=True))
    if gaps or x.data.ptr % 16:
        return gpu.cuda.module.array(x, order="C")
    return x


def forward(x: Any, weight: Any, y: Any, how: tuple) -> Plan | None:
    """The plan of a convolution into y."""
    stride, padding, dilation = how

    def make(cudnn: Any, graph: Any) -> list:
        image, kernel = (described(cudnn, graph, n, a) for n, a in (("x", x), ("w", weight)))
        made = graph.conv_fprop(
            image=image, weight=kernel, padding=padding, stride=stride, dilation=dilation
        )
        return [image, kernel, resulting(made, y)]

    return planned(("fprop", *map(layout, (x, weight, y)), *map(tuple, how)), x.dtype, make)


def to_input(g: Any, weight: Any, y: Any, how: tuple) -> Plan | None:
    """The plan of the gradient of a convolution's input."""
    stride, padding, dilation = how

    def make(cudnn: Any, graph: Any) -> list:
        loss, kernel = (described(cudnn, graph, n, a) for n, a in (("g", g), ("w", weight)))
        made = graph.conv_dgrad(
            loss=loss, filter=kernel, padding=padding, stride=stride, dilation=dilation
        )
        return [loss, kernel, resulting(made, y)]

    return planned(("dgrad", *map(layout, (g, weight, y)), *map(tuple, how)), g.dtype, make)


def to_weight(g: Any, x: Any, y: Any, how: tuple) -> Plan | None:
    """The plan of the gradient of a convolution's weight."""
    stride, padding, dilation = how

    def make(cudnn: Any, graph: Any) -> list:
        loss, image = (described(cudnn, graph, n, a) for n, a in (("g", g), ("x", x)))
        made = graph.conv_wgrad(
            image=image, loss=loss, padding=padding, stride=stride, dilation=dilation
        )
        return [loss, image, resulting(made, y)]

    return planned(("wgrad", *map(layout, (g, x, y)), *map(tuple, how)), g.dtype, make)
