#!/usr/bin/python3
"""A factory that holds its CA's key and signs what no station would: adversary F and cases B1 to B10 of the hostile cases,
by number. Each is refused at enrolment and at the control connection, and where it is an attack the alarm names the factory.
Everybody else's devices notice nothing.
"""
# test: needs=dev deadline=300
import base64
import datetime
import os
import pathlib
import ssl
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import dishonest as d  # noqa: E402
from cases import want  # noqa: E402
from est import Est  # noqa: E402
from stage import SITE, ZONE, Stage, tool, wait_for  # noqa: E402
from visitor import Line, trust  # noqa: E402

MALLORY = "mallory"
GATEWAY, RELAY = f"gateway.{ZONE}", f"relay.{ZONE}"
ENROL = "/.well-known/est/simpleenroll"
ALARM_SECONDS = 10
DAY = datetime.timedelta(days=1)


class Refused(Exception):
    """The server ended the connection at the handshake, as the client came to see it."""


class Attack:
    """The dishonest factory, one honest device of another, and what a device can ask of the installation."""

    def __init__(self, stage):
        self.stage = stage
        self.there = stage.set_up()
        self.honest, = stage.make_devices("honest-1")
        stage.bring_online(self.honest, claim=False)
        self.factory = d.DishonestFactory(stage, MALLORY, count=8)
        self.factory.learn((self.honest.state / "factory.pem").read_text())
        self.count = 0

    def context(self, minted, chain=None):
        self.count += 1
        certificate, key = self.factory.files(minted, f"attack-{self.count}", chain)
        context = trust(self.there, "server-ca")
        context.load_cert_chain(certificate, key)
        return context

    def csr(self, *more):
        folder = self.factory.folder
        tool("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", folder / "new.key",
             "-out", folder / "new.der", "-outform", "DER", "-subj", "/CN=x", *more)
        return base64.encodebytes((folder / "new.der").read_bytes())

    def ask(self, minted, method="POST", target=ENROL, body=None, headers=(), chain=None):
        """A request at the gateway under that certificate. Refused when the handshake turns out to have failed."""
        if method == "POST" and body is None:
            body = self.csr()
        fields = [("Host", GATEWAY), *headers]
        if method == "POST" and not any(key == "Content-Type" for key, _ in fields):
            fields.append(("Content-Type", "application/pkcs10"))
        try:
            with Line(self.context(minted, chain), GATEWAY, self.there.tls_port) as line:
                return line.ask(method, target, fields, body)
        except (ssl.SSLError, OSError) as refusal:
            raise Refused(str(refusal)) from refusal

    def connect(self, minted, chain=None):
        """A control connection; returns what the relay said."""
        context = self.context(minted, chain)
        context.set_alpn_protocols(["sallyport-control/1"])
        try:
            with Line(context, RELAY, self.there.tls_port) as line:
                line.socket.settimeout(20)
                return line.socket.recv(1)
        except (ssl.SSLError, OSError):
            return b""

    def shows(self, minted, name, alpn, request=b""):
        """What a server says to s_client, which shows even what OpenSSL's library takes for no certificate."""
        self.count += 1
        certificate, key = self.factory.files(minted, f"attack-{self.count}")
        words = ["openssl", "s_client", "-quiet", "-connect", f"127.0.0.1:{self.there.tls_port}", "-servername", name, "-alpn", alpn,
                 "-cert", certificate, "-key", key, "-cert_chain", self.factory.ca_file, "-CAfile", self.there.state / "trust" / "server-ca.twin.pem"]
        # Who is refused asks for nothing: what he writes may tell him of a reset before he has read the alert.
        try:
            done = subprocess.run(words, input=request, capture_output=True, timeout=20, check=False)
        except subprocess.TimeoutExpired:
            return b"nothing for 20 s, as to who is let in", ""
        return done.stdout, done.stderr.decode(errors="replace")

    def is_refused_as_malformed(self, minted, what):
        for name, alpn in ((GATEWAY, "http/1.1"), (RELAY, "sallyport-control/1")):
            said, error = self.shows(minted, name, alpn)
            want(said == b"" and "alert" in error, f"{what} at {name}: found {said[:80]!r} {error.strip()[-200:]!r}, want an alert")

    def is_refused(self, minted, what, chain=None):
        try:
            answer = self.ask(minted, chain=chain)
            want(False, f"{what}: found status {answer.status} at enrolment, want the certificate refused")
        except Refused:
            pass
        found = self.connect(minted, chain)
        want(found == b"", f"{what}: found {found!r} on a control connection, want it refused")

    def is_alarmed(self, minted, what, kind=None):
        def told():
            return [one for one in self.factory.alarms() if minted.fingerprint in one[1] and (kind is None or one[0] == kind)]
        wait_for(told, ALARM_SECONDS, f"an alarm about {what} that names {MALLORY}; there are {self.factory.alarms()[:3]}")

    def refused_and_alarmed(self, minted, what, kind=None, chain=None, culprit=None):
        self.is_refused(minted, what, chain)
        self.is_alarmed(culprit or minted, what, kind)

    def import_honestly(self, entries, label):
        return self.factory.import_(self.factory.export(entries, label))


def own(serial_id):
    return d.dns(f"{serial_id}.{MALLORY}.factory.{ZONE}")


def foreign(serial_id):
    return f"{serial_id}.{SITE}.factory.{ZONE}"


def check_installation_comes_up(attack):
    want(attack.factory.alarms() == [], f"found {attack.factory.alarms()}, want no alarm yet")
    answer = attack.ask(attack.factory.mint("plain-1"))
    want(answer.status == 202, f"found {answer.status} for a certificate as an honest station makes them, want 202 before the ledger")


def check_B1_another_factorys_ids_in_every_form_of_name(attack):
    theirs, mint = foreign("honest-1"), attack.factory.mint
    forms = {
        "common name alone": mint("honest-1", extensions={d.SAN: None}, subject=d.name(theirs)),
        "DNS name": mint("honest-1", names=[d.dns(theirs)]),
        "DNS name beside the own": mint("b1-1", names=[own("b1-1"), d.dns(theirs)]),
        "otherName": mint("b1-2", names=[own("b1-2"), d.other_name(theirs)]),
        "URI": mint("b1-3", names=[own("b1-3"), d.uri(f"https://{theirs}/")]),
        "directory name": mint("b1-4", names=[own("b1-4"), d.directory(theirs)]),
        "wildcard of its own": mint("b1-5", names=[own("*")]),
        "wildcard of all": mint("b1-6", names=[d.dns(f"*.factory.{ZONE}")]),
        "mixed case": mint("b1-7", names=[d.dns(theirs.title())]),
        "trailing dot": mint("b1-8", names=[d.dns(theirs + ".")]),
        "operational name": mint("b1-9", names=[d.dns(f"abcdefghij.{ZONE}")]),
        "server name": mint("b1-10", names=[d.dns(GATEWAY)]),
    }
    for what, minted in forms.items():
        attack.refused_and_alarmed(minted, what)


def check_B2_ids_outside_the_one_grammar(attack):
    texts = {
        "path": b"../../etc", "escaped path": b"%2e%2e", "NUL before a foreign name": foreign("honest-1").encode() + b"\0",
        "NUL": b"pump\0", "newline": b"pump\nalarm", "semicolon": b"pump;drop", "confusable": "pumр-1".encode(), "blank": b"pump 1",
        "empty": b"", "upper case": b"PUMP-1", "underscore": b"pump_1", "hyphen in front": b"-pump", "64 octets": b"p" * 64, "4 kB": b"p" * 4096,
        "two labels": b"pump.one", "trailing dot in its own": None}
    for what, text in texts.items():
        label = b"%s.%s.factory.%s" % (text if text is not None else b"pump", MALLORY.encode(), ZONE.encode())
        attack.refused_and_alarmed(attack.factory.mint("b2", names=[d.dns(label + (b"." if text is None else b""))]), what)
    # None of them is anywhere but in escaped, counted alarms: the log is whole.
    attack.there.run("audit", "verify", "--state", attack.there.state)


def check_B3_certificates_for_another_use(attack):
    mint, uses = attack.factory.mint, d.EKU
    forms = {
        "serverAuth": mint("b3-1", extensions={uses: (False, d.use(d.SERVER_AUTH))}),
        "serverAuth beside clientAuth": mint("b3-2", extensions={uses: (False, d.use(d.CLIENT_AUTH, d.SERVER_AUTH))}),
        "anyExtendedKeyUsage": mint("b3-3", extensions={uses: (False, d.use("2.5.29.37.0"))}),
        "no extended key usage": mint("b3-4", extensions={uses: None}),
        "CA:TRUE in a leaf": mint("b3-5", extensions={d.BASIC: (True, d.seq(b"\x01\x01\xff"))}),
        "keyCertSign": mint("b3-6", extensions={d.KEY_USAGE: (True, bytes.fromhex("03020284"))}),
        "unknown critical extension": mint("b3-7", extensions={"1.2.3.4.5": (True, d.seq())}),
        "another CA's policy": mint("b3-8", extensions={"2.5.29.32": (False, d.seq(d.seq(d.oid("2.5.29.32.0"))))}),
    }
    for what, minted in forms.items():
        attack.refused_and_alarmed(minted, what)
    # The factory's own CA certificate, as if it were a device.
    ca = d.Minted(attack.factory.ca, attack.factory.key, 0)
    attack.is_refused(ca, "the CA certificate as a leaf", chain=[])


def check_B3_a_minted_subordinate_ca(attack):
    """Path length 0: whatever is below a CA that the factory made is refused, and it is the CA that speaks against it."""
    factory, key = attack.factory, d.new_key()
    sub = factory.mint("sub-ca", key=key, extensions={d.SAN: None, d.EKU: None, d.BASIC: (True, d.seq(b"\x01\x01\xff")),
                                                      d.KEY_USAGE: (True, bytes.fromhex("03020106"))})
    below = factory.mint("b3-below", issuer=d.name("sub-ca"), issuer_key=key)
    attack.refused_and_alarmed(below, "a device below a minted CA", chain=[sub.der, factory.ca], culprit=sub)
    theirs = factory.mint("honest-1", issuer=d.name("sub-ca"), issuer_key=key, names=[d.dns(foreign("honest-1"))])
    attack.is_refused(theirs, "another factory's device below a minted CA", chain=[sub.der, factory.ca])


def check_B4_times_that_are_not_now(attack):
    mint, now = attack.factory.mint, datetime.datetime.utcnow()
    forms = {
        "expired": mint("b4-1", not_after=now - datetime.timedelta(minutes=1)),
        "not yet valid": mint("b4-2", not_before=now + DAY),
        "100 years": mint("b4-3", not_after=now + 36500 * DAY),
        "since 1970": mint("b4-4", not_before=datetime.datetime(1970, 1, 1)),
        "ends before it begins": mint("b4-5", not_before=now + DAY, not_after=now),
    }
    for what, minted in forms.items():
        attack.is_refused(minted, what)


def check_B4_a_serial_id_serial_or_key_for_the_second_time(attack):
    factory = attack.factory
    first = factory.entry(None, "b4-listed")
    second = factory.entry(first, "b4-second")
    factory.import_(factory.export([first, second], "b4"))
    again = {
        "site.reuse.serial_id": factory.mint("b4-listed"),
        "site.reuse.certificate_serial": factory.mint("b4-6", serial=first.minted.serial),
        "site.reuse.key": factory.mint("b4-7", key=first.minted.key),
    }
    for kind, minted in again.items():
        answer = attack.ask(minted)
        want(answer.status == 403, f"{kind}: found {answer.status}, want 403")
        want(attack.connect(minted) == b"", f"{kind}: found a control connection, want none")
        attack.is_alarmed(minted, kind, kind)


def check_B5_valid_but_in_no_ledger_reaches_202_and_nothing_else(attack):
    unlisted = attack.factory.mint("b5-1")
    before = attack.factory.alarms()
    for target in (ENROL, "/.well-known/est/simplereenroll"):
        answer = attack.ask(unlisted, target=target)
        want(answer.status == 202 and answer.headers["Retry-After"] and b"BEGIN" not in answer.body, f"{target}: found {answer.status}, want 202")
    others = [("GET", "/device/v1/facts", None, ""), ("POST", "/device/v1/web-certificate", None, "application/pkcs10"),
              ("POST", "/device/v1/claim-hash", b'{"hash":"' + b"0" * 64 + b'"}', "application/json"),
              ("POST", "/device/v1/telemetry", b"x", "application/octet-stream")]
    for method, target, body, kind in others:
        answer = attack.ask(unlisted, method, target, body, [("Content-Type", kind)] if kind else [])
        want(answer.status == 403, f"{target}: found {answer.status}, want 403")
    want(attack.connect(unlisted) == b"", "found a control connection, want none")
    want(attack.factory.alarms() == before, "found an alarm, want none: its ledger may be on its way")
    want(attack.there.device("b5-1") is None, "found it among the devices, want no trace")


def check_B6_requests_that_prove_nothing_or_ask_too_much(attack):
    """At enrolment, by a listed device; and at the honest station."""
    folder = attack.factory.folder
    device, = attack.stage.make_devices("b6-1")
    est = Est(attack.stage, device)
    good = (folder / "new.der")
    attack.csr()
    forms = {"bad self-signature": bytes(good.read_bytes()[:-1] + bytes([good.read_bytes()[-1] ^ 1]))}
    for what, option in {"RSA of 1,024 bits": ["rsa:1024"], "P-192": ["ec", "-pkeyopt", "ec_paramgen_curve:prime192v1"],
                         "explicit curve": ["ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-pkeyopt", "ec_param_enc:explicit"]}.items():
        tool("openssl", "req", "-new", "-newkey", *option, "-nodes", "-keyout", folder / "weak.key", "-subj", "/CN=b6-1", "-outform", "DER",
             "-out", folder / "weak.der")
        forms[what] = (folder / "weak.der").read_bytes()
    forms["exponent 1"] = rsa_request(b"\x01")
    forms["a point off the curve"] = off_curve_request()
    forms["the factory key itself"] = request_of(device.state / "factory.key", folder)
    operational = next(attack.honest.state.rglob("operational*.key"))
    forms["another device's key"] = request_of(operational, folder)
    for what, der in forms.items():
        body = folder / "b6.b64"
        body.write_bytes(base64.encodebytes(der))
        status, _, _ = est.send(body)
        want(status in ("400", "403"), f"{what}: found {status} at enrolment, want 400 or 403")
        (folder / "b6.der").write_bytes(der)
        if what in ("another device's key", "the factory key itself"):
            continue
        done = attack.there.run("factory", "issue", "--factory", attack.there.factory, "--csr", folder / "b6.der", "--serial-id", "b6-9",
                                "--out", folder / "b6.pem", check=False)
        want(done.returncode != 0 and not (folder / "b6.pem").exists(), f"{what}: found exit {done.returncode} at the station, want a refusal")
    want(attack.there.device("b6-1")["state"] == "manufactured", "found the device enrolled, want it as it was")
    # What is asked for beyond a key is not granted.
    asked = attack.csr("-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=critical,keyCertSign")
    (folder / "asked.b64").write_bytes(asked)
    status, _, chain = est.send(folder / "asked.b64")
    want(status == "200", f"CA:TRUE asked for: found {status}, want 200 and an ordinary certificate")
    text = tool("openssl", "x509", "-noout", "-text", given=chain).decode()
    want("CA:TRUE" not in text and "Certificate Sign" not in text, "found the extensions that were asked for, want them ignored")


def request_of(key, folder):
    tool("openssl", "req", "-new", "-key", key, "-subj", "/CN=b6-1", "-outform", "DER", "-out", folder / "reused.der")
    return (folder / "reused.der").read_bytes()


def rsa_request(exponent):
    """Of an RSA key with that exponent. Its signature is what everybody can make for exponent 1: the padded digest itself."""
    import hashlib
    modulus = (1 << 2047) + 0xDEADBEEF1
    key = d.seq(d.seq(d.oid("1.2.840.113549.1.1.1"), b"\x05\x00"), d.tlv(0x03, b"\0" + d.seq(d.integer(modulus), d.tlv(0x02, exponent))))
    info = d.seq(d.integer(0), d.name("b6-1"), key, d.tlv(0xA0, b""))
    digest = d.seq(d.seq(d.oid("2.16.840.1.101.3.4.2.1"), b"\x05\x00"), d.tlv(0x04, hashlib.sha256(info).digest()))
    padded = b"\0\1" + b"\xff" * (256 - 3 - len(digest)) + b"\0" + digest
    return d.seq(info, d.seq(d.oid("1.2.840.113549.1.1.11"), b"\x05\x00"), d.tlv(0x03, b"\0" + padded))


def off_curve_request():
    key = d.new_key()
    whole = bytearray(d.spki(key))
    whole[-1] ^= 1
    info = d.seq(d.integer(0), d.name("b6-1"), bytes(whole), d.tlv(0xA0, b""))
    return d.seq(info, d.seq(d.oid("1.2.840.10045.4.3.2")), d.tlv(0x03, b"\0" + d.sign(key, info)))


def check_B7_what_the_gateway_does_not_list(attack):
    unlisted = attack.factory.mint("b7-1")
    body = attack.csr()
    asked = [
        ("POST", "/.well-known/est/serverkeygen", 404), ("POST", "/.well-known/est/fullcmc", 404), ("POST", "/.well-known/est/", 404),
        ("POST", "/.well-known/est/other/simpleenroll", 404), ("POST", "/.well-known/est/cacerts", 405), ("POST", "/device/v1/facts", 405),
        ("PUT", ENROL, 405), ("DELETE", ENROL, 405), ("GET", ENROL, 405), ("OPTIONS", ENROL, 405), ("TRACE", ENROL, 405),
        ("POST", ENROL.upper(), 404), ("POST", "/device/v1/../v1/telemetry", 400),
    ]
    for method, target, status in asked:
        answer = attack.ask(unlisted, method, target, body if method in ("POST", "PUT") else None)
        want(answer.status == status, f"{method} {target}: found {answer.status}, want {status}")
    for kind in ("text/plain", "application/json", "application/x-pki-message", "application/pkcs7-mime", ""):
        answer = attack.ask(unlisted, headers=[("Content-Type", kind)])
        want(answer.status == 415, f"Content-Type {kind!r}: found {answer.status}, want 415")


def check_B8_malformed_asn1_in_every_extension(attack):
    before = attack.there.pid_of("gateway")
    spoilt = {"empty": b"", "an empty sequence": d.seq(), "cut": b"\x30\x10\x06", "another type": b"\x02\x01\x00", "an endless length": b"\x30\x84\xff\xff\xff\xff",
              "indefinite length": b"\x30\x80\x00\x00", "trailing octets": d.seq(d.oid("1.3.6.1.5.5.7.3.2")) + b"\0"}
    request = f"GET /.well-known/est/cacerts HTTP/1.1\r\nHost: {GATEWAY}\r\nConnection: close\r\n\r\n".encode()
    said, _ = attack.shows(attack.factory.mint("b8-sound"), GATEWAY, "http/1.1", request)
    want(said.startswith(b"HTTP/1.1 200 "), f"found {said[:80]!r} for a sound certificate, want the CA certificates")
    for kind, place in {"EKU": d.EKU, "AKI": d.AKI, "SAN": d.SAN, "CRL distribution points": d.CRL_POINTS, "SKI": d.SKI}.items():
        for what, value in spoilt.items():
            minted = attack.factory.mint("b8", extensions={place: (False, value)})
            attack.is_refused_as_malformed(minted, f"{what} in {kind}")
            attack.is_alarmed(minted, f"{what} in {kind}")
    want(attack.there.pid_of("gateway") == before, "found another gateway process, want the same")


def check_B9_two_devices_with_one_factory_key(attack):
    """The manufacturer sells two devices with one key. The first to come is the device; the other is refused, the alarm is at
    the device that they both claim to be, and the first runs on."""
    stage, there = attack.stage, attack.there
    first, = stage.make_devices("twin-1")
    second = there.make_device("twin-2", "Twin 2")
    for file in ("factory.key", "factory.pem"):
        (second.state / file).write_bytes((first.state / file).read_bytes())
        os.chmod(second.state / file, 0o600)
    settings = second.state / "agent.toml"
    settings.write_text(settings.read_text().replace("twin-2", "twin-1"))
    stage.bring_online(first, claim=False)
    before = stage.wait_online(first)
    there.start_agent(second)
    record = wait_for(lambda: (there.device("twin-1") or {}).get("alarms") and there.device("twin-1"), 30, "an alarm about twin-1")
    want(record["alarms"][0]["kind"] == "enrolment.refused", f"found {record['alarms']}, want enrolment.refused")
    want(there.agent_status(second).get("phase") != "enrolled", "found the second enrolled, want it refused")
    second.agent.stop()
    after = there.device("twin-1")
    want(after["online"] and after["name"] == before["name"], f"found {after}, want the first online as before")


def check_B10_a_refusal_after_the_handshake_costs_nothing_queued(attack):
    """TLS 1.3: the client believes itself connected until it reads. Its certificate is one that the gateway refuses."""
    stage, there = attack.stage, attack.there
    device, = stage.make_devices("b10-1")
    own_key = d.serialization.load_pem_private_key((device.state / "factory.key").read_bytes(), None)
    whole = (device.state / "factory.pem").read_text()
    spoilt = attack.factory.mint("b10-1", key=own_key, extensions={"1.2.3.4.5": (True, d.seq())})
    (device.state / "factory.pem").write_text(d.pem("CERTIFICATE", spoilt.der) + d.pem("CERTIFICATE", attack.factory.ca))
    there.start_agent(device)
    want(wait_for(lambda: there.send(device, "level", [1, 2, 3]), 20, "the agent to take values"), "found no acknowledgement")
    wait_for(lambda: stage.agent_log(device).count("agent.enrolment") >= 2, 40, lambda: "two refusals; the agent says " + device.agent.tail(2))
    status = there.agent_status(device)
    want(queued(status) == 3, f"found {status}, want all three values in the queue")
    device.agent.stop()
    (device.state / "factory.pem").write_text(whole)
    there.start_agent(device)
    stage.wait_online(device)
    wait_for(lambda: queued(there.agent_status(device)) == 0, 30, "the queue to be delivered once the certificate is good")


def queued(status):
    return status["telemetry"]["items"]


def check_everybody_else_noticed_nothing(attack):
    there = attack.there
    record = there.device("honest-1")
    want(record["online"] and record["alarms"] == [], f"found {record}, want the honest device online and without alarm")
    sites = {one["name"]: one for one in there.read("site", "list", "--state", there.state)["sites"]}
    want(sites[SITE]["alarms"] == [], f"found {sites[SITE]['alarms']}, want none for the honest factory")
    actions = attack.stage.audit("site.alarm")
    want(actions and {one["subject"] for one in actions} == {MALLORY}, f"found {len(actions)} alarms, want all about {MALLORY}")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Attack(the_stage))
    sys.exit(outcome)
