#!/usr/bin/env python3
"""Writes sealed.txt: keys, hints, both handshakes, requests, replies and a bundle, from docs/protocol/sealed-rpc.md and Noise
revision 34 with python3-cryptography, and from nothing of ours.

    ./make_sealed.py > sealed.txt
"""
import base64
import hashlib
import hmac
import struct

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM
from cryptography.hazmat.primitives import serialization

RAW = serialization.Encoding.Raw, serialization.PublicFormat.Raw


def mac(key, message):
    return hmac.new(key, message, hashlib.sha256).digest()


def hkdf(secret, salt, info, length):
    """RFC 5869."""
    key = mac(salt or bytes(32), secret)
    out, block = b"", b""
    for counter in range(1, -(-length // 32) + 1):
        block = mac(key, block + info + bytes([counter]))
        out += block
    return out[:length]


def u8(value):
    return struct.pack(">B", value)


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


def u64(value):
    return struct.pack(">Q", value)


class Pair:
    """An X25519 key pair of a private key that is one byte, repeated."""

    def __init__(self, byte):
        self.private = bytes([byte]) * 32
        self.key = X25519PrivateKey.from_private_bytes(self.private)
        self.public = self.key.public_key().public_bytes(*RAW)

    def dh(self, public):
        return self.key.exchange(X25519PublicKey.from_public_bytes(public))


class Noise:
    """SymmetricState and CipherState (§5) as far as two messages need them."""

    def __init__(self, name, prologue):
        self.h = name.ljust(32, b"\0") if len(name) <= 32 else hashlib.sha256(name).digest()
        self.ck = self.h
        self.k = None
        self.n = 0
        self.mix_hash(prologue)

    def mix_hash(self, data):
        self.h = hashlib.sha256(self.h + data).digest()

    def outputs(self, material, count):
        key = mac(self.ck, material)
        found, block = [], b""
        for counter in range(1, count + 1):
            block = mac(key, block + bytes([counter]))
            found.append(block)
        return found

    def mix_key(self, material):
        self.ck, self.k = self.outputs(material, 2)
        self.n = 0

    def mix_key_and_hash(self, material):
        self.ck, mixed, self.k = self.outputs(material, 3)
        self.mix_hash(mixed)
        self.n = 0

    def seal(self, plaintext):
        sealed = AESGCM(self.k).encrypt(bytes(4) + u64(self.n), plaintext, self.h)
        self.n += 1
        self.mix_hash(sealed)
        return sealed

    def split(self):
        return self.outputs(b"", 2)


def aes(key, block):
    """AES-256 of one block."""
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


class Session:
    def __init__(self, noise):
        self.request, self.reply = noise.split()
        self.request_tags = hkdf(noise.ck, noise.h, b"SR1 request tags", 32)
        self.reply_tags = hkdf(noise.ck, noise.h, b"SR1 reply tags", 32)

    def data(self, n, body):
        tag = aes(self.request_tags, bytes(8) + u64(n))[:8]
        return b"\x54" + tag + AESGCM(self.request).encrypt(bytes(4) + u64(n), body, context(0x54))

    def answer(self, n, chunk, body, message):
        tag = aes(self.reply_tags, u32(0) + u32(chunk) + u64(n))[:8]
        return b"\x55" + tag + AESGCM(self.reply).encrypt(u32(chunk) + u64(n), body, context(0x55) + message[-16:])


NODE = b"pump-7"
TOPIC = b"plant/pump-7/api/request"
NOW = 1_800_000_000
SECRET = bytes(range(32))
CALL_ID = bytes.fromhex("01a3185c500070008000000000000001")
CALL = b'{"jsonrpc":"2.0","id":1,"method":"test"}'
RESULT = b'{"jsonrpc":"2.0","id":1,"result":{"ok":true}}'
CALLER, ANSWERER, PREKEY = Pair(0x11), Pair(0x22), Pair(0x33)
PREKEY_ID = 0x01020304
CHAIN = bytes.fromhex("0c086465766963652d31" "0c096465766963652d6361")  # any DER will do here: two UTF8Strings
SIGNATURE = bytes(range(0x40, 0x80))
NO_EPOCH = 2 ** 64 - 1
INIT_NUMBER = 2 ** 64 - 1


def context(kind):
    return b"SR1" + u8(kind) + u16(len(TOPIC)) + TOPIC + u8(len(NODE)) + NODE


def inbox(secret, ephemeral):
    return base64.urlsafe_b64encode(hkdf(secret, b"SR1 inbox", ephemeral, 16)).rstrip(b"=")


def api_key_text(name, secret):
    before = b"spk1_" + name + b"_" + base64.urlsafe_b64encode(secret).rstrip(b"=")
    return before + b"_" + base64.urlsafe_b64encode(hashlib.sha256(before).digest()[:4]).rstrip(b"=")


def field(tag, value):
    return u16(tag) + struct.pack(">I", len(value))[1:] + value


def show(title, **values):
    print(f"\n[{title}]")
    for name, value in values.items():
        print(f"{name} = {value.hex() if isinstance(value, bytes) else value}")


def finish(noise, psk):
    """Message 2 of both patterns, with `done` and no text."""
    noise.mix_hash(ANSWERER.public)
    if psk:
        noise.mix_key(ANSWERER.public)
    noise.mix_key(CALLER.dh(ANSWERER.public))
    return b"\x53" + ANSWERER.public + noise.seal(b"\x00"), Session(noise)


def show_session(title, session, init):
    request = b"\x01" + CALL_ID + u32(NOW + 5) + CALL
    messages = [session.data(n, request) for n in (0, 1, 64)]
    show(title, k_request=session.request, k_reply=session.reply, t_request=session.request_tags, t_reply=session.reply_tags,
         body=request, data_0=messages[0], data_1=messages[1], data_64=messages[2],
         reply_0_0=session.answer(0, 0, b"\x00" + RESULT, messages[0]), progress_1_0=session.answer(1, 0, b"\x02half", messages[1]),
         reply_1_1=session.answer(1, 1, b"\x00" + RESULT, messages[1]), reply_init_0=session.answer(INIT_NUMBER, 0, b"\x00" + RESULT, init))


print("# Made by make_sealed.py from the text of docs/protocol/sealed-rpc.md.")
node_key = hkdf(SECRET, b"SR1 node key", NODE, 32)
hint_key = hkdf(node_key, b"", b"SR1 hint", 32)
hint = mac(hint_key, u64(NOW // 600))[:6]
show("keys", api_key=api_key_text(b"default", SECRET).decode(), node=NODE.decode(), topic=TOPIC.decode(), secret=SECRET, node_key=node_key,
     time=str(NOW), hint=hint, hint_without_clock=mac(hint_key, u64(NO_EPOCH))[:6], context_54=context(0x54))

noise = Noise(b"Noise_NNpsk0_25519_AESGCM_SHA256", context(0x51) + hint)
noise.mix_key_and_hash(node_key)
noise.mix_hash(CALLER.public)
noise.mix_key(CALLER.public)
init = b"\x51" + hint + CALLER.public + noise.seal(u32(NOW) + b"\x00")
accept, session = finish(noise, psk=True)
show("init", e_private=CALLER.private, e=CALLER.public, inbox=inbox(node_key, CALLER.public).decode(), init=init,
     answer_private=ANSWERER.private, accept=accept)
show_session("session", session, init)

noise = Noise(b"Noise_NK_25519_AESGCM_SHA256", context(0x52) + u32(PREKEY_ID))
noise.mix_hash(PREKEY.public)
noise.mix_hash(CALLER.public)
noise.mix_key(CALLER.dh(PREKEY.public))
signed = b"sallyport/rpc-caller/v1\0" + noise.h + u32(NOW) + hashlib.sha256(CHAIN).digest()
init = b"\x52" + u32(PREKEY_ID) + CALLER.public + noise.seal(u16(len(CHAIN)) + CHAIN + u8(len(SIGNATURE)) + SIGNATURE + u32(NOW) + b"\x00")
accept, session = finish(noise, psk=False)
show("init-cert", prekey_private=PREKEY.private, prekey=PREKEY.public, prekey_id=u32(PREKEY_ID), chain=CHAIN, signed=signed, signature=SIGNATURE,
     inbox=inbox(CALLER.dh(PREKEY.public), CALLER.public).decode(), init=init, accept=accept)
show_session("session-cert", session, init)

show("bundle", payload=field(1, NODE) + field(2, PREKEY.public) + field(3, u32(PREKEY_ID)) + field(4, u64(NOW)) + field(5, u64(NOW + 172_800)) +
     field(6, u64(17)))
