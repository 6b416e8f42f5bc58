#!/usr/bin/python3
"""Fills fuzz/corpus/pki_* and factory_ledger_file from the vector files here: some sound inputs and as many hostile ones."""
import hashlib
import os
import re

HERE = os.path.dirname(os.path.abspath(__file__))
CORPUS = os.path.join(HERE, "..", "..", "..", "fuzz", "corpus")
MOST = 36


def load(path):
    title, fields = None, {}
    for line in open(os.path.join(HERE, path)):
        line = line.rstrip("\n")
        if line.startswith("["):
            if title:
                yield title, fields
            title, fields = line[1:-1], {}
        elif " = " in line:
            key, value = line.split(" = ", 1)
            fields[key] = value
    yield title, fields


def spread(cases):
    step = max(1, len(cases) // MOST)
    return cases[::step][:MOST]


def write(target, title, data):
    folder = os.path.join(CORPUS, target)
    os.makedirs(folder, exist_ok=True)
    with open(os.path.join(folder, re.sub(r"[^a-z0-9]+", "-", title.lower()).strip("-")), "wb") as f:
        f.write(data)


def framed(certificates):
    return b"".join(len(c).to_bytes(2, "big") + c for c in certificates)


for path, target in (("certificates.txt", "pki_certificate"), ("csr.txt", "pki_csr"), ("crl.txt", "pki_crl"),
                     ("ocsp_request.txt", "pki_ocsp_request"), ("ocsp_response.txt", "pki_ocsp_response"), ("est.txt", "pki_est")):
    small = [(t, bytes.fromhex(f["der"])) for t, f in load(path)]
    for title, data in spread([c for c in small if len(c[1]) < 6000]):
        write(target, title, data)
for title, fields in spread(list(load("chains.txt"))):
    everything = [bytes.fromhex(c) for c in fields["chain"].split() + fields["anchors"].split()[:1]]
    write("pki_verify_chain", title, framed(everything))


# Bundles for the search for paths: rules u8, then kind u8 and certificate. Chains of CAs that all bear the same name and sign
# each other crosswise are what could lead a search around in circles.
def bundle(rules, leaf, others, anchors):
    kinds = [b"\x00"] + [b"\x01"] * len(others) + [b"\x02"] * len(anchors)
    return bytes([rules]) + b"".join(kind + framed([c]) for kind, c in zip(kinds, [leaf, *others, *anchors]))


for rules, (title, fields) in enumerate(spread(list(load("chains.txt")))):
    sent = [bytes.fromhex(c) for c in fields["chain"].split()]
    write("pki_path", title, bundle(rules * 7 % 256, sent[0], sent[:0:-1], [bytes.fromhex(c) for c in fields["anchors"].split()]))
for title, fields in load("tangles.txt"):
    sent = [bytes.fromhex(c) for c in fields["chain"].split()]
    write("pki_path", title, bundle(2, sent[0], sent[1:], [bytes.fromhex(fields["anchor"])]))


# Our own formats: tag u16 | length u24 | value, in ascending order of tag.
def field(tag, value):
    return tag.to_bytes(2, "big") + len(value).to_bytes(3, "big") + value


def u64(n): return n.to_bytes(8, "big")
def text(s): return s.encode()


def vary(target, title, sound):
    """The sound input, and four ways to spoil it."""
    write(target, title, sound)
    write(target, title + " cut", sound[:-1])
    write(target, title + " more", sound + b"\x00")
    write(target, title + " bit", sound[:5] + bytes([sound[5] ^ 0x80]) + sound[6:])
    write(target, title + " length", sound[:2] + b"\xff\xff\xff" + sound[5:])


NOW = 1780315200
chain = next(f for t, f in load("chains.txt") if t == "sound control")["chain"].split()
certificates = [bytes.fromhex(c) for c in chain]
SPKI = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296"
                     "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5")
SERIAL = bytes(range(1, 17))

vary("pki_signed_object", "grant", b"".join(field(1, c) for c in certificates) + field(2, b"payload") + field(3, bytes(70)))
write("pki_signed_object", "no certificate", field(2, b"payload") + field(3, bytes(70)))
write("pki_signed_object", "four certificates", field(1, certificates[0]) * 4 + field(2, b"") + field(3, b""))


def permit(number=1, site="site-7", space="site-7.factory.devices.example", prefix=b"s7-", count=5, begin=NOW, end=NOW + 1):
    return (field(1, u64(number)) + field(2, b"test") + field(3, text(site)) + field(4, text(space)) + (field(5, prefix) if prefix else b"") +
            field(6, u64(count)) + field(7, u64(begin)) + field(8, u64(end)))


vary("pki_permit", "sound", permit())
write("pki_permit", "no prefix", permit(prefix=b""))
write("pki_permit", "another site", permit(site="site-8"))
write("pki_permit", "reversed", permit(end=NOW - 1))
write("pki_permit", "number 0", permit(number=0))
write("pki_permit", "site with a path", permit(site="../x"))


def entry(sequence, serial_id="unit-1"):
    return (field(1, u64(sequence)) + field(2, text(serial_id)) + field(3, bytes(32)) + field(4, bytes(32)) + field(5, SERIAL) +
            field(6, bytes(32)) + field(7, u64(NOW)))


def ledger(entries, certs):
    return (field(1, b"site-7") + field(2, u64(1)) + b"".join(field(3, e) for e in entries) + b"".join(field(4, c) for c in certs) +
            field(5, u64(NOW)) + field(6, bytes(70)))


vary("pki_ledger", "entry", entry(1))
vary("pki_ledger", "export", ledger([entry(1), entry(2)], [certificates[0]] * 2))
write("pki_ledger", "no entry", ledger([], []))
write("pki_ledger", "a certificate too many", ledger([entry(1)], [certificates[0]] * 2))
write("pki_ledger", "sequence 0", entry(0))
write("pki_ledger", "id of capitals", entry(1, "UNIT"))

issue = (field(1, b"\x01") + field(2, b"server-ca") + field(3, b"\x17") + field(4, b"gateway") + field(5, b"") + field(6, b"gateway.devices.example") +
         field(7, SPKI) + field(8, u64(NOW)) + field(9, u64(NOW + 9)) + field(10, SERIAL) + field(12, b"http://status.devices.example/ocsp"))
crl = (field(1, b"\x02") + field(2, b"local-ca/site-7") + field(3, u64(4)) + field(4, u64(NOW)) + field(5, u64(NOW + 9)) + field(6, u64(2)) +
       field(7, bytes([16]) + SERIAL + u64(NOW) + b"\x01"))
vary("pki_signing_request", "issue", issue)
vary("pki_signing_request", "crl", crl)
vary("pki_signing_request", "object", field(1, b"\x03") + field(2, b"\x03") + field(3, permit()))
vary("pki_signing_request", "checkpoint", field(1, b"\x04") + field(2, u64(7)) + field(3, bytes(32)) + field(4, u64(5)) + 3 * field(5, bytes(32)))
vary("pki_signing_request", "refusal", field(1, b"\x04") + field(3, b"\x04") + field(4, b"no"))
vary("pki_signing_request", "certificate", field(1, b"\x01") + field(2, certificates[0]))


# The ledger as a station keeps it on disk: the format comment of src/factory/ledger_file.h.
def u32(n): return n.to_bytes(4, "big")
def digest(label, offset, data): return hashlib.sha256(label + u64(offset) + data).digest()


def record(offset, body):
    return u32(len(body)) + digest(b"length", offset, u32(len(body)))[:4] + body + digest(b"body", offset, body)[:16]


def ledger_file(*bodies):
    out = b"SPLEDGR1"
    for body in bodies:
        out += record(len(out), body)
    return out


leaf = bytes.fromhex(next(f for t, f in load("chains.txt") if t == "sound local")["chain"].split()[0])
bodies = []
for sequence in (1, 2):
    serial_id = "m-000%d" % sequence
    bodies.append(field(1, b"\x01") + field(2, SERIAL) + field(3, text(serial_id)) + field(4, bytes(32)) + field(5, u64(NOW)))
    bodies.append(field(1, b"\x02") + field(6, entry(sequence, serial_id)) + field(7, leaf))
two = ledger_file(*bodies)
first = len(ledger_file(bodies[0]))
for title, data in (("two issued", two), ("moved", ledger_file() + two[first:] + two[8:first]), ("octet changed", two[:30] + b"\x10" + two[31:]),
                    ("other magic", two[:7] + b"2" + two[8:]), ("torn header", two + u32(first)[1:]), ("torn record", two[:-9]),
                    ("zeros after", two + bytes(64)), ("first only half", two[:200]), ("magic alone", two[:8]), ("magic cut", two[:5]), ("empty", b""),
                    ("empty body", ledger_file(b"")), ("unknown kind", ledger_file(field(1, b"\x04"))),
                    ("voided alone", ledger_file(field(1, b"\x03") + field(2, SERIAL))),
                    ("huge length", two[:8] + b"\xff" * 8)):
    write("factory_ledger_file", title, data)
