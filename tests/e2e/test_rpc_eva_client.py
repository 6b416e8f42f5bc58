#!/usr/bin/python3
"""Controllers of EVA ICS v3 called, found and watched by `sallyport rpc … --eva` through mosquitto: one written for the tests
(tests/support/eva.py, paho), which may lie, and our own gateway (tests/eva_peer). Answers that are no answers end nothing; what is announced
and nobody has signed is shown as that.
"""
# test: needs=dev deadline=300
import json
import pathlib
import queue
import signal
import subprocess
import sys
import threading
import time
import uuid
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import msgpack  # noqa: E402
import paho.mqtt.client as mqtt  # noqa: E402

import eva  # noqa: E402
from cases import want  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402
from stage import Process, free_port, play, wait_for  # noqa: E402

SECRET, OTHER = "a-key-of-old-controllers", "the-key-of-somebody-else"
FAILED, USAGE, REFUSED, UNREACHABLE = 1, 2, 4, 5
FORMATS = ("binary", "zlib", "text")
HONEST, OURS = "uc/plant1", "uc/plant2"


class Controller:
    """A controller of the old kind, by an independent hand. `behave` gets (this, id of the topic, body, payload)."""

    def __init__(self, port, name, frames, space="", key=SECRET):
        self.name, self.frames, self.space, self.key = name, frames, f"{space}/" if space else "", key
        self.behave = Controller.answer
        self.heard = []
        self.granted = queue.Queue()
        self.client = mqtt.Client()
        self.client.on_message = self.take
        self.client.on_subscribe = lambda *_: self.granted.put(True)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe(f"{self.space}controller/{name}/api/request", qos=1)
        self.granted.get(timeout=10)

    def take(self, _client, _data, message):
        try:
            call_id, body = self.frames.open_request(message.payload)
        except (eva.Refused, ValueError, zlib.error) as refused:
            self.heard.append(refused)
            return
        self.heard.append(body)
        self.behave(self, call_id, body, message.payload)

    def topic(self, call_id):
        return f"{self.space}controller/{self.name}/api/response/{call_id}"

    def say(self, call_id, payload, retain=False):
        self.client.publish(self.topic(call_id), payload, qos=1, retain=retain)

    def response(self, body, result=None, error=None, key=None, number=None):
        told = {"jsonrpc": "2.0", "id": number or body["id"]} | ({"error": error} if error else {"result": result})
        return self.frames.response(told, int(time.time()), key)

    def introduction(self):
        kind, _, system = self.name.partition("/")
        return {"ok": True, "product_code": kind, "system": system, "time": time.time(), "version": "3.4.2", "product_build": 2021}

    def answer(self, call_id, body, _):
        if body["params"].get("k") != self.key:
            return self.say(call_id, self.response(body, error={"code": 2, "message": "no key"}))
        if body["method"] == "test":
            return self.say(call_id, self.response(body, self.introduction()))
        if body["method"] == "echo":
            return self.say(call_id, self.response(body, {name: value for name, value in body["params"].items() if name != "k"}))
        return self.say(call_id, self.response(body, error={"code": {"locked": 2, "busy": 13}.get(body["method"], 6), "message": "said so"}))

    def stop(self):
        self.client.loop_stop()
        self.client.disconnect()


class Gateway:
    """Ours, with nothing of ours between it and the broker."""

    def __init__(self, scene, name):
        program = scene.stage.build / "tests" / "eva_peer" / "eva_peer"
        self.process = subprocess.Popen([str(program)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.lock = threading.Lock()
        self.counts = {}
        told = self.order({"do": "gateway", "self": name, "space": "", "keys": [{"id": "default", "secret": SECRET}]})
        self.client = mqtt.Client()
        self.granted = queue.Queue()
        self.client.on_message = self.take
        self.client.on_subscribe = lambda *_: self.granted.put(True)
        self.client.connect("127.0.0.1", scene.broker.port)
        self.client.loop_start()
        self.client.subscribe(told["subscription"], qos=1)
        self.granted.get(timeout=10)

    def order(self, line):
        with self.lock:
            self.process.stdin.write(json.dumps(line) + "\n")
            self.process.stdin.flush()
            return json.loads(self.process.stdout.readline())

    def take(self, _client, _data, message):
        told = self.order({"do": "message", "topic": message.topic, "payload": message.payload.hex(), "retained": bool(message.retain),
                           "now": int(time.time())})
        self.counts = told["counts"]
        for each in told["published"]:
            self.client.publish(each["topic"], bytes.fromhex(each["payload"]), qos=1)

    def stop(self):
        self.client.loop_stop()
        self.client.disconnect()
        self.process.stdin.close()
        self.process.wait(10)


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.broker = Mosquitto(stage.folder / "broker")
        self.key, self.other = self.secret("default", SECRET), self.secret("other", OTHER)
        self.controllers = {name: Controller(self.broker.port, f"uc/{name}", eva.Frames(name, "default", SECRET)) for name in FORMATS}
        self.gateway = Gateway(self, OURS)

    def secret(self, name, text, mode=0o600):
        file = self.stage.folder / f"{name}.eva"
        file.write_text(text + "\n")
        file.chmod(mode)
        return file

    def run(self, *words):
        program = self.stage.build / "apps" / "sallyport"
        return subprocess.run([str(word) for word in (program, "rpc", *words)], capture_output=True, text=True, timeout=60, check=False)

    def call(self, target, method, *words, form="binary", key=None, broker=None):
        return self.run("call", target, method, *words, "--eva", form, "--key-file", key or self.key, "--broker", broker or self.broker.url)

    def publish(self, topic, payload, *words):
        file = self.stage.folder / "message"
        file.write_bytes(payload if isinstance(payload, bytes) else payload.encode())
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.broker.port), "-t", topic, "-q", "1", *words, "-f", str(file)], check=True,
                       timeout=20)

    def stop(self):
        for controller in self.controllers.values():
            controller.stop()
        self.gateway.stop()
        self.broker.stop()


def check_call_is_answered_in_each_format(scene):
    for form in FORMATS:
        done = scene.call(f"uc/{form}", "echo", '{"unit": "unit:hall/lamp", "value": 7}', form=form)
        want(done.returncode == 0 and json.loads(done.stdout) == {"unit": "unit:hall/lamp", "value": 7}, f"{form}: found {done.stdout!r} {done.stderr!r}")
        body = scene.controllers[form].heard[-1]
        want(uuid.UUID(body["id"]).version == 7, f"{form}: found id {body['id']}, want one with its time")


def check_call_is_answered_by_our_own_gateway_in_each_format(scene):
    for form in FORMATS:
        done = scene.call(OURS, "sum", '{"a": 40, "b": 2}', form=form)
        want(done.returncode == 0 and done.stdout == "42\n", f"{form}: found {done.stdout!r} {done.stderr!r}, want 42")


def check_errors_come_as_evas_codes_and_our_exits(scene):
    for method, code, status in (("locked", 2, REFUSED), ("busy", 13, FAILED), ("no_such", 6, FAILED)):
        done = scene.call("uc/binary", method)
        want(done.returncode == status and f"({code})" in done.stderr and "said so" in done.stderr, f"{method}: found {done.returncode} {done.stderr!r}")
        done = scene.call("uc/binary", method, "--json")
        want(json.loads(done.stdout) == {"error": {"code": code, "message": "said so"}}, f"{method}: found {done.stdout!r}, want the code")
    done = scene.call(OURS, "sum", '{"a": 1}')
    want(done.returncode == FAILED and "(11)" in done.stderr, f"found {done.stderr!r}, want 11, invalid parameters")


def check_space_stands_before_all_topics(scene):
    there = Controller(scene.broker.port, "lm/logic", eva.Frames("binary", "default", SECRET), space="plant/hall")
    try:
        done = scene.call("lm/logic", "test", "--prefix", "plant/hall")
        want(done.returncode == 0 and json.loads(done.stdout)["product_code"] == "lm", f"found {done.stdout!r} {done.stderr!r}, want its test")
        done = scene.call("lm/logic", "test", "--timeout", "1s")
        want(done.returncode == UNREACHABLE, f"without it: found exit {done.returncode}, want no answer")
    finally:
        there.stop()


def check_wrong_key_and_wrong_key_id_are_never_answered(scene):
    for words in ({"key": scene.other}, {"words": ("--key-id", "nobody")}):
        done = scene.call(OURS, "test", *words.get("words", ()), "--timeout", "1s", key=words.get("key"))
        want(done.returncode == UNREACHABLE and "never answers" in done.stderr, f"{words}: found {done.returncode} {done.stderr!r}, want no answer")
    want(scene.gateway.counts["unopened"] and scene.gateway.counts["unknown_key"], f"found {scene.gateway.counts}, want both ignored")


def lies(scene, *behaviour, form="binary"):
    """A call whose controller says those things before the true answer."""
    controller = scene.controllers[form]

    def behave(self, call_id, body, payload):
        for each in behaviour:
            each(self, call_id, body, payload)
    controller.behave = behave
    try:
        return scene.call(f"uc/{form}", "echo", '{"true": 1}', "--timeout", "2s", form=form)
    finally:
        controller.behave = Controller.answer


def check_answers_that_nobody_sealed_end_nothing(scene):
    done = lies(scene, lambda self, call_id, *_: self.say(call_id, b"500|"))
    want(done.returncode == UNREACHABLE and "500 came, sealed by nobody" in done.stderr, f"500: found {done.returncode} {done.stderr!r}, want the timeout")
    for form in FORMATS:
        bad = [lambda self, call_id, *_, raw=raw: self.say(call_id, raw) for raw in (b"", b"500|", b"\x00\xc8", b"\x00", b"200|", bytes(range(256)) * 8)]
        bad += [lambda self, call_id, body, _: self.say(call_id, self.response(body, {"forged": 1}, key=OTHER)),
                lambda self, call_id, body, _: self.say(call_id, self.response(body, {"of": "another"}, number=str(uuid.uuid4()))),
                lambda self, call_id, body, _: self.say(call_id + "0", self.response(body, {"elsewhere": 1})),
                lambda self, call_id, body, payload: self.say(call_id, payload)]
        done = lies(scene, *bad, form=form)
        want(done.returncode == UNREACHABLE, f"{form}: found {done.returncode} {done.stdout!r} {done.stderr!r}, want none of it taken")
        done = lies(scene, *bad, Controller.answer, form=form)
        want(done.returncode == 0 and json.loads(done.stdout) == {"true": 1}, f"{form}: found {done.stdout!r} {done.stderr!r}, want the true one")


def check_retained_answer_is_not_taken(scene):
    """It lies there before the call subscribes: only a guessed id could bring it, so the broker's word is set by hand."""
    seen = []
    done = lies(scene, lambda self, call_id, body, _: seen.append((self.topic(call_id), self.response(body, {"old": 1}))))
    want(done.returncode == UNREACHABLE and seen, "found an answer, want none")
    scene.publish(*seen[0], "--retain")
    done = scene.call("uc/binary", "echo", "{}")
    want(done.returncode == 0 and json.loads(done.stdout) == {}, f"found {done.stdout!r}, want its own answer")


def check_key_is_nowhere_but_in_its_file_and_under_the_seal(scene):
    done = scene.call("uc/binary", "echo", "{}", "--json")
    want(SECRET not in done.stdout + done.stderr, "found the key in what was printed, want it nowhere")
    want(not any(SECRET.encode() in payload for _, payload in scene.broker.messages()), "found the key in clear at the broker, want it nowhere")
    want(scene.controllers["binary"].heard[-1]["params"] == {"k": SECRET}, "found no key under the seal, want it: EVA authorises by it")


def check_what_cannot_be_is_refused_before_anything_is_sent(scene):
    before = len(scene.broker.all_messages())
    readable = scene.secret("readable", SECRET, 0o644)
    short = scene.secret("short", "short")
    for what, target, words, status in (
            ("no controller", "plant1", (), USAGE), ("another type", "xx/plant1", (), USAGE), ("a path", "uc/a/b", (), USAGE), ("a wildcard", "uc/+", (), USAGE),
            ("a list", HONEST, ("[1]",), USAGE), ("no JSON", HONEST, ("{",), USAGE), ("the key as k", HONEST, ('{"k": "x"}',), USAGE),
            ("stored", HONEST, ("--stored",), USAGE), ("an id", HONEST, ("--id", str(uuid.uuid4())), USAGE), ("idempotent", HONEST, ("--idempotent",), USAGE),
            ("a key id with a bar", HONEST, ("--key-id", "a|b"), USAGE)):
        done = scene.call(target, "test", *words)
        want(done.returncode == status and done.stderr, f"{what}: found {done.returncode} {done.stderr!r}, want {status}")
    for what, words, status in (("a format", {"form": "xml"}, USAGE), ("a readable key", {"key": readable}, REFUSED), ("a short key", {"key": short}, FAILED),
                                ("no key", {"key": scene.stage.folder / "nothing"}, FAILED)):
        done = scene.call(HONEST, "test", **words)
        want(done.returncode == status and SECRET not in done.stderr, f"{what}: found {done.returncode} {done.stderr!r}, want {status}")
    done = scene.run("call", HONEST, "test", "--eva", "binary", "--broker", scene.broker.url)
    want(done.returncode == USAGE and "--key-file" in done.stderr, f"no --key-file: found {done.stderr!r}, want it named")
    sent = scene.broker.all_messages()[before:]
    want(not sent, f"found {[topic for topic, _ in sent]} sent, want nothing")


def check_broker_that_is_not_there_is_named(scene):
    port = free_port()
    done = scene.call(HONEST, "test", "--timeout", "1s", broker=f"mqtt://127.0.0.1:{port}")
    want(done.returncode == UNREACHABLE and str(port) in done.stderr and "no broker" in done.stderr, f"found {done.returncode} {done.stderr!r}")


# Discovery ---------------------------------------------------------------------------------------------------------------------------

def announced(scene, *names, words=()):
    """What `rpc nodes` makes of announces that come while it listens."""
    done = []
    listening = threading.Thread(target=lambda: done.append(scene.run("nodes", "--eva", "binary", "--broker", scene.broker.url, "--timeout", "2s", "--json", *words)))
    listening.start()
    while listening.is_alive():
        for name in names:
            scene.publish("controller/discovery", name)
        listening.join(0.2)
    want(done[0].returncode == 0, f"rpc nodes: found {done[0].stderr!r}, want status 0")
    return {row["controller"]: row for row in json.loads(done[0].stdout)}


def check_announces_alone_show_nothing(scene):
    rows = announced(scene, "uc/binary", "uc/nobody", "no/such", "uc/../x", "x" * 1_000)
    want(set(rows) == {"uc/binary", "uc/nobody", "no/such", "uc/../x"}, f"found {set(rows)}, want those of a sane length")
    want("nobody has signed" in rows["uc/binary"]["verdict"] and "version" not in rows["uc/binary"], f"found {rows['uc/binary']}, want a hint")
    want(rows["no/such"]["verdict"].startswith("refused") and rows["uc/../x"]["verdict"].startswith("refused"), f"found {rows}, want names refused")


def check_who_has_the_key_is_told_from_who_has_not(scene):
    liar = Controller(scene.broker.port, "uc/liar", eva.Frames("binary", "default", OTHER), key=OTHER)
    other = Controller(scene.broker.port, "lm/other", eva.Frames("binary", "default", SECRET))
    other.introduction = lambda: Controller.introduction(other) | {"product_code": "uc"}
    moved = Controller(scene.broker.port, "uc/moved", eva.Frames("binary", "default", SECRET))
    moved.introduction = lambda: Controller.introduction(moved) | {"system": "elsewhere"}
    try:
        rows = announced(scene, "uc/binary", OURS, "uc/liar", "lm/other", "uc/moved", words=("--key-file", scene.key))
    finally:
        for one in (liar, other, moved):
            one.stop()
    want(rows["uc/binary"]["verdict"].startswith("good") and rows["uc/binary"]["version"] == "3.4.2" and rows["uc/binary"]["build"] == 2021, f"found {rows}")
    want("silent" in rows["uc/liar"]["verdict"], f"found {rows['uc/liar']}, want it silent")
    want("is another" in rows["lm/other"]["verdict"], f"found {rows['lm/other']}, want its type refused")
    want("another name" in rows["uc/moved"]["verdict"], f"found {rows['uc/moved']}, want the other name told")
    want("version" not in rows["uc/liar"], f"found {rows['uc/liar']}, want nothing believed of it")


def check_nobody_announced_is_told(scene):
    done = scene.run("nodes", "--eva", "binary", "--broker", scene.broker.url, "--timeout", "1s")
    want(done.returncode == 0 and "every 30 s" in done.stdout, f"found {done.stdout!r}, want to be told why")


# States ----------------------------------------------------------------------------------------------------------------------------

def state(status, value, moment, controller="uc/plant1", **more):
    return json.dumps({"t": 1.5, "c": controller, "status": status, "value": value, "set_time": 1.0, "ieid": [1, moment]} | more)


class Watching:
    def __init__(self, scene, *words):
        program = scene.stage.build / "apps" / "sallyport"
        self.log = scene.stage.folder / f"watch-{time.monotonic()}"
        self.process = Process("rpc watch", [str(program), "rpc", "watch", *words, "--eva", "--broker", scene.broker.url], self.log)

    def lines(self):
        return self.log.read_text().splitlines()

    def until(self, text):
        wait_for(lambda: text in self.log.read_text(), 20, lambda: f"{text!r}; it says {self.log.read_text()!r}")

    def stop(self):
        return self.process.stop(signal.SIGINT)


def check_states_are_shown_as_they_come_and_older_ones_are_not(scene):
    scene.publish("sensor/hall/temp", state(1, 20.5, 100), "--retain")
    watching = Watching(scene, "--json")
    watching.until("sensor:hall/temp")
    scene.publish("sensor/hall/temp", state(1, 19.0, 99))
    scene.publish("unit/hall/lamp", state(1, None, 101, nstatus=0, nvalue=None, action_enabled=True))
    watching.until("unit:hall/lamp")
    scene.publish("sensor/hall/temp", state(1, 21.5, 102))
    watching.until("21.5")
    scene.publish("sensor/hall/temp", "", "--retain")
    watching.until('"gone":true')
    found = [json.loads(line) for line in watching.lines()]
    want([row.get("value") for row in found if row["item"] == "sensor:hall/temp"] == [20.5, 21.5, None], f"found {found}, want the older one left out")
    want(next(row for row in found if row["item"] == "unit:hall/lamp")["action_enabled"] is True, f"found {found}, want the unit's own member")
    want(watching.stop() == 0, "found another status after Ctrl-C, want 0")


def check_states_in_bulk_and_events_are_shown_for_one_controller_alone(scene):
    watching = Watching(scene, "uc/plant1", "--json")
    bulk = {"t": 1.5, "c": "uc/plant1", "d": [{"oid": f"lvar:hall/v{number}", "status": 1, "value": number} for number in range(3)]}

    def shown():
        scene.publish("state/all", json.dumps(bulk))
        return "lvar:hall/v2" in watching.log.read_text()
    wait_for(shown, 20, "the bulk")
    packed = b"\x00\x03" + zlib.compress(msgpack.packb(bulk | {"d": [{"oid": "lvar:hall/packed", "status": 1, "value": 9}]}))
    scene.publish("state/all", packed)
    watching.until("lvar:hall/packed")
    scene.publish("sensor/hall/foreign", state(1, 1, 1, controller="uc/plant9"))
    scene.publish("controller/uc/plant9/events", '{"e":"leaving","t":1.5,"c":"uc/plant9"}')
    scene.publish("controller/uc/plant1/events", '{"e":"restart","t":1.5,"c":"uc/plant1"}')
    watching.until("restart")
    want("foreign" not in watching.log.read_text() and "leaving" not in watching.log.read_text(), "found another controller's, want it left out")
    watching.stop()


def check_garbage_in_states_is_named_and_shows_nothing(scene):
    watching = Watching(scene)
    bomb = b"\x00\x03" + zlib.compress(bytes(64 << 20))

    def heard():
        scene.publish("sensor/hall/begin", state(1, 1, 1))
        return "sensor:hall/begin" in watching.log.read_text()
    wait_for(heard, 20, "it to listen")
    for topic, payload in (("sensor/hall/bad", "{"), ("sensor/hall/bad", '{"status":"x"}'), ("state/all", b"\x00\x03no"), ("state/all", bomb),
                           ("controller/uc/plant1/events", "[]"), ("sensor/hall/bad", "[" * 10_000)):
        scene.publish(topic, payload)
    scene.publish("sensor/hall/esc", state(1, "\x1b[31mred", 2))
    scene.publish("sensor/hall/end", state(1, 2, 3))
    watching.until("sensor:hall/end")
    said = watching.log.read_text()
    want("sensor:hall/bad" not in said and said.count("sallyport: sensor/hall/bad") == 3, f"found {said!r}, want three complaints")
    want("\x1b" not in said, "found a control character, want none")
    watching.stop()


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
