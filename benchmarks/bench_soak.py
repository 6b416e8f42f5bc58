"""Whether anything grows: memory and descriptors of an installation whose devices come and go and whose users do as well, as slopes
over the hours.

Every round does the same, so what is looked at when all is quiet again should be the same each time: a part of a fleet of real
agents goes to sleep and comes back, users open a page at two devices, some of them break off, and one of the two devices'
agents is ended and started anew.
"""
import math
import pathlib
import random
import socket
import statistics
import struct
import sys
import time

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support")]

from bench_control import memory_kb  # noqa: E402
from crowd import descriptors_of  # noqa: E402
from fleet import Fleet  # noqa: E402
from installation import Installation, free_port, wait_for  # noqa: E402
from measure import Failed, Slope  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

DEVICES, FEW = 120, 12
FLAPPING = 3  # every third device in a round
VISITS = 12  # per round and device
MINUTES, FEW_MINUTES = 60, 0.5
WARM = 1 / 3  # of the time, which is not judged: pools and caches fill
QUIET_SECONDS = 2.0  # at the end of a round, before it is looked
ONLINE_SECONDS = 180
LEAST_ROUNDS = 4
RESET_AT_CLOSE = struct.pack("ii", 1, 0)


class Scene:
    """An installation with a fleet, two devices with pages, and a person who is logged in."""

    def __init__(self, programs, folder, count):
        self.there = Installation(programs / "apps", folder, free_port(), free_port())
        # What Fleet takes its surroundings from.
        self.build, self.folder, self.closing = programs, folder, []
        self.dice = random.Random(5)
        self.count = count

    def start(self):
        there = self.there
        there.initialise()
        there.add_site(count=self.count + 100)
        there.start()
        self.devices = [there.make_device(f"soak-{number}", f"Soak {number}") for number in (1, 2)]
        for device in self.devices:
            there.issue_factory_certificate(device)
        there.import_ledger()
        for device in self.devices:
            there.start_agent(device)
        for device in self.devices:
            self.wait_online(device)
            there.claim(device)
            self.wait_online(device)
        self.names = [there.device(device.serial_id)["name"] for device in self.devices]
        self.fleet = Fleet(self)
        self.pumps = self.fleet.make("soak-pump", self.count)
        self.pumps.wake(samples=1)
        self.pumps.wait("online", ONLINE_SECONDS)
        self.roles = sorted(pid for pid, _ in there.server.left_behind())

    def wait_online(self, device):
        wait_for(lambda: (self.there.device(device.serial_id) or {}).get("online"), ONLINE_SECONDS, lambda: f"{device.serial_id} online: {device.agent.tail(3)}")

    def stop(self):
        for close in reversed(self.closing):
            close()
        self.there.stop()

    def visit(self, user, name):
        """Comes in and looks at the page; some break off before or while it comes."""
        grant = user.grant(name)
        with grant.come_in() as line:
            how = self.dice.choice(("whole", "whole", "leaves", "resets"))
            if how == "whole":
                line.ask("GET", "/", grant.headers())
            else:
                line.socket.sendall(f"GET / HTTP/1.1\r\nHost: {grant.authority}\r\nCookie: __Host-sallyport={grant.cookie}\r\n\r\n".encode())
            if how == "resets":
                line.socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)

    def round(self):
        per_part = self.count // FLAPPING
        part = self.pumps.part(self.dice.randrange(FLAPPING) * per_part, per_part)
        part.sleep()
        user = ConsoleUser(self.there)
        for name in self.names:
            for _ in range(VISITS):
                self.visit(user, name)
        user.call("POST", "/logout")
        part.wake()
        flapping = self.devices[1]
        flapping.agent.stop()
        self.there.start_agent(flapping)
        self.wait_online(flapping)
        part.wait("online", ONLINE_SECONDS)
        time.sleep(QUIET_SECONDS)

    def look(self):
        """What is used now, by name."""
        now = sorted(pid for pid, _ in self.there.server.left_behind())
        if now != self.roles:
            raise Failed(f"soak: found the processes {now}, want {self.roles} as at the start: a role has ended")
        relay, agent = self.there.pids_of("relay"), [self.devices[0].agent.pid]
        out = {}
        for name, pids in (("all", now), ("relay", relay), ("agent", agent)):
            out[f"{name}_kb_per_h"] = own_kb(pids)
            out[f"{name}_descriptors_per_h"] = descriptors_of(pids)
        return out


def own_kb(pids):
    """Memory that is of no file: heaps, stacks, pages that were written. What a process has of program files does not grow, and
    its share of them (PSS) changes with whatever else on this machine maps the same ones."""
    return memory_kb(pids, "Anonymous")


def slope(points):
    """Least squares through (hours, value): the slope, and its standard error, which counts neighbours that stray together as
    fewer than they are (the residuals' correlation at lag 1)."""
    hours, values = zip(*points)
    middle_hour, middle = statistics.fmean(hours), statistics.fmean(values)
    square = sum((hour - middle_hour) ** 2 for hour in hours)
    found = sum((hour - middle_hour) * (value - middle) for hour, value in points) / square
    residuals = [value - middle - found * (hour - middle_hour) for hour, value in points]
    sum_of_squares = sum(one * one for one in residuals)
    if sum_of_squares == 0 or len(points) < 3:
        return found, 0.0
    together = sum(one * other for one, other in zip(residuals, residuals[1:])) / sum_of_squares
    together = min(max(together, 0.0), 0.95)
    error = math.sqrt(sum_of_squares / (len(points) - 2) / square)
    return found, error * math.sqrt((1 + together) / (1 - together))


def run(programs, folder, options):
    minutes = options.minutes or (FEW_MINUTES if options.quick else MINUTES)
    scene = Scene(programs, folder / "soak", FEW if options.quick else DEVICES)
    seen, began = [], None
    try:
        scene.start()
        began = time.monotonic()
        while time.monotonic() < began + minutes * 60 or len(seen) < LEAST_ROUNDS:
            scene.round()
            seen.append(((time.monotonic() - began) / 3600, scene.look()))
            options.progress(f"soak: round {len(seen)}, {(time.monotonic() - began) / 60:.0f} of {minutes:g} minutes, {seen[-1][1]}")
    finally:
        scene.stop()
    judged = [one for one in seen if one[0] >= seen[-1][0] * WARM]
    for name in seen[0][1]:
        found, error = slope([(hours, values[name]) for hours, values in judged])
        unit = "kB/h" if name.endswith("_kb_per_h") else "1/h"
        yield Slope("soak", name, unit, found, error, len(judged), statistics.fmean(values[name] for _, values in judged)).line()
