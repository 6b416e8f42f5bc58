#!/usr/bin/python3
"""Bad input to the real programs: a mistyped key, a wrong passphrase, a port in use, certificates that have ended or are somebody
else's, a state folder of a newer version. Each gives one sentence and the documented exit status, and loses nothing.
"""
# test: needs=dev deadline=300
import pathlib
import socket
import sqlite3
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import other_clock  # noqa: E402
from cases import want  # noqa: E402
from est import Est  # noqa: E402
from refusal import FAILED, REFUSED, STATE, UNREACHABLE, digests, edited, refused, unchanged  # noqa: E402
from stage import CONSOLE, ENROLMENT_SECONDS, ZONE, Failed, Installation, Stage, free_port, wait_for  # noqa: E402

AHEAD = "+30y"


class Scene:
    def __init__(self, stage):
        self.stage = stage

    def set_up(self):
        there = self.there = self.stage.prepare()
        there.start()
        self.device, self.fresh = self.stage.make_devices("press-1", "press-2")
        self.stage.bring_online(self.device)
        self.stop()
        self.other = Installation(self.stage.programs, self.stage.folder / "other", free_port(), free_port())
        self.stage.closing.append(self.other.stop)
        self.other.initialise()
        self.other.add_site()

    def stop(self):
        self.device.agent.stop()
        self.there.server.stop()

    def server(self, *words):
        """A command on the installation."""
        return [self.there.sallyport, *words, "--state", self.there.state]

    def root(self, *words, passphrase=None):
        return [self.there.sallyport, "root", *words, "--root", self.there.root, "--passphrase-file", passphrase or self.there.passphrase_file]

    def station(self, *words):
        return [self.there.sallyport, "factory", *words, "--factory", self.there.factory]

    def agent(self, *words, device=None):
        return [self.there.agent_program, *words, "--state", (device or self.device).state]

    def init(self, state, *more):
        return [self.there.sallyport, "init", "--state", state, "--name", "Demo", "--zone", ZONE, "--console-name", CONSOLE, *more]

    def secret(self, name, text):
        file = self.stage.folder / name
        file.write_text(text)
        file.chmod(0o600)
        return file

    def clock(self, offset, command):
        return ["faketime", "-f", offset, *command]


def check_programs_are_set_up(scene):
    scene.set_up()


# ---- keys


def check_mistyped_key_of_the_installation_is_named(scene):
    file = scene.there.state / "sallyport.toml"
    for right, wrong in (("http_port", "htp_port"), ("workers", "worker"), ("zone", "zoen"), ("[listen]", "[listn]")):
        key, likely = wrong.strip("[]"), right.strip("[]")
        with edited(file, f"\n{right}", f"\n{wrong}") as line, unchanged(scene.there.state):
            sentence = f"sallyport.toml:{line + 1}: unknown key '{key}' (did you mean '{likely}'?)"
            for command in (scene.server("up", "--single-uid"), scene.server("serve", "relay"), scene.server("serve", "authority"), scene.server("doctor"),
                            scene.init(scene.there.state)):
                refused(FAILED, sentence, *command)


def check_mistyped_key_of_the_agent_is_named(scene):
    file = scene.device.state / "agent.toml"
    for right, wrong in (("remote_access", "remote_acess"), ("relay_address", "relay_adress"), ("target", "traget")):
        with edited(file, f"\n{right} =", f"\n{wrong} =") as line, unchanged(scene.device.state):
            sentence = f"agent.toml:{line + 1}: unknown key '{wrong}' (did you mean '{right}'?)"
            for words in (["run"], ["status"], ["doctor"], ["send", "--stream", "s", "1"], ["reset", "--yes"], ["remote-access", "on"], ["password"]):
                refused(FAILED, sentence, *scene.agent(*words))
    want(subprocess.run(scene.agent("status"), capture_output=True, check=False).returncode == 0, "found status failing, want it well again")


# ---- secrets


def check_wrong_passphrase_signs_nothing(scene):
    wrong, empty = scene.secret("wrong", "not the passphrase\n"), scene.secret("empty", "")
    out = scene.stage.folder / "out"
    with unchanged(scene.there.root):
        for passphrase in (wrong, empty):
            refused(REFUSED, "wrong passphrase", *scene.root("crl", "--out", out, passphrase=passphrase))
            refused(REFUSED, "wrong passphrase", *scene.root("sign", "--in", scene.there.factory / "to-root", "--out", out, "--yes", passphrase=passphrase))
        refused(REFUSED, "wrong passphrase", *scene.init(scene.stage.folder / "begun", "--root", scene.there.root, "--root-passphrase-file", wrong))
    want(not out.exists(), "found something signed, want nothing")
    scene.there.run(*scene.init(scene.stage.folder / "begun", "--root", scene.there.root, "--root-passphrase-file", scene.there.passphrase_file)[1:])


# ---- ports


def check_port_in_use_is_named(scene):
    there = scene.there
    for port in (there.tls_port, there.http_port):
        with socket.create_server(("127.0.0.1", port)), unchanged(there.state):
            refused(UNREACHABLE, f"127.0.0.1:{port} is in use by another process", *scene.server("up", "--single-uid"))
            refused(UNREACHABLE, f"127.0.0.1:{port} is in use by another process", *scene.server("serve", "relay"))
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        with edited(scene.device.state / "agent.toml", "\nrelay_address", f'\ntelemetry_listen = "127.0.0.1:{port}"\nrelay_address'):
            refused(UNREACHABLE, f"127.0.0.1:{port} is in use by another process", *scene.agent("run"))


def check_state_in_use_is_one_sentence(scene):
    there = scene.there
    there.start()
    scene.stage.bring_online(scene.device, claim=False)
    refused(STATE, f"process {there.server.pid} uses this state folder", *scene.server("up", "--single-uid"))
    refused(UNREACHABLE, "signer.sock is in use", *scene.server("serve", "signer"))
    refused(STATE, f"process {scene.device.agent.pid} uses this state folder", *scene.agent("run"))
    refused(STATE, "uses this state folder", *scene.agent("reset", "--yes"))
    want(scene.stage.is_healthy() and there.device("press-1")["online"], "found the running ones disturbed, want them as before")
    scene.stop()


# ---- certificates


def check_foreign_certificates_are_not_taken_in(scene):
    there, other, folder = scene.there, scene.other, scene.stage.folder
    begun = folder / "foreign"
    there.run(*scene.init(begun)[1:])
    there.run("root", "sign", "--root", other.root, "--in", begun / "to-root", "--out", begun / "from-root", "--passphrase-file", other.passphrase_file, "--yes")
    (begun / "from-root" / "root.pem").write_bytes((there.root / "root.pem").read_bytes())
    (begun / "from-root" / "root.crl").write_bytes((there.root / "root.crl").read_bytes())
    with unchanged(begun / "signer", begun / "trust"):
        refused(REFUSED, ["from-root/", "found a signature that is not of the root beside it"], *scene.init(begun))
    with unchanged(there.state, there.factory, scene.device.state):
        refused(REFUSED, ["root.crl: ", "want the CA's own CRL"], *scene.server("root", "install-crl", "--crl", other.root / "root.crl"))
        foreign = other.folder / "site-signed" / f"local-ca-{'site-07'}.pem"
        refused(REFUSED, "site CA certificate: found another key", *scene.station("permit"), "--permit", there.folder / "site.permit", "--certificate", foreign,
                "--root-certificate", other.root / "root.pem")
        refused(REFUSED, "factory certificate: is for another key", *scene.agent("init", "--certificate", scene.fresh.folder / "factory.pem"))


def check_ended_permit_issues_nothing(scene):
    there = scene.there
    device = there.make_device("press-3", "Press 3")
    out = device.folder / "factory.pem"
    issue = [*scene.station("issue"), "--csr", device.folder / "factory.csr", "--out", out]
    with unchanged(there.factory):
        refused(REFUSED, ["permit: found the time", "want between"], *scene.clock("+3y", issue))
        refused(REFUSED, ["permit: found the time", "want between"], *scene.clock("-3y", issue))
    want(not out.exists(), "found a certificate, want none")
    there.run(*issue[1:])
    want(out.exists(), "found no certificate by the right clock, want one")


def check_overdue_root_crl_is_said_before_and_refused_after(scene):
    crl = scene.stage.folder / "short.crl"
    scene.there.run(*scene.root("crl", "--days", "35", "--out", crl)[1:])
    with unchanged(scene.there.state):
        refused(REFUSED, ["short.crl: ", "overdue since"], *scene.clock("+40d", scene.server("root", "install-crl", "--crl", crl)))
    scene.there.run(*scene.server("root", "install-crl", "--crl", crl)[1:])
    for days, word in (("+5d", "ok"), ("+30d", "warning"), ("+40d", "bad")):
        done = subprocess.run([str(word) for word in scene.clock(days, scene.server("doctor"))], capture_output=True, text=True, timeout=60, check=False)
        line = next((one for one in done.stdout.splitlines() if " root CRL " in one), "")
        want(line.startswith(word), f"{days}: found {line!r}, want {word}")


def check_agent_ahead_of_time_says_why_and_sends_nothing(scene):
    """Every certificate has ended for it. It keeps what it has, and goes on by the right clock."""
    there, device = scene.there, scene.fresh
    there.start()
    there.import_ledger()
    plain = there.agent_program
    there.agent_program = other_clock.command(there.folder / "agent-ahead", plain, other_clock.shifted(AHEAD))
    there.start_agent(device)
    there.agent_program = plain
    wait_for(lambda: "expired" in scene.stage.agent_log(device), ENROLMENT_SECONDS, lambda: f"the agent to say why; it says {device.agent.tail(3)}")
    status = there.agent_status(device)
    want("gateway." in (status["error"] or "") and " ended " in status["error"], f"found error {status['error']!r}, want it to say whose certificate has ended")
    want(there.send(device, "s", [1]), "found the value refused, want it queued")
    want(there.device(device.serial_id)["state"] == "manufactured", f"found {there.device(device.serial_id)}, want nothing sent")
    scene.stage.restart_agent(device)
    scene.stage.wait_online(device, ENROLMENT_SECONDS)
    wait_for(lambda: there.agent_status(device)["telemetry"]["items"] == 0, ENROLMENT_SECONDS, "the queued value to have gone up")
    device.agent.stop()


def check_foreign_server_gets_nothing(scene):
    """The agent is led to another installation that has the same names."""
    there, other = scene.there, scene.other
    other.start()
    device, = scene.stage.make_devices("press-4")
    file = device.state / "agent.toml"
    with edited(file, f"127.0.0.1:{there.tls_port}", f"127.0.0.1:{other.tls_port}"), unchanged(other.state / "authority"):
        there.start_agent(device)
        wait_for(lambda: there.agent_status(device).get("error"), ENROLMENT_SECONDS, "the agent to say why")
        error = there.agent_status(device)["error"]
        device.agent.stop()
    want("certificate" in error or "chain" in error or "trust" in error, f"found {error!r}, want it to say that the server's certificate is not trusted")
    want(other.device("press-4") is None, "found the device there, want nothing sent")
    scene.stage.bring_online(device, claim=False)
    device.agent.stop()


def check_foreign_factory_certificate_enrols_nobody(scene):
    other, there = scene.other, scene.there
    device = other.make_device("press-9", "Press 9")
    scene.stage.closing.append(device.panel.stop)
    other.issue_factory_certificate(device)
    visitor = Est(scene.stage, device)
    before = there.read("device", "list", "--state", there.state)
    try:
        status, _, _ = visitor.send(visitor.make_request("press-9"))
        want(False, f"found status {status}, want the handshake refused")
    except Failed as refusal:
        want("curl" in str(refusal), f"found {refusal}, want no answer")
    want("gateway.handshake-failed" in (said := pathlib.Path(there.server.log).read_text()) and "chain: ends at no trust anchor" in said,
         "found nothing in the log, want it to say why")
    want(there.read("device", "list", "--state", there.state) == before, "found the list of devices changed, want it as it was")
    there.server.stop()


# ---- newer versions


def version_of(folder):
    return int((folder / "version").read_text().split()[-1])


def newer(folder):
    version = version_of(folder)
    return edited(folder / "version", f" {version}\n", f" {version + 1}\n")


def check_newer_state_folder_is_left_alone(scene):
    there = scene.there
    out = scene.stage.folder / "nothing"
    commands = {
        there.state: [scene.server("up", "--single-uid"), *(scene.server("serve", role) for role in ("signer", "authority", "gateway", "status", "console", "relay")),
                      scene.server("doctor"), scene.server("device", "list"), scene.init(there.state), scene.server("trust", "install", "--nss", out)],
        there.root: [scene.root("init", "--name", "x"), scene.root("crl", "--out", out), [there.sallyport, "root", "show", "--root", there.root],
                     scene.root("sign", "--in", there.factory / "to-root", "--out", out, "--yes")],
        there.factory: [scene.station("status"), scene.station("issue", "--csr", scene.device.folder / "factory.csr", "--out", out), scene.station("export", "--out", out),
                        scene.station("init", "--site", "site-07", "--zone", ZONE)],
        scene.device.state: [scene.agent(*words) for words in (["run"], ["status"], ["doctor"], ["claim-code"], ["password"], ["reset", "--yes"], ["remote-access", "on"],
                                                               ["send", "--stream", "s", "1"], ["init", "--certificate", scene.device.folder / "factory.pem"])],
    }
    for folder, several in commands.items():
        version = version_of(folder)
        sentence = f"found version {version + 1}, this program knows {version}; use the newer program"
        with newer(folder), unchanged(folder):
            for command in several:
                refused(STATE, [folder.name, sentence], *command)
    want(not out.exists(), "found something written, want nothing")


def check_newer_database_is_left_alone(scene):
    there, device = scene.there, scene.device
    cases_of = {
        there.state / "authority" / "authority.db": [scene.server("up", "--single-uid"), scene.server("device", "list"), scene.server("serve", "authority")],
        there.state / "gateway" / "telemetry.db": [scene.server("up", "--single-uid"), scene.server("serve", "gateway")],
        device.state / "telemetry.db": [scene.agent("run"), scene.agent("send", "--stream", "s", "1")],
    }
    for file, several in cases_of.items():
        with sqlite3.connect(file) as database:
            version = database.execute("PRAGMA user_version").fetchone()[0]
            database.execute(f"PRAGMA user_version = {version + 1}")
        database.close()
        with unchanged(file.parent):
            for command in several:
                refused(STATE, [file.name, f"found schema version {version + 1}, this program knows {version}; use the newer program"], *command)
        with sqlite3.connect(file) as database:
            database.execute(f"PRAGMA user_version = {version}")
        database.close()


def check_everything_runs_as_before(scene):
    want(digests(scene.there.root), "found an empty root, want it there")
    scene.there.start()
    scene.stage.restart_agent(scene.device)
    scene.stage.wait_online(scene.device)
    scene.there.run("audit", "verify", "--state", scene.there.state)


def check_doctor_of_a_device_that_is_well_finds_nothing_until_the_server_is_gone(scene):
    def doctor():
        return scene.there.run("doctor", "--state", scene.device.state, program=scene.there.agent_program, check=False)

    well = doctor()
    want(well.returncode == 0 and "FAIL" not in well.stdout and "ok    connection" in well.stdout, f"found {well.returncode}: {well.stdout}, want nothing wrong")
    scene.there.server.stop()
    wait_for(lambda: "FAIL  connection" in doctor().stdout, ENROLMENT_SECONDS, "doctor to say that the connection is gone")
    want(doctor().returncode == FAILED, f"found exit {doctor().returncode}, want {FAILED}")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
