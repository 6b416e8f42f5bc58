"""What ./demo --check does: the main job as a user would do it, every step looked at from outside.

A step is a function that returns when all is as it should be and raises Failed(found, wanted) otherwise; STEPS has them in
order. Each leaves in `world` what the later ones need.
"""
import dataclasses
import hashlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess
import threading
import time

from hostile_step import hostile_relay
from installation import SITE, ZONE, Device, Failed, Installation, current, wait_for
from person import Person
from rpc_step import rpc_broker_saw_nothing, rpc_call, rpc_replay_refused
from ssh_step import ssh_through_relay
from wire import Wire

ROOT = pathlib.Path(__file__).resolve().parents[2]
CUT_MS = 5000
COME_BACK_SECONDS = 8
ENROLMENT_SECONDS = 40
HOLD_SECONDS = 1.0  # for which the wire keeps a status question back
SETTLED_SECONDS = 0.5  # after which what an agent sent before its question has been noted, however slow this machine is
CLOSE_NOTIFY = 64  # bytes: an alert record of TLS 1.3 and room; no HTTP request fits
CAS = ["online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca"]


@dataclasses.dataclass
class World:
    there: Installation
    wire: Wire | None = None
    person: Person | None = None
    first: Device | None = None
    second: Device | None = None
    third: Device | None = None
    sshd: object = None
    calls: object = None
    names: dict = dataclasses.field(default_factory=dict)  # serial id → device name
    opened: dict = dataclasses.field(default_factory=dict)
    picture: pathlib.Path | None = None  # where one of the console is wanted

    def end(self):
        if self.person:
            self.person.stop()
        if self.wire:
            self.wire.close()
        if self.sshd:
            self.sshd.stop()
        if self.calls:
            self.calls.stop()
        self.there.stop()


def want(condition, found, wanted):
    if not condition:
        raise Failed(found, wanted)


def tool(*command, given=None):
    done = subprocess.run([str(word) for word in command], input=given, capture_output=True, timeout=60, check=False)
    want(done.returncode == 0, f"{command[0]}: {(done.stderr or done.stdout).decode(errors='replace').strip()[-300:]}", "success")
    return done.stdout


def key_of_private(file):
    """SHA-256 of the public half of a private key file."""
    return hashlib.sha256(tool("openssl", "pkey", "-in", file, "-pubout", "-outform", "DER")).hexdigest()


def key_of_certificate(file):
    pem = tool("openssl", "x509", "-in", file, "-noout", "-pubkey")
    return hashlib.sha256(tool("openssl", "pkey", "-pubin", "-outform", "DER", given=pem)).hexdigest()


# ---- the programs


def install(world):
    """Nothing that the demonstration needs is missing."""
    missing = tool("tools/packages.sh", "missing", "build", "demo", "web").decode().split()
    want(not missing, f"missing {' '.join(missing)}", "every package of build, demo and web")
    want((ROOT / "web/node_modules/playwright-core").is_dir(), "no web/node_modules/playwright-core", "npm's packages")


def build(world):
    for program in (world.there.sallyport, world.there.agent_program):
        want(os.access(program, os.X_OK), f"no program {program}", "it built")
        version = tool(program, "--version").decode().strip()
        want(re.fullmatch(r"sallyport(-agent)? \d+\.\d+\.\d+\S*", version), version, "name and version")


# ---- trust


def init(world):
    """Root and installation apart, every CA signed by the root, every key encrypted, every service healthy."""
    there = world.there
    there.initialise()
    root = there.state / "trust" / "root.pem"
    for ca in CAS:
        tool("openssl", "verify", "-x509_strict", "-CAfile", root, there.state / "trust" / f"{ca}.pem")
        key = (there.state / "signer" / f"{ca}.key").read_text()
        want("ENCRYPTED PRIVATE KEY" in key, f"{ca}.key in another form", "it encrypted")
    of_root = key_of_certificate(root)
    for file in there.state.rglob("*.key"):
        want(file.stat().st_mode & 0o077 == 0, f"{file.name} of mode {file.stat().st_mode & 0o777:o}", "0600")
    want(not (there.state / "root.key").exists() and (there.root / "root.key").exists(), "the root's key in the installation",
         "it in a folder of its own")
    want(of_root == key_of_certificate(there.root / "root.pem"), "another root", "the same root on both sides")
    there.start()


def factory_issue(world):
    """A station without a network issues what its permit allows, and not one more."""
    there = world.there
    there.add_site(count=3)
    world.wire = Wire(there.tls_port, there.http_port)
    world.first = there.make_device("press-1", "Press 1")
    world.second = there.make_device("press-2", "Press 2")
    world.third = there.make_device("press-3", "Press 3", wire=world.wire)
    anchors = ["-CAfile", there.state / "trust" / "root.pem", "-untrusted", there.folder / "site-signed" / f"local-ca-{SITE}.pem"]
    for device in there.devices:
        certificate = there.issue_factory_certificate(device)
        tool("openssl", "verify", "-x509_strict", "-purpose", "sslclient", *anchors, certificate)
        want(key_of_certificate(certificate) == key_of_private(device.state / "factory.key"), "another key",
             f"the certificate of {device.serial_id} for the key that was made on it")
        names = tool("openssl", "x509", "-in", certificate, "-noout", "-ext", "subjectAltName").decode()
        name = f"DNS:{device.serial_id}.{SITE}.factory.{ZONE}"
        want(name in names.split(), names.strip(), name)
    fourth = there.run("factory", "issue", "--factory", there.factory, "--csr", world.first.folder / "factory.csr",
                       "--serial-id", "press-4", "--out", there.folder / "fourth.pem", check=False)
    want(fourth.returncode != 0 and not (there.folder / "fourth.pem").exists(), "a fourth certificate", "a permit of three to allow three")


def ledger_import(world):
    """Before it nobody is known; after it everybody, once, also when it comes twice."""
    there = world.there
    want(there.read("device", "list", "--state", there.state)["devices"] == [], "devices before any ledger came", "none")
    there.start_agent(world.first)
    waiting = lambda: there.agent_status(world.first).get("phase") == "waiting-for-ledger"  # noqa: E731
    wait_for(waiting, ENROLMENT_SECONDS, "a device that is not in a ledger yet to be told to wait")
    for _ in range(2):
        there.import_ledger()
        devices = there.read("device", "list", "--state", there.state)["devices"]
        ids = sorted(device["serial_id"] for device in devices)
        want(ids == ["press-1", "press-2", "press-3"], ids, "the three of the ledger")
    site = there.read("site", "list", "--state", there.state)["sites"][0]
    want(site["issued"] == 3 and site["permitted"] == 3, f"{site['issued']} of {site['permitted']}", "3 of 3")


# ---- a device comes


def first_connection(world):
    """Factory-fresh devices come all the way: a name, an operational certificate over a new key, a web certificate."""
    there = world.there
    there.start_agent(world.second)
    for device in (world.first, world.second):
        record = come_online(there, device)
        want(record["state"] == "connected", record["state"], "connected")
        want(re.fullmatch("[a-z2-7]{10}", record["name"]), record["name"], "a drawn name")
        world.names[device.serial_id] = record["name"]
        operational = current(device, "operational")
        # It is asked for once the operational one is there; the control connection does not wait for it.
        wait_for((device.state / "web.current").exists, ENROLMENT_SECONDS, f"{device.serial_id} to have a web certificate")
        tool("openssl", "verify", "-x509_strict", "-purpose", "sslclient", "-CAfile", there.state / "trust" / "root.pem",
             "-untrusted", there.state / "trust" / "online-ca.pem", f"{operational}.pem")
        keys = {key_of_private(device.state / "factory.key"), key_of_private(f"{operational}.key"),
                key_of_private(f"{current(device, 'web')}.key")}
        want(len(keys) == 3, f"{len(keys)} different keys", "one each for factory, operation and web")


def come_online(there, device):
    come = lambda: (record := there.device(device.serial_id)) and record["online"] and record  # noqa: E731
    return wait_for(come, ENROLMENT_SECONDS, f"{device.serial_id} online; its agent says '{there.agent_status(device).get('error', '')}'")


def good_check(status, server):
    return next((one for one in status.get("server_checks", []) if one["server"] == server and one["good"]), None)


def ocsp_before_data(world):
    """While the status service cannot be reached, a fresh device says nothing to the gateway; once it can, the answer is
    there before the first word. Both are seen on the wire, in numbers of bytes."""
    there, wire, device = world.there, world.wire, world.third
    gateway = f"gateway.{ZONE}"
    wire.status_is_cut, wire.status_hold = True, HOLD_SECONDS
    there.start_agent(device)
    refused = lambda: next((one for one in there.agent_status(device).get("server_checks", [])  # noqa: E731
                            if one["server"] == gateway and not one["good"]), None)
    told = wait_for(refused, ENROLMENT_SECONDS, "the agent to say why it does not speak to the gateway")
    want(told["reason"] == "unreachable", told["reason"], "unreachable")
    attempts = wire.status_passages()
    want(attempts and all(one.is_cut for one in attempts), "an attempt at the status service that got through", "none yet")
    want({one.kind for one in attempts} == {"http", "tls"}, {one.kind for one in attempts}, "both ways to the status service tried")
    first = wire.of("gateway")[0]
    want(first.received and attempts[0].opened > first.opened, "a status question before the gateway's certificate", "it after the handshake")
    wait_for(lambda: first.closed, 5, "the connection to the gateway closed")
    sent = first.sent_between(attempts[0].opened + SETTLED_SECONDS)
    want(sent <= CLOSE_NOTIFY, f"{sent} bytes to the gateway", "none after the handshake")
    want(there.device(device.serial_id)["state"] == "manufactured", "an enrolment", "none")

    restored = time.monotonic()
    wire.status_is_cut = False
    enrolled = lambda: there.agent_status(device).get("name")  # noqa: E731
    wait_for(enrolled, ENROLMENT_SECONDS, "the device to enrol once the status service answers")
    check = good_check(there.agent_status(device), gateway)
    want(check and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ", check["at"]), check, "a good check of the gateway with its time")
    wire.status_hold = 0.0
    want(word_after_answer(wire, restored), "a word to the gateway before the status answer", "the answer first")


def word_after_answer(wire, since):
    """Whether, on the first connection to the gateway that was used, silence reigned from question to answer."""
    for passage in wire.of("gateway", since):
        answers = [one for one in wire.status_passages(passage.opened) if one.received]
        if not answers:
            continue
        asked, answered = answers[0].opened, answers[0].received[-1][0]
        if passage.sent_between(answered) <= CLOSE_NOTIFY:
            continue  # checked, and then not used
        return passage.sent_between(asked + SETTLED_SECONDS, answered) == 0
    return False


def factory_cert_burnt(world):
    """A thief with the factory key and certificate of a device that has enrolled gets nothing with a key of his own."""
    there, device = world.there, world.third
    record = come_online(there, device)
    world.names[device.serial_id] = record["name"]
    thief = there.folder / "thief"
    thief.mkdir()
    tool("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", thief / "key.pem",
         "-out", thief / "request.der", "-outform", "DER", "-subj", "/CN=thief")
    (thief / "request.b64").write_bytes(tool("base64", thief / "request.der"))

    def enrol(request):
        return tool("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", there.state / "trust" / "server-ca.twin.pem",
                    "--cert", device.state / "factory.pem", "--key", device.state / "factory.key",
                    "--connect-to", f"gateway.{ZONE}:443:127.0.0.1:{there.tls_port}",
                    "--header", "Content-Type: application/pkcs10", "--header", "Content-Transfer-Encoding: base64",
                    "--data-binary", f"@{request}", "--output", thief / "answer", "--write-out", "%{http_code}",
                    f"https://gateway.{ZONE}/.well-known/est/simpleenroll").decode()

    status = enrol(thief / "request.b64")
    want(status == "403", f"status {status}", "403")
    alarmed = lambda: there.device(device.serial_id)["alarms"]  # noqa: E731
    alarms = wait_for(alarmed, 10, "an alarm")
    want(alarms[0]["kind"] == "enrolment.refused", alarms[0]["kind"], "enrolment.refused")
    after = there.device(device.serial_id)
    want((after["name"], after["state"], after["online"]) == (record["name"], record["state"], True), after, "the device undisturbed")


# ---- a person comes


def claim(world):
    """By the console's own page, with the code that the device shows; a wrong one and a used one are refused."""
    there = world.there
    home = there.folder / "browser"
    home.mkdir()
    there.run("trust", "install", "--state", there.state, "--nss", home / ".pki" / "nssdb")
    world.person = person = Person(home, there.logs / "browser.log")
    person("login", url=there.console_url, login=there.owner, password=there.password)
    wrong = person("claim", serial_id="press-1", code="aaaa-aaaa-aaaa-aaaa", alias="Press 1")
    want("do not belong together" in wrong.get("refused", ""), wrong, "a wrong code refused")
    for device in (world.first, world.second):
        code = wait_for(lambda: there.claim_code(device), 10, "the device to show a claim code")  # noqa: B023
        claimed = person("claim", serial_id=device.serial_id, code=code, alias=device.title)
        want(claimed.get("device") == world.names[device.serial_id], claimed, f"{device.serial_id} claimed")
        again = person("claim", serial_id=device.serial_id, code=code, alias="again")
        want("refused" in again, again, "a used code refused")
        record = there.device(device.serial_id)
        want((record["state"], record["alias"], record["remote_access"]) == ("claimed", device.title, False), record,
             "it claimed, remote access still off")
    person("logout")


def console_login(world):
    """A wrong password gets nothing; the cookie is hidden; a forged act is refused; logging out ends the session."""
    there, person = world.there, world.person
    refused = person("refused_login", url=there.console_url, login=there.owner, password="not the password")
    want("wrong" in refused.lower(), refused, "a refusal")
    found = person("login", url=there.console_url, login=there.owner, password=there.password)
    cookie = found["session"]
    want(cookie and cookie["secure"] and cookie["httpOnly"] and cookie["sameSite"] == "Strict" and cookie["path"] == "/", cookie,
         "__Host-session, Secure, HttpOnly, SameSite=Strict")
    forged = person("forged_act", device=world.names["press-1"])
    want(forged == 403, f"status {forged}", "403 for an act without its token")
    ended = person("logout")
    want(ended["old_session"] == 401, f"status {ended['old_session']}", "401 for a session that was logged out")
    person("login", url=there.console_url, login=there.owner, password=there.password)


def device_online(world):
    """The console's list follows a device that goes and comes, without being loaded again."""
    there, person = world.there, world.person
    for device in (world.first, world.second):
        person("remote_access", device=world.names[device.serial_id], on=True)
    person("show_list")
    person("online", alias="Press 2", service="panel", is_online=True)
    status = world.second.agent.stop()
    want(status == 0, f"exit {status} of the agent", "0")
    person("online", alias="Press 2", service="panel", is_online=False)
    there.start_agent(world.second)
    person("online", alias="Press 2", service="panel", is_online=True)


def panel_reading(device):
    return json.loads(tool("curl", "--silent", "--show-error", f"http://127.0.0.1:{device.panel_port}/api/reading"))


def open_device_page(world):
    """One click in the console leads to the device's own page, alive; what is typed there arrives at the machine."""
    there, person = world.there, world.person
    person("show_list")
    world.opened = person("open", alias="Press 1", service="panel")
    name = world.names["press-1"]
    host = world.opened["url"].split("/")[2]
    want(re.fullmatch(rf"[a-z2-7]{{16}}\.{name}\.{re.escape(ZONE)}:{there.tls_port}", host), host, f"<label>.{name}.{ZONE}:{there.tls_port}")
    want(world.opened["heading"] == "Press 1", world.opened["heading"], "the device's own heading")
    person("ticker", alias="Press 1")
    if world.picture:
        person("picture", file=str(world.picture))
    person("fill_form", alias="Press 1", target=3131)
    reading = panel_reading(world.first)
    want(reading["target"] == 3131, reading["target"], "3131 at the machine")
    want(panel_reading(world.second)["target"] != 3131, "3131 at the other machine too", "it undisturbed")
    sessions = there.read("session", "list", "--state", there.state)["sessions"]
    want([one["device"] for one in sessions] == [name] and sessions[0]["login"] == there.owner, sessions, f"a live session at {name}")


def end_to_end_certificate(world):
    """The key that the browser saw is the one that was made on the device, and is nowhere else."""
    shown = world.person("certificate", alias="Press 1")
    key_file = pathlib.Path(f"{current(world.first, 'web')}.key")
    key = key_of_private(key_file)
    want(shown["spki_sha256"] == key, shown["spki_sha256"], f"{key}, the key in {world.first.serial_id}")
    name = world.names["press-1"]
    want(f"DNS:*.{name}.{ZONE}" in shown["names"], shown["names"], f"*.{name}.{ZONE}")
    want("web-ca" in shown["issuer"], shown["issuer"], "web-ca")
    secret = "".join(line for line in key_file.read_text().splitlines() if not line.startswith("-----"))
    for file in world.there.state.rglob("*"):
        if file.is_file():
            want(secret[:64].encode() not in file.read_bytes(), f"the key in {file.name} of the installation", "it on the device alone")


# ---- what must hold


class Producer(threading.Thread):
    """Hands numbered values to an agent and keeps which were acknowledged. A value is never handed over twice."""

    def __init__(self, there, device):
        super().__init__(daemon=True)
        self.there, self.device = there, device
        self.acknowledged = []
        self.failures = 0
        self.enough = threading.Event()

    def run(self):
        number = 0
        while not self.enough.is_set():
            values = list(range(number, number + 10))
            number += 10
            if self.there.send(self.device, "count", values):
                self.acknowledged += values
            else:
                self.failures += 1
            time.sleep(0.02)


def telemetry_durable(world):
    """Gateway and agent are killed while values stream; whatever was acknowledged is stored, once."""
    there, device = world.there, world.second
    producer = Producer(there, device)
    producer.start()
    try:
        for kill in ("gateway", "agent", "gateway"):
            mark = len(producer.acknowledged)
            wait_for(lambda: len(producer.acknowledged) >= mark + 100, 30, "values to be acknowledged")  # noqa: B023
            if kill == "gateway":
                os.kill(there.pid_of("gateway"), signal.SIGKILL)
            else:
                device.agent.stop(signal.SIGKILL)
                there.bring_back(device)
    finally:
        producer.enough.set()
        producer.join(60)
    where = f"/devices/{world.names[device.serial_id]}/telemetry?stream=count&limit=10000"
    stored = lambda: [item["value"] for item in world.person.api(where)["items"]]  # noqa: E731
    acknowledged = set(producer.acknowledged)
    wait_for(lambda: acknowledged <= set(stored()), 60, "every acknowledged value in the store")
    values = stored()
    want(len(values) == len(set(values)), f"{len(values) - len(set(values))} values twice", "each once")


def revoke_cuts(world):
    """An open page with its ticker running is cut within five seconds, and the device cannot come back."""
    there, person, device = world.there, world.person, world.first
    found = person("revoke", device=world.names["press-1"], serial_id="press-1", alias="Press 1", password=there.password, limit_ms=CUT_MS)
    want(found["cut_ms"] is not None and found["cut_ms"] <= CUT_MS, f"the page alive, or cut after {found['cut_ms']} ms", f"cut within {CUT_MS} ms")
    again = person("reload", alias="Press 1")
    want("failed" in again, again, "the browser to reach nothing")
    want(there.read("session", "list", "--state", there.state)["sessions"] == [], "a live session", "none")
    device.agent.stop()
    there.start_agent(device)
    deadline = time.monotonic() + COME_BACK_SECONDS
    while time.monotonic() < deadline:
        record = there.device(device.serial_id)
        want(not record["online"] and record["state"] == "revoked", f"{record['state']}, online {record['online']}", "revoked and away")
        time.sleep(0.2)
    want(there.agent_status(device).get("control", {}).get("state") != "up", "a control connection", "none")
    want(there.device("press-2")["online"], "Press 2 away too", "it undisturbed")
    there.run("audit", "verify", "--state", there.state)


def clean_stop(world):
    """Everything ends by itself with status 0, leaves no process and no listening port."""
    there = world.there
    processes = there.processes()
    ports = [there.tls_port, there.http_port, *(device.panel_port for device in there.devices)]
    world.person.stop()
    browser, world.person = world.person.process, None
    world.wire.close()
    world.wire = None
    world.sshd.stop()
    ended = {**world.calls.stop(), **there.stop()}
    del ended["mosquitto_sub"]  # knows no end in order
    bad = {name: status for name, status in ended.items() if status != 0}
    want(not bad, bad, "exit status 0 of every process")
    left = [f"{name} ({pid})" for process in [*processes, browser] for pid, name in process.left_behind()]
    want(not left, f"still running: {', '.join(left)}", "no process")
    for port in ports:
        with socket.socket() as probe:
            want(probe.connect_ex(("127.0.0.1", port)) != 0, f"port {port} answers", "no port open")


STEPS = [install, build, init, factory_issue, ledger_import, first_connection, ocsp_before_data, factory_cert_burnt, claim,
         console_login, device_online, open_device_page, end_to_end_certificate, ssh_through_relay, hostile_relay,
         rpc_call, rpc_replay_refused, rpc_broker_saw_nothing, telemetry_durable, revoke_cuts, clean_stop]
