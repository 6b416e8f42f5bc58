"""Six verifiers of X.509 chains behind one question: OpenSSL, GnuTLS, NSS, Go, Java and ours.

    six = Verifiers(build, scratch_folder)
    verdicts = six.ask(root_pem, [Case("good", "client", "m-1.a.factory.x", [leaf_pem, ca_pem])])

Each Verdict says whether the chain was accepted and, if not, why in the verifier's own words.
"""
import dataclasses
import os
import pathlib
import shutil
import subprocess

from cases import want

LIMIT_SECONDS = 120  # Go compiles a part of its library the first time
PROGRAMS = pathlib.Path(__file__).resolve().parents[1] / "e2e" / "verifiers"
OPENSSL_PURPOSE = {"client": "sslclient", "server": "sslserver"}
GNUTLS_PURPOSE = {"client": "1.3.6.1.5.5.7.3.2", "server": "1.3.6.1.5.5.7.3.1"}
NSS_USAGE = {"client": "C", "server": "V"}
NAMES = ("OpenSSL", "GnuTLS", "NSS", "Go", "Java", "Sallyport")
# How each says that a name is outside the constraints of a CA.
NAME_CONSTRAINT = {"OpenSSL": "permitted subtree violation", "GnuTLS": "violates the signer's constraints",
                   "NSS": "not permitted to issue a certificate with this name", "Go": "refused name-constraint",
                   "Java": "refused INVALID_NAME", "Sallyport": "refused name_constraint"}


@dataclasses.dataclass(frozen=True)
class Case:
    title: str
    purpose: str  # what the leaf is shown as: client or server
    name: str  # the one DNS name it claims
    zone: str
    chain: tuple  # PEM files, leaf first, without the root


@dataclasses.dataclass(frozen=True)
class Verdict:
    accepted: bool
    words: str


class Verifiers:
    def __init__(self, build, scratch):
        self.build, self.scratch = pathlib.Path(build), pathlib.Path(scratch)
        # Debian's own: others may come first in PATH.
        for program in ("openssl", "certtool", "certutil", "/usr/bin/go", "java"):
            want(shutil.which(program), "no program %s: tools/packages.sh install test" % program)
        self.go = self._built_go()

    def ask(self, root, asked):
        """{verifier: {title: Verdict}}"""
        found = {name: {} for name in NAMES}
        for number, case in enumerate(asked):
            folder = self.scratch / ("case-%d" % number)
            folder.mkdir()
            (folder / "chain.pem").write_text("".join(file.read_text() for file in case.chain))
            found["OpenSSL"][case.title] = self._openssl(root, case)
            found["GnuTLS"][case.title] = self._gnutls(root, case, folder / "chain.pem")
            found["NSS"][case.title] = self._nss(root, case, folder)
        chains = [self.scratch / ("case-%d" % number) / "chain.pem" for number in range(len(asked))]
        foreign = [word for case, chain in zip(asked, chains) for word in (case.purpose, case.name, chain)]
        own = [word for case, chain in zip(asked, chains)
               for word in (("factory-device", case.zone, chain) if case.purpose == "client" else ("foreign-server", case.name, chain))]
        for name, command, words in (("Go", [self.go], foreign), ("Java", ["java", PROGRAMS / "Verify.java"], foreign),
                                     ("Sallyport", [self.build / "tests/e2e/verifiers/verify_ours"], own)):
            found[name] = self._of_lines(name, [*command, root, *words], asked)
        return found

    def _run(self, *command, environment=None):
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=LIMIT_SECONDS, env=environment, cwd=self.scratch, check=False)
        return done.returncode, " ".join(done.stdout.split())

    def _openssl(self, root, case):
        untrusted = [word for file in case.chain[1:] for word in ("-untrusted", file)]
        status, words = self._run("openssl", "verify", "-x509_strict", "-purpose", OPENSSL_PURPOSE[case.purpose], "-CAfile", root, *untrusted,
                                  case.chain[0])
        return Verdict(status == 0, words)

    def _gnutls(self, root, case, chain):
        status, words = self._run("certtool", "--verify", "--verify-purpose", GNUTLS_PURPOSE[case.purpose], "--load-ca-certificate", root,
                                  "--infile", chain)
        return Verdict(status == 0 and "Chain verification output: Verified" in words, words)

    def _nss(self, root, case, folder):
        store = "sql:%s" % folder
        steps = [("-N", "--empty-password"), ("-A", "-n", "root", "-t", "CT,,", "-a", "-i", root)]
        steps += [("-A", "-n", "chain-%d" % number, "-t", ",,", "-a", "-i", file) for number, file in enumerate(case.chain)]
        for step in steps:
            status, words = self._run("certutil", step[0], "-d", store, *step[1:])
            want(status == 0, "certutil %s: %s" % (step[0], words))
        status, words = self._run("certutil", "-V", "-d", store, "-n", "chain-0", "-u", NSS_USAGE[case.purpose], "-e")
        return Verdict(status == 0 and "certificate is valid" in words, words)

    def _of_lines(self, name, command, asked):
        done = subprocess.run([str(word) for word in command], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                              timeout=LIMIT_SECONDS, cwd=self.scratch, check=False)
        lines = done.stdout.splitlines()
        want(done.returncode == 0 and len(lines) == len(asked) and all(line == "ok" or line.startswith("refused ") for line in lines),
             "%s: exit %d, %d lines for %d cases: %s" % (name, done.returncode, len(lines), len(asked), done.stderr.strip()[-300:]))
        return {case.title: Verdict(line == "ok", line) for case, line in zip(asked, lines)}

    def _built_go(self):
        program = self.scratch / "verify-go"
        environment = dict(os.environ, GO111MODULE="off", GOPROXY="off", GOTOOLCHAIN="local", GOFLAGS="", CGO_ENABLED="0",
                           GOCACHE=str(self.scratch / "go-cache"), GOPATH=str(self.scratch / "go-path"))
        status, words = self._run("/usr/bin/go", "build", "-o", program, PROGRAMS / "verify.go", environment=environment)
        want(status == 0, "go build: " + words)
        return program
