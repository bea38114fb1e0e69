"""TCPStore: a store that one process serves to the others over TCP."""

import contextlib
import os
import socket
import struct
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from rushlight.distributed import _store_server as wire
from rushlight.distributed.errors import DistNetworkError, DistStoreError, QueueEmptyError
from rushlight.distributed.store import DEFAULT_TIMEOUT, Store, milliseconds, to_bytes

__all__ = ["TCPStore"]

_JOINED = "init/"


def listen(port: int) -> socket.socket:
    """A socket that listens on all addresses of this machine; port 0 takes a free one."""
    family = socket.AF_INET6 if socket.has_dualstack_ipv6() else socket.AF_INET
    try:
        return socket.create_server(
            ("", port), family=family, dualstack_ipv6=family == socket.AF_INET6, backlog=4096
        )
    except OSError as error:
        raise DistNetworkError(
            "The server socket has failed to listen on any local network address. "
            f"port: {port}, useIpv6: false, code: -{error.errno}, "
            f"name: {_error_name(error)}, message: {os.strerror(error.errno or 0).lower()}"
        ) from None


def _error_name(error: OSError) -> str:
    names = {98: "EADDRINUSE", 48: "EADDRINUSE", 13: "EACCES", 111: "ECONNREFUSED"}
    return names.get(error.errno or 0, "unknown error")


_ending: list[subprocess.Popen] = []


class Server:
    """The serving process; it ends with this object or with the process that made it."""

    def __init__(self, listener: socket.socket) -> None:
        self.port: int = listener.getsockname()[1]
        script = str(Path(wire.__file__).resolve())
        listener.set_inheritable(True)
        self.process = subprocess.Popen(
            [sys.executable, "-I", "-S", script, str(listener.fileno()), "child"],
            stdin=subprocess.PIPE,
            pass_fds=[listener.fileno()],
            start_new_session=True,  # Ctrl-C ends the job, not what reports its end
        )
        listener.close()

    def stop(self) -> None:
        """End it."""
        if self.process.stdin is not None and not self.process.stdin.closed:
            self.process.stdin.close()
            try:
                self.process.wait(0.2)
            except subprocess.TimeoutExpired:  # it still has clients, and ends a little later
                _ending.append(self.process)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self.stop()


class Client:
    """One connection to the server: requests and their answers."""

    def __init__(self, host: str, port: int, timeout: timedelta) -> None:
        self.host, self.port = host, port
        self.lock = threading.Lock()
        self.sock = self._connect(host, port, timeout.total_seconds())

    @staticmethod
    def _connect(host: str, port: int, seconds: float) -> socket.socket:
        """Connect, again and again: the server may not have started yet."""
        end = time.monotonic() + seconds
        pause = 0.005
        while True:
            try:
                sock = socket.create_connection((host, port), timeout=max(0.1, min(seconds, 60)))
                sock.settimeout(None)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                sock.sendall(wire.MAGIC)
                return sock
            except OSError as error:
                if time.monotonic() + pause > end:
                    raise DistNetworkError(
                        f"The client socket has timed out after {milliseconds_of(seconds)}ms while "
                        f"trying to connect to ({host}, {port}): {error}"
                    ) from None
            time.sleep(pause)
            pause = min(pause * 2, 0.25)

    def send(self, *fields: bytes) -> None:
        """Send a request that has no answer."""
        try:
            self.sock.sendall(wire.pack(*fields))
        except OSError as error:
            raise DistNetworkError(f"Broken pipe: {error}") from None

    def receive(self) -> list[bytes]:
        """The next message: its status and fields."""
        (n,) = struct.unpack(">I", self._exactly(4))
        return wire.unpack(self._exactly(n))

    def _exactly(self, n: int) -> bytes:
        data = bytearray()
        while len(data) < n:
            try:
                part = self.sock.recv(min(n - len(data), 1 << 20))
            except OSError:
                part = b""
            if not part:
                raise DistNetworkError(
                    "Failed to recv, got 0 bytes. Connection was likely closed. "
                    "Did the remote server shutdown or crash?"
                )
            data += part
        return bytes(data)

    def ask(self, *fields: bytes) -> tuple[int, list[bytes]]:
        """Send a request and wait for its answer."""
        with self.lock:
            try:
                self.send(*fields)
                status, *rest = self.receive()
            except BaseException:  # an interrupt between the two would mix up the answers
                self.close()
                raise
        if status[0] == wire.ERROR:
            raise DistStoreError(rest[0].decode())
        return status[0], rest

    def close(self) -> None:
        """End the connection."""
        with contextlib.suppress(OSError):
            self.sock.shutdown(socket.SHUT_RDWR)
        self.sock.close()


def milliseconds_of(seconds: float) -> int:
    """Seconds as whole milliseconds."""
    return int(seconds * 1000)


class TCPStore(Store):
    """TCPStore(host_name, port, world_size=None, is_master=False, timeout=300 s,
    wait_for_workers=True, multi_tenant=False, master_listen_fd=None, use_libuv=True)

    A store served over TCP by the process with ``is_master``, which waits until ``world_size``
    processes have come (unless ``wait_for_workers`` is False). Port 0 takes a free one.

    DistNetworkError if the port is taken or nobody answers; DistStoreError after the timeout.

    >>> store = torch.distributed.TCPStore("127.0.0.1", 0, is_master=True)
    >>> store.set("a", "1"); store.get("a")
    b'1'
    """

    def __init__(
        self,
        host_name: str,
        port: int,
        world_size: int | None = None,
        is_master: bool = False,
        timeout: timedelta = DEFAULT_TIMEOUT,
        wait_for_workers: bool = True,
        multi_tenant: bool = False,
        master_listen_fd: int | None = None,
        use_libuv: bool = True,
    ) -> None:
        super().__init__()
        self._timeout = timeout
        self._server: Server | None = None
        if is_master:
            self._server = self._serve(port, multi_tenant, master_listen_fd)
            port = port if self._server is None else self._server.port
        self._host, self._port = host_name, port
        self._client = Client(host_name, port, timeout)
        joined = self.add(_JOINED, 1)
        if wait_for_workers and world_size and world_size > 0 and is_master:
            self._wait_for_workers(world_size, joined)

    @staticmethod
    def _serve(port: int, multi_tenant: bool, fd: int | None) -> Server | None:
        """Start the server, unless it is shared and there is one."""
        if fd is not None:
            return Server(socket.socket(fileno=fd))
        try:
            return Server(listen(port))
        except DistNetworkError:
            if multi_tenant and port:
                return None
            raise

    def _wait_for_workers(self, world_size: int, joined: int) -> None:
        end = time.monotonic() + self.timeout.total_seconds()
        while joined < world_size:
            if time.monotonic() > end:
                seconds = round(self.timeout.total_seconds())
                raise DistStoreError(
                    f"Timed out after {seconds + 1} seconds waiting for clients. "
                    f"{joined}/{world_size} clients joined."
                )
            time.sleep(0.002)
            joined = self.add(_JOINED, 0)

    def __del__(self) -> None:
        with contextlib.suppress(Exception):
            self._client.close()
            if self._server is not None:
                self._server.stop()

    def __repr__(self) -> str:
        serving = f"TCPServer(port={self._port})" if self._server is not None else "<nullptr>"
        client = f"TCPClient({self._host}:{self._port})"
        return f"TCPStore(client={client}, server={serving})"

    @property
    def host(self) -> str:
        """The host it was made with."""
        return self._host

    @property
    def port(self) -> int:
        """The port the server listens on."""
        return self._port

    @property
    def libuvBackend(self) -> bool:  # noqa: N802 (PyTorch's name)
        """True: one loop serves all connections."""
        return True

    def serving_pids(self) -> list[int]:
        """The process that serves, if this object has started it."""
        return [] if self._server is None else [self._server.process.pid]

    def _asked(self, *fields: bytes) -> list[bytes]:
        return self._client.ask(*fields)[1]

    def _waited(
        self, name: bytes, keys: Sequence[str], timeout: timedelta | None = None
    ) -> list[bytes]:
        """Ask for what may take until the timeout."""
        limit = self.timeout if timeout is None else timeout
        ms = b"%d" % milliseconds(limit)
        status, fields = self._client.ask(name, ms, *[k.encode() for k in keys])
        if status == wire.TIMEOUT:
            names = ", ".join(f"/{key}" for key in keys)
            raise DistStoreError(f"wait timeout after {milliseconds(limit)}ms, keys: {names}")
        return fields

    def set(self, key: str, value: str | bytes) -> None:
        """Put a value under a key."""
        self._asked(b"set", key.encode(), to_bytes(value))

    def get(self, key: str) -> bytes:
        """The value of a key; waits until there is one."""
        return self._waited(b"get", [key])[0]

    def add(self, key: str, amount: int) -> int:
        """Add to the number under a key and return the sum."""
        return int(self._asked(b"add", key.encode(), b"%d" % amount)[0])

    def compare_set(self, key: str, expected_value: str, desired_value: str) -> bytes:
        """Set the key if its value is the one expected; return the value it has then."""
        expected, desired = to_bytes(expected_value), to_bytes(desired_value)
        return self._asked(b"compare_set", key.encode(), expected, desired)[0]

    def check(self, keys: Sequence[str]) -> bool:
        """Whether all keys are there."""
        return bool(self._asked(b"check", *[key.encode() for key in keys])[0])

    def wait(self, keys: Sequence[str], timeout: timedelta | None = None) -> None:
        """Wait until all keys are there."""
        self._waited(b"wait", keys, timeout)

    def delete_key(self, key: str) -> bool:
        """Remove a key; whether there was one."""
        return bool(self._asked(b"delete_key", key.encode())[0])

    def num_keys(self) -> int:
        """How many keys there are, the count of clients among them."""
        return int(self._asked(b"num_keys")[0])

    def list_keys(self) -> list[str]:
        """All keys."""
        return [k.decode() for k in self._asked(b"list_keys") if k != _JOINED.encode()]

    def append(self, key: str, value: str | bytes) -> None:
        """Add to the end of the value of a key."""
        self._asked(b"append", key.encode(), to_bytes(value))

    def multi_get(self, keys: Sequence[str]) -> list[bytes]:
        """The values of several keys; waits until all are there."""
        return self._waited(b"get", keys)

    def multi_set(self, keys: Sequence[str], values: Sequence[str | bytes]) -> None:
        """Set several keys."""
        pairs = [p for k, v in zip(keys, values, strict=True) for p in (k.encode(), to_bytes(v))]
        self._asked(b"multi_set", *pairs)

    def queue_push(self, key: str, value: str | bytes) -> None:
        """Put a value at the end of a queue."""
        self._asked(b"queue_push", key.encode(), to_bytes(value))

    def queue_pop(self, key: str, block: bool = True) -> bytes:
        """Take the first value of a queue."""
        if block:
            return self._waited(b"queue_pop", [key])[0]
        status, fields = self._client.ask(b"queue_pop", b"-1", key.encode())
        if status == wire.EMPTY:
            raise QueueEmptyError("queue is empty")
        return fields[0]

    def queue_len(self, key: str) -> int:
        """How many values a queue holds."""
        return int(self._asked(b"queue_len", key.encode())[0])

    def has_extended_api(self) -> bool:
        """append, multi_get and multi_set are one step each."""
        return True

    def clone(self) -> "TCPStore":
        """Another connection to the same server."""
        other = TCPStore.__new__(TCPStore)
        Store.__init__(other)
        other._timeout, other._server = self._timeout, None
        other._host, other._port = self._host, self._port
        other._client = Client(self._host, self._port, self._timeout)
        return other
