"""A relay in bad hands: it has the real relay's key and certificate, out of the real relay's memory, and its grants, and speaks the
tunnel protocol (docs/protocol/tunnel.md) with a device that comes to it. What it does with all that is its caller's.
"""
import os
import queue
import select
import socket
import ssl
import threading

from cryptography.hazmat.primitives import serialization
from cryptography import x509

import key_search
from installation import ZONE, Failed
from tcp import CHUNK, carry
from wire import server_name

HELLO, TICKETS, OPEN, GRANT, REFUSE, PING, PONG, CUT = range(1, 9)
PREFACE, PREFACE_SIZE = b"SPD1", 36
CONTROL, SEALED_DATA = "sallyport-control/1", "sallyport-data/1"
LIMIT_SECONDS = 20
MOST_SEALED = 16384


# ---- what is in the relay's memory

def field(tag, value):
    return tag.to_bytes(2, "big") + len(value).to_bytes(3, "big") + value


def size_at(block, at):
    return int.from_bytes(block[at + 2:at + 5], "big")


def sealed_around(block, label_at):
    """The signed object whose payload, a grant, has its label at this place: certificates, payload, signature."""
    for at in range(label_at - 5, max(0, label_at - 1_000), -1):
        if block[at:at + 2] == b"\0\2" and block[at + 5:at + 10] == b"\0\1\0\0\x10" and label_at < at + 5 + size_at(block, at) < at + 2_000:
            break
    else:
        return None
    signature = at + 5 + size_at(block, at)
    if block[signature:signature + 2] != b"\0\3" or size_at(block, signature) > 200:
        return None
    begin = at
    for before in range(at - 1, max(0, at - MOST_SEALED), -1):
        if block[before:before + 2] == b"\0\1" and before + 5 + size_at(block, before) == begin and block[before + 5:before + 6] == b"\x30":
            begin = before
    return block[begin:signature + 5 + size_at(block, signature)] if begin < at else None


def sealed_grant(pids, label):
    """The grant with this label as the authority has signed it, or None. Of several copies the longest: one that was freed may
    have lost its beginning."""
    wanted, copies = field(9, label.encode()), []
    for pid in pids:
        for block in key_search.regions(pid):
            at = block.find(wanted)
            while at >= 0:
                copies.append(sealed_around(block, at) or b"")
                at = block.find(wanted, at + 1)
    return max(copies, key=len, default=None) or None


def shown_certificate(there):
    """What the real relay shows to devices. It wants a certificate of ours, which in TLS 1.3 it says only afterwards."""
    context = ssl.create_default_context(cafile=str(there.state / "trust" / "server-ca.twin.pem"))
    context.check_hostname = False
    context.set_alpn_protocols([CONTROL])
    name = next(device["name"] for device in there.read("device", "list", "--state", there.state)["devices"] if device["name"])
    with socket.create_connection(("127.0.0.1", there.tls_port), LIMIT_SECONDS) as plain:
        with context.wrap_socket(plain, server_hostname=f"{name}.relay.{ZONE}") as line:
            return x509.load_der_x509_certificate(line.getpeercert(binary_form=True))


def steal_key(there, pids, folder):
    """Certificate chain and private key of the real relay, in one PEM file."""
    for pid in pids:
        certificate = shown_certificate(there)
        found = key_search.find_private(pid, [certificate.public_key()])
        if not found:
            continue
        file = folder / "relay-stolen.pem"
        key = found[0][1].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        file.write_bytes(key + certificate.public_bytes(serialization.Encoding.PEM) + (there.state / "trust" / "server-ca.pem").read_bytes())
        return file
    raise Failed("no key in the memory of the relay", "its key, to be as bad as it can be")


# ---- sockets of which something was read already

def put_back(near, first):
    """A socket on which `first` comes before whatever still comes from `near`."""
    mine, given = socket.socketpair()

    near.settimeout(None)
    threading.Thread(target=carry, args=(near, mine), kwargs={"first": first}, daemon=True).start()
    threading.Thread(target=carry, args=(mine, near), daemon=True).start()
    return given


def server_name_of(near):
    """What was read of a connection, and the name that it asks for; "" when it is no TLS."""
    first = b""
    while True:
        more = near.recv(CHUNK)
        first += more
        if not more or first[0] != 0x16:
            return first, ""
        if (name := server_name(first)) is not None:
            return first, name


def plain_end(line):
    """A socket on which is said in the clear what is said on a TLS connection. Python's must not be read and written by two threads
    at the same time."""
    mine, given = socket.socketpair()
    line.setblocking(False)

    def send(data):
        while data:
            try:
                data = data[line.send(data):]
            except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                select.select([], [line], [], LIMIT_SECONDS)

    def carry():
        try:
            while True:
                ready = [line] if line.pending() else select.select([line, mine], [], [])[0]
                if line in ready:
                    try:
                        data = line.recv(CHUNK)
                    except (ssl.SSLWantReadError, ssl.SSLWantWriteError):
                        data = None
                    if data == b"":
                        return
                    mine.sendall(data or b"")
                if mine in ready:
                    data = mine.recv(CHUNK)
                    if not data:
                        return
                    send(data)
        except OSError:
            pass
        finally:
            line.close()
            mine.close()

    threading.Thread(target=carry, daemon=True).start()
    return given


class DeviceControl:
    """The control connection of a device that has come to the wrong relay."""

    def __init__(self, line):
        self.line = line
        self.refusals = queue.Queue()
        self.others = queue.Queue()
        self.hello = None
        self.over = threading.Event()
        self.writing = threading.Lock()
        threading.Thread(target=self.read, daemon=True).start()

    def exactly(self, count):
        data = b""
        while len(data) < count:
            more = self.line.recv(count - len(data))
            if not more:
                raise ConnectionError("ended")
            data += more
        return data

    def read(self):
        try:
            while True:
                head = self.exactly(4)
                payload = self.exactly(int.from_bytes(head[1:], "big"))
                if head[0] == PING:
                    self.send(PONG, payload[:4])
                elif head[0] == REFUSE:
                    self.refusals.put((payload[:32], payload[32]))
                elif head[0] == HELLO:
                    self.others.put(payload)
        except (OSError, ConnectionError, ValueError):
            self.over.set()

    def send(self, kind, payload):
        with self.writing:
            self.line.sendall(bytes([kind]) + len(payload).to_bytes(3, "big") + payload)

    def welcome(self, count=8):
        """Accepts the device's session; returns the tickets that it was given."""
        self.hello = self.others.get(timeout=LIMIT_SECONDS)
        return self.give(count)

    def give(self, count):
        tickets = [bytes(2) + os.urandom(30) for _ in range(count)]
        self.send(TICKETS, bytes([count]) + b"".join(tickets))
        return tickets

    def open(self, ticket, sealed, service, address=b"192.0.2.7:51000"):
        self.send(OPEN, ticket + len(sealed).to_bytes(2, "big") + sealed + bytes([len(address)]) + address + bytes([len(service)]) + service.encode())

    def renew(self, sealed):
        self.send(GRANT, len(sealed).to_bytes(2, "big") + sealed)

    def cut(self, session):
        self.send(CUT, session)

    def refusal(self, ticket):
        """The code with which an OPEN was refused."""
        while True:
            refused, code = self.refusals.get(timeout=LIMIT_SECONDS)
            if refused == ticket:  # others: what the device dialled for was left waiting
                return code

    def close(self):
        self.line.close()


class HostileRelay:
    """Takes the control connections and the data connections that are led to it; `pem`: key and chain."""

    def __init__(self, pem):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(pem)
        self.context.set_alpn_protocols([CONTROL, SEALED_DATA])
        self.controls, self.data = queue.Queue(), queue.Queue()
        self.faults = []

    def take_control(self, near, first):
        try:
            line = self.context.wrap_socket(put_back(near, first), server_side=True)
            if line.selected_alpn_protocol() == SEALED_DATA:
                return self.take_data(plain_end(line), b"")
            self.controls.put(DeviceControl(plain_end(line)))
        except OSError as error:
            self.faults.append(str(error))

    def take_data(self, near, first):
        while len(first) < PREFACE_SIZE and (more := near.recv(PREFACE_SIZE - len(first))):
            first += more
        self.data.put((first, near))

    def control(self):
        try:
            return self.controls.get(timeout=2 * LIMIT_SECONDS)
        except queue.Empty:
            raise Failed(f"no device here: {self.faults[-3:]}", "its control connection") from None

    def data_connection(self, ticket):
        """The connection that the device dialled for the ticket."""
        while True:
            first, near = self.data.get(timeout=LIMIT_SECONDS)
            if first == PREFACE + ticket:
                near.settimeout(LIMIT_SECONDS)
                return near
            near.close()  # dialled anew, inside TLS, for a ticket that was left waiting
