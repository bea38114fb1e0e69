"""torch.cuda: NVIDIA GPUs, by way of CuPy, which is imported when a device is first asked for.

Without ``rushlight[cuda]`` or a GPU, queries say so and all else raises PyTorch's error.
"""

import importlib
from typing import Any

from rushlight._core import generator, gpu
from rushlight._core.legacy import CUDA_TYPES
from rushlight._core.stream import AcceleratorError as AcceleratorError
from rushlight._core.stream import OutOfMemoryError as OutOfMemoryError
from rushlight.cuda._devices import can_device_access_peer as can_device_access_peer
from rushlight.cuda._devices import current_device as current_device
from rushlight.cuda._devices import device as device
from rushlight.cuda._devices import device_count as device_count
from rushlight.cuda._devices import device_of as device_of
from rushlight.cuda._devices import get_arch_list as get_arch_list
from rushlight.cuda._devices import get_device_capability as get_device_capability
from rushlight.cuda._devices import get_device_name as get_device_name
from rushlight.cuda._devices import get_device_properties as get_device_properties
from rushlight.cuda._devices import init as init
from rushlight.cuda._devices import ipc_collect as ipc_collect
from rushlight.cuda._devices import is_available as is_available
from rushlight.cuda._devices import is_bf16_supported as is_bf16_supported
from rushlight.cuda._devices import is_initialized as is_initialized
from rushlight.cuda._devices import is_tf32_supported as is_tf32_supported
from rushlight.cuda._devices import set_device as set_device
from rushlight.cuda._devices import synchronize as synchronize
from rushlight.cuda._nvml import clock_rate as clock_rate
from rushlight.cuda._nvml import device_memory_used as device_memory_used
from rushlight.cuda._nvml import list_gpu_processes as list_gpu_processes
from rushlight.cuda._nvml import memory_usage as memory_usage
from rushlight.cuda._nvml import power_draw as power_draw
from rushlight.cuda._nvml import temperature as temperature
from rushlight.cuda._nvml import utilization as utilization
from rushlight.cuda.graphs import CUDAGraph as CUDAGraph
from rushlight.cuda.graphs import graph as graph
from rushlight.cuda.graphs import graph_pool_handle as graph_pool_handle
from rushlight.cuda.graphs import is_current_stream_capturing as is_current_stream_capturing
from rushlight.cuda.graphs import make_graphed_callables as make_graphed_callables
from rushlight.cuda.memory import empty_cache as empty_cache
from rushlight.cuda.memory import get_per_process_memory_fraction as get_per_process_memory_fraction
from rushlight.cuda.memory import max_memory_allocated as max_memory_allocated
from rushlight.cuda.memory import max_memory_cached as max_memory_cached
from rushlight.cuda.memory import max_memory_reserved as max_memory_reserved
from rushlight.cuda.memory import mem_get_info as mem_get_info
from rushlight.cuda.memory import memory_allocated as memory_allocated
from rushlight.cuda.memory import memory_cached as memory_cached
from rushlight.cuda.memory import memory_reserved as memory_reserved
from rushlight.cuda.memory import memory_snapshot as memory_snapshot
from rushlight.cuda.memory import memory_stats as memory_stats
from rushlight.cuda.memory import memory_stats_as_nested_dict as memory_stats_as_nested_dict
from rushlight.cuda.memory import memory_summary as memory_summary
from rushlight.cuda.memory import reset_accumulated_memory_stats as reset_accumulated_memory_stats
from rushlight.cuda.memory import reset_max_memory_allocated as reset_max_memory_allocated
from rushlight.cuda.memory import reset_max_memory_cached as reset_max_memory_cached
from rushlight.cuda.memory import reset_peak_memory_stats as reset_peak_memory_stats
from rushlight.cuda.memory import set_per_process_memory_fraction as set_per_process_memory_fraction
from rushlight.cuda.random import get_rng_state as get_rng_state
from rushlight.cuda.random import get_rng_state_all as get_rng_state_all
from rushlight.cuda.random import initial_seed as initial_seed
from rushlight.cuda.random import manual_seed as manual_seed
from rushlight.cuda.random import manual_seed_all as manual_seed_all
from rushlight.cuda.random import seed as seed
from rushlight.cuda.random import seed_all as seed_all
from rushlight.cuda.random import set_rng_state as set_rng_state
from rushlight.cuda.random import set_rng_state_all as set_rng_state_all
from rushlight.cuda.streams import Event as Event
from rushlight.cuda.streams import ExternalStream as ExternalStream
from rushlight.cuda.streams import Stream as Stream
from rushlight.cuda.streams import StreamContext as StreamContext
from rushlight.cuda.streams import current_stream as current_stream
from rushlight.cuda.streams import default_stream as default_stream
from rushlight.cuda.streams import get_stream_from_external as get_stream_from_external
from rushlight.cuda.streams import set_stream as set_stream
from rushlight.cuda.streams import stream as stream


def __getattr__(name: str) -> Any:
    if name in ("amp", "nvtx"):  # loaded when first named
        return importlib.import_module(f"{__name__}.{name}")
    if name in CUDA_TYPES:
        return CUDA_TYPES[name]
    if name == "default_generators":
        return tuple(map(generator.of_device, range(gpu.load().count)))
    raise AttributeError(f"module 'torch.cuda' has no attribute '{name}'")
