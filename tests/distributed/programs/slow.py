"""What a rank may do for some seconds while others wait for it: none of it is a hang."""

import subprocess
import tempfile
import threading
import time
from pathlib import Path

import torch
from torch.utils.data import DataLoader, TensorDataset


def pauses(seconds):
    for _ in range(4):
        time.sleep(seconds / 4)


def spins_until_a_time(seconds):
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        pass


def child(seconds):
    subprocess.run(["sleep", str(seconds)], check=True)


def polls_for_a_file(seconds):
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "there"
        subprocess.Popen(["sh", "-c", f"sleep {seconds}; touch {path}"])
        while not path.exists():
            time.sleep(0.1)


def long_call(seconds):
    begun = time.monotonic()
    sum(range(10_000_000))
    each = time.monotonic() - begun
    sum(range(int(10_000_000 * seconds / each)))


def spins_until_a_timer(seconds):
    done = threading.Event()
    threading.Timer(seconds, done.set).start()
    while not done.is_set():
        pass


def sleeps_until_a_timer(seconds):
    done = threading.Event()
    threading.Timer(seconds, done.set).start()
    while not done.is_set():
        time.sleep(0.05)


def spins_until_a_thread(seconds):
    state = {"done": False}

    def work():
        time.sleep(seconds)
        state["done"] = True

    threading.Thread(target=work).start()
    while not state["done"]:
        pass


def counts(seconds):
    n = 0
    while n < seconds * 15_000_000:
        n += 1


def products(seconds):
    x = torch.full((64, 64), 1 / 64)
    until = time.monotonic() + seconds
    while time.monotonic() < until:
        x = x @ x


def validates(seconds):
    model = torch.nn.Linear(8, 8)
    until = time.monotonic() + seconds
    with torch.no_grad():
        while time.monotonic() < until:
            model(torch.ones(4, 8)).sum().item()


def generates(seconds):
    def numbers():
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            yield 1

    for _ in numbers():
        pass


def loads(seconds):
    data = TensorDataset(torch.ones(40, 2))
    for _ in DataLoader(data, batch_size=4, num_workers=1):
        time.sleep(seconds / 10)


ALL = [
    pauses,
    spins_until_a_time,
    child,
    polls_for_a_file,
    long_call,
    spins_until_a_timer,
    sleeps_until_a_timer,
    spins_until_a_thread,
    counts,
    products,
    validates,
    generates,
    loads,
]
