"""An LSTM that learns the letters of names and invents new ones.

rushlight examples/names.py
"""

import torch
from torch import nn
from torch.nn.utils.rnn import pad_sequence

NAMES = """
ada alan albert alonzo andrey barbara blaise carl charles claude daniel david donald dorothy
edsger edward emmy ernst euclid evelyn felix florence frances george gottfried grace hedy henri
hermann hilbert isaac jean johannes john joseph julia karen katherine kurt leonhard lotfi
margaret maria marie marvin mary max niels nikola noam pafnuty paul peter pierre radia ralph
rene robert rosalind rozsa shafi sofia sophie srinivasa stephen thomas tim tony ursula vera
werner william yann yoshua
""".split()  # noqa: SIM905

END = 0  # also what a name begins with


def encode(name):
    return torch.tensor([END, *(ord(letter) - 96 for letter in name), END])


class Speller(nn.Module):
    """Reads letters and gives scores for the next one."""

    def __init__(self, width=64):
        super().__init__()
        self.embedding = nn.Embedding(27, 16)
        self.lstm = nn.LSTM(16, width, batch_first=True)
        self.output = nn.Linear(width, 27)

    def forward(self, letters, state=None):  # letters: (N, L)
        hidden, state = self.lstm(self.embedding(letters), state)
        return self.output(hidden), state  # (N, L, 27)


@torch.no_grad()
def invent(model):
    letter, state, name = torch.tensor([[END]]), None, ""
    while len(name) < 12:
        scores, state = model(letter, state)
        letter = torch.multinomial((scores[:, -1] / 0.8).softmax(1), 1)
        if letter.item() == END:
            break
        name += chr(letter.item() + 96)
    return name


def main():
    torch.manual_seed(0)
    data = pad_sequence([encode(name) for name in NAMES], batch_first=True, padding_value=-1)
    inputs, targets = data[:, :-1].clamp(min=0), data[:, 1:]
    model = Speller()
    loss_fn = nn.CrossEntropyLoss(ignore_index=-1)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)
    for epoch in range(1, 51):
        scores, _ = model(inputs)
        loss = loss_fn(scores.flatten(0, 1), targets.flatten())
        optimizer.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        if epoch % 10 == 0:
            print(f"epoch {epoch:2d}  loss {loss.item():.3f}")
    names = {invent(model) for _ in range(30)} - set(NAMES)
    print("new names:", ", ".join(sorted(names)[:10]))


if __name__ == "__main__":
    main()
