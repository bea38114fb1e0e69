"""The server behind TCPStore: a process of its own that needs nothing but the standard library.

It is run by its path, not as a module, so that it starts in milliseconds. One loop serves three
kinds of connections: keys and values (``TCPStore``), members of a job (each keeps a connection
open; one that closes without farewell has died, and the others are told), and MPI libraries, which
speak the text protocol PMI-1 at start to find each other.

A process of its own because MPI_Init holds the interpreter's lock while it waits for the server.
"""

import contextlib
import os
import selectors
import socket
import struct
import sys
import time
from collections import deque

MAGIC = b"RLS1"
OK, TIMEOUT, ERROR, EMPTY, DEAD, LEFT, OVER, HUNG, LOOK = range(9)
# Seconds to go on when the process that started this one is gone: others hear of its death here.
LINGER = 10.0
# A member that says nothing for so long is looked at: stopped, or its machine is gone?
SILENCE = float(os.environ.get("RUSHLIGHT_HEARTBEAT_TIMEOUT", "5"))
# The same for one on a machine where nobody else can look at it: it may be busy inside C code.
SILENCE_ALONE = 6 * SILENCE
# A member that stands still for so long, while others wait for it as long, hangs. 0: never.
HANG = float(os.environ.get("RUSHLIGHT_HANG_TIMEOUT", "6"))


def pack(*fields):
    """One message: the length of the rest, then each field with its length."""
    body = b"".join(struct.pack(">I", len(f)) + f for f in fields)
    return struct.pack(">I", len(body)) + body


def unpack(body):
    """The fields of a message without its length."""
    fields, at = [], 0
    while at < len(body):
        (n,) = struct.unpack_from(">I", body, at)
        fields.append(bytes(body[at + 4 : at + 4 + n]))
        at += 4 + n
    return fields


class Connection:
    """One client: what it sent so far, what it is to get, what it is."""

    def __init__(self, sock):
        self.sock = sock
        self.received = bytearray()
        self.to_send = bytearray()
        self.kind = None  # "store" or "pmi", after the first bytes
        self.member = None
        self.pmi = None  # (job, rank)


class Job:
    """The processes of one world: their connections, what they did last, and MPI's own keys."""

    def __init__(self, number, size):
        self.number, self.size = number, size
        self.members = {}  # rank -> Member
        self.dead = []  # messages for those who come later
        self.keys = {}
        self.barrier = []
        self.name = f"rushlight_{os.getpid()}_{number}_{time.time_ns()}"


class Member:
    """One rank of a job, as the server knows it."""

    def __init__(self, rank, pid, host, connection):
        self.rank, self.pid, self.host, self.connection = rank, pid, host, connection
        self.status = b"none"
        self.heard = time.monotonic()
        self.cpu = None
        self.seen = None  # (when, ticks, states): what another process of its machine has told
        self.still, self.place = 0, ""  # seconds without progress, and where
        self.begun = {}  # group -> how many collectives it has begun there
        self.waits = None  # (group, number, seconds, ranks): what its program waits for

    def note(self, still, place, begun, waits):
        """What the member says about its progress."""
        self.still, self.place = int(still), place.decode()
        pairs = (pair.split(":") for pair in begun.decode().split(",") if pair)
        self.begun = {group: int(number) for group, number in pairs}
        self.waits = None
        if waits:
            group, number, seconds, ranks = waits.decode().split(":")
            others = [int(r) for r in ranks.split(".") if r]
            self.waits = group, int(number or 0), int(seconds), others

    def lacks(self, other):
        """Does this member wait for another one to begin, and has it for long?"""
        if self.waits is None or self.waits[2] < HANG or other.rank not in self.waits[3]:
            return False
        group, number = self.waits[:2]
        return not group or other.begun.get(group, 0) < number


def host_identity():
    """A name that two processes share if they see each other's process ids and network."""
    try:
        return f"{os.uname().nodename}/{os.stat('/proc/self/ns/pid').st_ino}".encode()  # noqa: PTH116
    except (OSError, AttributeError):  # no /proc; Windows
        return socket.gethostname().encode()


def cpu_and_state(pid):
    """The processor time a process has used, in ticks, and the states of its threads, as letters;
    None if it is gone.
    """
    ticks, states = 0, ""
    try:
        for thread in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208 (names only)
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                path = f"/proc/{pid}/task/{thread}/stat"
                with open(path, encoding="utf-8", errors="replace") as file:  # noqa: PTH123
                    rest = file.read().rpartition(")")[2].split()
                ticks += int(rest[11]) + int(rest[12])
                states += rest[0]
    except OSError:
        return None
    return ticks, states


def notice_lost_machines(sock):
    """Have the system ask the other end whether it is there: it answers while a process is busy."""
    seconds = max(1, round(SILENCE))
    with contextlib.suppress(OSError, AttributeError):
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        for option, value in (
            (socket.TCP_KEEPIDLE, 1),
            (socket.TCP_KEEPINTVL, 1),
            (socket.TCP_KEEPCNT, seconds),
            (socket.TCP_USER_TIMEOUT, 1000 * (seconds + 1)),
        ):
            sock.setsockopt(socket.IPPROTO_TCP, option, value)


def let_go_of_outputs():
    """Who reads what the job prints is not to wait for this process, which ends a little later."""
    null = os.open(os.devnull, os.O_WRONLY)
    for stream in (1, 2):
        os.dup2(null, stream)


class Server:
    """The loop over all connections."""

    def __init__(self, listener):
        self.selector = selectors.DefaultSelector()
        self.listener = listener
        listener.setblocking(False)
        self.selector.register(listener, selectors.EVENT_READ, None)
        self.data = {}
        self.queues = {}
        self.waiting = []  # (deadline, connection, keys, what to do then)
        self.jobs = {}
        self.host = host_identity()
        self.looked = 0.0
        self.end = None
        self.clients = 0
        self.guarded = False

    def do_guard(self, c):
        """The process that started this one is an agent: without it no job may go on."""
        self.guarded = True
        self.answer(c, OK)

    def end_guarded(self):
        """The agent is gone: tell the members."""
        for job in self.jobs.values() if self.guarded else ():
            for member in list(job.members.values()):
                reason = b"the agent that started it has ended"
                message = pack(bytes([DEAD]), b"%d" % member.rank, reason, member.status)
                self.send(member.connection, message)

    def is_over(self):
        """The process that started this one is gone, and nobody needs to hear of it any more."""
        if self.end is None or (self.clients and time.monotonic() < self.end):
            return False
        for job in self.jobs.values():
            for member in job.members.values():
                self.send(member.connection, pack(bytes([OVER])))
        return True

    def run(self, parent):
        """Serve until the process that started this one is gone."""
        if parent is not None:
            self.selector.register(parent, selectors.EVENT_READ, "parent")
        while not self.is_over():
            for key, mask in self.selector.select(self.next_timeout()):
                if key.data == "parent":
                    self.selector.unregister(parent)
                    self.end = time.monotonic() + LINGER
                    let_go_of_outputs()
                    self.end_guarded()
                    continue
                if key.data is None:
                    self.accept()
                    continue
                if mask & selectors.EVENT_READ:
                    self.read(key.data)
                if mask & selectors.EVENT_WRITE and key.data.sock.fileno() >= 0:
                    self.flush(key.data)
            self.expire()
            self.look_after_members()

    def next_timeout(self):
        """Seconds until something is due."""
        due = [w[0] for w in self.waiting]
        nearest = min(due) - time.monotonic() if due else 1.0
        return max(0.0, min(nearest, 1.0 if self.end is None else 0.1))

    def accept(self):
        """A new client."""
        try:
            sock, _ = self.listener.accept()
        except OSError:
            return
        sock.setblocking(False)
        with contextlib.suppress(OSError):
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        notice_lost_machines(sock)
        self.selector.register(sock, selectors.EVENT_READ, Connection(sock))
        self.clients += 1

    def read(self, c):
        """What has arrived, message by message."""
        try:
            data = c.sock.recv(1 << 20)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        if not data:
            self.close(c)
            return
        c.received += data
        if c.kind is None:
            if len(c.received) < 4:
                return
            c.kind = "store" if c.received.startswith(MAGIC) else "pmi"
            if c.kind == "store":
                del c.received[:4]
        if c.kind == "store":
            self.read_frames(c)
        else:
            self.read_lines(c)

    def read_frames(self, c):
        while len(c.received) >= 4:
            (n,) = struct.unpack_from(">I", c.received)
            if len(c.received) < 4 + n:
                return
            body = bytes(c.received[4 : 4 + n])
            del c.received[: 4 + n]
            name, *fields = unpack(body)
            try:
                getattr(self, "do_" + name.decode())(c, *fields)
            except Exception as error:
                self.answer(c, ERROR, f"{type(error).__name__}: {error}".encode())

    def read_lines(self, c):
        while True:
            line, newline, rest = bytes(c.received).partition(b"\n")
            if not newline:
                return
            c.received = bytearray(rest)
            pairs = dict(p.split("=", 1) for p in line.decode().split() if "=" in p)
            handler = getattr(self, "pmi_" + pairs.get("cmd", ""), None)
            if handler is None:
                self.send(c, f"cmd={pairs.get('cmd')} rc=-1 msg=unknown_command\n".encode())
            else:
                handler(c, pairs)

    def send(self, c, data):
        c.to_send += data
        self.flush(c)

    def answer(self, c, status, *fields):
        self.send(c, pack(bytes([status]), *fields))

    def flush(self, c):
        """Send what can be sent now; the rest when the client takes it."""
        if c.sock.fileno() < 0:
            return
        try:
            while c.to_send:
                sent = c.sock.send(c.to_send)
                del c.to_send[:sent]
        except BlockingIOError:
            pass
        except OSError:
            c.to_send.clear()
            return
        events = selectors.EVENT_READ | (selectors.EVENT_WRITE if c.to_send else 0)
        with contextlib.suppress(KeyError, ValueError):
            self.selector.modify(c.sock, events, c)

    def close(self, c):
        """A client is gone; if it was a member of a job and said no farewell, it has died."""
        with contextlib.suppress(KeyError, ValueError):
            self.selector.unregister(c.sock)
        c.sock.close()
        self.clients -= 1
        self.waiting = [w for w in self.waiting if w[1] is not c]
        if c.member is not None:
            job, rank = c.member
            self.died(job, rank, b"its process ended")

    # ---- keys and values -------------------------------------------------------------------------

    def when(self, c, timeout, keys, then):
        """Answer when all keys are there, or after so many milliseconds that they are not."""
        if all(k in self.data for k in keys):
            then()
        else:
            deadline = time.monotonic() + int(timeout) / 1000
            self.waiting.append((deadline, c, keys, then))

    def wake(self):
        """Something was set: who has waited for it?"""
        ready = [w for w in self.waiting if w[2] and all(k in self.data for k in w[2])]
        if ready:
            self.waiting = [w for w in self.waiting if w not in ready]
            for w in ready:
                w[3]()

    def expire(self):
        now = time.monotonic()
        late = [w for w in self.waiting if w[0] <= now]
        if late:
            self.waiting = [w for w in self.waiting if w[0] > now]
            for w in late:
                self.answer(w[1], TIMEOUT)

    def put(self, key, value):
        self.data[key] = value
        self.wake()

    def do_set(self, c, key, value):
        self.put(key, value)
        self.answer(c, OK)

    def do_get(self, c, timeout, *keys):
        self.when(c, timeout, keys, lambda: self.answer(c, OK, *[self.data[k] for k in keys]))

    def do_wait(self, c, timeout, *keys):
        self.when(c, timeout, keys, lambda: self.answer(c, OK))

    def do_add(self, c, key, amount):
        value = int(self.data.get(key, b"0")) + int(amount)
        self.put(key, b"%d" % value)
        self.answer(c, OK, b"%d" % value)

    def do_compare_set(self, c, key, expected, desired):
        if key not in self.data:
            if expected:
                self.answer(c, OK, expected)
                return
            self.put(key, desired)
        elif self.data[key] == expected:
            self.put(key, desired)
        self.answer(c, OK, self.data[key])

    def do_check(self, c, *keys):
        self.answer(c, OK, b"1" if all(k in self.data for k in keys) else b"")

    def do_delete_key(self, c, key):
        found = self.data.pop(key, None) is not None
        self.answer(c, OK, b"1" if found else b"")

    def do_num_keys(self, c):
        self.answer(c, OK, b"%d" % len(self.data))

    def do_list_keys(self, c):
        self.answer(c, OK, *self.data)

    def do_append(self, c, key, value):
        self.put(key, self.data.get(key, b"") + value)
        self.answer(c, OK)

    def do_multi_set(self, c, *pairs):
        for key, value in zip(pairs[::2], pairs[1::2], strict=True):
            self.data[key] = value
        self.wake()
        self.answer(c, OK)

    def do_queue_push(self, c, key, value):
        self.answer(c, OK)
        for w in self.waiting:
            if w[2] == () and w[3][0] == key:
                self.waiting.remove(w)
                self.answer(w[1], OK, value)
                return
        self.queues.setdefault(key, deque()).append(value)

    def do_queue_pop(self, c, timeout, key):
        queue = self.queues.get(key)
        if queue:
            self.answer(c, OK, queue.popleft())
        elif int(timeout) < 0:
            self.answer(c, EMPTY)
        else:
            deadline = time.monotonic() + int(timeout) / 1000
            self.waiting.append((deadline, c, (), (key,)))

    def do_queue_len(self, c, key):
        self.answer(c, OK, b"%d" % len(self.queues.get(key, ())))

    # ---- jobs ------------------------------------------------------------------------------------

    def do_new_job(self, c, size):
        number = len(self.jobs)
        self.jobs[number] = Job(number, int(size))
        self.answer(c, OK, b"%d" % number)

    def do_join(self, c, number, rank, pid, host):
        job = self.jobs[int(number)]
        job.members[int(rank)] = Member(int(rank), int(pid), host, c)
        c.member = (job, int(rank))
        self.answer(c, OK)
        for message in job.dead:
            self.send(c, message)

    def do_status(self, c, text, *progress):
        """What a member did last; it doubles as a sign of life, so there is no answer."""
        job, rank = c.member
        member = job.members[rank]
        member.status, member.heard, member.cpu = text, time.monotonic(), None
        if progress:
            member.note(*progress)

    def do_seen(self, c, number, rank, ticks, states):
        """What a member was asked to look at: another process of its machine."""
        member = self.jobs[int(number)].members.get(int(rank))
        if member is not None:
            member.seen = time.monotonic(), int(ticks), states.decode()

    def do_failed(self, c, reason):
        """A member says itself why it is about to end."""
        job, rank = c.member
        c.member = None
        self.died(job, rank, reason)
        self.answer(c, OK)

    def do_bye(self, c):
        """A member has nothing more to do here."""
        job, rank = c.member
        c.member = None
        member = job.members.pop(rank, None)
        self.answer(c, OK)
        if member is not None:
            job.dead.append(pack(bytes([LEFT]), b"%d" % rank, b"it has ended", member.status))
            for other in list(job.members.values()):
                self.send(other.connection, job.dead[-1])

    def do_report(self, c, number):
        """Rank and last collective of all members, and what is known of the dead."""
        job = self.jobs[int(number)]
        fields = []
        for rank, member in sorted(job.members.items()):
            fields += [b"%d" % rank, member.status]
        self.answer(c, OK, *fields)

    def do_deaths(self, c, number):
        """The messages about those who died."""
        job = self.jobs.get(int(number))
        self.answer(c, OK, *([] if job is None else [m[4:] for m in job.dead]))

    def do_jobs(self, c):
        self.answer(c, OK, b"%d" % len(self.jobs))

    def died(self, job, rank, reason, kind=DEAD):
        """Tell the living."""
        member = job.members.pop(rank, None)
        if member is None:
            return
        message = pack(bytes([kind]), b"%d" % rank, reason, member.status)
        job.dead.append(message)
        for other in list(job.members.values()):
            self.send(other.connection, message)

    def look_after_members(self):
        """A member that is silent may be busy; one that is silent and idle, or stopped, is dead."""
        now = time.monotonic()
        if now - self.looked < 0.5:
            return
        self.looked = now
        for job in self.jobs.values():
            self.look_for_hangs(job)
            for rank, member in list(job.members.items()):
                silent = now - member.heard
                if silent < SILENCE / 2:
                    continue
                alone = member.host != self.host and not self.ask_witness(job, member, now)
                patience = SILENCE_ALONE if alone else SILENCE
                if (alone or self.is_idle(member)) and silent > patience:
                    reason = b"it is stopped, or its machine is: no sign of life for %d s"
                    member.connection.member = None
                    self.died(job, rank, reason % silent)

    def ask_witness(self, job, member, now):
        """Ask another process of a member's machine to look at it; False if there is none."""
        for other in [m for j in self.jobs.values() for m in j.members.values()]:
            lives = now - other.heard < max(SILENCE / 2, 2)
            if other is not member and other.host == member.host and lives:
                numbers = [b"%d" % n for n in (job.number, member.rank, member.pid)]
                self.send(other.connection, pack(bytes([LOOK]), *numbers))
                return True
        return False

    def look_for_hangs(self, job):
        """Who stands still while others wait for it? And who waits in a circle?"""
        held = [m for m in job.members.values() if m.waits is not None and m.waits[2] >= HANG]
        for waiting in held if HANG else ():
            for rank in waiting.waits[3]:
                late = job.members.get(rank)
                if late is None or not waiting.lacks(late) or late.still < HANG:
                    continue
                if late.waits is None:
                    text = f"it hangs: no progress for {late.still} s in {late.place}"
                elif late in held and self.waits_for(job, late, waiting):
                    text = (
                        f"it waits for rank {waiting.rank}, which waits for it in "
                        + (waiting.status.decode().rpartition(",")[0])
                    )
                else:
                    continue
                connection = late.connection
                self.died(job, rank, text.encode(), HUNG)
                connection.member = None
                self.send(connection, job.dead[-1])
                return

    def waits_for(self, job, first, last):
        """Does a member wait, by way of others that wait, for another one?"""
        seen, new = {first.rank}, [first]
        while new:
            member = new.pop()
            if member is last:
                return True
            if member.waits is None or not member.waits[0]:
                continue
            for rank in member.waits[3]:
                other = job.members.get(rank)
                if other is not None and rank not in seen and member.lacks(other):
                    seen.add(rank)
                    new.append(other)
        return False

    def is_idle(self, member):
        """Did it use no processor time since the last look?

        No, if a thread waits for a processor, or for a disk: it would go on if it could.
        """
        if member.host == self.host:
            seen = cpu_and_state(member.pid)
        elif member.seen is None or time.monotonic() - member.seen[0] > 2:
            return False  # the witness will tell
        else:
            seen, member.seen = member.seen[1:], None
        if seen is None or not set(seen[1]) - set("TtZX"):
            return True
        before, member.cpu = member.cpu, seen[0]
        return before == seen[0] and not set(seen[1]) & set("RD")

    # ---- PMI-1: the text that MPI libraries speak when they start --------------------------------

    def pmi_initack(self, c, pairs):
        number, rank = divmod(int(pairs["pmiid"]), 1 << 16)
        job = self.jobs[number]
        c.pmi = (job, rank)
        text = f"cmd=initack rc=0\ncmd=set size={job.size}\ncmd=set rank={rank}\ncmd=set debug=0\n"
        self.send(c, text.encode())

    def pmi_init(self, c, pairs):
        self.send(c, b"cmd=response_to_init pmi_version=1 pmi_subversion=1 rc=0\n")

    def pmi_get_maxes(self, c, pairs):
        self.send(c, b"cmd=maxes kvsname_max=256 keylen_max=64 vallen_max=1024 rc=0\n")

    def pmi_get_appnum(self, c, pairs):
        self.send(c, b"cmd=appnum appnum=0 rc=0\n")

    def pmi_get_universe_size(self, c, pairs):
        self.send(c, b"cmd=universe_size size=%d rc=0\n" % c.pmi[0].size)

    def pmi_get_my_kvsname(self, c, pairs):
        self.send(c, f"cmd=my_kvsname kvsname={c.pmi[0].name} rc=0\n".encode())

    def pmi_put(self, c, pairs):
        c.pmi[0].keys[pairs["key"]] = pairs["value"]
        self.send(c, b"cmd=put_result rc=0\n")

    def pmi_get(self, c, pairs):
        value = c.pmi[0].keys.get(pairs["key"])
        if value is None:
            self.send(c, b"cmd=get_result rc=-1 msg=key_not_found\n")
        else:
            self.send(c, f"cmd=get_result rc=0 value={value}\n".encode())

    def pmi_barrier_in(self, c, pairs):
        job = c.pmi[0]
        job.barrier.append(c)
        if len(job.barrier) == job.size:
            arrived, job.barrier = job.barrier, []
            for other in arrived:
                self.send(other, b"cmd=barrier_out rc=0\n")

    def pmi_finalize(self, c, pairs):
        self.send(c, b"cmd=finalize_ack rc=0\n")

    def pmi_abort(self, c, pairs):
        self.close(c)


if __name__ == "__main__":
    fd = int(sys.argv[1])
    Server(socket.socket(fileno=fd)).run(sys.stdin if len(sys.argv) > 2 else None)
