"""Nodes that hear whatever a test sends them: sallyport-agent rpc run at mosquitto and at a broker that obeys the test
(evil_broker.py), with a method that counts its runs behind HTTP, and a clock that the test moves. Callers are of another make (sr1.py).
"""
import collections
import http.server
import os
import pathlib
import re
import secrets
import subprocess
import threading
import time

import other_clock
import sr1
from cases import want
from evil_broker import EvilBroker
from mosquitto import Mosquitto
from stage import Process, wait_for

EVA_SECRET = "a-key-of-old-controllers"
LONG_BODY = 100_000  # a result of an endpoint may be 128 KiB


class Service:
    """What the node's methods call: it answers with the params, and knows every call."""

    def __init__(self):
        self.calls = []  # (path, call id)
        service = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_POST(self):
                body = self.rfile.read(int(self.headers.get("Content-Length", 0)))
                service.calls.append((self.path, self.headers["Idempotency-Key"]))
                body = body if len(body) < LONG_BODY else b'"a long one"'
                self.send_response(200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_):
                pass

        self.server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
        self.server.request_queue_size = 128
        self.port = self.server.server_port
        self.thread = threading.Thread(target=self.server.serve_forever, daemon=True)
        self.thread.start()

    def runs(self):
        return collections.Counter(self.calls)

    def stop(self):
        self.server.shutdown()


class Node:
    """sallyport-agent rpc run, with a folder of its own."""

    def __init__(self, scene, folder, name, path, prefix="", more=""):
        self.scene, self.folder, self.name, self.prefix = scene, scene.stage.folder / folder, name, prefix
        self.log = scene.stage.folder / f"{folder}.log"
        self.process = None
        scene.rpc(self, "init", "--node", name, "--broker", scene.broker.url)
        method = f'http = "http://127.0.0.1:{scene.service.port}/{path}"\nconcurrent = 64\n'
        (self.folder / "rpc.toml").write_text(
            f'node = "{name}"\n' + (f'prefix = "{prefix}"\n' if prefix else "") +
            f'[[broker]]\nurl = "{scene.broker.url}"\nversion = "5"\n[[broker]]\nurl = "mqtt://127.0.0.1:{scene.evil.port}"\n'
            f'[[method]]\nname = "count"\n{method}[[method]]\nname = "look"\nidempotent = true\n{method}{more}')

    def start(self, by_our_clock=True):
        before = self.log.read_text().count("rpc.ready") if self.log.exists() else 0
        topics = 4 if "[eva]" in (self.folder / "rpc.toml").read_text() else 2
        self.process = Process(self.folder.name, [self.scene.agent, "rpc", "run", "--state", str(self.folder)], self.log,
                               other_clock.told_by(self.scene.clock) if by_our_clock else None)
        wait_for(lambda: self.log.read_text().count("rpc.ready") >= before + topics, 20, lambda: f"the node; it says: {self.process.tail()}")

    def kill(self):
        self.process.child.kill()
        self.process.child.wait(20)

    def memory_kb(self, what="VmHWM"):
        status = pathlib.Path(f"/proc/{self.process.pid}/status").read_text()
        return int(re.search(rf"{what}:\s+(\d+)", status).group(1))

    def forget_peak(self):
        pathlib.Path(f"/proc/{self.process.pid}/clear_refs").write_text("5")

    def cpu_seconds(self):
        fields = pathlib.Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class CallScene:
    def __init__(self, stage):
        self.stage = stage
        self.agent = str(stage.build / "apps" / "sallyport-agent")
        self.peer = str(stage.build / "tests" / "rpc" / "rpc_peer")
        self.seed = os.environ.get("SALLYPORT_SEED") or secrets.token_hex(8)
        print(f"# SALLYPORT_SEED={self.seed}", flush=True)
        self.clock = stage.folder / "clock"
        self.offset = 0
        self.pass_time(0)
        self.service = Service()
        self.broker = Mosquitto(stage.folder / "broker")
        self.evil = EvilBroker(self.seed)
        (stage.folder / "default.eva").write_text(EVA_SECRET + "\n")
        (stage.folder / "default.eva").chmod(0o600)
        old = (f'[eva]\ncontroller = "uc/plant-1"\n[[eva.key]]\nid = "default"\nsecret_file = "{stage.folder}/default.eva"\n'
               'until = "2099-01-01T00:00:00Z"\nallow = ["test"]\n')
        self.node = Node(self, "node", "pump-1", "one", more=old)
        self.key = self.rpc(self.node, "key-add", "--id", "caller", "--allow", "*", "--calls-per-minute", "1000000")
        self.other_key = self.rpc(self.node, "key-add", "--id", "other", "--allow", "count", "--calls-per-minute", "600")
        key_file = self.node.folder / "caller.key"
        key_file.write_text(self.key)
        key_file.chmod(0o600)
        self.node.start()
        # The same name under another prefix, and another name: both with the caller's key.
        self.others = [Node(self, "elsewhere", "pump-1", "elsewhere", prefix="plant"), Node(self, "second", "pump-2", "second")]
        for node in self.others:
            self.rpc(node, "key-add", "--id", "caller", "--allow", "*", "--calls-per-minute", "1000000", "--import", key_file)
            node.start()
        self.wires = []
        self.spy = self.wire(self.broker.port)
        self.spy.subscribe("#")
        self.live = self.caller()

    def rpc(self, node, verb, *words):
        done = subprocess.run([str(word) for word in (self.agent, "rpc", verb, "--state", node.folder, *words)], capture_output=True,
                              text=True, timeout=30, check=False)
        want(done.returncode == 0, f"rpc {verb}: found {done.stderr}, want status 0")
        return done.stdout

    def pass_time(self, seconds):
        """For the nodes and for our callers."""
        self.offset += seconds
        new = self.clock.with_suffix(".new")
        new.write_text(f"+{self.offset}\n")
        new.replace(self.clock)

    def now(self):
        return time.time() + self.offset

    def wire(self, port, **choices):
        self.wires.append(sr1.Wire(port, **choices))
        return self.wires[-1]

    def caller(self, node=None, key=None, port=None, opened=True):
        node = node or self.node
        out = sr1.Caller(self.wire(port or self.broker.port), key or self.key, node.name, node.prefix, self.now)
        if opened:
            want(out.open() is not None, f"{node.folder.name}: found no ACCEPT, want one")
        return out

    def recorded(self):
        """Requests of the node that went through mosquitto so far, in order."""
        found = []
        while message := self.spy.next(0):
            if message[0] == self.live.topic:
                found.append(message[1])
        return found

    def nothing_runs(self, what, do, caller=None):
        """`do` sends; what `caller` calls afterwards runs, and that alone."""
        caller = caller or self.live
        caller.strays.clear()
        before = self.service.runs()
        do()
        caller.call("count", {"fence": what})
        ran = self.service.runs() - before
        want(sum(ran.values()) == 1, f"{what}: found {dict(ran)} run, want the call alone that came afterwards")

    def stop(self):
        for wire in self.wires:
            wire.stop()
        for node in (self.node, *self.others):
            if node.process:
                node.process.stop()
        self.evil.stop()
        self.broker.stop()
        self.service.stop()
