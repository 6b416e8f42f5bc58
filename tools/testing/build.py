"""Configures and builds what a plan needs, and nothing else when only some tests are wanted."""
import os
import shlex
import subprocess
import threading

from . import process, sources

TAIL_LINES = 60
MEMORY_PER_COMPILER = 1_200_000_000  # bytes; a file with Beast in it takes that much


def compile_jobs():
    pages, page = os.sysconf("SC_PHYS_PAGES"), os.sysconf("SC_PAGE_SIZE")
    return max(1, min(os.cpu_count() or 1, pages * page // MEMORY_PER_COMPILER))


def prefix():
    """SALLYPORT_BUILD_PREFIX is put before every build command: `nice -n 10`, or a lock where several share a machine."""
    return shlex.split(os.environ.get("SALLYPORT_BUILD_PREFIX", ""))


def targets_of(root, preset, planned, everything):
    """The ninja targets of a preset; an empty list stands for all."""
    if preset == "release":
        return []
    if everything:
        return ["ground_and_cores_tests"] if preset == "asan" else []
    if any(script.needs == preset for script in planned.scripts):
        return []
    wanted = ([f"{layer}_test" for layer in planned.units.get(preset, {})] +
              [f"fuzz_{target}" for target in planned.fuzz.get(preset, [])])
    known = sources.configured(root, preset, "unit-tests.txt") | sources.configured(root, preset, "fuzz-targets.txt")
    return [target for target in wanted if target in known]


def step(command, root, screen, name):
    screen.progress(name)
    screen.note(f"---- {name}")
    outcome = process.run(prefix() + command, None, dict(os.environ), folder=root)
    if outcome.status != 0:
        screen.failed(name, f"`{' '.join(command)}` ended with {outcome.status}", outcome.tail(TAIL_LINES))
    return outcome.status == 0


def build(root, planned, presets, screen, background=False):
    """Returns which of the presets were built whole; a failed one is counted as a failed test."""
    polite = ["nice", "-n", "19"] if background else []
    built = []
    for preset in presets:
        if not step(["cmake", "--preset", preset], root, screen, f"configure/{preset}"):
            continue
        targets = targets_of(root, preset, planned, everything=not planned.is_filtered)
        command = [*polite, "ninja", "-C", f"build/{preset}", f"-j{compile_jobs()}", *targets]
        if step(command, root, screen, f"build/{preset}"):
            built.append(preset)
    return built


class Background:
    """Builds presets while tests of the others run, with the time that these leave over."""

    def __init__(self, root, planned, presets, screen):
        self.built = []
        self.error = None
        self.thread = threading.Thread(target=self._build, args=(root, planned, presets, screen), daemon=True)
        self.thread.start()

    def _build(self, *what):
        try:
            self.built = build(*what, background=True)
        except BaseException as error:  # pylint: disable=broad-except  # carried to whoever waits
            self.error = error

    def wait(self):
        """Which presets were built whole."""
        self.thread.join()
        if self.error:
            raise self.error
        return self.built
