#!/usr/bin/python3
"""Adversary F at the ledger: a factory that makes too many, hides some, tells two stories, or comes back from an old backup.
Every such export is refused whole, and the alarm names the factory, the entry and the device; `site reconcile` names all of it.
"""
# test: needs=dev deadline=240
import dataclasses
import json
import pathlib
import shutil
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import dishonest as d  # noqa: E402
from cases import want  # noqa: E402
from stage import SITE, ZONE, Stage, wait_for  # noqa: E402

MALLORY = "mallory"
COUNT = 6
DAY = 86400
ALARM_SECONDS = 10


class Ledgers:
    """The dishonest factory with two entries that were accepted, and the honest station."""

    def __init__(self, stage):
        self.stage = stage
        self.there = stage.set_up()
        stage.make_devices("honest-1")
        self.factory = d.DishonestFactory(stage, MALLORY, count=COUNT)
        self.factory.learn((stage.folder / "honest-1" / "factory.pem").read_text())
        first = self.factory.entry(None, "m-1")
        self.accepted = [first, self.factory.entry(first, "m-2")]

    def more(self, count, names="m-{}", after=None):
        """Entries that honestly follow those that were accepted."""
        entries = list(after or self.accepted)
        for number in range(count):
            entries.append(self.factory.entry(entries[-1], names.format(len(entries) + 1)))
        return entries

    def device_ids(self):
        devices = self.there.read("device", "list", "--state", self.there.state)["devices"]
        return sorted(one["serial_id"] for one in devices if one["site"] == MALLORY)

    def is_refused(self, label, file, fault, sequence=None, serial_id=None):
        before, devices = self.factory.record(), self.device_ids()
        alarms = len(self.stage.audit("site.alarm"))
        done = self.factory.import_(file, check=False)
        want(done.returncode != 0, f"{label}: found the import accepted, want it refused")
        want(done.stdout == "" and len(done.stderr.strip().splitlines()) == 1, f"{label}: found {done.stderr!r}, want one sentence")
        told = wait_for(lambda: self.stage.audit("site.alarm")[alarms:], ALARM_SECONDS, f"{label}: an alarm")[-1]
        detail = told["detail"] if isinstance(told["detail"], dict) else json.loads(told["detail"])
        want(told["subject"] == MALLORY and detail["kind"] == f"site.ledger.{fault}", f"{label}: found {told}, want site.ledger.{fault}")
        want(detail.get("sequence") == sequence and detail.get("serial_id") == serial_id,
             f"{label}: found {detail}, want entry {sequence} of {serial_id}")
        after = self.factory.record()
        same = ("issued", "ledger_head", "enrolled")
        want([after[key] for key in same] == [before[key] for key in same], f"{label}: found {after}, want it as before: {before}")
        want(self.device_ids() == devices, f"{label}: found {self.device_ids()}, want nothing of it taken in")

    def findings(self, *files):
        done = self.there.run("site", "reconcile", MALLORY, "--ledger", ",".join(str(one) for one in files), "--state", self.there.state,
                              "--json", check=False)
        told = json.loads(done.stdout)
        want((done.returncode == 0) == (told["findings"] == []), f"found exit {done.returncode} with {told}, want 0 for no finding alone")
        return [(one["fault"], one["sequence"], one["serial_id"]) for one in told["findings"]]


def check_F_what_is_sound_comes_in(ledgers):
    done = ledgers.factory.import_(ledgers.factory.export(ledgers.accepted, "base"))
    want(done.stdout.startswith("2 new devices"), f"found {done.stdout!r}, want 2 new devices")
    want(ledgers.factory.alarms() == [], f"found {ledgers.factory.alarms()}, want none")
    again = ledgers.factory.import_(ledgers.factory.export(ledgers.accepted, "base"))
    want(again.stdout.startswith("0 new devices"), f"found {again.stdout!r}, want nothing new the second time")
    want(ledgers.findings(ledgers.factory.export(ledgers.accepted, "base")) == [], "found findings, want none")


def check_F_over_production(ledgers):
    file = ledgers.factory.export(ledgers.more(COUNT - 1), "too-many")
    ledgers.is_refused("over-production", file, "over_production", COUNT + 1, f"m-{COUNT + 1}")
    want(ledgers.findings(file) == [("over_production", COUNT + 1, f"m-{COUNT + 1}")], f"found {ledgers.findings(file)}")


def check_F_a_fork_behind_what_was_accepted(ledgers):
    other = ledgers.factory.entry(ledgers.accepted[0], "m-2b")
    entries = [ledgers.accepted[0], other, ledgers.factory.entry(other, "m-3b")]
    file = ledgers.factory.export(entries, "fork")
    ledgers.is_refused("fork", file, "fork", 2, "m-2b")
    found = ledgers.findings(ledgers.factory.export(ledgers.accepted, "base"), file)
    want(("fork", 2, "m-2b") in found, f"found {found}, want the fork named")


def check_F_a_fork_that_hides_its_beginning(ledgers):
    other = ledgers.factory.entry(ledgers.accepted[0], "m-2c")
    file = ledgers.factory.export([ledgers.factory.entry(other, "m-3c")], "fork-tail")
    ledgers.is_refused("fork by its tail alone", file, "fork", 3, "m-3c")


def check_F_a_gap_inside_and_in_front(ledgers):
    entries = ledgers.more(3)
    file = ledgers.factory.export([*entries[:3], entries[4]], "gap")
    ledgers.is_refused("gap inside", file, "gap", 5, "m-5")
    want(ledgers.findings(file) == [("gap", 4, "")], f"found {ledgers.findings(file)}, want entry 4 named")
    ledgers.is_refused("gap in front", ledgers.factory.export(entries[3:], "gap-front"), "gap", 4, "m-4")


def check_F_an_entry_altered_removed_or_moved(ledgers):
    """Every entry of a small ledger, each in every way, behind a signature of the factory's own."""
    entries = ledgers.more(3)
    for at in range(2, len(entries)):
        altered = dataclasses.replace(entries[at], minted=ledgers.factory.mint(entries[at].serial_id))
        changed = [*entries[:at], altered, *entries[at + 1:]]
        fault = "fork" if at + 1 < len(entries) else None
        file = ledgers.factory.export(changed, f"altered-{at}")
        if fault:
            ledgers.is_refused(f"entry {at + 1} altered", file, fault, at + 2, entries[at + 1].serial_id)
        if at + 1 < len(entries):
            ledgers.is_refused(f"entry {at + 1} removed", ledgers.factory.export([*entries[:at], *entries[at + 1:]], f"removed-{at}"), "gap",
                               at + 2, entries[at + 1].serial_id)
            swapped = [*entries[:at], entries[at + 1], entries[at], *entries[at + 2:]]
            ledgers.is_refused(f"entries {at + 1} and {at + 2} swapped", ledgers.factory.export(swapped, f"swapped-{at}"), "gap", at + 2,
                               entries[at + 1].serial_id)


def check_F_re_use(ledgers):
    factory, last = ledgers.factory, ledgers.accepted[-1]
    used = ledgers.accepted[0].minted
    forms = {
        "a serial id": ("reused_serial", "m-1", factory.mint("m-1")),
        "a certificate serial": ("reused_serial", "m-9", factory.mint("m-9", serial=used.serial)),
        "a key": ("reused_key", "m-9", factory.mint("m-9", key=used.key)),
    }
    for what, (fault, serial_id, minted) in forms.items():
        file = factory.export([factory.entry(last, serial_id, minted)], "re-use")
        ledgers.is_refused(what + " of an earlier export", file, fault, 3, serial_id)
    first = factory.entry(last, "m-3")
    both = [first, factory.entry(first, "m-4", factory.mint("m-4", key=first.minted.key))]
    file = factory.export(both, "re-use-inside")
    ledgers.is_refused("a key twice in one export", file, "reused_key", 4, "m-4")
    want(("reused_key", 4, "m-4") in ledgers.findings(file), f"found {ledgers.findings(file)}, want the key named")


def check_F_foreign_namespaces(ledgers):
    factory, last = ledgers.factory, ledgers.accepted[-1]
    theirs = factory.mint("honest-1", names=[d.dns(f"honest-1.{SITE}.factory.{ZONE}")])
    file = factory.export([factory.entry(last, "honest-1", theirs)], "foreign")
    ledgers.is_refused("another factory's id", file, "foreign_namespace", 3, "honest-1")
    want(ledgers.findings(file) == [("foreign_namespace", 3, "honest-1")], f"found {ledgers.findings(file)}")
    renamed = factory.entry(last, "m-3", factory.mint("m-3x"))
    ledgers.is_refused("another id than the certificate's", factory.export([renamed], "renamed"), "foreign_namespace", 3, "m-3")


def check_F_certificates_that_are_no_factory_certificates(ledgers):
    factory, last = ledgers.factory, ledgers.accepted[-1]
    server = factory.mint("m-3", extensions={d.EKU: (False, d.use(d.SERVER_AUTH))})
    ledgers.is_refused("a server certificate", factory.export([factory.entry(last, "m-3", server)], "server"), "wrong_certificate", 3, "m-3")
    garbage = d.Minted(b"\x30\x03\x02\x01\x01", d.new_key(), 77)
    ledgers.is_refused("no certificate", factory.export([factory.entry(last, "m-3", garbage)], "garbage"), "wrong_certificate", 3, "m-3")


def check_F_times_outside_the_permit(ledgers):
    factory, last = ledgers.factory, ledgers.accepted[-1]
    for what, at in {"years ago": 1, "in two years": factory.now() + 2 * 365 * DAY, "before the entry before": last.issued_at - 1}.items():
        file = factory.export([factory.entry(last, "m-3", issued_at=at)], "time")
        ledgers.is_refused(what, file, "outside_permit", 3, "m-3")


def check_F_a_ledger_that_is_not_the_sites(ledgers):
    factory = ledgers.factory
    entries = ledgers.more(1)
    ledgers.is_refused("signed by another key", factory.export(entries, "other-key", key=d.new_key()), "bad_signature")
    ledgers.is_refused("another site's name", factory.export(entries, "other-site", site=SITE), "foreign_site")
    ledgers.is_refused("a permit that nobody gave", factory.export(entries, "other-permit", permit=9), "foreign_site")


def check_F_what_is_no_ledger_is_refused_without_accusing_anybody(ledgers):
    before = len(ledgers.stage.audit("site.alarm"))
    file = ledgers.factory.folder / "garbage"
    for content in (b"", b"\0" * 64, b"not a ledger", ledgers.factory.export(ledgers.more(1), "cut").read_bytes()[:-9]):
        file.write_bytes(content)
        want(ledgers.factory.import_(file, check=False).returncode != 0, f"found {content[:12]!r} accepted, want it refused")
    want(len(ledgers.stage.audit("site.alarm")) == before, "found an alarm, want none: anybody can write garbage")


def check_F_a_station_restored_from_an_old_backup(ledgers):
    """The honest station's own folder, put back to last week: what it exports then is older than what was accepted, and what it
    issues then is a second story."""
    there, stage = ledgers.there, ledgers.stage
    backup = stage.folder / "backup"
    shutil.copytree(there.factory, backup)
    stage.make_devices("later-1")
    shutil.rmtree(there.factory)
    shutil.copytree(backup, there.factory)
    alarms = len(stage.audit("site.alarm"))

    def refused(fault):
        file = stage.folder / "restored.ledger"
        there.run("factory", "export", "--factory", there.factory, "--out", file)
        done = there.run("site", "import", SITE, "--ledger", file, "--state", there.state, check=False)
        want(done.returncode != 0, f"found the {fault} export accepted, want it refused")
        told = stage.audit("site.alarm")[alarms:]
        want(told and fault in str(told[-1]["detail"]) and told[-1]["subject"] == SITE, f"found {told}, want site.ledger.{fault} of {SITE}")

    refused("stale")
    device = there.make_device("second-story", "Second story")
    there.issue_factory_certificate(device)
    refused("fork")
    want(there.device("second-story") is None and there.device("later-1"), "found the second story in the records, want the first")


def check_F_an_honest_continuation_is_still_taken(ledgers):
    done = ledgers.factory.import_(ledgers.factory.export(ledgers.more(1), "sound"))
    want(done.stdout.startswith("1 new devices"), f"found {done.stdout!r}, want the third device")
    want(ledgers.device_ids() == ["m-1", "m-2", "m-3"], f"found {ledgers.device_ids()}")
    ledgers.there.run("audit", "verify", "--state", ledgers.there.state)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Ledgers(the_stage))
    sys.exit(outcome)
