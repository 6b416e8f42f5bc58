#!/usr/bin/env python3
"""Fails on a lambda that captures and is a coroutine: the captures die with the lambda, the coroutine goes on.

C++ Core Guidelines CP.51. Write a named function whose parameters are taken by value instead; they live in its frame.
"""
import pathlib
import re
import sys

NOISE = re.compile(r'//[^\n]*|/\*.*?\*/|R"(\w*)\(.*?\)\1"|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])+\'', re.DOTALL)
COROUTINE = re.compile(r"\bco_(await|return|yield)\b")
CLOSING = {"(": ")", "{": "}", "[": "]", "<": ">"}


def without_noise(text):
    """Comments and literals blanked out, so that offsets and line numbers stay."""
    return NOISE.sub(lambda match: re.sub(r"[^\n]", " ", match.group(0)), text)


def end_of(text, start):
    """Offset behind the bracket that closes the one at `start`; the end of the text when it is not closed."""
    opening, closing, depth = text[start], CLOSING[text[start]], 0
    for offset in range(start, len(text)):
        if text[offset] == opening:
            depth += 1
        elif text[offset] == closing:
            depth -= 1
            if depth == 0:
                return offset + 1
    return len(text)


def body_of_lambda(text, introducer):
    """(start, end) of the body of the lambda whose '[' is at `introducer`, or None when it is no lambda."""
    before = text[:introducer].rstrip()
    if before and (before[-1].isalnum() or before[-1] in "_)]"):
        if not re.search(r"\b(return|co_return|co_yield|co_await|case)$", before):
            return None  # a subscript
    if text.startswith("[[", introducer):
        return None  # an attribute
    offset = end_of(text, introducer)
    while offset < len(text):
        rest = text[offset:]
        space = re.match(r"\s+|mutable\b|noexcept\b|static\b|constexpr\b", rest)
        trailing = re.match(r"->[\w\s:<>,&*]+?(?=\{)", rest)
        if space or trailing:
            offset += (space or trailing).end()
        elif rest[0] in "(<":
            offset = end_of(text, offset)
        elif rest[0] == "{":
            return offset, end_of(text, offset)
        else:
            return None
    return None


def findings(path):
    text = without_noise(path.read_text(encoding="utf-8"))
    lambdas = []  # (introducer, start, end)
    for match in re.finditer(r"\[", text):
        body = body_of_lambda(text, match.start())
        if body:
            lambdas.append((match.start(), *body))
    for introducer, start, end in lambdas:
        captures = text[introducer + 1:end_of(text, introducer) - 1].strip()
        inner = text[start:end]
        for _, inner_start, inner_end in lambdas:  # what a lambda inside awaits is that lambda's matter
            if start < inner_start and inner_end < end:
                inner = inner.replace(text[inner_start:inner_end], " ")
        if captures and COROUTINE.search(inner):
            line = text.count("\n", 0, introducer) + 1
            yield f"{path}:{line}: a lambda that captures [{captures}] is a coroutine; make it a named function with values"


def main():
    paths = [pathlib.Path(name) for name in sys.argv[1:]]
    files = [file for path in paths for file in ([path] if path.is_file() else sorted(path.rglob("*")))]
    found = [finding for file in files if file.suffix in (".h", ".cc") for finding in findings(file)]
    for finding in found:
        print(finding)
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
