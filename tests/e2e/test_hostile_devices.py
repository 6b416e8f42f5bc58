#!/usr/bin/python3
"""Whoever has a device's key, or makes certificates: hostile cases A7, A8 and B9; and a user who does not read, E3. The relay is
the real one; beside every case a user works at another device, and must not notice.
"""
# test: needs=dev deadline=240
import pathlib
import socket
import ssl
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from clone import ALPN, CLONE, DISPLACED, GOAWAY, TICKETS, Control, frame, hello_frame  # noqa: E402
from crossing import records  # noqa: E402
from crowd import cpu_of, memory_of  # noqa: E402
from heavy_chains import Heavy  # noqa: E402
from raw_hello import answer_to, dial, everything, hello, in_records  # noqa: E402
from raw_tls import TLS_1_2, UPDATE_REQUESTED, RawTls  # noqa: E402
from siege import Siege  # noqa: E402
from stage import CONSOLE, ENROLMENT_SECONDS, ZONE, Stage, current, wait_for  # noqa: E402
from tcp import serve_each  # noqa: E402  # by the path that stage has set
from visitor import trust  # noqa: E402

HEARTBEAT = 24  # content type
HANDSHAKE_MS = 50  # of CPU, for a chain that is refused (A8)
UPDATES = TINY = 100_000
FLOOD_CPU = 3.0  # seconds of CPU for a flood, all in all
PING, PONG, RESUMPTION = 6, 7, 11
TAKE_OVERS = 40
TAKE_OVER_MS = 50
BUFFERED = 64 << 20  # in all sockets and pipes on the way of one stream that nobody reads
HELD = 8 << 20  # of memory, more, in agent and relay together
BIG = 48 << 20
PIECE = bytes(1 << 16)


class Fountain:
    """A web application that says as much as it can: /endless, or a file of BIG octets."""

    def __init__(self):
        self.said = 0
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        serve_each(self.listener, self.serve)

    def serve(self, line):
        with line:
            try:
                is_endless = b"GET /endless" in line.recv(65536)
                line.sendall(f"HTTP/1.1 200 OK\r\nContent-Length: {1 << 40 if is_endless else BIG}\r\n\r\n".encode())
                for _ in range(1 << 40 if is_endless else BIG // len(PIECE)):
                    line.sendall(PIECE)
                    self.said += len(PIECE) if is_endless else 0
            except OSError:
                pass


class Scene(Siege):
    """The attacker has the credential of press-3, whose agent does not run; in B9 that of press-2, whose agent does."""

    def set_up(self):
        super().set_up()
        self.third, = self.stage.make_devices("press-3")
        self.stage.bring_online(self.third, claim=False)
        self.names["press-3"] = self.there.device("press-3")["name"]
        self.third.agent.stop()

    def prepare(self):
        self.fountain = Fountain()
        self.stage.closing.append(self.fountain.listener.close)
        with open(self.second.state / "agent.toml", "a") as file:
            file.write(f'\n[[service]]\nname = "fountain"\nkind = "http"\ntarget = "127.0.0.1:{self.fountain.port}"\n')

    def control(self, source, device=None, gnutls_cipher=None):
        device = device or self.third
        return Control(self.port, self.control_name(device.serial_id), device, source, gnutls_cipher)

    def alarms(self):
        return [line for line in self.log() if "relay.clone-alarm" in line and self.names["press-2"] in line]


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


def check_A7_tls_1_2_and_so_renegotiation_is_refused_at_every_door(scene):
    with scene.undisturbed():
        grant = scene.grant()
        for name, alpn in ((scene.control_name("press-2"), ALPN), (f"gateway.{ZONE}", ("http/1.1",)), (CONSOLE, ("http/1.1",)), (grant.host, ("http/1.1",))):
            try:
                RawTls(dial(scene.port), name, alpn, version=TLS_1_2).close()
            except ConnectionError:
                continue
            raise cases.Failed(f"found a handshake of TLS 1.2 with {name}, want it refused")


def flood(scene, act):
    """What `act(control)` says, or `cut off`; the relay may not have spent much on it."""
    with scene.undisturbed(), scene.control("127.80.0.1") as control:
        want(control.say_hello()[0] == TICKETS, "found the device not admitted, want TICKETS")
        before = cpu_of(scene.workers)
        try:
            said = act(control)
        except ConnectionError:
            said = "cut off"
        spent = cpu_of(scene.workers) - before
    print(f"# {spent:.2f} s of CPU; the live session waited {scene.bystander.slowest:.2f} s at most", flush=True)
    want(spent < FLOOD_CPU, f"found {spent:.1f} s of CPU of the relay, want {FLOOD_CPU} or less")
    return said


def check_A7_flood_of_key_updates_is_limited(scene):
    """Whether an answer is asked for or not: cut off after a few, which no honest peer comes to in years."""
    def act(control, kind):
        for _ in range(UPDATES):
            control.tls.update_key(kind)
        want(control.tls.read() == b"", "found the connection alive after all of them, want it cut off")
        return "all said"

    for kind in (0, UPDATE_REQUESTED):
        said = flood(scene, lambda control, kind=kind: act(control, kind))
        want(said == "cut off", f"found {said} of {UPDATES} key updates, want the connection cut off long before")


def check_A7_key_updates_that_are_due_disturb_nothing(scene):
    with scene.undisturbed(), scene.control("127.80.0.2") as control:
        for _ in range(20):
            control.tls.update_key(UPDATE_REQUESTED)
        want(control.say_hello()[0] == TICKETS, "found no TICKETS after some key updates, want them")


def check_A7_device_with_GnuTLS_is_served_under_every_suite_and_through_key_updates(scene):
    """The relay has forgotten the handshake by then; what it keeps must be what another library means."""
    for cipher in ("AES-256-GCM", "AES-128-GCM", "CHACHA20-POLY1305"):
        with scene.undisturbed(), scene.control("127.80.0.4", gnutls_cipher=cipher) as control:
            want(control.say_hello()[0] == TICKETS, f"found no TICKETS under {cipher}, want them")
            for token in range(8):
                control.tls.update_key(both=token % 2 == 0)
                asked = token.to_bytes(4, "big")
                control.tls.write(frame(PING, asked + (15).to_bytes(2, "big") + b"\xff" * 4))
                kind, payload = control.next_frame()
                while kind == RESUMPTION:
                    kind, payload = control.next_frame()
                want((kind, payload) == (PONG, asked), f"found frame {kind} {payload.hex()} after {token} key updates of {cipher}, want PONG {token}")


def check_A7_100000_tiny_records_are_limited(scene):
    """A frame in records of one octet each is one frame: it is taken, or refused, at a bounded price."""
    big = frame(1, bytes(65_500))

    def act(control):
        for _ in range(2):
            for at in range(len(big)):
                control.tls.write(big[at:at + 1])

    flood(scene, act)
    with scene.undisturbed(), scene.control("127.80.0.3") as control:
        for octet in hello_frame(bytes(16)):
            control.tls.write(bytes([octet]))
        want(control.next_frame()[0] in (TICKETS, GOAWAY), "found no answer to HELLO in tiny records, want one")


def check_A7_heartbeat_and_other_records_end_the_handshake(scene):
    """RFC 6520 is not spoken: a record of that type is answered with an alert, never with an echo."""
    heartbeat = bytes([HEARTBEAT]) + b"\x03\x03\x00\x03\x01\x40\x00"
    good = in_records(hello([scene.control_name("press-3").encode()], ALPN))
    with scene.undisturbed():
        want(answer_to(scene.port, heartbeat) == "nothing", "found a heartbeat at first answered, want the end")
        with dial(scene.port) as line:
            line.sendall(good + heartbeat)
            said = everything(line)
        kinds = [kind for kind, _ in records(said)]
        want(HEARTBEAT not in kinds, f"found records of the types {kinds}, want no heartbeat among them")


class OtherNode:
    """A TLS server of somebody else that gives tickets: of another node, or of another tenant."""

    def __init__(self, stem):
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(f"{stem}.pem", f"{stem}.key")
        self.listener = socket.create_server(("127.0.0.1", 0))
        threading.Thread(target=self.serve, daemon=True).start()

    def serve(self):
        try:
            with self.context.wrap_socket(self.listener.accept()[0], server_side=True) as line:
                line.sendall(b"x")
                line.recv(1)
        except OSError:
            pass

    def ticket(self, context, name):
        with socket.create_connection(self.listener.getsockname(), timeout=20) as plain, context.wrap_socket(plain, server_hostname=name) as line:
            line.recv(1)
            return line.session


def check_A7_ticket_of_another_node_or_of_another_door_resumes_nothing(scene):
    """Nor one of the console at the gateway, of one device at another, of the relay at itself where it gives none."""
    def shown(name, session, context):
        with dial(scene.port) as plain, context.wrap_socket(plain, server_hostname=name, session=session) as line:
            line.settimeout(20)
            return line.session_reused

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.set_alpn_protocols(["http/1.1"])
    first, second = scene.grant(), scene.grant("press-2")
    with scene.undisturbed():
        for name in (CONSOLE, f"gateway.{ZONE}", first.host):
            ticket = OtherNode(current(scene.second, "web")).ticket(context, name)
            want(ticket.has_ticket, "found no ticket, want one to show")
            want(not shown(name, ticket, context), f"found the ticket of another node taken by {name}, want a full handshake")
        for mine, other in ((CONSOLE, f"gateway.{ZONE}"), (first.host, second.host), (first.host, CONSOLE)):
            with dial(scene.port) as plain, context.wrap_socket(plain, server_hostname=mine) as line:
                line.settimeout(2)
                try:
                    line.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
                    line.recv(1)
                except OSError:
                    pass
                session = line.session
            if session and session.has_ticket:
                want(not shown(other, session, context), f"found a ticket of {mine} taken by {other}, want a full handshake")


def refused_chain(scene, files, source):
    try:
        with RawTls(dial(scene.port, source), scene.control_name("press-3"), ALPN, *files) as tls:
            tls.write(hello_frame(bytes(16)))
            want(tls.read() == b"", "found an answer to HELLO under such a chain, want the end")
    except ConnectionError:
        pass


def check_A8_heavy_chains_are_refused_at_a_bounded_price(scene):
    """At the control port: each at no more than 50 ms of CPU, whoever signed it."""
    heavy = Heavy(scene.stage.folder / "heavy", scene.names["press-3"], current(scene.third, "operational"))
    chains = {"10,000 certificates": heavy.chain_of("long", 10_000), "200 certificates": heavy.chain_of("wide", 200),
              "10,000 behind a good leaf": heavy.long_behind_a_good_leaf("behind", 10_000), "nine behind a good leaf": heavy.long_behind_a_good_leaf("nine", 9),
              "a certificate of 100 kB": heavy.names("100kb", 4_000), "1,000 names": heavy.names("names", 1_000),
              "500 names under 500 constraints": heavy.names("constraints", 500, 500), "RSA of 16,384 bits": heavy.rsa("rsa", 16_384)}
    for number, (what, files) in enumerate(chains.items()):
        print(f"# {what}: {files[0].stat().st_size} octets of PEM", flush=True)
        with scene.undisturbed(), scene.costs(5, HANDSHAKE_MS):
            for _ in range(5):
                refused_chain(scene, files, f"127.81.0.{number + 1}")


def check_B9_two_holders_of_one_key_raise_one_alarm_and_no_storm(scene):
    """The clone comes again at once, whenever it is displaced or sent away; the agent backs off as it always does."""
    want(scene.alarms() == [], f"found {scene.alarms()} before, want none")
    reasons, before = [], cpu_of(scene.workers)
    with scene.bystander.undisturbed():
        boot_id = bytes(range(16))
        for _ in range(TAKE_OVERS):
            with scene.control("127.82.0.1", scene.second) as clone:
                kind, payload = clone.say_hello(boot_id)
                if kind == TICKETS and not scene.alarms():
                    # Holds the place until the agent takes it back.
                    while kind not in (0, GOAWAY):
                        kind, payload = clone.next_frame()
                reasons.append(payload[0] if kind == GOAWAY else kind)
        wait_for(lambda: len(scene.alarms()) == 1, 10, lambda: f"one alarm; there are {scene.alarms()}, and GOAWAYs {reasons}")
    each = (cpu_of(scene.workers) - before) * 1e3 / TAKE_OVERS
    print(f"# {each:.1f} ms of CPU for each take-over; {reasons.count(DISPLACED)} displaced, {reasons.count(CLONE)} sent away", flush=True)
    want(each < TAKE_OVER_MS, f"found {each:.0f} ms of CPU for each, want {TAKE_OVER_MS} or less")
    want(reasons.count(DISPLACED) <= 5, f"found {reasons.count(DISPLACED)} displacements, want an end of them after a few")
    want(len(scene.alarms()) == 1, f"found {scene.alarms()}, want one alarm")


def check_B9_device_is_there_once_its_clone_has_gone(scene):
    scene.stage.restart_agent(scene.second)
    scene.stage.wait_online(scene.second, 2 * ENROLMENT_SECONDS)


def slow_stream(scene, grant):
    """A stream of /endless whose user reads nothing, once nothing moves on it any more."""
    context = trust(scene.there, "web-ca")
    plain = socket.socket()
    plain.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
    plain.connect(("127.0.0.1", scene.port))
    line = context.wrap_socket(plain, server_hostname=grant.host)
    line.settimeout(20)
    line.sendall("\r\n".join(["GET /endless HTTP/1.1", *(f"{key}: {value}" for key, value in grant.headers())]).encode() + b"\r\n\r\n")
    line.recv(1000)
    last = [-1, 0]

    def stands_still():
        last[1] = last[1] + 1 if scene.fountain.said == last[0] else 0
        last[0] = scene.fountain.said
        return last[1] > 20  # looks, 50 ms apart

    wait_for(stands_still, 30, lambda: f"the stream to stand still; {scene.fountain.said} octets were said")
    return line


def check_E3_reader_who_does_not_read_stops_his_own_stream_alone(scene):
    grant = scene.grant("press-2", "fountain")
    pids = [*scene.workers, scene.second.agent.pid]
    with scene.undisturbed(), grant.come_in():
        before = memory_of(pids)
        lines = [slow_stream(scene, grant) for _ in range(2)]
        said, held = scene.fountain.said / 2, memory_of(pids) - before
        print(f"# {said / (1 << 20):.1f} MiB said on each, {held / (1 << 20):.1f} MiB held by agent and relay", flush=True)
        want(said <= BUFFERED, f"found {said:.0f} octets taken of a stream that nobody reads, want {BUFFERED} or less")
        want(held <= HELD, f"found {held} octets more in memory, want {HELD} or less")
        with grant.line() as other:
            answer = other.ask("GET", "/big", grant.headers())
            want(answer.status == 200 and len(answer.body) == BIG, f"found {len(answer.body)} octets beside it, want {BIG}")
        want(scene.fountain.said == said * 2, "found the slow streams going on, want them standing")
        for line in lines:
            line.close()


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
