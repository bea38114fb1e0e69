# needs: safetensors
import torch, tempfile
from safetensors.torch import save_file, load_file, save_model, load_model, save, load
from safetensors import safe_open

torch.manual_seed(0)
d = {
    "a": torch.randn(2, 3),
    "b": torch.arange(4),
    "c": torch.randn(3).bfloat16(),
    "e": torch.tensor(True),
}
with tempfile.TemporaryDirectory() as t:
    save_file(d, t + "/x.safetensors", metadata={"k": "v"})
    print(load_file(t + "/x.safetensors"))
    with safe_open(t + "/x.safetensors", "pt") as f:
        print(f.keys(), f.metadata(), f.get_tensor("a"), f.get_slice("a")[:, 1:])
    n = torch.nn.Sequential(torch.nn.Linear(2, 2), torch.nn.Linear(2, 2))
    n[1].weight = n[0].weight
    save_model(n, t + "/m.safetensors")
    print(load_model(n, t + "/m.safetensors"))
print(load(save(d))["c"])
