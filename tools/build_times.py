#!/usr/bin/env python3
"""Prints the ten outputs that took longest, as ninja's log of a build folder has them."""
import pathlib
import sys

SHOWN = 10


def main():
    log = pathlib.Path(sys.argv[1] if len(sys.argv) > 1 else "build/dev") / ".ninja_log"
    if not log.exists():
        raise SystemExit(f"{log}: nothing was built there")
    took = {}
    for line in log.read_text(encoding="utf-8").splitlines():
        fields = line.split("\t")
        if len(fields) == 5 and fields[3].endswith(".o"):
            took[fields[3]] = int(fields[1]) - int(fields[0])
    for output, milliseconds in sorted(took.items(), key=lambda item: -item[1])[:SHOWN]:
        print(f"{milliseconds / 1000:6.1f} s  {output}")
    print(f"{sum(took.values()) / 1000:6.1f} s  {len(took)} files in all")


if __name__ == "__main__":
    main()
