"""AdaptiveLogSoftmaxWithLoss: a softmax over many classes, most of which are rare."""

import itertools
from collections import namedtuple
from collections.abc import Sequence
from typing import Any

from rushlight import _api as torch
from rushlight.nn import functional as F
from rushlight.nn.modules.container import ModuleList, Sequential
from rushlight.nn.modules.linear import Linear
from rushlight.nn.modules.module import Module

__all__ = ["AdaptiveLogSoftmaxWithLoss"]

_ASMoutput = namedtuple("_ASMoutput", ["output", "loss"])


class AdaptiveLogSoftmaxWithLoss(Module):
    """AdaptiveLogSoftmaxWithLoss(in_features, n_classes, cutoffs, div_value=4.0, head_bias=False,
    ...)

    Classes are sorted from frequent to rare and cut into clusters at ``cutoffs``. The head decides
    between the first cluster's classes and the other clusters, which have ever smaller projections.
    Input (N, in_features), target (N).

    >>> m = torch.nn.AdaptiveLogSoftmaxWithLoss(16, 100, cutoffs=[10, 50])
    >>> output, loss = m(torch.ones(8, 16), torch.arange(8))
    >>> output.shape, loss.shape
    (torch.Size([8]), torch.Size([]))
    >>> m.log_prob(torch.ones(8, 16)).shape
    torch.Size([8, 100])
    """

    def __init__(
        self,
        in_features: int,
        n_classes: int,
        cutoffs: Sequence[int],
        div_value: float = 4.0,
        head_bias: bool = False,
        device: Any = None,
        dtype: Any = None,
    ) -> None:
        super().__init__()
        cutoffs = list(cutoffs)
        _check_cutoffs(cutoffs, n_classes)
        self.in_features = in_features
        self.n_classes = n_classes
        self.cutoffs = [*cutoffs, n_classes]
        self.div_value = div_value
        self.head_bias = head_bias
        self.shortlist_size = self.cutoffs[0]
        self.n_clusters = len(self.cutoffs) - 1
        self.head_size = self.shortlist_size + self.n_clusters
        like = {"device": device, "dtype": dtype}
        self.head = Linear(in_features, self.head_size, bias=head_bias, **like)
        self.tail = ModuleList()
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            hidden = int(in_features // (div_value ** (i + 1)))
            self.tail.append(
                Sequential(
                    Linear(in_features, hidden, bias=False, **like),
                    Linear(hidden, high - low, bias=False, **like),
                )
            )

    def reset_parameters(self) -> None:
        """reset_parameters(): draw all weights anew."""
        self.head.reset_parameters()
        cluster: Any
        for cluster in self.tail:
            down, up = cluster
            down.reset_parameters()
            up.reset_parameters()

    def forward(self, input_: Any, target_: Any) -> _ASMoutput:
        """The target's log-probabilities (N), and the loss, minus their mean."""
        _check_shapes(input_, target_)
        batched = target_.dim() > 0
        input = input_ if batched else input_.unsqueeze(0)
        target = target_ if batched else target_.unsqueeze(0)
        self._check_range(target)
        output = input.new_zeros(target.size(0))
        # The column of the head that each sample needs: its class, or its cluster.
        column = target.clone()
        for i, (low, high) in enumerate(itertools.pairwise(self.cutoffs)):
            inside = (target >= low) & (target < high)
            rows = inside.nonzero().squeeze(1)
            if rows.numel() == 0:
                continue
            log_prob = F.log_softmax(self.tail[i](input.index_select(0, rows)), dim=1)
            picked = log_prob.gather(1, (target[inside] - low).unsqueeze(1))
            output = output.index_copy(0, rows, picked.squeeze(1))
            column = column.index_fill(0, rows, self.shortlist_size + i)
        head = F.log_softmax(self.head(input), dim=1)
        output = output + head.gather(1, column.unsqueeze(1)).squeeze(1)
        loss = (-output).mean()
        return _ASMoutput(output if batched else output.squeeze(0), loss)

    def _check_range(self, target: Any) -> None:
        if bool(((target < 0) | (target >= self.n_classes)).any()):
            raise RuntimeError(
                f"Target values should be in [0, {self.n_classes - 1}], "
                f"but values in range [{target.min().item()}, {target.max().item()}] "
                "were found. "
            )

    def _get_full_log_prob(self, input: Any, head_output: Any) -> Any:
        head = F.log_softmax(head_output, dim=1)
        parts = [head[:, : self.shortlist_size]]
        for i, cluster in enumerate(self.tail):
            log_prob = F.log_softmax(cluster(input), dim=1)
            parts.append(log_prob + head[:, self.shortlist_size + i].unsqueeze(1))
        return torch.cat(parts, dim=1)

    def log_prob(self, input: Any) -> Any:
        """log_prob(input): the log-probabilities of all classes, (N, n_classes)."""
        return self._get_full_log_prob(input, self.head(input))

    def predict(self, input: Any) -> Any:
        """predict(input)

        The most likely classes, (N); only samples outside the first cluster need the tail.
        """
        head_output = self.head(input)
        output = torch.argmax(head_output, dim=1)
        rare = output >= self.shortlist_size
        if not bool(rare.any()):
            return output
        log_prob = self._get_full_log_prob(input[rare], head_output[rare])
        output[rare] = torch.argmax(log_prob, dim=1)
        return output


def _check_cutoffs(cutoffs: list, n_classes: int) -> None:
    if not cutoffs:
        raise ValueError("cutoffs should be a sequence of length larger than 0")
    increasing = all(a < b for a, b in itertools.pairwise(cutoffs))
    whole = all(int(c) == c for c in cutoffs)
    if not increasing or not whole or cutoffs[0] <= 0 or cutoffs[-1] > n_classes - 1:
        raise ValueError(
            "cutoffs should be a sequence of unique, positive "
            "integers sorted in an increasing order, where "
            "each value is between 1 and n_classes-1"
        )


def _check_shapes(input: Any, target: Any) -> None:
    if target.dim() > 1:
        raise RuntimeError("0D or 1D target tensor expected, multi-target not supported")
    if target.dim() == 1 and input.size(0) != target.size(0):
        raise RuntimeError("Input and target should have the same size in the batch dimension.")
    if input.dim() != target.dim() + 1:
        raise RuntimeError(
            f"{target.dim()}D target tensor expects {target.dim() + 1}D input tensors, "
            f"but found inputs with size {input.size()}"
        )
