#!/usr/bin/env python3
"""Prints the layer table of cmake/Layers.cmake as Graphviz (an edge that follows from others is left out), or, with --table, as
the rows that ARCHITECTURE.md has; --write puts those rows there."""
import signal
import sys

import layer_table

TABLE_HEAD = "| layer | may include |\n|---|---|\n"
GROUPS = ("services", "adapters", "cores", "ground")


def reachable(layers):
    below = {}
    for layer in layers:  # the table is in dependency order
        below[layer.name] = set(layer.deps).union(*(below[dep] for dep in layer.deps))
    return below


def table_rows(layers):
    return [f"| {layer.name} | {' '.join(layer.deps) or '–'} |" for layer in layers]


def write_rows(rows, document=layer_table.ROOT / "ARCHITECTURE.md"):
    head, _, rest = document.read_text(encoding="utf-8").partition(TABLE_HEAD)
    tail = rest.partition("\n\n")[2]
    document.write_text(head + TABLE_HEAD + "\n".join(rows) + "\n\n" + tail, encoding="utf-8")


def main():
    signal.signal(signal.SIGPIPE, signal.SIG_DFL)
    layers = layer_table.read()
    if "--table" in sys.argv:
        print("\n".join(table_rows(layers)))
        return
    if "--write" in sys.argv:
        write_rows(table_rows(layers))
        return
    below = reachable(layers)
    print("digraph layers {\n  rankdir=TB; node [shape=box, fontname=\"sans-serif\", style=rounded];")
    for group in GROUPS:
        names = " ".join(f"{layer.name};" for layer in layers if layer.group == group)
        print(f"  subgraph cluster_{group} {{ label={group}; {names} }}")
    for layer in layers:
        for dep in layer.deps:
            if not any(dep in below[other] for other in layer.deps if other != dep):
                print(f"  {layer.name} -> {dep};")
    print("}")


if __name__ == "__main__":
    main()
