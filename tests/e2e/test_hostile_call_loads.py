#!/usr/bin/python3
"""E8 and E9 of the hostile cases, and what else is too much: JSON without end, batches of a million, floods of notifications and of garbage,
bombs. A node (sallyport-agent rpc run) answers each by its code, within a megabyte of what an honest call of the longest kind takes, and a live
caller is served meanwhile. A million packets of garbage with --long, 60,000 without.
"""
# test: needs=dev deadline=900
import collections
import json
import os
import pathlib
import statistics
import sys
import threading
import time
import zlib

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import eva  # noqa: E402
import sr1  # noqa: E402
from call_scene import EVA_SECRET, CallScene  # noqa: E402
from cases import want  # noqa: E402
from stage import play, wait_for  # noqa: E402

LONG = os.environ.get("SALLYPORT_LONG") == "1"
GARBAGE = 1_000_000 if LONG else 60_000
BATCHES = 15_625 if LONG else 500  # of 64 notifications
MIB_KB = 1_024
BOMB_KB = 3 * MIB_KB  # the old formats may be 1 MiB once they are inflated, and that is held
# Far from what an idle machine shows, so that a busy one does not fail it.
MOST_MEDIAN_SECONDS, MOST_CPU_SECONDS_PER_PACKET = 2, 0.000_5
PARSE_ERROR, INVALID_REQUEST, METHOD_NOT_FOUND = -32_700, -32_600, -32_601


@cases.carries_the_rest
def check_live_caller_is_served(scene):
    told = scene.live.call("count", {"marker": 1})
    want(told == {"jsonrpc": "2.0", "id": 1, "result": {"marker": 1}}, f"found {told}, want the params")


class Peak:
    """What the node's memory grows by at most, once it has had an honest message of the longest kind."""

    def __init__(self, scene, live):
        self.scene = scene
        longest = text_of(1 << 20, '{"jsonrpc":"2.0","id":1,"method":"look","params":{"text":"', "x", '"}}')
        for _ in range(3):
            answer = live.ask(longest)
            want(answer and answer[0] == sr1.DONE and b"a long one" in answer[1], f"the longest call that may be: found {answer}, want it answered")
        self.honest = scene.node.memory_kb()
        scene.node.forget_peak()

    def check(self, what, most=MIB_KB):
        found = self.scene.node.memory_kb() - self.honest
        print(f"# {what}: {found} kB more at most than the longest honest call ({self.honest} kB)", flush=True)
        want(found <= most, f"{what}: found {found} kB more, want at most {most}")


def text_of(size, head="", one="", tail=""):
    """As many of `one` as a message takes, or `size`."""
    room = sr1.MOST_MESSAGE - 25 - 21 - len(head) - len(tail)
    return head + one * min(size, room // len(one)) + tail


def check_E8_json_bombs_are_refused_by_their_codes_within_a_megabyte(scene):
    million = 1_000_000  # or as many as a message takes
    call = '{"jsonrpc":"2.0","id":1,"method":"look","params":%s}'
    keys = ",".join(f'"{number:x}":0' for number in range(25_000))
    bombs = {
        "nested arrays": (text_of(million, one="["), INVALID_REQUEST),
        "nested and closed": ("[" * 100_000 + "]" * 100_000, INVALID_REQUEST),
        "nested objects": (text_of(million, one='{"a":'), INVALID_REQUEST),
        "nested in params": (call % ("[" * 33 + "]" * 33), INVALID_REQUEST),
        "a million keys": (call % ("{" + keys[:240_000].rpartition(",")[0] + "}"), INVALID_REQUEST),
        "a million values": (text_of(million, "[", "0,", "0]"), INVALID_REQUEST),
        "duplicate keys": (call % '{"a":1,"a":2}', PARSE_ERROR),
        "a duplicate method": ('{"jsonrpc":"2.0","id":1,"method":"look","method":"count"}', PARSE_ERROR),
        "a huge number": (call % '{"n":1e99999}', PARSE_ERROR),
        "a number of 200,000 digits": (call % ('{"n":' + "9" * 200_000 + "}"), None),
        "a lone surrogate": (call % r'{"t":"\ud800"}', PARSE_ERROR),
        "surrogates in the wrong order": (call % r'{"t":"\udc00\ud800"}', PARSE_ERROR),
        "a byte order mark": ("\ufeff" + call % "{}", PARSE_ERROR),
        "NaN": (call % '{"n":NaN}', PARSE_ERROR),
        "Infinity": (call % '{"n":-Infinity}', PARSE_ERROR),
        "what is no UTF-8": ((call % '{"t":"@"}').encode().replace(b"@", b"\xff\xfe"), PARSE_ERROR),
        "a zero": ((call % "{}") + "\0", PARSE_ERROR),
        "nothing": ("", PARSE_ERROR),
        "only spaces": (text_of(million, one=" "), PARSE_ERROR),
        "a value alone": ("7", INVALID_REQUEST),
        "another version": ('{"jsonrpc":"1.0","id":1,"method":"look"}', INVALID_REQUEST),
        "an object as id": ('{"jsonrpc":"2.0","id":{},"method":"look"}', INVALID_REQUEST),
    }
    live = scene.caller()
    peak = Peak(scene, live)
    before = scene.service.runs()
    for what, (text, code) in bombs.items():
        answer = live.ask(text)
        want(answer and answer[0] == sr1.DONE, f"{what}: found {answer and answer[0]}, want an error as its answer")
        told = json.loads(answer[1])
        if code is None:  # a number is rounded or refused, but not kept by its digits
            want(len(answer[1]) < 1_000, f"{what}: found {len(answer[1])} bytes, want a short answer")
            continue
        want(told["error"]["code"] == code, f"{what}: found {str(told)[:200]}, want {code}")
    ran = sum((scene.service.runs() - before).values())
    want(ran <= 1, f"found {ran} runs, want none but of the long number")
    peak.check("E8")


def check_E8_a_packet_as_long_as_mqtt_allows_is_cut_unread(scene):
    live = scene.caller()
    peak = Peak(scene, live)
    before = scene.node.log.read_text().count("rpc.ready")
    scene.evil.order("huge", live.topic)
    wait_for(lambda: scene.node.log.read_text().count("rpc.ready") > before, 30, "the node to come back to the broker that sent it")
    # Mosquitto hands a node of MQTT 5 nothing that is longer than it takes.
    for size in (sr1.MOST_MESSAGE + 1, 1_000_000, 8 << 20):
        scene.spy.publish(live.topic, bytes([sr1.DATA]) + bytes(size - 1))
    live.call("count")
    peak.check("E8, as long as MQTT allows")


def check_E9_batch_of_a_million_is_refused_whole(scene):
    live = scene.caller()
    peak = Peak(scene, live)
    before = scene.service.runs()
    for one in ('{"jsonrpc":"2.0","method":"count"}', '{"jsonrpc":"2.0","id":1,"method":"count"}', "1", "[]", "{}"):
        for size in (65, 1_000_000):
            answer = live.ask(text_of(size, "[", one + ",", one + "]"))
            want(answer and answer[0] == sr1.DONE, f"{size} of {one}: found {answer and answer[0]}, want an error")
            told = json.loads(answer[1])
            want(isinstance(told, dict) and told["error"]["code"] == INVALID_REQUEST, f"{size} of {one}: found {str(told)[:200]}, want {INVALID_REQUEST}")
    want(json.loads(live.ask("[]")[1])["error"]["code"] == INVALID_REQUEST, "an empty batch: found another answer, want an error")
    want(scene.service.runs() == before, "found runs, want none of a batch that is too long")
    # One that is not: each for itself.
    told = json.loads(live.ask('[1, {"jsonrpc":"2.0","method":"look"}, {"jsonrpc":"2.0","id":7,"method":"no.such"}]')[1])
    want([entry["error"]["code"] for entry in told] == [INVALID_REQUEST, METHOD_NOT_FOUND], f"found {told}, want two errors, and none for a notification")
    peak.check("E9, a batch")


def check_E9_flood_of_notifications_is_bounded(scene):
    other = scene.caller(key=scene.other_key)  # 600 calls a minute
    live = scene.caller()
    peak = Peak(scene, live)
    before, began = scene.service.runs(), time.monotonic()
    batch = "[" + ",".join(['{"jsonrpc":"2.0","method":"count"}'] * 64) + "]"
    answers = collections.Counter()
    for _ in range(BATCHES):
        answer = other.ask(batch)
        want(answer and (answer[0] == sr1.OVERLOADED or answer == (sr1.DONE, b"")), f"found {answer}, want no text to notifications")
        answers[answer[0]] += 1
    seconds = time.monotonic() - began
    ran = sum((scene.service.runs() - before).values())
    print(f"# {64 * BATCHES} notifications in {seconds:.1f} s: {ran} run, {answers[sr1.OVERLOADED]} of {BATCHES} batches refused", flush=True)
    want(ran <= 600 + 10 * (seconds + 1), f"found {ran} runs, want what the key's rate allows")
    want(answers[sr1.OVERLOADED] > 0, "found no batch refused, want most")
    live.call("count")
    peak.check("E9, notifications")


def check_E9_unknown_methods_are_told_by_their_code_and_not_repeated(scene):
    log = len(scene.node.log.read_text())
    before = scene.service.runs()
    names = ("no.such", "__proto__", "constructor", "toString", "../../etc/passwd", "/one", "count/../look", "count\0", "rpc.discover", "COUNT",
             "http://127.0.0.1/", "$(reboot)", "<script>", "café", "m" * 129, "m" * 100_000, "", " count", "%s%n")
    for name in names:
        told = scene.live.call(name, {"__proto__": {"allow": ["*"]}, "constructor": {"prototype": 1}})
        want(told.get("error", {}).get("code") == METHOD_NOT_FOUND, f"{name[:40]!r}: found {str(told)[:200]}, want {METHOD_NOT_FOUND}")
        if len(name) > 2:
            want(name not in json.dumps(told, ensure_ascii=False), f"{name[:40]!r}: found it in the answer, want it not repeated")
    want(scene.service.runs() == before, "found runs, want none")
    said = scene.node.log.read_text()[log:]
    want(not any(name in said for name in names if len(name) > 8), "found a name in the log, want none")
    # A caller's params never become anything else than params.
    told = scene.live.call("look", {"__proto__": {"polluted": True}})
    want(told["result"] == {"__proto__": {"polluted": True}}, f"found {told}, want the params as they were")


def check_bomb_in_an_old_format_is_refused_within_its_cap(scene):
    live = scene.caller()
    peak = Peak(scene, live)
    packer = zlib.compressobj(9)
    bomb = b"".join(packer.compress(bytes(1 << 20)) for _ in range(200)) + packer.flush()  # 200 MiB of zeros
    want(len(bomb) + 200 < sr1.MOST_MESSAGE, f"found {len(bomb)} bytes, want a message")
    request = b"\x00\x03default\x00" + eva.seal(EVA_SECRET, os.urandom(16) + bomb)
    nested = b"\x00\x02default\x00" + eva.seal(EVA_SECRET, os.urandom(16) + b"\x91" * 200_000)
    for one in (request, nested):
        scene.spy.publish("controller/uc/plant-1/api/request", one)
    live.call("count")
    peak.check("a bomb", BOMB_KB)


def check_flood_of_garbage_leaves_a_live_caller_alone(scene):
    """Last, so that the node's clock is the machine's: reading it from a file is no part of what is measured."""
    scene.node.process.stop()
    scene.pass_time(-scene.offset)
    scene.node.start(by_our_clock=False)
    live = scene.caller(port=scene.evil.port)
    calm = sorted(timed(live) for _ in range(50))
    scene.node.forget_peak()
    peak, cpu, opened = scene.node.memory_kb(), scene.node.cpu_seconds(), time.monotonic()
    scene.evil.begin("flood", live.topic, GARBAGE)
    flood = threading.Thread(target=scene.evil.finish)
    flood.start()
    busy = []
    while flood.is_alive():
        busy.append(timed(live))
    flood.join()
    cpu, grown = scene.node.cpu_seconds() - cpu, scene.node.memory_kb() - peak
    print(f"# {GARBAGE} packets in {time.monotonic() - opened:.1f} s: {len(busy)} calls, median {1_000 * statistics.median(busy):.1f} ms, slowest "
          f"{1_000 * max(busy):.1f} ms (calm {1_000 * statistics.median(calm):.1f} ms); {1e6 * cpu / GARBAGE:.1f} µs of CPU a packet with the calls, "
          f"{grown} kB more", flush=True)
    want(len(busy) >= 5, f"found {len(busy)} calls while it lasted, want some")
    want(statistics.median(busy) < MOST_MEDIAN_SECONDS, f"found a median of {statistics.median(busy):.3f} s, want below {MOST_MEDIAN_SECONDS}")
    want(cpu / GARBAGE < MOST_CPU_SECONDS_PER_PACKET, f"found {1e6 * cpu / GARBAGE:.0f} µs a packet, want below {1e6 * MOST_CPU_SECONDS_PER_PACKET:.0f}")
    want(grown <= MIB_KB, f"found {grown} kB more, want at most {MIB_KB}")


def timed(live):
    began = time.monotonic()
    live.call("test")
    return time.monotonic() - began


if __name__ == "__main__":
    sys.exit(play(globals(), CallScene))
