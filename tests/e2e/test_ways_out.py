#!/usr/bin/python3
"""Ways out of a plant: a device behind firewalls, proxies, somebody who inspects TLS, a NAT that forgets without a reset and a
cable that is pulled. The device is in a network namespace with a packet filter; squid, microsocks and OpenSSH are Debian's. Where a way leads out,
the device is online, its telemetry arrives and its page opens.
"""
# test: needs=dev deadline=600
import json
import os
import pathlib
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from plant import HERE, NONCE_USES, THERE, DynamicForwarding, HttpGateway, Inspector, Microsocks, Squid, needs, put_in_plant  # noqa: E402
from stage import ENROLMENT_SECONDS, ZONE, Stage, free_port, tool, wait_for  # noqa: E402
from visitor import ConsoleUser  # noqa: E402

SERIAL_ID = "press-1"
STREAM = "pressure"
USER, PASSWORD, WRONG = "plant", "open sesame%", "hunter2-is-wrong"
INSPECTOR = "Inspection CA of the plant"
PROMISE = 20  # seconds in which both ends notice that the other is gone (DESIGN §11)
SLACK = 2  # of our own looking
BACK = 40  # to be online again: a back-off of a few seconds, a handshake, a status check
NAT_SECONDS = 8


class Scene:
    """The installation, the plant, the device, and what is asked of each."""

    def __init__(self, stage):
        self.stage = stage
        self.sent = 0

    def status(self):
        return self.there.agent_status(self.device)

    def way_out(self):
        return self.status().get("way_out") or {}

    def is_up(self):
        return (self.status().get("control") or {}).get("state") == "established"

    def restart(self, environment=None, **settings):
        """The agent, with these settings and no others of the way out."""
        file = self.device.state / "agent.toml"
        own = ("proxy", "proxy_credentials_file", "proxy_login", "proxy_else_direct", "relay_fallback", "relay_websocket")
        lines = [line for line in file.read_text().splitlines() if line.partition("=")[0].strip() not in own]
        file.write_text("\n".join([f"{key} = {json.dumps(value)}" for key, value in settings.items()] + lines) + "\n")
        self.there.agent_program = self.net.program(self.there.folder / "agent-inside", self.plain_agent, **(environment or {}))
        self.stage.restart_agent(self.device)

    def comes_up(self, label, seconds=ENROLMENT_SECONDS):
        """The device is up and says that it uses this way."""
        def used():
            status = self.status()
            return status if (status.get("control") or {}).get("state") == "established" and status["way_out"]["used"] == label else None
        return wait_for(used, seconds, lambda: f"the way {label}; it is {json.dumps(self.way_out())[:900]}")

    def works(self):
        """Online, telemetry, page. Returns the seconds until the page was there."""
        self.stage.wait_online(self.device, BACK)
        self.sent += 1
        want(self.there.send(self.device, STREAM, [self.sent]), "found the item refused, want it taken")
        wait_for(lambda: (self.status().get("telemetry") or {}).get("items") == 0, BACK, lambda: f"the gateway to have everything; {self.status().get('telemetry')}")
        return self.opens_page()

    def opens_page(self):
        grant = ConsoleUser(self.there).grant(self.there.device(SERIAL_ID)["name"], "device")
        began = time.monotonic()
        with grant.come_in() as line:
            page = line.ask("GET", "/", grant.headers())
            want(page.status == 200 and SERIAL_ID.encode() in page.body, f"found {page.status} {page.body[:80]!r}, want the device's own page")
        return time.monotonic() - began

    def failure(self, label):
        """Why a way failed, once it did."""
        def told():
            return next((one for one in self.way_out().get("ways", []) if one["way"] == label and one["state"] == "failed"), None)
        return wait_for(told, ENROLMENT_SECONDS, lambda: f"{label} to have failed; it is {json.dumps(self.way_out())[:900]}")

    def hides(self, *secrets):
        """None of these is in anything that the agent shows or has written."""
        text = tool(self.there.agent_program, "status", "--state", self.device.state).decode() + json.dumps(self.status())
        text += pathlib.Path(self.device.agent.log).read_text(errors="replace")
        for secret in secrets:
            want(secret not in text, f"found {secret!r} in status or log, want it nowhere")

    def sockets_to_relay(self):
        """Sockets that a process of the device holds to the installation, whatever their state but being opened."""
        lines = self.net.inside("ss", "-Htnp", "dst", HERE).splitlines()
        return [line for line in lines if "users:" in line and not line.startswith("SYN-SENT")]

    def sockets_to_device(self):
        """The same the other way round."""
        return [line for line in tool("ss", "-Htnp", "dst", THERE).decode().splitlines() if "users:" in line]


@cases.carries_the_rest
def check_a_device_in_an_open_network_goes_directly(scene):
    needs("ip", "iptables", "sysctl", "ss", "squid", "openssl")
    stage = scene.stage
    scene.net, scene.device = put_in_plant(stage, SERIAL_ID)
    there = scene.there = stage.there
    scene.relay, scene.other = f"{HERE}:{there.tls_port}", f"{HERE}:{there.http_port}"
    scene.plain_agent = there.agent_program
    scene.restart()
    scene.stage.wait_online(scene.device, ENROLMENT_SECONDS)
    wait_for(lambda: scene.status()["certificates"]["web"], ENROLMENT_SECONDS, "a web certificate")
    there.claim(scene.device)
    status = scene.comes_up(f"direct to {scene.relay}")
    want(status["way_out"]["data_inside_tls"] is False, f"found {status['way_out']}, want data connections raw")
    scene.works()


def check_where_443_is_dropped_port_80_is_used(scene):
    scene.restart(relay_fallback=scene.other)
    scene.comes_up(f"direct to {scene.relay}")
    scene.net.lets_out(scene.there.http_port)
    scene.comes_up(f"direct to {scene.other}", PROMISE + BACK)
    want(scene.failure(f"direct to {scene.relay}")["error"], "found no reason why the first way failed, want one")
    scene.works()
    want(scene.way_out()["used"] == f"direct to {scene.other}", f"found {scene.way_out()}, want port 80 in use")


def check_what_worked_is_tried_first_after_a_restart(scene):
    scene.restart(relay_fallback=scene.other)
    scene.comes_up(f"direct to {scene.other}")
    log = scene.stage.agent_log(scene.device)
    want("agent.way-failed" not in log, f"found another way tried first: {[line for line in log.splitlines() if 'way-failed' in line]}")


def check_where_only_tls_passes_users_come_inside_tls(scene):
    scene.net.lets_out(scene.there.tls_port, scene.there.http_port)
    scene.net.drops_payloads("SPD1")
    scene.restart()
    scene.comes_up(f"direct to {scene.relay}")
    first = scene.works()
    want(scene.net.hits() > 0, "found no raw data connection dropped, want one")
    want(scene.way_out()["data_inside_tls"] is True, f"found {scene.way_out()}, want data connections inside TLS")
    # What was not acknowledged is repeated by the kernel for a while after its connection was given up.
    wait_for(lambda: "FIN-WAIT-1" not in scene.net.inside("ss", "-Htn", "dst", HERE), 2 * PROMISE, "the kernel to give the raw connection up")
    before = scene.net.hits()
    second = scene.works()
    want(scene.net.hits() == before, "found raw data connections tried again, want it remembered")
    print(f"# the first page took {first:.2f} s, the next one {second:.2f} s")
    scene.restart()
    scene.comes_up(f"direct to {scene.relay}")
    scene.works()
    want(scene.net.hits() == before, "found raw data connections tried after a restart, want it remembered")
    scene.net.lets_out(scene.there.tls_port, scene.there.http_port)
    (scene.device.state / "ways-out").unlink()


def check_nothing_but_a_squid(scene):
    there = scene.there
    scene.squid_port = free_port()
    squid = Squid(there.folder / "squid", scene.squid_port, [there.tls_port])
    scene.stage.closing.append(squid.close)
    scene.net.lets_out(scene.squid_port)
    proxy = f"{HERE}:{scene.squid_port}"
    scene.restart(proxy=proxy)
    status = scene.comes_up(f"to {scene.relay} through the proxy {proxy}")
    scene.works()
    # It is in the log once it has ended.
    wait_for(lambda: squid.served("CONNECT", scene.relay, "/200"), 10, lambda: f"CONNECT to the relay in {squid.served()[-5:]}")
    want(squid.served("POST", f"http://{scene.other}/ocsp", "/200"), f"found {squid.served()[-5:]}, want OCSP through the proxy")
    want(all(one["good"] for one in status["server_checks"]) and status["server_checks"], f"found {status['server_checks']}, want every server good")
    want(status["way_out"]["data_inside_tls"] is False, "found data connections inside TLS, want them raw through a squid that tunnels anything")


def check_through_a_squid_users_come_inside_tls_where_only_that_passes(scene):
    scene.net.drops_payloads("SPD1")
    scene.works()
    want(scene.way_out()["data_inside_tls"] is True, f"found {scene.way_out()}, want data connections inside TLS")
    known = json.loads((scene.device.state / "ways-out").read_text())["networks"]
    sealed = [one["network"] for one in known if one["sealed"]]
    want(len(sealed) == 1 and "through the proxy" in sealed[0], f"found {known}, want it remembered for this way alone")


def check_a_squid_that_wants_a_login(scene):
    there = scene.there
    scene.login_port = free_port()
    squid = Squid(there.folder / "squid-login", scene.login_port, [there.tls_port], logins={USER: PASSWORD})
    scene.stage.closing.append(squid.close)
    scene.net.lets_out(scene.login_port)
    proxy = f"{HERE}:{scene.login_port}"
    label = f"to {scene.relay} through the proxy {proxy}"
    scene.restart(proxy=proxy)
    told = scene.failure(label)
    want("wants a user name and password" in told["error"], f"found {told['error']}, want the missing login named")
    scene.restart(proxy=f"http://{USER}:{WRONG}@{proxy}")
    told = scene.failure(label)
    want("refused user name or password" in told["error"], f"found {told['error']}, want the wrong login named")
    text = tool(there.agent_program, "status", "--state", scene.device.state).decode()
    want("refused user name or password" in text, f"found {text[:600]}, want it for people too")
    scene.hides(WRONG)
    credentials = there.folder / "proxy-credentials"
    credentials.write_text(f"{USER}:{PASSWORD}\n")
    credentials.chmod(0o600)
    scene.restart(proxy=proxy, proxy_credentials_file=str(credentials))
    scene.comes_up(label)
    scene.works()
    wait_for(lambda: squid.served("CONNECT", USER, "/200"), 10, lambda: f"the user in {squid.served()[-5:]}")
    scene.hides(PASSWORD)


def check_the_proxy_of_the_environment(scene):
    proxy = f"{HERE}:{scene.login_port}"
    url = f"http://{USER}:{PASSWORD.replace('%', '%25').replace(' ', '%20')}@{proxy}"
    scene.restart({"HTTPS_PROXY": url})
    scene.comes_up(f"to {scene.relay} through the proxy {proxy}")
    scene.works()
    scene.hides(PASSWORD, url)
    scene.net.lets_out(scene.there.tls_port, scene.there.http_port)
    scene.restart({"HTTPS_PROXY": url, "NO_PROXY": "other.example,169.254.0.0/16"})
    scene.comes_up(f"direct to {scene.relay}")


def check_a_squid_that_takes_digest_hears_no_password(scene):
    there = scene.there
    port = free_port()
    squid = Squid(there.folder / "squid-digest", port, [there.tls_port], logins={USER: PASSWORD}, by_digest=True)
    scene.stage.closing.append(squid.close)
    scene.net.lets_out(port)
    proxy = f"{HERE}:{port}"
    label = f"to {scene.relay} through the proxy {proxy}"
    scene.restart(proxy=f"http://{USER}:{WRONG}@{proxy}", proxy_login="digest")
    told = scene.failure(label)
    want("answered 407: refused user name or password" in told["error"], f"found {told['error']}, want the wrong login named")
    credentials = there.folder / "proxy-credentials"
    credentials.write_text(f"{USER}:{PASSWORD}\n")
    credentials.chmod(0o600)
    scene.restart(proxy=proxy, proxy_credentials_file=str(credentials))
    status = scene.comes_up(label)
    want(all(one["good"] for one in status["server_checks"]) and status["server_checks"], f"found {status['server_checks']}, want every server good")
    # More connections than a nonce has uses.
    for _ in range(2 * NONCE_USES):
        scene.works()
    wait_for(lambda: len(squid.served("CONNECT", f" {USER} ", "/200")) > NONCE_USES, 10, lambda: f"more than {NONCE_USES} logins in {squid.served()[-9:]}")
    want(squid.served("POST", f"http://{scene.other}/ocsp", f" {USER} ", "/200"), f"found {squid.served()[-9:]}, want OCSP with a login through the proxy")
    want(squid.served("Digest") and not squid.served("Basic"), f"found {squid.served()[-9:]}, want logins by Digest alone")
    scene.hides(PASSWORD, WRONG)


def check_a_squid_of_basic_alone_hears_no_password_where_digest_is_wanted(scene):
    proxy = f"{HERE}:{scene.login_port}"
    scene.net.lets_out(scene.login_port)
    scene.restart(proxy=f"http://{USER}:{WRONG}@{proxy}", proxy_login="digest")
    told = scene.failure(f"to {scene.relay} through the proxy {proxy}")
    want("wants a login by basic; want one that takes Digest" in told["error"], f"found {told['error']}, want Digest asked for")


def check_a_socks_proxy_that_wants_a_login(scene):
    needs("microsocks")
    port = free_port()
    socks = Microsocks(scene.there.folder, port, USER, PASSWORD)
    scene.stage.closing.append(socks.close)
    scene.net.lets_out(port)
    proxy = f"{HERE}:{port}"
    label = f"to {scene.relay} through the SOCKS proxy {proxy}"
    for login, reason in (("", "wants a login, such as a user name and password"), (f"{USER}:{WRONG}@", "refused user name or password")):
        scene.restart(proxy=f"socks5://{login}{proxy}")
        told = scene.failure(label)
        want(f"proxy {proxy}: {reason}" in told["error"], f"found {told['error']}, want {reason!r}")
        scene.hides(WRONG)
    credentials = scene.there.folder / "proxy-credentials"
    credentials.write_text(f"{USER}:{PASSWORD}\n")
    credentials.chmod(0o600)
    scene.restart(proxy=f"socks5://{proxy}", proxy_credentials_file=str(credentials))
    status = scene.comes_up(label)
    scene.works()
    want(all(one["good"] for one in status["server_checks"]) and status["server_checks"], f"found {status['server_checks']}, want every server good")
    scene.hides(PASSWORD)


def check_the_socks_proxy_of_openssh_by_the_environment(scene):
    needs("ssh", "/usr/sbin/sshd")
    port = free_port()
    forwarding = DynamicForwarding(scene.there.folder, port)
    scene.stage.closing.append(forwarding.close)
    scene.net.lets_out(port)
    scene.restart({"ALL_PROXY": f"socks5h://{HERE}:{port}"})
    scene.comes_up(f"to {scene.relay} through the SOCKS proxy {HERE}:{port}")
    scene.works()
    forwarding.close()
    told = scene.failure(f"to {scene.relay} through the SOCKS proxy {HERE}:{port}")
    want(f"{HERE}:{port}" in told["error"], f"found {told['error']}, want the proxy that is gone named")


def check_where_only_http_passes_everything_goes_inside_a_websocket(scene):
    needs("haproxy")
    there = scene.there
    port = free_port()
    gateway = HttpGateway(there.folder, port, there.http_port)
    scene.stage.closing.append(gateway.close)
    scene.net.lets_out(port)
    door = f"{HERE}:{port}"
    scene.stage.configure(scene.device, http_address=door)
    scene.restart(relay_fallback=door, relay_websocket=door)
    status = scene.comes_up(f"direct to {door} by WebSocket")
    want(all(one["good"] for one in status["server_checks"]) and status["server_checks"], f"found {status['server_checks']}, want every server good")
    told = scene.failure(f"direct to {door}")
    want("TLS" in told["error"] or "tls" in told["error"], f"found {told['error']}, want TLS itself refused by what speaks HTTP alone")
    scene.works()
    print(f"# a page in {scene.opens_page():.2f} s")
    scene.stage.configure(scene.device, http_address=scene.other)
    gateway.close()


def check_a_squid_that_knows_no_connect_lets_a_websocket_pass(scene):
    there = scene.there
    port = free_port()
    squid = Squid(there.folder / "squid-upgrades", port, [1], logins={USER: PASSWORD}, by_digest=True, lets_upgrades=True)
    scene.stage.closing.append(squid.close)
    scene.net.lets_out(port)
    proxy = f"{HERE}:{port}"
    credentials = there.folder / "proxy-credentials"
    credentials.write_text(f"{USER}:{PASSWORD}\n")
    credentials.chmod(0o600)
    scene.restart(proxy=proxy, proxy_credentials_file=str(credentials), relay_websocket=scene.other)
    scene.comes_up(f"to {scene.other} through the proxy {proxy} by WebSocket")
    scene.works()
    wait_for(lambda: squid.served("GET", f"http://{scene.other}/sallyport-tunnel", f" {USER} ", "/101"), 10, lambda: f"the upgrade in {squid.served()[-9:]}")
    want(not squid.served("CONNECT", "/200"), f"found {squid.served('CONNECT')[-5:]}, want none let through")
    # Its connections to the status host, which it keeps, are at the same port.
    print(f"# {len(squid.served('/sallyport-tunnel', '/421'))} times misdirected, {len(squid.served('/sallyport-tunnel', '/101'))} not")
    squid.close()
    scene.hides(PASSWORD)


def check_a_proxy_that_inspects_tls_is_named(scene):
    there = scene.there
    port = free_port()
    inspector = Inspector(there.folder / "inspector", port, INSPECTOR)
    scene.stage.closing.append(inspector.close)
    scene.net.lets_out(port)
    proxy = f"{HERE}:{port}"
    scene.restart(proxy=proxy)
    told = scene.failure(f"to {scene.relay} through the proxy {proxy}")
    want(told["inspected"] is True, f"found {told}, want it inspected")
    for part in (INSPECTOR, f"the proxy {proxy} ends TLS", f"exempt {scene.relay} and *.{ZONE} from TLS inspection"):
        want(part in told["error"], f"found {told['error']}, want {part!r}")
    text = tool(there.agent_program, "status", "--state", scene.device.state).decode()
    want(INSPECTOR in text, f"found {text[:600]}, want the inspector named for people too")
    want(inspector.asked and inspector.heard == b"", f"found {inspector.heard[:60]!r} said to the inspector, want nothing")


def check_a_nat_that_forgets_without_a_reset_is_noticed_and_learnt(scene):
    there = scene.there
    scene.net.lets_out(there.tls_port, there.http_port)
    scene.net.forgets_idle_flows(NAT_SECONDS)
    scene.restart()
    status = scene.comes_up(f"direct to {scene.relay}")
    began = time.monotonic()
    want(status["control"]["ping_interval_s"] == 15, f"found {status['control']}, want the longest interval first")
    wait_for(lambda: "agent.control-down" in scene.stage.agent_log(scene.device), 2 * PROMISE, "the agent to notice")
    noticed = time.monotonic() - began
    want(noticed <= PROMISE + SLACK, f"found it noticed after {noticed:.1f} s, want {PROMISE} s or less")
    want("no PONG in time" in scene.stage.agent_log(scene.device), "found another reason, want a ping that was lost without a reset")
    status = scene.comes_up(f"direct to {scene.relay}", BACK)
    want(status["control"]["ping_interval_s"] < NAT_SECONDS, f"found {status['control']}, want a shorter interval")
    print(f"# noticed after {noticed:.1f} s, then a ping every {status['control']['ping_interval_s']} s")
    scene.works()
    lost = scene.stage.agent_log(scene.device).count("agent.control-down")
    until = time.monotonic() + 3 * NAT_SECONDS
    wait_for(lambda: time.monotonic() > until or scene.stage.agent_log(scene.device).count("agent.control-down") > lost,
             4 * NAT_SECONDS, "three times what the NAT stands")
    want(scene.stage.agent_log(scene.device).count("agent.control-down") == lost, "found the connection lost again, want it kept up")
    scene.restart()
    status = scene.comes_up(f"direct to {scene.relay}")
    want(status["control"]["ping_interval_s"] < NAT_SECONDS, f"found {status['control']} after a restart, want it remembered for this network")


def check_E4_both_ends_notice_a_pulled_cable_and_free_descriptors(scene):
    there = scene.there
    scene.net.lets_out(there.tls_port, there.http_port)
    (scene.device.state / "ways-out").unlink()
    scene.restart()
    scene.comes_up(f"direct to {scene.relay}")
    scene.works()
    descriptors = lambda: len(os.listdir(f"/proc/{scene.device.agent.pid}/fd"))  # noqa: E731
    before = descriptors()
    grant = ConsoleUser(there).grant(there.device(SERIAL_ID)["name"], "device")
    with grant.come_in() as line:
        want(line.ask("GET", "/", grant.headers()).status == 200, "found no page, want it")
        wait_for(lambda: len(scene.sockets_to_device()) >= 2, 5, "a control and a data connection")
        scene.net.lets_out()
        began = time.monotonic()
        seen = {}
        looks = {"the agent says so": lambda: not scene.is_up(),
                 "the console says so": lambda: not there.device(SERIAL_ID)["online"],
                 "the relay holds nothing": lambda: not scene.sockets_to_device(),
                 "the agent holds nothing": lambda: not scene.sockets_to_relay()}

        def look():
            for name, is_so in looks.items():
                if name not in seen and is_so():
                    seen[name] = time.monotonic() - began
            return len(seen) == len(looks)
        wait_for(look, 3 * PROMISE, lambda: f"both ends to notice; they did {seen}; {scene.sockets_to_device()} {scene.sockets_to_relay()}")
        print("# " + ", ".join(f"{name} after {at:.1f} s" for name, at in seen.items()))
        late = {name: at for name, at in seen.items() if at > PROMISE + SLACK}
        want(not late, f"found {late}, want {PROMISE} s or less")
        try:
            want(line.rest() == b"", "found bytes for the user, want the end of his connection")
        except ConnectionResetError:
            pass
    scene.net.lets_out(there.tls_port, there.http_port)
    scene.comes_up(f"direct to {scene.relay}", 2 * BACK)
    scene.works()
    wait_for(lambda: descriptors() <= before, 30, lambda: f"no descriptor more than the {before} of before; it is {descriptors()}")


def check_doctor_tells_which_way_leads_out(scene):
    there = scene.there
    scene.restart(relay_fallback=scene.other)
    scene.device.agent.stop()
    scene.net.lets_out(there.http_port)
    done = there.run("doctor", "--state", scene.device.state, program=there.agent_program, check=False)
    lines = [line.split(None, 3) for line in done.stdout.splitlines() if "way out" in line]
    want([line[0] for line in lines] == ["ok", "warn"], f"found {done.stdout[-900:]}, want one way that leads out and one that does not")
    want(lines[0][3] == f"direct to {scene.other}" and scene.relay in lines[1][3], f"found {lines}, want port 80 to lead there and the other not")
    want(done.returncode == 0, f"found {done.returncode} {done.stdout[-900:]}, want 0: one way is enough")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
