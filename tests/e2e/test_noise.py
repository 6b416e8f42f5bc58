#!/usr/bin/python3
"""The handshakes of sealed RPC against two implementations of Noise by others, python3-dissononce and Go's flynn/noise: each
plays either side against ours, and with the same keys all three write the same bytes.
"""
# test: needs=dev deadline=300
import os
import pathlib
import shutil
import subprocess
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import Failed, Missing, want  # noqa: E402
from cryptography.hazmat.primitives import serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey  # noqa: E402

HERE = pathlib.Path(__file__).resolve().parent / "verifiers"
FLYNN = pathlib.Path("/usr/share/gocode/src/github.com/flynn/noise")
PATTERNS = ("nnpsk0", "nk")
SECONDS = 30
ROUNDS = 8


def public(private):
    return X25519PrivateKey.from_private_bytes(private).public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)


class Peer:
    """One side of a handshake in a process of its own."""

    def __init__(self, command, pattern, role, prologue, key, ephemeral, payload):
        words = [value.hex() or "-" for value in (prologue, key, ephemeral, payload)]
        self.name = f"{pathlib.Path(command[-1]).name} as {role} of {pattern}"
        self.process = subprocess.Popen([*map(str, command), pattern, role, *words], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.PIPE, text=True)

    def expect(self, what):
        line = self.process.stdout.readline().split()
        if not line or line[0] != what:
            self.process.kill()
            raise Failed(f"{self.name}: found {line}, want {what}: {self.process.communicate()[1][-300:]}")
        return line[1:]

    def send(self, message):
        self.process.stdin.write(message + "\n")
        self.process.stdin.flush()

    def end(self):
        self.process.communicate(timeout=SECONDS)
        return self.process.returncode


class Handshakes:
    def __init__(self, build, folder):
        self.folder = pathlib.Path(folder)
        self.ours = [build / "tests" / "e2e" / "verifiers" / "noise_ours"]
        self.dissononce = ["/usr/bin/python3", HERE / "noise_dissononce.py"]
        self.flynn = None

    def build_flynn(self):
        if not shutil.which("go") or not FLYNN.is_dir():
            raise Missing("go, golang-github-flynn-noise-dev")
        environment = {**os.environ, "GO111MODULE": "off", "GOPATH": "/usr/share/gocode", "GOPROXY": "off", "GOFLAGS": "",
                       "GOCACHE": str(self.folder / "go-cache")}
        program = self.folder / "noise_flynn"
        subprocess.run(["go", "build", "-o", program, HERE / "noise_flynn.go"], env=environment, check=True, timeout=200)
        self.flynn = [program]

    def shake(self, initiator, responder, pattern, draw):
        """Both messages, and what both sides say of it: they must say the same."""
        key, first, second = draw(), draw(), draw()
        prologue, asked, answered = draw()[:20], draw() * 3, b""
        one = Peer(initiator, pattern, "initiator", prologue, key if pattern == "nnpsk0" else public(key), first, asked)
        other = Peer(responder, pattern, "responder", prologue, key, second, answered)
        (init,) = one.expect("message")
        other.send(init)
        got = other.expect("payload")
        (accept,) = other.expect("message")
        one.send(accept)
        back = one.expect("payload")
        proofs = one.expect("proof"), other.expect("proof")
        want(got == [asked.hex()] and not back, f"{one.name}: found {got} and {back}, want what was sent")
        want(proofs[0] == proofs[1], f"{one.name}: found {proofs[0]}, the other {proofs[1]}")
        want(one.end() == 0 and other.end() == 0, f"{one.name}: want both to end well")
        return init, accept, proofs[0]


def counted():
    """Keys that are the same every time."""
    numbers = iter(range(1, 100))
    return lambda: bytes([next(numbers)]) * 32


def check_both_sides_with_dissononce(handshakes):
    try:
        import dissononce  # noqa: F401
    except ImportError as missing:
        raise Missing("python3-dissononce") from missing
    for pattern in PATTERNS:
        for _ in range(ROUNDS):
            handshakes.shake(handshakes.ours, handshakes.dissononce, pattern, lambda: os.urandom(32))
            handshakes.shake(handshakes.dissononce, handshakes.ours, pattern, lambda: os.urandom(32))


def check_both_sides_with_flynn(handshakes):
    handshakes.build_flynn()
    for pattern in PATTERNS:
        for _ in range(ROUNDS):
            handshakes.shake(handshakes.ours, handshakes.flynn, pattern, lambda: os.urandom(32))
            handshakes.shake(handshakes.flynn, handshakes.ours, pattern, lambda: os.urandom(32))


def check_all_three_write_the_same_bytes(handshakes):
    if not handshakes.flynn:
        raise Missing("golang-github-flynn-noise-dev")
    for pattern in PATTERNS:
        alone = [handshakes.shake(side, side, pattern, counted()) for side in (handshakes.ours, handshakes.dissononce, handshakes.flynn)]
        want(alone[0] == alone[1] == alone[2], f"{pattern}: found {alone}, want the same messages, keys and hash from each")


def check_another_key_is_refused_by_each(handshakes):
    sides = [side for side in (handshakes.dissononce, handshakes.flynn) if side]
    for initiator, responder in [(handshakes.ours, side) for side in sides] + [(side, handshakes.ours) for side in sides]:
        one = Peer(initiator, "nnpsk0", "initiator", b"p", os.urandom(32), os.urandom(32), b"x")
        other = Peer(responder, "nnpsk0", "responder", b"p", os.urandom(32), os.urandom(32), b"")
        other.send(one.expect("message")[0])
        want(not other.process.stdout.readline(), f"{other.name}: found an answer, want none")
        want(other.end() != 0, f"{other.name}: want it to fail")
        one.process.kill()
        one.end()


with tempfile.TemporaryDirectory() as scratch:
    status = cases.run(globals(), Handshakes(cases.arguments().build, scratch))
sys.exit(status)
