#!/usr/bin/python3
"""A ledger of two devices, encoded from docs/protocol/ledger.md and from nothing of ours. Writes ledger.txt.

The keys are fixed numbers, so that everything but the signatures comes out the same each time.
"""
import hashlib

from cryptography.hazmat.primitives.asymmetric import ec

from pki_der import *

SITE, NAME_SPACE, PERMIT = "site-7", "site-7.factory.devices.example", 3
EPOCH = datetime.datetime(1970, 1, 1)


def fixed_key(number): return ec.derive_private_key(number, ec.SECP256R1())
def field(tag, value): return tag.to_bytes(2, "big") + len(value).to_bytes(3, "big") + value
def u64(n): return n.to_bytes(8, "big")
def moment(t): return u64(int((t - EPOCH).total_seconds()))


CA_KEY = fixed_key(7)
CA = cert("local-ca", "root", CA_KEY, fixed_key(1), [ski(CA_KEY), aki(fixed_key(1)), ku("keyCertSign"), bc(0), eku("client"), policy("local"),
                                                     nc([NAME_SPACE])], na=NOW + 1000 * DAY, serial=integer(1 << 121))


def device(serial_id, number):
    key = fixed_key(number)
    return key, cert(serial_id, "local-ca", key, CA_KEY, [ski(key), aki(CA_KEY), ku("digitalSignature"), eku("client"), policy("local"),
                                                          san(serial_id + "." + NAME_SPACE)], serial=integer((1 << 122) + number))


def entry(sequence, serial_id, key, certificate, number, previous, issued_at):
    return b"".join([field(1, u64(sequence)), field(2, serial_id.encode()), field(3, hashlib.sha256(spki(key)).digest()),
                     field(4, hashlib.sha256(certificate).digest()), field(5, integer((1 << 122) + number)[2:]), field(6, previous),
                     field(7, moment(issued_at))])


def entry_hash(encoded): return hashlib.sha256(b"sallyport/ledger-entry/v1\0" + encoded).digest()


out = Out("ledger.txt", "make_ledger.py")
entries, certificates, previous = [], [], bytes(32)
for at, serial_id in enumerate(("pump-1", "pump-2"), 1):
    key, certificate = device(serial_id, 100 + at)
    encoded = entry(at, serial_id, key, certificate, 100 + at, previous, NOW + at * HOUR)
    previous = entry_hash(encoded)
    entries.append(encoded)
    certificates.append(certificate)
    out.case("entry %d" % at, serial_id=serial_id, sequence=at, certificate=certificate.hex(), entry=encoded.hex(), hash=previous.hex())
exported_at = NOW + 3 * HOUR
head = b"".join([field(1, SITE.encode()), field(2, u64(PERMIT)), field(3, moment(exported_at)), field(4, u64(2)), field(5, previous)])
signed = b"sallyport/ledger/v1\0" + head
signature = sign(CA_KEY, signed)
export = field(1, SITE.encode()) + field(2, u64(PERMIT)) + b"".join(field(3, e) for e in entries) + b"".join(field(4, c) for c in certificates)
export += field(5, moment(exported_at)) + field(6, signature)
out.case("export", ca=CA.hex(), signed=signed.hex(), export=export.hex())
out.write()
