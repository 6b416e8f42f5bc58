#!/usr/bin/python3
"""The end of a rollover: nothing lives below the old root any more, it is retired, and the installation goes on under the
new one alone. The installation was made 1,900 days ago (faketime), so that its CAs and what they issued have ended.
"""
# test: needs=dev deadline=300
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402

import cases  # noqa: E402
import other_clock  # noqa: E402
from cases import carries_the_rest, want  # noqa: E402
from stage import ENROLMENT_SECONDS, ZONE, Installation, Stage, free_port, tool  # noqa: E402
from status_host import root_crl_path  # noqa: E402

CAS = ("online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca")


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.there = stage.there = Installation(stage.programs, stage.folder, free_port(), free_port())

    def root_command(self, *words):
        return self.there.run("root", *words, "--root", self.there.root, "--passphrase-file", self.there.passphrase_file)

    def roll_over(self, *cas):
        named = [word for ca in cas for word in ("--ca", ca)]
        self.there.run("ca", "rollover", *named, "--state", self.there.state, "--root", self.there.root,
                       "--root-passphrase-file", self.there.passphrase_file, "--yes")

    def retire(self, ca, check=True):
        return self.there.run("ca", "retire", "--ca", ca, "--state", self.there.state, "--yes", check=check)

    def served_number(self):
        """Of the newest root's CRL, as the status service has it."""
        newest = x509.load_pem_x509_certificate((self.there.state / "trust" / "root.pem").read_bytes())
        der = tool("curl", "--silent", "--fail", "--max-time", "10", f"http://127.0.0.1:{self.there.http_port}{root_crl_path(newest)}", "--header", f"Host: status.{ZONE}")
        return x509.load_der_x509_crl(der).extensions.get_extension_for_class(x509.CRLNumber).value.crl_number

    def trusted(self, pattern):
        return sorted(path.name for path in (self.there.state / "trust").glob(pattern))


@carries_the_rest
def check_everything_gives_way_to_a_new_root(scene):
    with other_clock.for_what_starts_here(other_clock.shifted("-1900d")):
        scene.there.initialise()
    scene.root_command("rollover", "--out", scene.there.folder / "from-root", "--yes")
    scene.there.run("ca", "rollover", "--ca", "root", "--state", scene.there.state, "--from", scene.there.folder / "from-root", "--yes")
    scene.roll_over(*CAS)
    want(scene.trusted("older-roots.pem"), "found no older root, want the old one kept")


@carries_the_rest
def check_what_ended_is_retired_and_then_the_root(scene):
    for ca in (*CAS, "root"):
        scene.retire(ca)
    left = scene.trusted("*@*.pem") + scene.trusted("older-roots.pem")
    want(not left, f"found {left}, want the new root and its CAs alone")
    again = scene.retire("root", check=False)
    want(again.returncode != 0 and "nothing" in again.stderr, f"found exit {again.returncode} and '{again.stderr.strip()}', want it to say that there is nothing")


@carries_the_rest
def check_a_ca_gives_way_again_under_the_new_root_alone(scene):
    """The root's folder still has the old key, and its answers a CRL and a link of the old root."""
    scene.root_command("crl", "--out", scene.there.folder / "both.crl")
    blocks = (scene.there.folder / "both.crl").read_bytes().count(b"BEGIN X509 CRL")
    want(blocks == 2, f"found {blocks} CRLs, want one of each root")
    scene.roll_over("online-ca")


def check_a_rollover_that_was_killed_while_it_cleared_away_is_finished(scene):
    own = scene.there.state / "rollover"
    own.mkdir()
    (own / "installing").write_text("taken-in")
    refused = scene.there.run("up", "--state", scene.there.state, check=False)
    want("ca rollover" in refused.stderr, f"found '{refused.stderr.strip()}', want up to say what to do")
    before = scene.trusted("*.pem")
    scene.there.run("ca", "rollover", "--state", scene.there.state, "--yes")
    want(not own.exists() and scene.trusted("*.pem") == before, f"found {scene.trusted('*.pem')}, want {before} and no folder of a rollover")


@carries_the_rest
def check_every_role_starts(scene):
    scene.there.start()


def check_crls_of_a_root_that_is_gone_are_passed_over(scene):
    scene.root_command("crl", "--out", scene.there.folder / "both.crl")
    scene.there.run("root", "install-crl", "--state", scene.there.state, "--crl", scene.there.folder / "both.crl")
    pem = (scene.there.folder / "both.crl").read_bytes()
    newest = x509.load_pem_x509_certificate((scene.there.state / "trust" / "root.pem").read_bytes())
    blocks = [block + b"-----END X509 CRL-----\n" for block in pem.split(b"-----END X509 CRL-----\n") if block.strip()]
    foreign = [block for block in blocks if not x509.load_pem_x509_crl(block).is_signature_valid(newest.public_key())]
    want(len(foreign) == 1, f"found {len(foreign)} CRLs of another root, want the old root's")
    alone = scene.there.folder / "old.crl"
    alone.write_bytes(foreign[0])
    refused = scene.there.run("root", "install-crl", "--state", scene.there.state, "--crl", alone, check=False)
    want(refused.returncode != 0 and "another issuer" in refused.stderr, f"found exit {refused.returncode} and '{refused.stderr.strip()}', want it refused")


def check_an_answer_of_before_takes_no_crl_back(scene):
    """The root signed it before the newest revocations; what is in force stays."""
    before = scene.served_number()
    scene.there.server.stop()
    scene.there.run("ca", "rollover", "--ca", "root", "--state", scene.there.state, "--from", scene.there.folder / "from-root", "--yes")
    scene.there.start()
    want(before > 1 and scene.served_number() == before, f"found CRL {scene.served_number()}, want {before} still in force")


def check_a_new_device_comes_online(scene):
    scene.there.add_site()
    device, = scene.stage.make_devices("press-1")
    scene.stage.bring_online(device)
    scene.stage.wait_online(device, ENROLMENT_SECONDS)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
