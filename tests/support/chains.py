"""Chains made to order for tests of path validation: certificates of any key type, each piece replaceable."""
import base64
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "vectors" / "pki"))
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa  # noqa: E402

import pki_der as der  # noqa: E402

ALGORITHMS = {"p256": ("1.2.840.10045.4.3.2", False), "p384": ("1.2.840.10045.4.3.3", False), "rsa": ("1.2.840.113549.1.1.11", True),
              "rsa1024": ("1.2.840.113549.1.1.11", True), "ed25519": ("1.3.101.112", False), "p521": ("1.2.840.10045.4.3.4", False)}
MAKERS = {"p256": lambda: ec.generate_private_key(ec.SECP256R1()), "p384": lambda: ec.generate_private_key(ec.SECP384R1()),
          "p521": lambda: ec.generate_private_key(ec.SECP521R1()), "ed25519": ed25519.Ed25519PrivateKey.generate,
          "rsa": lambda: rsa.generate_private_key(65537, 2048), "rsa1024": lambda: rsa.generate_private_key(65537, 1024)}
KEYS = {}


class Key:
    """A key of a kind; made once per place where it is used, since RSA keys take long."""

    def __init__(self, kind="p256", place="key"):
        self.kind = kind
        self.private = KEYS.setdefault((kind, place), MAKERS[kind]())

    def spki(self):
        return self.private.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)

    def identifier(self):
        return der.hashlib.sha256(self.spki()).digest()[:20]

    def algorithm(self):
        oid, has_null = ALGORITHMS[self.kind]
        return der.seq(der.oid(oid), der.null() if has_null else b"")

    def sign(self, data):
        if self.kind.startswith("rsa"):
            return self.private.sign(data, padding.PKCS1v15(), hashes.SHA256())
        if self.kind == "ed25519":
            return self.private.sign(data)
        return self.private.sign(data, ec.ECDSA({"p256": hashes.SHA256(), "p384": hashes.SHA384(), "p521": hashes.SHA512()}[self.kind]))


def make(subject, issuer, key, issuer_key, extensions, begin=None, end=None, serial=None, algorithm=None, version=None, signature=None):
    """Names are text or DER; `extensions` is a dictionary of name to DER, of which None are left out."""
    algorithm = algorithm or issuer_key.algorithm()
    listed = b"".join(each for each in extensions.values() if each is not None)
    tbs = der.seq(der.ctx(0, der.integer(2)) if version is None else version, der.integer(der.next_serial()) if serial is None else serial, algorithm,
                  issuer if isinstance(issuer, bytes) else der.name(issuer),
                  der.seq(der.time(begin or der.NOW - 30 * der.DAY), der.time(end or der.NOW + 300 * der.DAY)),
                  subject if isinstance(subject, bytes) else der.name(subject), key.spki(), der.ctx(3, der.seq(listed)) if listed else b"")
    return der.seq(tbs, algorithm, der.bits(issuer_key.sign(tbs) if signature is None else signature))


def ski(key):
    return der.ext("2.5.29.14", der.octets(key.identifier()))


def aki(key):
    return der.ext("2.5.29.35", der.seq(der.ctxp(0, key.identifier())))


def pem(certificate):
    body = base64.b64encode(certificate).decode()
    lines = [body[at:at + 64] for at in range(0, len(body), 64)]
    return "-----BEGIN CERTIFICATE-----\n" + "\n".join(lines) + "\n-----END CERTIFICATE-----\n"
