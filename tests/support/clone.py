"""A second holder of a device's key: a control connection to the relay with the credential of an agent, spoken frame by frame
(docs/protocol/tunnel.md section 4)."""
import os
import struct

from gnutls_line import GnuTlsLine
from raw_hello import dial
from raw_tls import RawTls
from stage import current

TICKETS, GOAWAY = 2, 9
DISPLACED, CLONE = 3, 6
ALPN = ("sallyport-control/1",)


def frame(kind, payload):
    return bytes([kind]) + len(payload).to_bytes(3, "big") + payload


def hello_frame(boot_id):
    return frame(1, struct.pack(">H", 1) + boot_id + b"\1" + b"\5clone" + b"\0")


class Control:
    """A connection with the operational certificate of `device`, by OpenSSL or, with a cipher of its, by GnuTLS; nothing is said
    on it yet."""

    def __init__(self, port, name, device, source, gnutls_cipher=None):
        stem = current(device, "operational")
        if gnutls_cipher:
            self.tls = GnuTlsLine(dial(port, source), name, *ALPN, f"{stem}.pem", f"{stem}.key", gnutls_cipher)
        else:
            self.tls = RawTls(dial(port, source), name, ALPN, f"{stem}.pem", f"{stem}.key")
        self.buffer = b""

    def say_hello(self, boot_id=None):
        """Returns the kind and the payload of the first frame that answers; kind 0 when the relay ends it."""
        self.tls.write(hello_frame(boot_id or os.urandom(16)))
        return self.next_frame()

    def next_frame(self):
        while len(self.buffer) < 4 or len(self.buffer) < 4 + int.from_bytes(self.buffer[1:4], "big"):
            more = self.tls.read()
            if not more:
                return 0, b""
            self.buffer += more
        end = 4 + int.from_bytes(self.buffer[1:4], "big")
        found, self.buffer = self.buffer[:end], self.buffer[end:]
        return found[0], found[4:]

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.tls.close()
