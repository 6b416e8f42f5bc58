"""ClientHellos written octet by octet, and what a server says to them: for clients that no TLS library would be.

What is written here is a good hello of TLS 1.3 (RFC 8446 §4.1.2) but for what the caller asks for.
"""
import os
import socket
import ssl

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey

HANDSHAKE, ALERT = 22, 21
X25519, P256, X25519_MLKEM768 = 0x001D, 0x0017, 0x11EC
MLKEM_SHARE = 1184 + 32  # an encapsulation key and a point
SERVER_HELLO = 2
ALERTS = {0: "close_notify", 10: "unexpected_message", 40: "handshake_failure", 47: "illegal_parameter", 49: "access_denied", 50: "decode_error",
          70: "protocol_version", 80: "internal_error", 112: "unrecognized_name", 120: "no_application_protocol"}
LIMIT_SECONDS = 20


def u16(number):
    return number.to_bytes(2, "big")


def block(content, width=2):
    return len(content).to_bytes(width, "big") + content


def extension(kind, content):
    return u16(kind) + block(content)


def server_names(*names):
    """The extension with these entries, each bytes."""
    return extension(0, block(b"".join(b"\0" + block(name) for name in names)))


def share():
    return X25519PrivateKey.generate().public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def hello(names, alpn=(), hybrid=False, name_last=False, padding=0):
    """The handshake message. `names`: bytes of each entry of server_name, or None for no such extension."""
    named = b"" if names is None else server_names(*names)
    groups = ([X25519_MLKEM768] if hybrid else []) + [X25519, P256]
    shares = (u16(X25519_MLKEM768) + block(os.urandom(MLKEM_SHARE)) if hybrid else b"") + u16(X25519) + block(share())
    others = [extension(10, block(b"".join(map(u16, groups)))), extension(13, block(bytes.fromhex("040305030807080408050806"))),
              extension(43, block(u16(0x0304), 1)), extension(51, block(shares)), extension(45, b"\1\1")]
    if alpn:
        others.append(extension(16, block(b"".join(block(one.encode(), 1) for one in alpn))))
    if padding:
        others.append(extension(21, bytes(padding)))
    extensions = b"".join([*others, named] if name_last else [named, *others])
    body = u16(0x0303) + os.urandom(32) + block(os.urandom(32), 1) + block(bytes.fromhex("130113021303")) + block(b"\0", 1) + block(extensions)
    return b"\1" + block(body, 3)


def in_records(message, size=16384):
    """The message in records of at most `size` octets of it."""
    return b"".join(b"\x16\x03\x01" + block(message[at:at + size]) for at in range(0, len(message), size))


def first_flight(name, alpn=("http/1.1",)):
    """What Python's own client says first, to be cut and carried as a case likes, and the client."""
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(list(alpn))
    client = context.wrap_bio(incoming, outgoing, server_hostname=name)
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        pass
    return outgoing.read(), (client, incoming, outgoing)


def hello_for(name):
    """A ClientHello as OpenSSL writes it."""
    return first_flight(name, alpn=())[0]


def dial(port, source=None):
    return socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS, source_address=(source, 0) if source else None)


def everything(line):
    """All that comes until the other side ends, or resets."""
    data = b""
    try:
        while more := line.recv(65536):
            data += more
    except ConnectionError:
        pass
    return data


def answer_to(port, sent, source=None, parts=1):
    """What the first record of the answer is: `server_hello`, the name of an alert, `nothing`, or the first octets."""
    with dial(port, source) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        try:
            step = -(-len(sent) // parts)
            for at in range(0, len(sent), step):
                line.sendall(sent[at:at + step])
            head = b""
            while len(head) < 7:
                more = line.recv(7 - len(head))
                if not more:
                    break
                head += more
        except ConnectionError:
            head = b""
    if not head:
        return "nothing"
    if head[0] == ALERT:
        return ALERTS.get(head[6], f"alert {head[6]}")
    return "server_hello" if head[0] == HANDSHAKE and head[5] == SERVER_HELLO else repr(head)


def completes(port, name, cut):
    """A whole handshake of Python's client whose first flight is sent as the pieces that `cut` makes of it; returns the ALPN."""
    first, (client, incoming, outgoing) = first_flight(name)
    with dial(port) as line:
        line.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        for piece in cut(first):
            line.sendall(piece)
        while True:
            try:
                client.do_handshake()
                line.sendall(outgoing.read())
                return client.selected_alpn_protocol()
            except ssl.SSLWantReadError:
                data = line.recv(65536)
                if not data:
                    raise ConnectionError("ended in the handshake") from None
                incoming.write(data)
