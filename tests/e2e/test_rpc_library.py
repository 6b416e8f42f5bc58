#!/usr/bin/python3
"""The library for callers in C and other languages, and the examples: a node of C++ functions (examples/node.cc) is called through
mosquitto from C++, from C against the library as it is installed, and from Python by ctypes, by many threads, under a key that is wrong,
over a broker that goes and one that never was.
"""
# test: needs=dev deadline=300
import collections
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import rpc_library as rpc  # noqa: E402
from cases import want  # noqa: E402
from rpc_tank import NODE, Tank  # noqa: E402
from stage import free_port, play, wait_for  # noqa: E402

HEADER = cases.ROOT / "apps" / "sallyport-rpc" / "sallyport_rpc.h"
EXAMPLES = cases.ROOT / "examples"
METHOD_NOT_FOUND, INVALID_PARAMS, FORBIDDEN, FAILED = -32_601, -32_602, -32_002, -32_000
STRICT = ("-Wall", "-Wextra", "-pedantic", "-Werror")


@cases.carries_the_rest
def check_python_calls_a_node_of_cpp_functions(scene):
    want(scene.library.c.sallyport_rpc_abi() == rpc.ABI, "found another ABI, want the header's")
    answer = scene.live.call("tank.fill", {"litres": 2})
    want(answer.status == rpc.OK and answer.json == {"litres": 2} and not answer.message and answer.code == 0, f"found {answer}, want two litres")
    want(re.fullmatch(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[0-9a-f]{4}-[0-9a-f]{12}", answer.call_id), f"found {answer.call_id}, want an id")
    want(scene.litres() == 2, "found another level, want two litres")


# What is made ---------------------------------------------------------------------------------------------------------------------

def check_nothing_is_exported_but_what_the_header_declares(scene):
    text = re.sub(r"/\*.*?\*/", "", HEADER.read_text(), flags=re.S)
    declared = set(re.findall(r"\b(sallyport_rpc_\w+)\(", text)) - {"sallyport_rpc_progress"}
    listed = subprocess.run(["nm", "-D", "--defined-only", str(scene.library.path)], capture_output=True, text=True, check=True, timeout=60).stdout
    exported = {line.split()[-1].partition("@")[0] for line in listed.splitlines()}
    want(exported - {"SALLYPORT_RPC_1"} == declared and len(declared) >= 15, f"found {sorted(exported ^ declared)[:10]} apart, want the same")


def check_header_is_c99_and_cpp_without_a_warning(scene):
    for language, words in (("c", ("-std=c99",)), ("c++", ("-std=c++11",)), ("c++", ("-std=c++20", "-Wold-style-cast", "-Wconversion"))):
        source = scene.stage.folder / f"header.{'c' if language == 'c' else 'cc'}"
        source.write_text("#include <sallyport_rpc.h>\n#include <sallyport_rpc.h>\nint main(void) { return sallyport_rpc_abi() - SALLYPORT_RPC_ABI; }\n")
        done = subprocess.run([compiler(), "-x", language, *words, *STRICT, f"-I{HEADER.parent}", "-fsyntax-only", str(source)], capture_output=True,
                              text=True, timeout=60, check=False)
        want(done.returncode == 0, f"{words[0]}: found {done.stderr[:500]}, want no word")


def compiler():
    found = next((one for one in ("cc", "clang-19", "gcc") if shutil.which(one)), None)
    if not found:
        raise cases.Missing("a C compiler")
    return found


def check_c_example_is_built_against_what_is_installed_and_called(scene):
    scene.empty()
    prefix = scene.stage.folder / "installed"
    done = subprocess.run(["cmake", "--install", str(scene.stage.build), "--component", "rpc", "--prefix", str(prefix)], capture_output=True,
                          text=True, timeout=120, check=False)
    want(done.returncode == 0, f"cmake --install: found {done.stderr}, want status 0")
    described = next(prefix.rglob("sallyport-rpc.pc"))
    words = subprocess.run(["pkg-config", f"--define-variable=prefix={prefix}", "--cflags", "--libs", "sallyport-rpc"], capture_output=True, text=True,
                           timeout=20, check=True, env={**os.environ, "PKG_CONFIG_PATH": str(described.parent)}).stdout.split()
    program = scene.stage.folder / "caller"
    done = subprocess.run([compiler(), "-std=c99", *STRICT, str(EXAMPLES / "caller.c"), *words, "-o", str(program)], capture_output=True, text=True,
                          timeout=60, check=False)
    want(done.returncode == 0, f"cc: found {done.stderr[:800]}, want no word")
    library = next(prefix.rglob("libsallyport_rpc.so")).parent
    done = subprocess.run([str(program), scene.broker.url, NODE, str(scene.key)], capture_output=True, text=True, timeout=60, check=False,
                          env={**os.environ, "LD_LIBRARY_PATH": str(library)})
    lines = done.stdout.splitlines()
    want(done.returncode == 0, f"caller: found exit {done.returncode}: {done.stdout} {done.stderr}, want 0")
    want(lines[:2] == ['tank.fill: at {"litres":1}', 'tank.fill: at {"litres":2}'], f"found {lines[:2]}, want how far it was")
    want(lines[-3:] == ['tank.fill: {"litres":2}', 'tank.fill: {"litres":2}', 'tank.level: {"litres":2}'], f"found {lines}, want it filled once")


def check_cpp_example_calls_the_cpp_example(scene):
    scene.empty()
    done = subprocess.run([str(scene.stage.build / "examples" / "example_caller"), scene.broker.url, NODE, str(scene.key)], capture_output=True,
                          text=True, timeout=60, check=False)
    want(done.returncode == 0, f"found exit {done.returncode}: {done.stderr}, want 0")
    for line in ('tank.fill: at {"litres":1}', 'tank.fill: {"litres":3}', f"tank.fill: error {FAILED}: the tank would run over",
                 f"tank.empty: error {METHOD_NOT_FOUND}: there is no such method"):
        want(line in done.stdout, f"found {done.stdout!r}, want {line!r}")
    want("tank.level: {" in done.stdout, f"found {done.stdout!r}, want the level, asked for at the same time")


# What a call may end as -------------------------------------------------------------------------------------------------------------

def check_progress_comes_in_order_in_the_thread_that_called(scene):
    scene.empty()
    told, threads = [], set()

    def on_progress(value):
        told.append(value["litres"])
        threads.add(threading.get_ident())
    answer = scene.live.call("tank.fill", {"litres": 5}, on_progress=on_progress)
    want(answer.status == rpc.OK and told == [1, 2, 3, 4, 5], f"found {answer} after {told}, want five litres, each told")
    want(threads == {threading.get_ident()}, "found it told in another thread, want this one")


def check_progress_may_call_on_the_same_handle(scene):
    inner = []
    scene.live.call("tank.fill", {"litres": 1}, on_progress=lambda _: inner.append(scene.live.call("tank.level")))
    want([one.status for one in inner] == [rpc.OK], f"found {inner}, want an answer inside of another's")


def check_errors_of_methods_come_with_code_text_and_data(scene):
    scene.empty()
    answer = scene.live.call("tank.fill", {"litres": 1_000})
    want((answer.status, answer.code, answer.json) == (rpc.FAULT, FAILED, {"free": 100}) and answer.message == "the tank would run over", f"found {answer}")
    answer = scene.live.call("tank.fill", {})
    want((answer.status, answer.code) == (rpc.FAULT, INVALID_PARAMS), f"found {answer}, want {INVALID_PARAMS}")
    answer = scene.live.call("tank.no.such")
    want((answer.status, answer.code) == (rpc.FAULT, METHOD_NOT_FOUND), f"found {answer}, want {METHOD_NOT_FOUND}")
    answer = scene.live.call("keys.list")
    want((answer.status, answer.code) == (rpc.DENIED, FORBIDDEN), f"found {answer}, want it denied")
    want(scene.litres() == 0, "found something filled, want nothing")


def check_call_under_an_id_that_has_run_is_answered_the_same(scene):
    scene.empty()
    first = scene.live.call("tank.fill", {"litres": 3})
    again = [scene.live.call("tank.fill", {"litres": 3}, call_id=first.call_id) for _ in range(3)]
    want(all(one.status == rpc.OK and one.json == {"litres": 3} and one.call_id == first.call_id for one in again), f"found {again}, want the same")
    other = scene.open()
    late = other.call("tank.fill", {"litres": 3}, call_id=first.call_id)
    other.close()
    want(late.json == {"litres": 3}, f"from another handle: found {late}, want the same")
    want(scene.litres() == 3, "found it filled again, want once")


def check_wrong_key_is_never_answered(scene):
    handle = scene.open(key=scene.wrong_key)
    began = time.monotonic()
    answer = handle.call("tank.level", seconds=1.5)
    handle.close()
    want(answer.status == rpc.TIMEOUT and answer.call_id, f"found {answer}, want no answer in time")
    want(1.4 <= time.monotonic() - began < 15, "found another time, want the timeout")


def check_method_that_takes_too_long_is_a_timeout_with_an_id(scene):
    scene.empty()
    scene.litres()  # a session with the node that was begun anew
    answer = scene.live.call("tank.fill", {"litres": 100}, seconds=0.5)  # needs two seconds
    want(answer.status == rpc.TIMEOUT and answer.call_id, f"found {answer}, want no answer in time")
    again = scene.live.call("tank.fill", {"litres": 100}, seconds=10, call_id=answer.call_id)
    want(again.status in (rpc.FAULT, rpc.OUTCOME_UNKNOWN, rpc.NOT_RUN), f"the same id: found {again}, want to be told what came of it")
    want(scene.litres() < 100, "found it filled by two calls, want one that was cut short")


def check_call_outlives_its_broker(scene):
    scene.empty()
    answers, started = [], threading.Event()
    caller = threading.Thread(target=lambda: answers.append(scene.live.call("tank.fill", {"litres": 60}, seconds=60, on_progress=lambda _: started.set())))
    caller.start()
    want(started.wait(20), "found nothing told, want the call under way")
    scene.broker.process.stop(signal.SIGKILL)
    scene.broker.start()
    caller.join(90)
    want(answers and answers[0].status == rpc.OK and answers[0].json == {"litres": 60}, f"found {answers}, want its answer")
    want(scene.litres() == 60, "found another level, want it filled once")


def check_call_that_asked_to_fails_with_its_broker(scene):
    scene.empty()
    handle, answers, started = scene.open(), [], threading.Event()
    caller = threading.Thread(target=lambda: answers.append(handle.call("tank.fill", {"litres": 100}, 60, rpc.FAIL_ON_DISCONNECT, None,
                                                                        lambda _: started.set())))
    caller.start()
    want(started.wait(20), "found nothing told, want the call under way")
    began = time.monotonic()
    scene.broker.process.stop(signal.SIGKILL)
    caller.join(30)
    took = time.monotonic() - began
    scene.broker.start()
    handle.close()
    want(answers and answers[0].status == rpc.DISCONNECTED and took < 10, f"found {answers} after {took:.1f} s, want its end with the broker's")


def check_broker_that_is_not_there_is_told_apart_from_a_node_that_is_silent(scene):
    url = f"mqtt://127.0.0.1:{free_port()}"
    handle = scene.open(url=url)
    began = time.monotonic()
    answer = handle.call("tank.level", seconds=30, flags=rpc.FAIL_ON_DISCONNECT)
    want(answer.status == rpc.DISCONNECTED and time.monotonic() - began < 15, f"found {answer}, want it at once")
    answer = handle.call("tank.level", seconds=1)
    handle.close()
    want(answer.status == rpc.DISCONNECTED and url.rpartition(":")[2] in answer.message, f"found {answer}, want the broker named")


def check_stored_call_is_accepted_and_asked_for(scene):
    scene.empty()
    answer = scene.live.call("tank.fill", {"litres": 2}, seconds=600, flags=rpc.STORED)
    want(answer.status == rpc.ACCEPTED and answer.call_id, f"found {answer}, want it accepted")
    wait_for(lambda: scene.live.ask(answer.call_id).status != rpc.ACCEPTED, 20, "the stored call to end")
    told = scene.live.ask(answer.call_id)
    want(told.status == rpc.OK and told.json == {"litres": 2}, f"found {told}, want what came of it")
    unknown = scene.live.ask("0190b1c2-7a5e-7c3d-8f00-112233445566")
    want(unknown.status == rpc.UNKNOWN_CALL, f"found {unknown}, want no such call")


def check_what_cannot_be_is_refused_and_nothing_is_sent(scene):
    handle = rpc.Rpc(scene.library)
    open_file = scene.stage.folder / "open.key"
    open_file.write_text(scene.key.read_text())
    open_file.chmod(0o644)
    for name, value in (("brokers", "x"), ("", "x"), (None, "x"), ("broker", None), ("ca", ""), ("ca", b"\xff\xfe"), ("mqtt5", "maybe"), ("password", "x")):
        want(handle.set(name, value) == rpc.USAGE and handle.error(), f"{name}={value}: found it taken, want it refused")
    want(handle.open(NODE) == rpc.USAGE and "broker" in handle.error(), f"found {handle.error()}, want the broker named")
    want(handle.set("broker", "http://x") == rpc.OK and handle.open(NODE) == rpc.USAGE and "mqtt://" in handle.error(), f"found {handle.error()}")
    want(handle.call("test").status == rpc.CLOSED and handle.ask("x").status == rpc.CLOSED, "found a call on what is not open")
    handle.close()
    for settings, part in (((), "key-file"), ((("key-file", "/nowhere"),), "/nowhere"), ((("key-file", open_file),), "open.key"),
                           ((("key-file", scene.key), ("identity", "/nowhere")), "key-file"), ((("identity", "/nowhere"),), "zone"),
                           ((("key-file", scene.key), ("prefix", "a//b")), ""), ((("key-file", HEADER),), "")):
        handle = rpc.Rpc(scene.library, ("broker", scene.broker.url), *settings)
        want(handle.open(NODE) == rpc.USAGE and part in handle.error(), f"{settings}: found {handle.error()!r}, want {part!r} named")
        handle.close()
    handle = scene.handle()
    for node in ("", "a/b", "+", "x" * 65, None):
        want(handle.open(node) == rpc.USAGE and handle.error(), f"node {node!r}: found it taken, want it refused")
    handle.close()
    want(scene.live.set("prefix", "x") == rpc.USAGE and scene.live.open(NODE) == rpc.USAGE, "found a setting taken by what is open")


def check_calls_that_cannot_be_are_refused(scene):
    before = scene.sent()
    for what, words in (("no method", {"method": None}), ("a path", {"method": "a/b"}), ("no UTF-8", {"method": b"\xff"}), ("a long one", {"method": "m" * 129}),
                        ("no JSON", {"params": "{"}), ("no object", {"params": "7"}), ("params of no UTF-8", {"params": b'{"a":"\xff"}'}),
                        ("a flag", {"flags": 64}), ("a size", {"size": 3}), ("eight days", {"seconds": 8 * 86_400}), ("an id", {"call_id": "x"}),
                        ("an id of another version", {"call_id": "0190b1c2-7a5e-4c3d-8f00-112233445566"})):
        answer = scene.live.call(**({"method": "tank.level"} | words))
        want(answer.status == rpc.USAGE and answer.message and not answer.call_id, f"{what}: found {answer}, want it refused")
    long = scene.live.call("tank.level", {"text": "x" * 300_000})
    want(long.status == rpc.USAGE, f"too long: found {long}, want it refused")
    want(scene.sent() == before, f"found {scene.sent() - before} messages sent, want none")
    c = scene.library.c
    want(c.sallyport_rpc_set(None, b"a", b"b") == rpc.USAGE and c.sallyport_rpc_open(None, b"a") == rpc.USAGE, "found a handle that is none taken")
    c.sallyport_rpc_close(None)
    c.sallyport_rpc_answer_free(None)
    want(c.sallyport_rpc_answer_status(None) == rpc.INTERNAL and c.sallyport_rpc_answer_json(None) == b"null", "found an answer that is none taken")


# Threads --------------------------------------------------------------------------------------------------------------------------

def check_many_threads_call_on_one_handle(scene):
    scene.empty()
    answers = []

    def many():
        for _ in range(25):
            answers.append(scene.live.call("tank.level", seconds=60).status)
    threads = [threading.Thread(target=many) for _ in range(8)]
    for one in threads:
        one.start()
    for one in threads:
        one.join(120)
    want(answers == [rpc.OK] * 200, f"found {len(answers)} answers, {sum(one != rpc.OK for one in answers)} bad, want 200 good ones")


def sleeps(thread):
    """Whether it waits in the kernel."""
    return pathlib.Path(f"/proc/self/task/{thread.native_id}/stat").read_text().rpartition(")")[2].split()[0] == "S"


def check_close_ends_what_is_under_way(scene):
    """Each time once the three have been waiting for a while: what has not begun a call may not begin one after close."""
    for _ in range(10):
        handle, answers = scene.open(key=scene.wrong_key), []
        held, entered = handle.handle, threading.Barrier(4)

        def call():
            entered.wait(20)
            answers.append(handle.c.sallyport_rpc_call(held, b"tank.level", None, None))
        callers = [threading.Thread(target=call) for _ in range(3)]
        for one in callers:
            one.start()
        entered.wait(20)
        seen = collections.Counter()

        def have_waited():
            for one in callers:
                seen[one] = seen[one] + 1 if sleeps(one) else 0
            return min(seen[one] for one in callers) >= 4
        wait_for(have_waited, 20, "the calls to wait")
        began = time.monotonic()
        handle.close()
        for one in callers:
            one.join(20)
        took = time.monotonic() - began
        found = [scene.library.c.sallyport_rpc_answer_status(one) for one in answers]
        for one in answers:
            scene.library.c.sallyport_rpc_answer_free(one)
        want(found == [rpc.CLOSED] * 3 and took < 10, f"found {found} after {took:.1f} s, want three that were closed")


def check_signals_and_descriptors_of_the_process_are_left_alone(scene):
    """Its thread takes no signal, and what it opened is closed."""
    came = []
    before_handler = signal.signal(signal.SIGUSR1, lambda *_: came.append(threading.get_ident()))
    before = len(os.listdir("/proc/self/fd"))
    for _ in range(10):
        handle = scene.open()
        want(handle.call("tank.level").status == rpc.OK, "found no answer, want one")
        os.kill(os.getpid(), signal.SIGUSR1)
        handle.close()
    signal.signal(signal.SIGUSR1, before_handler)
    want(came == [threading.main_thread().ident] * 10, f"found {len(came)} signals, want ten in the main thread")
    want(signal.getsignal(signal.SIGPIPE) == signal.SIG_IGN, "found SIGPIPE changed")  # as Python has it
    want(len(os.listdir("/proc/self/fd")) <= before, f"found {len(os.listdir('/proc/self/fd'))} descriptors, want {before}")


if __name__ == "__main__":
    sys.exit(play(globals(), Tank))
