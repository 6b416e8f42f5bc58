#!/usr/bin/env python3
# test: needs=dev
"""Errors name what was typed and say what to do: options by their names, words
that are no command, folders that are not there or not finished."""
import pathlib
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))
import cases  # noqa: E402
from cases import want  # noqa: E402
from refusal import FAILED, REFUSED, STATE, USAGE, refused, unchanged  # noqa: E402
from stage import wait_for  # noqa: E402

ZONE, CONSOLE = "devices.localhost", "console.localhost"


class Scene:
    """Two programs and a folder: nothing runs, no root has answered."""

    def __init__(self, build, folder):
        self.server_program, self.agent_program = build / "apps/sallyport", build / "apps/sallyport-agent"
        self.folder = folder
        self.state = folder / "begun"
        self.passphrase = folder / "passphrase"
        self.passphrase.write_text("correct horse battery\n")
        self.passphrase.chmod(0o600)
        self.root = folder / "root"
        for command in (self.server("root", "init", "--root", self.root, "--name", "Test", "--passphrase-file", self.passphrase), self.init()):
            subprocess.run(command, check=True, stdout=subprocess.DEVNULL)

    def server(self, *words):
        return [self.server_program, *words]

    def agent(self, *words):
        return [self.agent_program, *words]

    def init(self, *more):
        return self.server("init", "--state", self.state, "--name", "Test", "--zone", ZONE, "--console-name", CONSOLE, *more)

    def make_device(self):
        state = self.folder / "device"
        if not state.exists():
            subprocess.run(self.agent("init", *self.device(), "--state", state, "--csr-out", self.folder / "csr.pem", "--relay-address", "127.0.0.1:1",
                                      "--http-address", "127.0.0.1:1"), check=True, stdout=subprocess.DEVNULL)
        return state

    def device(self, serial_id="pump-1", site="site-1", zone=ZONE):
        return ("--serial-id", serial_id, "--site", site, "--zone", zone, "--root-certificate", self.root / "root.pem")


def check_unfinished_init_waits_for_the_root(scene):
    ledger = scene.folder / "ledger"
    ledger.write_text("")
    with unchanged(scene.state):
        for words in (["up", "--single-uid"], ["device", "list"], ["user", "list"], ["doctor"], ["backup", "--out", scene.folder / "out"], ["trust", "install"],
                      ["serve", "authority"], ["serve", "signer"]):
            refused(STATE, ["waits for the root's answer", str(scene.state / "from-root"), "run sallyport init again"],
                    *scene.server(*words, "--state", scene.state))


def check_missing_folder_names_the_command_that_makes_one(scene):
    nowhere = scene.folder / "nowhere"
    refused(STATE, "make one: sallyport init", *scene.server("up", "--single-uid", "--state", nowhere))
    refused(STATE, "make one: sallyport root init", *scene.server("root", "show", "--root", nowhere))
    refused(STATE, "make one: sallyport factory init", *scene.server("factory", "status", "--factory", nowhere))
    refused(STATE, "make one: sallyport-agent init", *scene.agent("run", "--state", nowhere))
    refused(STATE, f"sallyport-agent run --state {nowhere}", *scene.agent("claim-code", "--state", nowhere))


def check_word_that_is_no_command_is_named_with_those_there_are(scene):
    for command, words in ((scene.server("device", "lst"), ["usage: device: found 'lst', want one of find, list, show, "]),
                           (scene.server("device"), ["usage: device: found no command, want one of find, list, show, "]),
                           (scene.server("frobnicate"), ["usage: found 'frobnicate', want one of ", "device", "root"]),
                           (scene.agent("rpc", "key-ad"), ["usage: rpc: found 'key-ad', want one of init, run, "]),
                           (scene.agent("stauts"), ["usage: found 'stauts', want one of init, "]),
                           (scene.server("device", "show"), ["usage: ", "DEVICE"]),
                           (scene.server("device", "list", "--jsn"), ["usage: ", "--jsn"])):
        refused(USAGE, words, *command)


def check_value_that_cannot_be_read_is_told_with_its_option(scene):
    edge = {"--origin": "status.example:80", "--zone": ZONE, "--root-certificate": scene.root / "root.pem", "--listen": "127.0.0.1:0"}
    for option, wrong in (("--origin", "status.example"), ("--zone", "a b"), ("--listen", "80")):
        refused(FAILED, f"sallyport: {option}: ", *scene.server("serve", "edge", *(word for pair in {**edge, option: wrong}.items() for word in pair)))
    refused(FAILED, "sallyport: --site: ", *scene.server("factory", "init", "--factory", scene.folder / "station", "--site", "A B", "--zone", ZONE))
    refused(FAILED, "sallyport: --zone: ", *scene.server("init", "--state", scene.folder / "other", "--name", "x", "--zone", "a b", "--console-name", CONSOLE))
    root = ("--root", scene.root, "--passphrase-file", scene.passphrase, "--out", scene.folder / "root.crl")
    refused(FAILED, "sallyport: --revoke: ", *scene.server("root", "crl", *root, "--revoke", "xyz"))
    refused(FAILED, ["sallyport: --reason: ", "key-compromise"], *scene.server("root", "crl", *root, "--revoke", "2a", "--reason", "stolen"))
    made = ("--state", scene.folder / "other-device", "--csr-out", scene.folder / "other.pem")
    for option, wrong in (("--serial-id", scene.device(serial_id="a b")), ("--site", scene.device(site="a b")), ("--zone", scene.device(zone="a b"))):
        refused(FAILED, f"sallyport-agent: {option}: ", *scene.agent("init", *wrong, *made))
    refused(FAILED, "sallyport-agent: --service: ", *scene.agent("init", *scene.device(), *made, "--service", "ssh=22"))
    refused(FAILED, "sallyport-agent: JSON: ", *scene.agent("send", "--state", scene.make_device(), "--stream", "s", "{bad"))


def check_both_spellings_of_a_reason_are_read(scene):
    root = ("--root", scene.root, "--passphrase-file", scene.passphrase, "--out", scene.folder / "root.crl", "--revoke", "2a")
    for reason in ("key-compromise", "keyCompromise", "cessation-of-operation", "cessationOfOperation"):
        said = refused(FAILED, "", *scene.server("root", "crl", *root, "--reason", reason))
        want("--reason" not in said, f"found {said!r}, want the reason taken and the serial number refused")


def check_node_of_wrong_options_blames_no_file(scene):
    for option, words in (("--node", ["--node", "a b", "--broker", "mqtt://127.0.0.1"]), ("--broker", ["--node", "a", "--broker", "http://a"]),
                          ("--ca", ["--node", "a", "--broker", "mqtts://a"]), ("--ca", ["--node", "a", "--broker", "mqtt://a", "--ca", "ca.pem"])):
        said = refused(USAGE, f"sallyport-agent: {option}: ", *scene.agent("rpc", "init", "--state", scene.folder / "node", *words))
        want("rpc.toml" not in said, f"found {said!r}, want no file blamed that nobody has written")
    node = scene.folder / "node"
    subprocess.run(scene.agent("rpc", "init", "--state", node, "--node", "a", "--broker", "mqtt://127.0.0.1"), check=True, stdout=subprocess.DEVNULL)
    refused(USAGE, ["sallyport-agent: --id: ", "a-z"], *scene.agent("rpc", "key-add", "--state", node, "--id", "Plant", "--allow", "test"))


def check_without_a_terminal_the_option_of_the_passphrase_is_named(scene):
    refused(REFUSED, "want --root-passphrase-file", *scene.init("--root", scene.root))
    refused(REFUSED, "want --passphrase-file", *scene.server("root", "crl", "--root", scene.root, "--out", scene.folder / "root.crl"))


def check_doctor_of_a_running_agent_finds_what_is_wrong(scene):
    state = scene.make_device()
    with subprocess.Popen(scene.agent("run", "--state", state), stderr=subprocess.DEVNULL) as agent:
        try:
            wait_for((state / "run/agent.sock").exists, 20, "the agent to run")
            done = subprocess.run(scene.agent("doctor", "--state", state), capture_output=True, text=True, timeout=30, check=False)
        finally:
            agent.terminate()
    want(done.returncode == FAILED, f"found exit {done.returncode}: {done.stdout}{done.stderr}, want {FAILED}")
    lines = {line.split()[1]: line.split()[0] for line in done.stdout.splitlines()}
    want(lines.get("enrolment") == "FAIL" and lines.get("factory") == "FAIL" and lines.get("state") == "ok", f"found {done.stdout!r}, want each thing judged")
    want("found wrong" in done.stderr, f"found {done.stderr!r}, want one sentence that says so")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as the_folder:
        outcome = cases.run(globals(), Scene(cases.arguments().build.resolve(), pathlib.Path(the_folder)))
    sys.exit(outcome)
