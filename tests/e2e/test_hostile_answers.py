#!/usr/bin/python3
"""C1, C2, C5: a table of what a hostile, broken or merely old status service may answer, and of clocks that lie. A factory-fresh
agent hears each of them about its gateway; no application byte leaves it, and it says the reason. Only the honest answers, at the
end, let it speak.

Every answer is good, about the right certificate, with the right nonce, now, by a delegate that server-ca itself certified, but for
the one thing that its row names.
"""
# test: needs=dev deadline=600
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.x509 import ocsp  # noqa: E402

import cases  # noqa: E402
import other_clock  # noqa: E402
from cases import want  # noqa: E402
from ocsp_forge import (BASIC_CONSTRAINTS, CERTIFICATE_POLICIES, DAY, ECDSA_WITH_SHA384, EXTENDED_KEY_USAGE, HOUR, ID_PKIX_OCSP_CRL,  # noqa: E402
                        ID_PKIX_OCSP_NOCHECK, ID_PKIX_OCSP_NONCE, INTERNAL_ERROR, MALFORMED_REQUEST, NOBODYS, SHA1, SIG_REQUIRED, SUCCESSFUL, TRY_LATER,
                        UNAUTHORIZED, UNKNOWN, Answer, Delegate, after, cert_id, error, extension, integer, oid, revoked, tlv)
from silence import GATEWAY, SECONDS, Silence, encrypted_records  # noqa: E402
from stage import ZONE, Stage, wait_for  # noqa: E402
from status_host import Http, Stranger, ca_key, make_question  # noqa: E402

OLD = 50 * 60  # seconds: more than an answer may be; the CA itself, as all that is new here, is dated back by an hour
MIB = 1 << 20
OCSP_SIGNING, SERVER_AUTH, ANY_USAGE = "1.3.6.1.5.5.7.3.9", "1.3.6.1.5.5.7.3.1", "2.5.29.37.0"
LEAST_ROWS = 60


def usages(*dotted):
    return {EXTENDED_KEY_USAGE: extension(EXTENDED_KEY_USAGE, tlv(0x30, *(oid(one) for one in dotted)))}


class Scene(Silence):
    def delegate_of(self, ca="server-ca", key_of=None, **changes):
        """Another delegate of `ca`, signed by the key of `key_of` where that is another."""
        name = f"{ca} {key_of} {sorted(changes)} {changes.get('born')} {changes.get('dies')} {changes.get('instead')}"
        if name not in self.made:
            self.made[name] = Delegate(self.ca(ca), ca_key(self.there, key_of or ca), self.real_delegate.certificates[0], **changes)
        return self.made[name]

    def set_up(self):
        self.made = {}
        super().set_up()
        self.control_ca = self.ca("control-ca")
        status = self.status.real("GET", "/crl/witness", None)
        self.witness = int(status[1].strip(), 16)
        honest = self.status.honest(make_question(self.witness, self.control_ca, os.urandom(32)))
        self.real_control_delegate = ocsp.load_der_ocsp_response(honest).certificates[0]
        self.control_delegate = Delegate(self.control_ca, ca_key(self.there, "control-ca"), self.real_control_delegate)
        self.crl_number = 1


# About the gateway: (scene, question) → what the service answers ---------------------------------------------------------------

def told(**changes):
    return lambda scene, question: scene.delegate.answer(question).change(**{name: value() if callable(value) and name != "spoil" else value
                                                                            for name, value in changes.items()}).der()


def by(ca="server-ca", key_of=None, **validity):
    return lambda scene, question: scene.delegate_of(ca, key_of, **validity).answer(question).der()


def said(function):
    """`function(answer, question, scene)` changes a good answer."""
    def answer(scene, question):
        good = scene.delegate.answer(question)
        return (function(good, question, scene) or good).der()
    return answer


def fixed(told):
    return lambda scene, question: told


def nonces(*values):
    """The nonce extension once per value, in DER; None stands for the right one."""
    def answer(good, question, _):
        right = tlv(0x04, question.nonce.nonce)
        good.extensions = [extension(ID_PKIX_OCSP_NONCE, right if value is None else value) for value in values]
    return said(answer)


def other_id(**parts):
    def answer(good, question, scene):
        good.id = cert_id(scene.server_ca, question.serial, **parts)
    return said(answer)


def last_bit(der):
    return der[:-1] + bytes([der[-1] ^ 1])


def flipped_signature(scene, question):
    answer = scene.delegate.answer(question)
    answer.certificates = []
    return last_bit(answer.der())


def answered_by_the_leaf(scene, question):
    """The gateway cannot speak for itself: its own certificate as the responder's."""
    answer = scene.delegate.answer(question)
    return answer.change(certificates=[scene.stage.server_certificate(GATEWAY)]).der()


def by_the_ca_itself(scene, question):
    answer = scene.delegate.answer(question)
    ca = scene.server_ca
    return answer.change(signer=ca_key(scene.there, "server-ca"), certificates=[],
                         responder=tlv(0xA1, ca.subject.public_bytes())).der()


def of_another_cas_delegate(scene, question):
    """A true delegate of control-ca speaks about a certificate of server-ca."""
    return Answer(scene.control_delegate, scene.server_ca, question.serial, question.nonce.nonce).der()


def about_the_status_host(scene, question):
    other = x509.load_der_x509_certificate(scene.stage.server_certificate(f"status.{ZONE}")).serial_number
    return Answer(scene.delegate, scene.server_ca, other, question.nonce.nonce).der()


def two_answers(good, question, scene):
    other = cert_id(scene.server_ca, question.serial ^ 1)
    good.singles = [good.single(), good.single(made_id=other)]


def good_and_revoked_at_once(good, question, _):
    good.singles = [good.single(), good.single(status=revoked())]


RETRY_FAILURES = ("responder_error", "unreachable")
ABOUT_THE_GATEWAY = {
    # HTTP
    "http-404": (fixed(Http(404, b"not here", "text/plain")), RETRY_FAILURES),
    "http-500": (fixed(Http(500, b"", "text/plain")), RETRY_FAILURES),
    "http-redirect-to-elsewhere": (fixed(Http(302, b"", "text/plain", Location="http://127.0.0.1:9/ocsp")), RETRY_FAILURES),
    "a-portals-page": (fixed(Http(200, b"<html>log in to this network</html>", "text/html")), (*RETRY_FAILURES, "malformed")),
    "no-body": (fixed(b""), (*RETRY_FAILURES, "malformed")),
    "five-mebibytes": (fixed(b"\x30\x83\x4f\xff\xfa" + b"\0" * (5 * MIB)), (*RETRY_FAILURES, "malformed")),
    "less-than-promised": (fixed(Http(200, b"\x30\x03", length=500)), (*RETRY_FAILURES, "malformed")),
    # an error instead of an answer
    "malformed-request": (fixed(error(MALFORMED_REQUEST)), RETRY_FAILURES),
    "internal-error": (fixed(error(INTERNAL_ERROR)), RETRY_FAILURES),
    "try-later": (fixed(error(TRY_LATER)), ("try_later",)),
    "signature-required": (fixed(error(SIG_REQUIRED)), RETRY_FAILURES),
    "unauthorized": (fixed(error(UNAUTHORIZED)), RETRY_FAILURES),
    "status-4": (fixed(error(4)), ("malformed",)),
    "successful-without-an-answer": (fixed(error(SUCCESSFUL)), ("malformed",)),
    "error-with-an-answer": (told(response_status=TRY_LATER), ("malformed", "try_later")),
    # form
    "one-byte-short": (told(spoil=lambda der: der[:-1]), ("malformed",)),
    "one-byte-more": (told(spoil=lambda der: der + b"\0"), ("malformed",)),
    "length-in-more-octets-than-needed": (told(spoil=lambda der: b"\x30\x83\0" + der[2:4] + der[4:]), ("malformed",)),
    "another-response-type": (told(kind=NOBODYS), ("malformed",)),
    "no-single-response": (told(singles=[]), ("malformed",)),
    "two-single-responses": (said(two_answers), ("wrong_certificate",)),
    "good-and-revoked-at-once": (said(good_and_revoked_at_once), ("wrong_certificate",)),
    "status-of-another-tag": (told(status=tlv(0x83)), ("malformed",)),
    "good-with-content": (told(status=tlv(0x80, b"\0")), ("malformed",)),
    "times-without-zone": (told(time_form="%Y%m%d%H%M%S"), ("malformed",)),
    "times-with-fractions": (told(time_form="%Y%m%d%H%M%S.5Z"), ("malformed",)),
    "unknown-critical-extension": (said(lambda good, *_: good.extensions.append(extension(NOBODYS, tlv(0x05), critical=True))), ("malformed",)),
    "unknown-critical-extension-of-the-answer": (said(lambda good, *_: good.single_extensions.append(extension(NOBODYS, tlv(0x05), critical=True))), ("malformed",)),
    # what it says
    "revoked": (told(status=revoked), ("status_revoked",)),
    "revoked-tomorrow": (told(status=lambda: revoked(-DAY)), ("status_revoked",)),
    "unknown": (told(status=UNKNOWN), ("status_unknown",)),
    # about what
    "another-serial": (about_the_status_host, ("wrong_certificate",)),
    "another-issuers-name": (other_id(name_hash=b"\1" * 32), ("wrong_certificate",)),
    "another-issuers-key": (other_id(key_hash=b"\1" * 32), ("wrong_certificate",)),
    "hash-of-the-wrong-length": (other_id(key_hash=b"\1" * 20), ("wrong_certificate", "malformed")),
    "sha-1-of-another-issuer": (other_id(algorithm=SHA1, key_hash=b"\1" * 20), ("wrong_certificate",)),
    # nonce
    "no-nonce": (nonces(), ("nonce_mismatch",)),
    "another-nonce": (nonces(tlv(0x04, b"\5" * 32)), ("nonce_mismatch",)),
    "empty-nonce": (nonces(tlv(0x04)), ("nonce_mismatch", "malformed")),
    "nonce-cut-short": (said(lambda good, question, _: good.extensions.__setitem__(0, extension(ID_PKIX_OCSP_NONCE, tlv(0x04, question.nonce.nonce[:16])))), ("nonce_mismatch",)),
    "nonce-with-more-behind-it": (said(lambda good, question, _: good.extensions.__setitem__(0, extension(ID_PKIX_OCSP_NONCE, tlv(0x04, question.nonce.nonce + b"\0")))), ("nonce_mismatch",)),
    "right-nonce-and-another": (nonces(None, tlv(0x04, b"\5" * 32)), ("malformed", "nonce_mismatch")),
    "another-nonce-and-the-right-one": (nonces(tlv(0x04, b"\5" * 32), None), ("malformed", "nonce_mismatch")),
    "nonce-in-the-wrong-place": (said(lambda good, *_: good.change(single_extensions=good.extensions, extensions=[])), ("nonce_mismatch", "malformed")),
    # time
    "from-50-minutes-ago": (told(produced=lambda: after(-OLD), this_update=lambda: after(-OLD), next_update=lambda: after(-OLD + 60)), ("outside_window",)),
    "from-50-minutes-ago-until-tomorrow": (told(produced=lambda: after(-OLD), this_update=lambda: after(-OLD), next_update=lambda: after(DAY)), ("outside_window",)),
    "just-past-its-end": (told(produced=lambda: after(-40), this_update=lambda: after(-40), next_update=lambda: after(-10)), ("outside_window",)),
    "from-an-hour-ahead": (told(produced=lambda: after(HOUR), this_update=lambda: after(HOUR), next_update=lambda: after(2 * HOUR)), ("outside_window",)),
    "produced-an-hour-ahead": (told(produced=lambda: after(HOUR)), ("outside_window",)),
    "produced-before-what-it-says": (told(produced=lambda: after(-OLD)), ("outside_window",)),
    "ends-before-it-begins": (told(next_update=lambda: after(-DAY)), ("outside_window", "malformed")),
    # signature
    "another-key": (told(signer=lambda: ec.generate_private_key(ec.SECP256R1())), ("bad_signature",)),
    "one-bit-of-it": (flipped_signature, ("bad_signature", "malformed", "responder_unauthorized")),
    "another-algorithm": (told(algorithm=ECDSA_WITH_SHA384), ("bad_signature", "malformed")),
    "an-algorithm-of-nobody": (told(algorithm=NOBODYS), ("bad_signature", "malformed")),
    # signer
    "a-stranger-in-the-cas-name": (lambda scene, question: Stranger(scene.server_ca).good(question), ("responder_unauthorized",)),
    "no-certificate-of-a-new-key": (told(certificates=[]), ("responder_unauthorized",)),
    "the-leaf-as-its-own-responder": (answered_by_the_leaf, ("responder_unauthorized",)),
    "server-ca-itself": (by_the_ca_itself, ("responder_unauthorized",)),
    "delegate-of-control-ca": (of_another_cas_delegate, ("responder_unauthorized",)),
    "delegate-signed-by-another-ca": (by(key_of="online-ca"), ("responder_unauthorized",)),
    "delegate-without-its-usage": (by(without=[EXTENDED_KEY_USAGE]), ("responder_unauthorized",)),
    "delegate-for-any-usage": (by(instead=usages(ANY_USAGE)), ("responder_unauthorized",)),
    "delegate-for-servers": (by(instead=usages(SERVER_AUTH)), ("responder_unauthorized",)),
    "delegate-for-servers-too": (by(instead=usages(OCSP_SIGNING, SERVER_AUTH)), ("responder_unauthorized",)),
    "delegate-that-must-be-checked-itself": (by(without=[ID_PKIX_OCSP_NOCHECK]), ("responder_unauthorized",)),
    "delegate-without-our-policy": (by(without=[CERTIFICATE_POLICIES]), ("responder_unauthorized",)),
    "delegate-that-is-a-ca": (by(instead={BASIC_CONSTRAINTS: extension(BASIC_CONSTRAINTS, tlv(0x30, tlv(0x01, b"\xff")), critical=True)}), ("responder_unauthorized",)),
    "delegate-with-an-unknown-critical-extension": (by(instead={NOBODYS: extension(NOBODYS, tlv(0x05), critical=True)}), ("responder_unauthorized",)),
    "delegate-that-has-ended": (by(dies=-5), ("responder_unauthorized",)),
    "delegate-that-begins-in-an-hour": (by(born=HOUR), ("responder_unauthorized",)),
    "delegate-of-60-days": (by(dies=60 * DAY), ("responder_unauthorized",)),
}


# About the witness, by which control-ca's delegate tells the number of the newest root CRL --------------------------------------

def number(value):
    return [extension(ID_PKIX_OCSP_CRL, tlv(0x30, tlv(0xA1, integer(value))))]


def witness(**changes):
    return lambda scene, question: scene.control_delegate.answer(question).change(**{name: value(scene) if callable(value) else value for name, value in changes.items()}).der()


ABOUT_THE_WITNESS = {
    "witness-try-later": (fixed(error(TRY_LATER)), ("try_later",)),
    "witness-revoked": (witness(status=revoked(), single_extensions=lambda scene: number(scene.crl_number)), ("status_revoked",)),
    "witness-tells-no-number": (witness(), ("responder_error",)),
    "witness-tells-a-newer-list-than-is-shown": (witness(single_extensions=lambda scene: number(scene.crl_number + 7)), ("crl_stale", "crl_unusable")),
    "witness-told-by-server-cas-delegate": (lambda scene, question: Answer(scene.delegate, scene.control_ca, question.serial, question.nonce.nonce).change(
        single_extensions=number(scene.crl_number)).der(), ("responder_unauthorized",)),
    "witness-from-ten-minutes-before-the-other": (witness(produced=lambda _: after(-600), this_update=lambda _: after(-600), single_extensions=lambda scene: number(scene.crl_number)), ("outside_window",)),
}


class Told:
    def __init__(self, scene, ca, behave):
        self.scene = scene
        scene.status.behave = lambda question: behave(scene, question) if question.is_to(ca) else None

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.scene.status.behave = None


def refusal(ca_name, behave, reasons):
    def check(scene):
        with Told(scene, getattr(scene, ca_name), behave):
            _, began = scene.refused(*reasons)
            scene.end(began)
        stays_away(scene)
    return check


def stays_away(scene):
    record = scene.record()
    want(record["state"] == "manufactured" and not record["name"], f"found the device {record['state']}, want it not to have come")


@cases.carries_the_rest
def check_installation_comes_up(scene):
    want(len(ABOUT_THE_GATEWAY) + len(ABOUT_THE_WITNESS) >= LEAST_ROWS, f"found {len(ABOUT_THE_GATEWAY) + len(ABOUT_THE_WITNESS)} rows, want {LEAST_ROWS}")
    scene.set_up()


for row, what in ABOUT_THE_GATEWAY.items():
    globals()[f"check_{row}_is_a_refusal"] = refusal("server_ca", *what)
for row, what in ABOUT_THE_WITNESS.items():
    globals()[f"check_{row}_is_a_refusal"] = refusal("control_ca", *what)


# Clocks (C5) ---------------------------------------------------------------------------------------------------------------------

class Clock:
    """The agent runs by another clock, which can be set while it runs; no command of ours stands between it and us."""

    def __init__(self, scene, offset, trusted=True):
        self.scene, self.trusted = scene, trusted
        self.file = scene.there.folder / "another-clock"
        self.set(offset)

    def set(self, offset):
        """Seconds from the right time."""
        self.file.write_text(f"{offset:+d}\n")

    def __enter__(self):
        there = self.scene.there
        self.plain = there.agent_program
        there.agent_program = other_clock.command(there.folder / "agent-by-another-clock", self.plain, other_clock.told_by(self.file))
        self.scene.stage.configure(self.scene.device, trusted_clock=self.trusted)
        return self

    def __exit__(self, *_):
        self.scene.there.agent_program = self.plain
        self.scene.stage.configure(self.scene.device, trusted_clock=True)


YEAR = 365 * DAY
TO_2038 = int(time.mktime((2038, 1, 20, 0, 0, 0, 0, 0, 0)) - time.time())
TO_1970 = -int(time.time()) + DAY
# A clock that is believed and wrong: refused. One that stands before what the device has seen is not believed.
BELIEVED = {"ten-years-ahead": 10 * YEAR, "in-2038": TO_2038, "a-day-ahead": DAY, "an-hour-ahead": HOUR}


def believed(offset):
    """Its server's certificate has ended for it, or the answer is too old: whichever it finds first, it says no word."""
    def check(scene):
        with Clock(scene, offset):
            began = time.monotonic()
            scene.stage.restart_agent(scene.device)
            said = wait_for(lambda: scene.there.agent_status(scene.device).get("error"), SECONDS, "the agent to say what is wrong")
            want("gateway" in said, f"found {said!r}, want it to name the gateway")
            scene.device.agent.stop()
            connections = scene.to(GATEWAY, began)
            want(connections, "found no connection to the gateway, want an attempt")
            wait_for(lambda: all(one.is_over for one in connections), SECONDS, "the end of every connection")
            want(all(len(encrypted_records(one)) <= 3 for one in connections), "found more said than a handshake, want silence")
        stays_away(scene)
    return check


for row, offset in BELIEVED.items():
    globals()[f"check_believed_clock_{row}_is_a_refusal"] = believed(offset)


def check_old_answer_is_a_refusal_without_a_clock(scene):
    """The nonce is right, and the device does not know the time: control-ca's delegate tells another."""
    for clock in (0, TO_1970, TO_2038, -10 * YEAR, 10 * YEAR):
        with Clock(scene, clock, trusted=False):
            refusal("server_ca", told(produced=lambda: after(-OLD), this_update=lambda: after(-OLD), next_update=lambda: after(-OLD + 60)), ("outside_window",))(scene)


def comes(scene, offset, trusted):
    """By honest answers a device enrols whatever its clock says, as long as it is not believed."""
    with Clock(scene, offset, trusted):
        scene.stage.restart_agent(scene.device)
        scene.stage.wait_online(scene.device, SECONDS)
        scene.device.agent.stop()


def check_device_without_a_clock_comes_from_1970(scene):
    comes(scene, TO_1970, trusted=False)


def check_device_without_a_clock_comes_from_2038(scene):
    scene.fresh_device("press-2")
    comes(scene, TO_2038, trusted=False)


def check_device_without_a_clock_comes_from_ten_years_ahead(scene):
    scene.fresh_device("press-3")
    comes(scene, 10 * YEAR, trusted=False)


def check_clock_before_the_floor_is_not_believed(scene):
    """A battery ran out: the clock that the operator trusts stands ten years before the factory certificate."""
    scene.fresh_device("press-4")
    comes(scene, -10 * YEAR, trusted=True)


def queued(scene):
    return (scene.there.agent_status(scene.device).get("telemetry") or {}).get("items")


def check_jumps_of_the_clock_cost_no_session_and_no_telemetry(scene):
    """A day back is before what was proven, and not believed. Ten years ahead nothing new is begun, and what is there stays: timers
    run by the monotonic clock. When the clock is right again, all that was queued goes up."""
    scene.fresh_device("press-6")
    with Clock(scene, 0) as clock:
        scene.stage.restart_agent(scene.device)
        scene.stage.wait_online(scene.device, SECONDS)
        for offset in (-DAY, 0, 10 * YEAR, 0):
            clock.set(offset)
            want(scene.there.send(scene.device, "jumps", [offset]), "found the value refused, want it queued")
            want(scene.record()["online"], f"found the device away with its clock {offset:+d} s off, want its session to go on")
            if offset != 10 * YEAR:
                wait_for(lambda: queued(scene) == 0, 2 * SECONDS, f"everything gone up with the clock {offset:+d} s off")
        scene.device.agent.stop()


def check_what_was_refused_is_believed_when_nothing_is_wrong_with_it(scene):
    """The counter-check: the same delegates, the same writer of answers."""
    scene.fresh_device("press-5")

    def honest(question):
        if question.is_to(scene.server_ca):
            return scene.delegate.answer(question).der()
        if question.is_to(scene.control_ca):
            return scene.control_delegate.answer(question).change(single_extensions=number(scene.crl_number)).der()
        return None

    scene.status.behave = honest
    scene.stage.restart_agent(scene.device)
    scene.stage.wait_online(scene.device, SECONDS)
    scene.device.agent.stop()
    scene.status.behave = None


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
