"""A caller of sealed RPC, suite 1, written from docs/protocol/sealed-rpc.md with python3-cryptography, and from nothing of ours. It is for
tests: whatever an honest caller would never send it sends too, since times, numbers, hints and bodies are arguments.
"""
import base64
import hashlib
import hmac
import json
import os
import queue
import socket
import struct
import time
import uuid

import paho.mqtt.client as mqtt
from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

INIT, INIT_CERT, ACCEPT, DATA, REPLY = 0x51, 0x52, 0x53, 0x54, 0x55
DONE, RETRY, PROGRESS, ACCEPTED, OUTCOME_UNKNOWN, EXPIRED, OVERLOADED, UNKNOWN_CALL = range(8)
NOTHING, CALL, STORED_CALL, ASK_RESULT = range(4)
EPOCH_SECONDS = 600
NO_EPOCH = 2 ** 64 - 1
MOST_MESSAGE = 256 << 10
ANSWER_SECONDS = 20


def u16(value):
    return struct.pack(">H", value)


def u32(value):
    return struct.pack(">I", value)


def u64(value):
    return struct.pack(">Q", value)


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


def aes(key, block):
    return Cipher(algorithms.AES(key), modes.ECB()).encryptor().update(block)


def context(kind, topic, node):
    return b"SR1" + bytes([kind]) + u16(len(topic)) + topic.encode() + bytes([len(node)]) + node.encode()


def node_key_of(text, node):
    """What of an API key, as it is written, opens one node."""
    secret = base64.urlsafe_b64decode(text.strip()[-50:-7] + "=")
    return hkdf(secret, b"SR1 node key", node.encode(), 32)


def new_id(now):
    """A UUID of version 7 (RFC 9562)."""
    number = (int(now * 1_000) << 80) | (7 << 76) | (int.from_bytes(os.urandom(10), "big") & ((0xFFF << 64) | (2 ** 62 - 1))) | (2 << 62)
    return uuid.UUID(int=number).bytes


def call_body(call_id, deadline, text, kind=CALL):
    return bytes([kind]) + call_id + u32(int(deadline)) + (text if isinstance(text, bytes) else text.encode())


def request_text(method, params=None, number=1):
    return json.dumps({"jsonrpc": "2.0", "id": number, "method": method} | ({} if params is None else {"params": params}))


class Noise:
    """SymmetricState and CipherState of revision 34 as far as two messages need them."""

    def __init__(self, name, prologue):
        self.h = name.ljust(32, b"\0") if len(name) <= 32 else hashlib.sha256(name).digest()
        self.ck = self.h
        self.k = None
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

    def mix_key_and_hash(self, material):
        self.ck, mixed, self.k = self.outputs(material, 3)
        self.mix_hash(mixed)

    def seal(self, plain):
        sealed = AESGCM(self.k).encrypt(bytes(12), plain, self.h)
        self.mix_hash(sealed)
        return sealed

    def open(self, sealed):
        plain = AESGCM(self.k).decrypt(bytes(12), sealed, self.h)
        self.mix_hash(sealed)
        return plain


class Handshake:
    """INIT, and the session that its ACCEPT makes. `epoch` and `at` are what it says of the time."""

    def __init__(self, node_key, node, topic, at, epoch=None, body=b"\0"):
        self.node, self.topic = node, topic
        self.key = X25519PrivateKey.generate()
        ephemeral = self.key.public_key().public_bytes(serialization.Encoding.Raw, serialization.PublicFormat.Raw)
        hint_key = hkdf(node_key, b"", b"SR1 hint", 32)
        hint = mac(hint_key, u64(int(at) // EPOCH_SECONDS if epoch is None else epoch))[:6]
        self.noise = Noise(b"Noise_NNpsk0_25519_AESGCM_SHA256", context(INIT, topic, node) + hint)
        self.noise.mix_key_and_hash(node_key)
        self.noise.mix_hash(ephemeral)
        self.noise.mix_key(ephemeral)
        self.init = bytes([INIT]) + hint + ephemeral + self.noise.seal(u32(int(at)) + body)
        self.inbox = "r/" + base64.urlsafe_b64encode(hkdf(node_key, b"SR1 inbox", ephemeral, 16)).rstrip(b"=").decode()

    def finish(self, accept):
        """The body of ACCEPT and the session. Raises InvalidTag for what is none."""
        ephemeral = accept[1:33]
        self.noise.mix_hash(ephemeral)
        self.noise.mix_key(ephemeral)
        self.noise.mix_key(self.key.exchange(X25519PublicKey.from_public_bytes(ephemeral)))
        body = self.noise.open(accept[33:])
        return body, Session(self.noise, self.node, self.topic)


class Session:
    def __init__(self, noise, node, topic):
        self.node, self.topic = node, topic
        self.request_key, self.reply_key = noise.outputs(b"", 2)
        self.request_tags = hkdf(noise.ck, noise.h, b"SR1 request tags", 32)
        self.reply_tags = hkdf(noise.ck, noise.h, b"SR1 reply tags", 32)

    def data(self, n, body):
        tag = aes(self.request_tags, bytes(8) + u64(n))[:8]
        return bytes([DATA]) + tag + AESGCM(self.request_key).encrypt(bytes(4) + u64(n), body, context(DATA, self.topic, self.node))

    def open_reply(self, reply, n, chunk, message):
        """The body of a REPLY to `message`, or None where it is none."""
        tag = aes(self.reply_tags, u32(0) + u32(chunk) + u64(n))[:8]
        if reply[:1] != bytes([REPLY]) or reply[1:9] != tag:
            return None
        try:
            return AESGCM(self.reply_key).decrypt(u32(chunk) + u64(n), reply[9:], context(REPLY, self.topic, self.node) + message[-16:])
        except InvalidTag:
            return None


class Wire:
    """A connection to a broker, by Eclipse's client; what comes is kept in order."""

    def __init__(self, port, version=mqtt.MQTTv311):
        self.came = queue.Queue()
        self.granted = queue.Queue()
        self.client = mqtt.Client(protocol=version)
        self.client.on_message = lambda _client, _data, message: self.came.put((message.topic, message.payload, message.retain))
        self.client.on_subscribe = lambda *_: self.granted.put(True)
        # An acknowledgement that waits for the next would be what a call's time is.
        self.client.on_socket_open = lambda _client, _data, opened: opened.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()

    def subscribe(self, topic):
        self.client.subscribe(topic, qos=1)
        self.granted.get(timeout=ANSWER_SECONDS)

    def publish(self, topic, payload, retain=False, properties=None):
        """Returns when the broker has it."""
        self.client.publish(topic, payload, qos=1, retain=retain, properties=properties).wait_for_publish(ANSWER_SECONDS)

    def next(self, seconds):
        try:
            return self.came.get(timeout=max(seconds, 0.001))
        except queue.Empty:
            return None

    def stop(self):
        self.client.loop_stop()
        self.client.disconnect()


class Caller:
    """Calls of one node through one broker. `clock` tells the time that it believes in."""

    def __init__(self, wire, key, node, prefix="", clock=time.time):
        self.wire, self.node, self.clock = wire, node, clock
        self.prefix = f"{prefix}/" if prefix else ""
        self.topic = f"{self.prefix}{node}/api/request"
        self.node_key = node_key_of(key, node)
        self.session = self.inbox = None
        self.n = 0
        self.strays = []  # what came and answered nothing of ours

    def handshake(self, **said):
        return Handshake(self.node_key, self.node, self.topic, said.pop("at", self.clock()), **said)

    def begin(self, handshake):
        """Sends INIT. Returns the body of its ACCEPT, or None when none came in time."""
        self.wire.subscribe(self.prefix + handshake.inbox)
        self.wire.publish(self.topic, handshake.init)
        return handshake

    def accepted(self, handshake, seconds=ANSWER_SECONDS):
        """The body of ACCEPT, with the session taken for what follows; None when none came."""
        until = time.monotonic() + seconds
        while message := self.wire.next(until - time.monotonic()):
            topic, payload, retained = message
            if topic == self.prefix + handshake.inbox and payload[:1] == bytes([ACCEPT]) and not retained:
                body, self.session = handshake.finish(payload)
                self.inbox, self.n = topic, 0
                return body
            self.strays.append(message)
        return None

    def open(self, **said):
        return self.accepted(self.begin(self.handshake(**said)))

    def send(self, body, n=None):
        """The message of request n, or of the next, once the broker has it."""
        if n is None:
            n, self.n = self.n, self.n + 1
        message = self.session.data(n, body)
        self.wire.publish(self.topic, message)
        return n, message

    def answer(self, sent, seconds=ANSWER_SECONDS):
        """(status, rest) of the last word on a request; None when there was none in time."""
        n, message = sent
        chunk, until = 0, time.monotonic() + seconds
        while came := self.wire.next(until - time.monotonic()):
            topic, payload, _ = came
            body = self.session.open_reply(payload, n, chunk, message) if topic == self.inbox else None
            if body is None:
                self.strays.append(came)
                continue
            chunk += 1
            if body[0] != PROGRESS:
                return body[0], body[1:]
        return None

    def ask(self, text, call_id=None, kind=CALL, life=60):
        """Sends a JSON-RPC text and returns its answer."""
        now = self.clock()
        return self.answer(self.send(call_body(call_id or new_id(now), now + life, text, kind)))

    def call(self, method, params=None, **choices):
        """The response of one call, as JSON; raises where there is none."""
        answer = self.ask(request_text(method, params), **choices)
        if not answer or answer[0] != DONE:
            raise AssertionError(f"{method}: found {answer}, want a response")
        return json.loads(answer[1])
