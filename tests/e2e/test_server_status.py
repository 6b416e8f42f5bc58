#!/usr/bin/python3
"""What an agent does when the status of a server is bad, unknown or lied about: it completes the handshake, asks, and says
no word to the server. Seen on the wire over the whole life of every connection, at the authority (no device came), in the
agent's log and in `sallyport-agent status`; first with factory-fresh devices, then with one that has enrolled.
"""
# test: needs=dev deadline=300
import os
import pathlib
import signal
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.x509 import ocsp  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from ocsp_forge import DAY, DER, HOUR  # noqa: E402
from silence import GATEWAY, RELAY, SECONDS, Silence, encrypted_records  # noqa: E402
from stage import ZONE, Stage, wait_for  # noqa: E402
from status_host import Stranger, make_question, root_crl_path  # noqa: E402

BACK_SECONDS = 60  # a relay that was killed shows its next certificate once the lease of the last one has lapsed; the agent backs off
TRY_LATER = ocsp.OCSPResponseBuilder.build_unsuccessful(ocsp.OCSPResponseStatus.TRY_LATER).public_bytes(DER)
STREAM = "load"
OLD = 50 * 60  # seconds: more than an answer may be; the CA itself, as all that is new here, is dated back by an hour


class Lie:
    """While it is told, what `behave` returns is the answer to every question to server-ca's delegate."""

    def __init__(self, scene, behave=None, is_dumb=False):
        self.status = scene.status
        self.status.is_dumb = is_dumb
        self.status.behave = lambda question: behave(question) if question.is_to(scene.server_ca) else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.status.is_dumb = False
        self.status.behave = None


def unreachable(scene):
    return Lie(scene, is_dumb=True)


def try_later(scene):
    return Lie(scene, lambda _: TRY_LATER)


def no_nonce(scene):
    return Lie(scene, lambda question: scene.status.honest(make_question(question.serial, scene.server_ca)))


def recorded(scene):
    """The right answer, to an earlier question."""
    def replay(question):
        answer = scene.status.honest(make_question(question.serial, scene.server_ca, b"an earlier nonce".ljust(32, b".")))
        want(ocsp.load_der_ocsp_response(answer).certificate_status == ocsp.OCSPCertStatus.GOOD, "found the recorded answer bad, want good")
        return answer
    return Lie(scene, replay)


def another_certificate(scene):
    """Good, signed by the right delegate, with the right nonce: about the status host."""
    other = x509.load_der_x509_certificate(scene.stage.server_certificate(f"status.{ZONE}")).serial_number
    return Lie(scene, lambda question: scene.status.honest(make_question(other, scene.server_ca, question.nonce)))


def foreign_signer(scene):
    """The right certificate, the right nonce, good; the delegate's certificate was made by somebody else in the CA's name."""
    return Lie(scene, Stranger(scene.server_ca).good)


def altered(scene):
    """Right in everything but for one bit of the signature."""
    def alter(question):
        answer = scene.status.honest(question.der)
        signature = ocsp.load_der_ocsp_response(answer).signature
        at = answer.index(signature) + len(signature) - 1
        return answer[:at] + bytes([answer[at] ^ 1]) + answer[at + 1:]
    return Lie(scene, alter)


def garbage(scene):
    return Lie(scene, lambda _: b"\x30\x03\x0a\x01")


def told(**times):
    """Good, by a delegate of server-ca, with the right nonce: at another time."""
    return lambda scene: Lie(scene, lambda question: scene.delegate.good(question, **times))


def told_by(**validity):
    """Good, at the right time, with the right nonce: by a delegate of server-ca that is not valid now."""
    def lie(scene):
        delegate = scene.make_delegate(**validity)
        return Lie(scene, lambda question: delegate.good(question, produced=-10, this_update=-10))
    return lie


LIES = {
    "unreachable": (unreachable, "unreachable"),
    "try-later": (try_later, "try_later"),
    "without-nonce": (no_nonce, "nonce_mismatch"),
    "recorded": (recorded, "nonce_mismatch"),
    "another-certificate": (another_certificate, "wrong_certificate"),
    "foreign-signer": (foreign_signer, "responder_unauthorized"),
    "altered": (altered, "bad_signature"),
    "garbage": (garbage, "malformed"),
    "old": (told(produced=-OLD, this_update=-OLD, next_update=-OLD + 60), "outside_window"),
    "old-but-for-its-end": (told(produced=-OLD, this_update=-OLD, next_update=DAY), "outside_window"),
    "just-past-its-end": (told(produced=-40, this_update=-40, next_update=-10), "outside_window"),
    "an-hour-ahead": (told(produced=HOUR, this_update=HOUR, next_update=2 * HOUR), "outside_window"),
    "produced-an-hour-ahead": (told(produced=HOUR), "outside_window"),
    "delegate-ended": (told_by(dies=-5), "responder_unauthorized"),
    "delegate-not-begun": (told_by(born=HOUR), "responder_unauthorized"),
}


def fresh(lie, reason):
    def check(scene):
        with lie(scene):
            _, began = scene.refused(reason)
            scene.end(began)
        record = scene.record()
        want(record["state"] == "manufactured" and not record["name"], f"found the device {record['state']}, want it not to have come")
    return check


def enrolled(lie, reason):
    """The relay hears no HELLO, the gateway no question and no telemetry."""
    def check(scene):
        there, device = scene.there, scene.device
        wait_for(lambda: not scene.record()["online"], SECONDS, "the device away")
        with lie(scene):
            _, began = scene.refused(reason, servers=(GATEWAY, RELAY))
            want(there.send(device, STREAM, [reason]), "found telemetry not taken, want it on disk")
            status = wait_for(lambda: telemetry_failed(scene), SECONDS, "the upload of telemetry to fail")
            want(status["control"]["state"] != "established" and RELAY in status["control"]["error"], f"found {status['control']}, want the reason")
            want(not scene.record()["online"], "found the device online, want it away")
            scene.end(began, (GATEWAY, RELAY))
    return check


def telemetry_failed(scene):
    status = scene.there.agent_status(scene.device)
    return status if (status.get("telemetry") or {}).get("error") else None


def come(scene):
    record = scene.record()
    return record if record["state"] != "manufactured" else None


def good_check(scene):
    check = scene.check_of(GATEWAY)
    return check if check and check["good"] else None


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


for name, what in LIES.items():
    globals()[f"check_answer_{name}_is_a_refusal"] = fresh(*what)


def check_old_answer_is_a_refusal_without_a_clock(scene):
    """The nonce is right, and the device does not know the time: control-ca's delegate tells another."""
    scene.stage.configure(scene.device, trusted_clock=False)
    fresh(*LIES["old"])(scene)
    scene.stage.configure(scene.device, trusted_clock=True)


def check_same_delegate_is_believed_at_the_right_time(scene):
    """What was refused above was refused for its time alone: the device enrols and comes online by such answers."""
    with told()(scene):
        began = time.monotonic()
        scene.stage.restart_agent(scene.device)
        scene.stage.wait_online(scene.device, SECONDS)
        scene.device.agent.stop()
    for server in (GATEWAY, RELAY):
        want(any(len(encrypted_records(one)) > 3 for one in scene.to(server, began)), f"found no word to {server}, want the device to speak")


for name, what in LIES.items():
    globals()[f"check_enrolled_device_{name}_is_a_refusal"] = enrolled(*what)


def check_enrolled_device_is_silent_to_a_revoked_relay(scene):
    gateway = scene.gateway().serial_number
    serial = next(one.serial for one in reversed(scene.status.asked) if one.is_to(scene.server_ca) and one.serial != gateway)
    scene.there.run("certificate", "revoke", "server-ca", format(serial, "032x"), "--reason", "keyCompromise", "--state", scene.there.state)
    verdict, began = scene.refused("status_revoked", servers=(RELAY,))
    want("revoked" in verdict["detail"], f"found {verdict['detail']}, want it to say revoked")
    scene.end(began, (RELAY,))


def check_enrolled_device_comes_back_to_a_good_relay(scene):
    """And brings what it was given meanwhile. Every worker of the relay gets another certificate when it starts."""
    revoked = set(scene.stage.pids_of("relay"))
    for pid in revoked:
        os.kill(pid, signal.SIGKILL)
    wait_for(lambda: len(set(scene.stage.pids_of("relay")) - revoked) == len(revoked), SECONDS, "every worker of the relay started again")
    scene.stage.restart_agent(scene.device)
    scene.stage.wait_online(scene.device, BACK_SECONDS)
    wait_for(lambda: scene.there.agent_status(scene.device)["telemetry"]["items"] == 0, SECONDS, "the telemetry of before uploaded")
    scene.device.agent.stop()


def check_lie_over_http_is_set_right_over_tls(scene):
    """Answers prove themselves: a liar on one way cannot keep a device away that can ask on another."""
    scene.fresh_device("press-2")
    scene.status_over_tls = True
    with try_later(scene):
        scene.stage.restart_agent(scene.device)
        verdict = wait_for(lambda: good_check(scene), SECONDS, "the gateway found good over TLS")
        want("TLS" in verdict["detail"], f"found {verdict['detail']}, want it asked over TLS")
        wait_for(lambda: come(scene), SECONDS, "the device to enrol")
    scene.status_over_tls = False
    scene.device.agent.stop()


def check_revoked_gateway_is_a_refusal(scene):
    scene.fresh_device("press-3")
    serial = format(scene.gateway().serial_number, "032x")
    scene.there.run("certificate", "revoke", "server-ca", serial, "--reason", "keyCompromise", "--state", scene.there.state)
    verdict, began = scene.refused("status_revoked")
    want("revoked" in verdict["detail"], f"found {verdict['detail']}, want it to say revoked")
    scene.end(began)


def check_gateway_with_a_new_certificate_is_good_again(scene):
    old = scene.gateway().serial_number
    scene.stage.kill_role("gateway")
    wait_for(lambda: scene.gateway().serial_number != old, SECONDS, "the gateway with another certificate")
    scene.stage.restart_agent(scene.device)
    wait_for(lambda: come(scene), SECONDS, "the device to enrol")
    scene.device.agent.stop()


def check_old_root_crl_is_a_refusal(scene):
    """control-ca's delegate names the newest root CRL; whoever shows an older one is found out."""
    scene.fresh_device("press-4")
    path = root_crl_path(scene.ca("root"))
    old = scene.status.real("GET", path, None)[1]
    scene.install_root_crl()
    wait_for(lambda: scene.status.real("GET", path, None)[1] != old, SECONDS, "the status service with the new root CRL")
    scene.status.replaced[path] = old
    try:
        _, began = scene.refused("crl_stale", "crl_unusable")
        scene.end(began)
    finally:
        scene.status.replaced.clear()


def check_revoked_server_ca_is_a_refusal(scene):
    """By a new CRL of the offline root; the gateway's own certificate is still good."""
    serial = format(scene.server_ca.serial_number, "032x")
    scene.install_root_crl("--revoke", serial, "--reason", "ca-compromise")
    verdict, began = scene.refused("ca_revoked")
    want(serial in verdict["detail"], f"found {verdict['detail']}, want it to name the CA {serial}")
    scene.end(began)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Silence(the_stage))
    sys.exit(outcome)
