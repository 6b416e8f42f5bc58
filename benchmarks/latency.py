"""How long a request takes through the relay while it is at work: on kept connections, at a constant rate, counted from when each
was due (bench_pace.cc).
"""
import json
import os
import subprocess
import time

from measure import Failed, Goal, Metric, Rival, busy_seconds

CONNECTIONS = 32
HALF = 0.5  # of this machine's processors
FIRST_PER_SECOND = 2_000.0
MOST_PER_SECOND = 200_000.0
NEAR = 0.05  # of the half
ENOUGH = 0.7  # of it, where a rate nearer to it could not be found
TRIES = 8
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
        """Of this machine that users, server and device take at this rate, together."""
        before, began = busy_seconds(), time.monotonic()
        self.ask(server.port, CONNECTIONS, per_second, 1)  # and a second to become warm
        return (busy_seconds() - before) / (time.monotonic() - began) / os.cpu_count()

    def rate_of_half(self, server):
        """Requests per second at which the machine is half busy, or comes nearest to it from below.

        Not the server alone: with users and device beside it on two cores, half a core of it leaves none of them idle.
        """
        rate, seen = FIRST_PER_SECOND, {}
        for _ in range(TRIES):
            seen[rate] = share = self.share(server, rate)
            if abs(share - HALF) <= NEAR * HALF:
                return rate
            # What a request costs falls with their number, so this comes nearer from below.
            rate = min(rate * HALF / share, 4 * rate, MOST_PER_SECOND)
        rate, share = max(((rate, share) for rate, share in seen.items() if share <= HALF), key=lambda each: each[1])
        if share < ENOUGH * HALF:
            raise Failed(f"latency: {share:.2f} of the machine at {rate:.0f}/s, want {HALF}: this machine cannot ask often enough")
        return rate


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
