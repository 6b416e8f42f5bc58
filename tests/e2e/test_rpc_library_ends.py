#!/usr/bin/python3
"""Where the library for callers in C comes to its ends: a close beside a call that has only begun, no thread to be had, a child after
fork(), and more calls than may wait.
"""
# test: needs=dev deadline=300
import ctypes
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import rpc_library as rpc  # noqa: E402
from cases import want  # noqa: E402
from rpc_tank import NODE, Tank  # noqa: E402
from stage import play, wait_for  # noqa: E402


WITHOUT_A_THREAD = """
import pathlib, resource, signal, sys
sys.path.insert(0, sys.argv[1])
import rpc_library as rpc
handle = rpc.Rpc(rpc.Library(pathlib.Path(sys.argv[2])), ("broker", sys.argv[3]), ("key-file", sys.argv[4]))
now = int(pathlib.Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
resource.setrlimit(resource.RLIMIT_AS, (now + (32 << 20), resource.RLIM_INFINITY))
status = handle.open(sys.argv[5])
blocked = len(signal.pthread_sigmask(signal.SIG_BLOCK, []))
resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
print(status, bool(handle.error()), blocked, handle.open(sys.argv[5]), handle.call("tank.level").status)
handle.close()
"""


def check_open_that_gets_no_thread_leaves_the_signals_alone(scene):
    def stacks_that_do_not_fit():
        resource.setrlimit(resource.RLIMIT_STACK, (64 << 20, resource.getrlimit(resource.RLIMIT_STACK)[1]))
    done = subprocess.run([sys.executable, "-c", WITHOUT_A_THREAD, pathlib.Path(rpc.__file__).parent, scene.stage.build, scene.broker.url, scene.key, NODE],
                          capture_output=True, text=True, timeout=60, check=False, preexec_fn=stacks_that_do_not_fit)
    want(done.stdout.split() == [str(rpc.INTERNAL), "True", "0", str(rpc.OK), str(rpc.OK)], f"found {done.stdout} {done.stderr}, want no signal blocked")


def check_a_child_after_fork_can_close_and_harms_nothing(scene):
    handle = scene.open()
    want(handle.call("tank.level").status == rpc.OK, "found no answer, want one")
    child = os.fork()
    if child == 0:
        status = 99
        try:
            status = handle.call("tank.level", seconds=5).status
            handle.close()
        finally:
            os._exit(status)
    ended = []

    def has_ended():
        ended[:] = os.waitpid(child, os.WNOHANG)
        return ended[0] == child
    try:
        wait_for(has_ended, 20, "the child to close")
    finally:
        if not ended or ended[0] != child:
            os.kill(child, signal.SIGKILL)
            os.waitpid(child, 0)
    want(os.waitstatus_to_exitcode(ended[1]) == rpc.CLOSED, f"found {ended[1]}, want a call that is refused and a close that returns")
    want(handle.call("tank.level").status == rpc.OK, "found no answer in the parent, want one")
    handle.close()


def check_overload_under_an_id_of_before_is_never_told_as_not_run(scene):
    """More wait than may: one under a new id was not run, one under an id that was sent before may have been."""
    handle, answers = scene.open(key=scene.wrong_key), []
    held = handle.handle  # close() takes it from the object

    def wait_long():
        status = rpc.NOT_RUN
        while status == rpc.NOT_RUN:  # the one that asks below took its place
            raw = handle.c.sallyport_rpc_call(held, b"tank.level", None, ctypes.byref(rpc.Choices(size=ctypes.sizeof(rpc.Choices), timeout_ms=300_000)))
            status = handle.c.sallyport_rpc_answer_status(raw)
            handle.c.sallyport_rpc_answer_free(raw)
        answers.append(status)
    callers = [threading.Thread(target=wait_long) for _ in range(256)]
    for one in callers:
        one.start()
    found = []

    def is_full():
        found[:] = [handle.call("tank.level", seconds=1)]
        return found[0].status == rpc.NOT_RUN
    try:
        wait_for(is_full, 60, lambda: f"one to be refused; found {found}")
        again = handle.call("tank.level", seconds=1, call_id=found[0].call_id)
        asked = handle.ask(found[0].call_id, seconds=1)
    finally:
        handle.close()
        for one in callers:
            one.join(60)
    for one in (again, asked):
        want(one.status == rpc.TIMEOUT and "too many" in one.message and "not known" in one.message, f"found {one}, want it to be told as unknown")
    want(answers == [rpc.CLOSED] * 256, "found another end, want all closed")


def check_close_waits_for_a_call_that_has_only_begun(scene):
    """It is at reading its params yet."""
    params = b'{"text":"' + b"x" * 1_000_000 + b'"}'
    for _ in range(10):
        handle, answers, thread = scene.handle(), [], None
        want(handle.open(NODE) == rpc.OK, f"open: found {handle.error()}, want it open")
        held, about = handle.handle, threading.Event()

        def call(handle=handle, held=held, about=about, answers=answers):
            about.set()
            answers.append(handle.c.sallyport_rpc_call(held, b"tank.level", params, None))
        thread = threading.Thread(target=call)
        thread.start()
        want(about.wait(20), "found no thread, want one")
        clock = time.pthread_getcpuclockid(thread.ident)
        begun = time.clock_gettime(clock)
        while thread.is_alive() and time.clock_gettime(clock) - begun < 0.001:  # more than what is before the call
            pass
        handle.close()
        thread.join(20)
        found = [scene.library.c.sallyport_rpc_answer_status(one) for one in answers]
        for one in answers:
            scene.library.c.sallyport_rpc_answer_free(one)
        want(found and found[0] in (rpc.CLOSED, rpc.USAGE), f"found {found}, want it closed, or refused as too long")


if __name__ == "__main__":
    sys.exit(play(globals(), Tank))
