"""Sealed RPC: requests that a core seals at the caller, finds by their tag and opens at the node, against two AES-256-GCM with
kept contexts and nothing around them; and calls through mosquitto, against the same JSON-RPC in clear over the same client and against a bare publish and
reply. Beside both, without a goal: what the formats of EVA ICS v3 cost, which they are in place of.
"""
import json
import pathlib
import subprocess
import time

import rivals
from installation import Process, free_port
from measure import Failed, Goal, Metric, Rival

LIMIT_SECONDS = 120
PARALLEL = 40  # below what one principal may have under way
NODE = "bench"
SPECIFIED_OVERHEAD = 25  # of a DATA message (docs/protocol/sealed-rpc.md)


def told(words):
    done = subprocess.run([str(word) for word in words], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode != 0:
        raise Failed(f"{pathlib.Path(words[0]).name} {words[1]}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])


class Calls:
    """A broker, and who answers at it in each of the three ways."""

    def __init__(self, programs, folder, seconds):
        self.program = programs / "benchmarks" / "bench_rpc_calls"
        self.seconds = seconds
        self.folder = folder / "node"
        port = free_port()
        self.broker = f"mqtt://127.0.0.1:{port}"
        config = folder / "mosquitto.conf"
        config.write_text(f"listener {port} 127.0.0.1\nallow_anonymous true\npersistence false\nmax_queued_messages 0\nset_tcp_nodelay true\n")
        self.running = [Process("mosquitto", [rivals.program("mosquitto"), "-c", str(config)], folder / "mosquitto.log")]
        time.sleep(0.3)  # the others come back by themselves until it listens
        agent = programs / "apps" / "sallyport-agent"
        subprocess.run([agent, "rpc", "init", "--state", self.folder, "--node", NODE, "--broker", self.broker], check=True, capture_output=True,
                       timeout=LIMIT_SECONDS)
        key = subprocess.run([agent, "rpc", "key-add", "--state", self.folder, "--id", "bench", "--allow", "look", "--calls-per-minute", "1000000"],
                             check=True, capture_output=True, timeout=LIMIT_SECONDS).stdout
        (self.folder / "caller.key").write_bytes(key)
        (self.folder / "eva.key").write_text("a secret of the benchmark\n")
        for name in ("caller.key", "eva.key"):
            (self.folder / name).chmod(0o600)

    def measure(self, mode, parallel):
        # A node that was started anew takes no call of the old formats for a minute.
        (self.folder / "eva-taken-until").unlink(missing_ok=True)
        words = [str(self.program), "answer", mode, self.broker, str(self.folder)]
        node = Process(f"{mode} node", words, self.folder.parent / f"{mode}.log")
        try:
            return told([self.program, "call", mode, self.broker, self.folder, parallel, self.seconds])
        finally:
            node.stop()

    def per_second(self, mode):
        return self.measure(mode, PARALLEL)["per_second"]

    def median_us(self, mode):
        return self.measure(mode, 1)["p50_us"]

    def stop(self):
        for process in self.running:
            process.stop()


def run(programs, folder, options):
    seal = programs / "benchmarks" / "bench_seal"
    seconds = 0.3 if options.quick else 2
    calls = Calls(programs, folder, 0.5 if options.quick else 4)
    try:
        metrics = (Metric("rpc", "seal_open_per_s", "1/s", lambda: told([seal, "ours", seconds])["per_second"],
                          (Rival("bound", lambda: told([seal, "bound", seconds])["per_second"], Goal(">=", 0.6)),
                           Rival("eva-v3-binary", lambda: told([seal, "eva-binary", seconds])["per_second"]),
                           Rival("eva-v3-text", lambda: told([seal, "eva-text", seconds])["per_second"]))),
                   Metric("rpc", "overhead_bytes", "B", lambda: told([seal, "ours", "overhead"])["bytes"],
                          (Rival("specified", lambda: SPECIFIED_OVERHEAD, Goal("<=", 1)),
                           Rival("eva-v3-binary", lambda: told([seal, "eva-binary", "overhead"])["bytes"]),
                           Rival("eva-v3-text", lambda: told([seal, "eva-text", "overhead"])["bytes"]))),
                   Metric("rpc", "calls_per_s", "1/s", lambda: calls.per_second("sealed"),
                          (Rival("plain-json-rpc", lambda: calls.per_second("plain"), Goal(">=", 0.95)),
                           Rival("mosquitto-echo", lambda: calls.per_second("echo"), Goal(">=", 0.8)))),
                   Metric("rpc", "p50_us", "us", lambda: calls.median_us("sealed"),
                          (Rival("plain-json-rpc", lambda: calls.median_us("plain"), Goal("<=", 1.05)),
                           Rival("eva-v3-binary", lambda: calls.median_us("eva")))))
        for metric in metrics:
            yield from metric.lines(options.runs, options.progress)
    finally:
        calls.stop()
