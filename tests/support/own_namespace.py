"""Kernel namespaces of a script's own (namespaces(7)). Needs root."""
import ctypes
import os

from cases import Missing

CLONE_NEWNS = 0x00020000  # of mounts
CLONE_NEWNET = 0x40000000  # of networks
LIBC = ctypes.CDLL(None, use_errno=True)


def leave(kind, what):
    """From here on this thread and its children are in a new one; `what` is named where that cannot be."""
    if os.geteuid() != 0:
        raise Missing(f"root, for {what}")
    if LIBC.unshare(kind) != 0:
        raise Missing(f"{what}: {os.strerror(ctypes.get_errno())}")


def enter(kind, path):
    """This thread alone."""
    with open(path, "rb") as namespace:
        if LIBC.setns(namespace.fileno(), kind) != 0:
            raise OSError(ctypes.get_errno(), "setns")
