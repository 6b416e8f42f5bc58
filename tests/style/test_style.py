# test: needs=tree deadline=120
"""Rules of the house that no compiler checks, each over the whole tree and in a few milliseconds."""
import pathlib
import re
import subprocess
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parent.parent / "support"))
import cases  # noqa: E402

ROOT = cases.ROOT
EXCEPTIONS = ROOT / "tests" / "style" / "exceptions.txt"
RULES = {"long-file", "unfuzzed", "reads-clock", "word"}
MAX_LINES = 450
CODE_FOLDERS = ("src", "apps", "fuzz", "benchmarks")
CLOCK_READ = re.compile(r"(?:system|steady|high_resolution|utc)_clock::now|\btime\((?:nullptr|NULL|0)\)|\bgettimeofday\s*\("
                        r"|\bclock_gettime\s*\(")
UNFINISHED = re.compile(r"\b(?:TODO|FIXME|XXX|HACK)\b|\bfor now\b|\bplaceholder\b|\bhard-?coded\b", re.IGNORECASE)
VAGUE_NAME = re.compile(r"\b(?:class|struct|namespace)\s+(\w*(?:Manager|Helper|Helpers|Util|Utils))\b")
# TLS hands its chains to our verifier in a callback, for which it needs a few functions of X509_STORE_CTX and no other.
FOREIGN_VERIFIER = re.compile(r"\bX509_(?:verify_cert|check_(?:host|ip|ip_asc|email|purpose|trust|ca|issued)\b"
                              r"|STORE_(?!CTX\b|CTX_(?:get_ex_data|get0_untrusted|set_error)\b)\w+)"
                              r"|\bSSL_(?:CTX_)?(?:load_verify|set_default_verify|get_verify_result|get_cert_store|set1?_cert_store|set0?_verify_cert_store)\w*"
                              r"|\bOCSP_\w+")
UNLOGGED = re.compile(r"certificates\(\)\.record_issued\s*\(|audit\(\)\.append\s*\(")
RAW_JSON = re.compile(r"fmt::print\((?!.*for_terminal).*\.write\(\)")
PARSER = re.compile(r"\b(parse_[a-z0-9_]+)\s*\(")


def exceptions():
    found = {rule: {} for rule in RULES}
    for number, line in enumerate(EXCEPTIONS.read_text(encoding="utf-8").splitlines(), 1):
        if not line.strip() or line.startswith("#"):
            continue
        match = re.fullmatch(r"(\S+) (\S+): (\S.*)", line)
        cases.want(match and match.group(1) in RULES, f"{EXCEPTIONS.name}:{number}: want `rule subject: reason`")
        found[match.group(1)][match.group(2)] = match.group(3)
    return found


def code(*folders, suffixes=(".h", ".cc")):
    for folder in folders or CODE_FOLDERS:
        for path in sorted((ROOT / folder).rglob("*")):
            if path.suffix in suffixes and path.is_file():
                yield path


def shown(path):
    return str(path.relative_to(ROOT))


def report(rule, found):
    """`found` maps subjects to what is wrong with them; fails on those not excepted and on exceptions without a subject."""
    excepted = exceptions().get(rule, {})
    wrong = [text for subject, text in found.items() if subject not in excepted]
    wrong += [f"{EXCEPTIONS.name}: `{rule} {subject}` is not needed any more" for subject in excepted if subject not in found]
    cases.want(not wrong, f"{len(wrong)} found, want none\n" + "\n".join("  " + line for line in wrong))


def lines_matching(pattern, paths, skip_comments=False):
    found = {}
    for path in paths:
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            text = line.split("//")[0] if skip_comments else line
            if pattern.search(text):
                found.setdefault(shown(path), f"{shown(path)}:{number}: {line.strip()[:120]}")
    return found


def check_no_clock_is_read_below_apps():
    paths = [path for path in code("src") if path != ROOT / "src/base/time.cc" and path.parts[len(ROOT.parts) + 1] != "net"
             and not path.name.endswith("_test.cc")]
    report("reads-clock", lines_matching(CLOCK_READ, paths, skip_comments=True))


def check_only_our_own_verifier_judges_certificates():
    report("foreign-verifier", lines_matching(FOREIGN_VERIFIER, code("src", "apps", "fuzz"), skip_comments=True))


def check_rule_about_verifiers_finds_what_it_shall_find():
    for text in ("X509_verify_cert(c)", "X509_STORE_new()", "X509_STORE_CTX_init(c, s, l, u)", "SSL_CTX_load_verify_locations(c, f, d)",
                 "X509_check_host(l, n, 0, 0, 0)", "SSL_get_verify_result(s)", "OCSP_basic_verify(b, c, s, 0)"):
        cases.want(FOREIGN_VERIFIER.search(text), f"{text!r} is not found")
    for text in ("int verify(X509_STORE_CTX* store, void*)", "X509_STORE_CTX_get0_untrusted(store)", "X509_STORE_CTX_set_error(store, X509_V_OK)", "OCSP"):
        cases.want(not FOREIGN_VERIFIER.search(text), f"{text!r} is found")


def check_nothing_is_recorded_past_the_transparency_log():
    """Certificates and audit events get their log entry in the same transaction, in one place each (ADR 0008)."""
    paths = [path for path in code("src", "apps") if path.name not in {"log_entries.cc", "audit.cc"} and not path.stem.endswith("_test")]
    found = lines_matching(UNLOGGED, paths, skip_comments=True)
    cases.want(not found, f"found {found}, want authority::record_issued and append_audit alone")


def check_rule_about_the_log_finds_what_it_shall_find():
    for text in ("records.certificates().record_issued(ca, serial, der)", "TRY_VOID(r.audit().append(entry));"):
        cases.want(UNLOGGED.search(text), f"{text!r}: found nothing, want it found")


def check_no_command_prints_json_that_a_terminal_would_obey():
    found = lines_matching(RAW_JSON, code("apps"), skip_comments=True)
    cases.want(not found, f"found {found}, want print_json or codec::for_terminal")


def check_rule_about_json_finds_what_it_shall_find():
    for text in ('fmt::print("{}\\n", answer.write());', 'fmt::print("{}", Json(Json::Object{}).write());'):
        cases.want(RAW_JSON.search(text), f"{text!r}: found nothing, want it found")
    cases.want(not RAW_JSON.search('fmt::print("{}\\n", codec::for_terminal(json.write()));'), "found one that is escaped")


def check_no_unfinished_work():
    report("word", lines_matching(UNFINISHED, code()))


def check_files_are_short():
    found = {}
    for path in code():
        count = len(path.read_text(encoding="utf-8").splitlines())
        if count > MAX_LINES:
            found[shown(path)] = f"{shown(path)}: {count} lines, want {MAX_LINES} or fewer"
    report("long-file", found)


def check_names_say_what_it_is():
    found = lines_matching(VAGUE_NAME, code(), skip_comments=True)
    report("vague-name", found)


def check_every_parser_has_a_fuzz_target():
    fuzzed = "\n".join(path.read_text(encoding="utf-8") for path in code("fuzz"))
    found = {}
    for path in code("src", suffixes=(".h",)):
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            for name in PARSER.findall(line.split("//")[0]):
                if not re.search(rf"\b{name}\b", fuzzed):
                    found[name] = f"{shown(path)}:{number}: {name} is in no fuzz/*.cc"
    report("unfuzzed", found)


def check_every_fuzz_target_has_a_corpus():
    found = {}
    for path in code("fuzz", suffixes=(".cc",)):
        corpus = ROOT / "fuzz" / "corpus" / path.stem
        if path.stem != "replay_main" and not (corpus.is_dir() and any(corpus.iterdir())):
            found[path.stem] = f"fuzz/corpus/{path.stem}/ is missing or empty"
    report("corpus", found)


def check_headers_begin_with_their_contract():
    found = {}
    for path in code("src", suffixes=(".h",)):
        first = path.read_text(encoding="utf-8").splitlines()[:1]
        if not first or not re.match(r"// \S+ \S+", first[0]):
            found[shown(path)] = f"{shown(path)}:1: want a comment that says what the header promises"
    report("contract", found)


def check_no_capturing_lambda_is_a_coroutine():
    result = subprocess.run([sys.executable, ROOT / "tools" / "check_coroutines.py", ROOT / "src", ROOT / "apps"],
                            capture_output=True, text=True, check=False, stdin=subprocess.DEVNULL)
    cases.want(result.returncode == 0, "a capturing lambda is a coroutine\n" + result.stdout + result.stderr)


def check_coroutine_rule_finds_what_it_shall_find():
    sys.path.insert(0, str(ROOT / "tools"))
    import check_coroutines
    samples = ROOT / "tests" / "style" / "coroutines"
    wrong = []
    for path in sorted(samples.glob("*.cc")):
        wanted = [number for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1) if "// found" in line]
        got = [int(finding.split(":")[1]) for finding in check_coroutines.findings(path)]
        if got != wanted:
            wrong.append(f"{path.name}: found lines {got}, want {wanted}")
    cases.want(any(samples.glob("*.cc")) and not wrong, "; ".join(wrong) or "no samples")


if __name__ == "__main__":
    cases.arguments()
    sys.exit(cases.run(globals()))
