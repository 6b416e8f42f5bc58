"""Configures and builds what a plan needs, and nothing else when only some tests are wanted."""
import os
import shlex
import subprocess

from . import sources

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
    result = subprocess.run(prefix() + command, cwd=root, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                            stderr=subprocess.STDOUT, text=True, errors="replace", check=False)
    if result.returncode != 0:
        tail = "\n".join(result.stdout.splitlines()[-TAIL_LINES:])
        screen.failed(name, f"`{' '.join(command)}` ended with {result.returncode}", tail)
    return result.returncode == 0


def build(root, planned, screen):
    """Returns the presets that were built whole; a failed one is counted as a failed test."""
    built = []
    for preset in planned.presets():
        if not step(["cmake", "--preset", preset], root, screen, f"configure/{preset}"):
            continue
        targets = targets_of(root, preset, planned, everything=not planned.is_filtered)
        command = ["ninja", "-C", f"build/{preset}", f"-j{compile_jobs()}", *targets]
        if step(command, root, screen, f"build/{preset}"):
            built.append(preset)
    return built
