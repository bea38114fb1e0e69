# needs: captum matplotlib tqdm
import torch
from captum.attr import (
    IntegratedGradients,
    Saliency,
    DeepLift,
    GradientShap,
    LayerGradCam,
    Occlusion,
    FeatureAblation,
    ShapleyValueSampling,
    InputXGradient,
    GuidedBackprop,
    LayerConductance,
    NoiseTunnel,
    KernelShap,
    Lime,
    LRP,
)
import numpy as np

np.random.seed(0)
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(4, 6), torch.nn.ReLU(), torch.nn.Linear(6, 3))
x = torch.randn(2, 4, requires_grad=True)
b = torch.zeros(2, 4)
print(IntegratedGradients(net).attribute(x, b, target=1, return_convergence_delta=True))
print(Saliency(net).attribute(x, target=1))
print(DeepLift(net).attribute(x, b, target=1))
print(InputXGradient(net).attribute(x, target=0))
print(FeatureAblation(net).attribute(x, target=0))
print(ShapleyValueSampling(net).attribute(x, target=0, n_samples=3))
print(GuidedBackprop(net).attribute(x, target=0))
print(LayerConductance(net, net[0]).attribute(x, target=0))
print(GradientShap(net).attribute(x, torch.randn(5, 4), target=0))
print(NoiseTunnel(Saliency(net)).attribute(x, nt_samples=3, target=0))
print(LRP(net).attribute(x, target=0))
c = torch.nn.Sequential(
    torch.nn.Conv2d(1, 3, 3), torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(3 * 36, 2)
)
i = torch.randn(1, 1, 8, 8)
print(LayerGradCam(c, c[0]).attribute(i, target=1).sum())
print(Occlusion(c).attribute(i, target=0, sliding_window_shapes=(1, 3, 3)).sum())
print(KernelShap(net).attribute(x[:1], target=0, n_samples=20))
