"""Sealed RPC: requests that a core seals at the caller, finds by their tag and opens at the node, against two AES-256-GCM with
kept contexts and nothing around them.
"""
import json
import subprocess

from measure import Failed, Goal, Metric, Rival

LIMIT_SECONDS = 120


def rate(program, what, seconds):
    done = subprocess.run([str(program), what, str(seconds)], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode != 0:
        raise Failed(f"bench_seal {what}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])["per_second"]


def run(programs, _folder, options):
    program = programs / "benchmarks" / "bench_seal"
    seconds = 0.3 if options.quick else 2
    metrics = (Metric("rpc", "seal_open_per_s", "1/s", lambda: rate(program, "ours", seconds),
                      (Rival("bound", lambda: rate(program, "bound", seconds), Goal(">=", 0.6)),)),)
    for metric in metrics:
        yield from metric.lines(options.runs, options.progress)
