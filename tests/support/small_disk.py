"""A disk that is full when a test wants it: a tmpfs of its own, in a mount namespace of the test's own, so that nothing of it
is seen outside or left behind.
"""
import errno
import shutil
import subprocess

from cases import want
from own_namespace import CLONE_NEWNS, leave

CHUNK = 1 << 16
mounted = []


def leave_the_machines_mounts():
    """From here on what this process and its children mount is theirs alone."""
    leave(CLONE_NEWNS, "mounts of its own")
    subprocess.run(["mount", "--make-rprivate", "/"], check=True)


def unmount_all():
    """To be called once nothing runs on them any more."""
    while mounted:
        subprocess.run(["umount", "--lazy", mounted.pop()], check=False)


class SmallDisk:
    """Mounted over `folder`, which is made if need be; what lay there before is moved in."""

    def __init__(self, folder, size):
        self.folder = folder
        before = folder.with_name(folder.name + ".before")
        kept = folder.exists()
        if kept:
            folder.rename(before)
        folder.mkdir()
        subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "small", folder], check=True)
        mounted.append(folder)
        if kept:
            subprocess.run(["cp", "-a", f"{before}/.", folder], check=True)
            shutil.rmtree(before)

    @property
    def ballast(self):
        return self.folder / "ballast"

    def fill(self, leave=0):
        """Leaves `leave` bytes, in whole pages."""
        with open(self.ballast, "ab", buffering=0) as file:
            piece = CHUNK
            while piece:
                try:
                    if file.write(b"x" * piece) < piece:
                        piece //= 2
                except OSError as error:
                    want(error.errno == errno.ENOSPC, f"found {error}, want the disk full")
                    piece //= 2
            if leave:
                file.truncate(max(0, file.tell() - leave))
        self.ballast.chmod(0o600)

    def free(self):
        self.ballast.unlink()

    def resize(self, size):
        subprocess.run(["mount", "-o", f"remount,size={size}", self.folder], check=True)
