#!/usr/bin/env python3
"""The engine of ./test: finds what there is to test, builds it, runs it, counts it.

Sources of tests, by the first word of their names:
  unit/LAYER/Suite.Case    the gtest programs listed in build/dev/unit-tests.txt: a layer's, and those of tests/integration and
                           tests/crash, which are about several layers together
  asan/LAYER/Suite.Case    the same of ground and cores under AddressSanitizer and UndefinedBehaviorSanitizer (build/asan)
  fuzz/NAME, asan/fuzz/NAME   the fuzz targets, replaying fuzz/corpus/NAME/
  FOLDER/FILE/case         scripts under tests/: test_*.py anywhere and every *.py of tests/e2e

A script is run as `/usr/bin/python3 FILE --build BUILD_DIR` and prints one line per case, `ok NAME`, `FAIL NAME: reason` or
`skip NAME: what is missing`; its exit status must agree. A comment among its first 20 lines may say how it is run:
  # test: needs=tree       needs no build (otherwise `dev`, or `release`)
  # test: deadline=600     seconds until it is killed with all its children (otherwise 300)
  # test: long             only with --long (SALLYPORT_LONG=1 is then in the environment of every script)
  # test: heavy            whole fleets: at most one other runs at the same time, a heavy one
  # test: alone            nothing else runs at the same time
It gets a temporary folder of its own as TMPDIR, and must leave no process behind.
"""
import argparse
import os
import pathlib
import signal
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent))

from testing import build, process, report, sources  # noqa: E402
from testing.schedule import run_all  # noqa: E402

HEAVY_JOBS = 2


def arguments():
    parser = argparse.ArgumentParser(prog="./test", description="Installs what is missing, builds, runs every test.",
                                     epilog="A NAME selects the tests whose names contain it (^NAME: begin with it): ./test pki, ./test ^fuzz/")
    parser.add_argument("names", nargs="*", metavar="NAME")
    parser.add_argument("--long", action="store_true", help="also the tests that take long")
    parser.add_argument("--list", action="store_true", help="print the names of the tests, build and run nothing")
    parser.add_argument("--no-install", action="store_true", help="install no packages")
    parser.add_argument("--jobs", type=int, default=3, help="tests at a time (3)")
    return parser.parse_args()


def interrupt(number, _):
    raise KeyboardInterrupt(f"signal {number}")


def run_planned(root, planned, wanted, screen, options):
    """Builds and runs: what the sanitizers watch is built beside the other tests, and what must not be disturbed runs last."""
    environment = os.environ | {"SALLYPORT_LONG": "1" if options.long else "0"}
    first, later = planned.presets()
    try:
        built = build.build(root, planned, first, screen)
        rest = build.Background(root, planned, later, screen)
        scripts = sources.script_runs(root, planned, built, wanted)
        programs = [run for preset in built if preset != "release" for run in sources.program_runs(root, planned, preset, wanted, screen)]
        run_all([*programs, *(run for run in scripts if not run.heavy and not run.alone)], screen, options.jobs, environment)
        programs = [run for preset in rest.wait() for run in sources.program_runs(root, planned, preset, wanted, screen)]
        run_all(programs, screen, options.jobs, environment)
        run_all([run for run in scripts if run.heavy], screen, min(HEAVY_JOBS, options.jobs), environment)
        run_all([run for run in scripts if run.alone], screen, 1, environment)
    except BaseException:
        process.stop()
        raise


def main():
    options = arguments()
    root = pathlib.Path(__file__).resolve().parent.parent
    os.chdir(root)
    wanted = sources.Selection(options.names)
    planned = sources.plan(root, wanted, options.long)
    if options.list:
        signal.signal(signal.SIGPIPE, signal.SIG_DFL)
        for name in planned.names():
            print(name)
        return 0
    screen = report.Screen()
    if planned.is_empty():
        print(f"no test matches {' '.join(options.names)!r}; ./test --list prints all names", file=sys.stderr)
        screen.close()
        return 1
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    run_planned(root, planned, wanted, screen, options)
    return screen.close()


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted: what was running has been ended", file=sys.stderr)
        sys.exit(130)
