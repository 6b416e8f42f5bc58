"""Whether a device says a word to a server: an agent that finds its server bad completes the handshake, asks, and is silent.
Seen on the wire over the whole life of every connection, in the agent's log and in `sallyport-agent status`.

TLS 1.3 does not hide how many records there are. A client that shows a certificate sends three encrypted ones before its
handshake is complete, of Certificate, CertificateVerify and Finished; what it says afterwards would be a fourth.
"""
import time

from cryptography import x509
from cryptography.x509 import ocsp

from cases import want
from crossing import APPLICATION_DATA, HANDSHAKE, Crossing, records
from ocsp_forge import Delegate
from stage import ZONE, wait_for
from status_host import StatusHost, ca_key, make_question

GATEWAY, RELAY = f"gateway.{ZONE}", f"relay.{ZONE}"
SECONDS = 30
CERTIFICATE_VERIFY = range(25, 98)  # octets of its record: header, scheme, an ECDSA signature, content type, AEAD tag
FINISHED = (4 + 32 + 17, 4 + 48 + 17)  # with SHA-256 and with SHA-384


def encrypted_records(one):
    sent = one.everything()[0]
    found = records(sent)
    want(not found or found[0][0] == HANDSHAKE, f"found {sent[:16]!r}, want a ClientHello first")
    return [length for kind, length in found if kind == APPLICATION_DATA]


class Silence:
    """An installation, a device, and the roads between them, watched: whether the device says a word to a server."""

    def __init__(self, stage):
        self.stage = stage
        self.status = None
        self.road = None
        self.device = None
        self.status_over_tls = False  # the second way to the status service; cut so that the first one counts

    def set_up(self):
        self.there = self.stage.set_up()
        self.status = StatusHost(self.there.http_port)
        self.stage.closing.append(self.status.close)
        self.road = Crossing(self.route)
        self.stage.closing.append(self.road.close)
        self.fresh_device("press-1")
        self.server_ca = self.ca("server-ca")
        self.real_delegate = ocsp.load_der_ocsp_response(self.status.honest(make_question(self.gateway().serial_number, self.server_ca)))
        self.delegate = self.make_delegate()

    def fresh_device(self, serial_id):
        self.device = self.stage.make_devices(serial_id, wire=self)[0]

    def make_delegate(self, **validity):
        return Delegate(self.server_ca, ca_key(self.there, "server-ca"), self.real_delegate.certificates[0], **validity)

    def port(self, kind):
        """Where the device's roads begin."""
        return {"tls": self.road.port, "http": self.status.port}[kind]

    def route(self, name):
        if name == f"status.{ZONE}" and not self.status_over_tls:
            return None
        return self.there.tls_port

    def gateway(self):
        return x509.load_der_x509_certificate(self.stage.server_certificate(GATEWAY))

    def ca(self, name):
        return x509.load_pem_x509_certificate((self.there.state / "trust" / f"{name}.pem").read_bytes())

    def install_root_crl(self, *more):
        """The root's next CRL, into force; `more` for `sallyport root crl`."""
        file = self.there.folder / "root.crl"
        self.there.run("root", "crl", "--root", self.there.root, "--passphrase-file", self.there.passphrase_file, "--out", file, *more)
        self.there.run("root", "install-crl", "--crl", file, "--state", self.there.state)

    def record(self):
        return self.there.device(self.device.serial_id)

    def check_of(self, server):
        checks = self.there.agent_status(self.device).get("server_checks", [])
        return next((one for one in checks if one["server"] == server), None)

    def to(self, server, since):
        """The connections to a server; the relay's has the device's name before it."""
        return [one for one in self.road.named("", since) if one.name == server or one.name.endswith("." + server)]

    def refused(self, *reasons, servers=(GATEWAY,)):
        """A fresh run of the agent must say no word to the servers, and why: one of `reasons`. Returns the last verdict."""
        began = time.monotonic()
        self.stage.restart_agent(self.device)
        for server in servers:
            told = wait_for(lambda: self.check_of(server), SECONDS, f"a verdict on {server}")  # noqa: B023
            want(not told["good"], f"found {server} good, want it refused")
            want(told["reason"] in reasons, f"found reason {told['reason']} ({told['detail']}), want {' or '.join(reasons)}")
            want(told["detail"], "found no sentence in the status, want one")
            log = [line for line in self.stage.agent_log(self.device).splitlines() if "agent.server-refused" in line and server in line]
            want(log and f"reason={told['reason']}" in log[0], f"found {log} in the log, want the refusal of {server} and its reason")
        return told, began

    def end(self, began, servers=(GATEWAY,)):
        """Ends the agent; none of the servers must ever have heard a word from it."""
        self.device.agent.stop()
        for server in servers:
            self.silent_to(server, began)

    def silent_to(self, server, since):
        """Whatever the agent sent on any connection to `server`, from the first byte to the last, was handshake."""
        connections = self.to(server, since)
        want(connections, f"found no connection to {server}, want an attempt")
        wait_for(lambda: all(one.is_over for one in connections), SECONDS, f"the end of every connection to {server}")
        complete = 0
        for one in connections:
            encrypted = encrypted_records(one)
            if not encrypted:
                continue  # ended with the agent, in the middle of its handshake
            full = len(encrypted) == 3 and encrypted[1] in CERTIFICATE_VERIFY and encrypted[2] in FINISHED
            # A relay that the device has met is shown no certificate (docs/protocol/tunnel.md §10).
            resumed = server == RELAY and len(encrypted) == 1 and encrypted[0] in FINISHED
            want(full or resumed,
                 f"found encrypted records of {encrypted} octets to {server}, want those of a handshake alone")
            complete += 1
        want(complete, f"found no complete handshake with {server}, want one")
