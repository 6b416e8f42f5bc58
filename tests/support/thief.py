"""A client that repeats enrolments over one connection, with whatever certificate and request it is given: the holder of a
copied factory key, or a device that does something wrong."""
import base64
import http.client
import socket
import ssl

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stage import ZONE

LIMIT_SECONDS = 20


def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def request_for(key, name="thief", extensions=(), hash_of=hashes.SHA256):
    builder = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)]))
    for extension in extensions:
        builder = builder.add_extension(extension, critical=False)
    return builder.sign(key, hash_of() if hash_of else None).public_bytes(serialization.Encoding.DER)


class Connection(http.client.HTTPSConnection):
    """To the gateway, wherever its name leads."""

    def __init__(self, there, certificate, key):
        context = ssl.create_default_context(cafile=str(there.state / "trust" / "server-ca.twin.pem"))
        context.load_cert_chain(certificate, key)
        super().__init__(f"gateway.{ZONE}", context=context, timeout=LIMIT_SECONDS)
        self.tls, self.address = context, ("127.0.0.1", there.tls_port)

    def connect(self):
        self.sock = self.tls.wrap_socket(socket.create_connection(self.address, LIMIT_SECONDS), server_hostname=self.host)


class Client:
    def __init__(self, stage, certificate, key):
        self.connection = Connection(stage.there, certificate, key)

    @classmethod
    def with_factory_key(cls, stage, device):
        return cls(stage, device.state / "factory.pem", device.state / "factory.key")

    def enrol(self, request, operation="simpleenroll"):
        """Returns status, seconds of Retry-After (0: none), and the body."""
        self.connection.request("POST", f"/.well-known/est/{operation}", base64.b64encode(request), {"Content-Type": "application/pkcs10"})
        answer = self.connection.getresponse()
        return answer.status, int(answer.headers.get("Retry-After", "0")), answer.read()

    def close(self):
        self.connection.close()
