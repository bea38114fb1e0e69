"""Pictures as tensors: convolution with a given kernel, pooling, padding, resizing, normalising."""
import torch
import torch.nn as nn
import torch.nn.functional as F

image = torch.arange(36.0).view(1, 1, 6, 6)
edge = torch.tensor([[1.0, 0.0, -1.0]] * 3).view(1, 1, 3, 3)
print(F.conv2d(image, edge), F.conv2d(image, edge, padding=1, stride=2))
print(F.max_pool2d(image, 2), F.avg_pool2d(image, 3), F.adaptive_avg_pool2d(image, (2, 3)))
print(F.pad(image[0, 0, :2, :2], (1, 1, 0, 1), value=9.0), F.pad(image[:, :, :3, :3], (1, 1, 1, 1), mode="reflect")[0, 0])
print(F.interpolate(image[:, :, :2, :2], scale_factor=2, mode="nearest"))
print(F.interpolate(image[:, :, :2, :2], size=(3, 3), mode="bilinear", align_corners=True))
print(nn.Upsample(scale_factor=2, mode="bilinear")(image[:, :, :2, :2]))
values, where = F.max_pool2d(image, 3, return_indices=True)
print(where, F.max_unpool2d(values, where, 3).sum())
torch.manual_seed(0)
print(F.conv_transpose2d(torch.ones(1, 1, 2, 2), torch.ones(1, 1, 2, 2), stride=2)[0, 0].shape)
print(F.unfold(image, 3).shape, F.fold(F.unfold(image, 2, stride=2), (6, 6), 2, stride=2).equal(image))
batch = torch.rand(4, 3, 8, 8)
print(batch.mean(dim=(0, 2, 3)), batch.flip(-1)[0, 0, 0, :2], batch.permute(0, 2, 3, 1).shape)
bn = nn.BatchNorm2d(3)
out = bn(batch)
print(out.mean().abs() < 1e-6, out.var(unbiased=False), bn.running_mean)


def corr2d(X, K):
    h, w = K.shape
    Y = torch.zeros((X.shape[0] - h + 1, X.shape[1] - w + 1))
    for i in range(Y.shape[0]):
        for j in range(Y.shape[1]):
            Y[i, j] = (X[i:i + h, j:j + w] * K).sum()
    return Y


X = torch.ones((6, 8))
X[:, 2:6] = 0
Y = corr2d(X, torch.tensor([[1.0, -1.0]]))
print(Y[0], corr2d(X.t(), torch.tensor([[1.0, -1.0]])).abs().sum())
conv2d = nn.Conv2d(1, 1, kernel_size=(1, 2), bias=False)
X, Y = X.reshape((1, 1, 6, 8)), Y.reshape((1, 1, 6, 7))
for i in range(10):
    l = (conv2d(X) - Y) ** 2
    conv2d.zero_grad()
    l.sum().backward()
    conv2d.weight.data[:] -= 3e-2 * conv2d.weight.grad
    if (i + 1) % 2 == 0:
        print(f"epoch {i + 1}, loss {l.sum():.3f}")
print(conv2d.weight.data.reshape((1, 2)))
block = nn.Sequential(nn.Conv2d(3, 6, 3, stride=2, padding=1, groups=3), nn.InstanceNorm2d(6), nn.SiLU(), nn.AdaptiveMaxPool2d(1), nn.Flatten())
print(block(batch)[0])
print(nn.Conv1d(2, 3, 2)(torch.ones(1, 2, 4)).shape, nn.Conv3d(1, 1, 2)(torch.ones(1, 1, 3, 3, 3)).shape)
