"""Certificates that cost whoever verifies them, or would: long chains, big keys, many names (hostile case A8)."""
import base64
import datetime
import math
import secrets

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from dishonest import integer, parts_of, seq, sign, spki, tlv

SMALL_PRIME_BITS = 512  # a number of 16,384 bits made of small primes is an RSA key as well, and takes no minutes to make
E = 65537


def name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def certificate(subject, issuer, key, issuer_key, *extensions, public=None):
    now = datetime.datetime.now(datetime.timezone.utc)
    builder = x509.CertificateBuilder().subject_name(name(subject)).issuer_name(name(issuer)).public_key(public or key.public_key())
    builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
    builder = builder.not_valid_after(now + datetime.timedelta(days=1))
    for extension, critical in extensions:
        builder = builder.add_extension(extension, critical)
    return builder.sign(issuer_key, hashes.SHA256())


CA = (x509.BasicConstraints(ca=True, path_length=None), True)
CLIENT = (x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), False)


def pem(*certificates):
    return b"".join(one.public_bytes(serialization.Encoding.PEM) for one in certificates)


def key_pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL, serialization.NoEncryption())


class Heavy:
    """Files of certificate and key, by what is heavy in them. Nobody trusts their issuer, unless `stem` is a credential of a
    device, whose leaf then comes first and whose key fits."""

    def __init__(self, folder, device_name, stem):
        self.folder, self.device = folder, device_name
        folder.mkdir()
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.stem = stem

    def write(self, what, certificates, key=None):
        files = self.folder / f"{what}.pem", self.folder / f"{what}.key"
        files[0].write_bytes(certificates)
        files[1].write_bytes(key or key_pem(self.key))
        return files

    def chain_of(self, what, count, *leaf_extensions):
        """Leaf, and so many CAs, each signed by the next."""
        cas = [certificate(f"ca-{at}", f"ca-{(at + 1) % 20}", self.key, self.key, CA) for at in range(min(count, 20))]
        leaf = certificate(self.device, "ca-0", self.key, self.key, CLIENT, *leaf_extensions)
        return self.write(what, pem(leaf) + pem(*cas) * (count // len(cas)) if cas else pem(leaf))

    def long_behind_a_good_leaf(self, what, count):
        """A device's own certificate, and so many that nobody needs behind it."""
        extra = certificate("ca", "ca", self.key, self.key, CA)
        return self.write(what, self.stem.with_suffix(self.stem.suffix + ".pem").read_bytes() + pem(extra) * count,
                          self.stem.with_suffix(self.stem.suffix + ".key").read_bytes())

    def names(self, what, count, constraints=0):
        names = x509.SubjectAlternativeName([x509.DNSName(f"n{at}.devices.example") for at in range(count)])
        if not constraints:
            return self.chain_of(what, 1, (names, False))
        trees = [x509.DNSName(f"t{at}.devices.example") for at in range(constraints)]
        limits = (x509.NameConstraints(permitted_subtrees=trees, excluded_subtrees=None), True)
        ca = certificate("ca-0", "ca-0", self.key, self.key, CA, limits)
        return self.write(what, pem(certificate(self.device, "ca-0", self.key, self.key, CLIENT, (names, False)), ca))

    def rsa(self, what, bits):
        numbers = rsa_numbers(bits)
        key = seq(integer(0), *map(integer, numbers))
        n, e = numbers[:2]
        public = seq(seq(bytes.fromhex("06092a864886f70d010101"), b"\x05\0"), tlv(0x03, b"\0" + seq(integer(n), integer(e))))
        leaf = certificate(self.device, "ca-0", self.key, self.key, CLIENT).public_bytes(serialization.Encoding.DER)
        leaf = leaf_with_key(leaf, spki(self.key), public, self.key)
        armoured = "-----BEGIN RSA PRIVATE KEY-----\n" + wrapped(key) + "-----END RSA PRIVATE KEY-----\n"
        return self.write(what, b"-----BEGIN CERTIFICATE-----\n" + wrapped(leaf).encode() + b"-----END CERTIFICATE-----\n", armoured.encode())


def wrapped(der):
    text = base64.b64encode(der).decode()
    return "".join(text[at:at + 64] + "\n" for at in range(0, len(text), 64))


def leaf_with_key(der, old, new, key):
    """The certificate with another public key, signed anew."""
    (_, content, _), = parts_of(der)
    tbs, algorithm, _ = parts_of(content)
    fields = b"".join(new if whole == old else whole for _, _, whole in parts_of(tbs[1]))
    signed = tlv(0x30, fields)
    return seq(signed, algorithm[2], tlv(0x03, b"\0" + sign(key, signed)))


def rsa_numbers(bits):
    """n, e, d, p, q, d mod λ(p), d mod λ(q), 1/q mod p, where p and q are products of small primes."""
    count = bits // SMALL_PRIME_BITS // 2
    halves = []
    while len(halves) < 2:
        primes = [prime(SMALL_PRIME_BITS) for _ in range(count)]
        product, lam = math.prod(primes), math.lcm(*(one - 1 for one in primes))
        if math.gcd(lam, E) == 1:
            halves.append((product, lam))
    (p, lam_p), (q, lam_q) = halves
    d = pow(E, -1, math.lcm(lam_p, lam_q))
    return p * q, E, d, p, q, d % lam_p, d % lam_q, pow(q, -1, p)


def prime(bits):
    """With its two highest bits set, so that the product of such has the bits of them all."""
    while True:
        found = secrets.randbits(bits) | (3 << bits - 2) | 1
        if all(found % small for small in (3, 5, 7, 11, 13, 17, 19, 23)) and pow(2, found - 1, found) == 1:
            return found
