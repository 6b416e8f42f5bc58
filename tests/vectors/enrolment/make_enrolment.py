#!/usr/bin/python3
"""Makes the worked examples of docs/protocol/enrolment.md with hashlib and cryptography, and prints them. The request's
signature is another one every time."""
import base64
import datetime
import hashlib
import textwrap

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

NAME, CODE = "k3v6q2m7x4", "abcd-efgh-ijkl-mnop"
PRIVATE = int.from_bytes(hashlib.sha256(b"docs/protocol/enrolment.md").digest(), "big") >> 1


def show(name, value):
    text = value.hex() if isinstance(value, bytes) else str(value)
    print("\n".join(textwrap.wrap(f"{name} = {text}", 120, break_on_hyphens=False)))


def main():
    key = ec.derive_private_key(PRIVATE, ec.SECP256R1())
    csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "pump-0001")])).sign(key, hashes.SHA256())
    der = csr.public_bytes(serialization.Encoding.DER)
    spki = key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    show("request", der)
    show("request.spki", spki)
    show("request.fingerprint", hashlib.sha256(spki).digest())
    show("request.body", base64.b64encode(der).decode())
    # SEQUENCE { SEQUENCE { id-ecPublicKey, SET { secp256r1 } }, ecdsa-with-SHA256 }
    show("attributes", bytes.fromhex("3021" "3015" "06072a8648ce3d0201" "310a" "06082a8648ce3d030107" "06082a8648ce3d040302"))
    show("claim.name", NAME)
    show("claim.code", CODE)
    show("claim.hash", hashlib.sha256(b"sallyport claim v1" + NAME.encode() + CODE.replace("-", "").encode()).digest())
    start, end = 1_800_000_000, 1_800_172_800
    part = int.from_bytes(hashlib.sha256(NAME.encode()).digest()[:2], "big")
    instant = start + (end - start) * part // 65_536
    show("window.start", datetime.datetime.fromtimestamp(start, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    show("window.end", datetime.datetime.fromtimestamp(end, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))
    show("window.instant", datetime.datetime.fromtimestamp(instant, datetime.timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ"))


if __name__ == "__main__":
    main()
