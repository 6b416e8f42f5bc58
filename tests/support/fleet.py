"""Many simulated devices for an end-to-end script: the program tests/fleet, which runs real agents, and the factory that
makes their certificates. The orders and their answers are described in tests/fleet/fleet.h.

    fleet = Fleet(stage)
    pumps = fleet.make("pump", 200)
    pumps.wake(samples=1)
    pumps.wait("online", seconds=60)
"""
import json
import os
import pathlib
import shutil
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tools" / "demo"))

from installation import SITE, ZONE, Process  # noqa: E402

from cases import Failed, want  # noqa: E402

OF_A_PROCESS = 5_000  # devices, each with some descriptors, of which a process has 20,000
PER_DEVICE_SECONDS = 0.1  # what an order over many devices may take, beside what it waits for
ISSUE_SECONDS = 300


class Fleet:
    """One process of devices. `wire` leads them elsewhere than straight to the installation (Installation.make_device);
    `spread` gives each a source address of its own, as far as limits per network are concerned."""

    def __init__(self, stage, wire=None, spread=True, log="error"):
        self.stage = stage
        self.there = stage.there
        self.wire = wire
        self.spread = spread
        self.size = 0
        number = len([one for one in stage.closing if getattr(one, "__self__", None).__class__ is Fleet])
        # What many devices' disks would do at the same time is not the subject, so they are in memory where that can be.
        memory = pathlib.Path("/dev/shm")
        self.folder = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-fleet-", dir=memory if os.access(memory, os.W_OK) else stage.folder))
        program = stage.build / "tests" / "fleet" / "fleet"
        self.process = Process(f"fleet {number}", [str(program), log], self.there.logs / f"fleet-{number}.log", talks=True)
        stage.closing.append(self.close)

    def close(self):
        self.process.stop()
        shutil.rmtree(self.folder, ignore_errors=True)

    def order(self, verb, seconds=60, **values):
        """Gives an order and returns the answer; fails when it is an error or does not come within `seconds`."""
        line = json.dumps({"do": verb, **values}) + "\n"
        try:
            self.process.child.stdin.write(line.encode())
            self.process.child.stdin.flush()
        except OSError as error:
            raise Failed(f"fleet {verb}: found the program ended ({error}): {self.process.tail(3)}, want it running") from error
        answer = self.process.read_line(seconds)
        want(answer or self.process.running(), f"fleet {verb}: found the program ended: {self.process.tail(3)}, want an answer")
        want(answer, f"fleet {verb}: found no answer within {seconds} s, want one; {self.process.tail(3)}")
        told = json.loads(answer)
        if "error" in told:
            raise Failed(f"fleet {verb}: {told['error']}\n{json.dumps(told, indent=1)[:3000]}")
        return told

    def make(self, prefix, count, ledger=True):
        """Devices with factory certificates from the station, in one batch, whose ledger is in unless told otherwise."""
        there = self.there
        batch = self.folder / f"batch-{prefix}"
        batch.mkdir()
        tls_port, http_port = (self.wire.port("tls"), self.wire.port("http")) if self.wire else (there.tls_port, there.http_port)
        first = self.size
        self.order("make", seconds=30 + count * PER_DEVICE_SECONDS, folder=str(self.folder), batch=str(batch), prefix=prefix, count=count,
                   site=SITE, zone=ZONE, root=str(there.state / "trust" / "root.pem"), spread=self.spread,
                   relay=f"127.0.0.1:{tls_port}", http=f"127.0.0.1:{http_port}")
        self.size += count
        there.run("factory", "issue", "--factory", there.factory, "--batch", batch, seconds=ISSUE_SECONDS)
        told = self.order("install", seconds=30 + count * PER_DEVICE_SECONDS, batch=str(batch))
        want(told["installed"] == count, f"found {told['installed']} factory certificates, want {count}")
        if ledger:
            there.import_ledger()
        return Devices(self, first, count)

    def use(self):
        """CPU seconds, resident kB and descriptors of the program."""
        return self.order("count")["process"]

    def end(self, seconds=60):
        """Stops every agent; the program must end by itself and cleanly."""
        told = self.order("end", seconds=seconds)
        status = self.process.child.wait(10)
        want(status == 0, f"found the fleet ended with {status}: {self.process.tail(3)}, want 0")
        return told["process"]


class Devices:
    """Some devices of a fleet, by number."""

    def __init__(self, fleet, first, count):
        self.fleet, self.first, self.count = fleet, first, count

    def part(self, first, count):
        return Devices(self.fleet, self.first + first, count)

    def order(self, verb, seconds=None, **values):
        return self.fleet.order(verb, seconds=seconds or 60 + self.count * PER_DEVICE_SECONDS, **{"from": self.first, "count": self.count}, **values)

    def wake(self, samples=0):
        return self.order("wake", samples=samples)

    def sleep(self):
        return self.order("sleep")

    def wait(self, condition, seconds, least=None):
        """Until `least` of them (all without it) are so; returns after how many seconds."""
        values = {"for": condition, "least": self.count if least is None else least, "limit": seconds}
        return self.order("wait", seconds=seconds + 30, **values)["seconds"]

    def mark(self):
        return self.order("mark")

    def totals(self):
        return self.order("count")

    def list(self):
        return self.order("list")["devices"]


class Everybody:
    """Devices of several fleets, since one process has too few descriptors for all. `least` is of the whole, and each fleet has its
    share of it to show."""

    def __init__(self, parts):
        self.parts = parts

    @staticmethod
    def make(stage, prefix, count):
        """As many fleets as `count` devices need, all with their ledgers in."""
        parts = []
        for number, first in enumerate(range(0, count, OF_A_PROCESS)):
            parts.append(Fleet(stage).make(f"{prefix}{number}" if count > OF_A_PROCESS else prefix, min(OF_A_PROCESS, count - first)))
        return Everybody(parts)

    @property
    def count(self):
        return sum(part.count for part in self.parts)

    @property
    def fleets(self):
        return [part.fleet for part in self.parts]

    def wake(self):
        for part in self.parts:
            part.wake()

    def sleep_but(self, few):
        """All go to sleep but the first `few`, which are returned."""
        first, *others = self.parts
        if first.count > few:
            first.part(few, first.count - few).sleep()
        for part in others:
            part.sleep()
        return first.part(0, few)

    def wait(self, condition, seconds, least=None):
        began = time.monotonic()
        for part in self.parts:
            share = None if least is None else -(-least * part.count // self.count)
            part.wait(condition, max(1, round(began + seconds - time.monotonic())), share)
        return time.monotonic() - began
