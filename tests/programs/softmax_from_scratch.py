"""Softmax regression and a small MLP with parameters kept by hand."""
import torch
from torch import nn

torch.manual_seed(12)
num_inputs, num_outputs = 16, 4
centers = torch.randn(num_outputs, num_inputs)
labels = torch.randint(0, num_outputs, (120,))
X = centers[labels] + 0.8 * torch.randn(120, num_inputs)

W = torch.normal(0, 0.01, size=(num_inputs, num_outputs), requires_grad=True)
b = torch.zeros(num_outputs, requires_grad=True)


def softmax(X):
    X_exp = torch.exp(X)
    partition = X_exp.sum(1, keepdim=True)
    return X_exp / partition


def net(X):
    return softmax(torch.matmul(X.reshape((-1, W.shape[0])), W) + b)


def cross_entropy(y_hat, y):
    return -torch.log(y_hat[range(len(y_hat)), y])


def sgd(params, lr, batch_size):
    with torch.no_grad():
        for param in params:
            param -= lr * param.grad / batch_size
            param.grad.zero_()


def accuracy(y_hat, y):
    if len(y_hat.shape) > 1 and y_hat.shape[1] > 1:
        y_hat = y_hat.argmax(axis=1)
    cmp = y_hat.type(y.dtype) == y
    return float(cmp.type(y.dtype).sum())


probe = torch.normal(0, 1, (2, 5))
print(softmax(probe), softmax(probe).sum(1))
y = torch.tensor([0, 2])
y_hat = torch.tensor([[0.1, 0.3, 0.6], [0.3, 0.2, 0.5]])
print(y_hat[[0, 1], y], cross_entropy(y_hat, y), accuracy(y_hat, y) / len(y))
for epoch in range(3):
    for i in range(0, 120, 30):
        l = cross_entropy(net(X[i:i + 30]), labels[i:i + 30])
        l.sum().backward()
        sgd([W, b], 0.1, 30)
    with torch.no_grad():
        print(epoch, f"{cross_entropy(net(X), labels).mean():.4f}", accuracy(net(X), labels) / 120)

W1 = nn.Parameter(torch.randn(num_inputs, 8) * 0.1)
b1 = nn.Parameter(torch.zeros(8))
W2 = nn.Parameter(torch.randn(8, num_outputs) * 0.1)
b2 = nn.Parameter(torch.zeros(num_outputs))


def relu(X):
    a = torch.zeros_like(X)
    return torch.max(X, a)


loss = nn.CrossEntropyLoss(reduction="none")
updater = torch.optim.SGD([W1, b1, W2, b2], lr=0.5)
for epoch in range(5):
    out = relu(X @ W1 + b1) @ W2 + b2
    l = loss(out, labels)
    updater.zero_grad()
    l.mean().backward()
    updater.step()
    print(epoch, f"{l.mean().item():.4f}")
print(W2)


def dropout_layer(X, dropout):
    if dropout == 1:
        return torch.zeros_like(X)
    if dropout == 0:
        return X
    mask = (torch.rand(X.shape) > dropout).float()
    return mask * X / (1.0 - dropout)


Z = torch.arange(16, dtype=torch.float32).reshape((2, 8))
print(dropout_layer(Z, 0.0), dropout_layer(Z, 0.5), dropout_layer(Z, 1.0))
