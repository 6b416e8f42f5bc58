#!/usr/bin/python3
"""A copied factory key is no kill switch: a thousand tries to take a device over neither stop nor slow it, and raise one
alarm. Who never succeeds is paused, by name, until an operator says otherwise. With the agent and with stock clients.
"""
# test: needs=dev deadline=300
import concurrent.futures
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from est import Est  # noqa: E402
from stage import SITE, Stage, wait_for  # noqa: E402
from thief import Client, new_key, request_for  # noqa: E402

TRIES = 1_000
FREE_FAILURES = 10  # authority/failure_pause.h
FIRST_PAUSE = 60
MAX_ENTRIES = 10  # of the audit log, an hour


def record(stage, device):
    return stage.there.read("device", "show", device.serial_id, "--state", stage.there.state)


def command(stage, *words, check=True):
    return stage.there.run(*words, "--state", stage.there.state, check=check)


@cases.carries_the_rest
def check_installation_comes_up(stage):
    stage.set_up()


def check_a_thousand_tries_neither_stop_nor_slow_the_device(stage):
    there = stage.there
    agent_device, device = stage.make_devices("victim-1", "victim-2")
    stage.bring_online(agent_device)
    est = Est(stage, device)
    request = est.make_request("own")
    first = est.send(request)
    identity = est.keep("own", first[2])
    before = {one.serial_id: record(stage, one) for one in (agent_device, device)}
    log_before = pathlib.Path(agent_device.agent.log).stat().st_size
    answers = {}
    for victim in (agent_device, device):
        thief = Client.with_factory_key(stage, victim)
        statuses = []
        for number in range(TRIES):
            operation = "simpleenroll" if number % 2 else "simplereenroll"
            status, wait, body = thief.enrol(request_for(new_key()), operation)
            want(b"MII" not in body, f"found a certificate in answer {number}, want none ever")
            statuses.append((status, wait))
            if victim is device and number in (5, TRIES // 2, TRIES - 1):
                want(est.send(request, "repeated")[2] == first[2], f"found another answer to the device's own request after {number} tries, want the same")
                renewal = est.send(est.make_request(f"renewal-{number}"), "renewed", "simplereenroll", identity)
                want(renewal[0] == "200", f"found {renewal[0]} to a renewal after {number} tries, want 200")
        thief.close()
        answers[victim.serial_id] = statuses
        shown = record(stage, victim)["enrolment_failures"]
        want(shown["failures"] >= FREE_FAILURES and shown["until"], f"found {shown}, want the pause shown")
    for name, statuses in answers.items():
        want(statuses[:FREE_FAILURES] == [(403, 0)] * FREE_FAILURES, f"found {statuses[:FREE_FAILURES]} for {name} at first, want 403")
        later = statuses[FREE_FAILURES:]
        want(all(status == 429 and 0 < wait <= 2 * FIRST_PAUSE for status, wait in later if status != 403), f"found {later[:5]}…, want 429 and Retry-After")
        want(sum(status == 403 for status, _ in later) <= 3, "found many tries answered in spite of the pause, want a pause")
    for one in (agent_device, device):
        after, earlier = record(stage, one), before[one.serial_id]
        same = ("name", "state", "remote_access", "connected_at", "claimed_at", "online")
        want([after[key] for key in same] == [earlier[key] for key in same], f"found {after}, want it as before")
        want(len(after["alarms"]) == 1 and after["alarms"][0]["kind"] == "enrolment.refused", f"found {after['alarms']}, want one alarm")
        entries = [entry for entry in stage.audit("enrolment.refused") if entry["subject"] == one.serial_id]
        want(1 <= len(entries) <= MAX_ENTRIES, f"found {len(entries)} audit entries, want 1 to {MAX_ENTRIES}")
    want(agent_device.agent.running(), "found the agent gone, want it running")
    said = pathlib.Path(agent_device.agent.log).read_text()[log_before:]
    want("lost" not in said and "refused" not in said, f"found {said[-300:]!r} in its log, want nothing noticed")
    stage.device, stage.agent_device = device, agent_device


def check_D6_burnt_factory_certificate_gets_its_one_key_its_one_certificate_and_nothing_else(stage):
    """At once, over connections of their own, alternating between the key that enrolled and others, over both operations."""
    device, = stage.make_devices("burnt-1")
    own = request_for(new_key())
    first = Client.with_factory_key(stage, device)
    status, _, certificate = first.enrol(own)
    want(status == 200, f"found {status} to the first request, want 200")
    first.close()

    def ask(number):
        client = Client.with_factory_key(stage, device)
        try:
            return client.enrol(own if number % 2 else request_for(new_key()), ("simpleenroll", "simplereenroll")[number // 2 % 2])
        finally:
            client.close()

    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        answers = list(pool.map(ask, range(32)))
    for number, (status, _, body) in enumerate(answers):
        if number % 2:
            want((status, body) == (200, certificate), f"found {status} and another answer to the key that enrolled, want the same certificate")
        else:
            want(status in (403, 429), f"found {status} to another key, want 403 or, in a pause, 429")
    issued = [one for one in record(stage, device)["certificates"] if one["kind"] == "operational"]
    want(len(issued) == 1, f"found {issued}, want one certificate")


def check_operator_lifts_the_pause(stage):
    thief = Client.with_factory_key(stage, stage.device)
    want(thief.enrol(request_for(new_key()))[0] == 429, "found no pause to lift, want 429")
    command(stage, "device", "unpause", f"{SITE}/{stage.device.serial_id}")
    want(record(stage, stage.device)["enrolment_failures"] is None, "found failures, want none after the unpause")
    want(thief.enrol(request_for(new_key()))[0] == 403, "found no 403, want to be answered again")
    thief.close()


def check_device_that_never_succeeds_is_paused_until_an_operator_helps(stage):
    """Its requests are unreadable: its first connection never comes about. It has no name yet."""
    device, = stage.make_devices("clumsy-1")
    client = Client.with_factory_key(stage, device)
    found = [client.enrol(b"\x30\x03\x02\x01\x00")[:2] for _ in range(FREE_FAILURES + 2)]
    want([status for status, _ in found] == [400] * FREE_FAILURES + [429] * 2, f"found {found}, want 400 and then 429")
    want(0 < found[-1][1] <= FIRST_PAUSE, f"found Retry-After {found[-1][1]}, want up to {FIRST_PAUSE}")
    good = request_for(new_key())
    want(client.enrol(good)[0] == 429, "found another status to a good request in the pause, want 429")
    shown = record(stage, device)
    want(shown["state"] == "manufactured" and shown["enrolment_failures"]["failures"] == FREE_FAILURES, f"found {shown}, want the failures shown")
    command(stage, "device", "unpause", f"{SITE}/{device.serial_id}")
    want(client.enrol(good)[0] == 200, "found no certificate after the unpause, want 200")
    want(record(stage, device)["enrolment_failures"] is None, "found failures, want a success to end them")
    client.close()


def check_waiting_for_the_ledger_is_no_failure(stage):
    there = stage.there
    device = there.make_device("early-1", "Early 1")
    there.issue_factory_certificate(device)
    client = Client.with_factory_key(stage, device)
    request = request_for(new_key())
    statuses = {client.enrol(request)[0] for _ in range(3 * FREE_FAILURES)}
    want(statuses == {202}, f"found {statuses}, want 202 as long as the ledger is not in")
    there.import_ledger()
    want(client.enrol(request)[0] == 200, "found no certificate once the ledger is in, want 200")
    client.close()


def check_owner_may_have_an_alarm_freeze_the_device(stage):
    there = stage.there
    device, = stage.make_devices("frozen-1")
    stage.bring_online(device)
    want(record(stage, device)["freeze_on_alarm"] is False, "found freeze_on_alarm on, want it off by default")
    command(stage, "device", "freeze-on-alarm", device.serial_id, "on")
    thief = Client.with_factory_key(stage, device)
    want(thief.enrol(request_for(new_key()))[0] == 403, "found no 403, want the thief refused")
    wait_for(lambda: record(stage, device)["state"] == "suspended", 10, "the device to be suspended, as its owner wishes")
    want([one for one in stage.audit("device.frozen") if one["subject"] == device.serial_id], "found no audit entry, want device.frozen")
    wait_for(lambda: not record(stage, device)["online"], 20, "its connection to be cut")
    command(stage, "device", "freeze-on-alarm", device.serial_id, "off")
    command(stage, "device", "resume", device.serial_id)
    want(thief.enrol(request_for(new_key()))[0] == 403, "found no 403, want the thief refused")
    want(record(stage, device)["state"] == "claimed", "found it frozen again, want nothing once the owner switched that off")
    thief.close()
    stage.restart_agent(device)
    stage.wait_online(device)
    stranger, = stage.make_devices("nobody-1")
    done = command(stage, "device", "freeze-on-alarm", stranger.serial_id, "on", check=False)
    want(done.returncode != 0 and "state-conflict" in done.stderr, f"found {done.stderr!r} for a device that nobody owns, want a state-conflict")
    device.agent.stop()


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
