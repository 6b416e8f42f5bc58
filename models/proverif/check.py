#!/usr/bin/env python3
"""Checks the models of this folder: each file, each MUTANT that it names, against the verdicts written in it.

    models/proverif/check.py            needs proverif (https://proverif.inria.fr) on the PATH; some minutes

`false` in a file is met by ProVerif's "is false" and by its "cannot be proved": what must fail is not proved. `true` is met by "is true" alone.
"""
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

FOLDER = pathlib.Path(__file__).resolve().parent
ROW = re.compile(r"^\s*MUTANT (\d+) ((?: *(?:true|false))+)\s*$", re.MULTILINE)
VERDICT = re.compile(r"^RESULT .*?(is true|is false|cannot be proved)", re.MULTILINE)
SECONDS = 1_800


def expected(text):
    """The table of a file: mutant to the verdicts of its queries, in their order."""
    return {int(number): verdicts.split() for number, verdicts in ROW.findall(text)}


def variant(text, mutant):
    """The text with its #if lines followed, as cpp does, every line in its place."""
    out, taken = [], []
    for line in text.splitlines():
        directive = re.match(r"#(if|else|endif)\b(.*)", line)
        if not directive:
            out.append(line if all(taken) else "")
            continue
        word, condition = directive.groups()
        if word == "if":
            if not re.fullmatch(r"\s*MUTANT [!=]= \d+(?: (?:&&|\|\|) MUTANT [!=]= \d+)*\s*", condition):
                raise ValueError(f"found #if{condition}, want comparisons of MUTANT")
            holds = [any(all(compare(one, mutant) for one in part.split("&&")) for part in condition.split("||"))]
            taken += holds
        elif word == "else":
            taken[-1] = not taken[-1]
        else:
            taken.pop()
        out.append("")
    if taken:
        raise ValueError("found an #if without its end")
    return "\n".join(out) + "\n"


def compare(text, mutant):
    equal, number = re.search(r"MUTANT ([!=]=) (\d+)", text).groups()
    return (int(number) == mutant) == (equal == "==")


def verdicts_of(text):
    with tempfile.TemporaryDirectory() as folder:
        file = pathlib.Path(folder) / "model.pv"
        file.write_text(text)
        done = subprocess.run(["proverif", str(file)], capture_output=True, text=True, timeout=SECONDS, check=False)
    if done.returncode:
        raise SystemExit(done.stdout[-2_000:] + done.stderr[-2_000:])
    return ["true" if found == "is true" else "false" for found in VERDICT.findall(done.stdout)]


def main():
    if not shutil.which("proverif"):
        print("proverif is not on the PATH: https://proverif.inria.fr, or `opam install proverif`", file=sys.stderr)
        return 2
    wrong = 0
    for path in sorted(FOLDER.glob("*.pv")):
        text = path.read_text(encoding="utf-8")
        for mutant, wanted in sorted(expected(text).items()):
            found = verdicts_of(variant(text, mutant))
            wrong += found != wanted
            print(f"{'ok' if found == wanted else 'FAIL'} {path.stem} MUTANT {mutant}: {' '.join(found)}"
                  + ("" if found == wanted else f", want {' '.join(wanted)}"), flush=True)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
