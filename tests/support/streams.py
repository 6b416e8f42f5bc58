"""Streams of bytes of which every octet is known: who sends them, who hears them, and what is wrong where another octet comes.

A stream is a conversation of a user (TLS, from outside) with a tcp service of a device (plain, behind the agent). Each side says
bytes that follow from the run's seed, the stream's number and the direction, in pieces that begin with a tag, so that bytes in the
wrong place tell whose they are. The user ends first; the service then says the SHA-256 of what it heard and of what it said.
"""
import asyncio
import dataclasses
import hashlib
import multiprocessing
import random
import resource
import signal
import socket
import ssl
import struct

from installation import end_with_parent

from tcp_servers import RESET_AT_CLOSE

PIECE = 8192
MAGIC = b"stream:"
TAG = struct.Struct(">7sBII")  # direction, number, piece
UP, DOWN = 0, 1  # to the service, to the user
DIRECTIONS = ("up", "down")
READ = 1 << 16
TRAILER = 2 * hashlib.sha256().digest_size
PROXY_HEAD = 16
CUT_SHORT = "FIN without close_notify"
LAST_ENDS_SECONDS = 15  # for a service to hear of an end after its user has


class Wrong(Exception):
    """Other bytes than those sent, or an end in order before all have come. One line."""


class Reset(Exception):
    """This side's own: the stream's plan says so."""


@dataclasses.dataclass(frozen=True)
class Stream:
    number: int
    device: int
    user: int
    sizes: tuple  # up, down; without the trailer
    resetter: str | None = None  # "user" or "service"
    reset_by: str | None = None  # what is counted: "sent" or "heard"
    reset_after: int = 0
    fin: bool = False  # the user's close_notify is followed by a FIN at once


def plan(seed, roads, count, sizes, resets=1 / 3, first=0):
    """`count` streams over `roads`, pairs of a device and a user, all about equally loaded."""
    dice = random.Random(f"{seed} plan {first}")
    out = []
    for number in range(first, first + count):
        device, user = roads[number % len(roads)]
        both = tuple(dice.randint(*sizes) for _ in DIRECTIONS)
        stream = Stream(number, device, user, both, fin=dice.random() < 0.5)
        if dice.random() < resets:
            resetter, counted = dice.choice(("user", "service")), dice.choice(("sent", "heard"))
            says_up = (resetter == "user") == (counted == "sent")
            stream = dataclasses.replace(stream, resetter=resetter, reset_by=counted, reset_after=dice.randrange(both[UP if says_up else DOWN]))
        out.append(stream)
    return out


class Book:
    """What every stream says."""

    def __init__(self, seed, streams):
        self.seed = seed
        self.streams = {stream.number: stream for stream in streams}

    def piece(self, number, direction, index):
        tag = TAG.pack(MAGIC, direction, number, index)
        return tag + hashlib.shake_128(f"{self.seed} ".encode() + tag).digest(PIECE - TAG.size)

    def part(self, number, direction, start, stop):
        first = start // PIECE
        whole = b"".join(self.piece(number, direction, index) for index in range(first, (stop - 1) // PIECE + 1))
        return whole[start - first * PIECE:stop - first * PIECE]

    @staticmethod
    def whose(data):
        at = data.find(MAGIC)
        if not 0 <= at <= len(data) - TAG.size:
            return "no tag after them" if len(data) >= PIECE + TAG.size else "too few to tell whose"
        _, direction, number, index = TAG.unpack_from(data, at)
        return f"next tag is of stream {number} {DIRECTIONS[direction & 1]}, piece {index}"


class Hearing:
    """One direction of a stream as it arrives: every byte is compared with the one sent."""

    def __init__(self, book, stream, direction):
        self.book, self.stream, self.direction = book, stream, direction
        self.size = stream.sizes[direction]
        self.count = 0
        self.hash = hashlib.sha256()
        self.trailer = b""

    def take(self, data):
        body, rest = data[:self.size - self.count], data[self.size - self.count:]
        if body:
            wanted = self.book.part(self.stream.number, self.direction, self.count, self.count + len(body))
            if body != wanted:
                at = next(index for index, (one, other) in enumerate(zip(body, wanted)) if one != other)
                raise Wrong(f"{self}: other bytes from {self.count + at} on, {self.book.whose(data[max(0, at - TAG.size):])}")
            self.count += len(body)
            self.hash.update(body)
        self.trailer += rest
        if len(self.trailer) > (TRAILER if self.direction == DOWN else 0):
            raise Wrong(f"{self}: {len(self.trailer)} bytes after its last, {self.book.whose(self.trailer)}")

    def end(self):
        if self.count < self.size or (self.direction == DOWN and len(self.trailer) < TRAILER):
            raise Wrong(f"{self}: an end in order after {self.count} of {self.size} bytes")

    def __str__(self):
        return f"stream {self.stream.number} {DIRECTIONS[self.direction]}"


@dataclasses.dataclass
class Outcome:
    """What one side saw. `end` is whole, reset (its own), broken (the other's), wrong or hung; of a service that broke before the
    first tag `number` is None."""
    number: int | None
    side: str
    end: str = "hung"
    why: str = ""
    heard: int = 0
    said: int = 0
    heard_hash: bytes = b""
    said_hash: bytes = b""
    told: bytes = b""  # the trailer
    device: int | None = None
    header: bytes = b""  # PROXY protocol: who comes, as the agent says
    source: tuple = ()  # the user's own address; none when he was not connected together with all others


class Side:
    """One side of a stream on a line, which has read, write, end, reset and close."""

    def __init__(self, book, stream, name, line, outcome):
        self.book, self.stream, self.name, self.line, self.outcome = book, stream, name, line, outcome
        own = UP if name == "user" else DOWN
        self.direction = own
        self.hearing = Hearing(book, stream, 1 - own)
        self.said_hash = hashlib.sha256()
        self.heard_all = asyncio.Event()
        self.dice = random.Random(f"{book.seed} {stream.number} {name}")

    def limit(self, counted):
        mine = self.stream.resetter == self.name and self.stream.reset_by == counted
        return self.stream.reset_after if mine else None

    async def say(self):
        size, limit = self.stream.sizes[self.direction], self.limit("sent")
        stop = size if limit is None else limit
        while self.outcome.said < stop:
            start = self.outcome.said
            data = self.book.part(self.stream.number, self.direction, start, min(stop, start + self.dice.randint(1, READ)))
            await self.line.write(data)
            self.said_hash.update(data)
            self.outcome.said += len(data)
        if limit is not None:
            raise Reset
        if self.name == "service":
            await self.heard_all.wait()
            await self.line.write(self.hearing.hash.digest() + self.said_hash.digest())
        await self.line.end()

    async def hear(self, first):
        limit = self.limit("heard")
        data = first or await self.line.read()
        while data:
            self.hearing.take(data)
            self.outcome.heard = self.hearing.count
            if limit is not None and self.hearing.count >= limit:
                raise Reset
            data = await self.line.read()
        self.hearing.end()
        self.heard_all.set()

    async def run(self, first=b""):
        tasks = [asyncio.create_task(self.say()), asyncio.create_task(self.hear(first))]
        out = self.outcome
        try:
            await asyncio.gather(*tasks)
            out.end = "whole"
        except Reset:
            out.end = "reset"
        except Wrong as wrong:
            out.end, out.why = "wrong", str(wrong)
        except (OSError, ssl.SSLError) as error:
            out.end, out.why = "broken", f"{type(error).__name__}: {error}"[:120]
        finally:
            for task in tasks:
                task.cancel()
            out.heard_hash, out.said_hash, out.told = self.hearing.hash.digest(), self.said_hash.digest(), self.hearing.trailer
            if out.end == "whole":
                self.line.close()
            else:
                self.line.reset()


class PlainLine:
    def __init__(self, reader, writer):
        self.reader, self.writer = reader, writer

    async def read(self):
        return await self.reader.read(READ)

    async def write(self, data):
        self.writer.write(data)
        await self.writer.drain()

    async def end(self):
        self.writer.write_eof()

    def reset(self):
        own = self.writer.get_extra_info("socket")
        if own.fileno() >= 0:
            own.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET_AT_CLOSE)
        self.writer.transport.abort()

    def close(self):
        self.writer.close()


class TlsLine(PlainLine):
    """A client whose directions end each by itself, which Python's own streams over TLS cannot do."""

    def __init__(self, reader, writer, context, host, fin):
        super().__init__(reader, writer)
        self.incoming, self.outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self.incoming, self.outgoing, server_hostname=host)
        self.fin = fin
        self.unread = []

    @classmethod
    async def dial(cls, context, host, port, source, fin):
        line = cls(*await asyncio.open_connection("127.0.0.1", port, local_addr=(source, 0)), context, host, fin)
        try:
            while not line.shakes_hands():
                await line.feed()
            await line.flush()
        except BaseException:
            line.reset()
            raise
        return line

    def shakes_hands(self):
        try:
            self.tls.do_handshake()
            return True
        except ssl.SSLWantReadError:
            return False

    async def flush(self):
        if self.outgoing.pending:
            self.writer.write(self.outgoing.read())
        await self.writer.drain()

    async def feed(self):
        await self.flush()
        data = await self.reader.read(READ)
        if not data:
            raise ConnectionError(CUT_SHORT)
        self.incoming.write(data)

    def read_now(self):
        """What has come: None when nothing has, empty at the end in order."""
        try:
            return self.tls.read(READ)
        except ssl.SSLWantReadError:
            return None
        except ssl.SSLZeroReturnError:
            return b""

    async def read(self):
        while True:
            data = self.unread.pop(0) if self.unread else self.read_now()
            if data is not None:
                return data
            await self.feed()

    async def write(self, data):
        self.tls.write(data)
        await self.flush()

    async def end(self):
        # SSL_shutdown takes bytes that lie unread for an error.
        while (data := self.read_now()) is not None:
            self.unread.append(data)
            if not data:
                break
        try:
            self.tls.unwrap()
        except ssl.SSLWantReadError:
            pass
        await self.flush()
        if self.fin:
            self.writer.write_eof()


# ---- the services, in a process of their own


class Services:
    """A service for every device, each behind a listener of its own; outcomes come when the streams are over."""

    def __init__(self, book, count):
        self.listeners = [socket.create_server(("127.0.0.1", 0), backlog=1024) for _ in range(count)]
        self.ports = [listener.getsockname()[1] for listener in self.listeners]
        context = multiprocessing.get_context("fork")
        self.pipe, other = context.Pipe()
        self.process = context.Process(target=serve, args=(book, self.listeners, other), daemon=True)
        self.process.start()
        other.close()
        for listener in self.listeners:
            listener.close()

    def outcomes(self):
        """Of all connections since the last time; those that do not end are hung."""
        self.pipe.send("outcomes")
        if not self.pipe.poll(2 * LAST_ENDS_SECONDS):
            raise Wrong("the services do not answer")
        return self.pipe.recv()

    def stop(self):
        self.process.terminate()
        self.process.join(5)
        self.pipe.close()


def serve(book, listeners, pipe):
    end_with_parent()
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    allow_descriptors()
    asyncio.run(serve_all(book, listeners, pipe))


async def serve_all(book, listeners, pipe):
    outcomes, running = [], set()

    def answering(device):
        async def answer(reader, writer):
            outcome = Outcome(None, "service", device=device)
            outcomes.append(outcome)
            running.add(asyncio.current_task())
            try:
                await serve_one(book, PlainLine(reader, writer), outcome)
            finally:
                running.discard(asyncio.current_task())
        return answer

    servers = [await asyncio.start_server(answering(device), sock=listener) for device, listener in enumerate(listeners)]
    orders = asyncio.Queue()
    asyncio.get_running_loop().add_reader(pipe.fileno(), lambda: orders.put_nowait(pipe.recv()))
    while servers:
        await orders.get()
        if running:
            await asyncio.wait(set(running), timeout=LAST_ENDS_SECONDS)
        pipe.send(outcomes)
        outcomes.clear()


async def serve_one(book, line, outcome):
    try:
        head = await line.reader.readexactly(PROXY_HEAD)
        outcome.header = head + await line.reader.readexactly(int.from_bytes(head[14:16], "big"))
        tag = await line.reader.readexactly(TAG.size)
    except asyncio.IncompleteReadError:
        outcome.end, outcome.why = "wrong", "a service: an end in order before the first tag"
        return line.reset()
    except OSError as error:
        outcome.end, outcome.why = "broken", f"{type(error).__name__}: {error}"
        return line.reset()
    magic, direction, number, index = TAG.unpack(tag)
    stream = book.streams.get(number)
    if (magic, direction, index) != (MAGIC, UP, 0) or stream is None:
        outcome.end, outcome.why = "wrong", f"a service of device {outcome.device}: first bytes {book.whose(tag)}"
        return line.reset()
    outcome.number = number
    if stream.device != outcome.device:
        outcome.end, outcome.why = "wrong", f"stream {number}: at device {outcome.device}, want {stream.device}"
        return line.reset()
    await Side(book, stream, "service", line, outcome).run(tag)


def allow_descriptors():
    _, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (most, most))


# ---- the users


@dataclasses.dataclass(frozen=True)
class Door:
    """Where a user finds a device: what a grant told him, and his own key."""
    context: ssl.SSLContext
    host: str
    port: int
    source: str
    session: str


async def visit(book, streams, doors, at_once, seconds):
    """Connects all streams, then lets all speak at the same time. Returns outcomes, and after how many seconds all were connected and over."""
    loop = asyncio.get_running_loop()
    began = loop.time()
    places = asyncio.Semaphore(at_once)
    outcomes = [Outcome(stream.number, "user") for stream in streams]

    async def dial(stream, outcome):
        door = doors[stream.device, stream.user]
        async with places:
            try:
                line = await TlsLine.dial(door.context, door.host, door.port, door.source, stream.fin)
            except (OSError, ssl.SSLError) as error:
                outcome.end, outcome.why = "broken", f"dialling: {type(error).__name__}: {error}"[:120]
                return None
        outcome.source = line.writer.get_extra_info("sockname")
        return line

    lines = await asyncio.gather(*map(dial, streams, outcomes))
    connected = loop.time() - began
    for line, outcome in zip(lines, outcomes):
        if line and (line.reader.at_eof() or line.reader.exception()):
            outcome.source, outcome.why = (), "gone before all were connected"
    tasks = [asyncio.create_task(Side(book, stream, "user", line, outcome).run())
             for stream, line, outcome in zip(streams, lines, outcomes) if line]
    if tasks:
        _, hung = await asyncio.wait(tasks, timeout=seconds)
        for task in hung:
            task.cancel()
        await asyncio.gather(*hung, return_exceptions=True)
    return outcomes, connected, loop.time() - began
