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
