"""torch.distributed._functional_collectives: collectives that return their result.

Autograd sees them. Each has ended when it returns, so there is nothing to wait for.
"""

from rushlight import _api as torch
from rushlight.distributed.nn import functional
from rushlight.distributed.process_group import ProcessGroup
from rushlight.distributed.reduce_op import ReduceOp


def wait_tensor(tensor: "torch.Tensor") -> "torch.Tensor":
    """wait_tensor(tensor) -> tensor: the result is there."""
    return tensor


def all_reduce(
    self: "torch.Tensor",
    reduceOp: str,  # noqa: N803 # PyTorch's name
    group: ProcessGroup | None,
    tag: str = "",
) -> "torch.Tensor":
    """all_reduce(self, reduceOp, group): the reduction over the group ("sum", "max", ...), as a new
    tensor.
    """
    op = getattr(ReduceOp, reduceOp.upper())
    return functional.all_reduce(self.clone(), op, group)


def all_to_all_single(
    self: "torch.Tensor",
    output_split_sizes: list[int] | None,
    input_split_sizes: list[int] | None,
    group: ProcessGroup | None,
    tag: str = "",
) -> "torch.Tensor":
    """all_to_all_single(self, output_split_sizes, input_split_sizes, group): the rows that all
    processes have for this one; the sizes say how many come from and go to each, None: equally
    many.
    """
    rows = self.shape[0] if output_split_sizes is None else sum(output_split_sizes)
    result = torch.empty((rows, *self.shape[1:]), dtype=self.dtype)
    return functional.all_to_all_single(result, self, output_split_sizes, input_split_sizes, group)


all_to_all_single_autograd = all_to_all_single
