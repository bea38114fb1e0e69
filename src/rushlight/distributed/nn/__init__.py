"""torch.distributed.nn: collectives that gradients pass through."""

from rushlight.distributed.groups import group as group
from rushlight.distributed.nn import functional as functional
from rushlight.distributed.nn.functional import all_gather as all_gather
from rushlight.distributed.nn.functional import all_reduce as all_reduce
from rushlight.distributed.nn.functional import all_to_all as all_to_all
from rushlight.distributed.nn.functional import all_to_all_single as all_to_all_single
from rushlight.distributed.nn.functional import broadcast as broadcast
from rushlight.distributed.nn.functional import gather as gather
from rushlight.distributed.nn.functional import reduce as reduce
from rushlight.distributed.nn.functional import reduce_scatter as reduce_scatter
from rushlight.distributed.nn.functional import scatter as scatter
from rushlight.distributed.reduce_op import ReduceOp as ReduceOp
