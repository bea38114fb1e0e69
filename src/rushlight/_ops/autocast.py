"""PyTorch's autocast lists: which operators compute in which dtype while autocast is on.

The lists are PyTorch's for each kind of device; they hold as written there, so that they can be
read beside PyTorch's page on them. Policies:

- ``lower``: floating-point inputs (float64 is left alone) in autocast's dtype;
- ``float32``: the same in float32;
- ``widest``: the widest floating dtype among the inputs, autocast's at least;
- ``float32_result``: float32 unless the call names a ``dtype``;
- ``banned``: an error that says what is safe;
- ``off``: as outside autocast. Not on PyTorch's lists; here it calls an operator that is.
- or a function of (tensors, params) that answers one of these or None.

A name is a record's, or a function's with its namespace. Everything else takes its inputs as they
are.
"""

from collections.abc import Callable
from typing import Any

from rushlight._core.autocast import casts
from rushlight._core.op import OPS, PUBLIC


def _padding(tensors: tuple, params: tuple) -> str | None:
    """Of the paddings, those with an operator of PyTorch's that is listed."""
    dims, _, mode = params
    count = len(dims)
    listed = mode == "replicate" or (mode == "reflect" and count < 3)
    return "float32" if listed else None


_CPU: dict[Any, str] = {
    "lower": """
        mm bmm batched_matmul addmm addbmm baddbmm linear convolution conv_transpose
        linalg.vecdot torch.conv_tbc torch.prelu torch.lstm torch.rnn_tanh torch.rnn_relu
        nn.functional.scaled_dot_product_attention
    """,
    "float32": """
        mse_loss smooth_l1_loss huber_loss cross_entropy nll_loss binary_cross_entropy
        binary_cross_entropy_with_logits soft_margin_loss ctc_loss
        nn.functional.l1_loss nn.functional.kl_div nn.functional.poisson_nll_loss
        nn.functional.cosine_embedding_loss nn.functional.hinge_embedding_loss
        nn.functional.margin_ranking_loss nn.functional.triplet_margin_loss
        nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss
        torch.binary_cross_entropy_with_logits torch.cosine_embedding_loss torch.ctc_loss
        torch.hinge_embedding_loss torch.kl_div torch.margin_ranking_loss torch.poisson_nll_loss
        torch.triplet_margin_loss
        prod trace polar view_as_complex cdist_forward rnn_layer
        torch.quantile torch.nanquantile torch.stft Tensor.stft torch.max_pool3d
        nn.functional.avg_pool3d nn.functional.adaptive_avg_pool3d
        nn.functional.adaptive_max_pool3d_with_indices
        nn.functional.fractional_max_pool2d_with_indices
        nn.functional.fractional_max_pool3d_with_indices
        nn.functional.max_unpool2d nn.functional.max_unpool3d
        nn.functional.grid_sample torch.grid_sampler
        fft.fft fft.ifft fft.fft2 fft.ifft2 fft.fftn fft.ifftn fft.rfft fft.rfft2 fft.rfftn
        fft.irfft fft.irfft2 fft.irfftn fft.hfft fft.ihfft
        linalg.cond linalg.matrix_rank linalg.solve linalg.cholesky linalg.cholesky_ex linalg.svd
        linalg.svdvals linalg.eig linalg.eigvals linalg.eigh linalg.eigvalsh linalg.inv
        linalg.inv_ex linalg.qr linalg.lstsq linalg.householder_product linalg.tensorinv
        linalg.tensorsolve torch.cholesky torch.cholesky_inverse torch.cholesky_solve torch.inverse
        torch.pinverse torch.qr torch.svd geqrf torch.orgqr torch.ormqr torch.lu torch.lu_solve
        torch.triangular_solve
    """,
    "widest": "cat stack torch.index_copy",
    "off": "nn.functional.bilinear torch.block_diag",
    _padding: "gathered",
}

# For the day there is a GPU.
_CUDA: dict[Any, str] = {
    "lower": """
        mm bmm batched_matmul addmm addbmm baddbmm linear convolution conv_transpose
        addmv addr mv linalg.vecdot torch.conv_tbc torch.prelu torch.lstm torch.rnn_tanh
        torch.rnn_relu nn.functional.scaled_dot_product_attention
    """,
    "float32": """
        acos asin cosh erfinv exp expm1 log log10 log1p log2 pow reciprocal rsqrt sinh tan softplus
        native_layer_norm native_group_norm logsumexp linalg_vector_norm renorm resample
        cdist_forward mse_loss smooth_l1_loss huber_loss cross_entropy nll_loss
        binary_cross_entropy_with_logits soft_margin_loss
        nn.functional.l1_loss nn.functional.kl_div nn.functional.poisson_nll_loss
        nn.functional.cosine_embedding_loss nn.functional.hinge_embedding_loss
        nn.functional.margin_ranking_loss nn.functional.triplet_margin_loss
        nn.functional.multi_margin_loss nn.functional.multilabel_margin_loss
    """,
    "float32_result": "prod softmax log_softmax cumprod cumsum sum",
    "widest": """
        addcdiv addcmul atan2 dot vdot nn.functional.bilinear nn.functional.grid_sample
        torch.grid_sampler
    """,
    "banned": "binary_cross_entropy",
}


def policies() -> dict[str, dict[str, Any]]:
    """Name -> device type -> policy."""
    found: dict[str, dict[str, Any]] = {}
    for device, lists in (("cpu", _CPU), ("cuda", _CUDA)):
        for policy, names in lists.items():
            for name in names.split():
                found.setdefault(name, {})[device] = policy
    return found


def mark() -> None:
    """Give the records on the lists their ``autocast``, and the functions a wrapper that asks."""
    places: dict[Callable, list[tuple[dict, str]]] = {}
    for names in PUBLIC.values():
        for name, function in names.items():
            places.setdefault(function, []).append((names, name))
    for name, policy in policies().items():
        space, _, own = name.rpartition(".")
        if not space:
            OPS[name].autocast = policy
            continue
        function = PUBLIC[space][own]
        if not hasattr(function, "autocast"):  # else done under another name
            wrap(function, policy, places[function])


def wrap(function: Callable, policy: dict[str, Any], places: list[tuple[dict, str]]) -> None:
    """Put the function that casts in every place where the function stands."""
    casting = casts(function, policy)
    casting.autocast = policy  # type: ignore[attr-defined]  # functions take attributes
    for names, name in places:
        names[name] = casting
