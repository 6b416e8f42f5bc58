#!/usr/bin/env python3
"""Sallyport on this machine: a whole installation with its console, a factory, devices with a web page each.

    ./demo             runs until Ctrl-C, keeps its state in ./demo-state
    ./demo --check     runs the main job once as a user would, prints `ok STEP` or `FAIL STEP: found …, wanted …`
"""
import argparse
import contextlib
import json
import pathlib
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import time
import traceback
import urllib.request

import check
from installation import CONSOLE, Failed, Installation, free_port

ROOT = pathlib.Path(__file__).resolve().parents[2]
TLS_PORT = 8443
HTTP_PORT = 8480
READING_SECONDS = 2.0
DEVICES = [("press-1", "Press 1"), ("press-2", "Press 2")]


def say(text=""):
    print(text, flush=True)


def run_check(programs, picture):
    """Every step in order, until one fails. Returns the exit status."""
    folder = pathlib.Path(tempfile.mkdtemp(prefix="sallyport-demo-"))
    folder.chmod(0o711)
    world = check.World(Installation(programs, folder, free_port(), free_port()), picture=picture)
    failed = None
    try:
        for step in check.STEPS:
            name = step.__name__.replace("_", "-")
            try:
                step(world)
            except Failed as failure:
                failed = f"FAIL {name}: {failure}"
            except (OSError, ValueError, KeyError, subprocess.SubprocessError) as error:
                traceback.print_exc()
                failed = f"FAIL {name}: found {type(error).__name__}: {error}, wanted no such thing"
            if failed:
                say(" ".join(failed.split()))
                return 1
            say(f"ok {name}")
        return 0
    finally:
        world.end()
        if failed:
            print(f"logs and state: {folder}", file=sys.stderr)
        else:
            shutil.rmtree(folder)


def want_free(port):
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError as error:
            raise Failed(f"port {port} in use", "it free; another ./demo may be running") from error


def fingerprint(certificate):
    out = subprocess.run(["openssl", "x509", "-in", str(certificate), "-noout", "-fingerprint", "-sha256"], capture_output=True, text=True, check=True).stdout
    return out.partition("=")[2].strip()


def bring_up(there):
    there.initialise()
    say("the root, in a folder of its own, has signed the installation's CAs")
    there.start()
    say("signer, authority, gateway, console, status and relay run" + (", each as a user of its own" if there.has_users_apart() else ""))
    there.add_site()
    for serial_id, title in DEVICES:
        there.issue_factory_certificate(there.make_device(serial_id, title))
    there.import_ledger()
    say("the factory has issued two certificates, and its ledger is in")
    for device in there.devices:
        there.start_agent(device)
    for device in there.devices:
        check.wait_for(lambda: (there.device(device.serial_id) or {}).get("online"), 60, f"{device.serial_id} to come")  # noqa: B023
        there.claim(device)
    say("two devices have come, checked the servers, got their certificates and were claimed")


def print_where(there):
    state = there.state.relative_to(ROOT) if there.state.is_relative_to(ROOT) else there.state
    say(f"""
  console      {there.console_url}
  login        {there.owner}
  password     {there.password}
  root CA      SHA-256 {fingerprint(there.state / "trust" / "root.pem")}

  Have your browser trust it, for these names alone:
    {there.sallyport} trust install --state {state}

  Then open Devices and click on a panel. Ctrl-C ends everything; what was done is kept in {there.folder.name}/.
""")


def pass_on_readings(there):
    for device in there.devices:
        with urllib.request.urlopen(f"http://127.0.0.1:{device.panel_port}/api/reading", timeout=5) as answer:
            there.send(device, "machine", [json.load(answer)])


def produce(there):
    """Each machine's readings, every two seconds, for as long as all runs."""
    while True:
        for process in there.processes():
            if not process.running():
                raise Failed(f"{process.name} ended: {process.tail(3)}", "it running")
        with contextlib.suppress(OSError):  # one reading more or less
            pass_on_readings(there)
        time.sleep(READING_SECONDS)


def run_until_stopped(programs, folder):
    want_free(TLS_PORT)
    want_free(HTTP_PORT)
    folder.mkdir(exist_ok=True)
    there = Installation(programs, folder, TLS_PORT, HTTP_PORT)
    try:
        bring_up(there)
        print_where(there)
        produce(there)
    except KeyboardInterrupt:
        say("\nending")
    finally:
        processes = there.processes()
        there.stop()
        left = [name for process in processes for _, name in process.left_behind()]
        if left:
            raise Failed(f"still running: {', '.join(left)}", "nothing left")
    say("nothing is left running")
    return 0


def main():
    parser = argparse.ArgumentParser(prog="./demo", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--check", action="store_true", help="drive it as a user would, on free ports and temporary folders")
    parser.add_argument("--programs", type=pathlib.Path, default=ROOT / "build" / "release" / "apps", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=pathlib.Path, default=ROOT / "demo-state", help="where the state is kept (./demo-state)")
    parser.add_argument("--picture", type=pathlib.Path, metavar="FILE", help="with --check: save a picture of the console (docs/console.png)")
    arguments = parser.parse_args()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):  # also where a shell had us ignore them
        signal.signal(number, signal.default_int_handler)
    if arguments.check:
        return run_check(arguments.programs, arguments.picture)
    try:
        return run_until_stopped(arguments.programs, arguments.folder.resolve())
    except Failed as failure:
        print(f"demo: {failure}", file=sys.stderr)
        return 1


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("interrupted: what was running has been ended", file=sys.stderr)
        sys.exit(130)
