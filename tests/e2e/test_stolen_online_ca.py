#!/usr/bin/python3
"""The root revokes an online-ca whose devices are in the field. Nobody is let in by it any more; a device comes back with
exactly the certificate that was recorded before the time at which the CA, as its owner states, was still sound, and for a new
certificate alone.
"""
# test: needs=dev deadline=300
import datetime
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402

import cases  # noqa: E402
from cases import carries_the_rest, want  # noqa: E402
from est import Est  # noqa: E402
from stage import ZONE, Stage, tool, wait_for  # noqa: E402
from status_host import ca_key  # noqa: E402


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.there = None

    def set_up(self):
        self.there = self.stage.set_up()
        early, asleep, late = self.stage.make_devices("press-1", "press-2", "press-3")
        self.early = self.enrol(early)
        self.asleep = self.enrol(asleep)
        now = int(time.time())
        wait_for(lambda: time.time() >= now + 2, 10, "the next second but one")
        self.sound_until = datetime.datetime.utcfromtimestamp(now + 1).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.late = self.enrol(late)
        self.old_ca = self.online_ca()
        self.old_key = ca_key(self.there, "online-ca")
        self.name = f"online-ca@{self.old_ca.serial_number:032x}"

    def enrol(self, device):
        est = Est(self.stage, device)
        status, _, chain = est.send(est.make_request("first"))
        want(status == "200", f"found {status} to an enrolment, want 200")
        est.first = est.keep("first", chain)
        return est

    def online_ca(self):
        return x509.load_pem_x509_certificate((self.there.state / "trust" / "online-ca.pem").read_bytes())

    def renew(self, est, request, identity=None):
        status, _, chain = est.send(est.make_request(request), operation="simplereenroll", identity=identity or est.first)
        return status, chain

    def facts(self, identity):
        certificate, key = identity
        return tool("curl", "--silent", "--max-time", "20", "--cacert", self.there.state / "trust" / "server-ca.twin.pem",
                    "--cert", certificate, "--key", key, "--connect-to", f"gateway.{ZONE}:443:127.0.0.1:{self.there.tls_port}",
                    "--output", "/dev/null", "--write-out", "%{http_code}", f"https://gateway.{ZONE}/device/v1/facts").decode()

    def forge(self, est, name):
        """What the thief makes with the stolen key: the serial, the names and the times of a recorded certificate, his own key."""
        model = x509.load_pem_x509_certificate(est.first[0].read_bytes())
        est.make_request(name)
        key = serialization.load_pem_private_key((est.folder / f"{name}.key").read_bytes(), None)
        builder = (x509.CertificateBuilder().subject_name(model.subject).issuer_name(model.issuer).serial_number(model.serial_number)
                   .not_valid_before(model.not_valid_before).not_valid_after(model.not_valid_after).public_key(key.public_key()))
        for extension in model.extensions:
            value = extension.value
            if isinstance(value, x509.SubjectKeyIdentifier):
                digest = hashes.Hash(hashes.SHA256())
                spki = key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint)
                digest.update(spki)
                value = x509.SubjectKeyIdentifier(digest.finalize()[:20])
            builder = builder.add_extension(value, extension.critical)
        forged = builder.sign(self.old_key, hashes.SHA256())
        file = est.folder / f"{name}.pem"
        file.write_bytes(forged.public_bytes(serialization.Encoding.PEM) + self.old_ca.public_bytes(serialization.Encoding.PEM))
        return file, est.folder / f"{name}.key"


@carries_the_rest
def check_devices_under_the_old_online_ca(scene):
    scene.set_up()
    want(scene.facts(scene.early.first) == "200", "found a device not admitted, want it admitted before anything happened")


@carries_the_rest
def check_revoked_online_ca_lets_nobody_in(scene):
    there = scene.there
    there.server.stop()
    there.run("ca", "rollover", "--state", there.state, "--ca", "online-ca", "--root", there.root, "--root-passphrase-file", there.passphrase_file, "--yes")
    there.start()
    file = there.folder / "root.crl"
    there.run("root", "crl", "--root", there.root, "--passphrase-file", there.passphrase_file, "--out", file,
              "--revoke", f"{scene.old_ca.serial_number:032x}", "--reason", "key-compromise")
    there.run("root", "install-crl", "--state", there.state, "--crl", file)
    for est in (scene.early, scene.late):
        want(scene.facts(est.first) in ("401", "403"), "found a device of a revoked CA admitted, want it refused")
        status, _ = scene.renew(est, "too-soon")
        want(status == "403", f"found {status} to a renewal under a revoked CA, want 403 before anything is honoured")


@carries_the_rest
def check_preview_counts_who_may_come_back(scene):
    told = scene.there.read("ca", "honour", scene.name, "--state", scene.there.state, "--issued-before", scene.sound_until, "--preview")
    want(told["honoured"] == 2 and told["refused"] == 1, f"found {told}, want two honoured and one refused")
    status, _ = scene.renew(scene.early, "after-preview")
    want(status == "403", f"found {status} after a preview, want 403 still")


@carries_the_rest
def check_device_with_an_early_certificate_comes_back(scene):
    scene.there.run("ca", "honour", scene.name, "--state", scene.there.state, "--issued-before", scene.sound_until, "--yes")
    status, chain = scene.renew(scene.early, "second")
    want(status == "200", f"found {status} to a renewal under an honoured certificate, want 200")
    scene.back = scene.early.keep("second", chain)
    want(scene.facts(scene.back) == "200", "found the device refused with its new certificate, want it admitted")


def check_old_certificate_is_good_for_nothing_else(scene):
    want(scene.facts(scene.early.first) in ("401", "403"), "found the old certificate admitted, want it refused for anything but a renewal")


def check_late_certificate_is_refused(scene):
    status, _ = scene.renew(scene.late, "late")
    want(status == "403", f"found {status} to a renewal under a certificate of after the stated time, want 403")


def check_forgery_with_a_recorded_serial_is_refused(scene):
    """Whoever has the stolen key makes what verifies; it is not what was recorded."""
    status, _ = scene.renew(scene.asleep, "for-the-thief", identity=scene.forge(scene.asleep, "forged"))
    want(status == "403", f"found {status} to a renewal under a forged certificate with a recorded serial, want 403")


def check_nothing_is_honoured_after_its_end(scene):
    """The device that would have been."""
    scene.there.run("ca", "honour", scene.name, "--state", scene.there.state, "--no-more", "--yes")
    status, _ = scene.renew(scene.asleep, "third")
    want(status == "403", f"found {status} to a renewal when nothing is honoured any more, want 403")
    acts = [entry["action"] for entry in scene.stage.audit("ca.")]
    want(acts.count("ca.honoured") == 1 and acts.count("ca.honoured-no-more") == 1, f"found {acts} in the audit log, want both acts")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        sys.exit(cases.run(globals(), Scene(the_stage)))
