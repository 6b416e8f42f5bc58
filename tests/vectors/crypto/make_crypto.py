#!/usr/bin/python3
"""Makes hash.json, spki.json, signature.json and private_key.json beside itself, with Python's hashlib and cryptography
and the openssl program. Keys are drawn anew at each run; all are worthless outside tests.
"""

import hashlib
import hmac
import json
import pathlib
import subprocess

from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

HERE = pathlib.Path(__file__).parent
PASSPHRASE = "correct horse"


def write(name: str, cases: list) -> None:
    (HERE / name).write_text("[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n")


def openssl(*arguments: str, data: bytes = b"") -> bytes:
    return subprocess.run(["openssl", *arguments], input=data, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          check=True).stdout


def spki_of(key) -> bytes:
    return key.public_key().public_bytes(serialization.Encoding.DER, serialization.PublicFormat.SubjectPublicKeyInfo)


def der(tag: int, content: bytes) -> bytes:
    size = len(content)
    if size < 0x80:
        return bytes([tag, size]) + content
    length = size.to_bytes((size.bit_length() + 7) // 8, "big")
    return bytes([tag, 0x80 | len(length)]) + length + content


def integer(value: int) -> bytes:
    return der(2, value.to_bytes(value.bit_length() // 8 + 1, "big", signed=True))


def hash_cases() -> list:
    cases = []
    for size in [0, 1, 55, 56, 64, 65, 1000]:
        message = bytes(i * 7 % 256 for i in range(size))
        key = bytes(i * 3 % 256 for i in range(size % 150))
        cases.append({
            "message": message.hex(), "key": key.hex(),
            "sha1": hashlib.sha1(message).hexdigest(), "sha256": hashlib.sha256(message).hexdigest(),
            "hmac": hmac.new(key, message, "sha256").hexdigest(),
            "hkdf": HKDF(hashes.SHA256(), 10 + size % 90, key, message[:64]).derive(b"secret" + message).hex(),
        })
    return cases


def rsa_spki(modulus: int, exponent: int, parameters: bytes = b"\x05\x00") -> bytes:
    algorithm = der(0x30, bytes.fromhex("06092a864886f70d010101") + parameters)
    return der(0x30, algorithm + der(3, b"\0" + der(0x30, integer(modulus) + integer(exponent))))


def ec_spki(curve: str, point: bytes, parameters: bytes | None = None) -> bytes:
    named = {"p256": "06082a8648ce3d030107", "p384": "06052b81040022"}[curve]
    inner = bytes.fromhex("06072a8648ce3d0201") + (bytes.fromhex(named) if parameters is None else parameters)
    return der(0x30, der(0x30, inner) + der(3, b"\0" + point))


def spki_cases(keys: dict) -> list:
    accepted = [(name, spki_of(key), kind) for name, key, kind in [
        ("P-256", keys["p256"], "p256"), ("P-384", keys["p384"], "p384"), ("Ed25519", keys["ed25519"], "ed25519"),
        ("RSA 2048", keys["rsa2048"], "rsa"), ("RSA 3072", keys["rsa3072"], "rsa")]]
    modulus = keys["rsa2048"].public_key().public_numbers().n
    p256 = spki_of(keys["p256"])
    point, point384 = p256[-65:], spki_of(keys["p384"])[-97:]
    off_curve = point[:-1] + bytes([point[-1] ^ 1])
    compressed = bytes([2 + point[-1] % 2]) + point[1:33]
    hybrid = bytes([6 + point[-1] % 2]) + point[1:]
    ed = spki_of(keys["ed25519"])
    p = 2**256 - 2**224 + 2**192 + 2**96 - 1
    explicit = openssl("ec", "-pubout", "-outform", "DER", "-param_enc", "explicit", data=openssl(
        "genpkey", "-algorithm", "EC", "-pkeyopt", "ec_paramgen_curve:P-256"))
    accepted += [
        ("RSA of 8192 bits", rsa_spki(2**8191 + 1, 65537), "rsa"),
        ("RSA with the exponent 65539", rsa_spki(modulus, 65539), "rsa"),
    ]
    refused = [
        ("nothing", b""),
        ("P-256 cut short", p256[:-1]),
        ("P-256 with a trailing byte", p256 + b"\0"),
        ("P-256 point off its curve", ec_spki("p256", off_curve)),
        ("P-384 point off its curve", ec_spki("p384", point384[:-1] + bytes([point384[-1] ^ 1]))),
        ("P-256 point in compressed form", ec_spki("p256", compressed)),
        ("P-256 point in hybrid form", ec_spki("p256", hybrid)),
        ("point at infinity", ec_spki("p256", b"\0")),
        ("point 0,0", ec_spki("p256", b"\x04" + b"\0" * 64)),
        ("x not below p", ec_spki("p256", b"\x04" + p.to_bytes(32, "big") + point[33:])),
        ("P-256 point on P-384", ec_spki("p384", point)),
        ("P-384 point on P-256", ec_spki("p256", point384)),
        ("explicit curve parameters", explicit),
        ("implicit curve", ec_spki("p256", point, b"\x05\x00")),
        ("no curve", ec_spki("p256", point, b"")),
        ("parameters after the curve", ec_spki("p256", point, bytes.fromhex("06082a8648ce3d0301070500"))),
        ("secp256k1", spki_of(ec.generate_private_key(ec.SECP256K1()))),
        ("P-224", spki_of(ec.generate_private_key(ec.SECP224R1()))),
        ("P-521", spki_of(ec.generate_private_key(ec.SECP521R1()))),
        ("X25519", openssl("pkey", "-pubout", "-outform", "DER", data=openssl("genpkey", "-algorithm", "X25519"))),
        ("Ed448", openssl("pkey", "-pubout", "-outform", "DER", data=openssl("genpkey", "-algorithm", "ED448"))),
        ("id-ecDH", p256.replace(bytes.fromhex("2a8648ce3d0201"), bytes.fromhex("2b81040112ff7f"))),
        ("unused bits", p256.replace(b"\x03\x42\x00", b"\x03\x42\x01")),
        ("indefinite length", b"\x30\x80" + p256[2:] + b"\0\0"),
        ("long form of a short length", b"\x30\x81" + p256[1:]),
        ("Ed25519 with NULL parameters", bytes.fromhex("302c300706032b65700500032100") + ed[-32:]),
        ("Ed25519 of 31 bytes", bytes.fromhex("3029300506032b6570032000") + ed[-31:]),
        ("RSA 1024", rsa_spki(2**1023 + 1, 65537)),
        ("RSA of 2047 bits", rsa_spki(2**2046 + 1, 65537)),
        ("RSA of 8193 bits", rsa_spki(2**8192 + 1, 65537)),
        ("RSA with the exponent 3", rsa_spki(modulus, 3)),
        ("RSA with the exponent 1", rsa_spki(modulus, 1)),
        ("RSA with an even exponent", rsa_spki(modulus, 65538)),
        ("RSA with the exponent 0", rsa_spki(modulus, 0)),
        ("RSA with a negative exponent", rsa_spki(modulus, -65537)),
        ("RSA with an exponent of 65 bits", rsa_spki(modulus, 2**64 + 1)),
        ("RSA with an even modulus", rsa_spki(modulus - 1, 65537)),
        ("RSA with a negative modulus", rsa_spki(-modulus, 65537)),
        ("RSA with the modulus 0", rsa_spki(0, 65537)),
        ("RSA without parameters", rsa_spki(modulus, 65537, b"")),
        ("RSA with NULL that has content", rsa_spki(modulus, 65537, b"\x05\x01\x00")),
        ("RSASSA-PSS", openssl("pkey", "-pubout", "-outform", "DER", data=openssl(
            "genpkey", "-algorithm", "RSA-PSS", "-pkeyopt", "rsa_keygen_bits:2048"))),
    ]
    return ([{"name": n, "spki": d.hex(), "type": t} for n, d, t in accepted]
            + [{"name": n, "spki": d.hex(), "type": "malformed"} for n, d in refused])


def signature_cases(keys: dict) -> list:
    message = b"what is signed"
    cases = []

    def add(name: str, key: str, scheme: str, signature: bytes, good: bool, text: bytes = message) -> None:
        cases.append({"name": name, "spki": spki_of(keys[key]).hex(), "scheme": scheme, "message": text.hex(),
                      "signature": signature.hex(), "good": good})

    p256 = keys["p256"].sign(message, ec.ECDSA(hashes.SHA256()))
    p384 = keys["p384"].sign(message, ec.ECDSA(hashes.SHA384()))
    ed = keys["ed25519"].sign(message)
    add("P-256", "p256", "ecdsa_p256_sha256", p256, True)
    add("P-384", "p384", "ecdsa_p384_sha384", p384, True)
    add("Ed25519", "ed25519", "ed25519", ed, True)
    pkcs1 = {}
    for name, digest in [("sha256", hashes.SHA256()), ("sha384", hashes.SHA384()), ("sha512", hashes.SHA512())]:
        pkcs1[name] = keys["rsa2048"].sign(message, padding.PKCS1v15(), digest)
        add(f"RSA PKCS#1 {name}", "rsa2048", f"rsa_pkcs1_{name}", pkcs1[name], True)
    pss = lambda salt, digest: keys["rsa2048"].sign(message, padding.PSS(padding.MGF1(digest), salt), digest)
    add("RSA-PSS", "rsa2048", "rsa_pss_sha256", pss(32, hashes.SHA256()), True)

    add("another message", "p256", "ecdsa_p256_sha256", p256, False, b"what is not signed")
    add("another message, Ed25519", "ed25519", "ed25519", ed, False, b"x")
    add("another message, RSA", "rsa2048", "rsa_pkcs1_sha256", pkcs1["sha256"], False, b"x")
    add("another key", "other", "ecdsa_p256_sha256", p256, False)
    add("P-256 signed with SHA-384", "p256", "ecdsa_p256_sha256", keys["p256"].sign(message, ec.ECDSA(hashes.SHA384())),
        False)
    for scheme in ["ecdsa_p384_sha384", "ed25519", "rsa_pkcs1_sha256", "rsa_pss_sha256"]:
        add(f"{scheme} of a P-256 key", "p256", scheme, p256, False)
    add("PKCS#1 as PSS", "rsa2048", "rsa_pss_sha256", pkcs1["sha256"], False)
    add("PSS as PKCS#1", "rsa2048", "rsa_pkcs1_sha256", pss(32, hashes.SHA256()), False)
    add("PSS with a salt of 20", "rsa2048", "rsa_pss_sha256", pss(20, hashes.SHA256()), False)
    add("PSS with SHA-1", "rsa2048", "rsa_pss_sha256", pss(20, hashes.SHA1()), False)
    add("PKCS#1 with SHA-1", "rsa2048", "rsa_pkcs1_sha256",
        keys["rsa2048"].sign(message, padding.PKCS1v15(), hashes.SHA1()), False)
    add("RSA with a byte less", "rsa2048", "rsa_pkcs1_sha256", pkcs1["sha256"][:-1], False)
    add("RSA with a byte more", "rsa2048", "rsa_pkcs1_sha256", b"\0" + pkcs1["sha256"], False)
    add("Ed25519 with S + L", "ed25519", "ed25519", ed[:32] + (
        int.from_bytes(ed[32:], "little") + 2**252 + 27742317777372353535851937790883648493).to_bytes(32, "little"), False)
    add("nothing", "p256", "ecdsa_p256_sha256", b"", False)

    r, s = decode_dss_signature(p256)
    order = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
    sequence = lambda *parts: der(0x30, b"".join(parts))
    padded = lambda value: der(2, b"\0" + integer(value)[2:])
    for name, signature in [
        ("raw r and s", r.to_bytes(32, "big") + s.to_bytes(32, "big")),
        ("trailing byte", p256 + b"\0"),
        ("trailing byte inside", sequence(integer(r), integer(s), b"\0")),
        ("a third number", sequence(integer(r), integer(s), integer(1))),
        ("one number", sequence(integer(r))),
        ("padded r", sequence(padded(r), integer(s))),
        ("padded s", sequence(integer(r), padded(s))),
        ("negative r", sequence(integer(-r), integer(s))),
        ("r without its sign byte", sequence(der(2, (r | 2**255).to_bytes(32, "big")), integer(s))),
        ("long form of the length", b"\x30\x81" + p256[1:]),
        ("indefinite length", b"\x30\x80" + p256[2:] + b"\0\0"),
        ("set in place of sequence", b"\x31" + p256[1:]),
        ("r = 0", sequence(integer(0), integer(s))),
        ("s = 0", sequence(integer(r), integer(0))),
        ("r = s = 0", sequence(integer(0), integer(0))),
        ("r + order", sequence(integer(r + order), integer(s))),
        ("s + order", sequence(integer(r), integer(s + order))),
        ("s = order", sequence(integer(r), integer(order))),
        ("r of 1,000 bytes", sequence(integer(2**8000), integer(s))),
        ("r and s swapped", sequence(integer(s), integer(r))),
        ("empty numbers", sequence(b"\x02\0", b"\x02\0")),
    ]:
        add(f"ECDSA: {name}", "p256", "ecdsa_p256_sha256", signature, False)
    return cases


def private_key_cases(keys: dict) -> list:
    cases = []

    def add(name: str, key, pem: bytes, passphrase: str, expect: str) -> None:
        cases.append({"name": name, "pem": pem.decode(), "passphrase": passphrase, "expect": expect,
                      "spki": spki_of(key).hex() if key else ""})

    def pkcs8(key, encryption=serialization.NoEncryption()) -> bytes:
        return key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption)

    for name in ["p256", "p384", "ed25519", "rsa2048"]:
        add(name, keys[name], pkcs8(keys[name]), "", "good")
    best = serialization.BestAvailableEncryption(PASSPHRASE.encode())
    scrypt = openssl("pkcs8", "-topk8", "-scrypt", "-passout", f"pass:{PASSPHRASE}", data=pkcs8(keys["p256"]))
    add("PBKDF2", keys["p256"], pkcs8(keys["p256"], best), PASSPHRASE, "good")
    add("scrypt of openssl", keys["p256"], scrypt, PASSPHRASE, "good")
    add("wrong passphrase", None, scrypt, PASSPHRASE + "!", "unauthorized")
    add("no passphrase", None, scrypt, "", "unauthorized")
    legacy = keys["p256"].private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.TraditionalOpenSSL,
                                        serialization.NoEncryption())
    add("EC PRIVATE KEY", None, legacy, "", "malformed")
    public = keys["p256"].public_key().public_bytes(serialization.Encoding.PEM,
                                                    serialization.PublicFormat.SubjectPublicKeyInfo)
    add("public key", None, public, "", "malformed")
    add("two keys", None, pkcs8(keys["p256"]) * 2, "", "malformed")
    add("nothing", None, b"", "", "malformed")
    explicit = openssl("pkcs8", "-topk8", "-nocrypt", data=openssl(
        "ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit"))
    add("explicit curve parameters", None, explicit, "", "malformed")
    add("P-224", None, pkcs8(ec.generate_private_key(ec.SECP224R1())), "", "malformed")
    add("RSA 1024", None, pkcs8(rsa.generate_private_key(65537, 1024)), "", "malformed")
    add("RSA with the exponent 3", None, pkcs8(rsa.generate_private_key(3, 2048)), "", "malformed")
    add("X25519", None, openssl("genpkey", "-algorithm", "X25519"), "", "malformed")

    good = keys["p256"].private_bytes(serialization.Encoding.DER, serialization.PrivateFormat.PKCS8,
                                      serialization.NoEncryption())
    def pem(content: bytes) -> bytes:
        import base64
        text = base64.b64encode(content).decode()
        lines = [text[i:i + 64] for i in range(0, len(text), 64)]
        return ("-----BEGIN PRIVATE KEY-----\n" + "\n".join(lines) + "\n-----END PRIVATE KEY-----\n").encode()
    point = spki_of(keys["p256"])[-65:]
    other = spki_of(keys["other"])[-65:]
    add("public key of another key", None, pem(good.replace(point, other)), "", "malformed")
    add("trailing byte", None, pem(good + b"\0"), "", "malformed")
    add("cut short", None, pem(good[:-1]), "", "malformed")
    add("version 2", None, pem(good.replace(b"\x02\x01\x00", b"\x02\x01\x02", 1)), "", "malformed")
    scalar = keys["p256"].private_numbers().private_value.to_bytes(32, "big")
    add("scalar 0", None, pem(good.replace(scalar, b"\0" * 32)), "", "malformed")
    add("scalar over the order", None, pem(good.replace(scalar, b"\xff" * 32)), "", "malformed")
    return cases


if __name__ == "__main__":
    drawn = {
        "p256": ec.generate_private_key(ec.SECP256R1()),
        "other": ec.generate_private_key(ec.SECP256R1()),
        "p384": ec.generate_private_key(ec.SECP384R1()),
        "ed25519": ed25519.Ed25519PrivateKey.generate(),
        "rsa2048": rsa.generate_private_key(65537, 2048),
        "rsa3072": rsa.generate_private_key(65537, 3072),
    }
    write("hash.json", hash_cases())
    write("spki.json", spki_cases(drawn))
    write("signature.json", signature_cases(drawn))
    write("private_key.json", private_key_cases(drawn))
