#!/usr/bin/python3
"""A device behind a firewall that lets out nothing but connections to the relay's two ports: a network namespace of its own
with a packet filter that drops and counts the rest. Factory-fresh, it comes all the way.
"""
# test: needs=dev deadline=180
import pathlib
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from plant import HERE, needs, put_in_plant  # noqa: E402
from stage import ENROLMENT_SECONDS, Stage, wait_for  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

STREAM = "pressure"


class Scene:
    """What the cases leave for one another."""

    def __init__(self, stage):
        self.stage = stage


@cases.carries_the_rest
def check_device_behind_a_firewall_is_set_up(scene):
    needs("ip", "iptables", "sysctl")
    scene.net, scene.device = put_in_plant(scene.stage, "press-1")


def check_nothing_else_is_reachable(scene):
    before = scene.net.dropped()
    for address in ("127.0.0.1", HERE):
        done = subprocess.run(["ip", "netns", "exec", scene.net.name, "/usr/bin/python3", "-c",
                               f"import socket; socket.create_connection(('{address}', 22), 0.5)"], capture_output=True, check=False)
        want(done.returncode != 0, f"found {address}:22 reachable, want the filter to drop it")
    want(scene.net.dropped() > before, "found nothing dropped, want the filter to count")


def check_factory_fresh_device_comes_all_the_way(scene):
    there, device = scene.stage.there, scene.device
    before = scene.net.dropped()
    plain, there.agent_program = there.agent_program, scene.net.program(there.folder / "agent-inside", there.agent_program)
    there.start_agent(device)
    there.agent_program = plain
    record = scene.stage.wait_online(device, ENROLMENT_SECONDS)
    want(record["state"] == "connected" and record["name"], f"found {record['state']}, want connected")
    status = wait_for(lambda: (lambda one: one if one["certificates"]["web"] else None)(there.agent_status(device)), ENROLMENT_SECONDS, "a web certificate")
    want(all(check["good"] for check in status["server_checks"]) and status["server_checks"], f"found {status['server_checks']}, want every server good")
    there.claim(device)
    scene.before = before


def check_its_page_opens(scene):
    there = scene.stage.there
    scene.stage.wait_online(scene.device)
    grant = ConsoleUser(there).grant(there.device("press-1")["name"], "device")
    with grant.come_in() as line:
        page = line.ask("GET", "/", grant.headers())
        want(page.status == 200 and b"press-1" in page.body, f"found {page.status} {page.body[:80]!r}, want the device's own page")


def check_its_telemetry_arrives(scene):
    there = scene.stage.there
    want(there.send(scene.device, STREAM, [1, 2, 3]), "found the items refused, want them taken")
    waiting = lambda: (there.agent_status(scene.device).get("telemetry") or {}).get("items")  # noqa: E731
    wait_for(lambda: waiting() == 0, 30, "the gateway to have everything")


def check_it_asked_for_nothing_else(scene):
    dropped = scene.net.dropped() - scene.before
    want(dropped == 0, f"found {dropped} packets to elsewhere, want none")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
