#!/usr/bin/python3
"""The door of a device's service: who comes in, and who does not. With an HTTP client of our own that says exactly what a
case needs said, through the real relay to the real agent and a web application behind it.
"""
# test: needs=dev deadline=180
import pathlib
import socket
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from raw_hello import everything, hello_for  # noqa: E402
from stage import ZONE, Stage, wait_for  # noqa: E402
from visitor import LIMIT_SECONDS, ConsoleUser  # noqa: E402

CUT_SECONDS = 5
OF_THE_PAGE = b"Overview"  # in every page of the application


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.user = None
        self.names = {}

    def set_up(self):
        self.stage.set_up()
        devices = self.stage.make_devices("press-1", "press-2")
        self.stage.bring_online(*devices)
        for device in devices:
            self.names[device.serial_id] = self.stage.there.device(device.serial_id)["name"]
        self.user = ConsoleUser(self.stage.there)

    def grant(self, serial_id="press-1"):
        return self.user.grant(self.names[serial_id])


def refused(answer, *statuses):
    want(answer.status in statuses, f"found {answer.status}, want {' or '.join(map(str, statuses))}")
    want(OF_THE_PAGE not in answer.body, "found the application's page in a refusal, want nothing of it")


def closed_after(line):
    line.socket.settimeout(LIMIT_SECONDS)
    want(line.rest() == b"", "found more after a refusal, want the connection closed")


@cases.carries_the_rest
def check_installation_comes_up(scene):
    scene.set_up()


def check_user_comes_in_by_the_secret_and_sees_the_page(scene):
    grant = scene.grant()
    with grant.line() as line:
        answer = grant.enter(line)
        want(answer.status == 200, f"found {answer.status}, want 200")
        words = [part.strip() for part in answer.headers["Set-Cookie"].split(";")]
        want(words[0].startswith("__Host-sallyport=") and set(words[1:]) == {"Path=/", "Secure", "HttpOnly", "SameSite=Strict"},
             f"found cookie attributes {words[1:]}, want Path=/, Secure, HttpOnly, SameSite=Strict")
        want("Location" not in answer.headers and b"http-equiv=\"refresh\"" in answer.body, "found no refresh, want one")
        grant.cookie = answer.cookie("__Host-sallyport")
        page = line.ask("GET", "/", grant.headers(("Sec-Fetch-Site", "same-origin")))
        want(page.status == 200 and b"<h1>Press-1</h1>" in page.body, f"found {page.status} {page.body[:80]!r}, want the device's page")
    scene.shared = grant


def check_live_grant_without_secret_gives_nothing(scene):
    """As the relay itself could try: it knows label and name, and has the grant."""
    grant = scene.grant()
    attempts = [[], [("Cookie", "__Host-sallyport=")], [("Cookie", "__Host-sallyport=" + "A" * 43)],
                [("Cookie", f"__Host-sallyport={scene.shared.cookie}")], [("Authorization", "Bearer x")]]
    for more in attempts:
        for path in ("/", "/settings", "/api/reading", "/panel.js"):
            with grant.line() as line:
                refused(line.ask("GET", path, [("Host", grant.authority), *more]), 401, 403)
                closed_after(line)


def check_entry_needs_the_secret(scene):
    grant = scene.grant()
    for secret in ("A" * 43, "", scene.shared.secret, grant.secret[:-1]):
        with grant.line() as line:
            refused(line.ask("POST", "/.sallyport/enter", grant.entry_headers(), f"secret={secret}".encode()), 403)
    with grant.come_in():
        pass


def check_entry_needs_the_consoles_origin(scene):
    grant = scene.grant()
    other = scene.grant("press-2")
    for origin in (grant.origin, other.origin, "https://evil.localhost", "null", f"https://console.{ZONE}:{grant.port}", grant.console_origin + "/"):
        with grant.line() as line:
            refused(grant.enter(line, headers=grant.entry_headers(origin)), 403)
            closed_after(line)
    with grant.line() as line:
        refused(grant.enter(line, headers=[one for one in grant.entry_headers() if one[0] != "Origin"]), 403)
    with grant.line() as line:
        refused(grant.enter(line, headers=[one for one in grant.entry_headers() if not one[0].startswith("Sec-")] + [("Sec-Fetch-Dest", "iframe")]), 403)
    with grant.line() as line:
        refused(line.ask("GET", f"/.sallyport/enter?secret={grant.secret}", [("Host", grant.authority)]), 403)
    with grant.come_in():
        pass


def check_secret_works_once(scene):
    grant = scene.grant()
    with grant.come_in() as first:
        with grant.line() as line:
            refused(grant.enter(line), 403)
        page = first.ask("GET", "/", grant.headers())
        want(page.status == 200, f"found {page.status} for whoever came first, want 200")


def check_host_must_be_the_connections_name(scene):
    grant = scene.grant()
    other = scene.grant("press-2")
    with other.come_in():
        pass
    with grant.come_in():
        pass
    for host in (other.authority, grant.host, f"{grant.host}:443", f"{scene.names['press-1']}.{ZONE}:{grant.port}", "localhost", f"evil.{grant.authority}"):
        with grant.line() as line:
            refused(line.ask("GET", "/", [("Host", host), *grant.headers()[1:]]), 421)
            closed_after(line)
    with grant.line() as line:
        refused(line.ask("GET", "/", [("Host", grant.authority), ("Host", other.authority), *grant.headers()[1:]]), 400, 421)
    with grant.line() as line:
        refused(line.ask("GET", f"https://{other.authority}/", grant.headers()), 400, 421)


def check_other_sites_requests_are_refused(scene):
    grant = scene.grant()
    with grant.come_in():
        pass
    for site in ("cross-site", "same-site", "nonsense"):
        with grant.line() as line:
            refused(line.ask("GET", "/", grant.headers(("Sec-Fetch-Site", site))), 403)
            closed_after(line)
    for site in ("none", "same-origin"):
        with grant.line() as line:
            want(line.ask("GET", "/", grant.headers(("Sec-Fetch-Site", site))).status == 200, f"found Sec-Fetch-Site {site} refused, want 200")


def check_change_needs_the_own_origin(scene):
    grant = scene.grant()
    other = scene.grant("press-2")
    with grant.come_in():
        pass
    form = ("Content-Type", "application/x-www-form-urlencoded")
    for more in ([], [("Origin", other.origin)], [("Origin", "null")], [("Origin", grant.console_origin)], [("Origin", grant.origin), ("Origin", other.origin)]):
        for method in ("POST", "PUT", "DELETE"):
            with grant.line() as line:
                refused(line.ask(method, "/settings", grant.headers(form, *more), b"target=1"), 400, 403)
    with grant.line() as line:
        page = line.ask("POST", "/settings", grant.headers(form, ("Origin", grant.origin)), b"target=4711&note=")
        want(page.status == 200 and b"4711" in page.body, f"found {page.status}, want the form taken from the own origin")


def check_upgrade_needs_the_own_origin(scene):
    grant = scene.grant()
    with grant.come_in():
        pass
    upgrade = [("Upgrade", "websocket"), ("Connection", "Upgrade"), ("Sec-WebSocket-Version", "13"), ("Sec-WebSocket-Key", "AAAAAAAAAAAAAAAAAAAAAA==")]
    for more in ([], [("Origin", "https://evil.localhost")], [("Origin", grant.console_origin)]):
        with grant.line() as line:
            refused(line.ask("GET", "/ticker", grant.headers(*upgrade, *more)), 403)
            closed_after(line)


def check_every_request_needs_the_cookie(scene):
    grant = scene.grant()
    with grant.come_in() as line:
        want(line.ask("GET", "/", grant.headers()).status == 200, "found the first request refused, want 200")
        refused(line.ask("GET", "/", [("Host", grant.authority)]), 401)
        closed_after(line)


def check_application_sees_nothing_of_ours(scene):
    grant = scene.grant()
    lies = [("X-Forwarded-For", "10.0.0.1"), ("X-Forwarded-Proto", "http"), ("Forwarded", "for=10.0.0.1"), ("X-Sallyport-User", "owner"),
            ("x_forwarded_host", "evil"), ("X-Custom", "kept")]
    with grant.come_in() as line:
        first = line.ask("GET", "/", grant.headers())
        kept = next((text for text in first.headers.get_all("Set-Cookie", []) if "panel=" in text), "")
        want(kept.startswith("__Host-p-panel=") and "Secure" in kept and "HttpOnly" in kept, f"found cookie {kept!r}, want the application's held under __Host-p-")
        session = kept.partition("=")[2].partition(";")[0]
        both = ("Cookie", f"__Host-sallyport={grant.cookie}; __Host-p-panel={session}; plain=1")
        answer = line.ask("GET", "/api/headers", [("Host", grant.authority), both, *lies])
        seen = answer.json()
        names = {name.replace("_", "-") for name, _ in seen}
        want(not any(name.startswith(("x-forwarded", "x-sallyport")) or name == "forwarded" for name in names), f"found {sorted(names)}, want none of ours")
        want(["x-custom", "kept"] in seen, f"found {seen}, want X-Custom kept")
        cookies = [value for name, value in seen if name == "cookie"]
        want(cookies == [f"panel={session}"], f"found cookies {cookies}, want what the application has set, and nothing else")


def check_reserved_paths_never_reach_the_application(scene):
    grant = scene.grant()
    with grant.come_in():
        pass
    for path in ("/.sallyport/", "/.sallyport/enter/x", "/.SALLYPORT/x", "/%2esallyport/x", "/x/../.sallyport/y", "//.sallyport"):
        with grant.line() as line:
            answer = line.ask("GET", path, grant.headers())
            want(answer.status in (400, 403, 404) and b"No such page" not in answer.body, f"found {answer.status} to {path}, want a refusal of the agent's own")


def raw_answer(port, name):
    """Everything that comes back to a ClientHello for `name`."""
    with socket.create_connection(("127.0.0.1", port), timeout=LIMIT_SECONDS) as plain:
        plain.sendall(hello_for(name))
        return everything(plain)


def check_name_without_grant_is_like_an_unknown_name(scene):
    """The same alert, byte by byte, whether label, device or zone is real or not."""
    port = scene.stage.there.tls_port
    grant = scene.grant()
    one, two = scene.names["press-1"], scene.names["press-2"]
    unrecognized_name = bytes([0x15, 3, 3, 0, 2, 2, 112])
    names = [f"{'a' * 16}.{one}.{ZONE}", f"{'a' * 16}.aaaaaaaaaa.{ZONE}", f"{one}.{ZONE}", f"aaaaaaaaaa.{ZONE}", "www.example.org",
             f"{grant.label}.{two}.{ZONE}", f"{grant.label}.{ZONE}", f"x.{grant.host}", "localhost"]
    for name in names:
        found = raw_answer(port, name)
        want(found == unrecognized_name, f"found {found.hex()} for {name}, want {unrecognized_name.hex()}")
    want(len(raw_answer_of(grant)) > 500, "found no handshake under a live grant, want one")


def raw_answer_of(grant):
    with grant.line() as line:
        return line.socket.getpeercert(binary_form=True) + b"." * 300


def check_ended_session_is_cut(scene):
    grant = scene.grant()
    with grant.come_in() as line:
        line.socket.sendall(b"\r\n".join([b"GET /ticker HTTP/1.1"] + [f"{key}: {value}".encode() for key, value in grant.headers()]) + b"\r\n\r\n")
        line.socket.settimeout(LIMIT_SECONDS)
        want(b"text/event-stream" in line.socket.recv(65536), "found no ticker, want it running")
        began = time.monotonic()
        scene.user.call("POST", f"/sessions/{grant.id}/end", {}, status=204)
        line.rest()
        took = time.monotonic() - began
        want(took < CUT_SECONDS, f"found the connection open for {took:.1f} s, want it cut within {CUT_SECONDS} s")
    wait_for(lambda: raw_answer(grant.port, grant.host)[:1] == b"\x15", CUT_SECONDS, "new connections refused")


def check_switched_off_device_is_cut(scene):
    there = scene.stage.there
    grant = scene.grant("press-2")
    with grant.come_in() as line:
        want(line.ask("GET", "/", grant.headers()).status == 200, "found no page, want it before the switch")
        there.run("device", "remote-access", "press-2", "off", "--state", there.state)
        line.socket.settimeout(CUT_SECONDS)
        line.rest()
    wait_for(lambda: raw_answer(grant.port, grant.host)[:1] == b"\x15", CUT_SECONDS, "new connections refused")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
