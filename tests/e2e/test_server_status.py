#!/usr/bin/python3
"""What an agent does when the status of its gateway is bad, unknown or lied about: it completes the handshake, asks, and
says no word to the gateway. Seen on the wire in bytes, at the authority (no device came), in the agent's log and in
`sallyport-agent status`. Each case ends with an honest answer or begins after one, so that the silence means something.
"""
# test: needs=dev deadline=240
import datetime
import http.client
import http.server
import pathlib
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509 import ocsp  # noqa: E402
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from crossing import Crossing  # noqa: E402
from stage import ZONE, Stage, wait_for  # noqa: E402

GATEWAY = f"gateway.{ZONE}"
CLOSE_NOTIFY = 64  # bytes: an alert record of TLS 1.3 and room; no HTTP request fits
REFUSAL_SECONDS = 30
HELD_SECONDS = 0.3  # how long a question waits for its answer
DER = serialization.Encoding.DER


class Responder:
    """Stands where the agent looks for the status service over HTTP. Everything but OCSP, and OCSP too while `behave` is
    None, comes from the real one."""

    def __init__(self, port):
        self.port_of_real = port
        self.behave = None
        self.is_dumb = False  # closes every connection without an answer
        self.replaced = {}  # path → body, instead of the real one's
        self.asked = []  # (time, request) of every OCSP request, when its answer begins
        self.answered = []  # what the real one answered, in order
        responder = self

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_POST(self):
                request = self.rfile.read(int(self.headers["Content-Length"]))
                time.sleep(HELD_SECONDS)
                if responder.is_dumb:
                    responder.asked.append((time.monotonic(), request))
                    self.close_connection = True
                    return
                self.answer(200, responder.on_ocsp(request), "application/ocsp-response")

            def do_GET(self):
                if self.path in responder.replaced:
                    self.answer(200, responder.replaced[self.path], "application/pkix-crl")
                    return
                self.answer(*responder.real("GET", self.path, None))

            def answer(self, status, body, kind):
                self.send_response(status)
                self.send_header("Content-Type", kind)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    @property
    def port(self):
        return self.server.server_address[1]

    def real(self, method, path, body):
        connection = http.client.HTTPConnection("127.0.0.1", self.port_of_real, timeout=10)
        headers = {"Host": f"status.{ZONE}"}
        if body is not None:
            headers["Content-Type"] = "application/ocsp-request"
        connection.request(method, path, body, headers)
        response = connection.getresponse()
        data = response.read()
        connection.close()
        return response.status, data, response.headers.get("Content-Type", "")

    def honest(self, request):
        answer = self.real("POST", "/ocsp", request)[1]
        self.answered.append(answer)
        return answer

    def on_ocsp(self, request):
        self.asked.append((time.monotonic(), request))
        return self.behave(request) if self.behave else self.honest(request)

    def close(self):
        self.server.shutdown()
        self.server.server_close()


class Scene:
    """The installation, a factory-fresh device that is in the ledger, and the roads between them."""

    def __init__(self, stage):
        self.stage = stage
        self.responder = None
        self.road = None
        self.device = None
        self.status_over_tls = False  # the second way to the status service; cut so that the first one counts

    def set_up(self):
        stage = self.stage
        there = stage.set_up()
        self.responder = Responder(there.http_port)
        stage.closing.append(self.responder.close)
        self.road = Crossing(self.route)
        stage.closing.append(self.road.close)
        self.device = stage.make_devices("press-1", wire=self)[0]

    def port(self, kind):
        """Where the device's roads begin."""
        return {"tls": self.road.port, "http": self.responder.port}[kind]

    def route(self, name):
        if name == f"status.{ZONE}" and not self.status_over_tls:
            return None
        return self.stage.there.tls_port

    def gateway(self):
        return x509.load_der_x509_certificate(self.stage.server_certificate(GATEWAY))

    def ca(self, name):
        return x509.load_pem_x509_certificate((self.stage.there.state / "trust" / f"{name}.pem").read_bytes())

    def check_of(self, server):
        checks = self.stage.there.agent_status(self.device).get("server_checks", [])
        return next((one for one in checks if one["server"] == server), None)

    def refused(self, *reasons):
        """A fresh run of the agent must say no word to the gateway, and why: one of `reasons`."""
        began = time.monotonic()
        self.stage.restart_agent(self.device)
        told = wait_for(lambda: self.check_of(GATEWAY), REFUSAL_SECONDS, f"a verdict on {GATEWAY}")
        want(not told["good"], f"found {GATEWAY} good, want it refused")
        want(told["reason"] in reasons, f"found reason {told['reason']} ({told['detail']}), want {' or '.join(reasons)}")
        want(told["detail"], "found no sentence in the status, want one")
        log = self.stage.agent_log(self.device)
        want("agent.server-refused" in log and f"reason={told['reason']}" in log, f"found {log[-300:]!r} in the log, want the refusal and its reason")
        self.device.agent.stop()
        self.silent_since(began)
        record = self.stage.there.device(self.device.serial_id)
        want(record["state"] == "manufactured" and not record["name"], f"found the device {record['state']}, want it not to have come")
        return told

    def silent_since(self, began):
        """Nothing but a TLS alert went to the gateway once the status service had been asked about it, on any connection. A
        question is held for HELD_SECONDS, so that what was on the road with it has been seen before it is answered."""
        to_gateway = self.road.named("gateway.", began)
        want(to_gateway, "found no connection to the gateway, want an attempt")
        questions = sorted([at for at, _ in self.responder.asked if at > began] +
                           [one.opened + HELD_SECONDS for one in self.road.named("status.", began)])
        for one in to_gateway:
            asked = next((at for at in questions if at > one.opened), None)
            want(asked is None or len(one.sent_after(asked)) <= CLOSE_NOTIFY,
                 f"found {len(one.sent_after(asked or 0))} bytes to the gateway after the question, want none")
            want(len(one.everything()[1]) > 500, "found no handshake with the gateway, want one")


def hostile(scene, behave, *reasons):
    scene.responder.behave = behave
    try:
        return scene.refused(*reasons)
    finally:
        scene.responder.behave = None


def nonce_of(request):
    return ocsp.load_der_ocsp_request(request).extensions.get_extension_for_class(x509.OCSPNonce).value


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


def check_unreachable_status_is_a_refusal(scene):
    scene.responder.is_dumb = True
    try:
        scene.refused("unreachable")
    finally:
        scene.responder.is_dumb = False
    want({one.is_cut for one in scene.road.named("status.")} == {True}, "found no attempt over TLS, want both ways tried")


def check_try_later_is_a_refusal(scene):
    body = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(DER)
    hostile(scene, lambda _: body, "try_later")


def check_answer_without_nonce_is_a_refusal(scene):
    gateway, issuer = scene.gateway(), scene.ca("server-ca")
    plain = ocsp.OCSPRequestBuilder().add_certificate(gateway, issuer, hashes.SHA256()).build().public_bytes(DER)
    hostile(scene, lambda _: scene.responder.honest(plain), "nonce_mismatch")


def check_old_answer_is_a_refusal(scene):
    """A good answer to the same agent about the same certificate, given to an earlier question."""
    first = serialise_question(scene.gateway(), scene.ca("server-ca"), b"an earlier nonce".ljust(32, b"."))
    old = scene.responder.honest(first)
    want(ocsp.load_der_ocsp_response(old).certificate_status == ocsp.OCSPCertStatus.GOOD, "found the recorded answer bad, want good")
    hostile(scene, lambda _: old, "nonce_mismatch")


def check_answer_for_another_certificate_is_a_refusal(scene):
    """Good, signed by the right delegate, with the right nonce: about the relay."""
    relay = x509.load_der_x509_certificate(scene.stage.server_certificate(f"status.{ZONE}"))
    issuer = scene.ca("server-ca")
    hostile(scene, lambda request: scene.responder.honest(serialise_question(relay, issuer, nonce_of(request))), "wrong_certificate")


def check_answer_signed_by_a_stranger_is_a_refusal(scene):
    """The right certificate, the right nonce, good; the delegate's certificate was made by somebody else in the CA's name."""
    stranger = Stranger(scene.gateway(), scene.ca("server-ca"))
    hostile(scene, stranger.good, "responder_unauthorized", "bad_signature")


def check_altered_answer_is_a_refusal(scene):
    """Right in everything but for one bit of the signature."""
    def alter(request):
        answer = scene.responder.honest(request)
        signature = ocsp.load_der_ocsp_response(answer).signature
        at = answer.index(signature) + len(signature) - 1
        return answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1:]

    hostile(scene, alter, "bad_signature")


def check_garbage_is_a_refusal(scene):
    hostile(scene, lambda _: b"\x30\x03\x0a\x01", "malformed")


def check_lie_over_http_is_set_right_over_tls(scene):
    """Answers prove themselves: a liar on one way cannot keep a device away that can ask on another."""
    scene.status_over_tls = True
    body = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(DER)
    scene.responder.behave = lambda _: body
    try:
        scene.stage.restart_agent(scene.device)
        told = wait_for(lambda: good_check(scene), REFUSAL_SECONDS, "the gateway found good over TLS")
        want("TLS" in told["detail"], f"found {told['detail']}, want it asked over TLS")
        record = wait_for(lambda: come(scene), REFUSAL_SECONDS, "the device to enrol")
        want(record["state"] == "connected", f"found {record['state']}, want connected")
    finally:
        scene.responder.behave = None
        scene.status_over_tls = False
    scene.device.agent.stop()


def check_revoked_gateway_is_a_refusal(scene):
    fresh_device(scene, "press-2")
    serial = format(scene.gateway().serial_number, "032x")
    there = scene.stage.there
    there.run("certificate", "revoke", "server-ca", serial, "--reason", "keyCompromise", "--state", there.state)
    told = scene.refused("status_revoked")
    want("revoked" in told["detail"], f"found {told['detail']}, want it to say revoked")


def check_gateway_with_a_new_certificate_is_good_again(scene):
    old = scene.gateway().serial_number
    scene.stage.kill_role("gateway")
    wait_for(lambda: scene.gateway().serial_number != old, REFUSAL_SECONDS, "the gateway with another certificate")
    scene.stage.restart_agent(scene.device)
    wait_for(lambda: come(scene), REFUSAL_SECONDS, "the device to enrol")
    scene.device.agent.stop()


def check_old_root_crl_is_a_refusal(scene):
    """control-ca's delegate names the newest root CRL; whoever shows an older one is found out."""
    fresh_device(scene, "press-3")
    old = scene.responder.real("GET", "/crl/root.crl", None)[1]
    install_root_crl(scene)
    wait_for(lambda: scene.responder.real("GET", "/crl/root.crl", None)[1] != old, REFUSAL_SECONDS, "the status service with the new root CRL")
    scene.responder.replaced["/crl/root.crl"] = old
    try:
        scene.refused("crl_stale", "crl_unusable")
    finally:
        scene.responder.replaced.clear()


def check_revoked_server_ca_is_a_refusal(scene):
    """By a new CRL of the offline root; the gateway's own certificate is still good."""
    serial = format(scene.ca("server-ca").serial_number, "032x")
    install_root_crl(scene, "--revoke", serial, "--reason", "ca-compromise")
    told = scene.refused("ca_revoked")
    want(serial in told["detail"], f"found {told['detail']}, want it to name the CA {serial}")


def serialise_question(certificate, issuer, nonce):
    builder = ocsp.OCSPRequestBuilder().add_certificate(certificate, issuer, hashes.SHA256())
    nonce = nonce if isinstance(nonce, x509.OCSPNonce) else x509.OCSPNonce(nonce)
    return builder.add_extension(nonce, critical=False).build().public_bytes(DER)


def good_check(scene):
    check = scene.check_of(GATEWAY)
    return check if check and check["good"] else None


def come(scene):
    record = scene.stage.there.device(scene.device.serial_id)
    return record if record["state"] != "manufactured" else None


def fresh_device(scene, serial_id):
    """Another device in the place of the one that has enrolled."""
    scene.device = scene.stage.make_devices(serial_id, wire=scene)[0]


def install_root_crl(scene, *more):
    there = scene.stage.there
    file = there.folder / "root.crl"
    there.run("root", "crl", "--root", there.root, "--passphrase-file", there.passphrase_file, "--out", file, *more)
    there.run("root", "install-crl", "--crl", file, "--state", there.state)


class Stranger:
    """An OCSP responder with a key of its own that says good of one certificate."""

    def __init__(self, subject, issuer):
        self.subject = subject
        self.issuer = issuer
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.shown = self.certify()

    def certify(self):
        now = datetime.datetime.utcnow()
        name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Sallyport OCSP")])
        builder = x509.CertificateBuilder().subject_name(name).issuer_name(self.issuer.subject).public_key(self.key.public_key())
        builder = builder.serial_number(x509.random_serial_number()).not_valid_before(now - datetime.timedelta(hours=1))
        builder = builder.not_valid_after(now + datetime.timedelta(days=20))
        builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.OCSP_SIGNING]), critical=True)
        builder = builder.add_extension(x509.OCSPNoCheck(), critical=False)
        return builder.sign(self.key, hashes.SHA256())

    def good(self, request):
        now = datetime.datetime.utcnow().replace(microsecond=0)
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=self.subject, issuer=self.issuer, algorithm=hashes.SHA256(), cert_status=ocsp.OCSPCertStatus.GOOD,
            this_update=now, next_update=now + datetime.timedelta(minutes=5), revocation_time=None, revocation_reason=None)
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.shown).certificates([self.shown])
        return builder.add_extension(nonce_of(request), critical=False).sign(self.key, hashes.SHA256()).public_bytes(DER)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
