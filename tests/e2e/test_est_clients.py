#!/usr/bin/python3
"""Stock EST clients (RFC 7030) at the gateway: strongSwan's `pki --est` and `pki --estca`, and curl."""
# test: needs=dev deadline=240
import base64
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import ZONE, Stage, tool, wait_for  # noqa: E402
from swan import LIMIT_SECONDS, Swan  # noqa: E402

CAS = ("online-ca", "server-ca", "web-ca", "people-ca", "roles-ca", "control-ca")


def read_pem(text):
    return [base64.b64decode("".join(block.split())) for block in
            re.findall(r"-----BEGIN CERTIFICATE-----(.*?)-----END CERTIFICATE-----", text, re.S)]


def curl(stage, path, *words):
    """Returns status, headers in lower case, and body."""
    there, head, body = stage.there, stage.folder / "curl.head", stage.folder / "curl.body"
    body.write_bytes(b"")
    status = tool("curl", "--silent", "--show-error", "--max-time", "20", "--cacert", there.state / "trust" / "server-ca.twin.pem",
                  "--connect-to", f"gateway.{ZONE}:443:127.0.0.1:{there.tls_port}", "--dump-header", head, "--output", body,
                  "--write-out", "%{http_code}", *words, f"https://gateway.{ZONE}/.well-known/est/{path}").decode()
    return status, head.read_text().lower(), body.read_bytes()


def subject_names(certificate):
    return tool("openssl", "x509", "-noout", "-ext", "subjectAltName", given=certificate).decode()


@cases.carries_the_rest
def check_installation_comes_up(stage):
    stage.set_up()
    stage.swan = Swan(stage)


def check_strongswan_fetches_every_ca(stage):
    swan = stage.swan
    status, _, said = swan.run("--estca", "--url", swan.url, "--cacert", swan.trust / "root.pem", "--caout", swan.folder / "ca",
                               "--outform", "pem")
    want(status == 0, f"pki --estca: exit {status}: {said[-600:]}")
    found = {der for file in swan.folder.glob("ca*") for der in read_pem(file.read_text())}
    for name in ("root", *CAS):
        der, = read_pem((swan.trust / f"{name}.pem").read_text())
        want(der in found, f"{name} is not among the {len(found)} certificates that strongSwan stored, want it there: {said[-600:]}")


def check_strongswan_polls_until_the_ledger_is_in(stage):
    """With a factory certificate it uses simplereenroll, and it sends that certificate without its issuer."""
    there, swan = stage.there, stage.swan
    device = there.make_device("swan-1", "Swan 1")
    there.issue_factory_certificate(device)
    key, request = swan.make_request("swan-1")
    words = swan.enrolment(request, device.state / "factory.pem", device.state / "factory.key", "--interval", "1")
    said = swan.folder / "polling.log"
    answer = swan.folder / "polling.pem"
    with open(said, "wb") as errors, open(answer, "wb") as output:
        client = subprocess.Popen(swan.command(*words), env=swan.environment, stdin=subprocess.DEVNULL, stdout=output, stderr=errors)
        stage.closing.append(client.kill)
        wait_for(lambda: "EST request pending" in said.read_text() or client.poll() is not None, LIMIT_SECONDS, "strongSwan to be told to wait")
        want(client.poll() is None, f"pki --est: exit {client.poll()}: {said.read_text()[-600:]}")
        want("polling indefinitely every 5 seconds" in said.read_text(), f"found {said.read_text()[-300:]}, want it to obey Retry-After: 5")
        want(there.read("device", "list", "--state", there.state)["devices"] == [], "found a device, want none before the ledger")
        there.import_ledger()
        want(client.wait(LIMIT_SECONDS) == 0, f"pki --est: exit {client.returncode}: {said.read_text()[-600:]}")
    certificate, = read_pem(answer.read_text())
    record = there.device("swan-1")
    want(record["state"] == "connected", f"found state {record['state']}, want connected")
    want(f"DNS:{record['name']}.{ZONE}" in subject_names(answer.read_bytes()), "found other names in the certificate than the device's, want its own")
    issued = there.read("device", "show", "swan-1", "--state", there.state)["certificates"]
    operational = [one for one in issued if one["kind"] == "operational"]
    want([read_pem(one["pem"])[0] for one in operational] == [certificate], f"found {len(operational)} operational certificates on record, want this one")
    stage.swan_1 = (answer, key, device)


def check_strongswan_renews(stage):
    there, swan = stage.there, stage.swan
    before, key, _ = stage.swan_1
    new_key, request = swan.make_request("swan-1-renewed")
    status, renewed, said = swan.run(*swan.enrolment(request, before, key))
    want(status == 0, f"pki --est: exit {status}: {said[-600:]}")
    after = swan.folder / "renewed.pem"
    after.write_bytes(renewed)
    want(subject_names(renewed) == subject_names(before.read_bytes()), "found other names after the renewal, want the same")
    public = tool("openssl", "pkey", "-pubout", "-in", new_key)
    want(tool("openssl", "x509", "-noout", "-pubkey", given=renewed) == public, "found another key in the certificate, want the requested one")
    tool("openssl", "verify", "-CAfile", there.state / "trust" / "root.pem", "-untrusted", there.state / "trust" / "online-ca.pem", after)


def check_strongswan_with_a_burnt_factory_certificate_is_refused(stage):
    swan, device = stage.swan, stage.swan_1[2]
    _, request = swan.make_request("swan-thief")
    status, made, said = swan.run(*swan.enrolment(request, device.state / "factory.pem", device.state / "factory.key"))
    want(status != 0 and not made and "HTTP 403" in said, f"pki --est: exit {status}: {said[-300:]}; want HTTP 403")


def check_curl_reads_cacerts_without_a_certificate(stage):
    status, head, body = curl(stage, "cacerts")
    want(status == "200" and "content-type: application/pkcs7-mime" in head, f"found {status} and {head!r}, want 200 and application/pkcs7-mime")
    want("content-transfer-encoding" not in head, "found a Content-Transfer-Encoding, want none (RFC 8951 §3.1)")
    found = set(read_pem(tool("openssl", "pkcs7", "-inform", "DER", "-print_certs", given=base64.b64decode(body, validate=True)).decode()))
    trust = stage.there.state / "trust"
    wanted = {read_pem((trust / f"{name}.pem").read_text())[0] for name in ("root", *CAS)}
    want(found == wanted, f"found {len(found)} certificates, {len(found & wanted)} of the {len(wanted)} wanted")


def check_curl_reads_csrattrs(stage):
    status, head, body = curl(stage, "csrattrs")
    want(status == "200" and "content-type: application/csrattrs" in head, f"found {status} and {head!r}, want 200 and application/csrattrs")
    words = tool("openssl", "asn1parse", "-inform", "DER", given=base64.b64decode(body, validate=True)).decode()
    for name in ("id-ecPublicKey", "prime256v1", "ecdsa-with-SHA256"):
        want(name in words, f"found {words!r}, want {name} in it")


def check_curl_without_a_certificate_cannot_enrol(stage):
    for operation in ("simpleenroll", "simplereenroll"):
        status, _, _ = curl(stage, operation, "--header", "Content-Type: application/pkcs10", "--data-binary", "MAA=")
        want(status == "401", f"found {status} to {operation}, want 401")
    status, _, _ = curl(stage, "serverkeygen", "--data-binary", "MAA=")
    want(status == "404", f"found {status} to serverkeygen, want 404: the server shall not know keys")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
