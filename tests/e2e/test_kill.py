#!/usr/bin/python3
"""kill -9 of every process in turn under load. Everything comes back by itself; no telemetry item that was acknowledged is
missing or there twice; no certificate exists without a record. Ten kills, fifty with --long.
"""
# test: needs=dev deadline=900 heavy
import http.client
import json
import os
import pathlib
import signal
import socket
import sqlite3
import ssl
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from est import Est  # noqa: E402
from stage import CONSOLE, ZONE, Stage, wait_for  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

TURNS = ["signer", "authority", "gateway", "console", "status", "relay", "agent", "relay", "authority", "gateway"]
KILLS = 50 if os.environ.get("SALLYPORT_LONG") == "1" else len(TURNS)
BACK_SECONDS = 60
STREAM = "load"
PACE_SECONDS = 0.02
ISSUED, REVOKED = 2, 4


class UnixConnection(http.client.HTTPConnection):
    def __init__(self, path):
        super().__init__("agent", timeout=20)
        self.path = path

    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(str(self.path))


class Load:
    """Work that goes on while processes die. Each piece runs in a thread, tries again whatever fails, and counts what was
    done."""

    def __init__(self, stage, device):
        self.stage = stage
        self.device = device
        self.name = stage.there.device(device.serial_id)["name"]
        self.acknowledged = []
        self.pages = 0
        self.renewals = 0
        self.serials = set()  # of every certificate that anybody was given
        self.problems = []
        self.stopping = threading.Event()
        self.threads = [threading.Thread(target=self.repeat, args=(work,), daemon=True) for work in (self.post, self.fetch, self.renew)]
        self.number = 0
        self.user = None
        self.est = None

    def start(self):
        for thread in self.threads:
            thread.start()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(60)

    def repeat(self, work):
        while not self.stopping.is_set():
            try:
                work()
            except (OSError, http.client.HTTPException, ssl.SSLError, AssertionError, cases.Failed):
                pass  # somebody was killed; the next try is another
            except Exception as error:
                self.problems.append(f"{work.__name__}: {type(error).__name__}: {error}")
                return
            self.stopping.wait(PACE_SECONDS)

    def post(self):
        """One number, once: whether it was taken is known by the answer alone, and what was not taken is not sent again."""
        self.number += 1
        connection = UnixConnection(self.device.state / "run" / "agent.sock")
        try:
            connection.request("POST", f"/telemetry/{STREAM}", json.dumps({"value": self.number}), {"Content-Type": "application/json"})
            response = connection.getresponse()
            response.read()
            if response.status < 300:
                self.acknowledged.append(self.number)
        finally:
            connection.close()

    def fetch(self):
        """A page, by a new grant through a new connection."""
        try:
            if self.user is None:
                self.user = ConsoleUser(self.stage.there)
            grant = self.user.grant(self.name)
        except (OSError, AssertionError):
            self.user = None
            raise
        with grant.come_in() as line:
            if line.ask("GET", "/", grant.headers()).status == 200:
                self.pages += 1
        self.user.call("POST", f"/sessions/{grant.id}/end")

    def renew(self):
        """A certificate for a new key, asked for until the answer is there."""
        est = self.est
        operation = "simplereenroll" if est.current else "simpleenroll"
        if est.pending is None:
            est.pending = est.make_request(f"key-{self.renewals}")
        status, _, chain = est.send(est.pending, operation=operation, identity=est.current)
        if status == "200":
            self.serials.add(x509.load_pem_x509_certificate(chain).serial_number)
            est.current = est.keep(f"key-{self.renewals}", chain)
            est.pending = None
            self.renewals += 1
        elif status in ("400", "403"):
            raise RuntimeError(f"status {status} to {operation}")


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.kills = 0

    def set_up(self):
        stage = self.stage
        stage.set_up()
        self.device, = stage.make_devices("press-1")
        stage.bring_online(self.device)
        renewing, = stage.make_devices("renew-1")
        self.load = Load(stage, self.device)
        self.load.est = Est(stage, renewing)
        self.load.start()
        stage.closing.append(self.load.stop)
        self.wait_for_work("before anything was killed")

    def wait_for_work(self, when):
        """Every kind of work is done again: it began after now and ended well."""
        load = self.load
        before = (len(load.acknowledged), load.pages, load.renewals)

        def done():
            want(not load.problems, f"found {load.problems}, want none ({when})")
            now = (len(load.acknowledged), load.pages, load.renewals)
            return all(after > earlier + 1 for after, earlier in zip(now, before))

        try:
            wait_for(done, BACK_SECONDS, f"work {when}")
        except Exception as error:
            now = (len(load.acknowledged), load.pages, load.renewals)
            raise cases.Failed(f"found {now} items, pages and certificates after {before}, want more of each {when}\n"
                               f"{self.device.agent.tail(4)}\n{self.stage.there.server.tail(12)}") from error

    def kill(self, what):
        if what == "agent":
            self.device.agent.child.kill()
            self.device.agent.child.wait()
            self.stage.restart_agent(self.device)  # as systemd does
        else:
            pids = self.stage.pids_of(what)
            victim = pids[self.kills % len(pids)]
            os.kill(victim, signal.SIGKILL)
            wait_for(lambda: victim not in self.stage.pids_of(what) and len(self.stage.pids_of(what)) == len(pids), BACK_SECONDS,
                     f"the supervisor to start {what} again")
        self.kills += 1

    def records(self):
        path = self.stage.there.state / "authority" / "authority.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as database:
            return database.execute("SELECT serial, kind, state, der FROM certificate").fetchall()

    def stored(self):
        path = self.stage.there.state / "gateway" / "telemetry.db"
        with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as database:
            rows = database.execute("SELECT item.payload FROM item JOIN stream ON item.stream = stream.id WHERE stream.name = ?", (STREAM,)).fetchall()
        return [json.loads(payload) for payload, in rows]


@cases.carries_the_rest
def check_installation_comes_up_and_works(scene):
    scene.set_up()


def check_everything_comes_back_after_every_kill(scene):
    for number in range(KILLS):
        what = TURNS[number % len(TURNS)]
        scene.kill(what)
        scene.wait_for_work(f"after kill {number + 1} of {KILLS}, of {what}")
    doctor = scene.stage.doctor()
    want(doctor.returncode == 0, f"found doctor complaining, want every service healthy\n{doctor.stdout}{doctor.stderr}")


def check_no_acknowledged_item_is_missing_or_doubled(scene):
    load = scene.load
    load.stop()
    want(not load.problems, f"found {load.problems}, want none")
    acknowledged = set(load.acknowledged)
    wait_for(lambda: acknowledged <= set(scene.stored()), BACK_SECONDS, f"all of {len(acknowledged)} acknowledged items at the gateway")
    stored = scene.stored()
    want(len(stored) == len(set(stored)), f"found {len(stored) - len(set(stored))} items twice among {len(stored)}, want each once")


def check_no_certificate_is_without_record(scene):
    rows = scene.records()
    known = {int.from_bytes(serial, "big") for serial, _, state, der in rows if state in (ISSUED, REVOKED) and der}
    incomplete = [serial.hex() for serial, _, state, der in rows if state in (ISSUED, REVOKED) and not der]
    want(not incomplete, f"found records of issued certificates without the certificate: {incomplete}, want none")
    seen = set(scene.load.serials)
    for file in scene.device.state.glob("*.pem"):
        if file.name.startswith(("operational", "web", "factory")):
            seen.add(x509.load_pem_x509_certificate(file.read_bytes()).serial_number)
    for name in (f"gateway.{ZONE}", f"status.{ZONE}", CONSOLE):
        seen.add(x509.load_der_x509_certificate(scene.stage.server_certificate(name)).serial_number)
    want(len(seen) > scene.load.renewals, f"found {len(seen)} certificates, want more than the renewed")
    unknown = [format(serial, "x") for serial in seen - known]
    want(not unknown, f"found certificates without record: {unknown}, want none of {len(seen)}")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
