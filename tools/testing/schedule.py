"""Runs the processes, a few at a time, and counts their cases."""
import concurrent.futures
import json
import pathlib
import re
import shutil
import tempfile
import time

from . import process

STARTED = re.compile(r"^\[ RUN      \] (\S+)", re.MULTILINE)
ENDED = re.compile(r"\[ +(OK|FAILED|SKIPPED) +\] (\S+?)(?:,.*)? \(\d+ ms\)")
SCRIPT_LINE = re.compile(r"^(ok|FAIL|skip) ([^:\s]+)(?::\s*(.*)|\s.*)?$")
SYMBOLIZER = shutil.which("llvm-symbolizer-19")


def sanitizer_environment():
    options = {"ASAN_OPTIONS": "detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1",
               "UBSAN_OPTIONS": "print_stacktrace=1", "TSAN_OPTIONS": "second_deadlock_stack=1"}
    return options | ({"ASAN_SYMBOLIZER_PATH": SYMBOLIZER} if SYMBOLIZER else {})


class Tally:
    """Results of one process, told to the screen as they are known."""

    def __init__(self, screen):
        self.screen = screen
        self.passed = self.failed = self.skipped = 0

    def ok(self, name):
        self.passed += 1
        self.screen.ok(name)

    def fail(self, name, reason, tail=""):
        self.failed += 1
        self.screen.failed(name, reason, tail)

    def skip(self, name, missing):
        self.skipped += 1
        self.screen.skipped(name, missing)


def count_json(text, run, tally):
    """Counts a gtest JSON report; returns the names of the cases in it."""
    seen = set()
    for suite in json.loads(text).get("testsuites", []):
        for case in suite.get("testsuite", []):
            name = f"{suite['name']}.{case['name']}"
            seen.add(name)
            if case.get("failures"):
                messages = "\n".join(failure["failure"] for failure in case["failures"])
                tally.fail(run.name + name, messages.splitlines()[0], messages)
            elif case.get("result") == "SKIPPED" or case.get("skipped"):
                reasons = case.get("skipped") or [{}]
                tally.skip(run.name + name, " ".join(reasons[0].get("message", "GTEST_SKIP").split()))
            elif case.get("status") == "RUN":
                tally.ok(run.name + name)
    return seen


def count_crash(outcome, run, tally):
    """What a gtest program that ended before its report had done; the case that was running has failed."""
    seen = set()
    for verdict, name in ENDED.findall(outcome.output):
        seen.add(name)
        if verdict == "OK":
            tally.ok(run.name + name)
        elif verdict == "SKIPPED":
            tally.skip(run.name + name, "GTEST_SKIP")
        else:
            tally.fail(run.name + name, "assertion failed", outcome.tail())
    for name in STARTED.findall(outcome.output):
        if name not in seen:
            seen.add(name)
            tally.fail(run.name + name, outcome.ending(), outcome.tail())
    return seen


def run_gtest(run, environment, tally):
    """Runs the cases of one program; after a crash goes on behind the case that crashed."""
    left = list(run.cases)
    while left:
        with tempfile.TemporaryDirectory(prefix="sallyport-report-") as folder:
            report = pathlib.Path(folder) / "report.json"
            command = run.command + [f"--gtest_output=json:{report}", "--gtest_color=no", "--gtest_brief=0"]
            if len(left) < 400:  # a longer filter would not fit on a command line
                command.append("--gtest_filter=" + ":".join(left))
            outcome = process.run(command, run.deadline, environment)
            if report.exists() and report.stat().st_size:
                seen = count_json(report.read_text(encoding="utf-8"), run, tally)
                if outcome.status not in (0, 1) or (outcome.status == 1 and not tally.failed):
                    tally.fail(run.name + "exit", f"every case ended, then {outcome.ending()}", outcome.tail())
                rest = [case for case in left if case not in seen]
                if rest:
                    tally.fail(run.name + rest[0], "not in the report of its program", outcome.tail())
                return
            seen = count_crash(outcome, run, tally)
            if not seen:
                tally.fail(run.name + "start", outcome.ending(), outcome.tail())
                return
            left = [case for case in left if case not in seen]


def run_replay(run, environment, tally):
    corpus = pathlib.Path(run.command[-1])
    if not corpus.is_dir() or not any(corpus.iterdir()):
        tally.fail(run.name, f"fuzz/corpus/{corpus.name}/ has no inputs")
        return
    outcome = process.run(run.command, run.deadline, environment)
    if outcome.status == 0 and not outcome.timed_out:
        tally.ok(run.name)
    else:
        tally.fail(run.name, outcome.ending(), outcome.tail())


def results_of_script(output):
    """(verdict, case, reason, the lines around it that belong to it) for each result line of a script."""
    results, before = [], []
    for line in output.splitlines():
        match = SCRIPT_LINE.match(line)
        if match:
            results.append((*match.groups(), before))
            before = []
        elif results and line.startswith("  "):
            results[-1][3].append(line)
        else:
            before.append(line)
    return results


def run_script(run, environment, tally):
    outcome = process.run(run.command, run.deadline, environment)
    whole = run.wanted.has(run.name)
    results = results_of_script(outcome.output)
    failed = False
    for verdict, case, reason, around in results:
        failed = failed or verdict == "FAIL"
        if not whole and not run.wanted.has(run.name + case):
            continue
        if verdict == "ok":
            tally.ok(run.name + case)
        elif verdict == "skip":
            tally.skip(run.name + case, reason or "does not say what is missing")
        else:
            tally.fail(run.name + case, reason or "does not say why", "\n".join(around[-process.TAIL_LINES:]))
    if outcome.timed_out or (outcome.status != 0 and not failed):
        tally.fail(run.name + "exit", outcome.ending(), outcome.tail())
    elif outcome.status == 0 and failed:
        tally.fail(run.name + "exit", "exit status 0 though a case failed")
    elif not results:
        tally.fail(run.name + "exit", "printed no result line", outcome.tail())
    if outcome.left_behind and not outcome.timed_out:
        tally.fail(run.name + "leaves-no-process", "; ".join(outcome.left_behind))


KINDS = {"gtest": run_gtest, "replay": run_replay, "script": run_script}


def run_one(run, environment, screen):
    started = time.monotonic()
    tally = Tally(screen)
    screen.progress(run.name)
    KINDS[run.kind](run, environment, tally)
    screen.finished(run.name, tally.passed, tally.failed, tally.skipped, time.monotonic() - started)


def run_all(runs, screen, jobs, environment):
    """Runs processes, at most `jobs` of them at a time, those first that may take longest."""
    environment = sanitizer_environment() | environment
    screen.total += sum(max(1, len(run.cases)) for run in runs)
    pool = concurrent.futures.ThreadPoolExecutor(max_workers=max(1, jobs))
    try:
        for future in [pool.submit(run_one, run, environment, screen) for run in sorted(runs, key=lambda run: -run.deadline)]:
            future.result()
    except BaseException:  # most often Ctrl-C: what runs must not outlive us
        pool.shutdown(wait=False, cancel_futures=True)
        process.stop()
        raise
    finally:
        pool.shutdown(wait=True)
