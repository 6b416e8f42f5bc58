# test: needs=tree deadline=120
"""The test engine itself: what it counts, what it calls a failure, and that nothing survives its deadline."""
import io
import os
import pathlib
import signal
import subprocess
import sys
import tempfile
import textwrap
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import cases  # noqa: E402

sys.path.insert(0, str(cases.ROOT / "tools"))
from testing import process, report, schedule, sources  # noqa: E402

EVERYTHING = sources.Selection([])


def run(text, kind="script", deadline=30.0, wanted=EVERYTHING, names=(), arguments=()):
    """Runs a Python text as a test and returns the screen that counted it."""
    screen = report.Screen(out=io.StringIO())
    with tempfile.TemporaryDirectory() as folder:
        program = pathlib.Path(folder) / "program"
        program.write_text("#!/usr/bin/python3\n" + textwrap.dedent(text))
        program.chmod(0o755)
        schedule.run_all([sources.Run(kind, "t/", [str(program), *arguments], deadline, list(names), wanted=wanted)], screen, 2,
                         dict(os.environ))
    return screen


def counts(screen):
    return (screen.passed, [name for name, _, _ in screen.failures], [name for name, _ in screen.skips])


def equal(found, wanted):
    cases.want(found == wanted, f"found {found}, want {wanted}")


def check_script_cases_are_counted():
    equal(counts(run("print('ok a'); print('noise'); print('skip b: no java'); print('ok c')")), (2, [], ["t/b"]))


def check_failed_case_carries_its_reason_and_details():
    screen = run("print('ok a'); print('FAIL b: found 1, want 2'); print('  line of detail'); print('ok c'); exit(1)")
    equal(counts(screen), (2, ["t/b"], []))
    equal(screen.failures[0][1:], ("found 1, want 2", "  line of detail"))


def check_exit_status_must_agree():
    equal(counts(run("print('ok a'); exit(3)")), (1, ["t/exit"], []))
    equal(counts(run("print('FAIL a: x')")), (0, ["t/a", "t/exit"], []))
    equal(counts(run("pass")), (0, ["t/exit"], []))


def check_programs_below_tests_are_planned_like_layers():
    planned = sources.plan(cases.ROOT, EVERYTHING, False)
    for folder in ("integration", "crash"):
        equal(bool(planned.units["dev"].get(folder)), True)
    equal(sources.deadline_of(cases.ROOT, "base", True), sources.UNIT_DEADLINE)
    equal(sources.deadline_of(cases.ROOT, "crash", True), sources.LONG_TOGETHER_DEADLINE)


def check_filter_counts_the_cases_named():
    equal(counts(run("print('ok a'); print('ok b')", wanted=sources.Selection(["t/b"]))), (1, [], []))


def check_deadline_kills_those_who_left_the_group():
    started = time.monotonic()
    screen = run("""
        import os, time
        if os.fork() == 0:
            os.setsid()
            time.sleep(600)
        print("ok a", flush=True)
        time.sleep(600)
        """, deadline=1.0)
    equal(counts(screen), (1, ["t/exit"], []))
    cases.want("deadline" in screen.failures[0][1], f"found reason {screen.failures[0][1]!r}")
    cases.want(time.monotonic() - started < 20, "took longer than 20 s")
    cases.want(not process.marked(b"t/nobody"), "a process carries a mark that nobody gave")


def check_process_left_behind_is_a_failure_and_is_killed():
    with tempfile.NamedTemporaryFile("r", suffix=".pid") as note:
        screen = run(f"""
            import os, time
            pid = os.fork()
            if pid == 0:
                os.setsid()
                time.sleep(600)
            open({note.name!r}, "w").write(str(pid))
            print("ok a")
            """)
        pid = int(note.read())
    equal(counts(screen), (1, ["t/leaves-no-process"], []))
    state = pathlib.Path(f"/proc/{pid}/stat")
    cases.want(not state.exists() or state.read_text().split()[2] == "Z", f"process {pid} still runs")


# Speaks as a gtest program does: three cases, of which the one named on the command line kills the program.
GTEST_PROGRAM = """
    import json, os, signal, sys
    names, crashing = ["S.a", "S.b", "S.c"], sys.argv[1]
    options = dict(argument[8:].split("=", 1) for argument in sys.argv if argument.startswith("--gtest_") and "=" in argument)
    chosen = options.get("filter", ":".join(names)).split(":")
    cases = []
    for name in names:
        if name not in chosen:
            continue
        print(f"[ RUN      ] {name}", flush=True)
        if name == crashing:
            os.kill(os.getpid(), signal.SIGABRT)
        bad = name == "S.c" and crashing == "assertion"
        failures = {"failures": [{"failure": "x.cc:1 want 2"}]} if bad else {}
        print(f"[  FAILED  ] {name} (0 ms)" if bad else f"[       OK ] {name} (0 ms)", flush=True)
        cases.append({"name": name[2:], "status": "RUN", "result": "COMPLETED"} | failures)
    kind, path = options["output"].split(":", 1)
    open(path, "w").write(json.dumps({"testsuites": [{"name": "S", "testsuite": cases}]}))
    sys.exit(any("failures" in case for case in cases))
    """


def gtest(crashing):
    return run(GTEST_PROGRAM, kind="gtest", names=["S.a", "S.b", "S.c"], arguments=[crashing])


def check_gtest_cases_are_counted():
    equal(counts(gtest("none")), (3, [], []))


def check_gtest_assertion_is_one_failure():
    screen = gtest("assertion")
    equal(counts(screen), (2, ["t/S.c"], []))


def check_gtest_crash_fails_its_case_and_the_rest_still_runs():
    screen = gtest("S.b")
    equal(counts(screen), (2, ["t/S.b"], []))
    equal(screen.failures[0][1], "killed by SIGABRT")


def check_replay_without_corpus_fails():
    equal(counts(run("pass", kind="replay", arguments=["/nonexistent/corpus"])), (0, ["t/"], []))


def check_interruption_ends_what_is_running():
    with tempfile.TemporaryDirectory() as folder:
        note = pathlib.Path(folder) / "started"
        sleeper = pathlib.Path(folder) / "sleeper"
        sleeper.write_text(f"#!/usr/bin/python3\nimport os, time\nopen({str(note)!r}, 'w').write(str(os.getpid()))\ntime.sleep(600)\n")
        sleeper.chmod(0o755)
        engine = subprocess.Popen([sys.executable, "-c", textwrap.dedent(f"""
            import io, os, signal, sys
            sys.path.insert(0, {str(cases.ROOT / 'tools')!r})
            from testing import report, schedule, sources
            signal.signal(signal.SIGTERM, lambda *_: sys.exit(9))
            run = sources.Run("script", "t/", [{str(sleeper)!r}], 600.0, wanted=sources.Selection([]))
            schedule.run_all([run, run, run], report.Screen(out=io.StringIO()), 1, dict(os.environ))
            """)])
        deadline = time.monotonic() + 20
        while not (note.exists() and note.read_text()) and time.monotonic() < deadline:
            time.sleep(0.02)
        engine.send_signal(signal.SIGTERM)
        equal(engine.wait(timeout=20), 9)
        cases.want(not pathlib.Path(f"/proc/{note.read_text()}").exists(), "the test outlived its engine")


def check_closing_line():
    screen = run("print('ok a'); print('skip b: x'); print('FAIL c: y'); exit(1)")
    equal(screen.close(), 1)
    equal(screen.out.getvalue().splitlines()[-1], "1 passed, 1 failed, 1 skipped")


if __name__ == "__main__":
    cases.arguments()
    sys.exit(cases.run(globals()))
