#!/usr/bin/env python3
# test: needs=dev
# test: deadline=600
"""The main job, end to end: what `./demo --check` does, with the programs of the build under test."""
import argparse
import pathlib
import subprocess
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev", help="the build folder to test")
    arguments = parser.parse_args()
    return subprocess.run([sys.executable, ROOT / "tools/demo/demo.py", "--check", "--programs", arguments.build.resolve() / "apps"],
                          cwd=ROOT, check=False).returncode


if __name__ == "__main__":
    sys.exit(main())
