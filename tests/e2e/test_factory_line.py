#!/usr/bin/python3
"""A day on the line: batches by folder and by list, again after a crash, as they come; labels that a scanner reads; a CA key in
a token; the ledger over HTTPS; and the search of the white-list.
"""
# test: needs=dev deadline=240
import csv
import json
import os
import pathlib
import re
import signal
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import SITE, ZONE, Stage, tool, wait_for  # noqa: E402

MODULE = "/usr/lib/softhsm/libsofthsm2.so"
TOKEN_SITE = "token-site"


class FactoryLine:
    def __init__(self, stage):
        self.stage = stage
        self.there = stage.set_up()

    def requests(self, folder, *serial_ids):
        folder.mkdir(exist_ok=True)
        for serial_id in serial_ids:
            self.request(folder / f"{serial_id}.csr", serial_id)
        return folder

    def request(self, file, common_name):
        tool("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", file.with_suffix(".key"),
             "-subj", f"/CN={common_name}", "-out", file)

    def issue(self, *more, check=True, factory=None):
        return self.there.run("factory", "issue", "--factory", factory or self.there.factory, *more, check=check)

    def issued(self):
        return self.there.read("factory", "status", "--factory", self.there.factory)["issued"]


def rows_of(file):
    with open(file, newline="") as lines:
        return list(csv.DictReader(lines))


def check_a_batch_is_done_and_again_is_the_same(line):
    folder = line.requests(line.stage.folder / "batch", "a-1", "a-2", "a-3")
    (folder / "broken.csr").write_text("not a request\n")
    done = line.issue("--batch", folder, check=False)
    want(done.returncode == 4 and "issued 3, again 0, refused 1" in done.stdout, f"found exit {done.returncode} {done.stdout!r}, want 3 issued")
    want("broken.csr" in done.stderr and "\r" not in done.stderr, f"found {done.stderr!r}, want the refused one named, no bar without a terminal")
    rows = rows_of(folder / "labels.csv")
    want([row["serial_id"] for row in rows] == ["a-1", "a-2", "a-3"], f"found {rows}")
    for row in rows:
        text = tool("openssl", "x509", "-in", folder / f"{row['serial_id']}.pem", "-noout", "-serial", "-fingerprint", "-sha256").decode()
        want(row["certificate_serial"].upper().lstrip("0") in text, f"found {text!r}, want serial {row['certificate_serial']}")
        want(row["certificate_sha256"].upper() in text.replace(":", ""), f"found {text!r}, want {row['certificate_sha256']}")
    before, kept = line.issued(), {file: file.read_bytes() for file in folder.glob("*.pem")}
    (folder / "broken.csr").unlink()
    again = line.issue("--batch", folder)
    want("issued 0, again 3, refused 0" in again.stdout and line.issued() == before, f"found {again.stdout!r}, want nothing new in the ledger")
    want(all(file.read_bytes() == content for file, content in kept.items()), "found other certificates, want the same")
    want(rows_of(folder / "labels.csv") == rows, "found another table, want the same")


def check_a_list_names_ids_and_places(line):
    folder = line.requests(line.stage.folder / "list", "x", "y", "z")
    (folder / "out").mkdir()
    (folder / "wanted.csv").write_text("serial_id,csr,certificate\r\nl-1,x.csr,out/first.pem\r\n\r\nl-2,y.csr,\r\nl-3,missing.csr\r\nl-4,z.csr\r\n")
    table = line.stage.folder / "table.csv"
    done = line.issue("--batch", folder / "wanted.csv", "--csv", table, check=False)
    want("issued 3, again 0, refused 1" in done.stdout and "line 5 (l-3)" in done.stderr, f"found {done.stdout!r} {done.stderr!r}")
    want([row["serial_id"] for row in rows_of(table)] == ["l-1", "l-2", "l-4"], f"found {rows_of(table)}")
    want((folder / "out" / "first.pem").exists() and (folder / "y.pem").exists(), "found no certificates where the list wants them")
    (folder / "wanted.csv").write_text("l-5,missing.csr\nl-6,z.csr\n")
    stopped = line.issue("--batch", folder / "wanted.csv", "--csv", table, "--stop-on-error", check=False)
    want(stopped.returncode == 4 and "issued 0, again 0, refused 1" in stopped.stdout, f"found {stopped.stdout!r}, want it to end at the first")
    for spoilt in ('"l-7",x.csr', "l-7", "L_7,x.csr", "l-7,x.csr,a,b"):
        (folder / "wanted.csv").write_text(spoilt + "\n")
        refused = line.issue("--batch", folder / "wanted.csv", check=False)
        want(refused.returncode == 1 and "line 1" in refused.stderr, f"{spoilt}: found exit {refused.returncode} {refused.stderr!r}, want the line named")


def check_labels_are_read_by_a_scanner(line):
    longest = "m" + "0123456789" * 6 + "zz"
    folder = line.requests(line.stage.folder / "labelled", "label-1", longest)
    sheet, singles = folder / "labels.html", folder / "labels"
    line.issue("--batch", folder, "--labels", sheet)
    line.issue("--batch", folder, "--labels", singles)
    drawn = re.findall(r"<svg xmlns.*</svg>", sheet.read_text())
    keys = {row["serial_id"]: row["key_sha256"] for row in rows_of(folder / "labels.csv")}
    want(len(drawn) == 2, f"found {len(drawn)} labels, want two")
    for label, serial_id in zip(drawn, ("label-1", longest)):
        want(label == (singles / f"{serial_id}.svg").read_text(), f"{serial_id}: found another label in the folder than on the sheet")
        found = scan(label, folder / "code.pbm")
        want(found == f"SALLYPORT:{SITE}/{serial_id}/{keys[serial_id][:32]}".upper(), f"{serial_id}: found {found!r} in its code")
        text = "".join(re.findall(r"<text[^>]*>([^<]*)</text>", label))
        want(serial_id in text and SITE in text, f"found {text!r}, want the id and the site")


def scan(label, file):
    """Draws the modules of the label's code and has zbar read them."""
    side = int(re.search(r'<svg x="3"[^>]*viewBox="0 0 (\d+)', label).group(1))
    modules = [[0] * side for _ in range(side)]
    for x, y, run in re.findall(r"M(\d+) (\d+)h(\d+)", label):
        for at in range(int(run)):
            modules[int(y)][int(x) + at] = 1
    scale = 6
    rows = [" ".join(str(one) for one in row for _ in range(scale)) for row in modules for _ in range(scale)]
    file.write_text(f"P1\n{side * scale} {side * scale}\n" + "\n".join(rows) + "\n")
    return tool("zbarimg", "--quiet", "--raw", file).decode().strip()


def check_a_watched_folder_is_served_as_requests_come(line):
    folder = line.requests(line.stage.folder / "watched", "w-1")
    log = open(line.stage.folder / "watch.log", "w")
    watcher = subprocess.Popen([line.there.sallyport, "factory", "issue", "--factory", str(line.there.factory), "--batch", str(folder), "--watch"],
                               stdout=log, stderr=subprocess.STDOUT, stdin=subprocess.DEVNULL)
    try:
        wait_for((folder / "w-1.pem").exists, 20, "the first certificate")
        line.request(folder / "next.tmp", "w-2")
        whole = (folder / "next.tmp").read_text()
        (folder / "w-2.csr").write_text(whole[:100])  # as it is while it is being written
        wait_for(lambda: "w-2.csr" in pathlib.Path(log.name).read_text(), 20, "the half request to be named")
        (folder / "w-2.csr").write_text(whole)
        wait_for((folder / "w-2.pem").exists, 20, "the second certificate once the request is whole")
        busy = line.there.run("factory", "status", "--factory", line.there.factory, check=False)
        want(busy.returncode == 3, f"found exit {busy.returncode} beside the watcher, want 3: the folder is in use")
    finally:
        watcher.send_signal(signal.SIGINT)
        watcher.wait(20)
        log.close()
    said = pathlib.Path(log.name).read_text()
    want("issued 2, again 0, refused 1" in said, f"found {said[-200:]!r}, want the count at the end")
    want([row["serial_id"] for row in rows_of(folder / "labels.csv")] == ["w-1", "w-2"], "found another table")


def check_a_bar_is_shown_on_a_terminal(line):
    folder = line.requests(line.stage.folder / "shown", "t-1", "t-2")
    done = subprocess.run(["script", "--quiet", "--return", "--command",
                           f"{line.there.sallyport} factory issue --factory {line.there.factory} --batch {folder}", "/dev/null"],
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=60, check=False)
    shown = done.stdout.decode(errors="replace")
    want(done.returncode == 0 and re.search(r"issuing \[#{40}\] 2/2  \d+/s, 0 s left", shown), f"found {shown[-300:]!r}, want a bar that ends at 2/2")


def check_the_ledger_goes_over_https_in_parts(line):
    there = line.there
    line.issue("--batch", line.requests(line.stage.folder / "many", *(f"many-{number}" for number in range(30))))
    want(32 < line.issued() <= 64, f"found {line.issued()} entries, want two parts of them")
    there.run("user", "add", "line-3", "--role", "operator", "--password-file", password_file(line, "line-3"), "--state", there.state)
    push = ["factory", "export", "--factory", there.factory, "--to", there.console_url, "--connect-to", f"127.0.0.1:{there.tls_port}"]
    done = there.run(*push, "--login", "line-3", "--password-file", password_file(line, "line-3"))
    want(done.stdout.startswith("sent entries 1 to "), f"found {done.stdout!r}, want all of them sent")
    again = there.run(*push, "--login", "line-3", "--password-file", password_file(line, "line-3"))
    want(again.stdout.startswith("nothing to send"), f"found {again.stdout!r}, want nothing left")
    want(there.device("a-1")["state"] == "manufactured", f"found {there.device('a-1')}, want it in the white-list")
    line.requests(line.stage.folder / "later", "later-1")
    line.issue("--batch", line.stage.folder / "later")
    there.run("user", "add", "looker", "--role", "viewer", "--password-file", password_file(line, "looker"), "--state", there.state)
    refused = there.run(*push, "--login", "looker", "--password-file", password_file(line, "looker"), check=False)
    want(refused.returncode == 4 and there.device("later-1") is None, f"found exit {refused.returncode} {refused.stderr!r} for a viewer, want 4")
    wrong = there.run(*push, "--login", "line-3", "--password-file", password_file(line, "looker"), check=False)
    want(wrong.returncode == 4, f"found exit {wrong.returncode} with another's password, want 4")
    other = there.run(*push[:5], f"https://other.localhost:{there.tls_port}", *push[6:], "--login", "line-3", "--password-file",
                      password_file(line, "line-3"), check=False)
    want(other.returncode in (4, 5), f"found exit {other.returncode} {other.stderr!r} for another server's name, want a refusal")
    there.run(*push, "--login", "line-3", "--password-file", password_file(line, "line-3"))
    want(there.device("later-1"), "found no later-1, want it sent")
    entries = [one for one in line.stage.audit("site.ledger-imported") if one["actor"] == "line-3"]
    want(len(entries) == 3, f"found {len(entries)} imports by line-3 in the audit log, want two parts and one later")


def password_file(line, name):
    file = line.stage.folder / f"password-{name}"
    if not file.exists():
        file.write_text(f"correct horse {name}\n")
        file.chmod(0o600)
    return file


def check_the_white_list_is_searched(line):
    there = line.there
    rows = rows_of(line.stage.folder / "batch" / "labels.csv")
    wanted = rows[1]
    colons = ":".join(re.findall("..", wanted["certificate_sha256"]))[:17].upper()
    for text in ("a-2", wanted["certificate_serial"], wanted["key_sha256"], wanted["certificate_sha256"][:12], colons):
        found = there.read("device", "find", text, "--state", there.state)["devices"]
        want([one["serial_id"] for one in found] == ["a-2"] and found[0]["site"] == SITE, f"{text}: found {found}, want a-2")
    many = there.read("site", "devices", SITE, "--find", "a-", "--state", there.state)["devices"]
    want([one["serial_id"] for one in many] == ["a-1", "a-2", "a-3"], f"found {many}")
    every = there.read("site", "devices", SITE, "--state", there.state)["devices"]
    want(len(every) == line.issued(), f"found {len(every)} devices, want all {line.issued()}")
    none = there.run("device", "find", "no-such", "--state", there.state, check=False)
    want(none.returncode == 1, f"found exit {none.returncode} for nothing, want 1")


def check_a_ca_key_in_a_token_issues_and_exports(line):
    there, folder = line.there, line.stage.folder / "token"
    (folder / "tokens").mkdir(parents=True)
    (folder / "softhsm2.conf").write_text(f"directories.tokendir = {folder / 'tokens'}\nobjectstore.backend = file\nlog.level = ERROR\n")
    os.environ["SOFTHSM2_CONF"] = str(folder / "softhsm2.conf")
    tool("softhsm2-util", "--init-token", "--free", "--label", "line 3", "--so-pin", "12345678", "--pin", "2468")
    for name, pin in (("pin", "2468"), ("wrong", "1111")):
        (folder / name).write_text(pin + "\n")
        (folder / name).chmod(0o600)
    uri = f"pkcs11:token=line%203;object=local-ca?module-path={MODULE}&pin-source=file:{folder / 'pin'}"
    station, signed = folder / "station", folder / "signed"
    init = ["factory", "init", "--factory", station, "--site", TOKEN_SITE, "--zone", ZONE, "--key"]
    there.run(*init, uri)
    there.run(*init, uri)
    want(there.run(*init, uri.replace("local-ca", "other"), check=False).returncode == 1, "found another key taken by a station that has one")
    want(not (station / "ca.key").exists() and not (station / "secret").exists(), "found a key file, want the key in the token alone")
    there.run("root", "sign", "--root", there.root, "--in", station / "to-root", "--out", signed, "--passphrase-file", there.passphrase_file, "--yes")
    certificate = signed / f"local-ca-{TOKEN_SITE}.pem"
    there.run("site", "add", TOKEN_SITE, "--state", there.state, "--certificate", certificate, "--count", 10, "--out", folder / "permit")
    there.run("factory", "permit", "--factory", station, "--permit", folder / "permit", "--certificate", certificate,
              "--root-certificate", there.state / "trust" / "root.pem")
    batch = line.requests(folder / "batch", "hsm-1", "hsm-2")
    want("issued 2" in line.issue("--batch", batch, factory=station).stdout, "found no certificates from the token")
    tool("openssl", "verify", "-x509_strict", "-CAfile", there.root / "root.pem", "-untrusted", certificate, batch / "hsm-1.pem")
    there.run("factory", "export", "--factory", station, "--out", folder / "token.ledger")
    done = there.run("site", "import", TOKEN_SITE, "--ledger", folder / "token.ledger", "--state", there.state)
    want(done.stdout.startswith("2 new devices"), f"found {done.stdout!r}, want the token's signature accepted")
    text = (station / "factory.toml").read_text()
    (station / "factory.toml").write_text(text.replace(str(folder / "pin"), str(folder / "wrong")))
    refused = there.run("factory", "status", "--factory", station, check=False)
    want(refused.returncode == 4 and "wrong PIN" in refused.stderr, f"found exit {refused.returncode} {refused.stderr!r}, want the PIN refused")
    (station / "factory.toml").write_text(text)
    (folder / "tokens").rename(folder / "gone")
    away = there.run("factory", "status", "--factory", station, check=False)
    want(away.returncode != 0 and len(away.stderr.strip().splitlines()) == 1, f"found exit {away.returncode} {away.stderr!r} without the token, want one sentence")


def check_long_ledgers_come_in_as_a_folder(line):
    """Two exports, the later one first by name."""
    there, folder = line.there, line.stage.folder / "parts"
    folder.mkdir()
    line.requests(line.stage.folder / "parts-1", "p-1")
    line.issue("--batch", line.stage.folder / "parts-1")
    first = line.issued() - 1
    there.run("factory", "export", "--factory", there.factory, "--after", first, "--out", folder / "z.ledger")
    line.requests(line.stage.folder / "parts-2", "p-2")
    line.issue("--batch", line.stage.folder / "parts-2")
    there.run("factory", "export", "--factory", there.factory, "--after", first + 1, "--out", folder / "a.ledger")
    findings = there.run("site", "reconcile", SITE, "--ledger", folder / "a.ledger", "--state", there.state, "--json", check=False)
    told = json.loads(findings.stdout)["findings"]
    want([(one["fault"], one["sequence"]) for one in told] == [("gap", first + 1)], f"found {told}, want the missing part named")
    want(there.read("site", "reconcile", SITE, "--ledger", folder, "--state", there.state)["findings"] == [], "found findings, want none for both")
    done = there.run("site", "import", SITE, "--ledger", folder, "--state", there.state)
    want(done.stdout.startswith("2 new devices"), f"found {done.stdout!r}, want both parts taken in")
    piped = subprocess.run([there.sallyport, "site", "import", SITE, "--ledger", "-", "--state", str(there.state)],
                           stdin=open(folder / "a.ledger", "rb"), capture_output=True, text=True, timeout=60, check=False)
    want(piped.stdout.startswith("0 new devices"), f"found {piped.stdout!r} {piped.stderr!r} from standard input, want nothing new")


def check_an_export_of_the_largest_size_reaches_the_authority(line):
    """10,000 entries are some 10 MB, of which 13 arrive as an order's text: what is refused is refused for what it is."""
    file = line.stage.folder / "large.ledger"
    file.write_bytes(bytes(10_000_000))
    done = line.there.run("site", "import", SITE, "--ledger", file, "--state", line.there.state, check=False)
    want(done.returncode != 0 and "ledger" in done.stderr and "rpc" not in done.stderr, f"found exit {done.returncode} {done.stderr!r}, want the ledger refused")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), FactoryLine(the_stage))
    sys.exit(outcome)
