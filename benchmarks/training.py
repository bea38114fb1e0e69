"""Whole training steps, a loader and a checkpoint."""

import io


def trained(make_model, make_batch, make_optimizer, loss):
    """A training step: forward, backward, update."""

    def make(T):
        T.manual_seed(0)
        model, (x, y) = make_model(T), make_batch(T)
        opt = make_optimizer(T, model.parameters())

        def step():
            opt.zero_grad()
            loss(T, model(x), y).backward()
            opt.step()

        return step

    return make


def sgd(T, parameters):
    return T.optim.SGD(parameters, lr=0.01, momentum=0.9)


def adam(T, parameters):
    return T.optim.Adam(parameters)


def crossed(T, y, target):
    return T.nn.functional.cross_entropy(y.reshape(-1, y.shape[-1]), target.reshape(-1))


def cnn(T):
    nn = T.nn
    return nn.Sequential(
        *(nn.Conv2d(1, 32, 3), nn.ReLU(), nn.Conv2d(32, 64, 3), nn.ReLU(), nn.MaxPool2d(2)),
        *(nn.Dropout(0.25), nn.Flatten(), nn.Linear(9216, 128), nn.ReLU(), nn.Linear(128, 10)),
    )


def mlp(T):
    nn = T.nn
    wide = (nn.Linear(3072, 1024), nn.ReLU(), nn.Linear(1024, 512), nn.ReLU())
    return nn.Sequential(*wide, nn.Linear(512, 10))


def transformer(T):
    nn = T.nn
    layer = nn.TransformerEncoderLayer(128, 4, 512, dropout=0.0, batch_first=True)
    encoder = nn.TransformerEncoder(layer, 2, enable_nested_tensor=False)
    return nn.Sequential(nn.Embedding(256, 128), encoder, nn.Linear(128, 256))


def recurrent(T):
    nn = T.nn

    class Model(nn.Module):
        def __init__(self):
            super().__init__()
            self.embed, self.head = nn.Embedding(1000, 128), nn.Linear(128, 1000)
            self.lstm = nn.LSTM(128, 128, 2)

        def forward(self, x):
            return self.head(self.lstm(self.embed(x))[0])

    return Model()


def images(count, *shape):
    return lambda T: (T.randn(count, *shape), T.randint(10, (count,)))


def words(*shape, of):
    return lambda T: (T.randint(of, shape), T.randint(of, shape))


def loader(workers):
    """One pass over a TensorDataset of 20,000 rows."""

    def make(T):
        data = T.utils.data.TensorDataset(T.randn(20_000, 32), T.randint(10, (20_000,)))
        batches = T.utils.data.DataLoader(data, batch_size=64, shuffle=True, num_workers=workers)
        return lambda: sum(1 for _ in batches)

    return make


def checkpoint(T):
    """save and load of a network's state_dict, 4 M parameters, in memory."""
    state = mlp(T).state_dict()

    def run():
        file = io.BytesIO()
        T.save(state, file)
        file.seek(0)
        return T.load(file)

    return run


TRAIN = {
    "MNIST CNN, batch 1": trained(cnn, images(1, 1, 28, 28), adam, crossed),
    "MNIST CNN, batch 64": trained(cnn, images(64, 1, 28, 28), adam, crossed),
    "CIFAR-10 MLP, batch 4": trained(mlp, images(4, 3072), sgd, crossed),
    "CIFAR-10 MLP, batch 64": trained(mlp, images(64, 3072), sgd, crossed),
    "transformer, 8 of 64 words": trained(transformer, words(8, 64, of=256), adam, crossed),
    "LSTM, 35 words of 20": trained(recurrent, words(35, 20, of=1000), sgd, crossed),
}
DATA = {
    "loader, no workers": loader(0),
    "loader, two workers": loader(2),
    "save and load, 4 M": checkpoint,
}
