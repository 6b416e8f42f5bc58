#!/usr/bin/python3
"""Heaps of certificates that are hard to find a way through, or made to cost a verifier much. Writes tangles.txt.

chain is the leaf and then the heap; expect is ok or the reason at 2026-06-01T12:00:00Z for the name www.shop.example.
"""
from pki_der import *

HOST = "www.shop.example"
FAR = NOW + 3000 * DAY
out = Out("tangles.txt", "make_tangles.py")
ROOT_KEY = new_key()


def authority(subject, issuer, key, issuer_key, add=(), path=None, na=FAR, usage=("keyCertSign", "cRLSign"), identifier=None):
    return cert(subject, issuer, key, issuer_key, [identifier or ski(key), aki(issuer_key), ku(*usage), bc(path), *add], nb=NOW - 30 * DAY, na=na)


def leaf(issuer, issuer_key, names=(HOST,), add=(), **kw):
    key = new_key()
    return cert("leaf", issuer, key, issuer_key, [ski(key), aki(issuer_key), ku("digitalSignature"), eku("server"), san(*names), *add], **kw)


ROOT = authority("root", "root", ROOT_KEY, ROOT_KEY)


def case(title, expect, chain, anchor=ROOT):
    out.case(title, expect=expect, chain=" ".join(c.hex() for c in chain), anchor=anchor.hex())


# --- ways out of dead ends: one CA in several certificates, of which only one leads up
key = new_key()
good = authority("ca", "root", key, ROOT_KEY)
bad = {"expired": authority("ca", "root", key, ROOT_KEY, na=NOW - DAY),
       "of a foreign root": authority("ca", "elsewhere", key, new_key()),
       "without keyCertSign": authority("ca", "root", key, ROOT_KEY, usage=["cRLSign"]),
       "with a clientAuth restriction": authority("ca", "root", key, ROOT_KEY, add=[eku("client")]),
       "permitted elsewhere": authority("ca", "root", key, ROOT_KEY, add=[nc(["bank.example"], addresses=False)]),
       "excluding the name": authority("ca", "root", key, ROOT_KEY, add=[nc([], ["shop.example"], addresses=False)]),
       "with an unknown critical extension": authority("ca", "root", key, ROOT_KEY, add=[ext("1.2.3.4", null(), True)]),
       "not signed by its issuer": cert("ca", "root", key, new_key(), [ski(key), aki(ROOT_KEY), ku("keyCertSign"), bc()], na=FAR),
       "that is no CA": cert("ca", "root", key, ROOT_KEY, [ski(key), aki(ROOT_KEY), ku("digitalSignature")], na=FAR),
       "of another key": authority("ca", "root", new_key(), ROOT_KEY)}
LEAF = leaf("ca", key)
for name, other in bad.items():
    case("a twin %s, first" % name, "ok", [LEAF, other, good])
    case("a twin %s, last" % name, "ok", [LEAF, good, other])
case("all bad twins, the good one between", "ok", [LEAF, *list(bad.values())[:5], good, *list(bad.values())[5:]])
WHY = {"expired": "expired", "of a foreign root": "issuer_mismatch", "without keyCertSign": "key_usage", "with a clientAuth restriction": "extended_key_usage",
       "permitted elsewhere": "name_constraint", "excluding the name": "name_constraint", "with an unknown critical extension": "unknown_critical",
       "not signed by its issuer": "bad_signature", "that is no CA": "not_a_ca", "of another key": "key_id_mismatch"}
for name, other in bad.items():
    case("only a twin " + name, "no_anchor" if name == "of a foreign root" else WHY[name], [LEAF, other])

# --- two and three storeys, where the right choice below shows only above
low, mid, other_mid = new_key(), new_key(), new_key()
short = authority("mid", "root", mid, ROOT_KEY, path=0)
wide = authority("mid", "root", mid, ROOT_KEY, path=1)
LOW = authority("low", "mid", low, mid)
LEAF = leaf("low", low)
case("path length of the first mid is too short", "ok", [LEAF, LOW, short, wide])
case("path length of every mid is too short", "path_length", [LEAF, LOW, short])
CROSS = authority("low", "other", low, other_mid)
OTHER = authority("other", "root", other_mid, ROOT_KEY, add=[nc(["bank.example"], addresses=False)])
case("a cross-certificate under a CA that forbids the name", "ok", [LEAF, CROSS, OTHER, LOW, wide])
case("both ways are closed", "path_length", [LEAF, LOW, CROSS, short])
case("in reverse order", "ok", [LEAF, OTHER, wide, CROSS, LOW])

# --- circles
a, b, c = new_key(), new_key(), new_key()
RING = [authority("a", "b", a, b), authority("b", "c", b, c), authority("c", "a", c, a)]
case("a ring without a way out", "issuer_mismatch", [leaf("a", a), *RING, authority("nobody", "nowhere", new_key(), new_key())])
case("a ring with a way out", "ok", [leaf("a", a), *RING, authority("c", "root", c, ROOT_KEY)])
case("a CA that signed itself", "ok", [leaf("a", a), authority("a", "a", a, a), authority("a", "root", a, ROOT_KEY)])
case("two CAs that signed each other", "ok", [leaf("a", a), authority("a", "b", a, b), authority("b", "a", b, a), authority("b", "root", b, ROOT_KEY)])
ROLLED = new_key()
case("a CA's new key under its old one", "ok", [leaf("a", ROLLED), authority("a", "a", ROLLED, a), authority("a", "root", a, ROOT_KEY, path=0)])

# --- limits
keys = [new_key() for _ in range(9)]
stairs = [authority("stair 0", "root", keys[0], ROOT_KEY)] + [authority("stair %d" % i, "stair %d" % (i - 1), keys[i], keys[i - 1]) for i in range(1, 9)]
case("ten certificates in one path", "ok", [leaf("stair 7", keys[7])] + stairs[:8])
case("eleven certificates in one path", "chain_too_long", [leaf("stair 8", keys[8])] + stairs)
same = octets(b"the same id")
SAME_ID = ext("2.5.29.14", same)
SAME_AKI = ext("2.5.29.35", seq(ctxp(0, b"the same id")))


def lookalike(subject, issuer, key, issuer_key):
    return cert(subject, issuer, key, issuer_key, [SAME_ID, SAME_AKI, ku("keyCertSign"), bc()], na=FAR)


crowd = [new_key() for _ in range(8)]
TANGLE = [lookalike("x", "x", crowd[i], crowd[j]) for i in range(8) for j in range(8) if i != j]
STRANGER = cert("leaf", "x", crowd[0], crowd[0], [SAME_AKI, ku("digitalSignature"), eku("server"), san(HOST)])
case("eight keys of one name that all signed each other", "work_limit", [STRANGER] + TANGLE)
case("sixty-five certificates besides the leaf", "chain_too_long", [LEAF] + [LOW] * 65)
MANY = ["h%03d.shop.example" % i for i in range(99)] + [HOST]
TREES = ["t%03d.example" % i for i in range(100)]
steps = [new_key() for _ in range(8)]
HEAVY = [authority("heavy %d" % i, "heavy %d" % (i - 1) if i else "root", steps[i], steps[i - 1] if i else ROOT_KEY, add=[nc([], TREES, addresses=False)]) for i in range(8)]
HEAVY_LEAF = leaf("heavy 7", steps[7], names=MANY)
case("a hundred names under eight times a hundred subtrees", "ok", [HEAVY_LEAF] + HEAVY)
TWINS = [authority("heavy %d" % i, "heavy %d" % (i - 1) if i else "elsewhere", steps[i], steps[i - 1] if i else new_key(),
                   add=[nc([], TREES, addresses=False)]) for _ in range(3) for i in range(8)]
case("the same three times over, and no way up", "work_limit", [HEAVY_LEAF] + TWINS)
out.write()
