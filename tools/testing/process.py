"""Starts one test process in a group of its own and sees to it that nothing of it is left."""
import os
import pathlib
import shutil
import signal
import subprocess
import tempfile
import time
import uuid

MARK = "SALLYPORT_TEST_RUN"  # inherited by all children, so those that left the process group are found too
LEAVE_GRACE = 3.0  # seconds that children have to go by themselves after the test has ended
TAIL_LINES = 60  # of a failed test's output
OUTPUT_LIMIT = 4_000_000  # characters kept of one process's output


def marked(mark):
    """Process ids whose environment carries the mark. Zombies have none."""
    found = []
    for entry in pathlib.Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                if mark in (entry / "environ").read_bytes():
                    found.append(int(entry.name))
            except OSError:
                continue
    return found


def name_of(pid):
    try:
        return pathlib.Path(f"/proc/{pid}/cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")[:80].strip()
    except OSError:
        return "gone"


def kill_all(mark):
    for _ in range(100):
        pids = marked(mark)
        if not pids:
            return
        for pid in pids:
            try:
                os.kill(pid, signal.SIGKILL)
            except OSError:
                continue
        time.sleep(0.02)


_active = set()  # marks of the processes that are running now


class Interrupted(Exception):
    """The run is being ended from outside; nothing more is started."""


_stopping = False


def stop():
    """Kills everything that is running, with all children, and lets nothing more be started."""
    global _stopping
    _stopping = True
    for mark in list(_active):
        kill_all(mark)


class Outcome:
    def __init__(self, status, output, timed_out, left_behind, seconds):
        self.status = status
        self.output = output
        self.timed_out = timed_out
        self.left_behind = left_behind
        self.seconds = seconds

    def ending(self):
        if self.timed_out:
            return f"killed at its deadline after {self.seconds:.0f} s"
        if self.status < 0:
            return f"killed by {signal.Signals(-self.status).name}"
        return f"exit status {self.status}"

    def tail(self, lines=TAIL_LINES):
        return "\n".join(self.output.splitlines()[-lines:])


def run(command, deadline, environment, folder=None):
    """Runs a command to its end or its deadline (None: none), in a folder or in ours. Its temporary folder is removed afterwards."""
    if _stopping:
        raise Interrupted
    scratch = tempfile.mkdtemp(prefix="sallyport-test-")
    os.chmod(scratch, 0o755)  # roles that drop their privileges must find what lies below
    mark = uuid.uuid4().hex
    started = time.monotonic()
    timed_out = False
    needle = f"{MARK}={mark}".encode()
    _active.add(needle)
    with tempfile.TemporaryFile() as capture:
        child = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=capture, stderr=subprocess.STDOUT,
                                 start_new_session=True, cwd=folder, env=environment | {MARK: mark, "TMPDIR": scratch})
        try:
            status = child.wait(timeout=deadline)
        except subprocess.TimeoutExpired:
            timed_out = True
            kill_all(needle)
            status = child.wait()
        except BaseException:
            kill_all(needle)
            raise
        left = marked(needle)
        grace = time.monotonic() + LEAVE_GRACE
        while left and time.monotonic() < grace:
            time.sleep(0.05)
            left = marked(needle)
        left_behind = [name_of(pid) for pid in left]
        kill_all(needle)
        _active.discard(needle)
        capture.seek(0)
        output = capture.read(OUTPUT_LIMIT).decode("utf-8", errors="replace")
    shutil.rmtree(scratch, ignore_errors=True)
    if _stopping:
        raise Interrupted
    return Outcome(status, output, timed_out, left_behind, time.monotonic() - started)
