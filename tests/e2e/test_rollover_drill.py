#!/usr/bin/python3
"""Hostile case C6, a drill: root and CAs roll over with overlap while devices are online, asleep and on the shelf with factory
certificates alone. None is lost: each comes home under its name with a certificate of the new online-ca under the new root.
Then the emergency: an online-ca is revoked, and who was recorded before the time at which it was sound comes back by himself;
nobody else does. 100 online, 10 asleep and 10 on the shelf; 1,000, 100 and 100 with --long.
"""
# test: needs=dev deadline=1500 heavy
import hashlib
import os
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat  # noqa: E402

import cases  # noqa: E402
from admin import administer  # noqa: E402
from cases import want  # noqa: E402
from fleet import Fleet  # noqa: E402
from stage import Stage, wait_for  # noqa: E402

LONG = os.environ.get("SALLYPORT_LONG") == "1"
ONLINE, ASLEEP, SHELF = (1_000, 100, 100) if LONG else (100, 10, 10)
ALL = ONLINE + ASLEEP + SHELF
CAS = ["online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca"]
COME_SECONDS = 400 if LONG else 120
RENEW_WITHIN = 60 if LONG else 10  # seconds
RENEW_SECONDS = 300 if LONG else 120  # a device asks what is wanted of it every 30 s


def key_hash(certificate):
    return hashlib.sha256(certificate.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)).hexdigest()


def key_id(certificate):
    return certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest.hex()


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.there = None
        self.fleet = None
        self.online = self.asleep = self.shelf = None
        self.everybody = None
        self.before = {}
        self.old = {}
        self.sound_until = 0  # the time before which certificates are honoured in the emergency

    def trust(self, name):
        return x509.load_pem_x509_certificate((self.there.state / "trust" / f"{name}.pem").read_bytes())

    def stop(self):
        status = self.there.server.stop()
        want(status == 0, f"found the installation ended with {status}, want 0")

    def roll(self, *arguments):
        """A ceremony on the stopped installation; then it runs again."""
        self.stop()
        self.there.run("ca", "rollover", "--state", self.there.state, *arguments, "--yes")
        self.there.start()

    def say(self, text):
        print(f"# {text}", flush=True)

    def is_home(self, devices):
        """All have the newest root, and a certificate of the newest online-ca."""
        told = devices.totals()
        want(list(told["roots"]) == [key_hash(self.trust("root"))], f"found roots {told['roots']}, want the newest alone")
        want(list(told["issuers"]) == [key_id(self.trust("online-ca"))], f"found issuers {told['issuers']}, want the newest online-ca alone")


@cases.carries_the_rest
def check_fleet_is_out(scene):
    scene.there = scene.stage.set_up(count=ALL)
    scene.fleet = Fleet(scene.stage)
    everybody = scene.everybody = scene.fleet.make("pump", ALL)
    scene.online, scene.asleep = everybody.part(0, ONLINE), everybody.part(ONLINE, ASLEEP)
    scene.shelf = everybody.part(ONLINE + ASLEEP, SHELF)
    empty = scene.fleet.use()
    enrolled = everybody.part(0, ONLINE + ASLEEP)
    enrolled.wake()
    spent = enrolled.wait("online", COME_SECONDS)
    enrolled.wait("claimable", COME_SECONDS)
    full = scene.fleet.use()
    scene.say(f"{enrolled.count} online after {spent:.1f} s, {(full['rss_kb'] - empty['rss_kb']) / enrolled.count:.0f} kB each")
    scene.asleep.sleep()
    scene.before = {one["serial_id"]: one for one in enrolled.list()}
    enrolled.mark()
    scene.old = {name: scene.trust(name) for name in ["root", *CAS]}


@cases.carries_the_rest
def check_those_online_take_the_new_root(scene):
    out = scene.stage.folder / "new-root"
    scene.there.run("root", "rollover", "--root", scene.there.root, "--out", out, "--passphrase-file", scene.there.passphrase_file, "--yes")
    began = time.monotonic()
    scene.roll("--ca", "root", "--from", out)
    want(scene.trust("root") != scene.old["root"], "found the old root in trust/, want the new one")
    scene.online.wait("online", COME_SECONDS)

    def taken():
        return list(scene.online.totals()["roots"]) == [key_hash(scene.trust("root"))]

    wait_for(taken, COME_SECONDS, "everybody online with the new root")
    scene.say(f"all {ONLINE} took the new root within {time.monotonic() - began:.1f} s, the ceremony included")


@cases.carries_the_rest
def check_those_online_outlive_the_rollover_of_every_ca(scene):
    began = time.monotonic()
    scene.roll(*[word for name in CAS for word in ("--ca", name)], "--root", scene.there.root,
               "--root-passphrase-file", scene.there.passphrase_file)
    for name in CAS:
        want(scene.trust(name) != scene.old[name], f"found the old {name} in trust/, want the new one")
        want(scene.trust(name).issuer == scene.trust("root").subject, f"found {name} issued by {scene.trust(name).issuer}, want the new root")
    scene.online.wait("online", COME_SECONDS)
    scene.say(f"all {ONLINE} back within {time.monotonic() - began:.1f} s, the ceremony included")
    issuers = scene.online.totals()["issuers"]
    want(list(issuers) == [key_id(scene.old["online-ca"])], f"found issuers {issuers}, want the old online-ca's certificates still in use: overlap")


def check_those_online_renew_under_the_new_online_ca(scene):
    before = scene.fleet.use()["cpu_s"]
    administer(scene.there, "renewal.ask", ca="online-ca", within_s=RENEW_WITHIN)
    spent = scene.online.wait("renewed", RENEW_SECONDS)
    scene.say(f"all {ONLINE} renewed {spent:.1f} s after they were asked, {scene.fleet.use()['cpu_s'] - before:.1f} CPU s of the devices")
    scene.is_home(scene.online)


def check_those_asleep_over_it_come_home(scene):
    scene.asleep.wake()
    scene.asleep.wait("renewed", RENEW_SECONDS)
    scene.is_home(scene.asleep)
    # What the emergency below takes for sound ends here, in whole seconds: those on the shelf are recorded later.
    scene.sound_until = int(time.time()) + 1
    wait_for(lambda: time.time() >= scene.sound_until + 1, 5, "the next second")


def check_those_on_the_shelf_come_home(scene):
    scene.shelf.wake()
    scene.shelf.wait("online", COME_SECONDS)
    scene.is_home(scene.shelf)


def check_none_is_lost(scene):
    there = scene.there
    scene.everybody.wait("online", 60)
    known = {one["serial_id"]: one for one in there.read("device", "list", "--state", there.state)["devices"]}
    want(len(known) == ALL, f"found {len(known)} devices, want {ALL}")
    wait_for(lambda: sum(one["online"] for one in there.read("device", "list", "--state", there.state)["devices"]) == ALL, 30,
             f"{ALL} devices online at the console")
    renamed = [one for one, was in scene.before.items() if known[one]["name"] != was["name"]]
    want(renamed == [], f"found {len(renamed)} devices of another name, want the same names over the rollover")
    alarmed = [one["action"] for one in scene.stage.audit("enrolment.refused")]
    want(alarmed == [], f"found {len(alarmed)} refusals in the audit log, want none")
    use = scene.fleet.use()
    scene.say(f"{ALL} home: {use['cpu_s'] / ALL * 1000:.0f} ms CPU, {use['rss_kb'] / ALL:.0f} kB and {use['descriptors'] / ALL:.1f} descriptors "
              "per device over the whole drill")


def check_every_new_certificate_is_on_record_once(scene):
    path = scene.there.state / "authority" / "authority.db"
    issued = 2  # records::CertificateState
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as database:
        current = {serial.hex().lstrip("0") for serial, in database.execute(
            "SELECT serial FROM certificate WHERE kind = 3 AND state = ?", (issued,))}
    held = {one["serial"].lstrip("0") for one in scene.everybody.list()}
    want(len(held) == ALL, f"found {len(held)} certificates in the fleet, want one for each of {ALL}")
    want(held <= current, f"found {len(held - current)} certificates that no record has, want none")


def check_emergency_brings_back_who_was_recorded_while_the_ca_was_sound(scene):
    there, stolen = scene.there, scene.trust("online-ca")
    scene.roll("--ca", "online-ca", "--root", there.root, "--root-passphrase-file", there.passphrase_file)
    older = [path.stem for path in (there.state / "trust").glob("online-ca@*.pem") if x509.load_pem_x509_certificate(path.read_bytes()) == stolen]
    want(len(older) == 1, f"found {older} in trust/, want the CA before the present one")
    scene.everybody.wait("online", COME_SECONDS)
    scene.everybody.mark()
    there.run("ca", "honour", older[0], "--state", there.state, "--yes", "--issued-before",
              time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(scene.sound_until)))
    crl = scene.stage.folder / "emergency.crl"
    there.run("root", "crl", "--root", there.root, "--revoke", older[0].partition("@")[2], "--reason", "key-compromise", "--out", crl,
              "--passphrase-file", there.passphrase_file)
    began = time.monotonic()
    there.run("root", "install-crl", "--state", there.state, "--crl", crl)
    scene.everybody.wait("offline", COME_SECONDS, least=ALL * 9 // 10)
    scene.say(f"nine in ten cut {time.monotonic() - began:.1f} s after the revocation")
    recorded = scene.everybody.part(0, ONLINE + ASLEEP)
    recorded.wait("renewed", RENEW_SECONDS)
    scene.say(f"all {recorded.count} that were recorded in time back {time.monotonic() - began:.1f} s after the revocation")
    scene.is_home(recorded)


def check_emergency_keeps_out_who_was_recorded_later(scene):
    told = scene.shelf.totals()
    want(told["control"].get("established", 0) == 0, f"found {told['control']}, want nobody online by a revoked CA's certificate")
    want(key_id(scene.trust("online-ca")) not in told["issuers"], f"found issuers {told['issuers']}, want no new certificate for who was recorded too late")


def check_fleet_ends_cleanly(scene):
    scene.fleet.end(120)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        ended = cases.run(globals(), Scene(the_stage))
    sys.exit(ended)
