# needs: rotary_embedding_torch
import torch
from rotary_embedding_torch import RotaryEmbedding, apply_rotary_emb

torch.manual_seed(0)
r = RotaryEmbedding(dim=8)
q = torch.randn(1, 2, 6, 16, requires_grad=True)
k = torch.randn(1, 2, 6, 16)
print(r.rotate_queries_or_keys(q).sum())
r.rotate_queries_or_keys(q).square().sum().backward()
print(q.grad.sum())
r = RotaryEmbedding(dim=8, use_xpos=True)
a, b = r.rotate_queries_and_keys(q, k)
print(a.sum(), b.sum())
r = RotaryEmbedding(dim=4, freqs_for="pixel", max_freq=10)
f = r.get_axial_freqs(4, 5)
print(f.shape, apply_rotary_emb(f, torch.randn(1, 4, 5, 8)).sum())
r = RotaryEmbedding(dim=8, learned_freq=True)
r.rotate_queries_or_keys(k).sum().backward()
print(r.freqs.grad)
