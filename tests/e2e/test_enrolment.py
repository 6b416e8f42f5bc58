#!/usr/bin/python3
"""First connection, when it goes wrong: an answer that is lost, a request that comes twice or eight times at once, a copied
factory key, a device that no ledger knows yet. With curl as a stock EST client, and with the agent itself.
"""
# test: needs=dev deadline=180
import concurrent.futures
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from crossing import Crossing  # noqa: E402
from est import Est  # noqa: E402
from stage import ENROLMENT_SECONDS, Stage, wait_for  # noqa: E402

AT_ONCE = 8


def alarms(stage, device):
    return stage.there.read("device", "show", device.serial_id, "--state", stage.there.state)["alarms"]


def certificates(stage, device):
    return stage.there.read("device", "show", device.serial_id, "--state", stage.there.state)["certificates"]


def leaf(chain):
    return chain.decode().split("-----END CERTIFICATE-----")[0]


@cases.carries_the_rest
def check_installation_comes_up(stage):
    stage.set_up()


def check_device_without_ledger_is_told_to_wait(stage):
    there = stage.there
    device = there.make_device("late-1", "Late 1")
    there.issue_factory_certificate(device)
    est = Est(stage, device)
    request = est.make_request("late")
    status, head, _ = est.send(request)
    want(status == "202", f"found status {status}, want 202")
    want("retry-after: " in head, f"found no Retry-After in {head!r}, want one")
    want(there.read("device", "list", "--state", there.state)["devices"] == [], "found a device, want none before the ledger")
    there.import_ledger()
    status, _, chain = est.send(request)
    want(status == "200" and b"BEGIN CERTIFICATE" in chain, f"found status {status} once the ledger is in, want 200 and a certificate")
    want(alarms(stage, device) == [], f"found alarms {alarms(stage, device)}, want none")


def check_same_request_again_gets_the_same_certificate(stage):
    device, = stage.make_devices("twice-1")
    est = Est(stage, device)
    request = est.make_request("twice")
    first, second = est.send(request), est.send(request, "again")
    want((first[0], second[0]) == ("200", "200"), f"found {first[0]} and {second[0]}, want 200 twice")
    want(leaf(first[2]) == leaf(second[2]), "found two certificates, want the same twice")
    want(alarms(stage, device) == [], f"found alarms {alarms(stage, device)}, want none")
    kinds = [one["kind"] for one in certificates(stage, device)]
    want(kinds.count("operational") == 1, f"found {kinds}, want one operational certificate on record")


def check_same_request_many_times_at_once_gets_one_certificate(stage):
    device, = stage.make_devices("once-1")
    est = Est(stage, device)
    request = est.make_request("once")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        answers = list(pool.map(lambda number: est.send(request, f"answer-{number}"), range(AT_ONCE)))
    statuses = [status for status, _, _ in answers]
    want(statuses == ["200"] * AT_ONCE, f"found {statuses}, want 200 each time")
    want(len({leaf(chain) for _, _, chain in answers}) == 1, "found several certificates, want one")
    want(alarms(stage, device) == [], f"found alarms {alarms(stage, device)}, want none")
    kinds = [one["kind"] for one in certificates(stage, device)]
    want(kinds.count("operational") == 1, f"found {kinds}, want one operational certificate on record")


def check_agent_whose_answer_was_lost_gets_the_same_certificate(stage):
    """The road is cut after the authority has committed and before a byte of the answer is back."""
    there = stage.there
    lost = []

    def may_return(crossed):
        if lost or not crossed.name.startswith("gateway."):
            return True
        if there.device("lost-1")["state"] == "manufactured":
            return True
        lost.append(crossed)
        return False

    road = Crossing(lambda _: there.tls_port, may_return=may_return)
    stage.closing.append(road.close)

    class Roads:
        @staticmethod
        def port(kind):
            return road.port if kind == "tls" else there.http_port

    device, = stage.make_devices("lost-1", wire=Roads)
    there.start_agent(device)
    wait_for(lambda: lost, ENROLMENT_SECONDS, "the answer to be lost")
    before = certificates(stage, device)
    stage.wait_online(device)
    status = there.agent_status(device)
    operational = [one for one in certificates(stage, device) if one["kind"] == "operational"]
    want(len(operational) == 1, f"found {len(operational)} operational certificates on record, want one")
    want([one["serial"] for one in before if one["kind"] == "operational"] == [operational[0]["serial"]], "found another certificate, want the lost one")
    want(status["certificates"]["operational"]["serial"] == operational[0]["serial"], "found another certificate in the agent, want the one on record")
    want(alarms(stage, device) == [], f"found alarms {alarms(stage, device)}, want none")
    device.agent.stop()


def check_copied_factory_key_is_refused_and_alarmed(stage):
    """A thief with factory key and certificate, and a key of his own, by either operation; the device runs on."""
    there = stage.there
    device, = stage.make_devices("victim-1")
    stage.bring_online(device)
    before, agent = stage.wait_online(device), device.agent.pid
    own = there.agent_status(device)["certificates"]["operational"]["serial"]
    est = Est(stage, device)
    for operation in ("simpleenroll", "simplereenroll"):
        status, _, chain = est.send(est.make_request(f"thief-{operation}"), operation=operation)
        want(status == "403" and not chain, f"found status {status} to {operation}, want 403")
    told = wait_for(lambda: alarms(stage, device), 10, "an alarm")
    want(told[0]["kind"] == "enrolment.refused", f"found alarm {told[0]}, want enrolment.refused")
    entries = [one for one in stage.audit("enrolment.refused") if device.serial_id in str(one) or before["name"] in str(one)]
    want(entries, "found no audit entry, want enrolment.refused")
    # The device notices nothing, and its own request is still answered with what it has.
    after = there.device(device.serial_id)
    same = ("name", "state", "online", "connected_at", "remote_access")
    want([after[key] for key in same] == [before[key] for key in same], f"found {after}, want it as before: {before}")
    want(device.agent.running() and device.agent.pid == agent, "found the agent gone, want it running")
    operational = [one for one in certificates(stage, device) if one["kind"] == "operational"]
    want([one["serial"] for one in operational] == [own], f"found {operational}, want the device's own alone")
    began = time.monotonic()
    device.agent.stop()
    there.start_agent(device)
    wait_for(lambda: there.device(device.serial_id)["online"] and time.monotonic() > began, 30, "the device to come back with its own key")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
