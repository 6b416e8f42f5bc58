"""An installation with devices for an end-to-end script: real programs, free ports, everything below one temporary folder
and ended by process id. The pieces are those of tools/demo.

    with Stage(cases.arguments().build) as stage:
        sys.exit(cases.run(globals(), stage))
"""
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "demo"))

from installation import CONSOLE, SITE, ZONE, Installation, Process, current, free_port, listens, members, wait_for  # noqa: E402, F401

import cases  # noqa: E402
from cases import Failed, want  # noqa: E402, F401

ENROLMENT_SECONDS = 40
COME_BACK_SECONDS = 30


class Stage:
    def __init__(self, build, programs=None):
        self.build = pathlib.Path(build)
        self.programs = programs or self.build / "apps"
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-e2e-"))
        self.folder.chmod(0o755)
        os.environ["XDG_STATE_HOME"] = str(self.folder / "remembered")  # of callers, for as long as the stage
        self.there = None
        self.closing = []

    def __enter__(self):
        signal.signal(signal.SIGTERM, signal.default_int_handler)
        return self

    def __exit__(self, *_):
        for close in reversed(self.closing):
            close()
        if self.there:
            self.there.stop()
        if os.environ.get("SALLYPORT_KEEP"):
            print(f"# kept {self.folder}", file=sys.stderr)
        else:
            shutil.rmtree(self.folder, ignore_errors=True)

    def prepare(self, **site):
        """Root, installation and factory (what its permit allows: Installation.add_site); nothing runs yet."""
        self.there = Installation(self.programs, self.folder, free_port(), free_port())
        self.there.initialise()
        self.there.add_site(**site)
        return self.there

    def set_up(self, **site):
        """Root, installation, factory; every service healthy."""
        self.prepare(**site)
        self.there.start()
        return self.there

    def make_devices(self, *serial_ids, wire=None):
        """Factory-fresh devices whose ledger is in. Their agents do not run yet."""
        devices = [self.there.make_device(serial_id, serial_id.title(), wire=wire) for serial_id in serial_ids]
        for device in devices:
            self.there.issue_factory_certificate(device)
        self.there.import_ledger()
        return devices

    def configure(self, device, **values):
        """Sets keys of the agent's configuration: what a person would write with an editor."""
        file = device.state / "agent.toml"
        lines = [line for line in file.read_text().splitlines() if line.partition("=")[0].strip() not in values]
        file.write_text("\n".join([f"{key} = {json.dumps(value)}" for key, value in values.items()] + lines) + "\n")

    def bring_online(self, *devices, claim=True):
        """Starts the agents and waits until every device is online, and claimed if asked."""
        for device in devices:
            self.there.start_agent(device)
        for device in devices:
            self.wait_online(device, ENROLMENT_SECONDS)
            if claim:
                self.there.claim(device)
                self.wait_online(device, ENROLMENT_SECONDS)

    def wait_online(self, device, seconds=COME_BACK_SECONDS):
        def come():
            record = self.there.device(device.serial_id)
            return record if record and record["online"] else None

        return wait_for(come, seconds, lambda: f"{device.serial_id} online; its agent says: {device.agent.tail(8)}")

    def restart_agent(self, device):
        if device.agent:
            device.agent.stop()
        device.log_start = pathlib.Path(device.agent.log).stat().st_size if device.agent else 0
        self.there.start_agent(device)
        wait_for(lambda: "agent.running" in self.agent_log(device), 10, "the agent to run")

    def agent_log(self, device):
        """What the agent has said since restart_agent."""
        with open(device.agent.log, "rb") as file:
            file.seek(getattr(device, "log_start", 0))
            return file.read().decode(errors="replace")

    def kill_role(self, role):
        """kill -9 of every process of a role; returns once the supervisor has as many others, and all are healthy."""
        old = self.pids_of(role)
        for pid in old:
            os.kill(pid, signal.SIGKILL)
        wait_for(lambda: self.is_replaced(role, old), COME_BACK_SECONDS, f"the supervisor to start {role} again")
        wait_for(self.is_healthy, COME_BACK_SECONDS, f"every service healthy after {role} was killed")

    def is_replaced(self, role, old):
        now = self.pids_of(role)
        return len(now) == len(old) and not set(now) & set(old)

    def stop_server(self):
        """Ends every role, as `sallyport up` does when it is told to; there.start() brings them back."""
        self.there.server.stop()
        wait_for(lambda: not self.there.server.left_behind(), COME_BACK_SECONDS, "every role to have ended")

    def is_healthy(self):
        return self.doctor().returncode == 0

    def doctor(self):
        return self.there.run("doctor", "--state", self.there.state, "--json", check=False)

    def pids_of(self, role):
        """The processes of a role; several for a relay with several workers."""
        return self.there.pids_of(role)

    def audit(self, prefix=""):
        arguments = ["audit", "list", "--state", self.there.state, "--limit", "1000"]
        if prefix:
            arguments += ["--action", prefix]
        return self.there.read(*arguments)["entries"]

    def server_certificate(self, name):
        """The certificate that a server of the installation shows now, DER."""
        import ssl
        context = ssl.create_default_context(cafile=str(self.there.state / "trust" / "server-ca.twin.pem"))
        with socket.create_connection(("127.0.0.1", self.there.tls_port), timeout=10) as plain:
            with context.wrap_socket(plain, server_hostname=name) as secured:
                return secured.getpeercert(binary_form=True)


def tool(*command, given=None, seconds=60):
    done = subprocess.run([str(word) for word in command], input=given, capture_output=True, timeout=seconds, check=False)
    want(done.returncode == 0, f"{command[0]}: found {(done.stderr or done.stdout).decode(errors='replace').strip()[-300:]}, want success")
    return done.stdout


def pretty(value):
    return json.dumps(value)[:300]


def play(namespace, make_scene):
    """Runs the check_… functions of a script with one scene, made on a stage of its own and stopped at the end, however that is.
    Returns the exit status."""
    with Stage(cases.arguments().build.resolve()) as stage:
        scene = make_scene(stage)
        try:
            return cases.run(namespace, scene)
        finally:
            scene.stop()
