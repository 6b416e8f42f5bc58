"""A small DER writer and certificate maker, free enough to make what no library agrees to make."""
import datetime
import hashlib

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

ARC = "1.2.840.113556.1.8000.2554.31773.23310.21665.20235.39507.7000512.14572049"
NOW = datetime.datetime(2026, 6, 1, 12, 0, 0)
HOUR = datetime.timedelta(hours=1)
DAY = datetime.timedelta(days=1)


def tlv(tag, content):
    n = len(content)
    if n < 0x80:
        head = bytes([n])
    else:
        raw = n.to_bytes((n.bit_length() + 7) // 8, "big")
        head = bytes([0x80 | len(raw)]) + raw
    return bytes([tag]) + head + content


def seq(*parts): return tlv(0x30, b"".join(parts))
def set_(*parts): return tlv(0x31, b"".join(parts))
def ctx(n, content): return tlv(0xA0 | n, content)
def ctxp(n, content): return tlv(0x80 | n, content)
def octets(content): return tlv(0x04, content)
def bits(content, unused=0): return tlv(0x03, bytes([unused]) + content)
def integer(n): return tlv(0x02, n.to_bytes(n.bit_length() // 8 + 1, "big", signed=True))
def raw_integer(content): return tlv(0x02, content)
def enum(n): return tlv(0x0A, bytes([n]))
def true(): return b"\x01\x01\xff"
def null(): return b"\x05\x00"


def oid(dotted):
    arcs = [int(a) for a in dotted.split(".")]
    arcs = [arcs[0] * 40 + arcs[1]] + arcs[2:]
    out = b""
    for arc in arcs:
        chunk = [arc & 0x7F]
        arc >>= 7
        while arc:
            chunk.append(0x80 | (arc & 0x7F))
            arc >>= 7
        out += bytes(reversed(chunk))
    return tlv(0x06, out)


def time(t):
    if t.year < 2050:
        return tlv(0x17, t.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, t.strftime("%Y%m%d%H%M%SZ").encode())


def gtime(t): return tlv(0x18, t.strftime("%Y%m%d%H%M%SZ").encode())


def name(cn, extra=b""): return seq(extra, set_(seq(oid("2.5.4.3"), tlv(0x0C, cn.encode()))))


ECDSA_SHA256 = seq(oid("1.2.840.10045.4.3.2"))


def new_key(curve=None): return ec.generate_private_key(curve or ec.SECP256R1())


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_bits(key):
    return key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)


def key_id(key): return hashlib.sha256(key_bits(key)).digest()[:20]
def sign(key, data): return key.sign(data, ec.ECDSA(hashes.SHA256()))


def ext(o, value, critical=False): return seq(oid(o), true() if critical else b"", octets(value))
def ski(key): return ext("2.5.29.14", octets(key_id(key)))
def aki(key): return ext("2.5.29.35", seq(ctxp(0, key_id(key))))
def bc(path=None, critical=True): return ext("2.5.29.19", seq(true(), b"" if path is None else integer(path)), critical)


def ku(*names):
    order = ["digitalSignature", "nonRepudiation", "keyEncipherment", "dataEncipherment", "keyAgreement", "keyCertSign", "cRLSign"]
    value = 0
    for n in names:
        value |= 0x80 >> order.index(n)
    unused = (value & -value).bit_length() - 1
    return ext("2.5.29.15", tlv(0x03, bytes([unused, value])), True)


EKUS = {"server": "1.3.6.1.5.5.7.3.1", "client": "1.3.6.1.5.5.7.3.2", "ocsp": "1.3.6.1.5.5.7.3.9", "any": "2.5.29.37.0",
        "grant": ARC + ".2.1", "snapshot": ARC + ".2.2", "permit": ARC + ".2.3", "licence": ARC + ".2.4", "checkpoint": ARC + ".2.5"}
KINDS = {"online": 1, "local": 2, "server": 3, "web": 4, "people": 5, "roles": 6, "control": 7}


def eku(*names): return ext("2.5.29.37", seq(*[oid(EKUS[n]) for n in names]))
def policy(kind): return ext("2.5.29.32", seq(seq(oid(ARC + ".1.%d" % KINDS[kind]))))
def dns(n): return ctxp(2, n.encode() if isinstance(n, str) else n)
def san(*names, critical=False): return ext("2.5.29.17", seq(*[n if isinstance(n, bytes) else dns(n) for n in names]), critical)


def nc(permitted=(), excluded=(), critical=True, addresses=True, mailboxes=None, no_mailbox=False):
    """Ours: no address, and (unless `mailboxes` says otherwise) only mailboxes of a host that cannot be."""
    p = b"".join(seq(dns(n)) for n in permitted)
    e = b"".join(seq(dns(n)) for n in excluded)
    if addresses:
        e += seq(ctxp(7, bytes(8))) + seq(ctxp(7, bytes(32)))
    if addresses if mailboxes is None else mailboxes:
        p += seq(ctxp(1, b"invalid"))
    if no_mailbox:
        e += seq(ctxp(1, b""))
    return ext("2.5.29.30", seq(ctx(0, p) if p else b"", ctx(1, e) if e else b""), critical)


def nocheck(): return ext("1.3.6.1.5.5.7.48.1.5", null())


SERIAL = [1 << 120]


def next_serial():
    SERIAL[0] += 7919
    return SERIAL[0]


def cert(subject, issuer, key, issuer_key, exts, serial=None, nb=None, na=None, version=ctx(0, integer(2)), inner=ECDSA_SHA256,
         outer=ECDSA_SHA256, validity=None, public=None, tail=b"", signature=None, extensions=None):
    nb = nb or NOW - HOUR
    na = na or NOW + 30 * DAY
    serial = integer(next_serial()) if serial is None else serial
    block = ctx(3, seq(*exts)) if exts else b""
    tbs = seq(version, serial, inner, issuer if isinstance(issuer, bytes) else name(issuer), validity or seq(time(nb), time(na)),
              subject if isinstance(subject, bytes) else name(subject), public or spki(key), tail,
              block if extensions is None else extensions)
    return seq(tbs, outer, bits(sign(issuer_key, tbs) if signature is None else signature))


class Out:
    """A vector file: sections of key = value."""

    def __init__(self, path, maker):
        self.path, self.lines, self.count = path, ["# made by %s (python-cryptography %s, OpenSSL); do not edit" % (maker, version())], 0

    def case(self, title, **fields):
        self.lines += ["", "[%s]" % title] + ["%s = %s" % (k, v) for k, v in fields.items()]
        self.count += 1

    def write(self):
        with open(self.path, "w") as f:
            f.write("\n".join(self.lines) + "\n")
        print("%s: %d cases" % (self.path, self.count))


def version():
    import cryptography
    return cryptography.__version__
