"""torch.utils.benchmark: timing statements, and comparing the times."""

from rushlight.utils.benchmark.compare import Compare as Compare
from rushlight.utils.benchmark.measurement import Measurement as Measurement
from rushlight.utils.benchmark.timer import Timer as Timer
from rushlight.utils.benchmark.timer import timer as timer
