#!/usr/bin/python3
"""What must fail of sealed calls, each by its name: the list of the specification of SR1, and E7 of the hostile cases (E8 and E9 are in
test_hostile_call_loads). A node (sallyport-agent rpc run) hears what a caller of another make says to it through mosquitto, and what a broker
does that obeys the test; a caller (rpc_peer, two calls in one session) is answered through that one.

A request that must not run is followed by one that must: its answer shows that the node had heard the first, and the service behind the
node's method, which counts, that nothing came of it. The nodes' clock is moved, forth alone; nobody waits for a day.
"""
# test: needs=dev deadline=300
import os
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import paho.mqtt.client as mqtt  # noqa: E402
from paho.mqtt.packettypes import PacketTypes  # noqa: E402
from paho.mqtt.properties import Properties  # noqa: E402

import cases  # noqa: E402
import eva  # noqa: E402
import other_clock  # noqa: E402
import sr1  # noqa: E402
from call_scene import EVA_SECRET, CallScene  # noqa: E402
from cases import want  # noqa: E402
from stage import play, wait_for  # noqa: E402

DAY, EPOCH, WINDOW = 86_400, 600, 64
LOADS = "tests/e2e/test_hostile_call_loads.py"
STAGINGS = 4

# The list, with the tests of this script or of the layer where the bytes are made (file: its gtest case).
MUST_FAIL = {
    "replay on the same topic": ("E7_replay_after_a_second_and_after_a_day_runs_nothing",),
    "replay on another topic": ("E7_request_to_another_node_runs_nothing",),
    "replay after a restart": ("E7_replay_after_a_reboot_runs_nothing",),
    "another target": ("E7_request_to_another_node_runs_nothing", "src/sealed/hostile_broker_test.cc: ARequestMovedToAnotherNodeDoesNotOpen"),
    "swapped replies": ("E7_response_to_another_request_answers_nobody", "src/sealed/hostile_broker_test.cc: RepliesThatAreSwappedAnswerNobody"),
    "altered type": ("E7_downgrade_to_another_type_or_version_is_not_understood",),
    "altered topic": ("E7_request_to_another_node_runs_nothing", "src/sealed/hostile_broker_test.cc: AReplyFromAnotherInboxIsDropped"),
    "altered property": ("altered_properties_of_mqtt_5_change_nothing",),
    "retained delivery": ("retained_request_runs_nothing", "retained_reply_answers_nobody"),
    "DUP": ("duplicate_with_and_without_its_flag_runs_once", "duplicate_reply_answers_once"),
    "truncated or extended": ("truncated_or_extended_request_runs_nothing", "truncated_extended_or_altered_reply_answers_nobody"),
    "reflected": ("reflected_request_is_no_reply_and_reply_no_request",),
    "old epoch hint": ("hint_of_an_old_epoch_opens_nothing",),
    "expired prekey": ("src/sealed/certified_caller_test.cc: APrekeyThatHasEndedIsUnknown",),
    "bundle rollback": ("src/sealed/certified_caller_test.cc: AnOlderOneThanSeenIsRefused",
                        "tests/e2e/test_rpc_certificates.py: a_bundle_that_was_rolled_back_runs_nothing"),
    "wrong-principal request id": ("request_id_of_another_principal_gets_nothing_of_his",),
    "window edges": ("window_takes_what_is_64_away_and_not_what_is_65_away",),
    "garbage with a live caller": (f"{LOADS}: flood_of_garbage_leaves_a_live_caller_alone",),
    "bombs": (f"{LOADS}: E8_json_bombs_are_refused_by_their_codes_within_a_megabyte", f"{LOADS}: bomb_in_an_old_format_is_refused_within_its_cap"),
    "expired": ("E7_expired_request_is_not_run",),
}


@cases.carries_the_rest
def check_call_of_another_maker_runs_once_and_is_answered(scene):
    before = scene.service.runs()
    told = scene.live.call("count", {"marker": 1})
    want(told == {"jsonrpc": "2.0", "id": 1, "result": {"marker": 1}}, f"found {told}, want the params")
    want(sum((scene.service.runs() - before).values()) == 1, "found another number of runs, want one")


def check_every_entry_of_the_list_is_a_test(_):
    for entry, tests in MUST_FAIL.items():
        for test in tests:
            file, parted, name = test.partition(": ")
            here = f"check_{file}" in globals() if not parted else re.search(rf"TEST\(\w+, {name}\)|def check_{name}\(", (cases.ROOT / file).read_text())
            want(here, f"{entry}: found no test {test}, want it")


# E7: what comes again, comes elsewhere, or is of another time -----------------------------------------------------------------

def ride(scene, caller):
    """An idempotent call in the first message, run: what a replay of INIT would run again."""
    call_id = sr1.new_id(scene.now())
    handshake = caller.handshake(body=sr1.call_body(call_id, scene.now() + 60, sr1.request_text("look")))
    body = caller.accepted(caller.begin(handshake))
    if body and body[0] == sr1.PROGRESS:
        answer = caller.answer((sr1.NO_EPOCH, handshake.init))
        want(answer and answer[0] == sr1.DONE, f"the first message's call: found {answer}, want it done")
    return body and body[0]


def check_E7_replay_after_a_second_and_after_a_day_runs_nothing(scene):
    scene.pass_time(61)  # a node takes nothing out of a first message before it is up for a minute
    caller = scene.caller(opened=False)
    want(ride(scene, caller) in (sr1.PROGRESS, sr1.DONE), "the first message's call was not run, want it run")
    caller.call("count")
    recorded = scene.recorded()
    want({message[0] for message in recorded} == {sr1.INIT, sr1.DATA}, "found other messages, want INIT and DATA")
    for seconds in (0, 1, DAY):
        scene.pass_time(seconds)
        live = scene.caller()
        scene.nothing_runs(f"replay {seconds} s later", lambda: [scene.spy.publish(scene.live.topic, one) for one in recorded], live)


def check_E7_replay_after_a_reboot_runs_nothing(scene):
    scene.pass_time(61)
    fresh = scene.caller(opened=False)
    want(ride(scene, fresh) in (sr1.PROGRESS, sr1.DONE), "the first message's call was not run, want it run")
    scene.live = scene.caller()
    scene.live.call("count")
    recorded = scene.recorded()
    scene.node.kill()
    scene.node.start()
    scene.live = scene.caller()
    for seconds in (0, 1, 60, 70):
        scene.pass_time(seconds)
        scene.nothing_runs(f"replay after a reboot and {seconds} s more", lambda: [scene.spy.publish(scene.live.topic, one) for one in recorded])


def check_E7_request_to_another_node_runs_nothing(scene):
    for node in scene.others:
        there = scene.caller(node)
        scene.recorded()
        call_id = sr1.new_id(scene.now())
        handshake = scene.live.handshake(body=sr1.call_body(call_id, scene.now() + 60, sr1.request_text("look")))
        data = scene.live.session.data(scene.live.n, sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("count")))
        scene.nothing_runs(f"to {node.folder.name}", lambda: [scene.spy.publish(there.topic, one) for one in (handshake.init, data)], there)
        # Neither took anything from the request where it belongs.
        scene.spy.publish(scene.live.topic, data)
        answer = scene.live.answer((scene.live.n, data))
        scene.live.n += 1
        want(answer and answer[0] == sr1.DONE, f"where it belongs: found {answer}, want it run")


def check_E7_downgrade_to_another_type_or_version_is_not_understood(scene):
    text = sr1.request_text("count")
    data = scene.live.session.data(scene.live.n, sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, text))
    init = scene.live.handshake(body=sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("look"))).init

    def send():
        for kind in set(range(256)) - {sr1.DATA}:
            scene.spy.publish(scene.live.topic, bytes([kind]) + data[1:])
        for kind in set(range(256)) - {sr1.INIT}:
            scene.spy.publish(scene.live.topic, bytes([kind]) + init[1:])
        # What came before SR1: EVA's formats of version 3 and 4, and no format at all.
        for old in (b"\x00\x02default\x00" + eva.seal(EVA_SECRET, bytes(16) + eva.pack(eva.call("test", EVA_SECRET, "1"), eva.PLAIN)),
                    b"\x01\x01\x00\x00\x00sender\x00default\x00" + bytes(64), text.encode(), b""):
            scene.spy.publish(scene.live.topic, old)
    live = scene.caller()
    scene.nothing_runs("another type", send, live)
    scene.spy.publish(scene.live.topic, data)
    answer = scene.live.answer((scene.live.n, data))
    scene.live.n += 1
    want(answer and answer[0] == sr1.DONE, f"the right type at last: found {answer}, want it run")


def check_E7_expired_request_is_not_run(scene):
    def send():
        for age in (1, 60, DAY):
            answer = scene.live.ask(sr1.request_text("count"), life=-age)
            want(answer and answer[0] == sr1.EXPIRED, f"{age} s after its deadline: found {answer}, want it told as expired")
        answer = scene.live.ask(sr1.request_text("count"), life=11 * 60)
        want(answer and answer[0] == sr1.EXPIRED, f"a deadline in 11 minutes: found {answer}, want it refused")
    scene.nothing_runs("expired", send)


def check_E7_response_to_another_request_answers_nobody(scene):
    def swap(broker, _, replies):
        (topic, first), (_, second) = replies
        bad = [first[:9] + second[9:], second[:9] + first[9:]]
        for one in bad:
            broker.order("deliver", topic, one.hex())
        # Each is good on its own inbox alone.
        for one in (first, second):
            broker.order("deliver", "r/AAAAAAAAAAAAAAAAAAAAAA", one.hex())
        return len(bad)
    answers_are_their_own(scene, swap)


# Both directions, altered ------------------------------------------------------------------------------------------------------

def answers_are_their_own(scene, mistreat):
    """Two calls in one session whose replies the broker holds. `mistreat` gets the broker, the requests and the replies, delivers bad
    ones and returns how many; then the good ones come: both calls end with their own, and the bad ones were told apart.

    A caller that lost its patience meanwhile has opened another session, whose inbox no bad one came to: that proves nothing, and
    is staged again."""
    for _ in range(STAGINGS):
        bad, sessions, dropped = held_and_mistreated(scene, mistreat)
        if sessions == 1:
            want(dropped >= bad, f"found {dropped} dropped of {bad} bad ones, want all")
            return
    want(False, f"found {sessions} sessions in the last of {STAGINGS} stagings, want one that lasts until its replies are let go")


def held_and_mistreated(scene, mistreat):
    """How many bad ones were delivered, how many sessions the caller opened, and how many messages it dropped."""
    scene.evil.order("hold", "r/#")
    inboxes_before = subscribed_inboxes(scene)
    before = scene.service.runs()
    words = [scene.peer, "call", str(scene.node.folder / "caller.key"), scene.node.name, f"mqtt://127.0.0.1:{scene.evil.port}", "0", "2", "2"]
    environment = {**os.environ, **other_clock.told_by(scene.clock)}
    with subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment) as caller:
        try:
            replies, requests = held_replies(scene, inboxes_before)
            bad = mistreat(scene.evil, requests, replies)
            want(caller.poll() is None, "the caller had its answers, want it to wait for true ones")
            for topic, reply in replies:
                scene.evil.order("deliver", topic, reply.hex())
            scene.evil.order("release")
            out, err = caller.communicate(timeout=60)
        finally:
            caller.kill()
    want(caller.returncode == 0 and sorted(out.split("\n")) == ["", "0 answered", "1 answered"], f"found {out!r} {err!r}, want both answered")
    want(sum((scene.service.runs() - before).values()) == 2, "found another number of runs, want two")
    sessions, dropped = (int(re.search(rf"{name} (\d+)", err).group(1)) for name in ("sessions", "dropped"))
    return bad, sessions, dropped


def subscribed_inboxes(scene):
    return set(scene.evil.order("subscribed", "r/#")["subscribed"])


def held_replies(scene, inboxes_before):
    """One REPLY to each of two calls of whoever came since, and their requests; ACCEPT is let through, and so is what is
    still on its way to others."""
    found = {}

    def both():
        for topic, payload in scene.evil.order("held")["held"]:
            if topic in inboxes_before or topic not in subscribed_inboxes(scene) or bytes.fromhex(payload)[0] == sr1.ACCEPT:
                scene.evil.order("deliver", topic, payload)
            else:
                found[payload] = (topic, bytes.fromhex(payload))
        return len(found) >= 2
    wait_for(both, 30, "two replies")
    requests = [bytes.fromhex(one) for _, one in scene.evil.order("seen", scene.live.topic)["seen"]]
    return list(found.values())[:2], [one for one in requests if one[0] == sr1.DATA][-2:]


def check_retained_reply_answers_nobody(scene):
    def keep(broker, _, replies):
        for topic, reply in replies:
            broker.order("deliver", topic, reply.hex(), "retained")
        return len(replies)
    answers_are_their_own(scene, keep)


def check_duplicate_reply_answers_once(scene):
    def twice(broker, _, replies):
        broker.order("deliver", replies[0][0], replies[0][1].hex(), "duplicate")
        return 1  # the one that comes after it
    answers_are_their_own(scene, twice)


def check_truncated_extended_or_altered_reply_answers_nobody(scene):
    def change(broker, _, replies):
        topic, reply = replies[0]
        bad = [reply[:size] for size in range(1, len(reply))] + [reply + b"\0", reply + reply]
        bad += [bytes([kind]) + reply[1:] for kind in (sr1.INIT, sr1.INIT_CERT, sr1.ACCEPT, sr1.DATA, 0)]
        for bit in range(8, 8 * len(reply), 5):
            altered = bytearray(reply)
            altered[bit // 8] ^= 1 << bit % 8
            bad.append(bytes(altered))
        for one in bad:
            broker.order("deliver", topic, one.hex())
        return len(bad)
    answers_are_their_own(scene, change)


def check_reflected_request_is_no_reply_and_reply_no_request(scene):
    seen = []

    def reflect(broker, requests, replies):
        seen.extend(replies)
        for request in requests:
            for kind in (sr1.DATA, sr1.REPLY, sr1.ACCEPT):
                broker.order("deliver", replies[0][0], (bytes([kind]) + request[1:]).hex())
        return 3 * len(requests)
    answers_are_their_own(scene, reflect)

    def back():
        for _, reply in seen:
            for kind in (sr1.REPLY, sr1.DATA, sr1.INIT):
                scene.evil.order("deliver", scene.live.topic, (bytes([kind]) + reply[1:]).hex())
    scene.nothing_runs("reflected replies", back, scene.caller(port=scene.evil.port))


def check_altered_properties_of_mqtt_5_change_nothing(scene):
    """Nothing that the protocol does hangs on a property: whatever a broker makes of them, the call runs once and is answered in its inbox."""
    wire = scene.wire(scene.broker.port, version=mqtt.MQTTv5)
    wire.subscribe("elsewhere/#")
    before = scene.service.runs()
    said = []
    for number, (name, value) in enumerate((("ResponseTopic", "elsewhere/answers"), ("CorrelationData", b"\0" * 60_000), ("ContentType", "text/html"),
                                            ("UserProperty", ("target", "pump-2")), ("PayloadFormatIndicator", 1), ("MessageExpiryInterval", 60))):
        properties = Properties(PacketTypes.PUBLISH)
        setattr(properties, name, value)
        data = scene.live.session.data(scene.live.n, sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("count")))
        wire.publish(scene.live.topic, data, properties=properties)
        said.append((scene.live.n, data))
        answer = scene.live.answer(said[-1])
        scene.live.n += 1
        want(answer and answer[0] == sr1.DONE, f"{name}: found {answer}, want the answer in the inbox")
        # The same bytes under other properties are the same request.
        wire.publish(scene.live.topic, data)
        want(sum((scene.service.runs() - before).values()) == number + 1, f"{name}: found another number of runs, want one")
    scene.live.call("count")
    want(sum((scene.service.runs() - before).values()) == len(said) + 1, "found runs of repetitions, want none")
    want(wire.next(0) is None, "found something on the topic that a property named, want nothing")


def check_retained_request_runs_nothing(scene):
    live = scene.caller(port=scene.evil.port)
    data = live.session.data(live.n, sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("count")))
    live.n += 1
    init = live.handshake(body=sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("look"))).init
    scene.nothing_runs("retained", lambda: [scene.evil.order("deliver", live.topic, one.hex(), "retained") for one in (data, init)], live)
    # At mosquitto, which hands it to a node that subscribes.
    scene.spy.publish(live.topic, data, retain=True)
    scene.node.kill()
    scene.node.start()
    scene.live = scene.caller()
    scene.nothing_runs("retained at a broker before the start", lambda: None)
    scene.spy.publish(live.topic, b"", retain=True)


def check_duplicate_with_and_without_its_flag_runs_once(scene):
    live = scene.caller(port=scene.evil.port)
    before = scene.service.runs()
    data = live.session.data(live.n, sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("count")))
    # The first to come may be the one with the flag: it is a call like another.
    for flags in (("duplicate",), (), ("duplicate",)):
        scene.evil.order("deliver", live.topic, data.hex(), *flags)
    answer = live.answer((live.n, data))
    live.n += 1
    want(answer and answer[0] == sr1.DONE, f"found {answer}, want it run")
    live.call("count")
    want(sum((scene.service.runs() - before).values()) == 2, f"found {dict(scene.service.runs() - before)}, want one run of each")


def check_truncated_or_extended_request_runs_nothing(scene):
    live = scene.caller()
    data = live.session.data(live.n, sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("count")))
    init = live.handshake(body=sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("look"))).init
    live.n += 1

    def send():
        for good in (data, init):
            for size in range(len(good)):
                scene.spy.publish(live.topic, good[:size])
            for more in (b"\0", good, bytes(1_000)):
                scene.spy.publish(live.topic, good + more)
    scene.nothing_runs("cut or lengthened", send, live)
    scene.spy.publish(live.topic, data)
    answer = live.answer((0, data))
    want(answer and answer[0] == sr1.DONE, f"whole: found {answer}, want it run")


def check_hint_of_an_old_epoch_opens_nothing(scene):
    epoch = int(scene.now()) // EPOCH
    for away, opens in ((-3, False), (-2, False), (-1, True), (0, True), (1, True), (2, False), (1_000, False)):
        caller = scene.caller(opened=False)
        handshake = caller.begin(caller.handshake(epoch=epoch + away))
        scene.live.call("count")  # the node had heard it
        accepted = caller.accepted(handshake, sr1.ANSWER_SECONDS if opens else 0.05)
        want((accepted is not None) == opens, f"{away} epochs away: found {accepted}, want {'ACCEPT' if opens else 'silence'}")


def check_request_id_of_another_principal_gets_nothing_of_his(scene):
    other = scene.caller(key=scene.other_key)
    call_id = sr1.new_id(scene.now())
    before = scene.service.runs()
    first = scene.live.call("count", {"marker": "of-the-first"}, call_id=call_id)
    want(first["result"] == {"marker": "of-the-first"}, f"found {first}, want the params")
    second = other.call("count", {"marker": "of-the-second"}, call_id=call_id)
    want(second["result"] == {"marker": "of-the-second"}, f"found {second}, want its own params")
    again = scene.live.call("count", {"marker": "another"}, call_id=call_id)
    want(again["result"] == {"marker": "of-the-first"}, f"found {again}, want the first answer again")
    want(sum((scene.service.runs() - before).values()) == 2, "found another number of runs, want one of each caller")
    # The result of a stored call is its caller's as well.
    stored = sr1.new_id(scene.now())
    caller = scene.caller(opened=False)
    handshake = caller.handshake(epoch=sr1.NO_EPOCH, body=sr1.call_body(stored, scene.now() + 600, sr1.request_text("count"), sr1.STORED_CALL))
    accepted = caller.accepted(caller.begin(handshake))
    want(accepted and accepted[0] == sr1.PROGRESS, f"found {accepted}, want it under way")
    want(caller.answer((sr1.NO_EPOCH, handshake.init))[0] == sr1.ACCEPTED, "found it not accepted, want it accepted")
    foreign = other.answer(other.send(bytes([sr1.ASK_RESULT]) + stored))
    want(foreign and foreign[0] == sr1.UNKNOWN_CALL, f"asked by another: found {foreign}, want no such call")


def check_window_takes_what_is_64_away_and_not_what_is_65_away(scene):
    live = scene.caller()
    before = scene.service.runs()
    fence = scene.caller()

    def comes(n, taken, what):
        message = live.session.data(n, sr1.call_body(sr1.new_id(scene.now()), scene.now() + 60, sr1.request_text("count")))
        scene.spy.publish(live.topic, message)
        fence.call("look")
        answer = live.answer((n, message), sr1.ANSWER_SECONDS if taken else 0.01)
        want((answer is not None) == taken, f"{what}: found {answer}, want it {'taken' if taken else 'dropped'}")
    comes(WINDOW, False, "64 before anything was seen")
    comes(0, True, "the first")
    comes(WINDOW + 1, False, "W + 1 above")
    comes(WINDOW, True, "W above")
    comes(2 * WINDOW - 1, True, "W - 1 above")
    comes(WINDOW - 2, False, "W + 1 below")
    comes(WINDOW - 1, True, "W below")
    comes(2 * WINDOW, True, "the next")
    comes(WINDOW + 1, True, "W - 1 below")
    comes(WINDOW + 1, False, "W - 1 below, again")
    ran = sum(count for (_, _), count in (scene.service.runs() - before).items()) - 10  # without those of `look`
    want(ran == 6, f"found {ran} runs, want the six that were taken")


if __name__ == "__main__":
    sys.exit(play(globals(), CallScene))
