#!/usr/bin/python3
"""A device without a trusted clock that has a second status host configured: no word to its server unless both hosts find it good,
under keys of their own, at one time. Whatever the second one answers, or that it does not, is a refusal that says so; the first one
by itself is believed where no second is configured, which shows what the second is for.
"""
# test: needs=dev deadline=300
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography.x509 import ocsp  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from ocsp_forge import (HOUR, ID_PKIX_OCSP_CRL, MINUTE, TRY_LATER, UNAUTHORIZED, UNKNOWN, Delegate, after, error, extension, integer, revoked,  # noqa: E402
                        tlv)
from silence import GATEWAY, SECONDS, Silence, encrypted_records  # noqa: E402
from stage import Stage, free_port, wait_for  # noqa: E402
from status_host import Http, StatusHost, Stranger, ca_key, make_question, root_crl_path  # noqa: E402

CRL_NUMBER = 1


class Pair:
    """Delegates of server-ca and of control-ca, as one status host has them; `changes` are to every answer of theirs."""

    def __init__(self, scene, **changes):
        self.scene, self.changes = scene, changes
        self.server = Delegate(scene.server_ca, ca_key(scene.there, "server-ca"), scene.real_delegate.certificates[0])
        self.control = Delegate(scene.control_ca, ca_key(scene.there, "control-ca"), scene.control_model)

    def answer(self, question, number=CRL_NUMBER):
        if question.is_to(self.scene.server_ca):
            return self.server.answer(question).change(**self.changes)
        told = [extension(ID_PKIX_OCSP_CRL, tlv(0x30, tlv(0xA1, integer(number))))]
        return self.control.answer(question).change(single_extensions=told, **self.changes)

    def __call__(self, question):
        return self.answer(question).der()


class Scene(Silence):
    def set_up(self):
        super().set_up()
        self.control_ca = self.ca("control-ca")
        witness = int(self.status.real("GET", "/crl/witness", None)[1], 16)
        answer = self.status.honest(make_question(witness, self.control_ca, os.urandom(32)))
        self.control_model = ocsp.load_der_ocsp_response(answer).certificates[0]
        self.second = StatusHost(self.there.http_port)
        self.stage.closing.append(self.second.close)
        self.pair = Pair(self)
        self.configure(self.second.port)

    def configure(self, port):
        self.stage.configure(self.device, trusted_clock=False, second_status=f"127.0.0.1:{port}")

    def silent(self, *reasons):
        verdict, began = self.refused(*reasons)
        want("second status host: " in verdict["detail"], f"found {verdict['detail']!r}, want it to name the second status host")
        self.end(began)
        record = self.record()
        want(record["state"] == "manufactured" and not record["name"], f"found the device {record['state']}, want it not to have come")


def to_server_ca(behave):
    """What the second host says of the gateway; of the witness it tells the truth."""
    def answer(scene):
        scene.second.behave = lambda question: behave(scene, question) if question.is_to(scene.server_ca) else scene.pair(question)
    return answer


def to_control_ca(behave):
    def answer(scene):
        scene.second.behave = lambda question: behave(scene, question) if question.is_to(scene.control_ca) else scene.pair(question)
    return answer


def always(behave):
    def answer(scene):
        scene.second.behave = lambda question: behave(scene, question)
    return answer


def dumb(scene):
    scene.second.is_dumb = True


def told(**changes):
    return to_server_ca(lambda scene, question: scene.pair.answer(question).change(**{name: value() if callable(value) else value
                                                                                    for name, value in changes.items()}).der())


def altered(scene, question):
    der = scene.pair(question)
    return der[:-1] + bytes([der[-1] ^ 1])


def another_time(seconds):
    """All that the second host says is of another time."""
    return always(lambda scene, question: scene.pair.answer(question).change(produced=after(seconds), this_update=after(seconds),
                                                                             next_update=after(seconds + MINUTE)).der())


ROWS = {
    "closes-every-connection": (dumb, ("second_unreachable",)),
    "is-the-first-one-over-again": (always(lambda scene, question: None), ("second_same_signer",)),
    "has-one-delegate-of-the-firsts": (to_control_ca(lambda scene, question: None), ("second_same_signer",)),
    "is-half-an-hour-ahead": (another_time(30 * MINUTE), ("second_disagrees",)),
    "is-eleven-minutes-ahead": (another_time(11 * MINUTE), ("second_disagrees",)),
    "says-try-later": (to_server_ca(lambda scene, question: error(TRY_LATER)), ("try_later",)),
    "says-unauthorized": (to_server_ca(lambda scene, question: error(UNAUTHORIZED)), ("responder_error",)),
    "says-try-later-of-the-witness": (to_control_ca(lambda scene, question: error(TRY_LATER)), ("try_later",)),
    "says-revoked": (told(status=revoked), ("status_revoked",)),
    "says-revoked-of-the-witness": (to_control_ca(lambda scene, question: scene.pair.answer(question).change(status=revoked()).der()), ("status_revoked",)),
    "does-not-know-it": (told(status=UNKNOWN), ("status_unknown",)),
    "leaves-out-the-nonce": (told(extensions=[]), ("nonce_mismatch",)),
    "altered-a-bit": (to_server_ca(altered), ("bad_signature", "malformed", "responder_unauthorized")),
    "is-a-stranger": (to_server_ca(lambda scene, question: Stranger(scene.server_ca).good(question)), ("responder_unauthorized",)),
    "tells-garbage": (to_server_ca(lambda scene, question: b"\x30\x03\x0a\x01"), ("malformed",)),
    "answers-404": (to_server_ca(lambda scene, question: Http(404)), ("second_unreachable",)),
    "tells-no-number-of-the-root-crl": (to_control_ca(lambda scene, question: scene.pair.answer(question).change(single_extensions=[]).der()), ("responder_error",)),
    "tells-of-a-newer-root-crl": (to_control_ca(lambda scene, question: scene.pair.answer(question, CRL_NUMBER + 7).der()), ("crl_stale", "crl_unusable")),
}


def row(arrange, reasons):
    def check(scene):
        arrange(scene)
        try:
            scene.silent(*reasons)
        finally:
            scene.second.behave = None
            scene.second.is_dumb = False
    return check


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


for name, what in ROWS.items():
    globals()[f"check_second_host_that_{name}_is_a_refusal"] = row(*what)


def check_second_host_that_is_not_there_is_a_refusal(scene):
    scene.configure(free_port())
    scene.silent("second_unreachable")
    scene.configure(scene.second.port)


def check_first_host_is_asked_first_and_its_refusal_stands(scene):
    asked = len(scene.second.asked)
    scene.second.behave = scene.pair
    scene.status.behave = lambda question: error(TRY_LATER)
    try:
        verdict, began = scene.refused("try_later")
        scene.end(began)
        want("second" not in verdict["detail"] and len(scene.second.asked) == asked, f"found {verdict['detail']!r}, want the second not asked")
    finally:
        scene.status.behave = scene.second.behave = None


def check_keys_that_leaked_deceive_a_device_with_one_host_and_not_with_two(scene):
    """Who has a host's keys of another time tells that time: all in it is right but the days."""
    then = 2 * HOUR
    thief = Pair(scene, produced=after(then), this_update=after(then), next_update=after(then + MINUTE))
    scene.status.behave, scene.second.behave = thief, scene.pair
    try:
        scene.silent("second_disagrees")
        scene.fresh_device("press-2")
        scene.stage.configure(scene.device, trusted_clock=False)
        began = time.monotonic()
        scene.stage.restart_agent(scene.device)
        wait_for(lambda: any(len(encrypted_records(one)) > 3 for one in scene.to(GATEWAY, began)), SECONDS, "the device with one host to be deceived")
        scene.device.agent.stop()
    finally:
        scene.status.behave = scene.second.behave = None


def check_two_that_agree_let_the_device_in(scene):
    scene.fresh_device("press-3")
    scene.configure(scene.second.port)
    scene.second.behave = scene.pair
    asked = len(scene.second.asked)
    scene.stage.restart_agent(scene.device)
    scene.stage.wait_online(scene.device, SECONDS)
    check = scene.check_of(GATEWAY)
    want(check["good"] and "a second host" in check["detail"], f"found {check}, want it good by two hosts")
    want(len(scene.second.asked) >= asked + 4, f"found {len(scene.second.asked) - asked} questions, want gateway and relay asked about")
    scene.device.agent.stop()


def check_second_host_knows_of_a_revoked_ca_that_the_first_hides(scene):
    """The root has revoked server-ca; the first host shows the CRL of before and tells its number, under keys that somebody stole."""
    scene.fresh_device("press-4")
    scene.configure(scene.second.port)
    path = root_crl_path(scene.ca("root"))
    old = scene.status.real("GET", path, None)[1]
    scene.install_root_crl("--revoke", format(scene.server_ca.serial_number, "032x"), "--reason", "ca-compromise")
    wait_for(lambda: scene.status.real("GET", path, None)[1] != old, SECONDS, "the status service with the new root CRL")
    scene.status.replaced[path] = old
    scene.status.behave = Pair(scene)
    scene.second.behave = lambda question: scene.pair.answer(question, CRL_NUMBER + 1).der()
    _, began = scene.refused("ca_revoked")
    scene.end(began)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
