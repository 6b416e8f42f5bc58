#!/usr/bin/python3
"""The authority is frozen, or says the contrary; an order of the offline root is handed to the status host, which carries it out:
`openssl ocsp` and a device hear "revoked" of the gateway, and of whatever a CA has issued, over a restart, and however new the
authority's snapshot is. Everything that is not such an order is refused with its reason and changes nothing.
"""
# test: needs=dev deadline=240
import contextlib
import os
import pathlib
import re
import signal
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from silence import GATEWAY, SECONDS, Silence  # noqa: E402
from stage import ZONE, Stage, wait_for  # noqa: E402
from status_host import root_crl_path  # noqa: E402

PEM = serialization.Encoding.PEM
FAILED, REFUSED, UNREACHABLE = 1, 4, 5
ORDER = "SALLYPORT ROOT ORDER"


def blocks(file):
    """The PEM blocks of a file by label."""
    return {label: body for label, body in re.findall(r"-----BEGIN ([A-Z0-9 ]+)-----\n(.*?)-----END \1-----\n", file.read_text(), re.S)}


class Scene(Silence):
    def set_up(self):
        super().set_up()
        self.folder = self.stage.folder / "orders"
        self.folder.mkdir()
        self.url = f"http://127.0.0.1:{self.there.http_port}/ocsp"
        self.trust = self.there.state / "trust"

    def certificate(self, name=GATEWAY):
        """A server's certificate of now, as a file."""
        made = x509.load_der_x509_certificate(self.stage.server_certificate(name))
        file = self.folder / f"{made.serial_number:032x}.pem"
        file.write_bytes(made.public_bytes(PEM))
        return file

    def sign(self, name, *what, root=None, check=True):
        """An order of the root in a file of that name."""
        file = self.folder / name
        done = self.there.run("root", "order", "--root", root or self.there.root, "--passphrase-file", self.there.passphrase_file, "--yes", "--out", file,
                              *what, check=check)
        return file if check else done

    def hand_in(self, file, check=True):
        return self.there.run("status", "order", file, "--state", self.there.state, check=check)

    def refused_file(self, file, status, *words):
        done = self.hand_in(file, check=False)
        want(done.returncode == status, f"found exit {done.returncode} ({done.stderr.strip()}), want {status}")
        for word in words:
            want(word in done.stderr, f"found {done.stderr.strip()!r}, want it to say {word!r}")

    def taken(self):
        return self.there.read("status", "orders", "--state", self.there.state)

    def openssl(self, certificate, *options):
        """What `openssl ocsp` says, verified by the root alone."""
        done = subprocess.run(["openssl", "ocsp", *options, "-issuer", self.trust / "server-ca.pem", "-cert", certificate, "-url", self.url,
                               "-CAfile", self.trust / "root.pem", "-verify_other", self.trust / "server-ca.pem"],
                              capture_output=True, text=True, timeout=60, check=False)
        return (done.stdout + done.stderr).strip()

    def says(self, word, certificate):
        for options in ([], ["-no_nonce"]):
            told = self.openssl(certificate, *options)
            want("Response verify OK" in told and f": {word}" in told, f"found {told[-300:]!r} with {options}, want {word}")

    def has_no_lease(self, certificate):
        return "trylater" in self.openssl(certificate)


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()
    scene.cut_off = scene.certificate()
    scene.other = scene.certificate(f"status.{ZONE}")
    scene.says("good", scene.cut_off)
    scene.backup = scene.folder / "before.backup"
    scene.there.run("backup", "--out", scene.backup, "--state", scene.there.state)
    want(scene.taken() == {"orders": [], "root_crls": []}, f"found {scene.taken()}, want nothing taken yet")


@cases.carries_the_rest
def check_order_is_carried_out_while_the_authority_is_frozen(scene):
    scene.first = scene.sign("first.pem", "--certificate", scene.cut_off, "--reason", "key-compromise")
    frozen = scene.there.pid_of("authority")
    os.kill(frozen, signal.SIGSTOP)
    try:
        wait_for(lambda: scene.has_no_lease(scene.other), SECONDS, "the status host to have lost its lease")
        said = scene.hand_in(scene.first).stdout
        want("order 1: taken: server-ca" in said, f"found {said!r}, want it taken")
        scene.says("revoked", scene.cut_off)
        want(scene.has_no_lease(scene.other), "found an answer about another server without a lease, want tryLater")
    finally:
        os.kill(frozen, signal.SIGCONT)


def check_snapshot_in_which_it_is_good_brings_nothing_back(scene):
    wait_for(lambda: not scene.has_no_lease(scene.other), SECONDS, "the status host with a lease again")
    scene.says("revoked", scene.cut_off)
    scene.says("good", scene.other)


def check_it_outlives_the_process(scene):
    scene.stage.kill_role("status")
    wait_for(lambda: not scene.has_no_lease(scene.other), SECONDS, "the status host with its keys again")
    scene.says("revoked", scene.cut_off)
    scene.says("good", scene.other)
    want([one["number"] for one in scene.taken()["orders"]] == [1], f"found {scene.taken()}, want order 1")


def check_device_says_no_word_to_that_gateway(scene):
    _, began = scene.refused("status_revoked")
    scene.end(began)


def check_replayed_order_changes_nothing(scene):
    before = scene.taken()
    said = scene.hand_in(scene.first).stdout
    want("known already" in said, f"found {said!r}, want it known")
    want(scene.taken() == before, f"found {scene.taken()}, want {before}")


def check_order_of_a_foreign_root_is_refused(scene):
    """Of a root of the same name that has signed CAs of the same names."""
    foreign = scene.folder / "foreign"
    scene.there.run("root", "init", "--root", foreign, "--name", "Demo", "--passphrase-file", scene.there.passphrase_file)
    scene.there.run("root", "sign", "--root", foreign, "--in", scene.there.state / "to-root", "--out", scene.folder / "foreign-signed",
                    "--passphrase-file", scene.there.passphrase_file, "--yes")
    scene.refused_file(scene.sign("foreign.pem", "--ca", "server-ca", root=foreign), REFUSED, "no root that is trusted here")
    scene.says("good", scene.other)


def check_altered_order_is_refused(scene):
    """A letter of its signature, and one of what it says."""
    text = scene.first.read_text()
    lines = text.splitlines()
    for at in (len(lines) - 2, len(lines) - 4):
        changed = list(lines)
        changed[at] = ("A" if changed[at][0] != "A" else "B") + changed[at][1:]
        file = scene.folder / "altered.pem"
        file.write_text("\n".join(changed) + "\n")
        done = scene.hand_in(file, check=False)
        want(done.returncode in (FAILED, REFUSED), f"found exit {done.returncode}, want a refusal")
    want(len(scene.taken()["orders"]) == 1, f"found {scene.taken()}, want order 1 alone")


def check_order_for_another_installation_is_refused(scene):
    file = scene.sign("elsewhere.pem", "--certificate", scene.other, "--installation", "Bcme")
    scene.refused_file(file, REFUSED, "Bcme", "Demo")
    scene.says("good", scene.other)


def check_whatever_is_no_order_is_refused(scene):
    permit = scene.folder / "permit.pem"
    body = blocks(scene.first)[ORDER]
    for name, text, word in (("empty", "", "no PEM block"), ("certificate", scene.other.read_text(), "CERTIFICATE"),
                             ("too-big", "x" * (2 << 20), "permit.pem"), ("many", scene.first.read_text() * 17, "17"),
                             ("as-crl", f"-----BEGIN X509 CRL-----\n{body}-----END X509 CRL-----\n", "CRL")):
        permit.write_text(text)
        done = scene.hand_in(permit, check=False)
        want(done.returncode != 0 and word in done.stderr, f"{name}: found exit {done.returncode} and {done.stderr.strip()!r}, want a refusal with {word!r}")
    want(len(scene.taken()["orders"]) == 1, f"found {scene.taken()}, want order 1 alone")


def check_root_signs_no_order_on_what_it_has_not_signed(scene):
    stranger = scene.folder / "stranger.pem"
    subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-keyout", os.devnull,
                    "-subj", f"/CN={GATEWAY}", "-addext", "basicConstraints=critical,CA:FALSE", "-out", stranger], check=True, capture_output=True, timeout=30)
    for what, status, word in ((["--certificate", stranger], REFUSED, "no CA that this root signed"), (["--certificate", scene.trust / "server-ca.pem"], REFUSED, "CA"),
                               (["--ca", "00ff"], FAILED, "signed no CA"), ([], FAILED, "either"), (["--ca", "server-ca", "--certificate", scene.other], FAILED, "either"),
                               (["--ca", "server-ca", "--reason", "certificate-hold"], FAILED, "reason")):
        done = scene.sign("never.pem", *what, check=False)
        want(done.returncode == status and word in done.stderr, f"{what}: found exit {done.returncode} and {done.stderr.strip()!r}, want {status} and {word!r}")
    want(not (scene.folder / "never.pem").exists(), "found an order written, want none")


def check_nobody_but_the_operator_hands_in(scene):
    """Another user of the machine reaches the socket and nothing behind it."""
    if not scene.there.has_users_apart():
        raise cases.Missing("root, to act as another user")
    done = subprocess.run(["setpriv", "--reuid=61999", "--regid=61999", "--clear-groups", scene.there.sallyport, "status", "orders", "--state", scene.there.state],
                          capture_output=True, text=True, timeout=60, check=False)
    want(done.returncode == UNREACHABLE, f"found exit {done.returncode} ({done.stderr.strip()}), want {UNREACHABLE}")


def check_without_a_status_service_the_operator_is_told(scene):
    done = scene.there.run("status", "orders", "--state", scene.folder, check=False)
    want(done.returncode == UNREACHABLE and "running on this machine" in done.stderr, f"found exit {done.returncode} and {done.stderr.strip()!r}, want it said")


def check_root_crl_is_taken_and_served_though_the_authority_has_the_older(scene):
    file = scene.folder / "root.crl"
    scene.there.run("root", "crl", "--root", scene.there.root, "--passphrase-file", scene.there.passphrase_file, "--out", file)
    want(": taken" in scene.hand_in(file).stdout, "found the CRL not taken, want it taken")
    new = x509.load_pem_x509_crl(file.read_bytes())
    number = new.extensions.get_extension_for_class(x509.CRLNumber).value.crl_number
    served = x509.load_der_x509_crl(scene.status.real("GET", root_crl_path(scene.ca("root")), None)[1])
    want(served == new, "found another root CRL served, want the one that was handed in")
    scene.refused_file(scene.trust / "root.crl", FAILED, "want one above")
    want(scene.taken()["root_crls"][0]["number"] == number, f"found {scene.taken()}, want CRL {number}")


def check_gateway_with_another_certificate_is_good(scene):
    """By the newer root CRL, which the device fetches, since control-ca's delegate names it."""
    old = scene.gateway().serial_number
    scene.stage.kill_role("gateway")
    wait_for(lambda: scene.gateway().serial_number != old, SECONDS, "the gateway with another certificate")
    scene.stage.restart_agent(scene.device)
    scene.stage.wait_online(scene.device, SECONDS)
    scene.device.agent.stop()


def check_order_on_the_signer_of_grants_leaves_devices_a_witness(scene):
    """By which control-ca's delegate tells the number of the root CRL: another certificate of control-ca's."""
    old = scene.status.real("GET", "/crl/witness", None)[1]
    with contextlib.closing(sqlite3.connect(f"file:{scene.there.state}/authority/authority.db?mode=ro", uri=True)) as database:
        row = database.execute("SELECT der FROM certificate WHERE ca = 'control-ca' AND serial = ?", (bytes.fromhex(old.decode().strip()),)).fetchone()
    file = scene.folder / "grants.pem"
    file.write_bytes(x509.load_der_x509_certificate(row[0]).public_bytes(PEM))
    want("order 3: taken: control-ca" in scene.hand_in(scene.sign("grants-order.pem", "--certificate", file)).stdout, "found the order not taken, want it taken")
    status, new, _ = scene.status.real("GET", "/crl/witness", None)
    want(status == 200 and new != old, f"found {status} {new!r}, want another witness than {old!r}")
    scene.stage.restart_agent(scene.device)
    scene.stage.wait_online(scene.device, SECONDS)
    scene.device.agent.stop()


def check_order_on_a_ca_revokes_whatever_it_has_issued(scene):
    file = scene.sign("whole.pem", "--ca", "server-ca", "--reason", "ca-compromise")
    want(set(blocks(file)) == {ORDER, "X509 CRL"}, f"found {set(blocks(file))}, want the order and the CRL")
    said = scene.hand_in(file).stdout
    want("order 4: taken: server-ca and everything below it" in said, f"found {said!r}, want order 4 taken")
    for one in (scene.certificate(), scene.other, scene.cut_off):
        scene.says("revoked", one)
    served = x509.load_der_x509_crl(scene.status.real("GET", root_crl_path(scene.ca("root")), None)[1])
    want(served.get_revoked_certificate_by_serial_number(scene.server_ca.serial_number), "found server-ca not on the root CRL that is served, want it there")


def check_device_says_no_word_to_any_server_below_it(scene):
    scene.fresh_device("press-2")
    _, began = scene.refused("status_revoked", "ca_revoked")
    scene.end(began)


def check_restored_backup_of_before_takes_no_order_back(scene):
    before = scene.taken()
    scene.stage.stop_server()
    scene.there.run("restore", "--from", scene.backup, "--state", scene.there.state, "--accept-older")
    kept = sorted(file.name for file in (scene.there.state / "orders").iterdir())
    want(len(before["orders"]) == 3 and kept[:3] == ["order-1.order", "order-3.order", "order-4.order"] and len(kept) == 4,
         f"found {kept}, want the three orders and the CRL")


def check_folder_that_was_tampered_with_keeps_the_service_down(scene):
    """What an order said may be all that keeps a thief out, so the role does not go on without it."""
    file = scene.there.state / "orders" / "order-1.order"
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))
    done = scene.there.run("serve", "status", "--state", scene.there.state, check=False)
    want(done.returncode == 3 and "order-1.order" in done.stderr, f"found exit {done.returncode} and {done.stderr.strip()[-300:]!r}, want the file named")
    file.write_bytes(whole)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
