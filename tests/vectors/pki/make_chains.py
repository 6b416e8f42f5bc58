#!/usr/bin/python3
"""Chains of a hostile maker who holds every CA key, each wrong in one way. Writes chains.txt.

purpose is one of server NAME, device, factory, web, role, person, control KIND, foreign NAME; the zone is devices.example.
expect is ok or the reason by which the chain is refused at `now`.
"""
from pki_der import *

ZONE = "devices.example"
out = Out("chains.txt", "make_chains.py")
root_key, old_key, leaf_key, other_key = new_key(), new_key(), new_key(), new_key()
ca_keys = {k: new_key() for k in list(KINDS) + ["sub", "middle"]}
CA_EKU = {"online": ["client", "ocsp"], "local": ["client"], "server": ["server", "ocsp"], "web": ["server", "ocsp"],
          "people": ["client", "ocsp"], "roles": ["server", "client", "ocsp"],
          "control": ["grant", "snapshot", "permit", "licence", "checkpoint", "ocsp"]}
CA_NAMES = {"online": [ZONE], "local": ["site-7.factory." + ZONE], "server": [ZONE, "console.example"], "web": [ZONE],
            "people": ["people." + ZONE], "roles": ["internal." + ZONE], "control": None}
DEVICE = "abcdefghij"
FAR = NOW + 3000 * DAY


def root(key=root_key, cn="root", exts=None, **kw):
    return cert(cn, cn, key, key, exts or [ski(key), aki(key), ku("keyCertSign", "cRLSign"), bc(2)], na=kw.pop("na", FAR), **kw)


ROOT = root()


def ca(kind, key=None, issuer="root", issuer_key=root_key, drop=(), add=(), ekus=None, permitted=None, pol=None, path=0, usage=None, excluded=(), **kw):
    key = key or ca_keys[kind]
    usage = usage or (["keyCertSign"] if kind == "local" else ["keyCertSign", "cRLSign"])
    exts = {"ski": ski(key), "aki": aki(issuer_key), "ku": ku(*usage), "bc": bc(path), "eku": eku(*(ekus or CA_EKU[kind])), "policy": policy(pol or kind)}
    names = CA_NAMES[kind] if permitted is None else permitted
    if names:
        exts["nc"] = nc(names, excluded)
    for d in drop:
        exts.pop(d, None)
    return cert(kw.pop("cn", kind + "-ca"), issuer, key, issuer_key, list(exts.values()) + list(add), na=kw.pop("na", NOW + 1000 * DAY), **kw)


LEAF_EKU = {"online": ["client"], "local": ["client"], "server": ["server"], "web": ["server"], "people": ["client"], "roles": ["server", "client"], "control": ["grant"]}
LEAF_NAMES = {"online": [DEVICE + "." + ZONE], "local": ["unit-1.site-7.factory." + ZONE], "server": ["gateway." + ZONE],
              "web": [DEVICE + "." + ZONE, "*." + DEVICE + "." + ZONE], "people": [ctxp(6, b"https://people.devices.example/anna@example.com")],
              "roles": ["relay.internal." + ZONE], "control": []}


def leaf(kind, drop=(), add=(), ekus=None, names=None, pol=None, key=None, issuer_key=None, usage=("digitalSignature",), cn="leaf", **kw):
    key = key or leaf_key
    issuer_key = issuer_key or ca_keys[kind]
    exts = {"ski": ski(key), "aki": aki(issuer_key), "ku": ku(*usage), "eku": eku(*(ekus or LEAF_EKU[kind])), "policy": policy(pol or kind)}
    names = LEAF_NAMES[kind] if names is None else names
    if names:
        exts["san"] = san(*names)
    for d in drop:
        exts.pop(d, None)
    return cert(cn, kw.pop("issuer", kind + "-ca"), key, issuer_key, list(exts.values()) + list(add), **kw)


PURPOSE = {"online": "device", "local": "factory", "server": "server gateway." + ZONE, "web": "web", "people": "person", "roles": "role", "control": "control grant"}


def case(title, expect, kind, leaf_cert=None, ca_cert=None, purpose=None, anchors=None, chain=None, identity="", now=NOW, floor=False):
    chain = chain or [leaf_cert or leaf(kind), ca_cert or ca(kind)]
    out.case(title, expect=expect, purpose=purpose or PURPOSE[kind], now=now.strftime("%Y-%m-%dT%H:%M:%SZ"), clock="floor" if floor else "trusted",
             identity=identity or "-", chain=" ".join(c.hex() for c in chain), anchors=" ".join(a.hex() for a in (anchors or [ROOT])))


# --- what must be accepted
IDENTITY = {"online": DEVICE, "local": "unit-1@site-7", "server": "gateway." + ZONE, "web": DEVICE, "people": "anna@example.com", "roles": "relay", "control": "grant"}
for kind in KINDS:
    case("sound " + kind, "ok", kind, identity=IDENTITY[kind])
case("sound, anchor sent as well", "ok", "server", chain=[leaf("server"), ca("server"), ROOT], identity="gateway." + ZONE)
case("sound, console name", "ok", "server", leaf("server", names=["gateway." + ZONE, "console.example"]), purpose="server console.example", identity="console.example")
case("sound, among several anchors", "ok", "server", anchors=[root(other_key), ROOT], identity="gateway." + ZONE)
pin = ext("1.3.6.1.4.1.51483.2.1", seq(seq(oid("2.16.840.1.101.3.4.2.1")), octets(hashlib.sha256(spki(root_key)).digest())))
OLD = root(old_key, "old root", [ski(old_key), aki(old_key), ku("keyCertSign", "cRLSign"), bc(2), pin])
LINK_EXTS = [ski(root_key), aki(old_key), ku("keyCertSign", "cRLSign"), bc(1)]
LINK = cert("root", "old root", root_key, old_key, LINK_EXTS, na=FAR)
case("sound over a pinned link", "ok", "server", chain=[leaf("server"), ca("server"), LINK], anchors=[OLD], identity="gateway." + ZONE)
case("sound, link sent but not needed", "ok", "server", chain=[leaf("server"), ca("server"), LINK], identity="gateway." + ZONE)

# --- structure of the path
case("no CA certificate sent", "no_anchor", "server", chain=[leaf("server")])
case("foreign root", "no_anchor", "server", anchors=[root(other_key, "other root")])
case("foreign root of the same name", "no_anchor", "server", anchors=[root(other_key)])
case("nine certificates", "chain_too_long", "server", chain=[leaf("server")] + [ca("server")] * 8)
case("chain in the wrong order", "leaf_is_a_ca", "server", chain=[ca("server"), leaf("server")])
case("CA certificate as leaf", "leaf_is_a_ca", "server", chain=[ca("server")])
case("root as leaf", "leaf_is_a_ca", "server", chain=[ROOT])
case("leaf signed by another key", "bad_signature", "server", leaf("server", issuer_key=other_key, drop=["aki"], add=[aki(ca_keys["server"])]))
case("CA signed by another key", "bad_signature", "server", ca_cert=ca("server", issuer_key=other_key, drop=["aki"], add=[aki(root_key)]))
case("issuer name differs", "issuer_mismatch", "server", leaf("server", issuer="server-CA"))
case("AKI of another key", "key_id_mismatch", "server", leaf("server", drop=["aki"], add=[aki(other_key)]))
case("leaf without AKI", "key_id_mismatch", "server", leaf("server", drop=["aki"]))
case("leaf without SKI", "key_id_mismatch", "server", leaf("server", drop=["ski"]))
case("leaf issues a leaf", "not_a_ca", "server", chain=[leaf("server", issuer="leaf", issuer_key=other_key), leaf("server", key=other_key), ca("server")])
case("CA without keyCertSign", "key_usage", "server", ca_cert=ca("server", usage=["cRLSign", "digitalSignature"]))
case("CA without key usage", "key_usage", "server", ca_cert=ca("server", drop=["ku"]))
case("CA without basic constraints", "not_a_ca", "server", ca_cert=ca("server", drop=["bc"]))
SUB = ca("server", key=ca_keys["sub"], issuer="server-ca", issuer_key=ca_keys["server"], cn="sub-ca")
case("CA below a CA of path length 0", "path_length", "server", chain=[leaf("server", issuer="sub-ca", issuer_key=ca_keys["sub"]), SUB, ca("server")])
SUB1 = ca("server", path=1)
case("CA below a CA of path length 1", "path_length", "server", chain=[leaf("server"), SUB1])
case("leaf directly under the root", "policy", "server", chain=[leaf("server", issuer="root", issuer_key=root_key)])
case("link that the old root does not pin", "root_link", "server", chain=[leaf("server"), ca("server"), LINK], anchors=[root(old_key, "old root")])

# --- time
case("leaf expired", "expired", "server", leaf("server", na=NOW - HOUR / 2))
case("leaf not yet valid", "not_yet_valid", "server", leaf("server", nb=NOW + HOUR))
case("CA expired", "expired", "server", ca_cert=ca("server", na=NOW - HOUR / 2))
case("root expired", "expired", "server", anchors=[root(na=NOW - HOUR / 2)])
case("floor before validity is no evidence", "ok", "server", now=NOW - 400 * DAY, floor=True, identity="gateway." + ZONE)
case("floor after validity is", "expired", "server", now=NOW + 31 * DAY, floor=True)
case("100 years", "policy", "server", leaf("server", na=NOW + 990 * DAY))
case("outlives its CA", "policy", "local", leaf("local", na=NOW + 1001 * DAY))
case("begins before its CA", "policy", "server", leaf("server", nb=NOW - 2 * DAY))

# --- use
case("server certificate as a device's", "extended_key_usage", "server", purpose="device")
case("device certificate as a server's", "extended_key_usage", "online", purpose="server %s.%s" % (DEVICE, ZONE))
case("no extended key usage", "extended_key_usage", "server", leaf("server", drop=["eku"]))
case("anyExtendedKeyUsage", "extended_key_usage", "server", leaf("server", ekus=["any"]))
case("serverAuth under a clientAuth CA", "extended_key_usage", "server", ca_cert=ca("server", ekus=["client"]))
case("one usage too many", "extended_key_usage", "online", leaf("online", ekus=["client", "server"]))
case("OCSPSigning beside serverAuth", "extended_key_usage", "server", leaf("server", ekus=["server", "ocsp"]))
case("key usage without digitalSignature", "key_usage", "server", leaf("server", usage=["keyEncipherment"]))
case("key usage with keyCertSign", "key_usage", "server", leaf("server", usage=["digitalSignature", "keyCertSign"]))
case("unknown critical in the leaf", "unknown_critical", "server", leaf("server", add=[ext("1.2.3.4", null(), True)]))
case("unknown critical in the CA", "unknown_critical", "server", ca_cert=ca("server", add=[ext("1.2.3.4", null(), True)]))
case("critical policy constraints", "policy", "server", ca_cert=ca("server", add=[ext("2.5.29.36", seq(ctxp(0, b"\x00")), True)]))

# --- policies
case("web device shown as a server", "policy", "web", purpose="server %s.%s" % (DEVICE, ZONE))
case("server shown as a web device", "policy", "server", leaf("server", names=LEAF_NAMES["web"]), purpose="web")
case("factory certificate as operational", "policy", "local", purpose="device")
case("operational certificate as factory", "policy", "online", purpose="factory")
case("person as a device", "policy", "people", purpose="device")
case("role as a device (both usages)", "policy", "roles", purpose="device")
case("leaf with another policy than its CA", "policy", "server", leaf("server", pol="web"))
case("leaf without a policy", "policy", "server", leaf("server", drop=["policy"]))
case("leaf with two policies", "policy", "server", leaf("server", drop=["policy"], add=[ext("2.5.29.32", seq(seq(oid(ARC + ".1.3")), seq(oid(ARC + ".1.4"))))]))
case("leaf with anyPolicy", "policy", "server", leaf("server", drop=["policy"], add=[ext("2.5.29.32", seq(seq(oid("2.5.29.32.0"))))]))
case("CA without a policy", "policy", "server", ca_cert=ca("server", drop=["policy"]))
case("web-ca and its leaf both say server, names tell", "name_constraint", "web", leaf("web", pol="server", names=["console.example"]), ca("web", pol="server"), purpose="server console.example")
case("control: a snapshot signer signs grants", "extended_key_usage", "control", leaf("control", ekus=["snapshot"]))
case("control: both kinds in one", "extended_key_usage", "control", leaf("control", ekus=["grant", "snapshot"]))
case("control: with a name", "alternative_names", "control", leaf("control", names=["a.example"]))
case("grant signer from online-ca", "extended_key_usage", "online", leaf("online", ekus=["grant"], names=[]), purpose="control grant")

# --- names
case("another server", "identity", "server", purpose="server status." + ZONE)
case("name in the CN alone", "alternative_names", "server", leaf("server", names=[], cn="gateway." + ZONE))
case("foreign: name in the CN alone", "identity", "server", leaf("server", names=[], cn="gateway." + ZONE), purpose="foreign gateway." + ZONE)
case("server wildcard", "alternative_names", "server", leaf("server", names=["*." + ZONE]))
case("server name outside the CA's", "name_constraint", "server", leaf("server", names=["gateway.%s" % ZONE, "www.bank.example"]))
case("look-alike suffix", "name_constraint", "server", leaf("server", names=["gateway.%s" % ZONE, "evildevices.example"]))
case("upper case", "alternative_names", "server", leaf("server", names=["Gateway." + ZONE]))
case("IP address beside", "name_constraint", "server", leaf("server", names=["gateway." + ZONE, ctxp(7, bytes([127, 0, 0, 1]))]))
case("mailbox beside", "name_constraint", "server", leaf("server", names=["gateway." + ZONE, ctxp(1, b"a@b.example")]))
case("mailbox in the subject", "name_constraint", "server", leaf("server", cn=seq(set_(seq(oid("1.2.840.113549.1.9.1"), tlv(0x16, b"a@b.example"))), set_(seq(oid("2.5.4.3"), tlv(12, b"x"))))))
case("URI beside", "alternative_names", "server", leaf("server", names=["gateway." + ZONE, ctxp(6, b"https://x.example/")]))
case("otherName beside", "alternative_names", "local", leaf("local", names=LEAF_NAMES["local"] + [ctx(0, oid("1.3.6.1.5.5.7.8.4") + ctx(0, octets(b"x")))]))
case("device: two names", "alternative_names", "online", leaf("online", names=[DEVICE + "." + ZONE, "klmnopqrst." + ZONE]))
case("device: not a device name", "alternative_names", "online", leaf("online", names=["gateway." + ZONE]))
case("device: two labels", "alternative_names", "online", leaf("online", names=["a.%s.%s" % (DEVICE, ZONE)]))
case("device: wildcard beside", "alternative_names", "online", leaf("online", names=LEAF_NAMES["web"]))
case("device: no name", "alternative_names", "online", leaf("online", names=[], cn=DEVICE + "." + ZONE))
case("web: without the wildcard", "alternative_names", "web", leaf("web", names=[DEVICE + "." + ZONE]))
case("web: another's wildcard", "alternative_names", "web", leaf("web", names=[DEVICE + "." + ZONE, "*.klmnopqrst." + ZONE]))
case("web: wildcard of the zone", "alternative_names", "web", leaf("web", names=["*." + ZONE, DEVICE + "." + ZONE]))
case("web: wildcard above the permitted subtree", "name_constraint", "web", leaf("web", names=["*.example"]))
case("factory: another site's name", "name_constraint", "local", leaf("local", names=["unit-1.site-8.factory." + ZONE]))
case("factory: another site's name in the CN", "ok", "local", leaf("local", cn="unit-1.site-8.factory." + ZONE), identity="unit-1@site-7")
case("factory: another site's name as URI", "alternative_names", "local", leaf("local", names=LEAF_NAMES["local"] + [ctxp(6, b"device://site-8.factory.devices.example/unit-1")]))
case("factory: only a URI", "alternative_names", "local", leaf("local", names=[ctxp(6, b"device://site-8.factory.devices.example/unit-1")]))
case("factory: another site's name beside", "name_constraint", "local", leaf("local", names=LEAF_NAMES["local"] + ["unit-1.site-8.factory." + ZONE]))
case("factory: wildcard", "alternative_names", "local", leaf("local", names=["*.site-7.factory." + ZONE]))
case("factory: the site itself", "alternative_names", "local", leaf("local", names=["site-7.factory." + ZONE]))
case("factory: id with an underscore", "alternative_names", "local", leaf("local", names=["unit_1.site-7.factory." + ZONE]))
case("factory CA without constraints", "name_constraint", "local", ca_cert=ca("local", drop=["nc"]))
case("factory CA for two sites", "name_constraint", "local", ca_cert=ca("local", permitted=["site-7.factory." + ZONE, "site-8.factory." + ZONE]))
case("factory CA for every site", "alternative_names", "local", ca_cert=ca("local", permitted=["factory." + ZONE]))
case("factory CA of another zone", "identity", "local", leaf("local", names=["unit-1.site-7.factory.other.example"]), ca("local", permitted=["site-7.factory.other.example"]))
case("factory CA with excluded names", "name_constraint", "local", ca_cert=ca("local", excluded=["bad.example"]))
case("factory CA without excluded addresses", "name_constraint", "local", ca_cert=ca("local", drop=["nc"], add=[nc(CA_NAMES["local"], addresses=False, mailboxes=True)]))
case("factory CA without a constraint on mailboxes", "name_constraint", "local", ca_cert=ca("local", drop=["nc"], add=[nc(CA_NAMES["local"], mailboxes=False)]))
case("factory CA that excludes the empty mailbox", "name_constraint", "local", ca_cert=ca("local", drop=["nc"], add=[nc(CA_NAMES["local"], mailboxes=False, no_mailbox=True)]))
case("online-ca of another zone", "identity", "online", leaf("online", names=[DEVICE + ".other.example"]), ca("online", permitted=["other.example"]))
case("role of another zone", "identity", "roles", leaf("roles", names=["relay.internal.other.example"]), ca("roles", permitted=["internal.other.example"]))
case("person without a login", "alternative_names", "people", leaf("people", names=[ctxp(6, b"https://people.devices.example/")]))
case("person of another host", "alternative_names", "people", leaf("people", names=[ctxp(6, b"https://people.devices.example@evil.example/anna")]))
case("person with a path", "alternative_names", "people", leaf("people", names=[ctxp(6, b"https://people.devices.example/anna/../root")]))
case("person in the CN alone", "alternative_names", "people", leaf("people", names=[], cn="anna"))


# --- somebody else's tree
def fca(**kw): return ca("server", drop=["nc", "policy", "eku"] + kw.pop("drop", []), **kw)
def fleaf(names, **kw): return leaf("server", names=names, drop=["policy"] + kw.pop("drop", []), **kw)


F = "foreign www.shop.example"
W = ["www.shop.example"]
case("foreign, sound", "ok", "server", fleaf(W), fca(), F, identity="www.shop.example")
case("foreign, wildcard", "ok", "server", fleaf(["*.shop.example"]), fca(), F, identity="www.shop.example")
case("foreign, upper case", "ok", "server", fleaf(["WWW.Shop.example"]), fca(), F, identity="www.shop.example")
case("foreign, wildcard over two labels", "identity", "server", fleaf(["*.example"]), fca(), F)
case("foreign, wildcard for the bare name", "identity", "server", fleaf(["*.www.shop.example"]), fca(), F)
case("foreign, CA permitted", "ok", "server", fleaf(W), fca(add=[nc(["shop.example"], addresses=False)]), F, identity="www.shop.example")
case("foreign, CA permitted elsewhere", "name_constraint", "server", fleaf(W), fca(add=[nc(["bank.example"], addresses=False)]), F)
case("foreign, wildcard above a permitted subtree", "name_constraint", "server", fleaf(["*.shop.example"]), fca(add=[nc(["www.shop.example"], addresses=False)]), F)
case("foreign, excluded", "name_constraint", "server", fleaf(W), fca(add=[nc([], ["shop.example"], addresses=False)]), F)
case("foreign, wildcard covering an excluded name", "name_constraint", "server", fleaf(["*.shop.example"]), fca(add=[nc([], ["pay.shop.example"], addresses=False)]), F)
case("foreign, wildcard below an excluded name", "name_constraint", "server", fleaf(["*.shop.example"]), fca(add=[nc([], ["example"], addresses=False)]), F)
case("foreign, constraints of the root count", "name_constraint", "server", fleaf(W), fca(), F,
     anchors=[root(exts=[ski(root_key), aki(root_key), ku("keyCertSign"), bc(), nc(["bank.example"], addresses=False)])])
case("foreign, constraint on directory names", "name_constraint", "server", fleaf(W), fca(add=[ext("2.5.29.30", seq(ctx(0, seq(ctx(4, name("x"))))), True)]), F)
case("foreign, clientAuth CA", "extended_key_usage", "server", fleaf(W), fca(add=[eku("client")]), F)
case("foreign, any CA", "ok", "server", fleaf(W), fca(add=[eku("any")]), F, identity="www.shop.example")
case("foreign, no key usage in the leaf", "ok", "server", fleaf(W, drop=["ku"]), fca(), F, identity="www.shop.example")
MIDDLE = ca("server", key=ca_keys["middle"], cn="middle", drop=["nc", "policy", "eku"], path=1)
LOW = ca("server", issuer="middle", issuer_key=ca_keys["middle"], drop=["nc", "policy", "eku"])
case("foreign, two CAs", "ok", "server", purpose=F, chain=[fleaf(W), LOW, MIDDLE], identity="www.shop.example")
MIDDLE0 = ca("server", key=ca_keys["middle"], cn="middle", drop=["nc", "policy", "eku"], path=0)
case("foreign, path length of the middle", "path_length", "server", purpose=F, chain=[fleaf(W), LOW, MIDDLE0])
MIDDLE_NC = ca("server", key=ca_keys["middle"], cn="middle", drop=["nc", "policy", "eku"], path=1, add=[nc(["bank.example"], addresses=False)])
case("foreign, constraints of the middle", "name_constraint", "server", purpose=F, chain=[fleaf(W), LOW, MIDDLE_NC])
out.write()
