#!/usr/bin/python3
"""The transparency log of a small installation, as its owner, a device, a stranger with an export and another implementation
see it: whatever is removed, altered, moved or never logged is found and named, in the log and in a factory's ledger.
"""
# test: needs=dev deadline=300
import base64
import hashlib
import json
import os
import pathlib
import re
import shutil
import struct
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import Missing, want  # noqa: E402
from stage import SITE, Stage, tool, wait_for  # noqa: E402
from installation import Process  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

REFUSED = 4
GO_PACKAGES = pathlib.Path("/usr/share/gocode/src/golang.org/x/mod/sumdb")


def split_bundle(data):
    out = []
    while data:
        length = struct.unpack(">H", data[:2])[0]
        out.append(data[2:2 + length])
        data = data[2 + length:]
    return out


def join_bundle(entries):
    return b"".join(struct.pack(">H", len(entry)) + entry for entry in entries)


def leaf(entry):
    return hashlib.sha256(b"\0" + entry).digest()


def swapped(entries, at):
    return entries[:at] + [entries[at + 1], entries[at]] + entries[at + 2:]


def judge(stage, *arguments):
    """What `log verify --json` says: its status, and the indexes that it names with their faults."""
    done = stage.there.run("log", "verify", "--json", *arguments, check=False)
    found = json.loads(done.stdout)["findings"] if done.stdout.strip() else [{"index": None, "fault": "none", "detail": done.stderr}]
    return done.returncode, found


def want_named(stage, what, indexes, *arguments):
    status, found = judge(stage, *arguments)
    named = {one["index"] for one in found}
    want(status == REFUSED and named & set(indexes), f"{what}: found status {status} and {found[:4]}, want entry {indexes} named")
    return found


def export(stage, name="export"):
    folder = stage.folder / name
    stage.there.run("log", "export", folder, "--state", stage.there.state)
    return folder


def bundle_of(folder):
    """The one bundle of a small log: its path and its entries."""
    files = [path for path in (folder / "tile" / "entries").rglob("*") if path.is_file()]
    want(len(files) == 1, f"found {len(files)} bundles, want a log of fewer than 256 entries")
    return files[0], split_bundle(files[0].read_bytes())


class Altered:
    """A copy of an export with another bundle."""

    def __init__(self, stage, source, entries):
        self.folder = stage.folder / "altered"
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.copytree(source, self.folder)
        path, _ = bundle_of(self.folder)
        path.write_bytes(join_bundle(entries))

    def rebuild(self):
        """Level 0 hashes made anew as well, under the names that they then have."""
        path, entries = bundle_of(self.folder)
        for old in [path, self.folder / "tile" / "0" / "000.p" / path.name]:
            old.rename(old.with_name(str(len(entries))))
        (self.folder / "tile" / "0" / "000.p" / str(len(entries))).write_bytes(b"".join(leaf(entry) for entry in entries))
        return self


def check_installation_comes_up(stage):
    stage.set_up()
    stage.devices = stage.make_devices("log-1", "log-2")
    stage.bring_online(stage.devices[0], claim=False)


def check_device_holds_the_proof_of_its_certificates(stage):
    device = stage.devices[0]

    def proven():
        log = stage.there.agent_status(device).get("log") or {}
        return log if {"operational", "web"} <= set(log) else None

    log = wait_for(proven, 30, "the agent to have both certificates")
    want(all(one["proven"] for one in log.values()), f"found {log}, want both proven")
    proof = (device.state / "operational.tlog-proof").read_text()
    want(proof.startswith("c2sp.org/tlog-proof@v1\n"), f"found {proof[:40]!r}, want a log proof")


def check_false_proof_is_an_alarm_and_refuses_nothing(stage):
    device = stage.devices[0]
    file = device.state / "operational.tlog-proof"
    kept = file.read_text()
    lines = kept.split("\n")
    at = next(number for number, line in enumerate(lines) if line.startswith("index ")) + 1
    lines[at] = base64.b64encode(hashlib.sha256(b"another").digest()).decode()
    file.write_text("\n".join(lines))
    stage.restart_agent(device)
    stage.wait_online(device)
    standing = stage.there.agent_status(device)["log"]["operational"]
    want(not standing["proven"] and "another root" in standing["detail"], f"found {standing}, want an alarm about another root")
    file.write_text(kept)
    stage.restart_agent(device)
    stage.wait_online(device)
    want(stage.there.agent_status(device)["log"]["operational"]["proven"], "found an alarm with the true proof back, want none")


def check_installation_and_export_hold(stage):
    status, found = judge(stage, "--state", stage.there.state)
    want(status == 0 and not found, f"installation: found {found}, want nothing")
    stage.export = export(stage)
    status, found = judge(stage, "--export", stage.export, "--root", stage.there.state / "trust" / "root.pem")
    want(status == 0 and not found, f"export: found {found}, want nothing")


def check_export_is_one_to_another_implementation(stage):
    if not shutil.which("go") or not GO_PACKAGES.is_dir():
        raise Missing("go, golang-golang-x-mod-dev")
    environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOPROXY": "off", "GOFLAGS": "", "GOCACHE": str(stage.folder / "go-cache")}
    program = pathlib.Path(__file__).with_name("log_reader.go")
    stage.foreign = stage.folder / "made-by-go"
    out = tool("env", *(f"{key}={environment[key]}" for key in ("GO111MODULE", "GOPATH", "GOPROXY", "GOFLAGS", "GOCACHE")), "go", "run", program,
               stage.export, stage.foreign, seconds=200)
    lines = (stage.export / "checkpoint").read_text().split("\n")
    want(out.decode().split() == lines[1:3], f"found {out!r}, want {lines[1:3]}")


def check_export_that_somebody_else_made_is_verified(stage):
    """Written by Go from the entries; what is removed, altered and moved below, is so in this one."""
    status, found = judge(stage, "--export", stage.foreign, "--root", stage.there.state / "trust" / "root.pem")
    want(status == 0 and not found, f"found {found}, want nothing")


def check_every_certificate_in_any_file_of_the_installation_is_logged(stage):
    """Of the root, the CAs, the roles, the OCSP signers, the factory, the devices: but the root itself and the twins."""
    there, seen = stage.there, {}
    for file in [*there.state.rglob("*.pem"), *there.factory.rglob("*.pem"), *(file for device in stage.devices for file in device.state.rglob("*.pem"))]:
        if file.name.endswith(".twin.pem") or file.is_symlink():
            continue
        for text in re.findall("-----BEGIN CERTIFICATE-----.*?-----END CERTIFICATE-----\n", file.read_text(), re.DOTALL):
            seen.setdefault(text, file)
    root = (there.state / "trust" / "root.pem").read_text()
    seen = {text: file for text, file in seen.items() if text.strip() not in root}
    names = {file.name for file in seen.values()}
    want({"online-ca.pem", "control-checkpoint.pem", "operational.0.pem", "web.0.pem", "factory.pem"} <= names and len(seen) >= 14,
         f"found {len(seen)} certificates in {sorted(names)}, want all there are")
    shown = stage.folder / "all.pem"
    shown.write_text("".join(seen))
    status, found = judge(stage, "--state", there.state, "--certificate", shown)
    want(status == 0, f"found {found[:3]} among {sorted(names)}, want every one logged")


def check_API_shows_head_entries_and_proofs(stage):
    user = ConsoleUser(stage.there)
    head = user.call("GET", "/log", status=200).json()
    want(head["fault"] is None and not head["was_set_back"] and head["checkpoint"].startswith(head["origin"]), f"found {head}, want a signed head")
    entries, size = [], 1
    while len(entries) < size:
        page = user.call("GET", f"/log/entries?from={len(entries)}&limit=7", status=200).json()
        entries, size = entries + page["entries"], page["size"]
    want([one["index"] for one in entries] == list(range(size)) and size >= head["size"], f"found {len(entries)} of {size} entries")
    cas = {one["ca"] for one in entries if one["kind"] == "certificate"}
    want({"root", "online-ca", "server-ca", "web-ca", "roles-ca", "control-ca", f"local-ca/{SITE}"} <= cas, f"found certificates of {cas}, want every CA's")
    for entry in (one for one in entries if one["kind"] == "certificate"):
        proven = user.call("GET", f"/log/proof/{entry['sha256']}", status=200).json()
        want(proven["index"] == entry["index"] < proven["size"] and proven["proof"].startswith("c2sp.org/tlog-proof@v1"), f"found {proven} for {entry}")
    user.call("GET", "/log/proof/" + "0" * 64, status=404)
    user.call("GET", "/log/entries?limit=0", status=400)
    checkpoint = user.call("GET", "/log/checkpoint", status=200).body.decode()
    lines = checkpoint.split("\n")
    tile = user.call("GET", f"/log/tile/0/000.p/{lines[1]}", status=200).body
    bundle = user.call("GET", f"/log/tile/entries/000.p/{lines[1]}", status=200).body
    want(tile == b"".join(leaf(entry) for entry in split_bundle(bundle)), "found a tile that is not over its bundle")


def check_export_under_another_root_is_refused(stage):
    other = stage.folder / "other-root"
    (stage.folder / "other-pass").write_text("a passphrase\n")
    (stage.folder / "other-pass").chmod(0o600)
    stage.there.run("root", "init", "--root", other, "--name", "Other", "--passphrase-file", stage.folder / "other-pass")
    done = stage.there.run("log", "verify", "--export", stage.export, "--root", other / "root.pem", check=False)
    want(done.returncode == REFUSED, f"found status {done.returncode}: {done.stderr}, want {REFUSED}")


def check_every_entry_that_is_removed_is_named(stage):
    _, entries = bundle_of(stage.foreign)
    for index in range(len(entries)):
        altered = Altered(stage, stage.foreign, entries[:index] + entries[index + 1:])
        want_named(stage, f"entry {index} removed", [index], "--export", altered.folder)
        want_named(stage, f"entry {index} removed, hashes made anew", [index], "--export", altered.rebuild().folder)


def check_every_entry_that_is_altered_is_named(stage):
    _, entries = bundle_of(stage.foreign)
    for index, entry in enumerate(entries):
        middle = len(entry) // 2
        altered = entry[:middle] + bytes([entry[middle] ^ 1]) + entry[middle + 1:]
        want_named(stage, f"entry {index} altered", [index], "--export", Altered(stage, stage.foreign, entries[:index] + [altered] + entries[index + 1:]).folder)


def check_every_two_entries_that_are_swapped_are_named(stage):
    _, entries = bundle_of(stage.foreign)
    for index in range(len(entries) - 1):
        altered = Altered(stage, stage.foreign, swapped(entries, index))
        want_named(stage, f"entries {index} and {index + 1} swapped", [index, index + 1], "--export", altered.folder)


def check_growth_is_proven_and_a_rewritten_past_is_not(stage):
    there = stage.there
    seen = stage.folder / "seen.checkpoint"
    there.run("log", "audit", "--since", seen, "--state", there.state)
    stage.bring_online(stage.devices[1], claim=False)
    newer = export(stage, "newer")
    there.run("log", "audit", stage.export, newer)
    there.run("log", "audit", "--since", seen, "--state", there.state)
    done = there.run("log", "audit", newer, stage.export, check=False)
    want(done.returncode == REFUSED and "fell" in done.stderr, f"found {done.returncode}: {done.stderr}, want the log to have fallen")


def check_certificate_from_outside_is_found(stage):
    """The station signs with its CA, and nobody imports its ledger."""
    there = stage.there
    device = there.make_device("outside-1", "Outside 1")
    certificate = there.issue_factory_certificate(device)
    found = want_named(stage, "shown to the installation", [None], "--state", there.state, "--certificate", certificate)
    want(any(one["fault"] == "unlogged" and "a CA of it has signed it" in one["detail"] for one in found), f"found {found}, want it unlogged")
    status, found = judge(stage, "--export", stage.folder / "newer", "--certificate", certificate)
    want(status == REFUSED and found[0]["fault"] == "unlogged", f"found {found}, want it unlogged")
    there.import_ledger()
    status, found = judge(stage, "--state", there.state, "--certificate", certificate)
    want(status == 0, f"found {found} once the ledger is in, want nothing")


def check_owner_sees_every_certificate_of_a_name(stage):
    there = stage.there
    name = there.device("log-1")["name"]
    lines = there.run("log", "watch", name, "--json", "--state", there.state).stdout.splitlines()
    seen = [json.loads(line) for line in lines]
    want({one["ca"] for one in seen} == {"online-ca", "web-ca"}, f"found {seen}, want an operational and a web certificate")
    known = ",".join(one["sha256"] for one in seen)
    there.run("log", "watch", name, "--expect", known, "--state", there.state)
    done = there.run("log", "watch", name, "--expect", seen[0]["sha256"], "--state", there.state, check=False)
    want(done.returncode == REFUSED and "not expected" in done.stderr, f"found {done.returncode}: {done.stderr}, want a refusal")
    done = there.run("log", "watch", name, "--expect", f"{known},{'0' * 64}", "--state", there.state, check=False)
    want(done.returncode == REFUSED and "is not in the log" in done.stderr, f"found {done.returncode}: {done.stderr}, want the one that is not logged")
    factory = there.run("log", "watch", "log-1", "--json", "--state", there.state).stdout.splitlines()
    want([json.loads(line)["ca"] for line in factory] == [f"local-ca/{SITE}"], f"found {factory}, want the factory certificate")


def read_fields(data):
    out = []
    while data:
        tag, length = struct.unpack(">H", data[:2])[0], int.from_bytes(data[2:5], "big")
        out.append((tag, data[5:5 + length]))
        data = data[5 + length:]
    return out


def write_fields(fields):
    return b"".join(struct.pack(">H", tag) + len(value).to_bytes(3, "big") + value for tag, value in fields)


def want_reconciled(stage, file, sequence):
    done = stage.there.run("site", "reconcile", SITE, "--ledger", file, "--state", stage.there.state, "--json", check=False)
    found = json.loads(done.stdout)["findings"] if done.stdout.strip() else done.stderr
    named = done.returncode != 0 and any(one["sequence"] == sequence for one in found)
    want(named, f"site reconcile: found status {done.returncode} and {found}, want entry {sequence} named")


def check_every_entry_of_a_ledger_is_named(stage):
    there = stage.there
    ledger, altered = stage.folder / "whole.ledger", stage.folder / "altered.ledger"
    there.run("factory", "export", "--factory", there.factory, "--out", ledger)
    ca = next(there.folder.rglob(f"local-ca-{SITE}.pem"))
    arguments = ("--ledger", altered, "--ca", ca)
    fields = read_fields(ledger.read_bytes())
    first = next(number for number, (tag, _) in enumerate(fields) if tag == 3)
    entries = [value for tag, value in fields if tag == 3]
    certificates = [value for tag, value in fields if tag == 4]
    want(len(entries) >= 3, f"found {len(entries)} ledger entries, want some")

    def write(entries, certificates):
        altered.write_bytes(write_fields(fields[:first] + [(3, value) for value in entries] + [(4, value) for value in certificates] + fields[-2:]))

    write(entries, certificates)
    status, found = judge(stage, *arguments)
    want(status == 0 and not found, f"found {found} in the sound ledger, want nothing")
    for index, entry in enumerate(entries):
        sequence = index + 1
        write(entries[:index] + entries[sequence:], certificates[:index] + certificates[sequence:])
        want_named(stage, f"ledger entry {sequence} removed", [sequence], *arguments)
        for byte in range(0, len(entry), 9):
            broken = entry[:byte] + bytes([entry[byte] ^ 1]) + entry[byte + 1:]
            write(entries[:index] + [broken] + entries[sequence:], certificates)
            want_named(stage, f"ledger entry {sequence}, byte {byte}, altered", [sequence], *arguments)
        want_reconciled(stage, altered, sequence)
        if sequence < len(entries):
            write(swapped(entries, index), swapped(certificates, index))
            want_named(stage, f"ledger entries {sequence} and {sequence + 1} swapped", [sequence, sequence + 1], *arguments)


def check_D8_a_restored_database_is_refused_told_and_shortens_nothing(stage):
    """The operator restores yesterday's database."""
    there = stage.there
    stage.stop_server()
    folder = there.state / "authority"
    backup = stage.folder / "backup"
    newest = stage.folder / "newest"
    shutil.copytree(folder, backup)
    there.start()
    there.run("log", "show", "--state", there.state)
    device, = stage.make_devices("later-1")
    stage.bring_online(device, claim=False)
    device.agent.stop()
    seen = stage.folder / "fall.checkpoint"
    there.run("log", "audit", "--since", seen, "--state", there.state)
    size = int(seen.read_text().split("\n")[1])
    stage.stop_server()
    shutil.copytree(folder, newest)
    put_back(backup, folder)
    start_with_a_bad_log(stage)
    want_set_back(stage, seen)
    # It grows past where it was, with other entries: no less refused.
    user = ConsoleUser(there)
    while user.call("GET", "/log/entries?limit=1", status=200).json()["size"] <= size + 3:
        user.call("POST", f"/devices/{there.device('log-1')['name']}/alias", {"alias": "Once more"})
    want_set_back(stage, seen)
    stage.stop_server()
    put_back(newest, folder)
    there.start()
    status, found = judge(stage, "--state", there.state)
    want(status == 0, f"found {found[:3]} with the newest database back, want nothing")
    there.run("log", "audit", "--since", seen, "--state", there.state)


def start_with_a_bad_log(stage):
    """As there.start(), where `doctor` finds one thing wrong: the log."""
    there = stage.there
    command = [there.sallyport, "up", "--state", str(there.state), *([] if there.has_users_apart() else ["--single-uid"])]
    there.server = Process("sallyport up", command, there.logs / "sallyport.log")

    def is_told():
        done = there.run("doctor", "--state", there.state, "--json", check=False)
        bad = [one for one in json.loads(done.stdout)["checks"] if one["verdict"] == "bad"] if done.stdout.strip() else []
        return done.returncode != 0 and [one["check"] for one in bad] == ["log"] and "older database" in bad[0]["detail"]

    wait_for(is_told, 30, "doctor to name the log, and nothing else")


def want_set_back(stage, seen):
    there = stage.there
    status, found = judge(stage, "--state", there.state)
    want(status == REFUSED and any(one["fault"] == "fell" for one in found), f"found status {status} and {found[:3]}, want the log to have fallen")
    done = there.run("log", "audit", "--since", seen, "--state", there.state, check=False)
    want(done.returncode == REFUSED and "fell" in done.stderr, f"found {done.returncode}: {done.stderr}, want the log to have fallen")
    user = ConsoleUser(there)
    head = user.call("GET", "/log", status=200).json()
    want(head["was_set_back"] and "signed before" in head["fault"], f"found {head}, want it told by the API")
    user.call("GET", "/log/checkpoint", status=409)
    alarms = [one for one in stage.audit("log.alarm") if one["action"] == "log.alarm"]
    want(len(alarms) == 1, f"found {alarms}, want one alarm on record")


def put_back(source, folder):
    """Files as they were, to whom they belonged."""
    for path in folder.iterdir():
        if path.is_file() and path.name.startswith("authority.db"):
            path.unlink()
    owner = folder.stat()
    for path in source.iterdir():
        if path.is_file() and path.name.startswith("authority.db"):
            shutil.copy2(path, folder / path.name)
            os.chown(folder / path.name, owner.st_uid, owner.st_gid)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
