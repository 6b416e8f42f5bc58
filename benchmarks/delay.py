"""A line with a delay: a TCP proxy in a process of its own that brings every byte to the other end a fixed time later, in order,
and so the end of a direction and a reset. It stands for distance; kernels without netem have no other.

    python3 delay.py ONE_WAY_MS TARGET_PORT…

prints a line with a port for each target, and ends with its standard input. Who connects to a proxy is answered at once, who
connects over a distance after a round trip: so what a connection's initiator says within its first round trip leaves only
at the end of that, and the other end hears of the connection half a round trip after it began.
"""
import asyncio
import socket
import struct
import sys

PIECE = 64 * 1024
IN_FLIGHT = 512  # pieces of one direction
RESET = object()
LINGER_NOT = struct.pack("ii", 1, 0)


async def read(reader, pieces, delay, not_before):
    """Takes what comes, with the time at which it is to arrive; None for the end, RESET for a break."""
    loop = asyncio.get_running_loop()
    while True:
        try:
            data = await reader.read(PIECE)
        except OSError:
            data = RESET
        await pieces.put((max(loop.time(), not_before) + delay, data or None))
        if data is RESET or not data:
            return


async def write(pieces, writer):
    """False when the connection broke, at either end."""
    loop = asyncio.get_running_loop()
    while True:
        due, data = await pieces.get()
        await asyncio.sleep(max(0.0, due - loop.time()))
        if data is RESET:
            return False
        try:
            if data is None:
                writer.write_eof()
                return True
            writer.write(data)
            await writer.drain()
        except OSError:
            return False


def reset(writer):
    sock = writer.get_extra_info("socket")
    if sock is not None and sock.fileno() >= 0:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, LINGER_NOT)
    writer.transport.abort()


def at_once(writer):
    writer.get_extra_info("socket").setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)


async def carry(near, near_writer, delay, target):
    began = asyncio.get_running_loop().time()
    await asyncio.sleep(delay)
    try:
        far, far_writer = await asyncio.open_connection("127.0.0.1", target)
    except OSError:
        await asyncio.sleep(delay)
        return reset(near_writer)
    at_once(near_writer)
    at_once(far_writer)
    out, back = asyncio.Queue(IN_FLIGHT), asyncio.Queue(IN_FLIGHT)
    readers = [asyncio.ensure_future(read(near, out, delay, began + 2 * delay)), asyncio.ensure_future(read(far, back, delay, 0.0))]
    writers = [asyncio.ensure_future(write(out, far_writer)), asyncio.ensure_future(write(back, near_writer))]
    first, last = await asyncio.wait(writers, return_when=asyncio.FIRST_COMPLETED)
    whole = all(one.result() for one in first) and all([await one for one in last])
    for one in readers + writers:
        one.cancel()
    for one in (near_writer, far_writer):
        if whole:
            one.close()
        else:
            reset(one)


async def main(delay, targets):
    ports = []
    for target in targets:
        server = await asyncio.start_server(lambda reader, writer, target=target: carry(reader, writer, delay, target), "127.0.0.1", 0, backlog=256)
        ports.append(server.sockets[0].getsockname()[1])
    print(*ports, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)


if __name__ == "__main__":
    asyncio.run(main(float(sys.argv[1]) / 1000, [int(word) for word in sys.argv[2:]]))
