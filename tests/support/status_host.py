"""What stands between an agent and the status service: it passes questions on, or answers them as it is told to; and OCSP
responders that answer what no honest one would, with a key of their own or as a CA's delegate.
"""
import hashlib
import http.client
import http.server
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from ocsp_forge import DAY, DER, HOUR, MINUTE, after, key_bits, now  # noqa: F401
from stage import ZONE

LIMIT_SECONDS = 10


def ca_key(there, ca):
    """The key of a CA that the installation holds, which is the test's own."""
    secret = (there.state / "secret").read_bytes().hex().encode()
    return serialization.load_pem_private_key((there.state / "signer" / f"{ca}.key").read_bytes(), secret)


def root_crl_path(root):
    """Where devices ask for the CRL of a root."""
    return f"/crl/root-{root.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()}.crl"


class Question:
    """One OCSP request as it came."""

    def __init__(self, der):
        self.der = der
        self.parsed = ocsp.load_der_ocsp_request(der)
        self.serial = self.parsed.serial_number
        self.nonce = self.parsed.extensions.get_extension_for_class(x509.OCSPNonce).value

    def is_to(self, ca):
        return self.parsed.issuer_key_hash == hashlib.sha256(key_bits(ca.public_key())).digest()


def with_serial(serial, issuer, key=None):
    """A certificate of this serial and issuer, where nobody looks at more of it than that, or at its key."""
    key = key or ec.generate_private_key(ec.SECP256R1())
    builder = x509.CertificateBuilder().subject_name(issuer.subject).issuer_name(issuer.subject).public_key(key.public_key())
    return builder.serial_number(serial).not_valid_before(now()).not_valid_after(after(DAY)).sign(key, hashes.SHA256())


def make_question(serial, issuer, nonce=None):
    """The DER of a question about `serial`; `nonce` as bytes, or as another question had it."""
    builder = ocsp.OCSPRequestBuilder().add_certificate(with_serial(serial, issuer), issuer, hashes.SHA256())
    if nonce is not None:
        nonce = nonce if isinstance(nonce, x509.OCSPNonce) else x509.OCSPNonce(nonce)
        builder = builder.add_extension(nonce, critical=False)
    return builder.build().public_bytes(DER)


class Stranger:
    """An OCSP responder with a key of its own and a certificate that it made in the CA's name."""

    def __init__(self, issuer):
        self.issuer = issuer
        self.key = ec.generate_private_key(ec.SECP256R1())
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sallyport OCSP")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(issuer.subject).public_key(self.key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(after(-HOUR)).not_valid_after(after(20 * DAY))
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=True)
        self.shown = builder.add_extension(x509.OCSPNoCheck(), critical=False).sign(self.key, hashes.SHA256())

    def good(self, question):
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=with_serial(question.serial, self.issuer), issuer=self.issuer, algorithm=hashes.SHA256(),
            cert_status=ocsp.OCSPCertStatus.GOOD, this_update=now(), next_update=after(5 * MINUTE), revocation_time=None,
            revocation_reason=None)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.shown).certificates([self.shown])
        return builder.add_extension(question.nonce, critical=False).sign(self.key, hashes.SHA256()).public_bytes(DER)


class Http:
    """An answer of HTTP, where it is not 200 with an OCSP response. `length` is what its header says."""

    def __init__(self, status, body=b"", kind="application/ocsp-response", length=None, **headers):
        self.status, self.body, self.kind = status, body, kind
        self.length = len(body) if length is None else length
        self.headers = headers


class StatusHost:
    """Stands where the agent looks for the status service over HTTP. What `behave(question)` returns None for, and
    everything while it is None, comes from the real one; otherwise it returns the response's DER, or an Http."""

    def __init__(self, port):
        self.port_of_real = port
        self.behave = None
        self.is_dumb = False  # closes every connection without an answer
        self.replaced = {}  # path → body, instead of the real one's
        self.asked = []  # every question
        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), self.make_handler())
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def make_handler(self):
        host = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                question = Question(self.rfile.read(int(self.headers["Content-Length"])))
                host.asked.append(question)
                if host.is_dumb:
                    self.close_connection = True
                    return
                told = host.behave(question) if host.behave else None
                if told is None:
                    told = host.honest(question.der)
                self.answer(told if isinstance(told, Http) else Http(200, told))

            def do_GET(self):
                if self.path in host.replaced:
                    self.answer(Http(200, host.replaced[self.path], "application/pkix-crl"))
                    return
                self.answer(Http(*host.real("GET", self.path, None)))

            def answer(self, told):
                self.send_response(told.status)
                self.send_header("Content-Type", told.kind)
                self.send_header("Content-Length", str(told.length))
                for name, value in told.headers.items():
                    self.send_header(name, value)
                self.end_headers()
                try:
                    self.wfile.write(told.body)
                except OSError:
                    pass  # who asked had enough of it
                self.close_connection = told.length != len(told.body)

            def log_message(self, *_):
                pass

        return Handler

    @property
    def port(self):
        return self.server.server_address[1]

    def real(self, method, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port_of_real, timeout=LIMIT_SECONDS)
        headers = {"Host": f"status.{ZONE}"}
        if body is not None:
            headers["Content-Type"] = "application/ocsp-request"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data, response.headers.get("Content-Type", "")

    def honest(self, request):
        return self.real("POST", "/ocsp", request)[1]

    def close(self):
        self.server.shutdown()
        self.server.server_close()
