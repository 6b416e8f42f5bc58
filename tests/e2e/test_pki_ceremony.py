#!/usr/bin/python3
"""The ceremonies of an installation with the real program: root, init, site, factory, ledger; every certificate that comes
out is verified by OpenSSL and GnuTLS as well.

Run as: /usr/bin/python3 test_pki_ceremony.py --build BUILD_DIR
Prints "ok NAME" or "FAIL NAME: reason" for each step; exits 0 when all are ok.
"""
import argparse
import glob
import hashlib
import json
import os
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile

ZONE, CONSOLE, NAME, SITE = "devices.localhost", "console.localhost", "Acme Machines", "acme"
CAS = ["online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca"]
LIMIT_SECONDS = 60
FAILED, USAGE, STATE, REFUSED = 1, 2, 3, 4


class Failure(Exception):
    pass


def require(holds, reason):
    if not holds:
        raise Failure(reason)


class Ceremony:
    """A temporary folder and the program; steps are methods, run in the order of STEPS."""

    def __init__(self, program, folder):
        self.program, self.folder = program, pathlib.Path(folder)
        self.secret_file("passphrase", "root passphrase\n")
        self.secret_file("wrong", "root passphras\n")

    def secret_file(self, name, text):
        descriptor = os.open(self.folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w") as file:
            file.write(text)

    def raw(self, *arguments):
        return subprocess.run([self.program, *arguments], cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                              stderr=subprocess.PIPE, text=True, timeout=LIMIT_SECONDS, start_new_session=True)

    def run(self, *arguments):
        done = self.raw(*arguments)
        require(done.returncode == 0, "%s: exit %d: %s" % (" ".join(arguments), done.returncode, done.stderr.strip()))
        return done.stdout

    def refused(self, status, words, *arguments):
        """The command must end with `status` and exactly one line on standard error that has `words`."""
        done = self.raw(*arguments)
        what = " ".join(arguments)
        require(done.returncode == status, "%s: found exit %d, want %d: %s" % (what, done.returncode, status, done.stderr.strip()))
        lines = done.stderr.strip().splitlines()
        require(len(lines) == 1 and lines[0].startswith("sallyport: "), "%s: found %r, want one sentence" % (what, done.stderr))
        require(words in lines[0], "%s: found %r, want %r in it" % (what, lines[0], words))

    def tool(self, *command):
        done = subprocess.run(command, cwd=self.folder, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=LIMIT_SECONDS)
        return done.returncode == 0, done.stdout.strip()

    def init(self, *more, state="installation", name=NAME, zone=ZONE):
        return ("init", "--state", state, "--name", name, "--zone", zone, "--console-name", CONSOLE, *more)

    def root(self, *words):
        return ("root", *words, "--root", "root", "--passphrase-file", "passphrase")

    def request(self, serial_id, key=None):
        """A device's key and request, made by OpenSSL."""
        key = key or serial_id
        if not (self.folder / (key + ".key")).exists():
            require(self.tool("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key + ".key")[0], "openssl genpkey")
        require(self.tool("openssl", "req", "-new", "-key", key + ".key", "-subj", "/CN=" + serial_id, "-out", serial_id + ".csr")[0], "openssl req")
        return serial_id + ".csr"

    def verify(self, leaf, intermediates, purpose=None):
        """OpenSSL strictly, then GnuTLS, up to the root."""
        command = ["openssl", "verify", "-x509_strict", "-check_ss_sig", "-CAfile", "root/root.pem"]
        for each in intermediates:
            command += ["-untrusted", each]
        if purpose:
            command += ["-purpose", purpose]
        ok, text = self.tool(*command, leaf)
        require(ok, "openssl verify %s: %s" % (leaf, text))
        first = self.first_certificate(leaf)
        chain = first + "".join((self.folder / each).read_text() for each in intermediates)
        (self.folder / "chain.pem").write_text(chain)
        ok, text = self.tool("certtool", "--verify", "--load-ca-certificate", "root/root.pem", "--infile", "chain.pem")
        require(ok and "not trusted" not in text, "certtool --verify %s: %s" % (leaf, text))

    def first_certificate(self, file):
        end = "-----END CERTIFICATE-----\n"
        return (self.folder / file).read_text().split(end)[0] + end

    # ------------------------------------------------------------------------------------------------------- steps

    def help_has_an_example_for_every_command(self):
        for words in ("root init", "root sign", "root crl", "root show", "init", "site add", "site import", "site list", "factory init",
                      "factory permit", "factory issue", "factory export", "factory status", "serve signer"):
            text = self.run(*words.split(), "--help")
            require("Example:" in text and "sallyport " + words in text, "%s --help has no example" % words)

    def documentation_is_what_the_programs_say(self):
        tools = pathlib.Path(__file__).resolve().parents[2] / "tools"
        sys.dont_write_bytecode = True
        sys.path.insert(0, str(tools))
        import write_cli_doc
        for program in (pathlib.Path(self.program), pathlib.Path(self.program).with_name("sallyport-agent")):
            document = write_cli_doc.document_of(program)
            present, wanted = document.read_text().splitlines(), write_cli_doc.written_of(program).splitlines()
            differs = next((line for line in wanted if line not in present), None) or next((line for line in present if line not in wanted), None)
            require(present == wanted, "docs/operate/%s is not what --help says (%r): run tools/write_cli_doc.py" % (document.name, differs))

    def usage_errors_end_with_2(self):
        for words in (["root"], ["root", "init"], ["no-such-command"], ["root", "show", "--root", "root", "--no-such-option"], []):
            done = self.raw(*words)
            require(done.returncode == USAGE and done.stderr.startswith("sallyport: usage: "), "%r: exit %d: %s" % (words, done.returncode, done.stderr))

    def root_init(self):
        self.run(*self.root("init"), "--name", NAME)
        self.verify("root/root.pem", [])
        ok, text = self.tool("openssl", "crl", "-in", "root/root.crl", "-CAfile", "root/root.pem", "-noout")
        require(ok and "verify OK" in text, "openssl crl: " + text)
        modes = {name: os.stat(self.folder / "root" / name).st_mode & 0o777 for name in ("root.key", "next-root.key", "journal")}
        require(set(modes.values()) == {0o600}, "found modes %r" % modes)

    def root_double_init_is_refused(self):
        before = (self.folder / "root/root.pem").read_bytes()
        self.refused(FAILED, "holds a root already", *self.root("init"), "--name", NAME)
        require((self.folder / "root/root.pem").read_bytes() == before, "root.pem changed")

    def passphrase_file_open_to_others_is_refused(self):
        (self.folder / "open").write_text("root passphrase\n")
        os.chmod(self.folder / "open", 0o644)
        self.refused(REFUSED, "", "root", "crl", "--root", "root", "--passphrase-file", "open", "--out", "x.crl")

    def missing_terminal_is_one_sentence(self):
        self.refused(REFUSED, "no terminal", "root", "crl", "--root", "root", "--out", "x.crl")

    def missing_state_folder_ends_with_3(self):
        self.refused(STATE, "", "root", "show", "--root", "nowhere")
        self.refused(STATE, "", "site", "list", "--state", "nowhere")
        self.refused(STATE, "", "factory", "status", "--factory", "nowhere")

    def init_asks_the_root(self):
        text = self.run(*self.init())
        require("root sign" in text, "init does not say what to do next: " + text)
        for ca in CAS:
            ok, out = self.tool("openssl", "req", "-in", "installation/to-root/%s.csr" % ca, "-verify", "-noout")
            require(ok, "openssl req %s: %s" % (ca, out))
        require(not glob.glob(str(self.folder / "installation/from-root/*")), "from-root is not empty")

    def wrong_passphrase_is_refused(self):
        command = ("root", "sign", "--root", "root", "--in", "installation/to-root", "--out", "installation/from-root", "--yes")
        self.refused(REFUSED, "wrong passphrase", *command, "--passphrase-file", "wrong")
        require(not (self.folder / "installation/from-root/online-ca.pem").exists(), "something was signed")

    def root_sign_asks_before_it_signs(self):
        self.refused(REFUSED, "--yes", *self.root("sign"), "--in", "installation/to-root", "--out", "installation/from-root")

    def root_signs(self):
        text = self.run(*self.root("sign"), "--in", "installation/to-root", "--out", "installation/from-root", "--yes")
        for word in (*CAS, ZONE, CONSOLE, "gateway." + ZONE):
            require(word in text, "the operator is not shown " + word)
        for ca in CAS:
            self.verify("installation/from-root/%s.pem" % ca, [])

    def root_signs_the_same_again(self):
        before = [(self.folder / "installation/from-root" / (ca + ".pem")).read_bytes() for ca in CAS]
        self.run(*self.root("sign"), "--in", "installation/to-root", "--out", "installation/from-root", "--yes")
        require(before == [(self.folder / "installation/from-root" / (ca + ".pem")).read_bytes() for ca in CAS], "certificates changed")

    def root_signs_no_other_kind(self):
        shutil.copytree(self.folder / "installation/to-root", self.folder / "strange")
        os.rename(self.folder / "strange/online-ca.csr", self.folder / "strange/gateway.csr")
        self.refused(REFUSED, "gateway.csr", *self.root("sign"), "--in", "strange", "--out", "strange-out", "--yes")
        require(not (self.folder / "strange-out").exists(), "something was signed")

    def foreign_certificate_is_refused(self):
        folder = self.folder / "installation/from-root"
        own = (folder / "web-ca.pem").read_bytes()
        (folder / "web-ca.pem").write_bytes((folder / "online-ca.pem").read_bytes())
        self.refused(REFUSED, "web-ca.pem", *self.init())
        require(not (self.folder / "installation/trust/root.pem").exists(), "something was installed")
        (folder / "web-ca.pem").write_bytes(own)

    def answer_of_another_root_is_refused(self):
        self.run("root", "init", "--root", "other-root", "--name", NAME, "--passphrase-file", "passphrase")
        folder = self.folder / "installation/from-root"
        shutil.copytree(folder, self.folder / "kept")
        (folder / "root.pem").write_bytes((self.folder / "other-root/root.pem").read_bytes())
        self.refused(REFUSED, "", *self.init())
        shutil.rmtree(folder)
        shutil.copytree(self.folder / "kept", folder)

    def init_goes_on(self):
        text = self.run(*self.init())
        require("password" in text and "ready" in text, "init did not finish: " + text)
        for ca in CAS:
            self.verify("installation/trust/%s.pem" % ca, [])
        for kind in ("grant", "snapshot", "permit"):
            self.verify("installation/signer/control-%s.pem" % kind, ["installation/trust/control-ca.pem"])
        for file in ("secret", *("signer/%s.key" % ca for ca in CAS), "signer/control-grant.key"):
            require(os.stat(self.folder / "installation" / file).st_mode & 0o077 == 0, file + " is open to others")

    def init_again_changes_nothing(self):
        before = self.digest_of("installation/signer", "installation/trust", "installation/secret", "installation/sallyport.toml")
        text = self.run(*self.init())
        require("password" not in text, "a second password was shown")
        require(before == self.digest_of("installation/signer", "installation/trust", "installation/secret", "installation/sallyport.toml"), "files changed")

    def init_of_another_installation_is_refused(self):
        self.refused(FAILED, "another installation", *self.init(name="Other"))
        self.refused(FAILED, "another installation", *self.init(zone="other.localhost"))

    def init_killed_anywhere_is_resumed(self):
        """The process is killed after ever longer times; each next run goes on from what is there."""
        command = [self.program, *self.init("--root", "root", "--root-passphrase-file", "passphrase", state="killed")]
        delay, finished = 0.01, False
        for _ in range(40):
            process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
            try:
                out, error = process.communicate(timeout=delay)
                finished = process.returncode == 0
                require(finished, "a resumed init failed: " + error)
                break
            except subprocess.TimeoutExpired:
                process.send_signal(signal.SIGKILL)
                process.communicate()
                delay *= 1.3
        require(finished, "init never finished")
        self.run(*self.init(state="killed"))
        require(json.loads(self.run("site", "list", "--state", "killed", "--json")) == {"sites": []}, "the database does not answer")

    def state_of_another_version(self, folder, version):
        """A copy of the installation that says it has this version."""
        shutil.copytree(self.folder / "installation", self.folder / folder)
        file = self.folder / folder / "version"
        require(file.read_text() == "sallyport-state installation 3\n", "found version file %r" % file.read_text())
        file.write_text("sallyport-state installation %d\n" % version)
        return self.digest_of(folder)

    def newer_state_is_refused(self):
        before = self.state_of_another_version("newer", 4)
        self.refused(STATE, "version", *self.init(state="newer"))
        self.refused(STATE, "version", "site", "list", "--state", "newer")
        require(before == self.digest_of("newer"), "files changed")

    def state_of_the_old_identifiers_is_refused(self):
        before = self.state_of_another_version("older", 1)
        for command in (self.init(state="older"), ("site", "list", "--state", "older")):
            self.refused(STATE, "found version 1, want 3 or newer; this program cannot use it, begin a new folder", *command)
        require(before == self.digest_of("older"), "files changed")

    def locked_state_is_refused(self):
        import fcntl
        with open(self.folder / "installation/lock", "r+") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            self.refused(STATE, "", "site", "list", "--state", "installation")

    def unknown_configuration_key_is_named(self):
        file = self.folder / "installation/sallyport.toml"
        text = file.read_text()
        file.write_text(text.replace("http_port", "htp_port"))
        self.refused(FAILED, "did you mean 'http_port'", *self.init())
        file.write_text(text)

    def factory_init(self):
        self.run("factory", "init", "--factory", "station", "--site", SITE, "--zone", ZONE)
        self.run("factory", "init", "--factory", "station", "--site", SITE, "--zone", ZONE)
        self.refused(FAILED, "another site", "factory", "init", "--factory", "station", "--site", "other", "--zone", ZONE)
        self.run(*self.root("sign"), "--in", "station/to-root", "--out", "for-station", "--yes")
        self.verify("for-station/local-ca-%s.pem" % SITE, [])

    def factory_without_permit_issues_nothing(self):
        self.refused(REFUSED, "no permit", "factory", "issue", "--factory", "station", "--csr", self.request("m-0001"), "--out", "m-0001.pem")
        require(not (self.folder / "m-0001.pem").exists(), "a certificate came out")

    def site_add(self):
        require("factory init" in self.run("site", "add", SITE, "--state", "installation"), "no hint what to do")
        self.refused(REFUSED, "", "site", "add", SITE, "--state", "installation", "--certificate", "installation/trust/web-ca.pem", "--count", "4")
        self.refused(REFUSED, "", "site", "add", "other", "--state", "installation", "--certificate", "for-station/local-ca-acme.pem", "--count", "4")
        self.run("site", "add", SITE, "--state", "installation", "--certificate", "for-station/local-ca-acme.pem", "--count", "4", "--out", "acme.permit")

    def foreign_permit_is_refused(self):
        arguments = ("factory", "permit", "--factory", "station", "--certificate", "for-station/local-ca-acme.pem")
        self.refused(REFUSED, "", *arguments, "--permit", "acme.permit", "--root-certificate", "other-root/root.pem")
        spoilt = bytearray((self.folder / "acme.permit").read_bytes())
        spoilt[-1] ^= 1
        (self.folder / "spoilt.permit").write_bytes(spoilt)
        self.refused(REFUSED, "permit", *arguments, "--permit", "spoilt.permit", "--root-certificate", "root/root.pem")
        self.run(*arguments, "--permit", "acme.permit", "--root-certificate", "root/root.pem")

    def factory_issue(self):
        self.run("factory", "issue", "--factory", "station", "--csr", self.request("m-0001"), "--out", "m-0001.pem")
        self.verify("m-0001.pem", ["for-station/local-ca-acme.pem"], "sslclient")
        ok, _ = self.tool("openssl", "verify", "-CAfile", "root/root.pem", "-untrusted", "for-station/local-ca-acme.pem", "-purpose", "sslserver", "m-0001.pem")
        require(not ok, "OpenSSL takes a factory certificate for a server's")
        ok, text = self.tool("openssl", "x509", "-in", "m-0001.pem", "-noout", "-ext", "subjectAltName")
        require("DNS:m-0001.acme.factory." + ZONE in text, "found " + text)

    def factory_issues_the_same_again(self):
        self.run("factory", "issue", "--factory", "station", "--csr", "m-0001.csr", "--out", "again.pem")
        require((self.folder / "again.pem").read_bytes() == (self.folder / "m-0001.pem").read_bytes(), "another certificate")

    def factory_refuses_what_was_used(self):
        self.refused(FAILED, "issued before", "factory", "issue", "--factory", "station", "--csr", self.request("m-0001", key="second"), "--out", "x.pem")
        self.refused(FAILED, "key was certified", "factory", "issue", "--factory", "station", "--csr", self.request("m-0099", key="m-0001"), "--out", "x.pem")
        require(not (self.folder / "x.pem").exists(), "a certificate came out")

    def factory_refuses_foreign_names(self):
        self.request("plain")
        for name in ("m-1.other.factory." + ZONE, "gateway." + ZONE, "*.acme.factory." + ZONE):
            ok, text = self.tool("openssl", "req", "-new", "-key", "plain.key", "-subj", "/CN=m-1", "-addext", "subjectAltName=DNS:" + name, "-out", "foreign.csr")
            require(ok, text)
            done = self.raw("factory", "issue", "--factory", "station", "--csr", "foreign.csr", "--out", "x.pem")
            require(done.returncode in (FAILED, REFUSED) and not (self.folder / "x.pem").exists(), "%s: exit %d" % (name, done.returncode))

    def factory_batch(self):
        batch = self.folder / "batch"
        batch.mkdir()
        for serial_id in ("b-1", "b-2", "m-0001"):
            shutil.copy(self.folder / self.request(serial_id, key="batch-" + serial_id), batch)
        done = self.raw("factory", "issue", "--factory", "station", "--batch", "batch")
        require(done.returncode == REFUSED and "issued 2, again 0, refused 1" in done.stdout, "exit %d: %s" % (done.returncode, done.stdout))
        require("\r" not in done.stderr, "a progress bar without a terminal")
        labels = (batch / "labels.csv").read_text().splitlines()
        require(labels[0] == "sequence,serial_id,certificate_serial,key_sha256,certificate_sha256,issued_at" and [line.split(",")[1] for line in labels[1:]] == ["b-1", "b-2"], "found %r" % labels)
        for serial_id in ("b-1", "b-2"):
            self.verify("batch/%s.pem" % serial_id, ["for-station/local-ca-acme.pem"], "sslclient")

    def factory_killed_anywhere_keeps_its_ledger(self):
        """A batch is killed after ever longer times: every certificate that is outside is in the ledger."""
        killed, count = self.folder / "killed-batch", 24
        killed.mkdir()
        said = self.run("site", "permit", SITE, "--state", "installation", "--count", "100", "--quota", "100", "--days", "30", "--out", "more.permit")
        require("may issue 100 certificates" in said and "permit 2 in" in said, "found " + said)
        self.run("factory", "permit", "--factory", "station", "--permit", "more.permit", "--certificate", "for-station/local-ca-acme.pem", "--root-certificate", "root/root.pem")
        for i in range(count):
            shutil.copy(self.folder / self.request("k-%02d" % i), killed)
        command = [self.program, "factory", "issue", "--factory", "station", "--batch", "killed-batch"]
        delay, runs = 0.02, 0
        while True:
            runs += 1
            require(runs < 60, "the batch never finished")
            process = subprocess.Popen(command, cwd=self.folder, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
            try:
                process.communicate(timeout=delay)
                done = True
            except subprocess.TimeoutExpired:
                process.kill()
                process.communicate()
                delay, done = delay * 1.15, False
            outside = len(glob.glob(str(killed / "*.pem")))
            issued = json.loads(self.run("factory", "status", "--factory", "station", "--json"))["issued"]
            require(issued >= 3 + outside, "%d certificates are outside, the ledger has %d" % (3 + outside, issued))
            if done:
                break
        require(outside == count and issued == 3 + count, "found %d outside and %d in the ledger, want %d more" % (outside, issued, count))

    def permit_is_a_limit(self):
        self.run("factory", "init", "--factory", "small", "--site", "small", "--zone", ZONE)
        self.run(*self.root("sign"), "--in", "small/to-root", "--out", "for-small", "--yes")
        self.run("site", "add", "small", "--state", "installation", "--certificate", "for-small/local-ca-small.pem", "--count", "1", "--out", "small.permit")
        self.run("factory", "permit", "--factory", "small", "--permit", "small.permit", "--certificate", "for-small/local-ca-small.pem", "--root-certificate", "root/root.pem")
        self.run("factory", "issue", "--factory", "small", "--csr", self.request("s-1"), "--out", "s-1.pem")
        self.refused(FAILED, "all 1 certificates", "factory", "issue", "--factory", "small", "--csr", self.request("s-2"), "--out", "s-2.pem")
        self.refused(REFUSED, "", "factory", "permit", "--factory", "small", "--permit", "acme.permit", "--certificate", "for-small/local-ca-small.pem",
                     "--root-certificate", "root/root.pem")

    def ledger_comes_in(self):
        self.run("factory", "export", "--factory", "station", "--out", "acme.ledger")
        text = self.run("site", "import", SITE, "--state", "installation", "--ledger", "acme.ledger")
        require(text.startswith("27 new devices"), "found " + text)
        text = self.run("site", "import", SITE, "--state", "installation", "--ledger", "acme.ledger")
        require(text.startswith("0 new devices"), "found " + text)
        sites = {site["name"]: site for site in json.loads(self.run("site", "list", "--state", "installation", "--json"))["sites"]}
        require(sites[SITE]["issued"] == 27 and sites[SITE]["permitted"] == 100, "found %r" % sites[SITE])

    def spoilt_or_foreign_ledger_is_refused(self):
        self.run("factory", "export", "--factory", "small", "--out", "small.ledger")
        for site, file in (("small", "acme.ledger"), (SITE, "small.ledger")):
            done = self.raw("site", "import", site, "--state", "installation", "--ledger", file)
            require(done.returncode in (FAILED, REFUSED), "%s as %s: exit %d" % (file, site, done.returncode))
        spoilt = bytearray((self.folder / "small.ledger").read_bytes())
        spoilt[len(spoilt) // 2] ^= 1
        (self.folder / "spoilt.ledger").write_bytes(spoilt)
        require(self.raw("site", "import", "small", "--state", "installation", "--ledger", "spoilt.ledger").returncode in (FAILED, REFUSED), "a spoilt ledger came in")
        self.run("site", "import", "small", "--state", "installation", "--ledger", "small.ledger")

    def station_with_a_lost_entry_is_found_out(self):
        ledger = self.folder / "small/ledger.bin"
        whole = ledger.read_bytes()
        spoilt = bytearray(whole)
        spoilt[40] ^= 1
        ledger.write_bytes(spoilt)
        self.refused(STATE, "backup", "factory", "status", "--factory", "small")
        ledger.write_bytes(whole)

    def root_crl_numbers_rise(self):
        cas = {ca["ca"]: ca["serial"] for ca in json.loads(self.run("root", "show", "--root", "root", "--json"))["cas"]}
        self.refused(FAILED, "35", *self.root("crl"), "--days", "10", "--out", "new.crl")
        self.run(*self.root("crl"), "--revoke", cas["local-ca/small"], "--reason", "key-compromise", "--out", "new.crl")
        self.run(*self.root("crl"), "--days", "35", "--out", "newer.crl")
        numbers = []
        for file in ("new.crl", "newer.crl"):
            ok, text = self.tool("openssl", "crl", "-in", file, "-CAfile", "root/root.pem", "-noout", "-crlnumber")
            require(ok and "verify OK" in text, text)
            numbers.append(int([line for line in text.splitlines() if line.startswith("crlNumber")][0].split("=")[1], 16))
        require(numbers == [2, 3], "found %r" % numbers)
        ok, text = self.tool("openssl", "verify", "-CAfile", "root/root.pem", "-CRLfile", "newer.crl", "-crl_check", "for-small/local-ca-small.pem")
        require(not ok and "revoked" in text, text)
        ok, text = self.tool("openssl", "verify", "-CAfile", "root/root.pem", "-CRLfile", "newer.crl", "-crl_check", "for-station/local-ca-acme.pem")
        require(ok, text)

    def bring_your_own_root(self):
        (self.folder / "own.cnf").write_text("[req]\ndistinguished_name=dn\nprompt=no\nx509_extensions=v3\n[dn]\nCN=Our Own Root\n[v3]\nbasicConstraints=critical,CA:TRUE\n"
                                             "keyUsage=critical,keyCertSign,cRLSign\nsubjectKeyIdentifier=hash\n")
        ok, text = self.tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", "own.key", "-config", "own.cnf",
                             "-days", "7000", "-out", "own.pem")
        require(ok, text)
        os.chmod(self.folder / "own.key", 0o600)
        own = ("root", "init", "--root", "own-root", "--name", "Own", "--passphrase-file", "passphrase")
        self.refused(REFUSED, "another key", *own, "--key", "m-0001.key", "--certificate", "own.pem")
        self.run(*own, "--key", "own.key", "--certificate", "own.pem")
        self.run(*self.init("--root", "own-root", "--root-passphrase-file", "passphrase", state="own-installation"))
        ok, text = self.tool("openssl", "verify", "-x509_strict", "-CAfile", "own.pem", "own-installation/trust/server-ca.pem")
        require(ok, text)

    def signer_serves_its_authority_alone(self):
        process = subprocess.Popen([self.program, "serve", "signer", "--state", "installation", "--authority-uid", str(os.getuid())], cwd=self.folder,
                                   stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
        try:
            for line in process.stderr:
                if "signer.serving" in line:
                    break
            require(process.poll() is None, "the signer did not start")
            status = pathlib.Path("/proc/%d/status" % process.pid).read_text()
            fields = dict(line.split(":\t", 1) for line in status.splitlines() if ":\t" in line)
            require(fields["NoNewPrivs"] == "1" and fields["Seccomp"] == "2", "found NoNewPrivs %s, Seccomp %s" % (fields["NoNewPrivs"], fields["Seccomp"]))
            # A request of no known kind is answered with an error, and the signer lives on.
            with socket.socket(socket.AF_UNIX) as client:
                client.settimeout(LIMIT_SECONDS)
                client.connect(str(self.folder / "installation/run/signer.sock"))
                body = (7).to_bytes(8, "big") + b"\x01" + b"garbage"
                client.sendall(len(body).to_bytes(4, "big") + body)
                answer = client.recv(4096)
                require(answer[4:12] == (7).to_bytes(8, "big"), "found answer %r" % answer)
            process.send_signal(signal.SIGTERM)
            require(process.wait(3) == 0, "SIGTERM: exit %d" % process.returncode)
        finally:
            if process.poll() is None:
                process.kill()
            process.stderr.close()
            process.wait()

    def digest_of(self, *paths):
        """SHA-256 of every file below the paths, database and lock apart."""
        found = {}
        for path in paths:
            top = self.folder / path
            for file in [top] if top.is_file() else sorted(top.rglob("*")):
                if file.is_file() and file.suffix not in (".db", ".lock") and not file.name.startswith("authority.db") and file.name != "lock":
                    found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
        return found


STEPS = ["help_has_an_example_for_every_command", "documentation_is_what_the_programs_say", "usage_errors_end_with_2", "root_init", "root_double_init_is_refused",
         "passphrase_file_open_to_others_is_refused", "missing_terminal_is_one_sentence", "missing_state_folder_ends_with_3", "init_asks_the_root",
         "wrong_passphrase_is_refused", "root_sign_asks_before_it_signs", "root_signs", "root_signs_the_same_again", "root_signs_no_other_kind",
         "foreign_certificate_is_refused", "answer_of_another_root_is_refused", "init_goes_on", "init_again_changes_nothing",
         "init_of_another_installation_is_refused", "init_killed_anywhere_is_resumed", "newer_state_is_refused",
         "state_of_the_old_identifiers_is_refused", "locked_state_is_refused",
         "unknown_configuration_key_is_named", "factory_init", "factory_without_permit_issues_nothing", "site_add", "foreign_permit_is_refused",
         "factory_issue", "factory_issues_the_same_again", "factory_refuses_what_was_used", "factory_refuses_foreign_names", "factory_batch",
         "factory_killed_anywhere_keeps_its_ledger", "permit_is_a_limit", "ledger_comes_in", "spoilt_or_foreign_ledger_is_refused",
         "station_with_a_lost_entry_is_found_out", "root_crl_numbers_rise", "bring_your_own_root", "signer_serves_its_authority_alone"]


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", required=True)
    program = os.path.abspath(os.path.join(parser.parse_args().build, "apps", "sallyport"))
    failed = 0
    with tempfile.TemporaryDirectory(prefix="sp-", dir="/tmp") as folder:
        ceremony = Ceremony(program, folder)
        for step in STEPS:
            try:
                getattr(ceremony, step)()
                print("ok " + step, flush=True)
            except (Failure, subprocess.TimeoutExpired, OSError, ValueError, KeyError) as error:
                failed += 1
                print("FAIL %s: %s" % (step, str(error).replace("\n", " | ")), flush=True)
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
