"""How long a request takes through the relay while it is at work: on kept connections, at a constant rate, counted from when each
was due (bench_pace.cc).
"""
import json
import subprocess
import time

from measure import Failed, Goal, Metric, Rival, cpu_seconds

CONNECTIONS = 32
HALF = 0.5  # of a core
FIRST_PER_SECOND = 2_000.0
MOST_PER_SECOND = 200_000.0
NEAR = 0.05  # of the half
TRIES = 6
LIMIT_SECONDS = 120
PERSON_PER_SECOND = 200.0  # one who types, or a page that polls: nobody's processor is busy with it


class Pace:
    """Users at a constant rate."""

    def __init__(self, program, host, seconds):
        self.program, self.host, self.seconds = program, host, seconds

    def ask(self, port, connections, per_second, seconds=None):
        command = [self.program, port, self.host, connections, per_second, seconds or self.seconds]
        done = subprocess.run([str(word) for word in command], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
        if done.returncode != 0:
            raise Failed(f"bench_pace at port {port}, {per_second:.0f}/s: {done.stderr.strip()}")
        return json.loads(done.stdout)

    def share(self, server, per_second):
        """Of a core that the server takes at this rate."""
        before, began = cpu_seconds(server.pids()), time.monotonic()
        self.ask(server.port, CONNECTIONS, per_second, 1)  # and a second to become warm
        return (cpu_seconds(server.pids()) - before) / (time.monotonic() - began)

    def rate_of_half(self, server):
        """Requests per second at which the server takes half a core."""
        rate = FIRST_PER_SECOND
        for _ in range(TRIES):
            share = self.share(server, rate)
            if abs(share - HALF) <= NEAR * HALF:
                return rate
            # What a request costs falls with their number, so this comes nearer from below.
            rate = min(rate * HALF / share, 4 * rate)
            if rate > MOST_PER_SECOND:
                break
        raise Failed(f"latency: {share:.2f} of a core at {rate:.0f}/s, want {HALF}: this machine cannot ask often enough")


class Device:
    """Whom users reach without anybody between them."""

    def __init__(self, port):
        self.port = port


def p99_added(pace, server, direct, per_second):
    """What the server adds: the 99th percentile through it less the one without it, one after the other."""
    through = pace.ask(server.port, CONNECTIONS, per_second)["p99_us"]
    return through - pace.ask(direct.port, CONNECTIONS, per_second)["p99_us"]


class Bulk:
    """One connection that takes all it can get, inside `with`."""

    def __init__(self, program, server, host):
        self.command = [str(word) for word in (program, server.port, host, 1, 1, 1 << 50)]

    def __enter__(self):
        self.child = subprocess.Popen(self.command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        time.sleep(0.2)
        if self.child.poll() is not None:
            raise Failed("latency: the bulk stream has ended")

    def __exit__(self, *_):
        ended = self.child.poll() is not None
        self.child.kill()
        self.child.wait()
        if ended:
            raise Failed("latency: the bulk stream has ended before what ran beside it")


def metrics(programs, ours, passing, quick):
    pace = Pace(programs / "benchmarks" / "bench_pace", ours.host, 1 if quick else 5)
    direct = Device(ours.device_port)
    per_second = FIRST_PER_SECOND if quick else pace.rate_of_half(passing)
    yield Metric("relay", "latency_p99_us", "us", lambda: p99_added(pace, ours, direct, per_second),
                 (Rival("haproxy-sni-passthrough", lambda: p99_added(pace, passing, direct, per_second), Goal("<=", 1.1)),))

    def idle():
        return pace.ask(ours.port, 1, PERSON_PER_SECOND)["p99_us"]

    def beside_bulk():
        with Bulk(programs / "benchmarks" / "bench_users", ours, ours.host):
            return idle()

    yield Metric("relay", "interactive_p99_us", "us", beside_bulk, (Rival("idle", idle, Goal("<=", 2.0)),))
