"""Certificates per second: from requests in memory on one core, against the signatures and verifications that OpenSSL makes
at all; durable through the authority with its group commit; and by a factory station with every ledger entry on disk first.
"""
import json
import re
import subprocess
import time

import rivals
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from installation import Installation, free_port
from measure import Failed, Goal, Metric, Rival

LIMIT_SECONDS = 120
DURABLE_GOAL = 5000
FACTORY_GOAL = 50


def rate(program, *words):
    done = subprocess.run([str(word) for word in (program, *words)], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode != 0:
        raise Failed(f"bench_issue {words[0]}: exit {done.returncode}: {done.stderr.strip()[-300:]}")
    return json.loads(done.stdout.splitlines()[-1])["per_second"]


def bound(seconds):
    """Requests that a core could sign and verify if there were nothing else: 1/(1/sign + 1/verify) of `openssl speed`."""
    done = subprocess.run([rivals.program("openssl"), "speed", "-seconds", str(max(1, round(seconds))), "-mr", "ecdsap256"], capture_output=True,
                          text=True, timeout=LIMIT_SECONDS, check=False)
    found = re.search(r"^\+F\d+:\d+:256:([\d.e+-]+):([\d.e+-]+)", done.stdout, re.MULTILINE)
    if done.returncode != 0 or not found:
        raise Failed(f"openssl speed: found {done.stdout.strip()[-200:]!r}, want the figures of P-256")
    return 1 / sum(1 / per_second(float(figure)) for figure in found.groups())


def per_second(figure):
    """`openssl speed -mr` tells operations per second, or in some versions seconds per operation."""
    return figure if figure > 1 else 1 / figure


class Factory:
    """A station with its permit, of an installation that does not run, and batches of requests."""

    def __init__(self, programs, folder):
        self.there = Installation(programs / "apps", folder / "ours", free_port(), free_port())
        self.there.initialise()
        self.there.add_site(count=1_000_000)
        self.folder = folder
        self.batches = 0

    def measure(self, count):
        self.batches += 1
        batch = self.folder / f"batch-{self.batches}"
        batch.mkdir()
        for number in range(count):
            key = ec.generate_private_key(ec.SECP256R1())
            name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, f"b{self.batches}-{number}")])
            request = x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())
            (batch / f"{number}.csr").write_bytes(request.public_bytes(serialization.Encoding.PEM))
        began = time.monotonic()
        self.there.run("factory", "issue", "--factory", self.there.factory, "--batch", batch, seconds=LIMIT_SECONDS)
        took = time.monotonic() - began
        made = len(list(batch.glob("*.pem")))
        if made != count:
            raise Failed(f"factory: found {made} certificates, want {count}")
        return count / took


class Durable:
    """A fresh database for every run."""

    def __init__(self, program, folder, seconds):
        self.program, self.folder, self.seconds = program, folder, seconds
        self.runs = 0

    def measure(self):
        self.runs += 1
        folder = self.folder / f"durable-{self.runs}"
        folder.mkdir()
        return rate(self.program, "durable", self.seconds, folder)


def run(programs, folder, options):
    program = programs / "benchmarks" / "bench_issue"
    seconds = 0.5 if options.quick else 3
    durable = Durable(program, folder, seconds)
    factory = Factory(programs, folder)
    try:
        metrics = (Metric("issue", "csr_to_certificate_per_s", "1/s", lambda: rate(program, "csr", seconds),
                          (Rival("bound", lambda: bound(seconds), Goal(">=", 0.6)),)),
                   Metric("issue", "durable_per_s", "1/s", durable.measure, (), Goal(">=", DURABLE_GOAL)),
                   Metric("issue", "factory_per_s", "1/s", lambda: factory.measure(20 if options.quick else 400), (), Goal(">=", FACTORY_GOAL)))
        for metric in metrics:
            yield from metric.lines(options.runs, options.progress)
    finally:
        factory.there.stop()
