#!/usr/bin/python3
"""Sealed calls by the certificates of an installation: a device calls another through a broker, by the other's signed bundle, and over
HTTPS, through the tunnel too; whoever is not named, is somebody else or tells of himself what is not true is refused.
"""
# test: needs=dev deadline=300
import contextlib
import json
import os
import pathlib
import secrets
import socket
import subprocess
import sys
import time
import uuid

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import other_clock  # noqa: E402
import rpc_library  # noqa: E402
from cases import want  # noqa: E402
from connected import Port, write_settings  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402
from stage import Process, ZONE, free_port, play, wait_for  # noqa: E402

MARKER = "PLAINTEXT-MARKER-certificates"
REFUSED, UNREACHABLE = 4, 5


def new_call(seconds_ago=0):
    """A UUID of version 7 (RFC 9562)."""
    number = (int((time.time() - seconds_ago) * 1_000) << 80) | (7 << 76) | (secrets.randbits(12) << 64) | (2 << 62) | secrets.randbits(62)
    return str(uuid.UUID(int=number))


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.there = stage.set_up()
        self.server, self.friend, self.stranger = stage.make_devices("press-1", "press-2", "press-3")
        stage.bring_online(self.server, self.friend, self.stranger, claim=False)
        self.broker = Mosquitto(stage.folder / "broker")
        self.names = {device.serial_id: self.name_of(device) for device in (self.server, self.friend, self.stranger)}
        self.node_name = self.names["press-1"]
        self.folder = stage.folder / "rpc"
        self.https = free_port()
        self.node = None

    def name_of(self, device):
        wait_for(lambda: (device.state / "device.pem").exists(), 30, f"{device.serial_id} to have its certificate")
        text = subprocess.run(["openssl", "x509", "-in", str(device.state / "device.pem"), "-noout", "-ext", "subjectAltName"],
                              capture_output=True, text=True, check=True, timeout=20).stdout
        return text.split("DNS:")[1].split(".")[0].strip()

    def program(self, name):
        return str(self.stage.build / "apps" / name)

    def run(self, *words):
        return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, check=False)

    def set_up_node(self):
        done = self.run(self.program("sallyport-agent"), "rpc", "init", "--state", self.folder, "--node", self.node_name, "--broker",
                        self.broker.url)
        want(done.returncode == 0, f"rpc init: found {done.stderr}, want status 0")
        with open(self.folder / "rpc.toml", "r+") as file:
            before = file.read()
            file.seek(0)
            file.write(f'https_listen = "127.0.0.1:{self.https}"\n' + before)
            file.write(f'\n[[caller]]\nwho = "person:{self.there.owner}"\nallow = ["info"]\n')
            file.write(f'\n[identity]\nzone = "{ZONE}"\ncertificate = "{self.server.state}/device.pem"\nkey = "{self.server.state}/device.key"\n'
                       f'roots = "{self.server.state}/device-roots.pem"\n\n[[caller]]\nwho = "device:{self.names["press-2"]}"\n'
                       'allow = ["test", "info", "copy", "count"]\n\n[[method]]\nname = "copy"\ncommand = ["/bin/cat"]\nidempotent = true\n'
                       f'\n[[method]]\nname = "count"\ncommand = ["/bin/sh", "-c", "echo ran >> {self.folder}/ran; echo 1"]\n')
        self.start_node()

    def start_node(self):
        self.node = Process("rpc node", [self.program("sallyport-agent"), "rpc", "run", "--state", str(self.folder)],
                            self.stage.folder / "node.log")
        wait_for(lambda: self.call(self.friend, "test", "--timeout", "2s").returncode == 0, 30,
                 lambda: f"the node; it says: {self.node.tail()}")

    def call(self, device, method, *words, https=False, port=None, node=None, named=None):
        """Over a broker, or over HTTPS: to the node itself, or to a `port` that leads to it."""
        way = ("--https", f"127.0.0.1:{port or self.https}") if https or port else ("--broker", self.broker.url)
        node = node or self.node_name
        device_words = ("--device", named) if named else ()
        return self.run(self.program("sallyport"), "rpc", "call", node, method, *words, "--identity", device.state, "--zone", ZONE,
                        *device_words, *way)

    @contextlib.contextmanager
    def remembering_in(self, folder):
        """Of callers that have seen no bundle before, or can keep none."""
        before = os.environ["XDG_STATE_HOME"]
        os.environ["XDG_STATE_HOME"] = str(folder)
        try:
            yield
        finally:
            os.environ["XDG_STATE_HOME"] = before

    def ran(self):
        file = self.folder / "ran"
        return len(file.read_text().split()) if file.exists() else 0

    def publish(self, topic, payload, *words):
        message = self.stage.folder / "message"
        message.write_bytes(payload)
        done = self.run("mosquitto_pub", "-h", "127.0.0.1", "-p", self.broker.port, "-t", topic, "-q", "1", *words, "-f", message)
        want(done.returncode == 0, f"mosquitto_pub: found {done.stderr}, want status 0")

    def bundle(self):
        """The bundle that lies at the broker."""
        return [payload for topic, payload in self.broker.messages() if topic == f"{self.node_name}/api/bundle"][-1]

    def stop(self):
        if self.node:
            self.node.stop()
        self.broker.stop()


@cases.carries_the_rest
def check_a_device_calls_another_by_its_certificate(scene):
    scene.set_up_node()
    done = scene.call(scene.friend, "copy", json.dumps({"marker": MARKER}))
    want(done.returncode == 0 and json.loads(done.stdout) == {"marker": MARKER}, f"found {done.stdout!r} {done.stderr!r}, want the params")


def check_what_a_terminal_would_obey_is_printed_escaped(scene):
    marker = "\u009b31m\u0085\x7f"
    for words in ((), ("--json",)):
        done = scene.call(scene.friend, "copy", json.dumps({marker: marker}), *words)
        told = json.loads(done.stdout)
        want(done.returncode == 0 and (told["result"] if words else told) == {marker: marker}, f"found {done.stdout!r} {done.stderr!r}, want the params")
        want(not any(0x7F <= ord(one) < 0xA0 for one in done.stdout), f"found {done.stdout!r}, want no control character")


def check_the_caller_is_told_by_its_certificate(scene):
    done = scene.call(scene.friend, "info")
    told = json.loads(done.stdout)
    want(told["you"] == f"device:{scene.names['press-2']}", f"found {told['you']}, want the caller's device")


def check_a_device_that_no_rule_names_gets_no_answer(scene):
    done = scene.call(scene.stranger, "test", "--timeout", "2s")
    want(done.returncode == UNREACHABLE, f"found exit {done.returncode}: {done.stderr}, want silence")


def check_what_a_rule_does_not_allow_is_forbidden(scene):
    done = scene.call(scene.friend, "keys.list")
    want(done.returncode == REFUSED, f"found exit {done.returncode}: {done.stderr}, want {REFUSED}")


def check_the_node_is_listed_as_good(scene):
    done = scene.run(scene.program("sallyport"), "rpc", "nodes", "--identity", scene.friend.state, "--zone", ZONE, "--broker", scene.broker.url,
                     "--timeout", "1s", "--json")
    rows = json.loads(done.stdout)
    want([(row["node"], row["verdict"]) for row in rows] == [(scene.node_name, "good")], f"found {done.stdout} {done.stderr}, want one, good")


def check_a_bundle_that_another_device_signed_is_refused(scene):
    """What the node tells, told under another node's name."""
    other = scene.names["press-3"]
    scene.publish(f"{other}/api/bundle", scene.bundle(), "--retain")
    done = scene.call(scene.friend, "test", "--timeout", "2s", node=other)
    want(done.returncode != 0 and "signed by device" in done.stderr, f"found exit {done.returncode}: {done.stderr}, want the signer named")
    listed = scene.run(scene.program("sallyport"), "rpc", "nodes", "--identity", scene.friend.state, "--zone", ZONE, "--broker",
                       scene.broker.url, "--timeout", "1s")
    want("refused: another node's topic" in listed.stdout, f"found {listed.stdout}, want it refused in the list")


def check_a_bundle_of_which_a_byte_was_changed_is_refused(scene):
    good = scene.bundle()
    topic = f"{scene.node_name}/api/bundle"
    for place in (0, 10, len(good) // 2, len(good) - 40, len(good) - 1):
        bad = bytearray(good)
        bad[place] ^= 1
        scene.publish(topic, bytes(bad), "--retain")
        done = scene.call(scene.friend, "test", "--timeout", "1s")
        want(done.returncode != 0, f"byte {place} changed: found an answer, want the bundle refused")
    scene.publish(topic, good, "--retain")
    done = scene.call(scene.friend, "test")
    want(done.returncode == 0, f"the good one again: found {done.stderr}, want an answer")


def check_a_bundle_that_was_rolled_back_runs_nothing(scene):
    """One of before the node's restart: its times are good, and its prekey is gone."""
    old, before, topic = scene.bundle(), scene.ran(), f"{scene.node_name}/api/bundle"
    scene.node.stop()
    scene.start_node()
    new = scene.bundle()
    want(new != old, "found the same bundle after a restart, want a new one")
    scene.publish(topic, old, "--retain")
    with scene.remembering_in(scene.stage.folder / "nothing"):
        done = scene.call(scene.friend, "count", "--timeout", "2s")
    want(done.returncode == UNREACHABLE, f"found exit {done.returncode}: {done.stderr}, want silence")
    want(scene.ran() == before, "found a run, want none")
    scene.publish(topic, new, "--retain")
    want(scene.call(scene.friend, "test").returncode == 0, "the new one again: found no answer, want one")


def check_a_bundle_whose_time_is_over_is_refused(scene):
    with other_clock.for_what_starts_here(other_clock.shifted("+3d")):
        done = scene.call(scene.friend, "test", "--timeout", "2s")
    want(done.returncode != 0 and "bundle" in done.stderr, f"found exit {done.returncode}: {done.stderr}, want the bundle refused")


def check_calls_that_the_broker_plays_again_run_once(scene):
    done = scene.call(scene.friend, "count")
    want(done.returncode == 0 and scene.ran() == 1, f"found {scene.ran()} runs, want one")
    topic = f"{scene.node_name}/api/request"
    requests = [payload for seen, payload in scene.broker.messages() if seen == topic]
    for request in requests:
        scene.publish(topic, request)
    scene.node.stop()
    scene.start_node()
    for request in requests:
        scene.publish(topic, request)
    want(scene.call(scene.friend, "test").returncode == 0, "a live caller after it: found no answer, want one")
    want(scene.ran() == 1, f"found {scene.ran()} runs after {2 * len(requests)} replays, want one")


def check_the_c_library_calls_by_certificate(scene):
    library = rpc_library.Library(scene.stage.build)

    def called(device, *more):
        handle = rpc_library.Rpc(library, ("broker", scene.broker.url), ("identity", device.state), ("zone", ZONE), *more)
        want(handle.open(scene.node_name) == rpc_library.OK, f"open: found {handle.error()}, want it open")
        answers = [handle.call("copy", {"marker": MARKER}, seconds=seconds) for seconds in ((20, 20) if not more and device is scene.friend else (2,))]
        handle.close()
        return answers
    found = called(scene.friend)
    want(all(one.status == rpc_library.OK and one.json == {"marker": MARKER} for one in found), f"found {found}, want the params")
    found = called(scene.stranger)
    want(found[0].status == rpc_library.TIMEOUT, f"whom no rule names: found {found}, want no answer in time")
    found = called(scene.friend, ("device", scene.names["press-3"]))
    want(found[0].status == rpc_library.TIMEOUT and "signed by device" in found[0].message, f"another device: found {found}, want its bundle refused")


def check_the_c_library_takes_a_renewed_certificate_with_the_bundle_that_it_has(scene):
    """Another's takes the place of the renewed one: the same bundle again, and the call is let in."""
    folder = scene.stage.folder / "renewed"
    folder.mkdir(mode=0o700)

    def put(device):
        for name in ("device.pem", "device.key", "device-roots.pem"):
            new = folder / f"{name}.new"
            new.write_bytes((device.state / name).read_bytes())
            new.chmod(0o600)
            new.rename(folder / name)
    put(scene.stranger)
    handle = rpc_library.Rpc(rpc_library.Library(scene.stage.build), ("broker", scene.broker.url), ("identity", folder), ("zone", ZONE))
    want(handle.open(scene.node_name) == rpc_library.OK, f"open: found {handle.error()}, want it open")
    want(handle.call("info", seconds=2).status == rpc_library.TIMEOUT, "whom no rule names: found an answer, want none")
    put(scene.friend)
    scene.publish(f"{scene.node_name}/api/bundle", scene.bundle(), "--retain")
    answer = handle.call("info")
    handle.close()
    want(answer.status == rpc_library.OK and answer.json["you"] == f"device:{scene.names['press-2']}", f"found {answer}, want it let in by its new one")


def check_a_bundle_that_was_seen_to_be_an_older_one_is_refused_in_a_later_run(scene):
    topic, new = f"{scene.node_name}/api/bundle", scene.bundle()
    old = [payload for seen, payload in scene.broker.messages() if seen == topic and payload][0]
    want(old != new, "found one bundle, want that of the node's life before as well")
    want(scene.call(scene.friend, "test").returncode == 0, "by the new one: found no answer, want one")
    scene.publish(topic, old, "--retain")
    done = scene.call(scene.friend, "test", "--timeout", "2s")
    want(done.returncode != 0 and "an old one" in done.stderr, f"found exit {done.returncode}: {done.stderr}, want the old bundle refused")
    listed = scene.run(scene.program("sallyport"), "rpc", "nodes", "--identity", scene.friend.state, "--zone", ZONE, "--broker",
                       scene.broker.url, "--timeout", "1s")
    want("an old one" in listed.stdout, f"found {listed.stdout}, want it refused in the list")
    scene.publish(topic, new, "--retain")
    want(scene.call(scene.friend, "test").returncode == 0, "the new one again: found no answer, want one")


def check_a_caller_that_can_remember_nothing_says_so_and_calls(scene):
    with scene.remembering_in("/dev/null"):
        done = scene.call(scene.friend, "test")
    want(done.returncode == 0 and "not remembered" in done.stderr and "/dev/null" in done.stderr,
         f"found exit {done.returncode}: {done.stdout} {done.stderr}, want an answer, and to be told")


def check_a_person_gets_a_certificate_by_logging_in_and_calls_with_it(scene):
    there, folder = scene.there, scene.stage.folder / "person"
    words = ["--console", there.console_url, "--root-certificate", there.state / "trust" / "root.pem", "--connect-to",
             f"127.0.0.1:{there.tls_port}", "--password-file", there.password_file]
    done = scene.run(scene.program("sallyport"), "rpc", "login", "--out", folder, "--login", there.owner, *words)
    want(done.returncode == 0 and f"person:{there.owner}" in done.stdout, f"found exit {done.returncode}: {done.stdout} {done.stderr}")
    want((folder / "person.key").stat().st_mode & 0o77 == 0, "found the key readable by others, want it not")
    person = type("Person", (), {"state": folder})
    told = scene.call(person, "info")
    want(told.returncode == 0 and json.loads(told.stdout)["you"] == f"person:{there.owner}", f"found {told.stdout} {told.stderr}, want the person")
    want(scene.call(person, "copy", "{}").returncode == REFUSED, "found more than the rule allows, want it refused")
    handle = rpc_library.Rpc(rpc_library.Library(scene.stage.build), ("broker", scene.broker.url), ("identity", folder), ("zone", ZONE))
    want(handle.open(scene.node_name) == rpc_library.OK, f"the library: found {handle.error()}, want it open")
    told = handle.call("info")
    handle.close()
    want(told.status == rpc_library.OK and told.json["you"] == f"person:{there.owner}", f"the library: found {told}, want the person")
    want(scene.call(person, "info", https=True).returncode == 0, "over HTTPS: found no answer, want one")
    wrong = scene.stage.folder / "wrong-password"
    wrong.write_text("not the password\n")
    wrong.chmod(0o600)
    refused = scene.run(scene.program("sallyport"), "rpc", "login", "--out", scene.stage.folder / "nobody", "--login", there.owner, *words[:-1], wrong)
    want(refused.returncode == REFUSED and not (scene.stage.folder / "nobody").exists(), f"found exit {refused.returncode}: {refused.stderr}")


def check_the_same_calls_go_over_https(scene):
    done = scene.call(scene.friend, "copy", json.dumps({"marker": MARKER}), https=True)
    want(done.returncode == 0 and json.loads(done.stdout) == {"marker": MARKER}, f"found {done.stdout!r} {done.stderr!r}, want the params")
    refused = scene.call(scene.stranger, "copy", "{}", https=True)
    want(refused.returncode == REFUSED, f"a stranger: found exit {refused.returncode}: {refused.stderr}, want {REFUSED}")


def check_a_call_repeated_over_https_runs_once_and_is_answered_the_same(scene):
    before = scene.ran()
    call = new_call()
    answers = [scene.call(scene.friend, "count", "--id", call, https=True) for _ in range(3)]
    want(all(one.returncode == 0 and one.stdout == answers[0].stdout for one in answers), f"found {[one.stderr for one in answers]}")
    want(scene.ran() == before + 1, f"found {scene.ran() - before} runs, want one")


def check_an_id_of_which_nobody_can_tell_any_more_is_not_run(scene):
    before = scene.ran()
    done = scene.call(scene.friend, "count", "--id", new_call(2 * 3_600), https=True)
    want(done.returncode == REFUSED and "too old" in done.stderr, f"found exit {done.returncode}: {done.stderr}, want it refused")
    want(scene.ran() == before, "found a run, want none")


def check_a_server_that_is_another_device_is_not_called(scene):
    done = scene.call(scene.friend, "test", https=True, named=scene.names["press-3"])
    want(done.returncode == REFUSED and "want device" in done.stderr, f"found exit {done.returncode}: {done.stderr}, want it refused by name")


def check_https_without_a_certificate_is_refused(scene):
    done = scene.run("curl", "-sk", "--max-time", "10", "-X", "POST", "-d", "{}", f"https://127.0.0.1:{scene.https}/rpc")
    want(done.returncode != 0, f"curl: found {done.stdout!r}, want no answer")


def check_E8_a_gigabyte_of_json_over_https_is_cut_at_its_limit(scene):
    there = pathlib.Path(f"/proc/{scene.node.pid}")

    def peak_kb():
        return next(int(line.split()[1]) for line in (there / "status").read_text().splitlines() if line.startswith("VmHWM:"))
    longest = json.dumps({"marker": "x" * 100_000})
    want(scene.call(scene.friend, "copy", longest, https=True).returncode == 0, "a long honest call: found no answer, want one")
    (there / "clear_refs").write_text("5")
    before = peak_kb()
    sent = subprocess.run(["/bin/sh", "-c", f"head -c 1073741824 /dev/zero | curl -sk --max-time 60 --cert {scene.friend.state}/device.pem --key "
                           f"{scene.friend.state}/device.key -o /dev/null -w '%{{http_code}} %{{size_upload}}' -X POST -T - https://127.0.0.1:{scene.https}/rpc"],
                          capture_output=True, text=True, timeout=90, check=False).stdout.split()
    print(f"# a gigabyte: status {sent[0]}, {sent[1]} bytes taken, {peak_kb() - before} kB more", flush=True)
    want(sent[0] != "200" and int(sent[1]) < 64 << 20, f"found {sent}, want it cut")
    want(peak_kb() - before <= 1_024, f"found {peak_kb() - before} kB more, want at most 1,024")
    want(scene.call(scene.friend, "test", https=True).returncode == 0, "a live caller after it: found no answer, want one")


# Through the tunnel: the port is a service of the device's agent, and the caller stands at `sallyport connect`.

def offered_through_the_tunnel(scene):
    """A port of ours that leads to the node through relay and agent."""
    device = scene.server
    if 'name = "rpc"' not in (device.state / "agent.toml").read_text():
        with open(device.state / "agent.toml", "a") as file:
            file.write(f'\n[[service]]\nname = "rpc"\nkind = "tcp"\ntarget = "127.0.0.1:{scene.https}"\n')
        scene.stage.restart_agent(device)
        scene.there.claim(device)
        scene.stage.wait_online(device)
    settings = write_settings(scene.there, scene.stage.folder / "connect.toml")
    return Port([scene.there.sallyport, "connect", "--settings", settings, "--listen", "0", "--json", device.serial_id, "rpc"])


def check_the_same_calls_go_through_the_tunnel(scene):
    with offered_through_the_tunnel(scene) as port:
        done = scene.call(scene.friend, "copy", json.dumps({"marker": MARKER}), port=port.address[1])
        want(done.returncode == 0 and json.loads(done.stdout) == {"marker": MARKER}, f"found {done.stdout!r} {done.stderr!r}, want the params")
        before, call = scene.ran(), new_call()
        answers = [scene.call(scene.friend, "count", "--id", call, https=True, port=way) for way in (port.address[1], None, port.address[1])]
        want(all(one.returncode == 0 and one.stdout == answers[0].stdout for one in answers), f"found {[one.stderr for one in answers]}")
        want(scene.ran() == before + 1, f"a call repeated by either way: found {scene.ran() - before} runs, want one")
    live = scene.there.read("device", "sessions", scene.server.serial_id, "--state", scene.there.state)["sessions"]
    want(live and all(one["service"] == "rpc" for one in live), f"found {live}, want the calls' sessions of the tunnel")


def check_through_the_tunnel_certificates_are_as_good_as_without(scene):
    with offered_through_the_tunnel(scene) as port:
        refused = scene.call(scene.stranger, "copy", "{}", port=port.address[1])
        want(refused.returncode == REFUSED, f"a stranger: found exit {refused.returncode}: {refused.stderr}, want {REFUSED}")
        done = scene.call(scene.friend, "test", port=port.address[1], named=scene.names["press-3"])
        want(done.returncode == REFUSED and "want device" in done.stderr, f"found exit {done.returncode}: {done.stderr}, want it refused by name")
    with socket.socket() as nobody:  # has the port and does not listen
        nobody.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        nobody.bind(port.address)
        gone = scene.call(scene.friend, "test", port=port.address[1])
    want(gone.returncode == UNREACHABLE, f"after its end: found exit {gone.returncode}: {gone.stderr}, want {UNREACHABLE}")


def check_the_broker_saw_nothing(scene):
    for topic, payload in scene.broker.messages():
        if topic.endswith("/api/bundle"):
            continue
        for word in (MARKER, "copy", "count", "jsonrpc", scene.names["press-2"]):
            want(word.encode() not in payload, f"'{word}' in a message on {topic}")


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
