#!/usr/bin/python3
# test: deadline=240
"""`sallyport cert verify` and `cert show` as users call them; against OpenSSL over chains that are wrong in one or two ways; and
against a judge of name constraints written anew here, over many names and subtrees."""
import itertools
import json
import pathlib
import random
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import cases  # noqa: E402
import chains  # noqa: E402
from chains import Key, aki, der, make, pem, ski  # noqa: E402

HOST = "www.shop.example"
AT = "2026-06-01T12:00:00Z"
EPOCH = "1780315200"
SEED = 20260601
PAIRS = 350


class Stage:
    def __init__(self, build, folder):
        self.program, self.folder = build / "apps" / "sallyport", pathlib.Path(folder)

    def write(self, name, content):
        path = self.folder / name
        path.write_bytes(content) if isinstance(content, bytes) else path.write_text(content)
        return str(path)

    def run(self, *words):
        return subprocess.run([self.program, *words], capture_output=True, text=True, timeout=30, check=False)

    def verify(self, files, anchor, *words):
        """(verdict, reason) of ours."""
        done = self.run("cert", "verify", *files, "--anchor", anchor, "--at", AT, "--json", *words)
        cases.want(done.returncode in (0, 4), f"exit {done.returncode}, want 0 or 4: {done.stderr.strip()}")
        found = json.loads(done.stdout)
        cases.want((found["verdict"] == "good") == (done.returncode == 0), f"{found['verdict']} with exit {done.returncode}")
        return found["verdict"], found["reason"]


def root_of(key=None, **changes):
    key = key or Key("p256", "root")
    return make("root", "root", key, key, {"ski": ski(key), "aki": aki(key), "ku": der.ku("keyCertSign", "cRLSign"), "bc": der.bc()} | changes)


def authority(subject="ca", issuer="root", key=None, issuer_key=None, path=None, extensions=None, **pieces):
    key, issuer_key = key or Key("p256", subject), issuer_key or Key("p256", issuer)
    return make(subject, issuer, key, issuer_key, {"ski": ski(key), "aki": aki(issuer_key), "ku": der.ku("keyCertSign", "cRLSign"), "bc": der.bc(path)} |
                (extensions or {}), **pieces)


def leaf_of(issuer="ca", key=None, issuer_key=None, names=(HOST,), subject="leaf", extensions=None, **pieces):
    key, issuer_key = key or Key("p256", "leaf"), issuer_key or Key("p256", issuer)
    return make(subject, issuer, key, issuer_key, {"ski": ski(key), "aki": aki(issuer_key), "ku": der.ku("digitalSignature"), "eku": der.eku("server"),
                                                   "san": der.san(*names) if names else None} | (extensions or {}), **pieces)


# --- as users call it

def files_of(stage, leaf=None, ca=None):
    return [stage.write("leaf.pem", pem(leaf or leaf_of())), stage.write("ca.pem", pem(ca or authority()))], stage.write("root.pem", pem(root_of()))


def check_a_good_chain_is_shown_as_a_tree_with_its_verdict(stage):
    files, root = files_of(stage)
    done = stage.run("cert", "verify", *files, "--anchor", root, "--at", AT, "--purpose", "server", "--name", HOST)
    lines = done.stdout.splitlines()
    cases.want(done.returncode == 0, f"exit {done.returncode}: {done.stderr}")
    cases.want(lines[0].startswith("CN=root") and any(line.startswith("└─ CN=ca") for line in lines) and any(line.startswith("   └─ CN=leaf") for line in lines),
               f"found {lines}, want root, CA and leaf as a tree")
    cases.want(lines[-1] == f"good as a TLS server's for {HOST}, at {AT}", f"found {lines[-1]!r}")


def check_a_refusal_names_its_reason_in_code_and_words(stage):
    files, root = files_of(stage)
    done = stage.run("cert", "verify", *files, "--anchor", root, "--at", "2030-01-01", "--purpose", "server", "--name", HOST)
    cases.want(done.returncode == 4 and "reason  expired" in done.stdout and "has ended" in done.stdout, f"exit {done.returncode}: {done.stdout}")
    cases.want(stage.verify(files, root, "--purpose", "client") == ("refused", "extended_key_usage"), "want a server's certificate refused as a client's")
    cases.want(stage.verify(files, root, "--name", "shop.example") == ("refused", "identity"), "want another name refused")


def check_unreadable_input_and_wrong_options_have_statuses_of_their_own(stage):
    files, root = files_of(stage)
    garbage = stage.write("garbage.pem", "no certificate at all")
    for words, status in (((garbage, "--anchor", root), 1), ((str(stage.folder / "none.pem"), "--anchor", root), 1), ((files[0], "--anchor", garbage), 1),
                          ((files[0],), 2), ((files[0], "--anchor", root, "--purpose", "x"), 2), ((files[0], "--anchor", root, "--at", "soon"), 2),
                          ((files[0], "--anchor", root, "--name", "a b"), 2)):
        done = stage.run("cert", "verify", *words)
        cases.want(done.returncode == status, f"{words}: exit {done.returncode}, want {status}: {done.stderr}")
        cases.want(done.stderr.startswith("sallyport: "), f"{words}: {done.stderr!r}, want one sentence")


def check_der_bundles_and_addresses_are_read(stage):
    root = stage.write("root.der", root_of())
    names = [HOST, der.ctxp(7, bytes([192, 0, 2, 1])), der.ctxp(7, bytes.fromhex("20010db8" + "00" * 11 + "01"))]
    bundle = stage.write("bundle.pem", "a text before\n" + pem(leaf_of(names=names)) + pem(root_of()) + pem(authority()))
    for name in (HOST, "192.0.2.1", "2001:db8::1"):
        cases.want(stage.verify([bundle], root, "--name", name, "--purpose", "server")[0] == "good", f"want it good for {name}")
    cases.want(stage.verify([bundle], root, "--name", "192.0.2.2") == ("refused", "identity"), "want another address refused")


def crl(issuer, key, serials, number=1):
    entries = b"".join(der.seq(serial, der.time(der.NOW - der.DAY)) for serial in serials)
    extensions = der.ctx(0, der.seq(aki(key), der.ext("2.5.29.20", der.integer(number))))
    tbs = der.seq(der.integer(1), key.algorithm(), der.name(issuer), der.time(der.NOW - der.DAY), der.time(der.NOW + der.DAY), der.seq(entries) if entries else b"",
                  extensions)
    return der.seq(tbs, key.algorithm(), der.bits(key.sign(tbs)))


def check_revocation_lists_are_used(stage):
    serial = der.integer(77)
    files, root = files_of(stage, leaf=leaf_of(serial=serial))
    of_root = stage.write("root.crl", crl("root", Key("p256", "root"), []))
    of_ca = stage.write("ca.crl", crl("ca", Key("p256", "ca"), [serial]))
    clean = stage.write("clean.crl", crl("ca", Key("p256", "ca"), []))
    cases.want(stage.verify(files, root, "--crl", of_root, "--crl", of_ca) == ("refused", "status_revoked"), "want the leaf revoked")
    cases.want(stage.verify(files, root, "--crl", of_root, "--crl", clean, "--crl-all")[0] == "good", "want a clean list to pass")
    cases.want(stage.verify(files, root, "--crl", clean, "--crl-all") == ("refused", "status_unknown"), "want the CA's status demanded")


def check_a_certificate_is_shown_in_words_and_as_json(stage):
    files, _ = files_of(stage)
    done = stage.run("cert", "show", *files)
    for word in ("CN=leaf", "DNS " + HOST, "for: TLS servers", "P-256", "a CA", "key usage: keyCertSign, cRLSign"):
        cases.want(done.returncode == 0 and word in done.stdout, f"{word!r} is not in {done.stdout!r}")
    shown = json.loads(stage.run("cert", "show", *files, "--json").stdout)
    cases.want([each["subject"] for each in shown] == ["CN=leaf", "CN=ca"] and shown[1]["ca"], f"found {shown}")


def check_nothing_in_a_name_reaches_the_terminal_as_a_command(stage):
    hostile = der.seq(der.set_(der.seq(der.oid("2.5.4.3"), der.tlv(0x0C, b"x\x1b[2Jy"))))
    done = stage.run("cert", "show", stage.write("hostile.pem", pem(leaf_of(subject=hostile))))
    cases.want(done.returncode == 0 and "\x1b" not in done.stdout, f"found {done.stdout!r}")


# --- against OpenSSL

def changed(place, **change):
    return lambda chain: chain[place].update({**chain[place], **{key: {**chain[place].get(key, {}), **value} if isinstance(value, dict) else value
                                                                  for key, value in change.items()}})


def without(place, *names):
    return changed(place, extensions={name: None for name in names})


def replaced(place, **extensions):
    return changed(place, extensions=extensions)


UNCRITICAL_BC = der.bc(critical=False)
OTHER = Key("p256", "other")
WRONG = {
    "leaf expired": changed("leaf", end=der.NOW - der.DAY), "leaf not yet valid": changed("leaf", begin=der.NOW + der.DAY),
    "ca expired": changed("ca", end=der.NOW - der.DAY), "ca not yet valid": changed("ca", begin=der.NOW + der.DAY),
    "leaf signature": changed("leaf", signature=Key().sign(b"something else")), "ca signature": changed("ca", signature=Key().sign(b"something else")),
    "leaf without aki": without("leaf", "aki"), "ca without aki": without("ca", "aki"), "ca without ski": without("ca", "ski"),
    "leaf with another aki": replaced("leaf", aki=aki(OTHER)), "ca with another aki": replaced("ca", aki=aki(OTHER)),
    "critical aki": replaced("leaf", aki=der.ext("2.5.29.35", der.seq(der.ctxp(0, Key("p256", "ca").identifier())), True)),
    "critical ski": replaced("leaf", ski=der.ext("2.5.29.14", der.octets(Key("p256", "leaf").identifier()), True)),
    "ca without bc": without("ca", "bc"), "ca with uncritical bc": replaced("ca", bc=UNCRITICAL_BC),
    "ca that says no ca": replaced("ca", bc=der.ext("2.5.29.19", der.seq(), True)), "ca without ku": without("ca", "ku"),
    "ca without keyCertSign": replaced("ca", ku=der.ku("cRLSign")), "ca for clients": replaced("ca", eku=der.eku("client")),
    "leaf for clients": replaced("leaf", eku=der.eku("client")), "leaf ku cRLSign": replaced("leaf", ku=der.ku("cRLSign")),
    "leaf ku keyCertSign": replaced("leaf", ku=der.ku("digitalSignature", "keyCertSign")),
    "unknown critical in leaf": replaced("leaf", x=der.ext("1.2.3.4", der.null(), True)), "unknown critical in ca": replaced("ca", x=der.ext("1.2.3.4", der.null(), True)),
    "another host": changed("leaf", names=("www.bank.example",)), "wildcard of two labels": changed("leaf", names=("*.example",)),
    "permitted elsewhere": replaced("ca", nc=der.nc(["bank.example"], addresses=False)), "excluded": replaced("ca", nc=der.nc([], ["shop.example"], addresses=False)),
    "path length": replaced("top", bc=der.bc(0)), "top path length of the middle": replaced("top", bc=der.bc(0)),
    "empty subject, uncritical names": changed("leaf", subject=der.seq()), "no names at all": changed("leaf", subject=der.seq(), names=()),
    "policy is required": replaced("ca", pc=der.ext("2.5.29.36", der.seq(der.ctxp(0, b"\x00")), True)),
    "ca without a name": changed("ca", subject=der.seq()),
    # what OpenSSL lets through
    "serial 0": changed("leaf", serial=der.integer(0)), "serial of 21 octets": changed("leaf", serial=der.integer(1 << 160)),
    "negative serial": changed("leaf", serial=der.raw_integer(b"\xff")), "uncritical constraints": replaced("ca", nc=der.nc(["shop.example"], critical=False, addresses=False)),
    "constraints in the leaf": replaced("leaf", nc=der.nc(["shop.example"], addresses=False)), "name in the CN alone": changed("leaf", subject=HOST, names=()),
    "an extension twice": replaced("leaf", again=der.eku("server")), "a 1024-bit RSA leaf": changed("leaf", key=("rsa1024", "leaf")),
    "a P-521 leaf": changed("leaf", key=("p521", "leaf")), "FALSE written out": replaced("leaf", bc=der.ext("2.5.29.19", der.seq(b"\x01\x01\x00"), True)),
    "critical information access": replaced("leaf", aia=der.ext("1.3.6.1.5.5.7.1.1", der.seq(der.seq(der.oid("1.3.6.1.5.5.7.48.1"), der.ctxp(6, b"http://a.example"))), True)),
    "a malformed name": changed("leaf", names=(HOST, der.ctxp(2, b"a..b"))), "wildcard over an excluded name": lambda chain: (
        changed("leaf", names=("*.shop.example", HOST))(chain), replaced("ca", nc=der.nc([], ["pay.shop.example"], addresses=False))(chain)),
}
# Every one of these passes OpenSSL's -x509_strict in some version; RFC 5280, or the rule named, forbids it.
STRICTER = {"serial 0", "serial of 21 octets", "negative serial", "uncritical constraints", "constraints in the leaf", "name in the CN alone", "an extension twice",
            "a 1024-bit RSA leaf", "a P-521 leaf", "FALSE written out", "critical information access", "a malformed name", "wildcard over an excluded name"}
GOOD = {
    "plain": lambda chain: None, "no ku": without("leaf", "ku"), "no eku": without("leaf", "eku"), "leaf without ski": without("leaf", "ski"),
    "wildcard": changed("leaf", names=("*.shop.example",)), "upper case": changed("leaf", names=("WWW.Shop.Example",)),
    "permitted": replaced("ca", nc=der.nc(["shop.example"], addresses=False)), "permitted above": replaced("top", nc=der.nc(["example"], addresses=False)),
    "excluded elsewhere": replaced("ca", nc=der.nc([], ["bank.example"], addresses=False)), "ca for servers": replaced("ca", eku=der.eku("server", "client")),
    "path lengths": lambda chain: (replaced("ca", bc=der.bc(0))(chain), replaced("top", bc=der.bc(1))(chain)),
    "P-384 leaf": changed("leaf", key=("p384", "leaf")), "RSA leaf": changed("leaf", key=("rsa", "leaf")), "Ed25519 leaf": changed("leaf", key=("ed25519", "leaf")),
    "RSA ca": changed("ca", key=("rsa", "ca")), "P-384 ca": changed("ca", key=("p384", "ca")), "Ed25519 ca": changed("ca", key=("ed25519", "ca")),
    "empty subject": lambda chain: (changed("leaf", subject=der.seq())(chain), replaced("leaf", san=der.san(HOST, critical=True))(chain)),
    "unknown uncritical": replaced("leaf", x=der.ext("1.2.3.4", der.null())), "policies": replaced("leaf", cp=der.ext("2.5.29.32", der.seq(der.seq(der.oid("1.2.3"))))),
    "CRL and OCSP addresses": replaced("leaf", cdp=der.ext("2.5.29.31", der.seq(der.seq(der.ctx(0, der.ctx(0, der.ctxp(6, b"http://a.example/crl"))))))),
    "many names": changed("leaf", names=tuple("h%d.shop.example" % i for i in range(50)) + (HOST,)), "serial of 20 octets": changed("leaf", serial=der.integer((1 << 159) - 1)),
    "mailbox and URI beside": changed("leaf", names=(HOST, der.ctxp(1, b"anna@shop.example"), der.ctxp(6, b"https://shop.example/"))),
}


def build_chain(*changes):
    chain = {"leaf": {}, "ca": {}, "top": {}}
    for change in changes:
        change(chain)
    keys = {place: Key(*chain[place].pop("key", ("p256", place))) for place in ("leaf", "ca", "top")}
    root_key = Key("p256", "root")
    subject = chain["ca"].get("subject", "ca")
    return [leaf_of(**({"issuer": subject, "key": keys["leaf"], "issuer_key": keys["ca"]} | chain["leaf"])),
            authority(**({"subject": "ca", "issuer": "top", "key": keys["ca"], "issuer_key": keys["top"]} | chain["ca"])),
            authority(**({"subject": "top", "issuer": "root", "key": keys["top"], "issuer_key": root_key} | chain["top"]))]


def both(stage, title, chain):
    """(OpenSSL accepts, ours accepts, our reason, OpenSSL's words)."""
    leaf, others = stage.write("d-leaf.pem", pem(chain[0])), stage.write("d-others.pem", "".join(map(pem, chain[1:])))
    root = stage.write("d-root.pem", pem(root_of()))
    theirs = subprocess.run(["openssl", "verify", "-x509_strict", "-check_ss_sig", "-policy_check", "-purpose", "sslserver", "-verify_hostname", HOST, "-attime", EPOCH,
                             "-CAfile", root, "-untrusted", others, leaf], capture_output=True, text=True, timeout=30, check=False)
    verdict, reason = stage.verify([leaf, others], root, "--purpose", "server", "--name", HOST)
    return theirs.returncode == 0, verdict == "good", reason, " ".join((theirs.stdout + theirs.stderr).split())[-160:]


def check_every_plain_good_chain_that_openssl_accepts_is_accepted(stage):
    wrong = []
    for title, change in GOOD.items():
        theirs, ours, reason, words = both(stage, title, build_chain(change))
        if not (theirs and ours):
            wrong.append(f"{title}: OpenSSL {theirs} ({words if not theirs else ''}), ours {ours} {reason}")
    for (one, change), (two, other) in itertools.combinations(GOOD.items(), 2):
        if random.Random(one + two).random() > 0.25:
            continue
        theirs, ours, reason, words = both(stage, one, build_chain(change, other))
        if theirs and not ours:
            wrong.append(f"{one} + {two}: refused {reason}")
    cases.want(not wrong, f"{len(wrong)} are judged otherwise\n" + "\n".join(wrong))


def check_what_openssl_refuses_strictly_is_refused(stage):
    wrong, stricter = [], set()
    singles = [(title,) for title in WRONG]
    pairs = random.Random(SEED).sample(list(itertools.combinations(WRONG, 2)), PAIRS)
    for titles in singles + pairs:
        theirs, ours, reason, words = both(stage, titles[0], build_chain(*(WRONG[title] for title in titles)))
        if ours:
            wrong.append(f"{' + '.join(titles)}: accepted; OpenSSL {'too' if theirs else words}")
        elif theirs:
            stricter |= set(titles) if len(titles) == 1 else set()
    cases.want(not wrong, f"{len(wrong)} of {len(singles) + len(pairs)} are accepted\n" + "\n".join(wrong[:30]))
    cases.want(stricter <= STRICTER, f"stricter than OpenSSL without being listed: {sorted(stricter - STRICTER)}")


# --- against a judge of name constraints of this test's own

DNS = ["", "example", "shop.example", "www.shop.example", "other.example"]
DNS_NAMES = ["www.shop.example", "shop.example", "*.shop.example", "*.example", "a.www.shop.example", "x.other.example", "badexample"]
MAIL = ["shop.example", ".shop.example", "anna@shop.example"]
MAIL_NAMES = ["anna@shop.example", "bert@shop.example", "anna@www.shop.example", "anna@other.example"]
URI = ["www.shop.example", ".shop.example"]
URI_NAMES = ["https://www.shop.example/x", "https://a.shop.example:8443", "https://shop.example", "urn:x:y", "https://192.0.2.1/"]
NETS = [("10.0.0.0", 8), ("10.1.0.0", 16), ("192.0.2.0", 24), ("0.0.0.0", 0)]
IP_NAMES = ["10.1.2.3", "10.2.0.1", "192.0.2.9", "198.51.100.1"]


def octets_of(address):
    return bytes(map(int, address.split(".")))


def number_of(address):
    return int.from_bytes(octets_of(address), "big")


def encode(form, value, tree=False):
    if form == "ip":
        if not tree:
            return der.ctxp(7, octets_of(value))
        address, length = value
        return der.ctxp(7, octets_of(address) + ((0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF).to_bytes(4, "big"))
    return der.ctxp({"dns": 2, "mail": 1, "uri": 6}[form], value.encode())


def labels(name):
    return [part for part in name.split(".") if part]


def ends_with(name, tree):
    return len(labels(name)) >= len(labels(tree)) and labels(name)[len(labels(name)) - len(labels(tree)):] == labels(tree)


def host_within(host, tree):
    return ends_with(host, tree) and len(labels(host)) > len(labels(tree)) if tree.startswith(".") else host == tree


def host_of(uri):
    rest = uri.split("://", 1)
    host = rest[1].split("/")[0].split(":")[0] if len(rest) == 2 else ""
    return "" if host.replace(".", "").isdigit() else host


def holds(form, tree, name, excluding):
    """Whether `name` is in `tree`; of a wildcard, whether all of it is, or (`excluding`) any of it."""
    if form == "ip":
        return tree[1] == 0 or number_of(name) >> (32 - tree[1]) == number_of(tree[0]) >> (32 - tree[1])
    if form == "mail":
        return name == tree if "@" in tree else host_within(name.split("@")[1], tree)
    if form == "uri":
        return host_within(host_of(name), tree)
    if not name.startswith("*."):
        return ends_with(name, tree)
    return ends_with(name[2:], tree) or (excluding and len(labels(tree)) > len(labels(name[2:])) and ends_with(tree, name[2:]))


def allowed(form, permitted, excluded, name):
    if form == "uri" and not host_of(name):
        return False
    return (not permitted or any(holds(form, tree, name, False) for tree in permitted)) and not any(holds(form, tree, name, True) for tree in excluded)


def check_name_constraints_agree_with_an_independent_judge(stage):
    dice = random.Random(SEED)
    wrong, seen, total = [], {True: 0, False: 0}, 0
    for form, trees, names in (("dns", DNS, DNS_NAMES), ("mail", MAIL, MAIL_NAMES), ("uri", URI, URI_NAMES), ("ip", NETS, IP_NAMES)):
        sets = [()] + [(tree,) for tree in trees] + list(itertools.combinations(trees, 2))[:4]
        plans = [(p, e, n) for p in sets for e in sets for n in names if p or e]
        for permitted, excluded, name in dice.sample(plans, min(110, len(plans))):
            p, e = (b"".join(der.seq(encode(form, tree, True)) for tree in side) for side in (permitted, excluded))
            constraints = der.ext("2.5.29.30", der.seq(der.ctx(0, p) if p else b"", der.ctx(1, e) if e else b""), True)
            files, root = files_of(stage, leaf=leaf_of(names=[encode(form, name)]), ca=authority(extensions={"nc": constraints}))
            want = allowed(form, permitted, excluded, name)
            found, reason = stage.verify(files, root)
            seen[want] += 1
            total += 1
            if (found == "good") != want or (not want and reason != "name_constraint"):
                wrong.append(f"{form}: {name} under {permitted} without {excluded}: {found} {reason}, want {want}")
    cases.want(not wrong, f"{len(wrong)} of {total} are judged otherwise\n" + "\n".join(wrong[:20]))
    cases.want(min(seen.values()) > 50, f"{seen}: want many of both")


if __name__ == "__main__":
    given = cases.arguments()
    with tempfile.TemporaryDirectory(prefix="sallyport-cert-") as scratch:
        sys.exit(cases.run(globals(), Stage(given.build, scratch)))
