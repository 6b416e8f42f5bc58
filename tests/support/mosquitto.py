"""A real broker, and somebody who reads everything that goes through it."""
import pathlib
import subprocess
import uuid

from stage import Process, free_port, listens, wait_for


class Mosquitto:
    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.port = free_port()
        self.config = self.folder / "mosquitto.conf"
        self.config.write_text(f"listener {self.port} 127.0.0.1\nallow_anonymous true\npersistence false\nset_tcp_nodelay true\n")
        self.seen = self.folder / "seen"
        self.process = self.spy = None
        self.start()

    @property
    def url(self):
        return f"mqtt://127.0.0.1:{self.port}"

    def start(self):
        self.process = Process("mosquitto", ["/usr/sbin/mosquitto", "-c", str(self.config)], self.folder / "mosquitto.log")
        wait_for(lambda: listens(self.port), 10, "the broker to listen")
        self.spy = Process("mosquitto_sub", ["mosquitto_sub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "#", "-F", "%t %x"], self.seen)
        wait_for(self.is_seen, 10, "the broker to be read")

    def is_seen(self):
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "probe", "-m", "x"], check=True, timeout=10)
        return "probe 78" in self.seen.read_text()

    def all_messages(self):
        """messages(), once everything that the broker has taken so far is among them; without what this takes."""
        word = uuid.uuid4().hex
        subprocess.run(["mosquitto_pub", "-h", "127.0.0.1", "-p", str(self.port), "-t", "fence", "-m", word], check=True, timeout=10)
        wait_for(lambda: ("fence", word.encode()) in self.messages(), 10, "the broker's last message to be read")
        return [one for one in self.messages() if one[0] != "fence"]

    def messages(self):
        """(topic, payload) of everything that was published."""
        found = []
        for line in self.seen.read_text().splitlines():
            topic, _, payload = line.partition(" ")
            try:
                found.append((topic, bytes.fromhex(payload)))
            except ValueError:
                pass
        return found

    def stop(self):
        self.spy.stop()
        self.process.stop()
