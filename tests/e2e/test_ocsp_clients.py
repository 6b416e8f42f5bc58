#!/usr/bin/python3
"""Foreign OCSP clients against the role `status`: `openssl ocsp`, GnuTLS, NSS, Java's PKIX validator, and curl over a stapling
nginx. Each takes a certificate for good, learns that it was revoked, and is not told "good" about what was never issued.

NSS and Java ask where the certificate says, http://status.<zone>/ocsp on port 80: they run in a corner of the network in which
that is so.
"""
# test: needs=dev deadline=240
import base64
import contextlib
import http.client
import os
import pathlib
import subprocess
import sys
import urllib.parse

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.x509 import ocsp  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from corner import Corner  # noqa: E402
from foreign_servers import nginx  # noqa: E402
from stage import ROOT, ZONE, Stage, tool, wait_for  # noqa: E402
from status_host import make_question  # noqa: E402

STATUS_JAVA = ROOT / "tests" / "e2e" / "verifiers" / "Status.java"
PEM, DER = serialization.Encoding.PEM, serialization.Encoding.DER
STAPLE_SECONDS = 20
NEVER_ISSUED = 0x5a11_0000_0000_0000_0000_0000_0000_0001


class Scene:
    """The installation, two devices' certificates, of which one will be revoked, and programs that ask about them."""

    def __init__(self, stage):
        self.stage = stage

    def set_up(self):
        self.there = self.stage.set_up()
        self.trust = self.there.state / "trust"
        self.root = self.trust / "root.pem"
        self.folder = self.stage.folder / "asked"
        self.folder.mkdir()
        self.good, self.ended = self.stage.make_devices("press-1", "press-2")
        self.stage.bring_online(self.good, self.ended, claim=False)
        for device in (self.good, self.ended):
            wait_for(lambda: (device.state / "web.0.pem").exists(), 30, "a web certificate")  # noqa: B023
        self.corner = Corner([f"status.{ZONE}"], self.there.http_port)
        self.stage.closing.append(self.corner.close)
        self.url = f"http://127.0.0.1:{self.there.http_port}/ocsp"

    def question(self, device, kind="operational"):
        """Files of one certificate: itself, its CA, both, and both CAs above it."""
        ca = self.trust / {"operational": "online-ca.pem", "web": "web-ca.pem"}[kind]
        made = {"cert": self.folder / f"{device.serial_id}.{kind}.pem", "chain": self.folder / f"{device.serial_id}.{kind}.chain.pem",
                "anchors": self.folder / f"{kind}.anchors.pem"}
        first = x509.load_pem_x509_certificate((device.state / f"{kind}.0.pem").read_bytes()).public_bytes(PEM)
        made["cert"].write_bytes(first)
        made["chain"].write_bytes(first + ca.read_bytes())
        made["anchors"].write_bytes(ca.read_bytes() + self.root.read_bytes())
        return made | {"ca": ca}

    def openssl(self, asked, *options):
        done = subprocess.run(["openssl", "ocsp", *options, "-issuer", asked["ca"], "-cert", asked["cert"], "-url", self.url, "-CAfile", self.root,
                               "-verify_other", asked["ca"]], capture_output=True, text=True, timeout=60, check=False)
        want("Response verify OK" in done.stderr + done.stdout, f"found {done.stderr[-300:]!r}, want the answer verified")
        return done.stdout

    def gnutls(self, asked, *options):
        return tool("ocsptool", *options, f"--ask={self.url}", "--load-cert", asked["cert"], "--load-issuer", asked["ca"], "--load-trust", asked["anchors"]).decode()

    def nss(self, asked):
        """(exit status, words) of a verification of the leaf that fails without an OCSP answer."""
        store = self.folder / f"nss-{asked['cert'].name}"
        if not store.exists():
            store.mkdir()
            for words in (["-N", "--empty-password"], ["-A", "-n", "root", "-t", "CT,,", "-a", "-i", self.root]):
                tool("certutil", "-d", f"sql:{store}", *words)
        return self.corner.attempt("vfychain", "-d", f"sql:{store}", "-pp", "-g", "leaf", "-m", "ocsp", "-s", "failIfNoInfo", "-u", "0", "-a", asked["cert"], "-a", asked["ca"])

    def java(self, kind, *questions):
        status, words = self.corner.attempt("java", STATUS_JAVA, self.root, kind, *(asked["chain"] for asked in questions), seconds=120)
        want(status == 0, f"found {words[-300:]}, want verdicts")
        return words

    @contextlib.contextmanager
    def stapling_nginx(self, device, asked):
        """nginx with the device's web certificate; yields a function that fetches a page by curl, which demands a staple, and the log."""
        server = f"""ssl_certificate {device.state}/web.0.pem; ssl_certificate_key {device.state}/web.0.key;
    ssl_stapling on; ssl_stapling_verify on; ssl_stapling_responder {self.url}; ssl_trusted_certificate {asked["anchors"]}; return 200 "stapled";"""
        name = x509.load_pem_x509_certificate(asked["cert"].read_bytes()).extensions.get_extension_for_class(x509.SubjectAlternativeName)
        name = next(each for each in name.value.get_values_for_type(x509.DNSName) if not each.startswith("*"))

        def fetch():
            done = subprocess.run(["curl", "-sS", "--cert-status", "--cacert", self.root, "--resolve", f"{name}:{port}:127.0.0.1", f"https://{name}:{port}/"],
                                  capture_output=True, text=True, timeout=30, check=False)
            return done.returncode, (done.stdout + done.stderr).strip()

        with nginx(self.folder, device.serial_id, server) as (port, log):
            yield fetch, log

    def get(self, path):
        connection = http.client.HTTPConnection("127.0.0.1", self.there.http_port, timeout=10)
        connection.request("GET", path, headers={"Host": f"status.{ZONE}"})
        response = connection.getresponse()
        body = response.read()
        connection.close()
        return response, body


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


def check_openssl_takes_good_answers(scene):
    for options in ([], ["-sha256"], ["-no_nonce"], ["-sha256", "-no_nonce"]):
        said = scene.openssl(scene.question(scene.good), *options)
        want(": good" in said, f"found {said!r} with {options}, want good")


def check_gnutls_takes_good_answers(scene):
    for options in ([], ["--nonce"]):
        said = scene.gnutls(scene.question(scene.good), *options)
        want("Verifying OCSP Response: Success" in said and "Certificate Status: good" in said, f"found {said[-300:]!r}, want good and verified")


def check_nss_takes_good_answers(scene):
    before = scene.corner.passed
    status, words = scene.nss(scene.question(scene.good))
    want(status == 0 and "Chain is good" in words, f"found {words[-300:]!r}, want a good chain")
    want(scene.corner.passed > before, "found no question asked, want NSS to ask")


def check_java_takes_good_answers(scene):
    for kind in ("plain", "nonce"):
        before = scene.corner.passed
        words = scene.java(kind, scene.question(scene.good))
        want(words == "good", f"found {words!r} with {kind}, want good")
        want(scene.corner.passed > before, "found no question asked, want Java to ask")


def check_curl_takes_what_nginx_staples(scene):
    with scene.stapling_nginx(scene.good, scene.question(scene.good, "web")) as (fetch, _):
        said = wait_for(lambda: (lambda one: one if one[0] == 0 else None)(fetch()), STAPLE_SECONDS, "nginx to have an answer to staple")
        want(said[1] == "stapled", f"found {said}, want the page")


def check_a_cache_between_may_keep_what_has_no_nonce(scene):
    """RFC 5019 §6.2; what a shared cache serves again verifies the same."""
    asked = scene.question(scene.good)
    certificate, ca = (x509.load_pem_x509_certificate(file.read_bytes()) for file in (asked["cert"], asked["ca"]))
    question = urllib.parse.quote(base64.b64encode(make_question(certificate.serial_number, ca)).decode(), safe="")
    first, body = scene.get(f"/ocsp/{question}")
    again, same = scene.get(f"/ocsp/{question}")
    want(first.status == again.status == 200 and body == same, f"found {first.status}, {again.status}, equal {body == same}, want one answer twice")
    cache = first.headers["Cache-Control"]
    want("max-age=" in cache and "public" in cache and first.headers["ETag"] == again.headers["ETag"], f"found {cache!r}, want it kept by caches")
    answer = ocsp.load_der_ocsp_response(body)
    want(int(cache.partition("max-age=")[2].partition(",")[0]) <= (answer.next_update - answer.this_update).total_seconds(), f"found {cache!r}, want no longer than its window")


def check_nobody_is_told_good_about_what_was_not_issued(scene):
    ca = x509.load_pem_x509_certificate(scene.question(scene.good)["ca"].read_bytes())
    unissued = scene.stage.folder / "unissued.der"
    for nonce in (None, os.urandom(32)):
        unissued.write_bytes(make_question(NEVER_ISSUED, ca, nonce))
        said = tool("openssl", "ocsp", "-reqin", unissued, "-url", scene.url, "-CAfile", scene.root, "-verify_other", scene.trust / "online-ca.pem", "-resp_text").decode()
        want("Cert Status: unknown" in said and "Cert Status: good" not in said, f"found {said[:400]!r}, want unknown")


@cases.carries_the_rest
def check_a_certificate_is_revoked(scene):
    name = scene.there.device(scene.ended.serial_id)["name"]
    scene.before = {kind: scene.question(scene.ended, kind) for kind in ("operational", "web")}
    want(": good" in scene.openssl(scene.before["operational"]), "found it not good before, want good")
    scene.there.run("device", "revoke", name, "--state", scene.there.state, "--yes")


def check_openssl_learns_of_the_revocation(scene):
    for options in ([], ["-sha256", "-no_nonce"]):
        said = scene.openssl(scene.before["operational"], *options)
        want(": revoked" in said, f"found {said!r}, want revoked")


def check_gnutls_learns_of_the_revocation(scene):
    said = scene.gnutls(scene.before["operational"])
    want("Certificate Status: revoked" in said, f"found {said[-300:]!r}, want revoked")


def check_nss_learns_of_the_revocation(scene):
    status, words = scene.nss(scene.before["operational"])
    want(status != 0 and "revoked" in words.lower(), f"found {status} {words[-300:]!r}, want a revoked certificate refused")


def check_java_learns_of_the_revocation(scene):
    words = scene.java("nonce", scene.before["operational"], scene.question(scene.good))
    want(words.startswith("REVOKED") and words.endswith("good"), f"found {words!r}, want the first revoked, the second good")


def check_curl_learns_of_the_revocation(scene):
    """nginx staples no answer that says revoked (it warns in its log), so that the client has none: refused either way."""
    with scene.stapling_nginx(scene.ended, scene.before["web"]) as (fetch, log):

        def told():
            want(fetch()[0] == 91, "found the page fetched, want curl to refuse it")  # 91: the status of the certificate is not proven
            return "certificate status \"revoked\"" in log.read_text()

        wait_for(told, STAPLE_SECONDS, "nginx to be told that its certificate is revoked")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
