"""spawn and start_processes: how failures come back."""

import os
import pickle
import signal
import tempfile
import time

import pytest

from rushlight import multiprocessing as mp

METHODS = ["fork", "spawn"]


@pytest.fixture(autouse=True)
def nothing_is_left(tmp_path, monkeypatch):
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    yield
    assert not list(tmp_path.glob("rushlight-errorfile-*"))


def act(index, what):
    if what == "raise" and index == 1:
        raise ValueError("legitimate exception from process 1")
    if what == "exit" and index == 1:
        os._exit(12)
    if what == "signal" and index == 1:
        os.kill(os.getpid(), signal.SIGUSR1)
    if what == "wait":
        time.sleep(600)
    if index == 0 and what != "nothing":
        time.sleep(600)


@pytest.mark.parametrize("method", METHODS)
def test_all_is_well(method):
    assert mp.start_processes(act, ("nothing",), nprocs=2, start_method=method) is None
    assert mp.start_processes(act, ("nothing",), nprocs=0, start_method=method) is None


@pytest.mark.parametrize("method", METHODS)
def test_a_process_that_raises(method):
    start = time.monotonic()
    with pytest.raises(mp.ProcessRaisedException) as caught:
        mp.start_processes(act, ("raise",), nprocs=2, start_method=method)
    text = str(caught.value)
    head = (
        "\n\n-- Process 1 terminated with the following error:\nTraceback (most recent call last)"
    )
    assert text.startswith(head)
    assert text.endswith("ValueError: legitimate exception from process 1\n")
    assert caught.value.error_index == 1 and caught.value.error_pid > 0
    assert time.monotonic() - start < 200  # the other one did not sleep on


@pytest.mark.parametrize(
    ("what", "text", "code", "name"),
    [
        ("exit", "process 1 terminated with exit code 12", 12, None),
        ("signal", "process 1 terminated with signal SIGUSR1", -signal.SIGUSR1, "SIGUSR1"),
    ],
)
def test_a_process_that_exits(what, text, code, name):
    with pytest.raises(mp.ProcessExitedException) as caught:
        mp.start_processes(act, (what,), nprocs=2, start_method="fork")
    error = caught.value
    assert (str(error), error.error_index, error.exit_code, error.signal_name) == (
        text,
        1,
        code,
        name,
    )
    again = pickle.loads(pickle.dumps(error))
    assert (str(again), again.error_pid, again.exit_code) == (text, error.error_pid, code)


def test_contexts():
    context = mp.start_processes(act, ("wait",), nprocs=2, join=False, start_method="fork")
    assert len(set(context.pids())) == 2
    assert context.join(timeout=0.05) is False
    os.kill(context.pids()[0], signal.SIGKILL)
    with pytest.raises(mp.ProcessExitedException, match="process 0 terminated with signal SIGKILL"):
        context.join(grace_period=0.1)
    assert not any(p.is_alive() for p in context.processes)


def test_another_start_method_is_warned_of():
    with pytest.warns(FutureWarning, match="only supports start_method=spawn .got: fork."):
        mp.spawn(divmod, (3,), start_method="fork")
    with pytest.warns(UserWarning, match="SpawnContext is renamed to ProcessContext"):
        mp.SpawnContext([], [])


def test_names_of_threads():
    before = mp._get_thread_name()
    try:
        mp._set_thread_name("a worker of data")
        assert mp._get_thread_name() in ("a worker of dat", "a worker of data")
    finally:
        mp._set_thread_name(before)
