"""What the relay costs per byte and how many connections it makes, against HAProxy and nginx passing the same bytes by SNI.

Ours is the whole installation as `sallyport up` runs it, with one enrolled device, whose place bench_device takes: users'
bytes go user → relay → data connection → device. A rival brings the same users' bytes to a port of the same bench_device.
"""
import http.client
import json
import socket
import ssl
import subprocess
import urllib.parse

import clicks
import latency
import rivals
from installation import CONSOLE, ZONE, Installation, Process, free_port, wait_for
from measure import Failed, Goal, Metric, Rival, cpu_seconds

GIGABYTE = 1_000_000_000
SERIAL_ID = "bench-1"
ENROLMENT_SECONDS = 60
ONLINE_SECONDS = 20
STREAMS = 64
AT_A_TIME = 32
LIMIT_SECONDS = 300


class Console:
    """The console's API over the relay's own port, as a browser would use it."""

    def __init__(self, there):
        self.there = there
        self.context = ssl.create_default_context(cafile=str(there.state / "trust" / "root.pem"))
        self.headers = {"Content-Type": "application/json", "Origin": there.console_url, "Host": f"{CONSOLE}:{there.tls_port}"}
        session = self.post("/api/v1/login", {"login": there.owner, "password": there.password})
        self.headers["X-CSRF-Token"] = session["csrf"]

    def post(self, path, body):
        with socket.create_connection(("127.0.0.1", self.there.tls_port), timeout=20) as plain, \
                self.context.wrap_socket(plain, server_hostname=CONSOLE) as tls:
            connection = http.client.HTTPConnection(CONSOLE)
            connection.sock = tls
            connection.request("POST", path, json.dumps(body), self.headers)
            answer = connection.getresponse()
            text = answer.read().decode()
            if answer.status // 100 != 2:
                raise Failed(f"POST {path}: {answer.status} {text}")
            cookie = answer.getheader("Set-Cookie")
            if cookie:
                self.headers["Cookie"] = cookie.partition(";")[0]
            return json.loads(text) if text else None


def set_workers(there, count=1):
    """Rivals run one thread; so does ours, unless told otherwise."""
    file = there.state / "sallyport.toml"
    lines = file.read_text().splitlines()
    file.write_text("\n".join(f"workers = {count}" if line.startswith("workers") else line for line in lines) + "\n")


class Ours:
    """The installation with a device, and bench_device in its place."""

    def __init__(self, programs, folder):
        self.there = Installation(programs / "apps", folder / "ours", free_port(), free_port())
        self.stand_in = None
        self.programs = programs
        try:
            self._start(folder)
        except BaseException:
            self.stop()
            raise

    def _start(self, folder):
        there = self.there
        there.initialise()
        set_workers(there)
        there.start()
        there.add_site()
        device = there.make_device(SERIAL_ID, "Bench")
        there.issue_factory_certificate(device)
        there.import_ledger()
        there.start_agent(device)
        wait_for(lambda: (there.device(SERIAL_ID) or {}).get("online"), ENROLMENT_SECONDS, "the device to enrol")
        there.claim(device)
        device.agent.stop()
        record = there.device(SERIAL_ID)
        command = [str(self.programs / "benchmarks" / "bench_device"), str(device.state), record["name"], str(there.tls_port)]
        self.stand_in = Process("bench_device", command, folder / "bench_device.log", talks=True)
        line = self.stand_in.read_line(ONLINE_SECONDS) or ""
        if not line.startswith("online "):
            raise Failed(f"bench_device is not online: {self.stand_in.tail(3)}")
        self.device_port = int(line.split()[1])
        wait_for(lambda: there.device(SERIAL_ID)["online"], ONLINE_SECONDS, "the stand-in to be online")
        grant = Console(there).post(f"/api/v1/devices/{record['name']}/grants", {"service": "panel"})
        self.host = urllib.parse.urlsplit(grant["url"]).hostname
        self.port = there.tls_port
        self.pid = there.pid_of("relay")

    def pids(self):
        return [self.pid]

    def stop(self):
        if self.stand_in:
            self.stand_in.stop()
        self.there.stop()


class Traffic:
    def __init__(self, program, host):
        self.program = str(program)
        self.host = host

    def users(self, server, connections, at_a_time, count):
        command = [self.program, server.port, self.host, connections, at_a_time, count]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
        if done.returncode != 0:
            raise Failed(f"bench_users at port {server.port}: {done.stdout.strip()} {done.stderr.strip()}")
        return json.loads(done.stdout)

    def cost(self, server, streams, total):
        """CPU seconds of the server's processes per gigabyte that reached users."""
        before = cpu_seconds(server.pids())
        moved = self.users(server, streams, streams, total // streams)["bytes"]
        return (cpu_seconds(server.pids()) - before) / (moved / GIGABYTE)

    def rate(self, server, connections):
        return connections / self.users(server, connections, AT_A_TIME, 64)["seconds"]


def run(programs, folder, options):
    total = GIGABYTE // 10 if options.quick else 4 * GIGABYTE
    connections = 200 if options.quick else 4_000
    started = []
    try:
        ours = Ours(programs, folder)
        started.append(ours)
        traffic = Traffic(programs / "benchmarks" / "bench_users", ours.host)
        for make in (rivals.haproxy, rivals.nginx_stream):
            started.append(make(folder, ZONE, ours.device_port))
        splicing, streaming = started[1:]
        passing = rivals.haproxy(folder, ZONE, ours.device_port, splice=False)
        started.append(passing)
        for metric in metrics(traffic, ours, splicing, streaming, passing, total, connections):
            yield from metric.lines(options.runs, options.progress)
        for rows in (latency.metrics(programs, ours, passing, options.quick), clicks.ready_metrics(programs, ours, passing, options.quick),
                     clicks.click_metrics(folder, ours, options.quick)):
            for metric in rows:
                yield from metric.lines(options.runs, options.progress)
    finally:
        for one in reversed(started):
            one.stop()


def metrics(traffic, ours, splicing, streaming, passing, total, connections):
    def cost(server, streams):
        return lambda: traffic.cost(server, streams, total)

    for name, streams in (("cpu_seconds_per_gb", 1), (f"cpu_seconds_per_gb_{STREAMS}", STREAMS)):
        yield Metric("relay", name, "s/GB", cost(ours, streams),
                     (Rival("haproxy-forced-splice", cost(splicing, streams), Goal("<=", 0.75)),
                      Rival("nginx-stream", cost(streaming, streams), Goal("<=", 0.35))))
    yield Metric("relay", "connections_per_s", "1/s", lambda: traffic.rate(ours, connections),
                 (Rival("haproxy-sni-passthrough", lambda: traffic.rate(passing, connections), Goal(">=", 0.8)),))
