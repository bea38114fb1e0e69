"""Instance normalization."""

import warnings
from typing import Any

from rushlight.nn import functional as F
from rushlight.nn.modules.batchnorm import _LazyNormBase, _NormBase

__all__ = [
    "InstanceNorm1d",
    "InstanceNorm2d",
    "InstanceNorm3d",
    "LazyInstanceNorm1d",
    "LazyInstanceNorm2d",
    "LazyInstanceNorm3d",
]


class _InstanceNorm(_NormBase):
    """Normalization over the space of each channel of each sample."""

    _space: int  # the number of dimensions after the channels

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float = 0.1,
        affine: bool = False,
        track_running_stats: bool = False,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )

    def _check_input_dim(self, input: Any) -> None:
        n = self._get_no_batch_dim()
        if input.dim() not in (n, n + 1):
            raise ValueError(f"expected {n}D or {n + 1}D input (got {input.dim()}D input)")

    def _get_no_batch_dim(self) -> int:
        return self._space + 1

    def _load_from_state_dict(
        self,
        state_dict: dict,
        prefix: str,
        local_metadata: dict,
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        # Before version 1 the statistics were always tracked, and saved.
        if local_metadata.get("version") is None and not self.track_running_stats:
            found = [
                k for k in (prefix + "running_mean", prefix + "running_var") if k in state_dict
            ]
            if found:
                error_msgs.append(_old_statistics(found, self.__class__.__name__))
            for key in found:
                state_dict.pop(key)
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )

    def _check_features(self, input: Any) -> None:
        dim = input.dim() - self._get_no_batch_dim()
        if input.size(dim) == self.num_features:
            return
        if self.affine:
            raise ValueError(
                f"expected input's size at dim={dim} to match num_features"
                f" ({self.num_features}), but got: {input.size(dim)}."
            )
        warnings.warn(
            f"input's size at dim={dim} does not match num_features. "
            "You can silence this warning by not passing in num_features, "
            "which is not used because affine=False",
            stacklevel=3,
        )

    def _apply_instance_norm(self, input: Any) -> Any:
        return F.instance_norm(
            input,
            self.running_mean,
            self.running_var,
            self.weight,
            self.bias,
            self.training or not self.track_running_stats,
            self.momentum if self.momentum is not None else 0.0,
            self.eps,
        )

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        self._check_input_dim(input)
        self._check_features(input)
        if input.dim() == self._get_no_batch_dim():
            return self._apply_instance_norm(input.unsqueeze(0)).squeeze(0)
        return self._apply_instance_norm(input)


def _old_statistics(keys: list[str], name: str) -> str:
    listed = " and ".join(f'"{k}"' for k in keys)
    return (
        f"Unexpected running stats buffer(s) {listed} for {name} "
        "with track_running_stats=False. If state_dict is a "
        "checkpoint saved before 0.4.0, this may be expected "
        f"because {name} does not track running stats by default "
        "since 0.4.0. Please remove these keys from state_dict. If "
        "the running stats are actually needed, instead set "
        f"track_running_stats=True in {name} to enable them. See "
        f"the documentation of {name} for details."
    )


class InstanceNorm1d(_InstanceNorm):
    """InstanceNorm1d(num_features, eps=1e-05, momentum=0.1, affine=False,
    track_running_stats=False, *, bias=True)

    Normalize every channel of every sample of (N, C, L) or (C, L).

    >>> torch.nn.InstanceNorm1d(1)(torch.tensor([[[1.0, 3.0]]]))
    tensor([[[-1.0000,  1.0000]]])
    """

    _space = 1


class LazyInstanceNorm1d(_LazyNormBase, _InstanceNorm):
    """LazyInstanceNorm1d(eps=1e-05, momentum=0.1, ...)

    An InstanceNorm1d that learns num_features at its first call.

    >>> m = torch.nn.LazyInstanceNorm1d(affine=True)
    >>> m(torch.rand(4, 3, 8)).shape
    torch.Size([4, 3, 8])
    >>> m.weight.shape
    torch.Size([3])
    """

    cls_to_become = InstanceNorm1d
    _space = 1


class InstanceNorm2d(_InstanceNorm):
    """InstanceNorm2d(num_features, eps=1e-05, momentum=0.1, affine=False,
    track_running_stats=False, *, bias=True)

    Normalize every channel of every sample of (N, C, H, W) or (C, H, W).

    >>> torch.nn.InstanceNorm2d(4)(torch.rand(2, 4, 35, 45)).shape
    torch.Size([2, 4, 35, 45])
    """

    _space = 2


class LazyInstanceNorm2d(_LazyNormBase, _InstanceNorm):
    """LazyInstanceNorm2d(eps=1e-05, momentum=0.1, ...)

    An InstanceNorm2d that learns num_features at its first call.

    >>> m = torch.nn.LazyInstanceNorm2d(affine=True)
    >>> m(torch.rand(4, 3, 8, 8)).shape
    torch.Size([4, 3, 8, 8])
    >>> m.weight.shape
    torch.Size([3])
    """

    cls_to_become = InstanceNorm2d
    _space = 2


class InstanceNorm3d(_InstanceNorm):
    """InstanceNorm3d(num_features, eps=1e-05, momentum=0.1, affine=False,
    track_running_stats=False, *, bias=True)

    Normalize every channel of every sample of (N, C, D, H, W) or (C, D, H, W).

    >>> torch.nn.InstanceNorm3d(4, affine=True)(torch.rand(2, 4, 3, 5, 6)).shape
    torch.Size([2, 4, 3, 5, 6])
    """

    _space = 3


class LazyInstanceNorm3d(_LazyNormBase, _InstanceNorm):
    """LazyInstanceNorm3d(eps=1e-05, momentum=0.1, ...)

    An InstanceNorm3d that learns num_features at its first call.

    >>> m = torch.nn.LazyInstanceNorm3d(affine=True)
    >>> m(torch.rand(4, 3, 8, 8, 8)).shape
    torch.Size([4, 3, 8, 8, 8])
    >>> m.weight.shape
    torch.Size([3])
    """

    cls_to_become = InstanceNorm3d
    _space = 3
