#!/usr/bin/env python3
"""Makes the certificates and keys of the TLS tests, with python-cryptography.

They are test material: the keys are public by being here. One CA, a server, a second server name, and a client.
"""
import datetime
import pathlib

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

HERE = pathlib.Path(__file__).resolve().parent
BEGIN = datetime.datetime(2026, 1, 1, tzinfo=datetime.timezone.utc)
END = datetime.datetime(2126, 1, 1, tzinfo=datetime.timezone.utc)


def certificate(subject, key, issuer, issuer_key, names, is_ca):
    builder = (x509.CertificateBuilder()
               .subject_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, subject)]))
               .issuer_name(x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, issuer)]))
               .public_key(key.public_key()).serial_number(x509.random_serial_number())
               .not_valid_before(BEGIN).not_valid_after(END)
               .add_extension(x509.BasicConstraints(ca=is_ca, path_length=None), critical=True))
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(name) for name in names]), critical=False)
    return builder.sign(issuer_key, hashes.SHA256())


def main():
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca = certificate("test ca", ca_key, "test ca", ca_key, [], True)
    (HERE / "ca.der").write_bytes(ca.public_bytes(serialization.Encoding.DER))
    for name, dns in (("server", "server.test"), ("second", "second.test"), ("client", "client.test")):
        key = ec.generate_private_key(ec.SECP256R1())
        leaf = certificate(dns, key, "test ca", ca_key, [dns], False)
        (HERE / f"{name}.der").write_bytes(leaf.public_bytes(serialization.Encoding.DER))
        (HERE / f"{name}.pem").write_bytes(key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))


if __name__ == "__main__":
    main()
