"""OpenSSL's own client by its C functions, for what Python's ssl does not offer: key updates, sessions to be shown elsewhere,
certificates that do not fit together."""
import ctypes
import socket
import struct

SSL = ctypes.CDLL("libssl.so.3")
for _name in ("TLS_client_method", "SSL_CTX_new", "SSL_new", "SSL_get1_session"):
    getattr(SSL, _name).restype = ctypes.c_void_p
CTRL_MIN_VERSION, CTRL_MAX_VERSION, CTRL_SET_HOST_NAME = 123, 124, 55
TLS_1_2, TLS_1_3 = 0x0303, 0x0304
PEM = 1
UPDATE_NOT_REQUESTED, UPDATE_REQUESTED = 0, 1
LIMIT = struct.pack("ll", 20, 0)  # seconds for which one call waits


def pointer(number):
    return ctypes.c_void_p(number)


class RawTls:
    """A client connection. Verifies nothing. ConnectionError when the handshake fails."""

    def __init__(self, line, name, alpn=(), certificate=None, key=None, version=TLS_1_3):
        self.line = line
        line.setblocking(True)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            line.setsockopt(socket.SOL_SOCKET, direction, LIMIT)
        self.context = pointer(SSL.SSL_CTX_new(pointer(SSL.TLS_client_method())))
        for control in (CTRL_MIN_VERSION, CTRL_MAX_VERSION):
            SSL.SSL_CTX_ctrl(self.context, control, ctypes.c_long(version), None)
        if certificate:
            loaded = (SSL.SSL_CTX_use_certificate_chain_file(self.context, str(certificate).encode()),
                      SSL.SSL_CTX_use_PrivateKey_file(self.context, str(key).encode(), PEM))
            if loaded != (1, 1):
                raise ValueError(f"certificate and key: found {loaded}, want them loaded")
        self.ssl = pointer(SSL.SSL_new(self.context))
        wire = b"".join(bytes([len(one)]) + one.encode() for one in alpn)
        if wire:
            SSL.SSL_set_alpn_protos(self.ssl, wire, len(wire))
        SSL.SSL_ctrl(self.ssl, CTRL_SET_HOST_NAME, 0, name.encode())
        SSL.SSL_set_fd(self.ssl, line.fileno())
        if SSL.SSL_connect(self.ssl) != 1:
            self.close()
            raise ConnectionError("the handshake failed")

    def write(self, data):
        if SSL.SSL_write(self.ssl, data, len(data)) != len(data):
            raise ConnectionError("cannot be written to")

    def read(self, size=65536):
        """What comes next; empty when the other side has ended, in whatever way."""
        buffer = ctypes.create_string_buffer(size)
        got = SSL.SSL_read(self.ssl, buffer, size)
        return buffer.raw[:got] if got > 0 else b""

    def update_key(self, kind=UPDATE_NOT_REQUESTED):
        if SSL.SSL_key_update(self.ssl, kind) != 1 or SSL.SSL_do_handshake(self.ssl) != 1:
            raise ConnectionError("cannot be written to")

    def renegotiates(self):
        """Whether the other side lets a TLS 1.2 connection be negotiated anew."""
        return SSL.SSL_renegotiate(self.ssl) == 1 and SSL.SSL_do_handshake(self.ssl) == 1

    def close(self):
        if self.ssl:
            SSL.SSL_free(self.ssl)
            SSL.SSL_CTX_free(self.context)
            self.ssl = None
        try:
            self.line.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.line.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
