#!/usr/bin/python3
"""The models of models/: spin looks at every order of events. Each model must hold, and each of its mutants, in which one
thing is broken on purpose, must be found out.
"""
# test: needs=tree deadline=240
import concurrent.futures
import pathlib
import re
import shutil
import subprocess
import sys
import tempfile

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))

import cases  # noqa: E402
from cases import Missing, want  # noqa: E402

MODELS = sorted((ROOT / "models").glob("*.pml"))
MUTANT = re.compile(r"MUTANT [!=]= ([1-9]\d*)")
FOUND = re.compile(r"assertion violated|acceptance cycle")
SECONDS = 120
DEPTH = 100_000


def mutants_of(model):
    return sorted({int(number) for number in MUTANT.findall(model.read_text())})


def search(model, mutant):
    """What spin's verifier says of a model."""
    with tempfile.TemporaryDirectory() as folder:
        compiler = next((one for one in ("clang-19", "cc") if shutil.which(one)), None)
        steps = [["spin", "-a", f"-DMUTANT={mutant}", str(model)], [compiler, "-O1", "-w", "-o", "pan", "pan.c"], ["./pan", "-a", f"-m{DEPTH}"]]
        for step in steps:
            done = subprocess.run(step, cwd=folder, capture_output=True, text=True, timeout=SECONDS, check=False)
            want(done.returncode == 0, f"{step[0]}: found exit {done.returncode}: {(done.stderr or done.stdout)[-300:]}, want 0")
        return done.stdout


def errors_in(said):
    counted = re.search(r"errors: (\d+)", said)
    want(counted, f"found {said[-300:]!r}, want a count of errors")
    want("max search depth too small" not in said and "out of memory" not in said, "found the search cut short, want every state looked at")
    return int(counted.group(1))


def holds(model):
    said = answers(model, 0)
    want(errors_in(said) == 0, f"found {said.splitlines()[0]}, want no error")
    states = re.search(r"(\d+) states, stored", said)
    want(states and int(states.group(1)) > 1_000, f"found {states and states.group(1)} states, want a model that does something")


def is_found(model, mutant):
    said = answers(model, mutant)
    want(errors_in(said) > 0 and FOUND.search(said), f"found no error in mutant {mutant}, want its property to fail")


class Searches:
    """All of them, two at a time."""

    def __init__(self):
        self.pool = concurrent.futures.ThreadPoolExecutor(2)
        self.running = {}

    def begin(self):
        if shutil.which("spin"):
            self.running = {(model, mutant): self.pool.submit(search, model, mutant) for model in MODELS for mutant in (0, *mutants_of(model))}


SEARCHES = Searches()


def answers(model, mutant):
    if not SEARCHES.running:
        raise Missing("spin")
    return SEARCHES.running[model, mutant].result()


def check_every_model_is_described_and_has_mutants():
    described = (ROOT / "models" / "README.md").read_text()
    want(len(MODELS) >= 4, f"found {len(MODELS)} models, want four or more")
    for model in MODELS:
        row = next((line for line in described.splitlines() if f"({model.name})" in line), "")
        for mutant in mutants_of(model):
            want(re.search(rf"(\||·) {mutant} ", row), f"found no word on mutant {mutant} of {model.name} in README.md, want it")
        want(mutants_of(model), f"found no mutant in {model.name}, want one for each property")


for _model in MODELS:
    globals()[f"check_{_model.stem}_holds"] = lambda model=_model: holds(model)
    for _mutant in mutants_of(_model):
        globals()[f"check_{_model.stem}_mutant_{_mutant}_is_found"] = lambda model=_model, mutant=_mutant: is_found(model, mutant)


if __name__ == "__main__":
    SEARCHES.begin()
    sys.exit(cases.run(globals()))
