"""torch.nn.parallel: one module on several devices, or in several processes."""

from rushlight.nn.parallel.data_parallel import DataParallel as DataParallel
from rushlight.nn.parallel.data_parallel import data_parallel as data_parallel
from rushlight.nn.parallel.distributed import __getattr__ as __getattr__
