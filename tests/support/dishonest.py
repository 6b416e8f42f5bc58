"""A factory that cheats: it holds its CA's key outside any station, and signs what no station would.

Certificates are written octet by octet after an honest one of an honest station; ledgers as docs/protocol/ledger.md has
them. Only keys and signatures come from a library.
"""
import base64
import dataclasses
import datetime
import hashlib
import secrets

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from stage import ZONE, tool

HOUR = datetime.timedelta(hours=1)
SAN, EKU, KEY_USAGE, BASIC, SKI, AKI, CRL_POINTS = ("2.5.29.17", "2.5.29.37", "2.5.29.15", "2.5.29.19", "2.5.29.14", "2.5.29.35", "2.5.29.31")
SERVER_AUTH, CLIENT_AUTH = "1.3.6.1.5.5.7.3.1", "1.3.6.1.5.5.7.3.2"


# ---- DER, enough of it to write what no library agrees to write

def tlv(tag, content):
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    raw = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(raw)]) + raw + content


def seq(*parts):
    return tlv(0x30, b"".join(parts))


def integer(value):
    return tlv(0x02, value.to_bytes(value.bit_length() // 8 + 1, "big"))


def oid(dotted):
    arcs = [int(arc) for arc in dotted.split(".")]
    out = b""
    for arc in [arcs[0] * 40 + arcs[1]] + arcs[2:]:
        chunk = [arc & 0x7F]
        while arc := arc >> 7:
            chunk.append(0x80 | arc & 0x7F)
        out += bytes(reversed(chunk))
    return tlv(0x06, out)


def parts_of(content):
    """The elements in a run of DER, as (tag, content, whole)."""
    found, at = [], 0
    while at < len(content):
        size, head = content[at + 1], 2
        if size & 0x80:
            count = size & 0x7F
            size, head = int.from_bytes(content[at + 2:at + 2 + count], "big"), 2 + count
        found.append((content[at], content[at + head:at + head + size], content[at:at + head + size]))
        at += head + size
    return found


def moment(when):
    if 1950 <= when.year < 2050:
        return tlv(0x17, when.strftime("%y%m%d%H%M%SZ").encode())
    return tlv(0x18, when.strftime("%Y%m%d%H%M%SZ").encode())


def read_moment(tag, content):
    return datetime.datetime.strptime(content.decode(), "%y%m%d%H%M%SZ" if tag == 0x17 else "%Y%m%d%H%M%SZ")


def name(common_name):
    return seq(tlv(0x31, seq(oid("2.5.4.3"), tlv(0x0C, common_name if isinstance(common_name, bytes) else common_name.encode()))))


def extension(kind, value, critical=False):
    return seq(oid(kind), b"\x01\x01\xff" if critical else b"", tlv(0x04, value))


def dns(text):
    return tlv(0x82, text if isinstance(text, bytes) else text.encode())


def uri(text):
    return tlv(0x86, text.encode())


def directory(common_name):
    return tlv(0xA4, name(common_name))


def other_name(text):
    return tlv(0xA0, oid("1.3.6.1.5.5.7.8.5") + tlv(0xA0, tlv(0x0C, text.encode())))


def use(*uses):
    return seq(*[oid(one) for one in uses])


# ---- keys

def new_key():
    return ec.generate_private_key(ec.SECP256R1())


def sign(key, data):
    return key.sign(data, ec.ECDSA(hashes.SHA256()))


def spki(key):
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def key_identifier(key):
    """RFC 7093 §2 (1)."""
    point = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    return hashlib.sha256(point).digest()[:20]


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


def pem(label, der):
    text = base64.b64encode(der).decode()
    lines = [text[at:at + 64] for at in range(0, len(text), 64)]
    return f"-----BEGIN {label}-----\n" + "\n".join(lines) + f"\n-----END {label}-----\n"


def der_of(text):
    return base64.b64decode("".join(text.split("-----BEGIN CERTIFICATE-----")[1].split("-----END")[0].split()))


# ---- certificates

@dataclasses.dataclass
class Template:
    """An honest factory certificate in pieces."""
    algorithm: bytes
    not_before: datetime.datetime
    not_after: datetime.datetime
    extensions: dict  # dotted → (critical, value)

    @staticmethod
    def read(der):
        tbs = parts_of(parts_of(parts_of(der)[0][1])[0][1])
        times = parts_of(tbs[4][1])
        found = {}
        for _, content, _ in parts_of(parts_of(tbs[7][1])[0][1]):
            fields = parts_of(content)
            found[fields[0][2]] = (len(fields) == 3, fields[-1][1])
        return Template(tbs[2][2], read_moment(*times[0][:2]), read_moment(*times[1][:2]), found)


def subject_of(der):
    return parts_of(parts_of(parts_of(der)[0][1])[0][1])[5][2]


@dataclasses.dataclass
class Minted:
    der: bytes
    key: object
    serial: int

    @property
    def fingerprint(self):
        return hashlib.sha256(self.der).hexdigest()


# ---- ledgers (docs/protocol/ledger.md)

def field(tag, value):
    return tag.to_bytes(2, "big") + len(value).to_bytes(3, "big") + value


def u64(value):
    return value.to_bytes(8, "big")


@dataclasses.dataclass
class Entry:
    sequence: int
    serial_id: str
    minted: Minted
    previous: bytes
    issued_at: int

    def encode(self):
        content = integer(self.minted.serial)[2:]
        return b"".join([field(1, u64(self.sequence)), field(2, self.serial_id.encode()),
                         field(3, hashlib.sha256(spki(self.minted.key)).digest()), field(4, hashlib.sha256(self.minted.der).digest()),
                         field(5, content), field(6, self.previous), field(7, u64(self.issued_at))])

    def hash(self):
        return hashlib.sha256(b"sallyport/ledger-entry/v1\0" + self.encode()).digest()


class DishonestFactory:
    """A site of the installation whose CA key is in our hands."""

    def __init__(self, stage, site, count):
        self.stage, self.there, self.site, self.count = stage, stage.there, site, count
        self.folder = stage.folder / f"dishonest-{site}"
        self.folder.mkdir()
        self.key = new_key()
        self.name_space = f"{site}.factory.{ZONE}"
        self._be_certified()
        self.template = None

    def _be_certified(self):
        """By the root, and admitted by the installation, as any factory is."""
        ask, signed = self.folder / "to-root", self.folder / "signed"
        ask.mkdir()
        (self.folder / "ca.key").write_bytes(key_pem(self.key))
        tool("openssl", "req", "-new", "-key", self.folder / "ca.key", "-subj", f"/O=Sallyport local-ca/CN={self.site}",
             "-out", ask / f"local-ca-{self.site}.csr")
        (ask / "request.toml").write_text(f'site = "{self.site}"\nzone = "{ZONE}"\n')
        there = self.there
        there.run("root", "sign", "--root", there.root, "--in", ask, "--out", signed, "--passphrase-file", there.passphrase_file, "--yes")
        self.ca_file = signed / f"local-ca-{self.site}.pem"
        there.run("site", "add", self.site, "--state", there.state, "--certificate", self.ca_file, "--count", self.count,
                  "--out", self.folder / "permit")
        self.ca = der_of(self.ca_file.read_text())

    def learn(self, honest_pem):
        """What a certificate looks like, from one that an honest station made."""
        self.template = Template.read(der_of(honest_pem))
        times = parts_of(parts_of(parts_of(parts_of(self.ca)[0][1])[0][1])[4][1])
        self.begin, self.end = (read_moment(*one[:2]) for one in times)

    def mint(self, serial_id, *, key=None, names=None, subject=None, extensions=None, serial=None, not_before=None, not_after=None,
             issuer=None, issuer_key=None, public=None):
        """A factory certificate of `serial_id` by our key. `names` are GeneralNames instead of the right one, None among
        `extensions` leaves one out, a value (critical, octets) replaces it."""
        key, issuer_key = key or new_key(), issuer_key or self.key
        serial = serial or (1 << 126) + secrets.randbits(120)
        found = dict(self.template.extensions)
        found[oid(SKI)] = (False, tlv(0x04, key_identifier(key)))
        found[oid(AKI)] = (False, seq(tlv(0x80, key_identifier(issuer_key))))
        found[oid(SAN)] = (False, seq(*(names if names is not None else [dns(f"{serial_id}.{self.name_space}")])))
        for kind, value in (extensions or {}).items():
            if value is None:
                found.pop(oid(kind), None)
            else:
                found[oid(kind)] = value
        block = seq(*[seq(kind, b"\x01\x01\xff" if critical else b"", tlv(0x04, value)) for kind, (critical, value) in found.items()])
        tbs = seq(tlv(0xA0, integer(2)), integer(serial), self.template.algorithm, issuer or subject_of(self.ca),
                  seq(moment(not_before or self.begin), moment(not_after or self.end)), subject or name(serial_id), public or spki(key),
                  tlv(0xA3, block))
        return Minted(seq(tbs, self.template.algorithm, tlv(0x03, b"\0" + sign(issuer_key, tbs))), key, serial)

    def files(self, minted, label, chain=None):
        """PEM files of certificate chain and key."""
        certificate, key = self.folder / f"{label}.pem", self.folder / f"{label}.key"
        certificate.write_text("".join(pem("CERTIFICATE", der) for der in [minted.der, *(chain if chain is not None else [self.ca])]))
        key.write_bytes(key_pem(minted.key))
        return certificate, key

    def now(self):
        return int(datetime.datetime.now(datetime.timezone.utc).timestamp())

    def entry(self, before, serial_id, minted=None, **changes):
        """The next entry after `before` (None: the first)."""
        minted = minted or self.mint(serial_id)
        sequence, previous = (before.sequence + 1, before.hash()) if before else (1, bytes(32))
        fields = {"sequence": sequence, "previous": previous, "issued_at": self.now(), **changes}
        return Entry(fields["sequence"], serial_id, minted, fields["previous"], fields["issued_at"])

    def export(self, entries, label, key=None, site=None, permit=1):
        """An export of these entries, signed by our key unless told otherwise. Returns the file."""
        at = self.now()
        last = entries[-1]
        site = site or self.site
        head = field(1, site.encode()) + field(2, u64(permit)) + field(3, u64(at)) + field(4, u64(last.sequence)) + field(5, last.hash())
        signature = sign(key or self.key, b"sallyport/ledger/v1\0" + head)
        out = field(1, site.encode()) + field(2, u64(permit))
        out += b"".join(field(3, one.encode()) for one in entries) + b"".join(field(4, one.minted.der) for one in entries)
        file = self.folder / f"{label}.ledger"
        file.write_bytes(out + field(5, u64(at)) + field(6, signature))
        return file

    def import_(self, file, check=True, site=None):
        return self.there.run("site", "import", site or self.site, "--ledger", file, "--state", self.there.state, check=check)

    def record(self):
        """The site as the installation has it."""
        sites = self.there.read("site", "list", "--state", self.there.state)["sites"]
        return next(one for one in sites if one["name"] == self.site)

    def alarms(self):
        return [(one["kind"], one["detail"]) for one in self.record()["alarms"]]
