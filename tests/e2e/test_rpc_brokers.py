#!/usr/bin/python3
"""mosquitto, RabbitMQ with its MQTT plugin and aedes of npm carry it all: sealed calls of which they read nothing, and beside them the old
format and plain messages of a real paho client; after a broker's restart calls go on."""
# test: needs=dev deadline=400
import concurrent.futures
import json
import pathlib
import subprocess
import sys
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import paho.mqtt.client as mqtt  # noqa: E402

import eva  # noqa: E402
from cases import want  # noqa: E402
from eva_peer import Peer, binary  # noqa: E402
from foreign_brokers import Aedes, RabbitMq  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402
from stage import Process, play, wait_for  # noqa: E402

MARKER = "PLAINTEXT-MARKER-brokers"
SECRET = "a-key-of-old-controllers"
CALLS, AT_ONCE = 24, 6
LONG = 100_000  # octets of a call's params
BACK_SECONDS = 60
STATE = "hall-1/pump"


class Overhearer:
    """A paho client that subscribes to everything there is."""

    def __init__(self, port):
        self.seen = []
        self.client = mqtt.Client()
        self.client.on_message = lambda _client, _data, message: self.seen.append((message.topic, message.payload, message.retain))
        self.client.connect("127.0.0.1", port)
        self.client.subscribe("#", qos=1)
        self.client.loop_start()

    def publish(self, topic, payload, retain=False):
        self.client.publish(topic, payload, qos=1, retain=retain).wait_for_publish(10)

    def wait(self, wanted, what):
        return wait_for(lambda: next((one for one in list(self.seen) if wanted(*one)), None), 20, what)

    def stop(self):
        self.client.loop_stop()
        self.client.disconnect()


class Place:
    """A broker, a node at it and who listens."""

    def __init__(self, stage, broker):
        self.broker, self.stage = broker, stage
        self.agent, self.sallyport = (str(stage.build / "apps" / name) for name in ("sallyport-agent", "sallyport"))
        self.folder = broker.folder / "rpc"
        self.run(self.agent, "rpc", "init", "--state", self.folder, "--node", "plant-1", "--broker", broker.url)
        self.key = self.folder / "caller.key"
        self.key.write_text(self.run(self.agent, "rpc", "key-add", "--state", self.folder, "--id", "ann", "--allow", "copy"))
        (self.folder / "default.eva").write_text(SECRET + "\n")
        for file in (self.key, self.folder / "default.eva"):
            file.chmod(0o600)
        with open(self.folder / "rpc.toml", "a") as settings:
            settings.write('\n[[method]]\nname = "copy"\ncommand = ["/bin/cat"]\n'
                           f'\n[[state]]\nitem = "{STATE}"\ncommand = ["/bin/echo", "17"]\n'
                           '\n[eva]\ncontroller = "uc/plant-1"\n'
                           '\n[[eva.key]]\nid = "default"\nsecret_file = "default.eva"\nuntil = "2099-01-01T00:00:00Z"\nallow = ["test"]\n')
        self.overhearer = Overhearer(broker.port)
        self.node = Process("rpc node", [self.agent, "rpc", "run", "--state", str(self.folder)], broker.folder / "node.log")
        self.until_answers()

    def run(self, *words):
        done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, check=False)
        want(done.returncode == 0, f"{words[1:3]}: found {done.stderr}, want status 0")
        return done.stdout

    def call(self, params, timeout="20s"):
        words = [self.sallyport, "rpc", "call", "plant-1", "copy", json.dumps(params), "--key-file", self.key, "--broker", self.broker.url,
                 "--timeout", timeout]
        self.last = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=90, check=False)
        return self.last

    def until_answers(self):
        wait_for(lambda: self.call({}, "2s").returncode == 0, BACK_SECONDS, lambda: f"the node; {self.last.stderr}; it says: {self.node.tail()}")

    def stop(self):
        self.overhearer.stop()
        self.node.stop()


class Scene:
    KINDS = {"mosquitto": Mosquitto, "rabbitmq": RabbitMq, "aedes": Aedes}

    def __init__(self, stage):
        self.stage = stage
        self.places = {}

    def at(self, kind):
        if kind not in self.places:
            broker = self.KINDS[kind](self.stage.folder / kind)
            self.stage.closing.append(getattr(broker, "close", broker.stop))
            if kind != "mosquitto":
                broker.start()
            self.places[kind] = Place(self.stage, broker)
        return self.places[kind]

    def stop(self):
        for place in self.places.values():
            place.stop()


def carries_sealed_calls(place):
    before = len(place.overhearer.seen)

    def call(number):
        params = {"marker": MARKER, "number": number}
        done = place.call(params)
        want(done.returncode == 0 and json.loads(done.stdout) == params, f"{number}: found {done.stdout!r} {done.stderr!r}, want {params}")
    with concurrent.futures.ThreadPoolExecutor(AT_ONCE) as pool:
        list(pool.map(call, range(CALLS)))
    longest = {"marker": MARKER, "long": "x" * LONG}
    done = place.call(longest)
    want(done.returncode == 0 and json.loads(done.stdout) == longest, f"a long one: found {done.stderr!r}, want it back")
    seen = place.overhearer.seen[before:]
    want(len(seen) >= 2 * CALLS, f"found {len(seen)} messages overheard, want those of {CALLS} calls")
    for topic, payload, _ in seen:
        for word in (MARKER, "number", "jsonrpc", "copy"):
            want(word.encode() not in payload and word not in topic, f"'{word}' in a message on {topic}")


def carries_the_old_format_and_plain_messages_beside_them(place):
    peer = Peer(place.broker.port)
    try:
        request, opened = binary(SECRET, "test", eva.ZLIB)
        peer.publish(request)
        answer = peer.answer(20)
        want(answer is not None and opened(answer)["result"], f"found {answer}, want EVA's call answered")
    finally:
        peer.stop()
    word = str(uuid.uuid4()).encode()
    place.overhearer.publish("plain/told", word)
    place.overhearer.wait(lambda topic, payload, _: topic == "plain/told" and payload == word, "a plain message")
    # A state, which is told in clear and kept by the broker for whoever comes.
    late = Overhearer(place.broker.port)
    try:
        late.client.subscribe(f"plant-1/state/{STATE}", qos=1)  # RabbitMQ hands kept messages to exact topics alone
        kept = late.wait(lambda topic, _, retained: topic.endswith(STATE) and retained, f"the kept state; seen: {[one[0] for one in late.seen]}")
        want(b"17" in kept[1], f"found {kept}, want the state")
    finally:
        late.stop()


def goes_on_after_a_restart(place):
    place.broker.stop()
    refused = place.call({}, "2s")
    want(refused.returncode != 0, "found a call answered without a broker, want none")
    place.broker.start()
    place.until_answers()
    want(json.loads(place.call({"again": 1}).stdout) == {"again": 1}, "found no answer, want the params")


def make_case(kind, what):
    return lambda scene: what(scene.at(kind))


for one in Scene.KINDS:
    for story in (carries_sealed_calls, carries_the_old_format_and_plain_messages_beside_them, goes_on_after_a_restart):
        globals()[f"check_{one}_{story.__name__}"] = make_case(one, story)


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
