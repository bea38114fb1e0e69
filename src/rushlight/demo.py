"""rushlight demo: learn to read handwritten digits, in a few seconds.

This is a whole training program, in the order in which things happen: data, model, training,
testing, files. It uses nothing that is not PyTorch's API: with ``import torch`` in the first
line, ``rushlight program.py`` runs it just the same.
"""

import argparse
import sys
import time
from collections.abc import Iterable, Iterator
from pathlib import Path

import rushlight as torch
from rushlight import nn, optim
from rushlight.utils.data import DataLoader, random_split
from rushlight.vision.datasets import Digits
from rushlight.vision.transforms import Compose, Normalize, ToTensor
from rushlight.vision.utils import make_grid, save_image


class Net(nn.Module):
    """Two convolutions find strokes and corners, two linear layers weigh them up."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(1, 16, kernel_size=3, padding=1)
        self.conv2 = nn.Conv2d(16, 32, kernel_size=3, padding=1)
        self.pool = nn.MaxPool2d(2)
        self.fc1 = nn.Linear(32 * 4 * 4, 64)
        self.dropout = nn.Dropout(0.2)
        self.fc2 = nn.Linear(64, 10)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Return ten scores, one per digit, for each image."""  # x: (N, 1, 8, 8)
        x = torch.relu(self.conv1(x))  # (N, 16, 8, 8)
        x = self.pool(torch.relu(self.conv2(x)))  # (N, 32, 4, 4)
        x = torch.flatten(x, 1)  # (N, 512)
        x = self.dropout(torch.relu(self.fc1(x)))  # (N, 64)
        return self.fc2(x)  # (N, 10)


def train(
    model: nn.Module, batches: Iterable, loss_fn: nn.Module, optimizer: optim.Optimizer
) -> tuple[float, float]:
    """Go through the training set once; return the mean loss and the share of right answers."""
    model.train()
    total_loss, right, seen = 0.0, 0, 0
    for images, labels in batches:
        optimizer.zero_grad()
        scores = model(images)
        loss = loss_fn(scores, labels)
        loss.backward()
        optimizer.step()
        total_loss += loss.item() * len(labels)
        right += (scores.argmax(1) == labels).sum().item()
        seen += len(labels)
    return total_loss / seen, right / seen


@torch.no_grad()
def test(model: nn.Module, batches: Iterable) -> tuple[torch.Tensor, torch.Tensor]:
    """Return the true labels and the model's answers for a whole set."""
    model.eval()
    truth, answers = [], []
    for images, labels in batches:
        truth.append(labels)
        answers.append(model(images).argmax(1))
    return torch.cat(truth), torch.cat(answers)


def print_per_class(truth: torch.Tensor, answers: torch.Tensor) -> None:
    """Print how many of each digit were read right."""
    print("\n digit  right      of")
    for digit in range(10):
        mine = truth == digit
        count, right = int(mine.sum()), int((answers[mine] == digit).sum())
        share = right / max(count, 1)
        print(f"{digit:6d}  {share:6.1%}  {count:6d}  {'#' * round(30 * share)}")


def draw_answers(images: torch.Tensor, truth: torch.Tensor, answers: torch.Tensor) -> torch.Tensor:
    """Return a picture with a row per digit: images that were read as it, mistakes in red."""
    tiles = []
    for digit in range(10):
        mine = answers == digit
        row = images[mine][:12].repeat(1, 3, 1, 1)  # (12, 3, 8, 8)
        wrong = truth[mine][:12] != digit
        row[wrong, 1:] *= 0.15  # no green, no blue
        blank = torch.zeros(12 - len(row), 3, 8, 8)
        tiles.append(torch.cat([row, blank]))
    large = torch.cat(tiles).repeat_interleave(4, dim=2).repeat_interleave(4, dim=3)
    return make_grid(large, nrow=12, pad_value=0.3)


def progress(batches: DataLoader, label: str) -> Iterable:
    """Show a progress bar while ``batches`` are gone through: tqdm's, or a plain one."""
    if not sys.stderr.isatty():
        return batches
    try:
        from tqdm import tqdm
    except ImportError:
        return plain_progress(batches, label)
    return tqdm(batches, desc=label, leave=False)


def plain_progress(batches: DataLoader, label: str) -> Iterator:
    """A bar of forty characters on one line, wiped out at the end."""
    for index, batch in enumerate(batches):
        done = 40 * (index + 1) // len(batches)
        print(f"\r{label} |{'=' * done:<40}|", end="", file=sys.stderr, flush=True)
        yield batch
    print("\r" + " " * (len(label) + 43) + "\r", end="", file=sys.stderr, flush=True)


def parse(arguments: list[str]) -> argparse.Namespace:
    """Return the options of the command line."""
    parser = argparse.ArgumentParser(
        prog="rushlight demo", description="Train a classifier of handwritten digits."
    )
    parser.add_argument("--epochs", type=int, default=12, help="times through the data (12)")
    parser.add_argument("--batch-size", type=int, default=32, help="images per step (32)")
    parser.add_argument("--lr", type=float, default=2e-3, help="learning rate (0.002)")
    parser.add_argument("--seed", type=int, default=0, help="of all random numbers (0)")
    parser.add_argument("--out", type=Path, default=Path(), help="folder for the results (.)")
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    """Train, test, and write digits.pt and predictions.png; return the exit status."""
    options = parse(arguments)
    torch.manual_seed(options.seed)
    started = time.perf_counter()

    # Data: 1,797 images of 8x8 pixels, four fifths of them to learn from.
    digits = Digits(transform=Compose([ToTensor(), Normalize((0.5,), (0.5,))]))
    train_set, test_set = random_split(digits, [0.8, 0.2])
    train_loader = DataLoader(train_set, batch_size=options.batch_size, shuffle=True)
    test_loader = DataLoader(test_set, batch_size=256)
    print(f"{len(train_set)} digits to learn from, {len(test_set)} to be tested on")

    # Model, loss and optimizer.
    model = Net()
    loss_fn = nn.CrossEntropyLoss()
    optimizer = optim.Adam(model.parameters(), lr=options.lr)
    print(f"{model}\n{sum(p.numel() for p in model.parameters())} parameters\n")

    # Training.
    for epoch in range(1, options.epochs + 1):
        bar = progress(train_loader, f"epoch {epoch:2d}")
        loss, accuracy = train(model, bar, loss_fn, optimizer)
        truth, answers = test(model, test_loader)
        tested = (truth == answers).float().mean().item()
        print(f"epoch {epoch:2d}  loss {loss:.4f}  accuracy {accuracy:6.2%}  test {tested:6.2%}")

    # Results.
    truth, answers = test(model, test_loader)
    print_per_class(truth, answers)
    accuracy = (truth == answers).float().mean().item()
    print(f"\ntest accuracy {accuracy:.2%} after {time.perf_counter() - started:.1f} s")

    # Files: the model's parameters, and a picture of what it answered.
    options.out.mkdir(parents=True, exist_ok=True)
    torch.save(model.state_dict(), options.out / "digits.pt")
    images = torch.stack([test_set[i][0] for i in range(len(test_set))]) * 0.5 + 0.5
    save_image(draw_answers(images, truth, answers), options.out / "predictions.png")
    print(f"saved {options.out / 'digits.pt'} and {options.out / 'predictions.png'}")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
