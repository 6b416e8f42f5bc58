"""Counts results, shows progress on a terminal, and prints the failures and the closing line."""
import sys
import threading
import time


class Screen:
    """Safe to call from several threads."""

    def __init__(self, out=sys.stdout):
        self.out = out
        self.terminal = out.isatty()
        self.lock = threading.Lock()
        self.passed = 0
        self.failures = []  # (name, reason, tail of output)
        self.skips = []  # (name, what is missing)
        self.total = 0
        self.started = time.monotonic()

    def progress(self, doing):
        with self.lock:
            done = self.passed + len(self.failures) + len(self.skips)
            count = f"{done}/{max(self.total, done)}" if self.total else "build"
            if self.terminal:
                failed = f", {len(self.failures)} failed" if self.failures else ""
                self.out.write(f"\r\x1b[K[{count}{failed}] {doing}"[:160])
                self.out.flush()

    def note(self, text):
        """A line for a log; a terminal has its progress line."""
        if not self.terminal:
            with self.lock:
                self._line(text)

    def ok(self, name):
        with self.lock:
            self.passed += 1
        self.progress(name)

    def failed(self, name, reason, tail=""):
        with self.lock:
            self.failures.append((name, reason, tail))
            self._line(f"FAIL {name}: {reason}")

    def skipped(self, name, missing):
        with self.lock:
            self.skips.append((name, missing))

    def finished(self, name, passed, failed, skipped, seconds):
        """One line per process that was run, so that a log without a terminal shows where it is."""
        if not self.terminal:
            with self.lock:
                more = (f", {failed} failed" if failed else "") + (f", {skipped} skipped" if skipped else "")
                self._line(f"{'FAIL' if failed else 'ok  '} {name.rstrip('/'):<40} {passed} passed{more} ({seconds:.1f} s)")

    def _line(self, text):
        self.out.write(("\r\x1b[K" if self.terminal else "") + text + "\n")
        self.out.flush()

    def close(self):
        """Prints what went wrong and the closing line. Returns the exit status."""
        if self.terminal:
            self.out.write("\r\x1b[K")
        for name, missing in self.skips:
            self._line(f"skip {name}: {missing}")
        for name, reason, tail in self.failures:
            self._line(f"\n---- {name}: {reason}")
            if tail:
                self._line("\n".join("    " + line for line in tail.splitlines()))
        if self.failures:
            self._line("")
        for name, reason, _ in self.failures:
            self._line(f"FAIL {name}: {reason}")
        self._line(f"({time.monotonic() - self.started:.0f} s)")
        self._line(f"{self.passed} passed, {len(self.failures)} failed, {len(self.skips)} skipped")
        return 1 if self.failures or not self.passed else 0
