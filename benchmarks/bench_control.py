"""Devices' control connections: what a handshake costs the relay, with the device looked up in the record, and what a device that
is merely connected costs in memory, against servers that end the same mutual TLS; and how soon a whole fleet is back after the
relay was killed.

The devices are many, each with a certificate of its own; they are entered into the installation's records before it starts.
"""
import json
import os
import pathlib
import signal
import subprocess
import time

import rivals
from bench_relay import set_workers
from installation import ZONE, Installation, Process, free_port, wait_for
from measure import Failed, Goal, Metric, Rival, cpu_seconds

DEVICES = 16_000
STORM_DEVICES = 10_000
MANY_DEVICES = 100_000
MANY_SECONDS = 1_800
BOTH_ENDS_KB = 110  # of a device, with its sockets
FEW = 600
AT_A_TIME = 16
LIMIT_SECONDS = 600
TWO_PINGS_SECONDS = 45
BACK_SECONDS = 30
IDLE_CPU = 0.2  # of a core
IDLE_PATIENCE = 120


def memory_kb(pids, kind):
    """What processes have of a kind of memory, a name of /proc/PID/smaps_rollup."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith(f"{kind}:"):
                total += int(line.split()[1])
    return total


def pss_kb(pids):
    """Memory of processes, what they share counted once among them."""
    return memory_kb(pids, "Pss")


class Relay:
    """An installation with `count` devices, and one relay worker unless told otherwise."""

    zone, most, settles_in = ZONE, DEVICES, TWO_PINGS_SECONDS  # as rivals.Mtls

    def __init__(self, programs, folder, count, workers=1):
        self.there = Installation(programs / "apps", folder / "ours", free_port(), free_port())
        self.there.initialise()
        set_workers(self.there, workers)
        self.there.add_site(count=count)
        self.devices = folder / "devices"
        done = subprocess.run([programs / "benchmarks" / "bench_control", "enrol", self.there.state, str(count), self.devices], capture_output=True, text=True,
                              timeout=LIMIT_SECONDS, check=False)
        if done.returncode != 0:
            raise Failed(f"bench_control enrol: {done.stderr.strip()[-300:]}")
        if self.there.has_users_apart():
            subprocess.run(["chown", "-R", "--reference", self.there.state / "authority", self.there.state / "authority"], check=True)
        self.there.start()
        self.port = self.idle_port = self.there.tls_port

    @property
    def root(self):
        return self.there.state / "trust" / "root.pem"

    def pids(self):
        return self.there.pids_of("relay")

    def stop(self):
        self.there.stop()


class Handshakes:
    """Full mutual handshakes per second of processor of the server."""

    def __init__(self, program, devices, count):
        self.program = program
        self.devices = devices
        self.count = count

    def rate(self, server):
        before = cpu_seconds(server.pids())
        command = [self.program, "shake", self.devices, server.port, server.zone, self.count, AT_A_TIME]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
        if done.returncode != 0:
            raise Failed(f"bench_control shake at port {server.port}: {done.stderr.strip()[-300:]}")
        return json.loads(done.stdout)["handshakes"] / (cpu_seconds(server.pids()) - before)


class Resumptions(Handshakes):
    """The same for devices that have met the server before."""

    def rate(self, server):
        command = [self.program, "resume", self.devices, server.port, server.zone, self.count, AT_A_TIME]
        with subprocess.Popen([str(word) for word in command], stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as child:
            try:
                met = child.stdout.readline()
                before = cpu_seconds(server.pids())
                out, err = child.communicate("\n", timeout=LIMIT_SECONDS)
            finally:
                child.kill()
        told = json.loads(out) if met and child.returncode == 0 else {}
        if told.get("resumed", 0) < self.count * 99 // 100:
            raise Failed(f"bench_control resume at port {server.port}: {told or err.strip()[-300:]}")
        return told["handshakes"] / (cpu_seconds(server.pids()) - before)


class Held:
    """`count` devices that keep their connections to a server."""

    def __init__(self, program, devices, server, count, folder, first=0):
        command = [program, "hold", devices, server.idle_port, server.zone, first, count]
        self.process = Process("bench_control", [str(word) for word in command], folder / f"bench_control-{first}.log", talks=True)
        self.count = count

    def wait(self, count, seconds, what="online"):
        """How long until so many are online, or with `what` "lost" so many connections have been lost in all."""
        child = self.process.child
        child.stdin.write(f"{'wait' if what == 'online' else what} {count} {seconds}\n".encode())
        child.stdin.flush()
        line = self.process.read_line(seconds + 30)
        if not line:
            raise Failed(f"bench_control hold: no answer; {self.process.tail(3)}")
        told = json.loads(line)
        if told[what] < count:
            raise Failed(f"bench_control hold: {told[what]} {what} after {seconds} s, want {count}")
        return told["seconds"]

    def stop(self):
        self.process.stop()


class Idle:
    """Memory per connected device, when all are online and have answered two pings."""

    def __init__(self, program, devices, count, folder):
        self.program, self.devices, self.count, self.folder = program, devices, count, folder

    def measure(self, server):
        count = min(self.count, server.most)
        before = pss_kb(server.pids())
        held = Held(self.program, self.devices, server, count, self.folder)
        try:
            held.wait(count, LIMIT_SECONDS)
            time.sleep(server.settles_in)
            held.wait(count, 1)
            return (pss_kb(server.pids()) - before) / count
        finally:
            held.stop()


def storm(relay, program, count, folder):
    """Kills the relay under `count` devices: seconds until 99 % are back, and until its processor is idle again after that."""
    held = Held(program, relay.devices, relay, count, folder)
    try:
        held.wait(count, LIMIT_SECONDS)
        killed = relay.there.pid_of("relay")
        os.kill(killed, signal.SIGKILL)
        began = time.monotonic()
        wait_for(lambda: not pathlib.Path(f"/proc/{killed}").exists(), 5, "the relay to have ended")
        # Else those that have not noticed yet would count as back.
        held.wait(count, BACK_SECONDS, "lost")
        held.wait(count * 99 // 100, LIMIT_SECONDS)
        back = time.monotonic() - began
        pids = [pid for pid, _ in relay.there.server.left_behind()]
        last, at = cpu_seconds(pids), time.monotonic()
        while True:
            time.sleep(1)
            now, then = cpu_seconds(pids), time.monotonic()
            if (now - last) / (then - at) < IDLE_CPU:
                return back, then - began - back
            if then - began - back > IDLE_PATIENCE:
                raise Failed(f"storm: {(now - last) / (then - at):.2f} of a core {IDLE_PATIENCE} s later")
            last, at = now, then
    finally:
        held.stop()


def handshakes(programs, folder, options):
    program = programs / "benchmarks" / "bench_control"
    started = []
    try:
        relay = Relay(programs, folder, FEW)
        started.append(relay)
        rivals.server_identity(folder)
        nginx, ticketed = rivals.nginx_mtls(folder, relay.root), rivals.nginx_mtls(folder, relay.root, tickets=True)
        started += [nginx, ticketed]
        least, least_again = (rivals.openssl_mtls(programs, folder, relay.root, tickets) for tickets in (False, True))
        started += [least, least_again]
        shakes = Handshakes(program, relay.devices, 200 if options.quick else 4_000)
        yield from Metric("handshake", "full_per_s", "1/s", lambda: shakes.rate(relay), (
            Rival("nginx-mtls", lambda: shakes.rate(nginx), Goal(">=", 1.5)),
            Rival("bound", lambda: shakes.rate(least), None))).lines(options.runs, options.progress)
        again = Resumptions(program, relay.devices, shakes.count)
        yield from Metric("handshake", "resumed_per_s", "1/s", lambda: again.rate(relay), (
            Rival("nginx-mtls", lambda: again.rate(ticketed), Goal(">=", 3.0)),
            Rival("bound", lambda: again.rate(least_again), None))).lines(options.runs, options.progress)
    finally:
        for one in reversed(started):
            one.stop()


def idle_memory(programs, folder, options):
    program = programs / "benchmarks" / "bench_control"
    count = FEW if options.quick else DEVICES
    started = []
    try:
        relay = Relay(programs, folder, count)
        started.append(relay)
        rivals.server_identity(folder)
        nginx, haproxy = rivals.nginx_mtls(folder, relay.root), rivals.haproxy_mtls(folder, relay.root)
        started += [nginx, haproxy]
        idle = Idle(program, relay.devices, count, folder)
        yield from Metric("relay", "idle_device_kb", "kB", lambda: idle.measure(relay), (
            Rival("nginx-mtls", lambda: idle.measure(nginx), Goal("<=", 0.6)),
            Rival("haproxy-mtls", lambda: idle.measure(haproxy), Goal("<=", 0.6)))).lines(1, options.progress)
    finally:
        for one in reversed(started):
            one.stop()


def need_memory(count):
    """For so many devices at both ends, before anything is started that would drive others out."""
    line = next(line for line in pathlib.Path("/proc/meminfo").read_text().splitlines() if line.startswith("MemAvailable:"))
    available, wanted = int(line.split()[1]), count * BOTH_ENDS_KB
    if available < wanted:
        raise Failed(f"idle_devices: {available >> 20} GB of memory are free, want {wanted >> 20} for {count} devices at both ends")


def idle_many(programs, folder, options):
    """As many as a machine is to hold, over several workers: none may hold more than its descriptors allow, and no client may."""
    count, at_client = (FEW, FEW // 2) if options.quick else (MANY_DEVICES, DEVICES)
    need_memory(count)
    program = programs / "benchmarks" / "bench_control"
    relay = Relay(programs, folder, count, workers=-(-count // at_client))
    clients = []
    try:
        before = pss_kb(relay.pids())
        for first in range(0, count, at_client):
            clients.append(Held(program, relay.devices, relay, min(at_client, count - first), folder, first))
        for client in clients:
            client.wait(client.count, MANY_SECONDS)
        time.sleep(relay.settles_in)
        for client in clients:
            client.wait(client.count, 1)
        each = (pss_kb(relay.pids()) - before) / count
    finally:
        for one in [*reversed(clients), relay]:
            one.stop()
    yield from Metric("relay", "idle_devices", "devices", lambda: count, (), Goal(">=", MANY_DEVICES)).lines(1, options.progress)
    yield from Metric("relay", "idle_devices_kb", "kB", lambda: each, (), Goal("<=", 15)).lines(1, options.progress)


def devices(programs, folder, options):
    for name in ("one", "many"):
        (folder / name).mkdir()
        (folder / name).chmod(0o711)
    yield from idle_memory(programs, folder / "one", options)
    yield from idle_many(programs, folder / "many", options)


def storms(programs, folder, options):
    count = FEW if options.quick else STORM_DEVICES
    relay = Relay(programs, folder, count)
    try:
        back, calm = storm(relay, programs / "benchmarks" / "bench_control", count, folder)
    finally:
        relay.stop()
    yield from Metric("storm", "back_99_s", "s", lambda: back, (), Goal("<=", BACK_SECONDS)).lines(1, options.progress)
    yield from Metric("storm", "idle_again_s", "s", lambda: calm, (), Goal("<=", BACK_SECONDS)).lines(1, options.progress)
