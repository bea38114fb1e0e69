"""Batch normalisation by hand, a residual block, a VGG block, depthwise convolution: shapes and values."""
import torch
from torch import nn
from torch.nn import functional as F

torch.manual_seed(31)


def batch_norm(X, gamma, beta, moving_mean, moving_var, eps, momentum):
    if not torch.is_grad_enabled():
        X_hat = (X - moving_mean) / torch.sqrt(moving_var + eps)
    else:
        if len(X.shape) == 2:
            mean = X.mean(dim=0)
            var = ((X - mean) ** 2).mean(dim=0)
        else:
            mean = X.mean(dim=(0, 2, 3), keepdim=True)
            var = ((X - mean) ** 2).mean(dim=(0, 2, 3), keepdim=True)
        X_hat = (X - mean) / torch.sqrt(var + eps)
        moving_mean = (1.0 - momentum) * moving_mean + momentum * mean
        moving_var = (1.0 - momentum) * moving_var + momentum * var
    Y = gamma * X_hat + beta
    return Y, moving_mean.data, moving_var.data


class BatchNorm(nn.Module):
    def __init__(self, num_features, num_dims):
        super().__init__()
        shape = (1, num_features) if num_dims == 2 else (1, num_features, 1, 1)
        self.gamma = nn.Parameter(torch.ones(shape))
        self.beta = nn.Parameter(torch.zeros(shape))
        self.moving_mean = torch.zeros(shape)
        self.moving_var = torch.ones(shape)

    def forward(self, X):
        Y, self.moving_mean, self.moving_var = batch_norm(
            X, self.gamma, self.beta, self.moving_mean, self.moving_var, eps=1e-5, momentum=0.1)
        return Y


class Residual(nn.Module):
    def __init__(self, input_channels, num_channels, use_1x1conv=False, strides=1):
        super().__init__()
        self.conv1 = nn.Conv2d(input_channels, num_channels, kernel_size=3, padding=1, stride=strides)
        self.conv2 = nn.Conv2d(num_channels, num_channels, kernel_size=3, padding=1)
        self.conv3 = nn.Conv2d(input_channels, num_channels, kernel_size=1, stride=strides) if use_1x1conv else None
        self.bn1 = nn.BatchNorm2d(num_channels)
        self.bn2 = nn.BatchNorm2d(num_channels)

    def forward(self, X):
        Y = F.relu(self.bn1(self.conv1(X)))
        Y = self.bn2(self.conv2(Y))
        if self.conv3:
            X = self.conv3(X)
        Y += X
        return F.relu(Y)


def vgg_block(num_convs, in_channels, out_channels):
    layers = []
    for _ in range(num_convs):
        layers.append(nn.Conv2d(in_channels, out_channels, kernel_size=3, padding=1))
        layers.append(nn.ReLU())
        in_channels = out_channels
    layers.append(nn.MaxPool2d(kernel_size=2, stride=2))
    return nn.Sequential(*layers)


X = torch.rand(4, 3, 6, 6)
mine, theirs = BatchNorm(3, 4), nn.BatchNorm2d(3)
print(torch.allclose(mine(X), theirs(X), atol=1e-5), mine.moving_mean.reshape(-1), theirs.running_mean)
blk = Residual(3, 3)
print(blk(X).shape, blk(X).mean())
blk = Residual(3, 6, use_1x1conv=True, strides=2)
print(blk(X).shape)
net = nn.Sequential(vgg_block(1, 1, 4), vgg_block(2, 4, 8), nn.Flatten(), nn.Linear(8 * 4 * 4, 16), nn.ReLU(),
                    nn.Dropout(0.5), nn.Linear(16, 10))
X = torch.randn(size=(1, 1, 16, 16))
for layer in net:
    X = layer(X)
    print(layer.__class__.__name__, "output shape:\t", X.shape)
print(X)
mobile = nn.Sequential(
    nn.Conv2d(4, 4, 3, padding=1, groups=4, bias=False), nn.Conv2d(4, 8, 1), nn.BatchNorm2d(8), nn.ReLU6(),
    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
opt = torch.optim.SGD(mobile.parameters(), lr=0.1, momentum=0.9, weight_decay=1e-4)
data, target = torch.randn(6, 4, 5, 5), torch.tensor([0, 1, 0, 1, 1, 0])
for _ in range(4):
    loss = F.cross_entropy(mobile(data), target)
    opt.zero_grad()
    loss.backward()
    opt.step()
    print(f"{loss.item():.4f}")
print(mobile[0].weight.grad[0], mobile[2].running_var)
up = nn.ConvTranspose2d(2, 3, kernel_size=4, padding=1, stride=2)
print(up(torch.ones(1, 2, 3, 3)).shape, up(torch.ones(1, 2, 3, 3))[0, 0, 0])
print(nn.Conv2d(1, 1, 3, dilation=2, padding="same")(torch.ones(1, 1, 5, 5)).shape, nn.PixelShuffle(2)(torch.ones(1, 4, 2, 2)).shape)


def init_weights(m):
    if type(m) == nn.Linear or type(m) == nn.Conv2d:
        nn.init.xavier_uniform_(m.weight)


net.apply(init_weights)
print(net[3].weight[0, :4], net[0][0].weight[0])
for name in ("normal_", "uniform_", "kaiming_uniform_", "kaiming_normal_", "xavier_normal_", "orthogonal_", "zeros_", "eye_", "trunc_normal_"):
    w = torch.empty(3, 4)
    getattr(nn.init, name)(w)
    print(name, w[0])
