"""What is said of loops while they run: only of some can it be known that they do not end."""

import math
import os
import queue
import sys
import threading
import time

import pytest

from rushlight.distributed.loops import LoopWatch, loops_of

over = threading.Event()  # ends the loops after a test, by what they do not look at
flag = False


class Thing:
    def __init__(self):
        self.done = 0

    @property
    def computed(self):
        return over.is_set()


def there(path):
    return os.path.exists(path) or over.is_set()  # noqa: PTH110 (as programs write it)


def nothing():
    while not flag:
        pass


def an_attribute():
    thing = things[0] = Thing()
    while not thing.done:
        pass


def a_comparison():
    state = {"step": 3}
    states.append(state)
    while state["step"] < 4:
        pass


def an_event():
    while not over.is_set():
        pass


def pure_functions():
    while not flag:
        math.sqrt(2.0)


def sleeps():
    while not flag:
        time.sleep(0.002)


def sleeps_by_waiting():
    while not over.wait(0.002):
        pass


def a_queue():
    q = queues[0] = queue.Queue()
    while q.empty():
        time.sleep(0.002)


def constants():
    x = 1
    while not flag:
        x = 1
    return x


def in_a_loop():
    for _ in range(3):
        while not flag:
            pass


ENDLESS = [
    nothing,
    an_attribute,
    a_comparison,
    an_event,
    pure_functions,
    sleeps,
    sleeps_by_waiting,
    a_queue,
    constants,
    in_a_loop,
]


def counts():
    n = 0
    while not flag:
        n += 1


def a_property():
    thing = Thing()
    while not thing.computed:
        pass


def a_file():
    while not there("/no/such/file"):
        time.sleep(0.002)


def a_time():
    while time.time() < until[0]:
        pass


def an_iterator():
    for _ in iter(over.is_set, True):
        pass


def a_generator():
    def forever():
        while not flag:
            yield 1

    for _ in forever():
        pass


def one_long_call():
    sum(range(20_000_000))


def rounds_of_another_loop():
    """Seen in the inner loop only, but it is not what goes on."""
    while not there("/no/such/file"):
        i = 0
        while i < 1:
            time.sleep(0.002)
            i += 1


def calls_something():
    while not flag:
        there("/no/such/file")


WORK = [
    counts,
    a_property,
    a_file,
    a_time,
    an_iterator,
    a_generator,
    one_long_call,
    rounds_of_another_loop,
    calls_something,
]
things, queues, until, states = [None], [None], [0.0], []


def watched(function):
    """The longest time in an endless loop that was told in some looks at it."""
    until[0] = time.time() + 0.5
    thread = threading.Thread(target=function, daemon=True)
    thread.start()
    watch, longest = LoopWatch(), 0.0
    for look in range(40):
        time.sleep(0.006)
        frame = sys._current_frames().get(thread.ident)
        wakes = float(look) if "sleep" in function.__code__.co_names else 0.0
        wakes = float(look) if function in (sleeps_by_waiting, a_queue) else wakes
        longest = max(longest, watch.look(frame, time.monotonic(), wakes))
    return thread, longest


@pytest.fixture(autouse=True)
def ended():
    global flag
    flag = False
    over.clear()
    yield
    flag = True
    over.set()
    states[:] = [s.update(step=4) for s in states if s]
    for thing in filter(None, things):
        thing.done = 1
    for q in filter(None, queues):
        q.put(1)
    for thread in threading.enumerate():
        if thread.name.startswith("Thread-"):
            thread.join(5)


@pytest.mark.parametrize("function", ENDLESS)
def test_a_loop_that_cannot_end_is_known(function):
    thread, longest = watched(function)
    assert thread.is_alive()
    assert longest > 0.1


@pytest.mark.parametrize("function", WORK)
def test_of_other_loops_nothing_is_said(function):
    assert watched(function)[1] == 0


def test_what_is_known_of_code():
    (loop,) = loops_of(sleeps.__code__)
    assert (loop.chains, loop.calls, loop.ends) == ([("time", "sleep"), ("flag",)], 1, True)
    (loop,) = loops_of(in_a_loop.__code__)
    assert (loop.nested, loop.ends, loop.stores) == (True, True, [])
    assert loops_of(compile("while True: pass", "", "exec"))[0].ends is False
    assert loops_of(an_iterator.__code__) == []
    assert loops_of(a_generator.__code__.co_consts[1]) == []
