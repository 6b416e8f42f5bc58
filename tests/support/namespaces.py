"""Network namespaces of tests, by names that say whose they are: what a script that was killed has left is taken back by the next
one that needs any. Cables between them are laid in a network that the script has to itself: wherever an interface comes or goes,
every browser breaks off what it is loading (net::ERR_NETWORK_CHANGED), and others' tests have browsers. Needs root.
"""
import contextlib
import fcntl
import os
import pathlib
import re
import shutil
import signal
import subprocess

from cases import Missing
from own_namespace import CLONE_NEWNET, leave
from stage import tool

NAMESPACE = re.compile(r"sallyport-(?:[a-z]+-)?(\d+)")


def leave_the_machines_network():
    """From here on what this thread and its children open and listen on is in a network with nothing but loopback, which ends with
    them; what runs already stays where it is. To be called before anything is started.
    """
    if not shutil.which("ip"):
        raise Missing("ip, for a network of its own")
    leave(CLONE_NEWNET, "a network of its own")
    tool("ip", "link", "set", "lo", "up")


def namespace_name(kind):
    return f"sallyport-{kind}-{os.getpid()}"


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


def names(command):
    return [line.split()[0] for line in tool(*command).decode().splitlines() if line.strip()]


def is_over(pid):
    return not pathlib.Path("/proc", pid).exists()
