#!/usr/bin/python3
"""Hostile cases D5 and D6: 200 first connections at once for the last place of a site's activation quota make exactly one
device, also while authority and signer are killed; and one factory certificate shown by two keys at once is good for one.
Afterwards the books agree: records, quota, white-list and audit log.
"""
# test: needs=dev deadline=900 heavy
import base64
import http.client
import os
import pathlib
import signal
import socket
import sqlite3
import ssl
import sys
import threading
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402
from cryptography.hazmat.primitives.serialization import pkcs7  # noqa: E402
from cryptography.x509.oid import NameOID  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import SITE, ZONE, Stage, wait_for  # noqa: E402

APPLICANTS = 200
TWINS = 5
ANSWER_SECONDS = 150  # in which everybody has an answer, whatever is killed
PACE_SECONDS = 0.2  # between the tries of one applicant
CONNECTING = 24  # handshakes at a time, so that the relay's own limit is not what is tested
ISSUED, REVOKED = 2, 4
OPERATIONAL = 3
GRANTED, SECOND_KEY, QUOTA_USED = 200, 403, 429
TRANSIENT = (OSError, http.client.HTTPException)


def make_request(key, serial_id):
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, serial_id)])
    return x509.CertificateSigningRequestBuilder().subject_name(name).sign(key, hashes.SHA256())


def pem(key):
    return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())


class Gateway(http.client.HTTPConnection):
    """A connection with a client certificate, through the relay."""

    def __init__(self, there, context):
        super().__init__(f"gateway.{ZONE}", timeout=30)
        self.there, self.context = there, context

    def connect(self):
        plain = socket.create_connection(("127.0.0.1", self.there.tls_port), timeout=self.timeout)
        self.sock = self.context.wrap_socket(plain, server_hostname=f"gateway.{ZONE}")


class Applicant:
    """A factory-fresh identity that asks for one operational certificate, with one new key."""

    def __init__(self, there, batch, serial_id):
        self.there, self.serial_id = there, serial_id
        self.identity = batch / f"{serial_id}.pem"
        self.identity_key = batch / f"{serial_id}.key"
        csr = make_request(ec.generate_private_key(ec.SECP256R1()), "device").public_bytes(serialization.Encoding.DER)
        self.body = base64.encodebytes(csr)
        self.connection = None
        self.status = None
        self.leaf = None
        self.sent = False  # a request is on its way, or was
        self.broken_off = 0  # tries without a clear answer

    def connect(self):
        context = ssl.create_default_context(cafile=str(self.there.state / "trust" / "server-ca.twin.pem"))
        context.load_cert_chain(self.identity, self.identity_key)
        self.connection = Gateway(self.there, context)
        self.connection.connect()

    def ask(self):
        """One try; the connection of connect() is used up."""
        if self.connection is None:
            self.connect()
        connection, self.connection = self.connection, None
        try:
            connection.request("POST", "/.well-known/est/simpleenroll", self.body,
                               {"Content-Type": "application/pkcs10", "Content-Transfer-Encoding": "base64"})
            self.sent = True
            answer = connection.getresponse()
            body = answer.read()
        finally:
            connection.close()
        self.status = answer.status
        if self.status == GRANTED:
            leaf, = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
            leaf = leaf.public_bytes(serialization.Encoding.DER)
            want(self.leaf in (None, leaf), f"{self.serial_id}: found another certificate for the same request, want the same")
            self.leaf = leaf

    def ask_until_answered(self, deadline):
        while self.status not in (GRANTED, SECOND_KEY, QUOTA_USED):
            want(time.monotonic() < deadline, f"{self.serial_id}: found no answer, last {self.status}, want one")
            try:
                self.ask()
            except TRANSIENT:
                self.connection = None
            if self.status not in (GRANTED, SECOND_KEY, QUOTA_USED):
                self.broken_off += 1
                time.sleep(PACE_SECONDS)  # as a device does between two tries


def make_identities(stage, serial_ids):
    """Keys, factory certificates in one batch, and the ledger."""
    there = stage.there
    batch = stage.folder / f"batch-{serial_ids[0]}"
    batch.mkdir()
    for serial_id in serial_ids:
        key = ec.generate_private_key(ec.SECP256R1())
        (batch / f"{serial_id}.key").write_bytes(pem(key))
        (batch / f"{serial_id}.csr").write_bytes(make_request(key, serial_id).public_bytes(serialization.Encoding.PEM))
    there.run("factory", "issue", "--factory", there.factory, "--batch", batch, seconds=120)
    there.import_ledger()
    return batch


def ask_at_once(applicants, just_before=lambda: None, meanwhile=lambda: None):
    """All connect first, as far as the relay lets them, then all ask at the same moment; `just_before` runs when all are ready,
    `meanwhile` beside them."""
    turns = threading.BoundedSemaphore(CONNECTING)
    ready = threading.Barrier(len(applicants) + 1, action=just_before)
    deadline = time.monotonic() + ANSWER_SECONDS
    problems = []

    def apply(applicant):
        try:
            with turns:
                try:
                    applicant.connect()
                except TRANSIENT:
                    applicant.connection = None
            ready.wait(ANSWER_SECONDS)
            applicant.ask_until_answered(deadline)
        except Exception as error:
            problems.append(f"{applicant.serial_id}: {type(error).__name__}: {error}")

    threads = [threading.Thread(target=apply, args=(one,), daemon=True) for one in applicants]
    for thread in threads:
        thread.start()
    ready.wait(ANSWER_SECONDS)
    meanwhile()
    for thread in threads:
        thread.join(ANSWER_SECONDS)
    want(not problems, f"found {len(problems)} without a clear answer: {problems[:3]}, want none")


def rows(stage, query, *values):
    path = stage.there.state / "authority" / "authority.db"
    with sqlite3.connect(f"file:{path}?mode=ro", uri=True, timeout=20) as database:
        return database.execute(query, values).fetchall()


# ---- books that must agree; each is told the stage, the quota and all who were granted a certificate

def quota_and_records(stage, quota, winners):
    (enrolled,), = rows(stage, "SELECT enrolled FROM site WHERE name = ?", SITE)
    connected = {serial for serial, in rows(stage, "SELECT serial_id FROM device WHERE connected_at IS NOT NULL")}
    want(enrolled == len(connected) == quota, f"found {enrolled} counted and {len(connected)} connected, want {quota} of each")
    want(connected == {one.serial_id for one in winners}, f"found {connected} connected, want those who were answered with a certificate")
    issued = {bytes(der) for der, in rows(stage, "SELECT der FROM certificate WHERE kind = ? AND state = ?", OPERATIONAL, ISSUED)}
    want(issued == {one.leaf for one in winners}, f"found {len(issued)} certificates on record, want exactly the {len(winners)} handed out")


def white_list(stage, _, winners):
    (sequence,), = rows(stage, "SELECT ledger_sequence FROM site WHERE name = ?", SITE)
    exported = stage.there.read("factory", "status", "--factory", stage.there.factory)
    want(exported["issued"] == sequence, f"found {sequence} entries accepted, want the station's {exported['issued']}")
    states = dict(rows(stage, "SELECT substr(subject, 1, instr(subject, '.') - 1), state FROM certificate WHERE ca = ?", f"local-ca/{SITE}"))
    want(len(states) == sequence, f"found {len(states)} factory certificates, want {sequence}")
    burnt = {serial for serial, state in states.items() if state == REVOKED}
    want(burnt == {one.serial_id for one in winners}, f"found {len(burnt)} factory certificates burnt, want those of the connected alone")


def audit_log(stage, quota, winners):
    entries = [one["subject"] for one in stage.audit("device.enrolled")]
    want(sorted(entries) == sorted(one.serial_id for one in winners), f"found {len(entries)} enrolments in the audit log, want {quota}")


BOOKS = [quota_and_records, white_list, audit_log]


def compare_books(stage, quota, winners):
    for book in BOOKS:
        book(stage, quota, winners)


def outcome(applicants):
    statuses = [one.status for one in applicants]
    return {status: statuses.count(status) for status in set(statuses)}


class Scene:
    def __init__(self, build):
        self.build = build
        self.stage = None
        self.winners = []

    def open(self, quota):
        self.close()
        self.stage = Stage(self.build)
        self.stage.__enter__()
        self.stage.set_up(count=1000, quota=quota)
        self.winners = []

    def close(self):
        if self.stage:
            self.stage.__exit__(None, None, None)
            self.stage = None


def check_D6_one_factory_certificate_shown_by_two_keys_at_once_is_good_for_one(scene):
    scene.open(quota=TWINS + 1)
    ids = [f"twin-{number}" for number in range(TWINS)]
    batch = make_identities(scene.stage, ids)
    pairs = [[Applicant(scene.stage.there, batch, serial_id) for _ in range(2)] for serial_id in ids]
    ask_at_once([one for pair in pairs for one in pair])
    for pair in pairs:
        statuses = sorted(one.status for one in pair)
        want(statuses == [GRANTED, SECOND_KEY], f"{pair[0].serial_id}: found {statuses}, want one certificate and one refusal")
        scene.winners += [one for one in pair if one.leaf]
    told = wait_for(lambda: scene.stage.audit("enrolment.refused"), 10, "the alarm")
    want(len({one["subject"] for one in told}) == TWINS, f"found alarms {told}, want one for each factory certificate")
    compare_books(scene.stage, TWINS, scene.winners)


def check_D5_of_200_at_once_for_the_last_place_exactly_one_wins(scene):
    ids = [f"m-{number}" for number in range(APPLICANTS)]
    batch = make_identities(scene.stage, ids)
    applicants = [Applicant(scene.stage.there, batch, serial_id) for serial_id in ids]
    ask_at_once(applicants)
    found = outcome(applicants)
    want(found == {GRANTED: 1, QUOTA_USED: APPLICANTS - 1}, f"found {found}, want one {GRANTED} and {APPLICANTS - 1} × {QUOTA_USED}")
    compare_books(scene.stage, TWINS + 1, scene.winners + [one for one in applicants if one.leaf])


def check_D5_of_200_for_the_last_place_exactly_one_wins_under_kill_9(scene):
    scene.open(quota=1)
    ids = [f"k-{number}" for number in range(APPLICANTS)]
    batch = make_identities(scene.stage, ids)
    applicants = [Applicant(scene.stage.there, batch, serial_id) for serial_id in ids]

    stage = scene.stage
    authority, signer = (stage.pids_of(role)[0] for role in ("authority", "signer"))

    def hold():
        for pid in (authority, signer):
            os.kill(pid, signal.SIGSTOP)

    def replace(role, pid):
        os.kill(pid, signal.SIGKILL)
        wait_for(lambda: stage.pids_of(role) not in ([], [pid]), 30, f"the supervisor to start {role} again")

    def kill():
        # First while the requests wait in the authority, then while the one that won waits for its signature.
        wait_for(lambda: sum(one.sent for one in applicants) > APPLICANTS // 2, 30, "requests on their way")
        replace("authority", authority)
        wait_for(lambda: rows(stage, "SELECT enrolled FROM site WHERE name = ?", SITE) == [(1,)], 60, "the last place to be taken")
        signed = rows(stage, "SELECT count(*) FROM certificate WHERE kind = ? AND state = ?", OPERATIONAL, ISSUED)
        want(signed == [(0,)], f"found {signed} certificates issued without a signer, want none")
        replace("authority", stage.pids_of("authority")[0])
        replace("signer", signer)

    ask_at_once(applicants, hold, kill)
    found = outcome(applicants)
    want(found == {GRANTED: 1, QUOTA_USED: APPLICANTS - 1}, f"found {found}, want one {GRANTED} and {APPLICANTS - 1} × {QUOTA_USED}")
    broken_off = sum(one.broken_off for one in applicants)
    want(broken_off > 0, "found no request that met a kill, want the kills to fall among them")
    wait_for(scene.stage.is_healthy, 60, "every service healthy")
    # Everybody once more: the one gets his certificate again (Applicant.ask compares), nobody else gets any.
    for one in applicants:
        one.status = None
    ask_at_once(applicants)
    found = outcome(applicants)
    want(found == {GRANTED: 1, QUOTA_USED: APPLICANTS - 1}, f"found {found} when all asked again, want the same one alone")
    compare_books(scene.stage, 1, [one for one in applicants if one.leaf])


if __name__ == "__main__":
    the_scene = Scene(cases.arguments().build)
    try:
        ended = cases.run(globals(), the_scene)
    finally:
        the_scene.close()
    sys.exit(ended)
