#!/usr/bin/python3
"""A relay in bad hands, with all that the real one has: its key and its certificate, out of its memory, its grants as the authority
signed them, and the control connection of a device that takes it for the relay. And whoever has a second valid certificate of a
device's name. Each either fails or is noticed; docs/threat-model.md says which.
"""
# test: needs=dev deadline=240
import datetime
import hashlib
import json
import pathlib
import socket
import ssl
import sys
import threading

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from crossing import Crossing  # noqa: E402
from stage import ENROLMENT_SECONDS, ZONE, Stage  # noqa: E402
from hostile_relay import HostileRelay, plain_end, put_back, sealed_grant, steal_key  # noqa: E402  # by the path that stage has set
from status_host import ca_key  # noqa: E402
from tcp_servers import Server, make_certificate, run_to_end  # noqa: E402
from visitor import LIMIT_SECONDS, ConsoleUser, Line, fails  # noqa: E402
from witness import Witness  # noqa: E402

UNKNOWN_TICKET, GRANT_INVALID, GRANT_EXPIRED, NO_SUCH_SERVICE = 1, 2, 3, 4
REFUSED = 4  # exit status (docs/operate/cli.md)
SECRET_WORDS = b"a word that the relay must not read"


class Scene:
    """press-1 comes by a road that leads to the hostile relay while `is_hostile`."""

    def __init__(self, stage):
        self.stage = stage
        self.is_hostile = False
        self.names = {}

    def set_up(self):
        self.there = self.stage.set_up()
        self.road = Crossing(self.route)
        self.witness, self.plain = Witness("press-1"), Server()
        self.stage.closing += [self.road.close, self.witness.close, self.plain.stop]

        class Roads:
            @staticmethod
            def port(kind, scene=self):
                return scene.road.port if kind == "tls" else scene.there.http_port

        self.device, = self.stage.make_devices("press-1", wire=Roads)
        self.other, = self.stage.make_devices("press-2")
        for device in (self.device, self.other):
            with open(device.state / "agent.toml", "a") as file:
                file.write(f'\n[[service]]\nname = "seen"\nkind = "http"\ntarget = "127.0.0.1:{self.witness.port}"\n')
                file.write(f'\n[[service]]\nname = "plain"\nkind = "tcp"\ntarget = "127.0.0.1:{self.plain.port}"\n')
        self.stage.bring_online(self.device, self.other)
        for device in (self.device, self.other):
            self.names[device.serial_id] = self.there.device(device.serial_id)["name"]
        self.user = ConsoleUser(self.there)

    def route(self, name):
        if not self.is_hostile:
            return self.there.tls_port
        if name.endswith(f".relay.{ZONE}"):
            return self.relay.take_control
        return self.relay.take_data if name == "" else self.there.tls_port

    def sealed(self, grant):
        """The grant as the real relay has it."""
        found = sealed_grant(self.stage.pids_of("relay"), grant.label)
        want(found, f"found no sealed grant of {grant.label} in the relay's memory, want it")
        return found

    def lead_astray(self):
        self.is_hostile = True
        self.road.cut()
        control = self.relay.control()
        self.stage.closing.append(control.close)
        return control, control.welcome()

    def opened(self, control, ticket, sealed, service="seen"):
        """The device's data connection for an OPEN that it takes."""
        control.open(ticket, sealed, service)
        return self.relay.data_connection(ticket)


def nothing_reached(scene):
    want(scene.witness.forget() == [], "found a request at the application, want none")


def over(near, grant, host=None):
    """TLS with the device over one of its data connections, as `Line`."""
    return Line.over(near, grant.context, host or grant.host)


@cases.carries_the_rest
def check_relays_key_and_grants_are_taken_out_of_its_memory(scene):
    scene.set_up()
    try:
        scene.relay = HostileRelay(steal_key(scene.there, scene.stage.pids_of("relay"), scene.there.folder))
    except PermissionError:
        raise cases.Missing("root, to look into the memory of another process") from None
    scene.grant, scene.second, scene.ended = (scene.user.grant(scene.names["press-1"], "seen") for _ in range(3))
    scene.elsewhere = scene.user.grant(scene.names["press-2"], "seen")
    scene.to_spoil = [scene.user.grant(scene.names["press-1"], "seen") for _ in range(5)]
    scene.kept = {one: scene.sealed(one) for one in (scene.grant, scene.second, scene.ended, scene.elsewhere, *scene.to_spoil)}
    with scene.grant.come_in() as line:
        want(line.ask("GET", "/", scene.grant.headers()).status == 200, "found no answer to the user, want one: so that silence below means something")
    scene.witness.forget()


@cases.carries_the_rest
def check_device_takes_it_for_the_relay(scene):
    """Key, certificate and status are the real ones. So all below is what a relay could do."""
    scene.control, scene.tickets = scene.lead_astray()
    want(b"seen" in scene.control.hello, f"found HELLO {scene.control.hello[:40]!r}, want the device's services")


def check_live_grant_used_for_itself_gets_no_byte(scene):
    near = scene.opened(scene.control, scene.tickets[0], scene.kept[scene.grant])
    with over(near, scene.grant) as line:
        answer = line.ask("GET", "/", [("Host", scene.grant.authority)])
        want(answer.status in (401, 403), f"found {answer.status}, want a refusal")
    nothing_reached(scene)


def check_ticket_named_again_is_refused(scene):
    """Spent, of the session before, and of nobody."""
    nobodys, older = bytes(32), scene.tickets[7]
    with scene.opened(scene.control, scene.tickets[1], scene.kept[scene.grant]):
        for ticket in (scene.tickets[1], scene.tickets[0], nobodys):
            scene.control.open(ticket, scene.kept[scene.grant], "seen")
            found = scene.control.refusal(ticket)
            want(found == UNKNOWN_TICKET, f"found code {found} for a ticket that is spent or nobody's, want {UNKNOWN_TICKET}")
    scene.control.line.shutdown(socket.SHUT_RDWR)
    scene.control = scene.relay.control()
    scene.stage.closing.append(scene.control.close)
    scene.tickets = scene.control.welcome(32)
    scene.control.open(older, scene.kept[scene.grant], "seen")
    found = scene.control.refusal(older)
    want(found == UNKNOWN_TICKET, f"found code {found} for a ticket of the session before, want {UNKNOWN_TICKET}")
    dialled = [first[4:] for first, _ in list(scene.relay.data.queue)]
    want(nobodys not in dialled and older not in dialled, "found a data connection dialled for one of them, want none")


def check_changed_grant_and_grant_of_another_device_are_refused(scene):
    good = scene.kept[scene.grant]
    label, at = scene.grant.label.encode(), good.find(scene.grant.label.encode())
    wrong = {"another device's": scene.kept[scene.elsewhere], "another label": good.replace(label, b"a" * 16), "cut short": good[:-1],
             "its signature's last octet": good[:-1] + bytes([good[-1] ^ 1]), "its service": good.replace(b"\0\6\0\0\4seen", b"\0\6\0\0\4sewn"),
             "a certificate's octet": good[:40] + bytes([good[40] ^ 1]) + good[41:], "its times": good[:at + 60] + bytes([good[at + 60] ^ 1]) + good[at + 61:],
             "more behind it": good + b"\0"}
    for what, sealed in wrong.items():
        ticket = scene.tickets.pop()
        scene.control.open(ticket, sealed, "seen")
        found = scene.control.refusal(ticket)
        want(found == GRANT_INVALID, f"found code {found} for {what}, want {GRANT_INVALID}")
    ticket = scene.tickets.pop()
    scene.control.open(ticket, good, "plain")
    found = scene.control.refusal(ticket)
    want(found in (GRANT_INVALID, NO_SUCH_SERVICE), f"found code {found} for another service than the grant's, want it refused")
    nothing_reached(scene)


def check_label_of_another_session_opens_nothing(scene):
    """The other session is live on the same device, its name is sent under this one's OPEN."""
    first = scene.opened(scene.control, scene.tickets.pop(), scene.kept[scene.second])
    near = scene.opened(scene.control, scene.tickets.pop(), scene.kept[scene.grant])
    fails(lambda: over(near, scene.second), "a handshake under another session's label")
    first.close()
    nothing_reached(scene)


def swap(scene, user_grant, sealed):
    """A user of `user_grant` joined with what the device dialled under `sealed`; returns what becomes of him."""
    def take(user, first):
        near = scene.opened(scene.control, scene.tickets.pop(), sealed)
        threading.Thread(target=carry, args=(put_back(user, first), near), daemon=True).start()

    return take


def carry(one, other, spoil=None):
    """Bytes both ways. `spoil(data)` makes of what goes from one to other what it likes."""
    def pump(source, target, change):
        try:
            while data := source.recv(65536):
                target.sendall(change(data) if change else data)
        except OSError:
            pass
        for end in (source, target):
            try:
                end.shutdown(socket.SHUT_RDWR)
            except OSError:
                pass

    back = threading.Thread(target=pump, args=(other, one, None), daemon=True)
    back.start()
    pump(one, other, spoil)
    back.join()


def check_user_joined_under_another_users_grant_has_a_failed_handshake(scene):
    door = Crossing(lambda _: swap(scene, scene.second, scene.kept[scene.grant]))
    try:
        fails(lambda: scene.second.come_in(door.port), "the user's handshake")
    finally:
        door.close()
    nothing_reached(scene)


def check_octets_that_are_injected_changed_or_left_out_break_the_stream(scene):
    """After the handshake, in the middle of a session that works."""
    spoils = {"one more record": lambda data: bytes.fromhex("1703030013") + bytes(19) + data, "one bit": lambda data: data[:-1] + bytes([data[-1] ^ 1]),
              "nothing": lambda data: b"", "twice": lambda data: data + data, "plain HTTP": lambda data: b"GET / HTTP/1.1\r\n\r\n"}
    for what, spoil in spoils.items():
        grant = scene.to_spoil.pop()
        is_spoilt = threading.Event()

        def take(user, first, is_spoilt=is_spoilt, spoil=spoil, grant=grant):
            near = scene.opened(scene.control, scene.tickets.pop(), scene.kept[grant])
            threading.Thread(target=carry, args=(put_back(user, first), near, lambda data: spoil(data) if is_spoilt.is_set() else data), daemon=True).start()

        door = Crossing(lambda _, take=take: take)
        try:
            with grant.come_in(door.port) as line:
                want(line.ask("GET", "/", grant.headers()).status == 200, "found no answer before, want one")
                scene.witness.forget()
                is_spoilt.set()
                line.socket.settimeout(2 if what == "nothing" else LIMIT_SECONDS)
                if what == "twice":
                    line.ask("GET", f"/{what}", grant.headers())  # the first of the two is the user's own
                    want(len(scene.witness.forget()) == 1, "found the request done twice, want once")
                fails(lambda: line.ask("GET", "/", grant.headers()), f"a request with {what}")  # noqa: B023
        finally:
            door.close()
        nothing_reached(scene)


def check_delayed_open_is_good_as_long_as_its_grant_and_renewals_that_are_none_change_nothing(scene):
    """A relay may be late; what it makes of that is waiting, not access."""
    scene.control.renew(scene.kept[scene.elsewhere])
    scene.control.renew(scene.kept[scene.grant][:-1])
    with scene.opened(scene.control, scene.tickets.pop(), scene.kept[scene.grant]) as near:
        with over(near, scene.grant) as line:
            want(line.ask("GET", "/", scene.grant.headers()).status == 200, "found the user's cookie worthless, want it good on a connection that came late")
    scene.witness.forget()


def check_grant_that_was_cut_is_never_good_again(scene):
    """Once one CUT came through, whatever a relay repeats: OPEN, GRANT, or both."""
    sealed = scene.kept[scene.ended]
    session = sealed[sealed.find(b"\0\1\0\0\x10") + 5:][:16]  # the grant's id, which is its first field
    near = scene.opened(scene.control, scene.tickets.pop(), sealed)
    with over(near, scene.ended) as line:
        want(scene.ended.enter(line).status == 200, "found the secret refused before the cut, want it good")
        scene.control.cut(session)
        try:
            rest = line.rest()
        except OSError:
            rest = b""
        want(rest == b"", f"found {rest[:60]!r} after the cut, want the end of the live connection")
    for _ in range(2):
        scene.control.renew(sealed)
        ticket = scene.tickets.pop()
        scene.control.open(ticket, sealed, "seen")
        found = scene.control.refusal(ticket)
        want(found in (GRANT_INVALID, GRANT_EXPIRED), f"found code {found} for a session that was cut, want it refused")
    nothing_reached(scene)


# ---- a second certificate of the device's name


def second_certificate(scene, name):
    """Signed with web-ca's own key, and recorded nowhere: valid to every browser that trusts web-ca."""
    ca = x509.load_pem_x509_certificate((scene.there.state / "trust" / "web-ca.pem").read_bytes())
    key, now = ec.generate_private_key(ec.SECP256R1()), datetime.datetime.now(datetime.timezone.utc)
    host = f"{name}.{ZONE}"
    builder = x509.CertificateBuilder().subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, host)])).issuer_name(ca.subject)
    builder = builder.public_key(key.public_key()).serial_number(x509.random_serial_number())
    builder = builder.not_valid_before(now - datetime.timedelta(hours=1)).not_valid_after(now + datetime.timedelta(days=7))
    builder = builder.add_extension(x509.SubjectAlternativeName([x509.DNSName(host), x509.DNSName(f"*.{host}")]), False)
    builder = builder.add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), False)
    builder = builder.add_extension(x509.BasicConstraints(ca=False, path_length=None), True)
    builder = builder.add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(
        ca.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value), False)
    certificate = builder.sign(ca_key(scene.there, "web-ca"), hashes.SHA256())
    file = scene.there.folder / "second.pem"
    pem = serialization.Encoding.PEM
    file.write_bytes(key.private_bytes(pem, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()) + certificate.public_bytes(pem) + ca.public_bytes(pem))
    return file, certificate


class Inside:
    """Ends a user's TLS with the second certificate and goes on to the device as if it were the user."""

    def __init__(self, file, port, client=None):
        self.heard, self.said = [], []
        self.context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self.context.load_cert_chain(file)
        self.port, self.client = port, client
        self.door = Crossing(lambda name: lambda near, first: self.serve(name, near, first))

    def serve(self, name, near, first):
        try:
            user = self.context.wrap_socket(put_back(near, first), server_side=True)
            onward = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
            onward.check_hostname, onward.verify_mode = False, ssl.CERT_NONE
            if self.client:
                onward.load_cert_chain(self.client)
            there = onward.wrap_socket(socket.create_connection(("127.0.0.1", self.port), LIMIT_SECONDS), server_hostname=name)
            threading.Thread(target=carry, args=(plain_end(user), plain_end(there), self.note), daemon=True).start()
        except OSError as error:
            self.said.append(str(error))

    def note(self, data):
        self.heard.append(data)
        return data


def check_second_certificate_gets_nothing_of_the_command_line(scene):
    """`sallyport connect` proves itself by a key inside TLS, which nobody in between can pass on."""
    scene.is_hostile = False
    scene.control.close()
    scene.stage.wait_online(scene.device, ENROLMENT_SECONDS)
    scene.second_file, scene.second_certificate = second_certificate(scene, scene.names["press-1"])
    own, _ = make_certificate(scene.there.folder, "in-between")
    inside = Inside(scene.second_file, scene.there.tls_port, own)
    scene.stage.closing.append(inside.door.close)
    console = Crossing(lambda name: scene.there.tls_port if not name.endswith(f".{scene.names['press-1']}.{ZONE}") else (lambda near, first: inside.serve(name, near, first)))
    scene.stage.closing.append(console.close)
    settings = scene.there.folder / "connect.toml"
    settings.write_text(f'console = "{scene.there.console_url}"\nlogin = "{scene.there.owner}"\npassword_file = "{scene.there.password_file}"\n'
                        f'root_certificate = "{scene.there.state}/trust/root.pem"\nconnect_to = "127.0.0.1:{console.port}"\n')
    done = run_to_end([scene.there.sallyport, "connect", "--settings", settings, "press-1", "plain"], SECRET_WORDS)
    want(done.returncode != 0, f"found exit 0 and {done.stdout[:60]!r}, want it refused")
    want(scene.plain.is_left_alone(), "found the service dialled, want it left alone")


def check_second_certificate_is_noticed_where_browsers_take_it(scene):
    """A browser has no way to tell it: this is why nobody but the zone's owner may get one (CAA), and why what is shown can be
    compared with the log, in which this one is not."""
    inside = Inside(scene.second_file, scene.there.tls_port)
    scene.stage.closing.append(inside.door.close)
    grant = scene.user.grant(scene.names["press-1"], "seen")
    with grant.come_in(inside.door.port) as line:
        shown = hashlib.sha256(line.socket.getpeercert(binary_form=True)).hexdigest()
        want(line.ask("GET", "/", grant.headers()).status == 200, "found no answer, want the case as bad as it can be")
    want(any(grant.secret.encode() in data for data in inside.heard), "found the secret unread, want the case as bad as it can be")
    with scene.user.grant(scene.names["press-1"], "seen").line() as line:
        own = hashlib.sha256(line.socket.getpeercert(binary_form=True)).hexdigest()
    watch = ["log", "watch", f"{scene.names['press-1']}.{ZONE}", "--state", scene.there.state]
    logged = [json.loads(line)["sha256"] for line in scene.there.run(*watch, "--json").stdout.splitlines()]
    want(own in logged and shown not in logged, f"found {logged} in the log, want the device's own certificate and not the second one")
    done = scene.there.run(*watch, "--expect", ",".join([*logged, shown]), check=False)
    want(done.returncode == REFUSED and f"certificate {shown} is not in the log" in done.stderr, f"found exit {done.returncode}: {done.stderr[-300:]}, want {REFUSED} and why")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
