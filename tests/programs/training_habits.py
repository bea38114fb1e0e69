"""Early stopping, the best weights, frozen layers, accumulated and clipped gradients, a confusion matrix."""
import copy

import torch
import torch.nn as nn
import torch.nn.functional as F

torch.manual_seed(13)
X = torch.randn(90, 5)
y = (X[:, 0] + X[:, 1] ** 2 > 0.8).long() + (X[:, 2] > 1).long()
Xtr, ytr, Xva, yva = X[:60], y[:60], X[60:], y[60:]
net = nn.Sequential(nn.Linear(5, 16, bias=False), nn.BatchNorm1d(16), nn.ReLU(), nn.Dropout(0.2), nn.Linear(16, 3))
optimizer = torch.optim.AdamW(net.parameters(), lr=0.02)
scheduler = torch.optim.lr_scheduler.ReduceLROnPlateau(optimizer, factor=0.5, patience=1)
best, best_state, wait = float("inf"), None, 0
for epoch in range(25):
    net.train()
    optimizer.zero_grad()
    for part in range(3):
        rows = slice(part * 20, part * 20 + 20)
        loss = F.cross_entropy(net(Xtr[rows]), ytr[rows], label_smoothing=0.05) / 3
        loss.backward()
    norm = nn.utils.clip_grad_norm_(net.parameters(), max_norm=0.5)
    optimizer.step()
    net.eval()
    with torch.no_grad():
        val = F.cross_entropy(net(Xva), yva).item()
    scheduler.step(val)
    if val < best - 1e-3:
        best, best_state, wait = val, copy.deepcopy(net.state_dict()), 0
    else:
        wait += 1
        if wait == 4:
            print("stopped at", epoch)
            break
    if epoch % 4 == 0:
        print(f"{epoch} {val:.4f} {norm:.4f} {optimizer.param_groups[0]['lr']}")
net.load_state_dict(best_state)
print(f"best {best:.4f}", net[1].running_mean[:3], net[1].num_batches_tracked)

confusion = torch.zeros(3, 3, dtype=torch.int64)
with torch.no_grad():
    for t, p in zip(yva.view(-1), net(Xva).argmax(1).view(-1)):
        confusion[t.long(), p.long()] += 1
print(confusion, confusion.diag().sum() / confusion.sum())

twin = copy.deepcopy(net)
for p in twin[:4].parameters():
    p.requires_grad_(False)
twin[4] = nn.Linear(16, 2)
print(sum(p.numel() for p in twin.parameters() if p.requires_grad), [n for n, p in twin.named_parameters() if p.requires_grad])
opt = torch.optim.SGD(filter(lambda p: p.requires_grad, twin.parameters()), lr=0.1, momentum=0.9)
twin.eval()
for step in range(3):
    loss = F.cross_entropy(twin(Xtr), (ytr > 0).long())
    opt.zero_grad(set_to_none=True)
    loss.backward()
    opt.step()
    print(f"{loss.item():.4f}")
print(twin[0].weight.grad is None, torch.equal(twin[0].weight, net[0].weight))
features = {}


def keep(name):
    def hook(module, args, output):
        features[name] = output.detach()
    return hook


net[2].register_forward_hook(keep("relu"))
net(Xva[:2])
print(features["relu"].shape, (features["relu"] >= 0).all())
weights = torch.tensor([1.0, 2.0, 0.5])
print(F.cross_entropy(net(Xva), yva, weight=weights), F.cross_entropy(net(Xva), yva, reduction="sum"))
print(F.smooth_l1_loss(Xva, Xva * 1.5), F.l1_loss(Xva, -Xva), F.kl_div(F.log_softmax(Xva, 1), F.softmax(Xva * 2, 1), reduction="batchmean"))
