"""An MLP on files in CIFAR-10's format, made here, with the accuracy of every class."""
import os
import pickle
import tempfile

import numpy as np
import torch
import torch.nn as nn
import torch.nn.functional as F
import torch.optim as optim
from torch.utils.data import DataLoader, Dataset

classes = ("plane", "car", "bird", "cat", "deer", "dog", "frog", "horse", "ship", "truck")


def make_batch(path, n, seed):
    """A pickle as in cifar-10-batches-py: rows of 3072 bytes, red then green then blue."""
    rng = np.random.RandomState(seed)
    labels = rng.randint(0, 10, n).tolist()
    data = rng.randint(0, 120, (n, 3, 32, 32))
    for i, label in enumerate(labels):
        data[i, label % 3, label * 3 : label * 3 + 4] += 120
    batch = {b"batch_label": b"made here", b"labels": labels,
             b"data": data.reshape(n, 3072).astype(np.uint8),
             b"filenames": [b"%d.png" % i for i in range(n)]}
    with open(path, "wb") as f:
        pickle.dump(batch, f, protocol=2)


class CIFAR(Dataset):
    def __init__(self, files):
        data, self.labels = [], []
        for path in files:
            with open(path, "rb") as f:
                batch = pickle.load(f, encoding="bytes")
            data.append(batch[b"data"])
            self.labels += batch[b"labels"]
        self.data = np.concatenate(data).reshape(-1, 3, 32, 32)

    def __len__(self):
        return len(self.labels)

    def __getitem__(self, i):
        image = torch.from_numpy(self.data[i]).float().div(255)
        return (image - 0.5) / 0.5, self.labels[i]


class MLP(nn.Module):
    def __init__(self):
        super().__init__()
        self.fc1 = nn.Linear(3 * 32 * 32, 64)
        self.fc2 = nn.Linear(64, 32)
        self.fc3 = nn.Linear(32, 10)

    def forward(self, x):
        x = x.view(x.size(0), -1)
        x = F.relu(self.fc1(x))
        x = F.relu(self.fc2(x))
        return self.fc3(x)


folder = tempfile.mkdtemp()
files = [os.path.join(folder, f"data_batch_{i}") for i in (1, 2)]
for i, path in enumerate(files):
    make_batch(path, 80, i)
test_file = os.path.join(folder, "test_batch")
make_batch(test_file, 60, 9)

torch.manual_seed(2)
trainset = CIFAR(files)
print(len(trainset), trainset[0][0].shape, trainset[0][1])
trainloader = DataLoader(trainset, batch_size=20, shuffle=True, num_workers=0)
testloader = DataLoader(CIFAR([test_file]), batch_size=20, shuffle=False)
dataiter = iter(trainloader)
images, labels = next(dataiter)
print(images.shape, " ".join(f"{classes[labels[j]]:5s}" for j in range(4)))

net = MLP()
criterion = nn.CrossEntropyLoss()
optimizer = optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
for epoch in range(4):
    running_loss = 0.0
    for i, data in enumerate(trainloader, 0):
        inputs, labels = data
        optimizer.zero_grad()
        outputs = net(inputs)
        loss = criterion(outputs, labels)
        loss.backward()
        optimizer.step()
        running_loss += loss.item()
        if i % 4 == 3:
            print(f"[{epoch + 1}, {i + 1:5d}] loss: {running_loss / 4:.3f}")
            running_loss = 0.0
print("Finished Training")

correct_pred = {classname: 0 for classname in classes}
total_pred = {classname: 0 for classname in classes}
with torch.no_grad():
    for images, labels in testloader:
        _, predictions = torch.max(net(images), 1)
        for label, prediction in zip(labels, predictions):
            if label == prediction:
                correct_pred[classes[label]] += 1
            total_pred[classes[label]] += 1
for classname, correct_count in correct_pred.items():
    accuracy = 100 * float(correct_count) / max(total_pred[classname], 1)
    print(f"Accuracy for class: {classname:5s} is {accuracy:.1f} %")
