"""Batch normalization."""

from typing import Any

from rushlight import _api as torch
from rushlight.nn import functional as F
from rushlight.nn import init
from rushlight.nn.modules.lazy import LazyModuleMixin
from rushlight.nn.modules.module import Module
from rushlight.nn.parameter import Parameter, UninitializedBuffer, UninitializedParameter

__all__ = [
    "BatchNorm1d",
    "BatchNorm2d",
    "BatchNorm3d",
    "LazyBatchNorm1d",
    "LazyBatchNorm2d",
    "LazyBatchNorm3d",
    "SyncBatchNorm",
]


class _NormBase(Module):
    """What batch and instance norms share: scale and shift, and running statistics."""

    _version = 2  # since 2 num_batches_tracked is part of the state

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__()
        self.num_features = num_features
        self.eps = eps
        self.momentum = momentum
        self.affine = affine
        self.track_running_stats = track_running_stats
        like = {"device": device, "dtype": dtype}
        for name, wanted in (("weight", affine), ("bias", affine and bias)):
            param = Parameter(torch.empty(num_features, **like)) if wanted else None
            self.register_parameter(name, param)
        if track_running_stats:
            self.register_buffer("running_mean", torch.zeros(num_features, **like))
            self.register_buffer("running_var", torch.ones(num_features, **like))
            count = torch.tensor(0, dtype=torch.long, device=device)
            self.register_buffer("num_batches_tracked", count)
        else:
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                self.register_buffer(name, None)
        self.reset_parameters()

    def reset_running_stats(self) -> None:
        """reset_running_stats(): mean 0, variance 1, no batches seen."""
        if self.track_running_stats:
            self.running_mean.zero_()
            self.running_var.fill_(1)
            self.num_batches_tracked.zero_()

    def reset_parameters(self) -> None:
        """reset_parameters(): forget the statistics; weight 1, bias 0."""
        self.reset_running_stats()
        if self.affine:
            init.ones_(self.weight)
            if self.bias is not None:
                init.zeros_(self.bias)

    def _check_input_dim(self, input: Any) -> None:
        raise NotImplementedError

    def extra_repr(self) -> str:
        """The settings."""
        return (
            f"{self.num_features}, eps={self.eps}, momentum={self.momentum}, affine={self.affine}, "
            f"bias={self.bias is not None}, track_running_stats={self.track_running_stats}"
        )

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
        version = local_metadata.get("version")
        key = prefix + "num_batches_tracked"
        if (version is None or version < 2) and self.track_running_stats and key not in state_dict:
            count = self.num_batches_tracked
            usable = count is not None and not count.is_meta
            state_dict[key] = count if usable else torch.tensor(0, dtype=torch.long)
        super()._load_from_state_dict(
            state_dict,
            prefix,
            local_metadata,
            strict,
            missing_keys,
            unexpected_keys,
            error_msgs,
        )


class _BatchNorm(_NormBase):
    def _count_batch(self) -> float:
        """Count this batch; how much of its statistics goes into the running ones."""
        if not (self.training and self.track_running_stats):
            return 0.0 if self.momentum is None else self.momentum
        if self.num_batches_tracked is not None:
            self.num_batches_tracked.add_(1)
            if self.momentum is None:  # the average of all batches so far
                return 1.0 / float(self.num_batches_tracked)
        return 0.0 if self.momentum is None else self.momentum

    def _normalize(self, input: Any) -> Any:
        factor = self._count_batch()
        # In training the running statistics are passed to be updated, in evaluation to be used.
        use_running = not self.training or self.track_running_stats
        mean = self.running_mean if use_running else None
        variance = self.running_var if use_running else None
        from_batch = self.training or (self.running_mean is None and self.running_var is None)
        return F.batch_norm(
            input, mean, variance, self.weight, self.bias, from_batch, factor, self.eps
        )

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        self._check_input_dim(input)
        return self._normalize(input)


class _LazyNormBase(LazyModuleMixin, _NormBase):
    """A norm that learns num_features from its first input."""

    def __init__(
        self,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        like = {"device": device, "dtype": dtype}
        super().__init__(0, eps, momentum, False, False, **like, bias=False)
        self.affine = affine
        self.track_running_stats = track_running_stats
        if affine:
            self.weight = UninitializedParameter(**like)
            if bias:
                self.bias = UninitializedParameter(**like)
        if track_running_stats:
            self.running_mean = UninitializedBuffer(**like)
            self.running_var = UninitializedBuffer(**like)
            self.num_batches_tracked = torch.tensor(0, dtype=torch.long, device=device)

    def reset_parameters(self) -> None:
        """reset_parameters(): as the full norm's, once there is something to set."""
        if not self.has_uninitialized_params() and self.num_features != 0:
            super().reset_parameters()

    def initialize_parameters(self, input: Any) -> None:
        """initialize_parameters(input): take num_features from dimension 1."""
        if not self.has_uninitialized_params():
            return
        self.num_features = input.shape[1]
        waiting: list[Any] = [self.weight, self.bias] if self.affine else []
        if self.track_running_stats:
            waiting += [self.running_mean, self.running_var]
        for tensor in waiting:
            if tensor is not None:
                tensor.materialize((self.num_features,))
        self.reset_parameters()


class BatchNorm1d(_BatchNorm):
    """BatchNorm1d(num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, *,
    bias=True)

    (x - mean) / sqrt(var + eps) * weight + bias, over the batch (and length) of (N, C) or (N, C,
    L). Evaluation uses the running statistics. ``momentum=None``: their plain average.

    Ioffe and Szegedy, "Batch Normalization" (2015).

    >>> m = torch.nn.BatchNorm1d(1)
    >>> m(torch.tensor([[1.0], [3.0]]))
    tensor([[-1.0000],
            [ 1.0000]], grad_fn=<NativeBatchNormBackward0>)
    >>> m.running_mean, m.num_batches_tracked
    (tensor([0.2000]), tensor(1))
    """

    def _check_input_dim(self, input: Any) -> None:
        if input.dim() not in (2, 3):
            raise ValueError(f"expected 2D or 3D input (got {input.dim()}D input)")


class LazyBatchNorm1d(_LazyNormBase, _BatchNorm):
    """LazyBatchNorm1d(eps=1e-05, momentum=0.1, ...)

    A BatchNorm1d that learns num_features at its first call.

    >>> m = torch.nn.LazyBatchNorm1d()
    >>> m(torch.rand(4, 3, 8)).shape
    torch.Size([4, 3, 8])
    >>> m
    BatchNorm1d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = BatchNorm1d

    _check_input_dim: Any = BatchNorm1d._check_input_dim


class BatchNorm2d(_BatchNorm):
    """BatchNorm2d(num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, *,
    bias=True)

    As BatchNorm1d, for (N, C, H, W).

    >>> m = torch.nn.BatchNorm2d(100)
    >>> m(torch.rand(20, 100, 35, 45)).shape
    torch.Size([20, 100, 35, 45])
    >>> m.running_var.shape
    torch.Size([100])
    """

    def _check_input_dim(self, input: Any) -> None:
        if input.dim() != 4:
            raise ValueError(f"expected 4D input (got {input.dim()}D input)")


class LazyBatchNorm2d(_LazyNormBase, _BatchNorm):
    """LazyBatchNorm2d(eps=1e-05, momentum=0.1, ...)

    A BatchNorm2d that learns num_features at its first call.

    >>> m = torch.nn.LazyBatchNorm2d()
    >>> m(torch.rand(4, 3, 8, 8)).shape
    torch.Size([4, 3, 8, 8])
    >>> m
    BatchNorm2d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = BatchNorm2d

    _check_input_dim: Any = BatchNorm2d._check_input_dim


class BatchNorm3d(_BatchNorm):
    """BatchNorm3d(num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True, *,
    bias=True)

    As BatchNorm1d, for (N, C, D, H, W).

    >>> torch.nn.BatchNorm3d(4)(torch.rand(2, 4, 3, 5, 6)).shape
    torch.Size([2, 4, 3, 5, 6])
    """

    def _check_input_dim(self, input: Any) -> None:
        if input.dim() != 5:
            raise ValueError(f"expected 5D input (got {input.dim()}D input)")


class LazyBatchNorm3d(_LazyNormBase, _BatchNorm):
    """LazyBatchNorm3d(eps=1e-05, momentum=0.1, ...)

    A BatchNorm3d that learns num_features at its first call.

    >>> m = torch.nn.LazyBatchNorm3d()
    >>> m(torch.rand(4, 3, 8, 8, 8)).shape
    torch.Size([4, 3, 8, 8, 8])
    >>> m
    BatchNorm3d(3, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    cls_to_become = BatchNorm3d

    _check_input_dim: Any = BatchNorm3d._check_input_dim


class SyncBatchNorm(_BatchNorm):
    """SyncBatchNorm(num_features, eps=1e-05, momentum=0.1, affine=True, track_running_stats=True,
    process_group=None)

    Batch normalization for distributed training. In one process it is ordinary batch normalization;
    statistics are not exchanged between processes here.

    >>> m = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3), torch.nn.BatchNorm2d(4))
    >>> torch.nn.SyncBatchNorm.convert_sync_batchnorm(m)[1]
    SyncBatchNorm(4, eps=1e-05, momentum=0.1, affine=True, bias=True, track_running_stats=True)
    """

    def __init__(
        self,
        num_features: int,
        eps: float = 1e-5,
        momentum: float | None = 0.1,
        affine: bool = True,
        track_running_stats: bool = True,
        process_group: Any = None,
        device: Any = None,
        dtype: Any = None,
        *,
        bias: bool = True,
    ) -> None:
        super().__init__(
            num_features, eps, momentum, affine, track_running_stats, device, dtype, bias=bias
        )
        if process_group is not None:
            raise NotImplementedError(
                "SyncBatchNorm does not exchange statistics between processes: "
                "leave process_group out"
            )
        self.process_group = process_group

    def _check_input_dim(self, input: Any) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least 2D input (got {input.dim()}D input)")

    def forward(self, input: Any) -> Any:
        """The normalized input."""
        self._check_input_dim(input)
        if input.size(1) == 0:
            raise ValueError("SyncBatchNorm number of input channels should be non-zero")
        return self._normalize(input)

    @classmethod
    def convert_sync_batchnorm(cls, module: Module, process_group: Any = None) -> Module:
        """convert_sync_batchnorm(module, process_group=None)

        The module with all its BatchNorm layers replaced.
        """
        converted = module
        if isinstance(module, _BatchNorm):
            converted = SyncBatchNorm(
                module.num_features,
                module.eps,
                module.momentum,
                module.affine,
                module.track_running_stats,
                process_group,
                bias=module.bias is not None,
            )
            if module.affine:
                converted.weight = module.weight
                converted.bias = module.bias
            for name in ("running_mean", "running_var", "num_batches_tracked"):
                setattr(converted, name, getattr(module, name))
            converted.training = module.training
        for name, child in module.named_children():
            converted.add_module(name, cls.convert_sync_batchnorm(child, process_group))
        return converted
