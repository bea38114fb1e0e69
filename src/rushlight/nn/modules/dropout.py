"""Dropout: zero some elements at random while training."""

from typing import Any

from rushlight.nn import functional as F
from rushlight.nn.modules.module import Module

__all__ = [
    "AlphaDropout",
    "Dropout",
    "Dropout1d",
    "Dropout2d",
    "Dropout3d",
    "FeatureAlphaDropout",
]


class _DropoutNd(Module):
    p: float
    inplace: bool

    def __init__(self, p: float = 0.5, inplace: bool = False) -> None:
        super().__init__()
        if p < 0 or p > 1:
            raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
        self.p = p
        self.inplace = inplace

    def extra_repr(self) -> str:
        """p and inplace."""
        return f"p={self.p}, inplace={self.inplace}"


class Dropout(_DropoutNd):
    """Dropout(p=0.5, inplace=False)

    Zero each element with probability p; scale the others by 1/(1-p).

    >>> m = torch.nn.Dropout(0.5)
    >>> m(torch.ones(1000)).unique()
    tensor([0., 2.])
    >>> m.eval()(torch.ones(3))
    tensor([1., 1., 1.])
    """

    def forward(self, input: Any) -> Any:
        """The input with dropout, or the input itself in evaluation mode."""
        return F.dropout(input, self.p, self.training, self.inplace)


class Dropout1d(_DropoutNd):
    """Dropout1d(p=0.5, inplace=False): zero whole channels of (N, C, L) or (C, L).

    >>> torch.nn.Dropout1d(0.5)(torch.ones(4, 100, 3)).std(2).sum()  # channels of 0 or of 2
    tensor(0.)
    """

    def forward(self, input: Any) -> Any:
        """The input with dropout, or the input itself in evaluation mode."""
        return F.dropout1d(input, self.p, self.training, self.inplace)


class Dropout2d(_DropoutNd):
    """Dropout2d(p=0.5, inplace=False): zero whole channels of (N, C, H, W).

    >>> torch.nn.Dropout2d(0.5)(torch.ones(4, 100, 3, 3)).flatten(2).std(2).sum()
    tensor(0.)
    """

    def forward(self, input: Any) -> Any:
        """The input with dropout, or the input itself in evaluation mode."""
        return F.dropout2d(input, self.p, self.training, self.inplace)


class Dropout3d(_DropoutNd):
    """Dropout3d(p=0.5, inplace=False): zero whole channels of (N, C, D, H, W).

    >>> torch.nn.Dropout3d(0.5)(torch.ones(4, 100, 2, 3, 3)).flatten(2).std(2).sum()
    tensor(0.)
    """

    def forward(self, input: Any) -> Any:
        """The input with dropout, or the input itself in evaluation mode."""
        return F.dropout3d(input, self.p, self.training, self.inplace)


class AlphaDropout(_DropoutNd):
    """AlphaDropout(p=0.5, inplace=False)

    Dropout that keeps mean and variance, for SELU networks.

    >>> m = torch.nn.AlphaDropout(0.2)
    >>> m(torch.randn(10_000)).std().round(decimals=1)
    tensor(1.)
    >>> m.eval()(torch.tensor([1.0, -1.0]))
    tensor([ 1., -1.])
    """

    def forward(self, input: Any) -> Any:
        """The input with dropout, or the input itself in evaluation mode."""
        return F.alpha_dropout(input, self.p, self.training)


class FeatureAlphaDropout(_DropoutNd):
    """FeatureAlphaDropout(p=0.5, inplace=False): alpha dropout of whole channels.

    >>> m = torch.nn.FeatureAlphaDropout(0.5)
    >>> m(torch.ones(4, 100, 3)).std(2).sum()  # a channel is kept or dropped as a whole
    tensor(0.)
    """

    def forward(self, input: Any) -> Any:
        """The input with dropout, or the input itself in evaluation mode."""
        return F.feature_alpha_dropout(input, self.p, self.training)
