#!/usr/bin/python3
"""A fleet of real agents, many in one process: all enrol at once and come online, each with a name and keys of its own; all
are back after the relay was killed; who sleeps is away and comes back as the same; and as long as the status service does
not answer, none says a word. 200 devices, 2,000 with --long.
"""
# test: needs=dev deadline=600 heavy
import os
import pathlib
import sqlite3
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from crossing import APPLICATION_DATA, Crossing, records  # noqa: E402
from fleet import Fleet  # noqa: E402
from stage import SITE, ZONE, Stage, wait_for  # noqa: E402

LONG = os.environ.get("SALLYPORT_LONG") == "1"
DEVICES = 2_000 if LONG else 200
WITHOUT_STATUS = 30
SAMPLES = 3
ONLINE_SECONDS = 300 if LONG else 120
BACK_SECONDS = 120 if LONG else 60
NOT_KNOWN = 10
STREAM = "fleet"


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.fleet = None
        self.devices = None
        self.names = {}

    def rows(self, database, query, *values):
        path = self.stage.there.state / database
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as opened:
            return opened.execute(query, values).fetchall()

    def online(self):
        """How many devices the installation takes to be online."""
        return sum(one["online"] for one in self.stage.there.read("device", "list", "--state", self.stage.there.state)["devices"])

    def say(self, text):
        print(f"# {text}", flush=True)


@cases.carries_the_rest
def check_everybody_enrols_at_once_and_comes_online(scene):
    scene.stage.set_up(count=DEVICES + 1_000)
    scene.fleet = Fleet(scene.stage)
    scene.devices = scene.fleet.make("pump", DEVICES)
    empty = scene.fleet.use()
    scene.devices.wake(samples=SAMPLES)
    spent = scene.devices.wait("online", ONLINE_SECONDS)
    full = scene.fleet.use()
    scene.say(f"{DEVICES} devices online after {spent:.1f} s; {(full['rss_kb'] - empty['rss_kb']) / DEVICES:.0f} kB and "
              f"{full['descriptors'] / DEVICES:.1f} descriptors per device, {full['cpu_s'] - empty['cpu_s']:.1f} CPU s of the devices")
    wait_for(lambda: scene.online() == DEVICES, 30, f"{DEVICES} devices online at the console")


def check_everybody_has_a_name_and_a_certificate_of_his_own(scene):
    told = scene.devices.list()
    scene.names = {one["serial_id"]: one["name"] for one in told}
    want(len(set(scene.names.values())) == DEVICES and "" not in scene.names.values(), "found names twice or none, want one for each")
    serials = {one["serial"].lstrip("0") for one in told}
    want(len(serials) == DEVICES, f"found {len(serials)} certificates, want one for each of {DEVICES}")
    (enrolled,), = scene.rows("authority/authority.db", "SELECT enrolled FROM site WHERE name = ?", SITE)
    want(enrolled == DEVICES, f"found {enrolled} first connections counted, want {DEVICES}")
    want(scene.stage.audit("enrolment.refused") == [], "found refusals in the audit log, want none")


def check_telemetry_of_everybody_arrives_once(scene):
    scene.devices.wait("uploaded", BACK_SECONDS)
    arrived = scene.rows("gateway/telemetry.db", "SELECT count(*), count(DISTINCT stream) FROM item")
    want(arrived == [(DEVICES * SAMPLES, DEVICES)], f"found {arrived} items and streams, want {DEVICES * SAMPLES} of {DEVICES}")


def check_everybody_is_back_after_the_relay_is_killed(scene):
    before = scene.fleet.use()
    began = time.monotonic()
    for pid in scene.stage.pids_of("relay"):
        os.kill(pid, 9)
    scene.devices.wait("offline", 10, least=DEVICES * 9 // 10)
    scene.devices.wait("online", BACK_SECONDS)
    after = scene.fleet.use()
    scene.say(f"all {DEVICES} back {time.monotonic() - began:.1f} s after the relay's end, {after['cpu_s'] - before['cpu_s']:.1f} CPU s of the devices")
    names = {one["serial_id"]: one["name"] for one in scene.devices.list()}
    want(names == scene.names, "found other names after the relay came back, want the same")


def check_who_sleeps_is_away_and_comes_back_as_the_same(scene):
    sleepers = scene.devices.part(0, DEVICES // 2)
    before = {one["serial_id"]: one["serial"] for one in sleepers.list()}
    descriptors = scene.fleet.use()["descriptors"]
    sleepers.sleep()
    wait_for(lambda: scene.online() == DEVICES - sleepers.count, 40, "those who sleep offline at the console")
    left = scene.fleet.use()["descriptors"]
    want(left < descriptors - sleepers.count, f"found {left} descriptors of {descriptors}, want those of the sleepers closed")
    sleepers.wake()
    sleepers.wait("online", BACK_SECONDS)
    after = {one["serial_id"]: one["serial"] for one in sleepers.list()}
    want(before == after, "found other certificates after the sleep, want the same")
    wait_for(lambda: scene.online() == DEVICES, 30, "everybody online at the console")


def check_devices_in_no_ledger_wait_and_are_let_in_by_it(scene):
    late = scene.fleet.make("late", NOT_KNOWN, ledger=False)
    late.wake()
    late.wait("waiting", BACK_SECONDS)
    known = {one["serial_id"] for one in scene.stage.there.read("device", "list", "--state", scene.stage.there.state)["devices"]}
    want(not known & {f"late-{number}" for number in range(NOT_KNOWN)}, f"found {known}, want none of those that no ledger has")
    scene.stage.there.import_ledger()
    late.wait("online", ONLINE_SECONDS)


def check_fleet_ends_cleanly(scene):
    use = scene.fleet.end()
    want(use["descriptors"] < 50, f"found {use['descriptors']} descriptors after everybody sleeps, want those of the program alone")


def check_without_an_answer_of_the_status_service_none_says_a_word(scene):
    there = scene.stage.there
    is_cut = [True]
    roads = {"tls": Crossing(lambda name: None if is_cut[0] and name == f"status.{ZONE}" else there.tls_port),
             "http": Crossing(lambda _: None if is_cut[0] else there.http_port, keep=False)}
    for road in roads.values():
        scene.stage.closing.append(road.close)

    class Wire:
        @staticmethod
        def port(kind):
            return roads[kind].port

    fleet = Fleet(scene.stage, wire=Wire, spread=False)
    mute = fleet.make("mute", WITHOUT_STATUS)
    mute.wake(samples=SAMPLES)
    mute.wait("unreachable", BACK_SECONDS)
    mute.sleep()
    tried = roads["tls"].named(f"gateway.{ZONE}")
    wait_for(lambda: all(one.is_over for one in tried), 30, "the end of every connection to the gateway")
    spoken = [[length for kind, length in records(one.everything()[0]) if kind == APPLICATION_DATA] for one in tried]
    complete = [each for each in spoken if each]
    want(len(complete) >= WITHOUT_STATUS, f"found {len(complete)} complete handshakes, want one of each device")
    # Certificate, CertificateVerify and Finished: what follows would be a fourth (test_server_status.py).
    want(all(len(each) == 3 for each in complete), f"found encrypted records {complete}, want those of handshakes alone")
    want(not roads["tls"].named("relay") and not [one for one in roads["tls"].crossed if f".relay.{ZONE}" in one.name],
         "found connections to the relay, want none before the enrolment")
    states = {one["state"] for one in there.read("device", "list", "--state", there.state)["devices"] if one["serial_id"].startswith("mute")}
    want(states == {"manufactured"}, f"found the silent {states} at the console, want all as the factory left them")
    is_cut[0] = False
    mute.wake(samples=SAMPLES)
    mute.wait("online", ONLINE_SECONDS)
    fleet.end()


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        ended = cases.run(globals(), Scene(the_stage))
    sys.exit(ended)
