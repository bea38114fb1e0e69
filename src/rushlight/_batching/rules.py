"""How operators compute a whole batch at once, for vmap: one line for each, or a rule of its own.

Loaded when vmap is first used; the records do not know it. ``_core/batch_rules.py`` says what the
words mean.
"""

from typing import Any

from rushlight._batching import index, linear, loss, nn, views
from rushlight._core.op import OPS

POINTWISE = """
    elu celu leaky_relu hardtanh hardshrink softshrink threshold gelu gelu_backward
    silu_backward softplus add_scaled sub_scaled rsub_scaled div_rounded where
    clamp_numbers clamp_tensors clamp_min_number clamp_max_number nan_to_num isclose heaviside
    complex polar round_decimals frexp logit polygamma mvlgamma addcmul addcdiv lerp
    rrelu_with_noise _standard_gamma_grad standard_gamma clone to_copy drawn
    chebyshev_polynomial_t chebyshev_polynomial_u chebyshev_polynomial_v chebyshev_polynomial_w
    shifted_chebyshev_polynomial_t shifted_chebyshev_polynomial_u shifted_chebyshev_polynomial_v
    shifted_chebyshev_polynomial_w hermite_polynomial_h hermite_polynomial_he
    laguerre_polynomial_l legendre_polynomial_p
"""
LEADING = """
    softmax softmax_backward log_softmax log_softmax_backward safe_softmax glu cumsum cumprod
    linear_recurrence cummax cummin logcumsumexp sort topk kthvalue median nanmedian mode tril triu
    flip gathered gathered_backward constant_pad_nd pixel_shuffle pixel_unshuffle
    fft_c2c fft_r2c fft_c2r linalg_cholesky_ex linalg_qr geqrf linalg_svd linalg_svdvals linalg_eig
    linalg_eigvals linalg_eigh linalg_eigvalsh linalg_pinv linalg_matrix_exp linalg_det
    linalg_slogdet linalg_ldl_factor_ex linalg_lu_factor_ex linalg_lu
    linalg_inv_ex linalg_householder_product permutation_matrix lstm_cell sample_dirichlet
    _dirichlet_grad max_unpool plane_gather
    adaptive_avg_pool adaptive_avg_pool_backward adaptive_max_pool
"""
REDUCE = "aminmax max min var_mean std_mean linalg_vector_norm"
FOLD = """
    channel_shuffle resample resample_backward im2_col col2_im fractional_max_pool
    grid_sampler grid_sampler_backward affine_grid_generator
    affine_grid_backward
"""
_loaded = False


def load() -> None:
    """Give the records their rules; once."""
    global _loaded
    if _loaded:
        return
    _loaded = True
    for word, names in (
        ("pointwise", POINTWISE),
        ("leading", LEADING),
        ("reduce", REDUCE),
        ("fold", FOLD),
    ):
        for name in names.split():
            give(name, word)
    for module in (views, index, linear, loss, nn):
        for name, rule in module.RULES.items():
            give(name, rule)


def give(name: str, rule: Any) -> None:
    """One record's rule, unless it says its own."""
    op: Any = OPS[name]
    if getattr(op, "vmap", None) is None:
        op.vmap = rule if isinstance(rule, str) else staticmethod(rule)
