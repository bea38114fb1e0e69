"""Twelve small trainings: each takes a torch-like module and a step count, and gives its losses.

All data is drawn by the module itself after `manual_seed`, so that the losses of two libraries
agree only if their draws, their initial weights, their gradients and their optimizers do.
"""

import math


def nothing():
    """The default of what is done before and after the optimizer's step."""


def fit(step, optimizer, steps, before=nothing, after=nothing):
    """The losses of so many optimizer steps."""
    losses = []
    for _ in range(steps):
        optimizer.zero_grad()
        loss = step()
        loss.backward()
        before()
        optimizer.step()
        after()
        losses.append(loss.item())
    return losses


def mlp(torch, steps):
    """Three classes of points on spirals; shuffled batches from a DataLoader."""
    nn = torch.nn
    torch.manual_seed(1)
    angle = torch.rand(150) * 4
    kind = torch.arange(150) % 3
    turned = angle + kind * (2 * math.pi / 3)
    points = torch.stack([angle * turned.cos(), angle * turned.sin()], 1)
    points += 0.1 * torch.randn(150, 2)
    model = nn.Sequential(
        nn.Linear(2, 32), nn.ReLU(), nn.Linear(32, 32), nn.Tanh(), nn.Linear(32, 3)
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    data = torch.utils.data.TensorDataset(points, kind)
    loader = torch.utils.data.DataLoader(data, batch_size=32, shuffle=True)
    losses = []
    while len(losses) < steps:
        for x, y in loader:
            losses += fit(lambda x=x, y=y: nn.functional.cross_entropy(model(x), y), optimizer, 1)
    return losses[:steps]


def cnn_with_dropout(torch, steps):
    """Convolutions, batch norm, pooling, dropout of both kinds, on made-up pictures."""
    nn = torch.nn
    torch.manual_seed(2)
    pictures = torch.randn(24, 1, 12, 12)
    kinds = torch.randint(0, 4, (24,))
    pictures += kinds.view(-1, 1, 1, 1) * 0.5
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.BatchNorm2d(8),
        nn.ReLU(),
        nn.MaxPool2d(2),
        nn.Dropout2d(0.25),
        nn.Conv2d(8, 16, 3),
        nn.ReLU(),
        nn.AvgPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.5),
        nn.Linear(64, 4),
    )
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, weight_decay=1e-3)
    return fit(lambda: nn.functional.cross_entropy(model(pictures), kinds), optimizer, steps)


def rnn(torch, steps):
    """An Elman network learns the running mean of its input."""
    nn = torch.nn
    torch.manual_seed(3)
    x = torch.randn(15, 8, 2)
    y = x.cumsum(0) / torch.arange(1, 16).view(-1, 1, 1)
    net = nn.RNN(2, 16, num_layers=2, nonlinearity="tanh", dropout=0.1)
    head = nn.Linear(16, 2)
    optimizer = torch.optim.Adam([*net.parameters(), *head.parameters()], lr=0.01)
    return fit(lambda: nn.functional.mse_loss(head(net(x)[0]), y), optimizer, steps)


def lstm(torch, steps):
    """A bidirectional LSTM tags whether it has seen more ones than zeros."""
    nn = torch.nn
    torch.manual_seed(4)
    bits = torch.randint(0, 2, (8, 12))
    more = ((bits * 2 - 1).cumsum(1) > 0).float()
    table = nn.Embedding(2, 6)
    net = nn.LSTM(6, 12, batch_first=True, bidirectional=True)
    head = nn.Linear(24, 1)
    modules = nn.ModuleList([table, net, head])
    optimizer = torch.optim.Adam(modules.parameters(), lr=0.02)

    def step():
        guess = head(net(table(bits))[0]).squeeze(-1)
        return nn.functional.binary_cross_entropy_with_logits(guess, more)

    def clip():
        nn.utils.clip_grad_norm_(modules.parameters(), 0.5)

    return fit(step, optimizer, steps, before=clip)


def transformer_encoder(torch, steps):
    """Two encoder layers, with dropout and a learning rate that warms up, sort digits."""
    nn = torch.nn
    torch.manual_seed(5)
    digits = torch.randint(0, 10, (8, 6))
    answer = digits.sort(1).values
    table = nn.Embedding(10, 16)
    place = nn.Parameter(torch.randn(6, 16) * 0.1)
    layer = nn.TransformerEncoderLayer(16, 4, 32, dropout=0.1, batch_first=True)
    net = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    head = nn.Linear(16, 10)
    modules = nn.ModuleList([table, net, head])
    optimizer = torch.optim.AdamW([place, *modules.parameters()], lr=3e-3)
    warm = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda i: min(1.0, (i + 1) / 10))

    def step():
        out = head(net(table(digits) + place))
        return nn.functional.cross_entropy(out.view(-1, 10), answer.view(-1))

    return fit(step, optimizer, steps, after=warm.step)


def vae(torch, steps):
    """A variational autoencoder: fresh noise at every step."""
    nn = torch.nn
    torch.manual_seed(6)
    x = (torch.rand(32, 20) < 0.3).float()
    x[:, 10:] = x[:, :10]
    encode = nn.Sequential(nn.Linear(20, 24), nn.ReLU(), nn.Linear(24, 8))
    decode = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 20))
    optimizer = torch.optim.Adam([*encode.parameters(), *decode.parameters()], lr=5e-3)

    def step():
        mean, logvar = encode(x).chunk(2, dim=1)
        z = mean + torch.randn_like(mean) * (0.5 * logvar).exp()
        lost = nn.functional.binary_cross_entropy_with_logits(decode(z), x, reduction="sum")
        kl = -0.5 * (1 + logvar - mean.pow(2) - logvar.exp()).sum()
        return (lost + kl) / len(x)

    return fit(step, optimizer, steps)


def gan(torch, steps):
    """A generator and a judge in turn; the losses of both."""
    nn = torch.nn
    torch.manual_seed(7)
    bce = nn.BCEWithLogitsLoss()
    maker = nn.Sequential(nn.Linear(3, 16), nn.LeakyReLU(0.2), nn.Linear(16, 2))
    judge = nn.Sequential(nn.Linear(2, 16), nn.LeakyReLU(0.2), nn.Dropout(0.1), nn.Linear(16, 1))
    for module in (*maker, *judge):
        if isinstance(module, nn.Linear):
            nn.init.xavier_normal_(module.weight)
            nn.init.zeros_(module.bias)
    making = torch.optim.Adam(maker.parameters(), lr=2e-3, betas=(0.5, 0.999))
    judging = torch.optim.Adam(judge.parameters(), lr=2e-3, betas=(0.5, 0.999))
    one, zero = torch.ones(32, 1), torch.zeros(32, 1)
    losses = []
    for _ in range(steps):
        real = torch.randn(32, 2) @ torch.tensor([[1.0, 0.5], [0.0, 0.3]]) + 2
        fake = maker(torch.randn(32, 3))
        seen = fake.detach()
        a = fit(lambda r=real, s=seen: bce(judge(r), one) + bce(judge(s), zero), judging, 1)
        b = fit(lambda f=fake: bce(judge(f), one), making, 1)
        losses.append(a[0] + b[0])
    return losses


def word_embedding(torch, steps):
    """Skip-gram with negative samples from the words' frequencies."""
    nn = torch.nn
    torch.manual_seed(8)
    text = torch.multinomial(torch.arange(1.0, 21.0).reciprocal(), 400, replacement=True)
    often = torch.bincount(text, minlength=20).float().pow(0.75)
    inside, outside = nn.Embedding(20, 8), nn.Embedding(20, 8)
    nn.init.uniform_(inside.weight, -0.5, 0.5)
    nn.init.normal_(outside.weight, std=0.1)
    optimizer = torch.optim.SGD([inside.weight, outside.weight], lr=0.5)

    def step():
        at = torch.randint(1, 399, (64,))
        word, near = inside(text[at]), outside(text[at + torch.randint(0, 2, (64,)) * 2 - 1])
        others = outside(torch.multinomial(often, 64 * 5, replacement=True).view(64, 5))
        good = nn.functional.logsigmoid((word * near).sum(1))
        bad = nn.functional.logsigmoid(-torch.bmm(others, word.unsqueeze(2)).squeeze(2)).sum(1)
        return -(good + bad).mean()

    return fit(step, optimizer, steps)


def logistic_regression(torch, steps):
    """Weights by hand, written in place without gradients; batches from a permutation."""
    torch.manual_seed(9)
    x = torch.randn(100, 5, dtype=torch.float64)
    y = torch.bernoulli(torch.sigmoid(x @ torch.linspace(-2, 2, 5, dtype=torch.float64)))
    w = torch.zeros(5, dtype=torch.float64, requires_grad=True)
    b = torch.zeros((), dtype=torch.float64, requires_grad=True)
    losses = []
    for _ in range(steps):
        some = torch.randperm(100)[:20]
        guess = torch.sigmoid(x[some] @ w + b)
        loss = -(y[some] * guess.log() + (1 - y[some]) * (1 - guess).log()).mean()
        loss.backward()
        with torch.no_grad():
            for p in (w, b):
                p -= 0.5 * p.grad
                p.grad.zero_()
        losses.append(loss.item())
    return losses


def _regression(torch, steps, seed, make_optimizer):
    """A small network fits a noisy sine; new noise at every step."""
    nn = torch.nn
    torch.manual_seed(seed)
    x = torch.linspace(-3, 3, 60).unsqueeze(1)
    model = nn.Sequential(
        nn.Linear(1, 20), nn.GELU(), nn.Linear(20, 20), nn.SiLU(), nn.Linear(20, 1)
    )
    optimizer = make_optimizer(model.parameters())

    def step():
        y = x.sin() + 0.1 * torch.randn_like(x)
        return nn.functional.smooth_l1_loss(model(x), y)

    return fit(step, optimizer, steps)


def regression_adam(torch, steps):
    """Adam, the AMSGrad kind."""
    return _regression(
        torch, steps, 10, lambda p: torch.optim.Adam(p, lr=0.01, amsgrad=True, weight_decay=1e-4)
    )


def regression_adamw(torch, steps):
    """AdamW."""
    return _regression(torch, steps, 11, lambda p: torch.optim.AdamW(p, lr=0.01))


def regression_rmsprop(torch, steps):
    """RMSprop, centered and with momentum."""
    return _regression(
        torch, steps, 12, lambda p: torch.optim.RMSprop(p, lr=2e-3, momentum=0.5, centered=True)
    )


def regression_adagrad(torch, steps):
    """Adagrad with a falling rate."""
    return _regression(torch, steps, 13, lambda p: torch.optim.Adagrad(p, lr=0.05, lr_decay=1e-3))


PROGRAMS = (
    mlp,
    cnn_with_dropout,
    rnn,
    lstm,
    transformer_encoder,
    vae,
    gan,
    word_embedding,
    logistic_regression,
    regression_adam,
    regression_adamw,
    regression_rmsprop,
    regression_adagrad,
)
