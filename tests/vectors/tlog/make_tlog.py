#!/usr/bin/python3
"""Writes merkle.txt, note.txt and log.txt, from RFC 6962 §2.1, C2SP signed-note, tlog-checkpoint, tlog-tiles and tlog-proof
and docs/protocol/log.md, and from nothing of ours. The trees are computed by the recursive definitions of the RFC, signatures
by python3-cryptography.

    ./make_tlog.py            writes the files beside this one
"""
import base64
import hashlib
import pathlib
import struct

from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey

HERE = pathlib.Path(__file__).resolve().parent
# The test data of Certificate Transparency's own implementation: leaves and the roots over the first 1 to 8 of them.
CT_LEAVES = ["", "00", "10", "2021", "3031", "40414243", "5051525354555657", "606162636465666768696a6b6c6d6e6f"]
CT_ROOTS = ["6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
            "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
            "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
            "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
            "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
            "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
            "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
            "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"]
# The note in the documentation of golang.org/x/mod/sumdb/note, and the verifier key of sum.golang.org.
GO_KEY = "PeterNeumann+c74f20a3+ARpc2QcUPDhMQegwxbzhKqiBfsVkmqq/LDE4izWy10TW"
GO_NOTE = ("If you think cryptography is the answer to your problem,\nthen you don't know what your problem is.\n\n"
           "\u2014 PeterNeumann x08go/ZJkuBS9UG/SffcvIAQxVBtiFupLLr8pAcElZInNIuGUgYN1FFYC2pZSNXgKvqfqdngotpRZb6KE6RyyBwJnAM=\n")
SUMDB_KEY = "sum.golang.org+033de0ae+Ac4zctda0e5eza+HJyk9SxEdh+s3Ux18htTTAD8OuAn8"


def sha256(*parts):
    return hashlib.sha256(b"".join(parts)).digest()


def b64(data):
    return base64.b64encode(data).decode()


def split(count):
    k = 1
    while k * 2 < count:
        k *= 2
    return k


def mth(entries):
    if not entries:
        return sha256()
    if len(entries) == 1:
        return sha256(b"\x00", entries[0])
    k = split(len(entries))
    return sha256(b"\x01", mth(entries[:k]), mth(entries[k:]))


def path(m, entries):
    if len(entries) == 1:
        return []
    k = split(len(entries))
    if m < k:
        return path(m, entries[:k]) + [mth(entries[k:])]
    return path(m - k, entries[k:]) + [mth(entries[:k])]


def proof(m, entries):
    return subproof(m, entries, True)


def subproof(m, entries, known):
    if m == len(entries):
        return [] if known else [mth(entries)]
    k = split(len(entries))
    if m <= k:
        return subproof(m, entries[:k], known) + [mth(entries[k:])]
    return subproof(m - k, entries[k:], False) + [mth(entries[:k])]


class Out:
    def __init__(self, name):
        self.path, self.lines = HERE / name, ["# Written by make_tlog.py; do not edit.\n"]

    def case(self, name, **fields):
        self.lines.append(f"[{name}]\n" + "".join(f"{key} = {value}\n" for key, value in fields.items()))

    def close(self):
        self.path.write_text("\n".join(self.lines).rstrip("\n") + "\n")


def hexes(hashes):
    return " ".join(each.hex() for each in hashes)


def write_merkle():
    out = Out("merkle.txt")
    leaves = [bytes.fromhex(leaf) for leaf in CT_LEAVES]
    for size, root in enumerate(CT_ROOTS, 1):
        assert mth(leaves[:size]).hex() == root
        out.case(f"ct-{size}", leaves=" ".join(leaf or "-" for leaf in CT_LEAVES[:size]), root=root)
    numbered = [b"entry %d" % number for number in range(700)]
    for size in (1, 2, 3, 7, 8, 255, 256, 257, 511, 513, 700):
        for index in sorted({0, 1, size // 2, size - 2, size - 1} & set(range(size))):
            out.case(f"inclusion-{index}-of-{size}", index=index, size=size, root=mth(numbered[:size]).hex(),
                     proof=hexes(path(index, numbered[:size])))
    for old, new in ((1, 1), (1, 2), (2, 3), (3, 7), (4, 7), (6, 8), (7, 8), (255, 256), (256, 257), (256, 700), (300, 699), (511, 512), (512, 700)):
        out.case(f"consistency-{old}-to-{new}", old=old, size=new, old_root=mth(numbered[:old]).hex(), root=mth(numbered[:new]).hex(),
                 proof=hexes(proof(old, numbered[:new])))
    tile0 = [mth([entry]) for entry in numbered]
    tile1 = [mth(numbered[256 * i:256 * i + 256]) for i in range(2)]
    for name, hashes in (("tile/0/000", tile0[:256]), ("tile/0/002.p/188", tile0[512:700]), ("tile/1/000.p/2", tile1)):
        out.case(name, size=700, sha256=sha256(*hashes).hex())
    out.close()


def key_id(name, public):
    return sha256(name.encode(), b"\n\x01", public)[:4]


def raw(key):
    return key.public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


def vkey(name, public):
    return f"{name}+{key_id(name, public).hex()}+{b64(bytes([1]) + public)}"


def signature_line(name, key, text):
    return f"\u2014 {name} {b64(key_id(name, raw(key.public_key())) + key.sign(text.encode()))}\n"


def write_note():
    out = Out("note.txt")
    name, _, public = GO_KEY.split("+", 2)
    assert vkey(name, base64.b64decode(public)[1:]) == GO_KEY
    text, signature = GO_NOTE.split("\n\n")
    Ed25519PublicKey.from_public_bytes(base64.b64decode(public)[1:]).verify(base64.b64decode(signature.split(" ")[2])[4:], (text + "\n").encode())
    out.case("go", key=GO_KEY, note=GO_NOTE.encode().hex(), text=(text + "\n").encode().hex())
    name, _, public = SUMDB_KEY.split("+", 2)
    assert vkey(name, base64.b64decode(public)[1:]) == SUMDB_KEY
    out.case("key-of-sum.golang.org", key=SUMDB_KEY)
    ours, theirs = Ed25519PrivateKey.from_private_bytes(bytes(range(32))), Ed25519PrivateKey.from_private_bytes(bytes(range(32, 64)))
    text = "one line\n\nand an empty one before the last\n"
    line, foreign = signature_line("a.example/log", ours, text), signature_line("witness.example", theirs, text)
    ours_vkey = vkey("a.example/log", raw(ours.public_key()))
    for case, note in (("two-keys", text + "\n" + foreign + line), ("alone", text + "\n" + line)):
        out.case(case, key=ours_vkey, note=note.encode().hex(), text=text.encode().hex())
    bad = bytearray(base64.b64decode(line.split(" ")[2]))
    bad[10] ^= 1
    wrong = f"\u2014 a.example/log {b64(bytes(bad))}\n"
    refused = {"only-others": text + "\n" + foreign, "signature-altered": text + "\n" + wrong, "text-altered": text.replace("one", "two", 1) + "\n" + line,
               "one-good-one-altered": text + "\n" + line + wrong}
    for case, note in refused.items():
        out.case("refused-" + case, key=ours_vkey, note=note.encode().hex())
    malformed = {"no-signature": text + "\n", "no-empty-line": "text\n" + line, "control-character": "te\x01xt\n\n" + line, "carriage-return": "text\r\n\n" + line,
                 "no-newline-at-end": text + "\n" + line[:-1], "hyphen-for-dash": text + "\n" + line.replace("\u2014", "-"), "two-spaces": text + "\n" + line.replace("\u2014 ", "\u2014  "),
                 "plus-in-name": text + "\n" + line.replace("a.example", "a+example"), "space-in-name": text + "\n" + line.replace("a.example", "a\u00a0example"),
                 "no-padding": text + "\n" + line.replace("=\n", "\n") if line.endswith("=\n") else text + "\n" + line[:-3] + "\n",
                 "key-id-alone": text + "\n\u2014 a.example/log " + b64(b"1234") + "\n"}
    for case, note in malformed.items():
        out.case("malformed-" + case, note=note.encode().hex())
    out.case("malformed-not-utf8", note=(b"te\xffxt\n\n" + line.encode()).hex())
    out.close()


def field(tag, value):
    return struct.pack(">H", tag) + struct.pack(">I", len(value))[1:] + value


def u64(value):
    return struct.pack(">Q", value)


def log_entry(kind, index, time, *more):
    return b"sallyport/log-entry/v1\x00" + field(1, bytes([kind])) + field(2, u64(index)) + field(3, u64(time)) + b"".join(field(*each) for each in more)


def write_log():
    """The worked example of docs/protocol/log.md."""
    out = Out("log.txt")
    der = bytes.fromhex("3003020105")  # any DER: the log does not look inside
    entries = [log_entry(3, 0, 1780315200, (6, u64(1)), (7, sha256(b"audit entry 1"))),
               log_entry(2, 1, 1780315201, (5, b"acme"), (6, u64(3)), (7, sha256(b"ledger entry 3"))),
               log_entry(1, 2, 1780315202, (4, b"online-ca"), (8, der))]
    for entry, what in zip(entries, ("audit-event", "ledger-head", "certificate")):
        out.case(what, entry=entry.hex(), leaf=mth([entry]).hex())
    origin = "devices.example/log"
    key = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
    body = f"{origin}\n3\n{b64(mth(entries))}\n"
    checkpoint = body + "\n" + signature_line(origin, key, body)
    text = "c2sp.org/tlog-proof@v1\nextra " + b64(entries[2][:-len(der)]) + "\nindex 2\n" + "".join(b64(each) + "\n" for each in path(2, entries)) + "\n" + checkpoint
    out.case("checkpoint", key=vkey(origin, raw(key.public_key())), seed=bytes(range(32)).hex(), size=3, root=mth(entries).hex(), text=body.encode().hex(), note=checkpoint.encode().hex())
    out.case("tiles", hashes=b"".join(mth([entry]) for entry in entries).hex(),
             bundle=b"".join(struct.pack(">H", len(entry)) + entry for entry in entries).hex())
    out.case("proof", der=der.hex(), proof=text.encode().hex())
    out.close()


if __name__ == "__main__":
    write_merkle()
    write_note()
    write_log()
