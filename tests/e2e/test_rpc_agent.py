#!/usr/bin/python3
"""The node of a device under its agent: a process of its own that the agent keeps running and signs for, without access to the device's key;
it has a memory limit, follows renewals, tells the device's values and switches its services for whoever a rule names."""
# test: needs=dev deadline=300
import json
import os
import pathlib
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from admin import administer  # noqa: E402
from cases import want  # noqa: E402
from mosquitto import Mosquitto  # noqa: E402
from stage import Process, ZONE, play, wait_for  # noqa: E402

REFUSED, UNREACHABLE = 4, 5
MIB = 1 << 20
NODE_USER = 61_234
RENEW_SECONDS = 90  # an unclaimed device asks every 30 s when to renew


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.there = stage.set_up()
        self.server, self.friend = stage.make_devices("press-1", "press-2")
        stage.bring_online(self.server, self.friend, claim=False)
        self.broker = Mosquitto(stage.folder / "broker")
        self.node_name = self.name_of(self.server)
        self.folder = self.server.state / "rpc"
        self.keys = {}

    def name_of(self, device):
        return wait_for(lambda: self.status(device).get("name"), 30, f"{device.serial_id} to have its name")

    def program(self, name):
        return str(self.stage.build / "apps" / name)

    def run(self, *words):
        return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, check=False)

    def agent(self, *words, good=True):
        done = self.run(self.program("sallyport-agent"), *words)
        want(not good or done.returncode == 0, f"sallyport-agent {words[0]}: found {done.stderr}, want status 0")
        return done

    def status(self, device=None):
        """What the agent says; nothing while one begins or ends, which has the folder and no socket."""
        done = self.agent("status", "--state", (device or self.server).state, "--json", good=False)
        return json.loads(done.stdout) if done.returncode == 0 else {}

    def node(self):
        return self.status()["rpc"]

    def set_up_node(self, folder=None):
        self.folder = folder or self.folder
        self.agent("rpc", "init", "--state", self.folder, "--node", self.node_name, "--broker", self.broker.url)
        with open(self.folder / "rpc.toml", "a") as file:
            file.write(f'\n[[caller]]\nwho = "device:{self.name_of(self.friend)}"\nallow = ["test", "telemetry.*", "services.list"]\n'
                       '\n[[method]]\nname = "memory"\ncommand = ["/bin/sh", "-c", "ulimit -S -d"]\n')
        for name, rules in (("any", ["*"]), ("switch", ["test", "services.*"])):
            words = [word for rule in rules for word in ("--allow", rule)]
            file = self.stage.folder / f"{name}-{len(self.keys)}.key"
            file.write_text(self.agent("rpc", "key-add", "--state", self.folder, "--id", name, *words).stdout)
            file.chmod(0o600)
            self.keys[name] = file

    def call(self, method, *words, key="any"):
        return self.run(self.program("sallyport"), "rpc", "call", self.node_name, method, *words, "--key-file", self.keys[key], "--broker",
                        self.broker.url)

    def call_as_friend(self, method, *words):
        return self.run(self.program("sallyport"), "rpc", "call", self.node_name, method, *words, "--identity", self.friend.state, "--zone", ZONE,
                        "--broker", self.broker.url)

    def answers(self, method, *words, key="any"):
        done = self.call(method, *words, key=key)
        want(done.returncode == 0, f"{method}: found exit {done.returncode}: {done.stderr}, want an answer")
        return json.loads(done.stdout)

    def come_up(self):
        wait_for(lambda: self.call("test", "--timeout", "2s").returncode == 0, 30, lambda: f"the node; the agent says: {self.server.agent.tail()}")
        wait_for(lambda: self.call_as_friend("test", "--timeout", "2s").returncode == 0, 30, lambda: f"its bundle: {self.server.agent.tail()}")

    def bundle(self):
        topic = f"{self.node_name}/api/bundle"
        return [payload for seen, payload in self.broker.messages() if seen == topic][-1]

    def stop(self):
        self.broker.stop()


def is_alive(pid):
    try:
        os.kill(pid, 0)
        return True
    except ProcessLookupError:
        return False


def check_an_agent_without_a_folder_for_it_has_no_node(scene):
    want(scene.node() is None, f"found {scene.node()}, want null")


@cases.carries_the_rest
def check_the_agent_starts_the_node_and_signs_for_it(scene):
    scene.set_up_node()
    scene.stage.restart_agent(scene.server)
    scene.come_up()
    node = scene.node()
    want(node["state"] == "running" and node["starts"] == 1 and is_alive(node["pid"]), f"found {node}, want it running")
    text = scene.agent("status", "--state", scene.server.state).stdout
    want("RPC node" in text and "running since" in text, f"found {text}, want the node among it")


def check_it_may_have_no_more_memory_than_its_limit_and_its_commands_may(scene):
    limits = pathlib.Path(f"/proc/{scene.node()['pid']}/limits").read_text()
    soft = [line.split()[3] for line in limits.splitlines() if line.startswith("Max data size")][0]
    want(soft == str(512 * MIB), f"found {soft}, want {512 * MIB}")
    want(scene.answers("memory") == "unlimited", "found a command under the node's limit, want none")


def check_what_programs_handed_in_is_read(scene):
    scene.agent("send", "--state", scene.server.state, "--stream", "press", "--topic", "bar", "12.5")
    scene.agent("send", "--state", scene.server.state, "--stream", "press", "--topic", "bar", "13.5")
    scene.agent("send", "--state", scene.server.state, "--stream", "press", "--topic", "celsius", "40")
    told = scene.answers("telemetry.read", '{"topic": "bar"}')
    want([(one["stream"], one["topic"], one["value"]) for one in told["values"]] == [("press", "bar", 13.5)], f"found {told}, want the last value")
    want(len(scene.answers("telemetry.read")["values"]) == 2, "found others than two values in all, want them")
    want(scene.call_as_friend("telemetry.read").returncode == 0, "by certificate: found no answer, want one")
    done = scene.call("telemetry.read", '{"path": "/etc/passwd"}')
    want(done.returncode != 0 and "-32602" in done.stderr, f"found {done.stdout} {done.stderr}, want the unknown key refused")


def check_the_star_switches_no_service(scene):
    names = {one["name"]: one["open"] for one in scene.answers("services.list")}
    want(names == {"device": True, "panel": True}, f"found {names}, want both open")
    for done in (scene.call("services.close", '{"item": "panel"}'), scene.call_as_friend("services.close", '{"item": "panel"}')):
        want(done.returncode == REFUSED, f"found exit {done.returncode}: {done.stderr}, want {REFUSED}")
    want(all(one["open"] for one in scene.status()["services"]), "found a service closed, want none")


def check_a_service_is_closed_and_opened_by_whom_a_rule_names(scene):
    want(scene.answers("services.close", '{"item": "panel"}', key="switch") is True, "want true")
    want({one["name"]: one["open"] for one in scene.status()["services"]} == {"device": True, "panel": False}, f"found {scene.status()['services']}")
    want("Services closed" in scene.agent("status", "--state", scene.server.state).stdout, "found nothing of it in the status, want it")
    scene.agent("service", "panel", "open", "--state", scene.server.state)
    want(all(one["open"] for one in scene.status()["services"]), "opened on the device: found one closed, want none")
    done = scene.call("services.open", '{"item": "ssh"}', key="switch")
    want(done.returncode != 0 and "ssh" in done.stderr, f"found {done.stdout} {done.stderr}, want no such service")
    lines = (scene.folder / "audit.jsonl").read_text()
    want('"method":"services.close"' in lines and '"items":["panel"]' in lines, "found no audit of it, want method and item")


def check_a_caller_pairs_by_the_key_default_and_it_ends(scene):
    default = scene.stage.folder / "default.key"
    default.write_text(scene.agent("rpc", "pairing-open", "--state", scene.folder, "--allow", "test").stdout)
    default.chmod(0o600)
    scene.keys["default"], scene.keys["paired"] = default, scene.stage.folder / "paired.key"
    wait_for(lambda: scene.call("test", "--timeout", "2s", key="default").returncode == 0, 20, "the pairing key to be known")
    want(scene.call("telemetry.read", key="default").returncode == REFUSED, "found the pairing key to read, want it refused")
    paired = scene.run(scene.program("sallyport"), "rpc", "pair", scene.node_name, "--id", "paired", "--key-file", default, "--broker", scene.broker.url)
    want(paired.returncode == 0, f"found exit {paired.returncode}: {paired.stderr}, want a key")
    scene.keys["paired"].write_text(paired.stdout)
    scene.keys["paired"].chmod(0o600)
    wait_for(lambda: scene.call("test", "--timeout", "2s", key="paired").returncode == 0, 20, "the key that was made to be known")
    want(scene.call("memory", key="paired").returncode == REFUSED, "found more than was chosen, want it refused")
    again = scene.run(scene.program("sallyport"), "rpc", "pair", scene.node_name, "--id", "more", "--key-file", default, "--broker",
                      scene.broker.url, "--timeout", "2s")
    want(again.returncode == UNREACHABLE and "--call" in again.stderr, f"found exit {again.returncode}: {again.stderr}, want silence and the call's id")
    want("paired" in scene.agent("rpc", "key-list", "--state", scene.folder).stdout, "found no key of it, want it listed")


def check_a_killed_node_is_started_again_and_the_agent_goes_on(scene):
    before, agent = scene.node(), scene.server.agent.pid
    os.kill(before["pid"], signal.SIGKILL)
    wait_for(lambda: scene.node()["starts"] == 2 and scene.node()["state"] == "running", 20, lambda: f"another: {scene.node()}")
    scene.come_up()
    after = scene.node()
    want("signal 9" in after["error"] and after["pid"] != before["pid"], f"found {after}, want why it ended")
    want(scene.server.agent.running() and scene.server.agent.pid == agent, "found another agent, want the same")


def check_a_renewed_certificate_reaches_the_node_without_a_restart(scene):
    before, node = scene.bundle(), scene.node()
    serial = scene.status()["certificates"]["operational"]["serial"]
    administer(scene.there, "renewal.ask", ca="online-ca", within_s=1)
    wait_for(lambda: scene.status()["certificates"]["operational"]["serial"] != serial, RENEW_SECONDS, "a renewed certificate")
    wait_for(lambda: scene.bundle() != before, 20, lambda: f"another bundle; the agent says: {scene.server.agent.tail()}")
    want(scene.node()["pid"] == node["pid"], "found another process, want the same")
    leaf = subprocess.run(["openssl", "x509", "-in", str(scene.server.state / "device.pem"), "-outform", "DER"], capture_output=True, check=True,
                          timeout=20).stdout
    want(leaf in scene.bundle() and leaf not in before, "found a bundle without the new certificate, want it inside")
    want(scene.call_as_friend("test").returncode == 0, "found no answer under it, want one")


def check_an_agent_that_is_killed_takes_its_node_along(scene):
    pid = scene.node()["pid"]
    scene.server.agent.stop(signal.SIGKILL)
    wait_for(lambda: not is_alive(pid), 20, "the node to end")


def check_an_agent_that_ends_ends_its_node(scene):
    scene.stage.restart_agent(scene.server)
    scene.come_up()
    pid = scene.node()["pid"]
    want(scene.server.agent.stop() == 0, "found another end of the agent than 0")
    want(not is_alive(pid), "found the node alive after its agent, want it ended")


def check_no_node_where_it_is_not_wanted(scene):
    log = scene.stage.folder / "without.log"
    agent = Process("agent", [scene.program("sallyport-agent"), "run", "--no-rpc", "--state", str(scene.server.state)], log)
    try:
        wait_for(lambda: scene.status().get("running"), 20, "the agent")
        want(scene.node() is None, f"--no-rpc: found {scene.node()}, want null")
    finally:
        agent.stop()
    file = scene.server.state / "agent.toml"
    text = file.read_text()
    file.write_text(text + "\n[rpc]\nrun = false\n")
    scene.stage.restart_agent(scene.server)
    want(scene.node() is None, f"run = false: found {scene.node()}, want null")
    file.write_text(text)


def check_a_faulty_file_of_the_node_keeps_the_agent_from_nothing(scene):
    file = scene.folder / "rpc.toml"
    text = file.read_text()
    file.write_text(text + "\nunknown_key = 1\n")
    scene.stage.restart_agent(scene.server)
    scene.stage.wait_online(scene.server)
    node = scene.node()
    want(node["state"] == "ended" and "rpc.toml:" in node["error"], f"found {node}, want the file and the line")
    file.write_text(text)


def check_a_node_of_another_user_reads_nothing_of_the_device_and_is_signed_for(scene):
    if os.geteuid() != 0:
        raise cases.Missing("root, to become another user")
    apart = scene.stage.folder / "rpc-apart"
    scene.set_up_node(apart)
    for path in (apart, *apart.rglob("*")):
        os.chown(path, NODE_USER, NODE_USER)
    with open(scene.server.state / "agent.toml", "a") as file:
        file.write(f'\n[rpc]\nfolder = "{apart}"\nuser = {NODE_USER}\nnode = "{scene.node_name}"\n')
    scene.stage.restart_agent(scene.server)
    scene.come_up()
    pid = scene.node()["pid"]
    who = pathlib.Path(f"/proc/{pid}/status").read_text()
    want(f"Uid:\t{NODE_USER}\t{NODE_USER}" in who and "NoNewPrivs:\t1" in who, f"found {who}, want user {NODE_USER} without new privileges")
    seen = subprocess.run(["setpriv", f"--reuid={NODE_USER}", f"--regid={NODE_USER}", "--clear-groups", "cat", str(scene.server.state / "device.key")],
                          capture_output=True, timeout=20, check=False)
    want(seen.returncode != 0 and not seen.stdout, "found the device's key readable by that user, want it not")


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
