"""OCSP answers per second of the role `status`: signed in advance, against nginx serving the same bytes and OpenSSL's own
responder; with a nonce, in one process, against the signatures that a core can make at all. A CRL of a million entries,
against OpenSSL's X509_CRL. And how long revocations take to be known.

Connections reach the role as in production, handed over by the relay's HTTP port; keep-alive makes that a one-time cost.
"""
import base64
import http.client
import json
import socket
import ssl
import subprocess
import urllib.parse

import revocations
import rivals
from installation import ZONE, Installation, free_port, wait_for
from measure import Failed, Goal, Metric, Rival

CONNECTIONS = 32
LIMIT_SECONDS = 120
GOOD_ANSWER_SECONDS = 20


def openssl(*words, given=None):
    done = subprocess.run([rivals.program("openssl"), *map(str, words)], input=given, capture_output=True, timeout=60, check=False)
    if done.returncode != 0:
        raise Failed(f"openssl {words[0]}: {done.stderr.decode(errors='replace').strip()[-300:]}")
    return done.stdout


class Ours:
    """The installation without a device; asked about the gateway's own certificate."""

    def __init__(self, programs, folder):
        self.there = Installation(programs / "apps", folder / "ours", free_port(), free_port())
        self.folder = folder
        try:
            self.there.initialise()
            self.there.start()
            self._make_requests()
        except BaseException:
            self.stop()
            raise
        self.port = self.there.http_port

    def _make_requests(self):
        there, folder = self.there, self.folder
        name = f"gateway.{ZONE}"
        context = ssl.create_default_context(cafile=str(there.state / "trust" / "root.pem"))
        with socket.create_connection(("127.0.0.1", there.tls_port), timeout=20) as plain, \
                context.wrap_socket(plain, server_hostname=name) as tls:
            (folder / "gateway.pem").write_text(ssl.DER_cert_to_PEM_cert(tls.getpeercert(binary_form=True)))
        issuer = there.state / "trust" / "server-ca.pem"
        common = ["ocsp", "-issuer", issuer, "-cert", folder / "gateway.pem"]
        openssl(*common, "-no_nonce", "-reqout", folder / "plain.der")
        self.plain = (folder / "plain.der").read_bytes()
        self.target = "/ocsp/" + urllib.parse.quote(base64.b64encode(self.plain).decode(), safe="")
        self.answer = wait_for(self._good_answer, GOOD_ANSWER_SECONDS, "an OCSP answer that says good")

    def _good_answer(self):
        connection = http.client.HTTPConnection("127.0.0.1", self.there.http_port, timeout=10)
        connection.request("GET", self.target, headers={"Host": f"status.{ZONE}"})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return body if answer.status == 200 and b"good" in openssl("ocsp", "-respin", "/dev/stdin", "-noverify", "-resp_text", given=body) else None

    def stop(self):
        self.there.stop()


def figures_of(program, *words):
    """What one of our own programs measures."""
    done = subprocess.run([str(word) for word in (program, *words)], capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False)
    if done.returncode != 0:
        raise Failed(f"{program.name}: {done.stdout.strip()} {done.stderr.strip()}")
    return json.loads(done.stdout)


def figure_of(figure, program, *words):
    return figures_of(program, *words)[figure]


def rate_of(program, *words):
    return figure_of("per_second", program, *words)


def crl_metrics(program, entries):
    yield Metric("status", "crl_build_s", "s", lambda: figure_of("seconds", program, "ours", entries), (
        Rival("X509_CRL", lambda: figure_of("seconds", program, "openssl", entries), Goal("<=", 0.1)),))
    yield Metric("status", "crl_build_mb", "MB", lambda: figure_of("peak_bytes", program, "ours", entries) / 1e6, (), Goal("<=", 100))


class Snapshot:
    """A state of many certificates as it is sent to roles, in a file."""

    def __init__(self, program, folder, certificates):
        self.program, self.certificates = program, certificates
        self.file = folder / "snapshot"

    def take(self):
        """Megabytes of a process that holds it and takes it anew."""
        if not self.file.exists():
            subprocess.run([self.program, "write", self.file, str(self.certificates)], check=True, timeout=LIMIT_SECONDS)
        told = figures_of(self.program, "take", self.file)
        if told["certificates"] != self.certificates:
            raise Failed(f"bench_snapshot: {told['certificates']} certificates, want {self.certificates}")
        return told["peak_bytes"] / 1e6


def run(programs, folder, options):
    seconds = 1 if options.quick else 3
    own = programs / "benchmarks"

    def asked(server):
        return rate_of(own / "bench_get", server.port, ours.target, CONNECTIONS, seconds)

    started = []
    try:
        ours = Ours(programs, folder)
        started.append(ours)
        static = rivals.nginx_static(folder, ours.target, ours.answer)
        started.append(static)
        small_ca = folder / "small-ca"
        request = rivals.make_small_ca(small_ca)
        responder = rivals.openssl_ocsp(folder, small_ca)
        started.append(responder)
        presigned = Metric("status", "presigned_per_s", "1/s", lambda: asked(ours), (
            Rival("nginx-static", lambda: asked(static), Goal(">=", 1.0)),
            Rival("openssl-ocsp", lambda: rate_of(own / "bench_post", responder.port, request, seconds), Goal(">=", 20.0))))
        live = Metric("status", "nonce_per_s", "1/s", lambda: rate_of(own / "bench_nonce", seconds), (
            Rival("bound", lambda: rate_of(own / "bench_sign", seconds), Goal(">=", 0.7)),))
        many = 100_000 if options.quick else 1_000_000
        snapshot = Snapshot(own / "bench_snapshot", folder, many)
        memory = Metric("status", "snapshot_mb", "MB", snapshot.take, (), Goal("<=", 400))
        for metric in (presigned, live, *crl_metrics(own / "bench_crl", many), memory):
            yield from metric.lines(options.runs, options.progress)
    finally:
        for one in reversed(started):
            one.stop()
    yield from revocations.run(programs, folder, options)
