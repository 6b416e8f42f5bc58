#!/usr/bin/python3
"""Single certificates and certification requests of other makers, sound and hostile. Writes certificates.txt and csr.txt."""
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import dsa, ec, ed25519, rsa
from cryptography.x509.oid import NameOID, ExtendedKeyUsageOID

from pki_der import *

ca, leaf = new_key(), new_key()
BASE = [ski(leaf), aki(ca), ku("digitalSignature"), eku("server"), san("gateway.devices.example")]
out = Out("certificates.txt", "make_certificates.py")


def add(title, expect, der): out.case(title, expect=expect, der=der.hex())
def with_ext(e): return cert("leaf", "ca", leaf, ca, BASE + [e])
def instead(index, e): return cert("leaf", "ca", leaf, ca, BASE[:index] + [e] + BASE[index + 1:])


def openssl(*args, stdin=None):
    return subprocess.run(["openssl", *args], input=stdin, stdout=subprocess.PIPE, stderr=subprocess.PIPE, check=True).stdout


# --- sound ones by other makers
def by_cryptography(key, algorithm=hashes.SHA256(), issuer_key=None):
    subject = x509.Name([x509.NameAttribute(NameOID.ORGANIZATION_NAME, "Example"), x509.NameAttribute(NameOID.COMMON_NAME, "maker")])
    b = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key())
    b = b.serial_number(x509.random_serial_number()).not_valid_before(NOW).not_valid_after(NOW + 90 * DAY)
    b = b.add_extension(x509.BasicConstraints(True, 1), True)
    b = b.add_extension(x509.KeyUsage(True, False, True, False, False, True, True, False, False), True)
    b = b.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    b = b.add_extension(x509.SubjectAlternativeName([x509.DNSName("a.example"), x509.DNSName("*.b.example"),
                                                     x509.UniformResourceIdentifier("https://c.example/x"),
                                                     x509.RFC822Name("d@e.example")]), False)
    b = b.add_extension(x509.NameConstraints([x509.DNSName("example")], [x509.DNSName("bad.example")]), True)
    b = b.add_extension(x509.CRLDistributionPoints([x509.DistributionPoint([x509.UniformResourceIdentifier("http://crl.example/1")], None, None, None)]), False)
    b = b.add_extension(x509.AuthorityInformationAccess([x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier("http://ocsp.example")),
                                                         x509.AccessDescription(x509.oid.AuthorityInformationAccessOID.CA_ISSUERS, x509.UniformResourceIdentifier("http://ca.example"))]), False)
    b = b.add_extension(x509.CertificatePolicies([x509.PolicyInformation(x509.ObjectIdentifier("1.2.3.4"), ["http://cps.example"])]), False)
    b = b.add_extension(x509.OCSPNoCheck(), False)
    b = b.add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
    return b.sign(issuer_key or key, algorithm).public_bytes(serialization.Encoding.DER)


add("cryptography p256", "ok", by_cryptography(new_key()))
add("cryptography p384", "ok", by_cryptography(new_key(ec.SECP384R1()), hashes.SHA384()))
add("cryptography ed25519", "ok", by_cryptography(ed25519.Ed25519PrivateKey.generate(), None))
add("cryptography rsa2048", "ok", by_cryptography(rsa.generate_private_key(65537, 2048)))
add("openssl self-signed", "ok", openssl("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "/dev/null",
                                         "-subj", "/O=Example/CN=openssl", "-addext", "subjectAltName=DNS:o.example,IP:127.0.0.1", "-outform", "DER"))
add("openssl rsa-pss", "ok", openssl("req", "-x509", "-newkey", "rsa:2048", "-nodes", "-keyout", "/dev/null", "-subj", "/CN=pss", "-sha256", "-sigopt",
                                     "rsa_padding_mode:pss", "-sigopt", "rsa_pss_saltlen:32", "-outform", "DER"))
add("our maker, plain", "ok", cert("leaf", "ca", leaf, ca, BASE))
add("no expiry", "ok", cert("leaf", "ca", leaf, ca, BASE, validity=seq(time(NOW), tlv(0x18, b"99991231235959Z"))))
add("serial of 20 octets", "ok", cert("leaf", "ca", leaf, ca, BASE, serial=raw_integer(b"\x7f" + b"\xff" * 19)))
add("unknown extension, not critical", "ok", with_ext(ext("1.2.3.4", b"\x05\x00")))
add("unknown extension, critical (a refusal of the path, not of the parser)", "ok", with_ext(ext("1.2.3.4", b"\x05\x00", True)))

# --- hostile ones
M, U = "malformed", "unauthorized"
good = cert("leaf", "ca", leaf, ca, BASE)
add("empty", M, b"")
add("trailing byte", M, good + b"\x00")
add("cut by one byte", M, good[:-1])
add("indefinite length", M, b"\x30\x80" + good[4:] + b"\x00\x00")
add("length not minimal", M, b"\x30\x83\x00" + good[2:4] + good[4:])
add("over the size limit", M, cert("leaf", "ca", leaf, ca, BASE + [ext("1.2.3.4", octets(bytes(20000)))]))
add("version 1", M, cert("leaf", "ca", leaf, ca, BASE, version=b""))
add("version 1 written out", M, cert("leaf", "ca", leaf, ca, BASE, version=ctx(0, integer(0))))
add("version 2", M, cert("leaf", "ca", leaf, ca, BASE, version=ctx(0, integer(1))))
add("version 4", M, cert("leaf", "ca", leaf, ca, BASE, version=ctx(0, integer(3))))
add("serial negative", M, cert("leaf", "ca", leaf, ca, BASE, serial=integer(-5)))
add("serial zero", M, cert("leaf", "ca", leaf, ca, BASE, serial=integer(0)))
add("serial of 21 octets", M, cert("leaf", "ca", leaf, ca, BASE, serial=raw_integer(b"\x00" + b"\xff" * 20)))
add("serial not minimal", M, cert("leaf", "ca", leaf, ca, BASE, serial=raw_integer(b"\x00\x01")))
add("serial empty", M, cert("leaf", "ca", leaf, ca, BASE, serial=raw_integer(b"")))
add("inner and outer algorithm differ", M, cert("leaf", "ca", leaf, ca, BASE, inner=seq(oid("1.2.840.10045.4.3.3"))))
add("ECDSA with NULL parameters", M, cert("leaf", "ca", leaf, ca, BASE, inner=seq(oid("1.2.840.10045.4.3.2"), null()), outer=seq(oid("1.2.840.10045.4.3.2"), null())))
add("issuer empty", M, cert("leaf", seq(), leaf, ca, BASE))
add("validity reversed", M, cert("leaf", "ca", leaf, ca, BASE, nb=NOW, na=NOW - DAY))
add("time without seconds", M, cert("leaf", "ca", leaf, ca, BASE, validity=seq(tlv(0x17, b"2606011200Z"), time(NOW + DAY))))
add("time with an offset", M, cert("leaf", "ca", leaf, ca, BASE, validity=seq(tlv(0x17, b"260601120000+0100"), time(NOW + DAY))))
add("GeneralizedTime before 2050", M, cert("leaf", "ca", leaf, ca, BASE, validity=seq(time(NOW), tlv(0x18, b"20260701000000Z"))))
add("30 February", M, cert("leaf", "ca", leaf, ca, BASE, validity=seq(tlv(0x17, b"260230000000Z"), time(NOW + DAY))))
add("issuer unique identifier", M, cert("leaf", "ca", leaf, ca, BASE, tail=tlv(0x81, b"\x00\x01")))
add("extensions empty", M, cert("leaf", "ca", leaf, ca, BASE, extensions=ctx(3, seq())))
add("an extension twice", M, with_ext(san("other.example")))
add("an unknown extension twice", M, cert("leaf", "ca", leaf, ca, BASE + [ext("1.2.3.4", null()), ext("1.2.3.4", null())]))
add("33 extensions", M, cert("leaf", "ca", leaf, ca, BASE + [ext("1.2.3.%d" % i, null()) for i in range(28)]))
add("an extension with an empty value", M, with_ext(ext("1.2.3.4", b"")))
add("critical FALSE written out", M, with_ext(seq(oid("1.2.3.4"), b"\x01\x01\x00", octets(null()))))
add("critical of 01", M, with_ext(seq(oid("1.2.3.4"), b"\x01\x01\x01", octets(null()))))
add("extended key usage empty", M, instead(3, ext("2.5.29.37", seq())))
add("extended key usage of an integer", M, instead(3, ext("2.5.29.37", seq(integer(1)))))
add("alternative name empty", M, instead(4, ext("2.5.29.17", seq())))
add("alternative name with NUL", M, instead(4, san(dns(b"gateway.devices.example\x00.evil.example"))))
add("alternative name with a trailing dot", M, instead(4, san("gateway.devices.example.")))
add("alternative name with a space", M, instead(4, san("gateway devices.example")))
add("alternative name with a path", M, instead(4, san("../gateway")))
add("alternative name with Latin-1", M, instead(4, san(dns(b"g\xe4teway.example"))))
add("alternative name empty label", M, instead(4, san("a..example")))
add("alternative name inner wildcard", M, instead(4, san("a.*.example")))
add("alternative name partial wildcard", M, instead(4, san("a*.example")))
add("alternative name bare wildcard", M, instead(4, san("*")))
add("alternative name of a 64-character label", M, instead(4, san("a" * 64 + ".example")))
add("alternative name of 254 characters", M, instead(4, san(".".join(["a" * 62] * 4) + ".ab")))
add("alternative name IP of 5 octets", M, instead(4, san(ctxp(7, bytes(5)))))
add("alternative name URI with a control character", M, instead(4, san(ctxp(6, b"https://a\n.example"))))
add("alternative name of unknown form", M, instead(4, san(ctxp(9, b"x"))))
add("101 alternative names", M, instead(4, san(*["n%d.example" % i for i in range(101)])))
add("alternative name not critical, subject empty", M, cert(seq(), "ca", leaf, ca, BASE))
add("AKI critical", M, instead(1, ext("2.5.29.35", seq(ctxp(0, key_id(ca))), True)))
add("AKI empty octets", M, instead(1, ext("2.5.29.35", seq(ctxp(0, b"")))))
add("AKI issuer without serial", M, instead(1, ext("2.5.29.35", seq(ctx(1, ctx(4, name("x")))))))
add("AKI garbage", M, instead(1, ext("2.5.29.35", b"\x30\x05\x80")))
add("SKI critical", M, instead(0, ext("2.5.29.14", octets(key_id(leaf)), True)))
add("key usage no bit", M, instead(2, ext("2.5.29.15", tlv(3, b"\x00"), True)))
add("key usage trailing zero bits", M, instead(2, ext("2.5.29.15", tlv(3, b"\x00\x80"), True)))
add("CRL distribution point empty", M, with_ext(ext("2.5.29.31", seq(seq()))))
add("CRL distribution points none", M, with_ext(ext("2.5.29.31", seq())))
add("CRL distribution point garbage", M, with_ext(ext("2.5.29.31", seq(seq(ctx(0, ctx(0, b"\x86\x20")))))))
add("information access garbage", M, with_ext(ext("1.3.6.1.5.5.7.1.1", seq(seq(oid("1.3.6.1.5.5.7.48.1"))))))
add("nine OCSP URLs", M, with_ext(ext("1.3.6.1.5.5.7.1.1", seq(*[seq(oid("1.3.6.1.5.5.7.48.1"), ctxp(6, b"http://a"))] * 9))))
add("policies empty", M, with_ext(ext("2.5.29.32", seq())))
add("a policy twice", M, with_ext(ext("2.5.29.32", seq(seq(oid("1.2.3")), seq(oid("1.2.3"))))))
add("basic constraints of a CA not critical", M, with_ext(bc(0, critical=False)))
add("basic constraints CA FALSE written out", M, with_ext(ext("2.5.29.19", seq(b"\x01\x01\x00"), True)))
add("path length without CA", M, with_ext(ext("2.5.29.19", seq(integer(0)), True)))
add("path length negative", M, with_ext(ext("2.5.29.19", seq(true(), integer(-1)), True)))
add("name constraints not critical", M, with_ext(nc(["example"], critical=False)))
add("name constraints empty", M, with_ext(ext("2.5.29.30", seq(), True)))
add("name constraints with a minimum", M, with_ext(ext("2.5.29.30", seq(ctx(0, seq(dns("a.example"), ctxp(0, b"\x01")))), True)))
add("name constraints mask with holes", M, with_ext(ext("2.5.29.30", seq(ctx(0, seq(ctxp(7, bytes(4) + b"\xff\x00\xff\x00")))), True)))
add("ocsp-nocheck not NULL", M, with_ext(ext("1.3.6.1.5.5.7.48.1.5", b"\x05\x01\x00")))
add("common name empty", M, cert(seq(set_(seq(oid("2.5.4.3"), tlv(0x0C, b"")))), "ca", leaf, ca, BASE))
add("name value of an integer", M, cert(seq(set_(seq(oid("2.5.4.3"), integer(1)))), "ca", leaf, ca, BASE))

sha1 = seq(oid("1.2.840.10045.4.1"))
add("SHA-1 signature", U, cert("leaf", "ca", leaf, ca, BASE, inner=sha1, outer=sha1))
rsa_sha1 = seq(oid("1.2.840.113549.1.1.5"), null())
add("RSA with SHA-1", U, cert("leaf", "ca", leaf, ca, BASE, inner=rsa_sha1, outer=rsa_sha1))
pss_sha1 = seq(oid("1.2.840.113549.1.1.10"), seq())
add("RSA-PSS with default SHA-1", U, cert("leaf", "ca", leaf, ca, BASE, inner=pss_sha1, outer=pss_sha1))
add("RSA of 1024 bits", U, cert("leaf", "ca", leaf, ca, BASE, public=spki(rsa.generate_private_key(65537, 1024))))
add("RSA with exponent 3", U, cert("leaf", "ca", leaf, ca, BASE, public=spki(rsa.generate_private_key(3, 2048))))
add("P-192", U, cert("leaf", "ca", leaf, ca, BASE, public=spki(new_key(ec.SECP192R1()))))
add("secp256k1", U, cert("leaf", "ca", leaf, ca, BASE, public=spki(new_key(ec.SECP256K1()))))
add("DSA", U, cert("leaf", "ca", leaf, ca, BASE, public=spki(dsa.generate_private_key(2048))))
with tempfile.NamedTemporaryFile() as f:
    f.write(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit"))
    f.flush()
    explicit_key = f.name
    explicit = openssl("pkey", "-in", explicit_key, "-pubout", "-outform", "DER")
    explicit_csr = openssl("req", "-new", "-key", explicit_key, "-subj", "/CN=explicit", "-outform", "DER")
add("explicit curve parameters", U, cert("leaf", "ca", leaf, ca, BASE, public=explicit))
point = seq(seq(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bits(b"\x04" + b"\x01" * 64))
add("a point that is not on the curve", U, cert("leaf", "ca", leaf, ca, BASE, public=point))
compressed = leaf.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.CompressedPoint)
add("a compressed point", U, cert("leaf", "ca", leaf, ca, BASE, public=seq(seq(oid("1.2.840.10045.2.1"), oid("1.2.840.10045.3.1.7")), bits(compressed))))
out.write()

# --- requests
out = Out("csr.txt", "make_certificates.py")


def request(key, public=None, attributes=b"", version=integer(0), algorithm=ECDSA_SHA256, signature=None):
    info = seq(version, name("asked"), public or spki(key), ctx(0, attributes))
    return seq(info, algorithm, bits(sign(key, info) if signature is None else signature))


def wanted(*exts): return seq(oid("1.2.840.113549.1.9.14"), set_(seq(*exts)))


with tempfile.NamedTemporaryFile() as f:
    f.write(openssl("ecparam", "-name", "prime256v1", "-genkey", "-noout"))
    f.flush()
    add("openssl req", "ok", openssl("req", "-new", "-key", f.name, "-subj", "/CN=dev", "-addext", "subjectAltName=DNS:dev.example", "-outform", "DER"))
with tempfile.NamedTemporaryFile() as f:
    f.write(openssl("genpkey", "-algorithm", "ed25519"))
    f.flush()
    add("openssl req ed25519", "ok", openssl("req", "-new", "-key", f.name, "-subj", "/CN=dev", "-outform", "DER"))
csr = x509.CertificateSigningRequestBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "c")]))
csr = csr.add_attribute(x509.oid.AttributeOID.CHALLENGE_PASSWORD, b"secret")
add("cryptography with a challenge password", "ok", csr.sign(leaf, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
rsa_key = rsa.generate_private_key(65537, 2048)
add("cryptography rsa", "ok", csr.sign(rsa_key, hashes.SHA256()).public_bytes(serialization.Encoding.DER))
add("asks for CA:TRUE (ignored)", "ok", request(leaf, attributes=wanted(bc(0), san("a.example"))))
add("asks for names that do not parse (ignored)", "ok", request(leaf, attributes=wanted(san("a..b"))))
add("signature of another key", U, request(leaf, public=spki(ca)))
add("signature flipped", U, request(leaf)[:-1] + bytes([request(leaf)[-1] ^ 1]))
add("signature empty", U, request(leaf, signature=b""))
add("RSA of 1024 bits", U, csr.sign(rsa.generate_private_key(65537, 1024), hashes.SHA256()).public_bytes(serialization.Encoding.DER))
add("RSA with SHA-1", U, csr.sign(rsa_key, hashes.SHA1()).public_bytes(serialization.Encoding.DER))
add("P-192", U, csr.sign(new_key(ec.SECP192R1()), hashes.SHA256()).public_bytes(serialization.Encoding.DER))
n = rsa_key.public_key().public_numbers().n
e1 = seq(seq(oid("1.2.840.113549.1.1.1"), null()), bits(seq(integer(n), integer(1))))
add("RSA with exponent 1", U, request(leaf, public=e1, algorithm=seq(oid("1.2.840.113549.1.1.11"), null())))
add("explicit curve parameters", U, explicit_csr)
add("a point that is not on the curve", U, request(leaf, public=point))
add("version 1", M, request(leaf, version=integer(1)))
add("no attributes field", M, seq(seq(integer(0), name("x"), spki(leaf)), ECDSA_SHA256, bits(b"\x00")))
add("17 attributes", M, request(leaf, attributes=seq(oid("1.2.3"), set_()) * 17))
add("attribute garbage", M, request(leaf, attributes=b"\x30\x05\x06"))
add("over the size limit", M, request(leaf, attributes=seq(oid("1.2.3"), set_(octets(bytes(9000))))))
add("trailing byte", M, request(leaf) + b"\x00")
add("empty", M, b"")
out.write()
