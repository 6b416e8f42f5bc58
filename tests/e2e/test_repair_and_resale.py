#!/usr/bin/python3
"""Repair, resale, end (DESIGN §9.5) and renewals that somebody asked for, with the agent and with curl as a device."""
# test: needs=dev deadline=300
import datetime
import json
import pathlib
import re
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from est import Est  # noqa: E402
from stage import SITE, Stage, wait_for  # noqa: E402

REFUSAL_SECONDS = 40
# An unclaimed device asks the gateway every 30 s.
QUESTION_SECONDS = 60


def record(stage, device):
    return stage.there.read("device", "show", device.serial_id, "--state", stage.there.state)


def certificates(stage, device, kind="operational", state="issued"):
    return [one for one in record(stage, device)["certificates"] if (one["kind"], one["state"]) == (kind, state)]


def command(stage, *words, check=True):
    return stage.there.run(*words, "--state", stage.there.state, check=check)


def refused_key(stage, device):
    """The fingerprint that the refused device shows."""
    def shown():
        status = stage.there.agent_status(device)
        found = re.search(r"refused by the gateway; key ([0-9a-f ]+)", json.dumps(status))
        return found and found.group(1).strip()
    return wait_for(shown, REFUSAL_SECONDS, "the refused device to show its key's fingerprint")


def claims(stage, device, code):
    return command(stage, "device", "claim", device.serial_id, "--code", code, check=False).returncode == 0


def renew_windows(est, identity):
    status, text = est.ask("facts", identity)
    want(status == "200", f"found {status} to facts, want 200")
    facts = json.loads(text)
    return [facts[name] and [datetime.datetime.fromisoformat(facts[name][end].replace("Z", "+00:00")) for end in ("start", "end")]
            for name in ("renew_operational", "renew_web")]


@cases.carries_the_rest
def check_installation_comes_up(stage):
    stage.set_up()


def check_reset_asks_and_a_reset_device_shows_its_new_key(stage):
    there = stage.there
    device, = stage.make_devices("repair-1")
    stage.bring_online(device, claim=False)
    stage.old_code = wait_for(lambda: there.claim_code(device), 20, "a claim code")
    there.claim(device)
    stage.before = stage.wait_online(device)
    device.agent.stop()
    old = device.folder / "old"
    old.mkdir()
    for file in device.state.glob("operational.[01].*"):
        (old / file.name.replace(".0.", ".").replace(".1.", ".")).write_bytes(file.read_bytes())
    done = there.run("reset", "--state", device.state, program=there.agent_program, check=False)
    want(done.returncode == 4 and "want --yes" in done.stderr, f"found exit {done.returncode} and {done.stderr!r}, want 4 without a terminal")
    want((device.state / "operational.current").exists(), "found the certificates gone, want nothing done")
    done = there.run("reset", "--yes", "--state", device.state, program=there.agent_program)
    want(f"sallyport device reopen {SITE}/{device.serial_id} --key" in done.stdout, f"found {done.stdout!r}, want what the owner has to do")
    want(not list(device.state.glob("operational.*")) and not (device.state / "claim-code").exists(), "found old material, want none")
    want((device.state / "factory.pem").exists(), "found no factory certificate, want it kept")
    stage.restart_agent(device)
    stage.new_key = refused_key(stage, device)
    stage.device = device
    after = record(stage, device)
    same = ("name", "state", "remote_access", "claimed_at", "alias")
    want([after[key] for key in same] == [stage.before[key] for key in same], f"found {after}, want the record as it was until somebody re-opens it")


def check_reopening_takes_the_key_that_the_device_shows(stage):
    there, device = stage.there, stage.device
    for wrong, why in (("3f9a", "64 hexadecimal digits"), (certificates(stage, device)[0]["spki_sha256"], "key-in-use")):
        done = command(stage, "device", "reopen", device.serial_id, "--key", wrong, "--yes", check=False)
        want(done.returncode != 0 and why in done.stderr, f"found {done.returncode} {done.stderr!r} for the key {wrong}, want it refused: {why}")
    done = command(stage, "device", "reopen", device.serial_id, "--key", stage.new_key, check=False)
    want(done.returncode != 0 and "want --yes" in done.stderr, f"found {done.stderr!r} without a terminal and --yes, want it refused")
    command(stage, "device", "reopen", device.serial_id, "--key", stage.new_key, "--yes")
    opened = record(stage, device)
    want((opened["state"], opened["remote_access"], opened["claimed_at"], opened["alias"]) == ("connected", False, None, ""),
         f"found {opened}, want it connected and nobody's")
    want(certificates(stage, device) == [] and certificates(stage, device, "web") == [], "found valid certificates, want all of them revoked")
    entry, = stage.audit("device.reopened")
    want(stage.new_key.replace(" ", "") == entry["detail"]["key"], f"found {entry}, want the key in it")
    stage.restart_agent(device)
    now = stage.wait_online(device)
    want(now["name"] == stage.before["name"], f"found name {now['name']}, want the old one {stage.before['name']}")
    one, = certificates(stage, device)
    want(one["spki_sha256"] == stage.new_key.replace(" ", ""), "found another key certified, want the named one")


def check_certificate_from_before_the_repair_is_refused(stage):
    device = stage.device
    est = Est(stage, device)
    identity = (device.folder / "old" / "operational.pem", device.folder / "old" / "operational.key")
    want(est.ask("facts", identity)[0] == "403", "found facts for the old certificate, want 403")
    want(est.send(est.make_request("old"), operation="simplereenroll", identity=identity)[0] == "403", "found a renewal of the old certificate, want 403")


def check_repaired_device_is_claimed_by_a_new_code_alone(stage):
    device = stage.device
    code = wait_for(lambda: stage.there.claim_code(device), QUESTION_SECONDS, "a claim code")
    want(code != stage.old_code, "found the old claim code, want a new one")
    want(not claims(stage, device, stage.old_code), "the old code claims, want it refused")
    wait_for(lambda: claims(stage, device, code), 20, "the new code to claim")
    device.agent.stop()


def check_released_device_is_claimed_by_its_next_code_alone(stage):
    there = stage.there
    device, = stage.make_devices("resale-1")
    stage.bring_online(device, claim=False)
    old = wait_for(lambda: there.claim_code(device), 20, "a claim code")
    there.claim(device)
    done = command(stage, "device", "release", device.serial_id, check=False)
    want(done.returncode != 0 and record(stage, device)["state"] == "claimed", "released without a question, want --yes")
    command(stage, "device", "release", device.serial_id, "--yes")
    released = record(stage, device)
    want((released["state"], released["remote_access"], released["alias"]) == ("connected", False, ""), f"found {released}, want it nobody's")
    want(not claims(stage, device, old), "the former owner's code claims, want it refused")
    stage.restart_agent(device)
    code = wait_for(lambda: (found := there.claim_code(device)) != old and found, QUESTION_SECONDS, "the device to draw another code")
    want(not claims(stage, device, old), "the former owner's code claims once the device is back, want it refused")
    wait_for(lambda: claims(stage, device, code), QUESTION_SECONDS, "the next code to claim")
    device.agent.stop()


def check_retired_device_never_comes_back(stage):
    device, = stage.make_devices("end-1")
    est = Est(stage, device)
    identity = est.keep("end", est.send(est.make_request("end"))[2])
    want(est.ask("facts", identity)[0] == "200", "found no facts, want a device that works")
    command(stage, "device", "retire", device.serial_id, "--yes")
    want(record(stage, device)["state"] == "retired", "found another state, want retired")
    want(certificates(stage, device) == [] and certificates(stage, device, "factory") == [], "found valid certificates, want none")
    want(est.ask("facts", identity)[0] == "403", "found facts of a retired device, want 403")
    want(est.send(est.make_request("again"))[0] == "403", "a retired device enrols, want 403")
    for order in (["reopen", device.serial_id, "--key", "11" * 32, "--yes"], ["retire", device.serial_id, "--yes"], ["release", device.serial_id, "--yes"]):
        done = command(stage, "device", *order, check=False)
        want(done.returncode != 0 and "state-conflict" in done.stderr, f"found {done.stderr!r} to {order[0]}, want a state-conflict")


def check_gateway_suggests_two_thirds_of_the_lifetime(stage):
    device, = stage.make_devices("window-1")
    est = Est(stage, device)
    stage.est, stage.identity = est, est.keep("window", est.send(est.make_request("window"))[2])
    (start, end), web = renew_windows(est, stage.identity)
    one, = certificates(stage, device)
    begin, finish = (datetime.datetime.fromisoformat(one[key].replace("Z", "+00:00")) for key in ("not_before", "not_after"))
    life = finish - begin
    wanted = [begin + life * 2 / 3 - life / 10, begin + life * 2 / 3 + life / 10]
    want(all(abs(found - other) < datetime.timedelta(seconds=2) for found, other in zip((start, end), wanted)), f"found {start} to {end}, want {wanted}")
    want(web is None, f"found {web}, want nothing about a web certificate that there is not")


def check_operator_moves_the_windows_of_a_ca_and_of_a_site(stage):
    usual = renew_windows(stage.est, stage.identity)[0]
    command(stage, "device", "renew", "--ca", "web-ca")
    want(renew_windows(stage.est, stage.identity)[0] == usual, "found another window after an order for web-ca, want the usual one")
    for words, hours in ((["--ca", "online-ca"], 24), (["--site", SITE, "--within", "5"], 5)):
        command(stage, "device", "renew", *words)
        start, end = renew_windows(stage.est, stage.identity)[0]
        want(start < usual[0] and end - start <= datetime.timedelta(hours=hours, minutes=1), f"found {start} to {end} after {words}, want {hours} h from now")
    asked = int(time.time())  # what is issued within that second counts as issued before
    wait_for(lambda: time.time() >= asked + 1, 5, "the next second")
    status, _, chain = stage.est.send(stage.est.make_request("moved"), operation="simplereenroll", identity=stage.identity)
    want(status == "200", f"found {status}, want a renewal")
    moved = renew_windows(stage.est, stage.est.keep("moved", chain))[0]
    want(moved[0] >= usual[0], f"found {moved} for the new certificate, want the usual window: it was asked for once")
    for wrong in (["--ca", "server-ca"], ["--site", "nowhere"], ["--site", SITE, "--within", "0"], []):
        want(command(stage, "device", "renew", *wrong, check=False).returncode != 0, f"device renew {wrong} succeeds, want it refused")


def check_agent_renews_when_it_is_asked_to(stage):
    device, = stage.make_devices("asked-1")
    stage.bring_online(device, claim=False)
    before = {kind: certificates(stage, device, kind)[0]["serial"] for kind in ("operational", "web")}
    command(stage, "device", "renew", device.serial_id)

    def renewed():
        return all(certificates(stage, device, kind)[0]["serial"] != serial for kind, serial in before.items())

    wait_for(renewed, QUESTION_SECONDS, "new operational and web certificates")
    stage.wait_online(device)
    device.agent.stop()


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
