"""Learning rates over time."""
import torch
from torch import nn, optim
from torch.optim import lr_scheduler

weight = nn.Parameter(torch.ones(1))


def rates(make, steps=8, metric=None):
    optimizer = optim.SGD([weight], lr=1.0)
    scheduler = make(optimizer)
    seen = []
    for i in range(steps):
        seen.append(round(optimizer.param_groups[0]["lr"], 5))
        optimizer.step()
        if metric is not None:
            scheduler.step(metric[i])
        else:
            scheduler.step()
    return seen


print("StepLR", rates(lambda o: lr_scheduler.StepLR(o, step_size=3, gamma=0.1)))
print("MultiStepLR", rates(lambda o: lr_scheduler.MultiStepLR(o, milestones=[2, 5], gamma=0.5)))
print("ExponentialLR", rates(lambda o: lr_scheduler.ExponentialLR(o, gamma=0.9)))
print("LambdaLR", rates(lambda o: lr_scheduler.LambdaLR(o, lr_lambda=lambda epoch: 1 / (1 + epoch))))
print("CosineAnnealingLR", rates(lambda o: lr_scheduler.CosineAnnealingLR(o, T_max=6)))
print("LinearLR", rates(lambda o: lr_scheduler.LinearLR(o, start_factor=0.25, total_iters=4)))
print("ReduceLROnPlateau", rates(lambda o: lr_scheduler.ReduceLROnPlateau(o, patience=1),
                                 metric=[1, 0.9, 0.9, 0.9, 0.9, 0.8, 0.8, 0.8]))
print("OneCycleLR", rates(lambda o: lr_scheduler.OneCycleLR(o, max_lr=2.0, total_steps=10)))
print("SequentialLR", rates(lambda o: lr_scheduler.SequentialLR(
    o, [lr_scheduler.ConstantLR(o, factor=0.1, total_iters=2), lr_scheduler.ExponentialLR(o, 0.5)], [2])))

optimizer = optim.Adam([weight], lr=0.1)
scheduler = lr_scheduler.StepLR(optimizer, 2)
for epoch in range(3):
    optimizer.zero_grad()
    (weight ** 2).sum().backward()
    optimizer.step()
    scheduler.step()
    print(epoch, scheduler.get_last_lr(), weight.item())
print(sorted(scheduler.state_dict()))
