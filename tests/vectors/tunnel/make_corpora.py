#!/usr/bin/env python3
"""Writes the fuzz corpora of the tunnel from hellos.txt, frames.txt and hostile inputs made here.

    ./make_corpora.py
"""
import pathlib
import re
import struct

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[2] / "fuzz" / "corpus"


def vectors(name, field):
    out, title = {}, ""
    for line in (HERE / name).read_text(encoding="ascii").splitlines():
        if line.startswith("["):
            title = re.sub(r"[^a-z0-9]+", "_", line.lower()).strip("_")
        elif line.startswith(field):
            out[title] = bytes.fromhex(line.split("=")[1].strip())
    return out


def write(target, inputs):
    folder = CORPUS / ("tunnel_" + target)
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in inputs.items():
        (folder / name).write_bytes(content.encode() if isinstance(content, str) else content)


def records(message, size):
    out = b""
    for at in range(0, len(message), size):
        part = message[at:at + size]
        out += b"\x16\x03\x01" + struct.pack(">H", len(part)) + part
    return out


def hello(extensions):
    body = b"\x03\x03" + bytes(32) + b"\x00" + b"\x00\x02\x13\x01" + b"\x01\x00"
    body += struct.pack(">H", len(extensions)) + extensions
    return b"\x01" + struct.pack(">I", len(body))[1:] + body


def sni(*names, kind=0):
    entries = b"".join(struct.pack(">BH", kind, len(name)) + name for name in names)
    value = struct.pack(">H", len(entries)) + entries
    return struct.pack(">HH", 0, len(value)) + value


def client_hellos():
    real = vectors("hellos.txt", "hello ")
    out = dict(real)
    for name in ("openssl", "chromium"):
        if name in real:
            out[name + "_records_of_1"] = records(real[name][5:], 1)
            out[name + "_records_of_200"] = records(real[name][5:], 200)
            out[name + "_cut"] = real[name][:200]
    for name, host in {"nul": b"a.example\0.b", "dot": b"a.example.", "ip": b"192.0.2.1", "upper": b"A.EXAMPLE",
                       "empty": b"", "long": b"a" * 300}.items():
        out["name_" + name] = records(hello(sni(host)), 16384)
    out["two_names"] = records(hello(sni(b"a.example", b"b.example")), 16384)
    out["other_kind"] = records(hello(sni(b"a.example", kind=1)), 16384)
    out["twice"] = records(hello(sni(b"a.example") + sni(b"b.example")), 16384)
    out["empty_record"] = b"\x16\x03\x01\x00\x00" + records(hello(sni(b"a.example")), 16384)
    out["trailing"] = records(hello(sni(b"a.example")) + b"\x01", 16384)
    out["sslv2"] = b"\x80\x2e\x01\x00\x02\x00\x15\x00\x00\x00\x10" + bytes(37)
    return out


def chunk(payload):
    return b"\x00" + struct.pack(">H", len(payload)) + payload


def main():
    frames = vectors("frames.txt", "frame ")
    everything = b"".join(frames.values())
    write("client_hello", client_hellos())
    write("demux", {"tls": b"\x16\x03\x01\x00\x05", "preface": b"SPD1" + bytes(range(32)), "ssh": "SSH-2.0-x\r\n",
                    "ocsp": "POST /ocsp HTTP/1.1\r\nHost: s\r\n\r\n", "crl": "GET /crl/root.crl HTTP/1.0\r\n\r\n",
                    "other": "GET / HTTP/1.1\r\n\r\n", "h2": "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", "short": "OPT",
                    "bare_lf": "GET / HTTP/1.1\n\n", "absolute": "GET http://x/ HTTP/1.1\r\n", "zero": bytes(9)})
    write("frames", {**frames, "all": everything, "cut": everything[:-3], "huge": b"\x06\x01\x00\x01",
                     "type_0": bytes(4), "type_11": b"\x0b\x00\x00\x00"})
    agent = chunk(frames["tickets"])
    pong = chunk(frames["pong"])
    write("agent_session", {
        "life": agent + pong + b"\x03" + chunk(frames["open"]) + chunk(frames["grant"]) + chunk(frames["cut"]) +
                b"\xfc" + chunk(frames["ping"]) + chunk(frames["goaway"]),
        "open_twice": agent + chunk(frames["open"]) * 2, "tickets_twice": agent * 2,
        "no_pong": agent + b"\x79" * 8, "violation": chunk(frames["hello"]), "early_open": chunk(frames["open"]),
        "switch_off": agent + b"\x02" + b"\x03" + chunk(frames["open"]), "lost": agent + b"\xf3" + chunk(frames["open"]),
        "bytes": b"".join(chunk(bytes([b])) for b in frames["tickets"])})
    relay = chunk(frames["hello"]) + b"\x02"
    write("relay_session", {
        "life": relay + b"\x03\x03\x0b" + chunk(frames["ping"]) + chunk(frames["refuse"]) + b"\x05" + pong +
                b"\x04\x0e" + chunk(frames["status"]) + b"\xf7",
        "hello_twice": relay + chunk(frames["hello"]), "open_early": b"\x03" + chunk(frames["hello"]) + b"\x03",
        "silent": relay + b"\xf9" * 8, "no_hello": b"\xf9" * 20, "violation": relay + chunk(frames["tickets"]),
        "open_many": relay + b"\x03\x0b\x13\x1b\x23" * 20, "lost": relay + b"\x04" * 5,
        "version": chunk(frames["hello"][:4] + b"\x00\x02" + frames["hello"][6:]) + b"\x02"})
    write("grant", grants())
    write("entry_gate", requests())
    write("proxy_header", proxy_headers())
    write("proxy_connect", {
        "ok": "HTTP/1.1 200 Connection established\r\n\r\n\x16\x03\x01", "bare": "HTTP/1.0 200\r\n\r\n",
        "auth": "HTTP/1.1 407 Auth\r\nProxy-Authenticate: Basic realm=\"x\"\r\nProxy-Authenticate: NTLM\r\n\r\nbody",
        "interim": "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\n\r\n", "html": "<html>no</html>",
        "cut": "HTTP/1.1 200 OK\r\nVia: x", "folded": "HTTP/1.1 200 OK\r\n a: b\r\n\r\n",
        "status": "HTTP/1.1 9x9 OK\r\n\r\n", "nul": "HTTP/1.1 200 OK\r\na: \0\r\n\r\n"})


def field(tag, value):
    return struct.pack(">H", tag) + struct.pack(">I", len(value))[1:] + value


def grants():
    now = 1800000000
    fields = {1: bytes(range(16)), 3: b"u-17", 4: "Erika Müstermann".encode(), 5: b"k3v7q2x5ma", 6: b"web", 7: b"\x01",
              8: bytes([0x5A] * 32), 9: b"abcdefghij234567", 10: b"https://console.localhost:8443",
              11: struct.pack(">Q", now), 12: struct.pack(">Q", now + 300), 13: struct.pack(">Q", now + 28800)}

    def encode(changes):
        merged = {**fields, **changes}
        return b"".join(field(tag, merged[tag]) for tag in sorted(merged))

    return {"first": encode({}), "renewal": encode({1: bytes(16), 2: bytes(range(16))}), "cli": encode({7: b"\x02"}),
            "long": encode({12: struct.pack(">Q", now + 301)}), "kind": encode({7: b"\x03"}),
            "unknown_field": encode({14: b""}), "control": encode({4: b"a\nb"}), "origin": encode({10: b"http://x"}),
            "cut": encode({})[:-1], "forever": encode({13: b"\xff" * 8}), "itself": encode({2: bytes(range(16))})}


def requests():
    host = "Host:abcdefghij234567.k3v7q2x5ma.devices.localhost:8443\n"
    console = "Origin:https://console.localhost:8443\nContent-Type:application/x-www-form-urlencoded\n"
    own = "Origin:https://abcdefghij234567.k3v7q2x5ma.devices.localhost:8443\n"
    return {"enter": "POST /.sallyport/enter\n" + host + console + "\nsecret=" + "A" * 43,
            "enter_wrong": "POST /.sallyport/enter\n" + host + console + "\nsecret=" + "B" * 43,
            "enter_grant": "POST /.sallyport/enter\n" + host + console + "\nsecret=" + "A" * 43 + "&grant=AQID",
            "get": "GET /\n" + host + "Sec-Fetch-Site:same-origin\n\n", "post": "POST /x\n" + host + own + "\n{}",
            "websocket": "GET /ws\n" + host + own + "Upgrade:websocket\nConnection:Upgrade\n\n",
            "cookies": "GET /\n" + host + "Cookie:a=1; __Host-p-sid=2; sid=3; __Host-sallyport=x\n\n",
            "forwarded": "GET /\n" + host + "X-Forwarded-For:1\nForwarded:x\nX_Sallyport_User:r\n\n",
            "foreign": "GET /\n" + host + "Sec-Fetch-Site:same-site\n\n", "coalesced": "GET /\nHost:evil\n\n",
            "reserved": "GET /%2esallyport/../.sallyport//x\n" + host + "\n", "connect": "CONNECT x:1\n" + host + "\n",
            "set_cookie": "GET /\n" + host + "Set-Cookie:sid=1; HttpOnly; Domain=x\nSet-Cookie:__host-SALLYPORT=1\n\n"}


def proxy_headers():
    signature = bytes.fromhex("0d0a0d0a000d0a515549540a")
    v4 = bytes.fromhex("c0000201c0000202c73801bb")
    v6 = bytes(range(32)) + bytes.fromhex("c73801bb")
    tlv = b"\x02\x00\x04abcd\x05\x00\x00"
    return {"v4": signature + b"\x21\x11\x00\x0c" + v4 + b"after", "v6": signature + b"\x21\x21\x00\x24" + v6,
            "tlvs": signature + b"\x21\x11" + struct.pack(">H", len(v4 + tlv)) + v4 + tlv,
            "local": signature + b"\x20\x00\x00\x00", "local_block": signature + b"\x20\x11\x00\x03abc",
            "udp": signature + b"\x21\x12\x00\x0c" + v4, "cut": signature + b"\x21\x11\x00\x0c" + v4[:-1],
            "tlv_cut": signature + b"\x21\x11\x00\x0e" + v4 + b"\x02\x00", "huge": signature + b"\x21\x11\xff\xff",
            "v1": b"PROXY TCP4 192.0.2.1 192.0.2.2 51000 443\r\n", "unix": signature + b"\x21\x31\x00\x00"}


if __name__ == "__main__":
    main()
