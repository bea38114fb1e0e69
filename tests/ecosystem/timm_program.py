# needs: timm huggingface_hub yaml safetensors
import torch, timm, timm.optim, timm.scheduler, timm.loss, timm.data, timm.utils

torch.manual_seed(0)
x = torch.randn(2, 3, 64, 64)
for n, kw in [
    ("resnet18", {}),
    ("vit_tiny_patch16_224", dict(img_size=64)),
    ("mobilenetv3_small_100", {}),
    ("convnext_atto", {}),
]:
    torch.manual_seed(0)
    m = timm.create_model(n, pretrained=False, num_classes=5, **kw).eval()
    with torch.no_grad():
        print(
            n,
            m(x)[0, :3].tolist(),
            sum(p.numel() for p in m.parameters()),
        )
torch.manual_seed(0)
m = timm.create_model("resnet18", num_classes=4, drop_path_rate=0.1).train()
torch.manual_seed(1)
opt = timm.optim.create_optimizer_v2(m, "adamw", lr=1e-3, weight_decay=0.05)
sch, _ = timm.scheduler.create_scheduler_v2(opt, "cosine", num_epochs=3, warmup_epochs=1)
lf = timm.loss.LabelSmoothingCrossEntropy(0.1)
for i in range(2):
    l = lf(m(x), torch.tensor([1, 2]))
    opt.zero_grad()
    l.backward()
    opt.step()
    sch.step(i + 1)
    print(l.item(), opt.param_groups[0]["lr"])
f = timm.create_model("resnet18", features_only=True).eval()
print([t.shape for t in f(x)])
for o in (
    "lamb",
    "lion",
    "adabelief",
    "madgrad",
    "nadamw",
    "adan",
    "adopt",
    "rmsproptf",
    "adafactor",
    "mars",
    "laprop",
    "lookahead_sgd",
):
    torch.manual_seed(0)
    n = torch.nn.Linear(4, 3)
    op = timm.optim.create_optimizer_v2(n, o, lr=1e-2)
    y = torch.randn(5, 4)
    for _ in range(3):
        l = n(y).square().mean()
        op.zero_grad()
        l.backward()
        op.step()
    print(o, l.item())
mix = timm.data.Mixup(mixup_alpha=0.8, num_classes=4)
import numpy as np

np.random.seed(0)
a, b = mix(x.clone(), torch.tensor([1, 2]))
print(a.sum(), b)
ema = timm.utils.ModelEmaV3(n, decay=0.9, foreach=True)
ema.update(n)
print(timm.utils.accuracy(torch.randn(4, 6), torch.tensor([1, 2, 3, 4]), (1, 5)))
tr = timm.data.create_transform(32)
print(tr)
