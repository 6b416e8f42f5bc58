#!/usr/bin/python3
"""What a relay could do if it were bad, done from where it stands: the test holds the data connections that agents dial under
live grants, speaks on them itself, and joins them to the wrong users. The service behind the agent counts what reaches it.
"""
# test: needs=dev deadline=180
import pathlib
import queue
import socket
import ssl
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from crossing import Crossing  # noqa: E402
from raw_hello import hello_for  # noqa: E402
from stage import ZONE, Stage, wait_for  # noqa: E402
from tcp import carry, serve_each  # noqa: E402  # by the path that stage has set
from visitor import LIMIT_SECONDS, ConsoleUser, Line, fails  # noqa: E402

PREFACE = b"SPD1"


class CountedService:
    """A web application that remembers every byte it was sent."""

    def __init__(self):
        self.received = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        serve_each(self.listener, self.serve)

    def serve(self, connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    self.received.append(data)
                    connection.sendall(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nsecret")
            except OSError:
                pass

    def total(self):
        return sum(map(len, self.received))


class Scene:
    """Two devices whose ways to the relay lead through here. While `is_hostile`, their data connections stay here."""

    def __init__(self, stage):
        self.stage = stage
        self.is_hostile = False
        self.taken = {"press-1": queue.Queue(), "press-2": queue.Queue()}
        self.names, self.devices, self.roads = {}, {}, {}

    def set_up(self):
        there = self.stage.set_up()
        self.service = CountedService()
        self.stage.closing.append(self.service.listener.close)
        for serial_id in self.taken:
            road = Crossing(lambda name, of=serial_id: self.route(of, name))
            self.stage.closing.append(road.close)
            self.roads[serial_id] = road

            class Roads:
                @staticmethod
                def port(kind, at=road.port):
                    return at if kind == "tls" else there.http_port

            device, = self.stage.make_devices(serial_id, wire=Roads)
            with open(device.state / "agent.toml", "a") as file:
                file.write(f'\n[[service]]\nname = "counted"\nkind = "http"\ntarget = "127.0.0.1:{self.service.port}"\n')
            self.devices[serial_id] = device
        for device in self.devices.values():
            # Every connection that is taken here is one that a user asked for.
            self.stage.configure(device, ready_connections=0)
        self.stage.bring_online(*self.devices.values())
        for serial_id in self.devices:
            self.names[serial_id] = there.device(serial_id)["name"]
        self.user = ConsoleUser(there)

    def route(self, serial_id, name):
        if not name and self.is_hostile:
            return lambda near, first: self.taken[serial_id].put((near, first))
        return self.stage.there.tls_port

    def grant(self, serial_id="press-1"):
        return self.user.grant(self.names[serial_id], "counted")

    def take_data_connection(self, grant, serial_id="press-1"):
        """The agent's own connection under a live grant, as the relay has it: a user has come, the agent has dialled."""
        self.is_hostile = True
        bait = socket.create_connection(("127.0.0.1", grant.port), timeout=LIMIT_SECONDS)
        bait.sendall(hello_for(grant.host))
        try:
            near, first = self.taken[serial_id].get(timeout=LIMIT_SECONDS)
        finally:
            self.is_hostile = False
        want(first.startswith(PREFACE) and len(first) > 32, f"found {first[:8]!r}, want a preface with its ticket")
        near.settimeout(LIMIT_SECONDS)
        self.stage.closing += [bait.close, near.close]
        return near

    def said_by(self, serial_id):
        return pathlib.Path(self.devices[serial_id].agent.log).read_text(errors="replace")


def nothing_reached(scene, before):
    want(scene.service.total() == before, f"found {scene.service.total() - before} bytes at the service, want none")


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


def check_service_is_there_for_its_user(scene):
    """So that silence in the cases below means something."""
    grant = scene.grant()
    with grant.come_in() as line:
        answer = line.ask("GET", "/", grant.headers())
        want(answer.status == 200 and answer.body == b"secret", f"found {answer.status} {answer.body!r}, want the service's answer")
    want(scene.service.total() > 0, "found nothing at the service, want the request")


def check_relay_using_a_live_grant_for_itself_gets_no_byte(scene):
    before = scene.service.total()
    for more in ([], [("Cookie", "__Host-sallyport=" + "A" * 43)]):
        grant = scene.grant()
        near = scene.take_data_connection(grant)
        with Line.over(near, grant.context, grant.host) as line:
            answer = line.ask("GET", "/", [("Host", grant.authority), *more])
            want(answer.status in (401, 403) and b"secret" not in answer.body, f"found {answer.status} {answer.body!r}, want a refusal")
            want(line.rest() == b"", "found more after the refusal, want the end")
    grant = scene.grant()
    near = scene.take_data_connection(grant)
    with Line.over(near, grant.context, grant.host) as line:
        answer = line.ask("POST", "/.sallyport/enter", grant.entry_headers(), b"secret=" + b"A" * 43)
        want(answer.status == 403, f"found {answer.status} to a guessed secret, want 403")
    nothing_reached(scene, before)


def check_relay_without_tls_gets_no_byte(scene):
    """Plain HTTP on the data connection: no service is ever reached but through the agent's TLS."""
    before = scene.service.total()
    near = scene.take_data_connection(scene.grant())
    near.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n")
    data = b""
    try:
        while more := near.recv(65536):
            data += more
    except OSError:
        pass
    want(b"secret" not in data and b"HTTP/1.1 200" not in data, f"found {data[:60]!r}, want no answer but an alert")
    nothing_reached(scene, before)


def check_name_sniffed_from_a_handshake_gives_a_third_party_nothing(scene):
    before = scene.service.total()
    grant = scene.grant()
    with grant.come_in() as user:
        for _ in range(3):
            with grant.line() as line:
                answer = line.ask("GET", "/", [("Host", grant.authority)])
                want(answer.status == 401, f"found {answer.status}, want 401")
        nothing_reached(scene, before)
        want(user.ask("GET", "/", grant.headers()).status == 200, "found the user disturbed, want 200")


def check_inner_name_must_be_the_grants(scene):
    """Of another session, another device, the device itself, or none."""
    before = scene.service.total()
    other, elsewhere = scene.grant(), scene.grant("press-2")
    for name in (other.host, elsewhere.host, f"{scene.names['press-1']}.{ZONE}", f"{'a' * 16}.{scene.names['press-1']}.{ZONE}", None):
        grant = scene.grant()
        near = scene.take_data_connection(grant)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE  # a relay does not care whose certificate it sees
        fails(lambda: Line.over(near, context, name).ask("GET", "/", [("Host", grant.authority)]), f"a handshake for {name}")  # noqa: B023
    nothing_reached(scene, before)


def join(user_port_taken, near):
    """Carries bytes between a user's connection and an agent's, as a relay does."""
    for ends in ((user_port_taken, near), (near, user_port_taken)):
        threading.Thread(target=carry, args=ends, daemon=True).start()


def misroute(scene, wanted, near):
    """A user who wants `wanted` is joined to the agent's connection `near`: what the user's browser says of it."""
    def take(user, first):
        near.sendall(first)
        join(user, near)
        scene.stage.closing.append(user.close)

    door = Crossing(lambda _: take)
    try:
        return fails(lambda: wanted.come_in(door.port), "the user's handshake")
    finally:
        door.close()


def check_user_routed_to_another_device_has_a_failed_handshake(scene):
    before = scene.service.total()
    wanted = scene.grant("press-1")
    near = scene.take_data_connection(scene.grant("press-2"), "press-2")
    misroute(scene, wanted, near)
    wait_for(lambda: "agent.user-refused" in scene.said_by("press-2"), 10, "the agent to say that it refused")
    nothing_reached(scene, before)
    with wanted.come_in() as line:
        want(line.ask("GET", "/", wanted.headers()).status == 200, "found the secret spent, want it good at the right device")


def check_stream_under_another_users_grant_is_refused(scene):
    before = scene.service.total()
    there = scene.stage.there
    password = there.folder / "second-password"
    password.write_text("another long password\n")
    password.chmod(0o600)
    there.run("user", "add", "second", "--role", "operator", "--password-file", password, "--state", there.state)
    second = ConsoleUser(there, "second", "another long password")
    wanted = second.grant(scene.names["press-1"], "counted")
    near = scene.take_data_connection(scene.grant())
    misroute(scene, wanted, near)
    nothing_reached(scene, before)
    with wanted.come_in() as line:
        want(line.ask("GET", "/", wanted.headers()).status == 200, "found the secret spent, want it good in its own session")


def check_one_sessions_cookie_opens_no_other(scene):
    before = scene.service.total()
    first, second = scene.grant(), scene.grant()
    with first.come_in(), second.come_in():
        pass
    with first.line() as line:
        answer = line.ask("GET", "/", [("Host", first.authority), ("Cookie", f"__Host-sallyport={second.cookie}")])
        want(answer.status == 401, f"found {answer.status}, want 401")
    nothing_reached(scene, before)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
