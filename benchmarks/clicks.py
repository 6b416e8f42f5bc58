"""Connections through a real agent that has some of them ready: how many can be made at once, and how long a person waits for the
first byte of a device that is far away.
"""
import os
import pathlib
import socket
import ssl
import statistics
import subprocess
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support")]

import rivals  # noqa: E402
from admin import administer  # noqa: E402
from installation import Process, wait_for  # noqa: E402
from measure import Failed, Goal, Metric, Rival  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

READY = 6  # that an agent keeps at most (kMostReady)
BURSTS = 8
PAUSE_SECONDS = 3.0  # before each burst of either side: what has just been used is fast, and an agent needs as long to have all ready
CLICKS = 5
ONE_WAY_MS = 50
ROUND_TRIP_MS = 2 * ONE_WAY_MS
ONLINE_SECONDS = 60
READY_SECONDS = 20
SERVICE = "machine"
LIMIT_SECONDS = 10


class Agent:
    """A device with its own agent in the installation, claimed and online, which knows when it has connections ready."""

    def __init__(self, there, serial_id, wire=None):
        self.there = there
        self.device = there.make_device(serial_id, serial_id, wire=wire)
        there.issue_factory_certificate(self.device)
        there.import_ledger()

    def offer(self, port):
        """A local server that is passed through as it is, as HAProxy does it."""
        file = self.device.state / "agent.toml"
        file.write_text(f'allow_tls_services = true\n{file.read_text()}\n[[service]]\nname = "{SERVICE}"\nkind = "tls"\ntarget = "127.0.0.1:{port}"\n')

    def start(self):
        self.there.start_agent(self.device)
        self._wait_online()
        self.there.claim(self.device)
        self._wait_online()
        self.name = self.there.device(self.device.serial_id)["name"]
        self.without = self._least_descriptors()

    def _wait_online(self):
        serial_id = self.device.serial_id
        wait_for(lambda: (self.there.device(serial_id) or {}).get("online"), ONLINE_SECONDS, lambda: f"{serial_id} online: {self.device.agent.tail(3)}")

    def _descriptors(self):
        return len(os.listdir(f"/proc/{self.device.agent.pid}/fd"))

    def _least_descriptors(self):
        """While no user is there; what it asks the gateway and status comes and goes."""
        seen = []
        for _ in range(30):
            seen.append(self._descriptors())
            time.sleep(0.1)
        return min(seen)

    def wait_ready(self, count):
        wait_for(lambda: self._descriptors() >= self.without + count, READY_SECONDS, f"{count} connections of the agent that are ready")


class Passed:
    """Users' way to the agent's passed-through service."""

    def __init__(self, agent):
        self.agent = agent
        self.port = agent.there.tls_port
        self.host = administer(agent.there, "grant.create", name=agent.name, service=SERVICE, kind="tls", client_key_sha256="ab" * 32)["host"]


class Bursts:
    """As many users at once as there are connections ready."""

    def __init__(self, program, count):
        self.program, self.count = program, count

    def _one(self, port, host):
        done = subprocess.run([str(word) for word in (self.program, port, host, READY, READY, 64)], capture_output=True, text=True, timeout=60, check=False)
        if done.returncode != 0:
            raise Failed(f"bench_users at port {port}: {done.stdout.strip()} {done.stderr.strip()}")
        return float(done.stdout.partition('"seconds":')[2].partition(",")[0])

    def rate(self, port, host, prepare):
        """Connections per second in the middle one of the bursts."""
        seconds = []
        for _ in range(self.count):
            time.sleep(PAUSE_SECONDS)
            prepare()
            seconds.append(self._one(port, host))
        return READY / statistics.median(seconds)

    def rate_of_ours(self, agent):
        way = Passed(agent)
        # The first users find none and raise how many are kept.
        for _ in range(4):
            self._one(way.port, way.host)
        return self.rate(way.port, way.host, lambda: agent.wait_ready(READY))


class Delay:
    """Ports behind which the installation, or something else, is ONE_WAY_MS away."""

    def __init__(self, folder, **targets):
        program = pathlib.Path(__file__).with_name("delay.py")
        self.process = Process("delay", [sys.executable, str(program), str(ONE_WAY_MS), *map(str, targets.values())], folder / "delay.log", talks=True)
        line = self.process.read_line(10)
        if not line:
            raise Failed(f"delay: no ports: {self.process.tail(3)}")
        self.ports = dict(zip(targets, map(int, line.split())))

    def port(self, kind):
        return self.ports[kind]

    def stop(self):
        self.process.stop()


def first_byte_ms(began, tls, authority, cookie=""):
    tls.sendall(f"GET / HTTP/1.1\r\nHost: {authority}\r\n{cookie}\r\n".encode())
    first = tls.recv(12)
    if first[:12] != b"HTTP/1.1 200":
        raise Failed(f"click: {first!r}, want the device's page")
    return (time.monotonic() - began) * 1000


class Clicks:
    """Of a person who is logged in, at the console's "open"."""

    def __init__(self, agent):
        self.agent = agent
        self.user = ConsoleUser(agent.there)

    def one(self):
        """Grant, entry, and the page that follows on the same connection."""
        began = time.monotonic()
        grant = self.user.grant(self.agent.name)
        with grant.come_in() as line:
            return first_byte_ms(began, line.socket, grant.authority, f"Cookie: __Host-sallyport={grant.cookie}\r\n")

    def median(self, count):
        self.one()  # the first user finds none ready
        seen = []
        for _ in range(count):
            self.agent.wait_ready(1)
            seen.append(self.one())
        return statistics.median(seen)


class Direct:
    """The device's own TLS server, asked from the same distance."""

    def __init__(self, port):
        self.port = port
        self.context = ssl.create_default_context()
        # Whom the person trusts is not what is measured.
        self.context.check_hostname = False
        self.context.verify_mode = ssl.CERT_NONE
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3

    def one(self):
        began = time.monotonic()
        with socket.create_connection(("127.0.0.1", self.port), timeout=LIMIT_SECONDS) as plain, self.context.wrap_socket(plain, server_hostname="rival") as tls:
            return first_byte_ms(began, tls, "rival")

    def median(self, count):
        return statistics.median(self.one() for _ in range(count))


def ready_metrics(programs, ours, passing, quick):
    """`ours` and `passing` are bench_relay's: the device behind both is the one at ours.device_port."""
    agent = Agent(ours.there, "bench-2")
    agent.offer(ours.device_port)
    agent.start()
    bursts = Bursts(programs / "benchmarks" / "bench_users", 3 if quick else BURSTS)
    yield Metric("relay", "connections_ready_per_s", "1/s", lambda: bursts.rate_of_ours(agent),
                 (Rival("haproxy-sni-passthrough", lambda: bursts.rate(passing.port, ours.host, lambda: None), Goal(">=", 1.2)),))
    agent.device.agent.stop()


def click_metrics(folder, ours, quick):
    there, started = ours.there, []
    try:
        delay = Delay(folder, tls=there.tls_port, http=there.http_port)
        started.append(delay)
        agent = Agent(there, "bench-3", wire=delay)
        rivals.server_identity(folder)
        server = rivals.nginx_https(folder, agent.device.panel_port)
        started.append(server)
        far = Delay(folder, direct=server.port)
        started.append(far)
        agent.start()
        clicks, direct, count = Clicks(agent), Direct(far.port("direct")), 2 if quick else CLICKS
        yield Metric("relay", "first_byte_ms", "ms", lambda: clicks.median(count),
                     (Rival("direct-tls", lambda: direct.median(count), Goal("<=+", ROUND_TRIP_MS)),))
    finally:
        for one in reversed(started):
            one.stop()
