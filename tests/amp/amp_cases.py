"""Calls of the operators on PyTorch's cast lists, and of others that call those, for any torch.

A case is ``function(t, c)``: ``t`` the torch module, ``c(*shape)`` an input tensor. ``c.spd``,
``c.unit``, ``c.classes``, ``c.complex`` make those that some operators want.
"""

import numpy as np

CASES = {
    # matrix products and convolutions
    "mm": lambda t, c: t.mm(c(3, 4), c(4, 5)),
    "bmm": lambda t, c: t.bmm(c(2, 3, 4), c(2, 4, 5)),
    "matmul": lambda t, c: t.matmul(c(3, 4), c(4, 5)),
    "matmul batched": lambda t, c: c(2, 3, 4) @ c(4, 5),
    "matmul vectors": lambda t, c: c(4) @ c(4),
    "matmul matrix vector": lambda t, c: c(3, 4) @ c(4),
    "addmm": lambda t, c: t.addmm(c(3, 5), c(3, 4), c(4, 5)),
    "addbmm": lambda t, c: t.addbmm(c(3, 5), c(2, 3, 4), c(2, 4, 5)),
    "baddbmm": lambda t, c: t.baddbmm(c(2, 3, 5), c(2, 3, 4), c(2, 4, 5)),
    "linear": lambda t, c: t.nn.functional.linear(c(3, 4), c(5, 4), c(5)),
    "linear without bias": lambda t, c: t.nn.functional.linear(c(3, 4), c(5, 4)),
    "vecdot": lambda t, c: t.linalg.vecdot(c(3, 4), c(3, 4)),
    "conv1d": lambda t, c: t.nn.functional.conv1d(c(2, 3, 8), c(4, 3, 3), c(4)),
    "conv2d": lambda t, c: t.nn.functional.conv2d(c(2, 3, 8, 8), c(4, 3, 3, 3), c(4)),
    "conv3d": lambda t, c: t.nn.functional.conv3d(c(1, 2, 4, 4, 4), c(3, 2, 2, 2, 2)),
    "conv2d same": lambda t, c: t.nn.functional.conv2d(
        c(2, 3, 8, 8), c(4, 3, 3, 3), padding="same"
    ),
    "conv_transpose1d": lambda t, c: t.nn.functional.conv_transpose1d(c(2, 3, 8), c(3, 4, 3)),
    "conv_transpose2d": lambda t, c: t.nn.functional.conv_transpose2d(
        c(1, 3, 4, 4), c(3, 4, 3, 3), c(4)
    ),
    "conv_transpose3d": lambda t, c: t.nn.functional.conv_transpose3d(
        c(1, 2, 3, 3, 3), c(2, 3, 2, 2, 2)
    ),
    "conv_tbc": lambda t, c: t.conv_tbc(c(8, 2, 3), c(3, 3, 4), c(4)),
    "attention": lambda t, c: t.nn.functional.scaled_dot_product_attention(
        c(2, 2, 4, 8), c(2, 2, 4, 8), c(2, 2, 4, 8)
    ),
    # losses
    "mse_loss": lambda t, c: t.nn.functional.mse_loss(c(3, 4), c(3, 4)),
    "l1_loss": lambda t, c: t.nn.functional.l1_loss(c(3, 4), c(3, 4)),
    "smooth_l1_loss": lambda t, c: t.nn.functional.smooth_l1_loss(c(3, 4), c(3, 4)),
    "huber_loss": lambda t, c: t.nn.functional.huber_loss(c(3, 4), c(3, 4)),
    "cross_entropy": lambda t, c: t.nn.functional.cross_entropy(c(3, 4), c.classes(3, high=4)),
    "cross_entropy of probabilities": lambda t, c: t.nn.functional.cross_entropy(
        c(3, 4), c.unit(3, 4)
    ),
    "nll_loss": lambda t, c: t.nn.functional.nll_loss(c(3, 4), c.classes(3, high=4)),
    "nll_loss of images": lambda t, c: t.nn.functional.nll_loss(
        c(2, 4, 3, 3), c.classes(2, 3, 3, high=4)
    ),
    "binary_cross_entropy": lambda t, c: t.nn.functional.binary_cross_entropy(
        c.unit(3, 4), c.unit(3, 4)
    ),
    "binary_cross_entropy_with_logits": lambda t, c: (
        t.nn.functional.binary_cross_entropy_with_logits(c(3, 4), c.unit(3, 4))
    ),
    "kl_div": lambda t, c: t.nn.functional.kl_div(c(3, 4), c.unit(3, 4), reduction="batchmean"),
    "poisson_nll_loss": lambda t, c: t.nn.functional.poisson_nll_loss(c(3, 4), c.unit(3, 4)),
    "cosine_embedding_loss": lambda t, c: t.nn.functional.cosine_embedding_loss(
        c(3, 4), c(3, 4), t.tensor([1, -1, 1])
    ),
    "hinge_embedding_loss": lambda t, c: t.nn.functional.hinge_embedding_loss(
        c(3), t.tensor([1, -1, 1])
    ),
    "margin_ranking_loss": lambda t, c: t.nn.functional.margin_ranking_loss(
        c(3), c(3), t.tensor([1, -1, 1])
    ),
    "soft_margin_loss": lambda t, c: t.nn.functional.soft_margin_loss(c(3), t.tensor([1, -1, 1])),
    "triplet_margin_loss": lambda t, c: t.nn.functional.triplet_margin_loss(
        c(3, 4), c(3, 4), c(3, 4)
    ),
    "multi_margin_loss": lambda t, c: t.nn.functional.multi_margin_loss(
        c(3, 4), c.classes(3, high=4)
    ),
    "multilabel_margin_loss": lambda t, c: t.nn.functional.multilabel_margin_loss(
        c(3, 4), t.tensor([[0, -1, 0, 0], [1, 2, -1, 0], [3, -1, 0, 0]])
    ),
    "gaussian_nll_loss": lambda t, c: t.nn.functional.gaussian_nll_loss(
        c(3, 4), c(3, 4), c.unit(3, 4)
    ),
    "ctc_loss": lambda t, c: t.nn.functional.ctc_loss(
        c(6, 2, 5).log_softmax(-1), t.tensor([[1, 2], [3, 4]]), (6, 6), (2, 2)
    ),
    # pictures
    "avg_pool3d": lambda t, c: t.nn.functional.avg_pool3d(c(1, 2, 4, 4, 4), 2),
    "avg_pool2d": lambda t, c: t.nn.functional.avg_pool2d(c(1, 2, 4, 4), 2),
    "max_pool2d": lambda t, c: t.nn.functional.max_pool2d(c(1, 2, 4, 4), 2),
    "max_pool3d": lambda t, c: t.nn.functional.max_pool3d(c(1, 2, 4, 4, 4), 2),
    "max_pool3d with indices": lambda t, c: t.nn.functional.max_pool3d(
        c(1, 2, 4, 4, 4), 2, return_indices=True
    ),
    "adaptive_avg_pool2d": lambda t, c: t.nn.functional.adaptive_avg_pool2d(c(1, 2, 4, 4), 2),
    "adaptive_avg_pool3d": lambda t, c: t.nn.functional.adaptive_avg_pool3d(c(1, 2, 4, 4, 4), 2),
    "adaptive_max_pool3d": lambda t, c: t.nn.functional.adaptive_max_pool3d(c(1, 2, 4, 4, 4), 2),
    "fractional_max_pool2d": lambda t, c: t.nn.functional.fractional_max_pool2d(
        c(1, 2, 6, 6), 2, output_size=3, _random_samples=t.full((1, 2, 2), 0.3, dtype=c.dtype)
    ),
    "fractional_max_pool3d": lambda t, c: t.nn.functional.fractional_max_pool3d(
        c(1, 2, 6, 6, 6), 2, output_size=3, _random_samples=t.full((1, 2, 3), 0.3, dtype=c.dtype)
    ),
    "max_unpool2d": lambda t, c: t.nn.functional.max_unpool2d(
        c(1, 1, 2, 2), t.tensor([[[[0, 2], [8, 10]]]]), 2
    ),
    "max_unpool3d": lambda t, c: t.nn.functional.max_unpool3d(
        c(1, 1, 1, 1, 1), t.tensor([[[[[3]]]]]), 2
    ),
    "grid_sample": lambda t, c: t.nn.functional.grid_sample(
        c(1, 2, 4, 4), c(1, 3, 3, 2), align_corners=False
    ),
    "grid_sample 3d": lambda t, c: t.nn.functional.grid_sample(
        c(1, 2, 4, 4, 4), c(1, 3, 3, 3, 3), align_corners=False
    ),
    "pad reflect 1d": lambda t, c: t.nn.functional.pad(c(1, 2, 6), (1, 2), mode="reflect"),
    "pad reflect 2d": lambda t, c: t.nn.functional.pad(c(1, 2, 6, 6), (1, 2, 1, 1), mode="reflect"),
    "pad reflect 3d": lambda t, c: t.nn.functional.pad(
        c(1, 2, 6, 6, 6), (1, 2, 1, 1, 1, 1), mode="reflect"
    ),
    "pad replicate 1d": lambda t, c: t.nn.functional.pad(c(1, 2, 6), (1, 2), mode="replicate"),
    "pad replicate 2d": lambda t, c: t.nn.functional.pad(
        c(1, 2, 6, 6), (1, 2, 1, 1), mode="replicate"
    ),
    "pad replicate 3d": lambda t, c: t.nn.functional.pad(
        c(1, 2, 4, 4, 4), (1, 2, 1, 1, 1, 1), mode="replicate"
    ),
    "pad constant": lambda t, c: t.nn.functional.pad(c(1, 2, 6), (1, 2)),
    "pad circular": lambda t, c: t.nn.functional.pad(c(1, 2, 6), (1, 2), mode="circular"),
    "interpolate": lambda t, c: t.nn.functional.interpolate(c(1, 2, 4, 4), scale_factor=2),
    "interpolate bilinear": lambda t, c: t.nn.functional.interpolate(
        c(1, 2, 4, 4), scale_factor=2, mode="bilinear"
    ),
    # statistics and numbers
    "prelu": lambda t, c: t.nn.functional.prelu(c(3, 4), c(1)),
    "prod": lambda t, c: t.prod(c(3, 4)),
    "prod dim": lambda t, c: c(3, 4).prod(1),
    "quantile": lambda t, c: t.quantile(c(3, 4), 0.4),
    "quantile of tensor": lambda t, c: t.quantile(c(3, 4), c.unit(2), dim=1),
    "nanquantile": lambda t, c: t.nanquantile(c(3, 4), 0.4),
    "nanquantile of tensor": lambda t, c: t.nanquantile(c(3, 4), c.unit(2), dim=1),
    "trace": lambda t, c: t.trace(c(4, 4)),
    "cdist": lambda t, c: t.cdist(c(3, 4), c(5, 4)),
    "polar": lambda t, c: t.polar(c.unit(3), c(3)),
    "view_as_complex": lambda t, c: t.view_as_complex(c(3, 2)),
    "stft": lambda t, c: t.stft(c(40), 8, window=t.ones(8, dtype=c.dtype), return_complex=True),
    "stft method": lambda t, c: c(40).stft(8, return_complex=True, window=c.unit(8)),
    # fft
    "fft": lambda t, c: t.fft.fft(c(8)),
    "ifft": lambda t, c: t.fft.ifft(c(8)),
    "fft2": lambda t, c: t.fft.fft2(c(4, 4)),
    "ifft2": lambda t, c: t.fft.ifft2(c(4, 4)),
    "fftn": lambda t, c: t.fft.fftn(c(4, 4)),
    "ifftn": lambda t, c: t.fft.ifftn(c(4, 4)),
    "rfft": lambda t, c: t.fft.rfft(c(8)),
    "rfft2": lambda t, c: t.fft.rfft2(c(4, 4)),
    "rfftn": lambda t, c: t.fft.rfftn(c(4, 4)),
    "irfft": lambda t, c: t.fft.irfft(c(8)),
    "irfft2": lambda t, c: t.fft.irfft2(c(4, 4)),
    "irfftn": lambda t, c: t.fft.irfftn(c(4, 4)),
    "hfft": lambda t, c: t.fft.hfft(c(8)),
    "ihfft": lambda t, c: t.fft.ihfft(c(8)),
    "hfft2": lambda t, c: t.fft.hfft2(c(4, 4)),
    "fftshift": lambda t, c: t.fft.fftshift(c(8)),
    # linear algebra
    "linalg.cond": lambda t, c: t.linalg.cond(c.spd(3)),
    "linalg.cond fro": lambda t, c: t.linalg.cond(c.spd(3), "fro"),
    "linalg.matrix_rank": lambda t, c: t.linalg.matrix_rank(c.spd(3)),
    "linalg.solve": lambda t, c: t.linalg.solve(c.spd(3), c(3, 2)),
    "linalg.cholesky": lambda t, c: t.linalg.cholesky(c.spd(3)),
    "linalg.cholesky_ex": lambda t, c: t.linalg.cholesky_ex(c.spd(3)),
    "linalg.svd": lambda t, c: t.linalg.svd(c(4, 3)),
    "linalg.svdvals": lambda t, c: t.linalg.svdvals(c(4, 3)),
    "linalg.eig": lambda t, c: t.linalg.eig(c.spd(3)),
    "linalg.eigvals": lambda t, c: t.linalg.eigvals(c.spd(3)),
    "linalg.eigh": lambda t, c: t.linalg.eigh(c.spd(3)),
    "linalg.eigvalsh": lambda t, c: t.linalg.eigvalsh(c.spd(3)),
    "linalg.inv": lambda t, c: t.linalg.inv(c.spd(3)),
    "linalg.inv_ex": lambda t, c: t.linalg.inv_ex(c.spd(3)),
    "linalg.qr": lambda t, c: t.linalg.qr(c(4, 3)),
    "linalg.lstsq": lambda t, c: t.linalg.lstsq(c(4, 3), c(4, 2))[0],
    "linalg.householder_product": lambda t, c: t.linalg.householder_product(c(4, 3), c(3)),
    "linalg.tensorinv": lambda t, c: t.linalg.tensorinv(c.spd(4).reshape(4, 2, 2), ind=1),
    "linalg.tensorsolve": lambda t, c: t.linalg.tensorsolve(c.spd(4).reshape(4, 2, 2), c(4)),
    "linalg.det": lambda t, c: t.linalg.det(c.spd(3)),
    "linalg.slogdet": lambda t, c: t.linalg.slogdet(c.spd(3)),
    "linalg.norm": lambda t, c: t.linalg.norm(c(3, 3)),
    "linalg.matrix_norm": lambda t, c: t.linalg.matrix_norm(c(3, 3), "nuc"),
    "linalg.multi_dot": lambda t, c: t.linalg.multi_dot([c(3, 4), c(4, 5), c(5, 2)]),
    "cholesky": lambda t, c: t.cholesky(c.spd(3)),
    "cholesky_inverse": lambda t, c: t.cholesky_inverse(c.spd(3)),
    "cholesky_solve": lambda t, c: t.cholesky_solve(c(3, 2), c.spd(3)),
    "inverse": lambda t, c: t.inverse(c.spd(3)),
    "pinverse": lambda t, c: t.pinverse(c(4, 3)),
    "qr": lambda t, c: t.qr(c(4, 3)),
    "svd": lambda t, c: t.svd(c(4, 3)),
    "geqrf": lambda t, c: t.geqrf(c(4, 3)),
    "orgqr": lambda t, c: t.orgqr(c(4, 3), c(3)),
    "ormqr": lambda t, c: t.ormqr(c(4, 3), c(3), c(4, 2)),
    "lu": lambda t, c: t.lu(c.spd(3)),
    "lu_solve": lambda t, c: t.lu_solve(c(3, 2), c.spd(3), t.tensor([1, 2, 3], dtype=t.int32)),
    "triangular_solve": lambda t, c: t.triangular_solve(c(3, 2), c.spd(3)),
    # widest of what comes in
    "cat": lambda t, c: t.cat([c(3), c(4)]),
    "stack": lambda t, c: t.stack([c(3), c(3)]),
    "index_copy": lambda t, c: t.index_copy(c(3, 2), 0, t.tensor([0, 2]), c(2, 2)),
    # not on a list themselves: only what they call is
    "add": lambda t, c: c(3) + c(3),
    "exp": lambda t, c: c(3).exp(),
    "sum": lambda t, c: c(3).sum(),
    "softmax": lambda t, c: c(3).softmax(0),
    "log_softmax": lambda t, c: c(3).log_softmax(0),
    "pow": lambda t, c: c(3) ** 2,
    "cumsum": lambda t, c: c(3).cumsum(0),
    "norm": lambda t, c: c(3).norm(),
    "where": lambda t, c: t.where(t.tensor([True, False, True]), c(3), c(3)),
    "hstack": lambda t, c: t.hstack([c(3), c(3)]),
    "vstack": lambda t, c: t.vstack([c(3), c(3)]),
    "dstack": lambda t, c: t.dstack([c(3), c(3)]),
    "column_stack": lambda t, c: t.column_stack([c(3), c(3)]),
    "block_diag": lambda t, c: t.block_diag(c(2, 2), c(1, 3)),
    "cosine_similarity": lambda t, c: t.cosine_similarity(c(3, 4), c(3, 4)),
    "pairwise_distance": lambda t, c: t.pairwise_distance(c(3, 4), c(3, 4)),
    "dot": lambda t, c: t.dot(c(3), c(3)),
    "mv": lambda t, c: t.mv(c(3, 4), c(4)),
    "addmv": lambda t, c: t.addmv(c(3), c(3, 4), c(4)),
    "addr": lambda t, c: t.addr(c(3, 4), c(3), c(4)),
    "outer": lambda t, c: t.outer(c(3), c(4)),
    "inner": lambda t, c: t.inner(c(2, 3), c(4, 3)),
    "kron": lambda t, c: t.kron(c(2, 2), c(2, 2)),
    "einsum": lambda t, c: t.einsum("ij,jk->ik", c(3, 4), c(4, 5)),
    "einsum outer": lambda t, c: t.einsum("i,j->ij", c(3), c(4)),
    "tensordot": lambda t, c: t.tensordot(c(3, 4), c(4, 5), 1),
    "chain_matmul": lambda t, c: t.chain_matmul(c(3, 4), c(4, 5)),
    "bilinear": lambda t, c: t.nn.functional.bilinear(c(3, 4), c(3, 5), c(2, 4, 5), c(2)),
    "matrix_power": lambda t, c: t.linalg.matrix_power(c(3, 3), 3),
    "matrix_exp": lambda t, c: t.linalg.matrix_exp(c(3, 3)),
    "layer_norm": lambda t, c: t.nn.functional.layer_norm(c(3, 4), (4,), c(4), c(4)),
    "rms_norm": lambda t, c: t.nn.functional.rms_norm(c(3, 4), (4,), c(4)),
    "group_norm": lambda t, c: t.nn.functional.group_norm(c(3, 4, 2), 2, c(4), c(4)),
    "batch_norm": lambda t, c: t.nn.functional.batch_norm(
        c(3, 4), None, None, c(4), c(4), training=True
    ),
    "gelu": lambda t, c: t.nn.functional.gelu(c(3)),
    "softplus": lambda t, c: t.nn.functional.softplus(c(3)),
    "glu": lambda t, c: t.nn.functional.glu(c(4)),
    "embedding": lambda t, c: t.nn.functional.embedding(t.tensor([0, 2]), c(4, 3)),
    "std": lambda t, c: c(6).std(),
    "cov": lambda t, c: t.cov(c(3, 6)),
    "corrcoef": lambda t, c: t.corrcoef(c(3, 6)),
    "index_put": lambda t, c: t.index_put(c(3), (t.tensor([0, 1]),), c(2)),
    "scatter_add": lambda t, c: c(3).scatter_add(0, t.tensor([0, 1]), c(2)),
    "index_add": lambda t, c: c(3).index_add(0, t.tensor([0, 1]), c(2)),
    "meshgrid": lambda t, c: t.meshgrid(c(2), c(3), indexing="ij"),
    "lerp": lambda t, c: t.lerp(c(3), c(3), c(3)),
    "addcmul": lambda t, c: t.addcmul(c(3), c(3), c(3)),
    "unfold": lambda t, c: t.nn.functional.unfold(c(1, 2, 4, 4), 2),
    "fold": lambda t, c: t.nn.functional.fold(c(1, 8, 9), (4, 4), 2),
    "lstm_cell": lambda t, c: t.lstm_cell(
        c(2, 3), (c(2, 4), c(2, 4)), c(16, 3), c(16, 4), c(16), c(16)
    ),
    "gru_cell": lambda t, c: t.gru_cell(c(2, 3), c(2, 4), c(12, 3), c(12, 4), c(12), c(12)),
    "rnn_tanh_cell": lambda t, c: t.rnn_tanh_cell(c(2, 3), c(2, 4), c(4, 3), c(4, 4), c(4), c(4)),
    "mm into out": lambda t, c: t.mm(c(3, 4), c(4, 5), out=t.empty(3, 5, dtype=c.dtype)),
    "mse_loss without reduction": lambda t, c: t.nn.functional.mse_loss(
        c(3, 4), c(3, 4), reduction="none"
    ),
    "addmm_": lambda t, c: c(3, 5).addmm_(c(3, 4), c(4, 5)),
    "mm of integers": lambda t, c: t.mm(t.ones(2, 2, dtype=t.int64), t.ones(2, 2, dtype=t.int64)),
    "prod of integers": lambda t, c: t.tensor([1, 2, 3]).prod(),
    "cat of integers": lambda t, c: t.cat([t.tensor([1, 2]), t.tensor([3])]),
}


class Maker:
    """Inputs of one dtype, or of two in turn; the same numbers in every `torch`."""

    def __init__(self, torch, *names):
        self.torch, self.names, self.count = torch, names, 0
        self.random = np.random.default_rng(0)
        self.dtype = getattr(torch, names[0])

    def tensor(self, values):
        """A tensor of the next dtype in turn."""
        name = self.names[self.count % len(self.names)]
        self.count += 1
        found = self.torch.tensor(values.tolist(), dtype=self.torch.float32)
        return found.to(getattr(self.torch, name))

    def __call__(self, *shape):
        return self.tensor(self.random.standard_normal(shape))

    def unit(self, *shape):
        """Numbers between 0 and 1."""
        return self.tensor(self.random.uniform(0.1, 0.9, shape))

    def spd(self, n):
        """A symmetric positive definite matrix."""
        a = self.random.standard_normal((n, n))
        return self.tensor(a @ a.T + n * np.eye(n))

    def classes(self, *shape, high):
        """Class numbers."""
        return self.torch.tensor(self.random.integers(0, high, shape).tolist())
