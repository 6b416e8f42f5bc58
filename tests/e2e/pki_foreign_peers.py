#!/usr/bin/python3
"""Certificates, CRLs and OCSP answers that Sallyport issues, shown to other implementations: OpenSSL, GnuTLS, NSS, pyca.

/usr/bin/python3 pki_foreign_peers.py --build BUILD_DIR; exits 0 when every one agrees, and prints "N passed, N failed".
"""
import argparse
import glob
import os
import subprocess
import sys
import tempfile

from cryptography import x509

PURPOSES = {"server": "sslserver", "web-device": "sslserver", "role": "sslserver", "operational-device": "sslclient",
            "factory-device": "sslclient", "person": "sslclient"}
KINDS_OF_LEAF = 11
LIMIT_SECONDS = 60


class Score:
    def __init__(self):
        self.passed = self.failed = 0

    def check(self, what, holds, why=""):
        if holds:
            self.passed += 1
            print("ok " + what.replace(" ", "-"))
        else:
            self.failed += 1
            print("FAIL %s: %s" % (what.replace(" ", "-"), why))


def run(*args):
    done = subprocess.run(args, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, timeout=LIMIT_SECONDS)
    return done.returncode == 0, done.stdout.decode(errors="replace").strip()


def pem(folder, name):
    path = os.path.join(folder, name + ".pem")
    ok, text = run("openssl", "x509", "-inform", "DER", "-in", os.path.join(folder, name + ".der"), "-out", path)
    if not ok:
        sys.exit("openssl cannot read %s: %s" % (name, text))
    return path


def check_with_openssl(score, name, leaf, ca, root):
    base = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", root, "-untrusted", ca]
    purpose = ["-purpose", PURPOSES[name]] if name in PURPOSES else []
    ok, text = run(*base, *purpose, leaf)
    score.check("OpenSSL verifies %s" % name, ok, text)
    if name in PURPOSES and name != "role":
        other = "sslclient" if PURPOSES[name] == "sslserver" else "sslserver"
        ok, text = run(*base, "-purpose", other, leaf)
        score.check("OpenSSL refuses %s as %s" % (name, other), not ok, text)
    ok, text = run("openssl", "verify", "-CAfile", ca, leaf)
    score.check("OpenSSL refuses %s without its root" % name, not ok, text)


def check_with_gnutls(score, folder, name, leaf, ca, root):
    chain = os.path.join(folder, name + ".chain")
    with open(chain, "w") as f:
        f.write(open(leaf).read() + open(ca).read())
    ok, text = run("certtool", "--verify", "--load-ca-certificate", root, "--infile", chain)
    score.check("GnuTLS verifies %s" % name, ok and "Chain verification output: Verified" in text, text[-300:])


def check_with_nss(score, folder, name, root):
    if name not in PURPOSES:
        return
    store = os.path.join(folder, name + ".nss")
    os.mkdir(store)
    steps = [("-N", "--empty-password"), ("-A", "-n", "root", "-t", "CT,,", "-a", "-i", root),
             ("-A", "-n", "ca", "-t", ",,", "-i", os.path.join(folder, name + ".ca.der")),
             ("-A", "-n", "leaf", "-t", ",,", "-i", os.path.join(folder, name + ".der"))]
    for step in steps:
        ok, text = run("certutil", step[0], "-d", "sql:" + store, *step[1:])
        if not ok:
            score.check("NSS takes %s" % name, False, text)
            return
    usage = "V" if PURPOSES[name] == "sslserver" else "C"
    ok, text = run("certutil", "-V", "-d", "sql:" + store, "-n", "leaf", "-u", usage, "-e")
    score.check("NSS verifies %s" % name, ok and "certificate is valid" in text, text)


def check_with_cryptography(score, folder, name):
    for file in (name + ".der", name + ".ca.der"):
        with open(os.path.join(folder, file), "rb") as der:
            certificate = x509.load_der_x509_certificate(der.read())
        try:
            unread = [each.oid.dotted_string for each in certificate.extensions if isinstance(each.value, x509.UnrecognizedExtension)]
        except ValueError as error:
            unread = [str(error)]
        score.check("pyca reads every extension of %s" % file, not unread, ", ".join(unread))


def check_status(score, folder, leaf, ca, root):
    ok, text = run("openssl", "crl", "-inform", "DER", "-in", os.path.join(folder, "server.crl"), "-CAfile", ca, "-noout", "-crlnumber")
    score.check("OpenSSL verifies the CRL", ok and "verify OK" in text and "crlNumber=0x9" in text.replace("0x09", "0x9"), text)
    crl = os.path.join(folder, "server.crl.pem")
    run("openssl", "crl", "-inform", "DER", "-in", os.path.join(folder, "server.crl"), "-out", crl)
    ok, text = run("openssl", "verify", "-crl_check", "-CAfile", root, "-untrusted", ca, "-CRLfile", crl, leaf)
    score.check("OpenSSL refuses what the CRL lists", not ok and "certificate revoked" in text, text)
    ok, text = run("certtool", "--verify-crl", "--load-ca-certificate", ca, "--infile", crl)
    score.check("GnuTLS verifies the CRL", ok and "Verified" in text, text)
    asked = ["openssl", "ocsp", "-respin", os.path.join(folder, "server.ocsp"), "-CAfile", root, "-verify_other", ca, "-no_nonce"]
    ok, text = run(*asked, "-issuer", ca, "-cert", leaf)
    score.check("OpenSSL accepts the OCSP answer", "Response verify OK" in text and ": good" in text, text)
    ok, text = run(*asked, "-issuer", root, "-cert", ca)
    score.check("OpenSSL finds no answer about another certificate", ": good" not in text, text)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    build = parser.parse_args().build
    score = Score()
    with tempfile.TemporaryDirectory() as scratch:
        subprocess.run([os.path.join(build, "pki_test"), "--gtest_filter=ForeignPeers.*"], env=dict(os.environ, TEST_TMPDIR=scratch),
                       check=True, stdout=subprocess.DEVNULL, timeout=LIMIT_SECONDS)
        folder = os.path.join(scratch, "sallyport-pki-tree")
        root = pem(folder, "root")
        names = sorted(os.path.basename(p)[:-4] for p in glob.glob(folder + "/*.der") if not p.endswith((".ca.der", "root.der")))
        score.check("every kind of leaf was written", len(names) == KINDS_OF_LEAF, repr(names))
        for name in names:
            leaf, ca = pem(folder, name), pem(folder, name + ".ca")
            check_with_openssl(score, name, leaf, ca, root)
            check_with_gnutls(score, folder, name, leaf, ca, root)
            check_with_nss(score, folder, name, root)
            check_with_cryptography(score, folder, name)
        check_status(score, folder, os.path.join(folder, "server.pem"), os.path.join(folder, "server.ca.pem"), root)
    print("%d passed, %d failed" % (score.passed, score.failed))
    return 1 if score.failed else 0


if __name__ == "__main__":
    sys.exit(main())
