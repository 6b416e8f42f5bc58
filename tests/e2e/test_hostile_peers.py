#!/usr/bin/python3
"""Strangers at the relay's two ports, who do what no honest client does: hostile cases A1 to A6. The relay is the real one,
with its workers; beside every case a user works at a device, and must not notice.
"""
# test: needs=dev deadline=240
import pathlib
import socket
import struct
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from crowd import Crowd, addresses  # noqa: E402
from raw_hello import answer_to, completes, dial, everything, hello, in_records  # noqa: E402
from raw_tls import RawTls  # noqa: E402
from siege import Siege  # noqa: E402
from stage import CONSOLE, ENROLMENT_SECONDS, ZONE, Stage, current, wait_for  # noqa: E402

DEADLINE, SLACK = 10, 8  # of a first flight and of a handshake (docs/protocol/tunnel.md §8); for a machine that is busy
DRIPPERS, PER_SOURCE = 20, 50
DRIPPER_BYTES = 8 * 1024
CAP_PER_SOURCE, WORKERS_CAP = 64, 2
WINDOW, SLOW_PEER = 64, 1.2  # handshakes that a worker works at to begin with, and when one is no work (tunnel/admission.h)
STORM = 3_000
RESET = struct.pack("ii", 1, 0)
CONTROL = ("sallyport-control/1",)


def cut_in_time(crowd, what):
    want(crowd.wait(DEADLINE + SLACK), f"found {crowd.left} {what} alive after {DEADLINE + SLACK} s, want them cut after {DEADLINE}")
    soon = [seconds for seconds in crowd.ended.values() if seconds < DEADLINE / 2]
    want(not soon, f"found {len(soon)} {what} ended before their time, want none")


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


def check_A1_dripped_hello_is_cut_at_its_deadline(scene):
    """And those who say nothing (A2), and a handshake that stalls: at the same time, as all take so long."""
    sources = addresses(DRIPPERS)
    whole = in_records(hello([f"gateway.{ZONE}".encode()], padding=400))
    with scene.undisturbed():
        before, descriptors = scene.memory(), scene.descriptors()
        with Crowd(scene.port, sources, PER_SOURCE, whole[:6], whole[6:]) as drippers:
            wait_for(lambda: scene.descriptors() >= descriptors + DRIPPERS * PER_SOURCE, DEADLINE / 2, "the relay to have accepted them all")
            each = (scene.memory() - before) / len(drippers.lines)
            print(f"# {each / 1024:.1f} kB for each of them", flush=True)
            scene.silent = Crowd(scene.port, addresses(4, "127.67"), PER_SOURCE)
            scene.stage.closing.append(scene.silent.close)
            stalls = in_records(hello([scene.control_name("press-2").encode()], CONTROL))
            scene.stalled = Crowd(scene.there.http_port, addresses(10, "127.68"), 4, stalls)
            scene.stage.closing.append(scene.stalled.close)
            wait_for(lambda: len(scene.stalled.heard) == 40, DEADLINE, "the handshakes to be under way")
            want(not drippers.ended, f"found {len(drippers.ended)} drippers ended at once, want all held")
            want(each <= DRIPPER_BYTES, f"found {each:.0f} bytes for each, want {DRIPPER_BYTES} or less")
            cut_in_time(drippers, "drippers")
            want(not drippers.heard, "found the drippers answered, want silence")


def check_A1_handshake_that_stalls_is_cut_at_its_deadline(scene):
    with scene.undisturbed():
        cut_in_time(scene.stalled, "stalled handshakes")


def check_A1_strangers_who_stall_keep_no_device_out(scene):
    """Twice as many handshakes of nobody as one worker works at hang on a device's name; the device comes back at its first try."""
    stalls = in_records(hello([scene.control_name("press-2").encode()], CONTROL))
    with scene.bystander.undisturbed():
        with Crowd(scene.port, addresses(WINDOW // 4, "127.74"), 4, stalls) as first:
            wait_for(lambda: len(first.heard) + len(first.ended) == WINDOW, DEADLINE, "as many handshakes as are worked at")
            wait_for(lambda: time.monotonic() - first.began > SLOW_PEER, DEADLINE, "them to count as slow")
            with Crowd(scene.port, addresses(WINDOW // 4, "127.75"), 4, stalls) as second:
                wait_for(lambda: len(second.heard) > WINDOW // 2, DEADLINE, lambda: f"more of them let in; {len(second.heard)} were, {len(second.ended)} refused")
                wait_for(lambda: time.monotonic() - second.began > SLOW_PEER, DEADLINE, "them to count as slow")
                scene.stage.restart_agent(scene.second)
                scene.stage.wait_online(scene.second, ENROLMENT_SECONDS)
                wait_for(lambda: "agent.control-up" in scene.stage.agent_log(scene.second), ENROLMENT_SECONDS, "the device to be back")
    log = scene.stage.agent_log(scene.second)
    want("agent.way-failed" not in log, f"found the device refused: {[line for line in log.splitlines() if 'way-failed' in line][:1]}, want it in at its first try")


def check_A2_silent_connection_is_cut_at_the_same_deadline(scene):
    with scene.undisturbed():
        cut_in_time(scene.silent, "silent connections")
        want(not scene.silent.heard, "found them answered, want silence")


def check_A2_half_closed_connection_is_ended_at_once(scene):
    with scene.undisturbed():
        for first in (b"", b"\x16\x03", b"SPD1", b"GET / HT"):
            with Crowd(scene.port, addresses(2, "127.69"), 20, first, half_closes=True) as crowd:
                want(crowd.wait(DEADLINE / 2), f"found {crowd.left} alive that can say no more after {first!r}, want them ended")
                want(not crowd.heard, f"found {list(crowd.heard.values())[:1]} said to them, want nothing")


def check_A2_one_source_has_a_cap_of_its_own(scene):
    """Of 400 connections from one address each worker holds 64; from another address one comes in at once."""
    with scene.undisturbed():
        with Crowd(scene.port, ["127.70.0.1"], 400) as crowd:
            wait_for(lambda: crowd.left <= WORKERS_CAP * CAP_PER_SOURCE, DEADLINE / 2, lambda: f"most of them refused; {crowd.left} are left")
            want(crowd.left >= CAP_PER_SOURCE, f"found {crowd.left} held, want {CAP_PER_SOURCE} for each worker")
            asked = in_records(hello([f"gateway.{ZONE}".encode()]))
            want(answer_to(scene.port, asked, "127.70.0.2") == "server_hello", "found another source refused too, want it served")


def check_A2_storm_of_resets_leaves_nothing_and_fills_no_log(scene):
    firsts = [b"", b"\x16\x03\x01", in_records(hello([scene.control_name("press-2").encode()], CONTROL)),
              in_records(hello([f"gateway.{ZONE}".encode()])), b"SPD1" + bytes(20)]
    with scene.undisturbed():
        descriptors = scene.descriptors()
        lines, began = len(scene.log()), time.monotonic()
        for number in range(STORM):
            try:  # whoever is beyond the cap of his source may be reset before his connect() has returned
                line = dial(scene.port, "127.71.0.1")
            except ConnectionResetError:
                continue
            line.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, RESET)
            try:
                line.sendall(firsts[number % len(firsts)])
            except OSError:
                pass
            line.close()
        wait_for(lambda: scene.descriptors() <= descriptors + 4, DEADLINE, lambda: f"their descriptors closed; {scene.descriptors()} of {descriptors} are left")
        # One line a second for each source, worker and role that says something, and what the bystanders of this case are worth.
        allowed = 4 * (time.monotonic() - began + 2) + 20
        said = scene.log()[lines:]
        want(len(said) <= allowed, f"found {len(said)} lines in the log after {STORM} resets, want {allowed:.0f} or fewer: {said[-1]}")


def check_A3_hello_is_routed_however_it_is_cut(scene):
    """In records of one octet, in three segments, octet by octet: the handshake completes with the role that was asked for."""
    cuts = {"records of one octet": lambda first: [in_records(first[5:], 1)], "records of 100 octets": lambda first: [in_records(first[5:], 100)],
            "three segments": lambda first: [first[:3], first[3:80], first[80:]], "single octets": lambda first: [first[at:at + 1] for at in range(len(first))]}
    with scene.undisturbed():
        for what, cut in cuts.items():
            want(completes(scene.port, CONSOLE, cut) == "http/1.1", f"found no handshake with the console in {what}, want one")
        grant = scene.grant()
        want(completes(scene.port, grant.host, cuts["records of one octet"]) == "http/1.1", "found no handshake with the device, want one")


def check_A3_post_quantum_hello_with_the_name_last_is_routed(scene):
    with scene.undisturbed():
        for name in (f"gateway.{ZONE}", CONSOLE, scene.grant().host):
            sent = in_records(hello([name.encode()], ("http/1.1",), hybrid=True, name_last=True))
            want(answer_to(scene.port, sent, parts=3) == "server_hello", f"found no ServerHello of {name}, want it")
        padded = in_records(hello([CONSOLE.encode()], hybrid=True, name_last=True, padding=14_000))
        want(answer_to(scene.port, padded, parts=3) == "server_hello", f"found a hello of {len(padded)} octets refused, want it routed")


def check_A3_oversize_hello_gets_an_alert(scene):
    """Before it is there in whole."""
    with scene.undisturbed():
        for padding, hybrid in ((8_100, False), (16_000, False), (17_000, True), (60_000, False)):
            sent = in_records(hello([CONSOLE.encode()], hybrid=hybrid, padding=padding))
            found = answer_to(scene.port, sent)
            want(found == "handshake_failure", f"found {found} to {len(sent)} octets, want handshake_failure")
        announced = b"\x16\x03\x01" + struct.pack(">H", 16384) + b"\1" + (70_000).to_bytes(3, "big") + b"\3\3"
        found = answer_to(scene.port, announced)
        want(found == "handshake_failure", f"found {found} to an announcement of 70,000 octets, want handshake_failure")


def check_A4_names_that_are_none_are_refused_before_a_device_hears_of_them(scene):
    host = scene.grant("press-2").host.encode()
    console = CONSOLE.encode()
    wrong = {"no name": None, "an empty list": [], "two names": [host, console], "the same name twice": [host, host], "NUL": [host + b"\0"],
             "NUL before another name": [console + b"\0." + host], "a trailing dot": [host + b"."], "an address": [b"127.0.0.1"], "IPv6": [b"::1"],
             "256 octets": [b"a" * 60 + b"." + b"b" * 60 + b"." + b"c" * 60 + b"." + b"d" * 60 + b"." + b"e" * 12], "punycode": [b"xn--bcher-kva." + ZONE.encode()],
             "an underscore": [b"a_b." + ZONE.encode()], "a space": [b" " + host], "UTF-8": ["b\u00fccher.".encode() + ZONE.encode()],
             "the zone": [ZONE.encode()], "a wildcard": [b"*." + ZONE.encode()], "a stranger's": [b"www.example.org"], "an empty name": [b""]}
    with scene.undisturbed():
        heard = scene.said_by(scene.second)
        for what, names in wrong.items():
            found = answer_to(scene.port, in_records(hello(names, ("http/1.1",))))
            want(found in ("unrecognized_name", "decode_error"), f"found {found} to {what}, want unrecognized_name")
        want(scene.said_by(scene.second) == heard, "found the device told of one of them, want it silent")
        want(answer_to(scene.port, in_records(hello([host.upper()], ("http/1.1",)))) == "server_hello", "found upper case refused, want it to be the same name")


def check_A4_host_inside_must_be_the_name_outside(scene):
    grant, other = scene.grant(), scene.grant("press-2")
    with scene.undisturbed():
        for wrong in (other.authority, f"{CONSOLE}:{scene.port}", "localhost", f"{scene.names['press-1']}.{ZONE}"):
            with grant.line() as line:
                found = line.ask("GET", "/", [("Host", wrong)]).status
                want(found == 421, f"found {found} for Host {wrong}, want 421")


def check_A5_devices_own_certificate_opens_no_other_devices_name(scene):
    stem = current(scene.second, "operational")
    with scene.undisturbed():
        online = scene.there.device("press-1")
        for alpn in (CONTROL, CONTROL + ("sallyport-data/1",)):
            with dial(scene.port, "127.72.0.1") as line:
                try:
                    with RawTls(line, scene.control_name("press-1"), alpn, f"{stem}.pem", f"{stem}.key") as tls:
                        tls.write(b"\1\0\0\5\0\1hello")
                        want(tls.read() == b"", "found another device's certificate answered, want the end")
                except ConnectionError:
                    pass
        now = scene.there.device("press-1")
        want(now["online"] and now["alarms"] == online["alarms"], f"found {now}, want it undisturbed")


def check_A5_name_without_a_grant_is_answered_as_one_that_does_not_exist(scene):
    """Octet for octet, whether device, label or neither exists."""
    def said(name):
        with dial(scene.port) as line:
            line.sendall(in_records(hello([name.encode()], ("http/1.1",))))
            return everything(line)

    other = scene.grant("press-2")
    names = [f"{'a' * 16}.{scene.names['press-1']}.{ZONE}", f"{other.label}.{scene.names['press-1']}.{ZONE}", f"{scene.names['press-1']}.{ZONE}",
             f"{'a' * 16}.aaaaaaaaaa.{ZONE}", f"aaaaaaaaaa.{ZONE}", f"nothing.{ZONE}"]
    with scene.undisturbed():
        answers = {said(name) for name in names}
        want(answers == {bytes.fromhex("15030300020270")}, f"found {answers}, want the same alert for all")


GARBAGE = {"SSH": b"SSH-2.0-OpenSSH_9.2p1\r\n", "SSLv2": bytes.fromhex("802e0100020015000000100100800200800300800400800600400700c0") + bytes(20),
           "zeros": bytes(64), "random": bytes((37 * at + 128) % 256 for at in range(300)), "HTTP/2": b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
           "another method": b"CONNECT evil.example:443 HTTP/1.1\r\n\r\n", "an alert": bytes.fromhex("15030300020100"), "almost a preface": b"SPD2" + bytes(32),
           "a ticket of nobody": b"SPD1" + bytes(32), "an absolute target": b"GET http://evil.example/ HTTP/1.1\r\nHost: evil.example\r\n\r\n",
           "another host": b"GET / HTTP/1.1\r\nHost: evil.example\r\n\r\n", "two hosts": f"GET / HTTP/1.1\r\nHost: {CONSOLE}\r\nHost: {ZONE}\r\n\r\n".encode(),
           "a header that never ends": b"GET / HTTP/1.1\r\nX: " + b"x" * 9000}


def check_A6_what_is_no_tls_hears_nothing_on_either_port(scene):
    with scene.undisturbed():
        for port in (scene.port, scene.there.http_port):
            for what, sent in GARBAGE.items():
                with dial(port, "127.73.0.1") as line:
                    line.sendall(sent)
                    line.shutdown(socket.SHUT_WR)
                    heard = everything(line)
                want(heard == b"", f"found {heard[:40]!r} said to {what}, want nothing")


def check_A6_plain_http_is_redirected_or_is_for_the_status_service(scene):
    """And no answer is longer than 300 octets more than its question."""
    with scene.undisturbed():
        for port in (scene.port, scene.there.http_port):
            for host in (CONSOLE, f"gateway.{ZONE}", f"a.b.{ZONE}"):
                sent = f"GET /some/where?x=1 HTTP/1.1\r\nHost: {host}\r\n\r\n".encode()
                with dial(port) as line:
                    line.sendall(sent)
                    heard = everything(line)
                want(heard.startswith(b"HTTP/1.1 308 ") and f"Location: https://{host}:{scene.port}/some/where?x=1\r\n".encode() in heard,
                     f"found {heard[:90]!r}, want a redirect to https://{host}")
                want(len(heard) < len(sent) + 300, f"found {len(heard)} octets said to {len(sent)}, want no more than 300 beyond")
            with dial(port) as line:
                line.sendall(f"GET /crl/root.crl HTTP/1.1\r\nHost: status.{ZONE}\r\nConnection: close\r\n\r\n".encode())
                heard = everything(line)
            want(heard.startswith(b"HTTP/1.1 200 ") and b"pkix-crl" in heard, f"found {heard[:90]!r}, want the CRL from the status service")


def check_devices_come_back_after_all_that(scene):
    scene.stage.restart_agent(scene.second)
    scene.stage.wait_online(scene.second, ENROLMENT_SECONDS)


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Siege(the_stage))
    sys.exit(outcome)
