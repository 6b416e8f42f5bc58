#!/usr/bin/python3
"""The relay cannot read: a thousand random markers pass between user and device, and are in no relay process's memory and in
neither side's byte stream. The same search finds them in the agent stopped in mid-transfer, and every one in a relay that
was built to keep what it forwards, where they go through in the clear.
"""
# test: needs=dev deadline=420 heavy
import mmap
import os
import pathlib
import re
import secrets
import signal
import socket
import sys
import threading

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from admin import administer  # noqa: E402
from cases import Missing, want  # noqa: E402
from crossing import Crossing  # noqa: E402
from raw_hello import hello_for  # noqa: E402
from stage import Stage, tool, wait_for  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

MARKERS = 1000
PER_CONNECTION = 100
STOPS = 8
BETWEEN_STOPS = 1 << 20
TRANSFER_BYTES = 32 << 20
RUN = re.compile(rb"[0-9a-f]{32,}")


def make_markers():
    return [secrets.token_hex(16).encode() for _ in range(MARKERS)]


def search(image, markers):
    """Which of the markers are in a file or in bytes."""
    wanted, found = set(markers), set()
    for run in RUN.finditer(image):
        text = run.group()
        found.update(text[at:at + 32] for at in range(len(text) - 31) if text[at:at + 32] in wanted)
    return found


def image_of(stage, pid, what):
    """The whole memory of a process."""
    prefix = stage.folder / "core"
    tool("gcore", "-a", "-o", prefix, pid, seconds=120)
    file = pathlib.Path(f"{prefix}.{pid}")
    want(file.stat().st_size > 1 << 20, f"found an image of {file.stat().st_size} bytes of {what}, want its memory")
    return file


def search_process(stage, pid, what, markers, control=None):
    """Markers in the memory of a process. `control` must be found, so that the search is known to search."""
    file = image_of(stage, pid, what)
    try:
        with open(file, "rb") as opened, mmap.mmap(opened.fileno(), 0, access=mmap.ACCESS_READ) as image:
            if control:
                want(image.find(control) >= 0, f"found no {control!r} in the memory of {what}, want what it must know")
            return search(image, markers)
    finally:
        file.unlink()


def pass_markers(grant, port, markers):
    """Half of them up and down in a form, half up in an address. Returns the connections, still open."""
    lines = []
    for begin in range(0, len(markers), PER_CONNECTION):
        line = grant.line(port) if lines else grant.come_in(port)
        lines.append(line)
        for number, marker in enumerate(markers[begin:begin + PER_CONNECTION]):
            if number % 2:
                answer = line.ask("GET", f"/{marker.decode()}", grant.headers())
                want(answer.status == 404, f"found {answer.status}, want the application's 404")
            else:
                answer = line.ask("POST", "/echo", grant.headers(("Origin", grant.origin)), b"marker=" + marker)
                want(answer.status == 200 and answer.body == b"marker=" + marker, f"found {answer.status} {answer.body[:60]!r}, want the marker back")
    return lines


class Scene:
    """A device and a user who each come to the relay over a watched road."""

    def __init__(self, stage):
        self.stage = stage
        self.markers = make_markers()

    def set_up(self):
        there = self.stage.set_up()
        self.device_road = Crossing(lambda _: there.tls_port)
        self.user_road = Crossing(lambda _: there.tls_port)
        self.stage.closing += [self.device_road.close, self.user_road.close]
        self.device, = self.stage.make_devices("press-1", wire=self)
        return there

    def port(self, kind):
        return self.device_road.port if kind == "tls" else self.stage.there.http_port

    def bring_online(self):
        self.stage.bring_online(self.device)
        self.name = self.stage.there.device("press-1")["name"]
        self.user = ConsoleUser(self.stage.there)


def check_markers_pass(scene):
    scene.set_up()
    scene.bring_online()
    scene.grant = scene.user.grant(scene.name)
    scene.lines = pass_markers(scene.grant, scene.user_road.port, scene.markers)


def check_byte_streams_have_none(scene):
    for name, road in (("user's", scene.user_road), ("device's", scene.device_road)):
        streams = [stream for one in road.crossed for stream in one.everything()]
        total = sum(map(len, streams))
        want(total > MARKERS * 100, f"found {total} bytes on the {name} side, want all that passed")
        want(any(scene.grant.label.encode() in stream for stream in streams) or name != "user's", "found no label on the user's side, want the server name in the clear")
        found = set().union(*(search(stream, scene.markers) for stream in streams))
        want(not found, f"found {len(found)} markers on the {name} side, want none")


def check_relay_memory_has_none(scene):
    workers = scene.stage.pids_of("relay")
    want(workers, "found no relay, want its workers")
    for pid in workers:
        found = search_process(scene.stage, pid, f"relay {pid}", scene.markers, control=scene.name.encode())
        want(not found, f"found {len(found)} markers in relay {pid}, want none")


def check_agent_in_mid_transfer_has_some(scene):
    """And the relay at the same moment none, its pipes and buffers full of what is on the way."""
    line = scene.grant.line(scene.user_road.port)
    block = b"".join(scene.markers)
    head = "\r\n".join(["POST /echo HTTP/1.1"] + [f"{key}: {value}" for key, value in scene.grant.headers(("Origin", scene.grant.origin))] +
                       [f"Content-Length: {TRANSFER_BYTES}"]).encode() + b"\r\n\r\n"

    def send():
        try:
            line.socket.sendall(head)
            for _ in range(0, TRANSFER_BYTES, len(block)):
                line.socket.sendall(block)
        except OSError:
            pass

    sender = threading.Thread(target=send, daemon=True)
    sender.start()
    agent = scene.device.agent.pid
    try:
        found = stop_with_markers(scene, agent)
        want(found, f"found no marker in the agent at {STOPS} moments, want some")
        for pid in scene.stage.pids_of("relay"):
            found = search_process(scene.stage, pid, f"relay {pid}", scene.markers, control=scene.name.encode())
            want(not found, f"found {len(found)} markers in relay {pid} in mid-transfer, want none")
    finally:
        os.kill(agent, signal.SIGCONT)
        for one in [line, *scene.lines]:
            try:
                one.socket.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass
        sender.join(10)


def stop_with_markers(scene, agent):
    """Stops the agent in mid-transfer and searches it; at a moment when it holds nothing, it goes on and is stopped again."""
    for _ in range(STOPS):
        before = bytes_to_device(scene)
        wait_for(lambda: bytes_to_device(scene) - before > BETWEEN_STOPS, 30, "the transfer to be under way")
        os.kill(agent, signal.SIGSTOP)
        found = search_process(scene.stage, agent, "the agent", scene.markers)
        if found:
            return found
        os.kill(agent, signal.SIGCONT)
    return set()


def bytes_to_device(scene):
    return sum(len(data) for one in list(scene.device_road.crossed) for _, data in one.received)


def echo_server():
    """A local service that says everything back."""
    listener = socket.create_server(("127.0.0.1", 0))

    def serve(connection):
        with connection:
            try:
                while data := connection.recv(65536):
                    connection.sendall(data)
            except OSError:
                pass

    def accept():
        while True:
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            threading.Thread(target=serve, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    return listener


def offer_clear_service(stage, device, port):
    """A service of kind tls is passed through as it is: with it, and with it alone, bytes can cross the relay in the clear."""
    stage.configure(device, allow_tls_services=True)
    with open(device.state / "agent.toml", "a") as file:
        file.write(f'\n[[service]]\nname = "clear"\nkind = "tls"\ntarget = "127.0.0.1:{port}"\n')


def check_leaky_relay_has_all(scene):
    """The same programs with one file of the relay compiled to keep what it forwards. What users say to devices under TLS it
    keeps as well, and cannot read."""
    leaky = scene.stage.build / "apps" / "sallyport-leaky"
    if not leaky.exists():
        raise Missing(f"{leaky}: configure with SALLYPORT_LEAKY_RELAY=ON")
    scene.stage.there.stop()
    with Stage(scene.stage.build) as stage:
        programs = stage.folder / "programs"
        programs.mkdir()
        (programs / "sallyport").symlink_to(leaky.resolve())
        (programs / "sallyport-agent").symlink_to((scene.stage.build / "apps" / "sallyport-agent").resolve())
        stage.programs = programs
        other = Scene(stage)
        there = other.set_up()
        listener = echo_server()
        stage.closing.append(listener.close)
        offer_clear_service(stage, other.device, listener.getsockname()[1])
        other.bring_online()
        hidden = make_markers()
        lines = pass_markers(other.user.grant(other.name), other.user_road.port, hidden)

        granted = administer(there, "grant.create", name=other.name, service="clear", kind="tls", client_key_sha256="ab" * 32)
        block = b" ".join(other.markers)
        hello = hello_for(granted["host"])
        with socket.create_connection(("127.0.0.1", there.tls_port), timeout=20) as user:
            user.sendall(hello + block)
            back = b""
            while len(back) < len(hello) + len(block):
                more = user.recv(65536)
                want(more, f"found {len(back)} bytes back, want {len(hello) + len(block)}")
                back += more
            want(back == hello + block, "found other bytes back, want those that were sent")
            kept, read = set(), set()
            for pid in stage.pids_of("relay"):
                kept |= search_process(stage, pid, f"leaky relay {pid}", other.markers + hidden)
            read = kept & set(hidden)
            kept &= set(other.markers)
        want(len(kept) == MARKERS, f"found {len(kept)} markers in the leaky relay, want all {MARKERS}")
        want(not read, f"found {len(read)} markers of the user's TLS connection, want none even there")
        for line in lines:
            line.close()


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
