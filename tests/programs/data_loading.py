"""Datasets and loaders: own classes, collation, samplers, splitting."""
import torch
from torch.utils.data import (
    BatchSampler, ConcatDataset, DataLoader, Dataset, IterableDataset, RandomSampler, SequentialSampler, Subset,
    TensorDataset, WeightedRandomSampler, random_split,
)


class Squares(Dataset):
    def __init__(self, n, transform=None):
        self.n = n
        self.transform = transform

    def __len__(self):
        return self.n

    def __getitem__(self, i):
        sample = {"x": torch.tensor(float(i)), "y": i * i, "name": f"item{i}"}
        return self.transform(sample) if self.transform else sample


class Stream(IterableDataset):
    def __iter__(self):
        return iter(range(5))


torch.manual_seed(0)
data = Squares(7)
for batch in DataLoader(data, batch_size=3):
    print(batch)
print(len(DataLoader(data, batch_size=3)), len(DataLoader(data, batch_size=3, drop_last=True)))
print([b["y"].tolist() for b in DataLoader(data, batch_size=2, shuffle=True)])
print([b["y"].tolist() for b in DataLoader(data, batch_size=2, shuffle=True)])
g = torch.Generator().manual_seed(3)
print([b["y"].tolist() for b in DataLoader(data, batch_size=4, shuffle=True, generator=g)])
print([b.tolist() for b in DataLoader(Stream(), batch_size=2)])
print(next(iter(DataLoader(Squares(3, lambda s: (s["x"] * 2, s["y"]))))))


def collate(samples):
    return torch.stack([s["x"] for s in samples]), [s["name"] for s in samples]


print(next(iter(DataLoader(data, batch_size=2, collate_fn=collate))))
parts = random_split(data, [4, 3], generator=torch.Generator().manual_seed(42))
print([p.indices for p in parts], [len(p) for p in random_split(data, [0.5, 0.5])])
print([s["y"] for s in Subset(data, [1, 3])], len(ConcatDataset([data, data])))
weights = [0.1, 0.1, 5.0, 0.1, 0.1, 0.1, 0.1]
print(list(WeightedRandomSampler(weights, 6)), list(RandomSampler(range(5))))
print(list(BatchSampler(SequentialSampler(range(7)), 3, False)))
x, y = torch.arange(6.0).view(3, 2), torch.tensor([0, 1, 0])
pairs = TensorDataset(x, y)
print(len(pairs), pairs[1])
for xb, yb in DataLoader(pairs, batch_size=2, sampler=SequentialSampler(pairs)):
    print(xb, yb)
