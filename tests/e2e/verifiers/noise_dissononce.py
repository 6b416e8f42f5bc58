#!/usr/bin/python3
"""The same as noise_ours.cc with Debian's python3-dissononce."""
import sys

from dissononce.cipher.aesgcm import AESGCMCipher
from dissononce.dh.x25519.private import PrivateKey
from dissononce.dh.x25519.public import PublicKey
from dissononce.dh.x25519.x25519 import X25519DH
from dissononce.hash.sha256 import SHA256Hash
from dissononce.processing.handshakepatterns.interactive.NK import NKHandshakePattern
from dissononce.processing.handshakepatterns.interactive.NN import NNHandshakePattern
from dissononce.processing.impl.cipherstate import CipherState
from dissononce.processing.impl.handshakestate import HandshakeState
from dissononce.processing.impl.symmetricstate import SymmetricState
from dissononce.processing.modifiers.psk import PSKPatternModifier


class FixedDH(X25519DH):
    """Draws the one ephemeral key that it was given."""

    def __init__(self, private):
        super().__init__()
        self.private = private

    def generate_keypair(self, privatekey=None):
        return super().generate_keypair(privatekey or PrivateKey(self.private))


def say(what, *values):
    print(what, *(bytes(value).hex() for value in values), flush=True)


def hear():
    return bytes.fromhex(sys.stdin.readline().strip())


def main():
    pattern, role, *words = sys.argv[1:]
    prologue, key, ephemeral, payload = (b"" if word == "-" else bytes.fromhex(word) for word in words)
    dh = FixedDH(ephemeral)
    state = HandshakeState(SymmetricState(CipherState(AESGCMCipher()), SHA256Hash()), dh)
    initiates = role == "initiator"
    if pattern == "nnpsk0":
        state.initialize(PSKPatternModifier(0).modify(NNHandshakePattern()), initiates, prologue, psks=[key])
    elif initiates:
        state.initialize(NKHandshakePattern(), True, prologue, rs=PublicKey(key))
    else:
        state.initialize(NKHandshakePattern(), False, prologue, s=dh.generate_keypair(PrivateKey(key)))
    out = bytearray()
    if initiates:
        state.write_message(payload, out)
        say("message", out)
        got = bytearray()
        keys = state.read_message(hear(), got)
        say("payload", got)
    else:
        got = bytearray()
        state.read_message(hear(), got)
        say("payload", got)
        keys = state.write_message(payload, out)
        say("message", out)
    say("proof", *(key.encrypt_with_ad(b"", b"proof") for key in keys), state.symmetricstate.get_handshake_hash())


main()
