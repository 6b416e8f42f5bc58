#!/usr/bin/python3
"""Sealed calls through a broker that reads, drops, repeats, reorders, replays, retains, moves, alters and floods, while nodes are
killed and started again: no call runs twice, each answer is its own call's, and nothing that was sealed is seen. 10,000 calls of one caller;
with --long a million, of four callers at each of four nodes, since a node remembers for an hour what it ran and no caller may fill it.
"""
# test: needs=dev deadline=3600
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
import sr1  # noqa: E402
from cases import want  # noqa: E402
from evil_broker import EvilBroker  # noqa: E402
from stage import play, wait_for  # noqa: E402

LONG = os.environ.get("SALLYPORT_LONG") == "1"
CALLS = int(os.environ.get("SALLYPORT_CALLS", 1_000_000 if LONG else 10_000))
NODES, KEYS = (4, 4) if LONG else (1, 1)
KILLS = 20 if LONG else 4
PARALLEL = 48  # below what a principal may have under way
GARBAGE = 1_000_000 if LONG else 60_000
MOST_RSS_KB = 200_000 if LONG else 120_000
MOST_MARKS_OF_ONE = 65_536  # in an hour: rpcnode::kMaxStartedOfOne
SECONDS = 3_000 if LONG else 400
ANSWERED, UNKNOWN, SILENT = 1, 2, 3


class Node:
    def __init__(self, scene, number):
        self.scene, self.name = scene, f"pump-{number}"
        self.topic = f"{self.name}/api/request"
        self.folder = scene.stage.folder / self.name
        self.log = scene.stage.folder / f"{self.name}.log"
        self.process = None
        self.rpc("init", "--node", self.name, "--broker", scene.broker_url)
        self.keys = []
        for key in range(KEYS):
            made = self.rpc("key-add", "--id", f"caller-{key}", "--allow", "count", "--allow", "look", "--allow", "test", "--calls-per-minute", "1000000")
            file = self.folder / f"caller-{key}.key"
            file.write_text(made)
            file.chmod(0o600)
            self.keys.append(file)

    def rpc(self, verb, *words):
        done = subprocess.run([str(word) for word in (self.scene.agent, "rpc", verb, "--state", self.folder, *words)], capture_output=True,
                              text=True, timeout=30, check=False)
        want(done.returncode == 0, f"rpc {verb}: found {done.stderr}, want status 0")
        return done.stdout

    def is_ready(self):
        return self.log.read_bytes().count(b"rpc.ready") if self.log.exists() else 0

    def start(self):
        before = self.is_ready()
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([str(self.scene.peer), "node", str(self.folder)], stdout=log, stderr=log)
        wait_for(lambda: self.is_ready() > before, 40, f"{self.name} at the broker")

    def kill(self):
        self.process.send_signal(signal.SIGKILL)
        self.process.wait(20)

    def ran_bytes(self):
        file = self.folder / "ran"
        return file.stat().st_size if file.exists() else 0

    def most_memory_kb(self):
        for line in pathlib.Path(f"/proc/{self.process.pid}/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1])
        return 0

    def stop(self):
        if self.process and self.process.poll() is None:
            self.process.terminate()
            self.process.wait(20)


class Calls:
    """A caller's process, and what it says came of each of its calls."""

    def __init__(self, scene, node, key, first, count, parallel=PARALLEL):
        words = [scene.peer, "call", key, node.name, scene.broker_url, first, count, parallel]
        self.said = scene.stage.folder / f"caller-{first}"  # a pipe would be full before anybody reads
        with open(self.said, "wb") as out:
            self.process = subprocess.Popen([str(word) for word in words], stdout=out, stderr=subprocess.PIPE, text=True)

    def finish(self, seconds, outcomes):
        _, errors = self.process.communicate(timeout=seconds)
        print(f"# caller: {errors.strip().splitlines()[-1] if errors.strip() else ''}", flush=True)
        want(self.process.returncode == 0, f"caller: found {errors[-500:]}, want every answer to be its own call's")
        with open(self.said) as said:
            for line in said:
                number, outcome = line.split()
                outcomes[int(number)] = {"answered": ANSWERED, "unknown": UNKNOWN, "silent": SILENT}[outcome]


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.seed = os.environ.get("SALLYPORT_SEED") or secrets.token_hex(8)
        print(f"# SALLYPORT_SEED={self.seed}", flush=True)
        self.broker = EvilBroker(self.seed)
        self.broker_url = f"mqtt://127.0.0.1:{self.broker.port}"
        self.peer = stage.build / "tests" / "rpc" / "rpc_peer"
        self.agent = stage.build / "apps" / "sallyport-agent"
        self.nodes = [Node(self, number) for number in range(1, NODES + 1)]
        self.node = self.nodes[0]

    def ran(self):
        """How often each call ran: by its number."""
        found = bytearray(CALLS + 1_000)
        for node in self.nodes:
            if node.ran_bytes():
                with open(node.folder / "ran") as file:
                    for line in file:
                        found[int(line)] = min(found[int(line)] + 1, 255)
        return found

    def sallyport(self, *words, timeout=40):
        program = self.stage.build / "apps" / "sallyport"
        return subprocess.run([str(word) for word in (program, *words, "--broker", self.broker_url, "--key-file", self.node.keys[0])],
                              capture_output=True, text=True, timeout=timeout, check=False)

    def stop(self):
        for node in self.nodes:
            node.stop()
        self.broker.stop()


@cases.carries_the_rest
def check_a_call_is_answered_through_an_honest_broker(scene):
    for node in scene.nodes:
        node.start()
    done = scene.sallyport("rpc", "call", scene.node.name, "look", '{"marker": "PLAINTEXT-MARKER-look"}', "--idempotent")
    want(done.returncode == 0 and json.loads(done.stdout) == {"marker": "PLAINTEXT-MARKER-look"},
         f"rpc call: found {done.stdout!r} {done.stderr!r}, want the params again")


def check_no_call_runs_twice_while_broker_and_crashes_do_their_worst(scene):
    share = CALLS // (NODES * KEYS)
    want(share < MOST_MARKS_OF_ONE, f"found {share} calls of a caller, want fewer than a node remembers in an hour")
    scene.broker.order("evil")
    began = time.monotonic()
    callers = [Calls(scene, node, key, (place * KEYS + number) * share, share)
               for place, node in enumerate(scene.nodes) for number, key in enumerate(node.keys)]
    every = sum(len(str(number)) + 1 for number in range(share * len(callers)))  # bytes of all runs
    for kill in range(KILLS):
        wait_for(lambda: sum(node.ran_bytes() for node in scene.nodes) >= every * (kill + 1) // (KILLS + 1)
                 or all(one.process.poll() is not None for one in callers), SECONDS, f"{kill + 1} of {KILLS + 1} parts of the calls")
        scene.nodes[kill % NODES].kill()
        scene.nodes[kill % NODES].start()
    outcomes = bytearray(CALLS)
    for one in callers:
        one.finish(SECONDS, outcomes)
    scene.broker.order("calm")
    took, ran, counted = time.monotonic() - began, scene.ran(), collections.Counter(outcomes)
    print(f"# {CALLS} calls in {took:.1f} s, {CALLS / took:.0f} a second: {counted[ANSWERED]} answered, {counted[UNKNOWN]} unknown, {counted[SILENT]} "
          f"silent; nodes {[node.most_memory_kb() for node in scene.nodes]} kB at most; {scene.broker.order('counts')['counts']}", flush=True)
    twice = [number for number, times in enumerate(ran) if times > 1]
    want(not twice, f"calls that ran more than once: found {len(twice)}, {twice[:5]}, want none")
    lied = [number for number, outcome in enumerate(outcomes) if outcome == ANSWERED and not ran[number]]
    want(not lied, f"calls answered that never ran: found {lied[:5]}, want none")
    want(counted[ANSWERED] >= CALLS * 0.98, f"answered: found {counted[ANSWERED]}, want 98 in 100 of {CALLS}")


def check_what_was_seen_is_run_by_nobody_again_after_a_restart(scene):
    before = scene.ran()
    for node in scene.nodes:
        node.kill()
        node.start()
    replayed = sum(scene.broker.order("replay", node.topic)["replayed"] for node in scene.nodes)
    retained = sum(scene.broker.order("retain", node.topic)["retained"] for node in scene.nodes)
    want(replayed > 1_000 and retained > 1_000, f"found {replayed} and {retained} to replay, want thousands")
    done = scene.sallyport("rpc", "call", scene.node.name, "test")
    want(done.returncode == 0, f"a live caller after it: found {done.stderr}, want an answer")
    want(scene.ran() == before, "replayed requests ran: want none")


def check_a_live_caller_is_served_while_garbage_floods_in(scene):
    caller = Calls(scene, scene.node, scene.node.keys[0], CALLS, 200, 4)
    scene.broker.order("flood", scene.node.topic, GARBAGE)
    outcomes = {}
    caller.finish(120, outcomes)
    want(list(outcomes.values()) == [ANSWERED] * 200, f"answered: found {collections.Counter(outcomes.values())}, want all 200")


def check_a_packet_as_long_as_mqtt_allows_costs_no_memory(scene):
    before = scene.node.is_ready()
    scene.broker.order("huge", scene.node.topic)
    wait_for(lambda: scene.node.is_ready() > before, 30, "the node to come back")
    done = scene.sallyport("rpc", "call", scene.node.name, "test")
    want(done.returncode == 0, f"after it: found {done.stderr}, want an answer")
    most = max(node.most_memory_kb() for node in scene.nodes)
    print(f"# nodes: {most} kB at most", flush=True)
    want(most < MOST_RSS_KB, f"memory: found {most} kB, want below {MOST_RSS_KB}")


def check_the_broker_saw_nothing(scene):
    counts = scene.broker.order("counts")["counts"]
    want(counts["bytes"] > CALLS * 100, f"seen: found {counts['bytes']} bytes, want everything that was sent")
    want("in clear" not in counts, f"a marker was seen in clear {counts.get('in clear')} times, want never")
    wire = sr1.Wire(scene.broker.port)
    wire.publish("anything", b"before PLAINTEXT-MARKER after")
    wire.stop()
    want(scene.broker.order("counts")["counts"].get("in clear") == 1, "found nothing where it is in clear, want it seen")


def check_the_audit_trail_is_whole_and_names_every_call(scene):
    for node in scene.nodes:
        node.stop()
        told = node.rpc("audit-verify")
        want("unaltered" in told, f"{node.name}: found {told!r}, want an unaltered trail")


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
