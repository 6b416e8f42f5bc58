"""The steps of ./demo --check that call a device through a broker: mosquitto, with somebody who reads everything and plays it again."""
import json
import pathlib
import subprocess
import time

from installation import Failed, Process, free_port, listens, wait_for

NODE = "demo-pump"
TOPIC = f"{NODE}/api/request"
MARKER = "DEMO-PLAINTEXT-MARKER"
READY_SECONDS = 20
REPLAYS = ((), ("--retain",))


class Calls:
    """A broker that nobody trusts, a node at it, and all that the broker saw."""

    def __init__(self, there):
        self.there = there
        self.folder = there.folder / "rpc"
        self.folder.mkdir(mode=0o700)
        self.port = free_port()
        self.ran = self.folder / "ran"
        config = self.folder / "mosquitto.conf"
        config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\n")
        self.broker = Process("mosquitto", ["/usr/sbin/mosquitto", "-c", str(config)], self.folder / "mosquitto.log")
        wait_for(lambda: listens(self.port), READY_SECONDS, "the broker to listen")
        self.seen = self.folder / "seen"
        self.spy = Process("mosquitto_sub", ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "#", "-F", "%t %x"], self.seen)
        self.state = self.folder / "node"
        self.node = None
        wait_for(self.is_read, READY_SECONDS, "the broker to be read")

    def is_read(self):
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "probe", "-m", "x"], check=True, timeout=10)
        return "probe 78" in self.seen.read_text()

    def agent(self, verb, *words):
        done = subprocess.run([self.there.agent_program, "rpc", verb, "--state", str(self.state), *words], capture_output=True, text=True,
                              timeout=30, check=False)
        if done.returncode != 0:
            raise Failed(f"rpc {verb}: {done.stderr.strip()}", "exit 0")
        return done.stdout

    def set_up(self):
        self.agent("init", "--node", NODE, "--broker", f"mqtt://127.0.0.1:{self.port}")
        with open(self.state / "rpc.toml", "a") as settings:
            settings.write('\n[[method]]\nname = "pump.start"\n'
                           f'command = ["/bin/sh", "-c", "cat >> {self.ran}; echo \'{{\\"running\\":true}}\'"]\n')
        key = self.folder / "caller.key"
        key.write_text(self.agent("key-add", "--id", "demo", "--allow", "test", "--allow", "pump.*"))
        key.chmod(0o600)
        self.start_node()

    def start_node(self):
        self.node = Process("rpc node", [self.there.agent_program, "rpc", "run", "--state", str(self.state)], self.folder / "node.log")
        wait_for(lambda: self.call("test", "--timeout", "1s").returncode == 0, READY_SECONDS, lambda: f"the node; it says: {self.node.tail()}")

    def call(self, method, *words):
        return subprocess.run([self.there.sallyport, "rpc", "call", NODE, method, *words, "--broker", f"mqtt://127.0.0.1:{self.port}",
                               "--key-file", str(self.folder / "caller.key")], capture_output=True, text=True, timeout=60, check=False)

    def requests(self):
        """What callers sent, as the broker saw it."""
        lines = [line.split() for line in self.seen.read_text().splitlines()]
        return [bytes.fromhex(words[1]) for words in lines if len(words) == 2 and words[0] == TOPIC]

    def starts(self):
        return self.ran.read_text().count(MARKER) if self.ran.exists() else 0

    def play_again(self):
        """Every request ever seen, once as it was and once retained."""
        played = 0
        message = self.folder / "message"
        for request in self.requests():
            message.write_bytes(request)
            for how in REPLAYS:
                subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", TOPIC, "-q", "1", *how, "-f", str(message)],
                               check=True, timeout=20)
                played += 1
        return played

    def stop(self):
        return {one.name: one.stop() for one in (self.node, self.spy, self.broker) if one}


def rpc_call(world):
    """A method of a device runs by a call through a broker, and its result comes back; a caller without a right gets none."""
    world.calls = calls = Calls(world.there)
    calls.set_up()
    done = calls.call("pump.start", json.dumps({"note": MARKER}))
    if done.returncode != 0 or json.loads(done.stdout) != {"running": True}:
        raise Failed(f"exit {done.returncode}: {done.stdout!r} {done.stderr.strip()}", '{"running": true}')
    if calls.starts() != 1:
        raise Failed(f"{calls.starts()} starts of the pump", "one")
    denied = calls.call("keys.list")
    if denied.returncode != 4:
        raise Failed(f"keys.list: exit {denied.returncode}: {denied.stderr.strip()}", "exit 4: not allowed")


def rpc_replay_refused(world):
    """Whatever the broker saw is played again, as it was and retained, to the node that ran it and to the same node after a restart."""
    calls = world.calls
    played = calls.play_again()
    calls.node.stop()
    calls.start_node()
    played += calls.play_again()
    time.sleep(0.5)  # nothing is to come; a live call afterwards shows that all was looked at
    if calls.call("test").returncode != 0:
        raise Failed("no answer to a live caller", "one")
    if played < 8 or calls.starts() != 1:
        raise Failed(f"{calls.starts()} starts of the pump after {played} replays", "one after eight or more")


def rpc_broker_saw_nothing(world):
    """Method, params, result and key are nowhere in what the broker saw."""
    calls = world.calls
    text = calls.seen.read_text()
    requests = calls.requests()
    clear = b"".join(bytes.fromhex(line.split()[1]) for line in text.splitlines() if len(line.split()) == 2)
    secret = pathlib.Path(calls.folder / "caller.key").read_text().strip()[-50:-7]
    for word in (MARKER, "pump.start", "running", "jsonrpc", "demo\"", secret):
        if word.encode() in clear or word in text.replace(NODE, ""):
            raise Failed(f"'{word}' in what the broker saw", "nothing of it")
    if len(requests) < 3:
        raise Failed(f"{len(requests)} requests seen", "three or more to look at")
