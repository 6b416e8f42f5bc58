# test: needs=tree deadline=60
"""What the documents say about the tree is so."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import cases  # noqa: E402

ROOT = cases.ROOT
sys.path.insert(0, str(ROOT / "tools"))
import layer_graph  # noqa: E402
import layer_table  # noqa: E402

LINK = re.compile(r"\[[^\]]*\]\(([^)#\s]+)(?:#[^)]*)?\)")
# Paths in backticks that name what will be built; each must be gone from here once it exists.
PROMISED = {"docs/protocol/tunnel.md", "apps/sallyport/", "apps/sallyport-agent/"}
PATH_IN_BACKTICKS = re.compile(r"`((?:src|apps|web|fuzz|tests|tools|docs|cmake|models|packaging)/[\w./-]+)`")


def documents():
    return sorted(path for path in list(ROOT.glob("*.md")) + list((ROOT / "docs").rglob("*.md")))


def shown(path):
    return str(path.relative_to(ROOT))


def check_links_lead_somewhere():
    wrong = [f"{shown(path)}: {target}" for path in documents() for target in LINK.findall(path.read_text(encoding="utf-8"))
             if "://" not in target and not (path.parent / target).exists()]
    cases.want(not wrong, f"{len(wrong)} dead links\n" + "\n".join("  " + line for line in wrong))


def check_paths_named_exist():
    wrong = [f"{shown(path)}: {name}" for path in documents() for name in PATH_IN_BACKTICKS.findall(path.read_text("utf-8"))
             if name not in PROMISED and not (ROOT / name).exists()]
    cases.want(not wrong, f"{len(wrong)} paths that are not there\n" + "\n".join("  " + line for line in wrong))


def check_layer_table_of_the_architecture_is_the_table_that_is_enforced():
    wanted = layer_graph.table_rows(layer_table.read())
    text = (ROOT / "ARCHITECTURE.md").read_text(encoding="utf-8")
    section = text.split(layer_graph.TABLE_HEAD)[1].split("\n\n")[0].splitlines()
    wrong = [f"has `{row}`" for row in section if row not in wanted] + [f"lacks `{row}`" for row in wanted if row not in section]
    cases.want(not wrong, "ARCHITECTURE.md differs from cmake/Layers.cmake; ./dev graph --write mends it\n" +
               "\n".join("  " + line for line in wrong))


def check_threat_model_names_real_tests():
    """The last cell of a promise is `no test yet`, or names in backticks that ./test --list or a test's text has."""
    listing = subprocess.run([sys.executable, ROOT / "tools" / "run_tests.py", "--list", "--long"], capture_output=True, text=True,
                             check=True, stdin=subprocess.DEVNULL).stdout
    scripts = {shown(path): path.read_text(encoding="utf-8") for path in (ROOT / "tests").rglob("*.py")}
    rows = re.findall(r"^\| (P\d) \|.*\| ([^|]+) \|$", (ROOT / "docs/threat-model.md").read_text("utf-8"), re.MULTILINE)
    cases.want([name for name, _ in rows] == [f"P{number}" for number in range(1, 9)], f"found rows {rows}, want P1 to P8")
    wrong = []
    for promise, cell in rows:
        named = re.findall(r"`([^`]+)`", cell)
        if not named and cell.strip() != "no test yet":
            wrong.append(f"{promise}: found {cell!r}, want `no test yet` or names of tests")
        for name in named:
            script, _, case = name.rpartition("/")
            in_script = (f"tests/{script}.py" in scripts and
                         (case in scripts[f"tests/{script}.py"] or case.replace("-", "_") in scripts[f"tests/{script}.py"]))
            if name not in listing and not in_script:
                wrong.append(f"{promise}: there is no test {name}")
    cases.want(not wrong, f"{len(wrong)} wrong\n" + "\n".join("  " + line for line in wrong))


def check_formats_of_state_folders_are_those_of_the_programs():
    formats = set()
    for path in [*(ROOT / "src").rglob("*.h"), *(ROOT / "src").rglob("*.cc"), *(ROOT / "apps").rglob("*.h"), *(ROOT / "apps").rglob("*.cc")]:
        for kind, version, oldest in re.findall(r'StateFormat k\w+\{\s*\.kind = "(\w+)", \.version = (\d+)(?:, \.oldest = (\d+))?',
                                                path.read_text("utf-8") if not path.name.endswith("_test.cc") else ""):
            formats.add((kind, version, oldest or "1"))
    rows = re.findall(r"^\| (\w+)(?: \(a node\))? \| (\d+) \| (\d+) \|$", (ROOT / "docs/operate/upgrading.md").read_text("utf-8"), re.MULTILINE)
    cases.want(set(rows) == formats and len(rows) == len(formats), f"docs/operate/upgrading.md has {sorted(rows)}, the programs {sorted(formats)}")


def check_decisions_are_numbered_without_gaps():
    names = sorted(path.name for path in (ROOT / "docs" / "adr").glob("*.md"))
    wrong = [f"found {name}, want number {number:04}" for number, name in enumerate(names, 1) if name[:5] != f"{number:04}-"]
    cases.want(not wrong, "; ".join(wrong))


def check_commands_named_exist():
    text = (ROOT / "dev").read_text(encoding="utf-8")
    verbs = set(re.findall(r"^  ([a-z]+(?: \| [^)]+)?)\)$", text, re.MULTILINE))
    used = {(shown(path), verb) for path in documents() for verb in re.findall(r"\./dev ([a-z]+)", path.read_text("utf-8"))}
    wrong = [f"{path}: ./dev {verb}" for path, verb in sorted(used) if not any(verb in known.split(" | ") for known in verbs)]
    cases.want(not wrong, "; ".join(wrong))


if __name__ == "__main__":
    cases.arguments()
    sys.exit(cases.run(globals()))
