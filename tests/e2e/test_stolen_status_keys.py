#!/usr/bin/python3
"""What a thief can do who has the CA key of server-ca, and one who has the machine of the status service with its delegates' keys;
what he cannot do, and what ends it. The device is a factory-fresh agent whose roads are all in the thief's hands.

The keys are real: the test's own installation holds them. A delegate that server-ca's key certifies is worth as much as the one on
the status machine, whose key never leaves its memory.
"""
# test: needs=dev deadline=240
import os
import pathlib
import socket
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.x509 import ocsp  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from ocsp_forge import DAY, ID_PKIX_OCSP_CRL, MINUTE, Delegate, extension, integer, tlv  # noqa: E402
from silence import GATEWAY, SECONDS, Silence, encrypted_records  # noqa: E402
from stage import Stage, wait_for  # noqa: E402
from status_host import ca_key, make_question, root_crl_path  # noqa: E402
from tcp import serve_each  # noqa: E402  # by the path that stage has set

PEM = serialization.Encoding.PEM


class FalseGateway:
    """A TLS server with the thief's key and a certificate that server-ca's key made for it. It keeps what it hears."""

    def __init__(self, folder, made, ca, root):
        files = folder / "false-gateway.pem", folder / "false-gateway.key"
        files[0].write_bytes(x509.load_der_x509_certificate(made.shown).public_bytes(PEM) + ca.public_bytes(PEM))
        files[1].write_bytes(made.key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.set_alpn_protocols(["http/1.1"])
        self.context.load_cert_chain(*files)
        self.context.verify_mode = ssl.CERT_OPTIONAL  # so that it is shown the device's certificate, as the real one is
        self.context.load_verify_locations(root)
        self.heard = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        serve_each(self.listener, self.listen)

    def listen(self, plain):
        try:
            plain.settimeout(SECONDS)
            with self.context.wrap_socket(plain, server_side=True) as line:
                if data := line.recv(65536):
                    self.heard.append(data)
        except OSError:
            pass

    def close(self):
        self.listener.close()


class Scene(Silence):
    def set_up(self):
        super().set_up()
        self.control_ca = self.ca("control-ca")
        self.server_ca_key = ca_key(self.there, "server-ca")
        made = Delegate(self.server_ca, self.server_ca_key, self.gateway(), born=-MINUTE, dies=DAY)  # a certificate like the gateway's
        self.false = FalseGateway(self.stage.folder, made, self.server_ca, self.there.state / "trust" / "root.pem")
        self.stage.closing.append(self.false.close)
        self.number = 1
        self.misled = False
        witness = int(self.status.real("GET", "/crl/witness", None)[1], 16)
        answer = self.status.honest(make_question(witness, self.control_ca, os.urandom(32)))
        self.control_delegate_model = ocsp.load_der_ocsp_response(answer).certificates[0]

    def route(self, name):
        if self.misled and name == GATEWAY:
            return self.false.port
        return super().route(name)

    def stolen_delegate(self, ca="server-ca", **validity):
        model = self.real_delegate.certificates[0] if ca == "server-ca" else self.control_delegate_model
        return Delegate(self.ca(ca), ca_key(self.there, ca), model, **validity)

    def answer_by(self, server_delegate=None, control_delegate=None, number=None):
        """The thief's answers; what he cannot or will not answer comes from the honest service."""
        def behave(question):
            if server_delegate and question.is_to(self.server_ca):
                return server_delegate.answer(question).der()
            if control_delegate and question.is_to(self.control_ca):
                told = extension(ID_PKIX_OCSP_CRL, tlv(0x30, tlv(0xA1, integer(number))))
                return control_delegate.answer(question).change(single_extensions=[told]).der()
            return None
        self.status.behave = behave

    def is_heard(self):
        """A fresh device speaks to the false gateway."""
        before = len(self.false.heard)
        self.stage.restart_agent(self.device)
        wait_for(lambda: len(self.false.heard) > before, SECONDS, lambda: f"the false gateway to hear something; {self.device.agent.tail(3)}")
        self.device.agent.stop()

    def is_refused(self, *reasons):
        before = len(self.false.heard)
        _, began = self.refused(*reasons)
        self.end(began)
        want(len(self.false.heard) == before, f"found {self.false.heard[before:]!r} heard, want silence")


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


# The status machine, with the keys of both delegates ----------------------------------------------------------------------------

def check_revoked_gateway_is_refused_while_the_status_service_is_honest(scene):
    serial = format(scene.gateway().serial_number, "032x")
    scene.there.run("certificate", "revoke", "server-ca", serial, "--reason", "keyCompromise", "--state", scene.there.state)
    _, began = scene.refused("status_revoked")
    scene.end(began)


def check_thief_of_the_status_machine_hides_a_revocation_while_his_delegates_last(scene):
    """What he has is worth that much, and no more."""
    scene.answer_by(scene.stolen_delegate(), scene.stolen_delegate("control-ca"), scene.number)
    began = time.monotonic()
    scene.stage.restart_agent(scene.device)
    wait_for(lambda: any(len(encrypted_records(one)) > 3 for one in scene.to(GATEWAY, began)), SECONDS, "the device to speak to the revoked gateway")
    scene.device.agent.stop()


def check_thief_of_the_status_machine_cannot_make_a_server(scene):
    """A delegate is no CA: what its key signs is refused by its chain, before anything is asked."""
    thief = scene.stolen_delegate()
    subordinate = x509.load_der_x509_certificate(thief.shown)
    made = Delegate(subordinate, thief.key, scene.gateway(), born=-MINUTE, dies=DAY)
    honest, scene.false = scene.false, FalseGateway(scene.stage.folder, made, subordinate, scene.there.state / "trust" / "root.pem")
    scene.misled, asked = True, len(scene.status.asked)
    scene.stage.restart_agent(scene.device)
    said = wait_for(lambda: scene.there.agent_status(scene.device).get("error"), SECONDS, "the agent to say what is wrong")
    scene.device.agent.stop()
    want("gateway" in said and not scene.false.heard, f"found {said!r} and {scene.false.heard}, want the chain refused and silence")
    serial = x509.load_der_x509_certificate(made.shown).serial_number  # the relay's is asked about as ever
    want(not [question for question in scene.status.asked[asked:] if question.serial == serial], "found a question asked about it, want the chain alone to be enough")
    scene.false.close()
    scene.false, scene.misled = honest, False


def check_end_of_his_delegates_ends_the_thief_of_the_status_machine(scene):
    """The authority certifies no other for him, and one of more than 30 days is none."""
    for days in ({"dies": -5}, {"dies": 31 * DAY}):
        scene.answer_by(scene.stolen_delegate(**days), scene.stolen_delegate("control-ca"), scene.number)
        _, began = scene.refused("responder_unauthorized")
        scene.end(began)
    scene.status.behave = None


def check_successor_of_his_delegates_ends_the_thief_of_the_status_machine(scene):
    """A device that has heard a younger delegate once believes no older one: the ratchet."""
    old = scene.gateway().serial_number
    scene.stage.kill_role("gateway")
    wait_for(lambda: scene.gateway().serial_number != old, SECONDS, "the gateway with another certificate")
    scene.fresh_device("press-2")
    scene.answer_by(scene.stolen_delegate(born=-MINUTE))  # the authority's next one: with another key, younger
    scene.stage.restart_agent(scene.device)
    scene.stage.wait_online(scene.device, SECONDS)
    scene.answer_by(scene.stolen_delegate())
    _, began = scene.refused("responder_ratchet")
    scene.end(began)
    scene.status.behave = None


# server-ca's key ---------------------------------------------------------------------------------------------------------------

def check_thief_of_server_ca_alone_is_unknown_to_the_status_service(scene):
    """His certificate is in no record, so the honest service does not know it. He must answer himself."""
    scene.fresh_device("press-3")
    scene.misled = True
    scene.is_refused("status_unknown")


def check_thief_of_server_ca_who_answers_too_is_believed_until_the_root_speaks(scene):
    """He certifies a delegate of his own. This is what the root CRL is for, and why its number comes from another CA."""
    scene.answer_by(scene.stolen_delegate())
    scene.is_heard()
    want(b"POST /.well-known/est/simpleenroll" in scene.false.heard[-1] or b"GET /.well-known/est" in scene.false.heard[-1],
         f"found {scene.false.heard[-1][:80]!r}, want the beginning of an enrolment")
    record = scene.record()
    want(record["state"] == "manufactured", f"found {record['state']}, want the device not to have come: the thief can issue nothing that counts")


def check_root_crl_ends_the_thief_of_server_ca(scene):
    scene.crl_path = root_crl_path(scene.ca("root"))
    scene.old_crl = scene.status.real("GET", scene.crl_path, None)[1]
    scene.install_root_crl("--revoke", format(scene.server_ca.serial_number, "032x"), "--reason", "ca-compromise")
    scene.number += 1
    wait_for(lambda: scene.status.real("GET", scene.crl_path, None)[1] != scene.old_crl, SECONDS, "the status service with the new root CRL")
    scene.is_refused("ca_revoked")


def check_thief_of_server_ca_gains_nothing_by_the_old_root_crl(scene):
    """A device that has never heard of the new one is told its number by control-ca's delegate, whom he has not."""
    scene.fresh_device("press-4")
    scene.status.replaced[scene.crl_path] = scene.old_crl
    scene.is_refused("crl_stale", "crl_unusable")


def check_thief_of_server_ca_gains_nothing_by_a_recorded_number(scene):
    """An answer of control-ca's delegate from before has another nonce."""
    witness = int(scene.status.real("GET", "/crl/witness", None)[1], 16)
    recorded = scene.status.honest(make_question(witness, scene.control_ca, os.urandom(32)))
    thief = scene.stolen_delegate()
    scene.status.behave = lambda question: thief.answer(question).der() if question.is_to(scene.server_ca) else recorded
    scene.is_refused("nonce_mismatch")


def check_thief_of_server_ca_cannot_be_control_cas_delegate(scene):
    thief = scene.stolen_delegate()
    scene.answer_by(thief, thief, scene.number - 1)
    scene.is_refused("responder_unauthorized")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
