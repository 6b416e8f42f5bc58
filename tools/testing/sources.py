"""What there is to test: a plan read from the sources, and runs of what was built from it."""
import dataclasses
import pathlib
import re
import shlex
import subprocess

GTEST = re.compile(r"^\s*(?:TYPED_)?TEST(?:_F|_P)?\(\s*(\w+)\s*,\s*(\w+)\s*\)", re.MULTILINE)
SCRIPT_OPTION = re.compile(r"^# test:(.*)$", re.MULTILINE)
SANITIZED_LAYERS = ("base", "codec", "crypto", "pki", "records", "tunnel", "sealed", "telemetry")
UNIT_DEADLINE = 300.0
TOGETHER_DEADLINE = 900.0  # of a program below tests/, which is about several layers together
LONG_TOGETHER_DEADLINE = 3600.0
REPLAY_DEADLINE = 120.0
SCRIPT_DEADLINE = 300.0


class Selection:
    """Which names are wanted: all, or those that contain one of the given strings (`^text`: begin with it)."""

    def __init__(self, parts):
        self.parts = list(parts)

    def has(self, name):
        return not self.parts or any(name.startswith(part[1:]) if part.startswith("^") else part in name
                                     for part in self.parts)


@dataclasses.dataclass
class Script:
    path: pathlib.Path
    name: str  # without the case: e2e/demo
    needs: str = "dev"
    deadline: float = SCRIPT_DEADLINE
    long: bool = False
    heavy: bool = False
    alone: bool = False

    def applies_to(self, wanted):
        """A filter that names a case instead of the script finds it in the script's text."""
        if wanted.has(self.name + "/"):
            return True
        tails = [part.removeprefix(self.name + "/") for part in wanted.parts]
        text = self.path.read_text(encoding="utf-8")
        return any(tail in text for tail in tails if len(tail) > 3 and "/" not in tail)


@dataclasses.dataclass
class Plan:
    units: dict  # preset -> {layer: [names of cases as the sources have them]}
    fuzz: dict  # preset -> [target]
    scripts: list
    is_filtered: bool = False
    is_long: bool = False

    def presets(self):
        """Those to be built before anything runs, and those to be built while these tests run."""
        from_programs = [preset for preset in ("dev", "asan") if self.units[preset] or self.fuzz[preset]]
        from_scripts = [script.needs for script in self.scripts if script.needs != "tree"]
        wanted = list(dict.fromkeys(from_programs + from_scripts))
        if wanted == ["asan"]:
            return wanted, []
        return [preset for preset in wanted if preset != "asan"], [preset for preset in wanted if preset == "asan"]

    def is_empty(self):
        return not (self.scripts or any(self.units.values()) or any(self.fuzz.values()))

    def names(self):
        for preset in ("dev", "asan"):
            for layer, cases in self.units[preset].items():
                yield from (unit_name(preset, layer, case) for case in cases)
            yield from (fuzz_name(preset, target) for target in self.fuzz[preset])
        yield from (script.name for script in self.scripts)


@dataclasses.dataclass
class Run:
    """One process to start. `kind` says how its output is counted."""
    kind: str  # gtest, replay or script
    name: str
    command: list
    deadline: float
    cases: list = dataclasses.field(default_factory=list)  # gtest: those to run; empty means all
    heavy: bool = False
    alone: bool = False
    wanted: Selection = None


def unit_name(preset, layer, case):
    return f"{'asan' if preset == 'asan' else 'unit'}/{layer}/{case}"


def fuzz_name(preset, target):
    return f"{'asan/' if preset == 'asan' else ''}fuzz/{target}"


def read_script(root, path):
    script = Script(path, str(path.relative_to(root / "tests").with_suffix("")))
    head = "\n".join(path.read_text(encoding="utf-8").splitlines()[:20])
    for option in SCRIPT_OPTION.findall(head):
        for word in shlex.split(option):
            key, _, value = word.partition("=")
            if key == "needs" and value in ("tree", "dev", "release"):
                script.needs = value
            elif key == "deadline":
                script.deadline = float(value)
            elif key in ("long", "heavy", "alone") and not value:
                setattr(script, key, True)
            else:
                raise SystemExit(f"{path}: '# test: {word}': want needs=tree|dev|release, deadline=SECONDS, long, heavy or alone")
    return script


def plan(root, wanted, long):
    units = {"dev": {}, "asan": {}}
    fuzz = {"dev": [], "asan": []}
    # A folder below tests/ whose CMakeLists.txt makes a program FOLDER_test counts as a layer of that name.
    layers = sorted(folder for folder in (root / "src").iterdir() if folder.is_dir()) if (root / "src").is_dir() else []
    layers += sorted(file.parent for file in (root / "tests").glob("*/CMakeLists.txt"))
    for folder in layers:
        texts = [path.read_text(encoding="utf-8") for path in sorted(folder.rglob("*_test.cc"))]
        cases = [".".join(match) for text in texts for match in GTEST.findall(text)]
        for preset in ("dev", "asan"):
            if preset == "asan" and folder.name not in SANITIZED_LAYERS:
                continue
            chosen = [case for case in cases if wanted.has(unit_name(preset, folder.name, case))]
            if chosen:
                units[preset][folder.name] = chosen
    for source in sorted((root / "fuzz").glob("*.cc")):
        layer = source.stem.partition("_")[0]
        if source.stem == "replay_main" or not any((root / "src" / layer).glob("*.cc")):
            continue
        for preset in ("dev", "asan"):
            if wanted.has(fuzz_name(preset, source.stem)) and (preset == "dev" or layer in SANITIZED_LAYERS):
                fuzz[preset].append(source.stem)
    paths = set((root / "tests").rglob("test_*.py")) | set((root / "tests" / "e2e").glob("*.py"))
    scripts = [read_script(root, path) for path in sorted(paths) if path.name != "__init__.py"]
    scripts = [script for script in scripts if (long or not script.long or script.name in wanted.parts)
               and script.applies_to(wanted)]
    return Plan(units, fuzz, scripts, bool(wanted.parts), long)


def cases_in(program):
    """Names of all cases of a gtest program, as it lists them itself."""
    listing = subprocess.run([program, "--gtest_list_tests"], capture_output=True, text=True, timeout=60, check=True,
                             stdin=subprocess.DEVNULL)
    suite, cases = "", []
    for line in listing.stdout.splitlines():
        text = line.split("#")[0].rstrip()
        if text.endswith(".") and not line.startswith(" "):
            suite = text
        elif line.startswith("  ") and suite:
            cases.append(suite + text.strip())
    return cases


def deadline_of(root, layer, long):
    if (root / "src" / layer).is_dir():
        return UNIT_DEADLINE
    return LONG_TOGETHER_DEADLINE if long else TOGETHER_DEADLINE


def configured(root, preset, name):
    """The targets that CMake wrote down when it configured a preset."""
    path = root / "build" / preset / name
    return set(path.read_text(encoding="utf-8").split()) if path.exists() else set()


def program_runs(root, planned, preset, wanted, screen):
    """The unit tests and fuzz targets of a preset that was built."""
    found = []
    folder = root / "build" / preset
    programs = configured(root, preset, "unit-tests.txt")
    for layer in planned.units[preset]:
        program = folder / f"{layer}_test"
        if program.name not in programs:
            screen.failed(unit_name(preset, layer, "built"), f"CMake has no target {program.name}: a layer with tests "
                          "but without a source of its own")
            continue
        cases = [case for case in cases_in(program) if wanted.has(unit_name(preset, layer, case))]
        found.append(Run("gtest", unit_name(preset, layer, ""), [str(program)], deadline_of(root, layer, planned.is_long), cases,
                         wanted=wanted))
    for target in planned.fuzz[preset]:
        corpus = root / "fuzz" / "corpus" / target
        found.append(Run("replay", fuzz_name(preset, target), [str(folder / "fuzz" / f"fuzz_{target}"), str(corpus)],
                         REPLAY_DEADLINE))
    return found


def script_runs(root, planned, built, wanted):
    """The scripts whose preset was built."""
    found = []
    for script in planned.scripts:
        if script.needs != "tree" and script.needs not in built:
            continue
        build = root / "build" / ("dev" if script.needs == "tree" else script.needs)
        found.append(Run("script", script.name + "/", ["/usr/bin/python3", str(script.path), "--build", str(build)],
                         script.deadline, heavy=script.heavy, alone=script.alone, wanted=wanted))
    return found
