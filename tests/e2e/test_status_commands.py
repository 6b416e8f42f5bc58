#!/usr/bin/python3
"""`sallyport ocsp` and `sallyport crl`, the status page's API and the metrics, on an installation that runs: what they say and their
exit statuses, for honest answers and lists, and for such as a thief, a fault or a stranger makes.
"""
# test: needs=dev deadline=240
import json
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.x509 import ocsp  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from ocsp_forge import DAY, DER, HOUR, INTERNAL_ERROR, MINUTE, TRY_LATER, UNAUTHORIZED, Answer, Delegate, after, error, revoked  # noqa: E402
from stage import CONSOLE, ZONE, Stage, free_port, wait_for  # noqa: E402
from status_host import Http, StatusHost, Stranger, ca_key, make_question  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

OK, FAILED, USAGE, STATE, REFUSED, UNREACHABLE = range(6)
ONLINE_CAS = ["control-ca", "online-ca", "people-ca", "roles-ca", "server-ca", "web-ca"]
NEVER_ISSUED = "5a110000000000000000000000000001"
SECONDS = 30  # authority and status each look every five seconds
PEM = serialization.Encoding.PEM


class Scene:
    def __init__(self, stage):
        self.stage = stage

    def set_up(self):
        self.there = self.stage.set_up()
        self.state = self.there.state
        self.trust = self.state / "trust"
        self.folder = self.stage.folder / "files"
        self.folder.mkdir()
        self.liar = StatusHost(self.there.http_port)
        self.stage.closing.append(self.liar.close)
        self.server_ca = self.ca("server-ca")
        self.console = self.save("console", self.stage.server_certificate(CONSOLE))
        honest = self.liar.honest(make_question(self.number(self.console), self.server_ca))
        self.real_delegate = ocsp.load_der_ocsp_response(honest).certificates[0]
        self.server_key = ca_key(self.there, "server-ca")
        self.delegate = self.delegate_of()

    def ca(self, name):
        return x509.load_pem_x509_certificate((self.trust / f"{name}.pem").read_bytes())

    def save(self, name, der):
        file = self.folder / f"{name}.pem"
        file.write_bytes(x509.load_der_x509_certificate(der).public_bytes(PEM))
        return file

    def number(self, file):
        return x509.load_pem_x509_certificate(file.read_bytes()).serial_number

    def delegate_of(self, ca="server-ca", key_of=None, **changes):
        return Delegate(self.ca(ca), ca_key(self.there, key_of or ca), self.real_delegate, **changes)

    def run(self, *words, status=OK):
        done = self.there.run(*words, check=False)
        want(done.returncode == status, f"found {done.returncode} {(done.stderr or done.stdout).strip()[-300:]!r} of {words[:2]}, want {status}")
        return done

    def check(self, *words, status=OK, port=None):
        """`sallyport ocsp check … --json` against the real status service, or whoever listens on `port`."""
        done = self.run("ocsp", "check", *words, "--state", self.state, "--connect-to", f"127.0.0.1:{port or self.there.http_port}", "--json", status=status)
        return json.loads(done.stdout)

    def told(self, behave, status=REFUSED):
        """What is found about the console's certificate when `behave(question)` answers."""
        self.liar.behave = behave
        try:
            return self.check(self.console, status=status, port=self.liar.port)
        finally:
            self.liar.behave = None

    def hosts(self):
        return json.loads(self.there.run("ocsp", "status", "--state", self.state, "--json", check=False).stdout)["hosts"]

    def lists(self):
        return {one["ca"]: one for one in self.there.read("crl", "list", "--state", self.state)["crls"]}


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


# ---- ocsp check

def check_a_good_certificate_is_good_and_by_whom_is_said(scene):
    found = scene.check(scene.console)
    want(found["verdict"] == "good" and found["reason"] is None, f"found {found}, want good")
    want("OCSP signer of server-ca" in found["signer"]["subject"], f"found signer {found['signer']['subject']}")
    want(found["url"] == f"http://status.{ZONE}/ocsp" and found["nonce"], f"found {found['url']} {found['nonce']}, want what the certificate says, with a nonce")
    said = scene.run("ocsp", "check", scene.console, "--state", scene.state, "--connect-to", f"127.0.0.1:{scene.there.http_port}").stdout
    for words in ("good", "next update", "signed by", "d left", "nonce", CONSOLE):
        want(words in said, f"found {said!r}, want {words!r} in it")


def check_it_can_be_asked_in_other_ways(scene):
    serial = f"{scene.number(scene.console):032x}"
    for words in ((scene.console, "--no-nonce"), (scene.console, "--sha1"), (scene.console, "--issuer", scene.trust / "server-ca.pem"),
                  ("--ca", "server-ca", "--serial", serial), ("--ca", "server-ca", "--serial", ":".join(serial[i:i + 2] for i in range(0, len(serial), 2)).upper()),
                  (scene.console, "--url", f"http://status.{ZONE}/ocsp")):
        want(scene.check(*words)["verdict"] == "good", f"found another verdict than good with {words}")


def check_the_newest_root_crl_is_told_by_control_ca(scene):
    witness = scene.liar.real("GET", "/crl/witness", None)[1].decode().strip()
    found = scene.check("--ca", "control-ca", "--serial", witness)
    want(found["verdict"] == "good" and found["root_crl_number"] == 1, f"found {found['verdict']} {found['root_crl_number']}, want good and number 1")


def check_a_serial_that_was_never_issued_is_unknown(scene):
    found = scene.check("--ca", "server-ca", "--serial", NEVER_ISSUED, status=REFUSED)
    want((found["verdict"], found["reason"]) == ("unknown", "status_unknown"), f"found {found['verdict']} {found['reason']}, want unknown")
    want(found["signer"] is not None, "found no signer, want whose word that is")


def check_a_revoked_certificate_is_revoked_with_its_reason(scene):
    scene.ended = scene.save("status", scene.stage.server_certificate(f"status.{ZONE}"))
    scene.there.run("certificate", "revoke", "server-ca", f"{scene.number(scene.ended):032x}", "--reason", "keyCompromise", "--state", scene.state)
    found = scene.check(scene.ended, status=REFUSED)
    want((found["verdict"], found["revocation_reason"]) == ("revoked", "keyCompromise") and found["revoked_at"], f"found {found}, want it revoked for keyCompromise")
    done = scene.run("ocsp", "check", scene.ended, "--state", scene.state, "--connect-to", f"127.0.0.1:{scene.there.http_port}", status=REFUSED)
    want("keyCompromise" in done.stdout and "revoked" in done.stderr, f"found {done.stdout!r} {done.stderr!r}, want why")
    want(scene.check(scene.ended, "--no-nonce", status=REFUSED)["verdict"] == "revoked", "found another verdict without a nonce, want revoked")


def check_answers_that_prove_nothing_are_refused(scene):
    """Each with the reason that a device would give."""
    def changed(**values):
        return lambda question: scene.delegate.answer(question).change(**values).der()

    def of(delegate):
        return lambda question: delegate.answer(question).der()

    recorded = []

    def replay(question):
        recorded.append(scene.delegate.answer(question).der())
        return recorded[0]

    scene.told(replay, status=OK)  # the first is right
    table = [
        ("expired", changed(this_update=after(-40 * MINUTE), next_update=after(-20 * MINUTE), produced=after(-40 * MINUTE)), "outside_window"),
        ("from the future", changed(this_update=after(HOUR), produced=after(HOUR), next_update=after(2 * HOUR)), "outside_window"),
        ("by a stranger", Stranger(scene.server_ca).good, "responder_unauthorized"),
        ("by another CA's delegate", of(scene.delegate_of("control-ca")), "responder_unauthorized"),
        ("by a delegate that has ended", of(scene.delegate_of(dies=-MINUTE)), "responder_unauthorized"),
        ("by a delegate that the wrong key certified", of(scene.delegate_of(key_of="web-ca")), "responder_unauthorized"),
        ("with a spoilt signature", changed(certificates=[scene.delegate.shown], signer=scene.server_key), "bad_signature"),
        ("recorded", replay, "nonce_mismatch"),
        ("without a nonce", changed(extensions=[]), "nonce_mismatch"),
        ("about another certificate", lambda question: Answer(scene.delegate, scene.server_ca, question.serial + 1, question.nonce.nonce).der(), "wrong_certificate"),
        ("unauthorized", lambda _: error(UNAUTHORIZED), "responder_error"),
        ("no OCSP at all", lambda _: b"\x30\x03\x02\x01\x00", "malformed"),
        ("nothing", lambda _: b"", "malformed"),
    ]
    for name, behave, reason in table:
        found = scene.told(behave)
        want(found["verdict"] == "refused", f"found {found['verdict']} of an answer {name}, want refused")
        want(found["reason"] == reason, f"found {found['reason']} of an answer {name}, want {reason}")
        want(found["signer"] is None and found["this_update"] is None, f"found {found} of an answer {name}, want nothing of it taken for proven")


def check_a_lie_that_revokes_is_not_believed_either(scene):
    stranger = Stranger(scene.server_ca)
    found = scene.told(lambda question: stranger.good(question))
    want(found["verdict"] == "refused", f"found {found['verdict']}, want refused")
    found = scene.told(lambda question: scene.delegate_of(key_of="web-ca").answer(question).change(status=revoked()).der())
    want(found["verdict"] == "refused" and found["revoked_at"] is None, f"found {found}, want nothing proven")


def check_where_there_is_no_answer_that_is_another_status(scene):
    for name, behave in (("try later", lambda _: error(TRY_LATER)), ("internal error", lambda _: error(INTERNAL_ERROR))):
        found = scene.told(behave, status=UNREACHABLE)
        want(found["verdict"] == "no-answer", f"found {found['verdict']} of {name}, want no-answer")
    for name, behave in (("500", lambda _: Http(500)), ("404", lambda _: Http(404)), ("a page", lambda _: Http(200, b"<html>", "text/html")),
                         ("a cut answer", lambda _: Http(200, b"\x30", length=2_000))):
        found = scene.told(behave, status=UNREACHABLE)
        want(found["verdict"] == "unreachable" and found["detail"], f"found {found['verdict']} of {name}, want unreachable and why")
    found = scene.check(scene.console, status=UNREACHABLE, port=free_port())
    want(found["verdict"] == "unreachable" and found["url"] in found["detail"], f"found {found}, want unreachable, naming the responder")
    done = scene.run("ocsp", "check", scene.console, "--state", scene.state, "--url", "http://nowhere.invalid/ocsp", status=UNREACHABLE)
    want("nowhere.invalid" in done.stderr and "--connect-to" in done.stderr and done.stdout == "", f"found {done.stdout!r} {done.stderr!r}, want the name on standard error, and what else can be done")


def check_what_cannot_be_asked_is_said(scene):
    console, state = scene.console, ("--state", scene.state)
    bare = scene.folder / "bare.pem"  # of a CA that nobody knows, without a responder
    key = scene.delegate.key
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "bare")])
    bare.write_bytes(x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7).not_valid_before(after(-DAY))
                     .not_valid_after(after(DAY)).sign(key, hashes.SHA256()).public_bytes(PEM))
    (scene.folder / "no-certificate.pem").write_text("nothing")
    for words, status in ((("ocsp", "check", *state), USAGE), (("ocsp", "check", console, "--ca", "server-ca", *state), USAGE), (("ocsp", "check", "--ca", "server-ca", *state), USAGE),
                          (("ocsp", "check", console, *state, "--url", "https://status.example/ocsp"), USAGE), (("ocsp", "check", console, *state, "--url", "http://a b/"), USAGE),
                          (("ocsp", "check", console, *state, "--connect-to", "nowhere"), USAGE),
                          (("ocsp", "check", "--ca", "nobody-ca", "--serial", "1f", *state), FAILED), (("ocsp", "check", "--ca", "../root", "--serial", "1f", *state), FAILED),
                          (("ocsp", "check", "--ca", "server-ca", "--serial", "xyz", *state), FAILED),
                          (("ocsp", "check", "--ca", "server-ca", "--serial", "1f", "--state", scene.folder / "none"), STATE),
                          (("ocsp", "check", scene.folder / "none.pem", *state), FAILED), (("ocsp", "check", scene.folder / "no-certificate.pem", *state), FAILED),
                          (("ocsp", "check", console, "--issuer", scene.trust / "web-ca.pem", *state), FAILED),
                          (("ocsp", "check", console, "--state", scene.folder / "none"), FAILED),  # no issuer
                          (("ocsp", "check", bare, "--issuer", bare, *state), USAGE)):  # no responder
        done = scene.run(*words, status=status)
        want(done.stderr.startswith("sallyport: ") and done.stderr.count("\n") == 1, f"found {done.stderr!r} of {words[2:]}, want one sentence")


# ---- ocsp status, metrics, the page

def check_the_status_host_tells_of_itself(scene):
    def complete():
        hosts = scene.hosts()
        return hosts[0] if hosts and not hosts[0]["missing_signers"] and len(hosts[0]["crls"]) == len(ONLINE_CAS) else None

    host = wait_for(complete, SECONDS, "the status host to have told of signers and lists")
    want(host["state"] == "answering" and host["snapshot"]["current_at"], f"found {host['state']} {host['snapshot']}, want it answering from the newest state")
    want(sorted(one["ca"] for one in host["signers"]) == ONLINE_CAS, f"found signers {host['signers']}, want one for each CA")
    before = host["answers"]["live"]
    scene.check(scene.console)
    wait_for(lambda: scene.hosts()[0]["answers"]["live"] > before, SECONDS, "the answer to be counted")
    scene.liar.real("POST", "/ocsp", b"no request")
    wait_for(lambda: scene.hosts()[0]["refusals"]["malformed"] > 0, SECONDS, "the refusal to be counted")
    said = scene.run("ocsp", "status", "--state", scene.state).stdout
    for words in (host["host"], "answers", "SIGNER FOR", "server-ca", "root", "CRL number 1"):
        want(words in said, f"found {said!r}, want {words!r} in it")


def check_a_monitor_is_told_the_same(scene):
    host = scene.hosts()[0]
    lines = scene.run("metrics", "--state", scene.state).stdout.splitlines()
    figures = dict(line.rsplit(" ", 1) for line in lines if not line.startswith("#"))
    label = f'{{host="{host["host"]}"'
    want(figures[f"sallyport_status_lease{label}}}"] == "1" and figures[f"sallyport_status_connected{label}}}"] == "1", "found no lease, want one")
    want(int(figures[f"sallyport_status_snapshot_age_seconds{label}}}"]) == 0, "found an old snapshot, want the newest")
    for ca in ONLINE_CAS:
        left = int(figures[f'sallyport_status_signer_left_seconds{label},ca="{ca}"}}'])
        want(19 * DAY < left <= 30 * DAY, f"found {left} s left of the signer of {ca}, want 20 to 30 days")
        want(int(figures[f'sallyport_crl_number{{ca="{ca}"}}']) > 0 and int(figures[f'sallyport_crl_left_seconds{{ca="{ca}"}}']) > 0, f"found no list of {ca} in date")
    want(int(figures[f'sallyport_status_refusals_total{label},reason="malformed"}}']) > 0, "found no refusal counted")
    want(figures['sallyport_crl_number{ca="root"}'] == "1", "found another root CRL than number 1")


def check_the_console_shows_it_to_people_of_the_installation(scene):
    owner = ConsoleUser(scene.there)
    shown = owner.call("GET", "/status", status=200).json()
    want(shown["hosts"][0]["state"] == "answering" and len(shown["crls"]) == len(ONLINE_CAS), f"found {shown}, want the host and the lists")
    crl = owner.call("GET", "/crls/online-ca", status=200)
    want(x509.load_der_x509_crl(crl.body).is_signature_valid(scene.ca("online-ca").public_key()), "found a list that online-ca has not signed")
    root = owner.call("GET", "/crls/root", status=200)
    want(x509.load_der_x509_crl(root.body).is_signature_valid(scene.ca("root").public_key()), "found a list that the root has not signed")
    for path in ("/crls/nobody-ca", "/crls/local-ca", "/crls/online-ca%22", "/crls/root@1f"):
        owner.call("GET", path, status=404)
    owner.call("GET", "/status?host=x", status=400)
    owner.call("POST", "/status", status=405)
    owner.cookie = None
    owner.call("GET", "/status", status=401)
    owner.call("GET", "/crls/online-ca", status=401)


# ---- crl

def check_lists_are_shown_and_handed_out(scene):
    lists = scene.lists()
    want(sorted(lists) == sorted([*ONLINE_CAS, "root"]), f"found lists of {sorted(lists)}, want of every CA and the root")
    wait_for(lambda: all(one["served"] == one["number"] for ca, one in scene.lists().items() if ca != "root"), SECONDS, "the status host to hand out the newest lists")
    wait_for(lambda: scene.lists()["server-ca"]["entries"] == 1, SECONDS, "the revoked certificate on the list")
    said = scene.run("crl", "list", "--state", scene.state).stdout
    want(said.splitlines()[0].split()[:3] == ["CA", "NUMBER", "SERVED"] and "server-ca" in said, f"found {said!r}, want a table")


def check_a_list_is_taken_out(scene):
    der = scene.folder / "server-ca.crl"
    said = scene.run("crl", "get", "server-ca", "--out", der, "--state", scene.state).stdout
    crl = x509.load_der_x509_crl(der.read_bytes())
    want(crl.is_signature_valid(scene.server_ca.public_key()), "found a list that server-ca has not signed")
    want(crl.get_revoked_certificate_by_serial_number(scene.number(scene.ended)) is not None, "found the revoked certificate not on it")
    want("1 entry" in said, f"found {said!r}, want what was written")
    pem = scene.run("crl", "get", "root", "--state", scene.state).stdout
    want(x509.load_pem_x509_crl(pem.encode()).is_signature_valid(scene.ca("root").public_key()), "found a list that the root has not signed")
    both = scene.folder / "server-ca.crl.pem"
    scene.run("crl", "get", "server-ca", "--out", both, "--pem", "--state", scene.state)
    want(x509.load_pem_x509_crl(both.read_bytes()).fingerprint(hashes.SHA256()) == crl.fingerprint(hashes.SHA256()), "found another list as PEM")
    scene.run("crl", "get", "nobody-ca", "--out", scene.folder / "nobody.crl", "--state", scene.state, status=FAILED)
    want(not (scene.folder / "nobody.crl").exists(), "found a file of a CA that is none")


def show(scene, file, *words, status=OK):
    done = scene.run("crl", "show", file, *words, "--json", status=status)
    return json.loads(done.stdout) if done.stdout else None


def check_a_list_is_shown_and_judged(scene):
    issuer = scene.trust / "server-ca.pem"
    for file in (scene.folder / "server-ca.crl", scene.folder / "server-ca.crl.pem"):
        found, = show(scene, file, "--issuer", issuer)
        want(found["signature"] == "good" and found["entries"] == [{"serial": f"{scene.number(scene.ended):032x}", "revoked_at": found["entries"][0]["revoked_at"], "reason": "keyCompromise"}],
             f"found {found}, want it good with one entry")
    found, = show(scene, scene.folder / "server-ca.crl")
    want(found["signature"] == "unchecked", f"found {found['signature']}, want it unchecked without an issuer")
    said = scene.run("crl", "show", scene.folder / "server-ca.crl", "--issuer", issuer).stdout
    for words in ("server-ca", "number", "next update", "good", f"{scene.number(scene.ended):032x}", "keyCompromise"):
        want(words in said, f"found {said!r}, want {words!r} in it")


def check_tampered_overdue_and_foreign_lists_are_refused(scene):
    issuer, whole = scene.trust / "server-ca.pem", (scene.folder / "server-ca.crl").read_bytes()
    made = scene.folder / "made.crl"

    def judge(der, reason, *given):
        made.write_bytes(der)
        found, = show(scene, made, *(given or ("--issuer", issuer)), status=REFUSED)
        want((found["signature"], found["reason"]) == ("refused", reason), f"found {found['signature']} {found['reason']}, want {reason}")

    serial = scene.number(scene.ended).to_bytes(16, "big")
    want(serial in whole, "found no serial in the list")
    judge(whole.replace(serial, serial[:-1] + bytes([serial[-1] ^ 1])), "bad_signature")  # another certificate on it
    judge(whole[:-1] + bytes([whole[-1] ^ 1]), "bad_signature")
    judge(whole, "issuer_mismatch", "--issuer", scene.trust / "web-ca.pem")

    def sign(key, last, following):
        # A list as ours are, but for its dates and its key.
        builder = x509.CertificateRevocationListBuilder().issuer_name(scene.server_ca.subject).last_update(after(last)).next_update(after(following))
        key_id = scene.server_ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
        builder = builder.add_extension(x509.CRLNumber(99), critical=False).add_extension(x509.AuthorityKeyIdentifier(key_id.digest, None, None), critical=False)
        return builder.sign(key, hashes.SHA256()).public_bytes(DER)

    judge(sign(scene.server_key, -3 * DAY, -DAY), "crl_stale")
    judge(sign(ca_key(scene.there, "web-ca"), -MINUTE, DAY), "bad_signature")
    made.write_bytes(sign(scene.server_key, -MINUTE, DAY))
    found, = show(scene, made, "--issuer", scene.trust / "web-ca.pem", "--issuer", issuer)
    want(found["signature"] == "good", f"found {found}, want the issuer among several found")


def check_files_that_are_no_lists_are_malformed(scene):
    whole, made = (scene.folder / "server-ca.crl").read_bytes(), scene.folder / "made.crl"
    for name, content in (("cut", whole[:-20]), ("more than a list", whole + b"\0"), ("a certificate", scene.server_ca.public_bytes(DER)), ("a PEM certificate", scene.server_ca.public_bytes(PEM)),
                          ("text", b"nothing"), ("nothing", b"")):
        made.write_bytes(content)
        done = scene.run("crl", "show", made, status=FAILED)
        want("made.crl" in done.stderr and done.stdout == "", f"found {done.stdout!r} {done.stderr!r} of {name}, want its name on standard error alone")
    scene.run("crl", "show", scene.folder / "none.crl", status=FAILED)
    scene.run("crl", "show", scene.folder / "server-ca.crl", "--issuer", scene.folder / "no-certificate.pem", status=FAILED)


# ---- without a status host

def check_a_host_that_has_gone_is_told(scene):
    pid = scene.there.pid_of("status")
    os.kill(pid, signal.SIGSTOP)  # it keeps its connection and says nothing
    try:
        wait_for(lambda: scene.hosts()[0]["state"] == "without-lease", SECONDS, "the host to be without a lease")
        done = scene.run("ocsp", "status", "--state", scene.state, status=FAILED)
        want("no host that answers" in done.stderr and "without a lease" in done.stdout, f"found {done.stdout!r} {done.stderr!r}, want it said")
    finally:
        os.kill(pid, signal.SIGCONT)
    wait_for(lambda: scene.hosts()[0]["state"] == "answering", SECONDS, "the host to answer again")


def check_without_an_installation_that_runs_that_is_said(scene):
    scene.stage.stop_server()
    done = scene.run("ocsp", "status", "--state", scene.state, status=FAILED)
    want("none has told" in done.stdout, f"found {done.stdout!r}, want it said that nobody has told")
    done = scene.run("crl", "list", "--state", scene.state)
    want("root" in done.stdout and "server-ca" not in done.stdout and "authority runs" in done.stderr, f"found {done.stdout!r} {done.stderr!r}, want the root's list alone, and why")
    scene.run("crl", "get", "server-ca", "--state", scene.state, status=FAILED)
    want(scene.check(scene.console, status=UNREACHABLE)["verdict"] == "unreachable", "found another verdict than unreachable")
    scene.run("ocsp", "status", "--state", scene.folder / "none", status=STATE)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as stage:
        sys.exit(cases.run(globals(), Scene(stage)))
