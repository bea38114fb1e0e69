"""A character-level LSTM: embedding, recurrent layer, negative log likelihood."""
import string

import torch
import torch.nn as nn

letters = string.ascii_lowercase
words = {"en": ["house", "tree", "bread", "water"], "de": ["haus", "baum", "brot", "wasser"]}
languages = list(words)


def encode(word):
    return torch.tensor([letters.index(c) for c in word])


class CharLSTM(nn.Module):
    def __init__(self, hidden):
        super().__init__()
        self.embedding = nn.Embedding(len(letters), 8)
        self.lstm = nn.LSTM(8, hidden, batch_first=True)
        self.out = nn.Linear(hidden, len(languages))

    def forward(self, word):
        embedded = self.embedding(word).unsqueeze(0)
        output, (h, c) = self.lstm(embedded)
        return torch.log_softmax(self.out(h[-1]), dim=1), output


torch.manual_seed(4)
model = CharLSTM(16)
print(model)
log_p, output = model(encode("house"))
print(log_p, output.shape)
optimizer = torch.optim.Adam(model.parameters(), lr=0.02)
loss_fn = nn.NLLLoss()
for epoch in range(6):
    total = 0.0
    for label, language in enumerate(languages):
        for word in words[language]:
            log_p, _ = model(encode(word))
            loss = loss_fn(log_p, torch.tensor([label]))
            optimizer.zero_grad()
            loss.backward()
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            optimizer.step()
            total += loss.item()
    print(f"{epoch} {total / 8:.3f}")
gru = nn.GRU(3, 4, num_layers=2, bidirectional=True)
y, h = gru(torch.ones(5, 2, 3))
print(y.shape, h.shape, y[0, 0])
packed = nn.utils.rnn.pad_sequence([encode("tree"), encode("bread")], batch_first=True)
print(packed)
cell = nn.LSTMCell(3, 2)
hx, cx = cell(torch.ones(1, 3))
print(hx.detach(), cx.detach())
