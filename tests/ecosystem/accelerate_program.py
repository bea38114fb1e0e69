# needs: accelerate psutil yaml huggingface_hub
import torch, tempfile, os
from accelerate import Accelerator, init_empty_weights
from accelerate.utils import set_seed

set_seed(0)
a = Accelerator(cpu=True, gradient_accumulation_steps=2)
net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.ReLU(), torch.nn.Linear(8, 1))
opt = torch.optim.AdamW(net.parameters(), 1e-2)
x = torch.randn(64, 4)
dl = torch.utils.data.DataLoader(
    torch.utils.data.TensorDataset(x, x.sum(1, keepdim=True)), 16, shuffle=True
)
sch = torch.optim.lr_scheduler.StepLR(opt, 2)
net, opt, dl, sch = a.prepare(net, opt, dl, sch)
for e in range(2):
    for xb, yb in dl:
        with a.accumulate(net):
            l = (net(xb) - yb).square().mean()
            a.backward(l)
            a.clip_grad_norm_(net.parameters(), 1.0)
            opt.step()
            sch.step()
            opt.zero_grad()
        print(l.item())
print(a.gather(torch.ones(2)), a.unwrap_model(net)[0].weight.sum())
with tempfile.TemporaryDirectory() as d:
    a.save_state(d)
    a.load_state(d)
    print(sorted(os.listdir(d)))
with init_empty_weights():
    print(torch.nn.Linear(5, 5).weight.device)
