#!/usr/bin/python3
"""A keyless edge hands out what the status service has signed: `openssl ocsp` takes its answers without a nonce, CRLs are those of the
status service, an HTTP cache stands before it, and a revocation reaches it. A question with a nonce, or about what it does not have,
is tryLater. In its memory there is no key, where the same search finds those of the status service; it has no folder.
"""
# test: needs=dev deadline=240
import base64
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
from foreign_servers import running  # noqa: E402
from stage import CONSOLE, ZONE, Stage, free_port, tool, wait_for  # noqa: E402
import key_search  # noqa: E402  # by the path that stage has set
from status_host import make_question, root_crl_path  # noqa: E402
from installation import Process  # noqa: E402

PEM = serialization.Encoding.PEM
GATEWAY = f"gateway.{ZONE}"
SECONDS = 30
EDGE_USER = 61990
GOOD, REVOKED = ocsp.OCSPCertStatus.GOOD, ocsp.OCSPCertStatus.REVOKED
TRY_LATER = ocsp.OCSPResponseStatus.TRY_LATER


class Reply:
    def __init__(self, response):
        self.status, self.body = response.status, response.read()
        self.headers = {name.lower(): value for name, value in response.getheaders()}

    @property
    def ocsp(self):
        return ocsp.load_der_ocsp_response(self.body)


def ask(port, method, path, body=None, host=f"status.{ZONE}"):
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=10)
    connection.request(method, path, body, {"Host": host} | ({"Content-Type": "application/ocsp-request"} if body else {}))
    reply = Reply(connection.getresponse())
    connection.close()
    return reply


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.edge = None

    def set_up(self):
        self.there = self.stage.set_up()
        self.trust = self.there.state / "trust"
        self.folder = self.stage.folder / "edge"
        self.folder.mkdir()
        self.root = self.folder / "root.pem"
        self.root.write_bytes((self.trust / "root.pem").read_bytes())
        self.server_ca = self.ca("server-ca")
        self.device = self.stage.make_devices("press-1")[0]
        self.stage.bring_online(self.device, claim=False)
        self.start_edge()
        self.stage.closing.append(lambda: self.edge.stop())

    def start_edge(self):
        self.port = free_port()
        command = [self.there.sallyport, "serve", "edge", "--origin", f"127.0.0.1:{self.there.http_port}", "--zone", ZONE,
                   "--root-certificate", str(self.root), "--listen", f"127.0.0.1:{self.port}"]
        if os.geteuid() == 0:
            command += ["--run-as", str(EDGE_USER)]
        self.edge = Process("edge", command, self.folder / "edge.log")

    def ca(self, name):
        return x509.load_pem_x509_certificate((self.trust / f"{name}.pem").read_bytes())

    def certificate(self, name=GATEWAY):
        return x509.load_der_x509_certificate(self.stage.server_certificate(name))

    def question(self, certificate, nonce=None):
        return make_question(certificate.serial_number, self.server_ca, nonce)

    def told(self, certificate, port=None):
        """The answer without a nonce, or none."""
        answer = ask(port or self.port, "POST", "/ocsp", self.question(certificate)).ocsp
        return answer if answer.response_status == ocsp.OCSPResponseStatus.SUCCESSFUL else None

    def openssl(self, certificate, *options):
        file = self.folder / "asked.pem"
        file.write_bytes(certificate.public_bytes(PEM))
        done = subprocess.run(["openssl", "ocsp", *options, "-issuer", self.trust / "server-ca.pem", "-cert", file, "-url", f"http://127.0.0.1:{self.port}/ocsp",
                               "-CAfile", self.root, "-verify_other", self.trust / "server-ca.pem"], capture_output=True, text=True, timeout=60, check=False)
        return done.stdout + done.stderr


@cases.carries_the_rest
def check_edge_takes_what_the_status_service_has_signed(scene):
    scene.set_up()
    wait_for(lambda: scene.edge.running() and listens(scene.port) and scene.told(scene.certificate()), SECONDS, f"an answer of the edge; {scene.edge.tail(5)}")
    wait_for(lambda: scene.told(scene.certificate(CONSOLE)), SECONDS, "an answer about the console")


def listens(port):
    try:
        ask(port, "GET", "/crl/none")
    except OSError:
        return False
    return True


def check_openssl_takes_its_answers_without_a_nonce(scene):
    said = scene.openssl(scene.certificate(), "-no_nonce")
    want("Response verify OK" in said and ": good" in said, f"found {said[-300:]!r}, want it good and verified")


def check_answers_are_those_of_the_status_service_byte_for_byte(scene):
    """By GET and POST; how long they may be kept is told."""
    question = scene.question(scene.certificate())
    path = "/ocsp/" + urllib.parse.quote(base64.b64encode(question).decode(), safe="")
    by_post, by_get = ask(scene.port, "POST", "/ocsp", question), ask(scene.port, "GET", path)
    want(by_post.body == by_get.body, "found other answers to GET than to POST, want the same")
    want(by_get.headers["cache-control"].startswith("max-age=") and by_get.headers["etag"], f"found {by_get.headers}, want it cacheable")
    origin = ask(scene.there.http_port, "POST", "/ocsp", question).body
    # The status service signs anew every five minutes; the edge has it within a round.
    wait_for(lambda: ask(scene.port, "POST", "/ocsp", question).body in (origin, ask(scene.there.http_port, "POST", "/ocsp", question).body), SECONDS,
             "the bytes that the status service signed")


def check_question_with_a_nonce_is_try_later(scene):
    """Never a good without the nonce, which nobody would see is missing who does not look; and nobody keeps the refusal."""
    said = scene.openssl(scene.certificate())
    want("trylater" in said, f"found {said[-300:]!r}, want trylater")
    reply = ask(scene.port, "POST", "/ocsp", scene.question(scene.certificate(), os.urandom(32)))
    want(reply.ocsp.response_status == TRY_LATER and reply.headers["cache-control"] == "no-store", f"found {reply.ocsp.response_status} {reply.headers}, want it refused")


def check_what_it_does_not_have_is_try_later(scene):
    """A device's certificate, one that was never issued, and another CA's."""
    device = x509.load_pem_x509_certificate((scene.device.state / "operational.0.pem").read_bytes())
    for serial, issuer in ((device.serial_number, "online-ca"), (0x5A11 << 112, "server-ca"), (scene.certificate().serial_number, "web-ca")):
        answer = ask(scene.port, "POST", "/ocsp", make_question(serial, scene.ca(issuer))).ocsp
        want(answer.response_status == TRY_LATER, f"found {answer.response_status} for {serial:x} of {issuer}, want tryLater")


def check_whatever_is_no_question_is_refused(scene):
    for method, path, body, status in (("POST", "/ocsp", b"x" * 5_000, 413), ("PUT", "/ocsp", b"x", 405), ("GET", "/crl/presigned", None, 404),
                                       ("GET", "/crl/nobody.crl", None, 404), ("GET", "/crl/witness", None, 404)):
        reply = ask(scene.port, method, path, body)
        want(reply.status == status, f"{method} {path}: found {reply.status}, want {status}")
    for path in ("/ocsp/", "/ocsp/AAAA", "/ocsp/***"):
        reply = ask(scene.port, "GET", path)
        want(reply.status == 200 and reply.ocsp.response_status == ocsp.OCSPResponseStatus.MALFORMED_REQUEST, f"{path}: found {reply.status}, want malformedRequest")


def check_crls_are_those_of_the_status_service(scene):
    """`openssl verify` takes them; the CAs' certificates are there too."""
    def both():
        return [ask(port, "GET", "/crl/server-ca.crl") for port in (scene.there.http_port, scene.port)]
    wait_for(lambda: [reply.status for reply in both()] == [200, 200] and both()[0].body == both()[1].body, SECONDS, "the same CRL at both")
    path = root_crl_path(scene.ca("root"))
    want(ask(scene.port, "GET", path).body == ask(scene.there.http_port, "GET", path).body, "found another root CRL, want the status service's")
    want(ask(scene.port, "GET", "/crl/server-ca.cer").body == scene.server_ca.public_bytes(serialization.Encoding.DER), "found another server-ca, want its certificate")
    crls, leaf = scene.folder / "crls.pem", scene.folder / "leaf.pem"
    crls.write_bytes(b"".join(x509.load_der_x509_crl(ask(scene.port, "GET", one).body).public_bytes(PEM) for one in ("/crl/server-ca.crl", path)))
    leaf.write_bytes(scene.certificate().public_bytes(PEM))
    tool("openssl", "verify", "-crl_check_all", "-CAfile", scene.root, "-untrusted", scene.trust / "server-ca.pem", "-CRLfile", crls, leaf)


def check_http_cache_before_it_keeps_answers_and_no_refusals(scene):
    port, config = free_port(), scene.folder / "cache.conf"
    config.write_text(f"""daemon off; master_process off; pid {scene.folder}/cache.pid; error_log {scene.folder}/cache.log info;
events {{ worker_connections 64; }}
http {{ access_log off; proxy_cache_path {scene.folder}/cache keys_zone=answers:1m;
  client_body_temp_path {scene.folder}; proxy_temp_path {scene.folder}; fastcgi_temp_path {scene.folder}; uwsgi_temp_path {scene.folder}; scgi_temp_path {scene.folder};
  server {{ listen 127.0.0.1:{port}; location / {{ proxy_pass http://127.0.0.1:{scene.port}; proxy_cache answers; add_header X-Cache $upstream_cache_status; }} }} }}
""")
    with running(port, "nginx", "-c", config, "-p", scene.folder):
        path = "/ocsp/" + urllib.parse.quote(base64.b64encode(scene.question(scene.certificate())).decode(), safe="")
        first, second = ask(port, "GET", path), ask(port, "GET", path)
        want((first.headers["x-cache"], second.headers["x-cache"]) == ("MISS", "HIT"), f"found {first.headers} and {second.headers}, want the second from the cache")
        want(first.body == second.body and second.ocsp.certificate_status == GOOD, "found another answer out of the cache, want the same")
        refused = "/ocsp/" + urllib.parse.quote(base64.b64encode(scene.question(scene.certificate(), b"n" * 32)).decode(), safe="")
        want([ask(port, "GET", refused).headers["x-cache"] for _ in range(2)] == ["MISS", "MISS"], "found a refusal kept, want it asked again")


def check_revocation_reaches_it(scene):
    one = scene.certificate(CONSOLE)
    scene.there.run("certificate", "revoke", "server-ca", format(one.serial_number, "032x"), "--reason", "keyCompromise", "--state", scene.there.state)
    wait_for(lambda: scene.told(one).certificate_status == REVOKED, SECONDS, "the edge to say revoked")
    said = scene.openssl(one, "-no_nonce")
    want("Response verify OK" in said and ": revoked" in said, f"found {said[-300:]!r}, want it revoked and verified")


def check_order_of_the_root_reaches_it(scene):
    one, file, order = scene.certificate(), scene.folder / "gateway.pem", scene.folder / "order.pem"
    file.write_bytes(one.public_bytes(PEM))
    scene.there.run("root", "order", "--root", scene.there.root, "--passphrase-file", scene.there.passphrase_file, "--yes", "--certificate", file, "--out", order)
    scene.there.run("status", "order", order, "--state", scene.there.state)
    wait_for(lambda: scene.told(one).certificate_status == REVOKED, SECONDS, "the edge to say revoked")


def check_it_has_no_key_and_no_file(scene):
    """The same search finds the keys of the status service in the memory of its process."""
    asked = {GATEWAY: scene.server_ca, "witness": scene.ca("control-ca")}
    serials = {GATEWAY: scene.certificate().serial_number, "witness": int(ask(scene.there.http_port, "GET", "/crl/witness").body, 16)}
    delegates = [ocsp.load_der_ocsp_response(ask(scene.there.http_port, "POST", "/ocsp", make_question(serials[name], ca, os.urandom(32))).body).certificates[0]
                 for name, ca in asked.items()]
    keys = [one.public_key() for one in delegates] + [scene.certificate(f"status.{ZONE}").public_key()]
    try:
        there = key_search.find(scene.there.pid_of("status"), keys)
    except PermissionError:
        raise cases.Missing("root, to look into the memory of another process") from None
    want(len(there) == len(keys), f"found {len(there)} keys in the status service, want all {len(keys)}: the search is worth nothing")
    want(not key_search.find(scene.edge.pid, keys), "found a key of the status service in the edge, want none")
    opened = [os.readlink(f"/proc/{scene.edge.pid}/fd/{name}") for name in os.listdir(f"/proc/{scene.edge.pid}/fd")]
    files = [one for one in opened if one.startswith("/") and one not in (str(scene.folder / "edge.log"), "/dev/null")]
    want(not files, f"found {files} open, want none")
    want(b"PRIVATE KEY" not in b"".join(block for block in key_search.regions(scene.edge.pid)), "found a key file's text in the edge's memory, want none")


def check_it_begins_anew_from_nothing(scene):
    """And hands out nothing while the status service is away."""
    one = scene.certificate(f"status.{ZONE}")
    scene.edge.stop()
    scene.stage.stop_server()
    scene.start_edge()
    wait_for(lambda: listens(scene.port), SECONDS, "the edge to listen")
    want(scene.told(one) is None, "found an answer, want tryLater")
    scene.there.start()
    wait_for(lambda: scene.told(one), SECONDS, "an answer about what it did not know before")


def check_root_that_is_not_the_installations_makes_it_an_edge_of_nothing(scene):
    scene.edge.stop()
    foreign = scene.folder / "foreign"
    scene.there.run("root", "init", "--root", foreign, "--name", "Demo", "--passphrase-file", scene.there.passphrase_file)
    scene.root = scene.folder / "foreign.pem"
    scene.root.write_bytes((foreign / "root.pem").read_bytes())
    scene.start_edge()
    wait_for(lambda: "edge.refused" in scene.edge.tail(20), SECONDS, "the edge to have refused what it fetched")
    want(scene.told(scene.certificate(f"status.{ZONE}")) is None, "found an answer that no trusted root stands behind, want tryLater")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
