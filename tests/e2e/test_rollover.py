#!/usr/bin/python3
"""The root and every CA below it give way to new ones while devices are in the field: one online, one asleep over all of
it, one on the shelf with its factory certificate alone, which knows the old root and nothing else. Every one comes home.
Old and new stay valid side by side; an attacker's new root is refused; what was interrupted is finished.
"""
# test: needs=dev deadline=900
import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402

import cases  # noqa: E402
from admin import administer  # noqa: E402
from cases import carries_the_rest, want  # noqa: E402
from est import Est  # noqa: E402
from stage import SITE, ZONE, Stage, tool, wait_for  # noqa: E402
from status_host import root_crl_path  # noqa: E402

SECONDS = 310  # an agent that was cut off again and again waits for up to five minutes (tunnel/reconnect.h)
CAS = ("online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca")
REFUSED, STATE = 4, 3


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.there = None

    def set_up(self):
        self.there = self.stage.set_up()
        self.online, self.asleep, self.shelf, self.est_device = self.stage.make_devices("press-1", "press-2", "press-3", "press-4")
        self.stage.bring_online(self.online, self.asleep)
        self.asleep.agent.stop()
        self.old_root = self.certificate("root")
        self.old_cas = {name: self.certificate(name) for name in CAS}
        self.est = Est(self.stage, self.est_device)
        request = self.est.make_request("first")
        status, _, chain = self.est.send(request)
        want(status == "200", f"found {status} to an enrolment, want 200")
        self.before = self.est.keep("first", chain)  # under the old online-ca
        self.backup = self.there.folder / "before.backup"
        self.run("backup", "--out", self.backup, "--state", self.there.state)

    def certificate(self, name):
        return x509.load_pem_x509_certificate((self.there.state / "trust" / f"{name}.pem").read_bytes())

    def run(self, *words, check=True):
        return self.there.run(*words, check=check)

    def offline(self, *words, check=True):
        """A command on the installation, for which it is stopped and started again."""
        self.there.server.stop()
        try:
            return self.run(*words, "--state", self.there.state, check=check)
        finally:
            self.there.start()

    def root_command(self, *words, root=None, **more):
        return self.run("root", *words, "--root", root or self.there.root, "--passphrase-file", self.there.passphrase_file, **more)

    def crl_numbers(self):
        """By the root's fingerprint."""
        shown = self.there.read("root", "show", "--root", self.there.root)
        return {row["fingerprint"]: row["crl_number"] for row in shown["roots"]}

    def roots_of(self, device):
        return self.there.agent_status(device)["roots"]

    def served(self, path):
        """A CRL of the status service; nothing where it has none yet."""
        der = tool("curl", "--silent", "--max-time", "10", f"http://127.0.0.1:{self.there.http_port}{path}", "--header", f"Host: status.{ZONE}")
        return x509.load_der_x509_crl(der) if der.startswith(b"\x30") else None

    def served_crl(self, root):
        return self.served(root_crl_path(root))

    def operational(self, device):
        slot = (device.state / "operational.current").read_text().strip()
        return x509.load_pem_x509_certificate((device.state / f"operational.{slot}.pem").read_bytes())


def fingerprint(certificate):
    return certificate.fingerprint(hashes.SHA256()).hex()


def number_of(crl):
    return crl.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number


def issued_by(certificate, ca):
    key_id = certificate.extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier
    return key_id == ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest


@carries_the_rest
def check_devices_in_the_field(scene):
    scene.set_up()


def check_a_preview_says_what_would_happen_and_does_nothing(scene):
    planned = json.loads(scene.run("root", "rollover", "--root", scene.there.root, "--preview", "--json").stdout)
    want(planned["generation"] == 2 and planned["present_sha256"] == fingerprint(scene.old_root), f"found {planned}, want the second root")
    asked = scene.offline("ca", "rollover", "--ca", "online-ca", "--ca", "root", "--preview", "--json")
    told = json.loads(asked.stdout)
    want([row["ca"] for row in told["cas"]] == ["online-ca"] and told["cas"][0]["issued"] >= 3, f"found {told}, want online-ca and what it issued")
    want(not (scene.there.state / "rollover").exists(), "found a folder of a rollover, want none after a preview")
    want(scene.certificate("online-ca") == scene.old_cas["online-ca"], "found another online-ca, want the old one")


@carries_the_rest
def check_the_root_gives_way_to_the_one_it_pinned(scene):
    before = scene.crl_numbers()[fingerprint(scene.old_root)]
    scene.answer = scene.there.folder / "from-root"
    scene.root_command("rollover", "--out", scene.answer, "--yes")
    scene.new_root = x509.load_pem_x509_certificate((scene.answer / "root.pem").read_bytes())
    pinned = scene.old_root.extensions.get_extension_for_oid(x509.ObjectIdentifier("1.3.6.1.4.1.51483.2.1")).value.value
    spki = scene.new_root.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)
    digest = hashes.Hash(hashes.SHA256())
    digest.update(spki)
    want(pinned.endswith(digest.finalize()), "found a key that the old root does not pin, want the pinned one")
    numbers = scene.crl_numbers()
    want(numbers[fingerprint(scene.old_root)] == before + 1, f"found CRL numbers {numbers}, want the old root's to go on from {before}")
    want(numbers[fingerprint(scene.new_root)] == 1, f"found CRL numbers {numbers}, want the new root's to begin at 1")


def check_openssl_follows_the_link(scene):
    """The link is an ordinary cross-certificate: who trusts the old root verifies the new one's key over it."""
    old = scene.there.folder / "old-root.pem"
    old.write_bytes(scene.old_root.public_bytes(serialization.Encoding.PEM))
    tool("openssl", "verify", "-trusted", old, scene.answer / "root-links.pem")


def check_somebody_elses_new_root_is_refused(scene):
    """A root of the same name, with a link and a next root of its own."""
    theirs, out = scene.there.folder / "their-root", scene.there.folder / "from-them"
    scene.root_command("init", "--name", "Demo", root=theirs)
    scene.root_command("rollover", "--out", out, "--yes", root=theirs)
    refused = scene.offline("ca", "rollover", "--ca", "root", "--from", out, "--yes", check=False)
    want(refused.returncode == REFUSED, f"found exit {refused.returncode} to a foreign root, want {REFUSED}")
    want("no link leads" in refused.stderr, f"found '{refused.stderr.strip()}', want it to say that no link leads there")
    # Their root under our link.
    (out / "root-links.pem").write_bytes((scene.answer / "root-links.pem").read_bytes())
    refused = scene.offline("ca", "rollover", "--ca", "root", "--from", out, "--yes", check=False)
    want(refused.returncode == REFUSED, f"found exit {refused.returncode} to a foreign root under our link, want {REFUSED}")
    want(scene.certificate("root") == scene.old_root, "found another root installed, want the old one")


@carries_the_rest
def check_devices_online_follow_to_the_new_root(scene):
    scene.offline("ca", "rollover", "--ca", "root", "--from", scene.answer, "--yes")
    want(scene.certificate("root") == scene.new_root, "found the old root installed, want the new one")
    scene.stage.wait_online(scene.online, SECONDS)
    wanted = [fingerprint(scene.new_root), fingerprint(scene.old_root)]
    wait_for(lambda: scene.roots_of(scene.online) == wanted, SECONDS, "the device to trust the new root beside the old one")


def check_the_requests_may_go_to_the_root_and_come_back(scene):
    """What waits for the root's answer hinders nobody, and asking again asks for the same keys."""
    own = scene.there.state / "rollover"
    for _ in range(2):
        asked = scene.offline("ca", "rollover", *[word for ca in CAS for word in ("--ca", ca)], "--yes", "--json")
        want(json.loads(asked.stdout)["state"] == "requested", f"found {asked.stdout.strip()}, want a request")
        requests = {ca: (own / "to-root" / f"{ca}.csr").read_bytes() for ca in CAS}
        keys = {ca: x509.load_pem_x509_csr(pem).public_key().public_numbers() for ca, pem in requests.items()}
        want(getattr(scene, "asked_keys", keys) == keys, "found other keys at the second asking, want the same")
        scene.asked_keys = keys
    scene.stage.wait_online(scene.online, SECONDS)


@carries_the_rest
def check_every_ca_gives_way_and_an_interrupted_rollover_is_finished(scene):
    own = scene.there.state / "rollover"
    scene.root_command("sign", "--in", own / "to-root", "--out", own / "from-root", "--yes")
    scene.there.server.stop()
    # Killed at whatever point it has reached, again and again; at last it is let through.
    command = [scene.there.sallyport, "ca", "rollover", "--state", str(scene.there.state), "--yes"]
    named = [word for ca in CAS for word in ("--ca", ca)]
    cut = 0
    for milliseconds in (5, 20, 60, 120, 250):
        done = subprocess.Popen(command + named, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        try:
            done.wait(milliseconds / 1000)
            break
        except subprocess.TimeoutExpired:
            os.kill(done.pid, signal.SIGKILL)
            done.wait()
            cut += 1
        if (own / "installing").exists():
            refused = scene.run("up", "--state", scene.there.state, check=False)
            want(refused.returncode == STATE and "ca rollover" in refused.stderr,
                 f"found exit {refused.returncode} and '{refused.stderr.strip()}', want up to refuse and say why")
    if own.exists():
        scene.run("ca", "rollover", "--state", scene.there.state, "--yes", *([] if (own / "installing").exists() else named))
    want(cut > 0, "found no run that was cut short, want at least one")
    want(not own.exists(), "found the rollover's folder, want none after its end")
    scene.there.start()
    for ca in CAS:
        new = scene.certificate(ca)
        want(new != scene.old_cas[ca] and issued_by(new, scene.new_root), f"found {ca} of {new.issuer}, want a new one under the new root")
        kept = scene.there.state / "trust" / f"{ca}@{scene.old_cas[ca].serial_number:032x}.pem"
        want(kept.exists(), f"found no {kept.name}, want the old CA kept")
        want(not (scene.there.state / "signer" / f"{ca}.next.key").exists(), f"found a next key of {ca}, want it in its place")


def check_the_device_that_was_online_comes_back(scene):
    scene.stage.wait_online(scene.online, SECONDS)


def check_the_device_that_slept_over_it_all_comes_home(scene):
    """It knows the old root, and has a certificate of the old online-ca."""
    pinned = x509.load_pem_x509_certificate((scene.asleep.state / "root.pem").read_bytes())
    want(pinned == scene.old_root and not (scene.asleep.state / "anchors.pem").exists(), "found another root before it wakes, want the old one alone")
    scene.there.start_agent(scene.asleep)
    scene.stage.wait_online(scene.asleep, SECONDS)
    want(scene.roots_of(scene.asleep)[0] == fingerprint(scene.new_root), "found another newest root, want the new one")


def check_the_device_on_the_shelf_comes_home(scene):
    """With its factory certificate alone, made under the old root: to a gateway of the new one, over the link."""
    scene.stage.bring_online(scene.shelf)
    want(scene.roots_of(scene.shelf)[0] == fingerprint(scene.new_root), "found another newest root, want the new one")
    want(issued_by(scene.operational(scene.shelf), scene.certificate("online-ca")), "found its certificate of another CA, want the new online-ca's")
    log = scene.there.agent_status(scene.shelf)["log"]
    want(log["operational"]["proven"], f"found {log}, want its certificate proven to be in the log, under the new control-ca")


def check_a_certificate_of_the_old_ca_is_renewed_by_the_new_one(scene):
    request = scene.est.make_request("second")
    status, _, chain = scene.est.send(request, operation="simplereenroll", identity=scene.before)
    want(status == "200", f"found {status} to a renewal under a certificate of the old online-ca, want 200")
    want(issued_by(x509.load_pem_x509_certificate(chain), scene.certificate("online-ca")), "found another issuer, want the new online-ca")


def check_status_of_what_the_old_ca_issued_is_still_told(scene):
    """By a delegate of the old CA itself, as stock clients demand it."""
    old = scene.there.state / "trust" / f"online-ca@{scene.old_cas['online-ca'].serial_number:032x}.pem"
    roots = scene.there.folder / "both-roots.pem"
    roots.write_bytes(scene.old_root.public_bytes(serialization.Encoding.PEM))
    answer = tool("openssl", "ocsp", "-issuer", old, "-cert", scene.before[0], "-url", f"http://127.0.0.1:{scene.there.http_port}/ocsp",
                  "-header", f"Host=status.{ZONE}", "-CAfile", roots).decode()
    want(": good" in answer or ": revoked" in answer, f"found '{answer.strip()}', want the old CA's word")


def check_what_must_be_renewed_of_either_is_told_before_it_ends(scene):
    links = administer(scene.there, "pki.expiry")["links"]
    told = {kind: {one["name"] for one in links if one["kind"] == kind} for kind in ("root", "root-crl", "ca", "ocsp-signer")}
    want(told["root-crl"] == {"root", f"root@{scene.old_root.serial_number:032x}"}, f"found CRLs of {told['root-crl']}, want both roots'")
    want(told["root"] == {"root"} and told["ca"] == set(CAS), f"found {told}, want of roots and CAs the newest alone")
    old = f"online-ca@{scene.old_cas['online-ca'].serial_number:032x}"
    want({"online-ca", old} <= told["ocsp-signer"], f"found OCSP signers of {told['ocsp-signer']}, want {old} among them")


def check_certificates_of_either_ca_name_a_crl_of_their_own_issuer(scene):
    """One that whoever has the issuer's certificate can verify, as stock clients demand it."""
    numbers = set()
    for certificate, ca in ((x509.load_pem_x509_certificate(scene.before[0].read_bytes()), scene.old_cas["online-ca"]),
                            (scene.operational(scene.shelf), scene.certificate("online-ca"))):
        url = certificate.extensions.get_extension_for_class(x509.CRLDistributionPoints).value[0].full_name[0].value
        want(url.startswith(f"http://status.{ZONE}/crl/"), f"found {url}, want a CRL of the status service")
        path = url.partition(f"status.{ZONE}")[2]
        wait_for(lambda: scene.served(path) is not None, SECONDS, f"a CRL at {path}")  # noqa: B023
        crl = scene.served(path)
        want(crl.is_signature_valid(ca.public_key()), f"found a CRL at {path} that the issuer has not signed")
        numbers.add(number_of(crl))
    want(len(numbers) == 2, f"found numbers {numbers}, want one sequence for the two CAs of one name")


def check_crl_numbers_of_both_roots_rise_and_never_fall(scene):
    before = {root: number_of(scene.served_crl(root)) for root in (scene.old_root, scene.new_root)}
    file = scene.there.folder / "both.crl"
    scene.root_command("crl", "--out", file)
    scene.run("root", "install-crl", "--state", scene.there.state, "--crl", file)
    for root, number in before.items():
        want(number_of(scene.served_crl(root)) == number + 1, f"found number {number_of(scene.served_crl(root))}, want {number + 1}")
    old = file.read_bytes()
    scene.root_command("crl", "--out", file)
    scene.run("root", "install-crl", "--state", scene.there.state, "--crl", file)
    file.write_bytes(old)
    refused = scene.run("root", "install-crl", "--state", scene.there.state, "--crl", file, check=False)
    want(refused.returncode != 0, "found CRLs of lower numbers installed, want them refused")


def check_nothing_is_retired_while_something_lives_below_it(scene):
    for ca in ("online-ca", "root"):
        refused = scene.offline("ca", "retire", "--ca", ca, "--yes", check=False)
        want(refused.returncode != 0 and "alive" in refused.stderr, f"found exit {refused.returncode} and '{refused.stderr.strip()}', want it to say that something is alive")


def check_what_has_nothing_alive_below_it_is_retired(scene):
    """No person has a certificate."""
    scene.offline("ca", "retire", "--ca", "people-ca", "--yes")
    left = [path.name for folder in ("trust", "signer") for path in (scene.there.state / folder).glob("people-ca@*")]
    want(not left, f"found {left}, want nothing of the old people-ca")
    scene.stage.wait_online(scene.online, SECONDS)


def check_the_factory_goes_on_under_the_old_root(scene):
    """Its CA is of the old root, and so is the root that its devices pin; its next permit comes from the new control-ca."""
    permit = scene.there.folder / "next.permit"
    scene.run("site", "permit", SITE, "--state", scene.there.state, "--count", "200", "--out", permit)
    old = scene.there.folder / "old-root.pem"
    scene.run("factory", "permit", "--factory", scene.there.factory, "--permit", permit,
              "--certificate", next((scene.there.folder / "site-signed").glob("local-ca-*.pem")), "--root-certificate", old)


def check_the_log_holds_over_it_all(scene):
    """For the installation, and for a stranger who has an export and knows the old root alone: the link is in the log."""
    scene.run("log", "verify", "--state", scene.there.state)
    export, old = scene.there.folder / "export", scene.there.folder / "old-root.pem"
    scene.run("log", "export", export, "--state", scene.there.state)
    scene.run("log", "verify", "--export", export, "--root", old)
    foreign = scene.run("log", "verify", "--export", export, "--root", scene.there.folder / "from-them" / "root.pem", check=False)
    want(foreign.returncode == REFUSED, f"found exit {foreign.returncode} under a foreign root, want {REFUSED}")


def check_a_backup_holds_what_the_rollover_made(scene):
    file, state = scene.there.folder / "after.backup", scene.there.folder / "restored"
    scene.run("backup", "--out", file, "--state", scene.there.state)
    scene.run("restore", "--from", file, "--state", state, "--secret", scene.there.state / "secret")
    for folder in ("trust", "signer"):
        here, there = ({path.name for path in (where / folder).glob("[!.]*")} for where in (scene.there.state, state))
        want(here == there, f"found {there} restored in {folder}, want {here}")


def check_a_backup_of_before_is_an_older_state_and_not_a_strangers(scene):
    scene.there.server.stop()
    try:
        refused = scene.run("restore", "--from", scene.backup, "--state", scene.there.state, check=False)
    finally:
        scene.there.start()
    want(refused.returncode != 0 and "would be undone" in refused.stderr,
         f"found exit {refused.returncode} and '{refused.stderr.strip()}', want it to say what would be undone")


def check_nobody_was_lost(scene):
    for device in (scene.online, scene.asleep, scene.shelf):
        record = scene.stage.wait_online(device, SECONDS)
        want(record["online"] and record["state"] == "claimed", f"found {device.serial_id} {record['state']}, online {record['online']}, want it claimed and online")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        sys.exit(cases.run(globals(), Scene(the_stage)))
