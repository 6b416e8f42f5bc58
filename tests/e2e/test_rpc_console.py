#!/usr/bin/python3
"""The console's RPC page, from the broker to the browser: mosquitto, a node of a device, a whole installation by `sallyport up`, and Chromium
clicking through. A node is found and called, its progress read; a wrong key, a broker that is gone and an outcome that nobody knows are told as
what they are; a key of the node is made, shown once, rotated and removed.
"""
# test: needs=dev deadline=300 heavy
import json
import os
import pathlib
import stat
import subprocess
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402
from stage import Process, ROOT, ZONE, play, wait_for  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

ACTS = pathlib.Path(__file__).resolve().parents[1] / "support" / "rpc_page.mjs"
NODE = "press-node"
MARKER = "PLAINTEXT-MARKER-console"
METHODS = ["test", "info", "tell", "slow"]


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.folder = stage.folder / "rpc"
        self.ran = stage.folder / "ran"
        self.gate = stage.folder / "gate"
        self.broker = Mosquitto(stage.folder / "broker")
        self.node = self.person = self.device = None
        self.keys = {}

    def set_up(self):
        from person import Person
        there = self.stage.prepare()
        with open(there.state / "sallyport.toml", "a") as settings:
            settings.write(f'\n[[rpc.broker]]\nurl = "{self.broker.url}"\n')
        there.start()
        (self.device,) = self.stage.make_devices("press-1")
        self.stage.bring_online(self.device)
        self.set_up_node()
        home = there.folder / "browser"
        home.mkdir()
        there.run("trust", "install", "--state", there.state, "--nss", home / ".pki" / "nssdb")
        self.person = Person(home, there.logs / "browser.log", ACTS)
        self.person("login", url=there.console_url, login=there.owner, password=there.password)

    def agent(self, *words):
        done = subprocess.run([str(self.stage.build / "apps" / "sallyport-agent"), "rpc", *map(str, words), "--state", str(self.folder)],
                              capture_output=True, text=True, timeout=60, check=False)
        want(done.returncode == 0, f"rpc {words[0]}: found {done.stderr}, want status 0")
        return done.stdout.strip()

    def set_up_node(self):
        os.mkfifo(self.gate)
        self.agent("init", "--node", NODE, "--broker", self.broker.url)
        self.keys["calls"] = self.agent("key-add", "--id", "console", *[word for method in METHODS for word in ("--allow", method)])
        self.keys["keys"] = self.agent("key-add", "--id", "admin", "--allow", "keys.*")
        state = self.device.state
        with open(self.folder / "rpc.toml", "a") as file:
            file.write(f'\n[identity]\nzone = "{ZONE}"\ncertificate = "{state}/device.pem"\nkey = "{state}/device.key"\nroots = "{state}/device-roots.pem"\n'
                       '\n[[method]]\nname = "tell"\ndescription = "tells what it was told"\nidempotent = true\n'
                       'command = ["/bin/sh", "-c", "echo \'{\\"percent\\": 50}\'; cat"]\n'
                       '\n[[method]]\nname = "slow"\ndescription = "waits at a gate"\nlimit = "30s"\n'
                       f'command = ["/bin/sh", "-c", "echo ran >> {self.ran}; cat {self.gate}"]\n')
        self.start_node()

    def start_node(self):
        self.node = Process("rpc node", [str(self.stage.build / "apps" / "sallyport-agent"), "rpc", "run", "--state", str(self.folder)],
                            self.stage.folder / "node.log")

    def call(self, key_line, method="test"):
        """By the command line, with a key's line."""
        file = self.stage.folder / "some.key"
        file.write_text(key_line + "\n")
        file.chmod(0o600)
        return subprocess.run([str(self.stage.build / "apps" / "sallyport"), "rpc", "call", NODE, method, "--broker", self.broker.url, "--key-file", str(file),
                               "--timeout", "3s"], capture_output=True, text=True, timeout=60, check=False)

    def audit(self):
        return [entry for entry in self.stage.audit("rpc.") if entry["subject"] == NODE]

    def keep(self, purpose, line):
        """Keeps a key by the page of the node's keys."""
        title = "for calls" if purpose == "calls" else "for the node’s keys"
        self.person("look", path=f"/rpc/{NODE}/keys")
        self.person("see", text="Kept here")
        self.person("click", role="button", name=f"the key {title}")
        self.person("fill", label="^The line that was shown", text=line)
        self.person("click", role="button", name="Keep it")
        self.person("gone", role="dialog")

    def open_method(self, method):
        self.person("look", path=f"/rpc/{NODE}?method={method}")
        self.person("see", text=f"^Call {method}$")

    def picture(self, name):
        folder = ROOT / "build" / "screenshots"
        folder.mkdir(parents=True, exist_ok=True)
        self.person("picture", file=str(folder / f"rpc-{name}.png"))

    def stop(self):
        if self.person:
            self.person.stop()
        if self.node:
            self.node.stop()
        self.broker.stop()


@cases.carries_the_rest
def check_a_node_is_found_with_its_device(scene):
    scene.set_up()
    scene.person("look", path="/rpc")
    scene.person("see", text="^Connected$")
    row = scene.person("row", name=NODE)
    name = scene.stage.there.device("press-1")["name"]
    want("Verified" in row and name in row, f"found {row!r}, want it verified and of device {name}")
    scene.person("look", path=f"/devices/{name}/rpc")
    scene.person("click", role="link", name=NODE)
    scene.person("see", text="No key for calls is kept for this node")


def check_a_key_is_kept_for_its_owner_alone_and_shown_nowhere(scene):
    scene.keep("calls", scene.keys["calls"])
    scene.keep("keys", scene.keys["keys"])
    scene.person("see", text="by owner")
    file = scene.stage.there.state / "caller" / "kept-keys.json"
    found = file.stat()
    want(stat.S_IMODE(found.st_mode) == 0o600, f"found mode {found.st_mode:o}, want 0600")
    if scene.stage.there.has_users_apart():
        others = {pathlib.Path(f"/proc/{scene.stage.pids_of(role)[0]}").stat().st_uid for role in ("console", "authority", "signer", "relay")}
        want(found.st_uid not in others, f"found the file of uid {found.st_uid}, want a user that no other role is")
    secret = scene.keys["calls"].split("_", 2)[2]
    want(secret not in file.read_text() and secret not in scene.person("everything"), "found the key's secret, want what was derived of it alone")


def check_a_method_is_called_with_its_progress_and_answer(scene):
    scene.open_method("tell")
    scene.picture("method")
    scene.person("fill", label="^Params of", text=json.dumps({"marker": MARKER}))
    scene.person("click", role="button", name="Call tell")
    scene.person("see", text="^Answered$", region="^Answer of")
    said = scene.person("shown", region="^Answer of")
    want('{"percent":50}' in said and MARKER in said, f"found {said!r}, want the progress and the params back")
    scene.picture("answer")


def check_the_audit_log_has_who_and_what_and_no_params(scene):
    entries = scene.audit()
    called = [entry for entry in entries if entry["action"] == "rpc.called" and entry["detail"]["method"] == "tell"]
    ended = [entry for entry in entries if entry["action"] == "rpc.ended" and entry["detail"]["method"] == "tell"]
    want(len(called) == len(ended) == 1 and called[0]["actor"] == "owner", f"found {entries}, want the call and its end")
    want(ended[0]["detail"]["outcome"] == "answered" and ended[0]["detail"]["call"] == called[0]["detail"]["call"], f"found {ended[0]['detail']}")
    want(MARKER not in json.dumps(scene.stage.audit()), "found params in the audit log, want none")


def check_params_that_are_not_json_are_told_by_their_place(scene):
    scene.open_method("tell")
    scene.person("fill", label="^Params of", text='{\n  "speed": 3,\n}')
    scene.person("see", text="Line 3, column 1: a comma before the end")


def check_a_wrong_key_is_told_as_what_it_may_be(scene):
    other = subprocess.run([str(scene.stage.build / "apps" / "sallyport-agent"), "rpc", "init", "--state", str(scene.stage.folder / "other"), "--node", "other",
                            "--broker", scene.broker.url], capture_output=True, text=True, timeout=60, check=True)
    want(other.returncode == 0, other.stderr)
    line = subprocess.run([str(scene.stage.build / "apps" / "sallyport-agent"), "rpc", "key-add", "--state", str(scene.stage.folder / "other"), "--id", "console",
                           "--allow", "*"], capture_output=True, text=True, timeout=60, check=True).stdout.strip()
    scene.keep("calls", line)
    scene.person("look", path=f"/rpc/{NODE}")
    scene.person("see", text="The node does not answer", limit=30_000)
    said = scene.person("shown", region="^Methods")
    want("is none of its keys" in said and "broker keeps something back" in said, f"found {said!r}, want the three things that it may be")
    scene.picture("silence")
    scene.keep("calls", scene.keys["calls"])
    scene.person("look", path=f"/rpc/{NODE}")
    scene.person("see", text="tells what it was told")


def check_an_outcome_that_nobody_knows_is_asked_for_again_and_ran_once(scene):
    scene.open_method("slow")
    scene.person("choose", label="Wait for", option="10 s")
    scene.person("click", role="button", name="Call slow")
    wait_for(scene.ran.exists, 20, "the method to run")
    scene.person("see", text="Under way", region="^Answer of")
    scene.broker.stop()
    # What it waits for: it ends while nobody can hear of it.
    opener = threading.Thread(target=lambda: scene.gate.write_text('"done"\n'), daemon=True)
    opener.start()
    opener.join(20)
    want(not opener.is_alive(), "found the method not waiting at its gate, want it to go on")
    scene.person("see", text="Outcome unknown", region="^Answer of", limit=30_000)
    said = scene.person("shown", region="^Answer of")
    want("may be running, or may never have arrived" in said, f"found {said!r}, want it explained")
    scene.picture("unknown")


def check_a_broker_that_is_gone_is_said_and_comes_back_by_itself(scene):
    scene.person("click", role="link", name="RPC")
    scene.person("see", text="No broker is connected")
    scene.picture("broker-down")
    scene.broker.start()
    scene.person("see", text="^Connected$", limit=30_000)
    wait_for(lambda: scene.call(scene.keys["calls"]).returncode == 0, 150, "the node to be back, which waits two minutes at most")
    scene.person("click", role="button", name="slow", exact=True)
    scene.person("click", role="button", name="Ask again under the same id")
    scene.person("see", text="^Answered$", region="^Answer of", limit=20_000)
    said = scene.person("shown", region="^Answer of")
    want('"done"' in said, f"found {said!r}, want the answer of the run that was")
    want(scene.ran.read_text().split() == ["ran"], f"found {scene.ran.read_text()!r}, want one run")


def check_a_new_key_is_shown_once_and_opens_what_it_may(scene):
    scene.person("look", path=f"/rpc/{NODE}/keys")
    scene.person("click", role="button", name="Add a key")
    scene.person("fill", label="^Id$", text="plant-b")
    scene.person("fill", label="^May call", text="test")
    scene.person("click", role="button", name="Make the key")
    scene.person("see", text="This is the only time that it is shown")
    said = scene.person("shown")
    scene.keys["made"] = next(word for word in said.split() if word.startswith("spk1_plant-b_"))
    scene.person("click", role="button", name="I have it")
    row = scene.person("row", name="plant-b")
    want("test" in row, f"found {row!r}, want its rules")
    want(scene.call(scene.keys["made"]).returncode == 0, "the new key: found no answer, want one")
    want(scene.call(scene.keys["made"], "tell").returncode == 4, "what it may not: found it not refused")
    scene.picture("keys")


def check_the_secret_is_nowhere_afterwards(scene):
    secret = scene.keys["made"].split("_", 2)[2].encode()
    want(secret.decode() not in scene.person("everything"), "found the secret on the page, want it gone with its dialog")
    there = scene.stage.there
    for folder in (there.state, there.logs, scene.folder):
        for file in folder.rglob("*"):
            if file.is_file() and not file.is_symlink():
                want(secret not in file.read_bytes(), f"found the secret in {file}, want it nowhere")


def check_rotating_keeps_the_old_secret_for_the_overlap(scene):
    scene.person("look", path=f"/rpc/{NODE}/keys")
    scene.person("click", role="button", name="Rotate plant-b")
    scene.person("click", role="button", name="Rotate", exact=True)
    scene.person("see", text="This is the only time that it is shown")
    new = next(word for word in scene.person("shown").split() if word.startswith("spk1_plant-b_"))
    want(new != scene.keys["made"], "found the secret of before, want another")
    scene.person("click", role="button", name="I have it")
    for line in (scene.keys["made"], new):
        done = scene.call(line)
        want(done.returncode == 0, f"found {done.stderr}, want both secrets good")


def check_rotating_the_key_for_keys_locks_nobody_out(scene):
    scene.person("click", role="button", name="Rotate admin")
    scene.person("choose", label="Overlap", option="1 hour")
    scene.person("click", role="button", name="Rotate", exact=True)
    scene.person("see", text="It is kept here too")
    scene.person("click", role="button", name="I have it")
    scene.person("look", path=f"/rpc/{NODE}/keys")
    scene.person("row", name="plant-b")


def check_a_removed_key_opens_nothing(scene):
    scene.person("click", role="button", name="Remove plant-b")
    scene.person("fill", label="^Type the key’s id", text="plant-b")
    scene.person("click", role="button", name="Remove", exact=True)
    scene.person("gone", role="dialog")
    want(scene.call(scene.keys["made"]).returncode != 0, "right after it: found an answer, want none")
    wait_for(lambda: scene.call(scene.keys["made"]).returncode == 5, 20, "silence towards the key")


def check_an_operator_reaches_no_key(scene):
    there = scene.stage.there
    password = there.folder / "operator-password"
    password.write_text("a password of an operator\n")
    password.chmod(0o600)
    there.run("user", "add", "otto", "--role", "operator", "--password-file", password, "--state", there.state)
    otto = ConsoleUser(there, "otto", "a password of an operator")
    for method in ("keys.list", "keys.add"):
        answer = otto.call("POST", f"/rpc/nodes/{NODE}/calls", {"method": method})
        want(answer.status == 400, f"{method}: found {answer.status} {answer.body!r}, want it refused")
    for path in ("keys", "kept-keys", "keys/admin/rotate", "keys/admin/remove", "kept-keys/calls/forget"):
        answer = otto.call("POST", f"/rpc/nodes/{NODE}/{path}", {})
        want(answer.status == 403, f"{path}: found {answer.status} {answer.body!r}, want it forbidden")
    want(otto.call("GET", f"/rpc/nodes/{NODE}/keys").status == 403, "found the keys listed, want them forbidden")
    begun = otto.call("POST", f"/rpc/nodes/{NODE}/calls", {"method": "test"}, status=202).json()["id"]
    owner = ConsoleUser(there)
    want(owner.call("GET", f"/rpc/calls/{begun}").status == 404, "found another person's call, want none")


def check_a_killed_caller_comes_back_with_its_keys(scene):
    scene.stage.kill_role("caller")
    scene.person("look", path="/rpc")
    scene.person("see", text="^Connected$", limit=30_000)
    scene.open_method("tell")
    scene.person("fill", label="^Params of", text="{}")
    scene.person("click", role="button", name="Call tell")
    scene.person("see", text="^Answered$", region="^Answer of", limit=20_000)


def check_the_broker_saw_nothing(scene):
    for topic, payload in scene.broker.messages():
        for word in (MARKER, "jsonrpc", "keys.add", "owner", "otto"):
            want(word.encode() not in payload, f"'{word}' in a message on {topic}")


def check_a_file_of_a_broker_that_is_not_there_stops_the_start_by_name(scene):
    there = scene.stage.there
    scene.stage.stop_server()
    settings = there.state / "sallyport.toml"
    before = settings.read_text()
    settings.write_text(before.replace(scene.broker.url, scene.broker.url.replace("mqtt:", "mqtts:")) + 'ca = "broker-ca.pem"\n')
    done = there.run("up", "--state", there.state, *([] if there.has_users_apart() else ["--single-uid"]), check=False)
    settings.write_text(before)
    want(done.returncode != 0 and "caller/broker-ca.pem: is not there" in done.stderr, f"found {done.returncode} {done.stderr!r}, want the file named")


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
