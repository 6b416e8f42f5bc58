"""A controller of EVA ICS v3 as a client of a broker: Debian's paho, and the formats as eva.py has them. It calls plant-1."""
import queue
import uuid

import paho.mqtt.client as mqtt

import eva
from cases import want

REQUESTS = "controller/uc/plant-1/api/request"


class Peer:
    """A controller of the old kind."""

    def __init__(self, port):
        self.messages = queue.Queue()
        self.granted = queue.Queue()
        self.client = mqtt.Client()
        self.client.on_message = lambda _client, _data, message: self.messages.put((message.topic, message.payload))
        self.client.on_subscribe = lambda *_: self.granted.put(True)
        self.client.connect("127.0.0.1", port)
        self.client.loop_start()
        self.client.subscribe("controller/uc/plant-1/api/response/#", qos=1)
        self.granted.get(timeout=10)

    def publish(self, payload, retain=False):
        self.client.publish(REQUESTS, payload, qos=1, retain=retain).wait_for_publish(10)

    def answer(self, seconds):
        try:
            return self.messages.get(timeout=seconds)
        except queue.Empty:
            return None

    def stop(self):
        self.client.loop_stop()
        self.client.disconnect()


def binary(secret, method, packing=eva.PLAIN, key_id="default", inner=None, **params):
    """A request and the function that opens its answer."""
    identifier = uuid.uuid4()
    body = identifier.bytes + eva.pack(eva.call(method, inner or secret, str(identifier), **params), packing)
    request = b"\x00" + bytes([packing]) + key_id.encode() + b"\x00" + eva.seal(secret, body)

    def opened(answer):
        topic, payload = answer
        want(topic.endswith(identifier.hex), f"topic: found {topic}, want the one of {identifier.hex}")
        want(payload[:2] == b"\x00\xc8", f"answer: found {payload[:2]!r}, want its head")
        return eva.unpack(eva.unseal(secret, payload[2:]), packing)
    return request, opened
