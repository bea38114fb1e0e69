"""Dropout in all its forms, and rrelu: random masks with PyTorch's numbers."""

import warnings

import numpy as np

from rushlight._core import dtypes, gpu, memory, philox
from rushlight._core import generator as draws
from rushlight._core.backend import MetaArray
from rushlight._core.device import CPU
from rushlight._core.looking import seen
from rushlight._core.op import Op, public
from rushlight._core.state import thread
from rushlight._core.tensor import Tensor, wrap
from rushlight._ops.factory import need_tensor
from rushlight._ops.random import check_kind

ALPHA = 1.7580993408473766  # SELU's lambda times its alpha: where saturated units sit


class FusedDropout(Op):
    """``input / keep`` where a number of a device's stream is below ``keep``, else 0; and where."""

    outputs = ("out", "mask")
    named = False
    promote = "keep"
    half = "widen"
    public = ()
    grad_name = "NativeDropoutBackward0"

    def forward(xp, x, keep, stream):
        mask = xp.asarray(philox.kept(stream, x.size, keep).reshape(x.shape))
        return x * mask * x.dtype.type(1 / keep), mask

    def vjp(g, mask, keep):
        return FusedDropoutBackward.call(g, mask, keep)


class FusedDropoutBackward(Op):
    """The gradient of what dropout kept."""

    tensors = ("grad", "mask")
    promote = "keep"
    half = "widen"
    public = ()

    def forward(xp, g, mask, keep):
        return g * mask * g.dtype.type(1 / keep)

    def vjp_grad(g, mask, keep):
        return FusedDropoutBackward.call(g, mask, keep)


def _validate(p: float, kind: type[Exception]) -> None:
    if p < 0.0 or p > 1.0:
        raise kind(f"dropout probability has to be between 0 and 1, but got {p}")


def _noise(x: np.ndarray, keep: float) -> np.ndarray:
    """1 with probability ``keep``, else 0, in the layout and dtype of ``x``."""
    check_kind("bernoulli_scalar_cpu_", x.dtype, "fiub")
    if type(x) is gpu.cuda.kind:
        return draws.drawn_there(lambda out, gen: draws.bernoulli(gen, out, keep), None, x.copy())
    there = gpu.place_of(x) is not CPU  # seen through vmap or jvp
    noise = gpu.made_beside(x, "empty", x.shape, x.dtype) if there else memory.empty_like(x)
    return noise if type(x) is MetaArray else draws.bernoulli(None, noise, keep)


def _channels(x: np.ndarray) -> np.ndarray:
    """A stand-in of shape (N, C, 1, ...): one draw for each channel."""
    if x.ndim < 2:
        raise RuntimeError("Feature dropout requires at least 2 dimensions in the input")
    return gpu.made_beside(x, "empty", (*x.shape[:2], *[1] * (x.ndim - 2)), x.dtype)


def _drop(input: Tensor, p: float, train: bool, feature: bool, inplace: bool) -> Tensor:
    """input * mask / (1 - p)."""
    need_tensor("dropout", "input", input)
    x = input._data
    shape = _channels(x) if feature and train and p and x.size else x
    if p == 0 or not train or not x.size:
        return input
    if not (input.dtype.is_floating_point or input.dtype.is_complex):
        name = dtypes.scalar_name(input.dtype)
        raise RuntimeError(f"result type Float can't be cast to the desired output type {name}")
    fused = type(x) is gpu.cuda.kind and not (feature or inplace or thread.levels)
    if fused and p < 1 and input.dtype.is_floating_point:
        stream = draws.of_device(gpu.index_of(x)).philox
        return FusedDropout.call(input, 1 - p, stream)[0]
    if p == 1:
        factor = wrap(gpu.made_beside(x, "zeros", (), x.dtype))
    else:
        noise = _noise(shape, 1 - p)
        t = np.dtype(np.float32) if x.dtype in dtypes.HALF else x.dtype
        scale = (t.type(1) / t.type(1 - p)).astype(x.dtype)
        if type(noise) is np.ndarray:
            np.multiply(noise, scale, noise)  # 0, or 1 / (1 - p) rounded once
            factor = wrap(noise)
        else:  # of a batch that vmap maps over
            factor = wrap(noise) * float(scale)
    return input.mul_(factor) if inplace else input * factor


def _drop_alpha(input: Tensor, p: float, train: bool, feature: bool, inplace: bool) -> Tensor:
    """Dropped units get SELU's negative saturation; scale and shift keep mean and variance."""
    need_tensor("alpha_dropout", "input", input)
    x = input._data
    shape = _channels(x) if feature and train and p and x.size else x
    if p == 0 or not train or not x.size:
        return input
    if p == 1:
        zero = wrap(gpu.made_beside(x, "zeros", (), x.dtype))
        return input.mul_(zero) if inplace else input * zero
    noise = wrap(_noise(shape, 1 - p))
    a = 1.0 / ((ALPHA * ALPHA * p + 1) * (1 - p)) ** 0.5
    shift = (noise + -1) * (ALPHA * a) + ALPHA * a * p
    factor = noise * a
    return input.mul_(factor).add_(shift) if inplace else input * factor + shift


@public("nn.functional", out=False)
def dropout(input, p=0.5, training=True, inplace=False):
    """dropout(input, p=0.5, training=True, inplace=False) -> Tensor

    While training, zero each element with probability ``p`` and scale the others by ``1 / (1 -
    p)``.

    ValueError unless 0 <= p <= 1.

    >>> torch.nn.functional.dropout(torch.ones(3), 0.5, training=False)
    tensor([1., 1., 1.])
    """
    _validate(p, ValueError)
    return _drop(input, p, training, False, inplace)


@public("nn.functional", out=False)
def alpha_dropout(input, p=0.5, training=False, inplace=False):
    """alpha_dropout(input, p=0.5, training=False, inplace=False) -> Tensor

    Dropout that keeps mean and variance of SELU activations: dropped elements get its negative
    saturation.

    >>> torch.nn.functional.alpha_dropout(torch.ones(3), 0.5)
    tensor([1., 1., 1.])
    """
    _validate(p, ValueError)
    return _drop_alpha(input, p, training, False, inplace)


@public("nn.functional", out=False)
def dropout1d(input, p=0.5, training=True, inplace=False):
    """dropout1d(input, p=0.5, training=True, inplace=False) -> Tensor

    Zero whole channels of a (C, L) or (N, C, L) input with probability ``p`` while training.

    >>> torch.nn.functional.dropout1d(torch.ones(2, 3), 0.0)
    tensor([[1., 1., 1.],
            [1., 1., 1.]])
    """
    _validate(p, ValueError)
    if input.ndim not in (2, 3):
        raise RuntimeError(
            f"dropout1d: Expected 2D or 3D input, but received a {input.ndim}D input. Note that "
            "dropout1d exists "
            "to provide channel-wise dropout on inputs with 1 spatial dimension, a channel "
            "dimension, and an "
            "optional batch dimension (i.e. 2D or 3D inputs)."
        )
    if input.ndim == 2:
        result = _drop(input[None], p, training, True, inplace)[0]
        return input if inplace else result
    return _drop(input, p, training, True, inplace)


def _advise(name: str, input: Tensor, spatial: int) -> None:
    """PyTorch's warning about inputs that have not the advertised number of dimensions."""
    if input.ndim in (spatial + 1, spatial + 2):
        return
    warnings.warn(
        f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result "
        "in an error in "
        "a future release. To retain the behavior and silence this warning, please use dropout "
        "instead. Note "
        f"that {name} exists to provide channel-wise dropout on inputs with {spatial} spatial "
        "dimensions, a "
        "channel dimension, and an optional batch dimension (i.e. "
        f"{spatial + 1}D or {spatial + 2}D inputs).",
        UserWarning,
        stacklevel=3,
    )


@public("nn.functional", out=False)
def dropout2d(input, p=0.5, training=True, inplace=False):
    """dropout2d(input, p=0.5, training=True, inplace=False) -> Tensor

    Zero whole channels of an (N, C, H, W) input with probability ``p`` while training.

    >>> torch.nn.functional.dropout2d(torch.ones(1, 2, 1, 1), 0.0).shape
    torch.Size([1, 2, 1, 1])
    """
    _validate(p, ValueError)
    _advise("dropout2d", input, 2)
    if input.ndim == 3:
        warnings.warn(
            "dropout2d: Received a 3D input to dropout2d and assuming that channel-wise 1D "
            "dropout behavior is "
            "desired - input is interpreted as shape (N, C, L), where C is the channel dim. This "
            "behavior will "
            "change in a future release to interpret the input as one without a batch dimension, "
            "i.e. shape "
            "(C, H, W). To maintain the 1D channel-wise dropout behavior, please switch to using "
            "dropout1d "
            "instead.",
            UserWarning,
            stacklevel=3,
        )
    return _drop(input, p, training, True, inplace)


@public("nn.functional", out=False)
def dropout3d(input, p=0.5, training=True, inplace=False):
    """dropout3d(input, p=0.5, training=True, inplace=False) -> Tensor

    Zero whole channels of a (C, D, H, W) or (N, C, D, H, W) input with probability ``p`` while
    training.

    >>> torch.nn.functional.dropout3d(torch.ones(1, 2, 1, 1, 1), 0.0).shape
    torch.Size([1, 2, 1, 1, 1])
    """
    _validate(p, ValueError)
    _advise("dropout3d", input, 3)
    if input.ndim == 4:
        result = _drop(input[None], p, training, True, inplace)[0]
        return input if inplace else result
    return _drop(input, p, training, True, inplace)


@public("nn.functional", out=False)
def feature_alpha_dropout(input, p=0.5, training=False, inplace=False):
    """feature_alpha_dropout(input, p=0.5, training=False, inplace=False) -> Tensor

    ``alpha_dropout`` of whole channels of an (N, C, ...) input.

    >>> torch.nn.functional.feature_alpha_dropout(torch.ones(1, 2), 0.5)
    tensor([[1., 1.]])
    """
    _validate(p, ValueError)
    return _drop_alpha(input, p, training, True, inplace)


# ---- torch.dropout and its like ------------------------------------------------------------------


_FORMS = {"feature_dropout": "dropout2d"}


def _torch_form(name: str, drop: object, feature: bool, inplace: bool) -> None:
    """``torch.dropout(input, p, train)``: no defaults, and errors of another type."""

    def call(input, p, train):
        _validate(p, RuntimeError)
        return drop(input, p, train, feature, inplace)

    call.__name__ = call.__qualname__ = name
    call.__doc__ = (
        f"{name}(input, p, train) -> Tensor\n\n"
        f"{'In-place form' if inplace else 'The form'} of "
        f":func:`torch.nn.functional.{_FORMS.get(name.rstrip('_'), name.rstrip('_'))}` with every "
        "argument given."
    )
    public("torch", out=False)(call)


for _name, _function, _feature in (
    ("dropout", _drop, False),
    ("feature_dropout", _drop, True),
    ("alpha_dropout", _drop_alpha, False),
    ("feature_alpha_dropout", _drop_alpha, True),
):
    _torch_form(_name, _function, _feature, False)
    _torch_form(f"{_name}_", _function, _feature, True)


@public("torch", out=False)
def native_dropout(input, p, train):
    """native_dropout(input, p, train) -> (Tensor, Tensor)

    Dropout that also returns its mask (bool).

    >>> torch.native_dropout(torch.ones(2), 0.5, False)[1]
    tensor([True, True])
    """
    x = input._data
    if not train or not x.size:
        return input * 1, wrap(np.ones(x.shape, np.bool_))
    mask = draws.bernoulli(None, memory.empty_like(x, np.bool_), 1 - p)
    scale = 0.0 if p == 1 else 1.0 / (1.0 - p)
    return input * wrap(mask) * scale, wrap(mask)


# ---- rrelu ---------------------------------------------------------------------------------------


class RreluWithNoise(Op):
    """rrelu_with_noise(input, noise) -> Tensor

    ``input`` times its slopes: 1 where positive, the drawn ones elsewhere.
    """

    tensors = ("input", "noise")
    promoted = ("input",)
    half = "float32"
    public = ()

    def forward(xp, x, noise):
        return x * noise

    def vjp_input(g, noise):
        return g * noise


def _slopes(x: np.ndarray, lower: float, upper: float, training: bool) -> np.ndarray:
    """1 where x > 0; elsewhere a slope drawn between the bounds, or their mean. float32 for half
    precision, whose products are rounded once.
    """
    narrow = x.dtype in dtypes.HALF
    positive = x > 0
    noise = np.ones_like(x, np.float32 if narrow else None, subok=False)
    if not training:
        noise[~positive] = (lower + upper) / 2
        return noise
    if x.dtype == np.float16:
        raise NotImplementedError("\"rrelu_with_noise_out_cpu\" not implemented for 'Half'")
    drawn = np.empty(int(x.size - np.count_nonzero(positive)))
    lower, upper = (float(noise.dtype.type(bound)) for bound in (lower, upper))
    drawn = draws.uniform(None, drawn) * (upper - lower) + lower  # two roundings, as in PyTorch
    noise[~positive] = drawn
    return noise


@public("nn.functional", "torch", out=False)
def rrelu(input, lower=1.0 / 8, upper=1.0 / 3, training=False, inplace=False):
    """rrelu(input, lower=1/8, upper=1/3, training=False, inplace=False) -> Tensor

    Leaky ReLU whose slopes are drawn between ``lower`` and ``upper`` while training, else their
    mean.

    RuntimeError if ``lower`` exceeds ``upper``.

    >>> torch.nn.functional.rrelu(torch.tensor([-1.0, 1.0]), 0.25, 0.25)
    tensor([-0.2500,  1.0000])
    """
    need_tensor("rrelu", "input", input)
    if lower > upper:
        raise RuntimeError("Lower bound should be less than or equal to the upper bound")
    if not seen(input):
        raise RuntimeError("vmap: we do not yet support aten::rrelu. Please file an issue")
    noise = wrap(_slopes(gpu.to_host(input._data), float(lower), float(upper), training))
    noise = noise.to(input.device)
    result = RreluWithNoise.call(input, noise)
    return input.copy_(result) if inplace else result


@public("nn.functional", "torch", out=False)
def rrelu_(input, lower=1.0 / 8, upper=1.0 / 3, training=False):
    """rrelu_(input, lower=1/8, upper=1/3, training=False) -> Tensor

    In-place form of :func:`torch.nn.functional.rrelu`.
    """
    return rrelu(input, lower, upper, training, inplace=True)
