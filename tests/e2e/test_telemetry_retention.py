#!/usr/bin/env python3
"""What devices sent is kept for ever, or for as long as sallyport.toml says."""
# test: needs=dev deadline=180
import pathlib
import sqlite3
import subprocess
import sys
import time

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "support"))

import cases  # noqa: E402
from cases import want  # noqa: E402
from stage import Stage, wait_for  # noqa: E402

DAY_MS = 86_400_000
SECONDS = 30


def stored(stage):
    """The values that the gateway has, by their times."""
    with sqlite3.connect(f"file:{stage.there.state / 'gateway' / 'telemetry.db'}?mode=ro", uri=True) as database:
        return sorted(age for (age,) in database.execute("SELECT time FROM item"))


def keep(stage, days):
    file = stage.there.state / "sallyport.toml"
    file.write_text("".join(f"keep_days = {days}\n" if line.startswith("keep_days") else line for line in file.read_text().splitlines(keepends=True)))


def start_anew(stage):
    stage.stop_server()
    stage.there.start()


@cases.carries_the_rest
def check_everything_is_kept_unless_somebody_says_otherwise(stage):
    stage.set_up()
    (device,) = stage.make_devices("press-1")
    stage.bring_online(device)
    now = int(time.time() * 1000)
    stage.times = [now - 400 * DAY_MS, now - 3 * DAY_MS, now]
    lines = "".join(f'{{"value": 1, "time": {at}}}\n' for at in stage.times)
    subprocess.run([stage.there.agent_program, "send", "--state", device.state, "--stream", "count"], input=lines, text=True, check=True, timeout=SECONDS)
    wait_for(lambda: stored(stage) == stage.times, SECONDS, lambda: f"all stored; there are {stored(stage)}")
    start_anew(stage)
    want(stored(stage) == stage.times, f"found {stored(stage)}, want {stage.times} kept")


def check_what_is_older_than_keep_days_is_forgotten(stage):
    keep(stage, 30)
    start_anew(stage)
    wait_for(lambda: stored(stage) == stage.times[1:], SECONDS, lambda: f"the oldest to go; there are {stored(stage)}")
    keep(stage, 2)
    start_anew(stage)
    wait_for(lambda: stored(stage) == stage.times[2:], SECONDS, lambda: f"the next to go; there are {stored(stage)}")


if __name__ == "__main__":
    with Stage(cases.arguments().build) as the_stage:
        outcome = cases.run(globals(), the_stage)
    sys.exit(outcome)
