#!/usr/bin/env python3
"""What docs/operate/ tells people to type works as it stands: each command of a plain code fence is run in order, at a
terminal, with a person's answers. Fences of another kind (```text) are prose.

Two things are not as there: the default state folder lies elsewhere, and names in capitals (DIR, K, SERIAL) are filled in.
"""
# test: needs=dev deadline=300
import os
import pathlib
import pty
import re
import select
import shlex
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import Stage, free_port, tool  # noqa: E402

OPERATE = cases.ROOT / "docs" / "operate"
PASSPHRASE = "six dice words from the room"
ANSWERS = [(re.compile(rb"[Pp]assphrase[^\n]*: ?$"), PASSPHRASE), (re.compile(rb"\?[^\n]*$"), "yes")]
SECONDS = 60
MODULE = "/usr/lib/softhsm/libsofthsm2.so"


def commands_of(document):
    """The lines of plain fences; a backslash at an end continues one."""
    text = (OPERATE / document).read_text(encoding="utf-8")
    for kind, fence in re.findall(r"^```(\w*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL):
        for line in (() if kind else fence.replace("\\\n", " ").splitlines()):
            line = re.sub(r"\s{2,}#.*$", "", line).strip()
            if line:
                yield line


class Desk:
    """A folder in which a person types, and a state folder in the place of the default."""

    def __init__(self, stage, name):
        self.programs = stage.programs
        self.folder = stage.folder / name
        self.folder.mkdir()
        self.state = self.folder / "var-lib-sallyport"
        self.fill_in = {}
        self.said = {}  # the last output, by command

    def make_token(self):
        """A token and a PIN as the documents name them."""
        tokens = self.folder / "tokens"
        tokens.mkdir()
        (self.folder / "softhsm2.conf").write_text(f"directories.tokendir = {tokens}\nobjectstore.backend = file\n")
        (self.folder / "pin").write_text("1234\n")
        (self.folder / "pin").chmod(0o600)
        os.environ["SOFTHSM2_CONF"] = str(self.folder / "softhsm2.conf")
        tool("softhsm2-util", "--init-token", "--free", "--label", "line-3", "--pin", "1234", "--so-pin", "5678")

    def takes_state(self, words):
        done = subprocess.run([str(self.programs / "sallyport"), *words, "--help"], capture_output=True, text=True, timeout=30, check=False)
        return "--state" in done.stdout

    def words_of(self, line):
        for there, here in (("/var/lib/sallyport", self.state), ("/usr/bin/sallyport", self.programs / "sallyport"),
                            ("/usr/lib/pkcs11/token.so", MODULE), ("/etc/sallyport/pin", self.folder / "pin")):
            line = line.replace(there, str(here))
        words = shlex.split(line)
        words = [self.fill_in.get(word, word) for word in words]
        if words[0] in ("sallyport", "sallyport-agent"):
            noun = [word for word in words[1:3] if re.fullmatch(r"[a-z-]+", word) and not word.startswith("--")]
            if words[0] == "sallyport" and "--state" not in words and any(self.takes_state(noun[:count]) for count in (2, 1) if len(noun) >= count):
                words += ["--state", str(self.state)]
            words[0] = str(self.programs / words[0])
        return words

    def type(self, line, more=()):
        """Runs a line at a terminal of its own; returns its output. Fails unless it ends with 0."""
        words = [*self.words_of(line), *more]
        pid, terminal = pty.fork()
        if pid == 0:
            os.chdir(self.folder)
            try:
                os.execvp(words[0], words)
            finally:
                os._exit(127)
        output, status = self.converse(pid, terminal)
        want(status == 0, f"`{line}` ended with {status}: {output[-300:]!r}")
        self.said[line] = output
        return output

    def type_whatever(self, line):
        """For doctor, which finds that nothing runs."""
        done = subprocess.run(self.words_of(line), cwd=self.folder, capture_output=True, text=True, timeout=SECONDS, check=False)
        self.said[line] = done.stdout
        return done.stdout

    def converse(self, pid, terminal):
        output, answered = b"", 0
        deadline = time.monotonic() + SECONDS
        while time.monotonic() < deadline:
            ready, _, _ = select.select([terminal], [], [], 0.2)
            if not ready:
                continue
            try:
                part = os.read(terminal, 65536)
            except OSError:
                break
            if not part:
                break
            output += part
            for pattern, answer in ANSWERS:
                if pattern.search(output[answered:]):
                    answered = len(output)
                    os.write(terminal, answer.encode() + b"\n")
                    break
        else:
            os.kill(pid, 9)
        _, status = os.waitpid(pid, 0)
        os.close(terminal)  # not before: the end of a terminal ends what runs at it
        return output.decode(errors="replace"), os.waitstatus_to_exitcode(status)

    def fingerprints(self, output):
        return set(re.findall(r"(?:[0-9a-f]{4} ){15}[0-9a-f]{4}", output))


@cases.carries_the_rest
def check_ceremony(desks):
    desk = desks.ceremony
    ports = ("--tls-port", str(free_port()), "--http-port", str(free_port()), "--listen-address", "127.0.0.1")
    for line in commands_of("ceremony.md"):
        desk.type(line, ports if line.startswith("sallyport init ") else ())
    said = desk.said
    shown = said["sallyport root show --root ./root"]
    signed = said["sallyport root sign --root ./root --in ./to-root --out ./from-root"]
    want("next root" in shown and len(desk.fingerprints(shown)) == 2, f"found {shown!r}, want the root's fingerprint and the next one's")
    root = re.search(r"fingerprint  ([0-9a-f ]+)", shown).group(1).replace(" ", "").strip()
    for line in (line for line in said if line.startswith("openssl")):
        by_openssl = re.search(r"Fingerprint=([0-9A-F:]+)", said[line]).group(1).replace(":", "").lower()
        want(by_openssl == root, f"`{line}` says {by_openssl}, sallyport says {root}")
    want(len(desk.fingerprints(signed)) == 6, f"found {len(desk.fingerprints(signed))} keys at the root, want 6")
    station = said["sallyport factory init --factory ./station --site acme --zone devices.example.com"]
    site = said["sallyport root sign --root ./root --in ./station/to-root --out ./signed"]
    want(desk.fingerprints(station) == desk.fingerprints(site) != set(), "the station's fingerprint is another at the root")
    want("5000 certificates in all" in said[next(line for line in said if line.startswith("sallyport factory permit"))], "the permit")
    want("root CRL number 2" in said["sallyport root crl --root ./root --days 90 --out ./root.crl"], "the next root CRL has number 2")


def check_ceremony_fingerprints_of_the_installation_are_those_at_the_root(desks):
    """The first `init` prints what the root shows: read again from another installation that was never signed."""
    desk = desks.ceremony
    desk.state = desk.folder / "unsigned"
    line = 'sallyport init --name "Other" --zone other.example.com --console-name console.example.org'
    printed = desk.fingerprints(desk.type(line))
    want(len(printed) == 6, f"found {len(printed)} fingerprints, want 6")
    signed = desk.type(f"sallyport root sign --root ./root --in {desk.state}/to-root --out ./other-root --yes")
    want(desk.fingerprints(signed) == printed, "the root shows other fingerprints than the installation")
    desk.state = desk.folder / "var-lib-sallyport"


def check_factory_line(desks):
    """But for the export over HTTPS, for which a console must run: test_factory_line has it."""
    desk = desks.ceremony
    desk.make_token()
    requests = desk.folder / "line-3"
    requests.mkdir()
    for serial_id in ("sp-1", "sp-2"):
        tool("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", requests / f"{serial_id}.key",
             "-subj", f"/CN={serial_id}", "-out", requests / f"{serial_id}.csr")
    for line in commands_of("factory-line.md"):
        if "--to https://" in line:
            continue
        desk.fill_in["./station"] = "./token-station" if "pkcs11:" in line else "./station"
        desk.type(line)
    want((requests / "sp-2.pem").exists() and (requests / "labels.html").exists(), "found no certificates or labels")
    want("2" in desk.said["sallyport site import acme --ledger acme.ledger"], "the ledger's two entries were taken in")


def check_losing_a_site(desks):
    desk = desks.ceremony
    shown = desk.type("sallyport root show --root ./root")
    desk.fill_in |= {"DIR": "./root", "4711": "1", "SERIAL": re.search(r"local-ca/acme +([0-9a-f]+)", shown).group(1)}
    for line in commands_of("losing-a-site.md"):
        desk.type(line)
    preview = next(desk.said[line] for line in desk.said if line.endswith("--preview"))
    want("1 may enrol, 1 may not" in preview, f"found {preview!r}, want what becomes of the two on the shelf")
    want('"revoked":1' in desk.type("sallyport ca list --json").replace(" ", ""), "the root CRL lists the site's CA")


def check_restoring_a_backup(desks):
    desk = desks.ceremony
    for line in commands_of("restoring-a-backup.md"):
        output = desk.type(line) if not line.startswith("sallyport doctor") else desk.type_whatever(line)
        before = re.search(r"what was there is in (\S+)", output)
        if before:
            desk.fill_in["BEFORE"] = before.group(1)
    want("BEFORE" in desk.fill_in and pathlib.Path(desk.fill_in["BEFORE"]).is_dir(), "the state that was there is not where restore said")


def check_openvpn(desks):
    """What is typed at the installation; test_openvpn runs what comes of it."""
    desk = desks.ceremony
    for line in commands_of("openvpn.md"):
        desk.type(line)
    want((desk.folder / "vpn" / "server.conf").exists() and (desk.folder / "sallyport.ovpn").exists(), "found no profiles")


def check_monitoring(desks):
    for line in commands_of("monitoring.md"):
        want("# TYPE sallyport_link_stage gauge" in desks.ceremony.type(line), f"`{line}` printed no metrics")


class Desks:
    def __init__(self, stage):
        self.ceremony = Desk(stage, "ceremony")


def main():
    with Stage(cases.arguments().build) as stage:
        return cases.run(globals(), Desks(stage))


if __name__ == "__main__":
    tempfile.tempdir = "/tmp"  # sockets below a state folder whose name says when it was replaced: a path has 107 octets at most
    sys.exit(main())
