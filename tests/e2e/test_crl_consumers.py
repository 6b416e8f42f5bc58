#!/usr/bin/python3
"""The CRLs that the status service hands out, in the hands of those who use them: `openssl verify -crl_check_all`, GnuTLS, nginx,
HAProxy and OpenVPN. Each lets a device in before its revocation, and not with the list that was fetched after it.
"""
# test: needs=dev deadline=240
import contextlib
import http.client
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from foreign_servers import haproxy, nginx  # noqa: E402
from stage import ZONE, Stage, free_port, tool, wait_for  # noqa: E402

PEM = serialization.Encoding.PEM
CRL_SECONDS = 30  # the promise is ten minutes; authority and status each look every five seconds
ONLINE_CAS = ("online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca")


class Scene:
    def __init__(self, stage):
        self.stage = stage

    def set_up(self):
        self.there = self.stage.set_up()
        self.trust = self.there.state / "trust"
        self.folder = self.stage.folder / "consumers"
        self.folder.mkdir()
        self.good, self.ended = self.stage.make_devices("press-1", "press-2")
        self.stage.bring_online(self.good, self.ended, claim=False)
        for device in (self.good, self.ended):
            wait_for(lambda: (device.state / "web.0.pem").exists(), 30, "a web certificate")  # noqa: B023
            device.agent.stop()
        self.anchors = self.folder / "anchors.pem"
        self.anchors.write_bytes((self.trust / "root.pem").read_bytes() + (self.trust / "online-ca.pem").read_bytes() + (self.trust / "web-ca.pem").read_bytes())
        server = self.good.state  # a device's web certificate is one of a server
        self.server_pem = self.folder / "server.pem"
        self.server_pem.write_bytes((server / "web.0.pem").read_bytes() + (server / "web.0.key").read_bytes())
        wait_for(lambda: all(self.get(ca).status == 200 for ca in ONLINE_CAS), CRL_SECONDS, "a CRL of every online CA")
        self.before = self.fetch_crls("before")

    def get(self, ca):
        connection = http.client.HTTPConnection("127.0.0.1", self.there.http_port, timeout=10)
        connection.request("GET", f"/crl/{ca}.crl", headers={"Host": f"status.{ZONE}"})
        response = connection.getresponse()
        response.body = response.read()
        connection.close()
        return response

    def crl(self, ca):
        response = self.get(ca)
        want(response.status == 200, f"found {response.status} for the CRL of {ca}, want it")
        return x509.load_der_x509_crl(response.body)

    def fetch_crls(self, name):
        """One PEM file of every list that a chain of a device needs."""
        file = self.folder / f"{name}.crl.pem"
        file.write_bytes(b"".join(self.crl(ca).public_bytes(PEM) for ca in ("root", "online-ca", "web-ca")))
        return file

    def serial(self, device):
        return x509.load_pem_x509_certificate((device.state / "operational.0.pem").read_bytes()).serial_number

    def get_in(self, port, device):
        """An HTTPS request with the device's certificate: curl's (exit status, HTTP status)."""
        done = subprocess.run(["curl", "-sS", "-o", "/dev/null", "-w", "%{http_code}", "--insecure", "--cert", device.state / "operational.0.pem",
                               "--key", device.state / "operational.0.key", f"https://127.0.0.1:{port}/"], capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout.strip()

    def openssl(self, device, crls):
        leaf = self.folder / "leaf.pem"
        leaf.write_bytes(x509.load_pem_x509_certificate((device.state / "operational.0.pem").read_bytes()).public_bytes(PEM))
        done = subprocess.run(["openssl", "verify", "-crl_check_all", "-CAfile", self.trust / "root.pem", "-untrusted", self.trust / "online-ca.pem", "-CRLfile", crls, leaf],
                              capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr

    def gnutls(self, device, crls):
        chain = self.folder / "chain.pem"
        chain.write_bytes((device.state / "operational.0.pem").read_bytes())
        done = subprocess.run(["certtool", "--verify", "--verify-purpose", "1.3.6.1.5.5.7.3.2", "--load-ca-certificate", self.trust / "root.pem", "--load-crl", crls,
                               "--infile", chain], capture_output=True, text=True, timeout=30, check=False)
        return done.returncode, done.stdout + done.stderr

    @contextlib.contextmanager
    def openvpn(self, crls):
        """A stock OpenVPN server that moves nothing (dev null); yields a function that tells how it took a device."""
        port, log = free_port(), self.folder / f"openvpn-{crls.name}.log"
        log.write_text("")
        server = ["openvpn", "--dev", "null", "--tls-server", "--proto", "tcp-server",
                  "--local", "127.0.0.1", "--port", port, "--ca", self.anchors, "--cert", self.good.state / "web.0.pem", "--key", self.good.state / "web.0.key",
                  "--dh", "none", "--crl-verify", crls, "--remote-cert-eku", "TLS Web Client Authentication", "--tls-version-min", "1.3", "--verb", "3", "--log", log]
        child = subprocess.Popen([str(word) for word in server], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)

        def take(device):
            at = len(log.read_text())
            client = subprocess.Popen([str(word) for word in (
                "openvpn", "--dev", "null", "--tls-client", "--nobind", "--proto", "tcp-client", "--remote", "127.0.0.1", port, "--ca", self.anchors,
                "--cert", device.state / "operational.0.pem", "--key", device.state / "operational.0.key", "--remote-cert-eku", "TLS Web Server Authentication",
                "--connect-retry-max", "1", "--verb", "1")], stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
            try:
                return wait_for(lambda: next((word for word in ("Peer Connection Initiated", "certificate revoked", "VERIFY ERROR") if word in log.read_text()[at:]), None),
                                30, f"OpenVPN's verdict; it says {log.read_text()[-600:]}")
            finally:
                client.terminate()
                client.wait()

        try:
            wait_for(lambda: "Listening for incoming TCP connection" in log.read_text(), 20, "OpenVPN to listen")
            yield take
        finally:
            child.terminate()
            child.wait()


@cases.carries_the_rest
def check_every_online_ca_has_a_list(scene):
    scene.set_up()
    for ca in ONLINE_CAS:
        response = scene.get(ca)
        want(response.status == 200 and response.headers["Content-Type"] == "application/pkix-crl", f"found {response.status} {response.headers['Content-Type']} for {ca}, want its CRL")
        want("max-age=" in response.headers["Cache-Control"] and response.headers["ETag"], f"found {dict(response.headers)}, want it kept by caches for a while")
        issuer = x509.load_pem_x509_certificate((scene.trust / f"{ca}.pem").read_bytes())
        want(x509.load_der_x509_crl(response.body).is_signature_valid(issuer.public_key()), f"found the list of {ca} not signed by it, want it so")
    want(scene.get("nobody-ca").status == 404 and scene.get("local-ca").status == 404, "found a list of a CA that is none, want 404")


def check_what_a_certificate_names_is_there(scene):
    """The CRL distribution point in a device's certificate leads to the list of its issuer."""
    certificate = x509.load_pem_x509_certificate((scene.good.state / "operational.0.pem").read_bytes())
    points = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value
    url = points[0].full_name[0].value
    want(url == f"http://status.{ZONE}/crl/online-ca.crl", f"found {url}, want the list of online-ca at the status service")
    want(scene.crl("online-ca").issuer == certificate.issuer, "found a list of another issuer, want that of the certificate")


@cases.carries_the_rest
def check_a_device_is_revoked_and_listed(scene):
    number = scene.crl("online-ca").extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    want(scene.crl("online-ca").get_revoked_certificate_by_serial_number(scene.serial(scene.ended)) is None, "found it listed before, want it not to be")
    scene.there.run("device", "revoke", scene.there.device(scene.ended.serial_id)["name"], "--state", scene.there.state, "--yes")
    wait_for(lambda: scene.crl("online-ca").get_revoked_certificate_by_serial_number(scene.serial(scene.ended)), CRL_SECONDS, "the device on the CRL")
    after = scene.crl("online-ca")
    want(after.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number > number, "found a number that did not rise, want it to")
    want(after.get_revoked_certificate_by_serial_number(scene.serial(scene.good)) is None, "found the other device listed, want it not to be")
    scene.after = scene.fetch_crls("after")


def check_openssl_refuses_what_is_listed(scene):
    for crls, device, accepted in ((scene.before, scene.ended, True), (scene.after, scene.ended, False), (scene.after, scene.good, True)):
        status, said = scene.openssl(device, crls)
        want((status == 0) == accepted and ("certificate revoked" in said) != accepted, f"found {said!r} for {device.serial_id} with {crls.name}, want accepted {accepted}")


def check_gnutls_refuses_what_is_listed(scene):
    for crls, device, accepted in ((scene.before, scene.ended, True), (scene.after, scene.ended, False), (scene.after, scene.good, True)):
        status, said = scene.gnutls(device, crls)
        want((status == 0) == accepted and ("revoked" in said) != accepted, f"found {said[-300:]!r} for {device.serial_id} with {crls.name}, want accepted {accepted}")


def check_nginx_refuses_what_is_listed(scene):
    for crls, statuses in ((scene.before, ("200", "200")), (scene.after, ("200", "400"))):
        server = (f"ssl_certificate {scene.good.state}/web.0.pem; ssl_certificate_key {scene.good.state}/web.0.key; ssl_client_certificate {scene.anchors};"
                  f"ssl_verify_client on; ssl_verify_depth 2; ssl_crl {crls}; return 200;")
        with nginx(scene.folder, crls.name, server) as (port, _):
            found = tuple(scene.get_in(port, device)[1] for device in (scene.good, scene.ended))
        want(found == statuses, f"found {found} with {crls.name}, want {statuses}")


def check_haproxy_refuses_what_is_listed(scene):
    for crls, accepted in ((scene.before, (True, True)), (scene.after, (True, False))):
        with haproxy(scene.folder, crls.name, f"crt {scene.server_pem} ca-file {scene.anchors} verify required crl-file {crls}") as port:
            found = tuple(scene.get_in(port, device)[1] == "200" for device in (scene.good, scene.ended))
        want(found == accepted, f"found {found} with {crls.name}, want {accepted}")


def check_openvpn_refuses_what_is_listed(scene):
    for crls, device, accepted in ((scene.before, scene.ended, True), (scene.after, scene.ended, False), (scene.after, scene.good, True)):
        with scene.openvpn(crls) as take:
            found = take(device)
        want((found == "Peer Connection Initiated") == accepted, f"found {found!r} for {device.serial_id} with {crls.name}, want accepted {accepted}")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
