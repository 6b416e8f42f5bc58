"""Somebody at the console with a real browser: browser.mjs in a process of its own, asked line by line."""
import json
import os
import pathlib
import selectors

from installation import Failed, Process

ANSWER_SECONDS = 90


class Person:
    def __init__(self, home, log, *modules):
        """`home` holds the certificate store that the browser trusts; `modules` are files with more acts."""
        program = pathlib.Path(__file__).with_name("browser.mjs")
        environment = {"HOME": str(home), "XDG_CONFIG_HOME": str(pathlib.Path(home) / ".config"), "TMPDIR": str(home)}
        self.process = Process("the browser", ["node", str(program), *map(str, modules)], log, environment, talks=True)
        self._pending = b""

    def _line(self):
        output = self.process.child.stdout
        with selectors.DefaultSelector() as selector:
            selector.register(output, selectors.EVENT_READ)
            while b"\n" not in self._pending:
                if not selector.select(ANSWER_SECONDS):
                    raise Failed(f"no answer of the browser within {ANSWER_SECONDS} s", "one")
                more = os.read(output.fileno(), 65536)
                if not more:
                    raise Failed(f"the browser ended: {self.process.tail(5)}", "it running")
                self._pending += more
        line, _, self._pending = self._pending.partition(b"\n")
        return json.loads(line)

    def __call__(self, act, **given):
        """Has the person do `act` of browser.mjs; returns what was found, fails with what the browser said."""
        self.process.child.stdin.write(json.dumps({"act": act, **given}).encode() + b"\n")
        self.process.child.stdin.flush()
        answer = self._line()
        if "error" in answer:
            raise Failed(f"{act}: {answer['error']}", "it done")
        return answer["found"]

    def api(self, where, method="GET", body=None):
        answer = self("api", where=where, method=method, body=body)
        if answer["status"] != 200:
            raise Failed(f"{method} {where}: {answer['status']} {answer['body']}", "200")
        return answer["body"]

    def stop(self):
        if self.process.child.stdin:
            self.process.child.stdin.close()
        self.process.child.stdin = None
        try:
            self.process.child.wait(10)
        except Exception:
            pass
        return self.process.stop()
