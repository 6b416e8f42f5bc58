#!/usr/bin/python3
"""A dishonest factory against six verifiers: with the real CA key of site acme, certificates are made that its station would
not issue, and are shown to OpenSSL, GnuTLS, NSS, Go, Java and us. What each refuses is the table in docs/threat-model.md.
"""
# test: needs=dev deadline=300
import datetime
import os
import pathlib
import re
import subprocess
import sys
import tempfile

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, ExtensionOID, NameOID

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from verifiers import NAME_CONSTRAINT, NAMES, Case, Verifiers  # noqa: E402

ZONE, SITE, OTHER = "devices.localhost", "acme", "borg"
OWN, FOREIGN = "%s.factory.%s" % (SITE, ZONE), "%s.factory.%s" % (OTHER, ZONE)
LIMIT_SECONDS = 60
DOCUMENT = cases.ROOT / "docs" / "threat-model.md"
OUR_ARC = "1.2.840.113556.1.8000.2554.31773.23310.21665.20235.39507.7000512.14572049"
# RFC 8649: names no arc of ours, and no library knows it.
HASH_OF_ROOT_KEY = "1.3.6.1.4.1.51483.2.1"


class Factories:
    """An installation with two sites, and the CA key of one in the hands of a forger."""

    def __init__(self, build, folder):
        self.program, self.folder = build / "apps" / "sallyport", pathlib.Path(folder)
        passphrase = self.folder / "passphrase"
        passphrase.touch(mode=0o600)
        passphrase.write_text("root passphrase\n")
        root = ("--root", "root", "--passphrase-file", "passphrase")
        self.run("root", "init", *root, "--name", "Acme Machines")
        self.run("init", "--state", "installation", "--name", "Acme Machines", "--zone", ZONE, "--console-name", "console.localhost",
                 "--root", "root", "--root-passphrase-file", "passphrase")
        for site in (SITE, OTHER):
            self.run("factory", "init", "--factory", site, "--site", site, "--zone", ZONE)
            self.run("root", "sign", *root, "--in", site + "/to-root", "--out", "for-" + site, "--yes")
            certificate = ("--certificate", str(self.ca_file(site)))
            self.run("site", "add", site, "--state", "installation", *certificate, "--count", "4", "--out", site + ".permit")
            self.run("factory", "permit", "--factory", site, "--permit", site + ".permit", *certificate, "--root-certificate", "root/root.pem")
            self.issue(site, "m-1")
        self.root = self.folder / "root/root.pem"
        self.ca = x509.load_pem_x509_certificate(self.ca_file(SITE).read_bytes())
        # ca.key is encrypted under the station's machine secret, in hexadecimal.
        self.ca_key = serialization.load_pem_private_key((self.folder / SITE / "ca.key").read_bytes(),
                                                         (self.folder / SITE / "secret").read_bytes().hex().encode())
        self.honest = x509.load_pem_x509_certificate(self.leaf_file(SITE).read_bytes())

    def run(self, *words):
        done = subprocess.run([str(self.program), *words], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, check=False)
        want(done.returncode == 0, "%s: exit %d: %s" % (" ".join(words), done.returncode, done.stderr.strip()))

    def ca_file(self, site):
        return self.folder / ("for-" + site) / ("local-ca-%s.pem" % site)

    def leaf_file(self, site):
        return self.folder / (site + "-leaf.pem")

    def issue(self, site, serial_id):
        key = ec.generate_private_key(ec.SECP256R1())
        request = x509.CertificateSigningRequestBuilder().subject_name(common_name(serial_id)).sign(key, hashes.SHA256())
        (self.folder / (site + ".csr")).write_bytes(request.public_bytes(serialization.Encoding.PEM))
        chain = self.folder / (site + "-chain.pem")
        self.run("factory", "issue", "--factory", site, "--csr", site + ".csr", "--out", chain.name)
        self.leaf_file(site).write_bytes(certificates_in(chain)[0].public_bytes(serialization.Encoding.PEM))

    def forge(self, file, name, *replaced, issuer=None, issuer_key=None, key=None, subject="m-7"):
        """A leaf like the honest one, but for its name, its key and the extensions in `replaced`; signed by site acme's CA key,
        or by that of the given issuer."""
        key, issuer = key or ec.generate_private_key(ec.SECP256R1()), issuer or self.ca
        issuer_id = issuer.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest
        own = (x509.SubjectAlternativeName([x509.DNSName(name)]), x509.AuthorityKeyIdentifier(issuer_id, None, None), key_identifier(key))
        values = {type(value): value for value in own + replaced}
        builder = (x509.CertificateBuilder().subject_name(common_name(subject)).issuer_name(issuer.subject)
                   .public_key(key.public_key()).serial_number(x509.random_serial_number() >> 32)
                   .not_valid_before(self.honest.not_valid_before).not_valid_after(datetime.datetime(2036, 1, 1)))
        for extension in self.honest.extensions:
            builder = builder.add_extension(values.pop(type(extension.value), extension.value), extension.critical)
        for added in values.values():
            builder = builder.add_extension(added, True)
        made = builder.sign(issuer_key or self.ca_key, hashes.SHA256())
        path = self.folder / file
        path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
        return path, made

    def cases(self):
        ca, other_ca = self.ca_file(SITE), self.ca_file(OTHER)
        own_name, foreign_name = "m-7." + OWN, "m-7." + FOREIGN
        leaf = {
            "issued by its station": (self.leaf_file(SITE), "m-1." + OWN),
            "made by the forger, honestly": (self.forge("honest.pem", own_name)[0], own_name),
            "name of another site": (self.forge("foreign.pem", foreign_name)[0], foreign_name),
            "wildcard of another site": (self.forge("wildcard.pem", "*." + FOREIGN)[0], foreign_name),
        }
        found = [Case(title, "client", name, ZONE, (file, ca)) for title, (file, name) in leaf.items()]
        found.append(Case("issued by the other station", "client", "m-1." + FOREIGN, ZONE, (self.leaf_file(OTHER), other_ca)))
        server = x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH])
        found.append(Case("server under a factory CA", "server", own_name, ZONE,
                          (self.forge("server.pem", own_name, server)[0], ca)))
        sub_key = ec.generate_private_key(ec.SECP256R1())
        signs_certificates = x509.KeyUsage(False, False, False, False, False, True, False, False, False)
        sub_file, sub = self.forge("sub.pem", own_name, x509.BasicConstraints(True, None), signs_certificates, key=sub_key, subject="a CA of acme's")
        below, _ = self.forge("below.pem", own_name, issuer=sub, issuer_key=sub_key)
        found.append(Case("leaf below a CA made by the factory CA", "client", own_name, ZONE, (below, sub_file, ca)))
        return found


def common_name(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


def key_identifier(key):
    """RFC 7093 method 1, as our own certificates have it."""
    bits = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(bits)
    return x509.SubjectKeyIdentifier(digest.finalize()[:20])


def certificates_in(file):
    blocks = re.findall(b"-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", file.read_bytes(), re.DOTALL)
    return [x509.load_pem_x509_certificate(block) for block in blocks]


def table():
    """{case: {verifier: "accepts" or "refuses"}} of the one table in the document whose columns are the verifiers."""
    rows = [[cell.strip() for cell in line.strip().strip("|").split("|")] for line in DOCUMENT.read_text().splitlines() if line.startswith("|")]
    heads = [number for number, row in enumerate(rows) if tuple(row[1:]) == NAMES]
    want(len(heads) == 1, "%s: found %d tables of verifiers, want one" % (DOCUMENT.name, len(heads)))
    found = {}
    for row in rows[heads[0] + 2:]:
        if len(row) != len(NAMES) + 1 or not set(row[1:]) <= {"accepts", "refuses"}:
            break
        found[row[0]] = dict(zip(NAMES, row[1:]))
    return found


def check_two_factories_and_a_forger_are_set_up(world):
    world.set_up()


def check_cryptography_reads_every_extension(world):
    files = [path for path in world.there.folder.rglob("*.pem") if b"BEGIN CERTIFICATE" in path.read_bytes()]
    want(len(files) >= 16, "found %d files of certificates, want every CA, control certificate and leaf" % len(files))
    policies = set()
    for file in files:
        for certificate in certificates_in(file):
            for extension in certificate.extensions:
                unread = isinstance(extension.value, x509.UnrecognizedExtension) and extension.oid.dotted_string != HASH_OF_ROOT_KEY
                want(not unread, "%s: found %s not understood" % (file, extension.oid))
                if extension.oid == ExtensionOID.CERTIFICATE_POLICIES:
                    policies |= {policy.policy_identifier.dotted_string for policy in extension.value}
    want(policies == {"%s.1.%d" % (OUR_ARC, kind) for kind in range(1, 8)}, "found policies %s" % sorted(policies))


def check_all_six_accept_what_is_honest(world):
    for title in ("issued by its station", "made by the forger, honestly", "issued by the other station"):
        for verifier in NAMES:
            verdict = world.verdicts[verifier][title]
            want(verdict.accepted, "%s refuses what is %s: %s" % (verifier, title, verdict.words))


def check_all_six_refuse_the_name_of_another_site(world):
    """For its name: the same leaf with a name of its own site is accepted, and each says what it refuses."""
    for title in ("name of another site", "wildcard of another site"):
        for verifier in NAMES:
            verdict = world.verdicts[verifier][title]
            want(not verdict.accepted, "%s accepts a %s" % (verifier, title))
            want(NAME_CONSTRAINT[verifier] in verdict.words, "%s: found reason %r, want %r" % (verifier, verdict.words, NAME_CONSTRAINT[verifier]))


def check_ours_refuses_every_forgery(world):
    reasons = {"name of another site": "name_constraint", "wildcard of another site": "name_constraint",
               "server under a factory CA": "extended_key_usage", "leaf below a CA made by the factory CA": "path_length"}
    for title, reason in reasons.items():
        words = world.verdicts["Sallyport"][title].words
        want(words.startswith("refused %s:" % reason), "%s: found %r, want %s" % (title, words, reason))


def check_strongswan_reads_and_verifies_the_chain(world):
    """Its `openssl` plugin reads P-256 (package libstrongswan-standard-plugins). strongSwan 5.9 (Debian 12) knows no constraint
    of addresses in a CA, and has to be told to go on: x509.enforce_critical. It then checks none of the constraints."""
    (world.folder / "swan.conf").write_text("libstrongswan {\n  x509 {\n    enforce_critical = no\n  }\n}\n")
    environment = dict(os.environ, STRONGSWAN_CONF=str(world.folder / "swan.conf"))

    def pki(*words):
        done = subprocess.run(["pki", *map(str, words)], env=environment, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=LIMIT_SECONDS, check=False)
        return done.returncode, " ".join(done.stdout.split())

    leaf, ca = world.there.leaf_file(SITE), world.there.ca_file(SITE)
    for file, subject in ((world.there.root, "Acme Machines"), (ca, SITE), (leaf, "m-1")):
        status, words = pki("--print", "--type", "x509", "--in", file)
        want(status == 0 and subject in words and "ECDSA 256 bits" in words, "pki --print %s: exit %d: %s" % (file.name, status, words))
    chain = ("--cacert", ca, "--cacert", world.there.root)
    status, words = pki("--verify", "--in", leaf, *chain)
    want(status == 0 and "certificate trusted" in words, "pki --verify: exit %d: %s" % (status, words))
    status, words = pki("--verify", "--in", leaf, "--cacert", world.there.ca_file(OTHER), "--cacert", world.there.root)
    want(status != 0, "pki --verify trusts a leaf under another site's CA: " + words)


def check_the_documented_table_is_what_happens(world):
    documented = table()
    observed = {case.title: {name: "accepts" if world.verdicts[name][case.title].accepted else "refuses" for name in NAMES} for case in world.cases}
    want(set(documented) == set(observed), "%s: found rows %s, want %s" % (DOCUMENT.name, sorted(documented), sorted(observed)))
    wrong = ["%s: %s %s, the table says %s: %s" % (title, name, observed[title][name], documented[title][name], world.verdicts[name][title].words)
             for title in observed for name in NAMES if observed[title][name] != documented[title][name]]
    want(not wrong, "%d cells are wrong\n%s" % (len(wrong), "\n".join("  " + line for line in wrong)))


class World:
    def __init__(self, build, folder):
        self.build, self.folder = build.resolve(), pathlib.Path(folder)
        self.there, self.cases, self.verdicts = None, [], {}

    def set_up(self):
        self.there = Factories(self.build, self.folder)
        self.cases = self.there.cases()
        scratch = self.folder / "scratch"
        scratch.mkdir()
        self.verdicts = Verifiers(self.build, scratch).ask(self.there.root, self.cases)


def main():
    with tempfile.TemporaryDirectory(prefix="sallyport-verifiers-") as folder:
        return cases.run(globals(), World(cases.arguments().build, folder))


if __name__ == "__main__":
    sys.exit(main())
