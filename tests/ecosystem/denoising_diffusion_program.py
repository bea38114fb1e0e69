# needs: denoising_diffusion_pytorch accelerate ema_pytorch scipy PIL
import torch
from denoising_diffusion_pytorch import Unet, GaussianDiffusion, Unet1D, GaussianDiffusion1D

torch.manual_seed(0)
m = Unet(dim=8, dim_mults=(1, 2), flash_attn=False, channels=1)
d = GaussianDiffusion(m, image_size=16, timesteps=10, sampling_timesteps=3)
opt = torch.optim.Adam(d.parameters(), 1e-3)
x = torch.rand(2, 1, 16, 16)
for i in range(2):
    l = d(x)
    opt.zero_grad()
    l.backward()
    opt.step()
    print(l.item())
print(d.sample(batch_size=1).sum())
m = Unet1D(dim=8, dim_mults=(1, 2), channels=2)
d = GaussianDiffusion1D(m, seq_length=16, timesteps=5, objective="pred_v")
l = d(torch.rand(2, 2, 16))
l.backward()
print(l)
print(d.sample(batch_size=1).sum())
