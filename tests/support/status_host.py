"""What stands between an agent and the status service: it passes questions on, or answers them as it is told to; and OCSP
responders that answer what no honest one would, with a key of their own or as a CA's delegate.
"""
import datetime
import hashlib
import http.client
import http.server
import re
import secrets
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stage import ZONE, want

DER = serialization.Encoding.DER
LIMIT_SECONDS = 10
MINUTE, HOUR, DAY = 60, 3600, 86400
ECDSA_WITH_SHA256 = bytes.fromhex("300a06082a8648ce3d040302")  # RFC 5758 §3.2
ID_PKIX_OCSP_BASIC = bytes.fromhex("06092b0601050507300101")
GENERALIZED_TIME = re.compile(rb"\x18\x0f(\d{14}Z)")


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def after(seconds):
    return now() + datetime.timedelta(seconds=seconds)


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


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size, "big") + body


def key_bits(key):
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def key_info(key):
    return key.public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_id(key):
    """160 bits of the SHA-256 of the key (RFC 7093 §2)."""
    return hashlib.sha256(key_bits(key)).digest()[:20]


def utc_time(moment):
    return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def signed(key, tbs, *more):
    """SEQUENCE of what is signed, the algorithm, the signature, and what else there is: a certificate, a BasicOCSPResponse."""
    return tlv(0x30, tbs, ECDSA_WITH_SHA256, tlv(0x03, b"\0", key.sign(tbs, ec.ECDSA(hashes.SHA256()))), *more)


class Delegate:
    """An OCSP responder with a certificate of `ca`'s own key, which the test has because the installation is its own.
    `model` is a certificate of the real delegate: this one differs in key, serial and validity (seconds from now; without
    `born` it is as old as the real one), which are of the same sizes and are replaced in its bytes: the library knows no
    object identifiers as long as those of our policies."""

    def __init__(self, there, ca, model, born=None, dies=20 * DAY):
        self.ca = x509.load_pem_x509_certificate((there.state / "trust" / f"{ca}.pem").read_bytes())
        self.key = ec.generate_private_key(ec.SECP256R1())
        old, new = model.public_key(), self.key.public_key()
        tbs = model.tbs_certificate_bytes
        begin = model.not_valid_before if born is None else after(born)
        for before, instead in ((tlv(0x02, model.serial_number.to_bytes(16, "big")), tlv(0x02, secrets.token_bytes(15).rjust(16, b"A"))),
                                (utc_time(model.not_valid_before) + utc_time(model.not_valid_after), utc_time(begin) + utc_time(after(dies))),
                                (key_info(old), key_info(new)), (key_id(old), key_id(new))):
            want(tbs.count(before) == 1 and len(before) == len(instead), f"found {tbs.count(before)} of {before.hex()} in the delegate's certificate, want one")
            tbs = tbs.replace(before, instead)
        secret = (there.state / "secret").read_bytes().hex().encode()
        ca_key = serialization.load_pem_private_key((there.state / "signer" / f"{ca}.key").read_bytes(), secret)
        self.shown = signed(ca_key, tbs)

    def good(self, question, produced=0, this_update=0, next_update=MINUTE):
        """Says good of whatever is asked about, with the nonce of the question. Times are seconds from now."""
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=with_serial(question.serial, self.ca), issuer=self.ca, algorithm=hashes.SHA256(), cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=after(this_update), next_update=after(next_update), revocation_time=None, revocation_reason=None)
        # The library asks for a certificate with the key whose hash it writes.
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, with_serial(1, self.ca, self.key)).add_extension(question.nonce, critical=False)
        made = builder.sign(self.key, hashes.SHA256()).tbs_response_bytes
        # The first time in it is producedAt (RFC 6960 §4.2.1), which the library takes from the clock.
        dated = GENERALIZED_TIME.sub(b"\x18\x0f" + after(produced).strftime("%Y%m%d%H%M%SZ").encode(), made, count=1)
        basic = signed(self.key, dated, tlv(0xA0, tlv(0x30, self.shown)))
        return tlv(0x30, tlv(0x0A, b"\0"), tlv(0xA0, tlv(0x30, ID_PKIX_OCSP_BASIC, tlv(0x04, basic))))


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


class StatusHost:
    """Stands where the agent looks for the status service over HTTP. What `behave(question)` returns None for, and
    everything while it is None, comes from the real one."""

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
                answer = host.behave(question) if host.behave else None
                self.answer(200, answer or host.honest(question.der), "application/ocsp-response")

            def do_GET(self):
                if self.path in host.replaced:
                    self.answer(200, host.replaced[self.path], "application/pkix-crl")
                    return
                self.answer(*host.real("GET", self.path, None))

            def answer(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

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
