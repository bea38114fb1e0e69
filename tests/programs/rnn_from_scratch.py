"""A recurrent network by hand, then nn.RNN, nn.GRU and packed sequences, an encoder and a decoder."""
import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.rnn import pack_padded_sequence, pad_packed_sequence, pad_sequence

torch.manual_seed(14)
vocab, num_hiddens = 6, 8
corpus = torch.tensor([0, 1, 2, 3, 4, 5] * 6)


def get_params():
    def normal(shape):
        return torch.randn(size=shape) * 0.1

    W_xh, W_hh, b_h = normal((vocab, num_hiddens)), normal((num_hiddens, num_hiddens)), torch.zeros(num_hiddens)
    W_hq, b_q = normal((num_hiddens, vocab)), torch.zeros(vocab)
    params = [W_xh, W_hh, b_h, W_hq, b_q]
    for param in params:
        param.requires_grad_(True)
    return params


def rnn(inputs, state, params):
    W_xh, W_hh, b_h, W_hq, b_q = params
    (H,) = state
    outputs = []
    for X in inputs:
        H = torch.tanh(torch.mm(X, W_xh) + torch.mm(H, W_hh) + b_h)
        outputs.append(torch.mm(H, W_hq) + b_q)
    return torch.cat(outputs, dim=0), (H,)


def grad_clipping(params, theta):
    norm = torch.sqrt(sum(torch.sum((p.grad ** 2)) for p in params))
    if norm > theta:
        for param in params:
            param.grad[:] *= theta / norm
    return norm


params = get_params()
X, Y = corpus[:30].view(2, 15).T, corpus[1:31].view(2, 15).T
for epoch in range(5):
    state = (torch.zeros((2, num_hiddens)),)
    y_hat, state = rnn(F.one_hot(X, vocab).float(), state, params)
    l = F.cross_entropy(y_hat, Y.reshape(-1))
    for p in params:
        p.grad = None
    l.backward()
    norm = grad_clipping(params, 1)
    with torch.no_grad():
        for p in params:
            p -= 1.0 * p.grad
    print(f"{epoch} perplexity {torch.exp(l).item():.4f} norm {norm.item():.4f}")

layer = nn.RNN(vocab, num_hiddens)
Y, state = layer(F.one_hot(X, vocab).float(), torch.zeros(1, 2, num_hiddens))
print(Y.shape, state.shape, torch.equal(Y[-1], state[0]))
sequences = [torch.randn(n, 3) for n in (5, 3, 2)]
padded = pad_sequence(sequences)
packed = pack_padded_sequence(padded, torch.tensor([5, 3, 2]))
print(padded.shape, packed.batch_sizes, packed.data.shape)
gru = nn.GRU(3, 4)
out, h = gru(packed)
unpacked, lengths = pad_packed_sequence(out)
print(unpacked.shape, lengths, h.shape, unpacked[:, 2])


class Encoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 6, padding_idx=0)
        self.rnn = nn.GRU(6, 8, num_layers=2, dropout=0.1)

    def forward(self, X):
        return self.rnn(self.embedding(X).permute(1, 0, 2))


class Decoder(nn.Module):
    def __init__(self):
        super().__init__()
        self.embedding = nn.Embedding(10, 6)
        self.rnn = nn.GRU(6 + 8, 8, num_layers=2)
        self.dense = nn.Linear(8, 10)

    def forward(self, X, state):
        X = self.embedding(X).permute(1, 0, 2)
        context = state[-1].repeat(X.shape[0], 1, 1)
        output, state = self.rnn(torch.cat((X, context), 2), state)
        return self.dense(output).permute(1, 0, 2), state


encoder, decoder = Encoder(), Decoder()
src, tgt = torch.tensor([[1, 2, 3, 0], [4, 5, 0, 0]]), torch.tensor([[7, 8, 9], [6, 9, 0]])
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.01)
loss_fn = nn.CrossEntropyLoss(ignore_index=0)
for epoch in range(4):
    _, state = encoder(src)
    scores, _ = decoder(torch.cat([torch.ones(2, 1, dtype=torch.long), tgt[:, :-1]], 1), state)
    loss = loss_fn(scores.transpose(1, 2), tgt)
    optimizer.zero_grad()
    loss.backward()
    torch.nn.utils.clip_grad_value_(encoder.parameters(), 0.5)
    optimizer.step()
    print(f"{loss.item():.4f}")
print(encoder.embedding.weight[0], encoder.embedding.weight.grad[0].abs().sum())
mask = torch.arange(4)[None, :] < torch.tensor([3, 2])[:, None]
print(mask, src.masked_fill(~mask, -1))
lstm = nn.LSTM(3, 5, num_layers=2, bidirectional=True, batch_first=True)
o, (h, c) = lstm(torch.ones(2, 4, 3))
print(o.shape, h.shape, o[0, 0, :3])
print([tuple(p.shape) for p in lstm.parameters()][:5], lstm)
