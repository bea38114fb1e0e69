# needs: vector_quantize_pytorch einx
import torch
from vector_quantize_pytorch import (
    VectorQuantize,
    ResidualVQ,
    FSQ,
    LFQ,
    RandomProjectionQuantizer,
    GroupedResidualVQ,
)

torch.manual_seed(0)
x = torch.randn(2, 16, 8, requires_grad=True)
vq = VectorQuantize(dim=8, codebook_size=16, decay=0.8, commitment_weight=1.0)
for i in range(3):
    q, idx, l = vq(x)
    print(q.sum(), idx.sum(), l)
(q.sum() + l.sum()).backward()
print(x.grad.sum())
vq = VectorQuantize(dim=8, codebook_size=16, kmeans_init=True, kmeans_iters=3, use_cosine_sim=True)
print([t.sum() for t in vq(x)])
r = ResidualVQ(dim=8, num_quantizers=3, codebook_size=16)
print([t.sum() for t in r(x)])
f = FSQ(levels=[8, 5, 5, 5])
y, i = f(torch.randn(1, 6, 4))
print(y.sum(), i)
print(f.indices_to_codes(i).sum())
l = LFQ(codebook_size=64, dim=8, entropy_loss_weight=0.1)
o = l(torch.randn(1, 8, 4, 4))
print(o[0].sum(), o[1].sum(), o[2])
