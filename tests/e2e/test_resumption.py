#!/usr/bin/python3
"""A device comes back to the relay without showing its certificate: after the agent was restarted, after its worker was killed.
It is asked the same questions as before, and shows the certificate where the relay has other keys or the device another one.
"""
# test: needs=dev deadline=180
import os
import pathlib
import re
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import Stage, wait_for  # noqa: E402

BACK_SECONDS = 40


class Scene(Stage):
    def set_up(self):
        super().set_up(count=5)
        (self.device,) = self.make_devices("press-1")
        self.bring_online(self.device)

    def resumed(self):
        """Of every connection that the relay took since the agent was started, whether it resumed."""
        return re.findall(r'agent\.control-up.*resumed"?[=:]"?(true|false)', self.agent_log(self.device))

    def comes_back(self, before):
        """How the next connection after the first `before` came about."""
        said = wait_for(lambda: self.resumed()[before:], BACK_SECONDS, lambda: f"press-1 back; its agent says: {self.device.agent.tail(8)}")
        self.wait_online(self.device)
        return said[-1]

    @property
    def kept(self):
        return self.device.state / "resumption"


def same(what, found, wanted):
    want(found == wanted, f"{what}: found {found}, want {wanted}")


def check_installation_comes_up(scene):
    scene.set_up()


def check_first_connection_shows_the_certificate(scene):
    same("how it came", scene.resumed()[0], "false")
    wait_for(scene.kept.exists, 10, "what the relay gave to be kept")
    same("mode", oct(scene.kept.stat().st_mode & 0o777), oct(0o600))


def check_agent_that_was_restarted_resumes(scene):
    scene.restart_agent(scene.device)
    same("how it came", scene.comes_back(0), "true")


def check_every_worker_that_was_killed_is_returned_to_without_a_certificate(scene):
    for turn in range(2):
        before = len(scene.resumed())
        for pid in scene.pids_of("relay"):
            os.kill(pid, signal.SIGKILL)
        same(f"how it came in turn {turn}", scene.comes_back(before), "true")


def check_page_is_there_over_a_resumed_connection(scene):
    record = scene.there.device("press-1")
    same("online", record["online"], True)
    want("device" in [service["name"] for service in record["services"]], "the device's page among its services")


def check_new_supervisor_has_new_keys_and_asks_for_the_certificate(scene):
    before = len(scene.resumed())
    scene.stop_server()
    scene.there.start()
    same("how it came", scene.comes_back(before), "false")
    scene.restart_agent(scene.device)
    same("how it came after that", scene.comes_back(0), "true")


def check_suspended_device_does_not_come_in_by_it(scene):
    scene.there.run("device", "suspend", scene.there.device("press-1")["name"], "--state", scene.there.state)
    wait_for(lambda: not scene.there.device("press-1")["online"], 10, "the device to be cut off")
    scene.restart_agent(scene.device)
    wait_for(lambda: "agent.control-down" in scene.agent_log(scene.device), BACK_SECONDS, "a refusal")
    same("connections", scene.resumed(), [])


if __name__ == "__main__":
    with Scene(cases.arguments().build) as stage:
        sys.exit(cases.run(globals(), stage))
