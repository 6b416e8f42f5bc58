#!/usr/bin/env python3
"""Backups are taken of a running installation and come back whole; an older state never comes back unasked, and is never
taken for a newer one by who looks.
"""
# test: needs=dev deadline=300
import json
import os
import pathlib
import shutil
import signal
import subprocess
import sys
import urllib.request

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import SITE, Stage, free_port  # noqa: E402

REFUSED = 4


class Backups:
    """One installation with a device in the field; each case leaves it running."""

    def __init__(self, stage):
        self.stage = stage
        self.there = stage.prepare()
        self.metrics_port = free_port()
        settings = self.there.state / "sallyport.toml"
        settings.write_text(settings.read_text().replace("metrics_port = 0", f"metrics_port = {self.metrics_port}"))
        self.there.start()
        self.first, self.second = stage.make_devices("sp-1", "sp-2")
        stage.bring_online(self.first)
        self.secret = stage.folder / "secret-copy"
        shutil.copyfile(self.there.state / "secret", self.secret)
        self.secret.chmod(0o600)
        self.copies = 0

    def backup(self, name):
        file = self.stage.folder / f"{name}.backup"
        self.there.run("backup", "--out", file, "--state", self.there.state)
        return file

    def restore(self, file, *more, check=True, state=None):
        return self.there.run("restore", "--from", file, "--state", state or self.there.state, *more, check=check)

    def stop(self):
        self.there.server.stop()

    def doctor(self):
        done = self.there.run("doctor", "--state", self.there.state, "--json", check=False)
        return self.rows(done.stdout)

    @staticmethod
    def rows(text):
        return {row["check"]: row for row in json.loads(text)["checks"]}

    def start_set_back(self):
        """Doctor cannot find everything well: the log was signed further than the restored database reaches."""
        healthy = self.there._is_healthy

        def is_as_good_as_can_be():
            said = self.there.run("doctor", "--state", self.there.state, "--json", check=False).stdout
            # It says nothing as long as the authority does not answer.
            return bool(said) and {name for name, row in self.rows(said).items() if row["verdict"] == "bad"} <= {"log"}

        self.there._is_healthy = is_as_good_as_can_be
        self.there.start()
        self.there._is_healthy = healthy

    def devices(self, state):
        return {one["serial_id"]: one["state"] for one in self.there.read("device", "list", "--state", state)["devices"]}

    def leftovers(self):
        return sorted(path.name for path in self.there.state.parent.glob(f"{self.there.state.name}.*"))

    def elsewhere(self):
        """A place for a state on another machine."""
        self.copies += 1
        state = self.stage.folder / f"machine-{self.copies}" / "state"
        state.parent.mkdir()
        return state


@cases.carries_the_rest
def check_backup_of_a_running_installation_is_whole_and_holds_no_secret(scene):
    file = scene.backup("running")
    want(file.stat().st_mode & 0o777 == 0o600, f"found mode {file.stat().st_mode & 0o777:o}, want 600")
    content = file.read_bytes()
    want(scene.secret.read_bytes().strip() not in content, "found the machine secret in the backup, want none of it")
    left = [path.name for path in file.parent.iterdir() if path.name.startswith(file.name) and path != file]
    want(not left, f"found {left} beside it, want nothing")
    state = scene.elsewhere()
    scene.restore(file, "--secret", scene.secret, state=state)
    want(scene.devices(state) == {"sp-1": "claimed", "sp-2": "manufactured"}, f"found {scene.devices(state)}")
    for name in ("authority/authority.db", "gateway/telemetry.db", "signer/online-ca.key", "trust/root.pem", "sallyport.toml"):
        want((state / name).exists(), f"found no {name}, want it")
    want((state / "secret").stat().st_mode & 0o777 == 0o600, "the secret is for its owner alone")
    scene.there.run("audit", "verify", "--state", state)


def check_backup_replaces_no_file(scene):
    file = scene.stage.folder / "mine"
    file.write_text("mine")
    done = scene.there.run("backup", "--out", file, "--state", scene.there.state, check=False)
    want(done.returncode != 0 and "exists, want a new file" in done.stderr, f"found {done.stderr!r}")
    want(file.read_text() == "mine", "the file was overwritten")


def check_restore_needs_the_secret_that_was_kept_apart(scene):
    file = scene.stage.folder / "running.backup"
    state = scene.elsewhere()
    done = scene.restore(file, check=False, state=state)
    want(done.returncode != 0 and "want --secret FILE" in done.stderr, f"found {done.stderr!r}")
    wrong = scene.stage.folder / "wrong-secret"
    wrong.write_bytes(os.urandom(len(scene.secret.read_bytes())))
    wrong.chmod(0o600)
    done = scene.restore(file, "--secret", wrong, check=False, state=state)
    want(done.returncode != 0, "found a restored state under another secret, want none")
    want(list(state.parent.iterdir()) == [], f"found {list(state.parent.iterdir())}, want nothing left")


def check_damaged_backup_changes_nothing(scene):
    content = bytearray((scene.stage.folder / "running.backup").read_bytes())
    for at in (3, 40, len(content) // 2, len(content) - 1):
        damaged = scene.stage.folder / "damaged.backup"
        altered = bytearray(content)
        altered[at] ^= 1
        damaged.write_bytes(altered)
        state = scene.elsewhere()
        done = scene.restore(damaged, "--secret", scene.secret, check=False, state=state)
        want(done.returncode != 0 and "want a whole backup" in done.stderr, f"octet {at}: found {done.stderr!r}")
        want(list(state.parent.iterdir()) == [], "something was left behind")


def check_restore_waits_for_the_installation_to_stop(scene):
    done = scene.restore(scene.stage.folder / "running.backup", check=False)
    want(done.returncode != 0 and "stop it first" in done.stderr, f"found {done.stderr!r}")
    want(scene.leftovers() == [], f"found {scene.leftovers()}")


def check_D8_an_older_state_is_refused_by_name_of_what_it_undoes(scene):
    """Hostile case D8: a rollback takes back what was revoked."""
    file = scene.backup("before")
    scene.there.run("site", "disable", SITE, "--yes", "--state", scene.there.state)
    scene.there.run("root", "crl", "--root", scene.there.root, "--days", "100", "--out", scene.stage.folder / "next.crl",
                    "--passphrase-file", scene.there.passphrase_file)
    scene.there.run("root", "install-crl", "--crl", scene.stage.folder / "next.crl", "--state", scene.there.state)
    scene.stop()
    done = scene.restore(file, check=False)
    want(done.returncode == REFUSED, f"found exit {done.returncode}, want {REFUSED}: {done.stderr}")
    for part in ("would be undone", "root CRL 1 in a backup", "root CRL 2 here", "--accept-older"):
        want(part in done.stderr, f"found {done.stderr!r}, want {part!r} in it")
    want(scene.leftovers() == [], f"found {scene.leftovers()}, want nothing")
    sites = scene.there.read("site", "list", "--state", scene.there.state)["sites"]
    want(sites[0]["state"] == "disabled", "the state that was there has changed")


def check_an_older_state_that_was_asked_for_says_so_and_keeps_the_root_crl(scene):
    file = scene.stage.folder / "before.backup"
    done = json.loads(scene.restore(file, "--accept-older", "--json").stdout)
    want(done["replaced"]["audit_sequence"] > done["backup"]["audit_sequence"], f"found {done}")
    scene.before = pathlib.Path(done["before"])
    want(scene.before.is_dir(), "what was there is gone")
    scene.start_set_back()
    tree = scene.there.read("ca", "list", "--state", scene.there.state)
    want(tree["root_crl"]["number"] == 2, f"found root CRL {tree['root_crl']['number']}, want 2: it never goes back")
    row = scene.doctor().get("restored")
    want(row and row["verdict"] == "warning" and "replaced a newer state" in row["detail"], f"found {row}")
    restored = [entry for entry in scene.stage.audit() if entry["action"] == "installation.restored"]
    want(len(restored) == 1 and restored[0]["detail"]["is_behind"], f"found {restored}")
    scene.there.run("audit", "verify", "--state", scene.there.state)
    scene.there.run("doctor", "--state", scene.there.state, "--accept-restored", check=False)
    rows = scene.doctor()
    want("restored" not in rows, "doctor says it after somebody has seen it")
    want(rows["log"]["verdict"] == "bad" and "older database" in rows["log"]["detail"], f"found {rows['log']}: it does not end by being seen")


def check_devices_go_on_after_a_restore(scene):
    scene.stage.wait_online(scene.first)
    scene.stage.bring_online(scene.second)


def check_the_newer_state_can_be_put_back(scene):
    scene.stop()
    shutil.rmtree(scene.there.state)
    scene.before.rename(scene.there.state)
    scene.there.start()
    sites = scene.there.read("site", "list", "--state", scene.there.state)["sites"]
    want(sites[0]["state"] == "disabled" and scene.doctor()["log"]["verdict"] == "ok", "the newer state is here again")
    scene.there.run("site", "enable", SITE, "--yes", "--state", scene.there.state)


def check_a_state_that_went_another_way_is_refused(scene):
    """The same numbers, another history."""
    state = scene.elsewhere()
    file = scene.backup("fork")
    scene.restore(file, "--secret", scene.secret, state=state)
    for acts, at in ((1, state), (3, scene.there.state)):
        for number in range(acts):
            scene.there.run("site", ("disable", "enable")[number % 2], SITE, "--yes", "--state", at)
    other = scene.stage.folder / "other-way.backup"
    scene.there.run("backup", "--out", other, "--state", state)
    scene.stop()
    done = scene.restore(other, check=False)
    want(done.returncode == REFUSED and "went different ways" in done.stderr, f"found {done.stderr!r}")
    scene.there.start()


def check_a_backup_of_another_installation_is_refused(scene):
    with Stage(scene.stage.build) as other:
        there = other.prepare()
        file = scene.stage.folder / "foreign.backup"
        there.run("backup", "--out", file, "--state", there.state)
        secret = there.state / "secret"
        scene.stop()
        done = scene.restore(file, "--secret", secret, "--accept-older", check=False)
        want(done.returncode != 0 and "another installation" in done.stderr, f"found {done.stderr!r}")
        scene.there.start()


def check_a_killed_backup_leaves_no_backup(scene):
    file = scene.stage.folder / "killed.backup"
    command = [scene.there.sallyport, "backup", "--out", str(file), "--state", str(scene.there.state)]
    for delay in (0.0, 0.01, 0.02, 0.05):
        child = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        try:
            child.wait(delay)
        except subprocess.TimeoutExpired:
            child.send_signal(signal.SIGKILL)
            child.wait()
        if file.exists():
            scene.restore(file, "--secret", scene.secret, state=scene.elsewhere())
            file.unlink()
    scene.backup("killed")


def check_what_ends_is_told_alike_by_every_way(scene):
    """The command line, doctor and the metrics, over HTTP on loopback and as text."""
    there = scene.there
    links = there.read("cert", "expiring", "--within", "30d", "--state", there.state)
    kinds = {link["kind"] for link in links["links"]}
    want({"root", "ca", "root-crl", "ocsp-signer", "control", "server", "site-ca", "permit"} <= kinds, f"found {kinds}")
    want(all(link["stage"] == "in-time" for link in links["links"]), "found something late in a new installation")
    text = there.run("cert", "expiring", "--within", "4w", "--state", there.state).stdout
    want("ocsp-signer" in text and "root-crl" not in text, f"found {text!r}, want what ends within four weeks")
    refused = there.run("cert", "expiring", "--within", "soon", "--state", there.state, check=False)
    want(refused.returncode != 0 and "30d or 8w" in refused.stderr, f"found {refused.stderr!r}")
    printed = there.run("metrics", "--state", there.state).stdout
    with urllib.request.urlopen(f"http://127.0.0.1:{scene.metrics_port}/metrics", timeout=10) as answer:
        served = answer.read().decode()
    until = next(link["not_after"] for link in links["links"] if link["kind"] == "root-crl")
    for page in (printed, served):
        want('sallyport_link_stage{kind="root-crl",name="root"} 0' in page, f"found {page[:300]!r}")
        want(f'sallyport_site_permitted{{site="{SITE}"}} 100' in page, "found no figures of the site")
    crl = scene.doctor()["root CRL"]
    want(until in crl["detail"] and crl["verdict"] == "ok", f"found {crl}, want {until}")


def main():
    with Stage(cases.arguments().build) as stage:
        return cases.run(globals(), Backups(stage))


if __name__ == "__main__":
    sys.exit(main())
