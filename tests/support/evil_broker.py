"""A broker of MQTT 3.1.1 that does its worst: it reads, drops, repeats, reorders, replays what it saw long ago, retains, moves messages
between topics, alters them, and floods. It runs in a process of its own:

    evil_broker.py --record FILE [--seed N] [--calm]

It prints its port, and obeys lines on standard input: `calm`, `evil`, `flood TOPIC COUNT`, `huge TOPIC`, `replay TOPIC`, `retain TOPIC`,
`counts`, `end`; each is answered by one line of JSON. All payloads that it sees go to FILE.
"""
import argparse
import asyncio
import collections
import json
import random
import sys

CONNECT, CONNACK, PUBLISH, PUBACK, SUBSCRIBE, SUBACK, UNSUBSCRIBE, UNSUBACK, PINGREQ, PINGRESP, DISCONNECT = (
    1, 2, 3, 4, 8, 9, 10, 11, 12, 13, 14)
KEPT_FOR_REPLAY = 20_000
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
        self.filters = []
        self.next_id = 0

    def send(self, raw):
        if not self.writer.is_closing():
            self.writer.write(raw)

    def deliver(self, topic, payload, retained=False, duplicate=False):
        self.next_id = self.next_id % 65_535 + 1
        flags = (8 if duplicate else 0) | 2 | (1 if retained else 0)
        self.send(packet(PUBLISH, flags, text(topic) + self.next_id.to_bytes(2, "big") + payload))


class Broker:
    def __init__(self, record, seed, evil):
        self.record = open(record, "ab", buffering=0)
        self.random = random.Random(seed)
        self.evil = evil
        self.clients = set()
        self.seen = collections.deque(maxlen=KEPT_FOR_REPLAY)
        self.counts = collections.Counter()

    async def serve(self, reader, writer):
        client = Client(writer)
        try:
            while True:
                kind, flags, body = await self.read(reader)
                if kind == DISCONNECT:
                    break
                self.take(client, kind, flags, body)
                await writer.drain()
        except (asyncio.IncompleteReadError, ConnectionError):
            pass
        finally:
            self.clients.discard(client)
            writer.close()

    @staticmethod
    async def read(reader):
        first = (await reader.readexactly(1))[0]
        length = shift = 0
        while True:
            digit = (await reader.readexactly(1))[0]
            length |= (digit & 0x7F) << shift
            shift += 7
            if not digit & 0x80:
                return first >> 4, first & 0x0F, await reader.readexactly(length)

    def take(self, client, kind, flags, body):
        if kind == CONNECT:
            self.clients.add(client)
            client.send(packet(CONNACK, 0, b"\x00\x00"))
        elif kind == SUBSCRIBE:
            length = int.from_bytes(body[2:4], "big")
            client.filters.append(body[4:4 + length].decode())
            client.send(packet(SUBACK, 0, body[:2] + b"\x01"))
        elif kind == UNSUBSCRIBE:
            length = int.from_bytes(body[2:4], "big")
            wanted = body[4:4 + length].decode()
            client.filters = [each for each in client.filters if each != wanted]
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
        self.record.write(topic.encode() + b"\n" + rest + b"\n")
        self.counts["messages"] += 1
        if self.evil:
            self.mistreat(topic, rest)
        else:
            self.deliver(topic, rest)
        self.seen.append((topic, rest))

    def deliver(self, topic, payload, **marks):
        for client in list(self.clients):
            if any(matches(each, topic) for each in client.filters):
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
        for client in list(self.clients):
            if any(matches(each, topic) for each in client.filters):
                client.send(b"\x32\xff\xff\xff\x7f" + text(topic) + b"\x00\x01")
                try:
                    for _ in range(256):
                        client.send(bytes(1 << 20))
                        await client.writer.drain()
                except ConnectionError:
                    self.counts["huge refused"] += 1

    async def obey(self, words):
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


async def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--record", required=True)
    parser.add_argument("--seed", default="1")
    parser.add_argument("--calm", action="store_true")
    given = parser.parse_args()
    broker = Broker(given.record, given.seed, not given.calm)
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
