"""`sallyport connect`: what it is told, and its port for others while it runs."""
import json
import socket
import subprocess

from cases import want


def write_settings(there, file, **changed):
    values = {"console": there.console_url, "login": there.owner, "password_file": str(there.password_file),
              "root_certificate": str(there.state / "trust" / "root.pem"), "connect_to": f"127.0.0.1:{there.tls_port}", **changed}
    file.write_text("".join(f"{key} = {json.dumps(value)}\n" for key, value in values.items()))
    return file


class Port:
    """The program with `--listen 0 --json`, which `words` hold, and connections through it."""

    def __init__(self, words):
        self.child = subprocess.Popen([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.PIPE)
        line = self.child.stdout.readline()
        if not line:
            want(False, f"sallyport connect: found {self.child.communicate()[1].decode()}, want a port")
        self.address = ("127.0.0.1", int(json.loads(line)["listening"].rpartition(":")[2]))

    def dial(self):
        return socket.create_connection(self.address, timeout=20)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        if self.child.poll() is None:
            self.child.terminate()
        self.child.communicate(timeout=20)
