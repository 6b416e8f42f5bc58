#!/usr/bin/env python3
"""Makes the seed corpora of records_role_messages, records_crl_messages, records_status_report, records_snapshot, pki_root_order,
status_presigned and of agent_files' ratchets, from the format comments of
src/codec/tlv.h and src/records/*.h and from src/agent/state_trust.cc. Run in this folder."""
import pathlib
import struct


def field(tag, value):
    if isinstance(value, str):
        value = value.encode()
    return struct.pack(">H", tag) + len(value).to_bytes(3, "big") + value


def u8(value):
    return struct.pack(">B", value)


def u32(value):
    return struct.pack(">I", value)


def u64(value):
    return struct.pack(">Q", value)


def message(method, *fields):
    return struct.pack(">H", method) + b"".join(field(tag, value) for tag, value in fields)


def write(folder, seeds):
    path = pathlib.Path(__file__).parent / folder
    path.mkdir(exist_ok=True)
    for name, data in seeds.items():
        (path / name).write_bytes(data)


SERVICE = b"\x05panelhttp"
MESSAGES = {
    # The target takes method % 16 as the number of the parser, in the order of its switch.
    "subscribe": message(0, (1, "relay"), (2, u32(1)), (3, u64(7))),
    "snapshot_event": message(1, (1, b"\x30\x00"), (2, b"update")),
    "lease": message(2, (1, u64(9)), (2, u32(5000))),
    "cut": message(3, (1, bytes(16)), (2, "ended by ann")),
    "role_certificate": message(4, (1, "gateway"), (2, u8(5)), (3, b"\x30\x03\x02\x01\x00")),
    "role_certificate_of_another_kind": message(4, (1, "gateway"), (2, u8(2)), (3, b"")),
    "ocsp_signer": message(5, (1, "server-ca"), (2, b"\x30\x00")),
    "chain": message(6, (1, b"\x30\x00"), (1, b"\x30\x01\x00")),
    "chain_too_long": message(6, *[(1, b"\x30\x00")] * 9),
    "enrol": message(7, (1, b"leaf"), (2, b"issuer"), (3, b"csr"), (4, "192.0.2.1")),
    "renew": message(8, (1, b"leaf"), (2, b"csr"), (3, "[2001:db8::1]:443")),
    "claim_hash": message(9, (1, "abcdefgh22"), (2, bytes(32))),
    "claim_hash_of_31_bytes": message(9, (1, "abcdefgh22"), (2, bytes(31))),
    "find_certificate": message(10, (1, "local-ca/site-07"), (2, b"\x01\x02")),
    "presence": message(11, (1, "abcdefgh22"), (2, u8(1)), (3, bytes(16)), (4, u8(1)), (5, u32(23)), (6, "192.0.2.1"), (7, "0.1.0"),
                        (8, SERVICE)),
    "presence_with_a_service_of_no_kind": message(11, (1, "abcdefgh22"), (2, u8(1)), (3, bytes(16)), (4, u8(1)), (5, u32(23)),
                                                  (6, ""), (7, ""), (8, b"\x05panelftp")),
    "access_session": message(12, (1, bytes(16)), (2, u8(0)), (3, "192.0.2.1"), (4, ""), (5, u64(10)), (6, u64(20)), (7, u32(1))),
    "alarm": message(13, (1, "device.cloned"), (2, "abcdefgh22"), (3, "two boot ids")),
    "admin": message(14, (1, "device.list"), (2, "ann"), (3, u8(3)), (4, ""), (5, "127.0.0.1"), (6, "r1"), (7, "{}")),
    "trailing_field": message(14, (1, "device.list"), (2, "ann"), (3, u8(3)), (4, ""), (5, ""), (6, ""), (7, "{}"), (8, "x")),
    "length_beyond_the_end": b"\x00\x00\x00\x01\xff\xff\xffx",
}

CA = b"\x09online-ca\x30\x00"
DEVICE = u8(3) + u8(1) + b"abcdefgh22"


def certificate(flags=0, revoked=b"", index=0, serial=b"\x01\x02"):
    return struct.pack(">HBB", index, 3, flags) + u64(1_900_000_000) + revoked + u8(len(serial)) + serial + b"\x0aabcdefgh22"


def update(*entries, base=0):
    head = [(1, u64(7)), (2, u64(base)), (3, u64(1_800_000_000)), (4, b"\x30\x00")]
    return b"".join(field(tag, value) for tag, value in [*head, *entries])


SNAPSHOTS = {
    "empty": update(),
    "one_of_each": update((5, CA), (6, certificate()), (7, DEVICE)),
    "revoked": update((5, CA), (6, certificate(1, u64(1_800_000_001) + u8(4)))),
    "change": update((5, CA), (7, DEVICE), base=6),
    "ca_out_of_range": update((5, CA), (6, certificate(index=1))),
    "serial_of_21_bytes": update((5, CA), (6, certificate(serial=bytes(21)))),
    "unknown_flag": update((5, CA), (6, certificate(2))),
    "device_of_state_9": update((7, u8(9) + u8(1) + b"abcdefgh22")),
    "two_root_crls": update((4, b"\x30\x01\x00"), (5, CA), (5, b"\x0conline-ca@1f\x30\x01\x00"), (6, certificate())),
}

def fields(which, *parts):
    return u8(which) + b"".join(field(tag, value) for tag, value in parts)


CRL_MESSAGES = {
    # The first byte says which: even a request, odd a portion.
    "request": fields(0, (1, "online-ca"), (2, u64(7)), (3, u32(0))),
    "request_without_index": fields(0, (1, "online-ca"), (2, u64(7))),
    "portion": fields(1, (1, u64(8)), (2, u32(1)), (3, b"\x30\x03\x02\x01\x00")),
    "portion_of_nothing": fields(1, (1, u64(8)), (2, u32(0)), (3, b"")),
    "portion_cut": fields(1, (1, u64(8)), (2, u32(1)), (3, b"\x30\x03"))[:-1],
    "portion_with_more": fields(1, (1, u64(8)), (2, u32(1)), (3, b""), (4, b"x")),
}

def text(value):
    return u8(len(value)) + value.encode()


def report(*entries, host="status-1"):
    head = [(1, host), (2, u64(7)), (3, u64(1_800_000_000)), (4, u64(1_800_000_001))]
    return b"".join(field(tag, value) for tag, value in [*head, *entries])


REPORTED_SIGNER = text("online-ca") + u8(2) + b"\x01\x02" + u64(1_800_000_000) + u64(1_802_000_000) + u64(1_801_400_000)
REPORTED_CRL = text("online-ca@1f") + u64(9) + u64(1_800_086_400)
STATUS_REPORTS = {
    "nothing_yet": report(),
    "whole": report((5, text("cached") + u64(12)), (5, text("live") + u64(3)), (6, text("no-lease") + u64(1)), (7, REPORTED_SIGNER), (8, REPORTED_CRL)),
    "host_of_a_space": report(host="status 1"),
    "kind_twice": report((5, text("live") + u64(3)), (5, text("live") + u64(3))),
    "kind_of_capitals": report((5, text("LIVE") + u64(3))),
    "ca_twice": report((7, REPORTED_SIGNER), (7, REPORTED_SIGNER)),
    "serial_of_nothing": report((7, text("online-ca") + u8(0) + u64(1) + u64(2) + u64(3))),
    "time_of_another_age": report((8, text("online-ca") + u64(9) + u64(2**63))),
    "crl_cut": report((8, REPORTED_CRL))[:-1],
    "unknown_field": report((9, b"x")),
}

SEEN = (1, u64(1_780_315_200))
SIGNER = (3, u64(1_780_315_200) + b"\x01" * 20)
ROOT = (4, u64(7) + b"\x02" * 20)
RATCHETS = {
    "ratchets-none": fields(ord("r"), SEEN),
    "ratchets-signers": fields(ord("r"), SEEN, SIGNER, (3, u64(1_780_315_201) + b"\x03" * 20)),
    "ratchets-twice": fields(ord("r"), SEEN, SIGNER, SIGNER),
    "ratchets-far-future": fields(ord("r"), SEEN, (3, u64(2**64 - 1) + b"\x01")),
    "ratchets-no-key-id": fields(ord("r"), SEEN, (3, u64(1_780_315_200))),
    "ratchets-roots": fields(ord("r"), SEEN, SIGNER, ROOT, (4, u64(1) + b"\x04" * 20)),
    "ratchets-root-without-key-id": fields(ord("r"), SEEN, (4, u64(7))),
    "ratchets-of-nine-roots": fields(ord("r"), SEEN, *[(4, u64(7) + u8(each)) for each in range(9)]),
    "ratchets-cut": fields(ord("r"), SEEN, ROOT)[:-1],
}

ORDER = ((1, u64(7)), (2, "Acme"), (3, u64(1_780_315_200)), (4, "server-ca"), (5, bytes(range(32))))
SERIAL = (6, b"\x1f" + bytes(range(15)))
ROOT_ORDERS = {
    "certificate": b"".join(field(*each) for each in (*ORDER, SERIAL, (7, u8(1)))),
    "whole-ca": b"".join(field(*each) for each in (*ORDER, (7, u8(2)))),
    "hold": b"".join(field(*each) for each in (*ORDER, SERIAL, (7, u8(6)))),
    "reason-7": b"".join(field(*each) for each in (*ORDER, SERIAL, (7, u8(7)))),
    "number-0": b"".join(field(*each) for each in ((1, u64(0)), *ORDER[1:], (7, u8(1)))),
    "key-of-31-bytes": b"".join(field(*each) for each in (*ORDER[:4], (5, bytes(31)), (7, u8(1)))),
    "serial-negative": b"".join(field(*each) for each in (*ORDER, (6, b"\xff\x01"), (7, u8(1)))),
    "cut": b"".join(field(*each) for each in (*ORDER, SERIAL, (7, u8(1))))[:-1],
    "envelope": field(1, b"\x30\x03\x02\x01\x00") + field(2, field(1, u64(7))) + field(3, b"\x30\x00"),
    "envelope-of-two": field(1, b"\x30\x00") * 2 + field(2, b"") + field(3, b""),
}

NAMED = b"\x09server-ca"
PRESIGNED = {
    "everything": field(1, NAMED + b"\x30\x00") + field(2, b"\x30\x01\x00") + field(3, b"\x30\x00") * 2 + field(4, NAMED + u64(7)),
    "nothing": b"",
    "nameless": field(1, b"\x00\x30\x00"),
    "list-without-number": field(4, NAMED),
    "list-with-more": field(4, NAMED + u64(7) + b"x"),
    "nine-root-crls": field(2, b"\x30\x00") * 9,
    "out-of-order": field(3, b"\x30\x00") + field(1, NAMED + b"\x30\x00"),
    "cut": field(3, b"\x30\x00")[:-1],
}

if __name__ == "__main__":
    write("status_presigned", PRESIGNED)
    write("pki_root_order", ROOT_ORDERS)
    write("agent_files", RATCHETS)
    write("records_crl_messages", CRL_MESSAGES)
    write("records_role_messages", MESSAGES)
    write("records_snapshot", SNAPSHOTS)
    write("records_status_report", STATUS_REPORTS)
