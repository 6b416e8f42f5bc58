"""A broker of MQTT 3.1.1 that does its worst: it reads, drops, repeats, reorders, replays what it saw long ago, retains, moves messages
between topics, alters them, and floods. It runs in a process of its own:

    evil_broker.py [--marker TEXT] [--seed N] [--calm]

It prints its port, and obeys lines on standard input: `calm`, `evil`, `flood TOPIC COUNT`, `huge TOPIC`, `replay TOPIC`, `retain TOPIC`,
`hold FILTER`, `held`, `seen FILTER`, `subscribed FILTER`, `release`, `deliver TOPIC HEX [retained] [duplicate]`, `counts`, `end`; each is answered by one line of
JSON. It counts what it sees, and where the marker is in it in clear. EvilBroker is that process for a test.
"""
import argparse
import asyncio
import collections
import json
import pathlib
import random
import subprocess
import sys

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = (
    1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14)
KEPT_FOR_REPLAY = 20_000
LAST_SEEN = 50
# What becomes of a message, in shares of one.
DROPPED, REPEATED, DELAYED, REPLAYED, RETAINED, MOVED, ALTERED, CUT, REFLECTED = (
    0.03, 0.05, 0.15, 0.05, 0.01, 0.02, 0.02, 0.01, 0.02)


def packet(kind, flags, body):
    length, header = len(body), bytearray([kind << 4 | flags])
    while True:
        length, digit = divmod(length, 128)
        header.append(digit | (0x80 if length else 0))
        if not length:
            return bytes(header) + body


def text(value):
    raw = value.encode()
    return len(raw).to_bytes(2, "big") + raw


def matches(wanted, topic):
    wanted, topic = wanted.split("/"), topic.split("/")
    for place, level in enumerate(wanted):
        if level == "#":
            return True
        if place >= len(topic) or level not in ("+", topic[place]):
            return False
    return len(wanted) == len(topic)


class Client:
    def __init__(self, writer):
        self.writer = writer
        self.filters = set()
        self.next_id = 0

    def send(self, raw):
        if not self.writer.is_closing():
            self.writer.write(raw)

    def deliver(self, topic, payload, retained=False, duplicate=False):
        self.next_id = self.next_id % 65_535 + 1
        flags = (8 if duplicate else 0) | 2 | (1 if retained else 0)
        self.send(packet(PUBLISH, flags, text(topic) + self.next_id.to_bytes(2, "big") + payload))


def packets(buffer):
    """Takes the whole packets from the beginning of a buffer: (kind, flags, body)."""
    place = 0
    while len(buffer) - place >= 2:
        length = shift = 0
        at = place + 1
        while at < len(buffer):
            digit = buffer[at]
            at += 1
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                break
        else:
            break
        if len(buffer) - at < length:
            break
        yield buffer[place] >> 4, buffer[place] & 0x0F, bytes(buffer[at:at + length])
        place = at + length
    del buffer[:place]


class Broker:
    def __init__(self, marker, seed, evil):
        self.marker = marker.encode()
        self.random = random.Random(seed)
        self.evil = evil
        self.clients = set()
        self.subscribed = collections.defaultdict(set)  # topic to clients; filters with wildcards apart
        self.wild = set()
        self.seen = collections.deque(maxlen=KEPT_FOR_REPLAY)
        self.counts = collections.Counter()
        self.holding = None
        self.held = []

    async def serve(self, reader, writer):
        client = Client(writer)
        buffer = bytearray()
        try:
            while piece := await reader.read(1 << 16):
                buffer += piece
                for kind, flags, body in packets(buffer):
                    if kind == DISCONNECT:
                        return
                    self.take(client, kind, flags, body)
                await writer.drain()
        except ConnectionError:
            pass
        finally:
            self.clients.discard(client)
            for each in list(client.filters):
                self.unsubscribe(client, each)
            writer.close()

    def subscribe(self, client, wanted):
        client.filters.add(wanted)
        if "#" in wanted or "+" in wanted:
            self.wild.add((wanted, client))
        else:
            self.subscribed[wanted].add(client)

    def unsubscribe(self, client, wanted):
        client.filters.discard(wanted)
        self.wild.discard((wanted, client))
        if wanted in self.subscribed:
            self.subscribed[wanted].discard(client)
            if not self.subscribed[wanted]:
                del self.subscribed[wanted]

    def readers(self, topic):
        return list(self.subscribed.get(topic, ())) + [client for wanted, client in self.wild if matches(wanted, topic)]

    def take(self, client, kind, flags, body):
        if kind == CONNECT:
            self.clients.add(client)
            client.send(packet(CONNACK, 0, b"\x00\x00"))
        elif kind == SUBSCRIBE:
            length = int.from_bytes(body[2:4], "big")
            self.subscribe(client, body[4:4 + length].decode())
            client.send(packet(SUBACK, 0, body[:2] + b"\x01"))
        elif kind == UNSUBSCRIBE:
            length = int.from_bytes(body[2:4], "big")
            self.unsubscribe(client, body[4:4 + length].decode())
            client.send(packet(UNSUBACK, 0, body[:2]))
        elif kind == PINGREQ:
            client.send(packet(PINGRESP, 0, b""))
        elif kind == PUBLISH:
            self.take_publish(client, flags, body)

    def take_publish(self, client, flags, body):
        length = int.from_bytes(body[:2], "big")
        topic, rest = body[2:2 + length].decode(), body[2 + length:]
        if flags & 6:
            client.send(packet(PUBACK, 0, rest[:2]))
            rest = rest[2:]
        self.counts["messages"] += 1
        self.counts["bytes"] += len(rest)
        if self.marker in rest or self.marker in topic.encode():
            self.counts["in clear"] += 1
        if self.holding and matches(self.holding, topic):
            self.held.append((topic, rest))
        elif self.evil:
            self.mistreat(topic, rest)
        else:
            self.deliver(topic, rest)
        self.seen.append((topic, rest))

    def deliver(self, topic, payload, **marks):
        for client in self.readers(topic):
            client.deliver(topic, payload, **marks)

    def later(self, topic, payload, **marks):
        asyncio.get_running_loop().call_later(self.random.uniform(0, 0.3), lambda: self.deliver(topic, payload, **marks))

    def happens(self, share, name):
        if self.random.random() >= share:
            return False
        self.counts[name] += 1
        return True

    def mistreat(self, topic, payload):
        if self.seen and self.happens(REPLAYED, "replayed"):
            self.deliver(*self.random.choice(self.seen))
        if self.seen and self.happens(MOVED, "moved"):
            self.deliver(self.random.choice(self.seen)[0], payload)
            self.deliver(topic, self.random.choice(self.seen)[1])
        if self.happens(REFLECTED, "reflected"):
            for client in list(self.clients):
                for each in client.filters:
                    client.deliver(each, payload)
        if self.happens(RETAINED, "retained"):
            self.deliver(topic, payload, retained=True)
        if payload and self.happens(ALTERED, "altered"):
            altered = bytearray(payload)
            altered[self.random.randrange(len(altered))] ^= 1 << self.random.randrange(8)
            self.deliver(topic, bytes(altered))
        if self.happens(CUT, "cut"):
            self.deliver(topic, payload[:self.random.randrange(len(payload) + 1)])
            self.deliver(topic, payload + b"\x00")
        if self.happens(REPEATED, "repeated"):
            self.later(topic, payload, duplicate=True)
        if self.happens(DROPPED, "dropped"):
            return
        if self.happens(DELAYED, "delayed"):
            self.later(topic, payload)
        else:
            self.deliver(topic, payload)

    async def flood(self, topic, count):
        """Garbage of the right shapes and sizes, as fast as it is taken."""
        for number in range(count):
            kind = self.random.choice(b"\x51\x52\x53\x54\x55\x00\x7c\xff")
            self.deliver(topic, bytes([kind]) + self.random.randbytes(self.random.choice((0, 8, 24, 58, 59, 200, 2_000))))
            if number % 200 == 0:
                for client in list(self.clients):
                    try:
                        await client.writer.drain()
                    except ConnectionError:
                        pass
                await asyncio.sleep(0)

    async def huge(self, topic):
        """The header of a packet as long as MQTT allows, and its bytes for as long as they are taken."""
        for client in self.readers(topic):
            client.send(b"\x32\xff\xff\xff\x7f" + text(topic) + b"\x00\x01")
            try:
                for _ in range(256):
                    client.send(bytes(1 << 20))
                    await client.writer.drain()
            except ConnectionError:
                self.counts["huge refused"] += 1

    def steer(self, words):
        """What the test itself does with messages; None for another order."""
        if words[0] == "hold":
            self.holding = words[1]
        elif words[0] == "deliver":
            self.deliver(words[1], bytes.fromhex(words[2]), retained="retained" in words[3:], duplicate="duplicate" in words[3:])
        elif words[0] == "release":
            self.holding = None
            for topic, payload in self.held:
                self.deliver(topic, payload)
            self.held = []
        elif words[0] == "held":
            found, self.held = self.held, []
            return {"held": [(topic, payload.hex()) for topic, payload in found]}
        elif words[0] == "subscribed":
            return {"subscribed": [topic for topic in self.subscribed if matches(words[1], topic)]}
        elif words[0] == "seen":
            return {"seen": [(topic, payload.hex()) for topic, payload in list(self.seen)[-LAST_SEEN:] if matches(words[1], topic)]}
        else:
            return None
        return {}

    async def obey(self, words):
        steered = self.steer(words)
        if steered is not None:
            return steered
        if words[0] == "calm":
            self.evil = False
        elif words[0] == "evil":
            self.evil = True
        elif words[0] == "flood":
            await self.flood(words[1], int(words[2]))
        elif words[0] == "huge":
            await self.huge(words[1])
        elif words[0] == "replay":
            mine = [payload for topic, payload in self.seen if topic == words[1]]
            for payload in mine:
                self.deliver(words[1], payload)
            return {"replayed": len(mine)}
        elif words[0] == "retain":
            mine = [payload for topic, payload in self.seen if topic == words[1]]
            for payload in mine:
                self.deliver(words[1], payload, retained=True)
            return {"retained": len(mine)}
        return {"counts": dict(self.counts), "clients": len(self.clients)}


class EvilBroker:
    """The process, and orders to it."""

    def __init__(self, seed):
        words = [sys.executable, pathlib.Path(__file__).resolve(), "--seed", seed, "--calm"]
        self.process = subprocess.Popen([str(word) for word in words], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.port = int(self.process.stdout.readline())

    def begin(self, *words):
        """An order whose end finish() waits for; the broker goes on serving."""
        self.process.stdin.write(" ".join(map(str, words)) + "\n")
        self.process.stdin.flush()

    def finish(self):
        return json.loads(self.process.stdout.readline())

    def order(self, *words):
        self.begin(*words)
        return self.finish()

    def stop(self):
        self.process.stdin.close()
        self.process.wait(20)


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--marker", default="PLAINTEXT-MARKER")
    parser.add_argument("--seed", default="1")
    parser.add_argument("--calm", action="store_true")
    given = parser.parse_args()
    broker = Broker(given.marker, given.seed, not given.calm)
    server = await asyncio.start_server(broker.serve, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    orders = asyncio.StreamReader()
    await asyncio.get_running_loop().connect_read_pipe(lambda: asyncio.StreamReaderProtocol(orders), sys.stdin)
    while line := (await orders.readline()).decode().split():
        if line[0] == "end":
            break
        print(json.dumps(await broker.obey(line)), flush=True)
    server.close()


if __name__ == "__main__":
    asyncio.run(main())
