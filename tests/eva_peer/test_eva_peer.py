#!/usr/bin/python3
"""Our gateway and client of EVA ICS v3's formats against an independent peer (tests/support/eva.py), in both directions and all
three formats; and what a broker or a thief of bytes may try, case by case."""
# test: needs=dev deadline=180
import itertools
import json
import pathlib
import subprocess
import sys
import uuid
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import eva  # noqa: E402
from cases import want  # noqa: E402

VECTORS = {vector["name"]: vector for vector in json.loads((cases.ROOT / "tests/vectors/sealed/eva.json").read_text())}
KEY_ID, KEY = "default", "my-eva-api-key"
OTHER_ID, OTHER = "master", "the-masters-api-key"
NOW = 1_800_000_000
FORMATS = [eva.Frames(name, KEY_ID, KEY) for name in ("binary", "zlib", "text")]
REQUESTS = "controller/uc/plant1/api/request"
ANSWERS = "controller/uc/plant1/api/response/"


class Ours:
    """The program, by its lines."""

    def __init__(self, build):
        self.process = subprocess.Popen([build / "tests" / "eva_peer" / "eva_peer"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def ask(self, /, **line):
        self.process.stdin.write(json.dumps(line) + "\n")
        self.process.stdin.flush()
        answer = self.process.stdout.readline()
        want(answer, "our program ended")
        return json.loads(answer)

    def gateway(self, keys=((KEY_ID, KEY), (OTHER_ID, OTHER)), **more):
        entries = [{"id": key_id, "secret": secret} | more for key_id, secret in keys]
        return self.ask(do="gateway", self="uc/plant1", space="", taken_until=0, keys=entries)

    def message(self, payload, now=NOW, retained=False, topic=REQUESTS):
        return self.ask(do="message", topic=topic, payload=payload.hex(), now=now, retained=retained)

    def client(self, frames, key=KEY):
        return self.ask(do="client", space="", format=frames.name, id=KEY_ID, secret=key)

    def call(self, method="sum", now=NOW, **params):
        return self.ask(do="call", target="uc/plant1", method=method, params=params, now=now)

    def reply(self, topic, payload, now=NOW, retained=False):
        return self.ask(do="reply", topic=topic, payload=payload.hex(), now=now, retained=retained)["finished"]

    def close(self):
        self.process.stdin.close()
        self.process.wait(timeout=10)
        self.process.stdout.close()


def request(frames, method="sum", now=NOW, rid=None, key_inside=KEY, **more):
    rid = rid or frames.fresh(now)
    return frames.request(rid, eva.call(method, key_inside, str(rid), a=2, b=3), now, **more)


def refuses(ours, payload, what, **more):
    """Ours executes nothing and says nothing."""
    found = ours.message(payload, **more)
    want(found["executed"] == [] and found["published"] == [], f"{what}: found {found}, want nothing executed or published")


def executes(ours, payload, what, **more):
    found = ours.message(payload, **more)
    want(len(found["executed"]) == 1 and len(found["published"]) == 1, f"{what}: found {found}, want one execution and one answer")
    return found


def flipped(data):
    for position, bit in itertools.product(range(len(data)), range(8)):
        changed = bytearray(data)
        changed[position] ^= 1 << bit
        yield position, bytes(changed)


def check_vectors_are_what_python_makes(_):
    vector = VECTORS["binary"]
    body = eva.call("test", KEY, vector["uuid"])
    rid, iv = uuid.UUID(vector["uuid"]), bytes.fromhex(vector["request_iv"])
    want(eva.Frames("binary", KEY_ID, KEY).request(rid, body, 0, iv=iv)[0].hex() == vector["request"], "the binary request differs")
    want(eva.Frames("binary", KEY_ID, KEY).open_response(bytes.fromhex(vector["response"]))["result"] == {"ok": True}, "the response does not open")
    packed = VECTORS["binary-zlib"]
    want(eva.Frames("zlib", KEY_ID, KEY).open_request(bytes.fromhex(packed["request"]))[1] == body, "the packed request does not open")
    text = VECTORS["text"]
    token = eva.fernet(KEY)._encrypt_from_parts(text["request_plain"].encode(), text["time"], bytes.fromhex(text["request_iv"]))
    want("|default|" + token.decode() == text["request"], "the text request differs")
    want(eva.Frames("text", KEY_ID, KEY).open_response(text["response"].encode())["result"] == {"ok": True}, "the text response does not open")


def check_their_request_is_executed_and_our_answer_opens(ours):
    for frames in FORMATS:
        ours.gateway()
        rid = frames.fresh(NOW)
        payload, level = request(frames, rid=rid)
        found = executes(ours, payload, frames.name)
        want(found["executed"][0] == {"principal": KEY_ID, "method": "sum", "params": {"a": 2, "b": 3}}, f"{frames.name}: executed {found['executed']}")
        published = found["published"][0]
        want(published["topic"] == ANSWERS + level, f"{frames.name}: answered to {published['topic']}, want {ANSWERS + level}")
        body = frames.open_response(bytes.fromhex(published["payload"]))
        want(body == {"jsonrpc": "2.0", "result": 5, "id": str(rid)}, f"{frames.name}: answered {body}")


def check_our_error_code_is_what_they_know(ours):
    for frames in FORMATS:
        ours.gateway()
        found = executes(ours, request(frames, method="no_such")[0], frames.name)
        body = frames.open_response(bytes.fromhex(found["published"][0]["payload"]))
        want(body["error"]["code"] == 6, f"{frames.name}: found {body}, want code 6, method unknown")


def check_their_batch_and_their_notification_are_answered_as_eva_does(ours):
    for frames in FORMATS:
        ours.gateway()
        batch = [eva.call("echo", KEY, "one", v=1), eva.call("echo", KEY, None, v=2), eva.call("echo", KEY, 3, v=[None, 1.5, "grün"])]
        found = ours.message(frames.request(frames.fresh(NOW), batch, NOW)[0])
        want(len(found["executed"]) == 3, f"{frames.name}: executed {found['executed']}")
        body = frames.open_response(bytes.fromhex(found["published"][0]["payload"]))
        want([entry["id"] for entry in body] == ["one", 3] and body[1]["result"] == {"v": [None, 1.5, "grün"]}, f"{frames.name}: answered {body}")
        found = ours.message(frames.request(frames.fresh(NOW), eva.call("echo", KEY, None), NOW)[0])
        want(frames.open_response(bytes.fromhex(found["published"][0]["payload"])) is None, f"{frames.name}: want nil")


def check_our_request_is_opened_by_them_and_their_answer_by_us(ours):
    for frames in FORMATS:
        ours.client(frames)
        started = ours.call(a=2, b=3)
        want(started["topic"] == REQUESTS, f"published to {started['topic']}")
        call_id, body = frames.open_request(bytes.fromhex(started["payload"]))
        want(started["reply_topic"] == ANSWERS + call_id, f"{frames.name}: awaits {started['reply_topic']}")
        want(body == eva.call("sum", KEY, str(uuid.UUID(call_id)), a=2, b=3), f"{frames.name}: called {body}")
        answer = {"jsonrpc": "2.0", "result": {"sum": 5}, "id": body["id"]}
        finished = ours.reply(started["reply_topic"], frames.response(answer, NOW))
        want(finished == {"result": {"sum": 5}}, f"{frames.name}: finished {finished}")
        started = ours.call()
        body = frames.open_request(bytes.fromhex(started["payload"]))[1]
        failed = {"jsonrpc": "2.0", "error": {"code": 13, "message": "busy"}, "id": body["id"]}
        finished = ours.reply(started["reply_topic"], frames.response(failed, NOW))
        want(finished == {"error": {"code": 13, "message": "busy"}}, f"{frames.name}: finished {finished}")


def check_any_flipped_bit_of_a_request_executes_nothing(ours):
    for frames in FORMATS:
        ours.gateway()
        payload = request(frames)[0]
        for position, changed in flipped(payload):
            refuses(ours, changed, f"{frames.name}, octet {position}")
        executes(ours, payload, f"{frames.name}: the request itself")


def check_any_flipped_bit_of_a_response_ends_no_call(ours):
    for frames in FORMATS:
        ours.client(frames)
        started = ours.call(a=1, b=1)
        body = frames.open_request(bytes.fromhex(started["payload"]))[1]
        payload = frames.response({"jsonrpc": "2.0", "result": 2, "id": body["id"]}, NOW)
        for position, changed in flipped(payload):
            want(ours.reply(started["reply_topic"], changed) is None, f"{frames.name}: octet {position} ends the call")
        want(ours.reply(started["reply_topic"], payload) == {"result": 2}, f"{frames.name}: the response itself does not end the call")


def check_whatever_is_cut_short_or_longer_is_refused(ours):
    for frames in FORMATS:
        ours.gateway()
        ours.client(frames)
        payload = request(frames)[0]
        started = ours.call(a=1, b=1)
        body = frames.open_request(bytes.fromhex(started["payload"]))[1]
        response = frames.response({"jsonrpc": "2.0", "result": 2, "id": body["id"]}, NOW)
        for size in range(len(payload)):
            refuses(ours, payload[:size], f"{frames.name}, {size} octets")
        for size in range(len(response)):
            want(ours.reply(started["reply_topic"], response[:size]) is None, f"{frames.name}: {size} octets end the call")
        for more in (b"\x00", b"A", b"A" * 4, bytes(16), bytes(32)):
            refuses(ours, payload + more, f"{frames.name}, {len(more)} more")
            want(ours.reply(started["reply_topic"], response + more) is None, f"{frames.name}: {len(more)} more end the call")


def check_wrong_key_is_refused_silently_on_both_sides(ours):
    for frames in FORMATS:
        ours.gateway()
        ours.client(frames)
        refuses(ours, request(frames, key="some-other-api-key")[0], f"{frames.name}, another key")
        refuses(ours, request(frames, key_id="nobody")[0], f"{frames.name}, an unknown id")
        refuses(ours, request(frames, key_id=OTHER_ID)[0], f"{frames.name}, the id of another key")
        started = ours.call(a=1, b=1)
        body = frames.open_request(bytes.fromhex(started["payload"]))[1]
        answer = {"jsonrpc": "2.0", "result": 2, "id": body["id"]}
        want(ours.reply(started["reply_topic"], frames.response(answer, NOW, key=OTHER)) is None, f"{frames.name}: another key ends the call")


def check_replay_executes_nothing(ours):
    for frames in FORMATS:
        ours.gateway()
        payload = request(frames)[0]
        executes(ours, payload, frames.name)
        for later in (0, 1, 59, 61, 86_400):
            refuses(ours, payload, f"{frames.name}, {later} s later", now=NOW + later)
        want(ours.message(b"")["counts"]["executed"] == 1, f"{frames.name}: executed more than once")


def check_replay_under_the_other_packing_or_another_key_id_executes_nothing(ours):
    for frames in FORMATS[:2]:
        ours.gateway()
        payload = request(frames)[0]
        executes(ours, payload, frames.name)
        refuses(ours, payload[:1] + bytes([5 - payload[1]]) + payload[2:], f"{frames.name}, the other packing")
        refuses(ours, payload.replace(KEY_ID.encode(), OTHER_ID.encode(), 1), f"{frames.name}, another key id")


def check_replay_on_another_topic_executes_nothing(ours):
    for frames in FORMATS:
        ours.gateway()
        payload = request(frames)[0]
        for topic in ("controller/uc/plant2/api/request", "x/controller/uc/plant1/api/request", ANSWERS + "1", REQUESTS + "/"):
            refuses(ours, payload, f"{frames.name} on {topic}", topic=topic)


def check_retained_request_and_retained_response_are_refused(ours):
    for frames in FORMATS:
        ours.gateway()
        ours.client(frames)
        payload = request(frames)[0]
        refuses(ours, payload, f"{frames.name}, retained", retained=True)
        executes(ours, payload, f"{frames.name}, live")
        refuses(ours, payload, f"{frames.name}, retained and known", retained=True)
        started = ours.call(a=1, b=1)
        body = frames.open_request(bytes.fromhex(started["payload"]))[1]
        response = frames.response({"jsonrpc": "2.0", "result": 2, "id": body["id"]}, NOW)
        want(ours.reply(started["reply_topic"], response, retained=True) is None, f"{frames.name}: a retained response ends the call")


def check_foreign_key_inside_is_forbidden(ours):
    """EVA itself executes such a call with the inner key."""
    for frames in FORMATS:
        ours.gateway()
        for inside in (OTHER, "", "my-eva-api-ke", "default"):
            rid = frames.fresh(NOW)
            found = ours.message(request(frames, rid=rid, key_inside=inside)[0])
            want(found["executed"] == [], f"{frames.name}, {inside!r}: executed {found['executed']}")
            body = frames.open_response(bytes.fromhex(found["published"][0]["payload"]))
            want(body["error"]["code"] == 2 and body["id"] == str(rid), f"{frames.name}, {inside!r}: found {body}, want code 2, forbidden")


def check_token_of_1970_or_of_another_minute_is_refused(ours):
    """EVA itself takes it."""
    frames = FORMATS[2]
    ours.gateway()
    for made in (0, NOW - 3600, NOW - 61, NOW + 61, NOW + 86_400):
        refuses(ours, request(frames, now=made)[0], f"made {made - NOW} s from now")
    executes(ours, request(frames, now=NOW - 60)[0], "made 60 s ago")


def check_key_for_fresh_requests_alone_takes_ours_and_no_uuid4(ours):
    for frames in FORMATS[:2]:
        ours.gateway(only_fresh=True)
        refuses(ours, request(frames)[0], f"{frames.name}, a UUID version 4")
        ours.client(frames)
        for age in (61, -61):
            refuses(ours, bytes.fromhex(ours.call(now=NOW - age, a=2, b=3)["payload"]), f"{frames.name}, {age} s old")
        executes(ours, bytes.fromhex(ours.call(a=2, b=3)["payload"]), f"{frames.name}, a new one of ours")


def check_call_id_that_names_another_topic_is_refused(ours):
    """EVA itself answers to whatever topic it makes."""
    ours.gateway()
    for call_id in ("x/../../anything", "+", "#", "a/b", "", "a" * 65, "a b", "grün", "../1", "a\x00b"):
        plain = call_id + "|" + json.dumps(eva.call("sum", KEY, 1, a=2, b=3))
        token = eva.fernet(KEY)._encrypt_from_parts(plain.encode(), NOW, bytes(16))
        refuses(ours, b"|default|" + token, f"call id {call_id!r}")


def check_bombs_end_at_the_cap(ours):
    bomb = zlib.compress(bytes(64 << 20), 9)
    ours.gateway()
    rid = uuid.uuid4()
    refuses(ours, b"\x00\x03default\x00" + eva.seal(KEY, rid.bytes + bomb), "a request of 64 MiB")
    frames = FORMATS[1]
    ours.client(frames)
    started = ours.call(a=1, b=1)
    want(ours.reply(started["reply_topic"], b"\x00\xc8" + eva.seal(KEY, bomb)) is None, "a response of 64 MiB ends the call")
    refused = ours.ask(do="bulk", payload=(b"\x00\x03" + bomb).hex())
    want("more than" in refused.get("refused", ""), f"a bulk state of 64 MiB: found {refused}")
    peak = next(line for line in pathlib.Path(f"/proc/{ours.process.pid}/status").read_text().splitlines() if line.startswith("VmHWM"))
    want(int(peak.split()[1]) < 64_000, f"found {peak}, want less than 64,000 kB")


def check_what_only_a_key_holder_can_make_and_is_no_call_is_ignored(ours):
    ours.gateway()
    rid = uuid.uuid4().bytes
    for plain in (b"", rid[:15], rid, rid + b"\xc0", rid + b"\xc4\x01x", rid + b"\x81\x01\x02", rid + eva.pack(float("nan"), eva.PLAIN),
                  rid + eva.pack(1 << 63, eva.PLAIN), rid + eva.pack(eva.call("sum", KEY, 1), eva.PLAIN) + b"\xc0", rid + eva.pack([], eva.PLAIN)):
        refuses(ours, b"\x00\x02default\x00" + eva.seal(KEY, plain), f"plain {plain[16:].hex()}")
    for text in ("42|", "42|[1]", "42|{}", "42|nul", "42|{\"a\":1,\"a\":2}"):
        token = eva.fernet(KEY)._encrypt_from_parts(text.encode(), NOW, bytes(16))
        refuses(ours, b"|default|" + token, f"text {text!r}")


def check_failure_in_clear_ends_no_call(ours):
    for frames in FORMATS:
        ours.client(frames)
        started = ours.call(a=1, b=1)
        body = frames.open_request(bytes.fromhex(started["payload"]))[1]
        for payload in (b"500|", b"", b"200|", b"\x00\xc8", bytes.fromhex(started["payload"])):
            want(ours.reply(started["reply_topic"], payload) is None, f"{frames.name}: {payload[:8]} ends the call")
        answer = frames.response({"jsonrpc": "2.0", "result": 2, "id": body["id"]}, NOW)
        want(ours.reply(started["reply_topic"], answer) == {"result": 2}, f"{frames.name}: the answer does not end the call")


def check_swapped_replies_and_reflected_frames_end_no_call(ours):
    for frames in FORMATS:
        ours.client(frames)
        first, second = ours.call(a=1, b=1), ours.call(a=2, b=2)
        ids = [frames.open_request(bytes.fromhex(started["payload"]))[1]["id"] for started in (first, second)]
        answers = [frames.response({"jsonrpc": "2.0", "result": i, "id": identifier}, NOW) for i, identifier in enumerate(ids)]
        want(ours.reply(first["reply_topic"], answers[1]) is None, f"{frames.name}: another call's answer ends the call")
        payload = bytes.fromhex(first["payload"])
        reflected = b"200|" + payload.split(b"|", 2)[2] if frames.name == "text" else b"\x00\xc8" + payload.split(b"\x00", 2)[2]
        want(ours.reply(first["reply_topic"], reflected) is None, f"{frames.name}: the request ends its call")
        ours.gateway()
        back = b"|default|" + answers[0][4:] if frames.name == "text" else b"\x00" + bytes([frames.packing]) + b"default\x00" + answers[0][2:]
        refuses(ours, back, f"{frames.name}: an answer as a request")
        want(ours.reply(first["reply_topic"], answers[0]) == {"result": 0}, f"{frames.name}: the answer does not end the call")


def check_states_are_read_and_written_as_they_do(ours):
    state = {"t": 1600000001.5, "c": "uc/plant1", "status": 1, "value": "on", "set_time": 1600000000.5, "ieid": [12, 345678901234],
             "nstatus": 0, "nvalue": None, "action_enabled": True}
    for text in (json.dumps(state), json.dumps(state, indent=4, sort_keys=True)):
        written = ours.ask(do="state", payload=text.encode().hex())
        want(json.loads(written["written"]) == state, f"found {written}")
    want(ours.ask(do="state", payload="") == {"written": None}, "an item that is gone")
    bulk = {"t": 2.5, "c": "uc/plant1", "d": [{key: value for key, value in state.items() if key not in "tc"} | {"oid": "unit:hall/lamps/l1"}]}
    for payload in (json.dumps(bulk).encode(), b"\x00\x03" + eva.pack(bulk, eva.ZLIB)):
        written = ours.ask(do="bulk", payload=payload.hex())
        want(json.loads(written["json"]) == bulk, f"found {written}")
        want(eva.unpack(bytes.fromhex(written["packed"])[2:], eva.ZLIB) == bulk, "the packed bulk differs")


if __name__ == "__main__":
    OURS = Ours(cases.arguments().build)
    try:
        STATUS = cases.run(globals(), OURS)
    finally:
        OURS.close()
    sys.exit(STATUS)
