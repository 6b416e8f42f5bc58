"""OCSP answers of any shape, from the bytes up (RFC 6960 §4.2.1): by a CA's delegate as real as its CA's key makes it, with any
one thing about it wrong. Libraries write sound answers only.

    delegate = Delegate(ca_certificate, ca_key, model)
    Answer(delegate, delegate.ca, serial, nonce).change(status=REVOKED).der()
"""
import datetime
import hashlib
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

DER = serialization.Encoding.DER
MINUTE, HOUR, DAY = 60, 3600, 86400
SUCCESSFUL, MALFORMED_REQUEST, INTERNAL_ERROR, TRY_LATER, SIG_REQUIRED, UNAUTHORIZED = 0, 1, 2, 3, 5, 6
ID_PKIX_OCSP_BASIC = "1.3.6.1.5.5.7.48.1.1"
ID_PKIX_OCSP_NONCE = "1.3.6.1.5.5.7.48.1.2"
ID_PKIX_OCSP_CRL = "1.3.6.1.5.5.7.48.1.3"
ID_PKIX_OCSP_NOCHECK = "1.3.6.1.5.5.7.48.1.5"
SHA1, SHA256 = "1.3.14.3.2.26", "2.16.840.1.101.3.4.2.1"
ECDSA_WITH_SHA256, ECDSA_WITH_SHA384 = "1.2.840.10045.4.3.2", "1.2.840.10045.4.3.3"
BASIC_CONSTRAINTS, EXTENDED_KEY_USAGE, CERTIFICATE_POLICIES = "2.5.29.19", "2.5.29.37", "2.5.29.32"
NOBODYS = "1.3.6.1.4.1.32473.1"  # RFC 5612: for documentation; nobody knows an extension of it


def tlv(tag, *parts):
    body = b"".join(parts)
    if len(body) < 0x80:
        return bytes([tag, len(body)]) + body
    size = (len(body).bit_length() + 7) // 8
    return bytes([tag, 0x80 | size]) + len(body).to_bytes(size, "big") + body


def children(der):
    """The elements inside of one element, each whole."""
    def header(at):
        length, start = der[at + 1], at + 2
        if length >= 0x80:
            start += length & 0x7F
            length = int.from_bytes(der[at + 2:start], "big")
        return start, start + length

    at, end = header(0)
    found = []
    while at < end:
        after = header(at)[1]
        found.append(der[at:after])
        at = after
    return found


def oid(dotted):
    first, second, *rest = (int(arc) for arc in dotted.split("."))
    body = b""
    for arc in (first * 40 + second, *rest):
        septets = [arc & 0x7F]
        while arc := arc >> 7:
            septets.append(0x80 | arc & 0x7F)
        body += bytes(reversed(septets))
    return tlv(0x06, body)


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def generalized(moment, form="%Y%m%d%H%M%SZ"):
    return tlv(0x18, moment.strftime(form).encode())


def utc_time(moment):
    return tlv(0x17, moment.strftime("%y%m%d%H%M%SZ").encode())


def extension(dotted, value, critical=False):
    return tlv(0x30, oid(dotted), tlv(0x01, b"\xff") if critical else b"", tlv(0x04, value))


def now():
    return datetime.datetime.utcnow().replace(microsecond=0)


def after(seconds):
    return now() + datetime.timedelta(seconds=seconds)


def key_bits(key):
    return key.public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def key_info(key):
    return key.public_bytes(DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_id(key):
    """160 bits of the SHA-256 of the key (RFC 7093 §2), as our certificates have it."""
    return hashlib.sha256(key_bits(key)).digest()[:20]


def signed(key, tbs, *more, algorithm=ECDSA_WITH_SHA256):
    """SEQUENCE of what is signed, the algorithm, the signature, and what else there is: a certificate, a BasicOCSPResponse."""
    return tlv(0x30, tbs, tlv(0x30, oid(algorithm)), tlv(0x03, b"\0", key.sign(tbs, ec.ECDSA(hashes.SHA256()))), *more)


class Delegate:
    """An OCSP responder of `ca` with a key of its own and a certificate like `model`, that of the real delegate, signed by `ca_key`.
    Different are its validity, in seconds from now (without `born` it begins with the model's), and the extensions named:
    `without` some, and `instead`, {dotted: whole extension}, which replaces or adds."""

    def __init__(self, ca, ca_key, model, born=None, dies=20 * DAY, without=(), instead=None):
        self.ca = ca
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.subject = model.subject.public_bytes()
        version, _, algorithm, _, _, _, _, extensions = children(model.tbs_certificate_bytes)
        instead = dict(instead or {})
        own_id = extension("2.5.29.14", tlv(0x04, key_id(self.key.public_key())))
        kept = []
        for one in children(children(extensions)[0]):
            name = children(one)[0]
            replaced = next((dotted for dotted in instead if oid(dotted) == name), None)
            if name == oid("2.5.29.14"):
                kept.append(own_id)
            elif name == oid("2.5.29.35"):  # a key of the CA that signs, which may be another than the model's
                kept.append(extension("2.5.29.35", tlv(0x30, tlv(0x80, ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest))))
            elif replaced:
                kept.append(instead.pop(replaced))
            elif name not in [oid(dotted) for dotted in without]:
                kept.append(one)
        begin = model.not_valid_before if born is None else after(born)
        tbs = tlv(0x30, version, integer(secrets.randbits(120) | 1 << 119), algorithm, ca.subject.public_bytes(), tlv(0x30, utc_time(begin), utc_time(after(dies))),
                  self.subject, key_info(self.key.public_key()), tlv(0xA3, tlv(0x30, *kept, *instead.values())))
        self.shown = signed(ca_key, tbs)

    def answer(self, question):
        return Answer(self, self.ca, question.serial, question.nonce.nonce)

    def good(self, question, produced=0, this_update=0, next_update=MINUTE):
        """Says good of whatever is asked about, with the nonce of the question. Times are seconds from now."""
        return self.answer(question).change(produced=after(produced), this_update=after(this_update), next_update=after(next_update)).der()


GOOD, UNKNOWN = tlv(0x80), tlv(0x82)


def revoked(seconds_ago=60, reason=None):
    return tlv(0xA1, generalized(after(-seconds_ago)), b"" if reason is None else tlv(0xA0, tlv(0x0A, bytes([reason]))))


def cert_id(ca, serial, algorithm=SHA256, name_hash=None, key_hash=None):
    digest = {SHA1: hashlib.sha1, SHA256: hashlib.sha256}[algorithm]
    name = digest(ca.subject.public_bytes()).digest() if name_hash is None else name_hash
    key = digest(key_bits(ca.public_key())).digest() if key_hash is None else key_hash
    return tlv(0x30, tlv(0x30, oid(algorithm), tlv(0x05)), tlv(0x04, name), tlv(0x04, key), integer(serial))


class Answer:
    """A good answer about one certificate; change() makes something about it wrong, der() is the whole response."""

    def __init__(self, delegate, ca, serial, nonce):
        self.delegate, self.ca, self.serial = delegate, ca, serial
        self.status = GOOD
        self.id = cert_id(ca, serial)
        self.this_update, self.next_update, self.produced = now(), after(MINUTE), now()
        self.single_extensions = []
        self.singles = None  # instead of the one
        self.extensions = [extension(ID_PKIX_OCSP_NONCE, tlv(0x04, nonce))]
        self.responder = tlv(0xA2, tlv(0x04, hashlib.sha1(key_bits(delegate.key.public_key())).digest()))
        self.certificates = [delegate.shown]
        self.signer = delegate.key
        self.algorithm = ECDSA_WITH_SHA256
        self.spoil = None  # applied to the finished bytes
        self.kind = ID_PKIX_OCSP_BASIC
        self.response_status = SUCCESSFUL
        self.time_form = "%Y%m%d%H%M%SZ"

    def change(self, **values):
        for name, value in values.items():
            if name not in self.__dict__:
                raise AttributeError(name)
            setattr(self, name, value)
        return self

    def single(self, status=None, made_id=None):
        more = tlv(0xA1, tlv(0x30, *self.single_extensions)) if self.single_extensions else b""
        return tlv(0x30, self.id if made_id is None else made_id, self.status if status is None else status, generalized(self.this_update, self.time_form),
                   tlv(0xA0, generalized(self.next_update, self.time_form)), more)

    def data(self):
        singles = [self.single()] if self.singles is None else self.singles
        more = tlv(0xA1, tlv(0x30, *self.extensions)) if self.extensions else b""
        return tlv(0x30, self.responder, generalized(self.produced, self.time_form), tlv(0x30, *singles), more)

    def der(self):
        certificates = tlv(0xA0, tlv(0x30, *self.certificates)) if self.certificates else b""
        basic = signed(self.signer, self.data(), certificates, algorithm=self.algorithm)
        whole = tlv(0x30, tlv(0x0A, bytes([self.response_status])), tlv(0xA0, tlv(0x30, oid(self.kind), tlv(0x04, basic))))
        return whole if self.spoil is None else self.spoil(whole)


def error(status, *more):
    """A response without an answer."""
    return tlv(0x30, tlv(0x0A, bytes([status])), *more)
