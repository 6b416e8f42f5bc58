#!/usr/bin/python3
"""The relay under users' traffic: one of several workers is killed, and users of the others' devices see nothing; all are replaced
by `sallyport restart relay`, and nobody sees anything; what cannot start replaces nobody.
"""
# test: needs=dev deadline=300
import json
import os
import pathlib
import re
import shutil
import signal
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import Stage, wait_for  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

WORKERS = 3
DEVICES = 8
PACE_SECONDS = 0.05
NEW_EVERY = 5
BACK_SECONDS = 30
REPLACED_AGAIN_SECONDS = 80  # kReplaceAgain of the supervisor, and what it takes to replace


class Traffic:
    """A user of one device: requests on one connection that is kept, and now and then one on a new connection. What fails is noted, and
    he goes on with a new connection."""

    def __init__(self, there, user, name):
        self.name = name
        self.grant = user.grant(name)
        self.line = self.grant.come_in()
        self.failures = []
        self.answers = self.connections = 0
        self.stopping = threading.Event()
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def ask(self, line):
        answer = line.ask("GET", "/", self.grant.headers())
        if answer.status != 200:
            raise ConnectionError(f"status {answer.status}")
        self.answers += 1

    def run(self):
        number = 0
        while not self.stopping.wait(PACE_SECONDS):
            number += 1
            try:
                if self.line is None:
                    self.line = self.grant.line()
                self.ask(self.line)
                if number % NEW_EVERY == 0:
                    self.connections += 1
                    with self.grant.line() as line:
                        self.ask(line)
            except OSError as error:
                self.failures.append(f"{time.strftime('%H:%M:%S')} {type(error).__name__}: {error}")
                self.line = None

    def stop(self):
        self.stopping.set()
        self.thread.join(30)


class Scene(Stage):
    traffic = ()

    def set_up(self):
        there = self.prepare(count=DEVICES)
        file = there.state / "sallyport.toml"
        file.write_text(re.sub(r"(?m)^workers = .*$", f"workers = {WORKERS}", file.read_text()))
        # What is replaced on disk must not be what the other tests run.
        programs = self.folder / "programs"
        programs.mkdir()
        self.installed = programs / "sallyport"
        shutil.copy(there.sallyport, self.installed)
        self.built, there.sallyport = there.sallyport, str(self.installed)
        there.start()
        self.devices = self.make_devices(*[f"press-{number}" for number in range(1, DEVICES + 1)])
        self.bring_online(*self.devices)
        user = ConsoleUser(there)
        self.traffic = [Traffic(there, user, there.device(device.serial_id)["name"]) for device in self.devices]
        self.closing += [one.stop for one in self.traffic]

    def connections_of(self, device):
        return self.agent_log(device).count("agent.control-up")

    def begin(self):
        """What everybody has seen so far is forgotten."""
        for one in self.traffic:
            one.failures.clear()
            one.answers = one.connections = 0
        return [self.connections_of(device) for device in self.devices]

    def flows(self, traffic):
        """All of it has had answers, on new connections too."""
        before = [(one.answers, one.connections) for one in traffic]
        wait_for(lambda: all(one.answers > answers + 10 and one.connections > connections + 1
                             for one, (answers, connections) in zip(traffic, before)), BACK_SECONDS,
                 lambda: f"traffic to flow; failures: {[one.failures[-1:] for one in traffic]}")


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()
    scene.flows(scene.traffic)
    want(len(scene.pids_of("relay")) == WORKERS, f"{WORKERS} workers, found {len(scene.pids_of('relay'))}")


def check_killed_worker_is_noticed_by_its_own_users_alone(scene):
    before = scene.begin()
    victim = scene.pids_of("relay")[0]
    os.kill(victim, signal.SIGKILL)
    began = time.monotonic()
    wait_for(lambda: len(scene.pids_of("relay")) == WORKERS and victim not in scene.pids_of("relay"), 5, "the worker to be started again")
    took = time.monotonic() - began
    scene.flows(scene.traffic)
    hit = [device for device, count in zip(scene.devices, before) if scene.connections_of(device) > count]
    others = [one for device, one in zip(scene.devices, scene.traffic) if device not in hit]
    print(f"# {len(hit)} of {DEVICES} devices were the worker's, which was back after {took:.2f} s")
    want(others, "devices of other workers")
    want(not any(one.failures for one in others), f"users of the others see: {[one.failures[-1:] for one in others]}")


def check_replaced_workers_are_noticed_by_nobody(scene):
    before = scene.begin()
    scene.old = old = scene.pids_of("relay")
    told = json.loads(scene.there.run("restart", "relay", "--state", scene.there.state, "--json").stdout)
    want(len(told["replaced"]) == WORKERS, f"{WORKERS} workers replaced, found {told}")
    want(not {worker["pid"] for worker in told["replaced"]} & set(old), "other processes")

    scene.replaced_at = time.monotonic()

    def moved():
        return all(scene.connections_of(device) > count for device, count in zip(scene.devices, before))

    wait_for(moved, BACK_SECONDS, "every device at a new process")
    scene.flows(scene.traffic)
    want(not any(one.failures for one in scene.traffic), f"nobody to notice, but: {[one.failures[:2] for one in scene.traffic]}")
    asked = sum(one.answers for one in scene.traffic), sum(one.connections for one in scene.traffic)
    print(f"# {asked[0]} answers, {asked[1]} new connections, on the old connections all the while")
    want(set(old) <= set(scene.pids_of("relay")), "the old processes to stay with their users")


def check_second_restart_right_after_it_changes_nothing(scene):
    before = scene.pids_of("relay")
    done = scene.there.run("restart", "relay", "--state", scene.there.state, "--wait", "4", check=False)
    want(done.returncode != 0 and "0 of 3" in done.stderr, f"found {done.returncode} {done.stderr}, want a failure that says so")
    want(scene.pids_of("relay") == before, "the processes of before")
    want("supervisor.replaced-just-now" in scene.there.server.tail(200), "the supervisor to say so")


def check_old_worker_ends_with_its_last_user(scene):
    for one in scene.traffic:
        one.stop()
        one.line.close()
    wait_for(lambda: not set(scene.old) & set(scene.pids_of("relay")), 100, "the old workers to end")


def check_program_that_cannot_start_replaces_nobody(scene):
    broken = scene.installed.with_suffix(".new")
    broken.write_bytes(b"#!/bin/false\n")
    broken.chmod(0o755)
    os.replace(broken, scene.installed)
    time.sleep(max(0, scene.replaced_at + REPLACED_AGAIN_SECONDS - time.monotonic()))
    before = [scene.connections_of(device) for device in scene.devices]
    old = scene.pids_of("relay")
    done = scene.there.run("restart", "relay", "--state", scene.there.state, "--wait", "8", program=scene.built, check=False)
    want(done.returncode != 0 and "0 of 3" in done.stderr, f"a failure that says so, found {done.returncode} {done.stderr}")
    want("supervisor.replacing-stopped" in scene.there.server.tail(200), "the supervisor to say so")
    want(set(old) <= set(scene.pids_of("relay")), "the old workers to go on")
    want([scene.connections_of(device) for device in scene.devices] == before, "every device where it was")


if __name__ == "__main__":
    with Scene(cases.arguments().build) as stage:
        sys.exit(cases.run(globals(), stage))
