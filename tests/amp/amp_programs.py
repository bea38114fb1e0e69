"""Training programs in mixed precision, for any `torch`: the losses, and the scales."""


def mlp(torch):
    """Three layers with a norm; the loss is a cross entropy."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Linear(10, 32), nn.LayerNorm(32), nn.ReLU(), nn.Linear(32, 32), nn.GELU(),
        nn.Linear(32, 4),
    )  # fmt: skip
    x, y = torch.randn(64, 10), torch.randint(4, (64,))
    return model, lambda: nn.functional.cross_entropy(model(x), y)


def cnn(torch):
    """Convolutions, batch norm, pooling."""
    nn = torch.nn
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2),
        nn.Conv2d(8, 8, 3), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    x, y = torch.randn(16, 1, 8, 8), torch.randint(3, (16,))
    return model, lambda: nn.functional.cross_entropy(model(x), y)


def transformer(torch):
    """An encoder with embeddings; the loss is over all positions."""
    nn = torch.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(11, 16)
            layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0, batch_first=True)
            self.encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
            self.head = nn.Linear(16, 11)

        def forward(self, x):
            return self.head(self.encoder(self.embed(x)))

    model = Model()
    x = torch.randint(11, (8, 12))
    return model, lambda: nn.functional.cross_entropy(model(x).transpose(1, 2), x)


def lstm(torch):
    """A recurrent layer and a regression."""
    nn = torch.nn
    net, head = nn.LSTM(3, 8), nn.Linear(8, 1)
    x = torch.randn(6, 4, 3)
    target = x.sum((0, 2)).unsqueeze(1)
    return nn.ModuleList([net, head]), lambda: nn.functional.mse_loss(head(net(x)[0][-1]), target)


def train(torch, program, dtype, steps=12, **scaler):
    """(losses, scales, dtypes of the gradients) of some steps of Adam."""
    torch.manual_seed(0)
    model, loss_of = program(torch)
    optimizer = torch.optim.Adam(model.parameters(), lr=1e-2)
    scaler = torch.amp.GradScaler("cpu", **scaler)
    losses, scales = [], []
    for _ in range(steps):
        with torch.autocast("cpu", dtype=getattr(torch, dtype)):
            loss = loss_of()
        optimizer.zero_grad()
        scaler.scale(loss).backward()
        scaler.unscale_(optimizer)
        torch.nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        scaler.step(optimizer)
        scaler.update()
        losses.append(loss.item())
        scales.append(scaler.get_scale())
    return losses, scales, [str(p.grad.dtype) for p in model.parameters()]
