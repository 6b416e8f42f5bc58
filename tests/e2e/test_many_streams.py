#!/usr/bin/python3
"""Many streams at once of several users over several devices, a third of them reset by either side at a random point: every byte is
in its place, in its stream, at its device and its user's; where a stream was reset, what came is the beginning of what was sent, and
nobody takes the break for an end in order. 120 streams over 4 devices, 4,000 over 100 with --long.
"""
# test: needs=dev deadline=900
import asyncio
import itertools
import os
import pathlib
import secrets
import socket
import ssl
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import Stage, wait_for  # noqa: E402
from streams import CUT_SHORT, DOWN, UP, Book, Door, Services, allow_descriptors, plan, visit  # noqa: E402
from tcp_servers import make_certificate  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

LONG = os.environ.get("SALLYPORT_LONG") == "1"
DEVICES = 100 if LONG else 4
USERS = 10 if LONG else 3  # one claims ten devices an hour at most
USERS_PER_DEVICE = 2
STREAMS = 4_000 if LONG else 120
SIZES = (10_000, 300_000) if LONG else (10_000, 2_000_000)
DIALLED_AT_ONCE = 48  # a relay lets 64 strangers in per source, and a device has 64 wait
ONLINE_SECONDS = 240 if LONG else 60
STREAM_SECONDS = 400 if LONG else 120
CLOSED_SECONDS = 40
KEPT_READY = 16  # kMaxReadyPerDevice: connections that a device dials in advance
SERVICE = "stream"


class User:
    def __init__(self, there, folder, number):
        self.login = f"user-{number}"
        password = folder / f"{self.login}.password"
        password.write_text(secrets.token_urlsafe(12) + "\n")
        password.chmod(0o600)
        there.run("user", "add", self.login, "--role", "operator", "--password-file", password, "--state", there.state)
        self.console = ConsoleUser(there, self.login, password.read_text().strip())
        certificate, self.key = make_certificate(folder, self.login)
        self.context = ssl.create_default_context(cafile=str(there.state / "trust" / "web-ca.twin.pem"))
        self.context.minimum_version = ssl.TLSVersion.TLSv1_3
        self.context.load_cert_chain(certificate)
        self.source = f"127.66.0.{1 + number}"


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.seed = os.environ.get("SALLYPORT_SEED") or secrets.token_hex(8)
        self.roads = [(device, (device + more) % USERS) for more in range(USERS_PER_DEVICE) for device in range(DEVICES)]
        self.streams = plan(self.seed, self.roads, STREAMS, SIZES)
        # One for every road when all is over.
        self.later = plan(self.seed, self.roads, len(self.roads), (10_000, 100_000), resets=0, first=STREAMS)
        self.book = Book(self.seed, self.streams + self.later)
        self.users = {}
        self.services = {}
        self.strangers = []  # services that broke before the first tag

    def set_up(self):
        allow_descriptors()
        self.behind = Services(self.book, DEVICES)
        self.stage.closing.append(self.behind.stop)
        self.there = self.stage.set_up(count=DEVICES + 10)
        self.devices = self.stage.make_devices(*[f"press-{number}" for number in range(DEVICES)])
        for device, port in zip(self.devices, self.behind.ports):
            device.panel.stop()
            with open(device.state / "agent.toml", "a") as file:
                file.write(f'\n[[service]]\nname = "{SERVICE}"\nkind = "tcp"\ntarget = "127.0.0.1:{port}"\nproxy_protocol = true\n')
            self.there.start_agent(device)
        self.people = [User(self.there, self.stage.folder, number) for number in range(USERS)]
        self.all_online()
        for number, device in enumerate(self.devices):
            code = wait_for(lambda: self.there.claim_code(device), 20, "the device to show its claim code")
            order = {"serial_id": device.serial_id, "code": code}
            self.people[number % USERS].console.call("POST", "/claims", order, status=201)
            if not self.there.device(device.serial_id)["remote_access"]:
                self.there.run("device", "remote-access", device.serial_id, "on", "--state", self.there.state)
        records = self.all_online()
        self.names = [records[device.serial_id]["name"] for device in self.devices]

    def all_online(self):
        def come():
            found = {one["serial_id"]: one for one in self.there.read("device", "list", "--state", self.there.state)["devices"]}
            return found if sum(one["online"] for one in found.values()) == DEVICES else None
        return wait_for(come, ONLINE_SECONDS, f"{DEVICES} devices online")

    def open_doors(self):
        self.doors = {}
        for device, user in self.roads:
            who = self.people[user]
            order = {"service": SERVICE, "client_key_sha256": who.key}
            granted = who.console.call("POST", f"/devices/{self.names[device]}/grants", order, status=201).json()
            self.doors[device, user] = Door(who.context, granted["host"], self.there.tls_port, who.source, granted["grant_id"])

    def visit(self, streams):
        """All of them; returns the seconds until all were connected and until all were over."""
        outcomes, connected, spent = asyncio.run(visit(self.book, streams, self.doors, DIALLED_AT_ONCE, STREAM_SECONDS))
        self.users.update({one.number: one for one in outcomes})
        for one in self.behind.outcomes():
            if one.number is None:
                self.strangers.append(one)
            else:
                want(one.number not in self.services, f"stream {one.number}: found it at two connections of services, want one")
                self.services[one.number] = one
        return connected, spent

    def descriptors(self):
        return [len(os.listdir(f"/proc/{device.agent.pid}/fd")) for device in self.devices]

    def relay_descriptors(self):
        return sum(len(os.listdir(f"/proc/{pid}/fd")) for pid in self.stage.pids_of("relay"))

    def fail_on(self, wrong, what):
        """`wrong` are lines, of which the first three are shown."""
        shown = list(itertools.islice(wrong, 1_000))
        want(not shown, f"{len(shown)} {what} (SALLYPORT_SEED={self.seed}); " + " | ".join(shown[:3]))

    def both(self, streams):
        return [(stream, self.users.get(stream.number), self.services.get(stream.number)) for stream in streams]


def faults_of_whole(pairs):
    for stream, user, service in pairs:
        for side, one in (("user", user), ("service", service)):
            if one is None or one.end != "whole":
                found = f"{one.end} {one.why} after {one.heard} heard, {one.said} said" if one else "nothing"
                yield f"stream {stream.number} (device {stream.device}, {side}, sizes {stream.sizes}): found {found}, want it whole"
                break
        else:
            for name, sent, heard, told in (("up", user.said_hash, service.heard_hash, user.told[:32]),
                                            ("down", service.said_hash, user.heard_hash, user.told[32:])):
                if not sent == heard == told:
                    yield f"stream {stream.number} {name}: found hash {heard.hex()[:8]}, told {told.hex()[:8]}, want {sent.hex()[:8]}"
            wanted = (stream.sizes[UP], stream.sizes[DOWN])
            if (service.heard, user.heard) != wanted:
                yield f"stream {stream.number}: found {service.heard} up, {user.heard} down, want {wanted}"


def faults_of_reset(scene, pairs):
    unnamed = {one.header[16:20] + one.header[24:26] for one in scene.strangers}
    for stream, user, service in pairs:
        own, other = (user, service) if stream.resetter == "user" else (service, user)
        where = f"stream {stream.number} (device {stream.device}, reset by the {stream.resetter} after {stream.reset_after} {stream.reset_by})"
        if own is None or own.end != "reset":
            yield f"{where}: found {own.end + ' ' + own.why if own else 'nothing'} at its own side, want its reset"
        elif other is None:
            if stream.resetter == "service":
                yield f"{where}: found nothing of the user"
            elif address_of(user.source) not in unnamed and stream.reset_by == "heard":
                yield f"{where}: found no service that it reached"
        elif other.end != "broken" and not (other.end == "whole" and stream.resetter == "user" and stream.reset_by == "heard"):
            yield f"{where}: found {other.end} {other.why} at the other side, want it broken"
        elif CUT_SHORT in other.why:
            yield f"{where}: found {CUT_SHORT} at the other side, want a reset"


def address_of(source):
    host, port = source[:2]
    return socket.inet_aton(host) + port.to_bytes(2, "big")


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


@cases.carries_the_rest
def check_all_streams_are_connected_at_the_same_time(scene):
    scene.open_doors()
    scene.before, scene.relay_before = scene.descriptors(), scene.relay_descriptors()
    connected, spent = scene.visit(scene.streams)
    heard = [sum(one.heard for one in side.values()) for side in (scene.services, scene.users)]
    ends = [f"{sum(one.end == end for one in side.values())} {end}" for side in (scene.users, scene.services)
            for end in ("whole", "reset", "broken")]
    print(f"# {STREAMS} streams over {DEVICES} devices and {len(scene.roads)} grants of {USERS} users connected after {connected:.1f} s, "
          f"over after {spent:.1f} s; {heard[0] / 1e6:.0f} MB up, {heard[1] / 1e6:.0f} MB down, {sum(heard) / 1e6 / (spent - connected):.0f} MB/s; "
          f"users {', '.join(ends[:3])}; services {', '.join(ends[3:])}, {len(scene.strangers)} before a byte", flush=True)
    scene.fail_on((f"stream {one.number}: {one.why}" for one in scene.users.values() if not one.source), "streams have not connected")


def check_no_byte_is_at_another_place_stream_device_or_user(scene):
    every = [*scene.users.values(), *scene.services.values(), *scene.strangers]
    scene.fail_on((one.why for one in every if one.end == "wrong"), "sides hear what is not theirs")


def check_services_are_told_the_user_who_comes(scene):
    """In the header that the agent says before the user's first byte: his address, his session, the name that he asked for."""
    by_source = {address_of(one.source): one for one in scene.users.values()}

    def faults():
        for service in (*scene.services.values(), *(one for one in scene.strangers if one.header)):
            user = by_source.get(service.header[16:20] + service.header[24:26])
            if user is None or service.number not in (None, user.number):
                yield f"stream {service.number}: found the address of stream {user.number if user else None}"
                continue
            stream = scene.book.streams[user.number]
            door = scene.doors[stream.device, stream.user]
            if door.session.encode() not in service.header or door.host.encode() not in service.header or service.device != stream.device:
                yield f"stream {user.number}: found another session or name than its grant's, or it at device {service.device}"

    scene.fail_on(faults(), "streams come under another's name")


def check_streams_that_nobody_resets_are_whole_in_both_directions(scene):
    whole = [pair for pair in scene.both(scene.streams) if not pair[0].resetter]
    want(len(whole) > STREAMS // 2, f"found {len(whole)} streams without a reset, want most")
    scene.fail_on(faults_of_whole(whole), "streams are not whole beside others' resets")


def check_reset_streams_break_at_both_sides_and_end_in_no_order(scene):
    reset = [pair for pair in scene.both(scene.streams) if pair[0].resetter]
    want(len(reset) > STREAMS // 5, f"found {len(reset)} streams with a reset, want about a third")
    scene.fail_on(faults_of_reset(scene, reset), "streams are not as a reset leaves them")


def check_nothing_is_left_of_them(scene):
    """Neither in the agents nor in the relay, but for the connections that are kept ready."""
    def closed():
        return (all(now <= before + KEPT_READY for now, before in zip(scene.descriptors(), scene.before))
                and scene.relay_descriptors() <= scene.relay_before + DEVICES * KEPT_READY)
    wait_for(closed, CLOSED_SECONDS, lambda: f"their descriptors closed; agents had {sum(scene.before)}, have {sum(scene.descriptors())}, "
                                             f"most {max(scene.descriptors())}; relay had {scene.relay_before}, has {scene.relay_descriptors()}")


def check_next_stream_of_everybody_is_whole(scene):
    scene.visit(scene.later)
    scene.fail_on(faults_of_whole(scene.both(scene.later)), "streams after all those are not whole")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as stage:
        began = time.monotonic()
        status = cases.run(globals(), Scene(stage))
        print(f"# {time.monotonic() - began:.1f} s")
    sys.exit(status)
