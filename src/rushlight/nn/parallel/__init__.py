"""torch.nn.parallel: one module on several devices, or in several processes."""

from rushlight.nn.parallel.data_parallel import DataParallel as DataParallel
from rushlight.nn.parallel.data_parallel import data_parallel as data_parallel
from rushlight.nn.parallel.distributed import __getattr__ as __getattr__
from rushlight.nn.parallel.parallel_apply import parallel_apply as parallel_apply
from rushlight.nn.parallel.replicate import replicate as replicate
from rushlight.nn.parallel.scatter_gather import gather as gather
from rushlight.nn.parallel.scatter_gather import scatter as scatter
