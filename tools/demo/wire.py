"""A piece of wire between a device and the relay that is watched and can be cut: forwards TCP, notes when how many bytes
went which way, and refuses what leads to the status service for as long as it is told to.

It has no key and decrypts nothing: the server's name is read from the ClientHello, as anybody in between could.
"""
import dataclasses
import socket
import threading
import time

from tcp import CHUNK, carry

HELLO_LIMIT = 32768


def server_name(hello):
    """The SNI of a TLS ClientHello (RFC 6066 §3); "" when there is none, None while the hello is not complete."""
    if len(hello) < 5:
        return None
    length = int.from_bytes(hello[3:5], "big")
    if len(hello) < 5 + length:
        return None
    body = hello[5:5 + length]
    at = 4 + 2 + 32  # handshake header, version, random
    at += 1 + body[at]  # session id
    at += 2 + int.from_bytes(body[at:at + 2], "big")  # cipher suites
    at += 1 + body[at]  # compression
    end = at + 2 + int.from_bytes(body[at:at + 2], "big")
    at += 2
    while at + 4 <= end:
        kind, size = int.from_bytes(body[at:at + 2], "big"), int.from_bytes(body[at + 2:at + 4], "big")
        if kind == 0:
            return body[at + 9:at + 4 + size].decode("ascii", "replace")
        at += 4 + size
    return ""


@dataclasses.dataclass
class Passage:
    """One connection as it was seen. `sent` and `received` are (time, bytes) of the device's and the server's side."""
    kind: str  # "tls" or "http"
    opened: float
    name: str = ""
    is_cut: bool = False
    sent: list = dataclasses.field(default_factory=list)
    received: list = dataclasses.field(default_factory=list)
    closed: float | None = None

    def leads_to(self, role):
        return self.name.startswith(role + ".")

    def sent_between(self, begin, end=float("inf")):
        return sum(count for moment, count in self.sent if begin < moment < end)


class Wire:
    def __init__(self, tls_port, http_port):
        self.status_is_cut = False
        self.status_hold = 0.0  # seconds for which a question to the status service is kept back, or until it is cut
        self.passages = []
        self._targets = {"tls": tls_port, "http": http_port}
        self._listeners = {}
        self._open = set()
        self._lock = threading.Lock()
        self._stopping = False
        for kind in self._targets:
            listener = socket.create_server(("127.0.0.1", 0))
            self._listeners[kind] = listener
            threading.Thread(target=self._accept, args=(kind, listener), daemon=True).start()

    def port(self, kind):
        return self._listeners[kind].getsockname()[1]

    def of(self, role, since=0.0):
        """The passages to a role's server that were opened later than `since`, oldest first."""
        return [one for one in list(self.passages) if one.opened > since and one.leads_to(role)]

    def status_passages(self, since=0.0):
        return [one for one in list(self.passages) if one.opened > since and (one.kind == "http" or one.leads_to("status"))]

    def close(self):
        self._stopping = True
        for listener in self._listeners.values():
            listener.shutdown(socket.SHUT_RDWR)
            listener.close()
        with self._lock:
            ends = list(self._open)
        for end in ends:
            self._shut(end)

    @staticmethod
    def _shut(end):
        try:
            end.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass

    def _accept(self, kind, listener):
        while not self._stopping:
            try:
                device, _ = listener.accept()
            except OSError:
                return
            passage = Passage(kind, time.monotonic())
            self.passages.append(passage)
            threading.Thread(target=self._carry, args=(passage, device), daemon=True).start()

    def _carry(self, passage, device):
        with device:
            hello = b""
            if passage.kind == "tls":
                while (name := server_name(hello)) is None and len(hello) < HELLO_LIMIT:
                    more = device.recv(CHUNK)
                    if not more:
                        return
                    hello += more
                passage.name = name or ""
            if passage.kind == "http" or passage.leads_to("status"):
                time.sleep(self.status_hold)
                if self.status_is_cut:
                    passage.is_cut = True
                    return
            with socket.create_connection(("127.0.0.1", self._targets[passage.kind])) as server:
                with self._lock:
                    self._open |= {device, server}
                if hello:
                    passage.sent.append((time.monotonic(), len(hello)))
                    server.sendall(hello)
                back = threading.Thread(target=self._pump, args=(server, device, passage.received), daemon=True)
                back.start()
                self._pump(device, server, passage.sent)
                back.join()
                with self._lock:
                    self._open -= {device, server}
        passage.closed = time.monotonic()

    @staticmethod
    def _pump(source, target, noted):
        carry(source, target, lambda data: noted.append((time.monotonic(), len(data))))
