"""What a program must do with bad input: end with the status that docs/operate says, say one sentence, change nothing."""
import contextlib
import hashlib
import pathlib
import re
import subprocess

from cases import want

FAILED, USAGE, STATE, REFUSED, UNREACHABLE = 1, 2, 3, 4, 5
LIMIT_SECONDS = 60
LOG_LINE = re.compile(r"^\d{4}-\d\d-\d\dT[\d:.]+Z (info|debug) ")
# Locks, and what only exists while a program runs.
PASSING = re.compile(r"(^|/)(lock|run/.*|.*\.lock|.*-shm|.*-wal)$")


def refused(status, words, *command):
    """Runs `command`; its one sentence on standard error, which is returned, must hold each of `words`."""
    command = [str(word) for word in command]
    what = " ".join(pathlib.Path(word).name for word in command[:6])
    done = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=LIMIT_SECONDS, check=False, start_new_session=True)
    lines = [line for line in done.stderr.splitlines() if not LOG_LINE.match(line)]
    want(done.returncode == status, f"{what}: found exit {done.returncode}: {done.stderr[-300:]}, want {status}")
    want(len(lines) == 1 and re.match(r"sallyport(-agent)?: \S", lines[0]), f"{what}: found {lines}, want one sentence")
    for word in [words] if isinstance(words, str) else words:
        want(word in lines[0], f"{what}: found {lines[0]!r}, want {word!r} in it")
    return lines[0]


def digests(*folders):
    found = {}
    for folder in folders:
        for file in sorted(pathlib.Path(folder).rglob("*")):
            if file.is_file() and not PASSING.search(str(file.relative_to(folder))):
                found[str(file)] = hashlib.sha256(file.read_bytes()).hexdigest()
    return found


@contextlib.contextmanager
def unchanged(*folders):
    """Every file below the folders is the same afterwards, byte by byte, and there is none more."""
    before = digests(*folders)
    yield
    after = digests(*folders)
    other = sorted(name for name in before.keys() | after.keys() if before.get(name) != after.get(name))
    want(not other, f"found {other} changed, want every file as it was")


@contextlib.contextmanager
def edited(file, old, new):
    """`file` with `old` replaced, once; as it was afterwards."""
    text = file.read_text()
    want(text.count(old) == 1, f"found {text.count(old)} of {old!r} in {file}, want one")
    file.write_text(text.replace(old, new))
    try:
        yield text[:text.index(old)].count("\n") + 1
    finally:
        file.write_text(text)
