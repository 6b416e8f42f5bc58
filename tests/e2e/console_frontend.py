#!/usr/bin/env python3
"""The console's front end in Chromium, against a test peer that speaks docs/api/openapi.yaml.

Prints `ok NAME` or `FAIL NAME: reason` per scenario and exits 0 or 1. Screenshots for a person to look at go to
build/screenshots/. The scenarios are in web/test/scenarios/.
"""
# test: deadline=600
import argparse
import pathlib
import shutil
import signal
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
WEB = ROOT / "web"
DEADLINE_S = 570
WANTED = ("node", "npm", "openssl", "certutil", "chromium")  # Debian: nodejs npm openssl libnss3-tools chromium


def fail(name, reason):
    print(f"FAIL {name}: {reason}", flush=True)
    return 1


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, help="not needed: the front end is built from web/")
    parser.add_argument("names", nargs="*", help="run only the scenarios whose name holds one of these")
    arguments = parser.parse_args()
    missing = [program for program in WANTED if shutil.which(program) is None]
    if missing:
        return fail("programs", f"found no {' '.join(missing)}, want {' '.join(WANTED)}")
    built = subprocess.run([sys.executable, ROOT / "tools/build_web.py", WEB], capture_output=True, text=True, check=False)
    if built.returncode != 0:
        return fail("build", built.stderr.strip().replace("\n", " | "))
    print("ok build", flush=True)
    test = subprocess.Popen(["node", "test/run.mjs", "--screenshots", ROOT / "build/screenshots", *arguments.names], cwd=WEB)

    def stop(_signal, _frame):
        test.terminate()
    signal.signal(signal.SIGTERM, stop)
    try:
        return 0 if test.wait(timeout=DEADLINE_S) == 0 else 1
    except subprocess.TimeoutExpired:
        test.terminate()
        test.wait()
        return fail("deadline", f"not finished within {DEADLINE_S} s")


if __name__ == "__main__":
    sys.exit(main())
