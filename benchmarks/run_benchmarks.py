"""The engine of ./bench: builds the release preset, runs the entries asked for, prints a table or JSON lines."""
import argparse
import os
import pathlib
import shlex
import signal
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
sys.path[:0] = [str(ROOT / "benchmarks"), str(ROOT / "tools" / "demo")]

import bench_control  # noqa: E402
import bench_issue  # noqa: E402
import bench_relay  # noqa: E402
import bench_rpc  # noqa: E402
import bench_soak  # noqa: E402
import bench_status  # noqa: E402
import bench_verify  # noqa: E402
import installation  # noqa: E402
import measure  # noqa: E402

ENTRIES = {"relay": bench_relay.run, "handshake": bench_control.handshakes, "devices": bench_control.devices, "storm": bench_control.storms,
           "status": bench_status.run, "issue": bench_issue.run, "verify": bench_verify.run, "rpc": bench_rpc.run, "soak": bench_soak.run}
BY_NAME_ALONE = ("soak",)
PRESET = "release"
TARGETS = ["sallyport", "sallyport-agent", "benchmarks", "fleet"]
MEMORY_PER_COMPILER = 1_200_000_000
TAIL_LINES = 40


def arguments():
    parser = argparse.ArgumentParser(prog="./bench", description="Measures this program and its rivals in turns on this machine.",
                                     epilog="Exit status: 0 measured (whether or not goals hold), 1 a measurement failed, 2 wrong usage.")
    parser.add_argument("names", nargs="*", metavar="NAME", help="entries to run; all but soak without one: " + ", ".join(ENTRIES))
    parser.add_argument("--json", action="store_true", help="one line of JSON per metric and rival")
    parser.add_argument("--runs", type=int, default=None, metavar="N", help="runs of each side, of which the medians are compared (5)")
    parser.add_argument("--quick", action="store_true", help="one short run: shows that it works, its figures mean little")
    parser.add_argument("--minutes", type=float, default=None, metavar="N", help="how long soak goes on (60)")
    parser.add_argument("--list", action="store_true", help="print the names of the entries, measure nothing")
    parser.add_argument("--no-install", action="store_true", help="install no packages")
    parser.add_argument("--build", type=pathlib.Path, metavar="FOLDER", help="measure what is built there, build nothing")
    options = parser.parse_args()
    unknown = [name for name in options.names if name not in ENTRIES]
    if unknown:
        parser.error(f"no entry {unknown[0]!r}; there are {', '.join(ENTRIES)}")
    if options.runs is None:
        options.runs = 1 if options.quick else 5
    if options.runs < 1:
        parser.error("--runs: want 1 or more")
    return options


def progress(text):
    if sys.stderr.isatty():
        print(f"\r\033[K{text}", end="" if text else "", file=sys.stderr, flush=True)


def build():
    """SALLYPORT_BUILD_PREFIX is put before every build command, as for ./test."""
    prefix = shlex.split(os.environ.get("SALLYPORT_BUILD_PREFIX", ""))
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    jobs = max(1, min(os.cpu_count() or 1, pages * page // MEMORY_PER_COMPILER))
    for command in (["cmake", "--preset", PRESET, "-DSALLYPORT_BENCH=ON"], ["ninja", "-C", f"build/{PRESET}", f"-j{jobs}", *TARGETS]):
        progress("building")
        done = subprocess.run(prefix + command, cwd=ROOT, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, errors="replace", check=False)
        if done.returncode != 0:
            raise measure.Failed("`" + " ".join(command) + "` failed:\n" + "\n".join(done.stdout.splitlines()[-TAIL_LINES:]))
    return ROOT / "build" / PRESET


def interrupt(number, _):
    raise KeyboardInterrupt(f"signal {number}")


def run(options):
    programs = options.build.resolve() if options.build else build()
    lines = []
    for name in options.names or [name for name in ENTRIES if name not in BY_NAME_ALONE]:
        with tempfile.TemporaryDirectory(prefix="sallyport-bench-") as folder:
            # Roles and rivals that are not root must be able to go through.
            os.chmod(folder, 0o711)
            for line in ENTRIES[name](programs, pathlib.Path(folder), options):
                lines.append(line)
                if options.json:
                    print(measure.as_json(line), flush=True)
    progress("")
    if not options.json:
        print(measure.table(lines))


def main():
    options = arguments()
    options.progress = progress
    if options.list:
        print("\n".join(ENTRIES))
        return 0
    signal.signal(signal.SIGTERM, interrupt)
    signal.signal(signal.SIGHUP, interrupt)
    try:
        run(options)
    except (measure.Failed, installation.Failed) as failure:
        progress("")
        print(f"bench: {failure}", file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        print("\ninterrupted: what was running has been ended", file=sys.stderr)
        sys.exit(130)
