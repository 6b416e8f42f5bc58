#!/usr/bin/env python3
"""Writes direct.txt: what is said in direct access, encoded from docs/protocol/tunnel.md §13 and from nothing of ours.

    ./make_direct.py > direct.txt
"""
import struct

MESSAGES = [
    ("open", struct.pack(">BH", 1, 3) + b"\xc0\xff\xee"),
    ("renew", struct.pack(">BH", 2, 3) + b"\xc0\xff\xef"),
    ("accepted", struct.pack(">B", 0)),
    ("consent_denied", struct.pack(">B", 6)),
]

print("# Made by make_direct.py from the text of docs/protocol/tunnel.md.")
for name, message in MESSAGES:
    print(f"\n[{name}]\nmessage = {message.hex()}")
