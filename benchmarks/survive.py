"""Cases that may take their process with them, each done once: after an illegal address a GPU's
context answers nothing more, and a call may hang. A worker does cases in order; where it dies or
takes too long, another goes on with the next.

A worker is ``python FILE section --only FIRST STEP``: it does every STEP-th case from FIRST on and
says ``@ index name`` before each.
"""

import subprocess
import sys
import threading
import time

STICKY = 3  # what a worker exits with when its context is lost


def drive(file, section, workers, seconds, each):
    """Run the cases of a section in so many workers, for at most so many seconds in all, and
    ``each`` for one case. What they print is passed on line by line."""
    end = time.monotonic() + seconds
    threads = [
        threading.Thread(target=_one_share, args=(file, section, i, workers, end, each))
        for i in range(workers)
    ]
    for t in threads:
        t.start()
    for t in threads:
        t.join()


def _one_share(file, section, first, step, end, each):
    while first is not None and time.monotonic() < end:
        first = _one_worker(file, section, first, step, end, each)
    if first is not None:
        say(f"  out of time: cases from {first} in steps of {step} were not done")


def _one_worker(file, section, first, step, end, each):
    """Run one worker; the case that the next one is to begin with, or None when all are done."""
    command = [sys.executable, "-W", "ignore", file, section, "--only", str(first), str(step)]
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, errors="replace"
    )
    state = {"at": first, "name": "the start", "begun": time.monotonic()}
    stop = threading.Event()

    def watch():
        while not stop.wait(0.5):
            now = time.monotonic()
            if now - state["begun"] > each or now > end:
                process.kill()
                return

    watcher = threading.Thread(target=watch)
    watcher.start()
    try:
        for line in process.stdout:
            if line.startswith("@ "):
                _, index, name = line.rstrip("\n").split(" ", 2)
                state.update(at=int(index), name=name, begun=time.monotonic())
            else:
                say(line.rstrip("\n"))
        code = process.wait()
    finally:
        stop.set()
        watcher.join()
    if code == 0:
        return None
    if code != STICKY and time.monotonic() < end:
        took = time.monotonic() - state["begun"]
        say(f"  {state['name']}: the process ended with {code} after {took:.0f} s")
    return state["at"] + step


_speaking = threading.Lock()


def say(text):
    """A line at once, whole."""
    with _speaking:
        print(text, flush=True)


def work(cases, first, step, do, lost):
    """A worker's part: ``do(name, case)`` for its cases; exits when ``lost()`` says that the device
    answers no more."""
    items = list(cases.items())
    for i in range(first, len(items), step):
        name, case = items[i]
        say(f"@ {i} {name}")
        do(name, case)
        if lost():
            say(f"  {name}: the device answers no more; a new process goes on")
            sys.exit(STICKY)
