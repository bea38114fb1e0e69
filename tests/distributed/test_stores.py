"""Stores: what PyTorch's do, recorded from PyTorch 2.13."""

import subprocess
import sys
import threading
from datetime import timedelta
from pathlib import Path

import pytest

import rushlight as torch

dist = torch.distributed


def stores(tmp_path):
    tcp = dist.TCPStore("127.0.0.1", 0, is_master=True)
    return {
        "tcp": tcp,
        "file": dist.FileStore(str(tmp_path / "store"), 1),
        "hash": dist.HashStore(),
        "prefix": dist.PrefixStore("p", dist.HashStore()),
    }


@pytest.fixture(params=["tcp", "file", "hash", "prefix"])
def store(request, tmp_path):
    found = stores(tmp_path)[request.param]
    found.set_timeout(timedelta(milliseconds=100))
    return found


def test_values(store):
    store.set("a", "1")
    store.set("b", b"\x00z")
    assert (store.get("a"), store.get("b")) == (b"1", b"\x00z")
    assert (store.add("c", 3), store.add("c", -1), store.get("c")) == (3, 2, b"2")
    changes = [("k", "", "v1"), ("k", "v1", "v2"), ("k", "zz", "v3"), ("k2", "zz", "v3")]
    assert [store.compare_set(*c) for c in changes] == [b"v1", b"v2", b"v2", b"zz"]
    assert store.check(["a"])
    assert not store.check(["a", "zzz"])
    assert store.delete_key("a")
    assert not store.delete_key("a")
    store.multi_set(["m", "n"], ["1", "2"])
    assert store.multi_get(["m", "n"]) == [b"1", b"2"]
    store.append("m", "zz")
    assert store.get("m") == b"1zz"
    assert {"b", "c", "k", "m", "n"} <= set(store.list_keys())
    assert store.num_keys() >= 5
    with pytest.raises(TypeError):
        store.set("a", 2)


def test_waiting(store):
    with pytest.raises(RuntimeError, match=r"timeout|Timeout"):
        store.get("nothing")
    with pytest.raises(dist.DistStoreError):
        store.wait(["nothing"], timedelta(milliseconds=10))
    other = store.clone()
    thread = threading.Timer(0.05, lambda: other.set("late", "x"))
    thread.start()
    store.set_timeout(timedelta(seconds=10))
    assert store.get("late") == b"x"
    thread.join()


def test_queues(tmp_path):
    for name, store in stores(tmp_path).items():
        if name == "file":
            with pytest.raises(NotImplementedError):
                store.queue_push("q", "1")
            continue
        store.queue_push("q", "1")
        store.queue_push("q", "2")
        assert store.queue_len("q") == 2
        assert [store.queue_pop("q"), store.queue_pop("q")] == [b"1", b"2"]
        with pytest.raises(dist.QueueEmptyError):
            store.queue_pop("q", block=False)


def test_tcp_errors():
    store = dist.TCPStore("127.0.0.1", 0, 1, True)
    with pytest.raises(dist.DistNetworkError, match="EADDRINUSE"):
        dist.TCPStore("127.0.0.1", store.port, 1, True)
    with pytest.raises(dist.DistStoreError, match="1/2 clients joined"):
        dist.TCPStore("127.0.0.1", 0, 2, True, timedelta(milliseconds=50))
    with pytest.raises(dist.DistNetworkError, match="timed out"):
        dist.TCPStore("127.0.0.1", 1, 1, False, timedelta(milliseconds=50))
    with pytest.raises(dist.DistStoreError, match="keys: /nope, /x"):
        store.wait(["nope", "x"], timedelta(milliseconds=10))


def test_file_goes_with_its_last_user(tmp_path):
    store = dist.FileStore(str(tmp_path / "s"), 2)
    store.set("a", "1")
    other = dist.FileStore(str(tmp_path / "s"), 2)
    assert other.get("a") == b"1"
    del store
    assert (tmp_path / "s").exists()
    del other
    assert not (tmp_path / "s").exists()


SILENT = """
import os, select, signal, subprocess, sys, time
from datetime import timedelta
from rushlight.distributed import TCPStore, _store_server as wire
from rushlight.distributed.tcp_store import Client

store = TCPStore("127.0.0.1", 0, 1, True)
store._client.ask(b"new_job", b"3")
members = [Client("127.0.0.1", store.port, timedelta(seconds=30)) for _ in range(3)]
children = [
    subprocess.Popen([sys.executable, "-c", code])
    for code in ("while True: pass", "import time; time.sleep(100)")
]
os.kill(children[1].pid, signal.SIGSTOP)
pids = [p.pid for p in children] + [os.getpid()]
for rank, (member, pid) in enumerate(zip(members, pids)):
    member.ask(b"join", b"0", b"%d" % rank, b"%d" % pid, b"another machine")
end, told, witness = time.monotonic() + 6, [], members[2]
while time.monotonic() < end and not told:
    witness.send(b"status", b"here")
    if not select.select([witness.sock], [], [], 0.1)[0]:
        continue
    kind, *fields = witness.receive()
    if kind[0] == wire.LOOK:
        ticks, states = wire.cpu_and_state(int(fields[2]))
        witness.send(b"seen", *fields[:2], b"%d" % ticks, states.encode())
    if kind[0] == wire.DEAD:
        told.append((fields[0].decode(), fields[1].decode()))
for p in children:
    p.kill()
print(told)
"""


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's /proc")
def test_who_is_busy_on_another_machine_is_told_from_who_is_stopped(environment):
    env = environment(RUSHLIGHT_HEARTBEAT_TIMEOUT="1")
    command = [sys.executable, "-c", SILENT]
    done = subprocess.run(command, env=env, capture_output=True, text=True, timeout=60)
    assert "[('1', 'it is stopped, or its machine is: no sign of life for" in done.stdout, (
        done.stdout + done.stderr
    )
