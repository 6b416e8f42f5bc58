#!/usr/bin/python3
"""A stock OpenVPN server and client, in two network namespaces, under this PKI: which device gets in is asked of the status
service at every handshake, and a device says nothing to a server of which it has not asked.
"""
# test: needs=dev deadline=420
import contextlib
import os
import pathlib
import re
import shutil
import socket
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec  # noqa: E402

import cases  # noqa: E402
import namespaces  # noqa: E402
from cases import Missing, want  # noqa: E402
from stage import ZONE, Stage, free_port, wait_for  # noqa: E402
from status_host import ca_key  # noqa: E402
from vpn import ECHO, ECHO_PORT, HERE_OF_DEVICE, HERE_OF_SERVER, SERVER_TO_DEVICE, Namespaces, Process, Vpn  # noqa: E402

PEM = serialization.Encoding.PEM
NAME = f"vpn.gateway.{ZONE}"
RENEWAL_SECONDS = 90  # an agent asks what is wanted of it every 30 s
QUICK = {"reneg-sec 840": "reneg-sec 10", "tran-window 60": "tran-window 5", "keepalive 10 30": "keepalive 2 8"}


def leaf_of(file):
    return x509.load_pem_x509_certificate(pathlib.Path(file).read_bytes())


def key_of(signed):
    """The public key of a certificate or request."""
    return signed.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def environment_for(certificate, folder):
    """What OpenVPN tells a hook about its peer."""
    file = folder / "peer.pem"
    file.write_bytes(certificate.public_bytes(PEM))
    digest = certificate.fingerprint(hashes.SHA256()).hex(":")
    return {"peer_cert": str(file), "tls_digest_sha256_0": digest}


class Scene:
    def __init__(self, stage):
        self.stage = stage

    def set_up(self):
        stage = self.stage
        namespaces.leave_the_machines_network()
        self.there = there = stage.prepare()
        settings = there.state / "sallyport.toml"
        settings.write_text(settings.read_text().replace('"127.0.0.1"', '"0.0.0.0"'))
        there.start()
        self.net = Namespaces()
        stage.closing.append(self.net.close)
        self.devices = stage.make_devices("press-1", "press-2", "press-3")
        self.good, self.ended, self.spare = self.devices
        for device in self.devices:
            stage.configure(device, relay_address=f"{HERE_OF_DEVICE}:{there.tls_port}", http_address=f"{HERE_OF_DEVICE}:{there.http_port}")
        stage.bring_online(*self.devices)
        self.folder = stage.folder / "vpn"
        self.server_folder = self.folder / "server"
        self.folder.mkdir()

    def export_server(self, *more, **options):
        return self.there.run("export", "openvpn-server", "--state", self.there.state, "--out", self.server_folder, "--status",
                              f"{HERE_OF_SERVER}:{self.there.http_port}", *more, **options)

    def export_client(self, device, *more, remote=SERVER_TO_DEVICE):
        file = self.folder / f"{device.serial_id}.ovpn"
        self.there.run("export", "openvpn-client", "--state", self.there.state, "--remote", remote, "--out", file,
                       "--agent-state", device.state, "--agent-program", pathlib.Path(self.there.agent_program).resolve(), *more)
        return file

    def start_server(self, replace=None):
        """Stands until the script ends or another is started: as the operator's would."""
        self.stop_server()
        self.server = Vpn(self.net.server, self.server_folder / "server.conf", self.folder, replace)
        self.server.__enter__()
        self.stage.closing.append(self.server.process.stop)
        self.server.until_up()
        return self.server

    def stop_server(self):
        server = getattr(self, "server", None)
        if server and server.process.running():
            server.process.stop()

    def client(self, device, replace=None):
        return Vpn(self.net.device, self.export_client(device), self.folder, replace)

    def comes_in(self, device, replace=None):
        at = self.server.mark()
        with self.client(device, replace) as client:
            client.until_up()
            self.server.until_says(self.name(device), "may enter", at=at)
            want(self.net.bytes_pass(), "found no byte through the tunnel, want some")

    def is_kept_out(self, device, *words, replace=None):
        """The server's hook refuses the device and says so with these words; no tunnel comes up."""
        at = self.server.mark()
        with self.client(device, replace) as client:
            line = self.server.until_says("sallyport: openvpn:", *words, at=at)
            self.server.until_says("VERIFY SCRIPT ERROR: depth=0", at=at)
            want(not client.is_up(), "found the tunnel up, want it refused")
            want(not self.net.tunnels_of_device() and not self.net.bytes_pass(), "found a tunnel, want none")
        want("may enter" not in self.server.text()[at:], "found the device let in, want it refused")
        return line

    def stays_away(self, device, *words, replace=None):
        """The device's hook refuses the server and says so with these words; nothing of a tunnel comes to be."""
        at = self.server.mark()
        with self.client(device, replace) as client:
            line = client.until_says("sallyport-agent:", *words)
            client.until_says("VERIFY SCRIPT ERROR: depth=0")
            want(not client.is_up() and not self.net.tunnels_of_device(), "found a tunnel, want none")
            want(not self.net.bytes_pass(), "found a byte through, want none")
        want("Peer Connection Initiated" not in self.server.text()[at:], "found the handshake finished, want it ended by the device")
        return line

    def name(self, device):
        return self.there.device(device.serial_id)["name"]

    def hook(self, certificate, **changes):
        """The server's hook as OpenVPN would call it; `changes` replace options, or parts of the environment (None: left out)."""
        options = {"root": self.server_folder / "roots.pem", "zone": ZONE, "status": f"127.0.0.1:{self.there.http_port}"}
        environment = environment_for(certificate, self.folder)
        arguments = changes.pop("arguments", ["0", "CN=x"])
        for key, value in changes.items():
            (options if key in options else environment)[key] = value
        command = [self.there.sallyport, "openvpn", "verify"]
        for key, value in options.items():
            command += [f"--{key}", str(value)]
        return self.run_hook([*command, "--", *arguments], environment)

    def agent_hook(self, device, certificate, **changes):
        environment = environment_for(certificate, self.folder)
        arguments = changes.pop("arguments", ["0", "CN=x"])
        name = changes.pop("name", NAME)
        environment.update(changes)
        return self.run_hook([self.there.agent_program, "openvpn-verify", "--state", str(device.state), "--name", name, "--", *arguments], environment)

    def run_hook(self, command, environment):
        clean = {key: value for key, value in environment.items() if value is not None}
        done = subprocess.run(command, env=clean, capture_output=True, text=True, timeout=60, check=False)
        return done.returncode, done.stderr.strip()


@cases.carries_the_rest
def check_profiles_of_server_and_device_are_made(scene):
    for program in ("ip", "openvpn"):
        if not shutil.which(program):
            raise Missing(program)
    if not os.path.exists("/dev/net/tun"):
        raise Missing("/dev/net/tun")
    scene.set_up()
    scene.export_server()
    folder = scene.server_folder
    want((folder / "server.key").stat().st_mode & 0o777 == 0o600, "found the key open to others, want 0600")
    leaf = leaf_of(folder / "server.pem")
    names = leaf.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    want(names == [NAME], f"found {names}, want {NAME}")
    first, second = (scene.export_client(device).read_text().replace(str(device.state), "STATE") for device in scene.devices[:2])
    want(first == second and "PRIVATE KEY" not in first, "found profiles that differ by more than a path, want one for the whole fleet")


def check_no_server_is_certified_under_a_roles_name_or_a_strangers(scene):
    for name in (f"gateway.{ZONE}", f"vpn.{ZONE}", f"vpn.relay.{ZONE}", "vpn.example.org"):
        done = scene.export_server("--name", name, check=False)
        want(done.returncode == 4 and "want a name below" in done.stderr, f"found {done.returncode} {done.stderr!r} for {name}, want it refused")
    for words in (("--network", "10.88.0.1/24"), ("--network", "10.88.0.0/30"), ("--proto", "icmp"), ("--port", "0"), ("--folder", "/etc/open vpn"),
                  ("--program", "/usr/bin/x'; rm")):
        done = scene.export_server(*words, check=False)
        want(done.returncode == 2, f"found {done.returncode} for {words}, want it refused as usage")


@cases.carries_the_rest
def check_listed_device_gets_through_and_bytes_pass(scene):
    scene.start_server()
    echo = Process("echo", ["ip", "netns", "exec", scene.net.server, sys.executable, "-c", ECHO % ECHO_PORT], scene.folder / "echo.log")
    scene.stage.closing.append(echo.stop)
    scene.comes_in(scene.good)
    checks = {one["server"]: one for one in scene.there.agent_status(scene.good)["server_checks"]}
    want(checks.get(NAME, {}).get("good"), f"found {checks.get(NAME)}, want the agent to show the server good")
    want(not scene.net.bytes_pass(), "found bytes passing without a tunnel, want the test to see the difference")


def check_unlisted_device_with_a_certificate_by_the_real_online_ca_is_refused(scene):
    """Whoever has the CA's key makes what no record has: the same names, times and extensions."""
    model, key = leaf_of(scene.good.state / "device.pem"), ec.generate_private_key(ec.SECP256R1())
    builder = (x509.CertificateBuilder().subject_name(model.subject).issuer_name(model.issuer).serial_number(model.serial_number + 1)
               .not_valid_before(model.not_valid_before).not_valid_after(model.not_valid_after).public_key(key.public_key()))
    for extension in model.extensions:
        value = extension.value
        if isinstance(value, x509.SubjectKeyIdentifier):
            digest = hashes.Hash(hashes.SHA256())
            digest.update(key.public_key().public_bytes(serialization.Encoding.X962, serialization.PublicFormat.UncompressedPoint))
            value = x509.SubjectKeyIdentifier(digest.finalize()[:20])
        builder = builder.add_extension(value, extension.critical)
    forged = builder.sign(ca_key(scene.there, "online-ca"), hashes.SHA256())
    (scene.folder / "forged.pem").write_bytes(forged.public_bytes(PEM) + (scene.there.state / "trust" / "online-ca.pem").read_bytes())
    (scene.folder / "forged.key").write_bytes(key.private_bytes(PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    scene.is_kept_out(scene.good, scene.name(scene.good), "status_unknown", replace={
        f"cert {scene.good.state}/device.pem": f"cert {scene.folder}/forged.pem", f"key {scene.good.state}/device.key": f"key {scene.folder}/forged.key"})


def check_certificate_for_another_purpose_is_refused(scene):
    """A factory certificate leads to the same root and is for clients, too."""
    scene.is_kept_out(scene.spare, "no_anchor", "no online-ca", replace={
        f"cert {scene.spare.state}/device.pem": f"cert {scene.spare.state}/factory.pem", f"key {scene.spare.state}/device.key": f"key {scene.spare.state}/factory.key"})


def check_suspended_device_is_refused_until_it_is_resumed(scene):
    there, name = scene.there, scene.name(scene.spare)
    there.run("device", "suspend", name, "--state", there.state)
    scene.is_kept_out(scene.spare, name, "status_revoked", "on hold")
    there.run("device", "resume", name, "--state", there.state)
    wait_for(lambda: scene.hook(leaf_of(scene.spare.state / "device.pem"))[0] == 0, 10, "the status service to know that the device may")
    scene.comes_in(scene.spare)


def check_device_is_refused_while_the_status_service_does_not_answer(scene):
    scene.start_server({f"--status {HERE_OF_SERVER}:{scene.there.http_port}": f"--status {HERE_OF_SERVER}:{free_port()}"})
    scene.is_kept_out(scene.good, scene.name(scene.good), "responder_error")
    scene.start_server()


def check_live_tunnel_ends_at_the_next_renegotiation_after_its_device_is_revoked(scene):
    there, name = scene.there, scene.name(scene.ended)
    server = scene.start_server(QUICK)
    with scene.client(scene.ended) as client:
        client.until_up()
        wait_for(scene.net.bytes_pass, 20, "bytes to pass")
        at = server.mark()
        there.run("device", "revoke", name, "--state", there.state, "--yes")
        server.until_says("sallyport: openvpn:", name, "status_revoked", at=at)
        wait_for(lambda: not scene.net.bytes_pass(), 30, "the tunnel to carry nothing any more")
        want("may enter" not in server.text()[server.text().index("status_revoked", at):], "found the device let in again, want it kept out")
    scene.is_kept_out(scene.ended, name, "status_revoked")


def check_renewal_of_the_devices_key_needs_nobody(scene):
    """The same profile, the same process: OpenVPN comes back with the new key when the server refuses the old one."""
    device, there = scene.good, scene.there
    before = leaf_of(device.state / "device.pem")
    server = scene.start_server(QUICK)
    with scene.client(device) as client:
        client.until_up()
        wait_for(scene.net.bytes_pass, 20, "bytes to pass")
        at = server.mark()
        there.run("device", "renew", device.serial_id, "--state", there.state)
        scene.stage.restart_agent(device)  # it asks at its start what is wanted of it
        wait_for(lambda: leaf_of(device.state / "device.pem") != before, RENEWAL_SECONDS, "device.pem to be another certificate")
        want(key_of(leaf_of(device.state / "device.pem")) != key_of(before), "found the old key, want a new one")
        scene.stage.wait_online(device)
        line = server.until_says("sallyport: openvpn:", scene.name(device), "status_revoked", at=at)
        server.until_says(scene.name(device), "may enter", at=server.text().index(line, at), seconds=90)
        wait_for(scene.net.bytes_pass, 30, "bytes to pass again")
        want(client.process.running(), "found OpenVPN ended, want it to have gone on")
    scene.start_server()


def check_device_says_nothing_to_a_server_of_which_nobody_tells(scene):
    """Neither over HTTP nor over TLS."""
    device, there = scene.good, scene.there
    device.agent.stop()
    scene.stage.configure(device, relay_address=f"{HERE_OF_DEVICE}:{free_port()}", http_address=f"{HERE_OF_DEVICE}:{free_port()}")
    scene.stays_away(device, NAME, "over HTTP", "over TLS")
    scene.stage.configure(device, relay_address=f"{HERE_OF_DEVICE}:{there.tls_port}", http_address=f"{HERE_OF_DEVICE}:{there.http_port}")


def check_device_asks_by_itself_while_its_agent_does_not_run(scene):
    want(not scene.good.agent.running(), "found the agent running, want it ended")
    scene.comes_in(scene.good)
    scene.stage.restart_agent(scene.good)
    scene.stage.wait_online(scene.good)


def check_device_says_nothing_to_a_server_under_another_certificate(scene):
    """A web certificate of the installation is for servers, too; the profile's own comparison of names is left out."""
    web = scene.spare.state
    slot = (web / "web.current").read_text().strip()
    folder = scene.server_folder
    scene.start_server({f"cert {folder}/server.pem": f"cert {web}/web.{slot}.pem", f"key {folder}/server.key": f"key {web}/web.{slot}.key"})
    scene.stays_away(scene.good, NAME, "no server-ca", replace={f"verify-x509-name {NAME} name\n": ""})
    with scene.client(scene.good) as client:
        client.until_says("VERIFY X509NAME ERROR")
    scene.start_server()


def check_device_says_nothing_to_a_revoked_server(scene):
    there = scene.there
    serial = f"{leaf_of(scene.server_folder / 'server.pem').serial_number:032x}"
    there.run("certificate", "revoke", "server-ca", serial, "--reason", "keyCompromise", "--state", there.state)
    scene.stays_away(scene.good, NAME, "revoked")
    checks = {one["server"]: one for one in there.agent_status(scene.good)["server_checks"]}
    want(checks[NAME]["reason"] == "status_revoked", f"found {checks[NAME]}, want the reason in the agent's status")


def check_exported_again_the_server_is_good_again(scene):
    key = (scene.server_folder / "server.key").read_bytes()
    (scene.server_folder / "server.key").unlink()
    scene.export_server()
    want((scene.server_folder / "server.key").read_bytes() != key, "found the stolen key, want a new one")
    scene.start_server()
    scene.comes_in(scene.good)
    key = (scene.server_folder / "server.key").read_bytes()
    scene.export_server()
    want((scene.server_folder / "server.key").read_bytes() == key, "found another key after a renewal, want the one that is there")


def check_key_of_the_server_may_be_made_elsewhere(scene):
    key, request, out = scene.folder / "own.key", scene.folder / "own.csr", scene.folder / "by-request"
    subprocess.run(["openssl", "req", "-new", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", key, "-subj", "/CN=any", "-out", request],
                   capture_output=True, check=True, timeout=30)
    scene.there.run("export", "openvpn-server", "--state", scene.there.state, "--out", out, "--csr", request, "--folder", "/etc/openvpn/sallyport")
    want(not (out / "server.key").exists(), "found a key beside a certificate by request, want none")
    want(key_of(leaf_of(out / "server.pem")) == key_of(x509.load_pem_x509_csr(request.read_bytes())), "found another key certified, want the request's")
    want(f"--root /etc/openvpn/sallyport/roots.pem --zone {ZONE}" in (out / "server.conf").read_text(), "found no path of the VPN server, want it")


def check_tunnel_over_tcp_on_another_port_comes_up(scene):
    out, port = scene.folder / "tcp", free_port()
    scene.there.run("export", "openvpn-server", "--state", scene.there.state, "--out", out, "--status", f"{HERE_OF_SERVER}:{scene.there.http_port}", "--proto", "tcp",
                    "--port", port, "--network", "10.88.0.0/16")
    scene.stop_server()
    with Vpn(scene.net.server, out / "server.conf", scene.folder) as server:
        server.until_up()
        profile = scene.export_client(scene.good, "--proto", "tcp", remote=f"{SERVER_TO_DEVICE}:{port}")
        with Vpn(scene.net.device, profile, scene.folder) as client:
            client.until_up()
            server.until_says(scene.name(scene.good), "may enter")
            want(scene.net.bytes_pass(), "found no byte through the tunnel, want some")
    scene.start_server()


def check_profiles_and_certificates_from_before_a_rollover_of_both_cas_stay_good(scene):
    """Hooks find the issuer of a certificate by its key, whatever CA has replaced it."""
    there = scene.there
    scene.stage.stop_server()
    there.run("ca", "rollover", "--state", there.state, "--ca", "online-ca", "--ca", "server-ca", "--root", there.root, "--root-passphrase-file", there.passphrase_file, "--yes")
    there.start()
    scene.stage.wait_online(scene.good)
    old = [leaf_of(file).extensions.get_extension_for_class(x509.AuthorityKeyIdentifier).value.key_identifier for file in
           (scene.good.state / "device.pem", scene.server_folder / "server.pem")]
    new = [leaf_of(there.state / "trust" / f"{ca}.pem").extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value.digest for ca in ("online-ca", "server-ca")]
    want(old[0] != new[0] and old[1] != new[1], "found certificates of the new CAs, want those from before")
    scene.comes_in(scene.good)
    scene.export_server()
    scene.start_server()
    scene.comes_in(scene.good)


def check_hook_of_the_server_refuses_whatever_openvpn_does_not_tell(scene):
    leaf, other = leaf_of(scene.good.state / "device.pem"), leaf_of(scene.spare.state / "device.pem")
    want(scene.hook(leaf)[0] == 0, f"found {scene.hook(leaf)}, want the device let in")
    want(scene.hook(leaf, arguments=["1", "CN=online-ca"], peer_cert=None)[0] == 0, "found a CA judged by itself, want it judged with the device")
    wrong = {
        "no peer_cert": dict(peer_cert=None), "no digest": dict(tls_digest_sha256_0=None), "no file": dict(peer_cert="/nowhere"),
        "another digest": dict(tls_digest_sha256_0=other.fingerprint(hashes.SHA256()).hex(":")), "no arguments": dict(arguments=[]),
        "no depth": dict(arguments=["CN=x"]), "depth below nothing": dict(arguments=["-1", "CN=x"]), "no roots": dict(root="/nowhere"),
        "no root in it": dict(root="/dev/null"), "another zone": dict(zone="devices.example"), "nobody there": dict(status=f"127.0.0.1:{free_port()}"),
        "no address": dict(status="nonsense"),
        "another root": dict(root=scene.there.state / "trust" / "web-ca.pem")}
    for what, changes in wrong.items():
        status, said = scene.hook(leaf, **changes)
        want(status != 0 and re.fullmatch(r"sallyport: .+", said), f"found {status} and {said!r} with {what}, want a refusal in one line")


def check_hook_of_the_server_ends_in_time_when_names_are_not_looked_up(scene):
    """A resolver that says nothing holds a lookup for longer than OpenVPN may be held."""
    folder = pathlib.Path("/etc/netns") / scene.net.server  # `ip netns exec` puts its files in the place of those of /etc
    folder.mkdir(parents=True)
    try:
        (folder / "resolv.conf").write_text(f"nameserver {HERE_OF_SERVER}\noptions timeout:20 attempts:3\n")
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as silent:
            silent.bind((HERE_OF_SERVER, 53))
            environment = environment_for(leaf_of(scene.good.state / "device.pem"), scene.folder)
            done = subprocess.run(["ip", "netns", "exec", scene.net.server, scene.there.sallyport, "openvpn", "verify", "--root", scene.server_folder / "roots.pem",
                                   "--zone", ZONE, "--status", "status.devices.example:80", "--", "0", "CN=x"], env={**os.environ, **environment},
                                  capture_output=True, text=True, timeout=15, check=False)
            want(silent.recv(1000, socket.MSG_DONTWAIT), "found no question to the resolver, want one")
    finally:
        shutil.rmtree(folder)
        with contextlib.suppress(OSError):
            folder.parent.rmdir()
    want(done.returncode == 5 and "openvpn" in done.stderr, f"found {done.returncode} {done.stderr!r}, want a refusal in time")


def check_hook_of_the_device_refuses_whatever_openvpn_does_not_tell(scene):
    device, leaf = scene.good, leaf_of(scene.server_folder / "server.pem")
    want(scene.agent_hook(device, leaf)[0] == 0, f"found {scene.agent_hook(device, leaf)}, want the server good")
    want(scene.agent_hook(device, leaf, arguments=["1", "CN=server-ca"], peer_cert=None)[0] == 0, "found a CA judged by itself, want it judged with the server")
    wrong = {
        "no peer_cert": dict(peer_cert=None), "no digest": dict(tls_digest_sha256_0=None), "no arguments": dict(arguments=[]), "no depth": dict(arguments=["CN=x"]),
        "another digest": dict(tls_digest_sha256_0="00:" * 31 + "00"), "another name": dict(name=f"other.gateway.{ZONE}"), "no name": dict(name="no name")}
    for what, changes in wrong.items():
        status, said = scene.agent_hook(device, leaf, **changes)
        want(status != 0 and said.splitlines()[-1].startswith("sallyport-agent: "), f"found {status} and {said!r} with {what}, want a refusal")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
