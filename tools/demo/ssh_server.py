"""A real OpenSSH server on a simulated device, and what its user has: own configuration, keys and port, ended by process id."""
import os
import pathlib
import pwd
import socket
import subprocess

from installation import Process, free_port, wait_for


class SshServer:
    """Somebody's sshd with one user, whoever runs this, who comes by his key alone."""

    def __init__(self, folder):
        self.folder = pathlib.Path(folder)
        self.folder.mkdir(mode=0o700)
        self.user = pwd.getpwuid(os.geteuid()).pw_name
        self.port = free_port()
        for name in ("host", "user", "stranger"):
            subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", self.folder / f"{name}-key"], check=True, timeout=20)
        (self.folder / "authorized").write_bytes((self.folder / "user-key.pub").read_bytes())
        (self.folder / "config").write_text(
            f"ListenAddress 127.0.0.1\nPort {self.port}\nHostKey {self.folder}/host-key\nPidFile none\n"
            f"AuthorizedKeysFile {self.folder}/authorized\nStrictModes no\nUsePAM no\nPermitRootLogin prohibit-password\n"
            "PasswordAuthentication no\nKbdInteractiveAuthentication no\nSubsystem sftp internal-sftp\n")
        if os.geteuid() == 0:
            pathlib.Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd wants it; its service would make it
        self.process = Process("sshd", ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "config")], self.folder / "log")
        wait_for(self.answers, 10, lambda: f"sshd to answer; it says: {self.process.tail()}")

    def answers(self):
        with socket.socket() as probe:
            return probe.connect_ex(("127.0.0.1", self.port)) == 0

    def client_words(self, *host_names, key="user"):
        """Options by which a client comes as the user, and knows the server under these names by its key."""
        known = self.folder / "known-hosts"
        public = " ".join((self.folder / "host-key.pub").read_text().split()[:2])
        known.write_text("".join(f"{name} {public}\n" for name in host_names))
        return ["-F", "/dev/null", "-i", str(self.folder / f"{key}-key"), "-o", "IdentitiesOnly=yes", "-o", "BatchMode=yes",
                "-o", f"UserKnownHostsFile={known}", "-o", "StrictHostKeyChecking=yes"]

    def stop(self):
        self.process.stop()
