"""Reads the layer table out of cmake/Layers.cmake, for the graph and for checks."""
import dataclasses
import pathlib
import re

ROOT = pathlib.Path(__file__).resolve().parent.parent
KEYWORDS = ("DEPS", "EXPOSES", "EXTERNAL", "EXTERNAL_PUBLIC")


@dataclasses.dataclass
class Layer:
    name: str
    group: str  # ground, cores, adapters or services: the comment line above it
    deps: list
    exposes: list


def read(path=ROOT / "cmake" / "Layers.cmake"):
    text = path.read_text(encoding="utf-8")
    group, layers = "", []
    for match in re.finditer(r"^# (ground|cores|adapters|services)\b|^layer\(([^)]*)\)", text, re.MULTILINE):
        if match.group(1):
            group = match.group(1)
            continue
        words = match.group(2).split()
        parts, key = {word: [] for word in KEYWORDS}, None
        for word in words[1:]:
            if word in KEYWORDS:
                key = word
            else:
                parts[key].append(word)
        layers.append(Layer(words[0], group, parts["DEPS"], parts["EXPOSES"]))
    if not layers:
        raise SystemExit(f"{path}: found no layer(…) line")
    return layers
