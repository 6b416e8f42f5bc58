"""The line protocol between a test script and ./test: `ok NAME`, `FAIL NAME: reason`, `skip NAME: what is missing`.

A script defines functions named check_… (the rest of the name, with dashes, is the case) and ends with
`sys.exit(cases.run(globals(), build=…))`. A case fails by raising; cases.Missing skips it.
"""
import argparse
import pathlib
import traceback

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


class Failed(Exception):
    """A case found something else than it wanted. The text is one line: found x, want y."""


class Missing(Exception):
    """What the case needs is not on this machine."""


def arguments():
    parser = argparse.ArgumentParser()
    parser.add_argument("--build", type=pathlib.Path, default=ROOT / "build" / "dev", help="the build folder to test")
    return parser.parse_args()


def want(condition, text):
    if not condition:
        raise Failed(text)


def carries_the_rest(function):
    """Marks a case without which the later ones of its script mean nothing: when it does not pass, they share its fate
    unrun."""
    function.carries_the_rest = True
    return function


def run(namespace, *given):
    """Runs the check_… functions in the order of the file, each with the given arguments. Returns the exit status."""
    status = 0
    broken = None  # the line that the rest shares
    for name, function in list(namespace.items()):
        if not name.startswith("check_") or not callable(function):
            continue
        case = name.removeprefix("check_").replace("_", "-")
        carries = getattr(function, "carries_the_rest", False)
        if broken:
            verdict, reason = broken
            print(f"{verdict} {case}: {reason}", flush=True)
            continue
        try:
            function(*given)
            print(f"ok {case}", flush=True)
            continue
        except Missing as missing:
            print(f"skip {case}: {missing}", flush=True)
            broken = ("skip", str(missing)) if carries else None
            continue
        except Failed as failure:
            first, _, rest = str(failure).partition("\n")
            print(f"FAIL {case}: {first}", flush=True)
            if rest:
                print(rest, flush=True)
        except Exception as error:
            traceback.print_exc()
            print(f"FAIL {case}: {type(error).__name__}: {' '.join(str(error).split())[:2000]}", flush=True)
        status = 1
        broken = ("FAIL", f"not run: {case} failed") if carries else None
    return status
