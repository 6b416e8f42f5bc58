#!/usr/bin/python3
"""The page of another device of the zone, in real Chromium: one person has both devices open in one browser, and the web
application of the one is hostile. It tries everything a page can try against the other; the other's application, which is as
careless as can be, sees none of it. The same attacks from the victim's own page all get through: so the test can fail.
"""
# test: needs=dev deadline=300
import json
import pathlib
import re
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import ZONE, Stage, pretty, wait_for  # noqa: E402
from witness import Witness  # noqa: E402

ACTS = pathlib.Path(__file__).resolve().parents[1] / "support" / "neighbour" / "acts.mjs"
VICTIM, HOSTILE = "victim-1", "hostile-1"
ARRIVAL_SECONDS = 15
# Sent with an origin that is nobody's, also when the victim's own page does it.
WITHOUT_ORIGIN = {"frame_form_without_origin"}
# Whose answers Chromium does not show, or not always; the agent's log tells of them.
SILENT = {"web_socket", "service_worker_fetch", "frame_form_without_origin"}
REFUSED = 403
BOMB = 200  # more than the 180 cookies that Chromium keeps for a registrable domain


class Scene:
    def __init__(self, stage):
        self.stage = stage
        self.applications = {}
        self.person = None
        self.origin = {}

    def set_up(self):
        from person import Person
        there = self.stage.set_up()
        self.devices = devices = self.stage.make_devices(VICTIM, HOSTILE)
        for device in devices:
            application = Witness(device.serial_id)
            self.applications[device.serial_id] = application
            self.stage.closing.append(application.close)
            file = device.state / "agent.toml"
            file.write_text(file.read_text().replace(f"127.0.0.1:{device.panel_port}", f"127.0.0.1:{application.port}"))
        self.stage.bring_online(*devices)
        home = there.folder / "browser"
        home.mkdir()
        there.run("trust", "install", "--state", there.state, "--nss", home / ".pki" / "nssdb")
        self.person = Person(home, there.logs / "browser.log", ACTS)
        self.stage.closing.append(self.person.stop)
        self.person("login", url=there.console_url, login=there.owner, password=there.password)
        for serial_id in (VICTIM, HOSTILE):
            self.open(serial_id)

    def open(self, serial_id):
        """Through the console's own page, as a person does."""
        self.person("show_list")
        opened = self.person("open", alias=serial_id.title(), service="panel")
        want(opened["heading"] == serial_id, f"found heading {opened['heading']!r}, want {serial_id}")
        self.origin[serial_id] = "/".join(opened["url"].split("/")[:3])

    @property
    def victim(self):
        return self.applications[VICTIM]

    def attack(self, source, names):
        """Has the page of `source` attack the victim; returns what it could read."""
        return self.person("attack", alias=source.title(), names=names, target=self.origin[VICTIM])

    def answers(self, names):
        """What came of each attack at the victim's door, as Chromium saw it."""
        found = {name: [] for name in names}
        for one in self.person("seen", origin=self.origin[VICTIM]):
            name = re.sub(r"^/(loot/|\?)|\.\w+$|\?target=\w+$", "", one["target"])
            if one["status"] and name in found:
                found[name].append({key: one[key] for key in ("method", "status", "site")})
        return found

    def refusals(self):
        """How many requests the victim's agent has refused for where they come from."""
        said = pathlib.Path(self.devices[0].agent.log).read_text()
        return sum("agent.request-refused" in line and ("foreign_site" in line or "wrong_origin" in line) for line in said.splitlines())

    def nothing_arrived(self, what):
        arrived = self.victim.seen()
        want(not arrived, f"found {arrived[0].text() if arrived else ''} at the victim's application, want nothing of {what}")

    def go(self, serial_id, path):
        return self.person("go", alias=serial_id.title(), path=path)


def check_person_has_both_devices_open(scene):
    scene.set_up()
    for application in scene.applications.values():
        page = application.forget()
        want(page and page[0].target == "/", f"found {[one.target for one in page]}, want the page asked for")
    page = scene.go(VICTIM, "/loot/own")
    want(page["status"] == 200 and scene.victim.secret in page["text"], f"found {page}, want the application's answer")
    scene.go(VICTIM, "/")
    scene.victim.forget()


def check_no_attack_reaches_the_application(scene):
    """And none is answered with a byte of it. They do arrive at the agent's door, as Chromium sends them."""
    known = scene.person("attacks", alias=HOSTILE.title())
    found = scene.attack(HOSTILE, known["sent"])
    scene.nothing_arrived("the attacks")
    said = json.dumps(found)
    want(scene.victim.secret not in said, f"found the victim's secret in {said}, want nothing read")
    scene.tried = known["sent"]

    def unanswered():
        return {name for name, several in scene.answers(known["sent"]).items() if not several}

    try:
        wait_for(lambda: unanswered() <= SILENT, ARRIVAL_SECONDS, "answers")
    except Exception as error:
        raise cases.Failed(f"found no answer to {sorted(unanswered())}, want the agent to refuse every attack, not the browser") from error
    answered = [one for several in scene.answers(known["sent"]).values() for one in several]
    want({one["status"] for one in answered} == {REFUSED}, f"found {pretty([one for one in answered if one['status'] != REFUSED])}, want nothing but {REFUSED}")
    sites = {one["site"] for one in answered} - {""}
    want("same-site" in sites and sites <= {"same-site", "cross-site"}, f"found Sec-Fetch-Site {sorted(sites)}, want Chromium to say same-site, or cross-site for what has no origin")
    for name in sorted(SILENT):
        before = scene.refusals()
        scene.attack(HOSTILE, [name])
        wait_for(lambda: scene.refusals() > before, ARRIVAL_SECONDS, f"{name} refused in the log of the victim's agent")  # noqa: B023
    scene.nothing_arrived("them")


def check_browser_forbids_the_rest(scene):
    names = scene.person("attacks", alias=HOSTILE.title())["forbidden"]
    for name, found in scene.attack(HOSTILE, names).items():
        want(found.startswith("refused: "), f"{name}: found {found}, want it refused")
    scene.nothing_arrived("them")


def check_entry_of_the_victim_is_not_the_neighbours(scene):
    """A form of the hostile page at the victim's entry: refused, and the person's own entry stands."""
    enter = f"{scene.origin[VICTIM]}/.sallyport/enter"
    scene.person("submit", alias=HOSTILE.title(), to=enter, fields={"secret": "A" * 43})
    answers = [one for one in scene.person("seen", origin=scene.origin[VICTIM]) if one["target"] == "/.sallyport/enter" and one["site"] == "same-site"]
    want([one["status"] for one in answers] == [403], f"found {pretty(answers)}, want one refusal")
    scene.nothing_arrived("it")
    want(scene.go(VICTIM, "/")["status"] == 200, "found the person's own page refused, want it as before")
    scene.victim.forget()


def check_planted_cookies_do_not_reach_the_application(scene):
    """Under new names, under those of the application's own cookies, hidden and open, with deeper paths, and under the gate's."""
    plain = [f"theme=planted1; Domain={ZONE}; Path=/", f"session=planted2; Domain={ZONE}; Path=/; Secure; SameSite=None",
             f"csrf=planted3; Domain={ZONE}; Path=/loot", f"csrf=planted4; Domain={ZONE}; Path=/",
             f"Path=planted5; Domain={ZONE}; Path=/", f"__Secure-a=planted6; Domain={ZONE}; Path=/; Secure",
             {"name": "stored", "value": "planted7", "domain": ZONE, "path": "/"}]
    prefixed = [f"__Host-sallyport=planted8; Domain={ZONE}; Path=/; Secure", f"__host-sallyport=planted9; Domain={ZONE}; Path=/; Secure",
                f"__Host-p-session=planted10; Domain={ZONE}; Path=/; Secure", f"=__Host-sallyport=planted11; Domain={ZONE}; Path=/; Secure",
                f"=__Host-p-session=planted12; Domain={ZONE}; Path=/; Secure", f"__HOST-P-session=planted13; Domain={ZONE}; Path=/; Secure"]
    scene.person("plant", alias=HOSTILE.title(), cookies=plain + prefixed)
    # With an agent of his own the neighbour's owner can set hidden ones.
    hidden = [{"name": name, "value": f"planted{number}", "domain": f".{ZONE}", "path": path, "httpOnly": True, "secure": True, "sameSite": "None"}
              for number, (name, path) in enumerate([("session", "/"), ("session", "/loot"), ("__Host-sallyport", "/"), ("hidden", "/")], 14)]
    scene.person("set_cookies", cookies=hidden)
    jar = scene.person("jar", url=scene.origin[VICTIM] + "/loot/")
    planted = sorted(one["name"] for one in jar if "planted" in one["value"])
    want({"theme", "session", "csrf", "stored", "hidden"} <= set(planted), f"found {planted} in the browser, want the plain ones held for the victim: else this shows nothing")
    want(not any(name.lower().startswith("__host-") for name in planted), f"found {planted}, want the browser to hold no planted __Host- cookie")

    page = scene.go(VICTIM, "/loot/after")
    want(page["status"] == 200, f"found {page}, want the person's page as before")
    sent = [one for one in scene.person("seen", origin=scene.origin[VICTIM]) if one["target"] == "/loot/after"]
    want(all(value in sent[-1]["cookie"] for value in ("planted1", "planted3", "planted14")), f"found {sent}, want Chromium to have sent the planted ones")
    arrived = scene.victim.forget()
    want(arrived and all("planted" not in one.text() for one in arrived), f"found {[one.cookies() for one in arrived]}, want nothing planted")
    want(arrived[0].cookies() == f"session={scene.victim.session}; csrf={scene.victim.token}",
         f"found {arrived[0].cookies()!r}, want the application's own two cookies")


def check_domain_of_a_cookie_header_is_taken_off(scene):
    """What the hostile application sets by header stays its own: its agent removes Domain."""
    cookie = f"byheader=planted20; Domain={ZONE}; Path=/"
    scene.person("fetch_own", alias=HOSTILE.title(), path=f"/plant?cookie={cookie.replace(' ', '%20').replace('=', '%3D').replace(';', '%3B')}")
    jar = {serial_id: [one["name"] for one in scene.person("jar", url=scene.origin[serial_id])] for serial_id in (VICTIM, HOSTILE)}
    want("byheader" in jar[HOSTILE] and "byheader" not in jar[VICTIM], f"found {jar}, want the cookie held for the neighbour alone")


def check_from_the_victims_own_page_every_attack_gets_through(scene):
    """The control: the same attacks by the same file, where the origin is the victim's own."""
    scene.go(VICTIM, "/")
    scene.victim.forget()
    scene.attack(VICTIM, scene.tried)

    def missing():
        targets = [one.target for one in scene.victim.seen()]
        return [name for name in scene.tried if not any(name in target.partition("bounce")[0] for target in targets)]

    wait_for(lambda: set(missing()) <= WITHOUT_ORIGIN, ARRIVAL_SECONDS, f"every attack at the application; not there: {missing()}")
    want(set(missing()) == WITHOUT_ORIGIN, f"found {missing()} missing, want those without an origin refused here too")
    read = scene.attack(VICTIM, ["fetch_get", "script", "frame", "window_get", "web_socket", "event_source", "form_post"])
    want(all(scene.victim.secret in text for text in read.values()), f"found {pretty(read)}, want the secret read by each")


def check_cookie_bomb_denies_and_gives_nothing(scene):
    """The jar of the zone is shared until it is a public suffix: a neighbour can push our cookies out. Nothing else follows."""
    scene.victim.forget()
    bomb = [f"bomb{number}=planted; Domain={ZONE}; Path=/" for number in range(BOMB)]
    scene.person("plant", alias=HOSTILE.title(), cookies=[*bomb, f"session=planted; Domain={ZONE}; Path=/"])
    page = scene.go(VICTIM, "/loot/bombed")
    want(page["status"] in (200, 400, 401, 431), f"found {page['status']}, want the page or a refusal")
    arrived = scene.victim.forget()
    want(all("planted" not in one.text() for one in arrived), f"found {[one.cookies() for one in arrived]}, want nothing planted")
    scene.person("forget_cookies", domain=f".{ZONE}")
    scene.open(VICTIM)
    want(scene.victim.seen()[-1].target in ("/", "/attacks.js", "/favicon.ico"), "found no page, want the person back in")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), Scene(the_stage))
    sys.exit(outcome)
