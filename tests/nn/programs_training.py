"""Small trainings: their losses, which a wrong gradient, update or draw would change."""


def losses(torch, model, batches, loss_of, steps=6, **options):
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9, **options)
    seen = []
    for step in range(steps):
        optimizer.zero_grad()
        loss = loss_of(model, *batches[step % len(batches)])
        loss.backward()
        torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
        optimizer.step()
        seen.append(float(loss.detach()))
    return seen


def image_classifier(torch):
    nn = torch.nn
    torch.manual_seed(0)

    class LeNet(nn.Module):
        def __init__(self):
            super().__init__()
            self.features = nn.Sequential(
                nn.Conv2d(1, 4, 3, padding=1),
                nn.BatchNorm2d(4),
                nn.ReLU(inplace=True),
                nn.MaxPool2d(2),
                nn.Conv2d(4, 8, 3),
                nn.GELU(),
                nn.AdaptiveAvgPool2d(2),
            )
            self.classifier = nn.Sequential(nn.Flatten(), nn.Dropout(0.2), nn.Linear(32, 3))

        def forward(self, x):
            return self.classifier(self.features(x))

    batches = [(torch.randn(4, 1, 8, 8), torch.randint(0, 3, (4,))) for _ in range(2)]
    criterion = nn.CrossEntropyLoss(label_smoothing=0.1)
    model = LeNet()
    out = [losses(torch, model, batches, lambda m, x, y: criterion(m(x), y), weight_decay=0.01)]
    model.eval()
    with torch.no_grad():
        out.append(model(batches[0][0]).tolist())
    return out


def language_model(torch):
    nn = torch.nn
    torch.manual_seed(0)

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed = nn.Embedding(11, 6)
            self.rnn = nn.LSTM(6, 6, 2, batch_first=True, dropout=0.1)
            self.head = nn.Linear(6, 11, bias=False)
            self.head.weight = nn.Parameter(self.embed.weight.detach().clone())

        def forward(self, tokens):
            hidden, _ = self.rnn(self.embed(tokens))
            return self.head(hidden)

    tokens = torch.randint(0, 11, (3, 7))
    criterion = nn.CrossEntropyLoss()

    def loss_of(model, x):
        return criterion(model(x[:, :-1]).reshape(-1, 11), x[:, 1:].reshape(-1))

    return losses(torch, Model(), [(tokens,)], loss_of)


def translator(torch):
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Transformer(8, 2, 1, 1, 16, dropout=0.1, batch_first=True)
    src, tgt = torch.randn(2, 4, 8), torch.randn(2, 3, 8)
    mask = nn.Transformer.generate_square_subsequent_mask(3)

    def loss_of(model, src, tgt):
        return nn.functional.mse_loss(model(src, tgt, tgt_mask=mask, tgt_is_causal=True), tgt)

    return losses(torch, model, [(src, tgt)], loss_of)


def adversaries(torch):
    nn = torch.nn
    torch.manual_seed(0)
    generator = nn.Sequential(nn.ConvTranspose2d(3, 4, 2, bias=False), nn.Tanh())
    critic = nn.Sequential(
        nn.utils.parametrizations.spectral_norm(nn.Conv2d(4, 2, 2)), nn.LeakyReLU(0.2), nn.Flatten()
    )
    both = nn.ModuleList([generator, critic])

    def loss_of(model, z):
        made = model[0](z)
        wanted = torch.ones(2, 2)
        return nn.BCEWithLogitsLoss()(model[1](made), wanted) + made.pow(2).mean()

    return losses(torch, both, [(torch.randn(2, 3, 1, 1),)], loss_of)


def tied_and_shared(torch):
    """Two names of one parameter get one gradient and one update."""
    nn = torch.nn
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 4), nn.Tanh(), nn.Linear(4, 4))
    model[2].weight = model[0].weight
    x = torch.randn(5, 4)
    out = losses(torch, model, [(x,)], lambda m, x: (m(x) - x).pow(2).sum())
    return [*out, len(list(model.parameters())), model[2].weight is model[0].weight]


PROGRAMS = [image_classifier, language_model, translator, adversaries, tied_and_shared]
