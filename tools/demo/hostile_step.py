"""The step of ./demo --check in which a relay in bad hands tries to read a session of a device, with the real relay's own keys."""
import http.client
import pathlib
import secrets
import socket
import ssl
import threading

from hostile_relay import HostileRelay, sealed_grant, server_name_of, steal_key
from installation import ZONE, Failed, wait_for
from tcp import carry, serve_each

COME_BACK_SECONDS = 30
LIMIT_SECONDS = 20


def want(condition, found, wanted):
    if not condition:
        raise Failed(found, wanted)


class Road:
    """What a device and a user take for the relay. Notes every octet; while `relay` is set, the device's own connections end there."""

    def __init__(self, target):
        self.target = target
        self.relay = None
        self.octets = []
        self.lines = []
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        serve_each(self.listener, self.serve)

    def serve(self, near):
        self.lines.append(near)
        try:
            first, name = server_name_of(near)
            if self.relay and name.endswith(f".relay.{ZONE}"):
                return self.relay.take_control(near, first)
            if self.relay and not name:
                return self.relay.take_data(near, first)
            far = socket.create_connection(("127.0.0.1", self.target), LIMIT_SECONDS)
            far.settimeout(None)
            self.lines.append(far)
            self.octets.append(first)
            far.sendall(first)
            threading.Thread(target=carry, args=(far, near, self.octets.append), daemon=True).start()
            carry(near, far, self.octets.append)
        except OSError:
            pass

    def cut(self):
        for line in self.lines:
            try:
                line.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    def close(self):
        self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.cut()


def trusting(there):
    return ssl.create_default_context(cafile=str(there.state / "trust" / "web-ca.twin.pem"))


def ask(line, verb, path, headers, body=b""):
    head = "".join(f"{key}: {value}\r\n" for key, value in {**headers, "Content-Length": len(body)}.items())
    line.sendall(f"{verb} {path} HTTP/1.1\r\n{head}\r\n".encode() + body)
    answer = http.client.HTTPResponse(line, method=verb)
    answer.begin()
    return answer.status, answer.headers, answer.read()


def send_device_by(there, device, port):
    """Restarts the agent with another address of the relay."""
    file = device.state / "agent.toml"
    lines = [line for line in file.read_text().splitlines() if not line.startswith("relay_address")]
    file.write_text("\n".join([f'relay_address = "127.0.0.1:{port}"', *lines]) + "\n")
    device.agent.stop()
    there.start_agent(device)
    wait_for(lambda: (there.agent_status(device).get("control") or {}).get("state") == "established", COME_BACK_SECONDS, f"{device.serial_id} connected")
    wait_for(lambda: there.device(device.serial_id)["online"], COME_BACK_SECONDS, f"{device.serial_id} online")


def user_session(world, road, name, marker):
    """A user's session by the road, in which a word passes; returns its grant, still live."""
    there = world.there
    answer = world.person("api", where=f"/devices/{name}/grants", method="POST", body={"service": "panel"})
    want(answer["status"] == 201, answer, "a grant")
    granted = answer["body"]
    host = granted["url"].split("/")[2].partition(":")[0]
    authority = f"{host}:{there.tls_port}"
    with socket.create_connection(("127.0.0.1", road), LIMIT_SECONDS) as plain, trusting(there).wrap_socket(plain, server_hostname=host) as line:
        entry = {"Host": authority, "Origin": there.console_url, "Content-Type": "application/x-www-form-urlencoded", "Sec-Fetch-Site": "cross-site",
                 "Sec-Fetch-Mode": "navigate", "Sec-Fetch-Dest": "document"}
        status, headers, _ = ask(line, "POST", "/.sallyport/enter", entry, b"secret=" + granted["secret"].encode())
        want(status == 200, f"status {status} of the entry", "200")
        cookie = headers["Set-Cookie"].partition(";")[0]
        status, _, page = ask(line, "GET", f"/{marker}", {"Host": authority, "Cookie": cookie})
        want(status == 404, f"status {status}", "the machine's 404 for the word")
        status, _, page = ask(line, "GET", "/", {"Host": authority, "Cookie": cookie})
        want(status == 200 and b"<h1>" in page, f"status {status}", "the machine's page")
    return granted["label"], host, authority


def hostile_relay(world):
    """The relay's key and a live grant are taken out of its memory. A device that comes to a relay with them is not read: what passed
    is not in the clear, the grant opens nothing without the user's secret, and the key ends no user's TLS."""
    there, device = world.there, world.second
    road = Road(there.tls_port)
    try:
        send_device_by(there, device, road.port)
        marker = "word-" + secrets.token_hex(16)
        label, host, authority = user_session(world, road.port, world.names[device.serial_id], marker)
        passed = b"".join(road.octets)
        want(len(passed) > 2_000 and label.encode() in passed, f"{len(passed)} octets on the road", "the user's session, its label in the clear")
        want(marker.encode() not in passed and b"<h1>" not in passed, "the session in the clear", "nothing of it")
        use_keys(world, road, label, host, authority)
    finally:
        road.relay = None
        road.close()
        send_device_by(there, device, there.tls_port)
        for session in there.read("session", "list", "--state", there.state)["sessions"]:
            if session["device"] == world.names[device.serial_id]:
                there.run("session", "end", session["id"], "--state", there.state)


def use_keys(world, road, label, host, authority):
    there = world.there
    workers = [pid for pid, _ in there.server.left_behind() if role_of(pid) == "relay"]
    try:
        stolen = steal_key(there, workers, there.folder)
        sealed = sealed_grant(workers, label)
    except PermissionError:
        return  # not root: nor can the relay's own user read its memory
    want(sealed, "no grant in the relay's memory", "it, to be used")
    road.relay = relay = HostileRelay(stolen)
    road.cut()
    control = relay.control()
    try:
        ticket = control.welcome()[0]
        control.open(ticket, sealed, "panel")
        near = relay.data_connection(ticket)
        with trusting(there).wrap_socket(near, server_hostname=host) as line:
            status, _, page = ask(line, "GET", "/", {"Host": authority})
        want(status in (401, 403) and b"<h1>" not in page, f"status {status}, {page[:60]!r}", "a refusal")
        want(user_refuses(there, relay, host), "the user's handshake with the relay's key done", "it refused")
    finally:
        control.close()


def user_refuses(there, relay, host):
    """Whether a user's TLS that the relay ends with its own key fails."""
    mine, given = socket.socketpair()

    def serve():
        try:
            relay.context.wrap_socket(given, server_side=True)
        except OSError:
            pass

    threading.Thread(target=serve, daemon=True).start()
    try:
        trusting(there).wrap_socket(mine, server_hostname=host).close()
        return False
    except ssl.SSLCertVerificationError:
        return True
    finally:
        mine.close()
        given.close()


def role_of(pid):
    try:
        words = pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
    except OSError:
        return ""
    return words[2].decode() if words[1:2] == [b"serve"] and len(words) > 2 else ""
