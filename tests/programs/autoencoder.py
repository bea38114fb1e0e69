"""An autoencoder and a pair of adversarial networks on made-up curves."""
import torch
from torch import nn, optim

torch.manual_seed(9)
t = torch.linspace(0, 6.28, 24)
data = torch.stack([torch.sin(t + p) for p in torch.rand(64) * 6.28])


class Autoencoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.encoder = nn.Sequential(nn.Linear(24, 12), nn.ReLU(True), nn.Linear(12, 2))
        self.decoder = nn.Sequential(nn.Linear(2, 12), nn.ReLU(True), nn.Linear(12, 24), nn.Tanh())

    def forward(self, x):
        return self.decoder(self.encoder(x))


model = Autoencoder()
criterion = nn.MSELoss()
optimizer = optim.Adam(model.parameters(), lr=1e-2, weight_decay=1e-5)
for epoch in range(20):
    for batch in data.split(16):
        loss = criterion(model(batch), batch)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    if epoch % 5 == 4:
        print(f"epoch [{epoch + 1}/20], loss:{loss.item():.4f}")
print(model.encoder(data[:3]))

G = nn.Sequential(nn.Linear(4, 16), nn.LeakyReLU(0.2), nn.Linear(16, 24), nn.Tanh())
D = nn.Sequential(nn.Linear(24, 16), nn.LeakyReLU(0.2, inplace=True), nn.Dropout(0.3), nn.Linear(16, 1), nn.Sigmoid())
bce = nn.BCELoss()
opt_g = optim.Adam(G.parameters(), lr=2e-3, betas=(0.5, 0.999))
opt_d = optim.Adam(D.parameters(), lr=2e-3, betas=(0.5, 0.999))
real, fake = torch.ones(16, 1), torch.zeros(16, 1)
for epoch in range(3):
    for batch in data.split(16):
        d_loss = bce(D(batch), real) + bce(D(G(torch.randn(16, 4)).detach()), fake)
        opt_d.zero_grad()
        d_loss.backward()
        opt_d.step()
        g_loss = bce(D(G(torch.randn(16, 4))), real)
        opt_g.zero_grad()
        g_loss.backward()
        opt_g.step()
    print(f"{epoch} d {d_loss.item():.4f} g {g_loss.item():.4f}")

# variational: sampling that gradients pass through
mu = torch.zeros(3, requires_grad=True)
logvar = torch.zeros(3, requires_grad=True)
z = mu + torch.exp(0.5 * logvar) * torch.randn_like(mu)
kl = -0.5 * torch.sum(1 + logvar - mu.pow(2) - logvar.exp())
(z.pow(2).sum() + kl).backward()
print(z, kl, mu.grad, logvar.grad)
