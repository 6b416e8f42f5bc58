#!/usr/bin/python3
"""Brokers as they are set up in earnest, by the real mosquitto: TLS, user names with passwords, certificates of clients, MQTT 3.1.1 and 5,
several at once; a broker that another CA vouches for, or for another name, is told nothing.
"""
# test: needs=dev deadline=240
import json
import pathlib
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import Process, play, wait_for  # noqa: E402
from tls_mosquitto import Ca, TlsMosquitto  # noqa: E402

PASSWORDS = {"pump": "a pump's password", "ann": "ann's own"}
WRONG = "hunter2-is-wrong"
UNREACHABLE = 5
BACK_SECONDS = 40


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.ca, self.other_ca = Ca(stage.folder / "ca", "Brokers"), Ca(stage.folder / "other-ca", "Somebody else")
        # One by password, the other by certificate: each broker has both ports.
        self.first, self.second = (TlsMosquitto(stage.folder / name, self.ca, PASSWORDS, ["pump-cert", "ann-cert"]) for name in ("first", "second"))
        self.agent, self.sallyport = (str(stage.build / "apps" / name) for name in ("sallyport-agent", "sallyport"))
        self.folder = stage.folder / "rpc"
        self.node = None
        self.files = {name: self.secret(f"{name}.password", text) for name, text in {**PASSWORDS, "wrong": WRONG}.items()}
        self.files |= {name: self.ca.issue(name) for name in ("pump-cert", "ann-cert")}
        self.files["foreign"] = self.other_ca.issue("ann-cert")

    def secret(self, name, text):
        file = self.stage.folder / name
        file.write_text(text + "\n")
        file.chmod(0o600)
        return file

    def run(self, *words):
        return subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=60, check=False)

    def set_up_node(self):
        done = self.run(self.agent, "rpc", "init", "--state", self.folder, "--node", "pump-1", "--broker", self.first.url(self.first.by_password), "--ca",
                        self.ca.file)
        want(done.returncode == 0, f"rpc init: found {done.stderr}, want status 0")
        self.key = self.secret("caller.key", self.run(self.agent, "rpc", "key-add", "--state", self.folder, "--id", "ann", "--allow", "*").stdout.strip())
        file = self.folder / "rpc.toml"
        text = file.read_text()
        start = text.index("[[broker]]")
        certificate, key = self.files["pump-cert"]
        file.write_text(text[:start] + f'[[broker]]\nurl = "{self.first.url(self.first.by_password)}"\nca = "{self.ca.file}"\nversion = "5"\n'
                        f'username = "pump"\npassword_file = "{self.files["pump"]}"\n\n'
                        f'[[broker]]\nurl = "{self.second.url(self.second.by_certificate)}"\nca = "{self.ca.file}"\n'
                        f'certificate = "{certificate}"\nkey = "{key}"\n')
        self.node = Process("rpc node", [self.agent, "rpc", "run", "--state", str(self.folder)], self.stage.folder / "node.log")
        wait_for(lambda: self.stage.folder.joinpath("node.log").read_text().count("rpc.ready") >= 2, 20, lambda: f"the node; it says: {self.node.tail()}")

    def call(self, *way, timeout="15s", ca=None):
        return self.run(self.sallyport, "rpc", "call", "pump-1", "test", "--key-file", self.key, "--ca", ca or self.ca.file, "--timeout", timeout, *way)

    def by_password(self, user="ann", password=None):
        return ("--broker", self.first.url(self.first.by_password), "--username", user, "--password-file", self.files[password or user])

    def by_certificate(self, name="ann-cert"):
        certificate, key = self.files[name]
        return ("--broker", self.second.url(self.second.by_certificate), "--certificate", certificate, "--key", key)

    def stop(self):
        for process in (self.node, self.first, self.second):
            if process:
                process.stop()


def answered(done):
    want(done.returncode == 0 and json.loads(done.stdout)["ok"], f"found exit {done.returncode}: {done.stderr}, want an answer")


def refused(done, *words):
    want(done.returncode == UNREACHABLE and all(word in done.stderr for word in words), f"found exit {done.returncode}: {done.stderr!r}, want {UNREACHABLE}, {words}")
    want(WRONG not in done.stderr, "found the password in the error, want it nowhere")


@cases.carries_the_rest
def check_a_node_is_at_two_brokers_by_password_and_by_certificate(scene):
    scene.set_up_node()
    want(scene.first.said("New client connected", "p5", "u'pump'"), f"first: found {scene.first.said('New client')}, want MQTT 5 and the user")
    want(scene.second.said("New client connected", "p2", "u'pump-cert'"), f"second: found {scene.second.said('New client')}, want MQTT 3.1.1 and the certificate's name")


def check_calls_by_user_name_and_password(scene):
    answered(scene.call(*scene.by_password()))
    want(scene.first.said("New client connected", "p2", "u'ann'"), f"found {scene.first.said('New client')}, want MQTT 3.1.1 and the user")


def check_calls_by_certificate_over_mqtt_5(scene):
    answered(scene.call(*scene.by_certificate(), "--mqtt5"))
    want(scene.second.said("New client connected", "p5", "u'ann-cert'"), f"found {scene.second.said('New client')}, want MQTT 5 and the certificate's name")


def check_a_wrong_password_is_named_and_not_shown(scene):
    for words in ((), ("--mqtt5",)):
        refused(scene.call(*scene.by_password(password="wrong"), *words, timeout="4s"), "authori")


def check_a_broker_that_wants_a_certificate_gets_none_of_another_ca(scene):
    for way in (("--broker", scene.second.url(scene.second.by_certificate)), scene.by_certificate("foreign")):
        refused(scene.call(*way, timeout="4s"), str(scene.second.by_certificate))


def check_a_broker_of_another_ca_is_told_nothing(scene):
    before = len(scene.first.said("New client connected"))
    refused(scene.call(*scene.by_password(), ca=scene.other_ca.file, timeout="4s"), str(scene.first.by_password))
    want(len(scene.first.said("New client connected")) == before, "found a client connected, want none")


def check_a_broker_of_another_name_is_told_nothing(scene):
    elsewhere = TlsMosquitto(scene.stage.folder / "elsewhere", scene.ca, PASSWORDS, [], address="192.0.2.1")
    try:
        refused(scene.call("--broker", elsewhere.url(elsewhere.by_password), "--username", "ann", "--password-file", scene.files["ann"], timeout="4s"),
                "127.0.0.1")
        want(not elsewhere.said("New client connected"), "found a client connected, want none")
    finally:
        elsewhere.stop()


def check_of_several_brokers_one_is_enough(scene):
    certificate, key = scene.files["ann-cert"]
    both = ("--broker", scene.first.url(scene.first.by_certificate), "--broker", scene.second.url(scene.second.by_certificate), "--certificate", certificate,
            "--key", key)
    answered(scene.call(*both))
    scene.second.stop()
    began = time.monotonic()
    answered(scene.call(*both))
    print(f"# with one of two brokers gone a call took {time.monotonic() - began:.2f} s")
    scene.second.start()
    scene.first.stop()
    wait_for(lambda: scene.call(*scene.by_certificate(), timeout="2s").returncode == 0, BACK_SECONDS, lambda: f"the node at the second one; {scene.node.tail()}")
    answered(scene.call(*both))
    scene.first.start()
    wait_for(lambda: scene.call(*scene.by_password(), timeout="2s").returncode == 0, BACK_SECONDS, lambda: f"the node at the first one; {scene.node.tail()}")


if __name__ == "__main__":
    sys.exit(play(globals(), Scene))
