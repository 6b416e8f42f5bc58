#!/usr/bin/python3
"""tcp services of a device through the real relay: OpenSSH by `sallyport ssh` and as a ProxyCommand, and what passes through
`sallyport connect` of a connection's ends and faults. The servers behind the agent are OpenSSH's, socat, Python's HTTP/1.0.
"""
# test: needs=dev deadline=240
import concurrent.futures
import hashlib
import http.server
import json
import os
import pathlib
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from connected import Port, write_settings  # noqa: E402
from stage import Stage, wait_for  # noqa: E402
from ssh_server import SshServer  # noqa: E402
from tcp_servers import Echo, Server, Socat, ends_with, everything, make_certificate, reset, run_to_end  # noqa: E402
from visitor import ConsoleUser, trust  # noqa: E402

BIG = 20_000_000
CUT_SECONDS = 5
DONE, FAILED, USAGE, REFUSED, UNREACHABLE = 0, 1, 2, 4, 5  # docs/operate/cli.md
SHUT_WINDOW_SECONDS = 25  # longer than a peer that does not answer is waited for
MORE_THAN_BUFFERS = 96_000_000  # of all sockets on the way together: every writer has to wait


# What socat runs: says a word, ends its direction, and keeps what it still hears.
ENDS_FIRST = """
import signal, socket, sys
signal.signal(signal.SIGTERM, signal.SIG_IGN)  # socat sends it as soon as both sides have ended
line = socket.socket(fileno=1)
line.sendall(b"banner\\n")
line.shutdown(socket.SHUT_WR)
with open(sys.argv[1], "wb", buffering=0) as file:
    while data := line.recv(65536):
        file.write(data)
"""


class OldWeb(http.server.BaseHTTPRequestHandler):
    """Answers, ends, and that is how long the answer was."""
    protocol_version = "HTTP/1.0"
    page = os.urandom(300_000)

    def do_GET(self):
        self.send_response(200)
        self.end_headers()
        self.wfile.write(self.page)

    def log_message(self, *_):
        pass


class Scene:
    def __init__(self, stage):
        self.stage = stage

    def set_up(self):
        for program in ("ssh", "/usr/sbin/sshd", "socat"):
            if not shutil.which(program):
                raise cases.Missing(f"{program}: openssh-server, openssh-client and socat")
        self.there = self.stage.set_up()
        self.device, = self.stage.make_devices("press-1")
        self.sshd = SshServer(self.stage.folder / "sshd")
        self.echo, self.plain = Echo(), Server()
        self.left = self.stage.folder / "left-by-a-user"
        self.digest = Socat(self.stage.folder, "digest", "sha256sum")
        ending = self.stage.folder / "ends-first.py"
        ending.write_text(ENDS_FIRST)
        self.first = Socat(self.stage.folder, "ends-first", sys.executable, ending, self.left)
        web = http.server.ThreadingHTTPServer(("127.0.0.1", 0), OldWeb)
        threading.Thread(target=web.serve_forever, daemon=True).start()
        self.stage.closing += [self.sshd.stop, self.echo.stop, self.plain.stop, self.digest.stop, self.first.stop, web.shutdown]
        services = {"ssh": self.sshd.port, "echo": self.echo.port, "plain": self.plain.port, "told": self.plain.port,
                    "digest": self.digest.port, "first": self.first.port, "web": web.server_port, "nobody": 1}
        with open(self.device.state / "agent.toml", "a") as file:
            for name, port in services.items():
                file.write(f'\n[[service]]\nname = "{name}"\nkind = "tcp"\ntarget = "127.0.0.1:{port}"\n')
                if name == "told":
                    file.write("proxy_protocol = true\n")
        self.stage.bring_online(self.device)
        self.name = self.there.device("press-1")["name"]
        self.user = ConsoleUser(self.there)
        self.settings = self.write_settings("connect.toml")

    def write_settings(self, name, **changed):
        return write_settings(self.there, self.stage.folder / name, **changed)

    def connect_words(self, service, *more, device="press-1", settings=None):
        return [self.there.sallyport, "connect", "--settings", str(settings or self.settings), *more, device, service]

    def connect(self, service, given=b"", **more):
        return run_to_end(self.connect_words(service, **more), given)

    def ssh_words(self, *command, key="user"):
        return [self.there.sallyport, "ssh", "--settings", str(self.settings), f"{self.sshd.user}@press-1",
                *self.sshd.client_words("press-1.sallyport", key=key), *command]

    def proxy_words(self):
        proxy = f"ProxyCommand={self.there.sallyport} connect --settings {self.settings} %h ssh"
        return [*self.sshd.client_words("press-1", "press-1.sallyport"), "-o", proxy]

    def live(self, service):
        return [one for one in self.there.read("session", "list", "--state", self.there.state)["sessions"] if one["service"] == service]


def port_of(scene, service):
    return Port(scene.connect_words(service, "--listen", "0", "--json"))


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


@cases.carries_the_rest
def check_sallyport_ssh_runs_a_command_and_passes_its_status_through(scene):
    done = ends_with(run_to_end(scene.ssh_words("cat; echo to-stderr >&2; exit 37"), b"in and out"), 37, "to-stderr")
    want(done.stdout == b"in and out", f"found {done.stdout!r}, want what was sent")
    ends_with(run_to_end(scene.ssh_words("true")), 0)
    ends_with(run_to_end(scene.ssh_words("kill -9 $$")), 255)


def check_connect_is_a_proxy_command(scene):
    for host in ("press-1", "press-1.sallyport"):
        done = ends_with(run_to_end(["ssh", *scene.proxy_words(), f"{scene.sshd.user}@{host}", "echo here; exit 3"]), 3)
        want(done.stdout == b"here\n", f"found {done.stdout!r}, want here")


def check_a_stranger_to_the_server_is_refused_by_the_server(scene):
    ends_with(run_to_end(scene.ssh_words("true", key="stranger")), 255, "Permission denied")


def check_files_go_there_and_come_back_whole(scene):
    sent, back, fetched = (scene.stage.folder / name for name in ("sent", "back", "fetched"))
    sent.write_bytes(os.urandom(BIG))
    wanted = hashlib.sha256(sent.read_bytes()).hexdigest()
    target = f"{scene.sshd.user}@press-1"
    for words in (["scp", "-q", *scene.proxy_words(), sent, f"{target}:{back}"],
                  ["sftp", "-q", *scene.proxy_words(), f"{target}:{back}", fetched]):
        ends_with(run_to_end(words), 0)
    for file in (back, fetched):
        found = hashlib.sha256(file.read_bytes()).hexdigest()
        want(found == wanted, f"found {file.stat().st_size} bytes of another hash in {file.name}, want those sent")


def check_sessions_end_with_their_command_and_are_audited(scene):
    wait_for(lambda: not scene.live("ssh"), 10, "no live session of a command that has ended")
    ended = [one for one in scene.stage.audit("session.ended") if one["actor"] == scene.there.owner and one["detail"]["service"] == "ssh"]
    want(len(ended) >= 8, f"found {len(ended)} ended sessions, want one for each command before")

    def counted():  # the relay's last words may come when the session has ended
        told = scene.there.read("device", "sessions", "press-1", "--state", scene.there.state)["sessions"]
        return (all(one["source"].startswith("127.0.0.1:") and one["bytes_to_user"] > 0 for one in told)
                and max(one["bytes_to_device"] for one in told) > BIG and max(one["bytes_to_user"] for one in told) > BIG)

    wait_for(counted, 10, f"every session with its source, and of more than {BIG} bytes one each way")


def say_all(line, data):
    try:
        line.sendall(data)
        line.shutdown(socket.SHUT_WR)
    except OSError:
        pass  # whoever reads at the other side finds out


# ---- ends and faults


def check_user_ends_first_and_hears_the_answer(scene):
    """socat's sha256sum answers when its input has ended."""
    data = os.urandom(5_000_000)
    done = ends_with(scene.connect("digest", data), DONE)
    want(done.stdout.split()[0].decode() == hashlib.sha256(data).hexdigest(), f"found {done.stdout!r}, want the hash of what was sent")


def check_http_1_0_answers_a_request_that_has_ended(scene):
    done = ends_with(scene.connect("web", b"GET / HTTP/1.0\r\n\r\n"), DONE)
    want(done.stdout.endswith(OldWeb.page) and b"200 OK" in done.stdout[:40], f"found {len(done.stdout)} bytes, want the whole page")
    with port_of(scene, "web") as port, port.dial() as line:
        line.sendall(b"GET / HTTP/1.0\r\n\r\n")
        want(everything(line).endswith(OldWeb.page), "found another page with the request's direction open, want the whole one")


def check_service_ends_first_and_still_hears(scene):
    child = subprocess.Popen(scene.connect_words("first"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    want(child.stdout.read() == b"banner\n", "found no end of the service's direction, want its banner and then the end")
    child.stdin.write(b"said after its end")
    child.stdin.close()
    said = lambda: scene.left.exists() and scene.left.read_bytes() == b"said after its end"  # noqa: E731
    wait_for(said, 20, "the service to have kept what came after its own end")
    want(child.wait(20) == DONE, f"found exit {child.returncode}, want {DONE}")


def check_data_after_an_end_passes_through_a_port_both_ways(scene):
    with port_of(scene, "plain") as port:
        for user_first in (True, False):
            with port.dial() as user, scene.plain.take() as service:
                one, other = (user, service) if user_first else (service, user)
                one.shutdown(socket.SHUT_WR)
                want(other.recv(1) == b"", "found bytes, want the end")
                data = os.urandom(2_000_000)
                thread = threading.Thread(target=say_all, args=(other, data))
                thread.start()
                want(everything(one) == data, "found other bytes after the end of the own direction, want those sent")
                thread.join()


def check_reset_of_the_service_breaks_the_user(scene):
    child = subprocess.Popen(scene.connect_words("plain"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    service = scene.plain.take()
    service.sendall(b"half an ans")
    want(child.stdout.read(11) == b"half an ans", "found something else, want the first half")
    reset(service)
    want(child.wait(20) == FAILED, f"found exit {child.returncode}, want {FAILED}: no orderly end")
    want(b"connection broken" in child.communicate()[1], "found no reason, want one")
    with port_of(scene, "plain") as port, port.dial() as user:
        reset(scene.plain.take())
        expect_reset(user)


def check_reset_of_the_user_breaks_the_service(scene):
    with port_of(scene, "plain") as port:
        user = port.dial()
        user.sendall(b"half an ord")
        with scene.plain.take() as service:
            want(service.recv(11) == b"half an ord", "found something else, want the first half")
            reset(user)
            expect_reset(service)
    child = subprocess.Popen(scene.connect_words("plain"), stdin=subprocess.PIPE, stdout=subprocess.PIPE)
    with scene.plain.take() as service:
        child.kill()
        child.communicate()
        expect_reset(service)


def expect_reset(connection):
    try:
        rest = everything(connection)
    except ConnectionResetError:
        return
    raise cases.Failed(f"found an end in order after {rest!r}, want a reset")


def check_shut_window_loses_nothing(scene):
    """In both directions, and for longer than a dead peer would be waited for: whether every writer on the way has to wait, or the
    kernels hold all there is and its end."""
    sizes = (MORE_THAN_BUFFERS, MORE_THAN_BUFFERS // 4, MORE_THAN_BUFFERS // 10, MORE_THAN_BUFFERS // 20)
    with port_of(scene, "plain") as port, concurrent.futures.ThreadPoolExecutor() as pool:
        roads = []
        for size in sizes:
            for user_sends in (True, False):
                user = port.dial()
                service = scene.plain.take()
                sender, reader = (user, service) if user_sends else (service, user)
                sender.settimeout(120)
                data = os.urandom(size)
                pool.submit(say_all, sender, data)
                roads.append((sender, reader, data))
        begun = time.monotonic()
        wait_for(lambda: time.monotonic() - begun > SHUT_WINDOW_SECONDS, SHUT_WINDOW_SECONDS + 5, "the time to pass")
        for sender, reader, data in roads:
            want(everything(reader) == data, f"found other bytes behind a shut window, want the {len(data)} sent")
            sender.close()
            reader.close()


# ---- who gets nothing


def check_another_key_gets_nothing(scene):
    own, fingerprint = make_certificate(scene.stage.folder, "own")
    strange, _ = make_certificate(scene.stage.folder, "strange")
    order = {"service": "plain", "client_key_sha256": fingerprint}
    granted, other = (scene.user.call("POST", f"/devices/{scene.name}/grants", order, status=201).json() for _ in range(2))
    want("secret" not in granted, "found an entry secret beside a client key, want none")

    def heard(host, certificate):
        context = trust(scene.there, "web-ca")
        if certificate:
            context.load_cert_chain(certificate)
        with socket.create_connection(("127.0.0.1", scene.there.tls_port), timeout=20) as raw:
            with context.wrap_socket(raw, server_hostname=host) as line:
                line.sendall(b"let me in")
                return line.recv(1)

    unknown = "aaaaaaaaaaaaaaaa" + granted["host"][16:]
    for host, certificate in ((granted["host"], None), (granted["host"], strange), (unknown, own), (other["host"], strange)):
        try:
            want(heard(host, certificate) == b"", f"found an answer at {host[:16]}, want none")
        except (ssl.SSLError, OSError):
            pass
    want(scene.plain.is_left_alone(), "found a connection at the service, want none")
    thread = threading.Thread(target=lambda: scene.plain.take().sendall(b"!"))
    thread.start()
    want(heard(granted["host"], own) == b"!", "found nothing with the right key, want the service's word")
    thread.join()


def hold_session(scene):
    """A live `sallyport ssh` that has said a word."""
    child = subprocess.Popen(scene.ssh_words("echo in; sleep 600"), stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE)
    want(child.stdout.readline() == b"in\n", "found no session, want one")
    return child


def expect_cut(child):
    begun = time.monotonic()
    try:
        status = child.wait(CUT_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()
        raise cases.Failed(f"found the session alive after {CUT_SECONDS} s, want it cut") from None
    want(status == 255, f"found exit {status} after {time.monotonic() - begun:.1f} s, want 255")
    child.communicate()


def check_ended_session_is_cut(scene):
    child = hold_session(scene)
    session, = scene.live("ssh")
    scene.there.run("session", "end", session["id"], "--state", scene.there.state)
    expect_cut(child)


def check_suspended_device_is_cut(scene):
    child = hold_session(scene)
    scene.there.run("device", "suspend", "press-1", "--state", scene.there.state)
    expect_cut(child)
    scene.there.run("device", "resume", "press-1", "--state", scene.there.state)
    scene.stage.wait_online(scene.device)


# ---- the command


def check_port_carries_many_at_once_and_outlives_its_grant(scene):
    def echoed(number):
        data = bytes([number]) * 500_000
        with port.dial() as line:
            threading.Thread(target=say_all, args=(line, data)).start()
            return everything(line) == data

    with port_of(scene, "echo") as port:
        with concurrent.futures.ThreadPoolExecutor(12) as pool:
            want(all(pool.map(echoed, range(12))), "found other bytes in one of 12 connections, want its own")
        session, = scene.live("echo")
        scene.there.run("session", "end", session["id"], "--state", scene.there.state)

        def works_again():
            try:
                return echoed(1)
            except OSError:
                return False

        wait_for(works_again, 15, "a connection under another grant")
        again, = scene.live("echo")
        want(again["id"] != session["id"], "found the ended session, want another")
        port.child.terminate()
        want(port.child.wait(20) == DONE, f"found exit {port.child.returncode}, want {DONE}")
    wait_for(lambda: not scene.live("echo"), 10, "no live session of a command that has ended")


def check_service_is_told_who_comes_where_it_wants_to_know(scene):
    with port_of(scene, "told") as port, port.dial() as user:
        user.sendall(b"hello")
        user.shutdown(socket.SHUT_WR)
        with scene.plain.take() as service:
            heard = everything(service)
        session, = scene.live("told")
    want(heard.startswith(b"\r\n\r\n\0\r\nQUIT\n\x21\x11") and heard.endswith(b"hello"), f"found {heard!r}, want a header and the user's word")
    want(heard[16:20] == bytes([127, 0, 0, 1]), f"found source {heard[16:20]!r}, want 127.0.0.1")
    want(session["id"].encode() in heard and f".{scene.name}.".encode() in heard, f"found {heard!r}, want session and name")


def check_refusals_say_why(scene):
    wrong = scene.stage.folder / "wrong-password"
    wrong.write_text("not the password\n")
    wrong.chmod(0o600)
    changed = lambda name, **values: scene.write_settings(name, **values)  # noqa: E731
    ends_with(scene.connect("ssh", settings=changed("1.toml", password_file=str(wrong))), REFUSED, "Login or password is wrong")
    ends_with(scene.connect("ssh", settings=changed("2.toml", root_certificate=str(scene.there.state / "trust" / "web-ca.twin.pem"))), REFUSED)
    ends_with(scene.connect("ssh", settings=changed("3.toml", connect_to="127.0.0.1:1")), UNREACHABLE, "console")
    ends_with(scene.connect("ssh", settings=changed("4.toml", consol="x")), FAILED, "unknown key 'consol'")
    ends_with(scene.connect("ssh", device="press-9"), FAILED, "device press-9: there is none")
    ends_with(scene.connect("no-such"), FAILED, "The device does not offer this service")
    ends_with(scene.connect("panel"), FAILED, "the service is of kind http, want tcp")
    ends_with(scene.connect("nobody"), UNREACHABLE, "ended before it said a word")
    ends_with(scene.connect("NO SUCH"), USAGE)
    ends_with(run_to_end([scene.there.sallyport, "ssh", "--settings", scene.settings, "press-1;true"]), USAGE)
    lonely = {"PATH": os.environ["PATH"], "HOME": str(scene.stage.folder)}
    done = subprocess.run([scene.there.sallyport, "connect", "press-1", "ssh"], env=lonely, stdin=subprocess.DEVNULL, capture_output=True, check=False)
    ends_with(done, USAGE, ".config/sallyport/connect.toml")


def check_switches_and_consent_hold(scene):
    scene.there.run("device", "remote-access", "press-1", "off", "--state", scene.there.state)
    ends_with(scene.connect("ssh"), REFUSED, "Remote access is switched off")
    scene.there.run("device", "remote-access", "press-1", "on", "--state", scene.there.state)
    scene.stage.configure(scene.device, consent_command=["/bin/false"])
    scene.stage.restart_agent(scene.device)
    wait_for(lambda: scene.there.agent_status(scene.device).get("control", {}).get("state") == "established", 20, "the agent to be back")
    ends_with(scene.connect("ssh"), REFUSED, "refused there")
    wait_for(lambda: not scene.live("ssh"), 10, "no live session of a command that has ended")
    scene.device.agent.stop(signal.SIGTERM)
    wait_for(lambda: not scene.there.device("press-1")["online"], 20, "the device to be offline")
    ends_with(scene.connect("ssh"), UNREACHABLE, "The device is offline")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as stage:
        sys.exit(cases.run(globals(), Scene(stage)))
