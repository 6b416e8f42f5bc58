#!/usr/bin/python3
"""Where the library for callers in C comes to its ends: a close beside a call that has only begun, and no thread to be had.
"""
# test: needs=dev deadline=300
import os
import pathlib
import resource
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
from stage import Stage, wait_for  # noqa: E402


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


def main():
    given = cases.arguments()
    with Stage(given.build.resolve()) as stage:
        scene = Tank(stage)
        try:
            return cases.run(globals(), scene)
        finally:
            scene.stop()


if __name__ == "__main__":
    sys.exit(main())
