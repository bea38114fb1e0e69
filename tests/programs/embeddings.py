"""Skip-gram with negative sampling, a bag of words, and nearest neighbours."""
from collections import Counter

import torch
from torch import nn

torch.manual_seed(17)
text = "the king loves the queen and the queen loves the king but the dog loves the bone".split()
counts = Counter(text)
words = sorted(counts, key=lambda w: (-counts[w], w))
index = {w: i for i, w in enumerate(words)}
print(index)
corpus = torch.tensor([index[w] for w in text])
pairs = [(corpus[i].item(), corpus[j].item()) for i in range(len(corpus)) for j in (i - 1, i + 1) if 0 <= j < len(corpus)]
centers, contexts = map(torch.tensor, zip(*pairs))
noise = torch.tensor([counts[w] for w in words], dtype=torch.float) ** 0.75
print(len(pairs), noise)
embed_v, embed_u = nn.Embedding(len(words), 5), nn.Embedding(len(words), 5)
optimizer = torch.optim.Adam([*embed_v.parameters(), *embed_u.parameters()], lr=0.05)
for epoch in range(5):
    negatives = torch.multinomial(noise, len(pairs) * 3, replacement=True).view(-1, 3)
    candidates = torch.cat([contexts[:, None], negatives], dim=1)
    labels = torch.cat([torch.ones(len(pairs), 1), torch.zeros(len(pairs), 3)], dim=1)
    scores = torch.bmm(embed_v(centers)[:, None], embed_u(candidates).transpose(1, 2)).squeeze(1)
    loss = nn.functional.binary_cross_entropy_with_logits(scores, labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    print(f"{epoch} {loss.item():.4f}")
W = embed_v.weight.detach()
similar = nn.functional.cosine_similarity(W[index["king"]], W)
best = torch.topk(similar, 3)
print([words[i] for i in best.indices], best.values)
bow = torch.zeros(2, len(words)).index_add_(1, corpus[:6], torch.ones(2, 6))
print(bow)
print(torch.bincount(corpus), torch.unique(corpus, return_counts=True))
print(nn.Embedding.from_pretrained(torch.eye(3))(torch.tensor([2, 0])), embed_v(torch.tensor([[0, 1], [2, 3]])).shape)
tied = nn.Linear(5, len(words), bias=False)
tied.weight = embed_v.weight
print(tied.weight is embed_v.weight, tied(embed_v(torch.tensor([0]))).argmax(), embed_v)
offsets = torch.tensor([0, 3])
print(nn.functional.normalize(W[:2], dim=1), torch.nn.functional.pairwise_distance(W[:1], W[1:2]))
# a decision made by k nearest neighbours, and k-means
points = torch.cat([torch.randn(8, 2) + 3, torch.randn(8, 2) - 3])
centroids = points[[0, 8]].clone()
for _ in range(3):
    assigned = torch.cdist(points, centroids).argmin(1)
    centroids = torch.stack([points[assigned == k].mean(0) for k in range(2)])
print(assigned, centroids)
knn = torch.cdist(points[:1], points).topk(4, largest=False)
print(knn.indices, knn.values)
