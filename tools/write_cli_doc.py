#!/usr/bin/python3
"""Writes the command references of docs/operate/ out of the programs' own --help.

Run as: write_cli_doc.py --program build/dev/apps/sallyport --program build/dev/apps/sallyport-agent; everything before the
marker line of a file is kept.
"""
import argparse
import pathlib
import re
import subprocess

MARKER = "<!-- below: written by tools/write_cli_doc.py -->\n"
OPERATE = pathlib.Path(__file__).resolve().parent.parent / "docs" / "operate"
DOCUMENTS = {"sallyport": OPERATE / "cli.md", "sallyport-agent": OPERATE / "agent-cli.md"}


def help_of(program, words):
    return subprocess.run([program, *words, "--help"], stdout=subprocess.PIPE, text=True, check=True, timeout=20).stdout


def commands(program, words=()):
    """Yields (words, help text) of every command that has none below it, in the order of the help."""
    text = help_of(program, words)
    block = re.search(r"^Subcommands:\n((?:  .*\n)+)", text, re.M)
    if block is None:
        yield words, text
        return
    for line in block.group(1).splitlines():
        found = re.match(r"  (\S+)", line)
        if found:
            yield from commands(program, (*words, found.group(1)))


def section(name, words, text):
    summary = text.splitlines()[0]
    options = re.search(r"^Options:\n((?:  .*\n)+)", text, re.M).group(1)
    positionals = re.search(r"^Positionals:\n((?:  .*\n)+)", text, re.M)
    listed = (positionals.group(1) if positionals else "") + "".join(
        line + "\n" for line in options.splitlines() if "-h,--help" not in line)
    example = text.split("Example:\n", 1)[1].strip() if "Example:\n" in text else ""
    out = "\n### %s %s\n\n%s.\n" % (name, " ".join(words), summary[0].upper() + summary[1:])
    if listed:
        out += "\n```\n%s```\n" % listed
    if example:
        out += "\nExample: `%s`\n" % example
    return out


def document_of(program):
    return DOCUMENTS[pathlib.Path(program).name]


def written_of(program):
    """The whole document as it should be."""
    kept = document_of(program).read_text().split(MARKER)[0]
    return kept + MARKER + "".join(section(pathlib.Path(program).name, *each) for each in commands(program))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--program", required=True, action="append")
    for program in parser.parse_args().program:
        document_of(program).write_text(written_of(program))


if __name__ == "__main__":
    main()
