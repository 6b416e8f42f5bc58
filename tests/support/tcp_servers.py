"""TCP servers that do exactly what a case needs, and who comes to them."""
import hashlib
import pathlib
import socket
import struct
import subprocess

from cases import want
from stage import Process, free_port, listens, tool, wait_for
from tcp import serve_each  # by the path that stage has set

RESET_AT_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER
PIECE = 1 << 16


class Socat:
    """`socat` as a server that runs `program` (words without spaces) for every connection, with a socket as its input and output."""

    def __init__(self, folder, name, *program):
        self.port = free_port()
        self.process = Process(name, ["socat", "-t", "20", f"TCP-LISTEN:{self.port},bind=127.0.0.1,reuseaddr,fork",
                                      f"EXEC:{' '.join(map(str, program))}"], pathlib.Path(folder) / f"{name}.log")
        wait_for(lambda: listens(self.port), 10, f"{name} to listen")

    def stop(self):
        self.process.stop()


class Server:
    """A TCP server whose connections are taken by the test, one by one."""

    def __init__(self):
        self.listener = socket.create_server(("127.0.0.1", 0))
        self.port = self.listener.getsockname()[1]
        self.listener.settimeout(20)

    def take(self):
        connection, _ = self.listener.accept()
        connection.settimeout(20)
        return connection

    def is_left_alone(self):
        self.listener.settimeout(0.5)
        try:
            self.listener.accept()[0].close()
            return False
        except TimeoutError:
            return True
        finally:
            self.listener.settimeout(20)

    def stop(self):
        self.listener.close()


class Echo(Server):
    """Gives back what it is sent, to the end."""

    def __init__(self):
        super().__init__()
        self.listener.settimeout(None)
        serve_each(self.listener, self.serve)

    @staticmethod
    def serve(connection):
        with connection:
            try:
                while data := connection.recv(PIECE):
                    connection.sendall(data)
            except OSError:
                pass


def reset(connection):
    """Closes with a RST."""
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
    connection.close()


def everything(connection):
    """What still comes until the other side ends; ConnectionResetError when it breaks instead."""
    pieces = []
    while more := connection.recv(PIECE):
        pieces.append(more)
    return b"".join(pieces)


def make_certificate(folder, name):
    """A self-signed certificate over a key of its own, in one PEM file; returns it and the SHA-256 of its key."""
    file = pathlib.Path(folder) / f"{name}.pem"
    made = tool("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1",
                "-subj", f"/CN={name}", "-keyout", "-", "-out", "-")
    file.write_bytes(made)
    public = tool("openssl", "pkey", "-in", file, "-pubout", "-outform", "DER")
    return file, hashlib.sha256(public).hexdigest()


def run_to_end(words, given=b"", seconds=60):
    return subprocess.run([str(word) for word in words], input=given, capture_output=True, timeout=seconds, check=False)


def ends_with(done, status, text=""):
    """`done`, which has exited with `status` and said `text` on standard error."""
    said = done.stderr.decode(errors="replace").strip()
    want(done.returncode == status, f"found exit {done.returncode}: {said[-300:]}, want {status}")
    want(text in said, f"found {said[-300:]!r}, want {text!r} in it")
    return done
