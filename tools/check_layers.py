#!/usr/bin/env python3
"""Fails, with file and line, on an include that the layer table does not allow.

The include roots made by cmake/Layers.cmake already hide layers that are not declared at all; this check closes what they
cannot: an edge that is visible only because a layer in between exposes it, and a foreign header outside its one adapter.
"""
import argparse
import pathlib
import re
import sys

INCLUDE = re.compile(r'^\s*#\s*(?:include|include_next|import)\s*(["<])([^">]+)[">]')
COMPUTED = re.compile(r'^\s*#\s*(?:include|include_next|import)\s*[^"<\s]')

# Headers from outside that belong to one layer (or a few), by prefix.
OWNED = {
    "openssl/": {"crypto"},
    "boost/json": {"codec"},
    "boost/asio": {"net", "http"},
    "boost/beast": {"http"},
    "sqlite3.h": {"store"},
    "toml++/": {"config"},
    "argon2.h": {"console"},
    "seccomp.h": {"signer"},
    "spdlog/": {"base"},
    "CLI/": {"apps"},
}


def findings(layer, allowed, folder):
    layers = {sibling.name for sibling in folder.resolve().parent.iterdir() if sibling.is_dir()}
    for path in sorted(folder.rglob("*")):
        if path.suffix not in (".h", ".cc"):
            continue
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            match = INCLUDE.match(line)
            if not match:
                if COMPUTED.match(line):
                    yield f"{path}:{number}: an include must name its file: {line.strip()}"
                continue
            quote, target = match.groups()
            for prefix, owners in OWNED.items():
                if target.startswith(prefix) and layer not in owners:
                    yield f"{path}:{number}: {layer} includes <{target}>, which belongs to {' and '.join(sorted(owners))}"
            top, _, rest = target.partition("/")
            if quote != '"' and top not in layers:
                continue
            if not rest:
                yield f"{path}:{number}: \"{target}\": write the layer too, as \"{layer}/{target}\""
            elif top != layer and top not in allowed:
                yield (f"{path}:{number}: layer '{layer}' may not include '{target}' "
                       f"(allowed: {' '.join(sorted(allowed)) or 'nothing'})")
            elif top != layer and rest.startswith("detail/"):
                yield f"{path}:{number}: '{target}' is private to layer '{top}'"


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--layer", required=True)
    parser.add_argument("--may-include", default="")
    parser.add_argument("--folder", type=pathlib.Path, required=True)
    parser.add_argument("--stamp", type=pathlib.Path)
    arguments = parser.parse_args()
    allowed = {name for name in arguments.may_include.split(",") if name}
    found = list(findings(arguments.layer, allowed, arguments.folder))
    for finding in found:
        print(finding, file=sys.stderr)
    if found:
        return 1
    if arguments.stamp:
        arguments.stamp.parent.mkdir(parents=True, exist_ok=True)
        arguments.stamp.touch()
    return 0


if __name__ == "__main__":
    sys.exit(main())
