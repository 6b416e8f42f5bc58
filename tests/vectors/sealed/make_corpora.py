#!/usr/bin/python3
"""Makes the seed corpora of the sealed_eva_* fuzz targets from eva.json beside this file and with python3-msgpack."""
import json
import pathlib
import struct
import zlib

import msgpack

HERE = pathlib.Path(__file__).resolve().parent
CORPUS = HERE.parents[2] / "fuzz" / "corpus"
VECTORS = {vector["name"]: vector for vector in json.loads((HERE / "eva.json").read_text())}
KEY = "my-eva-api-key"
RID = bytes(range(16))


def write(target, name, data):
    (CORPUS / target).mkdir(parents=True, exist_ok=True)
    (CORPUS / target / name).write_bytes(data)


def call(method="test", key=KEY, **more):
    return {"jsonrpc": "2.0", "method": method, "params": {"k": key}, "id": 1} | more


BODIES = {
    "call": call(), "notification": {key: value for key, value in call().items() if key != "id"}, "foreign_key": call(key="another"),
    "batch": [call("a"), call("b", id="x"), call("c", key="another")], "answer": {"jsonrpc": "2.0", "result": {"ok": True}, "id": 1},
    "failure": {"jsonrpc": "2.0", "error": {"code": 13, "message": "busy"}, "id": 1}, "both": {"jsonrpc": "2.0", "result": 1, "error": {"code": 1}},
    "list_of_params": call(params=[1]), "version_1": call(jsonrpc="1.0"), "empty_batch": [], "nil": None, "batch_of_33": [call()] * 33,
}


def frames():
    for name, vector in VECTORS.items():
        for member in ("request", "response"):
            if member in vector:
                data = vector[member].encode() if name == "text" else bytes.fromhex(vector[member])
                yield f"{name}_{member}", data


def main():
    for name, data in frames():
        write("sealed_eva_frames", name, b"r" + data)
    for name, data in {"500": b"500|", "nothing": b"", "head_alone": b"\x00\x02default\x00", "no_token": b"|default|"}.items():
        write("sealed_eva_frames", "raw_" + name, b"r" + data)
    for name, body in BODIES.items():
        packed = msgpack.Packer(use_bin_type=True).pack(body)
        write("sealed_eva_frames", "sealed_packed_" + name, b"s" + RID + packed)
        write("sealed_eva_frames", "sealed_zlib_" + name, b"s" + RID + zlib.compress(packed))
        write("sealed_eva_frames", "sealed_text_" + name, b"s42|" + json.dumps(body).encode())
        write("sealed_eva_frames", "sealed_answer_" + name, b"s" + json.dumps(body).encode())
    write("sealed_eva_frames", "sealed_topic", b"sx/../../anything|" + json.dumps(call()).encode())
    write("sealed_eva_frames", "sealed_bomb", b"s" + RID + zlib.compress(bytes(8 << 20), 9))
    topics = ["controller/uc/plant1/api/request", "s/controller/lm/a.b/api/response/0f_-A", "controller/sfa/x/events", "controller/discovery",
              "controller/uc/+/api/request", "unit/hall/lamps/l1", "s/sensor/env/t", "unit/a/b/status", "unit:hall/lamps/l1", "uc/plant1", "plant/hall",
              "controller/uc/a/api/response/x/../../anything", '{"e":"leaving","t":1600000000.25,"c":"uc/plant1"}', '{"e":"restart","t":1,"c":"lm/a"}',
              '{"ok":true,"product_code":"uc","system":"plant1","time":1.5,"version":"3.4.2","product_build":2022012701}',
              '{"e":"removed","t":1,"c":"uc/a"}', "a/b/c#", "default", "a|b"]
    for number, topic in enumerate(topics):
        write("sealed_eva_topics", f"{number:02}", topic.encode())
    state = {"t": 1600000001.5, "c": "uc/plant1", "status": 1, "value": "on", "set_time": 1600000000.5, "ieid": [12, 345678901234], "nstatus": 0,
             "nvalue": None, "action_enabled": True}
    bulk = {"t": 2.5, "c": "uc/plant1", "d": [state | {"oid": "unit:hall/lamps/l1"}, {"oid": "lvar:g/v", "status": 1, "value": 3}]}
    texts = {"unit": state, "sensor": {"t": None, "status": 0, "value": 21.5}, "array_value": {"status": 1, "value": [1]}, "short_ieid": state | {"ieid": [1]},
             "bulk": bulk, "bulk_without_oid": {"d": [state]}, "bulk_of_nothing": {"d": []}}
    for name, value in texts.items():
        write("sealed_eva_state", name, json.dumps(value).encode())
    write("sealed_eva_state", "development_form", json.dumps(state, indent=4, sort_keys=True).encode())
    write("sealed_eva_state", "gone", b"")
    write("sealed_eva_state", "packed_bulk", b"\x00\x03" + zlib.compress(msgpack.packb(bulk, use_bin_type=True)))
    write("sealed_eva_state", "packed_bomb", b"\x00\x03" + zlib.compress(bytes(1 << 20), 9))
    write("sealed_eva_state", "packed_trailing", b"\x00\x03" + zlib.compress(msgpack.packb(bulk, use_bin_type=True)) + b"x")

    def step(what, passed, data=b""):
        return struct.pack(">BBH", what, passed, len(data)) + data

    packed = RID + msgpack.packb(call(), use_bin_type=True)
    other = RID[::-1] + msgpack.packb(BODIES["batch"], use_bin_type=True)
    text = b"42|" + json.dumps(call()).encode()
    raw = {name: data for name, data in frames()}
    write("sealed_eva_gateway", "packed_and_again", step(1, 0, packed) + step(4, 0) + step(4, 70) + step(1, 0, packed))
    write("sealed_eva_gateway", "zlib_batch", step(2, 1, RID + zlib.compress(other[16:])) + step(4, 1))
    write("sealed_eva_gateway", "text_and_again", step(3, 0, text) + step(4, 0) + step(4, 61) + step(3, 1, text))
    write("sealed_eva_gateway", "raw_vectors", b"".join(step(0, 0, data) for data in raw.values()))
    write("sealed_eva_gateway", "retained", step(129 + 6, 0, packed) + step(129, 0, packed) + step(128, 0, raw["binary_request"]))
    write("sealed_eva_gateway", "calls", step(5, 0, packed) + step(5, 0, b"500|") + step(5, 9, json.dumps(BODIES["answer"]).encode()))
    write("sealed_eva_gateway", "flood", b"".join(step(1, 0, bytes([i]) * 16 + packed[16:]) for i in range(64)))


if __name__ == "__main__":
    main()
