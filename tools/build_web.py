#!/usr/bin/env python3
"""Builds web/ into a folder: `npm ci` where what is installed is not what the lock file names, then `npm run build`.

With the packages installed it needs no network.
"""
import argparse
import json
import os
import pathlib
import shutil
import subprocess
import sys

OLDEST_NODE = 18


def installed_as_locked(web):
    """Whether node_modules holds every package of the lock file in its version (optional ones may be absent)."""
    try:
        locked = json.loads((web / "package-lock.json").read_text(encoding="utf-8"))["packages"]
        present = json.loads((web / "node_modules/.package-lock.json").read_text(encoding="utf-8"))["packages"]
    except FileNotFoundError:
        return False
    return all(present.get(path, {}).get("version") == package.get("version")
               for path, package in locked.items() if path and not package.get("optional"))


def node_version():
    node = shutil.which("node")
    if node is None:
        return None
    return int(subprocess.run([node, "--version"], capture_output=True, text=True, check=True).stdout.lstrip("v").split(".")[0])


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("web", type=pathlib.Path)
    parser.add_argument("--output", type=pathlib.Path, help="default: dist/ in the folder itself")
    arguments = parser.parse_args()
    web = arguments.web.resolve()
    version = node_version()
    if version is None or version < OLDEST_NODE or shutil.which("npm") is None:
        print(f"build_web: found node {version or 'nowhere'}, want {OLDEST_NODE} or newer with npm (Debian: nodejs npm)", file=sys.stderr)
        return 1
    environment = dict(os.environ, NO_UPDATE_NOTIFIER="1", npm_config_audit="false", npm_config_fund="false")
    environment.pop("NODE_ENV", None)  # "production" would leave out what builds
    steps = []
    if not installed_as_locked(web):
        steps.append(["npm", "ci", "--ignore-scripts", "--prefer-offline"])
    output = ["--", "--outDir", str(arguments.output.resolve()), "--emptyOutDir"] if arguments.output else []
    steps.append(["npm", "run", "--silent", "build", *output])
    for step in steps:
        done = subprocess.run(step, cwd=web, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
        if done.returncode != 0:
            print(f"build_web: `{' '.join(step)}` in {web} failed:\n{done.stdout}", file=sys.stderr)
            return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
