"""A whole Sallyport on this machine for a demonstration or a test: root, installation, factory, devices with their panels.

Everything lives under one folder; every process is started here and ended here by its process id.
"""
import ctypes
import dataclasses
import json
import os
import pathlib
import secrets
import select
import signal
import socket
import subprocess
import sys
import time

ZONE = "devices.localhost"
CONSOLE = "console.localhost"
SITE = "site-07"
STOP_SECONDS = 5.0


class Failed(Exception):
    """A step did not do what it should: `found`, `wanted`."""

    def __init__(self, found, wanted):
        super().__init__(f"found {found}, wanted {wanted}")
        self.found = found
        self.wanted = wanted


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def listens(port):
    """Whether anybody listens at this port of 127.0.0.1."""
    return f"0100007F:{port:04X} 00000000:0000 0A" in pathlib.Path("/proc/net/tcp").read_text()


def wait_for(condition, seconds, what):
    """Returns the first true value of condition(), asked every 50 ms; fails after `seconds`, saying `what`, a text or what
    makes one then."""
    deadline = time.monotonic() + seconds
    last = None
    while True:
        last = condition()
        if last:
            return last
        if time.monotonic() >= deadline:
            raise Failed(f"nothing within {seconds:g} s", what() if callable(what) else what)
        time.sleep(0.05)


LIBC = ctypes.CDLL(None)
PR_SET_PDEATHSIG = 1


def end_with_parent():
    LIBC.prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def members(session):
    """The processes of a session that are alive, as (pid, command name)."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            head, _, rest = (entry / "stat").read_text().rpartition(")")
        except OSError:
            continue
        state, _, _, of = rest.split()[:4]
        if int(of) == session and state not in "ZX":
            found.append((int(entry.name), head.partition("(")[2]))
    return found


class Process:
    """A child in a session of its own, with its output in a file; ended by its own process id. Ends when we do."""

    def __init__(self, name, command, log, environment=None, talks=False):
        self.name = name
        self.log = log
        self.output = open(log, "ab")
        pipe = subprocess.PIPE if talks else None
        self.child = subprocess.Popen(command, stdin=pipe or subprocess.DEVNULL, stdout=pipe or self.output, stderr=self.output,
                                      env={**os.environ, **(environment or {})}, start_new_session=True,
                                      preexec_fn=end_with_parent)

    def left_behind(self):
        """What still runs of the child and of what it started."""
        return members(self.child.pid)

    @property
    def pid(self):
        return self.child.pid

    def running(self):
        return self.child.poll() is None

    def read_line(self, seconds):
        """The next line of a child that talks and says one at a time, without its end; None when none came in time or it has ended."""
        ready, _, _ = select.select([self.child.stdout], [], [], seconds)
        line = self.child.stdout.readline().decode() if ready else ""
        return line.rstrip("\n") if line else None

    def stop(self, how=signal.SIGTERM):
        """Asks the child to end, insists after STOP_SECONDS. Returns its exit status."""
        if self.running():
            self.child.send_signal(how)
            if self.child.stdin:
                self.child.stdin.close()
            try:
                self.child.wait(STOP_SECONDS)
            except subprocess.TimeoutExpired:
                self.child.kill()
                self.child.wait()
        self.output.close()
        return self.child.returncode

    def tail(self, lines=15):
        text = pathlib.Path(self.log).read_text(errors="replace").splitlines()
        return "\n".join(text[-lines:])


@dataclasses.dataclass
class Device:
    serial_id: str
    title: str
    folder: pathlib.Path
    panel_port: int
    panel: Process
    agent: Process | None = None

    @property
    def state(self):
        return self.folder / "state"


def current(device, prefix):
    """The stem of the credential that an agent has in use: `web` or `operational`."""
    slot = (device.state / f"{prefix}.current").read_text().strip()
    return device.state / f"{prefix}.{slot}"


def is_passable(folder):
    """Whether users other than the owner may go through every folder up to the top."""
    return all(one.stat().st_mode & 0o001 for one in [folder, *folder.parents])


class Installation:
    def __init__(self, programs, folder, tls_port, http_port):
        self.sallyport = str(pathlib.Path(programs) / "sallyport")
        self.agent_program = str(pathlib.Path(programs) / "sallyport-agent")
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.state = self.folder / "installation"
        self.root = self.folder / "root"
        self.factory = self.folder / "factory"
        self.logs = self.folder / "logs"
        self.logs.mkdir(exist_ok=True)
        self.tls_port = tls_port
        self.http_port = http_port
        self.server = None
        self.devices = []
        self.ended = {}
        self.owner = "owner"
        self.passphrase_file = self._secret("root-passphrase")
        self.password_file = self._secret("owner-password")

    def _secret(self, name):
        path = self.folder / name
        if not path.exists():
            path.write_text(secrets.token_urlsafe(12) + "\n")
            path.chmod(0o600)
        return path

    @property
    def password(self):
        return self.password_file.read_text().strip()

    @property
    def console_url(self):
        return f"https://{CONSOLE}:{self.tls_port}"

    def run(self, *arguments, program=None, check=True, seconds=60):
        command = [program or self.sallyport, *map(str, arguments)]
        done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=seconds)
        with open(self.logs / "commands.log", "a") as log:
            log.write(f"$ {' '.join(command)}\n{done.stdout}{done.stderr}[{done.returncode}]\n")
        if check and done.returncode != 0:
            raise Failed(f"exit {done.returncode}: {(done.stderr or done.stdout).strip()[-400:]}", f"success of {command[1:3]}")
        return done

    def read(self, *arguments, program=None):
        """Runs a reading command with --json and returns what it says."""
        return json.loads(self.run(*arguments, "--json", program=program).stdout)

    # ---- the trust: root, installation, factory

    def initialise(self):
        if not (self.root / "root.pem").exists():
            self.run("root", "init", "--root", self.root, "--name", "Demo", "--passphrase-file", self.passphrase_file)
        self.run("init", "--state", self.state, "--name", "Demo", "--zone", ZONE, "--console-name", CONSOLE,
                 "--root", self.root, "--root-passphrase-file", self.passphrase_file,
                 "--owner", self.owner, "--owner-password-file", self.password_file,
                 "--listen-address", "127.0.0.1", "--public-port", self.tls_port, "--tls-port", self.tls_port, "--http-port", self.http_port)

    def add_site(self, count=100, quota=None):
        if (self.folder / "site.permit").exists():
            return
        self.run("factory", "init", "--factory", self.factory, "--site", SITE, "--zone", ZONE)
        signed = self.folder / "site-signed"
        self.run("root", "sign", "--root", self.root, "--in", self.factory / "to-root", "--out", signed,
                 "--passphrase-file", self.passphrase_file, "--yes")
        certificate = signed / f"local-ca-{SITE}.pem"
        permit = self.folder / "site.permit"
        self.run("site", "add", SITE, "--state", self.state, "--certificate", certificate, "--count", count, "--out", permit,
                 *([] if quota is None else ["--quota", quota]))
        self.run("factory", "permit", "--factory", self.factory, "--permit", permit, "--certificate", certificate,
                 "--root-certificate", self.state / "trust" / "root.pem")

    # ---- running

    def start(self):
        command = [self.sallyport, "up", "--state", str(self.state)]
        if not self.has_users_apart():
            command.append("--single-uid")
        self.server = Process("sallyport up", command, self.logs / "sallyport.log")
        wait_for(self._is_healthy, 30, "sallyport doctor to find every service healthy")

    def has_users_apart(self):
        """Every role gets a user of its own where we are root and those users can reach the folder."""
        return os.geteuid() == 0 and is_passable(self.folder.resolve())

    def _is_healthy(self):
        if not self.server.running():
            raise Failed(f"sallyport up ended: {self.server.tail(1)}", "it running")
        return self.run("doctor", "--state", self.state, "--json", check=False).returncode == 0

    def pids_of(self, role):
        """The process ids of a role that the supervisor runs; several for a relay with several workers."""
        found = []
        for pid, _ in self.server.left_behind():
            try:
                words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
            except OSError:
                continue
            if words[1:3] == [b"serve", role.encode()]:
                found.append(pid)
        return found

    def pid_of(self, role):
        found = self.pids_of(role)
        if not found:
            raise Failed("no such process", f"serve {role} running")
        return found[0]

    def make_device(self, serial_id, title, wire=None, remote_access=True):
        """A device with its panel; its way to the relay may lead over a watched wire. Made anew, or as it was kept."""
        folder = self.folder / serial_id
        folder.mkdir(exist_ok=True)
        port_file = folder / "panel-port"
        port_file.unlink(missing_ok=True)
        panel_program = pathlib.Path(__file__).with_name("machine_panel.py")
        panel = Process(f"panel of {serial_id}", [sys.executable, str(panel_program), "--name", title, "--port-file", str(port_file)],
                        self.logs / f"{serial_id}-panel.log")
        wait_for(port_file.exists, 10, "the panel to listen")
        device = Device(serial_id, title, folder, int(port_file.read_text()), panel)
        self.devices.append(device)
        tls_port, http_port = (wire.port("tls"), wire.port("http")) if wire else (self.tls_port, self.http_port)
        self.run("init", "--state", device.state, "--serial-id", serial_id, "--site", SITE, "--zone", ZONE,
                 "--root-certificate", self.state / "trust" / "root.pem", "--csr-out", folder / "factory.csr",
                 "--relay-address", f"127.0.0.1:{tls_port}", "--http-address", f"127.0.0.1:{http_port}",
                 "--service", f"panel=http:127.0.0.1:{device.panel_port}", "--remote-access", "on" if remote_access else "off",
                 program=self.agent_program)
        return device

    def issue_factory_certificate(self, device):
        certificate = device.folder / "factory.pem"
        if certificate.exists():
            return certificate
        self.run("factory", "issue", "--factory", self.factory, "--csr", device.folder / "factory.csr", "--out", certificate)
        self.run("init", "--state", device.state, "--certificate", certificate, program=self.agent_program)
        return certificate

    def import_ledger(self):
        folder = self.folder / "ledgers"
        folder.mkdir(exist_ok=True)
        # As many files as it takes.
        self.run("factory", "export", "--factory", self.factory, "--out", folder / "site.ledger")
        self.run("site", "import", SITE, "--ledger", folder, "--state", self.state)

    def start_agent(self, device):
        device.agent = Process(f"agent of {device.serial_id}", [self.agent_program, "run", "--state", str(device.state)],
                               self.logs / f"{device.serial_id}-agent.log")

    def bring_back(self, device):
        """Starts the agent again, as an init system would, until it runs: a `send` may hold its folder for a moment."""
        def runs():
            if device.agent is None or not device.agent.running():
                self.start_agent(device)
            return self.agent_status(device).get("running")
        wait_for(runs, 20, f"the agent of {device.serial_id} to run again")

    def agent_status(self, device):
        done = self.run("status", "--state", device.state, "--json", program=self.agent_program, check=False)
        if done.returncode != 0:
            return {}
        return json.loads(done.stdout)

    def claim_code(self, device):
        done = self.run("claim-code", "--state", device.state, program=self.agent_program, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""

    def device(self, serial_id):
        for record in self.read("device", "list", "--state", self.state)["devices"]:
            if record["serial_id"] == serial_id:
                return record
        return None

    def claim(self, device):
        """Claims by the command line and switches remote access on, unless that was done before."""
        record = self.device(device.serial_id)
        if record["state"] == "connected":
            code = wait_for(lambda: self.claim_code(device), 10, "the device to show its claim code")
            self.run("device", "claim", device.serial_id, "--code", code, "--alias", device.title, "--state", self.state)
        if not record["remote_access"]:
            self.run("device", "remote-access", device.serial_id, "on", "--state", self.state)

    def send(self, device, stream, values):
        """Hands values to the agent; True once it has acknowledged that they are on disk."""
        lines = "".join(json.dumps({"value": value}) + "\n" for value in values)
        command = [self.agent_program, "send", "--state", str(device.state), "--stream", stream]
        return subprocess.run(command, input=lines, capture_output=True, text=True, timeout=30).returncode == 0

    def processes(self):
        found = [process for device in self.devices for process in (device.agent, device.panel) if process]
        return found + ([self.server] if self.server else [])

    def stop(self):
        """Ends everything that was started here; returns the exit statuses by name."""
        for process in self.processes():
            self.ended[process.name] = process.stop()
        return self.ended
