"""Programs that live by another clock than the machine's, which is never set: libfaketime, loaded into them alone. What
they measure by the monotonic clock stays as it is.
"""
import contextlib
import glob
import os
import pathlib

import cases


def shifted(offset):
    """The surroundings of a program whose clock is off by `offset`: "-95d", "+3600"."""
    return surroundings(FAKETIME=str(offset))


def told_by(file):
    """The surroundings of a program whose clock is what the file says at that moment: "+60", "@1970-01-02 00:00:00"."""
    return surroundings(FAKETIME_TIMESTAMP_FILE=str(file), FAKETIME_NO_CACHE="1")


def surroundings(**clock):
    found = glob.glob("/usr/lib/*/faketime/libfaketimeMT.so.1")
    if not found:
        raise cases.Missing("libfaketimeMT.so.1, of the package faketime")
    return {"LD_PRELOAD": found[0], "FAKETIME_DONT_FAKE_MONOTONIC": "1", "FAKETIME_DISABLE_SHM": "1", **clock}


@contextlib.contextmanager
def for_what_starts_here(given):
    os.environ.update(given)
    try:
        yield
    finally:
        for name in given:
            os.environ.pop(name)


def command(file, program, given):
    """Writes a command that becomes `program` in those surroundings: nothing stands between it and who started it."""
    words = " ".join(f"'{name}={value}'" for name, value in given.items())
    pathlib.Path(file).write_text(f'#!/bin/sh\nexec env {words} {pathlib.Path(program).resolve()} "$@"\n')
    pathlib.Path(file).chmod(0o755)
    return str(file)
