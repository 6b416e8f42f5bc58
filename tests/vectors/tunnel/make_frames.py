#!/usr/bin/env python3
"""Writes frames.txt: one frame of each type, encoded from docs/protocol/tunnel.md §4 and from nothing of ours.

    ./make_frames.py > frames.txt
"""
import struct


def u8(value):
    return struct.pack(">B", value)


def text8(value):
    return u8(len(value)) + value.encode("ascii")


def bytes16(value):
    return struct.pack(">H", len(value)) + value


def frame(kind, payload):
    return u8(kind) + struct.pack(">I", len(payload))[1:] + payload


FIRST = b"\x00\x03" + b"\xa1" * 30
SECOND = b"\x00\x03" + b"\xb2" * 30
SERVICES = u8(2) + text8("web") + u8(1) + text8("ssh") + u8(2)

FRAMES = [
    ("HELLO", 1, struct.pack(">H", 1) + bytes(range(16)) + u8(1) + text8("1.0.0") + SERVICES),
    ("TICKETS", 2, u8(2) + FIRST + SECOND),
    ("OPEN", 3, FIRST + bytes16(b"\xc0\xff\xee") + text8("192.0.2.7:51000") + text8("web")),
    ("GRANT", 4, bytes16(b"\xc0\xff\xef")),
    ("REFUSE", 5, FIRST + u8(7)),
    ("PING", 6, struct.pack(">IHI", 1, 15, 23000)),
    ("PONG", 7, struct.pack(">I", 1)),
    ("CUT", 8, bytes([1, 2, 3, 4]) + bytes(12)),
    ("GOAWAY", 9, u8(1) + struct.pack(">I", 12000)),
    ("STATUS", 10, u8(0) + SERVICES),
    ("RESUMPTION", 11, bytes16(b"\xde\xad\xbe\xef")),
]

print("# Made by make_frames.py from the text of docs/protocol/tunnel.md.")
for name, kind, payload in FRAMES:
    print(f"\n[{name}]\nframe = {frame(kind, payload).hex()}")
