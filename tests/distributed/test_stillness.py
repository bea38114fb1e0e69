"""What Stillness says of a process that waits in a loop, asked in a process of its own."""

import subprocess
import sys

import pytest

from rushlight.distributed import stillness

PROGRAM = """
import sys, threading, time
from rushlight.distributed import stillness

stillness._will_be_called = lambda: pending
pending, told, done = sys.argv[1] == "pending", [], threading.Event()

def looks():
    global pending
    watch = stillness.Stillness()
    for _ in range(40):
        time.sleep(0.025)
        told.append(watch.look())
    pending = False  # it has been called, but the main thread has not seen what it did
    time.sleep(0.025)
    told.append(watch.look())
    done.set()

threading.Thread(target=looks).start()
while not done.is_set():
    {body}
print(max(told))
"""


@pytest.mark.skipif(not stillness.supported(), reason="needs Linux's /proc/self/task/*/syscall")
@pytest.mark.parametrize("body", ["pass", "time.sleep(0.01)"])
def test_the_time_is_counted_from_the_last_call_of_a_timer(body):
    def longest(argument):
        command = [sys.executable, "-c", PROGRAM.replace("{body}", body), argument]
        return float(subprocess.run(command, capture_output=True, check=True, text=True).stdout)

    assert longest("nothing") > 0.3
    assert longest("pending") < 0.2


WAITING = """
import multiprocessing, os, signal, threading, time
from concurrent.futures import ThreadPoolExecutor
from rushlight.distributed import stillness

SECONDS, told, done = 0.6, [], threading.Event()

def looks():
    watch = stillness.Stillness()
    while not done.is_set():
        time.sleep(0.05)
        told.append(watch.look())

def waits_for_a_task():
    with ThreadPoolExecutor(1) as pool:
        pool.submit(time.sleep, SECONDS).result()

def waits_for_an_event():
    event = threading.Event()
    threading.Thread(target=lambda: (time.sleep(SECONDS), event.set()), daemon=True).start()
    event.wait()

def looks_at_a_list():
    state = []
    def wait():
        threading.Event().wait(SECONDS)
        state.append(1)
    threading.Thread(target=wait).start()
    while not state:
        time.sleep(0.01)

def in_a_child(action):
    if os.fork() == 0:
        time.sleep(SECONDS)
        action()
        os._exit(0)

def waits_for_a_signal():
    signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR1])
    in_a_child(lambda: os.kill(os.getppid(), signal.SIGUSR1))
    signal.sigwait([signal.SIGUSR1])

def waits_for_a_process():
    semaphore = multiprocessing.get_context("fork").Semaphore(0)
    in_a_child(semaphore.release)
    semaphore.acquire()

def hangs():
    threading.Thread(target=threading.Event().wait, daemon=True).start()
    threading.Thread(target=time.sleep, args=(100,), daemon=True).start()
    lock = threading.Lock()
    lock.acquire()
    def release():
        done.wait()
        lock.release()
    threading.Thread(target=release).start()
    def end():
        while max(told, default=0) < SECONDS:
            time.sleep(0.05)
        done.set()
    threading.Thread(target=end, name="rushlight-test").start()
    lock.acquire()

watcher = threading.Thread(target=looks)
watcher.start()
for name in {names}:
    globals()[name]()
done.set()
watcher.join()
print(max(told))
"""
LEGITIMATE = ["waits_for_a_task", "waits_for_an_event", "looks_at_a_list"]
LEGITIMATE += ["waits_for_a_signal", "waits_for_a_process"]


@pytest.mark.skipif(not stillness.supported(), reason="needs Linux's /proc/self/task/*/syscall")
def test_waiting_for_a_thread_that_sleeps_or_for_another_process_is_no_hang():
    def longest(names):
        command = [sys.executable, "-c", WAITING.replace("{names}", repr(names))]
        done = subprocess.run(command, capture_output=True, check=True, text=True, timeout=100)
        return float(done.stdout)

    assert longest(LEGITIMATE) < 0.4
    assert longest(["hangs"]) >= 0.6
