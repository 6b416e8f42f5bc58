#!/usr/bin/python3
"""Makes the JSON files beside itself.

What is accepted was encoded by another implementation (openssl asn1parse, Python's base64 and json); what is refused
breaks one named rule each.
"""

import base64
import json
import pathlib
import random
import subprocess
import tempfile

HERE = pathlib.Path(__file__).parent


def openssl_der(genstr: str) -> str:
    with tempfile.NamedTemporaryFile() as out:
        subprocess.run(["openssl", "asn1parse", "-genstr", genstr, "-noout", "-out", out.name], check=True)
        return pathlib.Path(out.name).read_bytes().hex()


def write(name: str, cases: list) -> None:
    text = "[\n" + ",\n".join(json.dumps(case) for case in cases) + "\n]\n"
    (HERE / name).write_text(text)


def der_accepted() -> list:
    made = [
        ("boolean", "BOOL:TRUE", "true"),
        ("boolean", "BOOL:FALSE", "false"),
        ("small_unsigned", "INTEGER:0", "0"),
        ("small_unsigned", "INTEGER:127", "127"),
        ("small_unsigned", "INTEGER:128", "128"),
        ("small_unsigned", "INTEGER:65537", "65537"),
        ("small_unsigned", "INTEGER:0x7fffffffffffffff", "9223372036854775807"),
        ("integer", "INTEGER:0x8000000000000000", "008000000000000000"),
        ("integer", "INTEGER:-1", "ff"),
        ("integer", "INTEGER:-129", "ff7f"),
        ("oid", "OID:2.5.29.15", "2.5.29.15"),
        ("oid", "OID:1.2.840.113549.1.1.11", "1.2.840.113549.1.1.11"),
        ("oid", "OID:0.0", "0.0"),
        ("oid", "OID:0.39.1", "0.39.1"),
        ("oid", "OID:1.39", "1.39"),
        ("oid", "OID:2.0", "2.0"),
        ("oid", "OID:2.47", "2.47"),
        ("oid", "OID:2.48", "2.48"),
        ("oid", "OID:2.999.3", "2.999.3"),
        ("oid", "OID:1.2.840.113556.1.8000.2554.31773.23310.21665.20235.39507.7000512.14572049.1",
         "1.2.840.113556.1.8000.2554.31773.23310.21665.20235.39507.7000512.14572049.1"),
        ("oid", "OID:2.25.340282366920938463463374607431768211455", "2.25.340282366920938463463374607431768211455"),
        ("oid", "OID:1.3" + ".1" * 62, "1.3" + ".1" * 62),
        ("octet_string", "FORMAT:HEX,OCTETSTRING:00ff10", "00ff10"),
        ("octet_string", "FORMAT:HEX,OCTETSTRING:" + "ab" * 127, "ab" * 127),
        ("octet_string", "FORMAT:HEX,OCTETSTRING:" + "ab" * 128, "ab" * 128),
        ("octet_string", "FORMAT:HEX,OCTETSTRING:" + "ab" * 256, "ab" * 256),
        ("bit_string", "FORMAT:HEX,BITSTRING:04ab", "04ab"),
        ("named_bits", "FORMAT:BITLIST,BITSTRING:0", "1"),
        ("named_bits", "FORMAT:BITLIST,BITSTRING:0,2", "5"),
        ("named_bits", "FORMAT:BITLIST,BITSTRING:5,6", "96"),
        ("named_bits", "FORMAT:BITLIST,BITSTRING:7", "128"),
        ("named_bits", "FORMAT:BITLIST,BITSTRING:8", "256"),
        ("named_bits", "FORMAT:BITLIST,BITSTRING:0,31", "2147483649"),
        ("time", "UTCTIME:500101000000Z", "1950-01-01T00:00:00Z"),
        ("time", "UTCTIME:991231235959Z", "1999-12-31T23:59:59Z"),
        ("time", "UTCTIME:000229120000Z", "2000-02-29T12:00:00Z"),
        ("time", "UTCTIME:491231235959Z", "2049-12-31T23:59:59Z"),
        ("time", "GENERALIZEDTIME:20500101000000Z", "2050-01-01T00:00:00Z"),
        ("time", "GENERALIZEDTIME:99991231235959Z", "9999-12-31T23:59:59Z"),
        ("generalized_time", "GENERALIZEDTIME:20260102030405Z", "2026-01-02T03:04:05Z"),
    ]
    return [{"name": f"{genstr[:60]}", "kind": kind, "der": openssl_der(genstr), "expect": want}
            for kind, genstr, want in made]


def ascii_hex(text: str) -> str:
    return text.encode().hex()


def time_der(tag: str, text: str) -> str:
    return f"{tag}{len(text):02x}{ascii_hex(text)}"


def der_refused() -> list:
    utc, generalized = "17", "18"
    broken = [
        ("any", "nothing", ""),
        ("any", "identifier alone", "30"),
        ("any", "indefinite length", "30800000"),
        ("any", "length 127 in long form", "04817f" + "00" * 127),
        ("any", "length 128 in three bytes", "04820080" + "00" * 128),
        ("any", "length with a leading zero", "04830000ff" + "00" * 255),
        ("any", "length in five bytes", "0485000000000100"),
        ("any", "length 0xff", "04ff"),
        ("any", "length cut short", "048201"),
        ("any", "content past the end", "040301ff"),
        ("any", "length of 4 GiB", "0484ffffffff00"),
        ("any", "high tag number 31", "1f1f00"),
        ("any", "high tag number, context", "bf8101020500"),
        ("any", "end-of-contents", "0000"),
        ("any", "primitive sequence", "1003020100"),
        ("any", "constructed octet string", "2403040100"),
        ("any", "constructed integer", "2203020100"),
        ("boolean", "boolean 1", "010101"),
        ("boolean", "boolean fe", "0101fe"),
        ("boolean", "empty boolean", "0100"),
        ("boolean", "boolean of two bytes", "0102ffff"),
        ("boolean", "integer in place of a boolean", "0201ff"),
        ("integer", "empty integer", "0200"),
        ("integer", "zero in two bytes", "02020000"),
        ("integer", "127 with a sign byte", "0202007f"),
        ("integer", "-1 in two bytes", "0202ffff"),
        ("integer", "-128 in two bytes", "0202ff80"),
        ("integer", "enumerated in place of an integer", "0a0101"),
        ("small_unsigned", "-1", "0201ff"),
        ("small_unsigned", "-2^63", "02088000000000000000"),
        ("small_unsigned", "2^63", "0209008000000000000000"),
        ("small_unsigned", "2^64", "0209010000000000000000"),
        ("oid", "empty object identifier", "0600"),
        ("oid", "leading 80", "0602802a"),
        ("oid", "inner leading 80", "06032a8001"),
        ("oid", "last arc cut short", "06022a86"),
        ("oid", "64 bytes", "0640" + "2a" * 64),
        ("octet_string", "bit string in place of an octet string", "03020001"),
        ("bit_string", "without the count", "0300"),
        ("bit_string", "eight unused bits", "03020800"),
        ("bit_string", "unused bits in nothing", "030101"),
        ("bit_string", "unused bits where none may be", "03020180"),
        ("bit_string", "unused bits that are set", "030204ff"),
        ("named_bits", "trailing zero bit", "03020680"),
        ("named_bits", "trailing zero byte", "0303008000"),
        ("named_bits", "zero byte for nothing", "03020000"),
        ("named_bits", "unused bits that are set", "030207c0"),
        ("named_bits", "33 bits", "0306070000000080"),
        ("time", "without seconds", time_der(utc, "2601020304Z")),
        ("time", "with an offset", time_der(utc, "260102030405+0100")),
        ("time", "without Z", time_der(utc, "260102030405")),
        ("time", "lower-case z", time_der(utc, "260102030405z")),
        ("time", "a space for a digit", time_der(utc, "26010203040 Z")),
        ("time", "a sign for a digit", time_der(utc, "2601020304-1Z")),
        ("time", "month 0", time_der(utc, "260002030405Z")),
        ("time", "month 13", time_der(utc, "261302030405Z")),
        ("time", "30 February", time_der(utc, "260230030405Z")),
        ("time", "29 February of a common year", time_der(utc, "260229030405Z")),
        ("time", "hour 24", time_der(utc, "260102240000Z")),
        ("time", "minute 60", time_der(utc, "260102036000Z")),
        ("time", "second 60", time_der(utc, "260102030460Z")),
        ("time", "empty UTCTime", "1700"),
        ("time", "GeneralizedTime before 2050", time_der(generalized, "20491231235959Z")),
        ("time", "GeneralizedTime of 1949", time_der(generalized, "19491231235959Z")),
        ("time", "GeneralizedTime with a fraction", time_der(generalized, "20500101000000.5Z")),
        ("time", "GeneralizedTime with a zero fraction", time_der(generalized, "20500101000000.0Z")),
        ("time", "GeneralizedTime, local", time_der(generalized, "20500101000000")),
        ("time", "text in place of a time", time_der("0c", "260102030405Z")),
        ("generalized_time", "UTCTime in place of GeneralizedTime", time_der(utc, "260102030405Z")),
        ("generalized_time", "with a fraction", time_der(generalized, "20260102030405.1Z")),
    ]
    return [{"name": name, "kind": kind, "der": der, "expect": "malformed"} for kind, name, der in broken]


def text_cases() -> list:
    rng = random.Random(7468)
    cases = []
    for size in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 31, 32, 33, 64, 255]:
        raw = rng.randbytes(size)
        cases += [
            {"kind": "hex", "text": raw.hex(), "bytes": raw.hex()},
            {"kind": "base64", "text": base64.b64encode(raw).decode(), "bytes": raw.hex()},
            {"kind": "base64url", "text": base64.urlsafe_b64encode(raw).decode().rstrip("="), "bytes": raw.hex()},
            {"kind": "base32", "text": base64.b32encode(raw).decode().rstrip("=").lower(), "bytes": raw.hex()},
        ]
    refused = {
        "hex": ["0", "0g", "0x00", " 00", "00 ", "g0"],
        "base64": ["A", "AA", "AAA", "AAAAA", "AA=A", "A===", "====", "=", "AA==AA==", "AB==", "AAB=", "AAA ", " AAA",
                   "AA\n=", "AA-_", "AA=", "AAAA====", "AAAA\n", "AA==\x00\x00\x00\x00", "\u00e4AA"],
        "base64url": ["A", "AA==", "AB", "AAB", "AA+/", "AA A", "AAAAA"],
        "base32": ["a", "aaa", "aaaaaa", "ab", "aaab", "AA", "a1", "a8", "aa======", "aaaaaaaaa", "aab aa", "aaaah"],
    }
    for kind, texts in refused.items():
        cases += [{"kind": kind, "text": text, "bytes": "malformed"} for text in texts]
    return cases


def pem_cases() -> list:
    one = base64.encodebytes(bytes(range(48))).decode().replace("\n", "")  # exactly one line of 64
    two = base64.b64encode(bytes(range(60))).decode()
    begin, end = "-----BEGIN THING-----\n", "-----END THING-----\n"
    good = begin + one + "\n" + end
    long = begin + two[:64] + "\n" + two[64:] + "\n" + end
    accepted = [
        ("one line", good, 1),
        ("two lines", long, 1),
        ("two blocks", good + long, 2),
        ("text around blocks", "subject: x\n" + good + "\n# more\n" + long + "bye", 2),
        ("CRLF", good.replace("\n", "\r\n"), 1),
        ("no newline at the end", good[:-1], 1),
        ("nothing", "", 0),
        ("text alone", "hello\n", 0),
        ("a label of many words", good.replace("THING", "EC PRIVATE-KEY 2"), 1),
    ]
    refused = [
        ("does not end", begin + one + "\n"),
        ("begins alone", begin),
        ("begins without newline", "-----BEGIN THING-----"),
        ("another label at the end", begin + one + "\n-----END OTHER-----\n"),
        ("end without begin", end),
        ("begin inside a block", begin + begin + one + "\n" + end + end),
        ("four dashes", good.replace("THING-----", "THING----", 1)),
        ("empty label", good.replace(" THING", " ")),
        ("label with two spaces", good.replace("THING", "A  B")),
        ("label that ends in a space", good.replace("THING", "A ")),
        ("empty block", begin + end),
        ("empty line in a block", begin + one + "\n\n" + end),
        ("headers", begin + "Proc-Type: 4,ENCRYPTED\n\n" + one + "\n" + end),
        ("line of 65", begin + two[:65] + "\n" + two[65:] + "\n" + end),
        ("line of 60 before the last", begin + two[:60] + "\n" + two[60:] + "\n" + end),
        ("line of 76", begin + two[:76] + "\n" + two[76:] + "\n" + end),
        ("a space in the base64", begin + two[:63] + " \n" + two[63:] + "\n" + end),
        ("a tab before the base64", begin + "\tQUJD\n" + end),
        ("no padding", begin + "QUI\n" + end),
        ("trailing bits", begin + "QUJ=\n" + end),
        ("padding and more", begin + "QQ==QQ==\n" + end),
        ("text after the end line", begin + one + "\n-----END THING----- x\n"),
        ("a NUL in the base64", begin + "QUJ\x00\n" + end),
        ("the base64 on the begin line", "-----BEGIN THING-----" + one + "\n" + end),
    ]
    return ([{"name": n, "pem": t, "blocks": b} for n, t, b in accepted]
            + [{"name": n, "pem": t, "blocks": "malformed"} for n, t in refused])


def json_documents() -> list:
    rng = random.Random(8259)

    def draw(depth: int):
        kind = rng.randrange(8 if depth < 5 else 6)
        if kind == 0:
            return None
        if kind == 1:
            return rng.random() < 0.5
        if kind == 2:
            return rng.randrange(-2**63, 2**63)
        if kind == 3:
            return rng.choice([0, -1, 2**63 - 1, -2**63, 2**53 + 1])
        if kind in (4, 5):
            return "".join(rng.choice("ab\"\\/\n\t\x01 é€😀\u2028") for _ in range(rng.randrange(9)))
        if kind == 6:
            return [draw(depth + 1) for _ in range(rng.randrange(5))]
        return {draw_key(): draw(depth + 1) for _ in range(rng.randrange(5))}

    def draw_key() -> str:
        return "".join(rng.choice("abcé\" ") for _ in range(rng.randrange(1, 5)))

    out = []
    for number in range(60):
        value = [draw(0) for _ in range(4)]
        spaced = json.dumps(value, ensure_ascii=number % 2 == 0, indent=number % 3 or None)
        compact = json.dumps(value, ensure_ascii=False, separators=(",", ":"), sort_keys=True)
        compact = compact.replace("\\n", "\\u000a").replace("\\t", "\\u0009")
        out.append({"name": f"document {number}", "text": spaced.encode().hex(), "expect": compact})
    return out


def json_numbers() -> list:
    texts = ["0.5", "1e2", "1E+2", "-0.0", "1.0", "123456789012345678901234567890.0", "5e-324", "1.7976931348623157e308",
             "2.2250738585072011e-308", "9007199254740993.0", "0.1", "-1.5e-7", "123456789.123456789"]
    return [{"name": f"number {text}", "text": text.encode().hex(), "expect": float(text).hex()} for text in texts]


def json_refused() -> list:
    cases = [
        ("nothing", b""), ("a space", b" "), ("two values", b"1 2"), ("trailing comma", b"[1,]"),
        ("trailing comma in an object", b'{"a":1,}'), ("comment", b"/* */1"), ("line comment", b"1//x"),
        ("single quotes", b"{'a':1}"), ("bare key", b"{a:1}"), ("NaN", b"NaN"), ("Infinity", b"Infinity"),
        ("-Infinity", b"-Infinity"), ("plus", b"+1"), ("leading zero", b"01"), ("leading zero, negative", b"-01"),
        ("leading point", b".5"), ("trailing point", b"1."), ("exponent alone", b"1e"), ("hexadecimal", b"0x10"),
        ("minus alone", b"-"), ("truncated true", b"tru"), ("capital True", b"True"), ("NUL after", b"1\x00"),
        ("byte order mark", b"\xef\xbb\xbf1"), ("UTF-16", "[1]".encode("utf-16")),
        ("overlong slash", b'"\xc0\xaf"'), ("overlong NUL", b'"\xc0\x80"'), ("raw surrogate", b'"\xed\xa0\x80"'),
        ("over U+10FFFF", b'"\xf4\x90\x80\x80"'), ("lead byte alone", b'"\xc3"'), ("continuation alone", b'"\x80"'),
        ("lone high surrogate", b'"\\ud800"'), ("lone low surrogate", b'"\\udc00"'),
        ("high surrogate, then text", b'"\\ud800x"'), ("two high surrogates", b'"\\ud800\\ud800"'),
        ("reversed surrogates", b'"\\udc00\\ud800"'), ("lone surrogate in a key", b'{"\\ud800":1}'),
        ("raw newline in text", b'"a\nb"'), ("raw NUL in text", b'"a\x00b"'), ("bad escape", b'"\\x41"'),
        ("short escape", b'"\\u12"'), ("open text", b'"a'), ("open array", b"[1"), ("open object", b'{"a":1'),
        ("wrong bracket", b"[1}"), ("key without value", b'{"a"}'), ("number as key", b"{1:1}"),
        ("duplicate key", b'{"a":1,"a":1}'), ("duplicate key, escaped", b'{"a":1,"\\u0061":2}'),
        ("duplicate key, inner", b'[{"b":{"a":1,"c":2,"a":3}}]'), ("duplicate empty key", b'{"":1,"":1}'),
        ("2^63", b"9223372036854775808"), ("-2^63-1", b"-9223372036854775809"), ("2^64", b"18446744073709551616"),
        ("40 digits", b"9" * 40), ("400 digits", b"1" * 400), ("1e99999", b"1e99999"), ("-1e99999", b"-1e99999"),
        ("1e309", b"1e309"), ("1e400 inside", b'{"a":[1e400]}'), ("exponent of 2^31", b"1e2147483648"),
        ("exponent of 2^64", b"1e18446744073709551616"), ("400 digits and a fraction", b"1" * 400 + b".0"),
    ]
    return [{"name": name, "text": text.hex(), "expect": "malformed"} for name, text in cases]


if __name__ == "__main__":
    write("der.json", der_accepted() + der_refused())
    write("text.json", text_cases())
    write("pem.json", pem_cases())
    write("json_documents.json", json_documents())
    write("json_numbers.json", json_numbers())
    write("json_refused.json", json_refused())
