#!/usr/bin/python3
"""Makes msgpack.json and msgpack_refused.json beside itself, and the seed corpora of codec_msgpack and codec_zlib, with
python3-msgpack and zlib: what Packer(use_bin_type=True) writes, and what it can write that JSON has not.
"""
import json
import pathlib
import struct
import zlib

import msgpack

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[2] / "fuzz" / "corpus"


def packed(value):
    return msgpack.Packer(use_bin_type=True).pack(value)


EDGES = sorted({sign * ((1 << bits) + offset) for bits in (0, 5, 7, 8, 15, 16, 31, 32, 63) for offset in (-1, 0, 1) for sign in (1, -1)
                if -(1 << 63) <= sign * ((1 << bits) + offset) < 1 << 63})
WRITTEN = {f"integer {value}": value for value in EDGES}
WRITTEN |= {f"text of {size}": "x" * size for size in (0, 1, 31, 32, 255, 256, 65_535, 65_536)}
WRITTEN |= {f"array of {size}": [None] * size for size in (0, 1, 15, 16)}
WRITTEN |= {f"map of {size}": {f"{i:03}": i for i in range(size)} for size in (0, 1, 15, 16)}
WRITTEN |= {
    "nil": None, "true": True, "false": False, "0.5": 0.5, "-0.0": -0.0, "1e308": 1e308, "the least double": 5e-324,
    "text in UTF-8": "grün 電 \U0001F600", "control characters": "\x00\x1f\x7f",
    "a call": {"jsonrpc": "2.0", "method": "test", "params": {"k": "key", "i": [1, -1, 0.25, None]}, "id": 1},
    "array of 65,536": [0] * 65_536,
}
SMALL = {name: value for name, value in WRITTEN.items() if len(packed(value)) < 1024}

REFUSED = {
    "nothing": b"", "never used": b"\xc1", "trailing byte": b"\xc0\xc0", "two values": packed(1) + packed(2),
    "bytes of 8": packed(b"12345678"), "bytes of 256": packed(b"x" * 256), "bytes of 65,536": packed(b"x" * 65_536),
    "bytes as a key": packed({b"k": 1}), "integer as a key": packed({1: 1}), "nil as a key": packed({None: 1}),
    "array as a key": b"\x81\x90\xc0", "key that stands twice": b"\x82\xa1k\x01\xa1k\x02",
    "key that stands twice, in two lengths": b"\x82\xa1k\x01\xd9\x01k\x02",
    "timestamp": packed(msgpack.Timestamp(1)), "extension": packed(msgpack.ExtType(5, b"abc")),
    "fixext 1": b"\xd4\x01\x00", "fixext 16": b"\xd8\x01" + bytes(16), "ext 32": b"\xc9\x00\x00\x00\x00\x01",
    "NaN": packed(float("nan")), "infinity": packed(float("inf")), "less than all": packed(float("-inf")),
    "NaN in single": b"\xca" + struct.pack(">f", float("nan")),
    "2 ** 63": packed(1 << 63), "2 ** 64 - 1": packed((1 << 64) - 1),
    "text that is no UTF-8": b"\xa2\xc3\x28", "surrogate": b"\xa3\xed\xa0\x80", "overlong": b"\xa2\xc0\xaf",
    "key that is no UTF-8": b"\x81\xa1\xff\x01",
    "array of 2 ** 32 - 1 with one": b"\xdd\xff\xff\xff\xff\xc0", "map of 2 ** 32 - 1": b"\xdf\xff\xff\xff\xff",
    "text of 2 ** 32 - 1": b"\xdb\xff\xff\xff\xff", "map without its last value": b"\x82\xa1a\x01\xa1b",
    "array without its last": b"\x92\x01", "map of odd many": b"\x81\xa1a",
}
REFUSED |= {f"lead {lead:02x} alone": bytes([lead]) for lead in (0x81, 0x91, 0xa1, *range(0xc4, 0xe0))}

# Longer than needed, and still one value.
LONG_FORMS = {"one in 64 bits": (b"\xcf" + struct.pack(">Q", 1), 1), "one in 8 bits with sign": (b"\xd0\x01", 1),
              "text of 2 in 32": (b"\xdb\x00\x00\x00\x02ab", "ab"), "array of 1 in 32": (b"\xdd\x00\x00\x00\x01\xc0", [None]),
              "map of 1 in 16": (b"\xde\x00\x01\xda\x00\x01k\x01", {"k": 1}), "0.5 in single": (b"\xca" + struct.pack(">f", 0.5), 0.5)}

RAW = b'{"jsonrpc":"2.0"}' * 20
STREAMS = {"plain": zlib.compress(RAW), "nothing": zlib.compress(b""), "stored": zlib.compress(RAW, 0), "best": zlib.compress(RAW, 9),
           "truncated": zlib.compress(RAW)[:-3], "without_its_sum": zlib.compress(RAW)[:-4], "trailing": zlib.compress(RAW) + b"x",
           "wrong_sum": zlib.compress(RAW)[:-1] + b"\x00", "two_streams": zlib.compress(RAW) * 2, "bomb": zlib.compress(bytes(1 << 20), 9)[:1100],
           "whole_bomb_of_128_kib": zlib.compress(bytes(1 << 17), 9), "header_alone": b"\x78\x9c", "no_header": RAW, "empty": b""}


def with_dictionary():
    compressor = zlib.compressobj(zdict=b'{"jsonrpc":"2.0"}')
    return compressor.compress(RAW) + compressor.flush()


def gzip_stream():
    compressor = zlib.compressobj(wbits=31)
    return compressor.compress(RAW) + compressor.flush()


def raw_stream():
    compressor = zlib.compressobj(wbits=-15)
    return compressor.compress(RAW) + compressor.flush()


def write(path, data):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)


def file_name(text):
    return "".join(c if c.isalnum() else "_" for c in text)


def main():
    cases = [{"name": name, "packed": packed(value).hex(), "json": json.dumps(value)} for name, value in SMALL.items()]
    cases += [{"name": name, "packed": data.hex(), "json": json.dumps(value), "long_form": True} for name, (data, value) in LONG_FORMS.items()]
    (HERE / "msgpack.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")
    refused = [{"name": name, "packed": data.hex()} for name, data in REFUSED.items() if len(data) < 1024]
    (HERE / "msgpack_refused.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in refused) + "\n]\n")
    large = [{"name": name, "size": len(packed(value)), "beginning": packed(value)[:8].hex()} for name, value in WRITTEN.items()
             if name not in SMALL]
    (HERE / "msgpack_large.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in large) + "\n]\n")
    for name in ("a call", "text in UTF-8", "map of 16", "array of 16", "0.5", "integer -129", "integer 4294967296", "text of 256"):
        write(CORPUS / "codec_msgpack" / file_name(name), packed(WRITTEN[name]))
    for name, data in REFUSED.items():
        if len(data) < 64 and "alone" not in name:
            write(CORPUS / "codec_msgpack" / file_name(name), data)
    write(CORPUS / "codec_msgpack" / "nested_40", b"\x91" * 40 + b"\xc0")
    write(CORPUS / "codec_msgpack" / "maps_40", b"\x81\xa1a" * 40 + b"\xc0")
    for name, data in (STREAMS | {"dictionary": with_dictionary(), "gzip": gzip_stream(), "raw": raw_stream()}).items():
        write(CORPUS / "codec_zlib" / name, data)
    streams = [{"name": name, "stream": data.hex()} for name, data in
               (STREAMS | {"dictionary": with_dictionary(), "gzip": gzip_stream(), "raw": raw_stream()}).items()]
    (HERE / "zlib.json").write_text("[\n" + ",\n".join(json.dumps(case) for case in streams) + "\n]\n")


if __name__ == "__main__":
    main()
