"""A TLS 1.3 client of GnuTLS by its C functions: another library at the other end than ours."""
import ctypes
import socket
import struct
import time

GNUTLS = ctypes.CDLL("libgnutls.so.30")
CLIENT, CREDENTIALS_CERTIFICATE, PEM, NAME_DNS = 2, 1, 1, 1
UPDATE_PEER = 1  # GNUTLS_KU_PEER: asks for the peer's key to be updated as well
AGAIN = -28
PATIENCE = 20
LIMIT = struct.pack("ll", PATIENCE, 0)  # seconds for which one call waits
GNUTLS.gnutls_record_send.restype = GNUTLS.gnutls_record_recv.restype = ctypes.c_ssize_t


class Datum(ctypes.Structure):
    _fields_ = [("data", ctypes.c_char_p), ("size", ctypes.c_uint)]


class GnuTlsLine:
    """A client connection under `cipher` over the socket `line`. Verifies nothing. ConnectionError when the handshake fails."""

    def __init__(self, line, name, alpn, certificate, key, cipher):
        self.line = line
        line.setblocking(True)
        for direction in (socket.SO_RCVTIMEO, socket.SO_SNDTIMEO):
            line.setsockopt(socket.SOL_SOCKET, direction, LIMIT)
        self.session, self.credentials = ctypes.c_void_p(), ctypes.c_void_p()
        GNUTLS.gnutls_init(ctypes.byref(self.session), CLIENT)
        GNUTLS.gnutls_certificate_allocate_credentials(ctypes.byref(self.credentials))
        protocol = Datum(alpn.encode(), len(alpn))
        priority = f"NORMAL:-VERS-ALL:+VERS-TLS1.3:-CIPHER-ALL:+{cipher}"
        done = (GNUTLS.gnutls_certificate_set_x509_key_file(self.credentials, str(certificate).encode(), str(key).encode(), PEM),
                GNUTLS.gnutls_credentials_set(self.session, CREDENTIALS_CERTIFICATE, self.credentials),
                GNUTLS.gnutls_priority_set_direct(self.session, priority.encode(), None),
                GNUTLS.gnutls_server_name_set(self.session, NAME_DNS, name.encode(), ctypes.c_size_t(len(name))),
                GNUTLS.gnutls_alpn_set_protocols(self.session, ctypes.byref(protocol), 1, 0))
        if min(done) < 0:
            raise ValueError(f"GnuTLS: found {done}, want no error")
        GNUTLS.gnutls_transport_set_int2(self.session, line.fileno(), line.fileno())
        if GNUTLS.gnutls_handshake(self.session) != 0:
            self.close()
            raise ConnectionError("the handshake failed")

    def write(self, data):
        if GNUTLS.gnutls_record_send(self.session, data, ctypes.c_size_t(len(data))) != len(data):
            raise ConnectionError("cannot be written to")

    def read(self, size=65536):
        """What comes next; empty when the other side has ended, in whatever way."""
        buffer = ctypes.create_string_buffer(size)
        begun = time.monotonic()
        got = AGAIN
        while got == AGAIN and time.monotonic() - begun < PATIENCE:  # also after a key update of the peer's
            got = GNUTLS.gnutls_record_recv(self.session, buffer, ctypes.c_size_t(size))
        return buffer.raw[:got] if got > 0 else b""

    def update_key(self, both=True):
        if GNUTLS.gnutls_session_key_update(self.session, UPDATE_PEER if both else 0) != 0:
            raise ConnectionError("cannot be written to")

    def close(self):
        if self.session:
            GNUTLS.gnutls_deinit(self.session)
            GNUTLS.gnutls_certificate_free_credentials(self.credentials)
            self.session = None
        self.line.close()
