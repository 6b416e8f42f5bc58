#!/usr/bin/python3
"""The models for ProVerif, which is not here: that each of their variants is well-formed and well-typed in the language that they use of it,
and that each says what is expected of it. Whoever has ProVerif runs models/proverif/check.py.
"""
# test: needs=tree deadline=60
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT / "tests" / "support"))
sys.path.insert(0, str(ROOT / "models" / "proverif"))

import cases  # noqa: E402
import check as proverif  # noqa: E402
from cases import want  # noqa: E402

MODELS = sorted((ROOT / "models" / "proverif").glob("*.pv"))
TOKEN = re.compile(r"\s+|(==>|inj-event|[A-Za-z_]\w*|\d+|[(),;:.=!|\[\]])")
KEYWORDS = {"among", "axiom", "channel", "choice", "clauses", "const", "def", "diff", "do", "elimtrue", "else", "equation", "equivalence", "event", "expand",
            "fail", "for", "forall", "foreach", "free", "fun", "get", "if", "implementation", "in", "insert", "lemma", "let", "letfun", "letproba", "new", "noninterf",
            "noselect", "not", "nounif", "or", "otherwise", "out", "param", "phase", "pred", "proba", "process", "proof", "public_vars", "putbegin", "query", "reduc",
            "restriction", "secret", "select", "set", "suchthat", "sync", "table", "then", "type", "weaksecret", "yield"}


class Wrong(Exception):
    """The text is none of the language, or its types disagree."""


class Model:
    """A parser of the part of the typed pi calculus that the models use (ProVerif's manual, appendix A). Raises Wrong."""

    def __init__(self, text):
        self.tokens = self.split(re.sub(r"\(\*.*?\*\)", lambda found: "\n" * found.group().count("\n"), text, flags=re.DOTALL))
        self.at = 0
        self.types = {"bitstring", "channel"}
        self.names, self.functions, self.events, self.macros = {}, {}, {}, {}
        self.queries = self.phases = 0
        while self.peek()[0] != "process":
            self.declaration()
        self.take("process")
        self.process({})
        if self.peek()[0]:
            self.fail("want the end")

    @staticmethod
    def split(text):
        found, place, line = [], 0, 1
        while place < len(text):
            match = TOKEN.match(text, place)
            if not match:
                raise Wrong(f"line {line}: found {text[place]!r}")
            if match.group(1):
                found.append((match.group(1), line))
            line += match.group().count("\n")
            place = match.end()
        return found + [("", line)]

    def peek(self):
        return self.tokens[self.at]

    def fail(self, text):
        raise Wrong(f"line {self.peek()[1]}: found {self.peek()[0]!r}: {text}")

    def take(self, *wanted):
        token = self.peek()[0]
        if wanted and token not in wanted:
            self.fail(f"want {' or '.join(wanted)}")
        self.at += 1
        return token

    def name(self):
        token = self.peek()[0]
        if not re.fullmatch(r"[A-Za-z_]\w*", token) or token in KEYWORDS - {"channel"}:
            self.fail("want a name")
        return self.take()

    def type(self):
        if self.peek()[0] not in self.types:
            self.fail("want a type")
        return self.take()

    def several(self, item, end=")"):
        found = []
        while self.peek()[0] != end:
            found.append(item())
            if self.peek()[0] != end:
                self.take(",")
        self.take(end)
        return found

    def new_name(self, into, value):
        name = self.name()
        if name in self.names or name in self.functions or name in self.macros or name in into:
            self.fail(f"{name} is there already")
        into[name] = value
        return name

    # Declarations

    def declaration(self):
        word = self.take("free", "const", "type", "fun", "equation", "reduc", "event", "query", "let")
        getattr(self, f"declare_{word}")()
        self.take(".")

    def declare_names(self):
        listed = [self.name()]
        while self.peek()[0] == ",":
            self.take(",")
            listed.append(self.name())
        self.take(":")
        kind = self.type()
        for name in listed:
            if name in self.names or name in self.functions:
                self.fail(f"{name} is there already")
            self.names[name] = kind

    def declare_free(self):
        self.declare_names()
        self.option("private")

    def declare_const(self):
        self.declare_names()

    def option(self, word):
        if self.peek()[0] == "[":
            self.take("[")
            self.take(word)
            self.take("]")

    def declare_type(self):
        self.types.add(self.name())

    def declare_fun(self):
        name = self.name()
        self.take("(")
        arguments = self.several(self.type)
        self.take(":")
        if name in self.functions:
            self.fail(f"{name} is there already")
        self.functions[name] = (arguments, self.type())
        self.option("data")

    def variables(self):
        self.take("forall")
        return self.typed_list(";")

    def typed_list(self, end):
        found = {}

        def one():
            name = self.name()
            self.take(":")
            found[name] = self.type()
        self.several(one, end)
        return found

    def declare_equation(self):
        bound = self.variables()
        left = self.term(bound)
        self.take("=")
        self.same(left, self.term(bound))

    def declare_reduc(self):
        bound = self.variables()
        name = self.name()
        self.take("(")
        arguments = self.several(lambda: self.term(bound))
        self.take("=")
        self.functions[name] = (arguments, self.term(bound))

    def declare_event(self):
        name = self.name()
        self.take("(")
        self.events[name] = self.several(self.type)

    def declare_query(self):
        self.queries += 1
        bound = {} if self.peek()[0] in ("attacker", "inj-event") else self.typed_list(";")
        if self.peek()[0] == "attacker":
            self.take("attacker")
            self.take("(")
            self.term(bound)
            self.take(")")
            self.take("phase")
            self.phases = max(self.phases, int(self.take()))
            return
        self.event(bound, "inj-event")
        self.take("==>")
        self.event(bound, "inj-event")

    def event(self, bound, word):
        self.take(word)
        self.take("(")
        name = self.name()
        if name not in self.events:
            self.fail(f"{name} is no event")
        self.take("(")
        self.arguments(name, self.events[name], bound)
        self.take(")")

    def declare_let(self):
        name = self.name()
        self.take("(")
        bound = self.typed_list(")")
        self.take("=")
        self.process(dict(bound))
        self.macros[name] = list(bound.values())

    # Terms

    def same(self, found, wanted):
        if found != wanted:
            self.fail(f"a {found}, want a {wanted}")

    def arguments(self, name, wanted, bound):
        found = self.several(lambda: self.term(bound))
        if found != wanted:
            self.fail(f"{name} has {found}, want {wanted}")

    def term(self, bound):
        """The type of what stands here."""
        if self.peek()[0] == "(":
            self.take("(")
            found = self.several(lambda: self.term(bound))
            return found[0] if len(found) == 1 else "bitstring"
        name = self.name()
        if self.peek()[0] == "(":
            if name not in self.functions:
                self.fail(f"{name} is no function")
            wanted, result = self.functions[name]
            self.take("(")
            self.arguments(name, wanted, bound)
            return result
        kind = bound.get(name) or self.names.get(name)
        if not kind:
            self.fail(f"{name} is not known")
        return kind

    def pattern(self, bound, kind=None):
        if self.peek()[0] == "(":
            self.take("(")
            self.several(lambda: self.pattern(bound))
            return
        if self.peek()[0] == "=":
            self.take("=")
            self.term(bound)
            return
        name = self.name()
        if self.peek()[0] == ":":
            self.take(":")
            kind = self.type()
        if not kind:
            self.fail(f"{name} has no type")
        bound[name] = kind

    # Processes

    def process(self, bound):
        word = self.peek()[0]
        if word == "(":
            self.take("(")
            self.process(dict(bound))
            while self.peek()[0] == "|":
                self.take("|")
                self.process(dict(bound))
            self.take(")")
        elif word == "!":
            self.take("!")
            self.process(bound)
        elif word in ("new", "out", "in", "event", "phase"):
            getattr(self, f"do_{word}")(bound)
            if self.peek()[0] == ";":
                self.take(";")
                self.process(bound)
        elif word in ("let", "if"):
            getattr(self, f"do_{word}")(bound)
            self.process(bound)
        else:
            name = self.name()
            if name not in self.macros:
                self.fail(f"{name} is no process")
            self.take("(")
            self.arguments(name, self.macros[name], bound)

    def do_new(self, bound):
        self.take("new")
        name = self.name()
        self.take(":")
        bound[name] = self.type()

    def do_out(self, bound):
        self.take("out")
        self.take("(")
        self.same(self.term(bound), "channel")
        self.take(",")
        self.term(bound)
        self.take(")")

    def do_in(self, bound):
        self.take("in")
        self.take("(")
        self.same(self.term(bound), "channel")
        self.take(",")
        self.pattern(bound)
        self.take(")")

    def do_event(self, bound):
        self.take("event")
        name = self.name()
        if name not in self.events:
            self.fail(f"{name} is no event")
        self.take("(")
        self.arguments(name, self.events[name], bound)

    def do_phase(self, _):
        self.take("phase")
        self.phases = max(self.phases, int(self.take()))

    def do_let(self, bound):
        """The type of what is matched is that of the term; a tuple's parts have their own."""
        self.take("let")
        inner = {}
        start = self.at
        self.at = self.after_pattern()
        self.take("=")
        kind = self.term(bound)
        end = self.at
        self.at = start
        inner.update(bound)
        self.pattern(inner, kind)
        self.at = end
        self.take("in")
        bound.update(inner)

    def after_pattern(self):
        depth, place = 0, self.at
        while depth or self.tokens[place][0] != "=":
            depth += {"(": 1, ")": -1}.get(self.tokens[place][0], 0)
            place += 1
        return place

    def do_if(self, bound):
        self.take("if")
        left = self.term(bound)
        self.take("=")
        self.same(self.term(bound), left)
        self.take("then")


def variants():
    for path in MODELS:
        text = path.read_text(encoding="utf-8")
        for mutant in proverif.expected(text):
            yield path, mutant, proverif.variant(text, mutant)


def check_every_variant_is_well_formed_and_well_typed():
    found = list(variants())
    want(len(MODELS) >= 2 and len(found) >= 12, f"found {len(found)} variants of {len(MODELS)} models, want more")
    for path, mutant, text in found:
        try:
            Model(text)
        except (Wrong, ValueError) as wrong:
            raise cases.Failed(f"{path.name} MUTANT {mutant}: {wrong}, want the language of ProVerif") from None


def check_every_query_has_a_verdict_in_every_variant():
    for path, mutant, text in variants():
        verdicts = proverif.expected(path.read_text())[mutant]
        model = Model(text)
        want(len(verdicts) == model.queries, f"{path.name} MUTANT {mutant}: found {len(verdicts)} verdicts of {model.queries} queries")
        want(model.phases == 1, f"{path.name}: found {model.phases} as the last phase, want 1: keys are given away")


def check_every_mutant_is_named_and_breaks_something():
    for path in MODELS:
        text = path.read_text()
        table = proverif.expected(text)
        named = {int(number) for number in re.findall(r"#if.*?MUTANT [!=]= (\d+)", text)} | {int(number) for number in re.findall(r"(?:&&|\|\|) MUTANT [!=]= (\d+)", text)}
        want(named | {0} == set(table), f"{path.name}: found mutants {sorted(named)} and verdicts of {sorted(table)}, want the same")
        for mutant in named:
            want(any(was == "true" and now == "false" for was, now in zip(table[0], table[mutant])), f"{path.name} MUTANT {mutant}: found nothing that it breaks")
            want(proverif.variant(text, mutant) != proverif.variant(text, 0), f"{path.name} MUTANT {mutant}: found no difference, want one")
        broken = [any(table[mutant][query] == "false" for mutant in named) for query in range(len(table[0])) if table[0][query] == "true"]
        want(all(broken), f"{path.name}: found queries that no mutant breaks, want one for each")


def check_parser_finds_what_is_wrong():
    good = proverif.variant(MODELS[-1].read_text(), 0)
    Model(good)
    for what, old, new in (("an unknown name", "cipher_key(ck1)", "cipher_key(ck9)"), ("another arity", "hint(k)", "hint(k, k)"), ("another type", "times(base, e)", "times(e, base)"),
                           ("an unknown function", "mix_psk(hash", "mix_ps(hash"), ("a missing dot", "answer_secret: bitstring [private].", "answer_secret: bitstring [private]"),
                           ("an unknown event", "event Ran(transcript", "event Run(transcript"), ("an event's arity", "event Sent(transcript, (", "event Sent((transcript, "),
                           ("an unclosed list", "out(broker, (hint(k), ge, sealed1));", "out(broker, (hint(k), ge, sealed1);"), ("an unknown process", "!caller(k", "!callers(k"),
                           ("an unknown type", "new e: exponent", "new e: exponents"), ("what is no channel", "in(broker, (tag", "in(zero, (tag"), ("a keyword", "let request =", "let query =")):
        want(old in good, f"{what}: found no {old!r}, want it there")
        try:
            Model(good.replace(old, new))
        except Wrong:
            continue
        raise cases.Failed(f"{what}: found nothing wrong, want it refused")


if __name__ == "__main__":
    sys.exit(cases.run(globals()))
