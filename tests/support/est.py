"""A stock EST client (RFC 7030): curl and openssl."""
import base64

from stage import ZONE, tool


class Est:
    """A stock EST client with a device's factory certificate: curl and openssl."""

    def __init__(self, stage, device):
        self.stage = stage
        self.device = device
        self.folder = stage.folder / f"est-{device.serial_id}"
        self.folder.mkdir(exist_ok=True)
        self.current = None  # (certificate, key) after the first enrolment, where the caller keeps it
        self.pending = None  # a request without answer

    def make_request(self, name):
        """A new key and a request for it."""
        request = self.folder / f"{name}.der"
        tool("openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", self.folder / f"{name}.key",
             "-out", request, "-outform", "DER", "-subj", f"/CN={name}")
        encoded = self.folder / f"{name}.b64"
        encoded.write_bytes(tool("base64", request))
        return encoded

    def send(self, request, answer="answer", operation="simpleenroll", identity=None):
        """Returns status, headers and certificate chain (PEM) of an EST request."""
        there = self.stage.there
        body, head = self.folder / f"{answer}.b64", self.folder / f"{answer}.head"
        certificate, key = identity or (self.device.state / "factory.pem", self.device.state / "factory.key")
        status = tool("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", there.state / "trust" / "server-ca.twin.pem",
                      "--cert", certificate, "--key", key, "--connect-to", f"gateway.{ZONE}:443:127.0.0.1:{there.tls_port}",
                      "--header", "Content-Type: application/pkcs10", "--header", "Content-Transfer-Encoding: base64",
                      "--data-binary", f"@{request}", "--output", body, "--dump-header", head, "--write-out", "%{http_code}",
                      f"https://gateway.{ZONE}/.well-known/est/{operation}").decode()
        chain = b""
        if status == "200":
            der = base64.b64decode(body.read_bytes())
            chain = tool("openssl", "pkcs7", "-inform", "DER", "-print_certs", given=der)
        return status, head.read_text().lower(), chain

    def ask(self, target, identity, *words):
        """Returns status and body of a request under /device/v1/."""
        there, body = self.stage.there, self.folder / "asked"
        certificate, key = identity
        body.write_bytes(b"")
        status = tool("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", there.state / "trust" / "server-ca.twin.pem",
                      "--cert", certificate, "--key", key, "--connect-to", f"gateway.{ZONE}:443:127.0.0.1:{there.tls_port}",
                      "--output", body, "--write-out", "%{http_code}", *words, f"https://gateway.{ZONE}/device/v1/{target}").decode()
        return status, body.read_text()

    def keep(self, name, chain):
        """The identity that an answer to make_request(name) gives. The answer has the certificate alone (RFC 7030 §4.2.3)."""
        file = self.folder / f"{name}.pem"
        file.write_bytes(chain + (self.stage.there.state / "trust" / "online-ca.pem").read_bytes())
        return file, self.folder / f"{name}.key"
