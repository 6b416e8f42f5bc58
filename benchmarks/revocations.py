"""How long a revocation takes to be known everywhere: of a thousand devices that are connected, one after the other, while
the status service gives 5,000 answers per second about them all.

Each is counted from the order. Its acknowledgement may come later than all of them: it waits for whoever may still have a
lease, so just after a start for a role's connection that is gone. Addresses of one network may ask for so many live
answers per second alone (DESIGN §10), which is why the load is of answers without a nonce.
"""
import base64
import concurrent.futures
import http.client
import os
import pathlib
import signal
import subprocess
import sys
import time
import urllib.parse

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "tests" / "support")]

import cases  # noqa: E402
import rivals  # noqa: E402
from admin import Refused, administer  # noqa: E402
from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes  # noqa: E402
from cryptography.x509 import ocsp  # noqa: E402
from fleet import Fleet  # noqa: E402
from installation import ZONE, Installation, free_port, wait_for  # noqa: E402
from measure import Distribution, Failed, Goal, Metric  # noqa: E402

ONLINE_SECONDS = 180
LOAD_CONNECTIONS = 76
LOAD_PAUSE_MS = 12  # of each connection after an answer: 5,000 per second in all while answers take 3 ms or less
LOAD_PER_SECOND = 5000
KNOWN_SECONDS = 60
NONCE_PAUSE_SECONDS = 0.012
CRL_SECONDS = 600

LOAD = """
local targets, requests, next_one = {{ {targets} }}, {{}}, 0
function init(arguments)
  for i, target in ipairs(targets) do requests[i] = wrk.format("GET", target, {{ Host = "status.{zone}" }}) end
end
function delay() return {pause} end
function request()
  next_one = next_one % #requests + 1
  return requests[next_one]
end
"""


SHA1_ALGORITHM = bytes.fromhex("300906052b0e03021a0500")
NONCE_OID = bytes.fromhex("06092b0601050507300102")


def der(tag, content):
    """One element; its content is shorter than 256 bytes."""
    length = [len(content)] if len(content) < 128 else [0x81, len(content)]
    return bytes([tag, *length]) + content


class Questions:
    """OCSP questions about certificates of one CA, over one connection that is kept."""

    def __init__(self, there, ca):
        self.there = there
        name_hash = hashes.Hash(hashes.SHA1())
        name_hash.update(ca.subject.public_bytes())
        self.name_hash = name_hash.finalize()
        self.key_hash = x509.SubjectKeyIdentifier.from_public_key(ca.public_key()).digest
        self.connection = http.client.HTTPConnection("127.0.0.1", there.http_port, timeout=20)

    def encode(self, serial, nonce=None):
        """OCSPRequest with a SHA-1 CertID (RFC 6960 §4.1.1)."""
        number = serial.to_bytes(serial.bit_length() // 8 + 1, "big")
        cert_id = der(0x30, SHA1_ALGORITHM + der(4, self.name_hash) + der(4, self.key_hash) + der(2, number))
        request_list = der(0x30, der(0x30, cert_id))
        extensions = der(0xA2, der(0x30, der(0x30, NONCE_OID + der(4, der(4, nonce))))) if nonce else b""
        return der(0x30, der(0x30, request_list + extensions))

    def target(self, serial):
        return "/ocsp/" + urllib.parse.quote(base64.b64encode(self.encode(serial)).decode(), safe="")

    def ask(self, serial, nonce=None):
        """Whether it is revoked; Failed unless there is an answer that says so or good. None: told to try later."""
        headers = {"Host": f"status.{ZONE}"}
        if nonce:
            self.connection.request("POST", "/ocsp", self.encode(serial, nonce), {**headers, "Content-Type": "application/ocsp-request"})
        else:
            self.connection.request("GET", self.target(serial), headers=headers)
        body = self.connection.getresponse().read()
        answer = ocsp.load_der_ocsp_response(body)
        if answer.response_status == ocsp.OCSPResponseStatus.TRY_LATER:
            return None
        if answer.response_status != ocsp.OCSPResponseStatus.SUCCESSFUL:
            raise Failed(f"OCSP: {answer.response_status}, want an answer")
        if nonce and answer.extensions.get_extension_for_class(x509.OCSPNonce).value.nonce != nonce:
            raise Failed("OCSP: another nonce, want the one that was asked with")
        return answer.certificate_status == ocsp.OCSPCertStatus.REVOKED

    def read_crl(self, name):
        self.connection.request("GET", f"/crl/{name}.crl", headers={"Host": f"status.{ZONE}"})
        return x509.load_der_x509_crl(self.connection.getresponse().read())


class Load:
    """wrk, which tells its rate when it is ended."""

    def __init__(self, port, targets, folder):
        script = folder / "load.lua"
        script.write_text(LOAD.format(targets=",".join(f'"{target}"' for target in targets), zone=ZONE, pause=LOAD_PAUSE_MS))
        command = [rivals.program("wrk"), "-t1", f"-c{LOAD_CONNECTIONS}", "-d3600s", "-s", str(script), f"http://127.0.0.1:{port}/"]
        self.child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def end(self):
        """Answers per second."""
        self.child.send_signal(signal.SIGINT)
        said, _ = self.child.communicate(timeout=30)
        rate = [line.split()[1] for line in said.splitlines() if line.startswith("Requests/sec:")]
        if not rate or "Non-2xx" in said:
            raise Failed(f"wrk: {said.strip()[-400:]}")
        return float(rate[0])

    def stop(self):
        if self.child.poll() is None:
            self.child.kill()
            self.child.communicate()


class Scene:
    """An installation with devices that are connected, in the shape that tests have it."""

    def __init__(self, programs, folder, count):
        self.build, self.folder = programs, folder / "revocations"
        self.closing = []
        self.there = Installation(programs / "apps", self.folder, free_port(), free_port())
        self.closing.append(self.there.stop)
        self.there.initialise()
        self.there.add_site(count=count)
        self.there.start()
        self.devices = Fleet(self).make("device", count)
        self.devices.wake()
        self.devices.wait("online", ONLINE_SECONDS)
        self.hexadecimal = [one["serial"] for one in self.devices.list()]
        self.serials = [int(serial, 16) for serial in self.hexadecimal]
        ca = x509.load_pem_x509_certificate((self.there.state / "trust" / "online-ca.pem").read_bytes())
        self.questions = Questions(self.there, ca)
        # Just after the start the service has no delegate of every CA yet.
        wait_for(lambda: self.questions.ask(self.serials[0], os.urandom(16)) is False, ONLINE_SECONDS, "an OCSP answer that says good")

    def close(self):
        for close in reversed(self.closing):
            close()


def follow(scene, number, waiting):
    """Revokes one and returns the seconds until a nonce's answer said so, a kept one did, and its connection was cut."""
    serial, device = scene.serials[number], scene.devices.part(number, 1)
    began = time.monotonic()
    cut = waiting.submit(lambda: (device.wait("offline", KNOWN_SECONDS), time.monotonic() - began)[1])
    order = waiting.submit(administer, scene.there, "certificate.revoke", ca="online-ca", serial=scene.hexadecimal[number], reason="keyCompromise")
    found = {}
    while len(found) < 2:
        if time.monotonic() - began > KNOWN_SECONDS:
            raise Failed(f"revocation of {serial:x}: known to {sorted(found)} after {KNOWN_SECONDS} s, want it known everywhere")
        for kind, nonce in (("nonce", os.urandom(16)), ("kept", None)):
            if kind not in found and scene.questions.ask(serial, nonce):
                found[kind] = time.monotonic() - began
        if len(found) < 2:
            time.sleep(NONCE_PAUSE_SECONDS)
    found["cut"] = cut.result(KNOWN_SECONDS + 30)
    order.result(KNOWN_SECONDS)
    device.sleep()
    return found


def wait_for_crl(scene, began):
    """Seconds until all are listed."""
    wanted = set(scene.serials)
    while not wanted <= {entry.serial_number for entry in scene.questions.read_crl("online-ca")}:
        if time.monotonic() - began > CRL_SECONDS:
            raise Failed(f"CRL: not every revoked certificate on it after {CRL_SECONDS} s")
        time.sleep(0.2)
    return time.monotonic() - began


def run(programs, folder, options):
    count = 20 if options.quick else 1000
    scene = load = None
    try:
        options.progress(f"status revocations: {count} devices come online")
        scene = Scene(programs, folder, count)
        load = Load(scene.there.http_port, [scene.questions.target(serial) for serial in scene.serials], scene.folder)
        found = []
        with concurrent.futures.ThreadPoolExecutor(2) as waiting:
            for number in range(count):
                options.progress(f"status revocations: {number} of {count}")
                found.append(follow(scene, number, waiting))
        listed = wait_for_crl(scene, time.monotonic())
        rate = load.end()
        for metric, kind, limit in (("revocation_nonce_ms", "nonce", 2000), ("revocation_kept_ms", "kept", 5000), ("revocation_cut_ms", "cut", 1000)):
            yield Distribution("status", metric, "ms", tuple(one[kind] * 1000 for one in found), Goal("<=", limit)).line()
        yield from Metric("status", "revocation_crl_s", "s", lambda: listed, (), Goal("<=", CRL_SECONDS)).lines(1, options.progress)
        yield from Metric("status", "revocation_load_per_s", "1/s", lambda: rate, (), Goal(">=", LOAD_PER_SECOND)).lines(1, options.progress)
    except (cases.Failed, Refused) as failure:
        raise Failed(str(failure)) from failure
    finally:
        if load:
            load.stop()
        if scene:
            scene.close()
