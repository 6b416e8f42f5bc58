#!/usr/bin/python3
"""Hostile case C5 on devices: clocks that stand in 1970, after 2038 or after 2106, and clocks that jump. The agent goes by its time
floor and by what status answers prove; no check is left out, and nothing is renewed because a clock is wrong.
"""
# test: needs=dev deadline=300
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
import other_clock  # noqa: E402
from cases import want  # noqa: E402
from stage import COME_BACK_SECONDS, ENROLMENT_SECONDS, Stage, wait_for  # noqa: E402

CLOCKS = {"y1970": "@1970-01-02 00:00:00", "y2038": "@2038-01-19 03:15:00", "y2106": "@2106-02-07 06:29:00"}
NEVER_TRUSTED, TRUSTED = "never-trusted", "trusted"
REFUSALS = 2


def turn(device, clock):
    """The file is replaced whole: the agent reads it whenever it looks at its clock."""
    file = device.folder / "clock"
    (device.folder / "clock.new").write_text(clock + "\n")
    (device.folder / "clock.new").rename(file)
    return file


def start(stage, device, clock):
    with other_clock.for_what_starts_here(other_clock.told_by(turn(device, clock))):
        stage.there.start_agent(device)


def certificates(stage, device):
    shown = stage.there.read("device", "show", device.serial_id, "--state", stage.there.state)
    return [one["serial"] for one in shown["certificates"] if one["kind"] == "operational"]


def refusals(device):
    return pathlib.Path(device.agent.log).read_text(errors="replace").count("agent.server-refused")


@cases.carries_the_rest
def check_installation_comes_up(stage):
    stage.set_up()


def check_C5_device_whose_clock_stands_anywhere_comes_online_once_the_status_service_told_the_time(stage):
    devices = stage.make_devices(*CLOCKS)
    for device in devices:
        stage.configure(device, trusted_clock=False)
        start(stage, device, CLOCKS[device.serial_id])
    for device in devices:
        stage.wait_online(device, ENROLMENT_SECONDS)
        want(len(certificates(stage, device)) == 1, f"found {certificates(stage, device)} for {device.serial_id}, want one certificate")
        want(refusals(device) == 0, f"found {refusals(device)} refused checks of {device.serial_id}, want none")
        device.agent.stop()


def check_C5_clock_behind_the_floor_is_not_believed_even_where_it_is_trusted(stage):
    device, = stage.make_devices("behind-1")
    start(stage, device, CLOCKS["y1970"])
    stage.wait_online(device, ENROLMENT_SECONDS)
    device.agent.stop()


def check_C5_clock_that_jumps_in_a_session_ends_and_renews_nothing(stage):
    stage.jumping = stage.make_devices(NEVER_TRUSTED, TRUSTED)
    stage.configure(stage.jumping[0], trusted_clock=False)
    for device in stage.jumping:
        start(stage, device, "+0")
    for device in stage.jumping:
        stage.wait_online(device, ENROLMENT_SECONDS)
    before = {device.serial_id: certificates(stage, device) for device in stage.jumping}
    for clock in ("-1d", "+10y"):
        for device in stage.jumping:
            turn(device, clock)
        # A new connection to the relay: everything is checked by the clock as it is now.
        stage.kill_role("relay")
        stage.wait_online(stage.jumping[0])
        if clock == "-1d":
            stage.wait_online(stage.jumping[1])
    after = {device.serial_id: certificates(stage, device) for device in stage.jumping}
    want(after == before, f"found {after}, want {before}: no certificate because of a clock")


def check_C5_trusted_clock_ten_years_ahead_fails_closed_until_it_is_right(stage):
    device = stage.jumping[1]
    wait_for(lambda: refused_twice(stage, device), COME_BACK_SECONDS, "the device to refuse certificates that ended by its clock")
    want(not stage.there.device(device.serial_id)["online"], "found the device online, want nothing said to a server that it cannot verify")
    turn(device, "+0")
    stage.wait_online(device, ENROLMENT_SECONDS)
    for one in stage.jumping:
        one.agent.stop()


def refused_twice(stage, device):
    said = pathlib.Path(device.agent.log).read_text(errors="replace")
    return said.count("expired") >= REFUSALS


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
