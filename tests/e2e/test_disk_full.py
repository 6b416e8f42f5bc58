#!/usr/bin/python3
"""A full disk under each program that keeps something: root, installation, factory, authority while devices enrol, gateway and
agent while telemetry flows. Each says so in one sentence, loses nothing that it acknowledged, and goes on by itself with room.
"""
# test: needs=dev deadline=400
import json
import pathlib
import shutil
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from refusal import FAILED, refused  # noqa: E402
from small_disk import SmallDisk, leave_the_machines_mounts, unmount_all  # noqa: E402
from stage import CONSOLE, ENROLMENT_SECONDS, ZONE, Stage, tool, wait_for  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

RETRY_SECONDS = 60  # what a device is told to wait after a refusal
FULL = ("No space left on device", "the disk is full")


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.devices = []
        self.acknowledged = []

    def send(self, value):
        """Hands a value to the agent of the first device; what it said where it refused."""
        command = [self.stage.there.agent_program, "send", "--state", str(self.devices[0].state), "--stream", "count", json.dumps(value)]
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=False)
        if done.returncode == 0:
            self.acknowledged.append(value)
            return None
        want(done.returncode == FAILED and len(done.stderr.splitlines()) == 1, f"found exit {done.returncode} {done.stderr!r}, want {FAILED} and one sentence")
        return done.stderr

    def stored(self):
        """The numbers that the gateway has."""
        answer = ConsoleUser(self.stage.there).call("GET", f"/devices/{self.name}/telemetry?stream=count&limit=10000", status=200)
        return [item["value"] if isinstance(item["value"], int) else item["value"][0] for item in answer.json()["items"]]

    def everything_arrives_once(self):
        wanted = sorted(value if isinstance(value, int) else value[0] for value in self.acknowledged)
        wait_for(lambda: set(wanted) <= set(self.stored()), RETRY_SECONDS, "every acknowledged value at the gateway")
        want(sorted(self.stored()) == wanted, f"found {len(self.stored())} values for {len(wanted)} acknowledged, want each once and no other")


def check_a_small_disk_can_be_had(scene):
    leave_the_machines_mounts()
    scene.there = scene.stage.prepare()


def check_init_goes_on_when_there_is_room(scene):
    """Through ever larger disks: each time one sentence, until it fits; then everything is there."""
    there = scene.there
    disk = SmallDisk(there.folder / "small", "32k")
    command = [there.sallyport, "init", "--state", disk.folder / "state", "--name", "Small", "--zone", ZONE, "--console-name", CONSOLE, "--root", there.root,
               "--root-passphrase-file", there.passphrase_file, "--owner-password-file", there.password_file]
    places = set()
    for size in (32, 48, 64, 80, 96, 112, 128, 144, 200, 300):
        disk.resize(f"{size}k")
        sentence = refused(FAILED, "make room", *command)
        want(any(word in sentence for word in FULL), f"{size} kB: found {sentence!r}, want it to say that the disk is full")
        places.add(sentence.split(": ")[1])
    want(len(places) >= 5, f"found it stop at {places}, want many places to have been tried")
    disk.resize("4m")
    there.run(*command[1:])
    there.run("audit", "verify", "--state", disk.folder / "state")
    for ca in ("online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca"):
        tool("openssl", "verify", "-x509_strict", "-CAfile", there.root / "root.pem", disk.folder / "state" / "trust" / f"{ca}.pem")


def check_root_signs_nothing_that_it_cannot_write_down(scene):
    there = scene.there
    disk = SmallDisk(there.root, "512k")
    out = there.folder / "full.crl"
    before = there.read("root", "show", "--root", there.root)
    disk.fill()
    refused(FAILED, "No space left on device", there.sallyport, "root", "crl", "--root", there.root, "--out", out, "--passphrase-file", there.passphrase_file)
    want(not out.exists() and there.read("root", "show", "--root", there.root)["cas"] == before["cas"], "found something signed, want nothing")
    disk.free()
    there.run("root", "crl", "--root", there.root, "--out", out, "--passphrase-file", there.passphrase_file)
    tool("openssl", "crl", "-in", out, "-CAfile", there.root / "root.pem", "-noout")


def check_factory_issues_nothing_that_is_not_in_its_ledger(scene):
    there = scene.there
    disk = SmallDisk(there.factory, "512k")
    folder = there.folder / "requests"
    folder.mkdir()
    for number in range(20):
        tool("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / f"m-{number}.key",
             "-out", folder / f"m-{number}.csr", "-subj", f"/CN=m-{number}")
    disk.fill()
    done = subprocess.run([there.sallyport, "factory", "issue", "--factory", there.factory, "--batch", folder], capture_output=True, text=True, timeout=60, check=False)
    issued = sorted(folder.glob("m-*.pem"))
    want(done.returncode != 0 and "No space left on device" in done.stderr, f"found exit {done.returncode} {done.stderr[-200:]!r}, want it to say that the disk is full")
    want(len(issued) < 20, "found every certificate issued on a full disk, want this case to show something")
    status = there.read("factory", "status", "--factory", there.factory)
    want(status["issued"] == len(issued), f"found {len(issued)} certificates for {status['issued']} entries, want one each")
    kept = {file: file.read_bytes() for file in issued}
    disk.free()
    there.run("factory", "issue", "--factory", there.factory, "--batch", folder)
    want(all(file.read_bytes() == data for file, data in kept.items()), "found other certificates, want those of before again")
    want(there.read("factory", "status", "--factory", there.factory)["issued"] == 20, "found another number of entries, want 20")
    there.import_ledger()


def check_devices_enrol_once_the_authority_has_room(scene):
    """On a full disk nobody is let in, and who is in stays in; with room they come by themselves."""
    stage, there = scene.stage, scene.there
    scene.devices = stage.make_devices("press-1", "press-2", "press-3")
    disk = SmallDisk(there.state / "authority", "16m")
    there.start()
    first, *later = scene.devices
    stage.bring_online(first)
    scene.name = there.device("press-1")["name"]
    disk.fill()
    for device in later:
        there.start_agent(device)
    log = pathlib.Path(there.server.log)
    wait_for(lambda: log.read_text().count("authority.db: the disk is full; make room") >= len(later), ENROLMENT_SECONDS, "the log to say that the disk is full")
    refused(FAILED, "authority.db: the disk is full; make room", there.sallyport, "device", "alias", "press-1", "other", "--state", there.state)
    devices = {one["serial_id"]: one for one in there.read("device", "list", "--state", there.state)["devices"]}
    want(devices["press-1"]["online"] and devices["press-1"]["alias"] != "other", f"found {devices['press-1']}, want it online and as it was")
    want(all(devices[one.serial_id]["state"] == "manufactured" for one in later), "found a device let in, want none while nothing can be written")
    doctor = there.run("doctor", "--state", there.state, check=False)
    want(doctor.returncode == FAILED and "make room" in doctor.stdout, f"found {doctor.stdout}, want doctor to find the full disk")
    disk.free()
    for device in later:
        stage.wait_online(device, RETRY_SECONDS + ENROLMENT_SECONDS)
    there.run("audit", "verify", "--state", there.state)
    want(stage.is_healthy(), "found doctor complaining, want every service healthy")


def check_agent_takes_only_what_it_can_keep(scene):
    stage, device = scene.stage, scene.devices[0]
    device.agent.stop()
    scene.device_disk = disk = SmallDisk(device.state, "4m")
    stage.restart_agent(device)
    stage.wait_online(device)
    for number in range(5):
        want(scene.send(number) is None, "found a value refused, want it taken")
    disk.fill()
    refusals = [said for number in range(100, 400) if (said := scene.send([number, "x" * 20_000]))]
    want(refusals and all("telemetry.db: the disk is full; make room" in said for said in refusals), f"found {refusals[:1]}, want it to say that the disk is full")
    want(device.agent.running(), "found the agent ended, want it running")
    want(scene.there.device("press-1")["online"], "found the device away, want it online")
    disk.free()
    wait_for(lambda: scene.send(1000) is None, ENROLMENT_SECONDS, "a value to be taken again, by the same process")
    scene.everything_arrives_once()
    # One that starts on a full disk says so and can be started again.
    device.agent.stop()
    disk.fill()
    refused(FAILED, "telemetry.db: the disk is full; make room", scene.there.agent_program, "run", "--state", device.state)
    disk.free()
    stage.restart_agent(device)
    stage.wait_online(device)


def check_gateway_acknowledges_only_what_it_has_written(scene):
    there = scene.there
    scene.device_disk.resize("64m")
    there.server.stop()
    disk = SmallDisk(there.state / "gateway", "8m")
    there.start()
    scene.stage.wait_online(scene.devices[0])
    disk.fill()
    before = len(scene.stored())
    for number in range(2000, 2200):
        want(scene.send([number, "y" * 1000]) is None, "found a value refused, want the agent to keep it")
    log = pathlib.Path(there.server.log)
    wait_for(lambda: "gateway/telemetry.db: the disk is full; make room" in log.read_text(), ENROLMENT_SECONDS, "the log to say that the disk is full")
    want(len(scene.stored()) < before + 200, "found everything stored on a full disk, want this case to show something")
    disk.free()
    scene.everything_arrives_once()


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    unmount_all()
    shutil.rmtree(the_stage.folder, ignore_errors=True)
    sys.exit(outcome)
