#!/usr/bin/python3
"""Devices that slept through the end of their certificates. The installation and the devices begin 95 days ago (faketime), and
go on today: certificates of 90 days have ended 5 days before.
"""
# test: needs=dev deadline=300
import pathlib
import socket
import ssl
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import other_clock  # noqa: E402
from cases import want  # noqa: E402
from est import Est  # noqa: E402
from stage import ENROLMENT_SECONDS, ZONE, Stage, tool, wait_for  # noqa: E402

DAYS = 95
STOCK = ("stock-1", "stock-2", "stock-3", "stock-4")


def restart(stage):
    there = stage.there
    there.server.stop()
    there.start()


@cases.carries_the_rest
def check_installation_of_the_past_goes_on_today(stage):
    with other_clock.for_what_starts_here(other_clock.shifted(f"-{DAYS}d")):
        there = stage.set_up()
        agent_device, *devices = stage.make_devices("agent-1", *STOCK)
        stage.bring_online(agent_device)
        stage.identities = {}
        for device in devices:
            est = Est(stage, device)
            name = f"old-{device.serial_id}"
            stage.identities[device.serial_id] = (est, est.keep(name, est.send(est.make_request(name))[2]))
        agent_device.agent.stop()
        there.server.stop()
    stage.agent_device = agent_device
    crl = stage.folder / "root.crl"
    there.run("root", "crl", "--root", there.root, "--passphrase-file", there.passphrase_file, "--out", crl)
    there.run("root", "install-crl", "--state", there.state, "--crl", crl)
    there.start()
    for est, (certificate, _) in stage.identities.values():
        ended = tool("sh", "-c", f"openssl x509 -noout -checkend 0 -in {certificate} || true").decode()
        want("will expire" in ended, f"found {ended!r}, want a certificate that has ended")


def check_ended_certificate_opens_nothing_but_the_enrolment(stage):
    est, identity = stage.identities["stock-1"]
    kinds = {"facts": None, "telemetry": "application/octet-stream", "claim-hash": "application/json", "web-certificate": "application/pkcs10"}
    for target, kind in kinds.items():
        words = ["--header", f"Content-Type: {kind}", "--data-binary", "@" + str(est.make_request("any"))] if kind else []
        status, _ = est.ask(target, identity, *words)
        want(status == "403", f"found {status} to {target}, want 403")


def check_relay_refuses_an_ended_certificate(stage):
    there = stage.there
    _, (certificate, key) = stage.identities["stock-1"]
    name = there.device("stock-1")["name"]
    context = ssl.create_default_context(cafile=str(there.state / "trust" / "server-ca.twin.pem"))
    context.check_hostname = False
    context.set_alpn_protocols(["sallyport-control/1"])
    context.load_cert_chain(certificate, key)
    said = None
    with socket.create_connection(("127.0.0.1", there.tls_port), 10) as plain:
        try:
            with context.wrap_socket(plain, server_hostname=f"{name}.relay.{ZONE}") as secured:
                said = f"{len(secured.recv(100))} bytes"
        except ssl.SSLError as alert:
            said = alert.reason or str(alert)
    want("ALERT" in said, f"found {said}, want a TLS alert")


def check_it_is_renewed_with_a_new_key(stage):
    est, identity = stage.identities["stock-1"]
    status, _, chain = est.send(est.make_request("new"), operation="simplereenroll", identity=identity)
    want(status == "200", f"found {status} to a renewal, want 200")
    status, _ = est.ask("facts", est.keep("new", chain))
    want(status == "200", f"found {status} to facts under the new certificate, want 200")


def check_agent_comes_back_by_itself(stage):
    there, device = stage.there, stage.agent_device
    before = there.agent_status(device)["certificates"]["operational"]["serial"]
    there.start_agent(device)
    stage.wait_online(device, ENROLMENT_SECONDS)
    wait_for(lambda: there.agent_status(device)["certificates"]["operational"]["serial"] != before, ENROLMENT_SECONDS, "another certificate in the agent")


def check_revoked_suspended_and_retired_devices_stay_out(stage):
    there = stage.there
    for serial_id, words in (("stock-2", ["revoke"]), ("stock-3", ["retire"])):
        there.run("device", *words, serial_id, "--yes", "--state", there.state)
        est, identity = stage.identities[serial_id]
        status, _, _ = est.send(est.make_request("out"), operation="simplereenroll", identity=identity)
        want(status == "403", f"found {status} after device {words[0]}, want 403")


def check_policy_decides_for_how_long(stage):
    there = stage.there
    settings = there.state / "sallyport.toml"
    text = settings.read_text()
    want("renew_expired_days = 1825" in text, f"found {text!r}, want the default written out")
    est, identity = stage.identities["stock-4"]
    for days, wanted in ((4, "403"), (6, "200")):
        settings.write_text(text.replace("renew_expired_days = 1825", f"renew_expired_days = {days}"))
        restart(stage)
        status, _, _ = est.send(est.make_request(f"after-{days}"), operation="simplereenroll", identity=identity)
        want(status == wanted, f"found {status} with {days} days, want {wanted}")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
