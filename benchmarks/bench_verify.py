"""Chains verified per second by a core: our path validation against OpenSSL's X509_verify_cert over the same certificates."""
import json
import subprocess

from measure import Failed, Goal, Metric, Rival

LIMIT_SECONDS = 120


def rate(program, side, work, seconds):
    done = subprocess.run([program, side, work, str(seconds)], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode != 0:
        raise Failed(f"bench_verify {side} {work}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout)["per_second"]


def run(programs, _, options):
    program = programs / "benchmarks" / "bench_verify"
    seconds = 0.3 if options.quick else 3
    for name, work in (("chains_per_s", "parse"), ("parsed_chains_per_s", "parsed")):
        metric = Metric("verify", name, "1/s", lambda work=work: rate(program, "ours", work, seconds),
                        (Rival("X509_verify_cert", lambda work=work: rate(program, "openssl", work, seconds), Goal(">=", 1.0)),))
        yield from metric.lines(options.runs, options.progress)
