"""Network namespaces and cables of tests, by names that say whose they are: what a script that was killed has left is taken back
by the next one that needs any, for the addresses are the same. Needs root.
"""
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess

from stage import tool

LENGTH_OF_LINK = 15  # IFNAMSIZ - 1
NAMESPACE = re.compile(r"sallyport-(?:[a-z]+-)?(\d+)")
CABLE = re.compile(r"sp[a-z0-9]+-(\d+)")


def namespace_name(kind):
    return f"sallyport-{kind}-{os.getpid()}"


def cable_name(end):
    """`end` has up to four letters and digits."""
    name = f"sp{end}-{os.getpid()}"
    assert len(name) <= LENGTH_OF_LINK and CABLE.fullmatch(name), name
    return name


def add(name):
    with only_one():
        remove_abandoned()
    tool("ip", "netns", "add", name)


def delete(name):
    """With its cables; where it is not there, nothing is."""
    subprocess.run(["ip", "netns", "delete", name], capture_output=True, check=False)


@contextlib.contextmanager
def only_one():
    """Of the scripts that run at the same time."""
    with open("/run/sallyport-test-namespaces", "a", encoding="ascii") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield


def remove_abandoned():
    for name in names(["ip", "netns", "list"]):
        found = NAMESPACE.fullmatch(name)
        if found and is_over(found[1]):
            pids = subprocess.run(["ip", "netns", "pids", name], capture_output=True, check=False).stdout.split()
            for pid in pids:
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(pid), signal.SIGKILL)
            delete(name)
            shutil.rmtree(pathlib.Path("/etc/netns") / name, ignore_errors=True)
    for name in names(["ip", "-brief", "link", "show", "type", "veth"]):
        found = CABLE.fullmatch(name.partition("@")[0])
        if found and is_over(found[1]):
            subprocess.run(["ip", "link", "delete", found[0]], capture_output=True, check=False)


def names(command):
    return [line.split()[0] for line in tool(*command).decode().splitlines() if line.strip()]


def is_over(pid):
    return not pathlib.Path("/proc", pid).exists()
