"""torch.profiler: how long each operation takes."""

from rushlight.profiler.events import EventList as EventList
from rushlight.profiler.profiler import ProfilerAction as ProfilerAction
from rushlight.profiler.profiler import ProfilerActivity as ProfilerActivity
from rushlight.profiler.profiler import kineto_available as kineto_available
from rushlight.profiler.profiler import profile as profile
from rushlight.profiler.profiler import record_function as record_function
from rushlight.profiler.profiler import schedule as schedule
from rushlight.profiler.profiler import supported_activities as supported_activities
from rushlight.profiler.profiler import tensorboard_trace_handler as tensorboard_trace_handler
