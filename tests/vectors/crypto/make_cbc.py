#!/usr/bin/python3
"""Makes cbc.json, cbc_refused.json and sha512.json beside itself with python3-pycryptodome and hashlib. What is refused has a
right tag and a wrong padding, which nobody without the key can make.
"""
import hashlib
import hmac
import json
import pathlib

from Cryptodome.Cipher import AES

HERE = pathlib.Path(__file__).resolve().parent


def stretch(label, size):
    return hashlib.shake_128(label.encode()).digest(size)


def block(cipher_key, mac_key, header, iv, padded):
    message = iv + AES.new(cipher_key, AES.MODE_CBC, iv).encrypt(padded)
    return message + hmac.new(mac_key, header + message, hashlib.sha256).digest()


def case(label, key_size, size, header=b""):
    cipher_key, mac_key, iv = stretch(label + "k", key_size), stretch(label + "m", key_size), stretch(label + "iv", 16)
    plain = stretch(label, size)
    missing = 16 - size % 16
    return {"cipher": cipher_key.hex(), "mac": mac_key.hex(), "header": header.hex(), "iv": iv.hex(), "plain": plain.hex(),
            "sealed": block(cipher_key, mac_key, header, iv, plain + bytes([missing]) * missing).hex()}


def refused(name, padded, key_size=32):
    cipher_key, mac_key, iv = stretch("rk", key_size), stretch("rm", key_size), stretch("riv", 16)
    return {"name": name, "cipher": cipher_key.hex(), "mac": mac_key.hex(), "sealed": block(cipher_key, mac_key, b"", iv, padded).hex()}


def write(name, cases):
    (HERE / name).write_text("[\n" + ",\n".join(json.dumps(entry) for entry in cases) + "\n]\n")


def main():
    write("cbc.json", [case(f"{key_size}-{size}-{len(header)}", key_size, size, header)
                       for key_size in (16, 32) for size in (0, 1, 15, 16, 17, 31, 32, 100, 1000) for header in (b"", b"\x80" + bytes(8))])
    body = b"fifteen octets!"
    write("cbc_refused.json", [
        refused("padding of 0", body + b"\x00"),
        refused("padding of 0 all through", bytes(16)),
        refused("padding of 17", body + b"\x11"),
        refused("padding of 255", body + b"\xff"),
        refused("padding of 16 in the last octet alone", body + b"\x10"),
        refused("padding of 2 with another octet before", body + b"\x02"),
        refused("padding of 4 with one wrong", body[:12] + b"\x04\x05\x04\x04"),
        refused("padding of 16 with the first wrong", b"\x0f" + b"\x10" * 15),
        refused("padding of 0 under AES-128", body + b"\x00", 16),
        refused("no block at all", b""),
    ])
    write("sha512.json", [{"message": stretch(f"sha512-{size}", size).hex(), "digest": hashlib.sha512(stretch(f"sha512-{size}", size)).hexdigest()}
                          for size in (0, 1, 14, 111, 112, 127, 128, 129, 1000)])


if __name__ == "__main__":
    main()
