"""Brokers of other makers than mosquitto's, each on a loopback port, anonymous: RabbitMQ with its MQTT plugin, and aedes."""
import os
import pathlib
import shutil
import signal

from cases import ROOT, Missing
from stage import Process, free_port, listens, wait_for

RABBITMQ = pathlib.Path("/usr/lib/rabbitmq/bin/rabbitmq-server")  # as the service runs it, without its change of user
LISTEN_SECONDS = 90


class Broker:
    """One that `start` makes and `stop` ends; its port stays."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.process = None

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def until_it_listens(self):
        wait_for(lambda: listens(self.port), LISTEN_SECONDS, lambda: f"{self.process.name} to listen; it says: {self.process.tail()}")

    def stop(self):
        self.process.stop()


class Aedes(Broker):
    """From npm, where web/ has it for the tests."""

    def start(self):
        if not (ROOT / "web" / "node_modules" / "aedes").is_dir():
            raise Missing("aedes: npm's packages in web/node_modules")
        script = pathlib.Path(__file__).with_name("aedes_broker.mjs")
        self.process = Process("aedes", ["node", str(script), str(self.port)], self.folder / "log")
        self.until_it_listens()


class RabbitMq(Broker):
    """Debian's, with a port mapper of its own, so that neither meets another of this machine."""

    def __init__(self, folder):
        super().__init__(folder)
        self.mapper = None
        self.mapper_port, self.other_port = free_port(), free_port()
        (self.folder / "rabbitmq.conf").write_text(
            f"listeners.tcp = none\nmqtt.listeners.tcp.1 = 127.0.0.1:{self.port}\nmqtt.allow_anonymous = true\n"
            "mqtt.default_user = guest\nmqtt.default_pass = guest\ndisk_free_limit.absolute = 1MB\n"
            "log.console = true\nlog.file = false\n")
        (self.folder / "enabled_plugins").write_text("[rabbitmq_mqtt].\n")
        cookie = self.folder / ".erlang.cookie"
        cookie.write_text("sallyporttest")
        cookie.chmod(0o400)

    def environment(self):
        folder = str(self.folder)
        return {"HOME": folder, "RABBITMQ_NODENAME": f"sallyport{os.getpid()}@localhost", "RABBITMQ_MNESIA_BASE": f"{folder}/mnesia",
                "RABBITMQ_LOG_BASE": f"{folder}/logs", "RABBITMQ_CONFIG_FILE": f"{folder}/rabbitmq.conf",
                "RABBITMQ_ENABLED_PLUGINS_FILE": f"{folder}/enabled_plugins", "RABBITMQ_DIST_PORT": str(self.other_port),
                "ERL_EPMD_PORT": str(self.mapper_port), "ERL_EPMD_ADDRESS": "127.0.0.1", "RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS": "+S 1:1"}

    def start(self):
        if not RABBITMQ.exists() or not shutil.which("epmd"):
            raise Missing("rabbitmq-server")
        if self.mapper is None:
            self.mapper = Process("epmd", ["epmd", "-port", str(self.mapper_port), "-address", "127.0.0.1"], self.folder / "epmd.log")
        self.process = Process("RabbitMQ", [str(RABBITMQ)], self.folder / "log", self.environment())
        self.until_it_listens()

    def stop(self):
        """The script starts others, which are not all gone with it."""
        self.process.stop()
        for pid, _ in self.process.left_behind():
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: not listens(self.port), 20, "RabbitMQ's port to be free")

    def close(self):
        if self.process:
            self.stop()
        if self.mapper:
            self.mapper.stop()
