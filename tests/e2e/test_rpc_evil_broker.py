#!/usr/bin/python3
"""Sealed calls through a broker that reads, drops, repeats, reorders, replays, retains, moves, alters and floods, while the node is
killed and started again: no call runs twice, each answer is its own call's, and nothing that was sealed is seen. 10,000 calls; a million with --long.
"""
# test: needs=dev deadline=600
import collections
import json
import os
import pathlib
import secrets
import signal
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import Stage, wait_for  # noqa: E402

LONG = os.environ.get("SALLYPORT_LONG") == "1"
CALLS = 1_000_000 if LONG else 10_000
KILLS = 20 if LONG else 4
PARALLEL = 48  # below what a principal may have under way
NODE = "pump-1"
TOPIC = f"{NODE}/api/request"
GARBAGE = 1_000_000 if LONG else 60_000
MOST_RSS_KB = 200_000 if LONG else 120_000
MARKER = b"PLAINTEXT-MARKER"


class Broker:
    def __init__(self, folder, seed):
        self.record = folder / "broker.record"
        words = [sys.executable, pathlib.Path(__file__).resolve().parents[1] / "support" / "evil_broker.py", "--record", self.record,
                 "--seed", seed, "--calm"]
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def order(self, *words):
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()
        return json.loads(self.process.stdout.readline())

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.folder = stage.folder / "rpc"
        self.seed = os.environ.get("SALLYPORT_SEED") or secrets.token_hex(8)
        print(f"# SALLYPORT_SEED={self.seed}", flush=True)
        self.broker = Broker(stage.folder, self.seed)
        self.peer = stage.build / "tests" / "rpc" / "rpc_peer"
        self.agent = stage.build / "apps" / "sallyport-agent"
        self.outcomes = {}
        self.rpc("init", "--node", NODE, "--broker", f"mqtt://127.0.0.1:{self.broker.port}")
        made = self.rpc("key-add", "--id", "caller", "--allow", "count", "--allow", "look", "--allow", "test", "--calls-per-minute", "1000000")
        key = self.folder / "caller.key"
        key.write_text(made)
        key.chmod(0o600)
        self.node = None

    def rpc(self, verb, *words):
        done = subprocess.run([str(word) for word in (self.agent, "rpc", verb, "--state", self.folder, *words)], capture_output=True,
                              text=True, timeout=30, check=False)
        want(done.returncode == 0, f"rpc {verb}: found {done.stderr}, want status 0")
        return done.stdout

    def start_node(self):
        log = open(self.stage.folder / "node.log", "ab")
        self.node = subprocess.Popen([str(self.peer), "node", str(self.folder)], stdout=log, stderr=log)
        before = self.clients()
        wait_for(lambda: self.clients() > before or self.clients() > 0, 20, "the node at the broker")

    def clients(self):
        return self.broker.order("counts")["clients"]

    def kill_node(self):
        self.node.send_signal(signal.SIGKILL)
        self.node.wait(20)

    def begin_calls(self, first, count, parallel=PARALLEL):
        words = [self.peer, "call", self.folder, NODE, f"mqtt://127.0.0.1:{self.broker.port}", first, count, parallel]
        self.said = self.stage.folder / f"caller-{first}"  # a pipe would be full before anybody reads
        with open(self.said, "wb") as out:
            return subprocess.Popen([str(word) for word in words], stdout=out, stderr=subprocess.PIPE, text=True)

    def finish_calls(self, process, seconds):
        _, errors = process.communicate(timeout=seconds)
        print(f"# caller: {errors.strip().splitlines()[-1] if errors.strip() else ''}", flush=True)
        want(process.returncode == 0, f"caller: found {errors[-500:]}, want every answer to be its own call's")
        found = dict(line.split() for line in self.said.read_text().splitlines())
        self.outcomes.update({int(number): outcome for number, outcome in found.items()})
        return collections.Counter(found.values())

    def ran(self):
        return collections.Counter(int(line) for line in (self.folder / "ran").read_text().split())

    def rss_kb(self):
        for line in pathlib.Path(f"/proc/{self.node.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0

    def sallyport(self, *words, timeout=40):
        program = self.stage.build / "apps" / "sallyport"
        return subprocess.run([str(word) for word in (program, *words, "--broker", f"mqtt://127.0.0.1:{self.broker.port}", "--key-file",
                                                      self.folder / "caller.key")], capture_output=True, text=True, timeout=timeout, check=False)

    def stop(self):
        if self.node and self.node.poll() is None:
            self.node.terminate()
            self.node.wait(20)
        self.broker.stop()


@cases.carries_the_rest
def check_a_call_is_answered_through_an_honest_broker(scene):
    scene.start_node()
    done = scene.sallyport("rpc", "call", NODE, "look", '{"marker": "PLAINTEXT-MARKER-look"}', "--idempotent")
    want(done.returncode == 0 and json.loads(done.stdout) == {"marker": "PLAINTEXT-MARKER-look"},
         f"rpc call: found {done.stdout!r} {done.stderr!r}, want the params again")


def check_no_call_runs_twice_while_broker_and_crashes_do_their_worst(scene):
    scene.broker.order("evil")
    began = time.monotonic()
    calls = scene.begin_calls(0, CALLS)
    share = CALLS // (KILLS + 1)
    for kill in range(1, KILLS + 1):
        wait_for(lambda: len(scene.ran()) >= kill * share or calls.poll() is not None, 1_200, f"{kill * share} calls")
        scene.kill_node()
        scene.start_node()
    counted = scene.finish_calls(calls, 3_000 if LONG else 400)
    scene.broker.order("calm")
    ran = scene.ran()
    twice = {number: times for number, times in ran.items() if times > 1}
    print(f"# {CALLS} calls in {time.monotonic() - began:.1f} s: {dict(counted)}; {scene.broker.order('counts')['counts']}", flush=True)
    want(not twice, f"calls that ran more than once: found {dict(list(twice.items())[:5])}, want none")
    lied = [number for number, outcome in scene.outcomes.items() if outcome == "answered" and number not in ran]
    want(not lied, f"calls answered that never ran: found {lied[:5]}, want none")
    want(counted["answered"] >= CALLS * 0.98, f"answered: found {counted}, want 98 in 100 of {CALLS}")


def check_what_was_seen_is_run_by_nobody_again_after_a_restart(scene):
    before = scene.ran()
    scene.kill_node()
    scene.start_node()
    replayed = scene.broker.order("replay", TOPIC)["replayed"]
    retained = scene.broker.order("retain", TOPIC)["retained"]
    want(replayed > 1_000 and retained > 1_000, f"found {replayed} and {retained} to replay, want thousands")
    done = scene.sallyport("rpc", "call", NODE, "test")
    want(done.returncode == 0, f"a live caller after it: found {done.stderr}, want an answer")
    want(scene.ran() == before, "replayed requests ran: want none")


def check_a_live_caller_is_served_while_garbage_floods_in(scene):
    flooder = scene.begin_calls(CALLS, 200, 4)
    scene.broker.order("flood", TOPIC, GARBAGE)
    counted = scene.finish_calls(flooder, 120)
    want(counted["answered"] == 200, f"answered: found {counted}, want all 200")


def check_a_packet_as_long_as_mqtt_allows_costs_no_memory(scene):
    scene.broker.order("huge", TOPIC)
    wait_for(lambda: scene.clients() == 1, 30, "the node to come back")
    done = scene.sallyport("rpc", "call", NODE, "test")
    want(done.returncode == 0, f"after it: found {done.stderr}, want an answer")
    most = scene.rss_kb()
    print(f"# node: {most} kB at most", flush=True)
    want(most < MOST_RSS_KB, f"memory: found {most} kB, want below {MOST_RSS_KB}")


def check_the_broker_saw_nothing(scene):
    with open(scene.broker.record, "rb") as record:
        seen, before = 0, b""
        while piece := record.read(1 << 22):
            want(MARKER not in before + piece, "a marker was seen in clear")
            before = piece[-len(MARKER):]
            seen += len(piece)
    want(seen > CALLS * 100, f"recorded: found {seen} bytes, want everything that was sent")


def check_the_audit_trail_is_whole_and_names_every_call(scene):
    scene.node.terminate()
    scene.node.wait(20)
    told = scene.rpc("audit-verify")
    want("unaltered" in told, f"found {told!r}, want an unaltered trail")


def main():
    given = cases.arguments()
    with Stage(given.build.resolve()) as stage:
        scene = Scene(stage)
        try:
            return cases.run(globals(), scene)
        finally:
            scene.stop()


if __name__ == "__main__":
    sys.exit(main())
