"""A piece of road between two ends that is watched: a TCP forwarder that records every byte, routes by the server name
that a TLS connection asks for, and cuts what it is told to. It has no key.
"""
import dataclasses
import pathlib
import socket
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[2] / "tools" / "demo"))

from wire import server_name  # noqa: E402

CHUNK = 65536
HELLO_LIMIT = 32768


@dataclasses.dataclass
class Crossed:
    """One connection. `sent` and `received` are (time, bytes) of the side that opened it and of the other."""
    opened: float
    name: str = ""
    is_cut: bool = False
    is_over: bool = False  # nothing more will be recorded
    sent: list = dataclasses.field(default_factory=list)
    received: list = dataclasses.field(default_factory=list)

    def sent_after(self, moment):
        return b"".join(data for at, data in self.sent if at > moment)

    def everything(self):
        return b"".join(data for _, data in self.sent), b"".join(data for _, data in self.received)


HANDSHAKE, APPLICATION_DATA = 22, 23  # content types (RFC 8446 §5.1)


def records(stream):
    """The TLS records of one direction, as (content type, length of what is in it)."""
    found, at = [], 0
    while at + 5 <= len(stream):
        length = int.from_bytes(stream[at + 3:at + 5], "big")
        found.append((stream[at], length))
        at += 5 + length
    return found


class Crossing:
    """`route(name)` says where a connection that asks for `name` goes: a port of 127.0.0.1, None to cut it, or a function that
    takes the socket and the bytes that were read from it, and must close it. What does not begin with a TLS handshake record has the name "". `may_return(crossed)`, where given, is asked before bytes go back to
    whoever opened the connection; where it says no they are lost and the connection is cut."""

    def __init__(self, route, keep=True, may_return=None):
        self.route = route
        self.keep = keep
        self.may_return = may_return
        self.crossed = []
        self._open = set()
        self._lock = threading.Lock()
        self._listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self._accept, daemon=True).start()

    @property
    def port(self):
        return self._listener.getsockname()[1]

    def named(self, prefix, since=0.0):
        return [one for one in list(self.crossed) if one.opened > since and one.name.startswith(prefix)]

    def close(self):
        self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self.cut()

    def cut(self):
        """Ends every connection that is open now."""
        with self._lock:
            ends = list(self._open)
        for end in ends:
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def _accept(self):
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            one = Crossed(time.monotonic())
            self.crossed.append(one)
            threading.Thread(target=self._carry, args=(one, near), daemon=True).start()

    def _read_hello(self, near):
        """The first bytes and the name in them; no more is read than is needed to know."""
        hello = b""
        while len(hello) < HELLO_LIMIT:
            more = near.recv(CHUNK)
            hello += more
            if not more or hello[0] != 0x16:
                return hello, ""
            if (name := server_name(hello)) is not None:
                return hello, name
        return hello, ""

    def _carry(self, one, near):
        with near:
            try:
                hello, one.name = self._read_hello(near)
                port = self.route(one.name)
                if not hello or port is None:
                    one.is_cut = True
                    return
                if callable(port):
                    port(near.dup(), hello)
                    return
                with socket.create_connection(("127.0.0.1", port)) as far:
                    with self._lock:
                        self._open |= {near, far}
                    self._note(one.sent, hello)
                    far.sendall(hello)
                    back = threading.Thread(target=self._pump, args=(one, far, near, one.received), daemon=True)
                    back.start()
                    self._pump(one, near, far, one.sent)
                    back.join()
                    with self._lock:
                        self._open -= {near, far}
            except OSError:
                pass
            finally:
                one.is_over = True

    def _note(self, noted, data):
        noted.append((time.monotonic(), data if self.keep else b""))

    def _pump(self, one, source, target, noted):
        try:
            while data := source.recv(CHUNK):
                self._note(noted, data)
                if noted is one.received and self.may_return and not self.may_return(one):
                    one.is_cut = True
                    for end in (source, target):
                        end.shutdown(socket.SHUT_RDWR)
                    return
                target.sendall(data)
        except OSError:
            pass
        try:
            target.shutdown(socket.SHUT_WR)
        except OSError:
            pass
