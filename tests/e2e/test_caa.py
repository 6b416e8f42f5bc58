#!/usr/bin/python3
"""`sallyport doctor` and CAA: whether somebody else could get a publicly trusted certificate for the zone or the console's name,
asked of a DNS server of our own.
"""
# test: needs=dev deadline=120
import json
import pathlib
import sys
import tempfile

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from dns_server import CNAME, REFUSED, SERVFAIL, DnsServer, caa, wire_name  # noqa: E402
from stage import CONSOLE, ZONE, free_port  # noqa: E402
from installation import Installation  # noqa: E402

PUBLIC_ZONE, PUBLIC_CONSOLE = "devices.plant.net", "console.plant.org"
ACCOUNT = "https://ca.example/acct/7"
GOOD = caa("issue", f"ca.example; accounturi={ACCOUNT}; validationmethods=dns-01")
NOBODY = caa("issue", ";")
USAGE = 2


class Scene:
    def __init__(self, build, folder):
        self.folder = pathlib.Path(folder)
        self.there = Installation(pathlib.Path(build) / "apps", self.folder / "demo", free_port(), free_port())
        self.dns = DnsServer()

    def set_up(self):
        self.there.initialise()
        self.public = self.folder / "public"
        self.there.run("init", "--state", self.public, "--name", "Plant", "--zone", PUBLIC_ZONE, "--console-name", PUBLIC_CONSOLE,
                       "--root", self.there.root, "--root-passphrase-file", self.there.passphrase_file, "--owner", "owner",
                       "--owner-password-file", self.there.password_file, "--listen-address", "127.0.0.1", "--public-port", 1, "--tls-port", 1, "--http-port", 1)

    def doctor(self, *more, state=None):
        """The rows about CAA, by name."""
        server = () if "--dns-server" in more else ("--dns-server", self.dns.address)
        done = self.there.run("doctor", "--state", state or self.public, "--json", *server, *more, check=False)
        rows = json.loads(done.stdout)["checks"]
        return {row["check"].removeprefix("CAA "): (row["verdict"], row["detail"]) for row in rows if row["check"].startswith("CAA ")}

    def asks(self, records, *more):
        """The verdict on the zone when it has these records."""
        self.dns.zone = {PUBLIC_ZONE: records, PUBLIC_CONSOLE: [NOBODY]}
        return self.doctor(*more)[PUBLIC_ZONE]


def is_good(found, *parts):
    verdict, detail = found
    want(verdict == "ok", f"found {verdict}: {detail}, want ok")
    for part in parts:
        want(part in detail, f"found {detail}, want {part!r} in it")


def is_warned(found, *parts):
    verdict, detail = found
    want(verdict == "warning", f"found {verdict}: {detail}, want a warning")
    for part in parts:
        want(part in detail, f"found {detail}, want {part!r} in it")


@cases.carries_the_rest
def check_installation_with_public_names_is_made(scene):
    scene.set_up()


def check_nobody_and_the_one_account_are_good(scene):
    is_good(scene.asks([NOBODY]), '0 issue ";"', f"at {PUBLIC_ZONE}")
    is_good(scene.asks([GOOD]), ACCOUNT)
    is_good(scene.asks([GOOD], "--acme-account", ACCOUNT), ACCOUNT)
    is_good(scene.asks([GOOD, caa("issuewild", ";"), caa("iodef", "mailto:ca@plant.net")]))


def check_no_record_is_warned_of_and_says_what_to_publish(scene):
    scene.dns.zone = {}
    scene.dns.asked.clear()
    found = scene.doctor("--acme-account", ACCOUNT)
    for name in (PUBLIC_ZONE, PUBLIC_CONSOLE):
        is_warned(found[name], "found no CAA record", f'publish: {name}. CAA 0 issue "CA; accounturi={ACCOUNT}; validationmethods=dns-01"', f'{name}. CAA 0 issue ";"')
    want([PUBLIC_ZONE, "plant.net", "net"] == scene.dns.asked[:3], f"found {scene.dns.asked} asked, want the name and all above it")
    is_warned(scene.doctor()[PUBLIC_ZONE], "accounturi=ACCOUNT")


def check_every_hole_is_named_with_its_record(scene):
    bound = f"accounturi={ACCOUNT}"
    is_warned(scene.asks([caa("issue", "ca.example")]), '0 issue "ca.example" has no accounturi', f"found at {PUBLIC_ZONE}", "publish:")
    is_warned(scene.asks([caa("issue", f"ca.example; {bound}")]), "has no validationmethods")
    is_warned(scene.asks([caa("issue", f"ca.example; {bound}; validationmethods=dns-01,http-01")]), "allows validation by dns-01,http-01, want dns-01 alone")
    is_warned(scene.asks([GOOD], "--acme-account", "https://ca.example/acct/8"), f"is for the account {ACCOUNT}, want https://ca.example/acct/8")
    is_warned(scene.asks([GOOD, caa("issue", "other.example")]), '0 issue "other.example" has no accounturi')
    is_warned(scene.asks([GOOD, caa("issuewild", "other.example")]), '0 issuewild "other.example" has no accounturi')
    is_warned(scene.asks([caa("iodef", "mailto:ca@plant.net")]), "no record has the tag issue, so every CA may issue")


def check_parents_records_count_where_the_name_has_none(scene):
    scene.dns.zone = {"plant.net": [GOOD], PUBLIC_ZONE: [], "org": [caa("issue", "ca.example")]}
    found = scene.doctor()
    is_good(found[PUBLIC_ZONE], "at plant.net")
    is_warned(found[PUBLIC_CONSOLE], "found at org")
    scene.dns.zone[PUBLIC_ZONE] = [caa("issue", "ca.example")]
    is_warned(scene.doctor()[PUBLIC_ZONE], f"found at {PUBLIC_ZONE}")


def check_alias_and_long_answers_are_read(scene):
    is_good(scene.asks([(CNAME, wire_name("other.plant.net")), GOOD]))
    many = [caa("issue", f"ca{number}.example; accounturi={ACCOUNT}; validationmethods=dns-01") for number in range(20)]
    is_good(scene.asks(many), "ca19.example")


def check_what_cannot_be_asked_is_warned_of_in_time(scene):
    is_warned(scene.asks(SERVFAIL), "cannot be looked up")
    is_warned(scene.asks(REFUSED), "cannot be looked up")
    is_warned(scene.asks([caa("issue", b"\xff")]), "cannot be looked up")
    is_warned(scene.asks(None), "cannot be looked up")
    done = scene.there.run("doctor", "--state", scene.public, "--dns-server", "nonsense", check=False)
    want(done.returncode == USAGE, f"found exit {done.returncode}, want {USAGE}")
    is_warned(scene.doctor("--dns-server", "[::1]:53")[PUBLIC_ZONE], "want an IPv4 address")


def check_private_names_are_not_asked_about(scene):
    scene.dns.asked.clear()
    found = scene.doctor(state=scene.there.state)
    for name in (ZONE, CONSOLE):
        is_good(found[name], "no public CA issues")
    want(not scene.dns.asked, f"found {scene.dns.asked} asked, want nothing")


def check_people_are_told_as_well(scene):
    scene.dns.zone = {PUBLIC_ZONE: [GOOD]}
    text = scene.there.run("doctor", "--state", scene.public, "--dns-server", scene.dns.address, check=False).stdout
    line = next((line for line in text.splitlines() if f"CAA {PUBLIC_CONSOLE}" in line), "")
    want(line.startswith("warning") and "publish:" in line, f"found {line!r}, want the warning and what to publish")


if __name__ == "__main__":
    with tempfile.TemporaryDirectory(prefix="sallyport-caa-") as the_folder:
        the_scene = Scene(cases.arguments().build, the_folder)
        try:
            outcome = cases.run(globals(), the_scene)
        finally:
            the_scene.dns.close()
    sys.exit(outcome)
