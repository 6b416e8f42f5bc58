"""An installation under attack: two devices, a user at work at the first of them, the relay's processes and what they cost."""
import contextlib
import pathlib

from bystander import Bystander
from cases import want
from crowd import cpu_of, descriptors_of, memory_of
from stage import ZONE
from visitor import ConsoleUser


class Siege:
    def __init__(self, stage):
        self.stage = stage
        self.names = {}

    def set_up(self):
        self.there = self.stage.set_up()
        self.first, self.second = self.stage.make_devices("press-1", "press-2")
        self.prepare()
        self.stage.bring_online(self.first, self.second)
        for device in (self.first, self.second):
            self.names[device.serial_id] = self.there.device(device.serial_id)["name"]
        self.user = ConsoleUser(self.there)
        self.bystander = Bystander(self.grant(), b"<h1>Press-1</h1>")
        self.stage.closing.append(self.bystander.close)
        self.workers = self.stage.pids_of("relay")
        want(len(self.workers) > 1, f"found {len(self.workers)} workers of the relay, want several")

    def prepare(self):
        """What a script adds to the devices before they run."""

    @property
    def port(self):
        return self.there.tls_port

    def grant(self, serial_id="press-1", service="panel"):
        return self.user.grant(self.names[serial_id], service)

    def control_name(self, serial_id):
        return f"{self.names[serial_id]}.relay.{ZONE}"

    def log(self):
        """The lines that all roles have written."""
        return pathlib.Path(self.there.server.log).read_text(errors="replace").splitlines()

    def said_by(self, device):
        return pathlib.Path(device.agent.log).read_text(errors="replace")

    @contextlib.contextmanager
    def undisturbed(self):
        """Inside, the live session goes on, no device loses its control connection and no worker of the relay ends."""
        lost = [self.said_by(device).count("agent.control-down") for device in (self.first, self.second)]
        with self.bystander.undisturbed():
            yield
        after = [self.said_by(device).count("agent.control-down") for device in (self.first, self.second)]
        want(after == lost, f"found control connections lost: {after} instead of {lost}, want them kept")
        want(self.stage.pids_of("relay") == self.workers, "found other processes of the relay, want none ended")

    @contextlib.contextmanager
    def costs(self, times, cpu_ms):
        """Inside, the relay works for the attacker alone, who asks it for the same thing so many times."""
        with self.bystander.at_rest():
            before = cpu_of(self.workers)
            yield
            each = (cpu_of(self.workers) - before) * 1e3 / times
        print(f"# {each:.2f} ms of CPU each", flush=True)
        want(each <= cpu_ms, f"found {each:.1f} ms of CPU for each, want {cpu_ms} or less")

    def memory(self):
        return memory_of(self.workers)

    def descriptors(self):
        return descriptors_of(self.workers)
