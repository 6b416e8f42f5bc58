"""A mosquitto that is spoken to in TLS: by user name and password at one port, by certificate at another, each client with the topics
that its name allows."""
import datetime
import ipaddress
import pathlib
import subprocess

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

from stage import Process, free_port, listens, wait_for

HOUR = datetime.timedelta(hours=1)


def named(text):
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, text)])


class Ca:
    """One that signs certificates of brokers and of their clients."""

    def __init__(self, folder, name):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(exist_ok=True)
        self.name, self.key = named(name), ec.generate_private_key(ec.SECP256R1())
        usage = x509.KeyUsage(digital_signature=False, content_commitment=False, key_encipherment=False, data_encipherment=False,
                              key_agreement=False, key_cert_sign=True, crl_sign=True, encipher_only=False, decipher_only=False)
        made = self.builder(self.name, self.key).add_extension(x509.BasicConstraints(True, None), True).add_extension(usage, True)
        self.file = self.folder / "ca.pem"
        self.file.write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))

    def builder(self, subject, key):
        now = datetime.datetime.now(datetime.timezone.utc)
        return (x509.CertificateBuilder().subject_name(subject).issuer_name(self.name).public_key(key.public_key())
                .serial_number(x509.random_serial_number()).not_valid_before(now - HOUR).not_valid_after(now + 24 * HOUR)
                .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), False)
                .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(self.key.public_key()), False))

    def issue(self, name, server=False, address="127.0.0.1"):
        """Returns the files of a certificate and of its key."""
        key = ec.generate_private_key(ec.SECP256R1())
        use = ExtendedKeyUsageOID.SERVER_AUTH if server else ExtendedKeyUsageOID.CLIENT_AUTH
        alternative = x509.IPAddress(ipaddress.ip_address(address)) if server else x509.DNSName(name)
        made = (self.builder(named(name), key).add_extension(x509.BasicConstraints(False, None), True)
                .add_extension(x509.ExtendedKeyUsage([use]), False).add_extension(x509.SubjectAlternativeName([alternative]), False))
        files = self.folder / f"{name}.pem", self.folder / f"{name}.key"
        files[0].write_bytes(made.sign(self.key, hashes.SHA256()).public_bytes(serialization.Encoding.PEM))
        files[1].write_bytes(key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        files[1].chmod(0o600)
        return files


class TlsMosquitto:
    """`users` have passwords, `certified` are the names in certificates of `ca`; everybody else may do nothing."""

    def __init__(self, folder, ca, users, certified, address="127.0.0.1"):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir()
        self.folder.chmod(0o755)
        self.by_password, self.by_certificate = free_port(), free_port()
        certificate, key = ca.issue(f"broker-{self.by_password}", server=True, address=address)
        passwords, rules = self.folder / "passwords", self.folder / "rules"
        passwords.touch(mode=0o600)
        for user, password in users.items():
            subprocess.run(["mosquitto_passwd", "-b", str(passwords), user, password], check=True, capture_output=True, timeout=20)
        rules.write_text("".join(f"user {name}\ntopic readwrite #\n\n" for name in (*users, *certified)))
        tls = f"cafile {ca.file}\ncertfile {certificate}\nkeyfile {key}\nallow_anonymous false\nacl_file {rules}\n"
        self.config = self.folder / "mosquitto.conf"
        self.config.write_text("per_listener_settings true\npersistence false\nuser root\n"
                               f"listener {self.by_password} 127.0.0.1\n{tls}password_file {passwords}\n"
                               f"listener {self.by_certificate} 127.0.0.1\n{tls}require_certificate true\nuse_identity_as_username true\n")
        self.process = None
        self.start()

    def start(self):
        self.log = self.folder / "mosquitto.log"
        self.process = Process("mosquitto", ["/usr/sbin/mosquitto", "-v", "-c", str(self.config)], self.log)
        wait_for(lambda: listens(self.by_password) and listens(self.by_certificate), 10, lambda: f"mosquitto to listen; it says: {self.process.tail()}")

    def url(self, port):
        return f"mqtts://127.0.0.1:{port}"

    def said(self, *words):
        """The lines of its log that hold all of these."""
        return [line for line in self.log.read_text(errors="replace").splitlines() if all(word in line for word in words)]

    def stop(self):
        self.process.stop()
