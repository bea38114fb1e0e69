"""Scaled dot-product attention by hand, and PyTorch's layers for it."""
import math

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(8)


class SelfAttention(nn.Module):
    def __init__(self, width, heads):
        super().__init__()
        self.heads, self.size = heads, width // heads
        self.qkv = nn.Linear(width, 3 * width)
        self.out = nn.Linear(width, width)

    def forward(self, x):
        B, T, C = x.shape
        q, k, v = self.qkv(x).split(C, dim=2)
        q, k, v = (t.view(B, T, self.heads, self.size).transpose(1, 2) for t in (q, k, v))
        scores = (q @ k.transpose(-2, -1)) / math.sqrt(self.size)
        mask = torch.tril(torch.ones(T, T)).view(1, 1, T, T)
        scores = scores.masked_fill(mask == 0, float("-inf"))
        weights = F.softmax(scores, dim=-1)
        y = (weights @ v).transpose(1, 2).contiguous().view(B, T, C)
        return self.out(y), weights, (q, k, v)


layer = SelfAttention(8, 2)
x = torch.randn(2, 4, 8)
y, weights, (q, k, v) = layer(x)
print(y.shape, weights[0, 0])
print(torch.allclose(weights @ v, F.scaled_dot_product_attention(q, k, v, is_causal=True), atol=1e-6))
mha = nn.MultiheadAttention(8, 2, batch_first=True)
z, w = mha(x, x, x)
print(z[0, 0], w.shape, w.sum(dim=-1))
encoder = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16, dropout=0.0, batch_first=True)
print(encoder(x)[1, 2])
print(nn.LayerNorm(8)(x).mean(dim=-1).abs().max() < 1e-6)
print(torch.einsum("bij,bkj->bik", x, x).shape, torch.bmm(x, x.transpose(1, 2))[0, 0])
y.sum().backward()
print(layer.qkv.weight.grad.shape, layer.out.bias.grad)
