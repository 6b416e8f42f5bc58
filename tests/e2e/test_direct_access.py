#!/usr/bin/python3
"""Direct access: a device that listens on a port of its own, reached by `sallyport connect`, `sallyport ssh` and Chromium with
the grants and proofs of every day, and without the relay: in the end the device's way there is cut for longer than a grant lives.
"""
# test: needs=dev deadline=600
import pathlib
import shutil
import socket
import ssl
import struct
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from base64 import urlsafe_b64decode  # noqa: E402
from cases import want  # noqa: E402
from connected import Port, write_settings  # noqa: E402
from crossing import Crossing  # noqa: E402
from raw_hello import everything, hello_for  # noqa: E402
from stage import ZONE, Stage, wait_for  # noqa: E402
from ssh_server import SshServer  # noqa: E402
from tcp_servers import Echo, Server, ends_with, make_certificate, run_to_end  # noqa: E402
from visitor import ConsoleUser, Line, trust  # noqa: E402

DONE, FAILED, USAGE, REFUSED, UNREACHABLE = 0, 1, 2, 4, 5  # docs/operate/cli.md
ALPN = "sallyport-direct/1"
OPEN, RENEW = 1, 2  # docs/protocol/tunnel.md section 13
GRANT_INVALID = 2
UNRECOGNIZED_NAME = bytes([21, 3, 3, 0, 2, 2, 112])
CUT_SECONDS = 5
GRANT_SECONDS, TOLERANCE_SECONDS = 300, 60
ACTS = pathlib.Path(__file__).resolve().parents[1] / "support" / "direct_acts.mjs"


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.is_cut = False
        self.person = None

    def set_up(self):
        for program in ("ssh", "/usr/sbin/sshd"):
            if not shutil.which(program):
                raise cases.Missing(f"{program}: openssh-server and openssh-client")
        self.there = there = self.stage.set_up()
        roads = {"tls": Crossing(lambda _: None if self.is_cut else there.tls_port, keep=False),
                 "http": Crossing(lambda _: None if self.is_cut else there.http_port, keep=False)}
        self.roads = list(roads.values())

        class Roads:
            @staticmethod
            def port(kind):
                return roads[kind].port

        self.device, = self.stage.make_devices("press-1", wire=Roads)
        self.sshd = SshServer(self.stage.folder / "sshd")
        self.echo, self.plain = Echo(), Server()
        self.stage.closing += [road.close for road in self.roads] + [self.sshd.stop, self.echo.stop, self.plain.stop]
        self.holder = socket.create_server(("127.0.0.1", 0))
        self.port = self.holder.getsockname()[1]
        with open(self.device.state / "agent.toml", "a") as file:
            for name, port in {"ssh": self.sshd.port, "echo": self.echo.port, "plain": self.plain.port}.items():
                file.write(f'\n[[service]]\nname = "{name}"\nkind = "tcp"\ntarget = "127.0.0.1:{port}"\n')
            file.write(f'\n[direct]\nlisten = "127.0.0.1:{self.port}"\n')
        self.stage.bring_online(self.device)
        self.name = there.device("press-1")["name"]
        self.user = ConsoleUser(there)
        self.settings = write_settings(there, self.stage.folder / "connect.toml")

    def words(self, service, *more):
        return [self.there.sallyport, "connect", "--settings", str(self.settings), "--direct", f"127.0.0.1:{self.port}", *more,
                "press-1", service]

    def connect(self, service, given=b""):
        return run_to_end(self.words(service), given)

    def listening(self, service):
        return Port(self.words(service, "--listen", "0", "--json"))

    def agent(self, *words, check=True):
        return self.there.run(*words, "--state", self.device.state, program=self.there.agent_program, check=check)

    def cut_the_road(self):
        self.is_cut = True
        for road in self.roads:
            road.cut()

    def live(self, service):
        return [one for one in self.there.read("session", "list", "--state", self.there.state)["sessions"] if one["service"] == service]


class Caller:
    """The command line's part, played by Python: a grant of its own, and what it says at the device's port."""

    def __init__(self, scene, name, service="plain"):
        self.scene = scene
        self.certificate, fingerprint = make_certificate(scene.stage.folder, name)
        order = {"service": service, "client_key_sha256": fingerprint, "direct": True}
        granted = scene.user.call("POST", f"/devices/{scene.name}/grants", order, status=201).json()
        self.id, self.host, self.sealed = granted["grant_id"], granted["host"], self.decode(granted["grant"])

    @staticmethod
    def decode(text):
        return urlsafe_b64decode(text + "=" * (-len(text) % 4))

    def renewed(self):
        return self.decode(self.scene.user.call("POST", f"/sessions/{self.id}/renew", status=200).json()["grant"])

    def show(self, sealed=None, host=None, certificate=None, purpose=OPEN):
        """The connection, and the device's answer."""
        context = trust(self.scene.there, "web-ca")
        context.set_alpn_protocols([ALPN])
        context.load_cert_chain(certificate or self.certificate)
        raw = socket.create_connection(("127.0.0.1", self.scene.port), timeout=20)
        line = context.wrap_socket(raw, server_hostname=host or self.host)
        sealed = self.sealed if sealed is None else sealed
        line.sendall(struct.pack(">BH", purpose, len(sealed)) + sealed)
        answer = line.recv(1)
        want(len(answer) == 1, "found no answer, want one")
        return line, answer[0]


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


def direct_status(scene):
    return scene.there.agent_status(scene.device)["direct"]


@cases.carries_the_rest
def check_port_that_is_taken_keeps_nothing_else_from_working(scene):
    """The device is online by then."""
    told = direct_status(scene)
    want("in use" in (told["error"] or ""), f"found {told}, want the port told to be in use")
    found = scene.agent("doctor", check=False)
    want(found.returncode != DONE and "direct access" in found.stdout, f"found {found.stdout[-400:]}, want doctor to name it")
    scene.holder.close()
    wait_for(lambda: direct_status(scene)["error"] is None, 20, lambda: f"the port to be listened at; {direct_status(scene)}")


def check_status_tells_of_the_port(scene):
    told = direct_status(scene)
    want(told == {"listen": f"127.0.0.1:{scene.port}", "public_port": scene.port, "error": None}, f"found {told}, want the port")
    text = scene.agent("status").stdout
    want(f"127.0.0.1:{scene.port}" in text, f"found {text[:400]}, want the port in it")


@cases.carries_the_rest
def check_connect_reaches_a_service_without_the_relay(scene):
    before = scene.stage.agent_log(scene.device).count("direct=true")
    done = ends_with(scene.connect("echo", b"there and back"), DONE)
    want(done.stdout == b"there and back", f"found {done.stdout!r}, want what was sent")
    want(scene.stage.agent_log(scene.device).count("direct=true") == before + 1, "found no direct user in the agent's log, want one")
    granted = [one for one in scene.stage.audit("session.granted") if one["detail"]["service"] == "echo"]
    want(len(granted) == 1 and granted[0]["actor"] == scene.there.owner, f"found {granted}, want the session in the audit log")
    counted = [one for one in scene.stage.audit("session.ended") if one["detail"]["service"] == "echo"]
    want(counted and counted[0]["detail"]["connections"] == 0, f"found {counted}, want a session of which the relay has seen nothing")


def check_ssh_passes_a_commands_status_through(scene):
    words = [scene.there.sallyport, "ssh", "--settings", str(scene.settings), "--direct", f"127.0.0.1:{scene.port}",
             f"{scene.sshd.user}@press-1", *scene.sshd.client_words("press-1.sallyport"), "cat; exit 37"]
    done = ends_with(run_to_end(words, b"in and out"), 37)
    want(done.stdout == b"in and out", f"found {done.stdout!r}, want what was sent")


def check_other_names_get_the_alert_of_unknown_ones(scene):
    label = "a" * 16
    other = "b" * 10
    for name in (f"{label}.{other}.{ZONE}", f"{scene.name}.{ZONE}", f"{label[1:]}.{scene.name}.{ZONE}", f"relay.{ZONE}", f"{label}.{scene.name}.example"):
        with socket.create_connection(("127.0.0.1", scene.port), timeout=20) as line:
            line.sendall(hello_for(name))
            said = everything(line)
        want(said == UNRECOGNIZED_NAME, f"{name}: found {said!r}, want the alert and nothing signed")


def check_nobody_comes_in_without_grant_and_key(scene):
    own, other = Caller(scene, "own"), Caller(scene, "other")
    for what, given in {"another key": {"certificate": other.certificate}, "another label": {"host": other.host},
                        "another's grant": {"sealed": other.sealed}, "no grant": {"sealed": b"\0"},
                        "a changed grant": {"sealed": own.sealed[:-1] + bytes([own.sealed[-1] ^ 1])}}.items():
        line, answer = own.show(**given)
        with line:
            want(answer == GRANT_INVALID and line.recv(1) == b"", f"{what}: found answer {answer}, want {GRANT_INVALID} and the end")
    context = trust(scene.there, "web-ca")
    context.set_alpn_protocols([ALPN])
    try:
        with socket.create_connection(("127.0.0.1", scene.port), timeout=20) as raw, context.wrap_socket(raw, server_hostname=own.host) as line:
            line.sendall(struct.pack(">BH", OPEN, len(own.sealed)) + own.sealed)
            want(line.recv(1) == b"", "found an answer without a client certificate, want none")
    except OSError:
        pass
    want(scene.plain.is_left_alone(), "found a connection at the service, want none")
    line, answer = own.show()
    with line:
        want(answer == 0, f"found answer {answer} with the right key, want 0")
        with scene.plain.take() as service:
            service.sendall(b"!")
            want(line.recv(1) == b"!", "found nothing, want the service's word")


def check_silent_and_babbling_strangers_do_not_keep_users_out(scene):
    silent = [socket.create_connection(("127.0.0.1", scene.port), timeout=20) for _ in range(24)]
    try:
        silent[0].sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        silent[1].sendall(hello_for(f"{'a' * 16}.{scene.name}.{ZONE}")[:40])
        for number, line in enumerate(silent[4:]):  # more than may shake hands at a time: the user waits for his turn
            line.sendall(hello_for(f"{chr(ord('a') + number) * 16}.{scene.name}.{ZONE}"))
        done = ends_with(scene.connect("echo", b"beside them"), DONE)
        want(done.stdout == b"beside them", f"found {done.stdout!r}, want what was sent")
        begun = time.monotonic()
        for line in silent:
            line.settimeout(20)
            try:
                everything(line)  # of a handshake, to the end
            except ConnectionError:
                pass
        want(time.monotonic() - begun < 15, f"found them after {time.monotonic() - begun:.0f} s, want them gone after 10")
    finally:
        for line in silent:
            line.close()


def check_port_of_the_relay_is_no_port_of_the_device(scene):
    words = [scene.there.sallyport, "connect", "--settings", str(scene.settings), "--direct", f"127.0.0.1:{scene.there.tls_port}", "press-1", "plain"]

    def is_told():  # once the relay knows the grant, for which nobody waits
        done = run_to_end(words)
        want(done.returncode in (FAILED, REFUSED), f"found exit {done.returncode}, want {FAILED}")
        return b"is not its own port" in done.stderr

    wait_for(is_told, 20, "the command to say where it has come to")
    with scene.plain.take() as service:
        want(not everything(service), "found a word at the service, want none of the grant")


def check_switches_of_the_device_count(scene):
    scene.agent("service", "echo", "close")
    ends_with(scene.connect("echo"), FAILED, "does not offer this service")
    scene.agent("service", "echo", "open")
    with scene.listening("echo") as port, port.dial() as user:
        user.sendall(b"x")
        want(user.recv(1) == b"x", "found no echo, want one")
        scene.agent("remote-access", "off")
        user.settimeout(CUT_SECONDS)
        want(is_broken(user), "found the connection alive, want it cut by the device's own switch")
    ends_with(scene.connect("echo"), REFUSED, "switched off")
    scene.agent("remote-access", "on")
    wait_for(lambda: scene.connect("echo", b"y").stdout == b"y", 20, "the device to be open again")


def is_broken(line):
    try:
        return line.recv(1) == b""
    except TimeoutError:
        return False
    except OSError:
        return True


def check_session_that_is_ended_is_cut(scene):
    with scene.listening("echo") as port, port.dial() as user:
        user.sendall(b"x")
        want(user.recv(1) == b"x", "found no echo, want one")
        session, = scene.live("echo")
        scene.there.run("session", "end", session["id"], "--state", scene.there.state)
        user.settimeout(CUT_SECONDS)
        want(is_broken(user), f"found the connection alive after {CUT_SECONDS} s, want it cut")


def check_renewal_is_for_who_opened_the_session(scene):
    own = Caller(scene, "renewing")
    want(own.renewed() == own.sealed, "found another grant of a session that is fresh, want the same")
    line, answer = own.show(purpose=RENEW)
    line.close()
    want(answer == 0 and scene.plain.is_left_alone(), f"found answer {answer} or a connection at the service, want 0 and none")
    stranger = ConsoleUser(scene.there)
    for session in (own.id, "0" * 32):
        stranger.call("POST", f"/sessions/{session}/renew", status=404)


def check_form_with_the_grant_lets_a_browser_in(scene):
    granted = scene.user.call("POST", f"/devices/{scene.name}/grants", {"service": "panel", "direct": True}, status=201).json()
    context = trust(scene.there, "web-ca")
    authority = f"{granted['host']}:{scene.port}"
    form = f"secret={granted['secret']}&grant={granted['grant']}".encode()
    headers = [("Host", authority), ("Origin", scene.user.origin), ("Content-Type", "application/x-www-form-urlencoded")]

    def ask(method, target, given, body=None):
        with Line(context, granted["host"], scene.port) as line:
            return line.ask(method, target, given, body)

    want(ask("GET", "/", [("Host", authority)]).status == 403, "found no 403 before the entry, want one")
    want(ask("POST", "/.sallyport/enter", headers, form.partition(b"&")[0]).status == 403, "found no 403 without the grant, want one")
    entered = ask("POST", "/.sallyport/enter", headers, form)
    want(entered.status == 200, f"found {entered.status} {entered.body[:200]!r}, want 200")
    want(ask("POST", "/.sallyport/enter", headers, form).status == 403, "found the secret good twice, want once")
    cookie = ("Cookie", f"__Host-sallyport={entered.cookie('__Host-sallyport')}")
    page = ask("GET", "/", [("Host", authority), cookie])
    want(page.status == 200 and b"<h1>Press-1</h1>" in page.body, f"found {page.status} {page.body[:80]!r}, want the device's page")
    want(ask("GET", "/", [("Host", granted["host"]), cookie]).status == 421, "found no 421 for a Host without the port, want one")
    want(ask("GET", "/", [("Host", authority)]).status == 401, "found no 401 without the cookie, want one")


def check_chromium_opens_a_service_directly(scene):
    if not shutil.which("chromium"):
        raise cases.Missing("chromium")
    from person import Person
    home = scene.there.folder / "browser"
    home.mkdir()
    scene.there.run("trust", "install", "--state", scene.there.state, "--nss", home / ".pki" / "nssdb")
    person = Person(home, scene.there.logs / "browser.log", ACTS)
    scene.stage.closing.append(person.stop)
    person("login", url=scene.there.console_url, login=scene.there.owner, password=scene.there.password)
    opened = person("open_directly", url=f"{scene.there.console_url}/open?device={scene.name}&service=panel&direct={scene.port}", service="panel")
    want(opened["heading"] == "Press-1", f"found heading {opened['heading']!r}, want Press-1")
    want(opened["url"].endswith(f".{scene.name}.{ZONE}:{scene.port}/"), f"found {opened['url']}, want the device's own port")


def check_device_without_a_way_to_the_relay_is_reached_for_longer_than_a_grant_lives(scene):
    scene.cut_the_road()
    wait_for(lambda: not scene.there.device("press-1")["online"], 30, "the device to be offline")
    forgotten = Caller(scene, "forgotten", service="echo")
    left, answer = forgotten.show()
    want(answer == 0, f"found answer {answer} of a device that is offline, want 0")
    with scene.listening("echo") as port, port.dial() as user:
        begun = time.monotonic()

        def echoes(line):
            line.sendall(b"still there")
            return line.recv(11) == b"still there"

        want(echoes(user) and echoes(left), "found no echo, want one")
        ended = None
        while time.monotonic() - begun < GRANT_SECONDS + TOLERANCE_SECONDS + 20:
            want(echoes(user), f"found the session ended after {time.monotonic() - begun:.0f} s, want it renewed")
            if ended is None and not is_alive(left):
                ended = time.monotonic() - begun
            time.sleep(5)
        want(ended is not None and ended > GRANT_SECONDS, f"found what nobody renewed ended after {ended} s, want it cut once its grant has ended")
        with port.dial() as another:
            want(echoes(another), "found no second connection in the renewed session, want one")
        scene.stage.stop_server()
        want(echoes(user), "found the connection broken by the end of relay and console, want it to go on")
    left.close()


def is_alive(line):
    try:
        line.sendall(b"x")
        return line.recv(1) == b"x"
    except OSError:
        return False


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        ended = cases.run(globals(), Scene(the_stage))
    sys.exit(ended)
