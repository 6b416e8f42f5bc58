"""EVA ICS v3's call formats, written from their description with Debian's pycryptodome, cryptography and msgpack: an
independent other side for ours. Time and random octets are arguments."""
import base64
import hashlib
import hmac
import json
import os
import uuid
import zlib

import msgpack
from Cryptodome.Cipher import AES
from cryptography.fernet import Fernet

PLAIN, ZLIB = 2, 3


class Refused(Exception):
    """The peer cannot open it."""


def seal(key, plain, iv=None):
    """E: IV, AES-256-CBC, HMAC-SHA256 under the same first half of SHA-512."""
    iv = os.urandom(16) if iv is None else iv
    half = hashlib.sha512(key.encode()).digest()[:32]
    missing = 16 - len(plain) % 16
    message = iv + AES.new(half, AES.MODE_CBC, iv).encrypt(plain + bytes([missing]) * missing)
    return message + hmac.new(half, message, hashlib.sha256).digest()


def unseal(key, block):
    half = hashlib.sha512(key.encode()).digest()[:32]
    message, tag = block[:-32], block[-32:]
    if not hmac.compare_digest(hmac.new(half, message, hashlib.sha256).digest(), tag):
        raise Refused("tag")
    padded = AES.new(half, AES.MODE_CBC, message[:16]).decrypt(message[16:])
    if not 1 <= padded[-1] <= 16 or padded[-padded[-1]:] != bytes([padded[-1]]) * padded[-1]:
        raise Refused("padding")
    return padded[:-padded[-1]]


def pack(value, packing):
    packed = msgpack.Packer(use_bin_type=True).pack(value)
    return zlib.compress(packed) if packing == ZLIB else packed


def unpack(data, packing):
    return msgpack.unpackb(zlib.decompress(data) if packing == ZLIB else data, raw=False)


def fernet(key):
    return Fernet(base64.b64encode(hashlib.sha256(key.encode()).digest()))


def call(method, key, identifier, **params):
    return {"jsonrpc": "2.0", "method": method, "params": params | {"k": key}, "id": identifier}


class Frames:
    """One of the three formats, with a key."""

    def __init__(self, name, key_id, key):
        self.name, self.key_id, self.key = name, key_id, key
        self.packing = ZLIB if name == "zlib" else PLAIN

    def fresh(self, now):
        """A call id as EVA's own callers draw it; `now` is unused by them."""
        del now
        return uuid.uuid4()

    def request(self, rid, body, now, key=None, iv=None, key_id=None):
        """`rid` is a UUID. Returns the payload and the last level of the response's topic."""
        key, key_id = key or self.key, key_id or self.key_id
        if self.name == "text":
            plain = rid.hex + "|" + json.dumps(body)
            token = fernet(key)._encrypt_from_parts(plain.encode(), now, iv or os.urandom(16))
            return b"|" + key_id.encode() + b"|" + token, rid.hex
        return b"\x00" + bytes([self.packing]) + key_id.encode() + b"\x00" + seal(key, rid.bytes + pack(body, self.packing), iv), rid.hex

    def open_request(self, payload):
        """The id of the response's topic and the body."""
        if self.name == "text":
            empty, key_id, token = payload.decode().split("|", 2)
            if empty or key_id != self.key_id:
                raise Refused("head")
            call_id, text = fernet(self.key).decrypt(token.encode()).decode().split("|", 1)
            return call_id, json.loads(text)
        zero, key_id, block = payload.split(b"\x00", 2)
        if zero or key_id != bytes([self.packing]) + self.key_id.encode():
            raise Refused("head")
        plain = unseal(self.key, block)
        return plain[:16].hex(), unpack(plain[16:], self.packing)

    def response(self, body, now, key=None):
        if self.name == "text":
            return b"200|" + fernet(key or self.key)._encrypt_from_parts(json.dumps(body).encode(), now, os.urandom(16))
        return b"\x00\xc8" + seal(key or self.key, pack(body, self.packing))

    def open_response(self, payload):
        if self.name == "text":
            if not payload.startswith(b"200|"):
                raise Refused("head")
            return json.loads(fernet(self.key).decrypt(payload[4:]))
        if payload[:2] != b"\x00\xc8":
            raise Refused("head")
        return unpack(unseal(self.key, payload[2:]), self.packing)
