#!/usr/bin/python3
"""What a certification request may not do: ask without holding the key, with a weak key, with a key that somebody has, for
names and powers. Over EST, with requests that cryptography makes.
"""
# test: needs=dev deadline=180
import base64
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

from cryptography import x509  # noqa: E402
from cryptography.hazmat.primitives import hashes, serialization  # noqa: E402
from cryptography.hazmat.primitives.asymmetric import ec, ed448, rsa  # noqa: E402
from cryptography.hazmat.primitives.serialization import pkcs7  # noqa: E402

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import SITE, ZONE, Stage  # noqa: E402
from thief import Client, new_key, request_for  # noqa: E402


class Device:
    """A device of factory-fresh identity, and after enrol() with an operational one."""

    def __init__(self, stage, serial_id):
        self.stage = stage
        self.made, = stage.make_devices(serial_id)
        self.factory = Client.with_factory_key(stage, self.made)

    def unpaused(self, request, client=None):
        """Every refusal counts; these tests are about others than the tenth."""
        status, _, body = (client or self.factory).enrol(request)
        self.stage.there.run("device", "unpause", self.made.serial_id, "--state", self.stage.there.state)
        return status, body

    def enrol(self, key=None):
        self.key = key or new_key()
        status, body = self.unpaused(request_for(self.key))
        want(status == 200, f"found {status} to a good request, want 200")
        self.certificate, = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
        chain, private = self.made.folder / "operational.pem", self.made.folder / "operational.key"
        online_ca = (self.stage.there.state / "trust" / "online-ca.pem").read_bytes()
        chain.write_bytes(self.certificate.public_bytes(serialization.Encoding.PEM) + online_ca)
        private.write_bytes(self.key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
        self.operational = Client(self.stage, chain, private)
        return self.certificate

    def name(self):
        return self.stage.there.device(self.made.serial_id)["name"]

    def state(self):
        return self.stage.there.device(self.made.serial_id)["state"]


def private_key(file):
    return serialization.load_pem_private_key(file.read_bytes(), None)


@cases.carries_the_rest
def check_installation_comes_up(stage):
    stage.set_up()
    stage.fresh = Device(stage, "fresh-1")
    stage.other = Device(stage, "other-1")
    stage.other.enrol()
    stage.spare, = stage.make_devices("spare-1")


def check_request_without_the_key_is_refused(stage):
    """Every bit of the signature, and of the key in a signed request, counts."""
    good = bytearray(request_for(new_key()))
    for at, what in ((len(good) - 3, "signature"), (good.index(b"\x03\x42\x00\x04") + 20, "key")):
        forged = bytearray(good)
        forged[at] ^= 1
        status, _ = stage.fresh.unpaused(bytes(forged))
        want(status in (400, 403), f"found {status} with another {what}, want it refused")
    want(stage.fresh.state() == "manufactured", "found the device connected, want nothing burnt")


def check_weak_and_unknown_keys_are_refused(stage):
    keys = {"RSA of 1024 bits": rsa.generate_private_key(65537, 1024), "P-224": ec.generate_private_key(ec.SECP224R1()),
            "secp256k1": ec.generate_private_key(ec.SECP256K1()), "RSA with exponent 3": rsa.generate_private_key(3, 2048)}
    for what, key in keys.items():
        status, _ = stage.fresh.unpaused(request_for(key))
        want(status in (400, 403), f"found {status} for {what}, want it refused")
    status, _ = stage.fresh.unpaused(request_for(ed448.Ed448PrivateKey.generate(), hash_of=None))
    want(status in (400, 403), f"found {status} for Ed448, want it refused")
    status, _ = stage.fresh.unpaused(request_for(rsa.generate_private_key(65537, 2048), hash_of=hashes.SHA1))
    want(status in (400, 403), f"found {status} for a request signed over SHA-1, want it refused")
    want(stage.fresh.state() == "manufactured", "found the device connected, want nothing burnt")


def check_key_that_somebody_has_is_refused(stage):
    """The device's own factory key, and another device's operational and factory keys: all of whose holders sign."""
    taken = {"its own factory key": private_key(stage.fresh.made.state / "factory.key"),
             "another device's factory key": private_key(stage.spare.state / "factory.key"),
             "another device's operational key": stage.other.key}
    for what, key in taken.items():
        status, _ = stage.fresh.unpaused(request_for(key))
        want(status == 403, f"found {status} for {what}, want 403")
    want(stage.fresh.state() == "manufactured", "found the device connected, want nothing burnt")


def check_names_and_powers_that_are_asked_for_are_ignored(stage):
    other = f"{stage.other.name()}.{ZONE}"
    asked = [x509.SubjectAlternativeName([x509.DNSName(other), x509.DNSName(f"gateway.{ZONE}")]),
             x509.BasicConstraints(ca=True, path_length=3),
             x509.ExtendedKeyUsage([x509.ExtendedKeyUsageOID.SERVER_AUTH, x509.ExtendedKeyUsageOID.OCSP_SIGNING]),
             x509.KeyUsage(True, True, True, True, True, True, True, False, False)]
    key = new_key()
    status, body = stage.fresh.unpaused(request_for(key, stage.other.name(), asked))
    want(status == 200, f"found {status}, want a certificate of what the record says")
    certificate, = pkcs7.load_der_pkcs7_certificates(base64.b64decode(body))
    mine = stage.fresh.name()
    extensions = certificate.extensions
    names = extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    want(names == [f"{mine}.{ZONE}"], f"found {names}, want {mine}.{ZONE} alone")
    common, = certificate.subject.get_attributes_for_oid(x509.NameOID.COMMON_NAME)
    want(common.value == mine, f"found subject {common.value}, want {mine}")
    constraints = [one for one in extensions if one.oid == x509.ExtensionOID.BASIC_CONSTRAINTS]
    want(not constraints or not constraints[0].value.ca, "found a CA, want a device")
    usages = list(extensions.get_extension_for_class(x509.ExtendedKeyUsage).value)
    want(usages == [x509.ExtendedKeyUsageOID.CLIENT_AUTH], f"found {usages}, want clientAuth alone")
    usage = extensions.get_extension_for_class(x509.KeyUsage).value
    want(usage.digital_signature and not usage.key_cert_sign and not usage.crl_sign, f"found {usage}, want digitalSignature without signing of certificates")


def check_renewal_for_somebody_elses_key_is_refused(stage):
    device = Device(stage, "renewing-1")
    device.enrol()
    for what, key in {"another device's key": stage.other.key, "its factory key": private_key(device.made.state / "factory.key")}.items():
        status, _, _ = device.operational.enrol(request_for(key), "simplereenroll")
        want(status == 403, f"found {status} to a renewal for {what}, want 403")
    status, _, _ = device.operational.enrol(request_for(new_key()), "simplereenroll")
    want(status == 200, f"found {status} to a renewal for a new key, want 200")


def check_factory_key_is_kept_only_where_the_site_says_so(stage):
    there = stage.there
    device = Device(stage, "single-key-1")
    key = private_key(device.made.state / "factory.key")

    def policy(replace, check=True):
        return there.run("site", "policy", SITE, "--replace", replace, "--state", there.state, check=check)

    want(policy("sometimes", check=False).returncode != 0, "found the policy 'sometimes' accepted, want required or optional")
    want(device.unpaused(request_for(key))[0] == 403, "found no 403 to a request for the factory key, want it by default")
    policy("optional")
    shown, = there.read("site", "list", "--state", there.state)["sites"]
    want(shown["replace"] == "optional", f"found {shown}, want the policy shown")
    certificate = device.enrol(key)
    want(certificate.public_key().public_numbers() == key.public_key().public_numbers(), "found another key certified, want the factory key")
    names = certificate.extensions.get_extension_for_class(x509.SubjectAlternativeName).value.get_values_for_type(x509.DNSName)
    want(names == [f"{device.name()}.{ZONE}"], f"found {names}, want the allocated name alone: the factory certificate is replaced all the same")
    want(device.unpaused(request_for(new_key()))[0] == 403, "found no 403 to another key, want the factory certificate burnt")
    policy("required")
    status, _, _ = device.operational.enrol(request_for(new_key()), "simplereenroll")
    want(status == 200, f"found {status} to a renewal for a new key, want 200")


def check_bodies_that_are_no_request_are_refused(stage):
    device = Device(stage, "garbage-1")
    good = request_for(new_key())
    for what, body in {"nothing": b"", "a cut request": good[:-1], "a byte more": good + b"\x00", "a certificate": re.sub(rb"^\x30", b"\x31", good)}.items():
        status, _ = device.unpaused(body)
        want(status == 400, f"found {status} to {what}, want 400")
    status, _ = device.unpaused(b"\x30" + b"\x84\xff\xff\xff\xff" + good[2:])
    want(status == 400, f"found {status} to a length of 4 GiB, want 400")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
