"""strongSwan's `pki` as a stock EST client (RFC 7030), in a mount namespace of its own where /etc/hosts knows the gateway.

`pki` 5.9 resolves the host of its URL by the system alone, and has no word for "connect to that address instead". Its TLS
stops at 1.2 unless libtls.version_max says otherwise, and it reads no CA with constraints of addresses unless
x509.enforce_critical is off.
"""
import os
import subprocess

from stage import ZONE, tool, want

LIMIT_SECONDS = 60
SETTINGS = """libtls {
  version_max = 1.3
}
libstrongswan {
  x509 {
    enforce_critical = no
  }
}
"""


class Swan:
    def __init__(self, stage):
        self.trust = stage.there.state / "trust"
        self.folder = stage.folder / "swan"
        self.folder.mkdir()
        self.hosts = self.folder / "hosts"
        self.hosts.write_text(f"127.0.0.1 localhost gateway.{ZONE}\n")
        settings = self.folder / "strongswan.conf"
        settings.write_text(SETTINGS)
        self.environment = {**os.environ, "STRONGSWAN_CONF": str(settings)}
        self.url = f"https://gateway.{ZONE}:{stage.there.tls_port}"
        self.spaces = ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--user", "--map-root-user", "--mount"]

    def command(self, *words):
        return [*self.spaces, "sh", "-c", 'mount --bind "$0" /etc/hosts && exec pki "$@"', str(self.hosts), *map(str, words)]

    def run(self, *words):
        """Returns exit status, standard output and what it said."""
        done = subprocess.run(self.command(*words), env=self.environment, stdin=subprocess.DEVNULL, capture_output=True,
                              timeout=LIMIT_SECONDS, check=False)
        return done.returncode, done.stdout, done.stderr.decode(errors="replace")

    def make_request(self, name):
        """A new key and a request for it, both made by strongSwan."""
        key, request = self.folder / f"{name}.key", self.folder / f"{name}.csr"
        tool("openssl", "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256", "-out", key)
        status, made, said = self.run("--req", "--in", key, "--type", "priv", "--dn", f"CN={name}")
        want(status == 0 and made, f"pki --req: exit {status}: {said[-300:]}")
        request.write_bytes(made)
        return key, request

    def enrolment(self, request, certificate, key, *words):
        """The words of an enrolment that shows `certificate`: strongSwan then uses simplereenroll whatever it is."""
        return ["--est", "--url", self.url, "--in", request, "--cacert", self.trust / "root.pem", "--cert", certificate, "--key", key,
                "--outform", "pem", *words]
