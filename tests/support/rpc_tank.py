"""A node of the examples (examples/node.cc) behind mosquitto, with a key that is good and one that is not, and the library to call it."""
import subprocess

import rpc_library as rpc
from cases import want
from mosquitto import Mosquitto
from stage import Process, wait_for

NODE = "tank-1"


class Tank:
    def __init__(self, stage):
        self.stage = stage
        self.broker = Mosquitto(stage.folder / "broker")
        self.folder = stage.folder / "tank"
        self.agent("init", "--node", NODE, "--broker", self.broker.url)
        self.key = self.key_file("plant-a", self.agent("key-add", "--id", "plant-a", "--allow", "tank.*", "--calls-per-minute", "100000"))
        removed = self.agent("key-add", "--id", "gone", "--allow", "tank.*")
        self.agent("key-remove", "--id", "gone")
        self.wrong_key = self.key_file("gone", removed)
        self.node = None
        self.start_node()
        self.library = rpc.Library(stage.build)
        self.live = self.open()

    def agent(self, verb, *words):
        program = self.stage.build / "apps" / "sallyport-agent"
        done = subprocess.run([str(word) for word in (program, "rpc", verb, "--state", self.folder, *words)], capture_output=True, text=True,
                              timeout=30, check=False)
        want(done.returncode == 0, f"rpc {verb}: found {done.stderr}, want status 0")
        return done.stdout

    def key_file(self, name, text):
        file = self.stage.folder / f"{name}.key"
        file.write_text(text)
        file.chmod(0o600)
        return file

    def start_node(self):
        log = self.stage.folder / "node.log"
        self.node = Process("example node", [str(self.stage.build / "examples" / "example_node"), str(self.folder)], log)
        wait_for(lambda: "rpc.ready" in log.read_text(), 20, lambda: f"the node; it says: {self.node.tail()}")

    def handle(self, key=None, url=None):
        return rpc.Rpc(self.library, ("broker", url or self.broker.url), ("key-file", key or self.key))

    def open(self, **choices):
        handle = self.handle(**choices)
        want(handle.open(NODE) == rpc.OK, f"open: found {handle.error()}, want it open")
        return handle

    def litres(self):
        answer = self.live.call("tank.level", flags=rpc.IDEMPOTENT)
        want(answer.status == rpc.OK, f"tank.level: found {answer}, want its level")
        return answer.json["litres"]

    def sent(self):
        """How many messages went through the broker, after whatever was on its way."""
        probes = self.broker.seen.read_text().count("probe 78")
        self.broker.is_seen()
        wait_for(lambda: self.broker.seen.read_text().count("probe 78") > probes, 20, "the broker to be read")
        return sum(topic != "probe" for topic, _ in self.broker.messages())

    def empty(self):
        """A node that begins anew."""
        self.node.stop()
        (self.stage.folder / "node.log").unlink()
        self.start_node()

    def stop(self):
        self.live.close()
        self.node.stop()
        self.broker.stop()
