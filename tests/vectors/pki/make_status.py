#!/usr/bin/python3
"""CRLs, OCSP messages and certs-only messages of other makers, sound and hostile. Writes crl.txt, ocsp_request.txt,
ocsp_response.txt and est.txt."""
import subprocess
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.x509 import ocsp

from pki_der import *

DER = serialization.Encoding.DER
M = "malformed"
ca_key, other_key, delegate_key, leaf_key = new_key(), new_key(), new_key(), new_key()


def make_ca(key=ca_key, cn="server-ca", ekus=("server", "ocsp"), usage=("keyCertSign", "cRLSign")):
    return cert(cn, "root", key, other_key, [ski(key), aki(other_key), ku(*usage), bc(0), eku(*ekus), policy("server")], nb=NOW - 9 * DAY, na=NOW + 900 * DAY)


CA = make_ca()
OTHER_CA = make_ca(other_key, "other-ca")
LEAF_SERIAL = (1 << 120) + 77
LEAF = cert("leaf", "server-ca", leaf_key, ca_key, [ski(leaf_key), aki(ca_key), ku("digitalSignature"), eku("server"), policy("server"), san("a.example")], serial=integer(LEAF_SERIAL))
P = x509.load_der_x509_certificate

# --- CRLs
out = Out("crl.txt", "make_status.py")


def entry(serial, when=NOW, exts=b""): return seq(integer(serial) if isinstance(serial, int) else serial, time(when), seq(exts) if exts else b"")
def reason(n, critical=False): return ext("2.5.29.21", enum(n), critical)
def number(n): return ext("2.5.29.20", integer(n))


def crl(entries=(), exts=None, key=ca_key, issuer="server-ca", this=NOW - HOUR, next_=NOW + 30 * DAY, version=integer(1), inner=ECDSA_SHA256, body=None):
    exts = [aki(ca_key), number(7)] if exts is None else exts
    tbs = seq(version, inner, name(issuer), time(this), time(next_) if next_ else b"",
              (seq(*entries) if entries else b"") if body is None else body, ctx(0, seq(*exts)) if exts else b"")
    return seq(tbs, ECDSA_SHA256, bits(sign(key, tbs)))


def add(title, expect, der, **more): out.case(title, expect=expect, der=der.hex(), ca=CA.hex(), now="2026-06-01T12:00:00Z", **more)


b = x509.CertificateRevocationListBuilder().issuer_name(P(CA).subject).last_update(NOW).next_update(NOW + DAY)
b = b.add_extension(x509.CRLNumber(41), False).add_extension(x509.AuthorityKeyIdentifier(key_id(ca_key), None, None), False)
for i in (9, 3, 300):
    b = b.add_revoked_certificate(x509.RevokedCertificateBuilder().serial_number(i).revocation_date(NOW).add_extension(x509.CRLReason(x509.ReasonFlags.key_compromise), False).build())
add("cryptography, three entries", "ok", b.sign(ca_key, hashes.SHA256()).public_bytes(DER))
add("empty list", "ok", crl())
add("entry without reason", "ok", crl([entry(5)]))
add("invalidity date is skipped", "ok", crl([entry(5, exts=ext("2.5.29.24", gtime(NOW)))]))
add("of another key", "bad_signature", crl(key=other_key))
add("of another issuer", "issuer_mismatch", crl(issuer="other-ca"))
add("of another key by AKI", "key_id_mismatch", crl(exts=[aki(other_key), number(7)]))
add("stale", "crl_stale", crl(this=NOW - 3 * DAY, next_=NOW - DAY))
add("from the future", "crl_stale", crl(this=NOW + DAY))
add("a number that fell", "crl_unusable", crl(exts=[aki(ca_key), number(6)]))
add("no number", M, crl(exts=[aki(ca_key)]))
add("no extensions", M, crl(exts=[]))
add("no nextUpdate", M, crl(next_=None))
add("nextUpdate before thisUpdate", M, crl(this=NOW, next_=NOW - DAY))
add("version 1", M, crl(version=b""))
add("version 3", M, crl(version=integer(2)))
add("number negative", M, crl(exts=[number(-1)]))
add("number twice", M, crl(exts=[number(7), number(8)]))
add("a serial twice", M, crl([entry(5), entry(6), entry(5)]))
add("a serial of zero", M, crl([entry(0)]))
add("a serial of 21 octets", M, crl([entry(raw_integer(b"\x00" + b"\xff" * 20))]))
add("entries empty", M, crl(body=seq()))
add("entry extensions empty", M, crl([seq(integer(5), time(NOW), seq())]))
add("reason 7", M, crl([entry(5, exts=reason(7))]))
add("reason 11", M, crl([entry(5, exts=reason(11))]))
add("reason twice", M, crl([entry(5, exts=reason(1) + reason(1))]))
add("indirect: certificate issuer in an entry", M, crl([entry(5, exts=ext("2.5.29.29", seq(ctx(4, name("x"))), True))]))
add("partitioned: issuing distribution point", M, crl(exts=[number(7), ext("2.5.29.28", seq(ctxp(1, b"\xff")), True)]))
add("delta indicator not critical", M, crl(exts=[number(7), ext("2.5.29.27", integer(3))]))
add("inner and outer algorithm differ", M, crl(inner=seq(oid("1.2.840.10045.4.3.3"))))
add("cut by one byte", M, crl()[:-1])
add("trailing byte", M, crl() + b"\x00")
add("empty", M, b"")
out.write()

# --- OCSP requests
out = Out("ocsp_request.txt", "make_status.py")


def radd(title, expect, der): out.case(title, expect=expect, der=der.hex(), ca=CA.hex(), serial=P(LEAF).serial_number.to_bytes(16, "big").hex())


def files(**named):
    out_ = {}
    for k, v in named.items():
        f = tempfile.NamedTemporaryFile(delete=False)
        f.write(v)
        f.close()
        out_[k] = f.name
    return out_


F = files(ca=P(CA).public_bytes(serialization.Encoding.PEM), leaf=P(LEAF).public_bytes(serialization.Encoding.PEM))


def openssl_request(*args):
    r = tempfile.NamedTemporaryFile()
    subprocess.run(["openssl", "ocsp", "-issuer", F["ca"], *args, "-cert", F["leaf"], "-reqout", r.name], check=True, stderr=subprocess.DEVNULL)
    return r.read()


radd("openssl, SHA-1 with nonce", "sha1 nonce", openssl_request())
radd("openssl, SHA-256", "sha256", openssl_request("-sha256", "-no_nonce"))
for algorithm, text in ((hashes.SHA1(), "sha1"), (hashes.SHA256(), "sha256")):
    radd("cryptography, " + text, text, ocsp.OCSPRequestBuilder().add_certificate(P(LEAF), P(CA), algorithm).build().public_bytes(DER))


def cert_id(serial=None, algorithm=seq(oid("1.3.14.3.2.26"), null()), nh=bytes(20), kh=bytes(20)):
    return seq(algorithm, octets(nh), octets(kh), integer(LEAF_SERIAL) if serial is None else serial)


def request(ids, exts=b"", head=b"", tail=b""): return seq(seq(head, seq(*[seq(i) for i in ids]), ctx(2, seq(exts)) if exts else b""), tail)
def nonce(value): return ext("1.3.6.1.5.5.7.48.1.2", octets(value))


SHA384 = seq(oid("2.16.840.1.101.3.4.2.2"), null())
radd("nonce of 128 octets", "sha1 nonce", request([cert_id()], nonce(bytes(128))))
radd("nonce of 1 octet", "sha1 nonce", request([cert_id()], nonce(b"\x00")))
radd("no parameters in the hash algorithm", "sha1", request([cert_id(algorithm=seq(oid("1.3.14.3.2.26")))]))
radd("requestor's name is skipped", "sha1", request([cert_id()], head=ctx(1, ctx(4, name("me")))))
radd("nonce of 0 octets", M, request([cert_id()], nonce(b"")))
radd("nonce of 129 octets", M, request([cert_id()], nonce(bytes(129))))
radd("nonce twice", M, request([cert_id()], nonce(b"a") + nonce(b"a")))
radd("nonce not wrapped", M, request([cert_id()], ext("1.3.6.1.5.5.7.48.1.2", b"\x01\x02\x03")))
radd("unknown critical extension", M, request([cert_id()], ext("1.2.3", null(), True)))
radd("no certificate", M, request([]))
radd("nine certificates", M, request([cert_id()] * 9))
radd("SHA-384", M, request([cert_id(algorithm=SHA384, nh=bytes(48), kh=bytes(48))]))
radd("hash too short", M, request([cert_id(nh=bytes(19))]))
radd("serial negative", M, request([cert_id(integer(-1))]))
radd("serial of 21 octets", M, request([cert_id(raw_integer(b"\x01" * 21))]))
radd("version written out", M, request([cert_id()], head=ctx(0, integer(0))))
radd("over the size limit", M, request([cert_id()], ext("1.2.3", octets(bytes(5000)))))
radd("trailing byte", M, request([cert_id()]) + b"\x00")
radd("empty", M, b"")
out.write()

# --- OCSP responses
out = Out("ocsp_response.txt", "make_status.py")
NONCE = bytes(range(32))


def delegate(key=delegate_key, issuer_key=ca_key, issuer="server-ca", ekus=("ocsp",), drop=(), add=(), **kw):
    exts = {"ski": ski(key), "aki": aki(issuer_key), "ku": ku("digitalSignature"), "eku": eku(*ekus), "policy": policy("server"), "nocheck": nocheck()}
    for d in drop:
        exts.pop(d)
    return cert("OCSP", issuer, key, issuer_key, list(exts.values()) + list(add), na=kw.pop("na", NOW + 20 * DAY), **kw)


DELEGATE = delegate()


def response(status=ocsp.OCSPCertStatus.GOOD, cert_=DELEGATE, key=delegate_key, this=NOW - HOUR / 60, next_=NOW + HOUR, nonce_=NONCE, issuer=CA, leaf=LEAF, include=True,
             algorithm=hashes.SHA256(), by=ocsp.OCSPResponderEncoding.HASH, **revoked):
    b = ocsp.OCSPResponseBuilder().add_response(P(leaf), P(issuer), algorithm, status, this, next_, revoked.get("at"), revoked.get("why"))
    b = b.responder_id(by, P(cert_))
    if include:
        b = b.certificates([P(cert_)])
    if nonce_ is not None:
        b = b.add_extension(x509.OCSPNonce(nonce_), False)
    return b.sign(key, hashes.SHA256()).public_bytes(DER)


# cryptography always sets producedAt to the present, so answers whose producedAt matters are written by hand.
def by_hand(status=ctxp(0, b""), produced=NOW, this=NOW, next_=NOW + HOUR, nonce_=NONCE, cert_=DELEGATE, key=delegate_key, signer_key=None, serial=LEAF_SERIAL, issuer=CA,
            singles=1, include=True, responder=None, exts=b"", single_exts=b"", ca_bits=ca_key, status_code=0, tail=b""):
    h = hashlib.sha256
    cid = seq(seq(oid("2.16.840.1.101.3.4.2.1"), null()), octets(h(P(issuer).subject.public_bytes()).digest()), octets(h(key_bits(ca_bits)).digest()), integer(serial))
    single = seq(cid, status, gtime(this), ctx(0, gtime(next_)) if next_ else b"", ctx(1, seq(single_exts)) if single_exts else b"")
    all_exts = (nonce(nonce_) if nonce_ is not None else b"") + exts
    tbs = seq(responder or ctx(2, octets(hashlib.sha1(key_bits(key)).digest())), gtime(produced), seq(*[single] * singles), ctx(1, seq(all_exts)) if all_exts else b"")
    basic = seq(tbs, ECDSA_SHA256, bits(sign(signer_key or key, tbs)), ctx(0, seq(cert_)) if include else b"")
    return seq(enum(status_code), ctx(0, seq(oid("1.3.6.1.5.5.7.48.1.1"), octets(basic))), tail)


def sadd(title, expect, der, clock="trusted", now=NOW, nonce_=NONCE, known="", ratchet=None, foreign="no", ca=CA, crl_number=0):
    out.case(title, expect=expect, clock=clock, now=now.strftime("%Y-%m-%dT%H:%M:%SZ"), nonce=nonce_.hex() if nonce_ is not None else "none", known=known or "none",
             ratchet=ratchet.strftime("%Y-%m-%dT%H:%M:%SZ") if ratchet else "none", foreign=foreign, ca=ca.hex(), crl_number=crl_number, serial=LEAF_SERIAL.to_bytes(16, "big").hex(), der=der.hex())


PRESENT = datetime.datetime.utcnow()
sadd("cryptography, good", "ok", response(this=PRESENT, next_=PRESENT + HOUR, cert_=delegate(nb=PRESENT - HOUR, na=PRESENT + 20 * DAY)), now=PRESENT)
sadd("cryptography, revoked", "status_revoked", response(ocsp.OCSPCertStatus.REVOKED, this=PRESENT, next_=PRESENT + HOUR, at=PRESENT, why=x509.ReasonFlags.key_compromise,
                                                         cert_=delegate(nb=PRESENT - HOUR, na=PRESENT + 20 * DAY)), now=PRESENT)
sadd("cryptography, byName and SHA-1", "ok", response(this=PRESENT, next_=PRESENT + HOUR, cert_=delegate(nb=PRESENT - HOUR, na=PRESENT + 20 * DAY), algorithm=hashes.SHA1(),
                                                      by=ocsp.OCSPResponderEncoding.NAME), now=PRESENT)
sadd("good", "ok", by_hand())
sadd("good, by a floor", "ok", by_hand(), clock="floor", now=NOW - 9 * DAY)
sadd("good, no nonce asked, trusted clock", "ok", by_hand(nonce_=None), nonce_=None)
sadd("good, delegate known", "ok", by_hand(include=False), known=DELEGATE.hex())
sadd("good, CRL number as told", "ok", by_hand(single_exts=ext("1.3.6.1.5.5.7.48.1.3", seq(ctx(1, integer(12))))), crl_number=12)
sadd("revoked", "status_revoked", by_hand(status=ctx(1, gtime(NOW - DAY) + ctx(0, enum(1)))))
sadd("unknown", "status_unknown", by_hand(status=ctxp(2, b"")))
sadd("CRL number that fell", "crl_unusable", by_hand(single_exts=ext("1.3.6.1.5.5.7.48.1.3", seq(ctx(1, integer(11))))), crl_number=12)
sadd("try later", "try_later", seq(enum(3)))
sadd("internal error", "responder_error", seq(enum(2)))
sadd("unauthorized", "responder_error", seq(enum(6)))
sadd("malformed request", "responder_error", seq(enum(1)))
sadd("another nonce", "nonce_mismatch", by_hand(nonce_=bytes(32)))
sadd("a shorter nonce", "nonce_mismatch", by_hand(nonce_=NONCE[:16]))
sadd("no nonce", "nonce_mismatch", by_hand(nonce_=None))
sadd("no nonce asked, no trusted clock", "nonce_mismatch", by_hand(nonce_=None), nonce_=None, clock="floor", now=NOW - DAY)
sadd("replayed old answer", "outside_window", by_hand(produced=NOW - DAY, this=NOW - DAY, next_=NOW - DAY + HOUR, nonce_=None, cert_=delegate(nb=NOW - 2 * DAY)), nonce_=None)
sadd("nextUpdate passed", "outside_window", by_hand(this=NOW - HOUR / 6, next_=NOW - HOUR / 60))
sadd("thisUpdate too long ago", "outside_window", by_hand(this=NOW - HOUR / 2))
sadd("thisUpdate in the future", "outside_window", by_hand(this=NOW + HOUR / 2, produced=NOW + HOUR / 2))
sadd("producedAt in the future", "outside_window", by_hand(produced=NOW + HOUR))
sadd("producedAt before thisUpdate", "outside_window", by_hand(produced=NOW - HOUR / 2))
sadd("producedAt below the floor", "outside_window", by_hand(), clock="floor", now=NOW + DAY)
sadd("another serial", "wrong_certificate", by_hand(serial=LEAF_SERIAL + 1))
sadd("another issuer's hash", "wrong_certificate", by_hand(issuer=OTHER_CA))
sadd("another issuer's key hash", "wrong_certificate", by_hand(ca_bits=other_key))
sadd("two answers", "wrong_certificate", by_hand(singles=2))
sadd("wrong key", "bad_signature", by_hand(signer_key=other_key))
sadd("no delegate", "responder_unauthorized", by_hand(include=False))
sadd("delegate of another CA", "responder_unauthorized", by_hand(cert_=delegate(issuer_key=other_key, issuer="other-ca")))
sadd("delegate of another CA by the same name", "responder_unauthorized", by_hand(cert_=delegate(issuer_key=other_key)))
sadd("delegate without OCSPSigning", "responder_unauthorized", by_hand(cert_=delegate(ekus=("server",))))
sadd("delegate with anyExtendedKeyUsage", "responder_unauthorized", by_hand(cert_=delegate(ekus=("any",))))
sadd("delegate with serverAuth as well", "responder_unauthorized", by_hand(cert_=delegate(ekus=("ocsp", "server"))))
sadd("delegate without extended key usage", "responder_unauthorized", by_hand(cert_=delegate(drop=["eku"])))
sadd("delegate without nocheck", "responder_unauthorized", by_hand(cert_=delegate(drop=["nocheck"])))
sadd("delegate without policy", "responder_unauthorized", by_hand(cert_=delegate(drop=["policy"])))
sadd("delegate that is a CA", "responder_unauthorized", by_hand(cert_=delegate(add=[bc()])))
sadd("delegate with an unknown critical extension", "responder_unauthorized", by_hand(cert_=delegate(add=[ext("1.2.3", null(), True)])))
sadd("delegate expired", "responder_unauthorized", by_hand(cert_=delegate(nb=NOW - 9 * DAY, na=NOW - DAY)))
sadd("delegate valid later", "responder_unauthorized", by_hand(cert_=delegate(nb=NOW + HOUR)))
sadd("delegate of 60 days", "responder_unauthorized", by_hand(cert_=delegate(na=NOW + 60 * DAY)))
sadd("the leaf itself as responder", "responder_unauthorized", by_hand(cert_=LEAF, key=leaf_key))
sadd("delegate of a clientAuth-only CA", "responder_unauthorized", by_hand(issuer=make_ca(ekus=("client",))), ca=make_ca(ekus=("client",)))
sadd("the CA itself", "responder_unauthorized", by_hand(cert_=CA, key=ca_key))
sadd("signer older than one accepted before", "responder_ratchet", by_hand(), ratchet=NOW)
sadd("foreign: the CA itself", "ok", by_hand(cert_=CA, key=ca_key, include=False), foreign="yes")
sadd("foreign: a plain delegate", "ok", by_hand(cert_=delegate(drop=["policy", "nocheck"])), foreign="yes")
sadd("foreign: delegate without OCSPSigning", "responder_unauthorized", by_hand(cert_=delegate(ekus=("server",))), foreign="yes")
sadd("nonce twice", M, by_hand(exts=nonce(NONCE)))
sadd("unknown critical extension", M, by_hand(exts=ext("1.2.3", null(), True)))
sadd("unknown critical single extension", M, by_hand(single_exts=ext("1.2.3", null(), True)))
sadd("no answer", M, by_hand(singles=0))
sadd("nine answers", M, by_hand(singles=9))
sadd("nextUpdate before thisUpdate", M, by_hand(next_=NOW - DAY))
sadd("status of unknown tag", M, by_hand(status=ctxp(3, b"")))
sadd("good with content", M, by_hand(status=ctxp(0, b"x")))
sadd("revoked reason 7", M, by_hand(status=ctx(1, gtime(NOW) + ctx(0, enum(7)))))
sadd("key hash too short", M, by_hand(responder=ctx(2, octets(bytes(19)))))
sadd("error status with a body", M, by_hand(status_code=3))
sadd("successful without a body", M, seq(enum(0)))
sadd("status 4", M, seq(enum(4)))
sadd("another response type", M, seq(enum(0), ctx(0, seq(oid("1.2.3"), octets(b"")))))
sadd("over the size limit", M, by_hand(exts=ext("1.2.3", octets(bytes(17000)))))
sadd("cut by one byte", M, by_hand()[:-1])
sadd("empty", M, b"")
out.write()

# --- EST
out = Out("est.txt", "make_status.py")
both = P(CA).public_bytes(serialization.Encoding.PEM) + P(LEAF).public_bytes(serialization.Encoding.PEM)
G = files(both=both)
made = subprocess.run(["openssl", "crl2pkcs7", "-nocrl", "-certfile", G["both"], "-outform", "DER"], stdout=subprocess.PIPE, check=True).stdout
out.case("openssl crl2pkcs7", expect="2", der=made.hex())
from cryptography.hazmat.primitives.serialization import pkcs7
if hasattr(pkcs7, "serialize_certificates"):
    out.case("cryptography", expect="2", der=pkcs7.serialize_certificates([P(CA), P(LEAF)], DER).hex())


def message(certs, signers=b"", ct="1.2.840.113549.1.7.2", inner="1.2.840.113549.1.7.1", version=1, content=b"", crls=b""):
    return seq(oid(ct), ctx(0, seq(integer(version), set_(), seq(oid(inner), content), certs, crls, set_(signers))))


out.case("one certificate", expect="1", der=message(ctx(0, CA)).hex())
out.case("CRLs are skipped", expect="1", der=message(ctx(0, CA), crls=ctx(1, seq())).hex())
out.case("no certificates field", expect=M, der=message(b"").hex())
out.case("no certificate", expect=M, der=message(ctx(0, b"")).hex())
out.case("a signer", expect=M, der=message(ctx(0, CA), signers=seq(integer(1))).hex())
out.case("content", expect=M, der=message(ctx(0, CA), content=ctx(0, octets(b"x"))).hex())
out.case("another content type", expect=M, der=message(ctx(0, CA), ct="1.2.840.113549.1.7.3").hex())
out.case("another inner type", expect=M, der=message(ctx(0, CA), inner="1.2.3").hex())
out.case("version 9", expect=M, der=message(ctx(0, CA), version=9).hex())
out.case("65 certificates", expect=M, der=message(ctx(0, CA * 65)).hex())
out.case("a certificate of garbage", expect=M, der=message(ctx(0, seq(integer(1)))).hex())
out.case("trailing byte", expect=M, der=(made + b"\x00").hex())
out.case("indefinite length", expect=M, der=(b"\x30\x80" + made[4:] + b"\x00\x00").hex())
out.case("empty", expect=M, der="")
out.write()
