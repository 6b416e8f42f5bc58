#!/usr/bin/python3
"""The old formats at a node, through mosquitto, by a peer of its own (paho, pycryptodome, msgpack): binary, zlib and text calls run by the
rules of their key; replays, retained requests, foreign keys, old tokens and keys whose time is over do not.
"""
# test: needs=dev deadline=180
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import eva  # noqa: E402
from cases import want  # noqa: E402
from eva_peer import Peer, binary  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402
from stage import Process, play, wait_for  # noqa: E402

SECRET, OTHER, ENDED = "a-key-of-old-controllers", "the-key-of-others", "a-key-whose-time-is-over"
ANSWER_SECONDS, SILENCE_SECONDS = 10, 1.5


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.folder = stage.folder / "rpc"
        self.broker = Mosquitto(stage.folder / "broker")
        self.agent = str(stage.build / "apps" / "sallyport-agent")
        done = subprocess.run([self.agent, "rpc", "init", "--state", self.folder, "--node", "plant-1", "--broker", self.broker.url],
                              capture_output=True, text=True, timeout=30, check=False)
        want(done.returncode == 0, f"rpc init: found {done.stderr}, want status 0")
        for name, secret in (("default", SECRET), ("ended", ENDED)):
            file = self.folder / f"{name}.eva"
            file.write_text(secret + "\n")
            file.chmod(0o600)
        with open(self.folder / "rpc.toml", "a") as settings:
            settings.write('\n[[method]]\nname = "count"\n'
                           f'command = ["/bin/sh", "-c", "echo ran >> {self.folder}/ran; echo 1"]\n'
                           '\n[eva]\ncontroller = "uc/plant-1"\n'
                           '\n[[eva.key]]\nid = "default"\nsecret_file = "default.eva"\nuntil = "2099-01-01T00:00:00Z"\n'
                           'allow = ["test", "count"]\n'
                           '\n[[eva.key]]\nid = "ended"\nsecret_file = "ended.eva"\nuntil = "2020-01-01T00:00:00Z"\nallow = ["*"]\n')
        self.node = None
        self.start_node()
        self.peer = Peer(self.broker.port)

    def start_node(self):
        self.log = self.stage.folder / "node.log"
        before = self.log.read_text().count("rpc.ready") if self.log.exists() else 0
        self.node = Process("rpc node", [self.agent, "rpc", "run", "--state", str(self.folder)], self.log)
        wait_for(lambda: self.log.read_text().count("rpc.ready") >= before + 2, 20, lambda: f"the node; it says: {self.node.tail()}")

    def ran(self):
        file = self.folder / "ran"
        return len(file.read_text().split()) if file.exists() else 0

    def stop(self):
        self.peer.stop()
        self.node.stop()
        self.broker.stop()


def check_binary_calls_are_answered(scene):
    for packing in (eva.PLAIN, eva.ZLIB):
        request, opened = binary(SECRET, "test", packing)
        scene.peer.publish(request)
        answer = scene.peer.answer(ANSWER_SECONDS)
        want(answer, "found no answer, want one")
        result = opened(answer)
        want(result["result"]["ok"] is True and result["result"]["node"] == "plant-1", f"found {result}, want test's result")


def check_text_calls_are_answered(scene):
    token = eva.fernet(SECRET).encrypt(b'77|{"jsonrpc":"2.0","method":"test","params":{"k":"' + SECRET.encode() + b'"},"id":1}')
    scene.peer.publish(b"|default|" + token)
    answer = scene.peer.answer(ANSWER_SECONDS)
    want(answer and answer[0].endswith("/77") and answer[1].startswith(b"200|"), f"found {answer}, want 200| on …/77")
    want(b'"ok":true' in eva.fernet(SECRET).decrypt(answer[1][4:]), "found another text, want test's result")


def check_what_the_rules_do_not_allow_is_forbidden(scene):
    request, opened = binary(SECRET, "keys.list")
    scene.peer.publish(request)
    result = opened(scene.peer.answer(ANSWER_SECONDS))
    want(result["error"]["code"] == 2, f"found {result}, want EVA's code 2, forbidden")


def check_a_request_that_comes_again_runs_once(scene):
    before = scene.ran()
    request, opened = binary(SECRET, "count")
    scene.peer.publish(request)
    want("result" in opened(scene.peer.answer(ANSWER_SECONDS)), "found an error, want a result")
    for retain in (False, True):
        scene.peer.publish(request, retain=retain)
    want(scene.peer.answer(SILENCE_SECONDS) is None, "found an answer to a replay, want silence")
    want(scene.ran() == before + 1, f"found {scene.ran() - before} runs, want one")


def check_a_retained_request_is_run_by_no_restart(scene):
    before = scene.ran()
    request, _ = binary(SECRET, "count")
    scene.node.stop()
    scene.peer.publish(request, retain=True)
    scene.start_node()
    time.sleep(SILENCE_SECONDS)  # nothing is to come
    want(scene.ran() == before, f"found {scene.ran() - before} runs, want none")


def check_what_no_key_of_ours_sealed_is_not_answered(scene):
    good, _ = binary(SECRET, "test")
    flipped = bytearray(good)
    flipped[-40] ^= 1
    old = eva.fernet(SECRET).encrypt_at_time(b'1|{"jsonrpc":"2.0","method":"test","params":{"k":"' + SECRET.encode() + b'"},"id":1}', 0)
    elsewhere = eva.fernet(SECRET).encrypt(b'x/../y|{"jsonrpc":"2.0","method":"test","params":{"k":"' + SECRET.encode() + b'"},"id":1}')
    for what, request in (("another key", binary(OTHER, "test")[0]), ("a bit changed", bytes(flipped)),
                          ("an unknown key id", binary(SECRET, "test", key_id="nobody")[0]),
                          ("a key whose time is over", binary(ENDED, "test", key_id="ended")[0]),
                          ("a token of 1970", b"|default|" + old), ("a call id that is a path", b"|default|" + elsewhere), ("nothing", b""),
                          ("garbage", bytes(range(256)))):
        scene.peer.publish(request)
        want(scene.peer.answer(SILENCE_SECONDS / 3) is None, f"{what}: found an answer, want silence")


def check_the_key_in_the_call_must_be_the_one_that_sealed_it(scene):
    before = scene.ran()
    request, opened = binary(SECRET, "count", inner=OTHER)
    scene.peer.publish(request)
    answer = scene.peer.answer(ANSWER_SECONDS)
    want(answer is None or "error" in opened(answer), "found a result, want it refused")
    want(scene.ran() == before, "found a run, want none")


def check_what_was_called_is_marked_as_legacy(scene):
    text = (scene.folder / "audit.jsonl").read_text()
    want('"way":"legacy"' in text and '"who":"eva:default"' in text, "found no line of it, want who and how")
    want(SECRET not in text, "found the key in the audit trail, want it nowhere")


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
