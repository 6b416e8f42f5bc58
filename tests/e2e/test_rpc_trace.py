#!/usr/bin/python3
"""`sallyport rpc trace` of what others say: each message as the broker sees it, what a key opens of it and what nobody can, and what is said
where nothing passed.
"""
# test: needs=dev deadline=180
import json
import pathlib
import signal
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import eva  # noqa: E402
import sr1  # noqa: E402
from cases import want  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402
from stage import Process, free_port, play, wait_for  # noqa: E402

NODE, OTHER = "pump-1", "pump-2"
USAGE, UNREACHABLE = 2, 5
MARKER = "PLAINTEXT-MARKER"


class Tracing:
    """The command, once it listens to `topic`."""

    def __init__(self, scene, topic, *words, as_json=True):
        self.log = scene.stage.folder / f"trace-{time.monotonic()}"
        program = scene.stage.build / "apps" / "sallyport"
        words = [str(word) for word in (program, "rpc", "trace", *words, *(("--json",) if as_json else ()), "--broker", scene.broker.url)]
        self.process = Process("rpc trace", words, self.log)

        def heard():
            scene.wire.publish(topic, b"probe")
            return "probe" in self.log.read_text() or '"bytes":5' in self.log.read_text() or " 5 bytes" in self.log.read_text()
        wait_for(heard, 20, lambda: f"the trace of {topic}; it says {self.log.read_text()!r}")

    def lines(self):
        return [json.loads(line) for line in self.log.read_text().splitlines() if line.startswith("{")]

    def until(self, found, what):
        """The lines, once `found` is true of them."""
        wait_for(lambda: found(self.lines()), 20, lambda: f"{what}; found {self.lines()}")
        return [line for line in self.lines() if line["bytes"] != 5]

    def stop(self):
        return self.process.stop(signal.SIGINT)


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.broker = Mosquitto(stage.folder / "broker")
        self.wire = sr1.Wire(self.broker.port)
        self.nodes = {}
        for name in (NODE, OTHER):
            folder = stage.folder / name
            self.agent(folder, "init", "--node", name, "--broker", self.broker.url)
            with open(folder / "rpc.toml", "a") as settings:
                settings.write('\n[[method]]\nname = "copy"\ncommand = ["/bin/cat"]\nidempotent = true\n')
            for key in ("plant-a", "plant-b"):
                file = stage.folder / f"{name}-{key}.key"
                file.write_text(self.agent(folder, "key-add", "--id", key, "--allow", "copy", "--allow", "test"))
                file.chmod(0o600)
            log = stage.folder / f"{name}.log"
            self.nodes[name] = Process(name, [str(stage.build / "apps" / "sallyport-agent"), "rpc", "run", "--state", str(folder)], log)
            wait_for(lambda log=log: "rpc.ready" in log.read_text(), 20, f"{name} at the broker")

    def agent(self, folder, verb, *words):
        program = self.stage.build / "apps" / "sallyport-agent"
        done = subprocess.run([str(word) for word in (program, "rpc", verb, "--state", folder, *words)], capture_output=True, text=True, timeout=30,
                              check=False)
        want(done.returncode == 0, f"rpc {verb}: found {done.stderr}, want status 0")
        return done.stdout

    def key(self, name=NODE, key="plant-a"):
        return self.stage.folder / f"{name}-{key}.key"

    def run(self, *words, timeout=60):
        program = self.stage.build / "apps" / "sallyport"
        return subprocess.run([str(word) for word in (program, "rpc", *words)], capture_output=True, text=True, timeout=timeout, check=False)

    def call(self, *words, name=NODE, key="plant-a"):
        done = self.run("call", name, "copy", json.dumps({"marker": MARKER}), *words, "--broker", self.broker.url, "--key-file", self.key(name, key))
        want(done.returncode == 0, f"rpc call: found {done.stderr}, want an answer")

    def stop(self):
        for node in self.nodes.values():
            node.stop()
        self.wire.stop()
        self.broker.stop()


def is_whole(lines):
    return any(line["kind"] == "REPLY" for line in lines)


def check_foreign_call_is_shown_as_the_broker_sees_it(scene):
    tracing = Tracing(scene, f"{NODE}/api/request", NODE)
    scene.call()
    lines = tracing.until(is_whole, "a call")
    want([line["kind"] for line in lines] == ["INIT", "ACCEPT", "DATA", "REPLY"], f"found {lines}, want a call's four messages")
    init, accept, data, reply = lines
    want(len(init["mark"]) == 12 and "mark" not in accept and len(data["mark"]) == len(reply["mark"]) == 16, f"found {lines}, want hint and tags")
    want(init["topic"] == data["topic"] == f"{NODE}/api/request" and accept["topic"] == reply["topic"] and accept["topic"].startswith("r/"), f"found {lines}")
    want("without the key" in init["note"] and all("cannot be opened" in line["note"] for line in lines), f"found {lines}, want what cannot be opened said")
    sent = {payload.hex()[:18]: len(payload) for _, payload in scene.broker.messages()}
    want(all(line["bytes"] in sent.values() for line in lines), f"found {lines}, want the lengths at the broker")
    want(not any(line["retained"] or line["duplicate"] for line in lines), f"found {lines}, want neither flag")
    said = tracing.log.read_text()
    want(not any(word in said for word in (MARKER, "copy", "plant-a", '"call"', '"method"')), f"found {said!r}, want nothing of what is sealed")
    want(tracing.stop() == 0, "found another status after Ctrl-C, want 0")


def check_key_shows_which_calls_are_its_and_nothing_that_follows(scene):
    tracing = Tracing(scene, f"{NODE}/api/request", NODE, "--key-file", scene.key())
    call = str(uuid.UUID(bytes=sr1.new_id(time.time())))
    scene.call("--idempotent", "--id", call)
    lines = tracing.until(is_whole, "a call")
    want(lines[0]["kind"] == "INIT" and lines[0]["call"] == call and lines[0]["method"] == "copy", f"found {lines[0]}, want the call of this key")
    want(lines[1]["kind"] == "ACCEPT" and lines[1]["call"] == call and "this key opened" in lines[1]["note"], f"found {lines[1]}, want its session")
    want(all("cannot be opened" in line["note"] for line in lines[1:]), f"found {lines}, want the rest closed to a key too")
    want(MARKER not in tracing.log.read_text(), "found the params, want the method alone")
    tracing.stop()


def check_call_of_another_key_is_told_apart(scene):
    tracing = Tracing(scene, f"{NODE}/api/request", NODE, "--key-file", scene.key(key="plant-b"))
    scene.call("--idempotent")
    lines = tracing.until(is_whole, "a call")
    want(lines[0]["note"] == "of another key" and "call" not in lines[0] and "method" not in lines[0], f"found {lines[0]}, want it closed")
    want("does not say" in lines[1]["note"], f"found {lines[1]}, want nobody's session")
    tracing.stop()


def check_without_a_node_all_of_them_are_shown(scene):
    tracing = Tracing(scene, f"{OTHER}/api/request")
    scene.call()
    scene.call(name=OTHER)
    lines = tracing.until(lambda found: sum(line["kind"] == "REPLY" for line in found) == 2, "two calls")
    want({line["topic"] for line in lines if line["kind"] == "INIT"} == {f"{NODE}/api/request", f"{OTHER}/api/request"}, f"found {lines}, want both nodes")
    tracing.stop()


def check_topics_of_ones_own_show_old_formats_and_what_is_none(scene):
    tracing = Tracing(scene, "controller/probe", "--topic", "controller/#")
    scene.wire.publish("controller/uc/x/api/request", b"\x00\x02default\x00" + eva.seal("a-secret-of-theirs", bytes(64)))
    scene.wire.publish("controller/uc/x/api/request", b"|master|" + eva.fernet("a-secret-of-theirs").encrypt(b"1|{}"))
    scene.wire.publish("controller/uc/x/api/request", b"\x00\x02\x1b[31m\x00" + bytes(80))
    scene.wire.publish("controller/x", bytes(range(256)))
    scene.call()  # on other topics
    lines = tracing.until(lambda found: any(line["bytes"] == 256 for line in found), "the last of them")
    want([line["kind"] for line in lines[:2]] == ["EVA", "EVA"] and "'default'" in lines[0]["note"] and "'master'" in lines[1]["note"], f"found {lines}")
    want(lines[-1]["kind"] == "unknown" and all(line["topic"].startswith("controller/") for line in lines), f"found {lines}, want those topics alone")
    want("\x1b" not in tracing.log.read_text(), "found a control character, want none")
    tracing.stop()


def check_retained_messages_are_marked(scene):
    scene.wire.publish(f"{NODE}/api/request", b"\x54" + bytes(40), retain=True)
    tracing = Tracing(scene, f"{NODE}/api/request", NODE)
    lines = tracing.until(lambda found: any(line["kind"] == "DATA" for line in found), "what lay there")
    want([line["retained"] for line in lines if line["kind"] == "DATA"] == [True], f"found {lines}, want it marked")
    scene.wire.publish(f"{NODE}/api/request", b"", retain=True)
    lines = tracing.until(lambda found: any(line["kind"] == "nothing" for line in found), "its end")
    tracing.stop()


def check_lines_for_people_have_the_same(scene):
    tracing = Tracing(scene, f"{NODE}/api/request", NODE, "--key-file", scene.key(), as_json=False)
    scene.call("--idempotent")
    wait_for(lambda: "REPLY" in tracing.log.read_text() or "in a session" in tracing.log.read_text(), 20, lambda: tracing.log.read_text())
    said = tracing.log.read_text()
    want("INIT" in said and "of this key: call" in said and "copy" in said and f"{NODE}/api/request" in said, f"found {said!r}, want a line of it")
    want(MARKER not in said, "found the params, want none")
    tracing.stop()


def check_trace_of_ones_own_call_is_as_before(scene):
    done = scene.run("trace", NODE, "test", "--broker", scene.broker.url, "--key-file", scene.key())
    want(done.returncode == 0 and json.loads(done.stdout)["ok"] is True, f"found {done.stdout!r} {done.stderr!r}, want the result")
    want([line.split()[3] for line in done.stderr.splitlines()] == ["INIT", "ACCEPT", "DATA", "REPLY"], f"found {done.stderr!r}, want four messages")


def check_nothing_seen_is_explained(scene):
    done = scene.run("trace", "nobody-1", "--once", "--timeout", "1s", "--broker", scene.broker.url)
    want(done.returncode == 0 and not done.stdout, f"found {done.returncode} {done.stdout!r}, want no line")
    want(all(word in done.stderr for word in ("nothing passed", "nobody-1/api/request", "--prefix", "rules")), f"found {done.stderr!r}, want to be told why")


def check_broker_that_is_not_there_is_an_error(scene):
    port = free_port()
    done = scene.run("trace", NODE, "--once", "--timeout", "1s", "--broker", f"mqtt://127.0.0.1:{port}")
    want(done.returncode == UNREACHABLE and str(port) in done.stderr, f"found {done.returncode} {done.stderr!r}, want the broker named")


def check_what_cannot_be_is_refused(scene):
    for what, words in (("no broker", (NODE,)), ("a node that is none", ("a/b", "--broker", scene.broker.url)),
                        ("a key without its node", ("--key-file", scene.key(), "--broker", scene.broker.url)),
                        ("a filter that is none", ("--topic", "a/#/b", "--once", "--timeout", "1s", "--broker", scene.broker.url)),
                        ("a certificate", (NODE, "--identity", "/nowhere", "--zone", "x.example", "--broker", scene.broker.url))):
        done = scene.run("trace", *words)
        want(done.returncode == USAGE and done.stderr, f"{what}: found {done.returncode} {done.stderr!r}, want {USAGE}")
    done = scene.run("trace", NODE, "--key-file", "/nowhere", "--broker", scene.broker.url)
    want(done.returncode != 0 and "/nowhere" in done.stderr, f"found {done.returncode} {done.stderr!r}, want the file named")


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
