"""A user who is at work while somebody else attacks: one connection to a device's page, asked over and over, and what
became of it.
"""
import contextlib
import threading
import time

from cases import want
from stage import wait_for

PAUSE = 0.05
SLOWEST = 8.0  # seconds for one answer; generous, as machines of tests are shared


class Bystander:
    def __init__(self, grant, expected):
        self.grant, self.expected = grant, expected
        self.answers, self.faults, self.slowest = 0, [], 0.0
        self.stopping = threading.Event()
        self.resting = threading.Event()  # while set, nothing is asked
        self.rests = threading.Event()
        self.line = grant.come_in()
        self.thread = threading.Thread(target=self.work, daemon=True)
        self.thread.start()

    def work(self):
        while not self.stopping.wait(PAUSE):
            if self.resting.is_set():
                self.rests.set()
                continue
            self.rests.clear()
            began = time.monotonic()
            try:
                answer = self.line.ask("GET", "/", self.grant.headers())
                if answer.status != 200 or self.expected not in answer.body:
                    self.faults.append(f"{answer.status} {answer.body[:60]!r}")
            except (OSError, ConnectionError) as error:
                self.faults.append(str(error))
                return
            self.slowest = max(self.slowest, time.monotonic() - began)
            self.answers += 1

    @contextlib.contextmanager
    def at_rest(self):
        """So that the server's processes work for nobody but the attacker."""
        self.resting.set()
        want(self.rests.wait(SLOWEST), "found the bystander at work, want him at rest")
        try:
            yield
        finally:
            self.resting.clear()

    @contextlib.contextmanager
    def undisturbed(self):
        """Whatever happens inside, his own connection goes on, every answer is right and none takes long."""
        self.slowest, before = 0.0, self.answers
        yield
        wait_for(lambda: self.answers > before or self.faults, SLOWEST, "an answer on the live session")
        want(not self.faults, f"found the live session disturbed: {self.faults[:2]}, want it undisturbed")
        want(self.slowest < SLOWEST, f"found an answer after {self.slowest:.1f} s on the live session, want {SLOWEST:.0f} s or less")

    def close(self):
        self.stopping.set()
        self.thread.join(10)
        self.line.close()
